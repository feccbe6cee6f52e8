import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from datetime import date, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from structlog.testing import capture_logs

from openalgo_stub import KEY, Dialect, OpenAlgoStub, openalgo, row, told
from patience import PATIENCE_SECONDS
from stocktrack.clock import ManualClock, RealClock
from stocktrack.config import Settings, load_settings
from stocktrack.errors import CommandError, ConfigError, ProviderError, Reason, SourceUnusable, StockTrackError
from stocktrack.providers.base import Errand
from stocktrack.providers.openalgo import provider as provider_module
from stocktrack.providers.openalgo.addresses import rest_address, stream_address
from stocktrack.providers.openalgo.answers import (
    Heard,
    Refused,
    read_matches,
    read_quotes,
    read_row,
    read_tick,
    read_timings,
    ticks_in,
)
from stocktrack.providers.openalgo.provider import OpenAlgoProvider
from stocktrack.providers.openalgo.stream import PLACES, OpenAlgoStream
from stocktrack.providers.openalgo.symbols import Listing, listing_of
from stocktrack.providers.registry import build_providers
from stocktrack.quotes import MarketState, Match, Quote, TradingDay
from stocktrack.segments import Segment
from stocktrack.testing import (
    BrokenStreamContract,
    Collected,
    HangingContract,
    HoursContract,
    OutageContract,
    ProviderContract,
    QuoteContract,
    SearchContract,
    StreamContract,
    Subject,
    UnusableContract,
    assert_valid,
)

RELIANCE, TCS, NIFTY, CALL, OIL = (
    "NSE:RELIANCE", "NSE:TCS", "NSE_INDEX:NIFTY", "NFO:NIFTY28MAR2420800CE", "MCX:CRUDEOIL20APR20FUT",
)  # fmt: skip
KNOWN = (RELIANCE, TCS, NIFTY, CALL, "BSE:RELIANCE", "CDS:USDINR26APR24FUT", "NSE:M&M", "NSE:BAJAJ-AUTO", OIL)
NOW_MS = 1_712_331_900_000  # 5 April 2024, 21:15 in India
LISTING = Listing(Segment.NSE, "RELIANCE")
Make = Callable[..., OpenAlgoProvider]


@pytest.fixture
async def stub() -> AsyncIterator[OpenAlgoStub]:
    async with openalgo() as running:
        running.know(*KNOWN)
        yield running


@pytest.fixture
async def make(stub: OpenAlgoStub) -> AsyncIterator[Make]:
    made: list[OpenAlgoProvider] = []

    def make_one(**changes: Any) -> OpenAlgoProvider:
        arguments = {
            "url": stub.stream.url,
            "rest_url": stub.rest_url,
            "api_key": SecretStr(KEY),
            "api_key_file": None,
            "timeout_seconds": 10.0,
            "clock": RealClock(),
            **changes,
        }
        made.append(OpenAlgoProvider(**arguments))
        return made[-1]

    yield make_one
    for provider in made:
        await provider.close()


@pytest.fixture
async def provider(make: Make) -> OpenAlgoProvider:
    provider = make()
    await provider.start()
    return provider


def a_subject(provider: OpenAlgoProvider, stub: OpenAlgoStub, **tick: Any) -> Subject:
    """What the contract is tried on, where the stream tells `tick` of every symbol."""

    async def next_prices() -> None:
        for symbol in KNOWN:
            await stub.tick(symbol, **tick)

    return Subject(provider, known=KNOWN, unknown="NSE:NOSUCH", query="reliance", next_prices=next_prices)


# --- the contract ---


class TestOpenAlgoKeepsTheContract(ProviderContract, QuoteContract, StreamContract, SearchContract, HoursContract):
    @pytest.fixture
    async def subject(self, provider: OpenAlgoProvider, stub: OpenAlgoStub) -> Subject:
        return a_subject(provider, stub, ltp=1190.0, close=1165.7, ltt=NOW_MS)


class TestAStreamInOtherWordsKeepsTheContract(StreamContract):
    @pytest.fixture(params=[Dialect.PAGES, Dialect.SIMPLE, Dialect.FLAT])
    async def subject(self, provider: OpenAlgoProvider, stub: OpenAlgoStub, request: pytest.FixtureRequest) -> Subject:
        stub.dialect = request.param
        return a_subject(provider, stub, ltp=1190.0, change=24.3, change_percent=2.08, timestamp="2024-04-05T15:45:00Z")


