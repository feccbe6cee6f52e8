"""A token bucket: how much somebody may use on average, and how much at once."""

import math
from dataclasses import dataclass

_MOST_SECONDS = 10**9  # longer than anybody waits


@dataclass(frozen=True, slots=True)
class Quota:
    """What a bucket holds, in whole numbers: what is not quite there does not count as there.

    `window_seconds` is how long an empty one takes to fill, and `full_after_seconds` how long this one takes.
    """

    name: str
    most: int
    window_seconds: int
    left: int
    full_after_seconds: int


def quota(name: str, level: float, *, per_second: float, burst: float) -> Quota:
    """The quota of a bucket with this level."""
    return Quota(
        name=name,
        most=math.floor(burst),
        window_seconds=max(1, _whole_seconds(burst / per_second)),
        left=max(0, math.floor(level)),
        full_after_seconds=_whole_seconds((burst - level) / per_second),
    )


def _whole_seconds(seconds: float) -> int:
    return math.ceil(min(seconds, _MOST_SECONDS))


class Bucket:
    """Holds `burst` at first and at most, and fills with `per_second`; what is used is taken out of it.

    The two are given at each call, so that they can change while the bucket lives; `now` is monotonic seconds.
    """

    __slots__ = ("_filled_at", "_level")

    def __init__(self, burst: float, now: float) -> None:
        self._level = burst
        self._filled_at = now

    def take(self, amount: float, *, per_second: float, burst: float, now: float) -> float:
        """Take `amount` out and return 0; or take nothing and return the seconds until there is enough."""
        self._level = min(burst, self._level + (now - self._filled_at) * per_second)
        self._filled_at = now
        if self._level < amount:
            return (amount - self._level) / per_second
        self._level -= amount
        return 0.0

    def level(self, *, per_second: float, burst: float, now: float) -> float:
        """What it holds now; below 0 what is owed."""
        return min(burst, self._level + (now - self._filled_at) * per_second)

    def owe(self, amount: float, *, per_second: float, burst: float, now: float) -> float:
        """Take `amount` out in any case, and return the seconds until nothing is owed."""
        self._level = min(burst, self._level + (now - self._filled_at) * per_second) - amount
        self._filled_at = now
        return max(0.0, -self._level / per_second)
