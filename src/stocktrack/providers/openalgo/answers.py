"""Reads what OpenAlgo says, by REST and in its stream: JSON in, our values out, without any I/O.

OpenAlgo hands on what some forty brokers tell it, so nothing here is trusted, and much is taken in more than one form:
its pages and its program name things differently, and times come in seconds, milliseconds and as texts. What is not
known is a zero there. It says "Symbol … not found" of a symbol that it does not have; nothing else counts as that.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from typing import Any, Final

from stocktrack.errors import ProviderError, Reason, SourceUnusable
from stocktrack.providers.keys import KeyOf
from stocktrack.providers.openalgo.symbols import Listing, listing_named
from stocktrack.providers.reading import DAY_MS, is_time, number, objects, text
from stocktrack.quotes import MarketState, Match, Quote, TradingDay, change_since, clean_text, may_be_negative
from stocktrack.segments import CONTRACTS, FUTURE, INDICES, OPTIONS

MAX_TEXT_CHARS = 160
PROVIDER: Final = "openalgo"
CURRENCY: Final = "INR"
# A wrong key counts against whoever sends it, and at a hundred a day OpenAlgo may shut an address out for ever.
REFUSED_KEY_RETRY_MS: Final = 1_800_000
NOBODY_LOGGED_IN_RETRY_MS: Final = 60_000
KEY: Final = KeyOf(PROVIDER, "OpenAlgo", "OpenAlgo shows it in its menu, under API Key")

_MINUTE_MS: Final = 60_000
_INDIA_AHEAD_MS: Final = 330 * _MINUTE_MS
_INDIA: Final = timezone(timedelta(minutes=330))
# Trading in India begins at nine and ends before midnight. A previous close that was told after half past eight is that
# of the day; of one that was told in the night, who can say.
_DAY_BEGINS_MS: Final = 510 * _MINUTE_MS
_MAX_AHEAD_MS: Final = 5 * _MINUTE_MS

_UNKNOWN_SYMBOL = re.compile(
    r"\b(?:symbol|scrip)\b.*\b(?:not found|does not exist|doesn't exist)"
    r"|\b(?:invalid|unknown|no such|not found for) (?:symbol|scrip)\b",
    re.IGNORECASE | re.DOTALL,
)
_NO_SUCH_EXCHANGE = re.compile(r"\binvalid exchange\b|\bmust be one of\b", re.IGNORECASE)

_PRICES = ("ltp", "last_price", "last_traded_price", "lp")
_PREVIOUS_CLOSES = ("prev_close", "previous_close", "prevclose")
_CLOSES = ("close", "close_price")
_OPENS, _HIGHS, _LOWS = ("open", "open_price"), ("high", "high_price"), ("low", "low_price")
_VOLUMES = ("volume", "volume_traded", "total_volume")
_BIDS, _ASKS = ("bid", "bid_price", "best_bid"), ("ask", "ask_price", "best_ask")
_CHANGES, _PERCENTS = ("change", "net_change"), ("change_percent", "percent_change", "change_per")
# The market's own first. `timestamp` is the broker's, or the clock of OpenAlgo's machine.
_TIMES = ("ltt", "last_trade_time", "last_traded_time", "exchange_timestamp", "timestamp")


@dataclass(frozen=True, slots=True)
class Refused:
    """What OpenAlgo said instead of a quote."""

    text: str

    @property
    def is_unknown(self) -> bool:
        """Whether it has no such symbol, in so many words."""
        return _UNKNOWN_SYMBOL.search(self.text) is not None

    @property
    def is_other_exchange(self) -> bool:
        """Whether this OpenAlgo, perhaps an older one, does not have the exchange."""
        return _NO_SUCH_EXCHANGE.search(self.text) is not None


@dataclass(frozen=True, slots=True)
class Heard:
    """What a quote is made of beside what is said of it."""

    symbol: str
    listing: Listing
    received_at: int
    market_state: MarketState


@dataclass(frozen=True, slots=True)
class Tick:
    """What a message of the stream says of one symbol."""

    listing: Listing
    data: Mapping[str, Any] = field(repr=False)


def read_single(payload: Any) -> Mapping[str, Any] | Refused:
    """The row in the answer to a question of one symbol, or what stands there instead."""
    answer = _object(payload)
    data = answer.get("data")
    if answer.get("status") == "error" or not isinstance(data, dict):
        return Refused(complaint_of(answer))
    return data


def read_quotes(payload: Any) -> Mapping[Listing, Mapping[str, Any] | Refused] | Refused:
    """What was said of each symbol of a question of many: its row, or what stands there instead."""
    answer = _object(payload)
    results = answer.get("results")
    if not isinstance(results, list):
        results = answer.get("data")
    said: dict[Listing, Mapping[str, Any] | Refused] = {}
    for result in [*objects(results), *objects(answer.get("invalid_symbols"))]:
        listing = _listing(result)
        if listing is not None:
            data = result.get("data")
            if isinstance(data, dict) and not result.get("error"):
                said[listing] = data
            elif _price(result, listing) is not None:
                said[listing] = result  # flat
            else:
                said[listing] = Refused(complaint_of(result))
    return said if said or isinstance(results, list) else Refused(complaint_of(answer))


def read_row(row: Mapping[str, Any], heard: Heard) -> Quote | None:
    """The quote in a row of REST; None where there is no price."""
    return _quote(row, heard, _price(row, heard.listing, _PREVIOUS_CLOSES))


def read_tick(data: Mapping[str, Any], heard: Heard, known: Quote | None) -> Quote | None:
    """The quote in the data of a message of the stream; None where there is no price.

    `known` is the last quote by REST. What the stream calls `close` is the previous close with most brokers, and the
    newest price with some: where REST has told the former on the same day, that one is taken; else a `close` at
    the price itself is left out.
    """
    if known is not None and trading_date(known.received_at) != trading_date(heard.received_at):
        known = None
    previous_close = _price(data, heard.listing, _PREVIOUS_CLOSES)
    if previous_close is None and known is not None:
        previous_close = known.previous_close
    if previous_close is None:
        close = _price(data, heard.listing, _CLOSES)
        previous_close = close if close != _price(data, heard.listing) else None
    quote = _quote(data, heard, previous_close)
    return quote if quote is None or known is None else _completed(quote, known)


def ticks_in(message: Mapping[str, Any]) -> Iterator[Tick]:
    """The symbols that a message has prices of, each with its data.

    The program sends symbol and exchange beside the data, its pages show them within it, or in a topic.
    """
    data = message.get("data", message)
    for row in data if isinstance(data, list) else [data]:
        if isinstance(row, dict):
            listing = _listing(row) or _listing(message)
            if listing is not None:
                yield Tick(listing, row)


def read_matches(payload: Any, limit: int) -> list[Match] | Refused:
    """At most `limit` symbols that a search found, in OpenAlgo's order, of the exchanges that it is asked for here."""
    answer = _object(payload)
    found = answer.get("data")
    if answer.get("status") == "error" or not isinstance(found, list):
        return Refused(complaint_of(answer))
    matches: dict[str, Match] = {}
    for row in objects(found):
        listing = _listing(row)
        if listing is not None and listing.symbol not in matches:
            matches[listing.symbol] = _match(row, listing)
            if len(matches) == limit:
                break
    return list(matches.values())


