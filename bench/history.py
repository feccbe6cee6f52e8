"""How long HISTORY takes at the socket of a server that pushes prices, and whether anybody's push is later for it.

A server with the simulated market pushes 500 symbols twice a second, as they change, to one client; the time from the
price's own `timestamp` to its arrival is taken of every push, first undisturbed, then while another client asks for
bars without a pause: a year of days (252 or 365 of them), and as many minutes as one reply takes. What is asked was
asked before, so that the server answers from memory.

    python bench/history.py [--seconds 20]

Exit code 1 means that a year of days took more than 40 ms (the 99th percentile).
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Sequence

from served import RawClient, served

SYMBOLS = [f"S{number:04}" for number in range(500)]
PASSWORD = "correct horse"  # noqa: S105 - of a server that lives for a minute
YEAR = {"symbol": "AAPL", "range": "1y", "interval": "1d"}
MINUTES = {"symbol": "AAPL", "range": "5d", "interval": "1m"}
MOST_MS = 40.0


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="length of each run")
    return asyncio.run(measure(parser.parse_args().seconds))


async def measure(seconds: float) -> int:
    """The three runs."""
    async with served(SIMULATED_INTERVAL_SECONDS="0.5", COMMANDS_PER_SECOND="100000") as server:
        await server.stocktrack("users", "add", "bench", "--password-stdin", stdin=PASSWORD)
        pushed, asking = [await logged_in(server.port) for _ in range(2)]
        await pushed.ask(type="SUBSCRIBE", symbols=SYMBOLS, interval=0)
        for question in (YEAR, MINUTES):
            await asking.ask(type="HISTORY", **question)
        print(f"undisturbed: {delays(await pushes(pushed, seconds))}")
        worst = 0.0
        for name, question in (("a year of days", YEAR), ("minutes, one full reply", MINUTES)):
            taken: list[float] = []
            asker = asyncio.create_task(ask_on(asking, question, taken))
            late = await pushes(pushed, seconds)
            asker.cancel()
            await asyncio.wait((asker,))
            if not taken:
                raise RuntimeError("no answer came") from asker.exception() if not asker.cancelled() else None
            asking.close()
            asking = await logged_in(server.port)
            bars = len((await asking.ask(type="HISTORY", **question))["bars"])
            ordered = sorted(taken)
            p99 = ordered[int(len(ordered) * 0.99)]
            if question is YEAR:
                worst = p99
            print(
                f"{name} ({bars} bars): {len(taken)} answers, median {statistics.median(ordered):.2f} ms, "
                f"99th percentile {p99:.2f} ms, longest {ordered[-1]:.2f} ms; meanwhile {delays(late)}"
            )
    return 0 if worst <= MOST_MS else 1


async def logged_in(port: int) -> RawClient:
    """A client that has logged in."""
    client = await RawClient.connect(port)
    await client.ask(type="AUTH", username="bench", password=PASSWORD)
    return client


async def ask_on(client: RawClient, question: dict[str, str], taken: list[float]) -> None:
    """Ask again and again, a hundredth of a second apart, and note the milliseconds."""
    while True:
        began = time.perf_counter()
        reply = await client.ask_raw(type="HISTORY", **question)
        taken.append((time.perf_counter() - began) * 1000)
        if b'"code":200' not in reply[:60]:
            raise RuntimeError(reply[:300].decode())
        await asyncio.sleep(0.01)


async def pushes(client: RawClient, seconds: float) -> list[float]:
    """How many milliseconds after its own time each price came."""
    late: list[float] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        line = await client.line()
        if line.startswith(b'{"type":"PRICE"'):
            late.append(time.time() * 1000 - json.loads(line)["timestamp"])
    return late


def delays(late: Sequence[float]) -> str:
    """The delays of prices in words."""
    ordered = sorted(late)
    return (
        f"{len(ordered)} prices, after {statistics.median(ordered):.1f} ms (median), "
        f"{ordered[int(len(ordered) * 0.99)]:.1f} ms (99th percentile), {ordered[-1]:.1f} ms at most"
    )


if __name__ == "__main__":
    sys.exit(main())
