"""A house to ask in, its source of everything, and clients of it."""

from collections.abc import AsyncIterator
from datetime import date

import pytest

from fakes import Client, House, ScriptedProvider, a_house
from stocktrack.quotes import Dividend


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with a_house() as built:
        yield built


@pytest.fixture
def provider(house: House) -> ScriptedProvider:
    assert isinstance(house.provider, ScriptedProvider)
    house.provider.paid["AAPL"] = [Dividend(date=date(2024, month, 9), amount=0.24) for month in range(9, 0, -1)]
    return house.provider


@pytest.fixture
def stranger(house: House) -> Client:
    """A client that has not logged in."""
    return house.client()


@pytest.fixture
async def user(house: House) -> Client:
    return await house.user()
