"""`stocktrack watch`: prices as they come, on a live board or as lines, until told to stop."""

import asyncio
import contextlib
import os
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stocktrack.client import PriceStream, State, StockTrackClient
from stocktrack.client.settings import ClientSettings
from stocktrack.clock import end
from stocktrack.errors import Reason
from stocktrack.messages import Notice, Price, Said
from stocktrack.quotes import clean_text
from stocktrack.system.blocking import BlockingPool
from stocktrack.terminal.alert_news import AlertNews
from stocktrack.terminal.attention import Attention
from stocktrack.terminal.connection_report import ConnectionReport
from stocktrack.terminal.exit_codes import ExitCode, exit_code_of_missing, missing_sentence
from stocktrack.terminal.run import is_live_screen, say
from stocktrack.terminal.screen_settings import ScreenSettings
from stocktrack.terminal.text import has_colour, is_screen, price_line, price_row, safe_json, said_line, tab_separated
from stocktrack.wire.lines import encode_line

if TYPE_CHECKING:
    from stocktrack.terminal.board_view import BoardView


@dataclass(frozen=True, slots=True)
class Watch:
    """What to watch, and when it ends by itself; no `symbols` are the saved ones."""

    symbols: Sequence[str]
    interval: float = 0.0
    seconds: float | None = None
    count: int | None = None
    timeout_seconds: float = 10.0


async def watch_prices(
    settings: ClientSettings, watch: Watch, screen: ScreenSettings, *, as_jsonl: bool = False
) -> int:
    """Watch until the watch ends, and return the exit code."""
    view = _board_of(settings, screen) if is_live_screen() and not as_jsonl else None
    report = ConnectionReport(say if view is None else view.say)
    lines = _Lines(as_jsonl=as_jsonl)
    is_seen = sys.stdout.isatty() and not as_jsonl and os.environ.get("TERM", "dumb") != "dumb"
    attention = Attention(sys.stdout, screen) if is_seen else None
    news = AlertNews()

    def take_alert(notice: Notice) -> None:
        now_ms = time.time_ns() // 1_000_000
        told = news.sentence(notice, now_ms)
        if told is None:
            return
        if as_jsonl:
            lines.add(notice)
        elif view is None:
            say(told)
        else:
            view.alert(notice.symbols or (), told, now_ms)
        if attention is not None:
            attention.call(clean_text(notice.message, 500))

    def take_notice(notice: Notice) -> None:
        if notice.reason is Reason.ALERT:
            take_alert(notice)
        elif report.notice(notice) and not client.subscribed:
            prices.end(None)  # no price can come any more

    def take_said(said: Said) -> None:
        if as_jsonl:
            lines.add(said)
        else:
            (say if view is None else view.say)(said_line(said))

    client = settings.client(
        timeout_seconds=watch.timeout_seconds, on_notice=take_notice, on_state=report.state, on_said=take_said
    )
    prices = client.prices()
    async with client, _running(attention):
        reply = await client.subscribe(watch.symbols or None, interval=watch.interval, save=False)
        if not (reply.symbols or reply.pending):
            say("You have no saved stocks yet; name some, as in `stocktrack watch AAPL`.")
            return ExitCode.DONE
        if view is not None:
            view.show(client.subscribed)
            await _on_board(view, client, prices, watch)
        for each in reply.missing:
            say(missing_sentence(each))
        if view is None:
            is_in_time = await _as_lines(prices, watch, lines)
            if not is_in_time and client.state is not State.CONNECTED:
                return ExitCode.UNAVAILABLE
    return exit_code_of_missing((*reply.missing, *report.dropped))


@contextlib.asynccontextmanager
async def _running(attention: Attention | None) -> AsyncIterator[None]:
    """Have bells and notifications go out meanwhile, where there is a terminal for them."""
    if attention is None:
        yield
        return
    calling = asyncio.create_task(attention.run(), name="watch: bells and notifications")
    try:
        yield
    finally:
        await end(calling)


