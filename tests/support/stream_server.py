"""A vendor's WebSocket on this machine: a real server that does what a test says, the rude things included.

    async with stream_server() as vendor:
        vendor.answer(429, {"Retry-After": "7"})              # the next handshake; the ones after it are taken again
        connection = await vendor.connected()                 # waits for the first (2: the second) that was taken
        assert await connection.heard() == {"type": "subscribe", "symbol": "AAPL"}
        await connection.send({"type": "ping"})               # an object as JSON, text and bytes as they are
        await connection.close(1011)
        connection.cut()

A vendor's own stand-in is a subclass that answers in `respond`. `raw_server` is for what no WebSocket server would
say: it answers every connection with bytes, or never.
"""

import asyncio
import contextlib
import http
import json
import logging
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeVar

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from patience import PATIENCE_SECONDS

Message = dict[str, Any]
_SILENT = logging.Logger("websockets", logging.CRITICAL + 1)  # noqa: LOG001 - what it does wrong, it does on purpose


class VendorConnection:
    """One client: what it asked for at first, what it sent, and what is done to it."""

    def __init__(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.path: str = socket.request.path
        self.headers: Headers = socket.request.headers
        self.messages: list[Any] = []
        """Everything that it sent, in order: JSON where it is some, else as it came."""
        self._unheard: asyncio.Queue[Any] = asyncio.Queue()
        self._socket = socket
        self._ended = asyncio.Event()
        self.close_code: int | None = None
        """The code that the client closed with, once it has ended."""

    async def heard(self) -> Any:
        """The next message of the client that was not heard yet, also one that is yet to come."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._unheard.get()

    async def send(self, *messages: Any) -> None:
        """Send each: an object or a list as JSON, text and bytes as they are."""
        for message in messages:
            await self._socket.send(message if isinstance(message, str | bytes) else json.dumps(message))

    async def pong(self) -> None:
        """Wait for the answer to a ping of the WebSocket itself: all that was sent before has arrived."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await (await self._socket.ping())

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it in good order."""
        await self._socket.close(code, reason)

    def cut(self) -> None:
        """End the connection without a word."""
        self._socket.transport.abort()

    def stop_reading(self) -> None:
        """Take no more bytes of the client."""
        self._socket.transport.pause_reading()

    @property
    def is_open(self) -> bool:
        """Whether the client is still there."""
        return not self._ended.is_set()

    async def ended(self) -> None:
        """Wait until the connection is over."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._ended.wait()

    async def serve(self, server: "StreamServer") -> None:
        """Note and answer what the client sends, until it has gone."""
        try:
            with contextlib.suppress(ConnectionClosed):
                async for text in self._socket:
                    message: Any = text
                    with contextlib.suppress(ValueError):
                        message = json.loads(text)
                    self.messages.append(message)
                    self._unheard.put_nowait(message)
                    await server.respond(self, message)
        finally:
            self.close_code = self._socket.close_code
            self._ended.set()


class StreamServer:
    """The vendor: its address, who is connected, and how it answers handshakes."""

    def __init__(self) -> None:
        self.url = ""
        self.connections: list[VendorConnection] = []
        """All connections that were taken, the ended ones included."""
        self.handshakes = 0
        self._answers: list[tuple[int, Mapping[str, str]] | asyncio.Event | None] = []
        self._grown = asyncio.Event()

    async def respond(self, connection: VendorConnection, message: Any) -> None:
        """What the vendor says to a message of a client: nothing here."""

    def answer(self, status: int, headers: Mapping[str, str] | None = None, *, times: int = 1) -> None:
        """Answer the next handshakes by an HTTP status instead of opening a WebSocket."""
        self._answers += [(status, headers or {})] * times

    def hold(self) -> asyncio.Event:
        """Open the next WebSocket only once the event is set."""
        opens = asyncio.Event()
        self._answers.append(opens)
        return opens

    def hang(self, *, times: int = 1) -> None:
        """Never answer the next handshakes."""
        self._answers += [None] * times

    async def connected(self, number: int = 1) -> VendorConnection:
        """The so-manieth connection, also one that is yet to come."""
        await self._until(lambda: len(self.connections) >= number)
        return self.connections[number - 1]

    async def asked(self, number: int) -> None:
        """Wait for so many handshakes, however they were answered."""
        await self._until(lambda: self.handshakes >= number)

    async def _until(self, is_so: Any) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not is_so():
                self._grown.clear()
                await self._grown.wait()

    async def opening(self, socket: ServerConnection, _: Request) -> Response | None:
        """What a handshake is answered, where that is not a WebSocket."""
        self.handshakes += 1
        self._grown.set()
        if not self._answers:
            return None
        answer = self._answers.pop(0)
        if answer is None:
            await socket.wait_closed()
            return None
        if isinstance(answer, asyncio.Event):
            await answer.wait()
            return None
        status, headers = answer
        known = {known.value: known.phrase for known in http.HTTPStatus}
        body = b"scripted\n"
        fields = {"Content-Length": str(len(body)), "Connection": "close", **headers}
        return Response(status, known.get(status, "Scripted"), Headers(fields), body)

    async def take(self, socket: ServerConnection) -> None:
        """Serve one client."""
        connection = VendorConnection(socket)
        self.connections.append(connection)
        self._grown.set()
        await connection.serve(self)


Server = TypeVar("Server", bound=StreamServer)


@contextlib.asynccontextmanager
async def running(server: Server, *, path: str = "/", tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """The vendor on a free port of the loopback until the block ends."""
    async with serve(
        server.take,
        "127.0.0.1",
        0,
        process_request=server.opening,
        ssl=tls,
        open_timeout=None,
        ping_interval=None,
        close_timeout=0.5,
        compression=None,
        logger=_SILENT,
    ) as listener:
        port = listener.sockets[0].getsockname()[1]
        server.url = f"{'ws' if tls is None else 'wss'}://127.0.0.1:{port}{path}"
        yield server
        for connection in server.connections:
            connection.cut()


@contextlib.asynccontextmanager
async def stream_server(*, path: str = "/") -> AsyncIterator[StreamServer]:
    """A vendor that says nothing by itself."""
    async with running(StreamServer(), path=path) as server:
        yield server


@contextlib.asynccontextmanager
async def raw_server(answer: bytes | None) -> AsyncIterator[str]:
    """The address of a server that sends `answer` to whoever connects and hangs up; with None it only hangs up."""

    async def serve_bytes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if answer is not None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async with await asyncio.start_server(serve_bytes, "127.0.0.1", 0) as listener:
        host, port = listener.sockets[0].getsockname()[:2]
        yield f"ws://{host}:{port}/"
