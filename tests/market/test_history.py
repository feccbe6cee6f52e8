import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from fakes import NOW_MS, House, ScriptedProvider, a_house
from scripted_past import ZONE, ScriptedPast, a_bar, at, daily, day_starts, hours_of, minutes
from stocktrack.bars import DAY_MS, MINUTE_MS, Adjust, Bar, BarInterval, Split, gathered
from stocktrack.clock import ManualClock
from stocktrack.errors import CommandError, ProviderError, Reason, StockTrackError, StorageError
from stocktrack.market.archive import CLOSED_SECONDS, LIVE_SECONDS, LIVE_SECONDS_OF_MINUTES, MOST_REQUESTS
from stocktrack.market.history import FoundBars
from stocktrack.messages import History
from stocktrack.providers.base import BarLimit, SourceBars
from stocktrack.quotes import MarketState

# NOW_MS is Friday, 5 April 2024, 11:45 in New York.
TODAY = "2024-04-05"
WEEK = ("2024-04-01", "2024-04-02", "2024-04-03", "2024-04-04", TODAY)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with a_house() as built:
        yield built


@pytest.fixture
def past(house: House) -> ScriptedPast:
    assert isinstance(house.provider, ScriptedProvider)
    house.provider.past = ScriptedPast(
        days={"AAPL": daily("2024-03-27", "2024-03-28", *WEEK)},
        intraday={
            "AAPL": [
                *minutes("2024-04-04"),
                *minutes("2024-04-04", start="16:00", count=30),
                *minutes(TODAY, start="09:00", count=30),
                *minutes(TODAY, count=135),
            ]
        },
        hours=hours_of(TODAY),
        last_trade_at=NOW_MS,
    )
    return house.provider.past


async def ask(house: House, symbol: str = "AAPL", **fields: Any) -> FoundBars:
    return await house.feed.questions.history.find(History(symbol=symbol, **fields))


async def refusal(house: House, symbol: str = "AAPL", **fields: Any) -> StockTrackError:
    with pytest.raises(StockTrackError) as caught:
        await ask(house, symbol, **fields)
    return caught.value


async def later(house: House, seconds: float) -> None:
    """Go on so many seconds later, without each of the polls that a feed makes in hours."""
    house.clock.stand_still(seconds)
    await house.clock.advance(0)


class Recorded:
    """What a server saw itself."""

    def __init__(self, *bars: Bar, error: StockTrackError | None = None) -> None:
        self._bars, self._error = bars, error

    async def minutes(self, symbol: str, start: int, end: int) -> Sequence[Bar]:
        if self._error is not None:
            raise self._error
        return [bar for bar in self._bars if start <= bar.time < end]


# --- which bars --------------------------------------------------------------------------------------------------


async def test_a_range_of_days_is_the_days_of_the_calendar(house: House, past: ScriptedPast) -> None:
    found = await ask(house, range="1mo")
    assert day_starts(found.bars) == ["2024-03-27", "2024-03-28", *WEEK]
    assert (found.interval, found.adjust) == (BarInterval.DAY, Adjust.SPLITS)
    assert (found.timezone, found.currency, found.provider) == ("America/New_York", "USD", "scripted")


async def test_without_anything_it_is_a_month_of_days(house: House, past: ScriptedPast) -> None:
    assert (await ask(house)).bars == (await ask(house, range="1mo", interval="1d")).bars


@pytest.mark.parametrize(
    ("asked", "days"),
    [
        ("1mo", ["2024-03-05", TODAY]),
        ("6mo", ["2023-10-05", "2024-01-02", "2024-03-05", TODAY]),
        ("ytd", ["2024-01-02", "2024-03-05", TODAY]),
        ("1y", ["2023-04-05", "2023-10-05", "2024-01-02", "2024-03-05", TODAY]),
        ("max", ["1962-01-02", "2023-04-04", "2023-04-05", "2023-10-05", "2024-01-02", "2024-03-05", TODAY]),
    ],
)
async def test_a_range_begins_so_far_back_to_the_day(
    house: House, past: ScriptedPast, asked: str, days: Sequence[str]
) -> None:
    every = ("1962-01-02", "2023-04-04", "2023-04-05", "2023-10-05", "2024-01-02", "2024-03-05", TODAY)
    past.days["AAPL"] = daily(*every)
    assert day_starts((await ask(house, range=asked, interval="1d")).bars) == days


async def test_today_is_the_current_session_and_before_it_opens_the_last_one(house: House, past: ScriptedPast) -> None:
    today = await ask(house, range="1d")
    assert (today.bars[0].time, len(today.bars)) == (at(f"{TODAY} 09:30"), 135)
    past.intraday["AAPL"] = minutes("2024-04-04")
    await house.clock.advance(LIVE_SECONDS_OF_MINUTES)
    yesterday = await ask(house, range="1d")
    assert (yesterday.bars[0].time, len(yesterday.bars)) == (at("2024-04-04 09:30"), 390)


