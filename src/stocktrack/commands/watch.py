"""`stocktrack watch`: prices as they come, on a live board or as lines, until told to stop."""

import asyncio
import contextlib
import os
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from stocktrack.client import PriceStream, State
from stocktrack.client.settings import ClientSettings
from stocktrack.clock import end
from stocktrack.commands.row_forms import RowForm
from stocktrack.errors import Reason
from stocktrack.messages import Notice, Price, Said
from stocktrack.quotes import clean_text
from stocktrack.system.blocking import BlockingPool
from stocktrack.terminal.alert_news import AlertNews
from stocktrack.terminal.attention import Attention
from stocktrack.terminal.columns import price_fields, written
from stocktrack.terminal.connection_report import ConnectionReport
from stocktrack.terminal.exit_codes import ExitCode, exit_code_of_missing, missing_sentence
from stocktrack.terminal.run import is_live_screen, say
from stocktrack.terminal.screen_settings import ScreenSettings
from stocktrack.terminal.text import has_colour, is_screen, price_line, price_row, safe_json, said_line, tab_separated
from stocktrack.wire.lines import encode_line

_USUAL = RowForm("PRICE")


@dataclass(frozen=True, slots=True)
class Watch:
    """What to watch, and when it ends by itself; no `symbols` are the saved ones."""

    symbols: Sequence[str]
    interval: float = 0.0
    seconds: float | None = None
    count: int | None = None
    timeout_seconds: float = 10.0


async def watch_prices(settings: ClientSettings, watch: Watch, screen: ScreenSettings, form: RowForm = _USUAL) -> int:
    """Watch until the watch ends, and return the exit code: on the board, or as lines where it can't be drawn.

    Lines are also what another `form` than the table is written as.
    """
    as_jsonl = form.is_json
    if is_live_screen() and not as_jsonl and (form.is_usual or form.rows == "table"):
        from stocktrack.cli_client import Opening, run_client

        opening = Opening(watch.symbols, interval=watch.interval, seconds=watch.seconds, count=watch.count)
        return await run_client(settings, opening=opening, screen=screen, timeout_seconds=watch.timeout_seconds)
    report = ConnectionReport(say)
    lines = _Lines(form)
    news = AlertNews()
    is_seen = sys.stdout.isatty() and not as_jsonl and os.environ.get("TERM", "dumb") != "dumb"
    attention = Attention(sys.stdout, screen) if is_seen else None

    def take_alert(notice: Notice) -> None:
        told = news.sentence(notice, time.time_ns() // 1_000_000)
        if told is None:
            return
        if as_jsonl:
            lines.add(notice)
        else:
            say(told)
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
            say(said_line(said))

    client = settings.client(
        timeout_seconds=watch.timeout_seconds, on_notice=take_notice, on_state=report.state, on_said=take_said
    )
    prices = client.prices()
    async with client, _running(attention):
        reply = await client.subscribe(watch.symbols or None, interval=watch.interval, save=False)
        if not (reply.symbols or reply.pending):
            say("You have no saved stocks yet; name some, as in `stocktrack watch AAPL`.")
            return ExitCode.DONE
        for each in reply.missing:
            say(missing_sentence(each))
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


class _Lines:
    """Standard output as lines: of prices, and as JSON of alerts that fire and of what others say meanwhile.

    Of a crowd that talks faster than the reader reads the last of it is written.
    """

    def __init__(self, form: RowForm) -> None:
        self._form, self._as_jsonl = form, form.is_json
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
            if (heading := self._form.heading) is not None:
                await pool.run(_write_all, descriptor, written([], self._form.rows or "tsv", heading).encode())
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
        form = self._form.rows
        if form in {"tsv", "csv"} or self._form.fields is not None or self._form.header:
            return written([price_fields(message, self._form.fields)], form or "tsv", None).encode()
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
