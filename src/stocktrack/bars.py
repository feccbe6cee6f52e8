"""Past prices as bars: what opened, was highest, lowest and closed while a stretch of time went by, and how much.

A bar's time is where it begins, epoch milliseconds. Bars of minutes and hours begin at whole multiples of their length
from the exchange's midnight, those of a day at its opening or, where markets have none, at its midnight; those of a
week and a month begin with the first trading day in them, or at the midnight of the Monday, of the first.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Final, Literal

from pydantic import FiniteFloat

from stocktrack.quotes import MarketState

MINUTE_MS: Final = 60_000
DAY_MS: Final = 86_400_000


class BarInterval(StrEnum):
    """How long a bar is."""

    ONE_MINUTE = "1m"
    TWO_MINUTES = "2m"
    FIVE_MINUTES = "5m"
    QUARTER = "15m"
    HALF_HOUR = "30m"
    HOUR = "1h"
    DAY = "1d"
    WEEK = "1wk"
    MONTH = "1mo"

    @property
    def length_ms(self) -> int:
        """How long it is, a month at its longest."""
        return _LENGTHS_MS[self]

    @property
    def is_intraday(self) -> bool:
        """Whether a day has several such bars."""
        return self.length_ms < DAY_MS


class HistoryRange(StrEnum):
    """How far back from now; `DAY` and `FIVE_DAYS` are the market's days, not the calendar's."""

    DAY = "1d"
    FIVE_DAYS = "5d"
    MONTH = "1mo"
    SIX_MONTHS = "6mo"
    THIS_YEAR = "ytd"
    YEAR = "1y"
    FIVE_YEARS = "5y"
    ALL = "max"


class Adjust(StrEnum):
    """What prices of the past are corrected for, so that they compare with those of today."""

    NONE = "none"  # as they were traded
    SPLITS = "splits"
    ALL = "all"  # splits and dividends


_LENGTHS_MS: Final = {
    BarInterval.ONE_MINUTE: MINUTE_MS,
    BarInterval.TWO_MINUTES: 2 * MINUTE_MS,
    BarInterval.FIVE_MINUTES: 5 * MINUTE_MS,
    BarInterval.QUARTER: 15 * MINUTE_MS,
    BarInterval.HALF_HOUR: 30 * MINUTE_MS,
    BarInterval.HOUR: 60 * MINUTE_MS,
    BarInterval.DAY: DAY_MS,
    BarInterval.WEEK: 7 * DAY_MS,
    BarInterval.MONTH: 31 * DAY_MS,
}
# The bars that a range comes in where none are named: some hundreds of them, as charts have them.
DEFAULT_INTERVALS: Final = {
    HistoryRange.DAY: BarInterval.ONE_MINUTE,
    HistoryRange.FIVE_DAYS: BarInterval.QUARTER,
    HistoryRange.MONTH: BarInterval.DAY,
    HistoryRange.SIX_MONTHS: BarInterval.DAY,
    HistoryRange.THIS_YEAR: BarInterval.DAY,
    HistoryRange.YEAR: BarInterval.DAY,
    HistoryRange.FIVE_YEARS: BarInterval.WEEK,
    HistoryRange.ALL: BarInterval.MONTH,
}


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, in the currency of its symbol.

    `volume` is None where nobody counts it, as of a currency pair. `market_state` is `pre` or `post` outside of the
    regular hours, else None; `provider` whose bar it is where that is another one than of most; `live` is true while
    the bar still changes.
    """

    time: int
    open: FiniteFloat
    high: FiniteFloat
    low: FiniteFloat
    close: FiniteFloat
    volume: int | None = None
    market_state: MarketState | None = None
    provider: str | None = None
    live: Literal[True] | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """Shares that became others: from `time` on there are `ratio` of them for each one, 0.05 at 1 for 20."""

    time: int
    ratio: float


def joined(bars: Sequence[Bar], *, time: int) -> Bar:
    """One bar from `time` on of those of a stretch, which are at least one, in order."""
    volumes = [bar.volume for bar in bars if bar.volume is not None]
    return replace(
        bars[0],
        time=time,
        high=max(bar.high for bar in bars),
        low=min(bar.low for bar in bars),
        close=bars[-1].close,
        volume=sum(volumes) if volumes else None,
        live=bars[-1].live,
    )


def gathered(bars: Iterable[Bar], interval: BarInterval, zone: tzinfo) -> list[Bar]:
    """Bars of `interval` of shorter ones, which are in order; those of early, regular and late hours stay apart.

    A stretch without a bar has none afterwards. The longer ones begin as `start_of` says.
    """
    found: list[Bar] = []
    for (start, _), part in itertools.groupby(
        bars, lambda bar: (start_of(bar.time, interval, zone), bar.market_state if interval.is_intraday else None)
    ):
        together = [*part]
        # Where the early hours end within a bar, the regular ones begin where they do.
        is_second = bool(found) and found[-1].time >= start
        found.append(joined(together, time=together[0].time if is_second else start))
    return found


def start_of(time: int, interval: BarInterval, zone: tzinfo) -> int:
    """Where the bar of `interval` begins that `time` lies in, by the clock of `zone`.

    Bars of minutes and hours are counted from the midnight before, so that a day whose clocks change has no odd one.
    """
    moment = datetime.fromtimestamp(time / 1000, zone)
    if interval.is_intraday:
        midnight = midnight_ms(moment.date(), zone)
        return midnight + (time - midnight) // interval.length_ms * interval.length_ms
    return midnight_ms(first_day_of(moment.date(), interval), zone)


def first_day_of(day: date, interval: BarInterval) -> date:
    """The first day of what a bar of `interval` covers that `day` lies in: itself, its Monday, or the first."""
    match interval:
        case BarInterval.WEEK:
            return day - timedelta(days=day.weekday())
        case BarInterval.MONTH:
            return day.replace(day=1)
        case _:
            return day


def next_start(time: int, interval: BarInterval, zone: tzinfo) -> int:
    """Where the bar ends that begins at `time`, and the next one begins at the earliest."""
    if interval.is_intraday:
        return time + interval.length_ms
    day = first_day_of(datetime.fromtimestamp(time / 1000, zone).date(), interval)
    following = day + timedelta(days=_LENGTHS_MS[interval] // DAY_MS)
    return midnight_ms(first_day_of(following, interval), zone)


def midnight_ms(day: date, zone: tzinfo) -> int:
    """When `day` begins in `zone`, epoch milliseconds."""
    return round(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() * 1000)


def day_of(time: int, zone: tzinfo) -> date:
    """The day of `zone` that `time` lies in."""
    return datetime.fromtimestamp(time / 1000, zone).date()
