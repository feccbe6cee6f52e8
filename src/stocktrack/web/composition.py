"""The web side of one server: its parts put together, at one address or two."""

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from prometheus_client.registry import Collector

from stocktrack.accounts.accounts import Accounts
from stocktrack.clock import Clock
from stocktrack.config import Settings
from stocktrack.doors.proxies import TrustedProxies
from stocktrack.doors.serving import Clients
from stocktrack.market.board import Board
from stocktrack.market.feed import Feed
from stocktrack.sessions.open_sessions import Sessions
from stocktrack.sessions.session import Session
from stocktrack.sinks.publisher import Publisher
from stocktrack.web.asgi import AsgiApp
from stocktrack.web.asgi_sockets import AsgiSockets
from stocktrack.web.assets import Assets
from stocktrack.web.cors import Cors
from stocktrack.web.dialects.alpaca import PATH as ALPACA_PATH
from stocktrack.web.dialects.alpaca import AlpacaTalk, only_feeds
from stocktrack.web.dialects.alpaca_bars import BarWatch
from stocktrack.web.dialects.finnhub import PATH as FINNHUB_PATH
from stocktrack.web.dialects.finnhub import FinnhubTalk
from stocktrack.web.dialects.live_price import PATH as LIVE_PRICE_PATH
from stocktrack.web.dialects.live_price import LiveTalk
from stocktrack.web.dialects.socketio import SocketIo
from stocktrack.web.dialects.udf import PATH as UDF_PATH
from stocktrack.web.dialects.udf import Udf
from stocktrack.web.dialects.yahoo import PATH as YAHOO_PATH
from stocktrack.web.dialects.yahoo import YahooTalk
from stocktrack.web.event_streams import PATH as STREAM_PATH
from stocktrack.web.event_streams import EventStreams
from stocktrack.web.guest_sessions import GuestSessions
from stocktrack.web.health import PATHS as OPERATOR_PATHS
from stocktrack.web.health import Health
from stocktrack.web.metrics import MarketFigures, Metrics, SessionFigures
from stocktrack.web.rest.application import rest_app
from stocktrack.web.rest.documents import documents
from stocktrack.web.rest.sessions import RestSessions
from stocktrack.web.server import MAX_HTTP_CONNECTIONS, OPERATOR_CONNECTIONS, TakeWebSocket, WebServer
from stocktrack.web.sink_figures import SinkFigures
from stocktrack.web.site import Site
from stocktrack.web.together import Together
from stocktrack.web.websocket_sessions import Talk, WebSocketSessions

DIALECTS: Final[Mapping[str, Callable[..., Talk]]] = {
    LIVE_PRICE_PATH: LiveTalk,
    FINNHUB_PATH: FinnhubTalk,
    YAHOO_PATH: YahooTalk,
}

REST_PATH = "/api"


