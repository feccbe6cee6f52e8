"""What several workers bring against one: prices delivered and commands answered, and who used the processor for it.

    PYTHONPATH=src python bench/workers.py --workers 1 2 --sessions 500 --symbols 50 --hertz 10 --seconds 8

It needs `redis-server`. One worker is a plain server with the market in its own process; several are `--workers N` with
a feed and a Redis behind a Unix socket. The load comes from a process of its own. All of them share the machine's
cores: the processor seconds that stand behind each figure, per second, say what the limit was.
"""

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

from crowd import connect_all
from fanout import NAME, PASSWORD, Reader, processor_seconds, symbols
from served import Served, served

SETTLE_SECONDS = 3.0
ASKING_SESSIONS = 100
PIPELINED = 20


@contextlib.asynccontextmanager
async def a_redis() -> AsyncIterator[tuple[int, str]]:
    """The process id and the address of a Redis behind a Unix socket that keeps nothing on disk."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "redis.sock"
        process = await asyncio.create_subprocess_exec(
            *("redis-server", "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", folder),
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            while not path.exists():  # noqa: ASYNC110 - another process makes it
                await asyncio.sleep(0.05)
            yield process.pid, f"unix://{path}"
        finally:
            process.terminate()
            await process.wait()


class Asker(asyncio.Protocol):
    """Asks for a price again as often as it is answered, some commands ahead."""

    def __init__(self, greeting: bytes) -> None:
        self._greeting = greeting
        self._command = b'{"type":"GET","symbol":"S0001"}\n'
        self._transport: asyncio.Transport | None = None
        self.prices = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._greeting + self._command * PIPELINED)

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        answered = data.count(b'"type":"GET"')
        self.prices += answered
        if answered and self._transport is not None:
            self._transport.write(self._command * answered)


def load(channel: Connection, port: int, kind: str, greeting: bytes, sessions: int) -> None:
    """Be the clients, in a process of their own: tell how much came between two words of the parent."""

    async def run() -> None:
        make: type[Reader] | type[Asker] = Reader if kind == "push" else Asker
        clients, _ = await connect_all(port, sessions, lambda _: make(greeting), lambda client: client.prices)
        channel.send("all are served")
        while True:
            await asyncio.to_thread(channel.recv)
            channel.send((time.monotonic(), sum(client.prices for client in clients)))

    with contextlib.suppress(EOFError):
        asyncio.run(run())


async def measure(what: str, server: Served, pids: Mapping[str, int], options: argparse.Namespace, kind: str) -> None:
    """Connect everybody, let it settle, measure, and print."""
    login = {"type": "AUTH", "username": NAME, "password": PASSWORD}
    lines = [login]
    if kind == "push":
        lines.append({"type": "SUBSCRIBE", "symbols": symbols(options.symbols), "interval": 0, "save": False})  # type: ignore[dict-item]
    greeting = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    ours, theirs = multiprocessing.Pipe()
    sessions = options.sessions if kind == "push" else ASKING_SESSIONS
    clients = multiprocessing.get_context("spawn").Process(
        target=load, args=(theirs, server.port, kind, greeting, sessions)
    )
    clients.start()
    try:
        everybody = {**pids, "clients": clients.pid or 0}
        async with asyncio.timeout(120):
            await asyncio.to_thread(ours.recv)
        await asyncio.sleep(SETTLE_SECONDS)
        used = {name: processor_seconds(pid) for name, pid in everybody.items()}
        ours.send("now")
        began, before = await asyncio.to_thread(ours.recv)
        await asyncio.sleep(options.seconds)
        ours.send("now")
        ended, after = await asyncio.to_thread(ours.recv)
        took = ended - began
        shares = ", ".join(
            f"{name} {(processor_seconds(pid) - used[name]) / took:.2f}" for name, pid in everybody.items()
        )
        print(f"{what:<10} {kind:<5} {(after - before) / took:10.0f} a second; cores: {shares}", flush=True)
    finally:
        clients.kill()
        clients.join()


async def with_workers(workers: int, options: argparse.Namespace) -> None:
    """Measure a server with so many workers."""
    settings = {
        "SIMULATED_INTERVAL_SECONDS": str(1 / options.hertz),
        "COMMANDS_PER_SECOND": "1000000",
        "COMMAND_BURST": "1000000",
        "BYTES_PER_SECOND": "1000000000",
        "LOG_LEVEL": "info",
    }
    async with contextlib.AsyncExitStack() as stack:
        pids = {}
        if workers > 1:
            pids["redis"], settings["REDIS_URL"] = await stack.enter_async_context(a_redis())
            settings["WORKERS"] = str(workers)
        server = await stack.enter_async_context(served(**settings))
        await server.stocktrack("users", "add", NAME, "--password-stdin", stdin=PASSWORD)
        pids |= server.ready.get("pids", {"server": server.ready["pid"]})
        for kind in ("push", "ask"):
            await measure(f"{workers} worker{'s' * (workers > 1)}", server, pids, options, kind)


async def main() -> None:
    """Measure each count of workers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--sessions", type=int, default=500)
    parser.add_argument("--symbols", type=int, default=50)
    parser.add_argument("--hertz", type=float, default=10.0)
    parser.add_argument("--seconds", type=float, default=8.0)
    options = parser.parse_args()
    if shutil.which("redis-server") is None:
        parser.error("redis-server is not installed")
    print(f"{os.cpu_count()} cores", flush=True)
    for workers in options.workers:
        await with_workers(workers, options)


if __name__ == "__main__":
    asyncio.run(main())
