"""Prices become 1-minute bars: which price belongs to which minute, and what a price is not."""

import math
from collections.abc import Iterable
from typing import Any

import pytest

from fakes import NOW_MS, a_quote
from stocktrack.bars import MINUTE_MS
from stocktrack.errors import Reason
from stocktrack.market.minutes import Minutes
from stocktrack.messages import BoardQuote
from stocktrack.quotes import MarketState
from stocktrack.storage.bars import MinuteBar

BEGIN = NOW_MS - NOW_MS % MINUTE_MS
MINUTE = BEGIN // MINUTE_MS
PRE, POST, CLOSED, UNKNOWN = MarketState.PRE, MarketState.POST, MarketState.CLOSED, MarketState.UNKNOWN


def seen(
    price: float, at: float | None, *, came: float | None = None, stale: bool = False, **fields: Any
) -> BoardQuote:
    """A quote of so many seconds into the first minute, which came then or at `came`; None is no market time."""
    came = came if came is not None else at or 0.0
    fields = {"provider": "yahoo", "timestamp": None if at is None else BEGIN + round(at * 1000), **fields}
    quote = a_quote(price=price, received_at=BEGIN + round(came * 1000), **fields)
    return BoardQuote.of(quote, seq=1, stale_reason=Reason.PROVIDER_TIMEOUT if stale else None, retry_at=None)


def bars_of(*quotes: BoardQuote, invented: Iterable[str] = ()) -> list[MinuteBar]:
    """All bars that the quotes make, as they are handed out at the end."""
    minutes = Minutes(frozenset(invented))
    minutes.add(quotes)
    return list(minutes.take_finished())


def a_bar(minute: int, *prices: float, volume: int | None = None, state: str | None = None) -> MinuteBar:
    """A bar of the prices in their order."""
    ends = prices[0], max(prices), min(prices), prices[-1]
    return MinuteBar(MINUTE + minute, "AAPL", state, *ends, volume)


def test_a_minute_opens_with_its_first_price_and_closes_with_its_last() -> None:
    quotes = [seen(price, second) for second, price in enumerate([10.0, 12.0, 9.5, 11.0])]
    assert bars_of(*quotes, seen(11.5, 60)) == [a_bar(0, 10.0, 12.0, 9.5, 11.0), a_bar(1, 11.5)]


def test_the_minute_is_that_of_the_market_however_late_the_price_comes() -> None:
    late = 15 * 60
    quotes = [seen(10.0, 1, came=late), seen(11.0, 59.999, came=late + 60), seen(12.0, 60, came=late + 61)]
    assert bars_of(*quotes) == [a_bar(0, 10.0, 11.0), a_bar(1, 12.0)]


def test_minutes_without_a_trade_have_no_bar() -> None:
    assert bars_of(seen(10.0, 0), seen(11.0, 300)) == [a_bar(0, 10.0), a_bar(5, 11.0)]


def test_a_price_of_a_minute_before_the_running_one_is_left_out() -> None:
    quotes = [
        seen(10.0, 30, volume=100),
        seen(11.0, 61, volume=150),
        seen(99.0, 59, volume=90),
        seen(12.0, 62, volume=160),
    ]
    assert bars_of(*quotes) == [a_bar(0, 10.0), a_bar(1, 11.0, 12.0, volume=60)]


def test_a_minute_that_was_handed_out_is_handed_out_again_as_it_changes() -> None:
    minutes = Minutes()
    minutes.add([seen(10.0, 30)])
    assert minutes.take_finished(MINUTE) == []  # it runs
    assert minutes.take_finished(MINUTE + 1) == [a_bar(0, 10.0)]
    minutes.add([seen(10.0, 31)])
    assert minutes.take_finished(MINUTE + 1) == []
    minutes.add([seen(11.0, 32, came=90)])
    assert minutes.take_finished(MINUTE + 1) == [a_bar(0, 10.0, 11.0)]
    minutes.add([seen(12.0, 61)])
    assert minutes.take_finished() == [a_bar(1, 12.0)]


def test_what_was_traded_long_before_it_came_makes_no_bar() -> None:
    assert bars_of(seen(10.0, -3_700, came=0), seen(11.0, -3_500, came=1)) == [a_bar(-59, 11.0)]
    assert bars_of(seen(10.0, 0), seen(11.0, 60, came=4_000)) == [a_bar(0, 10.0)]


