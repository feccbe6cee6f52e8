"""A feed and a server over several real Redis."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from live_server import RawClient, until
from patience import PATIENCE_SECONDS
from redis_server import RedisServer
from redis_shards import HELD_BY_THREE, a_sharded_feed, a_sharded_process, a_sharded_server, running_shards
from stocktrack.engine.names import INSTANCE, LEADER, SEQ, SHARD


@pytest.fixture
def three() -> Iterator[list[RedisServer]]:
    with running_shards(3) as shards:
        yield shards


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis that is away is missed sooner."""
    monkeypatch.setattr("stocktrack.providers.redis.provider.HEAL_SECONDS", 0.3)


def keys(redis: RedisServer, pattern: str = "*") -> set[str]:
    answer = redis.command("KEYS", pattern).decode().split("\r\n")
    return {each for each in answer if each and each[0] not in "*$"}


def text(redis: RedisServer, key: str) -> str | None:
    head, _, body = redis.command("GET", key).decode().partition("\r\n")
    return None if head == "$-1" else body.removesuffix("\r\n")


def kept(three: list[RedisServer]) -> list[str | None]:
    """What stands at each of the symbol that it holds."""
    return [text(each, f"stock:{symbol}") for each, symbol in zip(three, HELD_BY_THREE, strict=True)]


async def subscribed(server: Any, symbols: tuple[str, ...] = HELD_BY_THREE) -> RawClient:
    client: RawClient = await server.log_in()
    client.send({"type": "SUBSCRIBE", "symbols": list(symbols), "interval": 0})
    return client


async def prices_of(client: RawClient, *symbols: str, stale: bool = False) -> list[dict[str, Any]]:
    """What came until each of `symbols` had a price that is, or is not, `stale`."""
    came: list[dict[str, Any]] = []
    missing = set(symbols)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while missing:
            came.append(message := await client.receive())
            if message["type"] == "PRICE" and bool(message.get("stale")) is stale:
                missing.discard(message["symbol"])
    return came


async def test_every_symbol_arrives_and_each_key_lies_where_it_should(three: list[RedisServer], tmp_path: Path) -> None:
    async with a_sharded_feed(three, tmp_path) as feed, a_sharded_server(three, tmp_path) as server:
        client = await subscribed(server)
        await prices_of(client, *HELD_BY_THREE)
        assert [keys(each, "stock:*") for each in three] == [{f"stock:{symbol}"} for symbol in HELD_BY_THREE]
        assert keys(three[0], "stocktrack:*") == {INSTANCE, SEQ, LEADER, SHARD}
        assert [keys(each, "stocktrack:*") for each in three[1:]] == [{SEQ, LEADER, SHARD}] * 2
        assert [text(each, SHARD) for each in three] == ["1/3", "2/3", "3/3"]
        assert len({text(each, LEADER) for each in three}) == 1
        lead = feed.lead
        assert lead is not None
        await until(lambda: sorted(lead.board.watched()) == sorted(HELD_BY_THREE))
        # What nobody watches is asked of the feed, by the home.
        reply = await client.ask({"type": "GET", "symbols": ["NVDA", "MSFT", "BRK-B"]})
        assert {quote["symbol"] for quote in reply["quotes"]} == {"NVDA", "MSFT", "BRK-B"}


async def test_a_hint_at_the_home_and_a_channel_at_each_are_demand_and_a_channel_elsewhere_is_none(
    three: list[RedisServer], tmp_path: Path
) -> None:
    async with a_sharded_feed(three, tmp_path) as feed:
        lead = feed.lead
        assert lead is not None
        three[0].command("PUBLISH", "stocktrack:wanted", '["AAPL","AMZN","GOOG","NVDA"]')
        await until(lambda: sorted(lead.board.watched()) == ["AAPL", "AMZN", "GOOG", "NVDA"])
        assert [sorted(wanted._watched) for wanted in lead.wanted] == [["AAPL"], ["AMZN", "NVDA"], ["GOOG"]]
        client = lead.wanted[2]._redis.pubsub()
        await client.subscribe("stock:BRK-B", "stock:MSFT")  # MSFT's prices are published at the second one
        await until(lambda: "BRK-B" in lead.board.watched())
        assert "MSFT" not in lead.board.watched()
        await client.aclose()  # type: ignore[no-untyped-call] # redis-py types it nowhere


