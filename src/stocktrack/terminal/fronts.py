"""What the interactive client asks of the place it runs in, and the plain one: lines in, lines out, no terminal."""

import asyncio
import os
import shutil
import sys
import textwrap
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from stocktrack.messages import Price
from stocktrack.terminal.board_row import Row
from stocktrack.terminal.drawings import Drawing, room_at_prompt
from stocktrack.terminal.line_cutter import LineCutter
from stocktrack.terminal.run import say, write_line
from stocktrack.terminal.text import Shown, has_colour, price_row, rows_of, tab_separated
from stocktrack.terminal.typed_commands import UsageError

_READ_BYTES = 65_536
_MAX_LINE_BYTES = 1_048_576


class LineCancelledError(Exception):
    """The person cancelled the line, the answer or the command by Ctrl-C."""


class Status(NamedTuple):
    """The state of the client in a few words, whether all is well, and the rows of what is pushed."""

    text: str
    is_well: bool
    pushed: Sequence[Row] = ()


class Asker(Protocol):
    """Where a person can be asked."""

    async def ask(self, question: str) -> str:
        """The answer to a question; `LineCancelledError` where it is not to be given, `EOFError` at the end."""
        ...


class Front(Protocol):
    """Where lines come from and answers go: a terminal with a prompt, or a pair of pipes."""

    is_terminal: bool

    async def read_line(self, prompt: str, status: Callable[[], Status]) -> str:
        """The next line, `status` shown while it is typed; `EOFError` at the end, `LineCancelledError` for Ctrl-C."""
        ...

    def say(self, text: str) -> None:
        """Show text that was asked for."""
        ...

    def lay_out(self, drawing: Drawing) -> None:
        """Show what was asked for as it is drawn for the room that there is."""
        ...

    def confirm(self, text: str) -> None:
        """Say that something was done."""
        ...

    def warn(self, text: str) -> None:
        """Say that something is wrong."""
        ...

    def hear(self, lines: Sequence[str]) -> None:
        """Show what other users said."""

    def call(self, text: str) -> None:
        """Draw the person's attention to what was just told."""
        ...

    def show(self, reply: Shown) -> None:
        """Show a reply."""
        ...

    def show_prices(self, prices: list[Price]) -> None:
        """Show pushes: as lines, or in the place that they have."""
        ...

    def learn(self, symbols: tuple[str, ...]) -> None:
        """Remember symbols that were seen, for completion."""
        ...

    def end_input(self) -> None:
        """Make the waiting or the next `read_line` see the end of the input."""
        ...


# Of a file that is read faster than its commands are run.
_MAX_LINES_AHEAD = 1_000


class PipeFront:
    """Commands from standard input, a line each; rows to standard output, the rest to standard error."""

    is_terminal = False

    def __init__(self) -> None:
        self._colour = has_colour(sys.stdout)
        self._lines: asyncio.Queue[str | UsageError | None] = asyncio.Queue()
        self._room = threading.Semaphore(_MAX_LINES_AHEAD)  # a coroutine handed over would be left where the loop ends
        self._reading: threading.Thread | None = None

    async def read_line(self, prompt: str, status: Callable[[], Status]) -> str:
        """The next line of standard input."""
        if self._reading is None:
            loop = asyncio.get_running_loop()
            # A daemon thread that reads the bare descriptor: neither a quiet pipe nor sys.stdin's lock delays the exit.
            self._reading = threading.Thread(target=self._read, args=(loop,), name="stdin", daemon=True)
            self._reading.start()
        line = await self._lines.get()
        self._room.release()
        if line is None:
            raise EOFError
        if isinstance(line, UsageError):
            raise line
        return line

    def say(self, text: str) -> None:
        """One line or several to standard output."""
        write_line(text)

    def lay_out(self, drawing: Drawing) -> None:
        """The same of what is drawn, as on a terminal."""
        self.say(drawing(room_at_prompt()).rstrip("\n"))

    def confirm(self, text: str) -> None:
        """One line to standard error."""
        say(text)

    def warn(self, text: str) -> None:
        """One line to standard error."""
        say(text)

    def hear(self, lines: Sequence[str]) -> None:
        """A line each to standard error."""
        for line in lines:
            say(line)

    def call(self, text: str) -> None:
        """Nobody sits here."""

    def show(self, reply: Shown) -> None:
        """The reply as tab-separated rows."""
        for row in rows_of(reply):
            write_line(tab_separated(row))

    def show_prices(self, prices: list[Price]) -> None:
        """A tab-separated row each."""
        for price in prices:
            write_line(tab_separated(price_row(price)))

    def learn(self, symbols: tuple[str, ...]) -> None:
        """Nothing is completed here."""

    def end_input(self) -> None:
        """End as at the end of the file; lines that were read but not run are dropped."""
        while not self._lines.empty():
            self._lines.get_nowait()
        self._lines.put_nowait(None)

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        lines = LineCutter(_MAX_LINE_BYTES)
        try:
            while data := os.read(sys.stdin.fileno(), _READ_BYTES):
                for line in lines.put(data):
                    self._hand_over(loop, line)
            for line in lines.end():
                self._hand_over(loop, line)
            self._hand_over(loop, None)
        except (OSError, RuntimeError):
            # The loop has ended, or the terminal was closed.
            return

    def _hand_over(self, loop: asyncio.AbstractEventLoop, line: bytes | None) -> None:
        handed: str | UsageError | None = None if line is None else line.decode(errors="replace")
        if line is not None and len(line) > _MAX_LINE_BYTES:
            handed = UsageError(f"A line is longer than {_MAX_LINE_BYTES:,} bytes: it was not run.")
        self._room.acquire()
        loop.call_soon_threadsafe(self._lines.put_nowait, handed)


def wrapped(text: str, columns: int | None = None) -> str:
    """A sentence in lines that end between words, of so many cells, or of the terminal's."""
    width = shutil.get_terminal_size().columns if columns is None else columns
    return textwrap.fill(text, max(20, width - 1), break_on_hyphens=False)
