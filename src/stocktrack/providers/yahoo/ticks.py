"""What the ticks of Yahoo's streamer mean, and what a quote becomes by one; pure.

A tick is little and in float32: no name and often no close, and in its format (proto3) what is absent reads as 0. So
each is laid over what is known of its symbol, from the last poll and the ticks since: what is published is whole.
"""

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from stocktrack.providers.reading import is_time, text
from stocktrack.quotes import MarketState, Quote, change_since

# Beyond this the clocks of Yahoo and of this machine differ by more than clocks do.
MAX_AHEAD_MS = 60_000
_DEFAULT_DECIMALS = 2
_MOST_DECIMALS = 9


class Kind(IntEnum):
    """Of Yahoo's `quote_type` those that matter here."""

    NONE = 0
    HEARTBEAT = 7
    INDEX = 9
    MUTUAL_FUND = 11
    CURRENCY = 14
    FUTURE = 18
    COIN = 41


class Hours(IntEnum):
    """Yahoo's `market_hours`; absent reads as `PRE`."""

    PRE = 0
    REGULAR = 1
    POST = 2
    EXTENDED = 3


# As with polled prices: what nobody owns a piece of may be below zero.
_MAY_BE_NEGATIVE: Final = frozenset({Kind.FUTURE, Kind.INDEX})
# They have no hours before or after the regular ones, so that a tick without hours is a regular one.
_HAVE_REGULAR_HOURS_ONLY: Final = frozenset({Kind.COIN, Kind.CURRENCY, Kind.FUTURE, Kind.INDEX, Kind.MUTUAL_FUND})
_TRADED_BY_NO_EXCHANGE: Final = frozenset({Kind.COIN, Kind.CURRENCY})
_HOURS: Final = {int(hours): hours for hours in Hours}
_NO_EXTENDED: Final = dict.fromkeys(
    ("extended_price", "extended_change", "extended_change_percent", "extended_time"),
)
_NO_DAY: Final = dict.fromkeys(("open", "high", "low", "volume"))


@dataclass(frozen=True, slots=True)
class Tick:
    """One message of the streamer: prices without the noise of float32, texts as they came, None where it is silent."""

    symbol: str
    price: float
    time: int
    hours: int = Hours.REGULAR
    kind: int = Kind.NONE
    change: float | None = None
    previous_close: float | None = None
    open: float | None = None
    high: float | None = None
    low: float | None = None
    volume: int | None = None
    bid: float | None = None
    ask: float | None = None
    currency: str = ""
    exchange: str = ""
    name: str = ""
    decimals: int | None = None


def read_tick(pricing: Any) -> Tick | None:
    """The tick in a `PricingData` of yfinance; None where it holds no price, as a heartbeat does."""
    kind, decimals = pricing.quote_type, pricing.price_hint
    hint = decimals if 0 < decimals <= _MOST_DECIMALS else None

    def money(value: float) -> float | None:
        if value == 0 or not math.isfinite(value) or (value < 0 and kind not in _MAY_BE_NEGATIVE):
            return None
        return shortest(value, _DEFAULT_DECIMALS if hint is None else hint)

    price = money(pricing.price)
    if price is None or kind == Kind.HEARTBEAT or not pricing.id:
        return None
    change = pricing.change
    return Tick(
        symbol=pricing.id.upper(),
        price=price,
        time=pricing.time,
        hours=pricing.market_hours,
        kind=kind,
        change=change if change != 0 and math.isfinite(change) else None,
        previous_close=money(pricing.previous_close),
        open=money(pricing.open_price),
        high=money(pricing.day_high),
        low=money(pricing.day_low),
        volume=pricing.day_volume if pricing.day_volume > 0 else None,
        bid=money(pricing.bid),
        ask=money(pricing.ask),
        currency=pricing.currency,
        exchange=pricing.exchange,
        name=pricing.short_name,
        decimals=hint,
    )


def shortest(value: float, decimals: int) -> float:
    """`value`, a float32, with as few decimals, from `decimals` on, as leave it the same: 189.45 for 189.4499969."""
    single = struct.pack("<f", value)
    for places in range(decimals, _MOST_DECIMALS + 1):
        rounded = round(value, places)
        if struct.pack("<f", rounded) == single:
            return rounded
    return value


def is_timely(tick: Tick, now_ms: int) -> bool:
    """Whether a tick says when it was, in a way that can be: of one that does not nobody knows if it is the newest."""
    return is_time(tick.time, now_ms, ahead_ms=MAX_AHEAD_MS)


def whole_quote(tick: Tick, now_ms: int) -> Quote | None:
    """The quote of a tick of a symbol of which nothing is known; None where it says too little to stand alone.

    It takes a currency, and regular hours in so many words.
    """
    currency = text(tick.currency)
    if currency is None or tick.hours != Hours.REGULAR:
        return None
    empty = Quote(
        symbol=tick.symbol,
        price=tick.price,
        currency=currency,
        volume_currency=currency if tick.kind == Kind.COIN and tick.volume is not None else None,
        name=text(tick.name),
        exchange=text(tick.exchange),
        price_hint=tick.decimals,
        received_at=now_ms,
        provider="yahoo",
    )
    return empty.model_copy(update=_regular(empty, tick, tick.time))


