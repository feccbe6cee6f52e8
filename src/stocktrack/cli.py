"""The `stocktrack` command. What a subcommand needs is imported by it alone, so that `--help` and `get` start fast."""

import sys
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from stocktrack import __version__
from stocktrack.commands import account, admin, alerts, chat, history, holdings, interactive, one_shot, protocol
from stocktrack.errors import ConfigError, StockTrackError
from stocktrack.operations import database, feed, publish, record, replay, serve, settings
from stocktrack.operations.users import users_app

EXIT_FAILED = 1


class _Commands(TyperGroup):
    """The commands; what is wrong with an option is told without pydantic's words, by which typer checks it."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was called."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ").removeprefix("Input ")
            raise


app = typer.Typer(
    name="stocktrack",
    cls=_Commands,
    help="A self-hosted, real-time stock quote server: one polite upstream, any number of clients.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # help drawn by rich takes 0.1 s longer
    context_settings={"help_option_names": ["-h", "--help"]},
)
# `--help` lists the commands in this order, and the groups after them.
serve.add_to(app)
feed.add_to(app)
interactive.add_to(app)
one_shot.add_to(app)
history.add_to(app)
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
app.add_typer(users_app, name="users")
database.add_to(app)


def main() -> NoReturn:
    """Run the command; errors that speak to a person go to standard error as one sentence."""
    try:
        app(prog_name="stocktrack")  # also where it was started by `python -m stocktrack`
    except (ConfigError, StockTrackError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
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
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="show the version and exit")
    ] = False,
) -> None:
    """Carry the options that belong to no subcommand."""
