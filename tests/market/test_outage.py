import itertools
from collections.abc import AsyncIterator

import pytest

from fakes import NOW_MS, POLL_SECONDS, House, ScriptedProvider, a_house, a_watcher, soon
from market_house import on_board, quote, told, watch, why_missing
from stocktrack.clock import settle
from stocktrack.errors import ProviderError, Reason
from stocktrack.market.events import Event


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with a_house() as built:
        yield built


@pytest.fixture
def provider(house: House) -> ScriptedProvider:
    assert isinstance(house.provider, ScriptedProvider)
    return house.provider


# --- a source that hangs ---


async def test_a_hung_call_leaves_the_price_and_marks_it_stale_after_three_polls(house: House) -> None:
    async with a_house() as patient:
        # A call may take long here: it hangs still when the third poll would have come.
        for upstream in patient.feed.routes.upstreams:
            upstream._timeout_seconds = 3_600
        await watch(patient, "AAPL")
        patient.provider.script = "hang"
        await patient.clock.advance(POLL_SECONDS * 3)
        assert not on_board(patient).stale
        await patient.clock.advance(POLL_SECONDS)
        assert (on_board(patient).stale, on_board(patient).stale_reason) == (True, Reason.PROVIDER_TIMEOUT)
        assert on_board(patient).price == 100.0
        patient.provider.release()
        await settle()
        assert not on_board(patient).stale
    assert house.provider.quote_requests == 0


async def test_a_hung_source_is_an_outage_after_the_deadline_and_heals_by_itself(house: House) -> None:
    await watch(house, "AAPL")
    house.provider.script = "hang"
    await house.clock.advance(POLL_SECONDS + 11)
    assert (on_board(house).stale, on_board(house).stale_reason) == (True, Reason.PROVIDER_TIMEOUT)
    assert told(house) == [(Event.OUTAGE, {"AAPL"})]
    house.provider.release()
    await house.clock.advance(60)
    assert not on_board(house).stale
    assert told(house) == [(Event.OUTAGE, {"AAPL"}), (Event.RESTORED, {"AAPL"})]


async def test_two_hung_gets_do_not_stop_the_prices_of_what_is_watched_for_good(house: House) -> None:
    await watch(house, "AAPL")
    house.provider.script = "hang"
    gets = [await soon(house.feed.quotes([symbol])) for symbol in ("S1", "S2")]
    house.provider.script = "good"
    await house.clock.advance(11)
    assert all(task.done() for task in gets)
    await house.clock.advance(POLL_SECONDS)
    assert not on_board(house).stale
    assert told(house) == []


# --- a source that fails ---


@pytest.mark.parametrize("script", ["fail", "crash", "garbage", "gives up"])
async def test_a_failing_source_is_told_once_when_it_goes_and_once_when_it_is_back(
    house: House, provider: ScriptedProvider, script: str
) -> None:
    await watch(house, "AAPL", "MSFT")
    provider.script = script  # type: ignore[assignment] # one of the scripts
    await house.clock.advance(POLL_SECONDS * 30)
    assert told(house) == [(Event.OUTAGE, {"AAPL", "MSFT"})]
    error = house.events[0].error
    assert error is not None
    assert (error.reason, error.retry_after_ms) == (Reason.PROVIDER_ERROR, 2_000)
    held = on_board(house)
    assert (held.price, held.stale, held.stale_reason) == (100.0, True, Reason.PROVIDER_ERROR)
    provider.prices["AAPL"] = 150.0
    provider.script = "good"
    await house.clock.advance(60)
    assert told(house)[1:] == [(Event.RESTORED, {"AAPL", "MSFT"})]
    held = on_board(house)
    assert (held.price, held.stale, held.stale_reason, held.retry_at) == (150.0, False, None, None)


async def test_a_source_that_fails_right_after_a_late_answer_makes_its_prices_stale_at_once(house: House) -> None:
    house.provider.script, house.provider.slow_seconds = "slow", 4.0
    a_watcher(house.board, "AAPL")
    await house.clock.advance(4)
    assert not on_board(house).stale
    house.provider.script = "fail"
    await house.clock.advance(1)
    assert on_board(house).stale


async def test_a_failing_source_is_retried_with_back_off_instead_of_every_poll(house: House) -> None:
    await watch(house, "AAPL")
    house.provider.script = "fail"
    await house.clock.advance(POLL_SECONDS)
    asked_at = []
    for _ in range(600):
        before = house.provider.quote_requests
        await house.clock.advance(1)
        if house.provider.quote_requests > before:
            asked_at.append(round(house.clock.monotonic()))
    waits = [later - earlier for earlier, later in itertools.pairwise(asked_at)]
    # From 2 seconds on, but never more often than it would be polled.
    assert waits[:5] == [5, 8, 16, 32, 60]
    assert set(waits[5:]) == {60}


async def test_a_stale_quote_says_when_the_source_is_asked_again(house: House) -> None:
    await watch(house, "AAPL")
    house.provider.script = "blocked"
    await house.clock.advance(POLL_SECONDS)
    assert on_board(house).retry_at == NOW_MS + 5_000 + 30_000
    assert on_board(house).stale_reason is Reason.PROVIDER_BLOCKED


async def test_a_429_stops_all_calls_until_its_back_off_ends_and_gets_fail_at_once(
    house: House, provider: ScriptedProvider
) -> None:
    await watch(house, "AAPL")
    provider.script = "blocked"
    await house.clock.advance(POLL_SECONDS)
    asked = provider.requests.total()
    assert await why_missing(house, "MSFT") is Reason.PROVIDER_BLOCKED
    for work in (
        house.feed.questions.company("AAPL"),
        house.feed.questions.news(10),
        house.feed.questions.dividends("AAPL", 5),
    ):
        with pytest.raises(ProviderError):
            await work
    await house.clock.advance(29.9)
    assert provider.requests.total() == asked
    provider.script = "good"
    await house.clock.advance(0.2)
    assert not on_board(house).stale
    assert told(house) == [(Event.OUTAGE, {"AAPL"}), (Event.RESTORED, {"AAPL"})]


async def test_gets_during_an_outage_fail_at_once_and_ask_nothing(house: House) -> None:
    house.provider.script = "fail"
    assert await why_missing(house, "AAPL") is Reason.PROVIDER_ERROR
    for symbol in ("AAPL", "MSFT", "TSLA"):
        found = await house.feed.quotes([symbol])
        assert found.missing[symbol].retry_after_ms == 2_000
    assert house.provider.quote_requests == 1
    house.provider.script = "good"
    await house.clock.advance(2)
    assert (await quote(house)).price == 100.0


async def test_a_stale_quote_is_served_during_an_outage_also_where_nobody_watches(house: House) -> None:
    await quote(house)
    await house.clock.advance(60)
    house.provider.script = "fail"
    first = await quote(house)
    again = await quote(house)
    assert (first.price, first.stale, again.stale) == (100.0, True, True)


async def test_prices_never_sent_after_an_outage_began_are_told_as_stale_once(house: House) -> None:
    await watch(house, "AAPL")
    seq = on_board(house).seq
    house.provider.script = "fail"
    await house.clock.advance(POLL_SECONDS)
    assert on_board(house).seq == seq + 1
    await house.clock.advance(1)
    assert on_board(house).seq == seq + 1
