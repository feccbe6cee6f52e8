"""Socket.IO: the live API as events, with npm's socket.io-client over its both transports."""

import asyncio
import contextlib
import importlib.util
import re
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from fakes import ScriptedStream
from live_server import LiveServer, live_server, until
from node_clients import node_client
from requirements import require
from stocktrack.clock import ManualClock
from stocktrack.sessions import strangers
from stocktrack.web import asgi_sockets
from stocktrack.web.dialects import socketio
from web_clients import CLOSE, BareSocket

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


async def test_a_wrong_token_at_the_handshake_is_refused_where_a_guest_would_be_let_in(scene: Scene) -> None:
    async with node_client(SCRIPT, scene.server.web_url, "websocket", "no-token") as client:
        told = await client.printed()
        assert told == {"event": "refused", "why": told["why"]}
        assert told["why"].startswith("This token is wrong")
        await until(lambda: len(scene.server.app.sessions) == 0)


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


HANDSHAKE = b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
ENGINE = "/socket.io/?EIO=4&transport=websocket"


async def handshake_by_polling(server: LiveServer, *, address: str = "127.0.0.1") -> tuple[bytes, str]:
    """The status of the answer, and the name that Engine.IO gave."""
    port = int(server.web_url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    writer.write(HANDSHAKE)
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    named = re.search(r'"sid":"([^"]+)"', answer)
    return answer[9:12].encode(), named[1] if named is not None else answer


async def test_handshakes_are_strangers_of_their_address_until_they_are_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require(importlib.util.find_spec("socketio") is not None, "the extra 'socketio'")
    monkeypatch.setattr(strangers, "WAIT_SECONDS", 0.05)
    monkeypatch.setattr(socketio, "BEGIN_SECONDS", 0.5)
    clock = ManualClock()
    limits: dict[str, Any] = {"max_unauthenticated_per_address": 2}
    async with live_server(tmp_path, ScriptedStream(clock), clock=clock, web=True, **limits) as server:
        assert (await handshake_by_polling(server))[0] == b"200"
        bare = await BareSocket.open(server, ENGINE)
        status, why = await handshake_by_polling(server)
        assert (status, "clients of 127.0.0.1 that have not logged in" in why) == (b"429", True)
        # They count at every door, and only for their address.
        refused = await server.connect_unread()
        assert (await refused.receive())["reason"] == "session_limit"
        assert (await handshake_by_polling(server, address="127.0.0.2"))[0] == b"200"
        # Who never makes a session of it is gone after a while, whatever it says to Engine.IO.
        bare.send(b"3")
        await until(lambda: len(server.app.sessions.strangers) == 0)
        with contextlib.suppress(ConnectionError):
            await bare.reader.read()
        bare.close()
        await server.log_in()


async def test_a_client_that_connects_twice_has_one_session_and_leaves_none(scene: Scene) -> None:
    bare = await BareSocket.open(scene.server, ENGINE)
    assert (await bare.receive())[1].startswith(b"0{")
    for _ in range(3):
        bare.send(b"40")
    answers = [(await bare.receive())[1] for _ in range(3)]
    assert [answer[:2] for answer in answers] == [b"40", b"44", b"44"]
    assert len(scene.server.app.sessions) == 1
    bare.close()
    await until(lambda: len(scene.server.app.sessions) == 0)
    assert len(scene.server.app.sessions.strangers) == 0


async def test_a_client_that_makes_the_server_answer_and_does_not_read_pins_little_and_is_closed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asgi_sockets, "UNREAD_SECONDS", 0.2)
    bare = await BareSocket.open(scene.server, ENGINE)
    bare.send(b"40")
    bare.writer.transport.pause_reading()  # type: ignore[attr-defined] # it is a read transport as well
    io = scene.server.web._socketio
    assert io is not None
    await until(lambda: io._clients)
    [engine] = io._io.eio.sockets.values()
    longest = 0
    for _ in range(200):
        for _ in range(500):
            bare.send(b'40/elsewhere,{"why":"not"}')
        await asyncio.sleep(0)
        longest = max(longest, engine.queue.qsize())
    assert longest < 2_000
    await until(lambda: len(scene.server.app.sessions) == 0)
    bare.close()


async def test_a_polling_client_that_never_polls_has_little_waiting_for_it(scene: Scene) -> None:
    _, sid = await handshake_by_polling(scene.server)
    body = "\x1e".join("5" * 16)
    statuses = []
    for _ in range(10):
        bare = await BareSocket.connect(scene.server)
        head = f"POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: localhost"
        head += f"\r\nContent-Length: {len(body)}"
        bare.writer.write(f"{head}\r\n\r\n{body}".encode())
        statuses.append((await bare.reader.readline())[9:12])
        bare.close()
    assert statuses == [b"200"] * 5 + [b"429"] * 5


async def test_text_that_is_not_utf_8_is_told_so_and_is_no_failure_of_the_server(scene: Scene) -> None:
    with capture_logs() as entries:
        bare = await BareSocket.open(scene.server, ENGINE)
        await bare.receive()
        bare.send(b"\xff")
        opcode, payload = await bare.receive()
        assert (opcode, struct.unpack("!H", payload[:2])[0]) == (CLOSE, 1007)
        bare.close()
        await until(lambda: len(scene.server.app.sessions.strangers) == 0)
    assert [entry for entry in entries if entry["log_level"] in {"error", "critical"}] == []


@pytest.mark.parametrize(("code", "sent"), [(3_000, 3_000), (4_999, 4_999), (1_001, 1_001), (1_005, 1_011), (7, 1_011)])
def test_a_goodbye_carries_only_codes_that_it_may(code: int, sent: int) -> None:
    assert asgi_sockets._sendable(code) == sent


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
