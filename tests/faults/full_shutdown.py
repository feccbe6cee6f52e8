"""SIGTERM with thousands of sessions: each is told 501, and the server is gone with 0 within five seconds.

    PYTHONPATH=tests/support python tests/faults/full_shutdown.py [SESSIONS]

Each session is logged in and is pushed its own 20 of 2,000 symbols every second; all of them read. It exits 1 where one
is not told, or the server takes too long. Measured with 5,000: all told, gone after 2.6 s.
"""

import asyncio
import json
import resource
import signal
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from server_process import ServerProcess, server_process

SYMBOLS, SYMBOLS_A_SESSION, EXIT_SECONDS = 2_000, 20, 5.0
AT_ONCE = 200


class Reader(asyncio.Protocol):
    """A client that notes whether it was told that the server stops, and lets all else pass."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._tail = b""
        loop = asyncio.get_running_loop()
        self.subscribed: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self.is_told = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Log in and subscribe."""
        assert isinstance(transport, asyncio.Transport)
        symbols = [f"S{(self._number * 7 + n) % SYMBOLS}" for n in range(SYMBOLS_A_SESSION)]
        for command in (
            {"type": "AUTH", "username": "ann"},
            {"type": "SUBSCRIBE", "symbols": symbols, "interval": 1, "save": False},
        ):
            transport.write(json.dumps(command).encode() + b"\n")

    def data_received(self, data: bytes) -> None:
        """Look for the two lines that count."""
        data = self._tail + data
        if not self.subscribed.done() and b'"type":"SUBSCRIBE"' in data:
            self.subscribed.set_result(None)
        self.is_told = self.is_told or b'"status":"SERVER_SHUTDOWN"' in data
        self._tail = data[-256:]

    def connection_lost(self, exc: Exception | None) -> None:
        """The server has closed."""
        if not self.closed.done():
            self.closed.set_result(None)


async def connect(server: ServerProcess, numbers: range) -> list[Reader]:
    """So many clients, all of them subscribed."""
    loop = asyncio.get_running_loop()
    made = await asyncio.gather(
        *(loop.create_connection(partial(Reader, number), server.host, server.port) for number in numbers)
    )
    readers = [protocol for _, protocol in made]
    await asyncio.gather(*(reader.subscribed for reader in readers))
    return readers


async def main(count: int) -> int:
    """Run it and say what was seen."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as folder:
        async with server_process(Path(folder), STOCKTRACK_ALLOWLIST="ann") as server:
            readers: list[Reader] = []
            for first in range(0, count, AT_ONCE):
                readers += await connect(server, range(first, min(first + AT_ONCE, count)))
            began = time.monotonic()
            server.signal(signal.SIGTERM)
            code = await server.exit_code(within=30)
            seconds = time.monotonic() - began
            await asyncio.wait([reader.closed for reader in readers], timeout=5)
    told = sum(reader.is_told for reader in readers)
    print(f"{told} of {count} sessions were told; exit {code} after {seconds:.1f} s")
    return int(told < count or code != 0 or seconds > EXIT_SECONDS)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5_000)))
