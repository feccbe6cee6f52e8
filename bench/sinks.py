"""What sinks cost: the board for each price, the processor for each price written, and the clients while one hangs.

    PYTHONPATH=src:tests/support python bench/sinks.py [board] [written] [clients]

- board: microseconds for each price put on a board of 1,000 symbols, without a sink, with one, with three, and with one
  that takes nothing; the changes that a sink takes are taken away outside of what is measured
- written: prices a second, and microseconds of this process' processor time for each, to a real Redis and a real Kafka
  broker, where those are installed
- clients: how late prices reach 20 TCP clients with 50 symbols each, ten changes a second, before a Redis is paused
  that the server publishes to, meanwhile, and afterwards

The figures stand in docs/decisions/0054-what-waits-for-a-sink.md.
"""

import asyncio
import contextlib
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fake_sink import FakeSink
from kafka_broker import running_kafka
from live_server import PASSWORD
from redis_server import running_redis
from server_process import run_stocktrack, server_process
from stocktrack.clock import RealClock
from stocktrack.market.board import Board
from stocktrack.quotes import Quote
from stocktrack.sinks.outlet import Outlet
from stocktrack.sinks.publisher import Publisher
from stocktrack.sinks.registry import build_outlets

SYMBOLS, ROUNDS = 1_000, 60
CLIENTS, SYMBOLS_A_CLIENT, PHASE_SECONDS = 20, 50, 15.0


def batches() -> list[list[Quote]]:
    """Rounds of a quote of each symbol, each with another price."""
    first = [
        Quote(
            symbol=f"S{number:04}",
            price=100.0,
            currency="USD",
            change=1.2,
            change_percent=0.64,
            previous_close=98.8,
            open=99.0,
            high=101.0,
            low=98.0,
            volume=1_000_000,
            bid=99.9,
            ask=100.1,
            name="Some Company Inc.",
            exchange="NASDAQ",
            timestamp=1_712_331_900_000,
            received_at=1_712_331_900_000,
            provider="simulated",
        )
        for number in range(SYMBOLS)
    ]
    return [
        [quote.model_copy(update={"price": 100.0 + number / 100}) for quote in first] for number in range(1, ROUNDS + 1)
    ]


async def board(rounds: Sequence[Sequence[Quote]]) -> None:
    """Print what a price costs the board."""
    for what, sinks, is_taken in (
        ("no sink", 0, True),
        ("one sink", 1, True),
        ("three sinks", 3, True),
        ("one that takes nothing", 1, False),
        ("three that take nothing", 3, False),
    ):
        each = []
        for _ in range(5):
            quotes_board = Board()
            outlets = [Outlet(FakeSink(), RealClock()) for _ in range(sinks)]
            publisher = Publisher(outlets, RealClock())
            publisher._is_open = True  # noqa: SLF001 - without its tasks: only the taking is measured
            if outlets:
                quotes_board.taps.append(publisher)
            gc.collect()
            seconds = 0.0
            for quotes in rounds:
                began = time.perf_counter()
                quotes_board.put(quotes, 0.0)
                seconds += time.perf_counter() - began
                for outlet in outlets if is_taken else ():
                    outlet.backlog.next(SYMBOLS)
            each.append(seconds / ROUNDS / SYMBOLS * 1e6)
        print(f"board, {what}: {min(each):.2f} us a price")


async def written(what: str, url: str, rounds: Sequence[Sequence[Quote]]) -> None:
    """Print how fast a sink is."""
    quotes_board = Board()
    [outlet] = build_outlets([url], "b7c1", RealClock())
    publisher = Publisher([outlet], RealClock())
    quotes_board.taps.append(publisher)
    publisher.start()
    while not outlet.is_up:  # noqa: ASYNC110 - a sink tells nobody that it is up
        await asyncio.sleep(0.01)
    on_board = 0.0
    began, used = time.perf_counter(), time.process_time()
    for quotes in rounds:
        at = time.process_time()
        quotes_board.put(quotes, 0.0)
        on_board += time.process_time() - at
        while len(outlet.backlog) > SYMBOLS:  # noqa: ASYNC110 - neither that it has written
            await asyncio.sleep(0)
    await outlet.flush()
    seconds, processor = time.perf_counter() - began, time.process_time() - used
    await publisher.close()
    count = outlet.written
    print(
        f"{what}: {count / seconds:,.0f} prices a second, {(processor - on_board) / count * 1e6:.1f} us of processor "
        f"for each beside the board's {on_board / count * 1e6:.1f}; merged {outlet.backlog.merged}"
    )


async def clients(folder: Path) -> None:
    """Print how late prices come, before, while and after a sink is paused."""
    await run_stocktrack(folder, "users", "add", "ann", "--password-stdin", stdin=f"{PASSWORD}\n".encode())
    late: list[float] = []
    with running_redis() as redis:
        settings = {"STOCKTRACK_SIMULATED_INTERVAL_SECONDS": "0.1", "STOCKTRACK_PUBLISH_TO": redis.url}
        async with server_process(folder, **settings) as server:
            tasks = []
            for number in range(CLIENTS):
                client = await server.log_in()
                start = number * 20 % SYMBOLS
                symbols = [f"S{(start + at) % SYMBOLS:04}" for at in range(SYMBOLS_A_CLIENT)]
                await client.ask({"type": "SUBSCRIBE", "symbols": symbols, "interval": 0, "save": False})
                tasks.append(asyncio.create_task(read(client, late)))
            await asyncio.sleep(3)
            for phase in ("before", "paused", "after"):
                if phase == "paused":
                    redis.pause()
                elif phase == "after":
                    redis.resume()
                late.clear()
                await asyncio.sleep(PHASE_SECONDS)
                found = sorted(late)
                print(
                    f"clients, {phase}: {len(found):,} prices, late by {statistics.median(found):.1f} ms (median), "
                    f"{found[len(found) * 99 // 100]:.1f} ms (99 of 100), {found[-1]:.1f} ms (the worst)"
                )
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def read(client: Any, late: list[float]) -> None:
    """Note how late each push comes."""
    with contextlib.suppress(EOFError):
        while True:
            line = await client._reader.readline()  # noqa: SLF001 - its own time limit costs as much as the reading
            if b'"PRICE"' in line:
                at = line.index(b'"received_at":') + 14
                late.append(time.time() * 1000 - int(line[at : at + 13]))


async def main(wanted: Sequence[str]) -> None:
    """Run what is named, or all."""
    rounds = batches()
    if not wanted or "board" in wanted:
        await board(rounds)
    if not wanted or "written" in wanted:
        with running_redis() as redis:
            await written("redis", redis.url, rounds)
        with running_kafka() as kafka:
            await written("kafka", kafka.new_url(), rounds)
    if not wanted or "clients" in wanted:
        with tempfile.TemporaryDirectory() as folder:
            await clients(Path(folder))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
