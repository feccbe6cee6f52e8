import pytest
from structlog.testing import capture_logs

from stocktrack.accounts.throttle import MAX_KEYS, PAIR_SECONDS, TRIES_OF_A_PAIR, LoginThrottle
from stocktrack.clock import ManualClock
from stocktrack.errors import CommandError

HERE = "127.0.0.1"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def test_the_minute_slides_and_a_try_is_free_again_when_its_oldest_is_over(clock: ManualClock) -> None:
    throttle = LoginThrottle(clock, 2)
    throttle.count("ann", HERE)
    await clock.advance(20)
    throttle.check("ann", HERE)
    throttle.count("ann", HERE)
    await clock.advance(39.5)
    with pytest.raises(CommandError) as caught:
        throttle.check("ann", HERE)
    assert caught.value.retry_after_ms == 500
    await clock.advance(0.5)
    throttle.check("ann", HERE)
    throttle.count("ann", HERE)
    with pytest.raises(CommandError) as caught:
        throttle.check("ann", "192.0.2.1")
    assert caught.value.retry_after_ms == 20_000


async def test_a_name_is_not_an_address_to_the_throttle(clock: ManualClock) -> None:
    throttle = LoginThrottle(clock, 1)
    throttle.count(HERE, "192.0.2.1")
    throttle.check("ann", HERE)
    with pytest.raises(CommandError, match="Too many wrong logins"):
        throttle.check(HERE, "192.0.2.2")


async def test_what_the_throttle_keeps_is_bounded_and_goes_after_a_minute(clock: ManualClock) -> None:
    throttle = LoginThrottle(clock, 30)
    for number in range(MAX_KEYS + 5):
        throttle.count(f"name{number}", f"address{number}")
    assert len(throttle._names) == len(throttle._addresses) == MAX_KEYS
    await clock.advance(60)
    throttle.count("ann", HERE)
    assert len(throttle._names) == len(throttle._addresses) == 1


async def test_a_throttled_address_is_logged_once_and_the_name_is_not(clock: ManualClock) -> None:
    throttle = LoginThrottle(clock, 2)
    with capture_logs() as logs:
        for number in range(2):
            throttle.count(f"name{number}", HERE)
        for _ in range(2):
            throttle.count("typed-password", HERE)
    assert [(entry["kind"], entry["address"]) for entry in logs] == [("address", HERE), ("name", HERE)]
    assert "typed-password" not in repr(logs)


async def test_a_wrong_login_without_a_name_counts_for_the_address_alone(clock: ManualClock) -> None:
    throttle = LoginThrottle(clock, 2)
    for _ in range(2):
        throttle.count_address(HERE)
    throttle.check("ann", "192.0.2.1")
    with pytest.raises(CommandError):
        throttle.check("ann", HERE)


async def test_a_name_is_looked_at_once_a_minute_wherever_it_comes_from_while_nobody_fails_with_it(
    clock: ManualClock,
) -> None:
    throttle = LoginThrottle(clock, 2)
    for _ in range(2):
        throttle.count_address(HERE)
    give_back = throttle.take_look("ann", HERE)
    assert give_back is not None
    assert throttle.take_look("ann", HERE) is None
    give_back()
    assert throttle.take_look("ann", HERE) is not None
    await clock.advance(59)
    throttle.count_address(HERE)
    throttle.count_address(HERE)
    assert throttle.take_look("ann", HERE) is None
    await clock.advance(1)
    assert throttle.take_look("ann", HERE) is not None


async def test_a_name_that_fails_is_looked_at_three_times_in_ten_minutes_from_each_address(clock: ManualClock) -> None:
    throttle = LoginThrottle(clock, 30)
    throttle.count("ann", "192.0.2.1")
    for address, looks in ((HERE, TRIES_OF_A_PAIR), ("192.0.2.1", TRIES_OF_A_PAIR - 1)):
        assert [throttle.take_look("ann", address) is not None for _ in range(4)] == [True] * looks + [False] * (
            4 - looks
        )
    await clock.advance(PAIR_SECONDS - 1)
    throttle.count("ann", "192.0.2.1")
    assert throttle.take_look("ann", HERE) is None
    await clock.advance(1)
    assert throttle.take_look("ann", HERE) is not None


async def test_a_look_that_is_given_back_can_be_taken_again(clock: ManualClock) -> None:
    throttle = LoginThrottle(clock, 30)
    throttle.count("ann", "192.0.2.1")
    for _ in range(5):
        give_back = throttle.take_look("ann", HERE)
        assert give_back is not None
        give_back()
    assert len(throttle._pairs) == 1


async def test_a_name_that_fails_has_no_looks_from_an_address_that_is_throttled(clock: ManualClock) -> None:
    throttle = LoginThrottle(clock, 2)
    throttle.count("ann", "192.0.2.1")
    for _ in range(2):
        throttle.count_address(HERE)
    assert throttle.take_look("ann", HERE) is None


async def test_who_was_wrong_or_looks_already_is_more_suspicious_for_a_while(clock: ManualClock) -> None:
    throttle = LoginThrottle(clock, 30)
    throttle.count_address(HERE)
    throttle.count("ann", HERE)
    assert [throttle.suspicion(name, HERE) for name in ("ann", "bob")] == [3, 2]
    throttle.take_look("ann", HERE)
    assert throttle.suspicion("ann", HERE) == 4
    await clock.advance(60)
    assert throttle.suspicion("ann", HERE) == 2
    assert throttle.suspicion("ann", "192.0.2.1") == 0


async def test_names_that_looked_are_bounded_and_push_no_failures_out(clock: ManualClock) -> None:
    throttle = LoginThrottle(clock, 1)
    throttle.count_address(HERE)
    for number in range(MAX_KEYS + 5):
        throttle.take_look(f"name{number}", HERE)
    assert len(throttle._looks) == MAX_KEYS
    with pytest.raises(CommandError):
        throttle.check("ann", HERE)
    await clock.advance(60)
    throttle.take_look("ann", HERE)
    assert len(throttle._looks) == 1


async def test_what_fails_elsewhere_does_not_count_where_the_user_logged_in_lately(clock: ManualClock) -> None:
    throttle = LoginThrottle(clock, 2)
    throttle.welcome("ann", HERE)
    for number in range(5):
        throttle.count("ann", f"192.0.2.{number}")
    throttle.check("ann", HERE)
    with pytest.raises(CommandError):
        throttle.check("ann", "192.0.2.9")
    # What fails there counts there alone, and for the address.
    throttle.count("ann", HERE)
    throttle.count("ann", HERE)
    with pytest.raises(CommandError):
        throttle.check("ann", HERE)
    with pytest.raises(CommandError):
        throttle.check("bob", HERE)


async def test_the_addresses_of_one_ipv6_network_are_one_address(clock: ManualClock) -> None:
    throttle = LoginThrottle(clock, 3)
    for number in range(3):
        throttle.count(f"name{number}", f"2001:db8:0:7::{number + 1:x}")
    with pytest.raises(CommandError):
        throttle.check("ann", "2001:db8:0:7:ffff::1")
    throttle.check("ann", "2001:db8:0:8::1")
