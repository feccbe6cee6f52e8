"""The axes of a chart: round numbers at equal distances beside it, and the exchange's times below it; no I/O."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal

from stocktrack.bars import BarInterval
from stocktrack.terminal.text import fixed

# A label each so many rows; round numbers are these, times a power of ten.
_ROWS_APART = (2, 3, 4, 5, 6)
_BEST_ROWS_APART = 3
_ROUND = (1, 2, 5)
_MOST_LABEL_CELLS = 18
_DOTS_A_ROW = 4
_LEAST_GAP = 2  # cells between two times
_MOST_SPAN = 1e300
_MINUTES_APART = (1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720)
_YEARS_APART = (1, 2, 5, 10, 20, 50)


@dataclass(frozen=True, slots=True)
class PriceScale:
    """Which price stands in which row: `labels` are the round ones, by their row."""

    top: float  # at the upper edge of the first row
    a_row: float
    rows: int
    labels: dict[int, str]

    @property
    def label_cells(self) -> int:
        """The width of the longest label."""
        return max(map(len, self.labels.values()), default=0)

    def dot_of(self, price: float) -> int:
        """In which row of dots a price lies, of four in each row of cells, from the top."""
        return min(self.rows * _DOTS_A_ROW - 1, max(0, int((self.top - price) / self.a_row * _DOTS_A_ROW)))


def price_scale(low: float, high: float, rows: int, digits: int) -> PriceScale:
    """A scale of so many rows from `low` to `high`, both within it, whose labels are equally far apart.

    The labels have `digits` decimals, and more where round numbers that are closer need them.
    """
    span = min(high - low, _MOST_SPAN)
    if span <= 0:
        span = max(abs(high) * 0.01, 10.0**-digits * rows)
    least = span / max(1, rows - 1)
    _, step, exponent, apart = min(_steps(least, rows))
    a_row = step / apart
    first = round((low / 2 + high / 2) / a_row + (rows - 1) / 2)
    labels = {
        row: _label((first - row) // apart * Decimal(repr(step)), max(digits, -exponent))
        for row in range(rows)
        if (first - row) % apart == 0
    }
    return PriceScale((first + 0.5) * a_row, a_row, rows, labels)


def _steps(least_a_row: float, rows: int) -> Iterator[tuple[float, float, int, int]]:
    """Ways to label the rows, each with how much it wastes: that, the step, its power of ten, and the rows apart."""
    power = math.floor(math.log10(least_a_row))
    for exponent in range(power - 1, power + 3):
        for round_number in _ROUND:
            step = float(f"{round_number}e{exponent}")
            for apart in _ROWS_APART:
                a_row = step / apart
                if a_row >= least_a_row * (1 - 1e-9) and (apart * 2 <= rows or apart == _ROWS_APART[0]):
                    waste = a_row / least_a_row + 0.1 * abs(apart - _BEST_ROWS_APART)
                    yield waste, step, exponent, apart


def _label(value: Decimal, digits: int) -> str:
    text = fixed(float(value), digits)
    return text if len(text) <= _MOST_LABEL_CELLS else f"{value:.6g}"


@dataclass(frozen=True, slots=True)
class TimeLabel:
    """A time below the chart: the column that it is of, and where its text begins."""

    column: int
    start: int
    text: str


Tick = tuple[int, str]  # the place of a bar, and what is written below it
Key = tuple[object, ...]


def time_labels(
    times: Sequence[int], columns: Sequence[int], interval: BarInterval, zone: tzinfo, width: int
) -> list[TimeLabel]:
    """As many times as there is room for, by the clock of `zone`; `columns` are where the bars of `times` stand.

    Hours within a day, days within a week or so, then dates, months and years.
    """
    moments = [moment_of(time, zone) for time in times]
    for ticks in _levels(moments, interval):
        labels = _placed([(columns[place], text) for place, text in ticks], width)
        if labels:
            return labels
    if not moments:
        return []
    last = moments[-1]
    text = f"{last:%H:%M}" if interval.is_intraday else _date_text(last)
    return _placed([(columns[-1], text)], width)


def moment_of(time: int, zone: tzinfo) -> datetime:
    """The moment on the exchange's clock; the first one of all where it is no time at all."""
    try:
        return datetime.fromtimestamp(time / 1000, zone)
    except (OverflowError, OSError, ValueError):
        return datetime.min.replace(tzinfo=UTC)


