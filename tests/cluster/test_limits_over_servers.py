"""Limits by user over two servers at one Redis: sessions strictly, requests and wrong logins by word."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from clusters import bus_of, two_servers
from live_server import PASSWORD, LiveServer, RawClient, until
from redis_server import RedisServer, running_redis
from stocktrack.clock import RealClock
from stocktrack.cluster.seats import ClusterSeats
from stocktrack.engine.client import open_redis

LOGIN = {"type": "AUTH", "username": "ann", "password": PASSWORD}
NEVER_MS = "9999999999999"


async def crowd(*servers: LiveServer, each: int) -> Counter[int]:
    """The codes of so many logins at each server, all at once."""
    clients = [await server.connect() for server in servers for _ in range(each)]
    replies = await asyncio.gather(*(client.ask(LOGIN) for client in clients))
    return Counter(reply["code"] for reply in replies)


async def test_a_crowd_at_two_servers_gets_no_more_sessions_than_one_user_may_have(
    redis: RedisServer, tmp_path: Path
) -> None:
    async with two_servers(redis, tmp_path, max_sessions_per_user=10) as (one, two):
        assert await crowd(one, two, each=100) == {200: 10, 429: 190}


async def test_a_session_that_ends_makes_room_at_the_other_server(redis: RedisServer, tmp_path: Path) -> None:
    async with two_servers(redis, tmp_path, max_sessions_per_user=1) as (one, two):
        first, second = await one.log_in(), await two.connect()
        refused = await second.ask(LOGIN)
        assert (refused["code"], refused["reason"]) == (429, "session_limit")
        await first.ask({"type": "LOGOUT"})
        await one.until_clients(0)
        await until(lambda: redis.command("HLEN", "stocktrack:seats:ann") == b":0\r\n")
        assert (await second.ask(LOGIN))["code"] == 200


@pytest.mark.parametrize(("until_ms", "code"), [("1", 200), (NEVER_MS, 429), ("nonsense", 200)])
async def test_sessions_of_a_server_count_while_it_is_there(
    until_ms: str, code: int, redis: RedisServer, tmp_path: Path
) -> None:
    async with two_servers(redis, tmp_path, max_sessions_per_user=3) as (one, _):
        redis.command("HSET", "stocktrack:servers", "other", until_ms)
        redis.command("HSET", "stocktrack:seats:ann", "other", "3 0")
        assert (await (await one.connect()).ask(LOGIN))["code"] == code


async def test_without_redis_each_server_counts_by_itself_and_tells_when_it_is_back(tmp_path: Path) -> None:
    with running_redis() as redis:
        async with two_servers(redis, tmp_path, max_sessions_per_user=2) as (one, two):
            redis.kill()
            await until(lambda: bus_of(one).why_alone and bus_of(two).why_alone)
            assert await crowd(one, two, each=4) == {200: 4, 429: 4}
            redis.start()
            await until(lambda: redis.command("HLEN", "stocktrack:seats:ann") == b":2\r\n")
            assert (await (await one.connect()).ask(LOGIN))["code"] == 429


class FakeHeld:
    """Sessions as a test wants them: how many, and how many behind REST."""

    def __init__(self, count: int = 0, rest: int = 0) -> None:
        self.most_of_user = 2
        self.held = (count, rest)

    def users(self) -> list[str]:
        return ["ann"]

    def held_by(self, username: str) -> tuple[int, int]:
        assert username == "ann"
        return self.held


async def test_rest_at_several_servers_is_one_session_of_its_user(redis: RedisServer) -> None:
    client = open_redis(redis.url)
    redis.command("HSET", "stocktrack:servers", "one", NEVER_MS, "two", NEVER_MS)
    here, there = FakeHeld(), FakeHeld(count=1, rest=1)
    seats = {
        name: ClusterSeats(client, "Redis", RealClock(), name, held=lambda held=held: held, is_alone=lambda: False)  # type: ignore[misc]
        for name, held in (("one", here), ("two", there))
    }
    tasks = [asyncio.create_task(each.run()) for each in seats.values()]
    try:
        seats["two"].tell_all()
        await until(lambda: redis.command("HLEN", "stocktrack:seats:ann") == b":1\r\n")
        rest = await seats["one"].take("ann", 1, is_rest=True)
        assert rest is not None
        here.held = (1, 1)
        rest()
        assert await seats["one"].take("ann", 1, is_rest=False) is None
        assert await seats["one"].take("ann", 2, is_rest=False) is not None
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await client.aclose()


async def test_what_a_user_causes_at_one_server_is_deducted_at_the_other(redis: RedisServer, tmp_path: Path) -> None:
    async with two_servers(redis, tmp_path) as (one, two):
        there = two.app.sessions.budgets
        assert one.app.sessions.budgets.pay("user ann", 25, per_minute=60, burst=30) == 0
        await until(lambda: len(there) == 1)
        assert there.pay("user ann", 10, per_minute=60, burst=30) > 0
        assert there.pay("user bob", 10, per_minute=60, burst=30) == 0


async def test_wrong_passwords_at_one_server_count_at_the_other(redis: RedisServer, tmp_path: Path) -> None:
    async with two_servers(redis, tmp_path, login_failures_per_minute=2) as (one, two):
        throttle = two.app.accounts.throttle
        for _ in range(2):
            assert (await guess(await one.connect()))["reason"] == "bad_credentials"
        await until(lambda: throttle.wait_seconds("bob", "192.0.2.9") > 0)
        assert throttle.wait_seconds("bob", "127.0.0.1") > 0
        assert throttle.wait_seconds("somebody", "192.0.2.9") == 0


async def test_where_a_user_logged_in_at_one_server_nobody_locks_the_user_out_at_the_other(
    redis: RedisServer, tmp_path: Path
) -> None:
    async with two_servers(redis, tmp_path, login_failures_per_minute=1) as (one, two):
        await one.log_in("bob")
        throttle = two.app.accounts.throttle
        network = "127.0.0.1"
        await until(lambda: throttle._places.has(next(iter(throttle._places._until), ""), network))
        throttle.count_name("bob", "192.0.2.9")
        assert throttle.wait_seconds("bob", "192.0.2.9") > 0
        assert throttle.wait_seconds("bob", network) == 0


async def guess(client: RawClient) -> dict[str, object]:
    return await client.ask({"type": "AUTH", "username": "bob", "password": "wrong" + PASSWORD})
