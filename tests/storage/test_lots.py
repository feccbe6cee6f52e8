"""Lots in a database of each kind: what was acknowledged is there again, nobody touches another's, and limits hold."""

import asyncio

import pytest

from fakes import MemoryLots
from stocktrack.errors import CommandError, Reason
from stocktrack.sessions.contracts import LotBook
from stocktrack.storage.lots import MAX_GROUPS, LotRow
from stocktrack.storage.store import Store
from stores import ADDED_AT_MS, add, opened


def lot(symbol: str = "AAPL", quantity: float = 10.0, *, group: str = "main", fixed_cost: float = 0.0) -> LotRow:
    return LotRow(0, symbol, quantity, 146.0, fixed_cost, group, ADDED_AT_MS)


@pytest.fixture
async def users(store: Store) -> Store:
    await add(store, "ann", "bob")
    return store


@pytest.fixture(params=["store", "memory"])
def book(request: pytest.FixtureRequest, users: Store) -> LotBook:
    """Every kind of book: the real one on each database, and the fake of other tests."""
    return MemoryLots() if request.param == "memory" else users.lots


async def test_what_is_added_is_read_in_order_to_the_last_digit(book: LotBook) -> None:
    given = [
        LotRow(0, "NFO:NIFTY28NOV24".ljust(48, "X"), 0.1 + 0.2, 1e12, 0.0, "main", ADDED_AT_MS),
        LotRow(0, "BRK-B", -1e-8, 5e-324, 7.5, "Größe " + "x" * 58, 2**52),
        LotRow(0, "AAPL", 1e12, 0.0, 1e12, "main", 0),
    ]
    added = [await book.add("ann", each, limit=10) for each in given]
    assert [each._replace(id=0) for each in added] == given
    assert [each.id for each in added] == sorted({each.id for each in added})
    assert list(await book.of("ann")) == added
    assert list(await book.of("bob")) == []
    assert list(await book.of("nobody")) == []


async def test_a_user_removes_own_lots_alone_and_each_once(book: LotBook) -> None:
    first, second = await book.add("ann", lot(), limit=10), await book.add("ann", lot("MSFT"), limit=10)
    assert await book.remove("bob", first.id) is None
    assert await book.remove("ann", 2**31 - 1) is None
    assert await book.remove("ann", 10**18 - 1) is None
    assert await book.remove("ann", first.id) == first
    assert await book.remove("ann", first.id) is None
    assert list(await book.of("ann")) == [second]


async def test_the_limit_of_lots_is_a_users_own(book: LotBook) -> None:
    for _ in range(2):
        await book.add("ann", lot(), limit=2)
    with pytest.raises(CommandError) as refused:
        await book.add("ann", lot(), limit=2)
    assert refused.value.reason is Reason.SYMBOL_LIMIT
    await book.add("bob", lot(), limit=2)
    assert len(await book.of("ann")) == 2


async def test_additions_at_once_never_pass_the_limit(users: Store) -> None:
    results = await asyncio.gather(
        *(users.lots.add("ann", lot(f"S{number}"), limit=5) for number in range(20)), return_exceptions=True
    )
    assert len([each for each in results if isinstance(each, LotRow)]) == 5
    assert all(isinstance(each, LotRow | CommandError) for each in results)
    assert len(await users.lots.of("ann")) == 5


async def test_two_servers_together_never_pass_it(url: str) -> None:
    async with opened(url) as one, opened(url) as other:
        await add(one, "ann")
        await asyncio.gather(
            *(store.lots.add("ann", lot(), limit=7) for _ in range(10) for store in (one, other)),
            return_exceptions=True,
        )
        assert len(await one.lots.of("ann")) == 7


async def test_there_are_only_so_many_groups(users: Store) -> None:
    for number in range(MAX_GROUPS):
        await users.lots.add("ann", lot(group=f"g{number}"), limit=1_000)
    with pytest.raises(CommandError, match="at most 50 groups"):
        await users.lots.add("ann", lot(group="one more"), limit=1_000)
    await users.lots.add("ann", lot(group="g7"), limit=1_000)


async def test_an_id_is_never_given_again_and_a_removed_user_leaves_nothing(users: Store) -> None:
    first = await users.lots.add("ann", lot(), limit=10)
    await users.lots.remove("ann", first.id)
    second = await users.lots.add("ann", lot(), limit=10)
    assert second.id > first.id
    await users.remove_user("ann")
    await add(users, "ann")
    assert list(await users.lots.of("ann")) == []
    await users.remove_user("ann")
    with pytest.raises(CommandError) as refused:
        await users.lots.add("ann", lot(), limit=10)
    assert refused.value.reason is Reason.NOT_AUTHENTICATED


async def test_lots_are_there_after_a_restart(url: str) -> None:
    async with opened(url) as store:
        await add(store, "ann")
        added = await store.lots.add("ann", lot(), limit=10)
    async with opened(url) as store:
        assert list(await store.lots.of("ann")) == [added]
