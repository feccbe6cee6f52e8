from typing import Any

import pytest
from rich.cells import cell_len

from scripted_server import NOW_MS, a_price, a_quote
from stocktrack.bars import Bar
from stocktrack.client import State, StateChange
from stocktrack.errors import Code, Reason
from stocktrack.messages import Missing, Price
from stocktrack.quotes import MAX_SYMBOL_LENGTH, MarketState
from stocktrack.terminal.board_cells import Line
from stocktrack.terminal.board_view import BoardView
from stocktrack.terminal.text_page import TextPage

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
    assert ("class:down", "−2.50") in [(style, text.strip()) for style, text in lines[3]]


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
    assert "stale: Scripted refuses us" in drawn(view)[2]
    assert "AAPL!" in drawn(view, width=40)[2]


def test_the_decimals_of_a_symbol_stay_as_many_as_they_were_once_in_all_columns() -> None:
    view = a_board("EURUSD=X")
    for seq, (value, change) in enumerate(((1.08467, 0.00012), (1.0847, 0.0001), (1.08, 0.0)), 1):
        hint = max(2, len(str(value).partition(".")[2]))
        view.put(price("EURUSD=X", value, change, seq=seq).model_copy(update={"price_hint": hint}))

    assert drawn(view)[2].split()[1:4] == ["1.08000", "USD", "0.00000"]


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_a_column_is_as_wide_as_its_longest_number(width: int) -> None:
    view = a_board("BRK-A", "BTC-USD")
    view.put(price("BRK-A", 621_337.8, 336_207.04))
    view.put(price("BTC-USD", 123_456_789.12, -21_105_234.56))

    lines = drawn(view, width)

    assert lines[2].split()[1] == "621,337.80"
    assert lines[3].split()[1] == "123,456,789.12"
    assert "…" not in "".join(lines[1:4])
    if "Change" in lines[1]:
        assert "+336,207.04" in lines[2]
        assert "−21,105,234.56" in lines[3]


# --- what is not live -------------------------------------------------------------------------------------------------


def test_an_unknown_symbol_is_a_row_among_the_others_and_counted() -> None:
    view = BoardView("here")
    view.show(["AAPL", "NOPE", "FOO"], {"NOPE": "unknown symbol", "FOO": "unknown symbol"})
    view.put(price("AAPL", 1.0, 1.0))

    lines = drawn(view)

    assert lines[2].split()[:2] == ["AAPL", "1.00"]
    assert lines[3].split() == ["NOPE", "unknown", "symbol"]
    assert lines[4].split() == ["FOO", "unknown", "symbol"]
    assert "3 symbols" in lines[0]
    assert view.wanted_courses() == ("AAPL",)
    assert "1 symbol " in drawn(a_board("AAPL"))[0]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_without_a_connection_every_row_is_dimmed_and_marked_and_the_title_says_for_how_long(width: int) -> None:
    view = a_board("AAPL", "TSLA")
    view.put(price("AAPL", 2.0, 1.0))
    view.put(price("TSLA", 3.0, -1.0))

    view.take_state(StateChange(State.RECONNECTING, attempt=1), NOW_MS)
    view.take_state(StateChange(State.RECONNECTING, attempt=2), NOW_MS + 3_000)

    lines = view.lines(width, 12, NOW_MS + 6_000)
    assert "disconnected 6 s" in text_of(lines[0])
    assert [text_of(line).split()[0] for line in lines[2:4]] == ["AAPL!", "TSLA!"]
    for line in lines[2:4]:
        assert {style for style, text in line if text.strip()} == {"class:dim"}
        assert "open" not in text_of(line)
    assert "disconnected 3 min" in drawn(view, width, later_ms=200_000)[0]

    view.take_state(StateChange(State.CONNECTED, missing=(a_missing("TSLA"),), subscribed=("AAPL",)), NOW_MS + 7_000)

    lines = view.lines(width, 12, NOW_MS + 7_000)
    assert "disconnected" not in text_of(lines[0])
    assert text_of(lines[2]).startswith("AAPL  ")
    assert text_of(lines[3]).split() == ["TSLA", "unknown", "symbol"]
    assert ("class:up", "+1.00%") in [(style, text.strip()) for style, text in lines[2]]


