"""An honest client beside an attack, in a process of its own, and what it noticed.

    async with canary(server, page) as seen:
        ...  # the attack
    print(seen.text)

From `CANARY_ADDRESS` it watches a symbol in one session, pings in another, and again and again logs in anew and asks
for `/healthz`.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from live_server import PASSWORD, RawClient
from server_process import ServerProcess

# Loopback is a /8: limits by address take this for another machine than 127.0.0.1.
CANARY_ADDRESS = "127.0.0.2"
PRICE_SECONDS = 0.05
PATIENCE_SECONDS = 10.0
_HEALTHZ = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@dataclass(slots=True)
class Seen:
    """The longest that each took, in milliseconds, and how often something was refused.

    `price_gap_ms` has the pause between two prices in it. What is counted in the CPU of the thread that runs the
    server's loop (Linux's schedstat) was done before it, and does not depend on what else the machine does.
    """

    price_gap_ms: float = 0.0
    ping_ms: float = 0.0
    ping_cpu_ms: float = 0.0
    healthz_ms: float = 0.0
    healthz_cpu_ms: float = 0.0
    login_ms: float = 0.0
    logins: int = 0
    refused: int = 0

    @property
    def text(self) -> str:
        """For a person."""
        return (
            f"longest gap of prices {self.price_gap_ms:.0f} ms, PING {self.ping_ms:.0f} ms "
            f"({self.ping_cpu_ms:.1f} ms of the loop's CPU), /healthz {self.healthz_ms:.0f} ms "
            f"({self.healthz_cpu_ms:.1f}), login {self.login_ms:.0f} ms; "
            f"{self.logins} logins, {self.refused} refusals or failures"
        )


@contextlib.asynccontextmanager
async def canary(server: ServerProcess, page: str, name: str = "ann") -> AsyncIterator[Seen]:
    """A canary while the block runs; what it saw is complete after it."""
    seen = Seen()
    arguments = (server.host, str(server.port), page.rstrip("/").rpartition(":")[2], name, str(server.pid))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, __file__, *arguments), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    try:
        yield seen
    finally:
        process.stdin.close()
        for key, value in json.loads(await process.stdout.readline() or b"{}").items():
            setattr(seen, key, value)
        await process.wait()


class Canary:
    """What runs in that process."""

    def __init__(self, host: str, port: int, web_port: int, name: str, pid: int) -> None:
        self._host, self._port, self._web_port, self._name = host, port, web_port, name
        self._cpu = Path(f"/proc/{pid}/schedstat")
        self.seen = Seen()

    async def run(self) -> None:
        """Look until the standard input ends, and print what was seen."""
        prices, pings = await self._log_in(), await self._log_in()
        await prices.ask({"type": "SUBSCRIBE", "symbol": "AAPL", "interval": 0, "save": False})
        # The first of everything is slow for its own reasons.
        await prices.receive_until("PRICE")
        for look in (self._ping(pings), self._login(), self._healthz()):
            await look
        self.seen = Seen()
        tasks = [
            asyncio.create_task(self._gaps(prices)),
            asyncio.create_task(self._again(lambda: self._ping(pings), 0.025)),
            asyncio.create_task(self._again(self._login, 0.01)),
            asyncio.create_task(self._again(self._healthz, 0.01)),
        ]
        self._say("ready")
        await asyncio.to_thread(sys.stdin.read)
        self._say(json.dumps(asdict(self.seen)))
        for task in tasks:
            if task.done():
                task.result()
            task.cancel()

    def _say(self, text: str) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    async def _again(self, look: Callable[[], Awaitable[None]], pause_seconds: float) -> None:
        while True:
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await look()
            except (OSError, EOFError, TimeoutError):
                self.seen.refused += 1
            await asyncio.sleep(pause_seconds)

    async def _gaps(self, prices: RawClient) -> None:
        last = time.perf_counter()
        while True:
            await prices.receive_until("PRICE")
            now = time.perf_counter()
            self.seen.price_gap_ms = max(self.seen.price_gap_ms, (now - last) * 1000)
            last = now

    async def _ping(self, pings: RawClient) -> None:
        ms, cpu_ms = await self._timed(pings.ask({"type": "PING"}))
        self.seen.ping_ms = max(self.seen.ping_ms, ms)
        self.seen.ping_cpu_ms = max(self.seen.ping_cpu_ms, cpu_ms)

    async def _login(self) -> None:
        async def once() -> None:
            await (await self._log_in()).close()

        ms, _ = await self._timed(once())
        self.seen.login_ms = max(self.seen.login_ms, ms)
        self.seen.logins += 1

    async def _healthz(self) -> None:
        async def once() -> None:
            reader, writer = await self._connect(self._web_port)
            try:
                writer.write(_HEALTHZ)
                if not (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200 "):
                    raise ConnectionRefusedError
            finally:
                writer.transport.abort()

        ms, cpu_ms = await self._timed(once())
        self.seen.healthz_ms = max(self.seen.healthz_ms, ms)
        self.seen.healthz_cpu_ms = max(self.seen.healthz_cpu_ms, cpu_ms)

    async def _timed(self, once: Awaitable[object]) -> tuple[float, float]:
        """Milliseconds that it took, and those of the CPU of the server's loop meanwhile."""
        cpu_before, before = self._cpu_ms(), time.perf_counter()
        await once
        return (time.perf_counter() - before) * 1000, self._cpu_ms() - cpu_before

    def _cpu_ms(self) -> float:
        return int(self._cpu.read_text(encoding="ascii").split()[0]) / 1e6

    async def _connect(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self._host, port, local_addr=(CANARY_ADDRESS, 0), limit=1 << 20)

    async def _log_in(self) -> RawClient:
        client = RawClient(*await self._connect(self._port))
        reply = await client.ask({"type": "AUTH", "username": self._name, "password": PASSWORD})
        if reply["code"] != 200:
            await client.close()
            raise ConnectionRefusedError(str(reply))
        return client


if __name__ == "__main__":
    asyncio.run(Canary(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], int(sys.argv[5])).run())
