"""Made-up charts of the past for the small Yahoo: a share whose days, minutes, splits and dividends fit each other.

Prices are written as Yahoo has them, rounded to float32.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from stocktrack.bars import BarInterval, first_day_of

Fields = dict[str, Any]
Row = tuple[int, float | None, float | None, float | None, float | None, int | None]

ZONE = ZoneInfo("America/New_York")
OPENING, CLOSING, EARLY, LATE = time(9, 30), time(16, 0), time(4, 0), time(20, 0)
VALID_RANGES = ["1d", "5d", "1mo", "3mo", "6mo", "1y", "2y", "5y", "10y", "ytd", "max"]
_STEPS = {"1m": 60, "2m": 120, "5m": 300, "15m": 900, "30m": 1800, "1h": 3600}


def single(value: float | None) -> float | None:
    """`value` as a float32 has it."""
    return None if value is None else float(struct.unpack("<f", struct.pack("<f", value))[0])


def at(day: date, clock: time, zone: ZoneInfo = ZONE) -> int:
    """The epoch seconds of a time of the exchange."""
    return round(datetime.combine(day, clock, zone).timestamp())


def trading_days(last: date, count: int) -> list[date]:
    """So many weekdays up to `last`, in order."""
    days: list[date] = []
    while len(days) < count:
        if last.weekday() < 5:
            days.append(last)
        last -= timedelta(days=1)
    return days[::-1]


def period(start: int, end: int) -> Fields:
    """A part of a trading day."""
    return {"timezone": "EST", "start": start, "end": end, "gmtoffset": -18_000}


def periods_of(day: date, zone: ZoneInfo = ZONE) -> Fields:
    """A chart's `currentTradingPeriod`."""
    early, opening, closing, late = (at(day, clock, zone) for clock in (EARLY, OPENING, CLOSING, LATE))
    return {"pre": period(early, opening), "regular": period(opening, closing), "post": period(closing, late)}


def past(
    rows: Sequence[Row],
    *,
    adjusted: Sequence[float | None] | None = None,
    splits: Mapping[int, tuple[int, int]] | None = None,
    dividends: Mapping[int, float] | None = None,
    today: date = date(2024, 4, 5),
    **meta: Any,
) -> Fields:
    """The one result of a chart answer with these rows: time in seconds, open, high, low, close, volume."""
    head = {
        "symbol": "ACME",
        "currency": "USD",
        "instrumentType": "EQUITY",
        "exchangeTimezoneName": "America/New_York",
        "gmtoffset": -14_400,
        "regularMarketTime": at(today, time(16, 0)) + 1,
        "regularMarketPrice": 101.5,
        "priceHint": 2,
        "validRanges": VALID_RANGES,
        "currentTradingPeriod": periods_of(today),
        **meta,
    }
    names = ("open", "high", "low", "close")
    columns = {name: [single(row[number]) for row in rows] for number, name in enumerate(names, 1)}
    result: Fields = {
        "meta": {name: value for name, value in head.items() if value is not None},
        "timestamp": [row[0] for row in rows],
        "indicators": {"quote": [{**columns, "volume": [row[5] for row in rows]}]},
    }
    if adjusted is not None:
        result["indicators"]["adjclose"] = [{"adjclose": [single(value) for value in adjusted]}]
    events: Fields = {}
    if splits:
        events["splits"] = {
            str(moment): {"date": moment, "numerator": into, "denominator": of, "splitRatio": f"{into}:{of}"}
            for moment, (into, of) in splits.items()
        }
    if dividends:
        events["dividends"] = {str(moment): {"date": moment, "amount": amount} for moment, amount in dividends.items()}
    if events:
        result["events"] = events
    return result


def flat(moment: int, price: float, volume: int | None = 100) -> Row:
    """A row whose four prices are near one another."""
    return (moment, price, price + 0.5, price - 0.5, price + 0.25, volume)


def charts_of_a_share(
    today: date = date(2024, 4, 5),
    *,
    days: int = 520,
    splits: Mapping[int, tuple[int, int]] | None = None,
    dividends: Mapping[int, float] | None = None,
) -> dict[str, Fields]:
    """A share's charts by interval: days and longer up to `today`, and its last days in minutes, early and late too."""
    every = trading_days(today, days)
    daily = [flat(at(day, OPENING), 100 + number % 50, 1_000 + number) for number, day in enumerate(every)]
    paid = dividends or {}
    adjusted = []
    for row in daily:
        factor = 1.0
        for moment, amount in paid.items():
            if row[0] < moment:
                factor *= 1 - amount / 100
        assert row[4] is not None
        adjusted.append(row[4] * factor)
    told: Fields = {"splits": splits, "dividends": dividends, "today": today}
    found = {"1d": past(daily, adjusted=adjusted, dataGranularity="1d", **told)}
    for interval in (BarInterval.WEEK, BarInterval.MONTH):
        begins = sorted({first_day_of(day, interval) for day in every})
        rows = [flat(at(day, time(0)), 100 + number % 50, 5_000 + number) for number, day in enumerate(begins)]
        found[str(interval)] = past(rows, adjusted=[row[4] for row in rows], dataGranularity=str(interval), **told)
    for name_of_interval, step in _STEPS.items():
        rows = [row for day in every[-10:] for row in _of_the_day(day, step)]
        periods = {name: [[periods_of(day)[name]] for day in every[-10:]] for name in ("pre", "regular", "post")}
        found[name_of_interval] = past(rows, today=today, dataGranularity=name_of_interval, tradingPeriods=periods)
    return found


def _of_the_day(day: date, step: int) -> Iterator[Row]:
    """Rows that begin anew with the regular hours and the late ones, as Yahoo's do; those outside have no volume."""
    for begins, ends, is_regular in (
        (at(day, EARLY), at(day, OPENING), False),
        (at(day, OPENING), at(day, CLOSING), True),
        (at(day, CLOSING), at(day, LATE), False),
    ):
        for number, moment in enumerate(range(begins, ends, step)):
            yield flat(moment, 100 + number % 40, 10 if is_regular else 0)
