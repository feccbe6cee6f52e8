"""When the markets of quotes are open: each exchange's day, asked of the sources once, and what follows from it.

A day tells what a quote alone cannot: that the market of a price whose state was "closed" an hour ago has opened since.
Beyond that day the quote itself is believed.
"""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Protocol

from stocktrack.clock import Clock
from stocktrack.errors import StockTrackError
from stocktrack.market.routes import Routes
from stocktrack.providers.base import HoursSource
from stocktrack.quotes import MarketState, Quote, TradingDay

# When an exchange is asked about again, other than after its day: where the source tells no hours, where it failed, and
# where it told a day that is over, as it may tell Friday on a Sunday.
NO_HOURS_SECONDS, FAILED_SECONDS, PAST_DAY_SECONDS = 86_400.0, 600.0, 3_600.0
# Without a state and without a day, a market where nobody traded for so long is taken for closed.
QUIET_MS = 1_800_000
# A source is late in saying that a market has opened; what it says later than this is meant, as on a holiday.
LATE_STATE_MS = 300_000
_MOST_EXCHANGES = 1_000
_QUESTIONS_AT_ONCE = 2


class Listed(Protocol):
    """What has a symbol, and an exchange where that is known: a quote, or a company."""

    @property
    def symbol(self) -> str:
        """The symbol, which stands for its exchange where that is not known."""
        ...

    @property
    def exchange(self) -> str | None:
        """The exchange, as its source calls it."""
        ...


@dataclass(frozen=True, slots=True)
class _Known:
    """What a source said of an exchange, and when (`monotonic`) it is asked again."""

    day: TradingDay | None
    ask_again_at: float


class Hours:
    """The trading days of exchanges. `learn` asks for one that is not known; all else is memory."""

    def __init__(self, routes: Routes, clock: Clock) -> None:
        self._routes = routes
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._places = asyncio.Semaphore(_QUESTIONS_AT_ONCE)

    async def close(self) -> None:
        """Cancel what is in flight."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def day_of(self, listed: Listed) -> TradingDay | None:
        """The last day that is known of the market of `listed`; it may be over."""
        known = self._known.get(_exchange(listed))
        return known.day if known is not None else None

    async def learn(self, listed: Listed) -> None:
        """Know the day of the market of `listed` afterwards, where it can be had; no failure of a source leaves here.

        It is not asked for again before its time. To stop waiting stops no question.
        """
        exchange = _exchange(listed)
        known = self._known.get(exchange)
        if known is not None and self._clock.monotonic() < known.ask_again_at:
            return
        task = self._asking.get(exchange)
        if task is None:
            task = asyncio.create_task(self._ask(exchange, listed.symbol), name=f"hours of {exchange}")
            self._asking[exchange] = task
        await asyncio.shield(task)

    def is_resting(self, quote: Quote, now_ms: int) -> bool:
        """Whether the market of `quote` is closed now for all that is known; it is not before and after hours.

        By its day, unless the quote knows better: it was traded a moment ago, or was called closed well after the
        opening. Outside of the day by the quote's state, and where that is not known by the age of its last trade.
        """
        day = self.day_of(quote)
        state = MarketState.UNKNOWN if day is None else day.state_at(now_ms)
        is_called_closed = quote.market_state is MarketState.CLOSED
        quiet_ms = None if quote.timestamp is None else now_ms - quote.timestamp
        if day is not None and (began := _beginnings(day).get(state)) is not None:
            return is_called_closed and quote.received_at >= began + LATE_STATE_MS
        if is_called_closed:
            return True
        if state is MarketState.CLOSED:
            return quiet_ms is None or quiet_ms > QUIET_MS
        return quote.market_state is MarketState.UNKNOWN and quiet_ms is not None and quiet_ms > QUIET_MS

    async def _ask(self, exchange: str, symbol: str) -> None:
        try:
            async with self._places:
                await self._remember(exchange, symbol)
        finally:
            del self._asking[exchange]

    async def _remember(self, exchange: str, symbol: str) -> None:
        before = self._known.pop(exchange, None)
        day, seconds = before.day if before is not None else None, FAILED_SECONDS
        with contextlib.suppress(StockTrackError):
            day = await self._routes.first_answer_of(HoursSource, symbol, lambda source, name: source.trading_day(name))
            seconds = NO_HOURS_SECONDS if day is None else self._seconds_left(day)
        self._known[exchange] = _Known(day, self._clock.monotonic() + seconds)
        while len(self._known) > _MOST_EXCHANGES:
            del self._known[next(iter(self._known))]

    def _seconds_left(self, day: TradingDay) -> float:
        left_ms = day.ends_at - self._clock.now_ms()
        return left_ms / 1000 if left_ms > 0 else PAST_DAY_SECONDS


def _exchange(listed: Listed) -> str:
    return listed.exchange or listed.symbol


def _beginnings(day: TradingDay) -> dict[MarketState, int]:
    """When each part of the day began in which somebody trades."""
    return {MarketState.PRE: day.begins_at, MarketState.OPEN: day.opens_at, MarketState.POST: day.closes_at}
