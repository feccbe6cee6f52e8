"""A real server that records what is published at a real Redis, is ended and started again, and still has its bars."""

import json
import signal
import time
from pathlib import Path
from typing import Any

from live_server import PASSWORD, RawClient
from redis_server import RedisServer
from server_process import ServerProcess, run_stocktrack, server_process
from stocktrack.bars import MINUTE_MS


def publish(redis: RedisServer, price: float, at_ms: int) -> None:
    """What a program publishes that is no StockTrack."""
    payload = json.dumps({"symbol": "ACME", "price": price, "timestamp": at_ms, "currency": "USD"})
    redis.command("SET", "stock:ACME", payload)
    redis.command("PUBLISH", "stock:ACME", payload)


async def traded(client: RawClient, redis: RedisServer, price: float, at_ms: int) -> None:
    """Publish a price, and return once the server has pushed it."""
    publish(redis, price, at_ms)
    while (await client.receive_until("PRICE"))["price"] != price:
        pass


async def bars(client: RawClient, since_ms: int) -> list[tuple[Any, ...]]:
    """The minutes that HISTORY has from a time on."""
    reply = await client.ask({"type": "HISTORY", "symbol": "ACME", "start": since_ms, "interval": "1m"})
    assert reply["code"] == 200, reply
    assert reply["provider"] == "recorded"
    return [tuple(bar[name] for name in ("time", "open", "high", "low", "close")) for bar in reply["bars"]]


async def watching(server: ServerProcess, redis: RedisServer, price: float, at_ms: int) -> RawClient:
    """A client that has begun to watch."""
    client = await server.log_in()
    publish(redis, price, at_ms)
    assert (await client.ask({"type": "SUBSCRIBE", "symbols": ["ACME"], "interval": 0}))["code"] == 200
    while (await client.receive_until("PRICE"))["price"] != price:
        pass
    return client


async def test_a_server_that_is_started_again_still_has_what_it_saw(redis: RedisServer, tmp_path: Path) -> None:
    settings = {"STOCKTRACK_PROVIDERS": "redis", "STOCKTRACK_REDIS_URL": redis.url}
    added = await run_stocktrack(tmp_path, "users", "add", "ann", "--password-stdin", stdin=f"{PASSWORD}\n".encode())
    assert added.code == 0, added.err
    begin = (time.time_ns() // 1_000_000 // MINUTE_MS - 3) * MINUTE_MS
    async with server_process(tmp_path, **settings) as server:
        client = await watching(server, redis, 10.0, begin)
        for second, price in [(10, 12.5), (20, 9.5), (59, 11.0), (60, 11.5), (100, 11.25)]:
            await traded(client, redis, price, begin + second * 1_000)
        before = await bars(client, begin)
        await client.close()
        server.signal(signal.SIGTERM)
        assert await server.exit_code() == 0
        assert not [line for line in server.log if line["level"] in {"warning", "error"}], server.text
    assert before == [(begin, 10.0, 12.5, 9.5, 11.0), (begin + MINUTE_MS, 11.5, 11.5, 11.25, 11.25)]
    async with server_process(tmp_path, **settings) as server:
        client = await watching(server, redis, 11.75, begin + 110_000)
        await traded(client, redis, 12.0, begin + 130_000)
        last = (begin + MINUTE_MS, 11.5, 11.75, 11.25, 11.75)
        assert await bars(client, begin) == [before[0], last, (begin + 2 * MINUTE_MS, 12.0, 12.0, 12.0, 12.0)]
        await client.close()
