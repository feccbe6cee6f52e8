"""What TradingView's UDF calls things: bars as columns, quotes, what a symbol is; pure.

Its documents: https://www.tradingview.com/charting-library-docs/latest/connecting_data/UDF/. Times are whole seconds.
Those of bars of a day and longer are midnight UTC of the trading day, wherever the exchange is.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from functools import partial
from operator import attrgetter
from typing import Any, Final

from stocktrack.bars import Bar, BarInterval, day_of, midnight_ms
from stocktrack.messages import BoardQuote, shown_digits
from stocktrack.quotes import CompanyInfo, Match
from stocktrack.segments import INDICES, split_symbol

Told = dict[str, Any]
# A bar's time in UDF's seconds, and the bar.
TimedBar = tuple[int, Bar]

SUPPORTED: Final = ("1", "2", "5", "15", "30", "60", "1D", "1W", "1M")
INTERVALS: Final[Mapping[str, BarInterval]] = {
    "1": BarInterval.ONE_MINUTE,
    "2": BarInterval.TWO_MINUTES,
    "5": BarInterval.FIVE_MINUTES,
    "15": BarInterval.QUARTER,
    "30": BarInterval.HALF_HOUR,
    "60": BarInterval.HOUR,
    **dict.fromkeys(("D", "1D"), BarInterval.DAY),
    **dict.fromkeys(("W", "1W"), BarInterval.WEEK),
    **dict.fromkeys(("M", "1M"), BarInterval.MONTH),
}
_INTRADAY: Final = [resolution for resolution in SUPPORTED if resolution.isdecimal()]
KINDS: Final = ("stock", "index", "forex", "crypto", "futures", "option")
# What an instrument file or a source calls them.
_KIND_OF_TYPE: Final = {"EQ": "stock", "FUT": "futures", "CE": "option", "PE": "option", "IDX": "index"}
_COIN: Final = re.compile(r"[A-Z0-9]+-(?:USD[TC]?|EUR|GBP|JPY|INR|BTC|ETH)")
CONFIGURATION: Final[Told] = {
    "supports_search": True,
    "supports_group_request": False,
    "supports_marks": False,
    "supports_timescale_marks": False,
    "supports_time": True,
    "supported_resolutions": list(SUPPORTED),
    "exchanges": [{"value": "", "name": "All exchanges", "desc": ""}],
    "symbols_types": [
        {"name": "All types", "value": ""},
        *({"name": kind.capitalize(), "value": kind} for kind in KINDS),
    ],
}

# A market that is open for so long is open all day: sources have days of 23:59.
_ALL_DAY_MS: Final = 23 * 3_600_000 + 30 * 60_000
_COLUMNS: Final = {"o": "open", "h": "high", "l": "low", "c": "close", "v": "volume"}
# To write so many numbers takes half a millisecond.
_NUMBERS_A_PIECE: Final = 1_000
_UNSQUASHED: Final = re.compile(r"[^A-Z0-9]+")
_NOT_OF_A_NAME: Final = re.compile(r"[^A-Za-z0-9]+")


# --- bars ---------------------------------------------------------------------------------------------------------


def timed(bars: Iterable[Bar], interval: BarInterval, zone: tzinfo) -> Sequence[TimedBar]:
    """Bars with UDF's times."""
    if interval.is_intraday:
        return [(bar.time // 1000, bar) for bar in bars]
    return [(midnight_ms(day_of(bar.time, zone), UTC) // 1000, bar) for bar in bars]


def columns(bars: Sequence[TimedBar]) -> Iterator[bytes]:
    """The answer that has these bars, as JSON in pieces; volumes are left out where none of them has one.

    A bar without a volume among others that have one has 0: a column has no holes.
    """
    yield b'{"s":"ok","t":['
    yield from _written(bars, lambda part: [time for time, _ in part])
    for column, field in _COLUMNS.items():
        if column == "v" and all(bar.volume is None for _, bar in bars):
            continue
        yield f'],"{column}":['.encode()
        yield from _written(bars, partial(_values, attrgetter(field)))
    yield b"]}"


def _values(value_of: Callable[[Bar], float | None], bars: Sequence[TimedBar]) -> Sequence[float]:
    return [value_of(bar) or 0 for _, bar in bars]


def _written(bars: Sequence[TimedBar], numbers_of: Callable[[Sequence[TimedBar]], Sequence[float]]) -> Iterator[bytes]:
    for start in range(0, len(bars), _NUMBERS_A_PIECE):
        part = ",".join(map(repr, numbers_of(bars[start : start + _NUMBERS_A_PIECE])))
        yield ("," + part if start else part).encode()


# --- quotes -------------------------------------------------------------------------------------------------------


def quote_told(name: str, quote: BoardQuote | None) -> Told:
    """What is told of a quote that was asked for by `name`, or that there is none; what is not known is left out."""
    if quote is None:
        return {"s": "error", "n": name, "v": {}}
    values = {
        "lp": quote.price,
        "ch": quote.change,
        "chp": quote.change_percent,
        "short_name": quote.symbol,
        "exchange": quote.exchange or "",
        "description": quote.name or quote.symbol,
        "original_name": full_name(quote.symbol, quote.exchange),
        "ask": quote.ask,
        "bid": quote.bid,
        "open_price": quote.open,
        "high_price": quote.high,
        "low_price": quote.low,
        "prev_close_price": quote.previous_close,
        "volume": quote.volume,
    }
    if quote.ask is not None and quote.bid is not None:
        values["spread"] = round(quote.ask - quote.bid, 10)
    return {"s": "ok", "n": name, "v": {key: value for key, value in values.items() if value is not None}}


# --- symbols ------------------------------------------------------------------------------------------------------


def full_name(symbol: str, exchange: str | None) -> str:
    """A symbol with its exchange before it, as TradingView writes them, and in the characters of a symbol.

    Yahoo's exchanges have names such as Nasdaq GIDS, and a client asks by the name that it was told. So NSE does not
    stand before Yahoo's RELIANCE.NS: that would be a symbol of our segment NSE.
    """
    name = f"{_NOT_OF_A_NAME.sub('', exchange or '')}:{symbol}"
    return name if without_exchange(name.upper()) == symbol else symbol


def without_exchange(name: str) -> str | None:
    """What stands behind the exchange of a name such as NASDAQ:AAPL; None where a segment of ours stands before it."""
    prefix, colon, symbol = name.partition(":")
    return symbol if colon and prefix and symbol and split_symbol(name)[0] is None else None


def is_of_exchange(name: str, exchange: str | None) -> bool:
    """Whether the exchange before the colon of `name` is the one that a source calls `exchange`: NASDAQ is NasdaqGS."""
    prefix = _squashed(name.partition(":")[0])
    return bool(prefix) and _squashed(exchange or "").startswith(prefix)


def _squashed(text: str) -> str:
    return _UNSQUASHED.sub("", text.upper())


def kind_of(symbol: str, told: str | None = None) -> str:
    """One of `KINDS`: as a source or an instrument file has `told`, else by how the symbol is written."""
    if told is not None and told.upper() in _KIND_OF_TYPE:
        return _KIND_OF_TYPE[told.upper()]
    if symbol.startswith("^") or split_symbol(symbol)[0] in INDICES:
        return "index"
    if symbol.endswith("=X"):
        return "forex"
    if symbol.endswith("=F"):
        return "futures"
    return "crypto" if _COIN.fullmatch(symbol) else "stock"


def match_told(match: Match) -> Told:
    """What is told of a symbol that a search found."""
    return {
        "symbol": match.symbol,
        "ticker": match.symbol,
        "full_name": full_name(match.symbol, match.exchange),
        "description": match.name or match.symbol,
        "exchange": match.exchange or "",
        "type": kind_of(match.symbol, match.type),
    }


def symbol_told(
    quote: BoardQuote,
    company: CompanyInfo | None,
    *,
    zone_name: str,
    zone: tzinfo,
    days: Collection[int],
    has_bars: bool,
) -> Told:
    """What is told of a symbol; `days` are the days of the week on which it was traded lately, 1 for Monday."""
    exchange = quote.exchange or ""
    opens_at = company.market_opens_at if company is not None else None
    closes_at = company.market_closes_at if company is not None else None
    hours = None if opens_at is None or closes_at is None else (opens_at, closes_at)
    return {
        "name": quote.symbol,
        "ticker": quote.symbol,
        "full_name": full_name(quote.symbol, quote.exchange),
        "description": quote.name or (company.name if company is not None else None) or quote.symbol,
        "type": kind_of(quote.symbol, company.type if company is not None else None),
        "exchange": exchange,
        "listed_exchange": exchange,
        "session": session_of(hours, zone, days),
        # The library has no zone of the name UTC.
        "timezone": "Etc/UTC" if zone_name == "UTC" else zone_name,
        "currency_code": quote.currency or "",
        "format": "price",
        "minmov": 1,
        "minmove2": 0,
        "pricescale": 10 ** shown_digits(quote),
        "has_intraday": has_bars,
        "intraday_multipliers": _INTRADAY,
        "has_daily": has_bars,
        "has_weekly_and_monthly": has_bars,
        "supported_resolutions": list(SUPPORTED),
        "volume_precision": 0,
        "data_status": "delayed_streaming" if quote.delay_seconds else "streaming",
    }


def session_of(hours: tuple[int, int] | None, zone: tzinfo, days: Collection[int]) -> str:
    """The hours of trading: 0930-1600, with the days of the week where they are not Monday to Friday; 24x7 for always.

    TradingView counts the days of the week from 1 for Sunday, and takes hours that end before they begin for those of a
    night that belongs to the day after.
    """
    if hours is None:
        return "24x7"
    opens_at, closes_at = hours
    is_all_day = closes_at - opens_at >= _ALL_DAY_MS
    if is_all_day and {6, 7} <= set(days):
        return "24x7"
    opens, closes = (datetime.fromtimestamp(moment / 1000, zone).strftime("%H%M") for moment in hours)
    session = f"{opens}-{opens if is_all_day else closes}"
    if not {6, 7} & set(days):
        return session
    return session + ":" + "".join(str(day) for day in sorted(day % 7 + 1 for day in days))
