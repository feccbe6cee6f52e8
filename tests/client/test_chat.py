"""The client library in a chat, against a real server: what it says, what it hears, and after a reconnect."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fakes import ScriptedProvider
from live_server import PASSWORD, LiveServer, live_server, until
from patience import PATIENCE_SECONDS
from stocktrack.client import BadRequest, NotAuthorised, NotFound, State, StockTrackClient, TooManyRequests
from stocktrack.clock import ManualClock
from stocktrack.messages import Said


def client_of(server: LiveServer, name: str, heard: "asyncio.Queue[Said] | None" = None) -> StockTrackClient:
    return StockTrackClient(
        server.host, server.port, name, PASSWORD, on_said=None if heard is None else heard.put_nowait
    )


async def next_of(heard: "asyncio.Queue[Said]") -> Said:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await heard.get()


async def test_what_one_says_the_other_hears_also_after_the_connection_was_lost(tmp_path: Path) -> None:
    heard: asyncio.Queue[Said] = asyncio.Queue()
    async with (
        live_server(tmp_path, ScriptedProvider(ManualClock()), users=("ann", "bob"), chat=True) as server,
        client_of(server, "ann") as ann,
        client_of(server, "bob", heard) as bob,
    ):
        assert ann.has_chat
        await bob.subscribe("AAPL", save=False)
        assert (await ann.say("Hello.")).recipients == 1
        assert (await ann.say("Of it.", "aapl")).recipients == 1
        said = [await next_of(heard) for _ in range(2)]
        assert [(each.username, each.symbol, each.text) for each in said] == [
            ("ann", None, "Hello."),
            ("ann", "AAPL", "Of it."),
        ]

        [session] = [each for each in server.app.sessions if each.username == "bob"]
        session.connection.abort()
        await until(lambda: bob.state is not State.CONNECTED)
        await bob.wait_connected()
        await ann.say("Again.", "AAPL")
        assert (await next_of(heard)).text == "Again."


async def test_each_refusal_is_its_error(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"chat": True, "chat_messages_per_minute": 1.0}
    async with live_server(tmp_path, ScriptedProvider(ManualClock()), users=("ann", "bob"), **settings) as server:
        await server.app.accounts.set_admin("ann", is_admin=True)
        async with client_of(server, "ann") as ann, client_of(server, "bob") as bob:
            with pytest.raises(BadRequest, match="text"):
                await ann.say("x" * 501)
            with pytest.raises(BadRequest, match="nothing that can be shown"):
                await ann.say("\x07")
            with pytest.raises(BadRequest, match="There is no user 'Mallory'"):
                await ann.mute("Mallory")
            with pytest.raises(NotAuthorised, match="for administrators"):
                await bob.mute("ann")
            assert (await ann.mute("bob", 1)).muted_until is not None
            with pytest.raises(NotAuthorised, match="muted you until"):
                await bob.say("x")
            assert (await ann.mute("bob", 0)).muted_until is None
            await bob.say("x")
            with pytest.raises(TooManyRequests) as too_many:
                await bob.say("y")
            assert too_many.value.retry_after_ms


async def test_where_chat_is_off_the_client_knows_it_before_it_says_anything(tmp_path: Path) -> None:
    async with (
        live_server(tmp_path, ScriptedProvider(ManualClock())) as server,
        client_of(server, "ann") as ann,
    ):
        assert not ann.has_chat
        with pytest.raises(NotFound, match="switched chat off"):
            await ann.say("Hello.")
