import asyncio
import contextlib
import gc
import sqlite3
import stat
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, make_url

import saving_child
from patience import PATIENCE_SECONDS
from stocktrack.errors import Reason, StorageError
from stocktrack.storage.sqlite import SqliteDatabase
from stocktrack.storage.store import Store
from stores import add, opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "stocktrack.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    async with opened(path) as store:
        yield store


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def open_to_all(path: Path) -> None:
    path.chmod(0o644)


def contents_of(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def database_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("database ")]


def assert_database_threads_end() -> None:
    for thread in database_threads():
        thread.join(5)
    assert database_threads() == []


# --- the file ------------------------------------------------------------------------------------------------------


async def test_everything_is_there_after_a_restart(path: Path) -> None:
    async with opened(path) as store:
        await add(store, "ann")
        await store.save("ann", ["TSLA", "AAPL"], limit=500)
    async with opened(path) as store:
        assert await store.saved("ann") == ("TSLA", "AAPL")
    assert [file.name for file in path.parent.iterdir()] == [path.name]


async def test_folder_and_files_are_for_their_owner_alone(path: Path) -> None:
    async with opened(path) as store:
        await add(store, "ann")
        files = {file.name: mode_of(file) for file in path.parent.iterdir()}
    assert files == dict.fromkeys(("stocktrack.db", "stocktrack.db-wal", "stocktrack.db-shm"), 0o600)
    assert mode_of(path.parent) == 0o700


async def test_a_database_that_others_can_read_is_closed_to_them(path: Path) -> None:
    async with opened(path) as store:
        await add(store, "ann")
    open_to_all(path)
    async with opened(path) as store:
        assert len(await store.users()) == 1
    assert mode_of(path) == 0o600


async def test_every_commit_waits_for_the_disk_and_readers_wait_for_no_writer(store: Store) -> None:
    settings = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    values = [
        await store._database.write(lambda connection, name=name: connection.exec_driver_sql(f"PRAGMA {name}").scalar())  # type: ignore[misc]  # mypy infers no lambda with a default
        for name in settings
    ]
    assert values == ["wal", 2, 1, 100]


async def test_stores_that_make_the_same_file_at_once_all_open(path: Path) -> None:
    stores = [Store(f"sqlite:///{path}") for _ in range(6)]
    try:
        await asyncio.gather(*(store.open() for store in stores))
        await asyncio.gather(*(add(store, f"user{number}") for number, store in enumerate(stores)))
        assert len(await stores[0].users()) == 6
    finally:
        await asyncio.gather(*(store.close() for store in stores))


async def test_a_thousand_reads_at_once_make_no_more_threads(store: Store) -> None:
    await add(store, "ann")
    before = len(database_threads())
    reads = asyncio.gather(*(store.user("ann") for _ in range(1000)))
    await asyncio.sleep(0)
    during = len(database_threads())
    assert all(user is not None for user in await reads)
    assert (before, during) == (2, 2)


# --- what can be wrong with the file -------------------------------------------------------------------------------


