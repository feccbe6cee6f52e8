"""A local Yahoo with recorded answers, from the folder that STOCKTRACK_TEST_YAHOO_DIR names; without it, a skip.

    async with recorded_yahoo() as yahoo:
        child = {**os.environ, **yahoo.environment()}    # a process started with it talks to this Yahoo, unmodified
        await yahoo.fault("quote", "429", times=3)
        await yahoo.price("AAPL", 280.5, previous_close=270.0)
        assert (await yahoo.stats())["by_endpoint"]["quote"] == 1

The folder's `yahoo_stub.py` is run as it is; what faults and endpoints there are stands at its head.
"""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from patience import PATIENCE_SECONDS
from patient_http import patient_http

FOLDER_VARIABLE = "STOCKTRACK_TEST_YAHOO_DIR"
_READY = re.compile(rb"yahoo_stub: (http://127\.0\.0\.1:\d+) ")


def yahoo_folder() -> Path:
    """The folder with `yahoo_stub.py`: a skip where none is named, a failure under CI where it is not there."""
    named = os.environ.get(FOLDER_VARIABLE)
    if not named:
        pytest.skip(f"{FOLDER_VARIABLE} names no folder with recorded answers of Yahoo")
    folder = Path(named)
    if not (folder / "yahoo_stub.py").is_file():
        complaint = f"{FOLDER_VARIABLE} = {named!r}: there is no yahoo_stub.py"
        if os.environ.get("CI") == "true":
            pytest.fail(complaint)
        pytest.skip(complaint)
    return folder


class RecordedYahoo:
    """The running stub: its address, its controls, and what it has on record."""

    def __init__(self, url: str, folder: Path, client: httpx2.AsyncClient) -> None:
        self.url = url
        self._folder = folder
        self._client = client

    def environment(self) -> dict[str, str]:
        """What a child process needs in its environment to find this Yahoo, and its feeds, instead of the internet."""
        path = os.environ.get("PYTHONPATH")
        return {
            "STOCKTRACK_TEST_YAHOO_URL": self.url,
            "STOCKTRACK_TEST_RSS_URL": self.url,
            "STOCKTRACK_TEST_BLOCK_NET": "1",
            # Its streamer is another program, `yahoo_ws_stub.py`; a test that does not run it wants none.
            "STOCKTRACK_YAHOO_STREAM": "false",
            "PYTHONPATH": os.pathsep.join([str(self._folder), *([path] if path else [])]),
        }

    async def fault(self, endpoint: str, mode: str, *, symbol: str = "*", times: int = -1, seconds: float = 0) -> None:
        """Let `endpoint` (quote, chart, crumb, rss, …, or *) fail; `times` -1 until `heal`."""
        await self._control(
            "/__fault", {"endpoint": endpoint, "mode": mode, "symbol": symbol, "times": times, "seconds": seconds}
        )

    async def heal(self) -> None:
        """Clear all faults."""
        (await self._client.delete("/__fault")).raise_for_status()

    async def price(self, symbol: str, price: float, *, previous_close: float | None = None) -> None:
        """Set the price that every endpoint answers with from now on."""
        await self._control("/__price", {"symbol": symbol, "price": price, "prev": previous_close, "time": "now"})

    async def stats(self, *, clear: bool = False) -> dict[str, Any]:
        """Counters since the start or the last clearing: `by_endpoint`, `by_symbol`, `by_status`, `total`, …."""
        response = await self._client.get("/__stats", params={"clear": "1"} if clear else {})
        counters: dict[str, Any] = response.raise_for_status().json()
        return counters

    async def reset(self) -> None:
        """Clear counters, faults and prices."""
        await self._control("/__reset", {})

    def recorded(self, endpoint: str, symbol: str) -> Any:
        """The recorded answer of an endpoint (chart, quote, quoteSummary) for `symbol`; None where there is none."""
        file = self._folder.parent / "fixtures" / "yahoo" / endpoint / f"{symbol}.json"
        return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None

    async def _control(self, path: str, body: Mapping[str, Any]) -> None:
        (await self._client.post(path, json=body)).raise_for_status()


@asynccontextmanager
async def recorded_yahoo(*, rebase: str = "week", fixtures: Path | None = None) -> AsyncIterator[RecordedYahoo]:
    """The stub in a process of its own until the block ends.

    `rebase` moves the recorded times by whole weeks to today ("week"), to now ("now"), or leaves them ("off").
    `fixtures` is another folder of answers than the recorded ones; they are told exactly as they stand there.
    """
    folder = yahoo_folder()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(folder / "yahoo_stub.py"),
        *("--port", "0", "--rebase", rebase),
        *(("--fixtures", str(fixtures), "--raw", "--no-gzip") if fixtures is not None else ()),
        stdout=asyncio.subprocess.PIPE,
        # It may be read-only.
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            first_line = await process.stdout.readline()
        ready = _READY.match(first_line)
        if ready is None:
            pytest.fail(f"yahoo_stub.py did not start: {first_line!r}")
        url = ready[1].decode()
        # No environment: a proxy named there must not stand between a test and its own machine.
        async with patient_http(base_url=url, trust_env=False) as client:
            yield RecordedYahoo(url, folder, client)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
