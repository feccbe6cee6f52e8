"""The live board as text: which rows there are, in which order, and what each looks like in a given width; no I/O."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from textwrap import wrap

from rich.cells import cell_len, set_cell_size

from stocktrack.bars import Bar
from stocktrack.messages import HoldingsReply, Price, shown_digits
from stocktrack.quotes import MarketState, clean_text
from stocktrack.terminal.board_alerts import MARK, BoardAlerts
from stocktrack.terminal.board_holdings import BoardHoldings
from stocktrack.terminal.board_row import Column, Row
from stocktrack.terminal.course import Course
from stocktrack.terminal.text import (
    Extended,
    age_text,
    change_text,
    extended_of,
    percent_text,
    price_text,
    safe,
    safe_symbol,
    sparkline,
    state_text,
    tone_of,
)

Fragment = tuple[str, str]  # a style class and its text, as prompt_toolkit takes them
Line = list[Fragment]

MIN_TRAIL_CELLS = 8
MAX_SYMBOL_CELLS = 14
MAX_EXTENDED_CELLS = 32
_GAP = 2
# Of the columns of holdings, the first so many take the place of the day's course where both have no room.
_FIRST_HELD = 3
_HELD_ORDER = ("Quantity", "Cost", "Value", "Today", "Gain", "Weight")
# A PRICE of these says nothing of the hours before.
_QUIET = frozenset({MarketState.CLOSED, MarketState.UNKNOWN})
_KEYS = "q back  ↑↓ scroll  sort: n name  p price  c change  % percent  a age  r reverse"
_KEYS_SHORT = "q back  sort n p c % a  r reverse"


def _number_or_last(value: float | None) -> float:
    return float("-inf") if value is None else value


ORDERS: dict[str, Callable[[Row], tuple[object, str]]] = {
    "name": lambda row: ("", row.symbol),
    "price": lambda row: (_number_or_last(row.price.price if row.price else None), row.symbol),
    "change": lambda row: (_number_or_last(row.price.change if row.price else None), row.symbol),
    "percent": lambda row: (_number_or_last(row.price.change_percent if row.price else None), row.symbol),
    "age": lambda row: (_number_or_last(_time_of(row)), row.symbol),
}
# Numbers are looked at from the top, names from A.
_DESCENDING = frozenset({"price", "change", "percent", "age"})


class BoardView:
    """The board's state. `put` prices, `show` symbols, `order_by`, `scroll`; `lines` draws what can be seen.

    Prices of symbols that are not shown are kept as well: their sparkline is there when they are.
    """

    def __init__(self, title: str, *, hint: str = "", shows_holdings: bool = True) -> None:
        self._title = title
        self.hint = hint
        self._rows: dict[str, Row] = {}
        self._shown: tuple[str, ...] = ()
        self._order: str | None = None
        self._is_reversed = False
        self._top = 0
        self._visible = 1
        self._message = ""
        self._alerts = BoardAlerts()
        self._holdings = BoardHoldings()
        self._shows_holdings = shows_holdings
        self._widths: dict[str, int] = {}
        self.is_changed = False

    @property
    def symbols(self) -> tuple[str, ...]:
        """What is shown, as it was asked for."""
        return self._shown

    def show(self, symbols: Iterable[str]) -> None:
        """Show exactly these, in this order until another is asked for."""
        self._shown = tuple(dict.fromkeys(symbols))
        for symbol in self._shown:
            self._rows.setdefault(symbol, Row(symbol))
        self._top = 0
        self._widths.clear()
        self.is_changed = True

    def forget(self, symbols: Iterable[str]) -> None:
        """Take symbols that the server has dropped off the board."""
        gone = set(symbols)
        self._shown = tuple(symbol for symbol in self._shown if symbol not in gone)
        for symbol in gone:
            self._rows.pop(symbol, None)
        self.is_changed = True

    def put(self, price: Price) -> None:
        """Take the newest price of its symbol."""
        row = self._rows.setdefault(price.symbol, Row(price.symbol))
        if row.trail and price.price != row.trail[-1]:
            row.last_move = 1 if price.price > row.trail[-1] else -1
        if row.price is None or price.seq != row.price.seq:
            row.trail.append(price.price)
        if row.course is not None and row.course.prices:
            row.course.put(price)
        row.price = price
        row.extended = _extended_after(price, row.extended)
        self._holdings.put(price)
        if price.symbol in self._shown:
            self.is_changed = True

    def wanted_courses(self) -> tuple[str, ...]:
        """Those of the visible symbols that have a price, but whose course of the day is not known."""
        return tuple(row.symbol for row in self._visible_rows() if row.price is not None and row.course is None)

    def put_course(self, symbol: str, bars: Iterable[Bar]) -> None:
        """Take the bars of a symbol's day, which its prices carry on; none where nobody has any."""
        row = self._rows.get(symbol)
        if row is None:
            return
        row.course = Course(bars)
        if row.price is not None and row.course.prices:
            row.course.put(row.price)
        self.is_changed = True

    def say(self, text: str) -> None:
        """Show a message below the rows, until the next one."""
        self._message = clean_text(text, 500)
        self.is_changed = True

    def alert(self, symbols: Iterable[str], text: str, now_ms: int) -> None:
        """Flash the rows of the symbols, and show the sentence until it is read or another one comes."""
        self._alerts.put(symbols, text, now_ms)
        self.is_changed = True

    def read_alerts(self) -> None:
        """Take the sentences and the marks of alerts off the board."""
        self._alerts.read()

    @property
    def shows_holdings(self) -> bool:
        """Whether holdings are to be shown, where there are any."""
        return self._shows_holdings

    def toggle_holdings(self) -> None:
        """Show the holdings, or hide them."""
        self._shows_holdings = not self._shows_holdings
        self._widths.clear()
        self.is_changed = True

    def put_holdings(self, reply: HoldingsReply) -> None:
        """Take the holdings, which prices carry on."""
        self._holdings.take(reply, [row.price for row in self._rows.values() if row.price is not None])
        self.is_changed = True

    def order_by(self, order: str) -> None:
        """Sort by one of `ORDERS`; the same once more turns it round."""
        self._is_reversed = not self._is_reversed if order == self._order else False
        self._order = order
        self._top = 0

    def reverse(self) -> None:
        """Turn the order round."""
        self._is_reversed = not self._is_reversed

    def scroll(self, rows: int) -> None:
        """Move down by `rows`, up where it is negative."""
        self._top = max(0, min(self._top + rows, len(self._shown) - self._visible))

    def scroll_page(self, pages: int) -> None:
        """Move down by as many pages."""
        self.scroll(pages * max(1, self._visible))

    def lines(self, width: int, height: int, now_ms: int) -> list[Line]:
        """Exactly `height` lines of exactly `width` cells; only the rows that fit are drawn."""
        columns = self._columns(width, now_ms)
        hint_lines = [part for line in self.hint.splitlines() for part in wrap(line, max(20, width))]
        hints: list[Line] = [[("class:hint", set_cell_size(text, width))] for text in hint_lines]
        head: list[Line] = [self._head(width, now_ms), *hints, self._headings(columns, width)]
        told = self._alerts.lines(width)
        first = f"{'enter read  ' if told else ''}{'h holdings  ' if self._holdings.are_any else ''}"
        keys = first + (_KEYS if width >= len(first) + len(_KEYS) else _KEYS_SHORT)
        foot: list[Line] = [
            *self._totals(width),
            *([("class:alert-told", _cut(line, width))] for line in told),
            [("class:message", _cut(self._message, width))],
            [("class:keys", _cut(keys, width))],
        ]
        self._visible = max(1, height - len(head) - len(foot))
        self.scroll(0)
        body: list[Line] = [self._row(row, columns, width, now_ms) for row in self._visible_rows()]
        body += [[("", " " * width)] for _ in range(self._visible - len(body))]
        return [*head, *body, *foot][:height]

    def _totals(self, width: int) -> list[Line]:
        """The total of the holdings, and what is in none."""
        if not (self._shows_holdings and self._holdings.are_any):
            return []
        lines = [self._holdings.total(width)]
        if left_out := self._holdings.left_out():
            lines.append([("class:stale", left_out)])
        return [_cut_line(line, width) for line in lines]

    def _visible_rows(self) -> Sequence[Row]:
        return self._ordered()[self._top : self._top + self._visible]

    def _ordered(self) -> Sequence[Row]:
        rows = [self._rows[symbol] for symbol in self._shown]
        if self._order is None:
            return rows[::-1] if self._is_reversed else rows
        descending = (self._order in _DESCENDING) is not self._is_reversed
        return sorted(rows, key=ORDERS[self._order], reverse=descending)

    def _head(self, width: int, now_ms: int) -> Line:
        left = f" StockTrack  {clean_text(self._title, 200)}"
        order = "" if self._order is None else f" by {self._order}{' reversed' if self._is_reversed else ''}"
        first, count = self._top + 1, len(self._shown)
        extent = (
            f"{count} symbols"
            if count <= self._visible
            else f"{first}-{min(count, first + self._visible - 1)} of {count}"
        )
        right = f"{extent}{order} "
        space = width - cell_len(left) - cell_len(right)
        text = f"{left}{' ' * space}{right}" if space >= 1 else left
        return [("class:head", _cut(text, width))]

    def _headings(self, columns: Sequence[Column], width: int) -> Line:
        parts = [
            column.heading.rjust(column.width) if column.is_right else column.heading.ljust(column.width)
            for column in columns
        ]
        return [("class:headings", _cut((" " * _GAP).join(parts), width))]

    def _columns(self, width: int, now_ms: int) -> list[Column]:
        """Symbol, price and percent always; the others by their worth, and the sparkline takes what is left.

        A price before or after the regular hours is worth the most, and is there as a whole or not at all.
        """
        rows = [self._rows[symbol] for symbol in self._shown]

        def widest(name: str, least: int, most: int, text: Callable[[Row], str]) -> int:
            # It only grows: columns that dance with every price can't be read.
            now = max((cell_len(text(row)) for row in rows), default=0)
            self._widths[name] = max(self._widths.get(name, least), min(now, most))
            return self._widths[name]

        def of_price(text: Callable[[Price], str]) -> Callable[[Row], str]:
            return lambda row: text(row.price) if row.price is not None else ""

        symbol = Column(
            "Symbol", widest("symbol", 6, MAX_SYMBOL_CELLS, lambda row: row.symbol) + 1, self._symbol_cell, False
        )
        price = Column("Price", widest("price", 7, 16, of_price(_price_text)), _price_cell)
        percent = Column(
            "%", widest("percent", 7, 10, of_price(lambda p: percent_text(p.change_percent))), _percent_cell
        )
        change = Column("Change", widest("change", 7, 14, of_price(change_text)), _change_cell)
        currency = Column("Cur", 4, _currency_cell, False)
        market = Column("Market", widest("market", 7, 16, of_price(state_text)), _market_cell, False)
        age = Column("Age", 4, lambda row, _: (age_text(_time_of(row), now_ms), "class:dim"))
        extended = Column("Extended", widest("extended", 8, MAX_EXTENDED_CELLS, _extended_text), _extended_cell, False)
        held = self._holdings.columns(rows) if self._shows_holdings else []
        held = [replace(column, width=widest(column.heading, column.width, column.width, _nothing)) for column in held]
        left = width - sum(column.width + _GAP for column in (symbol, price, percent)) + _GAP
        chosen: set[str] = set()
        if any(row.extended for row in rows) and extended.width + _GAP <= left:
            chosen.add(extended.heading)
            left -= extended.width + _GAP
        # What is held is worth more than the course of the day, and how much of it there is is not.
        first, then = [age, *held[:_FIRST_HELD]], held[_FIRST_HELD:]
        for column in (*first, change, *then, market, currency):
            if column.width + _GAP <= left - (MIN_TRAIL_CELLS + _GAP if column not in first else 0):
                chosen.add(column.heading)
                left -= column.width + _GAP
        trail_width = left - _GAP
        is_of_the_day = any(row.course is not None and row.course.prices for row in rows)
        heading = "Day" if is_of_the_day else "Since start" if trail_width >= len("Since start") else "Start"
        trail = Column(heading, trail_width, _trail_cell, False)
        in_order = sorted(held, key=lambda column: _HELD_ORDER.index(column.heading))
        wanted = [symbol, price, currency, change, percent, extended, *in_order, trail, market, age]
        if trail_width >= len("Start"):
            chosen.add(heading)
        chosen |= {column.heading for column in (symbol, price, percent)}
        return [column for column in wanted if column.heading in chosen]

    def _symbol_cell(self, row: Row, _: int) -> tuple[str, str]:
        is_stale = row.price is not None and row.price.stale
        mark = "!" if is_stale else MARK if self._alerts.is_marked(row.symbol) else ""
        return f"{safe_symbol(row.symbol)}{mark}", "class:stale" if is_stale else "class:symbol"

    def _row(self, row: Row, columns: Sequence[Column], width: int, now_ms: int) -> Line:
        line: Line = []
        lit = "class:alert " if self._alerts.is_lit(row.symbol, now_ms) else ""
        for index, column in enumerate(columns):
            text, style = column.cell(row, column.width)
            if index:
                line.append((lit, " " * _GAP))
            padded = _cut(text, column.width)
            if column.is_right and cell_len(text) < column.width:
                padded = " " * (column.width - cell_len(text)) + text
            line.append((f"{lit}{style}", padded))
        used = sum(cell_len(text) for _, text in line)
        line.append((lit, " " * max(0, width - used)))
        return line


