"""What the simulated market's past looks like: invented back from the day on which a symbol's walk begins.

The same seed gives the same past: the close of the day so many days before depends on the seed, the symbol and that
number alone, and yesterday's is the price from which the walk sets out. A day's highest and lowest price, its volume
and its minutes fit each other, so that bars of every length tell the same story.
"""

import itertools
import math
import random
from collections.abc import Sequence
from typing import Final

from stocktrack.bars import DAY_MS, MINUTE_MS, Bar
from stocktrack.providers.simulated.instruments import Instrument
from stocktrack.providers.simulated.walk import DAY_SECONDS, MINUTES_A_DAY, MINUTES_THAT_TURN, PULL_SECONDS, DayFigures

DAYS: Final = 3_650
# What shares and indices gain in a year, on average; coins, rates and metals nothing.
_DRIFT_A_YEAR: Final = 0.06


class Past:
    """The past of one instrument."""

    def __init__(self, instrument: Instrument, seed: int) -> None:
        self._instrument = instrument
        self._name = f"{seed}:{instrument.symbol}"
        self._deviation = instrument.volatility_percent / 100 / math.sqrt(365)
        self._random = random.Random(f"{self._name}:past")  # noqa: S311 - a market that can be repeated
        # How far the close of each day was from the first price, as a logarithm; of yesterday's, not at all.
        self._away = [0.0, 0.0]
        is_traded_for_gain = "=" not in instrument.symbol and not instrument.symbol.endswith("-USD")
        self._drift = _DRIFT_A_YEAR / 365 if is_traded_for_gain else 0.0

    def close_before(self, days: int) -> float:
        """The close of the day so many days before the first one of the walk, 1 for yesterday's."""
        pull = DAY_SECONDS / PULL_SECONDS
        while len(self._away) <= days:
            self._away.append(self._away[-1] * (1 - pull) + self._deviation * self._random.gauss())
        value = self._instrument.first_price * math.exp(self._away[days] - self._drift * (days - 1))
        return round(value, self._instrument.digits)

    def day_before(self, days: int) -> DayFigures:
        """The day so many days before the first one of the walk."""
        chance = random.Random(f"{self._name}:day {days}")  # noqa: S311 - as above
        close, before = self.close_before(days), self.close_before(days + 1)
        opened = before * math.exp(self._deviation / 4 * chance.gauss())
        high = max(opened, close) * math.exp(abs(self._deviation / 2 * chance.gauss()))
        low = min(opened, close) * math.exp(-abs(self._deviation / 2 * chance.gauss()))
        volume = self._instrument.daily_volume
        digits = self._instrument.digits
        return DayFigures(
            open=round(opened, digits),
            high=round(high, digits),
            low=round(low, digits),
            close=close,
            volume=None if volume is None else int(volume * math.exp(0.3 * chance.gauss())),
        )

    def minutes(self, begins: int, figures: DayFigures, *, count: int = MINUTES_A_DAY) -> list[Bar]:
        """The first `count` minutes from `begins` on, epoch milliseconds, that make a day of these figures."""
        chance = random.Random(f"{self._name}:minutes {figures}")  # noqa: S311 - as above
        digits, close, volume = self._instrument.digits, figures.close, figures.volume
        step = self._deviation * figures.open / math.sqrt(MINUTES_A_DAY)
        path = [0.0]
        for _ in range(count):
            path.append(path[-1] + step * chance.gauss())
        # The walk is bent so that it ends at the close, and stretched so that it turns at the highest and the lowest.
        slope = (close - figures.open - path[-1]) / count
        path = [figures.open + away + slope * number for number, away in enumerate(path)]
        prices = [round(price, digits) for price in _stretched(path, figures)]
        prices[0], prices[-1] = figures.open, close
        weights = list(itertools.accumulate(0.3 + chance.random() for _ in range(count)))
        bars, told = [], 0
        for number in range(count):
            before, after = prices[number], prices[number + 1]
            traded = None
            if volume is not None:
                traded = int(volume * weights[number] / weights[-1]) - told
                told += traded
            bars.append(Bar(begins + number * MINUTE_MS, before, max(before, after), min(before, after), after, traded))
        return bars


def _stretched(path: Sequence[float], figures: DayFigures) -> list[float]:
    """The path with what lies above and below its two ends made larger or smaller, to the highest and the lowest."""
    upper, lower = max(figures.open, figures.close), min(figures.open, figures.close)
    # One that never leaves the stretch between its ends turns in its middle.
    path = [*path]
    if len(path) > MINUTES_THAT_TURN:
        middle = len(path) // 2
        if max(path) <= upper:
            path[middle - 1] = figures.high
        if min(path) >= lower:
            path[middle] = figures.low
    highest, lowest = max(path), min(path)
    above = (figures.high - upper) / (highest - upper) if highest > upper else 0.0
    below = (lower - figures.low) / (lower - lowest) if lowest < lower else 0.0
    return [
        upper + (price - upper) * above
        if price > upper
        else lower - (lower - price) * below
        if price < lower
        else price
        for price in path
    ]


def days_between(start: int, end: int) -> range:
    """The numbers of the days that lie wholly or in part from `start` on and before `end`, counted from the epoch."""
    return range(start // DAY_MS, (end - 1) // DAY_MS + 1)
