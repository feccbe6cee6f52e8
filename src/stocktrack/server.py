"""The TCP door: JSON lines in and out of sessions, limits of the line, and the order of closing.

One task serves one client: it reads a line, has the session answer it, and sends the answer. It owns the connection
and closes it. A client that went away shows as an end of input or an `OSError`, and costs nobody else anything.
"""

import asyncio
import contextlib
import errno
import ssl

import structlog

from stocktrack.clock import Clock
from stocktrack.doors.socket_options import bytes_in_kernel, real_socket, set_options
from stocktrack.doors.tls import TlsLayer
from stocktrack.errors import CommandError, ConfigError, Reason, SessionEnd
from stocktrack.sessions.open_sessions import Sessions
from stocktrack.sessions.session import Session, farewell
from stocktrack.wire.lines import encode_line, failure

log = structlog.get_logger()

# Connections that the kernel keeps until they are accepted: of clients that reconnect all at once the rest would wait
# seconds for a lost SYN, or for ever. How many asyncio accepts in a row, before any is counted or refused, is another
# number: each of them takes a descriptor (docs/decisions/0010).
BACKLOG = 4096
ACCEPTS_IN_A_ROW = 8
# A client that pipelines without end gives way to the others after this many lines.
LINES_IN_A_ROW = 8
# How long the last lines may take to be delivered, and the client to close after them.
LINGER_SECONDS = 3.0
# Refused clients that are given that time at once. They are no sessions, and few descriptors are spared for them.
MAX_REFUSED_LINGERING = 32
# What a client gets, in plain text, that begins with something else than TLS where TLS is spoken.
_SPEAKS_TLS = encode_line(
    failure(CommandError(Reason.MALFORMED_JSON, "This port speaks TLS: connect with --tls, or switch it on."))
)


class TcpConnection:
    """One client's socket, as a session sees it. The task that serves the client is its owner."""

    __slots__ = ("_clock", "_owner", "_reader", "_tls", "_transport", "_writer", "last_sent_at", "sent_bytes")

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        clock: Clock,
        tls: TlsLayer | None = None,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._transport = writer.transport
        self._tls = tls
        self._clock = clock
        self._owner = asyncio.current_task()
        self.last_sent_at = clock.monotonic()
        self.sent_bytes = 0

    async def secure(self, within_seconds: float) -> bool:
        """Do the TLS handshake where this is to be TLS; whether lines can be sent now."""
        if self._tls is None:
            return True
        try:
            async with asyncio.timeout(within_seconds):
                is_secure = await self._tls.handshake()
        except TimeoutError:
            is_secure = False
        if not is_secure:
            why = self._tls.failure or f"it took more than {within_seconds:g} s"
            log.debug("TLS handshake failed", peer=self._transport.get_extra_info("peername"), why=why)
            if self._tls.is_plain_text and not self._transport.is_closing():
                self._transport.write(_SPEAKS_TLS)
        return is_secure

    def send(self, data: bytes) -> None:
        """Hand over whole lines."""
        if data and not self._transport.is_closing():
            (self._tls or self._transport).write(data)
            self.sent_bytes += len(data)
            self.last_sent_at = self._clock.monotonic()

    async def drain(self) -> None:
        """Wait while the client has not taken enough."""
        await self._writer.drain()

    def unsent_bytes(self) -> int:
        """What waits here and, where the system tells, in the kernel."""
        waiting = self._transport.get_write_buffer_size()
        if waiting == 0 or self._transport.is_closing():
            return 0
        # Under TLS there is more than was handed over: the records around it, and what it began with.
        return min(waiting + bytes_in_kernel(self._transport), self.sent_bytes)

    def end(self) -> None:
        """Have the owner stop reading and close when everything is delivered."""
        if self._owner is not None:
            self._owner.cancel()

    def abort(self) -> None:
        """Close now; what was not taken is thrown away."""
        self._transport.abort()

    def close(self) -> None:
        """Close when what was sent has left for the client, who may lose it where it sent something unread."""
        self._writer.close()

    async def finish(self) -> None:
        """Deliver what was sent, wait a while for the client to close first, then close.

        Closing a socket while something lies unread in it makes the kernel send a reset, which can overtake the last
        lines and take them from the client. So the rest of the input is read and thrown away.
        """
        try:
            with contextlib.suppress(TimeoutError, OSError):
                async with asyncio.timeout(LINGER_SECONDS):
                    if not self._transport.is_closing() and self._writer.can_write_eof():
                        if self._tls is not None:
                            self._tls.end()
                        self._writer.write_eof()
                        while await self._reader.read(65_536):
                            pass
                    self._writer.close()
                    await self._writer.wait_closed()
        finally:
            self._transport.abort()


