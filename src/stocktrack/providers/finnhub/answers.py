"""Reads what Finnhub's REST answers: JSON in, our values out, without any I/O.

An answer is not trusted: what it lacks is left out, text is cleaned, and what cannot be true is refused with a
`ProviderError`. Finnhub says of a symbol that it does not have nothing but zeros, with nulls for the change.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

from stocktrack.errors import ProviderError, Reason
from stocktrack.providers.finnhub.symbols import is_prefixed, is_us, ours
from stocktrack.providers.keys import KeyOf
from stocktrack.providers.reading import DAY_MS, MAX_TITLE_CHARS, is_time, link, number, objects, positive, text
from stocktrack.quotes import (
    CompanyInfo,
    Dividend,
    Headline,
    MarketState,
    Match,
    Quote,
    change_since,
    major_currency,
)

KEY: Final = KeyOf("finnhub", "Finnhub", "a free one is at https://finnhub.io/register")
# A clock may run a minute fast. What is dated later is no time of a price.
MAX_AHEAD_MS = 60_000
# Of a headline as the feeds' are held: one for tomorrow is dated wrongly.
_NEWS_AHEAD_MS = DAY_MS
_SESSIONS = {"pre-market": MarketState.PRE, "regular": MarketState.OPEN, "post-market": MarketState.POST}


def read_quote(payload: Any, symbol: str, state: MarketState, received_at: int) -> Quote | None:
    """The quote of a symbol; None where Finnhub does not have it, `ProviderError` where there is no price in it."""
    row = _object(payload)
    price = positive(row.get("c"))
    if price is None:
        if _is_unknown(row):
            return None
        raise ProviderError(Reason.PROVIDER_ERROR, f"Finnhub gave no usable price for {symbol}.")
    previous_close = positive(row.get("pc"))
    change, change_percent = (None, None) if previous_close is None else change_since(previous_close, price)
    seconds = number(row.get("t"))
    return Quote(
        symbol=symbol,
        price=price,
        currency=currency_of(symbol),
        change=change,
        change_percent=change_percent,
        previous_close=previous_close,
        open=positive(row.get("o")),
        high=positive(row.get("h")),
        low=positive(row.get("l")),
        market_state=state,
        timestamp=None if seconds is None else market_time(seconds * 1000, received_at),
        received_at=received_at,
        provider="finnhub",
        price_hint=decimals_of(symbol, price),
    )


def decimals_of(symbol: str, price: float) -> int | None:
    """With how many its prices are quoted: US exchanges do so in cents, and below a dollar in hundredths of one.

    That is their rule (Regulation NMS, 612). No answer tells it, and nothing is known of coins and currencies.
    """
    if not is_us(symbol):
        return None
    return 2 if price >= 1 else 4


def currency_of(symbol: str) -> str | None:
    """The currency of its price. Only of what US exchanges trade it is certain; no answer tells it."""
    return "USD" if is_us(symbol) else None


def state_of(symbol: str, us_market: MarketState) -> MarketState:
    """The state of the symbol's market, where that of the US is `us_market`; coins and currencies are always traded."""
    if is_prefixed(symbol):
        return MarketState.OPEN
    return us_market if is_us(symbol) else MarketState.UNKNOWN


def market_time(milliseconds: Any, now_ms: int) -> int | None:
    """A market's time, or None where it cannot be one."""
    found = number(milliseconds)
    return int(found) if found is not None and is_time(found, now_ms, ahead_ms=MAX_AHEAD_MS) else None


def read_market_state(payload: Any) -> MarketState:
    """Where the US market is in its day; unknown where the answer does not say so."""
    row = _object(payload)
    session, is_open = row.get("session"), row.get("isOpen")
    if isinstance(session, str):
        return _SESSIONS.get(session, MarketState.UNKNOWN)
    if isinstance(is_open, bool):
        return MarketState.OPEN if is_open else MarketState.CLOSED
    return MarketState.UNKNOWN


