import pytest
from prompt_toolkit.application import Application, create_app_session
from prompt_toolkit.application.current import set_app
from prompt_toolkit.data_structures import Point
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.input import DummyInput
from prompt_toolkit.layout import FormattedTextControl, Layout, Window
from prompt_toolkit.layout.mouse_handlers import MouseHandlers
from prompt_toolkit.layout.screen import Screen, WritePosition
from prompt_toolkit.mouse_events import MouseButton, MouseEvent, MouseEventType
from prompt_toolkit.output import DummyOutput

from drawn_windows import drawn
from stocktrack.terminal.board_window import BoardWindow, LinesControl

LINES: list[StyleAndTextTuples] = [
    [("class:head", " StockTrack  ann@here   2 symbols ")],
    [("class:symbol", "AAPL"), ("", "  "), ("class:up", "269.70"), ("", "  ▂▃▅▆▅▄▅▆▇█")],
    [("class:symbol", "7203.T"), ("", "  トヨタ自動車  "), ("class:down", "-1.20 %")],
    [("", "e\u0301te\u0301  "), ("class:dim", "👨\u200d👩\u200d👧 family")],
    [("", "\u0301accent first"), ("class:dim", "株\u0301.")],
    [("class:stale", "a\tb\x1bc")],
    [],
    [("", "longer than the window " * 3)],
]


def rows(screen: Screen, width: int = 60, height: int = 14) -> list[list[tuple[str, str]]]:
    """What stands in each cell and in which style, of blank ones without it."""
    cells = [[screen.data_buffer[y][x] for x in range(width)] for y in range(height)]
    return [[(cell.char, cell.style if cell.char.strip() else "") for cell in row] for row in cells]


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_drawn_as_the_toolkit_draws_it(line: StyleAndTextTuples) -> None:
    ours, theirs = BoardWindow(LinesControl(lambda: [line])), Window(FormattedTextControl(line))

    assert rows(drawn(ours)) == rows(drawn(theirs))


def test_all_lines_and_no_more_than_fit_are_drawn() -> None:
    screen = drawn(BoardWindow(LinesControl(lambda: LINES)), height=4)

    shown = ["".join(cell for cell, _ in row).rstrip() for row in rows(screen)]
    assert shown[:2] == ["", ""]
    assert shown[2].strip() == "StockTrack  ann@here   2 symbols"
    assert shown[5].strip().endswith("family")
    assert not any(shown[6:])
    assert screen.height == 6
    assert not screen.show_cursor


def test_a_wide_character_that_does_not_fit_is_left_out() -> None:
    screen = drawn(BoardWindow(LinesControl(lambda: [[("", "ab株")]])), width=3)

    assert "".join(cell for cell, _ in rows(screen)[2]).rstrip() == "   ab"


def test_what_was_below_is_gone_where_a_line_is_shorter() -> None:
    lines: list[StyleAndTextTuples] = [[("class:up", "x" * 40)]] * 9
    window = BoardWindow(LinesControl(lambda: lines))
    drawn(window)
    lines = [[("", "y")]]

    assert {cell for row in rows(drawn(window)) for cell, _ in row} == {"y", " "}


@pytest.mark.parametrize(("cell", "told"), [(4, "first"), (7, "株"), (8, "株"), (9, "last"), (20, None)])
def test_a_click_goes_to_the_part_that_is_pointed_at(cell: int, told: str | None) -> None:
    clicked: list[str] = []

    def part(text: str, name: str) -> tuple[str, str, object]:
        return ("", text, lambda _: clicked.append(name))

    line = [part("abcd", "first"), part("株", "株"), part("e", "last")]
    control = LinesControl(lambda: [line])  # type: ignore[list-item] # handlers return nothing of use
    window, screen, handlers = BoardWindow(control), Screen(), MouseHandlers()
    with create_app_session(input=DummyInput(), output=DummyOutput()):
        app: Application[None] = Application(layout=Layout(window), mouse_support=True)
        with set_app(app):
            window.write_to_screen(screen, handlers, WritePosition(3, 2, 40, 5), "", False, None)
            click = MouseEvent(Point(cell, 2), MouseEventType.MOUSE_UP, MouseButton.LEFT, frozenset())
            handlers.mouse_handlers[2][cell](click)

    assert clicked == ([told] if told else [])


def test_more_characters_than_anybody_shows_are_drawn_but_not_kept() -> None:
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 20_000)))
    window = BoardWindow(LinesControl(lambda: [[("", text[at : at + 20])] for at in range(0, len(text), 20)]))
    screen = drawn(window, width=40, height=1_000)

    assert screen.data_buffer[1001][3].char == text[-20]
    assert sum(map(len, window._chars.values())) <= 10_001
