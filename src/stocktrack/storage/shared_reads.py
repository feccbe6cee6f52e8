"""Reads that many ask for: made once for all who ask at the same time, and remembered while nothing was changed.

Nobody gets what is older than the moment of asking. A database that can tell at once which version of its data it holds
has its answers remembered for as long as that is the version of the time before the reading. One that cannot is read
again; then only those share an answer who asked before the reading began.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Mapping
from typing import Any, TypeVar

from sqlalchemy import Connection

from stocktrack.storage.database import Database
from stocktrack.storage.groups import Call, answer_of

Result = TypeVar("Result")

MAX_REMEMBERED_VALUES = 200_000  # some 15 MB; a user's row counts as ten, each symbol of a list as one
_ENTRY_VALUES = 10
MOST_NAMES_AT_ONCE = 256  # of one statement


class SharedReads:
    """What is read of `database` by a key; what is returned must not be changed by who gets it."""

    def __init__(self, database: Database, *, max_values: int = MAX_REMEMBERED_VALUES) -> None:
        self._database = database
        self._max_values = max_values
        # All that is remembered was read while this was the version, what was asked for last at the end.
        self._version: int | None = None
        self._remembered: OrderedDict[Hashable, Any] = OrderedDict()
        self._values = 0
        self._under_way: dict[Hashable, tuple[int | None, Call[Any]]] = {}
        # Of each kind the statement that has not begun: the names that it reads, and who reads them.
        self._next: dict[str, tuple[set[str], Call[Any]]] = {}

    async def read(self, key: Hashable, work: Callable[[Connection], Result]) -> Result:
        """The result of `work`, which is always the same for one key: made by now, or remembered."""
        version = self._database.version()
        if self._remembers(key, version):
            found: Result = self._remembered[key]
            return found
        call = self._joinable(key, version)
        if call is None:
            call = self._database.begin_read(work)
            self._keep(key, version, call, lambda answer: answer)
        return await answer_of(call)

    async def read_named(
        self,
        kind: str,
        name: str,
        find: Callable[[Connection, Collection[str]], Mapping[str, Result]],
        default: Result,
    ) -> Result:
        """As `read`, where `find` reads for many names in one statement, and those of them that there are."""
        key, version = (kind, name), self._database.version()
        if self._remembers(key, version):
            found: Result = self._remembered[key]
            return found
        call = self._joinable(key, version)
        if call is None:
            call = self._next_of(kind, name, find)
            self._keep(key, version, call, lambda answer: answer.get(name, default))
        answer: Mapping[str, Result] = await answer_of(call)
        return answer.get(name, default)

    def _remembers(self, key: Hashable, version: int | None) -> bool:
        if version is None or version != self._version:
            self._forget_all(version)
            return False
        if key not in self._remembered:
            return False
        self._remembered.move_to_end(key)
        return True

    def _joinable(self, key: Hashable, version: int | None) -> Call[Any] | None:
        """What reads the key already, and is not too old."""
        since, call = self._under_way.get(key, (None, None))
        if call is None or call.answer.done():
            return None
        # With the same version nothing was changed since it was begun: what it finds is what is there now.
        is_new_enough = not call.has_begun or (version is not None and version == since)
        return call if is_new_enough else None

    def _next_of(
        self, kind: str, name: str, find: Callable[[Connection, Collection[str]], Mapping[str, Any]]
    ) -> Call[Any]:
        names, call = self._next.get(kind, (set(), None))
        if call is None or call.has_begun or call.answer.done() or len(names) >= MOST_NAMES_AT_ONCE:
            names = set()
            call = self._database.begin_read(lambda connection, names=names: find(connection, names))  # type: ignore[misc]  # mypy infers no lambda with a default
            self._next[kind] = names, call
        names.add(name)
        return call

    def _keep(self, key: Hashable, version: int | None, call: Call[Any], pick: Callable[[Any], Any]) -> None:
        self._under_way[key] = version, call
        call.answer.add_done_callback(lambda _: self._ended(key, version, call, pick))

    def _ended(self, key: Hashable, version: int | None, call: Call[Any], pick: Callable[[Any], Any]) -> None:
        if self._under_way.get(key, (None, None))[1] is call:
            del self._under_way[key]
        if version is None or version != self._version or call.answer.cancelled() or call.answer.exception():
            return
        found = pick(call.answer.result())
        self._values += _values_of(found) - (_values_of(self._remembered[key]) if key in self._remembered else 0)
        self._remembered[key] = found
        while self._values > self._max_values:
            _, oldest = self._remembered.popitem(last=False)
            self._values -= _values_of(oldest)

    def _forget_all(self, version: int | None) -> None:
        self._version = version
        self._remembered.clear()
        self._values = 0


def _values_of(found: object) -> int:
    return _ENTRY_VALUES + (len(found) if isinstance(found, tuple) else 0)
