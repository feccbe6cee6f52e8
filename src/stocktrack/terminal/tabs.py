"""The tabs of the board: what was named by hand, where anything was, and the person's saved lists; no I/O."""

from collections.abc import Iterable

from stocktrack.quotes import clean_text
from stocktrack.terminal.board_cells import Line
from stocktrack.terminal.cells import cells_of

# What is shown where it is no saved list.
NAMED = "watched"
_MAX_LABEL_CELLS = 20
_MORE = "…"


class Tabs:
    """The tabs in their order and the one that is shown: `current` is a list's name, None for what was named by hand.

    A list that is shown stays although nothing is saved in it, until it is left: its next symbol makes it again.
    """

    def __init__(self) -> None:
        self._lists: tuple[str, ...] = ()
        self._has_named = False
        self._current: str | None = None
        self._drawn: list[tuple[str | None, int]] = []  # each that is drawn, and on how many cells

    @property
    def current(self) -> str | None:
        """The list that is shown, None where it is what was named by hand."""
        return self._current

    @property
    def all(self) -> tuple[str | None, ...]:
        """The tabs in their order."""
        return (*((None,) if self._has_named else ()), *self._lists)

    def put_lists(self, names: Iterable[str]) -> None:
        """Take the saved lists; the one that is shown stays in its place, also while nothing is saved in it."""
        lists = [*names]
        if self._current is not None and self._current not in lists:
            at = self._lists.index(self._current) if self._current in self._lists else len(lists)
            lists.insert(at, self._current)
        self._lists = tuple(lists)

    def leave(self, name: str) -> None:
        """A list is no more; where it is shown, the one behind it is from now on, or else the one before."""
        tabs = self.all
        self._lists = tuple(each for each in self._lists if each != name)
        if self._current == name:
            left = self.all
            self._current = left[min(tabs.index(name), len(left) - 1)] if left else None

    def show(self, tab: str | None) -> None:
        """Show a list, or what was named by hand."""
        if tab is None:
            self.name_by_hand()
        else:
            self.go(tab)

    def name_by_hand(self) -> None:
        """Show what was named by hand."""
        self._has_named, self._current = True, None

    def go(self, name: str) -> None:
        """Show a list."""
        self._current = name
        if name not in self._lists:
            self._lists = (*self._lists, name)

    def go_back(self, tab: str | None) -> None:
        """Show again what was shown before, a list or what was named by hand."""
        self._current = tab

    def rename(self, name: str, new_name: str) -> None:
        """A list is called otherwise now, and goes on being shown where it was."""
        self._lists = tuple(new_name if each == name else each for each in self._lists)
        if self._current == name:
            self._current = new_name

    def turned(self, by: int) -> str | None:
        """The tab so many further, round and round."""
        tabs = self.all
        return tabs[(tabs.index(self._current) + by) % len(tabs)] if self._current in tabs else None

    def line(self, width: int) -> Line:
        """`[main] tech crypto` in at most `width` cells: the one that is shown, and of the others as many as fit."""
        tabs, self._drawn = self.all, []
        if len(tabs) < 2 or self._current not in tabs:
            return []
        labels = [_label(tab, is_current=tab == self._current) for tab in tabs]
        at = tabs.index(self._current)
        first, last = at, at + 1
        while True:
            # Those that Tab leads to come first.
            if last < len(tabs) and _cells(labels[first : last + 1], len(tabs)) <= width:
                last += 1
            elif first > 0 and _cells(labels[first - 1 : last], len(tabs)) <= width:
                first -= 1
            else:
                break
        shown = [
            *([_MORE] if first > 0 else []),
            *labels[first:last],
            *([_MORE] if last < len(tabs) else []),
        ]
        if cells_of(" ".join(shown)) > width:
            return []
        first -= 1 if first > 0 else 0  # the dots lead to the one that they stand for
        self._drawn = [(tabs[index], cells_of(label) + 1) for index, label in enumerate(shown, first)]
        parts: Line = []
        for label in shown:
            parts += [("", " ")] if parts else []
            parts.append(("class:tab" if label == labels[at] else "", label))
        return parts

    def turn_at(self, x: int) -> int | None:
        """How many tabs further the one is that was drawn at a cell of the line; None where there is none."""
        tabs = self.all
        for tab, cells in self._drawn:
            x -= cells
            if x < 0:
                # By now others may be there, or another one shown.
                return tabs.index(tab) - tabs.index(self._current) if {tab, self._current} <= {*tabs} else None
        return None


def label_of(tab: str | None) -> str:
    """What a tab is called."""
    return NAMED if tab is None else clean_text(tab, _MAX_LABEL_CELLS)


def _label(tab: str | None, *, is_current: bool) -> str:
    return f"[{label_of(tab)}]" if is_current else label_of(tab)


def _cells(labels: list[str], count: int) -> int:
    more = 2 * len(_MORE + " ") if len(labels) < count else 0
    return cells_of(" ".join(labels)) + more
