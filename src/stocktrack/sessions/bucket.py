"""A token bucket: how much somebody may use on average, and how much at once."""


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

    def owe(self, amount: float, *, per_second: float, burst: float, now: float) -> float:
        """Take `amount` out in any case, and return the seconds until nothing is owed."""
        self._level = min(burst, self._level + (now - self._filled_at) * per_second) - amount
        self._filled_at = now
        return max(0.0, -self._level / per_second)
