"""Which symbols are wanted: what somebody watches, and for a short grace what somebody watched until a moment ago."""

import asyncio
from collections.abc import Collection

from stocktrack.clock import Clock
from stocktrack.market.board import Board

GRACE_SECONDS = 10.0  # how long a symbol is wanted after its last watcher went


class Demand:
    """The symbols to ask the sources for."""

    def __init__(self, board: Board, clock: Clock) -> None:
        self._board = board
        self._clock = clock
        # Symbols that nobody watches any more, and the moment (monotonic) until which they are wanted all the same.
        self._lingering: dict[str, float] = {}
        self._risen = asyncio.Event()

    def changed(self, symbol: str, is_wanted: bool) -> None:
        """Note that the first watcher of `symbol` came, or that its last one went."""
        if is_wanted:
            self._lingering.pop(symbol, None)
            self._risen.set()
        else:
            self._lingering[symbol] = self._clock.monotonic() + GRACE_SECONDS

    def wanted(self) -> Collection[str]:
        """What is watched, or was until a moment ago."""
        now = self._clock.monotonic()
        self._lingering = {symbol: until for symbol, until in self._lingering.items() if until > now}
        return [*self._board.watched(), *self._lingering]

    async def rises(self) -> None:
        """Return when somebody begins to watch a symbol that nobody watched."""
        self._risen.clear()
        await self._risen.wait()
