"""What every provider must keep: one class of tests for each capability, mixed into the tests of a provider.

The test file says which provider, and the classes it names must be exactly the capabilities it offers:

    class TestRssKeepsTheContract(ProviderContract, NewsContract):
        @pytest.fixture
        async def subject(self) -> AsyncIterator[Subject]:
            provider = RssProvider(...)
            await provider.start()
            yield Subject(provider)
            await provider.close()

    class TestRssInAnOutage(OutageContract):      # `subject` is a provider whose source fails every call
    class TestRssThatHangs(HangingContract):      # `subject` is a provider whose source never answers
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, TypeVar

import pytest

from stocktrack.clock import settle
from stocktrack.errors import Code, ProviderError
from stocktrack.providers.base import (
    Capability,
    CompanySource,
    DividendSource,
    HoursSource,
    NewsSource,
    Provider,
    QuoteAnswer,
    QuoteSource,
    SearchSource,
    StreamSource,
    SymbolNewsSource,
    capabilities_of,
)
from stocktrack.quotes import Quote, Value, change_since, clean_link, clean_text, normalise_symbol

Result = TypeVar("Result")
Source = TypeVar("Source")

# Nothing waits as long as this unless it hangs.
PATIENCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Subject:
    """A started provider, and what its tests may expect of its source."""

    provider: Provider
    known: Sequence[str] = ()
    """Symbols that have quotes: at least two. The first has a company behind it."""
    unknown: str = "NOSUCHSYMBOL"
    """A symbol that the source positively does not have."""
    pays_dividends: str = ""
    pays_no_dividends: str = ""
    query: str = ""
    """A search that finds the first of `known`, and others too."""
    next_prices: Callable[[], Awaitable[object]] | None = None
    """Makes the source send new prices of all `known` symbols to an open stream."""


class Collected:
    """A `StreamSink` that keeps what it is given."""

    def __init__(self, note: Callable[[Sequence[Quote]], object] = lambda _: None) -> None:
        self.quotes: list[Quote] = []
        self.times_opened = 0
        self.trades = True
        self._note = note

    def opened(self) -> None:
        self.times_opened += 1

    def publish(self, quotes: Sequence[Quote]) -> None:
        self.quotes.extend(quotes)
        self._note(quotes)

    def is_trading(self) -> bool:
        return self.trades


def assert_valid(value: Value) -> None:
    """The value passes its own model's strict validation, and its texts are clean."""
    fields = value.model_dump()
    assert type(value).model_validate(fields, strict=True) == value, f"{value!r} is another value once validated"
    for name, field in fields.items():
        if isinstance(field, str):
            assert clean_text(field, 10_000) == field, f"{name} of {value!r} holds what clean_text takes out"
            assert field, f"{name} of {value!r} is empty: what is not known is None"


class ProviderContract:
    """What holds for every provider."""

    async def test_its_name_can_stand_in_the_settings(self, subject: Subject) -> None:
        assert subject.provider.name.isidentifier()
        assert subject.provider.name == subject.provider.name.lower()

    async def test_it_offers_what_its_contracts_name_and_nothing_else(self, subject: Subject) -> None:
        tested = {base.__dict__["capability"] for base in type(self).__mro__ if "capability" in base.__dict__}

        assert capabilities_of(subject.provider) == tested

    async def test_closing_takes_less_than_a_second_and_may_be_done_twice(self, subject: Subject) -> None:
        async with asyncio.timeout(1):
            await subject.provider.close()
        async with asyncio.timeout(1):
            await subject.provider.close()

        assert subject.provider.name, "a closed provider still says who it is"