async def test_one_that_is_away_makes_its_symbols_stale_and_no_other_and_heals_by_itself(
    three: list[RedisServer], tmp_path: Path
) -> None:
    async with a_sharded_feed(three, tmp_path), a_sharded_server(three, tmp_path) as server:
        client = await subscribed(server)
        for _ in range(3):  # the first one may be what the feed answered
            await prices_of(client, *HELD_BY_THREE)
        with capture_logs() as logs:
            three[1].kill()
            came = await prices_of(client, "AMZN", stale=True)
            came += [notice := await client.receive_until("NOTICE")]
            assert (notice["reason"], notice["symbols"]) == ("provider_error", ["AMZN"])
            assert f"Redis at 127.0.0.1:{three[1].port} cannot be reached" in notice["message"]
            came += await prices_of(client, "AAPL", "GOOG")
            assert not [each for each in came if each.get("stale") and each["symbol"] != "AMZN"]
            highest = {each["symbol"]: each["seq"] for each in came if each["type"] == "PRICE"}
            reply = await client.ask({"type": "GET", "symbols": ["NVDA", "BRK-B"]})
            assert {quote["symbol"] for quote in reply["quotes"]} == {"BRK-B"}
            three[1].start()
            came = await prices_of(client, "AMZN")
            while not any(each["type"] == "NOTICE" for each in came):
                came.append(await client.receive())
            came += await prices_of(client, *HELD_BY_THREE)
        restored = [each for each in came if each["type"] == "NOTICE"]
        assert [(each["reason"], each["symbols"]) for each in restored] == [("provider_restored", ["AMZN"])]
        for message in came:
            if message["type"] == "PRICE":
                assert message["seq"] >= highest[message["symbol"]]
                highest[message["symbol"]] = message["seq"]
        assert keys(three[1], "stock:*") == {"stock:AMZN"}
        assert text(three[1], SHARD) == "2/3"
        told = [each["event"] for each in logs if f":{three[1].port}" in json.dumps(each, default=str)]
        assert sorted(told) == [
            "a part of the prices cannot be published",
            "all prices can be published again",
            "the prices of one Redis are stale; it is tried again and again",
            "the prices of one Redis come again",
        ]


async def test_one_that_forgot_everything_is_published_to_again(three: list[RedisServer], tmp_path: Path) -> None:
    async with a_sharded_feed(three, tmp_path), a_sharded_server(three, tmp_path) as server:
        client = await subscribed(server)
        await prices_of(client, *HELD_BY_THREE)
        three[2].command("FLUSHALL")
        await until(lambda: text(three[2], SHARD) == "3/3" and text(three[2], "stock:GOOG") is not None)
        came = await prices_of(client, *HELD_BY_THREE)
        assert not [each for each in came if each["type"] == "NOTICE" or each.get("stale")]


async def test_one_that_is_not_there_at_the_start_costs_its_own_symbols_alone(
    three: list[RedisServer], tmp_path: Path
) -> None:
    three[2].kill()
    async with a_sharded_feed(three, tmp_path) as feed, a_sharded_server(three, tmp_path) as server:
        client = await subscribed(server, ("AAPL", "AMZN"))
        await prices_of(client, "AAPL", "AMZN")
        reply = await client.ask({"type": "GET", "symbols": ["GOOG"]})
        assert (reply["code"], reply["reason"]) == (500, "provider_error")
        assert f"Redis at 127.0.0.1:{three[2].port} cannot be reached" in reply["message"]
        with pytest.raises(Exception, match=f"Redis at 127.0.0.1:{three[2].port} cannot be reached"):
            await feed.check()
        three[2].start()
        await until(lambda: text(three[2], LEADER) is not None)
        client = await subscribed(server)
        await prices_of(client, *HELD_BY_THREE)
        await feed.check()


async def test_after_a_take_over_no_shard_takes_what_the_one_before_publishes(
    three: list[RedisServer], tmp_path: Path
) -> None:
    first, second = (a_sharded_process(three, tmp_path) for _ in range(2))
    await first.start()
    await until(lambda: first.is_leading)
    await second.start()
    try:
        lead = first.lead
        assert lead is not None
        lead.hint(json.dumps(HELD_BY_THREE).encode())
        await until(
            lambda: all(text(each, f"stock:{symbol}") for each, symbol in zip(three, HELD_BY_THREE, strict=True))
        )
        before = [text(each, LEADER) for each in three]
        published = [publisher._publish for publisher in lead.publishers]
        late = [entry for symbol in HELD_BY_THREE if (entry := lead.board.entry(symbol)) is not None]
        await first.close()
        await until(lambda: second.is_leading and all(text(each, LEADER) not in {None, before[0]} for each in three))
        assert len(set(before)) == 1
        assert len({text(each, LEADER) for each in three}) == 1
        # What it had decided to publish before it was stopped arrives now.
        revived = a_sharded_process(three, tmp_path)
        for part, publisher in zip(revived._parts, lead.publishers, strict=True):
            publisher._redis = part.redis
        for number, publish in enumerate(published):
            with pytest.raises(Exception, match="LOST the lease"):
                await publish({late[number]: b'{"price":0.01}'})
        await revived.close()
        assert '{"price":0.01}' not in kept(three)
    finally:
        await first.close()
        await second.close()


