"""`stocktrack publish` as people run it: a process of its own beside a server, and one that asks the sources itself."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from live_server import PASSWORD
from patience import PATIENCE_SECONDS
from redis_server import RedisServer
from server_process import STOCKTRACK, ServerProcess, environment, run_stocktrack, server_process
from stocktrack.quotes import Quote

LOGIN: dict[str, Any] = {"STOCKTRACK_USER": "ann", "STOCKTRACK_PASSWORD": PASSWORD}


@pytest.fixture
async def home(tmp_path: Path) -> Path:
    added = await run_stocktrack(tmp_path, "users", "add", "ann", "--password-stdin", stdin=f"{PASSWORD}\n".encode())
    assert added.code == 0, added.err
    return tmp_path


@asynccontextmanager
async def publishing(home: Path, *arguments: str, **variables: str) -> AsyncIterator[ServerProcess]:
    """The command as a process, which is ended afterwards."""
    process = await asyncio.create_subprocess_exec(
        *(*STOCKTRACK, "publish", *arguments),
        env=environment(home, STOCKTRACK_LOG_FORMAT="json", **variables),
        cwd=home,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    running = ServerProcess(process)
    try:
        yield running
    finally:
        await running.end()


@pytest.fixture
async def channel(redis: RedisServer) -> AsyncIterator[Any]:
    async with Redis.from_url(redis.url) as client, client.pubsub() as channel:
        await channel.psubscribe("stock:*")
        await channel.get_message(timeout=PATIENCE_SECONDS)
        yield channel


async def heard(channel: Any, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(found) < count:
            message = await channel.get_message(timeout=PATIENCE_SECONDS)
            if message is not None and message["type"] == "pmessage":
                found.append(json.loads(message["data"]))
    return found


async def test_what_a_server_pushes_is_published_under_its_instance_also_after_its_restart(
    home: Path, redis: RedisServer, channel: Any
) -> None:
    async with server_process(home) as server:
        client = await server.connect()
        port = str(server.port)
        await client.close()
        arguments = ("AAPL", "msft,NOPE", "--to", redis.url, "--port", port)
        async with publishing(home, *arguments, **LOGIN) as command:
            first = await heard(channel, 6)
            server.signal(signal.SIGTERM)
            assert await server.exit_code() == 0
            async with server_process(home, "--port", port) as again:
                second = await heard(channel, 6)
                assert again.port == server.port
                command.signal(signal.SIGINT)
                code = await command.exit_code()

    assert code == 130
    assert {each["symbol"] for each in first} == {"AAPL", "MSFT"}
    instances = [each["instance"] for each in (*first, *second)]
    assert len(set(instances)) == 2
    assert instances == sorted(instances, key=instances.index)
    for quote in (first[0], second[-1]):
        own = {name: value for name, value in quote.items() if name in Quote.model_fields}
        assert Quote.model_validate(own).provider == "simulated"
    assert "stocktrack: NOPE: unknown symbol." in command.text


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_the_sources_are_asked_without_a_server(
    home: Path, redis: RedisServer, channel: Any, number: signal.Signals, code: int
) -> None:
    arguments = ("AAPL", "MSFT", "NOPE", "--provider", "simulated", "--to", redis.url)
    async with publishing(home, *arguments) as command:
        found = await heard(channel, 6)
        command.signal(number)
        ended = await command.exit_code()

    assert ended == code
    assert {each["symbol"] for each in found} == {"AAPL", "MSFT"}
    assert [each["seq"] for each in found if each["symbol"] == "AAPL"][:3] == [1, 2, 3]
    assert "NOPE is unknown to the sources, and is not published." in command.text


async def test_nothing_but_unknown_symbols_is_nothing_found(home: Path, redis: RedisServer) -> None:
    done = await run_stocktrack(home, "publish", "NOPE", "--provider", "simulated", "--to", redis.url)

    assert (done.code, done.out) == (3, "")
    assert "NOPE is unknown to the sources" in done.err


async def test_a_sink_that_is_not_there_is_told_and_waited_for(home: Path, unused_tcp_port: int) -> None:
    to = f"redis://:SeCrEt@127.0.0.1:{unused_tcp_port}"
    async with publishing(home, "AAPL", "--provider", "simulated", "--to", to) as command:
        line = await command.logged("sink is down")
        command.signal(signal.SIGTERM)
        code = await command.exit_code()

    assert line["sink"] == f"redis://127.0.0.1:{unused_tcp_port}"
    assert code == 143


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["AAPL", "--provider", "simulated"], 2, "name an address, as in --to redis://localhost:6379"),
        (["--provider", "simulated", "--to", "redis://127.0.0.1"], 2, "name the symbols"),
        (["A$", "--provider", "simulated", "--to", "redis://127.0.0.1"], 2, "'A$' is not a symbol"),
        (["AAPL", "--to", "ftp://127.0.0.1"], 1, "must begin with one of redis://"),
        (["AAPL", "--to", "kafka://127.0.0.1:9092"], 1, "must end with the name of a topic"),
        (["AAPL", "--to", "redis://127.0.0.1", "--provider", "nobody"], 1, "there is no such source"),
        (["AAPL", "--to", "redis://127.0.0.1?db=x"], 1, "is no address of a Redis"),
    ],
)
async def test_what_is_wrong_is_told_before_anything_begins(
    home: Path, arguments: list[str], code: int, says: str
) -> None:
    done = await run_stocktrack(home, "publish", *arguments, **LOGIN)

    assert (done.code, done.out) == (code, "")
    assert says in done.err
    assert "Traceback" not in done.err


async def test_nobody_to_take_prices_from_is_unavailable(home: Path, unused_tcp_port: int) -> None:
    arguments = ("publish", "AAPL", "--to", "redis://127.0.0.1", "--port", str(unused_tcp_port))
    done = await run_stocktrack(home, *arguments, **LOGIN)

    assert done.code == 5
    assert f"Nothing listens at 127.0.0.1:{unused_tcp_port}." in done.err
