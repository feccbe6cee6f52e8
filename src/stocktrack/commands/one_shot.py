"""`stocktrack get|watch|stocks|news|info|dividends|search|sources`: what the market says, for people and for scripts.

Data goes to standard output: a table on a terminal, tab-separated rows in a pipe, with `--json` the wire's reply.
What is slow to import is imported when a command runs, so that `--help` and `get` start fast.
"""

import gc
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stocktrack.commands.options import AsJson, ScreenOptions, ServerCall, spread

if TYPE_CHECKING:
    from stocktrack.client.settings import ClientSettings
    from stocktrack.messages import Command, Missing
    from stocktrack.terminal.text import Shown

SymbolArguments = Annotated[list[str], typer.Argument(metavar="SYMBOL", help="AAPL MSFT, or AAPL,MSFT")]
OptionalSymbolArguments = Annotated[
    list[str] | None, typer.Argument(metavar="SYMBOL", help="AAPL MSFT, or AAPL,MSFT; none is your saved stocks")
]
SymbolArgument = Annotated[str, typer.Argument(metavar="SYMBOL")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to `app`, in the order in which `--help` lists them."""
    for command in (get, watch, stocks, news, info, dividends, search, sources):
        app.command()(spread(command))


def get(
    symbols: SymbolArguments,
    *,
    call: ServerCall,
    as_json: AsJson = False,
) -> None:
    """Print the latest prices of some symbols."""
    from stocktrack.terminal.typed_commands import split_symbols

    ask("GET", call, as_json=as_json, symbols=split_symbols(symbols))


def stocks(
    *,
    of_list: Annotated[
        str | None, typer.Option("--list", metavar="NAME", help="one of your lists; main", show_default=False)
    ] = None,
    add: Annotated[list[str] | None, typer.Option(metavar="A,B", help="save these first", show_default=False)] = None,
    remove: Annotated[
        list[str] | None, typer.Option(metavar="A,B", help="take these off first", show_default=False)
    ] = None,
    call: ServerCall,
    as_json: AsJson = False,
) -> None:
    """Print your saved stocks and their latest prices, or change the list first."""
    from stocktrack.client.wire import command_of
    from stocktrack.terminal.typed_commands import split_symbols

    def changes() -> "list[Command]":
        wanted = (("SUBSCRIBE", split_symbols(add or ())), ("UNSUBSCRIBE", split_symbols(remove or ())))
        return [command_of(kind, symbols=symbols, list=of_list) for kind, symbols in wanted if symbols]

    ask("MY_STOCKS", call, as_json=as_json, changes=changes, list=of_list)


def news(
    symbol: Annotated[
        str | None, typer.Argument(help="headlines of this one; left out: of the market", show_default=False)
    ] = None,
    *,
    limit: Annotated[int, typer.Option(min=1, max=100, help="how many headlines")] = 10,
    call: ServerCall,
    as_json: AsJson = False,
) -> None:
    """Print the latest headlines, of the market or of a symbol."""
    ask("NEWS", call, as_json=as_json, symbol=symbol, limit=limit)


def info(
    symbol: SymbolArgument,
    *,
    call: ServerCall,
    as_json: AsJson = False,
) -> None:
    """Print what is known of the company behind a symbol."""
    ask("INFO", call, as_json=as_json, symbol=symbol)


def dividends(
    symbol: SymbolArgument,
    *,
    limit: Annotated[int, typer.Option(min=1, max=100, help="how many payments")] = 5,
    call: ServerCall,
    as_json: AsJson = False,
) -> None:
    """Print the dividends of a symbol, newest first."""
    ask("DIVIDENDS", call, as_json=as_json, symbol=symbol, limit=limit)


def search(
    text: Annotated[list[str], typer.Argument(metavar="TEXT", help="part of a symbol or of a name")],
    *,
    segment: Annotated[
        str | None, typer.Option(metavar="WORD", help="only of this one, such as NSE, FO or MCX", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="how many matches")] = 10,
    call: ServerCall,
    as_json: AsJson = False,
) -> None:
    """Find symbols by name."""
    ask("SEARCH", call, as_json=as_json, query=" ".join(text).strip(), segment=segment, limit=limit)


def sources(
    *,
    call: ServerCall,
    as_json: AsJson = False,
) -> None:
    """Print how the market's sources are, and what each is asked for."""
    ask("SOURCES", call, as_json=as_json)


def watch(
    symbols: OptionalSymbolArguments = None,
    *,
    interval: Annotated[
        float, typer.Option(min=0, max=3_600, help="seconds between prices; 0 is as they change")
    ] = 0.0,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="end after this long", show_default=False)] = None,
    count: Annotated[int | None, typer.Option(min=1, help="end after so many prices", show_default=False)] = None,
    look: ScreenOptions,
    call: ServerCall,
    as_jsonl: Annotated[
        bool, typer.Option("--jsonl", help="print the protocol's lines: PRICE, and NOTICE of alerts")
    ] = False,
) -> None:
    """Show prices live: a board on a terminal, a line for each price in a pipe. Your saved stocks stay as they are."""
    from stocktrack.client.settings import ask_for_credentials
    from stocktrack.client.wire import command_of
    from stocktrack.commands.watch import Watch, watch_prices
    from stocktrack.terminal.run import run_to_exit
    from stocktrack.terminal.typed_commands import split_symbols

    # Told before the password is asked for: what is wrong here stays wrong.
    wanted = split_symbols(symbols or ())
    screen = look.settings()

    def begin() -> Coroutine[Any, Any, int]:
        command_of("SUBSCRIBE", symbols=wanted or None, interval=interval)
        settings = ask_for_credentials(call.settings())
        wish = Watch(wanted, interval=interval, seconds=seconds, count=count, timeout_seconds=call.timeout)
        return watch_prices(settings, wish, screen, as_jsonl=as_jsonl)

    run_to_exit(begin)


