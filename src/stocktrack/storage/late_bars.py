"""The bars in a database that is opened late."""

from collections.abc import Sequence

from stocktrack.errors import StorageError
from stocktrack.storage.bars import Bars, MinuteBar
from stocktrack.storage.late_store import LateStore


class LateBars:
    """The bars of `late`; what comes before it could be opened gets a `StorageError`."""

    def __init__(self, late: LateStore) -> None:
        self._late = late

    async def open(self) -> None:
        """Open the database, where it is not yet; also one that nobody can use is a `StorageError`."""
        await self._bars()

    async def add(self, bars: Sequence[MinuteBar]) -> None:
        """As `Bars`; tries to open the database."""
        await (await self._bars()).add(bars)

    async def read(self, symbol: str, first: int, end: int) -> Sequence[MinuteBar]:
        """As `Bars`; does not wait for a database that was not opened yet."""
        if self._late.store is None:
            raise StorageError("The database of the bars was not opened yet.")
        return await self._late.store.bars.read(symbol, first, end)

    async def delete_before(self, minute: int) -> int:
        """As `Bars`; tries to open the database."""
        return await (await self._bars()).delete_before(minute)

    async def _bars(self) -> Bars:
        return (await self._late.opened()).bars
