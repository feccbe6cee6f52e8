"""Kills a real server with SIGKILL while its alerts fire to a webhook, and counts what was lost and what came twice.

    make faults        or        PYTHONPATH=tests/support python tests/faults/alerts_kill_nine.py --rounds 50

The webhook is a process of its own, which refuses every seventh delivery and checks each signature. Every alert has a
price of its own that is passed once, while the server runs or while it is dead; in the end each of them has to be
there, what came twice with the same id, and none under two. It ends with 1 where anything else is found, and prints
what it counted.
"""

import asyncio
import contextlib
import json
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import alert_child
import webhook_stub
from alert_child import FALLING, RISING, SECRET, TARGET, USER, price_at
from kill_rounds import kill_again_and_again
from pacing import comes
from server_process import environment
from stocktrack.alerting import AlertWhen
from stocktrack.storage.alerts import NewAlert
from stocktrack.storage.store import Store
from stores import HASH

ALERTS_A_SYMBOL = 20
SECONDS_A_ROUND = 2.5  # a start takes one of them, or two
LONGEST_RUN_SECONDS = 1.5
START_SECONDS = 30.0
END_SECONDS = 120.0


async def make_alerts(folder: Path, seconds: float, dice: random.Random) -> int:
    """Alerts whose prices are passed within so many seconds; how many they are."""
    store = Store(f"sqlite:///{folder / 'stocktrack.db'}")
    await store.open()
    await store.add_user(USER, HASH, created_at_ms=0)
    wanted = [
        NewAlert(
            symbol,
            AlertWhen.CROSSES_ABOVE if symbol in RISING else AlertWhen.CROSSES_BELOW,
            price_at(symbol, dice.uniform(3, seconds)),
            targets=(TARGET,),
            price_before=price_at(symbol, 0),
        )
        for symbol in (*RISING, *FALLING)
        for _ in range(ALERTS_A_SYMBOL)
    ]
    now_ms = round(time.time() * 1000)
    await asyncio.gather(*(store.alerts.add(USER, each, limit=len(wanted), now_ms=now_ms) for each in wanted))
    await store.close()
    return len(wanted)


@contextlib.asynccontextmanager
async def a_program(*command: str, folder: Path) -> AsyncIterator[tuple[bytes, asyncio.StreamReader]]:
    """A process until the end of the block: its first line, and those that follow."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *command),
        env=environment(folder),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            line = await process.stdout.readline()
        assert line, f"{command[0]} ended with {process.returncode}"
        yield line.strip(), process.stdout
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def told(path: Path) -> list[dict[str, Any]]:
    """What the webhook took, a delivery a line: its id, its body, and whether it was signed."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


async def all_told(lines: asyncio.StreamReader, made: int) -> None:
    """Return once the webhook has taken as many deliveries as there are alerts, doubles counted once."""
    ids: set[bytes] = set()
    while len(ids) < made and (line := await lines.readline()):
        ids.add(line)


async def run(folder: Path, rounds: int, dice: random.Random, counts: Counter[str]) -> list[str]:
    """All rounds, and the time to tell the rest."""
    data, taken = folder / "data", folder / "taken.jsonl"
    await asyncio.to_thread(data.mkdir, 0o700)
    made = await make_alerts(data, rounds * SECONDS_A_ROUND, dice)
    began = time.time()
    hook = (webhook_stub.__file__, str(taken), "--secret", SECRET, "--fail-every", "7")
    async with a_program(*hook, folder=folder) as (line, lines):
        telling = asyncio.create_task(all_told(lines, made))
        server = (alert_child.__file__, str(data), str(began), line.decode().split()[-1])
        for number in range(1, rounds + 1):
            async with a_program(*server, folder=data):
                await asyncio.sleep(dice.uniform(0.0, LONGEST_RUN_SECONDS))
            counts["kills"] += 1
            if number % 10 == 0:
                print(f"  {number} kills, {len(told(taken))} deliveries", flush=True)
        async with a_program(*server, folder=data):
            await comes(telling, END_SECONDS)
    return look(told(taken), made, counts)


def look(deliveries: list[dict[str, Any]], made: int, counts: Counter[str]) -> list[str]:
    """What is wrong with what the webhook took."""
    ids_of: dict[str, set[str]] = defaultdict(set)
    for each in deliveries:
        ids_of[each["body"]["alert"]].add(each["id"])
    counts["alerts"] = made
    counts["told"] = len(ids_of)
    counts["lost"] = made - len(ids_of)
    counts["deliveries"] = len(deliveries)
    counts["doubles under the same id"] = len(deliveries) - len({each["id"] for each in deliveries})
    complaints = [f"{alert} was told under several ids: {sorted(ids)}" for alert, ids in ids_of.items() if len(ids) > 1]
    if unsigned := sum(not each["signed"] for each in deliveries):
        complaints.append(f"{unsigned} deliveries were not signed as they should be")
    if counts["lost"]:
        complaints.append(f"{counts['lost']} alerts were never told")
    return complaints


def main() -> None:
    """Run it, print the counts, and end with 1 where an alert was lost, or told under two ids."""
    kill_again_and_again(
        run,
        doc=__doc__,
        rounds=50,
        what="of a server whose alerts fire to a webhook",
        of=f"{(len(RISING) + len(FALLING)) * ALERTS_A_SYMBOL} alerts",
        if_well="no alert was lost, and what came twice had the same id",
        counted=("kills", "alerts", "told", "lost", "deliveries", "doubles under the same id"),
    )


if __name__ == "__main__":
    main()
