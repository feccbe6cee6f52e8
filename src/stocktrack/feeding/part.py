"""One of the Redis that a feed publishes at: its clients, and the lease without which it takes no price."""

import contextlib

import structlog

from stocktrack.clock import Clock
from stocktrack.engine.client import EngineError, open_redis, place_of, translated
from stocktrack.engine.lease import LEASE_SECONDS, Lease
from stocktrack.engine.names import LEADER, SEQ, SHARD
from stocktrack.engine.shards import Shard

log = structlog.get_logger()

# Whoever asks Redis for longer than its lease has lost it.
_TIMEOUT_SECONDS = LEASE_SECONDS / 2


class Part:
    """The Redis at `url`, which is `shard`. Its lease is that of the home, or one `under` it."""

    def __init__(self, url: str, shard: Shard, holder: str, clock: Clock, *, under: Lease | None) -> None:
        self.shard = shard
        self.place = place_of(url)
        self.redis = open_redis(url, timeout_seconds=_TIMEOUT_SECONDS)
        # Of its own: no crowd of answers may come before it.
        self._lease_redis = open_redis(url, timeout_seconds=_TIMEOUT_SECONDS, max_connections=2)
        self.lease = Lease(self._lease_redis, self.place, LEADER, holder, clock, under=under)

    async def seq(self) -> int:
        """At least the highest number that was published here; `EngineError`."""
        with translated(self.place):
            seq = await self.redis.get(SEQ)
        try:
            return int(seq or 0)
        except ValueError:
            raise EngineError(f"{self.place} holds under {SEQ} what is no number: delete it.") from None

    async def mark(self) -> None:
        """Say here which of several Redis this is, so that servers see whether they believe the same."""
        if self.shard.count == 1:
            return
        with contextlib.suppress(EngineError), translated(self.place):
            before = await self.redis.set(SHARD, str(self.shard), get=True)
            if isinstance(before, bytes) and before != str(self.shard).encode():
                log.warning(
                    "this Redis had another part of the prices: give redis_url alike and in one order everywhere",
                    place=self.place,
                    before=before.decode(errors="replace")[:20],
                    now=str(self.shard),
                )

    async def close(self) -> None:
        """Close the clients."""
        for redis in (self.redis, self._lease_redis):
            with contextlib.suppress(Exception):  # it is given up in any case
                await redis.aclose()
