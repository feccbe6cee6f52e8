import asyncio
import gc
from typing import Any

import pytest

from stocktrack.client.connection import within
from stocktrack.clock import ManualClock, settle


async def test_what_is_done_in_time_is_returned_or_raised() -> None:
    async def fails() -> None:
        raise ZeroDivisionError

    assert await within(ManualClock(), 1, asyncio.sleep(0, "done")) == "done"
    with pytest.raises(ZeroDivisionError):
        await within(ManualClock(), 1, fails())


async def test_what_takes_too_long_is_cancelled_and_gone_before_the_timeout_is_raised() -> None:
    clock = ManualClock()
    work: asyncio.Task[None] = asyncio.create_task(asyncio.Event().wait())  # type: ignore[arg-type]  # never returns
    waiting = asyncio.create_task(within(clock, 3, work))
    await clock.advance(2.9)
    assert not waiting.done()
    await clock.advance(0.2)
    with pytest.raises(TimeoutError):
        await waiting
    assert work.cancelled()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_work_that_needs_some_turns_to_end_is_waited_for_even_if_one_is_cancelled_twice() -> None:
    async def slow_to_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await settle()

    waiting = asyncio.create_task(within(ManualClock(), 3, slow_to_end()))
    await settle()
    for _ in range(2):
        waiting.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    await asyncio.wait((waiting,))
    assert waiting.cancelled()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_work_that_fails_in_the_moment_of_being_cancelled_is_no_complaint_of_the_loop() -> None:
    complaints: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    gate = loop.create_future()

    async def fails() -> None:
        await gate
        raise ZeroDivisionError

    waiting = asyncio.create_task(within(ManualClock(), 3, fails()))
    await settle()
    gate.set_result(None)
    waiting.cancel()
    await asyncio.wait((waiting,))
    assert waiting.cancelled()
    del waiting  # it holds the frames that hold the task that failed
    gc.collect()
    assert complaints == []
