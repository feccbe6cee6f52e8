import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from live_server import until
from patience import PATIENCE_SECONDS
from redis_proxy import Proxy, a_proxy
from redis_server import RedisServer, running_redis
from stocktrack.clock import RealClock, end, settle
from stocktrack.engine import subscriber as module
from stocktrack.engine.client import EngineError, open_redis, place_of
from stocktrack.engine.subscriber import Subscriber


@pytest.fixture(autouse=True)
def quick_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probes that are not waited for as long as those of the house."""
    monkeypatch.setattr(module, "PROBE_EVERY_SECONDS", 0.1)
    monkeypatch.setattr(module, "PROBE_PATIENCE_SECONDS", 0.5)


class Followed:
    """A subscriber that runs, and what it was told."""

    def __init__(self, url: str, *channels: str) -> None:
        self.wanted = set(channels)
        self.messages: list[tuple[str, bytes]] = []
        self.confirmed: list[str] = []
        self.redis = open_redis(url, timeout_seconds=2.0)
        self.subscriber = Subscriber(
            self.redis,
            place_of(url),
            RealClock(),
            wanted=lambda: self.wanted,
            take=lambda channel, payload: self.messages.append((channel, payload)),
            confirmed=self._note,
        )
        self.run = asyncio.create_task(self.subscriber.run())

    def _note(self, channels: Sequence[str]) -> None:
        self.confirmed += channels

    def want(self, *channels: str) -> None:
        self.wanted = set(channels)
        self.subscriber.look()

    async def broken(self) -> EngineError:
        """How it broke."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            with pytest.raises(EngineError) as why:
                await self.run
        return why.value


@contextlib.asynccontextmanager
async def following(url: str, *channels: str) -> AsyncIterator[Followed]:
    """A subscriber whose channels are confirmed."""
    followed = Followed(url, *channels)
    try:
        await until(lambda: set(channels) <= set(followed.confirmed) or followed.run.done())
        yield followed
    finally:
        await end(followed.run)
        await followed.redis.aclose()


@pytest.fixture
async def proxy(redis: RedisServer) -> AsyncIterator[Proxy]:
    async with a_proxy(redis.port) as proxy:
        yield proxy


@pytest.mark.parametrize("option", ["", "?protocol=3"])
async def test_what_is_published_after_the_confirmation_comes_in_order(redis: RedisServer, option: str) -> None:
    async with following(redis.url + option, "a", "b") as followed:
        assert followed.subscriber.following == {"a", "b"}
        sent = [("ab"[number % 2], str(number)) for number in range(50)]
        for channel, payload in sent:
            redis.command("PUBLISH", channel, payload)
        await until(lambda: len(followed.messages) == len(sent))
        assert followed.messages == [(channel, payload.encode()) for channel, payload in sent]


async def test_it_follows_what_is_wanted_and_knows_at_once_what_it_does_not_follow_any_more(redis: RedisServer) -> None:
    async with following(redis.url, "a") as followed:
        followed.want("b")
        await until(lambda: followed.subscriber.following == {"b"})
        followed.want()
        await until(lambda: not followed.subscriber.following)
        followed.want("a")
        await until(lambda: followed.subscriber.following == {"a"})
        assert followed.confirmed == ["a", "b", "a"]


async def test_ten_thousand_channels_are_confirmed(redis: RedisServer) -> None:
    channels = [f"stock:S{number}" for number in range(10_000)]
    async with following(redis.url, *channels) as followed:
        redis.command("PUBLISH", "stock:S9999", "x")
        await until(lambda: followed.messages)
        assert len(followed.subscriber.following) == len(channels)


@pytest.mark.parametrize("muted", [{"requests": False}, {"answers": False}, {}], ids=["answers", "requests", "both"])
async def test_a_connection_that_is_open_and_mute_is_found(proxy: Proxy, muted: dict[str, bool]) -> None:
    async with following(proxy.url, "a") as followed:
        proxy.mute(**muted)
        why = await followed.broken()
        assert why.is_timeout
        assert why.message.startswith("Redis at 127.0.0.1:")
        assert followed.subscriber.following == set()


async def test_a_connection_that_stays_where_nobody_publishes_any_more_is_found(
    redis: RedisServer, proxy: Proxy
) -> None:
    async with following(proxy.url, "a") as followed:
        with running_redis() as other:
            proxy.target_port = other.port  # as after a fail-over: the old one answers every PING
            why = await followed.broken()
            assert "has delivered nothing" in why.message


