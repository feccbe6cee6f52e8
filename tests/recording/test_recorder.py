import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from patience import PATIENCE_SECONDS
from recorded import NOW_MS, a_price, no_bad_row
from stocktrack.clock import ManualClock
from stocktrack.recording import recorder as module
from stocktrack.recording.names import Rotation
from stocktrack.recording.reading import rows_of
from stocktrack.recording.recorder import Recorder
from stocktrack.recording.recording import NotWrittenError, Recording
from stocktrack.recording.rows import Hole, Row


class House:
    """A recorder over a real file on a manual clock, whose disk can be full."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = path
        self.clock = ManualClock(NOW_MS)
        self.told: list[str] = []
        self.recorder = Recorder(self.clock, self.told.append)
        self.is_full = False
        self._tries = 0
        write = Recording.write
        house = self

        def writing(recording: Recording, rows: list[Row]) -> None:
            house._tries += 1
            if house.is_full:
                raise NotWrittenError(path, OSError(28, "No space left on device"), 0)
            write(recording, rows)

        monkeypatch.setattr(Recording, "write", writing)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self.recorder.begin(Recording(self.path, Rotation(), self.clock.now_ms))
        task = asyncio.create_task(self.recorder.run())
        try:
            yield
        finally:
            self.recorder.end()
            while not task.done():
                await self.clock.advance(1)
            await task

    async def tried(self, times: int) -> None:
        """Return when something was written so often, or was to be."""

        async def enough() -> None:
            while self._tries < times or self.recorder._in_flight:
                await self.clock.advance(1)

        async with asyncio.timeout(PATIENCE_SECONDS):
            await enough()

    def rows(self) -> list[Row]:
        return [*rows_of(self.path, no_bad_row)]


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    return House(tmp_path / "ticks.csv", monkeypatch)


async def test_each_change_is_written_once_and_all_of_them_before_the_end(house: House) -> None:
    house.recorder.take(a_price(seq=1), "run 1")  # before there is a file to write into
    async with house.running():
        for seq, run in ((1, "run 1"), (2, "run 1"), (2, "run 1"), (2, "run 2"), (3, "run 2")):
            house.recorder.take(a_price(seq=seq), run)
        house.recorder.take(a_price(seq=3, received_at=NOW_MS + 1), "run 2")  # only confirmed
        house.recorder.take(a_price(seq=3, stale=True), "run 2")

    assert house.rows() == [*(a_price(seq=seq) for seq in (1, 2, 2, 3)), a_price(seq=3, stale=True)]
    assert house.recorder.rows == 5
    assert house.told == []


async def test_no_more_prices_are_taken_than_were_asked_for(house: House) -> None:
    house.recorder = Recorder(house.clock, house.told.append, most=2)
    async with house.running():
        for seq in (1, 1, 2, 3):
            assert not house.recorder.is_enough.is_set() or seq == 3
            house.recorder.take(a_price(seq=seq))

    assert house.rows() == [a_price(seq=1), a_price(seq=2)]


async def test_a_full_disk_is_told_once_and_nothing_is_missing_where_memory_lasts(house: House) -> None:
    house.is_full = True
    async with house.running():
        house.recorder.take(a_price(seq=1))
        await house.tried(3)
        house.recorder.take(a_price(seq=2))
        house.is_full = False
        await house.tried(4)

    assert house.rows() == [a_price(seq=1), a_price(seq=2)]
    assert len(house.told) == 2
    assert "No space left on device. It is tried again" in house.told[0]
    assert house.told[1].endswith("no price is missing.")
    log = house.path.with_name("ticks.csv.log").read_text()
    assert log.count("not written") == 1
    assert log.count("written again") == 1


async def test_what_memory_does_not_hold_is_missing_and_a_row_says_so(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 3)
    house.is_full = True
    async with house.running():
        for seq in range(1, 6):
            house.recorder.take(a_price(seq=seq))
        await house.tried(2)
        since = house.clock.now_ms()
        house.recorder.take(a_price(seq=6))
        assert house.recorder.waiting == 3
        house.is_full = False
        while not house.recorder.missing_rows:  # a try may have begun while the disk was full
            await house.clock.advance(module.RETRY_SECONDS)
        house.recorder.take(a_price(seq=7))

    *kept, hole, last = house.rows()
    assert kept == [a_price(seq=seq) for seq in (1, 2, 3)]
    assert isinstance(hole, Hole)
    assert NOW_MS <= hole.since <= since <= hole.until
    assert hole.reason.startswith("3 prices missing.")
    assert "No space left on device" in hole.reason
    assert last == a_price(seq=7)
    assert house.recorder.missing_rows == 3


async def test_what_cannot_be_written_at_the_end_is_counted_and_holds_up_nothing(house: House) -> None:
    house.is_full = True
    async with house.running():
        house.recorder.take(a_price(seq=1))

    assert house.rows() == []
    assert house.recorder.missing_rows == 1
    assert house.told[-1].startswith("1 row could not be written.")


async def test_a_hole_stands_between_the_prices_around_it(house: House) -> None:
    async with house.running():
        house.recorder.take(a_price(seq=1))
        house.recorder.hole(NOW_MS - 500, "The connection was lost.")
        house.recorder.take(a_price(seq=2))

    assert house.rows() == [a_price(seq=1), Hole(NOW_MS - 500, NOW_MS, "The connection was lost."), a_price(seq=2)]
