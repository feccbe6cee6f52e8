"""Yahoo's streamer as the stream of the source `yahoo`, beside the polls; the real yfinance, the stand-ins of both."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog
import yfinance.live
import yfinance.pricing_pb2

from patience import PATIENCE_SECONDS
from stocktrack.clock import Clock, ManualClock, RealClock, settle
from stocktrack.config import Settings
from stocktrack.errors import ProviderError, Reason
from stocktrack.providers.base import Capability, capabilities_of
from stocktrack.providers.registry import build_providers
from stocktrack.providers.streaming import LOOK_SECONDS, MAX_BAD_FRAMES
from stocktrack.providers.yahoo.stream import MAX_KNOWN, REPEAT_SECONDS, KnownQuotes, StreamingYahooProvider
from stocktrack.providers.yahoo.ticks import Tick
from stocktrack.quotes import MarketState, Quote
from stocktrack.testing import (
    Collected,
    CompanyContract,
    DividendContract,
    HistoryContract,
    HoursContract,
    ProviderContract,
    QuoteContract,
    SearchContract,
    StreamContract,
    Subject,
    SymbolNewsContract,
)
from yahoo_history import charts_of_a_share
from yahoo_redirect import send_yahoo_to
from yahoo_streamer import HEARTBEAT, NOW_MS, POST, PRE, YahooStreamer, tick, yahoo_streamer
from yahoo_stub import YahooStub, article, chart, row, running_yahoo_stub

Stream = Callable[..., asyncio.Task[None]]


class Sink(Collected):
    """What was published, and a wait for more of it."""

    def __init__(self) -> None:
        super().__init__(lambda _: self._grown.set())
        self._grown = asyncio.Event()

    def opened(self) -> None:
        super().opened()
        self._grown.set()

    @property
    def prices(self) -> list[float]:
        return [quote.price for quote in self.quotes]

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not is_so():
                self._grown.clear()
                await self._grown.wait()


@pytest.fixture
async def stub(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[YahooStub]:
    async with running_yahoo_stub() as running:
        send_yahoo_to(running.url, monkeypatch)
        running.know("ACME", "OTHER")
        yield running


@pytest.fixture
async def streamer() -> AsyncIterator[YahooStreamer]:
    async with yahoo_streamer() as running:
        yield running


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW_MS)


async def started(folder: Path, clock: Clock, stream_url: str | None) -> StreamingYahooProvider:
    provider = StreamingYahooProvider(timeout_seconds=10, cache_dir=folder, clock=clock, stream_url=stream_url)
    await provider.start()
    return provider


@pytest.fixture
async def yahoo(
    stub: YahooStub, streamer: YahooStreamer, clock: ManualClock, tmp_path: Path
) -> AsyncIterator[StreamingYahooProvider]:
    provider = await started(tmp_path, clock, streamer.url)
    yield provider
    await provider.close()


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
async def stream(yahoo: StreamingYahooProvider, sink: Sink) -> AsyncIterator[Stream]:
    tasks: list[asyncio.Task[None]] = []

    def start(wanted: Sequence[str] | dict[str, None] = ("ACME",)) -> asyncio.Task[None]:
        tasks.append(asyncio.create_task(yahoo.stream(lambda: wanted, sink)))
        return tasks[-1]

    yield start
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


async def test_a_tick_is_published_as_a_whole_quote(
    stub: YahooStub, streamer: YahooStreamer, yahoo: StreamingYahooProvider, stream: Stream, sink: Sink
) -> None:
    polled = (await yahoo.quotes(["ACME"])).quotes["ACME"]
    stream()
    connection = await streamer.connected()
    assert await connection.heard() == {"subscribe": ["ACME"]}

    await streamer.tick("ACME", 102.5, change=2.5)
    await sink.until(lambda: bool(sink.quotes))

    assert connection.path == "/?version=2"
    assert sink.quotes == [
        polled.model_copy(update={"price": 102.5, "change": 2.5, "change_percent": 2.5, "received_at": NOW_MS})
    ]
    assert sink.quotes[0].name == "ACME Corp."


async def test_the_subscription_is_one_message_and_is_repeated(
    streamer: YahooStreamer, stream: Stream, sink: Sink, clock: ManualClock
) -> None:
    wanted = {"ACME": None, "OTHER": None}
    stream(wanted)
    connection = await streamer.connected()
    await sink.until(lambda: sink.times_opened == 1)

    del wanted["OTHER"]
    wanted["THIRD"] = None
    await clock.advance(LOOK_SECONDS)
    await clock.advance(REPEAT_SECONDS)

    heard = [await connection.heard() for _ in range(4)]
    assert heard == [
        {"subscribe": ["ACME", "OTHER"]},
        {"unsubscribe": ["OTHER"]},
        {"subscribe": ["THIRD"]},
        {"subscribe": ["ACME", "THIRD"]},
    ]


async def test_ticks_that_say_nothing_are_not_published(
    streamer: YahooStreamer, yahoo: StreamingYahooProvider, stream: Stream, sink: Sink
) -> None:
    await yahoo.quotes(["ACME"])
    stream(["ACME", "NEVERPOLLED"])
    connection = await streamer.connected()
    await connection.heard()

    await streamer.tick("ACME", 0.0)
    await streamer.tick("ACME", 1.0, quote_type=HEARTBEAT)
    await streamer.tick("ACME", 2.0, time=NOW_MS - 1)
    await streamer.tick("ACME", 3.0, time=NOW_MS + 3_600_000)
    await streamer.tick("ACME", 4.0, time=0)
    await streamer.tick("NEVERPOLLED", 5.0)
    await connection.send(tick("NOBODYASKED", 6.0, currency="USD"), {"type": "other"}, {"message": "aGk="})
    await streamer.tick("ACME", 103.0)
    await sink.until(lambda: bool(sink.quotes))

    assert [(quote.symbol, quote.price) for quote in sink.quotes] == [("ACME", 103.0)]


async def test_a_stream_that_is_ahead_of_our_clock_is_told_once(
    streamer: YahooStreamer, yahoo: StreamingYahooProvider, stream: Stream, sink: Sink
) -> None:
    await yahoo.quotes(["ACME"])
    with structlog.testing.capture_logs() as logs:
        stream()
        await (await streamer.connected()).heard()
        for price in (101.0, 102.0):
            await streamer.tick("ACME", price, time=NOW_MS + 600_000)
        await streamer.tick("ACME", 103.0)
        await sink.until(lambda: bool(sink.quotes))

    assert sink.prices == [103.0]
    told = [entry for entry in logs if "clock" in entry["event"]]
    assert [entry["minutes"] for entry in told] == [10]


async def test_a_symbol_in_another_case_is_the_same(
    streamer: YahooStreamer, yahoo: StreamingYahooProvider, stream: Stream, sink: Sink
) -> None:
    await yahoo.quotes(["ACME"])
    stream()
    connection = await streamer.connected()
    await connection.heard()

    await connection.send(tick("Acme", 102.5))
    await sink.until(lambda: bool(sink.quotes))

    assert sink.quotes[0].symbol == "ACME"


async def test_a_symbol_that_was_never_polled_is_published_where_the_tick_stands_alone(
    streamer: YahooStreamer, stream: Stream, sink: Sink
) -> None:
    stream(["BTC-USD"])
    await (await streamer.connected()).heard()

    await streamer.tick("BTC-USD", 110_429.42, currency="USD", quote_type=41)
    await sink.until(lambda: bool(sink.quotes))

    assert (sink.quotes[0].price, sink.quotes[0].currency) == (110_429.42, "USD")


async def test_prices_after_hours_and_before_stand_beside_the_regular_one(
    stub: YahooStub, streamer: YahooStreamer, yahoo: StreamingYahooProvider, stream: Stream, sink: Sink
) -> None:
    stub.rows["OTHER"] = row("OTHER", marketState="PRE")
    await yahoo.quotes(["ACME", "OTHER"])
    stream(["ACME", "OTHER"])
    await (await streamer.connected()).heard()

    await streamer.tick("ACME", 102.0, market_hours=POST)
    await streamer.tick("OTHER", 103.0, market_hours=PRE)
    await sink.until(lambda: bool(sink.quotes))
    got = {quote.symbol: quote for quote in sink.quotes}

    assert {symbol: (quote.price, quote.extended_price, quote.market_state) for symbol, quote in got.items()} == {
        "ACME": (101.5, 102.0, MarketState.POST),
        "OTHER": (101.5, 103.0, MarketState.PRE),
    }


async def test_a_poll_that_is_behind_the_stream_does_not_take_the_price_back(
    stub: YahooStub, streamer: YahooStreamer, yahoo: StreamingYahooProvider, stream: Stream, sink: Sink
) -> None:
    await yahoo.quotes(["ACME"])
    stream()
    await (await streamer.connected()).heard()
    await streamer.tick("ACME", 102.5, time=NOW_MS + 2_000)
    await sink.until(lambda: bool(sink.quotes))

    stub.rows["ACME"] = row("ACME", 101.75, regularMarketTime=NOW_MS // 1000 + 1, regularMarketVolume=999_999)
    behind = (await yahoo.quotes(["ACME"])).quotes["ACME"]
    stub.rows["ACME"] = row("ACME", 103.0, regularMarketTime=NOW_MS // 1000 + 3)
    ahead = (await yahoo.quotes(["ACME"])).quotes["ACME"]

    assert (behind.price, behind.timestamp, behind.volume) == (102.5, NOW_MS + 2_000, 999_999)
    assert (ahead.price, ahead.timestamp) == (103.0, NOW_MS + 3_000)


@pytest.mark.parametrize(
    "garbage",
    [
        '{"type":"pricing","message":"###"}',
        '{"type":"pricing","message":"/////w=="}',
        '{"type":"pricing","message":7}',
        '{"type":"pricing"}',
        "no JSON",
        b"\x00\x01",
    ],
)
async def test_garbage_is_skipped_and_too_much_of_it_is_an_error(
    garbage: str | bytes, streamer: YahooStreamer, yahoo: StreamingYahooProvider, stream: Stream, sink: Sink
) -> None:
    await yahoo.quotes(["ACME"])
    task = stream()
    connection = await streamer.connected()
    await connection.heard()
    await connection.send(*[garbage] * (MAX_BAD_FRAMES - 1))
    await streamer.tick("ACME", 102.5)
    await sink.until(lambda: bool(sink.quotes))

    await connection.send(*[garbage] * MAX_BAD_FRAMES)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.wait({task})

    error = task.exception()
    assert isinstance(error, ProviderError)
    assert (error.reason, "Yahoo" in error.message) == (Reason.PROVIDER_ERROR, True)


async def test_the_address_is_that_of_yfinance_unless_another_is_set(
    stub: YahooStub, streamer: YahooStreamer, tmp_path: Path, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Redirected:
        def __init__(self, *, verbose: bool) -> None:
            self.url = streamer.url

    monkeypatch.setattr(yfinance.live, "BaseWebSocket", Redirected)
    provider = await started(tmp_path, RealClock(), None)
    task = asyncio.create_task(provider.stream(lambda: ["ACME"], sink))

    assert await (await streamer.connected()).heard() == {"subscribe": ["ACME"]}
    task.cancel()
    await asyncio.wait({task})
    await provider.close()


async def test_without_a_streamer_in_yfinance_the_polls_go_on(
    stub: YahooStub, tmp_path: Path, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(yfinance.pricing_pb2, "PricingData")
    provider = await started(tmp_path, RealClock(), "ws://127.0.0.1:1/")

    with pytest.raises(ProviderError, match="yfinance"):
        await provider.stream(lambda: ["ACME"], sink)

    assert (await provider.quotes(["ACME"])).quotes["ACME"].price == 101.5
    await provider.close()


def test_the_settings_decide_whether_yahoo_streams(tmp_path: Path) -> None:
    def built(**settings: Any) -> frozenset[Capability]:
        (provider,) = build_providers(Settings(data_dir=tmp_path, providers=("yahoo",), **settings), RealClock())
        return capabilities_of(provider)

    assert Capability.STREAM in built()
    assert Capability.STREAM not in built(yahoo_stream=False)
    assert built() - built(yahoo_stream=False) == {Capability.STREAM}


@pytest.mark.parametrize("url", ["https://streamer.example/", "streamer.example", "wss://", "wss://a:0/", "wss://a:x/"])
def test_an_address_of_no_websocket_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="yahoo_stream_url"):
        Settings(data_dir=tmp_path, yahoo_stream_url=url)


def test_an_empty_address_is_none(tmp_path: Path) -> None:
    assert Settings(data_dir=tmp_path, yahoo_stream_url="").yahoo_stream_url is None


def test_no_more_quotes_are_kept_than_there_is_room_for() -> None:
    known = KnownQuotes(ManualClock(NOW_MS))
    for number in range(MAX_KNOWN + 1):
        known.polled(Quote(symbol=f"S{number}", price=1.0, received_at=NOW_MS, provider="yahoo"))

    assert known.ticked(Tick("S0", 2.0, NOW_MS)) is None, "the oldest is forgotten"
    assert known.ticked(Tick(f"S{MAX_KNOWN}", 2.0, NOW_MS)) is not None


class TestYahooWithItsStreamKeepsTheContract(
    ProviderContract,
    QuoteContract,
    StreamContract,
    CompanyContract,
    DividendContract,
    SearchContract,
    HoursContract,
    SymbolNewsContract,
    HistoryContract,
):
    @pytest.fixture
    async def subject(
        self, stub: YahooStub, streamer: YahooStreamer, yahoo: StreamingYahooProvider, clock: ManualClock
    ) -> Subject:
        stub.charts["ACME"] = chart("ACME", dividends={"1707489000": {"amount": 0.24, "date": 1_707_489_000}})
        stub.summaries["ACME"] = {"price": {"longName": "Acme Corporation"}}
        stub.histories["ACME"] = charts_of_a_share()
        stub.matches["acme"] = [{"symbol": "ACME", "longname": "Acme"}, {"symbol": "ACME.DE", "longname": "Acme"}]
        stub.news["ACME"] = [article("Acme down"), article("Acme up", "2024-04-05T15:41:00Z")]
        await yahoo.quotes(["ACME", "OTHER"])

        async def next_prices() -> None:
            await clock.advance(LOOK_SECONDS)
            for symbol in ("ACME", "OTHER", "NOBODYASKED"):
                await streamer.tick(symbol, 102.5, time=clock.now_ms())
            for connection in streamer.connections:
                if connection.is_open:
                    await connection.pong()
            await settle()

        return Subject(
            yahoo,
            known=("ACME", "OTHER"),
            pays_dividends="ACME",
            pays_no_dividends="OTHER",
            bars_until=NOW_MS,
            has_extended_hours=True,
            query="acme",
            next_prices=next_prices,
        )


def test_a_tick_that_is_far_off_comes_back_neither_with_the_next_poll_nor_in_the_range_of_the_day() -> None:
    known = KnownQuotes(ManualClock(NOW_MS + 10_000))
    polled = Quote(symbol="ACME", price=100.0, high=101.0, timestamp=NOW_MS, received_at=NOW_MS, provider="yahoo")
    known.polled(polled)

    told = known.ticked(Tick("ACME", 100_000.0, NOW_MS + 1_000))
    assert told is not None
    assert told.price == 100_000.0, "whether it is believed is not decided here"
    assert known.polled(polled) == polled
    after = known.ticked(Tick("ACME", 102.0, NOW_MS + 2_000))
    assert after is not None
    assert (after.price, after.high) == (102.0, 102.0)
