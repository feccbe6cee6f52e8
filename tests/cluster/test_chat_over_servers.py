"""What users say over two servers at one Redis, and where it is away."""

from pathlib import Path
from typing import Any

from clusters import bus_of, two_servers, until_joined
from live_server import Line, RawClient, until
from redis_server import RedisServer, running_redis
from stocktrack.cluster.envelopes import Envelope, write
from stocktrack.config import LoadedSettings
from stocktrack.engine.names import BUS


async def words(client: RawClient, count: int) -> list[tuple[str, str | None, str]]:
    heard: list[Line] = [await client.receive_until("SAID") for _ in range(count)]
    return [(said["username"], said.get("symbol"), said["text"]) for said in heard]


async def test_a_word_reaches_the_sessions_of_all_servers_in_its_order(redis: RedisServer, tmp_path: Path) -> None:
    async with two_servers(redis, tmp_path, chat=True) as (one, two):
        ann, near, far = await one.log_in(), await one.log_in("bob"), await two.log_in("bob")
        replies = [await ann.ask({"type": "SAY", "text": str(number)}) for number in range(5)]

        assert [(reply["code"], reply["recipients"], "partial" in reply) for reply in replies] == [(200, 1, False)] * 5
        expected = [("ann", None, str(number)) for number in range(5)]
        assert await words(near, 5) == expected
        assert await words(far, 5) == expected


async def test_what_is_said_of_a_symbol_reaches_who_is_pushed_it_elsewhere(redis: RedisServer, tmp_path: Path) -> None:
    async with two_servers(redis, tmp_path, chat=True) as (one, two):
        ann, bob, other = await one.log_in(), await two.log_in("bob"), await two.log_in("bob")
        await bob.ask({"type": "SUBSCRIBE", "symbols": ["AAPL"], "save": False})
        assert two.session_of(bob).symbols == ("AAPL",)
        await ann.ask({"type": "SAY", "symbol": "AAPL", "text": "Of Apple."})
        await ann.ask({"type": "SAY", "text": "To all."})
        expected = [("ann", "AAPL", "Of Apple."), ("ann", None, "To all.")]
        assert await words(bob, 2) == expected
        assert await words(other, 1) == expected[1:]


async def test_what_a_user_says_at_one_server_counts_at_the_others(redis: RedisServer, tmp_path: Path) -> None:
    async with two_servers(redis, tmp_path, chat=True, chat_messages_per_minute=3.0) as (one, two):
        here, there = await one.log_in(), await two.log_in()
        for number in range(3):
            assert (await here.ask({"type": "SAY", "text": str(number)}))["code"] == 200
        await words(there, 3)

        refused = await there.ask({"type": "SAY", "text": "more"})

        assert (refused["code"], refused["reason"]) == (429, "rate_limited")


async def test_where_chat_is_off_what_others_say_is_not_told(redis: RedisServer, tmp_path: Path) -> None:
    async with two_servers(redis, tmp_path, chat=True) as (one, two):
        ann, bob = await one.log_in(), await two.log_in("bob")
        without = two.app.settings.model_copy(update={"chat": False})
        two.app.reload(lambda: LoadedSettings(without, {}, ()))
        await ann.ask({"type": "SAY", "text": "unheard"})
        assert (await ann.ask({"type": "ANNOUNCE", "text": "over"}))["recipients"] == 2
        assert (await bob.receive_until("SAID", "NOTICE"))["type"] == "NOTICE"


async def test_a_bus_that_is_away_leaves_the_word_to_this_server_and_the_reply_says_so(tmp_path: Path) -> None:
    with running_redis() as redis:
        async with two_servers(redis, tmp_path, chat=True) as (one, two):
            ann, near, far = await one.log_in(), await one.log_in("bob"), await two.log_in("bob")
            redis.kill()
            await until(lambda: bus_of(one).why_alone and bus_of(two).why_alone)

            reply = await ann.ask({"type": "SAY", "text": "Alone."})

            assert (reply["code"], reply["recipients"], reply["partial"]) == (200, 1, True)
            assert reply["message"].endswith("Only the sessions of this server are told.")
            assert await words(near, 1) == [("ann", None, "Alone.")]
            redis.start()
            await until_joined(one, two)
            assert "partial" not in await ann.ask({"type": "SAY", "text": "Back."})
            assert await words(far, 1) == [("ann", None, "Back.")]


async def test_what_a_stranger_writes_to_the_bus_is_cleaned_or_dropped(redis: RedisServer, tmp_path: Path) -> None:
    async with two_servers(redis, tmp_path, chat=True) as (one, _):
        ann = await one.log_in()
        word: dict[str, Any] = {"username": "eve", "text": "\x1b[2Jhi\u202e", "timestamp": 1}
        bad = [{**word, "text": "x" * 501}, {**word, "username": "\x1b"}, {**word, "symbol": "A A"}, {"text": "x"}]
        for fields in (*bad, {**word, "text": "\u202e"}, word):
            redis.command("PUBLISH", BUS, write(Envelope("word", "zzzzz", "said", fields)).decode())
        heard = await ann.receive_until("SAID")
        assert (heard["username"], heard["text"]) == ("eve", "[2Jhi")
        assert bus_of(one).dropped["malformed"] == len(bad)
