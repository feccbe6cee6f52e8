"""What SQLite and PostgreSQL have in common here: changes made in groups, plain errors, the schema's state.

What a call has returned is on disk. Changes that wait for each other share a transaction, each under a savepoint of its
own, and are acknowledged after its commit. A call runs to its end even where the task that asked for it is cancelled,
so that no connection is ever left in the middle of one. Nothing above the databases knows an exception of SQLAlchemy or
of a driver: they become `StorageError`, which names the database and says what to do.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

import structlog
from sqlalchemy import Connection, insert, inspect, select

from stocktrack.errors import StorageError
from stocktrack.storage.groups import Call, Groups, Result, answer_of
from stocktrack.storage.tables import REVISION_TABLE, SCHEMA_REVISION, metadata, revisions

log = structlog.get_logger()

Outcome = TypeVar("Outcome")

# How long a change may be kept from being made by other programs: a backup, or the command line.
BUSY_TIMEOUT_SECONDS = 30.0
# So many changes are one transaction at most: other programs must get in between.
MOST_CHANGES_AT_ONCE = 256
MOST_READS_AT_ONCE = 64
_STUCK_SECONDS = 30.0  # what takes longer hangs: each try to get past another program is much shorter
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

    def __init__(self, label: str, *, read_connections: int, busy_timeout_seconds: float) -> None:
        self.label = label  # as an error names the database: never with a password
        self._busy_timeout_seconds = busy_timeout_seconds
        self._is_open = False
        self._reads = Groups(
            "database reads",
            self._read_group,
            at_once=read_connections,
            most=MOST_READS_AT_ONCE,
            stuck_seconds=_STUCK_SECONDS,
            stuck=self._stuck,
        )
        # One after the other, whichever database: so two changes of this process never wait for each other's locks.
        self._changes = Groups(
            "database changes",
            self._change_group,
            at_once=1,
            most=MOST_CHANGES_AT_ONCE,
            stuck_seconds=_STUCK_SECONDS,
            stuck=self._stuck,
        )

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
            await asyncio.gather(
                self._reads.close(self._closed(), within_seconds=_CLOSE_SECONDS),
                self._changes.close(self._closed(), within_seconds=_CLOSE_SECONDS),
            )
        finally:
            await self._disconnect()

    def version(self) -> int | None:
        """A number that is another one after every change of any program that was committed by now.

        None where that cannot be told at once.
        """
        return None

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """The result of `work`, which changes nothing and needs no two statements to agree with each other."""
        return await answer_of(self.begin_read(work))

    def begin_read(self, work: Callable[[Connection], Result]) -> Call[Result]:
        """As `read`, for several who wait for one answer."""
        return self._begin(self._reads, work, of="")

    async def write(self, work: Callable[[Connection], Result], *, of: str = "") -> Result:
        """The result of `work`: all that it changes is on disk, or nothing where it raises.

        Changes of one user, which `of` names, are made in the order in which they were asked for.
        """
        return await answer_of(self.begin_write(work, of=of))

    def begin_write(self, work: Callable[[Connection], Result], *, of: str = "") -> Call[Result]:
        """As `write`, for several who want the same."""
        return self._begin(self._changes, work, of=of)

    @abstractmethod
    async def _with_reader(self, work: Callable[[Connection], Outcome]) -> Outcome:
        """The result of `work` with a connection for reading, where every statement is for itself."""

    @abstractmethod
    async def _in_transaction(self, work: Callable[[Connection], Outcome]) -> Outcome:
        """The result of `work` in a transaction that is committed when this returns, and undone where it raises."""

    @abstractmethod
    async def _disconnect(self) -> None:
        """Close all connections."""

    @abstractmethod
    def _what_happened(self, error: Exception) -> str:
        """The rest of a sentence that begins with the database's name, and what to do; see `sentences`."""

    @abstractmethod
    def _may_pass(self, error: Exception) -> bool:
        """Whether another program was in the way, nothing was changed, and the same call may succeed right away."""

    @abstractmethod
    def _wait_no_longer(self, connection: Connection) -> None:
        """Wait for no more locks in this transaction: one of its changes has waited in vain."""

    @abstractmethod
    def _wait_for_other_upgrades(self, connection: Connection) -> None:
        """Hold back other processes that want to change the tables, until the transaction ends."""

    # --- groups of calls -------------------------------------------------------------------------------------------

    def _begin(self, groups: Groups, work: Callable[[Connection], Result], *, of: str) -> Call[Result]:
        if not self._is_open:
            raise self._closed()
        call = Call(work, of=of, gives_up_at=asyncio.get_running_loop().time() + self._busy_timeout_seconds)
        groups.join(call)
        return call

    async def _read_group(self, calls: Sequence[Call[Any]]) -> Sequence[Call[Any]]:
        def each(connection: Connection) -> list[Any]:
            outcomes: list[Any] = []
            for call in calls:
                try:
                    outcomes.append(call.work(connection))
                except Exception as error:  # it is this call's own, unless the connection is gone
                    if connection.invalidated:
                        raise
                    outcomes.append(error)
            return outcomes

        try:
            outcomes = await self._with_reader(each)
        except Exception as error:
            outcomes = [error] * len(calls)
        return self._settled(calls, outcomes)

    async def _change_group(self, calls: Sequence[Call[Any]]) -> Sequence[Call[Any]]:
        # Two servers that change the same users must lock them in one order, or they would wait for each other.
        calls = sorted(calls, key=lambda call: call.of)
        try:
            outcomes = await self._in_transaction(lambda connection: self._each_for_itself(connection, calls))
        except _UndoneError:
            outcomes = [await self._alone(call) for call in calls]
        except Exception as error:
            outcomes = [error] * len(calls)
        return self._settled(calls, outcomes)

    def _each_for_itself(self, connection: Connection, calls: Sequence[Call[Any]]) -> list[Any]:
        if len(calls) == 1:
            return [calls[0].work(connection)]
        outcomes: list[Any] = []
        for call in calls:
            connection.exec_driver_sql("SAVEPOINT a_change")
            try:
                outcome = call.work(connection)
            except Exception as error:  # it is this call's own, as long as what the others changed stays
                outcome = error
                if connection.invalidated:
                    raise
                try:
                    connection.exec_driver_sql("ROLLBACK TO SAVEPOINT a_change")
                except self.errors:
                    raise _UndoneError from error
                if self._may_pass(error):
                    self._wait_no_longer(connection)
            connection.exec_driver_sql("RELEASE SAVEPOINT a_change")
            outcomes.append(outcome)
        return outcomes

    async def _alone(self, call: Call[Any]) -> Any:
        try:
            return await self._in_transaction(call.work)
        except Exception as error:  # it is this call's outcome
            return error

    def _settled(self, calls: Sequence[Call[Any]], outcomes: Sequence[Any]) -> Sequence[Call[Any]]:
        """Answer the calls, but for those that are to be tried again."""
        now = asyncio.get_running_loop().time()
        again = []
        for call, outcome in zip(calls, outcomes, strict=True):
            is_failure = isinstance(outcome, self.errors)
            if is_failure and self._may_pass(outcome) and now < call.gives_up_at and self._is_open:
                again.append(call)
            else:
                call.settle(self._plain(outcome) if is_failure else outcome)
        return again

    # --- errors ----------------------------------------------------------------------------------------------------

    def _plain(self, error: Exception) -> StorageError:
        what = self._what_happened(error)
        told = what if what in self.sentences else what.partition(": ")[0].rstrip(".") + "."
        plain = StorageError(f"The database {self.label} {what}", told=f"The database {told}")
        plain.__cause__ = error
        return plain

    def _closed(self) -> StorageError:
        return StorageError(f"The database {self.label} is closed.", told="The database is closed.")

    def _stuck(self) -> StorageError:
        what = "does not answer; a change may have been made or not. See that its disk or its server works."
        return StorageError(f"The database {self.label} {what}", told=f"The database {what}")

    # --- the schema ------------------------------------------------------------------------------------------------

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
        self._changes.is_watched = False  # an upgrade of large tables takes as long as it takes
        try:
            return await self.write(self._bring_up_to_date)
        finally:
            self._changes.is_watched = True

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


class _UndoneError(Exception):
    """A change failed in such a way that the database undid the whole transaction, the changes of others too."""
