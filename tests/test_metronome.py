import asyncio
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from fakes import NOW_MS
from stocktrack import metronome as metronome_module
from stocktrack.clock import ManualClock, settle
from stocktrack.metronome import BEATS_A_SECOND, Metronome


class Recorder:
    """A sleeper that notes when it was woken."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.woken_at: list[float] = []

    def wake(self) -> None:
        self.woken_at.append(round(self._clock.monotonic(), 6))


class Broken:
    def wake(self) -> None:
        raise RuntimeError("cannot be woken")


class CountingClock(ManualClock):
    """A clock that counts how often somebody went to sleep."""

    sleeps = 0

    async def sleep(self, seconds: float) -> None:
        self.sleeps += seconds > 0
        await super().sleep(seconds)


@pytest.fixture
def clock() -> CountingClock:
    return CountingClock(NOW_MS)


@pytest.fixture
async def metronome(clock: CountingClock) -> AsyncIterator[Metronome]:
    metronome = Metronome(clock)
    yield metronome
    metronome.close()
    await settle()


def tasks() -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name() == "metronome"]


@pytest.mark.parametrize(("at", "woken_at"), [(1.0, 1.0), (1.01, 1.0), (1.024, 1.0), (1.026, 1.05), (1.99, 2.0)])
async def test_a_sleeper_is_woken_at_the_nearest_beat(
    clock: CountingClock, metronome: Metronome, at: float, woken_at: float
) -> None:
    sleeper = Recorder(clock)
    metronome.wake_at(at, sleeper)
    await clock.advance(10)
    assert sleeper.woken_at == [woken_at]


async def test_a_time_that_is_over_is_soon_and_never_at_once(clock: CountingClock, metronome: Metronome) -> None:
    await clock.advance(7.01)
    sleeper = Recorder(clock)
    metronome.wake_at(3.0, sleeper)
    assert sleeper.woken_at == []
    await settle()
    assert sleeper.woken_at == [7.01]
    assert metronome.now == 7.01


async def test_beats_are_fifty_milliseconds_apart(clock: CountingClock, metronome: Metronome) -> None:
    sleepers = [Recorder(clock) for _ in range(100)]
    for number, sleeper in enumerate(sleepers):
        metronome.wake_at(1.0 + number * 0.01, sleeper)
    await clock.advance(3)
    moments = sorted({sleeper.woken_at[0] for sleeper in sleepers})
    assert moments == [round(1.0 + number / BEATS_A_SECOND, 6) for number in range(len(moments))]
    assert clock.sleeps == len(moments)


async def test_all_within_a_beat_share_one_wake_up(clock: CountingClock, metronome: Metronome) -> None:
    sleepers = [Recorder(clock) for _ in range(2_000)]
    for number, sleeper in enumerate(sleepers):
        metronome.wake_at(0.98 + number * 0.00002, sleeper)
    await clock.advance(2)
    assert [sleeper.woken_at for sleeper in sleepers] == [[1.0]] * 2_000
    assert clock.sleeps == 1


async def test_who_comes_later_for_an_earlier_beat_is_woken_first(clock: CountingClock, metronome: Metronome) -> None:
    late, early = Recorder(clock), Recorder(clock)
    metronome.wake_at(5.0, late)
    await clock.advance(1)
    metronome.wake_at(2.0, early)
    await clock.advance(1)
    assert (early.woken_at, late.woken_at) == ([2.0], [])
    await clock.advance(3)
    assert late.woken_at == [5.0]


async def test_who_was_forgotten_is_not_woken_and_the_others_are(clock: CountingClock, metronome: Metronome) -> None:
    gone, there = Recorder(clock), Recorder(clock)
    beat = metronome.wake_at(1.0, gone)
    metronome.wake_at(1.0, there)
    metronome.forget(beat, gone)
    await clock.advance(1)
    assert (gone.woken_at, there.woken_at) == ([], [1.0])
    metronome.forget(beat, there)  # nothing to undo any more


async def test_one_that_cannot_be_woken_keeps_nobody_asleep(clock: CountingClock, metronome: Metronome) -> None:
    before, after, later = Recorder(clock), Recorder(clock), Recorder(clock)
    with capture_logs() as logs:
        metronome.wake_at(1.0, before)
        metronome.wake_at(1.0, Broken())
        metronome.wake_at(1.0, after)
        metronome.wake_at(2.0, later)
        await clock.advance(2)
    assert [sleeper.woken_at for sleeper in (before, after, later)] == [[1.0], [1.0], [2.0]]
    assert [entry["log_level"] for entry in logs] == ["error"]


async def test_there_is_a_task_only_while_somebody_waits(clock: CountingClock, metronome: Metronome) -> None:
    metronome.wake_at(1.0, Recorder(clock))
    assert tasks() == ["metronome"]
    await clock.advance(1)
    assert tasks() == []
    sleeper = Recorder(clock)
    metronome.wake_at(3.0, sleeper)
    await clock.advance(2)
    assert sleeper.woken_at == [3.0]


async def test_close_ends_the_task_and_wakes_nobody(clock: CountingClock, metronome: Metronome) -> None:
    sleeper = Recorder(clock)
    metronome.wake_at(1.0, sleeper)
    metronome.close()
    await clock.advance(5)
    assert (sleeper.woken_at, tasks()) == ([], [])


class BrokenClock(CountingClock):
    """A clock whose sleep fails once."""

    is_broken = True

    async def sleep(self, seconds: float) -> None:
        if self.is_broken:
            self.is_broken = False
            raise RuntimeError("cannot sleep")
        await super().sleep(seconds)


async def test_a_failure_is_logged_and_told_and_nobody_sleeps_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metronome_module, "RESTART_SECONDS", 0.0)
    clock, told = BrokenClock(NOW_MS), []
    metronome = Metronome(clock, lambda: told.append("failed"))
    sleeper = Recorder(clock)
    with capture_logs() as logs:
        metronome.wake_at(1.0, sleeper)
        await clock.advance(1)
    assert sleeper.woken_at == [1.0]
    assert told == ["failed"]
    assert [entry["log_level"] for entry in logs] == ["error"]
    metronome.close()
