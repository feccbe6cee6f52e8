"""Other people's clients, each as a process of its own that runs a small program, as somebody would have written it.

    async with client_program("websocket-client", "finnhub.py", address) as client:
        await client.prints(r"unsubscribed TSLA")

`make clients` makes the environments they run in; a test asks no registry for anything. What a program prints is kept,
each line by itself. A price is a line such as `AAPL 189.45`.
"""

import asyncio
import contextlib
import os
import re
import shlex
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import client_environments
from node_clients import node_modules
from patience import PATIENCE_SECONDS
from requirements import require
from server_process import environment

PROGRAMS = Path(__file__).resolve().parents[1] / "clients" / "programs"
T = TypeVar("T")
PRICE = re.compile(r"([A-Z]+) (\d+(?:\.\d+)?)")


def client_python(name: str) -> Path:
    """The interpreter of a client's environment; a skip, or under CI a failure, where the set-up did not make it."""
    require(client_environments.is_there(name), f"the client {name} (`make clients`)")
    return client_environments.python_of(name)


class ClientProgram:
    """A program that runs; `lines` is what it has printed so far, to either of its outputs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._grown = asyncio.Event()
        self._reading = asyncio.create_task(self._read(), name=f"output of process {process.pid}")
        self.lines: list[str] = []

    def prices(self, since: int = 0) -> list[str]:
        """The symbols of the prices it has printed, one for each, from the line `since` on."""
        return [match[1] for line in self.lines[since:] if (match := PRICE.fullmatch(line))]

    async def prints(self, pattern: str, since: int = 0) -> int:
        """Return when a line from `since` on has the pattern in it: the number of the line after it."""

        def found() -> int | None:
            numbered = enumerate(self.lines[since:], since + 1)
            return next((number for number, line in numbered if re.search(pattern, line)), None)

        return await self._until(found, f"a line with {pattern!r}")

    async def sees(self, count: int, *symbols: str, since: int = 0) -> None:
        """Return when it has printed `count` prices of each of the symbols, from the line `since` on."""

        def seen() -> bool | None:
            counted = Counter(self.prices(since))
            return all(counted[symbol] >= count for symbol in symbols) or None

        await self._until(seen, f"{count} prices of each of {symbols}")

    async def sees_only(self, count: int, symbol: str, since: int) -> None:
        """Return when the last `count` prices that it has printed, from the line `since` on, were all of this symbol.

        One of another may have been on its way when the program said that it wants no more of it.
        """

        def only() -> bool | None:
            return self.prices(since)[-count:] == [symbol] * count or None

        await self._until(only, f"{count} prices of {symbol} and nothing of others between them")

    async def ends(self) -> int:
        """Its exit code, when it has ended by itself."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            code = await self._process.wait()
        await self._reading
        return code

    def cpu_seconds(self) -> float:
        """How long it has kept a processor busy so far; Linux tells it of every process."""
        status = Path(f"/proc/{self._process.pid}/stat")
        require(status.exists(), "Linux's /proc")
        # Its own name, in parentheses, may hold anything.
        fields = status.read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def end(self) -> None:
        """End it in any case."""
        # Also what a shell has started and left behind.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        await self._reading

    async def _until(self, look: Callable[[], T | None], what: str) -> T:
        try:
            async with asyncio.timeout(2 * PATIENCE_SECONDS):
                while (found := look()) is None:
                    assert not self._reading.done(), f"the client ended without {what}:\n{self._tail()}"
                    self._grown.clear()
                    await self._grown.wait()
        except TimeoutError:
            raise AssertionError(f"the client did not come to {what}:\n{self._tail()}") from None
        return found

    def _tail(self) -> str:
        return "\n".join(self.lines[-40:])

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.lines.append(line.decode().rstrip("\n"))
            self._grown.set()
        self._grown.set()


@contextlib.asynccontextmanager
async def client_program(name: str, program: str | Path, *arguments: str) -> AsyncIterator[ClientProgram]:
    """Run a program of `tests/clients/programs`, or any file, with the client `name`: `node` for those of npm."""
    file = str(PROGRAMS / program)
    if name == "node":
        modules = node_modules()
        running = _running(await _started("node", file, *arguments, NODE_PATH=str(modules)))
    else:
        python = client_python(name).parent / "python"
        running = _running(await _started(str(python), "-u", file, *arguments))
    async with running as client:
        yield client


@contextlib.asynccontextmanager
async def shell_script(script: str, folder: Path, **variables: str) -> AsyncIterator[ClientProgram]:
    """Run a script of bash in a folder; `stocktrack` is on its path."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    given = {**environment(folder, **variables), "PATH": path}
    # Whatever fails in a pipe is the end of the script.
    started = await _started("bash", "-euo", "pipefail", "-c", f"cd {shlex.quote(str(folder))}; {script}", **given)
    async with _running(started) as client:
        yield client


@contextlib.asynccontextmanager
async def _running(process: asyncio.subprocess.Process) -> AsyncIterator[ClientProgram]:
    client = ClientProgram(process)
    try:
        yield client
    finally:
        await client.end()


async def _started(executable: str, *arguments: str, **variables: str) -> asyncio.subprocess.Process:
    # An environment without the tests' own: no proxy, and none of our modules on the path unless they are given.
    return await asyncio.create_subprocess_exec(
        executable,
        *arguments,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **variables},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        limit=1 << 20,
        start_new_session=True,  # so that it is ended with all that it has started
    )
