"""The composition root: builds every part, hands them to each other, and owns the signals and the closing order."""

import asyncio
import gc
import os
import resource
import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from stocktrack import __version__
from stocktrack.accounts.accounts import Accounts
from stocktrack.accounts.passwords import PasswordHasher
from stocktrack.alert_targets.registry import build_targets
from stocktrack.alerts.alerts import JudgedAlerts
from stocktrack.alerts.desk import AlertDesk
from stocktrack.alerts.turn import Turn
from stocktrack.clock import Clock, RealClock
from stocktrack.config import RELOADABLE, LoadedSettings, Settings
from stocktrack.doors.proxies import TrustedProxies
from stocktrack.doors.serving import MAX_REFUSED_LINGERING
from stocktrack.doors.tls import PLAIN_TEXT, server_context
from stocktrack.errors import ConfigError, ProviderError, Reason, SessionEnd, StockTrackError
from stocktrack.market.board import Board
from stocktrack.market.events import Event, FeedEvent
from stocktrack.market.feed import Feed
from stocktrack.market.own_bars import RecordedBars, invented_by
from stocktrack.providers.base import Provider, RelayingSource
from stocktrack.providers.instruments import Instruments
from stocktrack.providers.registry import build_providers
from stocktrack.server import TcpServer
from stocktrack.sessions.alert_words import AlertWords
from stocktrack.sessions.contracts import SessionRules
from stocktrack.sessions.open_sessions import SessionLimits, Sessions
from stocktrack.sinks.publisher import Publisher
from stocktrack.sinks.registry import build_outlets
from stocktrack.storage.alerts import Alerts
from stocktrack.storage.store import Store
from stocktrack.system.banner import banner
from stocktrack.system.change_notes import ChangeNotes
from stocktrack.system.data_folder import DataFolder
from stocktrack.system.logs import set_log_level
from stocktrack.system.processes import loop_factory, raise_descriptor_limit, run_until_told
from stocktrack.system.running_servers import RunningServers
from stocktrack.system.trail import Trail
from stocktrack.web.absent import NoWeb

if TYPE_CHECKING:
    # A private server has neither, and the person who waits for it has no time for what they import.
    from stocktrack.accounts.tokens import TokenSigner
    from stocktrack.cluster.cluster import Cluster
    from stocktrack.web.composition import Web
    from stocktrack.web.together import Together

log = structlog.get_logger()

# Descriptors that are not sessions: the database, the sources' sockets, logs, and some to spare.
DESCRIPTOR_RESERVE = 128
# How long whoever subscribes at a private server waits for the first price: what comes later comes as a push.
PRIVATE_PATIENCE_SECONDS = 0.2
FLUSH_SECONDS, FLUSH_LEAST_SECONDS = 3.0, 1.0
# Each later step of closing may take this long; together with the flush the server is gone within five seconds.
CLOSE_STEP_SECONDS = 0.6
RETRY_AFTER_SHUTDOWN_MS = 1_000


@dataclass(frozen=True, slots=True)
class Worker:
    """What is special where several processes serve as one: others made the data folder theirs, and share the ports.

    The first one does what is to be done once.
    """

    together: "Together"
    is_first: bool


