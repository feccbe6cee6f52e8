"""`stocktrack say`: a word to the others, from a shell."""

from typing import TYPE_CHECKING, Annotated

import typer

from stocktrack.commands.one_shot import ask
from stocktrack.commands.options import AsJson, ServerCall, spread

if TYPE_CHECKING:
    from stocktrack.messages import SayReply


def add_to(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(spread(say))


def say(
    text: Annotated[list[str], typer.Argument(metavar="TEXT", help="what to say, of at most 500 characters")],
    *,
    symbol: Annotated[
        str | None,
        typer.Option(metavar="AAPL", help="only to those who watch it; left out: to all", show_default=False),
    ] = None,
    call: ServerCall,
    as_json: AsJson = False,
) -> None:
    """Say something to the others who are logged in.

    The operator may have switched it off.
    """
    if not "".join(text).strip():
        raise typer.BadParameter("There is nothing to say.")
    ask("SAY", call, as_json=as_json, show=_show_said, text=" ".join(text), symbol=symbol)


def _show_said(reply: "SayReply") -> None:
    from stocktrack.terminal import run
    from stocktrack.terminal.text import said_to

    run.say(said_to(reply))
