import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from datetime import date

import pytest
from structlog.testing import capture_logs

from fakes import (
    NOW_MS,
    POLL_SECONDS,
    House,
    ScriptedNews,
    ScriptedProvider,
    ScriptedQuotes,
    ScriptedStream,
    a_house,
    a_watcher,
    soon,
)
from stocktrack.clock import ManualClock, settle
from stocktrack.errors import CommandError, ProviderError, Reason
from stocktrack.market import feed as feed_module
from stocktrack.market.feed import Event, FeedEvent
from stocktrack.messages import BoardQuote
from stocktrack.providers.base import Capability, Provider
from stocktrack.quotes import Dividend


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with a_house() as built:
        yield built


@pytest.fixture
def provider(house: House) -> ScriptedProvider:
    assert isinstance(house.provider, ScriptedProvider)
    return house.provider


async def quote(house: House, symbol: str = "AAPL") -> BoardQuote:
    return (await house.feed.quotes([symbol])).quotes[symbol]


async def why_missing(house: House, symbol: str) -> Reason:
    found = await house.feed.quotes([symbol])
    assert found.quotes == {}
    return found.missing[symbol].reason


async def watch(house: House, *symbols: str) -> None:
    """Have quotes of `symbols`, and somebody who watches them for good."""
    await house.feed.known(symbols)
    a_watcher(house.board, *symbols)
    await settle()


def on_board(house: House, symbol: str = "AAPL") -> BoardQuote:
    held = house.board.quote(symbol)
    assert held is not None
    return held


def told(house: House) -> list[tuple[Event, set[str]]]:
    return [(event.event, set(event.symbols)) for event in house.events]


# --- one request for everybody ---


async def test_a_hundred_gets_of_one_symbol_at_once_are_one_request(house: House) -> None:
    found = await asyncio.gather(*(house.feed.quotes(["AAPL"]) for _ in range(100)))
    assert {each.quotes["AAPL"].price for each in found} == {100.0}
    assert house.provider.batches == [("AAPL",)]


async def test_a_hundred_gets_of_one_symbol_while_a_slow_call_is_under_way_are_one_request(house: House) -> None:
    house.provider.script = "slow"
    first = await soon(house.feed.quotes(["AAPL"]))
    others = [await soon(house.feed.quotes(["AAPL"])) for _ in range(20)]
    await house.clock.advance(3)
    assert all(task.result().quotes["AAPL"].price == 100.0 for task in (first, *others))
    assert house.provider.quote_requests == 1


async def test_gets_of_different_symbols_at_once_go_into_one_request(house: House) -> None:
    await asyncio.gather(*(house.feed.quotes([symbol]) for symbol in ("AAPL", "MSFT", "TSLA")))
    assert house.provider.batches == [("AAPL", "MSFT", "TSLA")]


async def test_a_hundred_sessions_with_the_same_ten_symbols_cost_one_request_a_poll(house: House) -> None:
    symbols = [f"S{number}" for number in range(10)]
    for _ in range(100):
        user = await house.user()
        assert (await user.command("SUBSCRIBE", symbols=symbols, save=False))["code"] == 200
    before = house.provider.quote_requests
    await house.clock.advance(POLL_SECONDS * 6)
    assert house.provider.quote_requests == before + 6
    assert set(house.provider.batches[-1]) == set(symbols)


async def test_what_is_asked_for_while_enough_calls_are_under_way_goes_into_the_next_one(house: House) -> None:
    house.provider.script = "hang"
    waiting = [await soon(house.feed.quotes([f"S{number}"])) for number in range(6)]
    assert house.provider.batches == [("S0",), ("S1",)]
    house.provider.release()
    await settle()
    assert all(task.done() for task in waiting)
    assert house.provider.batches == [("S0",), ("S1",), ("S2", "S3", "S4", "S5")]


