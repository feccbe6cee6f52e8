"""Finnhub's WebSocket at `/finnhub`: a script for ws.finnhub.io asks here by another address, and with our token.

    wss://…/finnhub?token=TOKEN
    C {"type":"subscribe","symbol":"AAPL"}        {"type":"unsubscribe","symbol":"AAPL"}; neither is acknowledged
    S {"data":[{"c":null,"p":189.45,"s":"AAPL","t":1712331900000,"v":43}],"type":"trade"}
    S {"type":"ping"}                                                to a quiet client, wants no answer
    S {"type":"error","msg":"Subscribing to too many symbols"}       and the socket stays open

The format is Finnhub's (finnhub.io/docs/api/websocket-trades). The price that stands is told first, with the time at
which it was made; `v` is what was traded since the price told before, so that the volumes of a client add up.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

from stocktrack.errors import Reason
from stocktrack.messages import Failure, Notice, ServerMessage
from stocktrack.quotes import shown
from stocktrack.sessions.session import Session
from stocktrack.web.dialects.prices import is_same_trade, last_trade, price_of, volume_since
from stocktrack.web.dialects.speaking import SUBSCRIBE, UNSUBSCRIBE, DialectConnection, DialectTalk, failures_of
from stocktrack.web.dialects.told import Telling
from stocktrack.web.websocket import WebSocket
from stocktrack.wire.lines import BadLine

PATH: Final = "/finnhub"
_PING: Final = b'{"type":"ping"}'
# Clients look for this text, which is Finnhub's own.
_TOO_MANY: Final = "Subscribing to too many symbols"
_COMMANDS: Final = {"subscribe": SUBSCRIBE, "unsubscribe": UNSUBSCRIBE}


class FinnhubDialect:
    """How Finnhub says what else a session is told."""

    def of_message(self, message: ServerMessage) -> Iterable[bytes]:
        """An error for each thing that went wrong, as a sentence; Finnhub acknowledges nothing."""
        if isinstance(message, Failure | Notice) and message.reason is Reason.SYMBOL_LIMIT:
            yield _error(_TOO_MANY)
        else:
            yield from map(_error, failures_of(message))

    def heartbeat(self) -> bytes | None:
        """Finnhub has a message of its own for it."""
        return _PING


class FinnhubTalk(DialectTalk):
    """The conversation of one client of `/finnhub`; its token is known before the handshake is answered."""

    knocks = True

    def __init__(self, websocket: WebSocket, needs_token: Callable[[Session], bool]) -> None:
        super().__init__(websocket, needs_token, DialectConnection(websocket, FinnhubDialect(), TELLING))

    def commands_of(self, fields: dict[str, Any]) -> Iterable[dict[str, Any]]:
        """One command, for one symbol."""
        kind, symbol = fields.get("type"), fields.get("symbol")
        if (command := _COMMANDS.get(kind) if isinstance(kind, str) else None) is None:
            message = f"There is no message type {shown(str(kind))}; there are {', '.join(_COMMANDS)}."
            raise BadLine(Reason.UNKNOWN_COMMAND, message)
        if not isinstance(symbol, str):
            raise BadLine(Reason.INVALID_COMMAND, f'A message {kind} needs a "symbol", such as "AAPL".')
        yield {**command, "symbols": [symbol]}


@lru_cache(maxsize=8_192)
def trade(before: bytes, line: bytes) -> bytes:
    """The trade that a PRICE line tells to who was told the line `before`; empty where no trade stands between them."""
    if is_same_trade(before, line):
        return b""
    price, at = last_trade(line)
    told = {"c": None, "p": price, "s": price_of(line)["symbol"], "t": at, "v": volume_since(before, line)}
    return json.dumps(told, separators=(",", ":")).encode()


def _frame_of(trades: Sequence[bytes]) -> Iterable[bytes]:
    """All trades of a push in one message."""
    yield b'{"data":[' + b",".join(trades) + b'],"type":"trade"}'


TELLING: Final = Telling(trade, _frame_of)


def _error(sentence: str) -> bytes:
    return json.dumps({"msg": sentence, "type": "error"}, separators=(",", ":"), ensure_ascii=False).encode()
