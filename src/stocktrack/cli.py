"""The `stocktrack` command. What a subcommand needs is imported by it alone, so that `--help` and `get` start fast."""

import sys
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from stocktrack import __version__
from stocktrack.commands import (
    account,
    admin,
    alerts,
    chat,
    help,  # noqa: A004 - the command's name
    history,
    holdings,
    interactive,
    lists,
    one_shot,
    protocol,
)
from stocktrack.commands.help import CommandLine
from stocktrack.errors import ConfigError, StockTrackError
from stocktrack.operations import database, feed, publish, record, replay, serve, settings
from stocktrack.operations.users import users_app

if TYPE_CHECKING:
    from stocktrack.client.settings import ClientSettings

EXIT_FAILED = 1
EXIT_USAGE = 2
# What a person who types `stocktrack` alone most likely wants.
_OFFER = """\
stocktrack watch AAPL TSLA   prices live
stocktrack demo              look around on a simulated market
stocktrack client            talk to a server: prices, lists, news, alerts
stocktrack serve             run a server of your own
stocktrack help              all commands"""


def _private_server(address: str) -> "AbstractAsyncContextManager[ClientSettings]":
    """A server for one command alone, in place of the one that is not at `address`."""
    from stocktrack.operations.private_server import private_server

    return private_server(address)


app = CommandLine(
    name="stocktrack",
    help="A stock quote server of your own: it fetches prices once, and serves every client that you run.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
serve.add_to(app)
feed.add_to(app)
interactive.add_to(app)
one_shot.add_to(app, _private_server)
history.add_to(app, _private_server)
holdings.add_to(app)
account.add_to(app)
chat.add_to(app)
admin.add_to(app)
publish.add_to(app)
record.add_to(app)
replay.add_to(app)
protocol.add_to(app)
settings.add_to(app)
alerts.add_to(app)
lists.add_to(app)
app.add_typer(users_app, name="users")
database.add_to(app)
help.add_to(app)


def main() -> NoReturn:
    """Run the command; errors that speak to a person go to standard error as one sentence."""
    try:
        app.called_by(sys.argv[1:])(prog_name="stocktrack")  # also where it was started by `python -m stocktrack`
    except (ConfigError, StockTrackError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        if error.filename is not None:
            raise
        from stocktrack.terminal.run import unwritable

        sys.exit(unwritable(error))
    sys.exit(0)


def fail(message: str, code: int = EXIT_FAILED) -> NoReturn:
    """Say what went wrong on standard error and exit with `code`."""
    typer.echo(f"stocktrack: {message}", err=True)
    sys.exit(code)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"stocktrack {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_version, is_eager=True, help="show the version and exit")
    ] = False,
) -> None:
    """Carry the options that belong to no subcommand, and say what to begin with where nothing was asked for."""
    if context.invoked_subcommand is not None:
        return
    if sys.stdin.isatty() and sys.stdout.isatty():
        typer.echo(_OFFER)
        raise typer.Exit
    typer.echo(context.get_usage(), err=True)
    typer.echo("Try 'stocktrack help' for help.", err=True)
    raise typer.Exit(EXIT_USAGE)
