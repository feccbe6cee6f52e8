"""How often a wrong login may be tried, for a name and from an address."""

import math
from collections import OrderedDict, deque
from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from typing import Literal, TypeAlias, assert_never

import structlog

from stocktrack.accounts.places import Places
from stocktrack.clock import Clock
from stocktrack.errors import CommandError, Reason
from stocktrack.system.addresses import address_group

# What is counted of logins, as other servers are told it.
Counted: TypeAlias = Literal["pair", "name", "address", "welcome"]

log = structlog.get_logger()

WINDOW_SECONDS = 60.0
MAX_KEYS = 20_000  # of each window
# What an address may try with a name that is locked because of others: a password mistyped twice, and then right.
TRIES_OF_A_PAIR = 3
PAIR_SECONDS = 600.0


class SlidingWindow:
    """When something happened last with each key: at most `limit` times of each, and `MAX_KEYS` keys."""

    def __init__(self, clock: Clock, limit: int, seconds: float = WINDOW_SECONDS) -> None:
        self._clock = clock
        self._limit = limit
        self._seconds = seconds
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

    def take_back(self, key: str) -> None:
        """What happened last with `key` did not happen."""
        times = self._times.get(key)
        if times is not None:
            times.pop()
            if not times:
                del self._times[key]

    def remove(self, key: str) -> None:
        """Forget what happened with `key`."""
        self._times.pop(key, None)

    def count(self, key: str) -> int:
        """How often it happened with `key` within the window, as far as the limit."""
        since = self._clock.monotonic() - self._seconds
        return sum(time > since for time in self._times.get(key, ()))

    def wait_seconds(self, key: str) -> float:
        """How long until it may happen once more with `key`: 0 below the limit."""
        times = self._times.get(key)
        if times is None or len(times) < self._limit:
            return 0.0
        return max(0.0, times[0] + self._seconds - self._clock.monotonic())

    def __contains__(self, key: str) -> bool:
        times = self._times.get(key)
        return times is not None and not self._is_over(times)

    def _is_over(self, times: deque[float]) -> bool:
        return times[-1] <= self._clock.monotonic() - self._seconds


class LoginThrottle:
    """Counts wrong logins by name and by address, and refuses more of them within a sliding minute.

    At a place where the user of a name logged in lately, what is wrong with that name is counted apart, so that others
    elsewhere lock nobody out there. An IPv6 address counts with its /64.

    It also says how often a password may be looked at out of turn: once a minute with a name that nobody fails with,
    and with any name three times in ten minutes from each address that is not throttled itself.
    """

    def __init__(self, clock: Clock, failures_per_minute: int) -> None:
        self._names = SlidingWindow(clock, failures_per_minute)
        self._addresses = SlidingWindow(clock, failures_per_minute)
        self._looks = SlidingWindow(clock, 1)
        self._pairs = SlidingWindow(clock, TRIES_OF_A_PAIR, PAIR_SECONDS)
        self._places = Places(clock)
        # Told of what is counted here, for other servers to count it as well: see `repeat`.
        self.on_count: Callable[[Counted, str, str], None] | None = None

    def repeat(self, kind: Counted, name: str, network: str) -> None:
        """Count what another server told by `on_count`; it has logged what there is to log."""
        match kind:
            case "pair":
                self._pairs.add(_pair(name, network))
            case "name":
                self._names.add(self._who(name, network))
            case "address":
                self._addresses.add(network)
            case "welcome":
                self._places.add(name, network)
            case _:
                assert_never(kind)

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
        network = address_group(address)
        return max(self._names.wait_seconds(self._who(_key(name), network)), self._addresses.wait_seconds(network))

    def count(self, name: str, address: str) -> None:
        """A login with `name` from `address` was wrong."""
        self.count_name(name, address)
        network = address_group(address)
        self._pairs.add(_pair(_key(name), network))
        self._tell("pair", _key(name), network)
        self.count_address(address)

    def count_name(self, name: str, address: str) -> None:
        """A login with `name` was wrong that was counted for `address` already."""
        network = address_group(address)
        self._count(self._names, self._who(_key(name), network), kind="name", address=address)
        self._tell("name", _key(name), network)

    def count_address(self, address: str) -> None:
        """A login from `address` was wrong that counts for no name."""
        network = address_group(address)
        self._count(self._addresses, network, kind="address", address=address)
        self._tell("address", "", network)

    def welcome(self, name: str, address: str) -> None:
        """The user of this name has logged in from `address`."""
        network = address_group(address)
        self._places.add(_key(name), network)
        self._tell("welcome", _key(name), network)

    def take_look(self, name: str, address: str) -> Callable[[], None] | None:
        """One of the looks there are for a password of `name` that comes from `address`; None where there is none.

        What is returned gives it back: where the password was right, or was not looked at after all.
        """
        network = address_group(address)
        who, pair = self._who(_key(name), network), _pair(_key(name), network)
        if who not in self._names and who not in self._looks:
            self._looks.add(who)
            return partial(self._looks.remove, who)
        if self._addresses.wait_seconds(network) or self._pairs.wait_seconds(pair):
            return None
        self._pairs.add(pair)
        return partial(self._pairs.take_back, pair)

    def suspicion(self, name: str, address: str) -> int:
        """How much from the address was wrong lately, or is being looked at with the name: the least comes first."""
        network = address_group(address)
        return self._addresses.count(network) + self._pairs.count(_pair(_key(name), network))

    def _who(self, name: str, network: str) -> str:
        """What a wrong login counts for beside the address: the name, or the name at a place of its user."""
        return _pair(name, network) if self._places.has(name, network) else name

    def _tell(self, kind: Counted, name: str, network: str) -> None:
        if self.on_count is not None:
            self.on_count(kind, name, network)

    def _count(self, failures: SlidingWindow, key: str, *, kind: str, address: str) -> None:
        was_full = failures.wait_seconds(key) > 0
        failures.add(key)
        if not was_full and failures.wait_seconds(key) > 0:
            # No name is logged: people type their password into the wrong field.
            log.warning("Too many wrong logins: new ones have to wait.", kind=kind, address=address)


def _key(name: str) -> str:
    """What stands for a name here and in words to other servers: people type their password into the wrong field."""
    return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _pair(name: str, network: str) -> str:
    return f"{name}\0{network}"  # no name holds a NUL
