"""The bars that are known of each symbol and interval, and of which stretches of time that is all of them.

What lies in the past is settled: it is asked for once, and kept while there is room. What may still change, today's
bars of an open market above all, is kept for a moment. Nothing here asks anybody.
"""

import asyncio
import bisect
import math
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from typing import Final, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from stocktrack.bars import Bar, BarInterval
from stocktrack.errors import ProviderError
from stocktrack.providers.base import SourceBars
from stocktrack.quotes import TradingDay

# Some 300 bytes each.
MAX_BARS: Final = 300_000
# What a shelf counts for that has fewer bars, or none: it is some 800 bytes itself, and whoever asks for symbols that
# nobody has makes one for each. All are counted at each question, ten thousand in a millisecond.
_LEAST_BARS_OF_A_SHELF: Final = 30

Span: TypeAlias = tuple[int, int]  # from one moment on until before the other, epoch milliseconds


class Key(NamedTuple):
    """What a shelf holds the bars of."""

    symbol: str
    interval: BarInterval
    prepost: bool


class Kept(NamedTuple):
    """A bar that is corrected for splits, whose it is, and the factor that corrects it for dividends too."""

    bar: Bar
    provider: str
    factor: float
    is_as_traded: bool


@dataclass(slots=True)
class Shelf:
    """The bars of one symbol in one interval. Whoever fetches holds `lock`."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    kept: list[Kept] = field(default_factory=list)
    settled: list[Span] = field(default_factory=list)  # in order, none touches another
    fresh: Span | None = None  # what is known as it was a moment ago
    fresh_until: float = -math.inf  # monotonic seconds
    zone_name: str | None = None
    currency: str | None = None
    day: TradingDay | None = None
    last_trade_at: int | None = None
    has_none_so_short: bool = False
    known_events: set[int] = field(default_factory=set)  # when there were splits and dividends that are counted in
    counted_until: int | None = None  # up to when all of them are counted in, as far as that was looked at
    failure: ProviderError | None = None
    failed_until: float = -math.inf

    @property
    def zone(self) -> tzinfo:
        """The exchange's time zone; UTC where it is not known."""
        return zone_of(self.zone_name)

    def missing(self, span: Span, now: float) -> list[Span]:
        """The stretches of `span` whose bars have to be asked for, in order."""
        known = [*self.settled, self.fresh] if self.fresh is not None and now < self.fresh_until else self.settled
        return list(_without(span, sorted(known)))

    def unsettle(self) -> None:
        """Ask for everything again; until then it is what is known."""
        self.settled, self.fresh, self.counted_until = [], None, None

    def between(self, start: int, end: int) -> Sequence[Kept]:
        """What is known of the bars that begin from `start` on and before `end`."""
        first, last = (bisect.bisect_left(self.kept, moment, key=lambda kept: kept.bar.time) for moment in (start, end))
        return self.kept[first:last]

    def put(self, span: Span, told: SourceBars, *, settled_until: int, fresh_seconds: float, monotonic: float) -> None:
        """Take what a source has told of `span` by now: until `settled_until` for good, the rest for `fresh_seconds`.

        For so long it is also taken for granted that nothing new has come.

        A split or a dividend that was not counted in so far changes all earlier bars: they are forgotten.
        """
        start, end = span
        events = {split.time for split in told.splits} | set(told.dividend_times)
        if self.kept and any(event not in self.known_events and event > self.kept[0].bar.time for event in events):
            # Where the bars before it were told after it, they are right; asking once more is the smaller evil.
            self.kept, self.settled, self.fresh = [], [], None
        self.known_events |= events
        factors = told.factors if told.factors is not None else [1.0] * len(told.bars)
        new = [
            Kept(bar, told.provider, factor, told.are_as_traded)
            if bar.provider is None
            else Kept(replace(bar, provider=None), bar.provider, factor, told.are_as_traded)
            for bar, factor in zip(told.bars, factors, strict=True)
        ]
        before, after = self.between(-(2**62), start), self.between(end, 2**62)
        self.kept = [*before, *new, *after]
        if start < settled_until:
            self.settled = _joined([*self.settled, (start, min(end, settled_until))])
        if fresh_seconds > 0:
            ends = end + int(fresh_seconds * 1000)
            self.fresh, self.fresh_until = (max(start, min(end, settled_until)), ends), monotonic + fresh_seconds
        self.zone_name, self.currency = told.zone or self.zone_name, told.currency or self.currency
        self.day, self.last_trade_at = told.day or self.day, told.last_trade_at or self.last_trade_at
        # An answer without a bar may come without a word on this.
        self.has_none_so_short = told.has_none_so_short or (self.has_none_so_short and not told.bars)
        self.failure = None


class Shelves:
    """The shelves, those unused for the longest forgotten first."""

    def __init__(self, max_bars: int = MAX_BARS) -> None:
        self._max_bars = max_bars
        self._shelves: OrderedDict[Key, Shelf] = OrderedDict()

    def at(self, key: Key) -> Shelf:
        """The shelf of `key`, empty where it is new."""
        shelf = self._shelves.get(key)
        if shelf is None:
            shelf = self._shelves[key] = Shelf()
        self._shelves.move_to_end(key)
        return shelf

    def tidy(self) -> None:
        """Forget what there is no room for; not the shelf that was used last, nor one that is being filled."""
        count = sum(_size_of(shelf) for shelf in self._shelves.values())
        if count <= self._max_bars:
            return
        *others, _ = self._shelves
        for key in others:
            shelf = self._shelves[key]
            if not shelf.lock.locked():
                del self._shelves[key]
                count -= _size_of(shelf)
                if count <= self._max_bars:
                    return


def _size_of(shelf: Shelf) -> int:
    return max(_LEAST_BARS_OF_A_SHELF, len(shelf.kept))


def zone_of(name: str | None) -> tzinfo:
    """The time zone of this name; UTC where there is none."""
    if name is None:
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # an unknown name, and malformed ones
        return UTC


def _without(span: Span, known: Sequence[Span]) -> Iterator[Span]:
    start, end = span
    for begins, ends in known:
        if begins > start and start < end:
            yield start, min(begins, end)
        start = max(start, ends)
    if start < end:
        yield start, end


def _joined(spans: Sequence[Span]) -> list[Span]:
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found
