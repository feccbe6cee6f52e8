"""What is read of Finnhub's answers and frames, good and bad ones; which symbols it has; what a trade becomes."""

import json
from datetime import date
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from finnhub_stub import UNKNOWN_QUOTE, article, profile, quote_row, trade, trades
from stocktrack.clock import ManualClock
from stocktrack.errors import ProviderError, Reason, SourceUnusable
from stocktrack.providers.finnhub.answers import (
    read_company,
    read_dividends,
    read_market_state,
    read_matches,
    read_news,
    read_quote,
)
from stocktrack.providers.finnhub.day import MAX_SYMBOLS, Days, Trade
from stocktrack.providers.finnhub.stream import PLACES, FinnhubStream
from stocktrack.providers.finnhub.symbols import at_finnhub, is_abroad, is_prefixed, is_us, ours
from stocktrack.quotes import MarketState, Match, Quote
from stocktrack.testing import assert_valid

NOW_MS = 1_712_331_900_000  # Friday, 5 April 2024, 11:45 in New York
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
KEY = "c0ffee0SeCrEt0c0ffee"
NO_PRICES: list[Any] = [None, "189.45", True, 0, -1.5, float("nan"), float("inf"), 10**400, [], {}]
NO_PROFILES: list[Any] = [[], None, "x", {"error": "x"}]
NO_NEWS: list[Any] = [{}, None, "x", ["x"]]
NO_DIVIDENDS: list[Any] = [{}, None, [{"date": "x"}]]
NO_MATCHES: list[Any] = [[], {}, {"result": None}, {"result": {}}]
NO_NAMES: list[Any] = [None, ["AAPL"], 5]


def read(payload: Any, symbol: str = "AAPL") -> Quote | None:
    return read_quote(payload, symbol, MarketState.OPEN, NOW_MS)


# --- symbols -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("symbol", ["AAPL", "A", "BRK-B", "BRK.B", "MKC-V", "NOSUCHSYMBOL"])
def test_shares_of_the_us_are_served(symbol: str) -> None:
    assert is_us(symbol)
    assert not is_abroad(symbol)


@pytest.mark.parametrize("symbol", ["RELIANCE.NS", "OCDO.L", "7203.T", "SAP.DE", "SHOP.TO", "M&M.NS", "ABC.V", "SAP.F"])
def test_shares_abroad_are_told_apart(symbol: str) -> None:
    assert is_abroad(symbol)
    assert not is_us(symbol)
    assert at_finnhub(symbol) == symbol


@pytest.mark.parametrize("symbol", ["BINANCE:BTCUSDT", "OANDA:EUR_USD", "COINBASE:BTC-USD", "FXCM:EUR/USD"])
def test_coins_and_currencies_are_served_as_finnhub_names_them(symbol: str) -> None:
    assert is_prefixed(symbol)
    assert (is_us(symbol), is_abroad(symbol), at_finnhub(symbol)) == (False, False, symbol)


@pytest.mark.parametrize(
    "symbol",
    [
        *("^GSPC", "GC=F", "EURUSD=X", "BTC-USD", "ETH-EUR", "BAC-PL", "NIFTY24APR18000CE", "A.B.C", ":X", "X:", ""),
        *("NSE:RELIANCE", "BSE:500325", "NFO:NIFTY24APR18000CE", "BFO:X", "CDS:USDINR", "BCD:X", "MCX:GOLD", "NCDEX:X"),
        *("NSE_INDEX:NIFTY", "BSE_INDEX:SENSEX", "MCX_INDEX:X", "NSE_EQ:X", "BSE_EQ:X"),
    ],
)
def test_what_finnhub_does_not_have_is_not_served(symbol: str) -> None:
    assert (is_us(symbol), is_abroad(symbol), is_prefixed(symbol)) == (False, False, False)


def test_a_class_of_shares_has_a_hyphen_here_and_a_dot_there() -> None:
    assert [at_finnhub(symbol) for symbol in ("BRK-B", "BRK.B", "AAPL")] == ["BRK.B", "BRK.B", "AAPL"]
    assert [ours(symbol) for symbol in ("BRK.B", "brk.b", "AAPL", "ABC.V", "a b", "")] == [
        *("BRK-B", "BRK-B", "AAPL", "ABC.V"),
        *(None, None),
    ]


# --- quotes ------------------------------------------------------------------------------------------------------


