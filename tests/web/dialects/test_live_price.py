"""/live-price: the founding WebSocket API, with the clients that people have: websockets, and npm's ws."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fakes import NOW_MS, ScriptedStream
from live_server import LiveServer, live_server, until
from node_clients import node_client
from stocktrack.clock import ManualClock
from stocktrack.web.dialects.live_price import LiveObjects
from web_clients import BareSocket, socket_client, websocket_url

PATH = "/live-price"
MARKET_MS = NOW_MS - 900_000


@dataclass
class Scene:
    server: LiveServer
    market: ScriptedStream
    clock: ManualClock


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    clock = ManualClock()
    market = ScriptedStream(clock)
    market.market_time = MARKET_MS
    async with live_server(tmp_path, market, clock=clock, web=True) as server:
        yield Scene(server, market, clock)


async def test_a_subscriber_gets_the_last_value_first_and_then_each_change(scene: Scene) -> None:
    async with socket_client(scene.server, PATH) as client:
        await client.send({"action": "subscribe", "symbol": "AAPL"})
        first = await client.object()
        assert set(first) == {"symbol", "price", "timestamp"}
        assert (first["symbol"], first["timestamp"]) == ("AAPL", MARKET_MS)
        for change in (1, 2, 3):
            scene.market.deliver()
            assert (await client.object())["price"] == first["price"] + change


async def test_a_price_whose_time_the_source_does_not_tell_has_no_timestamp(scene: Scene) -> None:
    scene.market.market_time = None
    async with socket_client(scene.server, PATH) as client:
        await client.send({"action": "subscribe", "symbol": "AAPL"})
        assert await client.object() == {"symbol": "AAPL", "price": 100.0}


async def test_each_price_of_several_symbols_is_an_object_of_its_own(scene: Scene) -> None:
    async with socket_client(scene.server, PATH) as client:
        await client.send({"action": "subscribe", "symbols": ["AAPL", "TSLA"]})
        assert [(await client.object())["symbol"] for _ in range(2)] == ["AAPL", "TSLA"]
        await client.send({"action": "unsubscribe", "symbol": "AAPL"}, {"action": "ping"})
        assert (await client.object())["action"] == "pong"
        scene.market.deliver()
        assert (await client.object())["symbol"] == "TSLA"


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ({"action": "subscribe", "symbol": "NOPE"}, "NOPE"),
        ({"action": "subscribe", "symbol": "A B"}, "is not a symbol"),
        ({"action": "subscribe", "symbol": 1}, "must be a string"),
        ({"action": "subscribe"}, 'needs a "symbol"'),
        ({"action": "subscribe", "symbol": "AAPL", "symbols": ["TSLA"]}, "has both"),
        ({"action": "unsubscribe", "symbol": "AAPL"}, "AAPL was not subscribed."),
        (
            {"action": "sell", "symbol": "AAPL"},
            "no action 'sell'; there are subscribe, unsubscribe, ping, authenticate",
        ),
        ({"symbol": "AAPL"}, "no action"),
        ({"action": "authenticate", "token": "wrong"}, "token"),
        ({"action": "authenticate"}, "token"),
        ("hello", "not JSON"),
        ("[]", "object"),
    ],
)
async def test_what_is_wrong_gets_an_error_object_and_nothing_closes(
    scene: Scene, message: dict[str, object] | str, error: str
) -> None:
    async with socket_client(scene.server, PATH) as client:
        await client.send(message)
        told = await client.object()
        assert error in told["error"]
        assert "price" not in told
        await client.send({"action": "subscribe", "symbol": "AAPL"})
        assert (await client.object())["symbol"] == "AAPL"


async def test_an_unknown_symbol_among_known_ones_is_named(scene: Scene) -> None:
    async with socket_client(scene.server, PATH) as client:
        await client.send({"action": "subscribe", "symbols": ["NOPE", "AAPL"]})
        told = await client.object()
        assert (told["symbol"], told["reason"]) == ("NOPE", "unknown_symbol")
        assert (await client.object())["symbol"] == "AAPL"


async def test_a_guest_saves_nothing_and_may_do_nothing_else(scene: Scene) -> None:
    async with socket_client(scene.server, PATH) as client:
        await client.send({"action": "subscribe", "symbol": "AAPL"})
        await client.object()
        [session] = scene.server.app.sessions
        for command in ("MY_STOCKS", "NEWS", "TOKEN", "SUBSCRIBE", "UNSUBSCRIBE"):
            reply = json.loads(await session.receive(json.dumps({"type": command}).encode()))
            assert (reply["code"], reply["reason"]) == (401, "not_authenticated"), command
        assert (session.username, session.symbols) == (None, ("AAPL",))


async def test_the_same_price_again_is_not_told_twice(scene: Scene) -> None:
    async with socket_client(scene.server, PATH) as client:
        await client.send({"action": "subscribe", "symbol": "AAPL"})
        first = await client.object()
        scene.market.break_off()  # the quote becomes stale, and the price stays
        await until(lambda: not scene.market.is_streaming())
        await client.send({"action": "unsubscribe", "symbol": "AAPL"}, {"action": "subscribe", "symbol": "AAPL"})
        told = await client.object()
        while "error" in told:
            told = await client.object()
        assert told == first


async def test_where_a_token_is_needed_a_subscription_without_one_is_refused_and_with_one_it_works(
    tmp_path: Path,
) -> None:
    clock = ManualClock()
    market = ScriptedStream(clock)
    async with live_server(tmp_path, market, clock=clock, web=True, live_price_needs_token="always") as server:
        ann = await server.log_in()
        token = (await ann.ask({"type": "TOKEN"}))["token"]
        async with socket_client(server, PATH) as client:
            await client.send({"action": "subscribe", "symbol": "AAPL"})
            assert (await client.object())["reason"] == "not_authenticated"
            await client.send({"action": "authenticate", "token": token})
            assert (await client.object()) == {"action": "authenticated", "username": "ann"}
            await client.send({"action": "subscribe", "symbol": "AAPL"})
            assert (await client.object())["symbol"] == "AAPL"
        async with socket_client(server, f"{PATH}?token={token}") as client:
            assert (await client.object())["username"] == "ann"
        assert (await ann.ask({"type": "MY_STOCKS"}))["symbols"] == []


@pytest.mark.parametrize(("host", "needs"), [("127.0.0.1", False), ("0.0.0.0", True)])  # noqa: S104 - what the test is about
async def test_left_to_itself_a_token_is_needed_beyond_loopback(tmp_path: Path, host: str, needs: bool) -> None:
    clock = ManualClock()
    async with live_server(tmp_path, ScriptedStream(clock), clock=clock, web=True, host=host) as server:
        server.host = "127.0.0.1"
        async with socket_client(server, PATH) as client:
            await client.send({"action": "subscribe", "symbol": "AAPL"})
            assert ("error" in await client.object()) is needs


async def test_a_quiet_client_is_shown_by_a_ping_that_the_server_is_there(scene: Scene) -> None:
    bare = await BareSocket.open(scene.server, PATH)
    await until(lambda: len(scene.server.app.sessions) == 1)
    await scene.clock.advance(31)
    assert await bare.receive() == (9, b"")
    bare.close()


async def test_a_shutdown_is_an_error_object_and_a_goodbye(scene: Scene) -> None:
    async with socket_client(scene.server, PATH) as client:
        await client.send({"action": "subscribe", "symbol": "AAPL"})
        await client.object()
        await scene.server.app.close()
        assert (await client.object())["reason"] == "shutdown"


async def test_npms_ws_works_unchanged(scene: Scene) -> None:
    script = """
        const WebSocket = require("ws");
        const socket = new WebSocket(args[0]);
        socket.on("open", () => socket.send(JSON.stringify({action: "subscribe", symbol: "AAPL"})));
        socket.on("message", (data) => say(JSON.parse(data)));
        socket.on("close", (code) => say(code));
    """
    async with node_client(script, websocket_url(scene.server, PATH)) as client:
        first = await client.printed()
        assert set(first) == {"symbol", "price", "timestamp"}
        scene.market.deliver()
        assert (await client.printed())["price"] == first["price"] + 1
        await scene.server.app.close()
        assert (await client.printed())["reason"] == "shutdown"
        assert await client.printed() == 1012


def test_a_price_is_translated_once_however_many_clients_it_goes_to() -> None:
    line = b'{"type":"PRICE","symbol":"AAPL","price":1.5,"timestamp":7,"received_at":9,"seq":1}'
    [first], [second] = LiveObjects().of_lines(line), LiveObjects().of_lines(line)
    assert json.loads(first) == {"symbol": "AAPL", "price": 1.5, "timestamp": 7}
    assert first is second


async def test_a_guest_who_asks_for_too_much_is_told_and_when_to_try_again(tmp_path: Path) -> None:
    clock = ManualClock()
    async with (
        live_server(tmp_path, ScriptedStream(clock), clock=clock, web=True, user_upstream_burst=1) as server,
        socket_client(server, PATH) as client,
    ):
        await client.send({"action": "subscribe", "symbol": "AAPL"})
        assert (await client.object())["symbol"] == "AAPL"
        await client.send({"action": "subscribe", "symbol": "TSLA"})
        told = await client.object()
        assert (told["symbol"], told["code"], told["reason"], told["retry_after_ms"]) == (
            *("TSLA", 429, "rate_limited"),
            1_000,
        )
        assert "later" in told["error"]


# --- guests -------------------------------------------------------------------------------------------------------


async def test_guests_are_counted_apart_and_one_too_many_is_told_so(tmp_path: Path) -> None:
    clock = ManualClock()
    limits: dict[str, Any] = {"max_guests": 4, "max_unauthenticated_sessions": 2, "max_unauthenticated_per_address": 2}
    async with (
        live_server(tmp_path, ScriptedStream(clock), clock=clock, web=True, **limits) as server,
        socket_client(server, "/live-price") as first,
        socket_client(server, "/live-price") as second,
    ):
        await until(lambda: len(server.app.sessions._guests) == 2)
        assert len(server.app.sessions.strangers) == 0
        # Half of them are for one address; who logs in is no guest.
        async with socket_client(server, "/live-price") as third:
            told = await third.object()
            assert (told["reason"], "2 guests are here from 127.0.0.1" in told["error"]) == ("session_limit", True)
            assert await third.rest() == ([], 1013)
        ann = await server.log_in()
        token = (await ann.ask({"type": "TOKEN"}))["token"]
        async with socket_client(server, f"/live-price?token={token}") as user:
            assert (await user.object())["username"] == "ann"
        await second.send({"action": "authenticate", "token": token})
        assert (await second.object())["username"] == "ann"
        async with socket_client(server, "/live-price") as fourth:
            await fourth.send({"action": "ping"})
            assert (await fourth.object())["action"] == "pong"
        await first.send({"action": "ping"})
        assert (await first.object())["action"] == "pong"


async def test_a_guest_that_watches_nothing_is_closed_and_one_that_watches_stays(scene: Scene) -> None:
    async with socket_client(scene.server, "/live-price") as idle, socket_client(scene.server, "/live-price") as busy:
        await busy.send({"action": "subscribe", "symbol": "AAPL"})
        assert (await busy.object())["symbol"] == "AAPL"
        await until(lambda: len(scene.server.app.sessions) == 2)
        for _ in range(61):
            await scene.clock.advance(1)
        told = await idle.object()
        assert (told["reason"], "watches nothing" in told["error"]) == ("auth_timeout", True)
        await busy.send({"action": "ping"})
        while "action" not in (told := await busy.object()):
            pass
        assert told["action"] == "pong"
        # From when it stopped to watch, it has the same time as from the beginning.
        await busy.send({"action": "unsubscribe", "symbol": "AAPL"}, {"action": "ping"})
        await busy.object()
        for _ in range(59):
            await scene.clock.advance(1)
        assert len(scene.server.app.sessions) == 1
        for _ in range(3):
            await scene.clock.advance(1)
        await until(lambda: len(scene.server.app.sessions) == 0)
