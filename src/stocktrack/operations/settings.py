"""`stocktrack config …`: what the settings are, and whether they are right."""

import json
from typing import Annotated, Any

import typer

from stocktrack.commands.help import CommandLine
from stocktrack.operations.options import ConfigFile
from stocktrack.system.addresses import without_password


def add_to(app: typer.Typer) -> None:
    """Add the group `config` to `app`."""
    group = CommandLine(help="Show or check the settings.", no_args_is_help=True)
    group.command("show")(show)
    group.command("check")(check)
    app.add_typer(group, name="config")


def show(
    config: ConfigFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON document")] = False,
) -> None:
    """Show every setting, its value, and where the value comes from."""
    from stocktrack.config import load_settings

    loaded = load_settings(config_file=config)
    values: dict[str, Any] = loaded.settings.model_dump(mode="json")
    if values["database_url"]:
        values["database_url"] = _without_password(values["database_url"])
    values["kafka_url"] = values["kafka_url"] and without_password(values["kafka_url"])
    for name in ("redis_url", "publish_to"):
        values[name] = [without_password(address) for address in values[name]]
    # Which of them are secrets, only their source knows.
    values["sources"] = {source: dict.fromkeys(own, "***") for source, own in values["sources"].items()}
    if as_json:
        typer.echo(json.dumps(values, indent=2))
        return
    width = max(map(len, values))
    for name, value in values.items():
        origin = loaded.origins.get(name, "default")
        typer.echo(f"{name:<{width}}  {json.dumps(value)}  ({origin})")
    for warning in loaded.warnings:
        typer.echo(f"warning: {warning}", err=True)


def check(config: ConfigFile = None) -> None:
    """Check the settings; exit 1 with a sentence where one is wrong."""
    from stocktrack.alert_targets.registry import build_targets
    from stocktrack.clock import RealClock
    from stocktrack.config import load_settings
    from stocktrack.doors.tls import server_context
    from stocktrack.errors import SourceUnusable
    from stocktrack.providers.base import Source
    from stocktrack.providers.instrument_file import read_instruments
    from stocktrack.providers.registry import build_providers
    from stocktrack.sinks.registry import build_sink
    from stocktrack.storage.store import Store

    loaded = load_settings(config_file=config)
    warnings = [*loaded.warnings]
    for provider in build_providers(loaded.settings, RealClock(), warnings.append):
        # A server starts without it, and serves what its other sources have.
        if isinstance(provider, Source):
            try:
                provider.check_settings()
            except SourceUnusable as error:
                warnings.append(error.message)
    for address in loaded.settings.publish_to:
        build_sink(address, instance="")
    build_targets(loaded.settings.alert_targets, RealClock())
    if loaded.settings.symbols_file is not None:
        read_instruments(loaded.settings.symbols_file)
    Store(loaded.settings.database)
    server_context(loaded.settings.tls_cert, loaded.settings.tls_key)
    for warning in warnings:
        typer.echo(f"warning: {warning}", err=True)
    typer.echo("The settings are right.")


def _without_password(url: str) -> str:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "***"  # not an address, and so no telling which part of it is a password
