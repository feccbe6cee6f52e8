"""Holdings as a table for people: the money of its columns is in the currency of the totals, so that they add up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from stocktrack.holdings import money_digits
from stocktrack.messages import (
    MAIN_LIST,
    AddLotReply,
    Amounts,
    HoldingInfo,
    HoldingsReply,
    HoldingTotals,
    LotInfo,
    RemoveLotReply,
)
from stocktrack.quotes import price_digits
from stocktrack.terminal.text import (
    amount_text,
    fixed,
    iso_time,
    number,
    paint,
    percent_text,
    price_text,
    safe,
    safe_symbol,
    up_or_down,
)

_GAP: Final = "  "
_NOTHING: Final = Amounts()
_DATE_CELLS: Final = len("2024-02-09")


@dataclass(frozen=True, slots=True)
class _Cell:
    """A text and its tone."""

    text: str
    tone: str = ""


@dataclass(frozen=True)
class _Column:
    """A column with its heading, a cell for each holding and one for the total; the first to give way is 1."""

    heading: str
    cells: Sequence[_Cell]
    total: _Cell
    gives_way: int = 0  # never
    is_left: bool = False

    @cached_property
    def width(self) -> int:
        return max(len(text) for text in (self.heading, self.total.text, *(cell.text for cell in self.cells)))


def holdings_table(reply: HoldingsReply, *, width: int, colour: bool) -> str:
    """The holdings and their total as lines of at most `width` cells; columns that do not fit are left out.

    A number is never cut: where not even symbol, value and gain fit, the lines are longer.
    """
    columns = _that_fit(_columns(reply), width)
    lines = _lines(columns, colour=colour)
    if reply.holdings:
        totals = [(column.total.text, column.total.tone or "bold") for column in columns]
        lines.append(_line(totals, columns, colour=colour))
    return "".join(f"{line}\n" for line in lines)


def lots_table(lots: Sequence[LotInfo], *, width: int, colour: bool) -> str:
    """The lots as lines, each with its name, which takes it out again; with their groups where there are any.

    As in `holdings_table` columns give way where the terminal is narrow, and no number is cut.
    """
    plain = _Cell("")

    def column(
        heading: str, text: Callable[[LotInfo], str], gives_way: int = 0, *, is_left: bool = False, tone: str = ""
    ) -> _Column:
        return _Column(heading, [_Cell(text(lot), tone) for lot in lots], plain, gives_way, is_left)

    columns = [
        column("Lot", lambda lot: safe(lot.lot, 20), is_left=True, tone="bold"),
        column("Symbol", lambda lot: safe_symbol(lot.symbol), is_left=True),
        column("Quantity", lambda lot: number(lot.quantity, grouped=True)),
        column("Unit cost", lambda lot: amount_text(lot.unit_cost)),
        column("Fees", lambda lot: amount_text(lot.fixed_cost) if lot.fixed_cost else "", 3),
        column("Added", lambda lot: iso_time(lot.created_at)[:_DATE_CELLS], 1),
    ]
    if any(lot.group != MAIN_LIST for lot in lots):
        columns.append(column("Group", lambda lot: safe(lot.group, 64), 2, is_left=True))
    return "\n".join(_lines(_that_fit(columns, width), colour=colour))


def lot_row(lot: LotInfo) -> tuple[str, ...]:
    """Always the same seven fields: name, symbol, quantity, cost of one, fees, group, when it was added."""
    numbers = (number(lot.quantity), number(lot.unit_cost), number(lot.fixed_cost))
    return (safe(lot.lot), safe_symbol(lot.symbol), *numbers, safe(lot.group), iso_time(lot.created_at))


def holdings_sentences(reply: HoldingsReply, *, adding: str) -> list[str]:
    """What a person should know beside the table: that there are no lots, which `adding` keeps, and what is stale."""
    if not reply.lots:
        groups = f"; there are lots in {', '.join(map(safe, reply.groups))}" if len(reply.groups) > 1 else ""
        return [f"You have no lots here yet{groups}. `{adding}` keeps one."]
    stale = [safe_symbol(each.symbol) for each in reply.holdings if each.stale]
    return [f"Counted by a price or a rate that is stale: {', '.join(stale)}."] if stale else []


def lot_sentence(reply: AddLotReply) -> str:
    """Says which lot is kept."""
    fee = f", and {number(reply.fixed_cost, grouped=True)} of fees" if reply.fixed_cost else ""
    group = "" if reply.group == MAIN_LIST else f" in the group {safe(reply.group)}"
    quantity, cost = (number(value, grouped=True) for value in (reply.quantity, reply.unit_cost))
    what = f"{quantity} {safe_symbol(reply.symbol)} @ {cost}{fee}"
    return f"The lot {safe(reply.lot)} was added{group}: {what}."


def removed_lot_sentence(reply: RemoveLotReply) -> str:
    """Says which lot was taken out."""
    return f"The lot {safe(reply.lot)} of {safe_symbol(reply.symbol)} was taken out."


def _columns(reply: HoldingsReply) -> list[_Column]:
    digits = money_digits(reply.currency)
    held, totals = reply.holdings, reply.totals

    def cells(text: Callable[[HoldingInfo], str], tone: Callable[[HoldingInfo], str] = lambda _: "") -> list[_Cell]:
        return [_Cell(text(each), tone(each)) for each in held]

    def money(name: str, *, is_signed: bool) -> tuple[list[_Cell], _Cell]:
        amounts: list[Amounts] = [*(each.converted or _NOTHING for each in held), totals]
        told = [_money(getattr(each, name), digits, is_signed=is_signed) for each in amounts]
        return told[:-1], told[-1]

    def percent(name: str) -> tuple[list[_Cell], _Cell]:
        of: list[HoldingInfo | HoldingTotals] = [*held, totals]
        told = [_Cell(percent_text(getattr(each, name)), up_or_down(getattr(each, name))) for each in of]
        return told[:-1], told[-1]

    values, days, gains = (money(name, is_signed=name != "value") for name in ("value", "day_change", "gain"))
    notes = ["stale" if each.stale else "" if each.converted is not None else "in no total" for each in held]
    nothing = _Cell("")
    columns = [
        _Column("Symbol", cells(lambda each: safe_symbol(each.symbol), lambda _: "bold"), _Cell("Total"), is_left=True),
        _Column("Quantity", cells(lambda each: number(each.quantity, grouped=True).removesuffix(".0")), nothing, 4),
        _Column("Unit cost", cells(_unit_cost), nothing, 1),
        _Column("Price", cells(_price, lambda each: "dim" if each.stale else ""), nothing, 5),
        _Column("", cells(lambda each: safe(each.currency, 8), lambda _: "dim"), nothing, 5, is_left=True),
        _Column(f"Value {reply.currency}", *values),
        _Column("Day", *days, 6),
        _Column("%", *percent("day_change_percent"), 3),
        _Column("Gain", *gains),
        _Column("%", *percent("gain_percent"), 7),
        _Column("Weight", cells(lambda each: _weight(each.weight)), nothing, 2),
    ]
    if any(notes):
        columns.append(_Column("", [_Cell(note, "warning") for note in notes], nothing, 8, is_left=True))
    return columns


def _that_fit(columns: list[_Column], width: int) -> list[_Column]:
    left = [*columns]
    for least in range(1, 9):
        if sum(column.width for column in left) + len(_GAP) * (len(left) - 1) <= width:
            break
        left = [column for column in left if column.gives_way != least]
    return left


def _lines(columns: Sequence[_Column], *, colour: bool) -> list[str]:
    """The headings, and a line for each row of cells."""
    rows = [[(cell.text, cell.tone) for cell in row] for row in zip(*(each.cells for each in columns), strict=True)]
    return [_line(row, columns, colour=colour) for row in ([(each.heading, "dim") for each in columns], *rows)]


def _line(cells: Sequence[tuple[str, str]], columns: Sequence[_Column], *, colour: bool) -> str:
    parts = []
    for (text, tone), column in zip(cells, columns, strict=True):
        padded = text.ljust(column.width) if column.is_left else text.rjust(column.width)
        # What stands beside the text stays plain, so that spaces at a line's end can go.
        parts.append(padded.replace(text, paint(text, tone, colour=colour)) if text else padded)
    return _GAP.join(parts).rstrip()


def _money(amount: float | None, digits: int, *, is_signed: bool) -> _Cell:
    if amount is None:
        return _Cell("")
    return _Cell(fixed(amount, digits, signed=is_signed), up_or_down(amount) if is_signed else "")


def _price(holding: HoldingInfo) -> str:
    return "" if holding.price is None else price_text(holding.price, price_digits(holding.price, None))


def _unit_cost(holding: HoldingInfo) -> str:
    if holding.unit_cost is None:
        return ""
    # As many decimals as the price beside it, where that is known.
    return price_text(holding.unit_cost, price_digits(holding.price or holding.unit_cost, None))


def _weight(weight: float | None) -> str:
    return "" if weight is None else f"{fixed(weight, 2)}%"
