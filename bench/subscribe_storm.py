"""Everybody comes back at once: so many clients connect, log in and SUBSCRIBE to twenty symbols in one breath.

    python bench/subscribe_storm.py [--clients 8000] [--seconds 5] [--database-url postgresql://…] [KIND ...]

Each kind has a server of its own, with the limits that let so many in, and the default time for a login:

- password: one user with a password; the first SUBSCRIBE saves the symbols, and all others find them saved
- unsaved: the same with "save": false
- token: one user with a token
- lists: one user with a token and nineteen lists; each client saves one symbol that nobody else does
- users: as many users as clients, each with a token, and each saves the twenty symbols
- alone: one client after the other, logged in and saving something new each time: what one waits for

A client is done when its SUBSCRIBE is answered. Printed are the seconds until all are done, the server's own processor
time, and all answers by code. The seconds need a second processor that is free for the clients; the processor's time
says what the server costs on a machine that has other things to do. Exit code 1 means that a client was not answered
200, or that not all were within `--seconds`.
"""

import argparse
import asyncio
import itertools
import json
import resource
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from served import Served, served

from stocktrack.accounts.accounts import NO_PASSWORD
from stocktrack.accounts.identity import new_token_id
from stocktrack.accounts.tokens import open_signer
from stocktrack.clock import RealClock
from stocktrack.scopes import Scope
from stocktrack.storage.store import Store, TokenRow

PASSWORD = "right password"  # noqa: S105 - of users that live as long as this benchmark
SYMBOLS = [f"S{number:04}" for number in range(20)]
LISTS = 19
ALONE = 300
PATIENCE_SECONDS = 120.0

Commands = tuple[dict[str, Any], dict[str, Any]]


def main() -> int:
    """Run the kinds that are asked for."""
    kinds = {"password": password, "unsaved": unsaved, "token": token, "lists": lists, "users": users, "alone": alone}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=8_000)
    parser.add_argument("--seconds", type=float, default=5.0, help="within which all have to be answered")
    parser.add_argument("--database-url", help="an empty PostgreSQL database, instead of SQLite")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"{', '.join(kinds)}; all of them by default")
    options = parser.parse_args()
    if unknown := sorted(frozenset(options.kinds) - kinds.keys()):
        parser.error(f"there is no kind {unknown[0]}; there are {', '.join(kinds)}")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    reached = [asyncio.run(measure(kind, kinds[kind], options)) for kind in options.kinds or kinds]
    return 0 if all(reached) else 1


async def measure(kind: str, prepare: Callable[[Served, int], Any], options: argparse.Namespace) -> bool:
    """Whether all clients of this kind were answered 200, in time."""
    most = str(options.clients + 100)
    settings = {"MAX_SESSIONS": most, "MAX_UNAUTHENTICATED_SESSIONS": most, "COMMANDS_PER_SECOND": "100000"}
    if options.database_url:
        settings["DATABASE_URL"] = options.database_url
    async with served(**settings) as server:
        if kind == "alone":
            print(f"{kind}: {await alone(server, options.clients)}", flush=True)
            return True
        commands: Iterator[Commands] = await prepare(server, options.clients)
        answers: Counter[str] = Counter()
        cpu, began = server.cpu_seconds(), time.perf_counter()
        loop = asyncio.get_running_loop()
        clients = [StormClient(pair, answers) for pair in itertools.islice(commands, options.clients)]
        await asyncio.gather(*(loop.create_connection(lambda c=c: c, "127.0.0.1", server.port) for c in clients))  # type: ignore[misc]  # mypy infers no lambda with a default
        _, waiting = await asyncio.wait([client.done for client in clients], timeout=PATIENCE_SECONDS)
        seconds, cpu = time.perf_counter() - began, server.cpu_seconds() - cpu
        for client in clients:
            client.close()
    answers["never answered"] += len(waiting)
    told = ", ".join(f"{count:,} times {answer}" for answer, count in sorted(answers.items()) if count)
    print(
        f"{kind}: {options.clients:,} clients in {seconds:.2f} s, {cpu:.2f} s of the server's processor: {told}",
        flush=True,
    )
    return seconds <= options.seconds and answers["AUTH 200"] == answers["SUBSCRIBE 200"] == int(options.clients)


