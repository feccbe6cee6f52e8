"""The lowest and the highest price of the last minutes; pure.

A price counts for as long as it was the newest: one of ten minutes ago that nothing followed was the price five minutes
ago, too.
"""

from collections import deque


class Window:
    """The prices of the last so many minutes, of which those that can still be the lowest or the highest are kept."""

    __slots__ = ("_highest", "_length_ms", "_lowest")

    def __init__(self, minutes: int) -> None:
        self._length_ms = minutes * 60_000
        # Until when each price was the newest, and the price.
        self._lowest: deque[tuple[int, float]] = deque()
        self._highest: deque[tuple[int, float]] = deque()

    def add(self, price: float, until_ms: int) -> None:
        """Take a price that was the newest until `until_ms`, when another came."""
        lowest, highest = self._lowest, self._highest
        for prices in (lowest, highest):
            if prices and prices[-1][0] > until_ms:  # the clock was set back: none is of a time that is yet to come
                for place, (until, held) in enumerate(prices):
                    prices[place] = (min(until, until_ms), held)
        while lowest and lowest[-1][1] >= price:
            lowest.pop()
        lowest.append((until_ms, price))
        while highest and highest[-1][1] <= price:
            highest.pop()
        highest.append((until_ms, price))
        start = until_ms - self._length_ms
        while lowest[0][0] < start:
            lowest.popleft()
        while highest[0][0] < start:
            highest.popleft()

    def clear(self) -> None:
        """Forget all prices."""
        self._lowest.clear()
        self._highest.clear()

    def furthest(self, *, is_up: bool) -> float | None:
        """The price that a rise is measured from, or a fall; None where there is none."""
        prices = self._lowest if is_up else self._highest
        return prices[0][1] if prices else None