async def test_more_symbols_than_a_call_takes_are_asked_for_in_several(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "MAX_BATCH", 4)
    symbols = [f"S{number}" for number in range(10)]
    found = await house.feed.quotes(symbols)
    assert list(found.quotes) == symbols
    assert [len(batch) for batch in house.provider.batches] == [4, 4, 2]


async def test_one_who_goes_away_does_not_take_the_call_of_the_others_along(house: House) -> None:
    house.provider.script = "slow"
    first = await soon(house.feed.quotes(["AAPL"]))
    second = await soon(house.feed.quotes(["AAPL"]))
    first.cancel()
    await house.clock.advance(3)
    assert first.cancelled()
    assert second.result().quotes["AAPL"].price == 100.0
    assert house.provider.quote_requests == 1


# --- from the board while it is fresh ---


async def test_a_get_is_served_from_the_board_while_the_quote_is_fresh_and_fetched_when_it_is_not(
    house: House,
) -> None:
    await quote(house)
    house.provider.prices["AAPL"] = 101.0
    await house.clock.advance(POLL_SECONDS - 0.1)
    assert (await quote(house)).price == 100.0
    await house.clock.advance(0.1)
    assert (await quote(house)).price == 101.0
    assert house.provider.quote_requests == 2


async def test_a_watched_symbol_is_never_waited_for(house: House) -> None:
    await watch(house, "AAPL")
    house.provider.script = "hang"
    # The poll has been waiting for six seconds, and its deadline is not yet over.
    await house.clock.advance(POLL_SECONDS + 6)
    get = await soon(quote(house))
    assert get.done()
    assert (get.result().price, get.result().stale) == (100.0, False)
    await house.clock.advance(POLL_SECONDS * 20)
    get = await soon(quote(house))
    assert get.done()
    assert get.result().stale


async def test_the_answer_keeps_the_order_asked(house: House) -> None:
    await quote(house, "MSFT")
    found = await house.feed.quotes(["TSLA", "NOPE", "MSFT", "AAPL"])
    assert list(found.quotes) == ["TSLA", "MSFT", "AAPL"]
    assert list(found.missing) == ["NOPE"]


async def test_an_old_quote_is_renewed_before_somebody_begins_to_watch_it(house: House) -> None:
    await quote(house)
    house.provider.prices["AAPL"] = 150.0
    await house.clock.advance(300)
    assert await house.feed.known(["AAPL"]) == {}
    assert on_board(house).price == 150.0


async def test_an_old_quote_that_cannot_be_renewed_is_known_and_stale(house: House) -> None:
    await quote(house)
    await house.clock.advance(300)
    house.provider.script = "fail"
    assert await house.feed.known(["AAPL"]) == {}
    assert on_board(house).stale


async def test_what_nobody_asks_for_any_more_is_forgotten_after_a_while(house: House) -> None:
    await quote(house)
    await house.clock.advance(feed_module.UNWATCHED_SECONDS)
    assert len(house.board) == 1
    await house.clock.advance(POLL_SECONDS * 2)
    assert len(house.board) == 0


# --- demand ---


async def test_the_first_watcher_starts_the_polling_and_the_going_of_the_last_stops_it_after_the_grace(
    house: House,
) -> None:
    await house.clock.advance(60)
    assert house.provider.quote_requests == 0
    one_goes, other_goes = a_watcher(house.board, "AAPL"), a_watcher(house.board, "AAPL", "MSFT")
    await settle()
    assert house.provider.quote_requests == 1
    await house.clock.advance(POLL_SECONDS * 4)
    assert house.provider.quote_requests == 5
    one_goes()
    await house.clock.advance(POLL_SECONDS * 4)
    assert set(house.provider.batches[-1]) == {"AAPL", "MSFT"}
    other_goes()
    before = house.provider.quote_requests
    await house.clock.advance(feed_module.GRACE_SECONDS)
    assert house.provider.quote_requests > before
    before = house.provider.quote_requests
    await house.clock.advance(600)
    assert house.provider.quote_requests == before
    a_watcher(house.board, "AAPL")
    await settle()
    assert house.provider.quote_requests == before + 1