class TcpServer:
    """The listening socket and the tasks of its clients; `tls` may be replaced, and counts for those to come."""

    def __init__(
        self,
        sessions: Sessions,
        clock: Clock,
        *,
        max_line_bytes: int,
        tls: ssl.SSLContext | None = None,
        tls_handshake_timeout_seconds: float = 5.0,
    ) -> None:
        self.tls = tls
        self.tls_handshake_timeout_seconds = tls_handshake_timeout_seconds
        self._sessions = sessions
        self._clock = clock
        self._max_line_bytes = max_line_bytes
        self._server: asyncio.Server | None = None
        self._clients: dict[asyncio.Task[None], TcpConnection | None] = {}
        self._refused_lingering = 0

    async def start(self, host: str, port: int) -> None:
        """Listen; `ConfigError` names the port and the setting where that cannot be."""
        try:
            self._server = await asyncio.start_server(
                self._connected, host, port, limit=self._max_line_bytes, backlog=ACCEPTS_IN_A_ROW, reuse_address=True
            )
            for listening in self._server.sockets:
                with real_socket(listening.fileno()) as sock:
                    sock.listen(BACKLOG)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise ConfigError(
                    f"Port {port} on {host} is taken by another program. Stop that one, or choose another port with "
                    "--port or STOCKTRACK_PORT."
                ) from None
            raise ConfigError(f"Cannot listen on host = {host!r}, port = {port}: {error.strerror or error}.") from None

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens; port 0 has become a real one."""
        if self._server is None:
            return []
        return [sock.getsockname()[:2] for sock in self._server.sockets]

    def stop_listening(self) -> None:
        """Take no new clients."""
        if self._server is not None:
            # Not awaited: from Python 3.12 on `wait_closed` waits for the clients, who are told later.
            self._server.close()

    async def close(self, within_seconds: float) -> None:
        """Wait for the clients, whose sessions were ended, to take their last lines; then abort the rest."""
        if self._clients:
            await asyncio.wait(self._clients, timeout=within_seconds)
        for connection in self._clients.values():
            if connection is not None:
                connection.abort()
        for task in self._clients:
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Now, while nothing was read from it: the first bytes are the client's part of the handshake.
        tls = TlsLayer(writer.transport, self.tls) if self.tls is not None else None
        task = asyncio.create_task(self._serve(reader, writer, tls), name="tcp client")
        self._clients[task] = None
        task.add_done_callback(self._served)

    def _served(self, task: asyncio.Task[None]) -> None:
        del self._clients[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("serving a client failed unexpectedly", exc_info=error)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tls: TlsLayer | None) -> None:
        connection = TcpConnection(reader, writer, self._clock, tls)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - this is a task
        self._clients[task] = connection
        set_options(writer.transport)
        peer = writer.get_extra_info("peername")
        try:
            session = self._sessions.open(connection, address=str(peer[0]) if peer else "unknown", door="tcp")
        except SessionEnd as why:
            await self._refuse(connection, why)
            return
        try:
            # The session is counted and has its deadline already, so that handshakes are limited as sessions are.
            if await connection.secure(self.tls_handshake_timeout_seconds):
                await self._talk(session, connection, reader)
        except asyncio.CancelledError:
            if session.is_open:
                raise
            # The session was ended by somebody else, who cancelled this task to stop it from reading.
            task.uncancel()
        except OSError:
            pass  # the client is gone: a reset, or silence that the kernel found out about (ETIMEDOUT)
        finally:
            session.closed()
            try:
                await connection.finish()
            finally:
                # Only now: what holds a descriptor counts as a session.
                self._sessions.close_session(session)

    async def _refuse(self, connection: TcpConnection, why: SessionEnd) -> None:
        if self._refused_lingering >= MAX_REFUSED_LINGERING:
            connection.send(farewell(why))  # under TLS nothing is sent: the handshake would take time
            connection.close()
            return
        self._refused_lingering += 1
        try:
            if await connection.secure(self.tls_handshake_timeout_seconds):
                connection.send(farewell(why))
            await connection.finish()
        finally:
            self._refused_lingering -= 1

    async def _talk(self, session: Session, connection: TcpConnection, reader: asyncio.StreamReader) -> None:
        connection.send(session.hello())
        lines = 0
        while session.is_open:
            lines += 1
            if lines % LINES_IN_A_ROW == 0:
                await asyncio.sleep(0)
            try:
                line = await reader.readuntil(b"\n")
            except asyncio.IncompleteReadError as cut:
                if cut.partial.strip():
                    connection.send(session.line_cut_off())
                return
            except asyncio.LimitOverrunError:
                connection.send(session.line_too_long())
                return
            line = line.strip()
            if line:
                connection.send(await session.receive(line))
                await connection.drain()