class QuoteContract:
    """What holds for a `QuoteSource`."""

    capability: ClassVar = Capability.QUOTES

    async def test_each_symbol_asked_stands_in_exactly_one_part_of_the_answer(self, subject: Subject) -> None:
        asked = [*subject.known, subject.unknown, subject.known[0]]

        answer = await _quotes(subject, asked)

        parts = [*answer.quotes, *answer.unknown, *answer.failed]
        assert sorted(parts) == sorted(set(asked))

    async def test_known_symbols_have_quotes_and_unknown_ones_are_called_unknown(self, subject: Subject) -> None:
        answer = await _quotes(subject, [*subject.known, subject.unknown])

        assert set(answer.quotes) == set(subject.known)
        assert answer.unknown == {subject.unknown}
        assert answer.failed == {}

    async def test_quotes_are_valid_and_say_whose_they_are(self, subject: Subject) -> None:
        answer = await _quotes(subject, subject.known)

        for symbol, quote in answer.quotes.items():
            assert_valid(quote)
            assert (quote.symbol, quote.provider) == (symbol, subject.provider.name)

    async def test_the_change_of_a_quote_is_that_since_its_previous_close(self, subject: Subject) -> None:
        answer = await _quotes(subject, subject.known)

        for quote in answer.quotes.values():
            assert quote.previous_close is not None
            change, percent = change_since(quote.previous_close, quote.price)
            assert quote.change == change
            assert quote.change_percent == pytest.approx(percent, abs=0.005)

    async def test_an_unknown_symbol_alone_is_an_answer_and_no_failure(self, subject: Subject) -> None:
        assert await _quotes(subject, [subject.unknown]) == QuoteAnswer(unknown=frozenset({subject.unknown}))

    async def test_no_symbols_have_an_empty_answer(self, subject: Subject) -> None:
        assert await _quotes(subject, []) == QuoteAnswer()


class StreamContract:
    """What holds for a `StreamSource`."""

    capability: ClassVar = Capability.STREAM

    async def test_the_stream_brings_valid_quotes_of_the_wanted_symbols_only(self, subject: Subject) -> None:
        wanted = {subject.known[0], subject.unknown}

        quotes = await _streamed(subject, wanted, until={subject.known[0]})

        assert {quote.symbol for quote in quotes} == {subject.known[0]}
        for quote in quotes:
            assert_valid(quote)
            assert quote.provider == subject.provider.name

    async def test_a_symbol_that_is_wanted_later_is_streamed_too(self, subject: Subject) -> None:
        wanted = {subject.known[0]}

        quotes = await _streamed(subject, wanted, until=set(subject.known[:2]), then_want=subject.known[1])

        assert {quote.symbol for quote in quotes} == set(subject.known[:2])

    async def test_a_cancelled_stream_ends_and_publishes_nothing_more(self, subject: Subject) -> None:
        assert isinstance(subject.provider, StreamSource)
        assert subject.next_prices is not None
        sink = Collected()
        task = asyncio.create_task(subject.provider.stream(lambda: subject.known, sink))
        await settle()

        task.cancel()
        async with asyncio.timeout(1):
            await asyncio.wait({task})
        before = len(sink.quotes)
        await subject.next_prices()

        assert task.cancelled()
        assert len(sink.quotes) == before


class NewsContract:
    """What holds for a `NewsSource`."""

    capability: ClassVar = Capability.NEWS

    async def test_headlines_are_valid_and_their_links_are_plain(self, subject: Subject) -> None:
        headlines = await _in_time(_source(subject, NewsSource).news())

        assert headlines
        for headline in headlines:
            assert_valid(headline)
            assert headline.link is None or clean_link(headline.link) == headline.link

    async def test_headlines_come_newest_first(self, subject: Subject) -> None:
        headlines = await _in_time(_source(subject, NewsSource).news())

        times = [headline.published for headline in headlines if headline.published is not None]
        assert times == sorted(times, reverse=True)

    async def test_no_headline_comes_twice(self, subject: Subject) -> None:
        headlines = await _in_time(_source(subject, NewsSource).news())

        # One page may tell several stories: a headline is another one where anything of it differs.
        assert len(set(headlines)) == len(headlines)


