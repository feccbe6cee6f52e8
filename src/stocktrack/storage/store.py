"""The users and their watch lists, as they are kept in the database.

Every method is one transaction: what it has returned is on disk, and where it raises nothing was changed. A watch list
is its symbols: it begins with the first one that is saved under its name and ends with the last one taken out.
"""

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Delete, Update, bindparam, delete, distinct, func, insert, select, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, IntegrityError

from stocktrack.errors import CommandError, ConfigError, Reason, extra_hint
from stocktrack.messages import MAIN_LIST
from stocktrack.storage.database import BUSY_TIMEOUT_SECONDS, Database
from stocktrack.storage.groups import Call, Result, answer_of
from stocktrack.storage.shared_reads import SharedReads
from stocktrack.storage.sqlite import SqliteDatabase
from stocktrack.storage.tables import saved_symbols, users

MAX_LISTS = 20  # of one user, the main list among them


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
    users.c.name,
    users.c.password_hash,
    users.c.created_at_ms,
    users.c.is_admin,
    users.c.token_epoch,
    select(func.count(distinct(saved_symbols.c.symbol)))
    .where(saved_symbols.c.user_id == users.c.id)
    .scalar_subquery()
    .label("saved_count"),
)
_SELECT_NAMED = _SELECT_USERS.where(users.c.name.in_(bindparam("names", expanding=True)))
# Changes of one user's lists come one after another: SQLite knows one writer only, PostgreSQL locks the row.
_LOCK_USER = select(users.c.id).where(users.c.name == bindparam("of")).with_for_update()
_SELECT_SAVED = (
    select(saved_symbols.c.symbol)
    .join(users, saved_symbols.c.user_id == users.c.id)
    .where(users.c.name == bindparam("of"), saved_symbols.c.list_name == bindparam("in_list"))
    .order_by(saved_symbols.c.id)
)
_SELECT_MAIN_LISTS = (
    select(users.c.name, saved_symbols.c.symbol)
    .join(users, saved_symbols.c.user_id == users.c.id)
    .where(users.c.name.in_(bindparam("names", expanding=True)), saved_symbols.c.list_name == MAIN_LIST)
    .order_by(saved_symbols.c.id)
)
_SELECT_LISTS = (
    select(saved_symbols.c.list_name)
    .distinct()
    .join(users, saved_symbols.c.user_id == users.c.id)
    .where(users.c.name == bindparam("of"))
)