async def test_with_what_lies_before_and_after_it_says_so_and_without_there_is_none(
    house: House, past: ScriptedPast
) -> None:
    found = await ask(house, range="1d", prepost=True)
    assert (found.bars[0].time, found.bars[0].market_state) == (at(f"{TODAY} 09:00"), MarketState.PRE)
    assert [bar.market_state for bar in found.bars].count(None) == 135
    assert {bar.market_state for bar in (await ask(house, range="5d", interval="1m")).bars} == {None}


async def test_after_a_long_holiday_today_is_the_last_session_before_it(house: House, past: ScriptedPast) -> None:
    past.intraday["AAPL"] = minutes("2024-03-20")
    found = await ask(house, range="1d")
    assert (found.bars[0].time, len(found.bars)) == (at("2024-03-20 09:30"), 390)


async def test_what_is_traded_day_and_night_has_24_hours(house: House, past: ScriptedPast) -> None:
    begins = NOW_MS - 2 * DAY_MS
    past.intraday["BTC-USD"] = [a_bar(begins + number * MINUTE_MS) for number in range(2 * 1_440)]
    past.hours = None
    found = await ask(house, "BTC-USD", range="1d", interval="1m")
    assert len(found.bars) == 1_440
    assert found.bars[-1].time - found.bars[0].time == DAY_MS - MINUTE_MS


async def test_what_opens_on_a_sunday_evening_goes_on_over_its_midnight(house: House, past: ScriptedPast) -> None:
    begins = at("2024-04-07 17:00")  # a Sunday
    await later(house, (at("2024-04-08 00:05") - house.clock.now_ms()) / 1000)
    past.intraday["EURUSD=X"] = [a_bar(begins + number * MINUTE_MS, volume=None) for number in range(7 * 60 + 5)]
    past.hours = None
    found = await ask(house, "EURUSD=X", range="1d")
    assert (found.bars[0].time, len(found.bars)) == (begins, 7 * 60 + 5)


async def test_five_days_are_the_last_five_of_the_market(house: House, past: ScriptedPast) -> None:
    days = ("2024-03-27", "2024-03-28", *WEEK)
    past.intraday["AAPL"] = [bar for day in days for bar in minutes(day, count=30)]
    found = await ask(house, range="5d")
    assert sorted(set(day_starts(found.bars))) == [*WEEK]
    assert len(found.bars) == 5 * 2  # of 15 minutes


async def test_what_was_not_traded_for_years_ends_with_its_last_trade(house: House, past: ScriptedPast) -> None:
    past.days["GONE"], past.last_trade_at = daily("2019-05-29", "2019-05-30", "2019-05-31"), at("2019-05-31 16:00")
    assert day_starts((await ask(house, "GONE", range="1mo")).bars) == ["2019-05-29", "2019-05-30", "2019-05-31"]


async def test_a_start_and_an_end_that_are_days_are_these_days_of_the_exchange(
    house: House, past: ScriptedPast
) -> None:
    found = await ask(house, start=date(2024, 4, 2), end=date(2024, 4, 4))
    assert day_starts(found.bars) == ["2024-04-02", "2024-04-03", "2024-04-04"]
    night = await ask(house, start=date(2024, 4, 4), end=date(2024, 4, 4), interval="1m", prepost=True)
    assert (night.bars[0].time, len(night.bars)) == (at("2024-04-04 09:30"), 420)


async def test_a_start_and_an_end_to_the_millisecond_are_the_first_and_the_last_bar(
    house: House, past: ScriptedPast
) -> None:
    first, last = at(f"{TODAY} 09:40"), at(f"{TODAY} 09:45")
    found = await ask(house, start=first, end=last, interval="1m")
    assert [bar.time for bar in found.bars] == list(range(first, last + 1, MINUTE_MS))
    after = await ask(house, start=last + 1, interval="1m")
    assert after.bars[0].time == last + MINUTE_MS


async def test_an_end_in_the_future_is_now(house: House, past: ScriptedPast) -> None:
    assert day_starts((await ask(house, start=date(2024, 4, 4), end=date(2030, 1, 1))).bars) == ["2024-04-04", TODAY]


async def test_a_symbol_that_was_listed_this_week_has_the_bars_since(house: House, past: ScriptedPast) -> None:
    past.days["NEWCO"] = daily("2024-04-03", "2024-04-04", TODAY)
    assert len((await ask(house, "NEWCO", range="5y", interval="1d")).bars) == 3


async def test_weeks_and_months_begin_with_theirs(house: House, past: ScriptedPast) -> None:
    weeks = await ask(house, range="1mo", interval="1wk")
    assert [bar.volume for bar in weeks.bars] == [2_000, 5_000]
    assert weeks.bars[-1].live


