"""`stocktrack watch`: prices as they come, on a live board or as lines, until told to stop."""

import asyncio
import os
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stocktrack.client import PriceStream, State, StockTrackClient
from stocktrack.client.settings import ClientSettings
from stocktrack.clock import end
from stocktrack.messages import Notice, Price, Said
from stocktrack.system.blocking import BlockingPool
from stocktrack.terminal.connection_report import ConnectionReport
from stocktrack.terminal.exit_codes import ExitCode, exit_code_of_missing, missing_sentence
from stocktrack.terminal.run import is_live_screen, say
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


class _Heard:
    """What others said and is not written yet; of a crowd that talks faster than the reader reads, the last of it."""

    def __init__(self) -> None:
        self._said: deque[Said] = deque(maxlen=1_000)
        self._is_there = asyncio.Event()

    def put(self, said: Said) -> None:
        self._said.append(said)
        self._is_there.set()

    async def next(self) -> Said:
        while not self._said:
            self._is_there.clear()
            await self._is_there.wait()
        return self._said.popleft()


async def watch_prices(settings: ClientSettings, watch: Watch, *, as_jsonl: bool = False) -> int:
    """Watch until the watch ends, and return the exit code."""
    view = _board_of(settings) if is_live_screen() and not as_jsonl else None
    report = ConnectionReport(say if view is None else view.say)

    def take_notice(notice: Notice) -> None:
        if report.notice(notice) and not client.subscribed:
            prices.end(None)  # no price can come any more

    heard = _Heard()

    def take_said(said: Said) -> None:
        if as_jsonl:
            heard.put(said)
        else:
            (say if view is None else view.say)(said_line(said))

    client = settings.client(
        timeout_seconds=watch.timeout_seconds, on_notice=take_notice, on_state=report.state, on_said=take_said
    )
    prices = client.prices()
    async with client:
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
            is_in_time = await _as_lines(prices, watch, heard, as_jsonl=as_jsonl)
            if not is_in_time and client.state is not State.CONNECTED:
                return ExitCode.UNAVAILABLE
    return exit_code_of_missing((*reply.missing, *report.dropped))


def _board_of(settings: ClientSettings) -> "BoardView":
    from stocktrack.terminal.board_view import BoardView

    return BoardView(title=settings.who)


async def _on_board(view: "BoardView", client: StockTrackClient, prices: PriceStream, watch: Watch) -> None:
    # prompt_toolkit takes as long to import as everything else together.
    from stocktrack.terminal.board_screen import BoardScreen, Ending
    from stocktrack.terminal.day_courses import DayCourses

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
    if watch.seconds is not None:
        asyncio.get_running_loop().call_later(watch.seconds, screen.end)
    try:
        ending = await screen.run()
    finally:
        await end(taking, fetching)
    if ending is Ending.INTERRUPTED:
        raise KeyboardInterrupt
    for task in (taking, fetching):
        if not task.cancelled():
            task.result()


async def _as_lines(prices: PriceStream, watch: Watch, heard: _Heard, *, as_jsonl: bool) -> bool:
    """Write a line for each price and each word; False where the time ended before the count was reached."""
    # While the reader of the pipe pauses, the client goes on listening: the server would take it for a slow client.
    pool = BlockingPool("stdout", 1)
    colour, is_plain = has_colour(sys.stdout), not is_screen(sys.stdout)
    descriptor = sys.stdout.fileno()

    def json_of(message: Price | Said) -> bytes:
        return f"{safe_json(encode_line(message).decode().rstrip())}\n".encode()

    def line_of(price: Price) -> bytes:
        if as_jsonl:
            return json_of(price)
        text = tab_separated(price_row(price)) if is_plain else price_line(price, colour=colour)
        return f"{text}\n".encode()

    async def write_words() -> None:
        while True:
            await pool.run(_write_all, descriptor, json_of(await heard.next()))

    writing = asyncio.create_task(write_words(), name="watch: write what is said")
    # Where nobody reads any more no price need come for that to be noticed.
    writing.add_done_callback(lambda _: prices.end(None))
    seen = 0
    try:
        async with asyncio.timeout(watch.seconds):
            async for price in prices:
                await pool.run(_write_all, descriptor, line_of(price))
                seen += 1
                if seen == watch.count:
                    break
    except TimeoutError:
        return False
    finally:
        await end(writing)
        pool.close()
    if not writing.cancelled():
        writing.result()
    return True


def _write_all(descriptor: int, data: bytes) -> None:
    # Not through sys.stdout: a thread that hangs in it would hold its lock when the program ends.
    while data:
        data = data[os.write(descriptor, data) :]
