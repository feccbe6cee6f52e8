"""How often a wrong login may be tried, for a name and from an address."""

import math
from collections import OrderedDict, deque

import structlog

from stocktrack.clock import Clock
from stocktrack.errors import CommandError, Reason

log = structlog.get_logger()

WINDOW_SECONDS = 60.0
MAX_KEYS = 20_000  # of each sliding minute


class SlidingMinute:
    """When something happened last with each key: at most `limit` times of each, and `MAX_KEYS` keys."""

    def __init__(self, clock: Clock, limit: int) -> None:
        self._clock = clock
        self._limit = limit
        # The key with which nothing happened for the longest time stands first.
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._times)

    def add(self, key: str) -> None:
        """It happened with `key` now."""
        self._times.setdefault(key, deque(maxlen=self._limit)).append(self._clock.monotonic())
        self._times.move_to_end(key)
        while self._is_over(next(iter(self._times.values()))) or len(self._times) > MAX_KEYS:
            self._times.popitem(last=False)

    def remove(self, key: str) -> None:
        """Forget what happened with `key`."""
        self._times.pop(key, None)

    def wait_seconds(self, key: str) -> float:
        """How long until it may happen once more with `key`: 0 below the limit."""
        times = self._times.get(key)
        if times is None or len(times) < self._limit:
            return 0.0
        return max(0.0, times[0] + WINDOW_SECONDS - self._clock.monotonic())

    def __contains__(self, key: str) -> bool:
        times = self._times.get(key)
        return times is not None and not self._is_over(times)

    def _is_over(self, times: deque[float]) -> bool:
        return times[-1] <= self._clock.monotonic() - WINDOW_SECONDS


class LoginThrottle:
    """Counts wrong logins by name and by address, and refuses more of them within a sliding minute.

    It also knows with which names a password was looked at out of turn, which is for each name once a minute.
    """

    def __init__(self, clock: Clock, failures_per_minute: int) -> None:
        self._names = SlidingMinute(clock, failures_per_minute)
        self._addresses = SlidingMinute(clock, failures_per_minute)
        self._looks = SlidingMinute(clock, 1)

    def check(self, name: str, address: str) -> None:
        """`CommandError` with the time to wait where `name` or `address` failed too often."""
        seconds = self.wait_seconds(name, address)
        if seconds > 0:
            raise CommandError(
                Reason.LOGIN_THROTTLED,
                f"Too many wrong logins. Try again in {math.ceil(seconds)} s.",
                retry_after_ms=math.ceil(seconds * 1000),
            )

    def wait_seconds(self, name: str, address: str) -> float:
        """How long `name` and `address` have to wait; 0 where neither failed too often."""
        return max(self._names.wait_seconds(name), self._addresses.wait_seconds(address))

    def count(self, name: str, address: str) -> None:
        """A login with `name` from `address` was wrong."""
        self._count(self._names, name, kind="name", address=address)
        self.count_address(address)

    def count_address(self, address: str) -> None:
        """A login from `address` was wrong, and nobody knows with what name."""
        self._count(self._addresses, address, kind="address", address=address)

    def blames_only_address(self, name: str, address: str) -> bool:
        """Whether the address failed too often, and nobody failed with `name` within the minute."""
        return self._addresses.wait_seconds(address) > 0 and name not in self._names

    def may_look(self, name: str) -> bool:
        """Whether nobody failed with `name` within the minute, and it was not looked at out of turn either."""
        return name not in self._names and name not in self._looks

    def looked(self, name: str) -> None:
        """A password of `name` is looked at out of turn: not again within the minute, unless it is right."""
        self._looks.add(name)

    def looked_right(self, name: str) -> None:
        """What was looked at out of turn was right."""
        self._looks.remove(name)

    def _count(self, failures: SlidingMinute, key: str, *, kind: str, address: str) -> None:
        was_full = failures.wait_seconds(key) > 0
        failures.add(key)
        if not was_full and failures.wait_seconds(key) > 0:
            # No name is logged: people type their password into the wrong field.
            log.warning("Too many wrong logins: new ones have to wait.", kind=kind, address=address)
