import pytest
from rich.cells import cell_len

from scripted_server import NOW_MS, a_price
from stocktrack.errors import Reason
from stocktrack.messages import Price
from stocktrack.quotes import MAX_SYMBOL_LENGTH
from stocktrack.terminal.board_view import BoardView, Line

LONGEST_SYMBOL = "A-SYMBOL-OF-48-CHARACTERS".ljust(MAX_SYMBOL_LENGTH, "X")


def text_of(line: Line) -> str:
    return "".join(text for _, text in line)


def drawn(view: BoardView, width: int = 100, height: int = 12, *, later_ms: int = 0) -> list[str]:
    return [text_of(line) for line in view.lines(width, height, NOW_MS + later_ms)]


def price(symbol: str, value: float, change: float, *, seq: int = 1, age_ms: int = 0) -> Price:
    return a_price(symbol, price=value, seq=seq, timestamp=NOW_MS - age_ms).model_copy(
        update={"change": change, "change_percent": change}
    )


def a_board(*symbols: str, hint: str = "") -> BoardView:
    view = BoardView("ann@127.0.0.1:65432", hint=hint)
    view.show(symbols)
    return view


def symbols_drawn(view: BoardView, height: int = 12) -> list[str]:
    return [line.split()[0] for line in drawn(view, height=height)[2:-2] if line.strip()]


@pytest.mark.parametrize("width", [20, 40, 52, 80, 100, 250])
@pytest.mark.parametrize("height", [5, 12, 50])
def test_the_board_fills_exactly_the_terminal(width: int, height: int) -> None:
    view = a_board("AAPL", "BTC-USD", LONGEST_SYMBOL, hint="Join: stocktrack client\nsecond line")
    view.put(price("BTC-USD", 66_251.82, -1_585.82))
    view.put(price(LONGEST_SYMBOL, 1e15, -1e15))
    view.say("The server is stopping. " * 20)

    lines = drawn(view, width, height)

    assert len(lines) == height
    # Symbol, price and percent are never dropped: a terminal narrower than they are cuts them itself.
    assert {cell_len(line) for line in lines if width >= 52} <= {width}


def test_a_row_has_a_sign_and_a_colour_a_sparkline_the_market_and_its_age() -> None:
    view = a_board("AAPL", "TSLA")
    for seq, value in enumerate((10.0, 12.0, 11.0), 1):
        view.put(price("AAPL", value, 1.0, seq=seq))
    view.put(price("TSLA", 171.05, -2.5, age_ms=0))

    lines = view.lines(100, 12, NOW_MS + 61_000)

    assert text_of(lines[2]).split() == ["AAPL", "11.00", "USD", "+1.00", "+1.00%", "▁█▅", "open", "1m"]
    assert ("class:up", "+1.00") in [(style, text.strip()) for style, text in lines[2]]
    assert ("class:down", "-2.50") in [(style, text.strip()) for style, text in lines[3]]


def test_the_price_has_the_colour_of_its_last_move() -> None:
    view = a_board("AAPL")
    view.put(price("AAPL", 12.0, 5.0, seq=1))
    view.put(price("AAPL", 11.0, 4.0, seq=2))

    line = view.lines(100, 12, NOW_MS)[2]

    assert ("class:down", "11.00") in [(style, text.strip()) for style, text in line]


def test_a_stale_price_is_marked_and_says_why() -> None:
    view = a_board("AAPL")
    view.put(price("AAPL", 1.0, 0.0).model_copy(update={"stale": True, "stale_reason": Reason.PROVIDER_BLOCKED}))

    assert "AAPL!" in drawn(view)[2]
    assert "stale: blocked" in drawn(view)[2]
    assert "AAPL!" in drawn(view, width=40)[2]


def test_a_symbol_without_a_price_yet_waits_in_its_row() -> None:
    assert drawn(a_board("AAPL"))[2].split() == ["AAPL", "…", "waiting"]


@pytest.mark.parametrize(
    ("order", "symbols"),
    [
        ("name", ["A", "B", "C", "D"]),
        ("price", ["B", "C", "A", "D"]),
        ("change", ["A", "C", "B", "D"]),
        ("percent", ["A", "C", "B", "D"]),
    ],
)
def test_the_rows_are_sorted_and_the_same_key_turns_them_round(order: str, symbols: list[str]) -> None:
    view = a_board("C", "A", "D", "B")
    view.put(price("A", 1.0, 9.0))
    view.put(price("B", 3.0, -1.0))
    view.put(price("C", 2.0, 4.0))

    assert symbols_drawn(view) == ["C", "A", "D", "B"]
    view.order_by(order)
    assert symbols_drawn(view) == symbols
    view.order_by(order)
    assert symbols_drawn(view) == symbols[::-1]


def test_only_the_visible_rows_are_drawn_and_scrolling_stops_at_both_ends() -> None:
    symbols = [f"S{number:04}" for number in range(100)]
    view = a_board(*symbols)

    assert symbols_drawn(view, height=14) == symbols[:10]
    view.scroll_page(1)
    assert symbols_drawn(view, height=14) == symbols[10:20]
    assert "11-20 of 100" in drawn(view, height=14)[0]
    view.scroll(1_000)
    assert symbols_drawn(view, height=14) == symbols[90:]
    view.scroll(-1_000)
    assert symbols_drawn(view, height=14) == symbols[:10]


def test_a_sparkline_is_there_when_a_symbol_is_shown_later() -> None:
    view = a_board("AAPL")
    view.put(price("MSFT", 1.0, 0.0, seq=1))
    view.put(price("MSFT", 2.0, 0.0, seq=2))
    view.is_changed = False

    view.show(["MSFT"])

    assert "▁█" in drawn(view)[2]
    assert view.is_changed


def test_a_price_that_is_not_shown_changes_nothing_on_the_screen() -> None:
    view = a_board("AAPL")
    view.is_changed = False

    view.put(price("MSFT", 1.0, 0.0))

    assert not view.is_changed


def test_a_symbol_that_is_forgotten_leaves_the_board() -> None:
    view = a_board("AAPL", "NOPE")

    view.forget(["NOPE", "NEVER"])

    assert symbols_drawn(view) == ["AAPL"]


def test_a_message_from_outside_is_shown_without_escapes() -> None:
    view = a_board("AAPL")

    view.say("\x1b[2Jgone\n\u202ebad")

    assert drawn(view)[-2].rstrip() == "[2Jgone bad"
