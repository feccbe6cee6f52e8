import asyncio
from collections.abc import AsyncIterator
from datetime import date

import pytest

from fakes import House, ScriptedProvider, a_house
from stocktrack.clock import ManualClock, settle
from stocktrack.errors import CommandError, ProviderError, Reason
from stocktrack.market.questions import HOURS_PATIENCE_SECONDS, NEWS_SECONDS
from stocktrack.providers.base import Capability
from stocktrack.quotes import Dividend, TradingDay


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with a_house() as built:
        yield built


@pytest.fixture
def provider(house: House) -> ScriptedProvider:
    assert isinstance(house.provider, ScriptedProvider)
    return house.provider


async def test_news_are_asked_for_once_for_everybody_and_cut_to_the_limit(
    house: House, provider: ScriptedProvider
) -> None:
    lists = await asyncio.gather(*(house.feed.questions.news(limit) for limit in (1, 10, 100)))
    assert [len(headlines) for headlines in lists] == [1, 10, 12]
    assert provider.requests[Capability.NEWS] == 1
    await house.clock.advance(NEWS_SECONDS)
    await house.feed.questions.news(10)
    assert provider.requests[Capability.NEWS] == 2


async def test_no_headlines_are_a_404(house: House, provider: ScriptedProvider) -> None:
    provider.headlines = []
    with pytest.raises(CommandError) as caught:
        await house.feed.questions.news(10)
    assert caught.value.reason is Reason.NO_NEWS


async def test_a_symbol_without_a_company_and_a_symbol_that_is_unknown_are_told_apart(house: House) -> None:
    assert (await house.feed.questions.company("AAPL")).name == "Apple Inc."
    for symbol, reason in (("MSFT", Reason.NO_COMPANY_INFO), ("NOPE", Reason.UNKNOWN_SYMBOL)):
        with pytest.raises(Exception, match=symbol) as caught:
            await house.feed.questions.company(symbol)
        assert getattr(caught.value, "reason", None) is reason


async def test_that_there_is_no_company_is_remembered(house: House, provider: ScriptedProvider) -> None:
    for _ in range(3):
        with pytest.raises(CommandError):
            await house.feed.questions.company("MSFT")
    assert provider.requests[Capability.COMPANY] == 1


async def test_dividends_are_cut_to_the_limit_and_none_at_all_is_a_404(
    house: House, provider: ScriptedProvider
) -> None:
    provider.paid["AAPL"] = [Dividend(date=date(2024, month, 9), amount=0.24) for month in range(9, 0, -1)]
    assert [paid.date.month for paid in await house.feed.questions.dividends("AAPL", 2)] == [9, 8]
    for symbol, reason in (("TSLA", Reason.NO_DIVIDENDS), ("NOPE", Reason.UNKNOWN_SYMBOL)):
        with pytest.raises(Exception, match=symbol) as caught:
            await house.feed.questions.dividends(symbol, 5)
        assert getattr(caught.value, "reason", None) is reason


async def test_a_search_without_matches_is_an_empty_list(house: House) -> None:
    assert [match.symbol for match in await house.feed.questions.search("apple", 10)] == ["AAPL"]
    assert await house.feed.questions.search("zebra", 10) == []


DAY = TradingDay(opens_at=1_712_323_800_000, closes_at=1_712_347_200_000)


class WithHours(ScriptedProvider):
    """A source that tells the hours of every market, unless it hangs or fails at that alone."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.may_tell = asyncio.Event()
        self.may_tell.set()
        self.hours_fail = False

    async def trading_day(self, symbol: str) -> TradingDay | None:
        assert symbol == "AAPL"
        self.requests[Capability.HOURS] += 1
        await self.may_tell.wait()
        if self.hours_fail:
            raise ProviderError(Reason.PROVIDER_ERROR, "out of order")
        return DAY


async def test_a_company_comes_with_the_hours_of_its_market() -> None:
    async with a_house(lambda clock: (WithHours(clock),)) as house:
        source = house.provider
        assert isinstance(source, WithHours)
        companies = [await house.feed.questions.company("AAPL") for _ in range(3)]

    assert {(each.name, each.market_opens_at, each.market_closes_at) for each in companies} == {
        ("Apple Inc.", DAY.opens_at, DAY.closes_at)
    }
    assert (source.requests[Capability.COMPANY], source.requests[Capability.HOURS]) == (1, 1)


async def test_a_company_is_told_without_hours_where_there_are_none(house: House) -> None:
    company = await house.feed.questions.company("AAPL")

    assert (company.name, company.market_opens_at, company.market_closes_at) == ("Apple Inc.", None, None)


async def test_hours_that_fail_fail_no_company() -> None:
    async with a_house(lambda clock: (WithHours(clock),)) as house:
        source = house.provider
        assert isinstance(source, WithHours)
        source.hours_fail = True
        company = await house.feed.questions.company("AAPL")

    assert (company.name, company.market_opens_at) == ("Apple Inc.", None)


async def test_hours_that_hang_keep_a_company_waiting_for_a_moment_and_are_there_the_next_time() -> None:
    async with a_house(lambda clock: (WithHours(clock),)) as house:
        source = house.provider
        assert isinstance(source, WithHours)
        source.may_tell.clear()
        asking = asyncio.ensure_future(house.feed.questions.company("AAPL"))
        await house.clock.advance(HOURS_PATIENCE_SECONDS)
        assert (await asking).market_opens_at is None

        source.may_tell.set()
        await settle()

        assert (await house.feed.questions.company("AAPL")).market_opens_at == DAY.opens_at
        assert source.requests[Capability.HOURS] == 1
