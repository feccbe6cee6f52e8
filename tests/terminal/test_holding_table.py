"""Holdings as a table: what is shown in which width, that its money adds up, and what is marked."""

import re

import pytest

from stocktrack.errors import Reason
from stocktrack.holdings import Mark, Rate, exact, portfolio, positions
from stocktrack.messages import AddLotReply, HoldingsReply, LotInfo, Missing
from stocktrack.terminal.holding_table import holdings_sentences, holdings_table, lot_sentence, lots_table
from stocktrack.terminal.tables import draw
from stocktrack.terminal.text import rows_of


def lot(symbol: str, quantity: float, unit_cost: float) -> LotInfo:
    return LotInfo(lot="l1", symbol=symbol, quantity=quantity, unit_cost=unit_cost, created_at=0)


LOTS = (
    lot("AAPL", 1234.5, 146),
    lot("VOD.L", 1000, 71.35),
    lot("MSFT", -2, 150),
    lot("GONE", 1, 5),
    lot("OLD", 3, 2),
)
MARKS = {
    "AAPL": Mark(189.45, "USD", previous_close=188.25),
    "VOD.L": Mark(68.22, "GBp", previous_close=68.9),
    "MSFT": Mark(200.0, "USD", previous_close=200.0),
    "OLD": Mark(1.5, "USD", is_stale=True),
}


def a_reply(lots: tuple[LotInfo, ...] = LOTS, currency: str = "EUR") -> HoldingsReply:
    rates = {"USD": Rate(exact(0.9217)), "GBP": Rate(exact(1.1693)), "EUR": Rate(exact(160.0))}
    found = portfolio(positions(lots), MARKS, rates, currency)
    missing = tuple(
        Missing(symbol=symbol, code=Reason.PROVIDER_ERROR.code, reason=Reason.PROVIDER_ERROR)
        for symbol in found.left_out
    )
    return HoldingsReply(holdings=found.holdings, currency=currency, totals=found.totals, lots=lots, missing=missing)


def cents(text: str) -> int:
    return round(float(text.replace(",", "").replace("+", "")) * 100)


def test_the_table_has_its_columns_and_a_total_row() -> None:
    lines = holdings_table(a_reply(), width=160, colour=False).splitlines()
    assert re.split(r" {2,}", lines[0]) == [
        *("Symbol", "Quantity", "Unit cost", "Price", "Value EUR", "Day", "%", "Gain", "%", "Weight"),
    ]
    assert re.split(r" {2,}", lines[1])[:6] == ["AAPL", "1,234.5", "146.00", "189.45", "USD", "215,563.53"]
    pence = next(line for line in lines if line.startswith("VOD.L"))
    assert re.split(r" {2,}", pence)[1:7] == ["1,000", "71.35", "68.22", "GBp", "797.70", "−7.95"]
    assert lines[-1].startswith("Total")


def test_the_money_of_a_column_adds_up_to_the_total_but_for_cents_of_rounding() -> None:
    reply = a_reply()
    for name in ("value", "day_change", "gain"):
        parts = [getattr(each.converted, name) for each in reply.holdings if each.converted is not None]
        total = getattr(reply.totals, name)
        assert sum(part for part in parts if part is not None) == pytest.approx(total, abs=0.005 * len(parts) + 1e-9)


def test_what_is_in_no_total_and_what_is_stale_says_so_in_its_row() -> None:
    lines = holdings_table(a_reply(), width=160, colour=False).splitlines()
    gone = next(line for line in lines if line.startswith("GONE"))
    assert gone.split() == ["GONE", "1", "5.00", "in", "no", "total"]
    assert next(line for line in lines if line.startswith("OLD")).endswith("stale")


def test_colours_go_by_the_sign_and_none_are_used_where_there_are_to_be_none() -> None:
    painted = holdings_table(a_reply(), width=160, colour=True)
    assert "\x1b[31m−7.95\x1b[0m" in painted  # the day of Vodafone, down
    assert "\x1b[31m−92.17\x1b[0m" in painted  # what was sold short rose: 2 * 50 dollars
    assert "\x1b[32m+49,439.09\x1b[0m" in painted  # 1,234.5 * 43.45 dollars in euros
    plain = holdings_table(a_reply(), width=160, colour=False)
    assert "\x1b" not in plain
    assert re.sub(r"\x1b\[\d+m", "", painted) == plain


