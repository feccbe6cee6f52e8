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
from typing import Any, Final

from websockets.frames import CloseCode

from stocktrack.errors import Code, Reason, SessionEnd
from stocktrack.messages import AuthReply, Failure, Missing, Notice, PingReply, ServerMessage
from stocktrack.quotes import shown
from stocktrack.sessions.session import Session, last_word
from stocktrack.web.dialects.speaking import (
    SAID,
    SUBSCRIBE,
    UNSUBSCRIBE,
    DialectConnection,
    DialectTalk,
    refusal_of,
    sentence_of,
)
from stocktrack.web.dialects.told import Telling
from stocktrack.web.websocket import WebSocket
from stocktrack.web.websocket_sessions import token_of
from stocktrack.wire.lines import BadLine, decode_server_line, parse_command

LiveObject = dict[str, Any]

PATH: Final = "/live-price"
ACTIONS = ("subscribe", "unsubscribe", "ping", "authenticate")


class LiveObjects:
    """What one client of Socket.IO is told: objects of the live API, each as JSON.

    A price that is the same as the last one of its symbol is left out.
    """

    def __init__(self) -> None:
        self._last: dict[str, str] = {}

    def of_lines(self, data: bytes) -> list[str]:
        """The objects of lines that the session was pushed."""
        told: list[str] = []
        for line in data.splitlines():
            if line.startswith(SAID):
                continue
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
    told = {
        "error": sentence_of(missing),
        "symbol": missing.symbol,
        "code": missing.code,
        "reason": missing.reason,
    }
    return told if missing.retry_after_ms is None else {**told, "retry_after_ms": missing.retry_after_ms}


def _json(told: LiveObject) -> str:
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False)


async def act(session: Session, fields: LiveObject) -> list[ServerMessage]:
    """What the session answers to an action; an action that is none is refused."""
    try:
        return [await session.ask(parse_command(command_fields(fields)))]
    except BadLine as error:
        return refusal_of(session, error)


def command_fields(fields: LiveObject) -> LiveObject:
    """The fields of the command that an action stands for; `BadLine` where it is none."""
    action = fields.get("action")
    if "symbols" in fields and "symbol" in fields:
        raise BadLine(Reason.INVALID_COMMAND, 'An action has a "symbol" or "symbols", and this one has both.')
    symbols = fields["symbols"] if "symbols" in fields else [fields["symbol"]] if "symbol" in fields else None
    match action:
        case "subscribe" if symbols is not None:
            return {**SUBSCRIBE, "symbols": symbols}
        case "unsubscribe" if symbols is not None:
            return {**UNSUBSCRIBE, "symbols": symbols}
        case "ping":
            return {"type": "PING"}
        case "authenticate":
            return {"type": "AUTH", "token": fields.get("token")}
        case "subscribe" | "unsubscribe":
            raise BadLine(Reason.INVALID_COMMAND, f'The action {action} needs a "symbol" or "symbols".')
        case _:
            what = f"There is no action {shown(str(action))}; there are {', '.join(ACTIONS)}."
            raise BadLine(Reason.INVALID_COMMAND, what)


class LiveDialect:
    """How the live API says what else a session is told."""

    def of_message(self, message: ServerMessage) -> Iterable[bytes]:
        """Its objects."""
        return (told.encode() for told in of_message(message))

    def heartbeat(self) -> bytes | None:
        """There is no word for it."""
        return None


class LiveTalk(DialectTalk):
    """The conversation of one client of `/live-price`."""

    def __init__(self, websocket: WebSocket, needs_token: Callable[[Session], bool]) -> None:
        super().__init__(websocket, needs_token, DialectConnection(websocket, LiveDialect(), TELLING))

    def commands_of(self, fields: LiveObject) -> Iterable[LiveObject]:
        """One command for an action."""
        yield command_fields(fields)

    async def log_in(self, session: Session) -> None:
        """Log in with the token of the address where there is one: what comes of it is told like an answer."""
        if (token := token_of(self._path)) is not None:
            for said in await act(session, {"action": "authenticate", "token": token}):
                self.say(said)

    def welcome(self, session: Session) -> SessionEnd | None:
        """Whoever needs no token is let in."""
        if (why_not := super().welcome(session)) is not None:
            self.say(last_word(why_not))
        return why_not

    def close_code(self, code: int) -> int:
        """As for the other dialects where clients would take it for their own wish; else what `/ws` says."""
        return super().close_code(code) if code in {CloseCode.NORMAL_CLOSURE, CloseCode.GOING_AWAY} else code


@lru_cache(maxsize=8_192)
def price_object(before: bytes, line: bytes) -> bytes:
    """The object of a PRICE line; empty where it is the same as that of the line before."""
    _, price = _of_price_line(line)
    return b"" if before and _of_price_line(before)[1] == price else price.encode()


TELLING: Final = Telling(price_object, lambda prices: prices)
