"""When India's exchanges are open, by the calendar that OpenAlgo keeps; what it said is remembered for some hours."""

import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import date, timedelta
from typing import Final

from stocktrack.clock import Clock
from stocktrack.errors import StockTrackError
from stocktrack.providers.openalgo.answers import india_date, trading_date
from stocktrack.providers.openalgo.symbols import Listing
from stocktrack.quotes import MarketState, TradingDay

# The longest that everything was closed in living memory is four days. An exchange without hours within a week is one
# that the calendar does not have.
_DAYS_AHEAD: Final = 7
_REMEMBERED_SECONDS: Final = 6 * 3_600.0
_FAILED_SECONDS: Final = 600.0

Timings = Mapping[str, TradingDay]


class Calendar:
    """The trading days of exchanges. `ask(day)` gets the hours of all that are open on a day."""

    def __init__(self, clock: Clock, ask: Callable[[date], Awaitable[Timings]]) -> None:
        self._clock = clock
        self._ask = ask
        self._told: dict[date, tuple[float, Timings]] = {}
        self._days: dict[str, TradingDay] = {}
        self._rests_until = 0.0

    async def learn(self, listings: Iterable[Listing]) -> None:
        """Know the state of the markets of `listings`, where that has to be asked for; no failure leaves here."""
        markets = {listing.market: listing for listing in listings if self.state_of(listing) is MarketState.UNKNOWN}
        now = self._clock.monotonic()
        if now < self._rests_until:
            return
        # Until it is known how this ends: nobody asks beside it, nor for a while after it failed or took too long.
        self._rests_until = now + _FAILED_SECONDS
        with contextlib.suppress(StockTrackError):
            for listing in markets.values():
                await self.day_of(listing)
            self._rests_until = 0.0

    async def day_of(self, listing: Listing) -> TradingDay | None:
        """The hours of the exchange today, or where they are over, of its next day; None where it has none."""
        now_ms = self._clock.now_ms()
        today = india_date(now_ms)
        self._told = {day: told for day, told in self._told.items() if day >= today}
        for ahead in range(_DAYS_AHEAD):
            day = (await self._timings(today + timedelta(days=ahead))).get(listing.market)
            if day is not None and day.closes_at > now_ms:
                self._days[listing.market] = day
                return day
        return None

    def state_of(self, listing: Listing) -> MarketState:
        """Where the market is in its day, as far as was asked: after a day it is closed until the next morning."""
        day, now_ms = self._days.get(listing.market), self._clock.now_ms()
        if day is None:
            return MarketState.UNKNOWN
        state = day.state_at(now_ms)
        is_night = state is MarketState.UNKNOWN and trading_date(now_ms) == trading_date(day.closes_at)
        return MarketState.CLOSED if is_night else state

    async def _timings(self, day: date) -> Timings:
        asked_at, timings = self._told.get(day, (0.0, None))
        now = self._clock.monotonic()
        if timings is None or now - asked_at > _REMEMBERED_SECONDS:
            timings = await self._ask(day)
            self._told[day] = (now, timings)
        return timings
