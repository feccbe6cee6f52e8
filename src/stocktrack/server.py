"""The TCP door: one JSON object a line, in and out of sessions, in plain text or over TLS."""

import asyncio
import functools
import ssl
from collections.abc import Awaitable, Callable
from typing import cast

import structlog

from stocktrack.clock import Clock
from stocktrack.doors.first_bytes import Speech, answer_to, greeting_speech, speech_of_line
from stocktrack.doors.line_stream import CutOff, LineStream, LineTooLong
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
        *("_clock", "_handshake_seconds", "_is_known", "_other_speech", "_stream", "_tls", "_transport"),
        *("address", "is_forwarded", "last_sent_at", "owner", "sent_bytes"),
    )

    def __init__(
        self,
        stream: LineStream,
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
        self._stream = stream
        self._transport = stream.transport
        # Now, while nothing was read from it: the first bytes are the client's part of the handshake.
        self._tls = TlsLayer(stream.transport, tls) if tls is not None else None
        self._other_speech = other_speech
        self._is_known = False  # whether the client speaks our protocol, which the first line tells
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

    def drain(self) -> Awaitable[None]:
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

    async def greet(self, session: Session) -> bool:
        """Send HELLO, after the handshake where this is to be TLS; False where that failed, or where it is no use."""
        if not await self._secure():
            return False
        if self._answer_other(await greeting_speech(self._stream)):
            return False
        self.send(session.hello())
        return True

    async def receive(self, session: Session) -> bytes | None:
        """The next line; None at the end of the input, after a line that is too long, and to another protocol."""
        if not self._is_known:
            speech = await speech_of_line(self._stream)
            if self._answer_other(speech):
                return None
            self._is_known = speech is Speech.LINES
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
            if self._tls is not None and self._tls.speech is not None:
                await self._tls.input_ended()
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
                self._transport.write(answer_to(self._tls.speech or Speech.LINES, _SPEAKS_TLS))
        return is_secure

    def _answer_other(self, speech: Speech | None) -> bool:
        """Answer a client that speaks another protocol, in its own terms; False where it may well speak ours."""
        if speech is None or speech in {Speech.LINES, Speech.NOTHING}:
            return False
        log.debug("another protocol", speech=speech.value, peer=self._transport.get_extra_info("peername"))
        why = _NOT_TRUSTED if speech is Speech.PROXY else self._other_speech()
        self.send(answer_to(speech, why))
        return True


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
        tls: ssl.SSLContext | None = None,
        tls_handshake_timeout_seconds: float = 5.0,
        proxies: TrustedProxies | None = None,
        web_port: Callable[[], int | None] = lambda: None,
        shares_port: bool = False,
    ) -> None:
        self.tls = tls
        self._proxies = proxies or TrustedProxies()
        # Those whose proxy has not said yet who they are.
        self._arriving: set[ProxiedConnection] = set()
        self._web_port = web_port
        self.tls_handshake_timeout_seconds = tls_handshake_timeout_seconds
        self._clock = clock
        self._listener = Listener(setting="port", flag="--port", shares_port=shares_port)
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
        for arriving in tuple(self._arriving):
            arriving.abort()
        await self._clients.close(within_seconds)

    def _connected(self, stream: LineStream) -> None:
        set_options(stream.transport)
        peername = stream.transport.get_extra_info("peername")
        peer = str(peername[0]) if peername else "unknown"
        if not self._proxies.trust(peer):
            self._take(stream, peer, is_forwarded=False)
        elif len(self._arriving) >= MAX_ARRIVING:
            stream.transport.abort()
        else:
            arriving = ProxiedConnection(
                stream.transport,
                cast("asyncio.Protocol", stream.transport.get_protocol()),
                is_optional=is_loopback(peer),
                take=lambda client: self._take(stream, client or peer, is_forwarded=True),
                refuse=lambda why: log.info("a trusted proxy sent no PROXY header", peer=peer, why=why),
                gone=lambda: self._arriving.discard(arriving),
            )
            self._arriving.add(arriving)

    def _take(self, stream: LineStream, address: str, *, is_forwarded: bool) -> None:
        self._clients.take(
            TcpConnection(
                stream,
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
