"""What is in a recording: its symbols, times, holes, and what is missing between two rows of a symbol."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from stocktrack.messages import Price
from stocktrack.quotes import clean_text
from stocktrack.recording.parquet_file import journals_of
from stocktrack.recording.reading import Unreadable, rows_of
from stocktrack.recording.rows import Hole

_MOST_TOLD: Final = 20
_MAX_CHARS: Final = 200


@dataclass(slots=True)
class SymbolSummary:
    """What a recording has of one symbol; times are epoch milliseconds.

    `missed` counts updates that its numbers (`seq`) leave out: prices that were merged before they were recorded.
    `restarts` is how often these numbers began anew, as they do with another run of the server.
    """

    rows: int = 0
    first_at: int = 0
    last_at: int = 0
    low: float = 0.0
    high: float = 0.0
    last: float = 0.0
    currency: str | None = None
    missed: int = 0
    restarts: int = 0
    seq: int = 0

    def add(self, price: Price) -> None:
        """Count one more row."""
        if not self.rows:
            self.first_at, self.low, self.high = price.received_at, price.price, price.price
        elif price.seq > self.seq + 1 and self.seq:
            self.missed += price.seq - self.seq - 1
        elif price.seq < self.seq:
            self.restarts += 1
        self.rows += 1
        self.seq, self.last, self.last_at = price.seq, price.price, price.received_at
        self.low, self.high = min(self.low, price.price), max(self.high, price.price)
        self.currency = price.currency or self.currency


@dataclass(slots=True)
class Summary:
    """What some files of one recording hold together."""

    files: Sequence[Path]
    size: int = 0
    rows: int = 0
    first_at: int | None = None
    last_at: int | None = None
    symbols: dict[str, SymbolSummary] = field(default_factory=dict)
    holes: list[Hole] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    unreadable_rows: int = 0

    def as_json(self) -> dict[str, Any]:
        """The same for programs; times are epoch milliseconds."""
        return {
            "files": [str(path) for path in self.files],
            "size": self.size,
            "rows": self.rows,
            "first_at": self.first_at,
            "last_at": self.last_at,
            "symbols": {
                symbol: {name: getattr(each, name) for name in SymbolSummary.__dataclass_fields__ if name != "seq"}
                for symbol, each in sorted(self.symbols.items())
            },
            "gaps": [{"since": hole.since, "until": hole.until, "reason": hole.reason} for hole in self.holes],
            "unreadable_rows": self.unreadable_rows,
            "unreadable": [
                {"file": str(each.path), "line": each.line, "why": each.why, "torn": each.is_torn}
                for each in self.unreadable
            ],
        }

    def as_text(self) -> str:
        """The same for people; times are UTC."""
        files = f"{len(self.files)} files" if len(self.files) > 1 else str(self.files[0])
        what = f"{counted(self.rows, 'row')} of {counted(len(self.symbols), 'symbol')}"
        lines = [f"{files}: {what}, {bytes_text(self.size)}"]
        lines += [f"  {path}" for path in self.files[:_MOST_TOLD] if len(self.files) > 1]
        if self.first_at is not None and self.last_at is not None:
            lasted = duration_text(self.last_at - self.first_at)
            lines.append(f"from {time_text(self.first_at)} to {time_text(self.last_at)} ({lasted})")
        lines += [f"gap {_hole_text(hole)}" for hole in self.holes[:_MOST_TOLD]]
        if len(self.holes) > _MOST_TOLD:
            lines.append(f"and {len(self.holes) - _MOST_TOLD} more gaps")
        missed = sum(each.missed for each in self.symbols.values())
        if missed:
            lines.append(f"{counted(missed, 'update')} missing by seq: merged before they came here, or in a gap")
        lines += [f"unreadable: {each}" for each in self.unreadable]
        if self.unreadable_rows > len(self.unreadable):
            lines.append(f"and {self.unreadable_rows - len(self.unreadable)} more rows that cannot be read")
        if self.symbols:
            lines += ["", *self._table()]
        return "\n".join(lines) + "\n"

    def _table(self) -> list[str]:
        head = ("symbol", "rows", "first", "last", "low", "high", "last price", "missed")
        rows = [
            (
                *(
                    clean_text(symbol, _MAX_CHARS),
                    f"{each.rows:,}",
                    time_text(each.first_at)[:-4],
                    time_text(each.last_at)[:-4],
                ),
                *(repr(each.low), repr(each.high)),
                f"{each.last!r} {clean_text(each.currency or '', _MAX_CHARS)}".rstrip(),
                f"{each.missed:,}",
            )
            for symbol, each in sorted(self.symbols.items())
        ]
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        is_number = (False, True, False, False, True, True, False, True)
        return [
            "  ".join(
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, right in zip(row, widths, is_number, strict=True)
            ).rstrip()
            for row in (head, *rows)
        ]


def summarise(files: Sequence[Path]) -> Summary:
    """What is in `files`; `RecordingError` where one of them is no recording."""
    summary = Summary(files)

    def note(bad: Unreadable) -> None:
        summary.unreadable_rows += 1
        if len(summary.unreadable) < _MOST_TOLD:
            summary.unreadable.append(bad)

    for path in files:
        parts = [path, *(journal for _, journal in journals_of(path))]
        summary.size += sum(part.stat().st_size for part in parts if part.exists())
        for row in rows_of(path, note):
            if isinstance(row, Hole):
                summary.holes.append(row)
                continue
            summary.rows += 1
            each = summary.symbols.get(row.symbol)
            if each is None:
                each = summary.symbols[row.symbol] = SymbolSummary()
            each.add(row)
            at = row.received_at
            summary.first_at = at if summary.first_at is None else min(summary.first_at, at)
            summary.last_at = at if summary.last_at is None else max(summary.last_at, at)
    return summary


def counted(count: int, what: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def bytes_text(count: int) -> str:
    """`512 bytes`, `3.4 MB`."""
    size = float(count)
    for unit in ("bytes", "KB", "MB", "GB"):
        if size < 1_000 or unit == "GB":
            break
        size /= 1_000
    return f"{count} bytes" if unit == "bytes" else f"{size:.1f} {unit}"


def duration_text(milliseconds: int) -> str:
    """`4.2 s`, `3 min 20 s`, `2 h 5 min`, `3 days 4 h`."""
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, hours = int(seconds // 60), int(seconds // 3_600)
    if minutes < 60:
        return f"{minutes} min {int(seconds % 60)} s"
    return f"{hours} h {minutes % 60} min" if hours < 48 else f"{hours // 24} days {hours % 24} h"


def time_text(epoch_ms: int) -> str:
    """`2026-11-29 10:22:09.123 UTC`; the number itself where it is no time of any calendar."""
    try:
        return f"{datetime.fromtimestamp(epoch_ms / 1000, UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3] + " UTC"
    except (OverflowError, OSError, ValueError):
        return str(epoch_ms)


def _hole_text(hole: Hole) -> str:
    lasted = duration_text(hole.until - hole.since)
    return f"from {time_text(hole.since)} to {time_text(hole.until)} ({lasted}): {clean_text(hole.reason, _MAX_CHARS)}"
