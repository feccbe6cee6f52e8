"""`stocktrack get|watch|stocks|news|info|dividends|search|sources`: what the market says, for people and for scripts.

Data goes to standard output: a table on a terminal, tab-separated rows in a pipe, with `--json` the wire's reply.
What is slow to import is imported when a command runs, so that `--help` and `get` start fast.
"""

import gc
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from stocktrack.commands.completion import saved_lists, saved_symbols
from stocktrack.commands.options import PriceLineOptions, QuoteOptions, RowOptions, ScreenOptions, ServerCall, spread
from stocktrack.commands.row_forms import RowForm, form_of, table_of

if TYPE_CHECKING:
    from stocktrack.client.settings import ClientSettings
    from stocktrack.client.wire import Answer
    from stocktrack.messages import Command, Missing
    from stocktrack.terminal.logging_in import PrivateServer
    from stocktrack.terminal.text import Shown

SymbolArguments = Annotated[
    list[str], typer.Argument(metavar="SYMBOL", help="AAPL MSFT, or AAPL,MSFT", autocompletion=saved_symbols)
]
OptionalSymbolArguments = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SYMBOL", help="AAPL MSFT, or AAPL,MSFT; none is your saved stocks", autocompletion=saved_symbols
    ),
]
# The commands that are about symbols, by what they are called in a shell.
_OF_SYMBOLS = {"GET": "get", "INFO": "info", "DIVIDENDS": "dividends", "HISTORY": "history"}
SymbolArgument = Annotated[str, typer.Argument(metavar="SYMBOL", autocompletion=saved_symbols)]


def add_to(app: typer.Typer, private_server: "PrivateServer") -> None:
    """Add the commands to `app`; some do their work at a `private_server` where there is no other."""
    alone: tuple[Callable[..., None], ...] = (get, watch, news, info)
    others: tuple[Callable[..., None], ...] = (stocks, dividends, search, sources)
    for command in (*alone, *others):
        app.command()(spread(command, private_server=private_server if command in alone else None))


def get(symbols: SymbolArguments, *, rows: QuoteOptions, call: ServerCall) -> None:
    """Print the latest prices of some symbols.

    Where no server runs it asks the market itself.
    """
    from stocktrack.terminal.typed_commands import split_symbols

    wanted = split_symbols(symbols)
    if rows.form not in {"beancount", "ledger"}:
        ask("GET", call, rows=rows, symbols=wanted)
        return
    if rows.as_json or rows.fields is not None or rows.header:
        raise typer.BadParameter("--json, --fields and --header do not go with price directives")
    gc.disable()  # as in `ask`
    from stocktrack.client.wire import command_of
    from stocktrack.commands.price_directives import print_price_directives
    from stocktrack.terminal.logging_in import run_logged_in

    form: Literal["beancount", "ledger"] = "beancount" if rows.form == "beancount" else "ledger"
    run_logged_in(
        call.settings,
        lambda settings: print_price_directives(settings, wanted, form, timeout_seconds=call.timeout),
        check=lambda: command_of("GET", symbols=named("get", wanted)),
        private_server=call.private_server,
    )


def stocks(
    *,
    of_list: Annotated[
        str | None,
        typer.Option(
            "--list", metavar="NAME", help="which list [default: main]", show_default=False, autocompletion=saved_lists
        ),
    ] = None,
    add: Annotated[
        list[str] | None, typer.Option(metavar="A,B", help="add to the list, then print it", show_default=False)
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option(
            metavar="A,B", help="take off the list, then print it", show_default=False, autocompletion=saved_symbols
        ),
    ] = None,
    replace: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="A,B", help="have the list hold these alone, in this order", show_default=False),
    ] = None,
    top: Annotated[
        list[str] | None,
        typer.Option(
            "--first",
            metavar="A,B",
            help="put these at the top, in this order",
            show_default=False,
            autocompletion=saved_symbols,
        ),
    ] = None,
    rows: RowOptions,
    call: ServerCall,
) -> None:
    """Print your saved stocks and their latest prices, or change a list."""
    from stocktrack.client.wire import command_of
    from stocktrack.terminal.typed_commands import split_symbols

    def changes() -> "list[Command]":
        wanted: tuple[tuple[str, list[str] | None, dict[str, str]], ...] = (
            ("SET_LIST", replace, {}),
            ("SUBSCRIBE", add, {}),
            ("UNSUBSCRIBE", remove, {}),
            ("SET_LIST", top, {"change": "order"}),
        )
        named = [(kind, split_symbols(symbols or ()), fields) for kind, symbols, fields in wanted]
        return [command_of(kind, symbols=symbols, list=of_list, **fields) for kind, symbols, fields in named if symbols]

    ask("MY_STOCKS", call, rows=rows, changes=changes, list=of_list)


