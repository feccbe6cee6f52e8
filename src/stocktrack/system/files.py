"""Reading a file that holds a secret: refused where others can read it too."""

import os
import stat
from pathlib import Path

from stocktrack.errors import ConfigError

_MAX_BYTES = 8_192


def read_private_file(path: Path, named: str) -> str:
    """The text of the file, which `named` calls in an error; `ConfigError` says what is wrong and how to mend it."""
    try:
        with path.open("rb") as file:
            # The open file is asked, not its name: a name can point to another file a moment later.
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_ISREG(mode) and mode & 0o077:
                raise ConfigError(f"{named} can be read by others. Change that with: chmod 600 {path}")
            content = file.read(_MAX_BYTES)
    except OSError as error:
        raise ConfigError(f"{named} cannot be read: {error.strerror}.") from None
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise ConfigError(f"{named} is not UTF-8 text.") from None


def check_readable(name: str, path: Path) -> None:
    """`ConfigError` that names the file where it cannot be read; OpenSSL's own error does not say which one it is."""
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        raise ConfigError(f"{name} = {str(path)!r} cannot be read: {error.strerror}.") from None
