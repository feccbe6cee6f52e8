"""The mouse on the live board: its wheel and its left button, as the terminal reports them."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from prompt_toolkit.mouse_events import MouseButton, MouseEvent, MouseEventType

from stocktrack.terminal.board_cells import Line
from stocktrack.terminal.board_view import BoardView
from stocktrack.terminal.board_window import LinesControl

if TYPE_CHECKING:
    from prompt_toolkit.key_binding.key_bindings import NotImplementedOrNone

_NOTCHES = {MouseEventType.SCROLL_UP: -1, MouseEventType.SCROLL_DOWN: 1}


class BoardControl(LinesControl):
    """The text of a board, which takes what the mouse does to it; what it does not take redraws nothing.

    A click on a tab goes to ``turn_tab(tabs further)``, one on what a picker has chosen to ``add(symbol)``.
    """

    def __init__(
        self,
        view: BoardView,
        lines: Callable[[], list[Line]],
        turn_tab: Callable[[int], None] | None = None,
        add: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(lines)
        self._view = view
        self._turn_tab = turn_tab
        self._add = add

    def mouse_handler(self, mouse_event: MouseEvent) -> "NotImplementedOrNone":
        """Scroll, or take a click where the button goes down."""
        kind, at = mouse_event.event_type, mouse_event.position
        if (notches := _NOTCHES.get(kind)) is not None:
            self._view.wheel(notches)
            return None
        if kind is MouseEventType.MOUSE_DOWN and mouse_event.button is MouseButton.LEFT:
            if self._turn_tab is not None and (turn := self._view.turn_at(at.x, at.y)) is not None:
                self._turn_tab(turn)
            elif self._view.picker is not None:
                chosen = self._view.pick(at.y)
                if chosen is not None and self._add is not None:
                    self._view.picker = None
                    self._add(chosen)
            else:
                self._view.click(at.x, at.y)
            return None
        return NotImplemented
