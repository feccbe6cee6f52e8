"""A WebSocket with a session behind it: who may open one, and how it begins and ends.

`/ws` speaks the protocol of TCP: each text message from the client is one command, each message to it holds one or
more lines exactly as TCP would carry them. Other dialects bring their own `talk`, and the same sessions and limits.
"""

import asyncio
import json
from collections.abc import Callable, Collection
from http import HTTPStatus
from typing import Protocol
from urllib.parse import parse_qs

from websockets.frames import CloseCode

from stocktrack.errors import CommandError, Reason, SessionEnd
from stocktrack.sessions.open_sessions import Sessions
from stocktrack.sessions.session import Session, farewell
from stocktrack.web.origins import refusal
from stocktrack.web.websocket import Input, WebSocket
from stocktrack.wire.connection import Connection
from stocktrack.wire.lines import encode_line, failure

# A client that pipelines without end gives way to the others after this many messages.
MESSAGES_IN_A_ROW = 8
# Refused clients that are given time to read why. They are no sessions, and few descriptors are spared for them.
MAX_REFUSED_LINGERING = 32
BINARY_MESSAGE = encode_line(
    failure(CommandError(Reason.MALFORMED_JSON, "A command is a text message; this one was binary. The session ends."))
)


class Talk(Protocol):
    """One client's conversation, in the dialect of a path; `connection` is what its session sends by."""

    connection: Connection

    def begin(self, session: Session) -> None:
        """Greet the client."""
        ...

    async def answer(self, session: Session, message: bytes) -> None:
        """Answer a message."""
        ...


class ProtocolTalk:
    """The protocol of TCP, as it is."""

    def __init__(self, websocket: WebSocket) -> None:
        self.connection: Connection = websocket

    def begin(self, session: Session) -> None:
        """Greet the client with a HELLO."""
        self.connection.send(session.hello())

    async def answer(self, session: Session, message: bytes) -> None:
        """Have the session answer a command."""
        self.connection.send(await session.receive(message))


class SocketDoor:
    """Serves each WebSocket of a path with a session, in the dialect that `talk` makes."""

    def __init__(
        self,
        sessions: Sessions,
        allowed_origins: Callable[[], Collection[str]],
        talk: Callable[[WebSocket], Talk] = ProtocolTalk,
    ) -> None:
        self._sessions = sessions
        self._allowed_origins = allowed_origins
        self._talk = talk
        self._refused_lingering = 0

    async def serve(self, websocket: WebSocket) -> None:
        """One client, from the handshake to the goodbye."""
        if (why_not := refusal(websocket.request.headers, self._allowed_origins())) is not None:
            websocket.reject(HTTPStatus.FORBIDDEN, why_not)
            await self._refuse(websocket)
            return
        if not websocket.accept():
            await self._refuse(websocket)
            return
        talk = self._talk(websocket)
        try:
            session = self._sessions.open(talk.connection, address=websocket.address, door="web")
        except SessionEnd as why:
            talk.connection.send(farewell(why))
            await self._refuse(websocket)
            return
        code = CloseCode.GOING_AWAY
        try:
            code = await self._serve(session, websocket, talk)
        except asyncio.CancelledError:
            if session.is_open:
                raise
            # The session was ended by somebody else, who cancelled this task to stop it from reading.
            task = asyncio.current_task()
            assert task is not None  # noqa: S101 - this is a task
            task.uncancel()
        except OSError:
            pass  # the client is gone
        finally:
            session.closed()
            try:
                await websocket.finish(code)
            finally:
                # Only now: what holds a descriptor counts as a session.
                self._sessions.close_session(session)

    async def _refuse(self, websocket: WebSocket) -> None:
        if self._refused_lingering >= MAX_REFUSED_LINGERING:
            websocket.close(CloseCode.TRY_AGAIN_LATER)
            return
        self._refused_lingering += 1
        try:
            await websocket.finish(CloseCode.TRY_AGAIN_LATER)
        finally:
            self._refused_lingering -= 1

    async def _serve(self, session: Session, websocket: WebSocket, talk: Talk) -> CloseCode:
        talk.begin(session)
        if (token := _token_of(websocket.request.path)) is not None:
            # For clients that can't send a message before they listen. It is read here and nowhere logged.
            talk.connection.send(await session.receive(json.dumps({"type": "AUTH", "token": token}).encode()))
        messages = 0
        while session.is_open:
            messages += 1
            if messages % MESSAGES_IN_A_ROW == 0:
                await asyncio.sleep(0)
            match await websocket.receive():
                case Input.CLOSED:
                    break
                case Input.TOO_LONG:
                    talk.connection.send(session.line_too_long())
                    return CloseCode.MESSAGE_TOO_BIG
                case Input.BINARY:
                    talk.connection.send(BINARY_MESSAGE)
                    return CloseCode.UNSUPPORTED_DATA
                case bytes() as message:
                    if message := message.strip():
                        await talk.answer(session, message)
                        await websocket.drain()
        return CloseCode.NORMAL_CLOSURE


def _token_of(path: str) -> str | None:
    query = path.partition("?")[2]
    return parse_qs(query, max_num_fields=32).get("token", [None])[0] if "token=" in query else None