class TestAnOldOpenAlgoKeepsTheContract(ProviderContract, QuoteContract, StreamContract, SearchContract, HoursContract):
    @pytest.fixture
    async def subject(self, provider: OpenAlgoProvider, stub: OpenAlgoStub) -> Subject:
        stub.has_multiquotes = False
        return a_subject(provider, stub, last_price="1190.05", timestamp=NOW_MS // 1000)


class TestOpenAlgoInAnOutage(OutageContract):
    @pytest.fixture
    async def subject(self, provider: OpenAlgoProvider, stub: OpenAlgoStub) -> Subject:
        for question in ("quotes", "multiquotes", "search"):
            stub.fail(question, 500, times=100)
        return Subject(provider, known=KNOWN, query="reliance")


class TestOpenAlgoThatHangs(HangingContract):
    @pytest.fixture
    async def subject(self, provider: OpenAlgoProvider, stub: OpenAlgoStub) -> Subject:
        for question in ("quotes", "multiquotes", "search"):
            stub.hang(question, times=100)
        return Subject(provider, known=KNOWN, query="reliance")


class TestOpenAlgoWithoutAKey(UnusableContract):
    @pytest.fixture
    async def subject(self, make: Make) -> Subject:
        return Subject(make(api_key=None), known=KNOWN, query="reliance", remedy="STOCKTRACK_OPENALGO_API_KEY")


class TestOpenAlgoWithAWrongKey(UnusableContract):
    @pytest.fixture
    async def subject(self, make: Make) -> Subject:
        wrong = "f" * 64
        provider = make(api_key=SecretStr(wrong))
        return Subject(provider, known=KNOWN, query="reliance", remedy="openalgo_api_key", secret=wrong)


class TestAStreamThatBreaks(BrokenStreamContract):
    @pytest.fixture(params=[200, 500, 524, "hello", "data"])
    async def subject(
        self, provider: OpenAlgoProvider, stub: OpenAlgoStub, request: pytest.FixtureRequest
    ) -> AsyncIterator[Subject]:
        if isinstance(request.param, int):
            stub.stream.answer(request.param)
        breaking = asyncio.create_task(self.cut(stub, at=request.param))
        yield Subject(provider, known=KNOWN, secret=KEY)
        breaking.cancel()
        await asyncio.gather(breaking, return_exceptions=True)

    async def cut(self, stub: OpenAlgoStub, *, at: object) -> None:
        connection = await stub.stream.connected()
        if at == "data":
            connection = await stub.subscribed(*KNOWN)
        connection.cut()


def heard(symbol: str = RELIANCE, received_at: int = NOW_MS) -> Heard:
    """What a quote of `symbol` is made of beside its data."""
    listing = listing_of(symbol)
    assert listing is not None
    return Heard(symbol, listing, received_at, MarketState.OPEN)


# --- which symbols ---


@pytest.mark.parametrize("exchange", [*Segment, "NSE_EQ", "BSE_EQ"])
def test_it_serves_what_is_written_with_an_exchange_of_india(make: Make, exchange: str) -> None:
    assert make().serves(f"{exchange}:SYMBOL")


@pytest.mark.parametrize(
    "symbol", ["AAPL", "RELIANCE.NS", "BINANCE:BTCUSDT", "NSE:", ":X", "NSE", "OANDA:EUR_USD", "NYSE:A"]
)
def test_it_serves_nothing_else(make: Make, symbol: str) -> None:
    assert not make().serves(symbol)


# --- quotes by REST ---


async def test_a_quote_has_the_fields_that_openalgo_tells(provider: OpenAlgoProvider) -> None:
    (quote,) = (await provider.quotes([RELIANCE])).quotes.values()

    assert quote == Quote(
        symbol=RELIANCE,
        price=1187.75,
        currency="INR",
        change=22.05,
        change_percent=1.891567,
        previous_close=1165.7,
        open=1172.0,
        high=1196.6,
        low=1163.3,
        volume=14_414_545,
        bid=1187.85,
        ask=1188.0,
        exchange="NSE",
        received_at=quote.received_at,
        provider="openalgo",
        delay_seconds=0,
        price_hint=2,
        market_state=quote.market_state,
    )


async def test_fifty_symbols_are_one_request(provider: OpenAlgoProvider, stub: OpenAlgoStub) -> None:
    symbols = [f"NSE:S{number}" for number in range(120)]
    stub.know(*symbols)

    answer = await provider.quotes(symbols)

    assert set(answer.quotes) == set(symbols)
    assert [len(body["symbols"]) for body in stub.asked_for("multiquotes")] == [50, 50, 20]


async def test_another_name_of_an_exchange_is_asked_for_by_its_own(
    provider: OpenAlgoProvider, stub: OpenAlgoStub
) -> None:
    answer = await provider.quotes(["NSE_EQ:RELIANCE", RELIANCE])

    assert set(answer.quotes) == {"NSE_EQ:RELIANCE", RELIANCE}
    assert [quote.symbol for quote in answer.quotes.values()] == list(answer.quotes)
    assert [body["symbols"] for body in stub.asked_for("multiquotes")] == [[{"exchange": "NSE", "symbol": "RELIANCE"}]]


async def test_an_openalgo_without_the_question_of_many_is_asked_it_once(
    provider: OpenAlgoProvider, stub: OpenAlgoStub
) -> None:
    stub.has_multiquotes = False
    assert provider.symbols_a_request == 50

    for _ in range(2):
        assert set((await provider.quotes([*KNOWN, "NSE:NOSUCH"])).quotes) == set(KNOWN)

    assert (stub.asked["multiquotes"], stub.asked["quotes"]) == (1, 2 * (len(KNOWN) + 1))
    assert provider.symbols_a_request == 1


async def test_a_symbol_at_which_the_broker_fails_takes_no_other_with_it(
    provider: OpenAlgoProvider, stub: OpenAlgoStub
) -> None:
    stub.odd = {TCS: "Could not find exchange token for NSE:TCS"}

    answer = await provider.quotes(KNOWN)

    assert set(answer.quotes) == set(KNOWN) - {TCS}
    assert set(answer.failed) == {TCS}
    assert "exchange token" in answer.failed[TCS].message


async def test_an_outage_of_the_broker_costs_few_requests(provider: OpenAlgoProvider, stub: OpenAlgoStub) -> None:
    stub.odd = dict.fromkeys(KNOWN, "The broker is closed for maintenance")

    with pytest.raises(ProviderError, match="maintenance"):
        await provider.quotes(KNOWN)

    assert stub.asked["quotes"] <= 4


async def test_an_outage_of_the_broker_is_one_for_all_batches(make: Make, stub: OpenAlgoStub) -> None:
    many = [f"NSE:S{number}" for number in range(500)]
    stub.know(*many)
    stub.odd = dict.fromkeys(many, "The broker is closed for maintenance")

    with pytest.raises(ProviderError, match="maintenance"):
        await make(timeout_seconds=10.0).quotes(many)

    assert stub.asked["multiquotes"] == 10
    assert stub.asked["quotes"] <= 10


async def test_an_exchange_that_this_openalgo_does_not_have_is_not_offered(
    provider: OpenAlgoProvider, stub: OpenAlgoStub
) -> None:
    stub.exchanges = ("NSE", "BSE")

    answer = await provider.quotes([RELIANCE, "MCX_INDEX:MCXCRUDEX"])

    assert set(answer.quotes) == {RELIANCE}
    assert answer.not_offered["MCX_INDEX:MCXCRUDEX"].message == "The OpenAlgo of this server has nothing of MCX_INDEX."
    assert answer.unknown == frozenset()


async def test_requests_for_one_symbol_are_only_made_where_the_errand_pays(
    provider: OpenAlgoProvider, stub: OpenAlgoStub
) -> None:
    stub.has_multiquotes = False
    refusal = CommandError(Reason.RATE_LIMITED, "No.")

    answer = await provider.quotes([RELIANCE, TCS], Errand(refusal=lambda symbol: refusal if symbol == TCS else None))

    assert set(answer.quotes) == {RELIANCE}
    assert answer.put_off == {TCS: refusal}


async def test_what_there_is_no_time_for_fails_and_is_asked_first_another_time(
    provider: OpenAlgoProvider, stub: OpenAlgoStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_module, "_BEGIN_SHARE", 0.0)
    stub.has_multiquotes = False

    answer = await provider.quotes(KNOWN)

    assert set(answer.failed) == set(KNOWN)
    assert "no time left" in answer.failed[TCS].message


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ((500,), "status 500"),
        ((302, b"", {"Location": "/error"}), "status 302"),
        ((502, b"<html>Bad gateway</html>"), "status 502"),
        ((200, b"<html>Welcome</html>"), "no JSON object"),
        ((200, b"[" * 100_000), "no JSON object"),
        ((200, b"{}" + b" " * 5_000_000), "more than 4 MiB"),
        ((500, f'{{"message":"Bad {KEY}"}}'.encode()), "status 500: Bad …"),
    ],
)
async def test_what_is_no_answer_is_a_failure_with_a_sentence(
    provider: OpenAlgoProvider, stub: OpenAlgoStub, fault: tuple[Any, ...], said: str
) -> None:
    stub.fail("multiquotes", *fault)

    with pytest.raises(ProviderError, match=said) as caught:
        await provider.quotes([RELIANCE])

    assert caught.value.reason is Reason.PROVIDER_ERROR


