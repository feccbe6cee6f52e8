"""The server's data folder: made for its owner alone, and used by one server at a time."""

import fcntl
import os
from pathlib import Path

from stocktrack.errors import ConfigError


class DataFolder:
    """The folder of the setting `data_dir`. `lock` claims it for this process until `unlock` or its end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock_file: int | None = None

    def make(self) -> None:
        """Make the folder with mode 0700; `ConfigError` where that cannot be."""
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
