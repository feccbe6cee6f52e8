"""`stocktrack history` and `stocktrack chart`: past prices as a table, as data, and as a drawing."""

import gc
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from stocktrack.commands.one_shot import SymbolArgument, ask
from stocktrack.commands.options import AsJson, ServerCall, spread

if TYPE_CHECKING:
    from stocktrack.client.settings import ClientSettings
    from stocktrack.terminal.text import Shown

# The words of bars.py, which imports pydantic: `--help` does not wait for that.
RangeWord = Literal["1d", "5d", "1mo", "6mo", "ytd", "1y", "5y", "max"]
IntervalWord = Literal["1m", "2m", "5m", "15m", "30m", "1h", "1d", "1wk", "1mo"]
AdjustWord = Literal["none", "splits", "all"]

PrePost = Annotated[bool, typer.Option("--prepost", help="with the bars before and after the regular hours")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to `app`, in the order in which `--help` lists them."""
    for command in (history, chart):
        app.command()(spread(command))


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
    call: ServerCall,
    as_json: AsJson = False,
) -> None:
    """Print past prices, a bar a line: of a month, unless --range or --start says otherwise."""
    if as_csv and as_json:
        raise typer.BadParameter("--csv or --json, not both")
    if back is not None and start is not None:
        raise typer.BadParameter("--range or --start, not both")
    if end is not None and start is None:
        raise typer.BadParameter("--end needs a --start; a --range ends now")

    ask(
        "HISTORY",
        call,
        as_json=as_json,
        show=_print_csv if as_csv else _print_table,
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
) -> None:
    """Draw the prices of a day, or of a longer range, to the size of the terminal."""
    # As in `get`: a process that lives so shortly has no garbage worth looking for.
    gc.disable()
    from stocktrack.client.settings import ask_for_credentials
    from stocktrack.client.wire import command_of
    from stocktrack.terminal.run import run_to_exit

    server = call.settings()

    def begin() -> Coroutine[Any, Any, int]:
        command_of("HISTORY", symbol=symbol)  # what is wrong here is told before the password is asked for
        settings = ask_for_credentials(server)
        return _chart(settings, symbol, back, call.timeout, has_candles=candles, prepost=prepost)

    run_to_exit(begin)


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
        _say_what_it_is(reply)


def _print_table(reply: "Shown") -> None:
    from stocktrack.messages import HistoryReply
    from stocktrack.terminal.past import bars_table
    from stocktrack.terminal.text import has_colour, is_screen, rows_of, tab_separated

    if not isinstance(reply, HistoryReply):
        return
    if is_screen(sys.stdout):
        import shutil

        width = shutil.get_terminal_size().columns
        sys.stdout.write(bars_table(reply, width=width, colour=has_colour(sys.stdout)))
    else:
        sys.stdout.writelines(f"{tab_separated(row)}\n" for row in rows_of(reply))
    _say_what_it_is(reply)


def _say_what_it_is(reply: "Shown") -> None:
    """To a person whose bars these are; to a script only that the newest may be missing."""
    from stocktrack.messages import HistoryReply
    from stocktrack.terminal.past import bars_sentence
    from stocktrack.terminal.run import say
    from stocktrack.terminal.text import is_screen

    if isinstance(reply, HistoryReply) and (reply.stale or is_screen(sys.stdout)):
        sys.stdout.flush()  # so that the sentence stands below the rows
        say(bars_sentence(reply))
