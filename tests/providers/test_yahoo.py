"""The Yahoo source: how its answers are read, and the real yfinance asking a Yahoo of our own."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from live_server import until
from stocktrack.clock import ManualClock
from stocktrack.errors import CommandError, ConfigError, ProviderError, Reason
from stocktrack.providers.base import Errand, QuoteAnswer
from stocktrack.providers.yahoo.answers import (
    QuoteRows,
    read_chart_quote,
    read_company,
    read_dividends,
    read_headlines,
    read_matches,
    read_quotes,
    read_trading_day,
)
from stocktrack.providers.yahoo.provider import (
    CHARTS_A_CALL,
    MORE_REQUESTS_A_CALL,
    REFUSED_SECONDS,
    SYMBOLS_A_REQUEST,
    YahooProvider,
)
from stocktrack.providers.yahoo.session import open_session
from stocktrack.quotes import Dividend, Headline, MarketState, Match, Quote, TradingDay
from stocktrack.testing import (
    CompanyContract,
    DividendContract,
    HangingContract,
    HistoryContract,
    HoursContract,
    OutageContract,
    ProviderContract,
    QuoteContract,
    SearchContract,
    Subject,
    SymbolNewsContract,
)
from yahoo_history import charts_of_a_share
from yahoo_redirect import send_yahoo_to
from yahoo_stub import YahooStub, article, chart, in_envelope, row, running_yahoo_stub

NOW_MS = 1_712_331_900_000
HTML = b"<!DOCTYPE html><html><body>captcha</body></html>"
NOT_FOUND = {"code": "Not Found", "description": "No data found, symbol may be delisted"}


# --- the rows of v7 ------------------------------------------------------------------------------------------------


def rows_of(*rows: Any, asked: tuple[str, ...] = ("ACME",)) -> QuoteRows:
    return read_quotes(in_envelope("quoteResponse", list(rows)), asked, NOW_MS)


def quote_of(price: Any = 101.5, **changes: Any) -> Quote:
    return rows_of(row("ACME", price, **changes)).quotes["ACME"]


def test_a_full_row_becomes_a_full_quote() -> None:
    assert quote_of() == Quote(
        symbol="ACME",
        price=101.5,
        currency="USD",
        change=1.5,
        change_percent=1.5,
        previous_close=100.0,
        open=100.25,
        high=102.75,
        low=99.5,
        volume=123_456,
        bid=101.25,
        ask=101.75,
        name="ACME Corp.",
        exchange="NasdaqGS",
        market_state=MarketState.OPEN,
        timestamp=1_712_331_900_000,
        received_at=NOW_MS,
        provider="yahoo",
        delay_seconds=0,
        fifty_two_week_low=80.5,
        fifty_two_week_high=120.25,
        market_cap=9e9,
        market_cap_currency="USD",
        trailing_pe=25.375,
        price_hint=2,
    )


def test_a_row_of_symbol_and_price_alone_is_a_quote_that_invents_nothing() -> None:
    bare = rows_of({"symbol": "ACME", "regularMarketPrice": 5}).quotes["ACME"]

    assert bare == Quote(symbol="ACME", price=5.0, received_at=NOW_MS, provider="yahoo")


def test_rows_are_matched_by_symbol_whatever_their_order() -> None:
    answer = rows_of(row("B", 2.0), row("STRAY", 9.0), row("A", 1.0), asked=("A", "B", "C"))

    assert {symbol: quote.price for symbol, quote in answer.quotes.items()} == {"A": 1.0, "B": 2.0}
    assert answer.left_out == ("C",)


def test_a_row_of_a_retired_symbol_is_no_last_word() -> None:
    assert rows_of({"symbol": "ACME", "quoteType": "NONE"}) == QuoteRows({}, (), ("ACME",))


@pytest.mark.parametrize("price", [None, float("nan"), float("inf"), -3.5, 0, "101.5", True, [], {"fmt": "1.00"}])
def test_a_price_that_is_none_concerns_its_symbol_alone(price: Any) -> None:
    broken = {**row("ACME"), "regularMarketPrice": price}

    answer = rows_of(broken, row("GOOD"), asked=("ACME", "GOOD"))

    assert set(answer.quotes) == {"GOOD"}
    assert answer.priceless == ("ACME",)


@pytest.mark.parametrize("kind", ["FUTURE", "INDEX"])
@pytest.mark.parametrize("price", [-37.63, 0, 0.0, -0.001])
def test_a_future_or_an_index_may_be_at_zero_or_below_and_a_share_may_not(kind: str, price: float) -> None:
    assert quote_of(price, quoteType=kind).price == price
    assert rows_of(row("ACME", price)).priceless == ("ACME",)


def test_the_change_to_zero_and_from_below_zero_has_its_sign() -> None:
    to_zero = quote_of(0.0, quoteType="INDEX", regularMarketPreviousClose=0.01, regularMarketChange=-0.01)
    upwards = quote_of(-10.0, quoteType="FUTURE", regularMarketPreviousClose=-40.0, regularMarketChange=30.0)

    assert (to_zero.change, to_zero.change_percent) == (-0.01, -100.0)
    assert (upwards.change, upwards.change_percent) == (30.0, 75.0)


def test_a_close_at_zero_is_believed_where_yahoo_counts_from_it_and_has_no_percentage() -> None:
    meant = quote_of(0.02, quoteType="INDEX", regularMarketPreviousClose=0, regularMarketChange=0.02)
    not_known = quote_of(23.77, quoteType="INDEX", regularMarketPreviousClose=0, regularMarketChange=-0.51)

    assert (meant.previous_close, meant.change, meant.change_percent) == (0.0, 0.02, None)
    assert (not_known.previous_close, not_known.change) == (None, -0.51)


def test_pence_stay_pence() -> None:
    assert quote_of(308.8, currency="GBp").currency == "GBp"


@pytest.mark.parametrize(
    ("given", "hint", "price"),
    [
        (189.4499969, 2, 189.45),  # a float32 of 189.45, printed
        (13128.23046875, 2, 13128.23),
        (315.4158, 2, 315.4158),  # the source knows more than its hint says
        (1.0834236, 4, 1.0834236),
        (0.00001234567, 2, 0.00001234567),
        (1.2339999942918075e-05, 8, 1.234e-05),
        (96481.414, 2, 96481.414),  # a float32 is too coarse here to tell noise from digits
        (1234567.891, 2, 1234567.891),
        (58100, 0, 58100.0),
        (101.5, None, 101.5),
        (101.123, "2", 101.123),
    ],
)
def test_a_price_loses_float_noise_and_no_digit_of_the_source(given: float, hint: Any, price: float) -> None:
    assert quote_of(given, priceHint=hint).price == price


def test_the_change_is_the_difference_without_the_noise_of_yahoo() -> None:
    quote = quote_of(269.7, regularMarketPreviousClose=269.0, regularMarketChange=0.700012)

    assert quote.change == 0.7


@pytest.mark.parametrize("kind", ["CRYPTOCURRENCY", "EQUITY", "CURRENCY"])
def test_the_change_is_since_the_previous_close_whatever_yahoo_counts_it_from(kind: str) -> None:
    # A coin's change is that of the last 24 hours.
    quote = quote_of(
        96077.45,
        quoteType=kind,
        regularMarketPreviousClose=96137.88,
        regularMarketChange=-1225.8906,
        regularMarketChangePercent=-1.2598631,
    )

    assert (quote.change, quote.change_percent) == (-60.43, -0.062858)


def test_without_a_previous_close_a_change_is_told_as_yahoo_does_unless_it_is_that_of_24_hours() -> None:
    share = quote_of(regularMarketPreviousClose=None)
    coin = quote_of(regularMarketPreviousClose=None, quoteType="CRYPTOCURRENCY")

    assert (share.change, share.change_percent) == (1.5, 1.5)
    assert (coin.change, coin.change_percent) == (None, None)


def test_a_rate_of_exchange_keeps_the_precision_of_its_source() -> None:
    rate = quote_of(1.0834236, quoteType="CURRENCY", priceHint=4, regularMarketPreviousClose=1.0829)

    assert (rate.change, rate.change_percent) == (0.0005236, 0.048352)


def test_zeros_that_mean_not_known_are_left_out_and_a_volume_of_zero_is_not() -> None:
    zeros = dict.fromkeys(("bid", "ask", "regularMarketOpen", "regularMarketDayHigh", "regularMarketDayLow"), 0)

    quote = quote_of(23.77, quoteType="INDEX", regularMarketVolume=0, **zeros)

    assert (quote.bid, quote.ask, quote.open, quote.high, quote.low) == (None,) * 5
    assert quote.volume == 0


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("REGULAR", MarketState.OPEN),
        ("PREPRE", MarketState.CLOSED),
        ("PRE", MarketState.PRE),
        ("POST", MarketState.POST),
        ("POSTPOST", MarketState.CLOSED),
        ("CLOSED", MarketState.CLOSED),
        ("HALTED", MarketState.UNKNOWN),
        (7, MarketState.UNKNOWN),
    ],
)
def test_the_market_state_is_put_into_our_words(state: Any, expected: MarketState) -> None:
    assert quote_of(marketState=state).market_state is expected


def test_before_and_after_hours_the_price_stays_that_of_the_regular_market() -> None:
    quote = quote_of(marketState="POST", postMarketPrice=270.75, postMarketTime=1_712_350_000)

    assert (quote.price, quote.timestamp, quote.market_state) == (101.5, 1_712_331_900_000, MarketState.POST)


EARLY = {"preMarketPrice": 103.25, "preMarketTime": 1_712_339_000}
LATE = {"postMarketPrice": 99.5, "postMarketTime": 1_712_335_000}


def extended_of(state: str, **changes: Any) -> tuple[float | None, float | None, float | None, int | None]:
    """What is told of the price outside the regular hours, three hours after the last regular trade."""
    row_at_night = row("ACME", 101.5, marketState=state, **changes)
    answer = read_quotes(in_envelope("quoteResponse", [row_at_night]), ("ACME",), NOW_MS + 3 * 3_600_000)
    quote = answer.quotes["ACME"]
    assert quote.price == 101.5
    return quote.extended_price, quote.extended_change, quote.extended_change_percent, quote.extended_time


@pytest.mark.parametrize("state", ["POST", "POSTPOST", "CLOSED", "PREPRE", "PRE", "HALTED"])
def test_the_last_price_after_hours_stays_until_the_market_opens(state: str) -> None:
    assert extended_of(state, **LATE) == (99.5, -2.0, -1.970443, 1_712_335_000_000)


@pytest.mark.parametrize("state", ["PRE", "POST", "CLOSED", "HALTED"])
def test_of_the_early_and_the_late_price_the_newer_one_counts(state: str) -> None:
    morning = extended_of(state, **EARLY, **LATE)
    evening = extended_of(state, **{**EARLY, "preMarketTime": 1_712_334_000}, **LATE)

    assert morning == (103.25, 1.75, 1.724138, 1_712_339_000_000)
    assert evening == (99.5, -2.0, -1.970443, 1_712_335_000_000)


def test_in_an_open_market_there_is_no_price_outside_the_hours() -> None:
    assert extended_of("REGULAR", **EARLY, **LATE) == (None,) * 4


def test_what_is_older_than_the_regular_price_is_no_news_of_it() -> None:
    this_morning = {**EARLY, "preMarketTime": 1_712_320_000}

    assert extended_of("CLOSED", **this_morning) == (None,) * 4
    assert extended_of("POST", **this_morning, **LATE)[0] == 99.5


def test_of_a_price_outside_the_hours_without_a_time_the_state_says_whether_it_is_the_newer_one() -> None:
    early, late = {"preMarketPrice": 103.25}, {"postMarketPrice": 99.5}

    assert extended_of("PRE", **early, **LATE) == (103.25, 1.75, 1.724138, None)
    assert extended_of("POST", **late, **EARLY) == (99.5, -2.0, -1.970443, None)
    assert extended_of("CLOSED", **early) == (None,) * 4
    assert extended_of("HALTED", **late) == (None,) * 4


@pytest.mark.parametrize("time", [1_712_999_999, "1712335000", float("nan"), -5, 0, {}, True])
def test_a_time_after_hours_that_cannot_be_is_left_out_and_the_price_is_not(time: Any) -> None:
    assert extended_of("POST", postMarketPrice=99.5, postMarketTime=time) == (99.5, -2.0, -1.970443, None)


@pytest.mark.parametrize("price", [float("nan"), float("inf"), -99.5, 0, "99.5", True, [], {"fmt": "99.50"}])
def test_a_price_after_hours_that_is_none_is_left_out_alone(price: Any) -> None:
    assert extended_of("POST", **{**LATE, "postMarketPrice": price}) == (None,) * 4


def test_a_price_after_hours_loses_the_noise_too() -> None:
    assert extended_of("POST", **{**LATE, "postMarketPrice": 99.55000305175781})[:2] == (99.55, -1.95)


@pytest.mark.parametrize("wrong", [float("nan"), float("-inf"), -1, 0, "9000", True, [], {"fmt": "9B"}])
def test_figures_of_the_year_that_cannot_be_are_left_out(wrong: Any) -> None:
    figures = ("fiftyTwoWeekLow", "fiftyTwoWeekHigh", "marketCap", "trailingPE")
    quote = quote_of(**dict.fromkeys(figures, wrong))

    assert (quote.fifty_two_week_low, quote.fifty_two_week_high) == (None, None)
    assert (quote.market_cap, quote.market_cap_currency, quote.trailing_pe) == (None, None, None)


def test_a_year_whose_low_is_above_its_high_is_no_year() -> None:
    upside_down = quote_of(fiftyTwoWeekLow=120.25, fiftyTwoWeekHigh=80.5)
    half = quote_of(fiftyTwoWeekLow=None)

    assert (upside_down.fifty_two_week_low, upside_down.fifty_two_week_high) == (None, None)
    assert (half.fifty_two_week_low, half.fifty_two_week_high) == (None, 120.25)


def test_oil_may_have_been_below_zero_within_the_year_and_a_share_may_not() -> None:
    assert quote_of(quoteType="FUTURE", fiftyTwoWeekLow=-37.63).fifty_two_week_low == -37.63
    assert quote_of(fiftyTwoWeekLow=-37.63).fifty_two_week_low is None


def test_the_market_value_in_a_row_of_a_share_in_pence_is_in_pounds() -> None:
    quote = quote_of(308.8, currency="GBp", marketCap=2_554_603_520)

    assert (quote.market_cap, quote.market_cap_currency) == (2_554_603_520, "GBP")


@pytest.mark.parametrize(
    ("given", "hint"),
    [(0, 0), (4, 4), (10, 10), (2.0, 2), (11, None), (-1, None), (2.5, None), ("2", None), (True, None), ([2], None)],
)
def test_decimals_are_a_small_whole_number_or_not_known(given: Any, hint: int | None) -> None:
    assert quote_of(priceHint=given).price_hint == hint


def test_a_delay_is_told_in_seconds() -> None:
    assert quote_of(exchangeDataDelayedBy=15).delay_seconds == 900


def test_names_are_cleaned_and_cut() -> None:
    quote = quote_of(shortName="  Apple Inc.\x1b[31m      R\u202e ", fullExchangeName="N" * 500)

    assert quote.name == "Apple Inc.[31m R"
    assert quote.exchange is not None
    assert len(quote.exchange) == 60


def test_fields_of_a_wrong_kind_are_left_out() -> None:
    names = ("shortName", "longName", "currency", "exchange", "fullExchangeName", "bid", "ask", "priceHint")
    wrong = {name: [1] for name in (*names, "marketCap", "fiftyTwoWeekLow", "fiftyTwoWeekHigh", "trailingPE")}
    others = {"regularMarketTime": "noon", "exchangeDataDelayedBy": "late", "regularMarketVolume": -5, "quoteType": {}}

    quote = quote_of(**wrong, **others)

    left = {"symbol", "price", "received_at", "provider", "market_state", "change", "change_percent", "previous_close"}
    assert quote.model_dump(exclude_none=True).keys() - {"open", "high", "low"} == left


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        "text",
        {},
        {"quoteResponse": None},
        {"quoteResponse": {"result": None, "error": None}},
        {"quoteResponse": {"result": {"ACME": 1}, "error": None}},
        {"quoteResponse": {"result": [], "error": {"code": "Internal", "description": "oops"}}},
        {"finance": {"result": None, "error": NOT_FOUND}},
    ],
)
def test_an_answer_that_is_no_list_of_quotes_is_an_error(payload: Any) -> None:
    with pytest.raises(ProviderError) as caught:
        read_quotes(payload, ("ACME",), NOW_MS)

    assert caught.value.reason is Reason.PROVIDER_ERROR


def test_rows_that_are_no_rows_are_passed_over() -> None:
    assert rows_of(None, 7, {"symbol": 5}, row("ACME")).quotes["ACME"].price == 101.5


# --- charts --------------------------------------------------------------------------------------------------------


def chart_quote(result: Any, now_ms: int = NOW_MS) -> Quote | None:
    return read_chart_quote(in_envelope("chart", [result]), "ACME", now_ms)


def test_the_head_of_a_chart_is_a_quote_with_the_change_worked_out() -> None:
    quote = chart_quote(chart("ACME", 98.5, chartPreviousClose=100.0))

    assert quote is not None
    assert (quote.price, quote.previous_close, quote.change, quote.change_percent) == (98.5, 100.0, -1.5, -1.5)
    assert (quote.currency, quote.exchange, quote.market_state) == ("USD", "NasdaqGS", MarketState.OPEN)
    assert (quote.fifty_two_week_low, quote.fifty_two_week_high, quote.price_hint) == (80.5, 120.25, 2)


def test_the_previous_close_counts_before_that_of_the_chart() -> None:
    quote = chart_quote(chart("ACME", 98.5, chartPreviousClose=50.0, previousClose=100.0))

    assert quote is not None
    assert quote.previous_close == 100.0


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (1_712_310_000, MarketState.PRE),
        (1_712_323_800, MarketState.OPEN),
        (1_712_347_200, MarketState.POST),
        (1_712_361_600, MarketState.CLOSED),
        (1_712_200_000, MarketState.CLOSED),
    ],
)
def test_the_market_state_of_a_chart_comes_from_its_trading_hours(seconds: int, expected: MarketState) -> None:
    quote = chart_quote(chart("ACME"), seconds * 1000)

    assert quote is not None
    assert quote.market_state is expected


@pytest.mark.parametrize("hours", [None, [], {}, {"regular": 5}, {"regular": {"start": "a", "end": None}}])
def test_trading_hours_that_are_none_leave_the_state_unknown(hours: Any) -> None:
    quote = chart_quote(chart("ACME", currentTradingPeriod=hours))

    assert quote is not None
    assert quote.market_state is MarketState.UNKNOWN


def test_a_coin_is_traded_in_the_last_minute_of_the_day_too() -> None:
    quote = chart_quote(chart("ACME", instrumentType="CRYPTOCURRENCY"), 1_712_361_599_000)

    assert quote is not None
    assert quote.market_state is MarketState.OPEN


def test_a_chart_that_says_not_found_is_an_unknown_symbol() -> None:
    assert read_chart_quote(in_envelope("chart", None, NOT_FOUND), "ACME", NOW_MS) is None


def test_a_chart_without_a_price_and_without_any_trade_is_an_unknown_symbol() -> None:
    empty = {"meta": {"symbol": "ACME", "currency": "USD"}, "indicators": {"quote": [{}]}}

    assert chart_quote(empty) is None


@pytest.mark.parametrize(
    "payload",
    [
        in_envelope("chart", []),
        in_envelope("chart", None),
        in_envelope("chart", [None]),
        in_envelope("chart", [{"meta": None}]),
        in_envelope("chart", [chart("ACME", None)]),  # trades, and no price: something is missing
        in_envelope("chart", [chart("ACME", "101.5")]),
        in_envelope("chart", None, {"code": "Internal Server Error", "description": "try later"}),
        {"other": 1},
        None,
    ],
)
def test_any_other_chart_without_a_price_is_an_error_and_no_unknown_symbol(payload: Any) -> None:
    with pytest.raises(ProviderError) as caught:
        read_chart_quote(payload, "ACME", NOW_MS)

    assert caught.value.reason is Reason.PROVIDER_ERROR


def test_an_error_of_yahoo_is_told_in_its_words_made_safe() -> None:
    payload = in_envelope("chart", None, {"code": "Teapot", "description": "short\x1b and stout"})

    with pytest.raises(ProviderError, match="short and stout"):
        read_chart_quote(payload, "ACME", NOW_MS)


# --- hours ---------------------------------------------------------------------------------------------------------

PRE, OPENS, CLOSES, POST = 1_712_304_000, 1_712_323_800, 1_712_347_200, 1_712_361_600


def day_of(**periods: Any) -> TradingDay | None:
    told = {
        "pre": {"start": PRE, "end": OPENS},
        "regular": {"start": OPENS, "end": CLOSES},
        "post": {"start": CLOSES, "end": POST},
        **periods,
    }
    return read_trading_day(in_envelope("chart", [chart("ACME", currentTradingPeriod=told)]))


def test_the_day_of_a_market_is_read_from_the_head_of_a_chart() -> None:
    assert day_of() == TradingDay(
        pre_starts_at=PRE * 1000, opens_at=OPENS * 1000, closes_at=CLOSES * 1000, post_ends_at=POST * 1000
    )


@pytest.mark.parametrize(
    "none",
    [
        None,
        [],
        {},
        {"start": OPENS, "end": OPENS},
        {"start": "04:00", "end": float("nan")},
        {"start": POST * 1000, "end": -PRE},
        {"start": True, "end": {}},
        {"start": PRE - 90_000, "end": POST + 90_000},
    ],
)
def test_early_and_late_hours_that_are_none_are_left_out_and_without_regular_ones_there_is_no_day(none: Any) -> None:
    assert day_of(pre=none, post=none) == TradingDay(opens_at=OPENS * 1000, closes_at=CLOSES * 1000)
    assert day_of(regular=none) is None


@pytest.mark.parametrize("periods", [None, [], "24/7", {}, {"regular": 5}])
def test_a_chart_without_trading_hours_tells_no_day(periods: Any) -> None:
    head = chart("ACME", currentTradingPeriod=periods)

    assert read_trading_day(in_envelope("chart", [head])) is None


def test_what_is_traded_day_and_night_has_no_hours() -> None:
    midnight = 1_712_275_200
    around_the_clock = {"regular": {"start": midnight, "end": midnight + 86_340}}

    assert day_of(**around_the_clock, pre={"start": midnight, "end": midnight}) is None


def test_an_unknown_symbol_has_no_day_and_a_garbled_chart_is_an_error() -> None:
    assert read_trading_day(in_envelope("chart", None, NOT_FOUND)) is None
    for payload in (None, {}, in_envelope("chart", []), in_envelope("chart", [{"meta": 5}])):
        with pytest.raises(ProviderError):
            read_trading_day(payload)


# --- news ----------------------------------------------------------------------------------------------------------


def headlines_of(*entries: Any, symbol: str = "ACME") -> list[Headline]:
    return read_headlines({"data": {"tickerStream": {"stream": list(entries)}}, "status": "OK"}, symbol, NOW_MS)


def found(title: str, **changes: Any) -> dict[str, Any]:
    """One article that a search finds."""
    told = {
        "uuid": f"uuid of {title}",
        "title": title,
        "publisher": "Motley Fool",
        "link": "https://finance.yahoo.com/m/story",
        "providerPublishTime": 1_712_331_000,
        "type": "STORY",
        **changes,
    }
    return {name: value for name, value in told.items() if value is not None}


def headlines_found(*entries: Any, symbol: str = "ACME") -> list[Headline]:
    return read_headlines({"count": 0, "quotes": [], "news": list(entries)}, symbol, NOW_MS)


def test_headlines_of_both_endpoints_are_read() -> None:
    assert headlines_of(article("Acme up")) == [
        Headline(title="Acme up", source="Reuters", link="https://news.example/story", published=1_712_331_600_000)
    ]
    assert headlines_found(found("Acme up")) == [
        Headline(
            title="Acme up",
            source="Motley Fool",
            link="https://finance.yahoo.com/m/story",
            published=1_712_331_000_000,
        )
    ]


def test_headlines_come_newest_first_and_once() -> None:
    early, late = article("early", "2024-04-05T10:00:00Z"), article("late", "2024-04-05T13:00:00+02:00")
    undated = article("undated", None)

    assert [each.title for each in headlines_of(undated, early, late, early, article("late"))] == [
        *("late", "early", "undated"),
    ]


def test_what_a_search_finds_of_other_symbols_is_left_out() -> None:
    told = (
        found("of both", relatedTickers=["ACME", "OTHER"]),
        found("of another", relatedTickers=["OTHER"]),
        found("of none", relatedTickers=[]),
        found("untold"),
    )

    assert [each.title for each in headlines_found(*told)] == ["of both", "of none", "untold"]


def test_advertisements_are_no_headlines() -> None:
    told = ({**article("Buy gold"), "ad": [{"id": 1}]}, {**article("Gold up"), "ad": []})

    assert [each.title for each in headlines_of(*told)] == ["Gold up"]


@pytest.mark.parametrize(
    "published", ["2024-04-07T15:40:00Z", "2024-04-05T15:40:00", "yesterday", "", 5, None, [], "9999-12-31T23:59:59Z"]
)
def test_a_time_of_an_article_that_cannot_be_is_left_out(published: Any) -> None:
    (headline,) = headlines_of(article("Acme up", published))

    assert (headline.title, headline.published) == ("Acme up", None)


@pytest.mark.parametrize("published", [1_812_331_000, -5, 0, "1712331000", float("nan"), True, {}])
def test_a_time_of_what_a_search_finds_that_cannot_be_is_left_out(published: Any) -> None:
    (headline,) = headlines_found(found("Acme up", providerPublishTime=published))

    assert (headline.title, headline.published) == ("Acme up", None)


@pytest.mark.parametrize("broken", [None, 7, "text", [], {}, {"url": None}, {"url": "javascript:alert(1)"}])
def test_fields_of_an_article_that_are_none_are_left_out(broken: Any) -> None:
    told = article("Acme\x1b up", provider=broken, canonicalUrl=broken, id=broken)

    assert headlines_of(told) == [
        Headline(
            title="Acme up",
            source="Yahoo Finance",
            link="https://finance.yahoo.com/news/story",
            published=1_712_331_600_000,
        )
    ]


@pytest.mark.parametrize(
    "entry", [None, 7, "text", [], {}, {"content": None}, {"content": 5}, article("\u200b"), found("")]
)
def test_what_is_no_article_is_passed_over(entry: Any) -> None:
    assert [each.title for each in headlines_of(entry, article("Acme up"))] == ["Acme up"]


@pytest.mark.parametrize(
    "payload", [{"news": None}, {"news": []}, {"data": {}}, {"data": {"tickerStream": {"stream": None}}}]
)
def test_no_headlines_are_none(payload: Any) -> None:
    assert read_headlines(payload, "ACME", NOW_MS) == []


@pytest.mark.parametrize(
    "payload",
    [None, [], "text", {}, {"news": "none"}, {"data": None}, {"data": {"tickerStream": {"stream": {"a": 1}}}}],
)
def test_an_answer_that_is_no_list_of_headlines_is_an_error(payload: Any) -> None:
    with pytest.raises(ProviderError):
        read_headlines(payload, "ACME", NOW_MS)


async def test_news_of_a_symbol_are_those_of_its_page(stub: YahooStub, yahoo: YahooProvider) -> None:
    stub.news["ACME"] = [article("Acme up"), article("Acme down", "2024-04-05T15:41:00Z")]

    assert [each.title for each in await yahoo.symbol_news("ACME")] == ["Acme down", "Acme up"]
    assert (stub.asked["news"], stub.asked["search"]) == (1, 0)


@pytest.mark.parametrize(
    ("status", "body"), [(200, b"{}"), (200, b"Will be right back..."), (404, b"{}"), (500, b""), (400, b"")]
)
async def test_a_search_finds_news_where_the_page_has_none_or_fails(
    stub: YahooStub, yahoo: YahooProvider, status: int, body: bytes
) -> None:
    stub.found_news["ACME"] = [found("Acme up")]
    assert [each.title for each in await yahoo.symbol_news("ACME")] == ["Acme up"]

    stub.fail("news", status, body)
    assert [each.title for each in await yahoo.symbol_news("ACME")] == ["Acme up"]


async def test_a_search_that_fails_leaves_a_page_without_news(stub: YahooStub, yahoo: YahooProvider) -> None:
    stub.fail("search", 500)

    assert list(await yahoo.symbol_news("ACME")) == []


async def test_a_block_of_the_news_is_told_and_asked_no_further(stub: YahooStub, yahoo: YahooProvider) -> None:
    stub.fail("news", 429, Retry_After="7")
    with pytest.raises(ProviderError) as caught:
        await yahoo.symbol_news("ACME")
    assert (caught.value.reason, caught.value.retry_after_ms) == (Reason.PROVIDER_BLOCKED, 7_000)
    assert stub.asked["search"] == 0

    stub.fail("search", 429)
    with pytest.raises(ProviderError) as caught:
        await yahoo.symbol_news("ACME")
    assert caught.value.reason is Reason.PROVIDER_BLOCKED


# --- companies, dividends, matches ---------------------------------------------------------------------------------


def summary(**modules: Any) -> Any:
    return in_envelope("quoteSummary", [modules])


def test_a_company_is_read_from_all_modules() -> None:
    profile = {
        "sector": "Technology",
        "industry": "Anvils",
        "website": "https://acme.example",
        "country": "United States",
        "fullTimeEmployees": 42,
        "longBusinessSummary": "Acme makes\nanvils.",
    }
    price = {"longName": "Acme Corporation", "exchangeName": "NasdaqGS", "currency": "USD", "marketCap": {"raw": 9e9}}
    detail = {"fiftyTwoWeekLow": {"raw": 80.5}, "fiftyTwoWeekHigh": 120.25, "trailingPE": {"raw": 25.375}}

    company = read_company(summary(assetProfile=profile, price=price, summaryDetail=detail), "ACME")

    assert company is not None
    assert company.model_dump(exclude_none=True) == {
        "symbol": "ACME",
        "name": "Acme Corporation",
        "sector": "Technology",
        "industry": "Anvils",
        "website": "https://acme.example",
        "country": "United States",
        "employees": 42,
        "exchange": "NasdaqGS",
        "currency": "USD",
        "market_cap": 9e9,
        "market_cap_currency": "USD",
        "summary": "Acme makes anvils.",
        "fifty_two_week_low": 80.5,
        "fifty_two_week_high": 120.25,
        "trailing_pe": 25.375,
    }


@pytest.mark.parametrize(
    ("priced_in", "counted_in"),
    [
        ("GBp", "GBP"),
        ("GBX", "GBP"),
        ("ZAc", "ZAR"),
        ("ILA", "ILS"),
        ("USX", "USD"),
        ("KWF", "KWD"),
        ("JPY", "JPY"),
        ("XXc", None),
        (None, None),
    ],
)
def test_the_market_value_of_a_share_in_pence_is_in_pounds(priced_in: str | None, counted_in: str | None) -> None:
    price = {"longName": "Oil", "currency": priced_in, "marketCap": 171_030_000_000}

    company = read_company(summary(price=price), "OIL.L")

    assert company is not None
    assert (company.currency, company.market_cap, company.market_cap_currency) == (priced_in, 171.03e9, counted_in)


def test_where_no_market_value_is_told_it_has_no_unit() -> None:
    company = read_company(summary(price={"longName": "Fund", "currency": "GBp"}), "FUND.L")

    assert company is not None
    assert (company.market_cap, company.market_cap_currency) == (None, None)


def test_a_fund_or_index_without_a_profile_has_what_there_is() -> None:
    kind = {"shortName": "Gold Apr 25", "exchange": "CMX"}

    company = read_company(summary(quoteType=kind, summaryDetail={"currency": "USD"}), "GC=F")

    assert company is not None
    assert company.model_dump(exclude_none=True) == {
        "symbol": "GC=F",
        "name": "Gold Apr 25",
        "exchange": "CMX",
        "currency": "USD",
    }


def test_a_coin_is_described_by_its_description() -> None:
    company = read_company(summary(assetProfile={"description": "A coin."}, price={"longName": "Coin"}), "COIN-USD")

    assert company is not None
    assert company.summary == "A coin."


def test_texts_of_a_company_are_cut_and_a_bad_link_is_left_out() -> None:
    profile = {"website": "javascript:alert(1)", "longBusinessSummary": "x" * 9000, "fullTimeEmployees": "many"}

    company = read_company(summary(assetProfile=profile), "ACME")

    assert company is not None
    assert company.website is None
    assert company.employees is None
    assert company.summary is not None
    assert len(company.summary) == 2000


def test_a_company_that_is_not_found_is_none() -> None:
    assert read_company(in_envelope("quoteSummary", None, NOT_FOUND), "ACME") is None


@pytest.mark.parametrize("payload", [None, {}, in_envelope("quoteSummary", []), summary(), summary(price=[])])
def test_an_empty_company_is_an_error(payload: Any) -> None:
    with pytest.raises(ProviderError):
        read_company(payload, "ACME")


def dividends_of(paid: Any, **meta: Any) -> list[Dividend] | None:
    return read_dividends(in_envelope("chart", [chart("ACME", dividends=paid, **meta)]))


def test_dividends_come_newest_first_with_the_exchanges_own_date() -> None:
    paid = {
        "1699540200": {"amount": 0.24, "date": 1_699_540_200},
        "1707489000": {"amount": 0.2399999946, "date": 1_707_489_000},
        "1691760600": {"amount": 0.0125, "date": 1_691_760_600},
    }

    assert dividends_of(paid) == [
        Dividend(date=date(2024, 2, 9), amount=0.24),
        Dividend(date=date(2023, 11, 9), amount=0.24),
        Dividend(date=date(2023, 8, 11), amount=0.0125),
    ]


def test_a_dividend_is_in_the_currency_that_it_names_and_in_no_other() -> None:
    paid = {
        "a": {"amount": 0.358, "date": 1_707_489_000, "currency": "USD"},
        "b": {"amount": 27.1, "date": 1_699_540_200, "currency": "GBp"},
        "c": {"amount": 25.0, "date": 1_691_760_600},
        "d": {"amount": 24.0, "date": 1_683_898_200, "currency": ["GBp"]},
    }

    found = dividends_of(paid, currency="GBp")

    assert found is not None
    assert [(each.amount, each.currency) for each in found] == [
        (0.358, "USD"),
        (27.1, "GBp"),
        (25.0, None),
        (24.0, None),
    ]


def test_an_ex_date_follows_the_summer_time_of_its_own_day() -> None:
    # Midnight in Sydney in January; the offset in the answer is that of July.
    paid = {"x": {"amount": 1.0, "date": 1_704_978_000}}

    sydney = dividends_of(paid, exchangeTimezoneName="Australia/Sydney", gmtoffset=36_000)

    assert sydney == [Dividend(date=date(2024, 1, 12), amount=1.0)]


@pytest.mark.parametrize("zone", [None, "Nowhere/At_All", "../../etc/passwd", "", 5])
def test_without_a_known_zone_the_offset_of_the_answer_counts(zone: Any) -> None:
    paid = {"x": {"amount": 1.0, "date": 1_704_978_000}}

    assert dividends_of(paid, exchangeTimezoneName=zone, gmtoffset=39_600) == [
        Dividend(date=date(2024, 1, 12), amount=1.0)
    ]


def test_a_dividend_from_before_1970_is_a_dividend() -> None:
    assert dividends_of({"x": {"amount": 0.01, "date": -200_000_000}}) == [
        Dividend(date=date(1963, 8, 31), amount=0.01)
    ]


@pytest.mark.parametrize("paid", [None, {}, []])
def test_a_known_symbol_without_dividends_has_an_empty_list(paid: Any) -> None:
    assert dividends_of(paid) == []


def test_a_dividend_without_amount_or_date_is_left_out() -> None:
    paid = {"a": {"amount": None, "date": 1}, "b": 5, "c": {"amount": 2.0}, "d": {"amount": 1.5, "date": 1_707_489_000}}

    assert dividends_of(paid) == [Dividend(date=date(2024, 2, 9), amount=1.5)]


def test_dividends_that_cannot_be_read_at_all_are_an_error() -> None:
    with pytest.raises(ProviderError):
        dividends_of({"a": {"amount": "much", "date": "soon"}})


def test_dividends_of_a_symbol_that_is_not_found_are_none() -> None:
    assert read_dividends(in_envelope("chart", None, NOT_FOUND)) is None


def test_matches_are_symbols_only_once_each_and_no_more_than_asked() -> None:
    found = [
        {"symbol": "acme", "longname": "Acme Corporation", "shortname": "ACME", "exchDisp": "NASDAQ"},
        {"name": "Acme Private", "index": "crunchbase"},
        {"symbol": "ACME", "shortname": "double"},
        {"symbol": "NO SYMBOL", "shortname": "a space"},
        "text",
        {"symbol": "ACME.DE", "shortname": "ACME      R", "exchange": "GER"},
        {"symbol": "ACME.F"},
    ]

    assert read_matches({"quotes": found}, 2) == [
        Match(symbol="ACME", name="Acme Corporation", exchange="NASDAQ"),
        Match(symbol="ACME.DE", name="ACME R", exchange="GER"),
    ]


@pytest.mark.parametrize("payload", [None, [], {}, {"quotes": None}])
def test_a_search_without_a_list_is_an_error(payload: Any) -> None:
    with pytest.raises(ProviderError):
        read_matches(payload, 5)


# --- the real yfinance ---------------------------------------------------------------------------------------------

TIMEOUT_SECONDS = 10.0
SHORT_SECONDS = 1.0  # for what hangs; long enough for the rest on a busy machine


@pytest.fixture
async def stub(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[YahooStub]:
    async with running_yahoo_stub() as running:
        send_yahoo_to(running.url, monkeypatch)
        yield running


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW_MS)


async def started(
    folder: Path, timeout_seconds: float = TIMEOUT_SECONDS, clock: ManualClock | None = None
) -> YahooProvider:
    provider = YahooProvider(timeout_seconds=timeout_seconds, cache_dir=folder, clock=clock or ManualClock(NOW_MS))
    await provider.start()
    return provider


@pytest.fixture
async def yahoo(stub: YahooStub, tmp_path: Path, clock: ManualClock) -> AsyncIterator[YahooProvider]:
    provider = await started(tmp_path, clock=clock)
    yield provider
    await provider.close()


@pytest.fixture
async def hasty_yahoo(stub: YahooStub, tmp_path: Path) -> AsyncIterator[YahooProvider]:
    provider = await started(tmp_path, SHORT_SECONDS)
    yield provider
    await provider.close()


def files_in(folder: Path) -> list[Path]:
    return list(folder.rglob("*"))


def reasons(answer: QuoteAnswer) -> dict[str, Reason]:
    return {symbol: error.reason for symbol, error in answer.failed.items()}


def prices(answer: QuoteAnswer) -> dict[str, float]:
    return {symbol: quote.price for symbol, quote in answer.quotes.items()}


async def test_starting_asks_nothing_of_yahoo(stub: YahooStub, yahoo: YahooProvider) -> None:
    assert yahoo.name == "yahoo"
    assert stub.asked.total() == 0


async def test_twelve_symbols_are_one_request_and_one_handshake(stub: YahooStub, yahoo: YahooProvider) -> None:
    symbols = [f"S{number}" for number in range(10)] + ["^INDEX", "A&B.NS"]
    stub.know(*symbols)

    for _ in range(3):
        assert set((await yahoo.quotes(symbols)).quotes) == set(symbols)

    assert stub.quote_requests == [symbols] * 3
    assert stub.asked == {"cookie": 1, "crumb": 1, "quote": 3}


async def test_many_symbols_are_asked_in_chunks(stub: YahooStub, yahoo: YahooProvider) -> None:
    symbols = [f"S{number}" for number in range(2 * SYMBOLS_A_REQUEST + 1)]
    stub.know(*symbols)

    answer = await yahoo.quotes(symbols)

    assert set(answer.quotes) == set(symbols)
    assert [len(chunk) for chunk in stub.quote_requests] == [SYMBOLS_A_REQUEST, SYMBOLS_A_REQUEST, 1]


async def test_an_unknown_symbol_costs_one_chart_and_no_crumb(stub: YahooStub, yahoo: YahooProvider) -> None:
    stub.know("ACME")
    await yahoo.quotes(["ACME"])
    stub.asked.clear()

    answer = await yahoo.quotes(["ACME", "NOPE"])

    assert prices(answer) == {"ACME": 101.5}
    assert answer.unknown == {"NOPE"}
    assert stub.asked == {"quote": 1, "chart": 1}
    assert await yahoo.company("NOPE") is None
    assert await yahoo.dividends("NOPE") is None
    assert stub.asked == {"quote": 2, "chart": 2, "summary": 1}


async def test_a_symbol_whose_own_request_is_refused_is_put_off_and_the_others_are_asked(
    stub: YahooStub, yahoo: YahooProvider
) -> None:
    stub.know("ACME")
    no = CommandError(Reason.RATE_LIMITED, "Not now.")

    answer = await yahoo.quotes(["NO1", "ACME", "NO2"], Errand(refusal=lambda symbol: no if symbol == "NO1" else None))

    assert prices(answer) == {"ACME": 101.5}
    assert answer.put_off == {"NO1": no}
    assert answer.unknown == {"NO2"}
    assert dict(answer.failed) == {}
    assert stub.chart_requests == ["NO2"]


async def test_where_every_request_is_refused_nothing_has_failed(stub: YahooStub, yahoo: YahooProvider) -> None:
    stub.know("ACME")
    stub.fail("crumb", 500, times=-1)
    no = CommandError(Reason.RATE_LIMITED, "Not now.")

    answer = await yahoo.quotes(["ACME", "NOPE"], Errand(refusal=lambda _: no))

    assert answer.put_off == {"ACME": no, "NOPE": no}
    assert stub.chart_requests == []


async def test_refused_symbols_take_no_turn_from_those_that_are_asked(stub: YahooStub, yahoo: YahooProvider) -> None:
    symbols = [f"NO{number}" for number in range(3 * CHARTS_A_CALL)]
    no = CommandError(Reason.RATE_LIMITED, "Not now.")

    answer = await yahoo.quotes(symbols, Errand(refusal=lambda symbol: no if symbol < "NO5" else None))

    assert len(answer.unknown) == len(stub.chart_requests) == CHARTS_A_CALL


async def test_a_poll_does_not_wait_while_the_requests_for_questions_hang(
    stub: YahooStub, yahoo: YahooProvider
) -> None:
    stub.know("ACME", "OTHER")
    await yahoo.quotes(["ACME"])
    stub.hang("quote", times=2)
    questions = [asyncio.create_task(yahoo.quotes(["OTHER"])) for _ in range(4)]
    await until(lambda: stub.asked["quote"] == 3)

    assert prices(await yahoo.quotes(["ACME"], Errand(is_poll=True))) == {"ACME": 101.5}

    assert not any(question.done() for question in questions)
    for question in questions:
        question.cancel()


@pytest.mark.parametrize("symbol", ["^GSPC", "EURUSD=X", "A&B.NS", "BINANCE:BTCUSDT", "A/B", "_X"])
async def test_every_kind_of_symbol_finds_its_way_into_an_address(
    stub: YahooStub, yahoo: YahooProvider, symbol: str
) -> None:
    stub.charts[symbol] = chart(symbol, 7.25)

    answer = await yahoo.quotes([symbol])

    assert prices(answer) == {symbol: 7.25}
    assert stub.chart_requests == [symbol]


async def test_a_symbol_left_out_by_v7_is_known_when_the_chart_knows_it(stub: YahooStub, yahoo: YahooProvider) -> None:
    stub.know("ACME", "LEFT")
    del stub.rows["LEFT"]

    assert prices(await yahoo.quotes(["ACME", "LEFT"])) == {"ACME": 101.5, "LEFT": 101.5}


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, HTML), (503, b""), (404, HTML), (200, HTML), (200, b""), (200, b'{"chart":{"result":[],"error":null}}')],
)
async def test_a_chart_that_fails_makes_no_symbol_unknown(
    stub: YahooStub, yahoo: YahooProvider, status: int, body: bytes
) -> None:
    stub.know("ACME")
    stub.fail("chart", status, body)

    answer = await yahoo.quotes(["ACME", "LEFT"])

    assert prices(answer) == {"ACME": 101.5}
    assert answer.unknown == frozenset()
    assert reasons(answer) == {"LEFT": Reason.PROVIDER_ERROR}


async def test_a_failing_chart_of_one_strange_symbol_is_no_outage(stub: YahooStub, yahoo: YahooProvider) -> None:
    stub.fail("chart", 500, HTML)

    assert reasons(await yahoo.quotes(["STRANGE"])) == {"STRANGE": Reason.PROVIDER_ERROR}


async def test_when_v7_refuses_the_crumb_and_the_charts_fail_too_the_call_has_failed(
    stub: YahooStub, yahoo: YahooProvider
) -> None:
    stub.know("ACME", "OTHER")
    stub.fail("quote", 401, times=2)
    stub.fail("chart", 500, HTML, times=2)

    with pytest.raises(ProviderError) as caught:
        await yahoo.quotes(["ACME", "OTHER"])

    assert caught.value.reason is Reason.PROVIDER_ERROR


async def test_an_empty_answer_of_v7_is_checked_by_the_charts(stub: YahooStub, yahoo: YahooProvider) -> None:
    stub.know("ACME", "OTHER")
    stub.fail("quote", 200, json.dumps(in_envelope("quoteResponse", [])).encode())

    assert prices(await yahoo.quotes(["ACME", "OTHER"])) == {"ACME": 101.5, "OTHER": 101.5}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, HTML),
        (502, b""),
        (403, b"Forbidden"),
        (404, HTML),
        (404, json.dumps(in_envelope("quoteResponse", None, NOT_FOUND)).encode()),
        (200, HTML),
        (200, b""),
        (200, b"\x00\xff\xfe garbage"),
        (200, b'{"quoteResponse":{"result":[{"symbol":"AC'),
        (200, b"[" * 100_000),
        (200, b"null"),
    ],
)
async def test_a_broken_answer_is_a_provider_error_and_the_next_call_works(
    stub: YahooStub, yahoo: YahooProvider, status: int, body: bytes
) -> None:
    stub.know("ACME")
    stub.fail("quote", status, body)

    with pytest.raises(ProviderError) as caught:
        await yahoo.quotes(["ACME"])

    assert caught.value.reason is Reason.PROVIDER_ERROR
    assert "crumb" not in caught.value.message
    assert stub.asked["quote"] == 1
    assert prices(await yahoo.quotes(["ACME"])) == {"ACME": 101.5}


async def test_one_chunk_that_fails_for_a_moment_is_asked_for_in_halves(stub: YahooStub, yahoo: YahooProvider) -> None:
    symbols = [f"S{number}" for number in range(SYMBOLS_A_REQUEST + 1)]
    stub.know(*symbols)
    stub.fail("quote", 500)

    answer = await yahoo.quotes(symbols)

    assert set(answer.quotes) == set(symbols)
    assert [len(chunk) for chunk in stub.quote_requests] == [50, 25, 25, 1]


async def test_a_row_without_price_has_the_price_of_the_chart(stub: YahooStub, yahoo: YahooProvider) -> None:
    stub.know("ACME")
    stub.rows["NULL"] = row("NULL", None)
    stub.charts["NULL"] = chart("NULL", 7.25)

    answer = await yahoo.quotes(["ACME", "NULL"])

    assert prices(answer) == {"ACME": 101.5, "NULL": 7.25}
    assert stub.asked["chart"] == 1


@pytest.mark.parametrize("kind", ["EQUITY", "NONE", "MUTUALFUND", None])
async def test_a_row_without_price_whose_chart_holds_nothing_is_an_unknown_symbol(
    stub: YahooStub, yahoo: YahooProvider, kind: str | None
) -> None:
    stub.know("ACME")
    stub.rows["NOSUCH.A"] = {"symbol": "NOSUCH.A", "quoteType": kind, "priceHint": 2, "tradeable": False}

    answer = await yahoo.quotes(["ACME", "NOSUCH.A"])

    assert prices(answer) == {"ACME": 101.5}
    assert answer.unknown == {"NOSUCH.A"}
    assert answer.failed == {}


@pytest.mark.parametrize(
    "nothing",
    [
        in_envelope("chart", []),
        in_envelope("chart", None),
        in_envelope("chart", [{"meta": {"symbol": "HOLLOW"}, "indicators": {"quote": [{}]}}]),
        in_envelope("chart", [chart("HOLLOW", None)]),  # a bar, and nothing in it
        in_envelope("chart", [chart("HOLLOW", 0.0)]),
    ],
)
async def test_a_row_without_price_whose_chart_answers_without_one_is_an_unknown_symbol(
    stub: YahooStub, yahoo: YahooProvider, nothing: Any
) -> None:
    stub.rows["HOLLOW"] = row("HOLLOW", None)
    stub.fail("chart", 200, json.dumps(nothing).encode())

    answer = await yahoo.quotes(["HOLLOW"])

    assert answer == QuoteAnswer(unknown=frozenset({"HOLLOW"}))


@pytest.mark.parametrize(("status", "body"), [(500, HTML), (200, HTML), (200, b""), (404, HTML), (403, b"{}")])
async def test_a_row_without_price_whose_chart_fails_is_not_unknown(
    stub: YahooStub, yahoo: YahooProvider, status: int, body: bytes
) -> None:
    stub.rows["HOLLOW"] = row("HOLLOW", None)
    stub.fail("chart", status, body)

    assert reasons(await yahoo.quotes(["HOLLOW"])) == {"HOLLOW": Reason.PROVIDER_ERROR}


# --- one symbol that its request fails at ---


async def test_a_symbol_that_is_a_bad_request_both_ways_is_unknown_while_yahoo_answers_for_others(
    stub: YahooStub, yahoo: YahooProvider
) -> None:
    stub.know("ACME")
    stub.poison["VENOM"] = 400
    stub.fail("chart", 400, times=3)

    with pytest.raises(ProviderError):
        await yahoo.quotes(["VENOM"])
    for _ in range(2):
        answer = await yahoo.quotes(["ACME", "VENOM"])
        assert prices(answer) == {"ACME": 101.5}
        assert answer.unknown == {"VENOM"}


@pytest.mark.parametrize("status", [400, 413, 414, 422, 500, 503])
@pytest.mark.parametrize("place", [0, 17, SYMBOLS_A_REQUEST - 1])
async def test_a_symbol_that_its_request_fails_at_takes_no_other_along(
    stub: YahooStub, yahoo: YahooProvider, status: int, place: int
) -> None:
    symbols = [f"S{number}" for number in range(SYMBOLS_A_REQUEST)]
    stub.know(*symbols)
    stub.poison[symbols[place]] = status

    answer = await yahoo.quotes(symbols)

    # The chart has the price, since it is asked for one symbol at a time.
    assert set(answer.quotes) == set(symbols)
    assert stub.asked["quote"] <= 13
    assert stub.chart_requests == [symbols[place]]


async def test_a_symbol_that_was_found_is_kept_out_of_the_requests_for_a_while(
    stub: YahooStub, yahoo: YahooProvider, clock: ManualClock
) -> None:
    symbols = [f"S{number}" for number in range(SYMBOLS_A_REQUEST)]
    stub.know(*symbols)
    stub.poison["S20"] = 400
    await yahoo.quotes(symbols)
    stub.asked.clear()

    for _ in range(3):
        assert set((await yahoo.quotes(symbols)).quotes) == set(symbols)
    assert stub.asked == {"quote": 3, "chart": 3}

    stub.poison.clear()
    stub.asked.clear()
    await clock.advance(REFUSED_SECONDS)
    assert set((await yahoo.quotes(symbols)).quotes) == set(symbols)
    assert stub.asked == {"quote": 1}


async def test_several_such_symbols_are_all_found_within_a_few_calls_of_bounded_cost(
    stub: YahooStub, yahoo: YahooProvider
) -> None:
    symbols = [f"S{number}" for number in range(SYMBOLS_A_REQUEST)]
    stub.know(*symbols)
    for number in (3, 21, 22, 40, 49):
        stub.poison[f"S{number}"] = 400
    left: list[int] = []
    while not left or left[-1]:
        before = stub.asked["quote"]
        left.append(len((await yahoo.quotes(symbols)).failed))
        assert stub.asked["quote"] - before <= 1 + MORE_REQUESTS_A_CALL

    assert len(left) <= 5


async def test_an_outage_is_not_halved_beyond_the_two_requests_that_show_it(
    stub: YahooStub, yahoo: YahooProvider
) -> None:
    symbols = [f"S{number}" for number in range(3 * SYMBOLS_A_REQUEST)]
    stub.know(*symbols)
    stub.fail("quote", 500, HTML, times=1000)

    for _ in range(3):
        with pytest.raises(ProviderError):
            await yahoo.quotes(symbols)

    assert stub.asked["quote"] == 5 + 3 + 3
    assert stub.asked["chart"] == 0


async def test_a_lone_symbol_that_is_a_bad_request_is_asked_of_the_chart(stub: YahooStub, yahoo: YahooProvider) -> None:
    stub.know("ACME")
    stub.poison["ACME"] = 400
    stub.poison["NOPE"] = 400

    assert prices(await yahoo.quotes(["ACME"])) == {"ACME": 101.5}
    assert (await yahoo.quotes(["NOPE"])).unknown == {"NOPE"}


async def test_a_429_while_the_halves_are_asked_is_the_last_request(stub: YahooStub, yahoo: YahooProvider) -> None:
    stub.know("A", "B", "C", "D")
    stub.fail("quote", 400)
    stub.fail("quote", 429)

    with pytest.raises(ProviderError) as caught:
        await yahoo.quotes(["A", "B", "C", "D"])

    assert caught.value.reason is Reason.PROVIDER_BLOCKED
    assert stub.asked["quote"] == 2


async def test_a_crumb_refused_while_the_halves_are_asked_leaves_the_rest_to_the_charts(
    stub: YahooStub, yahoo: YahooProvider
) -> None:
    symbols = ["A", "B", "C", "D"]
    stub.know(*symbols)
    stub.fail("quote", 400)
    stub.fail("quote", 401, times=2)

    assert set((await yahoo.quotes(symbols)).quotes) == set(symbols)
    assert sorted(stub.chart_requests) == symbols


@pytest.mark.parametrize("endpoint", ["quote", "crumb", "cookie", "chart"])
async def test_a_429_is_told_at_once_and_is_the_last_request(
    stub: YahooStub, yahoo: YahooProvider, endpoint: str
) -> None:
    stub.know("ACME")
    stub.fail(endpoint, 429, b"Too Many Requests\r\n", retry_after="120")

    with pytest.raises(ProviderError) as caught:
        await yahoo.quotes(["ACME", *(f"LEFT{number}" for number in range(20 if endpoint == "chart" else 0))])

    assert caught.value.reason is Reason.PROVIDER_BLOCKED
    assert caught.value.retry_after_ms == 120_000
    # Two charts are asked at a time, so that one more may be on its way.
    assert stub.asked[endpoint] <= (3 if endpoint == "chart" else 1)
    assert next(reversed(stub.asked)) == endpoint
    assert prices(await yahoo.quotes(["ACME"])) == {"ACME": 101.5}


@pytest.mark.parametrize("endpoint", ["quote", "crumb"])
async def test_too_many_requests_in_a_200_is_a_429_as_well(
    stub: YahooStub, yahoo: YahooProvider, endpoint: str
) -> None:
    stub.know("ACME")
    stub.fail(endpoint, 200, b"Edge: Too Many Requests")

    with pytest.raises(ProviderError) as caught:
        await yahoo.quotes(["ACME"])

    assert caught.value.reason is Reason.PROVIDER_BLOCKED
    assert caught.value.retry_after_ms is None
    assert prices(await yahoo.quotes(["ACME"])) == {"ACME": 101.5}


async def test_an_old_crumb_is_renewed_within_the_call(stub: YahooStub, yahoo: YahooProvider) -> None:
    stub.know("ACME")
    stub.summaries["ACME"] = {"price": {"longName": "Acme"}}
    await yahoo.quotes(["ACME"])
    stub.let_crumbs_grow_old()

    assert prices(await yahoo.quotes(["ACME"])) == {"ACME": 101.5}
    stub.let_crumbs_grow_old()
    assert await yahoo.company("ACME") is not None

    assert stub.asked["chart"] == 0


async def test_while_v7_answers_401_the_charts_give_the_prices(stub: YahooStub, yahoo: YahooProvider) -> None:
    stub.know("ACME", "OTHER")
    stub.fail("quote", 401, times=4)

    for _ in range(2):
        answer = await yahoo.quotes(["ACME", "OTHER", "NOPE"])
        assert prices(answer) == {"ACME": 101.5, "OTHER": 101.5}
        assert answer.unknown == {"NOPE"}

    stub.asked.clear()
    await yahoo.quotes(["ACME", "OTHER"])
    assert (stub.asked["quote"], stub.asked["chart"]) == (1, 0)


@pytest.mark.parametrize("endpoint", ["crumb", "cookie"])
@pytest.mark.parametrize(("status", "body"), [(500, HTML), (401, b'{"finance": {}}'), (200, HTML), (200, b"")])
async def test_without_a_crumb_the_charts_give_the_prices_and_no_page_is_kept_as_one(
    stub: YahooStub, yahoo: YahooProvider, endpoint: str, status: int, body: bytes
) -> None:
    stub.know("ACME")
    stub.fail(endpoint, status, body, times=100)
    if endpoint == "cookie":
        stub.fail("crumb", 401, b"{}", times=100)  # what Yahoo says without a cookie

    assert prices(await yahoo.quotes(["ACME"])) == {"ACME": 101.5}
    assert stub.asked["chart"] == 1

    stub.heal()
    stub.asked.clear()
    assert prices(await yahoo.quotes(["ACME"])) == {"ACME": 101.5}
    assert stub.asked["chart"] == 0


async def test_charts_are_limited_a_call_and_every_symbol_gets_its_turn(stub: YahooStub, yahoo: YahooProvider) -> None:
    symbols = [f"S{number}" for number in range(CHARTS_A_CALL * 3 // 2)]
    stub.know(*symbols)
    stub.fail("quote", 401, times=100)

    first, second = await yahoo.quotes(symbols), await yahoo.quotes(symbols)

    assert len(first.quotes) == len(second.quotes) == CHARTS_A_CALL
    assert {*first.quotes, *second.quotes} == set(symbols)
    assert set(reasons(first).values()) == {Reason.PROVIDER_ERROR}


async def test_a_connection_that_is_refused_is_a_provider_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_yahoo_stub() as gone:
        send_yahoo_to(gone.url, monkeypatch)
    provider = await started(tmp_path)

    with pytest.raises(ProviderError) as caught:
        await provider.quotes(["ACME"])
    await provider.close()

    assert caught.value.reason is Reason.PROVIDER_ERROR
    assert "127.0.0.1" not in caught.value.message


@pytest.mark.parametrize("endpoint", ["quote", "chart"])
async def test_a_call_that_hangs_ends_in_time(stub: YahooStub, hasty_yahoo: YahooProvider, endpoint: str) -> None:
    stub.know("ACME")
    stub.hang(endpoint)
    begin = time.monotonic()

    with pytest.raises(ProviderError) as caught:
        await (hasty_yahoo.quotes(["ACME"]) if endpoint == "quote" else hasty_yahoo.dividends("ACME"))

    assert caught.value.reason is Reason.PROVIDER_TIMEOUT
    assert time.monotonic() - begin < SHORT_SECONDS + 2


async def test_what_came_before_a_chart_hung_is_not_lost(stub: YahooStub, tmp_path: Path) -> None:
    # Curl gives up a tenth of the time before asyncio does, and a busy machine may take a while to say so.
    provider = await started(tmp_path, 4 * SHORT_SECONDS)
    stub.know("ACME")
    stub.hang("chart")

    answer = await provider.quotes(["ACME", "LEFT"])
    await provider.close()

    assert prices(answer) == {"ACME": 101.5}
    assert reasons(answer) == {"LEFT": Reason.PROVIDER_TIMEOUT}


async def test_hung_calls_free_their_threads_for_later_ones(stub: YahooStub, hasty_yahoo: YahooProvider) -> None:
    stub.know("ACME")
    stub.hang("quote", times=2)
    stub.hang("chart", times=2)
    hung = [*(hasty_yahoo.quotes(["ACME"]) for _ in range(2)), *(hasty_yahoo.dividends("ACME") for _ in range(2))]

    outcomes = await asyncio.gather(*hung, return_exceptions=True)

    assert {outcome.reason for outcome in outcomes if isinstance(outcome, ProviderError)} == {Reason.PROVIDER_TIMEOUT}
    assert len(outcomes) == 4
    assert prices(await hasty_yahoo.quotes(["ACME"])) == {"ACME": 101.5}
    assert await hasty_yahoo.dividends("ACME") == []


@pytest.mark.parametrize("endpoint", ["crumb", "cookie", "consent"])
async def test_a_handshake_that_hangs_leaves_time_for_the_charts(
    stub: YahooStub, tmp_path: Path, endpoint: str
) -> None:
    provider = await started(tmp_path, 2.0)
    stub.know("ACME")
    stub.hang(endpoint, times=100)
    if endpoint == "consent":
        stub.hang("cookie", times=100)  # only then is consent asked for

    answers = [await provider.quotes(["ACME"]) for _ in range(3)]
    await provider.close()

    assert [prices(answer) for answer in answers] == [{"ACME": 101.5}] * 3
    assert stub.asked["chart"] == 3


async def test_close_does_not_wait_for_hung_calls(stub: YahooStub, tmp_path: Path) -> None:
    provider = await started(tmp_path, 2.0)
    stub.hang("quote", times=10)
    call = asyncio.ensure_future(provider.quotes(["ACME"]))
    await stub.hanging.wait()
    begin = time.monotonic()

    await provider.close()

    assert time.monotonic() - begin < 0.5
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_threads_end_after_close(stub: YahooStub, tmp_path: Path) -> None:
    provider = await started(tmp_path)
    stub.know("ACME")
    await provider.quotes(["ACME"])
    await provider.dividends("ACME")
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("yahoo-")]

    await provider.close()
    for thread in threads:
        await asyncio.to_thread(thread.join, 5)

    assert threads
    assert not any(thread.is_alive() for thread in threads)


async def test_a_company_without_a_summary_is_told_by_its_row(stub: YahooStub, yahoo: YahooProvider) -> None:
    stub.rows["OIL.L"] = row("OIL.L", 2850.5, currency="GBp", marketCap=171_030_000_000)
    stub.rows["^INDEX"] = row("^INDEX", marketCap=None)

    company = await yahoo.company("OIL.L")

    assert company is not None
    assert company.model_dump(exclude_none=True) == {
        "symbol": "OIL.L",
        "name": "OIL.L Corporation",
        "exchange": "NasdaqGS",
        "currency": "GBp",
        "market_cap": 171.03e9,
        "market_cap_currency": "GBP",
        "fifty_two_week_low": 80.5,
        "fifty_two_week_high": 120.25,
        "trailing_pe": 25.375,
    }
    assert await yahoo.company("^INDEX") is None


async def test_where_neither_summary_nor_row_can_be_had_a_429_is_told_and_the_rest_is_no_company(
    stub: YahooStub, yahoo: YahooProvider
) -> None:
    stub.fail("quote", 500, HTML)
    assert await yahoo.company("NOPE") is None

    stub.fail("quote", 429)
    with pytest.raises(ProviderError) as caught:
        await yahoo.company("NOPE")
    assert caught.value.reason is Reason.PROVIDER_BLOCKED


async def test_dividends_are_asked_with_few_bars(stub: YahooStub, yahoo: YahooProvider) -> None:
    stub.charts["ACME"] = chart("ACME", dividends={"1707489000": {"amount": 0.24, "date": 1_707_489_000}})

    assert await yahoo.dividends("ACME") == [Dividend(date=date(2024, 2, 9), amount=0.24)]
    assert stub.handshakes == 0


@pytest.mark.parametrize(("status", "body"), [(500, HTML), (200, HTML), (404, HTML), (200, b'{"quotes":')])
async def test_the_slow_questions_tell_a_failure_and_never_an_empty_answer(
    stub: YahooStub, yahoo: YahooProvider, status: int, body: bytes
) -> None:
    stub.know("ACME")
    for endpoint, ask in (
        ("summary", yahoo.company("ACME")),
        ("chart", yahoo.dividends("ACME")),
        ("search", yahoo.search("acme", 5)),
    ):
        stub.fail(endpoint, status, body)
        with pytest.raises(ProviderError) as caught:
            await ask
        assert caught.value.reason is Reason.PROVIDER_ERROR


async def test_nothing_is_written_to_disk(stub: YahooStub, yahoo: YahooProvider, tmp_path: Path) -> None:
    stub.know("ACME")
    await yahoo.quotes(["ACME"])

    assert files_in(tmp_path) == []


async def test_a_call_before_start_is_our_mistake(tmp_path: Path) -> None:
    provider = YahooProvider(timeout_seconds=1, cache_dir=tmp_path, clock=ManualClock())

    with pytest.raises(RuntimeError):
        await provider.quotes(["ACME"])


def test_a_yfinance_that_has_changed_inside_is_told_at_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from yfinance.data import YfData  # noqa: PLC0415 - half a second that the parser's tests need not wait for

    monkeypatch.delattr(YfData, "_set_cookie_strategy")

    with pytest.raises(ConfigError, match=r"needs yfinance 1\.7\.0.*_set_cookie_strategy"):
        open_session(tmp_path, 1.0)


# --- the contract of all providers ---------------------------------------------------------------------------------


class TestYahooKeepsTheContract(
    ProviderContract,
    QuoteContract,
    CompanyContract,
    DividendContract,
    SearchContract,
    HoursContract,
    SymbolNewsContract,
    HistoryContract,
):
    @pytest.fixture
    async def subject(self, stub: YahooStub, yahoo: YahooProvider) -> Subject:
        stub.know("ACME", "OTHER")
        stub.histories["ACME"] = charts_of_a_share(splits={1_710_509_400: (4, 1)})
        stub.charts["ACME"] = chart("ACME", dividends={"1707489000": {"amount": 0.24, "date": 1_707_489_000}})
        stub.summaries["ACME"] = {"price": {"longName": "Acme Corporation"}}
        stub.matches["acme"] = [{"symbol": "ACME", "longname": "Acme"}, {"symbol": "ACME.DE", "longname": "Acme"}]
        stub.news["ACME"] = [article("Acme down"), article("Acme up", "2024-04-05T15:41:00Z"), article("Acme", None)]
        return Subject(
            yahoo,
            known=("ACME", "OTHER"),
            pays_dividends="ACME",
            pays_no_dividends="OTHER",
            bars_until=NOW_MS,
            has_extended_hours=True,
            was_split="ACME",
            query="acme",
        )


class TestYahooInAnOutage(OutageContract):
    @pytest.fixture
    async def subject(self, stub: YahooStub, yahoo: YahooProvider) -> Subject:
        for endpoint in ("quote", "chart", "summary", "search", "news"):
            stub.fail(endpoint, 500, HTML, times=1000)
        return Subject(yahoo, known=("ACME", "OTHER"))


class TestYahooThatHangs(HangingContract):
    @pytest.fixture
    async def subject(self, stub: YahooStub, hasty_yahoo: YahooProvider) -> Subject:
        for endpoint in ("quote", "chart", "summary", "search", "news"):
            stub.hang(endpoint, times=1000)
        return Subject(hasty_yahoo, known=("ACME", "OTHER"))
