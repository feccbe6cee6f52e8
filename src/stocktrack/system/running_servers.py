"""The servers of this user that run on this machine: each leaves a record of its database while it lives.

A record is a file of its own in a folder of the user's, and its server holds the file's lock. However a server ends,
the system gives up its lock: a record that nobody holds is that of a dead one, and whoever comes by removes it.
"""

import contextlib
import fcntl
import ipaddress
import json
import os
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import platformdirs
import structlog

log = structlog.get_logger()

_MAX_BYTES = 8_192


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server's process, and its database as errors name it: the file's path or the address without its password."""

    pid: int
    database: str


class RunningServers:
    """The records in `folder`, by default one that all programs of this user know, whatever their settings.

    It is a help and no more: where the folder cannot be made, read or written, there are no records and no errors.
    """

    def __init__(self, folder: Path | None = None) -> None:
        # Not the runtime folder: a cron job and `su` are not told where that is.
        self._folder = folder or platformdirs.user_state_path("stocktrack") / "servers"
        self._record: Path | None = None
        self._lock: int | None = None

    def register(self, database: str) -> None:
        """Leave the record of this process, until `unregister` or its end."""
        content = {"pid": os.getpid(), "host": socket.gethostname(), "database": database}
        # A name that no server before had: whoever removes a dead server's record cannot hit this one.
        record = self._folder / f"{os.getpid()}-{secrets.token_hex(8)}.json"
        draft = record.with_suffix(".draft")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder.chmod(0o700)
            self._lock = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                # The name comes last: what is found under it is whole and locked.
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.write(self._lock, json.dumps(content).encode())
                draft.rename(record)
            except BaseException:
                draft.unlink()
                raise
            self._record = record
        except OSError as error:
            log.debug("this server leaves no record for `stocktrack users`", folder=str(self._folder), why=str(error))
            self.unregister()

    def unregister(self) -> None:
        """Remove the record, if there is one."""
        if self._record is not None:
            with contextlib.suppress(OSError):
                self._record.unlink()
            self._record = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def running(self) -> Sequence[RunningServer]:
        """The servers that run, by process id; the records of those that died are removed."""
        records: list[Path] = []
        with contextlib.suppress(OSError):
            records.extend(self._folder.glob("*.json"))
        servers = [server for record in records if (server := _server_of(record)) is not None]
        return sorted(servers, key=lambda server: server.pid)

    def using_another(self, database: str) -> Sequence[RunningServer]:
        """The servers that run on another database; none where one of them runs on this one."""
        servers = self.running()
        if any(is_same_database(server.database, database) for server in servers):
            return []
        return servers


def is_same_database(one: str, other: str) -> bool:
    """Whether both name one database, a file by any of its paths or PostgreSQL's by any user."""
    if "://" in one or "://" in other:
        return _postgres_place(one) == _postgres_place(other)
    with contextlib.suppress(OSError):
        return Path(one).samefile(other)
    return os.path.realpath(one) == os.path.realpath(other)


def _postgres_place(address: str) -> tuple[str | None, int, str]:
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None, 0, address  # a path, or what another version wrote
    return "localhost" if _is_this_machine(host) else host, port or 5432, parts.path


def _is_this_machine(host: str | None) -> bool:
    if host in {None, "", "localhost"}:
        return True
    try:
        return ipaddress.ip_address(str(host)).is_loopback
    except ValueError:
        return False


def _server_of(record: Path) -> RunningServer | None:
    """The server that left the record and still runs; None also for one on another machine with the same home."""
    try:
        handle = os.open(record, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # Shared, so that two who look at once do not take each other for the server.
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_record(os.read(handle, _MAX_BYTES))
    except OSError:
        return None  # a file system without locks: nobody knows who lives
    else:
        with contextlib.suppress(OSError):
            record.unlink()
        return None
    finally:
        os.close(handle)


def _read_record(content: bytes) -> RunningServer | None:
    try:
        fields = json.loads(content)
        server = RunningServer(int(fields["pid"]), str(fields["database"]))
        return server if fields["host"] == socket.gethostname() else None
    except (ValueError, KeyError, TypeError):
        return None  # another version's, perhaps
