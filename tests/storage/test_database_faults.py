"""What goes wrong with the database while a server runs: a clear error, nothing lost, prices go on, nobody gets in."""

import asyncio
import contextlib
import itertools
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from fakes import ScriptedProvider
from live_server import PASSWORD, Line, LiveServer, QuickHasher, RawClient, live_server
from patient_http import patient_http
from postgres_server import PostgresServer
from server_process import run_stocktrack
from stocktrack.clock import ManualClock
from stocktrack.errors import StorageError
from stocktrack.storage.store import Store
from stores import opened

PATIENCE_SECONDS = 0.2
MANY = tuple(f"S{number}" for number in range(490))
# A process of its own, since SQLite's locks are a process's: it says when it holds the lock, and lets go at a line.
LOCKER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2:]:
    connection.execute(statement)
print("locked", flush=True)
sys.stdin.readline()
"""


@contextlib.asynccontextmanager
async def locked_by_another_process(path: Path, *statements: str) -> AsyncIterator[None]:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", LOCKER, str(path), *statements),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        assert await child.stdout.readline() == b"locked\n"
        yield
    finally:
        child.stdin.close()
        await child.wait()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "stocktrack.db"


@contextlib.asynccontextmanager
async def running(
    folder: Path, url: str, *, users: tuple[str, ...] = ("ann",), **settings: Any
) -> AsyncIterator[LiveServer]:
    clock = ManualClock()
    market = ScriptedProvider(clock)
    market.prices |= dict.fromkeys(MANY, 10.0)
    async with live_server(folder, market, users=users, clock=clock, database_url=url, **settings) as server:
        yield server


async def write_users(url: str | Path, *names: str) -> None:
    """What a server finds that starts: users with `PASSWORD`, each with TSLA saved."""
    async with opened(url) as store:
        for name in names:
            await store.add_user(name, QuickHasher().hash(PASSWORD.encode()), created_at_ms=1)
            await store.save(name, ["TSLA"], limit=500)


async def assert_prices_go_on(client: RawClient) -> None:
    """A session that is logged in is served all that needs no database."""
    assert [quote["symbol"] for quote in (await client.ask({"type": "GET", "symbols": ["AAPL"]}))["quotes"]] == ["AAPL"]
    reply = await client.ask({"type": "SUBSCRIBE", "symbols": ["MSFT"], "interval": 0, "save": False})
    assert (reply["code"], reply["symbols"]) == (200, ["MSFT"])
    assert (await client.receive_until("PRICE"))["symbol"] == "MSFT"
    assert (await client.ask({"type": "UNSUBSCRIBE", "symbols": ["MSFT"], "save": False}))["symbols"] == []


async def assert_nobody_gets_in(server: LiveServer, sentence: str, *names: str) -> None:
    """Neither with the right password, which this server may remember, nor with a wrong one."""
    for username, password in itertools.product(names, (PASSWORD, "wrong")):
        client = await server.connect()
        reply = await client.ask({"type": "AUTH", "username": username, "password": password})
        assert_is_storage_error(reply, sentence)
        reply = await client.ask({"type": "GET", "symbols": ["AAPL"]})
        assert (reply["code"], reply["reason"]) == (401, "not_authenticated")


def assert_is_storage_error(reply: Line, sentence: str) -> None:
    assert (reply["code"], reply.get("reason"), reply.get("retryable")) == (500, "storage_error", True), reply
    assert sentence in reply["message"]


async def save(client: RawClient, *symbols: str) -> Line:
    return await client.ask({"type": "SUBSCRIBE", "symbols": list(symbols), "interval": 3600})


async def saved(client: RawClient) -> Any:
    return (await client.ask({"type": "MY_STOCKS"}))["symbols"]


# --- SQLite --------------------------------------------------------------------------------------------------------


async def test_while_another_process_has_the_file_locked_changes_fail_and_all_else_goes_on(path: Path) -> None:
    async with running(path.parent, f"sqlite:///{path}?timeout={PATIENCE_SECONDS}") as server:
        ann = await server.log_in()
        await save(ann, "TSLA")
        async with locked_by_another_process(path, "BEGIN EXCLUSIVE"):
            assert_is_storage_error(await save(ann, "AAPL"), "is locked by another program. Nothing was changed")
            reply = await ann.ask({"type": "UNSUBSCRIBE", "symbols": ["TSLA"]})
            assert_is_storage_error(reply, "is locked by another program. Nothing was changed")
            await ann.ask({"type": "UNSUBSCRIBE", "symbols": ["TSLA"], "save": False})
            await assert_prices_go_on(ann)
            # In WAL mode reading needs no lock.
            assert await saved(await server.log_in()) == ["TSLA"]
        assert (await save(ann, "AAPL"))["code"] == 200
        assert await saved(ann) == ["TSLA", "AAPL"]


async def test_no_client_is_told_where_the_database_is_and_the_log_tells_it_once(path: Path) -> None:
    async with running(path.parent, f"sqlite:///{path}?timeout={PATIENCE_SECONDS}", web_port=0) as server:
        ann = await server.log_in()
        token = (await ann.ask({"type": "TOKEN"}))["token"]
        with capture_logs() as logs:
            async with locked_by_another_process(path, "DROP TABLE saved_symbols", "DROP TABLE users"):
                pass
            stranger = await server.connect()
            told = [
                await save(ann, "AAPL"),
                await ann.ask({"type": "MY_STOCKS"}),
                await stranger.ask({"type": "AUTH", "token": token}),
                await stranger.ask({"type": "AUTH", "username": "ann", "password": PASSWORD}),
            ]
            async with patient_http(base_url=server.web_url) as http:
                ready = await http.get("/readyz")
                stocks = await http.get("/api/v1/stocks", headers={"authorization": f"Bearer {token}"})
                login = await http.post("/api/v1/login", json={"username": "ann", "password": PASSWORD})
    assert ready.status_code == stocks.status_code == login.status_code == 503
    for reply in told:
        assert (reply["code"], reply["reason"]) == (500, "storage_error"), reply
    for text in (*map(str, told), ready.text, stocks.text, login.text):
        assert str(path.parent) not in text
        assert path.name not in text
        assert "database" in text.lower()
        assert "no such table" not in text
    failed = [entry for entry in logs if entry["event"] == "storage_failed"]
    assert all(str(path) in entry["why"] for entry in failed)
    assert len(failed) == len({entry["why"] for entry in failed}) > 0


async def test_a_crowd_waits_for_another_process_that_changes_the_file_and_nobody_is_refused(path: Path) -> None:
    async with running(path.parent, f"sqlite:///{path}") as server:
        clients = [await server.log_in() for _ in range(20)]
        async with locked_by_another_process(path, "BEGIN IMMEDIATE"):
            saves = [asyncio.create_task(save(client, symbol)) for client, symbol in zip(clients, MANY, strict=False)]
            late = await server.log_in()  # a login waits for nobody
            await assert_prices_go_on(late)
            assert not any(reply.done() for reply in saves)
        assert {(await reply)["code"] for reply in saves} == {200}
        assert sorted(await saved(late)) == sorted(MANY[:20])


async def test_a_file_that_another_process_has_for_itself_keeps_the_server_from_starting(path: Path) -> None:
    await write_users(path, "ann")
    statements = ("PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE", "UPDATE users SET token_epoch = 1")
    async with locked_by_another_process(path, *statements):
        with pytest.raises(StorageError, match="is locked by another program"):
            await Store(f"sqlite:///{path}?timeout={PATIENCE_SECONDS}").open()
    async with opened(path) as store:
        assert await store.saved("ann") == ("TSLA",)


async def test_with_a_read_only_file_logins_and_prices_go_on_and_changes_fail(path: Path) -> None:
    await write_users(path, "ann")
    async with running(path.parent, f"sqlite:///file:{path}?mode=ro&uri=true", users=()) as server:
        ann = await server.log_in()
        assert_is_storage_error(await save(ann, "AAPL"), "is read-only. Nothing was changed")
        await assert_prices_go_on(ann)
        assert await saved(ann) == ["TSLA"]


async def test_on_a_full_disk_changes_fail_and_what_was_acknowledged_stays(path: Path) -> None:
    await write_users(path, "ann")
    async with running(path.parent, f"sqlite:///{path}", users=()) as server:
        ann = await server.log_in()
        await set_most_pages(server, 1)
        assert_is_storage_error(await save(ann, *MANY), "cannot grow: the disk is full. Nothing was changed")
        await assert_prices_go_on(ann)
        assert await saved(ann) == ["TSLA"]
        await set_most_pages(server, 1_000_000)
        assert (await save(ann, *MANY))["code"] == 200
    async with opened(path) as store:
        assert await store.saved("ann") == ("TSLA", *MANY)


async def set_most_pages(server: LiveServer, count: int) -> None:
    """Let the file grow to so many pages only, or no more at all: what a disk does that is full."""
    database = server.app._store._database
    await database.write(lambda connection: connection.exec_driver_sql(f"PRAGMA max_page_count = {count}"))


async def test_a_file_that_is_damaged_lets_nobody_in_and_prices_go_on(path: Path) -> None:
    await write_users(path, "ann", *(f"user{number:03}" for number in range(300)))
    async with running(path.parent, f"sqlite:///{path}", users=()) as server:
        ann = await server.log_in()
        with path.open("r+b") as file:
            length = file.seek(0, 2)
            file.seek(4096)
            file.write(b"\xff" * (length - 4096))
        await assert_nobody_gets_in(server, "is damaged. Stop the server, keep a copy of the file", "user250")
        await assert_prices_go_on(ann)


def mark_as_newer(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE stocktrack_schema SET version_num = '9999'")
        connection.commit()


def contents_of(path: Path) -> bytes:
    return path.read_bytes()


def overwrite(path: Path) -> None:
    path.write_bytes(b"\xff" * 20_000)


@pytest.mark.parametrize(
    ("spoil", "sentence"), [(mark_as_newer, "was written by a newer StockTrack"), (overwrite, "is not an SQLite file")]
)
async def test_serve_with_a_file_it_cannot_use_says_so_ends_with_1_and_leaves_it_alone(
    path: Path, spoil: Callable[[Path], None], sentence: str
) -> None:
    await write_users(path, "ann")
    spoil(path)
    before = contents_of(path)
    finished = await run_stocktrack(
        *(path.parent, "serve", "--provider", "simulated", "--port", "0"),
        STOCKTRACK_DATABASE_URL=f"sqlite:///{path}",
    )
    assert (finished.code, finished.out) == (1, "")
    assert finished.err.startswith(f"stocktrack: The database {path} {sentence}")
    assert "Traceback" not in finished.err
    assert contents_of(path) == before


# --- PostgreSQL ----------------------------------------------------------------------------------------------------


async def test_without_its_postgresql_server_nobody_gets_in_and_prices_go_on(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    url = postgres.url(await postgres.new_database())
    store = Store(url)
    await store.upgrade()
    await store.close()
    await write_users(url, "ann")
    async with running(tmp_path, url, users=()) as server:
        ann = await server.log_in()
        postgres.stop()
        try:
            await assert_nobody_gets_in(server, "cannot be reached", "ann", "nobody")
            assert_is_storage_error(await save(ann, "AAPL"), "cannot be reached")
            await assert_prices_go_on(ann)
        finally:
            postgres.start()
        assert (await save(ann, "AAPL"))["code"] == 200
        assert await saved(await server.log_in()) == ["TSLA", "AAPL"]


async def test_db_upgrade_makes_the_tables_of_a_postgresql_database_and_serve_uses_them(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    url = postgres.url(await postgres.new_database())
    told = [
        await run_stocktrack(tmp_path, "db", "upgrade", STOCKTRACK_DATABASE_URL=url),
        await run_stocktrack(tmp_path, "db", "upgrade", STOCKTRACK_DATABASE_URL=url),
    ]
    assert [finished.code for finished in told] == [0, 0]
    assert told[0].err.endswith("is at schema 0008: its tables were made.\n")
    assert told[1].err.endswith("is at schema 0008: nothing had to be done.\n")
    async with running(tmp_path, url) as server:
        assert (await save(await server.log_in(), "AAPL"))["code"] == 200
