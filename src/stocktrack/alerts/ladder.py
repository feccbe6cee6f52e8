"""The alerts of one symbol on one measured quantity, in the order of their values, so that most prices touch none.

An alert stands in one of four lists. It waits for the quantity to be above its value or below it, or it has been so
(it *holds*) and waits for that to stop. `is_quiet` is four comparisons, however many alerts there are; what a step
concerns is found by bisection.
"""

import math
from bisect import bisect_left, insort
from typing import Final

from stocktrack.alerts.conditions import LiveAlert

# A place in a list: the value, and what tells two of one value apart.
Rung = tuple[float, int, LiveAlert]
_AFTER_ALL_OF_A_VALUE: Final = 2**63


class Ladder:
    """The lists, and what `place` puts into them."""

    __slots__ = ("_above", "_at_or_above", "_at_or_below", "_below", "down", "down_holding", "up", "up_holding")

    def __init__(self) -> None:
        self.up: list[Rung] = []  # they fire above their values
        self.up_holding: list[Rung] = []  # they hold no more at their values or below
        self.down: list[Rung] = []
        self.down_holding: list[Rung] = []
        self._bound()

    def __len__(self) -> int:
        return len(self.up) + len(self.up_holding) + len(self.down) + len(self.down_holding)

    @property
    def quiet(self) -> tuple[float, float]:
        """Between which values none concerns an alert; those two may."""
        return max(self._at_or_below, self._below), min(self._above, self._at_or_above)

    def is_quiet(self, measured: float) -> bool:
        """Whether this value concerns no alert."""
        return self._at_or_below < measured <= self._above and self._below <= measured < self._at_or_above

    def place(self, alert: LiveAlert, *, is_holding: bool) -> None:
        """Have an alert wait for its condition, or, where it is holding, for the end of that."""
        insort(self._list(alert, is_holding=is_holding), (alert.threshold, alert.id, alert))
        self._bound()

    def remove(self, alert: LiveAlert) -> None:
        """Take an alert out, wherever it stands."""
        rung = (alert.threshold, alert.id, alert)
        for rungs in (self._list(alert, is_holding=False), self._list(alert, is_holding=True)):
            place = bisect_left(rungs, rung[:2])
            if place < len(rungs) and rungs[place][1] == alert.id:
                del rungs[place]
        self._bound()

    def step(self, measured: float) -> tuple[list[LiveAlert], list[LiveAlert]]:
        """Take out the alerts whose condition holds now, and those that held and do so no more; in that order."""
        before, after = (measured,), (measured, _AFTER_ALL_OF_A_VALUE)
        triggered = _cut(self.up, 0, bisect_left(self.up, before))
        triggered += _cut(self.down, bisect_left(self.down, after), len(self.down))
        stopped = _cut(self.up_holding, bisect_left(self.up_holding, before), len(self.up_holding))
        stopped += _cut(self.down_holding, 0, bisect_left(self.down_holding, after))
        self._bound()
        return triggered, stopped

    def _list(self, alert: LiveAlert, *, is_holding: bool) -> list[Rung]:
        if alert.is_up:
            return self.up_holding if is_holding else self.up
        return self.down_holding if is_holding else self.down

    def _bound(self) -> None:
        self._above = self.up[0][0] if self.up else math.inf
        self._at_or_below = self.up_holding[-1][0] if self.up_holding else -math.inf
        self._below = self.down[-1][0] if self.down else -math.inf
        self._at_or_above = self.down_holding[0][0] if self.down_holding else math.inf


def _cut(rungs: list[Rung], start: int, end: int) -> list[LiveAlert]:
    cut = [alert for _, _, alert in rungs[start:end]]
    del rungs[start:end]
    return cut