def _cut(text: str, cells: int) -> str:
    """`text` in exactly so many cells, with an ellipsis where something is cut off."""
    if cell_len(text) <= cells:
        return set_cell_size(text, cells)
    return set_cell_size(set_cell_size(text, cells - 1).rstrip() + "…", cells) if cells > 0 else ""


def _cut_line(line: Line, cells: int) -> Line:
    """A line of several parts in exactly so many cells."""
    cut: Line = []
    for style, text in line:
        left = cells - sum(cell_len(part) for _, part in cut)
        cut.append((style, text if cell_len(text) <= left else _cut(text, left)))
    used = sum(cell_len(part) for _, part in cut)
    return [*cut, ("", " " * max(0, cells - used))]


def _nothing(_: Row) -> str:
    return ""


def _time_of(row: Row) -> int | None:
    return row.price.timestamp if row.price is not None else None


def _price_cell(row: Row, _: int) -> tuple[str, str]:
    if row.price is None:
        return "…", "class:dim"
    style = "class:dim" if row.price.stale else {1: "class:up", -1: "class:down"}.get(row.last_move, "")
    return _price_text(row.price), style


def _price_text(price: Price) -> str:
    return price_text(price.price, shown_digits(price))


def _extended_after(price: Price, before: Extended | None) -> Extended | None:
    """What to show outside the hours after a push: at night, when pushes say nothing of it, the last one stands."""
    extended = extended_of(price)
    if extended is not None or before is None or price.market_state not in _QUIET:
        return extended
    is_older = before.at is not None and price.timestamp is not None and before.at < price.timestamp
    return None if is_older else before