async def test_a_watcher_who_comes_back_within_the_grace_finds_the_polling_as_it_was(house: House) -> None:
    goes = a_watcher(house.board, "AAPL")
    await house.clock.advance(POLL_SECONDS)
    goes()
    await house.clock.advance(POLL_SECONDS)
    a_watcher(house.board, "AAPL")
    await house.clock.advance(POLL_SECONDS * 10)
    assert house.provider.batches == [("AAPL",)] * 13


async def test_a_symbol_whose_last_watcher_goes_during_the_fetch_is_kept_and_polled_no_more(house: House) -> None:
    house.provider.script = "slow"
    goes = a_watcher(house.board, "AAPL")
    await settle()
    goes()
    await house.clock.advance(3)
    assert on_board(house).price == 100.0
    await house.clock.advance(feed_module.GRACE_SECONDS + POLL_SECONDS)
    before = house.provider.quote_requests
    await house.clock.advance(60)
    assert house.provider.quote_requests == before


async def test_a_symbol_that_is_first_watched_during_a_fetch_is_polled_from_then_on(house: House) -> None:
    await watch(house, "AAPL")
    house.provider.script = "slow"
    await house.clock.advance(POLL_SECONDS + 1)
    a_watcher(house.board, "MSFT")
    await house.clock.advance(POLL_SECONDS * 2)
    assert on_board(house, "MSFT").price == 200.0
    assert set(house.provider.batches[-1]) == {"AAPL", "MSFT"}


async def test_a_slow_source_is_asked_at_every_poll_all_the_same(house: House) -> None:
    house.provider.script, house.provider.slow_seconds = "slow", 4.0
    a_watcher(house.board, "AAPL", "MSFT")
    await house.clock.advance(POLL_SECONDS * 6)
    assert house.provider.batches == [("AAPL", "MSFT")] * 7


async def test_a_symbol_that_a_get_has_just_renewed_is_left_out_of_one_poll(house: House) -> None:
    await watch(house, "AAPL")
    await house.clock.advance(POLL_SECONDS - 1)
    await quote(house, "MSFT")
    a_watcher(house.board, "MSFT")
    await house.clock.advance(1)
    await house.clock.advance(POLL_SECONDS)
    assert house.provider.batches[-2:] == [("AAPL",), ("AAPL", "MSFT")]


async def test_a_symbol_in_flight_is_not_asked_for_a_second_time_by_the_poll(house: House) -> None:
    house.provider.script = "slow"
    get = await soon(house.feed.quotes(["AAPL"]))
    a_watcher(house.board, "AAPL", "MSFT")
    await settle()
    assert house.provider.batches == [("AAPL",), ("MSFT",)]
    await house.clock.advance(3)
    assert get.result().quotes["AAPL"].price == 100.0


# --- a source that hangs ---


async def test_a_hung_call_leaves_the_price_and_marks_it_stale_after_three_polls(house: House) -> None:
    async with a_house() as patient:
        # A call may take long here: it hangs still when the third poll would have come.
        for upstream in patient.feed.upstreams:
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
    for work in (house.feed.company("AAPL"), house.feed.news(10), house.feed.dividends("AAPL", 5)):
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


# --- odd symbols ---


async def test_a_symbol_that_alone_fails_is_stale_and_the_others_go_on(house: House) -> None:
    await watch(house, "AAPL", "MSFT")
    house.provider.odd = {"AAPL"}
    house.provider.prices["MSFT"] = 201.0
    await house.clock.advance(POLL_SECONDS)
    assert (on_board(house, "AAPL").stale, on_board(house, "AAPL").stale_reason) == (True, Reason.PROVIDER_ERROR)
    assert (on_board(house, "MSFT").stale, on_board(house, "MSFT").price) == (False, 201.0)
    house.provider.odd = set()
    await house.clock.advance(POLL_SECONDS)
    assert not on_board(house, "AAPL").stale
    assert told(house) == []


