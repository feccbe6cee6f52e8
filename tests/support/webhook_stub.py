"""A webhook on this machine that does what a test says, the rude things included, and checks signatures.

    async with webhook_stub(secret=SECRET) as hook:
        hook.answer(429, {"Retry-After": "7"})      # the next request; the ones after it are taken again
        ...                                         # a target at hook.url is told something
        [told] = hook.taken
        assert told.is_signed
        assert told.json["alert"] == "a7"

As a program it is a process of its own. It prints its port, and appends a line of JSON to FILE for each delivery that
it takes, whose id it prints then; the line is on disk before it answers:

    python tests/support/webhook_stub.py FILE [--secret SECRET] [--port PORT] [--fail-every N]
"""

import argparse
import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pacing import comes
from stub_server import StubServer

TRICKLE_SECONDS = 0.01
Fault = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Told:
    """One request: its headers by their names in lower case, and whether its signature is right."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    is_signed: bool

    @property
    def json(self) -> Any:
        """What the body says."""
        return json.loads(self.body)


class WebhookStub(StubServer):
    """What runs at `url`: takes every request with a 200, unless it was told otherwise for the next ones."""

    def __init__(self, secret: str = "") -> None:
        super().__init__()
        self.url = ""
        self.asked: list[Told] = []
        """Every request that came whole, in order."""
        self.taken: list[Told] = []
        """Those that were answered by a 200."""
        self.on_taken: Callable[[Told], None] = lambda _: None
        """Called before the 200 is sent."""
        self.fail_every = 0
        """Where it is set, every so-many-th request is answered by a 503."""
        self.connections = 0
        """How many were opened so far."""
        self._secret = secret.encode()
        self._faults: deque[Fault] = deque()

    def answer(
        self, status: int, headers: Mapping[str, str] | None = None, body: bytes = b"", *, times: int = 1
    ) -> None:
        """Answer the next `times` requests so."""

        async def say(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(_response(status, headers or {}, body))

        self._faults.extend([say] * times)

    def hang(self, *, times: int = 1) -> None:
        """Never answer the next requests."""

        async def wait(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            while await reader.read(65_536):  # until the client has gone
                pass

        self._faults.extend([wait] * times)

    def wait_for(self, release: asyncio.Event) -> None:
        """Answer the next request, by a 200, when `release` is set."""

        async def wait(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await release.wait()
            writer.write(_response(200, {}, b""))

        self._faults.append(wait)

    def cut(self, *, times: int = 1) -> None:
        """Close the connection instead of an answer."""

        async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.transport.abort()

        self._faults.extend([close] * times)

    def trickle(self, head: bytes = b"HTTP/1.1 200 OK\r\nX-Long: ") -> None:
        """Send `head` and then a byte now and then, for as long as the client stays."""

        async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(head)
            while not (writer.is_closing() or await comes(self._over.wait(), TRICKLE_SECONDS)):
                writer.write(b"x")

        self._faults.append(drip)

    def trickle_body(self) -> None:
        """A 200 whose body comes in drips and never ends."""
        self.trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")

    def flood(self) -> None:
        """A 200 whose body never ends, as fast as it is taken."""

        async def pour(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
            while not self._over.is_set():
                writer.write(b"x" * 65_536)
                await writer.drain()

        self._faults.append(pour)

    def garbage(self, said: bytes) -> None:
        """Answer the next request by these bytes, and close."""

        async def say(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(said)
            writer.close()

        self._faults.append(say)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, for as many requests as the client sends."""
        self.connections += 1
        while not writer.is_closing():
            told = await self._request(reader)
            if told is None:
                break
            self.asked.append(told)
            await self._tell()
            if self._faults:
                await self._faults.popleft()(reader, writer)
            elif self.fail_every and len(self.asked) % self.fail_every == 0:
                writer.write(_response(503, {}, b""))
            else:
                self.on_taken(told)
                self.taken.append(told)
                writer.write(_response(200, {}, b"thank you"))
            await writer.drain()
            await self._tell()

    async def _request(self, reader: asyncio.StreamReader) -> Told | None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        right = "sha256=" + hmac.new(self._secret, body, hashlib.sha256).hexdigest()
        is_signed = bool(self._secret) and hmac.compare_digest(right, headers.get("x-stocktrack-signature", ""))
        return Told(method, path, headers, body, is_signed)


def _response(status: int, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", *(f"{n}: {v}" for n, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


@contextlib.asynccontextmanager
async def webhook_stub(
    secret: str = "", *, port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[WebhookStub]:
    """A webhook while the block runs."""
    stub = WebhookStub(secret)
    async with stub.listening(port=port, tls=tls):
        stub.url = f"{'https' if tls else 'http'}://127.0.0.1:{stub.port}"
        yield stub


async def _run(path: Path, secret: str, port: int, fail_every: int) -> None:
    with path.open("ab", buffering=0) as file:

        def write_down(told: Told) -> None:
            line = {
                "id": told.json["id"],
                "delivery": told.headers.get("x-stocktrack-delivery"),
                "signed": told.is_signed,
                "body": told.json,
            }
            file.write(json.dumps(line).encode() + b"\n")
            os.fsync(file.fileno())
            print(told.json["id"], flush=True)  # noqa: T201 - whoever started it may wait for this one

        async with webhook_stub(secret, port=port) as stub:
            stub.on_taken = write_down
            print(stub.port, flush=True)  # noqa: T201 - whoever started it waits for this line
            stub.fail_every = fail_every
            await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--secret", default="")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--fail-every", type=int, default=0)
    given = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(given.file, given.secret, given.port, given.fail_every))