# --- sources without a market time -----------------------------------------------------------------------------------


def test_without_a_market_time_the_minute_is_ours_and_only_a_change_is_a_trade() -> None:
    quotes = [
        seen(10.0, None, came=5),
        seen(10.0, None, came=65, bid=9.9),  # nobody says that anything was traded
        seen(10.5, None, came=125),
        seen(10.5, None, came=185, volume=100),
        seen(10.5, None, came=245, volume=130),
        seen(10.5, None, came=305, volume=130),
    ]
    assert bars_of(*quotes) == [a_bar(0, 10.0), a_bar(2, 10.5), a_bar(3, 10.5), a_bar(4, 10.5, volume=30)]


# --- stale marks, other sources -------------------------------------------------------------------------------------


def test_a_stale_mark_is_no_price_and_no_volume_is_set_against_what_was_before() -> None:
    quotes = [
        seen(10.0, 0, volume=100),
        seen(10.5, 10, volume=130),
        seen(10.5, 10, volume=130, came=70, stale=True),
        seen(11.0, 90, volume=900),
        seen(11.5, 95, volume=920),
    ]
    assert bars_of(*quotes) == [a_bar(0, 10.0, 10.5, volume=30), a_bar(1, 11.0, 11.5, volume=20)]


def test_a_stale_mark_of_a_symbol_that_is_new_makes_no_bar() -> None:
    assert bars_of(seen(10.0, 0, stale=True)) == []


def test_another_source_counts_the_volume_from_its_own_first_figure() -> None:
    quotes = [
        seen(10.0, 0, volume=1_000),
        seen(10.0, 1, volume=1_010),
        seen(10.1, 2, volume=50_000, provider="finnhub"),
        seen(10.2, 3, volume=50_007, provider="finnhub"),
    ]
    assert bars_of(*quotes) == [a_bar(0, 10.0, 10.1, 10.2, volume=17)]


# --- volume ---------------------------------------------------------------------------------------------------------


def test_the_volume_is_what_that_of_the_day_grew_by() -> None:
    quotes = [
        seen(10.0, 0, volume=1_000),
        seen(10.1, 20, volume=1_050),
        seen(10.1, 59, volume=1_060),
        seen(10.2, 61, volume=1_100),
        seen(10.2, 121, volume=1_100),
    ]
    assert bars_of(*quotes) == [a_bar(0, 10.0, 10.1, volume=60), a_bar(1, 10.2, volume=40), a_bar(2, 10.2, volume=0)]


def test_the_first_volume_that_is_told_says_nothing_of_the_minute() -> None:
    assert bars_of(seen(10.0, 0, volume=1_000)) == [a_bar(0, 10.0, volume=None)]


def test_a_volume_that_begins_anew_is_that_of_another_day() -> None:
    quotes = [seen(10.0, 0, volume=50_000), seen(10.0, 70, volume=50_100), seen(11.0, 80, volume=300)]
    assert bars_of(*quotes)[1] == a_bar(1, 10.0, 11.0, volume=400)


def test_a_volume_that_is_corrected_takes_nothing_back() -> None:
    quotes = [seen(10.0, 0, volume=50_000), seen(10.0, 1, volume=50_100), seen(10.0, 2, volume=50_050)]
    assert bars_of(*quotes, seen(10.0, 3, volume=50_060)) == [a_bar(0, 10.0, volume=110)]


def test_a_volume_that_no_database_takes_is_left_out() -> None:
    assert bars_of(seen(10.0, 0, volume=1), seen(11.0, 1, volume=10**300)) == [a_bar(0, 10.0, 11.0)]


def test_money_that_was_traded_within_a_day_is_no_volume() -> None:
    money: dict[str, Any] = {"volume_currency": "USD"}
    assert bars_of(seen(10.0, 0, volume=100, **money), seen(11.0, 1, volume=200, **money)) == [a_bar(0, 10.0, 11.0)]


