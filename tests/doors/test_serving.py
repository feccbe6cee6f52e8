"""How clients of a door are served: in turns, with a place or without one, until all of it closes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from fakes import LIMITS, RULES, House, MemoryConnection, a_house, read_lines
from live_server import until
from patience import PATIENCE_SECONDS
from stocktrack.clock import settle
from stocktrack.doors.serving import Clients
from stocktrack.doors.turns import TURNS_AT_ONCE
from stocktrack.errors import Reason, SessionEnd
from stocktrack.sessions import strangers
from stocktrack.sessions.session import Session
from stocktrack.wire.connection import Connection

PING = b'{"type":"PING"}\n'


class MemoryClient:
    """A door's client in memory; `lines` are what it sends before it ends its input. Satisfies `serving.Client`."""

    def __init__(self, house: House, lines: list[bytes], *, address: str = "192.0.2.1", stays: bool = False) -> None:
        self.memory = MemoryConnection(house.clock)
        self.connection: Connection = self.memory
        self.owner: asyncio.Task[None] | None = None
        self.address = address
        self.is_forwarded = False
        self.lines = lines
        self.answered = 0
        self.refused_with = b""
        self.is_greeted = asyncio.Event()
        self.may_go = asyncio.Event()
        if not stays:
            self.may_go.set()

    async def greet(self, session: Session) -> bool:
        self.is_greeted.set()
        return True

    async def receive(self, session: Session) -> bytes | None:
        if self.lines:
            return self.lines.pop(0)
        await self.may_go.wait()
        return None

    async def answer(self, session: Session, line: bytes) -> None:
        self.answered += 1
        self.memory.send(await session.receive(line))

    async def refuse(self, line: bytes) -> None:
        self.refused_with = line

    def turn_away(self, line: bytes) -> None:
        self.refused_with = line

    async def finish(self) -> None:
        """It has taken everything."""


@asynccontextmanager
async def a_door(*, most_of_address: int = 1_000) -> AsyncIterator[tuple[House, Clients]]:
    limits = LIMITS.__class__(
        max_sessions=1_000,
        max_unauthenticated_sessions=1_000,
        max_sessions_per_user=0,
        max_sessions_per_address=0,
        auth_timeout_seconds=30.0,
        slow_client_timeout_seconds=10.0,
        max_unauthenticated_per_address=most_of_address,
    )
    async with a_house(limits=limits) as house:
        clients = Clients(house.sessions, "memory")
        yield house, clients
        await clients.close(0)
        assert len(clients) == 0
        assert len(house.sessions.strangers) == 0


async def test_a_client_is_answered_line_by_line_and_leaves_nothing() -> None:
    async with a_door() as (house, clients):
        client = MemoryClient(house, [PING, b"\n", PING])
        clients.take(client)
        await until(lambda: not clients.tasks)
        assert client.answered == 2
        assert len(house.sessions) == 0


async def test_many_clients_that_pipeline_take_turns_with_everybody_else() -> None:
    async with a_door() as (house, clients):
        many = [MemoryClient(house, [PING] * 50) for _ in range(40)]
        for client in many:
            clients.take(client)
        most = before = 0
        while clients.tasks:
            await asyncio.sleep(0)
            answered = sum(client.answered for client in many)
            most, before = max(most, answered - before), answered
        assert before == 40 * 50
        assert most <= 2 * TURNS_AT_ONCE


async def test_a_flood_of_empty_lines_takes_turns_as_well() -> None:
    async with a_door() as (house, clients):
        count = RULES.command_burst  # more than those wait for their time
        for _ in range(10):
            clients.take(MemoryClient(house, [b"\n"] * count))
        turns_of_the_loop = 0
        async with asyncio.timeout(PATIENCE_SECONDS):
            while clients.tasks:
                await asyncio.sleep(0)
                turns_of_the_loop += 1
        assert turns_of_the_loop >= 10 * count / (2 * TURNS_AT_ONCE)


async def test_more_lines_than_the_limit_wait_for_their_time_and_none_is_lost() -> None:
    async with a_door() as (house, clients):
        client = MemoryClient(house, [PING] * (RULES.command_burst + 3))
        clients.take(client)
        await until(lambda: client.answered == RULES.command_burst)
        for answered in range(3):
            await settle()
            assert client.answered == RULES.command_burst + answered
            await house.clock.advance(1 / RULES.commands_per_second)
        assert client.answered == RULES.command_burst + 3


async def test_who_comes_when_its_address_has_no_place_left_is_greeted_as_soon_as_there_is_one() -> None:
    async with a_door(most_of_address=1) as (house, clients):
        first, second = MemoryClient(house, [], stays=True), MemoryClient(house, [])
        clients.take(first)
        await first.is_greeted.wait()
        clients.take(second)
        await settle()
        assert not second.is_greeted.is_set()
        first.may_go.set()
        async with asyncio.timeout(strangers.WAIT_SECONDS):
            await second.is_greeted.wait()


async def test_who_gets_no_place_is_told_and_others_are_served_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strangers, "WAIT_SECONDS", 0.02)
    async with a_door(most_of_address=1) as (house, clients):
        first, second = MemoryClient(house, [], stays=True), MemoryClient(house, [])
        elsewhere = MemoryClient(house, [PING], address="192.0.2.2")
        for client in (first, second, elsewhere):
            clients.take(client)
        await until(lambda: second.refused_with)
        [notice] = read_lines(second.refused_with)
        assert (notice["code"], notice["reason"]) == (429, "session_limit")
        assert elsewhere.answered == 1
        first.may_go.set()


async def test_who_waits_for_a_place_is_told_of_the_end() -> None:
    async with a_door(most_of_address=1) as (house, clients):
        first, second = MemoryClient(house, [], stays=True), MemoryClient(house, [])
        clients.take(first)
        clients.take(second)
        await settle()
        await house.sessions.end_all(SessionEnd(Reason.SHUTDOWN, "The server is stopping."))
        await until(lambda: second.refused_with)
        assert read_lines(second.refused_with)[0]["reason"] == "shutdown"
        first.may_go.set()
