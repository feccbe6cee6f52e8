"""Tables of every older StockTrack become today's, and what stood in them stays."""

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, inspect

from postgres_server import PostgresServer
from stocktrack.errors import StorageError
from stocktrack.storage.migrations.runner import upgrade
from stocktrack.storage.store import Store
from stocktrack.storage.tables import REVISION_TABLE, SCHEMA_REVISION, metadata
from stores import opened

# What the first StockTrack wrote, before its tables told their revision by themselves.
FIRST_TABLES = """
CREATE TABLE users (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name VARCHAR(64) NOT NULL,
    password_hash VARCHAR(255) NOT NULL,
    created_at_ms BIGINT NOT NULL,
    UNIQUE (name)
);
CREATE TABLE saved_symbols (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL,
    list_name VARCHAR(64) DEFAULT 'main' NOT NULL,
    symbol VARCHAR(32) NOT NULL,
    CONSTRAINT one_of_each_symbol UNIQUE (user_id, list_name, symbol),
    FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
PRAGMA user_version = 1;
PRAGMA journal_mode = WAL;
"""
FIRST_ROWS = """
INSERT INTO users (name, password_hash, created_at_ms)
VALUES ('gone', 'x', 1), ('ann', 'hash of ann', 2), ('bob', 'y', 3);
DELETE FROM users WHERE name = 'gone';
INSERT INTO saved_symbols (user_id, symbol) VALUES (2, 'TSLA'), (3, 'SAP'), (2, 'AAPL');
"""
FIRST_MARK = """
CREATE TABLE stocktrack_schema (version_num VARCHAR(32) PRIMARY KEY);
INSERT INTO stocktrack_schema VALUES ('0001');
"""
# What the second one wrote into an empty file, and `FIRST_ROWS` with what it had learnt of them.
SECOND_TABLES = """
CREATE TABLE stocktrack_schema (version_num VARCHAR(32) NOT NULL, PRIMARY KEY (version_num));
INSERT INTO stocktrack_schema VALUES ('0002');
CREATE TABLE users (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name VARCHAR(64) NOT NULL,
    password_hash VARCHAR(255) NOT NULL,
    created_at_ms BIGINT NOT NULL,
    is_admin BOOLEAN DEFAULT 0 NOT NULL,
    token_epoch INTEGER DEFAULT '0' NOT NULL,
    UNIQUE (name)
);
CREATE TABLE saved_symbols (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL,
    list_name VARCHAR(64) DEFAULT 'main' NOT NULL,
    symbol VARCHAR(32) NOT NULL,
    CONSTRAINT one_of_each_symbol UNIQUE (user_id, list_name, symbol),
    FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
PRAGMA journal_mode = WAL;
"""
SECOND_ROWS = """
UPDATE users SET is_admin = 1, token_epoch = 7 WHERE name = 'bob';
INSERT INTO saved_symbols (user_id, list_name, symbol) VALUES (3, 'tech', 'NVDA'), (3, 'tech', 'GONE');
DELETE FROM saved_symbols WHERE symbol = 'GONE';
"""
LONGEST_SYMBOL = "NIFTY24APR18000CE".ljust(48, "X")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "stocktrack.db"


def write_first_tables(path: Path, rows: str = FIRST_ROWS) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(FIRST_TABLES + rows)


