import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis

from certificates import write_authority, write_certificate
from patience import PATIENCE_SECONDS
from redis_server import RedisServer, running_redis
from sink_quotes import a_board_quote
from stocktrack.engine.names import PRICE_EXPIRY_SECONDS
from stocktrack.errors import ConfigError
from stocktrack.providers.published import decode_published
from stocktrack.sinks.base import SinkError
from stocktrack.sinks.redis import RedisSink

PASSWORD = "SeCrEt: 7 words/@"
QUOTED = "SeCrEt%3A%207%20words%2F%40"


@pytest.fixture(scope="module")
def locked() -> Iterator[RedisServer]:
    with running_redis(password=PASSWORD) as server:
        yield server


@pytest.fixture
def own() -> Iterator[RedisServer]:
    """A server that a test may kill."""
    with running_redis() as server:
        yield server


async def opened(url: str) -> RedisSink:
    sink = RedisSink(url, "b7c1")
    await sink.open()
    return sink


async def failure(sink: RedisSink) -> str:
    with pytest.raises(SinkError) as caught:
        await sink.write([a_board_quote("AAPL", 1)])
    return str(caught.value)


async def refusal(sink: RedisSink) -> str:
    with pytest.raises(SinkError) as caught:
        await sink.open()
    await sink.close()
    return str(caught.value)


async def test_each_change_is_published_and_the_newest_is_set_to_expire(redis: RedisServer, reader: Any) -> None:
    sink = await opened(redis.url)
    async with reader.pubsub() as channel:
        await channel.subscribe("stock:AAPL")
        await channel.get_message(timeout=PATIENCE_SECONDS)
        await sink.write([a_board_quote("AAPL", 1), a_board_quote("^GSPC", 1), a_board_quote("AAPL", 2)])
        heard = [(await channel.get_message(timeout=PATIENCE_SECONDS))["data"] for _ in range(2)]
    held = await reader.get("stock:AAPL")
    seconds = await reader.ttl("stock:AAPL")
    await sink.close()

    assert [json.loads(each)["seq"] for each in heard] == [1, 2]
    assert held == heard[1]
    assert await reader.exists("stock:^GSPC") == 1
    assert PRICE_EXPIRY_SECONDS - 5 <= seconds <= PRICE_EXPIRY_SECONDS
    published = decode_published(held, symbol="AAPL", provider="redis", now_ms=0)
    assert (published.quote, published.instance) == (a_board_quote("AAPL", 2), "b7c1")


async def test_whoever_hears_of_a_price_finds_it_under_its_key(redis: RedisServer, reader: Any) -> None:
    sink = await opened(redis.url)
    async with reader.pubsub() as channel:
        await channel.psubscribe("stock:*")
        await channel.get_message(timeout=PATIENCE_SECONDS)
        for seq in range(1, 51):
            await sink.write([a_board_quote("AAPL", seq)])
            heard = json.loads((await channel.get_message(timeout=PATIENCE_SECONDS))["data"])
            assert json.loads(await reader.get("stock:AAPL"))["seq"] >= heard["seq"] == seq
    await sink.close()


@pytest.mark.parametrize(
    "query", ["", "?protocol=2", "?db=3", "/3", "?socket_timeout=2&client_name=publisher"], ids=lambda query: query
)
async def test_an_address_of_redis_py_is_understood(locked: RedisServer, query: str) -> None:
    url = f"redis://:{QUOTED}@127.0.0.1:{locked.port}{query}"
    sink = await opened(url)
    await sink.write([a_board_quote("AAPL", 1)])
    await sink.close()

    client = Redis.from_url(url)
    assert await client.exists("stock:AAPL") == 1
    await client.aclose()
    assert "SeCrEt" not in sink.name


async def test_a_unix_socket_is_an_address_too(redis: RedisServer, reader: Any) -> None:
    sink = await opened(redis.socket_url)
    await sink.write([a_board_quote("AAPL", 1)])
    await sink.close()

    assert await reader.exists("stock:AAPL") == 1
    assert sink.name == f"unix://{redis.socket_path}"


