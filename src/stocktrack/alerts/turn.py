"""Whose turn it is to judge the alerts of a database that several processes share: one of them, by a lease in it.

The process that leads a feed comes first: it sees each price before the others do. Clocks that differ, or a process
that stood still, may make two of them judge for a moment; then whoever writes that an alert fired is the one that did.
"""

import secrets
from collections.abc import Callable
from typing import Final

from stocktrack.clock import Clock
from stocktrack.storage.alerts import Alerts

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

    async def is_ours(self, stored: Alerts) -> bool:
        """Whether this process judges now; `StorageError` where nobody can say."""
        now = self._clock.monotonic()
        if self._looked_at is None or now - self._looked_at >= _RENEW_SECONDS:
            now_ms = self._clock.now_ms()
            self._is_ours = await stored.take_turn(
                self._name,
                now_ms=now_ms,
                until_ms=now_ms + round(LEASE_SECONDS * 1000),
                is_first=self._comes_first(),
            )
            self._looked_at = now
        return self._is_ours

    async def give_up(self, stored: Alerts) -> None:
        """Let the next one have it at once."""
        if self._is_ours:
            self._is_ours = False
            await stored.give_turn_up(self._name)