def test_a_quote_has_what_finnhub_tells_and_the_change_by_our_rule() -> None:
    quote = read(quote_row())
    assert quote == Quote(
        symbol="AAPL",
        price=189.45,
        currency="USD",
        change=1.2,
        change_percent=0.63745,
        previous_close=188.25,
        open=188.0,
        high=190.5,
        low=187.0,
        market_state=MarketState.OPEN,
        timestamp=NOW_MS,
        received_at=NOW_MS,
        provider="finnhub",
        price_hint=2,
    )


@pytest.mark.parametrize(
    ("symbol", "price", "decimals"),
    [
        ("AAPL", 189.45, 2),
        ("BRK-B", 1.0, 2),
        ("SNDL", 0.9999, 4),
        ("BINANCE:BTCUSDT", 65_000.5, None),
        ("X.NS", 9, None),
    ],
)
def test_us_shares_are_quoted_in_cents_and_below_a_dollar_in_hundredths(
    symbol: str, price: float, decimals: int | None
) -> None:
    quote = read(quote_row(price), symbol)
    assert quote is not None
    assert quote.price_hint == decimals


def test_the_decimals_follow_the_price_past_a_dollar() -> None:
    market = Market("SNDL", figures=False)
    market.renew("SNDL", c=1.02)
    assert [quote.price_hint for quote in market.traded(trade("SNDL", 0.9912, NOW_MS + 1))] == [4]
    assert [quote.price_hint for quote in market.traded(trade("SNDL", 1.01, NOW_MS + 2))] == [2]


@pytest.mark.parametrize("symbol", ["BINANCE:BTCUSDT", "RELIANCE.NS"])
def test_a_currency_that_is_not_told_is_left_out(symbol: str) -> None:
    quote = read(quote_row(), symbol)
    assert quote is not None
    assert quote.currency is None


def test_zeros_and_nulls_are_an_unknown_symbol() -> None:
    assert read(UNKNOWN_QUOTE) is None


@pytest.mark.parametrize(
    "payload",
    [
        *([], None, 5, "AAPL", {}, {"c": None}),
        *({**UNKNOWN_QUOTE, "pc": 188.25}, {**UNKNOWN_QUOTE, "d": 0, "dp": 0}, {**UNKNOWN_QUOTE, "c": None}),
        *({**UNKNOWN_QUOTE, "t": 1_712_331_900}, {**UNKNOWN_QUOTE, "c": "0"}),
        *(quote_row(price) for price in NO_PRICES),
    ],
)
def test_an_answer_without_a_price_is_a_failure_and_no_unknown_symbol(payload: Any) -> None:
    with pytest.raises(ProviderError, match="Finnhub") as caught:
        read(payload)
    assert caught.value.reason is Reason.PROVIDER_ERROR


@pytest.mark.parametrize("junk", [None, 0, -1, "12", float("nan"), float("inf"), [], {}])
def test_figures_that_are_none_are_left_out(junk: Any) -> None:
    quote = read(quote_row(o=junk, h=junk, l=junk, pc=junk, t=junk, d=junk, dp=junk, new="field"))
    assert quote is not None
    assert_valid(quote)
    assert (quote.price, quote.open, quote.high, quote.low, quote.previous_close) == (189.45, None, None, None, None)
    assert (quote.change, quote.change_percent, quote.timestamp) == (None, None, None)


@pytest.mark.parametrize(
    ("seconds", "timestamp"),
    [
        (NOW_MS / 1000 + 59, NOW_MS + 59_000),
        (NOW_MS / 1000 + 61, None),
        (NOW_MS, None),  # milliseconds
        (631_152_000, 631_152_000_000),
        (631_151_999, None),
        (-5, None),
    ],
)
def test_a_time_that_cannot_be_one_is_left_out(seconds: float, timestamp: int | None) -> None:
    quote = read(quote_row(t=seconds))
    assert quote is not None
    assert quote.timestamp == timestamp


@pytest.mark.parametrize(
    ("row", "state"),
    [
        ({"isOpen": True, "session": "regular"}, MarketState.OPEN),
        ({"isOpen": False, "session": "pre-market"}, MarketState.PRE),
        ({"isOpen": False, "session": "post-market"}, MarketState.POST),
        ({"isOpen": False, "session": None}, MarketState.CLOSED),
        ({"isOpen": True}, MarketState.OPEN),
        ({"isOpen": True, "session": "lunch"}, MarketState.UNKNOWN),
        ({"isOpen": "yes"}, MarketState.UNKNOWN),
        ({}, MarketState.UNKNOWN),
    ],
)
def test_the_state_of_the_market_is_read(row: Any, state: MarketState) -> None:
    assert read_market_state(row) is state


