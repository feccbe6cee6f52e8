"""`stocktrack publish`: prices of a running server, or of the market's sources, to sinks, as a process of its own."""

from enum import StrEnum
from typing import Annotated

import typer

from stocktrack.commands.options import ServerCall, spread
from stocktrack.operations.options import ConfigFile, source_names


class Origin(StrEnum):
    """Where the prices come from."""

    SERVER = "server"
    PROVIDER = "provider"


def add_to(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(spread(publish))


def publish(
    symbols: Annotated[
        list[str] | None,
        typer.Argument(metavar="SYMBOL", help="AAPL MSFT, or AAPL,MSFT; none is your saved stocks on the server"),
    ] = None,
    *,
    to: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS",
            help="redis://…, kafka://host:9092/topic or file:///…/ticks.csv; may be repeated; else publish_to",
        ),
    ] = None,
    origin: Annotated[
        Origin, typer.Option("--from", help="a running server, or the market's sources of the settings")
    ] = Origin.SERVER,
    provider: Annotated[
        str | None,
        typer.Option(metavar="A,B", autocompletion=source_names, help="these sources; means --from provider"),
    ] = None,
    config: ConfigFile = None,
    call: ServerCall,
) -> None:
    """Publish every change of prices to Redis, Kafka or a file, until Ctrl-C."""
    from stocktrack.config import load_settings
    from stocktrack.quotes import normalise_symbol
    from stocktrack.system.logs import configure_logs
    from stocktrack.terminal.run import run_to_exit, say
    from stocktrack.terminal.typed_commands import split_symbols

    flags = {"publish_to": " ".join(to) if to else None, "providers": provider}
    loaded = load_settings(flags, config_file=config)
    settings = loaded.settings
    try:
        wanted = list(dict.fromkeys(map(normalise_symbol, split_symbols(symbols or ()))))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    is_from_provider = origin is Origin.PROVIDER or provider is not None
    if not settings.publish_to:
        raise typer.BadParameter("name an address, as in --to redis://localhost:6379", param_hint="--to")
    if is_from_provider and not wanted:
        raise typer.BadParameter("name the symbols: a source has no saved stocks", param_hint="SYMBOL")
    configure_logs(settings.log_format, settings.log_level)
    from stocktrack.operations.publishing import publish_from_providers, publish_from_server

    for warning in loaded.warnings:
        say(warning)

    if is_from_provider:
        run_to_exit(lambda: publish_from_providers(settings, wanted))
    from stocktrack.terminal.logging_in import run_logged_in

    run_logged_in(call.settings, lambda caller: publish_from_server(settings, caller, wanted, call.timeout))
