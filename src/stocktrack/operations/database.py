"""`stocktrack db …`: the operator's commands for the database."""

import typer

from stocktrack.commands.help import CommandLine
from stocktrack.operations.options import ConfigFile


def add_to(app: typer.Typer) -> None:
    """Add the group `db` to `app`."""
    group = CommandLine(help="Look after the database.", no_args_is_help=True)
    group.command("upgrade")(upgrade)
    app.add_typer(group, name="db")


def upgrade(config: ConfigFile = None) -> None:
    """Make the database's tables, or bring those of an older StockTrack up to date."""
    import asyncio

    from stocktrack.config import load_settings
    from stocktrack.storage.store import Store
    from stocktrack.storage.tables import SCHEMA_REVISION
    from stocktrack.system.data_folder import DataFolder
    from stocktrack.system.logs import configure_logs

    settings = load_settings(config_file=config).settings
    configure_logs(settings.log_format, settings.log_level)

    async def bring_up(store: Store) -> str | None:
        found = await store.upgrade()
        await store.close()
        return found

    DataFolder(settings.data_dir, _warn).make()
    # No client is waiting here, and a large table takes its time.
    store = Store(settings.database, busy_timeout_seconds=60)
    found = asyncio.run(bring_up(store))
    change = "its tables were made" if found is None else f"it was at {found}"
    if found == SCHEMA_REVISION:
        change = "nothing had to be done"
    typer.echo(f"The database {store.label} is at schema {SCHEMA_REVISION}: {change}.", err=True)


def _warn(sentence: str) -> None:
    typer.echo(f"stocktrack: {sentence}", err=True)
