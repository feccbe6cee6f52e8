"""What a person may choose of the live board: its columns, its order and its currency, read from text; no I/O."""

import re
from dataclasses import dataclass
from typing import Final

from stocktrack.quotes import major_currency, shown

# Each column as a person names it, in the order in which they stand, and what is in it.
COLUMNS: Final = {
    "symbol": "the symbol",
    "name": "what it is called",
    "price": "the price",
    "currency": "the currency of the price",
    "change": "the change of the day",
    "percent": "the change in percent",
    "extended": "the price before or after the regular hours, while there is one",
    "quantity": "how many you hold",
    "cost": "what you paid for them",
    "value": "what they are worth",
    "today": "what they made today",
    "gain": "what they made since you bought them",
    "weight": "their part of all that you hold",
    "range": "the low and the high of the day, and where the price is",
    "52weeks": "the low and the high of 52 weeks, and where the price is",
    "volume": "how much was traded on the day",
    "day": "the course of the day",
    "market": "the state of the market, or why the price is stale",
    "age": "how old the price is",
}
HELD: Final = ("quantity", "cost", "value", "today", "gain", "weight")
# What else a person may write: the symbol and the percentage by their signs, a column by the heading it has.
_COLUMN_ALIASES: Final = {"%": "percent", "cur": "currency", "trail": "day", "52": "52weeks", "52w": "52weeks"}

LIST_ORDER: Final = "list"
# The first ones have keys; by the others one sorts with a click on a heading, or `--sort`. `name` is the symbol.
ORDER_NAMES: Final = (
    *("list", "name", "price", "change", "percent", "volume", "age"),
    *("company", "currency", "extended", "range", "52weeks", "market", *HELD),
)
_ORDER_ALIASES: Final = {"symbol": "name", "%": "percent"}
# Names are looked at from A, numbers from the top.
RISING: Final = frozenset({"name", "company", "currency", "market"})

_WORDS: Final = re.compile(r"[\s,]+")
# The codes of ISO 4217 that money is counted in today, and of the coins in which people count as well.
_CODES: Final = """
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF
CLF CLP CNH CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD
HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD
MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR
RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS
UAH UGX USD UYU UZS VES VND VUV WST XAF XAG XAU XCD XCG XDR XOF XPD XPF XPT YER ZAR ZMW ZWG BTC ETH
"""
CURRENCIES: Final = frozenset(_CODES.split())


@dataclass(frozen=True, slots=True)
class Order:
    """An order of the rows, and whether it is turned round; `list` is that in which they were asked for."""

    name: str = LIST_ORDER
    is_reversed: bool = False

    def __str__(self) -> str:
        return f"-{self.name}" if self.is_reversed else self.name


def columns_of(text: str) -> tuple[str, ...]:
    """The columns that `text` names, once each, in its order; `ValueError` with a sentence where a name is none."""
    names = [_COLUMN_ALIASES.get(word, word) for word in _WORDS.split(text.strip().lower()) if word]
    for name in names:
        if name not in COLUMNS:
            raise ValueError(f"{shown(name)} is no column; there are {', '.join(COLUMNS)}")
    if not names:
        raise ValueError(f"it names no column; there are {', '.join(COLUMNS)}")
    return tuple(dict.fromkeys(names))


def order_of(text: str) -> Order:
    """The order that `text` names, turned round where a minus stands before it; `ValueError` where there is none."""
    text = text.strip().lower()
    name = text.removeprefix("-")
    name = _ORDER_ALIASES.get(name, name)
    if name not in ORDER_NAMES:
        raise ValueError(
            f"{shown(text)} is no order; there are {', '.join(ORDER_NAMES)}, each with a - to turn it round"
        )
    return Order(name, is_reversed=text.startswith("-"))


def currency_of(text: str) -> str:
    """The code of a whole currency, in capitals; `ValueError` where it is none."""
    code = text.strip().upper()
    if major_currency(text.strip()) != text.strip() or code not in CURRENCIES:
        raise ValueError(f"{shown(text)} is no code of a currency, such as EUR or USD")
    return code
