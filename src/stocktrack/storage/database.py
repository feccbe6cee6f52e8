"""What SQLite and PostgreSQL have in common here: transactions that run to their end, plain errors, the schema's state.

What a call has returned is on disk. Every call is one transaction, and it runs to its end even where the task that
asked for it is cancelled, so that no connection is ever left in the middle of one. Nothing above the databases knows an
exception of SQLAlchemy or of a driver: they become `StorageError`, which names the database and says what to do.
"""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, TypeVar

import structlog
from sqlalchemy import Connection, insert, inspect, select
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from stocktrack.errors import StorageError
from stocktrack.storage.tables import REVISION_TABLE, SCHEMA_REVISION, metadata, revisions

log = structlog.get_logger()

Result = TypeVar("Result")

TURN_SECONDS = 10.0  # how long a call may wait for the calls before it in this process
_CLOSE_SECONDS = 0.5  # how long the closing waits for the calls that still run


class Database(ABC):
    """One database, for one event loop. `open`, then `read` and `write`, then `close`."""

    # Whether a server that starts may make and change the tables; else that is the operator's own decision.
    upgrades_at_start: ClassVar[bool]
    # What a call may raise: SQLAlchemy's errors, and what the driver raises past it.
    errors: ClassVar[tuple[type[Exception], ...]]
    # Of what `_what_happened` may say, what clients may be told as it is. Of anything else they are told what stands
    # before the first colon: behind it is what a driver said, which may name a file or a machine.
    sentences: ClassVar[frozenset[str]]

    def __init__(self, label: str, *, reads: AsyncEngine, writes: AsyncEngine, busy_timeout_seconds: float) -> None:
        self.label = label  # as an error names the database: never with a password
        self._busy_timeout_seconds = busy_timeout_seconds
        self._reads = reads
        self._writes = writes
        self._running: set[asyncio.Task[Any]] = set()
        self._is_open = False

    async def open(self, *, upgrade: bool) -> str | None:
        """Connect, and with `upgrade` bring the tables up to date; returns the revision that they had, if any.

        `StorageError` where the database cannot be used, or where its tables are not up to date and may not be changed.
        """
        self._is_open = True
        try:
            return await self._prepare(upgrade=upgrade)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Let the calls that run end, and disconnect; calls that come later get a `StorageError`."""
        self._is_open = False
        try:
            # None is cancelled: aiosqlite waits for ever for a connection that is told twice to close.
            if self._running:
                await asyncio.wait(self._running, timeout=_CLOSE_SECONDS)
        finally:
            await self._reads.dispose()
            await self._writes.dispose()

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """The result of `work`, which changes nothing and needs no two statements to agree with each other."""
        return await self._to_the_end(self._reads.connect, work)

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        """The result of `work`, one transaction: all that it changes is on disk, or nothing where it raises."""
        return await self._to_the_end(self._writes.begin, work)

    @abstractmethod
    def _what_happened(self, error: Exception) -> str:
        """The rest of a sentence that begins with the database's name, and what to do; see `sentences`."""

    @abstractmethod
    def _may_pass(self, error: Exception) -> bool:
        """Whether another program was in the way, nothing was changed, and the same call may succeed right away."""

    @abstractmethod
    def _wait_for_other_upgrades(self, connection: Connection) -> None:
        """Hold back other processes that want to change the tables, until the transaction ends."""

    def _unmarked_revision(self, connection: Connection, tables: frozenset[str]) -> str | None:
        """The revision of tables that are marked with none: None where none of them is ours or in the way."""
        if tables.isdisjoint(metadata.tables):
            return None
        raise self._belongs_to_another()

    def _belongs_to_another(self) -> StorageError:
        return StorageError(
            f"The database {self.label} belongs to another program. Nothing was changed; "
            "choose another one with STOCKTRACK_DATABASE_URL."
        )

    def _revision(self, connection: Connection) -> str | None:
        """The revision of the tables, None where there are none; `StorageError` where this program cannot use them."""
        tables = frozenset(inspect(connection).get_table_names())
        if REVISION_TABLE not in tables:
            return self._unmarked_revision(connection, tables)
        found = connection.scalar(select(revisions.c.version_num))
        if found is None:
            raise self._belongs_to_another()
        if found > SCHEMA_REVISION:
            raise StorageError(
                f"The database {self.label} was written by a newer StockTrack: its schema is {found}, this program "
                f"knows {SCHEMA_REVISION}. Nothing was changed; start the newer program."
            )
        return str(found)

    async def _prepare(self, *, upgrade: bool) -> str | None:
        found = await self.read(self._revision)
        if found == SCHEMA_REVISION:
            return found
        if not upgrade:
            state = "has no tables yet" if found is None else f"has the tables of an older StockTrack ({found})"
            raise StorageError(f"The database {self.label} {state}. Run: stocktrack db upgrade")
        return await self.write(self._bring_up_to_date)

    def _bring_up_to_date(self, connection: Connection) -> str | None:
        self._wait_for_other_upgrades(connection)
        found = self._revision(connection)  # another process may have been faster
        if found is None:
            metadata.create_all(connection, checkfirst=False)
            connection.execute(insert(revisions), {"version_num": SCHEMA_REVISION})
        elif found != SCHEMA_REVISION:
            from stocktrack.storage.migrations.runner import upgrade  # noqa: PLC0415 - alembic would slow every start down

            upgrade(connection, found=found)
            log.info("the database's tables were upgraded", found=found, now=SCHEMA_REVISION)
        return found

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
                    except self.errors as error:
                        is_over = asyncio.get_running_loop().time() >= give_up_at
                        if not self._may_pass(error) or is_over or not self._is_open:
                            raise

        self._check_open()
        task = asyncio.create_task(transaction(), name="database call")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    def _check_open(self) -> None:
        if not self._is_open:
            raise StorageError(f"The database {self.label} is closed.", told="The database is closed.")

    @contextlib.contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except PoolTimeoutError:
            what = "is too busy. Nothing was changed; try again."
            raise StorageError(f"The database {self.label} {what}", told=f"The database {what}") from None
        except self.errors as error:
            what = self._what_happened(error)
            told = what if what in self.sentences else what.partition(": ")[0].rstrip(".") + "."
            raise StorageError(f"The database {self.label} {what}", told=f"The database {told}") from error
