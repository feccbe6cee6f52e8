from typing import Any

import pytest

from fakes import NOW_MS, a_quote
from stocktrack.market.merging import SAME_DAY_MS, completed, named
from stocktrack.quotes import MarketState, Quote

FULL = a_quote(
    "AAPL",
    100.0,
    provider="polled",
    timestamp=NOW_MS,
    previous_close=98.0,
    change=2.0,
    change_percent=2.040816,
    high=101.0,
    low=97.5,
    volume=1_000,
    name="Apple Inc.",
    exchange="NASDAQ",
    price_hint=2,
)


def tick(price: float, *, at: int = NOW_MS + 1_000, **fields: Any) -> Quote:
    return a_quote(
        "AAPL",
        price,
        **{"provider": "streamed", "currency": None, "market_state": MarketState.UNKNOWN, "timestamp": at, **fields},
    )


def test_a_tick_is_told_with_the_day_that_it_belongs_to() -> None:
    full = completed(tick(102.0), FULL)
    assert (full.price, full.provider, full.timestamp) == (102.0, "streamed", NOW_MS + 1_000)
    assert (full.previous_close, full.change, full.change_percent) == (98.0, 4.0, 4.081633)
    assert (full.high, full.low) == (102.0, 97.5)
    assert (full.name, full.exchange, full.currency, full.price_hint) == ("Apple Inc.", "NASDAQ", "USD", 2)
    assert full.market_state is MarketState.OPEN
    assert full.volume is None


@pytest.mark.parametrize("at", [NOW_MS + SAME_DAY_MS, None])
def test_a_tick_of_another_day_or_of_no_known_one_has_no_change(at: int | None) -> None:
    full = completed(a_quote("AAPL", 102.0, currency=None, timestamp=at), FULL)
    assert (full.previous_close, full.change, full.high) == (None, None, None)
    assert (full.name, full.currency) == ("Apple Inc.", "USD")


def test_prices_of_two_currencies_have_no_change_in_common() -> None:
    full = completed(tick(1.02, currency="GBP"), FULL.model_copy(update={"currency": "GBp"}))
    assert (full.change, full.previous_close, full.currency) == (None, None, "GBP")


def test_a_market_in_which_something_is_traded_is_not_called_closed() -> None:
    closed = FULL.model_copy(update={"market_state": MarketState.CLOSED})
    assert completed(tick(102.0), closed).market_state is MarketState.UNKNOWN


def test_a_source_that_tells_no_name_leaves_the_one_that_another_has_told() -> None:
    bare = tick(102.0, previous_close=98.0, change=4.0)
    assert (named(bare, FULL).name, named(bare, FULL).currency, named(bare, FULL).high) == ("Apple Inc.", "USD", None)
    assert named(FULL, FULL) is FULL
    assert named(bare, None) is bare


def test_a_tick_that_speaks_of_the_day_and_one_without_a_quote_before_it_are_left_alone() -> None:
    whole = tick(102.0, previous_close=90.0, change=12.0)
    assert completed(whole, FULL) is whole
    assert completed(tick(102.0), None) == tick(102.0)
