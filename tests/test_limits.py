"""Each limit over real sockets: at it all works, one beyond it is told why, and after a flood the next is served.

Every test runs twice, since what a limit counts must be back where it was when the flood is over.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from fakes import ScriptedStream
from live_server import PASSWORD, Line, LiveServer, RawClient, live_server, until
from stocktrack.clock import ManualClock
from stocktrack.sessions import strangers
from stocktrack.sessions.session import MAX_BAD_LINES

LIMIT = 3
FLOOD = 100
PING = {"type": "PING", "id": "p"}

pytestmark = pytest.mark.parametrize("run", [1, 2])


@pytest.fixture(autouse=True)
def nobody_waits_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes when all places are taken is refused soon."""
    monkeypatch.setattr(strangers, "WAIT_SECONDS", 0.1)


def a_server(tmp_path: Path, clock: ManualClock, run: int, **settings: Any) -> Any:
    folder = tmp_path / f"run{run}"
    folder.mkdir()
    return live_server(folder, ScriptedStream(clock), users=("ann", "bob"), clock=clock, **settings)


async def first_line(client: RawClient) -> Line:
    line = await client.receive()
    await client.close()
    return line


async def refused_flood(server: LiveServer, reason: str) -> None:
    """More clients than the limit allows, all at once: each is told, and gone again afterwards."""
    clients = await asyncio.gather(*(server.connect_unread() for _ in range(FLOOD)))
    notices = await asyncio.gather(*map(first_line, clients))
    assert {(notice["type"], notice["code"], notice["reason"]) for notice in notices} == {("NOTICE", 429, reason)}
    assert all(notice["retry_after_ms"] > 0 for notice in notices)


async def is_served(server: LiveServer, name: str = "ann") -> None:
    client = await server.log_in(name)
    assert (await client.ask(PING))["code"] == 200
    await client.close()


@pytest.mark.parametrize("limit", ["max_sessions", "max_sessions_per_address"])
async def test_sessions(tmp_path: Path, run: int, limit: str) -> None:
    async with a_server(tmp_path, ManualClock(), run, **{limit: LIMIT}) as server:
        allowed = [await server.log_in() for _ in range(LIMIT)]
        for _ in range(2):
            await refused_flood(server, "session_limit")
        for client in allowed:
            assert (await client.ask(PING))["code"] == 200
        await allowed[0].close()
        await server.until_clients(LIMIT - 1)
        await is_served(server)


async def test_sessions_that_have_not_logged_in(tmp_path: Path, run: int) -> None:
    clock = ManualClock()
    limits = {"max_unauthenticated_sessions": LIMIT, "max_unauthenticated_per_address": LIMIT}
    async with a_server(tmp_path, clock, run, **limits) as server:
        ann = await server.log_in()
        strangers = [await server.connect() for _ in range(LIMIT)]
        await refused_flood(server, "session_limit")
        assert (await ann.ask(PING))["code"] == 200
        # Who logs in makes room for the next.
        reply = await strangers[0].ask({"type": "AUTH", "username": "bob", "password": PASSWORD})
        assert reply["code"] == 200
        await is_served(server)
        # Those who never do are gone at their deadline.
        await clock.advance(31)
        for stranger in strangers[1:]:
            assert (await stranger.rest())[-1]["reason"] == "auth_timeout"
        await is_served(server)


async def test_sessions_of_one_address_that_have_not_logged_in(tmp_path: Path, run: int) -> None:
    async with a_server(tmp_path, ManualClock(), run, max_unauthenticated_sessions=2 * LIMIT) as server:
        strangers = [await server.connect() for _ in range(LIMIT)]
        await refused_flood(server, "session_limit")
        elsewhere = RawClient(*await asyncio.open_connection(server.host, server.port, local_addr=("127.0.0.2", 0)))
        assert (await elsewhere.ask({"type": "AUTH", "username": "ann", "password": PASSWORD}))["code"] == 200
        await elsewhere.close()
        # Who logs in makes room for the next, also for one that waits.
        waiting = await server.connect_unread()
        await until(lambda: server.app.sessions.strangers.waiting == 1)
        assert (await strangers[0].ask({"type": "AUTH", "username": "bob", "password": PASSWORD}))["code"] == 200
        assert (await waiting.receive())["type"] == "HELLO"


async def test_sessions_of_one_user(tmp_path: Path, run: int) -> None:
    auth = {"type": "AUTH", "username": "ann", "password": PASSWORD}
    async with a_server(tmp_path, ManualClock(), run, max_sessions_per_user=LIMIT) as server:
        allowed = [await server.log_in() for _ in range(LIMIT)]
        flood = [await server.connect() for _ in range(FLOOD)]
        replies = await asyncio.gather(*(client.ask(auth) for client in flood))
        assert {(reply["code"], reply["reason"], reply["retryable"]) for reply in replies} == {
            (429, "session_limit", True)
        }
        await is_served(server, "bob")
        for client in (allowed[0], *flood[1:]):
            await client.close()
        await server.until_clients(LIMIT)
        assert (await flood[0].ask(auth))["code"] == 200
        assert (await (await server.connect()).ask(auth))["reason"] == "session_limit"


