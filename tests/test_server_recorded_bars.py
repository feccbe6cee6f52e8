"""What a server saw is in its database: after a restart, beside a database that fails, and never what was invented."""

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from fakes import NOW_MS, ScriptedProvider
from live_server import PASSWORD, LiveServer, RawClient, live_server, until
from patient_http import patient_http
from postgres_server import PostgresServer
from stocktrack.bars import MINUTE_MS
from stocktrack.clock import ManualClock, RealClock, settle
from stocktrack.config import LoadedSettings
from stocktrack.errors import StorageError
from stocktrack.providers.simulated.provider import SimulatedProvider
from stocktrack.storage.store import Store

BEGIN = NOW_MS - NOW_MS % MINUTE_MS
CANNOT = "bars cannot be kept; prices go on, and it is tried again"


class House:
    """A server on a manual clock whose source a test scripts, and who watches AAPL there."""

    def __init__(self, server: LiveServer, market: ScriptedProvider, clock: ManualClock, client: RawClient) -> None:
        self.server = server
        self.market = market
        self.clock = clock
        self.client = client

    async def trade(self, price: float, volume: int | None = None) -> None:
        """Have the next poll find this price, traded just then."""
        self.market.prices["AAPL"] = price
        self.market.market_time = self.clock.now_ms()
        self.market.quoted = {"volume": volume}
        await self.clock.advance(5)
        await until(lambda: (quote := self.server.app.board.quote("AAPL")) is not None and quote.price == price)

    async def advance(self, seconds: float) -> None:
        """Let time pass, and the database do what it is told meanwhile."""
        await self.clock.advance(seconds)
        for _ in range(3):
            with contextlib.suppress(StorageError):  # behind what was to be written before, whatever became of it
                await self.server.app._store._database.write(lambda _: None)
            await settle()

    async def bars(self, **asked: Any) -> list[tuple[int, float, float, float, float, int | None]]:
        """What HISTORY says of today's minutes."""
        question = {"type": "HISTORY", "symbol": "AAPL", "start": BEGIN - 3_600_000, "interval": "1m", **asked}
        reply = await self.client.ask(question)
        assert reply["code"] == 200, reply
        assert reply["provider"] == "recorded"
        return [
            (
                (bar["time"] - BEGIN) // MINUTE_MS,
                *(bar[name] for name in ("open", "high", "low", "close")),
                bar.get("volume"),
            )
            for bar in reply["bars"]
        ]


@contextlib.asynccontextmanager
async def running(folder: Path, clock: ManualClock, **settings: Any) -> AsyncIterator[House]:
    market = ScriptedProvider(clock)
    market.market_time = clock.now_ms() - 2 * 3_600_000  # so that what it has at first is no price of now
    users = () if (folder / "stocktrack.db").exists() or "database_url" in settings else ("ann",)
    async with live_server(folder, market, users=users, clock=clock, **settings) as server:
        if "database_url" in settings and not await server.app.accounts.list():
            await server.app.accounts.add("ann", PASSWORD)
        client = await server.log_in()
        house = House(server, market, clock, client)
        await house.client.ask({"type": "SUBSCRIBE", "symbols": ["AAPL"], "interval": 3600})
        yield house


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(BEGIN)


def rows(folder: Path) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(folder / "stocktrack.db")) as connection:
        return connection.execute("SELECT * FROM minute_bars ORDER BY symbol, minute").fetchall()


async def test_a_server_that_is_restarted_within_a_minute_still_has_its_bars(
    tmp_path: Path, clock: ManualClock
) -> None:
    async with running(tmp_path, clock) as house:
        await house.trade(10.0, 1_000)
        await house.trade(12.0, 1_100)
        await house.advance(75)
        await house.trade(11.0, 1_200)
        before = await house.bars()
    assert [bar[0] for bar in before] == [0, 1]
    async with running(tmp_path, clock) as house:
        assert await house.bars() == before
        await house.trade(9.0, 1_300)
        await house.trade(9.5, 1_330)
        after = await house.bars()
    assert after[0] == before[0]
    # The rest of the minute joined what was written at the end of the server before.
    assert after[1] == (1, 11.0, 11.0, 9.0, 9.5, 100)
    assert [row[1:] for row in rows(tmp_path)][-1] == ("AAPL", None, 11.0, 11.0, 9.0, 9.5, 100)


async def test_the_same_with_postgresql(tmp_path: Path, clock: ManualClock, postgres: PostgresServer) -> None:
    url = postgres.url(await postgres.new_database())
    store = Store(url)
    await store.upgrade()
    await store.close()
    async with running(tmp_path, clock, database_url=url) as house:
        await house.trade(10.0)
        await house.advance(75)
        await house.trade(11.0)
        before = await house.bars()
    assert [bar[0] for bar in before] == [0, 1]
    async with running(tmp_path, clock, database_url=url) as house:
        assert await house.bars() == before