async def test_a_complaint_that_repeats_the_key_is_told_without_it(
    provider: OpenAlgoProvider, stub: OpenAlgoStub
) -> None:
    said = f'{{"status":"error","message":"Bad {KEY}"}}'.encode()
    stub.fail("multiquotes", 200, said)
    stub.fail("quotes", 200, said)

    answer = await provider.quotes([RELIANCE])

    assert answer.failed[RELIANCE].message.endswith(": Bad ….")


@pytest.mark.parametrize(
    ("fault", "retry_after_ms"),
    [
        ((b"", {"Retry-After": "7"}), 7_000),
        ((b'{"message":"Rate limit exceeded","retry_after":60}',), 60_000),
        ((b'{"message":"no","retry_after":"soon"}',), None),
        ((b'{"message":"no","retry_after":1e300}',), None),
        ((b"<html>",), None),
    ],
)
async def test_a_429_blocks_and_says_for_how_long(
    provider: OpenAlgoProvider, stub: OpenAlgoStub, fault: tuple[Any, ...], retry_after_ms: int | None
) -> None:
    stub.fail("multiquotes", 429, *fault)

    with pytest.raises(ProviderError, match="429") as caught:
        await provider.quotes(KNOWN)

    assert (caught.value.reason, caught.value.retry_after_ms) == (Reason.PROVIDER_BLOCKED, retry_after_ms)
    assert (stub.asked["multiquotes"], stub.asked["quotes"]) == (1, 0)


async def test_a_source_that_takes_too_long_has_timed_out(make: Make, stub: OpenAlgoStub) -> None:
    stub.hang("multiquotes")

    with pytest.raises(ProviderError) as caught:
        await make(timeout_seconds=0.05).quotes([RELIANCE])

    assert caught.value.reason is Reason.PROVIDER_TIMEOUT


async def test_nobody_at_the_address_is_a_failure(make: Make) -> None:
    provider = make(url="ws://127.0.0.1:1", rest_url="http://127.0.0.1:1")

    with pytest.raises(ProviderError, match="OpenAlgo cannot be reached"):
        await provider.quotes([RELIANCE])
    with pytest.raises(ProviderError, match="OpenAlgo's server refused the connection"):
        await provider.stream(lambda: [RELIANCE], Collected())


@pytest.mark.parametrize(
    "message",
    [
        "Not found",
        "Broker-specific module not found",
        "No quote data available",
        "BROKER_API_KEY not found in environment variables",
        "",
    ],
)
def test_no_other_words_make_a_symbol_unknown(message: str) -> None:
    said = read_quotes({"results": [{"exchange": "NSE", "symbol": "RELIANCE", "error": message}]})

    assert said == {LISTING: Refused(message)}
    assert not Refused(message).is_unknown


@pytest.mark.parametrize(
    "message",
    [
        "Symbol 'X' not found for exchange 'NSE'. Please verify the symbol name.",
        "Invalid symbol",
        "unknown symbol X",
        "Token not found for symbol: X",
    ],
)
def test_a_symbol_is_unknown_where_openalgo_says_so(message: str) -> None:
    said = read_quotes({"results": [{"exchange": "nse", "symbol": "reliance", "error": message}]})

    assert said == {LISTING: Refused(message)}
    assert Refused(message).is_unknown


@pytest.mark.parametrize(
    "changes", [{"ltp": 0}, {"ltp": None}, {"ltp": "n/a"}, {"ltp": -5.0}, {"ltp": True}, {"ltp": 1e40}]
)
def test_a_row_without_a_price_is_no_quote(changes: dict[str, Any]) -> None:
    assert read_row(row(**changes), heard()) is None


def test_zeros_are_what_is_not_known() -> None:
    zeros = dict.fromkeys(("open", "high", "low", "bid", "ask", "prev_close", "volume"), 0)

    quote = read_row(row(**zeros), heard())

    assert quote is not None
    assert quote.model_dump(exclude_none=True).keys() == {
        *("symbol", "price", "currency", "exchange", "market_state", "received_at", "provider", "delay_seconds"),
        "price_hint",
    }
    assert quote.market_state is MarketState.OPEN


