"""Kafka as a source: the newest quote of each symbol in a topic, and each that is published from then on."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from stocktrack.clock import Clock
from stocktrack.errors import ProviderError, Reason, SourceUnusable
from stocktrack.messages import BoardQuote
from stocktrack.providers.base import QUESTION, Errand, QuoteAnswer, Source, StreamSink, Wanted
from stocktrack.providers.kafka.reader import Reader
from stocktrack.providers.kafka.table import Table
from stocktrack.providers.kafka.topic import Topic
from stocktrack.quotes import MarketState, Quote

log = structlog.get_logger()

# How long the server's start waits for a topic to be read; a long one is read on while it serves already.
START_SECONDS: Final = 5.0
# What a StockTrack published counts as old when nobody has published anything for so long, in a market that is open.
MUTE_SECONDS: Final = 60.0
_TELL_AGAIN_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.5  # how soon it is seen that something else is wanted


class KafkaProvider(Source):
    """The topic at `url`. One task reads it for all who ask; it ends when the broker does, and who asks begins anew."""

    name = "kafka"
    is_free = True  # it answers from what it has read
    symbols_a_request = 10_000
    stream_places: int | None = None

    def __init__(self, *, url: str | None, clock: Clock) -> None:
        self._topic = Topic.at(url) if url is not None else None
        self._clock = clock
        self._table = Table(self.name)
        self._reader: Reader | None = None
        self._reading: asyncio.Task[None] | None = None
        self._streams: dict[StreamSink, Wanted] = {}
        self._told_at: float | None = None
        self._told = 0

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many records were no quotes, by why."""
        return self._table.dropped

    def check_settings(self) -> None:
        """`SourceUnusable` where there is no address."""
        if self._topic is None:
            raise SourceUnusable("kafka has no address: set kafka_url, as kafka://localhost:9092/quotes.")

    async def start(self) -> None:
        """Begin to read. A broker that does not answer is told to whoever asks, and the server starts all the same."""
        self.check_settings()
        self._begin()
        assert self._reading is not None  # noqa: S101 - `_begin` sets it
        waiting = asyncio.ensure_future(self._has_read_all())
        await asyncio.wait({waiting}, timeout=START_SECONDS)
        waiting.cancel()
        await asyncio.wait({waiting})
        if not waiting.cancelled():
            waiting.exception()  # the next question meets it again

    async def close(self) -> None:
        """End the reading."""
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.cancel()
            await asyncio.wait({reading})

    async def quotes(self, symbols: Sequence[str], errand: Errand = QUESTION) -> QuoteAnswer:
        """What was read last of each; what nobody has published may still come."""
        self.check_settings()
        if not symbols:
            return QuoteAnswer()
        await self._has_read_all()
        quotes: dict[str, Quote] = {}
        failed: dict[str, ProviderError] = {}
        is_mute = self._clock.now_ms() - self._table.written_at > MUTE_SECONDS * 1000
        for symbol in symbols:
            quote = self._table.get(symbol)
            if quote is None:
                failed[symbol] = ProviderError(
                    Reason.PROVIDER_ERROR, f"Nobody has published {symbol} at {self._topic} yet."
                )
            else:
                quotes[symbol] = _as_old(quote) if is_mute else quote
        return QuoteAnswer(quotes=quotes, failed=failed)

    async def stream(self, wanted: Wanted, sink: StreamSink) -> None:
        """Hand over what is published of what is wanted, to begin with what was."""
        self.check_settings()
        await self._has_read_all()
        reading = self._reading
        if reading is None:
            raise ProviderError(Reason.PROVIDER_ERROR, f"{self._topic} is not read any more.")
        sink.opened()
        self._streams[sink] = wanted
        seen: frozenset[str] = frozenset()
        try:
            while not reading.done():
                now = frozenset(wanted())
                found = [self._table.get(symbol) for symbol in now - seen]
                if quotes := [quote for quote in found if quote is not None]:
                    sink.publish(quotes)
                seen = now
                await asyncio.wait({reading}, timeout=_LOOK_SECONDS)
        finally:
            del self._streams[sink]
        await _outcome(reading)

    def _begin(self) -> None:
        """Have a task that reads, unless there is one."""
        assert self._topic is not None  # noqa: S101 - whoever calls has checked the settings
        if self._reading is None or self._reading.done():
            self._reader = Reader(self._topic, self._table, self._clock, self._take)
            self._reading = asyncio.create_task(self._reader.run(), name=f"read {self._topic}")
            self._reading.add_done_callback(_seen)

    async def _has_read_all(self) -> None:
        """Return when everything that was published before has been read; `ProviderError` where that breaks."""
        self._begin()
        reader, reading = self._reader, self._reading
        assert reader is not None  # noqa: S101 - `_begin` sets both
        assert reading is not None  # noqa: S101
        if not reader.has_read_all.is_set():
            read_all = asyncio.ensure_future(reader.has_read_all.wait())
            try:
                await asyncio.wait({read_all, reading}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                read_all.cancel()
            self._tell_dropped()
        if reading.done():
            await _outcome(reading)

    def _take(self, quotes: Sequence[Quote]) -> None:
        for sink, wanted in self._streams.items():
            now = wanted()
            if news := [quote for quote in quotes if quote.symbol in now]:
                sink.publish(news)
        self._tell_dropped()

    def _tell_dropped(self) -> None:
        """Tell the log of records that were no quotes, once in a while."""
        now, dropped = self._clock.monotonic(), self._table.dropped
        if dropped.total() == self._told or (self._told_at is not None and now - self._told_at < _TELL_AGAIN_SECONDS):
            return
        self._told_at, self._told = now, dropped.total()
        log.warning("records that are no quotes were dropped", provider=self.name, topic=str(self._topic), **dropped)


def _as_old(quote: Quote) -> Quote:
    """A quote of ours, marked stale unless its market is closed; what others publish has its time, and says no more."""
    if not isinstance(quote, BoardQuote) or quote.stale or quote.market_state is MarketState.CLOSED:
        return quote
    return quote.model_copy(update={"stale": True, "stale_reason": Reason.PROVIDER_TIMEOUT})


async def _outcome(reading: "asyncio.Task[None]") -> None:
    """Raise what ended the reading."""
    if reading.cancelled():
        raise ProviderError(Reason.PROVIDER_ERROR, "The topic is not read any more.")
    if (error := reading.exception()) is not None:
        # A copy: the one that was raised is shared by all who wait, and each raising adds to its trace.
        raise ProviderError(error.reason, error.message) if isinstance(error, ProviderError) else error


def _seen(reading: "asyncio.Task[None]") -> None:
    if not reading.cancelled():
        reading.exception()
