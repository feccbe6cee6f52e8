"""A small streamer of Yahoo's for tests: real messages, in the format that the real yfinance brings.

    async with yahoo_streamer() as streamer:
        await streamer.tick("ACME", 101.5, market_hours=1)      # to whoever has subscribed to it

It acknowledges nothing, knows any symbol, and says nothing by itself, as the real one does.
"""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from yfinance.pricing_pb2 import PricingData

from stream_server import StreamServer, VendorConnection, running

NOW_MS = 1_712_331_900_000
EQUITY, HEARTBEAT, INDEX, CURRENCY, FUTURE, COIN = 8, 7, 9, 14, 18, 41
PRE, REGULAR, POST = 0, 1, 2


def pricing(symbol: str, price: float, **fields: Any) -> Any:
    """The protobuf of a tick: a share's in the regular hours, unless `fields` say otherwise."""
    given = {"time": NOW_MS, "quote_type": EQUITY, "market_hours": REGULAR, "price_hint": 2, **fields}
    return PricingData(id=symbol, price=price, **given)


def tick(symbol: str, price: float, **fields: Any) -> dict[str, str]:
    """A tick as it is sent."""
    return {
        "type": "pricing",
        "message": base64.b64encode(pricing(symbol, price, **fields).SerializeToString()).decode(),
    }


class YahooStreamer(StreamServer):
    """The stand-in; `subscriptions` holds what each connection has subscribed to so far."""

    def __init__(self) -> None:
        super().__init__()
        self.subscriptions: dict[VendorConnection, set[str]] = {}

    async def respond(self, connection: VendorConnection, message: Any) -> None:
        """Nothing is acknowledged."""
        symbols = self.subscriptions.setdefault(connection, set())
        symbols.update(message.get("subscribe", ()))
        symbols.difference_update(message.get("unsubscribe", ()))

    async def tick(self, symbol: str, price: float, **fields: Any) -> None:
        """Send a tick to all who have subscribed to the symbol."""
        for connection, symbols in list(self.subscriptions.items()):
            if symbol in symbols and connection.is_open:
                await connection.send(tick(symbol, price, **fields))


@asynccontextmanager
async def yahoo_streamer() -> AsyncIterator[YahooStreamer]:
    """The streamer on a free port of the loopback until the block ends."""
    async with running(YahooStreamer(), path="/?version=2") as streamer:
        yield streamer
