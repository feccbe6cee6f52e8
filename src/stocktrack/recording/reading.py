"""Reading recordings back: a file, a series of files, or a folder of them, row by row and in their order."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from stocktrack.messages import Price
from stocktrack.quotes import normalise_symbol
from stocktrack.recording import csv_rows, json_rows, parquet_file
from stocktrack.recording.names import JOURNAL, SUFFIXES, series, suffix_of
from stocktrack.recording.rows import BadRow, RecordingError, Row

# No row is longer; a file of something else may have lines without an end.
_MAX_LINE: Final = 65_536
_JSON_SYMBOL: Final = re.compile(rb'"symbol"\s*:\s*"([^"\\]{1,48})"')


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line that is no row, and why; `is_torn` where it is the end of a file whose writer was killed."""

    path: Path
    line: int
    why: str
    is_torn: bool = False

    def __str__(self) -> str:
        if self.is_torn:
            return f"{self.path}, line {self.line}: the last row was not finished, and is left out."
        return f"{self.path}, line {self.line}: {self.why}."


def files_of(path: Path) -> list[Path]:
    """The files of a recording in their order; `RecordingError` where there are none.

    `path` is a file, the name that a series was recorded under, or a folder, whose files are read in the order of their
    first rows.
    """
    if path.is_dir():
        found = sorted({each for each in map(_data_of, path.iterdir()) if each.suffix.lower() in SUFFIXES})
        begins = {each: _first_time(each) for each in found}
        files = sorted((each for each in found if begins[each] is not None), key=lambda each: begins[each] or 0)
        if not files:
            raise RecordingError(f"{path} is a folder without a recording: no {', '.join(SUFFIXES)} with rows in it.")
        return files
    suffix_of(path)
    files = [*series(path).values()]
    if not files:
        near = " There is no such folder." if not path.parent.is_dir() else ""
        raise RecordingError(f"{path}: there is no such file.{near}")
    return files


def rows_of(path: Path, on_bad: Callable[[Unreadable], object]) -> Iterator[Row]:
    """The rows of one file; what is no row is told to `on_bad`, and `RecordingError` where it is no recording."""
    if suffix_of(path) == ".parquet":
        if path.exists():
            yield from parquet_file.read_parquet(path)
        for journal in parquet_file.unmerged_journals(path):
            yield from parquet_file.read_journal(journal)
        return
    try:
        with path.open("rb") as file:
            yield from _rows_of_lines(path, file, on_bad)
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror}.") from None


def symbols_of(path: Path) -> set[str]:
    """The symbols in one file, without reading all of each row."""
    if suffix_of(path) == ".parquet":
        found = parquet_file.symbols_in(path) if path.exists() else set()
        for journal in parquet_file.unmerged_journals(path):
            found |= {row.symbol for row in parquet_file.read_journal(journal) if isinstance(row, Price)}
        return set(_normalised(found))
    try:
        with path.open("rb") as file:
            if suffix_of(path) == ".jsonl":
                named = {match[1] for line in _lines_of(file) if (match := _JSON_SYMBOL.search(line)) is not None}
                return set(_normalised(each.decode("utf-8", "replace") for each in named))
            return set(_normalised(_symbols_of_csv(path, file)))
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror}.") from None


def _symbols_of_csv(path: Path, file: BinaryIO) -> set[str]:
    header = file.readline(_MAX_LINE).decode("utf-8", "replace")
    try:
        csv_rows.Reader(header)
        at = [name.strip() for name in csv_rows.cells_of(header.lstrip("\ufeff").rstrip("\r\n"))].index("symbol")
    except BadRow as error:
        raise RecordingError(f"{path} is no recording: line 1: {error}") from None
    found: set[str] = set()
    plain: set[bytes] = set()
    for line in _lines_of(file):
        if b'"' not in line:
            cells = line.rstrip(b"\r\n").split(b",", at + 1)
            if len(cells) > at:
                plain.add(cells[at])
            continue
        try:
            cells_there = csv_rows.cells_of(line.decode("utf-8", "replace"))
        except BadRow:
            continue
        if len(cells_there) > at:
            found.add(cells_there[at])
    return {each.removeprefix("'") for each in (*found, *(cell.decode("utf-8", "replace") for cell in plain)) if each}


def _lines_of(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file; one that is longer than any row comes in pieces."""
    return iter(partial(file.readline, _MAX_LINE), b"")


def _normalised(symbols: Iterator[str] | set[str]) -> Iterator[str]:
    for symbol in symbols:
        try:
            yield normalise_symbol(symbol)
        except ValueError:
            continue  # the row that has it is told of where it is read


def _rows_of_lines(path: Path, file: BinaryIO, on_bad: Callable[[Unreadable], object]) -> Iterator[Row]:
    read: Callable[[str], Row] = json_rows.read
    number = 0
    if suffix_of(path) == ".csv":
        number = 1
        header = file.readline(_MAX_LINE)
        if not header:
            raise RecordingError(f"{path} is empty: nothing was recorded in it.")
        try:
            read = csv_rows.Reader(header.decode("utf-8", "replace")).read
        except BadRow as error:
            raise RecordingError(f"{path} is no recording: line 1: {error}") from None
    has_rows = number > 0
    while line := file.readline(_MAX_LINE):
        number += 1
        is_ended = line.endswith(b"\n")
        text = line.decode("utf-8", "replace")
        if number == 1:
            text = text.lstrip("\ufeff")
        if not text.strip():
            continue
        try:
            row = read(text)
        except BadRow as error:
            while not line.endswith(b"\n") and (line := file.readline(_MAX_LINE)):
                pass  # the rest of a line without measure
            is_torn = not is_ended and not line
            if not has_rows and not is_torn:
                raise RecordingError(f"{path} is no recording: line {number}: {error}.") from None
            on_bad(Unreadable(path, number, str(error), is_torn=is_torn))
            continue
        has_rows = True
        yield row
    if number == 0:
        raise RecordingError(f"{path} is empty: nothing was recorded in it.")


def _data_of(path: Path) -> Path:
    """The file that a journal belongs to, or the file itself."""
    name, is_journal, _ = path.name.partition(f".parquet{JOURNAL}-")
    return path.with_name(f"{name}.parquet") if is_journal else path


def _first_time(path: Path) -> int | None:
    """When the first row of a file was recorded; None where it has none."""
    try:
        row = next(rows_of(path, lambda _: None), None)
    except RecordingError as error:
        if "is empty" in str(error):
            return None
        raise
    if row is None:
        return None
    return row.received_at if isinstance(row, Price) else row.until
