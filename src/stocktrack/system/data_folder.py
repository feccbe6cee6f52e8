"""The data folder: where it is, for the server and the clients alike; the server makes it and claims it for itself."""

import fcntl
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stocktrack.errors import ConfigError
from stocktrack.system.setting_sources import ENV_FILE, setting_sources


def find_data_folder(
    environment: Mapping[str, str] = os.environ, *, env_file: Path = ENV_FILE, user_file: Path | None = None
) -> Path:
    """The folder of the setting `data_dir`, as a program without flags and `--config` finds it.

    The environment, `.env` and the user's own TOML file may name it, the strongest first; else it is the platform's.
    `ConfigError` where a file or the value in it is wrong.
    """
    for source in setting_sources(environment, env_file=env_file, user_file=user_file):
        if "data_dir" in source.values:
            value = source.values["data_dir"]
            try:
                return as_folder(value)
            except ValueError as error:
                raise ConfigError(f"data_dir = {value!r} (from {source.origin}): {error}.") from None
    return default_data_folder()


def default_data_folder() -> Path:
    """The platform's folder for a user's data."""
    import platformdirs

    return platformdirs.user_data_path("stocktrack")


def as_folder(value: Any) -> Path:
    """The folder that a value of `data_dir` names; `ValueError` for an empty one, which would be the current folder."""
    if isinstance(value, Path) or (isinstance(value, str) and value):
        return Path(value)
    raise ValueError("must be the path of a folder")


class DataFolder:
    """The folder of the setting `data_dir`. `lock` claims it for this process until `unlock` or its end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock_file: int | None = None

    def make(self) -> None:
        """Make the folder with mode 0700; `ConfigError` where that fails."""
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise ConfigError(
                f"data_dir = {str(self.path)!r} cannot be made: {error.strerror}. "
                "Choose another with STOCKTRACK_DATA_DIR."
            ) from None

    def lock(self) -> None:
        """Claim the folder; `ConfigError` names the process that has it."""
        self.make()
        path = self.path / "server.lock"
        try:
            # Not truncated at opening: the file holds the other server's process id while that one has the lock.
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(f"data_dir = {str(self.path)!r} cannot be written to: {error.strerror}.") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(handle, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(handle)
            raise ConfigError(
                f"data_dir = {str(self.path)!r} is in use by another server, process {holder}. "
                "Stop that one, or give this one its own folder with STOCKTRACK_DATA_DIR."
            ) from None
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        self._lock_file = handle

    def unlock(self) -> None:
        """Give the folder up."""
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None
