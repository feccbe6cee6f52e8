"""Kills a real server with SIGKILL while it records bars, and counts which minutes it had seen and are not there.

    make faults        or        PYTHONPATH=tests/support python tests/faults/bars_kill_nine.py --rounds 20

Its clock runs forty times as fast, so that a minute takes 1.5 seconds; its source, its database and its death are real.
After every kill the file is whole, each bar is of its own minute, what was there before is there still, and of the run
there is every minute but the one that ran and, right after a full minute, the one before it. It ends with 1 where
anything else is found, and prints what it counted.
"""

import asyncio
import contextlib
import random
import sqlite3
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import trading_child
from kill_rounds import kill_again_and_again
from server_process import environment
from stocktrack.bars import MINUTE_MS
from trading_child import SYMBOLS, FastClock, price_at

SPEED = 40.0
LONGEST_RUN_SECONDS = 12.0
START_SECONDS = 30.0
Rows = dict[tuple[str, int], tuple[float, float, float, float]]


async def one_kill(folder: Path, began: float, seconds: float) -> tuple[int, int]:
    """Let a server run for a while and kill it; the minutes in which it was ready and in which it died."""
    clock = FastClock(SPEED, began)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, trading_child.__file__, str(folder), str(SPEED), str(began)),
        env=environment(folder),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            while (line := await process.stdout.readline()) != b"ready\n":
                assert line, f"the server ended with {process.returncode}"
        ready = clock.now_ms() // MINUTE_MS
        await asyncio.sleep(seconds)
    finally:
        died = clock.now_ms() // MINUTE_MS
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    return ready, died


def rows_of(folder: Path) -> tuple[Rows, str]:
    """All bars, and what SQLite says of its file."""
    with contextlib.closing(sqlite3.connect(folder / "stocktrack.db")) as connection:
        rows = connection.execute("SELECT symbol, minute, open, high, low, close FROM minute_bars").fetchall()
        return {row[:2]: row[2:] for row in rows}, connection.execute("PRAGMA integrity_check").fetchone()[0]


def look(before: Rows, now: Rows, ready: int, died: int, counts: Counter[str]) -> list[str]:
    """What is wrong after a kill."""
    complaints = [f"{key} was {row}, is {now.get(key)}" for key, row in before.items() if now.get(key) != row]
    minutes_of: dict[str, set[int]] = defaultdict(set)
    for (symbol, minute), (opened, high, low, closed) in now.items():
        minutes_of[symbol].add(minute)
        first = price_at(minute * MINUTE_MS)
        if not first <= low == opened <= closed == high < first + 0.6:
            complaints.append(f"{symbol} {minute}: {opened, high, low, closed}, and the minute began with {first}")
    # Between being ready and the first price of all symbols a moment may pass.
    expected = set(range(ready + 1, died - 1))
    complaints += [
        f"{symbol}: {sorted(missing)} are missing, it died in {died}"
        for symbol in SYMBOLS
        if (missing := expected - minutes_of[symbol])
    ]
    newest = max((minute for _, minute in now), default=0)
    counts["kills"] += 1
    if expected:
        counts[f"minutes lost at a kill: {died - newest}"] += 1  # the one that ran is one of them
    counts["bars"] = len(now)
    return complaints


async def run(folder: Path, rounds: int, dice: random.Random, counts: Counter[str]) -> list[str]:
    """All rounds."""
    began = time.time()
    rows: Rows = {}
    complaints: list[str] = []
    for number in range(1, rounds + 1):
        ready, died = await one_kill(folder, began, dice.uniform(0.5, LONGEST_RUN_SECONDS))
        before, (rows, state) = rows, rows_of(folder)
        complaints += [] if state == "ok" else [f"the file: {state}"]
        complaints += look(before, rows, ready, died, counts)
        if number % 5 == 0:
            print(f"  {number} kills, {len(complaints)} complaints", flush=True)
    return complaints


def main() -> None:
    """Run it, print the counts, and end with 1 where more was lost than may be."""
    kill_again_and_again(
        run,
        doc=__doc__,
        rounds=20,
        what="of a server that records bars",
        of=f"{len(SYMBOLS)} symbols",
        if_well="no bar was torn, and no more than the last two minutes were lost",
    )


if __name__ == "__main__":
    main()
