import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from past_prices import bars_of, flat, session
from scripted_server import a_price
from stocktrack.bars import BarInterval, HistoryRange
from stocktrack.client import Bars, ClientError, State, Unavailable
from stocktrack.client.errors import error_of
from stocktrack.clock import ManualClock, end, settle
from stocktrack.errors import CommandError, Reason
from stocktrack.terminal.board_view import BoardView
from stocktrack.terminal.day_courses import LOOK_SECONDS, PAUSE_SECONDS, QUICK, DayCourses
from stocktrack.wire.lines import failure

MORNING = session(2024, 4, 5, minutes=5)[:12]


def a_course(symbol: str) -> Bars:
    return bars_of(flat(MORNING, 10.0), "5m", symbol=symbol)


def refusing(reason: Reason, *, retry_after_ms: int | None = None) -> Callable[[str], Bars]:
    def refuse(symbol: str) -> Bars:
        raise error_of(
            failure(CommandError(reason, f"No {symbol}.")).model_copy(update={"retry_after_ms": retry_after_ms})
        )

    return refuse


class Asked:
    """A client whose server answers by `answer`, and what it was asked."""

    def __init__(self, answer: Callable[[str], Bars] = a_course) -> None:
        self.answer = answer
        self.state = State.CONNECTED
        self.connected = asyncio.Event()
        self.symbols: list[str] = []
        self.fields: set[tuple[HistoryRange, BarInterval]] = set()

    async def history(self, symbol: str, *, range: HistoryRange, interval: BarInterval) -> Bars:  # noqa: A002 - as there
        self.symbols.append(symbol)
        self.fields.add((range, interval))
        return self.answer(symbol)

    async def wait_connected(self) -> None:
        await self.connected.wait()
        self.state = State.CONNECTED


class House:
    """A board with its courses being fetched, on a manual clock."""

    def __init__(self, view: BoardView, clock: ManualClock, task: "asyncio.Task[None]") -> None:
        self.view, self.clock, self.task = view, clock, task

    async def pass_by(self, seconds: float, *, until: Callable[[], object] = lambda: False) -> None:
        """Let time pass in small steps, until it is so where that is earlier."""
        for _ in range(round(seconds / LOOK_SECONDS)):
            await settle()
            if until():
                return
            await self.clock.advance(LOOK_SECONDS)
        await settle()


Houses = Callable[[Asked, tuple[str, ...]], House]


@pytest.fixture
async def house() -> AsyncIterator[Houses]:
    tasks: list[asyncio.Task[None]] = []

    def build(asked: Asked, symbols: tuple[str, ...]) -> House:
        view = BoardView("a board")
        view.show(symbols)
        clock = ManualClock()
        tasks.append(asyncio.create_task(DayCourses(asked, view, clock=clock).run()))
        return House(view, clock, tasks[-1])

    yield build
    await end(*tasks)


def put_all(view: BoardView) -> None:
    for symbol in view.symbols:
        view.put(a_price(symbol, price=11.0))


def trail_of(view: BoardView) -> str:
    return "".join(text for _, text in view.lines(100, 12, 0)[2])


async def test_each_row_with_a_price_gets_its_day_once(house: Houses) -> None:
    asked = Asked()
    board = house(asked, ("AAPL", "MSFT"))
    view = board.view
    view.lines(100, 12, 0)
    await board.pass_by(2)
    assert asked.symbols == []  # first the prices

    put_all(view)
    await board.pass_by(10)

    assert asked.symbols == ["AAPL", "MSFT"]
    assert asked.fields == {(HistoryRange.DAY, BarInterval.FIVE_MINUTES)}
    assert "Day" in "".join(text for _, text in view.lines(100, 12, 0)[1])
    assert "▁▁▁▁▁▁▁▁▁▁▁▁█" in trail_of(view)
    view.put(a_price("AAPL", price=9.0, seq=2))
    assert "████████████▁" in trail_of(view)


async def test_only_rows_in_sight_are_asked_for(house: Houses) -> None:
    asked = Asked()
    board = house(asked, tuple(f"S{place}" for place in range(20)))
    put_all(board.view)
    board.view.lines(100, 8, 0)  # four rows
    await board.pass_by(10)
    assert asked.symbols == ["S0", "S1", "S2", "S3"]

    board.view.rows.scroll(2)
    await board.pass_by(10)
    assert asked.symbols[4:] == ["S4", "S5"]


