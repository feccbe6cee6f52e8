"""What a crowd of calls costs and gets: changes in groups, reads shared, and what another process did seen at once."""

import asyncio
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, text

import changing_child
from postgres_server import PostgresServer
from stocktrack.errors import CommandError, Reason, StorageError
from stocktrack.storage.database import MOST_CHANGES_AT_ONCE
from stocktrack.storage.store import Store
from stores import HASH, add, opened


def engines_of(store: Store) -> tuple[Engine, Engine]:
    """The engine that reads and the one that changes."""
    database: Any = store._database
    if hasattr(database, "_changing"):
        return database._reading.engine, database._changing.engine
    return database._readers.sync_engine, database._changer.sync_engine


@contextlib.contextmanager
def counted(engine: Engine, name: str) -> Iterator[list[str]]:
    """What SQLAlchemy tells of `name` in the block, one entry each."""
    seen: list[str] = []

    def note(*_: Any) -> None:
        seen.append(name)

    event.listen(engine, name, note)
    yield seen
    event.remove(engine, name, note)


async def soon(*coroutines: Any) -> list[asyncio.Task[Any]]:
    """Tasks that have begun."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    await asyncio.sleep(0)
    return tasks


# --- changes -------------------------------------------------------------------------------------------------------


async def test_a_thousand_changes_at_once_are_a_few_commits(store: Store) -> None:
    await add(store, "ann")
    _, changing = engines_of(store)
    with counted(changing, "commit") as commits:
        await asyncio.gather(*(store.save("ann", ["AAPL"], limit=500, list_name="tech") for _ in range(500)))
        await asyncio.gather(*(store.save("ann", [f"S{number}"], limit=1_000) for number in range(500)))
    assert 2 <= len(commits) <= 2 * (1 + 1 + 500 // MOST_CHANGES_AT_ONCE)
    assert len(await store.saved("ann")) == 500


async def test_equal_saves_at_once_are_one_change(store: Store) -> None:
    await add(store, "ann")
    _, changing = engines_of(store)
    statements: list[str] = []
    event.listen(changing, "before_cursor_execute", lambda *given: statements.append(given[2]))
    await asyncio.gather(*(store.save("ann", ["A", "B"], limit=5) for _ in range(300)))
    assert 1 <= sum("FROM users" in statement for statement in statements) <= 3
    assert await store.saved("ann") == ("A", "B")
    refused = await asyncio.gather(*(store.save("ann", ["C", "D"], limit=3) for _ in range(30)), return_exceptions=True)
    assert {type(error) for error in refused} == {CommandError}


async def test_a_save_is_not_taken_for_an_equal_one_before_another_change(store: Store) -> None:
    await add(store, "ann")
    await store.save("ann", ["A"], limit=5)
    first = await soon(store.save("ann", ["B"], limit=5))
    calls = await soon(store.save("ann", ["C"], limit=5), store.unsave("ann", ["A"]), store.save("ann", ["C"], limit=5))
    await asyncio.gather(*first, *calls)
    assert await store.saved("ann") == ("B", "C")


async def test_a_change_that_comes_alone_waits_for_no_others_and_needs_no_savepoint(store: Store) -> None:
    await add(store, "ann")
    _, changing = engines_of(store)
    statements: list[str] = []
    event.listen(changing, "before_cursor_execute", lambda *given: statements.append(given[2]))
    await store.save("ann", ["AAPL"], limit=500)
    assert [statement for statement in statements if "SAVEPOINT" in statement] == []
    assert [statement for statement in statements if statement.startswith("INSERT")] != []


async def test_a_change_that_fails_spoils_none_of_those_beside_it(store: Store) -> None:
    await add(store, "ann", "bob")
    results = await asyncio.gather(
        store.save("ann", ["A"], limit=2),
        store.save("nobody", ["A"], limit=2),
        store.save("ann", ["B", "C"], limit=2),
        store.add_user("bob", HASH, created_at_ms=1),
        store.save("ann", ["D"], limit=2),
        store.add_user("cat", HASH, created_at_ms=1),
        return_exceptions=True,
    )
    reasons = [error.reason if isinstance(error, CommandError) else error for error in results]
    assert reasons == [None, Reason.NOT_AUTHENTICATED, Reason.SYMBOL_LIMIT, Reason.INVALID_COMMAND, None, None]
    assert await store.saved("ann") == ("A", "D")
    assert [user.name for user in await store.users()] == ["ann", "bob", "cat"]


async def test_a_mistake_in_one_change_spoils_none_of_those_beside_it(store: Store) -> None:
    await add(store, "ann")

    def fail(connection: Connection) -> None:
        connection.execute(text("DELETE FROM users"))
        connection.execute(text("SELECT nothing FROM nowhere"))

    results = await asyncio.gather(
        store.save("ann", ["A"], limit=5),
        store._database.write(fail),
        store.save("ann", ["B"], limit=5),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [type(None), StorageError, type(None)]
    assert await store.saved("ann") == ("A", "B")


async def test_where_the_commit_fails_all_of_the_group_fails_and_nothing_is_changed(store: Store) -> None:
    await add(store, "ann")
    _, changing = engines_of(store)

    def fail(_: Connection) -> None:
        raise OSError("the disk is gone")

    event.listen(changing, "commit", fail)
    if changing.dialect.name == "sqlite":
        store._database.errors = (*store._database.errors, OSError)  # type: ignore[misc]  # as a driver's error
    results = await asyncio.gather(*(store.save("ann", [symbol], limit=5) for symbol in "ABC"), return_exceptions=True)
    assert [type(result) for result in results] == [StorageError] * 3
    event.remove(changing, "commit", fail)
    assert await store.saved("ann") == ()
    await store.save("ann", ["D"], limit=5)
    assert await store.saved("ann") == ("D",)


async def test_changes_of_one_user_are_made_in_the_order_in_which_they_were_asked_for(store: Store) -> None:
    await add(store, "bob", "ann")
    names = ("ann", "bob")
    calls = await soon(*(store.save(name, [f"S{n}"], limit=500) for n in range(100) for name in names))
    await asyncio.gather(*calls)
    for name in names:
        assert await store.saved(name) == tuple(f"S{number}" for number in range(100))


async def test_two_servers_that_change_the_same_users_never_wait_for_each_other_in_a_ring(url: str) -> None:
    names = [f"user{number}" for number in range(20)]
    async with opened(url) as one, opened(url) as other:
        await add(one, *names)
        for _ in range(5):
            await asyncio.gather(
                *(one.save(name, ["A"], limit=5) for name in names),
                *(other.save(name, ["B"], limit=5) for name in reversed(names)),
            )
            await asyncio.gather(*(one.unsave(name, None) for name in names))
        assert {await other.saved(name) for name in names} == {()}


async def test_a_full_disk_for_one_change_is_none_for_a_small_one_beside_it(tmp_path: Path) -> None:
    async with opened(tmp_path / "stocktrack.db") as store:
        await add(store, "ann", "bob")
        await store.save("ann", ["AAPL"], limit=500)

        def leave_room_for_a_few(connection: Connection) -> None:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

        await store._database.write(leave_room_for_a_few)
        results = await asyncio.gather(
            store.save("ann", ["MSFT"], limit=500),
            store.save("ann", [f"S{number}" for number in range(5_000)], limit=10_000),
            store.save("bob", ["TSLA"], limit=500),
            return_exceptions=True,
        )
        assert [type(result) for result in results] == [type(None), StorageError, type(None)]
        assert (await store.saved("ann"), await store.saved("bob")) == (("AAPL", "MSFT"), ("TSLA",))


async def test_what_changes_nothing_is_no_change(store: Store) -> None:
    await add(store, "ann")
    await store.save("ann", ["A", "B"], limit=500)
    _, changing = engines_of(store)
    with counted(changing, "begin") as begun:
        await store.save("ann", ["B", "A", "B"], limit=500)
        assert await store.unsave("ann", ["C"]) == ()
        assert await store.unsave("ann", None, "tech") == ()
    assert begun == []
    with pytest.raises(CommandError):
        await store.save("nobody", ["A"], limit=500)


# --- reads ---------------------------------------------------------------------------------------------------------


async def test_a_thousand_who_read_the_same_row_at_once_make_a_few_reads(store: Store) -> None:
    await add(store, "ann")
    reading, _ = engines_of(store)
    with counted(reading, "before_cursor_execute") as statements:
        found = await asyncio.gather(*(store.user("ann") for _ in range(1_000)))
    assert {user.name for user in found if user is not None} == {"ann"}
    assert 1 <= len(statements) <= 4


async def test_a_thousand_users_who_are_read_at_once_are_read_together_and_each_gets_its_own(store: Store) -> None:
    names = [f"user{number}" for number in range(1_000)]
    await add(store, *names[::100])
    for name in names[::100]:
        await store.save(name, ["B", name.upper(), "A"], limit=5)
    reading, _ = engines_of(store)
    with counted(reading, "before_cursor_execute") as statements:
        found = await asyncio.gather(*(store.user(name) for name in names))
        lists = await asyncio.gather(*(store.saved(name) for name in names))
    assert [user.name for user in found if user is not None] == names[::100]
    assert [user is None for user in found] == [number % 100 != 0 for number in range(1_000)]
    for number, name in enumerate(names):
        assert lists[number] == (("B", name.upper(), "A") if number % 100 == 0 else ())
    assert len(statements) <= 20


async def test_a_row_is_not_read_again_while_nothing_changes_it(tmp_path: Path) -> None:
    async with opened(tmp_path / "stocktrack.db") as store:
        await add(store, "ann")
        await store.user("ann")
        reading, _ = engines_of(store)
        with counted(reading, "before_cursor_execute") as statements:
            for _ in range(100):
                assert await store.user("ann") is not None
            assert await store.user("bob") is None
            assert await store.user("bob") is None
        assert len(statements) == 1
        await store.set_admin("ann", is_admin=True)
        user = await store.user("ann")
        assert user is not None
        assert user.is_admin


async def test_what_another_process_changed_is_seen_by_the_first_call_after_it(url: str) -> None:
    async with opened(url) as store:
        await add(store, "ann")
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, changing_child.__file__, url),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert child.stdin is not None
        assert child.stdout is not None
        assert await child.stdout.readline() == b"ready\n"
        readers = await soon(*(read_without_end(store) for _ in range(10)))
        for number in range(100):
            child.stdin.write(b"hash %d\n" % number)
            assert await child.stdout.readline() == b"hash %d\n" % number
            found = await asyncio.gather(*(store.user("ann") for _ in range(5)))
            assert {user.password_hash for user in found if user is not None} == {f"hash {number}"}
        for reader in readers:
            reader.cancel()
        child.stdin.close()
        await child.wait()


async def read_without_end(store: Store) -> None:
    """Keep reads under way and rows remembered, as a server's other clients do; what is read never goes back."""
    newest = -1
    while True:
        user = await store.user("ann")
        assert user is not None
        number = int(user.password_hash.removeprefix("hash ")) if user.password_hash != HASH else -1
        assert number >= newest
        newest = number
        await asyncio.sleep(0)


# --- others in the way ---------------------------------------------------------------------------------------------


async def test_a_row_that_another_program_has_locked_keeps_nobody_else_waiting(
    postgres: PostgresServer,
) -> None:
    name = await postgres.new_database()
    first = Store(postgres.url(name))
    await first.upgrade()
    await first.close()
    async with opened(postgres.url(name), busy_timeout_seconds=60) as store:
        await add(store, "ann", "bob")
        other = await postgres.connect(name)
        try:
            lock = other.transaction()
            await lock.start()
            await other.execute("SELECT id FROM users WHERE name = 'ann' FOR UPDATE")
            [held, *_] = waiting = await soon(*(store.save("ann", [symbol], limit=500) for symbol in "ABC"))
            for number in range(4):
                await store.save("bob", [f"S{number}"], limit=500)
            assert not held.done()
            await lock.rollback()
            await asyncio.gather(*waiting)
        finally:
            await other.close()
        assert await store.saved("ann") == ("A", "B", "C")
        assert len(await store.saved("bob")) == 4
