"""The server at its limit of open files, in a process of its own: polite before it, calm at it, and well after it."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from live_server import PASSWORD, Line, RawClient
from patience import PATIENCE_SECONDS
from requirements import require
from server_process import ServerProcess, run_stocktrack, server_process
from stocktrack.system.acts import Act

DESCRIPTORS = 320
PROGRAM = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, ({descriptors}, {descriptors}))
import stocktrack.app
stocktrack.app.DESCRIPTOR_RESERVE = {reserve}
from stocktrack.cli import main
sys.argv = ["stocktrack", "serve", "--no-web"]
main()
"""
LOOPS = pytest.mark.parametrize("event_loop", ["asyncio", "uvloop"])


@pytest.fixture
async def home(tmp_path: Path) -> Path:
    """A home in which the user ann is known."""
    require(sys.platform == "linux", "Linux, whose /proc tells what a process has open")
    added = await run_stocktrack(tmp_path, "users", "add", "ann", "--password-stdin", stdin=f"{PASSWORD}\n".encode())
    assert added.code == 0, added
    return tmp_path


def program(*, reserve: int) -> tuple[str, str, str]:
    return sys.executable, "-c", PROGRAM.format(descriptors=DESCRIPTORS, reserve=reserve)


def open_files(server: ServerProcess) -> int:
    return len(os.listdir(f"/proc/{server.pid}/fd"))  # noqa: PTH208 - names, not paths


def cpu_seconds(server: ServerProcess) -> float:
    fields = Path(f"/proc/{server.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def cpu_share(server: ServerProcess) -> float:
    """The part of a core that the server uses; two seconds, since asyncio tries again to accept once a second."""
    before = cpu_seconds(server)
    await asyncio.wait({asyncio.get_running_loop().create_future()}, timeout=2)
    return (cpu_seconds(server) - before) / 2


async def first_lines(clients: list[RawClient]) -> list[Line]:
    return list(await asyncio.gather(*(client.receive() for client in clients)))


async def close(clients: list[RawClient]) -> None:
    await asyncio.gather(*(client.close() for client in clients))


@LOOPS
async def test_below_its_descriptor_limit_the_server_refuses_politely(home: Path, event_loop: str) -> None:
    async with server_process(home, program=program(reserve=128), STOCKTRACK_EVENT_LOOP=event_loop) as server:
        most = DESCRIPTORS - 128
        allowed = [await RawClient.connect(server.host, server.port) for _ in range(most)]
        assert {line["type"] for line in await first_lines(allowed)} == {"HELLO"}
        for _ in range(2):
            flood = list(await asyncio.gather(*(RawClient.connect(server.host, server.port) for _ in range(2 * most))))
            told = await first_lines(flood)
            assert {(line["type"], line["code"], line["reason"]) for line in told} == {("NOTICE", 429, "session_limit")}
            assert open_files(server) < DESCRIPTORS
            await close(flood)
        assert await cpu_share(server) < 0.2
        assert (await allowed[0].ask({"type": "PING"}))["code"] == 200
        await close(allowed[1:])
        await ann_is_served(server)
        await close(allowed[:1])
    assert beside_the_trail(server) == ["ready", "stopping", "stopped"]
    # Some two hundred were refused: that is told at once, and once more with the count of those that followed.
    assert 1 <= [entry["event"] for entry in server.log].count(Act.REFUSED) <= 3


def beside_the_trail(server: ServerProcess) -> list[str]:
    """What the server has logged besides who logged in and who was refused."""
    return [entry["event"] for entry in server.log if entry["event"] not in {Act.LOGIN, Act.REFUSED}]


async def ann_is_served(server: ServerProcess) -> None:
    """As soon as the server has seen the others go."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            client = await RawClient.connect(server.host, server.port)
            try:
                if (await client.receive())["type"] == "HELLO":
                    auth = {"type": "AUTH", "username": "ann", "password": PASSWORD}
                    assert (await client.ask(auth))["code"] == 200
                    return
            except (EOFError, ConnectionError):
                pass
            finally:
                await client.close()


@LOOPS
async def test_at_its_descriptor_limit_the_server_is_calm_and_serves_those_it_has(home: Path, event_loop: str) -> None:
    # Without the reserve: as where something else than sessions has used up the descriptors.
    async with server_process(home, program=program(reserve=0), STOCKTRACK_EVENT_LOOP=event_loop) as server:
        first = await server.log_in()
        flood = [await RawClient.connect(server.host, server.port) for _ in range(DESCRIPTORS + 100)]
        assert (await first.ask({"type": "PING"}))["code"] == 200
        assert await cpu_share(server) < 0.2
        assert (await first.ask({"type": "PING"}))["code"] == 200
        await close(flood)
        await ann_is_served(server)
        await first.close()
    assert [event for event in beside_the_trail(server) if event not in {"ready", "stopping", "stopped"}] in (
        ["new clients cannot be accepted"],
        [],  # uvloop takes such a client to close it at once
    )


async def test_with_fewer_descriptors_than_it_needs_itself_the_server_does_not_start(home: Path) -> None:
    code = PROGRAM.format(descriptors=100, reserve=128)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        env={**os.environ, "HOME": str(home), "STOCKTRACK_PORT": "0", "STOCKTRACK_PROVIDERS": "simulated"},
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await process.communicate()
    assert process.returncode == 1
    assert b"may open 100 files and sockets, and needs 128 for itself" in err
