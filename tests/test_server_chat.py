"""Chat over real sockets: TCP, WebSocket, REST and the dialects, a slow client, and a mute that outlives a restart."""

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bystander import Bystander
from fakes import ScriptedProvider, ScriptedStream
from live_server import PASSWORD, Line, LiveServer, RawClient, live_server, until
from patient_http import patient_http
from stocktrack.clock import ManualClock
from stocktrack.server import TcpConnection
from stocktrack.sessions.chat import BEHIND_BYTES, MAX_BATCH_BYTES, PAUSE_SECONDS
from web_clients import socket_client

USERS = ("ann", "bob")
AS_ANN: dict[str, Any] = {"type": "AUTH", "username": "ann", "password": PASSWORD}


@contextlib.asynccontextmanager
async def chatting(folder: Path, **settings: Any) -> AsyncIterator[LiveServer]:
    """A server with chat, on a clock that runs, and ann as an administrator."""
    given: dict[str, Any] = {"users": USERS, "chat": True, **settings}
    async with live_server(folder, ScriptedProvider(ManualClock()), **given) as server:
        await server.app.accounts.set_admin("ann", is_admin=True)
        yield server


async def said(client: RawClient) -> tuple[str, str | None, str]:
    """The next word that a client hears: who, of what, and which."""
    line = await client.receive_until("SAID")
    return line["username"], line.get("symbol"), line["text"]


def failed(reply: Line) -> tuple[int, str]:
    return reply["code"], reply["reason"]


async def test_a_word_reaches_tcp_and_websocket_at_once_and_rest_can_say_one(tmp_path: Path) -> None:
    async with chatting(tmp_path, web=True) as server, socket_client(server) as socket:
        hello = await socket.line()
        assert hello["features"] == ["chat"]
        assert (await socket.ask(AS_ANN))["code"] == 200
        ann, bob = await server.log_in(), await server.log_in("bob")

        assert (await ann.ask({"type": "SAY", "text": "Hello."}))["recipients"] == 2
        heard = await socket.line()
        assert (heard["type"], heard["username"], heard["text"]) == ("SAID", "ann", "Hello.")
        assert await said(bob) == ("ann", None, "Hello.")

        async with patient_http(base_url=server.web_url) as http:
            login = await http.post("/api/v1/login", json={"username": "bob", "password": PASSWORD})
            headers = {"Authorization": f"Bearer {login.json()['token']}"}
            answer = await http.post("/api/v1/say", json={"text": "By REST."}, headers=headers)
            assert (answer.status_code, answer.json()["recipients"]) == (200, 3)
            assert await said(ann) == ("bob", None, "By REST.")
            bad = await http.post("/api/v1/say", json={"text": "\x07"}, headers=headers)
            assert (bad.status_code, bad.json()["reason"]) == (400, "invalid_command")
            figures = (await http.get("/metrics")).text
        assert 'stocktrack_chat_words_total{what="said"} 2.0' in figures
        assert 'stocktrack_chat_words_total{what="left_out"} 0.0' in figures


async def test_a_word_of_a_symbol_is_for_those_who_are_pushed_it_whoever_says_it(tmp_path: Path) -> None:
    async with chatting(tmp_path) as server:
        ann, bob, other = await server.log_in(), await server.log_in("bob"), await server.log_in("bob")
        await bob.ask({"type": "SUBSCRIBE", "symbols": ["AAPL", "MSFT"], "save": False})
        await other.ask({"type": "SUBSCRIBE", "symbols": ["MSFT"], "save": False})

        assert (await ann.ask({"type": "SAY", "symbol": "AAPL", "text": "Of Apple."}))["recipients"] == 1
        await ann.ask({"type": "SAY", "text": "To all."})

        assert [await said(bob), await said(bob)] == [("ann", "AAPL", "Of Apple."), ("ann", None, "To all.")]
        assert await said(other) == ("ann", None, "To all.")


async def test_where_chat_is_off_it_is_a_404_until_the_settings_are_read_again(tmp_path: Path) -> None:
    async with chatting(tmp_path, chat=False) as server:
        client = await server.connect_unread()
        assert "features" not in await client.receive()
        ann = await server.log_in()
        assert failed(await ann.ask({"type": "SAY", "text": "Hello."})) == (404, "not_offered")


