import asyncio
from typing import Any, cast

from past_prices import bars_of, session, wave
from scripted_server import a_price, a_quote
from stocktrack.bars import HistoryRange
from stocktrack.client import Bars, ClientError, NotFound, State, StockTrackClient, TooManyRequests
from stocktrack.clock import ManualClock
from stocktrack.errors import CommandError, Reason
from stocktrack.messages import DividendsReply, GetReply, InfoReply, NewsReply
from stocktrack.quotes import CompanyInfo, Headline
from stocktrack.terminal.board_view import BoardView
from stocktrack.terminal.details import Details
from stocktrack.wire.lines import failure


class Asked:
    """Answers what a detail asks for, and remembers what that was; the next `errors` are raised first."""

    def __init__(self) -> None:
        self.state = State.CONNECTED
        self.calls: list[str] = []
        self.errors: list[ClientError] = []

    def _called(self, what: str) -> None:
        self.calls.append(what)
        if self.errors:
            raise self.errors.pop()

    async def history(self, symbol: str, **options: Any) -> Bars:
        self._called(f"history {symbol} {options['range'].value}")
        return bars_of(wave(session(2026, 11, 27)), "1m")

    async def get(self, symbol: str) -> GetReply:
        return GetReply(quotes=(a_quote(symbol),), missing=())

    async def info(self, symbol: str) -> InfoReply:
        self._called(f"info {symbol}")
        return InfoReply(company=CompanyInfo(symbol=symbol, name="Apple Inc.", sector="Technology"))

    async def dividends(self, symbol: str, **_: Any) -> DividendsReply:
        self._called(f"dividends {symbol}")
        raise NotFound(failure(CommandError(Reason.NO_DIVIDENDS, "None.")))

    async def news(self, *, symbol: str, **_: Any) -> NewsReply:
        self._called(f"news {symbol}")
        return NewsReply(articles=(Headline(title="Hello", source="The Wire", link=None, published=None),))


class Scene:
    """A board with two symbols, whose details are fetched by the hands of a manual clock."""

    def __init__(self) -> None:
        self.asked, self.clock, self.view = Asked(), ManualClock(), BoardView("here")
        self.view.show(["AAPL", "MSFT"])
        for symbol in ("AAPL", "MSFT"):
            self.view.put(a_price(symbol))

    async def __aenter__(self) -> "Scene":
        client = cast("StockTrackClient", self.asked)
        self._running = asyncio.create_task(Details(client, self.view, clock=self.clock).run())
        await self.clock.advance(1)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert not self._running.done()
        self._running.cancel()

    async def pass_by(self, seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            await self.clock.advance(0.1)

    @property
    def text(self) -> str:
        lines = self.view.lines(100, 60, self.clock.now_ms())
        return "\n".join("".join(text for _, text in line).rstrip() for line in lines)


async def test_nothing_is_asked_for_until_a_detail_is_open_and_then_each_part_once() -> None:
    async with Scene() as scene:
        await scene.pass_by(5)
        assert scene.asked.calls == []

        scene.view.enter()
        await scene.pass_by(5)

        assert scene.asked.calls == ["history AAPL 1d", "info AAPL", "dividends AAPL", "news AAPL"]
        assert "Technology" in scene.text
        assert "Hello" in scene.text

        scene.view.turn_range(1)
        await scene.pass_by(5)
        assert scene.asked.calls[4:] == ["history AAPL 5d"]


async def test_who_goes_down_the_list_asks_for_the_last_one_alone() -> None:
    async with Scene() as scene:
        scene.view.enter()
        await scene.clock.advance(0.1)
        scene.view.select(1)
        await scene.pass_by(5)

        assert {call.split()[1] for call in scene.asked.calls} == {"MSFT"}


async def test_a_throttled_chart_is_asked_for_again_and_one_that_is_not_to_be_had_says_so() -> None:
    async with Scene() as scene:
        slow = TooManyRequests(failure(CommandError(Reason.RATE_LIMITED, "Slower.", retry_after_ms=2_000)))
        none = NotFound(failure(CommandError(Reason.NO_HISTORY, "There are no bars.")))
        scene.asked.errors = [none, slow]
        scene.view.enter()
        await scene.pass_by(2)
        assert scene.asked.calls == ["history AAPL 1d"]
        await scene.pass_by(3)

        assert scene.asked.calls[1] == "history AAPL 1d"
        assert "There are no bars." in scene.text


async def test_without_a_connection_nothing_is_asked_for() -> None:
    async with Scene() as scene:
        scene.asked.state = State.RECONNECTING
        scene.view.enter()
        await scene.pass_by(5)
        assert scene.asked.calls == []

        scene.asked.state = State.CONNECTED
        await scene.pass_by(5)
        assert scene.asked.calls[0] == f"history AAPL {HistoryRange.DAY.value}"
