"""The web port: its connections, WebSockets and streams of events, and the order in which they close."""

import asyncio
import functools
import ssl
import time
from collections.abc import Callable, Collection, Mapping
from email.utils import formatdate
from http import HTTPStatus

from websockets.frames import CloseCode

from stocktrack.clock import Clock
from stocktrack.doors.listening import Listener
from stocktrack.doors.proxies import TrustedProxies
from stocktrack.doors.serving import Clients
from stocktrack.quotes import shown
from stocktrack.web.asgi import AsgiApp, Headers, Scope, is_under
from stocktrack.web.event_stream import EventStream
from stocktrack.web.forwarding import Sender, sender_of
from stocktrack.web.http import BEHIND_SECONDS, HttpConnection
from stocktrack.web.origins import misdirected
from stocktrack.web.request_parser import Head
from stocktrack.web.slots import Admission, Slot, Slots
from stocktrack.web.websocket import WebSocket

# Connections that are no sessions: a thousand people open the page at once, browsers with six each, and a request takes
# milliseconds. Where a process may have few files open, they are a part of those.
MAX_HTTP_CONNECTIONS = 2_048
_MIN_HTTP_CONNECTIONS = 64
_PART_OF_DESCRIPTORS = 4
# Slots beside those, for the operator's tools alone: a door that is full is not dead.
OPERATOR_CONNECTIONS = 16
# From connecting, or from the first byte after an answer, to the end of a request; and for taking what was sent.
REQUEST_TIMEOUT_SECONDS = 10.0
# The same for one that has no right to wait: its address has more connections than it should, or all slots are taken.
SHORT_REQUEST_SECONDS = 3.0
# From an answer to the first byte of the next request.
KEEP_ALIVE_SECONDS = 5.0

TakeWebSocket = Callable[[WebSocket], None]
TakeEventStream = Callable[[EventStream], None]