async def test_symbols_of_a_session(tmp_path: Path, run: int) -> None:
    names = [f"S{number}" for number in range(LIMIT + 1)]
    async with a_server(tmp_path, ManualClock(), run, max_symbols=LIMIT) as server:
        client = await server.log_in()
        for command in ({"type": "GET"}, {"type": "SUBSCRIBE", "save": False}):
            refused = await client.ask({**command, "symbols": names})
            assert (refused["code"], refused["reason"], refused["retryable"]) == (400, "symbol_limit", False)
            assert (await client.ask({**command, "symbols": names[:LIMIT]}))["code"] == 200
        one_more = {"type": "SUBSCRIBE", "symbols": names[LIMIT:], "save": False}
        assert (await client.ask(one_more))["reason"] == "symbol_limit"
        assert (await client.ask({"type": "UNSUBSCRIBE", "symbols": names[:1], "save": False}))["code"] == 200
        assert (await client.ask(one_more))["code"] == 200


async def test_commands_in_a_burst_and_a_second(tmp_path: Path, run: int) -> None:
    clock = ManualClock()
    async with a_server(tmp_path, clock, run, commands_per_second=2, command_burst=10) as server:
        client = await server.log_in()  # the AUTH was the first of the ten
        replies = [await client.ask(PING) for _ in range(9)]
        assert {reply["code"] for reply in replies} == {200}
        client.send(*[PING] * FLOOD)
        await is_served(server, "bob")
        # The next ones are read one by one, as the time for them comes.
        for _ in range(FLOOD):
            reading = asyncio.ensure_future(client.reply())
            await clock.advance(0.49)
            await is_served(server, "bob")
            assert not reading.done()
            await clock.advance(0.01)
            assert (await reading)["code"] == 200
        await clock.advance(5)
        assert [(await client.ask(PING))["code"] for _ in range(10)] == [200] * 10


async def test_the_time_to_log_in(tmp_path: Path, run: int) -> None:
    clock = ManualClock()
    async with a_server(tmp_path, clock, run, auth_timeout_seconds=30) as server:
        flood = [await server.connect() for _ in range(FLOOD)]
        await clock.advance(29)
        in_time = await server.connect()
        late = flood.pop()
        assert (await late.ask({"type": "AUTH", "username": "ann", "password": PASSWORD}))["code"] == 200
        await clock.advance(2)
        for client in flood:
            assert [line["reason"] for line in await client.rest()] == ["auth_timeout"]
            await client.close()
        for client in (late, in_time):
            assert (await client.ask(PING))["code"] == 200
        await is_served(server)


async def test_the_length_of_a_line(tmp_path: Path, run: int) -> None:
    async with a_server(tmp_path, ManualClock(), run, max_line_bytes=1_024) as server:
        line = json.dumps(PING).encode()
        client = await server.log_in()
        assert (await client.ask(line.ljust(1_024) + b"\n"))["code"] == 200
        client.send(line.ljust(1_025) + b"\n" + line + b"\n")
        told = await client.rest()
        assert [(reply["code"], reply["reason"]) for reply in told] == [(400, "line_too_long")]
        await client.close()
        # Without an end it is too long as well, and takes no more memory than a long one that has an end.
        for _ in range(10):
            endless = await server.connect()
            endless.send(b"x" * 100_000)
            assert (await endless.receive())["reason"] == "line_too_long"
            await endless.close()
        await is_served(server)


async def test_bad_lines_in_a_row(tmp_path: Path, run: int) -> None:
    async with a_server(tmp_path, ManualClock(), run, commands_per_second=1_000, command_burst=1_000) as server:
        client = await server.log_in()
        for _ in range(3):
            client.send(*[b"bad\n"] * (MAX_BAD_LINES - 1))
            assert {(await client.reply())["reason"] for _ in range(MAX_BAD_LINES - 1)} == {"malformed_json"}
            assert (await client.ask(PING))["code"] == 200
        client.send(*[b"bad\n"] * FLOOD)
        told = await client.rest()
        assert [line["reason"] for line in told] == [*["malformed_json"] * MAX_BAD_LINES, "too_many_errors"]
        await client.close()
        await until(lambda: not server.app.sessions)
        await is_served(server)


async def test_wrong_passwords_in_a_session(tmp_path: Path, run: int) -> None:
    wrong = {"type": "AUTH", "username": "ann", "password": "SeCrEt and wrong"}
    async with a_server(tmp_path, ManualClock(), run, login_failures_per_minute=1_000) as server:
        for _ in range(10):
            client = await server.connect()
            replies = [await client.ask(wrong) for _ in range(3)]
            assert {(reply["code"], reply["reason"]) for reply in replies} == {(401, "bad_credentials")}
            assert await client.rest() == []
            await client.close()
        await is_served(server)
