from typing import Any

import pytest
from rich.cells import cell_len

from scripted_server import NOW_MS, a_price
from stocktrack.errors import Code, Reason
from stocktrack.holdings import Mark, Rate, exact, portfolio, positions
from stocktrack.messages import HoldingsReply, LotInfo, Missing, Price
from stocktrack.terminal.board_cells import Line
from stocktrack.terminal.board_holdings import BoardHoldings
from stocktrack.terminal.board_view import BoardView

POUND = 1.27
HELD = {"AAPL": ("USD", 10.0, 146.0, 189.45, 1.2), "VOD.L": ("GBp", 1_000.0, 71.35, 68.22, -0.68)}


def lot(symbol: str, quantity: float, unit_cost: float, number: int = 1, **fields: Any) -> LotInfo:
    return LotInfo(lot=f"l{number}", symbol=symbol, quantity=quantity, unit_cost=unit_cost, created_at=NOW_MS, **fields)


def an_answer(lots: tuple[LotInfo, ...], marks: dict[str, Mark], rates: dict[str, float]) -> HoldingsReply:
    """What a server answers: the arithmetic is its own."""
    counted = portfolio(positions(lots), marks, {name: Rate(exact(rate)) for name, rate in rates.items()}, "USD")
    missing = tuple(
        Missing(symbol=symbol, code=Code.NOT_FOUND, reason=Reason.UNKNOWN_SYMBOL) for symbol in counted.left_out
    )
    return HoldingsReply(holdings=counted.holdings, currency="USD", totals=counted.totals, lots=lots, missing=missing)


def usual(*more: LotInfo) -> HoldingsReply:
    lots = [
        lot(symbol, quantity, cost, number, fixed_cost=1.0 if symbol == "AAPL" else 0.0)
        for number, (symbol, (_, quantity, cost, _, _)) in enumerate(HELD.items(), 1)
    ]
    marks = {symbol: Mark(price, currency, change=change) for symbol, (currency, _, _, price, change) in HELD.items()}
    return an_answer((*lots, *more), marks, {"GBP": POUND})


def price(symbol: str, value: float, change: float | None, *, seq: int = 2, currency: str | None = "USD") -> Price:
    update = {"change": change, "change_percent": None, "currency": currency}
    return a_price(symbol, seq=seq, price=value).model_copy(update=update)


def a_board(*symbols: str, reply: HoldingsReply | None = None) -> BoardView:
    view = BoardView("here")
    view.show(symbols)
    for symbol in symbols:
        currency, _, _, value, change = HELD.get(symbol, ("USD", 0, 0, 425.52, 1.0))
        view.put(price(symbol, value, change, seq=1, currency=currency))
    view.put_holdings(reply or usual())
    return view


def drawn(view: BoardView, width: int = 140, height: int = 14) -> list[str]:
    return ["".join(text for _, text in line).rstrip() for line in view.lines(width, height, NOW_MS)]


def total_of(view: BoardView, width: int = 140) -> str:
    return next(line for line in drawn(view, width) if line.startswith("Total "))


def test_what_is_held_stands_beside_the_prices_and_pence_are_no_pounds() -> None:
    lines = drawn(a_board("AAPL", "VOD.L", "MSFT"))

    assert lines[1].split()[5:11] == ["Quantity", "Cost", "Value", "Today", "Gain", "Weight"]
    assert lines[2].split()[4:10] == ["10", "1,461.00", "1,894.50", "+12.00", "+433.50", "68.6%"]
    # 1,000 at 68.22 pence are 682.20 pounds.
    assert lines[3].split()[4:10] == ["1,000", "906.15", "866.39", "−8.64", "−39.75", "31.4%"]
    assert "%" not in lines[4][60:]


def test_the_total_is_of_all_that_is_held_also_of_what_is_not_watched() -> None:
    assert total_of(a_board("AAPL")) == total_of(a_board("AAPL", "VOD.L", "MSFT"))
    assert total_of(a_board("MSFT")) == "Total 2,760.89 USD  today +3.36 +0.12%  gain +393.75 +16.63%  cost 2,367.15"
    assert "Value" not in drawn(a_board("MSFT"))[1]


def test_each_price_counts_anew() -> None:
    view = a_board("AAPL", "VOD.L")

    view.put(price("AAPL", 200.0, 11.75))
    view.put(price("VOD.L", 100.0, 31.1, currency="GBp"))

    lines = drawn(view)
    assert lines[2].split()[6:9] == ["2,000.00", "+117.50", "+539.00"]
    assert lines[3].split()[6:9] == ["1,270.00", "+394.97", "+363.86"]
    assert total_of(view).startswith("Total 3,270.00 USD  today +512.47 ")


