"""The database: users and their saved stocks, in one SQLite file that the server and the command line use at once.

What a method has returned is on disk. Every method is one transaction, and it runs to its end even where the task that
asked for it is cancelled, so that no connection is ever left in the middle of one. Nothing above this file knows an
exception of SQLAlchemy or SQLite: they become `StorageError`, which names the file and says what to do.
"""

import asyncio
import contextlib
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    bindparam,
    delete,
    event,
    false,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from stocktrack.errors import CommandError, ConfigError, Reason, StorageError

Result = TypeVar("Result")

# Kept in the file's `PRAGMA user_version`; 0 is a file that nobody has written to yet.
SCHEMA_VERSION = 1
MAIN_LIST = "main"
_TURN_SECONDS = 10.0  # how long a call may wait for the calls before it in this process
_BUSY_POLL_SECONDS = 0.1  # how long SQLite waits for a lock by itself, in a way that nothing can end
_CLOSE_SECONDS = 0.5  # how long the closing waits for the calls that still run

_metadata = MetaData()
_users = Table(
    "users",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("password_hash", String(255), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("is_admin", Boolean, nullable=False, server_default=false()),
    Column("token_epoch", Integer, nullable=False, server_default="0"),  # in every token; another one is revoked
    sqlite_autoincrement=True,  # the id of a removed user is never given to another
)
_saved_symbols = Table(
    "saved_symbols",
    _metadata,
    Column("id", Integer, primary_key=True),  # rises, so it is the order of saving too
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("list_name", String(64), nullable=False, server_default=MAIN_LIST),
    Column("symbol", String(32), nullable=False),
    UniqueConstraint("user_id", "list_name", "symbol", name="one_of_each_symbol"),
    sqlite_autoincrement=True,  # else a symbol saved after the last one was taken out could get its place
)


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user as the database knows one; the hash stays out of every repr, and so out of logs."""

    name: str
    password_hash: str = field(repr=False)
    created_at_ms: int
    is_admin: bool
    token_epoch: int  # a token that carries another one is revoked
    saved_count: int


# Every login reads a user and the saved symbols: building such a statement costs as much as running it.
_SELECT_USERS = select(
    _users.c.name,
    _users.c.password_hash,
    _users.c.created_at_ms,
    _users.c.is_admin,
    _users.c.token_epoch,
    select(func.count())
    .select_from(_saved_symbols)
    .where(_saved_symbols.c.user_id == _users.c.id)
    .scalar_subquery()
    .label("saved_count"),
)
_SELECT_USER = _SELECT_USERS.where(_users.c.name == bindparam("of"))
_SELECT_SAVED = (
    select(_saved_symbols.c.symbol)
    .join(_users, _saved_symbols.c.user_id == _users.c.id)
    .where(_users.c.name == bindparam("of"), _saved_symbols.c.list_name == MAIN_LIST)
    .order_by(_saved_symbols.c.id)
)


class Store:
    """The database behind `url`, for one event loop. `open`, then use, then `close`.

    It has one connection for reading and one for changing, each with its thread: in WAL mode a login is read at once
    while a change waits for the disk or for another process, and a thousand logins make no thousand threads.
    """

    def __init__(self, url: str, *, busy_timeout_seconds: float = 5.0) -> None:
        database_url = _sqlite_url(url)
        self._path = _path_of(database_url)
        # A file given as an URI, such as `file:/x.db?mode=ro`, says itself how it is opened.
        self._may_make_file = "uri" not in database_url.query
        self._busy_timeout_seconds = busy_timeout_seconds
        busy_timeout = f"busy_timeout = {round(_BUSY_POLL_SECONDS * 1000)}"
        # A read is one statement: it needs no transaction, and each round trip to the thread that it saves counts.
        self._reads = _engine(
            database_url,
            (busy_timeout,),
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,
            pool_reset_on_return=None,
        )
        # The mode of the journal is kept in the file: only who may change the file sets it.
        self._writes = _engine(
            database_url, (busy_timeout, "journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON")
        )
        event.listen(self._writes.sync_engine, "begin", self._begin_immediate)
        self._running: set[asyncio.Task[Any]] = set()
        self._is_open = False

    async def open(self) -> None:
        """Make the file and its tables where there are none; `StorageError` where the file cannot be used."""
        if self._may_make_file:
            self._make_file()
        self._is_open = True
        try:
            if await self._read(self._is_new):
                await self._write(self._create_schema)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Let the calls that run end, and free the file; calls that come later get a `StorageError`."""
        self._is_open = False
        try:
            # None is cancelled: aiosqlite waits for ever for a connection that is told twice to close.
            if self._running:
                await asyncio.wait(self._running, timeout=_CLOSE_SECONDS)
        finally:
            await self._reads.dispose()
            await self._writes.dispose()

    async def users(self) -> Sequence[UserRow]:
        """All users by name."""
        return await self._read(lambda c: [UserRow(*row) for row in c.execute(_SELECT_USERS.order_by(_users.c.name))])

    async def user(self, name: str) -> UserRow | None:
        """The user of exactly this name."""

        def find(connection: Connection) -> UserRow | None:
            row = connection.execute(_SELECT_USER, {"of": name}).one_or_none()
            return None if row is None else UserRow(*row)

        return await self._read(find)

    async def add_user(self, name: str, password_hash: str, *, created_at_ms: int, is_admin: bool = False) -> None:
        """Add a user; `CommandError` where there is one of this name."""
        values = {
            "name": name,
            "password_hash": password_hash,
            "created_at_ms": created_at_ms,
            "is_admin": is_admin,
        }

        def change(connection: Connection) -> None:
            try:
                connection.execute(insert(_users), values)
            except IntegrityError:
                raise CommandError(Reason.INVALID_COMMAND, f"There is a user {name!r} already.") from None

        await self._write(change)

    async def set_password_hash(self, name: str, password_hash: str, *, expected: str | None = None) -> bool:
        """Change a user's hash, and say whether there was such a user.

        With `expected` only where that is the hash still: another process may have changed it in between.
        """
        where = [_users.c.name == name]
        if expected is not None:
            where.append(_users.c.password_hash == expected)
        statement = update(_users).where(*where).values(password_hash=password_hash)
        return await self._write(lambda connection: connection.execute(statement).rowcount > 0)

    async def set_admin(self, name: str, is_admin: bool) -> bool:
        """Make a user an administrator or an ordinary one, and say whether there was such a user."""
        statement = update(_users).where(_users.c.name == name).values(is_admin=is_admin)
        return await self._write(lambda connection: connection.execute(statement).rowcount > 0)

    async def revoke_tokens(self, name: str) -> bool:
        """Let every token that a user has now count no longer, and say whether there was such a user."""
        statement = update(_users).where(_users.c.name == name).values(token_epoch=_users.c.token_epoch + 1)
        return await self._write(lambda connection: connection.execute(statement).rowcount > 0)

    async def remove_user(self, name: str) -> bool:
        """Remove a user with the saved stocks, and say whether there was such a user."""
        statement = delete(_users).where(_users.c.name == name)
        return await self._write(lambda connection: connection.execute(statement).rowcount > 0)

    async def saved(self, name: str) -> tuple[str, ...]:
        """The user's saved symbols in the order of saving; none for a user that does not exist."""
        return await self._read(lambda connection: tuple(connection.scalars(_SELECT_SAVED, {"of": name})))

    async def save(self, name: str, symbols: Sequence[str], limit: int) -> None:
        """Add to the user's saved symbols those that are not among them: all, or none beyond `limit` in all.

        `CommandError` where they would be more, or where the user was removed meanwhile.
        """

        def change(connection: Connection) -> None:
            user_id = connection.scalar(select(_users.c.id).where(_users.c.name == name))
            if user_id is None:
                raise CommandError(Reason.NOT_AUTHENTICATED, f"There is no user {name!r} any more.")
            held = frozenset(connection.scalars(_SELECT_SAVED, {"of": name}))
            new = [symbol for symbol in dict.fromkeys(symbols) if symbol not in held]
            if not new:
                return
            if len(held) + len(new) > limit:
                raise CommandError(
                    Reason.SYMBOL_LIMIT,
                    f"A saved list holds at most {limit} symbols: it has {len(held)} and {len(new)} would be added. "
                    "Take some out with UNSUBSCRIBE first.",
                )
            rows = [{"user_id": user_id, "list_name": MAIN_LIST, "symbol": symbol} for symbol in new]
            connection.execute(insert(_saved_symbols), rows)

        await self._write(change)

    async def unsave(self, name: str, symbols: Sequence[str] | None) -> tuple[str, ...]:
        """Take symbols (None: all) out of the user's saved ones; those that were among them, in the order asked."""

        def change(connection: Connection) -> tuple[str, ...]:
            held = dict.fromkeys(connection.scalars(_SELECT_SAVED, {"of": name}))
            removed = tuple(symbol for symbol in dict.fromkeys(held if symbols is None else symbols) if symbol in held)
            owner = select(_users.c.id).where(_users.c.name == name).scalar_subquery()
            of_list = (_saved_symbols.c.user_id == owner, _saved_symbols.c.list_name == MAIN_LIST)
            connection.execute(delete(_saved_symbols).where(*of_list, _saved_symbols.c.symbol.in_(removed)))
            return removed

        return await self._write(change)

    async def _read(self, work: Callable[[Connection], Result]) -> Result:
        return await self._to_the_end(self._reads.connect, work)

    async def _write(self, work: Callable[[Connection], Result]) -> Result:
        return await self._to_the_end(self._writes.begin, work)

    async def _to_the_end(
        self, connect: Callable[[], AbstractAsyncContextManager[AsyncConnection]], work: Callable[[Connection], Result]
    ) -> Result:
        """The result of `work`, in a task of its own.

        A statement cannot be called back from SQLite's thread. Were it abandoned there with its caller, its connection
        would have to be thrown away, and nobody could say whether the change was made.
        """

        async def transaction() -> Result:
            give_up_at = asyncio.get_running_loop().time() + self._busy_timeout_seconds
            with self._plain_errors():
                while True:
                    try:
                        async with connect() as connection:
                            return await connection.run_sync(work)
                    except (SQLAlchemyError, sqlite3.Error) as error:
                        is_over = asyncio.get_running_loop().time() >= give_up_at
                        if _kind_of(error) != sqlite3.SQLITE_BUSY or is_over or not self._is_open:
                            raise

        self._check_open()
        task = asyncio.create_task(transaction(), name="database call")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    def _check_open(self) -> None:
        if not self._is_open:
            raise StorageError(f"The database {self._path} is closed.")

    def _begin_immediate(self, connection: Connection) -> None:
        """Take the write lock at once: a transaction that reads first could not wait for another process's change."""
        self._check_open()  # the store may have been closed while this change waited for its turn
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    @contextlib.contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except PoolTimeoutError:
            raise StorageError(f"The database {self._path} is too busy. Nothing was changed; try again.") from None
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise StorageError(f"The database {self._path} {_what_happened(error)}") from error

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

    def _is_new(self, connection: Connection) -> bool:
        """Whether the file has no tables yet; `StorageError` where it has such as this program does not know."""
        version = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
        if version > SCHEMA_VERSION:
            raise StorageError(
                f"The database {self._path} was written by a newer StockTrack: its schema is {version}, this program "
                f"knows {SCHEMA_VERSION}. Nothing was changed; start the newer program."
            )
        if version == 0 and connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one():
            raise StorageError(
                f"The database {self._path} belongs to another program. Nothing was changed; "
                "choose another file with STOCKTRACK_DATABASE_URL."
            )
        return version == 0

    def _create_schema(self, connection: Connection) -> None:
        if self._is_new(connection):  # another process may have made it since we looked
            _metadata.create_all(connection, checkfirst=False)
            connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")


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
        pool_timeout=_TURN_SECONDS,
        hide_parameters=True,  # an error's text would hold the password's hash
        connect_args={"isolation_level": None},  # it is this file that begins transactions, not the driver
        **options,
    )
    event.listen(engine.sync_engine, "connect", set_up)
    return engine


