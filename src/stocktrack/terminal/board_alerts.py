"""The alerts that fired while a board was open: whose rows flash, and what is told until it is read; no I/O."""

from collections import deque
from collections.abc import Iterable
from typing import Final

from stocktrack.terminal.cells import wrapped

FLASH_MS: Final = 6_000
_PHASE_MS: Final = 1_000  # a second lit, a second not
_MAX_LINES: Final = 3
_MAX_UNREAD: Final = 1_000
MARK: Final = "*"


class BoardAlerts:
    """`put` alerts; they are unread until `read`."""

    def __init__(self) -> None:
        self._fired_at: dict[str, int] = {}  # by symbol, of those that are unread
        self._unread: deque[str] = deque(maxlen=_MAX_UNREAD)

    def put(self, symbols: Iterable[str], text: str, now_ms: int) -> None:
        """Take a sentence about some symbols."""
        for symbol in symbols:
            self._fired_at[symbol] = now_ms
        self._unread.append(text)

    def read(self) -> None:
        """Everything was read."""
        self._fired_at.clear()
        self._unread.clear()

    @property
    def are_any(self) -> bool:
        """Whether there is something to read."""
        return bool(self._unread)

    def is_marked(self, symbol: str) -> bool:
        """Whether there is something to read about it."""
        return symbol in self._fired_at

    def is_lit(self, symbol: str, now_ms: int) -> bool:
        """Whether its row is drawn reversed at this moment."""
        at_ms = self._fired_at.get(symbol)
        if at_ms is None:
            return False
        since_ms = now_ms - at_ms
        return 0 <= since_ms < FLASH_MS and since_ms // _PHASE_MS % 2 == 0

    def lines(self, width: int) -> list[str]:
        """The newest sentence in lines of at most `width` cells, and how many there are before it."""
        if not self._unread:
            return []
        more = len(self._unread) - 1
        text = f"{MARK} {self._unread[-1]}" + (f"  (and {more} before)" if more else "")
        return wrapped(text, max(20, width), max_lines=_MAX_LINES)
