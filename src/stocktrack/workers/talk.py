"""What the parent and its children say to each other: one JSON object a line, over a pair of sockets."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any, Final

# A child tells its figures in one line.
_MAX_LINE_BYTES: Final = 16 * 1024 * 1024


class Talk:
    """One end of it. `opened` within the event loop; `lines` end where the other one does."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def opened(cls, ours: socket.socket) -> "Talk":
        """This end, at a socket that is its own from now on."""
        ours.setblocking(False)
        return cls(*await asyncio.open_connection(sock=ours, limit=_MAX_LINE_BYTES))

    def say(self, **what: Any) -> None:
        """Say something; where nobody listens any more it is lost."""
        if not self._writer.is_closing():
            self._writer.write(encoded(what))

    async def lines(self) -> AsyncIterator[dict[str, Any]]:
        """What the other one says, until it ends."""
        while True:
            try:
                line = await self._reader.readline()
            except (OSError, ValueError):
                return
            if not line.endswith(b"\n"):
                return
            yield json.loads(line)

    def close(self) -> None:
        """End it."""
        self._writer.close()


def encoded(what: dict[str, Any]) -> bytes:
    """A line."""
    return json.dumps(what, separators=(",", ":")).encode() + b"\n"


def read_first(ours: socket.socket) -> dict[str, Any] | None:
    """The first line, before there is an event loop, and nothing of what follows it; None where there is none."""
    line = b""
    while not line.endswith(b"\n"):
        if not (byte := ours.recv(1)):
            return None
        line += byte
    told: dict[str, Any] = json.loads(line)
    return told
