"""The user whose rows a change is about: nobody else changes them until the transaction ends."""

from typing import Any

from sqlalchemy import Connection, Select, bindparam, select

from stocktrack.errors import CommandError, Reason
from stocktrack.storage.tables import users

_OF_NAME = select(users.c.id).where(users.c.name == bindparam("of"))
# Changes of one user come one after another: SQLite knows one writer only, PostgreSQL locks the row.
LOCK_USER = _OF_NAME.with_for_update()
# Not the lock of a row that is to go: with that one, whoever takes an alert out while it fires at another server would
# wait for the words of it, which name the user, and those for the alert.
LOCK_USER_THAT_STAYS = _OF_NAME.with_for_update(key_share=True)


def locked_owner(connection: Connection, name: str, lock: Select[Any] = LOCK_USER) -> int:
    """The id of a user, locked until the transaction ends; `CommandError` where there is no such user any more."""
    user_id = connection.scalar(lock, {"of": name})
    if user_id is None:
        raise CommandError(Reason.NOT_AUTHENTICATED, f"There is no user {name!r} any more.")
    return int(user_id)
