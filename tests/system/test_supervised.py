import asyncio
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from fakes import SteadyRandom
from stocktrack.clock import ManualClock, settle
from stocktrack.system.supervised import STEADY_SECONDS, Supervisor


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def supervisor(clock: ManualClock) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(clock, SteadyRandom())
    yield supervisor
    await supervisor.close()


class Work:
    """A task's work: each run waits until it is told how to end."""

    def __init__(self) -> None:
        self.runs = 0
        self._end: asyncio.Future[None]

    async def __call__(self) -> None:
        self.runs += 1
        self._end = asyncio.get_running_loop().create_future()
        await self._end

    async def fail(self, error: BaseException | None = None) -> None:
        """Have the run that waits end with `error`, or as if it were done."""
        if isinstance(error, asyncio.CancelledError):
            self._end.cancel()
        elif error is not None:
            self._end.set_exception(error)
        else:
            self._end.set_result(None)
        await settle()


@pytest.mark.parametrize("error", [KeyError("a mistake"), asyncio.CancelledError(), None])
async def test_a_task_that_ends_however_is_logged_counted_and_started_again(
    supervisor: Supervisor, clock: ManualClock, error: BaseException | None
) -> None:
    work = Work()
    supervisor.run("poll", work)
    await settle()
    with capture_logs() as logs:
        await work.fail(error)
    [line] = logs
    assert (line["event"], line["task"], line["log_level"]) == (
        *("a task failed unexpectedly and is started again", "poll"),
        "error",
    )
    assert isinstance(line["exc_info"], BaseException)
    assert (supervisor.failures["poll"], supervisor.failing, work.runs) == (1, ("poll",), 1)
    await clock.advance(1)
    assert work.runs == 2


async def test_a_task_is_well_again_when_it_has_run_for_a_while(supervisor: Supervisor, clock: ManualClock) -> None:
    work = Work()
    supervisor.run("poll", work)
    await settle()
    assert list(supervisor.failing) == []
    await work.fail(KeyError("a mistake"))
    await clock.advance(1)
    assert list(supervisor.failing) == ["poll"]
    await clock.advance(STEADY_SECONDS)
    assert list(supervisor.failing) == []
    assert supervisor.failures["poll"] == 1


async def test_restarts_come_later_and_later_while_it_goes_on_failing_and_soon_after_it_was_steady(
    supervisor: Supervisor, clock: ManualClock
) -> None:
    work = Work()
    supervisor.run("poll", work)
    await settle()

    async def seconds_to_the_restart() -> float:
        before, runs = clock.monotonic(), work.runs
        await work.fail(KeyError("a mistake"))
        while work.runs == runs:
            await clock.advance(0.5)
        return clock.monotonic() - before

    assert [await seconds_to_the_restart() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    await clock.advance(STEADY_SECONDS)
    assert await seconds_to_the_restart() == 1


async def test_one_that_fails_disturbs_no_other(supervisor: Supervisor) -> None:
    poll, stream = Work(), Work()
    supervisor.run("poll", poll)
    supervisor.run("stream", stream)
    await settle()
    await poll.fail(KeyError("a mistake"))
    assert supervisor.failing == ("poll",)
    assert stream.runs == 1


@pytest.mark.parametrize("is_waiting", [False, True])
async def test_close_leaves_no_task_also_while_one_waits_for_its_restart(clock: ManualClock, is_waiting: bool) -> None:
    supervisor, work = Supervisor(clock), Work()
    supervisor.run("poll", work)
    await settle()
    if is_waiting:
        await work.fail(KeyError("a mistake"))
    await supervisor.close()
    await clock.advance(3_600)
    assert work.runs == 1
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
