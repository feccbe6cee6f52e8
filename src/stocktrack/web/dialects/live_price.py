"""The founding WebSocket API of `/live-price`, and what Socket.IO shares with it: actions in, price objects out.

    {"action":"subscribe","symbol":"AAPL"}      also "symbols", "unsubscribe" and "ping"
    {"action":"authenticate","token":"eyJ…"}
    {"symbol":"AAPL","price":189.45,"timestamp":1712331900000}      the last value first, then each change
    {"error":"No source knows NOPE.","reason":"unknown_symbol","symbol":"NOPE"}      and nothing closes

Behind it is a session as behind every other door: an action becomes a command, its reply becomes objects, and so do the
lines that the session is pushed. A price is translated once, however many clients it goes to.
"""

import json
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from stocktrack.errors import Code, Reason
from stocktrack.messages import AuthReply, Failure, Missing, Notice, PingReply, ServerMessage, UnsubscribeReply
from stocktrack.quotes import shown
from stocktrack.sessions.life import SessionState
from stocktrack.sessions.session import Session, last_word
from stocktrack.web.websocket import WebSocket
from stocktrack.wire.connection import Connection
from stocktrack.wire.lines import BadLine, decode_server_line, failure, parse_command, parse_object

LiveObject = dict[str, Any]

ACTIONS = ("subscribe", "unsubscribe", "ping", "authenticate")


class LiveObjects:
    """What one client is told: objects of the live API, each as JSON.

    A price that is the same as the last one of its symbol is left out.
    """

    def __init__(self) -> None:
        self._last: dict[str, str] = {}

    def of_lines(self, data: bytes) -> list[str]:
        """The objects of lines that the session was pushed."""
        told: list[str] = []
        for line in data.splitlines():
            if line.startswith(b'{"type":"SAID"'):
                continue  # the live API has no word for it, and to read each costs more than many prices
            if not line.startswith(b'{"type":"PRICE"'):
                message = decode_server_line(line)
                told += of_message(message) if message is not None else ()
                continue
            symbol, price = _of_price_line(line)
            if self._last.get(symbol) != price:
                self._last[symbol] = price
                told.append(price)
        return told

    def forget(self, symbols: Iterable[str]) -> None:
        """Tell the price of `symbols` again when it comes next."""
        for symbol in symbols:
            self._last.pop(symbol, None)


@lru_cache(maxsize=8_192)
def _of_price_line(line: bytes) -> tuple[str, str]:
    """The symbol of a PRICE line, and the object that tells it; without a timestamp where the market's is not known."""
    price = json.loads(line)
    return price["symbol"], _json({name: price[name] for name in ("symbol", "price", "timestamp") if name in price})


def of_message(message: ServerMessage) -> list[str]:
    """The objects that a reply or a notice becomes; what is only for programs that speak our protocol becomes none."""
    missing: tuple[Missing, ...] = getattr(message, "missing", None) or ()
    if missing:
        return [_json(_of_missing(each)) for each in missing]
    match message:
        case Failure() | Notice() if message.code >= Code.BAD_REQUEST:
            told: LiveObject = {"error": message.message, "reason": message.reason}
            if isinstance(message, Notice) and message.symbols:
                told["symbols"] = message.symbols
            if message.retry_after_ms is not None:
                told["retry_after_ms"] = message.retry_after_ms
            return [_json(told)]
        case PingReply():
            return [_json({"action": "pong", "timestamp": message.timestamp})]
        case AuthReply():
            return [_json({"action": "authenticated", "username": message.username})]
        case _:
            return []


def _of_missing(missing: Missing) -> LiveObject:
    match missing.code:
        case Code.NOT_FOUND:
            what = "There is no price of {}."
        case Code.TOO_MANY_REQUESTS:
            what = "You have asked for too much to have {} checked now; try again later."
        case _:
            what = "The source of {} fails at the moment."
    told = {
        "error": what.format(missing.symbol),
        "symbol": missing.symbol,
        "code": missing.code,
        "reason": missing.reason,
    }
    return told if missing.retry_after_ms is None else {**told, "retry_after_ms": missing.retry_after_ms}


