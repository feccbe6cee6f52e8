"""A sink that does what a test tells it to: takes everything, refuses, hangs, or breaks in an unexpected way."""

import asyncio
from collections.abc import Sequence

from stocktrack.messages import BoardQuote
from stocktrack.sinks.base import SinkError


class FakeSink:
    """Satisfies `Sink`; `taken` has what it took, as symbol and `seq`."""

    def __init__(self, name: str = "fake://sink") -> None:
        self.name = name
        self.taken: list[tuple[str, int]] = []
        self.batches: list[int] = []
        self.refuses_to_open: str | None = None
        self.refuses: str | None = None
        self.breaks: Exception | None = None
        self.hangs = False
        self.hangs_at_close = False
        self.opened = 0
        self.closed = 0

    async def open(self) -> None:
        self.opened += 1
        if self.refuses_to_open is not None:
            raise SinkError(self.refuses_to_open)

    async def write(self, quotes: Sequence[BoardQuote]) -> None:
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        if self.breaks is not None:
            raise self.breaks
        if self.refuses is not None:
            raise SinkError(self.refuses)
        self.batches.append(len(quotes))
        self.taken += [(quote.symbol, quote.seq) for quote in quotes]

    async def close(self) -> None:
        self.closed += 1
        if self.hangs_at_close:
            await asyncio.get_running_loop().create_future()
