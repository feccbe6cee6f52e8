"""A feed, a second one that waits, Redis and two servers with 500 clients each: what clients miss when a part goes.

    PYTHONPATH=tests/support python tests/faults/redis_away.py [CLIENTS] [FAULT …]

Each client follows ten symbols that change four times a second. A fault begins, and ends where it does; printed are
the longest time for which any client of a server had no new price, how long after the fault all had new prices again,
and how many prices were stale and how many notices came. Before that it counts how often the market was asked for a
symbol: once, however many servers and clients there are. It exits 1 where a price's seq fell, a client was lost, a
fault that a server should not show was shown, or something was not healed within 20 seconds.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from pacing import comes
from redis_server import RedisServer, running_redis
from server_process import STOCKTRACK, ServerProcess, server_process

WATCHED = ["AAPL", "MSFT", "TSLA", "GOOGL", "AMZN", "NVDA", "META", "NFLX", "JPM", "V"]
INTERVAL_SECONDS = 0.25
HEALED_SECONDS = 20.0
CALLS_VARIABLE = "STOCKTRACK_TEST_CALLS_FILE"


@dataclass(slots=True)
class Follower:
    """What one client saw."""

    came_at: float = 0.0
    longest_gap: float = 0.0
    highest: dict[str, int] = field(default_factory=dict)
    fell: int = 0
    stale: int = 0
    notices: int = 0
    is_lost: bool = False

    async def follow(self, server: ServerProcess, ready: asyncio.Event) -> None:
        """Watch until the connection ends."""
        reader, writer = await asyncio.open_connection(server.host, server.port, limit=1 << 20)
        subscribe = {"type": "SUBSCRIBE", "symbols": WATCHED, "interval": 0, "save": False}
        for command in ({"type": "AUTH", "username": "ann"}, subscribe):
            writer.write(json.dumps(command).encode() + b"\n")
        try:
            async for line in reader:
                self._take(json.loads(line))
                if len(self.highest) == len(WATCHED):
                    ready.set()
        finally:
            self.is_lost = True
            writer.close()

    def _take(self, message: dict[str, object]) -> None:
        if message["type"] == "NOTICE":
            self.notices += 1
        if message["type"] != "PRICE":
            return
        symbol, seq = str(message["symbol"]), int(str(message["seq"]))
        before = self.highest.get(symbol, 0)
        self.fell += seq < before
        self.stale += bool(message["stale"])
        if seq > before and not message["stale"]:
            now = time.monotonic()
            if self.came_at:
                self.longest_gap = max(self.longest_gap, now - self.came_at)
            self.came_at = now
        self.highest[symbol] = max(seq, before)


@dataclass(slots=True)
class House:
    """What runs; `feeds[0]` leads."""

    redis: RedisServer
    home: Path
    feeds: list[ServerProcess]
    servers: list[ServerProcess]
    followers: list[list[Follower]]
    stack: contextlib.AsyncExitStack

    async def add_feed(self) -> None:
        """Start one more, which waits."""
        folder = self.home / f"feed{len(list(self.home.iterdir()))}"
        folder.mkdir()
        program = (sys.executable, __file__, "--feed")
        feed = await self.stack.enter_async_context(
            server_process(folder, program=program, PYTHONPATH=os.pathsep.join(filter(None, sys.path)), **self.settings)
        )
        self.feeds.append(feed)

    def calls(self) -> list[str]:
        """The symbols that the market was asked for, each as often as that was."""
        return Path(self.settings[CALLS_VARIABLE]).read_text(encoding="utf-8").split()

    @property
    def settings(self) -> dict[str, str]:
        """Those of all processes."""
        return {
            "STOCKTRACK_REDIS_URL": self.redis.url,
            "STOCKTRACK_SIMULATED_INTERVAL_SECONDS": str(INTERVAL_SECONDS),
            "STOCKTRACK_DATABASE_URL": f"sqlite:///{self.home / 'users.db'}",
            "STOCKTRACK_ALLOWLIST": "ann",
            CALLS_VARIABLE: str(self.home / "calls"),
        }


async def nothing(_: House) -> None:
    """No fault."""
    await comes(asyncio.Event().wait(), 3)


async def kill_feed(house: House) -> None:
    """Kill -9 of the leader; another one waits."""
    os.kill(house.feeds.pop(0).pid, signal.SIGKILL)
    await house.feeds[0].logged("leading")
    await house.add_feed()


async def stop_feed(house: House) -> None:
    """SIGTERM of the leader."""
    house.feeds.pop(0).signal(signal.SIGTERM)
    await house.feeds[0].logged("leading")
    await house.add_feed()


async def freeze_feed(house: House) -> None:
    """SIGSTOP of the leader for six seconds."""
    frozen = house.feeds[0]
    frozen.signal(signal.SIGSTOP)
    await house.feeds[1].logged("leading")
    await comes(asyncio.Event().wait(), 3)
    frozen.signal(signal.SIGCONT)
    house.feeds.reverse()


async def kill_subscriptions(house: House) -> None:
    """CLIENT KILL TYPE pubsub."""
    await asyncio.to_thread(house.redis.command, "CLIENT", "KILL", "TYPE", "pubsub")


async def restart_redis(house: House) -> None:
    """Kill -9 of Redis, which starts again empty."""
    await asyncio.to_thread(house.redis.kill)
    await asyncio.to_thread(house.redis.start)


def pause_redis(seconds: float) -> Callable[[House], Awaitable[None]]:
    """SIGSTOP of Redis."""

    async def pause(house: House) -> None:
        house.redis.pause()
        await comes(asyncio.Event().wait(), seconds)
        house.redis.resume()

    return pause


async def debug_sleep(house: House) -> None:
    """DEBUG SLEEP 3."""
    await asyncio.to_thread(house.redis.command, "DEBUG", "SLEEP", "3")


async def flush(house: House) -> None:
    """FLUSHALL."""
    await asyncio.to_thread(house.redis.command, "FLUSHALL")


async def fill(house: House) -> None:
    """A Redis that is full for three seconds."""
    await asyncio.to_thread(house.redis.command, "CONFIG", "SET", "maxmemory", "1mb")
    await comes(asyncio.Event().wait(), 3)
    await asyncio.to_thread(house.redis.command, "CONFIG", "SET", "maxmemory", "0")


# What each does, and whether clients may see more than a pause of some seconds.
FAULTS: dict[str, tuple[Callable[[House], Awaitable[None]], bool]] = {
    "no fault": (nothing, False),
    "SIGTERM of the feed": (stop_feed, False),
    "kill -9 of the feed": (kill_feed, False),
    "feed stopped, goes on": (freeze_feed, False),
    "CLIENT KILL": (kill_subscriptions, False),
    "FLUSHALL": (flush, False),
    "Redis full for 3 s": (fill, False),
    "Redis killed, empty": (restart_redis, True),
    "DEBUG SLEEP 3": (debug_sleep, False),
    "Redis paused for 3 s": (pause_redis(3), False),
    "Redis paused for 15 s": (pause_redis(15), True),
}


async def suffer(name: str, house: House) -> bool:
    """Run one fault, print what clients saw of it, and say whether that was bad."""
    act, may_show = FAULTS[name]
    followers = [each for group in house.followers for each in group]
    for each in followers:
        each.longest_gap, each.stale, each.notices = 0.0, 0, 0
    await act(house)
    ended = time.monotonic()
    healed = None
    while time.monotonic() - ended < HEALED_SECONDS:
        await comes(asyncio.Event().wait(), 0.1)
        if all(each.came_at > ended for each in followers):
            healed = time.monotonic() - ended
            break
    await comes(asyncio.Event().wait(), 1)
    gaps = [max(each.longest_gap for each in group) for group in house.followers]
    shown = sum(each.stale for each in followers), sum(each.notices for each in followers)
    is_bad = healed is None or any(each.fell or each.is_lost for each in followers) or (not may_show and any(shown))
    print(
        f"{name:22} without a new price {', '.join(f'{gap:5.2f}' for gap in gaps)} s; healed after "
        f"{'never' if healed is None else f'{healed:5.2f} s'}; {shown[0]} stale prices, {shown[1]} notices"
        f"{'   BAD' if is_bad else ''}",
        flush=True,
    )
    return is_bad


@contextlib.asynccontextmanager
async def a_house(clients: int) -> AsyncIterator[House]:
    """All of it, with each client served."""
    with running_redis() as redis, tempfile.TemporaryDirectory() as folder:
        async with contextlib.AsyncExitStack() as stack:
            house = House(redis, Path(folder), [], [], [], stack)
            await house.add_feed()
            await house.feeds[0].logged("leading")
            await house.add_feed()
            for number in range(2):
                home = house.home / f"server{number}"
                home.mkdir()
                arguments = ("--provider", "redis")
                starting = server_process(home, *arguments, program=(*STOCKTRACK, "serve"), **house.settings)
                house.servers.append(await stack.enter_async_context(starting))
            tasks = []
            for server in house.servers:
                group = [Follower() for _ in range(clients)]
                ready = [asyncio.Event() for _ in group]
                tasks += [
                    asyncio.create_task(each.follow(server, flag)) for each, flag in zip(group, ready, strict=True)
                ]
                house.followers.append(group)
                await asyncio.wait_for(asyncio.gather(*(flag.wait() for flag in ready)), 60)
            try:
                yield house
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


async def main(clients: int, names: list[str]) -> int:
    """Run them all, or those that are named."""
    async with a_house(clients) as house:
        bad = False
        asked = Counter(await asyncio.to_thread(house.calls))
        most = max(asked[symbol] for symbol in WATCHED)
        print(f"{2 * clients} clients on two servers: the market was asked for each symbol {most} time(s)", flush=True)
        bad |= most != 1
        for name in names or FAULTS:
            bad |= await suffer(name, house)
        for feed in house.feeds:
            feed.signal(signal.SIGCONT)
    return int(bad)


def run_feed() -> None:
    """`stocktrack feed`, with a note of each symbol that its market begins to stream."""
    from stocktrack.cli import main as stocktrack  # noqa: PLC0415 - only in the process of the feed
    from stocktrack.market.streams import Stream  # noqa: PLC0415

    wanted, known = Stream._wanted, set[str]()

    def noted(stream: Stream) -> object:
        names = wanted(stream)
        if new := set(names) - known:
            known.update(new)
            with Path(os.environ[CALLS_VARIABLE]).open("a", encoding="utf-8") as file:
                file.write("".join(f"{each}\n" for each in new))
        return names

    Stream._wanted = noted  # type: ignore[assignment,method-assign]
    sys.argv = ["stocktrack", "feed"]
    stocktrack()


if __name__ == "__main__":
    if sys.argv[1:] == ["--feed"]:
        run_feed()
    else:
        sys.exit(asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 500, sys.argv[2:])))
