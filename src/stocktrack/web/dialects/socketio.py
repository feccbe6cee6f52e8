"""Socket.IO at `/socket.io`, where python-socketio is installed: the live API as events.

A client emits `subscribe` and `unsubscribe` with a symbol, a list or an object, and `authenticate` with a token; it
gets `stockUpdate` with the objects of `/live-price`, `stockError`, and `authenticated`.
"""

import asyncio
import contextlib
import importlib.util
import json
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

import structlog
from websockets.datastructures import Headers

from stocktrack.clock import Clock
from stocktrack.doors.serving import LINGER_SECONDS
from stocktrack.doors.turns import turns
from stocktrack.errors import Reason, SessionEnd, extra_hint
from stocktrack.messages import Failure, UnsubscribeReply
from stocktrack.sessions.life import SessionState
from stocktrack.sessions.open_sessions import Sessions
from stocktrack.sessions.session import Session
from stocktrack.sessions.strangers import Place
from stocktrack.web.asgi import IS_FORWARDED, AsgiApp, Receive, Scope, Send, respond
from stocktrack.web.dialects.live_price import LiveObjects, act, of_message
from stocktrack.web.origins import refusal

log = structlog.get_logger()

# From the handshake of Engine.IO to the session of Socket.IO, and from the handshake of its WebSocket to its first use.
BEGIN_SECONDS = 10.0
# What may wait for a client that polls: packets of its own making before there is a session, and prices after it.
_MAX_QUEUED_BEFORE, _MAX_QUEUED = 64, 1_024
# A client that has not taken so much of its answers is asked nothing more.
_MAX_UNTAKEN_BYTES = 65_536
_CLOSE_SECONDS = 1.0
_NO_POLLING = (
    "This server runs several workers, so that two requests of one client may meet different ones: Socket.IO works "
    'over WebSocket alone here. Connect with transports: ["websocket"].'
)


class SocketIoConnection:
    """A session's way out through Socket.IO; satisfies `Connection`. `emit` waits until the client has taken it."""

    def __init__(
        self,
        emit: Callable[[list[str]], Any],
        disconnect: Callable[[], Any],
        give_up: Callable[[], None],
        objects: LiveObjects,
        clock: Clock,
    ) -> None:
        self._emit = emit
        self._disconnect = disconnect
        self._give_up = give_up
        self._objects = objects
        self._clock = clock
        self._waiting: list[str] = []
        self._taken_bytes = 0
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._is_ending = False
        self._task: asyncio.Task[None] | None = None
        self.sent_bytes = 0
        self.last_sent_at = clock.monotonic()

    def send(self, data: bytes) -> None:
        """Hand over lines: what each tells becomes an object, each object an event."""
        self.tell(self._objects.of_lines(data))

    def tell(self, objects: Sequence[str]) -> None:
        """Hand over objects, each as an event."""
        self.last_sent_at = self._clock.monotonic()
        if not objects or self._is_ending:
            return
        self._waiting += objects
        self.sent_bytes += sum(map(len, objects))
        self._start()

    async def drain(self) -> None:
        """Return when the client has taken everything, so that nothing queues up in Engine.IO."""
        await self._is_idle.wait()
        if self._is_ending:
            raise ConnectionResetError("the client is gone")

    def unsent_bytes(self) -> int:
        """What the client has not taken."""
        return self.sent_bytes - self._taken_bytes

    def end(self) -> None:
        """Deliver what was sent, then disconnect."""
        if not self._is_ending:
            self._is_ending = True
            # It may never take it.
            asyncio.get_running_loop().call_later(LINGER_SECONDS, self._give_up)
        self._start()

    def abort(self) -> None:
        """Give up what was not taken, and the client."""
        self._waiting.clear()
        self._is_ending = True
        self._give_up()

    async def close(self) -> None:
        """End the task; the client is gone."""
        self._is_ending = True
        self._is_idle.set()
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def ended(self) -> None:
        """Return when what was sent is delivered and the client is disconnected."""
        if self._task is not None:
            await asyncio.shield(self._task)

    def _start(self) -> None:
        self._is_idle.clear()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._deliver(), name="socket.io client")

    async def _deliver(self) -> None:
        try:
            while self._waiting:
                objects, self._waiting = self._waiting, []
                await self._emit(objects)
                self._taken_bytes += sum(map(len, objects))
        except Exception:
            log.exception("a Socket.IO client could not be told anything and is disconnected")
            self._is_ending = True
        finally:
            self._is_idle.set()
        if self._is_ending:
            await self._disconnect()


