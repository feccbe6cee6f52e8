import asyncio

import pytest

from stocktrack.client import BadRequest, NotAuthorised, ServerError, State, Unavailable
from stocktrack.clock import ManualClock, end
from stocktrack.errors import CommandError, Reason
from stocktrack.messages import AuthReply, Holdings, HoldingsReply, HoldingTotals, LotInfo
from stocktrack.terminal.board_view import BoardView
from stocktrack.terminal.held import LOOK_SECONDS, REFRESH_SECONDS, RETRY_SECONDS, Held
from stocktrack.terminal.screen_settings import ScreenSettings
from stocktrack.wire.lines import failure


def a_login() -> AuthReply:
    return AuthReply(message="Welcome ann!", username="ann", symbols=())


class Asked:
    """Satisfies `AskedClient`, and counts how often it was asked."""

    def __init__(self, *errors: Exception) -> None:
        self.state = State.CONNECTED
        self.welcome: AuthReply | None = a_login()
        self.count = 0
        self.currencies: list[str | None] = []
        self._errors = [*errors]

    async def holdings(self, currency: str | None = None) -> HoldingsReply:
        self.count += 1
        self.currencies.append(currency)
        if self._errors:
            raise self._errors.pop(0)
        lot = LotInfo(lot="l1", symbol="AAPL", quantity=1, unit_cost=1, created_at=0)
        return HoldingsReply(holdings=(), currency="USD", totals=HoldingTotals(value=0.0), lots=(lot,))


def refused(kind: type[ServerError | NotAuthorised | BadRequest], reason: Reason) -> Exception:
    return kind(failure(CommandError(reason, "No."), Holdings()))


async def test_it_is_asked_once_a_login_and_when_it_is_shown_again() -> None:
    client, view, clock = Asked(), BoardView("here"), ManualClock()
    running = asyncio.create_task(Held(client, view, clock=clock).run())
    await clock.advance(10)
    assert client.count == 1

    client.state = State.RECONNECTING
    await clock.advance(1)
    client.state, client.welcome = State.CONNECTED, a_login().model_copy(update={"message": "Welcome back!"})
    await clock.advance(10)
    assert client.count == 2

    view.toggle_holdings()
    await clock.advance(10)
    assert client.count == 2
    view.toggle_holdings()
    await clock.advance(10)
    assert client.count == 3
    await end(running)


async def test_it_is_asked_again_before_what_is_not_watched_grows_old() -> None:
    client, view, clock = Asked(), BoardView("here"), ManualClock()
    running = asyncio.create_task(Held(client, view, clock=clock).run())
    await clock.advance(REFRESH_SECONDS - 1)
    assert client.count == 1
    await clock.advance(2)
    assert client.count == 2

    client.state = State.RECONNECTING
    await clock.advance(3 * REFRESH_SECONDS)
    assert client.count == 2
    client.state = State.CONNECTED
    await clock.advance(1)
    assert client.count == 3
    await end(running)


async def test_what_is_hidden_and_a_session_without_a_login_are_not_asked_for() -> None:
    hidden, guest, clock = Asked(), Asked(), ManualClock()
    guest.welcome = None
    first = asyncio.create_task(
        Held(hidden, BoardView("here", settings=ScreenSettings(holdings=False)), clock=clock).run()
    )
    second = asyncio.create_task(Held(guest, BoardView("here"), clock=clock).run())
    await clock.advance(10)

    assert (hidden.count, guest.count) == (0, 0)
    await end(first, second)


@pytest.mark.parametrize(
    "error",
    [refused(NotAuthorised, Reason.NOT_PERMITTED), refused(BadRequest, Reason.UNKNOWN_COMMAND)],
    ids=["token", "older server"],
)
async def test_a_server_that_refuses_for_good_is_not_asked_again(error: Exception) -> None:
    client, clock = Asked(error), ManualClock()

    running = asyncio.create_task(Held(client, BoardView("here"), clock=clock).run())
    await clock.advance(60)

    assert running.done()
    running.result()
    assert client.count == 1


@pytest.mark.parametrize(
    "error", [refused(ServerError, Reason.STORAGE_ERROR), Unavailable("No answer in time.")], ids=["disk", "time"]
)
async def test_one_that_fails_for_now_is_asked_again_later(error: Exception) -> None:
    client, clock = Asked(error), ManualClock()

    running = asyncio.create_task(Held(client, BoardView("here"), clock=clock).run())
    await clock.advance(RETRY_SECONDS - LOOK_SECONDS)
    assert client.count == 1
    await clock.advance(2 * LOOK_SECONDS)
    assert client.count == 2
    await end(running)


async def test_it_ends_with_the_client() -> None:
    client, clock = Asked(), ManualClock()
    running = asyncio.create_task(Held(client, BoardView("here"), clock=clock).run())
    await clock.advance(1)
    client.state = State.CLOSED
    await clock.advance(1)

    assert running.done()


@pytest.mark.parametrize("currency", [None, "EUR"])
async def test_the_totals_are_asked_for_in_the_currency_of_the_board(currency: str | None) -> None:
    client, clock = Asked(), ManualClock()
    view = BoardView("here", settings=ScreenSettings(currency=currency))
    running = asyncio.create_task(Held(client, view, clock=clock).run())
    await clock.advance(1)

    assert client.currencies == [currency]
    await end(running)
