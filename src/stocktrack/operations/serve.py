"""`stocktrack serve` and `stocktrack demo`: a server that runs."""

from typing import TYPE_CHECKING, Annotated

import typer

from stocktrack.operations.options import ConfigFile, source_names
from stocktrack.system.addresses import DEFAULT_HOST, DEFAULT_PORT

if TYPE_CHECKING:
    from stocktrack.config import LoadedSettings


def add_to(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command()(serve)
    app.command()(demo)


def serve(
    *,
    config: ConfigFile = None,
    host: Annotated[str | None, typer.Option(help=f"address to listen on; {DEFAULT_HOST} by default")] = None,
    port: Annotated[int | None, typer.Option(help=f"TCP port; {DEFAULT_PORT} by default")] = None,
    provider: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            autocompletion=source_names,
            help="sources, such as yahoo, finnhub, redis, simulated; yahoo,rss by default",
        ),
    ] = None,
    redis_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help=f"Redis of the source redis, or several; redis://{DEFAULT_HOST}:6379 by default"
        ),
    ] = None,
    web_port: Annotated[int | None, typer.Option(help="port of the page, WebSocket and REST; 8080 by default")] = None,
    workers: Annotated[
        int | None, typer.Option(help="processes that serve clients at the same ports, with Redis; 1 by default")
    ] = None,
    no_web: Annotated[bool, typer.Option("--no-web", help="do not serve the page and the web API")] = False,
) -> None:
    """Run the server. Ctrl-C stops it."""
    from stocktrack.config import load_settings
    from stocktrack.system.logs import configure_logs

    flags = {
        "host": host,
        "port": port,
        "web_port": "off" if no_web else web_port,
        "providers": provider,
        "redis_url": redis_url,
        "workers": workers,
    }

    def load() -> "LoadedSettings":
        return load_settings(flags, config_file=config)

    loaded = load()
    configure_logs(loaded.settings.log_format, loaded.settings.log_level)
    import structlog

    for warning in loaded.warnings:
        structlog.get_logger().warning(warning)
    if loaded.settings.workers == 1:
        from stocktrack.app import run

        run(loaded.settings, load)
        return
    from stocktrack.workers.brief import load as load_for_workers
    from stocktrack.workers.parent import run as run_workers

    config_file = None if config is None else str(config)
    run_workers(load_for_workers(flags, config_file).settings, flags, config_file)


def demo(
    seconds: Annotated[float | None, typer.Option(min=0.1, help="end by itself after this long")] = None,
) -> None:
    """Look around on a simulated market: nothing to set up, and nothing stays."""
    from stocktrack.operations.demo import run_demo

    run_demo(seconds)
