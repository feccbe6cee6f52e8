"""Publishes the board at Redis: each change as a message and as the value that whoever comes later reads.

Nothing is queued: what changes while Redis is busy is merged to the newest of each symbol.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import structlog

from stocktrack.clock import Clock
from stocktrack.engine.client import EngineError, translated
from stocktrack.engine.names import SEQ, price_name
from stocktrack.market.board import Board, Entry
from stocktrack.providers.published import encode_published

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger()

# A price that nobody renews goes after so long: longer than the market is closed over a long weekend.
EXPIRY_SECONDS: Final = 5 * 86_400
_BATCH: Final = 500
_RETRY_SECONDS: Final = 0.25


class Publisher:
    """A `Tap` of the board; `run` for as long as it should publish. ``may_publish()`` says whether it may now."""

    def __init__(
        self, redis: "Redis", place: str, instance: str, clock: Clock, *, may_publish: Callable[[], bool]
    ) -> None:
        self._redis = redis
        self._place = place
        self._instance = instance
        self._clock = clock
        self._may_publish = may_publish
        self._pending: dict[str, Entry] = {}
        self._has_news = asyncio.Event()
        self._highest_seq = 0
        self.published = 0
        self.merged = 0
        self.failures = 0

    def take(self, changed: Sequence[Entry], renewed: Sequence[Entry]) -> None:
        """Have these published; what is only renewed as well, since it says how old a price is."""
        for entries in (changed, renewed):
            for entry in entries:
                if entry.symbol in self._pending:
                    self.merged += 1
                self._pending[entry.symbol] = entry
        self._has_news.set()

    def publish_all(self, board: Board) -> None:
        """Have everything that is watched published again."""
        entries = (board.entry(symbol) for symbol in board.watched())
        self.take([entry for entry in entries if entry is not None and entry.quote is not None], ())

    async def run(self) -> None:
        """Publish what comes; what Redis did not take is tried again, with what it has become meanwhile."""
        was_told = False
        while True:
            await self._has_news.wait()
            if not self._may_publish():
                await self._clock.sleep(_RETRY_SECONDS)
                continue
            batch = [self._pending.pop(symbol) for symbol in list(self._pending)[:_BATCH]]
            try:
                await self._publish(batch)
                was_told = False
            except EngineError as error:
                self.failures += 1
                for entry in batch:
                    self._pending.setdefault(entry.symbol, entry)
                if not was_told:
                    was_told = True
                    log.warning("prices cannot be published", why=error.message)
                await self._clock.sleep(_RETRY_SECONDS)
            if not self._pending:
                self._has_news.clear()

    async def _publish(self, batch: Sequence[Entry]) -> None:
        """One transaction: whoever reads sees a value and gets its message, or neither."""
        with translated(self._place):
            async with self._redis.pipeline(transaction=True) as pipe:
                for entry in batch:
                    assert entry.quote is not None  # noqa: S101 - it was put on the board
                    name, payload = price_name(entry.symbol), encode_published(entry.quote, self._instance)
                    self._highest_seq = max(self._highest_seq, entry.seq)
                    pipe.set(name, payload, ex=EXPIRY_SECONDS)
                    pipe.publish(name, payload)
                pipe.set(SEQ, self._highest_seq)
                await pipe.execute()
        self.published += len(batch)
