import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from patience import PATIENCE_SECONDS
from postgres_server import PASSWORD, PostgresServer
from stocktrack.errors import ConfigError, Reason, StorageError
from stocktrack.storage.store import Store
from stocktrack.storage.tables import SCHEMA_REVISION, metadata
from stores import HASH, add, opened


@pytest.fixture
async def name(postgres: PostgresServer) -> str:
    """A database without tables."""
    return await postgres.new_database()


@pytest.fixture
async def url(postgres: PostgresServer, name: str) -> str:
    """The address of a database with the tables."""
    address = postgres.url(name)
    assert await upgraded(address) is None
    return address


@contextlib.asynccontextmanager
async def another_program(postgres: PostgresServer, database: str) -> AsyncIterator[Any]:
    connection = await postgres.connect(database)
    try:
        yield connection
    finally:
        await connection.close()


async def upgraded(url: str) -> str | None:
    store = Store(url)
    try:
        return await store.upgrade()
    finally:
        await store.close()


async def failure_of_opening(url: str, *, busy_timeout_seconds: float = 5.0) -> StorageError:
    with pytest.raises(StorageError) as caught:
        await Store(url, busy_timeout_seconds=busy_timeout_seconds).open()
    assert caught.value.reason is Reason.STORAGE_ERROR
    assert PASSWORD not in str(caught.value)
    return caught.value


# --- tables --------------------------------------------------------------------------------------------------------


async def test_without_tables_a_server_does_not_start_and_says_how_to_make_them(
    postgres: PostgresServer, name: str
) -> None:
    error = await failure_of_opening(postgres.url(name))
    assert str(error) == (
        f"The database postgresql://stocktrack@127.0.0.1:{postgres.port}/{name} has no tables yet. "
        "Run: stocktrack db upgrade"
    )
    assert await upgraded(postgres.url(name)) is None
    async with opened(postgres.url(name)) as store:
        assert await store.users() == []


async def test_upgrades_at_once_make_the_tables_once(postgres: PostgresServer, name: str) -> None:
    found = await asyncio.gather(*(upgraded(postgres.url(name)) for _ in range(4)))
    assert sorted(found, key=str) == [*3 * [SCHEMA_REVISION], None]


async def test_tables_of_another_program_are_left_alone(postgres: PostgresServer, name: str) -> None:
    await postgres.execute("CREATE TABLE users (nickname TEXT)", name)
    assert "belongs to another program" in str(await failure_of_opening(postgres.url(name)))
    with pytest.raises(StorageError, match="belongs to another program"):
        await upgraded(postgres.url(name))
    async with another_program(postgres, name) as connection:
        assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 1


async def test_tables_of_a_newer_program_are_refused(postgres: PostgresServer, name: str, url: str) -> None:
    await postgres.execute("UPDATE stocktrack_schema SET version_num = '0009'", name)
    assert "was written by a newer StockTrack: its schema is 0009" in str(await failure_of_opening(url))


async def test_tables_that_somebody_dropped_are_an_error_that_says_how_to_make_them(
    postgres: PostgresServer, name: str, url: str
) -> None:
    async with opened(url) as store:
        await postgres.execute(f"DROP TABLE {', '.join(metadata.tables)}", name)
        with pytest.raises(StorageError, match=r"has no tables of StockTrack\. Run: stocktrack db upgrade"):
            await store.user("ann")


# --- the address ---------------------------------------------------------------------------------------------------


async def test_a_wrong_password_is_an_error_that_does_not_show_it(postgres: PostgresServer) -> None:
    error = await failure_of_opening(postgres.url("postgres", password="wrong secret"))
    assert "refuses the user or the password" in str(error)
    assert "wrong secret" not in f"{error!r} {error} {error.__cause__!r}"


async def test_a_database_that_does_not_exist_is_an_error_that_says_how_to_make_it(postgres: PostgresServer) -> None:
    assert "does not exist. Make it with createdb" in str(await failure_of_opening(postgres.url("nowhere")))


async def test_a_server_that_is_not_there_is_an_error_that_names_its_address(postgres: PostgresServer) -> None:
    error = await failure_of_opening(postgres.url("db").replace(str(postgres.port), "1"))
    assert str(error).startswith("The database postgresql://stocktrack@127.0.0.1:1/db cannot be reached: ")
    error = await failure_of_opening("postgresql://ann@no-such-host.invalid/db")
    assert str(error).startswith("The database postgresql://ann@no-such-host.invalid/db cannot be reached: ")