def http_connections(descriptors: int) -> int:
    """How many connections that are no sessions the web port may have, where so many files may be open."""
    return max(_MIN_HTTP_CONNECTIONS, min(MAX_HTTP_CONNECTIONS, descriptors // _PART_OF_DESCRIPTORS))


class WebServer:
    """One address with an application and, under some paths, WebSockets: `websockets` says who takes which.

    `event_streams` says the same of GET requests that are answered with a stream of events.

    It answers requests to addresses, to `localhost` and to its `public_names`; to any name at `open_paths`, and where
    `public_names` is None. Of its `max_connections`, one address should have no more than `per_address()`.
    `operator_paths` have slots of their own: they are answered however many connections there are. What is refused
    under `problem_paths` before the application gets it is told as a problem, as the application does; with the headers
    of `of_refusal(path, headers)`, where the request had those `headers`.
    """

    def __init__(
        self,
        app: AsgiApp,
        clock: Clock,
        *,
        max_message_bytes: int,
        tls: ssl.SSLContext | None = None,
        websockets: Mapping[str, TakeWebSocket] | None = None,
        event_streams: Mapping[str, TakeEventStream] | None = None,
        clients: Clients | None = None,
        public_names: Collection[str] | None = None,
        open_paths: Collection[str] = (),
        proxies: TrustedProxies | None = None,
        max_connections: int = MAX_HTTP_CONNECTIONS,
        per_address: Callable[[], int] = lambda: MAX_HTTP_CONNECTIONS,
        operator_paths: Collection[str] = (),
        problem_paths: Collection[str] = (),
        of_refusal: Callable[[str, Headers], Headers] = lambda _path, _headers: [],
        setting: str = "web_port",
        flag: str = "--web-port",
        shares_port: bool = False,
    ) -> None:
        self.app = app
        self.tls = tls  # may be replaced, and counts for those to come
        self.max_body_bytes = max_message_bytes
        self.request_timeout_seconds = REQUEST_TIMEOUT_SECONDS
        self.keep_alive_seconds = KEEP_ALIVE_SECONDS
        self.behind_seconds = BEHIND_SECONDS
        self._clock = clock
        self._max_message_bytes = max_message_bytes
        self._websockets = dict(websockets or {})
        self._event_streams = dict(event_streams or {})
        self._clients = clients
        self._public_names = public_names
        self._open_paths = frozenset(path.encode() for path in open_paths)
        self._proxies = proxies or TrustedProxies()
        self._listener = Listener(setting=setting, flag=flag, shares_port=shares_port)
        self._connections: set[HttpConnection] = set()
        # A proxy's connections are those of many clients.
        self._slots = Slots(
            max_connections,
            lambda address: max_connections if self._proxies.trust(address) else per_address(),
        )
        self._operator_slots = Slots(OPERATOR_CONNECTIONS, lambda _: OPERATOR_CONNECTIONS)
        self._operator_paths = frozenset(operator_paths)
        self._problem_paths = tuple(problem_paths)
        self._of_refusal = of_refusal
        self._date = (0, b"")  # the second of the last Date header, and what it said

    async def start(self, host: str, port: int) -> None:
        """Listen; `ConfigError` names the port and the setting where that can't be."""
        loop = asyncio.get_running_loop()
        await self._listener.start(functools.partial(loop.create_server, lambda: HttpConnection(self)), host, port)

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens; port 0 has become a real one."""
        return self._listener.addresses

    def stop_listening(self) -> None:
        """Take no new clients."""
        self._listener.stop()

    async def close(self, within_seconds: float) -> None:
        """Let requests end and the clients, whose sessions were ended, take their last lines; abort the rest."""
        for connection in tuple(self._connections):
            connection.end()
        requests = [connection.task for connection in self._connections if connection.task is not None]
        await asyncio.gather(
            *([self._clients.close(within_seconds)] if self._clients is not None else []),
            *([asyncio.wait(requests, timeout=within_seconds)] if requests else []),
        )
        for connection in tuple(self._connections):
            connection.abort()
        for task in (left := [task for task in requests if not task.done()]):
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    # --- what its connections ask --------------------------------------------------------------------------------

    def enter(self, connection: HttpConnection) -> float | None:
        """Give a connection a slot, and say how many seconds it has for its first request; None where there is none."""
        self._connections.add(connection)
        match self._slots.enter(connection):
            case Admission.SLOT:
                return self.request_timeout_seconds
            case Admission.SHORT:
                return min(SHORT_REQUEST_SECONDS, self.request_timeout_seconds)
        if self._operator_paths and self._operator_slots.enter(connection) is not Admission.NONE:
            return min(SHORT_REQUEST_SECONDS, self.request_timeout_seconds)
        return None

    def change(self, connection: HttpConnection, slot: Slot) -> None:
        """Note what a connection does with its slot."""
        self._slots.change(connection, slot)
        self._operator_slots.change(connection, slot)

    def leave(self, connection: HttpConnection) -> None:
        """Undo `enter`."""
        self._connections.discard(connection)
        self._slots.leave(connection)
        self._operator_slots.leave(connection)

    def refusal(self, connection: HttpConnection, path: str) -> str | None:
        """Why a connection with this slot may not ask for `path`; None where it may."""
        if connection in self._operator_slots and path not in self._operator_paths:
            return "There are too many connections; try again later."
        return None

    def date(self) -> bytes:
        """This second, as a Date header writes it."""
        second = int(time.time())
        if second != self._date[0]:
            self._date = (second, formatdate(second, usegmt=True).encode())
        return self._date[1]

    def sender(self, peer: str, head: Head) -> Sender:
        """Who sent a request that came from `peer`."""
        return sender_of(peer, head.headers, self._proxies)

    def misdirected(self, head: Head) -> tuple[HTTPStatus, str] | None:
        """Why a request is not for this server; None where it is."""
        if self._public_names is None or head.target.partition(b"?")[0] in self._open_paths:
            return None
        return misdirected(head.headers, head.target, self._public_names)

    def tells_problems(self, target: bytes) -> bool:
        """Whether a refusal of a request for `target` is told as a problem (RFC 9457), for programs."""
        return any(is_under(_path_of(target), prefix) for prefix in self._problem_paths)

    def headers_of_refusal(self, target: bytes, headers: Headers) -> Headers:
        """What lets the page that asked for `target`, in a request with these headers, read that it is refused."""
        return self._of_refusal(_path_of(target), headers)

    def websocket(self, path: str, sender: Sender) -> WebSocket:
        """What speaks WebSocket at `path`; where nobody does, it says so."""
        take = next((take for prefix, take in self._websockets.items() if is_under(path, prefix)), self._take_nobody)
        return WebSocket(take, self._clock, max_message_bytes=self._max_message_bytes, sender=sender)

    def _take_nobody(self, websocket: WebSocket) -> None:
        path = websocket.request.path.partition("?")[0]
        there_are = f"; there are {', '.join(self._websockets)}" if self._websockets else ""
        websocket.reject(HTTPStatus.NOT_FOUND, f"There is no WebSocket at {shown(path)}{there_are}.")
        websocket.close(CloseCode.NORMAL_CLOSURE)

    def event_stream(self, scope: Scope) -> EventStream | None:
        """What answers this request with a stream of events; None where that is not asked for."""
        take = self._event_streams.get(scope["path"]) if scope["method"] == "GET" else None
        return EventStream(scope, take, self._clock, self.date) if take is not None else None


def _path_of(target: bytes) -> str:
    """The path of a target that may not be one; of a whole address, too (RFC 9112, section 3.2.2)."""
    path = target.partition(b"?")[0]
    if b"://" in path:
        path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
    return path.decode("latin-1")
