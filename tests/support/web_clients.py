"""Clients of the web door: one WebSocket of the protocol over the websockets library, and one that can misbehave."""

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncIterator, Mapping
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from live_server import PASSWORD, Line, LiveServer
from patience import PATIENCE_SECONDS

TEXT, BINARY, CONTINUED, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10


class SocketClient:
    """A client of /ws or /live-price; `received` has each message as it came."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.received: list[str] = []
        self._lines: list[str] = []

    async def message(self) -> str:
        """The next message; `ConnectionClosed` at the end."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            message = await self.socket.recv()
        assert isinstance(message, str)
        self.received.append(message)
        return message

    async def line(self) -> Line:
        """The next line of a message."""
        if not self._lines:
            message = await self.message()
            assert message.endswith("\n")
            self._lines = message.splitlines()
        line: Line = json.loads(self._lines.pop(0))
        return line

    async def object(self) -> Line:
        """The next message as the one object that it is."""
        told: Line = json.loads(await self.message())
        return told

    async def send(self, *messages: Mapping[str, Any] | str | bytes) -> None:
        """Send each as a message of its own."""
        for message in messages:
            await self.socket.send(json.dumps(message) if isinstance(message, Mapping) else message)

    async def ask(self, command: Mapping[str, Any] | str | bytes) -> Line:
        """The next line after a command, pushes left out."""
        await self.send(command)
        while (line := await self.line())["type"] in {"PRICE", "HEARTBEAT", "NOTICE", "HELLO"}:
            pass
        return line

    async def rest(self) -> tuple[list[Line], int | None]:
        """All lines until the server closes, and the code that it closes with."""
        lines = []
        while True:
            try:
                lines.append(await self.line())
            except ConnectionClosed as end:
                return lines, end.rcvd.code if end.rcvd is not None else None


def websocket_url(server: LiveServer, path: str = "/ws") -> str:
    """Where the server's WebSocket is."""
    return server.web_url.replace("http", "ws", 1) + path


@contextlib.asynccontextmanager
async def socket_client(server: LiveServer, path: str = "/ws", **options: Any) -> AsyncIterator[SocketClient]:
    """A client that has read nothing yet."""
    async with connect(websocket_url(server, path), **options) as socket:
        yield SocketClient(socket)


@contextlib.asynccontextmanager
async def logged_in(server: LiveServer, name: str = "ann", **options: Any) -> AsyncIterator[SocketClient]:
    """A client of /ws that is logged in."""
    async with socket_client(server, **options) as client:
        reply = await client.ask({"type": "AUTH", "username": name, "password": PASSWORD})
        assert reply["code"] == 200, reply
        yield client


class BareSocket:
    """A WebSocket by hand: any bytes, any frame, any header."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, server: LiveServer) -> "BareSocket":
        """Connect and say nothing."""
        host, port = server.web._servers[0][0].addresses[0]
        return cls(*await asyncio.open_connection(host, port, limit=1 << 20))

    @classmethod
    async def open(cls, server: LiveServer, path: str = "/ws", **headers: str) -> "BareSocket":
        """A WebSocket whose handshake is done."""
        bare = await cls.connect(server)
        head = await bare.handshake(path, **headers)
        assert head.startswith(b"HTTP/1.1 101 "), head
        return bare

    async def handshake(self, path: str = "/ws", **headers: str) -> bytes:
        """The head of the answer to a handshake with these headers besides the needed ones."""
        own = {
            "Host": "{}:{}".format(*self.writer.get_extra_info("peername")[:2]),
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
            "Sec-WebSocket-Version": "13",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        head = f"GET {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in own.items()) + "\r\n"
        self.writer.write(head.encode())
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.reader.readuntil(b"\r\n\r\n")

    def send(self, payload: bytes, *, opcode: int = TEXT, is_final: bool = True, reserved: int = 0) -> None:
        """Send one frame, masked with zeros."""
        first = (0x80 if is_final else 0) | reserved | opcode
        if len(payload) < 126:
            header = struct.pack("!BB", first, 0x80 | len(payload))
        elif len(payload) < 65_536:
            header = struct.pack("!BBH", first, 0x80 | 126, len(payload))
        else:
            header = struct.pack("!BBQ", first, 0x80 | 127, len(payload))
        self.writer.write(header + bytes(4) + payload)

    async def receive(self) -> tuple[int, bytes]:
        """The opcode and payload of the next frame."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            first, length = await self.reader.readexactly(2)
            if length == 126:
                (length,) = struct.unpack("!H", await self.reader.readexactly(2))
            elif length == 127:
                (length,) = struct.unpack("!Q", await self.reader.readexactly(8))
            return first & 0x0F, await self.reader.readexactly(length)

    async def ends(self) -> tuple[list[Line], int | None]:
        """The lines until the server's goodbye, and its code; then the connection must end."""
        lines: list[Line] = []
        code = None
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while code is None:
                opcode, payload = await self.receive()
                if opcode == CLOSE:
                    (code,) = struct.unpack("!H", payload[:2])
                elif opcode == TEXT:
                    lines += [json.loads(line) for line in payload.splitlines()]
        self.close()
        return lines, code

    def close(self) -> None:
        """Close at once."""
        self.writer.transport.abort()
