"""A whole server in this process, on a real socket, and a client that sends it raw lines.

async with live_server(tmp_path, market, users=("ann",), clock=clock, max_symbols=3) as server:
    ann = await server.log_in("ann")
    reply = await ann.ask({"type": "GET", "symbols": ["AAPL"]})
"""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from patience import PATIENCE_SECONDS
from stocktrack.app import App
from stocktrack.clock import Clock
from stocktrack.config import Settings
from stocktrack.providers.base import Provider
from stocktrack.server import TcpConnection
from stocktrack.sessions.session import Session
from stocktrack.web.composition import Web

Line = dict[str, Any]

PASSWORD = "correct horse battery"
PUSHES = frozenset({"HELLO", "PRICE", "HEARTBEAT", "NOTICE", "SAID"})


class RawClient:
    """A client that sends what it is told, bytes as they are, and gives back each line it gets."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, host: str, port: int, *, receive_buffer_bytes: int | None = None) -> "RawClient":
        """Connect; a small `receive_buffer_bytes` makes a client that does not read fall behind soon."""
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if receive_buffer_bytes is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
            await asyncio.get_running_loop().sock_connect(sock, (host, port))
            return cls(*await asyncio.open_connection(sock=sock, limit=1 << 20))
        except BaseException:
            sock.close()
            raise

    @property
    def address(self) -> tuple[str, int]:
        """This end's address, by which the server knows the client."""
        host, port = self._writer.get_extra_info("sockname")[:2]
        return host, port

    def send(self, *messages: Mapping[str, Any] | bytes) -> None:
        """Send commands, and bytes as they are, in one write."""
        parts = (item if isinstance(item, bytes) else json.dumps(item).encode() + b"\n" for item in messages)
        self._writer.write(b"".join(parts))

    async def receive(self) -> Line:
        """The next line; `EOFError` at the end of the input."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            line = await self._reader.readline()
        if not line:
            raise EOFError("the server closed the connection")
        assert line.endswith(b"\n"), f"the last line is not whole: {line!r}"
        message = json.loads(line)
        assert isinstance(message, dict), line
        return message

    async def receive_until(self, *types: str) -> Line:
        """The next line of one of `types`; those before it are skipped."""
        while (message := await self.receive())["type"] not in types:
            pass
        return message

    async def reply(self) -> Line:
        """The next line that is no push."""
        while (message := await self.receive())["type"] in PUSHES:
            pass
        return message

    async def ask(self, command: Mapping[str, Any] | bytes) -> Line:
        """The reply to a command; pushes before it are skipped."""
        self.send(command)
        return await self.reply()

    async def rest(self) -> list[Line]:
        """All lines until the server closes."""
        lines = []
        with contextlib.suppress(EOFError):
            while True:
                lines.append(await self.receive())
        return lines

    def end_input(self) -> None:
        """Say that nothing more will be sent, and read on: what `nc -N` does at the end of its input."""
        self._writer.write_eof()

    def stop_reading(self) -> None:
        """Take nothing from the socket any more."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined] # it is a read transport as well

    def read_on(self) -> None:
        """Undo `stop_reading`."""
        self._writer.transport.resume_reading()  # type: ignore[attr-defined] # it is a read transport as well

    def vanish(self) -> None:
        """Close with a reset, as a client does that is killed with something unread."""
        real = socket.socket(fileno=self._writer.get_extra_info("socket").fileno())
        try:
            real.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        finally:
            real.detach()
        self._writer.transport.abort()

    async def close(self) -> None:
        """Close without waiting for what the server still says."""
        self._writer.transport.abort()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


class QuickHasher:
    """Satisfies `PasswordHasher` without taking a tenth of a second each time; the e2e tests have the real one."""

    def hash(self, password: bytes) -> str:
        return f"quick:{password.hex()}"

    def matches(self, password_hash: str, password: bytes) -> bool:
        return password_hash == self.hash(password)

    def is_outdated(self, password_hash: str) -> bool:
        return False


class LiveServer:
    """A running `App` and the clients that a test connected to it."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.host, self.port = app.server.addresses[0]
        self._clients: list[RawClient] = []

    @property
    def web(self) -> Web:
        """The web side of one that has any."""
        assert isinstance(self.app.web, Web)
        return self.app.web

    @property
    def web_url(self) -> str:
        """The address of the web port, without a slash at its end."""
        assert self.app.web.address is not None
        return self.app.web.address.rstrip("/")

    async def connect_unread(self, *, receive_buffer_bytes: int | None = None) -> RawClient:
        """A client that has read nothing yet."""
        client = await RawClient.connect(self.host, self.port, receive_buffer_bytes=receive_buffer_bytes)
        self._clients.append(client)
        return client

    async def connect(self) -> RawClient:
        """A client that was greeted."""
        client = await self.connect_unread()
        hello = await client.receive()
        assert hello["type"] == "HELLO", hello
        return client

    async def log_in(self, name: str = "ann", *, receive_buffer_bytes: int | None = None) -> RawClient:
        """A client that is logged in."""
        client = await self.connect_unread(receive_buffer_bytes=receive_buffer_bytes)
        reply = await client.ask({"type": "AUTH", "username": name, "password": PASSWORD})
        assert reply["code"] == 200, reply
        return client

    def session_of(self, client: RawClient) -> Session:
        """The session that serves `client`."""
        return next(session for session in self.app.sessions if self._peer_of(session) == client.address)

    def _peer_of(self, session: Session) -> tuple[str, int]:
        connection = session.connection
        assert isinstance(connection, TcpConnection)
        host, port = connection._transport.get_extra_info("peername")[:2]
        return host, port

    async def until_clients(self, count: int) -> None:
        """Return when the server holds the connections of at most `count` clients."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(tasks := self.app.server._clients.tasks) > count:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)

    async def disconnect_all(self) -> None:
        """Close all clients."""
        for client in self._clients:
            await client.close()


@contextlib.asynccontextmanager
async def live_server(
    data_dir: Path,
    *providers: Provider,
    users: Iterable[str] = ("ann",),
    clock: Clock | None = None,
    web: bool = False,
    **settings: Any,
) -> AsyncIterator[LiveServer]:
    """A server on a free port with its data in `data_dir` and `PASSWORD` for all `users`; it is closed at the end."""
    settings = {"port": 0, "web_port": 0 if web else None, **settings}
    app = App(Settings(data_dir=data_dir, **settings), clock=clock, providers=providers, hasher=QuickHasher())
    await app.start()
    server = LiveServer(app)
    try:
        for name in users:
            await app.accounts.add(name, PASSWORD)
        yield server
    finally:
        await server.disconnect_all()
        await app.close()


async def until(condition: Callable[[], object]) -> None:
    """Let the event loop turn until `condition()` is true: for what tells nobody that it happened."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for; that is what this is for
            await asyncio.sleep(0)