def later_quote(known: Quote, polled_at: int, tick: Tick, now_ms: int) -> Quote | None:
    """`known` with what `tick` says; None where it says nothing newer, or not of which part of the day.

    `polled_at` (our time) is when the market's state in `known` was asked for: an older tick does not change it.
    """
    hours = _hours(known, tick)
    if hours is None or _is_older(tick, known.timestamp, now_ms):
        return None
    if hours is Hours.REGULAR:
        changes = _regular(known, tick, polled_at)
    elif not _is_older(tick, known.extended_time, now_ms):
        changes = _extended(known, tick, hours, polled_at)
    else:
        return None
    # What is laid over it are numbers that were checked when the tick was read.
    return known.model_copy(update={**changes, "received_at": now_ms})


def _is_older(tick: Tick, time: int | None, now_ms: int) -> bool:
    """Whether what is known is newer than the tick; a time that has not come yet shows nothing."""
    return time is not None and tick.time < time <= now_ms + MAX_AHEAD_MS


def _hours(known: Quote, tick: Tick) -> Hours | None:
    """In which part of the day a tick was; None where that cannot be told.

    `PRE` is what an absent value reads as, so it is believed where the last poll found the early hours too.
    """
    if tick.kind in _HAVE_REGULAR_HOURS_ONLY:
        return Hours.REGULAR
    if tick.hours != Hours.PRE:
        return _HOURS.get(tick.hours)
    match known.market_state:
        case MarketState.OPEN:
            return Hours.REGULAR
        case MarketState.PRE:
            return Hours.PRE
        case _:
            return None


def _extended(known: Quote, tick: Tick, hours: Hours, polled_at: int) -> dict[str, Any]:
    """A price before or after the regular hours: the regular one, its time and its change stay."""
    change, percent = change_since(known.price, tick.price)
    state = MarketState.POST if hours is Hours.POST and tick.time >= polled_at else known.market_state
    return {
        "extended_price": tick.price,
        "extended_change": change,
        "extended_change_percent": percent,
        "extended_time": tick.time,
        "market_state": state,
    }


def _regular(known: Quote, tick: Tick, polled_at: int) -> dict[str, Any]:
    """A price of the regular hours, and what it makes of the day."""
    price = tick.price
    previous_close = _previous_close(known, tick)
    # On another day than that of the poll its opening, range and volume are over.
    is_new_day = known.previous_close is not None and previous_close != known.previous_close
    day = known.model_copy(update=_NO_DAY) if is_new_day else known
    change, percent = change_since(previous_close, price) if previous_close is not None else (None, None)
    volume = tick.volume if tick.volume is not None else day.volume
    if tick.kind != Kind.COIN and volume is not None and day.volume is not None:
        volume = max(volume, day.volume)  # a coin's is that of 24 hours
    state = known.market_state
    if tick.hours == Hours.REGULAR and tick.time >= polled_at:
        state = MarketState.OPEN
    return {
        "price": price,
        "timestamp": tick.time,
        "previous_close": previous_close,
        "change": change,
        "change_percent": percent,
        "open": tick.open if tick.open is not None else day.open,
        "high": _furthest(max, price, tick.high, day.high),
        "low": _furthest(min, price, tick.low, day.low),
        "volume": volume,
        "bid": tick.bid if tick.bid is not None else known.bid,
        "ask": tick.ask if tick.ask is not None else known.ask,
        "market_state": state,
        # A late print of the closing leaves what was traded after it.
        **({} if known.extended_time is not None and tick.time < known.extended_time else _NO_EXTENDED),
    }


def _furthest(choose: Callable[..., float], price: float, *told: float | None) -> float | None:
    """An end of the day's range, which the price is within; None where there is none to begin with."""
    known = [value for value in told if value is not None]
    return choose(price, *known) if known else None


def _previous_close(known: Quote, tick: Tick) -> float | None:
    """The close that the day's change is counted from: the one that was polled, which is exact, while it is that day.

    The first tick of another day shows another one, in so many words or by its change; of a future, which is traded
    day and night, nothing else shows it. A coin's change is that of 24 hours and shows nothing, and of coins and
    currencies no exchange says where a day ends: while their market is open the poll is believed.
    """
    polled, close = known.previous_close, tick.previous_close
    if polled is not None and tick.kind in _TRADED_BY_NO_EXCHANGE and known.market_state is MarketState.OPEN:
        return polled
    decimals = tick.decimals or known.price_hint or _DEFAULT_DECIMALS
    if close is None and tick.change is not None and tick.kind != Kind.COIN:
        close = round(tick.price - tick.change, decimals)
    noise = max(10.0**-decimals, abs(tick.price) * 2.0**-22)
    return polled if close is None or (polled is not None and abs(close - polled) <= noise) else close
