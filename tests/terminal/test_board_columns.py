import pytest
from rich.cells import cell_len

from scripted_server import NOW_MS, a_price
from stocktrack.messages import BoardQuote, Price
from stocktrack.quotes import MarketState
from stocktrack.terminal.board_choice import COLUMNS, Order
from stocktrack.terminal.board_columns import _WORTH
from stocktrack.terminal.board_view import BoardView
from stocktrack.terminal.screen_settings import ScreenSettings
from stocktrack.terminal.text import compact_text

LOW_TO_HIGH = "188.00\N{EN DASH}192.00"


def a_board(*chosen: str, order: Order | None = None) -> BoardView:
    view = BoardView("here", settings=ScreenSettings(columns=chosen or None, order=order))
    view.show(["AAPL", "MSFT"])
    view.put(priced("AAPL", 191.0))
    view.put(priced("MSFT", 425.5))
    view.put_quotes([quoted("AAPL"), quoted("MSFT", name="Microsoft Corporation with a very long name indeed")])
    return view


def priced(symbol: str, price: float, *, seq: int = 2, volume: int = 58_100_000) -> Price:
    moved = {"change": 1.5, "change_percent": 0.8, "volume": volume}
    return a_price(symbol, price=price, seq=seq).model_copy(update=moved)


def quoted(symbol: str, *, name: str = "Apple Inc.", low: float = 188.0, high: float = 192.0) -> BoardQuote:
    return BoardQuote(
        symbol=symbol,
        price=190.0,
        currency="USD",
        name=name,
        low=low,
        high=high,
        fifty_two_week_low=124.17,
        fifty_two_week_high=199.62,
        market_state=MarketState.OPEN,
        timestamp=NOW_MS,
        received_at=NOW_MS,
        provider="scripted",
        seq=1,
    )


def drawn(view: BoardView, width: int, height: int = 8) -> list[str]:
    lines = ["".join(text for _, text in line) for line in view.lines(width, height, NOW_MS + 2_000)]
    assert {cell_len(line) for line in lines} == {width}
    return lines


def headings(view: BoardView, width: int) -> list[str]:
    return drawn(view, width)[1].replace("Day range", "Range").replace("52 weeks", "Year").split()


# --- as many as there is room for -------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [120, 130, 160, 250])
def test_a_wide_screen_has_names_ranges_and_volumes(width: int) -> None:
    shown = "Symbol Name Price Cur Change % Range Volume"
    assert headings(a_board(), width)[:8] == shown.split()
    assert headings(a_board(), width)[-2:] == ["Market", "Age"]
    line = drawn(a_board(), width)[2]
    assert "Apple Inc." in line
    assert LOW_TO_HIGH in line
    assert "58.1M" in line


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (119, "Symbol Price Cur Change % Since start Market Age"),
        (80, "Symbol Price Cur Change % Since start Market Age"),
        (52, "Symbol Price Change % Start Age"),
        (40, "Symbol Price % Start Age"),
        (32, "Symbol Price % Age"),
    ],
)
def test_a_narrower_one_has_the_price_and_its_age(width: int, shown: str) -> None:
    assert headings(a_board(), width) == shown.split()


def test_a_column_that_nobody_can_fill_takes_no_room() -> None:
    view = BoardView("here")
    view.show(["^TNX"])
    view.put(a_price("^TNX", price=4.2))

    assert headings(view, 140) == ["Symbol", "Price", "Cur", "Change", "%", "Since", "start", "Market", "Age"]


def test_where_ages_have_no_room_otherwise_the_columns_stand_closer() -> None:
    view = BoardView("here")
    view.show(["RELIANCE.NSE"])
    view.put(priced("RELIANCE.NSE", 1_234_567.25))

    assert headings(view, 40) == ["Symbol", "Price", "%", "Age"]
    assert drawn(view, 40)[2].split() == ["RELIANCE.NSE", "1,234,567.25", "+0.80%", "2s"]


@pytest.mark.parametrize("width", range(25, 130))
def test_the_age_of_a_price_outlives_the_state_of_its_market(width: int) -> None:
    for view in (a_board(), a_board("symbol", "name", "price", "market", "age", "volume", "day")):
        shown = headings(view, width)
        assert "Age" in shown or "Market" not in shown


