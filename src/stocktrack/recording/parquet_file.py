"""A Parquet file that rows can be added to, readable at any moment, of which a kill takes no row.

A Parquet file is read by its last bytes and cannot grow. So rows go into a *journal* first, lines of CSV beside it, and
from time to time all rows of the journal come behind those of the file into a new one, which takes the file's name at
once. Which journals are in it the file says itself: a kill between the two steps doubles nothing. A file that has
`MAX_ROWS` is full, since each new one is written as a whole; the journal may be half as long as the file, up to
`MOST_WAITING` rows, so that the work stays in proportion to the rows. It is done beside the journal, which goes on.

    ticks.parquet                 complete, always
    ticks.parquet.journal-0007    the newest rows, in it soon
"""

import contextlib
import os
import re
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from stocktrack.errors import extra_hint
from stocktrack.messages import Price
from stocktrack.recording import csv_rows
from stocktrack.recording.append_file import AppendFile
from stocktrack.recording.names import JOURNAL
from stocktrack.recording.rows import (
    COLUMNS,
    GAP,
    HOLE_COLUMNS,
    KINDS,
    PRICE_COLUMNS,
    BadRow,
    RecordingError,
    Row,
    row_of,
)

if TYPE_CHECKING:
    import pyarrow as pa

MAX_ROWS: Final = 2_000_000
GROUP_ROWS: Final = 100_000
LEAST_MERGED: Final = 50_000
# They are in memory as well until they are in the file, at some 150 bytes a row.
MOST_WAITING: Final = 300_000
MERGED_AFTER_SECONDS: Final = 60.0
_RETRY_SECONDS: Final = 1.0  # between two rewritings, whatever comes
_MERGED_KEY: Final = b"stocktrack.journals"
_ROWS_A_BATCH: Final = 10_000
# Of rows that are still in the journal, until the first of them have been written.
_ASSUMED_ROW_BYTES: Final = 30
_INT64: Final = range(-(2**63), 2**63)


def need_pyarrow() -> None:
    """`RecordingError` where the library that reads and writes Parquet is not installed."""
    try:
        import pyarrow.parquet  # noqa: F401 - it takes long, and most recordings do without
    except ImportError:
        raise RecordingError(f"Parquet needs pyarrow, which is not installed. {extra_hint('parquet')}.") from None