def _placed(ticks: Sequence[tuple[int, str]], width: int) -> list[TimeLabel]:
    """The labels in their places; none where two would be too close."""
    labels: list[TimeLabel] = []
    for column, text in ticks:
        start = max(0, min(width - len(text), column - len(text) // 2))
        if labels and start < labels[-1].start + len(labels[-1].text) + _LEAST_GAP:
            if len(labels) > 1 or labels[0].start > 0:
                return []
            labels.clear()  # the first one was moved to the right, where it hides the beginning
        if len(text) <= width:
            labels.append(TimeLabel(column, start, text))
    return labels


def _levels(moments: Sequence[datetime], interval: BarInterval) -> Iterator[list[Tick]]:
    """What could be written below, the closest first."""
    days = len({moment.date() for moment in moments})
    if interval.is_intraday:
        if days <= 2:
            for apart in _MINUTES_APART:
                yield _ticks(moments, _by_minutes(apart), _hour_text, _is_whole(apart))
        yield _ticks(moments, lambda moment: (moment.date(),), lambda moment: f"{moment:%a} {moment.day}")
        yield _ticks(moments, lambda moment: (moment.date(),), lambda moment: f"{moment:%a}")
    else:
        yield _ticks(moments, lambda moment: (moment.date(),), _date_text)
    for weeks in (1, 2):
        yield _ticks(moments, _by_weeks(weeks), _date_text, lambda moment: moment.weekday() == 0)
    for months in (1, 2, 3, 6):
        yield _ticks(moments, _by_months(months), _month_text, lambda moment: moment.day <= 3)
    for years in _YEARS_APART:
        yield _ticks(
            moments,
            _by_years(years),
            lambda moment: str(moment.year),
            lambda moment: moment.month == 1 and moment.day <= 3,
        )


def _ticks(
    moments: Sequence[datetime],
    key: Callable[[datetime], Key],
    text: Callable[[datetime], str],
    begins: Callable[[datetime], bool] = lambda _: True,
) -> list[Tick]:
    """A tick wherever a new stretch begins, by its key; at the first bar only where that one `begins` a stretch."""
    found: list[Tick] = []
    before: Key | None = None
    for place, moment in enumerate(moments):
        now = key(moment)
        if now != before and (before is not None or begins(moment)):
            found.append((place, text(moment)))
        before = now
    return found


def _by_minutes(apart: int) -> Callable[[datetime], Key]:
    return lambda moment: (moment.date(), (moment.hour * 60 + moment.minute) // apart)


def _is_whole(apart: int) -> Callable[[datetime], bool]:
    return lambda moment: (moment.hour * 60 + moment.minute) % apart == 0


def _by_weeks(weeks: int) -> Callable[[datetime], Key]:
    return lambda moment: ((moment.toordinal() - 1) // 7 // weeks,)


def _by_months(months: int) -> Callable[[datetime], Key]:
    return lambda moment: (moment.year, (moment.month - 1) // months)


def _by_years(years: int) -> Callable[[datetime], Key]:
    return lambda moment: (moment.year // years,)


def _hour_text(moment: datetime) -> str:
    return _date_text(moment) if (moment.hour, moment.minute) == (0, 0) else f"{moment:%H:%M}"


def _date_text(moment: date) -> str:
    return f"{moment.day} {moment:%b}"


def _month_text(moment: date) -> str:
    return str(moment.year) if moment.month == 1 else f"{moment:%b}"