@pytest.mark.parametrize("quantity", [3.0, -7.0, 0.333333, 1e6, 1e-6])
def test_without_a_new_price_it_is_to_the_cent_what_the_server_told(quantity: float) -> None:
    lots = (lot("AAPL", quantity, 146.0), lot("VOD.L", 777.0, 71.35, 2))
    marks = {"AAPL": Mark(189.4567, "USD", change=1.2349), "VOD.L": Mark(68.22, "GBp", change=-0.687)}
    reply = an_answer(lots, marks, {"GBP": 1.273456789})
    held = BoardHoldings()

    held.take(reply, ())
    held.total(200)

    assert held._counted is not None
    told, counted = reply.totals, held._counted.totals
    assert (counted.value, counted.cost, counted.gain) == (told.value, told.cost, told.gain)
    assert counted.day_change == pytest.approx(told.day_change, abs=0.011)


def test_what_is_in_no_total_says_what_is_missing_until_it_comes() -> None:
    lots = (lot("AAPL", 10, 146), lot("SAP.DE", 5, 100, 2), lot("GONE", 1, 1, 3))
    marks = {"AAPL": Mark(189.45, "USD", change=1.2), "SAP.DE": Mark(120.0, "EUR", change=1.0)}
    view = a_board("AAPL", "SAP.DE", "GONE", reply=an_answer(lots, marks, {}))
    view.refuse({"GONE": "unknown symbol"})
    view.put_holdings(an_answer(lots, marks, {}))

    lines = drawn(view)
    assert "In no total: GONE (no price), SAP.DE (no rate)." not in lines  # a_board gave SAP.DE a price in dollars
    assert "In no total: GONE (no price)." in lines

    view.put(price("SAP.DE", 120.0, 1.0, currency="EUR"))
    lines = drawn(view)
    assert "In no total: GONE (no price), SAP.DE (no rate)." in lines
    assert "no rate" in lines[3]
    assert total_of(view).startswith("Total 1,894.50 USD")

    view.put(price("GONE", 2.5, 0.5))
    assert "In no total: SAP.DE (no rate)." in drawn(view)
    assert total_of(view).startswith("Total 1,897.00 USD")


def test_a_push_without_a_currency_is_in_the_one_before() -> None:
    view = a_board("VOD.L")
    view.put(price("VOD.L", 100.0, None, currency=None))

    assert "1,270.00" in drawn(view)[2]


def test_the_least_important_columns_go_first_and_no_number_is_cut() -> None:
    view = a_board("AAPL", "VOD.L")
    gone: list[str] = []
    for width in range(160, 30, -1):
        headings = drawn(view, width)[1].split()
        for name in ("Value", "Gain", "Today", "Quantity", "Weight", "Cost"):
            if name not in headings and name not in gone:
                gone.append(name)
        assert all(cell_len(line) <= width for line in drawn(view, width))
        assert "…" not in "".join(drawn(view, width)[:4])
        assert total_of(view, width).startswith("Total 2,760.89 USD")
    assert gone == ["Cost", "Weight", "Quantity", "Today", "Gain", "Value"]


def test_they_can_be_hidden_and_without_lots_there_is_nothing_to_see() -> None:
    view = a_board("AAPL")
    assert "m holdings" in drawn(view)[-1]
    view.toggle_holdings()
    hidden = "\n".join(drawn(view))
    assert "Total" not in hidden
    assert "Value" not in hidden
    view.toggle_holdings()
    assert total_of(view)

    nothing = a_board("AAPL", reply=an_answer((), {}, {}))
    assert "Total" not in "\n".join(drawn(nothing))
    assert "m holdings" not in drawn(nothing)[-1]


def test_lots_that_were_taken_out_meanwhile_are_gone() -> None:
    view = a_board("AAPL")
    view.put_holdings(an_answer((), {}, {}))

    assert "Total" not in "\n".join(drawn(view))


def styles_of(line: Line) -> dict[str, str]:
    return {text.strip(): style for style, text in line if text.strip()}


def test_gains_and_losses_have_the_colours_of_the_other_columns() -> None:
    lines = a_board("AAPL", "VOD.L").lines(140, 12, NOW_MS)

    assert styles_of(lines[2])["+433.50"] == "class:up"
    assert styles_of(lines[3])["−39.75"] == "class:down"


@pytest.mark.parametrize("width", [20, 40, 80, 200])
@pytest.mark.parametrize("height", [5, 6, 12])
def test_the_board_fills_exactly_the_terminal(width: int, height: int) -> None:
    view = a_board("AAPL", "VOD.L", "MSFT", reply=usual(lot("GONE", 1e15, 1e15, 9)))

    assert len(view.lines(width, height, NOW_MS)) == height
