"""A file of lines that only grows, and holds whole lines only, whatever becomes of the process that writes it.

The kernel writes page by page, and may stop between two pages of one call where the process is killed. So what fits
into the rest of a page goes in one call, which nothing cuts, and a line that reaches into the next page goes alone: a
kill has to fall into the moment between its two pages to tear it, and then the next start takes its half off again.
"""

import contextlib
import fcntl
import mmap
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from stocktrack.quotes import shown
from stocktrack.recording.rows import RecordingError

_PAGE: Final = mmap.PAGESIZE
_BLOCK: Final = 65_536


class AppendFile:
    """An open file whose first line is `header` (empty: none); `is_whole` says of a line without its end if it is one.

    `begins` is what each line begins with: the half of a first line is known by it where there is no header.
    `OSError` from `write` leaves the file as it was before. Used by one thread at a time.
    """

    def __init__(self, path: Path, header: bytes, is_whole: Callable[[str], bool], begins: bytes = b"") -> None:
        self.path = path
        self._header = header
        self._is_whole = is_whole
        self._begins = begins
        self.torn_bytes = 0  # what the last process left of a line that it did not finish
        self._is_dirty = False
        self._descriptor = _opened(path)
        try:
            self.size = os.fstat(self._descriptor).st_size
            self._begin()
        except BaseException:
            os.close(self._descriptor)
            raise

    def _begin(self) -> None:
        """Write the header of a new file; check that of an old one, and mend its end."""
        first = os.pread(self._descriptor, len(self._header), 0)
        if self._header.startswith(first) and first != self._header:
            self.torn_bytes = self.size  # nothing, or a header that was not finished
            os.ftruncate(self._descriptor, 0)
            self.size = 0
            self._append(self._header)
            return
        told, is_line, _ = os.pread(self._descriptor, _BLOCK, 0).partition(b"\n")
        line = told.decode("utf-8", "replace")
        if self._header:
            is_ours = first == self._header
        else:
            is_ours = self._is_whole(line) or (not is_line and self._may_be_half(told))
        if not is_ours:
            raise RecordingError(
                f"{self.path} is there, and its first row is not that of a recording ({shown(line)}). Nothing was "
                "changed in it: move it away, or name another file."
            )
        tail = self._tail()
        if not tail:
            return
        if b"\0" not in tail and self._is_whole(tail.decode("utf-8", "replace")):
            self._append(b"\n")
            return
        self.torn_bytes = len(tail)
        self.size -= len(tail)
        os.ftruncate(self._descriptor, self.size)

    def _may_be_half(self, told: bytes) -> bool:
        """Whether a file of one line without its end is the half of one of ours; that is cut off, and others' is not.

        A power cut leaves zeros where a row should be.
        """
        begun = told.rstrip(b"\0")
        return len(told) < _BLOCK and (begun.startswith(self._begins) or self._begins.startswith(begun))

    def last_line(self) -> bytes:
        """The last whole line, without its line end; empty where there is none but the header."""
        end = self.size
        data = b""
        while end > len(self._header) and data.count(b"\n") < 2:
            start = max(len(self._header), end - _BLOCK)
            data = os.pread(self._descriptor, end - start, start) + data
            end = start
        return data.rstrip(b"\n").rpartition(b"\n")[2]

    def write(self, lines: Sequence[bytes]) -> None:
        """Add `lines`, all of them or, with an `OSError`, none."""
        before = self.size
        try:
            if self._is_dirty:
                self._cut_to(before)
            room = _PAGE - before % _PAGE
            chunk: list[bytes] = []
            length = 0
            for line in lines:
                if length + len(line) > room:
                    self._append(b"".join(chunk))
                    self._append(line)
                    chunk, length = [], 0
                    room = _PAGE - self.size % _PAGE
                else:
                    chunk.append(line)
                    length += len(line)
            self._append(b"".join(chunk))
        except OSError:
            self._is_dirty = True
            with contextlib.suppress(OSError):  # where even that fails, the next try begins with it
                self._cut_to(before)
            raise

    def sync(self) -> None:
        """Have what was written on the disk, so that a power cut takes none of it."""
        os.fdatasync(self._descriptor)

    def is_there(self) -> bool:
        """Whether the file still has its name and its rows: it may have been moved, removed or emptied."""
        try:
            named = os.stat(self.path)  # noqa: PTH116 - beside fstat
        except OSError:
            return False
        own = os.fstat(self._descriptor)
        # One that somebody emptied has lost its first row, too, as `copytruncate` of logrotate leaves it.
        return (named.st_dev, named.st_ino) == (own.st_dev, own.st_ino) and own.st_size >= self.size

    def close(self) -> None:
        """Close it; what was written is on the disk then, where that can be."""
        try:
            with contextlib.suppress(OSError):
                os.fdatasync(self._descriptor)
        finally:
            os.close(self._descriptor)

    def _append(self, data: bytes) -> None:
        while data:
            written = os.write(self._descriptor, data)
            self.size += written
            data = data[written:]

    def _cut_to(self, size: int) -> None:
        self.size = size
        os.ftruncate(self._descriptor, size)
        self._is_dirty = False

    def _tail(self) -> bytes:
        """What stands behind the last line end."""
        end, tail = self.size, b""
        while end > 0:
            start = max(0, end - _BLOCK)
            block = os.pread(self._descriptor, end - start, start)
            _, is_end, behind = block.rpartition(b"\n")
            tail, end = behind + tail, start
            if is_end:
                break
        return tail


def _opened(path: Path) -> int:
    """The file, made where there is none; `RecordingError` where it cannot be."""
    if not path.parent.is_dir():
        raise RecordingError(f"{path} cannot be written: there is no folder {path.parent}.")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK, 0o666)
    except OSError as error:
        raise RecordingError(f"{path} cannot be written: {error.strerror}.") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise RecordingError(f"{path} is no file that prices can be kept in: it is a pipe or a device.")
    try:
        # The log beside it is locked as well, but a link or a file of a series may be known by another name.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise RecordingError(
            f"{path} is being written by another recorder. End that one, or name another file."
        ) from None
    except OSError:
        pass  # this file system has no locks
    return descriptor
