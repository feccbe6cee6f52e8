"""What Alpaca's stream says: trades, quotes and bars, what answers a client, and its codes for what goes wrong.

    {"T":"t","S":"AAPL","p":189.45,"s":43,"t":"2024-04-05T15:45:00.250Z"}
    {"T":"q","S":"AAPL","bp":189.44,"bs":0,"ap":189.46,"as":0,"t":"2024-04-05T15:45:00.250Z"}
    {"T":"b","S":"AAPL","o":189.4,"h":189.6,"l":189.3,"c":189.5,"v":1200,"t":"2024-04-05T15:44:00.000Z","n":null,"vw":null}
    {"T":"u",…}, of a minute that changed late; {"T":"d",…,"t":"2024-04-05T04:00:00.000Z",…}, of the running day
    {"T":"error","code":405,"msg":"symbol limit exceeded: …"}

The format is Alpaca's (docs.alpaca.markets, "Real-time stock pricing data"). What nobody here knows is left out: the
exchange, the conditions and the number of a trade. Three fields have to be there all the same: the size of a trade that
is told first, and the sizes of bid and ask, are 0, as is the volume of a bar where nobody counts it.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from stocktrack.bars import Bar
from stocktrack.errors import Code, Reason
from stocktrack.messages import Failure, Missing, Notice
from stocktrack.web.dialects.alpaca_codec import Codec
from stocktrack.web.dialects.prices import is_same_trade, last_trade, price_of, volume_since
from stocktrack.web.dialects.speaking import sentence_of

# What a client wants of a price, as bits.
TRADES, QUOTES = 1, 2


class BarKind(StrEnum):
    """As what a bar is told, which is a channel of the stream."""

    MINUTE = "bars"
    UPDATED = "updatedBars"  # a minute that was told before, and has changed
    DAY = "dailyBars"


_LETTER_OF: Final = {BarKind.MINUTE: "b", BarKind.UPDATED: "u", BarKind.DAY: "d"}

CONNECTED: Final = {"T": "success", "msg": "connected"}
AUTHENTICATED: Final = {"T": "success", "msg": "authenticated"}

INVALID_SYNTAX, NOT_AUTHENTICATED, AUTH_FAILED, ALREADY_AUTHENTICATED, AUTH_TIMEOUT = 400, 401, 402, 403, 404
SYMBOL_LIMIT, CONNECTION_LIMIT, SLOW_CLIENT, INSUFFICIENT, INVALID_ACTION, INTERNAL = 405, 406, 407, 409, 410, 500
# Alpaca's own words: clients look for some of them.
_WORDS: Final[Mapping[int, str]] = {
    INVALID_SYNTAX: "invalid syntax",
    NOT_AUTHENTICATED: "not authenticated",
    AUTH_FAILED: "auth failed",
    ALREADY_AUTHENTICATED: "already authenticated",
    AUTH_TIMEOUT: "auth timeout",
    SYMBOL_LIMIT: "symbol limit exceeded",
    CONNECTION_LIMIT: "connection limit exceeded",
    SLOW_CLIENT: "slow client",
    INSUFFICIENT: "insufficient subscription",
    INVALID_ACTION: "invalid subscribe action for this feed",
    INTERNAL: "internal error",
}
# Alpaca's code for each of our reasons; None for what is no error.
CODES: Final[Mapping[Reason, int | None]] = {
    **dict.fromkeys((Reason.PROVIDER_RESTORED, Reason.ANNOUNCEMENT, Reason.ALERT, Reason.LISTS_CHANGED), None),
    **dict.fromkeys((Reason.MALFORMED_JSON, Reason.INVALID_COMMAND, Reason.UNKNOWN_COMMAND), INVALID_SYNTAX),
    **dict.fromkeys((Reason.LINE_TOO_LONG, Reason.TOO_MANY_ERRORS, Reason.RANGE_LIMIT), INVALID_SYNTAX),
    # Alpaca uses this code, too, for symbols that are none.
    **dict.fromkeys((Reason.UNKNOWN_SYMBOL, Reason.NOT_SUBSCRIBED), INVALID_SYNTAX),
    **dict.fromkeys((Reason.UNKNOWN_ALERT, Reason.UNKNOWN_LOT, Reason.UNKNOWN_LIST), INVALID_SYNTAX),
    Reason.NOT_AUTHENTICATED: NOT_AUTHENTICATED,
    **dict.fromkeys((Reason.BAD_CREDENTIALS, Reason.LOGIN_THROTTLED), AUTH_FAILED),
    Reason.ALREADY_AUTHENTICATED: ALREADY_AUTHENTICATED,
    Reason.AUTH_TIMEOUT: AUTH_TIMEOUT,
    # A symbol that can't be checked because its user has asked for too many is one of too many.
    **dict.fromkeys((Reason.SYMBOL_LIMIT, Reason.RATE_LIMITED), SYMBOL_LIMIT),
    Reason.SESSION_LIMIT: CONNECTION_LIMIT,
    Reason.SLOW_CLIENT: SLOW_CLIENT,
    **dict.fromkeys((Reason.NOT_PERMITTED, Reason.NOT_OFFERED, Reason.NO_HISTORY), INSUFFICIENT),
    **dict.fromkeys((Reason.NO_NEWS, Reason.NO_DIVIDENDS, Reason.NO_COMPANY_INFO), INSUFFICIENT),
    **dict.fromkeys((Reason.PROVIDER_ERROR, Reason.PROVIDER_TIMEOUT, Reason.PROVIDER_BLOCKED), INTERNAL),
    **dict.fromkeys((Reason.STORAGE_ERROR, Reason.SERVER_UNREACHABLE, Reason.INTERNAL_ERROR), INTERNAL),
    Reason.SHUTDOWN: INTERNAL,
}
# Where Alpaca's words are all there is to say to a program; to a person our sentence is a field of its own.
_PLAIN: Final = frozenset(
    {
        *(Reason.MALFORMED_JSON, Reason.INVALID_COMMAND, Reason.UNKNOWN_COMMAND, Reason.NOT_AUTHENTICATED),
        *(Reason.BAD_CREDENTIALS, Reason.ALREADY_AUTHENTICATED, Reason.AUTH_TIMEOUT, Reason.SLOW_CLIENT),
    }
)
_MOST_NAMED: Final = 10


def error_of(code: int, sentence: str) -> dict[str, Any]:
    """An error with a sentence behind Alpaca's words, where a client that logs the message shows it to a person."""
    return {"T": "error", "code": code, "msg": f"{_WORDS[code]}: {sentence}"}


