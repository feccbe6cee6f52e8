"""What writes to a transport that the HTTP side has handed over: how much waits for the client, and when it is gone."""

import asyncio
from typing import cast

from stocktrack.clock import Clock
from stocktrack.doors.reading import SmallReads
from stocktrack.doors.socket_options import unsent_bytes


class HandedOver(SmallReads):
    """A `Connection` but for `send`; `owner` is the task that serves it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._transport: asyncio.Transport
        self._writable = asyncio.Event()
        self._writable.set()
        self._lost = asyncio.Event()
        self.owner: asyncio.Task[None] | None = None
        self.sent_bytes = 0
        self.last_sent_at = clock.monotonic()

    # --- what a session does with it -----------------------------------------------------------------------------

    async def drain(self) -> None:
        """Wait while the client has not taken enough."""
        await self._writable.wait()
        if self._lost.is_set():
            raise ConnectionResetError("the client is gone")

    def unsent_bytes(self) -> int:
        """What waits here and in the kernel."""
        return unsent_bytes(self._transport, self.sent_bytes)

    def end(self) -> None:
        """Have the owner stop and close when everything is delivered."""
        if self.owner is not None:
            self.owner.cancel()

    def abort(self) -> None:
        """Close now; what was not taken is thrown away."""
        self._transport.abort()

    # --- what the event loop does with it ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the HTTP side, which hands over its transport."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        self._lost.set()
        self._writable.set()

    def pause_writing(self) -> None:
        """Called by the loop."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Called by the loop."""
        self._writable.set()

    # --- what takes it over does with it -------------------------------------------------------------------------

    def _write(self, *pieces: bytes) -> None:
        """Hand over bytes, in one write; nothing happens where the client is gone, and where there are none."""
        size = sum(map(len, pieces))
        if size and not self._transport.is_closing():
            self._transport.writelines(pieces)
            self.sent_bytes += size
            self.last_sent_at = self._clock.monotonic()
