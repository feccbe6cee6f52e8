"""A streamer of Yahoo's that does each of the things that streams have been seen to do: what that costs the server.

    PYTHONPATH=tests/support python tests/faults/broken_streams.py [SECONDS] [FAULT …]

A real server with ten watched symbols is streamed to by a stand-in, and polls another, while the stand-in misbehaves
for so many seconds (20). It prints the server's processor time in that time, how often it connected, and how long a
PING took at worst. It exits 1 where the processor time is above 2 %, where the server no longer answers, where it
connects more than once a second, or where it does not connect again after the end of a connection. The flood of 5,000
ticks a second is measured, not judged.
"""

import asyncio
import contextlib
import itertools
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from live_server import RawClient
from pacing import comes
from server_process import ServerProcess, server_process
from stream_server import VendorConnection, running
from yahoo_redirect import send_yahoo_to
from yahoo_streamer import YahooStreamer, tick
from yahoo_stub import YahooStub, running_yahoo_stub

WATCHED = tuple(f"W{number}" for number in range(10))
MOST_CPU_PERCENT = 2.0
FLOOD_A_SECOND = 5_000
YAHOO_VARIABLE = "STOCKTRACK_TEST_YAHOO_URL"

Misbehave = Callable[["BadStreamer", VendorConnection], Awaitable[None]]


class BadStreamer(YahooStreamer):
    """Misbehaves towards each connection once it has subscribed."""

    def __init__(self, misbehave: Misbehave) -> None:
        super().__init__()
        self._misbehave = misbehave
        self._busy: set[asyncio.Task[None]] = set()

    async def respond(self, connection: VendorConnection, message: Any) -> None:
        """Begin with the first subscription."""
        is_first = connection not in self.subscriptions
        await super().respond(connection, message)
        if is_first:
            task = asyncio.create_task(self._misbehave_to(connection))
            self._busy.add(task)
            task.add_done_callback(self._busy.discard)

    async def _misbehave_to(self, connection: VendorConnection) -> None:
        with contextlib.suppress(Exception):  # the client may go at any time
            await self._misbehave(self, connection)


def now_ms() -> int:
    """The time of a tick."""
    return time.time_ns() // 1_000_000


async def behave(_: BadStreamer, connection: VendorConnection) -> None:
    """Ten ticks a second."""
    for number in itertools.count():
        symbol = WATCHED[number % len(WATCHED)]
        await connection.send(tick(symbol, 100 + number % 50, time=now_ms()))
        if await comes(connection.ended(), 0.1):
            return


async def be_silent(_: BadStreamer, connection: VendorConnection) -> None:
    """Say nothing."""
    await connection.ended()


def closing(code: int) -> Misbehave:
    """Close at once."""

    async def close(_: BadStreamer, connection: VendorConnection) -> None:
        await connection.close(code)

    return close


async def cut(_: BadStreamer, connection: VendorConnection) -> None:
    """End the connection without a word."""
    connection.cut()


async def send_garbage(_: BadStreamer, connection: VendorConnection) -> None:
    """As fast as it is taken."""
    for garbage in itertools.cycle(["no JSON", b"\x00" * 100, '{"type":"pricing","message":"####"}', "[" * 1000]):
        await connection.send(garbage)


async def trickle_garbage(_: BadStreamer, connection: VendorConnection) -> None:
    """Ten bad messages a second, and a good one between them."""
    for number in itertools.count():
        await connection.send("no JSON", tick(WATCHED[0], 100 + number % 50, time=now_ms()))
        if await comes(connection.ended(), 0.1):
            return


async def send_too_much(_: BadStreamer, connection: VendorConnection) -> None:
    """A message of 16 MB."""
    await connection.send("x" * 16_000_000)