class Store:
    """The database behind `url`, for one event loop. `open`, then use, then `close`."""

    def __init__(self, url: str, *, busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS) -> None:
        self._database = _database_at(url, busy_timeout_seconds)
        self._shared = SharedReads(self._database)
        # The change of each user that was asked for last, as long as it waits: what it is, and who makes it.
        self._last_changes: dict[str, tuple[Hashable, Call[Any]]] = {}

    @property
    def label(self) -> str:
        """The database's file or address, without its password."""
        return self._database.label

    async def open(self) -> None:
        """Connect; for SQLite make the file and bring its tables up to date. `StorageError` where that cannot be."""
        await self._database.open(upgrade=self._database.upgrades_at_start)

    async def upgrade(self) -> str | None:
        """As `open`, and bring the tables up to date whichever database it is; returns the revision they had."""
        return await self._database.open(upgrade=True)

    async def close(self) -> None:
        """Let the calls that run end, and disconnect; calls that come later get a `StorageError`."""
        await self._database.close()

    async def users(self) -> Sequence[UserRow]:
        """All users by name."""
        rows = await self._database.read(lambda connection: connection.execute(_SELECT_USERS).all())
        # Sorted here: each PostgreSQL database has an alphabet of its own.
        return sorted((UserRow(*row) for row in rows), key=lambda user: user.name)

    async def user(self, name: str) -> UserRow | None:
        """The user of exactly this name, as of now; where nothing was changed lately that costs some microseconds."""
        return await self._shared.read_named("user", name, _find_users, None)

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
                connection.execute(insert(users), values)
            except IntegrityError:
                raise CommandError(Reason.INVALID_COMMAND, f"There is a user {name!r} already.") from None

        await self._change(name, change)

    async def set_password_hash(self, name: str, password_hash: str, *, expected: str | None = None) -> bool:
        """Change a user's hash, and say whether there was such a user.

        With `expected` only where that is the hash still: another process may have changed it in between.
        """
        where = [users.c.name == name]
        if expected is not None:
            where.append(users.c.password_hash == expected)
        return await self._changes_one(name, update(users).where(*where).values(password_hash=password_hash))

    async def set_admin(self, name: str, is_admin: bool) -> bool:
        """Make a user an administrator or an ordinary one, and say whether there was such a user."""
        return await self._changes_one(name, update(users).where(users.c.name == name).values(is_admin=is_admin))

    async def revoke_tokens(self, name: str) -> bool:
        """End every token that a user has now, and say whether there was such a user."""
        next_epoch = users.c.token_epoch + 1
        return await self._changes_one(name, update(users).where(users.c.name == name).values(token_epoch=next_epoch))

    async def remove_user(self, name: str) -> bool:
        """Remove a user with all watch lists, and say whether there was such a user."""
        return await self._changes_one(name, delete(users).where(users.c.name == name))

    async def list_names(self, name: str) -> tuple[str, ...]:
        """The names of the user's watch lists: the main list, which is always there, then the others by name."""
        named = await self._shared.read(("lists", name), lambda connection: _list_names(connection, name))
        return (MAIN_LIST, *sorted(named - {MAIN_LIST}))

    async def saved(self, name: str, list_name: str = MAIN_LIST) -> tuple[str, ...]:
        """A watch list's symbols in the order of saving; none for a user or a list that does not exist."""
        if list_name == MAIN_LIST:  # every login reads it
            return await self._shared.read_named("main list", name, _find_main_lists, ())
        return await self._shared.read(
            ("saved", name, list_name), lambda connection: _saved(connection, name, list_name)
        )

    async def save(self, name: str, symbols: Sequence[str], limit: int, list_name: str = MAIN_LIST) -> None:
        """Add to a watch list those symbols that are not in it: all, or none beyond `limit` in all.

        `CommandError` where they would be more, where it would be one list too many, or where the user was removed
        meanwhile.
        """
        if symbols and frozenset(symbols).issubset(await self.saved(name, list_name)):
            return None  # a client that comes back saves what is saved: that waits for no disk
        asked = ("save", list_name, tuple(symbols), limit)
        last, call = self._last_changes.get(name, (None, None))
        if call is not None and last == asked and not call.has_begun:
            # Many clients of one user save the same at once: after the first of them the others would change nothing.
            return await answer_of(call)

        def change(connection: Connection) -> None:
            user_id = connection.scalar(_LOCK_USER, {"of": name})
            if user_id is None:
                raise CommandError(Reason.NOT_AUTHENTICATED, f"There is no user {name!r} any more.")
            held = frozenset(_saved(connection, name, list_name))
            new = [symbol for symbol in dict.fromkeys(symbols) if symbol not in held]
            if not new:
                return
            if len(held) + len(new) > limit:
                raise CommandError(
                    Reason.SYMBOL_LIMIT,
                    f"A saved list holds at most {limit} symbols: it has {len(held)} and {len(new)} would be added. "
                    "Take some out with UNSUBSCRIBE first.",
                )
            is_new_list = not held and list_name != MAIN_LIST  # which is always there
            if is_new_list and len({MAIN_LIST, list_name, *_list_names(connection, name)}) > MAX_LISTS:
                raise CommandError(
                    Reason.SYMBOL_LIMIT,
                    f"A user has at most {MAX_LISTS} lists, and there are as many. Empty one with UNSUBSCRIBE first.",
                )
            rows = [{"user_id": user_id, "list_name": list_name, "symbol": symbol} for symbol in new]
            connection.execute(insert(saved_symbols), rows)

        return await self._change(name, change, asked)

    async def unsave(self, name: str, symbols: Sequence[str] | None, list_name: str = MAIN_LIST) -> tuple[str, ...]:
        """Take symbols (None: all) out of a watch list; those that were in it, in the order asked."""
        held_now = await self.saved(name, list_name)
        if not held_now or (symbols is not None and frozenset(symbols).isdisjoint(held_now)):
            return ()

        def change(connection: Connection) -> tuple[str, ...]:
            user_id = connection.scalar(_LOCK_USER, {"of": name})
            held = dict.fromkeys(_saved(connection, name, list_name))
            removed = tuple(symbol for symbol in dict.fromkeys(held if symbols is None else symbols) if symbol in held)
            of_list = (saved_symbols.c.user_id == user_id, saved_symbols.c.list_name == list_name)
            connection.execute(delete(saved_symbols).where(*of_list, saved_symbols.c.symbol.in_(removed)))
            return removed

        return await self._change(name, change)

    async def forget(self, name: str, symbols: Sequence[str]) -> None:
        """Take symbols out of all watch lists of a user."""

        def change(connection: Connection) -> None:
            user_id = connection.scalar(_LOCK_USER, {"of": name})
            of_user = saved_symbols.c.user_id == user_id
            connection.execute(delete(saved_symbols).where(of_user, saved_symbols.c.symbol.in_(symbols)))

        await self._change(name, change)

    async def _change(self, name: str, work: Callable[[Connection], Result], asked: Hashable | None = None) -> Result:
        """Make a change of a user; `asked` is the same where two of them are equal."""
        call = self._database.begin_write(work, of=name)
        self._last_changes[name] = asked, call
        call.answer.add_done_callback(lambda _: self._changed(name, call))
        return await answer_of(call)

    def _changed(self, name: str, call: Call[Any]) -> None:
        if self._last_changes.get(name, (None, None))[1] is call:
            del self._last_changes[name]

    async def _changes_one(self, name: str, statement: Update | Delete) -> bool:
        return await self._change(name, lambda connection: connection.execute(statement).rowcount > 0)


