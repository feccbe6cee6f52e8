import asyncio
from collections.abc import AsyncIterator
from datetime import date

import pytest

from fakes import House, ScriptedProvider, a_house
from stocktrack.errors import CommandError, Reason
from stocktrack.market.questions import NEWS_SECONDS
from stocktrack.providers.base import Capability
from stocktrack.quotes import Dividend


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
