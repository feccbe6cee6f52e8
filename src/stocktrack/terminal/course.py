"""The course of a symbol's day: its prices by stretches of time, begun by bars and carried on by pushes; no I/O."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from stocktrack.bars import DAY_MS, Bar, BarInterval
from stocktrack.messages import Price

COURSE_INTERVAL = BarInterval.FIVE_MINUTES
# A market that was quiet for so long begins a new session; the longest pause at noon is two hours and a half.
_NIGHT_MS = 4 * 3_600_000


class Course:
    """The last price of each stretch of the day; where a market is open day and night, of the last 24 hours."""

    __slots__ = ("_begins", "_prices")

    def __init__(self, bars: Iterable[Bar] = ()) -> None:
        self._begins: list[int] = []  # when each stretch begins
        self._prices: list[float] = []  # and its last price
        for bar in bars:
            self._add(bar.time, bar.close)

    @property
    def prices(self) -> Sequence[float]:
        """The prices, the oldest first, as they go on."""
        return self._prices

    def put(self, price: Price) -> None:
        """Go on with a price that was pushed."""
        self._add(price.received_at if price.timestamp is None else price.timestamp, price.price)

    def _add(self, time: int, price: float) -> None:
        begins = time - time % COURSE_INTERVAL.length_ms
        if self._begins:
            newest = self._begins[-1]
            if begins < newest:
                return
            if begins == newest:
                self._prices[-1] = price
                return
            if begins - newest >= _NIGHT_MS:
                self._begins.clear()
                self._prices.clear()
        self._begins.append(begins)
        self._prices.append(price)
        gone = bisect_right(self._begins, begins - DAY_MS)
        del self._begins[:gone], self._prices[:gone]
