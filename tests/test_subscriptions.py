import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from fakes import NOW_MS, CountingWatcher, MemoryConnection, Message, a_quote, read_lines
from stocktrack.clock import ManualClock, settle
from stocktrack.market.board import Board
from stocktrack.metronome import Metronome
from stocktrack.subscriptions import Subscription


@dataclass(slots=True)
class Desk:
    """A board with two priced symbols, one client, and its subscription."""

    clock: ManualClock
    board: Board
    connection: MemoryConnection
    subscription: Subscription

    def put(self, symbol: str, price: float) -> None:
        self.board.put([a_quote(symbol, price, received_at=self.clock.now_ms())], self.clock.monotonic())

    def add(self, *symbols: str, interval: float | None = None) -> list[Message]:
        """What is sent right after the reply."""
        lines = self.subscription.add(symbols, interval)
        self.connection.send(lines)
        self.connection.messages()
        return read_lines(lines)

    def pushed(self) -> list[tuple[str, float]]:
        return [(price["symbol"], price["price"]) for price in self.connection.messages()]

    def tasks(self) -> list[str]:
        return [task.get_name() for task in asyncio.all_tasks() if task.get_name() == "s1 push"]


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    clock, board = ManualClock(NOW_MS), Board()
    board.put([a_quote("AAPL", 100.0), a_quote("MSFT", 200.0), a_quote("TSLA", 300.0)], 0.0)
    connection = MemoryConnection(clock)
    subscription = Subscription(board, connection, clock, Metronome(clock), interval_seconds=5.0, name="s1")
    yield Desk(clock, board, connection, subscription)
    subscription.close()
    await settle()


# --- what it begins with ---


async def test_a_subscription_begins_with_the_current_price_of_each_new_symbol(desk: Desk) -> None:
    begun = desk.add("MSFT", "AAPL")
    assert [(price["type"], price["symbol"], price["price"]) for price in begun] == [
        ("PRICE", "MSFT", 200.0),
        ("PRICE", "AAPL", 100.0),
    ]
    assert desk.subscription.symbols == ("MSFT", "AAPL")


@pytest.mark.parametrize("interval", [0.0, 5.0])
async def test_adding_symbols_begins_with_the_new_ones_only(desk: Desk, interval: float) -> None:
    desk.add("AAPL", interval=interval)
    assert [price["symbol"] for price in desk.add("AAPL", "MSFT")] == ["MSFT"]
    assert desk.add("MSFT") == []


@pytest.mark.parametrize("interval", [0.0, 5.0])
async def test_what_has_no_quote_yet_is_pushed_when_it_has_one(desk: Desk, interval: float) -> None:
    assert desk.add("LATER", interval=interval) == []
    desk.put("LATER", 1.0)
    await desk.clock.advance(interval)
    assert desk.pushed() == [("LATER", 1.0)]


async def test_nothing_is_pushed_a_second_time_after_the_beginning(desk: Desk) -> None:
    desk.add("AAPL", interval=0.0)
    await settle()
    assert desk.pushed() == []


async def test_a_change_that_was_not_pushed_yet_comes_with_the_beginning_and_only_there(desk: Desk) -> None:
    desk.add("AAPL", interval=0.0)
    await settle()
    desk.put("AAPL", 101.0)
    # No turn of the loop in between: the push of AAPL has not run.
    begun = desk.add("MSFT")
    assert [(price["symbol"], price["price"]) for price in begun] == [("AAPL", 101.0), ("MSFT", 200.0)]
    await settle()
    assert desk.pushed() == []


# --- as prices change ---


async def test_interval_0_pushes_what_changed_when_it_changed(desk: Desk) -> None:
    desk.add("AAPL", "MSFT", interval=0.0)
    await settle()
    desk.put("MSFT", 201.0)
    await settle()
    assert desk.pushed() == [("MSFT", 201.0)]
    desk.put("TSLA", 301.0)
    await settle()
    assert desk.pushed() == []


async def test_interval_0_pushes_nothing_for_an_equal_answer(desk: Desk) -> None:
    desk.add("AAPL", interval=0.0)
    desk.put("AAPL", 100.0)
    await desk.clock.advance(60)
    assert desk.pushed() == []


