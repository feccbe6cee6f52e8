"""The server's CPU for a price in each dialect against /ws, side by side on one server.

    python bench/dialects.py --clients 1000 --symbols 20 --hertz 1 --rounds 3

The doors take turns, so that what else the machine does weighs on all of them; a round's ratio to /ws is what counts.
A client here reads bytes and counts the prices in them; it parses nothing.
"""

import argparse
import asyncio
import base64
import json
import os
import statistics
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgpack
from served import Served, served

USER, PASSWORD = "bench", "bench password"
AT_ONCE = 50
MOST_WARM_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Door:
    """A way in: its address, what is sent once the handshake is answered, and the bytes that stand in each price."""

    path: str
    marker: bytes
    messages: Callable[[Sequence[str]], Iterable[Any]]
    headers: str = ""
    encode: Callable[[Any], bytes] = lambda message: json.dumps(message).encode()
    is_websocket: bool = True


ALPACA_LOGIN = {"action": "auth", "key": USER, "secret": PASSWORD}


def _by_symbol(kind: str) -> Callable[[Sequence[str]], Iterable[Any]]:
    return lambda symbols: ({"type": kind, "symbol": symbol} for symbol in symbols)


DOORS = {
    "ws": Door(
        "/ws?token={token}",
        b'"type":"PRICE"',
        lambda symbols: [{"type": "SUBSCRIBE", "symbols": symbols, "interval": 0, "save": False}],
    ),
    "live-price": Door(
        "/live-price?token={token}", b'"price":', lambda symbols: [{"action": "subscribe", "symbols": symbols}]
    ),
    "finnhub": Door("/finnhub?token={token}", b'"p":', _by_symbol("subscribe")),
    "alpaca": Door("/v2/iex", b'"T":"t"', lambda symbols: [ALPACA_LOGIN, {"action": "subscribe", "trades": symbols}]),
    "alpaca, msgpack": Door(
        "/v2/iex",
        msgpack.packb({"T": "t"})[1:],
        lambda symbols: [ALPACA_LOGIN, {"action": "subscribe", "trades": symbols}],
        headers="Content-Type: application/msgpack\r\n",
        encode=msgpack.packb,
    ),
    "events": Door(
        "/api/v1/stream?symbols={symbols}&token={token}", b'"type":"PRICE"', lambda _: (), is_websocket=False
    ),
    "yahoo": Door("/yahoo?version=2&token={token}", b'"message":', lambda symbols: [{"subscribe": symbols}]),
}


class Counter(asyncio.Protocol):
    """A client: it shakes hands, sends its messages, and counts prices."""

    def __init__(self, door: Door, target: str, symbols: Sequence[str]) -> None:
        self._door = door
        self._target = target
        self._symbols = symbols
        self._transport: asyncio.Transport
        self._tail = b""
        self._is_open = False
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.prices = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - it is a socket
        self._transport = transport
        upgrade = (
            f"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n"
            if self._door.is_websocket
            else ""
        )
        transport.write(f"GET {self._target} HTTP/1.1\r\nHost: localhost\r\n{upgrade}{self._door.headers}\r\n".encode())

    def data_received(self, data: bytes) -> None:
        """Count the prices; one that lies over two pieces counts with the second."""
        data = self._tail + data
        if not self._is_open:
            if b"\r\n\r\n" not in data:
                self._tail = data
                return
            head, _, data = data.partition(b"\r\n\r\n")
            if head.split(b" ", 2)[1] not in {b"101", b"200"}:
                raise RuntimeError(f"{self._target.partition('?')[0]}: {head.decode()}")
            self._is_open = True
            self.opened.set_result(None)
            for message in self._door.messages(self._symbols):
                self._transport.write(
                    _frame(self._door.encode(message), is_text=self._door.encode is not msgpack.packb)
                )
        marker = self._door.marker
        self.prices += data.count(marker)
        self._tail = data[max(data.rfind(marker) + len(marker), len(data) - len(marker) + 1) :]

    def close(self) -> None:
        """Go away."""
        self._transport.abort()


def _frame(payload: bytes, *, is_text: bool) -> bytes:
    """A masked message, whose mask is zero."""
    length, first = len(payload), 0x81 if is_text else 0x82
    head = struct.pack("!BB", first, 0x80 | length) if length < 126 else struct.pack("!BBH", first, 0xFE, length)
    return head + bytes(4) + payload


async def measure(name: str, token: str, server: Served, options: argparse.Namespace) -> float:
    """The server's microseconds for a price at one door, which are printed."""
    door, port = DOORS[name], urlsplit(server.ready["page"]).port
    symbols = [f"S{number:04}" for number in range(options.symbols)]
    target = door.path.format(token=token, symbols=",".join(symbols))
    clients: list[Counter] = []
    loop = asyncio.get_running_loop()
    while len(clients) < options.clients:
        connected = [
            loop.create_connection(lambda: Counter(door, target, symbols), "127.0.0.1", port)
            for _ in range(min(AT_ONCE, options.clients - len(clients)))
        ]
        new = [client for _, client in await asyncio.gather(*connected)]
        await asyncio.gather(*(client.opened for client in new))
        clients += new
    await asyncio.sleep(options.warm_seconds)
    for _ in range(MOST_WARM_SECONDS):  # where a client subscribes symbol by symbol, it takes a while until all come
        counted = [client.prices for client in clients]
        await asyncio.sleep(1)
        if min(map(int.__sub__, (client.prices for client in clients), counted)) >= options.symbols * options.hertz / 2:
            break
    cpu, before = server.cpu_seconds(), [client.prices for client in clients]
    await asyncio.sleep(options.seconds)
    cpu = server.cpu_seconds() - cpu
    counted = [client.prices - earlier for client, earlier in zip(clients, before, strict=True)]
    for client in clients:
        client.close()
    per_price = 1e6 * cpu / max(1, sum(counted))
    told = {"door": name, "prices": sum(counted), "least": min(counted), "most": max(counted), "cpu_seconds": cpu}
    print(json.dumps({**told, "cpu_us_per_price": round(per_price, 2)}), flush=True)
    await asyncio.sleep(1)
    return per_price


async def run(options: argparse.Namespace) -> None:
    """Measure the doors in turns, then print how they compare with /ws."""
    settings = {"WEB_PORT": "0", "SIMULATED_INTERVAL_SECONDS": str(1 / options.hertz), "MAX_SESSIONS": "20000"}
    ratios: dict[str, list[float]] = {name: [] for name in options.doors}
    async with served(**settings) as server:
        await server.stocktrack("users", "add", USER, "--password-stdin", stdin=f"{PASSWORD}\n")
        token = await server.stocktrack("users", "token", USER)
        for _ in range(options.rounds):
            of_ws = await measure("ws", token, server, options)
            for name, each in ratios.items():
                each.append(await measure(name, token, server, options) / of_ws)
    for name, each in ratios.items():
        rounded = [round(ratio, 2) for ratio in each]
        print(json.dumps({"door": name, "to_ws": rounded, "median": round(statistics.median(each), 2)}))


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=1_000)
    parser.add_argument("--symbols", type=int, default=20)
    parser.add_argument("--hertz", type=float, default=1.0)
    parser.add_argument("--warm-seconds", type=float, default=4.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("doors", nargs="*", default=[name for name in DOORS if name != "ws"])
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
