"""The live board as text: its lines in a given size, what stands above and below the rows, and its columns; no I/O."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from stocktrack.bars import Bar
from stocktrack.client import State, StateChange
from stocktrack.messages import BoardQuote, HoldingsReply, Price
from stocktrack.quotes import clean_text
from stocktrack.terminal.board_alerts import BoardAlerts
from stocktrack.terminal.board_cells import Line, cut_line
from stocktrack.terminal.board_choice import HELD
from stocktrack.terminal.board_columns import GAP
from stocktrack.terminal.board_detail import BoardDetail
from stocktrack.terminal.board_head import BoardHead
from stocktrack.terminal.board_holdings import BoardHoldings
from stocktrack.terminal.board_keys import (
    KeysThere,
    chooser_keys_line,
    detail_keys_line,
    keys_line,
    keys_page,
    sort_keys_line,
)
from stocktrack.terminal.board_rows import BoardRows
from stocktrack.terminal.board_table import BoardTable
from stocktrack.terminal.cells import cut, filled, wrapped
from stocktrack.terminal.chart import Look
from stocktrack.terminal.column_chooser import ColumnChooser
from stocktrack.terminal.connection_report import troubles_of
from stocktrack.terminal.conversion import Conversion
from stocktrack.terminal.course import Course
from stocktrack.terminal.remembered import Remembered
from stocktrack.terminal.screen_settings import ScreenSettings
from stocktrack.terminal.symbol_picker import SymbolPicker
from stocktrack.terminal.tabs import Tabs, label_of

if TYPE_CHECKING:
    from stocktrack.terminal.text_page import TextPage

_MAX_MESSAGE_LINES = 2
# Above the list of columns stand so many rows, to see what one chooses.
_ROWS_OF_CHOOSER: Final = 3
# A terminal with fewer lines than this has room for the list alone.
_LEAST_WITH_CHOOSER: Final = 7
_WHEEL_ROWS: Final = 3
# What a key does takes so many cells beside it.
_LEAST_TOLD: Final = 16
_USUAL = ScreenSettings()


@dataclass(slots=True)
class _Places:
    """Where the last drawing has its headings and its rows, for who points at them."""

    headings: int | None = None
    rows: int | None = None
    symbols: tuple[str, ...] = ()  # of the rows: by the next drawing others may stand there
    chooser: int | None = None


class BoardView:
    """The board's state. `show` symbols, `put` prices; `rows` sorts, filters and scrolls; `lines` draws what is seen.

    `leaving` is what its q does: back to the prompt, or quit. `look` is what charts are drawn with, but their size.
    `settings` are what the person wants of it, and what they choose by keys is `remembered`.
    """

    def __init__(
        self,
        title: str,
        *,
        hint: str = "",
        settings: ScreenSettings = _USUAL,
        remembered: Remembered | None = None,
        leaving: str = "back",
        look: Look | None = None,
    ) -> None:
        self._look = look
        self.hint = hint
        self.tabs = Tabs()
        self.picker: SymbolPicker | None = None
        self.page: TextPage | None = None
        self.has_actions = False  # whether somebody does what its keys ask for: add, remove, another list
        self.takes_commands = False
        self.pause_seconds = 0.0  # between two drawings of prices at least; 0 while nothing is drawn
        self.is_awaited = False  # what there is to show was asked for
        self._leaving = leaving
        self._message = ""
        self._alerts = BoardAlerts()
        self._holdings = BoardHoldings()
        self._shows_holdings = settings.holdings
        self.has_mouse = settings.mouse
        self.conversion = None if settings.currency is None else Conversion(settings.currency)
        self.rows = BoardRows(self.conversion, held={name: self._holdings.figure(name) for name in HELD})
        self._head = BoardHead(title, self.rows, self.tabs)
        self._table = BoardTable(self.rows, self._holdings, self._alerts, self.conversion)
        self._remembered = remembered or Remembered(None)
        self._table.columns.chosen = settings.columns or self._remembered.columns
        self.rows.order = settings.order or self._remembered.order or self.rows.order
        self._places = _Places()
        self._lost_at_ms: int | None = None
        self.is_changed = False
        self.shows_keys = False
        self._keys_top = 0
        self._keys_page_rows = 1
        self.is_finding = False  # what is typed is what to find
        self.is_sorting = False  # the next key says what to sort by
        self.chooser: ColumnChooser | None = None
        self.detail: BoardDetail | None = None

    @property
    def currency(self) -> str | None:
        """The currency that all money is shown in; None: each in its own."""
        return None if self.conversion is None else self.conversion.target

    @property
    def symbols(self) -> tuple[str, ...]:
        """What is shown, as it was asked for."""
        return self.rows.symbols

    def show(self, symbols: Iterable[str], troubles: Mapping[str, str] | None = None) -> None:
        """Show exactly these, in this order until another is asked for; `troubles` say why no price comes of some."""
        self.rows.show(symbols, troubles or {})
        self._table.restart()
        self.is_changed = True

    def change(self, symbols: Iterable[str], troubles: Mapping[str, str] | None = None) -> None:
        """Show these from now on, but leave what is selected, found and scrolled to, and open if it is there still."""
        self.rows.change(symbols, troubles or {})
        if self.detail is not None and not self.rows.is_shown(self.detail.symbol):
            self.detail = None
        self._table.restart()
        self.is_changed = True

    def refuse(self, troubles: Mapping[str, str]) -> None:
        """Say in the rows of some symbols why no price of them comes, or comes any more."""
        self.rows.refuse(troubles)
        self._table.touch(*(row for symbol in troubles if (row := self.rows.row(symbol)) is not None))
        self.is_changed = True

    def take_state(self, change: StateChange, now_ms: int) -> None:
        """Show whether anything is live: of a lost connection nothing is."""
        if change.state is State.CONNECTED:
            self._lost_at_ms = None
            self.refuse(troubles_of(change.missing))
        elif self._lost_at_ms is None:
            self._lost_at_ms = now_ms
        self.is_changed = True

    def without_rates(self, change: StateChange) -> StateChange:
        """The change as a person is told of it: pairs that are pushed for the sake of rates nobody asked for."""
        beside = frozenset() if self.conversion is None else self.conversion.beside
        if not beside:
            return change
        subscribed = tuple(symbol for symbol in change.subscribed if symbol not in beside)
        missing = tuple(each for each in change.missing if each.symbol not in beside)
        return replace(change, subscribed=subscribed, missing=missing)

    def put(self, price: Price) -> None:
        """Take the newest price of its symbol."""
        row = self.rows.put(price)
        self._holdings.put(price)
        if self.conversion is not None and self.conversion.put(price):
            self.is_changed = True
        if self.rows.is_shown(price.symbol):
            if self.conversion is not None:
                self.conversion.want(price.currency)
            self._table.touch(row)
            self.is_changed = True

    def wanted_courses(self) -> tuple[str, ...]:
        """Those of the visible symbols that have a price, but whose course of the day is not known."""
        return tuple(row.symbol for row in self.rows.visible() if row.price is not None and row.course is None)

    def put_course(self, symbol: str, bars: Iterable[Bar]) -> None:
        """Take the bars of a symbol's day, which its prices carry on; none where nobody has any."""
        row = self.rows.row(symbol)
        if row is None:
            return
        row.put_course(Course(bars))
        self._table.touch(row)
        self.is_changed = True

    def wanted_quotes(self) -> tuple[str, ...]:
        """The symbols with a price of which something is looked at that only a quote tells: names, the day, the year.

        Where a column shows it these are the ones in sight, and while something is to be found, all: it may be a name.
        """
        if self.is_finding or self.rows.found:
            return tuple(row.symbol for row in self.rows.all if row.price is not None)
        if not self._table.layout.needs_quotes:
            return ()
        return tuple(row.symbol for row in self.rows.visible() if row.price is not None)

    def put_quotes(self, quotes: Iterable[BoardQuote]) -> None:
        """Take what pushes do not tell: names, and the day and the year of prices."""
        for quote in quotes:
            if (row := self.rows.row(quote.symbol)) is not None and row.price is not None:
                row.put_quote(quote)
                self._table.touch(row)
        self.rows.rename()
        self.is_changed = True

    def say(self, text: str) -> None:
        """Show a message below the rows, until the next one."""
        self._message = clean_text(text, 500)
        self.is_changed = True

    def alert(self, symbols: Iterable[str], text: str, now_ms: int) -> None:
        """Flash the rows of the symbols, and show the sentence until it is read or another one comes."""
        self._alerts.put(symbols, text, now_ms)
        self.is_changed = True

    @property
    def has_alerts(self) -> bool:
        """Whether there is something of alerts to read."""
        return self._alerts.are_any

    def read_alerts(self) -> None:
        """Take the sentences and the marks of alerts off the board."""
        self._alerts.read()

    @property
    def shows_holdings(self) -> bool:
        """Whether holdings are to be shown, where there are any."""
        return self._shows_holdings

    def toggle_holdings(self) -> None:
        """Show the holdings among the rows, or hide them."""
        if not self.is_covered:
            self._shows_holdings = not self._shows_holdings
            self.is_changed = True

    def toggle_keys(self) -> None:
        """Show the page of the keys, or again what is below it."""
        self.shows_keys, self._keys_top = not self.shows_keys, 0

    @property
    def is_text_read(self) -> bool:
        """Whether a text lies over all else: the keys, or what a command answered."""
        return self.shows_keys or self.page is not None

    def enter(self) -> None:
        """Leave a text, take off what an alert told, or open the detail of the selected row, or the first in sight."""
        if self.is_text_read:
            self.close_one()
            return
        if self.has_alerts:
            self.read_alerts()
            return
        if self.rows.selected is None:
            self.rows.select(1)
        self._open_detail()

    def select(self, rows: int) -> None:
        """Select the row so many below; an open detail goes with it, and a text is scrolled."""
        if self.shows_keys:
            self._keys_top += rows
            return
        if self.page is not None:
            self.page.scroll(rows)
            return
        self.rows.select(rows)
        if self.detail is not None:
            self._open_detail()

    def scroll_page(self, pages: int) -> None:
        """Move down by as many pages, in what lies over the board where something does."""
        if self.shows_keys:
            self._keys_top += pages * self._keys_page_rows
        elif self.page is not None:
            self.page.scroll_page(pages)
        elif self.detail is not None:
            self.detail.scroll(pages)
        else:
            self.rows.scroll_page(pages)

    def turn_range(self, by: int) -> None:
        """Have the chart of an open detail go back further, or less far."""
        if self.detail is not None and not self.is_text_read:
            self.detail.turn_range(by)

    def scroll_rows(self, rows: int) -> None:
        """Move down by so many rows, or lines of what lies over them, or choices of an open list."""
        if self.picker is not None:
            self.picker.select(1 if rows > 0 else -1)
        elif self.chooser is not None:
            self.chooser.move(1 if rows > 0 else -1)
        elif self.shows_keys:
            self._keys_top += rows
        elif self.page is not None:
            self.page.scroll(rows)
        elif self.detail is not None:
            self.detail.scroll_lines(rows)
        else:
            self.rows.scroll(rows)

    def order_by(self, order: str) -> None:
        """Sort the rows, and remember it; the same once more turns it round."""
        self.is_sorting = False
        self.rows.order_by(order)
        self._remembered.put_order(self.rows.order)

    def reverse(self) -> None:
        """Turn the order of the rows round where they are seen, and remember it."""
        self.is_sorting = False
        if not self.is_covered:
            self.rows.reverse()
            self._remembered.put_order(self.rows.order)

    def begin_choosing(self) -> None:
        """Open the list of columns; in a detail the key is that of candles."""
        if self.is_text_read:
            return
        if self.detail is not None:
            self.detail.toggle_candles()
        elif not self.is_covered:
            self.chooser = ColumnChooser(self._table.columns.chosen, self._table.layout.names)

    def end_choosing(self) -> None:
        """Close the list of columns, and remember what was chosen."""
        if self.chooser is not None and self.chooser.is_changed:
            self._table.columns.chosen = self.chooser.chosen
            self._remembered.put_columns(self._table.columns.chosen)
        self.chooser = None

    def click(self, x: int, y: int) -> None:
        """Sort by the heading in that place, or select the row there, or open the one that is selected."""
        places = self._places
        if self.chooser is not None:
            if places.chooser is not None and y >= places.chooser and self.chooser.go_to(y - places.chooser):
                self.chooser.toggle()
        elif self.picker is None and not self.is_text_read and self.detail is not None:
            self.detail.click(x, y - 1)
        elif self.is_covered:
            return
        elif y == places.headings:
            if order := self._table.order_at(x):
                self.order_by(order)
        elif places.rows is not None and 0 <= y - places.rows < len(places.symbols):
            self.is_sorting = False
            symbol = places.symbols[y - places.rows]
            if symbol == self.rows.selected:
                self._open_detail()
            self.rows.selected = symbol

    def pick(self, y: int) -> str | None:
        """Choose what stands in that line of the open picker; the symbol, where it was chosen already."""
        picker = self.picker
        return picker.chosen if picker is not None and picker.choose_at(y - 1) else None

    def turn_at(self, x: int, y: int) -> int | None:
        """How many tabs further the one is that stands in that place; None where there is none."""
        return self._head.turn_at(x) if y == 0 else None

    def wheel(self, notches: int) -> None:
        """Scroll by the wheel of a mouse, down where it is positive."""
        self.scroll_rows(notches * _WHEEL_ROWS)

    def _open_detail(self) -> None:
        row = None if self.rows.selected is None else self.rows.row(self.rows.selected)
        if row is None:
            return
        if row.trouble:
            self.detail = None
            self.say(f"{row.symbol}: {row.trouble.rstrip('.')}.")
        elif self.detail is None or self.detail.symbol != row.symbol:
            self.detail = BoardDetail(row, self.detail, look=self._look)
            if self._lost_at_ms is None:
                self._message = ""  # what was said before is not about it

    def begin_finding(self) -> None:
        """Have what is typed from now on be what to find, anew."""
        self.uncover()
        self.is_finding, self.rows.found = True, ""

    def begin_adding(self) -> None:
        """Have what is typed from now on be a symbol, or a part of a name, to add to what is shown."""
        self.shows_keys, self.detail, self.page = False, None, None
        self.picker = SymbolPicker(label_of(self.tabs.current))

    def open_page(self, page: "TextPage") -> None:
        """Lay a page over the board; what was said before is not about it."""
        self.page, self.shows_keys = page, False
        if self._lost_at_ms is None:
            self._message = ""
        self.is_changed = True

    def uncover(self) -> None:
        """Leave all that lies over the rows."""
        self.shows_keys, self.detail, self.page, self.picker = False, None, None, None
        self.is_sorting = self.is_finding = False
        self.end_choosing()
        self.is_changed = True

    @property
    def is_covered(self) -> bool:
        """Whether something lies over the rows."""
        return self.shows_keys or any(each is not None for each in (self.detail, self.page, self.picker))

    def close_one(self) -> bool:
        """Leave what lies over the board, or what was found; False where there is nothing but the board."""
        if self.is_sorting:
            self.is_sorting = False
        elif self.chooser is not None:
            self.end_choosing()
        elif self.picker is not None:
            self.picker = None
        elif self.shows_keys:
            self.shows_keys = False
        elif self.page is not None:
            self.page = None
        elif self.detail is not None:
            self.detail = None
        elif self.is_finding or self.rows.found:
            self.is_finding, self.rows.found = False, ""
        else:
            return False
        return True

    def put_holdings(self, reply: HoldingsReply) -> None:
        """Take the holdings, which prices carry on."""
        self._holdings.take(reply, self.rows.prices)
        self.rows.move()
        self.is_changed = True

    def lines(self, width: int, height: int, now_ms: int) -> list[Line]:
        """Exactly `height` lines of exactly `width` cells; only the rows that fit are drawn."""
        if self.picker is not None:
            return [self._head_line(width, now_ms), *self.picker.lines(width, height - 1)][:height]
        if self.shows_keys:
            return [self._head_line(width, now_ms), *self._keys_lines(width, height - 1)][:height]
        if self.page is not None:
            return self._page_lines(self.page, width, height, now_ms)
        if self.detail is not None:
            return self._detail_lines(self.detail, width, height, now_ms)
        if self.chooser is not None:
            return self._chooser_lines(self.chooser, width, height, now_ms)
        self._begin_table(width, now_ms)
        hint_lines = [part for line in self.hint.splitlines() for part in wrapped(line, max(20, width))]
        hints: list[Line] = [[("class:hint", filled(text, width))] for text in hint_lines]
        told = self._alerts.lines(width)
        message = self._message_lines(width) or [""]
        foot: list[Line] = [
            *self._totals(width),
            *self._table.left_in_their_own(width, now_ms),
            *([("class:alert-told", cut(line, width))] for line in told),
            *([("class:message", cut(line, width))] for line in message),
            self._last_line(width, reads=bool(told)),
        ]
        self.rows.in_sight = max(1, height - 2 - len(hints) - len(foot))
        self.rows.scroll(0)
        head: list[Line] = [self._head_line(width, now_ms), *hints, self._table.headings()]
        symbols = tuple(row.symbol for row in self.rows.visible())
        self._places = _Places(headings=len(head) - 1, rows=len(head), symbols=symbols)
        body = self._table.body(now_ms)
        if not self.rows.symbols and self.has_actions:
            body = [[("class:dim", cut(self._emptiness, width))]]
        body += [[("", " " * width)] for _ in range(self.rows.in_sight - len(body))]
        return [*head, *body, *foot][:height]

    def _head_line(self, width: int, now_ms: int) -> Line:
        return self._head.line(width, None if self._lost_at_ms is None else now_ms - self._lost_at_ms)

    def _message_lines(self, width: int) -> list[str]:
        return wrapped(self._message, max(20, width), max_lines=_MAX_MESSAGE_LINES)

    def _page_lines(self, page: "TextPage", width: int, height: int, now_ms: int) -> list[Line]:
        told = self._told_lines(width)
        *body, keys = page.lines(width, max(2, height - 1 - len(told)))
        return [self._head_line(width, now_ms), *body, *told, keys][-height:]

    def _told_lines(self, width: int) -> list[Line]:
        """What alerts told and the message, below what lies over the rows."""
        return [
            *([("class:alert-told", cut(line, width))] for line in self._alerts.lines(width)),
            *([("class:message", cut(line, width))] for line in self._message_lines(width)),
        ]

    def _detail_lines(self, detail: BoardDetail, width: int, height: int, now_ms: int) -> list[Line]:
        foot: list[Line] = [*self._told_lines(width), [("class:keys", cut(detail_keys_line(width), width))]]
        body = detail.lines(width, max(1, height - 1 - len(foot)), now_ms)
        return [self._head_line(width, now_ms), *body, *foot][:height]

    def _begin_table(self, width: int, now_ms: int) -> None:
        self._table.is_lost, self._table.shows_holdings = self._lost_at_ms is not None, self._shows_holdings
        self._table.lay_out(width, now_ms)

    def _chooser_lines(self, chooser: ColumnChooser, width: int, height: int, now_ms: int) -> list[Line]:
        """The list of columns, and above it a few rows as they are with them."""
        if chooser.chosen != self._table.columns.chosen:
            self._table.columns.chosen = chooser.chosen
        self._begin_table(width, now_ms)
        chooser.put_there(self._table.layout.names)
        above = [self._head_line(width, now_ms), self._table.headings()]
        rows = max(0, min(_ROWS_OF_CHOOSER, height - len(above) - 8))
        above += [self._table.row(row, now_ms) for row in self.rows.visible()[:rows]]
        above.append(cut_line([], width))
        if height < _LEAST_WITH_CHOOSER:
            above = above[:1] if height > 2 else []
        self._places = _Places(chooser=len(above))
        body = chooser.lines(width, max(0, height - 1 - len(above)), self._table.available)
        return [*above, *body, [("class:keys", cut(chooser_keys_line(width), width))]][:height]

    @property
    def _emptiness(self) -> str:
        of_list = self.tabs.current
        if self.is_awaited:
            return f"Asking for {label_of(of_list)}…"
        what = "Nothing is shown" if of_list is None else f"{label_of(of_list)} is empty"
        return f"{what}: a adds a stock."

    def _keys_lines(self, width: int, height: int) -> list[Line]:
        lines = self._keys_page(width)
        room = self._keys_page_rows = max(1, height - 1)
        self._keys_top = max(0, min(self._keys_top, len(lines) - room))
        shown = lines[self._keys_top : self._keys_top + room]
        shown += [[("", " " * width)] for _ in range(room - len(shown))]
        more = "  ↑↓ pgdn more" if len(lines) > room else ""
        return [*shown, [("class:keys", cut(f"q back{more}", width))]]

    def _keys_page(self, width: int) -> list[Line]:
        keys = keys_page(self._keys_there)
        first = max(len(key) for key, _ in keys) + GAP
        lines: list[Line] = []
        if width - first < _LEAST_TOLD:  # then what a key does stands below it
            for key, told in keys:
                lines.append(cut_line([("class:symbol", key)], width))
                lines += [cut_line([("", " " * GAP + part)], width) for part in wrapped(told, max(8, width - GAP))]
            return lines
        for key, told in keys:
            for index, part in enumerate(wrapped(told, width - first)):
                named = key if index == 0 else ""
                lines.append(cut_line([("class:symbol", f"{named:<{first}}"), ("", part)], width))
        return lines

    @property
    def _keys_there(self) -> KeysThere:
        return KeysThere(
            self._leaving,
            acts=self.has_actions,
            commands=self.takes_commands,
            holdings=self._holdings.are_any,
            mouse=self.has_mouse,
        )

    def _last_line(self, width: int, *, reads: bool) -> Line:
        if self.is_finding:
            typed = f"/{self.rows.found}▁"
            return [("class:symbol", typed), ("class:keys", cut("  enter keep  esc all rows", width - len(typed)))]
        if self.is_sorting:
            return [("class:symbol", cut(sort_keys_line(width), width))]
        keys = keys_line(width, self._keys_there, reads=reads, finds=bool(self.rows.found))
        return [("class:keys", cut(keys, width))]

    def _totals(self, width: int) -> list[Line]:
        """The total of the holdings, and what is in none; of a lost connection it is as old as the rows."""
        if not (self._shows_holdings and self._holdings.are_any):
            return []
        if self._lost_at_ms is None:
            lines = [cut_line(self._holdings.total(width), width)]
        else:
            old = self._holdings.total(width - 2)
            lines = [cut_line([("class:dim", "! "), *(("class:dim", text) for _, text in old)], width)]
        if left_out := self._holdings.left_out():
            lines.append(cut_line([("class:stale", left_out)], width))
        return lines
