"""A server with its page, whose source and clock the test holds in its hand.

async with market(tmp_path, "ann") as house:
    house.provider.prices["AAPL"] = 101.5
    await house.tick()
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fakes import ScriptedProvider
from live_server import LiveServer, live_server
from stocktrack.clock import ManualClock
from stocktrack.quotes import Match

POLL_SECONDS = 5.0


@dataclass(slots=True)
class Market:
    """A server with its page; `tick` lets the source be asked again."""

    clock: ManualClock
    provider: ScriptedProvider
    address: str
    server: LiveServer

    @property
    def web_port(self) -> int:
        port = urlsplit(self.address).port
        assert port is not None
        return port

    async def tick(self, seconds: float = POLL_SECONDS) -> None:
        await self.clock.advance(seconds)


@contextlib.asynccontextmanager
async def market(folder: Path, *users: str, web_port: int = 0, **settings: Any) -> AsyncIterator[Market]:
    clock = ManualClock()
    provider = ScriptedProvider(clock)
    provider.matches = [Match(symbol="AAPL", name="Apple Inc.", exchange="NASDAQ"), Match(symbol="TSLA", name="Tesla")]
    async with live_server(folder, provider, users=users, clock=clock, web_port=web_port, **settings) as server:
        address = server.app.web.address
        assert address is not None
        yield Market(clock, provider, address, server)
