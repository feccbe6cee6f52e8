"""The data folder: where it is, for the server and the clients alike; the server makes it and claims it for itself."""

import fcntl
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stocktrack.errors import ConfigError
from stocktrack.system.setting_sources import ENV_FILE, setting_sources

LOCK_FILE = "server.lock"
PRIVATE_FOLDER = "private"  # in the data folder, that of the servers inside commands
# By any of these a folder is known as one of ours.
_OURS = frozenset({LOCK_FILE, "stocktrack.db", "token.secret", "changes.log", "tokens", "client_history", "board.json"})


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


class FolderError(ConfigError):
    """The folder is wrong, and not what names it: another one would do."""


class DataFolder:
    """The folder of the setting `data_dir`. `lock` claims it for this process until `unlock` or its end.

    `warn` is told a sentence where others could read the folder, and can no longer.
    """

    def __init__(self, path: Path, warn: Callable[[str], object]) -> None:
        self.path = path
        self._warn = warn
        self._lock_file: int | None = None

    def make(self) -> None:
        """Make the folder with mode 0700, or take the rights of others away; `FolderError` where that fails."""
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise FolderError(
                f"data_dir = {str(self.path)!r} cannot be made: {error.strerror}. "
                "Choose another with STOCKTRACK_DATA_DIR."
            ) from None
        self._keep_from_others()

    def _keep_from_others(self) -> None:
        mode = stat.S_IMODE(self.path.stat().st_mode)
        if not mode & 0o077:
            return
        what = f"data_dir = {str(self.path)!r} can be used by others (mode {mode:04o})"
        another = f"give StockTrack a folder of its own, such as STOCKTRACK_DATA_DIR={self.path / 'stocktrack'}"
        names = {entry.name for entry in self.path.iterdir()}
        if names and names.isdisjoint(_OURS) and not (self.path / PRIVATE_FOLDER / LOCK_FILE).exists():
            # A home, or /tmp: what else is in there may be meant for others.
            raise FolderError(f"{what}, and holds other things: {another}, or change that with: chmod 700 {self.path}")
        try:
            self.path.chmod(0o700)
        except OSError as error:
            raise FolderError(f"{what}, and that cannot be changed: {error.strerror}; {another}.") from None
        self._warn(f"{what}: it was changed to 0700. What others may have read in it is theirs to know.")

    def lock(self) -> None:
        """Claim the folder; `ConfigError` names the process that has it."""
        holder = self._try_lock()
        if holder is not None:
            raise ConfigError(
                f"data_dir = {str(self.path)!r} is in use by another server, process {holder}. "
                "Stop that one, or give this one its own folder with STOCKTRACK_DATA_DIR."
            )

    def share(self) -> bool:
        """Whether the folder is claimed now; where another process has it, it is used beside that one."""
        return self._try_lock() is None

    def _try_lock(self) -> str | None:
        """Claim the folder, or return the id of the process that has it; `FolderError` where it cannot be used."""
        self.make()
        path = self.path / LOCK_FILE
        try:
            # Not truncated at opening: the file holds the other server's process id while that one has the lock.
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise FolderError(f"data_dir = {str(self.path)!r} cannot be written to: {error.strerror}.") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(handle, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(handle)
            return holder
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        self._lock_file = handle
        return None

    def unlock(self) -> None:
        """Give the folder up."""
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None