async def test_after_the_first_few_it_is_one_a_second(house: Houses) -> None:
    asked = Asked()
    board = house(asked, tuple(f"S{place}" for place in range(20)))
    put_all(board.view)
    board.view.lines(100, 50, 0)
    await board.pass_by(10, until=lambda: len(asked.symbols) >= QUICK)
    before = board.clock.monotonic()
    await board.pass_by(10, until=lambda: len(asked.symbols) >= QUICK + 3)
    assert board.clock.monotonic() - before >= 3 * PAUSE_SECONDS


async def test_a_server_that_asks_for_patience_gets_it(house: Houses) -> None:
    asked = Asked(refusing(Reason.RATE_LIMITED, retry_after_ms=60_000))
    board = house(asked, ("AAPL", "MSFT"))
    put_all(board.view)
    board.view.lines(100, 12, 0)
    await board.pass_by(59)
    assert asked.symbols == ["AAPL"]
    asked.answer = a_course
    await board.pass_by(10)
    assert asked.symbols == ["AAPL", "AAPL", "MSFT"]


@pytest.mark.parametrize("reason", [Reason.NO_HISTORY, Reason.NOT_OFFERED, Reason.UNKNOWN_SYMBOL, Reason.RANGE_LIMIT])
async def test_where_there_is_none_the_board_stays_as_it_was(house: Houses, reason: Reason) -> None:
    asked = Asked(refusing(reason))
    board = house(asked, ("AAPL", "MSFT"))
    put_all(board.view)
    board.view.lines(100, 12, 0)
    before = board.view.lines(100, 12, 0)
    await board.pass_by(100)

    assert asked.symbols == ["AAPL", "MSFT"]
    assert board.view.lines(100, 12, 0) == before


async def test_an_older_server_is_asked_once_for_all(house: Houses) -> None:
    asked = Asked(refusing(Reason.UNKNOWN_COMMAND))
    board = house(asked, ("AAPL", "MSFT"))
    put_all(board.view)
    board.view.lines(100, 12, 0)
    before = board.view.lines(100, 12, 0)
    await board.pass_by(10, until=board.task.done)

    assert asked.symbols == ["AAPL"]
    assert board.task.exception() is None
    assert board.view.lines(100, 12, 0) == before


async def test_one_that_fails_is_tried_again_later_and_holds_up_no_other(house: Houses) -> None:
    asked = Asked(lambda symbol: refusing(Reason.PROVIDER_ERROR)(symbol) if symbol == "AAPL" else a_course(symbol))
    board = house(asked, ("AAPL", "MSFT"))
    put_all(board.view)
    board.view.lines(100, 12, 0)
    await board.pass_by(3)
    assert asked.symbols == ["AAPL", "MSFT"]
    asked.answer = a_course
    await board.pass_by(10)
    assert asked.symbols == ["AAPL", "MSFT", "AAPL"]


async def test_a_connection_that_is_lost_is_waited_for(house: Houses) -> None:
    def lost(symbol: str) -> Bars:
        asked.state = State.RECONNECTING
        raise Unavailable(f"The connection was lost, and {symbol} with it.")

    asked = Asked(lost)
    board = house(asked, ("AAPL",))
    put_all(board.view)
    board.view.lines(100, 12, 0)
    await board.pass_by(500)
    assert asked.symbols == ["AAPL"]
    asked.answer = a_course
    asked.connected.set()
    await board.pass_by(5)
    assert asked.symbols == ["AAPL", "AAPL"]


@pytest.mark.parametrize("error", [ClientError("It speaks another protocol."), None])
async def test_it_ends_with_the_client_and_without_an_error(house: Houses, error: ClientError | None) -> None:
    def answer(symbol: str) -> Bars:
        if error is not None:
            raise error
        asked.state = State.CLOSED
        return a_course(symbol)

    asked = Asked(answer)
    board = house(asked, ("AAPL",))
    put_all(board.view)
    board.view.lines(100, 12, 0)
    await board.pass_by(5)
    assert board.task.done()
    assert board.task.exception() is None
