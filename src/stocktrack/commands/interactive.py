"""`stocktrack client`: the interactive client."""

from typing import Annotated

import typer

from stocktrack.commands.options import ScreenOptions, ServerLogin, spread


def add_to(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(spread(client))


def client(
    *,
    menu: Annotated[bool, typer.Option("--menu", help="a prompt below a menu, in place of the board")] = False,
    look: ScreenOptions,
    login: ServerLogin,
) -> None:
    """Open the board over your lists, live; typed behind a colon, commands do all the rest.

    From a pipe it runs a command a line.
    """
    from stocktrack.cli_client import run_client
    from stocktrack.terminal.logging_in import run_logged_in

    # Told before the password is asked for: what is wrong here stays wrong.
    screen = look.settings()
    run_logged_in(login.settings, lambda settings: run_client(settings, has_menu=menu, screen=screen))
