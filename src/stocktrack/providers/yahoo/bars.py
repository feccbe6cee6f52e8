"""Reads the bars and splits of a chart of Yahoo's: JSON in, `SourceBars` out, without any I/O.

What Yahoo's charts are like, and what is made of it here:

- Rows come with nulls, twice, and out of order: a row without a close is left out, of two at one time the later stands.
- The newest row may have the time of the last trade instead of its bar's start, beside its bar or in place of it: it is
  laid over its bar.
- Rows of early and late hours may come unasked, as after an early close: they are marked, or left out where they are
  not wanted. The hours are those of the row's own day.
- Prices are rounded to float32, so that a high may lie a trifle under the close: it is raised to it.
- All prices are corrected for splits, also in bars that are older than the split.
"""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from itertools import zip_longest
from typing import Any, Final, TypeAlias

from stocktrack.bars import Bar, BarInterval, Split, first_day_of, midnight_ms
from stocktrack.providers.base import BarLimit, SourceBars
from stocktrack.providers.reading import text
from stocktrack.providers.yahoo.answers import trading_day_in
from stocktrack.providers.yahoo.payload import (
    ALL_DAY_MS,
    MAX_EPOCH_SECONDS,
    MAY_BE_NEGATIVE,
    epoch_seconds,
    error_in,
    market_time,
    module_of,
    number_in,
    only_result,
    period_of,
    positive_in,
    price_hint,
    section_of,
    zone_of_chart,
)
from stocktrack.quotes import MarketState

# A request for minutes may be for eight days; seven is a week with its weekend, wherever it begins.
BAR_LIMITS: Final[Mapping[BarInterval, BarLimit]] = {
    BarInterval.ONE_MINUTE: BarLimit(days_back=30, days_a_request=7),
    BarInterval.TWO_MINUTES: BarLimit(days_back=60),
    BarInterval.FIVE_MINUTES: BarLimit(days_back=60),
    BarInterval.QUARTER: BarLimit(days_back=60),
    BarInterval.HALF_HOUR: BarLimit(days_back=60),
    BarInterval.HOUR: BarLimit(days_back=730),
    BarInterval.DAY: BarLimit(),
    BarInterval.WEEK: BarLimit(),
    BarInterval.MONTH: BarLimit(),
}
# What Yahoo says in its 400 and 422 where it has no bar in a stretch, and where it has none that are so old.
_NONE_THERE: Final = ("data doesn't exist for startdate", "no data found for this date range")
_TOO_OLD: Final = ("not available", "must be within")
# Of what these stand for nobody counts shares, and Yahoo writes zeros; of some indices it does count them.
_MAY_BE_UNCOUNTED: Final = frozenset({"CURRENCY", "INDEX", "MUTUALFUND"})
_SHORT_RANGES: Final = frozenset({"1d", "5d"})
_DAYS_AND_LONGER: Final = frozenset({"1d", "5d", "1wk", "1mo", "3mo"})
# No price is as high as that, and a float32 holds it.
_MOST: Final = 1e15
_NUMBERS: Final = frozenset({int, float})  # and True is none
_MOST_DECIMALS: Final = 6
_MINUTE: Final = 60
_EPOCH: Final = date(1970, 1, 1)
# A row of a day that begins at midnight is an hour or two before that where the clocks were changed since.
_FIRST_HOUR_OF_A_SHIFTED_DAY: Final = 22

_Span: TypeAlias = tuple[int, int]


@dataclass(slots=True)
class _Row:
    """A row of a chart; `time` in epoch seconds, and `factor` what corrects it for dividends."""

    time: int
    open: float
    high: float
    low: float
    close: float
    volume: int | None
    factor: float

    def lay_over(self, newer: "_Row", *, adds_volume: bool) -> None:
        """Take what a newer row says of a part of the same stretch, or of all of it."""
        is_repeated = newer.volume == self.volume and newer.open == self.open
        self.high, self.low, self.close = max(self.high, newer.high), min(self.low, newer.low), newer.close
        self.factor = newer.factor
        if newer.volume is None or is_repeated:
            return
        before = self.volume or 0
        self.volume = before + newer.volume if adds_volume else max(before, newer.volume)


