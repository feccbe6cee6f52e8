"""Kills a real recorder with SIGKILL while thousands of prices a second come, and looks for torn rows.

    make faults        or        PYTHONPATH=tests/support python tests/faults/recorder_kill_nine.py --rounds 50

The files are looked at right after each kill, before anything mends them: every line is a whole row, every Parquet file
is complete, and no row stands twice. Then the recorder goes on in the same files. It ends with 1 where anything else is
found, and prints what it counted.
"""

import asyncio
import contextlib
import random
from collections import Counter
from pathlib import Path

from pyarrow import parquet

from kill_rounds import kill_again_and_again
from live_server import PASSWORD
from pacing import comes
from server_process import STOCKTRACK, ServerProcess, environment, run_stocktrack, server_process
from stocktrack.messages import Price
from stocktrack.recording import csv_rows, json_rows
from stocktrack.recording.parquet_file import journals_of
from stocktrack.recording.reading import Unreadable, files_of, rows_of
from stocktrack.recording.rows import BadRow

SYMBOLS = tuple(f"S{number:04}" for number in range(500))
SETTINGS = {"STOCKTRACK_SIMULATED_INTERVAL_SECONDS": "0.04"}
LONGEST_RUN_SECONDS = 2.0
START_SECONDS = 20.0
LOOK_SECONDS = 0.02  # how often it is looked whether rows are there, unless the recorder ends
NAMES = ("ticks.csv", "ticks.jsonl", "ticks.parquet", "turned.csv")


def size_of(path: Path) -> int:
    """The bytes of all files of a recording."""
    return sum(each.stat().st_size for each in path.parent.glob(f"{path.stem}*"))


async def one_kill(home: Path, server: ServerProcess, name: str, dice: random.Random) -> None:
    """Record into `name` for a moment, and kill the recorder."""
    path = home / name
    before = size_of(path)
    rotation = ["--rotate", "2MB"] if name == "turned.csv" else []
    process = await asyncio.create_subprocess_exec(
        *(*STOCKTRACK, "record", ",".join(SYMBOLS), "--out", str(path), *rotation),
        env=environment(home, STOCKTRACK_PORT=str(server.port), STOCKTRACK_USER="ann", STOCKTRACK_PASSWORD=PASSWORD),
        cwd=home,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(START_SECONDS):
            while size_of(path) < before + 100_000:
                is_over = await comes(process.wait(), LOOK_SECONDS)
                assert not is_over, f"the recorder ended with {process.returncode}"
        await asyncio.sleep(dice.uniform(0, LONGEST_RUN_SECONDS))
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def torn_lines(path: Path) -> list[str]:
    """What is no whole row in a file of lines, as it is."""
    data = path.read_bytes()
    torn = [f"{path.name}: its end is {data[-60:]!r}"] if data and not data.endswith(b"\n") else []
    lines = data.decode().splitlines()
    read = csv_rows.Reader(lines.pop(0)).read if not path.name.endswith(".jsonl") and lines else json_rows.read
    for number, line in enumerate(lines, 2):
        try:
            read(line)
        except BadRow as error:
            torn.append(f"{path.name}, line {number}: {error}")
    return torn


def look(home: Path, name: str, counts: Counter[str]) -> list[str]:
    """What is wrong with the files of a recording, right after a kill."""
    complaints: list[str] = []
    for path in files_of(home / name):
        if path.suffix == ".parquet":
            parquet.read_table(path)  # raises where it is not complete
            for _, journal in journals_of(path):
                complaints += torn_lines(journal)
        else:
            complaints += torn_lines(path)
    bad: list[Unreadable] = []
    seen: set[tuple[str, int]] = set()
    rows = doubled = 0
    for path in files_of(home / name):
        for row in rows_of(path, bad.append):
            if isinstance(row, Price):
                rows += 1
                doubled += (row.symbol, row.seq) in seen
                seen.add((row.symbol, row.seq))
    counts[f"rows of {name}"] = rows
    # Where a recorder begins, the price that it finds may be the last one that the one before it has written.
    starts = counts[f"kills of {name}"] * len(SYMBOLS)
    if doubled > starts:
        complaints.append(f"{name}: {doubled} rows stand twice, which {starts} may")
    return complaints + [str(each) for each in bad]


async def run(home: Path, rounds: int, dice: random.Random, counts: Counter[str]) -> list[str]:
    """All rounds."""
    added = await run_stocktrack(home, "users", "add", "ann", "--password-stdin", stdin=f"{PASSWORD}\n".encode())
    assert added.code == 0, added.err
    complaints: list[str] = []
    async with server_process(home, **SETTINGS) as server:
        for number in range(1, rounds + 1):
            name = NAMES[number % len(NAMES)]
            await one_kill(home, server, name, dice)
            counts["kills"] += 1
            counts[f"kills of {name}"] += 1
            complaints += look(home, name, counts)
            if number % 10 == 0:
                print(f"  {number} kills, {len(complaints)} complaints", flush=True)
    return complaints


def main() -> None:
    """Run it, print the counts, and end with 1 where a row was torn."""
    kill_again_and_again(
        run,
        doc=__doc__,
        rounds=50,
        what="of a recorder",
        of=f"{len(SYMBOLS)} symbols",
        if_well="no row was torn, and none was written twice",
    )


if __name__ == "__main__":
    main()
