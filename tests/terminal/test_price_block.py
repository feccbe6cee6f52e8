import pytest

from scripted_server import NOW_MS, a_price
from stocktrack.terminal.board_row import Row
from stocktrack.terminal.price_block import price_block


def rows(*symbols: str) -> list[Row]:
    made = [Row(symbol) for symbol in symbols]
    for row in made:
        row.put(a_price(row.symbol))
    return made


def block(pushed: list[Row], *, width: int = 80, most: int = 8, is_live: bool = True) -> list[str]:
    return price_block(pushed, width=width, most=most, colour=False, is_live=is_live, now_ms=NOW_MS + 7_000)


def test_each_price_has_a_line_with_its_age() -> None:
    lines = block(rows("AAPL", "MSFT"))

    assert lines[0] == "── live ──"
    assert lines[1].split() == ["AAPL", "189.45", "USD", "7s"]
    assert len(lines) == 3


def test_without_a_price_there_is_nothing() -> None:
    assert block([]) == []
    assert block([Row("AAPL")]) == []


def test_without_a_connection_each_is_marked() -> None:
    assert [line.split()[0] for line in block(rows("AAPL", "MSFT"), is_live=False)] == ["──", "AAPL!", "MSFT!"]


@pytest.mark.parametrize(("most", "shown"), [(1, 0), (2, 1), (3, 2), (4, 4)])
def test_what_has_no_room_is_counted(most: int, shown: int) -> None:
    lines = block(rows("A", "B", "C", "D"), most=most)

    assert len(lines) == 1 + most
    assert lines[-1].startswith("D " if shown == 4 else f"and {4 - shown} more")


@pytest.mark.parametrize("width", [20, 40, 66, 80, 120])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    for line in block(rows("AAPL", "BTC-USD", "EURUSD=X"), width=max(width, 40), most=2):
        assert len(line) < max(width, 40)


def test_the_decimals_of_a_symbol_stay_as_many_as_they_were_once() -> None:
    row = Row("EURUSD=X")
    for seq, hint in ((1, 5), (2, 4)):
        row.put(a_price("EURUSD=X", seq=seq, price=1.0847).model_copy(update={"price_hint": hint, "change": 0.0001}))

    assert block([row])[1].split()[1:4] == ["1.08470", "USD", "+0.00010"]