def _json(told: LiveObject) -> str:
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False)


async def answer_action(session: Session, objects: LiveObjects, fields: LiveObject) -> list[str]:
    """What the session answers to an action, as objects; an action that is none is told as an error."""
    fields = dict(fields)
    action = fields.pop("action", None)
    symbols = fields["symbols"] if "symbols" in fields else [fields["symbol"]] if "symbol" in fields else None
    command: LiveObject
    match action:
        case "subscribe" if symbols is not None:
            command = {"type": "SUBSCRIBE", "symbols": symbols, "save": False, "interval": 0}
        case "unsubscribe" if symbols is not None:
            command = {"type": "UNSUBSCRIBE", "symbols": symbols, "save": False}
        case "ping":
            command = {"type": "PING"}
        case "authenticate":
            command = {"type": "AUTH", "token": fields.get("token")}
        case "subscribe" | "unsubscribe":
            return _no_command(session, f'The action {action} needs a "symbol" or "symbols".')
        case _:
            return _no_command(session, f"There is no action {shown(str(action))}; there are {', '.join(ACTIONS)}.")
    try:
        reply = await session.ask(parse_command(command))
    except BadLine as error:
        return refuse(session, error)
    if isinstance(reply, UnsubscribeReply):
        objects.forget(reply.removed)
    return [*of_message(reply), *objects.of_lines(session.take_following())]


def refuse(session: Session, error: BadLine) -> list[str]:
    """What is told of a message that is no command; one too many ends the session."""
    why = session.count_bad_line()
    return [*of_message(failure(error)), *(of_message(last_word(why)) if why is not None else ())]


def _no_command(session: Session, message: str) -> list[str]:
    return refuse(session, BadLine(Reason.INVALID_COMMAND, message))


class LiveConnection:
    """A session's way out over a WebSocket whose client speaks the live API; satisfies `Connection`."""

    def __init__(self, websocket: WebSocket, objects: LiveObjects) -> None:
        self._websocket = websocket
        self._objects = objects

    @property
    def last_sent_at(self) -> float:
        """Monotonic time of the last message or ping."""
        return self._websocket.last_sent_at

    @property
    def sent_bytes(self) -> int:
        """Bytes handed over so far."""
        return self._websocket.sent_bytes

    def send(self, data: bytes) -> None:
        """Hand over lines: what each tells becomes an object, each object a message."""
        if data.startswith(b'{"type":"HEARTBEAT"'):
            self._websocket.ping()  # the live API has no word for it
            return
        self.tell(self._objects.of_lines(data))

    def tell(self, objects: Iterable[str]) -> None:
        """Hand over objects, each as a message."""
        for told in objects:
            self._websocket.send(told.encode())

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


class LiveTalk:
    """The conversation of one client of `/live-price`."""

    def __init__(self, websocket: WebSocket, needs_token: Callable[[Session], bool]) -> None:
        self._needs_token = needs_token
        self._objects = LiveObjects()
        self._connection = LiveConnection(websocket, self._objects)
        self.connection: Connection = self._connection

    def begin(self, session: Session) -> None:
        """The API has no greeting."""

    def welcome(self, session: Session) -> None:
        """Whoever needs no token is let in."""
        if session.state is SessionState.GREETED and not self._needs_token(session):
            why_not = session.welcome_guest()
            if why_not is not None:
                self._connection.tell(of_message(last_word(why_not)))

    async def answer(self, session: Session, message: bytes) -> None:
        """Have the session answer an action."""
        try:
            fields = parse_object(message)
        except BadLine as error:
            self._connection.tell(refuse(session, error))
        else:
            self._connection.tell(await answer_action(session, self._objects, fields))
