"""`serve --workers 2`: real processes at one port, with a real Redis, and what happens when one of them dies."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from clusters import told
from live_server import PASSWORD, RawClient, until
from patient_http import patient_http
from redis_server import RedisServer, running_redis
from server_process import ServerProcess, run_stocktrack, server_process

CLIENTS = 24
LOGIN = {"type": "AUTH", "username": "ann", "password": PASSWORD}
START_SECONDS = 30.0


@contextlib.asynccontextmanager
async def workers(redis: RedisServer, home: Path, **variables: str) -> AsyncIterator[ServerProcess]:
    """A server with two workers and an administrator."""
    arguments = ("--workers", "2", "--redis-url", redis.socket_url, "--web-port", "0")
    await run_stocktrack(home, "users", "add", "ann", "--admin", "--password-stdin", stdin=PASSWORD.encode())
    async with server_process(home, *arguments, STOCKTRACK_SIMULATED_INTERVAL_SECONDS="0.1", **variables) as server:
        yield server


async def pids_of(server: ServerProcess) -> dict[str, int]:
    """The children's process ids by name, as the ready line tells them."""
    pids: dict[str, int] = (await server.logged("ready"))["pids"]
    return pids


async def web_of(server: ServerProcess) -> str:
    page: str = (await server.logged("ready"))["page"]
    return page.rstrip("/")


@contextlib.asynccontextmanager
async def clients_of(server: ServerProcess) -> AsyncIterator["Clients"]:
    """Clients that are closed at the end."""
    clients = Clients(server)
    try:
        yield clients
    finally:
        for client in clients.all:
            await client.close()


class Clients:
    """Those that a test has connected."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self.all: list[RawClient] = []

    async def connect(self) -> RawClient:
        """A client that was greeted."""
        self.all.append(await self._server.connect())
        return self.all[-1]

    async def log_in(self) -> RawClient:
        """A client that is logged in."""
        client = await self.connect()
        assert (await client.ask(LOGIN))["code"] == 200
        return client

    async def watching(self) -> RawClient:
        """A client that is pushed a price."""
        client = await self.log_in()
        command = {"type": "SUBSCRIBE", "symbol": "AAPL", "interval": 0, "save": False}
        assert (await client.ask(command))["code"] == 200
        return client


async def gone(pid: int) -> None:
    """Return when a process has ended."""
    await until(lambda: has_ended(pid))


def has_ended(pid: int) -> bool:
    """Whether there is no such process; one that nobody has waited for yet has ended too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def reloaded(server: ServerProcess) -> set[str]:
    """The processes that said they have taken over their settings anew."""
    return {entry["process"] for entry in server.log if entry["event"] == "settings reloaded"}


def count_of(page: str, figure: str) -> float:
    [line] = [line for line in page.splitlines() if line.startswith(figure)]
    return float(line.split()[-1])


async def test_two_workers_serve_as_one_server(redis: RedisServer, tmp_path: Path) -> None:
    async with workers(redis, tmp_path) as server, clients_of(server) as crowd:
        pids, web = await pids_of(server), await web_of(server)
        assert set(pids) == {"feed", "worker 1", "worker 2"}
        clients = [await crowd.watching() for _ in range(CLIENTS)]
        admin = await crowd.log_in()

        listed = (await admin.ask({"type": "SESSIONS"}))["sessions"]
        assert len(listed) == CLIENTS + 1
        assert len({each["session"].partition("-")[2] for each in listed}) == 2, "the kernel dealt them to both"

        assert (await admin.ask({"type": "ANNOUNCE", "text": "Hello."}))["recipients"] == CLIENTS + 1
        prices: list[dict[str, Any]] = []
        for client in clients:
            await told(client, "announcement")
            prices.append(await client.receive_until("PRICE"))
        assert {price["provider"] for price in prices} == {"simulated"}

        async with patient_http(base_url=web) as http:
            for _ in range(4):  # each is another connection's, and may be another worker's
                ready = (await http.get("/readyz", headers={"Connection": "close"})).json()
                page = (await http.get("/metrics", headers={"Connection": "close"})).text
                assert ready["ready"], ready
                assert count_of(page, 'stocktrack_sessions{door="tcp"}') == CLIENTS + 1
                assert count_of(page, 'stocktrack_process_up{process="feed"}') == 1
            polled = await http.get("/socket.io/", params={"EIO": "4", "transport": "polling"})
        if polled.status_code != 404:  # without the extra there is nothing
            assert (polled.status_code, "WebSocket alone" in polled.text) == (400, True)

        server.signal(signal.SIGHUP)
        await until(lambda: reloaded(server) == {"worker 1", "worker 2"})

        server.signal(signal.SIGTERM)
        for client in (*clients, admin):
            assert (await client.rest())[-1]["reason"] == "shutdown"
        assert await server.exit_code() == 0
        ready_lines = [entry for entry in server.log if entry["event"] == "ready"]
        assert len(ready_lines) == 1
        assert {entry.get("process") for entry in server.log} == {None, *pids}
    for pid in pids.values():
        await gone(pid)