def read_company(payload: Any, symbol: str) -> CompanyInfo | None:
    """The company of a profile; None where it is empty, as for a symbol that Finnhub does not have, and for funds."""
    row = _object(payload)
    if not row:
        return None
    name, website = text(row.get("name")), row.get("weburl")
    if name is None and row.get("ticker") is None:
        raise _garbled("is no profile of a company")
    # It is that of the company's books: a foreign company's share is traded in dollars all the same.
    books_currency = text(row.get("currency"))
    millions = positive(row.get("marketCapitalization"))
    market_cap = None if millions is None else float(Decimal(repr(millions)) * 1_000_000)
    return CompanyInfo(
        symbol=symbol,
        name=name,
        industry=text(row.get("finnhubIndustry")),
        website=link(website),
        country=text(row.get("country")),
        exchange=text(row.get("exchange")),
        currency=currency_of(symbol) or books_currency,
        market_cap=market_cap,
        market_cap_currency=major_currency(books_currency) if market_cap is not None else None,
    )


def read_news(payload: Any, now_ms: int) -> list[Headline]:
    """The headlines, without doubles, newest first; those without a title are left out."""
    headlines: dict[Headline, None] = {}
    for row in _rows(payload):
        title, seconds = text(row.get("headline"), max_chars=MAX_TITLE_CHARS), positive(row.get("datetime"))
        if title is None:
            continue
        published = int(seconds * 1000) if seconds is not None else None
        if published is not None and published > now_ms + _NEWS_AHEAD_MS:
            published = None
        headline = Headline(
            title=title,
            source=text(row.get("source")) or "Finnhub",
            link=link(row.get("url")),
            published=published,
        )
        headlines[headline] = None
    return sorted(headlines, key=lambda each: (each.published is None, -(each.published or 0)))


def read_dividends(payload: Any) -> list[Dividend]:
    """The dividends, newest first, in today's shares where the answer tells that; those of one day are added up."""
    rows = _rows(payload)
    paid: dict[date, dict[tuple[float, str | None], None]] = {}
    for row in rows:
        ex_date, amount = _date(row.get("date")), positive(row.get("adjustedAmount")) or positive(row.get("amount"))
        if ex_date is not None and amount is not None:
            # What comes twice is one dividend; a special one is paid beside the usual.
            paid.setdefault(ex_date, {})[amount, text(row.get("currency"))] = None
    if rows and not paid:
        raise _garbled("holds dividends without dates or amounts")
    return [_sum(ex_date, tuple(paid[ex_date])) for ex_date in sorted(paid, reverse=True)]


def read_matches(payload: Any, limit: int) -> list[Match]:
    """At most `limit` symbols of a search answer, in Finnhub's order, in our writing."""
    found = _object(payload).get("result")
    matches: dict[str, Match] = {}
    for row in _rows(found):
        written = row.get("symbol") or row.get("displaySymbol")
        symbol = ours(written) if isinstance(written, str) else None
        if symbol is not None:
            matches.setdefault(symbol, Match(symbol=symbol, name=text(row.get("description"))))
    return list(matches.values())[:limit]


def _is_unknown(row: Mapping[str, Any]) -> bool:
    """Whether it is the answer to a symbol that Finnhub does not have; half of one is a fault and no such answer."""
    zeros = [number(row.get(name)) for name in ("c", "h", "l", "o", "pc", "t")]
    return zeros == [0.0] * len(zeros) and row.get("d") is None and row.get("dp") is None


def _sum(ex_date: date, paid: Sequence[tuple[float, str | None]]) -> Dividend:
    currency = paid[0][1]
    total = sum(Decimal(repr(amount)) for amount, its_currency in paid if its_currency == currency)
    return Dividend(date=ex_date, amount=float(total), currency=currency)


def _object(payload: Any) -> Mapping[str, Any]:
    if not isinstance(payload, dict):
        raise _garbled("is no object")
    return payload


def _rows(payload: Any) -> Sequence[Mapping[str, Any]]:
    if not isinstance(payload, list):
        raise _garbled("holds no list")
    rows = objects(payload)
    if payload and not rows:
        raise _garbled("holds a list of nothing that can be read")
    return rows


def _date(value: Any) -> date | None:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _garbled(what: str) -> ProviderError:
    return ProviderError(Reason.PROVIDER_ERROR, f"Finnhub's answer {what}.")
