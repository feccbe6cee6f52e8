"""A WebSocket for an ASGI application, as Socket.IO is one: what ASGI says of it, by our own WebSocket.

Only text goes through. The application is asked to send nothing else, and a client that does is closed.
"""

import asyncio
import contextlib
import urllib.parse
from http import HTTPStatus

import structlog
from websockets.frames import CloseCode

from stocktrack.doors.serving import LINGER_SECONDS
from stocktrack.doors.turns import turns
from stocktrack.web.asgi import IS_FORWARDED, AsgiApp, Message, Scope
from stocktrack.web.websocket import Input, WebSocket

log = structlog.get_logger()

# How long a client may take nothing of what an application sends.
UNREAD_SECONDS = 10.0
_NEVER_SENT = {CloseCode.NO_STATUS_RCVD, CloseCode.ABNORMAL_CLOSURE, CloseCode.TLS_HANDSHAKE}


class AsgiSockets:
    """The WebSockets of one application, each served by a task of its own."""

    def __init__(self, app: AsgiApp) -> None:
        self._app = app
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, websocket: WebSocket) -> None:
        """Have the application answer the handshake and serve the client."""
        task = asyncio.create_task(_serve(self._app, websocket), name="websocket of an application")
        websocket.owner = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End those that the application has not ended."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _serve(app: AsgiApp, websocket: WebSocket) -> None:
    talk = _Talk(websocket)
    try:
        await app(_scope(websocket), talk.receive, talk.send)
    except Exception:
        log.exception("serving a client failed unexpectedly")
    finally:
        try:
            with contextlib.suppress(TimeoutError, OSError):
                async with asyncio.timeout(LINGER_SECONDS):
                    await websocket.finish(talk.close_code)
        finally:
            websocket.abort()


class _Talk:
    """What the application reads and writes of one WebSocket."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._is_connected = False
        self._is_accepted = False
        self._is_over = False  # nothing more comes
        self.close_code: int = CloseCode.GOING_AWAY

    async def receive(self) -> Message:
        """The next thing that happens to it."""
        if not self._is_connected:
            self._is_connected = True
            return {"type": "websocket.connect"}
        # Who does not take what is sent is not heard either: the application may queue an answer to each message.
        await self._websocket.drain()
        received = await self._websocket.receive()
        await turns().turn(is_more=True)
        match received:
            case bytes() as message:
                try:
                    return {"type": "websocket.receive", "text": message.decode()}
                except UnicodeDecodeError:
                    self.close_code = CloseCode.INVALID_DATA
            case Input.BINARY:
                self.close_code = CloseCode.UNSUPPORTED_DATA
            case Input.TOO_LONG:
                self.close_code = CloseCode.MESSAGE_TOO_BIG
            case Input.CLOSED:
                self.close_code = CloseCode.NORMAL_CLOSURE
        self._is_over = True
        return {"type": "websocket.disconnect", "code": int(self.close_code)}

    async def send(self, message: Message) -> None:
        """Do what the application says."""
        match message["type"]:
            case "websocket.accept":
                self._is_accepted = self._websocket.accept()
                if not self._is_accepted:
                    raise ConnectionResetError("the handshake was none, as the client was told")
            case "websocket.send" if message.get("text") is not None:
                self._websocket.send(message["text"].encode())
                await self._taken()
            case "websocket.close" if not self._is_accepted:
                self._websocket.reject(HTTPStatus.FORBIDDEN, message.get("reason") or "This is refused.")
            case "websocket.close":
                if not self._is_over:  # else there is a better reason already
                    self.close_code = _sendable(message.get("code", CloseCode.NORMAL_CLOSURE))
                self._websocket.close(self.close_code)
            case other:
                raise RuntimeError(f"The application sent {other!r}, which is not offered here.")

    async def _taken(self) -> None:
        """Return when the client has taken enough; one that takes nothing for some time is given up."""
        draining = asyncio.ensure_future(self._websocket.drain())
        try:
            unsent = -1
            while not draining.done():
                before, unsent = unsent, self._websocket.unsent_bytes()
                if unsent == before:
                    self._websocket.abort()
                await asyncio.wait((draining,), timeout=UNREAD_SECONDS)
            draining.result()
        finally:
            draining.cancel()


def _sendable(code: int) -> int:
    """The code of a goodbye; one that no goodbye may carry is a mistake of the application (RFC 6455, section 7.4)."""
    return code if 3_000 <= code <= 4_999 or code in set(CloseCode) - _NEVER_SENT else CloseCode.INTERNAL_ERROR


def _scope(websocket: WebSocket) -> Scope:
    target, _, query = websocket.request.path.partition("?")
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "wss" if websocket.is_secure else "ws",
        "path": urllib.parse.unquote(target),
        "raw_path": target.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "root_path": "",
        "headers": [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in websocket.request.headers.raw_items()
        ],
        "client": websocket.peer,
        "server": websocket.own_address,
        "subprotocols": [],
        IS_FORWARDED: websocket.sender.is_forwarded,
        "extensions": {},
        # Ours: how the application is rid of a client that does not read.
        "stocktrack.abort": websocket.abort,
    }