async def test_symbols_that_are_left_out_of_an_answer_are_stale(house: House) -> None:
    await watch(house, "AAPL", "MSFT")
    house.provider.script = "partial"
    await house.clock.advance(POLL_SECONDS)
    assert {symbol: on_board(house, symbol).stale for symbol in ("AAPL", "MSFT")} == {"AAPL": False, "MSFT": True}
    assert told(house) == []


async def test_no_price_for_anything_that_had_one_is_an_outage(house: House) -> None:
    await watch(house, "AAPL", "MSFT")
    house.provider.odd = {"AAPL", "MSFT"}
    await house.clock.advance(POLL_SECONDS * 10)
    assert told(house) == [(Event.OUTAGE, {"AAPL", "MSFT"})]
    house.provider.odd = set()
    await house.clock.advance(60)
    assert told(house)[1:] == [(Event.RESTORED, {"AAPL", "MSFT"})]


async def test_a_get_of_an_odd_symbol_stops_nobody(house: House) -> None:
    await watch(house, "AAPL")
    house.provider.odd = {"S1"}
    assert await why_missing(house, "S1") is Reason.PROVIDER_ERROR
    assert (await quote(house, "MSFT")).price == 200.0
    assert told(house) == []


async def test_a_get_whose_whole_call_fails_is_no_outage_of_what_is_watched(house: House) -> None:
    await watch(house, "AAPL")
    house.provider.script = "fail"
    assert await why_missing(house, "S1") is Reason.PROVIDER_ERROR
    house.provider.script = "good"
    assert (await quote(house, "S2")).price == 10.0
    before = house.provider.quote_requests
    await house.clock.advance(POLL_SECONDS)
    assert house.provider.quote_requests == before + 1
    assert not on_board(house).stale
    assert told(house) == []


async def test_an_odd_symbol_is_not_asked_for_again_and_again_because_clients_do(house: House) -> None:
    house.provider.odd = {"S1"}
    for _ in range(100):
        assert await why_missing(house, "S1") is Reason.PROVIDER_ERROR
    assert house.provider.quote_requests == 1
    house.provider.odd = set()
    await house.clock.advance(POLL_SECONDS / 2)
    assert (await quote(house, "S1")).price == 10.0


async def test_an_odd_symbol_that_is_watched_is_tried_again_at_every_poll(house: House) -> None:
    house.provider.odd = {"S1"}
    a_watcher(house.board, "S1")
    await house.clock.advance(POLL_SECONDS * 4)
    assert house.provider.batches == [("S1",)] * 5


# --- unknown symbols ---


async def test_an_unknown_symbol_is_remembered_for_ten_minutes(house: House) -> None:
    assert await why_missing(house, "NOPE") is Reason.UNKNOWN_SYMBOL
    await house.clock.advance(599)
    assert await why_missing(house, "NOPE") is Reason.UNKNOWN_SYMBOL
    assert house.provider.quote_requests == 1
    house.provider.prices["NOPE"] = 5.0
    await house.clock.advance(1)
    assert (await quote(house, "NOPE")).price == 5.0


async def test_an_unknown_symbol_stays_unknown_while_the_source_is_down(house: House) -> None:
    assert await why_missing(house, "NOPE") is Reason.UNKNOWN_SYMBOL
    house.provider.script = "fail"
    assert await why_missing(house, "MSFT") is Reason.PROVIDER_ERROR
    assert await why_missing(house, "NOPE") is Reason.UNKNOWN_SYMBOL


async def test_a_symbol_that_had_a_price_never_becomes_unknown(house: House) -> None:
    await watch(house, "AAPL", "MSFT")
    del house.provider.prices["AAPL"]
    await house.clock.advance(POLL_SECONDS * 3)
    assert on_board(house).price == 100.0
    assert (on_board(house).stale, on_board(house).stale_reason) == (True, Reason.PROVIDER_ERROR)
    assert (await house.feed.known(["AAPL"])) == {}
    assert told(house) == []


