"""Bars for the clients of Alpaca's stream, by a clock that a test moves and a past that it writes."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import pytest

from bar_source import opens_at
from fakes import CountingWatcher, a_quote
from stocktrack.bars import DAY_MS, MINUTE_MS, Adjust, Bar, BarInterval
from stocktrack.clock import ManualClock
from stocktrack.errors import CommandError, ProviderError, Reason, StockTrackError
from stocktrack.market.bills import Payer
from stocktrack.market.board import Board
from stocktrack.market.history import OWN_PROVIDER, FoundBars
from stocktrack.messages import History as Question
from stocktrack.quotes import MarketState
from stocktrack.system.supervised import Supervisor
from stocktrack.web.dialects.alpaca_bars import TASK, BarWatch, ToldBar
from stocktrack.web.dialects.alpaca_messages import BarKind

FRIDAY = date(2024, 4, 5)


def a_bar(time: int) -> Bar:
    return Bar(time, 1.0, 2.0, 0.5, 1.5, 10)


@dataclass
class Past:
    """A source that has the bar of each minute so long after its end, and from its begin on where it is not late.

    What is in `odd` fails, and what is in `hung` never ends. `corrected` has the bars that are counted otherwise by
    now, `lacking` the minutes that nobody has heard of yet, both by their times; `day` is the newest of the days.
    """

    clock: ManualClock
    late_seconds: float = 0.0
    odd: dict[str, Exception] = field(default_factory=dict)
    hung: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    asked_for_days: list[str] = field(default_factory=list)
    corrected: dict[int, Bar] = field(default_factory=dict)
    lacking: set[int] = field(default_factory=set)
    provider: str = "past"
    day: Bar | None = None

    async def find(self, question: Question, payer: Payer | None = None) -> FoundBars:
        assert payer is not None
        if (seconds := payer.pay(1)) > 0:
            raise CommandError(Reason.RATE_LIMITED, "Too much.", retry_after_ms=round(seconds * 1000))
        is_day = question.interval is BarInterval.DAY
        assert question.prepost is not is_day
        (self.asked_for_days if is_day else self.asked).append(question.symbol)
        if question.symbol in self.hung:
            await asyncio.Event().wait()
        if (error := self.odd.get(question.symbol)) is not None:
            raise error
        assert isinstance(question.start, int)
        assert question.interval is not None
        bars = self._days(question.start) if is_day else self._minutes(question.start)
        zone = "America/New_York"
        return FoundBars(question.symbol, question.interval, Adjust.SPLITS, zone, "USD", self.provider, bars)

    def _minutes(self, start: int) -> list[Bar]:
        known_until = self.clock.now_ms()
        if self.late_seconds:
            known_until -= MINUTE_MS + round(self.late_seconds * 1000)
        times = (time for time in range(start, known_until + 1, MINUTE_MS) if time not in self.lacking)
        return [self.corrected.get(time, a_bar(time)) for time in times]

    def _days(self, start: int) -> list[Bar]:
        before = a_bar(opens_at(FRIDAY) - DAY_MS)
        assert start < before.time
        return [before] if self.day is None else [before, self.day]


@dataclass(eq=False)
class Listener:
    """A client; `frames` has what it was told, and `minutes` the symbols with the minutes before that."""

    clock: ManualClock
    wanted: Mapping[BarKind, Collection[str]]
    max_symbols: int = 500
    wait_seconds: float = 0.0
    frames: list[list[ToldBar]] = field(default_factory=list)
    minutes: list[tuple[str, int]] = field(default_factory=list)
    refused: list[tuple[str, BarInterval]] = field(default_factory=list)
    paid: int = 0

    def bar_symbols(self, kind: BarKind) -> Collection[str]:
        return self.wanted.get(kind, ())

    def pay(self, requests: int) -> float:
        self.paid += requests if self.wait_seconds == 0 else 0
        return self.wait_seconds

    def tell_bars(self, bars: Sequence[ToldBar]) -> None:
        self.frames.append([*bars])
        minute = self.clock.now_ms() // MINUTE_MS
        self.minutes += [(each.symbol, minute - each.bar.time // MINUTE_MS) for each in bars]

    def tell_no_bars(self, symbol: str, interval: BarInterval, why: StockTrackError) -> None:
        self.refused.append((symbol, interval))

    def take(self, kind: BarKind) -> list[Bar]:
        """The bars that were told as this since the last look."""
        told = [each.bar for frame in self.frames for each in frame if each.kind is kind]
        self.frames.clear()
        self.minutes.clear()
        return told

    @property
    def told(self) -> list[tuple[str, int]]:
        """`minutes`, since the last look."""
        told = [*self.minutes]
        self.frames.clear()
        self.minutes.clear()
        return told


@dataclass
class Desk:
    clock: ManualClock
    board: Board
    past: Past
    bars: BarWatch
    supervisor: Supervisor

    def listener(self, *symbols: str, kind: BarKind = BarKind.MINUTE, max_symbols: int = 500) -> Listener:
        listener = Listener(self.clock, {kind: symbols}, max_symbols)
        self.bars.listen(listener)
        return listener


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    clock, board = ManualClock(), Board()
    past = Past(clock)
    supervisor = Supervisor(clock)
    yield Desk(clock, board, past, BarWatch(past, board, clock, supervisor), supervisor)
    await supervisor.close()


async def test_a_bar_is_told_once_after_each_minute(desk: Desk) -> None:
    await desk.clock.advance(10)
    client = desk.listener("AAPL")
    await desk.clock.advance(50)
    assert client.told == []
    for _ in range(3):
        await desk.clock.advance(5)
        assert client.told == [("AAPL", 1)]
        await desk.clock.advance(55)
        assert client.told == []


async def test_however_many_want_a_symbol_it_is_asked_for_once_and_one_of_them_pays(desk: Desk) -> None:
    clients = [desk.listener("AAPL") for _ in range(5)]
    clients[0].wait_seconds = 9.0
    await desk.clock.advance(5)
    assert desk.past.asked == ["AAPL"]
    assert [client.paid for client in clients] == [0, 1, 0, 0, 0]
    assert [client.told for client in clients] == [[("AAPL", 1)]] * 5


async def test_who_has_nothing_left_to_pay_with_gets_the_bar_with_the_next_one(desk: Desk) -> None:
    client = desk.listener("AAPL")
    client.wait_seconds = 9.0
    await desk.clock.advance(5)
    assert client.told == []
    await desk.clock.advance(40)
    client.wait_seconds = 0.0
    await desk.clock.advance(60)
    assert client.told == [("AAPL", 1)]  # the first one that it could have
    await desk.clock.advance(60)
    assert client.told == [("AAPL", 1)]


async def test_all_that_comes_at_once_is_one_frame(desk: Desk) -> None:
    client = desk.listener("AAPL", "MSFT", "TSLA")
    await desk.clock.advance(5)
    assert len(client.frames) == 1
    assert client.told == [("AAPL", 1), ("MSFT", 1), ("TSLA", 1)]


async def test_what_fails_or_hangs_with_one_symbol_stops_no_other(desk: Desk) -> None:
    desk.past.odd = {"BAD": ProviderError(Reason.PROVIDER_ERROR, "No."), "WORSE": KeyError("chart")}
    desk.past.hung = {"HUNG"}
    client = desk.listener("BAD", "HUNG", "WORSE", "AAPL", *(f"S{number}" for number in range(40)))
    await desk.clock.advance(5)
    assert len(client.told) == 41
    assert desk.supervisor.failures[TASK] == 1
    assert client.refused == []


async def test_a_symbol_without_a_source_of_bars_is_told_of_once(desk: Desk) -> None:
    desk.past.odd = {"COIN": CommandError(Reason.NOT_OFFERED, "Nobody has them.")}
    client = desk.listener("COIN", "AAPL")
    await desk.clock.advance(180)
    assert client.refused == [("COIN", BarInterval.ONE_MINUTE)]
    assert client.told == [("AAPL", 1)] * 3


async def test_a_bar_that_the_source_does_not_have_yet_is_asked_for_again_in_the_same_minute(desk: Desk) -> None:
    desk.past.late_seconds = 10.0
    client = desk.listener("AAPL")
    await desk.clock.advance(5)
    assert client.told == []
    await desk.clock.advance(30)
    assert client.told == [("AAPL", 1)]
    await desk.clock.advance(25)
    assert desk.past.asked == ["AAPL"] * 2


async def test_the_bars_of_a_delayed_market_come_as_they_come_and_none_twice(desk: Desk) -> None:
    desk.past.late_seconds = 900.0
    client = desk.listener("AAPL")
    await desk.clock.advance(40)
    assert client.told == []  # what it has is no news
    await desk.clock.advance(20)
    await desk.clock.advance(100)
    assert client.told == [("AAPL", 16)] * 2


async def test_a_closed_market_is_asked_for_its_last_minutes_and_then_no_more(desk: Desk) -> None:
    desk.board.put([a_quote("AAPL", market_state=MarketState.OPEN)], 0.0)
    client = desk.listener("AAPL")
    await desk.clock.advance(60)
    desk.board.put([a_quote("AAPL", market_state=MarketState.CLOSED)], 0.0)
    await desk.clock.advance(600)
    assert len(desk.past.asked) == 3
    assert client.told == [("AAPL", 1)] * 3


async def test_a_market_that_was_closed_from_the_first_on_is_not_asked_for(desk: Desk) -> None:
    desk.board.put([a_quote("AAPL", market_state=MarketState.CLOSED)], 0.0)
    client = desk.listener("AAPL")
    await desk.clock.advance(300)
    assert (desk.past.asked, client.told) == ([], [])


async def test_the_asterisk_stands_for_what_is_watched_as_far_as_that_may_be(desk: Desk) -> None:
    watched = desk.board.watch(("AAPL", "MSFT", "TSLA"), CountingWatcher(), eager=False)
    client, limited = desk.listener("*", "TSLA"), desk.listener("*", max_symbols=1)
    await desk.clock.advance(5)
    assert sorted(client.told) == [("AAPL", 1), ("MSFT", 1), ("TSLA", 1)]
    assert limited.told == [("AAPL", 1)]
    desk.board.unwatch(watched, next(iter(watched.watchers)))
    await desk.clock.advance(60)
    assert client.told == [("TSLA", 1)]


async def test_who_has_left_is_told_nothing_and_nobody_is_asked(desk: Desk) -> None:
    client = desk.listener("AAPL")
    desk.bars.leave(client)
    desk.bars.leave(client)
    await desk.clock.advance(300)
    assert (desk.past.asked, client.told) == ([], [])


async def test_who_leaves_and_comes_back_within_a_minute_is_not_told_again(desk: Desk) -> None:
    client, other = desk.listener("AAPL"), desk.listener("MSFT")
    await desk.clock.advance(5)
    desk.bars.leave(client)
    await desk.clock.advance(20)
    desk.bars.listen(client)
    await desk.clock.advance(30)
    assert client.told == [("AAPL", 1)]
    await desk.clock.advance(10)
    assert client.told == [("AAPL", 1)]
    assert other.told == [("MSFT", 1)] * 2


async def test_while_others_are_late_nothing_is_forgotten_of_those_that_are_not(desk: Desk) -> None:
    desk.past.odd = {"COIN": CommandError(Reason.NOT_OFFERED, "Nobody has them.")}
    desk.board.put([a_quote("AAPL", market_state=MarketState.OPEN)], 0.0)
    client = desk.listener("COIN", "AAPL")  # COIN has none: it is looked for twice in each minute
    await desk.clock.advance(59)
    assert client.told == [("AAPL", 1)]
    desk.board.put([a_quote("AAPL", market_state=MarketState.CLOSED)], 0.0)
    await desk.clock.advance(120)
    assert len(client.told) == 2
    assert client.refused == [("COIN", BarInterval.ONE_MINUTE)]


async def test_sources_that_take_longer_than_to_the_second_look_make_no_minute_miss_its_own(desk: Desk) -> None:
    client = desk.listener("AAPL", "SLOW")
    answered = asyncio.Event()
    find = desk.past.find

    async def find_late(question: Question, payer: Payer | None = None) -> FoundBars:
        if question.symbol == "SLOW" and not answered.is_set():
            await answered.wait()
        return await find(question, payer)

    desk.past.find = find_late  # type: ignore[method-assign] # of this one source
    await desk.clock.advance(45)
    assert client.told == [("AAPL", 1)]
    answered.set()
    await desk.clock.advance(1)
    assert client.told == [("SLOW", 1)]
    await desk.clock.advance(20)
    assert client.told == [("AAPL", 1), ("SLOW", 1)]


# --- bars that change ---


async def test_a_minute_that_its_source_counts_otherwise_later_is_told_to_who_wants_that(desk: Desk) -> None:
    client = desk.listener("AAPL", kind=BarKind.UPDATED)
    other = desk.listener("AAPL")
    await desk.clock.advance(10)
    [bar] = other.take(BarKind.MINUTE)
    assert client.frames == []
    desk.past.corrected[bar.time] = later = replace(a_bar(bar.time), close=1.75, volume=12)
    await desk.clock.advance(20)
    assert client.frames == []
    await desk.clock.advance(10)
    [told] = client.take(BarKind.UPDATED)
    assert replace(told, provider=None) == later
    await desk.clock.advance(300)
    assert client.take(BarKind.UPDATED) == []
    assert {each.kind for frame in other.frames for each in frame} == {BarKind.MINUTE}


async def test_a_minute_that_nobody_had_heard_of_is_an_update_when_it_comes_behind_others(desk: Desk) -> None:
    await desk.clock.advance(600)
    minute = desk.clock.now_ms() // MINUTE_MS * MINUTE_MS
    desk.past.lacking = {minute - 2 * MINUTE_MS}
    client = desk.listener("AAPL", kind=BarKind.UPDATED)
    await desk.clock.advance(10)
    desk.past.lacking.clear()
    await desk.clock.advance(30)
    assert [bar.time for bar in client.take(BarKind.UPDATED)] == [minute - 2 * MINUTE_MS]


async def test_what_another_source_counts_is_no_update_but_what_this_server_saw_gives_way(desk: Desk) -> None:
    client = desk.listener("AAPL", kind=BarKind.UPDATED)
    await desk.clock.advance(10)
    times = [desk.clock.now_ms() // MINUTE_MS * MINUTE_MS - MINUTE_MS]
    desk.past.corrected = {times[0]: replace(a_bar(times[0]), close=1.75)}
    desk.past.provider = "another"
    await desk.clock.advance(120)
    assert client.frames == []
    desk.past.provider = OWN_PROVIDER
    await desk.clock.advance(60)
    assert client.frames == []
    desk.past.provider = "past"
    await desk.clock.advance(60)
    assert client.frames == []  # the same numbers
    desk.past.provider = OWN_PROVIDER
    await desk.clock.advance(60)
    desk.past.provider = "past"
    desk.past.corrected = {}
    await desk.clock.advance(60)
    assert [bar.time for bar in client.take(BarKind.UPDATED)] == times


async def test_who_wants_bars_and_updates_causes_one_request_and_a_second_look(desk: Desk) -> None:
    client = Listener(desk.clock, {BarKind.MINUTE: ("AAPL",), BarKind.UPDATED: ("AAPL",)})
    desk.bars.listen(client)
    await desk.clock.advance(10)
    assert (desk.past.asked, client.paid) == (["AAPL"], 1)
    await desk.clock.advance(30)
    assert (desk.past.asked, client.paid) == (["AAPL"] * 2, 2)
    assert client.told == [("AAPL", 1)]


# --- bars of the day ---


def a_day(volume: int, *, live: bool) -> Bar:
    return Bar(opens_at(FRIDAY), 100.0, 102.0, 99.0, 101.0, volume, live=True if live else None)


async def test_the_running_day_is_told_after_each_minute_with_its_midnight_at_the_exchange(desk: Desk) -> None:
    desk.board.put([a_quote("AAPL", market_state=MarketState.OPEN)], 0.0)
    client = desk.listener("AAPL", kind=BarKind.DAY)
    for volume in (10, 20, 20):
        desk.past.day = a_day(volume, live=True)
        await desk.clock.advance(60)
        [bar] = client.take(BarKind.DAY)
        assert bar == replace(a_day(volume, live=False), time=opens_at(FRIDAY) - (9 * 60 + 30) * MINUTE_MS)
    assert (desk.past.asked, desk.past.asked_for_days) == ([], ["AAPL"] * 3)


async def test_a_day_that_has_closed_is_told_once_more_and_then_left_alone(desk: Desk) -> None:
    desk.board.put([a_quote("AAPL", market_state=MarketState.OPEN)], 0.0)
    client = desk.listener("AAPL", kind=BarKind.DAY)
    desk.past.day = a_day(10, live=True)
    await desk.clock.advance(60)
    assert len(client.take(BarKind.DAY)) == 1
    desk.board.put([a_quote("AAPL", market_state=MarketState.POST)], 0.0)
    desk.past.day = a_day(50, live=False)
    await desk.clock.advance(600)
    assert [bar.volume for bar in client.take(BarKind.DAY)] == [50]
    assert len(desk.past.asked_for_days) == 3


@pytest.mark.parametrize("state", [MarketState.CLOSED, MarketState.PRE, MarketState.POST])
async def test_without_a_day_that_runs_nothing_is_asked_for_and_nothing_told(desk: Desk, state: MarketState) -> None:
    desk.board.put([a_quote("AAPL", market_state=state)], 0.0)
    desk.past.day = a_day(10, live=False)
    client = desk.listener("AAPL", kind=BarKind.DAY)
    await desk.clock.advance(300)
    assert (desk.past.asked_for_days, client.frames) == ([], [])


async def test_before_its_first_bar_a_day_that_was_yesterday_is_not_told(desk: Desk) -> None:
    desk.board.put([a_quote("AAPL", market_state=MarketState.OPEN)], 0.0)
    client = desk.listener("AAPL", kind=BarKind.DAY)
    await desk.clock.advance(120)
    assert (desk.past.asked_for_days, client.frames) == (["AAPL"] * 2, [])


async def test_a_source_of_minutes_without_days_is_told_of_by_itself(desk: Desk) -> None:
    desk.past.odd = {"COIN": CommandError(Reason.NOT_OFFERED, "Nobody has them.")}
    client = Listener(desk.clock, {BarKind.UPDATED: ("COIN",), BarKind.DAY: ("COIN",)})
    desk.bars.listen(client)
    await desk.clock.advance(180)
    assert client.refused == [("COIN", BarInterval.ONE_MINUTE), ("COIN", BarInterval.DAY)]
