"""A source that streams a price of each symbol at every tick, for the servers that the faults kill."""

import asyncio
import sys
from collections.abc import Callable, Sequence

from stocktrack.clock import Clock
from stocktrack.providers.base import QUESTION, Errand, QuoteAnswer, Source, StreamSink, Wanted
from stocktrack.quotes import MarketState, Quote


class MovingSource(Source):
    """It is not known to invent anything; ``price_at(symbol, now_ms)`` says each price."""

    name = "moving"
    symbols_a_request = 1_000
    stream_places: int | None = None

    def __init__(self, clock: Clock, price_at: Callable[[str, int], float], *, tick_seconds: float) -> None:
        self._clock = clock
        self._price_at = price_at
        self._tick_seconds = tick_seconds

    async def quotes(self, symbols: Sequence[str], errand: Errand = QUESTION) -> QuoteAnswer:
        """The price of now."""
        return QuoteAnswer(quotes={symbol: self._quote(symbol) for symbol in symbols})

    async def stream(self, wanted: Wanted, sink: StreamSink) -> None:
        """A price of each symbol at every tick of the clock."""
        sink.opened()
        while True:
            sink.publish([self._quote(symbol) for symbol in wanted()])
            await self._clock.sleep(self._tick_seconds)

    def _quote(self, symbol: str) -> Quote:
        now_ms = self._clock.now_ms()
        return Quote(
            symbol=symbol,
            price=self._price_at(symbol, now_ms),
            market_state=MarketState.OPEN,
            timestamp=now_ms,
            received_at=now_ms,
            provider=self.name,
        )


async def until_killed() -> None:
    """Write the line of a server that is ready, and wait for the end of the process."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()
