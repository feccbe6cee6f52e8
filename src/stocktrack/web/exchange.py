"""One request and its answer: what an ASGI application reads of the one and writes of the other."""

import asyncio
from enum import Enum
from http import HTTPStatus
from typing import Any, Protocol

import structlog

from stocktrack.web.asgi import AsgiApp, Headers, Message, Scope

log = structlog.get_logger()

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}".encode() for status in HTTPStatus}
_WITHOUT_BODY = frozenset({HTTPStatus.NO_CONTENT.value, HTTPStatus.NOT_MODIFIED.value})


class Wire(Protocol):
    """What an exchange asks of the connection that it belongs to."""

    def write(self, data: bytes) -> None:
        """Send to the client; nothing happens where it is gone."""
        ...

    async def drain(self) -> None:
        """Return when the client has taken enough, or is gone."""
        ...

    def date(self) -> bytes:
        """This second, as a Date header writes it."""
        ...


class _Framing(Enum):
    """How the client knows where the body of the answer ends (RFC 9112, section 6.3)."""

    NO_BODY = "no body"
    LENGTH = "Content-Length"
    CHUNKED = "chunked"
    UNTIL_CLOSED = "the connection is closed"


class Exchange:
    """A request that came over `wire`, whose body it is fed, and its answer."""

    __slots__ = (
        *("_arrived", "_body", "_bytes_left", "_framing", "_has_all", "_head", "_is_told", "_scope", "_wants_continue"),
        "_wire",
        *("is_answered", "is_kept_alive", "is_lost"),
    )

    def __init__(self, wire: Wire, scope: Scope, *, is_kept_alive: bool, wants_continue: bool) -> None:
        self._wire = wire
        self._scope = scope
        self._wants_continue = wants_continue
        self._body = bytearray()
        self._has_all = False
        self._is_told = False  # the application knows that it has all
        self._arrived: asyncio.Future[None] | None = None
        self._framing: _Framing | None = None  # None before the answer begins
        self._bytes_left = 0
        self._head: bytes | None = None  # of the answer, until the first piece of its body goes out with it
        self.is_kept_alive = is_kept_alive
        self.is_answered = False
        self.is_lost = False

    # --- what the connection does with it ------------------------------------------------------------------------

    @property
    def has_sent(self) -> bool:
        """Whether any of the answer has gone out."""
        return self._framing is not None and self._head is None

    def feed(self, body: bytes) -> None:
        """Take a piece of the request's body."""
        if not self.is_answered:
            self._body += body
            self._wake()

    def complete(self) -> None:
        """The whole request has come."""
        self._has_all = True
        self._wake()

    def lose(self) -> None:
        """The client is gone, or gets another answer than the application's."""
        self.is_lost = True
        self._wake()

    async def run(self, app: AsgiApp) -> None:
        """Have `app` answer. What is wrong with it is logged, and the client told as far as that can still be."""
        try:
            await app(self._scope, self._receive, self._send)
        except Exception:
            log.exception("answering a request failed unexpectedly", path=self._scope["path"])
        else:
            if not self.is_answered and not self.is_lost:
                log.error("a request was left without an answer", path=self._scope["path"])
        if self.is_answered or self.is_lost:
            return
        self.is_kept_alive = False
        if not self.has_sent:
            self._begin(HTTPStatus.INTERNAL_SERVER_ERROR.value, [(b"content-length", b"0")])
            self._write_body(b"", is_last=True)

    # --- what the application does with it -----------------------------------------------------------------------

    async def _receive(self) -> dict[str, Any]:
        if self._wants_continue:
            self._wants_continue = False
            if self._framing is None and not self._has_all:
                self._wire.write(_CONTINUE)
        # Whoever asks on waits for the client to go, as an answer that is streamed does: it may not come back at once.
        while not (self._body or (self._has_all and not self._is_told) or self.is_lost or self.is_answered):
            self._arrived = asyncio.get_running_loop().create_future()
            await self._arrived
        if self.is_lost or self.is_answered:
            return {"type": "http.disconnect"}
        body, self._body = bytes(self._body), bytearray()
        self._is_told = self._has_all
        return {"type": "http.request", "body": body, "more_body": not self._has_all}

    async def _send(self, message: Message) -> None:
        if self.is_lost:
            return
        match message["type"]:
            case "http.response.start" if self._framing is None:
                self._begin(message["status"], message.get("headers", ()))
            case "http.response.body" if self._framing is not None and not self.is_answered:
                self._write_body(message.get("body", b""), is_last=not message.get("more_body", False))
                await self._wire.drain()
            case out_of_turn:
                raise RuntimeError(f"The application sent {out_of_turn!r} out of turn.")

    def _begin(self, status: int, headers: Headers) -> None:
        if not 200 <= status <= 999:
            raise RuntimeError(f"The application answered with the status {status}, which is no answer's.")
        # The list of the standard library has not all that are registered, and a phrase may be left out (RFC 9112).
        lines = [_STATUS_LINES.get(status) or b"HTTP/1.1 %d " % status, b"date: " + self._wire.date()]
        length = None
        for name, value in headers:
            match name.lower():
                case b"connection":
                    self.is_kept_alive = self.is_kept_alive and value.lower() != b"close"
                    if value.lower() in {b"close", b"keep-alive"}:
                        continue  # it is said below, where it is so
                case b"content-length":
                    length = int(value)
            lines.append(name + b": " + value)
        if self._scope["method"] == "HEAD" or status in _WITHOUT_BODY:
            self._framing = _Framing.NO_BODY
        elif length is not None:
            self._framing, self._bytes_left = _Framing.LENGTH, length
        elif self._scope["http_version"] == "1.1":
            self._framing = _Framing.CHUNKED
            lines.append(b"transfer-encoding: chunked")
        else:
            self._framing = _Framing.UNTIL_CLOSED
            self.is_kept_alive = False
        if self._wants_continue:
            # The body that was never asked for may come or not: what comes next could be either.
            self.is_kept_alive = False
        if not self.is_kept_alive:
            lines.append(b"connection: close")
        self._head = b"\r\n".join(lines) + b"\r\n\r\n"
        if self._head.count(b"\n") != len(lines) + 1 or self._head.count(b"\r") != len(lines) + 1:
            self._framing = self._head = None
            raise RuntimeError("The application sent a header with a line break in it.")

    def _write_body(self, body: bytes, *, is_last: bool) -> None:
        match self._framing:
            case _Framing.NO_BODY:
                body = b""
            case _Framing.CHUNKED:
                body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + (b"0\r\n\r\n" if is_last else b"")
            case _Framing.LENGTH:
                self._bytes_left -= len(body)
                if self._bytes_left < 0 or (is_last and self._bytes_left):
                    raise RuntimeError("The body of the answer is not as long as its Content-Length.")
        if self._head is not None:
            body, self._head = self._head + body, None
        if body:
            self._wire.write(body)
        self.is_answered = is_last
        if is_last:
            self._wake()

    def _wake(self) -> None:
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(None)
