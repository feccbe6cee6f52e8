"""Of several processes at one database the feed that leads judges the alerts, and the users of all servers are told."""

from pathlib import Path
from typing import Any

import pytest

from feeds import Market
from live_server import PASSWORD, LiveServer, live_server, until
from postgres_server import PostgresServer
from redis_server import RedisServer
from stocktrack.clock import RealClock
from stocktrack.config import Settings
from stocktrack.feeding.feed import FeedProcess
from stocktrack.providers.redis.provider import RedisProvider
from stocktrack.storage.store import Store


def a_process(redis: RedisServer, data_dir: Path, url: str) -> FeedProcess:
    given = Settings(
        data_dir=data_dir, redis_url=redis.url, providers=("simulated",), database_url=url, record_bars=False
    )
    return FeedProcess(given, RealClock(), make_providers=lambda: [Market()])


@pytest.fixture
async def url(postgres: PostgresServer) -> str:
    address = postgres.url(await postgres.new_database())
    store = Store(address)
    await store.upgrade()
    await store.close()
    return address


def serving(folder: Path, redis: RedisServer, url: str) -> Any:
    """A server that gets its prices from the feed, at the same database."""
    source = RedisProvider(redis.url, timeout_seconds=5, clock=RealClock())
    return live_server(folder, source, users=(), providers=("redis",), redis_url=redis.url, database_url=url)


def is_judging(server: LiveServer) -> bool:
    assert server.app.alerts is not None
    return server.app.alerts.is_judging


async def test_the_feed_judges_and_the_sessions_at_all_servers_are_told(
    redis: RedisServer, tmp_path: Path, url: str
) -> None:
    feed = a_process(redis, tmp_path / "feed", url)
    await feed.start()
    await until(lambda: feed.is_leading)
    async with serving(tmp_path / "a", redis, url) as first, serving(tmp_path / "b", redis, url) as second:
        await first.app.accounts.add("ann", PASSWORD)
        here, there = await first.log_in(), await second.log_in()
        reply = await here.ask({"type": "ALERT", "symbol": "AAPL", "when": "above", "value": 1})
        assert reply["code"] == 200, reply
        told = [await client.receive_until("NOTICE") for client in (here, there)]
        assert [(notice["alert"], notice["reason"]) for notice in told] == [(reply["alert"]["alert"], "alert")] * 2
        assert told[0]["delivery"] == told[1]["delivery"]
        assert feed.lead is not None
        assert feed.lead.alerts.is_judging
        # The servers have nothing to do with it any more, whoever judged before the feed knew of the alert.
        await until(lambda: not is_judging(first) and not is_judging(second))
    await feed.close()


async def test_the_next_leader_judges_on(redis: RedisServer, tmp_path: Path, url: str) -> None:
    first, second = (a_process(redis, tmp_path / name, url) for name in ("first", "second"))
    await first.start()
    await until(lambda: first.is_leading)
    await second.start()
    async with serving(tmp_path / "a", redis, url) as server:
        await server.app.accounts.add("ann", PASSWORD)
        client = await server.log_in()
        await client.ask({"type": "ALERT", "symbol": "AAPL", "when": "below", "value": 1})
        await until(lambda: first.lead is not None and len(first.lead.alerts.judge) == 1)
        await first.close()
        await until(lambda: second.lead is not None and len(second.lead.alerts.judge) == 1)
        reply = await client.ask({"type": "ALERT", "symbol": "MSFT", "when": "above", "value": 1})
        assert (await client.receive_until("NOTICE"))["alert"] == reply["alert"]["alert"]
    await second.close()


async def test_a_server_judges_where_no_feed_is(redis: RedisServer, tmp_path: Path, url: str) -> None:
    async with serving(tmp_path / "a", redis, url) as server:
        await server.app.accounts.add("ann", PASSWORD)
        client = await server.log_in()
        now = RealClock().now_ms()
        redis.command("SET", "stock:ACME", f'{{"symbol":"ACME","price":12.5,"timestamp":{now}}}')
        reply = await client.ask({"type": "ALERT", "symbol": "ACME", "when": "above", "value": 10})
        assert reply["code"] == 200, reply
        assert (await client.receive_until("NOTICE"))["message"] == "ACME 12.50 is above 10."
