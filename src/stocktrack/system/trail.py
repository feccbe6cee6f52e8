"""The trail in the log: who logged in, who failed to, who changed what, and who was refused; one event a line.

An event's name and fields stay as they are from version to version: `docs/operations.md` lists them, and tools such as
fail2ban read them. `address` and `door` are the first fields of each. A user's name stands there only where there is
such a user, since people type their password into the field above it.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from stocktrack.clock import Clock
from stocktrack.errors import StorageError
from stocktrack.system.acts import Act
from stocktrack.system.addresses import address_group, plain_address

log = structlog.get_logger()

WINDOW_SECONDS = 60.0
# Wrong logins from one network that are told one by one within a minute, as many as the throttle lets through, and so
# are sessions whose login ended; of what is refused by a limit it is the first one.
FAILURES_TOLD = 30
# Networks and reasons that are counted apart within a minute; what is beyond them is counted together.
MAX_COUNTED = 1_000
MANY = "many"


@dataclass(slots=True)
class _Counted:
    """What happened of one kind from one network since the minute began that its first one opened."""

    over_at: float
    fields: dict[str, Any]
    told: int = 0
    untold: int = 0


class Trail:
    """Tells the log what somebody looks for after a break-in, or a tool that locks addresses out.

    No crowd can flood the log with it: what fails or is refused is told a few times for each network and minute, and
    counted beyond that. `settle`, called every second or so, tells the counts of the minutes that are over.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # The minute that is over first stands first.
        self._counted: OrderedDict[tuple[str, ...], _Counted] = OrderedDict()
        self.on_settle: Callable[[], None] | None = None

    def record(self, act: Act, *, address: str, door: str, **fields: Any) -> None:
        """Tell what was done; a field that is None is left out."""
        log.info(act.value, address=address_of(address), door=door, **_known(fields))

    def login_failed(self, why: str, *, address: str, door: str, user: str | None = None) -> None:
        """Tell of a login that failed: `wrong`, or refused unseen: `throttled`."""
        most = FAILURES_TOLD if why == "wrong" else 1
        self._count(Act.LOGIN_FAILED, most, address, {"door": door, "why": why}, user=user)

    def refused(self, why: str, *, address: str, door: str, limit: str, user: str | None = None) -> None:
        """Tell of what a limit did not let through; `limit` is what it is a limit of."""
        self._count(Act.REFUSED, 1, address, {"door": door, "why": str(why), "limit": limit}, user=user)

    def session_ended(self, why: str, *, address: str, door: str, user: str | None, session: str) -> None:
        """Tell of a session that was ended because its login counts no longer; `why` is a word for that."""
        told = {"door": door, "why": str(why)}
        self._count(Act.SESSION_ENDED, FAILURES_TOLD, address, told, user=user, session=session)

    def failed(self, error: Exception) -> None:
        """Tell the operator what clients are not told of a database that failed; of other errors, nothing."""
        if isinstance(error, StorageError):
            key = (Act.STORAGE_FAILED.value, str(error))
            self._count_key(key, Act.STORAGE_FAILED, 1, {"why": str(error)})

    def settle(self) -> None:
        """Tell the counts of the minutes that are over."""
        now = self._clock.monotonic()
        while self._counted and next(iter(self._counted.values())).over_at <= now:
            self._tell_count(*self._counted.popitem(last=False))
        if self.on_settle is not None:
            self.on_settle()

    def close(self) -> None:
        """Tell all counts: no more comes."""
        while self._counted:
            self._tell_count(*self._counted.popitem(last=False))

    def _count(self, act: Act, most: int, address: str, fields: dict[str, Any], **more: str | None) -> None:
        told = {"address": address_of(address), **fields}
        key = (act.value, address_group(told["address"]), *fields.values())
        self._count_key(key, act, most, told, **more)

    def _count_key(self, key: tuple[str, ...], act: Act, most: int, told: dict[str, Any], **fields: Any) -> None:
        counted = self._counted.get(key)
        if counted is not None and counted.over_at <= self._clock.monotonic():
            del self._counted[key]
            self._tell_count(key, counted)
            counted = None
        if counted is None:
            if len(self._counted) >= MAX_COUNTED:
                if "address" in told:
                    told, key = {**told, "address": MANY}, (act.value, MANY, *key[2:])
                most, counted = 0, self._counted.get(key)
            if counted is None:
                counted = _Counted(self._clock.monotonic() + WINDOW_SECONDS, told)
                self._counted[key] = counted
        if counted.told < most:
            counted.told += 1
            _tell(act.value, **told, **_known(fields))
        else:
            counted.untold += 1

    def _tell_count(self, key: tuple[str, ...], counted: _Counted) -> None:
        if counted.untold:
            _tell(key[0], **counted.fields, count=counted.untold)


def _tell(event: str, **fields: Any) -> None:
    # A limit that holds, and a login that ends as somebody wanted, are no cause for worry; what failed is.
    (log.info if event in {Act.REFUSED, Act.SESSION_ENDED} else log.warning)(event, **fields)


def address_of(text: str) -> str:
    """The address as the trail writes it: nothing else can stand there, and IPv4 is written as IPv4."""
    return plain_address(text.partition("%")[0]) or (text if text in {"local", MANY} else "unknown")


def _known(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