def _match(row: Mapping[str, Any], listing: Listing) -> Match:
    kind, strike, lot = _kind(listing), _number(row.get("strike")), _number(row.get("lotsize"))
    return Match(
        symbol=listing.symbol,
        name=text(row.get("name")),
        exchange=listing.exchange,
        segment=listing.exchange,
        expiry=_expiry(row.get("expiry")) if listing.exchange in CONTRACTS else None,
        # Of what is no option some brokers tell a strike below zero.
        strike=strike if kind in OPTIONS and strike is not None and strike > 0 else None,
        type=kind,
        lot=int(lot) if lot is not None and lot >= 1 else None,
    )


def _kind(listing: Listing) -> str | None:
    """What it is, by its ending: the brokers have words of their own for it, such as OPTIDX and AMXIDX."""
    if listing.exchange in INDICES:
        return "IDX"
    if listing.exchange not in CONTRACTS:
        return "EQ"
    return next((kind for kind in (FUTURE, *OPTIONS) if listing.name.endswith(kind)), None)


def _expiry(value: Any) -> date | None:
    """The date in a text such as 25-AUG-26."""
    for written in ("%d-%b-%y", "%d-%b-%Y", "%d%b%y", "%Y-%m-%d") if isinstance(value, str) else ():
        with contextlib.suppress(ValueError):
            return datetime.strptime(value.strip(), written).date()  # noqa: DTZ007 - a date has no zone
    return None


