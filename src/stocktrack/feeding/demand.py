"""Which symbols anybody at Redis wants: who subscribes to the channel of one, and who says so a moment before."""

import re
from typing import TYPE_CHECKING, Final

import structlog

from stocktrack.clock import Clock
from stocktrack.engine.client import EngineError, translated
from stocktrack.engine.names import PRICES, read_json
from stocktrack.engine.shards import Shard
from stocktrack.market.board import Basket, Board
from stocktrack.quotes import normalise_symbol

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger()

LOOK_SECONDS: Final = 1.0
# A word that something is wanted holds for so long, until its channel shows.
_HINT_SECONDS: Final = 5.0
# Somebody may subscribe to any name; the sources are asked for so many symbols at most.
MAX_SYMBOLS: Final = 50_000
_GLOB: Final = re.escape(PRICES) + "*"


class WantedSymbols:
    """Has `board` watch what is wanted. `run` for as long as it should; a `Watcher` that looks at nothing.

    Of several Redis each tells of what `shard` holds: what is followed elsewhere could not be heard there.
    Who follows a pattern of channels instead of channels makes no demand: Redis does not tell of them.
    """

    def __init__(
        self,
        redis: "Redis",
        place: str,
        board: Board,
        clock: Clock,
        *,
        shard: Shard = Shard(),  # noqa: B008 - it is frozen
    ) -> None:
        self._shard = shard
        self._redis = redis
        self._place = place
        self._board = board
        self._clock = clock
        self._watched: dict[str, Basket] = {}
        self._hinted: dict[str, float] = {}  # until when (monotonic)
        self._is_too_many = False
        self._was_refused = False

    def __len__(self) -> int:
        return len(self._watched)

    def wake(self) -> None:
        """A price changed, which the taps of the board take."""

    def hint(self, payload: bytes) -> None:
        """Take a word of what is wanted from now on: a list of symbols."""
        named = read_json(payload)
        if isinstance(named, list):
            until = self._clock.monotonic() + _HINT_SECONDS
            symbols = [symbol for each in named[:MAX_SYMBOLS] if (symbol := self._symbol(each)) is not None]
            # Words without end, each of other symbols, are no more than that many.
            symbols = symbols[: max(0, MAX_SYMBOLS - len(self._hinted))]
            self._hinted |= dict.fromkeys(symbols, until)
            self._watch(symbols)

    async def run(self) -> None:
        """Look every second what is wanted; while Redis does not tell, that is what it was."""
        while True:
            await self.look_if_allowed()
            await self._clock.sleep(LOOK_SECONDS)

    async def look_if_allowed(self) -> None:
        """`look`, where Redis answers and lets it; the log is told once where it does not let it."""
        try:
            await self.look()
            self._was_refused = False
        except EngineError as error:
            if error.is_refused and not self._was_refused:  # of all else whoever holds the lease tells the log
                self._was_refused = True
                log.warning("it cannot be seen what is wanted; only hints are followed", why=error.message)

    async def look(self) -> None:
        """Watch what is wanted now, and nothing else; `EngineError`."""
        with translated(self._place):
            channels = await self._redis.pubsub_channels(_GLOB)
        names = (
            channel.decode(errors="replace").removeprefix(PRICES) for channel in channels if isinstance(channel, bytes)
        )
        wanted = {symbol for name in names if (symbol := self._symbol(name)) is not None}
        if len(wanted) > MAX_SYMBOLS and not self._is_too_many:
            log.warning("more symbols are wanted at Redis than are asked for", wanted=len(wanted), most=MAX_SYMBOLS)
        self._is_too_many = len(wanted) > MAX_SYMBOLS
        now = self._clock.monotonic()
        self._hinted = {symbol: until for symbol, until in self._hinted.items() if until > now}
        wanted.update(self._hinted)
        for symbol in [symbol for symbol in self._watched if symbol not in wanted]:
            self._board.unwatch(self._watched.pop(symbol), self)
        self._watch(sorted(wanted))

    def _symbol(self, name: object) -> str | None:
        symbol = _symbol(name)
        return symbol if symbol is not None and self._shard.holds(symbol) else None

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
