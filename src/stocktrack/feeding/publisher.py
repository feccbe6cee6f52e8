"""Publishes the board at Redis, or its part of it: each change as a message and as the value that is read later.

Nothing is queued: what changes while Redis is busy is merged to the newest of each symbol. Redis itself looks, in one
step with the publishing, whether this feed still leads: one that stood still for a while publishes nothing old.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from stocktrack.clock import Clock
from stocktrack.engine.client import EngineError, translated
from stocktrack.engine.lease import Lease
from stocktrack.engine.names import LEADER, PRICE_EXPIRY_SECONDS, SEQ, price_name
from stocktrack.engine.shards import Shard
from stocktrack.market.board import Board, Entry
from stocktrack.providers.published import encode_published

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger()

# Of one batch. On TCP a piece that is larger than the other side's window waits for the acknowledgment of its first
# part, 40 ms: with 190 KB half of the time went by so.
_BATCH_BYTES: Final = 90_000
_RETRY_SECONDS: Final = 0.25
# The keys are that of the lease, that of the highest seq, and the prices'; the arguments the holder of the lease, for
# how long a price is kept, the highest seq, and the prices. A Redis that is full keeps nothing new, and still delivers.
_PUBLISH: Final = """
if redis.call('get', KEYS[1]) ~= ARGV[1] then return redis.error_reply('LOST the lease') end
local why = false
for i = 3, #KEYS do
  local kept = redis.pcall('set', KEYS[i], ARGV[i + 1], 'EX', ARGV[2])
  if kept['err'] then why = kept['err'] end
  redis.call('publish', KEYS[i], ARGV[i + 1])
end
local highest = redis.pcall('get', KEYS[2])
if (tonumber(type(highest) == 'string' and highest) or 0) < tonumber(ARGV[3]) then
  redis.pcall('set', KEYS[2], ARGV[3])
end
return why
"""


@dataclass(slots=True)
class Highest:
    """The highest `seq` that was about to be published, wherever."""

    seq: int = 0


class Publisher:
    """A `Tap` of the board; `run` for as long as it should publish, which it does while the lease is held.

    It publishes what `shard` holds, and leaves with it the `highest` number of those that publish beside it.
    """

    def __init__(
        self,
        redis: "Redis",
        place: str,
        instance: str,
        clock: Clock,
        lease: Lease,
        *,
        shard: Shard = Shard(),  # noqa: B008 - it is frozen
        highest: Highest | None = None,
    ) -> None:
        self._shard = shard
        self._redis = redis
        self._place = place
        self._instance = instance
        self._clock = clock
        self._lease = lease
        self._pending: dict[str, Entry] = {}
        self._has_news = asyncio.Event()
        self._highest = highest or Highest()
        self._is_full = False  # whether Redis keeps nothing new
        self.published = 0
        self.merged = 0
        self.failures = 0

    def take(self, changed: Sequence[Entry], renewed: Sequence[Entry]) -> None:
        """Have these published; what is only renewed as well, since it says how old a price is."""
        for entries in (changed, renewed):
            for entry in entries:
                if not self._shard.holds(entry.symbol):
                    continue
                if entry.symbol in self._pending:
                    self.merged += 1
                self._pending[entry.symbol] = entry
        if self._pending:
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
            if not self._lease.is_held:
                await self._clock.sleep(_RETRY_SECONDS)
                continue
            batch = self._next_batch()
            try:
                await self._publish(batch)
                was_told = False
            except EngineError as error:
                self.failures += 1
                # That a Redis is away tells who holds its lease, where there are several.
                is_mine = self._lease.under is None or error.is_refused
                if not was_told and is_mine and self._lease.is_held:
                    was_told = True
                    log.warning("prices cannot be published", why=error.message)
                await self._clock.sleep(_RETRY_SECONDS)
            finally:
                for entry in batch:
                    self._pending.setdefault(entry.symbol, entry)
                if not self._pending:
                    self._has_news.clear()

    def _next_batch(self) -> dict[Entry, bytes]:
        """What waits, the oldest first, with its payloads: as much as one batch holds."""
        batch: dict[Entry, bytes] = {}
        size = 0
        while self._pending and size < _BATCH_BYTES:
            entry = self._pending.pop(next(iter(self._pending)))
            assert entry.quote is not None  # noqa: S101 - it was put on the board
            batch[entry] = payload = encode_published(entry.quote, self._instance)
            self._highest.seq = max(self._highest.seq, entry.seq)
            size += len(payload)
        return batch

    async def _publish(self, batch: dict[Entry, bytes]) -> None:
        """In one step: whoever reads sees a value and gets its message, or neither. What was sent leaves `batch`."""
        keys = [LEADER, SEQ, *(price_name(entry.symbol) for entry in batch)]
        highest = self._highest.seq
        with translated(self._place):
            why = await self._redis.eval(
                _PUBLISH, len(keys), *keys, self._lease.holder, PRICE_EXPIRY_SECONDS, highest, *batch.values()
            )
        self.published += len(batch)
        batch.clear()
        if bool(why) != self._is_full:
            self._is_full = bool(why)
            if why:
                log.warning("prices are published, but not kept: who comes later waits for the next", why=why.decode())
            else:
                log.info("prices are kept again")
