"""What all tests share: which event loops they run on, a command line, and and servers for who asks for them."""

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from command_line import Run, command_runner
from kafka_broker import KafkaBroker, running_kafka
from postgres_server import PostgresServer, running_postgres
from redis_server import RedisServer, running_redis

# These run on both loops that `serve` can run on: their socket transports have little code in common.
ON_BOTH_LOOPS = frozenset(
    {
        *("test_server.py", "test_server_bad_input.py", "test_tls.py", "test_limits.py", "test_websocket.py"),
        "test_event_stream.py",
        *("test_first_bytes.py", "test_proxies.py"),
        *("test_http.py", "test_reading.py"),
        *("test_command.py", "test_webhook.py"),
    }
)


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loops of a test; with one there is nothing in the test's name."""
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if item.path.name in ON_BOTH_LOOPS and importlib.util.find_spec("uvloop") is not None:
        import uvloop  # noqa: PLC0415 - it is not there on every platform

        factories["uvloop"] = uvloop.new_event_loop
    return factories


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL server; each test makes its own databases on it."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def one_redis() -> Iterator[RedisServer]:
    """A real Redis server for tests that neither kill nor configure it; `redis` empties it before each."""
    with running_redis() as server:
        yield server


@pytest.fixture
def redis(one_redis: RedisServer) -> RedisServer:
    """A real Redis server with nothing in it."""
    one_redis.command("FLUSHALL")
    return one_redis


@pytest.fixture
async def reader(redis: RedisServer) -> AsyncIterator[Any]:
    """A client of its own of that server."""
    client = Redis.from_url(redis.url)
    yield client
    await client.aclose()


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaBroker]:
    """A real Kafka broker for tests that neither kill nor pause it; each has topics of its own."""
    with running_kafka() as broker:
        yield broker


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `stocktrack ARGUMENTS` in this process, with an empty home as the current folder."""
    return command_runner(tmp_path, monkeypatch, capsys)