def make_newer(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE stocktrack_schema (version_num VARCHAR(32) PRIMARY KEY)")
        connection.execute("INSERT INTO stocktrack_schema VALUES ('0009')")
        connection.commit()


def make_foreign(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (address TEXT)")


def make_garbage(path: Path) -> None:
    path.write_bytes(b"no database at all, but long enough for one" * 30)


def make_folder(path: Path) -> None:
    path.mkdir()


def damage(path: Path) -> None:
    """Wipe out the pages in which the users and their index begin; what is in the file is still known."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        roots = connection.execute("SELECT rootpage FROM sqlite_master WHERE tbl_name = 'users'").fetchall()
    pages = bytearray(path.read_bytes())
    for (root,) in roots:
        pages[(root - 1) * 4096 : root * 4096] = bytes(4096)
    path.write_bytes(pages)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (make_newer, "was written by a newer StockTrack: its schema is 0009, this program knows 0008"),
        (make_foreign, "belongs to another program"),
        (make_garbage, "is not an SQLite file"),
        (make_folder, "cannot be opened"),
    ],
)
async def test_a_file_that_is_no_database_of_ours_is_refused_and_left_as_it_is(
    path: Path, spoil: Callable[[Path], object], sentence: str
) -> None:
    path.parent.mkdir()
    spoil(path)
    before = contents_of(path)
    with pytest.raises(StorageError, match=sentence) as caught:
        await Store(f"sqlite:///{path}").open()
    assert str(path) in str(caught.value)
    assert caught.value.reason is Reason.STORAGE_ERROR
    assert contents_of(path) == before
    assert_database_threads_end()


async def test_a_damaged_file_is_an_error_and_nobody_is_found_in_it(path: Path) -> None:
    async with opened(path) as store:
        await add(store, *(f"user{number}" for number in range(200)))
    damage(path)
    async with opened(path) as store:
        with pytest.raises(StorageError, match=r"is damaged\. Stop the server, keep a copy"):
            await store.user("user7")
        with pytest.raises(StorageError, match="is damaged"):
            await add(store, "ann")


async def test_a_folder_that_cannot_be_made_is_an_error_that_says_what_to_do() -> None:
    # Not even root makes a folder there.
    with pytest.raises(StorageError, match=r"/proc/none/x.db cannot be made: .* STOCKTRACK_DATA_DIR"):
        await Store("sqlite:////proc/none/x.db").open()


async def test_a_read_only_database_is_read_and_every_change_is_a_clear_error(path: Path) -> None:
    async with opened(path) as store:
        await add(store, "ann")
    async with opened(f"sqlite:///file:{path}?mode=ro&uri=true") as store:
        for _ in range(2):
            with pytest.raises(StorageError, match=r"is read-only\. Nothing was changed") as caught:
                await store.save("ann", ["AAPL"], limit=500)
            assert str(path) in str(caught.value)
        assert await store.user("ann") is not None


async def test_a_connection_that_cannot_be_set_up_is_an_error_and_leaves_no_thread(path: Path) -> None:
    async with opened(path):
        pass
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    async with opened(f"sqlite:///file:{path}?mode=ro&uri=true") as store:
        # A read-only file cannot be put into WAL mode.
        for _ in range(3):
            with pytest.raises(StorageError, match="is read-only"):
                await add(store, "ann")
        # A connection that was forgotten instead of closed would warn here, and a warning is an error.
        gc.collect()
    assert_database_threads_end()


async def test_a_hash_is_not_in_the_error_of_a_failed_change(path: Path) -> None:
    async with opened(path):
        pass
    async with opened(f"sqlite:///file:{path}?mode=ro&uri=true") as store:
        with pytest.raises(StorageError) as caught:
            await add(store, "ann")
    assert "argon2" not in f"{caught.value!r} {caught.value.__cause__}"


async def test_a_full_disk_is_a_clear_error_and_what_was_saved_stays(store: Store) -> None:
    await add(store, "ann")
    await store.save("ann", ["AAPL"], limit=10_000)
    await store._database.write(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count = 1"))
    with pytest.raises(StorageError, match=r"cannot grow: the disk is full\. Nothing was changed"):
        await store.save("ann", [f"S{number}" for number in range(5000)], limit=10_000)
    assert await store.saved("ann") == ("AAPL",)
    await store._database.write(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count = 100000"))
    await store.save("ann", ["MSFT"], limit=500)
    assert await store.saved("ann") == ("AAPL", "MSFT")


async def test_a_database_locked_by_another_program_is_read_and_changed_again_when_it_lets_go(path: Path) -> None:
    async with opened(path, busy_timeout_seconds=0.01) as store:
        await add(store, "ann")
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StorageError, match=r"is locked by another program\. Nothing was changed; try again"):
                await store.save("ann", ["AAPL"], limit=500)
            assert await store.user("ann") is not None
            other.execute("ROLLBACK")
        await store.save("ann", ["AAPL"], limit=500)
        assert await store.saved("ann") == ("AAPL",)


async def test_a_change_waits_for_the_change_of_another_program(path: Path) -> None:
    async with opened(path) as store:
        await add(store, "ann")
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            save = asyncio.create_task(store.save("ann", ["AAPL"], limit=500))
            # Reads go on meanwhile.
            assert await store.saved("ann") == ()
            assert not save.done()
            other.execute("COMMIT")
            await save
        assert await store.saved("ann") == ("AAPL",)


# --- cancelling, closing, dying ------------------------------------------------------------------------------------


async def test_a_change_that_has_begun_is_made_also_when_its_caller_is_cancelled(store: Store) -> None:
    await add(store, "ann")
    (await begun_change(store)).cancel()
    await store.save("ann", ["MSFT"], limit=500)
    assert await store.saved("ann") == ("AAPL", "MSFT")


async def begun_change(store: Store) -> asyncio.Task[None]:
    """A call that is in the middle of saving AAPL for the first user."""
    has_begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def change(connection: Connection) -> None:
        loop.call_soon_threadsafe(has_begun.set)
        connection.exec_driver_sql("INSERT INTO saved_symbols (user_id, symbol) VALUES (1, 'AAPL')")

    call = asyncio.create_task(store._database.write(change))
    await has_begun.wait()
    return call


async def test_closing_lets_a_change_that_has_begun_end_and_refuses_one_that_waits(path: Path) -> None:
    async with opened(path) as store:
        await add(store, "ann")
        begun = await begun_change(store)
        waiting = asyncio.create_task(store.save("ann", ["MSFT"], limit=500))
        await asyncio.sleep(0)
    await begun
    with pytest.raises(StorageError, match="is closed"):
        await waiting
    assert_database_threads_end()
    async with opened(path) as store:
        assert await store.saved("ann") == ("AAPL",)


async def test_closing_does_not_wait_for_a_lock_of_another_program_to_end(path: Path) -> None:
    async with opened(path, busy_timeout_seconds=600) as store:
        await add(store, "ann")
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            saves = [asyncio.create_task(store.save("ann", [f"S{number}"], limit=500)) for number in range(20)]
            await asyncio.sleep(0)
            async with asyncio.timeout(PATIENCE_SECONDS):
                await store.close()
                results = await asyncio.gather(*saves, return_exceptions=True)
    assert {type(result) for result in results} == {StorageError}
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert_database_threads_end()
    async with opened(path) as store:
        assert await store.saved("ann") == ()


def test_a_database_that_hangs_is_named_to_the_operator_and_not_to_clients(path: Path) -> None:
    error = SqliteDatabase(make_url(f"sqlite:///{path}"), busy_timeout_seconds=1)._stuck()
    assert str(path) in str(error)
    assert error.message.startswith("The database does not answer; a change may have been made or not.")


async def test_a_closed_store_answers_with_an_error_and_can_be_closed_again(path: Path) -> None:
    store = Store(f"sqlite:///{path}")
    await store.close()
    with pytest.raises(StorageError, match="is closed") as caught:
        await store.user("ann")
    assert str(path) in str(caught.value)
    assert caught.value.message == "The database is closed."
    await store.open()
    await store.close()
    await store.close()
    with pytest.raises(StorageError, match="is closed"):
        await store.save("ann", ["AAPL"], limit=500)


async def test_kill_9_loses_no_acknowledged_change_and_brings_none_back(path: Path) -> None:
    async with opened(path) as store:
        await add(store, "ann")
    expected: tuple[str, ...] = ()
    number = 0
    for acknowledged in (3, 20, 41):
        lines = await lines_until_killed(path, first=number, acknowledged=acknowledged)
        for line in lines:
            expected = after(line, expected)
        number = int(lines[-1][2:])
        is_unsaving = lines[-1][0] == "+" and number % 3 == 0
        under_way = f"-S{number:04}" if is_unsaving else f"+S{number + 1:04}"
        async with opened(path) as store:
            saved = await store.saved("ann")
        # The change that was under way when it died may have been made or not; each acknowledged one was.
        assert saved in (expected, after(under_way, expected))
        expected, number = saved, number + 2


async def lines_until_killed(path: Path, *, first: int, acknowledged: int) -> list[str]:
    """What the child was told is done: at least `acknowledged` changes, then it is killed in the middle of one."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, saving_child.__file__, f"sqlite:///{path}", str(first), stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    try:
        lines = [await child.stdout.readline() for _ in range(acknowledged)]
    finally:
        child.kill()
    lines += [line async for line in child.stdout]
    await child.wait()
    assert len(lines) >= acknowledged
    # A line that was cut off was not printed.
    return [line.decode().rstrip() for line in lines if line.endswith(b"\n")]


def after(line: str, symbols: tuple[str, ...]) -> tuple[str, ...]:
    """The saved symbols after the change that a line of the child tells of."""
    if line[0] == "+":
        return (*symbols, line[1:])
    return tuple(symbol for symbol in symbols if symbol != line[1:])
