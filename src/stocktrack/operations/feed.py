"""`stocktrack feed`: asks the market's sources for any number of servers, which get their prices by Redis."""

from typing import TYPE_CHECKING, Annotated

import typer

from stocktrack.operations.options import ConfigFile, source_names
from stocktrack.system.addresses import DEFAULT_HOST

if TYPE_CHECKING:
    from stocktrack.config import Settings


def add_to(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(feed)


def feed(
    *,
    config: ConfigFile = None,
    provider: Annotated[
        str | None,
        typer.Option(metavar="A,B", autocompletion=source_names, help="the market's sources; yahoo,rss by default"),
    ] = None,
    redis_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help=f"Redis to publish to, or several; redis://{DEFAULT_HOST}:6379 by default"),
    ] = None,
    metrics_port: Annotated[
        int | None, typer.Option(help="port of /healthz, /readyz and /metrics; none by default")
    ] = None,
) -> None:
    """Fetch prices for many servers, which get them by Redis.

    The servers run with --provider redis. A second feed waits, and takes over where the first ends.
    """
    from stocktrack.config import load_settings
    from stocktrack.system.logs import configure_logs

    flags = {"providers": provider, "redis_url": redis_url, "metrics_port": metrics_port}
    loaded = load_settings(flags, config_file=config, is_for_redis=True)
    configure_logs(loaded.settings.log_format, loaded.settings.log_level)
    import structlog

    for warning in loaded.warnings:
        structlog.get_logger().warning(warning)
    _run(loaded.settings)


def _run(settings: "Settings") -> None:
    import asyncio

    from stocktrack.feeding.process import run_feed
    from stocktrack.system.processes import loop_factory, raise_descriptor_limit

    raise_descriptor_limit()
    with asyncio.Runner(loop_factory=loop_factory(settings.event_loop)) as runner:
        runner.run(run_feed(settings))
