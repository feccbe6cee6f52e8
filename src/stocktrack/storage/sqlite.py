"""SQLite: one file that the server and the command line use at once, in WAL mode, each commit waiting for the disk."""

import asyncio
import contextlib
import os
import sqlite3
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import structlog
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool, PoolProxiedConnection, QueuePool

from stocktrack.errors import ConfigError, StorageError
from stocktrack.storage.database import Database, Outcome
from stocktrack.system.blocking import BlockingPool

log = structlog.get_logger()

_BUSY_POLL_SECONDS = 0.1  # how long SQLite waits for a lock by itself, in a way that nothing can end
_DISCONNECT_SECONDS = 0.5
# Before the revision had a table of its own, it was kept in the file's `PRAGMA user_version`.
_UNMARKED_REVISIONS = {1: "0001"}


class SqliteDatabase(Database):
    """The file of an `sqlite:` address; its query may hold `timeout`, the seconds to wait for another program.

    It has one connection for reading and one for changing, each with its thread: in WAL mode a login is read at once
    while a change waits for the disk or for another process, and a thousand logins make no thousand threads. A third
    one, in the loop's own thread, is asked only whether anything was changed, which takes some three microseconds and
    waits for nobody.
    """

    upgrades_at_start = True
    errors = (SQLAlchemyError, sqlite3.Error)

    def __init__(self, url: URL, *, busy_timeout_seconds: float) -> None:
        if url.database in {None, "", ":memory:"}:
            raise ConfigError("database_url names no file: users are kept in one, such as sqlite:////var/lib/x.db.")
        url = url.set(drivername="sqlite+pysqlite")
        self._path = _path_of(url)
        # A file given as an URI, such as `file:/x.db?mode=ro`, says itself how it is opened.
        self._may_make_file = "uri" not in url.query
        if "timeout" in url.query:
            busy_timeout_seconds = _seconds(str(url.query["timeout"]))
            url = url.difference_update_query(["timeout"])
        super().__init__(str(self._path), read_connections=1, busy_timeout_seconds=busy_timeout_seconds)
        # A read is one statement: it needs no transaction.
        self._reading = _Thread(
            "database reads",
            _engine(url, isolation_level="AUTOCOMMIT", skip_autocommit_rollback=True, pool_reset_on_return=None),
        )
        # The mode of the journal is kept in the file: only who may change the file sets it.
        changing = _engine(url, ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"))
        event.listen(changing, "begin", _begin_immediate)
        self._changing = _Thread("database changes", changing)
        self._watching = _engine(url, timeout=0.0, poolclass=NullPool)
        self._watch: PoolProxiedConnection | None = None
        self._version: sqlite3.Cursor | None = None

    async def open(self, *, upgrade: bool) -> str | None:
        """As every database; makes the file where there is none."""
        if self._may_make_file:
            self._make_file()
        found = await super().open(upgrade=upgrade)
        with contextlib.suppress(*self.errors):  # without it everything is read each time
            self._watch = self._watching.raw_connection()
            self._version = self._watch.cursor()  # type: ignore[assignment]  # it is the driver's own
        return found

    def version(self) -> int | None:
        """SQLite's own number for it, which is this connection's, and never changed by it: it only asks."""
        if self._version is None:
            return None
        try:
            return int(self._version.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error:  # locked to all others, say: reading waits, and tells of what it is
            return None

    async def _with_reader(self, work: Callable[[Connection], Outcome]) -> Outcome:
        return await self._reading.run(self._reading.engine.connect, work)

    async def _in_transaction(self, work: Callable[[Connection], Outcome]) -> Outcome:
        return await self._changing.run(self._changing.engine.begin, work)

    async def _disconnect(self) -> None:
        self._version = None
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        # The last connection that is closed tidies the file up, and that has to be one that may change it.
        await self._reading.close()
        await self._changing.close()

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

    def _may_pass(self, error: Exception) -> bool:
        return _kind_of(error) == sqlite3.SQLITE_BUSY

    def _wait_no_longer(self, connection: Connection) -> None:
        """Nothing to do: the transaction began with the only lock that there is."""

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


class _Thread:
    """The thread of one connection, from the first call until it is closed."""

    def __init__(self, name: str, engine: Engine) -> None:
        self._name = name
        self.engine = engine
        self._pool: BlockingPool | None = None

    async def run(
        self,
        connect: Callable[[], contextlib.AbstractContextManager[Connection]],
        work: Callable[[Connection], Outcome],
    ) -> Outcome:
        """The result of `work` with the connection."""

        def with_connection() -> Outcome:
            with connect() as connection:
                return work(connection)

        if self._pool is None:
            self._pool = BlockingPool(self._name, 1)
        return await self._pool.run(with_connection)

    async def close(self) -> None:
        """Close the connection and end the thread, as soon as what it does is done: half a second is waited for it."""
        if self._pool is None:
            return
        pool, self._pool = self._pool, None
        closing = asyncio.ensure_future(pool.run(self.engine.dispose))
        await asyncio.wait((closing,), timeout=_DISCONNECT_SECONDS)
        pool.close()


def _begin_immediate(connection: Connection) -> None:
    """Take the write lock at once: a transaction that reads first could not wait for another process's change."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _engine(
    url: URL,
    pragmas: Sequence[str] = (),
    *,
    timeout: float = _BUSY_POLL_SECONDS,
    poolclass: Any = QueuePool,
    **options: Any,
) -> Engine:
    def set_up(connection: Any, _: Any) -> None:
        try:
            cursor = connection.cursor()
            for pragma in pragmas:
                cursor.execute(f"PRAGMA {pragma}")
            cursor.close()
        except BaseException:
            # SQLAlchemy forgets a connection whose listener fails; its file would stay open.
            connection.close()
            raise

    engine = create_engine(
        url,
        poolclass=poolclass,
        hide_parameters=True,  # an error's text would hold the password's hash
        # It is this file that begins transactions, not the driver. A thread that hangs may be closed from another one.
        connect_args={"isolation_level": None, "timeout": timeout, "check_same_thread": False},
        **options,
    )
    event.listen(engine, "connect", set_up)
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
