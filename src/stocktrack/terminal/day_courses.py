"""Fetches the day's course of what the board shows: in the background, one symbol at a time, and politely."""

from typing import Protocol

from stocktrack.bars import BarInterval, HistoryRange
from stocktrack.client import (
    BadRequest,
    Bars,
    ClientError,
    NotFound,
    ServerError,
    State,
    TooManyRequests,
    Unavailable,
)
from stocktrack.clock import Clock, RealClock, backoff_seconds
from stocktrack.errors import Reason
from stocktrack.terminal.board_view import BoardView
from stocktrack.terminal.course import COURSE_INTERVAL

# How often it is looked for a row that has no course yet: it came into sight, or has got its first price.
LOOK_SECONDS = 0.25
# A user may cause a request a second on average (`user_upstream_requests_per_minute`): the rest is left to the person.
PAUSE_SECONDS = 1.0
# So many may be caused at once, of which the first few fill a small board (a third of `user_upstream_burst`).
QUICK, QUICK_PAUSE_SECONDS = 10, 0.1
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 5.0, 300.0

_REAL_CLOCK = RealClock()


class AskedClient(Protocol):
    """What is needed of a `StockTrackClient`."""

    @property
    def state(self) -> State:
        """Whether it is connected now."""
        ...

    async def history(self, symbol: str, *, range: HistoryRange, interval: BarInterval) -> Bars:  # noqa: A002 - as there
        """Past prices."""
        ...

    async def wait_connected(self) -> None:
        """Return once it is connected."""
        ...


class DayCourses:
    """Asks for the courses that `view` wants, until it is cancelled; a server that has none leaves the board as it is.

    `run` raises nothing but what cancels it.
    """

    def __init__(self, client: AskedClient, view: BoardView, *, clock: Clock = _REAL_CLOCK) -> None:
        self._client = client
        self._view = view
        self._clock = clock
        self._asked = 0
        self._failures: dict[str, int] = {}
        self._not_before: dict[str, float] = {}

    async def run(self) -> None:
        """Fill the board, row by row, the visible ones first."""
        while self._client.state is not State.CLOSED:
            now = self._clock.monotonic()
            wanted = (each for each in self._view.wanted_courses() if self._not_before.get(each, 0.0) <= now)
            symbol = next(wanted, None)
            if symbol is None:
                await self._clock.sleep(LOOK_SECONDS)
                continue
            seconds = await self._fetch(symbol)
            if seconds is None:
                return
            await self._clock.sleep(seconds)

    async def _fetch(self, symbol: str) -> float | None:
        """Ask for one course; the seconds to wait before the next one, None where no more need be asked for."""
        self._asked += 1
        try:
            bars = await self._client.history(symbol, range=HistoryRange.DAY, interval=COURSE_INTERVAL)
        except TooManyRequests as error:
            return max((error.retry_after_ms or 0) / 1000, self._retry_seconds(""))
        except (BadRequest, NotFound) as error:
            if error.reason in {Reason.UNKNOWN_COMMAND, Reason.NOT_PERMITTED}:
                return None  # an older server
            self._view.put_course(symbol, ())
        except (ServerError, Unavailable) as error:
            if self._client.state is State.RECONNECTING:
                return await self._connected_again()
            wait = max((error.retry_after_ms or 0) / 1000, self._retry_seconds(symbol))
            self._not_before[symbol] = self._clock.monotonic() + wait
        except ClientError:
            return None
        else:
            self._failures.pop("", None)
            self._view.put_course(symbol, bars)
        return QUICK_PAUSE_SECONDS if self._asked < QUICK else PAUSE_SECONDS

    def _retry_seconds(self, what: str) -> float:
        self._failures[what] = self._failures.get(what, 0) + 1
        return backoff_seconds(
            self._failures[what], first=FIRST_RETRY_SECONDS, longest=LONGEST_RETRY_SECONDS, jitter=0.5
        )

    async def _connected_again(self) -> float | None:
        try:
            await self._client.wait_connected()
        except ClientError:
            return None
        return PAUSE_SECONDS
