import os

from rich.cells import cell_len

from stocktrack.terminal.board_cells import Line
from stocktrack.terminal.text_page import TextPage

LONG = "\n".join(f"line {number}" for number in range(1, 31))


def page_of(title: str, text: str) -> TextPage:
    return TextPage(title, lambda _: text)


def text_of(lines: list[Line]) -> list[str]:
    return ["".join(text for _, text in line).rstrip() for line in lines]


def test_it_is_drawn_in_exactly_the_size_with_what_it_answers_above_and_the_keys_below() -> None:
    lines = page_of("get AAPL", "one\ntwo").lines(20, 6)

    assert text_of(lines) == [":get AAPL", "one", "two", "", "", "q back"]
    assert {cell_len("".join(text for _, text in line)) for line in lines} == {20}


def test_what_has_no_room_is_scrolled_to_and_no_further() -> None:
    page = page_of("help", LONG)

    assert text_of(page.lines(30, 12))[:2] == [":help  1-10 of 30", "line 1"]
    page.scroll(1)
    assert text_of(page.lines(30, 12))[1] == "line 2"
    page.scroll_page(9)
    assert text_of(page.lines(30, 12))[10] == "line 30"
    page.scroll(-100)
    assert text_of(page.lines(30, 12))[1] == "line 1"
    assert "pgdn" in text_of(page.lines(30, 12))[-1]


def test_a_larger_terminal_shows_what_was_scrolled_away() -> None:
    page = page_of("help", LONG)
    page.lines(30, 12)
    page.scroll(100)

    assert text_of(page.lines(30, 60))[1] == "line 1"


def test_colours_stay_and_links_and_tabs_take_no_room() -> None:
    page = page_of("news", "\x1b[1;31mred\x1b[0m \x1b]8;id=1;https://e.org/\x1b\\there\x1b]8;;\x1b\\\na\tb")

    first, second = page.lines(40, 4)[1:3]

    assert text_of([first, second]) == ["red there", "a       b"]
    assert [text for style, text in first if "ansired" in style and "bold" in style] == ["red"]


def test_a_terminal_of_one_line_is_drawn_too() -> None:
    assert text_of(page_of("get", "one").lines(10, 1)) == [":get"]


def test_it_is_drawn_again_for_another_size_and_stays_about_where_it_was() -> None:
    sizes: list[tuple[int, int]] = []

    def drawing(size: os.terminal_size) -> str:
        sizes.append((size.columns, size.lines))
        return "\n".join(f"{part} of {number}" for number in range(60) for part in range(60 // size.columns))

    page = TextPage("news", drawing)
    page.lines(60, 12)
    page.scroll(30)
    assert text_of(page.lines(60, 12))[1] == "0 of 30"
    assert text_of(page.lines(30, 12))[1] == "0 of 30"
    assert text_of(page.lines(60, 8))[1] == "0 of 30"
    assert sizes == [(60, 10), (30, 10), (60, 6)], "it is drawn once for each size"
