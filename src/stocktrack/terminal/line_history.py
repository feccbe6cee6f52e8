"""The history of what was typed at the prompt: in the data folder, for its owner alone."""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from stocktrack.errors import ConfigError
from stocktrack.system.data_folder import find_data_folder


def line_history() -> History:
    """The history that is kept, or where that can't be one of this run."""
    try:
        path = history_file()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)
    except (OSError, ConfigError):
        # The prompt works without a history too.
        return InMemoryHistory()
    return _QuietHistory(path)


def history_file() -> Path:
    """Where the prompt's history is kept: in the data folder, like everything that StockTrack keeps."""
    return find_data_folder() / "client_history"


class _QuietHistory(FileHistory):
    """A history file; that it can't be read or written stops no command."""

    def store_string(self, string: str) -> None:
        with contextlib.suppress(OSError):
            super().store_string(string)

    def load_history_strings(self) -> Iterable[str]:
        try:
            return list(super().load_history_strings())
        except OSError:
            return []