@pytest.mark.parametrize("width", range(34, 140, 3))
def test_it_fits_and_keeps_symbol_value_and_gain_whole(width: int) -> None:
    reply = a_reply()
    lines = holdings_table(reply, width=width, colour=False).splitlines()
    assert max(map(len, lines)) <= width
    assert {"Symbol", "Gain"} <= set(lines[0].split())
    assert all(re.search(r"[0-9]\.[0-9]{2}(?![0-9])", line) for line in lines[1:] if "Total" in line)
    assert "…" not in "".join(lines)


def test_money_has_the_decimals_of_the_totals_currency() -> None:
    table = holdings_table(a_reply((lot("AAPL", 1, 100),), "USD"), width=100, colour=False)
    assert "189.45" in table.splitlines()[-1]
    rates = {"USD": Rate(exact(151.62))}
    found = portfolio(positions([lot("AAPL", 1, 100)]), MARKS, rates, "JPY")
    reply = HoldingsReply(holdings=found.holdings, currency="JPY", totals=found.totals, lots=(lot("AAPL", 1, 100),))
    assert re.split(r" {2,}", holdings_table(reply, width=100, colour=False).splitlines()[-1])[1] == "28,724"


def test_rows_for_programs_always_have_the_same_fields() -> None:
    rows = {row[0]: row for row in rows_of(a_reply())}
    assert {len(row) for row in rows.values()} == {13}
    assert rows["VOD.L"][1:5] == ("1000", "71.35", "68.22", "GBp")
    assert rows["VOD.L"][5:10] == ("797.7", "-7.95", "-36.6", "834.3", "EUR")
    assert rows["GONE"][1:10] == ("1", "5", "", "", "", "", "", "", "")


def test_a_person_learns_of_stale_prices_and_that_there_is_nothing() -> None:
    assert holdings_sentences(a_reply(), adding="x") == ["Counted by a price or a rate that is stale: OLD."]
    empty = a_reply(())
    assert holdings_sentences(empty, adding="lot AAPL 10 @ 146") == [
        "You have no lots here yet. `lot AAPL 10 @ 146` keeps one."
    ]
    elsewhere = empty.model_copy(update={"groups": ("main", "pen\x1b[31msion")})
    assert "in main, pen[31msion." in holdings_sentences(elsewhere, adding="x")[0]
    assert draw(empty, width=80, colour=False, now_ms=0) != ""


def test_lots_are_a_table_with_their_names_and_groups_where_there_are_any() -> None:
    lots = (
        lot("AAPL", 1234.5, 146),
        lot("VOD.L", -1, 71.355).model_copy(update={"fixed_cost": 7, "group": "pen\tsion"}),
    )
    lines = lots_table(lots[:1], width=80, colour=False).splitlines()
    assert re.split(r" {2,}", lines[0]) == ["Lot", "Symbol", "Quantity", "Unit cost", "Fees", "Added"]
    lines = lots_table(lots, width=80, colour=False).splitlines()
    assert lines[1].split() == ["l1", "AAPL", "1,234.5", "146.00", "1970-01-01", "main"]
    assert lines[2].split() == ["l1", "VOD.L", "−1", "71.355", "7.00", "1970-01-01", "pen", "sion"]


def test_a_lot_that_was_added_is_told_with_its_fees_and_group() -> None:
    reply = AddLotReply(lot="l3", symbol="AAPL", quantity=-5, unit_cost=180.5, fixed_cost=1, group="pension")
    assert lot_sentence(reply) == "The lot l3 was added in the group pension: −5 AAPL @ 180.5, and 1 of fees."


@pytest.mark.parametrize("width", [34, 40, 60])
def test_lots_fit_a_narrow_terminal_and_no_number_is_cut(width: int) -> None:
    lots = [each.model_copy(update={"group": "pension", "fixed_cost": 12.5}) for each in LOTS]
    lines = lots_table(lots, width=width, colour=False).splitlines()

    assert max(map(len, lines)) <= width
    assert "1,234.5" in lines[1]
    assert "146.00" in lines[1]