async def test_a_currency_pair_has_no_volume(house: House, past: ScriptedPast) -> None:
    past.days["EURUSD=X"] = [replace(bar, volume=None) for bar in daily(*WEEK)]
    assert {bar.volume for bar in (await ask(house, "EURUSD=X", range="1mo")).bars} == {None}


async def test_the_bars_around_a_change_of_the_clocks_are_all_there(house: House, past: ScriptedPast) -> None:
    days = ("2024-03-08", "2024-03-11")  # New York changed in between
    past.days["AAPL"] = daily(*days)
    past.intraday["AAPL"] = [bar for day in days for bar in minutes(day)]
    assert day_starts((await ask(house, start=date(2024, 3, 8), end=date(2024, 3, 11))).bars) == [*days]
    hours = await ask(house, start=date(2024, 3, 8), end=date(2024, 3, 11), interval="30m")
    assert [bar.time for bar in hours.bars[::13]] == [at("2024-03-08 09:30"), at("2024-03-11 09:30")]


# --- what changes still ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("interval", "is_live"), [("1m", False), ("5m", False), ("1h", True), ("1d", True)])
async def test_the_last_bar_is_live_while_it_changes(
    house: House, past: ScriptedPast, interval: str, is_live: bool
) -> None:
    found = await ask(house, range="1d", interval=interval)
    assert [bar.live for bar in found.bars[:-1]] == [None] * (len(found.bars) - 1)
    assert found.bars[-1].live is (True if is_live else None)


async def test_after_the_close_no_bar_of_the_day_is_live(house: House, past: ScriptedPast) -> None:
    await later(house, 6 * 3_600)
    assert (await ask(house, range="1mo")).bars[-1].live is None
    assert (await ask(house, range="1d", interval="1h")).bars[-1].live is None


async def test_todays_bar_is_over_also_where_the_source_tells_tomorrows_hours_in_the_evening(
    house: House, past: ScriptedPast
) -> None:
    await later(house, 9 * 3_600)
    past.hours = hours_of("2024-04-08")
    assert (await ask(house, range="1mo")).bars[-1].live is None


# --- asked for once ----------------------------------------------------------------------------------------------


async def test_a_past_day_is_asked_for_once_whatever_is_asked(house: House, past: ScriptedPast) -> None:
    await ask(house, start=date(2024, 4, 1), end=date(2024, 4, 3))
    questions: Sequence[dict[str, Any]] = (
        {"start": date(2024, 4, 1), "end": date(2024, 4, 3)},
        {"start": date(2024, 4, 2), "end": date(2024, 4, 2)},
        {"start": at("2024-04-02 09:30"), "end": at("2024-04-03 09:30")},
        {"start": date(2024, 4, 1), "end": date(2024, 4, 3), "adjust": "all"},
    )
    for question in questions:
        await ask(house, **question)
    assert len(past.requests(BarInterval.DAY)) == 1


async def test_today_is_asked_for_again_after_a_while_and_the_past_with_it_is_not(
    house: House, past: ScriptedPast
) -> None:
    await ask(house, range="5d", interval="1m")
    await ask(house, range="5d", interval="1m")
    assert len(past.requests(BarInterval.ONE_MINUTE)) == 2  # seven days, and the rest
    await house.clock.advance(LIVE_SECONDS_OF_MINUTES)
    await ask(house, range="5d", interval="1m")
    start, end = past.requests(BarInterval.ONE_MINUTE)[-1]
    assert end - start < DAY_MS
    assert start <= at(f"{TODAY} 00:00") < end


async def test_longer_ranges_ask_for_what_is_missing_of_them(house: House, past: ScriptedPast) -> None:
    await ask(house, range="1mo")
    await ask(house, range="1y")
    first, second = past.requests(BarInterval.DAY)
    assert second[1] <= first[0] + 1
    await ask(house, range="6mo")
    assert len(past.requests(BarInterval.DAY)) == 2


async def test_in_a_closed_market_nothing_is_asked_for_every_minute(house: House, past: ScriptedPast) -> None:
    await later(house, 12 * 3_600)
    for _ in range(10):
        await ask(house, range="1mo")
        await house.clock.advance(60)
    assert len(past.requests(BarInterval.DAY)) == 1
    await later(house, CLOSED_SECONDS)
    await ask(house, range="1mo")
    assert len(past.requests(BarInterval.DAY)) == 2


async def test_what_is_said_of_a_running_minute_holds_only_until_it_is_over(house: House, past: ScriptedPast) -> None:
    await house.clock.advance(50)
    asked = []
    for _ in range(3):
        await ask(house, range="1d", interval="1m")
        asked.append(len(past.requests(BarInterval.ONE_MINUTE)))
        await house.clock.advance(6)
    assert asked[1] == asked[0]
    assert asked[2] > asked[1]


