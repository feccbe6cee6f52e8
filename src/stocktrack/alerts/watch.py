"""All alerts of one symbol, and what a price does to them; no I/O.

A price is held against the one before it. The first price that is ever seen of a symbol fires no crossing: it is what
the next one is held against. A stale price is no price, and is never shown to a watch.
"""

import heapq
import math
from collections import deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Final

from stocktrack.alerting import AlertState
from stocktrack.alerts.conditions import PERCENT, PRICE, VOLUME, LiveAlert
from stocktrack.alerts.ladder import Ladder
from stocktrack.alerts.window import Window
from stocktrack.messages import BoardQuote
from stocktrack.quotes import MarketState, may_be_negative
from stocktrack.storage.alerts import PriceBefore

# Two prices that so much time lies between had others between them that nobody saw.
_GAP_MS: Final = 900_000
# A previous close that is so far from the last price of that day was corrected: shares were split, most likely. Of a
# source that tells no close the price alone shows it, which moves more by itself.
_FAR_FROM_CLOSE, _FAR_FROM_PRICE = 1.04, 1.2
_ROUNDED_PERCENT: Final = 1e-6
# So many prices are kept while it is not known whether there was a split.
_MOST_HELD: Final = 10_000
# So many removed alerts are left among those that rest before they are looked for.
_MOST_REMOVED_COOLING: Final = 100


@dataclass(frozen=True, slots=True)
class Triggered:
    """An alert whose condition began to hold: `measured` by its quantity, and the price that it is measured `since`."""

    alert: LiveAlert
    measured: float
    since: float | None


@dataclass(slots=True)
class Step:
    """What a price did: `armed` are the alerts whose condition has stopped holding after they had fired."""

    quote: BoardQuote
    before: PriceBefore | None = None  # where anything is triggered
    triggered: list[Triggered] = field(default_factory=list)
    armed: list[LiveAlert] = field(default_factory=list)
    has_moved: bool = False  # whether any alert waits for something else now