async def test_a_socket_file_and_other_programs_options_are_taken(postgres: PostgresServer, name: str) -> None:
    by_socket = postgres.url(name, host=str(postgres.folder), port=str(postgres.port)).replace(
        f"127.0.0.1:{postgres.port}", ""
    )
    assert await upgraded(by_socket) is None
    for prefix in ("postgres://", "postgresql+psycopg://", "postgresql+asyncpg://"):
        address = postgres.url(name, sslmode="disable").replace("postgresql://", prefix)
        async with opened(address) as store:
            assert await store.users() == []


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("postgresql://ann:secret@host", "names no database"),
        ("postgresql://ann:secret@host/db?pool=secret", "has the option 'pool'; there are host, port, ssl"),
    ],
)
def test_an_address_that_cannot_be_is_refused_without_showing_it(url: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence) as caught:
        Store(url)
    assert "secret" not in str(caught.value)


def test_without_the_driver_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    monkeypatch.delitem(sys.modules, "stocktrack.storage.postgres", raising=False)
    with pytest.raises(ConfigError, match=r"pip install '\.\[postgres\]' in the folder"):
        Store("postgresql://ann:secret@host/db")


# --- promises ------------------------------------------------------------------------------------------------------


async def test_every_commit_waits_for_the_disk_whatever_the_server_does_else(
    postgres: PostgresServer, name: str, url: str
) -> None:
    await postgres.execute(f"ALTER DATABASE {name} SET synchronous_commit = off", "postgres")
    async with opened(url) as store:
        values = [
            await store._database.write(lambda connection, of=of: connection.exec_driver_sql(f"SHOW {of}").scalar())  # type: ignore[misc]  # mypy infers no lambda with a default
            for of in ("synchronous_commit", "lock_timeout", "application_name")
        ]
    assert values == ["on", "100ms", "stocktrack"]


async def test_a_thousand_reads_at_once_take_a_few_connections(postgres: PostgresServer, name: str, url: str) -> None:
    async with opened(url) as store, another_program(postgres, name) as other:
        await add(store, "ann")
        found = await asyncio.gather(*(store.user("ann") for _ in range(1000)))
        of_this = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'stocktrack' AND datname = $1"
        assert await other.fetchval(of_this, name) <= 8
    assert all(user is not None for user in found)


async def test_a_user_removed_while_saving_waits_for_it_leaves_nothing_behind(
    postgres: PostgresServer, name: str, url: str
) -> None:
    async with opened(url) as store, another_program(postgres, name) as other:
        await add(store, "ann")
        removal = other.transaction()
        await removal.start()
        await other.execute("DELETE FROM users")
        save = asyncio.create_task(store.save("ann", ["AAPL"], limit=500))
        await until_waiting_for_a_lock(other)
        await removal.commit()
        with pytest.raises(Exception, match="no user 'ann' any more"):
            await save
        assert await other.fetchval("SELECT count(*) FROM saved_symbols") == 0


async def until_waiting_for_a_lock(connection: Any) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            pass


# --- what can be wrong with the server -----------------------------------------------------------------------------


async def test_a_lock_of_another_program_is_a_clear_error_and_reads_go_on(
    postgres: PostgresServer, name: str, url: str
) -> None:
    async with opened(url, busy_timeout_seconds=1.0) as store, another_program(postgres, name) as other:
        await add(store, "ann")
        lock = other.transaction()
        await lock.start()
        await other.execute("SELECT id FROM users FOR UPDATE")
        with pytest.raises(StorageError, match=r"is locked by another program\. Nothing was changed; try again"):
            await store.save("ann", ["AAPL"], limit=500)
        assert await store.saved("ann") == ()
        await lock.rollback()
        await store.save("ann", ["AAPL"], limit=500)
        assert await store.saved("ann") == ("AAPL",)