async def test_a_client_that_does_not_read_gets_no_words_and_nobody_else_waits(tmp_path: Path) -> None:
    clock = ManualClock()
    market = ScriptedStream(clock)
    unbounded = {"chat_messages_per_minute": 1e9, "chat_messages_per_second": 1e9}
    settings: dict[str, Any] = {**unbounded, "command_burst": 10**6, "heartbeat_seconds": 3600.0}
    async with live_server(tmp_path, market, clock=clock, users=USERS, chat=True, **settings) as server:
        bystander = await Bystander.join(server, market)
        ann = await server.log_in()
        slow = await server.log_in("bob", receive_buffer_bytes=4_096)
        await slow.ask({"type": "SUBSCRIBE", "symbols": ["TSLA"], "interval": 3600, "save": False})
        slow.stop_reading()
        connection = server.session_of(slow).connection
        assert isinstance(connection, TcpConnection)
        word = {"type": "SAY", "symbol": "TSLA", "text": "x" * 500}
        while not connection.unsent_bytes():
            assert (await ann.ask(word))["code"] == 200
            await clock.advance(PAUSE_SECONDS)
        pinned = connection.sent_bytes
        for _ in range(2 * (BEHIND_BYTES + MAX_BATCH_BYTES) // 500):
            assert (await ann.ask(word))["code"] == 200
            await clock.advance(0.01)
        await bystander.sees_the_next_price()
        assert connection.sent_bytes - pinned <= BEHIND_BYTES
        assert connection._transport.get_write_buffer_size() <= BEHIND_BYTES + MAX_BATCH_BYTES
        assert server.app.sessions.chat_counts.left_out > 0


async def test_whoever_is_muted_stays_so_over_a_restart_and_in_every_session(tmp_path: Path) -> None:
    async with chatting(tmp_path) as server:
        ann, bob = await server.log_in(), await server.log_in("bob")
        with capture_logs() as logs:
            muted = await ann.ask({"type": "MUTE", "username": "bob", "minutes": 5})
        assert failed(await bob.ask({"type": "SAY", "text": "x"})) == (401, "not_permitted")
        assert failed(await bob.ask({"type": "MUTE", "username": "ann"})) == (401, "not_permitted")
        assert failed(await ann.ask({"type": "MUTE", "username": "Mallory"})) == (400, "invalid_command")
        [told] = [entry for entry in logs if entry["event"] == "user_muted"]
        assert {name: told[name] for name in ("user", "by", "minutes", "door")} == {
            "user": "bob",
            "by": "ann",
            "minutes": 5,
            "door": "tcp",
        }

    async with chatting(tmp_path, users=()) as server:
        ann, bob = await server.log_in(), await server.log_in("bob")
        refused = await bob.ask({"type": "SAY", "text": "x"})
        assert failed(refused) == (401, "not_permitted")
        [user] = [row for row in await server.app.accounts.list() if row.name == "bob"]
        assert user.muted_until_ms == muted["muted_until"]
        with capture_logs() as logs:
            assert (await ann.ask({"type": "MUTE", "username": "bob", "minutes": 0}))["code"] == 200
        assert [entry["user"] for entry in logs if entry["event"] == "user_unmuted"] == ["bob"]
        assert (await bob.ask({"type": "SAY", "text": "Sorry."}))["code"] == 200
        assert await said(ann) == ("bob", None, "Sorry.")


async def test_a_mute_holds_at_another_server_of_the_same_database(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'shared.db'}"
    async with (
        chatting(tmp_path / "one", database_url=database) as one,
        chatting(tmp_path / "two", users=(), database_url=database) as two,
    ):
        ann, bob = await one.log_in(), await two.log_in("bob")
        assert (await bob.ask({"type": "SAY", "text": "x"}))["code"] == 200
        assert (await ann.ask({"type": "MUTE", "username": "bob"}))["code"] == 200
        assert failed(await bob.ask({"type": "SAY", "text": "x"})) == (401, "not_permitted")


async def test_whoever_says_too_much_is_refused_and_the_trail_tells_it_once(tmp_path: Path) -> None:
    async with chatting(tmp_path, chat_messages_per_minute=2.0) as server:
        ann, bob = await server.log_in(), await server.log_in("bob")
        with capture_logs() as logs:
            replies = [await ann.ask({"type": "SAY", "text": str(number)}) for number in range(4)]
        assert [reply["code"] for reply in replies] == [200, 200, 429, 429]
        assert 0 < replies[-1]["retry_after_ms"] <= 30_000
        assert [await said(bob), await said(bob)] == [("ann", None, "0"), ("ann", None, "1")]
        refused = [(entry["limit"], entry["user"]) for entry in logs if entry["event"] == "refused"]
        assert refused == [("chat", "ann")]


@pytest.mark.parametrize("path", ["/live-price", "/live-price?token={token}"])
async def test_a_client_of_another_dialect_hears_nothing_and_goes_on(tmp_path: Path, path: str) -> None:
    clock = ManualClock()
    market = ScriptedStream(clock)
    async with live_server(tmp_path, market, clock=clock, users=USERS, web=True, chat=True) as server:
        ann = await server.log_in()
        token = (await ann.ask({"type": "TOKEN"}))["token"]
        async with socket_client(server, path.format(token=token)) as guest:
            await guest.send({"action": "subscribe", "symbol": "AAPL"})
            while "price" not in (first := await guest.object()):
                pass  # with a token it is told first that it has logged in
            assert (await ann.ask({"type": "SAY", "symbol": "AAPL", "text": "Of it."}))["recipients"] == 1
            counts = server.app.sessions.chat_counts
            await until(lambda: counts.delivered == 1)
            market.deliver()
            assert (await guest.object())["price"] == first["price"] + 1
            assert "SAID" not in json.dumps(guest.received)