def a_missing(symbol: str) -> Missing:
    return Missing(symbol=symbol, code=Code.NOT_FOUND, reason=Reason.UNKNOWN_SYMBOL)


# --- keys -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [20, 40, 80, 120])
def test_the_last_line_names_the_keys_that_there_is_room_for_the_page_of_them_first(width: int) -> None:
    last = drawn(a_board("AAPL"), width)[-1]

    assert last.startswith("q back  ? keys")
    assert ("enter detail" in last) == (width >= 40)
    assert ("sort" in last) == (width >= 80)
    assert "…" not in last


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_page_of_the_keys_fits_and_says_what_q_does(width: int) -> None:
    view = BoardView("here", leaving="quit")
    view.show(["AAPL"])
    view.toggle_keys()

    lines = drawn(view, width, height=30)

    assert not any(line.startswith("AAPL") for line in lines)
    assert any(line.split() == ["q", "esc", "quit"] for line in lines)
    assert {cell_len(line) for line in lines} == {width}
    assert view.close_one()
    assert any(line.startswith("AAPL") for line in drawn(view, width))


def test_finding_leaves_the_rows_with_it_and_says_so() -> None:
    view = a_board("AAPL", "TSLA", "MSFT")
    view.begin_finding()
    view.rows.found = "sl"

    assert drawn(view)[2].startswith("TSLA")
    assert drawn(view)[3].strip() == ""
    assert "1 of 3 with SL" in drawn(view)[0]
    assert drawn(view)[-1].startswith("/SL")
    view.rows.found = "xyz"
    assert drawn(view)[2].strip() == "Nothing here has 'XYZ' in its symbol or name."
    assert view.close_one()
    assert symbols_drawn(view) == ["AAPL", "TSLA", "MSFT"]
    assert not view.close_one()


def test_the_selected_row_is_marked_and_stays_in_sight() -> None:
    symbols = [f"S{number:04}" for number in range(30)]
    view = a_board(*symbols)
    assert "▸" not in "".join(drawn(view))

    for _ in range(15):
        drawn(view)
        view.rows.select(1)

    lines = [line for line in drawn(view) if line.startswith("▸")]
    assert [line.split()[1] for line in lines] == ["S0014"]
    assert {cell_len(line) for line in drawn(view)} == {100}
    for _ in range(40):
        view.rows.select(-1)
    assert drawn(view)[2].startswith("▸ S0000")


def test_enter_takes_off_what_an_alert_told_and_then_opens_the_detail_which_q_closes() -> None:
    view = BoardView("here")
    view.show(["AAPL", "NOPE"], {"NOPE": "unknown symbol"})
    view.alert(("AAPL",), "AAPL 280.12 USD is above 280.", NOW_MS)
    drawn(view)

    def has_detail() -> bool:
        return view.detail is not None

    view.enter()
    assert not has_detail()
    view.enter()
    assert has_detail()
    assert drawn(view, 40)[1].startswith("[1d]")
    assert drawn(view)[1].startswith("AAPL  [1d]")
    assert drawn(view)[-1].startswith("q back  ←→ range")
    view.select(1)
    assert not has_detail()
    assert drawn(view)[-2].rstrip() == "NOPE: unknown symbol."
    view.select(-1)
    view.enter()
    assert view.close_one()
    assert not has_detail()
    assert not view.close_one()


# --- before and after the regular hours -------------------------------------------------------------------------------


