"""What the contracts stand on: a source with what may be expected of it, a place for its stream, and calls of it."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, TypeVar

import pytest

from stocktrack.bars import DAY_MS, BarInterval
from stocktrack.providers.base import (
    BarLimit,
    Capability,
    CompanySource,
    DividendSource,
    HistorySource,
    NewsSource,
    Provider,
    QuoteSource,
    SearchSource,
    StreamSource,
    SymbolNewsSource,
)
from stocktrack.quotes import Quote

Result = TypeVar("Result")
Source = TypeVar("Source")

# Nothing waits as long as this unless it hangs.
PATIENCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Subject:
    """A started provider, and what its tests may expect of its source."""

    provider: Provider
    known: Sequence[str] = ()
    """Symbols that have quotes: at least two. The first has a company, news and hours, where the source has those."""
    unknown: str = "NOSUCHSYMBOL"
    """A symbol that the source positively does not have."""
    not_offered: str = ""
    """A symbol that the source has and does not give, as for want of a paid plan."""
    pays_dividends: str = ""
    pays_no_dividends: str = ""
    bars_until: int = 0
    """Up to when the first of `known` has bars of every interval, epoch milliseconds; 0 for now."""
    has_extended_hours: bool = False
    """Whether the first of `known` is traded before or after the regular hours."""
    was_split: str = ""
    """A symbol whose shares were split once."""
    query: str = ""
    """A search that finds the first of `known`, and others too."""
    next_prices: Callable[[], Awaitable[object]] | None = None
    """Makes the source send new prices of all `known` symbols to an open stream."""
    remedy: str = ""
    """What the sentence of a source that cannot be used must name: the setting, such as `acme_api_key`."""
    secret: str = ""
    """What must not stand in any of its errors: the key."""


class Collected:
    """A `StreamSink` that keeps what it is given."""

    def __init__(self, note: Callable[[Sequence[Quote]], object] = lambda _: None) -> None:
        self.quotes: list[Quote] = []
        self.times_opened = 0
        self.trades = True
        self._note = note

    def opened(self) -> None:
        """Count it."""
        self.times_opened += 1

    def publish(self, quotes: Sequence[Quote]) -> None:
        """Keep the quotes."""
        self.quotes.extend(quotes)
        self._note(quotes)

    def is_trading(self) -> bool:
        """What `trades` says."""
        return self.trades

    async def demand_change(self) -> None:
        """It does not know when that is."""
        await asyncio.Event().wait()


class Contract:
    """What holds for a source, as a class of tests; they are coroutines, for pytest-asyncio in any mode."""

    pytestmark: ClassVar = pytest.mark.asyncio


def offered(subject: Subject, kind: type[Source]) -> Source:
    """The provider as a source of this kind."""
    assert isinstance(subject.provider, kind)
    return subject.provider


async def in_time(call: Awaitable[Result]) -> Result:
    """The result of a call that must not hang."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await call


def calls_of(subject: Subject) -> dict[Capability, Callable[[], Awaitable[object]]]:
    """One call of each capability that is asked of the source and answered by it.

    When a market is open is left out: a source may know that from what it answered before.
    """
    provider = subject.provider
    calls: dict[Capability, Callable[[], Awaitable[object]]] = {}
    if isinstance(provider, QuoteSource):
        calls[Capability.QUOTES] = partial(provider.quotes, subject.known)
    if isinstance(provider, NewsSource):
        calls[Capability.NEWS] = provider.news
    if isinstance(provider, SymbolNewsSource):
        calls[Capability.SYMBOL_NEWS] = partial(provider.symbol_news, subject.known[0])
    if isinstance(provider, CompanySource):
        calls[Capability.COMPANY] = partial(provider.company, subject.known[0])
    if isinstance(provider, DividendSource):
        calls[Capability.DIVIDENDS] = partial(provider.dividends, subject.known[0])
    if isinstance(provider, SearchSource):
        calls[Capability.SEARCH] = partial(provider.search, subject.query or subject.known[0], 10)
    if isinstance(provider, HistorySource):
        interval = next(iter(provider.bar_limits), BarInterval.DAY)
        stretch = stretch_of(provider, interval, subject)
        calls[Capability.HISTORY] = partial(provider.bars, subject.known[0], interval, *stretch, prepost=False)
    return calls


def stretch_of(source: HistorySource, interval: BarInterval, subject: Subject) -> tuple[int, int]:
    """A stretch of time that a source can be asked for bars of, from one moment until before the other."""
    limit = source.bar_limits.get(interval, BarLimit())
    days = 5 if interval.is_intraday else 12 * interval.length_ms // DAY_MS
    days = min(days, limit.days_a_request or days, limit.days_back or days)
    end = subject.bars_until or time.time_ns() // 1_000_000
    return end - days * DAY_MS, end


def stream_of(subject: Subject, sink: Collected) -> Callable[[], Awaitable[object]]:
    """A call of the source's stream of all known symbols."""
    return partial(offered(subject, StreamSource).stream, lambda: subject.known, sink)


def work_of(function: Callable[[], object]) -> int:
    """How many functions `function()` calls, those of C included: what it costs, whatever machine it runs on."""
    calls = 0

    def note(_frame: object, event: str, _: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(before)
    return calls