class SymbolNewsContract:
    """What holds for a `SymbolNewsSource`."""

    capability: ClassVar = Capability.SYMBOL_NEWS

    async def test_headlines_of_a_symbol_are_valid_newest_first_and_come_once(self, subject: Subject) -> None:
        headlines = await _in_time(_source(subject, SymbolNewsSource).symbol_news(subject.known[0]))

        assert headlines
        for headline in headlines:
            assert_valid(headline)
        times = [headline.published for headline in headlines if headline.published is not None]
        assert times == sorted(times, reverse=True)
        assert len(set(headlines)) == len(headlines)

    async def test_a_symbol_without_news_has_an_empty_list(self, subject: Subject) -> None:
        assert list(await _in_time(_source(subject, SymbolNewsSource).symbol_news(subject.unknown))) == []


class CompanyContract:
    """What holds for a `CompanySource`."""

    capability: ClassVar = Capability.COMPANY

    async def test_a_company_is_valid_and_stands_under_its_symbol(self, subject: Subject) -> None:
        company = await _in_time(_source(subject, CompanySource).company(subject.known[0]))

        assert company is not None
        assert_valid(company)
        assert company.symbol == subject.known[0]
        assert company.name
        assert company.website is None or clean_link(company.website) == company.website

    async def test_an_unknown_symbol_has_no_company(self, subject: Subject) -> None:
        assert await _in_time(_source(subject, CompanySource).company(subject.unknown)) is None


class DividendContract:
    """What holds for a `DividendSource`."""

    capability: ClassVar = Capability.DIVIDENDS

    async def test_dividends_are_valid_and_come_newest_first(self, subject: Subject) -> None:
        dividends = await _in_time(_source(subject, DividendSource).dividends(subject.pays_dividends))

        assert dividends
        dates = [dividend.date for dividend in dividends]
        assert dates == sorted(set(dates), reverse=True)
        for dividend in dividends:
            assert_valid(dividend)
            assert dividend.amount > 0

    async def test_a_company_that_never_paid_has_an_empty_list(self, subject: Subject) -> None:
        assert await _in_time(_source(subject, DividendSource).dividends(subject.pays_no_dividends)) == []

    async def test_an_unknown_symbol_has_no_list_of_dividends(self, subject: Subject) -> None:
        assert await _in_time(_source(subject, DividendSource).dividends(subject.unknown)) is None


class SearchContract:
    """What holds for a `SearchSource`."""

    capability: ClassVar = Capability.SEARCH

    async def test_a_search_finds_the_symbol_and_its_matches_are_valid(self, subject: Subject) -> None:
        matches = await _in_time(_source(subject, SearchSource).search(subject.query, 10))

        symbols = [match.symbol for match in matches]
        assert subject.known[0] in symbols
        assert len(set(symbols)) == len(symbols)
        for match in matches:
            assert_valid(match)
            assert normalise_symbol(match.symbol) == match.symbol

    async def test_a_search_brings_no_more_than_its_limit_and_the_best_first(self, subject: Subject) -> None:
        source = _source(subject, SearchSource)

        several = await _in_time(source.search(subject.query, 10))

        assert 1 < len(several) <= 10
        assert await _in_time(source.search(subject.query, 1)) == several[:1]

    async def test_a_search_that_finds_nothing_is_an_empty_list(self, subject: Subject) -> None:
        assert await _in_time(_source(subject, SearchSource).search("zq no such name qz", 10)) == []


class HoursContract:
    """What holds for an `HoursSource`."""

    capability: ClassVar = Capability.HOURS

    async def test_a_trading_day_is_valid_and_its_parts_follow_each_other(self, subject: Subject) -> None:
        day = await _in_time(_source(subject, HoursSource).trading_day(subject.known[0]))

        assert day is not None
        assert_valid(day)
        moments = (day.pre_starts_at, day.opens_at, day.closes_at, day.post_ends_at)
        told = [moment for moment in moments if moment is not None]
        assert told == sorted(set(told))

    async def test_an_unknown_symbol_has_no_trading_day(self, subject: Subject) -> None:
        assert await _in_time(_source(subject, HoursSource).trading_day(subject.unknown)) is None


