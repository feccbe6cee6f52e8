"""One client's HTTP connection: requests in, answers out, one at a time and within limits.

The bytes are parsed by `request_parser.py`, and an `Exchange` answers. Here is what has to do with the socket: how long
things may take, when nothing more is read, how it closes, and where a WebSocket takes over. Its times are real ones.
"""

import asyncio
import contextlib
import ssl
import urllib.parse
from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol, cast

import httptools

from stocktrack.doors.serving import LINGER_SECONDS
from stocktrack.doors.socket_options import set_options
from stocktrack.web.asgi import IS_FORWARDED, AsgiApp, Scope
from stocktrack.web.exchange import Exchange
from stocktrack.web.forwarding import Sender
from stocktrack.web.request_parser import BadRequest, End, Head, RequestParser
from stocktrack.web.tls import TlsTransport

_ASGI = {"version": "3.0", "spec_version": "2.3"}


class HttpDoor(Protocol):
    """What a connection asks of the server that it belongs to."""

    tls: ssl.SSLContext | None
    app: AsgiApp
    max_body_bytes: int
    request_timeout_seconds: float
    keep_alive_seconds: float

    def enter(self, connection: "HttpConnection") -> bool:
        """Count a connection; False where there are too many."""
        ...

    def leave(self, connection: "HttpConnection") -> None:
        """Undo `enter`."""
        ...

    def date(self) -> bytes:
        """This second, as a Date header writes it."""
        ...

    def sender(self, peer: str, head: Head) -> Sender:
        """Who sent a request that came from `peer`."""
        ...

    def misdirected(self, head: Head) -> tuple[HTTPStatus, str] | None:
        """Why a request is not for this server; None where it is."""
        ...

    def websocket(self, path: str, sender: Sender) -> asyncio.Protocol:
        """What speaks WebSocket at `path`; it answers the handshake, which it gets as it came."""
        ...


