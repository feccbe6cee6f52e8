"""Servers in this process that know of each other by a real Redis, and what a test asks of them."""

import contextlib
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

from feeds import Market
from live_server import Line, LiveServer, RawClient, live_server, until
from redis_server import RedisServer
from stocktrack.cluster.bus import Bus


def bus_of(server: LiveServer) -> Bus:
    """The place of a server on the bus."""
    assert server.app.cluster is not None
    return server.app.cluster.bus


@contextlib.asynccontextmanager
async def two_servers(
    redis: RedisServer, folder: Path, *, users: Iterable[str] = ("ann", "bob"), **settings: Any
) -> AsyncIterator[tuple[LiveServer, LiveServer]]:
    """Two servers that have joined each other; `ann` is an administrator of both. Each has users of its own."""
    names = tuple(users)
    common = {"providers": ("redis",), "redis_url": redis.url, **settings}
    async with (
        live_server(folder / "one", Market(), users=names, **common) as one,
        live_server(folder / "two", Market(), users=names, **common) as two,
    ):
        for server in (one, two):
            await server.app.accounts.set_admin("ann", is_admin=True)
        await until_joined(one, two)
        yield one, two


async def until_joined(*servers: LiveServer) -> None:
    """Return when all of them can reach each other."""
    names = {bus_of(server).name for server in servers}
    for server in servers:
        await until(lambda server=server: bus_of(server).why_alone is None)  # type: ignore[misc]
    while not names <= {bus_of(servers[0]).name, *await bus_of(servers[0]).presence.others()}:
        pass


async def told(client: RawClient, reason: str) -> Line:
    """The next NOTICE with this reason."""
    while (notice := await client.receive_until("NOTICE"))["reason"] != reason:
        pass
    return notice