async def test_a_batch_of_changes_is_one_write(desk: Desk) -> None:
    desk.add("AAPL", "MSFT", interval=0.0)
    await settle()
    before = len(desk.connection.writes)
    desk.board.put([a_quote("AAPL", 101.0), a_quote("MSFT", 201.0)], 1.0)
    await settle()
    assert len(desk.connection.writes) == before + 1
    assert desk.pushed() == [("AAPL", 101.0), ("MSFT", 201.0)]


async def test_two_sessions_with_equal_symbols_get_the_same_bytes(desk: Desk) -> None:
    other = MemoryConnection(desk.clock)
    second = Subscription(desk.board, other, desk.clock, Metronome(desk.clock), interval_seconds=0.0, name="s2")
    desk.add("AAPL", "MSFT", interval=0.0)
    second.add(("AAPL", "MSFT"))
    await settle()
    desk.board.put([a_quote("AAPL", 101.0), a_quote("MSFT", 201.0)], 1.0)
    await settle()
    assert desk.connection.writes[-1] is other.writes[-1]
    second.close()


# --- every few seconds ---


async def test_an_interval_pushes_all_symbols_each_time_in_one_write_changed_or_not(desk: Desk) -> None:
    desk.add("AAPL", "MSFT", interval=5.0)
    await desk.clock.advance(4.9)
    assert desk.pushed() == []
    desk.put("AAPL", 101.0)
    await desk.clock.advance(0.1)
    assert desk.pushed() == [("AAPL", 101.0), ("MSFT", 200.0)]
    before = len(desk.connection.writes)
    await desk.clock.advance(5)
    assert desk.pushed() == [("AAPL", 101.0), ("MSFT", 200.0)]
    assert len(desk.connection.writes) == before + 1


async def test_an_unchanged_price_is_pushed_again_as_it_is(desk: Desk) -> None:
    [begun] = desk.add("AAPL", interval=5.0)
    await desk.clock.advance(10)
    assert desk.connection.messages() == [begun, begun]


async def test_pushes_do_not_drift_when_symbols_are_added(desk: Desk) -> None:
    desk.add("AAPL", interval=5.0)
    await desk.clock.advance(3)
    desk.add("MSFT")
    await desk.clock.advance(2)
    assert [symbol for symbol, _ in desk.pushed()] == ["AAPL", "MSFT"]


# --- the interval ---


async def test_the_interval_given_last_stands_for_all_symbols(desk: Desk) -> None:
    desk.add("AAPL", interval=5.0)
    desk.add("MSFT", interval=2.0)
    assert desk.subscription.interval_seconds == 2.0
    await desk.clock.advance(2)
    assert [symbol for symbol, _ in desk.pushed()] == ["AAPL", "MSFT"]
    desk.add("TSLA")
    assert desk.subscription.interval_seconds == 2.0


async def test_an_interval_can_be_given_without_a_new_symbol(desk: Desk) -> None:
    desk.add("AAPL", interval=5.0)
    desk.add("AAPL", interval=1.0)
    await desk.clock.advance(1)
    assert desk.pushed() == [("AAPL", 100.0)]
    await settle()
    assert desk.tasks() == ["s1 push"]


async def test_from_an_interval_to_0_what_changed_since_the_last_push_comes_at_once(desk: Desk) -> None:
    desk.add("AAPL", "MSFT", interval=5.0)
    await desk.clock.advance(5)
    desk.put("AAPL", 101.0)
    begun = desk.add("AAPL", interval=0.0)
    assert [(price["symbol"], price["price"]) for price in begun] == [("AAPL", 101.0)]
    desk.pushed()
    await desk.clock.advance(60)
    assert desk.pushed() == []
    desk.put("MSFT", 201.0)
    await settle()
    assert desk.pushed() == [("MSFT", 201.0)]


async def test_from_0_to_an_interval_changes_wait_for_the_push(desk: Desk) -> None:
    desk.add("AAPL", interval=0.0)
    await settle()
    desk.add("AAPL", interval=5.0)
    desk.put("AAPL", 101.0)
    await desk.clock.advance(4)
    assert desk.pushed() == []
    await desk.clock.advance(1)
    assert desk.pushed() == [("AAPL", 101.0)]


