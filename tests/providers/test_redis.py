import asyncio
import json
from collections.abc import AsyncIterator, Collection
from pathlib import Path

import pytest

from certificates import write_authority, write_certificate
from feeds import a_feed, a_round_trip
from live_server import until
from patience import PATIENCE_SECONDS
from redis_server import RedisServer, running_redis
from stocktrack.clock import RealClock
from stocktrack.errors import ProviderError, Reason, SourceUnusable
from stocktrack.providers.redis.provider import RedisProvider
from stocktrack.testing import (
    BrokenStreamContract,
    CompanyContract,
    DividendContract,
    HangingContract,
    HistoryContract,
    HoursContract,
    NewsContract,
    OutageContract,
    ProviderContract,
    QuoteContract,
    SearchContract,
    StreamContract,
    Subject,
    SymbolNewsContract,
)
from stocktrack.testing.subject import Collected


@pytest.fixture
async def provider(redis: RedisServer) -> AsyncIterator[RedisProvider]:
    provider = RedisProvider(redis.url, timeout_seconds=5.0, clock=RealClock())
    await provider.start()
    yield provider
    await provider.close()


def publish(redis: RedisServer, symbol: str, price: float, **fields: object) -> None:
    payload = json.dumps({"symbol": symbol, "price": price, **fields})
    redis.command("SET", f"stock:{symbol}", payload)
    redis.command("PUBLISH", f"stock:{symbol}", payload)


# --- the contract ------------------------------------------------------------------------------------------------


class TestRedisWithAFeedKeepsTheContract(
    ProviderContract,
    QuoteContract,
    StreamContract,
    NewsContract,
    SymbolNewsContract,
    CompanyContract,
    DividendContract,
    SearchContract,
    HoursContract,
    HistoryContract,
):
    @pytest.fixture
    async def subject(self, redis: RedisServer, provider: RedisProvider, tmp_path: Path) -> AsyncIterator[Subject]:
        async with a_feed(redis, tmp_path):
            yield Subject(
                provider,
                known=("AAPL", "MSFT"),
                pays_dividends="AAPL",
                pays_no_dividends="TSLA",
                query="a",
                next_prices=lambda: a_round_trip(redis),
            )


class TestRedisThatIsNotThere(OutageContract, BrokenStreamContract):
    @pytest.fixture
    async def subject(self) -> AsyncIterator[Subject]:
        with running_redis(password="SeCrEt") as redis:
            url = redis.url
        provider = RedisProvider(url, timeout_seconds=5.0, clock=RealClock())
        await provider.start()
        yield Subject(provider, known=("AAPL", "MSFT"), query="apple", secret="SeCrEt")
        await provider.close()


class TestRedisThatHangs(HangingContract):
    @pytest.fixture
    async def subject(self) -> AsyncIterator[Subject]:
        with running_redis() as redis:
            provider = RedisProvider(redis.url, timeout_seconds=5.0, clock=RealClock())
            await provider.start()
            redis.pause()
            yield Subject(provider, known=("AAPL", "MSFT"), query="apple")
            await provider.close()
            redis.resume()


# --- what anybody publishes --------------------------------------------------------------------------------------


async def test_what_is_published_before_and_after_the_stream_opens_comes_by_it(
    redis: RedisServer, provider: RedisProvider
) -> None:
    publish(redis, "AAPL", 189.45, timestamp=1712331900000)
    sink = Collected()
    stream = asyncio.create_task(provider.stream(lambda: ("AAPL",), sink))
    await until(lambda: sink.quotes)
    await asyncio.to_thread(publish, redis, "AAPL", 189.5)
    await until(lambda: len(sink.quotes) > 1)
    stream.cancel()
    assert [(quote.price, quote.provider) for quote in sink.quotes] == [(189.45, "redis"), (189.5, "redis")]


async def test_what_nobody_has_published_fails_with_a_sentence_and_the_source_is_well(
    redis: RedisServer, provider: RedisProvider
) -> None:
    publish(redis, "AAPL", 189.45)
    answer = await provider.quotes(["AAPL", "MSFT"])
    assert set(answer.quotes) == {"AAPL"}
    assert answer.failed["MSFT"].message.startswith("Nobody has published MSFT at Redis at 127.0.0.1:")


