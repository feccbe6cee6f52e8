"""A real server in a process of its own for a benchmark, with its data in a temporary folder, and raw clients of it."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

STOCKTRACK = (sys.executable, "-m", "stocktrack")
START_SECONDS = 60.0


class Served:
    """A server that runs on `port`; `stocktrack` runs the command on its data."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.port = 0
        self.ready: Mapping[str, Any] = {}  # the log line that says so, with its process id and the page's address

    @property
    def folder(self) -> Path:
        """Where the server keeps its data."""
        return Path(self._environment["STOCKTRACK_DATA_DIR"])

    @property
    def database_url(self) -> str:
        """The address of its database."""
        return self._environment.get("STOCKTRACK_DATABASE_URL") or f"sqlite:///{self.folder / 'stocktrack.db'}"

    def cpu_seconds(self) -> float:
        """What the server has used of the processor until now."""
        fields = Path(f"/proc/{self.ready['pid']}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def stocktrack(self, *arguments: str, stdin: str = "") -> str:
        """What the command prints; it must succeed."""
        process = await asyncio.create_subprocess_exec(
            *(*STOCKTRACK, *arguments),
            env=dict(self._environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        out, _ = await process.communicate(stdin.encode())
        if process.returncode != 0:
            raise RuntimeError(f"stocktrack {' '.join(arguments)} exited with {process.returncode}")
        return out.decode().strip()


class RawClient:
    """A connection that sends commands and reads their replies, and nothing more."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, port: int) -> "RawClient":
        """Connect and read the HELLO."""
        client = cls(*await asyncio.open_connection("127.0.0.1", port, limit=1_000_000))
        await client._reader.readline()
        return client

    async def ask(self, **command: Any) -> dict[str, Any]:
        """The reply to a command; `ConnectionError` where the server has closed."""
        self._writer.write(json.dumps(command).encode() + b"\n")
        while line := await self._reader.readline():
            reply: dict[str, Any] = json.loads(line)
            if reply["type"] == command["type"]:
                return reply
        raise ConnectionResetError("the server closed the connection")

    async def ask_raw(self, **command: Any) -> bytes:
        """The line of the reply to a command, unread."""
        self._writer.write(json.dumps(command).encode() + b"\n")
        head = f'{{"type":"{command["type"]}"'.encode()
        while not (line := await self.line()).startswith(head):
            pass
        return line

    async def line(self) -> bytes:
        """The next line, whatever it is; `ConnectionError` where the server has closed."""
        if line := await self._reader.readline():
            return line
        raise ConnectionResetError("the server closed the connection")

    def close(self) -> None:
        """Close at once."""
        self._writer.transport.abort()


@contextlib.asynccontextmanager
async def served(**settings: str) -> AsyncIterator[Served]:
    """A server on the simulated market with these settings (`LOGIN_FAILURES_PER_MINUTE="30"`), which is ready."""
    with tempfile.TemporaryDirectory(prefix="stocktrack-bench-") as folder:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("STOCKTRACK_")}
        environment |= {"STOCKTRACK_DATA_DIR": folder, "STOCKTRACK_PORT": "0", "STOCKTRACK_PROVIDERS": "simulated"}
        environment |= {"STOCKTRACK_LOG_FORMAT": "json", "STOCKTRACK_WEB_PORT": "off"} | {
            f"STOCKTRACK_{key}": value for key, value in settings.items()
        }
        log = Path(folder) / "log"
        with log.open("wb") as stream:
            process = await asyncio.create_subprocess_exec(
                *STOCKTRACK, "serve", env=environment, stdout=subprocess.DEVNULL, stderr=stream
            )
        try:
            server = Served(environment)
            async with asyncio.timeout(START_SECONDS):
                while not (ready := _ready(log)):
                    if process.returncode is not None:
                        raise RuntimeError(f"the server did not start:\n{log.read_text()}")
                    await asyncio.sleep(0.1)
            server.port, server.ready = ready["port"], ready
            yield server
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


def _ready(log: Path) -> dict[str, Any] | None:
    for line in log.read_text().splitlines():
        with contextlib.suppress(ValueError):
            entry: dict[str, Any] = json.loads(line)
            if entry["event"] == "ready":
                return entry
    return None
