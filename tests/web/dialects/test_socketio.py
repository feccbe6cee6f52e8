"""Socket.IO: the live API as events, with npm's socket.io-client over its both transports."""

import importlib.util
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fakes import ScriptedStream
from live_server import LiveServer, live_server, until
from node_clients import node_client
from requirements import require
from stocktrack.clock import ManualClock
from web_clients import BareSocket

SCRIPT = """
    const { io } = require("socket.io-client");
    const socket = io(args[0], { transports: [args[1]], auth: args[2] ? { token: args[2] } : {}, reconnection: false });
    for (const event of ["stockUpdate", "stockError", "authenticated"]) {
        socket.on(event, (told) => say({ event, ...told }));
    }
    socket.on("connect_error", (error) => say({ event: "refused", why: error.message }));
    socket.on("disconnect", () => say({ event: "disconnect" }));
    socket.on("connect", () => {
        socket.emit("subscribe", "AAPL");
        socket.emit("subscribe", ["TSLA", "AAPL"]);
        socket.emit("subscribe", { symbol: "NOPE" });
    });
"""


@dataclass
class Scene:
    server: LiveServer
    market: ScriptedStream
    clock: ManualClock


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    require(importlib.util.find_spec("socketio") is not None, "the extra 'socketio'")
    clock = ManualClock()
    market = ScriptedStream(clock)
    async with live_server(tmp_path, market, clock=clock, web=True) as server:
        yield Scene(server, market, clock)


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_npms_client_gets_the_last_value_each_change_and_errors_as_events(scene: Scene, transport: str) -> None:
    async with node_client(SCRIPT, scene.server.web_url, transport) as client:
        first = await client.printed()
        assert (first["event"], first["symbol"]) == ("stockUpdate", "AAPL")
        assert set(first) == {"event", "symbol", "price"}  # this market tells no time, and ours is none
        assert (await client.printed())["symbol"] == "TSLA"
        refused = await client.printed()
        assert (refused["event"], refused["symbol"]) == ("stockError", "NOPE")
        scene.market.deliver()
        changed = [await client.printed(), await client.printed()]
        assert [(told["event"], told["symbol"]) for told in changed] == [
            ("stockUpdate", "AAPL"),
            ("stockUpdate", "TSLA"),
        ]
        assert changed[0]["price"] == first["price"] + 1
        assert [session.door for session in scene.server.app.sessions] == ["socketio"]
    if transport == "websocket":  # a client that polls is only missed after a while
        await until(lambda: len(scene.server.app.sessions) == 0)


async def test_a_shutdown_is_told_and_disconnects(scene: Scene) -> None:
    async with node_client(SCRIPT, scene.server.web_url, "websocket") as client:
        for _ in range(3):
            await client.printed()
        await scene.server.app.close()
        assert (await client.printed())["reason"] == "shutdown"
        assert (await client.printed())["event"] == "disconnect"


async def test_a_token_logs_in_where_one_is_needed(tmp_path: Path) -> None:
    require(importlib.util.find_spec("socketio") is not None, "the extra 'socketio'")
    clock = ManualClock()
    settings = {"live_price_needs_token": "always"}
    async with live_server(tmp_path, ScriptedStream(clock), clock=clock, web=True, **settings) as server:
        ann = await server.log_in()
        token = (await ann.ask({"type": "TOKEN"}))["token"]
        async with node_client(SCRIPT, server.web_url, "websocket") as client:
            assert (await client.printed())["reason"] == "not_authenticated"
        async with node_client(SCRIPT, server.web_url, "websocket", token) as client:
            assert await client.printed() == {"event": "authenticated", "username": "ann"}
            assert (await client.printed())["symbol"] == "AAPL"


async def test_the_limit_of_sessions_holds(tmp_path: Path) -> None:
    require(importlib.util.find_spec("socketio") is not None, "the extra 'socketio'")
    clock = ManualClock()
    async with live_server(tmp_path, ScriptedStream(clock), clock=clock, web=True, max_sessions=1) as server:
        await server.connect()
        async with node_client(SCRIPT, server.web_url, "websocket") as client:
            told = await client.printed()
            assert told["event"] == "refused"
            assert "limit of 1 sessions" in told["why"]


async def test_a_page_of_another_site_is_refused(scene: Scene) -> None:
    for path, headers in (
        ("/socket.io/?EIO=4&transport=websocket", {"Origin": "https://evil.example"}),
        ("/socket.io/?EIO=4&transport=websocket", {"Cookie": "a=b"}),
    ):
        bare = await BareSocket.connect(scene.server)
        assert (await bare.handshake(path, **headers)).startswith(b"HTTP/1.1 403 ")
        bare.close()


async def test_without_the_extra_the_server_runs_and_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    clock = ManualClock()
    with capture_logs() as entries:
        async with live_server(tmp_path, ScriptedStream(clock), clock=clock, web=True) as server:
            bare = await BareSocket.connect(server)
            bare.writer.write(b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await bare.reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 404 ")
            bare.close()
    assert [entry["event"] for entry in entries].count("Socket.IO is not offered") == 1
