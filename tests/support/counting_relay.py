"""A way to a server that counts who comes, and when: what a client does that was refused, seen from outside of both.

async with counting_relay(port) as relay:
    …  # a client connects to 127.0.0.1:relay.port
    assert len(relay.came_at) == 1
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Relay:
    """Where it listens, and the loop's time of each connection to it."""

    port: int = 0
    came_at: list[float] = field(default_factory=list)
    grown: asyncio.Event = field(default_factory=asyncio.Event)

    async def comes(self, count: int, *, within: float) -> None:
        """Return when there have been so many connections."""
        async with asyncio.timeout(within):
            while len(self.came_at) < count:
                self.grown.clear()
                await self.grown.wait()


@contextlib.asynccontextmanager
async def counting_relay(port: int) -> AsyncIterator[Relay]:
    """A relay to that port of this machine; all who are connected are cut off when the block ends."""
    relay = Relay()
    tasks: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        relay.came_at.append(asyncio.get_running_loop().time())
        relay.grown.set()
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            their_reader, their_writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(pump(reader, their_writer), pump(their_reader, writer))
        except (OSError, asyncio.CancelledError):  # the server is away, or the test is over
            pass
        finally:
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
