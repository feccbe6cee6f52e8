"""The sessions behind WebSockets: who may open one, and how it begins, is heard and ends.

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

from stocktrack.doors.serving import Clients
from stocktrack.errors import CommandError, Reason, SessionEnd
from stocktrack.messages import Failure, Notice
from stocktrack.sessions.life import SessionState
from stocktrack.sessions.session import Session
from stocktrack.web.origins import refusal
from stocktrack.web.statuses import status_of
from stocktrack.web.websocket import Input, WebSocket
from stocktrack.wire.connection import Connection
from stocktrack.wire.lines import decode_server_line, encode_line, failure

_BINARY_MESSAGE = encode_line(
    failure(CommandError(Reason.MALFORMED_JSON, "A command is a text message; this one was binary. The session ends."))
)


class Talk(Protocol):
    """One client's conversation, in the dialect of a path.

    `knocks` says that its handshake is answered only when it is known who the client is: a token that is none gets a
    401 there. `takes_binary` says that messages may be bytes.
    """

    knocks: bool
    takes_binary: bool

    @property
    def connection(self) -> Connection:
        """What its session sends by."""
        ...

    @property
    def goodbye(self) -> str:
        """Why the session has ended, for the close frame; empty where that was told otherwise."""
        ...

    def begin(self, session: Session) -> None:
        """Greet the client, when its handshake has been answered."""
        ...

    async def log_in(self, session: Session) -> Failure | None:
        """Log in by what the handshake brought; where `knocks` and that failed, why."""
        ...

    def welcome(self, session: Session) -> SessionEnd | None:
        """Let the client in as a guest where it may be one, and has not logged in on its way; why that ended it."""
        ...

    async def answer(self, session: Session, message: bytes) -> None:
        """Answer a message."""
        ...

    def close_code(self, code: int) -> int:
        """The code of the goodbye, of that which `/ws` would use."""
        ...


class ProtocolTalk:
    """The protocol of TCP, as it is."""

    knocks = takes_binary = False
    goodbye = ""

    def __init__(self, websocket: WebSocket) -> None:
        self._path = websocket.request.path
        self.connection: Connection = websocket

    def begin(self, session: Session) -> None:
        """Greet the client with a HELLO."""
        self.connection.send(session.hello())

    async def log_in(self, session: Session) -> None:
        """Log in with the token of the address where there is one: for clients that can't send before they listen."""
        if (token := token_of(self._path)) is not None:
            # It is read here and nowhere logged.
            self.connection.send(await session.receive(json.dumps({"type": "AUTH", "token": token}).encode()))

    def welcome(self, session: Session) -> None:
        """Our own protocol has no guests."""

    async def answer(self, session: Session, message: bytes) -> None:
        """Have the session answer a command."""
        self.connection.send(await session.receive(message))

    def close_code(self, code: int) -> int:
        """The same."""
        return code


class WebSocketSessions:
    """Gives each WebSocket of one path a session, in the dialect that `talk` makes."""

    def __init__(
        self,
        clients: Clients,
        allowed_origins: Collection[str],
        public_names: Collection[str],
        talk: Callable[[WebSocket], Talk] = ProtocolTalk,
    ) -> None:
        self._clients = clients
        self._allowed_origins = allowed_origins
        self._public_names = public_names
        self._talk = talk

    def take(self, websocket: WebSocket) -> None:
        """Answer the handshake of `websocket`, and serve it where that succeeds."""
        talk = self._talk(websocket)
        websocket.takes_binary = talk.takes_binary
        client = WebSocketClient(websocket, talk)
        why_not = refusal(websocket.request.headers, self._allowed_origins, self._public_names)
        if why_not is not None:
            websocket.reject(HTTPStatus.FORBIDDEN, why_not)
            self._clients.take_to_refuse(client)
        elif not talk.knocks and not websocket.accept():
            self._clients.take_to_refuse(client)
        else:
            self._clients.take(client)


class WebSocketClient:
    """A door's `Client` with a WebSocket that is open or asks to be, or was refused."""

    def __init__(self, websocket: WebSocket, talk: Talk) -> None:
        self._websocket = websocket
        self._talk = talk
        self._close_code = CloseCode.GOING_AWAY

    @property
    def owner(self) -> asyncio.Task[None] | None:
        """The task that serves it."""
        return self._websocket.owner

    @owner.setter
    def owner(self, task: asyncio.Task[None] | None) -> None:
        self._websocket.owner = task

    @property
    def connection(self) -> Connection:
        """What its session sends by."""
        return self._talk.connection

    @property
    def address(self) -> str:
        """The client's address."""
        return self._websocket.address

    @property
    def is_forwarded(self) -> bool:
        """Whether a proxy stands between."""
        return self._websocket.sender.is_forwarded

    async def greet(self, session: Session) -> bool:
        """Begin in the dialect, and log in by what the handshake brought."""
        if self._websocket.is_asking:
            return await self._let_in(session)
        self._talk.begin(session)
        await self._talk.log_in(session)
        self._talk.welcome(session)
        if not session.is_open:
            self._close_code = CloseCode.TRY_AGAIN_LATER
        return session.is_open

    async def _let_in(self, session: Session) -> bool:
        """Answer the handshake by who the client is."""
        why = await self._talk.log_in(session) or self._talk.welcome(session)
        if why is not None:
            self._websocket.reject(status_of(why), why.message)
        elif session.state is SessionState.GREETED:
            self._websocket.reject(HTTPStatus.UNAUTHORIZED, "This needs a token: put ?token=TOKEN into the address.")
        elif self._websocket.accept():
            self._talk.begin(session)
            return True
        return False

    async def receive(self, session: Session) -> bytes | None:
        """The next message; None after the last one, and after one that can't be taken."""
        match await self._websocket.receive():
            case bytes() as message if len(message) <= session.max_line_bytes:
                return message
            case Input.CLOSED:
                self._close_code = CloseCode.NORMAL_CLOSURE
            case Input.TOO_LONG | bytes():
                self.connection.send(session.line_too_long())
                self._close_code = CloseCode.MESSAGE_TOO_BIG
            case Input.BINARY:
                self.connection.send(_BINARY_MESSAGE)
                self._close_code = CloseCode.UNSUPPORTED_DATA
        return None

    async def answer(self, session: Session, line: bytes) -> None:
        """Have the session answer a message."""
        await self._talk.answer(session, line)
        if not session.is_open:
            self._close_code = CloseCode.NORMAL_CLOSURE

    async def refuse(self, line: bytes) -> None:
        """Say why there is no session."""
        self._say_why_not(line)
        self._close_code = CloseCode.TRY_AGAIN_LATER

    def turn_away(self, line: bytes) -> None:
        """Say so and close."""
        self._say_why_not(line)
        self._websocket.close(self._talk.close_code(CloseCode.TRY_AGAIN_LATER))

    async def finish(self) -> None:
        """Deliver what was sent, say goodbye, and wait for the client to do the same."""
        await self._websocket.finish(self._talk.close_code(self._close_code), self._talk.goodbye)

    def _say_why_not(self, line: bytes) -> None:
        if not self._websocket.is_asking:
            self.connection.send(line)
        elif isinstance(why := decode_server_line(line), Notice):
            self._websocket.reject(status_of(why), why.message)


def token_of(path: str) -> str | None:
    """The token in the query of an address; empty, which is a wrong one, where that has too many fields to be read."""
    query = path.partition("?")[2]
    try:
        return parse_qs(query, max_num_fields=32).get("token", [None])[0] if "token=" in query else None
    except ValueError:
        return ""
