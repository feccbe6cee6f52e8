"""Real processes at a real Redis: two feeds, two servers on one database, and what happens when one of them goes."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.client import connect as connect_websocket

from live_server import PASSWORD, RawClient
from patience import PATIENCE_SECONDS
from redis_server import RedisServer, running_redis
from requirements import require
from server_process import STOCKTRACK, ServerProcess, run_stocktrack, server_process

pytestmark = pytest.mark.asyncio(loop_scope="module")

PUBLISHER = Path(__file__).parents[1] / "support" / "node_publisher.js"
WATCHED = ["AAPL", "MSFT", "TSLA"]


@dataclass(slots=True)
class House:
    """What runs: the feed that leads is the first one."""

    redis: RedisServer
    home: Path
    feeds: list[ServerProcess]
    servers: list[ServerProcess]

    async def watching(self) -> list[RawClient]:
        """A client on each server that is pushed each change."""
        clients = [await server.log_in() for server in self.servers]
        for client in clients:
            client.send({"type": "SUBSCRIBE", "symbols": WATCHED, "interval": 0, "save": False})
            await client.receive_until("SUBSCRIBE")
        return clients


def variables(redis: RedisServer, home: Path) -> dict[str, str]:
    """The settings of all of them."""
    return {
        "STOCKTRACK_REDIS_URL": redis.url,
        "STOCKTRACK_SIMULATED_INTERVAL_SECONDS": "0.1",
        "STOCKTRACK_DATABASE_URL": f"sqlite:///{home / 'users.db'}",
    }


@contextlib.asynccontextmanager
async def a_feed_process(redis: RedisServer, home: Path, name: str) -> AsyncIterator[ServerProcess]:
    """`stocktrack feed`."""
    folder = home / name
    folder.mkdir(exist_ok=True)
    async with server_process(folder, program=(*STOCKTRACK, "feed"), **variables(redis, home)) as feed:
        yield feed


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    home = tmp_path_factory.mktemp("several")
    with running_redis() as redis:
        given = variables(redis, home)
        added = await run_stocktrack(
            home, "users", "add", "ann", "--password-stdin", stdin=f"{PASSWORD}\n".encode(), **given
        )
        assert added.code == 0, added
        async with contextlib.AsyncExitStack() as stack:
            first = await stack.enter_async_context(a_feed_process(redis, home, "feed1"))
            await first.logged("leading")
            servers = []
            for name in ("server1", "server2"):
                (home / name).mkdir()
                server = server_process(home / name, "--provider", "redis", **given, STOCKTRACK_WEB_PORT="0")
                servers.append(await stack.enter_async_context(server))
            yield House(redis, home, [first], servers)


async def prices(client: RawClient, count: int) -> list[dict[str, Any]]:
    """The next PRICEs; anything else that is pushed meanwhile is an error."""
    found: list[dict[str, Any]] = []
    while len(found) < count:
        message = await client.receive()
        assert message["type"] in {"PRICE", "HEARTBEAT"}, message
        if message["type"] == "PRICE":
            found.append(message)
    return found


def assert_rising(found: list[dict[str, Any]]) -> None:
    for symbol in WATCHED:
        seqs = [price["seq"] for price in found if price["symbol"] == symbol]
        assert seqs == sorted(set(seqs)), symbol


async def test_both_servers_show_one_instance_and_the_same_prices_under_the_same_seq(house: House) -> None:
    hellos = []
    for server in house.servers:
        client = await RawClient.connect(server.host, server.port)
        hellos.append(await client.receive())
        await client.close()
    assert hellos[0]["instance"] == hellos[1]["instance"]

    clients = await house.watching()
    first, second = [await prices(client, 90) for client in clients]
    shown = [{(each["symbol"], each["seq"]): each["price"] for each in found} for found in (first, second)]
    common = shown[0].keys() & shown[1].keys()
    assert len(common) > 30
    assert {key: shown[0][key] for key in common} == {key: shown[1][key] for key in common}
    for client in clients:
        await client.close()


async def test_what_redis_cli_and_node_publish_reaches_a_tcp_client_and_a_websocket(house: House) -> None:
    require(shutil.which("redis-cli") is not None, "Redis's command line (Debian: apt-get install redis-tools)")
    require(shutil.which("node") is not None, "node")
    quote = json.dumps({"symbol": "GOLD", "price": 1900.25})
    for word in ("SET", "PUBLISH"):
        await run_program("redis-cli", "-p", str(house.redis.port), word, "stock:GOLD", quote)
    tcp = await house.servers[0].log_in()
    server = house.servers[1]
    page = (await server.logged("ready"))["page"]
    async with connect_websocket(f"{page.replace('http', 'ws')}ws", proxy=None) as web:
        await web.send(json.dumps({"type": "AUTH", "username": "ann", "password": PASSWORD}))
        subscribe = {"type": "SUBSCRIBE", "symbols": ["GOLD"], "interval": 0, "save": False}
        await web.send(json.dumps(subscribe))
        tcp.send(subscribe)
        assert (await tcp.receive_until("PRICE"))["price"] == 1900.25
        await run_program("node", str(PUBLISHER), str(house.redis.port), "GOLD", "1901.5", "1902.75")
        while (await tcp.receive_until("PRICE"))["price"] != 1902.75:
            pass
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not any(json.loads(line).get("price") == 1902.75 for line in str(await web.recv()).splitlines()):
                pass
    await tcp.close()


async def run_program(program: str, *arguments: str) -> None:
    """Run a program that must succeed."""
    process = await asyncio.create_subprocess_exec(
        program, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out


async def test_a_killed_subscription_is_not_noticed(house: House) -> None:
    clients = await house.watching()
    found = await prices(clients[0], 10)
    house.redis.command("CLIENT", "KILL", "TYPE", "pubsub")
    found += await prices(clients[0], 40)
    assert_rising(found)
    assert not any(price["stale"] for price in found)
    for client in clients:
        await client.close()


async def test_a_second_feed_takes_over_from_one_that_is_killed(house: House) -> None:
    async with a_feed_process(house.redis, house.home, "feed2") as second:
        await second.logged("waiting for the lease")
        clients = await house.watching()
        before = [await prices(client, 9) for client in clients]
        os.kill(house.feeds[0].pid, signal.SIGKILL)
        after = [await prices(client, 60) for client in clients]
        await second.logged("leading")
        for early, late in zip(before, after, strict=True):
            assert_rising(early + late)
            assert not any(price["stale"] for price in late)
        assert await house.feeds[0].exit_code() == -signal.SIGKILL
        house.feeds[0] = second

        # And while it leads, Redis crashes and starts again with nothing in it.
        house.redis.kill()
        house.redis.start()
        for client, early in zip(clients, after, strict=True):
            while (message := await client.receive_until("PRICE"))["seq"] <= early[-1]["seq"] + 30:
                assert message["price"] > 0
        for client in clients:
            await client.close()
        second.signal(signal.SIGTERM)
        assert await second.exit_code() == 0
        assert not [line for line in second.log if line.get("level") in {"error", "critical"}]
    for server in house.servers:
        assert not [line for line in server.log if line.get("level") in {"error", "critical"}]