def complaint_of(message: Mapping[str, Any]) -> str:
    """The text of what is wrong, cleaned; empty where there is none."""
    for name in ("error", "message", "errors"):
        value = message.get(name)
        if value:
            # Of a field that is wrong, the message is an object of lists.
            return clean_text(value if isinstance(value, str) else str(value), MAX_TEXT_CHARS)
    return ""


def refused_key() -> SourceUnusable:
    """The error where OpenAlgo does not know the key."""
    return KEY.refused(retry_after_ms=REFUSED_KEY_RETRY_MS)


def nobody_logged_in() -> SourceUnusable:
    """The error where OpenAlgo knows the key and has no broker to ask."""
    return SourceUnusable(
        "OpenAlgo is not logged in to its broker: log in there, as has to be done each trading day.",
        retry_after_ms=NOBODY_LOGGED_IN_RETRY_MS,
    )


def india_date(time_ms: int) -> date:
    """The date in India."""
    return datetime.fromtimestamp(time_ms / 1000, _INDIA).date()


def trading_date(time_ms: int) -> int:
    """The trading day, which begins at half past eight in India, as a number that is another one each day."""
    return (time_ms + _INDIA_AHEAD_MS - _DAY_BEGINS_MS) // DAY_MS


def read_timings(payload: Any, day: date) -> Mapping[str, TradingDay]:
    """When each exchange trades on `day`; those that are closed are left out.

    OpenAlgo takes midnight to be that of its machine, which may be set to another zone: then none of it is believed.
    """
    answer = _object(payload)
    if not isinstance(answer.get("data"), list):
        raise ProviderError(Reason.PROVIDER_ERROR, "OpenAlgo's answer holds no list of timings.")
    midnight_ms = int(datetime.combine(day, time(), _INDIA).timestamp() * 1000)
    timings: dict[str, TradingDay] = {}
    for row in objects(answer["data"]):
        exchange, opens_at, closes_at = (
            row.get("exchange"),
            _number(row.get("start_time")),
            _number(row.get("end_time")),
        )
        if not isinstance(exchange, str) or opens_at is None or closes_at is None:
            continue
        if not midnight_ms + _DAY_BEGINS_MS <= opens_at < closes_at <= midnight_ms + DAY_MS:
            raise ProviderError(Reason.PROVIDER_ERROR, "OpenAlgo's timings are of another time zone than India's.")
        timings[exchange] = TradingDay(opens_at=int(opens_at), closes_at=int(closes_at))
    return timings


def _quote(row: Mapping[str, Any], heard: Heard, previous_close: float | None) -> Quote | None:
    listing = heard.listing
    price = _price(row, listing)
    if price is None:
        return None
    change, change_percent = _number(_first(row, _CHANGES)), _number(_first(row, _PERCENTS))
    if previous_close is not None:
        change, change_percent = change_since(previous_close, price)
    volume = _number(_first(row, _VOLUMES))
    return Quote(
        symbol=heard.symbol,
        price=price,
        currency=CURRENCY,
        change=change,
        change_percent=change_percent,
        previous_close=previous_close,
        open=_price(row, listing, _OPENS),
        high=_price(row, listing, _HIGHS),
        low=_price(row, listing, _LOWS),
        # An index is not traded: its volume is a zero.
        volume=int(volume) if volume is not None and volume > 0 else None,
        bid=_price(row, listing, _BIDS) or _best(row, listing, "buy"),
        ask=_price(row, listing, _ASKS) or _best(row, listing, "sell"),
        exchange=listing.exchange,
        market_state=heard.market_state,
        timestamp=_time_in(row, heard.received_at),
        received_at=heard.received_at,
        provider=PROVIDER,
        delay_seconds=0,
        price_hint=listing.decimals,
    )