class Web:
    """What the settings ask for of the web: nothing, the web port, and the operator's pages on it or on their own."""

    def __init__(
        self,
        settings: Settings,
        *,
        sessions: Sessions,
        accounts: Accounts,
        feed: Feed,
        board: Board,
        clock: Clock,
        publisher: Publisher,
        tls: ssl.SSLContext | None,
        max_connections: int = MAX_HTTP_CONNECTIONS,
        together: Together | None = None,
        figures: Sequence[Collector] = (),
    ) -> None:
        self._settings = settings
        self.operator: Health | None = None
        is_one_of_several = together is not None
        self._servers: list[tuple[WebServer, str, int]] = []
        self._rest = RestSessions(
            sessions,
            accounts,
            clock,
            allowed_origins=settings.allowed_origins,
            public_names=settings.public_names,
        )
        self._guests = GuestSessions(sessions, self._rest)
        self._web: WebServer | None = None
        self._socketio: SocketIo | None = None
        self._asgi_sockets: AsgiSockets | None = None
        if settings.web_port is None and settings.metrics_port is None:
            return
        metrics = Metrics(
            SessionFigures(sessions, board),
            MarketFigures(board, feed, clock, sessions.supervisor, publisher.supervisor),
            SinkFigures(publisher),
            *figures,
        )
        sessions.observe_commands(metrics.observe)
        operator = self.operator = Health(
            sessions, feed, metrics, partial(accounts.user, ""), publisher=publisher, together=together
        )
        if settings.metrics_port is not None:
            server = WebServer(
                operator,
                clock,
                max_message_bytes=settings.max_line_bytes,
                tls=tls,
                max_connections=OPERATOR_CONNECTIONS,
                setting="metrics_port",
                flag="metrics_port in the settings",
                shares_port=is_one_of_several,
            )
            self._servers.append((server, settings.metrics_host or settings.host, settings.metrics_port))
        if settings.web_port is not None:
            rest = rest_app(self._rest)
            mounts: dict[str, AsgiApp] = {REST_PATH: rest}
            if settings.metrics_port is None:
                mounts |= dict.fromkeys(OPERATOR_PATHS, operator)
            pages = settings.allowed_origins, settings.public_names
            cors = Cors(*pages)
            mounts[UDF_PATH] = Udf(self._rest, self._guests, self._is_token_needed, cors)
            self._socketio = SocketIo(sessions, *pages, self._needs_token, clock, may_poll=not is_one_of_several)
            clients = Clients(sessions, "web")
            websockets: dict[str, TakeWebSocket] = {"/ws": WebSocketSessions(clients, *pages).take}
            for path, talk in DIALECTS.items():
                in_dialect = partial(talk, needs_token=self._needs_token)
                websockets[path] = WebSocketSessions(clients, *pages, in_dialect).take
            bars = BarWatch(feed.questions.history, board, clock, sessions.supervisor)
            alpaca = partial(AlpacaTalk, needs_token=self._needs_token, bars=bars)
            websockets[ALPACA_PATH] = only_feeds(WebSocketSessions(clients, *pages, alpaca).take)
            if self._socketio.app is not None:
                mounts["/socket.io"] = self._socketio.app
                self._asgi_sockets = AsgiSockets(self._socketio.app)
                websockets["/socket.io"] = self._asgi_sockets.take
            site = Site(
                Assets(),
                mounts,
                cors,
                documents=documents(),
                websockets=websockets,
                shared=(REST_PATH, UDF_PATH),
                problems=(REST_PATH,),
            )
            self._web = WebServer(
                site,
                clock,
                max_message_bytes=settings.max_line_bytes,
                tls=tls,
                websockets=websockets,
                event_streams={STREAM_PATH: EventStreams(clients, cors, self._rest.credentials).take},
                clients=clients,
                public_names=settings.public_names,
                open_paths=OPERATOR_PATHS,
                proxies=TrustedProxies(settings.trusted_proxies),
                max_connections=max_connections,
                per_address=lambda: sessions.most_strangers_of_address,
                operator_paths=OPERATOR_PATHS if settings.metrics_port is None else (),
                problem_paths=(REST_PATH,),
                of_refusal=site.of_refusal,
                shares_port=is_one_of_several,
            )
            self._servers.append((self._web, settings.host, settings.web_port))

    @property
    def address(self) -> str | None:
        """The page's address; None without a web port."""
        if self._web is None or not self._web.addresses:
            return None
        host, port = self._web.addresses[0]
        scheme = "http" if self._web.tls is None else "https"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/"

    @property
    def port(self) -> int | None:
        """The web port; None where there is none."""
        return self._web.addresses[0][1] if self._web is not None and self._web.addresses else None

    def change_tls(self, tls: ssl.SSLContext | None) -> None:
        """Use another certificate for the connections to come."""
        for server, _, _ in self._servers:
            server.tls = tls

    async def start(self) -> None:
        """Listen; `ConfigError` where that cannot be."""
        for server, host, port in self._servers:
            await server.start(host, port)

    def stop_listening(self) -> None:
        """Take no new clients."""
        for server, _, _ in self._servers:
            server.stop_listening()

    async def close(self, within_seconds: float) -> None:
        """Close the clients, whose sessions were ended."""
        self._rest.close()
        self._guests.close()
        steps = [server.close(within_seconds) for server, _, _ in self._servers]
        if self._socketio is not None:
            steps.append(self._socketio.close())
        await asyncio.gather(*steps)
        if self._asgi_sockets is not None:
            await self._asgi_sockets.close()

    def _needs_token(self, session: Session) -> bool:
        return self._is_token_needed(session.is_forwarded)

    def _is_token_needed(self, is_forwarded: bool) -> bool:
        needs = self._settings.live_price_needs_token
        if needs == "auto":
            return is_forwarded or not self._settings.is_loopback
        return needs == "always"
