"""A server whose prices rise, or fall, by one a second, with alerts told to a webhook; for `alerts_kill_nine.py`.

    python alert_child.py FOLDER BEGAN WEBHOOK_PORT

It writes a line when it is ready, and runs until it is killed. `BEGAN` is the real time, in seconds, at which all
prices were at their start.
"""

import asyncio
import sys
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from moving_source import MovingSource, until_killed
from stocktrack.app import App
from stocktrack.clock import RealClock
from stocktrack.config import Settings
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


async def _run(folder: Path, began: float, port: int) -> None:
    hook = WebhookSettings(
        kind="webhook", url=SecretStr(f"http://127.0.0.1:{port}/alerts"), secret=SecretStr(SECRET), timeout_seconds=5
    )
    settings = Settings(data_dir=folder, port=0, web_port=None, record_bars=False, alert_targets={TARGET: hook})
    clock = RealClock()
    source = MovingSource(
        clock, lambda symbol, now_ms: price_at(symbol, now_ms / 1000 - began), tick_seconds=_TICK_SECONDS
    )
    await App(settings, clock=clock, providers=[source]).start()
    await until_killed()


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
