"""`stocktrack replay`: what is in a recording; a server replays it by the source `replay`."""

import json
from pathlib import Path
from typing import Annotated

import typer

EXIT_FAILED = 1


def add_to(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(replay)


def replay(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="a file, the name of a series, or a folder", show_default=False),
    ],
    *,
    summary: Annotated[bool, typer.Option("--summary", help="print what is in it")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="the summary as one JSON document")] = False,
) -> None:
    r"""Print what is in a recording: its symbols, times, gaps, and what is missing.

    \b
    To have a server replay it:
      STOCKTRACK_REPLAY_FILE=ticks.csv stocktrack serve --provider replay
    replay_speed is 1, 10 or max, and replay_loop begins anew at the end.
    """
    from stocktrack.recording.reading import files_of
    from stocktrack.recording.rows import RecordingError
    from stocktrack.recording.summary import summarise

    if not (summary or as_json):
        typer.echo(
            "stocktrack: To see what is in it, say --summary. To have a server replay it: "
            f"STOCKTRACK_REPLAY_FILE={file} stocktrack serve --provider replay",
            err=True,
        )
        raise typer.Exit(2)
    try:
        found = summarise(files_of(file))
    except RecordingError as error:
        typer.echo(f"stocktrack: {error}", err=True)
        raise typer.Exit(EXIT_FAILED) from None
    typer.echo(json.dumps(found.as_json(), indent=2) if as_json else found.as_text(), nl=as_json)
