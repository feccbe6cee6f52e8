"""What a command answered, as a page over the board that can be scrolled; no I/O."""

import re
from itertools import groupby

from prompt_toolkit.formatted_text import ANSI, fragment_list_to_text, split_lines, to_formatted_text

from stocktrack.terminal.board_cells import Line, cut_line
from stocktrack.terminal.cells import cut

# A link of a terminal: the board is drawn cell by cell, where such an escape has no place.
_LINK = re.compile(r"\x1b\]8;[^\x1b\x07]*(?:\x1b\\|\x07)")


class TextPage:
    """A text with the colours of a terminal in it, as `lines` of a given size; `title` says what it answers."""

    def __init__(self, title: str, text: str) -> None:
        self._title = title
        self._lines = [_merged(line) for line in split_lines(to_formatted_text(ANSI(_LINK.sub("", text).expandtabs())))]
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
        self.scroll(0)
        shown = self._lines[self._top : self._top + self._page]
        body = [cut_line(line, width) for line in shown]
        body += [cut_line([], width)] * (self._page - len(body))
        hidden = len(self._lines) > self._page
        extent = f"  {self._top + 1}-{self._top + len(shown)} of {len(self._lines)}" if hidden else ""
        keys = f"q back{'  ↑↓ pgdn more' if hidden else ''}"
        head: Line = [("class:symbol", f":{self._title}"), ("class:dim", extent)]
        return [cut_line(head, width), *body, [("class:keys", cut(keys, width))]][:height]

    @property
    def text(self) -> str:
        """What stands on it, without its colours."""
        return "\n".join(fragment_list_to_text([(style, text) for style, text in line]) for line in self._lines)


def _merged(fragments: object) -> Line:
    """A line's letters, which come one by one, as the parts that have one style each."""
    letters = [(part[0], part[1]) for part in fragments]  # type: ignore[attr-defined]  # any kind of fragments
    return [(style, "".join(text for _, text in same)) for style, same in groupby(letters, key=lambda part: part[0])]