async def test_a_hundred_who_ask_at_once_are_one_request(house: House, past: ScriptedPast) -> None:
    found = await asyncio.gather(*(ask(house, range="1mo") for _ in range(100)))
    assert len({len(each.bars) for each in found}) == 1
    assert len(past.requests(BarInterval.DAY)) == 1


async def test_one_who_goes_away_takes_nothing_from_the_others(house: House, past: ScriptedPast) -> None:
    assert isinstance(house.provider, ScriptedProvider)
    house.provider.script = "slow"
    first = asyncio.create_task(ask(house, range="1mo"))
    second = asyncio.create_task(ask(house, range="1mo"))
    await house.clock.advance(0.1)
    first.cancel()
    await house.clock.advance(10)
    assert len((await second).bars) == 7


async def test_what_is_asked_for_is_no_more_than_a_request_may_be(house: House, past: ScriptedPast) -> None:
    await ask(house, range="max", interval="1m")
    asked = past.requests(BarInterval.ONE_MINUTE)
    assert len(asked) == 5
    assert all(end - start <= 7 * DAY_MS for start, end in asked)


async def test_a_split_while_the_server_runs_has_the_past_asked_for_again(house: House, past: ScriptedPast) -> None:
    before = await ask(house, range="1mo")
    past.days["AAPL"] = [
        replace(bar, open=bar.open / 4, high=bar.high / 4, low=bar.low / 4, close=bar.close / 4)
        for bar in past.days["AAPL"]
    ]
    past.all_splits["AAPL"] = [Split(at(f"{TODAY} 09:30"), 4.0)]
    await house.clock.advance(LIVE_SECONDS)
    after = await ask(house, range="1mo")
    assert [bar.close for bar in after.bars] == [bar.close / 4 for bar in before.bars]


# --- adjusted ----------------------------------------------------------------------------------------------------


async def test_a_reverse_split_inside_the_range_is_taken_back_for_prices_as_they_were(
    house: House, past: ScriptedPast
) -> None:
    past.days["AAPL"] = [a_bar(at(f"{day} 09:30"), 200.0, volume=50) for day in WEEK]
    past.all_splits["AAPL"] = [Split(at("2024-04-03 09:30"), 0.05)]  # one share for twenty
    corrected = await ask(house, range="1mo")
    assert [bar.open for bar in corrected.bars] == [200.0] * 5
    as_traded = await ask(house, range="1mo", adjust="none")
    assert [bar.open for bar in as_traded.bars] == [10.0, 10.0, 200.0, 200.0, 200.0]
    assert [bar.volume for bar in as_traded.bars] == [1_000, 1_000, 50, 50, 50]
    assert as_traded.adjust is Adjust.NONE


async def test_the_early_hours_of_the_day_of_a_split_are_after_it(house: House, past: ScriptedPast) -> None:
    past.all_splits["AAPL"] = [Split(at(f"{TODAY} 09:30"), 4.0)]
    found = await ask(house, range="5d", interval="1m", adjust="none", prepost=True)
    assert {round(bar.open) for bar in found.bars if bar.time < at(f"{TODAY} 00:00")} <= set(range(400, 418))
    assert all(bar.open < 110 for bar in found.bars if bar.time >= at(f"{TODAY} 00:00"))


async def test_a_split_after_the_days_that_are_asked_for_counts_too(house: House, past: ScriptedPast) -> None:
    past.all_splits["AAPL"] = [Split(at("2024-04-04 09:30"), 2.0), Split(at("2024-04-05 09:30"), 3.0)]
    found = await ask(house, start=date(2024, 4, 2), end=date(2024, 4, 3), adjust="none")
    corrected = await ask(house, start=date(2024, 4, 2), end=date(2024, 4, 3))
    assert [bar.close for bar in found.bars] == [pytest.approx(bar.close * 6) for bar in corrected.bars]


async def test_dividends_are_counted_in_where_that_is_wanted(house: House, past: ScriptedPast) -> None:
    past.factors = {at(f"{day} 09:30"): 0.98 for day in ("2024-04-01", "2024-04-02")}
    plain = await ask(house, range="1mo")
    found = await ask(house, range="1mo", adjust="all")
    by_day = dict(zip(day_starts(found.bars), zip(found.bars, plain.bars, strict=True), strict=True))
    for day, (adjusted, bar) in by_day.items():
        factor = 0.98 if day in {"2024-04-01", "2024-04-02"} else 1.0
        assert adjusted.close == pytest.approx(bar.close * factor)
        assert adjusted.volume == bar.volume


async def test_minutes_have_the_factor_of_their_day(house: House, past: ScriptedPast) -> None:
    past.factors = {at("2024-04-04 09:30"): 0.5}
    plain = await ask(house, range="5d", interval="1m")
    found = await ask(house, range="5d", interval="1m", adjust="all")
    for bar, adjusted in zip(plain.bars, found.bars, strict=True):
        factor = 0.5 if bar.time < at(f"{TODAY} 00:00") else 1.0
        assert adjusted.open == pytest.approx(bar.open * factor)


