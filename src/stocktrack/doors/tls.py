"""TLS at the doors: the context that the settings make, and the layer between a TCP transport and the protocol above.

The layer is `ssl.MemoryBIO` over the plain transport, because the TLS transports of asyncio and uvloop can't
half-close, don't tell what waits in the transport under them, begin before a session is counted, and hold up to half a
megabyte for a client that does not read. Here both loops behave alike, and a TLS client is bounded, judged slow, told
its last line and closed by the same code as any other.
"""

import asyncio
import contextlib
import ssl
from enum import Enum
from functools import partial
from pathlib import Path
from typing import cast

from stocktrack.doors.first_bytes import MAX_FIRST_BYTES, Speech, speech_of
from stocktrack.doors.reading import SmallReads
from stocktrack.doors.turns import turns
from stocktrack.errors import ConfigError
from stocktrack.system.files import check_private_key, check_readable

# For the log of whoever listens beyond loopback without TLS.
PLAIN_TEXT = (
    "Passwords and prices cross the network in plain text. "
    "Set tls_cert and tls_key, or listen on loopback behind a proxy that speaks TLS."
)

# More than the largest TLS record, so that a record is read in one piece.
_READ_BYTES = 65_536
# Every TLS connection begins with a record of this type; no line of JSON does.
_HANDSHAKE_RECORD = b"\x16"


