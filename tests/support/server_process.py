"""The real `stocktrack` in processes of its own, each with an empty home, and none of them left behind.

    async with server_process(tmp_path, "--provider", "simulated") as server:
        client = await server.connect()
        server.signal(signal.SIGTERM)
        assert await server.exit_code(within=5) == 0

Whatever a process writes is kept, and none of it may hold one of the passwords that the tests use.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import stocktrack
from live_server import PASSWORD, RawClient
from patience import PATIENCE_SECONDS

STOCKTRACK = (sys.executable, "-m", "stocktrack")
# The tests use no other passwords than those that begin with one of these.
SECRETS = (PASSWORD, "SeCrEt")


def environment(home: Path, **variables: str) -> dict[str, str]:
    """A clean environment whose home, and every folder of a user, is `home`."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TZ", "SYSTEMROOT") if name in os.environ}
    return {
        **kept,
        "HOME": str(home),
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_STATE_HOME": str(home / "state"),
        "PYTHONPATH": str(Path(stocktrack.__file__).parents[1]),
        "PYTHONUNBUFFERED": "1",
        **variables,
    }


@dataclass(frozen=True, slots=True)
class Finished:
    """A process that has ended by itself."""

    code: int
    out: str
    err: str


async def run_stocktrack(home: Path, *arguments: str, stdin: bytes = b"", **variables: str) -> Finished:
    """Run one command to its end."""
    return await run_command(home, [*STOCKTRACK, *arguments], stdin=stdin, **variables)


async def run_command(home: Path, command: Sequence[str], *, stdin: bytes = b"", **variables: str) -> Finished:
    """Run a program to its end."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment(home, **variables),
        cwd=home,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            out, err = await process.communicate(stdin)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    finished = Finished(process.returncode, out.decode(), err.decode())
    _check_secrets(finished.out + finished.err)
    return finished


def _check_secrets(text: str) -> None:
    assert not [secret for secret in SECRETS if secret in text], f"a password was written:\n{text}"


class ServerProcess:
    """A server that runs; `log` has what it wrote to standard error, each line as the JSON object that it is."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._grown = asyncio.Event()
        self._reading = asyncio.create_task(self._read(), name=f"log of process {process.pid}")
        self.log: list[dict[str, Any]] = []
        self.host = ""
        self.port = 0

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    @property
    def text(self) -> str:
        """All that it wrote."""
        return "\n".join(map(json.dumps, self.log))

    async def logged(self, event: str, *, within: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """The first log line of this event, also one that is yet to come."""
        async with asyncio.timeout(within):
            while True:
                for entry in self.log:
                    if entry["event"] == event:
                        return entry
                assert not self._reading.done(), f"the server ended and never logged {event!r}:\n{self.text}"
                self._grown.clear()
                await self._grown.wait()

    async def connect(self) -> RawClient:
        """A client that was greeted."""
        client = await RawClient.connect(self.host, self.port)
        hello = await client.receive()
        assert hello["type"] == "HELLO", hello
        return client

    async def log_in(self, name: str = "ann", *, password: str = PASSWORD, **options: Any) -> RawClient:
        """A client that is logged in."""
        client = await RawClient.connect(self.host, self.port, **options)
        reply = await client.ask({"type": "AUTH", "username": name, "password": password})
        assert reply["code"] == 200, reply
        return client

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    async def exit_code(self, *, within: float = PATIENCE_SECONDS) -> int:
        """How it ended; it must have done so `within` so many seconds."""
        async with asyncio.timeout(within):
            code = await self._process.wait()
        await self._reading
        return code

    async def end(self) -> None:
        """End it in any case."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            try:
                await self.exit_code(within=10)
            except TimeoutError:
                self._process.kill()
                await self.exit_code()
                raise
        await self._reading

    async def _read(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            try:
                self.log.append(json.loads(line))
            except ValueError:
                self.log.append({"event": line.decode().rstrip("\n"), "level": "not JSON"})
            self._grown.set()
        self._grown.set()


@contextlib.asynccontextmanager
async def server_process(
    home: Path, *arguments: str, program: Sequence[str] = (*STOCKTRACK, "serve"), **variables: str
) -> AsyncIterator[ServerProcess]:
    """A server with its home in `home`, on a free port unless one is given, which is ready; it is ended afterwards."""
    given = {
        "STOCKTRACK_PORT": "0",
        "STOCKTRACK_WEB_PORT": "off",
        "STOCKTRACK_PROVIDERS": "simulated",
        "STOCKTRACK_LOG_FORMAT": "json",
        **variables,
    }
    process = await asyncio.create_subprocess_exec(
        *program,
        *arguments,
        env=environment(home, **given),
        cwd=home,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    server = ServerProcess(process)
    try:
        ready = await server.logged("ready", within=PATIENCE_SECONDS)
        server.host, server.port = ready.get("host", ""), ready.get("port", 0)
        yield server
    finally:
        await server.end()
        _check_secrets(server.text)
