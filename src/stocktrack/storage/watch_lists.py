"""A user's watch lists, read and changed within a transaction that somebody else began.

A list is its symbols: it begins with the first one that is saved under its name and ends with the last one taken out.
One that its user keeps is there also without any, until it is removed, and the main list is always there. Whoever
changes lists has locked the user before.
"""

import json
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from stocktrack.errors import CommandError, Reason
from stocktrack.messages import MAIN_LIST, MAX_LISTS, ListChange
from stocktrack.quotes import shown
from stocktrack.storage.tables import saved_symbols, users

_SELECT_SAVED = (
    select(saved_symbols.c.symbol)
    .join(users, saved_symbols.c.user_id == users.c.id)
    .where(users.c.name == bindparam("of"), saved_symbols.c.list_name == bindparam("in_list"))
    .order_by(saved_symbols.c.id)
)
_SELECT_COUNTS = (
    select(saved_symbols.c.list_name, func.count())
    .join(users, saved_symbols.c.user_id == users.c.id)
    .where(users.c.name == bindparam("of"))
    .group_by(saved_symbols.c.list_name)
)
_SELECT_ORDER = select(users.c.list_order).where(users.c.name == bindparam("of"))
_SELECT_KEPT = select(users.c.kept_lists).where(users.c.name == bindparam("of"))


class Owner(NamedTuple):
    """The user whose lists are changed, and who is locked."""

    name: str
    id: int


def saved(connection: Connection, name: str, list_name: str) -> tuple[str, ...]:
    """The symbols of a list in their order; none where there is no such list."""
    return tuple(connection.scalars(_SELECT_SAVED, {"of": name, "in_list": list_name}))


def counts(connection: Connection, name: str) -> dict[str, int]:
    """The names of a user's lists in their order, each with the number of its symbols.

    What the user has ordered comes first; else the main list does, and the others by their names.
    """
    found = {list_name: int(count) for list_name, count in connection.execute(_SELECT_COUNTS, {"of": name})}
    ordered = {each: place for place, each in enumerate(_order(connection, name))}
    there = {MAIN_LIST, *found, *_kept(connection, name)}
    names = sorted(there, key=lambda each: (ordered.get(each, len(ordered)), each != MAIN_LIST, each))
    return {each: found.get(each, 0) for each in names}


