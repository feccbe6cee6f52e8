"""The line at the foot of the board: commands behind a colon, and the answers to questions."""

import asyncio
from collections.abc import Callable

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import Completer
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import BufferControl, ConditionalContainer, HSplit, Layout, Window
from prompt_toolkit.layout.processors import BeforeInput

from stocktrack.quotes import clean_text
from stocktrack.terminal.fronts import LineCancelledError

COMMAND = ":"
_MAX_PREFIX = 200


class FootLine:
    """`begin` opens it for a command, which goes to `enter`; `ask` opens it for an answer. Esc and Ctrl-C close it.

    A question that comes while a command is typed waits until that is entered or left.
    """

    def __init__(self, enter: Callable[[str], object], *, completer: Completer, history: History) -> None:
        self._enter = enter
        self._commands = Buffer(
            name="command", completer=completer, history=history, multiline=False, accept_handler=self._entered
        )
        # What is answered is no command, and stands in nobody's history.
        self._answers = Buffer(
            name="answer",
            completer=completer,
            history=InMemoryHistory(),
            multiline=False,
            accept_handler=self._answered,
        )
        self._answer: asyncio.Future[str] | None = None
        self._question = ""
        self._is_commanding = False
        self._layout: Layout | None = None
        self._before: Window | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is typed at."""
        return self._is_commanding or self._answer is not None

    def container(self) -> HSplit:
        """Its line of the layout, where it is open."""
        self._command_window = Window(
            BufferControl(self._commands, input_processors=[BeforeInput(COMMAND, "class:symbol")]), height=1
        )
        self._answer_window = Window(
            BufferControl(self._answers, input_processors=[BeforeInput(lambda: [("class:symbol", self._question)])]),
            height=1,
        )
        return HSplit(
            [
                ConditionalContainer(self._command_window, Condition(lambda: self._is_commanding)),
                ConditionalContainer(
                    self._answer_window, Condition(lambda: self._answer is not None and not self._is_commanding)
                ),
            ]
        )

    def attach(self, layout: Layout, board: Window) -> None:
        """Take the keyboard in `layout` while it is open, and give it back to `board`."""
        self._layout, self._before = layout, board

    def begin(self) -> None:
        """Open it for a command."""
        self._is_commanding = True
        self._commands.reset()
        self._focus()

    async def ask(self, question: str) -> str:
        """The answer to a question, without spaces around it; `LineCancelledError` where it is left."""
        self._question = clean_text(question, _MAX_PREFIX) + " "
        self._answers.reset()
        self._answer = asyncio.get_running_loop().create_future()
        self._focus()
        try:
            return (await self._answer).strip()
        finally:
            self._answer = None
            self._focus()

    def close(self) -> None:
        """Close it; what was typed is dropped, and a question has no answer."""
        if self._is_commanding:
            self._is_commanding = False
            self._commands.reset()
        elif self._answer is not None and not self._answer.done():
            self._answer.set_exception(LineCancelledError())
        self._focus()

    def keys(self) -> KeyBindings:
        """The keys that are its own; the others edit what is typed."""
        keys = KeyBindings()
        is_open = Condition(lambda: self.is_open)

        @keys.add("escape", filter=is_open, eager=True)
        @keys.add("c-c", filter=is_open)
        @keys.add("c-d", filter=is_open)
        def _(_: KeyPressEvent) -> None:
            self.close()

        @keys.add("backspace", filter=is_open & Condition(lambda: self._is_commanding and not self._commands.text))
        def _(_: KeyPressEvent) -> None:
            self.close()

        @keys.add(Keys.BracketedPaste, filter=is_open)
        def _(event: KeyPressEvent) -> None:
            """Run the lines of a paste one after the other; what follows the last line's end stays to be edited."""
            buffer = event.current_buffer
            first, *lines = event.data.replace("\r\n", "\n").replace("\r", "\n").split("\n")
            buffer.insert_text(first)
            if not lines or not self._is_commanding:
                return
            self._enter(buffer.text)
            *whole, rest = lines
            for line in whole:
                self._enter(line)
            buffer.reset()
            buffer.insert_text(rest)
            if not rest:
                self.close()

        return keys

    def _entered(self, buffer: Buffer) -> bool:
        text = buffer.text
        self._is_commanding = False
        self._focus()
        self._enter(text)
        return False  # the text is dropped

    def _answered(self, buffer: Buffer) -> bool:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(buffer.text)
        return False

    def _focus(self) -> None:
        if self._layout is None or self._before is None:
            return
        if self._is_commanding:
            self._layout.focus(self._command_window)
        elif self._answer is not None:
            self._layout.focus(self._answer_window)
        else:
            self._layout.focus(self._before)