async def test_a_crowd_gets_as_many_sessions_as_its_user_may_have_and_a_dead_worker_has_none(
    redis: RedisServer, tmp_path: Path
) -> None:
    async with workers(redis, tmp_path, STOCKTRACK_MAX_SESSIONS_PER_USER="10") as server, clients_of(server) as crowd:
        pids, web = await pids_of(server), await web_of(server)
        guests = [await crowd.connect() for _ in range(60)]
        replies = await asyncio.gather(*(client.ask(LOGIN) for client in guests))
        assert sorted(reply["code"] for reply in replies) == [200] * 10 + [429] * 50

        os.kill(pids["worker 2"], signal.SIGKILL)
        ended = await server.logged("a process ended and is started again")
        assert (ended["process"], ended["ended_with"]) == ("worker 2", "SIGKILL")
        async with patient_http(base_url=web) as http:
            back = await server.logged("a process is back")
            assert (await http.get("/readyz")).json()["ready"]
        assert back["pid"] != pids["worker 2"]
        kept = [client for client, reply in zip(guests, replies, strict=True) if reply["code"] == 200]
        alive = 0
        for client in kept:
            with contextlib.suppress(EOFError, ConnectionError):
                alive += (await client.ask({"type": "PING"}))["code"] == 200
        async with asyncio.timeout(START_SECONDS):
            for _ in range(10 - alive):
                again = await crowd.connect()
                while (await again.ask(LOGIN))["code"] != 200:
                    await again.close()
                    again = await crowd.connect()
        last = await (await crowd.connect()).ask(LOGIN)
        assert (last["code"], last["reason"]) == (429, "session_limit")


async def test_children_end_in_order_when_their_parent_is_killed(redis: RedisServer, tmp_path: Path) -> None:
    async with workers(redis, tmp_path) as server, clients_of(server) as crowd:
        pids = await pids_of(server)
        clients = [await crowd.watching() for _ in range(4)]
        server.signal(signal.SIGKILL)
        for client in clients:
            assert (await client.rest())[-1]["reason"] == "shutdown"
        for pid in pids.values():
            await gone(pid)


async def test_a_second_signal_ends_all_at_once_also_a_worker_that_hangs(redis: RedisServer, tmp_path: Path) -> None:
    async with workers(redis, tmp_path) as server:
        pids = await pids_of(server)
        os.kill(pids["worker 1"], signal.SIGSTOP)
        server.signal(signal.SIGTERM)
        await server.logged("stopping")
        server.signal(signal.SIGTERM)
        assert await server.exit_code() == 128 + signal.SIGTERM
        for pid in pids.values():
            await gone(pid)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--redis-url", "redis://127.0.0.1:1"), "workers get their prices by Redis"),
        (("--provider", "nonsense"), "there is no such source"),
        (("--host", "203.0.113.9"), "Cannot listen on host = '203.0.113.9'"),
    ],
)
async def test_what_cannot_be_ends_all_with_a_sentence(arguments: tuple[str, ...], why: str, tmp_path: Path) -> None:
    with running_redis() as redis:
        common = ("serve", "--workers", "2", "--port", "0", "--no-web", "--provider", "simulated")
        given = (*common, "--redis-url", redis.socket_url, *arguments)
        finished = await run_stocktrack(tmp_path, *given)
    assert finished.code == 1
    assert finished.err.splitlines()[-1].startswith("stocktrack: ")
    assert why in finished.err.splitlines()[-1]