async def test_a_source_that_knows_nothing_any_more_takes_no_price_away(house: House) -> None:
    await watch(house, "AAPL", "MSFT")
    house.provider.script = "unknown"
    await house.clock.advance(POLL_SECONDS * 3)
    assert (on_board(house, "AAPL").price, on_board(house, "MSFT").price) == (100.0, 200.0)
    house.provider.script = "good"
    await house.clock.advance(POLL_SECONDS)
    assert not on_board(house).stale


async def test_a_symbol_that_cannot_be_checked_is_told_once_when_it_turns_out_unknown(house: House) -> None:
    user = await house.user()
    house.provider.script = "fail"
    reply = await user.command("SUBSCRIBE", symbols=["NOPE", "AAPL"])
    assert reply["pending"] == ["NOPE", "AAPL"]
    house.provider.script = "good"
    await house.clock.advance(POLL_SECONDS * 10)
    assert [entry for entry in told(house) if entry[0] is Event.UNKNOWN] == [(Event.UNKNOWN, {"NOPE"})]
    assert user.pushed() == {"AAPL"}
    assert on_board(house, "AAPL").price == 100.0


async def test_a_pending_symbol_that_another_client_finds_to_be_unknown_is_told_at_the_next_poll(
    house: House,
) -> None:
    user = await house.user()
    house.provider.script = "fail"
    await user.command("SUBSCRIBE", symbols=["NOPE"])
    house.provider.script = "good"
    await house.clock.advance(1.9)
    assert user.pushed() == {"NOPE"}
    await house.clock.advance(0.1)
    assert await why_missing(house, "NOPE") is Reason.UNKNOWN_SYMBOL
    await house.clock.advance(POLL_SECONDS)
    assert user.pushed() == set()
    assert house.provider.quote_requests == 2


async def test_a_symbol_that_turned_out_unknown_before_the_subscription_was_saved_is_told_too(house: House) -> None:
    user = await house.user()
    house.provider.script = "fail"
    house.accounts.may_go_on.clear()
    subscribe = await soon(user.command("SUBSCRIBE", symbols=["NOPE"]))
    house.provider.script = "good"
    await house.clock.advance(2)
    assert await why_missing(house, "NOPE") is Reason.UNKNOWN_SYMBOL
    house.accounts.may_go_on.set()
    assert (await subscribe)["pending"] == ["NOPE"]
    await house.clock.advance(POLL_SECONDS)
    assert user.pushed() == set()
    assert house.accounts.lists["yosakorn"] == []


async def test_only_so_many_refusals_are_remembered(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "MAX_REFUSED", 5)
    for number in range(20):
        assert await why_missing(house, f"NOPE{number}") is Reason.UNKNOWN_SYMBOL
    assert len(house.feed._refused) == 5
    assert await why_missing(house, "NOPE19") is Reason.UNKNOWN_SYMBOL
    assert house.provider.quote_requests == 20


# --- several sources ---


def two_sources(clock: ManualClock) -> Sequence[Provider]:
    return (ScriptedProvider(clock, name="first"), ScriptedProvider(clock, name="second"))


async def test_the_first_source_serves_and_the_second_is_not_asked() -> None:
    async with a_house(two_sources) as house:
        assert (await quote(house)).provider == "first"
        assert [upstream.requests for upstream in house.feed.upstreams] == [1, 0]


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
        second = house.feed.upstreams[1].provider
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
            house.feed.news(10),
            house.feed.company("AAPL"),
            house.feed.dividends("AAPL", 5),
            house.feed.search("apple", 10),
        ):
            with pytest.raises(CommandError) as caught:
                await work
            assert caught.value.reason is Reason.NOT_OFFERED
            assert "quotes-only" in caught.value.message


