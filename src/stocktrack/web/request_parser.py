"""Requests out of the bytes of one connection, one after another, without a socket: httptools' parser within limits.

A head is collected up to its empty line and parsed in one piece, and of a body never more is parsed than may belong to
it: its Content-Length, or where it comes in chunks up to the next empty line, with which every chunked message ends.
So whatever a client pipelines, at most one request of it is parsed before that one is answered.
"""

import re
from collections import deque
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

MAX_HEAD_BYTES = 65_536
MAX_HEADERS = 128  # of a head, and as many trailers
# What a body in chunks may take besides its content: sizes, extensions and trailers.
MAX_CHUNK_OVERHEAD_BYTES = 65_536
_EMPTY_LINE = b"\r\n\r\n"
_EMPTY_LINES = re.compile(rb"(?:\r\n)*")
# Where a head can't be taken, its path can still be read, and whose page asks: how it is refused goes by that.
_PATH = re.compile(rb"[A-Za-z]+ ([^ ?\r\n]+)")
_WHOSE = re.compile(rb"\r\n(host|origin):[ \t]*([^\r\n]*)", re.IGNORECASE)


class BadRequest(Exception):  # noqa: N818 - it is named as HTTP names its status
    """What came is no request that can be taken; what comes after it isn't looked at any more."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


@dataclass(frozen=True, slots=True)
class Head:
    """How a request begins; header names in lower case. `raw` is all of it as it came."""

    method: str
    target: bytes
    version: str
    headers: list[tuple[bytes, bytes]]
    is_kept_alive: bool
    upgrade: bytes | None
    raw: bytes


class End(Enum):
    """The end of a request."""

    END = "end"


class RequestParser:
    """Takes bytes as they come; `next` gives a `Head`, the pieces of its body, and `End.END`. Trailers are left out."""

    __slots__ = (
        *("_body", "_body_bytes", "_header_count", "_headers", "_is_head", "_max_body_bytes", "_parsed", "_parser"),
        *("_is_complete", "_is_kept_alive", "_raw_body_bytes", "_searched", "_target", "_to_come", "_unparsed"),
    )

    def __init__(self, *, max_body_bytes: int) -> None:
        self._max_body_bytes = max_body_bytes
        self._unparsed = bytearray()
        self._searched = 0  # how much of it has been looked through for the end of a head
        self._parser: HttpRequestParser | None = None  # of the request that is under way
        self._parsed: deque[Head | bytes | End] = deque()
        self._target = b""
        self._is_head = True  # what is parsed is the head of a request
        self._is_kept_alive = False
        self._is_complete = False  # the piece that is parsed has the end of the request
        self._headers: list[tuple[bytes, bytes]] = []
        self._header_count = 0  # or, behind the head, of the trailers
        self._body: list[bytes] = []  # of the piece that is parsed: one item, however many chunks it came in
        self._to_come: int | None = None  # of a body whose length was told
        self._body_bytes = self._raw_body_bytes = 0

    @property
    def target(self) -> bytes:
        """What the request under way asks for, also where it can't be taken; empty where that could not be read."""
        return self._target

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Those of the request under way; where it can't be taken they are at least those that say whose page asks."""
        return self._headers

    @property
    def is_empty(self) -> bool:
        """Whether everything that came has been given out."""
        return not self._unparsed and not self._parsed

    def feed(self, data: bytes) -> None:
        """Take what came."""
        self._unparsed += data

    def rest(self) -> bytes:
        """Give up what was not parsed: after an upgrade it belongs to another protocol."""
        rest = bytes(self._unparsed)
        self._unparsed.clear()
        return rest

    def next(self) -> Head | bytes | End | None:
        """What comes next of a request; None where more has to come first. `BadRequest` where it can't be taken."""
        while not self._parsed:
            piece = self._head_piece() if self._parser is None else self._body_piece()
            if not piece:
                return None
            self._parse(piece)
        item = self._parsed.popleft()
        if item is End.END:
            self._parser, self._target, self._headers = None, b"", []
        return item

    def _head_piece(self) -> bytes:
        if (empty_lines := _EMPTY_LINES.match(self._unparsed).end()) > 0:  # type: ignore[union-attr] # none match, too
            del self._unparsed[:empty_lines]  # they are allowed before a request (RFC 9112, section 2.2)
            self._searched = 0
        end = self._unparsed.find(_EMPTY_LINE, max(0, self._searched - 3))
        self._searched = len(self._unparsed)
        if (end if end >= 0 else self._searched) > MAX_HEAD_BYTES:
            self._target, self._headers = _path_in(self._unparsed), _whose(self._unparsed)
            raise BadRequest(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The head of the request is too large.")
        if end < 0:
            return b""
        self._searched = 0
        return self._take(end + len(_EMPTY_LINE))

    def _body_piece(self) -> bytes:
        if self._to_come is not None:
            piece = self._take(self._to_come)
            self._to_come -= len(piece)
            return piece
        end = self._unparsed.find(_EMPTY_LINE)
        # Without one, the last three bytes may be where one begins.
        piece = self._take(end + len(_EMPTY_LINE) if end >= 0 else max(0, len(self._unparsed) - 3))
        self._raw_body_bytes += len(piece)
        return piece

    def _take(self, count: int) -> bytes:
        piece = bytes(self._unparsed[:count])
        del self._unparsed[:count]
        return piece

    def _parse(self, piece: bytes) -> None:
        if self._parser is None:
            self._parser = HttpRequestParser(self)
            self._is_head, self._target, self._headers, self._header_count = True, b"", [], 0
            self._is_complete = False
            self._to_come, self._body_bytes, self._raw_body_bytes = None, 0, 0
        try:
            self._parser.feed_data(piece)
        except HttpParserUpgrade:
            pass  # the head says so too, and `piece` has nothing behind it
        except HttpParserError:
            if self._is_head:
                self._target, self._headers = self._target or _path_in(piece), _whose(piece)
            if self._header_count > MAX_HEADERS:
                what = "headers" if self._is_head else "trailers"
                raise BadRequest(
                    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"The request has more than {MAX_HEADERS} {what}."
                ) from None
            raise BadRequest(HTTPStatus.BAD_REQUEST, "This is no HTTP request.") from None
        if self._is_head:
            self._is_head, self._header_count = False, 0
            self._parsed.append(self._take_head(self._parser, piece))
        if self._body:
            body = b"".join(self._body)
            self._body.clear()
            self._body_bytes += len(body)
            if self._body_bytes > self._max_body_bytes:
                raise _too_large()
            self._parsed.append(body)
        if self._raw_body_bytes - self._body_bytes > MAX_CHUNK_OVERHEAD_BYTES:
            raise _too_large()
        if self._is_complete:
            self._parsed.append(End.END)

    def _take_head(self, parser: HttpRequestParser, raw: bytes) -> Head:
        upgrade = None
        for name, value in self._headers:
            if name == b"content-length":
                self._to_come = int(value)
                if self._to_come > self._max_body_bytes:
                    raise _too_large()
            elif name == b"upgrade" and parser.should_upgrade():
                upgrade = value.lower()
        method, version = parser.get_method().decode("ascii"), parser.get_http_version()
        return Head(method, self._target, version, self._headers, self._is_kept_alive, upgrade, raw)

    # --- called by the parser ------------------------------------------------------------------------------------

    def on_url(self, url: bytes) -> None:
        """A piece of the target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer: those count, and nobody reads them."""
        self._header_count += 1
        if self._header_count > MAX_HEADERS:
            raise _TooManyHeadersError  # the parser stops, and says that a callback failed
        if self._is_head:
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The end of the head. Behind the end of the request, the parser no longer knows whether to close."""
        if self._parser is not None:
            self._is_kept_alive = self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """The end of the request."""
        self._is_complete = True


class _TooManyHeadersError(Exception):
    """Stops the parser."""


def _too_large() -> BadRequest:
    return BadRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body of the request is too large.")


def _path_in(head: bytes | bytearray) -> bytes:
    found = _PATH.match(head)
    return b"" if found is None else found[1]


def _whose(head: bytes | bytearray) -> list[tuple[bytes, bytes]]:
    return [(name.lower(), value.rstrip()) for name, value in _WHOSE.findall(head)]
