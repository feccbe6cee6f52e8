"""What is known of each symbol's day: the figures that REST told, and the trades of the stream since; pure.

A trade has neither a change nor a previous close, and REST is asked seldom for what streams. So each quote that is made
here is the latest trade on the latest figures, as far as both are of one day. Where the market is known to be before or
after its regular hours, a share's trades are prices of those hours, and the regular price stays.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from stocktrack.clock import Clock
from stocktrack.providers.finnhub.answers import currency_of, decimals_of, state_of
from stocktrack.providers.finnhub.symbols import is_us
from stocktrack.providers.reading import DAY_MS
from stocktrack.quotes import MarketState, Quote, change_since

MAX_SYMBOLS = 1_000
# The market's state is asked for every minute. What is older than this is no longer known.
STATE_SECONDS = 200.0
# New York's trading, early and late hours included, is within one day at five hours from Greenwich, summer or winter.
_NEW_YORK_MS = -5 * 3_600_000
_EXTENDED = frozenset({MarketState.PRE, MarketState.POST})


class Trade(NamedTuple):
    """The price of a trade, and the market's time of it, or None where that makes no sense."""

    price: float
    at: int | None


@dataclass(slots=True)
class _Day:
    figures: Quote | None = None
    trade: Trade | None = None  # the last one that made the regular price
    late: Trade | None = None  # the last one before or after the regular hours
    high: float = 0.0  # of the trades since the figures
    low: float = float("inf")
    newest_at: int = 0


class Days:
    """The days of the symbols that were asked for or traded lately."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._days: dict[str, _Day] = {}
        self._us_market = MarketState.UNKNOWN
        self._told_at = float("-inf")

    def tell_market(self, state: MarketState) -> None:
        """Note where the US market is in its day."""
        self._us_market, self._told_at = state, self._clock.monotonic()

    def state(self, symbol: str) -> MarketState:
        """Where the symbol's market is in its day."""
        is_known = self._clock.monotonic() - self._told_at <= STATE_SECONDS
        return state_of(symbol, self._us_market if is_known else MarketState.UNKNOWN)

    def renew(self, figures: Quote) -> Quote:
        """The quote with new `figures` of REST: a trade that is newer than they are stays its price."""
        day = self._of(figures.symbol)
        day.figures, day.high, day.low = figures, 0.0, float("inf")
        day.newest_at = max(day.newest_at, figures.timestamp or 0)
        return self._quote(figures.symbol, day) or figures

    def trade(self, symbol: str, trades: Iterable[Trade]) -> Quote | None:
        """The quote after `trades`, in the order in which they came; None where none of them is news.

        What is older than what is known says nothing of now, and neither does the last trade when it comes once more:
        a stream that repeats itself is mute.
        """
        day = self._of(symbol)
        is_late = is_us(symbol) and self.state(symbol) in _EXTENDED
        is_new = False
        for trade in trades:
            if trade == (day.late if is_late else day.trade):
                continue
            if trade.at is not None:
                if trade.at < day.newest_at:
                    continue
                day.newest_at = trade.at
            is_new = True
            if is_late:
                day.late = trade
            else:
                day.trade = trade
                day.high, day.low = max(day.high, trade.price), min(day.low, trade.price)
        return self._quote(symbol, day) if is_new else None

    def _of(self, symbol: str) -> _Day:
        day = self._days.pop(symbol, None) or _Day()
        if len(self._days) >= MAX_SYMBOLS:
            del self._days[next(iter(self._days))]
        self._days[symbol] = day  # the one used last stands last
        return day

    def _quote(self, symbol: str, day: _Day) -> Quote | None:
        """The quote of what is known; None where a late trade is all."""
        state, now_ms = self.state(symbol), self._clock.now_ms()
        figures, trade = day.figures, day.trade
        if figures is None:
            return None if trade is None else _alone(symbol, trade, state, now_ms)
        changes: dict[str, Any] = {"market_state": state, "received_at": now_ms}
        price, told_at = figures.price, figures.timestamp
        if trade is not None and _is_newer(trade, told_at):
            changes |= _traded(symbol, figures, day, trade, now_ms)
            price, told_at = trade
        late = day.late
        is_of_today = late is not None and _day_of(symbol, late.at or now_ms) == _day_of(symbol, now_ms)
        if late is not None and is_of_today and state is not MarketState.OPEN and _is_newer(late, told_at):
            changes |= _extended(price, late)
        return figures.model_copy(update=changes)


def _traded(symbol: str, figures: Quote, day: _Day, trade: Trade, now_ms: int) -> Mapping[str, Any]:
    """What a trade that is newer than the figures changes of them."""
    traded_on = _day_of(symbol, trade.at or now_ms)
    changes: dict[str, Any] = {"price": trade.price, "timestamp": trade.at}
    if _day_of(symbol, figures.timestamp or figures.received_at) == traded_on:
        previous_close = figures.previous_close
        changes["high"] = None if figures.high is None else max(figures.high, day.high, trade.price)
        changes["low"] = None if figures.low is None else min(figures.low, day.low, trade.price)
    else:
        # Asked on this day, REST still told the last price of another: that is the close before this one.
        is_close = _day_of(symbol, figures.received_at) == traded_on
        previous_close = figures.price if is_close else None
        changes |= {"previous_close": previous_close, "open": None, "high": None, "low": None}
    change, percent = (None, None) if previous_close is None else change_since(previous_close, trade.price)
    hint = decimals_of(symbol, trade.price)
    return {**changes, "change": change, "change_percent": percent, "price_hint": hint}


def _alone(symbol: str, trade: Trade, state: MarketState, now_ms: int) -> Quote:
    return Quote(
        symbol=symbol,
        price=trade.price,
        currency=currency_of(symbol),
        market_state=state,
        timestamp=trade.at,
        received_at=now_ms,
        provider="finnhub",
        price_hint=decimals_of(symbol, trade.price),
    )


def _extended(regular: float, late: Trade) -> Mapping[str, Any]:
    change, percent = change_since(regular, late.price)
    return {
        "extended_price": late.price,
        "extended_change": change,
        "extended_change_percent": percent,
        "extended_time": late.at,
    }


def _is_newer(trade: Trade, told_at: int | None) -> bool:
    """Whether the trade is newer than what was told of that time; one without a time is taken for what came last."""
    return trade.at is None or told_at is None or trade.at >= told_at


def _day_of(symbol: str, milliseconds: int) -> int:
    """The number of the day on which the symbol's market was at that time."""
    return (milliseconds + (_NEW_YORK_MS if is_us(symbol) else 0)) // DAY_MS
