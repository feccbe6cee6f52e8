"""`stocktrack record`: every change of some prices into a file, without end."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stocktrack.commands.options import ServerCall, spread
from stocktrack.operations.options import ConfigFile, source_names

if TYPE_CHECKING:
    from stocktrack.recording.names import Rotation

_HELP = """Record every change of some prices into a file, until Ctrl-C.

While it runs, a line +NVDA on standard input adds a symbol and -TSLA takes one away: pipe such lines in, or say - as
the last symbol and type them. A recording goes on in a file that is there, and says where a hole is.
`stocktrack replay FILE --summary` shows what is in it."""


def add_to(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(help=_HELP)(spread(record))


def record(
    symbols: Annotated[
        list[str] | None,
        typer.Argument(metavar="SYMBOL", help="AAPL MSFT, or AAPL,MSFT; - reads changes from the terminal as well"),
    ] = None,
    *,
    out: Annotated[Path, typer.Option(metavar="FILE", help="where to: a name that ends with .csv, .jsonl or .parquet")],
    rotate: Annotated[
        str | None,
        typer.Option(metavar="day|SIZE", help="a new file each day by UTC, or after 100MB", show_default=False),
    ] = None,
    origin: Annotated[
        Literal["server", "provider"], typer.Option("--from", help="a server, or the sources themselves")
    ] = "server",
    symbols_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="symbols, one a line; watched", show_default=False)
    ] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="end after this long", show_default=False)] = None,
    count: Annotated[int | None, typer.Option(min=1, help="end after so many prices", show_default=False)] = None,
    provider: Annotated[
        str | None,
        typer.Option(
            metavar="A,B", autocompletion=source_names, help="the sources, with --from provider", show_default=False
        ),
    ] = None,
    config: ConfigFile = None,
    call: ServerCall,
) -> None:
    """Record; `_HELP` is what people read."""
    import asyncio

    from stocktrack.client.wire import command_of
    from stocktrack.operations.recording_run import Order, record_from_providers, record_from_server
    from stocktrack.recording.names import suffix_of
    from stocktrack.recording.parquet_file import need_pyarrow
    from stocktrack.recording.rows import RecordingError
    from stocktrack.terminal.exit_codes import ExitCode
    from stocktrack.terminal.logging_in import logged_in
    from stocktrack.terminal.run import exit_with, say
    from stocktrack.terminal.typed_commands import split_symbols

    if origin == "server" and (provider is not None or config is not None):
        raise typer.BadParameter("--provider and --config are for `--from provider`; a server has its own.")
    rotation = _rotation_of(rotate)
    try:
        suffix = suffix_of(out)
    except RecordingError as error:
        raise typer.BadParameter(str(error), param_hint="--out") from None
    given = [symbol for symbol in symbols or () if symbol != "-"]
    wanted = split_symbols(given)
    reads_stdin = len(given) < len(symbols or ())
    order = Order(
        symbols=tuple(wanted),
        out=out,
        rotation=rotation,
        symbols_file=symbols_file,
        reads_stdin=reads_stdin,
        seconds=seconds,
        count=count,
        timeout_seconds=call.timeout,
    )

    def begin() -> int:
        # Told before the password is asked for: what is wrong here stays wrong.
        if wanted:
            command_of("SUBSCRIBE", symbols=wanted)
        if not out.parent.is_dir():
            raise RecordingError(f"{out} cannot be written: there is no folder {out.parent}.")
        if suffix == ".parquet":
            need_pyarrow()
        order.check()
        if origin == "server":
            return logged_in(call.settings(), lambda caller: record_from_server(order, caller))
        from stocktrack.config import load_settings
        from stocktrack.system.logs import configure_logs

        loaded = load_settings({"providers": provider}, config_file=config)
        for warning in loaded.warnings:
            say(warning)
        configure_logs(loaded.settings.log_format, "error")  # what else happens stands in the log beside the file
        return asyncio.run(record_from_providers(order, loaded.settings))

    def begin_or_say() -> int:
        try:
            return begin()
        except RecordingError as error:
            say(str(error))
            return ExitCode.FAILED

    exit_with(begin_or_say)


def _rotation_of(text: str | None) -> "Rotation":
    from stocktrack.recording.names import Rotation

    if text is None:
        return Rotation()
    try:
        return Rotation.of(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--rotate") from None