async def test_quotes_that_no_source_offers_are_missing_and_not_pending() -> None:
    async with a_house(lambda clock: (ScriptedQuotes(clock), ScriptedNews(clock))) as house:
        house.feed.upstreams = house.feed.upstreams[1:]
        assert await why_missing(house, "AAPL") is Reason.NOT_OFFERED
        user = await house.user()
        reply = await user.command("SUBSCRIBE", symbols=["AAPL"])
        assert (reply["code"], reply["reason"], user.pushed()) == (404, "not_offered", set())
        assert (await house.feed.news(10))[0].title == "Only news"


# --- streams ---


@pytest.fixture
async def live() -> AsyncIterator[House]:
    async with a_house(lambda clock: (ScriptedStream(clock),)) as built:
        yield built


@pytest.fixture
def stream(live: House) -> ScriptedStream:
    assert isinstance(live.provider, ScriptedStream)
    return live.provider


async def test_nothing_is_polled_while_the_stream_delivers(live: House, stream: ScriptedStream) -> None:
    await watch(live, "AAPL", "MSFT")
    before = stream.quote_requests
    for _ in range(60):
        await live.clock.advance(1)
        stream.deliver()
    assert stream.quote_requests == before
    assert (on_board(live).price, on_board(live).seq) == (160.0, 61)


async def test_a_mute_stream_is_filled_in_for_by_the_poll(live: House, stream: ScriptedStream) -> None:
    await watch(live, "AAPL")
    before = stream.quote_requests
    stream.prices["AAPL"] = 111.0
    await live.clock.advance(POLL_SECONDS * 4)
    assert stream.quote_requests == before + 4
    assert (on_board(live).price, on_board(live).stale) == (111.0, False)


async def test_a_stream_that_breaks_is_opened_again_with_back_off(live: House, stream: ScriptedStream) -> None:
    await watch(live, "AAPL")
    for wait in (2, 4, 8):
        assert stream.is_streaming()
        stream.break_off(ProviderError(Reason.PROVIDER_ERROR, "The line is dead."))
        await live.clock.advance(wait - 0.1)
        assert not stream.is_streaming()
        await live.clock.advance(0.1)
    stream.deliver()
    stream.break_off()
    await live.clock.advance(2)
    assert stream.is_streaming()
    assert not on_board(live).stale
    assert told(live) == []


async def test_the_stream_is_told_what_is_wanted_now(live: House, stream: ScriptedStream) -> None:
    assert stream.wanted() == []
    goes = a_watcher(live.board, "AAPL", "MSFT")
    a_watcher(live.board, "AAPL")
    assert stream.wanted() == ["AAPL", "MSFT"]
    goes()
    goes_again = a_watcher(live.board, "MSFT")
    assert stream.wanted() == ["AAPL", "MSFT"]
    goes_again()
    await live.clock.advance(feed_module.GRACE_SECONDS)
    assert stream.wanted() == ["AAPL"]


async def test_a_stream_that_delivers_again_ends_the_outage(live: House, stream: ScriptedStream) -> None:
    await watch(live, "AAPL")
    stream.script = "fail"
    await live.clock.advance(POLL_SECONDS)
    assert told(live) == [(Event.OUTAGE, {"AAPL"})]
    stream.deliver()
    assert told(live)[1:] == [(Event.RESTORED, {"AAPL"})]
    assert not on_board(live).stale


async def test_a_stream_of_some_symbols_does_not_end_the_outage_of_others(live: House, stream: ScriptedStream) -> None:
    await watch(live, "AAPL", "MSFT")
    stream.script = "fail"
    await live.clock.advance(POLL_SECONDS)
    publish = stream._publish
    assert publish is not None
    for _ in range(20):
        await live.clock.advance(1)
        publish([stream.quote("AAPL")])
    assert told(live) == [(Event.OUTAGE, {"AAPL", "MSFT"})]
    assert (on_board(live, "AAPL").stale, on_board(live, "MSFT").stale) == (False, True)


# --- news, companies, dividends, search ---