def after_hours(symbol: str = "AAPL", *, seq: int = 1, state: MarketState = MarketState.POST, **fields: Any) -> Price:
    extended = {"extended_price": 270.75, "extended_change": 1.05, "extended_change_percent": 0.389}
    update = {"market_state": state, **extended, "extended_time": NOW_MS + 7_200_000, **fields}
    return price(symbol, 269.7, 0.7, seq=seq).model_copy(update=update)


def quiet(*, seq: int, state: MarketState, **fields: Any) -> Price:
    """A push that says nothing of the price outside the hours."""
    return after_hours(seq=seq, state=state, **{**dict.fromkeys(EXTENDED), **fields})


EXTENDED = ("extended_price", "extended_change", "extended_change_percent", "extended_time")


@pytest.mark.parametrize("width", range(30, 130))
def test_a_price_after_hours_is_shown_whole_or_not_at_all(width: int) -> None:
    view = a_board("AAPL", "MSFT")
    view.put(after_hours())
    view.put(price("MSFT", 425.52, 1.0))

    lines = drawn(view, width)

    assert ("post 270.75 +0.39%" in lines[2]) == ("270.75" in lines[2]) == ("Extended" in lines[1]) == (width >= 45)
    assert lines[2].split()[:2] == ["AAPL", "269.70"]
    assert "270.75" not in lines[3]


def test_it_fits_beside_everything_but_the_currency_on_80_columns() -> None:
    view = a_board("AAPL", "MSFT")
    view.put(after_hours())

    assert drawn(view, 80)[1].split() == [
        "Symbol",
        "Price",
        "Change",
        "%",
        "Extended",
        "Start",
        "Market",
        "Age",
    ]


def test_it_has_the_colour_of_its_own_change() -> None:
    view = a_board("AAPL")
    view.put(after_hours(extended_change=-1.05, extended_change_percent=-0.389))

    line = view.lines(100, 12, NOW_MS)[2]

    assert ("class:down", "post 270.75 −0.39%") in [(style, text.strip()) for style, text in line]
    assert ("class:up", "+0.70%") in [(style, text.strip()) for style, text in line]


def test_the_opening_of_the_market_takes_it_away_and_with_the_last_one_its_column() -> None:
    view = a_board("AAPL")
    view.put(after_hours(seq=1))
    view.put(quiet(seq=2, state=MarketState.OPEN))

    assert "270.75" not in "".join(drawn(view))
    assert "Extended" not in drawn(view)[1]


def test_a_morning_without_a_price_of_its_own_shows_none_of_the_evening() -> None:
    view = a_board("AAPL")
    view.put(after_hours(seq=1))
    view.put(quiet(seq=2, state=MarketState.PRE))

    assert "270.75" not in "".join(drawn(view))


def test_at_night_the_last_one_stands_until_a_newer_regular_price_comes() -> None:
    view = a_board("AAPL")
    view.put(after_hours(seq=1))
    view.put(quiet(seq=2, state=MarketState.CLOSED))

    assert "post 270.75 +0.39%" in drawn(view)[2]

    view.put(quiet(seq=3, state=MarketState.UNKNOWN, timestamp=NOW_MS + 86_400_000))

    assert "270.75" not in drawn(view)[2]


def test_a_price_has_the_digits_of_its_symbol_in_every_column() -> None:
    view = a_board("EURUSD=X", "7203.T")
    view.put(after_hours("EURUSD=X", price=1.08, change=0.0002, price_hint=4, extended_price=1.081))
    view.put(after_hours("7203.T", price=3652.0, change=-18.0, price_hint=0, extended_price=3650.0))

    lines = drawn(view)

    assert lines[2].split()[:8] == ["EURUSD=X", "1.0800", "USD", "+0.0002", "+0.70%", "post", "1.0810", "+0.39%"]
    assert lines[3].split()[:8] == ["7203.T", "3,652", "USD", "−18", "+0.70%", "post", "3,650", "+0.39%"]


