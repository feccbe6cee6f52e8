"""A server with a market by hand, for the tests of dialects, and lines of prices as a session is pushed them."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed

from fakes import NOW_MS, ScriptedStream
from live_server import LiveServer, live_server
from stocktrack.clock import ManualClock
from stocktrack.errors import Reason
from stocktrack.messages import BoardQuote, Price
from stocktrack.quotes import MarketState, Quote
from stocktrack.wire.lines import encode_line
from web_clients import SocketClient

MARKET_MS = NOW_MS - 900_000  # when the scene's prices were made


@dataclass(frozen=True, slots=True)
class DialectScene:
    """A server, the market behind it, and the clock of both."""

    server: LiveServer
    market: ScriptedStream
    clock: ManualClock

    async def token(self) -> str:
        """A token of ann's."""
        ann = await self.server.log_in()
        token: str = (await ann.ask({"type": "TOKEN"}))["token"]
        return token


@contextlib.asynccontextmanager
async def dialect_scene(folder: Path, **settings: Any) -> AsyncIterator[DialectScene]:
    """Such a scene, with these settings."""
    clock = ManualClock()
    market = ScriptedStream(clock)
    market.market_time = MARKET_MS
    async with live_server(folder, market, clock=clock, web=True, **settings) as server:
        yield DialectScene(server, market, clock)


async def goodbye(client: SocketClient) -> tuple[int, str]:
    """The code and the reason that the server closes with; what it says before is passed over."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            await client.message()
    return client.socket.close_code or 0, client.socket.close_reason or ""


def price_line(seq: int = 1, *, stale_reason: Reason | None = None, **fields: Any) -> bytes:
    """A PRICE line of AAPL at 189.45, with other fields where given; None leaves one out."""
    known: dict[str, Any] = {
        "symbol": "AAPL",
        "price": 189.45,
        "currency": "USD",
        "name": "Apple Inc.",
        "exchange": "NMS",
        "received_at": NOW_MS,
        "timestamp": NOW_MS - 1_204,
        "provider": "scripted",
        "market_state": MarketState.OPEN,
        **fields,
    }
    quote = Quote.model_validate({name: value for name, value in known.items() if value is not None})
    return encode_line(Price.of(BoardQuote.of(quote, seq=seq, stale_reason=stale_reason, retry_at=None)))
