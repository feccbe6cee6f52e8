"""A store in a file of its own, and started accounts above it whose hasher is scripted; `ann` is a user."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from scripted_accounts import RIGHT, ScriptedHasher, started
from stocktrack.accounts.accounts import Accounts
from stocktrack.clock import ManualClock
from stocktrack.storage.store import Store
from stores import opened


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def hasher() -> ScriptedHasher:
    return ScriptedHasher()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'stocktrack.db'}"


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    async with opened(url) as store:
        yield store


@pytest.fixture
async def accounts(store: Store, clock: ManualClock, hasher: ScriptedHasher) -> AsyncIterator[Accounts]:
    async with started(store, clock, hasher) as accounts:
        await accounts.add("ann", RIGHT)
        yield accounts