class HttpConnection(asyncio.Protocol):
    """Takes requests and has them answered. It is a `Wire`; `task` answers the request that is under way."""

    __slots__ = (
        *("_alarm", "_can_write", "_door", "_exchange", "_is_closing", "_is_ending", "_is_handed_over"),
        *("_is_idle", "_loop", "_parser", "_tls", "_transport", "_wants_body", "task"),
    )

    def __init__(self, door: HttpDoor) -> None:
        self._door = door
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._tls: TlsTransport | None = None
        self._parser = RequestParser(max_body_bytes=door.max_body_bytes)
        self._exchange: Exchange | None = None  # until it is answered and its request has come completely
        self._wants_body = False  # the request under way has not come completely
        self._is_idle = False  # an answer is out, and nothing of another request has come
        self._is_ending = False  # the request under way is the last one
        self._is_handed_over = False  # it is a WebSocket's by now
        self._is_closing = False  # nothing that comes is looked at any more
        self._can_write: asyncio.Future[None] | None = None  # while the client has not taken enough
        self._alarm: asyncio.TimerHandle | None = None
        self.task: asyncio.Task[None] | None = None

    # --- what the event loop does with it ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)
        set_options(self._transport)
        if self._door.tls is not None:
            self._transport = self._tls = TlsTransport(self._transport, self._door.tls)
        if self._door.enter(self):
            self._expect_within(self._door.request_timeout_seconds, self.abort)
        else:
            self._is_closing = True
            self.write(_answer(HTTPStatus.SERVICE_UNAVAILABLE, "There are too many connections; try again later."))
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        self._is_closing = True
        self._leave()
        self.resume_writing()
        if self._exchange is not None:
            self._exchange.lose()

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        if self._is_closing:
            return
        if self._is_idle:
            self._is_idle = False
            self._expect_within(self._door.request_timeout_seconds, self.abort)
        self._parser.feed(data)
        self._read_on()

    def eof_received(self) -> bool:
        """Called by the loop, and by TLS when it can read no more: what came completely is still answered."""
        if self._tls is not None and self._tls.layer.is_plain_text and self._tls.layer.failure is not None:
            self._tls.write_plain(_SPEAKS_TLS)
        self._is_ending = True
        if self._exchange is not None and not self._wants_body and not self._is_closing:
            return True
        self._transport.close()
        return False

    def pause_writing(self) -> None:
        """Called by the loop."""
        if self._can_write is None and not self._is_closing:
            self._can_write = self._loop.create_future()
            self._expect_within(self._door.request_timeout_seconds, self.abort)

    def resume_writing(self) -> None:
        """Called by the loop."""
        if self._can_write is not None:
            self._can_write.set_result(None)
            self._can_write = None
            if not self._is_closing and not self._wants_body:
                self._expect_nothing()

    # --- what the server does with it ----------------------------------------------------------------------------

    def end(self) -> None:
        """Close when the request that is under way is answered."""
        self._is_ending = True
        if self._exchange is None and not self._is_closing:
            self._close()

    def abort(self) -> None:
        """Close now."""
        self._transport.abort()

    # --- what an exchange does with it ---------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send to the client."""
        if not self._transport.is_closing():
            self._transport.write(data)

    async def drain(self) -> None:
        """Return when the client has taken enough, or is gone."""
        if self._can_write is not None:
            await asyncio.shield(self._can_write)

    def date(self) -> bytes:
        """This second, as a Date header writes it."""
        return self._door.date()

    # --- requests ------------------------------------------------------------------------------------------------

    def _read_on(self) -> None:
        """Take what came as far as it is wanted: who sends more before the answer to this is not read any further."""
        try:
            while not self._is_closing and (self._exchange is None or self._wants_body):
                item = self._parser.next()
                if item is None:
                    break
                self._take(item)
        except BadRequest as bad:
            self._refuse(bad.status, bad.why)
        if self._is_handed_over or self._transport.is_closing():
            return
        if self._is_closing or self._parser.is_empty or self._wants_body or self._exchange is None:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _take(self, item: Head | bytes | End) -> None:
        if isinstance(item, Head):
            if (why_not := self._door.misdirected(item)) is not None:
                raise BadRequest(*why_not)
            if item.upgrade == b"websocket":
                self._hand_over(item)
            else:
                self._begin(item)
            return
        assert self._exchange is not None  # noqa: S101 - a body comes after its head
        if isinstance(item, bytes):
            self._exchange.feed(item)
            return
        self._wants_body = False
        self._expect_nothing()
        self._exchange.complete()
        if self.task is None:
            self._expect_another()

    def _begin(self, head: Head) -> None:
        self._exchange = Exchange(
            self,
            self._scope(head),
            # After an upgrade that is not offered, what comes next could be the other protocol's.
            is_kept_alive=head.is_kept_alive and head.version == "1.1" and head.upgrade is None,
            wants_continue=head.version == "1.1"
            and any(name == b"expect" and value.lower() == b"100-continue" for name, value in head.headers),
        )
        self._wants_body = True
        self.task = self._loop.create_task(self._answer(self._exchange), name="http request")

    def _scope(self, head: Head) -> Scope:
        try:
            url = httptools.parse_url(head.target)
            path = urllib.parse.unquote(url.path.decode("ascii"))
        except (httptools.HttpParserInvalidURLError, UnicodeDecodeError, AttributeError):
            raise BadRequest(HTTPStatus.BAD_REQUEST, "The target of the request is no path.") from None
        info = self._transport.get_extra_info
        sender = self._sender(head)
        return {
            "type": "http",
            "asgi": _ASGI,
            "http_version": head.version,
            "method": head.method,
            "scheme": "http" if self._tls is None else "https",
            "path": path,
            "raw_path": url.path,
            "query_string": url.query or b"",
            "root_path": "",
            "headers": head.headers,
            # The port of a client that a proxy forwards is not ours to know.
            "client": (sender.address, 0) if sender.is_forwarded else info("peername")[:2],
            "server": info("sockname")[:2],
            IS_FORWARDED: sender.is_forwarded,
        }

    def _sender(self, head: Head) -> Sender:
        return self._door.sender(str(self._transport.get_extra_info("peername")[0]), head)

    async def _answer(self, exchange: Exchange) -> None:
        try:
            await exchange.run(self._door.app)
        finally:
            self.task = None
        if self._is_closing:
            return
        if not exchange.is_answered:
            self.abort()  # in the middle of an answer there is no other way to tell the client
        elif self._is_ending or not exchange.is_kept_alive:
            self._close()
        elif not self._wants_body:
            self._expect_another()
            self._read_on()

    def _expect_another(self) -> None:
        self._exchange = None
        if self._parser.is_empty:
            self._is_idle = True
            self._expect_within(self._door.keep_alive_seconds, self._close)
        else:
            self._expect_within(self._door.request_timeout_seconds, self.abort)

    def _hand_over(self, head: Head) -> None:
        """Leave the connection to what speaks WebSocket."""
        self._is_closing = self._is_handed_over = True
        self._leave()
        protocol = self._door.websocket(head.target.partition(b"?")[0].decode("latin-1"), self._sender(head))
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(head.raw + self._parser.rest())

    # --- the end -------------------------------------------------------------------------------------------------

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        if self._exchange is not None:
            self._exchange.lose()
        if self._exchange is None or not self._exchange.has_sent:
            self.write(_answer(status, why))
        self._close()

    def _close(self) -> None:
        """Deliver what was sent, then wait a while for the client to close first, as at the TCP door."""
        self._is_closing = True
        if self._transport.is_closing():
            return
        self._expect_within(LINGER_SECONDS, self.abort)
        # The client may be gone (ENOTCONN): nothing is left to half-close.
        with contextlib.suppress(OSError):
            self._transport.write_eof()
        self._transport.resume_reading()

    def _leave(self) -> None:
        self._expect_nothing()
        self._door.leave(self)

    def _expect_within(self, seconds: float, otherwise: Callable[[], None]) -> None:
        self._expect_nothing()
        self._alarm = self._loop.call_later(seconds, otherwise)

    def _expect_nothing(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None


def _answer(status: HTTPStatus, why: str) -> bytes:
    body = f"{why}\n".encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: text/plain; charset=utf-8\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


_SPEAKS_TLS = _answer(HTTPStatus.BAD_REQUEST, "This port speaks TLS: use https.")
