"""The interactive client's terminal: a prompt with history and completion, answers above it, and the live board."""

import asyncio
import contextlib
import shutil
import signal
import sys
import termios
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from prompt_toolkit import PromptSession
from prompt_toolkit.application import in_terminal
from prompt_toolkit.formatted_text import ANSI, FormattedText, to_formatted_text
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.styles import Style

from stocktrack.clock import end
from stocktrack.messages import Price
from stocktrack.quotes import clean_text
from stocktrack.terminal.attention import Attention
from stocktrack.terminal.board_screen import BoardActions, BoardScreen, Ending
from stocktrack.terminal.board_view import BoardView
from stocktrack.terminal.drawings import Drawing, room_at_prompt
from stocktrack.terminal.encodings import output_of_screen
from stocktrack.terminal.fronts import LineCancelledError, Status, wrapped
from stocktrack.terminal.line_completer import LineCompleter
from stocktrack.terminal.line_history import line_history
from stocktrack.terminal.price_block import price_block
from stocktrack.terminal.screen_settings import ScreenSettings
from stocktrack.terminal.tables import draw
from stocktrack.terminal.text import Shown, has_colour, paint

# So many prices stand above the prompt, or a third of a small terminal: the answers need room as well.
_MOST_PUSHED = 8
# The ages of the prices grow without any price.
_REFRESH_SECONDS = 1.0
_USUAL = ScreenSettings()
_STYLE = Style.from_dict(
    {"prompt": "bold", "bottom-toolbar": "noreverse ansibrightblack", "lost": "ansiyellow", "old": "ansibrightblack"}
)


