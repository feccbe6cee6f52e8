"""The users, their tokens and their watch lists, as they are kept in the database.

Every method is one transaction: what it has returned is on disk, and where it raises nothing was changed.
"""

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Delete, Update, bindparam, delete, distinct, func, insert, select, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, IntegrityError

from stocktrack.errors import CommandError, ConfigError, Reason, extra_hint
from stocktrack.messages import MAIN_LIST, MAX_TOKENS, ListChange
from stocktrack.scopes import Scope
from stocktrack.storage import watch_lists
from stocktrack.storage.alerts import Alerts
from stocktrack.storage.bars import Bars
from stocktrack.storage.database import BUSY_TIMEOUT_SECONDS, Database
from stocktrack.storage.groups import Call, Result, answer_of
from stocktrack.storage.lots import Lots
from stocktrack.storage.owners import LOCK_USER, locked_owner
from stocktrack.storage.shared_reads import SharedReads
from stocktrack.storage.sqlite import SqliteDatabase
from stocktrack.storage.tables import saved_symbols, user_tokens, users
from stocktrack.storage.watch_lists import Owner


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user as the database knows one; the hash stays out of every repr, and so out of logs."""

    name: str
    password_hash: str = field(repr=False)
    created_at_ms: int
    is_admin: bool
    token_epoch: int  # a token that carries another one is revoked
    saved_count: int
    id: int  # never given to another user
    password_epoch: int  # a session that was opened without a token and carries another one has ended
    is_disabled: bool
    token_ids: frozenset[str]  # of the tokens that are not revoked; those older than their table are not among them
    muted_until_ms: int | None = None  # till when the user may say nothing to the others


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token as the database knows one: everything but the token itself; times in epoch milliseconds."""

    token_id: str
    name: str | None
    scope: Scope
    created_at_ms: int
    expires_at_ms: int
    last_used_at_ms: int | None = None


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
    users.c.id,
    users.c.password_epoch,
    users.c.is_disabled,
    select(func.aggregate_strings(user_tokens.c.token_id, " "))
    .where(user_tokens.c.user_id == users.c.id)
    .scalar_subquery()
    .label("token_ids"),
    users.c.muted_until_ms,
)
_SELECT_NAMED = _SELECT_USERS.where(users.c.name.in_(bindparam("names", expanding=True)))
_SELECT_TOKENS = (
    select(
        user_tokens.c.token_id,
        user_tokens.c.name,
        user_tokens.c.scope,
        user_tokens.c.created_at_ms,
        user_tokens.c.expires_at_ms,
        user_tokens.c.last_used_at_ms,
    )
    .join(users, user_tokens.c.user_id == users.c.id)
    .where(users.c.name == bindparam("of"), user_tokens.c.expires_at_ms > bindparam("now"))
    .order_by(user_tokens.c.created_at_ms, user_tokens.c.token_id)
)
# The order of characters by their numbers, which is Python's; each PostgreSQL database has an alphabet of its own.
_PLAIN_ORDER = {"sqlite": "BINARY", "postgresql": "C"}
_NOTE_USE = (
    update(user_tokens).where(user_tokens.c.token_id == bindparam("used")).values(last_used_at_ms=bindparam("at"))
)
_SELECT_MAIN_LISTS = (
    select(users.c.name, saved_symbols.c.symbol)
    .join(users, saved_symbols.c.user_id == users.c.id)
    .where(users.c.name.in_(bindparam("names", expanding=True)), saved_symbols.c.list_name == MAIN_LIST)
    .order_by(saved_symbols.c.id)
)


