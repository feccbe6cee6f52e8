import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from feeds import a_feed, a_round_trip
from live_server import until
from redis_server import RedisServer, running_redis
from stocktrack.clock import RealClock
from stocktrack.errors import ProviderError, Reason
from stocktrack.providers.redis.provider import RedisProvider
from stocktrack.testing import (
    BrokenStreamContract,
    CompanyContract,
    DividendContract,
    HangingContract,
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
