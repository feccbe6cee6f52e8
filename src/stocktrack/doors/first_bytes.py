"""What a client speaks, told by its first bytes: our lines, or another protocol, which is answered in its own terms.

A browser lets any page send bytes of its choice to any port of its machine. The page chooses the body of such a request
and not its first line, so the first line decides, and nothing that comes after a foreign one is ever run (the attack
is known as cross-protocol scripting; Redis, memcached and mail servers were its first victims).
"""

import asyncio
import re
import struct
from collections.abc import Callable
from enum import Enum

from stocktrack.errors import CommandError, Reason
from stocktrack.wire.lines import encode_line, failure

# Enough for the longest request line that anybody but an attacker sends.
MAX_FIRST_BYTES = 4_096
# Whoever speaks first does so with the packet that ends TCP's handshake, or right behind it.
SILENCE_SECONDS = 0.02
# How long the rest of a first line may take before the client is greeted as one of ours.
LINE_SECONDS = 2.0

PROXY_V1, PROXY_V2 = b"PROXY ", b"\r\n\r\n\x00\r\nQUIT\n"
_HTTP_ENDING = re.compile(rb"\sHTTP/\d(\.\d)?$", re.IGNORECASE)
_LONGEST_ENDING = len(" HTTP/1.1")
# A method and a target (RFC 9112, section 3): how a request begins whose first line is too long to be read to its end.
_HTTP_BEGINNING = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64} (/|\*|https?:)", re.IGNORECASE)
_HTTP2_PREFACE = b"PRI * HTTP/2.0"
_TLS_HANDSHAKE = b"\x16\x03"
# A fatal alert: protocol_version (RFC 8446, section 6.2).
_TLS_ALERT = bytes.fromhex("15030100020246")
_HTTP_1_1_REQUIRED = 0x0D


class Speech(Enum):
    """What a client speaks."""

    LINES = "lines"
    HTTP = "HTTP/1"
    HTTP2 = "HTTP/2"
    TLS = "TLS"
    PROXY = "the PROXY protocol"


def speech_of(heard: bytes, *, is_all: bool = False) -> Speech | None:
    """What the first bytes of a client tell; None where more have to come first. Empty lines tell nothing."""
    if heard.startswith(PROXY_V2):
        return Speech.PROXY
    if heard.startswith(_TLS_HANDSHAKE):
        return Speech.TLS
    if heard == _TLS_HANDSHAKE[:1] and not is_all:
        return None
    if PROXY_V2.startswith(heard) and not is_all:
        return None
    line, newline, _ = heard.lstrip().partition(b"\n")
    if line.startswith(b"{"):
        return Speech.LINES  # no method of HTTP begins with a brace (RFC 9110, section 9.1)
    if line.startswith(PROXY_V1):
        return Speech.PROXY
    if not newline and not is_all and len(line) < MAX_FIRST_BYTES:
        return None
    line = line.rstrip()
    if line == _HTTP2_PREFACE:
        return Speech.HTTP2
    is_too_long = not newline and len(line) >= MAX_FIRST_BYTES
    if _HTTP_ENDING.search(line[-_LONGEST_ENDING:]) or (is_too_long and _HTTP_BEGINNING.match(line)):
        return Speech.HTTP
    return Speech.LINES


def answer_to(speech: Speech, why: str) -> bytes:
    """What a client of another protocol is told, as far as that one can carry the sentence `why`."""
    match speech:
        case Speech.HTTP:
            body = f"{why}\n".encode()
            head = (
                "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n"
                f"content-length: {len(body)}\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n"
            )
            return head.encode() + body
        case Speech.HTTP2:
            # SETTINGS come first from every server (RFC 9113, section 3.4); GOAWAY has room for a text.
            goaway = struct.pack("!II", 0, _HTTP_1_1_REQUIRED) + why.encode()
            return _http2_frame(4, b"") + _http2_frame(7, goaway)
        case Speech.TLS:
            return _TLS_ALERT
        case Speech.PROXY | Speech.LINES:
            return encode_line(failure(CommandError(Reason.MALFORMED_JSON, why)))


def _http2_frame(kind: int, payload: bytes) -> bytes:
    """A frame of the connection itself, without flags (RFC 9113, section 4.1)."""
    return struct.pack("!I", len(payload))[1:] + bytes((kind, 0)) + bytes(4) + payload


class FirstBytes(asyncio.Protocol):
    """Stands in the place of the protocol `above` until it is known what the client speaks.

    A client that speaks lines is handed over by `hand_over(above)`, with all that it has said; of any other nothing
    but its end goes further. Everything else passes through.
    """

    __slots__ = ("_above", "_hand_over", "_heard", "_news", "speech")

    def __init__(self, above: asyncio.Protocol, hand_over: Callable[[asyncio.Protocol], None]) -> None:
        self._above = above
        self._hand_over = hand_over
        self._heard = b""
        self._news = asyncio.Event()
        self.speech: Speech | None = None

    async def clear_enough(self) -> Speech | None:
        """What the client speaks, as soon as that is known, or as soon as it can be greeted as one of ours: None."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(SILENCE_SECONDS) as patience:
                while self.speech is None and not self._is_empty_line():
                    was_silent = not self._heard
                    await self._more()
                    if was_silent:
                        patience.reschedule(loop.time() + LINE_SECONDS)
        except TimeoutError:
            pass
        return self.speech

    async def known(self) -> Speech:
        """What the client speaks, however long it takes to say so."""
        while self.speech is None:
            await self._more()
        return self.speech

    def data_received(self, data: bytes) -> None:
        """Called by the loop, or by the TLS layer."""
        if self.speech is None:
            self._heard += data
            self._judge()

    def eof_received(self) -> bool | None:
        """Called by the loop, or by the TLS layer."""
        if self.speech is None:
            self._judge(is_all=True)
        return self._above.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        if self.speech is None:
            self.speech = Speech.LINES
            self._news.set()
        self._above.connection_lost(exc)

    def pause_writing(self) -> None:
        """Called by the loop."""
        self._above.pause_writing()

    def resume_writing(self) -> None:
        """Called by the loop."""
        self._above.resume_writing()

    def _judge(self, *, is_all: bool = False) -> None:
        self.speech = speech_of(self._heard, is_all=is_all)
        if self.speech is Speech.LINES:
            heard, self._heard = self._heard, b""
            self._hand_over(self._above)
            if heard:
                self._above.data_received(heard)
        elif self.speech is not None:
            self._heard = b""
        elif len(self._heard) > MAX_FIRST_BYTES:
            self._heard = self._heard.lstrip()  # empty lines without end
        self._news.set()

    def _is_empty_line(self) -> bool:
        return self._heard.isspace() and not PROXY_V2.startswith(self._heard)

    async def _more(self) -> None:
        self._news.clear()
        await self._news.wait()
