"""How long a command takes on a machine without a server: to the board, to the first price, to the answer of a `get`.

    PYTHONPATH=src:tests/support python bench/private_server.py [RUNS]

The program runs in a real pseudo-terminal, on the simulated market and on a stand-in of Yahoo behind the real yfinance,
which answers at once. Python's compiled files must be there (PYTHONDONTWRITEBYTECODE unset), or compiling is what is
measured.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from private_child import SCRIPT
from terminal import Terminal, program_environment
from yahoo_thread import yahoo_in_a_thread

SYMBOLS = ("AAPL", "TSLA")
PATIENCE_SECONDS = 30.0


def watch_seconds(environment: dict[str, str]) -> tuple[float, float, float]:
    """From the start to the board, to the first price on it, and from `q` to the end."""
    began = time.monotonic()
    with Terminal("watch", *SYMBOLS, environment=environment, run_by=(SCRIPT,)) as terminal:
        terminal.wait_until(lambda: "private · " in terminal.screen, "for the board")
        board = time.monotonic() - began
        terminal.wait_until(lambda: "  USD  " in terminal.screen, "for a price")
        price = time.monotonic() - began
        terminal.type("q")
        ending = time.monotonic()
        terminal.wait_exit()
        return board, price, time.monotonic() - ending


def get_seconds(environment: dict[str, str]) -> float:
    """From the start to the end of a `get`."""
    began = time.monotonic()
    command = [sys.executable, SCRIPT, "get", SYMBOLS[0]]
    subprocess.run(  # noqa: S603 - this very program
        command, env=environment, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=PATIENCE_SECONDS
    )
    return time.monotonic() - began


def told(seconds: list[float]) -> str:
    """The median and the extremes, for people."""
    return f"{statistics.median(seconds):.2f} s, from {min(seconds):.2f} to {max(seconds):.2f}"


def main() -> None:
    """Measure both markets."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with yahoo_in_a_thread() as yahoo, tempfile.TemporaryDirectory() as home:
        yahoo.know(*SYMBOLS)
        # Nothing listens at port 1.
        machine = {"STOCKTRACK_TEST_DEFAULT_PORT": "1", "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
        markets = {
            "simulated market": {"STOCKTRACK_PROVIDERS": "simulated"},
            "stand-in of Yahoo": {
                "STOCKTRACK_TEST_YAHOO": yahoo.url,
                "STOCKTRACK_YAHOO_STREAM": "false",
                "STOCKTRACK_NEWS_FEEDS": "http://127.0.0.1:1/",
            },
        }
        for name, settings in markets.items():
            environment = program_environment(Path(home), None, **machine, **settings)
            get_seconds(environment)  # the first one makes the database
            boards, prices, ends = zip(*(watch_seconds(environment) for _ in range(runs)), strict=True)
            print(f"{name}, {runs} runs each")
            print(f"  watch: the board          {told([*boards])}")
            print(f"  watch: the first price    {told([*prices])}")
            print(f"  watch: from q to the end  {told([*ends])}")
            print(f"  get                       {told([get_seconds(environment) for _ in range(runs)])}", flush=True)


if __name__ == "__main__":
    main()
