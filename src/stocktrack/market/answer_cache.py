"""Answers of slow calls, remembered for a while and shared by all who ask for the same thing at the same time."""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar, cast

from stocktrack.clock import Clock
from stocktrack.errors import ProviderError

Result = TypeVar("Result")
Key = TypeVar("Key", bound=Hashable)


class AnswerCache(Generic[Key, Result]):
    """Answers of a slow call, by key: shared while in flight, remembered for `seconds`, the oldest forgotten first.

    A failure is remembered as well, until its `retry_after_ms`: a symbol that makes a source fail is not asked for
    again and again because clients do.
    """

    def __init__(self, clock: Clock, *, seconds: float, most: int = 1000) -> None:
        self._clock = clock
        self._seconds = seconds
        self._most = most
        self._known: OrderedDict[Key, tuple[float, Result | ProviderError | None]] = OrderedDict()
        self._in_flight: dict[Key, asyncio.Task[Result]] = {}

    async def get(
        self, key: Key, make: Callable[[], Awaitable[Result]], before: Callable[[], None] = lambda: None
    ) -> Result:
        """The answer for `key`, from memory or from ``make()``; ``before()`` may raise where that would be called."""
        until, known = self._known.get(key, (-math.inf, None))
        left = until - self._clock.monotonic()
        if left > 0:
            if isinstance(known, ProviderError):
                raise ProviderError(known.reason, known.message, retry_after_ms=round(left * 1000))
            return cast("Result", known)
        task = self._in_flight.get(key)
        if task is None:
            before()
            task = self._in_flight[key] = asyncio.create_task(self._make(key, make), name=f"look up {key}")
            # Asked for by nobody any more, a failure would otherwise be reported as never retrieved.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        # The call belongs to all who wait for it: one who goes away does not take it along.
        return await asyncio.shield(task)

    def forget(self, key: Key, is_outdated: Callable[[Result], bool]) -> None:
        """Forget what is known for `key` where ``is_outdated(answer)`` says so; a failure stays."""
        known = self._known.get(key)
        if known is not None and not isinstance(known[1], ProviderError) and is_outdated(cast("Result", known[1])):
            del self._known[key]

    async def close(self) -> None:
        """Cancel what is in flight."""
        tasks = list(self._in_flight.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _make(self, key: Key, make: Callable[[], Awaitable[Result]]) -> Result:
        try:
            result = await make()
        except ProviderError as error:
            # A bare copy: the traceback of the one raised would keep everything alive that stood in its frames.
            self._remember(key, ProviderError(error.reason, error.message), (error.retry_after_ms or 0) / 1000)
            raise
        else:
            self._remember(key, result, self._seconds)
            return result
        finally:
            del self._in_flight[key]

    def _remember(self, key: Key, outcome: Result | ProviderError, seconds: float) -> None:
        self._known[key] = (self._clock.monotonic() + seconds, outcome)
        self._known.move_to_end(key)
        while len(self._known) > self._most:
            self._known.popitem(last=False)
