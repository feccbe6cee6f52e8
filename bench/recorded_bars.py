"""What recording costs: the board for each price, and a day of 500 symbols in bytes and in processor time.

    PYTHONPATH=src:tests/support python bench/recorded_bars.py [board] [shapes] [day] [postgres]

- board: microseconds for each price put on a board of 500 symbols, in batches of all and one by one, without recording
  and with it; with it, noting a price is a part, and the rest is done for some hundred prices at a time
- shapes: what decided how the table looks: days written minute by minute into tables of other shapes, by bare SQLite
- day: trading days through the real store into an SQLite file: bytes a day of the file, bytes a day written to its log,
  seconds of processor time a day, how long a batch takes, how long a read of one symbol's day and of all days takes,
  and what deleting a day gives back
- postgres: the same into a real PostgreSQL, where that is installed

The figures stand in docs/decisions/0060-bars-lie-by-minute.md.
"""

import asyncio
import gc
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from postgres_server import running_postgres
from stocktrack.clock import ManualClock
from stocktrack.market.board import Board
from stocktrack.market.own_bars import RecordedBars
from stocktrack.quotes import MarketState, Quote
from stocktrack.storage.bars import MinuteBar
from stocktrack.storage.store import Store

SYMBOLS = tuple(f"S{number:04}" if number % 3 else f"NSE:SYMBOL{number}" for number in range(500))
MINUTES, DAYS, ROUNDS, REPEATS = 390, 5, 60, 7
FIRST_DAY = 29_000_000  # a minute in 2025


class NothingKept:
    """Satisfies `KeepsBars` and keeps nothing."""

    async def open(self) -> None:
        """Nothing."""

    async def add(self, bars: Sequence[MinuteBar]) -> None:
        """Nothing."""

    async def read(self, symbol: str, first: int, end: int) -> Sequence[MinuteBar]:
        """Nothing."""
        return ()

    async def delete_before(self, minute: int) -> int:
        """Nothing."""
        return 0


def rounds(clock: ManualClock) -> list[list[Quote]]:
    """Rounds of a quote of each symbol, a second apart, each with another price and a greater volume."""
    first = [
        Quote(
            symbol=symbol,
            price=100.0,
            currency="USD",
            change=1.2,
            change_percent=0.64,
            previous_close=98.8,
            volume=1_000_000,
            bid=99.9,
            ask=100.1,
            name="Some Company Inc.",
            exchange="NASDAQ",
            market_state=MarketState.OPEN,
            timestamp=clock.now_ms(),
            received_at=clock.now_ms(),
            provider="yahoo",
        )
        for symbol in SYMBOLS
    ]
    return [
        [
            quote.model_copy(
                update={
                    "price": 100.0 + (number * 7 % 13) / 100,
                    "volume": 1_000_000 + 100 * number,
                    "timestamp": clock.now_ms() + 1_000 * number,
                    "received_at": clock.now_ms() + 1_000 * number,
                }
            )
            for quote in first
        ]
        for number in range(ROUNDS)
    ]


def microseconds_a_price(*, is_recording: bool, one_by_one: bool) -> float:
    """What it costs to put a price on the board."""
    clock = ManualClock()
    board = Board()
    if is_recording:
        board.taps.append(RecordedBars(NothingKept(), clock, retention_days=30, is_watched=lambda _: True))
    batches = rounds(clock)
    if one_by_one:
        batches = [[quote] for batch in batches for quote in batch]
    gc.collect()
    gc.disable()
    began = time.perf_counter()
    for batch in batches:
        board.put(batch, 0.0)
    took = time.perf_counter() - began
    gc.enable()
    return took / (ROUNDS * len(SYMBOLS)) * 1e6


def measure_board() -> None:
    """Alternately without and with, so that both see the same machine; the best of each."""
    for name, one_by_one in (("all in one batch", False), ("one by one", True)):
        without, recording = [], []
        for _ in range(REPEATS):
            without.append(microseconds_a_price(is_recording=False, one_by_one=one_by_one))
            recording.append(microseconds_a_price(is_recording=True, one_by_one=one_by_one))
        print(f"{name}: {min(without):.2f} µs a price on the board, recording {min(recording):.2f} µs", flush=True)