class SymbolWatch:
    """The alerts of `symbol`. `before` is the last price that they were held against, None where there was none.

    `is_seen` says that this process saw it. Of a price only what is needed is kept: to hold on to whole quotes makes
    each price cost half as much again, since their memory is not used again at once.
    """

    __slots__ = (
        *("_asked_close", "_close", "_cooling", "_currency", "_held", "_high", "_high_volume", "_ladders"),
        *("_looks_at", "_low", "_low_volume", "_of_quantity", "_price", "_received_at", "_state", "_timestamp"),
        *("_unplaced", "_windows", "alerts", "is_seen", "symbol"),
    )

    def __init__(self, symbol: str, before: PriceBefore | None) -> None:
        self.symbol = symbol
        self.is_seen = False
        self._price = None if before is None else before.price
        self._timestamp = None if before is None else before.timestamp
        self._received_at = 0 if before is None else before.received_at
        self._state: str = MarketState.UNKNOWN if before is None else before.market_state
        self.alerts: dict[int, LiveAlert] = {}
        # Prices that came while it is not known whether there was a split; None where nothing is waited for.
        self._held: deque[BoardQuote] | None = None
        self._close: float | None = None
        self._asked_close: float | None = None  # the close that looked like that of a split last
        self._currency: str | None = None
        self._ladders: dict[Hashable, Ladder] = {}
        self._windows: dict[Hashable, Window] = {}
        self._of_quantity: dict[Hashable, int] = {}  # how many alerts measure each
        self._unplaced: dict[int, LiveAlert] = {}  # crossings that know no price before
        # Alerts that may not fire again so soon, by when they may; some may have been removed meanwhile.
        self._cooling: list[tuple[int, int, LiveAlert]] = []
        self._bound()

    def add(self, alert: LiveAlert, reference: float | None) -> None:
        """Judge an alert from now on; `reference` is the price that a crossing is held against first."""
        self.alerts[alert.id] = alert
        self._of_quantity[alert.quantity] = self._of_quantity.get(alert.quantity, 0) + 1
        if alert.state is AlertState.HOLDING:
            self._place(alert, is_holding=True)
        elif not alert.is_crossing:
            self._place(alert, is_holding=False)
        elif reference is not None:
            self._place(alert, is_holding=alert.holds_at(reference))
        else:
            self._unplaced[alert.id] = alert
        self._bound()

    def remove(self, alert_id: int) -> None:
        """Judge an alert no more."""
        alert = self.alerts.pop(alert_id, None)
        if alert is None:
            return
        # Nothing here walks all alerts: thousands may fire by one price, and go.
        self._unplaced.pop(alert_id, None)
        if len(self._cooling) > 2 * len(self.alerts) + _MOST_REMOVED_COOLING:
            self._cooling = [each for each in self._cooling if self._is_judged(each[2])]
            heapq.heapify(self._cooling)
        quantity = alert.quantity
        self._of_quantity[quantity] -= 1
        if (ladder := self._ladders.get(quantity)) is not None:
            ladder.remove(alert)
            self._tidy(quantity, ladder)
        if not self._of_quantity[quantity]:
            del self._of_quantity[quantity]
            self._windows.pop(quantity, None)
        self._bound()

    @property
    def before(self) -> PriceBefore | None:
        """The price that the next one is held against."""
        if self._price is None:
            return None
        return PriceBefore(self.symbol, self._price, self._timestamp, str(self._state), self._received_at)

    def know(self, before: PriceBefore) -> None:
        """Hold the next price against this one, where there was none so far."""
        if self._price is None:
            self._price, self._timestamp = before.price, before.timestamp
            self._received_at, self._state = before.received_at, before.market_state
            self._bound()

    def passes(self, quote: BoardQuote) -> bool:
        """Take the newest price where it touches nothing, as nearly all do; False where `look` has to be asked."""
        fields = quote.__dict__
        price, volume, received_at = fields["price"], fields["volume"], fields["received_at"]
        if not (self._low < price < self._high and fields["previous_close"] == self._close) or fields["stale"]:
            return False
        if volume is not None and not self._low_volume < volume < self._high_volume:
            return False
        currency = fields["currency"]
        if received_at >= self._looks_at or (currency is not None and currency != self._currency):
            return False
        self._price, self._timestamp = price, fields["timestamp"]
        self._received_at, self._state = received_at, fields["market_state"]
        return True

    def look(self, quote: BoardQuote) -> Step | None:
        """Take the newest price; None where it does nothing."""
        was = self._price, self._timestamp, self._state, self._received_at
        if self.is_seen and was[0] is not None:
            for window in self._windows.values():
                window.add(was[0], quote.received_at)
        self._see(quote)
        step = self._step(quote)
        if step is not None and step.triggered and was[0] is not None:
            _, timestamp, state, received_at = was
            step.before = PriceBefore(self.symbol, was[0], timestamp, str(state), received_at)
        self._bound()
        return step

    @property
    def is_holding_prices(self) -> bool:
        """Whether prices are kept until it is known whether there was a split."""
        return self._held is not None

    def may_be_split(self, quote: BoardQuote) -> bool:
        """Whether `quote` looks as if shares were split since the price before; told once of each previous close."""
        before, close_before = self.before, self._close
        close = self._close = quote.previous_close
        if before is None or before.price <= 0 or quote.price <= 0 or may_be_negative(self.symbol):
            return False
        if close is None or close_before is None:
            # A first look after a restart, or a source that tells no close.
            return _is_apart(before.price, quote.price, _FAR_FROM_PRICE) and is_gap(before, quote)
        if close in {close_before, self._asked_close} or close <= 0:
            return False  # two sources that take turns may each have a close of their own
        if not _is_apart(before.price, close, _FAR_FROM_CLOSE):
            return False
        self._asked_close = close
        return True

    def is_of_another_currency(self, quote: BoardQuote) -> bool:
        """Whether `quote` cannot be held against the price before: another source counts in pounds, not in pence."""
        return None not in {self._currency, quote.currency} and quote.currency != self._currency

    def change_currency(self, quote: BoardQuote) -> None:
        """Have `quote` as the price before, with each alert of prices on the side of it that it is on; none fires."""
        if (ladder := self._ladders.get(PRICE)) is not None:
            holding, others = ladder.step(quote.price)
            for alert in holding:
                self._place(alert, is_holding=True)
            for alert in others:
                self._place(alert, is_holding=False)
        self._close = quote.previous_close
        self.rebase(quote)
        self._bound()

    def clock_set_back(self) -> None:
        """Have alerts that rest look anew until when."""
        cooling, self._cooling = self._cooling, []
        for _, _, alert in cooling:
            if self._is_judged(alert):
                self._place(alert, is_holding=False)
        self._bound()

    def hold(self, quote: BoardQuote) -> None:
        """Keep a price, and those that follow, until `release`."""
        if self._held is None:
            self._held = deque(maxlen=_MOST_HELD)
        self._held.append(quote)
        self._looks_at = -math.inf

    def release(self) -> list[BoardQuote]:
        """The prices that were kept."""
        held, self._held = [*(self._held or ())], None
        self._bound()
        return held

    def rebase(self, quote: BoardQuote) -> None:
        """Have `quote` as the price before, and what was before it as forgotten: there was a split."""
        self._see(quote)
        for window in self._windows.values():
            window.clear()

    def _see(self, quote: BoardQuote) -> None:
        self._price, self._timestamp, self._state = quote.price, quote.timestamp, quote.market_state
        self._received_at = quote.received_at
        self._currency = quote.currency or self._currency
        self.is_seen = True

    def _step(self, quote: BoardQuote) -> Step | None:
        step = Step(quote)
        now_ms = quote.received_at
        while self._cooling and self._cooling[0][0] <= now_ms:
            rested = heapq.heappop(self._cooling)[2]
            if self._is_judged(rested):
                self._place(rested, is_holding=False)
        unplaced, self._unplaced = self._unplaced, {}
        for alert in unplaced.values():
            self._place(alert, is_holding=alert.holds_at(quote.price))
        for quantity, ladder in tuple(self._ladders.items()):
            measured, since = self._measure(quantity, quote)
            if measured is None or ladder.is_quiet(measured):
                continue
            step.has_moved = True
            triggered, stopped = ladder.step(measured)
            for alert in stopped:
                self._place(alert, is_holding=False)
                if alert.state is AlertState.HOLDING:
                    alert.state = AlertState.ARMED
                    step.armed.append(alert)
            for alert in triggered:
                rests_until = alert.rests_until(now_ms)
                if rests_until > now_ms and not alert.is_crossing:
                    heapq.heappush(self._cooling, (rests_until, alert.id, alert))
                    continue
                self._place(alert, is_holding=True)
                # A crossing in the cool-down is over when that ends: the next one counts.
                if rests_until <= now_ms and not alert.is_unwritten:
                    step.triggered.append(Triggered(alert, measured, since))
            self._tidy(quantity, ladder)
        return step if step.has_moved or unplaced else None

    def _measure(self, quantity: Hashable, quote: BoardQuote) -> tuple[float | None, float | None]:
        """The quantity, and the price that it is measured since; None each where there is none."""
        if quantity is PRICE:
            return quote.price, None
        if quantity is VOLUME:
            return quote.volume, None
        if quantity is PERCENT:
            close = quote.previous_close
            return (quote.change_percent, None) if close is None else (_percent(close, quote.price), close)
        assert isinstance(quantity, tuple)  # noqa: S101 - of minutes, and whether it is a rise
        since = self._windows[quantity].furthest(is_up=quantity[1])
        return (None, None) if since is None else (_percent(since, quote.price), since)

    def _place(self, alert: LiveAlert, *, is_holding: bool) -> None:
        quantity = alert.quantity
        ladder = self._ladders.get(quantity)
        if ladder is None:
            ladder = self._ladders[quantity] = Ladder()
            if isinstance(quantity, tuple) and quantity not in self._windows:
                self._windows[quantity] = Window(quantity[0])
        ladder.place(alert, is_holding=is_holding)

    def _tidy(self, quantity: Hashable, ladder: Ladder) -> None:
        """Drop a ladder that nothing stands on; its window stays as long as any alert may come back to it."""
        if not ladder:
            self._ladders.pop(quantity, None)

    def _is_judged(self, alert: LiveAlert) -> bool:
        return self.alerts.get(alert.id) is alert

    def _bound(self) -> None:
        """Note between which prices and volumes, and until when, nothing happens: `passes` is asked at each price."""
        self._low = self._low_volume = -math.inf
        self._high = self._high_volume = math.inf
        self._looks_at = self._cooling[0][0] if self._cooling else math.inf
        if self._windows or self._unplaced or self._held is not None:
            self._looks_at = -math.inf
        for quantity, ladder in self._ladders.items():
            low, high = ladder.quiet
            if quantity is VOLUME:
                self._low_volume, self._high_volume = low, high
            elif quantity is PRICE:
                self._low, self._high = max(self._low, low), min(self._high, high)
            elif quantity is PERCENT and (close := self._close):
                # What is rounded to six digits may lie on the other side of a value.
                self._low = max(self._low, close + abs(close) * (low + _ROUNDED_PERCENT) / 100)
                self._high = min(self._high, close + abs(close) * (high - _ROUNDED_PERCENT) / 100)
            else:
                self._looks_at = -math.inf
        price = self._price
        if self._close is None and price is not None and price > 0:
            # Of a source that tells no close it is the price that shows a split.
            self._low, self._high = max(self._low, price / _FAR_FROM_PRICE), min(self._high, price * _FAR_FROM_PRICE)


