"""A source that hangs, raises, answers 429, 500, garbage or null prices: what clients get, over a real socket."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from bystander import Bystander
from fakes import Script, ScriptedProvider, ScriptedStream
from live_server import Line, LiveServer, RawClient, live_server, until
from stocktrack.clock import ManualClock
from stocktrack.providers.base import Capability

TIMEOUT_SECONDS = 10.0
POLL_SECONDS = 5.0

# What a source does, the reason that clients are told, and whether it is a mistake of ours that belongs in the log.
FAILURES: list[tuple[Script, str, bool]] = [
    ("hang", "provider_timeout", False),
    ("fail", "provider_error", False),
    ("blocked", "provider_blocked", False),
    ("crash", "provider_error", True),
    ("garbage", "provider_error", True),
    ("gives up", "provider_error", False),
]
failures = pytest.mark.parametrize(("script", "reason", "is_our_mistake"), FAILURES, ids=[row[0] for row in FAILURES])
# The scripted source gives garbage only where it is asked for quotes.
LOOKUP_FAILURES = [(script, reason) for script, reason, _ in FAILURES if script != "garbage"]


@pytest.fixture
def logs() -> Iterator[list[EventDict]]:
    with capture_logs() as entries:
        yield entries


@dataclass(frozen=True, slots=True)
class Scene:
    """Ann and Bob are logged in to a server whose quotes come from `market` and all the rest from `others`."""

    server: LiveServer
    clock: ManualClock
    market: ScriptedProvider
    ann: RawClient
    bob: RawClient

    async def answer(self, client: RawClient, command: dict[str, Any], capability: Capability) -> Line:
        """The reply to `command`, for which the source is asked; it may take as long as a source may take."""
        before = self.market.requests[capability]
        client.send(command)
        await until(lambda: self.market.requests[capability] > before)
        await self.clock.advance(TIMEOUT_SECONDS + 1)
        return await client.reply()


@pytest.fixture
async def scene(tmp_path: Path, logs: list[EventDict]) -> AsyncIterator[Scene]:
    clock = ManualClock()
    market = ScriptedProvider(clock)
    async with live_server(
        tmp_path,
        market,
        users=("ann", "bob"),
        clock=clock,
        poll_interval_seconds=POLL_SECONDS,
        provider_timeout_seconds=TIMEOUT_SECONDS,
    ) as server:
        yield Scene(server, clock, market, await server.log_in("ann"), await server.log_in("bob"))


def mistakes(logs: list[EventDict]) -> list[str]:
    return [entry["event"] for entry in logs if entry["log_level"] in {"error", "critical"}]


@failures
async def test_what_only_one_client_asked_for_fails_for_that_client_alone(
    tmp_path: Path, logs: list[EventDict], script: Script, reason: str, is_our_mistake: bool
) -> None:
    clock = ManualClock()
    market = ScriptedStream(clock)
    async with live_server(
        tmp_path, market, users=("ann", "bob"), clock=clock, provider_timeout_seconds=TIMEOUT_SECONDS
    ) as server:
        bystander, bob = await Bystander.join(server, market), await server.log_in("bob")
        market.script = script
        asked = len(market.batches)
        bob.send({"type": "GET", "id": 1, "symbols": ["TSLA", "MSFT"]}, {"type": "PING", "id": 2})
        await until(lambda: len(market.batches) > asked)
        for _ in range(int(TIMEOUT_SECONDS) + 1):
            await bystander.sees_the_next_price() if script != "blocked" else market.deliver()
            await clock.advance(1)
        answer, pong = await bob.receive(), await bob.receive()
        assert (answer["type"], answer["id"], answer["code"], answer["reason"]) == ("GET", 1, 500, reason)
        assert answer["retryable"] is True
        assert [(each["symbol"], each["code"], each["reason"]) for each in answer["missing"]] == [
            ("TSLA", 500, reason),
            ("MSFT", 500, reason),
        ]
        assert (pong["id"], pong["code"]) == (2, 200)
        if script != "blocked":
            # A 429 stops all calls, so that those who watch are told; whatever else fails may be the symbols' own.
            await bystander.sees_the_next_price()
    assert bool(mistakes(logs)) is is_our_mistake


async def test_symbols_without_a_price_fail_alone_and_the_others_of_the_command_are_served(scene: Scene) -> None:
    scene.market.odd = {"TSLA"}
    answer = await scene.bob.ask({"type": "GET", "symbols": ["AAPL", "TSLA", "NOPE"]})
    assert answer["code"] == 200
    assert [quote["symbol"] for quote in answer["quotes"]] == ["AAPL"]
    assert [(each["symbol"], each["code"], each["reason"]) for each in answer["missing"]] == [
        ("TSLA", 500, "provider_error"),
        ("NOPE", 404, "unknown_symbol"),
    ]
    alone = await scene.bob.ask({"type": "GET", "symbols": ["NOPE", "TSLA"]})
    assert (alone["code"], alone["reason"]) == (500, "provider_error")


@failures
async def test_while_the_source_is_away_the_old_price_is_pushed_on_marked_stale_and_all_heals_by_itself(
    scene: Scene, logs: list[EventDict], script: Script, reason: str, is_our_mistake: bool
) -> None:
    for client in (scene.ann, scene.bob):
        await client.ask({"type": "SUBSCRIBE", "symbol": "AAPL", "interval": 1})
        assert (await client.receive())["price"] == 100.0
    await scene.clock.advance(POLL_SECONDS + 1)
    scene.market.script = script
    await scene.clock.advance(3 * POLL_SECONDS + TIMEOUT_SECONDS + 1)
    for client in (scene.ann, scene.bob):
        notices, prices = await _heard(client)
        assert [(each["code"], each["reason"], each["symbols"]) for each in notices] == [(500, reason, ["AAPL"])]
        assert {price["price"] for price in prices} == {100.0}
        assert len(prices) >= 20
        last = prices[-1]
        assert (last["stale"], last["stale_reason"]) == (True, reason)
        assert [price["seq"] for price in prices] == sorted(price["seq"] for price in prices)
    answer = await scene.ann.ask({"type": "GET", "symbol": "AAPL"})
    (quote,) = answer["quotes"]
    assert (answer["code"], quote["price"], quote["stale"], quote["stale_reason"]) == (200, 100.0, True, reason)
    assert isinstance(quote["retry_at"], int)

    scene.market.prices["AAPL"] = 101.0
    scene.market.release()
    await scene.clock.advance(90)
    for client in (scene.ann, scene.bob):
        notices, prices = await _heard(client)
        assert [(each["code"], each["reason"], each["symbols"]) for each in notices] == [
            (100, "provider_restored", ["AAPL"])
        ]
        last = prices[-1]
        assert (last["price"], last["stale"], last.get("stale_reason")) == (101.0, False, None)
    assert bool(mistakes(logs)) is is_our_mistake


async def _heard(client: RawClient) -> tuple[list[Line], list[Line]]:
    """The notices and the prices until now."""
    client.send({"type": "PING"})
    notices: list[Line] = []
    prices: list[Line] = []
    while (message := await client.receive())["type"] != "PING":
        (notices if message["type"] == "NOTICE" else prices).append(message)
    return notices, prices


@pytest.mark.parametrize(("script", "reason"), LOOKUP_FAILURES, ids=[row[0] for row in LOOKUP_FAILURES])
@pytest.mark.parametrize(
    ("command", "capability"),
    [
        ({"type": "NEWS"}, Capability.NEWS),
        ({"type": "INFO", "symbol": "AAPL"}, Capability.COMPANY),
        ({"type": "DIVIDENDS", "symbol": "AAPL"}, Capability.DIVIDENDS),
        ({"type": "SEARCH", "query": "apple"}, Capability.SEARCH),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
async def test_a_lookup_that_fails_is_a_500_and_the_session_goes_on(
    scene: Scene, command: dict[str, Any], capability: Capability, script: Script, reason: str
) -> None:
    scene.market.script = script
    answer = await scene.answer(scene.bob, {**command, "id": 7}, capability)
    assert (answer["type"], answer["id"]) == (command["type"], 7)
    assert (answer["code"], answer["reason"], answer["retryable"]) == (500, reason, True)
    assert answer["retry_after_ms"] > 0
    assert "scripted" in answer["message"]
    assert (await scene.ann.ask({"type": "PING"}))["code"] == 200
    assert (await scene.bob.ask({"type": "PING"}))["code"] == 200


async def test_a_session_that_waits_for_a_source_that_hangs_still_gets_its_prices(tmp_path: Path) -> None:
    clock = ManualClock()
    market, others = ScriptedStream(clock), ScriptedProvider(clock, name="others")
    async with live_server(tmp_path, market, others, clock=clock) as server:
        bystander = await Bystander.join(server, market)
        others.script = "hang"
        bystander.client.send({"type": "NEWS"})
        await until(lambda: others.requests[Capability.NEWS])
        for _ in range(3):
            await bystander.sees_the_next_price()
        others.release()
        assert (await bystander.client.reply())["code"] == 200


async def test_what_is_subscribed_while_the_source_is_away_is_pending_and_begins_when_it_is_back(scene: Scene) -> None:
    scene.market.script = "fail"
    reply = await scene.ann.ask({"type": "SUBSCRIBE", "symbols": ["AAPL", "NOPE"], "interval": 0})
    assert (reply["code"], reply["pending"], reply["symbols"]) == (200, ["AAPL", "NOPE"], ["AAPL", "NOPE"])
    scene.market.release()
    await scene.clock.advance(20)
    notices, prices = await _heard(scene.ann)
    assert [(price["symbol"], price["price"]) for price in prices] == [("AAPL", 100.0)]
    assert (404, "unknown_symbol", ["NOPE"]) in [(each["code"], each["reason"], each["symbols"]) for each in notices]
    await until(lambda: not scene.server.app.sessions._tasks)  # the database has it
    assert (await scene.ann.ask({"type": "MY_STOCKS"}))["symbols"] == ["AAPL"]
