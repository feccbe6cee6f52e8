"""The contract suite itself: a provider in an outage, one that hangs, and providers that break their promises."""

import asyncio
from collections.abc import Sequence

import pytest

from provider_contract import (
    CompanyContract,
    HangingContract,
    NewsContract,
    OutageContract,
    ProviderContract,
    QuoteContract,
    Subject,
)
from stocktrack.errors import ProviderError, Reason
from stocktrack.providers.base import QUESTION, Errand, QuoteAnswer, Source
from stocktrack.quotes import CompanyInfo, Headline, Quote


class Scripted(Source):
    """A provider of quotes, news and companies whose source does one thing, whatever it is asked."""

    name = "scripted"
    symbols_a_request = 50

    def __init__(self, *, hangs: bool = False) -> None:
        self._hangs = hangs

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def _ask(self) -> None:
        if self._hangs:
            await asyncio.get_running_loop().create_future()
        raise ProviderError(Reason.PROVIDER_ERROR, "Scripted is down.")

    async def quotes(self, symbols: Sequence[str], errand: Errand = QUESTION) -> QuoteAnswer:
        await self._ask()
        return QuoteAnswer()

    async def news(self) -> Sequence[Headline]:
        await self._ask()
        return []

    async def company(self, symbol: str) -> CompanyInfo | None:
        await self._ask()
        return None


class TestAProviderInAnOutage(OutageContract):
    @pytest.fixture
    def subject(self) -> Subject:
        return Subject(Scripted(), known=("AAPL", "MSFT"))


class TestAProviderThatHangs(HangingContract):
    @pytest.fixture
    def subject(self) -> Subject:
        return Subject(Scripted(hangs=True), known=("AAPL", "MSFT"))


class Careless(Scripted):
    """A provider that calls everything unknown, repeats its news oldest first, and passes escapes on."""

    async def quotes(self, symbols: Sequence[str], errand: Errand = QUESTION) -> QuoteAnswer:
        dirty = Quote.model_construct(symbol="AAPL", price=1.0, name="\x1b[2J", received_at=0, provider="other")
        return QuoteAnswer(quotes={"AAPL": dirty}, unknown=frozenset(symbols))

    async def news(self) -> Sequence[Headline]:
        old = Headline(title="old", source="s", published=1)
        return [old, Headline(title="new", source="s", published=2), old]

    async def company(self, symbol: str) -> CompanyInfo | None:
        return CompanyInfo(symbol="OTHER")


@pytest.fixture
def careless() -> Subject:
    return Subject(Careless(), known=("AAPL", "MSFT"))


async def test_a_provider_that_offers_more_than_its_contracts_is_caught(careless: Subject) -> None:
    class OnlyQuotes(ProviderContract, QuoteContract):
        pass

    with pytest.raises(AssertionError):
        await OnlyQuotes().test_it_offers_what_its_contracts_name_and_nothing_else(careless)


async def test_a_symbol_in_two_parts_of_an_answer_is_caught(careless: Subject) -> None:
    with pytest.raises(AssertionError):
        await QuoteContract().test_each_symbol_asked_stands_in_exactly_one_part_of_the_answer(careless)


async def test_a_quote_with_escapes_in_its_name_is_caught(careless: Subject) -> None:
    with pytest.raises(AssertionError, match="clean_text"):
        await QuoteContract().test_quotes_are_valid_and_say_whose_they_are(careless)


async def test_news_out_of_order_or_twice_is_caught(careless: Subject) -> None:
    with pytest.raises(AssertionError):
        await NewsContract().test_headlines_come_newest_first(careless)
    with pytest.raises(AssertionError):
        await NewsContract().test_no_headline_comes_twice(careless)


async def test_a_company_under_another_symbol_is_caught(careless: Subject) -> None:
    with pytest.raises(AssertionError):
        await CompanyContract().test_a_company_is_valid_and_stands_under_its_symbol(careless)


async def test_an_outage_that_makes_symbols_unknown_is_caught(careless: Subject) -> None:
    with pytest.raises(AssertionError):
        await OutageContract().test_an_outage_makes_no_symbol_unknown(careless)


async def test_an_outage_that_looks_like_an_answer_is_caught(careless: Subject) -> None:
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        await OutageContract().test_an_outage_is_told_as_a_provider_error_that_names_the_source(careless)
