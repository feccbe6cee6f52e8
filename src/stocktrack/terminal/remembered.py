"""What the board remembers from one start to the next: the columns and the order that were chosen by its keys."""

import contextlib
import json
from pathlib import Path
from typing import Any, Final

from stocktrack.errors import ConfigError
from stocktrack.system.data_folder import find_data_folder
from stocktrack.system.files import write_private_file
from stocktrack.terminal.board_choice import Order, columns_of, order_of

_FILE: Final = "board.json"
_MAX_BYTES: Final = 8_192


class Remembered:
    """The choices in a file; None is a file of no board, which remembers nothing.

    Nothing about the file is an error: what cannot be read is as good as nothing, and what cannot be written is
    forgotten. Each choice is written whole beside the others, so that two boards at once leave the last of each.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    @classmethod
    def in_data_folder(cls) -> "Remembered":
        """What is kept in the data folder, like everything that StockTrack keeps."""
        try:
            return cls(find_data_folder() / _FILE)
        except (ConfigError, OSError):
            return cls(None)

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The columns; None where none were chosen: those that there is room for."""
        names = self._read().get("columns")
        if not isinstance(names, list):
            return None
        try:
            return columns_of(",".join(map(str, names)))
        except ValueError:
            return None  # of a later version, or written by hand

    @property
    def order(self) -> Order | None:
        """The order; None where none was chosen."""
        try:
            return order_of(str(self._read()["sort"]))
        except (KeyError, ValueError):
            return None

    def put_columns(self, columns: tuple[str, ...] | None) -> None:
        """Remember the columns; None forgets them."""
        self._write(columns, self.order)

    def put_order(self, order: Order) -> None:
        """Remember the order."""
        self._write(self.columns, order)

    def _read(self) -> dict[str, Any]:
        if self._path is None or not self._path.is_file():
            return {}
        try:
            with self._path.open("rb") as file:
                content = json.loads(file.read(_MAX_BYTES))
        except (OSError, ValueError, RecursionError):
            return {}
        return content if isinstance(content, dict) else {}

    def _write(self, columns: tuple[str, ...] | None, order: Order | None) -> None:
        if self._path is None:
            return
        content: dict[str, Any] = {}
        if columns is not None:
            content["columns"] = [*columns]
        if order is not None:
            content["sort"] = str(order)
        with contextlib.suppress(ConfigError, OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private_file(self._path, f"The file {self._path}", f"{json.dumps(content)}\n", replaces=True)
