"""How often a wrong login may be tried, for a name and from an address."""

import math
from collections import OrderedDict, deque

import structlog

from stocktrack.clock import Clock
from stocktrack.errors import CommandError, Reason

log = structlog.get_logger()

FAILURE_WINDOW_SECONDS = 60.0
MAX_THROTTLED = 20_000  # names and addresses whose wrong logins are counted, and names looked at out of turn


class LoginThrottle:
    """Counts wrong logins by name and by address, and refuses more of them within a sliding minute."""

    def __init__(self, clock: Clock, failures_per_minute: int) -> None:
        self._clock = clock
        self._failures_per_minute = failures_per_minute
        # The last failures of each name and address; the one that failed longest ago stands first.
        self._failures: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()
        # When each name was looked at out of turn. Apart from the failures, which it could push out otherwise.
        self._ahead: OrderedDict[str, float] = OrderedDict()

    def check(self, name: str, address: str) -> None:
        """`CommandError` with the time to wait where `name` or `address` failed too often."""
        wait_seconds = max(self._wait_seconds(("name", name)), self._wait_seconds(("address", address)))
        if wait_seconds > 0:
            raise CommandError(
                Reason.LOGIN_THROTTLED,
                f"Too many wrong logins. Try again in {math.ceil(wait_seconds)} s.",
                retry_after_ms=math.ceil(wait_seconds * 1000),
            )

    def count(self, name: str, address: str) -> None:
        """A login with `name` from `address` was wrong."""
        self._count(("name", name), address)
        self.count_address(address)

    def count_address(self, address: str) -> None:
        """A login from `address` was wrong, and nobody knows with what name."""
        self._count(("address", address), address)

    def blames_only_address(self, name: str, address: str) -> bool:
        """Whether the address failed too often, and nobody failed with `name` within the minute."""
        return self._wait_seconds(("address", address)) > 0 and not self._has_failed(name)

    def may_go_ahead(self, name: str) -> bool:
        """Whether nobody failed with `name` within the minute, and it was not looked at out of turn either."""
        return not self._has_failed(name) and self._ahead.get(name, -math.inf) <= self._minute_ago()

    def went_ahead(self, name: str) -> None:
        """`name` is looked at out of turn: not again within the minute, unless it is cleared."""
        self._ahead[name] = self._clock.monotonic()
        self._ahead.move_to_end(name)
        while next(iter(self._ahead.values())) <= self._minute_ago() or len(self._ahead) > MAX_THROTTLED:
            self._ahead.popitem(last=False)

    def clear(self, name: str) -> None:
        """What was looked at out of turn was right."""
        self._ahead.pop(name, None)

    def _count(self, key: tuple[str, str], address: str) -> None:
        was_full = self._wait_seconds(key) > 0
        self._failures.setdefault(key, deque(maxlen=self._failures_per_minute)).append(self._clock.monotonic())
        self._failures.move_to_end(key)
        if not was_full and self._wait_seconds(key) > 0:
            # No name is logged: people type their password into the wrong field.
            log.warning("Too many wrong logins: new ones have to wait.", kind=key[0], address=address)
        while self._is_over(next(iter(self._failures.values()))) or len(self._failures) > MAX_THROTTLED:
            self._failures.popitem(last=False)

    def _wait_seconds(self, key: tuple[str, str]) -> float:
        times = self._failures.get(key)
        if times is None or len(times) < self._failures_per_minute:
            return 0.0
        return times[0] + FAILURE_WINDOW_SECONDS - self._clock.monotonic()

    def _has_failed(self, name: str) -> bool:
        times = self._failures.get(("name", name))
        return times is not None and not self._is_over(times)

    def _is_over(self, times: deque[float]) -> bool:
        return times[-1] <= self._minute_ago()

    def _minute_ago(self) -> float:
        return self._clock.monotonic() - FAILURE_WINDOW_SECONDS
