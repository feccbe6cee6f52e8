"""What the tests of the database share: an opened store, and users in it."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from stocktrack.storage.store import Store

HASH = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA"
ADDED_AT_MS = 1_712_331_900_000


@contextlib.asynccontextmanager
async def opened(url: str | Path, *, busy_timeout_seconds: float = 5.0) -> AsyncIterator[Store]:
    """The store at an address, or in an SQLite file; with PostgreSQL its tables must be there."""
    address = f"sqlite:///{url}" if isinstance(url, Path) else url
    store = Store(address, busy_timeout_seconds=busy_timeout_seconds)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def add(store: Store, *names: str) -> None:
    """Add users of these names."""
    for name in names:
        await store.add_user(name, HASH, created_at_ms=ADDED_AT_MS)
