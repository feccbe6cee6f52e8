"""Real clients from npm: a script that runs in node with the packages at hand and prints a line of JSON a step.

The packages are installed once, in exact versions, into the user's cache folder, from wherever npm is set up to get
them.
"""

import asyncio
import contextlib
import json
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from live_server import PATIENCE_SECONDS
from requirements import require, require_program

PACKAGES = ("ws@8.23.0", "socket.io-client@4.8.4")
INSTALL_SECONDS = 120


def node_packages() -> Path:
    """The folder with the packages; a skip, or under CI a failure, where they cannot be had."""
    npm = require_program("npm")
    require_program("node")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "stocktrack-tests" / "+".join(PACKAGES).replace("@", "-")
    if not (folder / "complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(  # noqa: S603 - npm of this machine
            [str(npm), "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--ignore-scripts", *PACKAGES],
            capture_output=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
        require(done.returncode == 0, f"npm's packages {', '.join(PACKAGES)} ({done.stderr.decode()[-200:].strip()})")
        (folder / "complete").touch()
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
async def node_client(script: str, *arguments: str) -> AsyncIterator[NodeClient]:
    """Run a script, in which `say(value)` prints and `args` are the arguments."""
    modules = await asyncio.to_thread(node_packages)
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
