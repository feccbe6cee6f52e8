import asyncio

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from scripted_server import a_price
from stocktrack.clock import ManualClock, settle
from stocktrack.terminal.board_screen import BoardScreen, Ending
from stocktrack.terminal.board_view import BoardView


class CountingOutput(DummyOutput):
    """Counts how often the screen was drawn."""

    def __init__(self) -> None:
        self.flushes = 0

    def flush(self) -> None:
        self.flushes += 1


@pytest.mark.parametrize(
    ("keys", "ending"),
    [
        ("q", Ending.BACK),
        ("\x1b", Ending.BACK),
        ("back", Ending.BACK),
        ("stop", Ending.BACK),
        ("\x03", Ending.INTERRUPTED),
        ("\x04", Ending.LEAVE),
    ],
)
async def test_a_key_ends_the_board(keys: str, ending: Ending) -> None:
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        pipe.send_text(keys)

        assert await asyncio.wait_for(BoardScreen(BoardView("here")).run(), 10) is ending


async def test_the_program_can_end_it_before_and_while_it_runs() -> None:
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        early = BoardScreen(BoardView("here"))
        early.end()
        assert await asyncio.wait_for(early.run(), 10) is Ending.BY_PROGRAM

        late = BoardScreen(BoardView("here"))
        running = asyncio.create_task(late.run())
        await settle()
        late.end()
        assert await asyncio.wait_for(running, 10) is Ending.BY_PROGRAM


async def test_keys_sort_reverse_and_scroll() -> None:
    view = BoardView("here")
    view.show(["B", "A", "C"])
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        pipe.send_text("nrq")
        await asyncio.wait_for(BoardScreen(view).run(), 10)

    shown = ["".join(text for _, text in line).split()[0] for line in view.lines(80, 7, 0)[2:5]]
    assert shown == ["C", "B", "A"]


async def test_however_many_prices_come_it_is_drawn_four_times_a_second() -> None:
    clock, output, view = ManualClock(), CountingOutput(), BoardView("here")
    view.show(["AAPL"])
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=output):
        running = asyncio.create_task(BoardScreen(view, clock=clock).run())
        await settle()
        before = output.flushes
        for number in range(100):
            view.put(a_price(seq=number, price=100.0 + number))
            await clock.advance(0.01)
        drawn = output.flushes - before
        pipe.send_text("q")
        await asyncio.wait_for(running, 10)

    assert 3 <= drawn <= 4


async def test_without_prices_it_is_drawn_once_a_second_for_the_ages() -> None:
    clock, output, view = ManualClock(), CountingOutput(), BoardView("here")
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=output):
        running = asyncio.create_task(BoardScreen(view, clock=clock).run())
        await clock.advance(0.25)
        before = output.flushes
        await clock.advance(5)
        drawn = output.flushes - before
        pipe.send_text("q")
        await asyncio.wait_for(running, 10)

    assert drawn == 5