def test_oil_may_cost_less_than_nothing_and_an_index_at_zero_is_not_known_yet() -> None:
    quote = read_row(row(-2884.0, prev_close=1200.0, low=-2900.0), heard(OIL))

    assert quote is not None
    assert (quote.price, quote.low, quote.change) == (-2884.0, -2900.0, -4084.0)
    assert read_row(row(0.0), heard(OIL)) is None
    assert read_row(row(0.0), heard(NIFTY)) is None


# --- search ---


def found(symbol: str, **fields: Any) -> dict[str, Any]:
    """A row of a search's answer."""
    exchange, _, name = symbol.partition(":")
    return {"exchange": exchange, "symbol": name, "brsymbol": "x", "token": "NSE_FO|71399", "tick_size": 5, **fields}


def test_what_is_found_says_what_it_is() -> None:
    option = {"expiry": "28-MAR-24", "strike": 20_800, "instrumenttype": "OPTIDX", "lotsize": 65, "name": "NIFTY"}
    share = {"expiry": "", "strike": -0.01, "instrumenttype": "EQ", "lotsize": 1, "name": "RELIANCE INDUSTRIES"}
    rows = [
        found(CALL, **option),
        found(OIL, expiry="2020-04-20", strike=None, lotsize="100"),
        found(RELIANCE, **share),
        found(NIFTY, expiry=None, instrumenttype="AMXIDX", lotsize=0),
        found(RELIANCE, **share),
        found("CRYPTO:BTCUSDT", name="Bitcoin"),
        found("NFO:NIFTY28MAR24", expiry="soon"),
    ]

    assert read_matches({"status": "success", "data": rows}, 10) == [
        Match(
            symbol=CALL, name="NIFTY", exchange="NFO", segment="NFO", expiry=date(2024, 3, 28), strike=20_800.0,
            type="CE", lot=65,
        ),
        Match(symbol=OIL, exchange="MCX", segment="MCX", expiry=date(2020, 4, 20), type="FUT", lot=100),
        Match(symbol=RELIANCE, name="RELIANCE INDUSTRIES", exchange="NSE", segment="NSE", type="EQ", lot=1),
        Match(symbol=NIFTY, exchange="NSE_INDEX", segment="NSE_INDEX", type="IDX"),
        Match(symbol="NFO:NIFTY28MAR24", exchange="NFO", segment="NFO"),
    ]  # fmt: skip


async def test_a_search_that_fails_says_why(provider: OpenAlgoProvider, stub: OpenAlgoStub) -> None:
    stub.fail("search", 400, b'{"status":"error","message":{"query":["Missing data for required field."]}}')

    with pytest.raises(ProviderError, match="Missing data"):
        await provider.search("x", 5)


# --- the stream's messages ---


def a_stream(known: Quote | None = None, *, is_ready: bool = True) -> OpenAlgoStream:
    stream = OpenAlgoStream(
        "ws://",
        SecretStr(KEY),
        ManualClock(NOW_MS),
        known=lambda _: known,
        state_of=lambda _: MarketState.OPEN,
    )
    stream.is_ready = is_ready
    return stream


def streamed(message: dict[str, Any], *symbols: str, known: Quote | None = None) -> Sequence[Quote]:
    """What a connection with these subscriptions reads in a message."""
    stream = a_stream(known)
    stream.subscribe(symbols or (RELIANCE,))
    return stream.receive(json.dumps(message))


def one(data: dict[str, Any], *, known: Quote | None = None) -> Quote:
    (quote,) = streamed(told(Dialect.PROGRAM, RELIANCE, data), known=known)
    return quote


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("symbol", KNOWN)
def test_a_price_is_read_in_every_dialect(dialect: Dialect, symbol: str) -> None:
    (quote,) = streamed(told(dialect, symbol, {"ltp": 1424.0, "close": 1418.0}), symbol)

    assert (quote.symbol, quote.price, quote.previous_close, quote.change) == (symbol, 1424.0, 1418.0, 6.0)
    assert_valid(quote)


def test_a_message_may_hold_several_prices_and_unknown_fields() -> None:
    rows = [
        {"exchange": "nse", "symbol": name, "ltp": 10.5, "greeks": {"delta": [0.5]}}
        for name in ("Reliance", "TCS", "INFY")
    ]

    quotes = streamed({"type": "market_data", "mode": "LTP", "data": rows}, RELIANCE, TCS)

    assert [quote.symbol for quote in quotes] == [RELIANCE, TCS]


def test_what_has_two_names_is_published_under_both() -> None:
    quotes = streamed(told(Dialect.PROGRAM, RELIANCE, {"ltp": 10.5}), RELIANCE, "NSE_EQ:RELIANCE")

    assert {quote.symbol for quote in quotes} == {RELIANCE, "NSE_EQ:RELIANCE"}


@pytest.mark.parametrize(
    "message",
    [
        {"type": "market_data", "exchange": "NSE", "symbol": "RELIANCE", "data": None},
        {"type": "market_data", "exchange": "NSE", "symbol": "RELIANCE", "data": {"ltp": None}},
        {"type": "market_data", "exchange": "NSE", "symbol": "RELIANCE", "data": {"ltp": 0}},
        {"type": "market_data", "exchange": "NSE", "symbol": "RELIANCE", "data": [[], 5, {"ltp": "nan"}]},
        {"type": "market_data", "exchange": 5, "symbol": ["RELIANCE"], "data": {"ltp": 10.5}},
        {"type": "market_data", "topic": "RELIANCE.NYSE", "data": {"ltp": 10.5}},
        {"type": "order_update", "exchange": "NSE", "symbol": "RELIANCE", "price": 10.5, "ltp": 10.5},
        {"type": {"a": 1}, "status": [], "data": "x"},
        {"type": "pong", "status": "success"},
        {"type": "subscribe", "status": "success", "subscriptions": [None, 5]},
        {},
    ],
)
def test_a_message_without_a_price_has_no_quote(message: dict[str, Any]) -> None:
    assert list(streamed(message)) == []