def server_context(cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """What the settings `tls_cert` and `tls_key` make; None where there is no TLS; `ConfigError` where one is wrong."""
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        given, missing = ("tls_cert", "tls_key") if key is None else ("tls_key", "tls_cert")
        raise ConfigError(f"{given} is set and {missing} is not: TLS needs both, plain text none of them.")
    check_readable("tls_cert", cert)
    check_readable("tls_key", key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A client that renegotiates again and again costs the server far more than itself.
    context.options |= ssl.OP_NO_RENEGOTIATION

    def refuse_to_ask() -> str:
        # Without this OpenSSL asks for the password on the terminal.
        raise ConfigError(
            f"tls_key = {str(key)!r} is encrypted, and a server has nobody to ask for the password. "
            f"Write it out without one: openssl pkey -in {key} -out FILE"
        )

    try:
        context.load_cert_chain(cert, key, refuse_to_ask)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            why = "the key belongs to another certificate"
        else:
            why = f"they are no certificate and key in PEM format ({error.reason or 'nothing in them could be read'})"
        raise ConfigError(f"tls_cert = {str(cert)!r} with tls_key = {str(key)!r}: {why}.") from None
    check_private_key("tls_key", key)
    return context


class _State(Enum):
    HANDSHAKING = "handshaking"
    OPEN = "open"
    # Nothing is written any more, and what comes in is thrown away but for its end.
    CLOSED = "closed"


class TlsLayer(SmallReads):
    """Takes the place of a transport's protocol, and hands to that one what it decrypts.

    Pausing, the end of the input and the loss of the connection pass through as they are, and so does what is written
    to the transport itself: `write` is the way to encrypt it.
    """

    def __init__(self, transport: asyncio.WriteTransport, context: ssl.SSLContext) -> None:
        self._transport = transport
        self._above = cast("asyncio.Protocol", transport.get_protocol())
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._state = _State.HANDSHAKING
        self._shaken = asyncio.Event()
        self._is_turn_due = False
        self._ended = asyncio.Event()
        # Whether the client has said nothing yet, or something that is no TLS; and what that was, once it is known.
        self.is_plain_text = True
        self.speech: Speech | None = None
        self._plain_text = b""
        self.failure: str | None = None
        transport.set_protocol(self)

    async def handshake(self) -> bool:
        """Whether the handshake succeeded; `failure` says why not. How long it may take is the caller's affair."""
        await self._shaken.wait()
        return self._state is _State.OPEN

    async def input_ended(self) -> None:
        """Return when the client has closed: for those above the input ends with what can't be decrypted."""
        await self._ended.wait()

    def hand_to(self, protocol: asyncio.BaseProtocol) -> None:
        """Hand what is decrypted to another protocol from now on."""
        self._above = cast("asyncio.Protocol", protocol)

    def write(self, data: bytes) -> None:
        """Encrypt and hand over; nothing happens before the handshake, and after the end."""
        if self._state is not _State.OPEN:
            return
        try:
            unwritten = memoryview(data)
            while unwritten:
                unwritten = unwritten[self._tls.write(unwritten) :]
        except ssl.SSLError as error:
            self._fail(error)
        self._flush()

    def end(self) -> None:
        """Tell the client that nothing more will come; its own input still may, and is thrown away."""
        if self._state is _State.OPEN:
            # It writes its goodbye, and complains that it cannot read the client's.
            with contextlib.suppress(ssl.SSLError):
                self._tls.unwrap()
            self._flush()
        self._state = _State.CLOSED

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        if self._state is not _State.HANDSHAKING:
            self._take(data)
            return
        # A handshake costs far more than what is read of it: where many come at once they take turns.
        self._is_turn_due = True
        turns().take(partial(self._shake, data))
        if self._is_turn_due:
            cast("asyncio.Transport", self._transport).pause_reading()

    def _shake(self, data: bytes) -> None:
        self._is_turn_due = False
        if not self._transport.is_closing():
            cast("asyncio.Transport", self._transport).resume_reading()
            self._take(data)

    def _take(self, data: bytes) -> None:
        if self._state is _State.CLOSED:
            return
        try:
            self._receive(data)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self._above.eof_received()
        except ssl.SSLError as error:
            self._fail(error)
        self._flush()

    def _receive(self, data: bytes) -> None:
        if self._state is _State.HANDSHAKING and self.is_plain_text:
            self.is_plain_text = bool(self._plain_text) or not data.startswith(_HANDSHAKE_RECORD)
            if self.is_plain_text:
                self._receive_plain_text(data)
                return
        self._incoming.write(data)
        if self._state is _State.HANDSHAKING:
            self._tls.do_handshake()
            self._state = _State.OPEN
            self._shaken.set()
        # What came in many small records is handed on in one piece.
        plain = bytearray()
        try:
            while piece := self._tls.read(_READ_BYTES):
                plain += piece
        finally:
            if plain:
                self._above.data_received(bytes(plain))
        # The client said that it has nothing more to send: as at the end of a plain input, it is still answered.
        self._above.eof_received()

    def _receive_plain_text(self, data: bytes) -> None:
        """Take what is no TLS, up to where it can be told what it is: the client is answered in the same terms."""
        self._plain_text += data
        self.speech = speech_of(self._plain_text)
        if self.speech is not None or len(self._plain_text) > MAX_FIRST_BYTES:
            self._give_up("the client does not speak TLS")
            self._above.eof_received()

    def eof_received(self) -> bool | None:
        """Called by the loop."""
        if self._state is _State.HANDSHAKING:
            self.speech = speech_of(self._plain_text, is_all=True)
            self._give_up("the client closed the connection")
        self._ended.set()
        return self._above.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        self._give_up("the connection was lost")
        self._ended.set()
        self._above.connection_lost(exc)

    def pause_writing(self) -> None:
        """Called by the loop."""
        self._above.pause_writing()

    def resume_writing(self) -> None:
        """Called by the loop."""
        self._above.resume_writing()

    def _flush(self) -> None:
        if self._outgoing.pending and not self._transport.is_closing():
            self._transport.write(self._outgoing.read())

    def _fail(self, error: ssl.SSLError) -> None:
        """What comes can't be read any more, which to those above is the end of the input."""
        self._give_up(error.reason or str(error))
        self._above.eof_received()

    def _give_up(self, why: str) -> None:
        if self._state is _State.HANDSHAKING:
            self.failure = why
        self._state = _State.CLOSED
        self._shaken.set()