async def test_a_take_over_while_one_is_away_goes_on_above_all_that_was_published(
    three: list[RedisServer], tmp_path: Path
) -> None:
    ahead = 4_000_000_000_000  # more than the clock says
    three[2].command("SET", SEQ, str(ahead))
    async with a_sharded_feed(three, tmp_path) as feed:
        lead = feed.lead
        assert lead is not None
        lead.hint(b'["AAPL","GOOG"]')
        await until(lambda: int(text(three[0], SEQ) or 0) > ahead)
    three[2].kill()
    async with a_sharded_feed(three, tmp_path) as feed:
        lead = feed.lead
        assert lead is not None
        lead.hint(b'["GOOG"]')
        await until(lambda: (quote := lead.board.quote("GOOG")) is not None and quote.seq > ahead)


@pytest.mark.parametrize(
    ("order", "places"),
    [((0, 2, 1), {1, 2}), ((1, 0, 2), {0, 1}), ((0,), {0}), ((0, 1), {0, 1})],
    ids=["another order", "another home", "one", "two"],
)
async def test_a_server_whose_list_is_another_than_the_feeds_says_so_once(
    three: list[RedisServer], tmp_path: Path, order: tuple[int, ...], places: set[int]
) -> None:
    expected = {f"Redis at 127.0.0.1:{three[place].port}" for place in places}
    with capture_logs() as logs:

        def told() -> list[str]:
            return [each["place"] for each in logs if each["log_level"] == "error" and "disagree" in each["event"]]

        async with a_sharded_feed(three, tmp_path):
            await until(lambda: None not in [text(each, SHARD) for each in three])
            async with a_sharded_server([three[each] for each in order], tmp_path) as server:
                await until(lambda: set(told()) == expected)
                client = await server.log_in()
                for _ in range(2):
                    await client.ask({"type": "GET", "symbols": [*HELD_BY_THREE, "MSFT"]})
    assert sorted(told()) == sorted(expected)


async def test_a_feed_whose_list_is_another_than_that_of_the_one_before_says_so(
    three: list[RedisServer], tmp_path: Path
) -> None:
    async with a_sharded_feed(three, tmp_path):
        await until(lambda: text(three[2], SHARD) is not None)
    with capture_logs() as logs:
        async with a_sharded_feed([three[0], three[2], three[1]], tmp_path):
            await until(lambda: text(three[2], SHARD) == "2/3" and text(three[1], SHARD) == "3/3")
    told = [(each["before"], each["now"]) for each in logs if "another part of the prices" in each["event"]]
    assert sorted(told) == [("2/3", "3/3"), ("3/3", "2/3")]


async def test_two_are_enough(tmp_path: Path) -> None:
    with running_shards(2) as two:
        async with a_sharded_feed(two, tmp_path), a_sharded_server(two, tmp_path) as server:
            client = await subscribed(server, ("AAPL", "MSFT"))
            await prices_of(client, "AAPL", "MSFT")
            assert [keys(each, "stock:*") for each in two] == [{"stock:AAPL"}, {"stock:MSFT"}]


async def test_what_others_publish_at_its_shard_arrives_without_a_feed(
    three: list[RedisServer], tmp_path: Path
) -> None:
    async with a_sharded_server(three, tmp_path) as server:
        for redis, symbol in zip(three, HELD_BY_THREE, strict=True):
            redis.command("SET", f"stock:{symbol}", '{"price":1.5}')
        client = await subscribed(server)
        await prices_of(client, *HELD_BY_THREE)
        three[1].kill()
        await prices_of(client, "AMZN", stale=True)
        three[0].command("PUBLISH", "stock:AAPL", '{"price":1.6}')
        came = await prices_of(client, "AAPL")
        assert came[-1]["price"] == 1.6
        three[1].start()
        await asyncio.to_thread(three[1].command, "SET", "stock:AMZN", '{"price":1.7}')
        came = await prices_of(client, "AMZN")
        assert came[-1]["price"] in {1.5, 1.7}
