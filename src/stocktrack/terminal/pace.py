"""How commands wait where a server asks for a slower pace: a paste of many lines, or a key that is held down."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from stocktrack.client import TooManyRequests
from stocktrack.clock import Clock, RealClock
from stocktrack.errors import Reason

# Where the server wants a longer pause than this, the person is told.
MAX_PACE_MS = 5_000

Answer = TypeVar("Answer")
_REAL_CLOCK = RealClock()


async def paced(ask: Callable[[], Awaitable[Answer]], *, clock: Clock = _REAL_CLOCK) -> Answer:
    """What `ask` returns, asked again after each pause that the server wants; the errors of the client."""
    while True:
        try:
            return await ask()
        except TooManyRequests as error:
            wait_ms = error.retry_after_ms
            if error.reason is not Reason.RATE_LIMITED or wait_ms is None or wait_ms > MAX_PACE_MS:
                raise
            await clock.sleep(wait_ms / 1000)
