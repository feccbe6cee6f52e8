"""`stocktrack client`: the interactive client."""

import typer

from stocktrack.commands.options import ServerLogin, spread


def add_to(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(spread(client))


def client(*, login: ServerLogin) -> None:
    """Talk to a server: a menu and commands on a terminal, or a command a line from a pipe."""
    from stocktrack.cli_client import run_client
    from stocktrack.client.settings import ask_for_credentials
    from stocktrack.terminal.run import run_to_exit

    run_to_exit(lambda: run_client(ask_for_credentials(login.settings())))
