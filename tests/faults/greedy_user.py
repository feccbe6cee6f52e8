"""One user who wants everything, beside others: what that costs the source, and how old the others' prices become.

    PYTHONPATH=tests/support python tests/faults/greedy_user.py [SECONDS]

A real server asks a made-up Yahoo that takes 300 ms for each answer, while

- six sessions of one user ask for 500 random symbols each, again and again;
- thirty sessions of one user ask for the companies behind random symbols;
- a hundred users come at once, each with twenty symbols of their own.

It exits 1 where a watched price becomes older than three polls, where the greedy user causes more requests than the
settings allow, or where one of the hundred is refused a symbol. The figures stand in
docs/decisions/0038-what-a-user-may-ask-of-the-sources.md.
"""

import asyncio
import contextlib
import itertools
import os
import random
import string
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from live_server import RawClient
from server_process import ServerProcess, server_process
from yahoo_redirect import send_yahoo_to
from yahoo_stub import YahooStub, running_yahoo_stub

ANSWER_SECONDS = 0.3
POLL_SECONDS = 5.0
WATCHED = tuple(f"W{number}" for number in range(20))
USERS, SYMBOLS_A_USER = 100, 20
# What the settings allow one user within a minute: 60, and a burst of 30.
ALLOWED_A_MINUTE = 90
YAHOO_VARIABLE = "STOCKTRACK_TEST_YAHOO_URL"