class TerminalFront:
    """A terminal with a person at it. Use it by `async with`; what is said while a line is typed stands above it."""

    is_terminal = True

    def __init__(self, *, keeps_history: bool = True, settings: ScreenSettings = _USUAL) -> None:
        self._attention = Attention(sys.stdout, settings)
        self._colour = has_colour(sys.stdout)
        self._status: Callable[[], Status] = lambda: Status("", True)
        self._completer = LineCompleter()
        self._session: PromptSession[str] = PromptSession(
            history=line_history() if keeps_history else InMemoryHistory(),
            completer=self._completer,
            complete_while_typing=False,
            key_bindings=self._keys(),
            style=_STYLE,
            bottom_toolbar=self._toolbar,
            interrupt_exception=LineCancelledError,
            enable_suspend=True,
            refresh_interval=_REFRESH_SECONDS,
            output=output_of_screen(),
        )
        self._question: PromptSession[str] = PromptSession(
            history=InMemoryHistory(),
            completer=self._completer,
            complete_while_typing=False,
            style=_STYLE,
            interrupt_exception=LineCancelledError,
            enable_suspend=True,
            output=output_of_screen(),
        )
        self._pasted: deque[str] = deque()
        self._unfinished = ""
        self._unwritten: list[str] = []
        self._writing: asyncio.Task[None] | None = None
        self._board: BoardScreen | None = None
        self._board_view: BoardView | None = None
        self._is_ended = False

    async def read_line(self, prompt: str, status: Callable[[], Status]) -> str:
        """The next line that was typed or pasted; several pasted ones come one after the other.

        `status` is shown below the prompt, and asked again whenever that is drawn.
        """
        self._status = status
        if self._is_ended:
            raise EOFError
        if self._pasted:
            line = self._pasted.popleft()
            self._write(f"{prompt}{clean_text(line, 500)}")
            return line
        default, self._unfinished = self._unfinished, ""
        return await self._session.prompt_async(lambda: self._above(prompt), default=default)

    async def ask(self, question: str) -> str:
        """The answer to a question; a pasted line answers it too. `LineCancelledError` for Ctrl-C and Ctrl-D."""
        if self._is_ended:
            raise EOFError
        if self._pasted:
            return self._pasted.popleft()
        try:
            # The caller handles SIGINT itself while a command runs.
            return (await self._question.prompt_async([("class:typed-at", question)], handle_sigint=False)).strip()
        except EOFError:
            if self._is_ended:
                raise
            raise LineCancelledError from None  # Ctrl-D leaves the question, not the client

    def say(self, text: str) -> None:
        """Write above the prompt."""
        self._write(text)

    def lay_out(self, drawing: Drawing) -> None:
        """Write it above the prompt."""
        self._write(drawing(room_at_prompt()).rstrip("\n"))

    def confirm(self, text: str) -> None:
        """Write a sentence above the prompt."""
        self._write(wrapped(text))

    def warn(self, text: str) -> None:
        """Write above the prompt, or below the board while that is shown."""
        if self._board_view is not None:
            self._board_view.say(text)
        else:
            self._write(paint(wrapped(text), "warning", colour=self._colour))

    def hear(self, lines: Sequence[str]) -> None:
        """Write above the prompt, or the last one below the board while that is shown."""
        if self._board_view is not None:
            self._board_view.say(lines[-1])
        else:
            self._write("\n".join(paint(wrapped(line), "dim", colour=self._colour) for line in lines))

    def call(self, text: str) -> None:
        """Ring the bell, and notify the desktop."""
        self._attention.call(text)

    def show(self, reply: Shown) -> None:
        """The reply as a table."""
        now_ms = time.time_ns() // 1_000_000
        self.lay_out(lambda size: draw(reply, width=size.columns, colour=self._colour, now_ms=now_ms))

    def show_prices(self, prices: list[Price]) -> None:
        """Have the block above the prompt drawn with them; what has not changed in it is not drawn again."""
        self._session.app.invalidate()

    def learn(self, symbols: Iterable[str]) -> None:
        """Complete these from now on."""
        self._completer.learn(symbols)

    def forget_pasted(self) -> None:
        """Drop the pasted lines that have not run yet."""
        self._pasted.clear()

    def end_input(self) -> None:
        """Make the waiting or the next `read_line` see the end of the input."""
        self._is_ended = True
        if self._board is not None:
            self._board.end()
        for session in (self._session, self._question):
            if session.app.is_running and not session.app.is_done:
                session.app.exit(exception=EOFError)

    async def show_board(self, view: BoardView, actions: BoardActions) -> Ending:
        """Show the board, whose `actions` do what its keys ask for, until it is ended, and return how it ended."""
        self._board, self._board_view = BoardScreen(view, actions=actions), view
        try:
            return await self._board.run()
        finally:
            self._board = self._board_view = None
            self._flush()

    async def __aenter__(self) -> "TerminalFront":
        self._quiet = contextlib.ExitStack()
        self._quiet.enter_context(_without_echo(sys.stdin.fileno()))
        asyncio.get_running_loop().add_signal_handler(signal.SIGCONT, self._resume)
        self._calling = asyncio.create_task(self._attention.run(), name="terminal: bells and notifications")
        return self

    async def __aexit__(self, *_: object) -> None:
        await end(self._calling)
        if self._writing is not None:
            self._writing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._writing
        self._flush()
        asyncio.get_running_loop().remove_signal_handler(signal.SIGCONT)
        self._quiet.close()

    def _resume(self) -> None:
        """After Ctrl-Z and `fg` between two prompts: the shell has made the terminal echo. A prompt sees to its own."""
        if self._board is None and not (self._session.app.is_running or self._question.app.is_running):
            _quieten(sys.stdin.fileno())

    def _write(self, text: str) -> None:
        self._unwritten.append(text)
        if self._board is not None:
            return  # written when the board is closed
        if not (self._session.app.is_running or self._question.app.is_running):
            self._flush()
        elif self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_above(), name="terminal: write above the prompt")

    async def _write_above(self) -> None:
        while self._unwritten and self._board is None:
            async with in_terminal():
                if self._board is None:
                    self._flush()

    def _flush(self) -> None:
        text = "".join(f"{part}\n" for part in self._unwritten)
        self._unwritten.clear()
        sys.stdout.write(text)
        sys.stdout.flush()

    def _above(self, prompt: str) -> FormattedText:
        """The prompt, and above it the block of the prices that are pushed; a line that was entered leaves none."""
        shown = FormattedText([("class:typed-at", prompt)])
        if self._session.app.is_done:
            return shown
        status, size = self._status(), shutil.get_terminal_size()
        block = price_block(
            status.pushed,
            width=size.columns,
            most=max(1, min(_MOST_PUSHED, size.lines // 3)),
            colour=self._colour and status.is_well,
            is_live=status.is_well,
            now_ms=time.time_ns() // 1_000_000,
        )
        style = "" if status.is_well else "class:old"
        lines = to_formatted_text(ANSI("".join(f"{line}\n" for line in block)), style)
        return FormattedText([*lines, *shown])

    def _toolbar(self) -> FormattedText:
        status = self._status()
        return FormattedText([("" if status.is_well else "class:lost", f" {status.text}")])

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()

        @keys.add(Keys.BracketedPaste)
        def _(event: KeyPressEvent) -> None:
            """Run the lines of a paste one after the other; what follows the last line's end stays to be edited."""
            buffer = event.current_buffer
            pasted = event.data.replace("\r\n", "\n").replace("\r", "\n")
            if "\n" not in pasted:
                buffer.insert_text(pasted)
                return
            text = buffer.document.text_before_cursor + pasted + buffer.document.text_after_cursor
            first, *lines, self._unfinished = text.split("\n")
            self._pasted.extend(lines)
            for line in lines:
                if line.strip():
                    self._session.history.append_string(line)
            buffer.text = first
            buffer.validate_and_handle()

        return keys


@contextlib.contextmanager
def _without_echo(descriptor: int) -> Iterator[None]:
    """Between two prompts too, what is typed ahead is neither echoed nor cut into lines; Ctrl-C still interrupts."""
    before = termios.tcgetattr(descriptor)
    _quieten(descriptor)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSANOW, before)


def _quieten(descriptor: int) -> None:
    quiet = termios.tcgetattr(descriptor)
    quiet[0] &= ~termios.ICRNL
    quiet[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(descriptor, termios.TCSANOW, quiet)
