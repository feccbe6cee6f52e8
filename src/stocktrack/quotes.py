"""The values that flow through the house: quotes, headlines, companies, dividends, and what a symbol is.

Every number says its unit in its name or here: prices are in `currency` as the source writes it (GBp is pence),
times are milliseconds since the epoch, percentages are percent (0.64 is 0.64 %).
"""

import re
import unicodedata
from datetime import date
from enum import StrEnum
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat

# The rule of a symbol. Whatever else has to know it (the schema, the tables, the page) takes it from here, or a test
# holds it to this.
MAX_SYMBOL_LENGTH = 48
SYMBOL_CHARACTERS = r"A-Z0-9.^=\-_:/&"  # as they stand in a regular expression's brackets
_SYMBOL = re.compile(rf"[{SYMBOL_CHARACTERS}]{{1,{MAX_SYMBOL_LENGTH}}}")
# Bidirectional and invisible formatting characters: they make a terminal or a page show another text than it holds.
_UNSAFE = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
# What separates words or lines becomes a space, although it is unsafe as it is: two lines must not become one word.
_BREAKS = frozenset("\t\n\v\f\r\x85\u2028\u2029")


def normalise_symbol(text: str) -> str:
    """The symbol in upper case; `ValueError` with a sentence where `text` is none."""
    symbol = text.upper() if text.isascii() else text
    if not _SYMBOL.fullmatch(symbol):
        raise ValueError(
            f"{shown(text)} is not a symbol: 1 to {MAX_SYMBOL_LENGTH} characters of A-Z 0-9 . ^ = - _ : / &"
        )
    return symbol


def shown(text: str) -> str:
    """`text` in quotes for an error's sentence: cut short, and what cannot be seen is written as its escape."""
    return repr(text if len(text) <= 40 else text[:39] + "…")


def clean_text(text: str, max_chars: int) -> str:
    """`text` from outside, safe to show: no control, escape or bidi characters, spaces folded, at most `max_chars`."""
    # Only a slice is looked at: a megabyte of headline is cut before it costs anything.
    head = text[: max_chars * 8]
    kept = "".join(
        " " if ch in _BREAKS else ch for ch in head if ch in _BREAKS or unicodedata.category(ch) not in _UNSAFE
    )
    folded = " ".join(kept.split())
    return folded if len(folded) <= max_chars else folded[: max_chars - 1].rstrip() + "…"


def clean_link(text: str, max_chars: int = 2000) -> str | None:
    """`text` where it is a plain http(s) address, else None; a name before the host (``bank@evil``) is not plain."""
    link = text.strip()
    if len(link) > max_chars or not link.isprintable() or any(ch in link for ch in " <>\"'\\"):
        return None
    try:
        parts = urlsplit(link)
        # An absurd port raises here, and would again in every client that parses the link.
        host, _ = parts.hostname, parts.port
    except ValueError:
        return None
    return link if parts.scheme in {"http", "https"} and host and "@" not in parts.netloc else None


Symbol = Annotated[str, AfterValidator(normalise_symbol)]


class MarketState(StrEnum):
    """Where the symbol's market is in its day."""

    OPEN = "open"
    PRE = "pre"
    POST = "post"
    CLOSED = "closed"
    UNKNOWN = "unknown"


class Value(BaseModel):
    """A frozen value; what is not known is None here and left out on the wire."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_enum_values=False)


class Quote(Value):
    """The price of a symbol as one source gave it at one time."""

    symbol: Symbol
    price: FiniteFloat
    currency: str | None = None
    change: FiniteFloat | None = None
    change_percent: FiniteFloat | None = None
    previous_close: FiniteFloat | None = None
    open: FiniteFloat | None = None
    high: FiniteFloat | None = None
    low: FiniteFloat | None = None
    volume: int | None = None
    bid: FiniteFloat | None = None
    ask: FiniteFloat | None = None
    name: str | None = None
    exchange: str | None = None
    market_state: MarketState = MarketState.UNKNOWN
    timestamp: int | None = Field(default=None, description="the market's time, epoch milliseconds")
    received_at: int = Field(description="our time, epoch milliseconds")
    provider: str
    delay_seconds: int | None = None


class Headline(Value):
    """One article of the news: cleaned text and a plain http(s) link."""

    title: str
    source: str
    link: str | None = None
    published: int | None = Field(default=None, description="epoch milliseconds")


class CompanyInfo(Value):
    """What is known of the company or fund behind a symbol."""

    symbol: Symbol
    name: str | None = None
    sector: str | None = None
    industry: str | None = None
    website: str | None = None
    country: str | None = None
    employees: int | None = None
    exchange: str | None = None
    currency: str | None = None
    market_cap: FiniteFloat | None = None
    summary: str | None = None


class Dividend(Value):
    """A dividend paid: the ex-date and the amount a share in the currency of the quote."""

    date: date
    amount: FiniteFloat


class Match(Value):
    """A symbol that a search found."""

    symbol: Symbol
    name: str | None = None
    exchange: str | None = None
