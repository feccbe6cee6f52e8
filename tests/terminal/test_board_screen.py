import asyncio
import itertools
from collections.abc import Callable

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from live_server import until
from patience import PATIENCE_SECONDS
from scripted_server import a_price
from stocktrack.clock import ManualClock, settle
from stocktrack.terminal.board_choice import Order
from stocktrack.terminal.board_screen import BoardScreen, Ending
from stocktrack.terminal.board_view import BoardView
from stocktrack.terminal.text_page import TextPage


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
        assert await asyncio.wait_for(running, PATIENCE_SECONDS) is Ending.BY_PROGRAM


async def test_keys_sort_reverse_and_scroll() -> None:
    view = BoardView("here")
    view.show(["B", "A", "C"])
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        pipe.send_text("snrq")
        await asyncio.wait_for(BoardScreen(view).run(), 10)

    shown = ["".join(text for _, text in line).split()[0] for line in view.lines(80, 7, 0)[2:5]]
    assert shown == ["C", "B", "A"]


@pytest.mark.parametrize(
    ("keys", "rows"),
    [
        ("/tq", []),
        ("/ts\r", ["TSLA"]),
        ("/ts\x7f\x7fa\r", ["AAPL", "TSLA"]),
        ("/\x1b[200~aap\x1b[201~\r", ["AAPL"]),
        ("/tsx\x15m\r", ["MSFT"]),
        ("/ts\rr", ["TSLA"]),
        ("/ts\x1b[D\x1b[A\x1bOP\x1b[3~\t\x01", ["TSLA"]),  # keys to move by have letters in their codes
        ("/ts ", ["TSLA"]),
    ],
)
async def test_what_is_typed_behind_a_slash_is_found(keys: str, rows: list[str]) -> None:
    view = BoardView("here")
    view.show(["AAPL", "TSLA", "MSFT"])
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        pipe.send_text(keys)
        running = asyncio.create_task(BoardScreen(view).run())
        await until(lambda: [row.symbol for row in view.rows.ordered()] == rows)
        assert not running.done()
        pipe.send_text("\x03")
        assert await asyncio.wait_for(running, PATIENCE_SECONDS) is Ending.INTERRUPTED


async def test_the_first_escape_leaves_what_lies_over_the_board_and_the_second_one_the_board() -> None:
    view = BoardView("here")
    view.show(["AAPL", "TSLA"])
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        for keys in ("?", "h", "/ts\r", "/ts"):
            running = asyncio.create_task(BoardScreen(view).run())
            pipe.send_text(keys)
            await until(lambda: view.shows_keys or view.rows.found == "TS")
            pipe.send_text("\x1b")
            await until(lambda: not view.shows_keys and not view.rows.found)
            assert not running.done()
            pipe.send_text("\x1b")
            assert await asyncio.wait_for(running, PATIENCE_SECONDS) is Ending.BACK


async def test_arrows_and_letters_select() -> None:
    view = BoardView("here")
    view.show(["AAPL", "TSLA", "MSFT"])
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        pipe.send_text("jj\x1b[B\x1b[Akjq")
        await asyncio.wait_for(BoardScreen(view).run(), 10)

    assert view.rows.selected == "TSLA"


async def test_however_many_prices_come_it_is_drawn_four_times_a_second() -> None:
    clock, output, view = ManualClock(), CountingOutput(), BoardView("here")
    view.show(["AAPL"])
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=output):
        running = asyncio.create_task(BoardScreen(view, clock=clock, cpu_seconds=lambda: 0.0).run())
        await settle()
        before = output.flushes
        for number in range(100):
            view.put(a_price(seq=number, price=100.0 + number))
            await clock.advance(0.01)
        drawn = output.flushes - before
        pipe.send_text("q")
        await asyncio.wait_for(running, PATIENCE_SECONDS)

    assert 3 <= drawn <= 4


@pytest.mark.parametrize(
    ("draw_seconds", "least", "most"), [(0.003, 36, 40), (0.0075, 18, 20), (0.1, 9, 10), (60, 9, 10)]
)
async def test_a_screen_that_takes_long_to_draw_is_drawn_less_often_but_once_a_second(
    draw_seconds: float, least: int, most: int
) -> None:
    clock, output, view = ManualClock(), CountingOutput(), BoardView("here")
    readings = itertools.count()
    view.show(["AAPL"])
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=output):
        # Read before a drawing and after it.
        screen = BoardScreen(view, clock=clock, cpu_seconds=lambda: next(readings) * draw_seconds)
        running = asyncio.create_task(screen.run())
        await settle()
        before = output.flushes
        for number in range(1_000):
            view.put(a_price(seq=number, price=100.0 + number))
            await clock.advance(0.01)
        drawn = output.flushes - before
        pipe.send_text("q")
        await asyncio.wait_for(running, PATIENCE_SECONDS)

    assert least <= drawn <= most


