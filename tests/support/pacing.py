"""Waiting for something that may come, and going on where it does not: the pace of what is done again and again."""

import asyncio
from collections.abc import Awaitable


async def comes(what: Awaitable[object], within_seconds: float) -> bool:
    """Whether `what` comes within so many seconds; it is not waited for any longer."""
    try:
        async with asyncio.timeout(within_seconds):
            await what
    except TimeoutError:
        return False
    return True