# --- companies, news, dividends, search --------------------------------------------------------------------------


def test_a_company_is_read_and_its_market_value_counted_in_millions_of_its_books() -> None:
    company = read_company(profile("TSM", currency="TWD", name=" Taiwan\x1b[2J Semi ", weburl="javascript:x"), "TSM")
    assert company is not None
    assert_valid(company)
    assert (company.name, company.website, company.industry) == ("Taiwan[2J Semi", None, "Technology")
    assert (company.currency, company.market_cap, company.market_cap_currency) == ("USD", 2_950_000_500_000, "TWD")


def test_an_empty_profile_is_no_company() -> None:
    assert read_company({}, "NOPE") is None
    for payload in NO_PROFILES:
        with pytest.raises(ProviderError, match="Finnhub"):
            read_company(payload, "NOPE")
    bare = read_company({"ticker": "X", "name": 5, "marketCapitalization": "big", "weburl": None}, "X")
    assert bare is not None
    assert (bare.name, bare.market_cap, bare.market_cap_currency) == (None, None, None)


def test_headlines_are_cleaned_sorted_and_come_once() -> None:
    rows = [
        article("Older", 1_712_331_000),
        article("Newer\u202e", 1_712_331_500, source="", url="ftp://x"),
        article("Tomorrow", NOW_MS / 1000 + 86_401),
        article("Undated", None),
        article("Older", 1_712_331_000),
        article(""),
        {"headline": 5},
        "junk",
    ]
    headlines = read_news(rows, NOW_MS)
    told = [(each.title, each.published) for each in headlines]
    assert told == [
        ("Newer", 1_712_331_500_000),
        ("Older", 1_712_331_000_000),
        ("Tomorrow", None),
        ("Undated", None),
    ]
    assert (headlines[0].source, headlines[0].link, headlines[1].source) == ("Finnhub", None, "CNBC")
    assert read_news([], NOW_MS) == []
    for payload in NO_NEWS:
        with pytest.raises(ProviderError, match="Finnhub"):
            read_news(payload, NOW_MS)


def test_dividends_of_one_day_are_added_and_doubles_count_once() -> None:
    row = {"symbol": "X", "date": "2024-02-09", "amount": 0.96, "adjustedAmount": 0.24, "currency": "USD"}
    rows = [
        *(row, dict(row), {**row, "adjustedAmount": 1.1}),
        {"date": "2023-11-10", "amount": 0.23},
        *({**row, "date": "soon"}, {**row, "date": "2020-01-01", "amount": None, "adjustedAmount": "x"}, "junk"),
    ]
    paid = [(each.date, each.amount, each.currency) for each in read_dividends(rows)]
    assert paid == [(date(2024, 2, 9), 1.34, "USD"), (date(2023, 11, 10), 0.23, None)]
    assert read_dividends([]) == []
    for payload in NO_DIVIDENDS:
        with pytest.raises(ProviderError, match="Finnhub"):
            read_dividends(payload)


def test_matches_are_in_our_writing() -> None:
    rows = [
        {"description": "BERKSHIRE HATHAWAY INC-CL B", "displaySymbol": "BRK.B", "symbol": "BRK.B", "type": "Common"},
        {"description": "x", "displaySymbol": "BRK-B", "symbol": "BRK-B"},
        {"description": None, "symbol": "BINANCE:BTCUSDT"},
        {"displaySymbol": "AAPL", "symbol": ""},
        *({"symbol": "not a symbol"}, {"symbol": 5}, "junk"),
    ]
    assert read_matches({"count": 4, "result": rows}, 10) == [
        Match(symbol="BRK-B", name="BERKSHIRE HATHAWAY INC-CL B"),
        Match(symbol="BINANCE:BTCUSDT"),
        Match(symbol="AAPL"),
    ]
    assert len(read_matches({"result": rows}, 1)) == 1
    for payload in NO_MATCHES:
        with pytest.raises(ProviderError, match="Finnhub"):
            read_matches(payload, 10)


