"""A store on each kind of database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from postgres_server import PostgresServer
from stocktrack.storage.store import Store
from stores import opened


@pytest.fixture(params=["sqlite", "postgres"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An address of each kind of database; every test that asks for it runs on both."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'stocktrack.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    address = server.url(await server.new_database())
    store = Store(address)
    await store.upgrade()
    await store.close()
    return address


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    async with opened(url) as store:
        yield store
