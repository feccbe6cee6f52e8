import pytest

from stocktrack.clock import ManualClock
from stocktrack.sessions.budgets import Budgets, whose_budget


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def budgets(clock: ManualClock) -> Budgets:
    return Budgets(clock)


def pay(budgets: Budgets, whose: str = "user ann", requests: int = 1) -> float:
    return budgets.pay(whose, requests, per_minute=60, burst=30)


async def test_a_burst_of_thirty_and_then_one_a_second(budgets: Budgets, clock: ManualClock) -> None:
    assert [pay(budgets) for _ in range(31)] == [0.0] * 30 + [1.0]
    await clock.advance(1)
    assert [pay(budgets), pay(budgets)] == [0.0, 1.0]
    assert pay(budgets, requests=3) == 3.0


async def test_each_has_a_budget_of_their_own(budgets: Budgets) -> None:
    for _ in range(30):
        pay(budgets)
    assert pay(budgets, "user bob") == 0


async def test_a_budget_that_is_full_again_is_forgotten_and_one_that_is_not_is_kept(
    budgets: Budgets, clock: ManualClock
) -> None:
    for number in range(100):
        pay(budgets, f"user {number}", 30)
    await clock.advance(29)
    pay(budgets, "user 0")
    assert len(budgets) == 100
    await clock.advance(1)
    assert pay(budgets, "user 0", 30) > 0
    assert len(budgets) == 1


@pytest.mark.parametrize(
    ("username", "address", "whose"),
    [
        ("ann", "192.0.2.1", "user ann"),
        (None, "192.0.2.1", "address 192.0.2.1"),
        (None, "::ffff:192.0.2.1", "address 192.0.2.1"),
        (None, "2001:db8:1:2:3:4:5:6", "address 2001:db8:1:2::/64"),
        (None, "fe80::1%eth0", "address fe80::/64"),
        (None, "unknown", "address unknown"),
    ],
)
def test_a_user_is_known_by_name_and_a_guest_by_address(username: str | None, address: str, whose: str) -> None:
    assert whose_budget(username, address) == whose


def test_what_is_left_is_told_without_anything_being_paid() -> None:
    clock = ManualClock()
    budgets = Budgets(clock)
    assert budgets.left("user ann", per_minute=60, burst=30) == 30
    assert len(budgets) == 0
    budgets.pay("user ann", 3, per_minute=60, burst=30)
    assert budgets.left("user ann", per_minute=60, burst=30) == 27
    assert budgets.left("user bob", per_minute=60, burst=30) == 30
