"""The web door: the listening socket, its connections, and the order of closing.

uvicorn parses HTTP and runs the application; it gets neither the event loop nor the signals, which belong to `app.py`.
"""

import asyncio
import errno
import functools
import ssl
from collections.abc import Callable, Mapping
from email.utils import formatdate

import structlog
from uvicorn import Config
from uvicorn.server import ServerState

from stocktrack.clock import Clock
from stocktrack.doors.socket_options import real_socket
from stocktrack.errors import ConfigError
from stocktrack.web.http import HttpConnection
from stocktrack.web.site import AsgiApp
from stocktrack.web.websocket import Serve, WebSocket

log = structlog.get_logger()

# As at the TCP door: what the kernel keeps until it is accepted, and how many are accepted in a row.
BACKLOG = 4096
ACCEPTS_IN_A_ROW = 8
# Connections that are no sessions: browsers have six each, and a request takes milliseconds.
MAX_HTTP_CONNECTIONS = 256
# From connecting, or from the answer before, to the end of a request; then the connection is closed.
REQUEST_TIMEOUT_SECONDS = 10.0
KEEP_ALIVE_SECONDS = 5


class WebServer:
    """One address with an application and, at some paths, WebSockets of our own: `websockets` says who serves which."""

    def __init__(
        self,
        app: AsgiApp,
        clock: Clock,
        *,
        max_message_bytes: int,
        tls: ssl.SSLContext | None = None,
        websockets: Mapping[str, Serve] | None = None,
        setting: str = "web_port",
        flag: str = "--web-port",
    ) -> None:
        self.tls = tls  # may be replaced, and counts for those to come
        self.request_timeout_seconds = REQUEST_TIMEOUT_SECONDS
        self.max_body_bytes = max_message_bytes
        self._clock = clock
        self._max_message_bytes = max_message_bytes
        self._websockets = dict(websockets or {})
        self._setting, self._flag = setting, flag
        self._config = Config(
            app,
            http="httptools",
            ws="websockets-sansio",
            lifespan="off",
            log_config=None,
            # uvicorn logs the query of a request, which may hold a token.
            log_level="error",
            access_log=False,
            ws_max_size=max_message_bytes,
            ws_per_message_deflate=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
        )
        self._state = ServerState()
        self._server: asyncio.Server | None = None
        self._connections: set[HttpConnection] = set()
        self._clients: set[WebSocket] = set()

    async def start(self, host: str, port: int) -> None:
        """Listen; `ConfigError` names the port and the setting where that cannot be."""
        self._config.load()
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                self._connected, host, port, backlog=ACCEPTS_IN_A_ROW, reuse_address=True
            )
            for listening in self._server.sockets:
                with real_socket(listening.fileno()) as sock:
                    sock.listen(BACKLOG)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise ConfigError(
                    f"Port {port} on {host} is taken by another program. Stop that one, or choose another port with "
                    f"{self._flag} or STOCKTRACK_{self._setting.upper()}."
                ) from None
            raise ConfigError(
                f"Cannot listen on {host!r}, {self._setting} = {port}: {error.strerror or error}."
            ) from None

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens; port 0 has become a real one."""
        if self._server is None:
            return []
        return [sock.getsockname()[:2] for sock in self._server.sockets]

    def stop_listening(self) -> None:
        """Take no new clients."""
        if self._server is not None:
            self._server.close()

    async def close(self, within_seconds: float) -> None:
        """Let requests end and the clients, whose sessions were ended, take their last lines; abort the rest."""
        for connection in tuple(self._connections):
            connection.shutdown()
        tasks = {client.task for client in self._clients if client.task is not None} | self._state.tasks
        if tasks:
            await asyncio.wait(tasks, timeout=within_seconds)
        for client in tuple(self._clients):
            client.abort()
        for connection in tuple(self._connections):
            connection.abort()
        for task in (left := [task for task in tasks if not task.done()]):
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    # --- what its connections ask --------------------------------------------------------------------------------

    def enter(self, connection: HttpConnection) -> bool:
        """Count a connection; False where there are too many."""
        self._connections.add(connection)
        return len(self._connections) <= MAX_HTTP_CONNECTIONS

    def leave(self, connection: HttpConnection) -> None:
        """Undo `enter`."""
        self._connections.discard(connection)

    def websocket_for(self, path: str) -> Callable[..., asyncio.Protocol] | None:
        """What speaks WebSocket at `path`; None where uvicorn's class hands it to the application."""
        serve = self._websockets.get(path)
        return functools.partial(self._websocket, serve) if serve is not None else None

    def _websocket(self, serve: Serve, **_: object) -> WebSocket:
        async def serve_and_forget(client: WebSocket) -> None:
            self._clients.add(client)
            try:
                await serve(client)
            except Exception:
                log.exception("serving a client failed unexpectedly")
            finally:
                self._clients.discard(client)

        return WebSocket(serve_and_forget, self._clock, max_message_bytes=self._max_message_bytes)

    def _connected(self) -> HttpConnection:
        # uvicorn renews it once a second in a loop of its own; once a connection is enough.
        self._state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
        return HttpConnection(self, self._config, self._state)
