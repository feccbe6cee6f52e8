"""The live board on the whole terminal: keys, and redrawing at most four times a second."""

import asyncio
import contextlib
from enum import Enum, auto

from prompt_toolkit.application import Application
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import FormattedTextControl, Layout, Window
from prompt_toolkit.styles import Style

from stocktrack.clock import Clock, RealClock
from stocktrack.terminal.board_view import BoardView

REDRAW_SECONDS = 0.25
# Without any price the ages still grow.
IDLE_REDRAW_SECONDS = 1.0

_REAL_CLOCK = RealClock()
STYLE = Style.from_dict(
    {
        "head": "reverse bold",
        "hint": "ansiyellow",
        "headings": "bold",
        "symbol": "bold",
        "up": "ansigreen",
        "down": "ansired",
        "dim": "ansibrightblack",
        "stale": "ansiyellow",
        "message": "ansiyellow",
        "keys": "ansibrightblack",
        "total": "bold",
        "alert": "reverse",
        "alert-told": "ansiyellow bold",
    }
)
_ORDER_KEYS = {"n": "name", "p": "price", "c": "change", "%": "percent", "a": "age"}


class Ending(Enum):
    """How a board ended: by its keys, by Ctrl-C, by Ctrl-D, or by the program."""

    BACK = auto()
    INTERRUPTED = auto()
    LEAVE = auto()
    BY_PROGRAM = auto()


class BoardScreen:
    """Shows a `BoardView` until a key or `end` ends it."""

    def __init__(self, view: BoardView, *, clock: Clock = _REAL_CLOCK) -> None:
        self._view = view
        self._clock = clock
        self._is_ended = False
        control = FormattedTextControl(self._fragments, focusable=True, show_cursor=False)
        self._app: Application[Ending] = Application(
            layout=Layout(Window(control, wrap_lines=False, always_hide_cursor=True)),
            key_bindings=self._keys(),
            style=STYLE,
            full_screen=True,
            max_render_postpone_time=None,  # the pace is kept here
        )
        # Esc begins the code of many keys; who presses it alone should not wait for half a second.
        self._app.ttimeoutlen = 0.05

    async def run(self) -> Ending:
        """Take the terminal until the board ends, and say how it did."""
        redrawing = asyncio.create_task(self._redraw(), name="board: redraw")
        try:
            return await self._app.run_async(handle_sigint=True)
        finally:
            redrawing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await redrawing

    def end(self) -> None:
        """End it; one that has not begun yet ends soon after it does."""
        self._is_ended = True
        if self._app.is_running and not self._app.is_done:
            self._app.exit(result=Ending.BY_PROGRAM)

    async def _redraw(self) -> None:
        """Redraw when prices changed or a second has passed; keys redraw by themselves, at once."""
        drawn_at = self._clock.monotonic()
        while True:
            await self._clock.sleep(REDRAW_SECONDS)
            if self._is_ended:
                self.end()
            now = self._clock.monotonic()
            if self._view.is_changed or now - drawn_at >= IDLE_REDRAW_SECONDS:
                self._view.is_changed = False
                drawn_at = now
                self._app.invalidate()

    def _fragments(self) -> StyleAndTextTuples:
        size = self._app.output.get_size()
        lines = self._view.lines(size.columns, size.rows, self._clock.now_ms())
        fragments: StyleAndTextTuples = []
        for index, line in enumerate(lines):
            if index:
                fragments.append(("", "\n"))
            fragments += line
        return fragments

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()

        def ends(ending: Ending, *names: str) -> None:
            @keys.add(*names)
            def _(event: KeyPressEvent) -> None:
                if not event.app.is_done:
                    event.app.exit(result=ending)

        ends(Ending.BACK, "q")
        ends(Ending.BACK, "escape")
        # What ends it at the prompt may be typed here as well, letter by letter.
        ends(Ending.BACK, "b", "a", "c", "k")
        ends(Ending.BACK, "s", "t", "o", "p")
        ends(Ending.INTERRUPTED, "c-c")
        ends(Ending.INTERRUPTED, "<sigint>")
        ends(Ending.LEAVE, "c-d")

        def orders(key: str, order: str) -> None:
            @keys.add(key)
            def _(event: KeyPressEvent) -> None:
                self._view.order_by(order)

        for key, order in _ORDER_KEYS.items():
            orders(key, order)

        @keys.add("enter")
        def _(event: KeyPressEvent) -> None:
            self._view.read_alerts()

        @keys.add("h")
        def _(event: KeyPressEvent) -> None:
            self._view.toggle_holdings()

        @keys.add("r")
        def _(event: KeyPressEvent) -> None:
            self._view.reverse()

        def scrolls(key: str, rows: int = 0, pages: int = 0) -> None:
            @keys.add(key)
            def _(event: KeyPressEvent) -> None:
                self._view.scroll(rows)
                self._view.scroll_page(pages)

        for key, rows, pages in (
            *(("up", -1, 0), ("k", -1, 0), ("down", 1, 0), ("j", 1, 0)),
            *(("pageup", 0, -1), ("pagedown", 0, 1), (" ", 0, 1), ("home", -1_000_000, 0), ("end", 1_000_000, 0)),
        ):
            scrolls(key, rows, pages)
        return keys
