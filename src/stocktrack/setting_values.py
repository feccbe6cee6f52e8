"""Values of settings as people write them: blank is none, `~` is the home folder, one text may be several addresses."""

import os
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator


def none_if_blank(value: Any) -> Any:
    """None for a text with nothing in it, as a variable that is set to nothing has."""
    return None if isinstance(value, str) and not value.strip() else value


def split_addresses(value: Any) -> Any:
    """A text as several addresses, parted only before what begins as one: in a password a comma is a character."""
    if isinstance(value, str):
        return tuple(part for part in re.split(r"[,\s]+(?=[\w+.-]+://)", value.strip(" ,\t\r\n")) if part)
    return value


def _at_home(value: Any) -> Any:
    """A path whose `~` is the home folder: no shell has replaced it in a file."""
    value = none_if_blank(value)
    return os.path.expanduser(value) if isinstance(value, str) else value  # noqa: PTH111 - that one may raise


OwnFile = Annotated[Path | None, BeforeValidator(_at_home)]
