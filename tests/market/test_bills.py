from collections import Counter

import pytest

from stocktrack.errors import CommandError, Reason
from stocktrack.market.bills import Bills, Payer, charge


class Purse:
    """A budget that is not filled up: what is missing in it is the wait, in seconds."""

    def __init__(self, requests: int) -> None:
        self.requests = requests

    def pay(self, requests: int) -> float:
        if requests > self.requests:
            return float(requests - self.requests)
        self.requests -= requests
        return 0.0


def symbols(count: int, letter: str = "S") -> list[str]:
    return [f"{letter}{number}" for number in range(count)]


def test_a_batch_is_one_request_for_so_many_symbols_as_the_source_takes() -> None:
    bills, purse = Bills(), Purse(10)
    bills.open(symbols(101), purse)
    assert bills.pay_batch(symbols(101), 50) == {}
    assert purse.requests == 7


def test_what_is_over_the_budget_is_refused_with_the_time_to_wait_and_the_rest_is_paid() -> None:
    bills, purse = Bills(), Purse(1)
    bills.open(symbols(120), purse)
    errors = bills.pay_batch(symbols(120), 50)
    assert list(errors) == symbols(120)[50:]
    assert {error.reason for error in errors.values()} == {Reason.RATE_LIMITED}
    assert [errors[symbol].retry_after_ms for symbol in ("S50", "S119")] == [1_000, 2_000]


def test_each_pays_for_their_own() -> None:
    bills, rich, poor = Bills(), Purse(10), Purse(0)
    bills.open(symbols(3, "R"), rich)
    bills.open(symbols(3, "P"), poor)
    errors = bills.pay_batch([*symbols(3, "R"), *symbols(3, "P"), "OURS"], 50)
    assert sorted(errors) == symbols(3, "P")
    assert rich.requests == 9


def test_where_the_first_cannot_pay_another_who_wants_the_same_does() -> None:
    bills, poor, rich = Bills(), Purse(0), Purse(10)
    bills.open(["A", "B"], poor)
    bills.open(["B"], rich)
    assert list(bills.pay_batch(["A", "B"], 50)) == ["A"]
    assert bills.pay_look_up("B", Counter()) is None
    assert rich.requests == 8


def test_symbols_that_are_looked_up_are_one_request_each_and_do_not_all_come_back_at_once() -> None:
    bills, purse = Bills(), Purse(1)
    bills.open(symbols(4), purse)
    refused: Counter[Payer] = Counter()
    errors = [bills.pay_look_up(symbol, refused) for symbol in symbols(4)]
    assert [error and error.retry_after_ms for error in errors] == [None, 1_000, 2_000, 3_000]


def test_what_nobody_asked_for_costs_nobody_anything() -> None:
    bills = Bills()
    assert bills.pay_batch(["A"], 50) == {}
    assert bills.pay_look_up("A", Counter()) is None


def test_a_crowd_that_wants_one_symbol_is_not_all_remembered_and_nothing_is_left_of_it() -> None:
    bills, purses = Bills(), [Purse(0) for _ in range(1_000)]
    for purse in purses:
        bills.open(["A"], purse)
    assert len(bills._payers["A"]) < 10
    bills.close(["A"])
    assert len(bills) == 0


def test_a_question_is_charged_to_whoever_asks_it() -> None:
    purse = Purse(1)
    charge(None)
    charge(purse)
    with pytest.raises(CommandError) as caught:
        charge(purse)
    assert (caught.value.reason, caught.value.retry_after_ms) == (Reason.RATE_LIMITED, 1_000)
