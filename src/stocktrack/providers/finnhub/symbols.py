"""Which symbols Finnhub may have, and what it calls them; pure rules of their writing, without a call."""

import re

from stocktrack.quotes import normalise_symbol

# Longer than any ticker: a name that nobody has is asked for, too, so that it can be called unknown.
_US = re.compile(r"[A-Z][A-Z0-9]{0,11}")
# A share's class is one letter, after a hyphen as Yahoo and we write it, or a dot as Finnhub and most exchanges do.
# After a dot, four letters are exchanges instead: Frankfurt, London, Tokyo and TSX Venture.
_US_CLASS = re.compile(r"([A-Z]{1,5})(?:-([A-Z])|\.([A-EG-KM-SUW-Z]))")
_ABROAD = re.compile(r"[A-Z0-9&-]+\.[A-Z]{1,3}")
_PREFIXED = re.compile(r"([A-Z][A-Z0-9_]*):[A-Z0-9._:/&-]+")
# The segments of the Indian market are written like Finnhub's exchanges, and it has none of them.
_INDIAN = frozenset(
    [
        "NSE",
        "BSE",
        "NFO",
        "BFO",
        "CDS",
        "BCD",
        "MCX",
        "NCDEX",
        "NSE_INDEX",
        "BSE_INDEX",
        "MCX_INDEX",
        "NSE_EQ",
        "BSE_EQ",
        "NSE_FO",
        "BSE_FO",
        "NCO",
        "NSE_COM",
    ]
)


def is_us(symbol: str) -> bool:
    """Whether it is written as a share or fund of a US exchange, where everything is traded in dollars."""
    return _US.fullmatch(symbol) is not None or _US_CLASS.fullmatch(symbol) is not None


def is_abroad(symbol: str) -> bool:
    """Whether it is written as a share of an exchange outside the US, such as `RELIANCE.NS`: a paid plan has them."""
    return _ABROAD.fullmatch(symbol) is not None and not is_us(symbol)


def is_prefixed(symbol: str) -> bool:
    """Whether it is a coin or a pair of currencies as Finnhub names them, after a market: `BINANCE:BTCUSDT`."""
    found = _PREFIXED.fullmatch(symbol)
    return found is not None and found[1] not in _INDIAN


def at_finnhub(symbol: str) -> str:
    """What Finnhub calls it: `BRK.B` for `BRK-B`, anything else as it is."""
    found = _US_CLASS.fullmatch(symbol)
    return f"{found[1]}.{found[2] or found[3]}" if found else symbol


def ours(symbol: str) -> str | None:
    """What we call what Finnhub calls so; None where it cannot be a symbol here."""
    try:
        symbol = normalise_symbol(symbol.strip())
    except ValueError:
        return None
    found = _US_CLASS.fullmatch(symbol)
    return f"{found[1]}-{found[2] or found[3]}" if found else symbol
