"""`stocktrack history` and `stocktrack chart`: past prices as a table, as data, and as a drawing."""

import gc
import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stocktrack.commands.one_shot import SymbolArgument, ask, named
from stocktrack.commands.options import RowOptions, ServerCall, spread

if TYPE_CHECKING:
    from stocktrack.client.settings import ClientSettings
    from stocktrack.terminal.logging_in import PrivateServer
    from stocktrack.terminal.text import Shown

# The words of bars.py, which imports pydantic: `--help` does not wait for that.
RangeWord = Literal["1d", "5d", "1mo", "6mo", "ytd", "1y", "5y", "max"]
IntervalWord = Literal["1m", "2m", "5m", "15m", "30m", "1h", "1d", "1wk", "1mo"]
AdjustWord = Literal["none", "splits", "all"]

PrePost = Annotated[bool, typer.Option("--prepost", help="with the bars before and after the regular hours")]


def add_to(app: typer.Typer, private_server: "PrivateServer") -> None:
    """Add the commands to `app`; a chart can be drawn of what a `private_server` finds where there is no other."""
    app.command()(spread(history))
    app.command()(spread(chart, private_server=private_server))


def history(
    symbol: SymbolArgument,
    *,
    back: Annotated[
        RangeWord | None,
        typer.Option("--range", help="how far back from now [default: 1mo]", case_sensitive=False, show_default=False),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="instead: from this day, or time with its zone, on", show_default=False),
    ] = None,
    end: Annotated[
        str | None, typer.Option(metavar="WHEN", help="with --start: up to this; now", show_default=False)
    ] = None,
    interval: Annotated[
        IntervalWord | None,
        typer.Option(help="how long a bar is; by the range", case_sensitive=False, show_default=False),
    ] = None,
    adjust: Annotated[AdjustWord, typer.Option(help="what prices are corrected for", case_sensitive=False)] = "splits",
    prepost: PrePost = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="print time,open,high,low,close,volume; time in ms")] = False,
    rows: RowOptions,
    call: ServerCall,
) -> None:
    """Print past prices, a bar a line.

    They are those of a month, unless --range or --start says otherwise.
    """
    if back is not None and start is not None:
        raise typer.BadParameter("--range or --start, not both")
    if end is not None and start is None:
        raise typer.BadParameter("--end needs a --start; a --range ends now")

    ask(
        "HISTORY",
        call,
        rows=rows,
        as_csv=as_csv,
        show=_print_csv if as_csv else None,
        remark=_say_what_it_is,
        symbol=symbol,
        range=back,
        start=_moment("--start", start),
        end=_moment("--end", end),
        interval=interval,
        adjust=adjust,
        prepost=prepost,
    )


def chart(
    symbol: SymbolArgument,
    *,
    back: Annotated[RangeWord, typer.Option("--range", help="how far back from now", case_sensitive=False)] = "1d",
    candles: Annotated[bool, typer.Option("--candles", help="candles instead of a line")] = False,
    prepost: PrePost = False,
    call: ServerCall,
    as_json: Annotated[
        bool, typer.Option("--json", help="print the bars and the quote that it is drawn from, one JSON document")
    ] = False,
) -> None:
    """Draw the prices of a day, or of a longer range."""
    # As in `get`: a process that lives so shortly has no garbage worth looking for.
    gc.disable()
    from stocktrack.client.wire import command_of
    from stocktrack.terminal.logging_in import run_logged_in

    run_logged_in(
        call.settings,
        lambda settings: (
            _chart_data(settings, symbol, back, call.timeout, prepost=prepost)
            if as_json
            else _chart(settings, symbol, back, call.timeout, has_candles=candles, prepost=prepost)
        ),
        check=lambda: command_of("HISTORY", symbol=named("chart", [symbol])[0]),
        private_server=call.private_server,
    )


async def _chart(
    settings: "ClientSettings", symbol: str, back: str, timeout_seconds: float, *, has_candles: bool, prepost: bool
) -> int:
    from stocktrack.bars import HistoryRange
    from stocktrack.terminal.chart import draw_chart
    from stocktrack.terminal.chart_request import find_chart, look_of
    from stocktrack.terminal.run import write_line

    async with settings.client(timeout_seconds=timeout_seconds, reconnect=False) as client:
        found = await find_chart(client, symbol, range=HistoryRange(back), prepost=prepost, has_candles=has_candles)
    write_line(draw_chart(found, look_of(sys.stdout)))
    return 0


async def _chart_data(
    settings: "ClientSettings", symbol: str, back: str, timeout_seconds: float, *, prepost: bool
) -> int:
    """Print the reply with the bars and in it, as `quote`, the latest price, null where there is none."""
    import json

    from stocktrack.client import ClientError, CommandFailed
    from stocktrack.client.client import history_command
    from stocktrack.terminal.run import write_line
    from stocktrack.terminal.text import safe_json

    async with settings.client(timeout_seconds=timeout_seconds, reconnect=False) as client:
        try:
            answer = await client.request(history_command(symbol, range=back, prepost=prepost or None))
        except CommandFailed as error:
            write_line(safe_json(error.line.decode()))
            raise
        try:
            quotes = (await client.get(symbol)).quotes
        except ClientError:
            quotes = ()
    quote = quotes[0].model_dump(mode="json", exclude_none=True) if quotes else None
    write_line(safe_json(json.dumps({**json.loads(answer.line), "quote": quote}, ensure_ascii=False)))
    return 0


def _moment(option: str, text: str | None) -> int | str | None:
    from stocktrack.client.bars import wire_moment

    try:
        return wire_moment(text)
    except ValueError as error:
        raise typer.BadParameter(f"{option}: {error}") from None


def _print_csv(reply: "Shown") -> None:
    from stocktrack.messages import HistoryReply
    from stocktrack.terminal.past import csv_lines

    if isinstance(reply, HistoryReply):
        sys.stdout.writelines(f"{line}\n" for line in csv_lines(reply.bars))


def _say_what_it_is(reply: "Shown") -> None:
    """To a person whose bars these are; to a script only that the newest may be missing."""
    from stocktrack.messages import HistoryReply
    from stocktrack.terminal.past import bars_sentence
    from stocktrack.terminal.run import say
    from stocktrack.terminal.text import is_screen

    if isinstance(reply, HistoryReply) and (reply.stale or is_screen(sys.stdout)):
        say(bars_sentence(reply))
