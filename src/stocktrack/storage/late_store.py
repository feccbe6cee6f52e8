"""A database that is opened once it can be, for a process that goes on without it."""

import asyncio
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from stocktrack.errors import ConfigError, StorageError
from stocktrack.storage.store import Store


class LateStore:
    """The database behind `url`, for one event loop. `opened`, as often as one likes, then `close`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opening = asyncio.Lock()
        self.store: Store | None = None  # as soon as it is open

    @property
    def is_made(self) -> bool:
        """Whether there is such a database, as far as that can be seen: SQLite may have no file yet."""
        try:
            url = make_url(self._url)
        except ArgumentError:
            return True  # `opened` says what is wrong
        return url.get_backend_name() != "sqlite" or not url.database or Path(url.database).exists()

    async def opened(self) -> Store:
        """The database, which this opens where it is not open yet; also one that nobody can use is a `StorageError`."""
        async with self._opening:
            if self.store is None:
                try:
                    store = Store(self._url)
                except ConfigError as error:
                    raise StorageError(str(error)) from error
                await store.open()
                self.store = store
            return self.store

    async def close(self) -> None:
        """Close the database."""
        if self.store is not None:
            store, self.store = self.store, None
            await store.close()
