"""One client's HTTP connection: uvicorn's, with the limits that uvicorn does not have.

uvicorn waits for ever for a request that trickles in, takes headers and bodies of any size, and hands a WebSocket over
to ASGI, which cannot tell a session what waits. Here a request has a deadline and a size, and `/ws` gets our WebSocket.
"""

import asyncio
import ssl
from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from stocktrack.doors.socket_options import set_options
from stocktrack.web.tls import TlsTransport

MAX_HEAD_BYTES = 65_536


class HttpDoor(Protocol):
    """What a connection asks of the server that it belongs to."""

    tls: ssl.SSLContext | None
    request_timeout_seconds: float
    max_body_bytes: int

    def enter(self, connection: "HttpConnection") -> bool:
        """Count a connection; False where there are too many."""
        ...

    def leave(self, connection: "HttpConnection") -> None:
        """Undo `enter`."""
        ...

    def websocket_for(self, path: str) -> Callable[..., asyncio.Protocol] | None:
        """What speaks WebSocket at `path`; None where uvicorn's class hands it to the ASGI application."""
        ...


class HttpConnection(HttpToolsProtocol):
    """A connection that is closed where a request takes too long or grows too large."""

    def __init__(self, door: HttpDoor, config: Config, state: ServerState) -> None:
        super().__init__(config, state, {})
        self._door = door
        self._deadline: asyncio.TimerHandle | None = None
        self._tls: TlsTransport | None = None
        self._head_bytes = 0
        self._body_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        """Called by the loop."""
        set_options(transport)
        if self._door.tls is not None:
            transport = self._tls = TlsTransport(transport, self._door.tls)
        super().connection_made(transport)
        if self._door.enter(self):
            self._expect_request()
        else:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "There are too many connections; try again later.")

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        self._leave()
        super().connection_lost(exc)

    def eof_received(self) -> None:
        """Called by the loop, and by TLS when it can read no more, where nobody else closes."""
        if self._tls is not None:
            if self._tls.layer.is_plain_text and self._tls.layer.failure is not None:
                self._tls.write_plain(_SPEAKS_TLS)
            self._tls.close()

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        if self.transport.is_closing():
            return
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The head of the request is too large.")

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        # What is read from now on is body, until a message ends.
        self._head_bytes = -(1 << 62)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._body_bytes += len(body)
        if self._body_bytes > self._door.max_body_bytes:
            if not self.transport.is_closing():
                self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body of the request is too large.")
            return
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        self._head_bytes = self._body_bytes = 0
        self._cancel_deadline()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Called when a response is sent."""
        super().on_response_complete()
        if not self.transport.is_closing():
            self._expect_request()

    def handle_websocket_upgrade(self) -> None:
        """Called with the request of a handshake; the transport changes its protocol."""
        self._leave()
        # uvicorn fills in the scope's path for other requests only.
        path = self.url.partition(b"?")[0].decode("latin-1")
        self.ws_protocol_class = self._door.websocket_for(path) or self.ws_protocol_class  # type: ignore[assignment]
        super().handle_websocket_upgrade()

    def abort(self) -> None:
        """Close now."""
        self.transport.abort()

    def _expect_request(self) -> None:
        self._cancel_deadline()
        self._deadline = self.loop.call_later(self._door.request_timeout_seconds, self.abort)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _leave(self) -> None:
        self._cancel_deadline()
        self._door.leave(self)

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self.transport.write(_answer(status, why))
        self.transport.close()


def _answer(status: HTTPStatus, why: str) -> bytes:
    body = f"{why}\n".encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: text/plain; charset=utf-8\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


_SPEAKS_TLS = _answer(HTTPStatus.BAD_REQUEST, "This port speaks TLS: use https.")