async def test_a_change_in_a_calm_market_does_not_wait_for_the_pace_of_a_busy_one() -> None:
    clock, output, view = ManualClock(), CountingOutput(), BoardView("here")
    readings = itertools.count()
    view.show(["AAPL"])
    view.put(a_price(seq=1))
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=output):
        screen = BoardScreen(view, clock=clock, cpu_seconds=lambda: next(readings) * 0.01)
        running = asyncio.create_task(screen.run())
        await clock.advance(1.4)
        before = output.flushes
        view.put(a_price(seq=2))
        await clock.advance(0.25)
        drawn = output.flushes - before
        pipe.send_text("q")
        await asyncio.wait_for(running, PATIENCE_SECONDS)

    assert drawn == 1


async def test_the_first_price_is_drawn_as_soon_as_it_is_there() -> None:
    clock, output, view = ManualClock(), CountingOutput(), BoardView("here")
    view.show(["AAPL"])
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=output):
        running = asyncio.create_task(BoardScreen(view, clock=clock, cpu_seconds=lambda: 0.0).run())
        await clock.advance(0.1)
        before = output.flushes
        view.put(a_price(seq=1))
        await clock.advance(0.03)
        first = output.flushes - before
        view.put(a_price(seq=2))
        await clock.advance(0.1)
        second = output.flushes - before
        pipe.send_text("q")
        await asyncio.wait_for(running, PATIENCE_SECONDS)

    assert (first, second) == (1, 1)


async def test_without_prices_it_is_drawn_once_a_second_for_the_ages() -> None:
    clock, output, view = ManualClock(), CountingOutput(), BoardView("here")
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=output):
        running = asyncio.create_task(BoardScreen(view, clock=clock).run())
        await clock.advance(0.25)
        before = output.flushes
        await clock.advance(5)
        drawn = output.flushes - before
        pipe.send_text("q")
        await asyncio.wait_for(running, PATIENCE_SECONDS)

    assert drawn == 5


# --- sorting, columns and the mouse -----------------------------------------------------------------------------------


async def typed(view: BoardView, keys: str) -> Ending:
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        pipe.send_text(keys)
        return await asyncio.wait_for(BoardScreen(view).run(), 10)


def a_board() -> BoardView:
    view = BoardView("here")
    view.show(["B", "A", "C"])
    view.lines(80, 12, 0)
    return view


@pytest.mark.parametrize(
    ("keys", "order"),
    [
        ("sn", Order("name")),
        ("snsn", Order("name", is_reversed=True)),
        ("snr", Order("name", is_reversed=True)),
        ("snsr", Order("name", is_reversed=True)),
        ("sp", Order("price")),
        ("sc", Order("change")),
        ("s%", Order("percent")),
        ("sv", Order("volume")),
        ("sa", Order("age")),
        ("snsl", Order()),
        ("stp", Order("price")),
        ("n", Order()),
        ("p%", Order()),
        ("sxp", Order()),
        ("s\x1b[Bp", Order()),
    ],
)
async def test_s_and_a_key_sort_and_the_keys_alone_do_not(keys: str, order: Order) -> None:
    view = a_board()

    assert await typed(view, f"{keys}\x03") is Ending.INTERRUPTED
    assert view.rows.order == order


async def test_the_first_escape_leaves_sorting_and_the_second_one_the_board() -> None:
    view = a_board()
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        running = asyncio.create_task(BoardScreen(view).run())
        pipe.send_text("s")
        await until(lambda: view.is_sorting)
        assert "sort by: n name" in "".join(text for _, text in view.lines(120, 12, 0)[-1])
        pipe.send_text("\x1b")
        await until(lambda: not view.is_sorting)
        assert not running.done()
        pipe.send_text("\x1b")
        assert await asyncio.wait_for(running, PATIENCE_SECONDS) is Ending.BACK


