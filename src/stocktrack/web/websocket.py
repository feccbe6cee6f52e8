"""One client's WebSocket, as a session sees it: frames in and out, what is bounded, and the order of closing.

The frames are those of websockets' Sans-I/O protocol. The transport is our own, because a session has to know what
ASGI does not tell: how many bytes wait, and how to be rid of a client that does not read. No extension is ever
negotiated: a compressed price could not be shared, and a compressed message could be a bomb.
"""

import asyncio
import contextlib
import logging
import struct
from collections import deque
from collections.abc import Callable, Iterable
from enum import Enum
from http import HTTPStatus
from typing import cast

from websockets.exceptions import PayloadTooBig
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from stocktrack.clock import Clock
from stocktrack.doors.turns import turns
from stocktrack.web.forwarding import Sender
from stocktrack.web.handed_over import HandedOver

# Input is parsed in pieces of this size, each of which takes a turn: of the smallest frames it takes 0.6 ms.
_PIECE_BYTES = 512
# The request of a handshake is parsed line by line.
_PIECE_OF_REQUEST_BYTES = 4_096
_EMPTY_LINE = b"\r\n\r\n"
# A message of more fragments than this costs more to collect than any message is worth.
MAX_FRAGMENTS = 256
_FINAL_TEXT, _FINAL_BINARY = 0x80 | Opcode.TEXT, 0x80 | Opcode.BINARY
_DATA = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})
# At its debug level the library logs every frame, and frames hold passwords and tokens.
_frame_log = logging.getLogger("stocktrack.web.frames")
_frame_log.setLevel(logging.ERROR)


class Input(Enum):
    """What came instead of a message."""

    CLOSED = "closed"
    TOO_LONG = "too long"
    BINARY = "binary"