def error_of_reason(reason: Reason, sentence: str) -> dict[str, Any] | None:
    """The error of what one of our reasons says; None for what is none."""
    if (code := CODES[reason]) is None:
        return None
    if reason in _PLAIN:
        return {"T": "error", "code": code, "msg": _WORDS[code], "detail": sentence}
    return error_of(code, sentence)


def error_of_message(message: Failure | Notice) -> dict[str, Any] | None:
    """The error of a failure or a notice; None for a notice of something else."""
    if message.code < Code.BAD_REQUEST:
        return None
    names = f" It is about {_named(message.symbols)}." if isinstance(message, Notice) and message.symbols else ""
    return error_of_reason(message.reason, message.message + names)


def errors_of_missing(missing: Iterable[Missing]) -> list[dict[str, Any]]:
    """The errors of symbols that could not be had, those of one code in one."""
    by_code: dict[int, list[str]] = {}
    for each in missing:
        if (code := CODES[each.reason]) is not None:
            by_code.setdefault(code, []).append(sentence_of(each))
    return [
        error_of(code, " ".join(told[:_MOST_NAMED]) + (" …" if len(told) > _MOST_NAMED else ""))
        for code, told in by_code.items()
    ]


def _named(symbols: Iterable[str]) -> str:
    first, more = [*symbols][:_MOST_NAMED], [*symbols][_MOST_NAMED:]
    return ", ".join(first) + (f" and {len(more)} more" if more else "")


@lru_cache(maxsize=8_192)
def price_piece(codec: Codec, before: bytes, line: bytes, wanted: int) -> bytes:
    """What a PRICE line tells to who wants `wanted` of it, and was told the line `before`; empty for nothing new."""
    told = []
    if wanted & TRADES and not is_same_trade(before, line):
        price, at = last_trade(line)
        size = volume_since(before, line)
        told.append({"T": "t", "S": price_of(line)["symbol"], "p": price, "s": size, "t": codec.moment(at)})
    if wanted & QUOTES and (quote := _quote(line)) is not None and not (before and _quote(before) == quote):
        bid, ask = quote
        at = price_of(line).get("timestamp") or price_of(line)["received_at"]
        symbol = price_of(line)["symbol"]
        told.append({"T": "q", "S": symbol, "bp": bid, "bs": 0, "ap": ask, "as": 0, "t": codec.moment(at)})
    return codec.encode(*told) if told else b""


def _quote(line: bytes) -> tuple[float, float] | None:
    """Bid and ask, where both are known: a quote with one of them would say that the other one is 0."""
    price = price_of(line)
    bid, ask = price.get("bid"), price.get("ask")
    return None if bid is None or ask is None else (bid, ask)


@lru_cache(maxsize=2_048)
def bar_piece(codec: Codec, kind: BarKind, symbol: str, bar: Bar) -> bytes:
    """A bar; how many trades it is of, and their mean price, nobody here knows."""
    told = {"T": _LETTER_OF[kind], "S": symbol, "o": bar.open, "h": bar.high, "l": bar.low, "c": bar.close}
    return codec.encode({**told, "v": bar.volume or 0, "t": codec.moment(bar.time), "n": None, "vw": None})
