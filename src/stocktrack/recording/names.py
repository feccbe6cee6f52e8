"""How the files of a recording are called: one file, or a series of one a day or of so many bytes each."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from stocktrack.recording.rows import RecordingError

SUFFIXES: Final = (".csv", ".jsonl", ".parquet")
JOURNAL: Final = ".journal"  # what stands behind the name of a Parquet file in that of its journals
LEAST_BYTES: Final = 10_000
_UNITS: Final = {"KB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}
_PLACE: Final = re.compile(r"(?:-([0-9]{4}-[0-9]{2}-[0-9]{2}))?(?:-([0-9]{4,9}))?")


@dataclass(frozen=True, slots=True)
class Rotation:
    """When the next file begins: each day by UTC, or where a file would be longer than `max_bytes`, or never."""

    daily: bool = False
    max_bytes: int | None = None

    @property
    def word(self) -> str:
        """How it may be said: `a file a day`, `files of 100000000 bytes`."""
        if self.daily:
            return "a file a day"
        return "one file" if self.max_bytes is None else f"files of {self.max_bytes:,} bytes"

    @classmethod
    def of(cls, text: str) -> "Rotation":
        """What `day` or `100MB` says; `ValueError` with a sentence where it is neither."""
        word = text.strip().upper()
        if word == "DAY":
            return cls(daily=True)
        size = re.fullmatch(r"([0-9]{1,9})\s*(KB|MB|GB)", word)
        if size is None:
            raise ValueError(f"{text!r} is no rotation: say day, or a size as 500KB, 100MB or 2GB.")
        if (count := int(size[1]) * _UNITS[size[2]]) < LEAST_BYTES:
            raise ValueError(f"{text!r} is too small: a file has {LEAST_BYTES // 1_000}KB at least.")
        return cls(max_bytes=count)


def suffix_of(path: Path) -> str:
    """The suffix that says the format; `RecordingError` where it says none."""
    if path.suffix.lower() not in SUFFIXES:
        raise RecordingError(
            f"{path} does not say its format: its name must end with {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}."
        )
    return path.suffix.lower()


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a file stands in its series: the day that it is of, empty for none, and its number, 0 for none."""

    day: str = ""
    number: int = 0

    @classmethod
    def of_day(cls, at_ms: int) -> "Place":
        """The first file of the day, by UTC, of a moment."""
        return cls(f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d}")

    def next(self) -> "Place":
        """The file after it."""
        return Place(self.day, max(self.number, 1) + 1)

    def path(self, base: Path) -> Path:
        """`ticks.csv`, `ticks-0002.csv`, `ticks-2026-11-29.csv` or `ticks-2026-11-29-0002.csv`."""
        parts = [base.stem, *([self.day] if self.day else []), *([f"{self.number:04}"] if self.number else [])]
        return base.with_name(f"{'-'.join(parts)}{base.suffix}")


def series(base: Path) -> dict[Place, Path]:
    """The files that are there of a recording, in their order: its own name first, then by number, then by day.

    A Parquet file that only its journals tell of, since it was not begun yet, counts as being there.
    """
    found: dict[Place, Path] = {}
    for path in base.parent.iterdir() if base.parent.is_dir() else ():
        name, is_journal, _ = path.name.partition(JOURNAL)
        data = path.with_name(name) if is_journal and name.endswith(".parquet") else path
        if (place := _place(base, data)) is not None:
            found[place] = data
    return dict(sorted(found.items()))


def _place(base: Path, path: Path) -> Place | None:
    if path.suffix != base.suffix or not path.stem.startswith(base.stem):
        return None
    match = _PLACE.fullmatch(path.stem[len(base.stem) :])
    return None if match is None else Place(match[1] or "", int(match[2] or 0))
