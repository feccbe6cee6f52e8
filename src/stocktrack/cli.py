"""The `stocktrack` command. What a subcommand needs is imported by it alone, so that `--help` and `get` start fast."""

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from stocktrack import __version__
from stocktrack.commands.account import add_account_commands
from stocktrack.commands.admin import add_admin_commands
from stocktrack.commands.one_shot import Ca, Host, Port, Tls, User, add_commands
from stocktrack.errors import ConfigError, StockTrackError
from stocktrack.operations.users import ConfigFile, users_app
from stocktrack.system.addresses import DEFAULT_HOST, DEFAULT_PORT

if TYPE_CHECKING:
    from stocktrack.config import LoadedSettings

EXIT_FAILED = 1

app = typer.Typer(
    name="stocktrack",
    help="A self-hosted, real-time stock quote server: one polite upstream, any number of clients.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # help drawn by rich takes 0.1 s longer
    context_settings={"help_option_names": ["-h", "--help"]},
)
config_app = typer.Typer(help="Show or check the settings.", no_args_is_help=True)
db_app = typer.Typer(help="Look after the database.", no_args_is_help=True)
app.add_typer(config_app, name="config")
app.add_typer(users_app, name="users")
app.add_typer(db_app, name="db")


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


@app.command()
def serve(
    *,
    config: ConfigFile = None,
    host: Annotated[str | None, typer.Option(help=f"address to listen on; {DEFAULT_HOST} by default")] = None,
    port: Annotated[int | None, typer.Option(help=f"TCP port; {DEFAULT_PORT} by default")] = None,
    provider: Annotated[
        str | None, typer.Option(metavar="A,B", help="market sources: yahoo, rss, simulated; yahoo,rss by default")
    ] = None,
    web_port: Annotated[int | None, typer.Option(help="port of the page, WebSocket and REST; 8080 by default")] = None,
    no_web: Annotated[bool, typer.Option("--no-web", help="no web door")] = False,
) -> None:
    """Run the server until SIGINT or SIGTERM."""
    from stocktrack.app import run
    from stocktrack.config import load_settings
    from stocktrack.system.logs import configure_logs

    flags = {"host": host, "port": port, "web_port": "off" if no_web else web_port, "providers": provider}

    def load() -> "LoadedSettings":
        return load_settings(flags, config_file=config)

    loaded = load()
    configure_logs(loaded.settings.log_format, loaded.settings.log_level)
    import structlog

    for warning in loaded.warnings:
        structlog.get_logger().warning(warning)
    run(loaded.settings, load)


@app.command()
def demo(
    seconds: Annotated[float | None, typer.Option(min=0.1, help="end by itself after this long")] = None,
) -> None:
    """Show live prices of a simulated market: a private server, a demo user and a client in one go."""
    from stocktrack.operations.demo import run_demo

    run_demo(seconds)


@app.command()
def client(*, host: Host = None, port: Port = None, user: User = None, tls: Tls = None, ca: Ca = None) -> None:
    """Talk to a server: a menu and commands on a terminal, or a command a line from a pipe."""
    from stocktrack.cli_client import run_client
    from stocktrack.client.settings import ask_for_credentials, load_client_settings
    from stocktrack.terminal.run import run_to_exit

    run_to_exit(
        lambda: run_client(
            ask_for_credentials(load_client_settings(host=host, port=port, username=user, tls=tls, ca=ca))
        )
    )


add_commands(app)
add_account_commands(app)
add_admin_commands(app)


@app.command()
def protocol(
    schema: Annotated[bool, typer.Option("--schema", help="print the JSON Schema of all messages")] = False,
) -> None:
    """Print the protocol: a line of each message, or with --schema its JSON Schema."""
    from stocktrack.messages import COMMAND_TYPES, PROTOCOL_VERSION
    from stocktrack.wire.schema import protocol_schema

    if schema:
        typer.echo(json.dumps(protocol_schema(), indent=2))
        return
    typer.echo(f"StockTrack protocol {PROTOCOL_VERSION}: one JSON object a line, in UTF-8.")
    typer.echo(f"Commands: {', '.join(COMMAND_TYPES)}.")
    typer.echo("docs/protocol.md shows a line of each message; --schema prints the JSON Schema.")


@db_app.command("upgrade")
def db_upgrade(config: ConfigFile = None) -> None:
    """Make the database's tables, or bring those of an older StockTrack up to date."""
    import asyncio

    from stocktrack.config import load_settings
    from stocktrack.storage.store import Store
    from stocktrack.storage.tables import SCHEMA_REVISION
    from stocktrack.system.data_folder import DataFolder
    from stocktrack.system.logs import configure_logs

    settings = load_settings(config_file=config).settings
    configure_logs(settings.log_format, settings.log_level)

    async def upgrade(store: Store) -> str | None:
        found = await store.upgrade()
        await store.close()
        return found

    DataFolder(settings.data_dir).make()
    # Nobody waits for an answer here, and a large table takes its time.
    store = Store(settings.database, busy_timeout_seconds=60)
    found = asyncio.run(upgrade(store))
    change = "its tables were made" if found is None else f"it was at {found}"
    if found == SCHEMA_REVISION:
        change = "nothing had to be done"
    typer.echo(f"The database {store.label} is at schema {SCHEMA_REVISION}: {change}.", err=True)


@config_app.command("show")
def config_show(
    config: ConfigFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON document")] = False,
) -> None:
    """Show every setting, its value, and where the value comes from."""
    from stocktrack.config import load_settings

    loaded = load_settings(config_file=config)
    values: dict[str, Any] = loaded.settings.model_dump(mode="json")
    if values["database_url"]:
        values["database_url"] = _without_password(values["database_url"])
    if as_json:
        typer.echo(json.dumps(values, indent=2))
        return
    width = max(map(len, values))
    for name, value in values.items():
        origin = loaded.origins.get(name, "default")
        typer.echo(f"{name:<{width}}  {json.dumps(value)}  ({origin})")
    for warning in loaded.warnings:
        typer.echo(f"warning: {warning}", err=True)


@config_app.command("check")
def config_check(config: ConfigFile = None) -> None:
    """Check the settings; exit 1 with a sentence where one is wrong."""
    from stocktrack.clock import RealClock
    from stocktrack.config import load_settings
    from stocktrack.doors.tls import server_context
    from stocktrack.providers.registry import build_providers
    from stocktrack.storage.store import Store

    loaded = load_settings(config_file=config)
    build_providers(loaded.settings, RealClock())
    Store(loaded.settings.database)
    server_context(loaded.settings.tls_cert, loaded.settings.tls_key)
    for warning in loaded.warnings:
        typer.echo(f"warning: {warning}", err=True)
    typer.echo("The settings are right.")


def _without_password(url: str) -> str:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "***"  # it is no address, and so nobody can say what in it is a password
