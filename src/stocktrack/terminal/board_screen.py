"""The live board on the whole terminal: keys, and redrawing at most four times a second, less often if that is slow."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from enum import Enum, auto
from functools import partial
from typing import Protocol

from prompt_toolkit.application import Application
from prompt_toolkit.completion import Completer, DummyCompleter
from prompt_toolkit.filters import Always, Condition, Filter
from prompt_toolkit.history import History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent, merge_key_bindings
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import CompletionsMenu, Float, FloatContainer, HSplit, Layout
from prompt_toolkit.styles import Style

from stocktrack.clock import Clock, RealClock
from stocktrack.quotes import MAX_SYMBOL_LENGTH
from stocktrack.terminal.board_cells import Line
from stocktrack.terminal.board_keys import SORT_KEYS
from stocktrack.terminal.board_mouse import BoardControl
from stocktrack.terminal.board_view import BoardView
from stocktrack.terminal.board_window import BoardWindow
from stocktrack.terminal.column_chooser import ColumnChooser
from stocktrack.terminal.encodings import output_of_screen
from stocktrack.terminal.foot_line import FootLine
from stocktrack.terminal.symbol_picker import typed_text

REDRAW_SECONDS = 0.25
FIRST_LOOK_SECONDS = 0.02
LONGEST_LOOK_SECONDS = 2.0
# Without any price the ages still grow.
IDLE_REDRAW_SECONDS = 1.0
# What drawing prices may take of a core: a large terminal, or a slow machine, is drawn less often.
DRAWING_SHARE = 0.015
_FAR = 1_000_000
# So many headlines of a symbol have a key of their own.
MAX_LINKS = 5

_REAL_CLOCK = RealClock()
STYLE = Style.from_dict(
    {
        "head": "reverse bold",
        "head-lost": "reverse bold ansiyellow",
        "hint": "ansiyellow",
        "headings": "bold",
        "symbol": "bold",
        "tab": "underline",
        "up": "ansigreen",
        "down": "ansired",
        "dim": "ansibrightblack",
        "stale": "ansiyellow",
        "message": "ansiyellow",
        "keys": "ansibrightblack",
        "total": "bold",
        "alert": "reverse",
        "selected": "bold",
        "alert-told": "ansiyellow bold",
    }
)


class Ending(Enum):
    """How a board ended: by its keys, by Ctrl-C, by Ctrl-D, or by the program."""

    BACK = auto()
    INTERRUPTED = auto()
    LEAVE = auto()
    BY_PROGRAM = auto()


class BoardActions(Protocol):
    """What keys ask for that is more than looking: each returns at once, and is seen on the board when it is done."""

    def turn_tab(self, by: int) -> None:
        """Show the list so many tabs further."""
        ...

    def add(self, symbol: str) -> None:
        """Add a symbol to what is shown."""
        ...

    def remove_selected(self) -> None:
        """Take the selected row out."""
        ...

    def undo(self) -> None:
        """Put back what was taken out last."""
        ...

    def open_link(self, number: int) -> None:
        """Open the link of the headline with this number, 1 for the first, in the person's browser."""
        ...

    def enter(self, line: str) -> None:
        """Run a command that was typed."""
        ...

    def interrupt(self) -> bool:
        """Give up the command that runs; False where none does."""
        ...


