"""The segments of the Indian market: what stands before the colon of a symbol, and the words that people have for them.

A symbol of a segment is written `EXCHANGE:SYMBOL`, as in `NSE:RELIANCE` and `NFO:NIFTY24APR18000CE`. What follows the
colon is not taken apart: two ways of writing a contract's expiry are in use, and one text means another contract in
each. What a contract is, an instrument file says.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Segment(StrEnum):
    """A segment by its code."""

    NSE = "NSE"
    BSE = "BSE"
    NFO = "NFO"
    BFO = "BFO"
    CDS = "CDS"
    BCD = "BCD"
    MCX = "MCX"
    NCO = "NCO"
    NCDEX = "NCDEX"
    NSE_INDEX = "NSE_INDEX"
    BSE_INDEX = "BSE_INDEX"
    MCX_INDEX = "MCX_INDEX"


CONTRACTS: Final = frozenset(
    {Segment.NFO, Segment.BFO, Segment.CDS, Segment.BCD, Segment.MCX, Segment.NCO, Segment.NCDEX}
)
INDICES: Final = frozenset({Segment.NSE_INDEX, Segment.BSE_INDEX, Segment.MCX_INDEX})
FUTURE, OPTIONS = "FUT", frozenset({"CE", "PE"})

_BY_PREFIX: Final[Mapping[str, Segment]] = {
    **{segment.value: segment for segment in Segment},
    "NSE_EQ": Segment.NSE,
    "BSE_EQ": Segment.BSE,
}


def split_symbol(symbol: str) -> tuple[Segment | None, str]:
    """The segment of `symbol` and what it is called there; None and the whole symbol where it has no segment."""
    prefix, colon, name = symbol.partition(":")
    segment = _BY_PREFIX.get(prefix) if colon and name else None
    return (None, symbol) if segment is None else (segment, name)


class Only(StrEnum):
    """What of a segment of contracts is meant."""

    FUTURES = "futures"
    OPTIONS = "options"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a word for a segment means: the segment, and which of its contracts; None for all."""

    segment: Segment
    only: Only | None = None

    def takes(self, segment: str | None, kind: str | None) -> bool:
        """Whether an instrument of this segment and type is meant."""
        return segment == self.segment and self.only in {None, part_of(kind)}


def part_of(kind: str | None) -> Only | None:
    """What of a segment of contracts an instrument of this type is."""
    if kind in OPTIONS:
        return Only.OPTIONS
    return Only.FUTURES if kind == FUTURE else None


# One letter and `FO` are the National Stock Exchange's, as in the tables that people have them from.
SEGMENT_WORDS: Final[Mapping[str, Wanted]] = MappingProxyType(
    {
        **{word: Wanted(segment) for word, segment in _BY_PREFIX.items()},
        "C": Wanted(Segment.NSE),
        "FO": Wanted(Segment.NFO),
        "F": Wanted(Segment.NFO, Only.FUTURES),
        "O": Wanted(Segment.NFO, Only.OPTIONS),
    }
)


def segment_word(text: str) -> str:
    """The word in upper case; `ValueError` that lists the words where `text` is none."""
    word = text.upper() if text.isascii() else text
    if word not in SEGMENT_WORDS:
        raise ValueError(f"must be one of {', '.join(SEGMENT_WORDS)}")
    return word
