"""A recording that rows are added to: its files one after the other, its log, and nobody else beside it."""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from stocktrack.messages import Price
from stocktrack.recording.diary import Diary
from stocktrack.recording.names import Place, Rotation, series, suffix_of
from stocktrack.recording.parquet_file import ParquetFile, need_pyarrow
from stocktrack.recording.rows import Hole, RecordingError, Row
from stocktrack.recording.text_file import TextFile

NOT_RUNNING: Final = "No recorder was running."
# A file is looked at for its length after so many rows.
_ROWS_AT_ONCE: Final = 500


class NotWrittenError(Exception):
    """Rows could not be written; the first `written` of them were. The sentence says why."""

    def __init__(self, path: Path, error: OSError | RecordingError, written: int) -> None:
        told = f"{path} cannot be written: {error.strerror or error}." if isinstance(error, OSError) else str(error)
        super().__init__(told)
        self.written = written


class Recording:
    """The recording at `base`: a file, or a series of them where it is rotated. Used by one thread at a time.

    `RecordingError` where it cannot be opened. It goes on in what is there, and says in a row that nothing was recorded
    until `resumed_at`, which is now where it is left out.
    """

    def __init__(
        self, base: Path, rotation: Rotation, now_ms: Callable[[], int], *, resumed_at: int | None = None
    ) -> None:
        self.base = base
        self._rotation = rotation
        self._is_parquet = suffix_of(base) == ".parquet"
        if self._is_parquet:
            need_pyarrow()
        if not base.parent.is_dir():
            raise RecordingError(f"{base} cannot be written: there is no folder {base.parent}.")
        if base.is_dir():
            raise RecordingError(f"{base} is a folder: name the file in it.")
        self.diary = Diary(base, now_ms)
        self._place = Place()
        self._file: TextFile | ParquetFile | None = None
        self.rows = 0
        try:
            self._begin(now_ms() if resumed_at is None else resumed_at)
        except OSError as error:
            self.diary.discard()
            raise RecordingError(f"{self.path} cannot be written: {error.strerror or error}.") from None
        except BaseException:
            self.diary.discard()
            raise

    def _begin(self, now: int) -> None:
        """Open the newest file, or the first one, and say in it until when nothing was recorded."""
        there = series(self.base)
        if self._rotation.daily:
            today = Place.of_day(now)
            self._place = max([today, *(place for place in there if place.day)])
        elif self._rotation.max_bytes is not None:
            self._place = max([Place(number=1), *(place for place in there if not place.day)])
        elif self._is_parquet:
            self._place = max([Place(), *(place for place in there if not place.day)])
        last = self._open()
        if last is None and (before := [path for place, path in there.items() if place < self._place]):
            last = last_row_of(before[-1])
        if last is not None and now > (since := time_of(last)):
            self.write([Hole(since, now, NOT_RUNNING)])

    @property
    def path(self) -> Path:
        """The file that is written now."""
        return self._place.path(self.base)

    @property
    def size(self) -> int:
        """The bytes of the file that is written now."""
        return self._file.size if self._file is not None else 0

    def write(self, rows: Sequence[Row]) -> None:
        """Add `rows`; `NotWrittenError` says how many of them were added before the one that could not be."""
        done = 0
        try:
            while done < len(rows):
                part = rows[done : done + _ROWS_AT_ONCE]
                if self._rotation.daily:
                    part = self._of_a_day(part)
                written = self._file_of_now().write(part)
                done += written
                self.rows += written
                if not written:
                    self._go_to(self._place.next())
        except (OSError, RecordingError) as error:
            raise NotWrittenError(self.path, error, done) from None

    def sync(self) -> None:
        """Have what was written on the disk."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.sync()

    def close(self) -> None:
        """Close its file and its log."""
        file, self._file = self._file, None
        if file is not None:
            file.close()
        self.diary.close()

    def _of_a_day(self, rows: Sequence[Row]) -> Sequence[Row]:
        """The first of `rows`, as far as they are of one day, whose file is open then. It never goes back a day."""
        days = [max(self._place.day, self._day_of(row)) for row in rows]
        if days[0] != self._place.day:
            self._go_to(Place(days[0]))
        return rows[: next((at for at, day in enumerate(days) if day != days[0]), len(rows))]

    def _day_of(self, row: Row) -> str:
        """The day of a row; that of the file of now where its server's clock tells a time of no calendar."""
        try:
            return Place.of_day(time_of(row)).day
        except (OverflowError, OSError, ValueError):
            return self._place.day

    def _file_of_now(self) -> TextFile | ParquetFile:
        if self._file is not None and not self._file.is_there():
            self.diary.note(f"{self.path.name} was moved, removed or emptied, and is begun anew")
            self._close_file()
        if self._file is None:
            self._open()
        assert self._file is not None  # noqa: S101 - `_open` makes it
        return self._file

    def _go_to(self, place: Place) -> None:
        before = self.path
        self._close_file()
        self._place = place
        self.diary.note(f"rotated: {before.name} is complete, {self.path.name} is begun")

    def _close_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _open(self) -> Row | None:
        """Open the file of now, and return its last row."""
        self._file = opened(self.path, self._rotation.max_bytes)
        if self._file.torn_bytes:
            self.diary.note(f"{self.path.name}: cut off {self._file.torn_bytes} bytes of a row that was not finished")
        return self._file.last_row()


def opened(path: Path, full_bytes: int | None = None) -> TextFile | ParquetFile:
    """The file of rows at `path`, to be added to."""
    return ParquetFile(path, full_bytes) if suffix_of(path) == ".parquet" else TextFile(path, full_bytes)


def last_row_of(path: Path) -> Row | None:
    """The last row of a file that is there."""
    file = opened(path)
    try:
        return file.last_row()
    finally:
        file.close()


def time_of(row: Row) -> int:
    """When a row was recorded: a price came, or a hole ended."""
    return row.received_at if isinstance(row, Price) else row.until
