"""The list in which a person chooses the columns of the board and their order, over the board; no I/O."""

from collections.abc import Collection, Sequence
from typing import Final

from stocktrack.terminal.board_cells import Line, cut_line
from stocktrack.terminal.board_choice import COLUMNS

_NAME_CELLS: Final = max(map(len, COLUMNS)) + 2


class ColumnChooser:
    """The columns in an order, which of them are shown, and the one that keys are about.

    It begins with those that were `chosen`, or else with those that stand there now.
    """

    def __init__(self, chosen: Sequence[str] | None, there: Sequence[str]) -> None:
        self._chosen = None if chosen is None else [*chosen]
        self._there = there
        self.is_changed = False
        self._order = [*COLUMNS]
        self._shown = self._by_room()
        if chosen is not None:
            shown = [*dict.fromkeys(chosen if "symbol" in chosen else ("symbol", *chosen))]
            self._order = [*shown, *(name for name in COLUMNS if name not in shown)]
            self._shown = {*shown}
        self._at = 0
        self._top = 0

    @property
    def chosen(self) -> tuple[str, ...] | None:
        """The columns that are chosen now, in their order; None where the room decides."""
        return None if self._chosen is None else tuple(self._chosen)

    def put_there(self, there: Sequence[str]) -> None:
        """Take which columns the screen shows now."""
        self._there = there
        if self._chosen is None:
            self._shown = self._by_room()

    def move(self, rows: int) -> None:
        """Go to the column so many rows below."""
        self._at = max(0, min(self._at + rows, len(self._order) - 1))

    def go_to(self, row: int) -> bool:
        """Go to the column in a row of the list; whether there is one."""
        place = self._top + row
        if not 0 <= place < len(self._order):
            return False
        self._at = place
        return True

    def toggle(self) -> None:
        """Show the column, or hide it; the symbol stands on every board."""
        name = self._order[self._at]
        if name != "symbol":
            self._shown ^= {name}
            self._choose()

    def shift(self, by: int) -> None:
        """Have the column stand earlier or later, past the shown ones beside it."""
        name, at = self._order[self._at], self._at + by
        if not (0 <= at < len(self._order)):
            return
        self._order[self._at], self._order[at] = self._order[at], name
        self._at = at
        self._choose()

    def let_room_decide(self) -> None:
        """Forget what was chosen."""
        self.is_changed = True
        self._chosen, self._order, self._shown = None, [*COLUMNS], self._by_room()

    def lines(self, width: int, height: int, available: Collection[str]) -> list[Line]:
        """Exactly `height` lines; what is shown but not `available` says so, and so does what has no room."""
        self._top = max(0, min(self._top, len(self._order) - height))
        self._top = max(min(self._top, self._at), self._at - height + 1, 0)
        lines = [self._line(place, width, available) for place in range(self._top, len(self._order))][:height]
        return [*lines, *(cut_line([], width) for _ in range(height - len(lines)))]

    def _line(self, place: int, width: int, available: Collection[str]) -> Line:
        name, is_at = self._order[place], place == self._at
        is_shown = name in self._shown or name == "symbol"
        note = ""
        if is_shown and name not in self._there:
            note = "  (no room here)" if name in available else "  (nothing to show now)"
        line: Line = [
            ("class:symbol", "▸ " if is_at else "  "),
            ("class:symbol" if is_shown else "class:dim", f"[{'x' if is_shown else ' '}] {name:<{_NAME_CELLS}}"),
            ("class:stale", note.strip() + "  " if note else ""),
            ("" if is_at else "class:dim", COLUMNS[name]),
        ]
        return cut_line([part for part in line if part[1]], width)

    def _by_room(self) -> set[str]:
        # What comes by itself in the evening is not to stay away because of another column.
        return {*self._there, "symbol", "extended"}

    def _choose(self) -> None:
        self.is_changed = True
        self._chosen = [name for name in self._order if name in self._shown or name == "symbol"]
