import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from certificates import write_authority, write_certificate
from redis_server import RedisServer, running_redis
from stocktrack.engine.client import EngineError, open_redis, place_of, translated
from stocktrack.errors import ConfigError

if TYPE_CHECKING:
    from redis.asyncio import Redis


async def said(url: str, ask: Callable[["Redis"], Awaitable[Any]] = lambda redis: redis.ping()) -> Any:
    """What Redis says at `url`, or what is wrong with it."""
    redis = open_redis(url, timeout_seconds=2.0)
    try:
        with translated(place_of(url)):
            return await ask(redis)
    finally:
        await redis.aclose()


@pytest.fixture
async def refusing(redis: RedisServer) -> AsyncIterator[str]:
    """The address of a user who may do nothing."""
    redis.command("ACL", "SETUSER", "nobody", "on", ">SeCrEt")
    yield redis.url.replace("redis://", "redis://nobody:SeCrEt@")
    redis.command("ACL", "DELUSER", "nobody")


# --- ways in -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["", "?protocol=2", "?protocol=3", "/3", "?decode_responses=true"])
async def test_an_address_with_these_options_works_and_bytes_stay_bytes(redis: RedisServer, option: str) -> None:
    assert await said(redis.url + option, lambda each: each.set("a", "b")) is True
    assert await said(redis.url + option, lambda each: each.get("a")) == b"b"


async def test_a_unix_socket_and_a_password_work() -> None:
    with running_redis(password="SeCrEt") as redis:
        assert await said(redis.url)
        assert await said(redis.socket_url)


async def test_tls_works_with_the_authority_that_the_address_names_and_without_it_is_refused(tmp_path: Path) -> None:
    files = write_certificate(tmp_path)
    authority = write_authority(tmp_path)
    options = ("--tls-cert-file", str(files["tls_cert"]), "--tls-key-file", str(files["tls_key"]))
    with running_redis("--tls-auth-clients", "no", "--tls-ca-cert-file", str(authority), *options) as redis:
        redis.command("CONFIG", "SET", "port", "0")
        redis.command("CONFIG", "SET", "tls-port", str(redis.port))
        url = f"rediss://127.0.0.1:{redis.port}"
        assert await said(f"{url}?ssl_ca_certs={authority}")
        with pytest.raises(EngineError, match="its certificate is not trusted, "):
            await said(url)


async def test_more_calls_than_connections_take_turns(redis: RedisServer) -> None:
    client = open_redis(redis.url)
    try:
        assert await asyncio.gather(*(client.get("a") for _ in range(1_000))) == [None] * 1_000
        assert redis.command("INFO", "clients").count(b"connected_clients:") == 1
        clients = redis.command("CLIENT", "LIST").count(b" addr=127.0.0.1:")
        assert 0 < clients <= 17
    finally:
        await client.aclose()


async def test_it_works_without_hiredis_too(redis: RedisServer) -> None:
    from redis._parsers import _AsyncRESP2Parser  # noqa: PLC0415

    client = open_redis(redis.url)
    client.connection_pool.connection_kwargs["parser_class"] = _AsyncRESP2Parser
    try:
        assert await client.set("a", "b")
        assert await client.get("a") == b"b"
    finally:
        await client.aclose()


# --- what is wrong is a sentence ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("?foo=1", "there is no option 'foo'"),
        ("?protocol=9", "protocol must be either 2 or 3"),
        ("?protocol=x", "Invalid value for 'protocol'"),
        ("?ssl_ca_certs=/no/such.pem", "ssl_ca_certs names /no/such.pem, and there is no such file"),
    ],
)
def test_an_option_that_cannot_be_is_named_and_the_password_is_not(option: str, sentence: str) -> None:
    scheme = "rediss" if "ssl" in option else "redis"
    with pytest.raises(ConfigError, match=sentence) as wrong:
        open_redis(f"{scheme}://:SeCrEt@127.0.0.1:6379{option}")
    assert "SeCrEt" not in str(wrong.value)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("redis://127.0.0.1:1", "Redis at 127.0.0.1:1 cannot be reached: connection refused."),
        ("redis://localhost:1", "Redis at localhost:1 cannot be reached: connection refused."),
        ("unix:///no/such.sock", "Redis at /no/such.sock cannot be reached: no such file or directory."),
    ],
)
async def test_a_redis_that_is_not_there_is_a_sentence(url: str, sentence: str) -> None:
    with pytest.raises(EngineError) as wrong:
        await said(url)
    assert wrong.value.message == sentence
    assert not wrong.value.is_refused


async def test_a_wrong_login_is_refused_and_named_nowhere(redis: RedisServer) -> None:
    for login in (":SeCrEt", "bob:SeCrEt"):
        with pytest.raises(EngineError, match="refuses the name or the password of its address") as wrong:
            await said(redis.url.replace("redis://", f"redis://{login}@"))
        assert wrong.value.is_refused
        assert "SeCrEt" not in wrong.value.message


async def test_a_user_who_may_not_is_told_which_command(refusing: str) -> None:
    with pytest.raises(EngineError, match=r"does not permit this to its user: .*'get' command") as wrong:
        await said(refusing, lambda redis: redis.get("a"))
    assert wrong.value.is_refused


async def test_a_redis_that_is_full_a_replica_or_paused_is_a_sentence(redis: RedisServer) -> None:
    try:
        redis.command("CONFIG", "SET", "maxmemory", "1mb")
        with pytest.raises(EngineError, match="refuses: command not allowed when used memory > 'maxmemory'"):
            await said(redis.url, lambda each: each.set("a", "b"))
        redis.command("CONFIG", "SET", "maxmemory", "0")
        redis.command("REPLICAOF", "127.0.0.1", "1")
        with pytest.raises(EngineError, match="read only replica"):
            await said(redis.url, lambda each: each.set("a", "b"))
        redis.pause()
        with pytest.raises(EngineError, match="does not answer in time") as wrong:
            await said(redis.url)
        assert wrong.value.is_timeout
    finally:
        redis.resume()
        redis.command("REPLICAOF", "NO", "ONE")
        redis.command("CONFIG", "SET", "maxmemory", "0")


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(ConfigError, match=r"Redis needs a library that is not installed.*redis"):
        open_redis("redis://127.0.0.1:6379")


def test_a_redis_that_is_still_loading_is_one_that_cannot_be_reached_yet() -> None:
    from redis.exceptions import BusyLoadingError  # noqa: PLC0415 - an extra, imported where it is needed

    with (
        pytest.raises(EngineError, match="Redis cannot be reached: Redis is loading the dataset in memory") as loading,
        translated("Redis"),
    ):
        raise BusyLoadingError("Redis is loading the dataset in memory")
    assert not loading.value.is_refused