def news(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SYMBOL] [N]",
            help="headlines of this one, else of the market; and how many",
            show_default=False,
            autocompletion=saved_symbols,
        ),
    ] = None,
    *,
    limit: Annotated[int, typer.Option(min=1, max=100, help="how many headlines")] = 10,
    rows: RowOptions,
    call: ServerCall,
) -> None:
    """Print the latest headlines, of the market or of a symbol."""
    from stocktrack.terminal.typed_commands import UsageError, split_news

    try:
        symbol, count = split_news(" ".join(words or ()))
    except UsageError as error:
        raise typer.BadParameter(str(error)) from None
    ask("NEWS", call, rows=rows, symbol=symbol, limit=limit if count is None else count)


def info(
    symbol: SymbolArgument,
    *,
    rows: RowOptions,
    call: ServerCall,
) -> None:
    """Print what is known of the company behind a symbol."""
    ask("INFO", call, rows=rows, symbol=symbol)


def dividends(
    symbols: SymbolArguments,
    *,
    limit: Annotated[int, typer.Option(min=1, max=100, help="how many payments of each")] = 5,
    rows: RowOptions,
    call: ServerCall,
) -> None:
    """Print the dividends of some symbols, newest first."""
    from stocktrack.terminal.typed_commands import split_symbols

    wanted = split_symbols(symbols) or [""]
    ask("DIVIDENDS", call, rows=rows, each=[{"symbol": symbol} for symbol in dict.fromkeys(wanted)], limit=limit)


def search(
    text: Annotated[list[str], typer.Argument(metavar="TEXT", help="part of a symbol or of a name")],
    *,
    segment: Annotated[
        str | None, typer.Option(metavar="WORD", help="only of this one, such as NSE, FO or MCX", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="how many matches")] = 10,
    rows: RowOptions,
    call: ServerCall,
) -> None:
    """Find symbols by name."""
    ask("SEARCH", call, rows=rows, query=" ".join(text).strip(), segment=segment, limit=limit)


def sources(
    *,
    rows: RowOptions,
    call: ServerCall,
) -> None:
    """Print how the market's sources are, and what each is asked for."""
    ask("SOURCES", call, rows=rows)


def watch(
    symbols: OptionalSymbolArguments = None,
    *,
    interval: Annotated[
        float, typer.Option(min=0, max=3_600, help="seconds between prices; 0 is as they change")
    ] = 0.0,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="end after this long", show_default=False)] = None,
    count: Annotated[int | None, typer.Option(min=1, help="end after so many prices", show_default=False)] = None,
    rows: PriceLineOptions,
    look: ScreenOptions,
    call: ServerCall,
) -> None:
    """Show prices live.

    On a terminal they are a board, in a pipe a line for each price. Your saved stocks stay as they are. Where no server
    runs it asks the market itself.
    """
    from stocktrack.client.wire import command_of
    from stocktrack.commands.watch import Watch, watch_prices
    from stocktrack.terminal.logging_in import run_logged_in
    from stocktrack.terminal.typed_commands import split_symbols

    wanted = split_symbols(symbols or ())
    form = form_of("PRICE", rows)
    if form.rows == "table" and (form.fields is not None or form.header):
        raise typer.BadParameter("the table is the board, whose columns --columns chooses; --fields are those of lines")
    screen = look.settings()
    wish = Watch(wanted, interval=interval, seconds=seconds, count=count, timeout_seconds=call.timeout)
    run_logged_in(
        call.settings,
        lambda settings: watch_prices(settings, wish, screen, form),
        check=lambda: command_of("SUBSCRIBE", symbols=wanted or None, interval=interval),
        private_server=call.private_server,
    )


def named(command: str, symbols: list[str]) -> list[str]:
    """The symbols; where there is none, what to type is told."""
    if symbols and all(map(str.strip, symbols)):
        return symbols
    from stocktrack.terminal.exit_codes import ExitCode
    from stocktrack.terminal.run import say

    say(f"Name a symbol, as in `stocktrack {command} AAPL`.")
    raise typer.Exit(ExitCode.USAGE)


