"""Tasks that run for as long as the server does: one that fails is logged, counted, and started again."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine

import structlog

from stocktrack.clock import Clock, backoff_seconds, end

log = structlog.get_logger()

RESTART_FIRST_SECONDS, RESTART_LONGEST_SECONDS = 1.0, 60.0
# A task that has run for so long is well again: its next failure is a first one.
STEADY_SECONDS = 30.0


class Supervisor:
    """Keeps tasks running. `failures` counts by name how often each failed, for whoever shows that to the operator.

    A task is never expected to end: one that returns has failed too, and so has one that was cancelled by something
    inside it. It is started again after 1 s, doubling to 60 s while it goes on failing.
    """

    def __init__(self, clock: Clock, rng: random.Random | None = None) -> None:
        self.failures: Counter[str] = Counter()
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311 - it spreads restarts, it keeps no secret
        self._tasks: list[asyncio.Task[None]] = []
        # Those that failed, and when (monotonic) they will have run for long enough to count as well again; None while
        # they wait for their restart.
        self._steady_at: dict[str, float | None] = {}

    @property
    def failing(self) -> tuple[str, ...]:
        """The names of the tasks that wait for a restart, or had one a moment ago."""
        now = self._clock.monotonic()
        return tuple(name for name, at in self._steady_at.items() if at is None or at > now)

    def run(self, name: str, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """Run ``work()`` from now on, until `close`."""
        self.failures[name] += 0  # told to the operator before it ever fails, so that a first failure shows as a rise
        self._tasks.append(asyncio.create_task(self._keep_running(name, work), name=name))

    def note(self, name: str) -> None:
        """Count a failure of what works for a task, and have it show for a while; whoever saw it has logged it."""
        self.failures[name] += 1
        if self._steady_at.get(name, 0.0) is not None:
            self._steady_at[name] = self._clock.monotonic() + STEADY_SECONDS

    async def close(self) -> None:
        """Cancel the tasks and wait for their end."""
        await end(*self._tasks)

    async def _keep_running(self, name: str, work: Callable[[], Coroutine[None, None, None]]) -> None:
        in_a_row = 0
        while True:
            began = self._clock.monotonic()
            try:
                await work()
                error: BaseException = RuntimeError("the task ended, which it never should")
            except asyncio.CancelledError as cancelled:
                if (task := asyncio.current_task()) is None or task.cancelling():
                    raise
                error = cancelled  # nobody cancelled this task: something in it was, and would take it along
            except Exception as caught:
                error = caught
            in_a_row = 1 if self._clock.monotonic() - began >= STEADY_SECONDS else in_a_row + 1
            seconds = backoff_seconds(
                in_a_row, first=RESTART_FIRST_SECONDS, longest=RESTART_LONGEST_SECONDS, jitter=self._rng.random()
            )
            self.failures[name] += 1
            self._steady_at[name] = None
            log.error(
                "a task failed unexpectedly and is started again",
                task=name,
                in_seconds=round(seconds, 1),
                exc_info=error,
            )
            await self._clock.sleep(seconds)
            self._steady_at[name] = self._clock.monotonic() + STEADY_SECONDS