# --- bad questions -----------------------------------------------------------------------------------------------


async def test_an_unknown_symbol_is_a_404(house: House, past: ScriptedPast) -> None:
    assert (await refusal(house, "NOPE", range="1mo")).reason is Reason.UNKNOWN_SYMBOL


async def test_a_known_symbol_without_a_past_says_so(house: House, past: ScriptedPast) -> None:
    assert (await refusal(house, "MSFT", range="1mo")).reason is Reason.NO_HISTORY


async def test_a_range_too_long_names_the_limit_and_what_to_ask(house: House, past: ScriptedPast) -> None:
    why = await refusal(house, range="1y", interval="1m")
    assert (why.code, why.reason) == (400, Reason.RANGE_LIMIT)
    assert why.message == (
        "Scripted has no 1-minute bars older than 30 days: ask for the interval 1d, or for a start of 2024-03-07 or "
        "later."
    )
    assert past.asked == []
    assert (await refusal(house, start=date(2024, 2, 20), interval="1m")).message.count("interval 2m")
    assert len((await ask(house, start=date(2024, 3, 7), interval="1m")).bars) == 525  # what it names is right


async def test_an_interval_that_no_source_has_says_what_there_is(house: House, past: ScriptedPast) -> None:
    past.limits = {BarInterval.DAY: BarLimit(), BarInterval.WEEK: BarLimit()}
    why = await refusal(house, range="5d")
    assert (why.reason, why.message) == (
        Reason.RANGE_LIMIT,
        "Scripted has no 15-minute bars: ask for the interval 1d.",
    )


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"start": date(2024, 4, 5), "end": date(2024, 4, 3)}, "start' 2024-04-05 lies after the 'end' 2024-04-03"),
        ({"start": NOW_MS, "end": NOW_MS - 1}, "lies after the 'end'"),
        ({"start": date(2024, 4, 8)}, "start' 2024-04-08 lies in the future"),
        ({"start": NOW_MS + 1}, "lies in the future"),
    ],
)
async def test_a_stretch_that_makes_no_sense_is_a_400_that_names_it(
    house: House, past: ScriptedPast, fields: dict[str, Any], what: str
) -> None:
    why = await refusal(house, **fields)
    assert (why.code, why.reason) == (400, Reason.INVALID_COMMAND)
    assert what in why.message


async def test_a_weekend_and_a_holiday_name_the_last_day_before(house: House, past: ScriptedPast) -> None:
    why = await refusal(house, start=date(2024, 3, 29), end=date(2024, 3, 31))  # Good Friday and its weekend
    assert why.reason is Reason.NO_HISTORY
    assert "from 2024-03-29 to 2024-03-31" in why.message
    assert "The last day before that has some is 2024-03-28." in why.message
    one = await refusal(house, start=date(2024, 3, 30), end=date(2024, 3, 30), interval="5m")
    assert "on 2024-03-30" in one.message
    assert "2024-03-28" in one.message


async def test_a_fund_with_one_price_a_day_says_so(house: House, past: ScriptedPast) -> None:
    past.days["VFIAX"], past.has_none_so_short = daily(*WEEK), True
    why = await refusal(house, "VFIAX", range="1d")
    assert (why.reason, why.message) == (
        Reason.RANGE_LIMIT,
        "There are no 1-minute bars of VFIAX, which is priced once a day: ask for the interval 1d.",
    )
    assert len((await ask(house, "VFIAX", range="1mo")).bars) == 5


async def test_a_source_that_fails_is_a_500_and_is_left_alone_for_a_while(house: House, past: ScriptedPast) -> None:
    past.failure = ProviderError(Reason.PROVIDER_ERROR, "It is out of order.")
    for _ in range(5):
        assert (await refusal(house, range="1mo")).reason is Reason.PROVIDER_ERROR
    assert len(past.asked) == 1
    past.failure = None
    await house.clock.advance(60)
    assert len((await ask(house, range="1mo")).bars) == 7


async def test_a_source_that_hangs_is_a_500_in_time(house: House, past: ScriptedPast) -> None:
    assert isinstance(house.provider, ScriptedProvider)
    house.provider.script = "hang"
    asked = asyncio.create_task(ask(house, range="1mo"))
    await house.clock.advance(12)
    with pytest.raises(ProviderError) as caught:
        await asked
    assert caught.value.reason is Reason.PROVIDER_TIMEOUT


