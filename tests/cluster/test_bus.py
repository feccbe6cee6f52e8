"""The bus: messages of anybody, a handler that fails, and what is told while nobody can hear it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from pydantic import BaseModel
from structlog.testing import capture_logs

from live_server import until
from redis_server import RedisServer
from stocktrack.clock import RealClock, end
from stocktrack.cluster.bus import Bus, checked
from stocktrack.cluster.envelopes import MAX_BYTES, Envelope, read, write
from stocktrack.cluster.figures import ClusterFigures
from stocktrack.engine.client import open_redis, place_of
from stocktrack.errors import CommandError, Reason
from stocktrack.web.together import page_of_all


class Number(BaseModel):
    """A question of these tests."""

    number: int


@contextlib.asynccontextmanager
async def a_bus(redis: RedisServer, name: str) -> AsyncIterator[Bus]:
    """A server's place on the bus, without a server."""
    client = open_redis(redis.url)
    bus = Bus(client, place_of(redis.url), RealClock(), name)
    task = asyncio.create_task(bus.run())
    try:
        await until(lambda: bus.why_alone is None)
        yield bus
    finally:
        await end(task)
        await bus.close()
        await client.aclose()


async def double(asked: Number, _sender: str) -> dict[str, Any]:
    """Answer with twice the number."""
    return {"number": 2 * asked.number}


GARBAGE: Mapping[str, bytes] = {
    "no JSON": b"\xff\xfe{",
    "no object": b"[1,2,3]",
    "no form": b'{"from":"x","kind":"double","fields":{}}',
    "no name": b'{"form":"word","from":"","kind":"double","fields":{}}',
    "a list as form": b'{"form":["word"],"from":"x","kind":"double","fields":{}}',
    "no fields": b'{"form":"word","from":"x","kind":"double","fields":[]}',
    "no number": b'{"form":"answer","from":"x","kind":"double","fields":{},"id":"7"}',
    "deep": b"[" * 100_000,
    "huge": b'{"form":"word","from":"x","kind":"double","fields":{"x":"' + b"x" * MAX_BYTES + b'"}}',
}


@pytest.mark.parametrize("what", GARBAGE)
def test_what_is_no_message_is_none(what: str) -> None:
    assert read(GARBAGE[what]) is None


def test_a_message_is_read_back_as_it_was_written() -> None:
    envelope = Envelope("question", "k3f9x", "double", {"number": 7}, 3)
    assert read(write(envelope)) == envelope


def test_names_beyond_ascii_are_no_longer_on_the_way_than_on_the_line() -> None:
    # As escapes this would be three times as long, and left out.
    names = [chr(0x1F40E) * 64] * (MAX_BYTES // 300)
    envelope = Envelope("answer", "k3f9x", "list", {"sessions": names, "odd": "\ud800"}, 7)
    assert len(write(envelope)) < MAX_BYTES
    assert read(write(envelope)) == envelope


async def test_garbage_and_forged_messages_are_dropped_and_counted_and_the_bus_goes_on(redis: RedisServer) -> None:
    async with a_bus(redis, "one") as one, a_bus(redis, "two") as two:
        two.on("double", Number, double)
        forged = [
            {"form": "word", "from": "x", "kind": "nothing known", "fields": {}},
            {"form": "word", "from": "x", "kind": "double", "fields": {"number": "many"}},
            {"form": "answer", "from": "x", "kind": "double", "fields": {"number": 13}, "id": 1},
        ]
        for payload in (b"{", b"[" * 100_000, *(json.dumps(each).encode() for each in forged)):
            await two._redis.publish("stocktrack:bus", payload)
        answers = (await one.ask_all("double", Number(number=4))).answers
    assert answers == {"two": {"number": 8}}
    assert two.dropped == {"malformed": 3, "unknown": 1}


async def test_the_figures_say_whether_others_can_be_reached_and_what_was_dropped(redis: RedisServer) -> None:
    async with a_bus(redis, "one") as one:
        await one._redis.publish("stocktrack:bus", b"garbage")
        await until(lambda: one.dropped)
        page = figures_of(one)
    client = open_redis("redis://127.0.0.1:1")
    away = figures_of(Bus(client, "Redis", RealClock(), "two"))
    await client.aclose()
    assert page == ["stocktrack_bus_up 1.0", 'stocktrack_bus_dropped_total{why="malformed"} 1.0']
    assert away == ["stocktrack_bus_up 0.0"]


def figures_of(bus: Bus) -> list[str]:
    """The lines of its figures."""
    page = page_of_all([], *ClusterFigures(bus).collect()).decode()
    return [line for line in page.splitlines() if not line.startswith("#")]


async def test_an_error_of_an_answer_comes_back_as_it_was_and_one_of_ours_is_logged(redis: RedisServer) -> None:
    async def refuse(_asked: Number, _sender: str) -> dict[str, Any]:
        raise CommandError(Reason.INVALID_COMMAND, "There is no such number.")

    async def fail(_asked: Number, _sender: str) -> dict[str, Any]:
        raise ZeroDivisionError

    async with a_bus(redis, "one") as one, a_bus(redis, "two") as two:
        two.on("refuse", Number, refuse)
        two.on("fail", Number, fail)
        refused = await one.ask_one("two", "refuse", Number(number=1))
        with capture_logs() as logs:
            gathered = await one.ask_all("fail", Number(number=1))
    assert refused is not None
    with pytest.raises(CommandError, match="There is no such number"):
        checked(refused)
    assert [server.name for server in gathered.silent] == ["two"]
    assert [entry["log_level"] for entry in logs] == ["error"]


async def test_a_word_reaches_all_others_and_not_its_sender(redis: RedisServer) -> None:
    heard: list[tuple[str, int]] = []

    async with a_bus(redis, "one") as one, a_bus(redis, "two") as two, a_bus(redis, "three") as three:
        for bus in (one, two, three):

            async def hear(word: Number, sender: str, name: str = bus.name) -> None:
                heard.append((f"{sender} to {name}", word.number))

            bus.on("say", Number, hear)
        one.tell("say", Number(number=1))
        await until(lambda: len(heard) == 2)
        await one.ask_all("say", Number(number=2))  # whatever the sender's own word does is done by then
    assert sorted(heard) == [("one to three", 1), ("one to three", 2), ("one to two", 1), ("one to two", 2)]


async def test_what_is_told_while_redis_is_away_is_left_out(redis: RedisServer) -> None:
    client = open_redis("redis://127.0.0.1:1")
    bus = Bus(client, "Redis", RealClock(), "one")
    bus.tell("say", Number(number=1))
    assert bus.dropped == {"untold": 1}
    assert (await bus.ask_all("say", Number(number=1))).why_alone == "It was not connected yet."
    await client.aclose()
