"""Many sessions of one process: connected some at a time, until something has come for each of them."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

CONNECTS_AT_ONCE = 100
PATIENCE_SECONDS = 120.0

Session = TypeVar("Session", bound=asyncio.Protocol)


async def connect_all(
    port: int, count: int, make: Callable[[int], Session], is_served: Callable[[Session], object]
) -> tuple[list[Session], list[asyncio.Transport]]:
    """The sessions `make(0)` to `make(count - 1)` with their connections, once `is_served` holds for each."""
    loop = asyncio.get_running_loop()
    sessions: list[Session] = []
    transports: list[asyncio.Transport] = []
    for start in range(0, count, CONNECTS_AT_ONCE):
        numbers = range(start, min(start + CONNECTS_AT_ONCE, count))
        made = await asyncio.gather(
            *(loop.create_connection(partial(make, number), "127.0.0.1", port) for number in numbers)
        )
        transports += [transport for transport, _ in made]
        sessions += [session for _, session in made]
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not all(map(is_served, sessions)):  # noqa: ASYNC110 - a thousand events would cost more
            await asyncio.sleep(0.1)
    return sessions, transports
