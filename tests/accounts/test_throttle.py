import pytest
from structlog.testing import capture_logs

from stocktrack.accounts.throttle import MAX_KEYS, LoginThrottle
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


async def test_an_address_is_blamed_alone_while_nobody_fails_with_the_name(clock: ManualClock) -> None:
    throttle = LoginThrottle(clock, 2)
    throttle.count("eve", HERE)
    assert not throttle.blames_only_address("ann", HERE)
    await clock.advance(30)
    for _ in range(2):
        throttle.count_address(HERE)
    assert throttle.blames_only_address("ann", HERE)
    assert not throttle.blames_only_address("ann", "192.0.2.1")
    assert not throttle.blames_only_address("eve", HERE)
    await clock.advance(30)
    assert throttle.blames_only_address("eve", HERE)


async def test_a_name_is_looked_at_once_a_minute_unless_it_failed_or_was_right(clock: ManualClock) -> None:
    throttle = LoginThrottle(clock, 2)
    assert throttle.may_look("ann")
    throttle.looked("ann")
    assert not throttle.may_look("ann")
    throttle.looked_right("ann")
    assert throttle.may_look("ann")
    throttle.count("ann", HERE)
    assert not throttle.may_look("ann")
    throttle.looked("bob")
    await clock.advance(59)
    assert not throttle.may_look("ann")
    assert not throttle.may_look("bob")
    await clock.advance(1)
    assert throttle.may_look("ann")
    assert throttle.may_look("bob")


async def test_names_that_looked_are_bounded_and_push_no_failures_out(clock: ManualClock) -> None:
    throttle = LoginThrottle(clock, 1)
    throttle.count_address(HERE)
    for number in range(MAX_KEYS + 5):
        throttle.looked(f"name{number}")
    assert len(throttle._looks) == MAX_KEYS
    with pytest.raises(CommandError):
        throttle.check("ann", HERE)
    await clock.advance(60)
    throttle.looked("ann")
    assert len(throttle._looks) == 1
    assert not throttle.may_look("ann")
