"""A server to be ended by `e2e/test_process.py`: its source of quotes never answers, and holds its threads for ever."""

import asyncio
import socket
from collections.abc import Sequence

from stocktrack.app import App, serve
from stocktrack.config import load_settings
from stocktrack.providers.base import QUESTION, Errand, QuoteAnswer, Source
from stocktrack.system.blocking import BlockingPool
from stocktrack.system.logs import configure_logs
from stocktrack.system.processes import raise_descriptor_limit


class HungSource(Source):
    """Waits in a system call, out of reach of everybody, for what will never come."""

    name = "hung"
    symbols_a_request = 50

    def __init__(self) -> None:
        self._pool = BlockingPool("hung", 2)
        self._sockets = socket.socketpair()

    async def start(self) -> None:
        """Nothing has to be warmed up."""

    async def close(self) -> None:
        """Give the pool up; its threads hang."""
        self._pool.close()

    async def quotes(self, symbols: Sequence[str], errand: Errand = QUESTION) -> QuoteAnswer:
        await self._pool.run(self._sockets[0].recv, len(symbols))
        raise AssertionError("nobody sends anything")


if __name__ == "__main__":
    settings = load_settings().settings
    configure_logs(settings.log_format, settings.log_level)
    raise_descriptor_limit()
    asyncio.run(serve(App(settings, providers=[HungSource()])))
