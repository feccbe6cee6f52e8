from collections.abc import Sequence

import pytest

from fakes import POLL_SECONDS, ScriptedNews, ScriptedProvider, ScriptedQuotes, a_house
from market_house import on_board, quote, told, watch, why_missing
from stocktrack.clock import ManualClock
from stocktrack.errors import CommandError, Reason
from stocktrack.market.events import Event
from stocktrack.providers.base import Provider


def asked(provider: Provider) -> int:
    assert isinstance(provider, ScriptedProvider)
    return provider.requests.total()


def two_sources(clock: ManualClock) -> Sequence[Provider]:
    return (ScriptedProvider(clock, name="first"), ScriptedProvider(clock, name="second"))


async def test_the_first_source_serves_and_the_second_is_not_asked() -> None:
    async with a_house(two_sources) as house:
        assert (await quote(house)).provider == "first"
        assert [asked(upstream.provider) for upstream in house.feed.routes.upstreams] == [1, 0]


async def test_when_the_first_source_fails_the_second_is_asked_and_nobody_is_told() -> None:
    async with a_house(two_sources) as house:
        await watch(house, "AAPL")
        house.provider.script = "fail"
        await house.clock.advance(POLL_SECONDS)
        assert (on_board(house).provider, on_board(house).stale) == ("second", False)
        assert told(house) == []
        house.provider.script = "good"
        await house.clock.advance(POLL_SECONDS)
        assert on_board(house).provider == "first"


async def test_a_failing_first_source_is_asked_with_back_off_while_the_second_serves() -> None:
    async with a_house(two_sources) as house:
        await watch(house, "AAPL")
        house.provider.script = "fail"
        before = house.provider.quote_requests
        await house.clock.advance(POLL_SECONDS * 24)
        # 24 polls: the first is tried at those that come after 2, 4, 8, 16, 32 and 60 seconds of rest.
        assert house.provider.quote_requests - before <= 6
        assert (on_board(house).provider, on_board(house).stale) == ("second", False)
        assert told(house) == []


async def test_when_all_sources_fail_it_is_an_outage_and_any_of_them_heals_it() -> None:
    async with a_house(two_sources) as house:
        second = house.feed.routes.upstreams[1].provider
        assert isinstance(second, ScriptedProvider)
        await watch(house, "AAPL")
        house.provider.script = second.script = "fail"
        await house.clock.advance(POLL_SECONDS * 2)
        assert told(house) == [(Event.OUTAGE, {"AAPL"})]
        second.script = "good"
        await house.clock.advance(60)
        assert told(house)[1:] == [(Event.RESTORED, {"AAPL"})]
        assert on_board(house).provider == "second"


async def test_what_no_source_offers_says_so_and_names_the_sources() -> None:
    async with a_house(lambda clock: (ScriptedQuotes(clock, name="quotes-only"),)) as house:
        for work in (
            house.feed.questions.news(10),
            house.feed.questions.company("AAPL"),
            house.feed.questions.dividends("AAPL", 5),
            house.feed.questions.search("apple", 10),
        ):
            with pytest.raises(CommandError) as caught:
                await work
            assert caught.value.reason is Reason.NOT_OFFERED
            assert "quotes-only" in caught.value.message


async def test_quotes_that_no_source_offers_are_missing_and_not_pending() -> None:
    async with a_house(lambda clock: (ScriptedQuotes(clock), ScriptedNews(clock))) as house:
        house.provider.serves = lambda symbol: not symbol  # type: ignore[method-assign] # as a source of other symbols
        assert await why_missing(house, "AAPL") is Reason.NOT_OFFERED
        user = await house.user()
        reply = await user.command("SUBSCRIBE", symbols=["AAPL"])
        assert (reply["code"], reply["reason"], user.pushed()) == (404, "not_offered", set())
        assert (await house.feed.questions.news(10))[0].title == "Only news"