class StormClient(asyncio.Protocol):
    """Sends both commands as soon as it is connected, and counts the answers."""

    def __init__(self, commands: Commands, answers: Counter[str]) -> None:
        self._lines = b"".join(json.dumps(command).encode() + b"\n" for command in commands)
        self._answers = answers
        self._rest = b""
        self._transport: asyncio.Transport | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say all that there is to say."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - it is a TCP connection
        self._transport = transport
        transport.write(self._lines)

    def data_received(self, data: bytes) -> None:
        """Count the answers; prices are read and thrown away."""
        if self.done.done():
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line.startswith((b'{"type":"AUTH"', b'{"type":"SUBSCRIBE"', b'{"type":"NOTICE"')):
                reply = json.loads(line)
                self._answers[f"{reply['type']} {reply['code']} {reply.get('reason', '')}".strip()] += 1
                if reply["type"] == "SUBSCRIBE" and not self.done.done():
                    self.done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        """It may be over before the answer came."""
        if not self.done.done():
            self._answers[f"closed early {error or ''}".strip()] += 1
            self.done.set_result(None)

    def close(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()


def pair(login: dict[str, Any], **subscribe: Any) -> Commands:
    """What a client sends."""
    return {"type": "AUTH", **login}, {"type": "SUBSCRIBE", "interval": 1, "symbols": SYMBOLS, **subscribe}


async def password(server: Served, _: int) -> Iterator[Commands]:
    """One user with a password."""
    await server.stocktrack("users", "add", "ann", "--password-stdin", stdin=f"{PASSWORD}\n")
    return itertools.repeat(pair({"username": "ann", "password": PASSWORD}))


async def unsaved(server: Served, _: int) -> Iterator[Commands]:
    """The same, and nothing is saved."""
    await password(server, 1)
    return itertools.repeat(pair({"username": "ann", "password": PASSWORD}, save=False))


async def token(server: Served, _: int) -> Iterator[Commands]:
    """One user with a token."""
    [one] = await tokens(server, 1)
    return itertools.repeat(pair({"token": one}))


async def lists(server: Served, _: int) -> Iterator[Commands]:
    """One user whose lists grow by every client."""
    [one] = await tokens(server, 1)
    return (
        pair({"token": one}, symbols=[f"S{number:04}"], list=f"list {number % LISTS}", interval=60)
        for number in itertools.count()
    )


async def users(server: Served, count: int) -> Iterator[Commands]:
    """A user for each client."""
    return iter([pair({"token": one}) for one in await tokens(server, count)])


async def tokens(server: Served, count: int) -> list[str]:
    """Tokens of so many new users, made as the command line makes them, but in one process."""
    url = server.database_url
    store = Store(url)
    await store.open()
    signer = open_signer(server.folder, RealClock(), is_loopback=True, warn=print)
    try:
        names = [f"user{number}" for number in range(count)]
        await asyncio.gather(*(store.add_user(name, NO_PASSWORD, created_at_ms=1) for name in names))
        rows = [TokenRow(new_token_id(), None, Scope.FULL, 1, signer.expiry_ms(1)) for _ in names]
        await asyncio.gather(
            *(store.add_token(name, row, may=lambda _: True) for name, row in zip(names, rows, strict=True))
        )
        return [signer.make(name, 1, 0, row).text for name, row in zip(names, rows, strict=True)]
    finally:
        await store.close()


async def alone(server: Served, _: int) -> str:
    """How long one client waits that is alone."""
    waited: dict[str, list[float]] = {"AUTH": [], "SUBSCRIBE to something new": [], "SUBSCRIBE to the same": []}
    [text] = await tokens(server, 1)
    one = {"token": text}
    for number in range(ALONE):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await reader.readline()
        subscribe: dict[str, Any] = {"type": "SUBSCRIBE", "symbols": [f"S{number:04}"], "interval": 3600}
        for what, command in zip(waited, ({"type": "AUTH", **one}, subscribe, subscribe), strict=True):
            began = time.perf_counter()
            writer.write(json.dumps(command).encode() + b"\n")
            reply: dict[str, Any] = {}
            while reply.get("type") != command["type"]:
                reply = json.loads(await reader.readline())
            waited[what].append(time.perf_counter() - began)
            if reply["code"] != 200:
                raise RuntimeError(str(reply))
        writer.close()
    return ", ".join(
        f"{what} {statistics.median(times) * 1000:.2f} ms (99 %: {statistics.quantiles(times, n=100)[98] * 1000:.1f})"
        for what, times in waited.items()
    )


if __name__ == "__main__":
    sys.exit(main())
