"""Keeps what this server saw as 1-minute bars: takes prices off the board, has bars written in batches, reads them.

On the path of a price it is only noted. What the database does never holds a price up: while it fails the bars wait,
so many at most, and the oldest go first.
"""

from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final, Protocol

import structlog

from stocktrack.bars import MINUTE_MS, Bar
from stocktrack.clock import Clock
from stocktrack.errors import StockTrackError
from stocktrack.market.board import Entry
from stocktrack.market.minutes import Minutes
from stocktrack.messages import BoardQuote
from stocktrack.providers.base import Provider, QuoteSource
from stocktrack.quotes import MarketState
from stocktrack.storage.bars import MinuteBar

log = structlog.get_logger()

# How long after its end a minute is written: the price that ended it may come by the next poll.
GRACE_SECONDS: Final = 10.0
MAX_WAITING: Final = 100_000  # bars of 500 symbols over three hours, some twenty megabytes
_AT_ONCE: Final = 2_000  # bars of one transaction: what a user changes meanwhile waits for it

_MOST_NOTED: Final = 512  # prices that are looked at together: a third of a millisecond
_DAY_MINUTES: Final = 1_440
_PRUNE_EVERY_MINUTES: Final = 60
_INVENTED: Final = frozenset({"simulated", "replay"})
_MOST_DELETIONS: Final = 500  # steps in a row, between two writes


class KeepsBars(Protocol):
    """Where the bars are kept; each of its methods raises `StorageError` where it fails."""

    async def open(self) -> None:
        """Get ready, where it is not yet."""
        ...

    async def add(self, bars: Sequence[MinuteBar]) -> None:
        """Write bars in one transaction; a minute that is there already becomes one of both."""
        ...

    async def read(self, symbol: str, first: int, end: int) -> Sequence[MinuteBar]:
        """The bars of `symbol` from the minute `first` on and before `end`, in order."""
        ...

    async def delete_before(self, minute: int) -> int:
        """Delete some of the bars before `minute`, the oldest first; how many they were, 0 where none is left."""
        ...


@dataclass(slots=True)
class Counts:
    """What became of the bars since the start."""

    written: int = 0
    dropped: int = 0
    deleted: int = 0
    failures: int = 0


def invented_by(providers: Sequence[Provider]) -> frozenset[str] | None:
    """The names that quotes have whose prices are not recorded; None where none of `providers` has others.

    Those of sources that invent prices or read what was kept: the past of a real symbol may hold none of theirs. Who
    publishes what is invented elsewhere may say so by the same names.
    """
    sources = [provider for provider in providers if isinstance(provider, QuoteSource)]
    if all(provider.is_free for provider in sources):
        return None
    return _INVENTED | {provider.name for provider in sources if provider.is_free}