def test_a_mark_says_where_the_price_is_between_the_low_and_the_high() -> None:
    view = a_board()
    for price, mark in ((188.0, "●──────"), (190.0, "───●───"), (192.0, "──────●")):
        view.put(priced("AAPL", price, seq=int(price)))
        assert f"{mark} {LOW_TO_HIGH}" in drawn(view, 160)[2]


def test_prices_carry_the_low_and_the_high_on() -> None:
    view = a_board()
    view.put(priced("AAPL", 193.5, seq=3))
    view.put(priced("AAPL", 187.25, seq=4))

    assert "187.25\N{EN DASH}193.50" in drawn(view, 120)[2]

    view.put_quotes([quoted("AAPL", low=100.0, high=101.0).model_copy(update={"seq": 5})])
    assert "100.00\N{EN DASH}101.00" in drawn(view, 120)[2]


@pytest.mark.parametrize(
    ("volume", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1_000, "1.00K"),
        (12_345, "12.3K"),
        (999_499, "999K"),
        (999_500, "1.00M"),
        (58_100_000, "58.1M"),
        (1_240_000_000, "1.24B"),
        (3_500_000_000_000, "3.50T"),
        (9_999_000_000_000_000, "9,999T"),
    ],
)
def test_a_volume_is_short(volume: int, text: str) -> None:
    assert compact_text(volume) == text


# --- chosen ones ------------------------------------------------------------------------------------------------------


def test_chosen_columns_stand_in_their_order_and_symbols_on_every_board() -> None:
    assert headings(a_board("age", "symbol", "percent", "price"), 80) == ["Age", "Symbol", "%", "Price"]
    assert headings(a_board("price", "52weeks"), 80) == ["Symbol", "Price", "Year"]
    assert "124.17\N{EN DASH}199.62" in drawn(a_board("price", "52weeks"), 80)[2]


def test_of_a_choice_without_room_the_least_worth_goes_first() -> None:
    chosen = ("symbol", "name", "price", "percent", "volume", "age")

    assert headings(a_board(*chosen), 80) == ["Symbol", "Name", "Price", "%", "Volume", "Age"]
    assert headings(a_board(*chosen), 46) == ["Symbol", "Name", "Price", "%", "Age"]
    assert headings(a_board(*chosen), 40) == ["Symbol", "Price", "%", "Volume", "Age"]
    assert headings(a_board(*chosen), 32) == ["Symbol", "Price", "%", "Age"]
    assert headings(a_board(*chosen), 26) == ["Symbol", "Price", "%"]


def test_a_name_takes_the_room_that_there_is() -> None:
    assert "Microsoft Co…" in drawn(a_board("name", "price", "percent", "age"), 46)[3]
    assert "Microsoft Corporation with…" in drawn(a_board("name", "price"), 80)[3]


def test_every_column_is_worth_something() -> None:
    assert set(_WORTH) == set(COLUMNS)
    assert len(_WORTH) == len(COLUMNS)


def test_what_only_quotes_tell_is_wanted_where_it_is_shown() -> None:
    for view, width, is_wanted in (
        (a_board(), 120, True),
        (a_board(), 80, False),
        (a_board("name", "price"), 40, True),
        (a_board("price", "volume"), 200, False),
    ):
        drawn(view, width)
        assert view.wanted_quotes() == (("AAPL", "MSFT") if is_wanted else ())
        view.begin_finding()  # it may be a name that is typed
        assert view.wanted_quotes() == ("AAPL", "MSFT")


# --- order and clicks -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "heading"),
    [
        (Order("name"), "Symbol▲"),
        (Order("name", is_reversed=True), "Symbol▼"),
        (Order("percent"), "%▼"),
        (Order("volume", is_reversed=True), "Volume▲"),
        (Order("age"), "Age▲"),
        (Order("company"), "Name▲"),
    ],
)
def test_a_heading_says_what_the_rows_are_sorted_by_and_which_way(order: Order, heading: str) -> None:
    assert heading in headings(a_board(order=order), 120)
    assert not any(mark in "".join(headings(a_board(), 120)) for mark in "▲▼")


