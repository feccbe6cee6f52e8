"""What a person holds as the board shows it: counted anew by each price, as columns beside it and one total; no I/O."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from stocktrack.holdings import (
    LeftOut,
    Mark,
    Portfolio,
    Position,
    Rate,
    exact,
    money_digits,
    portfolio,
    positions,
    rate_to,
)
from stocktrack.messages import Amounts, HoldingInfo, HoldingsReply, Price
from stocktrack.quotes import major_currency
from stocktrack.terminal.board_row import Column, Row
from stocktrack.terminal.cells import cells_of
from stocktrack.terminal.text import fixed, number, percent_text, safe, safe_symbol

Cell = tuple[str, str]  # a text and its style class
Fragment = tuple[str, str]  # the other way round, as prompt_toolkit takes them
# The first to go is the last: what the holding is worth stays as long as there is room for anything.
HOLDING_COLUMNS: Final = ("Value", "Gain", "Today", "Quantity", "Weight", "Cost")
_LEFT_OUT: Final = {
    LeftOut.NO_PRICE: "no price",
    LeftOut.NO_CURRENCY: "no currency",
    LeftOut.NO_RATE: "no rate",
    LeftOut.TOO_MUCH: "too much",
}
_MOST_NAMED: Final = 8


class BoardHoldings:
    """`take` what HOLDINGS answers, then `put` prices; it is in the currency of that answer."""

    def __init__(self) -> None:
        self._positions: dict[str, Position] = {}
        self._marks: dict[str, Mark] = {}
        self._rates: dict[str, Rate] = {}
        self._currency = ""
        self._counted: Portfolio | None = None
        self._infos: dict[str, HoldingInfo] = {}
        self._widths: dict[str, int] = {}
        self._columns: tuple[Portfolio | None, frozenset[str], list[Column]] | None = None

    @property
    def are_any(self) -> bool:
        """Whether there are lots."""
        return bool(self._positions)

    def take(self, reply: HoldingsReply, newest: Iterable[Price]) -> None:
        """Take the lots and what is known of their prices and rates; `newest` are prices that came by themselves."""
        self._positions = positions(reply.lots)
        self._currency = safe(reply.currency, 8)
        self._marks = {each.symbol: mark for each in reply.holdings if (mark := _mark_of(each)) is not None}
        self._rates = dict(filter(None, map(_rate_of, reply.holdings)))
        self._counted = self._columns = None
        self._widths.clear()
        for price in newest:
            self.put(price)

    def put(self, price: Price) -> None:
        """Take the newest price of a symbol."""
        if price.symbol not in self._positions:
            return
        before, mark = self._marks.get(price.symbol), Mark.of(price)
        if mark.currency is None and before is not None:
            mark = replace(mark, currency=before.currency)
        self._marks[price.symbol] = mark
        self._counted = None

    def columns(self, symbols: frozenset[str]) -> list[Column]:
        """The columns beside these symbols, the most important first; none where nothing of them is held.

        The same ones until something changes; their widths only grow.
        """
        self._count()
        if self._columns is None or self._columns[0] is not self._counted or self._columns[1] is not symbols:
            self._columns = self._counted, symbols, self._columns_of(symbols)
        return self._columns[2]

    def figure(self, name: str) -> Callable[[Row], float | None]:
        """What the column of that name shows of a row as a number, to sort by; None where nothing is held of it."""
        return lambda row: self._figure(row.symbol, name)

    def _figure(self, symbol: str, name: str) -> float | None:
        self._count()
        info = self._infos.get(symbol)
        if info is None:
            return None
        money = info.converted or Amounts()
        match name:
            case "quantity":
                return info.quantity
            case "weight":
                return info.weight
            case "value":
                return money.value
            case "gain":
                return money.gain
            case "today":
                return money.day_change
            case _:
                return money.cost

    def _columns_of(self, symbols: frozenset[str]) -> list[Column]:
        held = [info for info in self._infos.values() if info.symbol in symbols]
        if not held:
            return []
        found = []
        for heading in HOLDING_COLUMNS:
            cells = {info.symbol: self._cell(heading, info) for info in held}
            widest = max(cells_of(text) for text, _ in cells.values())
            width = self._widths[heading] = max(len(heading), widest, self._widths.get(heading, 0))
            found.append(Column(heading, width, _reader(cells)))
        return found

    def total(self, width: int) -> list[Fragment]:
        """The totals as the parts of one line, as many of them as fit whole into `width`."""
        self._count()
        if self._counted is None:
            return []
        totals, digits = self._counted.totals, money_digits(self._currency)
        parts: list[list[Fragment]] = []
        if totals.value is not None:
            parts.append([("class:total", f"Total {fixed(totals.value, digits)} {self._currency}")])
        for name, amount, percent in (
            ("today", totals.day_change, totals.day_change_percent),
            ("gain", totals.gain, totals.gain_percent),
        ):
            if amount is not None:
                text = f"{fixed(amount, digits, signed=True)} {percent_text(percent)}".rstrip()
                parts.append([("class:dim", f"  {name} "), (_tone(amount), text)])
        if totals.cost is not None:
            parts.append([("class:dim", "  cost "), ("", fixed(totals.cost, digits))])
        line: list[Fragment] = []
        for part in parts:
            if line and sum(cells_of(text) for _, text in [*line, *part]) > width:
                break
            line += part
        return line

    def left_out(self) -> str:
        """What is in no total, and why: `In no total: OCDO.L (no rate), X (no price).`; empty where nothing is."""
        self._count()
        left_out = self._counted.left_out if self._counted is not None else {}
        if not left_out:
            return ""
        named = [f"{safe_symbol(symbol)} ({_LEFT_OUT[why]})" for symbol, why in left_out.items()]
        more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
        return f"In no total: {', '.join(named[:_MOST_NAMED])}{more}."

    def _count(self) -> None:
        if self._counted is None and self._positions:
            self._counted = portfolio(self._positions, self._marks, self._rates, self._currency)
            self._infos = {each.symbol: each for each in self._counted.holdings}
        elif not self._positions:
            self._counted, self._infos = None, {}

    def _cell(self, heading: str, info: HoldingInfo) -> Cell:
        money = info.converted or Amounts()
        match heading:
            case "Value":
                return self._value(info)
            case "Gain":
                return self._money(money.gain, is_signed=True)
            case "Today":
                return self._money(money.day_change, is_signed=True)
            case "Cost":
                return self._money(money.cost)
            case "Quantity":
                return number(info.quantity, grouped=True).removesuffix(".0"), ""
            case _:
                return ("" if info.weight is None else f"{fixed(info.weight, 1)}%"), "class:dim"

    def _value(self, info: HoldingInfo) -> Cell:
        if info.converted is None or info.converted.value is None:
            why = self._counted.left_out.get(info.symbol) if self._counted is not None else None
            return (_LEFT_OUT[why] if why is not None else "", "class:stale")
        text, _ = self._money(info.converted.value)
        return text, "class:dim" if info.stale else ""

    def _money(self, amount: float | None, *, is_signed: bool = False) -> Cell:
        if amount is None:
            return "", ""
        return fixed(amount, money_digits(self._currency), signed=is_signed), _tone(amount) if is_signed else ""


def _reader(cells: Mapping[str, Cell]) -> Callable[[Row, int], Cell]:
    return lambda row, _: cells.get(row.symbol, ("", ""))


def _mark_of(holding: HoldingInfo) -> Mark | None:
    """What HOLDINGS knew of the price; the change of one piece is that of all of them by their number."""
    if holding.price is None:
        return None
    change = None
    if holding.day_change is not None and holding.quantity:
        change = float(exact(holding.day_change) / exact(holding.quantity))
    return Mark(holding.price, holding.currency, change=change, name=holding.name, is_stale=holding.stale is True)


def _rate_of(holding: HoldingInfo) -> tuple[str, Rate] | None:
    """The rate of the whole currency: what is told of pence is that of a penny."""
    major = major_currency(holding.currency)
    if major is None or not holding.rate:
        return None
    to_major = rate_to(holding.currency, major, {})
    return None if to_major is None else (major, to_major.inverse().then(Rate(exact(holding.rate))))


def _tone(amount: float) -> str:
    return "class:up" if amount > 0 else "class:down" if amount < 0 else ""
