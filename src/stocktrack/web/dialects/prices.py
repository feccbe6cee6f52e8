"""What a PRICE line tells dialects: the last trade, and what was traded since another line; pure."""

import json
from functools import lru_cache
from typing import Any, Final

# The whole numbers that every reader of JSON has exactly (RFC 8259, section 6); msgpack and protobuf end at 64 bits.
_MAX_WHOLE: Final = 2**53 - 1
_OF_A_TRADE: Final = ("price", "timestamp", "volume", "extended_price", "extended_time")


@lru_cache(maxsize=8_192)
def price_of(line: bytes) -> dict[str, Any]:
    """The fields of a PRICE line, which nobody may change."""
    price: dict[str, Any] = json.loads(line)
    return price


@lru_cache(maxsize=8_192)
def symbol_of(line: bytes) -> str:
    """The symbol of a PRICE line."""
    symbol: str = price_of(line)["symbol"]
    return symbol


@lru_cache(maxsize=8_192)
def one_line(line: bytes) -> bytes:
    """The line itself, as one object for all who have it cut out of pushes of their own."""
    return line


def day_volume(line: bytes) -> int | None:
    """The volume of the day; None where it is not known, or no number that a client could read."""
    volume: int | None = price_of(line).get("volume")
    return volume if volume is not None and abs(volume) <= _MAX_WHOLE else None


def volume_since(before: bytes, line: bytes) -> int:
    """What was traded between two prices of a symbol, by the volume of the day; 0 where that is not known.

    It is the volume of all trades between them, however many prices were merged; so those of a client add up. Money of
    the last 24 hours, as of a coin, is no number of pieces, and what two sources count does not compare.
    """
    if not before:
        return 0
    first, second = day_volume(before), day_volume(line)
    if first is None or second is None or second <= first:
        return 0
    had, has = price_of(before), price_of(line)
    is_comparable = had["provider"] == has["provider"] and not (
        had.get("volume_currency") or has.get("volume_currency")
    )
    return second - first if is_comparable else 0


def last_trade(line: bytes) -> tuple[float, int]:
    """The newest price that a PRICE line tells, also one from before or after the regular hours, and when it was so.

    Epoch milliseconds: the market's time, else when the price was received.
    """
    told = price_of(line)
    price, at = told["price"], told.get("timestamp") or told["received_at"]
    extended_at = told.get("extended_time") or 0
    return (told["extended_price"], extended_at) if extended_at > at else (price, at)


def is_same_trade(before: bytes, line: bytes) -> bool:
    """Whether no trade stands between two PRICE lines: the later one is merely stale, or has another bid or ask."""
    if not before:
        return False
    first, second = price_of(before), price_of(line)
    return all(first.get(field) == second.get(field) for field in _OF_A_TRADE)
