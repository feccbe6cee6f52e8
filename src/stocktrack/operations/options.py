"""What the operator's commands share: the option for a file of settings, and what shells complete."""

from pathlib import Path
from typing import Annotated

import typer


def source_names(incomplete: str) -> list[str]:
    """The names of sources that begin as what was typed, which may follow a comma, for the shell to complete."""
    from stocktrack.providers.installed import InstalledSources
    from stocktrack.providers.registry import SOURCES

    typed, comma, last = incomplete.rpartition(",")
    there = typed.split(",")
    names = [name for name in dict.fromkeys((*SOURCES, *InstalledSources().names)) if name not in there]
    return [f"{typed}{comma}{name}" for name in names if name.startswith(last.lower())]


ConfigFile = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="a TOML file with settings")]
