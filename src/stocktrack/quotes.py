"""The values that flow through the house: quotes, headlines, companies, dividends, and what a symbol is.

Every number says its unit in its name or here: prices are in `currency` as the source writes it (GBp is pence), what is
counted in another unit has a currency of its own beside it, times are milliseconds since the epoch, percentages are
percent (0.64 is 0.64 %). A time is the source's or it is left out: none is ever made of our clock.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final
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
# Signs of Arabic, Syriac and Kaithi numbers: formatting characters by their category, but ink on the page (Unicode's
# property Prepended_Concatenation_Mark).
_VISIBLE_FORMATS = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
# Persian is misspelt without the first of them, Indian scripts need both, and the second makes one emoji of several.
_JOINERS = frozenset("\u200c\u200d")
# After what a joiner joins: letters of scripts without capitals, marks, emoji and their skin tones.
_JOINED = {"Lo", "Lm", "Mn", "Mc", "Me", "So", "Sk"}

# Parts of a currency in which shares and grain are quoted (pence, cents, agorot, fils), as Yahoo and others write them,
# and the whole one. Prices stay as they are told; what is counted in the whole currency says so by its own name.
MINOR_UNITS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("GBp", "GBX", "GBx"), "GBP"),
    **dict.fromkeys(("ZAc", "ZAC"), "ZAR"),
    "ILA": "ILS",
    **dict.fromkeys(("USX", "USc"), "USD"),
    "KWF": "KWD",
}
# The decimals of a symbol whose PRICE names none, and the fewest where its source names none.
ASSUMED_PRICE_HINT = 2
MAX_PRICE_DIGITS = 20  # what every browser can write
_SHORT = 11  # ten digits and their point
# How many digits of a price are shown at least, and at most where no hint says how many decimals.
_LEAST_DIGITS, _LEAST_DIGITS_BELOW_ONE, _MOST_DIGITS_UNHINTED = 3, 4, 6
_MINOR_BY_ITS_LOOK = re.compile(r"[A-Z]{2}[a-z]")

# A price of a symbol that is so many times another one, or that part of it, is likely a mistake.
FAR: Final = 100.0

# Oil was sold at -37.63 on 20 April 2020, in India at -2,884, and the yield of the thirteen-week bill, an index, stood
# below zero in March of that year. By their writing: indices and futures of Yahoo, whose contracts of one month end in
# their exchange (`CLZ26.NYM`), futures of India's commodity exchanges, and India's indices.
_MAY_BE_NEGATIVE = re.compile(r"\^.+|.+=F|.+\.(?:CBT|CME|CMX|NYB|NYM)|(?:MCX|NCDEX|NCO):.+FUT|(?:NSE|BSE|MCX)_INDEX:.+")


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
    if head.isascii() and head.isprintable():
        return _folded(head, max_chars)
    kept: list[str] = []
    for ch in head:
        if ch in _BREAKS:
            kept.append(" ")
        elif unicodedata.category(ch) not in _UNSAFE or ch in _VISIBLE_FORMATS or (ch in _JOINERS and _joins(kept)):
            kept.append(ch)
    return _folded("".join(kept), max_chars)


def _folded(text: str, max_chars: int) -> str:
    folded = " ".join(text.split())
    return folded if len(folded) <= max_chars else folded[: max_chars - 1].rstrip() + "…"


def _joins(kept: list[str]) -> bool:
    """Whether a joiner after `kept` joins something: elsewhere it only hides in the text."""
    return bool(kept) and not kept[-1].isascii() and unicodedata.category(kept[-1]) in _JOINED


def may_be_negative(symbol: str) -> bool:
    """Whether a price of `symbol` may be at zero or below, by its writing.

    What nobody owns a piece of may be: a future, an index. A share, a fund, a coin, a rate or an option may not: there
    a price of nothing is no price. A source that knows better what a symbol is may still leave such a price out.
    """
    return _MAY_BE_NEGATIVE.fullmatch(symbol) is not None


def is_far_off(price: float, other: float, symbol: str, factor: float = FAR) -> bool:
    """Whether a price of `symbol` is `factor` times the `other` one or more, or that part of it or less.

    Where prices pass through zero, what is nearer to it than 1 counts as 1. There a ratio says nothing: from 0.01 to
    -1.50 is a small step, and a change of sign alone is no reason to doubt.
    """
    if may_be_negative(symbol):
        price, other = max(abs(price), 1.0), max(abs(other), 1.0)
    return not other / factor < price < other * factor


def major_currency(currency: str | None) -> str | None:
    """The whole currency that `currency` is a part of (GBP for GBp), or itself; None where that is not known."""
    if currency is None or currency in MINOR_UNITS:
        return MINOR_UNITS.get(currency or "")
    # Three letters with a small one at the end are a part of something that we have no name for.
    return None if _MINOR_BY_ITS_LOOK.fullmatch(currency) else currency


def change_since(previous_close: float, price: float, *, percent_digits: int = 6) -> tuple[float, float | None]:
    """The change since `previous_close`, exact to the last digit of the two, and the same in percent.

    The one rule for every source: what a source calls its change may be that of 24 hours. There is no percentage of a
    close at zero, and where the close is negative a rise is positive all the same.
    """
    change = float(Decimal(repr(price)) - Decimal(repr(previous_close)))
    return change, round(change / abs(previous_close) * 100, percent_digits) if previous_close else None


def plain(value: float | None) -> str:
    """All digits of a number and never an exponent, without zeros at the end; nothing for None."""
    if value is None:
        return ""
    text = f"{Decimal(repr(value)):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def price_digits(price: float, hint: int | None, others: Iterable[float | None] = ()) -> int:
    """The decimals that the prices of a symbol are shown with: as many as the `hint` of its source says.

    There are more where so few would not tell the price: of the digits that it has three are shown, and four of a price
    below one. Without a hint they are as many as the price and `others`, which stand beside it, were given with: at
    least two, and no more than make six digits of the price. The page does the same in `digits.js`.
    """
    if hint is not None and hint >= _LEAST_DIGITS - 1 and abs(price) >= 1:
        return min(hint, MAX_PRICE_DIGITS)  # most prices: two decimals tell whatever is above one
    has, first = _decimals(price)
    if hint is None:
        most = has
        for other in others:
            if other is not None:
                most = max(most, _decimals(other)[0])
        hint = max(ASSUMED_PRICE_HINT, min(most, first + _MOST_DIGITS_UNHINTED - 1))
    least = first + (_LEAST_DIGITS_BELOW_ONE if first > 0 else _LEAST_DIGITS) - 1
    return min(max(hint, min(has, least)), MAX_PRICE_DIGITS)


def _decimals(value: float) -> tuple[int, int]:
    """How many decimals `value` was given with, and which of them is its first digit: the fifth of 0.00001234.

    The error at the end of a sum of doubles is no decimal: ten digits are looked at.
    """
    text = repr(value)
    if len(text) <= _SHORT and abs(value) >= 1 and "e" not in text:
        # The everyday price, in a third of the time.
        whole, _, part = text.lstrip("-").partition(".")
        return len(part) if part != "0" else 0, 1 - len(whole)
    digits, _, exponent = f"{value:.9e}".partition("e")
    first = -int(exponent)
    return max(0, len(digits.rstrip("0").partition(".")[2]) + first), first


def clean_link(text: str, max_chars: int = 2000) -> str | None:
    """`text` where it is a plain http(s) address, else None; a name before the host (``bank@evil``) is not plain."""
    link = text.strip()
    if len(link) > max_chars or not link.isprintable() or any(ch in link for ch in ' <>"\\'):
        return None
    try:
        parts = urlsplit(link)
        # An absurd port raises here, and would again in every client that parses the link.
        host, _ = parts.hostname, parts.port
    except ValueError:
        return None
    is_plain = parts.scheme in {"http", "https"} and host and not any(ch in parts.netloc for ch in "@'")
    return link if is_plain else None


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

    model_config = ConfigDict(frozen=True, extra="forbid", use_enum_values=False, defer_build=True)


class Quote(Value):
    """The price of a symbol as one source gave it at one time."""

    symbol: Symbol
    price: FiniteFloat
    currency: str | None = None
    change: FiniteFloat | None = Field(default=None, description="since previous_close, by change_since")
    change_percent: FiniteFloat | None = None
    previous_close: FiniteFloat | None = None
    open: FiniteFloat | None = None
    high: FiniteFloat | None = None
    low: FiniteFloat | None = None
    volume: int | None = Field(default=None, description="traded on the day: pieces, or money in volume_currency")
    volume_currency: str | None = Field(default=None, description="where the source counts money, as with a coin")
    bid: FiniteFloat | None = None
    ask: FiniteFloat | None = None
    name: str | None = None
    exchange: str | None = None
    market_state: MarketState = MarketState.UNKNOWN
    timestamp: int | None = Field(default=None, description="the market's time, epoch milliseconds")
    received_at: int = Field(description="our time, epoch milliseconds")
    provider: str
    delay_seconds: int | None = None
    extended_price: FiniteFloat | None = Field(
        default=None, description="the last price before or after the regular hours; `price` is the regular one"
    )
    extended_change: FiniteFloat | None = Field(default=None, description="of it since the regular price")
    extended_change_percent: FiniteFloat | None = None
    extended_time: int | None = Field(default=None, description="the market's time of it, epoch milliseconds")
    fifty_two_week_low: FiniteFloat | None = None
    fifty_two_week_high: FiniteFloat | None = None
    market_cap: FiniteFloat | None = Field(default=None, description="in market_cap_currency")
    market_cap_currency: str | None = Field(
        default=None, description="the whole currency: GBP where the price is in GBp"
    )
    trailing_pe: FiniteFloat | None = Field(default=None, description="price to the earnings of the last four quarters")
    price_hint: int | None = Field(default=None, ge=0, le=10, description="decimals that its prices are shown with")


class TradingDay(Value):
    """The hours of a market on the day it is in, or else on its next one; epoch milliseconds.

    The early hours end and the late ones begin where the regular ones do; None where the market has none.
    """

    pre_starts_at: int | None = None
    opens_at: int
    closes_at: int
    post_ends_at: int | None = None

    @property
    def begins_at(self) -> int:
        """When the first trading of the day begins, early hours included."""
        return self.opens_at if self.pre_starts_at is None else self.pre_starts_at

    @property
    def ends_at(self) -> int:
        """When the last trading of the day ends, late hours included."""
        return self.closes_at if self.post_ends_at is None else self.post_ends_at

    def state_at(self, now_ms: int) -> MarketState:
        """Where the market is in its day; `UNKNOWN` once that day is over, since the next one is not known."""
        if now_ms < self.begins_at:
            return MarketState.CLOSED
        if now_ms >= self.ends_at:
            return MarketState.UNKNOWN
        if now_ms < self.opens_at:
            return MarketState.PRE
        return MarketState.OPEN if now_ms < self.closes_at else MarketState.POST


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
    currency: str | None = Field(default=None, description="of the price, as the source writes it")
    market_cap: FiniteFloat | None = Field(default=None, description="in market_cap_currency")
    market_cap_currency: str | None = Field(
        default=None, description="the whole currency: GBP where the price is in GBp"
    )
    summary: str | None = None
    fifty_two_week_low: FiniteFloat | None = Field(default=None, description="in currency")
    fifty_two_week_high: FiniteFloat | None = Field(default=None, description="in currency")
    trailing_pe: FiniteFloat | None = Field(default=None, description="price to the earnings of the last four quarters")
    market_opens_at: int | None = Field(
        default=None, description="when the regular hours of today, or of the next day, begin, epoch milliseconds"
    )
    market_closes_at: int | None = Field(default=None, description="when they end, epoch milliseconds")
    # Of an instrument of a segment, and of a contract.
    segment: str | None = Field(default=None, description="its code, such as NSE or NFO")
    expiry: date | None = None
    strike: FiniteFloat | None = None
    type: str | None = Field(default=None, description="such as EQ, FUT, CE, PE, IDX")
    lot: int | None = Field(default=None, description="how many pieces are traded at least")
    tick: FiniteFloat | None = Field(default=None, description="the least step between two of its prices")


class Dividend(Value):
    """A dividend paid: the ex-date and the amount a share.

    It may be in another currency than the price: a share in pence may pay dollars.
    """

    date: date
    amount: FiniteFloat
    currency: str | None = Field(default=None, description="of the amount, where the source tells it")


class Match(Value):
    """A symbol that a search found."""

    symbol: Symbol
    name: str | None = None
    exchange: str | None = None
    segment: str | None = Field(default=None, description="its code, such as NSE or NFO")
    expiry: date | None = None
    strike: FiniteFloat | None = None
    type: str | None = Field(default=None, description="such as EQ, FUT, CE, PE, IDX")
    lot: int | None = Field(default=None, description="how many pieces are traded at least")
