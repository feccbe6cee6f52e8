"""A recording as a source: the same prices in the same order and with the same pauses, as fast as the settings say.

The replay begins a moment after somebody first asks for a price or watches one, for all symbols at once, and goes on to
its end like a market: who comes later sees what is traded then. Until it has come to a symbol there is no price of it;
at the end the last prices stay. A price is what it was when it was recorded, down to its `provider`, its `received_at`
and its `seq`, except where that would be untrue or go backwards:

- where `seq` falls, as behind a restart of the recorded server, it goes on above what it was;
- from the second round of a loop on, no price has a market time, and `received_at` is the time of the replay.
"""

import asyncio
import math
from collections.abc import Iterator, Sequence
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Final

import structlog

from stocktrack.clock import Clock
from stocktrack.errors import ProviderError, Reason, SourceUnusable
from stocktrack.messages import BoardQuote, Price, ServerMessage
from stocktrack.providers.base import QUESTION, Errand, QuoteAnswer, Source, StreamSink, Wanted
from stocktrack.quotes import ASSUMED_PRICE_HINT, normalise_symbol
from stocktrack.recording.reading import Unreadable, files_of, rows_of, symbols_of
from stocktrack.recording.rows import RecordingError, Row
from stocktrack.system.blocking import BlockingPool

log = structlog.get_logger()

# Those who come together, as a recorder with many symbols, all see the first price.
BEGIN_SECONDS: Final = 1.0
# Between the last price of a round and the first one of the next.
PAUSE_SECONDS: Final = 1.0
# What `max` keeps to, so that a client sees every price: a session that is behind gets the newest one only.
MAX_ROWS_A_SECOND: Final = 20_000.0
_ROWS_READ_AT_ONCE: Final = 2_000
_ROWS_AT_ONCE: Final = 500
# Turns of the event loop after which the sessions have written what they were woken for.
_TURNS: Final = 3
_LEAST_SLEEP_SECONDS: Final = 0.01
_MOST_TOLD: Final = 20
_MAX_HINT: Final = 10
_AHEAD_MS: Final = 86_400_000
_BLANK = BoardQuote(symbol="A", price=0.0, received_at=0, provider="", seq=0)
_but_received_at = itemgetter(*(name for name in BoardQuote.model_fields if name not in {"received_at", "seq"}))


