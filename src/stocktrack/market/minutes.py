"""Makes 1-minute bars of the prices that a board has, one running minute a symbol; no I/O.

Which price belongs to which bar:

- A bar's minute is that of the price's own market time; of our time where its source tells none. Then only a change of
  the price or of the volume is a trade, since nothing else shows one.
- A price of a minute before the running one of its symbol is left out. One of the running minute counts however late
  it comes: the bar is handed out again, and whoever keeps it makes one of both.
- What was traded more than an hour before it came was seen by nobody here: the last price of yesterday, which a source
  tells to whoever asks first, makes no bar.
- Before and after the regular hours the bar is of the price outside them, and says so by its state. While the market is
  closed there is none. In the minute in which the state changes the later one counts.
- A stale mark is no price. The volume that is told after one is not set against the volume before it, and neither is
  that of another source, or of a symbol that nobody watched meanwhile: it grew while nobody looked. The first volume
  that is told makes no volume yet, and money traded within 24 hours, as of a coin, makes none at all.
- What a source only confirms is no trade, and is never looked at. What is far off did not get onto the board.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from math import isfinite
from operator import itemgetter
from typing import Any, Final

from stocktrack.bars import MINUTE_MS
from stocktrack.quotes import MarketState, Quote
from stocktrack.storage.bars import MinuteBar

MOST_BEHIND_MS: Final = 3_600_000
# Where the volume of the day falls to less than this part of what it was, another day has begun.
_NEW_DAY: Final = 0.5
# The whole numbers that every reader has exactly, and every database takes; more was never traded.
_MOST_TRADED: Final = 2**53

_told = itemgetter("symbol", "price", "timestamp", "market_state", "provider", "stale", "volume", "volume_currency")
_told_outside = itemgetter("extended_price", "extended_time")


class _Running:
    """The newest minute of a symbol.

    `told` is the day's volume as it was last heard, None where that is no base for the next one. What was traded in the
    minute is how far that grew since `base`, and what was `counted` before; None each where nothing is known of it.
    """

    __slots__ = (
        *("base", "close", "counted", "ends_at", "high", "is_changed", "low", "minute", "open", "provider"),
        *("starts_at", "state", "told"),
    )

    def __init__(self, provider: str) -> None:
        self.provider = provider
        self.state: MarketState | None = None
        self.told: int | None = None

    def begin(self, minute: int, price: float) -> None:
        """Have the next minute begin with `price`."""
        self.minute = minute
        self.starts_at = minute * MINUTE_MS
        self.ends_at = self.starts_at + MINUTE_MS
        self.open = self.high = self.low = self.close = price
        self.base: int | None = None
        self.counted: int | None = None
        self.is_changed = True  # since it was handed out

    def count(self, volume: int) -> None:
        """Take the volume of the day as it is told now."""
        told = self.told
        if told is not None:
            if self.base is None:
                self.base = told
            if volume < told:
                self.forget_volume()
                self.base = 0 if volume < told * _NEW_DAY else volume
            self.is_changed = True
        self.told = volume

    def forget_volume(self) -> None:
        """Set no volume against what was told so far."""
        self.counted = self.traded
        self.told = self.base = None

    @property
    def traded(self) -> int | None:
        """The volume of the minute; None where nothing is known of it."""
        if self.told is None or self.base is None:
            return self.counted
        return (self.counted or 0) + self.told - self.base

    def bar(self, symbol: str) -> MinuteBar:
        """It as a row."""
        state = None if self.state is None else self.state.value
        traded = self.traded
        if traded is not None and not 0 <= traded < _MOST_TRADED:
            traded = None
        return MinuteBar(self.minute, symbol, state, self.open, self.high, self.low, self.close, traded)


class Minutes:
    """The running minute of each symbol, and the minutes that are finished and were not handed out yet.

    Quotes whose provider is one of `invented` are passed over.
    """

    def __init__(self, invented: Collection[str] = ()) -> None:
        self._invented = frozenset(invented)
        self._running: dict[str, _Running] = {}
        self._finished: list[MinuteBar] = []

    def __len__(self) -> int:
        """How many symbols have a running minute."""
        return len(self._running)

    def add(self, quotes: Iterable[Quote]) -> None:
        """Take prices, in the order in which the board had them."""
        running_of, invented, opened = self._running, self._invented, MarketState.OPEN
        for quote in quotes:
            fields = quote.__dict__
            symbol, price, time, state, provider, is_stale, volume, money = _told(fields)
            if invented and provider in invented:
                continue
            running, mark = running_of.get(symbol), None
            if is_stale:
                if running is not None:
                    running.forget_volume()
                continue
            if state is not opened:
                if state is MarketState.CLOSED:
                    continue
                if state is not MarketState.UNKNOWN:
                    extended, extended_time = _told_outside(fields)
                    if extended is None:
                        mark = state
                    elif time is None or extended_time is None or extended_time > time:
                        price, time, volume, mark = extended, extended_time, None, state
            if time is None:
                if running is not None and price == running.close and (volume is None or volume == running.told):
                    continue
                time = fields["received_at"]
            if running is None or time >= running.ends_at:
                running = self._begin(running, time, price, fields)
                if running is None:
                    continue
            elif time < running.starts_at:
                continue
            elif price != running.close:
                running.close = price
                if price > running.high:
                    running.high = price
                elif price < running.low:
                    running.low = price
                running.is_changed = True
            if mark is not running.state:
                running.state = mark
                running.is_changed = True
            if provider != running.provider:
                running.forget_volume()
                running.provider = provider
            if volume is not None and money is None:
                if running.base is None or volume < running.told:
                    running.count(volume)
                elif volume != running.told:
                    running.told = volume
                    running.is_changed = True

    def _begin(self, running: _Running | None, time: int, price: float, fields: Mapping[str, Any]) -> _Running | None:
        """The symbol's next minute, which `time` lies in; None where that price was not seen here as it was traded."""
        if fields["received_at"] - time > MOST_BEHIND_MS:
            return None
        if running is None:
            running = self._running[fields["symbol"]] = _Running(fields["provider"])
        elif running.is_changed:
            self._finished.append(running.bar(fields["symbol"]))
        running.begin(time // MINUTE_MS, price)
        return running

    def take_finished(self, before: int | None = None) -> Sequence[MinuteBar]:
        """Hand out what is finished, and the running minutes that lie before the minute `before`; None is all of them.

        Those stay, since there may be more of them. What is handed out once is handed out again only as it changes.
        """
        taken, self._finished = self._finished, []
        for symbol, running in self._running.items():
            if running.is_changed and (before is None or running.minute < before):
                taken.append(running.bar(symbol))
                running.is_changed = False
        return [bar for bar in taken if isfinite(bar.open + bar.high + bar.low + bar.close)]

    def forget(self, is_watched: Callable[[str], bool]) -> None:
        """Forget the symbols that nobody watches, once all of them was handed out."""
        gone = [symbol for symbol, running in self._running.items() if not (running.is_changed or is_watched(symbol))]
        for symbol in gone:
            del self._running[symbol]

    def of(self, symbol: str) -> Sequence[MinuteBar]:
        """What there is of `symbol`, in order."""
        found = [bar for bar in self._finished if bar.symbol == symbol]
        if (running := self._running.get(symbol)) is not None:
            found.append(running.bar(symbol))
        return found