# --- trades on the figures of the day ----------------------------------------------------------------------------


class Market:
    """A stream at a manual clock, with what REST has told of AAPL unless it is to know nothing."""

    def __init__(self, *symbols: str, figures: bool = True) -> None:
        self.clock = ManualClock(NOW_MS)
        self.days = Days(self.clock)
        self.stream = FinnhubStream("ws://127.0.0.1:1", SecretStr(KEY), self.days, self.clock)
        self.stream.subscribe(symbols or ("AAPL",))
        self.days.tell_market(MarketState.OPEN)
        if figures:
            self.renew()

    def renew(self, symbol: str = "AAPL", **changes: Any) -> Quote:
        quote = read_quote(quote_row(**changes), symbol, self.days.state(symbol), self.clock.now_ms())
        assert quote is not None
        return self.days.renew(quote)

    def traded(self, *rows: Any) -> list[Quote]:
        quotes = list(self.stream.receive(trades(*rows)))
        for quote in quotes:
            assert_valid(quote)
        return quotes


def test_a_trade_is_the_price_on_the_figures_of_the_day() -> None:
    [quote] = Market().traded(trade("AAPL", 191.0, NOW_MS + 1))
    assert (quote.price, quote.timestamp, quote.currency) == (191.0, NOW_MS + 1, "USD")
    assert (quote.previous_close, quote.change, quote.open) == (188.25, 2.75, 188.0)
    assert (quote.high, quote.low, quote.market_state) == (191.0, 187.0, MarketState.OPEN)


def test_several_trades_of_several_symbols_in_a_frame_are_one_quote_each() -> None:
    market = Market("AAPL", "BINANCE:BTCUSDT")
    quotes = market.traded(
        trade("AAPL", 192.0, NOW_MS + 1),
        trade("BINANCE:BTCUSDT", 65_000.5, NOW_MS + 1, v=0.00012),
        trade("AAPL", 186.0, NOW_MS + 2, c=None),
        trade("AAPL", 190.0, NOW_MS + 3, v=0, c=[], new=[{}]),
    )
    assert [(quote.symbol, quote.price) for quote in quotes] == [("AAPL", 190.0), ("BINANCE:BTCUSDT", 65_000.5)]
    assert (quotes[0].high, quotes[0].low) == (192.0, 186.0)
    assert (quotes[1].currency, quotes[1].change, quotes[1].market_state) == (None, None, MarketState.OPEN)


def test_a_trade_older_than_the_last_one_is_dropped() -> None:
    market = Market()
    assert market.traded(trade("AAPL", 191.0, NOW_MS + 10))
    assert market.traded(trade("AAPL", 150.0, NOW_MS + 5)) == []
    [quote] = market.traded(trade("AAPL", 150.0, NOW_MS + 9), trade("AAPL", 191.5, NOW_MS + 10))
    assert (quote.price, quote.low) == (191.5, 187.0)


def test_a_trade_older_than_the_figures_is_no_news() -> None:
    assert Market().traded(trade("AAPL", 150.0, NOW_MS - 5_000)) == []


@pytest.mark.parametrize("state", [MarketState.OPEN, MarketState.POST])
@pytest.mark.parametrize("at", [NOW_MS + 1, None])
def test_the_same_trade_once_more_is_no_news(state: MarketState, at: int | None) -> None:
    market = Market()
    market.days.tell_market(state)
    assert len(market.traded(trade("AAPL", 191.0, at))) == 1
    assert market.traded(trade("AAPL", 191.0, at), trade("AAPL", 191.0, at)) == []
    assert len(market.traded(trade("AAPL", 191.01, at))) == 1


