"""Fetches what pushes do not tell of the rows of the board: names, and the day and the year of their prices."""

from typing import Final, Protocol

from stocktrack.client import ClientError, CommandFailed, NotFound, State, Unavailable
from stocktrack.clock import Clock, RealClock, backoff_seconds
from stocktrack.messages import GetReply
from stocktrack.terminal.board_view import BoardView

# How often it is looked for rows without: they came into sight, or have got their first price.
LOOK_SECONDS: Final = 0.25
# Who scrolls through a long list causes no question for each row: all in sight are one.
PAUSE_SECONDS: Final = 1.0
# Prices carry the day's low and high on; a new day begins with a question.
REFRESH_SECONDS: Final = 60.0
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 5.0, 300.0

_REAL_CLOCK = RealClock()


class AskedClient(Protocol):
    """What is needed of a `StockTrackClient`."""

    @property
    def state(self) -> State:
        """Whether it is connected now."""
        ...

    async def get(self, symbols: list[str]) -> GetReply:
        """The newest quotes."""
        ...


class Snapshots:
    """Asks for the quotes that `view` wants, until it is cancelled; `run` raises nothing but what cancels it.

    What is watched is on the server's board already, and costs no request to a source.
    """

    def __init__(self, client: AskedClient, view: BoardView, *, clock: Clock = _REAL_CLOCK) -> None:
        self._client = client
        self._view = view
        self._clock = clock
        self._asked_at: dict[str, float] = {}
        self._failures = 0

    async def run(self) -> None:
        """Ask for all rows in sight that have none, and for all of them again before they grow old."""
        while self._client.state is not State.CLOSED:
            now = self._clock.monotonic()
            wanted = [
                symbol
                for symbol in self._view.wanted_quotes()
                if (at := self._asked_at.get(symbol)) is None or now - at >= REFRESH_SECONDS
            ]
            if self._client.state is not State.CONNECTED or not wanted:
                await self._clock.sleep(LOOK_SECONDS)
                continue
            seconds = await self._fetch(wanted)
            if seconds is None:
                return
            await self._clock.sleep(seconds)

    async def _fetch(self, symbols: list[str]) -> float | None:
        """Ask once; the seconds to wait before the next time, None where nothing need be asked any more."""
        try:
            reply = await self._client.get(symbols)
        except NotFound:
            pass  # none of them has a quote yet
        except (CommandFailed, Unavailable) as error:
            self._failures += 1
            wait = backoff_seconds(self._failures, first=FIRST_RETRY_SECONDS, longest=LONGEST_RETRY_SECONDS, jitter=0.5)
            return max(wait, (error.retry_after_ms or 0) / 1000)
        except ClientError:
            return None
        else:
            self._view.put_quotes(reply.quotes)
        self._failures = 0
        self._asked_at.update(dict.fromkeys(symbols, self._clock.monotonic()))
        return PAUSE_SECONDS
