"""Runs the `stocktrack` command as a real process, and gives back what it printed and its exit code."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from patience import PATIENCE_SECONDS
from terminal import program_environment


@dataclass(frozen=True, slots=True)
class Finished:
    """A process that has ended."""

    code: int
    out: bytes
    err: str

    @property
    def rows(self) -> list[list[str]]:
        """Standard output as lines cut at the tabs."""
        return [line.split("\t") for line in self.out.decode().splitlines()]


async def run(
    *arguments: str, home: Path, port: int | None = None, stdin: bytes | None = None, **variables: str
) -> Finished:
    """Run `stocktrack ARGUMENTS` to its end."""
    async with started(*arguments, home=home, port=port, **variables) as process:
        async with asyncio.timeout(PATIENCE_SECONDS):
            out, err = await process.communicate(stdin)
    assert process.returncode is not None
    text = err.decode()
    assert "Traceback" not in text, text
    return Finished(process.returncode, out, text)


@contextlib.asynccontextmanager
async def started(
    *arguments: str, home: Path, port: int | None = None, **variables: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """`stocktrack ARGUMENTS` while it runs; it is killed when the test leaves it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "stocktrack",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=program_environment(home, port, **variables),
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