async def flood(_: BadStreamer, connection: VendorConnection) -> None:
    """Ticks in bursts, ten a second."""
    for number in itertools.count():
        began = time.monotonic()
        burst = (tick(symbol, 100 + (number + place) % 50, time=now_ms()) for place, symbol in enumerate(WATCHED))
        frames = list(burst)
        for _round in range(FLOOD_A_SECOND // 10 // len(WATCHED)):
            await connection.send(*frames)
        await asyncio.sleep(max(0.0, 0.1 - (time.monotonic() - began)))


def answering(status: int) -> Callable[[BadStreamer], None]:
    """Every handshake is answered by a status."""
    return lambda streamer: streamer.answer(status, times=100_000)


FAULTS: dict[str, tuple[Misbehave, Callable[[BadStreamer], None]]] = {
    "none": (behave, lambda _: None),
    **{f"close {code}": (closing(code), lambda _: None) for code in (1000, 1001, 1011)},
    "cut": (cut, lambda _: None),
    "silence": (be_silent, lambda _: None),
    "garbage": (send_garbage, lambda _: None),
    "some garbage": (trickle_garbage, lambda _: None),
    "16 MB": (send_too_much, lambda _: None),
    **{f"handshake {status}": (behave, answering(status)) for status in (200, 401, 429, 503, 524)},
    "no handshake": (behave, lambda streamer: streamer.hang(times=100_000)),
    "flood": (flood, lambda _: None),
}


@contextlib.asynccontextmanager
async def a_server(home: Path, yahoo: YahooStub, streamer: BadStreamer) -> AsyncIterator[ServerProcess]:
    """The program, which finds this Yahoo and this streamer."""
    async with server_process(
        home,
        program=(sys.executable, __file__),
        PYTHONPATH=os.pathsep.join(filter(None, sys.path)),
        STOCKTRACK_PROVIDERS="yahoo",
        STOCKTRACK_ALLOWLIST="ann",
        STOCKTRACK_YAHOO_STREAM_URL=streamer.url,
        **{YAHOO_VARIABLE: yahoo.url},
    ) as server:
        yield server


def cpu_seconds(pid: int) -> float:
    """The processor time of all threads of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def worst_ping_ms(client: RawClient, seconds: float) -> float:
    """The longest of one PING a second."""
    worst, ends = 0.0, time.monotonic() + seconds
    while time.monotonic() < ends:
        began = time.perf_counter()
        client.send({"type": "PING"})
        await client.receive_until("PING")
        worst = max(worst, (time.perf_counter() - began) * 1000)
        await asyncio.sleep(max(0.0, min(1.0, ends - time.monotonic())))
    return worst


async def suffer(name: str, seconds: float) -> bool:
    """Run one fault, print what it cost, and say whether that was bad."""
    misbehave, prepare = FAULTS[name]
    async with running_yahoo_stub() as yahoo, running(BadStreamer(misbehave)) as streamer:
        yahoo.know(*WATCHED)
        prepare(streamer)
        with tempfile.TemporaryDirectory() as folder:
            async with a_server(Path(folder), yahoo, streamer) as server:
                client = await server.connect()
                await client.ask({"type": "AUTH", "username": "ann"})
                client.send({"type": "SUBSCRIBE", "symbols": list(WATCHED), "interval": 5})
                await client.receive_until("SUBSCRIBE")
                for _ in range(2 * len(WATCHED)):  # the first push and the second: imports are no part of it
                    await client.receive_until("PRICE")
                cpu, handshakes = cpu_seconds(server.pid), streamer.handshakes
                ping_ms = await worst_ping_ms(client, seconds)
                percent = (cpu_seconds(server.pid) - cpu) / seconds * 100
                connects = streamer.handshakes - handshakes
                await client.close()
    ends = name.startswith(("close", "cut", "garbage", "16 MB"))
    is_bad = (percent > MOST_CPU_PERCENT and name != "flood") or connects > seconds or (ends and not connects)
    print(
        f"{name:15} {percent:5.2f} % of a core, {connects:2} connections, worst PING {ping_ms:6.1f} ms"
        f"{'   BAD' if is_bad else ''}",
        flush=True,
    )
    return is_bad


async def main(seconds: float, names: list[str]) -> int:
    """Run them all, or those that are named."""
    return int(any([await suffer(name, seconds) for name in names or FAULTS]))


if __name__ == "__main__":
    if YAHOO_VARIABLE in os.environ:
        from stocktrack.cli import main as stocktrack

        send_yahoo_to(os.environ[YAHOO_VARIABLE], pytest.MonkeyPatch())
        sys.argv = ["stocktrack", "serve"]
        stocktrack()
    else:
        sys.exit(asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 20.0, sys.argv[2:])))
