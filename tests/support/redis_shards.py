"""Several real Redis, over which the prices of one house lie, with a feed or a server at all of them."""

import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

from feeds import Market
from live_server import LiveServer, live_server, until
from redis_server import RedisServer, running_redis
from stocktrack.clock import RealClock
from stocktrack.config import Settings
from stocktrack.feeding.feed import FeedProcess
from stocktrack.providers.redis.provider import RedisProvider

# By the CRC-32 of each, over three: AAPL lies at the first, AMZN at the second, GOOG at the third.
HELD_BY_THREE = ("AAPL", "AMZN", "GOOG")


@contextlib.contextmanager
def running_shards(count: int) -> Iterator[list[RedisServer]]:
    """So many Redis; they are stopped at the end."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(running_redis()) for _ in range(count)]


def a_sharded_process(shards: Sequence[RedisServer], data_dir: Path) -> FeedProcess:
    """A feed that does not run yet."""
    settings = Settings(data_dir=data_dir, redis_url=[each.url for each in shards], providers=("simulated",))
    return FeedProcess(settings, RealClock(), make_providers=lambda: [Market()])


@contextlib.asynccontextmanager
async def a_sharded_feed(shards: Sequence[RedisServer], data_dir: Path) -> AsyncIterator[FeedProcess]:
    """A feed that leads; it is closed at the end."""
    feed = a_sharded_process(shards, data_dir)
    await feed.start()
    try:
        await until(lambda: feed.is_leading)
        yield feed
    finally:
        await feed.close()


@contextlib.asynccontextmanager
async def a_sharded_server(shards: Sequence[RedisServer], data_dir: Path) -> AsyncIterator[LiveServer]:
    """A server with a client's door, whose prices come from all of them."""
    provider = RedisProvider(*(each.url for each in shards), timeout_seconds=5.0, clock=RealClock())
    async with live_server(data_dir, provider) as server:
        yield server