async def test_while_a_source_fails_what_is_known_is_told_and_said_to_be_stale(
    house: House, past: ScriptedPast
) -> None:
    before = await ask(house, range="1mo")
    assert before.stale_reason is None
    past.failure = ProviderError(Reason.PROVIDER_BLOCKED, "429")
    await house.clock.advance(LIVE_SECONDS)
    after = await ask(house, range="1mo")
    assert (len(after.bars), after.stale_reason) == (7, Reason.PROVIDER_BLOCKED)


async def test_bars_that_cannot_be_are_a_mistake_of_the_source(house: House, past: ScriptedPast) -> None:
    good = past.days["AAPL"]
    for bad in (
        [good[1], good[0]],
        [good[0], good[0]],
        [replace(good[0], high=good[0].low - 1)],
        [replace(good[0], close=float("nan"))],
    ):
        past.days["BAD"] = bad
        assert (await refusal(house, "BAD", range="1mo")).reason is Reason.PROVIDER_ERROR
        await later(house, 600)


class Poor:
    """Somebody who has no request left."""

    def pay(self, requests: int) -> float:
        return 3.0


async def test_what_is_not_known_is_paid_for_and_what_is_known_costs_nothing(house: House, past: ScriptedPast) -> None:
    history = house.feed.questions.history
    with pytest.raises(CommandError) as caught:
        await history.find(History(symbol="AAPL", range="1mo"), Poor())
    assert (caught.value.reason, caught.value.retry_after_ms) == (Reason.RATE_LIMITED, 3_000)
    await ask(house, range="1mo")
    assert len((await history.find(History(symbol="AAPL", range="1mo"), Poor())).bars) == 7


class TickingClock(ManualClock):
    """A clock that moves on a little whenever it is read, as every real one does."""

    def now_ms(self) -> int:
        self.stand_still(0.003)
        return super().now_ms()


async def test_time_that_passes_while_it_is_asked_changes_nothing(past: ScriptedPast) -> None:
    async with a_house(make_clock=TickingClock) as house:
        assert isinstance(house.provider, ScriptedProvider)
        house.provider.past = past
        for _ in range(3):
            assert len((await ask(house, range="max", interval="1m")).bars) == 525
            assert len((await ask(house, range="1y")).bars) == 7
        assert (await ask(house, range="max", interval="1m")).stale_reason is None
        assert len(past.requests(BarInterval.DAY)) == 1
        assert len(past.requests(BarInterval.ONE_MINUTE)) == 5


async def test_the_oldest_come_where_not_all_are_wanted_at_once(house: House, past: ScriptedPast) -> None:
    history = house.feed.questions.history
    found = await history.find(History(symbol="AAPL", range="1mo"), most=3)
    assert (day_starts(found.bars), found.has_more) == (["2024-03-27", "2024-03-28", "2024-04-01"], True)
    assert found.bars[-1].live is None
    found = await history.find(History(symbol="AAPL", start=found.bars[-1].time + 1), most=4)
    assert (day_starts(found.bars), found.has_more) == ([*WEEK[1:]], False)


@pytest.mark.parametrize("now", ["2024-12-31 20:00", "2025-01-01 00:05", "2025-01-01 12:00", "2025-01-02 08:00"])
async def test_on_new_years_day_this_year_is_the_last_one_that_has_a_bar(past: ScriptedPast, now: str) -> None:
    async with a_house(make_clock=lambda _: ManualClock(at(now))) as house:
        assert isinstance(house.provider, ScriptedProvider)
        past.days["AAPL"] = daily("2023-12-29", "2024-01-02", "2024-12-30", "2024-12-31")
        past.hours, past.last_trade_at = hours_of("2024-12-31"), at("2024-12-31 16:00")
        house.provider.past = past
        for interval in ("1d", "1wk", "1mo"):
            bars = (await ask(house, range="ytd", interval=interval)).bars
            assert (len(bars), bars[-1].close) == (3 if interval == "1d" else 2, 103.1)


async def test_a_source_that_has_minutes_for_ever_is_not_asked_for_all_of_them(
    house: House, past: ScriptedPast
) -> None:
    past.limits = {BarInterval.ONE_MINUTE: BarLimit(days_a_request=7), BarInterval.DAY: BarLimit()}
    assert len((await ask(house, range="max", interval="1m")).bars) == 525
    assert len(past.asked) == MOST_REQUESTS
    error = await refusal(house, start=date(2000, 1, 1), interval="1m")
    assert error.reason is Reason.RANGE_LIMIT
    assert "more than 210 days of 1-minute bars" in error.message
    assert len(past.asked) == MOST_REQUESTS
    assert (await refusal(house, start=date(2000, 1, 3), end=date(2000, 1, 5), interval="1m")).reason is (
        Reason.NO_HISTORY
    )


@dataclass
class MakesOfDays(ScriptedPast):
    """Makes weeks and months of the days that it is asked for, and of no others."""

    def tell(self, symbol: str, interval: BarInterval, start: int, end: int, *, prepost: bool) -> SourceBars:
        days = [bar for bar in self.days[symbol] if start <= bar.time < end]
        return SourceBars(self.name, gathered(days, interval, ZONE), zone="America/New_York")


