"""The table of the live board: its headings and its rows as lines, each drawn again only when it changed; no I/O."""

from collections.abc import Sequence
from typing import Final

from stocktrack.terminal.board_alerts import MARK, BoardAlerts
from stocktrack.terminal.board_cells import Cell, Line, cut_line, market_cell
from stocktrack.terminal.board_columns import BoardColumns, Layout
from stocktrack.terminal.board_holdings import BoardHoldings
from stocktrack.terminal.board_row import Column, Row
from stocktrack.terminal.board_rows import BoardRows
from stocktrack.terminal.cells import cells_of, cut, wrapped
from stocktrack.terminal.conversion import Conversion
from stocktrack.terminal.text import age_text, safe_symbol

SELECTED: Final = "▸ "
_MOST_LEFT_NAMED: Final = 6
_MOST_LEFT_LINES: Final = 2


class BoardTable:
    """Draws `rows`: `lay_out` says which columns a screen has, then `headings`, `body` and `row` are lines of it.

    Its owner says whether the connection `is_lost`, and whether it `shows_holdings`.
    """

    def __init__(
        self, rows: BoardRows, holdings: BoardHoldings, alerts: BoardAlerts, conversion: Conversion | None
    ) -> None:
        self._rows = rows
        self._holdings = holdings
        self._alerts = alerts
        self._conversion = conversion
        unit = "" if conversion is None else conversion.target
        self.columns = BoardColumns(self._symbol_cell, self._market_cell, unit=unit)
        self.layout = Layout(())
        self.is_lost = False
        self.shows_holdings = True
        self._width = 0
        self._shown: frozenset[str] = frozenset()
        self._drawn: dict[str, tuple[object, Line]] = {}  # the rows as they were drawn last, and what they were made of
        self._drawn_by: tuple[object, ...] = ()
        self._rates_version = -1
        self._converted: frozenset[str | None] = frozenset()  # the currencies of which there is a rate

    def restart(self) -> None:
        """Other rows are shown: measure them, and forget the others."""
        self._shown = frozenset(self._rows.symbols)
        self._drawn.clear()
        self.columns.restart(self._rows.all)

    def touch(self, *rows: Row) -> None:
        """Something changed of these rows."""
        self.columns.touch(*(row for row in rows if row.symbol in self._shown))

    def lay_out(self, width: int, now_ms: int) -> None:
        """Say which columns there are on a screen of `width` cells."""
        self._take_rates()
        self.columns.now_ms = now_ms
        order = self._rows.order.name
        self.layout = self.columns.layout(
            width,
            held=self._held,
            order=order,
            is_rising=self._rows.is_rising,
            first=self._first,
            in_sight=self._rows.visible(),
        )
        self._width = width
        if self._drawn_by != (self.layout, width):
            self._drawn.clear()
            self._drawn_by = self.layout, width

    @property
    def available(self) -> frozenset[str]:
        """The columns that have something to show, whether there is room for them or not."""
        return self.columns.available(self._held)

    def order_at(self, x: int) -> str:
        """The order that a click on the headings asks for; empty where there is none."""
        return self.layout.order_at(x, self._first)

    def headings(self) -> Line:
        """The headings."""
        parts = [
            column.heading.rjust(column.width) if column.is_right else column.heading.ljust(column.width)
            for _, column in self.layout.columns
        ]
        return [("class:headings", cut(" " * self._first + (" " * self.layout.gap).join(parts), self._width))]

    def body(self, now_ms: int) -> list[Line]:
        """The rows in sight, or why there is none."""
        rows = self._rows.visible()
        if self._rows.found and not rows:
            return [[("class:dim", cut(f"Nothing here has {self._rows.found!r} in its symbol or name.", self._width))]]
        return [self.row(row, now_ms) for row in rows]

    def row(self, row: Row, now_ms: int) -> Line:
        """A row; what did not change since it was drawn last is not made again."""
        is_selected = row.symbol == self._rows.selected
        tone = "class:alert " if self._alerts.is_lit(row.symbol, now_ms) else "class:selected " if is_selected else ""
        age = age_text(None if row.price is None else row.price.timestamp, now_ms)
        is_marked = self._alerts.is_marked(row.symbol)
        made_of = (row.version, row.figures, age, tone, is_selected, self.is_lost, is_marked)
        drawn = self._drawn.get(row.symbol)
        if drawn is None or drawn[0] != made_of:
            drawn = self._drawn[row.symbol] = (made_of, self._made_row(row, tone, is_selected=is_selected))
        return drawn[1]

    def left_in_their_own(self, width: int, now_ms: int) -> list[Line]:
        """What is not in the currency of the board, and why; nothing where nothing is."""
        conversion = self._conversion
        if conversion is None or conversion.is_complete:
            return []
        whys: dict[str | None, str] = {}
        left: list[str] = []
        for row in self._rows.all:
            if row.price is not None and row.is_left:
                currency = row.price.currency
                if currency not in whys:
                    whys[currency] = conversion.why_not(currency, now_ms)
                if why := whys[currency]:
                    left.append(f"{safe_symbol(row.symbol)} ({f'{currency}: {why}' if currency else why})")
        if not left:
            return []
        more = f" and {len(left) - _MOST_LEFT_NAMED} more" if len(left) > _MOST_LEFT_NAMED else ""
        text = f"Not in {conversion.target}: {', '.join(left[:_MOST_LEFT_NAMED])}{more}."
        lines = wrapped(text, max(20, width), max_lines=_MOST_LEFT_LINES)
        return [[("class:stale", cut(line, width))] for line in lines]

    def _made_row(self, row: Row, tone: str, *, is_selected: bool) -> Line:
        line: Line = []
        if self._first:
            line.append((f"{tone}class:symbol", SELECTED if is_selected else " " * len(SELECTED)))
        for index, (_, column) in enumerate(self.layout.columns):
            text, style = column.cell(row, column.width)
            if index:
                line.append((tone, " " * self.layout.gap))
            if index and row.trouble:
                line.append((f"{tone}class:stale", row.trouble))
                break
            padded = cut(text, column.width)
            if column.is_right and cells_of(text) < column.width:
                padded = " " * (column.width - cells_of(text)) + text
            line.append((f"{tone}{'class:dim' if self.is_lost else style}", padded))
        return cut_line(line, self._width, tone)

    def _take_rates(self) -> None:
        """Have all rows measured anew where another currency can be converted, or one no longer."""
        conversion = self._conversion
        if conversion is None or self._rates_version == conversion.version:
            return
        self._rates_version = conversion.version
        self._rows.move()
        if conversion.usable != self._converted:
            self._converted = conversion.usable
            self.columns.restart(self._rows.all)

    @property
    def _held(self) -> Sequence[Column]:
        return self._holdings.columns(self._shown) if self.shows_holdings else ()

    @property
    def _first(self) -> int:
        """The cell in which the columns begin: who never selects has the cells of the mark for prices."""
        return 0 if self._rows.selected is None else len(SELECTED)

    def _symbol_cell(self, row: Row, _: int) -> Cell:
        is_lost = self.is_lost and not row.trouble
        is_stale = is_lost or (row.price is not None and row.price.stale)
        mark = "!" if is_stale else MARK if self._alerts.is_marked(row.symbol) else ""
        return f"{safe_symbol(row.symbol)}{mark}", "class:stale" if is_stale else "class:symbol"

    def _market_cell(self, row: Row, cells: int) -> Cell:
        # Whether the market is open nobody knows here any more.
        return ("offline", "class:dim") if self.is_lost else market_cell(row, cells)