@dataclass(slots=True, eq=False)
class _Engine:
    """A connection of Engine.IO, under what becomes a session of Socket.IO."""

    address: str
    place: Place | None  # among the strangers, until there is a session
    abort: Callable[[], None] | None  # of its WebSocket, where it has one
    eio_sid: str | None = None  # once Engine.IO knows it
    sid: str | None = None  # of its session
    alarm: asyncio.TimerHandle | None = None  # ends it, unless there is a session

    def expect_nothing(self) -> None:
        """It may go on as it is."""
        if self.alarm is not None:
            self.alarm.cancel()
            self.alarm = None

    def leave(self) -> None:
        """Give up its place."""
        if self.place is not None:
            self.place.leave()
            self.place = None


@dataclass(frozen=True, slots=True)
class _Client:
    """A session of Socket.IO, and what it stands on."""

    session: Session
    connection: SocketIoConnection
    objects: LiveObjects
    engine: _Engine


class SocketIo:
    """The mounted application; `app` is None where python-socketio is not installed."""

    def __init__(
        self,
        sessions: Sessions,
        allowed_origins: Collection[str],
        public_names: Collection[str],
        needs_token: Callable[[Session], bool],
        clock: Clock,
        *,
        may_poll: bool = True,
    ) -> None:
        self.app: AsgiApp | None = None
        self._may_poll = may_poll
        self._sessions = sessions
        self._allowed_origins = allowed_origins
        self._public_names = public_names
        self._needs_token = needs_token
        self._clock = clock
        self._engines: dict[str, _Engine] = {}  # by the name that Engine.IO gives
        self._clients: dict[str, _Client] = {}  # by that of Socket.IO
        self._ending: set[asyncio.Task[None]] = set()
        if importlib.util.find_spec("socketio") is None:
            log.debug("Socket.IO is not offered", hint=extra_hint("socketio"))
            return
        import socketio  # noqa: PLC0415 - an extra

        quiet = logging.getLogger("stocktrack.web.socketio")
        quiet.setLevel(logging.ERROR)  # at its info level the library logs every packet, and packets hold tokens
        self._io = socketio.AsyncServer(
            async_mode="asgi",
            async_handlers=False,  # a client's events are answered in their order
            cors_allowed_origins="*",  # `_guarded` has looked at the origin before
            cors_credentials=False,  # nothing here goes by cookies
            max_http_buffer_size=65_536,
            http_compression=False,
            logger=quiet,
            engineio_logger=quiet,
            transports=["polling", "websocket"] if may_poll else ["websocket"],
        )
        self._io.on("connect", self._connected)
        self._io.on("disconnect", self._disconnected)
        for action in ("subscribe", "unsubscribe", "authenticate"):
            self._io.on(action, self._handler(action))
        # Engine.IO's own events, which Socket.IO listens to as well.
        self._began, self._ended = self._io.eio.handlers["connect"], self._io.eio.handlers["disconnect"]
        self._io.eio.on("connect", self._engine_began)
        self._io.eio.on("disconnect", self._engine_ended)
        self._mounted = socketio.ASGIApp(self._io)
        self.app = self._guarded

    async def close(self) -> None:
        """Wait until the clients, whose sessions were ended, are told; then end Engine.IO."""
        if self.app is None:
            return
        ending = [client.connection.ended() for client in self._clients.values()]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await asyncio.gather(*ending, return_exceptions=True)
        for sid in tuple(self._clients):
            await self._disconnected(sid)
        if self._io.eio.service_task_handle is not None:  # it was used, and not shut down before
            await self._io.shutdown()

    # --- connections of Engine.IO --------------------------------------------------------------------------------

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers([(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]])
        if (why_not := refusal(headers, self._allowed_origins, self._public_names)) is not None:
            await _refuse(scope, send, HTTPStatus.FORBIDDEN, why_not)
            return
        if not self._may_poll and scope["type"] != "websocket":
            await _refuse(scope, send, HTTPStatus.BAD_REQUEST, _NO_POLLING)
            return
        try:
            eio_sid = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=32).get("sid", [None])[0]
        except ValueError:
            await _refuse(scope, send, HTTPStatus.BAD_REQUEST, "The address has too many fields.")
            return
        if eio_sid is None:
            await self._take_new(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._upgrade(eio_sid, scope, receive, send)
        elif self._has_too_much(eio_sid):
            await _refuse(scope, send, HTTPStatus.TOO_MANY_REQUESTS, "Poll first: too much waits for you.")
        else:
            await self._mounted(scope, receive, send)

    async def _take_new(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A handshake: it needs a place among the strangers."""
        address = str((scope.get("client") or ("unknown",))[0])
        try:
            place = await self._sessions.place_for(address, door="socketio")
        except SessionEnd as why:
            await _refuse(scope, send, HTTPStatus.TOO_MANY_REQUESTS, why.message)
            return
        engine = scope["stocktrack.engine"] = _Engine(address, place, scope.get("stocktrack.abort"))
        try:
            await self._mounted(scope, receive, send)
        finally:
            engine.abort = None
            if engine.eio_sid is None:
                engine.leave()

    async def _upgrade(self, eio_sid: str, scope: Scope, receive: Receive, send: Send) -> None:
        """A client that polled goes on over a WebSocket: one at a time, and it has to do so soon."""
        engine = self._engines.get(eio_sid)
        if engine is None or engine.abort is not None:
            await _refuse(scope, send, HTTPStatus.FORBIDDEN, "There is no such connection to go on with.")
            return
        abort = engine.abort = scope["stocktrack.abort"]

        def look() -> None:
            socket = self._io.eio.sockets.get(eio_sid)
            if socket is None or not socket.upgraded:
                abort()

        alarm = asyncio.get_running_loop().call_later(BEGIN_SECONDS, look)
        try:
            await self._mounted(scope, receive, send)
        finally:
            alarm.cancel()
            engine.abort = None

    def _has_too_much(self, eio_sid: str) -> bool:
        """Whether more waits for a client that polls than it may have waiting."""
        engine, socket = self._engines.get(eio_sid), self._io.eio.sockets.get(eio_sid)
        if engine is None or socket is None:
            return False
        most = _MAX_QUEUED_BEFORE
        if engine.sid is not None and (client := self._clients.get(engine.sid)) is not None:
            most = max(_MAX_QUEUED, 2 * client.session.services.rules.max_symbols)
        return int(socket.queue.qsize()) > most

    async def _engine_began(self, eio_sid: str, environ: dict[str, Any]) -> None:
        engine: _Engine = environ["asgi.scope"]["stocktrack.engine"]
        engine.eio_sid = eio_sid
        self._engines[eio_sid] = engine
        self._end_later(engine, BEGIN_SECONDS)
        await self._began(eio_sid, environ)

    async def _engine_ended(self, eio_sid: str, reason: str) -> None:
        if (engine := self._engines.pop(eio_sid, None)) is not None:
            engine.expect_nothing()
            engine.leave()
        await self._ended(eio_sid, reason)
        if engine is not None and engine.sid is not None:
            # Socket.IO tells of it only where the client has not confused it by connecting twice.
            await self._disconnected(engine.sid)

    def _end_later(self, engine: _Engine, seconds: float) -> None:
        """End it after a while, unless a session begins."""
        engine.expect_nothing()
        engine.alarm = asyncio.get_running_loop().call_later(seconds, self._end_engine, engine)

    def _end_engine(self, engine: _Engine) -> None:
        """End a connection without waiting for its client."""
        socket = self._io.eio.sockets.pop(engine.eio_sid, None)
        if socket is not None:
            # Engine.IO's `disconnect` would wait until the client has taken everything.
            task = asyncio.create_task(socket.close(wait=False, abort=True), name="socket.io client, given up")
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
            socket.queue.put_nowait(None)  # whoever polls is answered
        if engine.abort is not None:
            engine.abort()

    # --- sessions of Socket.IO -----------------------------------------------------------------------------------

    async def _connected(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        import socketio  # noqa: PLC0415 - an extra

        objects = LiveObjects()
        is_stopping = False

        async def emit(waiting: list[str]) -> None:
            nonlocal is_stopping
            for text in waiting:
                told = json.loads(text)
                is_stopping = is_stopping or told.get("reason") == Reason.SHUTDOWN
                name = "stockUpdate" if "price" in told else "stockError" if "error" in told else told.pop("action")
                await self._io.emit(name, told, to=sid)
            with contextlib.suppress(KeyError):
                # Engine.IO's queue has no bound of its own; this one is empty when the client has taken all.
                await self._io.eio._get_socket(eio_sid).queue.join()  # noqa: SLF001 - there is no other way to know

        async def disconnect() -> None:
            if is_stopping:
                # A goodbye of Socket.IO's own keeps its client away for good; one whose connection ends comes back.
                await self._io.eio.disconnect(eio_sid)
            else:
                await self._io.disconnect(sid)

        eio_sid = self._io.manager.eio_sid_from_sid(sid, "/")
        engine = self._engines.get(eio_sid)
        if engine is None or engine.sid is not None:
            raise socketio.exceptions.ConnectionRefusedError("This connection has a session already, or has ended.")
        connection = SocketIoConnection(emit, disconnect, partial(self._end_engine, engine), objects, self._clock)
        place, engine.place = engine.place, None
        try:
            session = self._sessions.open(
                connection,
                address=engine.address,
                door="socketio",
                is_forwarded=environ["asgi.scope"][IS_FORWARDED],
                place=place,
            )
        except SessionEnd as why:
            raise socketio.exceptions.ConnectionRefusedError(why.message) from None
        engine.sid = sid
        engine.expect_nothing()
        self._clients[sid] = _Client(session, connection, objects, engine)
        if isinstance(auth, dict) and "token" in auth:
            for said in await act(session, {"action": "authenticate", "token": auth["token"]}):
                if isinstance(said, Failure):
                    # Not let in as a guest either: who brings a token would take itself for logged in.
                    await self._disconnected(sid)
                    raise socketio.exceptions.ConnectionRefusedError(said.message)
                connection.tell(of_message(said))
        if session.state is SessionState.GREETED and not self._needs_token(session):
            why_not = session.welcome_guest()
            if why_not is not None:
                await self._disconnected(sid)
                raise socketio.exceptions.ConnectionRefusedError(why_not.message)

    async def _disconnected(self, sid: str, _reason: str = "") -> None:
        if (client := self._clients.pop(sid, None)) is None:
            return
        self._sessions.close_session(client.session)
        await client.connection.close()
        engine = client.engine
        engine.sid = None
        if engine.eio_sid in self._engines:  # it goes on, without a session
            try:
                engine.place = self._sessions.strangers.enter(engine.address)
            except SessionEnd:
                self._end_engine(engine)
            else:
                self._end_later(engine, LINGER_SECONDS)

    def _handler(self, action: str) -> Callable[..., Any]:
        async def handle(sid: str, data: Any = None) -> None:
            if (client := self._clients.get(sid)) is None:
                return
            session, connection, objects = client.session, client.connection, client.objects
            if connection.unsent_bytes() > _MAX_UNTAKEN_BYTES:
                with contextlib.suppress(OSError):
                    await connection.drain()
            # What an event had of bytes is not told; it has been parsed by now, and was at most 64 KB.
            if (pause_seconds := session.seconds_until_turn(0)) > 0:
                await self._clock.sleep(pause_seconds)
            await turns().turn(is_more=True)
            fields = data if isinstance(data, dict) else {_FIELD[action][isinstance(data, list)]: data}
            for said in await act(session, {**fields, "action": action}):
                if isinstance(said, UnsubscribeReply):
                    objects.forget(said.removed)
                connection.tell(of_message(said))
            connection.tell(objects.of_lines(session.take_following()))
            if not session.is_open:
                connection.end()

        return handle


async def _refuse(scope: Scope, send: Send, status: HTTPStatus, why: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": why})
    else:
        await respond(send, status, f"{why}\n".encode())


# What an event's data is called where it is no object: a single value, and a list.
_FIELD = {
    "subscribe": ("symbol", "symbols"),
    "unsubscribe": ("symbol", "symbols"),
    "authenticate": ("token", "token"),
}
