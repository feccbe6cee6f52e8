"""`stocktrack client`: the interactive client."""

import typer

from stocktrack.commands.options import ScreenOptions, ServerLogin, spread


def add_to(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(spread(client))


def client(*, look: ScreenOptions, login: ServerLogin) -> None:
    """Talk to a server: a menu and commands on a terminal, or a command a line from a pipe."""
    from stocktrack.cli_client import run_client
    from stocktrack.client.settings import ask_for_credentials
    from stocktrack.terminal.run import run_to_exit

    # Told before the password is asked for: what is wrong here stays wrong.
    screen = look.settings()
    run_to_exit(lambda: run_client(ask_for_credentials(login.settings()), screen=screen))