class ParquetFile:
    """An open Parquet file and its journal. `OSError` from `write` leaves both as they were before.

    `full_bytes` is how long it may be; None for any length. Used by one thread at a time; the file is written by one of
    its own, since that takes seconds where the file is long.
    """

    def __init__(self, path: Path, full_bytes: int | None = None) -> None:
        need_pyarrow()
        self.path = path
        self._full_bytes = full_bytes
        self.torn_bytes = 0
        self._rows, self._merged = _told_of(path)
        self._bytes = path.stat().st_size if path.exists() else 0
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = 0
        self._last: Row | None = None
        self._merge_at = 0.0
        self._merging: _Merge | None = None
        self._draft = path.with_name(f"{path.name}.new")
        self._draft.unlink(missing_ok=True)
        # What a kill left is in the file already, or is taken into it now.
        journals = journals_of(path)
        for number, journal in journals:
            if number > self._merged:
                self._keep([*read_journal(journal)])
        self._number = max([self._merged, *(number for number, _ in journals)]) + 1
        self._journal = self._new_journal(self._number)
        try:
            self._begin_merge(self._number - 1, is_needed=not path.exists())
            self._end_merge()
        except BaseException:
            self._journal.close()
            raise

    @property
    def size(self) -> int:
        """The bytes of the file; of what is in the journal, about as many as it will have there."""
        a_row = self._bytes / self._rows if self._rows > LEAST_MERGED else _ASSUMED_ROW_BYTES
        return self._bytes + int(self._unmerged_rows * a_row)

    @property
    def _unmerged_rows(self) -> int:
        return self._waiting_rows + (self._merging.rows if self._merging is not None else 0)

    def last_row(self) -> Row | None:
        """The last row of it."""
        if self._last is None and self._rows:
            from pyarrow import parquet

            with parquet.ParquetFile(self.path) as file:
                group = file.read_row_group(file.metadata.num_row_groups - 1)
            self._last = _row_of(group.slice(group.num_rows - 1).to_pylist()[0])
        return self._last

    def write(self, rows: Sequence[Row]) -> int:
        """Add `rows`, and return how many; 0 where the file is full. With an `OSError`, none of them."""
        if self._rows + self._unmerged_rows >= MAX_ROWS or (
            self._full_bytes is not None and self.size >= self._full_bytes and self._rows + self._unmerged_rows > 0
        ):
            return 0
        batch = batch_of(rows)
        self._journal.write([csv_rows.encode(row) for row in rows])
        self._hold(batch, rows[-1])
        if self._merging is None or not self._merging.is_alive():
            # Where the disk or the folder is full the rows are safe in their journals, and it is tried again later. As
            # an error of this write, they would be written a second time.
            with contextlib.suppress(OSError, RecordingError):
                self._end_merge()
                self._merge_in_time()
        return len(rows)

    def _merge_in_time(self) -> None:
        now = time.monotonic()
        is_much = self._waiting_rows >= min(MOST_WAITING, max(LEAST_MERGED, self._rows // 2))
        is_time = now >= self._merge_at and self._waiting_rows * 20 >= self._rows
        if is_time or (is_much and now >= self._merge_at - MERGED_AFTER_SECONDS + _RETRY_SECONDS):
            self._merge_at = now + MERGED_AFTER_SECONDS
            # First the journal of the rows to come: what goes into one that is in the file already would be lost.
            journal = self._new_journal(self._number + 1)
            self._journal.close()
            self._journal, self._number = journal, self._number + 1
            self._begin_merge(self._number - 1)

    def _begin_merge(self, number: int, *, is_needed: bool = False) -> None:
        """Begin to write all rows up to those of a journal into the file."""
        if self._waiting or is_needed:
            self._merging = _Merge(self.path, self._draft, number, self._rows, self._waiting)
            self._waiting, self._waiting_rows = [], 0
            self._merging.start()

    def _end_merge(self) -> None:
        """Wait until the file is written, and remove the journals that are in it; `OSError` where it was not."""
        merge, self._merging = self._merging, None
        if merge is not None:
            merge.join()
            if merge.error is not None:
                self._waiting = [*merge.batches, *self._waiting]
                self._waiting_rows += merge.rows
                raise merge.error
            self._merged = merge.number
            self._rows += merge.rows
            self._bytes = self.path.stat().st_size
            self._merge_at = time.monotonic() + MERGED_AFTER_SECONDS
        for number, journal in journals_of(self.path):
            if number <= self._merged:
                journal.unlink(missing_ok=True)

    def sync(self) -> None:
        """Have what was written on the disk."""
        self._journal.sync()

    def is_there(self) -> bool:
        """Whether the file and its journal still have their names."""
        return self._journal.is_there() and self.path.exists()

    def close(self) -> None:
        """Take all rows into the file, and remove the journal; where the disk is full it stays, and holds them."""
        self._journal.close()
        with contextlib.suppress(OSError):
            with contextlib.suppress(OSError):
                self._end_merge()
            self._begin_merge(self._number)
            self._end_merge()
        if not self._waiting:
            self._journal.path.unlink(missing_ok=True)

    def _new_journal(self, number: int) -> AppendFile:
        path = self.path.with_name(f"{self.path.name}{JOURNAL}-{number:04}")
        return AppendFile(path, csv_rows.HEADER, lambda _: False)

    def _keep(self, rows: Sequence[Row]) -> None:
        if rows:
            self._hold(batch_of(rows), rows[-1])

    def _hold(self, batch: "pa.RecordBatch", last: Row) -> None:
        self._waiting.append(batch)
        self._waiting_rows += batch.num_rows
        self._last = last


class _Merge(threading.Thread):
    """Writes a file anew, with `batches` behind the rows that it has; `error` says why it could not."""

    def __init__(self, path: Path, draft: Path, number: int, rows_before: int, batches: "list[pa.RecordBatch]") -> None:
        super().__init__(name=f"write {path.name}", daemon=True)
        self._path = path
        self._draft = draft
        self._rows_before = rows_before
        self.number = number
        self.batches = batches
        self.rows = sum(batch.num_rows for batch in batches)
        self.error: OSError | None = None

    def run(self) -> None:
        """Write it, under another name at first."""
        import pyarrow as pa
        from pyarrow import parquet

        schema = _schema().with_metadata({_MERGED_KEY: str(self.number).encode()})
        try:
            with parquet.ParquetWriter(self._draft, schema, compression="zstd") as writer:
                group: list[pa.RecordBatch] = []
                rows = 0
                for batch in self._all_batches():
                    group.append(batch)
                    rows += batch.num_rows
                    if rows >= GROUP_ROWS:
                        writer.write_table(pa.Table.from_batches(group).replace_schema_metadata(schema.metadata))
                        group, rows = [], 0
                if group:
                    writer.write_table(pa.Table.from_batches(group).replace_schema_metadata(schema.metadata))
            descriptor = os.open(self._draft, os.O_RDONLY)
            try:
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
            self._draft.replace(self._path)
        except (OSError, pa.ArrowException) as error:
            self.error = error if isinstance(error, OSError) else OSError(str(error))
            with contextlib.suppress(OSError):
                self._draft.unlink(missing_ok=True)

    def _all_batches(self) -> Iterator["pa.RecordBatch"]:
        from pyarrow import parquet

        if self._rows_before:
            with parquet.ParquetFile(self._path) as file:
                for batch in file.iter_batches(GROUP_ROWS):
                    yield batch.replace_schema_metadata(None)
        yield from self.batches


def batch_of(rows: Sequence[Row]) -> "pa.RecordBatch":
    """The rows as columns."""
    import pyarrow as pa

    columns = zip(*map(_values_of, rows), strict=True)
    schema = _schema()
    arrays = []
    for column, kind in zip(columns, schema.types, strict=True):
        try:
            arrays.append(pa.array(column, kind))
        except (OverflowError, pa.ArrowInvalid):
            # A number that has no place in 64 bits is no volume of any market.
            arrays.append(pa.array([value if value in _INT64 else None for value in column], kind))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def read_parquet(path: Path) -> Iterator[Row]:
    """The rows of a Parquet file; `RecordingError` where it is none of ours."""
    need_pyarrow()
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            wanted = [name for name in file.schema_arrow.names if name in KINDS]
            if not {"symbol", "price"} <= set(wanted) or not {"received_at", "timestamp"} & set(wanted):
                raise RecordingError(f"{path} is no recording: it has no columns received_at, symbol and price.")
            for batch in file.iter_batches(_ROWS_A_BATCH, columns=wanted):
                for fields in batch.to_pylist():
                    yield _row_of(fields)
    except (pa.ArrowException, OSError) as error:
        raise RecordingError(f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}") from None


def symbols_in(path: Path) -> set[str]:
    """The symbols of a Parquet file."""
    need_pyarrow()
    from pyarrow import parquet

    found: set[str] = set()
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(GROUP_ROWS, columns=["symbol"]):
            found.update(name for name in batch.column(0).unique().to_pylist() if name)
    return found


def journals_of(path: Path) -> list[tuple[int, Path]]:
    """The journals beside a Parquet file, with their numbers, in their order."""
    pattern = re.compile(rf"{re.escape(path.name + JOURNAL)}-([0-9]+)")
    if not path.parent.is_dir():
        return []
    named = [(pattern.fullmatch(each.name), each) for each in path.parent.iterdir()]
    return sorted((int(match[1]), each) for match, each in named if match is not None)


def unmerged_journals(path: Path) -> list[Path]:
    """The journals whose rows are not in the file yet, in their order."""
    _, merged = _told_of(path)
    return [journal for number, journal in journals_of(path) if number > merged]


def read_journal(path: Path) -> Iterator[Row]:
    """The whole rows of a journal; the half of one that a kill left at its end is left out."""
    with path.open(encoding="utf-8", errors="replace", newline="") as lines:
        header = lines.readline()
        if header.encode() != csv_rows.HEADER:
            return
        reader = csv_rows.Reader(header)
        for number, line in enumerate(lines, 2):
            if line.endswith("\n"):
                try:
                    yield reader.read(line)
                except BadRow as error:
                    raise RecordingError(
                        f"{path}, line {number}: {error}. Take that line out of it: the other rows are not in the "
                        "Parquet file yet."
                    ) from None


def _told_of(path: Path) -> tuple[int, int]:
    """How many rows a file has, and the number of the last journal that is in it."""
    if not path.exists():
        return 0, 0
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            merged = (file.schema_arrow.metadata or {}).get(_MERGED_KEY)
            rows = file.metadata.num_rows
            is_ours = merged is not None and file.schema_arrow.names == list(COLUMNS)
    except (pa.ArrowException, OSError) as error:
        raise RecordingError(f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}") from None
    if not is_ours or merged is None:
        raise RecordingError(
            f"{path} is there, and is not a recording of this version. Nothing was changed in it: move it away, or "
            "name another file."
        )
    return rows, int(merged)


def _row_of(fields: dict[str, Any]) -> Row:
    return row_of({name: value for name, value in fields.items() if value is not None})


def _values_of(row: Row) -> tuple[Any, ...]:
    if isinstance(row, Price):
        values = row.__dict__
        return (*(values[name] for name in PRICE_COLUMNS), None, None, None)
    return (row.until, *(None for _ in PRICE_COLUMNS[1:]), GAP, row.since, row.reason)


def _schema() -> Any:
    import pyarrow as pa

    kinds = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    return pa.schema([(name, kinds[KINDS[name]]) for name in COLUMNS])


assert COLUMNS[-3:] == HOLE_COLUMNS  # noqa: S101 - `_values_of` writes them at the end
