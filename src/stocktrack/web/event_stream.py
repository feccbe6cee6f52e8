"""One client's stream of events, as a session sees it: an answer of HTTP that only ends when the session does.

The transport is handed over by the HTTP side, as to a WebSocket and for the same reasons. The answer has no length and
ends with the connection, so that all clients are sent the same bytes: chunks would be framed for each. What the client
sends after its request is thrown away, for there is nothing that it could say.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Final

from stocktrack.clock import Clock
from stocktrack.web.asgi import IS_FORWARDED, Headers, Scope
from stocktrack.web.event_text import MEDIA_TYPE, events_of, retry_event
from stocktrack.web.handed_over import HandedOver
from stocktrack.web.site import SECURITY_HEADERS

# Who sends more than this behind the request is no reader of events.
MAX_IGNORED_BYTES: Final = 65_536
# After how long a browser comes back; not all of them at once, after a restart of the server or of a proxy.
RETRY_MS: Final = 2_000
MOST_SPREAD_MS: Final = 2_000
_HEADERS: Final[Headers] = [
    (b"content-type", f"{MEDIA_TYPE}; charset=utf-8".encode()),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),  # nginx would keep events until it has four kilobytes of them
]


class EventStream(HandedOver):
    """A `Connection` of a client that only listens; `owner` is the task that serves it.

    `on_request(self)` gets it once it has its transport, and has the request answered by `begin` or `answer`. It ends
    with `finish`.
    """

    def __init__(
        self, scope: Scope, on_request: Callable[["EventStream"], None], clock: Clock, date: Callable[[], bytes]
    ) -> None:
        super().__init__(clock)
        self.scope = scope
        self.headers: Mapping[bytes, str] = {name: value.decode("latin-1") for name, value in scope["headers"]}
        self.spread_ms = random.randrange(MOST_SPREAD_MS)  # noqa: S311 - nobody gains by guessing it
        self.instance = ""  # of the server, in which the prices are counted
        self.shared_headers: Headers = []
        self.is_answered = False
        self.unheard = b""  # what the session said last before the request was answered
        self._on_request = on_request
        self._date = date
        self._ignored_bytes = 0
        self._is_open = False  # between the beginning of the events and our goodbye
        self._is_eof = False
        self._is_finishing = False
        self._gone = asyncio.Event()  # nobody listens any more

    # --- what the door does with it ------------------------------------------------------------------------------

    @property
    def address(self) -> str:
        """The client's address."""
        return str((self.scope.get("client") or ("unknown",))[0])

    @property
    def is_forwarded(self) -> bool:
        """Whether a proxy stands between."""
        return bool(self.scope[IS_FORWARDED])

    def begin(self, first: bytes) -> None:
        """Answer the request with a stream, whose first events are these."""
        self._is_open = True
        head = self._head(HTTPStatus.OK, _HEADERS)
        self._write(head + retry_event(RETRY_MS + self.spread_ms) + first)

    def answer(self, status: HTTPStatus, headers: Iterable[tuple[bytes, bytes]] = (), body: bytes = b"") -> None:
        """Answer the request without a stream."""
        length: Headers = [] if status is HTTPStatus.NO_CONTENT else [(b"content-length", str(len(body)).encode())]
        self._write(self._head(status, [*headers, (b"cache-control", b"no-store"), *length]) + body)

    async def gone(self) -> None:
        """Return when the client has gone, or has no right to stay."""
        await self._gone.wait()

    def close(self) -> None:
        """Close without waiting for the client, who may lose what was sent."""
        self._is_open = False
        self._transport.close()

    async def finish(self) -> None:
        """Deliver what was sent, say that it was all, and return when the client is gone."""
        self._is_open = False
        self._is_finishing = True
        if not self._transport.is_closing():
            # The client may be gone (ENOTCONN): nothing is left to half-close.
            with contextlib.suppress(OSError):
                self._transport.write_eof()
            if self._is_eof:
                self._transport.close()  # the client has closed already; there is nothing to wait for
        await self._lost.wait()

    # --- what a session does with it -----------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Hand over what lines tell, as events."""
        if self._is_open:
            self._write(events_of(data, self.instance, spread_ms=self.spread_ms))
        elif not self.is_answered:
            self.unheard = data

    # --- what the event loop does with it ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the HTTP side, which hands over its transport."""
        super().connection_made(transport)
        self._transport.resume_reading()
        self._on_request(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        super().connection_lost(exc)
        self._gone.set()

    def eof_received(self) -> bool:
        """Called by the loop: who sends no more has left, as a browser does; what was asked for is still delivered."""
        self._is_eof = True
        self._gone.set()
        return not self._is_finishing

    def data_received(self, data: bytes) -> None:
        """Called by the loop: a body, or requests that this connection does not answer any more."""
        self._ignored_bytes += len(data)
        if self._ignored_bytes > MAX_IGNORED_BYTES:
            self.abort()

    # --- output --------------------------------------------------------------------------------------------------

    def _head(self, status: HTTPStatus, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        self.is_answered = True
        own = [*headers, *self.shared_headers]
        names = {name for name, _ in own}
        lines = [
            f"HTTP/1.1 {status.value} {status.phrase}".encode(),
            b"date: " + self._date(),
            *(name + b": " + value for name, value in own),
            *(name + b": " + value for name, value in SECURITY_HEADERS if name not in names),
            b"connection: close",
        ]
        return b"\r\n".join(lines) + b"\r\n\r\n"
