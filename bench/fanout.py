"""What a price costs that is pushed to many TCP sessions: processor time, memory, and how late pushes come.

    PYTHONPATH=src python bench/fanout.py --sessions 1000 --symbols 20 --interval 1 --seconds 20

It starts a server on the simulated market, and `redis-server`, where that is installed, on the same work: as many
subscribers, as many symbols, as long prices. Both are measured in one run, one after the other, since times do not hold
from machine to machine. `--interval 0` is as prices change, once a second. It prints for each

- cpu: microseconds of the server's processor time for each price delivered
- memory: kilobytes that the server grew by for each session
- late: how far pushes were from the moment at which they were due, the worst one of each session (timed pushes)
"""

import argparse
import asyncio
import contextlib
import json
import os
import resource
import shutil
import socket
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

from crowd import connect_all
from served import served

NAME, PASSWORD = "bench", "bench-password"
PRICE_BYTES = 300  # what a PRICE of ours has, more or less
SETTLE_SECONDS = 3.0
MIN_FILES_TO_SPARE = 200


class Reader(asyncio.Protocol):
    """Counts prices, and notes when pushes came: what comes within 20 ms of each other is one push."""

    def __init__(self, greeting: bytes) -> None:
        self._greeting = greeting
        self.prices = 0
        self.pushed_at: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        cast("asyncio.Transport", transport).write(self._greeting)

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        count = data.count(b'"type":"PRICE"')
        if not count:
            return
        self.prices += count
        now = time.monotonic()
        if not self.pushed_at or now - self.pushed_at[-1] > 0.02:
            self.pushed_at.append(now)


def symbols(count: int) -> list[str]:
    """The names of as many simulated symbols."""
    return [f"S{number:04}" for number in range(count)]


def processor_seconds(pid: int) -> float:
    """What the process has used of the processor so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_kilobytes(pid: int) -> int:
    """What the process holds of memory now."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1])


async def measure(what: str, port: int, pid: int, greeting: bytes, options: argparse.Namespace) -> None:
    """Connect everybody, let it settle, measure, and print."""
    before = memory_kilobytes(pid)
    readers, transports = await connect_all(
        port, options.sessions, lambda _: Reader(greeting), lambda reader: reader.prices
    )
    await asyncio.sleep(SETTLE_SECONDS)
    grown = memory_kilobytes(pid) - before
    for reader in readers:
        reader.prices = 0
        reader.pushed_at.clear()
    began, used = time.monotonic(), processor_seconds(pid)
    await asyncio.sleep(options.seconds)
    used, took = processor_seconds(pid) - used, time.monotonic() - began
    delivered = sum(reader.prices for reader in readers)
    for transport in transports:
        transport.abort()
    told = f"{what:<11} cpu {used / max(1, delivered) * 1e6:6.3f} us, {delivered / took:9.0f} prices a second"
    told += f", memory {grown / options.sessions:5.1f} KB"
    worst = [lateness(reader.pushed_at, options.interval) for reader in readers if len(reader.pushed_at) > 1]
    if what == "stocktrack" and options.interval and worst:
        told += f", late: median {statistics.median(worst) * 1000:.0f} ms, most {max(worst) * 1000:.0f} ms"
    print(told, flush=True)


def lateness(pushed_at: list[float], interval: float) -> float:
    """How far the worst push was from its moment on the session's own grid."""
    offsets = [at - number * interval for number, at in enumerate(pushed_at)]
    middle = statistics.median(offsets)
    return max(abs(offset - middle) for offset in offsets)


async def stocktrack(options: argparse.Namespace) -> None:
    """Our server."""
    most = str(options.sessions + 1_000)
    async with served(
        SIMULATED_INTERVAL_SECONDS="1",
        MAX_SESSIONS=most,
        MAX_UNAUTHENTICATED_SESSIONS=most,
        MAX_UNAUTHENTICATED_PER_ADDRESS=most,
    ) as server:
        await server.stocktrack("users", "add", NAME, "--password-stdin", stdin=PASSWORD)
        subscribe = {"type": "SUBSCRIBE", "symbols": symbols(options.symbols), "interval": options.interval}
        login = {"type": "AUTH", "username": NAME, "password": PASSWORD}
        greeting = b"".join(json.dumps(each).encode() + b"\n" for each in (login, {**subscribe, "save": False}))
        await measure("stocktrack", server.port, server.ready["pid"], greeting, options)


@contextlib.asynccontextmanager
async def a_redis() -> AsyncIterator[tuple[int, int]]:
    """The process id and the port of a Redis that keeps nothing on disk."""
    with tempfile.TemporaryDirectory() as folder, contextlib.closing(socket.create_server(("127.0.0.1", 0))) as sock:
        port = sock.getsockname()[1]
        sock.close()
        unbounded = ("--client-output-buffer-limit", "pubsub 0 0 0", "--maxclients", "100000")
        process = await asyncio.create_subprocess_exec(
            *("redis-server", "--port", str(port), "--save", "", "--dir", folder, *unbounded),
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            for _ in range(100):
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                await asyncio.sleep(0.05)
            yield process.pid, port
        finally:
            process.terminate()
            await process.wait()


async def redis(options: argparse.Namespace) -> None:
    """Redis on the same work: every symbol is published once a second."""
    async with a_redis() as (pid, port):
        publishing = asyncio.create_task(publish(port, options.symbols))
        greeting = resp("SUBSCRIBE", *(f"stock:{symbol}" for symbol in symbols(options.symbols)))
        try:
            await measure("redis", port, pid, greeting, options)
        finally:
            publishing.cancel()
            await asyncio.gather(publishing, return_exceptions=True)


async def publish(port: int, count: int) -> None:
    """Publish every symbol once a second, all in one write."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    due = time.monotonic()
    while True:
        price = '{"type":"PRICE","price":189.45,"padding":"'.ljust(PRICE_BYTES - 2, "x") + '"}'
        writer.write(b"".join(resp("PUBLISH", f"stock:{symbol}", price) for symbol in symbols(count)))
        await reader.read(65_536)
        due += 1.0
        await asyncio.sleep(max(0.0, due - time.monotonic()))


def resp(*words: str) -> bytes:
    """A command as Redis reads it."""
    parts = b"".join(b"$%d\r\n%s\r\n" % (len(word), word.encode()) for word in words)
    return b"*%d\r\n%s" % (len(words), parts)


async def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=1_000)
    parser.add_argument("--symbols", type=int, default=20)
    parser.add_argument("--interval", type=float, default=1.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    if options.sessions + MIN_FILES_TO_SPARE > most_files:
        parser.error(f"this process may open {most_files} files: fewer sessions, or a higher ulimit -n")
    await stocktrack(options)
    if shutil.which("redis-server") is None:
        print("redis-server is not installed: there is nothing to compare with")
    else:
        await redis(options)


if __name__ == "__main__":
    asyncio.run(main())