def change(
    connection: Connection,
    owner: Owner,
    what: ListChange,
    symbols: Sequence[str],
    *,
    list_name: str,
    limit: int,
    keep: bool = False,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Change one list, all of it or nothing; its symbols before and after.

    With `keep` it is there without any, too, and stands last where it begins now.

    `CommandError` where it would hold more than `limit` symbols, where it would be one list too many, and where there
    is no such list to take anything out of.
    """
    before = saved(connection, owner.name, list_name)
    wanted = tuple(dict.fromkeys(symbols))
    named = frozenset(wanted)
    match what:
        case ListChange.REPLACE:
            after = wanted
        case ListChange.ADD:
            after = tuple(dict.fromkeys((*before, *wanted)))
        case ListChange.REMOVE:
            after = tuple(symbol for symbol in before if symbol not in named)
        case ListChange.ORDER:
            held = frozenset(before)
            after = (
                *(symbol for symbol in wanted if symbol in held),
                *(symbol for symbol in before if symbol not in named),
            )
    kept = _kept(connection, owner.name)
    is_there = bool(before) or list_name == MAIN_LIST or list_name in kept
    begins = not is_there and (bool(after) or (keep and what is ListChange.REPLACE))
    if not is_there and not begins:
        raise no_list(list_name)
    if len(after) > limit and len(after) > len(before):
        raise _too_long(len(before), len(after), limit)
    if begins:
        check_room(connection, owner.name, list_name)
    if begins and keep:
        # Who names a list looks for it behind those that are there, and not among them by its name.
        _keep_order(connection, owner.id, [*counts(connection, owner.name), list_name])
    if keep and list_name != MAIN_LIST and list_name not in kept:
        _keep(connection, owner.id, [*kept, list_name])
    if after != before:
        _write(connection, owner, list_name, after)
    return before, after


def rename(connection: Connection, owner: Owner, list_name: str, new_name: str) -> None:
    """Give a list another name and leave it in its place; `CommandError` where that cannot be."""
    names = [*counts(connection, owner.name)]
    if list_name not in names:
        raise no_list(list_name)
    if new_name == list_name:
        return
    if list_name == MAIN_LIST:
        raise CommandError(Reason.INVALID_COMMAND, f"The list {MAIN_LIST!r} keeps its name: it is always there.")
    if new_name in names:
        raise CommandError(
            Reason.INVALID_COMMAND,
            f"There is a list {shown(new_name)} already; choose another name, or remove it first.",
        )
    of_list = saved_symbols.c.user_id == owner.id, saved_symbols.c.list_name == list_name
    connection.execute(update(saved_symbols).where(*of_list).values(list_name=new_name))
    _keep_order(connection, owner.id, [new_name if each == list_name else each for each in names])
    if list_name in (kept := _kept(connection, owner.name)):
        _keep(connection, owner.id, [new_name if each == list_name else each for each in kept])


def remove(connection: Connection, owner: Owner, list_name: str) -> tuple[str, ...]:
    """Take a list out with its symbols, and return these; `CommandError` where there is none, or it is the main one."""
    if list_name == MAIN_LIST:
        raise CommandError(
            Reason.INVALID_COMMAND, f"The list {MAIN_LIST!r} is always there; take its symbols out to empty it."
        )
    symbols = saved(connection, owner.name, list_name)
    kept = _kept(connection, owner.name)
    if not symbols and list_name not in kept:
        raise no_list(list_name)
    if list_name in kept:
        _keep(connection, owner.id, [each for each in kept if each != list_name])
    of_list = saved_symbols.c.user_id == owner.id, saved_symbols.c.list_name == list_name
    connection.execute(delete(saved_symbols).where(*of_list))
    if _order(connection, owner.name):
        _keep_order(connection, owner.id, [*counts(connection, owner.name)])
    return symbols


def put_in_order(connection: Connection, owner: Owner, list_names: Sequence[str]) -> dict[str, int]:
    """Put the named lists first, in this order, and the others behind them in theirs; `counts` as they are then.

    `CommandError` where one of them is not there, and nothing is changed.
    """
    now = counts(connection, owner.name)
    for each in list_names:
        if each not in now:
            raise no_list(each)
    order = [*dict.fromkeys((*list_names, *now))]
    _keep_order(connection, owner.id, order)
    return {each: now[each] for each in order}


def check_room(connection: Connection, name: str, list_name: str) -> None:
    """`CommandError` where a list that begins now would be one too many."""
    if len({list_name, *counts(connection, name)}) > MAX_LISTS:
        raise CommandError(
            Reason.SYMBOL_LIMIT,
            f"A user has at most {MAX_LISTS} lists, and there are as many. Remove one first.",
        )


def no_list(list_name: str) -> CommandError:
    """What is told of a list that is not there."""
    return CommandError(
        Reason.UNKNOWN_LIST, f"You have no list {shown(list_name)}; a list begins with its first symbol."
    )


def _write(connection: Connection, owner: Owner, list_name: str, symbols: Sequence[str]) -> None:
    """Have a list hold these symbols, in this order, which is that of its rows' ids.

    What keeps its place keeps its row. What follows takes the ids of the rows that go, as far as there are some, so
    that a list that a program replaces every second doesn't use up PostgreSQL's.
    """
    of_list = saved_symbols.c.user_id == owner.id, saved_symbols.c.list_name == list_name
    held = connection.execute(
        select(saved_symbols.c.id, saved_symbols.c.symbol).where(*of_list).order_by(saved_symbols.c.id)
    ).all()
    kept = 0
    while kept < min(len(held), len(symbols)) and held[kept].symbol == symbols[kept]:
        kept += 1
    free = [row.id for row in held[kept:]]
    if free:
        connection.execute(delete(saved_symbols).where(saved_symbols.c.id.in_(free)))
    rows = [{"user_id": owner.id, "list_name": list_name, "symbol": symbol} for symbol in symbols[kept:]]
    again = [{"id": id_, **row} for id_, row in zip(free, rows, strict=False)]
    for some in (again, rows[len(again) :]):
        if some:
            connection.execute(insert(saved_symbols), some)


def _too_long(before: int, after: int, limit: int) -> CommandError:
    return CommandError(
        Reason.SYMBOL_LIMIT,
        f"A saved list holds at most {limit} symbols: it has {before} and would have {after}. Take some out first.",
    )


def _order(connection: Connection, name: str) -> Sequence[str]:
    """The order of the lists as it was kept last; lists that began later are not in it, and some in it have ended."""
    kept = connection.scalar(_SELECT_ORDER, {"of": name})
    return json.loads(kept) if kept else ()


def _keep_order(connection: Connection, user_id: int, list_names: Sequence[str]) -> None:
    connection.execute(update(users).where(users.c.id == user_id).values(list_order=json.dumps(list_names)))


def _kept(connection: Connection, name: str) -> Sequence[str]:
    """The names of the lists that are there also while they are empty."""
    kept = connection.scalar(_SELECT_KEPT, {"of": name})
    return json.loads(kept) if kept else ()


def _keep(connection: Connection, user_id: int, list_names: Sequence[str]) -> None:
    connection.execute(update(users).where(users.c.id == user_id).values(kept_lists=json.dumps(list_names)))
