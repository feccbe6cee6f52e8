"""The interactive client on a terminal that can do nothing but print (`TERM=dumb`), with a person at it."""

import shutil
import sys
import time
from collections.abc import Callable, Sequence

from stocktrack.messages import Price
from stocktrack.terminal.fronts import PipeFront, Status, wrapped
from stocktrack.terminal.tables import draw
from stocktrack.terminal.text import Shown, price_line


class PlainFront(PipeFront):
    """A prompt and tables without colours; what comes meanwhile is printed, and the prompt again below it."""

    is_terminal = True

    def __init__(self) -> None:
        super().__init__()
        self._asked = ""  # the prompt or the question that waits for its line
        self._shown: dict[str, float] = {}

    async def read_line(self, prompt: str, status: Callable[[], Status]) -> str:
        """The next line that was typed behind the prompt."""
        self._asked = prompt
        self._print(prompt)
        try:
            return await super().read_line(prompt, status)
        except EOFError:
            self._print("\n")
            raise
        finally:
            self._asked = ""

    async def ask(self, question: str) -> str:
        """The answer to a question; Ctrl-D ends the client, as a terminal of this kind cannot take it back."""
        return (await self.read_line(question, lambda: Status("", True))).strip()

    def say(self, text: str) -> None:
        """Write lines, and the prompt again below them."""
        if self._asked:
            self._print(f"\n{text}\n{self._asked}")
        else:
            self._print(f"{text}\n")

    def confirm(self, text: str) -> None:
        """Write a sentence."""
        self.say(wrapped(text))

    def warn(self, text: str) -> None:
        """Write a sentence."""
        self.say(wrapped(text))

    def hear(self, lines: Sequence[str]) -> None:
        """A line each."""
        self.say("\n".join(map(wrapped, lines)))

    def show(self, reply: Shown) -> None:
        """The reply as a table."""
        now_ms = time.time_ns() // 1_000_000
        self.lay_out(lambda size: draw(reply, width=size.columns, colour=False, now_ms=now_ms))

    def show_prices(self, prices: list[Price]) -> None:
        """A line for each that is another one than before."""
        width = shutil.get_terminal_size().columns
        moved = [price for price in prices if self._shown.get(price.symbol) != price.price]
        self._shown.update({price.symbol: price.price for price in moved})
        if moved:
            self.say("\n".join(price_line(price, colour=False, width=width) for price in moved))

    def _print(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()
