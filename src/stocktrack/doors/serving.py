"""Serving the clients of one door: a task and a session for each, refusals, and the order in which all of it closes.

A client that went away shows as the end of its input or as an `OSError`, and costs nobody else anything. The times in
here are real ones (`asyncio.timeout`), whatever clock the sessions go by: they bound what a socket and a kernel do.
"""

import asyncio
import contextlib
from typing import Protocol

import structlog

from stocktrack.doors.turns import turns
from stocktrack.errors import SessionEnd
from stocktrack.sessions.open_sessions import Sessions
from stocktrack.sessions.session import Session, farewell
from stocktrack.wire.connection import Connection

log = structlog.get_logger()

# A longer line takes longer: it costs a turn of the loop for each of so many bytes.
_BYTES_OF_A_TURN = 4_096
# Closing gives way after so many clients that have to be aborted.
ABORTS_IN_A_ROW = 200
# How long the last lines may take to be delivered, and the client to close after them.
LINGER_SECONDS = 3.0
# Refused clients that are given that time at once. They are no sessions, and few descriptors are spared for them.
MAX_REFUSED_LINGERING = 32


class Client(Protocol):
    """One client of a door: how it is greeted, heard and left, by the means of that door."""

    owner: asyncio.Task[None] | None
    """The task that serves it; `connection.end` cancels this task to stop it from reading."""

    @property
    def connection(self) -> Connection:
        """What its session sends by."""
        ...

    @property
    def address(self) -> str:
        """Where it comes from."""
        ...

    @property
    def is_forwarded(self) -> bool:
        """Whether a proxy stands between."""
        ...

    async def greet(self, session: Session) -> bool:
        """Begin the conversation; False where that failed, so that there is none."""
        ...

    async def receive(self, session: Session) -> bytes | None:
        """The next line; None after the last one, and after one that can't be taken, which the client was told."""
        ...

    async def answer(self, session: Session, line: bytes) -> None:
        """Have the session answer a line, and send the answer."""
        ...

    async def refuse(self, line: bytes) -> None:
        """Say instead of a greeting why there is no session."""
        ...

    def turn_away(self, line: bytes) -> None:
        """Say so without waiting, and close: the client may lose it."""
        ...

    async def finish(self) -> None:
        """Deliver what was sent, say goodbye, and return when the client has closed, however long it takes."""
        ...


class Clients:
    """The clients of one door, from their first byte to their last; `door` is what their sessions are listed under."""

    def __init__(self, sessions: Sessions, door: str) -> None:
        self._sessions = sessions
        self._door = door
        self._open: dict[asyncio.Task[None], Client] = {}
        self._refused_lingering = 0

    def __len__(self) -> int:
        return len(self._open)

    @property
    def tasks(self) -> tuple[asyncio.Task[None], ...]:
        """The tasks that serve them."""
        return tuple(self._open)

    def take(self, client: Client) -> None:
        """Serve `client` in a task of its own."""
        task = asyncio.create_task(self._serve(client), name=f"{self._door} client")
        self._open[task] = client
        client.owner = task
        task.add_done_callback(self._served)

    def take_to_refuse(self, client: Client) -> None:
        """See off a client that can't become a session, and has been told why."""
        task = asyncio.create_task(self._refuse(client, b""), name=f"{self._door} client, refused")
        self._open[task] = client
        task.add_done_callback(self._served)

    async def close(self, within_seconds: float) -> None:
        """Wait for the clients, whose sessions were ended, to take their last lines; then abort the rest."""
        if self._open:
            await asyncio.wait(self._open, timeout=within_seconds)
        for place, (task, client) in enumerate(tuple(self._open.items()), start=1):
            client.connection.abort()
            task.cancel()
            if place % ABORTS_IN_A_ROW == 0:
                await asyncio.sleep(0)
        await asyncio.gather(*self._open, return_exceptions=True)

    def _served(self, task: asyncio.Task[None]) -> None:
        client = self._open.pop(task)
        if task.cancelled() or task.exception() is not None:
            client.connection.abort()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("serving a client failed unexpectedly", exc_info=error)

    async def _serve(self, client: Client) -> None:
        try:
            place = await self._sessions.place_for(client.address, door=self._door)
            session = self._sessions.open(
                client.connection,
                address=client.address,
                door=self._door,
                is_forwarded=client.is_forwarded,
                place=place,
            )
        except SessionEnd as why:
            await self._refuse(client, farewell(why))
            return
        try:
            # The session is counted and has its deadline already, so that handshakes are limited as sessions are.
            if await client.greet(session):
                await _converse(client, session)
        except asyncio.CancelledError:
            if session.is_open:
                raise
            # The session was ended by somebody else, who cancelled this task to stop it from reading.
            task = asyncio.current_task()
            assert task is not None  # noqa: S101 - this is a task
            task.uncancel()
        except OSError:
            pass  # the client is gone: a reset, or silence that the kernel found out about (ETIMEDOUT)
        finally:
            session.closed()
            try:
                await _finish(client)
            finally:
                # Only now: what holds a descriptor counts as a session.
                self._sessions.close_session(session)

    async def _refuse(self, client: Client, line: bytes) -> None:
        if self._refused_lingering >= MAX_REFUSED_LINGERING:
            client.turn_away(line)
            return
        self._refused_lingering += 1
        try:
            await client.refuse(line)
            await _finish(client)
        finally:
            self._refused_lingering -= 1


async def _converse(client: Client, session: Session) -> None:
    loop_turns = turns()
    while session.is_open:
        line = await client.receive(session)
        # Who pipelines without end gives way to the others, as do thousands that go at once; an empty line is one, too.
        await loop_turns.turn(cost=1 + len(line or b"") // _BYTES_OF_A_TURN)
        if line is None:
            return
        if (pause_seconds := session.seconds_until_turn(len(line))) > 0:
            # Nothing is read meanwhile, so that the kernel slows the client down.
            await session.services.clock.sleep(pause_seconds)
        if line.strip():
            await client.answer(session, line)
            await client.connection.drain()


async def _finish(client: Client) -> None:
    try:
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(LINGER_SECONDS):
                await client.finish()
    finally:
        client.connection.abort()