@pytest.mark.parametrize(
    ("data", "timestamp"),
    [
        ({"ltt": 1_712_331_890_000}, 1_712_331_890_000),
        ({"ltt": 1_712_331_890}, 1_712_331_890_000),
        ({"ltt": 1_712_331_890_123_456}, 1_712_331_890_123),
        ({"ltt": "1712331890"}, 1_712_331_890_000),
        ({"timestamp": "2024-04-05T15:44:50.123Z"}, 1_712_331_890_123),
        ({"timestamp": "2024-04-05T21:14:50+05:30"}, 1_712_331_890_000),
        ({"timestamp": "2024-04-05 21:14:50"}, None),  # in which zone?
        ({"ltt": "21:14:50", "timestamp": 1_712_331_890_000}, 1_712_331_890_000),
        ({"ltt": 1_712_331_890 + 19_800, "timestamp": 1_712_331_890_000}, 1_712_331_890_000),  # India's clock as UTC
        ({"timestamp": 1_712_255_400_000}, None),  # midnight in India: the date
        ({"ltt": 0, "exchange_timestamp": -1, "timestamp": 10**30}, None),
        ({"ltt": True, "timestamp": {"s": 1}}, None),
        ({}, None),
    ],
)
def test_the_time_is_that_of_the_market_or_left_out(data: dict[str, Any], timestamp: int | None) -> None:
    assert one({"ltp": 10.5, **data}).timestamp == timestamp


def known_quote(received_at: int = NOW_MS - 3_600_000) -> Quote:
    quote = read_row(row(), heard(received_at=received_at))
    assert quote is not None
    return quote


def test_what_the_stream_leaves_out_of_the_day_comes_from_rest() -> None:
    quote = one({"ltp": 1200.0}, known=known_quote())

    assert (quote.previous_close, quote.change) == (1165.7, 34.3)
    assert (quote.open, quote.high, quote.low) == (1172.0, 1200.0, 1163.3)
    assert quote.volume is quote.bid is quote.ask is None


def test_nothing_comes_from_rest_of_the_day_before() -> None:
    quote = one({"ltp": 1200.0}, known=known_quote(received_at=NOW_MS - 86_400_000))

    assert quote.previous_close is quote.change is quote.open is None


def test_a_close_that_is_the_price_itself_is_no_previous_close() -> None:
    assert one({"ltp": 1200.0, "close": 1200.0}).change is None
    assert one({"ltp": 1200.0, "close": 1200.0}, known=known_quote()).change == 34.3
    assert one({"ltp": 1200.0, "close": 1200.0, "prev_close": 1200.0}).change == 0.0


def test_the_change_is_taken_as_told_where_there_is_no_close() -> None:
    quote = one({"ltp": 1424.0, "change": 6.0, "change_percent": 0.42})

    assert (quote.change, quote.change_percent, quote.previous_close) == (6.0, 0.42, None)


def test_the_best_offers_come_from_the_depth() -> None:
    depth = {"buy": [{"price": 1423.9}, {"price": 1423.5}], "sell": [{"price": 0}, {"price": 1424.5}]}

    quote = one({"ltp": 1424.0, "depth": depth})

    assert (quote.bid, quote.ask) == (1423.9, None)


WORDS = (
    *("type", "status", "symbol", "exchange", "topic", "data", "ltp", "close", "ltt", "timestamp", "depth", "buy"),
    *("price", "volume", "message", "error", "results", "subscriptions", "high", "change"),
)
TEXTS = (
    "NSE",
    "RELIANCE",
    "market_data",
    "error",
    "success",
    "2024-04-05T15:44:50Z",
    "0001-01-01T00:00:00+23:59",
    "1e9",
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.sampled_from(TEXTS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=6),
    max_leaves=12,
)


@given(JSON)
def test_whatever_stands_in_a_message_only_valid_quotes_come_of_it(content: Any) -> None:
    message = {"type": "market_data", "exchange": "NSE", "symbol": "RELIANCE", "data": content}

    for tick in ticks_in(message):
        quote = read_tick(tick.data, heard(), None)
        if quote is not None:
            assert_valid(quote)


@given(JSON)
def test_whatever_openalgo_answers_it_is_an_answer_or_a_failure(payload: Any) -> None:
    try:
        said = read_quotes(payload)
    except ProviderError:
        assert not isinstance(payload, dict)
        return
    assert isinstance(payload, dict)
    if isinstance(said, dict):
        assert all(isinstance(listing, Listing) for listing in said)


@given(JSON)
def test_whatever_the_stream_says_it_is_read_or_refused(message: Any) -> None:
    for is_ready in (False, True):
        stream = a_stream(is_ready=is_ready)
        stream.subscribe([RELIANCE])
        try:
            quotes = stream.receive(json.dumps(message))
        except (ValueError, StockTrackError):
            continue
        for quote in quotes:
            assert_valid(quote)


# --- the stream over a socket ---


class Streaming:
    """A stream that runs, what it published, and how it ended."""

    def __init__(self, provider: OpenAlgoProvider, *wanted: str) -> None:
        self.wanted = set(wanted)
        self.heard = asyncio.Queue[Quote]()
        self.sink = Collected(self._note)
        self.task = asyncio.create_task(provider.stream(lambda: self.wanted, self.sink))

    def _note(self, quotes: Sequence[Quote]) -> None:
        for quote in quotes:
            self.heard.put_nowait(quote)

    async def next(self) -> Quote:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.heard.get()

    async def failure(self) -> StockTrackError:
        async with asyncio.timeout(PATIENCE_SECONDS):
            with pytest.raises(StockTrackError) as caught:
                await self.task
        return caught.value


@pytest.fixture
async def stream(provider: OpenAlgoProvider) -> AsyncIterator[Callable[..., Streaming]]:
    running: list[Streaming] = []

    def start(*wanted: str) -> Streaming:
        running.append(Streaming(provider, *wanted))
        return running[-1]

    yield start
    for each in running:
        each.task.cancel()
        await asyncio.gather(each.task, return_exceptions=True)