def test_figures_older_than_the_last_trade_leave_its_price() -> None:
    market = Market()
    market.traded(trade("AAPL", 191.0, NOW_MS + 10_000))
    quote = market.renew(price=189.9, h=190.9, t=NOW_MS // 1000 + 5)
    assert (quote.price, quote.timestamp, quote.change) == (191.0, NOW_MS + 10_000, 2.75)
    newer = market.renew(price=192.0, h=192.5, t=NOW_MS // 1000 + 11)
    assert (newer.price, newer.timestamp, newer.high) == (192.0, NOW_MS + 11_000, 192.5)


def test_without_figures_a_trade_is_told_alone() -> None:
    market = Market(figures=False)
    [quote] = market.traded(trade("AAPL", 191.0))
    assert quote == Quote(
        symbol="AAPL",
        price=191.0,
        currency="USD",
        market_state=MarketState.OPEN,
        timestamp=NOW_MS,
        received_at=NOW_MS,
        provider="finnhub",
        price_hint=2,
    )


@pytest.mark.parametrize("at", [NOW_MS + 61_000, 5, None, "now", -1, float("nan"), NOW_MS * 1000])
def test_a_time_of_a_trade_that_cannot_be_one_is_left_out(at: Any) -> None:
    [quote] = Market().traded(trade("AAPL", 191.0, at))
    assert (quote.price, quote.timestamp) == (191.0, None)


@pytest.mark.parametrize(
    "row",
    [
        *(trade("AAPL", price) for price in NO_PRICES),
        *(trade(name, 191.0) for name in NO_NAMES),
        *({"s": "AAPL"}, {"p": 191.0}, trade("MSFT", 191.0), None, 5, "x", []),
    ],
)
def test_a_trade_that_is_none_is_left_out_and_the_others_count(row: Any) -> None:
    [quote] = Market().traded(row, trade("AAPL", 191.0, NOW_MS + 1), row)
    assert (quote.symbol, quote.price) == ("AAPL", 191.0)


def test_symbols_in_the_wrong_case_are_the_same() -> None:
    [quote] = Market().traded(trade("aapl", 191.0, NOW_MS + 1))
    assert (quote.symbol, quote.price) == ("AAPL", 191.0)


def test_two_writings_of_a_share_are_followed_once_and_both_told() -> None:
    market = Market(figures=False)
    assert [json.loads(frame) for frame in market.stream.subscribe(["BRK-B", "BRK.B"])] == [
        {"type": "subscribe", "symbol": "BRK.B"}
    ]
    assert [quote.symbol for quote in market.traded(trade("BRK.B", 400.0))] == ["BRK-B", "BRK.B"]
    assert market.stream.unsubscribe(["BRK-B", "NEVER"]) == []
    assert [json.loads(frame) for frame in market.stream.unsubscribe(["BRK.B"])] == [
        {"type": "unsubscribe", "symbol": "BRK.B"}
    ]
    assert market.traded(trade("BRK.B", 400.0)) == []


@pytest.mark.parametrize("state", [MarketState.PRE, MarketState.POST])
def test_before_and_after_hours_a_trade_leaves_the_regular_price(state: MarketState) -> None:
    market = Market()
    market.traded(trade("AAPL", 190.0, NOW_MS + 1))
    market.days.tell_market(state)
    [quote] = market.traded(trade("AAPL", 191.9, NOW_MS + 2))
    assert (quote.price, quote.timestamp, quote.change) == (190.0, NOW_MS + 1, 1.75)
    assert (quote.extended_price, quote.extended_change, quote.extended_time) == (191.9, 1.9, NOW_MS + 2)
    assert (quote.extended_change_percent, quote.market_state, quote.high) == (1.0, state, 190.5)
    assert market.renew().extended_price == 191.9
    market.days.tell_market(MarketState.OPEN)
    [quote] = market.traded(trade("AAPL", 192.0, NOW_MS + 3))
    assert (quote.price, quote.extended_price, quote.extended_time) == (192.0, None, None)


def test_before_hours_a_share_without_figures_waits_for_them() -> None:
    market = Market(figures=False)
    market.days.tell_market(MarketState.PRE)
    assert market.traded(trade("AAPL", 191.9, NOW_MS)) == []
    quote = market.renew(t=(NOW_MS - DAY_MS) // 1000)
    assert (quote.price, quote.extended_price) == (189.45, 191.9)


async def test_a_state_of_the_market_that_is_old_is_no_state() -> None:
    market = Market()
    market.days.tell_market(MarketState.POST)
    await market.clock.advance(201)
    [quote] = market.traded(trade("AAPL", 191.9, NOW_MS + 200_000))
    assert (quote.price, quote.extended_price, quote.market_state) == (191.9, None, MarketState.UNKNOWN)


def test_hours_of_shares_are_not_those_of_coins() -> None:
    market = Market("BINANCE:BTCUSDT")
    market.days.tell_market(MarketState.POST)
    [quote] = market.traded(trade("BINANCE:BTCUSDT", 65_000))
    assert (quote.price, quote.extended_price, quote.market_state) == (65_000, None, MarketState.OPEN)


async def test_the_first_trade_of_a_day_is_no_change_since_the_day_before_yesterday() -> None:
    market = Market()
    await market.clock.advance(23 * 3600)
    now_ms = market.clock.now_ms()
    [quote] = market.traded(trade("AAPL", 200.0, now_ms))
    assert (quote.price, quote.currency) == (200.0, "USD")
    assert (quote.previous_close, quote.change, quote.open, quote.high, quote.low) == (None,) * 5
    quote = market.renew(price=199.0, pc=189.45, o=195.0, t=now_ms // 1000 - 1)
    assert (quote.price, quote.change, quote.open) == (200.0, 10.55, 195.0)


def test_figures_asked_before_the_opening_tell_the_close_of_the_day_before() -> None:
    market = Market(figures=False)
    yesterday = market.clock.now_ms() // 1000 - 20 * 3600
    market.renew(t=yesterday)
    [quote] = market.traded(trade("AAPL", 190.0, NOW_MS))
    assert (quote.price, quote.previous_close, quote.change, quote.open) == (190.0, 189.45, 0.55, None)


def test_what_is_remembered_of_days_has_an_end() -> None:
    days = Days(ManualClock(NOW_MS))
    for number in range(MAX_SYMBOLS + 10):
        days.trade(f"S{number}", [Trade(1.0, NOW_MS)])
    assert len(days._days) == MAX_SYMBOLS
    assert "S0" not in days._days


# --- what else a stream says -------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ['{"type":"ping"}', '{"type":"news","data":[]}', "{}", '{"type":5}'])
def test_what_is_no_trade_is_no_quote(text: str) -> None:
    assert list(Market().stream.receive(text)) == []


@pytest.mark.parametrize(
    "frame", ["", "nonsense", "[]", "5", '{"type":"trade"}', '{"type":"trade","data":{}}', b"\x00\xff", "[" * 100_000]
)
def test_what_makes_no_sense_is_a_value_error_for_the_base(frame: str | bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its text is for nobody
        Market().stream.receive(frame)


def test_too_many_symbols_take_one_place_each_and_never_the_last() -> None:
    stream = Market(*(f"S{number}" for number in range(50))).stream
    assert stream.places == PLACES == 50
    too_many = json.dumps({"type": "error", "msg": "Subscribing to too many symbols"})
    places = []
    for _ in range(60):
        assert list(stream.receive(too_many)) == []
        places.append(stream.places)
    assert places == [*range(49, 0, -1), *[1] * 11]


def test_too_many_symbols_count_from_those_that_are_followed() -> None:
    stream = Market("AAPL", "MSFT", "IBM").stream
    stream.receive('{"type":"error","msg":"Subscribing to too many symbols"}')
    assert stream.places == 2


@pytest.mark.parametrize("text", ["Invalid API key", "invalid token", "Unauthorized", f"API key {KEY} is not valid"])
def test_an_error_of_the_key_names_the_setting_and_no_key(text: str) -> None:
    with pytest.raises(SourceUnusable, match="finnhub_api_key") as caught:
        Market().stream.receive(json.dumps({"type": "error", "msg": text}))
    assert KEY not in caught.value.message


def test_other_errors_are_logged_once_without_the_key() -> None:
    stream = Market().stream
    with capture_logs() as logs:
        for _ in range(3):
            assert list(stream.receive(json.dumps({"type": "error", "msg": f"Invalid symbol\x1b {KEY}"}))) == []
    assert [line["said"] for line in logs] == ["Invalid symbol …"]
    with pytest.raises(ProviderError, match="Finnhub") as caught:
        stream.receive('{"type":"error","msg":"API limit reached"}')
    assert caught.value.reason is Reason.PROVIDER_BLOCKED


def test_the_key_stands_escaped_in_the_address_and_in_no_text_of_the_stream() -> None:
    clock = ManualClock()
    stream = FinnhubStream("wss://ws.finnhub.io", SecretStr("a&b=c"), Days(clock), clock)
    assert stream.address == "wss://ws.finnhub.io?token=a%26b%3Dc"
    assert "a&b" not in repr(stream)
    for status in (401, 403):
        refusal = stream.refused(status)
        assert refusal is not None
        assert "finnhub_api_key" in refusal.message
