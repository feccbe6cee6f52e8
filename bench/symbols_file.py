"""What an instrument file costs a server: the time to load it, memory, searches, and how prices feel a reload.

    PYTHONPATH=tests/support python bench/symbols_file.py [--rows 100000] [--file instruments.csv]

Without --file it makes one as Kite serves it. Memory is the server's resident set when it is ready, with the file and
without, and its highest until then. The answers to PING tell for how long nobody else had a turn.

Measured: see docs/decisions/0046-a-contract-is-what-a-file-says.md.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from served import RawClient, Served, served

from kite_instruments import write_instruments

QUERIES: tuple[dict[str, str], ...] = (
    *({"query": "RELIANCE"}, {"query": "RELIANCE", "segment": "FO"}, {"query": "nifty", "segment": "O"}),
    *({"query": "e"}, {"query": "reliance industries"}, {"query": "bank 10050 ce"}, {"query": "zebra", "segment": "C"}),
    {"query": "nifty zebra", "segment": "FO"},
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--file", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stocktrack-bench-") as folder:
        path = given.file
        if path is None:
            expiry = (datetime.now(UTC) + timedelta(days=20)).date()
            path = write_instruments(Path(folder) / "instruments.csv", given.rows, expiry)
        asyncio.run(measure(path))


async def measure(path: Path) -> None:
    """Print each figure."""
    async with served() as server:
        without, highest = memory_mb(server)
        print(f"without a file: {without:.1f} MB, {highest:.1f} MB at the most")
    async with served(SYMBOLS_FILE=str(path)) as server:
        now, most = memory_mb(server)
        loaded = entries(server, "symbols loaded")[0]
        print(
            f"{path.name}: {loaded['symbols']} symbols in {loaded['seconds']} s; {loaded.get('left_out', 0)} left out"
        )
        print(f"with it: {now:.1f} MB, {most:.1f} MB at the most; the file takes {now - without:.1f}")
        await server.stocktrack("users", "add", "ann", "--password-stdin", stdin="right password\n")
        async with logged_in(server) as client, logged_in(server) as other:
            for query in QUERIES:
                await search(client, other, query)
            await crowd(server, other)
            await reload(server, other, path)
        print(f"after a reload: {memory_mb(server)[0]:.1f} MB")


async def search(client: RawClient, other: RawClient, query: Mapping[str, str]) -> None:
    """Print how long a search takes, and how long PING takes meanwhile."""
    took: list[float] = []
    pings: list[float] = []

    async def ask() -> dict[str, Any]:
        began = time.perf_counter()
        reply = await client.ask(type="SEARCH", **query)
        took.append(time.perf_counter() - began)
        return reply

    for _ in range(10):
        asked = asyncio.ensure_future(ask())
        pings.append(await ping(other))
        reply = await asked
        if reply["code"] != 200:
            raise RuntimeError(str(reply))
    print(
        f"SEARCH {json.dumps(query)}: {len(reply['matches'])} matches, median {statistics.median(took) * 1000:.1f} ms, "
        f"PING beside it at most {max(pings) * 1000:.1f} ms"
    )


async def crowd(server: Served, other: RawClient) -> None:
    """Print how long PING takes while ten clients search as fast as they may."""
    answered = 0

    async def hammer(number: int) -> None:
        nonlocal answered
        async with logged_in(server) as client:
            while True:
                reply = await client.ask(type="SEARCH", query=f"bank {number} {answered} ce")
                answered += reply["code"] == 200

    tasks = [asyncio.create_task(hammer(number)) for number in range(10)]
    await asyncio.sleep(1)
    before, began = answered, time.perf_counter()
    pings = [await ping(other) for _ in range(100)]
    rate = (answered - before) / (time.perf_counter() - began)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    median = statistics.median(pings) * 1000
    print(f"PING while ten search: median {median:.1f}, at most {max(pings) * 1000:.1f} ms; {rate:.0f} a second")


async def reload(server: Served, other: RawClient, path: Path) -> None:
    """Print how long PING takes while a changed file is loaded."""
    os.utime(path)
    pings = [await ping(other) for _ in range(50)]
    print(f"PING alone: at most {max(pings) * 1000:.1f} ms")
    before = len(entries(server, "symbols loaded"))
    os.kill(server.ready["pid"], signal.SIGHUP)
    pings = []
    while len(entries(server, "symbols loaded")) == before:
        pings += [await ping(other) for _ in range(20)]
    quantile = statistics.quantiles(pings, n=100)[98]
    print(f"PING while it loads: at most {max(pings) * 1000:.1f} ms, 99 of 100 within {quantile * 1000:.1f} ms")


async def ping(client: RawClient) -> float:
    """The seconds until the answer; then a pause, since a session may send no more than 50 commands a second."""
    began = time.perf_counter()
    await client.ask(type="PING")
    took = time.perf_counter() - began
    await asyncio.sleep(0.021)
    return took


@contextlib.asynccontextmanager
async def logged_in(server: Served) -> AsyncIterator[RawClient]:
    """A client that is logged in."""
    client = await RawClient.connect(server.port)
    try:
        await client.ask(type="AUTH", username="ann", password="right password")  # noqa: S106 - its server is its own
        yield client
    finally:
        client.close()


def entries(server: Served, begin: str) -> list[dict[str, Any]]:
    """The lines of the server's log whose event begins so."""
    lines = map(json.loads, (server.folder / "log").read_text().splitlines())
    return [line for line in lines if line["event"].startswith(begin)]


def memory_mb(server: Served) -> tuple[float, float]:
    """The server's resident set now, and at the most."""
    status = Path(f"/proc/{server.ready['pid']}/status").read_text()
    now, most = (int(status.partition(f"{name}:")[2].split()[0]) for name in ("VmRSS", "VmHWM"))
    return now / 1000, most / 1000


if __name__ == "__main__":
    main()
