"""How long a price takes from SET and PUBLISH at Redis to a TCP client and a WebSocket of a real server.

    PYTHONPATH=tests/support python bench/redis_latency.py [--prices 100]

It is published by Python over a bare socket, by `redis-cli` and by Node without any package, each a process that runs
already and is told the price on its standard input, one after another. Printed are the median and the 99th percentile;
exit code 1 means that a median was above 100 ms.
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_websocket

from live_server import RawClient
from redis_server import RedisServer, running_redis
from server_process import server_process

MAX_MEDIAN_SECONDS = 0.1
SYMBOL = "AAPL"
NODE = """
const socket = require('node:net').connect(Number(process.argv[1]), '127.0.0.1').setNoDelay();
const part = (text) => `$${text.length}\\r\\n${text}\\r\\n`;
const command = (...words) => `*${words.length}\\r\\n` + words.map(part).join('');
socket.resume();
require('node:readline').createInterface({ input: process.stdin }).on('line', (quote) => {
  socket.write(command('SET', 'stock:AAPL', quote) + command('PUBLISH', 'stock:AAPL', quote));
}).on('close', () => socket.end());
"""
Publish = Callable[[str], Awaitable[None]]


@contextlib.asynccontextmanager
async def by_python(redis: RedisServer) -> AsyncIterator[Publish]:
    """A bare socket of this process."""
    reader, writer = await asyncio.open_connection("127.0.0.1", redis.port)

    async def publish(quote: str) -> None:
        for word in ("SET", "PUBLISH"):
            parts = (word, f"stock:{SYMBOL}", quote)
            writer.write(
                f"*3\r\n{''.join(f'${len(part)}{chr(13)}{chr(10)}{part}{chr(13)}{chr(10)}' for part in parts)}".encode()
            )
        await reader.readline()
        await reader.readline()

    yield publish
    writer.close()
    await writer.wait_closed()


@contextlib.asynccontextmanager
async def by_program(write: Callable[[str], str], program: str, *arguments: str) -> AsyncIterator[Publish]:
    """A program that runs already, and what is written to it for a quote."""
    process = await asyncio.create_subprocess_exec(
        program, *arguments, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
    )
    stdin = process.stdin
    if stdin is None:
        raise RuntimeError(f"{program} has no standard input")

    async def publish(quote: str) -> None:
        stdin.write(write(quote).encode())
        await stdin.drain()

    try:
        yield publish
        stdin.close()
        await asyncio.wait_for(process.wait(), 5)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def to_tcp(client: RawClient, price: float) -> None:
    """Return when the client has the price."""
    while (await client.receive()).get("price") != price:
        pass


async def to_websocket(web: ClientConnection, price: float) -> None:
    """Return when the WebSocket has the price."""
    while not any(json.loads(line).get("price") == price for line in str(await web.recv()).splitlines()):
        pass


async def measure(publish: Publish, tcp: RawClient, web: ClientConnection, prices: int) -> dict[str, list[float]]:
    """The seconds to each client, for so many prices."""
    seconds: dict[str, list[float]] = {"TCP": [], "WebSocket": []}

    async def timed(door: str, came: Awaitable[None], began: float) -> None:
        await came
        seconds[door].append(time.perf_counter() - began)

    for number in range(-5, prices):  # the first ones only warm up
        price = round(100 + time.monotonic_ns() % 10**6 / 10**4, 4)
        quote = json.dumps({"symbol": SYMBOL, "price": price, "timestamp": time.time_ns() // 1_000_000})
        began = time.perf_counter()
        waiting = asyncio.gather(
            timed("TCP", to_tcp(tcp, price), began), timed("WebSocket", to_websocket(web, price), began)
        )
        await publish(quote)
        async with asyncio.timeout(10):
            await waiting
        if number < 0:
            seconds = {"TCP": [], "WebSocket": []}
    return seconds


async def main(prices: int) -> int:
    """Measure each way in, and print it."""
    slow = False
    with running_redis() as redis, tempfile.TemporaryDirectory() as folder:
        server = server_process(
            Path(folder),
            *("--provider", "redis", "--redis-url", redis.url),
            STOCKTRACK_WEB_PORT="0",
            STOCKTRACK_ALLOWLIST="ann",
        )
        async with server as running:
            page = (await running.logged("ready"))["page"]
            redis.command("SET", f"stock:{SYMBOL}", '{"price":99}')
            tcp = await running.connect()
            async with connect_websocket(f"{page.replace('http', 'ws')}ws", proxy=None) as web:
                subscribe = {"type": "SUBSCRIBE", "symbols": [SYMBOL], "interval": 0}
                for command in ({"type": "AUTH", "username": "ann"}, subscribe):
                    tcp.send(command)
                    await web.send(json.dumps(command))
                await tcp.receive_until("PRICE")
                await to_websocket(web, 99.0)
                cli = ("redis-cli", "-p", str(redis.port))
                ways = {
                    "Python": by_python(redis),
                    "redis-cli": by_program(_lines_for_cli, *cli),
                    "Node": by_program("{}\n".format, "node", "-e", NODE, str(redis.port)),
                }
                for name, way in ways.items():
                    async with way as publish:
                        seconds = await measure(publish, tcp, web, prices)
                    for door, found in seconds.items():
                        median, p99 = statistics.median(found), statistics.quantiles(found, n=100)[98]
                        slow |= median > MAX_MEDIAN_SECONDS
                        print(f"{name:10} → {door:10} median {median * 1000:6.2f} ms, p99 {p99 * 1000:6.2f} ms")
            await tcp.close()
    return int(slow)


def _lines_for_cli(quote: str) -> str:
    escaped = quote.replace('"', '\\"')
    return f'SET stock:{SYMBOL} "{escaped}"\nPUBLISH stock:{SYMBOL} "{escaped}"\n'


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prices", type=int, default=100, help="how many are timed a way")
    sys.exit(asyncio.run(main(parser.parse_args().prices)))