async def test_one_message_logs_in_and_one_subscribes_to_all(
    stub: OpenAlgoStub, stream: Callable[..., Streaming]
) -> None:
    running = stream(RELIANCE, CALL)
    connection = await stub.subscribed(RELIANCE, CALL)
    await stub.tick(CALL, ltp=101.5, close=99.0)

    assert (await running.next()).price == 101.5
    assert connection.messages[0] == {"action": "authenticate", "api_key": KEY}
    (subscribed,) = connection.messages[1:]
    assert (subscribed["action"], subscribed["mode"]) == ("subscribe", "Quote")
    symbols = [f"{each['exchange']}:{each['symbol']}" for each in subscribed["symbols"]]
    assert sorted(symbols) == sorted([RELIANCE, CALL])


async def test_demand_is_followed_with_the_least_messages(stub: OpenAlgoStub, stream: Callable[..., Streaming]) -> None:
    running = stream(RELIANCE, "NSE_EQ:RELIANCE", CALL)
    connection = await stub.subscribed(RELIANCE, CALL)
    running.wanted -= {"NSE_EQ:RELIANCE", CALL}
    await stub.subscribed(RELIANCE)

    assert connection.messages[2:] == [
        {"action": "unsubscribe", "symbols": [{"exchange": "NFO", "symbol": CALL.partition(":")[2]}], "mode": "Quote"}
    ]


async def test_a_ping_is_answered(stub: OpenAlgoStub, stream: Callable[..., Streaming]) -> None:
    stream(RELIANCE)
    connection = await stub.subscribed(RELIANCE)
    await connection.heard()
    await connection.heard()
    await connection.send({"type": "ping"})

    assert await connection.heard() == {"type": "pong"}


async def test_a_symbol_that_the_broker_does_not_stream_is_told_once_and_the_rest_goes_on(
    stub: OpenAlgoStub, stream: Callable[..., Streaming]
) -> None:
    stub.not_streamed = {NIFTY: "Index feed not supported", CALL: "Index feed not supported"}
    with capture_logs() as logs:
        running = stream(RELIANCE, NIFTY, CALL)
        await stub.subscribed(RELIANCE)
        await stub.tick(RELIANCE, ltp=1190.0)
        assert (await running.next()).symbol == RELIANCE

    assert [entry["said"] for entry in logs] == ["Index feed not supported"]


async def test_where_there_is_no_place_for_more_it_takes_less(
    provider: OpenAlgoProvider, stub: OpenAlgoStub, stream: Callable[..., Streaming]
) -> None:
    assert provider.stream_places == PLACES
    stub.not_streamed = dict.fromkeys((NIFTY, CALL), "Maximum symbol limit (3000) reached")
    running = stream(RELIANCE, TCS, NIFTY, CALL)
    await stub.subscribed(RELIANCE, TCS)
    await stub.tick(RELIANCE, ltp=1190.0)
    await running.next()

    assert provider.stream_places == 2


@pytest.mark.parametrize(
    "answer",
    [
        {"status": "error", "code": "AUTHENTICATION_ERROR", "message": "Invalid API key"},
        {"type": "auth", "status": "error", "message": "Invalid or expired"},
        {"type": "error", "message": f"Invalid API key {KEY}"},
        {"status": "failed", "type": "authenticate"},
    ],
)
async def test_a_refused_key_is_a_sentence_that_names_its_setting(
    stub: OpenAlgoStub, stream: Callable[..., Streaming], answer: dict[str, Any]
) -> None:
    stub.login_answer = answer

    failure = await stream(RELIANCE).failure()

    assert isinstance(failure, SourceUnusable)
    assert "openalgo_api_key" in failure.message
    assert KEY not in failure.message


async def test_an_openalgo_without_a_broker_says_what_to_do(
    stub: OpenAlgoStub, stream: Callable[..., Streaming]
) -> None:
    stub.is_logged_in = False

    failure = await stream(RELIANCE).failure()

    assert isinstance(failure, SourceUnusable)
    assert "not logged in to its broker" in failure.message


async def test_a_broker_that_cannot_be_reached_is_a_failure(
    stub: OpenAlgoStub, stream: Callable[..., Streaming]
) -> None:
    message = f"Authentication failed for {KEY}"
    stub.login_answer = {"status": "error", "code": "BROKER_CONNECTION_ERROR", "message": message}

    failure = await stream(RELIANCE).failure()

    assert isinstance(failure, ProviderError)
    assert failure.message == "OpenAlgo streams nothing, its broker fails: Authentication failed for …."


async def test_a_session_that_openalgo_forgot_ends_the_stream(
    stub: OpenAlgoStub, stream: Callable[..., Streaming]
) -> None:
    running = stream(RELIANCE)
    connection = await stub.subscribed(RELIANCE)
    stub.stream.authenticated.clear()
    running.wanted.add(TCS)

    assert "You must authenticate first" in (await running.failure()).message
    await connection.ended()


@pytest.mark.parametrize("frame", ["no JSON", b"\x00binary", "[1, 2]", '"text"', '{"a":', "[" * 90_000])
async def test_garbage_is_skipped(stub: OpenAlgoStub, stream: Callable[..., Streaming], frame: str | bytes) -> None:
    running = stream(RELIANCE)
    connection = await stub.subscribed(RELIANCE)
    await connection.send(frame)
    await stub.tick(RELIANCE, ltp=1190.0)

    assert (await running.next()).price == 1190.0


async def test_a_frame_of_16_mb_ends_the_connection_and_is_not_read(
    stub: OpenAlgoStub, stream: Callable[..., Streaming]
) -> None:
    running = stream(RELIANCE)
    connection = await stub.subscribed(RELIANCE)
    await asyncio.gather(connection.send("x" * 16_000_000), return_exceptions=True)

    assert "more than 1 MiB" in (await running.failure()).message


async def test_a_handshake_that_is_refused_names_the_key(stub: OpenAlgoStub, stream: Callable[..., Streaming]) -> None:
    stub.stream.answer(403)

    assert isinstance(await stream(RELIANCE).failure(), SourceUnusable)


# --- the hours ---

