"""The contracts for good days: what holds for every source, and for each capability that one can have."""

import asyncio
import math
from collections.abc import Sequence
from typing import ClassVar
from zoneinfo import ZoneInfo

import pytest

from stocktrack.bars import DAY_MS, BarInterval
from stocktrack.clock import settle
from stocktrack.errors import Reason
from stocktrack.providers.base import (
    Budget,
    Capability,
    CompanySource,
    DividendSource,
    HistorySource,
    HoursSource,
    NewsSource,
    QuoteAnswer,
    QuoteSource,
    SearchSource,
    SourceBars,
    StreamSource,
    SymbolNewsSource,
    capabilities_of,
)
from stocktrack.quotes import (
    MAX_SYMBOL_LENGTH,
    Headline,
    MarketState,
    Quote,
    Value,
    change_since,
    clean_link,
    clean_text,
    normalise_symbol,
)
from stocktrack.testing.subject import (
    PATIENCE_SECONDS,
    Collected,
    Contract,
    Subject,
    in_time,
    offered,
    stretch_of,
    work_of,
)

# Anybody may ask for these: each is a symbol by its characters.
ODD_SYMBOLS = ("A" * MAX_SYMBOL_LENGTH, "..", "^", "=", "A/B", "A&B", "-", "_:_")
# `serves` is asked for every symbol of every command. What it calls is counted, those of C included.
MOST_WORK_OF_SERVES = 100


def assert_valid(value: Value) -> None:
    """The value passes its own model's strict validation, and its texts are clean."""
    fields = value.model_dump()
    assert type(value).model_validate(fields, strict=True) == value, f"{value!r} is another value once validated"
    for name, field in fields.items():
        if isinstance(field, str):
            assert clean_text(field, 10_000) == field, f"{name} of {value!r} holds what clean_text takes out"
            assert field, f"{name} of {value!r} is empty: what is not known is None"


class ProviderContract(Contract):
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

    async def test_it_serves_what_it_knows_and_says_so_without_a_call(self, subject: Subject) -> None:
        provider = subject.provider
        for symbol in (*subject.known, subject.unknown, *ODD_SYMBOLS):
            said = provider.serves(symbol)
            work = work_of(lambda symbol=symbol: provider.serves(symbol))  # type: ignore[misc] # mypy infers no lambda

            assert isinstance(said, bool)
            assert {provider.serves(symbol) for _ in range(2)} == {said}, (
                f"{symbol} is served or not: the rule is the same each time"
            )
            assert said or symbol not in subject.known
            assert work <= MOST_WORK_OF_SERVES, f"serves({symbol!r}) is no cheap rule"

    async def test_its_budget_is_one_that_can_be_kept(self, subject: Subject) -> None:
        budget = subject.provider.budget

        assert isinstance(budget, Budget)
        assert isinstance(subject.provider.is_free, bool)
        for limit in (budget.requests_per_minute, budget.requests_per_second):
            assert limit is None or limit >= 1


class QuoteContract(Contract):
    """What holds for a `QuoteSource`."""

    capability: ClassVar = Capability.QUOTES

    async def test_each_symbol_asked_stands_in_exactly_one_part_of_the_answer(self, subject: Subject) -> None:
        asked = [*subject.known, subject.unknown, subject.known[0]]

        answer = await _quotes(subject, asked)

        assert _parts_of(answer) == sorted(set(asked))

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
            if quote.previous_close is None:
                continue  # the source does not tell it
            change, percent = change_since(quote.previous_close, quote.price)
            assert quote.change == change
            assert quote.change_percent == pytest.approx(percent, abs=0.005)

    async def test_an_unknown_symbol_alone_is_an_answer_and_no_failure(self, subject: Subject) -> None:
        assert await _quotes(subject, [subject.unknown]) == QuoteAnswer(unknown=frozenset({subject.unknown}))

    async def test_no_symbols_have_an_empty_answer(self, subject: Subject) -> None:
        assert await _quotes(subject, []) == QuoteAnswer()

    async def test_symbols_that_look_odd_take_no_other_along(self, subject: Subject) -> None:
        odd = [symbol for symbol in ODD_SYMBOLS if subject.provider.serves(symbol)]
        asked = [*odd, *subject.known]

        answer = await _quotes(subject, asked)

        assert _parts_of(answer) == sorted(set(asked))
        assert set(subject.known) <= set(answer.quotes)

    async def test_a_request_brings_the_prices_of_one_symbol_at_least(self, subject: Subject) -> None:
        source = offered(subject, QuoteSource)

        assert isinstance(source.symbols_a_request, int)
        assert source.symbols_a_request >= 1


