"""A client of `/api/v1/stream` by hand: it reads events as WHATWG says they are read, and can misbehave.

async with event_client(server, "symbols=AAPL", token=token) as client:
    assert client.status == 200
    event = await client.event()
"""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from live_server import LiveServer
from patience import PATIENCE_SECONDS

PATH = "/api/v1/stream"


@dataclass(frozen=True, slots=True)
class Event:
    """What an EventSource would hand on, and a comment; `id` is that of the last event that had one."""

    name: str
    data: dict[str, Any]
    id: str
    comment: str = ""

    @property
    def symbol(self) -> str:
        """The symbol of a price."""
        symbol: str = self.data["symbol"]
        return symbol


class EventClient:
    """One request and the stream that answers it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.status = 0
        self.headers: dict[str, str] = {}
        self.last_id = ""
        self.retry_ms: int | None = None

    async def read_head(self) -> None:
        """Read the head of the answer."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.splitlines()
        self.status = int(first.split()[1])
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}

    async def problem(self) -> dict[str, Any]:
        """The problem that a refused request is answered with, after which the server closes."""
        assert self.headers["content-type"] == "application/problem+json", self.headers
        async with asyncio.timeout(PATIENCE_SECONDS):
            body = await self.reader.read()
        assert len(body) == int(self.headers["content-length"])
        told: dict[str, Any] = json.loads(body)
        assert told["status"] == self.status
        return told

    async def event(self) -> Event:
        """The next event, or a comment; `EOFError` at the end."""
        name, data, comment = "", [], ""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while line := await self.reader.readline():
                field, _, value = line.decode().rstrip("\n").partition(":")
                value = value.removeprefix(" ")
                if line != b"\n":
                    match field:
                        case "event":
                            name = value
                        case "data":
                            data.append(value)
                        case "id":
                            self.last_id = value
                        case "retry":
                            self.retry_ms = int(value)
                        case "":
                            comment = value
                        case _:
                            raise AssertionError(f"no field of an event: {line!r}")
                elif data or comment:
                    return Event(name, json.loads("\n".join(data)) if data else {}, self.last_id, comment)
        raise EOFError("the stream ended")

    async def events(self, count: int) -> list[Event]:
        """So many events."""
        return [await self.event() for _ in range(count)]

    async def rest(self) -> list[Event]:
        """All events until the stream ends."""
        found = []
        with contextlib.suppress(EOFError):
            while True:
                found.append(await self.event())
        return found

    def close(self) -> None:
        """Close at once."""
        self.writer.transport.abort()


async def token_of(server: LiveServer, name: str = "ann") -> str:
    """A token of a user."""
    return (await server.app.accounts.make_token(name, 1)).text


@contextlib.asynccontextmanager
async def event_client(
    server: LiveServer,
    query: str = "symbols=AAPL",
    *,
    token: str | None = None,
    version: str = "1.1",
    method: str = "GET",
    behind: bytes = b"",
    tls: ssl.SSLContext | None = None,
    headers: dict[str, str] | None = None,
) -> AsyncIterator[EventClient]:
    """A client whose request has been sent, with `behind` after it, and answered."""
    where = urlsplit(server.web_url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port, ssl=tls, limit=1 << 20)
    client = EventClient(reader, writer)
    told = {"Host": where.netloc, **(headers or {})}
    if token is not None:
        told["Authorization"] = f"Bearer {token}"
    head = f"{method} {PATH}?{query} HTTP/{version}\r\n" + "".join(f"{name}: {text}\r\n" for name, text in told.items())
    writer.write(head.encode() + b"\r\n" + behind)
    try:
        await client.read_head()
        yield client
    finally:
        client.close()
