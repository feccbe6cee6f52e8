"""The option that the operator's commands share."""

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="a TOML file with settings")]
