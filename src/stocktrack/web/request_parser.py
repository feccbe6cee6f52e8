"""Requests out of the bytes of one connection, one after another, without a socket: httptools' parser within limits.

A head is collected up to its empty line and parsed in one piece, and of a body never more is parsed than may belong to
it: its Content-Length, or where it comes in chunks up to the next empty line, with which every chunked message ends.
So whatever a client pipelines, at most one request of it is parsed before that one is answered.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

MAX_HEAD_BYTES = 65_536
MAX_HEADERS = 128
# What a body in chunks may take besides its content: sizes, extensions and trailers.
MAX_CHUNK_OVERHEAD_BYTES = 65_536
_EMPTY_LINE = b"\r\n\r\n"


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
    """Takes bytes as they come; `next` gives a `Head`, the pieces of its body, and `End.END`."""

    __slots__ = (
        *("_body_bytes", "_head", "_headers", "_max_body_bytes", "_parsed", "_parser", "_raw_body_bytes"),
        *("_searched", "_target", "_to_come", "_unparsed"),
    )

    def __init__(self, *, max_body_bytes: int) -> None:
        self._max_body_bytes = max_body_bytes
        self._unparsed = bytearray()
        self._searched = 0  # how much of it has been looked through for the end of a head
        self._parser: HttpRequestParser | None = None  # of the request that is under way
        self._parsed: deque[Head | bytes | End] = deque()
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._to_come: int | None = None  # of a body whose length was told
        self._body_bytes = self._raw_body_bytes = 0

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
            self._parser = None
        return item

    def _head_piece(self) -> bytes:
        while self._unparsed.startswith(b"\r\n"):  # is allowed before a request (RFC 9112, section 2.2)
            del self._unparsed[:2]
            self._searched = 0
        end = self._unparsed.find(_EMPTY_LINE, max(0, self._searched - 3))
        self._searched = len(self._unparsed)
        if (end if end >= 0 else self._searched) > MAX_HEAD_BYTES:
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
        if self._raw_body_bytes > self._max_body_bytes + MAX_CHUNK_OVERHEAD_BYTES:
            raise _too_large()
        return piece

    def _take(self, count: int) -> bytes:
        piece = bytes(self._unparsed[:count])
        del self._unparsed[:count]
        return piece

    def _parse(self, piece: bytes) -> None:
        is_head = self._parser is None
        if self._parser is None:
            self._parser = HttpRequestParser(self)
            self._target, self._headers = b"", []
            self._to_come, self._body_bytes, self._raw_body_bytes = None, 0, 0
        try:
            self._parser.feed_data(piece)
        except HttpParserUpgrade:
            pass  # the head says so too, and `piece` has nothing behind it
        except HttpParserError:
            raise BadRequest(HTTPStatus.BAD_REQUEST, "This is no HTTP request.") from None
        if is_head:
            self._parsed.appendleft(self._take_head(self._parser, piece))
        if self._body_bytes > self._max_body_bytes:
            raise _too_large()

    def _take_head(self, parser: HttpRequestParser, raw: bytes) -> Head:
        headers, self._headers = self._headers, []  # trailers are no part of it
        if len(headers) > MAX_HEADERS:
            raise BadRequest(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The request has too many headers.")
        upgrade = None
        for name, value in headers:
            if name == b"content-length":
                self._to_come = int(value)
                if self._to_come > self._max_body_bytes:
                    raise _too_large()
            elif name == b"upgrade" and parser.should_upgrade():
                upgrade = value.lower()
        method, version = parser.get_method().decode("ascii"), parser.get_http_version()
        return Head(method, self._target, version, headers, parser.should_keep_alive(), upgrade, raw)

    # --- called by the parser ------------------------------------------------------------------------------------

    def on_url(self, url: bytes) -> None:
        """A piece of the target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer."""
        self._headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._body_bytes += len(body)
        self._parsed.append(body)

    def on_message_complete(self) -> None:
        """The end of the request."""
        self._parsed.append(End.END)


def _too_large() -> BadRequest:
    return BadRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body of the request is too large.")