def ask(
    command_type: str,
    call: ServerCall,
    *,
    as_json: bool,
    changes: "Callable[[], Sequence[Command]]" = tuple,
    show: "Callable[[Any], None] | None" = None,
    **fields: Any,
) -> None:
    """Ask the server one thing, print the answer, and exit; what `changes()` names is done before.

    `show` prints the answer where it is not the table or the rows that it is elsewhere.
    """
    # A process that lives for a quarter of a second has no garbage worth looking for.
    gc.disable()
    from stocktrack.client.settings import ask_for_credentials
    from stocktrack.client.wire import command_of
    from stocktrack.terminal.run import run_to_exit

    server = call.settings()

    def begin() -> Coroutine[Any, Any, int]:
        commands = [*changes(), command_of(command_type, **fields)]
        settings = ask_for_credentials(server)
        return _answer(settings, commands, timeout_seconds=call.timeout, as_json=as_json, show=show)

    run_to_exit(begin)


async def _answer(
    settings: "ClientSettings",
    commands: "Sequence[Command]",
    *,
    timeout_seconds: float,
    as_json: bool,
    show: "Callable[[Any], None] | None" = None,
) -> int:
    """Send the commands one after the other, print the reply to the last one, and return the exit code."""
    from stocktrack.client import CommandFailed
    from stocktrack.messages import MyStocksReply, SearchReply
    from stocktrack.terminal.exit_codes import ExitCode, exit_code_of_missing, missing_sentences
    from stocktrack.terminal.run import say, write_line
    from stocktrack.terminal.text import Shown, list_names, nothing_saved, safe_json

    async with settings.client(timeout_seconds=timeout_seconds, reconnect=False) as client:
        try:
            answers = [await client.request(command) for command in commands]
        except CommandFailed as error:
            if as_json:
                write_line(safe_json(error.line.decode()))
            raise
    reply = answers[-1].reply
    if as_json:
        write_line(safe_json(answers[-1].line.decode()))
    elif show is not None:
        show(reply)
    elif isinstance(reply, Shown):
        print_reply(reply)
    missing: list[Missing] = [each for answer in answers for each in getattr(answer.reply, "missing", ())]
    for sentence in missing_sentences(missing):
        say(sentence)
    if isinstance(reply, MyStocksReply):
        if not reply.symbols:
            say(f"{nothing_saved(reply)}. `--add AAPL` saves one.")
        if len(reply.lists) > 1:
            say(f"Your lists: {list_names(reply)}.")
    if isinstance(reply, SearchReply) and not reply.matches:
        say("Nothing was found.")
        return ExitCode.NOT_FOUND
    return exit_code_of_missing(missing)


def print_reply(reply: "Shown") -> None:
    """A table for a person, rows for a program, nothing where there are none."""
    from stocktrack.terminal.text import has_colour, is_screen, rows_of, tab_separated

    rows = list(rows_of(reply))
    if not is_screen(sys.stdout) or not rows:
        sys.stdout.writelines(f"{tab_separated(row)}\n" for row in rows)
        return
    import shutil
    import time

    from stocktrack.terminal.tables import draw

    width = shutil.get_terminal_size().columns
    sys.stdout.write(draw(reply, width=width, colour=has_colour(sys.stdout), now_ms=time.time_ns() // 1_000_000))