def test_a_click_on_any_heading_sorts_by_it_and_another_one_turns_it_round() -> None:
    view = a_board()
    for heading in ("Symbol", "Name", "Price", "Cur", "Change", "%", "Day range", "Volume", "Market", "Age"):
        for mark in "▲▼" if heading in {"Symbol", "Name", "Cur", "Market", "Age"} else "▼▲":
            view.click(drawn(view, 130)[1].index(heading), 1)
            assert f"{heading}{mark}" in drawn(view, 130)[1]


def test_a_click_selects_the_row_that_was_drawn_there_and_another_one_opens_it() -> None:
    view = a_board(order=Order("price"))
    drawn(view, 80)
    view.put(priced("AAPL", 900.0, seq=9))  # it would stand there by now
    view.click(3, 2)
    assert view.rows.selected == "MSFT"

    assert "▸ MSFT" in drawn(view, 80)[3]
    view.click(3, 3)
    assert view.detail is not None
    assert view.detail.symbol == "MSFT"
    view.click(3, 2)
    assert view.rows.selected == "MSFT"


@pytest.mark.parametrize(("x", "y"), [(0, 0), (3, 7), (3, 5), (79, 1), (500, 500)])
def test_a_click_on_nothing_does_nothing(x: int, y: int) -> None:
    view = a_board("price", "day")
    before = drawn(view, 80)
    view.click(x, y)

    assert drawn(view, 80) == before
    assert view.rows.selected is None


def test_a_click_before_anything_was_drawn_does_nothing() -> None:
    view = a_board()
    view.click(1, 1)
    view.click(1, 2)

    assert view.rows.selected is None
    assert view.rows.order == Order()


def test_in_the_list_of_columns_a_click_shows_or_hides_and_the_wheel_moves() -> None:
    view = a_board()
    drawn(view, 80)
    view.begin_choosing()
    lines = drawn(view, 80, height=30)
    assert lines[1].split()[0] == "Symbol"
    assert lines[2].startswith("AAPL")
    view.click(5, next(y for y, line in enumerate(lines) if "] volume" in line))
    lines = drawn(view, 80, height=30)
    assert "Volume" in lines[1]
    assert any(line.startswith("▸ [x] volume") for line in lines)
    view.wheel(1)
    assert any(line.startswith("▸ [x] day") for line in drawn(view, 80, height=30))
    view.click(5, 1)  # the headings above the list only show what one chooses
    assert view.rows.order == Order()
    assert view.close_one()
    assert "Volume" in drawn(view, 80)[1]


@pytest.mark.parametrize("width", range(17, 60))
@pytest.mark.parametrize("is_selected", [False, True])
def test_however_narrow_no_price_is_half_a_number(width: int, is_selected: bool) -> None:
    view = BoardView("here")
    view.show(["EURUSD=X", "BTC-USD"])
    view.put(priced("BTC-USD", 67_319.88))
    view.put(priced("EURUSD=X", 1.08))
    if is_selected:
        view.select(1)
    lines = drawn(view, width)
    assert "67,319.88" in lines[3]
    assert "1.08" in lines[2]


@pytest.mark.parametrize(("width", "height"), [(20, 3), (40, 5), (80, 8), (120, 50)])
def test_the_list_of_columns_fills_exactly_the_terminal(width: int, height: int) -> None:
    view = a_board()
    view.begin_choosing()

    lines = ["".join(text for _, text in line) for line in view.lines(width, height, NOW_MS)]
    assert len(lines) == height
    assert {cell_len(line) for line in lines} == {width}
    assert any(line.startswith("▸ [x] symbol") for line in lines)


def test_a_row_is_drawn_anew_when_something_of_it_changed_and_else_is_the_same() -> None:
    view = a_board()
    before = view.lines(120, 8, NOW_MS)
    after = view.lines(120, 8, NOW_MS)
    assert (after[2] is before[2], after[3] is before[3]) == (True, True)
    view.put(priced("AAPL", 191.5, seq=3))
    after = view.lines(120, 8, NOW_MS)
    assert (after[2] is before[2], after[3] is before[3]) == (False, True)
    assert "191.50" in "".join(text for _, text in after[2])