def write_second_tables(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(SECOND_TABLES + FIRST_ROWS + SECOND_ROWS)


def with_connection(engine: Engine, work: Callable[[Connection], object]) -> None:
    try:
        with engine.begin() as connection:
            work(connection)
    finally:
        engine.dispose()


def shape_of(connection: Connection) -> dict[str, Any]:
    """What tables, columns, defaults, keys and rules there are."""
    found = inspect(connection)
    return {
        table: {
            "columns": [(c["name"], str(c["type"]), c["nullable"], c["default"]) for c in found.get_columns(table)],
            "key": found.get_pk_constraint(table)["constrained_columns"],
            "unique": sorted(sorted(rule["column_names"]) for rule in found.get_unique_constraints(table)),
            "references": [(k["referred_table"], k["options"]) for k in found.get_foreign_keys(table)],
        }
        for table in found.get_table_names()
        if table not in {REVISION_TABLE, "sqlite_sequence"}
    }


def test_the_newest_migration_is_the_schema_that_the_program_knows() -> None:
    config = Config()
    config.set_main_option("script_location", "stocktrack.storage:migrations")
    revisions = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert revisions[0] == SCHEMA_REVISION
    # A later revision has to be the greater string.
    assert revisions == sorted(revisions, reverse=True)


@pytest.mark.parametrize("found", ["0001", "0002"])
def test_migrated_tables_are_the_same_as_new_ones(tmp_path: Path, found: str) -> None:
    shapes: list[dict[str, Any]] = []
    automatic: list[int] = []

    def look(connection: Connection) -> None:
        shapes.append(shape_of(connection))
        made_by = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE type = 'table'").scalars()
        automatic.append(sum("AUTOINCREMENT" in (sql or "") for sql in made_by))

    def migrate(connection: Connection) -> None:
        if found == "0001":
            connection.exec_driver_sql(f"CREATE TABLE {REVISION_TABLE} (version_num VARCHAR(32) PRIMARY KEY)")
        upgrade(connection, found=found)
        look(connection)

    def make(connection: Connection) -> None:
        metadata.create_all(connection)
        look(connection)

    (write_first_tables if found == "0001" else write_second_tables)(tmp_path / "old.db")
    with_connection(create_engine(f"sqlite:///{tmp_path / 'old.db'}"), migrate)
    with_connection(create_engine(f"sqlite:///{tmp_path / 'new.db'}"), make)
    assert shapes[0] == shapes[1]
    assert shapes[0].keys() == set(metadata.tables) - {REVISION_TABLE}
    assert automatic == [4, 4]


async def test_a_file_of_the_first_stocktrack_is_upgraded_at_start_and_loses_nothing(path: Path) -> None:
    write_first_tables(path)
    for _ in range(2):
        async with opened(path) as store:
            users = {user.name: user for user in await store.users()}
            assert {name: (u.created_at_ms, u.saved_count) for name, u in users.items()} == {
                "ann": (2, 2),
                "bob": (3, 1),
            }
            assert users["ann"].password_hash == "hash of ann"
            assert not users["ann"].is_admin
            assert users["ann"].token_epoch == 0
            assert await store.saved("ann") == ("TSLA", "AAPL")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute(f"SELECT version_num FROM {REVISION_TABLE}").fetchall() == [(SCHEMA_REVISION,)]  # noqa: S608 - a constant of ours
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


async def test_a_file_of_the_second_stocktrack_is_upgraded_at_start_and_loses_nothing(path: Path) -> None:
    write_second_tables(path)
    for _ in range(2):
        async with opened(path) as store:
            users = {user.name: (user.is_admin, user.token_epoch, user.saved_count) for user in await store.users()}
            assert users == {"ann": (False, 0, 2), "bob": (True, 7, 2)}
            assert await store.saved("ann") == ("TSLA", "AAPL")
            assert await store.saved("bob", "tech") == ("NVDA",)
    async with opened(path) as store:
        # The rules of the table came along: one of each symbol, in the order of saving, gone with their user.
        await store.save("bob", ["AMD", "NVDA", LONGEST_SYMBOL], 10, "tech")
        assert await store.saved("bob", "tech") == ("NVDA", "AMD", LONGEST_SYMBOL)
        await store.remove_user("bob")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT symbol FROM saved_symbols ORDER BY id").fetchall() == [("TSLA",), ("AAPL",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


async def test_an_empty_file_of_the_first_stocktrack_is_upgraded(path: Path) -> None:
    write_first_tables(path, rows="")
    async with opened(path) as store:
        assert await store.users() == []


async def test_servers_that_find_the_same_old_file_at_once_upgrade_it_once(path: Path) -> None:
    write_first_tables(path)
    stores = [Store(f"sqlite:///{path}") for _ in range(4)]
    try:
        await asyncio.gather(*(store.open() for store in stores))
        assert [len(await store.users()) for store in stores] == [2, 2, 2, 2]
    finally:
        await asyncio.gather(*(store.close() for store in stores))


async def test_an_upgrade_that_fails_leaves_the_old_file_as_it_was(path: Path) -> None:
    write_first_tables(path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        # The second of the columns to be added is there already.
        connection.execute("ALTER TABLE users ADD COLUMN token_epoch INTEGER")
        before = list(connection.iterdump())
    with pytest.raises(StorageError, match="duplicate column name: token_epoch"):
        await Store(f"sqlite:///{path}").open()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert list(connection.iterdump()) == before


async def test_an_old_postgresql_database_is_upgraded_when_the_operator_says_so(postgres: PostgresServer) -> None:
    name = await postgres.new_database()
    statements = FIRST_TABLES.partition("PRAGMA")[0].replace(
        "INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT", "SERIAL PRIMARY KEY"
    )
    await postgres.execute(f"{statements};{FIRST_ROWS};{FIRST_MARK}", name)
    with pytest.raises(
        StorageError, match=r"has the tables of an older StockTrack \(0001\)\. Run: stocktrack db upgrade"
    ):
        await Store(postgres.url(name)).open()
    store = Store(postgres.url(name))
    assert await store.upgrade() == "0001"
    await store.close()
    async with opened(postgres.url(name)) as store:
        await store.save("ann", [LONGEST_SYMBOL], 10)
        assert await store.saved("ann") == ("TSLA", "AAPL", LONGEST_SYMBOL)
        assert await store.revoke_tokens("ann") == frozenset()
        user = await store.user("ann")
    assert user is not None
    assert (user.is_admin, user.token_epoch) == (False, 1)


@pytest.mark.parametrize("first", [True, False])
def test_alembic_is_imported_only_where_there_is_something_to_upgrade(path: Path, first: bool) -> None:
    if first:
        write_first_tables(path)
    program = (
        "import asyncio, sys\n"
        "from stocktrack.storage.store import Store\n"
        "async def main():\n"
        f"    store = Store('sqlite:///{path}')\n"
        "    await store.open()\n"
        "    await store.close()\n"
        "asyncio.run(main())\n"
        "print('alembic' in sys.modules, 'asyncpg' in sys.modules)\n"
    )
    outputs = [
        subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60).stdout  # noqa: S603 - ourselves
        for _ in range(2)
    ]
    # The upgrade is logged in a line before.
    assert [output.splitlines()[-1] for output in outputs] == [f"{first} False", "False False"]
