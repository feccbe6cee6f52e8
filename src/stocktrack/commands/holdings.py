"""`stocktrack holdings` and `stocktrack lots …`: what a user owns, what it is worth, and where that is kept."""

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stocktrack.commands.at_server import at_server, take_out_each
from stocktrack.commands.completion import currencies
from stocktrack.commands.help import CommandLine
from stocktrack.commands.one_shot import ask
from stocktrack.commands.options import RowOptions, ServerCall, spread
from stocktrack.commands.row_forms import RowForm, form_of

if TYPE_CHECKING:
    from stocktrack.client import StockTrackClient
    from stocktrack.messages import HoldingsReply, LotInfo
    from stocktrack.terminal.text import Shown

AsCsv = Annotated[bool, typer.Option("--csv", help="print CSV, for a spreadsheet")]
Group = Annotated[str | None, typer.Option(metavar="NAME", help="only lots of this group; all", show_default=False)]
_ADDING = "stocktrack lots add AAPL 10 @ 146"
# `-5` is a quantity and no option.
_TAKES_NEGATIVE = {"ignore_unknown_options": True}

lots_app = CommandLine(help="Keep what you bought and sold: add, list, remove and import lots.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command()(spread(holdings))
    lots_app.command("add", context_settings=_TAKES_NEGATIVE)(spread(add))
    lots_app.command("list")(spread(list_lots))
    lots_app.command("remove")(spread(remove))
    lots_app.command("import")(spread(import_file))
    app.add_typer(lots_app, name="lots")


def holdings(
    *,
    currency: Annotated[
        str | None,
        typer.Option(
            metavar="CODE",
            help="of the totals, such as EUR; the server's",
            show_default=False,
            autocompletion=currencies,
        ),
    ] = None,
    group: Group = None,
    as_csv: AsCsv = False,
    rows: RowOptions,
    call: ServerCall,
) -> None:
    """Print what you hold, what it is worth now, and the totals."""
    ask(
        "HOLDINGS",
        call,
        rows=rows,
        as_csv=as_csv,
        show=_print_csv if as_csv else None,
        remark=None if as_csv else _remark,
        currency=currency and currency.upper(),
        group=group,
    )


def add(
    lot: Annotated[
        list[str], typer.Argument(metavar="SYMBOL QUANTITY @ COST", help="AAPL 10 @ 146, or AAPL -10 @ 180 for a sale")
    ],
    *,
    fee: Annotated[float, typer.Option(min=0, help="what the whole order cost on top, in the same currency")] = 0.0,
    group: Annotated[
        str | None, typer.Option(metavar="NAME", help="one of your groups, or a new one; main", show_default=False)
    ] = None,
    call: ServerCall,
) -> None:
    """Keep a purchase, or a sale: lots add AAPL 10 @ 146.

    The cost is that of one piece, in the currency of its price: a share that is quoted in pence costs pence. A sale
    has a quantity below 0.
    """
    from stocktrack.client.wire import command_of
    from stocktrack.terminal.holding_table import lot_sentence
    from stocktrack.terminal.run import say
    from stocktrack.terminal.typed_commands import UsageError, split_lot

    try:
        typed = split_lot(" ".join(lot), fee=fee, group=group)
    except UsageError as error:
        raise typer.BadParameter(str(error)) from None
    fields: dict[str, Any] = {"symbol": typed.symbol, "quantity": typed.quantity, "unit_cost": typed.unit_cost}

    async def work(client: "StockTrackClient") -> int:
        say(lot_sentence(await client.add_lot(**fields, fixed_cost=typed.fixed_cost, group=typed.group)))
        return 0

    def check() -> None:
        command_of("ADD_LOT", **fields, fixed_cost=typed.fixed_cost, group=typed.group)

    at_server(work, call, check)


def list_lots(*, group: Group = None, as_csv: AsCsv = False, rows: RowOptions, call: ServerCall) -> None:
    """List your lots, each with its name.

    Name, symbol, quantity, cost of one, fees, group, and when it was added.
    """
    from stocktrack.client.wire import command_of

    form = form_of("LOTS", rows, as_csv=as_csv)

    async def work(client: "StockTrackClient") -> int:
        from stocktrack.terminal.holding_table import holdings_sentences
        from stocktrack.terminal.run import say

        reply = await client.holdings(group=group)
        _print_lots(reply.lots, form, as_csv=as_csv)
        if not reply.lots and not form.is_json:
            for sentence in holdings_sentences(reply, adding=_ADDING):
                say(sentence)
        return 0

    at_server(work, call, lambda: command_of("HOLDINGS", group=group))


def remove(
    names: Annotated[list[str], typer.Argument(metavar="LOT", help="as `lots list` names it, such as l3")],
    *,
    call: ServerCall,
) -> None:
    """Take out lots by their names."""
    from stocktrack.terminal.holding_table import removed_lot_sentence
    from stocktrack.terminal.typed_commands import UsageError, lot_names

    try:
        lots = lot_names(names)
    except UsageError as error:
        raise typer.BadParameter(str(error)) from None

    async def work(client: "StockTrackClient") -> int:
        async def remove_lot(lot: str) -> str:
            return removed_lot_sentence(await client.remove_lot(lot))

        return await take_out_each(lots, remove_lot)

    at_server(work, call)


def import_file(
    path: Annotated[str, typer.Argument(metavar="FILE", help="a configuration of ticker, such as ~/.ticker.yaml")],
    *,
    watchlist: Annotated[bool, typer.Option("--watchlist", help="save its watch lists as your lists, too")] = False,
    again: Annotated[bool, typer.Option("--again", help="add also what is there already")] = False,
    call: ServerCall,
) -> None:
    """Import the lots of a ~/.ticker.yaml.

    What is there already is left alone, and a broken file imports nothing.
    """
    from pathlib import Path

    from stocktrack.commands.ticker_file import BadFile, read_ticker_file
    from stocktrack.errors import ConfigError

    try:
        file = read_ticker_file(Path(path).expanduser())
    except BadFile as error:
        raise ConfigError(f"{error} Nothing was imported.") from None

    async def work(client: "StockTrackClient") -> int:
        from stocktrack.commands.lot_import import ImportBroken, Imported, import_lots
        from stocktrack.terminal.exit_codes import ExitCode, exit_code_of
        from stocktrack.terminal.run import say
        from stocktrack.terminal.text import safe

        done = Imported()
        try:
            await import_lots(client, file, done, again=again, with_lists=watchlist)
        except ImportBroken as broken:
            say(str(broken))
            return exit_code_of(broken.cause)
        except asyncio.CancelledError:  # Ctrl-C: to undo as much would take as long again
            if done.added:
                added = _count(done.added, "lot was", "lots were")
                say(f"Interrupted: {added} imported. Import again, and what is there already is left alone.")
            raise
        for why in done.left:
            say(f"Not imported: {safe(why)}")
        there = f"; {_count(done.there, 'is', 'are')} there already" if done.there else ""
        say(f"{_count(done.added, 'lot was', 'lots were')} imported{there}.")
        watched = sum(map(len, file.watched.values()))
        if watchlist:
            say(f"{_count(done.saved, 'symbol of its watch lists is', 'symbols of its watch lists are')} saved.")
        elif watched:
            say(f"{_count(watched, 'symbol', 'symbols')} of its watch lists: --watchlist saves them, too.")
        return ExitCode.NOT_FOUND if done.left else ExitCode.DONE

    at_server(work, call)


def _count(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _print_csv(reply: "Shown") -> None:
    from stocktrack.holding_rows import holding_lines
    from stocktrack.messages import HoldingsReply

    if isinstance(reply, HoldingsReply):
        sys.stdout.writelines(f"{line}\n" for line in holding_lines(reply))


def _remark(reply: "HoldingsReply") -> None:
    from stocktrack.terminal.holding_table import holdings_sentences
    from stocktrack.terminal.run import say

    for sentence in holdings_sentences(reply, adding=_ADDING):
        say(sentence)


def _print_lots(lots: tuple["LotInfo", ...], form: RowForm, *, as_csv: bool) -> None:
    import json

    from stocktrack.holding_rows import lot_lines
    from stocktrack.terminal.holding_table import lot_row
    from stocktrack.terminal.run import write_line
    from stocktrack.terminal.text import is_screen, safe_json, tab_separated

    if form.is_json:
        write_line(safe_json(json.dumps([lot.model_dump(mode="json") for lot in lots])))
    elif as_csv:
        sys.stdout.writelines(f"{line}\n" for line in lot_lines(lots))
    elif (text := form.text_of(lambda: map(lot_row, lots), lambda: _lots_table(lots))) is not None:
        sys.stdout.write(text)
    elif is_screen(sys.stdout) and lots:
        sys.stdout.write(_lots_table(lots))
    else:
        sys.stdout.writelines(f"{tab_separated(lot_row(lot))}\n" for lot in lots)


def _lots_table(lots: tuple["LotInfo", ...]) -> str:
    import shutil

    from stocktrack.terminal.holding_table import lots_table
    from stocktrack.terminal.text import has_colour

    width = shutil.get_terminal_size().columns
    return f"{lots_table(lots, width=width, colour=has_colour(sys.stdout))}\n" if lots else ""