class NotOfferedContract(Contract):
    """What holds for a source that has symbols which it does not give to everybody; beside `QuoteContract`."""

    async def test_what_is_not_given_to_this_server_is_neither_unknown_nor_failed(self, subject: Subject) -> None:
        answer = await _quotes(subject, [subject.not_offered, *subject.known])

        assert set(answer.not_offered) == {subject.not_offered}
        assert set(answer.quotes) == set(subject.known)
        error = answer.not_offered[subject.not_offered]
        assert error.reason is Reason.NOT_OFFERED
        assert subject.provider.name in error.message.lower(), f"{error.message!r} names no source"


class StreamContract(Contract):
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

    async def test_its_places_are_a_number_or_any_number(self, subject: Subject) -> None:
        places = offered(subject, StreamSource).stream_places

        assert places is None or places >= 1

    async def test_the_stream_says_once_that_it_is_up_and_before_its_first_quote(self, subject: Subject) -> None:
        times_opened: list[int] = []
        sink = Collected(lambda _: times_opened.append(sink.times_opened))

        await _streamed(subject, {subject.known[0]}, until={subject.known[0]}, sink=sink)

        assert times_opened
        assert set(times_opened) == {1}

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


class NewsContract(Contract):
    """What holds for a `NewsSource`."""

    capability: ClassVar = Capability.NEWS

    async def test_headlines_are_valid_and_their_links_are_plain(self, subject: Subject) -> None:
        _assert_clean(await in_time(offered(subject, NewsSource).news()))

    async def test_headlines_come_newest_first(self, subject: Subject) -> None:
        _assert_newest_first(await in_time(offered(subject, NewsSource).news()))

    async def test_no_headline_comes_twice(self, subject: Subject) -> None:
        _assert_no_doubles(await in_time(offered(subject, NewsSource).news()))


class SymbolNewsContract(Contract):
    """What holds for a `SymbolNewsSource`."""

    capability: ClassVar = Capability.SYMBOL_NEWS

    async def test_headlines_of_a_symbol_are_valid_newest_first_and_come_once(self, subject: Subject) -> None:
        headlines = await in_time(offered(subject, SymbolNewsSource).symbol_news(subject.known[0]))

        _assert_clean(headlines)
        _assert_newest_first(headlines)
        _assert_no_doubles(headlines)

    async def test_a_symbol_without_news_has_an_empty_list(self, subject: Subject) -> None:
        assert list(await in_time(offered(subject, SymbolNewsSource).symbol_news(subject.unknown))) == []


class HoursContract(Contract):
    """What holds for an `HoursSource`."""

    capability: ClassVar = Capability.HOURS

    async def test_the_hours_of_a_market_are_valid_and_in_their_order(self, subject: Subject) -> None:
        day = await in_time(offered(subject, HoursSource).trading_day(subject.known[0]))

        assert day is not None
        assert_valid(day)
        times = (day.pre_starts_at, day.opens_at, day.closes_at, day.post_ends_at)
        told = [time for time in times if time is not None]
        assert told == sorted(set(told))

    async def test_an_unknown_symbol_has_no_hours(self, subject: Subject) -> None:
        assert await in_time(offered(subject, HoursSource).trading_day(subject.unknown)) is None


class CompanyContract(Contract):
    """What holds for a `CompanySource`."""

    capability: ClassVar = Capability.COMPANY

    async def test_a_company_is_valid_and_stands_under_its_symbol(self, subject: Subject) -> None:
        company = await in_time(offered(subject, CompanySource).company(subject.known[0]))

        assert company is not None
        assert_valid(company)
        assert company.symbol == subject.known[0]
        assert company.name
        assert company.website is None or clean_link(company.website) == company.website

    async def test_an_unknown_symbol_has_no_company(self, subject: Subject) -> None:
        assert await in_time(offered(subject, CompanySource).company(subject.unknown)) is None


