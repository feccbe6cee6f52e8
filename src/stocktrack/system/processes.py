"""A process that runs until it is told to stop: its signals, its event loop, and how many files it may open."""

import asyncio
import contextlib
import errno
import os
import resource
import signal
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

import structlog

log = structlog.get_logger()

OUT_OF_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class LoopComplaints:
    """What the event loop calls with errors that nobody waits for; that nothing can be accepted it says in each try."""

    def __init__(self) -> None:
        self._quiet_until = 0.0

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log it; the same want of descriptors once a minute."""
        error = context.get("exception")
        if not (isinstance(error, OSError) and error.errno in OUT_OF_RESOURCES):
            loop.default_exception_handler(context)
        elif loop.time() >= self._quiet_until:
            self._quiet_until = loop.time() + 60.0
            log.error("new clients cannot be accepted", why=error.strerror, hint="allow more open files: ulimit -n")


async def run_until_told(
    start: Callable[[], Awaitable[None]],
    close: Callable[[], Awaitable[None]],
    *,
    ready: Callable[[], Awaitable[None]],
    reload: Callable[[], None] | None = None,
    facts: Callable[[], Mapping[str, object]] = dict,
    at_second: Callable[[int], None] = lambda number: os._exit(128 + number),
) -> None:
    """Start, say that it is ready, and close at the first SIGINT or SIGTERM; a second one ends the process at once.

    It then exits with 130 or 143, unless `at_second` does something else. SIGHUP calls `reload`, where there is one;
    `facts()` stand in the log's line about stopping.
    """
    stop = asyncio.Event()

    def on_signal(number: int) -> None:
        if stop.is_set():
            at_second(number)
            return
        log.info("stopping", signal=signal.Signals(number).name, **facts())
        stop.set()

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(LoopComplaints())
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal, number)
    if reload is not None:
        loop.add_signal_handler(signal.SIGHUP, reload)
    try:
        starting = asyncio.ensure_future(start())
        stopped = asyncio.ensure_future(stop.wait())
        await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            await ready()
            await stopped
        else:
            starting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await starting
            return
        await close()
        log.info("stopped")
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)


def raise_descriptor_limit() -> None:
    """Allow as many open sockets as the system lets this process have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def loop_factory(choice: Literal["auto", "uvloop", "asyncio"]) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes the event loop that the setting `event_loop` asks for; None for Python's own."""
    if choice == "asyncio":
        return None
    try:
        import uvloop  # noqa: PLC0415 - not there on every platform
    except ImportError:
        if choice == "uvloop":
            raise
        return None
    return uvloop.new_event_loop
