import asyncio
import gc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stocktrack.clock import Bell, Clock, ManualClock, RealClock, backoff_seconds, settle, within

# --- the manual clock --------------------------------------------------------------------------------------------


class Diary:
    """Sleepers that write down when they woke."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.entries: list[tuple[str, float]] = []
        self._tasks: list[asyncio.Task[None]] = []

    def sleeper(self, name: str, *naps: float) -> asyncio.Task[None]:
        async def sleep_on() -> None:
            for seconds in naps:
                await self._clock.sleep(seconds)
                self.entries.append((name, round(self._clock.monotonic(), 6)))

        task = asyncio.create_task(sleep_on())
        self._tasks.append(task)
        return task


async def test_both_faces_of_the_clock_move_by_what_is_advanced() -> None:
    clock = ManualClock(now_ms=1_000)

    await clock.advance(2.5)
    await clock.advance(0.25)

    assert clock.monotonic() == 2.75
    assert clock.now_ms() == 3_750


async def test_a_clock_that_is_not_advanced_stands_still() -> None:
    clock = ManualClock()
    diary = Diary(clock)
    task = diary.sleeper("early", 0.001)

    await settle(100)
    task.cancel()

    assert clock.monotonic() == 0.0
    assert diary.entries == []


async def test_sleepers_wake_in_the_order_of_their_times_and_see_their_own_time() -> None:
    clock = ManualClock()
    diary = Diary(clock)
    diary.sleeper("three", 3)
    diary.sleeper("one", 1)
    diary.sleeper("two", 2)

    await clock.advance(10)

    assert diary.entries == [("one", 1), ("two", 2), ("three", 3)]
    assert clock.monotonic() == 10


async def test_sleepers_of_one_time_wake_in_the_order_in_which_they_fell_asleep() -> None:
    clock = ManualClock()
    diary = Diary(clock)
    for name in "abcde":
        diary.sleeper(name, 1)

    await clock.advance(1)

    assert [name for name, _ in diary.entries] == list("abcde")


async def test_who_sleeps_again_within_the_advance_wakes_again() -> None:
    clock = ManualClock()
    diary = Diary(clock)
    diary.sleeper("often", *[0.1] * 10)
    diary.sleeper("once", 0.55)

    await clock.advance(1)

    assert diary.entries[4:7] == [("often", 0.5), ("once", 0.55), ("often", 0.6)]
    assert len(diary.entries) == 11


async def test_who_sleeps_longer_than_the_advance_sleeps_on() -> None:
    clock = ManualClock()
    diary = Diary(clock)
    diary.sleeper("late", 5)

    await clock.advance(4.9)
    before = list(diary.entries)
    await clock.advance(0.1)

    assert before == []
    assert diary.entries == [("late", 5)]


async def test_a_cancelled_sleeper_is_passed_over_and_the_next_one_wakes() -> None:
    clock = ManualClock()
    diary = Diary(clock)
    cancelled = diary.sleeper("cancelled", 1)
    diary.sleeper("next", 2)
    await settle()

    cancelled.cancel()
    await clock.advance(3)

    assert diary.entries == [("next", 2)]
    assert cancelled.cancelled()
    assert clock.monotonic() == 3


async def test_a_sleeper_that_is_woken_can_cancel_the_next() -> None:
    clock = ManualClock()
    diary = Diary(clock)
    victim = diary.sleeper("victim", 1)

    async def cancel_it() -> None:
        await clock.sleep(0.5)
        victim.cancel()

    task = asyncio.create_task(cancel_it())
    await clock.advance(2)

    assert task.done()
    assert diary.entries == []


@pytest.mark.parametrize("clock", [ManualClock(), RealClock()], ids=["manual", "real"])
@pytest.mark.parametrize("seconds", [0.0, -1.0])
async def test_a_sleep_of_nothing_gives_way_to_others_once(clock: Clock, seconds: float) -> None:
    order: list[str] = []

    async def sleep() -> None:
        order.append("before")
        await clock.sleep(seconds)
        order.append("after")

    async def other() -> None:
        order.append("other")

    await asyncio.gather(sleep(), other())

    assert order == ["before", "other", "after"]


@settings(deadline=None)
@given(st.lists(st.floats(0.001, 100), max_size=20), st.floats(0, 100))
async def test_an_advance_wakes_those_that_are_due_and_no_others(naps: list[float], seconds: float) -> None:
    clock = ManualClock()
    diary = Diary(clock)
    tasks = [diary.sleeper(str(nap), nap) for nap in naps]

    await clock.advance(seconds)
    awake = [float(name) for name, _ in diary.entries]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert awake == sorted(nap for nap in naps if nap <= seconds + 1e-9)


# --- the real clock ----------------------------------------------------------------------------------------------


async def test_the_real_clock_tells_the_time_of_the_machine_and_only_rises() -> None:
    clock = RealClock()
    wall, monotonic = clock.now_ms(), clock.monotonic()

    await clock.sleep(0.005)

    assert wall > 1_700_000_000_000
    assert clock.monotonic() - monotonic >= 0.004


# --- the back-off ------------------------------------------------------------------------------------------------


def test_the_back_off_doubles_up_to_its_longest() -> None:
    waits = [backoff_seconds(attempt, first=2, longest=60, jitter=0.5) for attempt in range(1, 9)]

    assert waits == pytest.approx([2, 4, 8, 16, 32, 60, 60, 60])


def test_a_thousandth_failure_still_has_a_back_off() -> None:
    assert backoff_seconds(1000, first=30, longest=600, jitter=0.5) == pytest.approx(600)


@pytest.mark.parametrize(("jitter", "wait"), [(0.0, 1.6), (0.5, 2.0), (1.0, 2.4)])
def test_jitter_moves_the_back_off_by_a_fifth_either_way(jitter: float, wait: float) -> None:
    assert backoff_seconds(1, first=2, longest=60, jitter=jitter) == pytest.approx(wait)


@settings(deadline=None)
@given(
    attempt=st.integers(1, 10_000),
    first=st.floats(0.001, 100),
    longest=st.floats(100, 10_000),
    jitter=st.floats(0, 1),
)
def test_the_back_off_is_never_zero_nor_longer_than_its_longest_and_a_fifth(
    attempt: int, first: float, longest: float, jitter: float
) -> None:
    wait = backoff_seconds(attempt, first=first, longest=longest, jitter=jitter)

    assert first * 0.8 <= wait * (1 + 1e-9)
    assert wait <= longest * 1.2 * (1 + 1e-9)
    assert wait <= backoff_seconds(attempt + 1, first=first, longest=longest, jitter=jitter)


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


async def test_a_time_limit_ends_work_that_swallows_a_cancellation() -> None:
    class Deaf:
        heard = 0

        async def work(self) -> None:
            while self.heard < 3:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    self.heard += 1

    deaf = Deaf()
    with pytest.raises(TimeoutError):
        await within(RealClock(), 0.0, deaf.work())
    assert deaf.heard == 3


async def test_a_bell_ends_a_wait_and_else_the_time_does() -> None:
    clock = ManualClock()
    bell = Bell(clock)
    bell.ring()
    await bell.wait(5)  # it was rung before anybody waited
    waiting = asyncio.create_task(bell.wait(5))
    await clock.advance(4)
    assert not waiting.done()
    await clock.advance(1)
    assert waiting.done()
    waiting = asyncio.create_task(bell.wait(5))
    await settle()
    bell.ring()
    await waiting
    assert clock.monotonic() == 5
