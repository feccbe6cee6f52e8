"""A server whose prices rise, or fall, by one a second, with alerts told to a webhook; for `alerts_kill_nine.py`.

    python alert_child.py FOLDER BEGAN WEBHOOK_PORT

It writes a line when it is ready, and runs until it is killed. `BEGAN` is the real time, in seconds, at which all
prices were at their start.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from stocktrack.app import App
from stocktrack.clock import RealClock
from stocktrack.config import Settings
from stocktrack.providers.base import QUESTION, Errand, QuoteAnswer, Source, StreamSink, Wanted
from stocktrack.quotes import MarketState, Quote
from stocktrack.target_settings import WebhookSettings

RISING: Final = tuple(f"UP{number:02}" for number in range(50))
FALLING: Final = tuple(f"DOWN{number:02}" for number in range(50))
USER: Final = "ann"
TARGET: Final = "hook"
SECRET: Final = "a secret of the test"
START: Final = 1_000.0
_TICK_SECONDS: Final = 0.05


def price_at(symbol: str, seconds: float) -> float:
    """The price so many seconds after all began."""
    return round(START + seconds if symbol in RISING else START - seconds, 2)


class Moving(Source):
    """A source that streams."""

    name = "moving"
    symbols_a_request = 1_000
    stream_places: int | None = None

    def __init__(self, began: float) -> None:
        self._began = began

    async def quotes(self, symbols: Sequence[str], errand: Errand = QUESTION) -> QuoteAnswer:
        """The price of now."""
        return QuoteAnswer(quotes={symbol: self._quote(symbol) for symbol in symbols})

    async def stream(self, wanted: Wanted, sink: StreamSink) -> None:
        """A price of each symbol, twenty times a second."""
        sink.opened()
        while True:
            sink.publish([self._quote(symbol) for symbol in wanted()])
            await asyncio.sleep(_TICK_SECONDS)

    def _quote(self, symbol: str) -> Quote:
        now = time.time()
        return Quote(
            symbol=symbol,
            price=price_at(symbol, now - self._began),
            market_state=MarketState.OPEN,
            timestamp=round(now * 1000),
            received_at=round(now * 1000),
            provider=self.name,
        )


async def _run(folder: Path, began: float, port: int) -> None:
    hook = WebhookSettings(
        kind="webhook", url=SecretStr(f"http://127.0.0.1:{port}/alerts"), secret=SecretStr(SECRET), timeout_seconds=5
    )
    settings = Settings(data_dir=folder, port=0, web_port=None, record_bars=False, alert_targets={TARGET: hook})
    app = App(settings, clock=RealClock(), providers=[Moving(began)])
    await app.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
