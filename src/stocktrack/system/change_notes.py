"""The file in which the operator's commands note what they changed; a running server repeats it in its log.

A command is a process of its own, whose standard error belongs to the terminal or the script that runs it. What it
changed is noted where it stays: in `changes.log` in the data folder, one JSON object a line, as a log has it.
"""

import json
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from stocktrack.errors import ConfigError
from stocktrack.system.acts import Act
from stocktrack.system.trail import Trail

log = structlog.get_logger()

NOTES_FILE = "changes.log"
MAX_READ_BYTES = 65_536
_OURS = frozenset({"self", "act", "address", "door", "level", "at"})


def note_change(folder: Path, act: Act, user: str, **fields: Any) -> None:
    """Note what was changed; `ConfigError` where that cannot be written, after the change itself was made."""
    at = datetime.now(tz=UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    who = {"by": _login_name(), **({"sudo_user": sudo} if (sudo := os.environ.get("SUDO_USER")) else {})}
    line = {"address": "local", "door": "cli", "user": user, **fields, **who, "event": act.value, "timestamp": at}
    path = folder / NOTES_FILE
    try:
        with _opened_to_append(path) as handle:
            # One write to a file opened so is one piece, also where two commands run at once.
            os.write(handle, json.dumps(line).encode() + b"\n")
            os.fsync(handle)
    except OSError as error:
        raise ConfigError(
            f"It was changed, but {path}, where that is noted, cannot be written: {error.strerror}."
        ) from None


@contextmanager
def _opened_to_append(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        owner, file = path.parent.stat(), os.fstat(handle)
        if file.st_uid == os.geteuid():
            os.fchmod(handle, 0o600)
            if file.st_uid != owner.st_uid and os.geteuid() == 0:
                # Run by root, the command leaves the file to whom the folder belongs: the server's user reads it.
                os.fchown(handle, owner.st_uid, owner.st_gid)
        yield handle
    finally:
        os.close(handle)


def _login_name() -> str:
    uid = os.getuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


class ChangeNotes:
    """Repeats in `trail` what is noted in the folder from `start` on; `look` is called every second or so.

    The file is local and small, and looking whether it grew is one call of the kernel, so it is done on the loop.
    """

    def __init__(self, folder: Path, trail: Trail) -> None:
        self._path = folder / NOTES_FILE
        self._trail = trail
        self._read_to = 0
        self._inode = 0
        self._has_failed = False

    def start(self) -> None:
        """Begin after what is there: that was noted while no server ran here, or repeated by one."""
        try:
            found = self._path.stat()
        except OSError:
            return
        self._read_to, self._inode = found.st_size, found.st_ino

    def look(self) -> None:
        """Repeat what was noted since the last look."""
        try:
            found = self._path.stat()
            if found.st_ino != self._inode or found.st_size < self._read_to:
                self._read_to, self._inode = 0, found.st_ino  # a new file: the old one was rotated away
            if found.st_size == self._read_to:
                return
            with self._path.open("rb") as file:
                file.seek(self._read_to)
                new = file.read(MAX_READ_BYTES)
        except FileNotFoundError:
            return
        except OSError as error:
            if not self._has_failed:
                log.warning("Changes of users cannot be read.", path=str(self._path), why=error.strerror)
            self._has_failed = True
            return
        self._has_failed = False
        whole = new[: new.rfind(b"\n") + 1] or (new if len(new) == MAX_READ_BYTES else b"")
        self._read_to += len(whole)
        for line in whole.splitlines():
            self._repeat(line)

    def _repeat(self, line: bytes) -> None:
        try:
            note = json.loads(line)
            act = Act(note.pop("event"))
            at = str(note.pop("timestamp"))
            fields = {
                str(name): value if isinstance(value, int) else str(value)
                for name, value in note.items()
                if name not in _OURS
            }
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
            log.warning("A line among the changes of users is none.", path=str(self._path))
            return
        self._trail.record(act, address="local", door="cli", **fields, at=at)
