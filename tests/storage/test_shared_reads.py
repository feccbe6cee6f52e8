import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection

from stocktrack.clock import settle
from stocktrack.storage.groups import Call
from stocktrack.storage.shared_reads import SharedReads


class Reading:
    """A database of one value, whose reads begin and end when a test says so."""

    def __init__(self) -> None:
        self.current: int | None = 1
        self.value = "old"
        self.calls: list[Call[Any]] = []

    def version(self) -> int | None:
        return self.current

    def begin_read(self, work: Callable[[Connection], Any]) -> Call[Any]:
        self.calls.append(Call(work, of="", gives_up_at=0.0))
        return self.calls[-1]

    def read(self, number: int = -1) -> Any:
        """Begin a read; what is read is what stands there now."""
        self.calls[number].has_begun = True
        return self.value

    def change(self, value: str) -> None:
        self.value = value
        if self.current is not None:
            self.current += 1


@pytest.fixture
def reading() -> Reading:
    return Reading()


@pytest.fixture
def shared(reading: Reading) -> SharedReads:
    return SharedReads(reading, max_values=100)  # type: ignore[arg-type]  # it has what is used of one


async def ask(shared: SharedReads, key: str = "ann") -> asyncio.Task[Any]:
    task = asyncio.create_task(shared.read(key, lambda _: None))
    await asyncio.sleep(0)
    return task


async def answered(reading: Reading, shared: SharedReads, key: str, value: object) -> None:
    """A value that is read for `key` now."""
    asked = await ask(shared, key)
    reading.read()
    reading.calls[-1].settle(value)
    assert await asked == value


async def test_what_was_read_is_remembered_until_something_is_changed(reading: Reading, shared: SharedReads) -> None:
    await answered(reading, shared, "ann", "old")
    assert await (await ask(shared)) == "old"
    assert len(reading.calls) == 1
    reading.change("new")
    await answered(reading, shared, "ann", "new")
    assert len(reading.calls) == 2


async def test_nothing_is_remembered_while_nobody_can_tell_of_changes(reading: Reading, shared: SharedReads) -> None:
    await answered(reading, shared, "ann", "old")
    reading.current = None
    await answered(reading, shared, "ann", "other")
    reading.current = 1
    await answered(reading, shared, "ann", "new")


@pytest.mark.parametrize("version", [1, None])
async def test_who_asks_before_a_read_begins_shares_it(
    reading: Reading, shared: SharedReads, version: int | None
) -> None:
    reading.current = version
    asked = [await ask(shared) for _ in range(3)]
    reading.calls[0].settle(reading.read(0))
    assert [await task for task in asked] == ["old"] * 3
    assert len(reading.calls) == 1


async def test_who_asks_after_a_read_began_waits_for_the_next_one(reading: Reading, shared: SharedReads) -> None:
    reading.current = None
    first = await ask(shared)
    found = reading.read()
    reading.change("new")
    second = await ask(shared)
    third = await ask(shared)
    reading.calls[0].settle(found)
    reading.calls[1].settle(reading.read(1))
    assert (await first, await second, await third) == ("old", "new", "new")
    assert len(reading.calls) == 2


async def test_a_read_that_began_is_shared_where_nothing_was_changed_since(
    reading: Reading, shared: SharedReads
) -> None:
    first = await ask(shared)
    found = reading.read()
    second = await ask(shared)
    reading.change("new")
    third = await ask(shared)
    reading.calls[0].settle(found)
    reading.calls[1].settle(reading.read(1))
    assert (await first, await second, await third) == ("old", "old", "new")
    # And the older answer is not what is remembered, whichever came last.
    assert await (await ask(shared)) == "new"
    assert len(reading.calls) == 2


async def test_a_change_in_the_middle_of_a_read_leaves_nothing_remembered(
    reading: Reading, shared: SharedReads
) -> None:
    first = await ask(shared)
    found = reading.read()
    reading.change("new")
    reading.calls[0].settle(found)
    assert await first == "old"
    await answered(reading, shared, "ann", "new")


async def test_one_who_is_cancelled_does_not_take_the_read_from_the_others(
    reading: Reading, shared: SharedReads
) -> None:
    first, second = await ask(shared), await ask(shared)
    first.cancel()
    await settle()
    reading.calls[0].settle(reading.read())
    assert await second == "old"


async def test_a_failure_reaches_all_who_wait_and_is_not_remembered(reading: Reading, shared: SharedReads) -> None:
    asked = [await ask(shared) for _ in range(2)]
    reading.read()
    reading.calls[0].settle(OSError("gone"))
    for task in asked:
        with pytest.raises(OSError, match="gone"):
            await task
    await answered(reading, shared, "ann", "old")


async def test_what_is_remembered_is_bounded_by_its_size_and_what_was_asked_for_last_stays(
    reading: Reading, shared: SharedReads
) -> None:
    for name in "abcdefghij":
        await answered(reading, shared, name, "row")  # ten values each, and there is room for a hundred
    assert await (await ask(shared, "a")) == "row"
    await answered(reading, shared, "long", ("SYMBOL",) * 30)
    asked = len(reading.calls)
    for name in ("long", "a", "j"):
        assert not (await ask(shared, name)).cancel(), name
    assert len(reading.calls) == asked
    for name in "bcde":
        (await ask(shared, name)).cancel()
    assert len(reading.calls) == asked + 4
    assert shared._values <= 100