class NoActions:
    """Keys that ask for more than looking are taken, and remembered."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def turn_tab(self, by: int) -> None:
        self.asked.append(f"turn {by}")

    def add(self, symbol: str) -> None:
        self.asked.append(f"add {symbol}")

    def remove_selected(self) -> None:
        self.asked.append("remove")

    def undo(self) -> None:
        self.asked.append("undo")

    def open_link(self, number: int) -> None:
        self.asked.append(f"open {number}")

    def enter(self, line: str) -> None:
        self.asked.append(f"enter {line}")

    def interrupt(self) -> bool:
        return False


async def typed_with_actions(view: BoardView, keys: str) -> list[str]:
    actions = NoActions()
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        pipe.send_text(f"{keys}\x03")
        await asyncio.wait_for(BoardScreen(view, actions=actions).run(), 10)
    return actions.asked


@pytest.mark.parametrize("keys", ["\x1b[D", "\x1b[C", "\x1bOP", "\x1b[3~", "\x1b[H", "\x1b[F", "\x1b[6~", "\x01", "\t"])
async def test_keys_to_move_by_type_nothing_into_the_picker(keys: str) -> None:
    assert await typed_with_actions(a_board(), f"aA{keys}B\r") == ["add AB"]


async def test_two_words_can_be_typed_into_the_picker() -> None:
    view = a_board()

    await typed_with_actions(view, "aapple  inc")
    assert view.picker is not None
    assert view.picker.text == "apple inc"


@pytest.mark.parametrize(
    "read", [BoardView.toggle_keys, lambda view: view.open_page(TextPage("help", lambda _: "x\n" * 100))]
)
async def test_on_a_text_that_is_read_the_keys_of_rows_and_of_what_lies_below_do_nothing(
    read: Callable[[BoardView], None],
) -> None:
    view, actions = a_board(), NoActions()
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        running = asyncio.create_task(BoardScreen(view, actions=actions).run())
        await settle()
        read(view)
        pipe.send_text("dumrsno1c\x1b[C\x03")
        await asyncio.wait_for(running, 10)

    assert actions.asked == []
    assert (view.rows.order, view.shows_holdings, view.chooser) == (Order(), True, None)
    assert view.is_text_read


@pytest.mark.parametrize("before", ["", "?", "\r", "j\r"])
@pytest.mark.parametrize("word", ["stop", "back"])
async def test_the_words_leave_whatever_lies_over_the_board(before: str, word: str) -> None:
    assert await typed(a_board(), before + word) is Ending.BACK


async def test_the_list_of_columns_takes_its_keys_and_leaves_the_others() -> None:
    view = a_board()

    assert await typed(view, "cj j \x1b[C\x1b[Arsnx/qq") is Ending.BACK
    assert "Name" in "".join(text for _, text in view.lines(80, 12, 0)[1])
    assert (view.rows.order, view.is_finding) == (Order(), False)


async def test_enter_and_c_leave_the_list_of_columns() -> None:
    for key in ("\r", "c", "q"):
        view = a_board()
        assert await typed(view, f"c{key}\x03") is Ending.INTERRUPTED
        assert view.chooser is None


@pytest.mark.parametrize(
    ("mouse", "selected", "order"),
    [
        ("\x1b[<0;3;4M", "A", Order()),
        ("\x1b[<0;3;4M\x1b[<0;3;4m", "A", Order()),
        ("\x1b[<0;3;2M", None, Order("name")),
        ("\x1b[<0;3;2M\x1b[<0;3;2m\x1b[<0;3;2M", None, Order("name", is_reversed=True)),
        ("\x1b[<2;3;4M", None, Order()),  # the other button
        ("\x1b[<35;3;4M", None, Order()),  # it only moves
        ("\x1b[<0;900;900M", None, Order()),
    ],
)
async def test_the_left_button_selects_and_sorts(mouse: str, selected: str | None, order: Order) -> None:
    view = a_board()
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        running = asyncio.create_task(BoardScreen(view).run())
        await settle()
        pipe.send_text(f"{mouse}\x03")
        await asyncio.wait_for(running, PATIENCE_SECONDS)

    assert view.rows.selected == selected
    assert view.rows.order == order


async def test_a_mouse_that_only_moves_draws_nothing() -> None:
    output, view = CountingOutput(), a_board()
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=output):
        running = asyncio.create_task(BoardScreen(view, clock=ManualClock()).run())
        await settle()
        before = output.flushes
        for place in range(1, 60):
            pipe.send_text(f"\x1b[<35;{place};4M")
        await settle()
        drawn = output.flushes - before
        pipe.send_text("q")
        await asyncio.wait_for(running, PATIENCE_SECONDS)

    assert drawn <= 1