async def test_an_interval_without_any_symbol_holds_for_what_comes(desk: Desk) -> None:
    assert desk.add(interval=0.0) == []
    assert desk.tasks() == []
    desk.add("AAPL")
    await settle()
    desk.put("AAPL", 101.0)
    await settle()
    assert desk.pushed() == [("AAPL", 101.0)]


# --- taking symbols out ---


@pytest.mark.parametrize("interval", [0.0, 5.0])
async def test_after_remove_no_price_of_the_symbol_follows(desk: Desk, interval: float) -> None:
    desk.add("AAPL", "MSFT", interval=interval)
    await settle()
    # Both changed, and neither is pushed yet.
    desk.put("AAPL", 101.0)
    desk.put("MSFT", 201.0)
    assert desk.subscription.remove(["AAPL", "TSLA"]) == ("AAPL",)
    await desk.clock.advance(interval)
    assert desk.pushed() == [("MSFT", 201.0)]
    assert desk.subscription.symbols == ("MSFT",)


async def test_a_symbol_kept_never_goes_unwatched_while_others_come_and_go(desk: Desk) -> None:
    demand: list[tuple[str, bool]] = []
    desk.board.on_demand = lambda symbol, is_wanted: demand.append((symbol, is_wanted))
    desk.add("AAPL")
    desk.add("MSFT")
    desk.subscription.remove(["MSFT"])
    assert demand == [("AAPL", True), ("MSFT", True), ("MSFT", False)]


async def test_taking_out_the_last_symbol_ends_the_task_and_a_new_one_begins_again(desk: Desk) -> None:
    desk.add("AAPL", interval=0.0)
    await settle()
    desk.subscription.remove(["AAPL"])
    await settle()
    assert desk.tasks() == []
    assert not desk.board.is_watched("AAPL")
    assert [price["symbol"] for price in desk.add("AAPL")] == ["AAPL"]
    desk.put("AAPL", 101.0)
    await settle()
    assert desk.pushed() == [("AAPL", 101.0)]


@pytest.mark.parametrize("interval", [0.0, 5.0])
@pytest.mark.parametrize("is_behind", [False, True])
async def test_close_leaves_no_task_and_nobody_watching(desk: Desk, interval: float, is_behind: bool) -> None:
    desk.add("AAPL", interval=interval)
    if is_behind:
        desk.connection.stop_reading()
        desk.put("AAPL", 101.0)
    await desk.clock.advance(interval)
    desk.subscription.close()
    await settle()
    assert desk.tasks() == []
    assert desk.board.watched() == []
    desk.subscription.close()
    assert desk.subscription.symbols == ()


async def test_close_before_the_task_ever_ran_leaves_none(desk: Desk) -> None:
    desk.add("AAPL", interval=0.0)
    desk.subscription.close()
    await settle()
    assert desk.tasks() == []


# --- clients that are behind, and clients that went ---


async def test_a_client_that_is_behind_gets_the_newest_price_once_when_it_reads_again(desk: Desk) -> None:
    desk.add("AAPL", "MSFT", interval=0.0)
    await settle()
    desk.connection.stop_reading()
    desk.put("AAPL", 101.0)
    await settle()
    desk.connection.messages()
    writes = len(desk.connection.writes)
    for price in (102.0, 103.0, 104.0):
        desk.put("AAPL", price)
        await settle()
    assert len(desk.connection.writes) == writes
    desk.connection.read_again()
    await settle()
    [merged] = desk.connection.messages()
    assert (merged["price"], merged["seq"]) == (104.0, 5)


async def test_pushes_missed_by_a_slow_client_are_made_up_for_by_one_and_it_keeps_its_moments(desk: Desk) -> None:
    desk.add("AAPL", interval=5.0)
    desk.connection.stop_reading()
    await desk.clock.advance(5)
    desk.connection.messages()
    desk.put("AAPL", 101.0)
    await desk.clock.advance(22)  # to 27
    desk.connection.read_again()
    await settle()
    assert desk.pushed() == [("AAPL", 101.0)]
    await desk.clock.advance(2.9)
    assert desk.pushed() == []
    await desk.clock.advance(0.1)
    assert desk.pushed() == [("AAPL", 101.0)]


