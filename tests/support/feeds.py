"""A feed at a real Redis, with a market of its own in place of the world's."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from live_server import until
from redis_server import RedisServer
from stocktrack.clock import RealClock
from stocktrack.config import Settings
from stocktrack.feeding.feed import FeedProcess
from stocktrack.providers.base import Provider
from stocktrack.providers.simulated.provider import SimulatedProvider
from stocktrack.quotes import TradingDay

NOW_MS = 1_712_331_900_000


class Market(SimulatedProvider):
    """A market that says it is `redis`, and when it is open: what a server has by a feed looks like its own."""

    name = "redis"

    def __init__(self, *, interval_seconds: float = 0.02) -> None:
        super().__init__(interval_seconds=interval_seconds, seed=7, clock=RealClock())

    async def trading_day(self, symbol: str) -> TradingDay | None:
        """The same hours for all."""
        if await self.company(symbol) is None:
            return None
        return TradingDay(opens_at=NOW_MS, closes_at=NOW_MS + 1000)


@contextlib.asynccontextmanager
async def a_feed(
    redis: RedisServer, data_dir: Path, *, make_providers: Callable[[], Sequence[Provider]] = lambda: [Market()]
) -> AsyncIterator[FeedProcess]:
    """A feed that leads, in this process; it is closed at the end."""
    settings = Settings(data_dir=data_dir, redis_url=redis.url, providers=("simulated",))
    feed = FeedProcess(settings, RealClock(), make_providers=make_providers)
    await feed.start()
    try:
        await until(lambda: feed.is_leading)
        yield feed
    finally:
        await feed.close()


async def a_round_trip(redis: RedisServer) -> None:
    """Let what is under way at Redis go on: a command to it and its answer."""
    await asyncio.to_thread(redis.command, "PING")