class SlowYahoo(YahooStub):
    """A Yahoo that takes its time, and notes when it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        self.times.append(time.monotonic())
        await asyncio.sleep(ANSWER_SECONDS)
        return await super().handle(request)


class Canary:
    """Somebody who watches twenty symbols, once a second, and sees how old each price is."""

    def __init__(self, client: RawClient) -> None:
        self._client = client
        self.oldest_seconds = 0.0
        self._prices = 0
        self._came = asyncio.Event()

    async def sees_pushes(self, count: int) -> None:
        """Return when so many more pushes came, one a second."""
        wanted = self._prices + count * len(WATCHED)
        while self._prices < wanted:
            self._came.clear()
            await self._came.wait()

    async def watch(self) -> None:
        """Watch until cancelled."""
        reply = await self._client.ask({"type": "SUBSCRIBE", "symbols": WATCHED, "interval": 1, "save": False})
        assert reply["code"] == 200, reply
        while True:
            try:
                message = await self._client.receive()
            except TimeoutError:
                continue
            if message["type"] == "PRICE":
                self._prices += 1
                self._came.set()
                self.oldest_seconds = max(self.oldest_seconds, time.time() - message["received_at"] / 1000)


def some_symbols(count: int) -> list[str]:
    """Symbols that nobody has asked for yet, and that there are not."""
    return ["".join(random.choices(string.ascii_uppercase, k=8)) for _ in range(count)]  # noqa: S311


async def patiently(client: RawClient, command: dict[str, Any]) -> dict[str, Any]:
    """The reply to a command, however long it takes."""
    client.send(command)
    while True:
        with contextlib.suppress(TimeoutError):
            return await client.reply()


async def ask_for_random_quotes(client: RawClient, answers: Counter[str]) -> None:
    """GET 500 random symbols, again and again."""
    while True:
        reply = await patiently(client, {"type": "GET", "symbols": some_symbols(500)})
        answers.update(each["reason"] for each in reply.get("missing", ()))


async def ask_for_random_companies(client: RawClient, answers: Counter[str]) -> None:
    """INFO of random symbols, again and again."""
    while True:
        reply = await patiently(client, {"type": "INFO", "symbol": some_symbols(1)[0]})
        answers[reply.get("reason", "ok")] += 1


async def ask_politely(client: RawClient, waits: list[float], yahoo: YahooStub, canary: Canary) -> None:
    """GET a symbol that nobody watches, every two seconds."""
    for number in itertools.count():
        yahoo.know(symbol := f"P{number}")
        began = time.monotonic()
        reply = await patiently(client, {"type": "GET", "symbols": [symbol]})
        waits.append(time.monotonic() - began if reply["code"] == 200 else float("inf"))
        await canary.sees_pushes(2)


Attack = Callable[[RawClient, Counter[str]], Coroutine[Any, Any, None]]


@contextlib.asynccontextmanager
async def a_server(home: Path, yahoo: YahooStub) -> AsyncIterator[ServerProcess]:
    """The program, which finds this Yahoo where it looks for the real one."""
    names = ("canary", "mallory", "polite", *(f"user{number}" for number in range(USERS)))
    async with server_process(
        home,
        program=(sys.executable, __file__),
        PYTHONPATH=os.pathsep.join(filter(None, sys.path)),
        STOCKTRACK_PROVIDERS="yahoo",
        STOCKTRACK_YAHOO_STREAM="false",
        STOCKTRACK_ALLOWLIST=",".join(names),
        STOCKTRACK_POLL_INTERVAL_SECONDS=str(POLL_SECONDS),
        **{YAHOO_VARIABLE: yahoo.url},
    ) as server:
        yield server


async def log_in(server: ServerProcess, name: str) -> RawClient:
    """A session of a user who needs no password."""
    client = await server.connect()
    reply = await client.ask({"type": "AUTH", "username": name})
    assert reply["code"] == 200, reply
    return client


def busiest_minute(times: list[float]) -> int:
    """The most requests within sixty seconds."""
    first, most = 0, 0
    for place, at in enumerate(times):
        while at - times[first] > 60:
            first += 1
        most = max(most, place - first + 1)
    return most


async def attack(name: str, sessions: int, seconds: float, do: Attack) -> bool:
    """Run one attack of one user beside the canary; whether it did more than it may."""
    yahoo, answers = SlowYahoo(), Counter[str]()
    async with serving(yahoo), in_a_folder() as home, a_server(home, yahoo) as server:
        canary = Canary(await log_in(server, "canary"))
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(canary.watch())]
            await canary.sees_pushes(2 * round(POLL_SECONDS))
            waits: list[float] = []
            quiet, canary.oldest_seconds = canary.oldest_seconds, 0.0
            yahoo.times.clear()
            tasks += [group.create_task(do(await log_in(server, "mallory"), answers)) for _ in range(sessions)]
            tasks.append(group.create_task(ask_politely(await log_in(server, "polite"), waits, yahoo, canary)))
            await asyncio.sleep(seconds)
            for task in tasks:
                task.cancel()
        polls = seconds / POLL_SECONDS
        per_minute = busiest_minute(yahoo.times) * (60 / min(60, seconds))
        print(f"{name}, {sessions} sessions of one user, {seconds:g} s:")
        print(f"  requests to the source a minute {per_minute:.0f}, {polls * 60 / seconds:.0f} of them polls")
        print(f"  a canary's oldest price {canary.oldest_seconds:.1f} s ({quiet:.1f} s before)")
        print(f"  another user's GET took at most {max(waits):.1f} s, {sorted(waits)[len(waits) // 2]:.1f} s as a rule")
        print(f"  answers {dict(answers.most_common(5))}", flush=True)
        allowed = (ALLOWED_A_MINUTE - 60 + seconds + polls + 2) * (60 / seconds) if seconds < 60 else ALLOWED_A_MINUTE
        return canary.oldest_seconds > 3 * POLL_SECONDS or per_minute > allowed + 60 / POLL_SECONDS


async def honest_crowd() -> bool:
    """A hundred users who come at once, each with symbols of their own; whether one is refused anything."""
    yahoo = SlowYahoo()
    numbers = itertools.count()
    theirs = [[f"H{next(numbers)}" for _ in range(SYMBOLS_A_USER)] for _ in range(USERS)]
    yahoo.know(*itertools.chain.from_iterable(theirs))
    async with serving(yahoo), in_a_folder() as home, a_server(home, yahoo) as server:

        async def come(number: int) -> tuple[float, int]:
            client = await log_in(server, f"user{number}")
            began = time.monotonic()
            reply = await patiently(client, {"type": "SUBSCRIBE", "symbols": theirs[number], "save": False})
            refused = len(reply.get("missing", ())) + len(reply.get("pending", ()))
            return time.monotonic() - began, refused if reply["code"] == 200 else SYMBOLS_A_USER

        came = await asyncio.gather(*(come(number) for number in range(USERS)))
        answered = max(seconds for seconds, _ in came)
        refused = sum(count for _, count in came)
        print(f"{USERS} users, each with {SYMBOLS_A_USER} symbols of their own:")
        print(f"  refused {refused} of {USERS * SYMBOLS_A_USER} symbols, the last user answered after {answered:.1f} s")
        return refused > 0


@contextlib.asynccontextmanager
async def serving(yahoo: SlowYahoo) -> AsyncIterator[None]:
    """Have `yahoo` listen."""
    async with running_yahoo_stub(yahoo):
        yahoo.know(*WATCHED)
        yield


@contextlib.asynccontextmanager
async def in_a_folder() -> AsyncIterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


async def main(seconds: float) -> int:
    """Run it all."""
    failed = [
        await attack("GET of 500 random symbols", 6, seconds, ask_for_random_quotes),
        await attack("INFO of random symbols", 30, seconds, ask_for_random_companies),
        await honest_crowd(),
    ]
    return int(any(failed))


if __name__ == "__main__":
    if YAHOO_VARIABLE in os.environ:
        from stocktrack.cli import main as stocktrack

        send_yahoo_to(os.environ[YAHOO_VARIABLE], pytest.MonkeyPatch())
        sys.argv = ["stocktrack", "serve"]
        stocktrack()
    else:
        sys.exit(asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 45.0)))