# --- rows -------------------------------------------------------------------------------------------------------------


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
    view.rows.order_by(order)
    assert symbols_drawn(view) == symbols
    view.rows.order_by(order)
    # One without a price has nothing to be sorted by, but its name.
    assert symbols_drawn(view) == (symbols[::-1] if order == "name" else [*symbols[:3][::-1], "D"])


def test_only_the_visible_rows_are_drawn_and_scrolling_stops_at_both_ends() -> None:
    symbols = [f"S{number:04}" for number in range(100)]
    view = a_board(*symbols)

    assert symbols_drawn(view, height=14) == symbols[:10]
    view.rows.scroll_page(1)
    assert symbols_drawn(view, height=14) == symbols[10:20]
    assert "11-20 of 100" in drawn(view, height=14)[0]
    view.rows.scroll(1_000)
    assert symbols_drawn(view, height=14) == symbols[90:]
    view.rows.scroll(-1_000)
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


def test_a_symbol_that_is_refused_says_why_in_its_row() -> None:
    view = a_board("AAPL", "NOPE")
    view.put(price("NOPE", 1.0, 1.0))

    view.refuse({"NOPE": "unknown symbol", "NEVER": "unknown symbol"})

    assert symbols_drawn(view) == ["AAPL", "NOPE"]
    assert drawn(view)[3].split() == ["NOPE", "unknown", "symbol"]
    assert "2 symbols" in drawn(view)[0]


def test_a_message_from_outside_is_shown_without_escapes() -> None:
    view = a_board("AAPL")

    view.say("\x1b[2Jgone\n\u202ebad")

    assert drawn(view)[-2].rstrip() == "[2Jgone bad"


def test_the_course_of_the_day_takes_the_place_of_the_one_since_the_start() -> None:
    view = a_board("AAPL", "TSLA")
    for seq, value in enumerate((10.0, 12.0), 1):
        view.put(price("AAPL", value, -1.0, seq=seq))
    assert view.wanted_courses() == ("AAPL",)
    assert "Since start" in drawn(view)[1]

    day = [Bar(time=NOW_MS - minutes * 60_000, open=9, high=9, low=9, close=9) for minutes in (30, 25, 20)]
    view.put_course("AAPL", day)
    view.put_course("NOBODY", day)

    lines = view.lines(100, 12, NOW_MS)
    assert view.wanted_courses() == ()
    assert "Day " in text_of(lines[1])
    # Its colour is the day's, not that of the last moves.
    assert ("class:down", "▁▁▁█") in [(style, text.strip()) for style, text in lines[2]]


def test_a_day_that_nobody_has_leaves_the_course_since_the_start() -> None:
    view = a_board("AAPL")
    for seq, value in enumerate((10.0, 12.0), 1):
        view.put(price("AAPL", value, -1.0, seq=seq))
    before = drawn(view)
    view.put_course("AAPL", ())

    assert view.wanted_courses() == ()
    assert drawn(view) == before


# --- the head ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "head"),
    [
        (100, " StockTrack  private · Yahoo · 2 symbols by price" + " " * 32 + "[main] tech crypto "),
        (65, " StockTrack  private · Yahoo · 2 symbols      [main] tech crypto "),
        (50, " StockTrack  private · Yahoo   [main] tech crypto "),
        (40, " private · Yahoo     [main] tech crypto "),
        (30, " private · Yahoo     [main] … "),
        (20, " private · Yahoo    "),
    ],
)
def test_the_head_leaves_room_for_the_tabs_and_loses_what_is_said_elsewhere_first(width: int, head: str) -> None:
    view = BoardView("private · Yahoo")
    view.show(["AAPL", "TSLA"])
    view.order_by("price")
    view.tabs.put_lists(["main", "tech", "crypto"])
    view.tabs.go("main")

    assert drawn(view, width)[0] == head