class App:
    """One running server. `start`, then use, then `close`.

    `providers` replaces the configured ones in tests, and `hasher` the real one, which takes its time. It leaves its
    record among `running_servers`; without them only those know it whom somebody tells, as the demo does.

    One that `is_private` serves the one person in whose command it runs, and is there at once: it does not wait for its
    sources, which start when they are asked, and shares its folder with others of its kind, as two terminals need.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        providers: Sequence[Provider] | None = None,
        hasher: PasswordHasher | None = None,
        running_servers: RunningServers | None = None,
        worker: Worker | None = None,
        is_private: bool = False,
    ) -> None:
        self.settings = settings
        clock = clock or RealClock()
        self._worker = worker
        self._is_private = is_private
        self._folder = DataFolder(settings.data_dir, log.warning)
        self._store = Store(settings.database)
        self._running_servers = running_servers
        self.accounts = Accounts(
            self._store,
            clock,
            open_signer=lambda: _open_signer(settings, clock),
            opens_signer_at_start=not is_private,
            login_failures_per_minute=settings.login_failures_per_minute,
            allowlist=settings.allowlist,
            hasher=hasher,
        )
        self.board = Board()
        self._instruments = Instruments(clock)
        self._providers = build_providers(settings, clock, log.warning) if providers is None else providers
        self.feed = Feed(
            self._providers,
            self.board,
            clock,
            poll_interval_seconds=settings.poll_interval_seconds,
            timeout_seconds=settings.provider_timeout_seconds,
            requests_per_minute=settings.upstream_requests_per_minute,
            instruments=self._instruments,
            patience_seconds=PRIVATE_PATIENCE_SECONDS if is_private else None,
        )
        self.board.on_demand = self.feed.demand_changed
        self._relaying = [provider for provider in self._providers if isinstance(provider, RelayingSource)]
        self.bars = self._build_bars(settings, clock)
        self._trail = Trail(clock)
        self._notes = ChangeNotes(settings.data_dir, self._trail)
        self._instance = secrets.token_hex(2)
        self.publisher = Publisher(build_outlets(settings.publish_to, self._instance, clock), clock)
        if settings.publish_to:
            self.board.taps.append(self.publisher)
        self.cluster = None if is_private else _build_cluster(settings, clock)
        self._targets = build_targets(settings.alert_targets, clock)
        self.alerts = self._build_alerts(settings, clock)
        self.sessions = Sessions(
            _rules(settings, self._instance),
            _limits(settings),
            authenticator=self.accounts,
            lists=self._store,
            lots=self._store.lots,
            feed=self.feed,
            board=self.board,
            clock=clock,
            alerts=AlertDesk(
                self._store.alerts,
                clock,
                targets=self._targets,
                may_name=settings.may_name_target,
                max_alerts=settings.max_alerts_per_user,
                on_change=self._alerts_changed,
            ),
            trail=self._trail,
            sinks=self.publisher.infos,
            around=self.cluster,
        )
        self.alert_words = AlertWords(self._store.alerts, self.sessions, clock, others=_has_others(settings))
        if self.alerts is not None:
            self.alerts.on_words = self.alert_words.hint
        self.feed.on_event = self.sessions.tell
        for provider in self._relaying:
            provider.on_instance, provider.on_notice = self._relay_instance, self._relay_notice
        self.server = TcpServer(
            self.sessions,
            clock,
            tls=server_context(settings.tls_cert, settings.tls_key),
            tls_handshake_timeout_seconds=settings.tls_handshake_timeout_seconds,
            proxies=TrustedProxies(settings.trusted_proxies),
            web_port=lambda: self.web.port,
            shares_port=worker is not None,
        )
        self.web = self._build_web(settings, clock)

    def _build_web(self, settings: Settings, clock: Clock) -> "Web | NoWeb":
        """What the settings ask for of the web."""
        if settings.web_port is None and settings.metrics_port is None:
            return NoWeb()
        from stocktrack.web.alert_figures import AlertFigures
        from stocktrack.web.bar_figures import BarFigures
        from stocktrack.web.composition import Web
        from stocktrack.web.server import http_connections

        return Web(
            settings,
            sessions=self.sessions,
            accounts=self.accounts,
            feed=self.feed,
            board=self.board,
            clock=clock,
            publisher=self.publisher,
            tls=self.server.tls,
            max_connections=http_connections(_descriptors()),
            together=None if self._worker is None else self._worker.together,
            figures=(
                BarFigures(self.bars),
                AlertFigures(self.alerts),
                *(() if self.cluster is None else (self.cluster.figures(),)),
            ),
        )

    def _build_bars(self, settings: Settings, clock: Clock) -> RecordedBars | None:
        """What records the bars and reads them back; None where they are not wanted, or all prices are invented."""
        invented = invented_by(self._providers)
        if not settings.record_bars or invented is None:
            return None
        bars = RecordedBars(
            self._store.bars,
            clock,
            retention_days=settings.bars_retention_days,
            is_watched=self.board.is_watched,
            invented=invented,
            is_published=self._is_published,
        )
        self.feed.questions.history.own = bars
        if self._worker is None:  # else the feed beside it records, once for all workers
            self.board.taps.append(bars)
        return bars

    def _build_alerts(self, settings: Settings, clock: Clock) -> JudgedAlerts | None:
        """What judges the alerts; None where that is for the feed beside this worker."""
        if self._worker is not None:
            return None
        return JudgedAlerts(
            self.board,
            clock,
            self._alerts_opened,
            targets=self._targets,
            may_name=settings.may_name_target,
            ask_splits=self.feed.questions.history.splits,
            turn=Turn(clock) if self._is_private or _has_others(settings) else None,
        )

    async def _alerts_opened(self) -> Alerts:
        return self._store.alerts

    def _alerts_changed(self) -> None:
        if self.alerts is not None:
            self.alerts.changed()

    def _is_published(self, symbol: str) -> bool:
        """Whether somebody else than a feed publishes `symbol` where this server gets its prices from."""
        for provider in self._relaying:
            if provider.is_fed(symbol):
                return False
        return bool(self._relaying)

    async def start(self) -> None:
        """Start everything, the door last; on an error what was started is closed again."""
        try:
            is_first = self._claim_folder()
            if self._worker is None or self._worker.is_first:
                self._notes.start()
                self._trail.on_settle = self._notes.look
            await self.accounts.start()  # first: with a weak secret the server changes no database
            await self._store.open()
            if self._running_servers is not None:
                self._running_servers.register(self._store.label)
            await self._instruments.load(self.settings.symbols_file)
            await self.feed.start()
            if self.bars is not None and self._worker is None:
                if is_first:
                    self.feed.supervisor.run("bars", self.bars.run)
                else:
                    self.board.taps.remove(self.bars)  # the other server that has the folder records them
            if self.alerts is not None:
                self.alerts.start(self.feed.supervisor)
            self.publisher.start()
            self.sessions.start()
            self.sessions.supervisor.run("alerts, telling sessions", self.alert_words.run)
            if self.cluster is not None:
                await self.cluster.start(self.sessions, self.accounts.throttle)
            await self.server.start(self.settings.host, self.settings.port)
            await self.web.start()
        except BaseException:
            await self.close()
            raise

    def _claim_folder(self) -> bool:
        """Whether this server is the first in its folder; `ConfigError` where it may not be another one."""
        if self._worker is not None:
            return self._worker.is_first
        if self._is_private:
            return self._folder.share()
        self._folder.lock()
        return True

    def _relay_instance(self, instance: str) -> None:
        """Greet clients with the instance in which the `seq` of the prices counts that come from a feed elsewhere."""
        if instance != self._instance:
            self._instance = instance
            self.sessions.change(_rules(self.settings, instance), _limits(self.settings))

    def _relay_notice(self, kind: str, symbols: frozenset[str], error: StockTrackError | None) -> None:
        if kind in {each.value for each in Event}:
            self.sessions.tell(FeedEvent(Event(kind), symbols, error if isinstance(error, ProviderError) else None))

    async def close(self) -> None:
        """Close in order: no new clients, tell every session, let them take it, then the sources and the database."""
        self.server.stop_listening()
        self.web.stop_listening()
        began = time.monotonic()
        await self.sessions.end_all(
            SessionEnd(Reason.SHUTDOWN, "The server is stopping.", retry_after_ms=RETRY_AFTER_SHUTDOWN_MS)
        )
        # The first ones have been flushing since they were told.
        flush_seconds = max(FLUSH_SECONDS - (time.monotonic() - began), FLUSH_LEAST_SECONDS)
        await asyncio.gather(self.server.close(flush_seconds), self.web.close(flush_seconds))
        await _within_a_step("sessions", self.sessions.close)
        if self.cluster is not None:
            await _within_a_step("other servers", self.cluster.close)
        self._trail.close()
        await _within_a_step("sources", self.feed.close)
        # After the last change, so that it is written too.
        await asyncio.gather(
            _within_a_step("sinks", self.publisher.close),
            _within_a_step("bars", self._close_bars),
            _within_a_step("alerts", self._close_alerts),
        )
        await _within_a_step("symbols", self._instruments.close)
        await _within_a_step("accounts", self.accounts.close)
        await _within_a_step("database", self._store.close)
        if self._running_servers is not None:
            self._running_servers.unregister()
        self._folder.unlock()

    async def _close_alerts(self) -> None:
        if self.alerts is not None:
            await self.alerts.close()
        await asyncio.gather(*(target.close() for target in self._targets.values()))

    async def _close_bars(self) -> None:
        if self.bars is not None:
            await self.bars.close()

    def reload(self, load: Callable[[], LoadedSettings]) -> None:
        """Take over what `load` returns, as far as that goes in a running server; what is wrong changes nothing."""
        try:
            loaded = load()
            tls = server_context(loaded.settings.tls_cert, loaded.settings.tls_key)
            limits = _limits(loaded.settings)
        except ConfigError as error:
            log.error("settings not reloaded, the old ones stay", why=str(error))  # noqa: TRY400 - it says all
            return
        for warning in loaded.warnings:
            log.warning(warning)
        new, old = loaded.settings, self.settings
        changed = [name for name in Settings.model_fields if getattr(new, name) != getattr(old, name)]
        applied = {name: getattr(new, name) for name in changed if name in RELOADABLE}
        if (tls is None) == (self.server.tls is None):
            # Not only when the paths changed: a renewed certificate comes under the name of the old one.
            self.server.tls = tls
            self.web.change_tls(tls)
        else:
            applied = {name: value for name, value in applied.items() if name not in {"tls_cert", "tls_key"}}
        self.settings = old.model_copy(update=applied)
        self.sessions.change(_rules(self.settings, self._instance), limits)
        self.server.tls_handshake_timeout_seconds = self.settings.tls_handshake_timeout_seconds
        if self.bars is not None:
            self.bars.retention_days = self.settings.bars_retention_days
        if "symbols_file" in applied or self.settings.symbols_file is not None:
            # A path that did not change may have a new file: the brokers make one every day.
            self._instruments.reload(self.settings.symbols_file)
        if "log_level" in applied:
            set_log_level(self.settings.log_level)
        log.info(
            "settings reloaded",
            applied={name: str(value) for name, value in applied.items()},
            restart_needed=[name for name in changed if name not in applied],
            certificate="loaded" if self.server.tls is not None else "none",
        )


def _has_others(settings: Settings) -> bool:
    """Whether other processes may serve, or judge, the users of the same database."""
    return "redis" in settings.providers or not settings.database.startswith("sqlite")


def _open_signer(settings: Settings, clock: Clock) -> "TokenSigner":
    from stocktrack.accounts.tokens import open_signer

    return open_signer(settings.token_secret, clock, is_loopback=settings.is_loopback, warn=log.warning)


def _build_cluster(settings: Settings, clock: Clock) -> "Cluster | None":
    """This server among others at its Redis; None where it has none."""
    if "redis" not in settings.providers:
        return None
    from stocktrack.cluster.cluster import Cluster

    return Cluster(settings.redis_home, clock)


def _rules(settings: Settings, instance: str) -> SessionRules:
    return SessionRules(
        server=f"stocktrack/{__version__}",
        instance=instance,
        push_interval_seconds=settings.push_interval_seconds,
        heartbeat_seconds=settings.heartbeat_seconds,
        max_line_bytes=settings.max_line_bytes,
        max_symbols=settings.max_symbols,
        commands_per_second=settings.commands_per_second,
        command_burst=settings.command_burst,
        bytes_per_second=settings.bytes_per_second,
        user_upstream_requests_per_minute=settings.user_upstream_requests_per_minute,
        user_upstream_burst=settings.user_upstream_burst,
        max_lots_per_user=settings.max_lots_per_user,
        display_currency=settings.display_currency,
        chat=settings.chat,
        chat_messages_per_minute=settings.chat_messages_per_minute,
        chat_messages_per_second=settings.chat_messages_per_second,
        auth=("password", "token", *(("allowlist",) if settings.allowlist else ())),
        # Forced, it is for the whole network.
        auth_if_forwarded=(
            *("password", "token"),
            *(("allowlist",) if settings.allowlist and settings.allowlist_force else ()),
        ),
    )


def _limits(settings: Settings) -> SessionLimits:
    descriptors = _descriptors()
    reserve = DESCRIPTOR_RESERVE
    if settings.web_port is not None:
        from stocktrack.web.server import OPERATOR_CONNECTIONS, http_connections

        # Those of the web beside its HTTP connections: of the operator's, and of WebSockets that are being refused.
        reserve += OPERATOR_CONNECTIONS + 2 * MAX_REFUSED_LINGERING + http_connections(descriptors)
    if descriptors <= reserve:
        raise ConfigError(
            f"This process may open {descriptors} files and sockets, and needs {reserve} for itself. "
            "Allow it more: ulimit -n, or LimitNOFILE in a systemd unit."
        )
    return SessionLimits(
        max_sessions=min(settings.max_sessions, descriptors - reserve),
        max_unauthenticated_sessions=settings.max_unauthenticated_sessions,
        max_unauthenticated_per_address=settings.max_unauthenticated_per_address
        or _half(settings.max_unauthenticated_sessions),
        max_guests=settings.max_guests,
        max_guests_per_address=_half(settings.max_guests),
        guest_idle_seconds=settings.guest_idle_seconds,
        max_sessions_per_user=settings.max_sessions_per_user,
        max_sessions_per_address=settings.max_sessions_per_address,
        auth_timeout_seconds=settings.auth_timeout_seconds,
        slow_client_timeout_seconds=settings.slow_client_timeout_seconds,
    )


def _half(most: int) -> int:
    return (most + 1) // 2


async def _within_a_step(what: str, close: Callable[[], Awaitable[None]]) -> None:
    try:
        async with asyncio.timeout(CLOSE_STEP_SECONDS):
            await close()
    except TimeoutError:
        log.warning("closing took too long and was given up", what=what)
    except Exception:
        # Whatever it is, the steps after it, the database among them, must still be taken.
        log.exception("closing failed unexpectedly", what=what)


async def serve(app: App, load: Callable[[], LoadedSettings] | None = None) -> None:
    """Run `app` until the first SIGINT or SIGTERM; with `load`, SIGHUP takes over the settings that it returns."""
    await run_until_told(
        app.start,
        app.close,
        ready=lambda: _say_ready(app),
        reload=None if load is None else lambda: app.reload(load),
        facts=lambda: {"sessions": len(app.sessions)},
    )


def settle_memory() -> None:
    """Note that what was made so far lives as long as the server: the garbage collector need not look at it again."""
    gc.collect()
    gc.freeze()


async def _say_ready(app: App) -> None:
    settle_memory()
    if not app.settings.is_loopback and app.server.tls is None:
        log.warning(PLAIN_TEXT, host=app.settings.host)
    has_users = bool(await app.accounts.list())
    host, port = app.server.addresses[0]
    if app.settings.log_format == "console" and sys.stderr.isatty():
        # A person reads this; the line below is for a log.
        sys.stderr.write(banner(__version__, app.settings.providers, host, port, app.web.address, has_users=has_users))
        sys.stderr.flush()
        return
    hints = {} if has_users else {"hint": "there are no users yet; add one with: stocktrack users add NAME"}
    if app.web.address is not None:
        hints["page"] = app.web.address
    log.info("ready", host=host, port=port, providers=",".join(app.settings.providers), pid=os.getpid(), **hints)


def _descriptors() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft if soft != resource.RLIM_INFINITY else 1_048_576


def run(settings: Settings, load: Callable[[], LoadedSettings] | None = None) -> None:
    """Run a server until it is told to stop, on the event loop that the settings choose; SIGHUP reloads by `load`."""
    raise_descriptor_limit()
    with asyncio.Runner(loop_factory=loop_factory(settings.event_loop)) as runner:
        runner.run(serve(App(settings, running_servers=RunningServers()), load))
