"""Messages to targets, what stands in their way, and what must be gone when they have been sent or not."""

import asyncio
import os
import threading
from pathlib import Path

from patience import PATIENCE_SECONDS
from stocktrack.alert_targets.base import AlertMessage

NOW_MS = 1_712_331_900_000  # Fri, 05 Apr 2024 15:45:00 GMT

# Texts as an attacker would write them, where a user can write any.
NASTY = (
    "AAPL\r\nBcc: eve@evil.example\r\n\r\nhello",
    "\n.\r\nMAIL FROM:<eve@evil.example>",
    "{symbol} {0} %s %0d%0aX-Evil:%201 ${HOME} $(id) `id`",
    "\u202eesrever\u202c \u200b\ufeff \x1b]8;;http://evil.example\x07click\x1b]8;;\x07",
    "\ud800 lone",
    "=?utf-8?q?Bcc=3A_eve=40evil=2Eexample?=",
    "http://169.254.169.254/latest/meta-data https://evil.example/?x",
    "x" * 100_000,
    "\0",
)


def message(**changes: object) -> AlertMessage:
    """One alert that fired."""
    values: dict[str, object] = {
        "id": "d-7f3a",
        "alert": "a7",
        "symbol": "AAPL",
        "when": "crosses_above",
        "value": 200.0,
        "price": 200.12,
        "currency": "USD",
        "timestamp": NOW_MS,
        "message": "AAPL 200.12 USD rose above 200.",
        "username": "ann",
    }
    return AlertMessage(**(values | changes))  # type: ignore[arg-type]  # a test may give what it likes


def nasty_messages() -> list[AlertMessage]:
    """Each of the texts wherever a text may stand."""
    return [message(symbol=text, when=text, currency=text, message=text, username=text, alert=text) for text in NASTY]


async def no_threads_left(name: str) -> None:
    """Return when no thread whose name begins so is left."""
    for thread in threading.enumerate():
        if thread.name.startswith(name):
            await asyncio.to_thread(thread.join, PATIENCE_SECONDS)
            assert not thread.is_alive()


def open_descriptors() -> int:
    """How many this process has."""
    return len(list(Path("/proc/self/fd").iterdir())) - 1


async def gone(pid: int) -> None:
    """Return when the process of that number has ended, whoever collects it."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(process, ended.set)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await ended.wait()
    finally:
        loop.remove_reader(process)
        os.close(process)