async def test_news_are_asked_for_once_for_everybody_and_cut_to_the_limit(
    house: House, provider: ScriptedProvider
) -> None:
    lists = await asyncio.gather(*(house.feed.news(limit) for limit in (1, 10, 100)))
    assert [len(headlines) for headlines in lists] == [1, 10, 12]
    assert provider.requests[Capability.NEWS] == 1
    await house.clock.advance(feed_module.NEWS_SECONDS)
    await house.feed.news(10)
    assert provider.requests[Capability.NEWS] == 2


async def test_no_headlines_are_a_404(house: House, provider: ScriptedProvider) -> None:
    provider.headlines = []
    with pytest.raises(CommandError) as caught:
        await house.feed.news(10)
    assert caught.value.reason is Reason.NO_NEWS


async def test_a_symbol_without_a_company_and_a_symbol_that_is_unknown_are_told_apart(house: House) -> None:
    assert (await house.feed.company("AAPL")).name == "Apple Inc."
    for symbol, reason in (("MSFT", Reason.NO_COMPANY_INFO), ("NOPE", Reason.UNKNOWN_SYMBOL)):
        with pytest.raises(Exception, match=symbol) as caught:
            await house.feed.company(symbol)
        assert getattr(caught.value, "reason", None) is reason


async def test_that_there_is_no_company_is_remembered(house: House, provider: ScriptedProvider) -> None:
    for _ in range(3):
        with pytest.raises(CommandError):
            await house.feed.company("MSFT")
    assert provider.requests[Capability.COMPANY] == 1


async def test_dividends_are_cut_to_the_limit_and_none_at_all_is_a_404(
    house: House, provider: ScriptedProvider
) -> None:
    provider.paid["AAPL"] = [Dividend(date=date(2024, month, 9), amount=0.24) for month in range(9, 0, -1)]
    assert [paid.date.month for paid in await house.feed.dividends("AAPL", 2)] == [9, 8]
    for symbol, reason in (("TSLA", Reason.NO_DIVIDENDS), ("NOPE", Reason.UNKNOWN_SYMBOL)):
        with pytest.raises(Exception, match=symbol) as caught:
            await house.feed.dividends(symbol, 5)
        assert getattr(caught.value, "reason", None) is reason


async def test_a_search_without_matches_is_an_empty_list(house: House) -> None:
    assert [match.symbol for match in await house.feed.search("apple", 10)] == ["AAPL"]
    assert await house.feed.search("zebra", 10) == []


# --- the closing ---


@pytest.mark.parametrize("script", ["hang", "slow"])
async def test_close_returns_while_calls_hang_and_lets_everybody_go(script: str) -> None:
    clients: list[asyncio.Task[object]] = []
    async with a_house() as house:
        provider = house.provider
        provider.script = script  # type: ignore[assignment] # one of the scripts
        a_watcher(house.board, "AAPL")
        await settle()
        clients += [await soon(house.feed.quotes([f"S{number}"])) for number in range(5)]
        clients.append(await soon(house.feed.company("AAPL")))
    assert provider.is_closed
    assert all(client.done() for client in clients)
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


@pytest.mark.parametrize("turns", range(8))
async def test_close_soon_after_something_was_asked_leaves_nobody_waiting(turns: int) -> None:
    async with a_house() as house:
        house.provider.script = "slow"
        asked = asyncio.create_task(house.feed.quotes(["AAPL"]))
        await settle(turns)
        await house.feed.close()
        await settle()
        assert asked.done()
        assert list(asked.result().missing) == ["AAPL"]


async def test_a_mistake_of_ours_in_telling_the_sessions_is_logged(house: House) -> None:
    def raises(_: FeedEvent) -> None:
        raise KeyError("sessions")

    await watch(house, "AAPL")
    house.feed.on_event = raises
    house.provider.script = "fail"
    with capture_logs() as logs:
        await house.clock.advance(POLL_SECONDS)
    assert "a task of the feed failed unexpectedly" in [entry["event"] for entry in logs]
    house.provider.script = "good"
    await house.clock.advance(60)
    assert house.provider.batches[-1] == ("AAPL",)
