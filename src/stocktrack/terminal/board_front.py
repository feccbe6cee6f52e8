"""The interactive client on the board: commands are typed below it, and what they answer is laid over it."""

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Self, TypeVar

from prompt_toolkit.history import History, InMemoryHistory

from stocktrack.clock import end
from stocktrack.messages import Price
from stocktrack.terminal.attention import Attention
from stocktrack.terminal.board_screen import BoardActions, BoardScreen, Ending
from stocktrack.terminal.board_view import BoardView
from stocktrack.terminal.drawings import Drawing
from stocktrack.terminal.fronts import LineCancelledError, Status, wrapped
from stocktrack.terminal.line_completer import LineCompleter
from stocktrack.terminal.line_history import line_history
from stocktrack.terminal.screen_settings import ScreenSettings
from stocktrack.terminal.tables import draw
from stocktrack.terminal.text import Shown, has_colour
from stocktrack.terminal.text_page import TextPage

# Sentences of so many lines have room below the board; what is longer is a page over it.
_MOST_LINES = 2
# What runs when the board is left has so long to come to its end.
LAST_SECONDS = 2.0
# A command that has no answer by then says how it is given up.
SLOW_SECONDS = 1.0

Result = TypeVar("Result")


class BoardFront:
    """Lines that are typed behind the board's colon, and answers as its message or as a page. Use it by `async with`.

    What is said before `open` and while no command runs is a message.
    """

    is_terminal = True

    def __init__(self, view: BoardView, *, keeps_history: bool, settings: ScreenSettings) -> None:
        self._view = view
        self._attention = Attention(sys.stdout, settings)
        self._colour = has_colour(sys.stdout)
        self._completer = LineCompleter()
        self._history: History = line_history() if keeps_history else InMemoryHistory()
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._running: asyncio.Task[Any] | None = None  # the command that runs
        self._typed: str | None = None  # what it was, until the next one is read
        self._sentences: list[str] = []
        self._answers: list[Drawing] = []
        self._screen: BoardScreen | None = None
        self._showing: asyncio.Task[Ending] | None = None
        self._is_asking = False
        self._is_slow = False  # and the board says so
        self._giving_up: asyncio.TimerHandle | None = None
        self._is_ended = False

    async def __aenter__(self) -> Self:
        self._calling = asyncio.create_task(self._attention.run(), name="board: bells and notifications")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._screen is not None:
            self._screen.end()
        if self._showing is not None:
            await asyncio.wait([self._showing])
        if self._giving_up is not None:
            self._giving_up.cancel()
        await end(self._calling)

    def open(self, actions: BoardActions) -> None:
        """Take the terminal; from now on `actions` do what keys ask for."""
        self._screen = BoardScreen(self._view, actions=actions, completer=self._completer, history=self._history)
        if self._is_ended:
            self._screen.end()
        self._showing = asyncio.create_task(self._screen.run(), name="board: screen")
        self._showing.add_done_callback(lambda _: self._leave())

    def _leave(self) -> None:
        """The board is closed: what was entered is run, but nobody waits for long."""
        self._lines.put_nowait(None)
        self._giving_up = asyncio.get_running_loop().call_later(LAST_SECONDS, self._give_up)

    def _give_up(self) -> None:
        self.interrupt()
        self._lines.put_nowait(None)

    @property
    def ending(self) -> Ending | None:
        """How the board ended, None while it has not; raises what its screen raised."""
        return self._showing.result() if self._showing is not None and self._showing.done() else None

    def enter(self, line: str) -> None:
        """Take a line to be run."""
        self._lines.put_nowait(line)

    def interrupt(self) -> bool:
        """Give up the command that runs, and those that wait behind it; False where none does."""
        if self._running is None:
            return False
        while not self._lines.empty():
            self._lines.get_nowait()
        self._running.cancel()
        return True

    async def interruptible(self, work: Coroutine[Any, Any, Result]) -> Result:
        """The result of `work`; `LineCancelledError` where it was given up by `interrupt`."""
        running = asyncio.ensure_future(work)
        self._running = running
        telling = asyncio.get_running_loop().call_later(SLOW_SECONDS, self._tell_slow)
        try:
            return await running
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if running.cancelled() and (task is None or not task.cancelling()):
                self._sentences, self._answers = ["Given up."], []
                raise LineCancelledError from None
            running.cancel()
            raise
        finally:
            telling.cancel()
            self._running = None

    def _tell_slow(self) -> None:
        if self._typed and not self._is_asking:
            self._is_slow = True
            self._view.say(f":{self._typed} takes its time; ctrl-c gives it up.")

    async def read_line(self, prompt: str, status: Callable[[], Status]) -> str:
        """The next line that was entered; what was said since the last one is shown, as that has been run."""
        self._present()
        line = await self._lines.get()
        if line is None:
            raise EOFError
        self._typed = line.strip()
        return line

    async def ask(self, question: str) -> str:
        """The answer to a question, asked below the board; `LineCancelledError` where it is left."""
        if self._screen is None or self._showing is None or self._is_ended:
            raise EOFError
        asking = asyncio.create_task(self._screen.ask(question), name="board: question")
        self._is_asking = True
        try:
            await asyncio.wait([asking, self._showing], return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                raise EOFError  # nobody is there to answer
            return asking.result()
        finally:
            self._is_asking = False
            await end(asking)

    def say(self, text: str) -> None:
        """Show text on the page of the command that runs."""
        self._answers.append(lambda _: text)

    def lay_out(self, drawing: Drawing) -> None:
        """Show it on the page of the command that runs, and draw it again where the terminal is resized."""
        self._answers.append(drawing)

    def confirm(self, text: str) -> None:
        """Say a sentence: below the board, or on the page."""
        if self._typed is None:
            self._view.say(text)
        else:
            self._sentences.append(text)

    def warn(self, text: str) -> None:
        """Say a sentence: below the board, or on the page."""
        self.confirm(text)

    def hear(self, lines: Sequence[str]) -> None:
        """The last one below the board."""
        self._view.say(lines[-1])

    def call(self, text: str) -> None:
        """Ring the bell, and notify the desktop."""
        self._attention.call(text)

    def show(self, reply: Shown) -> None:
        """The reply as a table on the page."""
        now_ms = time.time_ns() // 1_000_000
        self.lay_out(lambda size: draw(reply, width=size.columns, colour=self._colour, now_ms=now_ms))

    def show_prices(self, prices: list[Price]) -> None:
        """The board shows them."""

    def learn(self, symbols: Iterable[str]) -> None:
        """Complete these from now on."""
        self._completer.learn(symbols)

    def end_input(self) -> None:
        """Make the waiting or the next `read_line` see the end of the input, and end the board."""
        self._is_ended = True
        if self._screen is not None:
            self._screen.end()
        self._lines.put_nowait(None)

    def _present(self) -> None:
        """Show what the command said that has been run."""
        typed, self._typed = self._typed, None
        sentences, answers = self._sentences, self._answers
        told = " ".join(sentences)
        if answers or len(told) > _MOST_LINES * (shutil.get_terminal_size().columns - 1):
            self._view.open_page(TextPage(typed or "", lambda size: _laid_out(answers, sentences, size)))
        elif told or self._is_slow:
            self._view.say(told)
        self._sentences, self._answers, self._is_slow = [], [], False


def _laid_out(answers: Sequence[Drawing], sentences: Sequence[str], size: os.terminal_size) -> str:
    drawn = (drawing(size).strip("\n") for drawing in answers)
    return "\n".join([*drawn, *(wrapped(sentence, size.columns) for sentence in sentences)])
