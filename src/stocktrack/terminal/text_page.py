"""What a command answered, as a page over the board that can be scrolled; no I/O."""

import os
import re
from itertools import groupby

from prompt_toolkit.formatted_text import ANSI, split_lines, to_formatted_text

from stocktrack.terminal.board_cells import Line, cut_line
from stocktrack.terminal.cells import cut
from stocktrack.terminal.drawings import Drawing

# A link of a terminal: the board is drawn cell by cell, where such an escape has no place.
_LINK = re.compile(r"\x1b\]8;[^\x1b\x07]*(?:\x1b\\|\x07)")


class TextPage:
    """A text with the colours of a terminal in it, as `lines` of a given size; `title` says what it answers.

    `drawing` makes the text for the room that it has, again after each resize.
    """

    def __init__(self, title: str, drawing: Drawing) -> None:
        self._title = title
        self._drawing = drawing
        self._drawn_for: os.terminal_size | None = None
        self._lines: list[Line] = []
        self._top = 0
        self._page = 1

    def scroll(self, rows: int) -> None:
        """Move down by `rows`, up where it is negative."""
        self._top = max(0, min(self._top + rows, len(self._lines) - self._page))

    def scroll_page(self, pages: int) -> None:
        """Move down by as many pages."""
        self.scroll(pages * self._page)

    def lines(self, width: int, height: int) -> list[Line]:
        """Exactly `height` lines of exactly `width` cells, the last of which says how to go on."""
        self._page = max(1, height - 2)
        self._lay_out(os.terminal_size((width, self._page)))
        shown = self._lines[self._top : self._top + self._page]
        body = [cut_line(line, width) for line in shown]
        body += [cut_line([], width)] * (self._page - len(body))
        hidden = len(self._lines) > self._page
        extent = f"  {self._top + 1}-{self._top + len(shown)} of {len(self._lines)}" if hidden else ""
        keys = f"q back{'  ↑↓ pgdn more' if hidden else ''}"
        head: Line = [("class:symbol", f":{self._title}"), ("class:dim", extent)]
        return [cut_line(head, width), *body, [("class:keys", cut(keys, width))]][:height]

    def _lay_out(self, size: os.terminal_size) -> None:
        """Have the text as it is in that room; what was at the top stays about there."""
        if size != self._drawn_for:
            before, self._drawn_for = len(self._lines), size
            text = _LINK.sub("", self._drawing(size)).expandtabs()
            self._lines = [_merged(line) for line in split_lines(to_formatted_text(ANSI(text)))]
            if before:
                self._top = self._top * len(self._lines) // before
        self.scroll(0)


def _merged(fragments: object) -> Line:
    """A line's letters, which come one by one, as the parts that have one style each."""
    letters = [(part[0], part[1]) for part in fragments]  # type: ignore[attr-defined]  # any kind of fragments
    return [(style, "".join(text for _, text in same)) for style, same in groupby(letters, key=lambda part: part[0])]
