"""A source with past prices of New York, whose questions a test can see, hold up and refuse."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

from fakes import ScriptedProvider
from stocktrack.bars import MINUTE_MS, Bar, BarInterval, Split, day_of, gathered, midnight_ms
from stocktrack.clock import ManualClock
from stocktrack.providers.base import BarLimit, Capability, SourceBars
from stocktrack.quotes import MarketState, TradingDay

ZONE = ZoneInfo("America/New_York")
HOUR_MS = 60 * MINUTE_MS
EARLY, OPENS, CLOSES, LATE = 4 * HOUR_MS, 9 * HOUR_MS + HOUR_MS // 2, 16 * HOUR_MS, 20 * HOUR_MS
# Friday, 5 April 2024, 11:45 in New York; the Saturday after it.
FRIDAY_MS = 1_712_331_900_000
SATURDAY_MS = FRIDAY_MS + 86_400_000


class PastPrices(ScriptedProvider):
    """The prices of each weekday swing around the present one; the last bar closes at it.

    `asked` has what was asked for. Symbols in `priced_daily` have no shorter bars than of a day, those in `unsold` no
    volume, those in `without_past` none at all; intervals in `held` are not answered before their event is set.
    """

    def __init__(self, clock: ManualClock, *, name: str = "scripted") -> None:
        super().__init__(clock, name=name)
        self.asked: list[tuple[str, str, bool]] = []
        self.priced_daily: set[str] = set()
        self.unsold: set[str] = set()
        self.without_past: set[str] = set()
        self.held: dict[str, asyncio.Event] = {}
        self.minutes_back: int | None = None

    @property
    def bar_limits(self) -> Mapping[BarInterval, BarLimit]:
        """As many as one likes, of short bars those of the last `minutes_back` days."""
        return {each: BarLimit(days_back=self.minutes_back if each.is_intraday else None) for each in BarInterval}

    async def bars(
        self, symbol: str, interval: BarInterval, start: int, end: int, *, prepost: bool
    ) -> SourceBars | None:
        """The bars of the weekdays, up to now."""
        self.asked.append((symbol, str(interval), prepost))
        if (event := self.held.get(str(interval))) is not None:
            await event.wait()
        await self._play(Capability.HISTORY)
        if symbol not in self.prices:
            return None
        now = self._clock.now_ms()
        is_daily = symbol in self.priced_daily and interval.is_intraday
        minutes = [] if is_daily or symbol in self.without_past else self._steps(symbol, interval, start, min(end, now))
        if not (prepost and interval.is_intraday):
            minutes = [bar for bar in minutes if bar.market_state is None]
        bars = [bar for bar in gathered(minutes, interval, ZONE) if start <= bar.time < end]
        today = midnight_ms(day_of(now, ZONE), ZONE)
        return SourceBars(
            provider=self.name,
            bars=bars,
            zone="America/New_York",
            currency="USD",
            day=TradingDay(opens_at=today + OPENS, closes_at=today + CLOSES),
            has_none_so_short=is_daily,
        )

    async def splits(self, symbol: str) -> Sequence[Split] | None:
        """There never were any."""
        return ()

    def _steps(self, symbol: str, interval: BarInterval, start: int, end: int) -> list[Bar]:
        """Short bars that longer ones are made of: of a minute, or of a quarter of an hour where they are of days."""
        length = MINUTE_MS if interval.is_intraday else 15 * MINUTE_MS
        price, volume = self.prices[symbol], None if symbol in self.unsold else 1_000
        found: list[Bar] = []
        day = day_of(start, ZONE)
        while (midnight := midnight_ms(day, ZONE)) < end:
            if day.weekday() < 5:
                for time in range(midnight + EARLY, min(midnight + LATE, end), length):
                    state = self._state_at(time - midnight)
                    level = price * (1 + 0.02 * math.sin(time / (40 * MINUTE_MS)) * (end - time) / (end - start))
                    found.append(Bar(time, level, level * 1.001, level * 0.999, level, volume, state))
            day += timedelta(days=1)
        if found:
            last = found[-1]
            found[-1] = replace(last, high=max(last.high, price), low=min(last.low, price), close=price)
        return found

    @staticmethod
    def _state_at(since_midnight: int) -> MarketState | None:
        if since_midnight < OPENS:
            return MarketState.PRE
        return MarketState.POST if since_midnight >= CLOSES else None
