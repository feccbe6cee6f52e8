"""Asks for what the person holds, for the board: as soon as the board shows it, at each login, and now and then."""

from typing import Protocol

from stocktrack.client import ClientError, CommandFailed, State, Unavailable
from stocktrack.clock import Clock, RealClock
from stocktrack.messages import AuthReply, HoldingsReply
from stocktrack.terminal.board_view import BoardView

# How often it is looked whether the board wants it: it was switched on, or the connection is back.
LOOK_SECONDS = 0.25
RETRY_SECONDS = 5.0
# What is held but not watched has its price, and everything its rate, of the last answer: the total may not grow old.
REFRESH_SECONDS = 60.0

_REAL_CLOCK = RealClock()


class AskedClient(Protocol):
    """What is needed of a `StockTrackClient`."""

    @property
    def state(self) -> State:
        """Whether it is connected now."""
        ...

    @property
    def welcome(self) -> AuthReply | None:
        """The reply to the last login: another one after a reconnect."""
        ...

    async def holdings(self, currency: str | None = None) -> HoldingsReply:
        """What the user holds, with totals in a currency or in the server's."""
        ...


class Held:
    """Gives `view` the holdings after each login, until it is cancelled; `run` raises nothing but what cancels it.

    A server that has no holdings, or does not let this session see them, leaves the board as it is.
    """

    def __init__(self, client: AskedClient, view: BoardView, *, clock: Clock = _REAL_CLOCK) -> None:
        self._client = client
        self._view = view
        self._clock = clock

    async def run(self) -> None:
        """Ask whenever there is another login, the board shows holdings again, or the last answer has grown old."""
        asked_of: AuthReply | None = None
        again_at = 0.0
        while self._client.state is not State.CLOSED:
            wait = LOOK_SECONDS
            if not self._view.shows_holdings:
                asked_of = None  # lots may be added meanwhile
            elif self._client.state is State.CONNECTED and (
                self._client.welcome is not asked_of or (asked_of is not None and self._clock.monotonic() >= again_at)
            ):
                welcome = self._client.welcome
                try:
                    self._view.put_holdings(await self._client.holdings(self._view.currency))
                    asked_of, again_at = welcome, self._clock.monotonic() + REFRESH_SECONDS
                except Unavailable:
                    wait = RETRY_SECONDS
                except CommandFailed as error:
                    if not error.retryable:
                        return  # an older server, or a token that is not for this
                    wait = max(RETRY_SECONDS, (error.retry_after_ms or 0) / 1000)
                except ClientError:
                    return
            await self._clock.sleep(wait)