def _completed(quote: Quote, known: Quote) -> Quote:
    """`quote` with the day's figures of `known` where a broker streams none."""
    given = {
        "open": known.open,
        "high": None if known.high is None else max(known.high, quote.price),
        "low": None if known.low is None else min(known.low, quote.price),
    }
    missing = {name: value for name, value in given.items() if value is not None and getattr(quote, name) is None}
    return quote.model_copy(update=missing) if missing else quote


def _price(row: Mapping[str, Any], listing: Listing, names: Sequence[str] = _PRICES) -> float | None:
    """The price under one of `names`. A zero is how brokers write that there is none, also of an index or a future."""
    price = _number(_first(row, names))
    return price if price and (price > 0 or may_be_negative(listing.symbol)) else None


def _best(row: Mapping[str, Any], listing: Listing, side: str) -> float | None:
    """The best offer of the order book, which comes first."""
    depth = row.get("depth")
    offers = depth.get(side) if isinstance(depth, dict) else None
    best = offers[0] if isinstance(offers, list) and offers else None
    return _price(best, listing, ("price",)) if isinstance(best, dict) else None


def _time_in(row: Mapping[str, Any], now_ms: int) -> int | None:
    """The market's time; the first that can be one.

    Some brokers tell the clock of India as if it were UTC, which lies in the future, and some the date alone, which is
    the midnight before: neither is the time of a price.
    """
    for name in _TIMES:
        time_ms = _milliseconds(row.get(name))
        if time_ms is None or not is_time(time_ms, now_ms, ahead_ms=_MAX_AHEAD_MS):
            continue
        if (time_ms + _INDIA_AHEAD_MS) % DAY_MS:
            return time_ms
    return None


def _milliseconds(value: Any) -> int | None:
    """The moment in a number of seconds, milli-, micro- or nanoseconds, or in a text with its zone; else None."""
    if isinstance(value, str) and _number(value) is None:
        try:
            moment = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
        # Without a zone it is that of the broker, of OpenAlgo's machine, or of India.
        return None if moment.tzinfo is None else int(moment.timestamp() * 1000)
    told = _number(value)
    if told is None or told <= 0:
        return None
    for limit, factor in ((1e11, 1000.0), (1e14, 1.0), (1e17, 1e-3), (1e20, 1e-6)):
        if told < limit:
            return int(told * factor)
    return None


def _listing(row: Mapping[str, Any]) -> Listing | None:
    """The symbol that `row` names: with its exchange beside it, before a colon, or in a topic such as RELIANCE.NSE."""
    symbol, exchange, topic = row.get("symbol"), row.get("exchange"), row.get("topic")
    if isinstance(symbol, str) and isinstance(exchange, str) and ":" not in symbol:
        return listing_named(exchange, symbol)
    for written in (symbol, topic):
        if isinstance(written, str):
            before, colon, name = written.partition(":")
            if colon:
                return listing_named(before, name)
            name, _, after = written.rpartition(".")
            if (listing := listing_named(after, name)) is not None:
                return listing
    return None


def _object(payload: Any) -> Mapping[str, Any]:
    if not isinstance(payload, dict):
        raise ProviderError(Reason.PROVIDER_ERROR, "OpenAlgo's answer is no JSON object.")
    return payload


def _first(row: Mapping[str, Any], names: Sequence[str]) -> Any:
    for name in names:
        value = row.get(name)
        if value is not None:
            return value
    return None


def _number(value: Any) -> float | None:
    """The finite number in `value`, which some brokers write as a text."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return number(float(value))
    return number(value)
