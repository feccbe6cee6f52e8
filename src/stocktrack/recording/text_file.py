"""A file of CSV or of JSON lines that rows are added to."""

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

from stocktrack.recording import csv_rows, json_rows
from stocktrack.recording.append_file import AppendFile
from stocktrack.recording.rows import BadRow, Row

_OWN_CSV = csv_rows.Reader(csv_rows.HEADER.decode())


class TextFile:
    """An open file of rows, as its suffix says. `OSError` from `write` leaves it as it was before.

    `full_bytes` is how long it may be; None for any length. Used by one thread at a time.
    """

    def __init__(self, path: Path, full_bytes: int | None = None) -> None:
        is_csv = path.suffix.lower() == ".csv"
        self.path = path
        self._full_bytes = full_bytes
        self._encode = csv_rows.encode if is_csv else json_rows.encode
        self._read = _OWN_CSV.read if is_csv else json_rows.read
        header, begins = (csv_rows.HEADER, b"") if is_csv else (b"", json_rows.BEGINS)
        self._file = AppendFile(path, header, self._is_whole, begins)

    def _is_whole(self, line: str) -> bool:
        try:
            self._read(line)
        except BadRow:
            return False
        return True

    @property
    def torn_bytes(self) -> int:
        """What of a row that was not finished was taken off its end."""
        return self._file.torn_bytes

    @property
    def size(self) -> int:
        """Its bytes."""
        return self._file.size

    def last_row(self) -> Row | None:
        """The last row of it; None where there is none, or one that somebody has spoilt."""
        line = self._file.last_line().decode("utf-8", "replace")
        try:
            return self._read(line) if line else None
        except BadRow:
            return None

    def write(self, rows: Sequence[Row]) -> int:
        """Add `rows`, as many as there is room for, and return how many; with an `OSError`, none of them."""
        lines = [self._encode(row) for row in rows]
        if self._full_bytes is not None:
            # A row that is longer than a file may be has one of its own.
            room = self._full_bytes - self.size
            fitting = sum(1 for end in accumulate(map(len, lines)) if end <= room)
            lines = lines[: fitting or self.size <= len(csv_rows.HEADER)]
        self._file.write(lines)
        return len(lines)

    def sync(self) -> None:
        """Have what was written on the disk."""
        self._file.sync()

    def is_there(self) -> bool:
        """Whether the file still has its name and its rows."""
        return self._file.is_there()

    def close(self) -> None:
        """Close it."""
        self._file.close()
