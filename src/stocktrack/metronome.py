"""One wake-up for all pushes that are due together: their moments lie on a grid that all sessions share.

A timer of its own for each session wakes the process for each push alone, which costs several times the push itself.
On a grid of 50 ms a push comes at most 25 ms early or late, and a thousand of them in a second share twenty wake-ups.
"""

import asyncio
import heapq
from collections.abc import Callable
from typing import Protocol

import structlog

from stocktrack.clock import Clock

log = structlog.get_logger()

BEATS_A_SECOND = 20
# After so many wake-ups in a row the loop takes a turn for others.
_IN_A_ROW = 500
# How long it rests, in real time, after a failure.
RESTART_SECONDS = 1.0


class Sleeper(Protocol):
    """Somebody who waits for a beat."""

    def wake(self) -> None:
        """Called when the beat has come; must not block."""
        ...


class Metronome:
    """Wakes sleepers at the beat that is nearest to their time. Its task runs while somebody waits; `close` ends it.

    `on_failure` is called where it failed by a mistake of ours; it goes on a second later.
    """

    def __init__(self, clock: Clock, on_failure: Callable[[], None] = lambda: None) -> None:
        self._clock = clock
        self._on_failure = on_failure
        self.now = clock.monotonic()  # of the last beat: whoever was woken by it need not ask the clock
        self._sleepers: dict[int, dict[Sleeper, None]] = {}  # by the number of the beat
        self._beats: list[int] = []  # the same numbers, as a heap
        self._next = 0  # the beat that the task waits for, while there is a task
        self._task: asyncio.Task[None] | None = None

    def wake_at(self, at: float, sleeper: Sleeper) -> int:
        """Wake `sleeper` at the beat nearest to monotonic time `at`, soon where that is over; returns its number."""
        beat = round(at * BEATS_A_SECOND)
        sleepers = self._sleepers.get(beat)
        if sleepers is None:
            sleepers = self._sleepers[beat] = {}
            heapq.heappush(self._beats, beat)
            if self._task is None or beat < self._next:
                self._restart()
        sleepers[sleeper] = None
        return beat

    def forget(self, beat: int, sleeper: Sleeper) -> None:
        """Undo `wake_at`; nothing happens where the beat has come already."""
        if (sleepers := self._sleepers.get(beat)) is not None:
            sleepers.pop(sleeper, None)

    def close(self) -> None:
        """Wake nobody any more."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._sleepers.clear()
        self._beats.clear()

    def _restart(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self._next = self._beats[0]
        self._task = asyncio.create_task(self._run(), name="metronome")

    async def _run(self) -> None:
        while self._beats:
            try:
                await self._beat()
            except Exception:
                # All timed pushes hang on this task.
                log.exception("the metronome failed unexpectedly and goes on")
                self._on_failure()
                await asyncio.sleep(RESTART_SECONDS)
        self._task = None

    async def _beat(self) -> None:
        self._next = self._beats[0]
        await self._clock.sleep(self._next / BEATS_A_SECOND - self._clock.monotonic())
        self.now = self._clock.monotonic()
        # The one that was waited for is still the first: for an earlier one this task is begun anew.
        sleepers = self._sleepers.pop(heapq.heappop(self._beats))
        for number, sleeper in enumerate(sleepers, start=1):
            try:
                sleeper.wake()
            except Exception:
                # Whoever can't be woken may not keep the others asleep.
                log.exception("waking a push failed unexpectedly")
            if number % _IN_A_ROW == 0:
                await asyncio.sleep(0)
