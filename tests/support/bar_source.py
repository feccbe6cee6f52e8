"""A source with bars of an exchange of New York whose past is known by rule, so that a test can say what must come."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from fakes import ScriptedProvider
from stocktrack.bars import Bar, BarInterval, Split, gathered
from stocktrack.clock import ManualClock
from stocktrack.providers.base import BarLimit, Capability, SourceBars
from stocktrack.quotes import TradingDay

ZONE = ZoneInfo("America/New_York")
MINUTES_BACK, HOURS_BACK = 30, 60


def opens_at(day: date) -> int:
    """When the exchange opens on a day, epoch milliseconds."""
    return round(datetime.combine(day, time(9, 30), ZONE).timestamp() * 1000)


def closes_at(day: date) -> int:
    """When it closes."""
    return round(datetime.combine(day, time(16, 0), ZONE).timestamp() * 1000)


class BarProvider(ScriptedProvider):
    """Everything that a scripted source has, and bars: of each working day since `listed_on`, but `holidays`.

    The price rises by 1 a day. Minutes come every five minutes, so that there are not too many.
    """

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.quoted = {"exchange": "NasdaqGS", "name": "Apple Inc.", "price_hint": 2, "previous_close": 99.0}
        self.listed_on = date(2022, 1, 3)
        self.holidays = {date(2024, 3, 29)}
        self.has_volume = True
        self.bar_requests: list[tuple[str, BarInterval, int, int]] = []

    @property
    def bar_limits(self) -> Mapping[BarInterval, BarLimit]:
        return {
            interval: BarLimit(
                days_back=MINUTES_BACK
                if interval is BarInterval.ONE_MINUTE
                else HOURS_BACK
                if interval.is_intraday
                else None
            )
            for interval in BarInterval
        }

    async def bars(
        self, symbol: str, interval: BarInterval, start: int, end: int, *, prepost: bool
    ) -> SourceBars | None:
        self.bar_requests.append((symbol, interval, start, end))
        await self._play(Capability.HISTORY)
        if symbol not in self.prices:
            return None
        now = self._clock.now_ms()
        days = [day for day in self.days(start, end) if opens_at(day) <= now]
        if interval.is_intraday:
            fives = [bar for day in days for bar in self._fives(day) if bar.time <= now]
            bars = fives if interval is BarInterval.ONE_MINUTE else gathered(fives, interval, ZONE)
        else:
            bars = gathered([self._daily(day) for day in days], interval, ZONE)
            if interval is BarInterval.DAY:
                bars = [self._daily(day) for day in days]
        today = datetime.fromtimestamp(now / 1000, ZONE).date()
        return SourceBars(
            provider=self.name,
            bars=[bar for bar in bars if start <= bar.time < end],
            zone="America/New_York",
            currency="USD",
            day=TradingDay(opens_at=opens_at(today), closes_at=closes_at(today)),
            last_trade_at=now,
        )

    async def splits(self, symbol: str) -> Sequence[Split] | None:
        return ()

    async def trading_day(self, symbol: str) -> TradingDay | None:
        today = datetime.fromtimestamp(self._clock.now_ms() / 1000, ZONE).date()
        return TradingDay(opens_at=opens_at(today), closes_at=closes_at(today))

    def days(self, start: int, end: int) -> list[date]:
        """The days of trading that begin in a stretch."""
        day = max(self.listed_on, datetime.fromtimestamp(max(start, 0) / 1000, UTC).date() - timedelta(days=1))
        found = []
        while opens_at(day) < end:
            if day.weekday() < 5 and day not in self.holidays and day >= self.listed_on:
                found.append(day)
            day += timedelta(days=1)
        return found

    def _daily(self, day: date) -> Bar:
        price = self.price_of(day)
        return Bar(opens_at(day), price, price + 2, price - 2, price + 1, 1_000 if self.has_volume else None)

    def _fives(self, day: date) -> list[Bar]:
        price = self.price_of(day)
        volume = 10 if self.has_volume else None
        return [
            Bar(moment, price, price + 0.5, price - 0.5, price + 0.25, volume)
            for moment in range(opens_at(day), closes_at(day), 300_000)
        ]

    def price_of(self, day: date) -> float:
        """What a day opens at."""
        return 100.0 + (day - self.listed_on).days


def utc_midnight(day: date) -> int:
    """UDF's time of the bar of a day, seconds."""
    return round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
