"""What a user changes in the lists at one server, told to the same user's sessions at another."""

from pathlib import Path
from typing import Any

from clusters import bus_of, two_servers
from redis_server import RedisServer
from stocktrack.cluster.envelopes import Envelope, write
from stocktrack.engine.names import BUS


async def test_a_change_reaches_the_users_sessions_at_all_servers(redis: RedisServer, tmp_path: Path) -> None:
    async with two_servers(redis, tmp_path) as (one, two):
        here, far, other = await one.log_in(), await two.log_in(), await two.log_in("bob")
        for client in (far, other):
            assert (await client.ask({"type": "LISTS", "follow": True}))["code"] == 200
        await here.ask({"type": "SET_LIST", "symbols": ["AAPL"], "list": "tech"})
        notice = await far.receive_until("NOTICE")
        assert (notice["reason"], notice["lists"]) == ("lists_changed", ["tech"])
        # Bob was told nothing: his next line is his own reply.
        assert (await other.ask({"type": "PING"}))["type"] == "PING"


async def test_what_others_write_to_the_bus_is_dropped_where_it_makes_no_sense(
    redis: RedisServer, tmp_path: Path
) -> None:
    async with two_servers(redis, tmp_path) as (one, _two):
        ann = await one.log_in()
        await ann.ask({"type": "LISTS", "follow": True})
        word: dict[str, Any] = {"username": "ann", "lists": ["tech"]}
        bad = [{**word, "lists": []}, {**word, "lists": ["a"] * 50}, {**word, "username": "\x1b"}, {"lists": ["a"]}]
        for fields in (*bad, {**word, "username": "nobody"}, word):
            redis.command("PUBLISH", BUS, write(Envelope("word", "zzzzz", "lists", fields)).decode())
        assert (await ann.receive_until("NOTICE"))["lists"] == ["tech"]
        assert bus_of(one).dropped["malformed"] == len(bad)
