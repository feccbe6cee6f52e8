"""Prices as the directives that plain text accounting reads: beancount's `price`, and the `P` of ledger and hledger.

    2024-02-09 price AAPL 189.45 USD
    P 2024/02/09 16:00:00 AAPL 189.45 USD

The day is that at the exchange, and of a price that is old its own. A price in a part of a currency, such as pence, is
told in the whole one. What a pair of currencies or a coin costs is told of the first of the two: `EURUSD=X` of EUR.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo
from decimal import Decimal
from typing import Final, Literal

from stocktrack.holdings import exact, rate_to
from stocktrack.messages import BoardQuote
from stocktrack.quotes import major_currency
from stocktrack.terminal.axes import moment_of

DirectiveFormat = Literal["beancount", "ledger"]

# By beancount's documentation ("Beancount Language Syntax", commodities); version 3 takes single letters as well.
_BEANCOUNT_NAME: Final = re.compile(r"[A-Z](?:[A-Z0-9'._-]{0,22}[A-Z0-9])?")
_NOT_IN_BEANCOUNT: Final = re.compile(r"[^A-Z0-9'._-]+")
_MOST_CHARACTERS: Final = 24
# By ledger's manual ("Commodities and Currencies"): whatever else is in a name wants quotes around it.
_BARE_IN_LEDGER: Final = re.compile(r"[A-Za-z]+")
_CURRENCY: Final = re.compile(r"[A-Z][A-Z0-9]{1,9}")
_COIN: Final = re.compile(r"([A-Z0-9]{2,10})-([A-Z]{3,4})")
_PAIR: Final = re.compile(r"([A-Z]{3})?([A-Z]{3})=X")


@dataclass(frozen=True, slots=True)
class Directives:
    """A line for each of `symbols`, what of these is named otherwise there, and why others have no line."""

    symbols: tuple[str, ...]
    lines: tuple[str, ...]
    renamed: Mapping[str, str]
    refused: tuple[str, ...]


def directives(quotes: Iterable[BoardQuote], zones: Mapping[str, tzinfo], form: DirectiveFormat) -> Directives:
    """The directives of `quotes`; `zones` are the exchanges' time zones by symbol, and UTC is that of one not known."""
    lines: list[str] = []
    refused: list[str] = []
    symbols: dict[str, str] = {}  # by the name that they have there
    for quote in quotes:
        money = _money(quote)
        name = commodity(quote.symbol, quote.currency, form)
        if money is None:
            told = "its source tells no currency" if quote.currency is None else "its price is in no currency we know"
            refused.append(f"{quote.symbol}: {told}, and a price without one is none.")
        elif name is None:
            refused.append(f"{quote.symbol}: nothing of it can be the name of a commodity in {form}.")
        elif symbols.setdefault(name, quote.symbol) != quote.symbol:
            refused.append(f"{quote.symbol}: it would be called {name}, as {symbols[name]} is.")
        else:
            lines.append(_line(quote, name, money, zones.get(quote.symbol, UTC), form))
    renamed = {symbol: name for name, symbol in symbols.items() if name.strip('"') != symbol}
    return Directives(tuple(symbols.values()), tuple(lines), renamed, tuple(refused))


def commodity(symbol: str, currency: str | None, form: DirectiveFormat) -> str | None:
    """What a symbol is called there, in quotes where it needs some; None where nothing of it can be a name."""
    name = _first_of_a_pair(symbol, currency) or symbol
    if form == "ledger":
        return name if _BARE_IN_LEDGER.fullmatch(name) else f'"{name}"'
    # What may not stand in a name becomes a hyphen, or goes where it would stand at an end.
    legal = _NOT_IN_BEANCOUNT.sub("-", name).strip("'._-")
    if legal[:1].isdigit():
        legal = f"X{legal}"
    return legal if len(legal) <= _MOST_CHARACTERS and _BEANCOUNT_NAME.fullmatch(legal) else None


def _first_of_a_pair(symbol: str, currency: str | None) -> str | None:
    """EUR of `EURUSD=X` and BTC of `BTC-USD`, where the price is in the second; USD of Yahoo's `EUR=X`."""
    if (pair := _PAIR.fullmatch(symbol)) is not None:
        first, second = pair[1] or "USD", pair[2]
    elif (coin := _COIN.fullmatch(symbol)) is not None:
        first, second = coin[1], coin[2]
    else:
        return None
    return first if second == currency and first != second else None


def _money(quote: BoardQuote) -> tuple[Decimal, str] | None:
    """The price in a whole currency; None where that is not known, or is no name of one."""
    whole = major_currency(quote.currency)
    if whole is None or not _CURRENCY.fullmatch(whole):
        return None
    rate = rate_to(quote.currency, whole, {})
    return None if rate is None else (rate.convert(exact(quote.price)), whole)


def _line(quote: BoardQuote, name: str, money: tuple[Decimal, str], zone: tzinfo, form: DirectiveFormat) -> str:
    moment = moment_of(quote.received_at if quote.timestamp is None else quote.timestamp, zone)
    amount, currency = money
    number = f"{amount:f}"
    number = number.rstrip("0").rstrip(".") if "." in number else number
    if form == "beancount":
        return f"{moment:%Y-%m-%d} price {name} {number} {currency}"
    currency = currency if _BARE_IN_LEDGER.fullmatch(currency) else f'"{currency}"'
    return f"P {moment:%Y/%m/%d %H:%M:%S} {name} {number} {currency}"
