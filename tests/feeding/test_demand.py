import json
from collections.abc import AsyncIterator

import pytest

from fakes import a_quote
from redis_server import RedisServer
from stocktrack.clock import ManualClock
from stocktrack.engine.client import open_redis, place_of
from stocktrack.feeding import demand
from stocktrack.feeding.demand import WantedSymbols
from stocktrack.market.board import Board


class Asked:
    """A Redis of which only the channels are asked."""

    def __init__(self) -> None:
        self.channels: list[bytes] = []

    async def pubsub_channels(self, _pattern: str) -> list[bytes]:
        return self.channels


@pytest.fixture
def redis() -> Asked:
    return Asked()


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def wanted(redis: Asked, board: Board, clock: ManualClock) -> WantedSymbols:
    return WantedSymbols(redis, "Redis", board, clock)  # type: ignore[arg-type] # it asks no more of it


async def test_what_has_subscribers_is_watched_and_what_has_none_any_more_is_not(
    redis: Asked, board: Board, wanted: WantedSymbols
) -> None:
    redis.channels = [b"stock:AAPL", b"stock:BRK-B"]
    await wanted.look()
    assert sorted(board.watched()) == ["AAPL", "BRK-B"]
    redis.channels = [b"stock:BRK-B"]
    await wanted.look()
    assert board.watched() == ["BRK-B"]


async def test_channels_that_are_no_symbols_are_passed_over(redis: Asked, board: Board, wanted: WantedSymbols) -> None:
    redis.channels = [
        *(b"stock:", b"stock:lower", b"stock:A B", b"stock:\xff\xfe", b"stock:" + b"A" * 49, b"stock:AAPL "),
        *(b"stock:\x1b[2J", b"stock:stock:AAPL", b"other", b"stock:MSFT"),
    ]
    await wanted.look()
    assert board.watched() == ["MSFT"]


async def test_ten_thousand_channels_are_watched_and_a_million_are_not(
    redis: Asked, board: Board, wanted: WantedSymbols, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis.channels = [f"stock:S{number}".encode() for number in range(10_000)]
    await wanted.look()
    assert len(wanted) == 10_000
    monkeypatch.setattr(demand, "MAX_SYMBOLS", 10_001)
    redis.channels += [b"stock:T1", b"stock:T2", b"stock:T3"]
    await wanted.look()
    assert len(wanted) == len(board.watched()) == 10_001


async def test_a_hint_holds_until_the_channel_shows(
    redis: Asked, board: Board, wanted: WantedSymbols, clock: ManualClock
) -> None:
    wanted.hint(b'["AAPL","MSFT"]')
    assert sorted(board.watched()) == ["AAPL", "MSFT"]
    await wanted.look()
    redis.channels = [b"stock:AAPL"]
    await clock.advance(5.1)
    await wanted.look()
    assert board.watched() == ["AAPL"]


@pytest.mark.parametrize("payload", [b"", b"\xff", b"{}", b'"AAPL"', b"[" * 60_000, b'[1,null,["AAPL"],"aapl",""]'])
async def test_a_hint_that_makes_no_sense_is_passed_over(board: Board, wanted: WantedSymbols, payload: bytes) -> None:
    wanted.hint(payload)
    assert board.watched() == []


async def test_hints_without_end_are_bounded(wanted: WantedSymbols, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demand, "MAX_SYMBOLS", 100)
    for number in range(50):
        wanted.hint(json.dumps([f"S{number}-{each}" for each in range(50)]).encode())
    assert len(wanted) == 100
    assert len(wanted._hinted) == 100


async def test_a_price_wakes_nobody(board: Board, wanted: WantedSymbols) -> None:
    wanted.hint(b'["AAPL"]')
    board.put([a_quote("AAPL")], 1.0)
    assert board.quote("AAPL") is not None


@pytest.fixture
async def limited(one_redis: RedisServer, board: Board, clock: ManualClock) -> AsyncIterator[WantedSymbols]:
    """At a real Redis, as a user that may not see the channels."""
    one_redis.command("ACL", "SETUSER", "blind", "on", ">SeCrEt", "~*", "&*", "+@all", "-pubsub|channels")
    client = open_redis(one_redis.url.replace("redis://", "redis://blind:SeCrEt@"))
    yield WantedSymbols(client, place_of(one_redis.url), board, clock)
    await client.aclose()
    one_redis.command("ACL", "DELUSER", "blind")


async def test_who_may_not_see_the_channels_goes_by_hints(limited: WantedSymbols, board: Board) -> None:
    await limited.look_if_allowed()
    limited.hint(b'["AAPL"]')
    assert board.watched() == ["AAPL"]
