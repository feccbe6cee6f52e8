"""PostgreSQL: a database on a server, for who runs one anyway or wants several StockTracks to share their users."""

from collections.abc import Callable
from typing import Any

import asyncpg
from sqlalchemy import Connection
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from stocktrack.errors import ConfigError
from stocktrack.storage.database import Database, Outcome

_READ_CONNECTIONS = 4
# How long a change waits for a lock at a time: others wait behind it. It is tried again as long as it may be.
_LOCK_SECONDS = 0.1
_ANSWER_SECONDS = 10.0  # how long the server may take to answer a statement, or to take a connection
_OPTIONS = frozenset({"host", "port", "ssl"})
_UPGRADE_LOCK = 0x53746F636B547261  # "StockTra": any number that no other program locks


class PostgresDatabase(Database):
    """The database of a `postgresql:` address, through asyncpg. The operator makes and upgrades its tables."""

    upgrades_at_start = False
    # asyncpg tells of a server that is not there by whatever the socket said.
    errors = (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)

    def __init__(self, url: URL, *, busy_timeout_seconds: float) -> None:
        if not url.database:
            raise ConfigError("database_url names no database, such as postgresql://user@localhost/stocktrack.")
        # What libpq calls sslmode is called ssl here; people copy their addresses from other programs.
        query = {"ssl" if name == "sslmode" else name: value for name, value in url.query.items()}
        if unknown := sorted(query.keys() - _OPTIONS):
            raise ConfigError(f"database_url has the option {unknown[0]!r}; there are {', '.join(sorted(_OPTIONS))}.")
        url = url.set(drivername="postgresql+asyncpg", query=query)
        super().__init__(
            URL.create(
                "postgresql", username=url.username, host=url.host, port=url.port, database=url.database
            ).render_as_string(),
            read_connections=_READ_CONNECTIONS,
            busy_timeout_seconds=busy_timeout_seconds,
        )
        self._readers = _engine(url, busy_timeout_seconds, _READ_CONNECTIONS, isolation_level="AUTOCOMMIT")
        # A change begins by locking the user's row, so that nothing under it changes before the commit.
        self._changer = _engine(url, busy_timeout_seconds, 1, isolation_level="READ COMMITTED")

    async def _with_reader(self, work: Callable[[Connection], Outcome]) -> Outcome:
        async with self._readers.connect() as connection:
            return await connection.run_sync(work)

    async def _in_transaction(self, work: Callable[[Connection], Outcome]) -> Outcome:
        async with self._changer.begin() as connection:
            return await connection.run_sync(work)

    async def _disconnect(self) -> None:
        await self._readers.dispose()
        await self._changer.dispose()

    def _wait_no_longer(self, connection: Connection) -> None:
        connection.exec_driver_sql("SET LOCAL lock_timeout = '1ms'")

    def _wait_for_other_upgrades(self, connection: Connection) -> None:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_UPGRADE_LOCK})")

    def _may_pass(self, error: Exception) -> bool:
        return _state_of(error) in _IN_THE_WAY

    def _what_happened(self, error: Exception) -> str:
        is_gone = isinstance(error, OSError | asyncpg.InterfaceError)
        cause: BaseException = error
        if isinstance(error, DBAPIError):
            is_gone = error.connection_invalidated
            cause = error.orig or error
        state = _state_of(error)
        if state in _WHAT_HAPPENED:
            return _WHAT_HAPPENED[state]
        if isinstance(cause, TimeoutError):
            return "does not answer. See that its server runs and is not overloaded."
        if is_gone or state.startswith("08"):
            return f"cannot be reached: {_without_period(cause)}. See that its server runs where database_url says."
        return f"did not do what it was asked: {_without_period(cause)}."


def _engine(url: URL, busy_timeout_seconds: float, connections: int, *, isolation_level: Any) -> AsyncEngine:
    patience_seconds = min(busy_timeout_seconds, _ANSWER_SECONDS / 2)
    return create_async_engine(
        url,
        isolation_level=isolation_level,
        pool_size=connections,
        max_overflow=0,
        pool_pre_ping=True,  # a connection that the server ended meanwhile, by a restart say, costs no client a command
        hide_parameters=True,  # an error's text would hold the password's hash
        connect_args={
            "timeout": patience_seconds,
            "command_timeout": 2 * patience_seconds,
            "server_settings": {
                "application_name": "stocktrack",
                "lock_timeout": str(round(min(_LOCK_SECONDS, busy_timeout_seconds) * 1000)),
                "synchronous_commit": "on",  # what was acknowledged is on disk, whatever the server's default
            },
        },
    )


def _state_of(error: Exception) -> str:
    """The SQLSTATE of what PostgreSQL reported, empty where it was not PostgreSQL that failed."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return str(getattr(cause, "sqlstate", None) or "")


def _without_period(error: BaseException) -> str:
    """The first line of what the driver says; asyncpg and SQLAlchemy add advice for programmers below it."""
    text = str(error).strip().partition("\n")[0]
    return text.rpartition("'>: ")[2].rstrip(". ") or type(error).__name__


_NO_TABLES = "has no tables of StockTrack. Run: stocktrack db upgrade"
_REFUSED = "refuses the user or the password of database_url."
_STOPPING = "is stopping or starting. Try again."
_COLLIDED = "was changed by another program at the same moment. Nothing was changed here; try again."
_COLLISIONS = frozenset({"40001", "40P01"})  # two changes that could not both be made, or waited for each other
_LOCKED = "55P03"
_IN_THE_WAY = _COLLISIONS | {_LOCKED}
_DAMAGED = "is damaged. Stop the server, and put a backup of the database in its place."

# By SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html
_WHAT_HAPPENED = {
    "25006": "is read-only. Nothing was changed; let database_url name the server that takes changes.",
    "28000": _REFUSED,
    "28P01": _REFUSED,
    "3D000": "does not exist. Make it with createdb, then run: stocktrack db upgrade",
    "3F000": _NO_TABLES,
    **dict.fromkeys(_COLLISIONS, _COLLIDED),
    "42501": "may not be used by this user. Grant the user of database_url the right to its tables.",
    "42P01": _NO_TABLES,
    "53100": "cannot grow: the server's disk is full. Nothing was changed; make room on it.",
    "53300": "has no connection left for this program. Raise max_connections of its server.",
    _LOCKED: "is locked by another program. Nothing was changed; try again, or end that program.",
    "57P01": _STOPPING,
    "57P02": _STOPPING,
    "57P03": _STOPPING,
    "XX001": _DAMAGED,
    "XX002": _DAMAGED,
}
PostgresDatabase.sentences = frozenset(_WHAT_HAPPENED.values())
