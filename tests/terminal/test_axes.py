import re
from datetime import UTC, date
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from past_prices import NEW_YORK, at, session, weekdays
from stocktrack.bars import BarInterval
from stocktrack.terminal.axes import TimeLabel, price_scale, time_labels


@pytest.mark.parametrize(
    ("low", "high", "digits"),
    [
        (268.7, 276.9, 2),
        (0.00001224, 0.00001309, 10),
        (1_234_000.0, 1_242_035.6, 2),
        (-37.6, -22.7, 2),
        (-1.5, 1.5, 2),
        (0.0, 0.0, 2),
        (10.0, 10.0, 2),
        (1e15, 1.01e15, 2),
        (-1.7e308, 1.7e308, 2),
        (5e-324, 5e-324, 10),
    ],
)
@pytest.mark.parametrize("rows", [4, 5, 9, 16, 24, 55])
def test_a_scale_holds_all_prices_and_its_labels_are_equally_far_apart(
    low: float, high: float, digits: int, rows: int
) -> None:
    scale = price_scale(low, high, rows, digits)

    if high < 1e300:
        assert scale.top >= high
        assert scale.top - rows * scale.a_row <= low
    labelled = sorted(scale.labels)
    assert labelled
    assert len({after - before for before, after in pairwise(labelled)}) <= 1
    assert all(0 <= row < rows for row in labelled)
    assert 0 <= scale.dot_of(high) <= scale.dot_of(low) < rows * 4
    assert scale.label_cells <= 18


def test_the_labels_are_round_numbers_with_the_decimals_of_the_symbol() -> None:
    assert list(price_scale(268.7, 276.9, 20, 2).labels.values()) == [
        *("277.00", "276.00", "275.00", "274.00", "273.00", "272.00", "271.00", "270.00", "269.00", "268.00"),
    ]
    assert "1.0850" in price_scale(1.0841, 1.0869, 16, 4).labels.values()
    assert "0.0000125000" in price_scale(0.00001224, 0.00001309, 8, 10).labels.values()
    assert "1,240,000.00" in price_scale(1_234_000.0, 1_242_000.0, 8, 2).labels.values()


def test_numbers_that_are_closer_than_the_decimals_of_the_symbol_get_more() -> None:
    texts = list(price_scale(1.0001, 1.0003, 12, 2).labels.values())
    assert len(set(texts)) == len(texts)


def texts(labels: list[TimeLabel]) -> list[str]:
    return [label.text for label in labels]


def labels_of(times: list[int], interval: str, width: int, zone: ZoneInfo = NEW_YORK) -> list[TimeLabel]:
    last = len(times) - 1
    columns = [place * (width - 1) // max(1, last) for place in range(len(times))]
    return time_labels(times, columns, BarInterval(interval), zone, width)


def test_a_day_has_hours_by_the_exchanges_clock() -> None:
    labels = labels_of(session(2026, 11, 27), "1m", 70)
    assert texts(labels) == ["10:00", "11:00", "12:00", "13:00", "14:00", "15:00"]
    assert labels[0].start <= labels[0].column < labels[0].start + 5
    assert texts(labels_of(session(2026, 11, 27), "1m", 32)) == ["10:00", "12:00", "14:00"]


@pytest.mark.parametrize("width", [20, 32, 40, 70, 110, 200])
def test_no_two_times_touch_and_none_leaves_the_chart(width: int) -> None:
    for times, interval in (
        (session(2026, 11, 27), "1m"),
        ([time for day in (23, 24, 25, 27) for time in session(2026, 11, day, minutes=15)], "15m"),
        (weekdays(date(2026, 10, 29), 22), "1d"),
        (weekdays(date(2025, 12, 1), 252), "1d"),
        ([at(year, month, 1) for year in range(1981, 2027) for month in range(1, 13)], "1mo"),
    ):
        labels = labels_of(times, interval, width)
        assert labels
        assert labels[-1].start + len(labels[-1].text) <= width
        ends = [label.start + len(label.text) for label in labels]
        assert all(label.start >= end + 2 for end, label in zip(ends, labels[1:], strict=False))


def test_some_days_are_told_by_their_weekdays() -> None:
    times = [time for day in (23, 24, 25, 27, 30) for time in session(2026, 11, day, minutes=15)]
    assert texts(labels_of(times, "15m", 70)) == ["Mon 23", "Tue 24", "Wed 25", "Fri 27", "Mon 30"]
    assert texts(labels_of(times, "15m", 32)) == ["Mon", "Tue", "Wed", "Fri", "Mon"]


def test_longer_ranges_have_dates_months_and_years() -> None:
    month = texts(labels_of(weekdays(date(2026, 10, 29), 22), "1d", 60))
    assert month == ["2 Nov", "9 Nov", "16 Nov", "23 Nov"]
    year = texts(labels_of(weekdays(date(2025, 12, 1), 252), "1d", 100))
    assert year[:4] == ["Dec", "2026", "Feb", "Mar"]
    all_of_it = [at(year, month, 1) for year in range(1981, 2027) for month in range(1, 13)]
    assert texts(labels_of(all_of_it, "1mo", 70)) == [str(year) for year in range(1985, 2027, 5)]


def test_the_hours_of_a_day_whose_clocks_change_are_those_of_its_clock() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    # On 25 October 2026 the clocks there went back at three: 24 hours from midnight are 23:00.
    midnight = at(2026, 10, 25, zone=berlin)
    labels = texts(labels_of([midnight + minute * 60_000 for minute in range(0, 1_500, 5)], "5m", 60, berlin))
    assert labels == sorted(labels)
    assert all(re.fullmatch(r"\d\d:00", label) for label in labels)
    before, after = session(2026, 3, 6, minutes=5), session(2026, 3, 9, minutes=5)
    assert texts(labels_of(before, "5m", 70)) == texts(labels_of(after, "5m", 70))


def test_a_day_and_night_names_the_new_day_at_its_midnight() -> None:
    times = [at(2026, 11, 28, 13) + hour * 3_600_000 for hour in range(25)]
    assert "29 Nov" in texts(labels_of(times, "1h", 70))


def test_one_bar_has_its_time_and_no_bar_has_none() -> None:
    assert texts(labels_of([at(2026, 11, 27, 9, 31)], "5m", 40)) == ["09:31"]
    assert texts(labels_of([at(2026, 11, 27, 9, 30)], "1d", 40)) == ["27 Nov"]
    assert time_labels([], [], BarInterval.DAY, UTC, 40) == []


def test_a_time_that_is_none_is_no_error() -> None:
    assert labels_of([10**18, 2 * 10**18], "1d", 40)