async def test_prices_that_come_prove_enough(redis: RedisServer, proxy: Proxy) -> None:
    async with following(proxy.url, "a") as followed:
        connections = proxy.connections
        for number in range(200):
            await asyncio.to_thread(redis.command, "PUBLISH", "a", str(number))
        assert proxy.connections - connections <= 2
        assert not followed.run.done()


async def test_a_user_that_may_only_read_follows_and_a_dead_connection_is_found(
    redis: RedisServer, proxy: Proxy
) -> None:
    redis.command(
        "ACL", "SETUSER", "reader", "on", ">SeCrEt", "~*", "&*", "+@read", "+subscribe", "+unsubscribe", "+ping"
    )
    try:
        async with following(proxy.url.replace("redis://", "redis://reader:SeCrEt@"), "a") as followed:
            redis.command("PUBLISH", "a", "x")
            await until(lambda: followed.messages)
            before = followed.subscriber.delivered_at
            await until(lambda: followed.subscriber.delivered_at > before)  # a PING, of which no message comes
            proxy.mute()
            assert (await followed.broken()).is_timeout
    finally:
        redis.command("ACL", "DELUSER", "reader")


async def test_a_user_that_may_not_follow_is_refused_in_a_sentence(redis: RedisServer) -> None:
    redis.command("ACL", "SETUSER", "narrow", "on", ">SeCrEt", "~*", "&stock:*", "+@all")
    try:
        async with following(redis.url.replace("redis://", "redis://narrow:SeCrEt@"), "stock:A") as followed:
            why = await followed.broken()
            assert why.is_refused
            assert "no permissions" in why.message
    finally:
        redis.command("ACL", "DELUSER", "narrow")


async def test_a_killed_subscription_is_an_error_and_can_be_run_again(redis: RedisServer) -> None:
    async with following(redis.url, "a") as followed:
        redis.command("CLIENT", "KILL", "TYPE", "pubsub")
        assert "cannot be reached" in (await followed.broken()).message
        followed.run = asyncio.create_task(followed.subscriber.run())
        await until(lambda: followed.subscriber.following == {"a"})


async def test_a_subscription_beyond_the_output_buffer_is_an_error(redis: RedisServer, proxy: Proxy) -> None:
    redis.command("CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 512kb 1")
    try:
        async with following(proxy.url, "a") as followed:
            proxy.mute(requests=False)
            for _ in range(200):
                redis.command("PUBLISH", "a", "x" * 100_000)
            proxy.unmute()
            await followed.broken()
    finally:
        redis.command("CONFIG", "SET", "client-output-buffer-limit", "pubsub 32mb 8mb 60")


async def test_a_process_that_stood_still_accuses_nobody(redis: RedisServer) -> None:
    class StandingClock(RealClock):
        """A clock of a process that stands still for ten seconds in each of its sleeps."""

        jump = 0.0

        def monotonic(self) -> float:
            return RealClock.monotonic() + self.jump

        async def sleep(self, seconds: float) -> None:
            self.jump += 10.0
            await super().sleep(0)

    async with following(redis.url, "a") as followed:
        followed.subscriber._clock = StandingClock()
        for number in range(20):
            await asyncio.to_thread(redis.command, "PUBLISH", "a", str(number))
        await until(lambda: len(followed.messages) == 20)
        assert not followed.run.done()


async def test_cancelling_leaves_no_task_and_no_connection(redis: RedisServer) -> None:
    async with following(redis.url, "a") as followed:
        await end(followed.run)
        assert [task for task in asyncio.all_tasks() if task.get_name().startswith("redis subscriber")] == []
        await until(lambda: b"channels=a" not in redis.command("CLIENT", "LIST", "TYPE", "pubsub"))
        assert b"*0" in redis.command("PUBSUB", "CHANNELS", "a")


async def test_cancelling_twice_leaves_no_connection_where_a_library_swallows_the_first(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Subscriber._read
    connections = []

    async def swallow_one(subscriber: Subscriber, connection: Any) -> None:
        connections.append(connection)
        try:
            await read(subscriber, connection)
        except asyncio.CancelledError:
            await asyncio.Event().wait()

    monkeypatch.setattr(Subscriber, "_read", swallow_one)
    async with following(redis.url, "a") as followed:
        for _ in range(2):
            followed.run.cancel()
            await settle()
        await asyncio.wait((followed.run,))
        assert [connection.is_connected for connection in connections] == [False]
        assert [task for task in asyncio.all_tasks() if task.get_name().startswith("redis subscriber")] == []