class ReplayProvider(Source):
    """A source of what stands in `path`: a file, the name of a series, or a folder; `speed` may be math.inf."""

    name = "replay"
    is_free = True
    is_recorded = True
    symbols_a_request = 1_000
    stream_places = None

    def __init__(self, path: Path | None, *, speed: float, loops: bool, clock: Clock) -> None:
        self._path = path
        self._speed = speed
        self._loops = loops
        self._clock = clock
        self._pool = BlockingPool("replay", 1)
        self._files: Sequence[Path] = ()
        self._symbols: frozenset[str] | None = None
        self._names: dict[str, str] = {}  # what stands in the file, and the symbol that it is
        self._unusable: SourceUnusable | None = None
        self._failed: ProviderError | None = None
        self._reached: dict[str, BoardQuote] = {}
        self._offsets: dict[str, int] = {}
        self._bad_rows = 0
        self._round = 1
        self._playing: asyncio.Task[None] | None = None
        self._stream: tuple[Wanted, StreamSink] | None = None

    def check_settings(self) -> None:
        """`SourceUnusable` where there is no recording to replay."""
        self._find()

    async def start(self) -> None:
        """Find out which symbols there are."""
        try:
            self._symbols = await self._pool.run(self._find)
        except SourceUnusable as error:
            self._unusable = error
            raise

    async def close(self) -> None:
        """End the replay."""
        self._pool.close()
        if self._playing is not None:
            self._playing.cancel()
            await asyncio.wait([self._playing])

    async def quotes(self, symbols: Sequence[str], errand: Errand = QUESTION) -> QuoteAnswer:
        """The last prices that the replay has come to; what it has not come to yet is put off, and no failure."""
        known = self._ready()
        if symbols:
            self._begin()
        return QuoteAnswer(
            quotes={symbol: self._reached[symbol] for symbol in symbols if symbol in self._reached},
            unknown=frozenset(symbol for symbol in symbols if symbol not in known),
            put_off={
                symbol: self._not_yet(symbol) for symbol in symbols if symbol in known and symbol not in self._reached
            },
        )

    async def stream(self, wanted: Wanted, sink: StreamSink) -> None:
        """Hand on what is replayed of what is wanted; it never ends by itself."""
        self._ready()
        self._stream = wanted, sink
        try:
            sink.opened()
            playing = self._begin()
            await asyncio.wait([playing])
            if self._failed is not None:
                raise self._failed
            await asyncio.Event().wait()
        finally:
            self._stream = None

    def _ready(self) -> frozenset[str]:
        """The symbols that it has; raises where it cannot be used, or has failed."""
        if self._failed is not None:
            raise self._failed
        if self._symbols is None:
            raise self._unusable or SourceUnusable("The source replay was not started.")
        return self._symbols

    def _find(self) -> frozenset[str]:
        if self._path is None:
            raise SourceUnusable("The source replay has nothing to replay: set replay_file to a recording.")
        try:
            self._files = files_of(self._path)
            return frozenset().union(*map(symbols_of, self._files))
        except RecordingError as error:
            raise SourceUnusable(f"The source replay cannot use replay_file: {error}") from None

    def _not_yet(self, symbol: str) -> ProviderError:
        return ProviderError(
            Reason.PROVIDER_BLOCKED,
            f"The source replay has not come to a price of {symbol} yet.",
            retry_after_ms=round(BEGIN_SECONDS * 1000),
        )

    # --- the replay ----------------------------------------------------------------------------------------------

    def _begin(self) -> asyncio.Task[None]:
        if self._playing is None:
            self._playing = asyncio.create_task(self._play(), name="replay")
        return self._playing

    async def _play(self) -> None:
        try:
            await self._clock.sleep(BEGIN_SECONDS)
            log.info("the replay begins", file=str(self._path), symbols=len(self._symbols or ()))
            while await self._play_once() and self._loops:
                self._round += 1
                log.info("the replay begins anew", round=self._round)
                await self._clock.sleep(PAUSE_SECONDS)
            log.info("the replay has ended; the last prices stay", file=str(self._path), rows_left_out=self._bad_rows)
        except RecordingError as error:
            self._failed = ProviderError(Reason.PROVIDER_ERROR, f"The source replay has broken off: {error}")
            log.error("the replay has broken off", why=str(error))  # noqa: TRY400 - it says all

    async def _play_once(self) -> int:
        """Replay all files, and return how many prices that were."""
        rows = self._rows()
        pace = _Pace(self._clock, self._speed)
        batch: dict[str, BoardQuote] = {}
        at, count = 0, 0
        while chunk := await self._pool.run(lambda: list(islice(rows, _ROWS_READ_AT_ONCE))):
            for row in chunk:
                # A hole takes its time because the row behind it is so much later.
                quote = self._quote_of(row) if isinstance(row, Price) else None
                if quote is None:
                    continue
                count += 1
                wait_seconds = pace.wait_seconds(quote.received_at)
                # A session is pushed a batch in the order of its own symbols: only what came at one time is one.
                if wait_seconds > 0 or quote.received_at != at or quote.symbol in batch or len(batch) >= _ROWS_AT_ONCE:
                    await self._publish(batch)
                    batch, at = {}, quote.received_at
                    await self._sleep(pace, wait_seconds)
                if self._round > 1:
                    quote = quote.model_copy(update={"received_at": self._clock.now_ms()})
                self._reached[quote.symbol] = batch[quote.symbol] = quote
        await self._publish(batch)
        return count

    async def _sleep(self, pace: "_Pace", seconds: float) -> None:
        while seconds > 0:  # a clock may wake a moment too early
            await self._clock.sleep(seconds)
            seconds = pace.left_seconds()

    async def _publish(self, batch: dict[str, BoardQuote]) -> None:
        """Hand a batch on, which has each symbol once, and let everybody take it."""
        if self._stream is not None and batch:
            wanted, sink = self._stream
            names = wanted()
            if quotes := [quote for symbol, quote in batch.items() if symbol in names]:
                sink.publish(quotes)
        for _ in range(_TURNS):
            await self._clock.sleep(0)

    def _rows(self) -> Iterator[Row]:
        for path in self._files:
            yield from rows_of(path, self._note_bad)

    def _note_bad(self, bad: Unreadable) -> None:
        self._leave_out(str(bad))

    def _leave_out(self, why: str) -> None:
        self._bad_rows += 1
        if self._bad_rows <= _MOST_TOLD:
            log.warning("a recorded row was left out", why=why)

    def _symbol(self, text: str) -> str | None:
        """The symbol that stands in a row, which somebody may have written by hand; None where it is none."""
        if text not in self._names:
            try:
                self._names[text] = normalise_symbol(text)
            except ValueError:
                return None
        return self._names[text]

    def _quote_of(self, price: Price) -> BoardQuote | None:
        """The price as it stood on the board it was recorded from; None where it is the one before once more."""
        fields = {**price.__dict__, "symbol": self._symbol(price.symbol)}
        for name in ServerMessage.model_fields:
            del fields[name]
        if fields["symbol"] is None:
            self._leave_out(f"{price.symbol!r} is no symbol.")
            return None
        hint = fields["price_hint"]
        fields["price_hint"] = ASSUMED_PRICE_HINT if hint is None else hint if hint <= _MAX_HINT else None
        if self._round > 1:
            fields |= {"timestamp": None, "extended_time": None}
        # Its values are valid since they were read as those of a PRICE; a copy takes half as long as a new quote.
        quote = _BLANK.model_copy(update=fields)
        if quote.received_at > self._clock.now_ms() + _AHEAD_MS:
            # The replay would wait for it until then.
            self._leave_out(f"{quote.symbol}: received_at = {quote.received_at} is to come.")
            return None
        before = self._reached.get(quote.symbol)
        last = before.seq if before is not None else 0
        seq = quote.seq + self._offsets.get(quote.symbol, 0)
        if seq <= last or not quote.seq:
            if before is not None and _but_received_at(before.__dict__) == _but_received_at(quote.__dict__):
                return None
            # A price that only went stale may have kept its number; a file without numbers has 0 everywhere.
            if seq < last or not quote.seq:
                self._offsets[quote.symbol] = last + 1 - quote.seq
                seq = last + 1
        return quote if seq == quote.seq else quote.model_copy(update={"seq": seq})


class _Pace:
    """When each row is due: as long after the first one as it was recorded, by the speed, and never before another."""

    def __init__(self, clock: Clock, speed: float) -> None:
        self._clock = clock
        self._speed = speed
        self._began = clock.monotonic()
        self._first_ms: int | None = None
        self._due = self._began
        self._rows = 0

    def wait_seconds(self, received_at: int) -> float:
        """How long the next row, which was recorded then, has to wait."""
        self._rows += 1
        if math.isinf(self._speed):
            self._due = self._began + self._rows / MAX_ROWS_A_SECOND
            left = self.left_seconds()
            return left if left >= _LEAST_SLEEP_SECONDS else 0.0
        if self._first_ms is None:
            self._first_ms = received_at
        self._due = max(self._due, self._began + (received_at - self._first_ms) / 1000 / self._speed)
        return self.left_seconds()

    def left_seconds(self) -> float:
        """How long it has to wait still."""
        return max(0.0, self._due - self._clock.monotonic())