def _sqlite_url(text: str) -> URL:
    try:
        url = make_url(text)
    except ArgumentError:
        # The text is not shown: an address can hold a password.
        raise ConfigError("database_url is no address of a database, such as sqlite:////var/lib/x.db.") from None
    if url.get_backend_name() != "sqlite":
        raise ConfigError(f"database_url names {url.get_backend_name()!r}: this version of StockTrack knows sqlite.")
    if url.database in {None, "", ":memory:"}:
        raise ConfigError("database_url names no file: users are kept in one, such as sqlite:////var/lib/x.db.")
    return url.set(drivername="sqlite+aiosqlite")


def _path_of(url: URL) -> Path:
    name = str(url.database)
    return Path(unquote(name.removeprefix("file:")) if "uri" in url.query else name).absolute()


def _keep_from_others(path: Path) -> None:
    """Take the rights of group and others away where a file has them; whose file it is not leaves it as it is."""
    with contextlib.suppress(OSError):
        mode = path.stat().st_mode
        if stat.S_ISREG(mode) and mode & 0o077:
            path.chmod(0o600)


def _kind_of(error: SQLAlchemyError | sqlite3.Error) -> int:
    """SQLite's primary result code, the low byte of what it reports; 0 where it was not SQLite that failed."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return getattr(cause, "sqlite_errorcode", 0) & 0xFF


def _what_happened(error: SQLAlchemyError | sqlite3.Error) -> str:
    """The rest of a sentence that begins with the database's path, and what to do."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return _WHAT_HAPPENED.get(_kind_of(error), f"did not do what it was asked: {cause}.")


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
