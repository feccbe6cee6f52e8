"""What it costs to serve by Redis: one feed and two servers, beside one server that asks its source itself.

    PYTHONPATH=src python bench/several_servers.py --symbols 1000 --changes 50 --clients 10 --seconds 10

The simulated market changes every symbol so many times a second. Every client is pushed all symbols as they change;
with Redis half of them are at each server. Both are measured in one run, one after the other. It prints of each

- cpu: per cent of one core, of each process
- changes: how many a second the source made, and how many prices a second each client got of them (others were merged)
- late: from the source's clock to the client, of every hundredth price: median, 99th percentile
"""

import argparse
import asyncio
import contextlib
import json
import os
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import cast

from fanout import a_redis, processor_seconds, symbols
from served import STOCKTRACK, Served, served

NAME, PASSWORD = "bench", "bench-password"
SETTLE_SECONDS = 3.0
ONE_IN = 100
_PRICE = re.compile(rb'"symbol":"(\w+)".*?"timestamp":(\d+).*?"seq":(\d+)')


class Reader(asyncio.Protocol):
    """Counts prices, and looks at some of them."""

    def __init__(self, greeting: bytes) -> None:
        self._greeting = greeting
        self._rest = b""
        self.is_measuring = False
        self.prices = 0
        self.late_ms: list[float] = []
        self.first_seq: dict[bytes, int] = {}
        self.last_seq: dict[bytes, int] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        cast("asyncio.Transport", transport).write(self._greeting)

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        now_ms = time.time() * 1000
        for line in lines:
            if not line.startswith(b'{"type":"PRICE"'):
                continue
            self.prices += 1
            if self.is_measuring and self.prices % ONE_IN == 0 and (found := _PRICE.search(line)):
                symbol, at, seq = found[1], int(found[2]), int(found[3])
                self.late_ms.append(now_ms - at)
                self.first_seq.setdefault(symbol, seq)
                self.last_seq[symbol] = seq


async def measure(what: str, ports: list[int], pids: Mapping[str, int], options: argparse.Namespace) -> None:
    """Connect the clients, let it settle, measure, and print."""
    loop = asyncio.get_running_loop()
    subscribe = {"type": "SUBSCRIBE", "symbols": symbols(options.symbols), "interval": 0, "save": False}
    login = {"type": "AUTH", "username": NAME, "password": PASSWORD}
    greeting = b"".join(json.dumps(each).encode() + b"\n" for each in (login, subscribe))
    readers: list[Reader] = []
    transports = []
    for number in range(options.clients):
        transport, reader = await loop.create_connection(
            lambda: Reader(greeting), "127.0.0.1", ports[number % len(ports)]
        )
        transports.append(transport)
        readers.append(reader)
    async with asyncio.timeout(60):
        while not all(reader.prices >= options.symbols for reader in readers):  # noqa: ASYNC110 - it is a benchmark
            await asyncio.sleep(0.1)
    await asyncio.sleep(SETTLE_SECONDS)
    for reader in readers:
        reader.prices, reader.is_measuring = 0, True
    used = {name: processor_seconds(pid) for name, pid in pids.items()}
    own, began = time.process_time(), time.monotonic()
    await asyncio.sleep(options.seconds)
    took = time.monotonic() - began
    own = time.process_time() - own
    shares = {name: (processor_seconds(pid) - used[name]) / took * 100 for name, pid in pids.items()}
    each = statistics.mean(reader.prices for reader in readers) / took
    rises = [reader.last_seq[key] - seq for reader in readers for key, seq in reader.first_seq.items()]
    late = sorted(at for reader in readers for at in reader.late_ms)
    for transport in transports:
        transport.abort()
    cpu = ", ".join(f"{name} {share:.0f} %" for name, share in shares.items())
    changes = statistics.median(rises) / took * options.symbols if rises else 0.0
    told = f"{what:<14} cpu: {cpu}, clients {own / took * 100:.0f} %; changes {changes:,.0f} a second"
    told += f", each client {each:,.0f}; late: median {statistics.median(late):.1f} ms"
    print(f"{told}, 99 % {late[int(len(late) * 0.99)]:.1f} ms", flush=True)


@contextlib.asynccontextmanager
async def a_feed(redis_port: int, options: argparse.Namespace) -> AsyncIterator[int]:
    """The process id of a feed that publishes."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("STOCKTRACK_")}
        environment |= {
            "STOCKTRACK_DATA_DIR": folder,
            "STOCKTRACK_REDIS_URL": f"redis://127.0.0.1:{redis_port}",
            "STOCKTRACK_PROVIDERS": "simulated",
            "STOCKTRACK_SIMULATED_INTERVAL_SECONDS": str(1 / options.changes),
            "STOCKTRACK_LOG_FORMAT": "json",
        }
        log = Path(folder) / "log"
        with log.open("wb") as stream:
            process = await asyncio.create_subprocess_exec(
                *STOCKTRACK, "feed", env=environment, stdout=subprocess.DEVNULL, stderr=stream
            )
        try:
            async with asyncio.timeout(30):
                while b'"leading"' not in log.read_bytes():  # noqa: ASYNC110 - another process writes it
                    await asyncio.sleep(0.1)
            yield process.pid
        finally:
            process.terminate()
            await process.wait()


async def a_user(server: Served) -> None:
    """Have the user who is everybody here."""
    await server.stocktrack("users", "add", NAME, "--password-stdin", stdin=PASSWORD)


async def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--symbols", type=int, default=1_000)
    parser.add_argument("--changes", type=float, default=50.0, help="of each symbol a second")
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    settings = {"MAX_SYMBOLS": str(max(500, options.symbols))}
    async with served(**settings, SIMULATED_INTERVAL_SECONDS=str(1 / options.changes)) as server:
        await a_user(server)
        await measure("without Redis", [server.port], {"server": server.ready["pid"]}, options)
    async with a_redis() as (redis_pid, redis_port), a_feed(redis_port, options) as feed_pid:
        settings |= {"PROVIDERS": "redis", "REDIS_URL": f"redis://127.0.0.1:{redis_port}"}
        async with served(**settings) as one, served(**settings, DATABASE_URL=one.database_url) as other:
            await a_user(one)
            pids = {"feed": feed_pid, "redis": redis_pid, "one": one.ready["pid"], "other": other.ready["pid"]}
            await measure("through Redis", [one.port, other.port], pids, options)


if __name__ == "__main__":
    asyncio.run(main())
