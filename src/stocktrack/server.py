"""The TCP door: one JSON object a line, in and out of sessions, in plain text or over TLS."""

import asyncio
import functools
import ssl
from collections.abc import Coroutine
from typing import Any

import structlog

from stocktrack.clock import Clock
from stocktrack.doors.line_stream import CutOff, LineStream, LineTooLong
from stocktrack.doors.listening import Listener
from stocktrack.doors.serving import Clients
from stocktrack.doors.socket_options import set_options, unsent_bytes
from stocktrack.doors.tls import TlsLayer
from stocktrack.errors import CommandError, Reason
from stocktrack.sessions.open_sessions import Sessions
from stocktrack.sessions.session import Session
from stocktrack.wire.lines import encode_line, failure

log = structlog.get_logger()

# What a client gets, in plain text, that begins with something else than TLS where TLS is spoken.
_SPEAKS_TLS = encode_line(
    failure(CommandError(Reason.MALFORMED_JSON, "This port speaks TLS: connect with --tls, or switch it on."))
)


class TcpConnection:
    """One client's socket: a session's `Connection`, and a door's `Client`."""

    __slots__ = (
        *("_clock", "_handshake_seconds", "_stream", "_tls", "_transport"),
        *("last_sent_at", "owner", "sent_bytes"),
    )

    def __init__(
        self,
        stream: LineStream,
        clock: Clock,
        *,
        tls: TlsLayer | None,
        handshake_seconds: float,
    ) -> None:
        self._stream = stream
        self._transport = stream.transport
        self._tls = tls
        self._handshake_seconds = handshake_seconds
        self._clock = clock
        self.owner: asyncio.Task[None] | None = None
        self.last_sent_at = clock.monotonic()
        self.sent_bytes = 0

    # --- what a session does with it -----------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Hand over whole lines."""
        if data and not self._transport.is_closing():
            (self._tls or self._transport).write(data)
            self.sent_bytes += len(data)
            self.last_sent_at = self._clock.monotonic()

    def drain(self) -> Coroutine[Any, Any, None]:
        """Wait while the client has not taken enough."""
        return self._stream.drain()

    def unsent_bytes(self) -> int:
        """What waits here and in the kernel."""
        return unsent_bytes(self._transport, self.sent_bytes)

    def end(self) -> None:
        """Have the owner stop reading and close when everything is delivered."""
        if self.owner is not None:
            self.owner.cancel()

    def abort(self) -> None:
        """Close now; what was not taken is thrown away."""
        self._transport.abort()

    # --- what the door does with it ------------------------------------------------------------------------------

    @property
    def connection(self) -> "TcpConnection":
        """Itself: a line on the wire is a line of the session."""
        return self

    @property
    def address(self) -> str:
        """The client's address."""
        peer = self._transport.get_extra_info("peername")
        return str(peer[0]) if peer else "unknown"

    async def greet(self, session: Session) -> bool:
        """Send HELLO, after the handshake where this is to be TLS; False where that failed."""
        is_secure = await self._secure()
        if is_secure:
            self.send(session.hello())
        return is_secure

    async def receive(self, session: Session) -> bytes | None:
        """The next line; None at the end of the input, and after a line that is too long."""
        try:
            return await self._stream.read_line(session.max_line_bytes)
        except CutOff as cut:
            if cut.partial.strip():
                self.send(session.line_cut_off())
        except LineTooLong:
            self.send(session.line_too_long())
        return None

    async def answer(self, session: Session, line: bytes) -> None:
        """Have the session answer a line."""
        self.send(await session.receive(line))

    async def refuse(self, line: bytes) -> None:
        """Say why there is no session, after the handshake where this is to be TLS."""
        if await self._secure():
            self.send(line)

    def turn_away(self, line: bytes) -> None:
        """Say so and close; under TLS nothing is sent, since the handshake would take time."""
        self.send(line)
        self._transport.close()

    async def finish(self) -> None:
        """Deliver what was sent, wait for the client to close first, then close.

        Closing a socket while something lies unread in it makes the kernel send a reset, which can overtake the last
        lines and take them from the client. So the rest of the input is read and thrown away.
        """
        if not self._transport.is_closing():
            if self._tls is not None:
                self._tls.end()
            self._transport.write_eof()
            while await self._stream.read():
                pass
        await self._stream.close()

    async def _secure(self) -> bool:
        """Do the TLS handshake where this is to be TLS; whether lines can be sent now."""
        if self._tls is None:
            return True
        try:
            async with asyncio.timeout(self._handshake_seconds):
                is_secure = await self._tls.handshake()
        except TimeoutError:
            is_secure = False
        if not is_secure:
            why = self._tls.failure or f"it took more than {self._handshake_seconds:g} s"
            log.debug("TLS handshake failed", peer=self._transport.get_extra_info("peername"), why=why)
            if self._tls.is_plain_text and not self._transport.is_closing():
                self._transport.write(_SPEAKS_TLS)
        return is_secure


class TcpServer:
    """The TCP port. `tls` and the time for its handshake may be replaced, for the clients to come."""

    def __init__(
        self,
        sessions: Sessions,
        clock: Clock,
        *,
        tls: ssl.SSLContext | None = None,
        tls_handshake_timeout_seconds: float = 5.0,
    ) -> None:
        self.tls = tls
        self.tls_handshake_timeout_seconds = tls_handshake_timeout_seconds
        self._clock = clock
        self._listener = Listener(setting="port", flag="--port")
        self._clients = Clients(sessions, "tcp")

    async def start(self, host: str, port: int) -> None:
        """Listen; `ConfigError` names the port and the setting where that can't be."""
        loop = asyncio.get_running_loop()
        listen = functools.partial(loop.create_server, lambda: LineStream(self._connected))
        await self._listener.start(listen, host, port)

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens; port 0 has become a real one."""
        return self._listener.addresses

    def stop_listening(self) -> None:
        """Take no new clients."""
        self._listener.stop()

    async def close(self, within_seconds: float) -> None:
        """Wait for the clients, whose sessions were ended, to take their last lines; then abort the rest."""
        await self._clients.close(within_seconds)

    def _connected(self, stream: LineStream) -> None:
        set_options(stream.transport)
        self._clients.take(
            TcpConnection(
                stream,
                self._clock,
                # Now, while nothing was read from it: the first bytes are the client's part of the handshake.
                tls=TlsLayer(stream.transport, self.tls) if self.tls is not None else None,
                handshake_seconds=self.tls_handshake_timeout_seconds,
            )
        )
