"""One child of the parent: its process, started again whenever it ends, and what it says."""

import asyncio
import contextlib
import itertools
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any, Final

import structlog

from stocktrack.clock import Clock, backoff_seconds, end
from stocktrack.errors import ConfigError
from stocktrack.system.supervised import RESTART_FIRST_SECONDS, RESTART_LONGEST_SECONDS, STEADY_SECONDS
from stocktrack.workers.brief import Brief
from stocktrack.workers.talk import Talk

log = structlog.get_logger()

_PROGRAM: Final = (sys.executable, "-m", "stocktrack.workers.child")
LOOK_SECONDS: Final = 1.0
# A child that has said nothing so many times in a row is stuck: clients that the kernel deals out to it wait for ever.
STUCK_AFTER: Final = 15


class Offspring:
    """Keeps one child running. `run` until it is cancelled, and `ended` when its process is gone.

    `gather(child, number, what)` is called with what the child asks of all.
    """

    def __init__(
        self,
        brief: Brief,
        clock: Clock,
        *,
        gather: Callable[["Offspring", int, str], None],
        program: tuple[str, ...] = _PROGRAM,
    ) -> None:
        self.brief = brief
        self.restarts = 0
        self.pid: int | None = None
        self.facts: dict[str, Any] = {}
        self.is_ready = False
        self.was_ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._clock = clock
        self._gather = gather
        self._program = program
        self._rng = random.Random()  # noqa: S311 - it spreads restarts, it keeps no secret
        self._process: asyncio.subprocess.Process | None = None
        self._talk: Talk | None = None
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._said = ""

    @property
    def name(self) -> str:
        """What the child is called."""
        return self.brief.name

    @property
    def is_running(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and self._process.returncode is None

    def signal(self, number: int) -> None:
        """Send a signal to the child's process, if there is one."""
        if self.is_running and self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def say(self, **what: Any) -> None:
        """Say something to the child."""
        if self._talk is not None:
            self._talk.say(**what)

    async def ask(self, what: str) -> Any:
        """What the child tells; cancel it where that takes too long. `ConnectionError` where there is no child."""
        if self._talk is None:
            raise ConnectionError("It is being started.")
        number = next(self._numbers)
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            self._talk.say(collect=number, what=what)
            return await answer
        finally:
            del self._asked[number]

    async def run(self) -> None:
        """Start the child, and again whenever it ends; one that never became ready is a failure of `was_ready`."""
        in_a_row = 0
        while True:
            began = self._clock.monotonic()
            try:
                code = await self._live()
            except OSError as error:  # no process, or no descriptor, is left: that may pass
                code, self._said = 1, f"The {self.name} cannot be started: {error.strerror or error}."
            if not self.was_ready.done():
                said = (
                    self._said or f"The {self.name} ended with {_ending(code)} before it was ready; the log says why."
                )
                self.was_ready.set_exception(ConfigError(said))
                return
            in_a_row = 1 if self._clock.monotonic() - began >= STEADY_SECONDS else in_a_row + 1
            seconds = backoff_seconds(
                in_a_row, first=RESTART_FIRST_SECONDS, longest=RESTART_LONGEST_SECONDS, jitter=self._rng.random()
            )
            self.restarts += 1
            more = {"why": self._said} if self._said else {}
            # One that ended in order was told to by somebody.
            (log.error if code else log.info)(
                "a process ended and is started again",
                process=self.name,
                ended_with=_ending(code),
                in_seconds=round(seconds, 1),
                **more,
            )
            await self._clock.sleep(seconds)

    async def ended(self) -> None:
        """Return when the child's process is gone, if there is one."""
        if self._process is not None:
            await self._process.wait()

    async def _live(self) -> int:
        """One life of the child, from its start to its end; its exit code."""
        ours, theirs = socket.socketpair()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._program,
                self.name,  # for whoever looks at the list of processes
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                # What a terminal sends to all of its processes reaches the parent alone, which ends them in order.
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self.pid, self._said = self._process.pid, ""
        looking = None
        try:
            self._talk = await Talk.opened(ours)
            self._talk.say(**self.brief.values())
            looking = asyncio.create_task(self._look(), name=f"look after {self.name}")
            async for line in self._talk.lines():
                self._take(line)
            return await self._process.wait()
        finally:
            self.is_ready = False
            if looking is not None:
                await end(looking)
            if self._talk is not None:
                self._talk.close()
                self._talk = None
            for answer in self._asked.values():
                if not answer.done():
                    answer.set_exception(ConnectionError("It has ended."))

    def _take(self, line: dict[str, Any]) -> None:
        match line:
            case {"ready": dict(facts)}:
                self.facts, self.is_ready = facts, True
                if not self.was_ready.done():
                    self.was_ready.set_result(None)
                else:
                    log.info("a process is back", process=self.name, pid=self.pid)
            case {"failed": str(why)}:
                self._said = why
            case {"collected": int(number), "told": told}:
                answer = self._asked.get(number)
                if answer is not None and not answer.done():
                    answer.set_result(told)
            case {"gather": int(number), "what": str(what)}:
                self._gather(self, number, what)

    async def _look(self) -> None:
        """End the process where it says nothing for long.

        Times in a row are counted, and not seconds: those pass for a parent that was stopped itself, too.
        """
        unanswered = 0
        waiting: asyncio.Task[Any] | None = None
        try:
            while unanswered < STUCK_AFTER:
                if waiting is None:
                    waiting = asyncio.create_task(self.ask(""), name=f"ask {self.name}")
                await self._clock.sleep(LOOK_SECONDS)
                if not self.is_ready or waiting.done():
                    unanswered = 0
                    if waiting.done():
                        with contextlib.suppress(ConnectionError):
                            waiting.result()
                        waiting = None
                else:
                    unanswered += 1
            log.error("a process is stuck and is ended", process=self.name, pid=self.pid, seconds=STUCK_AFTER)
            self.signal(signal.SIGKILL)
        finally:
            if waiting is not None:
                await end(waiting)


def _ending(code: int) -> str:
    if code >= 0:
        return f"code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
