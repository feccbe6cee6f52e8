"""The first line of the live board: its title, which rows are in sight, whether it is live, and its tabs; no I/O."""

from typing import Final

from stocktrack.quotes import clean_text
from stocktrack.terminal.board_cells import Line, cut_line
from stocktrack.terminal.board_columns import GAP
from stocktrack.terminal.board_rows import BoardRows
from stocktrack.terminal.cells import cells_of, cut
from stocktrack.terminal.tabs import Tabs

_BRAND: Final = " StockTrack  "
_TABS_PART: Final = 3


class BoardHead:
    """Draws the `title`, what is to be said of `rows`, and the `tabs` at the right."""

    def __init__(self, title: str, rows: BoardRows, tabs: Tabs) -> None:
        self._title = clean_text(title, 200)
        self._rows = rows
        self._tabs = tabs
        self._tabs_at = 0

    def line(self, width: int, lost_ms: int | None) -> Line:
        """It in exactly `width` cells; `lost_ms` is for how long there has been no connection, None while there is."""
        # What matters most stands where nothing cuts it off.
        brand = _BRAND if lost_ms is None else f" disconnected {_seconds_text(lost_ms)}  "
        style = "class:head" if lost_ms is None else "class:head-lost"
        whole_tabs = _cells(self._tabs.line(width))
        # Of many tabs a third of the line is enough: which rows of how many are seen is worth more.
        room = width - (min(whole_tabs, width // _TABS_PART) + GAP if whole_tabs else 0)
        # The order is in the headings, too.
        titled = brand + self._title
        named = (titled + self._extent + self._rows.order_words, titled + self._extent, titled)
        text = next((each for each in named if cells_of(each) <= room), named[-1])
        if lost_ms is None and cells_of(text) > room:
            text = f" {self._title}"
        text = text if cells_of(text) <= width else cut(text, width)
        tabs = self._tabs.line(width - cells_of(text) - GAP)
        self._tabs_at = width - _cells(tabs) - 1
        between: Line = [(style, " " * (self._tabs_at - cells_of(text)))] if tabs else []
        return cut_line([(style, text), *between, *((f"{style} {part}", label) for part, label in tabs)], width, style)

    def turn_at(self, x: int) -> int | None:
        """How many tabs further the one is that stands in that cell; None where there is none."""
        return self._tabs.turn_at(x - self._tabs_at) if x >= self._tabs_at else None

    @property
    def _extent(self) -> str:
        """` · 3 symbols`, or which of them are in sight."""
        rows = self._rows
        count = len(rows.ordered())
        if count > rows.in_sight:
            first = rows.top + 1
            return f" · {first}-{min(count, first + rows.in_sight - 1)} of {count}"
        if rows.found:
            return f" · {count} of {len(rows.symbols)} with {rows.found.rstrip()}"
        return f" · {count} symbol{'' if count == 1 else 's'}"


def _cells(line: Line) -> int:
    return sum(cells_of(text) for _, text in line)


def _seconds_text(ms: int) -> str:
    """`6 s`, `3 min`, `2 h`."""
    seconds = max(0, ms) // 1000
    if seconds < 60:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 3_600 else f"{seconds // 3_600} h"
