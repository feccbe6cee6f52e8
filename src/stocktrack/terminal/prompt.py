"""The interactive client's terminal: a prompt with history and completion, answers above it, and the live board."""

import asyncio
import contextlib
import os
import shutil
import sys
import termios
import textwrap
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.application import in_terminal
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.styles import Style

from stocktrack.clock import end
from stocktrack.errors import ConfigError
from stocktrack.messages import Price
from stocktrack.quotes import clean_text
from stocktrack.system.data_folder import find_data_folder
from stocktrack.terminal.attention import Attention
from stocktrack.terminal.board_screen import BoardScreen, Ending
from stocktrack.terminal.board_view import BoardView
from stocktrack.terminal.fronts import LineCancelledError, Status
from stocktrack.terminal.screen_settings import ScreenSettings
from stocktrack.terminal.tables import draw
from stocktrack.terminal.text import Shown, has_colour, paint, price_line
from stocktrack.terminal.typed_commands import WORDS

_MAX_SEEN = 2_000
_USUAL = ScreenSettings()
_STYLE = Style.from_dict({"prompt": "bold", "bottom-toolbar": "noreverse ansibrightblack", "lost": "ansiyellow"})


class TerminalFront:
    """A terminal with a person at it. Use it by `async with`; what is said while a line is typed stands above it."""

    is_terminal = True

    def __init__(self, *, keeps_history: bool = True, settings: ScreenSettings = _USUAL) -> None:
        self._attention = Attention(sys.stdout, settings)
        self._colour = has_colour(sys.stdout)
        self._status: Callable[[], Status] = lambda: Status("", True)
        self._completer = _Completer()
        self._session: PromptSession[str] = PromptSession(
            history=_history() if keeps_history else InMemoryHistory(),
            completer=self._completer,
            complete_while_typing=False,
            key_bindings=self._keys(),
            style=_STYLE,
            bottom_toolbar=self._toolbar,
            interrupt_exception=LineCancelledError,
        )
        self._question: PromptSession[str] = PromptSession(
            history=InMemoryHistory(),
            completer=self._completer,
            complete_while_typing=False,
            style=_STYLE,
            interrupt_exception=LineCancelledError,
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
        return await self._session.prompt_async([("class:prompt", prompt)], default=default)

    async def ask(self, question: str) -> str:
        """The answer to a question; a pasted line answers it too. `LineCancelledError` for Ctrl-C and Ctrl-D."""
        if self._is_ended:
            raise EOFError
        if self._pasted:
            return self._pasted.popleft()
        try:
            # The caller handles SIGINT itself while a command runs.
            return (await self._question.prompt_async([("class:prompt", question)], handle_sigint=False)).strip()
        except EOFError:
            if self._is_ended:
                raise
            raise LineCancelledError from None  # Ctrl-D leaves the question, not the client

    def say(self, text: str) -> None:
        """Write above the prompt."""
        self._write(text)

    def confirm(self, text: str) -> None:
        """Write a sentence above the prompt."""
        self._write(_wrapped(text))

    def warn(self, text: str) -> None:
        """Write above the prompt, or below the board while that is shown."""
        if self._board_view is not None:
            self._board_view.say(text)
        else:
            self._write(paint(_wrapped(text), "warning", colour=self._colour))

    def hear(self, lines: Sequence[str]) -> None:
        """Write above the prompt, or the last one below the board while that is shown."""
        if self._board_view is not None:
            self._board_view.say(lines[-1])
        else:
            self._write("\n".join(paint(_wrapped(line), "dim", colour=self._colour) for line in lines))

    def call(self, text: str) -> None:
        """Ring the bell, and notify the desktop."""
        self._attention.call(text)

    def show(self, reply: Shown) -> None:
        """The reply as a table."""
        width = shutil.get_terminal_size().columns
        table = draw(reply, width=width, colour=self._colour, now_ms=time.time_ns() // 1_000_000)
        self._write(table.rstrip("\n"))

    def show_prices(self, prices: list[Price]) -> None:
        """A line each, above the prompt."""
        width = shutil.get_terminal_size().columns
        self._write("\n".join(price_line(price, colour=self._colour, width=width) for price in prices))

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

    async def show_board(self, view: BoardView) -> Ending:
        """Show the board until it is ended, and return how it ended."""
        self._board, self._board_view = BoardScreen(view), view
        try:
            return await self._board.run()
        finally:
            self._board = self._board_view = None
            self._flush()

    async def __aenter__(self) -> "TerminalFront":
        self._quiet = contextlib.ExitStack()
        self._quiet.enter_context(_without_echo(sys.stdin.fileno()))
        self._calling = asyncio.create_task(self._attention.run(), name="terminal: bells and notifications")
        return self

    async def __aexit__(self, *_: object) -> None:
        await end(self._calling)
        if self._writing is not None:
            self._writing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._writing
        self._flush()
        self._quiet.close()

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


def _wrapped(text: str) -> str:
    """A sentence in lines that end between words."""
    return textwrap.fill(text, max(20, shutil.get_terminal_size().columns - 1), break_on_hyphens=False)


class _Completer(Completer):
    """Command words first, then the symbols that were seen."""

    def __init__(self) -> None:
        self._symbols: dict[str, None] = {}

    def learn(self, symbols: Iterable[str]) -> None:
        self._symbols.update(dict.fromkeys(symbols))
        while len(self._symbols) > _MAX_SEEN:
            del self._symbols[next(iter(self._symbols))]

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        before = document.text_before_cursor.lstrip()
        word, space, rest = before.partition(" ")
        if not space:
            for each in WORDS.values():
                if each.name.startswith(word.lower()):
                    yield Completion(each.name, -len(word), display_meta=each.help)
            return
        if word.lower() in WORDS and not WORDS[word.lower()].takes_symbols:
            return
        before_it, _, begun = rest.replace(",", " ").rpartition(" ")
        if before_it.strip() and word.lower() in WORDS and (then := WORDS[word.lower()].then):
            for following in then:
                if following.startswith(begun.lower()):
                    yield Completion(following, -len(begun))
            return
        begun = begun.upper()
        for symbol in sorted(self._symbols):
            if symbol.startswith(begun):
                yield Completion(symbol, -len(begun))


class _QuietHistory(FileHistory):
    """A history file; that it can't be read or written stops no command."""

    def store_string(self, string: str) -> None:
        with contextlib.suppress(OSError):
            super().store_string(string)

    def load_history_strings(self) -> Iterable[str]:
        try:
            return list(super().load_history_strings())
        except OSError:
            return []


def history_file() -> Path:
    """Where the prompt's history is kept: in the data folder, like everything that StockTrack keeps."""
    return find_data_folder() / "client_history"


def _history() -> History:
    try:
        path = history_file()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)
    except (OSError, ConfigError):
        # The prompt works without a history too.
        return InMemoryHistory()
    return _QuietHistory(path)


@contextlib.contextmanager
def _without_echo(descriptor: int) -> Iterator[None]:
    """Between two prompts too, what is typed ahead is neither echoed nor cut into lines; Ctrl-C still interrupts."""
    before = termios.tcgetattr(descriptor)
    quiet = termios.tcgetattr(descriptor)
    quiet[0] &= ~termios.ICRNL
    quiet[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(descriptor, termios.TCSANOW, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSANOW, before)
