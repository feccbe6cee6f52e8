"""Whose turn it is to judge the alerts of a database that several processes share: one of them, by a lease in it.

The process that leads a feed comes first: it sees each price before the others do. Clocks that differ, or a process
that stood still, may make two of them judge for a moment; then whoever writes that an alert fired is the one that did.
A lease that nobody renews for as long as it lasts has ended, whatever the clock of who took it said.
"""

import secrets
from collections.abc import Callable
from typing import Final

from stocktrack.clock import Clock
from stocktrack.storage.alerts import Alerts
from stocktrack.storage.alerts import Turn as Lease

LEASE_SECONDS: Final = 15.0
_RENEW_SECONDS: Final = 5.0


class Turn:
    """The turn of this process. ``comes_first()`` says whether it takes the turn from whoever has it."""

    def __init__(self, clock: Clock, comes_first: Callable[[], bool] = lambda: False) -> None:
        self._clock = clock
        self._comes_first = comes_first
        self._name = secrets.token_hex(8)
        self._is_ours = False
        self._looked_at: float | None = None
        self._seen: Lease | None = None  # the lease of another one, and since when it is as it is
        self._seen_since = 0.0

    async def is_ours(self, stored: Alerts) -> bool:
        """Whether this process judges now; `StorageError` where nobody can say."""
        now = self._clock.monotonic()
        if self._looked_at is None or now - self._looked_at >= _RENEW_SECONDS:
            self._is_ours = await self._may_take(stored, now)
            self._looked_at = now
        return self._is_ours

    async def _may_take(self, stored: Alerts, now: float) -> bool:
        held = await stored.turn()
        if held is None:
            return True  # there is nothing to judge
        now_ms, comes_first = self._clock.now_ms(), self._comes_first()
        if held != self._seen:
            self._seen, self._seen_since = held, now
        has_ended = held.until_ms < now_ms or now - self._seen_since >= LEASE_SECONDS
        if not (held.judge == self._name or comes_first or has_ended):
            return False
        until_ms = now_ms + round(LEASE_SECONDS * 1000)
        return await stored.take_turn(self._name, until_ms=until_ms, instead_of=None if comes_first else held)

    async def give_up(self, stored: Alerts) -> None:
        """Let the next one have it at once."""
        if self._is_ours:
            self._is_ours = False
            await stored.give_turn_up(self._name)
