"""The founding WebSocket API of `/live-price`, and what Socket.IO shares with it: actions in, price objects out.

    {"action":"subscribe","symbol":"AAPL"}      also "symbols", "unsubscribe" and "ping"
    {"action":"authenticate","token":"eyJ…"}
    {"symbol":"AAPL","price":189.45,"timestamp":1712331900000}      the last value first, then each change
    {"error":"No source knows NOPE.","reason":"unknown_symbol","symbol":"NOPE"}      and nothing closes

Behind it is a session as behind every other door: an action becomes a command, and what the session sends is
translated. A price is translated once, however many clients it goes to.
"""

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from stocktrack.errors import CommandError, Reason
from stocktrack.quotes import shown
from stocktrack.sessions.session import Session
from stocktrack.web.websocket import WebSocket
from stocktrack.wire.connection import Connection
from stocktrack.wire.lines import BadLine, encode_line, failure, parse_object

LiveObject = dict[str, Any]

ACTIONS = ("subscribe", "unsubscribe", "ping", "authenticate")
# Of the session's lines these are for programs that speak the protocol.
_SILENT = frozenset({"HELLO", "SUBSCRIBE", "UNSUBSCRIBE", "LOGOUT", "HEARTBEAT"})


class LiveLines:
    """Translates what a session sends: a stream of lines of the protocol becomes objects of the live API."""

    def __init__(self) -> None:
        self._last: dict[str, str] = {}

    def translate(self, data: bytes) -> list[str]:
        """The objects, each as JSON; a price that is the same as the last one of its symbol is left out."""
        objects: list[str] = []
        for line in data.splitlines():
            symbol, translated = _translate_line(line)
            if symbol is not None:
                if self._last.get(symbol) == translated[0]:
                    continue
                self._last[symbol] = translated[0]
            objects += translated
        return objects

    def forget(self, symbols: list[str]) -> None:
        """Tell the price of `symbols` again when it comes next."""
        for symbol in symbols:
            self._last.pop(symbol, None)


@lru_cache(maxsize=8_192)
def _translate_price(line: bytes) -> tuple[str, tuple[str, ...]]:
    price = json.loads(line)
    told = {
        "symbol": price["symbol"],
        "price": price["price"],
        "timestamp": price.get("timestamp", price["received_at"]),
    }
    return price["symbol"], (json.dumps(told, separators=(",", ":")),)


def _translate_line(line: bytes) -> tuple[str | None, tuple[str, ...]]:
    """The symbol, where the line is a price, and the objects that it becomes."""
    if line.startswith(b'{"type":"PRICE"'):
        return _translate_price(line)
    message = json.loads(line)
    objects: list[LiveObject] = [
        {"error": _MISSING[missing["code"]].format(missing["symbol"]), **missing}
        for missing in message.get("missing", ())
    ]
    if "reason" in message and message["code"] >= 400 and not objects:
        symbols = message.get("symbols")
        objects.append({"error": message["message"], "reason": message["reason"], **_optional(symbols, message)})
    elif message["type"] == "PING":
        objects.append({"action": "pong", "timestamp": message["timestamp"]})
    elif message["type"] == "AUTH" and message["code"] == 200:
        objects.append({"action": "authenticated", "username": message["username"]})
    return None, tuple(json.dumps(item, separators=(",", ":"), ensure_ascii=False) for item in objects)


_MISSING = {404: "There is no price of {}.", 500: "The source of {} fails at the moment."}


def _optional(symbols: list[str] | None, message: LiveObject) -> LiveObject:
    return {
        **({"symbols": symbols} if symbols else {}),
        **({"retry_after_ms": message["retry_after_ms"]} if "retry_after_ms" in message else {}),
    }


async def answer_action(session: Session, lines: LiveLines, message: bytes) -> bytes:
    """What the session answers to an action, as lines of the protocol; an action that is none is told as a failure."""
    try:
        fields = parse_object(message)
    except BadLine:
        return await session.receive(message)  # which says what is wrong with it, and counts it
    action = fields.pop("action", None)
    symbols = fields["symbols"] if "symbols" in fields else [fields["symbol"]] if "symbol" in fields else None
    command: LiveObject
    match action:
        case "subscribe" | "unsubscribe" if symbols is not None:
            command = {"type": action.upper(), "symbols": symbols, "save": False}
            if action == "subscribe":
                command["interval"] = 0
            elif isinstance(symbols, list):
                lines.forget([str(symbol).upper() for symbol in symbols])
        case "ping":
            command = {"type": "PING"}
        case "authenticate":
            command = {"type": "AUTH", "token": fields.get("token")}
        case "subscribe" | "unsubscribe":
            return _failure(f'The action {action} needs a "symbol" or "symbols".')
        case _:
            return _failure(f"There is no action {shown(str(action))}; there are {', '.join(ACTIONS)}.")
    return await session.receive(json.dumps(command).encode())


def _failure(message: str) -> bytes:
    return encode_line(failure(CommandError(Reason.INVALID_COMMAND, message)))


class LiveConnection:
    """A session's way out over a WebSocket whose client speaks the live API; satisfies `Connection`."""

    def __init__(self, websocket: WebSocket, lines: LiveLines) -> None:
        self._websocket = websocket
        self._lines = lines

    @property
    def last_sent_at(self) -> float:
        """Monotonic time of the last message or ping."""
        return self._websocket.last_sent_at

    @property
    def sent_bytes(self) -> int:
        """Bytes handed over so far."""
        return self._websocket.sent_bytes

    def send(self, data: bytes) -> None:
        """Hand over lines: each becomes an object, each object a message."""
        if data.startswith(b'{"type":"HEARTBEAT"'):
            self._websocket.ping()  # the live API has no word for it
            return
        for translated in self._lines.translate(data):
            self._websocket.send(translated.encode())

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

    def __init__(self, websocket: WebSocket, needs_token: Callable[[], bool]) -> None:
        self._needs_token = needs_token
        self._lines = LiveLines()
        self.connection: Connection = LiveConnection(websocket, self._lines)

    def begin(self, session: Session) -> None:
        """The API has no greeting; whoever needs no token is let in."""
        if not self._needs_token():
            session.welcome_guest()

    async def answer(self, session: Session, message: bytes) -> None:
        """Have the session answer an action."""
        self.connection.send(await answer_action(session, self._lines, message))
