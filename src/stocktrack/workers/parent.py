"""The parent of a server with several workers: it has the data folder and the ports, and looks after its children."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from typing import Any, Final

import structlog

from stocktrack.accounts.tokens import open_signer
from stocktrack.clock import Clock, RealClock, end, within
from stocktrack.config import Settings
from stocktrack.doors.tls import PLAIN_TEXT
from stocktrack.engine.client import EngineError, open_redis, place_of, translated
from stocktrack.errors import ConfigError
from stocktrack.storage.store import Store
from stocktrack.system.data_folder import DataFolder
from stocktrack.system.processes import run_until_told
from stocktrack.system.running_servers import RunningServers
from stocktrack.workers.brief import briefs
from stocktrack.workers.offspring import Offspring
from stocktrack.workers.ports import ReservedPorts

log = structlog.get_logger()

# For what is asked of all; whoever has not answered by then is named as missing.
GATHER_SECONDS: Final = 1.0
# Children close within five seconds, and so does their parent.
_CLOSE_SECONDS: Final = 4.7
_REDIS_SECONDS: Final = 2.0


class Workers:
    """A server of several processes. `start`, then `close`; what cannot be is a `ConfigError`."""

    def __init__(
        self, settings: Settings, flags: Mapping[str, Any], config_file: str | None, *, clock: Clock | None = None
    ) -> None:
        self._settings = settings
        self._flags = flags
        self._config_file = config_file
        self._clock = clock or RealClock()
        self._folder = DataFolder(settings.data_dir, log.warning)
        self._running_servers = RunningServers()
        self._ports = ReservedPorts()
        self._tasks: list[asyncio.Task[None]] = []
        self._answering: set[asyncio.Task[None]] = set()
        self._has_users = True
        self.port = settings.port
        self.children: list[Offspring] = []

    async def start(self) -> None:
        """Do once what is to be done once, then start the children and wait until all are ready."""
        try:
            await self._check_redis()
            self._folder.lock()
            ports = self._reserve()
            open_signer(
                self._settings.token_secret,
                self._clock,
                is_loopback=self._settings.is_loopback,
                warn=lambda _weakness: None,
            )
            await self._prepare_database()
            self.children = [
                Offspring(brief, self._clock, gather=self._gather_later)
                for brief in briefs(self._settings, self._flags, self._config_file, ports)
            ]
            self._tasks = [asyncio.create_task(child.run(), name=child.name) for child in self.children]
            await self._until_ready()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End all children in order, and those that do not end, at once; then give up ports and folder."""
        for child in self.children:
            child.signal(signal.SIGTERM)
        # From now on none is started again.
        ending = asyncio.gather(*(child.ended() for child in self.children))
        await end(*self._tasks, *self._answering)
        try:
            await within(self._clock, _CLOSE_SECONDS, ending)
        except TimeoutError:
            stuck = [child.name for child in self.children if child.is_running]
            log.warning("closing took too long and was given up", what=", ".join(stuck))
            self.kill()
            await asyncio.gather(*(child.ended() for child in self.children))
        self._ports.close()
        self._running_servers.unregister()
        self._folder.unlock()

    def kill(self) -> None:
        """End all children at once."""
        for child in self.children:
            child.signal(signal.SIGKILL)

    def reload(self) -> None:
        """Have all children take over their settings anew."""
        for child in self.children:
            child.say(reload=True)

    async def say_ready(self) -> None:
        """Tell the log that all are ready, and where."""
        settings = self._settings
        facts: dict[str, object] = {}
        if not settings.is_loopback and settings.tls_cert is None:
            log.warning(PLAIN_TEXT, host=settings.host)
        if not self._has_users:
            facts["hint"] = "there are no users yet; add one with: stocktrack users add NAME"
        pages = [page for child in self.children if (page := child.facts.get("page"))]
        if pages:
            facts["page"] = pages[0]
        log.info(
            "ready",
            host=settings.host,
            port=self.port,
            providers=",".join(settings.providers),
            pid=os.getpid(),
            workers=settings.workers,
            pids={child.name: child.pid for child in self.children},
            **facts,
        )

    # --- before there are children -------------------------------------------------------------------------------

    async def _check_redis(self) -> None:
        redis = open_redis(self._settings.redis_home, timeout_seconds=_REDIS_SECONDS)
        place = place_of(self._settings.redis_home)
        try:
            with translated(place):
                await redis.ping()
        except EngineError as error:
            raise ConfigError(
                f"workers = {self._settings.workers}: workers get their prices by Redis. {error.message} "
                "Start it, or name another by --redis-url or STOCKTRACK_REDIS_URL; a Unix socket is best, such as "
                "unix:///run/redis/redis.sock."
            ) from None
        finally:
            with contextlib.suppress(Exception):  # it is given up in any case
                await redis.aclose()

    def _reserve(self) -> dict[str, int | None]:
        settings = self._settings
        self.port = self._ports.reserve(settings.host, settings.port, setting="port", flag="--port")
        ports: dict[str, int | None] = {"port": self.port, "web_port": None, "metrics_port": None}
        if settings.web_port is not None:
            ports["web_port"] = self._ports.reserve(
                settings.host, settings.web_port, setting="web_port", flag="--web-port"
            )
        if settings.metrics_port is not None:
            ports["metrics_port"] = self._ports.reserve(
                settings.metrics_host or settings.host,
                settings.metrics_port,
                setting="metrics_port",
                flag="metrics_port in the settings",
            )
        return ports

    async def _prepare_database(self) -> None:
        """Bring the tables up to date, which is no work for several at once."""
        store = Store(self._settings.database)
        try:
            await store.open()
            self._has_users = bool(await store.users())
        finally:
            await store.close()
        self._running_servers.register(store.label)

    async def _until_ready(self) -> None:
        waiting = {child.was_ready for child in self.children}
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            failures = [failure for each in done if (failure := each.exception()) is not None]
            if failures:
                raise failures[0]

    # --- what a child asks of all --------------------------------------------------------------------------------

    def _gather_later(self, asking: Offspring, number: int, what: str) -> None:
        task = asyncio.create_task(self._answer(asking, number, what), name=f"gather {what}")
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, asking: Offspring, number: int, what: str) -> None:
        asked = {child.name: asyncio.create_task(self._ask(child, what)) for child in self.children}
        try:
            await asyncio.wait(asked.values(), timeout=GATHER_SECONDS)
            answers, missing = {}, {}
            for name, task in asked.items():
                if not task.done():
                    missing[name] = f"It did not answer within {GATHER_SECONDS:g} s."
                elif (error := task.exception()) is not None:
                    missing[name] = str(error)
                else:
                    answers[name] = task.result()
            asking.say(gathered=number, answers=answers, missing=missing)
        finally:
            await end(*asked.values())

    async def _ask(self, child: Offspring, what: str) -> Any:
        if not child.is_ready:
            raise ConnectionError("It is being started.")
        return await child.ask(what)


async def _run(workers: Workers) -> None:
    def end_at_once(number: int) -> None:
        workers.kill()
        os._exit(128 + number)

    await run_until_told(
        workers.start,
        workers.close,
        ready=workers.say_ready,
        reload=workers.reload,
        facts=lambda: {"workers": len(workers.children)},
        at_second=end_at_once,
    )


def run(settings: Settings, flags: Mapping[str, Any], config_file: str | None) -> None:
    """Run a server of several processes until it is told to stop."""

    async def work() -> None:
        await _run(Workers(settings, flags, config_file))

    asyncio.run(work())