class OutageContract:
    """What holds while every call to the source fails: an outage is no answer, least of all "unknown"."""

    async def test_an_outage_makes_no_symbol_unknown(self, subject: Subject) -> None:
        if not isinstance(subject.provider, QuoteSource):
            assert Capability.QUOTES not in capabilities_of(subject.provider)
            return
        try:
            answer = await _quotes(subject, subject.known)
        except ProviderError as error:
            answer = QuoteAnswer(failed=dict.fromkeys(subject.known, error))

        assert answer.unknown == frozenset()
        assert set(answer.failed) == set(subject.known)
        assert {error.code for error in answer.failed.values()} == {Code.SERVER_ERROR}

    async def test_an_outage_is_told_as_a_provider_error_that_names_the_source(self, subject: Subject) -> None:
        calls = {kind: make for kind, make in _calls(subject).items() if kind is not Capability.QUOTES}

        for make in calls.values():
            with pytest.raises(ProviderError) as caught:
                await _in_time(make())
            assert caught.value.code is Code.SERVER_ERROR
            assert subject.provider.name in caught.value.message.lower(), f"{caught.value.message!r} names no source"


class HangingContract:
    """What holds while the source takes calls and never answers."""

    async def test_closing_takes_less_than_a_second_while_calls_hang(self, subject: Subject) -> None:
        calls = [asyncio.ensure_future(make()) for make in _calls(subject).values()]
        await settle()
        hung = [not call.done() for call in calls]

        async with asyncio.timeout(1):
            await subject.provider.close()
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

        assert hung
        assert all(hung)

    async def test_a_cancelled_call_ends_at_once(self, subject: Subject) -> None:
        calls = [asyncio.ensure_future(make()) for make in _calls(subject).values()]
        await settle()

        for call in calls:
            call.cancel()
        async with asyncio.timeout(1):
            await asyncio.wait(calls)

        assert all(call.cancelled() for call in calls)


async def _in_time(call: Awaitable[Result]) -> Result:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await call


def _source(subject: Subject, kind: type[Source]) -> Source:
    assert isinstance(subject.provider, kind)
    return subject.provider


async def _quotes(subject: Subject, symbols: Sequence[str]) -> QuoteAnswer:
    return await _in_time(_source(subject, QuoteSource).quotes(symbols))


async def _streamed(
    subject: Subject, wanted: set[str], *, until: set[str], then_want: str | None = None
) -> list[Quote]:
    """What is published until there are quotes of all of `until`; after the first one `then_want` is wanted too."""
    assert subject.next_prices is not None, "a StreamContract needs to know how the source is made to speak"
    sink = Collected()
    task = asyncio.create_task(_source(subject, StreamSource).stream(lambda: wanted, sink))
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await settle()
            while not until <= {quote.symbol for quote in sink.quotes}:
                await subject.next_prices()
                await settle()
                assert not task.done(), "a stream ends only when it is cancelled, or with a ProviderError"
                if sink.quotes and then_want is not None:
                    wanted.add(then_want)
    finally:
        task.cancel()
        await asyncio.wait({task})
    assert sink.times_opened == 1
    return sink.quotes


def _calls(subject: Subject) -> dict[Capability, Callable[[], Awaitable[object]]]:
    """One call of each capability that is asked and answers."""
    provider = subject.provider
    calls: dict[Capability, Callable[[], Awaitable[object]]] = {}
    if isinstance(provider, QuoteSource):
        calls[Capability.QUOTES] = partial(provider.quotes, subject.known)
    if isinstance(provider, NewsSource):
        calls[Capability.NEWS] = provider.news
    if isinstance(provider, SymbolNewsSource):
        calls[Capability.SYMBOL_NEWS] = partial(provider.symbol_news, subject.known[0])
    if isinstance(provider, CompanySource):
        calls[Capability.COMPANY] = partial(provider.company, subject.known[0])
    if isinstance(provider, DividendSource):
        calls[Capability.DIVIDENDS] = partial(provider.dividends, subject.known[0])
    if isinstance(provider, SearchSource):
        calls[Capability.SEARCH] = partial(provider.search, subject.query, 10)
    if isinstance(provider, HoursSource):
        calls[Capability.HOURS] = partial(provider.trading_day, subject.known[0])
    return calls