class DividendContract(Contract):
    """What holds for a `DividendSource`."""

    capability: ClassVar = Capability.DIVIDENDS

    async def test_dividends_are_valid_and_come_newest_first(self, subject: Subject) -> None:
        dividends = await in_time(offered(subject, DividendSource).dividends(subject.pays_dividends))

        assert dividends
        dates = [dividend.date for dividend in dividends]
        assert dates == sorted(set(dates), reverse=True)
        for dividend in dividends:
            assert_valid(dividend)
            assert dividend.amount > 0

    async def test_a_company_that_never_paid_has_an_empty_list(self, subject: Subject) -> None:
        assert await in_time(offered(subject, DividendSource).dividends(subject.pays_no_dividends)) == []

    async def test_an_unknown_symbol_has_no_list_of_dividends(self, subject: Subject) -> None:
        assert await in_time(offered(subject, DividendSource).dividends(subject.unknown)) is None


class HistoryContract(Contract):
    """What holds for a `HistorySource`."""

    capability: ClassVar = Capability.HISTORY

    async def test_the_intervals_of_its_bars_are_ours_and_their_limits_can_be_kept(self, subject: Subject) -> None:
        limits = offered(subject, HistorySource).bar_limits

        assert limits
        assert set(limits) <= set(BarInterval)
        for limit in limits.values():
            assert limit.days_back is None or limit.days_back >= 1
            assert limit.days_a_request is None or limit.days_a_request >= 1

    async def test_every_interval_that_it_names_has_bars_in_order_that_can_be(self, subject: Subject) -> None:
        source = offered(subject, HistorySource)
        for interval in source.bar_limits:
            stretch = stretch_of(source, interval, subject)

            told = await in_time(source.bars(subject.known[0], interval, *stretch, prepost=False))

            assert told is not None, f"of {subject.known[0]} there are no bars of {interval}"
            _assert_possible(told, stretch)
            assert told.provider == subject.provider.name
            assert told.bars, f"of {subject.known[0]} there is no bar of {interval}"
            assert not told.has_none_so_short
            assert {bar.market_state for bar in told.bars} == {None}, "those outside of the hours were not asked for"

    async def test_with_the_early_and_late_bars_come_the_others_as_they_are_and_unmarked(
        self, subject: Subject
    ) -> None:
        source = offered(subject, HistorySource)
        interval = next(iter(source.bar_limits))
        stretch = stretch_of(source, interval, subject)

        regular = await in_time(source.bars(subject.known[0], interval, *stretch, prepost=False))
        every = await in_time(source.bars(subject.known[0], interval, *stretch, prepost=True))

        assert regular is not None
        assert every is not None
        _assert_possible(every, stretch)
        states = {bar.market_state for bar in every.bars if bar.market_state is not None}
        assert states <= {MarketState.PRE, MarketState.POST}
        assert bool(states) is subject.has_extended_hours
        assert regular.bars
        # The last one may have gone on between the two questions.
        newest = regular.bars[-1].time
        others = [bar for bar in every.bars if bar.market_state is None and bar.time < newest]
        assert others == list(regular.bars)[:-1]

    async def test_its_zone_is_one_that_there_is(self, subject: Subject) -> None:
        source = offered(subject, HistorySource)
        interval = next(iter(source.bar_limits))

        told = await in_time(
            source.bars(subject.known[0], interval, *stretch_of(source, interval, subject), prepost=False)
        )

        assert told is not None
        assert told.zone is None or ZoneInfo(told.zone).key == told.zone

    async def test_a_stretch_without_a_bar_is_an_answer_and_no_failure(self, subject: Subject) -> None:
        source = offered(subject, HistorySource)
        interval = list(source.bar_limits)[-1]
        _, now = stretch_of(source, interval, subject)

        told = await in_time(source.bars(subject.known[0], interval, now + DAY_MS, now + 2 * DAY_MS, prepost=False))

        assert told is not None
        assert list(told.bars) == []

    async def test_an_unknown_symbol_has_neither_bars_nor_splits(self, subject: Subject) -> None:
        source = offered(subject, HistorySource)
        interval = next(iter(source.bar_limits))
        stretch = stretch_of(source, interval, subject)

        assert await in_time(source.bars(subject.unknown, interval, *stretch, prepost=False)) is None
        assert not await in_time(source.splits(subject.unknown))

    async def test_splits_come_in_order_and_each_can_be(self, subject: Subject) -> None:
        splits = await in_time(offered(subject, HistorySource).splits(subject.was_split or subject.known[0]))

        assert splits is not None
        assert bool(splits) is bool(subject.was_split)
        times = [split.time for split in splits]
        assert times == sorted(set(times))
        for split in splits:
            assert math.isfinite(split.ratio)
            assert split.ratio > 0
            assert split.ratio != 1