def is_gap(before: PriceBefore, quote: BoardQuote) -> bool:
    """Whether prices may have been there between two that nobody saw: a night, an outage, a restart."""
    return is_reopening(before, quote) or moment_of(quote) - moment_of(before) > _GAP_MS


def is_reopening(before: PriceBefore, quote: BoardQuote) -> bool:
    """Whether the market was closed, as far as its states tell, when the price before was there."""
    not_open = (MarketState.CLOSED, MarketState.PRE, MarketState.POST)
    return quote.market_state is MarketState.OPEN and before.market_state in not_open


def moment_of(price: BoardQuote | PriceBefore) -> int:
    """The market's time of a price, ours where it has none; epoch milliseconds."""
    return price.received_at if price.timestamp is None else price.timestamp


def is_concerned_by_split(alerts: Iterable[LiveAlert]) -> bool:
    """Whether a split makes the value of any of these wrong."""
    return any(not alert.stored.wanted.when.is_percent for alert in alerts)


def _percent(since: float, price: float) -> float | None:
    """How far `price` has risen since another one; to six digits, so that 5 % is 5 and not 4.9999999."""
    return round((price - since) / abs(since) * 100, 6) if since else None


def _is_apart(price: float, other: float, factor: float) -> bool:
    return not other / factor < price < other * factor
