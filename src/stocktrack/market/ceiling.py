"""How often one source is asked by the whole server, whoever wants it: so often that it has patience, and no more."""

from collections import deque

from stocktrack.clock import Clock

# Counted within windows of so many seconds: a minute is six of them, so that no crowd uses one up in a second.
WINDOW_SECONDS = 10.0
POLLS_SHARE = 0.8  # the most that polls may take; what is left is for questions, however much is watched


class Ceiling:
    """At most `per_minute` requests in any minute, with room kept for the polls: nobody's questions hold those up."""

    def __init__(self, clock: Clock, per_minute: int) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._limit = max(1, int(per_minute * WINDOW_SECONDS / 60))
        self._kept_for_polls = 0.0
        self._polled = 0
        self._asked = 0
        # What was taken within the last window: when (monotonic), how many requests, and whether for a poll.
        self._taken: deque[tuple[float, int, bool]] = deque()

    def pace(self, requests: int, seconds: float) -> float:
        """How far apart polls of so many requests each have to be, at least `seconds`; keeps room for them."""
        seconds = max(seconds, requests * WINDOW_SECONDS / (POLLS_SHARE * self._limit))
        # A poll is made of whole requests and can fall into a window twice.
        self._kept_for_polls = min(POLLS_SHARE * self._limit, requests * (WINDOW_SECONDS / seconds + 1))
        return seconds

    def wait_seconds(self, requests: int, *, is_poll: bool) -> float:
        """0 where so many requests may be made now, else when to look again."""
        self._forget_old()
        # What is more than there is ever sure to be room for has its turn with that, and is counted as what it is: a
        # poll of one large batch must not wait for a window in which nobody asks anything.
        if is_poll:
            room, sure = float(self._limit - self._polled - self._asked), self._kept_for_polls
        else:
            room = self._limit - max(self._kept_for_polls, self._polled) - self._asked
            sure = self._limit - self._kept_for_polls
        if not self._taken or room >= min(requests, max(1.0, sure)):
            return 0.0
        return max(self._taken[0][0] + WINDOW_SECONDS - self._clock.monotonic(), 0.001)

    def take(self, requests: int, *, is_poll: bool) -> None:
        """Count requests that are made now."""
        self._taken.append((self._clock.monotonic(), requests, is_poll))
        self._count(requests, is_poll=is_poll)

    def _forget_old(self) -> None:
        limit = self._clock.monotonic() - WINDOW_SECONDS
        while self._taken and self._taken[0][0] <= limit:
            _, requests, is_poll = self._taken.popleft()
            self._count(-requests, is_poll=is_poll)

    def _count(self, requests: int, *, is_poll: bool) -> None:
        if is_poll:
            self._polled += requests
        else:
            self._asked += requests
