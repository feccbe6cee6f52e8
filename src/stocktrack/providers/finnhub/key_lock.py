"""One server a key: Finnhub closes both of two connections that use the same one, and counts their requests together.

The lock is a file that is named by a digest of the key and held by `flock`. However its holder ends, the system gives
it up. The file lies where every program of this machine finds it, whoever runs it and whatever its home and its TMPDIR
are, and its content, the holder's process id, is for the sentence alone.
"""

import contextlib
import fcntl
import hashlib
import os
import stat
import tempfile
from pathlib import Path
from typing import Protocol

import structlog
from pydantic import SecretStr

from stocktrack.errors import SourceUnusable

log = structlog.get_logger()

RETRY_MS = 5_000
# In memory, for all users, and the same one for a service with a /tmp of its own; elsewhere it is the usual folder.
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - each file in it is opened without following links, and locked


class KeyLock(Protocol):
    """Who may use a key: this server, or another. What is asked of other machines is asked without blocking."""

    async def take(self) -> None:
        """Have the key from now on, also where it is had; `SourceUnusable` that waits while another server has it."""
        ...

    async def release(self) -> None:
        """Leave the key to others."""
        ...


class MachineKeyLock:
    """The lock of a key among the programs of this machine; `folder` is another one in tests.

    Where there can be no lock, as on a file system without them, it is had by everybody, and the log says so once.
    """

    def __init__(self, key: SecretStr, folder: Path | None = None) -> None:
        folder = folder or (_SHARED_MEMORY if _SHARED_MEMORY.is_dir() else Path(tempfile.gettempdir()))
        # A digest under a name of ours, so that it is not the one that a list of leaked keys would have.
        digest = hashlib.sha256(b"stocktrack finnhub " + key.get_secret_value().encode()).hexdigest()
        self.path = folder / f"stocktrack-finnhub-{digest[:32]}.lock"
        self._handle: int | None = None
        self._is_impossible = False

    async def take(self) -> None:
        """Have the key from now on; `SourceUnusable` names the process that has it."""
        if self._handle is not None or self._is_impossible:
            return
        try:
            handle = _opened(self.path)
        except OSError as error:
            self._give_up(error)
            return
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_gone = not os.fstat(handle).st_nlink
        except BlockingIOError:
            holder = _holder(handle)
            os.close(handle)
            raise SourceUnusable(
                f"finnhub waits: {holder} on this machine uses the same key, and Finnhub takes one connection a key. "
                "It is taken over once that one has ended.",
                is_waiting=True,
                retry_after_ms=RETRY_MS,
            ) from None
        except OSError as error:
            os.close(handle)
            self._give_up(error)
            return
        if is_gone:  # its holder removed it between the opening and the lock
            os.close(handle)
            await self.take()
            return
        self._handle = handle
        with contextlib.suppress(OSError):  # another user's file can be locked and not written to
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)

    async def release(self) -> None:
        """Leave the key to others, and no file behind."""
        if self._handle is not None:
            with contextlib.suppress(OSError):  # another user's cannot be removed
                self.path.unlink()
            os.close(self._handle)
            self._handle = None

    def _give_up(self, error: OSError) -> None:
        self._is_impossible = True
        log.warning(
            "a second server with the same key of finnhub would not be noticed", folder=str(self.path.parent),
            why=error.strerror,
        )  # fmt: skip


def _opened(path: Path) -> int:
    """The file, which may be another user's; `OSError` where it is no plain one."""
    flags = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    for more in (os.O_RDWR, os.O_RDONLY, os.O_RDWR | os.O_CREAT | os.O_EXCL, os.O_RDONLY):
        # One after the other, since in a folder for everybody Linux lets nobody create what is there already.
        with contextlib.suppress(FileNotFoundError, PermissionError, FileExistsError):
            handle = os.open(path, flags | more, 0o644)
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                os.close(handle)
                raise OSError(0, "the lock is no file")
            return handle
    raise OSError(0, "the lock cannot be opened")


def _holder(handle: int) -> str:
    """Who has the lock, for a sentence: another user's process may have been unable to leave its id."""
    with contextlib.suppress(OSError, ValueError):
        pid = int(os.pread(handle, 32, 0))
        if pid <= 0:
            return "another process"
        with contextlib.suppress(PermissionError):  # it lives, and is another user's
            os.kill(pid, 0)
        return f"process {pid}"
    return "another process"
