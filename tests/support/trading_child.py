"""A server whose market trades every symbol each second, on a clock that runs fast; for `bars_kill_nine.py`.

    python trading_child.py FOLDER SPEED BEGAN

It writes a line when it is ready, and runs until it is killed. `BEGAN` is the real time, in seconds, at which its clock
showed `FIRST_MS`: a child that is started later goes on later.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from stocktrack.app import App
from stocktrack.bars import MINUTE_MS
from stocktrack.config import Settings
from stocktrack.providers.base import QUESTION, Errand, QuoteAnswer, Source, StreamSink, Wanted
from stocktrack.quotes import MarketState, Quote

FIRST_MS: Final = 1_712_331_900_000
SYMBOLS: Final = tuple(f"S{number:04}" for number in range(200))


class FastClock:
    """The machine's clocks, `speed` times as fast."""

    def __init__(self, speed: float, began: float) -> None:
        self._speed = speed
        self._began = began

    def now_ms(self) -> int:
        """Wall time, milliseconds since the epoch."""
        return FIRST_MS + round((time.time() - self._began) * self._speed * 1000)

    def monotonic(self) -> float:
        """Seconds that only ever rise."""
        return time.monotonic() * self._speed

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` of this clock."""
        await asyncio.sleep(max(0.0, seconds / self._speed))


def price_at(now_ms: int) -> float:
    """The price of every symbol: it rises through a minute by a cent a second, and each minute begins elsewhere."""
    minute, into_minute = divmod(now_ms, MINUTE_MS)
    return 100 + minute % 50 + into_minute // 1000 / 100


class Trading(Source):
    """A source that streams, and is not known to invent anything."""

    name = "trading"
    symbols_a_request = 1_000
    stream_places: int | None = None

    def __init__(self, clock: FastClock) -> None:
        self._clock = clock

    async def quotes(self, symbols: Sequence[str], errand: Errand = QUESTION) -> QuoteAnswer:
        """The price of now."""
        return QuoteAnswer(quotes={symbol: self._quote(symbol) for symbol in symbols})

    async def stream(self, wanted: Wanted, sink: StreamSink) -> None:
        """A price of each symbol a second."""
        sink.opened()
        while True:
            sink.publish([self._quote(symbol) for symbol in wanted()])
            await self._clock.sleep(1.0)

    def _quote(self, symbol: str) -> Quote:
        now = self._clock.now_ms()
        return Quote(
            symbol=symbol,
            price=price_at(now),
            market_state=MarketState.OPEN,
            timestamp=now,
            received_at=now,
            provider=self.name,
        )


class Nobody:
    """Satisfies `Watcher`."""

    def wake(self) -> None:
        """Nothing."""


async def _run(folder: Path, speed: float, began: float) -> None:
    clock = FastClock(speed, began)
    app = App(Settings(data_dir=folder, port=0, web_port=None), clock=clock, providers=[Trading(clock)])
    await app.start()
    app.board.watch(SYMBOLS, Nobody(), eager=False)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))