def _board_of(settings: ClientSettings, screen: ScreenSettings) -> "BoardView":
    from stocktrack.terminal.board_view import BoardView

    return BoardView(title=settings.who, shows_holdings=screen.holdings)


async def _on_board(view: "BoardView", client: StockTrackClient, prices: PriceStream, watch: Watch) -> None:
    # prompt_toolkit takes as long to import as everything else together.
    from stocktrack.terminal.board_screen import BoardScreen, Ending
    from stocktrack.terminal.day_courses import DayCourses
    from stocktrack.terminal.held import Held

    screen = BoardScreen(view)

    async def take() -> None:
        seen = 0
        try:
            async for price in prices:
                view.put(price)
                seen += 1
                if seen == watch.count:
                    return
        finally:
            screen.end()

    taking = asyncio.create_task(take(), name="watch: take prices")
    fetching = asyncio.create_task(DayCourses(client, view).run(), name="watch: fetch the day's courses")
    holding = asyncio.create_task(Held(client, view).run(), name="watch: ask for holdings")
    if watch.seconds is not None:
        asyncio.get_running_loop().call_later(watch.seconds, screen.end)
    try:
        ending = await screen.run()
    finally:
        await end(taking, fetching, holding)
    if ending is Ending.INTERRUPTED:
        raise KeyboardInterrupt
    for task in (taking, fetching, holding):
        if not task.cancelled():
            task.result()


class _Lines:
    """Standard output as lines: of prices, and with `as_jsonl` of alerts that fire and of what others say meanwhile.

    Of a crowd that talks faster than the reader reads the last of it is written.
    """

    def __init__(self, *, as_jsonl: bool) -> None:
        self._as_jsonl = as_jsonl
        self._colour, self._is_plain = has_colour(sys.stdout), not is_screen(sys.stdout)
        self._notices: deque[Notice] = deque()
        self._said: deque[Said] = deque(maxlen=1_000)
        self._is_there = asyncio.Event()

    def add(self, message: Notice | Said) -> None:
        """Have a message written as soon as that can be done."""
        if isinstance(message, Said):
            self._said.append(message)
        else:
            self._notices.append(message)
        self._is_there.set()

    async def _next(self) -> Notice | Said:
        while not (self._notices or self._said):
            self._is_there.clear()
            await self._is_there.wait()
        return self._notices.popleft() if self._notices else self._said.popleft()

    async def write(self, prices: PriceStream, watch: Watch) -> None:
        """Write a line for each price, up to the watch's count."""
        # While the reader of the pipe pauses, the client goes on listening: the server would take it for a slow client.
        pool = BlockingPool("stdout", 1)
        descriptor = sys.stdout.fileno()

        async def write_messages() -> None:
            while True:
                await pool.run(_write_all, descriptor, self._line_of(await self._next()))

        writing = asyncio.create_task(write_messages(), name="watch: write what is told")
        # Where nobody reads any more no price need come for that to be noticed.
        writing.add_done_callback(lambda _: prices.end(None))
        seen = 0
        try:
            async for price in prices:
                await pool.run(_write_all, descriptor, self._line_of(price))
                seen += 1
                if seen == watch.count:
                    break
        finally:
            await end(writing)
            pool.close()
        if not writing.cancelled():
            writing.result()

    def _line_of(self, message: Price | Notice | Said) -> bytes:
        if self._as_jsonl or not isinstance(message, Price):
            return f"{safe_json(encode_line(message).decode().rstrip())}\n".encode()
        text = tab_separated(price_row(message)) if self._is_plain else price_line(message, colour=self._colour)
        return f"{text}\n".encode()


async def _as_lines(prices: PriceStream, watch: Watch, lines: _Lines) -> bool:
    """Write a line for each price; False where the time ended before the count was reached."""
    try:
        async with asyncio.timeout(watch.seconds):
            await lines.write(prices, watch)
    except TimeoutError:
        return False
    return True


def _write_all(descriptor: int, data: bytes) -> None:
    # Not through sys.stdout: a thread that hangs in it would hold its lock when the program ends.
    while data:
        data = data[os.write(descriptor, data) :]
