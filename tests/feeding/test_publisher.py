import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fakes import a_quote
from live_server import until
from patience import PATIENCE_SECONDS
from redis_server import RedisServer, running_redis
from stocktrack.clock import RealClock, end
from stocktrack.engine.client import open_redis, place_of
from stocktrack.engine.lease import Lease
from stocktrack.engine.names import LEADER, PRICE_EXPIRY_SECONDS, SEQ
from stocktrack.feeding.publisher import Publisher
from stocktrack.market.board import Board


class Publishing:
    """A publisher that runs for a board, with the lease of its own Redis."""

    def __init__(self, redis: RedisServer) -> None:
        self.board = Board()
        self.client = open_redis(redis.url, timeout_seconds=1.0)
        self.lease = Lease(self.client, place_of(redis.url), LEADER, "a", RealClock())
        self.publisher = Publisher(self.client, place_of(redis.url), "b7c1", RealClock(), self.lease)
        self.board.taps.append(self.publisher)
        self.task = asyncio.create_task(self.publisher.run())

    def put(self, symbol: str, price: float, **fields: Any) -> None:
        self.board.put([a_quote(symbol, price, **fields)], 1.0)

    async def close(self) -> None:
        await end(self.task)
        await self.client.aclose()


@pytest.fixture
async def publishing(redis: RedisServer) -> AsyncIterator[Publishing]:
    publishing = Publishing(redis)
    await publishing.lease.take()
    yield publishing
    await publishing.close()


def kept(redis: RedisServer, symbol: str) -> Any:
    """What stands at Redis of a symbol."""
    head, _, body = redis.command("GET", f"stock:{symbol}").partition(b"\r\n")
    return json.loads(body) if head != b"$-1" else None


async def test_a_change_is_kept_and_published_with_its_instance_and_seq(
    redis: RedisServer, publishing: Publishing
) -> None:
    subscriber = publishing.client.pubsub()
    await subscriber.subscribe("stock:AAPL")
    publishing.put("AAPL", 189.45)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (message := await subscriber.get_message(timeout=PATIENCE_SECONDS))["type"] != "message":
            pass
    assert json.loads(message["data"]) == kept(redis, "AAPL")
    assert kept(redis, "AAPL") | {"price": 189.45, "instance": "b7c1", "seq": 1} == kept(redis, "AAPL")
    assert 0 < int(redis.command("TTL", "stock:AAPL")[1:]) <= PRICE_EXPIRY_SECONDS
    assert redis.command("GET", SEQ) == b"$1\r\n1\r\n"
    await subscriber.aclose()  # type: ignore[no-untyped-call] # redis-py types it nowhere


async def test_the_highest_seq_never_falls(redis: RedisServer, publishing: Publishing) -> None:
    redis.command("SET", SEQ, "1000")
    publishing.put("AAPL", 1.0)
    await until(lambda: kept(redis, "AAPL"))
    assert redis.command("GET", SEQ) == b"$4\r\n1000\r\n"


async def test_a_seq_that_is_no_number_is_put_right(redis: RedisServer, publishing: Publishing) -> None:
    redis.command("SET", SEQ, "x")
    publishing.put("AAPL", 1.0)
    await until(lambda: redis.command("GET", SEQ) == b"$1\r\n1\r\n")


async def test_one_that_lost_the_lease_and_does_not_know_it_yet_publishes_nothing_old(
    redis: RedisServer, publishing: Publishing
) -> None:
    publishing.put("AAPL", 1.0)
    await until(lambda: kept(redis, "AAPL"))
    redis.command("SET", LEADER, "another")  # it was stopped, right after it looked at its own clock
    assert publishing.lease.is_held
    publishing.put("AAPL", 2.0)
    await until(lambda: publishing.publisher.failures)
    assert kept(redis, "AAPL")["price"] == 1.0
    assert redis.command("GET", SEQ) == b"$1\r\n1\r\n"


async def test_a_redis_that_is_full_still_delivers(redis: RedisServer, publishing: Publishing) -> None:
    subscriber = publishing.client.pubsub(ignore_subscribe_messages=True)
    await subscriber.subscribe("stock:AAPL")
    redis.command("CONFIG", "SET", "maxmemory", "1mb")
    try:
        publishing.put("AAPL", 189.45)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (message := await subscriber.get_message(timeout=PATIENCE_SECONDS)) is None:
                pass
        assert json.loads(message["data"])["price"] == 189.45
        assert kept(redis, "AAPL") is None
    finally:
        redis.command("CONFIG", "SET", "maxmemory", "0")
    publishing.put("AAPL", 190.0)
    await until(lambda: kept(redis, "AAPL"))
    assert publishing.publisher.failures == 0
    await subscriber.aclose()  # type: ignore[no-untyped-call] # redis-py types it nowhere


async def test_what_changes_while_redis_is_away_is_merged_and_published_when_it_is_back() -> None:
    with running_redis() as redis:
        publishing = Publishing(redis)
        try:
            await publishing.lease.take()
            redis.kill()
            for number in range(100):
                publishing.put("AAPL", 1.0 + number)
                publishing.put("MSFT", 2.0 + number)
            await until(lambda: publishing.publisher.failures)
            assert len(publishing.publisher._pending) <= 2
            redis.start()
            await publishing.lease.take()
            await until(lambda: kept(redis, "AAPL") and kept(redis, "MSFT"))
            assert (kept(redis, "AAPL")["price"], kept(redis, "MSFT")["price"]) == (100.0, 101.0)
            assert publishing.publisher.merged >= 190
        finally:
            await publishing.close()