MINUTE_MS = 60_000
MIDNIGHT_MS = 1_712_255_400_000  # Friday, 5 April 2024, in India
DAY_MS = 86_400_000


def day_from(midnight_ms: int, opens: int, closes: int) -> TradingDay:
    """The day with these minutes after midnight."""
    return TradingDay(opens_at=midnight_ms + opens * MINUTE_MS, closes_at=midnight_ms + closes * MINUTE_MS)


@pytest.mark.parametrize(
    ("minute", "symbol", "expected", "state"),
    [
        (500, RELIANCE, (0, 555, 930), "closed"),
        (600, RELIANCE, (0, 555, 930), "open"),
        (600, NIFTY, (0, 555, 930), "open"),
        (935, CALL, (0, 555, 940), "open"),
        (935, RELIANCE, (3, 555, 930), "closed"),  # Monday
        (1400, OIL, (0, 540, 1435), "open"),
    ],
)
async def test_the_hours_are_those_of_the_calendar(
    make: Make, minute: int, symbol: str, expected: tuple[int, int, int], state: str
) -> None:
    days_ahead, opens, closes = expected
    provider = make(clock=ManualClock(MIDNIGHT_MS + minute * MINUTE_MS))

    assert (await provider.quotes([symbol])).quotes[symbol].market_state == state
    assert await provider.trading_day(symbol) == day_from(MIDNIGHT_MS + days_ahead * DAY_MS, opens, closes)


async def test_a_holiday_has_hours_for_those_that_trade(make: Make, stub: OpenAlgoStub) -> None:
    stub.holidays = {"2024-04-05"}
    provider = make(clock=ManualClock(MIDNIGHT_MS + 600 * MINUTE_MS))

    assert await provider.trading_day(RELIANCE) == day_from(MIDNIGHT_MS + 3 * DAY_MS, 555, 930)
    assert await provider.trading_day(OIL) == day_from(MIDNIGHT_MS, 1020, 1435)
    assert (await provider.quotes([RELIANCE])).quotes[RELIANCE].market_state == "closed"


async def test_a_state_follows_the_day_and_the_next_one_is_asked_for_in_the_morning(
    make: Make, stub: OpenAlgoStub
) -> None:
    clock = ManualClock(MIDNIGHT_MS + 600 * MINUTE_MS)
    provider = make(clock=clock)
    states = []
    for hours in (0, 10, 10, 3, 46, 1):  # 10:00, 20:00, 06:00 and 09:00 of Saturday, 07:00 and 08:00 of Monday
        clock.stand_still(hours * 3600)
        states.append((await provider.quotes([RELIANCE])).quotes[RELIANCE].market_state)
    clock.stand_still(2 * 3600)
    states.append((await provider.quotes([RELIANCE])).quotes[RELIANCE].market_state)

    assert states == ["open", *["closed"] * 5, "open"]
    dates = [body["date"] for body in stub.asked_for("market/timings")]
    assert dates == ["2024-04-05", "2024-04-06", "2024-04-07", "2024-04-08"]


async def test_hours_that_cannot_be_had_hold_up_no_quote_and_are_left_alone_for_a_while(
    make: Make, stub: OpenAlgoStub
) -> None:
    clock = ManualClock(NOW_MS)
    provider = make(clock=clock)
    stub.fail("market/timings", times=2)
    for wait_seconds in (0, 60, 600, 600):
        clock.stand_still(wait_seconds)
        assert (await provider.quotes([RELIANCE])).quotes
    assert stub.asked["market/timings"] >= 3

    stub.hang("market/timings")
    before, other = stub.asked["market/timings"], make()
    for _ in range(3):
        assert (await other.quotes([RELIANCE])).quotes[RELIANCE].market_state == "unknown"
    assert stub.asked["market/timings"] == before + 1


async def test_one_answer_has_the_hours_of_all_exchanges(provider: OpenAlgoProvider, stub: OpenAlgoStub) -> None:
    await provider.quotes(KNOWN)
    for symbol in KNOWN:
        assert await provider.trading_day(symbol) is not None

    assert stub.asked["market/timings"] <= 4  # over a weekend
    assert stub.asked["multiquotes"] == 1


async def test_an_openalgo_without_a_calendar_is_asked_for_it_once(
    provider: OpenAlgoProvider, stub: OpenAlgoStub
) -> None:
    stub.has_calendar = False

    assert await provider.trading_day(RELIANCE) is None
    assert await provider.trading_day(CALL) is None
    assert (await provider.quotes([OIL])).quotes[OIL].market_state == "unknown"

    assert stub.asked["market/timings"] == 1
    assert (await provider.quotes([RELIANCE])).quotes[RELIANCE].market_state == "unknown"


@pytest.mark.parametrize("hours", [0, 8, -4])
async def test_hours_of_another_zone_are_not_believed(make: Make, stub: OpenAlgoStub, hours: int) -> None:
    stub.zone = timezone(timedelta(hours=hours))

    with pytest.raises(ProviderError, match="another time zone"):
        await make(clock=ManualClock(MIDNIGHT_MS)).trading_day(RELIANCE)


@given(JSON)
def test_whatever_stands_in_the_calendar_only_valid_days_come_of_it(content: Any) -> None:
    with suppress(ProviderError):
        for day in read_timings({"status": "success", "data": content}, date(2024, 4, 5)).values():
            assert_valid(day)


# --- the key and the addresses ---


async def test_without_a_key_nothing_is_asked(make: Make, stub: OpenAlgoStub) -> None:
    provider = make(api_key=None)

    for call in (provider.quotes([RELIANCE]), provider.stream(lambda: [RELIANCE], Collected())):
        with pytest.raises(SourceUnusable):
            await call

    assert (stub.asked, stub.stream.handshakes) == ({}, 0)


@pytest.mark.parametrize("key", ["", "  ", "two words", "line\nbreak", "kéy", "x" * 300])
async def test_what_is_no_key_is_never_sent_or_repeated(make: Make, key: str) -> None:
    with pytest.raises(SourceUnusable, match="openalgo_api_key") as caught:
        await make(api_key=SecretStr(key)).start()

    assert not key.strip() or key.strip() not in str(caught.value)


