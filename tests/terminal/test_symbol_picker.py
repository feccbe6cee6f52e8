from stocktrack.quotes import Match
from stocktrack.terminal.symbol_picker import SymbolPicker

APPLE = Match(symbol="AAPL", name="Apple Inc.", exchange="NASDAQ")
APPLE_DE = Match(symbol="APC.DE", name="Apple Inc.", exchange="XETRA")
APP = Match(symbol="APP", name="AppLovin", exchange="NASDAQ")


def typed(text: str) -> SymbolPicker:
    picker = SymbolPicker("main")
    picker.typed(text)
    return picker


def drawn(picker: SymbolPicker, width: int = 60, height: int = 8) -> list[str]:
    lines = picker.lines(width, height)
    assert len(lines) == height
    texts = ["".join(text for _, text in line) for line in lines]
    assert {len(text) for text in texts} == {width}
    return [text.rstrip() for text in texts]


def test_before_anything_is_typed_it_says_what_to_type_and_enter_adds_nothing() -> None:
    picker = SymbolPicker("main")

    assert (picker.wanted, picker.chosen) == (None, None)
    assert drawn(picker)[:2] == ["Add to main: ▁", "Type a part of a name, or a symbol."]


def test_while_nothing_is_found_yet_enter_adds_what_was_typed() -> None:
    picker = typed("aapl")

    assert (picker.wanted, picker.chosen) == ("aapl", "AAPL")
    assert drawn(picker)[1:3] == ["▸ AAPL  as it is typed", "Searching…"]


def test_enter_adds_what_is_marked_never_another_stock() -> None:
    picker = typed("apple")
    picker.put("apple", [APPLE, APPLE_DE])

    assert picker.wanted is None
    assert drawn(picker)[1:4] == [
        "▸ AAPL    Apple Inc.  NASDAQ",
        "  APC.DE  Apple Inc.  XETRA",
        "  APPLE   as it is typed",
    ]
    assert picker.chosen == "AAPL"
    picker.select(1)
    assert picker.chosen == "APC.DE"
    picker.select(5)
    assert picker.chosen == "APPLE"
    picker.select(-9)
    assert picker.chosen == "AAPL"


def test_the_very_symbol_that_was_typed_stands_first() -> None:
    picker = typed("app")
    picker.put("app", [APPLE, APP])

    assert picker.chosen == "APP"
    assert "as it is typed" not in "".join(drawn(picker))


def test_a_late_answer_is_dropped() -> None:
    picker = typed("app")
    picker.typed("appl")
    picker.put("app", [APP])
    picker.fail("app", "It took too long.")

    assert picker.wanted == "appl"
    assert picker.chosen == "APPL"


def test_where_a_search_is_not_to_be_had_it_says_why_and_adds_what_was_typed() -> None:
    picker = typed("tsla")
    picker.fail("tsla", "No source here can search.")

    assert picker.wanted is None
    assert picker.chosen == "TSLA"
    assert "No source here can search." in drawn(picker)


def test_what_can_be_no_symbol_and_is_not_found_adds_nothing() -> None:
    picker = typed("royal bank of")
    picker.put("royal bank of", [])

    assert picker.chosen is None
    assert drawn(picker)[1] == "Nothing was found."


def test_of_many_the_marked_one_is_in_sight() -> None:
    picker = typed("x")
    picker.put("x", [Match(symbol=f"X{number}", name="A company") for number in range(20)])

    picker.select(15)

    assert any(line.startswith("▸ X15") for line in drawn(picker))


def test_hostile_text_moves_no_cursor() -> None:
    picker = typed("a\x1b[2J\u202eb")
    picker.put("a[2Jb", [Match(symbol="A", name="\x1b[31mred\x07", exchange="\u202ex")])

    text = "\n".join(drawn(picker))
    assert not {"\x1b", "\x07", "\u202e"} & set(text)
