"""Calls that are done in groups: a group is what came while the group before it was done.

Nobody waits for company: a call that comes while nothing is done is begun at once. So one client's call takes as long
as ever, while a crowd shares the price of a transaction, or of waking a thread.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeAlias, TypeVar

from sqlalchemy import Connection

Result = TypeVar("Result")


class Call(Generic[Result]):
    """Work on the database that somebody waits for; `of` is whose data it changes."""

    __slots__ = ("answer", "gives_up_at", "has_begun", "of", "work")

    def __init__(self, work: Callable[[Connection], Result], *, of: str, gives_up_at: float) -> None:
        self.work = work
        self.of = of
        self.gives_up_at = gives_up_at  # how long it is tried again where others are in the way, by the loop's time
        self.has_begun = False
        self.answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

    def settle(self, outcome: Result | Exception) -> None:
        """Answer with a result, or with an exception that is raised where the call is waited for."""
        if self.answer.done():
            return
        if not isinstance(outcome, Exception):
            self.answer.set_result(outcome)
            return
        self.answer.set_exception(outcome)
        self.answer.exception()  # where its caller was cancelled nobody will ask, and that is no reason to complain


async def answer_of(call: Call[Result]) -> Result:
    """What the call returns, or raises; it is done also where the caller is cancelled."""
    return await asyncio.shield(call.answer)


# Does a group, settles its calls, and returns those that are to be tried again.
Do: TypeAlias = Callable[[Sequence[Call[Any]]], Awaitable[Sequence[Call[Any]]]]


class Groups:
    """At most `at_once` groups are done at a time, each of at most `most` calls; used from one event loop.

    Where a group takes longer than `stuck_seconds` it is waited for no longer, and with it those that wait behind it:
    they all get `stuck()`, and so does who comes before it has ended. Without `is_watched` there is no such limit.
    """

    def __init__(
        self, name: str, do: Do, *, at_once: int, most: int, stuck_seconds: float, stuck: Callable[[], Exception]
    ) -> None:
        self._name = name
        self._do = do
        self._at_once = at_once
        self._most = most
        self._stuck_seconds = stuck_seconds
        self._stuck = stuck
        self.is_watched = True
        self._waiting: deque[Call[Any]] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        self._given_up: set[asyncio.Task[None]] = set()  # those of the workers whose group is waited for no longer

    def join(self, call: Call[Any]) -> None:
        """Have the call done in the next group."""
        if len(self._given_up) >= self._at_once:
            call.settle(self._stuck())
            return
        self._waiting.append(call)
        if len(self._workers) < self._at_once:
            worker = asyncio.create_task(self._work_off(), name=self._name)
            self._workers.add(worker)

    async def close(self, why: Exception, *, within_seconds: float) -> None:
        """Refuse the calls that wait, and give those that have begun so much time to end."""
        self._refuse_waiting(why)
        # None is cancelled: what a thread or a server is doing goes on, and nobody could say what came of it.
        if self._workers:
            await asyncio.wait(self._workers, timeout=within_seconds)

    async def _work_off(self) -> None:
        worker = asyncio.current_task()
        assert worker is not None  # noqa: S101 - this is a task
        try:
            while group := self._next_group():
                await self._do_group(group, worker)
        finally:
            # In the same step as the look at the line: whoever joins it after that look starts another worker.
            self._workers.discard(worker)

    async def _do_group(self, group: Sequence[Call[Any]], worker: asyncio.Task[None]) -> None:
        watch = asyncio.get_running_loop().call_later(self._stuck_seconds, self._give_up, worker, group)
        again: Sequence[Call[Any]] = ()
        try:
            again = await self._do(group)
        except Exception as error:  # a mistake of ours, which is told to all who wait for it
            for call in group:
                call.settle(error)
        finally:
            watch.cancel()
            self._given_up.discard(worker)
        # In front: a user's changes are made in the order in which they were asked for.
        self._waiting.extendleft(reversed(again))

    def _next_group(self) -> Sequence[Call[Any]]:
        group: list[Call[Any]] = []
        while self._waiting and len(group) < self._most:
            call = self._waiting.popleft()
            if not call.answer.done():  # who asked may have gone
                call.has_begun = True
                group.append(call)
        return group

    def _give_up(self, worker: asyncio.Task[None], group: Sequence[Call[Any]]) -> None:
        if not self.is_watched:
            return
        self._given_up.add(worker)
        for call in group:
            call.settle(self._stuck())
        if len(self._given_up) >= self._at_once:
            self._refuse_waiting(self._stuck())

    def _refuse_waiting(self, why: Exception) -> None:
        while self._waiting:
            self._waiting.popleft().settle(why)
