"""Logins that end, at every door of a real server, and on another server that uses the same database."""

import importlib.util
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect

from fakes import ScriptedStream
from live_server import PASSWORD, LiveServer, RawClient, live_server, until
from patient_http import patient_http
from postgres_server import PostgresServer
from requirements import require
from scripted_accounts import an_old_token
from stocktrack.client import NotAuthorised, StockTrackClient
from stocktrack.clock import ManualClock
from stocktrack.scopes import Scope
from stocktrack.sessions.open_sessions import LOGIN_LOOK_SECONDS
from stocktrack.storage.store import Store
from web_clients import logged_in, socket_client, websocket_url

ENDED = ("NOTICE", 401, "not_authenticated")


async def last_word(client: RawClient) -> tuple[str, int, str]:
    """What the server said last before it closed."""
    last = (await client.rest())[-1]
    return last["type"], last["code"], last["reason"]


@asynccontextmanager
async def socketio(server: LiveServer, token: str) -> AsyncIterator[ClientConnection]:
    """A client of Socket.IO that is logged in, by hand."""
    async with connect(websocket_url(server, "/socket.io/?EIO=4&transport=websocket")) as socket:
        assert str(await socket.recv()).startswith("0")
        await socket.send(f"40{json.dumps({'token': token})}")
        while not str(message := await socket.recv()).startswith("42"):
            pass
        assert "authenticated" in str(message)
        yield socket


async def test_at_every_door_a_session_ends_with_its_login(tmp_path: Path) -> None:
    require(importlib.util.find_spec("socketio") is not None, "the extra 'socketio'")
    clock = ManualClock()
    settings = {"live_price_needs_token": "always"}
    async with (
        live_server(tmp_path, ScriptedStream(clock), clock=clock, web=True, users=("ann", "bob"), **settings) as server,
        patient_http(base_url=server.web_url) as http,
    ):
        token = (await server.app.accounts.make_token("ann", 30)).text
        by_password, by_token, bob = await server.log_in(), await server.connect(), await server.log_in("bob")
        assert (await by_token.ask({"type": "AUTH", "token": token}))["code"] == 200
        headers = {"Authorization": f"Bearer {token}"}
        assert (await http.get("/api/v1/stocks", headers=headers)).status_code == 200
        async with (
            logged_in(server) as web,
            socket_client(server, f"/live-price?token={token}") as live,
            socketio(server, token) as events,
        ):
            assert (await live.object())["action"] == "authenticated"
            assert len(server.app.sessions) == 7
            await server.app.accounts.change_password("ann", "another one")
            await clock.advance(LOGIN_LOOK_SECONDS)
            for client in (by_password, by_token):
                assert await last_word(client) == ENDED
            lines, _ = await web.rest()
            assert (lines[-1]["type"], lines[-1]["code"], lines[-1]["reason"]) == ENDED
            assert (await live.object())["reason"] == "not_authenticated"
            assert "not_authenticated" in str(await events.recv())
            await until(lambda: [session.username for session in server.app.sessions] == ["bob"])
        assert (await http.get("/api/v1/stocks", headers=headers)).status_code == 401
        assert (await bob.ask({"type": "MY_STOCKS"}))["code"] == 200


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_a_password_changed_on_one_server_ends_the_sessions_on_another_with_the_same_database(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    if kind == "postgres":
        postgres: PostgresServer = request.getfixturevalue("postgres")
        url = postgres.url(await postgres.new_database())
        store = Store(url)
        await store.upgrade()
        await store.close()
    clock = ManualClock()
    async with (
        live_server(tmp_path / "a", clock=clock, database_url=url) as first,
        live_server(tmp_path / "b", clock=clock, database_url=url, users=("bob",)) as second,
    ):
        here, there, bob = await first.log_in(), await second.log_in(), await second.log_in("bob")
        changed = await here.ask({"type": "PASSWORD", "password": PASSWORD, "new_password": "another one"})
        assert changed["code"] == 200
        await clock.advance(LOGIN_LOOK_SECONDS)
        assert await last_word(there) == ENDED
        assert (await here.ask({"type": "MY_STOCKS"}))["code"] == 200
        assert (await bob.ask({"type": "MY_STOCKS"}))["code"] == 200


async def test_a_token_from_before_the_upgrade_logs_in_until_all_are_revoked(tmp_path: Path) -> None:
    async with live_server(tmp_path) as server:
        user = await server.app.accounts.user("ann")
        assert user is not None
        secret = (tmp_path / "token.secret").read_bytes().strip()
        auth = {"type": "AUTH", "token": an_old_token(secret, user, ManualClock(user.created_at_ms))}
        ann, holder = await server.log_in(), await server.connect()
        reply = await holder.ask(auth)
        assert (reply["code"], reply["scope"], "token_id" in reply) == (200, "full", False)
        assert (await ann.ask({"type": "TOKENS"}))["tokens"] == []
        assert (await ann.ask({"type": "REVOKE"}))["code"] == 200
        assert await last_word(holder) == ENDED
        assert (await (await server.connect()).ask(auth))["reason"] == "bad_credentials"


async def test_who_is_on_the_allowlist_goes_on_without_a_password(tmp_path: Path) -> None:
    clock = ManualClock()
    async with live_server(tmp_path, clock=clock, users=(), allowlist=("pupil",)) as server:
        pupil = await server.connect()
        assert (await pupil.ask({"type": "AUTH", "username": "pupil"}))["code"] == 200
        await clock.advance(3 * LOGIN_LOOK_SECONDS)
        assert (await pupil.ask({"type": "MY_STOCKS"}))["code"] == 200
        await server.app.accounts.change_password("pupil", PASSWORD)
        assert (await pupil.ask({"type": "MY_STOCKS"}))["reason"] == "not_authenticated"
        assert await last_word(pupil) == ENDED


async def test_the_library_lists_and_ends_tokens_and_changes_the_password(tmp_path: Path) -> None:
    async with live_server(tmp_path, users=("ann", "root")) as server:
        await server.app.accounts.set_admin("root", True)
        async with StockTrackClient(server.host, server.port, "ann", PASSWORD) as ann:
            made = await ann.make_token(2, name="board", scope=Scope.READ)
            [listed] = await ann.tokens()
            assert (listed.token_id, listed.name, listed.scope) == (made.token_id, "board", Scope.READ)
            async with StockTrackClient(server.host, server.port, token=made.token) as board:
                assert board.welcome is not None
                assert (board.welcome.token_id, board.welcome.expires_at) == (made.token_id, made.expires_at)
                with pytest.raises(NotAuthorised, match="for reading"):
                    await board.subscribe("AAPL")
                assert (await ann.revoke(made.token_id)).revoked == (made.token_id,)
                with pytest.raises(NotAuthorised, match="was revoked"):
                    await anext(aiter(board.prices()))
            with pytest.raises(NotAuthorised):
                await ann.change_password("wrong", "another one")
            await ann.change_password(PASSWORD, "another one")
            assert (await ann.my_stocks()).symbols == ()
            async with StockTrackClient(server.host, server.port, "root", PASSWORD) as root:
                assert (await root.kick(username="ann")).count == 1
                with pytest.raises(NotAuthorised, match="An administrator ended this session"):
                    await anext(aiter(ann.prices()))
