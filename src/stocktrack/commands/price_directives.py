"""`stocktrack get --format beancount|ledger`: prices as the lines that plain text accounting reads."""

import sys
from collections.abc import Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stocktrack.client import StockTrackClient
    from stocktrack.client.settings import ClientSettings
    from stocktrack.messages import BoardQuote
    from stocktrack.terminal.price_directives import DirectiveFormat


async def print_price_directives(
    settings: "ClientSettings", symbols: Sequence[str], form: "DirectiveFormat", *, timeout_seconds: float
) -> int:
    """Print a directive for each symbol that has a price, say what there is none of, and return the exit code."""
    from stocktrack.terminal.exit_codes import ExitCode, exit_code_of_missing, missing_sentences
    from stocktrack.terminal.price_directives import directives
    from stocktrack.terminal.run import say
    from stocktrack.terminal.text import is_screen

    async with settings.client(timeout_seconds=timeout_seconds, reconnect=False) as client:
        reply = await client.get(symbols)
        zones = await _zones(client, reply.quotes)
    written = directives(reply.quotes, zones, form)
    sys.stdout.writelines(f"{line}\n" for line in written.lines)
    sys.stdout.flush()  # so that the sentences stand below the lines
    if is_screen(sys.stderr):  # it is the same every night, and whatever a script says is mailed to somebody
        for symbol, name in written.renamed.items():
            say(f"{symbol} is called {name} there.")
    for sentence in (*written.refused, *missing_sentences(reply.missing)):
        say(sentence)
    if unknown := [symbol for symbol in written.symbols if symbol not in zones]:
        say(f"The time zone of the exchange is not known, and the day is that of UTC: {', '.join(unknown)}.")
    if reply.missing:
        return exit_code_of_missing(reply.missing)
    return ExitCode.FAILED if written.refused else ExitCode.DONE


async def _zones(client: "StockTrackClient", quotes: "Sequence[BoardQuote]") -> "dict[str, tzinfo]":
    """The time zones of the symbols' exchanges, as far as they are known: past prices tell them.

    One symbol of each exchange is asked about; each that names none is asked about itself.
    """
    from stocktrack.client import CommandFailed
    from stocktrack.client.bars import zone_of

    names: dict[str, str | None] = {}
    zones: dict[str, tzinfo] = {}
    for quote in quotes:
        exchange = quote.exchange or f"of {quote.symbol} alone"
        if exchange not in names:
            try:
                names[exchange] = (await client.history(quote.symbol, range="5d", interval="1d")).timezone
            except CommandFailed:  # there are prices without a past
                names[exchange] = None
        if (name := names[exchange]) is not None:
            zones[quote.symbol] = zone_of(name)
    return zones
