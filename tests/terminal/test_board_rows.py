import pytest

from scripted_server import NOW_MS, a_price, a_quote
from stocktrack.messages import Price
from stocktrack.terminal.board_choice import Order
from stocktrack.terminal.board_rows import BoardRows


def priced(symbol: str, price: float, *, volume: int | None = None, seq: int = 1, age_ms: int = 0) -> Price:
    fields = {"volume": volume, "change": price, "change_percent": price}
    return a_price(symbol, price=price, seq=seq, timestamp=NOW_MS - age_ms).model_copy(update=fields)


def some(*prices: Price) -> BoardRows:
    rows = BoardRows()
    rows.show([price.symbol for price in prices], {})
    for price in prices:
        rows.put(price)
    return rows


def order_of(rows: BoardRows) -> list[str]:
    return [row.symbol for row in rows.ordered()]


def test_the_order_follows_the_prices_and_one_that_does_not_move_stays() -> None:
    rows = some(priced("A", 1.0), priced("B", 2.0), priced("C", 3.0))
    rows.order_by("price")
    assert order_of(rows) == ["C", "B", "A"]
    rows.put(priced("A", 9.0, seq=2))
    assert order_of(rows) == ["A", "C", "B"]

    rows.order_by("name")
    before = rows.ordered()
    rows.put(priced("A", 0.5, seq=3))
    assert rows.ordered() is before
    assert order_of(rows) == ["A", "B", "C"]


@pytest.mark.parametrize("order", ["volume", "age", "range", "52weeks", "price", "currency", "market"])
@pytest.mark.parametrize("is_reversed", [False, True])
def test_what_is_not_known_stands_last_whichever_way_the_order_goes(order: str, is_reversed: bool) -> None:
    rows = some(priced("A", 1.0, volume=5, age_ms=9), priced("B", 2.0, volume=7, age_ms=2))
    rows.show(["0NONE", "A", "ZNONE", "B"], {"0NONE": "unknown symbol", "ZNONE": "unknown symbol"})
    for symbol, of in (("A", {"low": 1.0, "high": 1.5}), ("B", {"low": 1.0, "high": 2.5})):
        row = rows.row(symbol)
        assert row is not None
        row.put_quote(a_quote("AAPL").model_copy(update={**of, "fifty_two_week_low": 1.0, "fifty_two_week_high": 9.0}))
    rows.order = Order(order, is_reversed=is_reversed)

    assert {*order_of(rows)[:2]} == {"A", "B"}
    assert {*order_of(rows)[2:]} == {"0NONE", "ZNONE"}
    rows.reverse()
    assert {*order_of(rows)[2:]} == {"0NONE", "ZNONE"}


def test_what_is_not_found_is_not_selected_any_more() -> None:
    rows = some(priced("AAPL", 1.0), priced("TSLA", 2.0), priced("MSFT", 3.0))
    rows.choose("TSLA")
    selected: list[str | None] = []
    for text in ("s", "sf", "sfx", ""):
        rows.found = text
        selected.append(rows.selected)

    assert selected == ["TSLA", "MSFT", None, None]


def test_a_name_is_found_as_well_as_soon_as_it_is_known() -> None:
    rows = some(priced("AAPL", 1.0), priced("TSLA", 2.0))
    rows.found = "apple"
    assert order_of(rows) == []
    row = rows.row("AAPL")
    assert row is not None
    row.put_quote(a_quote("AAPL"))
    rows.rename()

    assert order_of(rows) == ["AAPL"]


def test_by_volume_the_most_traded_and_by_age_the_newest_stands_first() -> None:
    rows = some(priced("A", 1.0, volume=5, age_ms=9), priced("B", 2.0, volume=7, age_ms=20))
    rows.order_by("volume")
    assert (order_of(rows), rows.is_rising) == (["B", "A"], False)
    rows.order_by("age")
    assert (order_of(rows), rows.is_rising) == (["A", "B"], True)


def test_the_order_of_the_list_comes_back_and_can_be_turned_round() -> None:
    rows = some(priced("B", 1.0), priced("A", 2.0), priced("C", 3.0))
    rows.order_by("name")
    assert rows.order_words == " by name"
    rows.order_by("list")
    assert (order_of(rows), rows.order_words) == (["B", "A", "C"], "")
    rows.reverse()
    assert order_of(rows) == ["C", "A", "B"]
    rows.order_by("list")
    assert order_of(rows) == ["B", "A", "C"]


def test_an_order_that_was_remembered_is_kept_for_other_symbols() -> None:
    rows = BoardRows()
    rows.order = Order("price", is_reversed=True)
    rows.show(["A", "B"], {})
    rows.put(priced("A", 5.0))
    rows.put(priced("B", 4.0))
    assert order_of(rows) == ["B", "A"]
    rows.show(["B", "A", "C"], {})
    rows.put(priced("C", 4.5))
    assert order_of(rows) == ["B", "C", "A"]


def test_what_is_found_is_sorted_as_well() -> None:
    rows = some(priced("XA", 1.0), priced("XB", 2.0), priced("Y", 3.0))
    rows.order_by("price")
    rows.found = "x"
    assert order_of(rows) == ["XB", "XA"]
    rows.put(priced("XA", 9.0, seq=2))
    assert order_of(rows) == ["XA", "XB"]
    rows.found = ""
    assert order_of(rows) == ["XA", "Y", "XB"]


def test_what_is_held_is_sorted_by_what_it_is_worth() -> None:
    worth = {"A": 10.0, "B": 20.0}
    rows = BoardRows(held={"value": lambda row: worth.get(row.symbol)})
    rows.show(["NONE", "A", "B"], {})
    rows.order_by("value")
    assert order_of(rows) == ["B", "A", "NONE"]
