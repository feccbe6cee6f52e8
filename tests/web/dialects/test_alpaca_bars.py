"""Minute bars for the clients of Alpaca's stream, by a clock that a test moves and a past that it writes."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field

import pytest

from fakes import CountingWatcher, a_quote
from stocktrack.bars import MINUTE_MS, Adjust, Bar, BarInterval
from stocktrack.clock import ManualClock
from stocktrack.errors import CommandError, ProviderError, Reason, StockTrackError
from stocktrack.market.bills import Payer
from stocktrack.market.board import Board
from stocktrack.market.history import FoundBars
from stocktrack.messages import History as Question
from stocktrack.quotes import MarketState
from stocktrack.system.supervised import Supervisor
from stocktrack.web.dialects.alpaca_bars import TASK, MinuteBars


def a_bar(time: int) -> Bar:
    return Bar(time, 1.0, 2.0, 0.5, 1.5, 10)


@dataclass
class Past:
    """A source that has the bar of each minute so long after its end, and from its begin on where it is not late.

    What is in `odd` fails, and what is in `hung` never ends.
    """

    clock: ManualClock
    late_seconds: float = 0.0
    odd: dict[str, Exception] = field(default_factory=dict)
    hung: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    async def find(self, question: Question, payer: Payer | None = None) -> FoundBars:
        assert (question.interval, question.prepost) == (BarInterval.ONE_MINUTE, True)
        assert payer is not None
        if (seconds := payer.pay(1)) > 0:
            raise CommandError(Reason.RATE_LIMITED, "Too much.", retry_after_ms=round(seconds * 1000))
        self.asked.append(question.symbol)
        if question.symbol in self.hung:
            await asyncio.Event().wait()
        if (error := self.odd.get(question.symbol)) is not None:
            raise error
        known_until = self.clock.now_ms()
        if self.late_seconds:
            known_until -= MINUTE_MS + round(self.late_seconds * 1000)
        assert isinstance(question.start, int)
        bars = [a_bar(time) for time in range(question.start, known_until + 1, MINUTE_MS)]
        return FoundBars(question.symbol, BarInterval.ONE_MINUTE, Adjust.SPLITS, "UTC", "USD", "past", bars)


@dataclass(eq=False)
class Listener:
    """A client; `frames` has what it was told, each frame as symbols with the minutes before now."""

    clock: ManualClock
    bar_symbols: Collection[str]
    max_symbols: int = 500
    wait_seconds: float = 0.0
    frames: list[list[tuple[str, int]]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    paid: int = 0

    def pay(self, requests: int) -> float:
        self.paid += requests if self.wait_seconds == 0 else 0
        return self.wait_seconds

    def tell_bars(self, bars: Sequence[tuple[str, Bar]]) -> None:
        minute = self.clock.now_ms() // MINUTE_MS
        self.frames.append([(symbol, minute - bar.time // MINUTE_MS) for symbol, bar in bars])

    def tell_no_bars(self, symbol: str, why: StockTrackError) -> None:
        self.refused.append(symbol)

    @property
    def told(self) -> list[tuple[str, int]]:
        told = [each for frame in self.frames for each in frame]
        self.frames.clear()
        return told


@dataclass
class Desk:
    clock: ManualClock
    board: Board
    past: Past
    bars: MinuteBars
    supervisor: Supervisor

    def listener(self, *symbols: str, max_symbols: int = 500) -> Listener:
        listener = Listener(self.clock, symbols, max_symbols)
        self.bars.listen(listener)
        return listener


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    clock, board = ManualClock(), Board()
    past = Past(clock)
    supervisor = Supervisor(clock)
    yield Desk(clock, board, past, MinuteBars(past, board, clock, supervisor), supervisor)
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
    assert client.frames == [[("AAPL", 1), ("MSFT", 1), ("TSLA", 1)]]


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
    assert client.refused == ["COIN"]
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