def ask(
    command_type: str,
    call: ServerCall,
    *,
    rows: RowOptions | QuoteOptions | None = None,
    as_json: bool = False,
    changes: "Callable[[], Sequence[Command]]" = tuple,
    each: "Sequence[Mapping[str, Any]]" = ({},),
    as_csv: bool = False,
    show: "Callable[[Any], None] | None" = None,
    remark: "Callable[[Any], None] | None" = None,
    **fields: Any,
) -> None:
    """Ask the server one thing, or the same of `each`, print the answers, and exit; `changes()` is done before.

    `show` prints an answer where it is not the table or the rows that it is elsewhere, as for a `--csv` of the command;
    `remark` says what else there is to say of one, unless JSON says it.
    """
    # A process that lives for a quarter of a second has no garbage worth looking for.
    gc.disable()
    from stocktrack.client.wire import command_of
    from stocktrack.terminal.logging_in import run_logged_in

    form = form_of(command_type, rows, as_json=as_json, as_csv=as_csv)
    before: list[Command] = []
    questions: list[Command] = []

    def check() -> None:
        for one in each:
            wanted = {**fields, **one}
            if command_type in _OF_SYMBOLS:
                symbols = wanted["symbols"] if "symbols" in wanted else [wanted["symbol"]]
                named(_OF_SYMBOLS[command_type], symbols)
            questions.append(command_of(command_type, **wanted))
        before.extend(changes())

    run_logged_in(
        call.settings,
        lambda settings: _answer(
            settings, before, questions, timeout_seconds=call.timeout, form=form, show=show, remark=remark
        ),
        check=check,
        private_server=call.private_server,
    )


async def _answer(
    settings: "ClientSettings",
    before: "Sequence[Command]",
    questions: "Sequence[Command]",
    *,
    timeout_seconds: float,
    form: RowForm,
    show: "Callable[[Any], None] | None" = None,
    remark: "Callable[[Any], None] | None" = None,
) -> int:
    """Send the commands one after the other, print the replies to the questions, and return the exit code."""
    from stocktrack.client import CommandFailed
    from stocktrack.messages import MyStocksReply, SearchReply
    from stocktrack.terminal.exit_codes import (
        ExitCode,
        exit_code_of,
        exit_code_of_missing,
        missing_sentences,
        sentence_of,
    )
    from stocktrack.terminal.run import say, write_line
    from stocktrack.terminal.text import is_screen, list_names, nothing_saved, safe_json

    code = ExitCode.DONE
    async with settings.client(timeout_seconds=timeout_seconds, reconnect=False) as client:
        answers = []
        try:
            done = [await client.request(command) for command in before]
        except CommandFailed as error:
            if form.is_json:
                write_line(safe_json(error.line.decode()))
            raise
        for question in questions:
            try:
                answers.append(await client.request(question))
            except CommandFailed as error:
                if form.is_json:
                    write_line(safe_json(error.line.decode()))
                if len(questions) == 1:
                    raise
                sys.stdout.flush()
                say(sentence_of(error))
                code = exit_code_of(error)
    for at, answer in enumerate(answers):
        # Rows for a program are one table, whatever number of answers they come from.
        headed = form if at == 0 or form.rows == "table" else form._replace(header=False)
        _print(answer, headed, show, is_one_of_many=len(questions) > 1)
        if remark is not None and not form.is_json:
            sys.stdout.flush()  # so that it stands below the rows
            remark(answer.reply)
    missing: list[Missing] = [each for answer in (*done, *answers) for each in getattr(answer.reply, "missing", ())]
    sys.stdout.flush()
    for sentence in missing_sentences(missing):
        say(sentence)
    reply = answers[-1].reply if answers else None
    if isinstance(reply, MyStocksReply):
        if not reply.symbols:
            from stocktrack.terminal.typed_commands import list_option

            say(f"{nothing_saved(reply)}. `stocktrack stocks{list_option(reply.list)} --add AAPL` saves one.")
        if len(reply.lists) > 1 and is_screen(sys.stdout):
            say(f"Your lists: {list_names(reply)}.")
    if isinstance(reply, SearchReply) and not reply.matches:
        say("Nothing was found.")
        return ExitCode.NOT_FOUND
    return code or exit_code_of_missing(missing)


def _print(answer: "Answer", form: RowForm, show: "Callable[[Any], None] | None", *, is_one_of_many: bool) -> None:
    from stocktrack.messages import DividendsReply
    from stocktrack.terminal.run import write_line
    from stocktrack.terminal.text import Shown, is_screen, safe_json, safe_symbol

    reply = answer.reply
    if form.is_json:
        write_line(safe_json(answer.line.decode()))
    elif show is not None and form.is_usual:
        show(reply)
    elif isinstance(reply, Shown):
        text = form.text(reply)
        is_table = form.rows == "table" or (text is None and is_screen(sys.stdout))
        if is_one_of_many and is_table and form.fields is None and isinstance(reply, DividendsReply):
            write_line(safe_symbol(reply.symbol))
        if text is None:
            print_reply(reply)
        else:
            sys.stdout.write(text)


def print_reply(reply: "Shown") -> None:
    """A table for a person, rows for a program, nothing where there are none."""
    from stocktrack.terminal.text import is_screen, rows_of, tab_separated

    rows = list(rows_of(reply))
    if not is_screen(sys.stdout) or not rows:
        sys.stdout.writelines(f"{tab_separated(row)}\n" for row in rows)
        return
    sys.stdout.write(table_of(reply))
