"""One client's socket as lines in and bytes out, with flow control both ways; it knows nothing of sessions.

It takes the place of asyncio's stream reader, writer and protocol, which are five objects for each client. What it
holds unread is bounded by the length of a line and one piece of input more: where nobody asks for the next line,
nothing more is read from the socket.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

# How much is read from a socket at once. All streams share the piece: its bytes are copied before the next read.
PIECE_BYTES = 16_384
_piece = memoryview(bytearray(PIECE_BYTES))


class _Nothing:
    """What is to be awaited where there is nothing to wait for: it is so after most pushes, and costs no coroutine."""

    def __await__(self) -> Any:
        return iter(())


_NOTHING = _Nothing()


class LineTooLong(Exception):  # noqa: N818 - it is the line that is too long
    """The next line has more bytes than it may have; nothing of it was taken."""


class CutOff(Exception):  # noqa: N818 - it is the line that was cut off
    """The input ended in the middle of a line, whose beginning is `partial`; empty where it ended after a line."""

    def __init__(self, partial: bytes) -> None:
        super().__init__()
        self.partial = partial


class LineStream(asyncio.BufferedProtocol):
    """The two directions of one connection; `on_connected` is called with it when there is one.

    One task reads, and any number may wait in `drain`. That the connection was lost is the end of the input.
    """

    __slots__ = (
        *("_drained", "_is_eof", "_is_lost", "_is_paused", "_on_connected", "_taken", "_unread", "_waiter"),
        "transport",
    )

    def __init__(self, on_connected: Callable[["LineStream"], None]) -> None:
        self._on_connected: Callable[[LineStream], None] | None = on_connected
        self.transport: asyncio.Transport
        self._unread = b""
        self._taken = 0  # how much of `_unread` was read already
        self._is_eof = False
        self._is_lost = False
        self._is_paused = False  # nothing is read from the socket
        self._waiter: asyncio.Future[None] | None = None  # of the task that reads
        self._drained: asyncio.Future[None] | None = None  # while the client has not taken enough

    # --- reading -------------------------------------------------------------------------------------------------

    async def read_line(self, max_bytes: int) -> bytes:
        r"""The next line with its ``\n``.

        `LineTooLong` where it has more than `max_bytes` before that, and `CutOff` where the input ended before it.
        """
        searched = 0  # bytes of the line in which there is no end
        while (end := self._unread.find(b"\n", self._taken + searched)) < 0:
            searched = self.unread_bytes
            if searched > max_bytes:
                raise LineTooLong
            if self._is_eof:
                raise CutOff(self._take(len(self._unread)))
            await self._arrival()
        if end - self._taken > max_bytes:
            raise LineTooLong
        return self._take(end + 1)

    async def read(self) -> bytes:
        """What has come, as soon as something has; empty at the end of the input."""
        if not self._unread and not self._is_eof:
            await self._arrival()
        return self._take(len(self._unread))

    @property
    def unread(self) -> bytes:
        """What has come that nobody has read yet; it stays unread."""
        return self._unread[self._taken :]

    @property
    def is_eof(self) -> bool:
        """Whether nothing more will come."""
        return self._is_eof

    async def more(self) -> None:
        """Return when more has come, or the end of the input."""
        if not self._is_eof:
            await self._arrival()

    @property
    def unread_bytes(self) -> int:
        """How much has come that nobody has read yet."""
        return len(self._unread) - self._taken

    def _take(self, end: int) -> bytes:
        taken = self._unread[self._taken : end]
        self._taken = end
        if end == len(self._unread):
            self._unread, self._taken = b"", 0
        return taken

    def _arrival(self) -> asyncio.Future[None]:
        """What is done when more has come, or nothing will; reading goes on for it."""
        if self._is_paused:
            self._is_paused = False
            self.transport.resume_reading()
        self._waiter = asyncio.get_running_loop().create_future()
        return self._waiter

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # --- writing -------------------------------------------------------------------------------------------------

    def drain(self) -> Awaitable[None]:
        """Wait until the client has taken enough for more to be sent; `OSError` when it is gone."""
        return _NOTHING if self._drained is None and not self._is_lost else self._drain()

    async def _drain(self) -> None:
        if self._drained is not None:
            await asyncio.shield(self._drained)
        if self._is_lost:
            raise ConnectionResetError("the client is gone")

    async def close(self) -> None:
        """Return when what was written is delivered and the connection is closed."""
        self.transport.close()
        while not self._is_lost:
            await self._arrival()

    # --- what the event loop does with it, and TLS, which stands between -------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self.transport = cast("asyncio.Transport", transport)
        assert self._on_connected is not None  # noqa: S101 - the loop calls this once
        self._on_connected(self)
        self._on_connected = None

    def get_buffer(self, sizehint: int) -> memoryview:
        """Called by the loop, which reads into it."""
        return _piece

    def buffer_updated(self, nbytes: int) -> None:
        """Called by the loop right after it has read."""
        self.data_received(bytes(_piece[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Called by TLS, with what it decrypted."""
        self._unread = self._unread[self._taken :] + data if self._unread else data
        self._taken = 0
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        elif len(self._unread) >= PIECE_BYTES and not self._is_paused and not self.transport.is_closing():
            self._is_paused = True
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        """Called by the loop; what was received is still answered."""
        self._is_eof = True
        self._wake()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        self._is_eof = self._is_lost = True
        self.resume_writing()
        self._wake()

    def pause_writing(self) -> None:
        """Called by the loop: the client does not take what is sent."""
        if self._drained is None:
            self._drained = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Called by the loop: the client has taken enough."""
        if self._drained is not None:
            self._drained.set_result(None)
            self._drained = None
