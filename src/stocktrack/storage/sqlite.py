"""SQLite: one file that the server and the command line use at once, in WAL mode, each commit waiting for the disk."""

import contextlib
import os
import sqlite3
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import structlog
from sqlalchemy import Connection, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from stocktrack.errors import ConfigError, StorageError
from stocktrack.storage.database import TURN_SECONDS, Database

log = structlog.get_logger()

_BUSY_POLL_SECONDS = 0.1  # how long SQLite waits for a lock by itself, in a way that nothing can end
# Before the revision had a table of its own, it was kept in the file's `PRAGMA user_version`.
_UNMARKED_REVISIONS = {1: "0001"}


class SqliteDatabase(Database):
    """The file of an `sqlite:` address; its query may hold `timeout`, the seconds to wait for another program.

    It has one connection for reading and one for changing, each with its thread: in WAL mode a login is read at once
    while a change waits for the disk or for another process, and a thousand logins make no thousand threads.
    """

    upgrades_at_start = True
    errors = (SQLAlchemyError, sqlite3.Error)

    def __init__(self, url: URL, *, busy_timeout_seconds: float) -> None:
        if url.database in {None, "", ":memory:"}:
            raise ConfigError("database_url names no file: users are kept in one, such as sqlite:////var/lib/x.db.")
        url = url.set(drivername="sqlite+aiosqlite")
        self._path = _path_of(url)
        # A file given as an URI, such as `file:/x.db?mode=ro`, says itself how it is opened.
        self._may_make_file = "uri" not in url.query
        if "timeout" in url.query:
            busy_timeout_seconds = _seconds(str(url.query["timeout"]))
            url = url.difference_update_query(["timeout"])
        super().__init__(
            str(self._path),
            # A read is one statement: it needs no transaction, and each round trip to the thread that it saves counts.
            reads=_engine(
                url, (), isolation_level="AUTOCOMMIT", skip_autocommit_rollback=True, pool_reset_on_return=None
            ),
            # The mode of the journal is kept in the file: only who may change the file sets it.
            writes=_engine(url, ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON")),
            busy_timeout_seconds=busy_timeout_seconds,
        )
        event.listen(self._writes.sync_engine, "begin", self._begin_immediate)

    async def open(self, *, upgrade: bool) -> str | None:
        """As every database; makes the file where there is none."""
        if self._may_make_file:
            self._make_file()
        return await super().open(upgrade=upgrade)

    def _make_file(self) -> None:
        """Make the file for its owner alone before SQLite does; its -wal and -shm files take the mode over from it."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # A file that is there may not be opened, not even to look: closing it would drop SQLite's locks on it,
            # those of this whole process (https://www.sqlite.org/howtocorrupt.html, section 2.2).
            with contextlib.suppress(FileExistsError):
                os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise StorageError(
                f"The database {self._path} cannot be made: {error.strerror}. "
                "Choose another folder with STOCKTRACK_DATA_DIR."
            ) from None
        for suffix in ("", "-wal", "-shm"):
            _keep_from_others(self._path.with_name(self._path.name + suffix))

    def _begin_immediate(self, connection: Connection) -> None:
        """Take the write lock at once: a transaction that reads first could not wait for another process's change."""
        self._check_open()  # it may have been closed while this change waited for its turn
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    def _may_pass(self, error: Exception) -> bool:
        return _kind_of(error) == sqlite3.SQLITE_BUSY

    def _wait_for_other_upgrades(self, connection: Connection) -> None:
        """Nothing to do: the transaction began with the write lock."""

    def _unmarked_revision(self, connection: Connection, tables: frozenset[str]) -> str | None:
        version = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
        if version == 0 and not tables:
            return None
        if version in _UNMARKED_REVISIONS and "users" in tables:
            return _UNMARKED_REVISIONS[version]
        raise self._belongs_to_another()

    def _what_happened(self, error: Exception) -> str:
        cause = error.orig if isinstance(error, DBAPIError) else error
        return _WHAT_HAPPENED.get(_kind_of(error), f"did not do what it was asked: {cause}.")


def _engine(url: URL, pragmas: Sequence[str], **options: Any) -> AsyncEngine:
    def set_up(connection: Any, _: Any) -> None:
        try:
            cursor = connection.cursor()
            for pragma in pragmas:
                cursor.execute(f"PRAGMA {pragma}")
            cursor.close()
        except BaseException:
            # SQLAlchemy forgets a connection whose listener fails; its thread would stay.
            connection.close()
            raise

    engine = create_async_engine(
        url,
        pool_size=1,
        max_overflow=0,
        pool_timeout=TURN_SECONDS,
        hide_parameters=True,  # an error's text would hold the password's hash
        # It is this file that begins transactions, not the driver.
        connect_args={"isolation_level": None, "timeout": _BUSY_POLL_SECONDS},
        **options,
    )
    event.listen(engine.sync_engine, "connect", set_up)
    return engine


def _kind_of(error: Exception) -> int:
    """SQLite's primary result code, the low byte of what it reports; 0 where it was not SQLite that failed."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return getattr(cause, "sqlite_errorcode", 0) & 0xFF


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"database_url: timeout={text} is no number of seconds.") from None


def _path_of(url: URL) -> Path:
    name = str(url.database)
    return Path(unquote(name.removeprefix("file:")) if "uri" in url.query else name).absolute()


def _keep_from_others(path: Path) -> None:
    """Take the rights of group and others away where a file has them; whose file it is not leaves it as it is."""
    with contextlib.suppress(OSError):
        mode = path.stat().st_mode
        if stat.S_ISREG(mode) and mode & 0o077:
            path.chmod(0o600)
            log.warning(
                "Others could read the database, and can no longer.", path=str(path), mode=f"{mode & 0o777:04o}"
            )


_WHAT_HAPPENED = {
    sqlite3.SQLITE_BUSY: "is locked by another program. Nothing was changed; try again, or end that program.",
    sqlite3.SQLITE_READONLY: "is read-only. Nothing was changed; let the server's user write the file and its folder.",
    sqlite3.SQLITE_PERM: "may not be used. Let the server's user read and write the file and its folder.",
    sqlite3.SQLITE_FULL: "cannot grow: the disk is full. Nothing was changed; make room on it.",
    sqlite3.SQLITE_CORRUPT: "is damaged. Stop the server, keep a copy of the file, and put a backup in its place.",
    sqlite3.SQLITE_NOTADB: (
        "is not an SQLite file. Nothing was changed; move the file away, or choose another with "
        "STOCKTRACK_DATABASE_URL."
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "cannot be opened. See that it is a file, and that the server's user may write it and its folder."
    ),
    sqlite3.SQLITE_IOERR: "could not be read or written: the disk reported an error. See the system's log.",
}
SqliteDatabase.sentences = frozenset(_WHAT_HAPPENED.values())
