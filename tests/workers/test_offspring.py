"""A child that is looked after: its real process is a small program of these tests."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from live_server import until
from stocktrack.clock import ManualClock, end
from stocktrack.errors import ConfigError
from stocktrack.workers.brief import Brief
from stocktrack.workers.offspring import STUCK_AFTER, Offspring

BRIEF = Brief("worker 1", "worker", {}, None, {})
PROGRAM = """
import json, socket, sys, time
# A file for each direction: one for both forgets what it has read ahead whenever it writes.
ends = socket.socket(fileno=0)
line, out = ends.makefile("r"), ends.makefile("w")
def say(**what):
    out.write(json.dumps(what) + "\\n")
    out.flush()
assert json.loads(line.readline())["name"] == "worker 1"
{}
"""
SERVES = """
say(ready={"page": None})
for each in line:
    asked = json.loads(each)
    if asked["what"] == "die":
        sys.exit(3)
    if asked["what"] != "nothing":
        say(collected=asked["collect"], told=asked["what"].upper())
"""
IS_STUCK = """
say(ready={})
line.read()
"""


class Scene:
    """A child and its clock."""

    def __init__(self, program: str) -> None:
        self.clock = ManualClock()
        self.child = Offspring(
            BRIEF,
            self.clock,
            gather=lambda _child, _number, _what: None,
            program=(sys.executable, "-c", PROGRAM.replace("{}", program)),
        )


@contextlib.asynccontextmanager
async def a_child(program: str) -> AsyncIterator[Scene]:
    scene = Scene(program)
    task = asyncio.create_task(scene.child.run())
    try:
        yield scene
    finally:
        scene.child.signal(signal.SIGKILL)
        await end(task)
        await scene.child.ended()


async def test_a_child_tells_what_it_is_asked() -> None:
    async with a_child(SERVES) as scene:
        await scene.child.was_ready
        assert await scene.child.ask("metrics") == "METRICS"


async def test_a_child_that_ends_is_started_again_after_a_while_and_who_asks_meanwhile_learns_that() -> None:
    async with a_child(SERVES) as scene:
        child = scene.child
        await child.was_ready
        first = child.pid
        with capture_logs() as logs:
            with pytest.raises(ConnectionError):
                await child.ask("die")
            await until(lambda: child.restarts == 1)
            with pytest.raises(ConnectionError):
                await child.ask("metrics")
            await scene.clock.advance(1.3)
            await until(lambda: child.is_ready)
        assert child.pid != first
        events = [(entry["event"], entry.get("ended_with")) for entry in logs]
        assert events == [("a process ended and is started again", "code 3"), ("a process is back", None)]


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ('say(failed="Port 7 is taken.")\nsys.exit(1)', r"Port 7 is taken\."),
        ("sys.exit(4)", "The worker 1 ended with code 4 before it was ready"),
    ],
)
async def test_a_child_that_never_was_ready_is_not_started_again_and_says_why(program: str, why: str) -> None:
    async with a_child(program) as scene:
        with pytest.raises(ConfigError, match=why):
            await scene.child.was_ready
        assert scene.child.restarts == 0


async def test_a_process_that_cannot_be_made_is_told_and_later_tried_again() -> None:
    async with a_child(SERVES) as scene:
        child, program = scene.child, scene.child._program
        await child.was_ready
        child._program = ("/no/such/program",)  # as fails what has no descriptor or no process left
        with capture_logs() as logs:
            with pytest.raises(ConnectionError):
                await child.ask("die")
            await until(lambda: child.restarts == 1)
            await scene.clock.advance(1.3)
            await until(lambda: child.restarts == 2)
            child._program = program
            await scene.clock.advance(2.6)
            await until(lambda: child.is_ready)
        whys = [entry.get("why") for entry in logs]
        assert whys == [None, "The worker 1 cannot be started: No such file or directory.", None]


async def test_a_first_process_that_cannot_be_made_ends_the_start() -> None:
    child = Offspring(BRIEF, ManualClock(), gather=lambda *_: None, program=("/no/such/program",))
    await child.run()
    with pytest.raises(ConfigError, match=r"The worker 1 cannot be started: No such file"):
        await child.was_ready


async def test_a_child_that_says_nothing_for_long_is_ended_and_started_again() -> None:
    async with a_child(IS_STUCK) as scene:
        await scene.child.was_ready
        with capture_logs() as logs:
            await scene.clock.advance(STUCK_AFTER - 1)
            assert scene.child.is_running
            await scene.clock.advance(1)
            await until(lambda: scene.child.restarts == 1)
        assert [entry["event"] for entry in logs] == [
            "a process is stuck and is ended",
            "a process ended and is started again",
        ]


async def test_a_parent_that_was_stopped_itself_takes_no_child_for_stuck() -> None:
    async with a_child(SERVES) as scene:
        await scene.child.was_ready
        scene.clock.stand_still(10 * STUCK_AFTER)
        await scene.clock.advance(1)
        assert scene.child.is_running
        assert scene.child.restarts == 0


async def test_a_child_is_in_a_session_of_its_own_so_that_a_terminal_interrupts_the_parent_alone() -> None:
    async with a_child(SERVES) as scene:
        await scene.child.was_ready
        assert scene.child.pid is not None
        assert os.getsid(scene.child.pid) != os.getsid(0)
