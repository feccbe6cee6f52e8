"""The way out into files: every change of the board as a recording, in CSV, JSON lines or Parquet."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from pathlib import Path

from stocktrack.messages import BoardQuote, Price
from stocktrack.recording.names import Rotation
from stocktrack.recording.recording import NotWrittenError, Recording
from stocktrack.recording.rows import Hole, RecordingError, Row
from stocktrack.sinks.base import SinkError
from stocktrack.system.blocking import BlockingPool

_CLOSE_SECONDS = 0.8


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class FileSink:
    """The recording at `path`; what `stocktrack record` and `stocktrack replay` write and read.

    What could not be written for a while is told in the file by a row, since by then the newest prices have taken the
    place of others.
    """

    def __init__(self, path: Path) -> None:
        self.name = f"file://{path}"
        self._path = path
        self._pool = BlockingPool("file sink", 1)
        self._recording: Recording | None = None
        self._hole: tuple[int, str] | None = None
        self._written: dict[str, int] = {}

    async def open(self) -> None:
        """Open the recording; `SinkError` where that fails. An open one stays open."""
        if self._recording is None:
            try:
                self._recording = await self._pool.run(Recording, self._path, Rotation(), _now_ms)
            except (RecordingError, NotWrittenError) as error:
                raise SinkError(str(error)) from None
            self._recording.diary.note("started: a server writes every change")

    async def write(self, quotes: Sequence[BoardQuote]) -> None:
        """Add `quotes`; `SinkError` where the disk does not take them."""
        recording = self._recording
        if recording is None:
            raise SinkError(f"{self._path} is not open.")
        # What was written before something failed behind it is handed over once more.
        new = [quote for quote in quotes if self._written.get(quote.symbol) != quote.seq]
        holes = [] if self._hole is None else [Hole(self._hole[0], max(self._hole[0], _now_ms()), self._hole[1])]
        rows: list[Row] = [*holes, *map(Price.of, new)]
        written = len(rows)
        try:
            await self._pool.run(recording.write, rows)
        except NotWrittenError as error:
            written = error.written
            if self._hole is None:
                self._hole = _now_ms(), str(error)
                recording.diary.note(f"not written: {error}")
            raise SinkError(str(error)) from None
        else:
            if self._hole is not None:
                recording.diary.note("written again")
            self._hole = None
        finally:
            self._written |= {row.symbol: row.seq for row in rows[:written] if isinstance(row, Price)}

    async def close(self) -> None:
        """Close the recording, as far as the disk answers."""
        recording, self._recording = self._recording, None
        try:
            if recording is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_CLOSE_SECONDS):
                        await self._pool.run(recording.close)
        finally:
            self._pool.close()
