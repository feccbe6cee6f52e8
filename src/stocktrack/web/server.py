"""The web port: its connections and WebSockets, and the order in which they close."""

import asyncio
import functools
import ssl
from collections.abc import Callable, Mapping
from email.utils import formatdate
from http import HTTPStatus

from stocktrack.clock import Clock
from stocktrack.doors.listening import Listener
from stocktrack.doors.serving import Clients
from stocktrack.web.asgi import AsgiApp, is_under
from stocktrack.web.http import HttpConnection
from stocktrack.web.websocket import WebSocket

# Connections that are no sessions: browsers have six each, and a request takes milliseconds.
MAX_HTTP_CONNECTIONS = 256
# From connecting, or from the first byte after an answer, to the end of a request; and for taking what was sent.
REQUEST_TIMEOUT_SECONDS = 10.0
# From an answer to the first byte of the next request.
KEEP_ALIVE_SECONDS = 5.0

TakeWebSocket = Callable[[WebSocket], None]


class WebServer:
    """One address with an application and, under some paths, WebSockets: `websockets` says who takes which."""

    def __init__(
        self,
        app: AsgiApp,
        clock: Clock,
        *,
        max_message_bytes: int,
        tls: ssl.SSLContext | None = None,
        websockets: Mapping[str, TakeWebSocket] | None = None,
        clients: Clients | None = None,
        setting: str = "web_port",
        flag: str = "--web-port",
    ) -> None:
