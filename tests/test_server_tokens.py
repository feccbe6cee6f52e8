"""Tokens, the allowlist and the administrators' commands over a real socket and a real database."""

from pathlib import Path

import pytest

from live_server import PASSWORD, live_server
from stocktrack.app import App
from stocktrack.client import NotAuthorised, State, StateChange, StockTrackClient
from stocktrack.config import Settings
from stocktrack.errors import ConfigError
from stocktrack.messages import Notice


async def test_a_token_of_the_server_logs_in_until_it_is_revoked(tmp_path: Path) -> None:
    async with live_server(tmp_path) as server:
        ann = await server.log_in("ann")
        made = await ann.ask({"type": "TOKEN", "id": 1, "days": 1})
        assert (made["code"], made["username"]) == (200, "ann")
        auth = {"type": "AUTH", "token": made["token"]}
        reply = await (await server.connect()).ask(auth)
        assert (reply["code"], reply["username"]) == (200, "ann")
        await server.app.accounts.revoke_tokens("ann")
        stranger = await server.connect()
        for _ in range(3):
            reply = await stranger.ask(auth)
            assert (reply["code"], reply["reason"]) == (401, "bad_credentials")
        assert await stranger.rest() == []
        assert (await ann.ask({"type": "PING"}))["code"] == 200


async def test_a_token_counts_after_a_restart_and_on_no_other_server(tmp_path: Path) -> None:
    async with live_server(tmp_path / "a") as server:
        token = (await server.app.accounts.make_token("ann", 1)).text
    async with live_server(tmp_path / "a", users=()) as server:
        reply = await (await server.connect()).ask({"type": "AUTH", "token": token})
        assert reply["code"] == 200
    async with live_server(tmp_path / "b") as server:
        reply = await (await server.connect()).ask({"type": "AUTH", "token": token})
        assert reply["reason"] == "bad_credentials"


async def test_the_client_library_makes_and_uses_a_token(tmp_path: Path) -> None:
    async with live_server(tmp_path) as server:
        async with StockTrackClient(server.host, server.port, "ann", PASSWORD) as client:
            token = (await client.make_token()).token
        async with StockTrackClient(server.host, server.port, token=token) as client:
            assert client.welcome is not None
            assert client.welcome.username == "ann"
            with pytest.raises(NotAuthorised):
                await client.make_token()
        assert token not in repr(client)


def test_a_token_and_a_password_together_are_a_mistake_of_the_program() -> None:
    with pytest.raises(ValueError, match="one of them"):
        StockTrackClient("127.0.0.1", 1, "ann", "secret", token="t")


async def test_with_an_allowlist_a_name_alone_is_enough_and_its_stocks_are_saved(tmp_path: Path) -> None:
    async with live_server(tmp_path, users=(), allowlist=("pupil",)) as server:
        async with StockTrackClient(server.host, server.port, "pupil", "") as client:
            assert client.hello is not None
            assert client.hello.auth == ("password", "token", "allowlist")
            assert (await client.my_stocks()).symbols == ()
            with pytest.raises(NotAuthorised):
                await client.make_token()
        assert [user.name for user in await server.app.accounts.list()] == ["pupil"]


async def test_an_administrator_lists_tells_and_ends_sessions_and_a_kicked_client_stays_away(tmp_path: Path) -> None:
    states: list[StateChange] = []
    notices: list[Notice] = []
    async with live_server(tmp_path, users=("ann", "root")) as server:
        await server.app.accounts.set_admin("root", True)
        async with (
            StockTrackClient(
                server.host, server.port, "ann", PASSWORD, on_state=states.append, on_notice=notices.append
            ) as ann,
            StockTrackClient(server.host, server.port, "root", PASSWORD) as root,
        ):
            listed = await root.sessions()
            assert [(each.username, each.address, each.door) for each in listed] == [
                ("ann", server.host, "tcp"),
                ("root", server.host, "tcp"),
            ]
            assert (await root.announce("Lunch.")).recipients == 2
            await ann.ping()
            assert [notice.message for notice in notices] == ["Lunch."]
            with pytest.raises(NotAuthorised):
                await ann.kick(listed[1].session)
            assert (await root.kick(listed[0].session)).username == "ann"
            stream = ann.prices()
            with pytest.raises(NotAuthorised, match="An administrator ended this session"):
                await anext(aiter(stream))
            assert ann.state is State.CLOSED
            assert [each.username for each in await root.sessions()] == ["root"]
    assert [change.state for change in states if change.state is State.RECONNECTING] == []


async def test_a_weak_secret_keeps_a_server_off_the_network(tmp_path: Path) -> None:
    secret = tmp_path / "token.secret"
    secret.write_text("changeme")
    secret.chmod(0o600)
    app = App(Settings(data_dir=tmp_path, host="0.0.0.0", port=0), providers=())  # noqa: S104 - it never listens
    with pytest.raises(ConfigError, match="has 8 bytes"):
        await app.start()
    assert app.server.addresses == []
