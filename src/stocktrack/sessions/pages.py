"""Quotes in pages: as many as one line can carry, and where the next page begins.

A page covers a run of the symbols that were asked for, in their order: each has its quote there, or stands in
`missing`. It ends with a quote, behind which the client goes on with `after`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import TypeAdapter

from stocktrack.bars import Bar
from stocktrack.errors import CommandError, Reason, StockTrackError
from stocktrack.market.feed import FoundQuotes
from stocktrack.messages import REPLY_BYTES_OF_A_SYMBOL, BoardQuote, Missing

# Quotes are some 500 bytes: a page that has room for so many each is not measured, which costs 3 µs a quote.
_AMPLE_BYTES = 4_096
# Beside REPLY_BYTES_OF_A_SYMBOL each: with as many symbols as fit into MAX_REPLY_BYTES so much of that is left.
_MOST_BYTES_OF_SENTENCES = 49_152
_FIELD_BYTES = len('"message":,')
# A bar is some 100 bytes: a page that has room for so many each is not measured.
_AMPLE_BYTES_OF_A_BAR = 256
# None is shorter.
_LEAST_BYTES_OF_A_BAR = len('{"time":0,"open":0.0,"high":0.0,"low":0.0,"close":0.0},')
_BARS = TypeAdapter(list[Bar])


@dataclass(frozen=True, slots=True)
class Page:
    """A part of the quotes; `more` is true where others follow, else None, as it stands on the wire."""

    quotes: tuple[BoardQuote, ...]
    missing: tuple[Missing, ...]
    more: Literal[True] | None


def behind(symbols: Sequence[str], after: str | None) -> Sequence[str]:
    """Those of `symbols` that follow `after`, all where that is None; `CommandError` where it is none of them."""
    if after is None:
        return symbols
    if after not in symbols:
        why = f"The field 'after' names {after!r}, which is none of the symbols: begin without it."
        raise CommandError(Reason.INVALID_COMMAND, why)
    return symbols[symbols.index(after) + 1 :]


def first_page(symbols: Sequence[str], found: FoundQuotes, room_bytes: int) -> Page:
    """What is found of `symbols`, as far as it fits into so many bytes of the reply; one quote in any case."""
    covered = _covered(symbols, found, room_bytes)
    return Page(
        quotes=tuple(found.quotes[symbol] for symbol in covered if symbol in found.quotes),
        missing=as_missing({symbol: found.missing[symbol] for symbol in covered if symbol in found.missing}),
        more=True if len(covered) < len(symbols) else None,
    )


def most_bars(room_bytes: int) -> int:
    """How many bars at most fit into so many bytes."""
    return max(1, room_bytes // _LEAST_BYTES_OF_A_BAR)


def first_bars(bars: Sequence[Bar], room_bytes: int) -> Sequence[Bar]:
    """The oldest of `bars`, as many as fit into so many bytes of the reply."""
    bars = bars[: most_bars(room_bytes)]
    while len(bars) > 1 and len(bars) * _AMPLE_BYTES_OF_A_BAR > room_bytes:
        size = len(_BARS.dump_json(list(bars), exclude_none=True))
        if size <= room_bytes:
            break
        # They differ by some bytes, so that a guess a little below what the average says is nearly always right.
        bars = bars[: max(1, len(bars) * room_bytes * 99 // (size * 100))]
    return bars


def as_missing(errors: Mapping[str, StockTrackError]) -> tuple[Missing, ...]:
    """The errors of some symbols as they are told in a reply: with the sentence where the reason does not say why.

    Of very many the first ones have it, so that the reply stays within what a line may hold.
    """
    missing, room = [], _MOST_BYTES_OF_SENTENCES
    for symbol, error in errors.items():
        size = _sentence_bytes(error)
        room -= size
        missing.append(
            Missing(
                symbol=symbol,
                code=error.code,
                reason=error.reason,
                message=error.message if size and room >= 0 else None,
                retry_after_ms=error.retry_after_ms,
            )
        )
    return tuple(missing)


def _sentence_bytes(error: StockTrackError | None) -> int:
    """How long the sentence of an error is in `missing`; none where the reason says it all."""
    if error is None or error.reason is not Reason.NOT_OFFERED:
        return 0
    return len(json.dumps(error.message)) + _FIELD_BYTES


def _covered(symbols: Sequence[str], found: FoundQuotes, room_bytes: int) -> Sequence[str]:
    if len(symbols) * _AMPLE_BYTES <= room_bytes:
        return symbols
    size, end = 0, 0  # `end` is behind the last quote that fits
    for place, symbol in enumerate(symbols, start=1):
        quote = found.quotes.get(symbol)
        if quote is None:
            size += REPLY_BYTES_OF_A_SYMBOL + _sentence_bytes(found.missing.get(symbol))
        else:
            size += _size_of(quote)
        if size > room_bytes and end > 0:
            return symbols[:end]
        if quote is not None:
            end = place
    return symbols


def _size_of(quote: BoardQuote) -> int:
    return len(quote.__pydantic_serializer__.to_json(quote, exclude_none=True)) + 1