def _find_users(connection: Connection, names: Collection[str]) -> Mapping[str, UserRow | None]:
    return {row.name: UserRow(*row) for row in connection.execute(_SELECT_NAMED, {"names": tuple(names)})}


def _find_main_lists(connection: Connection, names: Collection[str]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for name, symbol in connection.execute(_SELECT_MAIN_LISTS, {"names": tuple(names)}):
        found.setdefault(name, []).append(symbol)
    return {name: tuple(symbols) for name, symbols in found.items()}


def _saved(connection: Connection, name: str, list_name: str) -> tuple[str, ...]:
    return tuple(connection.scalars(_SELECT_SAVED, {"of": name, "in_list": list_name}))


def _list_names(connection: Connection, name: str) -> frozenset[str]:
    return frozenset(connection.scalars(_SELECT_LISTS, {"of": name}))


def _database_at(text: str, busy_timeout_seconds: float) -> Database:
    try:
        url = make_url(text)
    except ArgumentError:
        # The text is not shown: an address can hold a password.
        raise ConfigError("database_url is no address of a database, such as sqlite:////var/lib/x.db.") from None
    match url.get_backend_name():
        case "sqlite":
            return SqliteDatabase(url, busy_timeout_seconds=busy_timeout_seconds)
        case "postgresql" | "postgres":
            try:
                from stocktrack.storage.postgres import PostgresDatabase  # noqa: PLC0415 - an extra brings its driver
            except ImportError:
                raise ConfigError(
                    f"database_url names PostgreSQL, whose driver is not installed. {extra_hint('postgres')}."
                ) from None
            return PostgresDatabase(url, busy_timeout_seconds=busy_timeout_seconds)
        case other:
            raise ConfigError(f"database_url names {other!r}: StockTrack knows sqlite and postgresql.")