class RecordedBars:
    """The bars of one board, whose `Tap` it is, and the `OwnBars` of HISTORY. Supervise `run`, then `close`.

    Quotes that another board had before, be it a feed's or a recorded one, are not recorded here, but for those of
    symbols that `is_published` says others publish; and neither are those of the providers `invented`. `is_watched`
    tells whether somebody watches a symbol. Bars that are `retention_days` older than the newest are deleted.
    """

    def __init__(
        self,
        kept: KeepsBars,
        clock: Clock,
        *,
        retention_days: int,
        is_watched: Callable[[str], bool],
        invented: Collection[str] = (),
        is_published: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self.counts = Counts()
        self.retention_days = retention_days
        self._kept = kept
        self._clock = clock
        self._is_watched = is_watched
        self._is_published = is_published
        self._minutes = Minutes(invented)
        self._noted: list[BoardQuote] = []
        self._waiting: deque[MinuteBar] = deque()
        self._newest = 0  # the newest minute that was written
        self._pruned_at = 0
        self._is_failing = False
        self._dropped_before = 0

    @property
    def waiting(self) -> int:
        """How many bars wait to be written."""
        return len(self._waiting)

    def take(self, changed: Sequence[Entry], renewed: Sequence[Entry]) -> None:
        """Note the prices of a batch of the board; what was only confirmed is no trade."""
        noted = self._noted
        for entry in changed:
            if entry.quote is not None and (entry.relayed is None or self._is_published(entry.symbol)):
                noted.append(entry.quote)
        if len(noted) >= _MOST_NOTED:
            self._look()

    async def minutes(self, symbol: str, start: int, end: int) -> Sequence[Bar]:
        """The bars of `symbol` from `start` on and before `end`: those that are written, and those of the last minutes.

        Where the database cannot be read they are the last ones; the log says so.
        """
        self._look()
        first, stop = -(-start // MINUTE_MS), -(-end // MINUTE_MS)
        # Before the database is asked: what is written meanwhile would be in neither.
        recent = [bar for bar in chain(self._waiting, self._minutes.of(symbol)) if bar.symbol == symbol]
        found: dict[int, MinuteBar] = {}
        try:
            found = {bar.minute: bar for bar in await self._kept.read(symbol, first, stop)}
        except StockTrackError as error:
            self._failed("reading", error)
        for bar in recent:
            if first <= bar.minute < stop:
                found[bar.minute] = _one_of_both(found.get(bar.minute), bar)
        return [_as_bar(found[minute]) for minute in sorted(found)]

    async def run(self) -> None:
        """Write what is finished, a while after each full minute, and delete what is too old; it never ends."""
        try:
            await self._kept.open()
        except StockTrackError as error:
            self._failed("opening", error)
        while True:
            into_minute = self._clock.now_ms() % MINUTE_MS / 1000
            seconds = GRACE_SECONDS - into_minute
            await self._clock.sleep(seconds if seconds > 0 else seconds + MINUTE_MS / 1000)
            await self.write(self._clock.now_ms() // MINUTE_MS)
            self._minutes.forget(self._is_watched)
            if not self._is_failing:
                await self._prune()

    async def close(self) -> None:
        """Write all that there is, the running minutes too; `run` has ended by now."""
        await self.write(None)

    async def write(self, before: int | None) -> None:
        """Write the bars of the minutes before `before`, or all; what cannot be written waits for the next time."""
        self._look()
        self._waiting.extend(self._minutes.take_finished(before))
        self._drop_oldest()
        while self._waiting:
            batch = list(islice(self._waiting, _AT_ONCE))
            try:
                await self._kept.add(batch)
            except StockTrackError as error:
                self._failed("writing", error)
                return
            for _ in batch:
                self._waiting.popleft()
            self._newest = max(self._newest, batch[-1].minute)
            self.counts.written += len(batch)
            self._works()

    def _look(self) -> None:
        noted, self._noted = self._noted, []
        self._minutes.add(noted)

    def _drop_oldest(self) -> None:
        over = len(self._waiting) - MAX_WAITING
        if over <= 0:
            return
        if self.counts.dropped == self._dropped_before:
            log.error("bars are lost: as many wait as may, and the oldest go first", waiting=MAX_WAITING)
        for _ in range(over):
            self._waiting.popleft()
        self.counts.dropped += over

    async def _prune(self) -> None:
        """Delete what is too old, in small steps; counted from the newest bar, so that no wrong clock deletes all."""
        if self._newest < self._pruned_at + _PRUNE_EVERY_MINUTES:
            return
        for _ in range(_MOST_DELETIONS):
            try:
                deleted = await self._kept.delete_before(self._newest - self.retention_days * _DAY_MINUTES)
            except StockTrackError as error:
                self._failed("deleting", error)
                return
            self.counts.deleted += deleted
            if not deleted:
                self._pruned_at = self._newest
                return

    def _failed(self, what: str, error: StockTrackError) -> None:
        self.counts.failures += 1
        if not self._is_failing:
            self._is_failing = True
            self._dropped_before = self.counts.dropped
            log.warning("bars cannot be kept; prices go on, and it is tried again", failed=what, why=str(error))

    def _works(self) -> None:
        if self._is_failing:
            self._is_failing = False
            log.info("bars are kept again", lost=self.counts.dropped - self._dropped_before)
            self._dropped_before = self.counts.dropped


def _one_of_both(kept: MinuteBar | None, recent: MinuteBar) -> MinuteBar:
    """What the database makes of a minute that it has, and what is written of the same one."""
    if kept is None:
        return recent
    volumes = [bar.volume for bar in (kept, recent) if bar.volume is not None]
    return recent._replace(
        open=kept.open,
        high=max(kept.high, recent.high),
        low=min(kept.low, recent.low),
        volume=max(volumes, default=None),
    )


def _as_bar(bar: MinuteBar) -> Bar:
    return Bar(
        time=bar.minute * MINUTE_MS,
        open=bar.open,
        high=bar.high,
        low=bar.low,
        close=bar.close,
        volume=bar.volume,
        market_state=None if bar.market_state is None else MarketState(bar.market_state),
    )
