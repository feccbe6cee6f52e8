"""What the simulated market's past looks like: invented back from the day on which a symbol's walk begins.

The same seed gives the same past: the close of the day so many days before depends on the seed, the symbol and that
number alone, and yesterday's is the price from which the walk sets out. A day's highest and lowest price, its volume
and its minutes fit each other, so that bars of every length tell the same story.
"""

import math
import random
from typing import Final, NamedTuple

from stocktrack.bars import DAY_MS, MINUTE_MS, Bar
from stocktrack.providers.simulated.instruments import Instrument
from stocktrack.providers.simulated.walk import DAY_SECONDS, PULL_SECONDS

DAYS: Final = 3_650
MINUTES_A_DAY: Final = 1_440
# What shares and indices gain in a year, on average; coins, rates and metals nothing.
_DRIFT_A_YEAR: Final = 0.06


class DayFigures(NamedTuple):
    """A day of the past."""

    open: float
    high: float
    low: float
    close: float
    volume: int | None


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

    def way(self, opened: float, until: float, minutes: int) -> DayFigures:
        """The figures of so many minutes of a day in which the price went from one to another."""
        deviation = self._deviation / 2 * math.sqrt(minutes / MINUTES_A_DAY)
        digits, volume = self._instrument.digits, self._instrument.daily_volume
        return DayFigures(
            opened,
            max(opened, until, round(max(opened, until) * math.exp(deviation / 2), digits)),
            min(opened, until, round(min(opened, until) * math.exp(-deviation / 2), digits)),
            until,
            None if volume is None else int(volume * minutes / MINUTES_A_DAY),
        )

    def minutes(self, begins: int, figures: DayFigures, *, count: int = MINUTES_A_DAY) -> list[Bar]:
        """The first `count` minutes from `begins` on, epoch milliseconds, that make a day of these figures."""
        chance = random.Random(f"{self._name}:minutes {figures}")  # noqa: S311 - as above
        digits, opened, high, low, close, volume = self._instrument.digits, *figures
        step = self._deviation * opened / math.sqrt(MINUTES_A_DAY)
        path = [0.0]
        for _ in range(count):
            path.append(path[-1] + step * chance.gauss())
        # The walk is bent so that it ends at the close, and kept between the lowest and the highest price.
        slope = (close - opened - path[-1]) / count
        prices = [
            round(min(high, max(low, opened + away + slope * number)), digits) for number, away in enumerate(path)
        ]
        prices[0], prices[-1] = opened, close
        if count > 2:
            first, second = chance.sample(range(1, count), 2)
            prices[first], prices[second] = high, low
        bars, told = [], 0
        for number in range(count):
            before, after = prices[number], prices[number + 1]
            traded = None
            if volume is not None:
                traded = volume * (number + 1) // count - told
                told += traded
            bars.append(Bar(begins + number * MINUTE_MS, before, max(before, after), min(before, after), after, traded))
        return bars


def days_between(start: int, end: int) -> range:
    """The numbers of the days that lie wholly or in part from `start` on and before `end`, counted from the epoch."""
    return range(start // DAY_MS, (end - 1) // DAY_MS + 1)
