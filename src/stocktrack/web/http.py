"""One client's HTTP connection: requests in, answers out, one at a time and within limits.

The bytes are parsed by `request_parser.py`, and an `Exchange` answers. Here is what has to do with the socket: how long
things may take, when nothing more is read, how it closes, and where a WebSocket or a stream of events takes over. Its
times are real ones.
"""

import asyncio
import contextlib
import ssl
import urllib.parse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol, cast

import httptools

from stocktrack.doors.reading import SmallReads
from stocktrack.doors.serving import LINGER_SECONDS
from stocktrack.doors.socket_options import bytes_in_kernel, set_options
from stocktrack.doors.turns import turns
from stocktrack.errors import Reason
from stocktrack.web.asgi import IS_FORWARDED, AsgiApp, Headers, Scope
from stocktrack.web.exchange import Exchange
from stocktrack.web.forwarding import Sender
from stocktrack.web.problems import PROBLEM_TYPE, problem_bytes
from stocktrack.web.request_parser import BadRequest, End, Head, RequestParser
from stocktrack.web.slots import Slot
from stocktrack.web.tls import TlsTransport

_ASGI = {"version": "3.0", "spec_version": "2.3"}
# A request has few pieces; one that has many gives way in between.
_ITEMS_IN_A_TURN = 32
# Who has not taken all of the answers for so long must have taken this much a second; before that, anything in the time
# that a request has.
BEHIND_SECONDS = 60.0
BEHIND_BYTES_PER_SECOND = 65_536


# What HTTP itself refuses, in the protocol's words.
_REASON_OF = {
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: Reason.LINE_TOO_LONG,
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: Reason.LINE_TOO_LONG,
    HTTPStatus.SERVICE_UNAVAILABLE: Reason.SESSION_LIMIT,
}


class HttpDoor(Protocol):
    """What a connection asks of the server that it belongs to."""

    tls: ssl.SSLContext | None
    app: AsgiApp
    max_body_bytes: int
    request_timeout_seconds: float
    keep_alive_seconds: float
    behind_seconds: float

    def enter(self, connection: "HttpConnection") -> float | None:
        """Give a connection a slot, and say how many seconds it has for its first request; None where there is none."""
        ...

    def change(self, connection: "HttpConnection", slot: Slot) -> None:
        """Note what a connection does with its slot."""
        ...

    def leave(self, connection: "HttpConnection") -> None:
        """Undo `enter`."""
        ...

    def refusal(self, connection: "HttpConnection", path: str) -> str | None:
        """Why a connection with this slot may not ask for `path`; None where it may."""
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

    def tells_problems(self, target: bytes) -> bool:
        """Whether a refusal of a request for `target` is told as a problem (RFC 9457), for programs."""
        ...

    def headers_of_refusal(self, target: bytes, headers: Headers) -> Headers:
        """What lets the page that asked for `target`, in a request with these headers, read that it is refused."""
        ...

    def websocket(self, path: str, sender: Sender) -> SmallReads:
        """What speaks WebSocket at `path`; it answers the handshake, which it gets as it came."""
        ...

    def event_stream(self, scope: Scope) -> SmallReads | None:
        """What answers this request with a stream of events; None where that is not asked for."""
        ...


