"""What the tests of the page share: a browser."""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser

from browser import chromium


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One browser for all tests of a file, because starting one takes seconds; they run on one loop, the file's."""
    async with chromium() as browser:
        yield browser
