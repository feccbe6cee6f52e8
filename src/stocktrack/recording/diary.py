"""The log beside a recording: what happened to it, a line each, with its time; and the mark of who writes it."""

import contextlib
import fcntl
import os
import re
import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from stocktrack.quotes import clean_text
from stocktrack.recording.rows import RecordingError

_MOST_KEPT: Final = 1_000
_MAX_CHARS: Final = 2_000


class Diary:
    """`ticks.csv.log`, open and locked: two recorders of one file would tear each other's rows.

    Where the disk is full its lines wait, the newest of them, for the next that can be written.
    """

    def __init__(self, base: Path, now_ms: Callable[[], int]) -> None:
        self.path = base.with_name(f"{base.name}.log")
        self._now_ms = now_ms
        self._unwritten: deque[bytes] = deque(maxlen=_MOST_KEPT)
        self._lock = threading.Lock()  # who writes the rows notes what becomes of the files, in a thread
        try:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise RecordingError(f"{self.path} cannot be written: {error.strerror}.") from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            told = os.pread(self._descriptor, 65_536, max(0, os.fstat(self._descriptor).st_size - 65_536))
            os.close(self._descriptor)
            whose = re.findall(rb"\(process ([0-9]+)\)", told)
            named = f" (process {whose[-1].decode()})" if whose else ""
            raise RecordingError(
                f"{base} is being written by another recorder{named}. End that one, or name another file."
            ) from None

    def note(self, text: str) -> None:
        """Add a line."""
        at = datetime.fromtimestamp(self._now_ms() / 1000, UTC)
        line = f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z {clean_text(text, _MAX_CHARS)}\n"
        with self._lock:
            self._unwritten.append(line.encode("utf-8", "replace"))
        self.flush()

    def flush(self) -> None:
        """Write what waits, as far as the disk takes it."""
        with self._lock, contextlib.suppress(OSError):
            while self._unwritten:
                os.write(self._descriptor, self._unwritten[0])
                self._unwritten.popleft()

    def discard(self) -> None:
        """Close it, and leave no empty log behind of a recording that never began."""
        if os.fstat(self._descriptor).st_size == 0:
            self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Close it, which frees the recording for others."""
        self.flush()
        os.close(self._descriptor)
