import asyncio
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from live_server import until
from patience import PATIENCE_SECONDS
from redis_server import RedisServer, running_redis
from stocktrack.clock import RealClock, end
from stocktrack.engine import lease as module
from stocktrack.engine.client import open_redis, place_of
from stocktrack.engine.lease import Lease

KEY = "stocktrack:leader"


class ShiftedClock(RealClock):
    """A clock whose monotonic time can be moved on, as when a process stood still."""

    shift = 0.0

    def monotonic(self) -> float:
        return RealClock.monotonic() + self.shift


class Contender:
    """One process that wants the lease."""

    def __init__(self, url: str, name: str) -> None:
        self.clock = ShiftedClock()
        self.redis = open_redis(url, timeout_seconds=1.0)
        self.lease = Lease(self.redis, place_of(url), KEY, name, self.clock)
        self.task: asyncio.Task[None] | None = None

    def contend(self) -> None:
        self.task = asyncio.create_task(self._take_and_keep())

    async def _take_and_keep(self) -> None:
        await self.lease.take()
        await self.lease.keep()

    async def close(self) -> None:
        if self.task is not None:
            await end(self.task)
        await self.redis.aclose()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease that is over sooner."""
    monkeypatch.setattr(module, "LEASE_SECONDS", 0.6)
    monkeypatch.setattr(module, "RENEW_SECONDS", 0.1)


@pytest.fixture
async def three(redis: RedisServer) -> AsyncIterator[list[Contender]]:
    contenders = [Contender(redis.url, name) for name in "abc"]
    yield contenders
    for each in contenders:
        await each.close()


def holders(contenders: list[Contender]) -> list[Contender]:
    return [each for each in contenders if each.lease.is_held]


async def one_holder(contenders: list[Contender], *, but: Contender | None = None) -> Contender:
    """Who holds it, once somebody else than `but` does."""
    await until(lambda: [each for each in holders(contenders) if each is not but])
    (holder,) = holders(contenders)
    return holder


async def test_of_three_one_holds_it_and_keeps_it(three: list[Contender]) -> None:
    for each in three:
        each.contend()
    holder = await one_holder(three)
    began = RealClock.monotonic()
    await until(lambda: RealClock.monotonic() > began + 1.5)
    assert holders(three) == [holder]


async def test_one_that_is_killed_is_followed_by_another_when_its_time_is_over(three: list[Contender]) -> None:
    for each in three:
        each.contend()
    first = await one_holder(three)
    assert first.task is not None
    await end(first.task)  # without a release, as a kill -9
    assert await one_holder(three, but=first) is not first


async def test_one_that_gives_it_up_is_followed_at_once(three: list[Contender]) -> None:
    first, second, _ = three
    first.contend()
    await until(lambda: first.lease.is_held)
    second.contend()
    assert first.task is not None
    await end(first.task)
    await first.lease.release()
    assert not first.lease.is_held
    await until(lambda: second.lease.is_held)


async def test_one_that_stood_still_does_not_hold_it_any_more_and_learns_who_does(three: list[Contender]) -> None:
    first, second, _ = three
    await first.lease.take()
    first.clock.shift += 10.0  # it was stopped, and goes on
    assert not first.lease.is_held
    second.contend()
    await until(lambda: second.lease.is_held)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await first.lease.keep()
    assert not first.lease.is_held


async def test_releasing_what_another_holds_takes_it_from_nobody(three: list[Contender], redis: RedisServer) -> None:
    first, second, _ = three
    await first.lease.take()
    await second.lease.release()
    assert b'"holder": "a"' in redis.command("GET", KEY)


async def test_while_redis_is_away_it_is_not_held_and_is_taken_again_from_an_empty_one() -> None:
    with running_redis() as redis:
        contender = Contender(redis.url, "a")
        try:
            contender.contend()
            await until(lambda: contender.lease.is_held)
            redis.kill()
            await until(lambda: not contender.lease.is_held)
            assert contender.lease.failure.startswith("Redis at 127.0.0.1:")
            redis.start()
            await until(lambda: contender.lease.is_held)
            assert contender.lease.failure == ""
        finally:
            await contender.close()


async def test_a_user_that_may_not_run_scripts_is_told_so_and_never_holds_it(redis: RedisServer) -> None:
    redis.command("ACL", "SETUSER", "feed", "on", ">SeCrEt", "~*", "&*", "+@all", "-eval")
    contender = Contender(redis.url.replace("redis://", "redis://feed:SeCrEt@"), "a")
    try:
        contender.contend()
        await until(lambda: contender.lease.failure)
        assert "no permissions to run the 'eval' command" in contender.lease.failure
        assert not contender.lease.is_held
    finally:
        await contender.close()
        redis.command("ACL", "DELUSER", "feed")


async def test_a_lease_under_another_is_held_with_it_and_takes_nothing_back_after_it(redis: RedisServer) -> None:
    """Another key of the same Redis stands for another Redis."""
    clock = ShiftedClock()
    client = open_redis(redis.url, timeout_seconds=1.0)
    home = Lease(client, "Redis", KEY, "a", clock)
    under = Lease(client, "Redis", "stocktrack:part", "a", clock, under=home)
    taken: list[bool] = []

    async def note() -> None:
        taken.append(home.is_held)

    await home.take()
    following = asyncio.create_task(under.follow(note))
    try:
        await until(lambda: under.is_held)
        assert redis.command("GET", "stocktrack:part") == redis.command("GET", KEY)
        # It stood still: its own clock says that all is over, and the next one has both.
        clock.shift = 10.0
        assert not under.is_held
        redis.command("SET", KEY, "another")
        redis.command("SET", "stocktrack:part", "another")
        assert await under._try() == 0  # what it had sent before
        assert redis.command("GET", "stocktrack:part") == b"$7\r\nanother\r\n"
        assert taken == [True]
        # It leads again, and the other one is gone.
        redis.command("DEL", KEY)
        keeping = asyncio.create_task(home.keep())
        await home.take()
        with capture_logs() as logs:
            await until(lambda: logs)
        assert [(each["event"], each["why"]) for each in logs] == [
            ("a part of the prices cannot be published", "another process leads there")
        ]
        await end(keeping)
        await home.take()
        redis.command("DEL", "stocktrack:part")
        await until(lambda: under.is_held)
        assert taken == [True, True]
    finally:
        await end(following)
        await client.aclose()
