"""A child's process: a worker that serves clients, or the feed. It ends when its parent does, however that ended.

Its standard input is the talk with the parent, and its log is the parent's standard error.
"""

import asyncio
import contextlib
import itertools
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import structlog

from stocktrack.app import App, Worker, settle_memory
from stocktrack.clock import end
from stocktrack.errors import ConfigError
from stocktrack.feeding.process import run_feed
from stocktrack.system.logs import configure_logs, set_log_level
from stocktrack.system.processes import loop_factory, raise_descriptor_limit, run_until_told
from stocktrack.web.together import Told
from stocktrack.workers.brief import Brief
from stocktrack.workers.talk import Talk, encoded, read_first

log = structlog.get_logger()

# The parent answers within a second, with what it has by then.
GATHER_SECONDS: Final = 2.0
# Within this a child that lost its parent has told its clients, or it is stuck.
_LAST_SECONDS: Final = 6.0
_TOLD_BY_THE_PARENT: Final = 1


class Kin:
    """The other processes, as this one knows them: by the parent. Satisfies `Together` and the feed's `Parent`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._talk: Talk | None = None
        self._tell: Callable[[str], Awaitable[object]] | None = None
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Told]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.on_reload: Callable[[], None] = lambda: None

    async def run(self, ours: socket.socket) -> None:
        """Talk with the parent, until that ends."""
        self._talk = await Talk.opened(ours)
        try:
            async for line in self._talk.lines():
                self._take(line)
        finally:
            await end(*self._tasks)
            self._talk.close()

    def say_ready(self, facts: Mapping[str, object], tell: Callable[[str], Awaitable[object]]) -> None:
        """Say that this process is ready, and what it is to be called with for what others ask it."""
        settle_memory()
        self._tell = tell
        if self._talk is not None:
            self._talk.say(ready=dict(facts))

    async def gather(self, what: str) -> Told:
        """What all processes tell when they are asked `what`."""
        number = next(self._numbers)
        told: asyncio.Future[Told] = asyncio.get_running_loop().create_future()
        self._waiting[number] = told
        try:
            if self._talk is not None:
                self._talk.say(gather=number, what=what)
            async with asyncio.timeout(GATHER_SECONDS):
                await told
        except TimeoutError:
            return Told({}, {"parent": "It does not answer."})
        else:
            return told.result()
        finally:
            del self._waiting[number]

    def _take(self, line: Mapping[str, Any]) -> None:
        match line:
            case {"collect": int(number), "what": str(what)}:
                task = asyncio.create_task(self._collect(number, what), name=f"tell {what}")
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            case {"gathered": int(number), "answers": dict(answers), "missing": dict(missing)}:
                waiting = self._waiting.get(number)
                if waiting is not None and not waiting.done():
                    waiting.set_result(Told(answers, missing))
            case {"reload": _}:
                self.on_reload()

    async def _collect(self, number: int, what: str) -> None:
        # With nothing to ask yet, or nothing asked for, it says that it is there.
        told = await self._tell(what) if self._tell is not None and what else None
        if self._talk is not None:
            self._talk.say(collected=number, told=told)


async def _work(brief: Brief, ours: socket.socket) -> None:
    kin = Kin(brief.name)
    talking = asyncio.create_task(kin.run(ours), name="talk with the parent")
    try:
        settings = brief.load().settings
        if brief.role == "feed":
            kin.on_reload = lambda: _reload_log_level(brief)
            await run_feed(settings, kin)
            return
        app = App(settings, worker=Worker(kin, is_first=brief.is_first))

        async def ready() -> None:
            operator = app.web.operator

            async def tell(what: str) -> object:
                return None if operator is None else await operator.tell(what)

            kin.on_reload = lambda: app.reload(brief.load)
            kin.say_ready({"page": app.web.address}, tell)

        await run_until_told(
            app.start,
            app.close,
            ready=ready,
            facts=lambda: {"sessions": len(app.sessions)},
            at_second=lambda _number: None,
        )
    finally:
        await end(talking)


def _reload_log_level(brief: Brief) -> None:
    """Take over what of the settings a feed can change while it runs."""
    try:
        set_log_level(brief.load().settings.log_level)
    except ConfigError as error:
        log.error("settings not reloaded, the old ones stay", why=str(error))  # noqa: TRY400 - it says all


def _end_with_parent(line: int) -> None:
    """End this process in order when the parent is gone, and in any case soon; it runs in a thread of its own."""
    poll = select.poll()
    poll.register(line, 0)  # that the other end is closed is told without being asked for
    poll.poll()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_LAST_SECONDS)
    os._exit(128 + signal.SIGTERM)


def _take_line() -> socket.socket:
    """The talk with the parent, taken off standard input, which no process that is started here may inherit."""
    ours = socket.socket(fileno=os.dup(0))
    ours.set_inheritable(False)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return ours


def main() -> int:
    """Be the child that the parent asks for; the exit code is 1 where that cannot be."""
    ours = _take_line()
    told = read_first(ours)
    if told is None:
        return 1
    brief = Brief(**told)
    # The parent says when to reload; what is sent to all processes of a group or a service ends none of them.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(os.dup(ours.fileno()),), name="parent", daemon=True).start()
    try:
        settings = brief.load().settings
        configure_logs(settings.log_format, settings.log_level, fields={"process": brief.name})
        raise_descriptor_limit()
        with asyncio.Runner(loop_factory=loop_factory(settings.event_loop)) as runner:
            runner.run(_work(brief, ours.dup()))
    except ConfigError as error:
        with contextlib.suppress(OSError):
            ours.setblocking(True)
            ours.sendall(encoded({"failed": str(error)}))
        return _TOLD_BY_THE_PARENT
    return 0


if __name__ == "__main__":
    sys.exit(main())