async def test_on_a_full_disk_prices_go_on_and_bars_wait_until_there_is_room(
    tmp_path: Path, clock: ManualClock
) -> None:
    async with running(tmp_path, clock, web_port=0) as house:
        database = house.server.app._store._database

        async def set_most_pages(count: int) -> None:
            await database.write(lambda connection: connection.exec_driver_sql(f"PRAGMA max_page_count = {count}"))

        # Less room than these bars need.
        symbols = [f"S{number:04}" for number in range(400)]
        house.market.prices |= dict.fromkeys(symbols, 5.0)
        await set_most_pages(1)
        house.market.market_time = house.clock.now_ms()
        with capture_logs() as logs:
            await house.client.ask({"type": "GET", "symbols": symbols})
            for price in (10.0, 11.0, 12.0):
                await house.trade(price)
                await house.advance(60)
                reply = await house.client.ask({"type": "GET", "symbols": ["AAPL"]})
                assert reply["quotes"][0]["price"] == price
            async with patient_http(base_url=house.server.web_url) as http:
                page = (await http.get("/metrics")).text
            waiting = house.server.app.bars
            assert waiting is not None
            assert f"stocktrack_bars_waiting {waiting.waiting}.0" in page
            assert waiting.waiting > 400
            assert [bar[1] for bar in await house.bars()] == [10.0, 11.0, 12.0]
            await set_most_pages(1_000_000)
            await house.advance(60)
            await until(lambda: waiting.waiting == 0)
        assert [line["event"] for line in logs if "bars" in line["event"]] == [CANNOT, "bars are kept again"]
        [line] = [line for line in logs if line["event"] == CANNOT]
        assert "the disk is full" in line["why"]
    assert len(rows(tmp_path)) == 403


async def test_a_table_that_is_gone_keeps_no_price_from_anybody(tmp_path: Path, clock: ManualClock) -> None:
    async with running(tmp_path, clock) as house:
        with contextlib.closing(sqlite3.connect(tmp_path / "stocktrack.db")) as connection:
            connection.execute("DROP TABLE minute_bars")
        with capture_logs() as logs:
            await house.trade(10.0)
            await house.advance(75)
            await house.trade(11.0)
            assert [bar[1] for bar in await house.bars()] == [10.0, 11.0]  # those that wait
        assert [line["event"] for line in logs if "bars" in line["event"]] == [CANNOT]


async def test_without_the_setting_nothing_is_recorded(tmp_path: Path, clock: ManualClock) -> None:
    async with running(tmp_path, clock, record_bars=False, web_port=0) as house:
        await house.trade(10.0)
        await house.advance(75)
        async with patient_http(base_url=house.server.web_url) as http:
            assert "stocktrack_bars" not in (await http.get("/metrics")).text
        question = {"type": "HISTORY", "symbol": "AAPL", "range": "1d"}
        assert (await house.client.ask(question))["code"] == 404
    assert rows(tmp_path) == []


async def test_a_simulated_market_neither_records_nor_shows_what_was_recorded(
    tmp_path: Path, clock: ManualClock
) -> None:
    async with running(tmp_path, clock) as house:
        await house.trade(10.0)
        await house.advance(75)
    [kept] = rows(tmp_path)
    market = SimulatedProvider(interval_seconds=1.0, seed=1, clock=clock)
    async with live_server(tmp_path, market, users=(), clock=clock) as server:
        assert server.app.bars is None
        client = await server.log_in()
        await client.ask({"type": "SUBSCRIBE", "symbols": ["AAPL"], "interval": 3600})
        await clock.advance(200)
        reply = await client.ask({"type": "HISTORY", "symbol": "AAPL", "range": "1d"})
        assert reply["provider"] == "simulated"
        assert not [bar for bar in reply["bars"] if bar.get("provider") == "recorded"]
    assert rows(tmp_path) == [kept]


async def test_the_retention_changes_by_a_reload(tmp_path: Path, clock: ManualClock) -> None:
    async with running(tmp_path, clock) as house:
        app = house.server.app
        settings = app.settings.model_copy(update={"bars_retention_days": 3})
        app.reload(lambda: LoadedSettings(settings, {}, ()))
        assert app.bars is not None
        assert app.bars.retention_days == 3


async def test_a_database_that_is_locked_at_the_end_holds_nobody_up(tmp_path: Path, clock: ManualClock) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "other.db", isolation_level=None)) as connection:
        async with running(tmp_path, clock) as house:
            await house.trade(10.0)
            await house.advance(75)
            await house.trade(11.0)
            connection.execute("ATTACH ? AS locked", (str(tmp_path / "stocktrack.db"),))
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE locked.users SET token_epoch = 1")
            began = RealClock.monotonic()
            with capture_logs() as logs:
                await house.server.app.close()
        assert RealClock.monotonic() - began < 5.0
        assert [line["what"] for line in logs if line["event"].startswith("closing took too long")] == ["bars"]
        connection.execute("ROLLBACK")
    assert [row[0] - BEGIN // MINUTE_MS for row in rows(tmp_path)] == [0]