def _extended_text(row: Row) -> str:
    return row.extended.text if row.extended is not None else ""


def _extended_cell(row: Row, cells: int) -> tuple[str, str]:
    text = _extended_text(row)
    style = f"class:{row.extended.tone}" if row.extended is not None and row.extended.tone else ""
    return (text, style) if cell_len(text) <= cells else ("", "")


def _change_cell(row: Row, _: int) -> tuple[str, str]:
    return (change_text(row.price), _tone(row.price)) if row.price is not None else ("", "")


def _percent_cell(row: Row, _: int) -> tuple[str, str]:
    return (percent_text(row.price.change_percent), _tone(row.price)) if row.price is not None else ("", "")


def _currency_cell(row: Row, _: int) -> tuple[str, str]:
    return (safe(row.price.currency, 8) if row.price is not None else "", "class:dim")


def _market_cell(row: Row, _: int) -> tuple[str, str]:
    if row.price is None:
        return "waiting", "class:dim"
    return state_text(row.price), "class:stale" if row.price.stale else "class:dim"


def _trail_cell(row: Row, cells: int) -> tuple[str, str]:
    if row.course is not None and (prices := row.course.prices):
        return sparkline(prices, cells), (_tone(row.price) if row.price is not None else "") or "class:dim"
    rises = len(row.trail) > 1 and row.trail[-1] != row.trail[0]
    style = ("class:up" if row.trail[-1] > row.trail[0] else "class:down") if rises else "class:dim"
    return sparkline(row.trail, cells), style


def _tone(price: Price) -> str:
    tone = tone_of(price)
    return f"class:{tone}" if tone else ""