async def test_what_is_published_right_after_somebody_asked_for_it_is_not_missed(
    redis: RedisServer, provider: RedisProvider
) -> None:
    await provider.quotes(["AAPL"])
    redis.command("PUBLISH", "stock:AAPL", '{"price":189.45}')
    sink = Collected()
    stream = asyncio.create_task(provider.stream(lambda: ("AAPL",), sink))
    await until(lambda: sink.quotes)
    stream.cancel()
    assert sink.quotes[0].price == 189.45


async def test_a_wrong_password_is_said_once_and_names_no_password() -> None:
    with running_redis(password="SeCrEt") as redis:
        provider = RedisProvider(redis.url.replace("SeCrEt", "other"), timeout_seconds=5.0, clock=RealClock())
        try:
            with pytest.raises(Exception, match="refuses the name or the password") as refused:
                await provider.start()
            assert "other" not in str(refused.value)
        finally:
            await provider.close()


async def test_a_feed_that_falls_silent_makes_its_prices_fail(
    redis: RedisServer, provider: RedisProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stocktrack.providers.redis.link.FEED_SILENT_SECONDS", 0.6)
    sink = Collected()
    async with a_feed(redis, tmp_path):
        stream = asyncio.create_task(provider.stream(lambda: ("AAPL",), sink))
        await until(lambda: sink.quotes)
    with pytest.raises(ProviderError, match="has been silent") as silent:
        await stream
    assert silent.value.reason is Reason.PROVIDER_TIMEOUT
    with pytest.raises(ProviderError):
        await provider.quotes(["AAPL"])
    async with a_feed(redis, tmp_path):
        await provider.recovered()
        assert provider.link.has_feed


async def streaming(provider: RedisProvider, wanted: Collection[str]) -> tuple[Collected, asyncio.Task[None]]:
    """A stream of what `wanted` holds at each moment, and its task."""
    sink = Collected()
    task = asyncio.create_task(provider.stream(lambda: tuple(wanted), sink))
    await until(lambda: sink.times_opened or task.done())
    return sink, task


async def test_a_symbol_that_comes_back_has_what_was_published_meanwhile_and_nothing_old(
    redis: RedisServer, provider: RedisProvider
) -> None:
    publish(redis, "AAPL", 1.0)
    wanted = {"AAPL"}
    sink, stream = await streaming(provider, wanted)
    await until(lambda: sink.quotes)
    wanted.clear()
    await until(lambda: not provider.link.is_following("AAPL"))
    publish(redis, "AAPL", 2.0)
    sink.quotes.clear()
    wanted.add("AAPL")
    await until(lambda: sink.quotes)
    stream.cancel()
    assert [quote.price for quote in sink.quotes] == [2.0]


async def test_what_was_only_published_and_is_not_followed_any_more_is_not_taken_for_current(
    redis: RedisServer, provider: RedisProvider
) -> None:
    wanted = {"AAPL"}
    sink, stream = await streaming(provider, wanted)
    await until(lambda: provider.link.is_following("AAPL"))
    redis.command("PUBLISH", "stock:AAPL", '{"price":1}')
    await until(lambda: sink.quotes)
    assert (await provider.quotes(["AAPL"])).quotes["AAPL"].price == 1.0
    wanted.clear()
    await until(lambda: not provider.link.is_following("AAPL"))
    assert "AAPL" in (await provider.quotes(["AAPL"])).failed
    stream.cancel()


async def test_in_a_burst_what_stood_at_redis_before_takes_the_place_of_nothing_newer(provider: RedisProvider) -> None:
    sink, stream = await streaming(provider, {"AAPL"})
    for number in range(600):
        provider._take("MSFT", b'{"price":%d}' % (number + 1))
    provider._take("AAPL", b'{"price":2}')
    provider._take_kept("AAPL", b'{"price":1}')
    await until(lambda: sink.quotes)
    stream.cancel()
    assert [quote.price for quote in sink.quotes if quote.symbol == "AAPL"] == [2.0]


async def test_a_flood_of_poison_after_a_good_price_takes_the_place_of_nothing(provider: RedisProvider) -> None:
    sink, stream = await streaming(provider, {"AAPL"})
    provider._take("AAPL", b'{"price":2}')
    for number in range(5_000):
        provider._take("AAPL", b"poison %d" % number)
    assert len(provider._came["AAPL"]) <= 20
    await until(lambda: sink.quotes)
    stream.cancel()
    assert [quote.price for quote in sink.quotes] == [2.0]
    assert 4_900 < provider.dropped["json"] <= 5_000


async def test_a_redis_that_is_not_there_at_the_start_is_followed_once_it_is() -> None:
    with running_redis() as redis:
        redis.kill()
        provider = RedisProvider(redis.url, timeout_seconds=5.0, clock=RealClock())
        await provider.start()
        try:
            with pytest.raises(ProviderError, match="cannot be reached: connection refused"):
                await provider.quotes(["AAPL"])
            with pytest.raises(ProviderError):
                await provider.stream(lambda: ("AAPL",), Collected())
            redis.start()
            await provider.recovered()
            publish(redis, "AAPL", 1.0)
            sink, stream = await streaming(provider, {"AAPL"})
            await until(lambda: sink.quotes)
            stream.cancel()
        finally:
            await provider.close()
            await provider.close()


async def test_a_password_that_is_put_right_at_redis_is_found_out() -> None:
    with running_redis() as redis:
        provider = RedisProvider(redis.url, timeout_seconds=5.0, clock=RealClock())
        await provider.start()
        stream = asyncio.create_task(provider.stream(lambda: ("AAPL",), Collected()))
        try:
            redis.command("CONFIG", "SET", "requirepass", "SeCrEt")
            redis._password = "SeCrEt"
            redis.command("CLIENT", "KILL", "TYPE", "pubsub")
            with pytest.raises(SourceUnusable, match="refuses the name or the password") as refused:
                await asyncio.wait_for(stream, PATIENCE_SECONDS)
            assert refused.value.retry_after_ms
            redis.command("CONFIG", "SET", "requirepass", "")
            redis._password = None
            await provider.recovered()
            await provider.quotes(["AAPL"])
        finally:
            await provider.close()


async def test_a_reader_that_may_not_write_has_the_prices(redis: RedisServer) -> None:
    redis.command(
        "ACL", "SETUSER", "reader", "on", ">SeCrEt", "~*", "&*", "+@read", "+subscribe", "+unsubscribe", "+ping"
    )
    provider = RedisProvider(
        redis.url.replace("redis://", "redis://reader:SeCrEt@"), timeout_seconds=5.0, clock=RealClock()
    )
    await provider.start()
    publish(redis, "AAPL", 1.0)
    try:
        sink, stream = await streaming(provider, {"AAPL"})
        await until(lambda: sink.quotes)
        await asyncio.to_thread(publish, redis, "AAPL", 2.0)
        await until(lambda: len(sink.quotes) > 1)
        stream.cancel()
        assert (await provider.quotes(["AAPL"])).quotes["AAPL"].price == 2.0
    finally:
        await provider.close()
        redis.command("ACL", "DELUSER", "reader")


async def test_a_user_that_may_do_nothing_makes_it_unusable_with_a_sentence(redis: RedisServer) -> None:
    redis.command("ACL", "SETUSER", "nobody", "on", ">SeCrEt")
    provider = RedisProvider(
        redis.url.replace("redis://", "redis://nobody:SeCrEt@"), timeout_seconds=5.0, clock=RealClock()
    )
    try:
        with pytest.raises(SourceUnusable, match="does not permit this to its user") as refused:
            await provider.start()
        assert "SeCrEt" not in str(refused.value)
    finally:
        await provider.close()
        redis.command("ACL", "DELUSER", "nobody")


async def test_an_unexpected_error_in_what_takes_prices_ends_no_connection_for_good(
    redis: RedisServer, provider: RedisProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink, stream = await streaming(provider, {"AAPL"})
    await until(lambda: provider.link.is_following("AAPL"))
    raised = []

    def fail(*_: object) -> None:
        raised.append(True)
        monkeypatch.undo()
        raise RuntimeError("a bug")

    monkeypatch.setattr(provider.link, "_take_price", fail)
    redis.command("PUBLISH", "stock:AAPL", '{"price":1}')
    await until(lambda: raised and not provider.link.is_following("AAPL"))
    await until(lambda: provider.link.is_following("AAPL"))
    redis.command("PUBLISH", "stock:AAPL", '{"price":2}')
    await until(lambda: sink.quotes)
    stream.cancel()


async def test_a_redis_that_is_paused_makes_its_prices_fail_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stocktrack.engine.subscriber.PROBE_EVERY_SECONDS", 0.1)
    monkeypatch.setattr("stocktrack.engine.subscriber.PROBE_PATIENCE_SECONDS", 0.4)
    with running_redis() as redis:
        provider = RedisProvider(redis.url, timeout_seconds=2.0, clock=RealClock())
        await provider.start()
        try:
            publish(redis, "AAPL", 1.0)
            sink, stream = await streaming(provider, {"AAPL"})
            await until(lambda: sink.quotes)
            redis.pause()
            with pytest.raises(ProviderError) as away:
                await asyncio.wait_for(stream, PATIENCE_SECONDS)
            assert away.value.reason is Reason.PROVIDER_TIMEOUT
            redis.resume()
            await provider.recovered()
            sink, stream = await streaming(provider, {"AAPL"})
            publish(redis, "AAPL", 2.0)
            await until(lambda: sink.quotes and sink.quotes[-1].price == 2.0)
            stream.cancel()
        finally:
            redis.resume()
            await provider.close()


@pytest.mark.parametrize("way", ["tcp", "socket", "RESP3", "TLS", "TLS with RESP3"])
async def test_prices_come_by_every_way_to_redis_that_an_address_can_name(way: str, tmp_path: Path) -> None:
    files, authority = write_certificate(tmp_path), write_authority(tmp_path)
    tls = ("--tls-cert-file", str(files["tls_cert"]), "--tls-key-file", str(files["tls_key"]))
    with running_redis(
        *tls, "--tls-ca-cert-file", str(authority), "--tls-auth-clients", "no", password="SeCrEt"
    ) as redis:
        url = redis.socket_url if way == "socket" else redis.url
        if way.startswith("TLS"):
            redis.command("CONFIG", "SET", "port", "0")
            redis.command("CONFIG", "SET", "tls-port", str(redis.port))
            url = f"{url.replace('redis://', 'rediss://')}?ssl_ca_certs={authority}"
        if way.endswith("RESP3"):
            url += f"{'&' if '?' in url else '?'}protocol=3"
        provider = RedisProvider(url, timeout_seconds=5.0, clock=RealClock())
        await provider.start()
        try:
            publish(redis, "AAPL", 1.0)
            sink, stream = await streaming(provider, {"AAPL"})
            await until(lambda: sink.quotes)
            await asyncio.to_thread(publish, redis, "AAPL", 2.0)
            await until(lambda: len(sink.quotes) > 1)
            stream.cancel()
            assert [quote.price for quote in sink.quotes] == [1.0, 2.0]
        finally:
            await provider.close()


async def test_while_the_feed_is_silent_the_stream_does_not_say_that_it_is_open(
    redis: RedisServer, provider: RedisProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stocktrack.providers.redis.link.FEED_SILENT_SECONDS", 0.6)
    async with a_feed(redis, tmp_path):
        sink, stream = await streaming(provider, {"AAPL"})
        await until(lambda: sink.quotes)
    with pytest.raises(ProviderError, match="has been silent"):
        await asyncio.wait_for(stream, PATIENCE_SECONDS)
    again = Collected()
    with pytest.raises(ProviderError, match="has been silent"):
        await provider.stream(lambda: ("AAPL",), again)
    assert again.times_opened == 0
    assert provider.trouble is not None
    async with a_feed(redis, tmp_path):
        await provider.recovered()
        assert provider.trouble is None
