"""The line of logins that wait for a hash: in the order they came, with room for a look out of turn."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias, TypeVar

from stocktrack.errors import CommandError, Reason

MAX_WAITING_LOGINS = 128  # at two at once the last waits some six seconds
BUSY_RETRY_MS = 2_000

# Whether the password is right; None where nobody looked at it.
Answer: TypeAlias = asyncio.Future[bool | None]
Turn: TypeAlias = Callable[[], Coroutine[Any, Any, bool | None]]
Place = TypeVar("Place")


class HashLine:
    """Makes `at_once` turns at a time, and tells what each returned; used from one event loop.

    A place is known by its answer. Whoever leaves gives the place up, unless its turn has come: what is begun is
    finished, or a client could have passwords hashed and not be counted by going away.
    """

    def __init__(self, at_once: int, *, max_waiting: int = MAX_WAITING_LOGINS) -> None:
        self._at_once = at_once
        self._max_waiting = max_waiting
        self._places: OrderedDict[Answer, Turn] = OrderedDict()
        self._looks: OrderedDict[Answer, tuple[int, Turn]] = OrderedDict()
        self._running: set[asyncio.Task[None]] = set()
        self._look: asyncio.Task[None] | None = None  # the one of `_running` that was let in out of turn
        self._is_closed = False

    @property
    def waiting(self) -> int:
        """How many places are taken whose turn has not come; looks out of turn are not among them."""
        return len(self._places)

    @property
    def running(self) -> int:
        """How many turns have begun and not ended."""
        return len(self._running)

    def join(self, turn: Turn) -> Answer:
        """Take the last place; `CommandError` where too many wait."""
        if len(self._places) >= self._max_waiting:
            raise CommandError(
                Reason.LOGIN_THROTTLED,
                "Too many logins are waiting. Try again in some seconds.",
                retry_after_ms=BUSY_RETRY_MS,
            )
        return self._join(self._places, turn)

    def join_first(self, turn: Turn, suspicion: int = 0) -> Answer:
        """Take a place before all those of `join`; of these, one has its turn at a time.

        The least suspicious comes first, and of equal ones the newest: where more come than there is time for, most of
        those that had to wait long have gone, or are part of what takes the time.
        """
        return self._join(self._looks, (suspicion, turn))

    def leave(self, answer: Answer) -> bool:
        """Give up a place, and say whether that was in time: before its turn had come."""
        is_in_time = bool(self._places.pop(answer, None) or self._looks.pop(answer, None))
        if is_in_time:
            answer.cancel()
        return is_in_time

    async def close(self) -> None:
        """Cancel everything, and what comes later at once."""
        self._is_closed = True
        for answer in (*self._places, *self._looks):
            self.leave(answer)
        running = tuple(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _join(self, places: OrderedDict[Answer, Place], place: Place) -> Answer:
        answer: Answer = asyncio.get_running_loop().create_future()
        if self._is_closed:
            answer.cancel()
        else:
            places[answer] = place
            self._go_on()
        return answer

    def _go_on(self) -> None:
        while len(self._running) < self._at_once:
            is_look = self._look is None and bool(self._looks)
            if is_look:
                answer = min(reversed(self._looks), key=lambda each: self._looks[each][0])
                _, turn = self._looks.pop(answer)
            elif self._places:
                answer, turn = self._places.popitem(last=False)
            else:
                return
            if answer.done():
                continue
            task = asyncio.create_task(self._run(turn, answer), name="password hash")
            self._running.add(task)
            if is_look:
                self._look = task
            task.add_done_callback(self._ended)

    async def _run(self, turn: Turn, answer: Answer) -> None:
        try:
            result = await turn()
        except asyncio.CancelledError:
            answer.cancel()
            raise
        except Exception as error:
            if answer.done():
                raise
            answer.set_exception(error)
        else:
            if not answer.done():
                answer.set_result(result)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if task is self._look:
            self._look = None
        if not self._is_closed:
            self._go_on()
