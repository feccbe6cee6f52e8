from scripted_server import NOW_MS, a_price
from stocktrack.terminal.board_alerts import FLASH_MS
from stocktrack.terminal.board_cells import Line
from stocktrack.terminal.board_view import BoardView


def a_board(*symbols: str) -> BoardView:
    view = BoardView("here")
    view.show(symbols)
    for symbol in symbols:
        view.put(a_price(symbol))
    return view


def text_of(line: Line) -> str:
    return "".join(text for _, text in line)


def is_lit(line: Line) -> bool:
    lit = ["class:alert " in style for style, _ in line]
    assert all(lit) or not any(lit), "the row is lit as a whole"
    return lit[0]


def test_the_row_flashes_for_some_seconds_and_stays_marked_until_it_is_read() -> None:
    view = a_board("AAPL", "MSFT")
    view.alert(("MSFT",), "14:03:07  MSFT 425.52 USD is above 425.", NOW_MS)

    seen = [is_lit(view.lines(80, 12, NOW_MS + at)[3]) for at in range(0, 12_000, 500)]
    assert seen[:12] == [True, True, False, False] * 3
    assert not any(seen[FLASH_MS // 500 :])
    lines = [text_of(line) for line in view.lines(80, 12, NOW_MS + 60_000)]
    assert lines[3].startswith("MSFT* ")
    assert lines[2].startswith("AAPL  ")
    assert lines[-3].rstrip() == "* 14:03:07  MSFT 425.52 USD is above 425."
    assert lines[-1].startswith("enter read  q back")

    view.read_alerts()
    lines = [text_of(line) for line in view.lines(80, 12, NOW_MS + 60_000)]
    assert lines[3].startswith("MSFT  ")
    assert not any("425.52 USD is above" in line for line in lines)
    assert lines[-1].startswith("q back")


def test_the_next_one_takes_its_place_and_a_message_of_the_connection_does_not() -> None:
    view = a_board("AAPL")
    view.alert(("AAPL",), "one.", NOW_MS)
    view.alert(("TSLA",), "two, of what is not on the board.", NOW_MS)
    view.say("The connection was lost.")

    lines = [text_of(line).rstrip() for line in view.lines(80, 12, NOW_MS)]

    assert lines[-3] == "* two, of what is not on the board.  (and 1 before)"
    assert lines[-2] == "The connection was lost."


def test_a_long_sentence_is_folded_and_the_board_fills_exactly_the_terminal() -> None:
    view = a_board("AAPL", "MSFT", "TSLA")
    view.alert(("AAPL",), "It is the first price since the market reopened. " * 20, NOW_MS)

    for width in (20, 40, 80, 200):
        for height in (5, 6, 24):
            assert len(view.lines(width, height, NOW_MS)) == height
    lines = [text_of(line).rstrip() for line in view.lines(80, 24, NOW_MS)]
    assert lines[-5].startswith("* It is the first")
    assert lines[-3].endswith("…")


def test_a_stale_price_keeps_its_own_mark() -> None:
    view = a_board("AAPL")
    view.alert(("AAPL",), "up.", NOW_MS)
    view.put(a_price("AAPL", seq=2).model_copy(update={"stale": True}))

    assert text_of(view.lines(80, 12, NOW_MS)[2]).startswith("AAPL! ")
