"""A feed that leads records the bars, with a database of its own; without that its prices go on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from feeds import Market, a_feed
from live_server import live_server, until
from postgres_server import PostgresServer
from redis_server import RedisServer
from stocktrack.clock import RealClock
from stocktrack.config import Settings
from stocktrack.feeding.feed import FeedProcess
from stocktrack.providers.redis.provider import RedisProvider
from stocktrack.storage.store import Store


class RealMarket(Market):
    """Takes itself for a source that invents nothing."""

    is_free = False


def a_process(redis: RedisServer, data_dir: Path, **settings: Any) -> FeedProcess:
    given = Settings(data_dir=data_dir, redis_url=redis.url, providers=("simulated",), **settings)
    return FeedProcess(given, RealClock(), make_providers=lambda: [RealMarket()])


async def leads(feed: FeedProcess, redis: RedisServer) -> None:
    """Return once `feed` leads, and has published some prices of AAPL."""
    await until(lambda: feed.is_leading)
    redis.command("PUBLISH", "stocktrack:wanted", '["AAPL"]')
    await until(lambda: feed.lead is not None and sum(each.published for each in feed.lead.publishers) > 3)


async def kept(url: str) -> list[str]:
    """The symbols of all bars in a database."""
    store = Store(url)
    await store.open()
    try:
        return [bar.symbol for symbol in ("AAPL", "MSFT") for bar in await store.bars.read(symbol, 0, 2**31 - 1)]
    finally:
        await store.close()


async def test_who_leads_writes_its_bars_when_it_ends_and_the_next_one_has_them(
    redis: RedisServer, tmp_path: Path, postgres: PostgresServer
) -> None:
    url = postgres.url(await postgres.new_database())
    store = Store(url)
    await store.upgrade()
    await store.close()
    first, second = (a_process(redis, tmp_path, database_url=url) for _ in range(2))
    await first.start()
    await leads(first, redis)
    await second.start()
    await first.close()
    minutes = len(await kept(url))
    assert 1 <= minutes <= 2
    await leads(second, redis)
    assert second.lead is not None
    bars = second.lead.bars
    assert bars is not None
    known = await bars.minutes("AAPL", 0, 2**53)
    assert len(known) >= minutes
    await second.close()
    assert set(await kept(url)) == {"AAPL"}


async def test_a_feed_on_sqlite_makes_the_file(redis: RedisServer, tmp_path: Path) -> None:
    feed = a_process(redis, tmp_path / "new")
    await feed.start()
    await leads(feed, redis)
    await feed.close()
    assert set(await kept(f"sqlite:///{tmp_path / 'new' / 'stocktrack.db'}")) == {"AAPL"}


def no_tables(postgres: PostgresServer, name: str, _: Path) -> str:
    return postgres.url(name)


def nobody_there(_: PostgresServer, __: str, ___: Path) -> str:
    return "postgresql://ann@127.0.0.1:9/x"


def no_such_database(_: PostgresServer, __: str, ___: Path) -> str:
    return "mysql://localhost/x"


def no_folder(_: PostgresServer, __: str, folder: Path) -> str:
    (folder / "file").write_text("", encoding="ascii")
    return f"sqlite:///{folder / 'file' / 'x.db'}"


@pytest.mark.parametrize("address", [no_tables, nobody_there, no_such_database, no_folder])
async def test_a_database_that_cannot_be_used_costs_nobody_a_price_and_is_told_once(
    redis: RedisServer, tmp_path: Path, postgres: PostgresServer, address: Callable[[PostgresServer, str, Path], str]
) -> None:
    url = address(postgres, await postgres.new_database(), tmp_path)
    feed = a_process(redis, tmp_path, database_url=url)
    with capture_logs() as logs:
        await feed.start()
        await leads(feed, redis)
        assert feed.lead is not None
        bars = feed.lead.bars
        assert bars is not None
        await until(lambda: any("bars" in line["event"] for line in logs))
        assert await bars.minutes("AAPL", 0, 2**53)  # those of the last minutes
        await feed.close()
    told = [line for line in logs if "bars" in line["event"]]
    assert [line["event"] for line in told] == ["bars cannot be kept; prices go on, and it is tried again"]
    assert told[0]["failed"] == "opening"
    assert told[0]["why"]


async def test_without_the_setting_a_feed_needs_no_database(redis: RedisServer, tmp_path: Path) -> None:
    feed = a_process(redis, tmp_path / "new", record_bars=False)
    await feed.start()
    await leads(feed, redis)
    assert feed.lead is not None
    assert feed.lead.bars is None
    await feed.close()
    assert not (tmp_path / "new").exists()


async def test_a_feed_whose_market_is_invented_needs_no_database(redis: RedisServer, tmp_path: Path) -> None:
    async with a_feed(redis, tmp_path / "new") as feed:
        assert feed.lead is not None
        assert feed.lead.bars is None
    assert not (tmp_path / "new").exists()


async def test_a_server_records_what_others_publish_and_not_what_a_feed_did(redis: RedisServer, tmp_path: Path) -> None:
    feed = a_process(redis, tmp_path / "feed")
    await feed.start()
    await leads(feed, redis)
    source = RedisProvider(redis.url, timeout_seconds=5, clock=RealClock())
    async with live_server(tmp_path / "server", source, providers=("redis",), redis_url=redis.url) as server:
        client = await server.log_in()
        await client.ask({"type": "SUBSCRIBE", "symbols": ["AAPL"], "interval": 0})
        await client.receive_until("PRICE")
        now = RealClock().now_ms()
        redis.command("SET", "stock:ACME", f'{{"symbol":"ACME","price":12.5,"timestamp":{now}}}')
        reply = await client.ask({"type": "GET", "symbols": ["ACME"]})
        assert reply["quotes"][0]["price"] == 12.5
        bars = server.app.bars
        assert bars is not None
        assert [bar.close for bar in await bars.minutes("ACME", 0, 2**53)] == [12.5]
        assert await bars.minutes("AAPL", 0, 2**53) == []
    await feed.close()
    store = Store(f"sqlite:///{tmp_path / 'server' / 'stocktrack.db'}")
    await store.open()
    assert [bar.close for bar in await store.bars.read("ACME", 0, 2**31 - 1)] == [12.5]
    assert await store.bars.read("AAPL", 0, 2**31 - 1) == []
    await store.close()
