"""A small HTTP server on the loopback whose every answer is scripted, the rude ones included."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass

from patience import PATIENCE_SECONDS

DEFAULT_TYPE = "application/rss+xml"


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came; the names of `headers` are in lower case, `client_gone` waits for the client's end."""

    path: str
    headers: Mapping[str, str]
    client_gone: Callable[[], Awaitable[object]]


Answer = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


def respond(body: bytes = b"", *, status: int = 200, content_type: str | None = DEFAULT_TYPE, **headers: str) -> Answer:
    """The whole answer at once; `etag` and the like become headers, with `-` for `_`."""

    async def answer(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head(len(body), status=status, content_type=content_type, **headers) + body)

    return answer


def redirect(location: str) -> Answer:
    """A 302 to `location`."""
    return respond(status=302, location=location)


def head(length: int | None, *, status: int = 200, content_type: str | None = DEFAULT_TYPE, **headers: str) -> bytes:
    """The head of an answer; without a `length` its end is the end of the connection."""
    lines = [f"HTTP/1.1 {status} Scripted", "Connection: close"]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    if content_type is not None:
        lines.append(f"Content-Type: {content_type}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


async def hang(request: Request, _: asyncio.StreamWriter) -> None:
    """No answer until the client has gone."""
    await request.client_gone()


class FeedServer:
    """Answers each path by its script: one answer, or a list of them of which the last one stays."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._scripts: dict[str, list[Answer]] = {}
        self._arrived: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._connections: set[asyncio.Task[None]] = set()
        self.port = 0

    def on(self, path: str, *answers: Answer) -> str:
        """Script `path`; its address."""
        self._scripts[path.partition("?")[0]] = list(answers)
        return self.url(path)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """The address of `path`."""
        return f"http://{host}:{self.port}{path}"

    def asked(self, path: str) -> list[Request]:
        """The requests for `path` so far."""
        return [request for request in self.requests if request.path.partition("?")[0] == path]

    async def arrival(self, path: str) -> None:
        """Return once there is a request for `path`."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._arrived[path].wait()

    async def settled(self) -> None:
        """Return once every connection has ended."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self._connections:
                await asyncio.wait(set(self._connections))

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["FeedServer"]:
        """Listen on a free port of the loopback."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for connection in self._connections:
                connection.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)
            await server.wait_closed()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._converse(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            try:
                first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()
                fields = (line.split(": ", 1) for line in lines if line)
                request = Request(first.split(" ")[1], {name.lower(): value for name, value in fields}, reader.read)
                path = request.path.partition("?")[0]
                self.requests.append(request)
                self._arrived[path].set()
                script = self._scripts.get(path, [respond(status=404)])
                await (script.pop(0) if len(script) > 1 else script[0])(request, writer)
            finally:
                writer.close()
            await writer.wait_closed()
