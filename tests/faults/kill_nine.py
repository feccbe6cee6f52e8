"""Kills a real server with SIGKILL at random moments while four clients change their watch lists, and looks what stays.

    make faults        or        PYTHONPATH=src:tests python tests/faults/kill_nine.py --rounds 50

After every kill a new server on the same data must show each list exactly as it was acknowledged last: no symbol lost,
none back that was taken out, in the order of saving. The one change of a client that was under way when the server died
may have been made or not, but as a whole. It ends with 1 where anything else is found, and prints what it counted.
"""

import asyncio
import contextlib
import random
import signal
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kill_rounds import kill_again_and_again
from live_server import PASSWORD, RawClient
from server_process import STOCKTRACK, environment, run_stocktrack, server_process

USERS = ("ann", "bob", "cat", "dan")
LISTS = ("main", "tech", "cars")
SYMBOLS = tuple(f"S{number:04}" for number in range(60))
LONGEST_RUN_SECONDS = 1.5
# Python takes about so long to import everything, to open the database and to listen.
START_UP_SECONDS = 1.0
SETTINGS = {
    # As many changes as the disk takes, without being told to slow down.
    "STOCKTRACK_COMMANDS_PER_SECOND": "100000",
    "STOCKTRACK_COMMAND_BURST": "100000",
}

Command = dict[str, Any]
Lists = dict[str, tuple[str, ...]]


@dataclass(slots=True)
class Person:
    """One user: what was acknowledged, and the change that nobody has answered yet."""

    name: str
    lists: Lists = field(default_factory=lambda: dict.fromkeys(LISTS, ()))
    under_way: Command | None = None

    def next_change(self, dice: random.Random) -> Command:
        """A change that the server will accept."""
        name = dice.choice(LISTS)
        held = self.lists[name]
        if held and dice.random() < 0.05:
            return {"type": "UNSUBSCRIBE", "list": name}
        if held and dice.random() < 0.45:
            return {"type": "UNSUBSCRIBE", "list": name, "symbols": dice.sample(held, min(len(held), 3))}
        return {
            "type": "SUBSCRIBE",
            "list": name,
            "symbols": dice.sample(SYMBOLS, dice.randint(1, 5)),
            "interval": 3600,
        }


def after(command: Command, lists: Lists) -> Lists:
    """The lists after a change."""
    held, named = lists[command["list"]], command.get("symbols")
    if command["type"] == "SUBSCRIBE":
        new = tuple(dict.fromkeys((*held, *(named or ()))))
    else:
        new = tuple(symbol for symbol in held if named is not None and symbol not in named)
    return {**lists, command["list"]: new}


async def log_in(host: str, port: int, person: Person) -> RawClient:
    """A session of this user."""
    client = await RawClient.connect(host, port)
    reply = await client.ask({"type": "AUTH", "username": person.name, "password": PASSWORD})
    assert reply["code"] == 200, reply
    return client


async def change_without_end(client: RawClient, person: Person, dice: random.Random, counts: Counter[str]) -> None:
    """Change one list after the other until the server is gone."""
    with contextlib.suppress(EOFError, ConnectionError, AssertionError):  # a line may be cut off in its middle
        while True:
            person.under_way = command = person.next_change(dice)
            reply = await client.ask(command)
            if reply["code"] != 200:
                raise RuntimeError(f"{person.name}: {command} was refused: {reply}")
            person.lists, person.under_way = after(command, person.lists), None
            counts["acknowledged"] += 1


async def look(client: RawClient, person: Person, counts: Counter[str]) -> list[str]:
    """What is not as it was acknowledged; then what is there is what counts."""
    found: Lists = {}
    for name in LISTS:
        reply = await client.ask({"type": "MY_STOCKS", "list": name})
        found[name] = tuple(reply["symbols"])
    expected, possible = person.lists, person.lists
    if person.under_way is not None:
        possible = after(person.under_way, person.lists)
        counts["under way at a kill"] += 1
    complaints = []
    if found not in (expected, possible):
        for name in LISTS:
            lost = [symbol for symbol in expected[name] if symbol not in found[name] and symbol in possible[name]]
            back = [symbol for symbol in found[name] if symbol not in expected[name] and symbol not in possible[name]]
            counts["lost"] += len(lost)
            counts["come back"] += len(back)
            complaints.append(f"{person.name}/{name}: lost {lost}, back {back}, is {found[name]}, was {expected[name]}")
    elif found == possible != expected:
        counts["under way and made"] += 1
    counts["lists compared"] += len(LISTS)
    person.lists, person.under_way = found, None
    return complaints


async def one_round(home: Path, people: list[Person], dice: random.Random, counts: Counter[str]) -> list[str]:
    """Look at what the last kill left, change it, and kill again."""
    async with server_process(home, **SETTINGS) as server:
        clients = await asyncio.gather(*(log_in(server.host, server.port, person) for person in people))
        try:
            looks = [look(client, person, counts) for client, person in zip(clients, people, strict=True)]
            complaints = [complaint for found in await asyncio.gather(*looks) for complaint in found]
            changes = [
                asyncio.create_task(change_without_end(client, person, dice, counts), name=f"changes of {person.name}")
                for client, person in zip(clients, people, strict=True)
            ]
            await asyncio.sleep(dice.uniform(0, LONGEST_RUN_SECONDS))
            server.signal(signal.SIGKILL)
            await asyncio.gather(*changes)
            assert await server.exit_code() == -signal.SIGKILL
        finally:
            for client in clients:
                await client.close()
    counts["kills"] += 1
    return complaints


async def kill_while_starting(home: Path, dice: random.Random, counts: Counter[str]) -> None:
    """Kill a server that may be recovering from the kill before."""
    process = await asyncio.create_subprocess_exec(
        *(*STOCKTRACK, "serve", "--no-web", "--provider", "simulated", "--port", "0"),
        env=environment(home, **SETTINGS),
        cwd=home,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    await asyncio.sleep(dice.uniform(0, START_UP_SECONDS))
    process.kill()
    await process.wait()
    counts["kills while starting"] += 1


async def run(home: Path, rounds: int, dice: random.Random, counts: Counter[str]) -> list[str]:
    """All rounds, and a last look at what the last kill left."""
    for name in USERS:
        added = await run_stocktrack(home, "users", "add", name, "--password-stdin", stdin=f"{PASSWORD}\n".encode())
        assert added.code == 0, added.err
    people = [Person(name) for name in USERS]
    complaints: list[str] = []
    for number in range(1, rounds + 1):
        complaints += await one_round(home, people, dice, counts)
        if number % 5 == 0:
            await kill_while_starting(home, dice, counts)
            print(
                f"  {number} kills: {counts['acknowledged']} changes acknowledged, {len(complaints)} wrong", flush=True
            )
    async with server_process(home, **SETTINGS) as server:
        for person in people:
            client = await log_in(server.host, server.port, person)
            complaints += await look(client, person, counts)
            await client.close()
    return complaints + file_complaints(home)


def file_complaints(home: Path) -> list[str]:
    """What SQLite itself finds wrong with its file."""
    [database] = home.rglob("stocktrack.db")
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return [row[0] for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]


def main() -> None:
    """Run it, print the counts, and end with 1 where anything was lost or came back."""
    kill_again_and_again(
        run,
        doc=__doc__,
        rounds=50,
        what="of a server",
        of="four clients that change three lists each",
        if_well="every acknowledged change was kept, and none came back",
        counted=(
            *("kills", "kills while starting", "acknowledged", "lists compared"),
            *("under way at a kill", "under way and made", "lost", "come back"),
        ),
    )


if __name__ == "__main__":
    main()
