"""Whether chat makes prices late: 1,000 sessions that are pushed prices, in one chat of 50 words a second.

    PYTHONPATH=src python bench/chat.py --sessions 1000 --symbols 20 --words 50 --seconds 20

It starts a server on the simulated market and measures each phase twice in one run, without chat and with it, once for
prices as they change (interval 0) and once at the default interval. It prints for each phase

- late: how long after the server had a price a session got it (interval 0), or how far after its own moment a push came
  (timed pushes); the median, the 99th percentile and the latest of all sessions
- cpu: the server's share of a processor
- words: how many each session got a second, and how long after it was said a word came
"""

import argparse
import asyncio
import json
import re
import resource
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from crowd import connect_all
from served import RawClient, Served, served

NAME, PASSWORD = "bench", "bench-password"
TALKERS = 5
SETTLE_SECONDS = 4.0
_RECEIVED_AT = re.compile(rb'"received_at":(\d+)')
_SAID_AT = re.compile(rb'"type":"SAID".*?"timestamp":(\d+)')


@dataclass(slots=True)
class Phase:
    """What came in one phase: ages in milliseconds, and the pushes of each session by the monotonic clock."""

    price_ages: list[float] = field(default_factory=list)
    word_ages: list[float] = field(default_factory=list)
    words: int = 0
    pushed_at: dict[int, list[float]] = field(default_factory=dict)


class Reader(asyncio.Protocol):
    """A session that reads everything, and notes into the `phase` of the moment when it came."""

    phase = Phase()

    def __init__(self, number: int, greeting: bytes) -> None:
        self._number = number
        self._greeting = greeting
        self.has_prices = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        cast("asyncio.Transport", transport).write(self._greeting)

    def data_received(self, data: bytes) -> None:
        """Called by the loop; a line that is cut in two counts with its first part, which is precise enough."""
        phase, now = Reader.phase, time.time() * 1000
        if words := data.count(b'"type":"SAID"'):
            phase.words += words
            if (said := _SAID_AT.search(data)) is not None:
                phase.word_ages.append(now - int(said[1]))
        if b'"type":"PRICE"' not in data:
            return
        self.has_prices = True
        if (received := _RECEIVED_AT.search(data)) is not None:
            phase.price_ages.append(now - int(received[1]))
        pushed, at = phase.pushed_at.setdefault(self._number, []), time.monotonic()
        if not pushed or at - pushed[-1] > 0.2:  # what comes closer is one push in pieces
            pushed.append(at)


async def talk(port: int, words_a_second: float) -> None:
    """Say something so often, evenly, until cancelled."""
    client = await RawClient.connect(port)
    await client.ask(type="AUTH", username=NAME, password=PASSWORD)
    due, number = time.monotonic(), 0
    try:
        while True:
            number += 1
            reply = await client.ask(type="SAY", text=f"Word {number}: what a day this is, and how they all rise!")
            if reply["code"] != 200:
                raise RuntimeError(reply)
            due += 1 / words_a_second
            await asyncio.sleep(max(0.0, due - time.monotonic()))
    finally:
        client.close()


async def run_phase(server: Served, options: argparse.Namespace, *, has_chat: bool) -> tuple[Phase, float]:
    """What came in so many seconds, and the server's share of a processor meanwhile."""
    Reader.phase = Phase()
    talkers = [asyncio.create_task(talk(server.port, options.words / TALKERS)) for _ in range(TALKERS * has_chat)]
    used, began = server.cpu_seconds(), time.monotonic()
    await asyncio.sleep(options.seconds)
    share = (server.cpu_seconds() - used) / (time.monotonic() - began)
    for talker in talkers:
        if talker.done():
            talker.result()
        talker.cancel()
    await asyncio.gather(*talkers, return_exceptions=True)
    return Reader.phase, share


async def measure(server: Served, options: argparse.Namespace, interval: float) -> None:
    """Connect everybody, then compare the phases."""
    subscribe = {"type": "SUBSCRIBE", "symbols": [f"S{number:04}" for number in range(options.symbols)]}
    greeting = b"".join(
        json.dumps(each).encode() + b"\n"
        for each in (
            {"type": "AUTH", "username": NAME, "password": PASSWORD},
            {**subscribe, "interval": interval, "save": False},
        )
    )
    _, transports = await connect_all(
        server.port, options.sessions, lambda number: Reader(number, greeting), lambda reader: reader.has_prices
    )
    await asyncio.sleep(SETTLE_SECONDS)
    offsets: dict[int, float] = {}
    try:
        for has_chat in (False, True, False, True):
            phase, share = await run_phase(server, options, has_chat=has_chat)
            if interval:
                if not offsets:
                    offsets.update({n: moment_of(pushed, interval) for n, pushed in phase.pushed_at.items()})
                late = [lateness(at, offsets[n], interval) for n, each in phase.pushed_at.items() for at in each]
            else:
                late = phase.price_ages
            told = f"interval {interval:g}, {'chat ' if has_chat else 'quiet'}  late {figures(late)}, cpu {share:4.0%}"
            if has_chat:
                told += f", words {phase.words / options.seconds / options.sessions:5.1f}, {figures(phase.word_ages)}"
            print(told, flush=True)
    finally:
        for transport in transports:
            transport.abort()


def moment_of(pushed: Sequence[float], interval: float) -> float:
    """Where a session's pushes lie within the interval."""
    first = pushed[0] % interval
    return statistics.median((at - first + interval / 2) % interval + first - interval / 2 for at in pushed)


def lateness(at: float, moment: float, interval: float) -> float:
    """How many milliseconds after its moment a push came; less than none where it came before."""
    return ((at - moment + interval / 2) % interval - interval / 2) * 1000


def figures(values: Sequence[float]) -> str:
    """The median, the 99th percentile and the most, in milliseconds."""
    if not values:
        return "(nothing came)"
    ordered = sorted(values)
    return f"{statistics.median(ordered):4.0f} / {ordered[len(ordered) * 99 // 100]:4.0f} / {ordered[-1]:4.0f} ms"


async def main() -> None:
    """Measure at both intervals."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=1_000)
    parser.add_argument("--symbols", type=int, default=20)
    parser.add_argument("--words", type=float, default=50.0, help="said a second, by all talkers together")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each phase")
    parser.add_argument("--intervals", type=float, nargs="+", default=(0.0, 5.0))
    options = parser.parse_args()
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    most = str(options.sessions + 1_000)
    for interval in options.intervals:
        async with served(
            CHAT="true",
            CHAT_MESSAGES_PER_MINUTE=str(options.words * 120),
            CHAT_MESSAGES_PER_SECOND=str(options.words * 2),
            MAX_SESSIONS=most,
            MAX_UNAUTHENTICATED_SESSIONS=most,
            MAX_UNAUTHENTICATED_PER_ADDRESS=most,
        ) as server:
            await server.stocktrack("users", "add", NAME, "--password-stdin", stdin=PASSWORD)
            await measure(server, options, interval)


if __name__ == "__main__":
    asyncio.run(main())
