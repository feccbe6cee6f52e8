"""The archive on a clock that goes on between a question and its answer, as every real one does."""

from collections.abc import AsyncIterator, Mapping

import pytest

from bar_source import MINUTES_BACK, BarProvider
from fakes import NOW_MS, House, a_house
from stocktrack.bars import BarInterval
from stocktrack.errors import CommandError, Reason
from stocktrack.market.history import FoundBars
from stocktrack.messages import History
from stocktrack.providers.base import BarLimit, SourceBars
from stocktrack.wire.lines import command_of


class TakesItsTime(BarProvider):
    """Answers after a tenth of a second, and of minutes no more than eight days at once."""

    @property
    def bar_limits(self) -> Mapping[BarInterval, BarLimit]:
        return {**super().bar_limits, BarInterval.ONE_MINUTE: BarLimit(days_back=MINUTES_BACK, days_a_request=8)}

    async def bars(
        self, symbol: str, interval: BarInterval, start: int, end: int, *, prepost: bool
    ) -> SourceBars | None:
        found = await super().bars(symbol, interval, start, end, prepost=prepost)
        await self._clock.advance(0.1)
        return found


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with a_house(lambda clock: (TakesItsTime(clock),)) as house:
        yield house


async def found(house: House, *, most: int | None = None, **fields: object) -> FoundBars:
    question = command_of("HISTORY", symbol="AAPL", **fields)
    assert isinstance(question, History)
    return await house.feed.questions.history.find(question, most=most)


def requests(house: House) -> int:
    assert isinstance(house.provider, BarProvider)
    return len(house.provider.bar_requests)


async def test_the_present_is_asked_for_once_and_again_when_it_is_not_fresh_any_more(house: House) -> None:
    await found(house, range="1d", interval="5m")
    assert requests(house) == 1
    await found(house, range="1d", interval="5m")
    assert requests(house) == 1
    await house.clock.advance(61)
    await found(house, range="1d", interval="5m")
    assert requests(house) == 2


async def test_what_may_still_change_and_is_not_the_present_is_asked_for_once_a_question(house: House) -> None:
    for number in (1, 2):
        await found(house, start=NOW_MS - 5_400_000, end=NOW_MS - 3_600_000, interval="5m")
        assert requests(house) == number


async def test_the_earliest_bars_of_a_source_are_not_refused_for_the_time_that_asking_takes(house: House) -> None:
    bars = (await found(house, range="max", interval="1m")).bars
    assert requests(house) == 4
    assert NOW_MS - 30 * 86_400_000 <= bars[0].time < NOW_MS - 26 * 86_400_000
    with pytest.raises(CommandError) as refused:
        await found(house, start=NOW_MS - 31 * 86_400_000, interval="1m")
    assert refused.value.reason is Reason.RANGE_LIMIT


async def test_the_oldest_bars_come_where_so_many_are_wanted_and_the_live_one_is_none_of_them(
    house: House,
) -> None:
    whole = await found(house, range="1mo", interval="1d")
    part = await found(house, range="1mo", interval="1d", most=5)
    assert (part.bars, part.has_more) == (whole.bars[:5], True)
    assert whole.bars[-1].live
    assert not whole.has_more
    assert (await found(house, range="1mo", interval="1d", most=len(whole.bars))).bars == whole.bars


@pytest.mark.parametrize(("start", "end"), [("2024-04-02", "2024-04-01"), ("2024-04-05", "2024-03-01")])
async def test_dates_that_end_before_they_begin_are_refused(house: House, start: str, end: str) -> None:
    with pytest.raises(CommandError, match="after the 'end'"):
        await found(house, start=start, end=end)
    assert requests(house) == 0
