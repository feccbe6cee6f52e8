import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from fakes import NOW_MS, POLL_SECONDS, House, ScriptedStream, a_house, a_watcher, soon
from market_house import on_board, quote, told, watch
from stocktrack.clock import ManualClock, settle
from stocktrack.errors import ProviderError, Reason
from stocktrack.market import feed
from stocktrack.market.demand import GRACE_SECONDS
from stocktrack.market.events import Event, FeedEvent
from stocktrack.market.leads import FILL_SECONDS
from stocktrack.providers.base import StreamSink, Wanted
from stocktrack.quotes import MarketState


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with a_house() as built:
        yield built


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


async def test_who_has_no_patience_is_told_that_the_source_is_still_asked_and_the_price_comes_all_the_same(
    house: House,
) -> None:
    house.feed._patience_seconds = 0.2
    house.provider.script = "slow"
    asking = asyncio.create_task(house.feed.known(["AAPL"]))
    await house.clock.advance(0.1)
    assert not asking.done()
    await house.clock.advance(0.1)
    error = (await asking)["AAPL"]
    assert (error.reason, error.message) == (Reason.PROVIDER_TIMEOUT, "The source is still being asked.")
    assert house.board.quote("AAPL") is None
    await house.clock.advance(house.provider.slow_seconds)
    assert on_board(house).price == house.provider.prices["AAPL"]
    assert house.provider.quote_requests == 1


async def test_a_symbol_that_turns_out_unknown_after_that_is_told_at_once(house: House) -> None:
    house.feed._patience_seconds = 0.2
    house.provider.script = "slow"
    asking = asyncio.create_task(house.feed.known(["AAPL", "NOPE"]))
    await house.clock.advance(0.2)
    assert set(await asking) == {"AAPL", "NOPE"}
    a_watcher(house.board, "AAPL", "NOPE")
    await house.clock.advance(house.provider.slow_seconds)
    assert told(house) == [(Event.UNKNOWN, {"NOPE"})]


async def test_an_answer_that_nobody_waits_for_ends_with_the_feed(house: House) -> None:
    house.feed._patience_seconds = 0.2
    house.provider.script = "hang"
    asking = asyncio.create_task(house.feed.known(["AAPL"]))
    await house.clock.advance(0.2)
    await asking
    await house.feed.close()
    assert house.feed._late == set()


async def test_what_nobody_asks_for_any_more_is_forgotten_after_a_while(house: House) -> None:
    await quote(house)
    await house.clock.advance(feed.UNWATCHED_SECONDS)
    assert len(house.board) == 1
    await house.clock.advance(POLL_SECONDS * 2)
    assert len(house.board) == 0


