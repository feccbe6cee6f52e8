"""A server whose market trades every symbol each second, on a clock that runs fast; for `bars_kill_nine.py`.

    python trading_child.py FOLDER SPEED BEGAN

It writes a line when it is ready, and runs until it is killed. `BEGAN` is the real time, in seconds, at which its clock
showed `FIRST_MS`: a child that is started later goes on later.
"""

import asyncio
import sys
import time
from pathlib import Path
from typing import Final

from moving_source import MovingSource, until_killed
from stocktrack.app import App
from stocktrack.bars import MINUTE_MS
from stocktrack.config import Settings

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


class Nobody:
    """Satisfies `Watcher`."""

    def wake(self) -> None:
        """Nothing."""


async def _run(folder: Path, speed: float, began: float) -> None:
    clock = FastClock(speed, began)
    source = MovingSource(clock, lambda _symbol, now_ms: price_at(now_ms), tick_seconds=1.0)
    app = App(Settings(data_dir=folder, port=0, web_port=None), clock=clock, providers=[source])
    await app.start()
    app.board.watch(SYMBOLS, Nobody(), eager=False)
    await until_killed()


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))
