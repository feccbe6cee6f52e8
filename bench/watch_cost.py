"""What `stocktrack watch` costs while it shows a busy market, and how soon it shows a first price, in real terminals.

A real server on the simulated market, in which every symbol changes so often, and the real command in a pseudo-terminal
of 160 columns and 50 rows that is read all the time.

    python bench/watch_cost.py [--seconds 20] [--starts 10] [--busy 0]

`--busy` keeps as many other processes at work while starts are measured. What was measured stands in
docs/decisions/0082-what-a-screen-does-not-show-is-not-taken.md.
"""

import argparse
import asyncio
import contextlib
import fcntl
import os
import pty
import re
import signal
import statistics
import struct
import subprocess
import sys
import termios
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

from served import STOCKTRACK, served

COLUMNS, ROWS = 160, 50
USER, PASSWORD = "ann", "correct horse battery"
SETTLE_SECONDS = 5.0
START_SECONDS = 30.0
# A row of the board with a price: the symbol, then digits with a decimal point.
_PRICE = re.compile(rb"[0-9]\.[0-9]{2}")


def main() -> None:
    """Measure all of it, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="length of each measurement of the running board")
    parser.add_argument("--starts", type=int, default=10, help="how many starts are measured")
    parser.add_argument("--busy", type=int, default=0, help="processes that keep the processor busy meanwhile")
    options = parser.parse_args()
    asyncio.run(measure(options.seconds, options.starts, options.busy))


async def measure(seconds: float, starts: int, busy: int) -> None:
    """The costs at several loads, then the starts."""
    for symbols, interval in ((200, 0.1), (200, 20.0), (500, 0.1)) if seconds else ():
        async with a_market(interval) as environment:
            share = await cost(environment, symbols, seconds)
        changes = symbols / interval
        print(f"{symbols} symbols, {changes:6,.0f} changes a second: {share:6.1%} of a core", flush=True)
    if not starts:
        return
    async with a_market(1.0) as environment:
        with occupied(busy):
            firsts = [await first_price(environment, ("watch", "AAPL", "TSLA")) for _ in range(starts)]
            gets = [await first_price(environment, ("get", "AAPL")) for _ in range(starts)]
    for name, times in (("watch to its first price", firsts), ("get to its price", gets)):
        print(f"{name}: median {statistics.median(times):.3f} s, {min(times):.3f} to {max(times):.3f} s of {starts}")


@contextlib.asynccontextmanager
async def a_market(interval_seconds: float) -> AsyncIterator[Mapping[str, str]]:
    """A server whose symbols change so often; yields the environment of a client of it."""
    async with served(SIMULATED_INTERVAL_SECONDS=str(interval_seconds)) as server:
        await server.stocktrack("users", "add", USER, "--password-stdin", stdin=f"{PASSWORD}\n")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("STOCKTRACK_")}
        yield environment | {
            "STOCKTRACK_DATA_DIR": str(server.folder / "client"),
            "STOCKTRACK_PORT": str(server.port),
            "STOCKTRACK_USER": USER,
            "STOCKTRACK_PASSWORD": PASSWORD,
            "TERM": "xterm-256color",
        }


class Screen:
    """A command in a pseudo-terminal that takes all it draws."""

    def __init__(self, environment: Mapping[str, str], arguments: tuple[str, ...]) -> None:
        self.began = time.perf_counter()
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
            os.execve(sys.executable, [*STOCKTRACK, *arguments], dict(environment))  # noqa: S606 - this very program
        self.drawn = bytearray()
        self.bytes_drawn = 0
        self.has_price = asyncio.Event()
        self.first_price_seconds = 0.0
        asyncio.get_running_loop().add_reader(self._terminal, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._terminal, 1 << 16)
        except OSError:  # the command has ended
            asyncio.get_running_loop().remove_reader(self._terminal)
            return
        self.bytes_drawn += len(data)
        if not self.has_price.is_set():
            self.drawn += data
            if _PRICE.search(self.drawn):
                self.first_price_seconds = time.perf_counter() - self.began
                self.has_price.set()

    def cpu_seconds(self) -> float:
        """What the command has used of the processor until now, by the scheduler: `stat` only counts ticks."""
        tasks = Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def close(self) -> None:
        """End the command, which may have ended already."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._terminal)
        os.kill(self.pid, signal.SIGTERM)  # it stays ours until it is waited for
        os.close(self._terminal)
        os.waitpid(self.pid, 0)


async def cost(environment: Mapping[str, str], symbols: int, seconds: float) -> float:
    """Processor seconds a second of the board, from some time after its first price on."""
    screen = Screen(environment, ("watch", *(f"S{number:04}" for number in range(symbols))))
    try:
        async with asyncio.timeout(START_SECONDS):
            await screen.has_price.wait()
        await asyncio.sleep(SETTLE_SECONDS)
        before, began = screen.cpu_seconds(), time.perf_counter()
        await asyncio.sleep(seconds)
        return (screen.cpu_seconds() - before) / (time.perf_counter() - began)
    finally:
        screen.close()


async def first_price(environment: Mapping[str, str], arguments: tuple[str, ...]) -> float:
    """Seconds from the start of the process until a price stands on its screen."""
    screen = Screen(environment, arguments)
    try:
        async with asyncio.timeout(START_SECONDS):
            await screen.has_price.wait()
        return screen.first_price_seconds
    finally:
        screen.close()


@contextlib.contextmanager
def occupied(count: int) -> Iterator[None]:
    """Keep so many processes busy meanwhile."""
    busy = [subprocess.Popen((sys.executable, "-c", "while True: pass")) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
