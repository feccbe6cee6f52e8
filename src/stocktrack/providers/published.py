"""A quote as programs hand it to each other, in Redis, in Kafka and in files of JSON lines: one object of JSON.

Ours holds all that the board knew: the quote, its staleness, its `seq`, and the `instance` in which that counts. What
others publish needs no more than a price:

    {"symbol":"AAPL","price":189.45,"timestamp":1712331900000}

Nothing of it is trusted: what has no price is refused, and any other field that is not what it should be is left out.
"""

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import Field, ValidationError

from stocktrack.messages import BoardQuote
from stocktrack.providers.reading import FIRST_TIME_MS, number, text
from stocktrack.quotes import MAX_SYMBOL_LENGTH, Quote, change_since, normalise_symbol

MAX_BYTES: Final = 65_536  # a quote of ours has some 700
MAX_INSTANCE_CHARS: Final = 32
# A time in seconds is taken for one up to the year 5138; in milliseconds that is in March 1973.
_SECONDS_BELOW: Final = 1e11
_TEXTS: Final = ("currency", "volume_currency", "name", "exchange", "market_cap_currency")
_NUMBERS: Final = (
    *("change", "change_percent", "previous_close", "open", "high", "low", "bid", "ask"),
    *("extended_price", "extended_change", "extended_change_percent", "fifty_two_week_low", "fifty_two_week_high"),
    *("market_cap", "trailing_pe"),
)
_KNOWN: Final = frozenset(BoardQuote.model_fields)


class Unreadable(ValueError):  # noqa: N818 - named as what is found
    """What was published is no quote; `why` is one word for counting: "json", "price", "symbol" or "size"."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Published:
    """A quote that was read, and the instance it counts in: then it is a `BoardQuote`. None where others published."""

    quote: Quote
    instance: str | None


class Dropped(Counter[str]):
    """How many messages were no quotes, by why."""


def encode_published(quote: BoardQuote, instance: str) -> bytes:
    """A quote of ours as the object that `decode_published` reads back; what is None is left out."""
    body = quote.__pydantic_serializer__.to_json(quote, exclude_none=True)
    return b'%b,"instance":"%b"}' % (body[:-1], instance.encode())


def decode_published(payload: bytes | str, *, symbol: str | None, provider: str, now_ms: int) -> Published:
    """The quote in an object; `Unreadable` where it is none.

    `symbol` is the one that it must be of, as the name of a channel says; None where the object itself has to say.
    `provider` is who it is from where it does not say that itself, and `now_ms` when it came.
    """
    if len(payload) > MAX_BYTES:
        raise Unreadable("size")
    if (ours := _ours(payload)) is not None:
        if symbol is not None and ours.quote.symbol != symbol:
            raise Unreadable("symbol")
        return ours
    try:
        fields = json.loads(payload)
    except (ValueError, RecursionError):
        raise Unreadable("json") from None
    if not isinstance(fields, dict):
        raise Unreadable("json")
    named = _symbol(fields.get("symbol", symbol))
    if symbol is not None and named != symbol:
        raise Unreadable("symbol")
    if number(fields.get("price")) is None:
        raise Unreadable("price")
    instance, seq = fields.get("instance"), fields.get("seq")
    if isinstance(instance, str) and isinstance(seq, int):
        try:
            own = BoardQuote.model_validate({name: fields[name] for name in _KNOWN & fields.keys()})
        except ValidationError:
            pass  # another version's, or no quote of ours at all: what it says is read as anybody's
        else:
            return Published(own, instance[:MAX_INSTANCE_CHARS])
    return Published(_foreign(fields, named, provider, now_ms), None)


class _Ours(BoardQuote):
    """A quote as `encode_published` writes it."""

    instance: str = Field(max_length=MAX_INSTANCE_CHARS)


def _ours(payload: bytes | str) -> Published | None:
    """What this version wrote, in half the time that anything else takes; None where it is something else."""
    try:
        fields = _Ours.__pydantic_validator__.validate_json(payload).__dict__
    except ValidationError:
        return None
    instance = fields.pop("instance")
    return Published(_A_QUOTE.model_copy(update=fields), instance)


_A_QUOTE = BoardQuote(symbol="A", price=0.0, received_at=0, provider="", seq=0)


def _symbol(value: Any) -> str:
    if not isinstance(value, str) or len(value) > MAX_SYMBOL_LENGTH:
        raise Unreadable("symbol")
    try:
        return normalise_symbol(value)
    except ValueError:
        raise Unreadable("symbol") from None


def _foreign(fields: dict[str, Any], symbol: str, provider: str, now_ms: int) -> Quote:
    given: dict[str, Any] = {name: number(fields.get(name)) for name in _NUMBERS}
    given |= {name: text(fields.get(name)) for name in _TEXTS}
    price = float(fields["price"])
    if given["previous_close"] is not None:
        given["change"], given["change_percent"] = change_since(given["previous_close"], price)
    volume = number(fields.get("volume"))
    given["volume"] = int(volume) if volume is not None and volume >= 0 else None
    given["timestamp"] = _milliseconds(fields.get("timestamp"))
    given["extended_time"] = _milliseconds(fields.get("extended_time"))
    quote = Quote(
        symbol=symbol, price=price, received_at=now_ms, provider=text(fields.get("provider")) or provider, **given
    )
    for name in ("market_state", "delay_seconds", "price_hint"):
        if fields.get(name) is not None:
            try:
                value = getattr(Quote.model_validate({**quote.__dict__, name: fields[name]}), name)
            except ValidationError:
                continue
            quote = quote.model_copy(update={name: value})
    return quote


def _milliseconds(value: Any) -> int | None:
    """The time in `value`: epoch seconds or milliseconds, or ISO 8601 with its zone; None where it is none of them."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
        value = moment.timestamp() if moment.tzinfo is not None else None
    seconds = number(value)
    if seconds is None:
        return None
    found = round(seconds * 1000 if abs(seconds) < _SECONDS_BELOW else seconds)
    return found if found >= FIRST_TIME_MS else None
