import pytest

from stocktrack.terminal.tabs import Tabs, label_of


def a_tabs(*lists: str, current: str = "main") -> Tabs:
    tabs = Tabs()
    tabs.put_lists(lists)
    tabs.go(current)
    return tabs


def drawn(tabs: Tabs, width: int = 80) -> str:
    return "".join(text for _, text in tabs.line(width))


def test_the_one_that_is_shown_stands_in_brackets_and_tab_goes_round() -> None:
    tabs = a_tabs("main", "tech", "crypto")

    assert drawn(tabs) == "[main] tech crypto"
    assert tabs.turned(1) == "tech"
    assert tabs.turned(-1) == "crypto"
    tabs.go("crypto")
    assert drawn(tabs) == "main tech [crypto]"
    assert tabs.turned(1) == "main"


def test_one_list_needs_no_tab() -> None:
    assert drawn(a_tabs("main")) == ""


def test_what_was_named_by_hand_has_a_tab_before_the_lists() -> None:
    tabs = a_tabs("main")
    tabs.name_by_hand()

    assert tabs.current is None
    assert drawn(tabs) == "[watched] main"
    assert tabs.turned(1) == "main"
    tabs.go("main")
    assert tabs.turned(1) is None
    assert label_of(None) == "watched"


def test_a_list_that_is_left_gives_way_to_the_one_behind_it_or_else_before() -> None:
    tabs = a_tabs("main", "tech", "cars", current="tech")
    tabs.leave("tech")
    assert drawn(tabs) == "main [cars]"
    tabs.leave("main")
    assert tabs.all == ("cars",)
    tabs.put_lists(["main", "cars"])
    tabs.leave("cars")
    assert tabs.current == "main"
    tabs.leave("main")
    assert tabs.current is None


def test_an_empty_list_stays_where_it_stood_while_it_is_shown() -> None:
    tabs = a_tabs("main", "tech", "cars", current="tech")
    tabs.put_lists(["main", "cars"])
    assert drawn(tabs) == "main [tech] cars"

    tabs.go("new")
    tabs.put_lists(["main", "cars"])
    assert drawn(tabs) == "main cars [new]"


@pytest.mark.parametrize("width", range(60))
def test_however_little_room_there_is_the_line_fits_and_names_the_one_that_is_shown(width: int) -> None:
    lists = ("main", "tech", "crypto", "funds", "europe")
    tabs = a_tabs(*lists, current="crypto")

    line = drawn(tabs, width)

    assert len(line) <= width
    assert line == "" or "[crypto]" in line
    assert ("…" in line) == (line != "" and not all(name in line for name in lists))


def test_a_cell_of_the_line_is_that_of_a_tab() -> None:
    tabs = a_tabs("main", "tech", "crypto", current="tech")
    assert drawn(tabs) == "main [tech] crypto"
    assert [tabs.turn_at(x) for x in (0, 3, 5, 10, 12, 17, 19, 40)] == [-1, -1, 0, 0, 1, 1, None, None]

    assert drawn(tabs, 12) == "… [tech] …"
    assert [tabs.turn_at(x) for x in (0, 2, 9)] == [-1, 0, 1]
    assert drawn(tabs, 3) == ""
    assert tabs.turn_at(0) is None


def test_a_long_name_is_cut() -> None:
    tabs = a_tabs("main", "a list with a long name that goes on")

    assert drawn(tabs) == "[main] a list with a long…"


def test_a_list_that_is_called_otherwise_goes_on_being_shown() -> None:
    tabs = a_tabs("main", "coins", current="coins")
    tabs.rename("coins", "crypto")
    tabs.put_lists(["main", "crypto"])

    assert drawn(tabs) == "main [crypto]"


def test_a_hostile_name_moves_no_cursor() -> None:
    assert "\x1b" not in drawn(a_tabs("main", "x\x1b[2Jy", current="main"))