async def test_the_key_may_stand_in_a_file_of_its_own(make: Make, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"\ufeff '{KEY}'\r\n")
    file.chmod(0o600)

    assert (await make(api_key=None, api_key_file=file).quotes([RELIANCE])).quotes


async def test_a_file_that_others_can_read_is_refused(make: Make, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY)
    file.chmod(0o644)

    with pytest.raises(SourceUnusable, match=r"openalgo_api_key_file.*chmod 600"):
        await make(api_key=None, api_key_file=file).start()


async def test_a_broker_that_nobody_is_logged_in_to_is_told_from_a_wrong_key(
    provider: OpenAlgoProvider, stub: OpenAlgoStub
) -> None:
    stub.is_logged_in = False

    with pytest.raises(SourceUnusable, match="not logged in to its broker") as caught:
        await provider.quotes([RELIANCE])

    assert caught.value.retry_after_ms == 60_000


async def test_a_wrong_key_is_not_tried_so_often_that_openalgo_shuts_us_out(make: Make) -> None:
    with pytest.raises(SourceUnusable) as caught:
        await make(api_key=SecretStr("wrong")).quotes([RELIANCE])

    assert caught.value.retry_after_ms is not None
    assert 86_400_000 / caught.value.retry_after_ms < 100


@pytest.mark.parametrize(
    ("url", "stream", "rest"),
    [
        ("ws://127.0.0.1:8765", "ws://127.0.0.1:8765", "http://127.0.0.1:5000"),
        ("ws://[::1]:8765/", "ws://[::1]:8765/", "http://[::1]:5000"),
        ("http://nas:5000", "ws://nas:8765", "http://nas:5000"),
        ("http://nas:5001/", "ws://nas:8765", "http://nas:5001"),
        ("http://[::1]:5000", "ws://[::1]:8765", "http://[::1]:5000"),
        ("https://algo.example", "wss://algo.example/ws", "https://algo.example"),
        ("https://algo.example:8443/", "wss://algo.example:8443/ws", "https://algo.example:8443"),
        ("http://algo.example", "ws://algo.example/ws", "http://algo.example"),
        ("https://example.com/openalgo", "wss://example.com/openalgo/ws", "https://example.com/openalgo"),
        ("wss://algo.example/ws", "wss://algo.example/ws", "https://algo.example"),
        ("wss://algo.example:8443/ws/", "wss://algo.example:8443/ws/", "https://algo.example:8443"),
        ("ws://nas:9000", "ws://nas:9000", "http://nas:9000"),
    ],
)
def test_one_address_says_where_both_are(url: str, stream: str, rest: str) -> None:
    assert (stream_address(url), rest_address(url)) == (stream, rest)


# --- the settings ---


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    for variable in ("STOCKTRACK_OPENALGO_API_KEY", "OPENALGO_API_KEY", "STOCKTRACK_OPENALGO_URL"):
        monkeypatch.delenv(variable, raising=False)

    def loaded(env: str = "", toml: str = "", **variables: str) -> Settings:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        (tmp_path / ".env").write_text(env)
        (tmp_path / "config.toml").write_text(toml)
        return load_settings(env_file=tmp_path / ".env", user_file=tmp_path / "config.toml").settings

    return loaded


def key_in(settings: Settings) -> str | None:
    return None if settings.openalgo_api_key is None else settings.openalgo_api_key.get_secret_value()


def test_a_key_that_users_of_openalgo_have_is_taken(load: Callable[..., Settings]) -> None:
    assert key_in(load(env="OPENALGO_API_KEY='abc'\nAPI_KEY=another\n")) == "abc"
    assert key_in(load(env="OPENALGO_API_KEY='abc'\n", STOCKTRACK_OPENALGO_API_KEY="ours")) == "ours"


def test_a_file_that_is_named_for_the_key_wins_over_keys_in_files(load: Callable[..., Settings]) -> None:
    named = 'openalgo_api_key_file = "/run/secrets/openalgo"\nopenalgo_api_key = "abc"\n'

    assert key_in(load(env="STOCKTRACK_OPENALGO_API_KEY=abc", toml=named)) is None
    assert key_in(load(toml=named, OPENALGO_API_KEY="ours")) == "ours"


@pytest.mark.parametrize(
    "url",
    [
        *("127.0.0.1:8765", "ftp://host", "ws://", "ws://host:99999", "ws://host:0", "ws://[::1"),
        *("ws://u:p4ssw0rd@host", "ws://host?apikey=p4ssw0rd"),
    ],
)
def test_an_address_that_is_none_is_refused_by_name(load: Callable[..., Settings], url: str) -> None:
    with pytest.raises(ConfigError, match="openalgo_url") as caught:
        load(STOCKTRACK_OPENALGO_URL=url)

    assert "p4ssw0rd" not in str(caught.value)


async def test_the_settings_make_the_source(load: Callable[..., Settings], stub: OpenAlgoStub) -> None:
    toml = (
        f'providers = ["openalgo", "yahoo"]\nopenalgo_url = "{stub.stream.url}"\nopenalgo_rest_url = "{stub.rest_url}/"'
    )
    source, _ = build_providers(load(toml=toml, OPENALGO_API_KEY=KEY), RealClock())
    assert isinstance(source, OpenAlgoProvider)
    try:
        await source.start()
        assert (await source.quotes([RELIANCE])).quotes[RELIANCE].price == 1187.75
    finally:
        await source.close()


def test_invented_prices_do_not_stand_beside_it(load: Callable[..., Settings]) -> None:
    with pytest.raises(ConfigError, match="openalgo"):
        build_providers(load(toml='providers = ["openalgo", "simulated"]'), RealClock())


def test_the_settings_show_no_key(load: Callable[..., Settings]) -> None:
    settings = load(OPENALGO_API_KEY=KEY)

    assert KEY not in f"{settings!r}{settings.model_dump(mode='json')}"