class BoardScreen:
    """Shows a `BoardView` until a key or `end` ends it.

    `actions` do what keys ask for; without them the board is there to look at. Commands are completed by `completer`
    and remembered in `history`.
    """

    def __init__(
        self,
        view: BoardView,
        *,
        actions: BoardActions | None = None,
        completer: Completer | None = None,
        history: History | None = None,
        clock: Clock = _REAL_CLOCK,
        cpu_seconds: Callable[[], float] = time.thread_time,
    ) -> None:
        self._view = view
        self._actions = actions
        self._clock = clock
        self._cpu_seconds = cpu_seconds
        self._began_drawing = self._drawing_seconds = 0.0
        self._is_ended = False
        view.has_actions = actions is not None
        self._foot = FootLine(
            self._enter, completer=completer or DummyCompleter(), history=history or InMemoryHistory()
        )
        control = BoardControl(view, self._lines)
        if actions is not None:
            control = BoardControl(view, self._lines, actions.turn_tab, actions.add)
        board = BoardWindow(control)
        layout = Layout(
            FloatContainer(
                HSplit([board, self._foot.container()]),
                floats=[Float(xcursor=True, ycursor=True, content=CompletionsMenu(max_height=8, scroll_offset=1))],
            ),
            focused_element=board,
        )
        self._foot.attach(layout, board)
        self._app: Application[Ending] = Application(
            layout=layout,
            key_bindings=merge_key_bindings([self._keys(), self._foot.keys()]),
            style=STYLE,
            full_screen=True,
            mouse_support=view.has_mouse,
            max_render_postpone_time=None,  # the pace is kept here
            before_render=self._begin_drawing,
            after_render=self._end_drawing,
            output=output_of_screen(),
        )
        # Esc begins the code of many keys; who presses it alone should not wait for half a second.
        self._app.ttimeoutlen = 0.05

    async def run(self) -> Ending:
        """Take the terminal until the board ends, and say how it did."""
        self._view.uncover()  # it may have been left in the middle of something
        await self._clock.sleep(0)  # who puts prices has just begun: those that are here stand on the first drawing
        redrawing = asyncio.create_task(self._redraw(), name="board: redraw")
        try:
            return await self._app.run_async(handle_sigint=True)
        finally:
            redrawing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await redrawing

    async def ask(self, question: str) -> str:
        """What the person answers below the board; `LineCancelledError` where the question is left."""
        self._app.invalidate()
        return await self._foot.ask(question)

    def end(self) -> None:
        """End it; one that has not begun yet ends soon after it does."""
        self._is_ended = True
        if self._app.is_running and not self._app.is_done:
            self._app.exit(result=Ending.BY_PROGRAM)

    async def _redraw(self) -> None:
        """Redraw when prices changed or a second has passed; keys redraw by themselves, at once."""
        began_at = drawn_at = self._clock.monotonic()
        waits_for_first = not self._view.rows.prices
        look_seconds = FIRST_LOOK_SECONDS if waits_for_first else REDRAW_SECONDS
        while True:
            await self._clock.sleep(look_seconds)
            if self._is_ended:
                self.end()
            now = self._clock.monotonic()
            left = 0.0 if waits_for_first else drawn_at + self.pause_seconds - now
            if (self._view.is_changed and left <= 0) or now - drawn_at >= IDLE_REDRAW_SECONDS:
                self._view.is_changed = False
                drawn_at, left = now, 0.0
                self._app.invalidate()
            # The first prices are moments away, and nobody wants to look at an empty board for longer.
            waits_for_first = waits_for_first and not self._view.rows.prices and now - began_at < LONGEST_LOOK_SECONDS
            look_seconds = FIRST_LOOK_SECONDS if waits_for_first else REDRAW_SECONDS
            if self._view.is_changed and left > 0:
                look_seconds = min(look_seconds, left)

    @property
    def pause_seconds(self) -> float:
        """The least time between two drawings of prices."""
        return min(max(REDRAW_SECONDS, self._drawing_seconds / DRAWING_SHARE), IDLE_REDRAW_SECONDS)

    def _begin_drawing(self, _: object) -> None:
        self._began_drawing = self._cpu_seconds()

    def _end_drawing(self, _: object) -> None:
        self._drawing_seconds = self._cpu_seconds() - self._began_drawing
        self._view.pause_seconds = self.pause_seconds

    def _lines(self) -> list[Line]:
        size = self._app.output.get_size()
        lines = self._view.lines(size.columns, size.rows, self._clock.now_ms())
        return lines[:-1] if self._foot.is_open else lines  # what is typed stands where the keys are

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()
        view = self._view
        is_typing = Condition(lambda: self._foot.is_open)
        is_finding = Condition(lambda: view.is_finding) & ~is_typing
        is_picking = Condition(lambda: view.picker is not None) & ~is_typing
        # Keys that mean something else there, or nothing.
        is_busy = Condition(lambda: view.is_finding or view.is_sorting or view.chooser is not None)
        is_looking = ~(is_typing | is_picking | is_busy)
        is_covered = Condition(lambda: view.is_covered)

        def ends(ending: Ending, *names: str, filter: Filter = is_looking) -> None:  # noqa: A002 - the library's word
            @keys.add(*names, filter=filter)
            def _(event: KeyPressEvent) -> None:
                if not event.app.is_done:
                    event.app.exit(result=ending)

        def does(work: Callable[[], object], *names: str) -> None:
            for name in names:

                @keys.add(name, filter=is_looking)
                def _(_: KeyPressEvent) -> None:
                    work()

        # What ends it at the prompt may be typed here as well, letter by letter.
        ends(Ending.BACK, "b", "a", "c", "k")
        ends(Ending.BACK, "s", "t", "o", "p", filter=is_looking & is_covered)

        @keys.add("q", filter=~(is_typing | is_finding | is_picking))
        @keys.add("escape", filter=~is_typing)
        def _(event: KeyPressEvent) -> None:
            if not view.close_one() and not event.app.is_done:
                event.app.exit(result=Ending.BACK)

        for name, ending in (("c-c", Ending.INTERRUPTED), ("<sigint>", Ending.INTERRUPTED), ("c-d", Ending.LEAVE)):
            # While a line is typed Ctrl-C takes that back.
            @keys.add(name, filter=Always() if name == "<sigint>" else ~is_typing)
            def _(event: KeyPressEvent, ending: Ending = ending) -> None:
                if ending is Ending.INTERRUPTED and self._actions is not None and self._actions.interrupt():
                    return
                if not event.app.is_done:
                    event.app.exit(result=ending)

        @keys.add("c-z")
        def _(event: KeyPressEvent) -> None:
            event.app.suspend_to_background()

        self._sort_keys(keys)
        self._chooser_keys(keys)
        does(view.enter, "enter")
        does(view.toggle_keys, "?", "h")
        does(view.toggle_holdings, "m")
        does(view.reverse, "r")
        does(view.begin_choosing, "c")
        for rows, names in ((-1, ("up", "k")), (1, ("down", "j"))):
            does(partial(view.select, rows), *names)
        does(partial(view.scroll_page, -_FAR), "home")
        does(partial(view.scroll_page, _FAR), "end")
        does(partial(view.scroll_page, -1), "pageup")
        does(partial(view.scroll_page, 1), "pagedown", " ")
        does(partial(view.turn_range, -1), "left")
        does(partial(view.turn_range, 1), "right")
        does(view.begin_finding, "/")

        self._bind_finding(keys, is_finding)
        self._bind_picking(keys, is_picking)

        # A paste that nobody waits for would be a row of keys.
        @keys.add(Keys.BracketedPaste, filter=is_looking)
        def _(_: KeyPressEvent) -> None:
            view.say("Type : and then paste, or a to add what you paste.")

        if self._actions is not None:
            self._bind(self._actions, does)
        return keys

    def _bind_finding(self, keys: KeyBindings, is_finding: Filter) -> None:
        """The keys of what is typed behind a slash."""
        view = self._view

        @keys.add("enter", filter=is_finding)
        def _(_: KeyPressEvent) -> None:
            view.is_finding = False

        @keys.add("backspace", filter=is_finding)
        def _(_: KeyPressEvent) -> None:
            view.rows.found = view.rows.found[:-1]

        @keys.add("c-u", filter=is_finding)
        def _(_: KeyPressEvent) -> None:
            view.rows.found = ""

        @keys.add(Keys.Any, filter=is_finding)
        @keys.add(Keys.BracketedPaste, filter=is_finding)
        def _(event: KeyPressEvent) -> None:
            view.rows.found = typed_text(view.rows.found + _typed_by(event), MAX_SYMBOL_LENGTH)

    def _bind_picking(self, keys: KeyBindings, is_picking: Filter) -> None:
        """The keys of what is typed to add a symbol."""
        view = self._view

        @keys.add(Keys.Any, filter=is_picking)
        @keys.add(Keys.BracketedPaste, filter=is_picking)
        def _(event: KeyPressEvent) -> None:
            if view.picker is not None:
                view.picker.typed(view.picker.text + _typed_by(event))

        @keys.add("backspace", filter=is_picking)
        def _(_: KeyPressEvent) -> None:
            if view.picker is not None:
                view.picker.typed(view.picker.text[:-1])

        @keys.add("c-u", filter=is_picking)
        def _(_: KeyPressEvent) -> None:
            if view.picker is not None:
                view.picker.typed("")

        for picked_rows, names in ((-1, ("up", "c-p")), (1, ("down", "c-n"))):
            for name in names:

                @keys.add(name, filter=is_picking)
                def _(_: KeyPressEvent, rows: int = picked_rows) -> None:
                    if view.picker is not None:
                        view.picker.select(rows)

        @keys.add("enter", filter=is_picking)
        def _(_: KeyPressEvent) -> None:
            chosen = view.picker.chosen if view.picker is not None else None
            if chosen is not None and self._actions is not None:
                view.picker = None
                self._actions.add(chosen)

    def _bind(self, actions: BoardActions, does: Callable[..., None]) -> None:
        """The keys of what is more than looking."""
        view = self._view
        does(view.begin_adding, "a")

        def does_in_sight(work: Callable[[], object]) -> None:
            # Below a page nobody sees what it would do.
            if not view.is_text_read:
                work()

        does(partial(does_in_sight, actions.remove_selected), "d", "delete")
        does(partial(does_in_sight, actions.undo), "u")
        does(partial(actions.turn_tab, 1), "tab")
        does(partial(actions.turn_tab, -1), "s-tab")
        does(partial(does_in_sight, partial(actions.open_link, 1)), "o")
        for number in range(1, MAX_LINKS + 1):
            does(partial(does_in_sight, partial(actions.open_link, number)), str(number))
        if view.takes_commands:
            does(self._foot.begin, ":")

    def _enter(self, line: str) -> None:
        if self._actions is not None and line.strip():
            self._actions.enter(line)

    def _sort_keys(self, keys: KeyBindings) -> None:
        """`s` and the key behind it, which says what to sort by; `stop` typed letter by letter still ends the board."""
        view, typed = self._view, ""
        is_sorting = Condition(lambda: view.is_sorting and not self._foot.is_open)
        is_free = Condition(
            lambda: not (self._foot.is_open or view.is_finding or view.chooser is not None or view.is_covered)
        )

        @keys.add("s", filter=is_free & ~is_sorting)
        def _(_: KeyPressEvent) -> None:
            nonlocal typed
            view.is_sorting, typed = True, "s"

        @keys.add(Keys.Any, filter=is_sorting)
        def _(event: KeyPressEvent) -> None:
            nonlocal typed
            typed += event.data
            if typed == "stop":
                view.is_sorting = False
                if not event.app.is_done:
                    event.app.exit(result=Ending.BACK)
            elif order := SORT_KEYS.get(event.data):
                view.order_by(order)
            elif event.data == "r":
                view.reverse()
            elif not "stop".startswith(typed):
                view.is_sorting = False

    def _chooser_keys(self, keys: KeyBindings) -> None:
        """The keys of the list of columns, while it is open."""
        view = self._view
        # A question may come while it is open.
        is_choosing = Condition(lambda: view.chooser is not None and not self._foot.is_open)

        def does(work: Callable[[ColumnChooser], object], *names: str) -> None:
            for name in names:

                @keys.add(name, filter=is_choosing)
                def _(_: KeyPressEvent) -> None:
                    if view.chooser is not None:
                        work(view.chooser)

        does(lambda chooser: chooser.move(-1), "up", "k")
        does(lambda chooser: chooser.move(1), "down", "j")
        does(lambda chooser: chooser.move(-_FAR), "home", "pageup")
        does(lambda chooser: chooser.move(_FAR), "end", "pagedown")
        does(ColumnChooser.toggle, " ")
        does(lambda chooser: chooser.shift(-1), "left", "s-up")
        does(lambda chooser: chooser.shift(1), "right", "s-down")
        does(ColumnChooser.let_room_decide, "a")
        does(lambda _: view.end_choosing(), "enter", "c")


def _typed_by(event: KeyPressEvent) -> str:
    """What a key types, or a paste: nothing where it is a key to move by, whose code has letters in it."""
    key = event.key_sequence[-1].key
    return "" if isinstance(key, Keys) and key is not Keys.BracketedPaste else event.data
