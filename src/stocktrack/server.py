"""The TCP door: one JSON object a line, in and out of sessions, in plain text or over TLS."""

import asyncio
import functools
import ssl
from collections.abc import Callable
from typing import cast

import structlog

from stocktrack.clock import Clock
from stocktrack.doors.first_bytes import FirstBytes, Speech, answer_to
from stocktrack.doors.listening import Listener
from stocktrack.doors.proxies import ProxiedConnection, TrustedProxies
from stocktrack.doors.serving import Clients
from stocktrack.doors.socket_options import set_options, unsent_bytes
from stocktrack.doors.tls import TlsLayer
from stocktrack.sessions.open_sessions import Sessions
from stocktrack.sessions.session import Session
from stocktrack.system.addresses import is_loopback

log = structlog.get_logger()

# Clients whose proxy has not said yet who they are, which takes it no time: they are no sessions.
MAX_ARRIVING = 256

# What a client gets, in plain text, that begins with something else than TLS where TLS is spoken.
_SPEAKS_TLS = "This port speaks TLS: connect with --tls, or switch it on."
_NOT_TRUSTED = (
    "A PROXY header is believed only from an address in the setting trusted_proxies, and only before everything else."
)


class TcpConnection:
    """One client's socket: a session's `Connection`, and a door's `Client`."""

    __slots__ = (
        *("_clock", "_first_bytes", "_handshake_seconds", "_other_speech", "_reader", "_tls", "_transport", "_writer"),
        *("address", "is_forwarded", "last_sent_at", "owner", "sent_bytes"),
    )

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        clock: Clock,
        *,
        address: str,
        is_forwarded: bool,
        tls: ssl.SSLContext | None,
        handshake_seconds: float,
        other_speech: Callable[[], str],
    ) -> None:
        self.address = address
        self.is_forwarded = is_forwarded
        self._reader = reader
        self._writer = writer
        self._transport = writer.transport
        # Both now, while nothing was read: the first bytes are what they are there for.
        self._first_bytes: FirstBytes | None = FirstBytes(
            cast("asyncio.Protocol", self._transport.get_protocol()), self._speak_lines_to
        )
        self._transport.set_protocol(self._first_bytes)
        self._tls = TlsLayer(self._transport, tls) if tls is not None else None
        self._other_speech = other_speech
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

    async def drain(self) -> None:
        """Wait while the client has not taken enough."""
        await self._writer.drain()

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

    async def greet(self, session: Session) -> bool:
        """Send HELLO, after the handshake where this is to be TLS; False where that failed, or where it is no use."""
        if not await self._secure():
            return False
        assert self._first_bytes is not None  # noqa: S101 - it goes with the first line
        if self._answer_other(await self._first_bytes.clear_enough()):
            return False
        self.send(session.hello())
        return True

    async def receive(self, session: Session) -> bytes | None:
        """The next line; None at the end of the input, after a line that is too long, and to another protocol."""
        if self._first_bytes is not None:
            if self._answer_other(await self._first_bytes.known()):
                return None
            self._first_bytes = None
        try:
            return await self._reader.readuntil(b"\n")
        except asyncio.IncompleteReadError as cut:
            if cut.partial.strip():
                self.send(session.line_cut_off())
        except asyncio.LimitOverrunError:
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
        self._writer.close()

    async def finish(self) -> None:
        """Deliver what was sent, wait for the client to close first, then close.

        Closing a socket while something lies unread in it makes the kernel send a reset, which can overtake the last
        lines and take them from the client. So the rest of the input is read and thrown away.
        """
        if not self._transport.is_closing() and self._writer.can_write_eof():
            if self._tls is not None:
                self._tls.end()
            self._writer.write_eof()
            while await self._reader.read(65_536):
                pass
            if self._tls is not None and self._tls.speech is not None:
                await self._tls.input_ended()
        self._writer.close()
        await self._writer.wait_closed()

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
                self._transport.write(answer_to(self._tls.speech or Speech.LINES, _SPEAKS_TLS))
        return is_secure

    def _answer_other(self, speech: Speech | None) -> bool:
        """Answer a client that speaks another protocol, in its own terms; False where it may well speak ours."""
        if speech is None or speech is Speech.LINES:
            return False
        log.debug("another protocol", speech=speech.value, peer=self._transport.get_extra_info("peername"))
        why = _NOT_TRUSTED if speech is Speech.PROXY else self._other_speech()
        self.send(answer_to(speech, why))
        return True

    def _speak_lines_to(self, reader: asyncio.Protocol) -> None:
        """Hand what comes to the reader, without a detour."""
        if self._tls is not None:
            self._tls.hand_to(reader)
        else:
            self._transport.set_protocol(reader)


class TcpServer:
    """The TCP port. `tls` and the time for its handshake may be replaced, for the clients to come.

    `proxies` say in a PROXY header who their clients are. `web_port` is where those are sent who speak HTTP here; None
    where there is no such port.
    """

    def __init__(
        self,
        sessions: Sessions,
        clock: Clock,
        *,
        max_line_bytes: int,
        tls: ssl.SSLContext | None = None,
        tls_handshake_timeout_seconds: float = 5.0,
        proxies: TrustedProxies | None = None,
        web_port: Callable[[], int | None] = lambda: None,
    ) -> None:
        self.tls = tls
        self._proxies = proxies or TrustedProxies()
        # Those whose proxy has not said yet who they are.
        self._arriving: set[ProxiedConnection] = set()
        self._web_port = web_port
        self.tls_handshake_timeout_seconds = tls_handshake_timeout_seconds
        self._clock = clock
        self._max_line_bytes = max_line_bytes
        self._listener = Listener(setting="port", flag="--port")
        self._clients = Clients(sessions, "tcp")

    async def start(self, host: str, port: int) -> None:
        """Listen; `ConfigError` names the port and the setting where that can't be."""
        listen = functools.partial(asyncio.start_server, self._connected, limit=self._max_line_bytes)
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
        for arriving in tuple(self._arriving):
            arriving.abort()
        await self._clients.close(within_seconds)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        set_options(writer.transport)
        peername = writer.transport.get_extra_info("peername")
        peer = str(peername[0]) if peername else "unknown"
        if not self._proxies.trust(peer):
            self._take(reader, writer, peer, is_forwarded=False)
        elif len(self._arriving) >= MAX_ARRIVING:
            writer.transport.abort()
        else:
            arriving = ProxiedConnection(
                cast("asyncio.Transport", writer.transport),
                cast("asyncio.Protocol", writer.transport.get_protocol()),
                is_optional=is_loopback(peer),
                take=lambda client: self._take(reader, writer, client or peer, is_forwarded=True),
                refuse=lambda why: log.info("a trusted proxy sent no PROXY header", peer=peer, why=why),
                gone=lambda: self._arriving.discard(arriving),
            )
            self._arriving.add(arriving)

    def _take(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str, *, is_forwarded: bool
    ) -> None:
        self._clients.take(
            TcpConnection(
                reader,
                writer,
                self._clock,
                address=address,
                is_forwarded=is_forwarded,
                tls=self.tls,
                handshake_seconds=self.tls_handshake_timeout_seconds,
                other_speech=self._other_speech,
            )
        )

    def _other_speech(self) -> str:
        port = self._web_port()
        web = "This server has no web port." if port is None else f"The page, REST and WebSocket are at port {port}."
        return f"This port speaks StockTrack's protocol, JSON lines over TCP, and not HTTP. {web}"
