"""How many requests to the market's sources each user may cause, over all doors and sessions."""

from collections import OrderedDict

from stocktrack.clock import Clock
from stocktrack.sessions.bucket import Bucket
from stocktrack.system.addresses import address_group


class Budgets:
    """A bucket for everybody who paid for a request lately: one that is full again is forgotten."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # In the order of their last use, and when (monotonic) that was.
        self._buckets: OrderedDict[str, tuple[Bucket, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def pay(self, whose: str, requests: int, *, per_minute: float, burst: int) -> float:
        """Take so many requests out of a bucket and return 0; or take nothing and return the seconds to wait."""
        now = self._clock.monotonic()
        per_second = per_minute / 60
        self._forget_full(now - burst / per_second)
        bucket, _ = self._buckets.get(whose) or (Bucket(burst, now), now)
        self._buckets[whose] = (bucket, now)
        self._buckets.move_to_end(whose)
        return bucket.take(requests, per_second=per_second, burst=burst, now=now)

    def _forget_full(self, used_before: float) -> None:
        while self._buckets and next(iter(self._buckets.values()))[1] <= used_before:
            self._buckets.popitem(last=False)


def whose_budget(username: str | None, address: str) -> str:
    """By what somebody's budget is known: the user, or for a guest the address, of which an IPv6 host has 2^64."""
    return f"user {username}" if username is not None else f"address {address_group(address)}"