async def test_tls_is_checked_against_whom_the_address_trusts(tmp_path: Path, unused_tcp_port: int) -> None:
    files = write_certificate(tmp_path)
    tls = ("--tls-port", str(unused_tcp_port), "--tls-auth-clients", "no", "--tls-ca-cert-file")
    certificate = ("--tls-cert-file", str(files["tls_cert"]), "--tls-key-file", str(files["tls_key"]))
    authority = write_authority(tmp_path)
    with running_redis(*tls, str(authority), *certificate) as server:
        sink = await opened(f"rediss://127.0.0.1:{unused_tcp_port}?ssl_ca_certs={authority}")
        await sink.write([a_board_quote("AAPL", 1)])
        await sink.close()
        held = server.command("GET", "stock:AAPL")
        said = await refusal(RedisSink(f"rediss://127.0.0.1:{unused_tcp_port}", "b7c1"))

    assert b'"seq":1' in held
    assert "certificate verify failed" in said.lower()


@pytest.mark.parametrize("login", ["", ":SeCrEt-wrong@", "nobody:SeCrEt-wrong@"])
async def test_a_wrong_password_is_told_without_it(locked: RedisServer, login: str) -> None:
    sink = RedisSink(f"redis://{login}127.0.0.1:{locked.port}", "b7c1")
    said = await refusal(sink)

    assert said.startswith(f"redis://127.0.0.1:{locked.port}")
    assert "auth" in said.lower() or "password" in said.lower()
    assert "SeCrEt" not in said


async def test_nobody_at_the_address_is_told_by_it(unused_tcp_port: int) -> None:
    said = await refusal(RedisSink(f"redis://127.0.0.1:{unused_tcp_port}/2", "b7c1"))

    assert said.startswith(f"redis://127.0.0.1:{unused_tcp_port}/2: ")
    assert "refused" in said or "Connect call failed" in said


async def test_another_service_at_the_port_is_told_as_a_failure() -> None:
    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(web, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await refusal(RedisSink(f"redis://127.0.0.1:{port}", "b7c1"))


async def test_a_server_that_is_full_takes_nothing_and_says_why(own: RedisServer) -> None:
    sink = await opened(own.url)
    await sink.write([a_board_quote("MSFT", 1)])
    own.command("CONFIG", "SET", "maxmemory", "1")
    said = await failure(sink)
    own.command("CONFIG", "SET", "maxmemory", "0")
    await sink.open()
    await sink.write([a_board_quote("AAPL", 2)])
    await sink.close()

    assert "maxmemory" in said
    assert b'"seq":2' in own.command("GET", "stock:AAPL")


async def test_a_replica_that_may_not_be_written_to_says_so(own: RedisServer, unused_tcp_port: int) -> None:
    own.command("REPLICAOF", "127.0.0.1", str(unused_tcp_port))
    sink = await opened(own.url)
    said = await failure(sink)
    await sink.close()

    assert "read only replica" in said


async def test_a_server_that_was_killed_is_a_failure_and_works_when_it_is_back(own: RedisServer) -> None:
    sink = await opened(own.url)
    own.kill()
    said = await failure(sink)
    own.start()
    await sink.open()
    await sink.write([a_board_quote("AAPL", 2)])
    await sink.close()

    assert said.startswith(sink.name)
    assert b'"seq":2' in own.command("GET", "stock:AAPL")


async def test_a_server_that_is_paused_does_not_answer_in_time_and_holds_up_no_closing(own: RedisServer) -> None:
    sink = await opened(f"{own.url}?socket_timeout=0.2")
    own.pause()
    try:
        said = await failure(sink)
        began = time.monotonic()
        await sink.close()
        seconds = time.monotonic() - began
    finally:
        own.resume()

    assert "does not answer" in said
    assert seconds < 1


async def test_writing_before_it_is_open_is_a_failure(redis: RedisServer) -> None:
    sink = RedisSink(redis.url, "b7c1")

    assert urlsplit(redis.url).netloc in await failure(sink)
    await sink.close()


@pytest.mark.parametrize("query", ["?db=x", "?no_such_option=1", "?protocol=9"])
def test_an_option_that_is_none_stops_the_start(query: str) -> None:
    with pytest.raises(ConfigError, match="is no address of a Redis"):
        RedisSink(f"redis://:SeCrEt@127.0.0.1:1{query}", "b7c1")
