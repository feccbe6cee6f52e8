"""Yahoo's streamer at `/yahoo`: what is written for streamer.finance.yahoo.com, as yfinance's WebSocket is, asks here.

    wss://…/yahoo?version=2&token=TOKEN          yfinance can send no header
    C {"subscribe":["AAPL","TSLA"]}              {"unsubscribe":["TSLA"]}; yfinance repeats the first every 15 s
    S {"type":"pricing","message":"<a PricingData in base64>"}

There is nothing else in that protocol: no acknowledgement, no error, and of an unknown symbol nothing comes. What ends
a conversation is said in the close frame. `PricingData` is yfinance's own class; what is not known is left out of it.
"""

import base64
from collections.abc import Callable, Iterable
from functools import lru_cache
from importlib import import_module
from typing import Any, Final

from stocktrack.errors import Reason
from stocktrack.messages import Command, Failure, Reply, ServerMessage
from stocktrack.quotes import MarketState, normalise_symbol, shown
from stocktrack.sessions.session import Session
from stocktrack.system.blocking import in_a_thread
from stocktrack.web.dialects.prices import day_volume, last_trade, price_of
from stocktrack.web.dialects.speaking import SUBSCRIBE, UNSUBSCRIBE, DialectConnection, DialectTalk
from stocktrack.web.dialects.told import Telling
from stocktrack.web.websocket import WebSocket
from stocktrack.wire.lines import BadLine

PATH: Final = "/yahoo"
_COMMANDS: Final = {"subscribe": SUBSCRIBE, "unsubscribe": UNSUBSCRIBE}
# Yahoo's `market_hours`. After the last hours of a day the last price stands as it was.
_HOURS: Final = {MarketState.PRE: 0, MarketState.POST: 2}
_REGULAR: Final = 1
_ASSUMED_HINT: Final = 2


class YahooDialect:
    """How Yahoo's streamer says what else a session is told: not at all."""

    def of_message(self, message: ServerMessage) -> Iterable[bytes]:
        """There is no word for anything else."""
        return ()

    def heartbeat(self) -> bytes | None:
        """A ping of WebSocket: yfinance would take any message for a price."""
        return None


class YahooTalk(DialectTalk):
    """The conversation of one client of `/yahoo`; its token is known before the handshake is answered."""

    knocks = True

    def __init__(self, websocket: WebSocket, needs_token: Callable[[Session], bool]) -> None:
        super().__init__(websocket, needs_token, DialectConnection(websocket, YahooDialect(), TELLING))

    async def log_in(self, session: Session) -> Failure | None:
        """Log in with the token of the address; the class of the messages is there when the handshake is answered."""
        why_not = await super().log_in(session)
        if why_not is None and not _pricing_class.cache_info().currsize:
            await in_a_thread(_pricing_class)  # it brings yfinance and pandas, which takes a good part of a second
        return why_not

    def commands_of(self, fields: dict[str, Any]) -> Iterable[dict[str, Any]]:
        """One command or two. What is no symbol is passed over, as Yahoo does with symbols that it does not know."""
        if not fields.keys() & _COMMANDS.keys():
            why = f"A message has one of {', '.join(_COMMANDS)}, and this one has none."
            raise BadLine(Reason.UNKNOWN_COMMAND, why)
        for name, command in _COMMANDS.items():
            listed = [fields[name]] if isinstance(fields.get(name), str) else fields.get(name, [])
            if not isinstance(listed, list):
                what = f"The field {name} must be a list of symbols, not {shown(str(listed))}."
                raise BadLine(Reason.INVALID_COMMAND, what)
            if symbols := [symbol for symbol in listed if isinstance(symbol, str) and _is_symbol(symbol)]:
                yield {**command, "symbols": symbols}

    async def run(self, session: Session, command: Command) -> Reply:
        """As in every dialect; but who asks for too much is closed, since nothing else can say so."""
        reply = await super().run(session, command)
        if isinstance(reply, Failure) and reply.reason is Reason.SYMBOL_LIMIT:
            session.log_out()
        return reply


def _is_symbol(text: str) -> bool:
    try:
        normalise_symbol(text)
    except ValueError:
        return False
    return True


def pricing_message(before: bytes, line: bytes) -> bytes:
    """The message of a PRICE line, to who was told the line `before`; empty where that said the same."""
    message = _message(line)
    return b"" if before and _message(before) == message else message


TELLING: Final = Telling(pricing_message, lambda messages: messages)


@lru_cache(maxsize=8_192)
def _message(line: bytes) -> bytes:
    encoded = base64.b64encode(_pricing_class()(**pricing_fields(line)).SerializeToString())
    return b'{"type":"pricing","message":"%b"}' % encoded


def pricing_fields(line: bytes) -> dict[str, Any]:
    """The fields of `PricingData` that a PRICE line knows; prices are float32 there, times epoch milliseconds."""
    told = price_of(line)
    price, at = last_trade(line)
    is_extended = at == told.get("extended_time") and price == told["extended_price"]
    change, percent = ("extended_change", "extended_change_percent") if is_extended else ("change", "change_percent")
    hours = _HOURS.get(MarketState(told["market_state"]), _REGULAR)
    fields = {
        "id": told["symbol"],
        "price": price,
        "time": at,
        "currency": told.get("currency"),
        "market_hours": hours if is_extended else _REGULAR,
        "change": told.get(change),
        "change_percent": told.get(percent),
        "previous_close": _previous_close(told),
        "day_volume": day_volume(line),
        "bid": told.get("bid"),
        "ask": told.get("ask"),
        "price_hint": told.get("price_hint", _ASSUMED_HINT),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _previous_close(told: dict[str, Any]) -> float | None:
    change = told.get("change")
    return None if change is None else round(told["price"] - change, 9)


@lru_cache(maxsize=1)
def _pricing_class() -> Any:
    return import_module("yfinance.pricing_pb2").PricingData
