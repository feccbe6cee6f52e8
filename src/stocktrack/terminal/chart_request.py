"""Asks a server for what a chart shows, and says what it can be drawn with: size, colours, characters."""

import asyncio
import contextlib
import os
import shutil
import sys
import time
from typing import TextIO

from stocktrack.bars import HistoryRange
from stocktrack.client import ClientError, NotFound, StockTrackClient
from stocktrack.errors import CommandError, Reason
from stocktrack.messages import BoardQuote
from stocktrack.quotes import shown
from stocktrack.terminal.chart import Chart, Look
from stocktrack.terminal.text import has_colour
from stocktrack.wire.lines import failure


async def find_chart(
    client: StockTrackClient,
    symbol: str,
    *,
    range: HistoryRange = HistoryRange.DAY,  # noqa: A002 - the wire's word
    prepost: bool = False,
    has_candles: bool = False,
) -> Chart:
    """The bars and the quote of `symbol`, asked for at once; without the quote where that fails.

    Errors are those of `StockTrackClient.history`, and `NotFound` where there is no bar.
    """
    quoting = asyncio.create_task(_quote(client, symbol), name="chart: quote")
    try:
        bars = await client.history(symbol, range=range, prepost=prepost)
        quote = await quoting
    finally:
        quoting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await quoting
    if not bars:
        raise NotFound(failure(CommandError(Reason.NO_HISTORY, f"There are no bars of {shown(symbol)}.")))
    return Chart(bars, range, quote, time.time_ns() // 1_000_000, has_candles)


async def _quote(client: StockTrackClient, symbol: str) -> BoardQuote | None:
    try:
        return next(iter((await client.get(symbol)).quotes), None)
    except ClientError:
        return None


def look_of(stream: TextIO) -> Look:
    """What a chart on `stream` can be drawn with; on a terminal a line stays free, for the shell's prompt below it."""
    size = shutil.get_terminal_size()
    return Look(columns=size.columns, rows=size.lines - 1, colour=has_colour(stream), is_unicode=has_unicode(stream))


def has_unicode(stream: TextIO) -> bool:
    """Whether more than ASCII can be shown: not on a dumb terminal, nor where the locale says otherwise."""
    encoding = (getattr(stream, "encoding", None) or "").lower().replace("-", "").replace("_", "")
    if encoding != "utf8" or os.environ.get("TERM") == "dumb":
        return False
    # In the locale C Python writes UTF-8 all the same, and sets LC_CTYPE (PEP 538, PEP 540).
    chosen = "" if sys.flags.utf8_mode else os.environ.get("LC_CTYPE", "")
    named = os.environ.get("LC_ALL") or chosen or os.environ.get("LANG") or ""
    return not named or "utf" in named.lower()
