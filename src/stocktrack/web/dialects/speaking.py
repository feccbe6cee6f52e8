"""What the dialects over WebSocket share: their way out, who is let in, and how they end.

A session speaks in lines of the protocol. A dialect makes messages of its own of them: of prices by what its client was
told before (`told.py`), of everything else by what it says.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

from websockets.frames import CloseCode

from stocktrack.errors import Code, Reason, SessionEnd
from stocktrack.messages import Command, Failure, Missing, Notice, Reply, ServerMessage, UnsubscribeReply
from stocktrack.sessions.life import SessionState
from stocktrack.sessions.session import Session, last_word
from stocktrack.web.dialects.told import Telling
from stocktrack.web.websocket import WebSocket
from stocktrack.web.websocket_sessions import token_of
from stocktrack.wire.lines import BadLine, decode_server_line, failure, parse_command, parse_object

_PRICE: Final = b'{"type":"PRICE"'
_HEARTBEAT: Final = b'{"type":"HEARTBEAT"'
# None of the dialects has a word for it, and to read each costs more than many prices.
SAID: Final = b'{"type":"SAID"'
# What is subscribed in a dialect comes as it changes, and is not saved; the symbols are to be added.
SUBSCRIBE: Final = {"type": "SUBSCRIBE", "save": False, "interval": 0}
UNSUBSCRIBE: Final = {"type": "UNSUBSCRIBE", "save": False}
# Of a close frame's reason (RFC 6455, section 5.5).
_MAX_REASON_BYTES: Final = 123


class Dialect(Protocol):
    """How one client's messages are made of what its session is told."""

    def of_message(self, message: ServerMessage) -> Iterable[bytes]:
        """The messages of a reply or a notice; none where the dialect has no word for it."""
        ...

    def heartbeat(self) -> bytes | None:
        """The message that shows a quiet client that the server is there; None for a ping of WebSocket."""
        ...


class DialectConnection:
    """A session's way out over a WebSocket whose client speaks a dialect; `telling` is how it is told prices.

    It is a `Connection`.
    """

    def __init__(self, websocket: WebSocket, dialect: Dialect, telling: Telling) -> None:
        self._websocket = websocket
        self._is_binary = telling.is_binary
        self._dialect = dialect
        self._told = telling.nothing
        self.goodbye = ""  # the last failure that the session told: why it has ended, once it has

    @property
    def told(self) -> Mapping[str, bytes]:
        """The PRICE line of each symbol that was told last."""
        return self._told.lines

    def tell_as(self, telling: Telling) -> None:
        """Tell prices in another way from now on, against those that were told."""
        self._told = telling.state(self._told.lines)

    def send(self, data: bytes) -> None:
        """Hand over lines: a push of prices, or what else a session says, in one write."""
        if data.startswith(_PRICE):
            frames, self._told = self._told.tell(data)
            self._websocket.send_frames(frames)
            return
        messages: list[bytes] = []
        for line in data.splitlines():
            if line.startswith(_HEARTBEAT):
                if (beat := self._dialect.heartbeat()) is None:
                    self.ping()
                else:
                    messages.append(beat)
            elif not line.startswith(SAID) and (message := decode_server_line(line)) is not None:
                messages += self.of_message(message)
        self.tell(messages)

    def of_message(self, message: ServerMessage) -> Iterable[bytes]:
        """The messages of a reply or a notice, which may be the last that the session says."""
        if isinstance(message, Failure | Notice) and message.code >= Code.BAD_REQUEST:
            self.say_goodbye(message.message)
        if isinstance(message, Notice) and message.reason is Reason.UNKNOWN_SYMBOL:
            self.forget(message.symbols or ())
        return self._dialect.of_message(message)

    def say_goodbye(self, why: str) -> None:
        """Have this sentence in the close frame, unless something else goes wrong before that."""
        self.goodbye = _short_reason(why)

    def forget(self, symbols: Iterable[str]) -> None:
        """Tell the price of `symbols` as a first one when it comes next."""
        self._told = self._told.forget(symbols)

    @property
    def last_sent_at(self) -> float:
        """Monotonic time of the last message or ping."""
        return self._websocket.last_sent_at

    @property
    def sent_bytes(self) -> int:
        """Bytes handed over so far."""
        return self._websocket.sent_bytes

    def tell(self, messages: Iterable[bytes]) -> None:
        """Hand over messages of the dialect, in one write."""
        self._websocket.send_messages(messages, is_binary=self._is_binary)

    def ping(self) -> None:
        """Show a quiet client that the server is there, where the dialect has no word for it."""
        self._websocket.ping()

    async def drain(self) -> None:
        """Wait while the client has not taken enough."""
        await self._websocket.drain()

    def unsent_bytes(self) -> int:
        """What waits to be taken."""
        return self._websocket.unsent_bytes()

    def end(self) -> None:
        """Have the owner stop reading and close when everything is delivered."""
        self._websocket.end()

    def abort(self) -> None:
        """Close now."""
        self._websocket.abort()


