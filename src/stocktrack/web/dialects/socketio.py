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
from http import HTTPStatus
from typing import Any

import structlog
from websockets.datastructures import Headers

from stocktrack.clock import Clock
from stocktrack.errors import SessionEnd, extra_hint
from stocktrack.sessions.open_sessions import Sessions
from stocktrack.sessions.session import Session
from stocktrack.web.asgi import IS_FORWARDED, AsgiApp, Receive, Scope, Send, respond
from stocktrack.web.dialects.live_price import LiveObjects, answer_action
from stocktrack.web.origins import refusal

log = structlog.get_logger()

# Connections of Engine.IO that have not become a session yet.
MAX_WAITING = 500
_CLOSE_SECONDS = 1.0


class SocketIoConnection:
    """A session's way out through Socket.IO; satisfies `Connection`. `emit` waits until the client has taken it."""

    def __init__(
        self, emit: Callable[[list[str]], Any], disconnect: Callable[[], Any], objects: LiveObjects, clock: Clock
    ) -> None:
        self._emit = emit
        self._disconnect = disconnect
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
        self._is_ending = True
        self._start()

    def abort(self) -> None:
        """Give up what was not taken and disconnect."""
        self._waiting.clear()
        self.end()

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


class SocketIo:
    """The mounted application; `app` is None where python-socketio is not installed."""

    def __init__(
        self,
        sessions: Sessions,
        allowed_origins: Collection[str],
        public_names: Collection[str],
        needs_token: Callable[[Session], bool],
        clock: Clock,
    ) -> None:
        self.app: AsgiApp | None = None
        self._sessions = sessions
        self._allowed_origins = allowed_origins
        self._public_names = public_names
        self._needs_token = needs_token
        self._clock = clock
        self._clients: dict[str, tuple[Session, SocketIoConnection, LiveObjects]] = {}
        if importlib.util.find_spec("socketio") is None:
            log.info("Socket.IO is not offered", hint=extra_hint("socketio"))
            return
        import socketio  # noqa: PLC0415 - an extra

        quiet = logging.getLogger("stocktrack.web.socketio")
        quiet.setLevel(logging.ERROR)  # at its info level the library logs every packet, and packets hold tokens
        self._io = socketio.AsyncServer(
            async_mode="asgi",
            async_handlers=False,  # a client's events are answered in their order
            cors_allowed_origins="*",  # `_guarded` has looked at the origin before
            max_http_buffer_size=65_536,
            http_compression=False,
            logger=quiet,
            engineio_logger=quiet,
        )
        self._io.on("connect", self._connected)
        self._io.on("disconnect", self._disconnected)
        for action in ("subscribe", "unsubscribe", "authenticate"):
            self._io.on(action, self._handler(action))
        self._engine = socketio.ASGIApp(self._io)
        self.app = self._guarded

    async def close(self) -> None:
        """Wait until the clients, whose sessions were ended, are told; then end Engine.IO."""
        if self.app is None:
            return
        ending = [connection.ended() for _, connection, _ in self._clients.values()]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await asyncio.gather(*ending, return_exceptions=True)
        for sid in tuple(self._clients):
            await self._disconnected(sid)
        if self._io.eio.service_task_handle is not None:  # it was used, and not shut down before
            await self._io.shutdown()

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers([(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]])
        why_not = refusal(headers, self._allowed_origins, self._public_names)
        if why_not is None and len(self._io.eio.sockets) - len(self._clients) > MAX_WAITING:
            why_not = "There are too many connections; try again later."
        if why_not is None:
            await self._engine(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": why_not})
        else:
            await respond(send, HTTPStatus.FORBIDDEN, f"{why_not}\n".encode())

    async def _connected(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        import socketio  # noqa: PLC0415 - an extra

        objects = LiveObjects()

        async def emit(waiting: list[str]) -> None:
            for text in waiting:
                told = json.loads(text)
                name = "stockUpdate" if "price" in told else "stockError" if "error" in told else told.pop("action")
                await self._io.emit(name, told, to=sid)
            with contextlib.suppress(KeyError):
                # Engine.IO's queue has no bound of its own; this one is empty when the client has taken all.
                await self._io.eio._get_socket(eio_sid).queue.join()  # noqa: SLF001 - there is no other way to know

        async def disconnect() -> None:
            await self._io.disconnect(sid)

        eio_sid = self._io.manager.eio_sid_from_sid(sid, "/")
        connection = SocketIoConnection(emit, disconnect, objects, self._clock)
        scope = environ["asgi.scope"]
        try:
            session = self._sessions.open(
                connection, address=scope["client"][0], door="socketio", is_forwarded=scope[IS_FORWARDED]
            )
        except SessionEnd as why:
            raise socketio.exceptions.ConnectionRefusedError(why.message) from None
        self._clients[sid] = (session, connection, objects)
        if not self._needs_token(session):
            session.welcome_guest()
        if isinstance(auth, dict) and "token" in auth:
            await self._handler("authenticate")(sid, auth)

    async def _disconnected(self, sid: str, _reason: str = "") -> None:
        if (client := self._clients.pop(sid, None)) is not None:
            session, connection, _ = client
            self._sessions.close_session(session)
            await connection.close()

    def _handler(self, action: str) -> Callable[..., Any]:
        async def handle(sid: str, data: Any = None) -> None:
            if (client := self._clients.get(sid)) is None:
                return
            session, connection, objects = client
            # What an event had of bytes is not told; it has been parsed by now, and was at most 64 KB.
            if (pause_seconds := session.seconds_until_turn(0)) > 0:
                await self._clock.sleep(pause_seconds)
            fields = data if isinstance(data, dict) else {_FIELD[action][isinstance(data, list)]: data}
            connection.tell(await answer_action(session, objects, {**fields, "action": action}))
            if not session.is_open:
                connection.end()

        return handle


# What an event's data is called where it is no object: a single value, and a list.
_FIELD = {
    "subscribe": ("symbol", "symbols"),
    "unsubscribe": ("symbol", "symbols"),
    "authenticate": ("token", "token"),
}