class Store:
    """The database behind `url`, for one event loop. `open`, then use, then `close`."""

    def __init__(self, url: str, *, busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS) -> None:
        self._database = _database_at(url, busy_timeout_seconds)
        self._shared = SharedReads(self._database)
        self.bars = Bars(self._database)
        self.alerts = Alerts(self._database)
        self.lots = Lots(self._database)
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
        return sorted((_user_row(*row) for row in rows), key=lambda user: user.name)

    async def users_after(self, name: str | None, most: int) -> tuple[Sequence[UserRow], int]:
        """The users whose names come after this one (None: all), at most so many; and how many there are in all.

        The order is that of `users`, whichever database it is.
        """

        def find(connection: Connection) -> tuple[Sequence[UserRow], int]:
            by_name = users.c.name.collate(_PLAIN_ORDER[connection.dialect.name])
            asked = _SELECT_USERS if name is None else _SELECT_USERS.where(by_name > name)
            rows = connection.execute(asked.order_by(by_name).limit(most)).all()
            return [_user_row(*row) for row in rows], connection.scalar(select(func.count()).select_from(users)) or 0

        return await self._database.read(find)

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

    async def change_password(
        self,
        name: str,
        password_hash: str,
        *,
        keep_tokens: bool,
        may: Callable[[UserRow], bool] = lambda _: True,
    ) -> UserRow | None:
        """Change a user's password, end the sessions that were opened without a token, and the tokens unless kept.

        Returns the user as it is then; None where there is none, or where `may` says no to the user as it was.
        """

        def change(connection: Connection) -> UserRow | None:
            if _locked_user(connection, name, may) is None:
                return None
            values = {"password_hash": password_hash, "password_epoch": users.c.password_epoch + 1}
            connection.execute(update(users).where(users.c.name == name).values(values))
            if not keep_tokens:
                _revoke_tokens(connection, name)
            return _user(connection, name)

        return await self._change(name, change)

    async def set_disabled(self, name: str, is_disabled: bool) -> bool:
        """Shut a user out, who keeps everything, or let one in again; whether there was such a user."""
        ended = users.c.password_epoch + (1 if is_disabled else 0)
        values = {"is_disabled": is_disabled, "password_epoch": ended}
        return await self._changes_one(name, update(users).where(users.c.name == name).values(values))

    async def set_muted(self, name: str, until_ms: int | None) -> bool:
        """Let a user say nothing till then, or talk again (None); whether there was such a user."""
        return await self._changes_one(name, update(users).where(users.c.name == name).values(muted_until_ms=until_ms))

    async def set_admin(self, name: str, is_admin: bool) -> bool:
        """Make a user an administrator or an ordinary one, and say whether there was such a user."""
        return await self._changes_one(name, update(users).where(users.c.name == name).values(is_admin=is_admin))

    async def add_token(self, name: str, token: TokenRow, *, may: Callable[[UserRow], bool]) -> UserRow | None:
        """Add a token of a user, and forget the expired ones; returns the user whom it is for.

        None where there is no such user, or where `may` says no to the user as it is; `CommandError` where there are
        too many tokens.
        """

        def change(connection: Connection) -> UserRow | None:
            user = _locked_user(connection, name, may)
            if user is None:
                return None
            of_user = user_tokens.c.user_id == user.id
            connection.execute(delete(user_tokens).where(of_user, user_tokens.c.expires_at_ms <= token.created_at_ms))
            count = connection.scalar(select(func.count()).select_from(user_tokens).where(of_user)) or 0
            if count >= MAX_TOKENS:
                raise CommandError(
                    Reason.INVALID_COMMAND,
                    f"{name!r} has {count} tokens, the most allowed. End those that nobody needs with REVOKE first.",
                )
            values = {
                "user_id": user.id,
                "token_id": token.token_id,
                "name": token.name,
                "scope": token.scope.value,
                "created_at_ms": token.created_at_ms,
                "expires_at_ms": token.expires_at_ms,
            }
            connection.execute(insert(user_tokens), values)
            return user

        return await self._change(name, change)

    async def tokens(self, name: str, *, now_ms: int) -> Sequence[TokenRow]:
        """The tokens of a user that are neither revoked nor expired, the oldest first."""

        def find(connection: Connection) -> Sequence[TokenRow]:
            rows = connection.execute(_SELECT_TOKENS, {"of": name, "now": now_ms}).all()
            return [TokenRow(token_id, label, Scope(scope), *times) for token_id, label, scope, *times in rows]

        return await self._database.read(find)

    async def revoke_tokens(self, name: str, *, end_sessions: bool = False) -> frozenset[str] | None:
        """End every token that a user has now; returns the ids of those in the table, None where there is no such user.

        With `end_sessions` the sessions that were opened without a token end as well.
        """

        def change(connection: Connection) -> frozenset[str] | None:
            user = _locked_user(connection, name)
            if user is None:
                return None
            _revoke_tokens(connection, name)
            if end_sessions:
                values = {"password_epoch": users.c.password_epoch + 1}
                connection.execute(update(users).where(users.c.name == name).values(values))
            return user.token_ids

        return await self._change(name, change)

    async def revoke_token(self, name: str, token_id: str) -> bool:
        """End one token of a user, and say whether there was such a token."""
        user_id = select(users.c.id).where(users.c.name == name).scalar_subquery()
        return await self._changes_one(
            name, delete(user_tokens).where(user_tokens.c.user_id == user_id, user_tokens.c.token_id == token_id)
        )

    async def note_tokens(self, used_at_ms: Mapping[str, int], *, now_ms: int) -> None:
        """Write down when tokens were used last, by their ids, and forget those that have expired."""
        used = [{"used": token_id, "at": at_ms} for token_id, at_ms in used_at_ms.items()]

        def change(connection: Connection) -> None:
            if used:
                connection.execute(_NOTE_USE, used)
            connection.execute(delete(user_tokens).where(user_tokens.c.expires_at_ms <= now_ms))

        await self._database.write(change)

    async def remove_user(self, name: str) -> bool:
        """Remove a user with all watch lists and tokens, and say whether there was such a user."""
        return await self._changes_one(name, delete(users).where(users.c.name == name))

    async def list_names(self, name: str) -> tuple[str, ...]:
        """The names of the user's watch lists in their order: the main list, which is always there, is among them."""
        return tuple(await self.list_counts(name))

    async def list_counts(self, name: str) -> Mapping[str, int]:
        """The names of the user's watch lists in their order, each with the number of its symbols."""
        return await self._shared.read(("lists", name), lambda connection: watch_lists.counts(connection, name))

    async def saved(self, name: str, list_name: str = MAIN_LIST) -> tuple[str, ...]:
        """A watch list's symbols in the order of saving; none for a user or a list that does not exist."""
        if list_name == MAIN_LIST:  # every login reads it
            return await self._shared.read_named("main list", name, _find_main_lists, ())
        return await self._shared.read(
            ("saved", name, list_name), lambda connection: watch_lists.saved(connection, name, list_name)
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
            user_id = locked_owner(connection, name)
            held = frozenset(watch_lists.saved(connection, name, list_name))
            new = [symbol for symbol in dict.fromkeys(symbols) if symbol not in held]
            if not new:
                return
            if len(held) + len(new) > limit:
                raise CommandError(
                    Reason.SYMBOL_LIMIT,
                    f"A saved list holds at most {limit} symbols: it has {len(held)} and {len(new)} would be added. "
                    "Take some out with UNSUBSCRIBE first.",
                )
            if not held and list_name != MAIN_LIST:
                watch_lists.check_room(connection, name, list_name)
            rows = [{"user_id": user_id, "list_name": list_name, "symbol": symbol} for symbol in new]
            connection.execute(insert(saved_symbols), rows)

        return await self._change(name, change, asked)

    async def unsave(self, name: str, symbols: Sequence[str] | None, list_name: str = MAIN_LIST) -> tuple[str, ...]:
        """Take symbols (None: all) out of a watch list; those that were in it, in the order asked."""
        held_now = await self.saved(name, list_name)
        if not held_now or (symbols is not None and frozenset(symbols).isdisjoint(held_now)):
            return ()

        def change(connection: Connection) -> tuple[str, ...]:
            user_id = connection.scalar(LOCK_USER, {"of": name})
            held = dict.fromkeys(watch_lists.saved(connection, name, list_name))
            removed = tuple(symbol for symbol in dict.fromkeys(held if symbols is None else symbols) if symbol in held)
            of_list = (saved_symbols.c.user_id == user_id, saved_symbols.c.list_name == list_name)
            connection.execute(delete(saved_symbols).where(*of_list, saved_symbols.c.symbol.in_(removed)))
            return removed

        return await self._change(name, change)

    async def change_list(
        self,
        name: str,
        change: ListChange,
        symbols: Sequence[str],
        limit: int,
        list_name: str = MAIN_LIST,
        *,
        keep: bool = False,
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Change one watch list, of at most `limit` symbols; its symbols before and after.

        With `keep` it is there from now on also while it is empty, until it is removed.

        `CommandError` as in `save`, and where there is no such list to take anything out of.
        """

        def work(connection: Connection) -> tuple[tuple[str, ...], tuple[str, ...]]:
            owner = Owner(name, locked_owner(connection, name))
            return watch_lists.change(connection, owner, change, symbols, list_name=list_name, limit=limit, keep=keep)

        return await self._change(name, work)

    async def rename_list(self, name: str, list_name: str, new_name: str) -> None:
        """Give a watch list another name; `CommandError` where there is none, or one that is called so already."""

        def work(connection: Connection) -> None:
            watch_lists.rename(connection, Owner(name, locked_owner(connection, name)), list_name, new_name)

        await self._change(name, work)

    async def remove_list(self, name: str, list_name: str) -> tuple[str, ...]:
        """Take out a watch list, and return the symbols that were in it; `CommandError` where there is none."""

        def work(connection: Connection) -> tuple[str, ...]:
            return watch_lists.remove(connection, Owner(name, locked_owner(connection, name)), list_name)

        return await self._change(name, work)

    async def order_lists(self, name: str, list_names: Sequence[str]) -> Mapping[str, int]:
        """Put these watch lists first, in this order; `list_counts` as they are then, `CommandError` without one."""

        def work(connection: Connection) -> Mapping[str, int]:
            return watch_lists.put_in_order(connection, Owner(name, locked_owner(connection, name)), list_names)

        return await self._change(name, work)

    async def forget(self, name: str, symbols: Sequence[str]) -> None:
        """Take symbols out of all watch lists of a user."""

        def change(connection: Connection) -> None:
            user_id = connection.scalar(LOCK_USER, {"of": name})
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


def _user_row(*columns: Any) -> UserRow:
    values: list[Any] = [*columns[:-2], frozenset((columns[-2] or "").split()), columns[-1]]
    return UserRow(*values)


def _find_users(connection: Connection, names: Collection[str]) -> Mapping[str, UserRow | None]:
    return {row.name: _user_row(*row) for row in connection.execute(_SELECT_NAMED, {"names": tuple(names)})}


def _user(connection: Connection, name: str) -> UserRow | None:
    return _find_users(connection, [name]).get(name)


def _locked_user(connection: Connection, name: str, may: Callable[[UserRow], bool] = lambda _: True) -> UserRow | None:
    """The user, whom nobody else changes until the transaction ends; None where `may` says no."""
    connection.execute(LOCK_USER, {"of": name})
    user = _user(connection, name)
    return user if user is not None and may(user) else None


def _revoke_tokens(connection: Connection, name: str) -> None:
    user_id = select(users.c.id).where(users.c.name == name).scalar_subquery()
    connection.execute(delete(user_tokens).where(user_tokens.c.user_id == user_id))
    connection.execute(update(users).where(users.c.name == name).values(token_epoch=users.c.token_epoch + 1))


def _find_main_lists(connection: Connection, names: Collection[str]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for name, symbol in connection.execute(_SELECT_MAIN_LISTS, {"names": tuple(names)}):
        found.setdefault(name, []).append(symbol)
    return {name: tuple(symbols) for name, symbols in found.items()}


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