def test_many_tabs_leave_room_for_which_rows_are_seen() -> None:
    view = BoardView("private · Yahoo")
    view.show([f"S{number}" for number in range(300)])
    view.tabs.put_lists(["main", *(f"list{number}" for number in range(18))])
    view.tabs.go("main")

    head = drawn(view, 100)[0]
    assert head.startswith(" StockTrack  private · Yahoo · ")
    assert " of 300" in head
    assert "[main] list0" in head


def test_a_lost_connection_is_said_before_everything_else() -> None:
    view = BoardView("private · Yahoo")
    view.show(["AAPL"])
    view.tabs.put_lists(["main", "tech"])
    view.tabs.go("main")
    view.take_state(StateChange(State.RECONNECTING), NOW_MS - 6_000)

    assert drawn(view, 60)[0].startswith(" disconnected 6 s  private · Yahoo")
    assert "[main] tech" in drawn(view, 60)[0]


# --- what lies over the rows ------------------------------------------------------------------------------------------


def a_page(lines: int = 30) -> TextPage:
    return TextPage("news", lambda _: "\n".join(f"line {number}" for number in range(1, lines + 1)))


def test_the_keys_lie_over_a_page_and_leaving_them_shows_it_again() -> None:
    view = a_board("AAPL")
    view.open_page(a_page())
    view.toggle_keys()
    assert "select a row" in "\n".join(drawn(view))
    assert view.close_one()
    assert drawn(view)[1].startswith(":news")
    view.toggle_keys()
    view.enter()
    assert drawn(view)[1].startswith(":news"), "enter leaves a text that is read"
    assert view.close_one()
    assert not view.close_one()


def test_what_is_found_is_seen_whatever_lay_over_the_rows() -> None:
    view = a_board("AAPL", "TSLA")
    view.open_page(a_page())
    view.begin_finding()
    assert symbols_drawn(view) == ["AAPL", "TSLA"]
    assert drawn(view)[-1].startswith("/▁")


def test_two_words_of_a_name_are_found() -> None:
    view = a_board("AAPL", "TSLA")
    view.put(price("AAPL", 1.0, 0.0))
    view.put_quotes([a_quote("AAPL").model_copy(update={"name": "Apple Inc."})])
    view.rows.found = "apple "
    assert symbols_drawn(view) == ["AAPL"]
    assert "with APPLE" in drawn(view)[0]
    view.rows.found = "apple inc"
    assert symbols_drawn(view) == ["AAPL"]


def test_home_and_end_go_to_the_ends_of_what_lies_on_top() -> None:
    view = a_board(*(f"S{number}" for number in range(60)))
    far = 1_000_000
    drawn(view)
    view.open_page(a_page())
    drawn(view)
    view.scroll_page(far)
    assert drawn(view)[-2] == "line 30".ljust(100)
    view.scroll_page(-far)
    assert drawn(view)[2].startswith("line 1 ")
    view.toggle_keys()
    first = drawn(view)[1]
    view.scroll_page(far)
    assert "ctrl-d" in drawn(view)[-2]
    view.scroll_page(-far)
    assert drawn(view)[1] == first
    view.uncover()
    assert symbols_drawn(view)[0] == "S0", "the rows below have not moved"
    view.scroll_page(far)
    assert symbols_drawn(view)[-1] == "S59"


def test_a_page_is_laid_out_anew_in_another_size() -> None:
    view = a_board("AAPL")
    view.open_page(TextPage("chart AAPL", lambda size: f"{size.columns} by {size.lines}"))
    assert drawn(view, 100, 12)[2].rstrip() == "100 by 9"
    assert drawn(view, 40, 20)[2].rstrip() == "40 by 17"


@pytest.mark.parametrize("width", [20, 24, 30])
def test_on_a_narrow_terminal_what_a_key_does_stands_below_it(width: int) -> None:
    view = a_board("AAPL")
    view.toggle_keys()
    lines = drawn(view, width, 200)
    assert not any("…" in line for line in lines)
    assert "select a row" in " ".join(" ".join(lines).split())