class WebSocket(HandedOver):
    """A `Connection` that takes and gives messages of text; `owner` is the task that serves it.

    It begins with the handshake's request: `on_request(self)` has it answered by `accept` or `reject`, and then served.
    Until it is answered nothing more is read. It ends with `finish`. Who speaks in bytes sets `takes_binary`, and gets
    messages of both kinds.
    """

    def __init__(
        self, on_request: Callable[["WebSocket"], None], clock: Clock, *, max_message_bytes: int, sender: Sender
    ) -> None:
        super().__init__(clock)
        self.sender = sender
        self._on_request = on_request
        self._frames = ServerProtocol(max_size=max_message_bytes, logger=_frame_log)
        self._unparsed = bytearray()
        self._is_parse_due = False
        self._is_eof = False
        self._parts: list[bytes] = []
        self._messages: deque[bytes] = deque()
        self._end: Input | None = None  # why no more messages come after those in `_messages`
        self._arrived = asyncio.Event()
        self._is_asking = False  # the handshake has no answer yet
        self._is_open = False  # between the handshake and our goodbye
        self._is_finishing = False
        self._has_request = False
        self.request: Request
        self.takes_binary = False

    # --- what the door does with it ------------------------------------------------------------------------------

    @property
    def address(self) -> str:
        """The client's address."""
        return self.sender.address

    @property
    def peer(self) -> tuple[str, int]:
        """The client's address and port; 0 where a proxy stands between."""
        peer = self._transport.get_extra_info("peername")
        return self.address, 0 if self.sender.is_forwarded or not peer else int(peer[1])

    @property
    def own_address(self) -> tuple[str, int] | None:
        """Where the client came to."""
        own = self._transport.get_extra_info("sockname")
        return (str(own[0]), int(own[1])) if own else None

    @property
    def is_secure(self) -> bool:
        """Whether it is over TLS."""
        return self._transport.get_extra_info("sslcontext") is not None

    @property
    def is_asking(self) -> bool:
        """Whether the handshake has no answer yet."""
        return self._is_asking

    def accept(self) -> bool:
        """Answer the handshake; False where the request was none, which the client has been told."""
        response = self._frames.accept(self.request)
        self._respond(response)
        self._is_open = self._frames.state is OPEN
        return self._is_open

    def reject(self, status: HTTPStatus, why: str) -> None:
        """Refuse the handshake with a sentence."""
        self._respond(self._frames.reject(status, f"{why}\n"))

    def _respond(self, response: Response) -> None:
        self._is_asking = False
        self._frames.send_response(response)
        self._flush()

    async def receive(self) -> bytes | Input:
        """The next message, or what came instead of one; after that nothing more comes."""
        while not self._messages:
            if self._end is not None:
                return self._end
            self._arrived.clear()
            self._parse()
            if not self._messages and self._end is None:
                await self._arrived.wait()
        return self._messages.popleft()

    def close(self, code: int) -> None:
        """Say goodbye and close without waiting for the client, who may lose it."""
        self._is_open = False
        if self._frames.state is OPEN:
            self._frames.send_close(code)
        self._flush()
        self._transport.close()

    async def finish(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Deliver what was sent, say goodbye, and return when the client has done the same and is gone."""
        self._is_open = False
        self._is_finishing = True
        if not self._transport.is_closing():
            if self._frames.state is OPEN:
                self._frames.send_close(code, reason)
            self._flush()
            self._messages.clear()
            self._parse()
            if self._is_eof:
                self._transport.close()  # the client has closed already; there is nothing to wait for
        await self._lost.wait()

    # --- what a session does with it -----------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Hand over whole lines as one message."""
        if data and self._is_open:
            # A push of prices goes to many: it is not copied for a header.
            self._write(_header(_FINAL_TEXT, len(data)), data)

    def send_messages(self, messages: Iterable[bytes], *, is_binary: bool = False) -> None:
        """Hand over messages, each of them whole, in one write."""
        self.send_frames(frames_of(messages, is_binary=is_binary))

    def send_frames(self, frames: bytes) -> None:
        """Hand over what `frames_of` made, which may go to several clients."""
        if self._is_open:
            self._write(frames)

    def ping(self) -> None:
        """Show a quiet client, which has to answer, that the server is there."""
        if self._is_open and self._frames.state is OPEN:
            self._frames.send_ping(b"")
            self._flush()
            self.last_sent_at = self._clock.monotonic()

    # --- what the event loop does with it ------------------------------------------------------------------------

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        super().connection_lost(exc)
        self._stop(Input.CLOSED)

    def eof_received(self) -> bool:
        """Called by the loop: without a goodbye nothing more comes, but what came is still answered."""
        self._is_eof = True
        self._parse()
        return not self._is_finishing

    def resume_writing(self) -> None:
        """Called by the loop."""
        super().resume_writing()
        self._parse()

    def data_received(self, data: bytes) -> None:
        """Called by the loop, and first with the request of the handshake."""
        self._unparsed += data
        self._parse()

    # --- input ---------------------------------------------------------------------------------------------------

    def _parse(self, *, is_more: bool = False) -> None:
        """Parse one piece, where a message is wanted and a pong could be sent; the rest waits, as does the client."""
        is_wanted = not self._is_asking and not self._messages and (self._end is None or self._is_finishing)
        if self._unparsed and is_wanted and self._writable.is_set() and not self._is_parse_due:
            self._is_parse_due = True
            turns().take(self._parse_piece, is_more=is_more)
        if self._is_eof and not self._unparsed:
            self._stop(Input.CLOSED)
        if self._transport.is_closing():
            return
        if self._unparsed:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _parse_piece(self) -> None:
        self._is_parse_due = False
        size = _PIECE_BYTES
        if not self._has_request:
            # What comes behind the request waits until the handshake is answered.
            end = self._unparsed.find(_EMPTY_LINE, 0, _PIECE_OF_REQUEST_BYTES)
            size = end + len(_EMPTY_LINE) if end >= 0 else _PIECE_OF_REQUEST_BYTES
        piece = bytes(self._unparsed[:size])
        del self._unparsed[:size]
        self._frames.receive_data(piece)
        self._take_events()
        self._parse(is_more=True)

    def _take_events(self) -> None:
        for event in self._frames.events_received():
            if isinstance(event, Request):
                self.request = event
                self._has_request = self._is_asking = True
                self._on_request(self)
            else:
                self._take_frame(cast("Frame", event))
        if not self._has_request and self._frames.handshake_exc is not None:
            self._flush()  # the request was too large, as the client is told
            self._transport.close()
        elif self._is_finishing:
            if self._frames.close_rcvd is not None or self._frames.parser_exc is not None:
                self._transport.close()
        elif self._frames.parser_exc is not None:
            self._stop(Input.TOO_LONG if isinstance(self._frames.parser_exc, PayloadTooBig) else Input.CLOSED)
        elif self._end is None:
            self._flush()
        # Else the goodbye waits until what came before it is answered; `finish` sends it.

    def _take_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE:
            self._stop(Input.CLOSED)
        elif frame.opcode is Opcode.BINARY and not self.takes_binary:
            self._stop(Input.BINARY)
        elif frame.opcode in _DATA and self._end is None and not self._is_finishing:
            self._parts.append(bytes(frame.data))
            if frame.fin:
                self._messages.append(b"".join(self._parts))
                self._parts.clear()
                self._arrived.set()
            elif len(self._parts) >= MAX_FRAGMENTS:
                self._stop(Input.TOO_LONG)

    def _stop(self, end: Input) -> None:
        if self._end is None:
            self._end = end
            self._parts.clear()
        self._arrived.set()

    def _flush(self) -> None:
        pieces = self._frames.data_to_send()
        if self._transport.is_closing():
            return
        if data := b"".join(pieces):
            self._transport.write(data)
        if b"" in pieces:  # websockets' sign that nothing more is to be sent
            # The client may be gone since the last line was handed over (ENOTCONN): nothing is left to half-close.
            with contextlib.suppress(OSError):
                if self._transport.can_write_eof():
                    self._transport.write_eof()
                else:
                    self._transport.close()


def frames_of(messages: Iterable[bytes], *, is_binary: bool = False) -> bytes:
    """Messages as they go over a WebSocket, each in a frame of its own."""
    first = _FINAL_BINARY if is_binary else _FINAL_TEXT
    return b"".join(piece for message in messages for piece in (_header(first, len(message)), message))


def _header(first: int, length: int) -> bytes:
    """The header of an unmasked message in one frame, which begins with the byte `first` (RFC 6455, section 5.2)."""
    if length < 126:
        return struct.pack("!BB", first, length)
    if length < 65_536:
        return struct.pack("!BBH", first, 126, length)
    return struct.pack("!BBQ", first, 127, length)
