"""Runs a feed with its health door until it is told to stop."""

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import structlog

from stocktrack.clock import RealClock
from stocktrack.config import Settings
from stocktrack.feeding.feed import FeedProcess
from stocktrack.feeding.health import FeedHealth
from stocktrack.providers.registry import build_providers
from stocktrack.sinks.registry import build_outlets
from stocktrack.system.addresses import address_text
from stocktrack.system.processes import run_until_told
from stocktrack.web.server import OPERATOR_CONNECTIONS, WebServer

log = structlog.get_logger()

_CLOSE_SECONDS = 1.0


class Parent(Protocol):
    """The process that started this one, and looks after it and others."""

    def say_ready(self, facts: Mapping[str, object], tell: Callable[[str], Awaitable[object]]) -> None:
        """Say that this one is ready, and what it is to be called with for what others ask it."""
        ...


async def run_feed(settings: Settings, parent: Parent | None = None) -> None:
    """Run a feed until SIGINT or SIGTERM; `ConfigError` where it cannot be run. With a parent that one says so."""
    clock = RealClock()
    # What cannot be used is said now, and not by whoever comes to lead.
    build_providers(settings, clock)
    build_outlets(settings.publish_to, "", clock)
    feed = FeedProcess(settings, clock)
    pages = FeedHealth(feed, clock)
    health = WebServer(
        pages,
        clock,
        max_message_bytes=settings.max_line_bytes,
        tls=None,
        max_connections=OPERATOR_CONNECTIONS,
        setting="metrics_port",
        flag="--metrics-port",
    )

    async def start() -> None:
        try:
            if settings.metrics_port is not None:
                await health.start(settings.metrics_host or settings.host, settings.metrics_port)
            await feed.start()
        except BaseException:
            await close()
            raise

    async def close() -> None:
        health.stop_listening()
        await feed.close()
        await health.close(_CLOSE_SECONDS)

    async def ready() -> None:
        if parent is not None:
            parent.say_ready({}, pages.tell)
            return
        door = {"health": f"http://{address_text(*health.addresses[0])}/"} if health.addresses else {}
        log.info("ready", redis=feed.place, providers=",".join(settings.providers), pid=os.getpid(), **door)

    if parent is None:
        await run_until_told(start, close, ready=ready)
    else:
        # A second signal may be the first one, sent to all processes and by the parent.
        await run_until_told(start, close, ready=ready, at_second=lambda _number: None)
