"""A way to Redis that can be broken: it passes bytes on until it is told to stop, in one direction or in both."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Proxy:
    """Listens on a free port; `target_port` is where new connections lead, those that are open stay where they are."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.port = 0
        self.connections = 0
        self._requests_pass = asyncio.Event()
        self._answers_pass = asyncio.Event()
        self._requests_pass.set()
        self._answers_pass.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """Its address, for `redis_url`."""
        return f"redis://127.0.0.1:{self.port}"

    def mute(self, *, requests: bool = True, answers: bool = True) -> None:
        """Pass nothing on any more of what goes to Redis, of what comes from there, or of both; nothing is closed."""
        if requests:
            self._requests_pass.clear()
        if answers:
            self._answers_pass.clear()

    def unmute(self) -> None:
        """Undo `mute`; what was held back is passed on."""
        self._requests_pass.set()
        self._answers_pass.set()

    def cut(self) -> None:
        """Close all connections."""
        for writer in self._writers:
            writer.transport.abort()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A connection that came."""
        self.connections += 1
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
        self._writers |= {writer, to_writer}
        ways = (reader, to_writer, self._requests_pass), (to_reader, writer, self._answers_pass)
        self._tasks |= {asyncio.create_task(_pass_on(*way)) for way in ways}

    async def close(self) -> None:
        """End it all."""
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, may_pass: asyncio.Event) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            await may_pass.wait()
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def a_proxy(target_port: int) -> AsyncIterator[Proxy]:
    """A proxy that listens; it is closed at the end."""
    proxy = Proxy(target_port)
    server = await asyncio.start_server(proxy.take, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
