"""The strangers at all doors: how many there may be, how many of them from one address, and who waits for a place.

A stranger is who has not logged in: a session before its AUTH, a handshake that has not become a session. Of a thousand
honest clients that come at once most are strangers for a moment only. So who comes when all places are taken waits for
one a while, as many as there are places for its address, before it is refused.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable

from stocktrack.errors import Reason, SessionEnd
from stocktrack.system.addresses import address_group

# How long a client may wait for a place, in real time. Our own clients wait longer for a HELLO.
WAIT_SECONDS = 5.0
RETRY_AFTER_MS = 5_000

# How many strangers there may be, and how many of them from one address.
StrangerLimits = Callable[[], tuple[int, int]]


class TooManyError(SessionEnd):
    """A session is refused for a limit of how many there may be, which the trail calls `limit`."""

    def __init__(self, limit: str, message: str) -> None:
        super().__init__(Reason.SESSION_LIMIT, message, retry_after_ms=RETRY_AFTER_MS)
        self.limit = limit


class Place:
    """One stranger's place, until `leave`."""

    __slots__ = ("_address", "_strangers")

    def __init__(self, strangers: "Strangers", address: str) -> None:
        self._strangers: Strangers | None = strangers
        self._address = address

    def leave(self) -> None:
        """Give the place up; once is enough."""
        if self._strangers is not None:
            self._strangers._left(self._address)  # noqa: SLF001 - a place is a part of it
            self._strangers = None


class Strangers:
    """Those who have not logged in; an IPv6 address is counted by its /64."""

    def __init__(self, limits: StrangerLimits) -> None:
        self._limits = limits
        self._count = 0
        self._by_address: Counter[str] = Counter()
        # Who waits, by address, those first who came first; in all no more than there are places.
        self._waiting: dict[str, deque[asyncio.Future[Place]]] = {}
        self._waiting_count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def waiting(self) -> int:
        """How many wait for a place."""
        return self._waiting_count

    def enter(self, address: str) -> Place:
        """A place; `SessionEnd` where all are taken."""
        key = address_group(address)
        most, most_of_address = self._limits()
        for count, most_of_these, limit, whose in (
            (self._count, most, "unauthenticated", "clients that have not logged in"),
            (
                self._by_address[key],
                most_of_address,
                "unauthenticated_per_address",
                f"clients of {key} that have not logged in",
            ),
        ):
            if count >= most_of_these:
                raise TooManyError(limit, f"The limit of {most_of_these} sessions of {whose} is reached.")
        return self._enter(key)

    async def wait(self, address: str) -> Place:
        """A place, as soon as there is one within `WAIT_SECONDS`; else `SessionEnd`."""
        try:
            return self.enter(address)
        except SessionEnd as why:
            key = address_group(address)
            most, most_of_address = self._limits()
            if len(self._waiting.get(key, ())) >= most_of_address or self._waiting_count >= most:
                raise
            return await self._wait(key, why)

    def end(self, why: SessionEnd) -> None:
        """Refuse all who wait."""
        for key, queue in tuple(self._waiting.items()):
            while queue:
                queue.popleft().set_exception(why)
                self._forget_waiter(key, queue)

    async def _wait(self, key: str, why_not: SessionEnd) -> Place:
        queue = self._waiting.setdefault(key, deque())
        waiter: asyncio.Future[Place] = asyncio.get_running_loop().create_future()
        queue.append(waiter)
        self._waiting_count += 1
        try:
            await asyncio.wait((waiter,), timeout=WAIT_SECONDS)
        except asyncio.CancelledError:
            if waiter.done() and waiter.exception() is None:
                waiter.result().leave()
            raise
        finally:
            if not waiter.done():
                queue.remove(waiter)
                self._forget_waiter(key, queue)
        if not waiter.done():
            raise why_not
        return waiter.result()

    def _enter(self, key: str) -> Place:
        self._count += 1
        self._by_address[key] += 1
        return Place(self, key)

    def _left(self, key: str) -> None:
        self._count -= 1
        self._by_address[key] -= 1
        if self._by_address[key] == 0:
            del self._by_address[key]
        if self._waiting:
            self._let_in()

    def _let_in(self) -> None:
        """Give places to who waits, as far as there are any; few addresses can be at their own limit at once."""
        most, most_of_address = self._limits()
        while self._count < most:
            key = next((key for key in self._waiting if self._by_address[key] < most_of_address), None)
            if key is None:
                return
            queue = self._waiting[key]
            queue.popleft().set_result(self._enter(key))
            self._forget_waiter(key, queue)

    def _forget_waiter(self, key: str, queue: deque[asyncio.Future[Place]]) -> None:
        self._waiting_count -= 1
        if not queue:
            del self._waiting[key]
