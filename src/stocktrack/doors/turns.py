"""Turns of the event loop: how much of the work that clients pile up is done before everybody else is heard.

A burst on a hundred connections arrives in one turn of the loop. Whoever works it off in one go lets all others wait as
long as that takes, however well each connection is bounded. So each piece of such work takes a turn, and in one turn of
the loop there are few. The rest waits in the order in which it came, who comes back for more behind who is new.
"""

import asyncio
import weakref
from collections import deque
from collections.abc import Callable

# What is done in one turn of the loop. A piece takes at most a millisecond or so: a request, a line, half a kilobyte of
# the smallest frames, a handshake of TLS.
TURNS_AT_ONCE = 4
# Of them, what is left for those who come back for more, however many are new.
_FOR_MORE = 1

_of_loops: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Turns]" = weakref.WeakKeyDictionary()


class Turns:
    """The turns of one event loop."""

    __slots__ = ("_is_due", "_left", "_loop", "_more", "_new")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._left = TURNS_AT_ONCE
        self._is_due = False
        self._new: deque[Callable[[], object]] = deque()
        self._more: deque[Callable[[], object]] = deque()

    def take(self, work: Callable[[], object], *, is_more: bool = False) -> None:
        """Do `work`, which is short: now where a turn is left, else in a later turn of the loop.

        `is_more` says that its client had a turn for what came with this.
        """
        if self.is_left():
            work()
        else:
            (self._more if is_more else self._new).append(work)

    def is_left(self) -> bool:
        """Take a turn where one is left and nobody waits for it; False where that has to be waited for."""
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._renew)
        if self._new or self._more or self._left <= 0:
            return False
        self._left -= 1
        return True

    async def turn(self, *, cost: int = 1, is_more: bool = False) -> None:
        """Return when it is the caller's turn, at once where one is left; what takes longer costs more of them."""
        if not self.is_left():
            mine = asyncio.Event()
            (self._more if is_more else self._new).append(mine.set)
            await mine.wait()
        self._left -= cost - 1

    def _renew(self) -> None:
        self._left = min(TURNS_AT_ONCE, self._left + TURNS_AT_ONCE)
        try:
            while self._left > 0 and (self._new or self._more):
                self._left -= 1
                is_for_more = self._more and (self._left < _FOR_MORE or not self._new)
                (self._more if is_for_more else self._new).popleft()()
        finally:
            # Once more where turns were taken, so that the next turn of the loop has all of them again.
            self._is_due = self._left < TURNS_AT_ONCE
            if self._is_due:
                self._loop.call_soon(self._renew)


def turns() -> Turns:
    """The turns of the loop that runs."""
    loop = asyncio.get_running_loop()
    found = _of_loops.get(loop)
    if found is None:
        found = _of_loops[loop] = Turns(loop)
    return found