async def test_a_read_only_database_is_read_and_every_change_is_a_clear_error(
    postgres: PostgresServer, name: str, url: str
) -> None:
    await postgres.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    async with opened(url) as store:
        with pytest.raises(StorageError, match=r"is read-only\. Nothing was changed") as caught:
            await add(store, "ann")
        assert await store.users() == []
    assert HASH not in f"{caught.value} {caught.value.__cause__}"


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("53100", r"the server's disk is full\. Nothing was changed; make room on it\."),
        ("42501", "may not be used by this user"),
        ("XX001", "is damaged"),
        ("40001", r"was changed by another program at the same moment\. Nothing was changed here; try again\."),
        ("P0001", r"did not do what it was asked: oh no\."),
    ],
)
async def test_what_the_server_reports_becomes_a_sentence_and_nothing_is_changed(
    postgres: PostgresServer, name: str, url: str, state: str, sentence: str
) -> None:
    await fail_saving(postgres, name, f"RAISE 'oh no' USING ERRCODE = '{state}';")
    async with opened(url, busy_timeout_seconds=1.0) as store:
        await add(store, "ann")
        with pytest.raises(StorageError, match=sentence):
            await store.save("ann", ["AAPL"], limit=500)
        assert await store.saved("ann") == ()


async def test_a_change_that_collided_is_made_again(postgres: PostgresServer, name: str, url: str) -> None:
    await postgres.execute("CREATE SEQUENCE tries", name)  # it counts on also where a transaction is undone
    await fail_saving(postgres, name, "IF nextval('tries') < 3 THEN RAISE 'oh no' USING ERRCODE = '40001'; END IF;")
    async with opened(url) as store:
        await add(store, "ann")
        await store.save("ann", ["AAPL"], limit=500)
        assert await store.saved("ann") == ("AAPL",)


async def fail_saving(postgres: PostgresServer, name: str, statement: str) -> None:
    await postgres.execute(
        f"""CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {statement} RETURN NEW; END $$;
        CREATE TRIGGER fails BEFORE INSERT ON saved_symbols FOR EACH ROW EXECUTE FUNCTION fail()""",
        name,
    )


async def test_a_server_that_was_restarted_costs_no_client_a_command(postgres: PostgresServer, url: str) -> None:
    async with opened(url) as store:
        await add(store, "ann")
        await store.save("ann", ["AAPL"], limit=500)
        postgres.stop()
        try:
            with pytest.raises(StorageError, match="cannot be reached"):
                await store.user("ann")
            with pytest.raises(StorageError, match="cannot be reached"):
                await store.save("ann", ["MSFT"], limit=500)
        finally:
            postgres.start()
        assert await store.saved("ann") == ("AAPL",)
        await store.save("ann", ["MSFT"], limit=500)
        postgres.stop()
        postgres.start()
        assert await store.saved("ann") == ("AAPL", "MSFT")
        assert await store.unsave("ann", None) == ("AAPL", "MSFT")


async def test_a_server_that_hangs_is_a_clear_error_and_used_again_when_it_goes_on(
    postgres: PostgresServer, name: str, url: str
) -> None:
    async with opened(url, busy_timeout_seconds=0.3) as store:
        await add(store, "ann")
        async with another_program(postgres, name) as other:
            rows = await other.fetch("SELECT pid FROM pg_stat_activity WHERE application_name = 'stocktrack'")
        with frozen(postgres.pid, *(row["pid"] for row in rows)):
            for call in (store.user("ann"), store.save("ann", ["AAPL"], limit=500)):
                with pytest.raises(StorageError, match="does not answer") as caught:
                    await call
                assert str(postgres.port) in str(caught.value)
                assert str(postgres.port) not in caught.value.message
        assert await store.user("ann") is not None
        await store.save("ann", ["MSFT"], limit=500)
        assert "MSFT" in await store.saved("ann")


@contextlib.contextmanager
def frozen(*pids: int) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


async def test_closing_ends_every_connection(postgres: PostgresServer, name: str, url: str) -> None:
    async with opened(url) as store:
        await add(store, "ann")
        await asyncio.gather(*(store.user("ann") for _ in range(20)))
    with pytest.raises(StorageError, match="is closed"):
        await store.user("ann")
    async with another_program(postgres, "postgres") as other, asyncio.timeout(PATIENCE_SECONDS):
        while await other.fetchval("SELECT count(*) FROM pg_stat_activity WHERE datname = $1", name):
            pass
