"""How often one source is asked by the whole server, whoever wants it: so often that it has patience, and no more."""

import math
from collections import deque

from stocktrack.clock import Clock

# Counted within windows of so many seconds: a minute is six of them, so that no crowd uses one up in a second.
WINDOW_SECONDS = 10.0
POLLS_SHARE = 0.8  # the most that polls may take; what is left is for questions, however much is watched


# A source that counts for itself sees requests at other moments than this server does: so much longer is a window where
# a source has a budget of its own.
MARGIN_SECONDS = 0.5
FEW_A_MINUTE = 30
_MINUTE = 60


class Ceiling:
    """At most `per_minute` requests in any minute, with room kept for the polls: nobody's questions hold those up.

    `is_theirs` where the number is the source's own, which counts them too; `per_second` is its limit of a second,
    where it has one.
    """

    def __init__(
        self, clock: Clock, per_minute: int, *, is_theirs: bool = False, per_second: int | None = None
    ) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._per_second = math.inf if per_second is None else per_second
        # The few requests of a small budget are not a whole number in a part of a minute.
        window = _MINUTE if is_theirs and per_minute < FEW_A_MINUTE else WINDOW_SECONDS
        self._window_seconds = window + (MARGIN_SECONDS if is_theirs else 0.0)
        self._limit = max(1, int(per_minute * window / _MINUTE))
        self._kept_for_polls = 0.0
        self._polled = 0
        self._asked = 0
        # What was taken within the last window: when (monotonic), how many requests, and whether for a poll.
        self._taken: deque[tuple[float, int, bool]] = deque()
        self._last_minute: deque[tuple[float, int]] = deque()

    def pace(self, requests: int, seconds: float) -> float:
        """How far apart polls of so many requests each have to be, at least `seconds`; keeps room for them."""
        seconds = max(seconds, requests * self._window_seconds / self._most_polls)
        # A poll is made of whole requests and can fall into a window twice.
        self._kept_for_polls = min(self._most_polls, requests * (self._window_seconds / seconds + 1))
        return seconds

    def polls_in(self, seconds: float) -> float:
        """How many requests polls may make in so many seconds, over a long time."""
        return self._most_polls * seconds / self._window_seconds

    def room(self, *, is_poll: bool) -> int:
        """How many requests may be made now; of polls not more than their share."""
        self._forget_old()
        room = self._room(is_poll=is_poll)
        if is_poll:
            room = min(room, max(1, math.floor(self._most_polls)) - self._polled)
        return max(0, int(min(room, self._per_second - self._in_last_second())))

    def used(self) -> int:
        """How many requests were made within the last minute."""
        self._forget_old()
        return sum(requests for _, requests in self._last_minute)

    def wait_seconds(self, requests: int, *, is_poll: bool) -> float:
        """0 where so many requests may be made now, else when to look again."""
        self._forget_old()
        # What is more than there is ever sure to be room for has its turn with that, and is counted as what it is: a
        # poll of one large batch must not wait for a window in which nobody asks anything.
        sure = self._kept_for_polls if is_poll else self._limit - self._kept_for_polls
        if not self._taken or self._room(is_poll=is_poll) >= min(requests, max(1.0, sure)):
            is_fast = self._in_last_second() + min(requests, self._per_second) > self._per_second
            return 1.0 if is_fast else 0.0
        return max(self._taken[0][0] + self._window_seconds - self._clock.monotonic(), 0.001)

    def take(self, requests: int, *, is_poll: bool) -> None:
        """Count requests that are made now."""
        now = self._clock.monotonic()
        self._taken.append((now, requests, is_poll))
        self._last_minute.append((now, requests))
        self._count(requests, is_poll=is_poll)

    def _in_last_second(self) -> int:
        if self._per_second == math.inf:
            return 0
        limit, count = self._clock.monotonic() - 1.0, 0
        for at, requests, _ in reversed(self._taken):
            if at <= limit:
                break
            count += requests
        return count

    @property
    def _most_polls(self) -> float:
        return POLLS_SHARE * self._limit

    def _room(self, *, is_poll: bool) -> float:
        if is_poll:
            return self._limit - self._polled - self._asked
        return self._limit - max(self._kept_for_polls, self._polled) - self._asked

    def _forget_old(self) -> None:
        limit = self._clock.monotonic() - self._window_seconds
        while self._taken and self._taken[0][0] <= limit:
            _, requests, is_poll = self._taken.popleft()
            self._count(-requests, is_poll=is_poll)
        minute = self._clock.monotonic() - _MINUTE
        while self._last_minute and self._last_minute[0][0] <= minute:
            self._last_minute.popleft()

    def _count(self, requests: int, *, is_poll: bool) -> None:
        if is_poll:
            self._polled += requests
        else:
            self._asked += requests
