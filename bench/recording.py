"""What a recorder costs: rows a second of the writer alone, and CPU and memory of a real one at a real server.

    PYTHONPATH=src:tests/support python bench/recording.py [csv|jsonl|parquet …] [--seconds 60] [--symbols 2000]

The server's simulated market gives each symbol ten prices a second. The recorder has a core of its own, the second one,
and the server the first. Measured on two cores with 2,000 symbols: see docs/recording.md.
"""

import argparse
import asyncio
import os
import resource
import signal
import tempfile
import time
from pathlib import Path

from live_server import PASSWORD
from recorded import a_price
from server_process import STOCKTRACK, environment, run_stocktrack, server_process
from stocktrack.recording.names import Rotation
from stocktrack.recording.reading import files_of
from stocktrack.recording.recording import Recording
from stocktrack.recording.summary import bytes_text, summarise

ROWS = 200_000
BATCH = 500


def writer_alone(folder: Path, suffix: str) -> None:
    """Rows a second of one thread that only writes, on the CPU's clock."""
    rows = [
        a_price(f"S{number % 2000:04}", 100 + number / 100, seq=number, change=1.2, change_percent=0.64, volume=number)
        for number in range(ROWS)
    ]
    recording = Recording(folder / f"alone.{suffix}", Rotation(), lambda: 0)
    began = time.process_time()
    for at in range(0, ROWS, BATCH):
        recording.write(rows[at : at + BATCH])
    recording.close()
    seconds = time.process_time() - began
    size = sum(path.stat().st_size for path in files_of(folder / f"alone.{suffix}"))
    print(
        f"{suffix:>8}: the writer alone {ROWS / seconds:>9,.0f} rows a second, {size / ROWS:.0f} bytes a row",
        flush=True,
    )


def seconds_of(pid: int) -> float:
    """The CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """The memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize() / 1e6


async def at_a_server(folder: Path, suffix: str, symbols: int, seconds: float) -> None:
    """CPU, memory and completeness of a real recorder."""
    added = await run_stocktrack(folder, "users", "add", "ann", "--password-stdin", stdin=PASSWORD.encode())
    if added.code != 0:
        raise SystemExit(added.err)
    settings = {"STOCKTRACK_SIMULATED_INTERVAL_SECONDS": "0.1", "STOCKTRACK_MAX_SYMBOLS": str(symbols)}
    out = folder / f"ticks.{suffix}"
    async with server_process(folder, **settings) as server:
        os.sched_setaffinity(server.pid, {0})
        process = await asyncio.create_subprocess_exec(
            *(*STOCKTRACK, "record", ",".join(f"S{number:04}" for number in range(symbols)), "--out", str(out)),
            env=environment(
                folder, STOCKTRACK_PORT=str(server.port), STOCKTRACK_USER="ann", STOCKTRACK_PASSWORD=PASSWORD
            ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
        )
        os.sched_setaffinity(process.pid, {1})
        await asyncio.sleep(10)
        began, cpu, server_cpu, memory = time.monotonic(), seconds_of(process.pid), seconds_of(server.pid), []
        while time.monotonic() - began < seconds:
            memory.append(resident_mb(process.pid))
            await asyncio.sleep(min(15.0, seconds / 4))
        memory.append(resident_mb(process.pid))
        lasted = time.monotonic() - began
        used, served = seconds_of(process.pid) - cpu, seconds_of(server.pid) - server_cpu
        process.send_signal(signal.SIGTERM)
        await process.wait()
    found = summarise(files_of(out))
    missed = sum(each.missed for each in found.symbols.values())
    rate = found.rows / ((found.last_at or 0) - (found.first_at or 0)) * 1000
    print(
        f"{suffix:>8}: at a server {rate:,.0f} rows a second over {lasted:.0f} s, {found.rows:,} rows, {missed:,} "
        f"missed, {bytes_text(found.size)}; recorder {used / lasted:.0%} of a core, server {served / lasted:.0%}; "
        f"memory {' '.join(f'{each:.0f}' for each in memory)} MB",
        flush=True,
    )


def main() -> None:
    """Run it and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("formats", nargs="*", default=["csv", "jsonl", "parquet"])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--symbols", type=int, default=2_000)
    given = parser.parse_args()
    for suffix in given.formats:
        with tempfile.TemporaryDirectory(prefix="stocktrack-bench-") as folder:
            writer_alone(Path(folder), suffix)
            asyncio.run(at_a_server(Path(folder), suffix, given.symbols, given.seconds))


if __name__ == "__main__":
    main()