def a_day(number: int, prices: list[float], dice: random.Random) -> list[list[MinuteBar]]:
    """The batches of one day."""
    batches = []
    for minute in range(FIRST_DAY + number * 1_440, FIRST_DAY + number * 1_440 + MINUTES):
        batch = []
        for place, symbol in enumerate(SYMBOLS):
            opened = prices[place]
            closed = prices[place] = round(opened * (1 + dice.gauss(0, 0.0005)), 2)
            high, low = round(max(opened, closed) + 0.01, 2), round(min(opened, closed) - 0.01, 2)
            batch.append(MinuteBar(minute, symbol, None, opened, high, low, closed, dice.randrange(100, 200_000)))
        batches.append(batch)
    return batches


async def measure_days(store: Store, path: Path | None) -> None:
    """Write the days, then read and delete."""
    dice = random.Random(1)  # noqa: S311 - no secret
    prices = [round(dice.uniform(10, 500), 2) for _ in SYMBOLS]
    took: list[float] = []
    processor = 0.0
    written = 0
    for number in range(DAYS):
        batches = a_day(number, prices, dice)
        before, bytes_before = time.process_time(), written_bytes()
        for batch in batches:
            began = time.perf_counter()
            await store.bars.add(batch)
            took.append(time.perf_counter() - began)
        processor += time.process_time() - before
        written += written_bytes() - bytes_before
    ms = [each * 1000 for each in took]
    print(f"processor time of this process: {processor / DAYS:.2f} s a day")
    print(f"a batch of {len(SYMBOLS)}: median {statistics.median(ms):.1f} ms, longest {max(ms):.1f} ms")
    if path is not None:
        print(f"written to the disk by this process: {written / DAYS / 1e6:.0f} MB a day")
    for name, days in (("a day", 1), (f"{DAYS} days", DAYS)):
        times = []
        for symbol in SYMBOLS[:20]:
            began = time.perf_counter()
            bars = await store.bars.read(symbol, FIRST_DAY + (DAYS - days) * 1_440, FIRST_DAY + DAYS * 1_440)
            times.append((time.perf_counter() - began) * 1000)
            if len(bars) != days * MINUTES:
                raise AssertionError(f"{len(bars)} bars of {name}")
        print(f"reading {name} of a symbol: median {statistics.median(times):.1f} ms")
    steps: list[float] = []
    began = time.perf_counter()
    while await store.bars.delete_before(FIRST_DAY + 1_440):
        steps.append((time.perf_counter() - began) * 1000)
        began = time.perf_counter()
    print(f"deleting a day: {len(steps)} steps, median {statistics.median(steps):.1f} ms, longest {max(steps):.1f} ms")


_COLUMNS = (
    "market_state TEXT, open REAL NOT NULL, high REAL NOT NULL, low REAL NOT NULL, close REAL NOT NULL, volume INTEGER"
)
# By the key and what stands beside it: the table, and the statement that reads the days of one symbol.
_BY_RANGE = "SELECT * FROM bars WHERE symbol = ? AND minute >= ? AND minute < ?"
_BY_MINUTE = """
    WITH RECURSIVE kept (minute) AS (
        SELECT min(minute) FROM bars WHERE minute >= ?2
        UNION ALL SELECT (SELECT min(minute) FROM bars WHERE minute > kept.minute AND minute < ?3)
        FROM kept WHERE minute IS NOT NULL
    ) SELECT bars.* FROM kept JOIN bars ON bars.minute = kept.minute AND bars.symbol = ?1
"""
SHAPES = {
    "symbol, minute": (f"symbol TEXT, minute INTEGER, {_COLUMNS}, PRIMARY KEY (symbol, minute)", "", _BY_RANGE),
    "symbol, minute, no rowid": (
        f"symbol TEXT, minute INTEGER, {_COLUMNS}, PRIMARY KEY (symbol, minute)",
        "WITHOUT ROWID",
        _BY_RANGE,
    ),
    "symbol's number, minute, no rowid": (
        f"symbol INTEGER, minute INTEGER, {_COLUMNS}, PRIMARY KEY (symbol, minute)",
        "WITHOUT ROWID",
        _BY_RANGE,
    ),
    "minute, symbol": (f"minute INTEGER, symbol TEXT, {_COLUMNS}, PRIMARY KEY (minute, symbol)", "", _BY_MINUTE),
    "minute, symbol, no rowid": (
        f"minute INTEGER, symbol TEXT, {_COLUMNS}, PRIMARY KEY (minute, symbol)",
        "WITHOUT ROWID",
        _BY_MINUTE,
    ),
    "minute, symbol's number, no rowid": (
        f"minute INTEGER, symbol INTEGER, {_COLUMNS}, PRIMARY KEY (minute, symbol)",
        "WITHOUT ROWID",
        _BY_MINUTE,
    ),
}


