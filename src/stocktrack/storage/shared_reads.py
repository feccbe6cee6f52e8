"""Reads that many ask for: made once for all who ask at the same time, and remembered while nothing was changed.

Nobody gets what is older than the moment of asking. A database that can tell at once which version of its data it holds
has its answers remembered for as long as that is the version of the time before the reading. One that cannot is read
again; then only those share an answer who asked before the reading began.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from sqlalchemy import Connection

from stocktrack.storage.database import Database
from stocktrack.storage.groups import Call, answer_of

Result = TypeVar("Result")

MAX_REMEMBERED_VALUES = 200_000  # some 15 MB; a user's row counts as ten, each symbol of a list as one
_ENTRY_VALUES = 10


class SharedReads:
    """What is read of `database` by a key: what `read` is told to do for one key is always the same."""

    def __init__(self, database: Database, *, max_values: int = MAX_REMEMBERED_VALUES) -> None:
        self._database = database
        self._max_values = max_values
        # All that is remembered was read while this was the version, what was asked for last at the end.
        self._version: int | None = None
        self._remembered: OrderedDict[Hashable, Any] = OrderedDict()
        self._values = 0
        self._under_way: dict[Hashable, tuple[int | None, Call[Any]]] = {}

    async def read(self, key: Hashable, work: Callable[[Connection], Result]) -> Result:
        """The result of `work`, made by now or remembered; its result must not be changed by who gets it."""
        version = self._database.version()
        if version is None or version != self._version:
            self._forget_all(version)
        elif key in self._remembered:
            self._remembered.move_to_end(key)
            found: Result = self._remembered[key]
            return found
        return await answer_of(self._call(key, version, work))

    def _call(self, key: Hashable, version: int | None, work: Callable[[Connection], Result]) -> Call[Result]:
        """One that is under way and is not too old, or a new one."""
        if key in self._under_way:
            since, call = self._under_way[key]
            # With the same version nothing was changed since it was begun: what it finds is what is there now.
            if not call.answer.done() and (not call.has_begun or (version is not None and version == since)):
                return call
        call = self._database.begin_read(work)
        self._under_way[key] = (version, call)
        call.answer.add_done_callback(lambda _: self._ended(key, version, call))
        return call

    def _ended(self, key: Hashable, version: int | None, call: Call[Any]) -> None:
        if self._under_way.get(key, (None, None))[1] is call:
            del self._under_way[key]
        if version is None or version != self._version or call.answer.cancelled() or call.answer.exception():
            return
        found = call.answer.result()
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
