import asyncio
from collections.abc import Callable

import pytest

from scripted_server import NOW_MS, a_price
from stocktrack.client import ClientError, NotFound, ServerError, State, TooManyRequests, Unavailable
from stocktrack.client.errors import error_of
from stocktrack.clock import ManualClock, end, settle
from stocktrack.errors import CommandError, Reason
from stocktrack.messages import BoardQuote, GetReply
from stocktrack.quotes import MarketState
from stocktrack.terminal.board_view import BoardView
from stocktrack.terminal.snapshots import FIRST_RETRY_SECONDS, LOOK_SECONDS, REFRESH_SECONDS, Snapshots
from stocktrack.wire.lines import failure


def a_quote(symbol: str) -> BoardQuote:
    return BoardQuote(
        symbol=symbol,
        price=189.45,
        currency="USD",
        name=f"{symbol} Inc.",
        low=188.0,
        high=191.0,
        market_state=MarketState.OPEN,
        timestamp=NOW_MS,
        received_at=NOW_MS,
        provider="scripted",
        seq=1,
    )


def a_reply(symbols: list[str]) -> GetReply:
    return GetReply(quotes=tuple(map(a_quote, symbols)))


class Asked:
    """Satisfies `AskedClient`, and keeps what it was asked."""

    def __init__(self, answer: Callable[[list[str]], GetReply] = a_reply) -> None:
        self.state = State.CONNECTED
        self.answer = answer
        self.questions: list[list[str]] = []

    async def get(self, symbols: list[str]) -> GetReply:
        self.questions.append(symbols)
        return self.answer(symbols)


def refusing(reason: Reason, retry_after_ms: int | None = None) -> Callable[[list[str]], GetReply]:
    def refuse(_: list[str]) -> GetReply:
        raise error_of(failure(CommandError(reason, "No.")).model_copy(update={"retry_after_ms": retry_after_ms}))

    return refuse


def a_board(*symbols: str) -> BoardView:
    view = BoardView("here")
    view.show(symbols)
    for symbol in symbols:
        view.put(a_price(symbol, seq=2))
    return view


def drawn(view: BoardView, width: int = 140, height: int = 12) -> list[str]:
    return ["".join(text for _, text in line) for line in view.lines(width, height, NOW_MS)]


async def pass_by(clock: ManualClock, seconds: float) -> None:
    for _ in range(round(seconds / LOOK_SECONDS)):
        await settle()
        await clock.advance(LOOK_SECONDS)
    await settle()


async def test_all_rows_in_sight_are_one_question_and_their_names_and_ranges_are_shown() -> None:
    client, view, clock = Asked(), a_board("AAPL", "MSFT"), ManualClock()
    drawn(view)
    running = asyncio.create_task(Snapshots(client, view, clock=clock).run())
    await pass_by(clock, 20)

    assert client.questions == [["AAPL", "MSFT"]]
    assert "AAPL Inc." in drawn(view)[2]
    assert "188.00–191.00" in drawn(view)[2]  # noqa: RUF001 - from one to the other
    await end(running)


async def test_what_comes_into_sight_is_asked_for_and_what_has_no_price_is_not() -> None:
    client, view, clock = Asked(), a_board(*(f"S{number}" for number in range(8))), ManualClock()
    view.refuse({"S1": "unknown symbol"})
    drawn(view, height=8)  # four rows
    running = asyncio.create_task(Snapshots(client, view, clock=clock).run())
    await pass_by(clock, 3)
    view.rows.scroll(2)
    await pass_by(clock, 3)

    assert client.questions == [["S0", "S2", "S3"], ["S4", "S5"]]
    await end(running)


async def test_a_screen_that_shows_none_of_it_asks_nothing() -> None:
    client, view, clock = Asked(), a_board("AAPL"), ManualClock()
    drawn(view, width=80)
    running = asyncio.create_task(Snapshots(client, view, clock=clock).run())
    await pass_by(clock, 120)

    assert client.questions == []
    await end(running)


async def test_it_is_asked_again_before_a_day_grows_old_but_not_without_a_connection() -> None:
    client, view, clock = Asked(), a_board("AAPL"), ManualClock()
    drawn(view)
    running = asyncio.create_task(Snapshots(client, view, clock=clock).run())
    await pass_by(clock, REFRESH_SECONDS + 2)
    assert len(client.questions) == 2

    client.state = State.RECONNECTING
    await pass_by(clock, 3 * REFRESH_SECONDS)
    assert len(client.questions) == 2
    client.state = State.CONNECTED
    await pass_by(clock, 1)
    assert len(client.questions) == 3
    client.state = State.CLOSED
    await pass_by(clock, 1)
    assert running.done()


@pytest.mark.parametrize(
    ("error", "kind"), [(Reason.STORAGE_ERROR, ServerError), (Reason.RATE_LIMITED, TooManyRequests)]
)
async def test_a_server_that_fails_is_asked_ever_less(error: Reason, kind: type[ClientError]) -> None:
    client, view, clock = Asked(refusing(error, 30_000)), a_board("AAPL"), ManualClock()
    with pytest.raises(kind):
        client.answer([])
    drawn(view)
    running = asyncio.create_task(Snapshots(client, view, clock=clock).run())
    await pass_by(clock, 29)
    assert len(client.questions) == 1
    await pass_by(clock, 600)
    assert 2 <= len(client.questions) <= 15
    assert not running.done()
    await end(running)


async def test_no_answer_in_time_and_no_quote_at_all_end_nothing() -> None:
    def slow(_: list[str]) -> GetReply:
        raise Unavailable("No answer in time.")

    for answer, most in ((slow, 2), (refusing(Reason.UNKNOWN_SYMBOL), 1)):
        client, view, clock = Asked(answer), a_board("AAPL"), ManualClock()
        drawn(view)
        running = asyncio.create_task(Snapshots(client, view, clock=clock).run())
        await pass_by(clock, 2 * FIRST_RETRY_SECONDS)
        assert 1 <= len(client.questions) <= most
        assert not running.done()
        await end(running)
    assert issubclass(NotFound, ClientError)
