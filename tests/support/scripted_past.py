"""A source of bars that are written down: it tells what of them lies in the stretch that it is asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from stocktrack.bars import DAY_MS, Bar, BarInterval, Split, gathered
from stocktrack.errors import StockTrackError
from stocktrack.providers.base import BarLimit, SourceBars
from stocktrack.quotes import MarketState, TradingDay

ZONE = ZoneInfo("America/New_York")
LIMITS = {
    interval: BarLimit(days_back=30, days_a_request=7)
    if interval is BarInterval.ONE_MINUTE
    else BarLimit(days_back=60)
    if interval.is_intraday
    else BarLimit()
    for interval in BarInterval
}


def at(text: str, zone: ZoneInfo = ZONE) -> int:
    """A moment by the exchange's clock, such as `2024-04-05 09:30`, in epoch milliseconds."""
    return round(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


def a_bar(time: int, price: float = 100.0, *, volume: int | None = 1_000, state: MarketState | None = None) -> Bar:
    """A bar that opens at a price and closes a tenth above it."""
    return Bar(time, price, price + 0.2, price - 0.1, price + 0.1, volume, market_state=state)


def hours_of(day: date | str) -> TradingDay:
    """The hours of New York on a day."""
    return TradingDay(
        pre_starts_at=at(f"{day} 04:00"),
        opens_at=at(f"{day} 09:30"),
        closes_at=at(f"{day} 16:00"),
        post_ends_at=at(f"{day} 20:00"),
    )


def daily(*days: str, price: float = 100.0) -> list[Bar]:
    """A bar for each day, a dollar above the one before."""
    return [a_bar(at(f"{day} 09:30"), price + number) for number, day in enumerate(days)]


def minutes(day: str, *, start: str = "09:30", count: int = 390, price: float = 100.0) -> list[Bar]:
    """The minutes of a session, or a part of it, marked as early or late by the hours of New York."""
    begins, hours = at(f"{day} {start}"), hours_of(day)
    bars = []
    for number in range(count):
        time = begins + number * 60_000
        state = hours.state_at(time)
        bars.append(a_bar(time, price + number / 100, state=None if state is MarketState.OPEN else state))
    return bars


@dataclass
class ScriptedPast:
    """The bars of each symbol; `asked` notes what it was asked for, and `failure` is raised while it is set."""

    name: str = "scripted"
    days: dict[str, list[Bar]] = field(default_factory=dict)
    intraday: dict[str, list[Bar]] = field(default_factory=dict)
    all_splits: dict[str, list[Split]] = field(default_factory=dict)
    dividend_times: dict[str, list[int]] = field(default_factory=dict)
    factors: dict[int, float] = field(default_factory=dict)  # by the time of a bar
    hours: TradingDay | None = None
    limits: Mapping[BarInterval, BarLimit] = field(default_factory=lambda: LIMITS)
    has_none_so_short: bool = False
    last_trade_at: int | None = None
    currency: str = "USD"
    failure: StockTrackError | None = None
    asked: list[tuple[str, BarInterval, int, int]] = field(default_factory=list)

    def tell(self, symbol: str, interval: BarInterval, start: int, end: int, *, prepost: bool) -> SourceBars | None:
        """The bars as `HistorySource.bars` tells them."""
        self.asked.append((symbol, interval, start, end))
        if self.failure is not None:
            raise self.failure
        if symbol not in self.days and symbol not in self.intraday:
            return None
        known = (self.intraday if interval.is_intraday else self.days).get(symbol, [])
        if not prepost:
            known = [bar for bar in known if bar.market_state is None]
        bars = known if interval in {BarInterval.ONE_MINUTE, BarInterval.DAY} else gathered(known, interval, ZONE)
        bars = [replace(bar) for bar in bars if start <= bar.time < end]
        inside = range(start, end)
        return SourceBars(
            provider=self.name,
            bars=bars,
            zone="America/New_York",
            currency=self.currency,
            factors=[self.factors.get(bar.time, 1.0) for bar in bars],
            splits=[split for split in self.all_splits.get(symbol, []) if split.time in inside],
            dividend_times=[time for time in self.dividend_times.get(symbol, []) if time in inside],
            day=self.hours,
            last_trade_at=self.last_trade_at,
            has_none_so_short=self.has_none_so_short and interval.is_intraday,
        )

    def requests(self, interval: BarInterval) -> list[tuple[int, int]]:
        """The stretches of bars of an interval that it was asked for."""
        return [(start, end) for _, kind, start, end in self.asked if kind is interval]


def day_starts(symbol_days: Sequence[Bar]) -> list[str]:
    """The days of bars, by the exchange's clock."""
    return [datetime.fromtimestamp(bar.time / 1000, ZONE).date().isoformat() for bar in symbol_days]


def days_apart(start: int, end: int) -> float:
    """How many days lie between two moments."""
    return (end - start) / DAY_MS
