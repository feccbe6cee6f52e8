import pytest
from prompt_toolkit.formatted_text import StyleAndTextTuples

from drawn_windows import drawn
from stocktrack.quotes import clean_text
from stocktrack.terminal.board_window import BoardWindow, LinesControl
from stocktrack.terminal.cells import cells_of, cut, filled, wrapped

NAMES = [
    "Apple Inc.",
    "トヨタ自動車",
    "👨\u200d👩\u200d👧 Family Holding",
    "👍🏻 Thumbs ❤\ufe0f Hearts",
    "🇩🇪 Flagge",
    "ปตท. จำกัด (มหาชน) ผู้ผลิตน้ำมัน",
    "e\u0301" * 40,
    "रिलायंस इंडस्ट्रीज़",
    "삼성전자",
    "株",
]


def row(line: StyleAndTextTuples, width: int) -> list[str]:
    """What a window of the board draws of a line, cell by cell."""
    screen = drawn(BoardWindow(LinesControl(lambda: [line])), width=width, height=1)
    return [screen.data_buffer[2][3 + x].char for x in range(width)]


@pytest.mark.parametrize("cells", [1, 2, 5, 12, 30])
@pytest.mark.parametrize("name", NAMES)
def test_what_stands_behind_a_name_stands_where_its_column_ends(name: str, cells: int) -> None:
    name = clean_text(name, 60)

    for text in (cut(name, cells), filled(name, cells)):
        shown = row([("class:symbol", text), ("", "|b")], cells + 2)

        assert shown[cells:] == ["|", "b"]
        assert cells_of(text) == cells


def test_a_line_of_many_accents_is_drawn_to_its_end() -> None:
    assert row([("", "e\u0301" * 8 + "end")], 20)[8:11] == ["e", "n", "d"]


def test_behind_a_wide_character_that_has_no_room_stands_nothing() -> None:
    assert row([("", "ab株"), ("class:up", "c")], 3) == ["a", "b", " "]


@pytest.mark.parametrize(("text", "cut_off"), [("ab", "ab"), ("abcd", "ab…"), ("株式会社", "株…"), ("", "")])
def test_what_is_cut_off_is_said_by_dots(text: str, cut_off: str) -> None:
    assert cut(text, 3).rstrip() == cut_off


def test_no_cell_holds_nothing() -> None:
    assert cut("abc", 0) == filled("abc", 0) == ""


@pytest.mark.parametrize("cells", [20, 21, 33])
@pytest.mark.parametrize("name", NAMES)
def test_wrapped_lines_fit_and_lose_nothing(name: str, cells: int) -> None:
    lines = wrapped(f"{name} rose above 200: " * 5, cells)

    assert all(cells_of(line) <= cells for line in lines)
    assert "".join("".join(lines).split()) == "".join((f"{name} rose above 200: " * 5).split())


def test_of_more_lines_than_there_is_room_for_the_last_ends_in_dots() -> None:
    lines = wrapped("トヨタ 自動車 株式会社 " * 9, 20, max_lines=2)

    assert len(lines) == 2
    assert lines[1].endswith(" …")
    assert all(cells_of(line) <= 20 for line in lines)
