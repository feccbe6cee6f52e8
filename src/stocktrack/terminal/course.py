"""The course of a symbol's day: its prices by stretches of time, begun by bars and carried on by pushes; no I/O."""

from collections import deque
from collections.abc import Iterable

from stocktrack.bars import DAY_MS, Bar, BarInterval
from stocktrack.messages import Price

COURSE_INTERVAL = BarInterval.FIVE_MINUTES
# A market that was quiet for so long begins a new session; the longest pause at noon is two hours and a half.
_NIGHT_MS = 4 * 3_600_000


class Course:
    """The last price of each stretch of the day; where a market is open day and night, of the last 24 hours."""

    __slots__ = ("_points",)

    def __init__(self, bars: Iterable[Bar] = ()) -> None:
        self._points: deque[tuple[int, float]] = deque()  # when a stretch begins, and its last price
        for bar in bars:
            self._add(bar.time, bar.close)

    @property
    def prices(self) -> list[float]:
        """The prices, the oldest first."""
        return [price for _, price in self._points]

    def put(self, price: Price) -> None:
        """Go on with a price that was pushed."""
        self._add(price.received_at if price.timestamp is None else price.timestamp, price.price)

    def _add(self, time: int, price: float) -> None:
        begins = time - time % COURSE_INTERVAL.length_ms
        if self._points:
            newest = self._points[-1][0]
            if begins < newest:
                return
            if begins == newest:
                self._points.pop()
            elif begins - newest >= _NIGHT_MS:
                self._points.clear()
        self._points.append((begins, price))
        while begins - self._points[0][0] >= DAY_MS:
            self._points.popleft()