@pytest.mark.parametrize(("interval", "end"), [("1wk", "2024-04-02"), ("1mo", "2024-02-13")])
async def test_a_week_or_month_of_the_past_is_whole_where_the_end_lies_within_it(
    house: House, interval: str, end: str
) -> None:
    assert isinstance(house.provider, ScriptedProvider)
    days = ("2024-02-01", "2024-02-13", "2024-02-29", "2024-03-28", *WEEK)
    house.provider.past = MakesOfDays(days={"AAPL": daily(*days)})
    house.clock.stand_still(7 * 86_400)
    cut = await ask(house, start=date(2024, 1, 1), end=date.fromisoformat(end), interval=interval)
    assert cut.bars[-1].close == (108.1 if interval == "1wk" else 102.1)
    assert len(cut.bars) == (5 if interval == "1wk" else 1)


async def test_bars_outside_of_what_was_asked_for_are_left_out(house: House, past: ScriptedPast) -> None:
    class TellsMore(ScriptedPast):
        def tell(self, symbol: str, interval: BarInterval, start: int, end: int, *, prepost: bool) -> SourceBars:
            bars = [a_bar(start - DAY_MS), a_bar(start), a_bar(end - 1), a_bar(end), a_bar(end + DAY_MS)]
            return SourceBars(self.name, bars, factors=[0.5, 0.6, 0.7, 0.8, 0.9])

    assert isinstance(house.provider, ScriptedProvider)
    house.provider.past = TellsMore()
    start = NOW_MS - 20 * DAY_MS
    for end in (start + DAY_MS, start + 9 * DAY_MS):
        found = await ask(house, start=start, end=end, interval="1d")
        assert [bar.time for bar in found.bars] == sorted({bar.time for bar in found.bars})
        assert start <= found.bars[0].time <= found.bars[-1].time <= end


def split_ten_for_one(past: ScriptedPast, day: str) -> None:
    past.days["AAPL"] = [
        replace(bar, open=bar.open / 10, high=bar.high / 10, low=bar.low / 10, close=bar.close / 10)
        for bar in past.days["AAPL"]
    ]
    past.days["AAPL"].append(a_bar(at(f"{day} 09:30"), 10.0))
    past.all_splits["AAPL"] = [Split(at(f"{day} 09:30"), 10.0)]
    past.hours = hours_of(day)


@pytest.mark.parametrize("interval", ["1d", "1wk", "1mo"])
async def test_a_past_that_is_asked_for_alone_is_corrected_for_a_split_within_a_day(
    house: House, past: ScriptedPast, interval: str
) -> None:
    stretch: dict[str, Any] = {"start": date(2024, 3, 1), "end": date(2024, 3, 29), "interval": interval}
    before = (await ask(house, **stretch)).bars[0].close
    house.clock.stand_still(3 * 86_400)
    split_ten_for_one(past, "2024-04-08")
    assert (await ask(house, **stretch)).bars[0].close == pytest.approx(before / 10)
    assert (await ask(house, **stretch, adjust="none")).bars[0].close == pytest.approx(before)
    count = len(past.asked)
    await ask(house, **stretch)
    assert len(past.asked) == count


async def test_a_past_is_asked_for_once_while_each_day_is_asked_for_after_the_other(
    house: House, past: ScriptedPast
) -> None:
    await ask(house, range="1y")
    for _ in range(5):
        house.clock.stand_still(0.9 * 86_400)
        await ask(house, range="1y")
    assert [end - start > 5 * DAY_MS for start, end in past.requests(BarInterval.DAY)] == [True, *[False] * 5]


async def test_a_past_that_cannot_be_asked_for_again_is_what_is_known(house: House, past: ScriptedPast) -> None:
    stretch: dict[str, Any] = {"start": date(2024, 3, 1), "end": date(2024, 3, 31), "interval": "1d"}
    before = await ask(house, **stretch)
    house.clock.stand_still(3 * 86_400)
    past.failure = ProviderError(Reason.PROVIDER_TIMEOUT, "Nothing came.")
    after = await ask(house, **stretch)
    assert (after.bars, after.stale_reason) == (before.bars, Reason.PROVIDER_TIMEOUT)


async def test_a_split_of_today_is_known_at_once_to_whoever_wants_prices_as_they_were_traded(
    house: House, past: ScriptedPast
) -> None:
    house.clock.stand_still(2.6 * 86_400)
    past.hours = hours_of("2024-04-08")
    before = (await ask(house, range="1mo", adjust="none")).bars[0].close
    house.clock.stand_still(0.4 * 86_400)
    split_ten_for_one(past, "2024-04-08")
    assert (await ask(house, range="1mo")).bars[0].close == pytest.approx(before / 10)
    assert (await ask(house, range="1mo", adjust="none")).bars[0].close == pytest.approx(before)