# --- outside of the regular hours -----------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [PRE, POST])
def test_outside_of_the_regular_hours_the_bar_is_of_the_price_there(state: MarketState) -> None:
    before = 16 * 3_600
    quotes = [
        seen(100.0, -before, came=second, volume=5_000, market_state=state, extended_price=price, extended_time=at)
        for second, price, at in [(1, 101.0, BEGIN + 500), (2, 102.0, BEGIN + 1_500), (61, 103.0, BEGIN + 61_000)]
    ]
    assert bars_of(*quotes) == [a_bar(0, 101.0, 102.0, state=state.value), a_bar(1, 103.0, state=state.value)]


def test_a_price_outside_of_the_hours_that_is_older_than_the_regular_one_counts_for_nothing() -> None:
    quote = seen(100.0, 10, market_state=POST, extended_price=90.0, extended_time=BEGIN - 30_000_000)
    assert bars_of(quote) == [a_bar(0, 100.0)]


def test_a_source_that_tells_one_price_only_tells_that_of_the_hours_it_is_in() -> None:
    assert bars_of(seen(100.0, 10, market_state=PRE)) == [a_bar(0, 100.0, state="pre")]


def test_in_the_minute_in_which_the_market_opens_it_is_open() -> None:
    early = seen(99.0, -60_000, came=1, market_state=PRE, extended_price=101.0, extended_time=BEGIN + 1_000)
    assert bars_of(early, seen(102.0, 2)) == [a_bar(0, 101.0, 102.0)]
    minutes = Minutes()
    minutes.add([early])
    minutes.take_finished()
    minutes.add([seen(101.0, 2)])  # the state alone
    assert minutes.take_finished() == [a_bar(0, 101.0)]


def test_while_the_market_is_closed_nothing_is_recorded() -> None:
    closed: dict[str, Any] = {"market_state": CLOSED, "extended_price": 101.0, "extended_time": BEGIN}
    assert bars_of(seen(100.0, 0, **closed), seen(100.5, 61, **closed)) == []


def test_a_market_of_which_nobody_says_whether_it_is_open_is_recorded() -> None:
    assert bars_of(seen(100.0, 0, market_state=UNKNOWN)) == [a_bar(0, 100.0)]


# --- what is never recorded -----------------------------------------------------------------------------------------


def test_invented_prices_are_passed_over_also_between_real_ones() -> None:
    mixed = [(10.0, 0), (11.0, 1), (1.0, 2), (99.0, 61), (12.0, 62)]
    quotes = [seen(*each, provider="yahoo" if each[0] in {11.0, 12.0} else "simulated") for each in mixed]
    assert bars_of(*quotes, invented=["simulated"]) == [a_bar(0, 11.0), a_bar(1, 12.0)]


@pytest.mark.parametrize("price", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_never_reaches_the_database(price: float) -> None:
    quote = seen(10.0, 0).model_copy(update={"price": price})
    assert bars_of(quote, seen(11.0, 61)) == [a_bar(1, 11.0)]


def test_a_price_below_zero_is_a_price() -> None:
    assert bars_of(seen(0.5, 0), seen(-37.63, 1)) == [a_bar(0, 0.5, -37.63)]


# --- memory ---------------------------------------------------------------------------------------------------------


def test_what_nobody_watches_is_forgotten_once_it_was_handed_out() -> None:
    minutes = Minutes()
    minutes.add([seen(10.0, 0, symbol=symbol, volume=100) for symbol in ("AAPL", "MSFT")])
    minutes.forget(lambda _: False)
    assert len(minutes) == 2
    minutes.take_finished()
    minutes.forget(lambda symbol: symbol == "AAPL")
    assert len(minutes) == 1
    # What it is worth now was traded while nobody looked.
    minutes.add([seen(11.0, 600, symbol="MSFT", volume=90_000), seen(12.0, 600, volume=150)])
    assert [(bar.symbol, bar.volume) for bar in minutes.take_finished()] == [("AAPL", 50), ("MSFT", None)]


def test_the_bars_of_a_symbol_are_those_that_are_finished_and_the_running_one() -> None:
    minutes = Minutes()
    minutes.add([seen(10.0, 0), seen(11.0, 60), seen(5.0, 61, symbol="MSFT")])
    assert list(minutes.of("AAPL")) == [a_bar(0, 10.0), a_bar(1, 11.0)]
    assert list(minutes.of("NOPE")) == []