async def test_sessions_keep_their_moments_when_the_server_stood_still(desk: Desk) -> None:
    """Else all would be due at one moment from then on, and late together."""
    desk.add("AAPL", interval=1.0)
    await desk.clock.advance(0.5)
    other = MemoryConnection(desk.clock)
    second = Subscription(desk.board, other, desk.clock, Metronome(desk.clock), interval_seconds=1.0, name="s2")
    second.add(["MSFT"])
    await settle()
    desk.clock.stand_still(7.2)  # to 7.7
    await desk.clock.advance(0.0)
    assert (len(desk.connection.writes), len(other.writes)) == (2, 1)  # one for what was missed
    await desk.clock.advance(0.29)
    assert (len(desk.connection.writes), len(other.writes)) == (2, 1)
    await desk.clock.advance(0.02)  # to 8.01
    assert (len(desk.connection.writes), len(other.writes)) == (3, 1)
    await desk.clock.advance(0.5)
    assert (len(desk.connection.writes), len(other.writes)) == (3, 2)
    second.close()


@pytest.mark.parametrize("interval", [0.1, 0.13, 0.99, 1.0, 1.234])
async def test_no_push_is_more_than_half_a_beat_early_or_late_and_none_drifts(desk: Desk, interval: float) -> None:
    await desk.clock.advance(0.0173)
    began = desk.clock.monotonic()
    desk.add("AAPL", interval=interval)
    await settle()
    writes = len(desk.connection.writes)
    pushed_at: list[float] = []
    while len(pushed_at) < 12:
        await desk.clock.advance(0.005)
        if len(desk.connection.writes) > writes:
            writes = len(desk.connection.writes)
            pushed_at.append(desk.clock.monotonic() - began)
    late = [at - number * interval for number, at in enumerate(pushed_at, start=1)]
    assert max(late) < 0.0301
    assert min(late) > -0.0251


@pytest.mark.parametrize("interval", [0.0, 5.0])
async def test_a_client_that_went_away_ends_the_push_quietly(desk: Desk, interval: float) -> None:
    desk.add("AAPL", interval=interval)
    await settle()
    desk.connection.vanish()
    desk.put("AAPL", 101.0)
    await desk.clock.advance(interval)
    assert desk.tasks() == []
    task = desk.subscription._task
    assert task is not None
    assert task.exception() is None


async def test_no_price_is_pushed_with_an_older_seq_than_one_sent_before(desk: Desk) -> None:
    seen = [price["seq"] for price in desk.add("AAPL", interval=0.0)]
    for turn in range(1, 30):
        desk.put("AAPL", 100.0 + turn)
        if turn % 3 == 0:
            await settle()
        if turn % 5 == 0:
            seen += [price["seq"] for price in desk.connection.messages()]
            seen += [price["seq"] for price in desk.add("AAPL", interval=float(turn % 2))]
        if turn % 7 == 0:
            await desk.clock.advance(1)
    await desk.clock.advance(1)
    seen += [price["seq"] for price in desk.connection.messages()]
    assert seen == sorted(seen)
    assert seen[-1] == 30


# --- what others watch ---


async def test_what_others_watch_is_pushed_as_it_changes_and_ends_with_the_subscription(desk: Desk) -> None:
    other = desk.board.watch(("AAPL",), CountingWatcher(), eager=True)
    desk.subscription.interval_seconds = 0
    assert [price["symbol"] for price in read_lines(desk.subscription.add_watched(10))] == ["AAPL"]
    assert desk.subscription.symbols == ()
    desk.put("AAPL", 101.0)
    desk.put("MSFT", 201.0)
    await settle()
    assert desk.pushed() == [("AAPL", 101.0)]
    desk.board.watch(("MSFT",), CountingWatcher(), eager=True)
    desk.put("MSFT", 202.0)
    await settle()
    assert desk.pushed() == [("MSFT", 202.0)]
    desk.board.unwatch(other, next(iter(other.watchers)))
    desk.subscription.close()
    desk.put("MSFT", 203.0)
    await settle()
    assert (desk.pushed(), desk.tasks()) == ([], [])


async def test_what_others_watch_may_be_nothing_yet(desk: Desk) -> None:
    desk.subscription.interval_seconds = 0
    assert desk.subscription.add_watched(10) == b""
    desk.board.watch(("TSLA",), CountingWatcher(), eager=True)
    desk.put("TSLA", 301.0)
    await settle()
    assert desk.pushed() == [("TSLA", 301.0)]
    desk.subscription.close()
    await settle()
    assert desk.tasks() == []
