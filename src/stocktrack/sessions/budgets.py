"""How many requests to the market's sources each user may cause, over all doors and sessions."""

from collections import OrderedDict
from collections.abc import Callable

from stocktrack.clock import Clock
from stocktrack.sessions.bucket import Bucket
from stocktrack.system.addresses import address_group


class Budgets:
    """A bucket for everybody who paid for a request lately: one that is full again is forgotten."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # Told of each payment, for other servers to deduct it as well.
        self.on_pay: Callable[[str, int], None] | None = None
        # In the order of their last use, and when (monotonic) that was.
        self._buckets: OrderedDict[str, tuple[Bucket, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def pay(self, whose: str, requests: int, *, per_minute: float, burst: int) -> float:
        """Take so many requests out of a bucket and return 0; or take nothing and return the seconds to wait."""
        now, per_second = self._clock.monotonic(), per_minute / 60
        bucket = self._bucket(whose, now, burst, per_second)
        wait_seconds = bucket.take(requests, per_second=per_second, burst=burst, now=now)
        if wait_seconds == 0 and self.on_pay is not None:
            self.on_pay(whose, requests)
        return wait_seconds

    def left(self, whose: str, *, per_minute: float, burst: int) -> float:
        """What a bucket holds; below 0 what it owes."""
        bucket, _ = self._buckets.get(whose) or (None, 0.0)
        return (
            burst
            if bucket is None
            else bucket.level(per_second=per_minute / 60, burst=burst, now=self._clock.monotonic())
        )

    def deduct(self, whose: str, requests: int, *, per_minute: float, burst: int) -> None:
        """Take what somebody paid at another server out of the bucket here as well, at most until it owes a burst."""
        now, per_second = self._clock.monotonic(), per_minute / 60
        bucket = self._bucket(whose, now, burst, per_second)
        owed = bucket.owe(0, per_second=per_second, burst=burst, now=now) * per_second
        bucket.owe(min(requests, burst - owed), per_second=per_second, burst=burst, now=now)

    def _bucket(self, whose: str, now: float, burst: int, per_second: float) -> Bucket:
        # One that may owe what was paid elsewhere, at most a burst, is full again after the time for two.
        bursts = 1 if self.on_pay is None else 2
        self._forget_full(now - bursts * burst / per_second)
        bucket, _ = self._buckets.get(whose) or (Bucket(burst, now), now)
        self._buckets[whose] = (bucket, now)
        self._buckets.move_to_end(whose)
        return bucket

    def _forget_full(self, used_before: float) -> None:
        while self._buckets and next(iter(self._buckets.values()))[1] <= used_before:
            self._buckets.popitem(last=False)


def whose_budget(username: str | None, address: str) -> str:
    """By what somebody's budget is known: the user, or for a guest the address, of which an IPv6 host has 2^64."""
    return f"user {username}" if username is not None else f"address {address_group(address)}"