# --- what this server saw ----------------------------------------------------------------------------------------


async def test_own_bars_fill_a_gap_and_say_whose_they_are(house: House, past: ScriptedPast) -> None:
    gap = [at(f"{TODAY} 10:0{number}") for number in range(3)]
    past.intraday["AAPL"] = [bar for bar in past.intraday["AAPL"] if bar.time not in gap]
    seen = [a_bar(at(f"{TODAY} 09:59")), *(a_bar(time, 77.0) for time in gap)]
    house.feed.questions.history.own = Recorded(*seen)
    found = await ask(house, range="1d")
    assert len(found.bars) == 135
    assert found.provider == "scripted"
    assert {bar.time: bar.provider for bar in found.bars if bar.provider} == dict.fromkeys(gap, "recorded")
    assert [bar.open for bar in found.bars if bar.time in gap] == [77.0] * 3


async def test_own_bars_serve_where_the_source_fails_or_there_is_none(house: House, past: ScriptedPast) -> None:
    house.feed.questions.history.own = Recorded(*minutes("2024-04-04"), *minutes(TODAY, count=60))
    past.failure = ProviderError(Reason.PROVIDER_TIMEOUT, "Nothing came.")
    found = await ask(house, range="1d", interval="5m")
    assert (len(found.bars), found.provider, found.stale_reason) == (12, "recorded", Reason.PROVIDER_TIMEOUT)
    days = await ask(house, range="5d", interval="1d")
    assert len(days.bars) == 2
    assert days.adjust is Adjust.SPLITS


async def test_own_bars_serve_where_the_source_knows_nothing_of_a_symbols_past_and_are_not_called_stale(
    house: House, past: ScriptedPast
) -> None:
    house.feed.questions.history.own = Recorded(*minutes(TODAY, count=60))
    found = await ask(house, "MSFT", range="1d")
    assert (len(found.bars), found.provider, found.stale_reason) == (60, "recorded", None)


async def test_of_a_fund_with_one_price_a_day_there_are_no_minutes_whatever_was_seen(
    house: House, past: ScriptedPast
) -> None:
    past.days["VFIAX"], past.has_none_so_short = daily(*WEEK), True
    house.feed.questions.history.own = Recorded(*minutes(TODAY, count=1))
    assert (await refusal(house, "VFIAX", range="1d")).reason is Reason.RANGE_LIMIT


async def test_own_bars_reach_further_back_than_the_source(house: House, past: ScriptedPast) -> None:
    house.feed.questions.history.own = Recorded(*minutes("2024-02-20"))
    found = await ask(house, start=date(2024, 2, 20), end=date(2024, 2, 20), interval="1m")
    assert (len(found.bars), found.provider) == (390, "recorded")


async def test_own_bars_from_before_a_split_are_corrected_for_it(house: House, past: ScriptedPast) -> None:
    past.all_splits["AAPL"] = [Split(at("2024-03-15 09:30"), 4.0)]
    house.feed.questions.history.own = Recorded(*minutes("2024-02-20", price=400.0))
    day: dict[str, Any] = {"start": date(2024, 2, 20), "end": date(2024, 2, 20), "interval": "1m"}
    assert (await ask(house, **day)).bars[0].open == 100.0
    assert (await ask(house, **day)).bars[0].volume == 4_000
    assert (await ask(house, **day, adjust="none")).bars[0].open == 400.0


async def test_own_bars_are_whole_and_come_once_where_a_stretch_begins_and_ends_within_them(
    house: House, past: ScriptedPast
) -> None:
    past.intraday = {"AAPL": []}
    house.feed.questions.history.own = Recorded(*minutes(TODAY, count=60))
    whole = (await ask(house, start=at(f"{TODAY} 09:30"), interval="5m")).bars
    assert len(whole) == 12
    # A page goes on after the beginning of the last bar of the page before.
    page = await ask(house, start=whole[3].time + 1, end=at(f"{TODAY} 10:02"), interval="5m")
    assert page.bars == whole[4:7]


async def test_own_bars_that_cannot_be_read_keep_nobody_from_those_of_the_source(
    house: House, past: ScriptedPast
) -> None:
    house.feed.questions.history.own = Recorded(error=StorageError("The disk is gone."))
    assert len((await ask(house, range="1d")).bars) == 135


async def test_a_market_elsewhere_has_its_own_days(house: House, past: ScriptedPast) -> None:
    tokyo = ZoneInfo("Asia/Tokyo")
    begins = at("2024-04-05 09:00", tokyo)
    past.intraday["7203.T"] = [a_bar(begins + number * MINUTE_MS) for number in range(120)]
    found = await ask(house, "7203.T", start=begins, interval="1m")
    assert len(found.bars) == 120
