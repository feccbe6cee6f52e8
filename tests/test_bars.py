from datetime import UTC, date
from zoneinfo import ZoneInfo

import pytest

from stocktrack.bars import (
    DAY_MS,
    DEFAULT_INTERVALS,
    MINUTE_MS,
    Bar,
    BarInterval,
    HistoryRange,
    day_of,
    first_day_of,
    gathered,
    joined,
    midnight_ms,
    next_start,
    start_of,
)
from stocktrack.quotes import MarketState

NEW_YORK, KOLKATA = ZoneInfo("America/New_York"), ZoneInfo("Asia/Kolkata")


def minute(number: int, *, begins: int = 0, volume: int | None = 10, state: MarketState | None = None) -> Bar:
    return Bar(begins + number * MINUTE_MS, 10.0 + number, 11.0 + number, 9.0 + number, 10.5 + number, volume, state)


def test_every_range_has_bars_of_its_own() -> None:
    assert set(DEFAULT_INTERVALS) == set(HistoryRange)


def test_the_lengths_rise_in_the_order_of_the_intervals() -> None:
    lengths = [interval.length_ms for interval in BarInterval]
    assert lengths == sorted(lengths)
    assert [interval.is_intraday for interval in BarInterval] == [True] * 6 + [False] * 3


def test_a_joined_bar_opens_with_the_first_and_closes_with_the_last() -> None:
    assert joined([minute(0), minute(1), minute(2)], time=0) == Bar(0, 10.0, 13.0, 9.0, 12.5, 30)


def test_a_volume_that_nobody_counts_stays_unknown_and_one_that_is_known_in_part_is_told() -> None:
    assert joined([minute(0, volume=None), minute(1, volume=None)], time=0).volume is None
    assert joined([minute(0, volume=None), minute(1)], time=0).volume == 10


def test_minutes_become_longer_bars_and_a_gap_stays_one() -> None:
    bars = gathered([minute(0), minute(4), minute(5), minute(12)], BarInterval.FIVE_MINUTES, UTC)
    assert [bar.time // MINUTE_MS for bar in bars] == [0, 5, 10]
    assert [bar.volume for bar in bars] == [20, 10, 10]


def test_early_and_regular_hours_are_never_one_bar_of_an_hour_but_are_of_a_day() -> None:
    bars = [minute(29, state=MarketState.PRE), minute(30)]
    hours = gathered(bars, BarInterval.HOUR, UTC)
    assert [(bar.time, bar.market_state) for bar in hours] == [(0, MarketState.PRE), (30 * MINUTE_MS, None)]
    assert len(gathered(bars, BarInterval.DAY, UTC)) == 1


def test_no_bars_become_no_bars() -> None:
    assert gathered([], BarInterval.HOUR, UTC) == []


@pytest.mark.parametrize(
    ("interval", "first"),
    [
        (BarInterval.DAY, date(2024, 3, 14)),
        (BarInterval.WEEK, date(2024, 3, 11)),
        (BarInterval.MONTH, date(2024, 3, 1)),
    ],
)
def test_days_weeks_and_months_begin_where_people_say(interval: BarInterval, first: date) -> None:
    assert first_day_of(date(2024, 3, 14), interval) == first
    time = midnight_ms(date(2024, 3, 14), NEW_YORK) + 12 * 3_600_000
    assert start_of(time, interval, NEW_YORK) == midnight_ms(first, NEW_YORK)


def test_hours_are_counted_from_the_midnight_of_the_exchange() -> None:
    midnight = midnight_ms(date(2024, 3, 14), KOLKATA)
    assert midnight % 3_600_000 == 1_800_000
    assert start_of(midnight + 90 * MINUTE_MS, BarInterval.HOUR, KOLKATA) == midnight + 60 * MINUTE_MS


def test_the_day_on_which_clocks_change_has_23_hours_and_its_bars_follow_each_other() -> None:
    day = date(2024, 3, 10)
    begins, ends = midnight_ms(day, NEW_YORK), midnight_ms(date(2024, 3, 11), NEW_YORK)
    assert ends - begins == 23 * 3_600_000
    starts = {start_of(time, BarInterval.HOUR, NEW_YORK) for time in range(begins, ends, MINUTE_MS)}
    assert sorted(starts) == list(range(begins, ends, 3_600_000))
    assert next_start(begins, BarInterval.DAY, NEW_YORK) == ends


@pytest.mark.parametrize(
    ("interval", "begins", "ends"),
    [
        (BarInterval.WEEK, date(2024, 3, 11), date(2024, 3, 18)),
        (BarInterval.MONTH, date(2024, 2, 1), date(2024, 3, 1)),
        (BarInterval.MONTH, date(2024, 12, 2), date(2025, 1, 1)),  # the first may be a holiday
    ],
)
def test_a_bar_ends_where_the_next_week_or_month_begins(interval: BarInterval, begins: date, ends: date) -> None:
    assert next_start(midnight_ms(begins, NEW_YORK), interval, NEW_YORK) == midnight_ms(ends, NEW_YORK)


def test_a_bar_of_minutes_ends_after_its_length() -> None:
    assert next_start(60_000, BarInterval.FIVE_MINUTES, UTC) == 360_000


def test_a_moment_has_another_day_elsewhere() -> None:
    time = midnight_ms(date(2024, 3, 14), UTC)
    assert day_of(time, NEW_YORK) == date(2024, 3, 13)
    assert day_of(time + DAY_MS, UTC) == date(2024, 3, 15)
