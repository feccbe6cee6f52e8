"""Bars in a database of each kind: what is written is read, a minute twice is one of both, and old ones go."""

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import pytest

from stocktrack.errors import StorageError
from stocktrack.storage.bars import MinuteBar
from stocktrack.storage.late_bars import LateBars
from stocktrack.storage.late_store import LateStore
from stocktrack.storage.store import Store
from stores import add, opened

MINUTE = 28_538_865
DAY = 1_440


def bar(minute: int = MINUTE, symbol: str = "AAPL", *, volume: int | None = 100, state: str | None = None) -> MinuteBar:
    return MinuteBar(minute, symbol, state, 189.45, 189.9, 189.1, 189.5, volume)


async def test_what_is_written_is_read_to_the_last_digit(store: Store) -> None:
    written = [
        MinuteBar(MINUTE, "AAPL", "pre", 0.1 + 0.2, 1e300, -37.63, 5e-324, None),
        MinuteBar(MINUTE + 1, "AAPL", None, 67837.64, 67837.64, 67837.64, 67837.64, 2**53 - 1),
        MinuteBar(MINUTE + 1, "NFO:NIFTY28NOV24".ljust(48, "X"), "post", 1.0, 2.0, 0.5, 1.5, 0),
    ]
    await store.bars.add(written)
    assert await store.bars.read("AAPL", MINUTE, MINUTE + 2) == written[:2]
    assert await store.bars.read(written[2].symbol, 0, 2**31 - 1) == written[2:]


async def test_only_what_is_asked_for_is_read_over_days_and_holes_in_order(store: Store) -> None:
    minutes = [MINUTE, MINUTE + 1, MINUTE + DAY - 1, MINUTE + DAY, MINUTE + 30 * DAY]
    await store.bars.add([bar(minute, symbol) for minute in reversed(minutes) for symbol in ("AAPL", "MSFT", "TSLA")])
    await store.bars.add([bar(MINUTE + 2, "TSLA")])
    found = await store.bars.read("MSFT", 0, 2**31 - 1)
    assert [(each.minute, each.symbol) for each in found] == [(minute, "MSFT") for minute in minutes]
    assert [each.minute for each in await store.bars.read("MSFT", MINUTE + 1, MINUTE + DAY)] == minutes[1:3]
    assert await store.bars.read("MSFT", MINUTE + 2, MINUTE + 2) == []
    assert await store.bars.read("NOPE", 0, 2**31 - 1) == []


async def test_nothing_is_read_of_a_table_without_bars(store: Store) -> None:
    await store.bars.add([])
    assert await store.bars.read("AAPL", 0, 2**31 - 1) == []
    assert await store.bars.delete_before(MINUTE) == 0


async def test_a_minute_that_is_written_twice_becomes_one_of_both(store: Store) -> None:
    before = MinuteBar(MINUTE, "AAPL", "pre", 10.0, 12.0, 9.0, 11.0, 500)
    after = MinuteBar(MINUTE, "AAPL", None, 11.5, 11.8, 8.0, 8.5, 200)
    await store.bars.add([before])
    await store.bars.add([after])
    both = MinuteBar(MINUTE, "AAPL", None, 10.0, 12.0, 8.0, 8.5, 500)
    assert await store.bars.read("AAPL", MINUTE, MINUTE + 1) == [both]
    # Whoever writes it once more, since nobody knows what came of it the first time, changes nothing.
    await store.bars.add([after, after])
    assert await store.bars.read("AAPL", MINUTE, MINUTE + 1) == [both]


@pytest.mark.parametrize(("first", "second", "both"), [(None, 7, 7), (7, None, 7), (None, None, None)])
async def test_a_volume_that_one_of_two_does_not_know_is_that_of_the_other(
    store: Store, first: int | None, second: int | None, both: int | None
) -> None:
    await store.bars.add([bar(volume=first)])
    await store.bars.add([bar(volume=second)])
    [found] = await store.bars.read("AAPL", MINUTE, MINUTE + 1)
    assert found.volume == both