def measure_shapes(days: int = 2) -> None:
    """Size, what is written to the write-ahead log, processor time, and reading, a day each."""
    for name, (columns, options, read) in SHAPES.items():
        with tempfile.TemporaryDirectory(prefix="stocktrack-bars-") as folder:
            path = Path(folder) / "bars.db"
            connection = sqlite3.connect(path, isolation_level=None)
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 0"):
                connection.execute(f"PRAGMA {pragma}")
            connection.execute(f"CREATE TABLE bars ({columns}) {options}")
            log = path.with_name("bars.db-wal")
            dice = random.Random(1)  # noqa: S311 - no secret
            prices = [round(dice.uniform(10, 500), 2) for _ in SYMBOLS]
            numbers = {symbol: number for number, symbol in enumerate(SYMBOLS)}
            processor, logged = 0.0, 0
            for day in range(days):
                for batch in a_day(day, prices, dice):
                    rows = [bar._asdict() for bar in batch]
                    for row in rows:
                        row["symbol"] = numbers[row["symbol"]] if "number" in name else row["symbol"]
                    began = time.process_time()
                    connection.execute("BEGIN IMMEDIATE")
                    connection.executemany(_INSERT, rows)
                    connection.execute("COMMIT")
                    if log.stat().st_size > 4_000_000:
                        logged += log.stat().st_size
                        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                    processor += time.process_time() - began
            logged += log.stat().st_size
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            times = []
            for symbol in SYMBOLS[:20]:
                asked = numbers[symbol] if "number" in name else symbol
                began = time.perf_counter()
                found = connection.execute(read, (asked, FIRST_DAY, FIRST_DAY + days * 1_440)).fetchall()
                times.append((time.perf_counter() - began) * 1000 / days)
                if len(found) != days * MINUTES:
                    raise AssertionError(f"{len(found)} bars with {name}")
            connection.close()
            print(
                f"{name}: {path.stat().st_size / days / 1e6:.1f} MB, written {logged / days / 1e6:.0f} MB, "
                f"processor {processor / days:.2f} s, read in {statistics.median(times):.2f} ms",
                flush=True,
            )


_INSERT = """
    INSERT INTO bars (minute, symbol, market_state, open, high, low, close, volume)
    VALUES (:minute, :symbol, :market_state, :open, :high, :low, :close, :volume)
    ON CONFLICT DO UPDATE SET high = max(high, excluded.high), low = min(low, excluded.low), close = excluded.close
"""


def written_bytes() -> int:
    """What this process has had written to disks so far."""
    for line in Path("/proc/self/io").read_text(encoding="ascii").splitlines():
        if line.startswith("wchar:"):
            return int(line.split()[1])
    return 0


async def measure_sqlite() -> None:
    """Days in a file, and the size that one more has after one was deleted."""
    with tempfile.TemporaryDirectory(prefix="stocktrack-bars-") as folder:
        path = Path(folder) / "stocktrack.db"
        store = Store(f"sqlite:///{path}")
        await store.open()
        await measure_days(store, path)
        await store.close()
        size = path.stat().st_size
        print(f"the file: {size / DAYS / 1e6:.1f} MB a day")
        store = Store(f"sqlite:///{path}")
        await store.open()
        dice = random.Random(2)  # noqa: S311 - no secret
        for batch in a_day(DAYS, [100.0] * len(SYMBOLS), dice):
            await store.bars.add(batch)
        await store.close()
        print(f"with another day in the place of the deleted one: {(path.stat().st_size - size) / 1e6:+.1f} MB")


async def measure_postgres() -> None:
    """The same in a real server."""
    with running_postgres() as server:
        name = await server.new_database()
        store = Store(server.url(name))
        await store.upgrade()
        await measure_days(store, None)
        await store.close()
        connection = await server.connect(name)
        size = await connection.fetchval("SELECT pg_total_relation_size('minute_bars')")
        await connection.close()
        print(f"the table with its index: {size / DAYS / 1e6:.1f} MB a day")


def main() -> None:
    """Run what is named, or all."""
    named = sys.argv[1:] or ["board", "shapes", "day", "postgres"]
    if "board" in named:
        measure_board()
    if "shapes" in named:
        measure_shapes()
    if "day" in named:
        print("SQLite")
        asyncio.run(measure_sqlite())
    if "postgres" in named:
        print("PostgreSQL")
        asyncio.run(measure_postgres())


if __name__ == "__main__":
    main()
