"""Which symbols anybody at Redis wants: who subscribes to the channel of one, and who says so a moment before."""

import contextlib
import json
import re
from typing import TYPE_CHECKING, Final

from stocktrack.clock import Clock
from stocktrack.engine.client import EngineError, translated
from stocktrack.engine.names import PRICES
from stocktrack.market.board import Basket, Board
from stocktrack.quotes import normalise_symbol

if TYPE_CHECKING:
    from redis.asyncio import Redis

LOOK_SECONDS: Final = 1.0
# A word that something is wanted holds for so long, until its channel shows.
_HINT_SECONDS: Final = 5.0
# Somebody may subscribe to any name; the sources are asked for so many symbols at most.
MAX_SYMBOLS: Final = 50_000
_GLOB: Final = re.escape(PRICES) + "*"


class WantedSymbols:
    """Has `board` watch what is wanted. `run` for as long as it should; a `Watcher` that looks at nothing.

    Who follows a pattern of channels instead of channels makes no demand: Redis does not tell of them.
    """

    def __init__(self, redis: "Redis", place: str, board: Board, clock: Clock) -> None:
        self._redis = redis
        self._place = place
        self._board = board
        self._clock = clock
        self._watched: dict[str, Basket] = {}
        self._hinted: dict[str, float] = {}  # until when (monotonic)

    def __len__(self) -> int:
        return len(self._watched)

    def wake(self) -> None:
        """A price changed, which the taps of the board take."""

    def hint(self, payload: bytes) -> None:
        """Take a word of what is wanted from now on: a list of symbols."""
        try:
            named = json.loads(payload)
        except ValueError:
            return
        if isinstance(named, list):
            until = self._clock.monotonic() + _HINT_SECONDS
            symbols = [symbol for each in named[:MAX_SYMBOLS] if (symbol := _symbol(each)) is not None]
            self._hinted |= dict.fromkeys(symbols, until)
            self._watch(symbols)

    async def run(self) -> None:
        """Look every second what is wanted; while Redis does not tell, that is what it was."""
        while True:
            with contextlib.suppress(EngineError):  # whoever holds the lease tells the log
                await self.look()
            await self._clock.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Watch what is wanted now, and nothing else; `EngineError`."""
        with translated(self._place):
            channels = await self._redis.pubsub_channels(_GLOB)
        names = (
            channel.decode(errors="replace").removeprefix(PRICES) for channel in channels if isinstance(channel, bytes)
        )
        wanted = {symbol for name in names if (symbol := _symbol(name)) is not None}
        now = self._clock.monotonic()
        self._hinted = {symbol: until for symbol, until in self._hinted.items() if until > now}
        wanted.update(self._hinted)
        for symbol in [symbol for symbol in self._watched if symbol not in wanted]:
            self._board.unwatch(self._watched.pop(symbol), self)
        self._watch(sorted(wanted))

    def _watch(self, symbols: list[str]) -> None:
        for symbol in symbols:
            if symbol not in self._watched and len(self._watched) < MAX_SYMBOLS:
                self._watched[symbol] = self._board.watch((symbol,), self, eager=False)


def _symbol(name: object) -> str | None:
    """The symbol of this name; None where it is none, or is written in another way than its channel is."""
    if not isinstance(name, str):
        return None
    try:
        symbol = normalise_symbol(name)
    except ValueError:
        return None
    return symbol if symbol == name else None
