"""What the stubs of servers share: they listen on this machine, and tell a test when something has changed."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable

from patience import PATIENCE_SECONDS


class StubServer:
    """A server whose connections are tasks that end with it; each kind says in `talk` what it does with one."""

    def __init__(self) -> None:
        self.port = 0
        self.open = 0
        """How many connections are open."""
        self._changed = asyncio.Condition()
        self._over = asyncio.Event()

    @contextlib.asynccontextmanager
    async def listening(self, *, port: int = 0, tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
        """Take connections while the block runs, at a free port unless one is given."""
        tasks: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            try:
                await self._serve(reader, writer)
            finally:
                tasks.discard(task)

        server = await asyncio.start_server(serve, "127.0.0.1", port, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            self._over.set()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Return when `is_so()`, which is looked at whenever the server was told something, answered or closed."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._changed:
            await self._changed.wait_for(is_so)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Do what is to be done with one connection, which is closed afterwards."""
        raise NotImplementedError

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            await self.talk(reader, writer)
        except (OSError, EOFError):
            pass
        finally:
            writer.transport.abort()
            self.open -= 1
            await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()