async def test_servers_that_write_the_same_bars_at_once_all_succeed(url: str) -> None:
    symbols = [f"S{number:04}" for number in range(300)]
    async with opened(url) as one, opened(url) as other:
        for minute in range(MINUTE, MINUTE + 5):
            batch = [bar(minute, symbol) for symbol in symbols]
            await asyncio.gather(one.bars.add(batch), other.bars.add(batch[::-1]))
        assert len(await one.bars.read("S0299", 0, 2**31 - 1)) == 5


async def test_a_batch_in_which_one_bar_cannot_be_kept_is_not_written_at_all(store: Store) -> None:
    bad = bar(symbol="MSFT")._replace(high=None)  # type: ignore[arg-type]  # what the table refuses
    with pytest.raises(StorageError):
        await store.bars.add([bar(), bad])
    assert await store.bars.read("AAPL", 0, 2**31 - 1) == []


async def test_old_bars_go_in_small_steps_and_the_others_stay(store: Store) -> None:
    symbols = [f"S{number:04}" for number in range(700)]
    for minute in range(MINUTE, MINUTE + 10):
        await store.bars.add([bar(minute, symbol) for symbol in symbols])
    steps = []
    while deleted := await store.bars.delete_before(MINUTE + 8):
        steps.append(deleted)
    assert sum(steps) == 8 * 700
    assert max(steps) <= 2_000
    assert [each.minute for each in await store.bars.read("S0042", 0, 2**31 - 1)] == [MINUTE + 8, MINUTE + 9]


async def test_a_minute_of_more_symbols_than_a_step_has_goes_at_once(store: Store) -> None:
    for minute in (MINUTE, MINUTE + 1):
        await store.bars.add([bar(minute, f"S{number:05}") for number in range(2_500)])
    assert [await store.bars.delete_before(MINUTE + 1) for _ in range(2)] == [2_500, 0]


async def test_sqlite_uses_the_room_of_what_was_deleted_again(tmp_path: Path) -> None:
    path = tmp_path / "stocktrack.db"
    sizes = []
    async with opened(path) as store:
        for day in range(3):
            for minute in range(MINUTE + day * DAY, MINUTE + day * DAY + 60):
                await store.bars.add([bar(minute, f"S{number:04}") for number in range(300)])
            while await store.bars.delete_before(MINUTE + day * DAY + 30):
                pass
            with contextlib.closing(sqlite3.connect(path)) as connection:
                sizes.append(connection.execute("PRAGMA page_count").fetchone()[0])
    assert sizes[2] <= sizes[1] * 1.05


async def test_users_and_bars_are_changed_beside_each_other(store: Store) -> None:
    batches = [[bar(MINUTE + minute, f"S{number:04}") for number in range(500)] for minute in range(5)]
    await asyncio.gather(*map(store.bars.add, batches), *(add(store, f"user{number}") for number in range(20)))
    assert len(await store.users()) == 20
    assert len(await store.bars.read("S0000", 0, 2**31 - 1)) == 5


# --- a database that is opened late --------------------------------------------------------------------------------


async def test_a_database_that_cannot_be_opened_is_tried_again_by_the_next_write(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.write_text("a file where the folder should be", encoding="ascii")
    late = LateStore(f"sqlite:///{folder / 'stocktrack.db'}")
    bars = LateBars(late)
    for _ in range(2):
        with pytest.raises(StorageError, match="cannot be made"):
            await bars.add([bar()])
    with pytest.raises(StorageError, match="not opened yet"):
        await bars.read("AAPL", 0, 2**31 - 1)
    folder.unlink()
    await bars.add([bar()])
    assert await bars.read("AAPL", 0, 2**31 - 1) == [bar()]
    assert await bars.delete_before(MINUTE + 1) == 1
    await late.close()


async def test_an_address_that_nobody_can_use_is_a_failure_of_the_database_like_any_other() -> None:
    late = LateStore("mysql://localhost/x")
    bars = LateBars(late)
    with pytest.raises(StorageError, match="database_url"):
        await bars.open()
    await late.close()
