"""What a client speaks, told by its first bytes: our lines, or another protocol, which is answered in its own terms.

A browser lets any page send bytes of its choice to any port of its machine. The page chooses the body of such a request
and not its first line, so the first line decides, and nothing that comes after a foreign one is ever run (the attack
is known as cross-protocol scripting; Redis, memcached and mail servers were its first victims).
"""

import asyncio
import re
import struct
from enum import Enum
from typing import Protocol

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

    NOTHING = "empty lines"
    LINES = "lines"
    HTTP = "HTTP/1"
    HTTP2 = "HTTP/2"
    TLS = "TLS"
    PROXY = "the PROXY protocol"


def speech_of(heard: bytes, *, is_all: bool = False) -> Speech | None:
    """What the first bytes of a client tell; None where more have to come first."""
    if heard.startswith(PROXY_V2):
        return Speech.PROXY
    if heard.startswith(_TLS_HANDSHAKE):
        return Speech.TLS
    if heard == _TLS_HANDSHAKE[:1] and not is_all:
        return None
    if PROXY_V2.startswith(heard) and not is_all:
        return None
    line, newline, _ = heard.lstrip().partition(b"\n")
    if not line and b"\n" in heard:
        return Speech.NOTHING
    if line.startswith(b"{"):
        return Speech.LINES  # no method of HTTP begins with a brace (RFC 9110, section 9.1)
    if line.startswith(PROXY_V1):
        return Speech.PROXY
    if not newline and not is_all and len(heard) < MAX_FIRST_BYTES:
        return None
    line = line.rstrip()
    if line == _HTTP2_PREFACE:
        return Speech.HTTP2
    is_cut = not newline and not is_all
    if _HTTP_ENDING.search(line[-_LONGEST_ENDING:]) or (is_cut and _HTTP_BEGINNING.match(line)):
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
        case Speech.PROXY | Speech.LINES | Speech.NOTHING:
            return encode_line(failure(CommandError(Reason.MALFORMED_JSON, why)))


def _http2_frame(kind: int, payload: bytes) -> bytes:
    """A frame of the connection itself, without flags (RFC 9113, section 4.1)."""
    return struct.pack("!I", len(payload))[1:] + bytes((kind, 0)) + bytes(4) + payload


class Unread(Protocol):
    """What has come from a client and nobody has read yet. `LineStream` is the real one."""

    @property
    def unread(self) -> bytes:
        """The bytes, which stay unread."""
        ...

    @property
    def is_eof(self) -> bool:
        """Whether no more will come."""
        ...

    async def more(self) -> None:
        """Return when more has come, or the end."""
        ...


async def speech_of_line(client: Unread) -> Speech:
    """What a client speaks, as soon as its first line tells; `NOTHING` where that is empty, and the next one counts."""
    while (speech := speech_of(client.unread, is_all=client.is_eof)) is None:
        await client.more()
    return speech


async def greeting_speech(client: Unread) -> Speech | None:
    """What a client speaks that speaks first; None where it does not, so that it is greeted as one of ours."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(SILENCE_SECONDS) as patience:
            if not client.unread and not client.is_eof:
                await client.more()
            patience.reschedule(loop.time() + LINE_SECONDS)
            return await speech_of_line(client)
    except TimeoutError:
        return speech_of(client.unread)  # it may have come in the same turn of the loop as the end of the time