def query_of(interval: BarInterval, start: int, end: int, *, prepost: bool) -> dict[str, str]:
    """What to ask the chart endpoint for the bars of `interval` that begin from `start` on and before `end`.

    Whoever asks for weeks or months gets them from the one before: Yahoo may count the first from where it is asked.
    Of days and longer the next day's are asked for as well: the newest row stands under the time of its last trade.
    """
    since, until = start // 1000, -(-end // 1000)
    if not interval.is_intraday:
        until += 86_400
    if interval in {BarInterval.WEEK, BarInterval.MONTH}:
        first = first_day_of(_EPOCH + timedelta(days=since // 86_400), interval)
        since = (first_day_of(first - timedelta(days=1), interval) - _EPOCH).days * 86_400
    return {
        "period1": str(since),
        "period2": str(until),
        "interval": interval.value,
        "includePrePost": "true" if prepost and interval.is_intraday else "false",
        "events": "div,splits",
    }


def is_nothing_there(refusal: Any) -> bool:
    """Whether an answer with a status of 400 or 422 says that there is no bar in the stretch, which is an answer."""
    return any(words in _described(refusal).lower() for words in _NONE_THERE)


def why_too_old(refusal: Any) -> str | None:
    """What such an answer says of bars that it does not have for so long; None where it says something else."""
    described = _described(refusal)
    return described if any(words in described.lower() for words in _TOO_OLD) else None


def _described(refusal: Any) -> str:
    return text((error_in(refusal) or {}).get("description"), max_chars=200) or ""


def read_bars(payload: Any, interval: BarInterval, start: int, end: int, *, prepost: bool) -> SourceBars | None:
    """The bars of a chart that begin from `start` on and before `end`; None where Yahoo has no such symbol.

    `ProviderError` where it is no chart.
    """
    chart = only_result(payload, "chart")
    if chart is None:
        return None
    meta = section_of(chart, "meta")
    zone = zone_of_chart(meta)
    ranges = meta.get("validRanges")
    has_none_so_short = (
        interval.is_intraday
        and isinstance(ranges, list)
        and bool(ranges)
        and _SHORT_RANGES.isdisjoint(map(str, ranges))
    )
    # Asked for minutes of what has none Yahoo may answer with days.
    is_longer = interval.is_intraday and meta.get("dataGranularity") in _DAYS_AND_LONGER
    rows = [] if is_longer else _rows(chart, meta)
    states: Sequence[MarketState | None]
    if interval.is_intraday:
        hours = _Hours(meta, zone)
        rows = _on_the_grid(rows, interval.length_ms // 1000, meta, hours)
        rows, states = _of_the_session(rows, interval.length_ms // 1000, hours, prepost=prepost)
    else:
        rows = _by_days(rows, interval, meta, zone)
        states = [None] * len(rows)
    counts = str(meta.get("instrumentType")) not in _MAY_BE_UNCOUNTED or any(row.volume for row in rows)
    found = [(row, state) for row, state in zip(rows, states, strict=True) if start <= row.time * 1000 < end]
    events = module_of(chart, "events")
    has_factors = not interval.is_intraday and _adjusted_closes(chart) is not None
    return SourceBars(
        provider="yahoo",
        bars=[
            Bar(
                row.time * 1000,
                row.open,
                row.high,
                row.low,
                row.close,
                row.volume if counts else None,
                market_state=state,
            )
            for row, state in found
        ],
        zone=getattr(zone, "key", None),
        currency=text(meta.get("currency")),
        factors=[row.factor for row, _ in found] if has_factors else None,
        splits=[split for split in _splits(events) if start <= split.time < end],
        dividend_times=[moment for moment in _dividend_times(events) if start <= moment < end],
        day=trading_day_in(meta),
        last_trade_at=market_time(meta.get("regularMarketTime")),
        has_none_so_short=has_none_so_short,
    )


def read_splits(payload: Any) -> list[Split] | None:
    """All splits among a chart's events, in order; None where Yahoo has no such symbol."""
    chart = only_result(payload, "chart")
    return None if chart is None else _splits(module_of(chart, "events"))


def _splits(events: Mapping[str, Any]) -> list[Split]:
    found: dict[int, Split] = {}
    for entry in _entries(events, "splits"):
        seconds, into, out_of = epoch_seconds(entry.get("date")), *map(positive_in, _shares(entry))
        if seconds is not None and into is not None and out_of is not None and into != out_of:
            found[seconds] = Split(seconds * 1000, into / out_of)
    return [found[seconds] for seconds in sorted(found)]


def _shares(entry: Mapping[str, Any]) -> tuple[Any, Any]:
    """How many shares became of how many: `{"numerator": 4, "denominator": 1, "splitRatio": "4:1"}`."""
    if "numerator" in entry and "denominator" in entry:
        return entry["numerator"], entry["denominator"]
    into, _, out_of = str(entry.get("splitRatio")).partition(":")
    try:
        return float(into), float(out_of)
    except ValueError:
        return None, None


def _dividend_times(events: Mapping[str, Any]) -> list[int]:
    times = (epoch_seconds(entry.get("date")) for entry in _entries(events, "dividends"))
    return sorted({seconds * 1000 for seconds in times if seconds is not None})


def _entries(events: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    return [entry for entry in module_of(events, name).values() if isinstance(entry, dict)]


# --- rows ------------------------------------------------------------------------------------------------------------


def _rows(chart: Mapping[str, Any], meta: Mapping[str, Any]) -> list[_Row]:
    """The rows that have a price, in order, each time once."""
    times = chart.get("timestamp")
    if not isinstance(times, list):
        return []
    quote = _column_set(chart, "quote")
    may_be_negative, hint = str(meta.get("instrumentType")) in MAY_BE_NEGATIVE, price_hint(meta)
    prices = [
        _without_noise(_prices(quote.get(name), may_be_negative=may_be_negative), 2 if hint is None else hint)
        for name in ("open", "high", "low", "close")
    ]
    raw_closes = _list(quote.get("close"))
    adjusted = _list(_adjusted_closes(chart))
    columns = zip_longest(times, *prices, _list(quote.get("volume")), raw_closes, adjusted)
    found: dict[int, _Row] = {}
    for moment, opened, high, low, close, volume, raw, corrected in columns:
        if close is None or type(moment) is not int or abs(moment) >= MAX_EPOCH_SECONDS:
            continue
        known = [price for price in (opened, high, low, close) if price is not None]
        lowest, highest = min(known), max(known)
        if lowest == 0:
            # Where Yahoo does not know an opening, or the lowest price, it writes 0: an index has many such days.
            if not close:
                continue
            lowest = min(filter(None, known))
        found[moment] = _Row(
            moment,
            close if opened is None or (not opened and lowest > 0) else opened,
            highest,
            lowest,
            close,
            int(volume) if type(volume) in {int, float} and 0 <= volume < _MOST * 1000 else None,
            _factor(raw, corrected),
        )
    return [found[moment] for moment in sorted(found)]


def _prices(column: Any, *, may_be_negative: bool) -> list[float | None]:
    """The prices of a column, None where there is none: below zero, and at it, only what may be there."""
    least = -_MOST if may_be_negative else 0.0
    return [
        # NaN is neither above nor below anything.
        float(value) if type(value) in _NUMBERS and least < value < _MOST else None
        for value in _list(column)
    ]


def _without_noise(prices: Sequence[float | None], places: int) -> list[float | None]:
    """The prices without what float32 added to them, as `without_float32_noise` has it, ten thousand at once.

    They are rounded to `places`, or to a few more: what a split has divided has decimals that nobody quotes.
    """
    clean = list(prices)
    left = [(number, price) for number, price in enumerate(prices) if price is not None]
    for decimals in range(places, _MOST_DECIMALS + 1):
        coarse = 0.5 * 10.0**-decimals / 2.0**-23
        left = [each for each in left if abs(each[1]) < coarse]
        rounded = [round(price, decimals) for _, price in left]
        singles = array("f", [price for _, price in left])
        still = []
        for each, short, same, single in zip(left, rounded, array("f", rounded), singles, strict=True):
            if same == single:
                clean[each[0]] = short
            else:
                still.append(each)
        left = still
    return clean


def _factor(close: Any, corrected: Any) -> float:
    """What a close is multiplied with to correct it for dividends; both come rounded to float32."""
    if (
        type(close) not in _NUMBERS
        or type(corrected) not in _NUMBERS
        or not (0 < close < _MOST and 0 < corrected < _MOST)
    ):
        return 1.0
    factor: float = corrected / close
    return 1.0 if abs(factor - 1) < 1e-6 else factor


def _column_set(chart: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    sets = module_of(chart, "indicators").get(name)
    return sets[0] if isinstance(sets, list) and sets and isinstance(sets[0], dict) else {}


def _adjusted_closes(chart: Mapping[str, Any]) -> list[Any] | None:
    closes = _column_set(chart, "adjclose").get("adjclose")
    return closes if isinstance(closes, list) and closes else None


def _list(column: Any) -> list[Any]:
    return column if isinstance(column, list) else []


# --- days and longer -------------------------------------------------------------------------------------------------


def _by_days(rows: Sequence[_Row], interval: BarInterval, meta: Mapping[str, Any], zone: tzinfo) -> list[_Row]:
    """One row for each day, week or month."""
    opens_at, _ = period_of(meta, "regular")
    opening = None if opens_at is None else datetime.fromtimestamp(opens_at / 1000, zone)
    found: list[_Row] = []
    last_day: date | None = None
    for row in rows:
        moment = datetime.fromtimestamp(row.time, zone)
        day = moment.date()
        if moment.hour >= _FIRST_HOUR_OF_A_SHIFTED_DAY and moment.minute == moment.second == 0 and _is_early(opening):
            day += timedelta(days=1)
            row.time = midnight_ms(day, zone) // 1000
        first = first_day_of(day, interval)
        if first == last_day:
            found[-1].lay_over(row, adds_volume=interval is not BarInterval.DAY)
            continue
        if _is_of_a_trade(row, meta):
            # It has the time of the last trade. Its bar begins where the others do.
            clock = opening.time() if opening is not None and interval is BarInterval.DAY else time()
            row.time = min(row.time, _at(first, clock, zone))
        found.append(row)
        last_day = first
    return found


def _is_of_a_trade(row: _Row, meta: Mapping[str, Any]) -> bool:
    """Whether a row has the time of a trade, the last one, and not that of a bar."""
    last_trade = number_in(meta.get("regularMarketTime"))
    return row.time % _MINUTE != 0 or (last_trade is not None and abs(row.time - last_trade) < _MINUTE)


def _is_early(opening: datetime | None) -> bool:
    return opening is None or opening.hour < _FIRST_HOUR_OF_A_SHIFTED_DAY - 2


def _at(day: date, clock: time, zone: tzinfo) -> int:
    return round(datetime.combine(day, clock, zone).timestamp())


# --- within a day ----------------------------------------------------------------------------------------------------


class _Hours:
    """The regular hours of each day, in epoch seconds, by the head of a chart."""

    def __init__(self, meta: Mapping[str, Any], zone: tzinfo) -> None:
        self.zone = zone
        self._told: dict[date, _Span] = {}
        periods = meta.get("tradingPeriods")
        if isinstance(periods, dict):
            periods = periods.get("regular")
        for period in _flat(periods):
            if (span := _span(period.get("start"), period.get("end"))) is not None:
                self._told[self.day_of(span[0])] = span
        opens_at, closes_at = period_of(meta, "regular")
        span = None if opens_at is None or closes_at is None else _span(opens_at // 1000, closes_at // 1000)
        self._usual = None
        if span is not None:
            self._usual = datetime.fromtimestamp(span[0], zone).time(), span[1] - span[0]

    def day_of(self, moment: int) -> date:
        """The day of the exchange that a moment lies in."""
        return datetime.fromtimestamp(moment, self.zone).date()

    def on(self, day: date) -> _Span | None:
        """When the regular hours of `day` begin and end; None where it has none, being traded day and night."""
        told = self._told.get(day)
        if told is None and self._usual is not None:
            opening, seconds = self._usual
            begins = _at(day, opening, self.zone)
            told = self._told[day] = begins, begins + seconds
        return None if told is None or (told[1] - told[0]) * 1000 >= ALL_DAY_MS else told


def _flat(periods: Any) -> list[Mapping[str, Any]]:
    """The periods in a list of them, or of lists of them, as Yahoo has it."""
    found: list[Mapping[str, Any]] = []
    for each in _list(periods):
        found += [period for period in (each if isinstance(each, list) else [each]) if isinstance(period, dict)]
    return found


def _span(start: Any, end: Any) -> _Span | None:
    begins, ends = epoch_seconds(start), epoch_seconds(end)
    return (begins, ends) if begins is not None and ends is not None and 0 < ends - begins <= 86_400 else None


def _on_the_grid(rows: Sequence[_Row], length: int, meta: Mapping[str, Any], hours: _Hours) -> list[_Row]:
    """The rows, with the last one laid over its bar, or put where that begins, where it has the time of a trade.

    Bars are counted from the one before, or from where the hours change: an hour ends early where they do.
    """
    if not rows:
        return []
    *found, row = rows
    day = hours.day_of(row.time)
    span = hours.on(day)
    if span is not None and span[1] <= row.time < span[1] + _MINUTE and row.low == row.high and not row.volume:
        return found  # the price of the close, and no late trade
    bounds = [bound for bound in span or () if bound <= row.time]
    if found and hours.day_of(found[-1].time) == day:
        bounds.append(found[-1].time)
    begins = max(bounds, default=midnight_ms(day, hours.zone) // 1000)
    begins += (row.time - begins) // length * length
    if found and found[-1].time == begins:
        found[-1].lay_over(row, adds_volume=True)
        return found
    if _is_of_a_trade(row, meta):
        row.time = begins
    return [*found, row]


def _of_the_session(
    rows: Sequence[_Row], length: int, hours: _Hours, *, prepost: bool
) -> tuple[list[_Row], list[MarketState | None]]:
    """The rows of the regular hours, and with `prepost` the others too, each with what it is then."""
    times = {row.time for row in rows}
    found: list[_Row] = []
    states: list[MarketState | None] = []
    for row in rows:
        state = None
        span = hours.on(hours.day_of(row.time))
        if span is not None:
            begins, ends = span
            if row.time >= ends:
                state = MarketState.POST
            elif row.time < begins and (row.time + length <= begins or begins in times):
                state = MarketState.PRE
        if state is None or prepost:
            found.append(row)
            states.append(state)
    return found, states
