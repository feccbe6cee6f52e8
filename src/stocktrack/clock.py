"""Time as an argument: the real clock, a manual one for tests, a time limit, and the back-off as a pure function."""

import asyncio
import heapq
import itertools
import time
from collections.abc import Awaitable
from typing import Any, Protocol, TypeVar

Result = TypeVar("Result")

# Longer than what is cancelled may take to clean up: the closing of a stream takes half a second.
CANCEL_AGAIN_SECONDS = 0.55


class Clock(Protocol):
    """What the program asks of time. Wall time is for people and the wire, monotonic time for deadlines."""

    def now_ms(self) -> int:
        """Wall time, milliseconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds that only ever rise; comparable within one process."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`; zero or less gives way to others once."""
        ...


class RealClock:
    """The machine's clocks."""

    def now_ms(self) -> int:
        """Wall time, milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    # The function itself: it is called for every push.
    monotonic = staticmethod(time.monotonic)

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` of real time."""
        await asyncio.sleep(max(0.0, seconds))


class ManualClock:
    """A clock that moves only when told to: `advance(5)` wakes what would have woken within five seconds."""

    def __init__(self, now_ms: int = 1_712_331_900_000) -> None:
        self._started_ms = now_ms
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now_ms(self) -> int:
        """The wall time that was given at first, moved by every `advance`."""
        return self._started_ms + round(self._elapsed * 1000)

    def monotonic(self) -> float:
        """Seconds advanced so far."""
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        """Return once `advance` has passed the moment `seconds` from now."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + seconds, next(self._order), waiter))
        await waiter

    async def advance(self, seconds: float) -> None:
        """Move on by `seconds`, stopping at each sleeper on the way and letting it run."""
        end = self._elapsed + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end + 1e-9:
            due, _, waiter = heapq.heappop(self._sleepers)
            self._elapsed = max(self._elapsed, due)
            if not waiter.done():
                waiter.set_result(None)
                await settle()
        self._elapsed = max(self._elapsed, end)
        await settle()

    def stand_still(self, seconds: float) -> None:
        """Let `seconds` pass in which nothing runs: whoever should have woken meanwhile wakes at the next `advance`."""
        self._elapsed += seconds


async def settle(turns: int = 20) -> None:
    """Let everything that can run without time passing run."""
    for _ in range(turns):
        await asyncio.sleep(0)


def backoff_seconds(attempt: int, *, first: float, longest: float, jitter: float) -> float:
    """How long to wait after the `attempt`-th failure in a row (1 is the first).

    Doubles from `first` up to `longest`, then moves by ± 20 %: `jitter` is a number from 0 to 1, 0.5 for none.
    """
    plain = min(longest, first * 2.0 ** min(attempt - 1, 60))
    return plain * (0.8 + 0.4 * jitter)


class Bell:
    """What a task waits for when it looks for something now and then, and may be told that there is something."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """End the wait, or the next one where nobody waits now."""
        self._rung.set()

    async def wait(self, seconds: float) -> None:
        """Return once it was rung, or after `seconds`; it is silent again then."""
        try:
            await within(self._clock, seconds, self._rung.wait())
        except TimeoutError:
            pass
        finally:
            self._rung.clear()


async def within(clock: Clock, seconds: float, work: Awaitable[Result]) -> Result:
    """The result of `work`; `TimeoutError` after `seconds` of `clock`. However it ends, no task is left."""
    task = asyncio.ensure_future(work)
    alarm = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait((task, alarm), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise TimeoutError
    finally:
        task.cancel()  # one that failed just now is only marked as seen by it
        alarm.cancel()
        await ended(task, alarm)


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait for their end, however they end; being cancelled meanwhile waits for that as well.

    A library may swallow a cancellation, as `asyncio.wait_for` of Python 3.11 does where what it waits for ends in the
    same moment, and so redis-py: it is said again, until it is heard.
    """
    for task in tasks:
        task.cancel()
    try:
        await ended(*tasks)
    finally:
        for task in tasks:
            if not task.cancelled():
                task.exception()  # only marked as seen: whoever ends a task is not told why it failed


async def finished(*futures: asyncio.Future[Any]) -> None:
    """Wait for what ends by itself, and cancel nothing; being cancelled meanwhile waits for that as well."""
    cancelled: asyncio.CancelledError | None = None
    while not all(future.done() for future in futures):
        try:
            await asyncio.wait(futures)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


async def ended(*futures: asyncio.Future[Any]) -> None:
    """Wait for the end of what was cancelled, as `end` does; being cancelled meanwhile waits for that as well."""
    cancelled: asyncio.CancelledError | None = None
    loop = asyncio.get_running_loop()
    again_at = loop.time() + CANCEL_AGAIN_SECONDS
    while left := [future for future in futures if not future.done()]:
        try:
            await asyncio.wait(left, timeout=max(0.0, again_at - loop.time()))
        except asyncio.CancelledError as error:
            cancelled = error
        if loop.time() >= again_at:
            again_at = loop.time() + CANCEL_AGAIN_SECONDS
            for future in left:
                future.cancel()
    if cancelled is not None:
        raise cancelled