class DialectTalk:
    """What all conversations in a dialect have: who is let in, how a message is answered, and how they end."""

    knocks: bool = False
    takes_binary: bool = False

    def __init__(
        self, websocket: WebSocket, needs_token: Callable[[Session], bool], connection: DialectConnection
    ) -> None:
        self._path = websocket.request.path
        self._needs_token = needs_token
        self.connection = connection

    @property
    def goodbye(self) -> str:
        """Why the session has ended, for the close frame: what it said last of what went wrong."""
        return self.connection.goodbye

    def begin(self, session: Session) -> None:
        """There is no greeting."""

    def commands_of(self, fields: dict[str, Any]) -> Iterable[dict[str, Any]]:
        """The fields of the commands that a client's object stands for; `BadLine` where it is no message."""
        raise NotImplementedError

    async def answer(self, session: Session, message: bytes) -> None:
        """Have the session do what a message says, which is an object of JSON."""
        try:
            commands = [parse_command(fields) for fields in self.commands_of(parse_object(message.strip()))]
        except BadLine as error:
            self.refuse(session, error)
            return
        for command in commands:
            await self.run(session, command)

    async def run(self, session: Session, command: Command) -> Reply:
        """Have the session answer a command, and tell the reply and what follows it."""
        reply = await session.ask(command)
        if isinstance(reply, UnsubscribeReply):
            self.connection.forget(reply.removed)
        self.say(reply)
        self.connection.send(session.take_following())
        return reply

    def refuse(self, session: Session, error: BadLine) -> None:
        """Say that a message is none; one too many ends the session."""
        for said in refusal_of(session, error):
            self.say(said)

    def say(self, message: ServerMessage) -> None:
        """Tell a reply or a notice in the dialect, as far as it has words for it."""
        self.connection.tell(self.connection.of_message(message))

    async def log_in(self, session: Session) -> Failure | None:
        """Log in with the token of the address where there is one; where that failed, why."""
        if (token := token_of(self._path)) is None:
            return None
        try:
            command = parse_command({"type": "AUTH", "token": token})
        except BadLine as error:  # no token looks so
            return failure(error)
        reply = await session.ask(command)
        return reply if isinstance(reply, Failure) else None

    def welcome(self, session: Session) -> SessionEnd | None:
        """Whoever needs no token is let in as a guest; where there are too many of them, that has ended it."""
        if session.state is SessionState.GREETED and not self._needs_token(session):
            return session.welcome_guest()
        return None

    def close_code(self, code: int) -> int:
        """1012 where the server ends it, as when it goes, else 1011.

        Clients of vendors take 1000 and 1001 for their own wish: yfinance's spins then, others never come back.
        """
        return CloseCode.SERVICE_RESTART if code == CloseCode.GOING_AWAY else CloseCode.INTERNAL_ERROR


def refusal_of(session: Session, error: BadLine) -> list[ServerMessage]:
    """What is said of a message that is none; where it was one too many, that the session has ended, too."""
    why = session.count_bad_line()
    return [failure(error), *([last_word(why)] if why is not None else [])]


def failures_of(message: ServerMessage) -> list[str]:
    """What went wrong, as sentences: a failure, a notice of one, and each symbol that a reply could not serve."""
    missing: tuple[Missing, ...] = getattr(message, "missing", None) or ()
    if missing:
        return [sentence_of(each) for each in missing]
    if isinstance(message, Failure | Notice) and message.code >= Code.BAD_REQUEST:
        return [message.message]
    return []


def sentence_of(missing: Missing) -> str:
    """Why a symbol could not be served."""
    match missing.code:
        case _ if missing.reason is Reason.NOT_SUBSCRIBED:
            return f"{missing.symbol} was not subscribed."
        case Code.NOT_FOUND:
            return f"There is no price of {missing.symbol}."
        case Code.TOO_MANY_REQUESTS:
            return f"You have asked for too much to have {missing.symbol} checked now; try again later."
        case _:
            return f"The source of {missing.symbol} fails at the moment."


def _short_reason(sentence: str) -> str:
    """As much of a sentence as a close frame can carry."""
    encoded = sentence.encode()
    if len(encoded) <= _MAX_REASON_BYTES:
        return sentence
    return encoded[: _MAX_REASON_BYTES - 3].decode(errors="ignore") + "…"
