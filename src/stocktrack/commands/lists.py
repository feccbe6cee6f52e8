"""`stocktrack lists [rename|remove|order]`: what a user does with saved lists; `stocks` does what is in one."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from stocktrack.commands.at_server import at_server, take_out_each
from stocktrack.commands.completion import saved_lists
from stocktrack.commands.help import CommandLine
from stocktrack.commands.options import RowOptions, ServerCall, spread
from stocktrack.commands.row_forms import form_of

if TYPE_CHECKING:
    from stocktrack.client import StockTrackClient

ListName = Annotated[
    str, typer.Argument(metavar="NAME", help="as `stocktrack lists` names it", autocompletion=saved_lists)
]

lists_app = CommandLine(help="Print your saved lists, or rename, remove or order them.")


def add_to(app: typer.Typer) -> None:
    """Add the group of commands to `app`."""
    lists_app.callback(invoke_without_command=True)(spread(show))
    lists_app.command("rename")(spread(rename))
    lists_app.command("remove")(spread(remove))
    lists_app.command("order")(spread(order))
    app.add_typer(lists_app, name="lists")


def show(context: typer.Context, *, rows: RowOptions, call: ServerCall) -> None:
    """Print your saved lists in their order, each with the number of its stocks; or rename, remove or order them."""
    if context.invoked_subcommand is not None:
        return
    from stocktrack.client.wire import command_of

    form = form_of("LISTS", rows)

    async def work(client: "StockTrackClient") -> None:
        from stocktrack.terminal.columns import lists_table
        from stocktrack.terminal.run import say, write_line
        from stocktrack.terminal.text import is_screen, list_row, safe_json, tab_separated

        if form.is_json:
            answer = await client.request(command_of("LISTS"))
            write_line(safe_json(answer.line.decode()))
            return
        listed = [list_row(info) for info in await client.lists()]
        text = form.text_of(lambda: listed, lambda: lists_table(listed))
        if text is not None:
            sys.stdout.write(text)
        elif listed and is_screen(sys.stdout):
            sys.stdout.write(lists_table(listed))
        else:
            sys.stdout.writelines(f"{tab_separated(row)}\n" for row in listed)
        if not listed:
            say("You have no saved lists yet; `stocktrack stocks --add AAPL` begins one.")

    at_server(work, call)


def rename(
    name: ListName,
    new_name: Annotated[str, typer.Argument(metavar="NEW", help="what it is called from now on")],
    *,
    call: ServerCall,
) -> None:
    """Give a list another name; it keeps its stocks and its place."""
    from stocktrack.client.wire import command_of

    async def work(client: "StockTrackClient") -> None:
        from stocktrack.terminal.run import say
        from stocktrack.terminal.text import renamed_sentence

        say(renamed_sentence(await client.rename_list(name, new_name)))

    at_server(work, call, lambda: command_of("RENAME_LIST", list=name, name=new_name))


def remove(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME", help="as `stocktrack lists` names it", autocompletion=saved_lists)
    ],
    *,
    call: ServerCall,
) -> None:
    """Take out lists with all that is in them."""
    from stocktrack.client.wire import command_of

    async def work(client: "StockTrackClient") -> int:
        from stocktrack.terminal.text import removed_list_sentence

        async def remove_list(name: str) -> str:
            return removed_list_sentence(await client.remove_list(name))

        return await take_out_each(names, remove_list)

    def check() -> None:
        for name in names:
            command_of("REMOVE_LIST", list=name)

    at_server(work, call, check)


def order(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="those that stand first, in this order")],
    *,
    call: ServerCall,
) -> None:
    """Put your lists into another order; those that you don't name stand behind."""
    from stocktrack.client.wire import command_of

    async def work(client: "StockTrackClient") -> None:
        from stocktrack.terminal.run import say
        from stocktrack.terminal.text import ordered_sentence

        say(ordered_sentence(await client.order_lists(names)))

    at_server(work, call, lambda: command_of("ORDER_LISTS", lists=names))
