"""What is under way to a target: each message is a task, so that closing breaks all of them off and waits for it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from stocktrack.alert_targets.base import TargetError, too_late
from stocktrack.clock import end

Result = TypeVar("Result")


class UnderWay:
    """The messages that are under way to the target `name`, each of which has `timeout_seconds` of real time."""

    def __init__(self, name: str, timeout_seconds: float) -> None:
        self._name = name
        self._timeout_seconds = timeout_seconds
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_closed = False

    async def run(self, work: Callable[[], Awaitable[Result]]) -> Result:
        """The result of `work()`; `TargetError` at its time limit, and where the target is closed."""
        if self._is_closed:
            raise self._closing()
        task = asyncio.create_task(self._limited(work), name=f"to the target {self._name}")
        self._tasks.add(task)
        try:
            await asyncio.wait((task,))
            if task.cancelled():
                raise self._closing()
            return task.result()
        finally:
            # Whoever is cancelled here leaves nothing behind that goes on.
            await end(task)
            self._tasks.discard(task)

    async def close(self) -> None:
        """Break off what is under way, and take nothing any more."""
        self._is_closed = True
        await end(*self._tasks)

    async def _limited(self, work: Callable[[], Awaitable[Result]]) -> Result:
        # Sockets and processes live in real time, so that this is no business of the `Clock`.
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await work()
        except TimeoutError:
            raise too_late(self._name, self._timeout_seconds) from None

    def _closing(self) -> TargetError:
        return TargetError(f"The target {self._name} was not told: the server is closing.")
