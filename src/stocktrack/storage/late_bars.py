"""Bars in a database that is opened once it can be, for a process that needs it for nothing else."""

import asyncio
from collections.abc import Sequence

from stocktrack.errors import ConfigError, StorageError
from stocktrack.storage.bars import Bars, MinuteBar
from stocktrack.storage.store import Store


class LateBars:
    """The bars behind `url`, for one event loop; what comes before it could be opened gets a `StorageError`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._store: Store | None = None
        self._opening = asyncio.Lock()

    async def open(self) -> None:
        """Open the database, where it is not yet; also one that nobody can use is a `StorageError`."""
        await self._opened()

    async def close(self) -> None:
        """Close the database."""
        if self._store is not None:
            store, self._store = self._store, None
            await store.close()

    async def add(self, bars: Sequence[MinuteBar]) -> None:
        """As `Bars`; tries to open the database."""
        await (await self._opened()).add(bars)

    async def read(self, symbol: str, first: int, end: int) -> Sequence[MinuteBar]:
        """As `Bars`; does not wait for a database that was not opened yet."""
        if self._store is None:
            raise StorageError("The database of the bars was not opened yet.")
        return await self._store.bars.read(symbol, first, end)

    async def delete_before(self, minute: int) -> int:
        """As `Bars`; tries to open the database."""
        return await (await self._opened()).delete_before(minute)

    async def _opened(self) -> Bars:
        async with self._opening:
            if self._store is None:
                try:
                    store = Store(self._url)
                except ConfigError as error:
                    raise StorageError(str(error)) from error
                await store.open()
                self._store = store
            return self._store.bars
