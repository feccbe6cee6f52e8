"""What the tests with other people's clients share: a home whose user has a token, made once for each file of tests."""

import asyncio
from pathlib import Path

import pytest

from client_market import user_with_a_token


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of the servers of a file, of which one runs at a time."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def token(home: Path) -> str:
    """A token of the user that is known there."""
    return asyncio.run(user_with_a_token(home))
