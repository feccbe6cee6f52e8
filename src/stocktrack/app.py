"""The composition root: builds every part, hands them to each other, and owns the signals and the closing order."""

import asyncio
import contextlib
import gc
import os
import resource
import secrets
import signal
from collections.abc import Awaitable, Callable, Sequence

import structlog

from stocktrack import __version__
from stocktrack.accounts import Accounts
from stocktrack.board import Board
from stocktrack.clock import Clock, RealClock
from stocktrack.config import Settings
from stocktrack.data_folder import DataFolder
from stocktrack.errors import Reason, SessionEnd
from stocktrack.feed import Feed
from stocktrack.providers.base import Provider
from stocktrack.providers.registry import build_providers
from stocktrack.server import TcpServer
from stocktrack.session import SessionRules
from stocktrack.sessions import SessionLimits, Sessions
from stocktrack.store import Store

log = structlog.get_logger()

# Descriptors that are not sessions: the database, the sources' sockets, logs, and some to spare.
DESCRIPTOR_RESERVE = 128
FLUSH_SECONDS = 3.0
# Each later step of closing may take this long; together with the flush the server is gone within five seconds.
CLOSE_STEP_SECONDS = 0.6
RETRY_AFTER_SHUTDOWN_MS = 5_000


class App:
    """One running server. `start`, then use, then `close`; `providers` replaces the configured ones in tests."""

    def __init__(
        self, settings: Settings, *, clock: Clock | None = None, providers: Sequence[Provider] | None = None
    ) -> None:
        self.settings = settings
        clock = clock or RealClock()
        self._folder = DataFolder(settings.data_dir)
        self._store = Store(settings.database)
        self.accounts = Accounts(self._store, clock, login_failures_per_minute=settings.login_failures_per_minute)
        self.board = Board()
        self.feed = Feed(
            build_providers(settings, clock) if providers is None else providers,
            self.board,
            clock,
            poll_interval_seconds=settings.poll_interval_seconds,
            timeout_seconds=settings.provider_timeout_seconds,
        )
        rules = SessionRules(
            server=f"stocktrack/{__version__}",
            instance=secrets.token_hex(2),
            push_interval_seconds=settings.push_interval_seconds,
            heartbeat_seconds=settings.heartbeat_seconds,
            max_line_bytes=settings.max_line_bytes,
            max_symbols=settings.max_symbols,
            commands_per_second=settings.commands_per_second,
            command_burst=settings.command_burst,
        )
        limits = SessionLimits(
            max_sessions=min(settings.max_sessions, _descriptors() - DESCRIPTOR_RESERVE),
            max_unauthenticated_sessions=settings.max_unauthenticated_sessions,
            max_sessions_per_user=settings.max_sessions_per_user,
            max_sessions_per_address=settings.max_sessions_per_address,
            auth_timeout_seconds=settings.auth_timeout_seconds,
            slow_client_timeout_seconds=settings.slow_client_timeout_seconds,
        )
        self.sessions = Sessions(rules, limits, accounts=self.accounts, feed=self.feed, board=self.board, clock=clock)
        self.server = TcpServer(self.sessions, clock, max_line_bytes=settings.max_line_bytes)

    async def start(self) -> None:
        """Start everything, the door last; on an error what was started is closed again."""
        try:
            self._folder.lock()
            await self._store.open()
            await self.accounts.start()
            await self.feed.start()
            self.sessions.start()
            await self.server.start(self.settings.host, self.settings.port)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close in order: no new clients, tell every session, let them take it, then the sources and the database."""
        self.server.stop_listening()
        self.sessions.end_all(
            SessionEnd(Reason.SHUTDOWN, "The server is stopping.", retry_after_ms=RETRY_AFTER_SHUTDOWN_MS)
        )
        await self.server.close(FLUSH_SECONDS)
        await _within_a_step("sessions", self.sessions.close)
        await _within_a_step("sources", self.feed.close)
        await _within_a_step("accounts", self.accounts.close)
        await _within_a_step("database", self._store.close)
        self._folder.unlock()


async def _within_a_step(what: str, close: Callable[[], Awaitable[None]]) -> None:
    try:
        async with asyncio.timeout(CLOSE_STEP_SECONDS):
            await close()
    except TimeoutError:
        log.warning("closing took too long and was given up", what=what)
    except Exception:
        # Whatever it is, the steps after it, the database among them, must still be taken.
        log.exception("closing failed unexpectedly", what=what)


async def serve(app: App) -> None:
    """Run `app` until the first SIGINT or SIGTERM; a second one ends the process at once with 130 or 143."""
    stop = asyncio.Event()

    def on_signal(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        log.info("stopping", signal=signal.Signals(number).name, sessions=len(app.sessions))
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal, number)
    try:
        start = asyncio.ensure_future(app.start())
        stopped = asyncio.ensure_future(stop.wait())
        await asyncio.wait({start, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if start.done():
            start.result()
            await _say_ready(app)
            await stopped
        else:
            start.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await start
            return
        await app.close()
        log.info("stopped")
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def _say_ready(app: App) -> None:
    # What was made so far lives as long as the server: the garbage collector need not look at it again.
    gc.collect()
    gc.freeze()
    hints = {}
    if not await app.accounts.list():
        hints["hint"] = "there are no users yet; add one with: stocktrack users add NAME"
    host, port = app.server.addresses[0]
    log.info("ready", host=host, port=port, providers=",".join(app.settings.providers), pid=os.getpid(), **hints)


def raise_descriptor_limit() -> None:
    """Allow as many open sockets as the system lets this process have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _descriptors() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft if soft != resource.RLIM_INFINITY else 1_048_576


def run(settings: Settings) -> None:
    """Run a server until it is told to stop, on the event loop that the settings choose."""
    raise_descriptor_limit()
    with asyncio.Runner(loop_factory=_loop_factory(settings)) as runner:
        runner.run(serve(App(settings)))


def _loop_factory(settings: Settings) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if settings.event_loop == "asyncio":
        return None
    try:
        import uvloop  # noqa: PLC0415 - not there on every platform
    except ImportError:
        if settings.event_loop == "uvloop":
            raise
        return None
    return uvloop.new_event_loop
