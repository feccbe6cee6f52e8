"""Another program keeps the database for itself for some seconds: a client waits, and is not told to try again.

    PYTHONPATH=src:tests/support python tests/faults/busy_database.py [--clients 200] [--seconds 8]

Once the write lock is held for so long in one piece, as a backup may hold it; once it is taken and given back without
end, as by a script that adds users. Meanwhile every client saves a symbol, and new ones log in. It prints what they
were answered and how long they waited, and exits 1 where anything but a 200 was an answer.
"""

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

from live_server import PASSWORD, Line, RawClient
from server_process import ServerProcess, run_stocktrack, server_process

# A process of its own, since SQLite's locks are a process's.
HOLDS_IT = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
connection.execute("BEGIN IMMEDIATE")
print("begun", flush=True)
time.sleep(float(sys.argv[2]))
connection.execute("ROLLBACK")
"""
TAKES_IT_AGAIN_AND_AGAIN = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
print("begun", flush=True)
until = time.monotonic() + float(sys.argv[2])
number = 0
while time.monotonic() < until:
    number += 1
    connection.execute("BEGIN IMMEDIATE")
    ends = time.monotonic() + 0.02
    while time.monotonic() < ends:  # as long as a change of some hundred rows takes
        values = (f"user{number}", "!", 1)
        connection.execute("INSERT OR IGNORE INTO users (name, password_hash, created_at_ms) VALUES (?, ?, ?)", values)
    connection.execute("COMMIT")
"""


@contextlib.asynccontextmanager
async def busy(program: str, database: Path, seconds: float) -> AsyncIterator[None]:
    """The program runs in the block, which ends when it has."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, str(database), str(seconds)), stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    assert await child.stdout.readline() == b"begun\n"
    yield
    assert await child.wait() == 0


class Waits:
    """What was answered, and how long that took."""

    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()
        self.longest = 0.0

    async def ask(self, reply: Awaitable[Line]) -> None:
        """Wait for one reply."""
        began = time.monotonic()
        answer = await reply
        self.longest = max(self.longest, time.monotonic() - began)
        self.answers[f"{answer['code']} {answer.get('reason', '')}".strip()] += 1

    def told(self, what: str) -> bool:
        """Print it; whether all were answered 200."""
        answers = ", ".join(f"{count} times {answer}" for answer, count in self.answers.items())
        print(f"  {what}: {answers}; the longest took {self.longest:.1f} s", flush=True)
        return set(self.answers) == {"200"}


def database_in(home: Path) -> Path:
    """The file that the server uses."""
    [database] = home.rglob("stocktrack.db")
    return database


async def log_in(server: ServerProcess) -> Line:
    """Log a new client in and out."""
    client = await RawClient.connect(server.host, server.port)
    try:
        return await client.ask({"type": "AUTH", "username": "ann", "password": PASSWORD})
    finally:
        await client.close()


async def one_way(home: Path, what: str, program: str, clients: int, seconds: float) -> bool:
    """Whether everybody got a 200 while the program was in the way."""
    async with server_process(home) as server:
        sessions = [await RawClient.connect(server.host, server.port) for _ in range(clients)]
        for session in sessions:
            await session.ask({"type": "AUTH", "username": "ann", "password": PASSWORD})
        saves, logins = Waits(), Waits()
        print(f"another program {what} for {seconds:g} s", flush=True)
        async with busy(program, database_in(home), seconds), asyncio.TaskGroup() as tasks:
            for number, session in enumerate(sessions):
                save = {"type": "SUBSCRIBE", "symbols": [f"S{number:04}"], "interval": 3600}
                tasks.create_task(saves.ask(session.ask(save)))
            for _ in range(20):
                await logins.ask(log_in(server))
        for session in sessions:
            await session.close()
    is_good = saves.told(f"{clients} clients save a symbol")
    return logins.told("20 log in one after the other") and is_good


async def run(home: Path, clients: int, seconds: float) -> bool:
    """Both ways."""
    added = await run_stocktrack(home, "users", "add", "ann", "--password-stdin", stdin=f"{PASSWORD}\n".encode())
    assert added.code == 0, added.err
    is_good = await one_way(home, "holds the lock", HOLDS_IT, clients, seconds)
    return await one_way(home, "takes the lock again and again", TAKES_IT_AGAIN_AND_AGAIN, clients, seconds) and is_good


def main() -> None:
    """Run it, and end with 1 where somebody was refused."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=8.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stocktrack-busy-") as folder:
        is_good = asyncio.run(run(Path(folder), given.clients, given.seconds))
    print("everybody was served" if is_good else "FAILED: somebody was refused")
    sys.exit(0 if is_good else 1)


if __name__ == "__main__":
    main()
