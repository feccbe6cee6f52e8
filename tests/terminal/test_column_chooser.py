import pytest
from rich.cells import cell_len

from stocktrack.terminal.board_choice import COLUMNS
from stocktrack.terminal.column_chooser import ColumnChooser

THERE = ("symbol", "price", "percent", "day", "age")


def texts(chooser: ColumnChooser, width: int = 80, height: int = 30) -> list[str]:
    lines = ["".join(text for _, text in line) for line in chooser.lines(width, height, frozenset(COLUMNS))]
    assert {cell_len(line) for line in lines} == {width}
    assert len(lines) == height
    return lines


def shown(chooser: ColumnChooser) -> list[str]:
    return [line.split("] ")[1].split()[0] for line in texts(chooser) if "[x]" in line]


def go_to(chooser: ColumnChooser, name: str) -> None:
    chooser.move(-100)
    while not any(line.startswith("▸") and f"] {name} " in line for line in texts(chooser)):
        chooser.move(1)


def test_it_begins_with_what_stands_there_and_nothing_is_chosen_by_looking() -> None:
    chooser = ColumnChooser(None, THERE)

    assert shown(chooser) == ["symbol", "price", "percent", "extended", "day", "age"]
    chooser.move(3)
    assert chooser.chosen is None
    assert not chooser.is_changed


def test_space_shows_and_hides_but_never_the_symbol() -> None:
    chooser = ColumnChooser(None, THERE)
    for name in ("symbol", "volume", "day"):
        go_to(chooser, name)
        chooser.toggle()

    assert chooser.chosen == ("symbol", "price", "percent", "extended", "volume", "age")
    assert chooser.is_changed


def test_a_column_is_moved_and_stays_under_the_mark() -> None:
    chooser = ColumnChooser(("symbol", "price", "age"), ("symbol", "price", "age"))
    go_to(chooser, "age")
    chooser.shift(-1)
    assert chooser.chosen == ("symbol", "age", "price")
    chooser.shift(-1)
    chooser.shift(-1)
    assert chooser.chosen == ("age", "symbol", "price")
    chooser.shift(1)
    assert chooser.chosen == ("symbol", "age", "price")


def test_a_choice_without_a_symbol_has_it_in_front() -> None:
    chooser = ColumnChooser(("price", "age"), ())
    go_to(chooser, "volume")
    chooser.toggle()

    assert chooser.chosen == ("symbol", "price", "age", "volume")


def test_what_has_no_room_and_what_has_nothing_to_show_say_so() -> None:
    chooser = ColumnChooser(("symbol", "price", "volume", "value"), ("symbol", "price"))
    lines = ["".join(text for _, text in line) for line in chooser.lines(80, 30, {"symbol", "price", "volume"})]

    assert "(no room here)" in next(line for line in lines if "volume " in line)
    assert "(nothing to show now)" in next(line for line in lines if "value " in line)


def test_the_room_decides_again() -> None:
    chooser = ColumnChooser(("age", "price"), ("symbol", "age", "price"))
    chooser.let_room_decide()
    assert chooser.chosen is None
    assert chooser.is_changed
    chooser.put_there(THERE)
    assert shown(chooser) == ["symbol", "price", "percent", "extended", "day", "age"]


@pytest.mark.parametrize("height", [0, 1, 3, 8, 19])
def test_in_a_low_terminal_the_list_scrolls_with_the_mark(height: int) -> None:
    chooser = ColumnChooser(None, THERE)
    for _ in COLUMNS:
        chooser.move(1)
        lines = [text for line in chooser.lines(40, height, ()) for _, text in line]
        assert len(chooser.lines(40, height, ())) == height
        assert height == 0 or any(text.startswith("▸") for text in lines)


def test_a_row_that_is_pointed_at_is_gone_to() -> None:
    chooser = ColumnChooser(None, THERE)
    assert chooser.go_to(2)
    assert texts(chooser)[2].startswith("▸")
    assert not chooser.go_to(100)
    assert not chooser.go_to(-1)
