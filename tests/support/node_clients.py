"""Real clients from npm: a script that runs in node with the packages at hand and prints a line of JSON a step.

The set-up installs the packages, once (tools/node_packages.py): a test asks no registry for anything.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import node_packages
from patience import PATIENCE_SECONDS
from requirements import require, require_program


def node_modules(folder: Path = node_packages.CLIENTS) -> Path:
    """Where the packages of `folder` are; a skip, or under CI a failure, where the set-up could not bring them."""
    require_program("node")
    require(
        node_packages.are_there(folder),
        f"the npm packages of tools/{folder.name} (npm, then `make node-packages`)",
    )
    return folder / "node_modules"


class NodeClient:
    """A script that runs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def printed(self) -> Any:
        """The next line that it prints, as the JSON that it is."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            line = await self._process.stdout.readline()
        if not line:
            assert self._process.stderr is not None
            raise AssertionError(f"the script ended: {(await self._process.stderr.read()).decode()}")
        return json.loads(line)


@contextlib.asynccontextmanager
async def node_client(
    script: str, *arguments: str, packages: Path = node_packages.CLIENTS
) -> AsyncIterator[NodeClient]:
    """Run a script with these packages, in which `say(value)` prints and `args` are the arguments."""
    modules = node_modules(packages)
    prelude = "const say = (value) => console.log(JSON.stringify(value)); const args = process.argv.slice(1);\n"
    process = await asyncio.create_subprocess_exec(
        *("node", "-e", prelude + script, *arguments),
        env={"PATH": os.environ["PATH"], "NODE_PATH": str(modules)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield NodeClient(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
