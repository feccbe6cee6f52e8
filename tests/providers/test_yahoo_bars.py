"""What the charts of Yahoo become: the parser alone, and the source against a Yahoo on this machine."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from stocktrack.bars import DAY_MS, Bar, BarInterval, Split
from stocktrack.clock import ManualClock
from stocktrack.errors import CommandError, ProviderError, Reason
from stocktrack.providers.base import SourceBars
from stocktrack.providers.yahoo.bars import BAR_LIMITS, query_of, read_bars, read_splits
from stocktrack.providers.yahoo.payload import NothingThere
from stocktrack.providers.yahoo.provider import YahooProvider
from stocktrack.quotes import MarketState
from yahoo_history import CLOSING, EARLY, OPENING, Row, at, charts_of_a_share, flat, past, period, periods_of
from yahoo_redirect import send_yahoo_to
from yahoo_stub import YahooStub, chart, in_envelope, running_yahoo_stub

NOW_MS = 1_712_331_900_000
FRIDAY = date(2024, 4, 5)
MINUTE, FIVE, HOUR, DAY, WEEK, MONTH = (BarInterval(name) for name in ("1m", "5m", "1h", "1d", "1wk", "1mo"))
EVER = (-(2**52), 2**52)
LONDON, TOKYO = ZoneInfo("Europe/London"), ZoneInfo("Asia/Tokyo")


def read(
    result: Any, interval: BarInterval = DAY, *, span: tuple[int, int] = EVER, prepost: bool = False
) -> SourceBars:
    told = read_bars(in_envelope("chart", [result]), interval, *span, prepost=prepost)
    assert told is not None
    return told


def bars(result: Any, interval: BarInterval = DAY, *, span: tuple[int, int] = EVER, prepost: bool = False) -> list[Bar]:
    return list(read(result, interval, span=span, prepost=prepost).bars)


def times(found: list[Bar], zone: ZoneInfo | None = None) -> list[str]:
    zone = zone or ZoneInfo("America/New_York")
    return [f"{datetime.fromtimestamp(bar.time / 1000, zone):%d %H:%M}" for bar in found]


def minutes(*clocks: time, day: date = FRIDAY, price: float = 100) -> list[Row]:
    return [flat(at(day, clock), price) for clock in clocks]


# --- days ------------------------------------------------------------------------------------------------------------


def test_a_day_becomes_a_bar_with_all_that_is_told_of_it() -> None:
    opening = at(FRIDAY, OPENING)
    told = read(past([(opening, 169.59, 170.39, 168.95, 169.58, 42_104_800)], adjusted=[168.0], today=FRIDAY))

    assert told.bars == [Bar(opening * 1000, 169.59, 170.39, 168.95, 169.58, 42_104_800)]
    assert list(told.factors or ()) == pytest.approx([168.0 / 169.58])
    assert (told.provider, told.zone, told.currency) == ("yahoo", "America/New_York", "USD")
    assert (told.splits, told.dividend_times, told.are_as_traded, told.has_none_so_short) == ([], [], False, False)
    assert told.day is not None
    assert (told.day.opens_at, told.day.closes_at) == (opening * 1000, at(FRIDAY, CLOSING) * 1000)
    assert told.last_trade_at == at(FRIDAY, CLOSING) * 1000 + 1000


def test_rows_of_nulls_are_left_out_and_so_is_one_without_a_close() -> None:
    days = [FRIDAY - timedelta(days=back) for back in (3, 2, 1, 0)]
    moments = [at(day, OPENING) for day in days]
    rows: list[Row] = [
        flat(moments[0], 100),
        (moments[1], None, None, None, None, None),
        (moments[2], 1, 2, 1, None, 5),
        flat(moments[3], 103),
    ]

    assert [bar.open for bar in bars(past(rows))] == [100, 103]


def test_a_missing_opening_or_a_low_of_zero_is_not_made_a_price_of_the_day() -> None:
    rows: list[Row] = [(at(FRIDAY, OPENING), None, 12.5, 11.5, 12, 5), (at(date(2024, 4, 4), OPENING), 0, 13, 0, 12, 5)]

    assert [(bar.open, bar.low) for bar in bars(past(rows))] == [(12, 12), (12, 11.5)]


def test_doubled_and_unsorted_rows_come_once_and_in_order_and_the_later_of_two_stands() -> None:
    first, second = at(date(2024, 4, 4), OPENING), at(FRIDAY, OPENING)
    rows = [flat(second, 101, 7), flat(first, 90), flat(first, 100), flat(second, 101, 7)]

    assert [(bar.time, bar.open, bar.volume) for bar in bars(past(rows))] == [
        (first * 1000, 100, 100),
        (second * 1000, 101, 7),
    ]


def test_a_null_that_comes_again_takes_nothing_away() -> None:
    moment = at(FRIDAY, OPENING)

    assert len(bars(past([flat(moment, 100), (moment, None, None, None, None, None)]))) == 1


def test_the_row_with_the_time_of_the_close_begins_where_its_day_does() -> None:
    close = at(FRIDAY, CLOSING) + 1
    rows = [flat(at(date(2024, 4, 4), OPENING), 100), (close, 101, 103, 99, 102, 55)]

    assert bars(past(rows))[-1] == Bar(at(FRIDAY, OPENING) * 1000, 101, 103, 99, 102, 55)


def test_the_row_of_the_last_trade_is_laid_over_its_day() -> None:
    opening, now = at(FRIDAY, OPENING), at(FRIDAY, time(11, 4)) + 9
    rows: list[Row] = [(opening, 101, 103, 100, 102, 500), (now, 101, 102.5, 99, 101.5, 510)]

    assert bars(past(rows, regularMarketTime=now)) == [Bar(opening * 1000, 101, 103, 99, 101.5, 510)]


def test_the_row_of_the_last_trade_stands_for_a_day_in_tokyo_that_is_yesterday_in_greenwich() -> None:
    day, before = date(2024, 4, 5), date(2024, 4, 4)
    now = at(day, time(9, 20), TOKYO) + 3
    head: Any = {
        "exchangeTimezoneName": "Asia/Tokyo",
        "regularMarketTime": now,
        "currentTradingPeriod": {"regular": period(at(day, time(9), TOKYO), at(day, time(15), TOKYO))},
    }
    rows = [flat(at(before, time(9), TOKYO), 100), flat(now, 101)]

    assert times(bars(past(rows, **head)), TOKYO) == ["04 09:00", "05 09:00"]


def test_an_old_last_row_stays_where_it_is_though_the_market_opens_at_another_time_now() -> None:
    rows = [flat(at(date(1980, 1, day), time(10)), 100) for day in (2, 3, 4)]

    assert times(bars(past(rows))) == ["02 10:00", "03 10:00", "04 10:00"]


def test_daily_bars_at_a_change_of_the_clocks_are_one_a_day_at_the_opening() -> None:
    days = [date(2024, 3, day) for day in (7, 8, 11, 12)]  # the clocks went forward on the 10th

    found = bars(past([flat(at(day, OPENING), 100) for day in days]))

    assert times(found) == [f"{day:%d} 09:30" for day in days]
    assert [(later.time - earlier.time) % DAY_MS for earlier, later in pairwise(found)] == [
        0,
        DAY_MS - 3_600_000,
        0,
    ]


def test_a_day_that_begins_at_midnight_keeps_its_date_where_the_clocks_were_changed_since() -> None:
    head: Any = {
        "exchangeTimezoneName": "Europe/London",
        "instrumentType": "CURRENCY",
        "regularMarketTime": 1_712_331_900,
    }
    head |= {"currentTradingPeriod": {"regular": period(at(FRIDAY, time(0), LONDON), at(FRIDAY, time(23, 59), LONDON))}}
    rows = [flat(at(date(2024, 3, 30), time(23), LONDON), 1), flat(at(date(2024, 4, 1), time(0), LONDON), 1)]

    assert times(bars(past(rows, **head)), LONDON) == ["31 00:00", "01 00:00"]


def test_a_bar_after_the_end_or_before_the_start_is_left_out() -> None:
    days = [date(2024, 4, day) for day in (1, 2, 3, 4)]
    rows = [flat(at(day, OPENING), 100) for day in days]
    span = at(days[1], OPENING) * 1000, at(days[3], OPENING) * 1000

    assert times(bars(past(rows), span=span)) == ["02 09:30", "03 09:30"]


def test_factors_are_those_of_the_dividends_and_nothing_of_float32() -> None:
    rows = [flat(at(date(2024, 4, day), OPENING), 100.1) for day in (2, 3, 4)]

    told = read(past(rows, adjusted=[99.35, 100.35, None]))

    assert list(told.factors or ()) == pytest.approx([99.35 / 100.35, 1.0, 1.0])


def test_a_reverse_split_of_one_for_twenty_and_a_dividend_are_told_with_the_bars() -> None:
    split, dividend = at(date(2024, 4, 3), OPENING), at(date(2024, 4, 4), OPENING)
    rows = [flat(at(date(2024, 4, day), OPENING), 20.0) for day in (2, 3, 4)]

    told = read(past(rows, splits={split: (1, 20)}, dividends={dividend: 0.24}))

    assert told.splits == [Split(split * 1000, 0.05)]
    assert told.dividend_times == [dividend * 1000]


@pytest.mark.parametrize(
    "entry",
    [
        {"date": 0, "numerator": 2, "denominator": 1},
        {"date": 1_712_000_000, "numerator": 0, "denominator": 1},
        {"date": 1_712_000_000, "numerator": 2, "denominator": None},
        {"date": 1_712_000_000, "numerator": 1, "denominator": 1},
        {"date": 1_712_000_000, "splitRatio": "many"},
        "a split",
    ],
)
def test_what_is_no_split_is_left_out(entry: Any) -> None:
    result = {**past([]), "events": {"splits": {"1712000000": entry, "1": {"date": 1, "splitRatio": "3:2"}}}}

    assert read_splits(in_envelope("chart", [result])) == [Split(1000, 1.5)]


def test_prices_lose_the_noise_of_float32_and_keep_what_a_split_has_left_of_them() -> None:
    # 23.89 before a split of 15 for 1; and a price that nothing is known to round to.
    rows: list[Row] = [(at(FRIDAY, OPENING), 189.45, 190.07, 1.5926669836, 45.08932876586914, 1)]

    [bar] = bars(past(rows))

    assert (bar.open, bar.high, bar.low, bar.close) == (189.45, 190.07, 1.592667, 45.08932876586914)


def test_a_high_under_the_close_is_raised_to_it_and_a_low_lowered() -> None:
    [bar] = bars(past([(at(FRIDAY, OPENING), 10.0, 10.0001, 10.5, 10.25, 1)], priceHint=4))

    assert (bar.high, bar.low) == (10.5, 10.0)


@pytest.mark.parametrize("price", [0, -5.0, float("nan"), float("inf"), 1e300, "12", True, {"raw": 1}])
def test_a_close_that_cannot_be_leaves_its_row_out(price: Any) -> None:
    result = past([flat(at(FRIDAY, OPENING), 100), flat(at(date(2024, 4, 4), OPENING), 100)])
    result["indicators"]["quote"][0]["close"][0] = price

    assert times(bars(result)) == ["04 09:30"]


def test_oil_may_be_sold_below_zero_and_a_zero_of_an_index_is_no_opening() -> None:
    rows: list[Row] = [(at(date(2020, 4, 20), OPENING), 17.73, 17.85, -40.32, -37.63, 1)]
    assert bars(past(rows, instrumentType="FUTURE"))[0].close == -37.63

    old: list[Row] = [(at(date(1965, 4, 20), OPENING), 0, 90.5, 89.5, 90, 0)]
    [bar] = bars(past(old, instrumentType="INDEX"))
    assert (bar.open, bar.low) == (90, 89.5)


@pytest.mark.parametrize(
    ("kind", "volumes", "told"),
    [
        ("CURRENCY", (0, 0), (None, None)),
        ("INDEX", (0, 0), (None, None)),
        ("INDEX", (0, 12), (0, 12)),
        ("EQUITY", (0, 0), (0, 0)),
        ("EQUITY", (None, -3), (None, None)),
        ("CRYPTOCURRENCY", (18_565_664_997, 5), (18_565_664_997, 5)),
    ],
)
def test_volumes_are_kept_where_they_are_counted(kind: str, volumes: tuple[Any, Any], told: tuple[Any, Any]) -> None:
    rows = [flat(at(date(2024, 4, day), OPENING), 10, volume) for day, volume in zip((3, 4), volumes, strict=True)]

    assert tuple(bar.volume for bar in bars(past(rows, instrumentType=kind))) == told


def test_a_fund_with_one_price_a_day_has_days_and_nothing_shorter() -> None:
    fund: Any = {"instrumentType": "MUTUALFUND", "validRanges": ["1mo", "3mo", "6mo", "ytd", "1y", "max"]}
    rows: list[Row] = [(at(date(2024, 4, day), time(8)), 12.34, 12.34, 12.34, 12.34, 0) for day in (3, 4)]

    days = read(past(rows, **fund))
    short = read(past(rows, dataGranularity="1d", **fund), MINUTE)

    assert [(bar.close, bar.volume) for bar in days.bars] == [(12.34, None)] * 2
    assert (list(short.bars), short.has_none_so_short, days.has_none_so_short) == ([], True, False)


# --- weeks and months ------------------------------------------------------------------------------------------------


def test_the_newest_day_is_laid_over_its_week_and_its_month() -> None:
    monday, now = at(date(2024, 4, 1), time(0)), at(FRIDAY, time(11, 4)) + 9
    rows: list[Row] = [(monday, 100, 104, 98, 103, 4_000), (now, 103.5, 105, 103, 104.5, 900)]

    for interval in (WEEK, MONTH):
        [bar] = bars(past(rows, regularMarketTime=now), interval)
        assert bar == Bar(monday * 1000, 100, 105, 98, 104.5, 4_900)


def test_the_first_day_of_a_week_that_is_told_twice_counts_once() -> None:
    monday = date(2024, 4, 1)
    now = at(monday, time(11, 4)) + 9
    rows: list[Row] = [(at(monday, time(0)), 100, 104, 98, 103, 900), (now, 100, 104, 98, 103, 900)]

    assert [bar.volume for bar in bars(past(rows, regularMarketTime=now), WEEK)] == [900]


def test_a_new_week_begins_at_its_midnight_though_only_the_last_trade_is_told_of_it() -> None:
    now = at(date(2024, 4, 2), time(11, 4)) + 9
    rows = [flat(at(date(2024, 3, 25), time(0)), 100), flat(now, 101)]

    assert times(bars(past(rows, regularMarketTime=now), WEEK)) == ["25 00:00", "01 00:00"]


# --- within a day ----------------------------------------------------------------------------------------------------


def test_minutes_at_a_change_of_the_clocks_are_none_twice() -> None:
    sunday = date(2024, 11, 3)  # 1:30 comes twice on it
    first = at(sunday, time(0))
    rows = [flat(first + 1800 * number, 10) for number in range(8)]
    coin: Any = {"instrumentType": "CRYPTOCURRENCY", "currentTradingPeriod": {"regular": period(first, first + 86_340)}}

    found = bars(past(rows, **coin), BarInterval.HALF_HOUR)

    assert [bar.time for bar in found] == [(first + 1800 * number) * 1000 for number in range(8)]


def test_the_price_of_the_close_that_stands_as_a_row_of_its_own_is_no_bar_of_the_session() -> None:
    rows = [*minutes(time(15, 58), time(15, 59)), flat(at(FRIDAY, CLOSING), 101, 0)]

    assert times(bars(past(rows), MINUTE)) == ["05 15:58", "05 15:59"]


def test_a_lone_close_of_the_next_day_is_none_either() -> None:
    thursday = date(2024, 4, 4)
    periods = [[periods_of(day)["regular"]] for day in (thursday, FRIDAY)]
    rows = [*minutes(time(15, 59), day=thursday), flat(at(FRIDAY, CLOSING), 101, 0)]

    assert times(bars(past(rows, tradingPeriods=periods), MINUTE)) == ["04 15:59"]


def test_the_price_of_the_close_is_no_late_trade_either_and_a_late_trade_is_one() -> None:
    close = at(FRIDAY, CLOSING)
    rows = minutes(time(15, 59))

    alone: Row = (close, 101, 101, 101, 101, 0)
    assert [bar.market_state for bar in bars(past([*rows, alone]), MINUTE, prepost=True)] == [None]
    late: Row = (close, 101, 101.5, 101, 101, 0)
    states = [bar.market_state for bar in bars(past([*rows, late]), MINUTE, prepost=True)]
    assert states == [None, MarketState.POST]


def test_the_last_trade_is_laid_over_its_bar() -> None:
    now = at(FRIDAY, time(11, 3)) + 27
    rows: list[Row] = [(at(FRIDAY, time(11)), 100, 101, 99.5, 100.5, 800), (now, 102, 102, 99, 99.5, 0)]

    assert bars(past(rows, regularMarketTime=now), FIVE) == [Bar(at(FRIDAY, time(11)) * 1000, 100, 102, 99, 99.5, 800)]


def test_the_last_trade_begins_a_bar_where_there_is_none_of_it_yet() -> None:
    now = at(FRIDAY, time(11, 7)) + 27
    rows = [*minutes(time(10, 55)), flat(now, 102, 0)]

    assert times(bars(past(rows, regularMarketTime=now), FIVE)) == ["05 10:55", "05 11:05"]


def test_an_hour_is_counted_from_the_opening() -> None:
    now = at(FRIDAY, time(10, 40)) + 1
    rows = [*minutes(time(9, 30)), flat(now, 102, 0)]

    assert times(bars(past(rows, regularMarketTime=now), HOUR)) == ["05 09:30", "05 10:30"]


def test_a_bar_after_a_pause_at_noon_stays_where_it_is() -> None:
    assert times(bars(past(minutes(time(9, 30), time(10, 30), time(11, 30), time(13, 0))), HOUR))[-1] == "05 13:00"


def test_early_and_late_bars_are_marked_by_the_hours_of_their_own_day_or_left_out() -> None:
    half_day = date(2024, 7, 3)
    usual = periods_of(FRIDAY)
    early_close = {
        "pre": period(at(half_day, EARLY), at(half_day, OPENING)),
        "regular": period(at(half_day, OPENING), at(half_day, time(13))),
        "post": period(at(half_day, time(13)), at(half_day, time(17))),
    }
    periods = {name: [[usual[name]], [early_close[name]]] for name in usual}
    rows = [
        *minutes(time(8), time(9, 30), time(15, 30), time(16)),
        *minutes(time(8), time(9, 30), time(12, 30), time(15, 30), day=half_day),
    ]
    result = past(rows, tradingPeriods=periods)
    expected = {
        "05 08:00": MarketState.PRE,
        "05 09:30": None,
        "05 15:30": None,
        "05 16:00": MarketState.POST,
        "03 08:00": MarketState.PRE,
        "03 09:30": None,
        "03 12:30": None,
        "03 15:30": MarketState.POST,
    }

    found = bars(result, BarInterval.HALF_HOUR, prepost=True)

    assert dict(zip(times(found), (bar.market_state for bar in found), strict=True)) == expected
    assert times(bars(result, BarInterval.HALF_HOUR)) == [moment for moment, state in expected.items() if state is None]


def test_the_hour_before_the_opening_is_early_though_the_opening_lies_in_it() -> None:
    found = bars(past(minutes(time(8), time(9), time(9, 30), time(16))), HOUR, prepost=True)

    assert [bar.market_state for bar in found] == [MarketState.PRE, MarketState.PRE, None, MarketState.POST]
    assert times(bars(past(minutes(time(8), time(9), time(9, 30), time(16))), HOUR)) == ["05 09:30"]


def test_the_hours_of_days_that_are_not_told_are_those_of_today_by_the_clock() -> None:
    winter = date(2024, 1, 10)  # at 14:30 in Greenwich and not at 13:30
    rows = minutes(time(9), time(9, 30), time(16), day=winter)

    assert times(bars(past(rows, tradingPeriods=None), BarInterval.HALF_HOUR)) == ["10 09:30"]


def test_what_is_traded_day_and_night_has_its_last_minute_and_no_early_ones() -> None:
    midnight = at(FRIDAY, time(0))
    day = period(midnight, midnight + 86_340)
    coin: Any = {
        "instrumentType": "CRYPTOCURRENCY",
        "currentTradingPeriod": {"regular": day},
        "tradingPeriods": [[day]],
    }
    rows = minutes(time(0), time(12), time(23, 59))

    found = bars(past(rows, regularMarketTime=midnight, **coin), MINUTE, prepost=True)

    assert [bar.market_state for bar in found] == [None, None, None]


# --- answers that are none -------------------------------------------------------------------------------------------


def test_an_answer_without_timestamps_is_an_empty_list() -> None:
    told = read({"meta": past([])["meta"], "indicators": {"quote": [{}], "adjclose": [{}]}})

    assert (list(told.bars), told.factors, told.zone) == ([], None, "America/New_York")


@pytest.mark.parametrize(
    "change",
    [
        {"timestamp": "soon"},
        {"timestamp": [None, "x", 1.5, True, 10**15]},
        {"indicators": None},
        {"indicators": {"quote": []}},
        {"indicators": {"quote": [{"close": "high"}]}},
        {"events": [1], "indicators": {"quote": [None], "adjclose": [None]}},
    ],
)
def test_rows_that_are_garbled_are_no_bars_and_no_crash(change: Any) -> None:
    assert bars({**past([flat(at(FRIDAY, OPENING), 100)]), **change}) == []


def test_columns_that_are_too_short_have_no_rows_for_the_rest() -> None:
    result = past([flat(at(date(2024, 4, day), OPENING), 100) for day in (3, 4)])
    for column in ("close", "volume"):
        del result["indicators"]["quote"][0][column][1:]

    assert times(bars(result)) == ["03 09:30"]


@pytest.mark.parametrize("name", ["Nowhere/At_All", "../../etc/passwd", "", None, 5])
def test_a_zone_that_there_is_not_is_none(name: Any) -> None:
    assert read(past([], exchangeTimezoneName=name)).zone is None


@pytest.mark.parametrize("wrong", [None, [], {"chart": None}, {"chart": {"result": None, "error": None}}, "no"])
def test_what_is_no_chart_is_a_failure(wrong: Any) -> None:
    with pytest.raises(ProviderError):
        read_bars(wrong, DAY, *EVER, prepost=False)


def test_an_empty_result_is_a_failure_and_no_empty_past() -> None:
    with pytest.raises(NothingThere):
        read_bars(in_envelope("chart", []), DAY, *EVER, prepost=False)


# --- what is asked ---------------------------------------------------------------------------------------------------


def test_a_question_names_its_stretch_in_seconds_and_asks_for_early_bars_only_within_days() -> None:
    assert query_of(MINUTE, 1_999, 5_001, prepost=True) == {
        "period1": "1",
        "period2": "6",
        "interval": "1m",
        "includePrePost": "true",
        "events": "div,splits",
    }
    assert query_of(DAY, 0, 1_000, prepost=True)["includePrePost"] == "false"
    assert query_of(DAY, -2_208_988_800_000, 0, prepost=False)["period1"] == "-2208988800"


def test_weeks_and_months_are_asked_for_from_the_one_before() -> None:
    wednesday = round(datetime(2024, 4, 3, 15, tzinfo=UTC).timestamp() * 1000)

    asked = [
        datetime.fromtimestamp(int(query_of(each, wednesday, wednesday, prepost=False)["period1"]), UTC).date()
        for each in (WEEK, MONTH)
    ]

    assert asked == [date(2024, 3, 25), date(2024, 3, 1)]


# --- the source ------------------------------------------------------------------------------------------------------


@pytest.fixture
async def stub(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[YahooStub]:
    async with running_yahoo_stub() as running:
        send_yahoo_to(running.url, monkeypatch)
        yield running


@pytest.fixture
async def yahoo(stub: YahooStub, tmp_path: Path) -> AsyncIterator[YahooProvider]:
    provider = YahooProvider(timeout_seconds=10, cache_dir=tmp_path, clock=ManualClock(NOW_MS))
    await provider.start()
    yield provider
    await provider.close()


async def test_bars_are_one_request_without_a_crumb_for_what_is_asked(stub: YahooStub, yahoo: YahooProvider) -> None:
    stub.histories["ACME"] = charts_of_a_share()

    told = await yahoo.bars("ACME", DAY, NOW_MS - 30 * DAY_MS, NOW_MS, prepost=False)

    assert told is not None
    assert len(told.bars) == 22
    assert [(asked["interval"], asked["period1"]) for asked in stub.history_requests] == [
        ("1d", str((NOW_MS - 30 * DAY_MS) // 1000))
    ]
    assert stub.handshakes == 0


async def test_all_splits_are_one_request(stub: YahooStub, yahoo: YahooProvider) -> None:
    stub.histories["ACME"] = charts_of_a_share(splits={1_710_509_400: (1, 20), 1_650_000_000: (4, 1)})

    assert await yahoo.splits("ACME") == [Split(1_650_000_000_000, 4.0), Split(1_710_509_400_000, 0.05)]
    assert await yahoo.splits("NOSUCH") is None
    assert [asked["events"] for asked in stub.history_requests] == ["split", "split"]


async def test_a_stretch_before_the_first_trade_is_an_empty_list(stub: YahooStub, yahoo: YahooProvider) -> None:
    stub.histories["ACME"] = {"1d": past([flat(at(date(2024, 4, day), OPENING), 100) for day in (3, 4)])}

    before = await yahoo.bars("ACME", DAY, NOW_MS - 60 * DAY_MS, NOW_MS - 30 * DAY_MS, prepost=False)
    within = await yahoo.bars("ACME", DAY, NOW_MS - 60 * DAY_MS, NOW_MS, prepost=False)

    assert before == SourceBars(provider="yahoo", bars=())
    assert within is not None
    assert len(within.bars) == 2, "listed last week"


TOO_OLD = (
    "1m data not available for startTime=1704067200 and endTime=1704153600. "
    "The requested range must be within the last 30 days."
)


async def test_bars_that_yahoo_does_not_have_for_so_long_are_no_outage(stub: YahooStub, yahoo: YahooProvider) -> None:
    body = json.dumps(in_envelope("chart", None, {"code": "Unprocessable Entity", "description": TOO_OLD})).encode()
    stub.fail("chart", 422, body)

    with pytest.raises(CommandError) as caught:
        await yahoo.bars("ACME", MINUTE, NOW_MS - 7 * DAY_MS, NOW_MS, prepost=False)

    assert caught.value.reason is Reason.RANGE_LIMIT
    assert "1m bars of ACME" in caught.value.message
    assert "within the last 30 days" in caught.value.message


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (400, b'{"chart":{"result":null,"error":{"code":"Bad Request","description":"No."}}}', Reason.PROVIDER_ERROR),
        (422, b"<html>", Reason.PROVIDER_ERROR),
        (400, b"[" * 100_000, Reason.PROVIDER_ERROR),
        (404, b"<html>", Reason.PROVIDER_ERROR),
        (429, b"Too Many Requests", Reason.PROVIDER_BLOCKED),
        (500, b"", Reason.PROVIDER_ERROR),
        (200, b"<html>", Reason.PROVIDER_ERROR),
        (200, b'{"chart":{"result":[{"meta":', Reason.PROVIDER_ERROR),
        (200, b'{"chart":{"result":[],"error":null}}', Reason.PROVIDER_ERROR),
    ],
)
async def test_a_failure_is_told_and_is_no_empty_past(
    stub: YahooStub, yahoo: YahooProvider, status: int, body: bytes, reason: Reason
) -> None:
    stub.histories["ACME"] = charts_of_a_share()
    stub.fail("chart", status, body, times=2)

    for question in (yahoo.bars("ACME", DAY, NOW_MS - DAY_MS, NOW_MS, prepost=False), yahoo.splits("ACME")):
        with pytest.raises(ProviderError) as caught:
            await question
        assert caught.value.reason is reason


async def test_a_share_without_a_past_of_its_own_has_no_hours_either(stub: YahooStub, yahoo: YahooProvider) -> None:
    stub.histories["ACME"] = {"1d": chart("ACME", currentTradingPeriod=None)}

    told = await yahoo.bars("ACME", DAY, 0, NOW_MS, prepost=False)

    assert told is not None
    assert (told.day, len(told.bars)) == (None, 1)


def test_its_limits_are_those_that_yahoo_keeps() -> None:
    assert {str(interval): limit.days_back for interval, limit in BAR_LIMITS.items()} == {
        "1m": 30,
        "2m": 60,
        "5m": 60,
        "15m": 60,
        "30m": 60,
        "1h": 730,
        "1d": None,
        "1wk": None,
        "1mo": None,
    }
    assert BAR_LIMITS[MINUTE].days_a_request == 7
