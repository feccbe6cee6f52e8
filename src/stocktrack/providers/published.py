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

from pydantic import Field, StrictInt, ValidationError

from stocktrack.engine.names import MAX_INSTANCE_CHARS
from stocktrack.messages import BoardQuote
from stocktrack.providers.reading import FIRST_TIME_MS, MAX_NAME_CHARS, number, text
from stocktrack.quotes import MAX_SYMBOL_LENGTH, Quote, change_since, may_be_negative, normalise_symbol

MAX_BYTES: Final = 65_536  # a quote of ours has some 700
# A time in seconds is taken for one up to the year 5138; in milliseconds that is in March 1973.
_SECONDS_BELOW: Final = 1e11
# The whole numbers that every reader of JSON has exactly.
_MAX_WHOLE: Final = 2**53 - 1
_TEXTS: Final = ("currency", "volume_currency", "name", "exchange", "market_cap_currency")
_NUMBERS: Final = (
    *("change", "change_percent", "previous_close", "open", "high", "low", "bid", "ask"),
    *("extended_price", "extended_change", "extended_change_percent", "fifty_two_week_low", "fifty_two_week_high"),
    *("market_cap", "trailing_pe"),
)
_KNOWN: Final = frozenset(BoardQuote.model_fields)


class Unreadable(ValueError):  # noqa: N818 - named as what is found
    """What was published is no quote; `why` is one word for counting: "json", "price", "symbol", "size" or "older"."""

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
        _check_price(ours.quote.price, ours.quote.symbol)
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
    _check_price(number(fields.get("price")), named)
    if (own := _own(fields, named)) is not None:
        return own
    return Published(_foreign(fields, named, provider, now_ms), None)


def _check_price(price: float | None, symbol: str) -> None:
    if price is None or (price <= 0 and not may_be_negative(symbol)):
        raise Unreadable("price")


class _Ours(BoardQuote):
    """A quote as `encode_published` writes it."""

    seq: StrictInt = Field(ge=0, le=_MAX_WHOLE)
    instance: str = Field(min_length=1, max_length=MAX_INSTANCE_CHARS)


_A_QUOTE = BoardQuote(symbol="A", price=0.0, received_at=0, provider="", seq=0)


def _ours(payload: bytes | str) -> Published | None:
    """What this version wrote, in half the time that anything else takes; None where it is something else."""
    try:
        fields = dict(_Ours.__pydantic_validator__.validate_json(payload).__dict__)
    except ValidationError:
        return None
    instance = fields.pop("instance")
    return _checked(_A_QUOTE.model_copy(update=fields), instance)


def _own(fields: dict[str, Any], symbol: str) -> Published | None:
    """What the feed of a StockTrack published; None for another version's, or what is no quote of ours at all."""
    instance, seq = fields.get("instance"), fields.get("seq")
    if not isinstance(instance, str) or not 0 < len(instance) <= MAX_INSTANCE_CHARS or type(seq) is not int:
        return None
    if not 0 <= seq <= _MAX_WHOLE:
        return None
    try:
        quote = BoardQuote.model_validate({**{name: fields[name] for name in _KNOWN & fields.keys()}, "symbol": symbol})
    except ValidationError:
        return None
    return _checked(quote, instance)


def _checked(quote: BoardQuote, instance: str) -> Published | None:
    """The quote with its texts cleaned; None where it has numbers or texts that none of ours has."""
    times = (quote.received_at, quote.timestamp, quote.extended_time, quote.retry_at)
    if not all(each is None or FIRST_TIME_MS <= each <= _MAX_WHOLE for each in times):
        return None
    if not -_MAX_WHOLE <= (quote.volume or 0) <= _MAX_WHOLE:
        return None
    # A feed has cleaned them; who writes in its name perhaps has not.
    texts = {name: getattr(quote, name) for name in (*_TEXTS, "provider")}
    if any(value is not None and len(value) > MAX_NAME_CHARS for value in texts.values()):
        return None
    if not all(value is None or (value.isascii() and value.isprintable()) for value in texts.values()):
        quote = quote.model_copy(update={name: text(value) for name, value in texts.items()})
    return Published(quote, instance) if quote.provider else None


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
    given["volume"] = int(volume) if volume is not None and 0 <= volume <= _MAX_WHOLE else None
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