class SearchContract(Contract):
    """What holds for a `SearchSource`."""

    capability: ClassVar = Capability.SEARCH

    async def test_a_search_finds_the_symbol_and_its_matches_are_valid(self, subject: Subject) -> None:
        matches = await in_time(offered(subject, SearchSource).search(subject.query, 10))

        symbols = [match.symbol for match in matches]
        assert subject.known[0] in symbols
        assert len(set(symbols)) == len(symbols)
        for match in matches:
            assert_valid(match)
            assert normalise_symbol(match.symbol) == match.symbol

    async def test_a_search_brings_no_more_than_its_limit_and_the_best_first(self, subject: Subject) -> None:
        source = offered(subject, SearchSource)

        several = await in_time(source.search(subject.query, 10))

        assert 1 < len(several) <= 10
        assert await in_time(source.search(subject.query, 1)) == several[:1]

    async def test_a_search_that_finds_nothing_is_an_empty_list(self, subject: Subject) -> None:
        assert await in_time(offered(subject, SearchSource).search("zq no such name qz", 10)) == []


async def _quotes(subject: Subject, symbols: Sequence[str]) -> QuoteAnswer:
    return await in_time(offered(subject, QuoteSource).quotes(symbols))


def _parts_of(answer: QuoteAnswer) -> list[str]:
    """The symbols in all parts of an answer, as often as they stand there."""
    parts = (answer.quotes, answer.unknown, answer.failed, answer.put_off, answer.not_offered)
    return sorted(symbol for part in parts for symbol in part)


def _assert_possible(told: SourceBars, stretch: tuple[int, int]) -> None:
    """The bars lie in the stretch, in order, none twice, and each is one that can be."""
    start, end = stretch
    times = [bar.time for bar in told.bars]
    assert times == sorted(set(times))
    for bar in told.bars:
        assert start <= bar.time < end, f"{bar!r} begins outside of what was asked for"
        assert all(map(math.isfinite, (bar.open, bar.high, bar.low, bar.close))), f"{bar!r} has no prices"
        assert bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high, f"{bar!r} cannot be"
        assert bar.volume is None or (type(bar.volume) is int and bar.volume >= 0)
        assert bar.live is None, "which bar still changes the market says"
    assert told.factors is None or len(told.factors) == len(told.bars)
    assert all(math.isfinite(factor) and factor > 0 for factor in told.factors or ())
    assert all(start <= moment < end for moment in (*(split.time for split in told.splits), *told.dividend_times))


def _assert_clean(headlines: Sequence[Headline]) -> None:
    assert headlines
    for headline in headlines:
        assert_valid(headline)
        assert headline.link is None or clean_link(headline.link) == headline.link


def _assert_newest_first(headlines: Sequence[Headline]) -> None:
    times = [headline.published for headline in headlines if headline.published is not None]
    assert times == sorted(times, reverse=True)


def _assert_no_doubles(headlines: Sequence[Headline]) -> None:
    # One page may tell several stories: a headline is another one where anything of it differs.
    assert len(set(headlines)) == len(headlines)


async def _streamed(
    subject: Subject,
    wanted: set[str],
    *,
    until: set[str],
    then_want: str | None = None,
    sink: Collected | None = None,
) -> list[Quote]:
    """What is published until there are quotes of all of `until`; after the first one `then_want` is wanted too."""
    assert subject.next_prices is not None, "a StreamContract needs to know how the source is made to speak"
    sink = sink or Collected()
    task = asyncio.create_task(offered(subject, StreamSource).stream(lambda: wanted, sink))
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