class HttpConnection(SmallReads):
    """Takes requests and has them answered. It is a `Wire`; `task` answers the request that is under way."""

    __slots__ = (
        *("_alarm", "_behind", "_can_write", "_door", "_exchange", "_is_closing", "_is_ending", "_is_eof"),
        *("_is_handed_over", "_is_idle", "_is_turn_due", "_loop", "_parser", "_sent_bytes", "_tls", "_transport"),
        *("_wants_body", "address", "task"),
    )

    def __init__(self, door: HttpDoor) -> None:
        self._door = door
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._tls: TlsTransport | None = None
        self._parser = RequestParser(max_body_bytes=door.max_body_bytes)
        self._exchange: Exchange | None = None  # until it is answered and its request has come completely
        self._wants_body = False  # the request under way has not come completely
        self._is_turn_due = False  # what came is parsed on in a turn that was asked for
        self._is_idle = False  # an answer is out, and nothing of another request has come
        self._is_eof = False  # nothing more comes
        self._is_ending = False  # the request under way is the last one
        self._is_handed_over = False  # it is another protocol's by now
        self._is_closing = False  # nothing that comes is looked at any more
        self._can_write: asyncio.Future[None] | None = None  # while the client has not taken enough
        self._sent_bytes = 0
        self._behind: _Behind | None = None  # since the client has not taken enough, until it has taken all
        self._alarm: asyncio.TimerHandle | None = None
        self.address = "unknown"
        self.task: asyncio.Task[None] | None = None

    # --- what the event loop does with it ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)
        set_options(self._transport)
        if peer := self._transport.get_extra_info("peername"):
            self.address = str(peer[0])
        if self._door.tls is not None:
            self._transport = self._tls = TlsTransport(self._transport, self._door.tls)
        if (seconds := self._door.enter(self)) is not None:
            self._expect_within(seconds, self.abort)
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
        self._is_eof = True
        if not self._is_closing and (self._is_turn_due or not self._is_wanting):
            return True
        self._transport.close()
        return False

    def pause_writing(self) -> None:
        """Called by the loop."""
        if self._can_write is None and not self._is_closing:
            self._can_write = self._loop.create_future()
        self._watch_what_is_taken()
        self._tell_slot()

    def resume_writing(self) -> None:
        """Called by the loop."""
        if self._can_write is not None:
            self._can_write.set_result(None)
            self._can_write = None
        self._tell_slot()

    # --- what the server does with it ----------------------------------------------------------------------------

    def end(self) -> None:
        """Close when the request that is under way is answered."""
        self._is_ending = True
        if self._exchange is None and not self._is_closing:
            self._close()

    def give_way(self) -> None:
        """Close now, so that another connection gets the slot; what an idle one was sent still goes out."""
        self._is_closing = True
        if self._is_idle:
            self._transport.close()
        else:
            self.abort()

    def abort(self) -> None:
        """Close now."""
        self._transport.abort()

    # --- what an exchange does with it ---------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send to the client."""
        if not self._transport.is_closing():
            self._sent_bytes += len(data)
            self._transport.write(data)

    async def drain(self) -> None:
        """Return when the client has taken enough, or is gone."""
        if self._can_write is not None:
            await asyncio.shield(self._can_write)

    def date(self) -> bytes:
        """This second, as a Date header writes it."""
        return self._door.date()

    # --- requests ------------------------------------------------------------------------------------------------

    @property
    def _is_wanting(self) -> bool:
        """Whether more of a request is wanted: who sends the next before an answer is not read any further."""
        return self._exchange is None or self._wants_body

    def _read_on(self, *, is_more: bool = False) -> None:
        """Parse what came, as far as it is wanted, when there is a turn for it."""
        if self._is_wanting and not self._is_turn_due and not self._parser.is_empty:
            self._is_turn_due = True
            turns().take(self._parse, is_more=is_more)
            if not self._is_turn_due:
                return  # it was its turn already
        self._read_or_wait()

    def _parse(self) -> None:
        self._is_turn_due = False
        item: Head | bytes | End | None = None
        try:
            for _ in range(_ITEMS_IN_A_TURN):
                if self._is_closing or not self._is_wanting:
                    break
                item = self._parser.next()
                if item is None:
                    break
                self._take(item)
        except BadRequest as bad:
            self._refuse(bad.status, bad.why)
        if self._is_handed_over or self._transport.is_closing():
            return
        if item is not None and not self._is_closing and self._is_wanting:
            self._read_on(is_more=True)
        elif self._is_eof and not self._is_closing and self._is_wanting:
            self._transport.close()  # the rest of what it wants doesn't come any more
        else:
            self._read_or_wait()

    def _read_or_wait(self) -> None:
        if self._is_handed_over or self._transport.is_closing():
            return
        if self._is_closing or (not self._is_turn_due and (self._is_wanting or self._parser.is_empty)):
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _take(self, item: Head | bytes | End) -> None:
        if isinstance(item, Head):
            if (why_not := self._door.misdirected(item)) is not None:
                raise BadRequest(*why_not)
            if item.upgrade == b"websocket":
                path = item.target.partition(b"?")[0].decode("latin-1")
                self._hand_over(self._door.websocket(path, self._sender(item)), item.raw)
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
        else:
            self._tell_slot()

    def _begin(self, head: Head) -> None:
        scope = self._scope(head)
        if (stream := self._door.event_stream(scope)) is not None:
            self._hand_over(stream)
            return
        if (why_not := self._door.refusal(self, scope["path"])) is not None:
            raise BadRequest(HTTPStatus.SERVICE_UNAVAILABLE, why_not)
        self._exchange = Exchange(
            self,
            scope,
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
            if self._is_eof and self._parser.is_empty:
                self._close()
            else:
                self._read_on(is_more=True)

    def _expect_another(self) -> None:
        self._exchange = None
        if self._parser.is_empty:
            self._is_idle = True
            self._expect_within(self._door.keep_alive_seconds, self._close)
        else:
            self._expect_within(self._door.request_timeout_seconds, self.abort)
        self._tell_slot()

    def _tell_slot(self) -> None:
        if self._is_idle:
            slot = Slot.IDLE
        elif self._can_write is not None or self._is_wanting:
            slot = Slot.WAITING
        else:
            slot = Slot.AT_WORK
        self._door.change(self, slot)

    def _hand_over(self, protocol: SmallReads, data: bytes = b"") -> None:
        """Leave the connection to `protocol`, which gets `data` and what came behind the request."""
        self._is_closing = self._is_handed_over = True
        self._leave()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        if data := data + self._parser.rest():
            protocol.data_received(data)
        if self._is_eof:
            protocol.eof_received()

    # --- the end -------------------------------------------------------------------------------------------------

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        if self._exchange is not None:
            self._exchange.lose()
        if self._exchange is None or not self._exchange.has_sent:
            target = self._parser.target
            headers = self._door.headers_of_refusal(target, self._parser.headers)
            self.write(_answer(status, why, headers, is_problem=self._door.tells_problems(target)))
        self._close()

    def _close(self) -> None:
        """Deliver what was sent, then wait a while for the client to close first, as at the TCP door."""
        self._is_closing = True
        if self._transport.is_closing():
            return
        self._expect_within(LINGER_SECONDS, self._stop_lingering)
        # The client may be gone (ENOTCONN): nothing is left to half-close.
        with contextlib.suppress(OSError):
            self._transport.write_eof()
        self._transport.resume_reading()

    def _stop_lingering(self) -> None:
        if self._unsent_bytes():
            # It is still taking the last answer, or not: that has its own time.
            self._watch_what_is_taken()
            self._expect_within(LINGER_SECONDS, self._stop_lingering)
        else:
            self.abort()

    # --- a client that does not take what it asked for --------------------------------------------------------------

    def _unsent_bytes(self) -> int:
        return self._transport.get_write_buffer_size() + bytes_in_kernel(self._transport)

    def _watch_what_is_taken(self) -> None:
        if self._behind is None and not self._transport.is_closing():
            now = self._loop.time()
            taken = self._sent_bytes - self._unsent_bytes()
            self._behind = _Behind(since=now, taken_before=taken, taken=taken, taken_at=now, alarm=self._look_soon())

    def _look_soon(self) -> asyncio.TimerHandle:
        return self._loop.call_later(self._door.request_timeout_seconds / 4, self._look_what_is_taken)

    def _look_what_is_taken(self) -> None:
        behind, unsent = self._behind, self._unsent_bytes()
        if behind is None or unsent == 0:
            self._behind = None
            return
        now = self._loop.time()
        if (taken := self._sent_bytes - unsent) > behind.taken:
            behind.taken, behind.taken_at = taken, now
        seconds = now - behind.since
        is_trickling = (
            seconds >= self._door.behind_seconds and taken - behind.taken_before < BEHIND_BYTES_PER_SECOND * seconds
        )
        if is_trickling or now - behind.taken_at >= self._door.request_timeout_seconds:
            self.abort()
        else:
            behind.alarm = self._look_soon()

    # --- deadlines -----------------------------------------------------------------------------------------------

    def _leave(self) -> None:
        self._expect_nothing()
        if self._behind is not None:
            self._behind.alarm.cancel()
            self._behind = None
        self._door.leave(self)

    def _expect_within(self, seconds: float, otherwise: Callable[[], None]) -> None:
        self._expect_nothing()
        self._alarm = self._loop.call_later(seconds, otherwise)

    def _expect_nothing(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None


@dataclass(slots=True)
class _Behind:
    """A client that has not taken all it was sent; bytes, and times of the loop."""

    since: float
    taken_before: int
    taken: int
    taken_at: float  # when it last took any
    alarm: asyncio.TimerHandle


def _answer(
    status: HTTPStatus, why: str, headers: Iterable[tuple[bytes, bytes]] = (), *, is_problem: bool = False
) -> bytes:
    if is_problem:
        content_type, body = PROBLEM_TYPE, problem_bytes(status, _REASON_OF.get(status, Reason.INVALID_COMMAND), why)
    else:
        content_type, body = "text/plain; charset=utf-8", f"{why}\n".encode()
    told: Headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode()), *headers]
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        told.append((b"retry-after", b"2"))
    lines = [f"HTTP/1.1 {status.value} {status.phrase}".encode(), *(name + b": " + value for name, value in told)]
    return b"\r\n".join((*lines, b"connection: close", b"", body))


_SPEAKS_TLS = _answer(HTTPStatus.BAD_REQUEST, "This port speaks TLS: use https.")