async def test_a_poll_that_takes_a_moment_and_one_that_begins_a_little_early_leave_the_next_one_in(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleep = house.clock.sleep

    def take_a_moment(_symbol: str) -> None:
        house.clock.stand_still(0.001)

    monkeypatch.setattr(house.feed.routes.instruments, "refusal", take_a_moment)
    monkeypatch.setattr(house.clock, "sleep", lambda seconds: sleep(seconds - 0.002))
    await watch(house, "AAPL", "MSFT")
    before = house.provider.quote_requests
    await house.clock.advance(10 * POLL_SECONDS + 1)
    assert house.provider.quote_requests == before + 10


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
    for _ in range(59):
        await live.clock.advance(1)
        stream.deliver()
    assert stream.quote_requests == before
    assert (on_board(live).price, on_board(live).seq) == (159.0, 60)


async def test_the_figures_of_the_day_are_asked_for_once_a_minute_also_while_the_stream_delivers(
    live: House, stream: ScriptedStream
) -> None:
    await watch(live, "AAPL", "MSFT")
    before = stream.quote_requests
    for _ in range(190):
        await live.clock.advance(1)
        stream.deliver()
    assert stream.quote_requests == before + 3


async def test_a_mute_stream_is_filled_in_for_within_half_a_minute(live: House, stream: ScriptedStream) -> None:
    await watch(live, "AAPL")
    before = stream.quote_requests
    for price in (111.0, 112.0, 113.0):
        stream.prices["AAPL"] = price
        await live.clock.advance(30)
        assert (on_board(live).price, on_board(live).stale) == (price, False)
    assert stream.quote_requests - before <= 4


@pytest.mark.parametrize(
    "quiet",
    [{"market_state": MarketState.CLOSED}, {"market_state": MarketState.UNKNOWN, "timestamp": NOW_MS - 3_600_000}],
)
async def test_in_a_closed_market_a_mute_stream_is_no_reason_to_ask_or_to_call_a_price_old(
    live: House, stream: ScriptedStream, quiet: dict[str, Any]
) -> None:
    stream.quoted = quiet
    await watch(live, "AAPL")
    before = stream.quote_requests
    for _ in range(29):
        await live.clock.advance(60)
        assert not on_board(live).stale
    assert stream.quote_requests - before == 2


class SlowToOpen(ScriptedStream):
    """A source whose stream takes its time to open, and which is asked in batches."""

    symbols_a_request = 50

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.may_open = asyncio.Event()

    async def stream(self, wanted: Wanted, sink: StreamSink) -> None:
        await self.may_open.wait()
        await super().stream(wanted, sink)


async def test_while_a_stream_is_still_opening_what_it_will_carry_is_polled_at_the_usual_pace() -> None:
    async with a_house(lambda clock: (SlowToOpen(clock),)) as slow:
        source = slow.provider
        assert isinstance(source, SlowToOpen)
        await watch(slow, "AAPL", "MSFT")
        before = source.quote_requests
        await slow.clock.advance(6 * POLL_SECONDS)
        assert source.quote_requests == before + 6
        source.may_open.set()
        await slow.clock.advance(1)
        before = source.quote_requests
        for _ in range(30):
            source.deliver()
            await slow.clock.advance(1)
        assert source.quote_requests == before


async def test_a_stream_that_breaks_is_opened_again_with_back_off(live: House, stream: ScriptedStream) -> None:
    await watch(live, "AAPL")
    for wait in (2, 4, 8):
        assert stream.is_streaming()
        stream.break_off(ProviderError(Reason.PROVIDER_ERROR, "The line is dead."))
        await live.clock.advance(wait - 0.1)
        assert not stream.is_streaming()
        await live.clock.advance(0.1)
    # One that was up for a moment only goes on where it was.
    stream.deliver()
    stream.break_off()
    await live.clock.advance(15.9)
    assert not stream.is_streaming()
    await live.clock.advance(0.1)
    assert stream.is_streaming()
    # And one that was up for a minute is well again.
    await live.clock.advance(60)
    stream.break_off()
    await live.clock.advance(2)
    assert stream.is_streaming()
    assert not on_board(live).stale
    assert told(live) == []


async def test_the_stream_is_told_what_is_wanted_now(live: House, stream: ScriptedStream) -> None:
    assert not stream.is_streaming()
    goes = a_watcher(live.board, "AAPL", "MSFT")
    a_watcher(live.board, "AAPL")
    await settle()
    assert stream.wanted() == ["AAPL", "MSFT"]
    goes()
    goes_again = a_watcher(live.board, "MSFT")
    await settle()
    assert stream.wanted() == ["AAPL", "MSFT"]
    goes_again()
    await live.clock.advance(GRACE_SECONDS)
    assert stream.wanted() == ["AAPL"]


async def test_a_stream_that_delivers_again_ends_the_outage(live: House, stream: ScriptedStream) -> None:
    await watch(live, "AAPL")
    stream.script = "fail"
    await live.clock.advance(FILL_SECONDS)
    assert told(live) == [(Event.OUTAGE, {"AAPL"})]
    stream.deliver()
    assert told(live)[1:] == [(Event.RESTORED, {"AAPL"})]
    assert not on_board(live).stale


async def test_a_stream_of_some_symbols_does_not_end_the_outage_of_others(live: House, stream: ScriptedStream) -> None:
    await watch(live, "AAPL", "MSFT")
    stream.script = "fail"
    await live.clock.advance(FILL_SECONDS)
    publish = stream._publish
    assert publish is not None
    for _ in range(20):
        await live.clock.advance(1)
        publish([stream.quote("AAPL")])
    assert told(live) == [(Event.OUTAGE, {"AAPL", "MSFT"})]
    assert (on_board(live, "AAPL").stale, on_board(live, "MSFT").stale) == (False, True)


async def test_while_the_poll_fails_nobody_is_told_of_what_the_stream_goes_on_to_bring(
    live: House, stream: ScriptedStream
) -> None:
    await watch(live, "AAPL", "MSFT")
    stream.script = "fail"
    for _ in range(16):
        await live.clock.advance(5)
        assert stream._publish is not None
        stream._publish([stream.quote("AAPL")])
    await live.clock.advance(4)

    assert told(live) == [(Event.OUTAGE, {"MSFT"})]
    assert (on_board(live, "AAPL").stale, on_board(live, "MSFT").stale) == (False, True)

    await live.clock.advance(60)
    assert told(live) == [(Event.OUTAGE, {"MSFT"}), (Event.OUTAGE, {"AAPL"})], "it is mute as well now"
    assert on_board(live, "AAPL").stale


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
        clients.append(await soon(house.feed.questions.company("AAPL")))
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
    assert (house.feed.supervisor.failing, house.feed.supervisor.failures["poll scripted"]) == (("poll scripted",), 1)
    house.provider.script = "good"
    await house.clock.advance(60)
    assert house.provider.batches[-1] == ("AAPL",)
    assert not house.feed.supervisor.failing
