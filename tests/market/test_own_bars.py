"""The recorder of bars: what it takes off a board, when it writes, and what it does while the database fails."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from fakes import NOW_MS, ScriptedProvider, a_quote
from stocktrack.bars import MINUTE_MS, Bar
from stocktrack.clock import ManualClock, settle
from stocktrack.errors import Reason, StorageError
from stocktrack.market import own_bars
from stocktrack.market.board import Board
from stocktrack.market.own_bars import RecordedBars, invented_by
from stocktrack.messages import BoardQuote
from stocktrack.providers.base import Provider
from stocktrack.providers.simulated.provider import SimulatedProvider
from stocktrack.quotes import MarketState
from stocktrack.storage.bars import MinuteBar

BEGIN = NOW_MS - NOW_MS % MINUTE_MS
MINUTE = BEGIN // MINUTE_MS
DAY = 1_440


class KeptInMemory:
    """Satisfies `KeepsBars` as a database does, and fails while it is told to."""

    def __init__(self) -> None:
        self.batches: list[list[MinuteBar]] = []
        self.bars: list[MinuteBar] = []
        self.deleted_before: list[int] = []
        self.old = 0  # how many steps of bars there are to delete
        self.error: StorageError | None = None
        self.may_write: asyncio.Event | None = None
        self.opened = 0

    async def open(self) -> None:
        self.opened += 1
        self._check()

    async def add(self, bars: Sequence[MinuteBar]) -> None:
        self._check()
        if self.may_write is not None:
            await self.may_write.wait()
        self.batches.append(list(bars))
        self.bars += bars

    async def read(self, symbol: str, first: int, end: int) -> Sequence[MinuteBar]:
        self._check()
        return [bar for bar in self.bars if bar.symbol == symbol and first <= bar.minute < end]

    async def delete_before(self, minute: int) -> int:
        self._check()
        self.deleted_before.append(minute)
        self.old -= 1
        return 100 if self.old >= 0 else 0

    def _check(self) -> None:
        if self.error is not None:
            raise self.error


class House:
    """A board with a recorder on a manual clock that shows a full minute."""

    def __init__(self, **options: Any) -> None:
        self.clock = ManualClock(BEGIN)
        self.board = Board()
        self.kept = KeptInMemory()
        options = {"retention_days": 30, "is_watched": lambda _: True, **options}
        self.bars = RecordedBars(self.kept, self.clock, **options)
        self.board.taps.append(self.bars)
        self.running: asyncio.Task[None] | None = None

    def run(self) -> None:
        self.running = asyncio.create_task(self.bars.run())

    def trade(self, *prices: float, symbol: str = "AAPL", **fields: Any) -> None:
        """Put prices on the board, traded now."""
        now = self.clock.now_ms()
        for price in prices:
            self.board.put([a_quote(symbol, price, received_at=now, timestamp=now, **fields)], self.clock.monotonic())

    async def known(self, symbol: str = "AAPL") -> list[tuple[int, float, float, float, float]]:
        """What HISTORY gets, by minutes since the beginning."""
        bars = await self.bars.minutes(symbol, 0, 2**53)
        return [((bar.time - BEGIN) // MINUTE_MS, bar.open, bar.high, bar.low, bar.close) for bar in bars]


@pytest.fixture
async def house() -> Any:
    house = House()
    house.run()
    await settle()
    yield house
    assert house.running is not None
    house.running.cancel()
    await asyncio.wait([house.running])


def failing(house: House) -> None:
    house.kept.error = StorageError("The database /srv/x.db cannot grow: the disk is full.")


async def test_all_symbols_of_a_minute_are_written_at_once_a_while_after_its_end(house: House) -> None:
    for symbol in ("AAPL", "MSFT", "TSLA"):
        house.trade(10.0, 11.0, symbol=symbol)
    await house.clock.advance(60 + own_bars.GRACE_SECONDS - 0.1)
    assert house.kept.batches == []
    await house.clock.advance(0.2)
    assert [[bar.symbol for bar in batch] for batch in house.kept.batches] == [["AAPL", "MSFT", "TSLA"]]
    assert house.bars.counts.written == 3
    await house.clock.advance(600)
    assert len(house.kept.batches) == 1  # nothing was traded


async def test_the_newest_minute_is_known_before_it_is_written_and_no_minute_twice_afterwards(house: House) -> None:
    house.trade(10.0, 12.0)
    assert await house.known() == [(0, 10.0, 12.0, 10.0, 12.0)]
    await house.clock.advance(65)
    house.trade(11.0)
    both = [(0, 10.0, 12.0, 10.0, 12.0), (1, 11.0, 11.0, 11.0, 11.0)]
    assert await house.known() == both
    await house.clock.advance(10)
    assert len(house.kept.bars) == 1
    assert await house.known() == both
    await house.clock.advance(60)
    assert len(house.kept.bars) == 2
    assert await house.known() == both


async def test_bars_that_are_being_written_are_known_meanwhile(house: House) -> None:
    house.kept.may_write = asyncio.Event()
    house.trade(10.0)
    await house.clock.advance(75)
    assert await house.known() == [(0, 10.0, 10.0, 10.0, 10.0)]
    house.kept.may_write.set()
    await settle()
    assert await house.known() == [(0, 10.0, 10.0, 10.0, 10.0)]
    assert house.bars.waiting == 0


async def test_only_what_is_asked_for_is_read(house: House) -> None:
    for _ in range(3):
        house.trade(10.0)
        await house.clock.advance(60)
    assert [bar.time for bar in await house.bars.minutes("AAPL", BEGIN + 1, BEGIN + 2 * MINUTE_MS)] == [
        BEGIN + MINUTE_MS
    ]
    assert [bar.time for bar in await house.bars.minutes("AAPL", BEGIN, BEGIN + 1)] == [BEGIN]
    assert await house.bars.minutes("MSFT", 0, 2**53) == []


async def test_after_a_restart_within_a_minute_both_parts_are_one_bar() -> None:
    house = House()
    house.kept.bars = [MinuteBar(MINUTE, "AAPL", None, 9.0, 12.0, 8.5, 11.0, 500)]
    house.trade(10.0, 8.0, market_state=MarketState.PRE)
    [bar] = await house.bars.minutes("AAPL", 0, 2**53)
    assert bar == Bar(BEGIN, 9.0, 12.0, 8.0, 8.0, 500, MarketState.PRE)


async def test_at_the_end_the_running_minute_is_written_too() -> None:
    house = House()
    house.trade(10.0)
    await house.clock.advance(61)
    house.trade(11.0)
    await house.bars.close()
    assert [(bar.minute - MINUTE, bar.close) for bar in house.kept.bars] == [(0, 10.0), (1, 11.0)]


async def test_prices_that_another_board_had_before_are_not_recorded() -> None:
    house = House(is_published=lambda symbol: symbol == "TSLA")
    relayed = BoardQuote.of(a_quote(timestamp=BEGIN), seq=7, stale_reason=None, retry_at=None)
    house.board.put([relayed, relayed.model_copy(update={"symbol": "TSLA"})], 0.0)
    house.trade(5.0, symbol="MSFT")
    await house.bars.close()
    assert sorted(bar.symbol for bar in house.kept.bars) == ["MSFT", "TSLA"]


async def test_what_is_confirmed_or_goes_stale_makes_no_bar() -> None:
    house = House()
    house.trade(10.0)
    await house.clock.advance(61)
    quote = house.board.quote("AAPL")
    assert quote is not None
    house.board.put([a_quote(price=10.0, timestamp=quote.timestamp, received_at=house.clock.now_ms())], 1.0)
    house.board.mark_stale(["AAPL"], Reason.PROVIDER_TIMEOUT)
    await house.bars.close()
    assert [bar.minute for bar in house.kept.bars] == [MINUTE]


async def test_many_prices_between_two_writes_are_all_looked_at() -> None:
    house = House()
    house.trade(*(10.0 + number % 100 for number in range(3_000)), symbol="AAPL")
    await house.bars.close()
    assert house.kept.bars == [MinuteBar(MINUTE, "AAPL", None, 10.0, 109.0, 10.0, 109.0, None)]


# --- a database that fails ------------------------------------------------------------------------------------------


async def test_while_the_database_fails_bars_wait_and_the_log_says_so_once_and_when_it_is_over(house: House) -> None:
    failing(house)
    with capture_logs() as logs:
        for _ in range(5):
            house.trade(10.0)
            await house.clock.advance(60)
        assert await house.known() == [(minute, 10.0, 10.0, 10.0, 10.0) for minute in range(5)]
        assert house.bars.waiting == 4
        house.kept.error = None
        await house.clock.advance(60)
    assert house.bars.waiting == 0
    assert [bar.minute - MINUTE for bar in house.kept.bars] == list(range(5))
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("bars cannot be kept; prices go on, and it is tried again", "warning"),
        ("bars are kept again", "info"),
    ]
    assert logs[0]["why"] == "The database /srv/x.db cannot grow: the disk is full."
    assert logs[1]["lost"] == 0
    assert house.bars.counts.failures >= 4


async def test_so_many_bars_wait_at_most_and_the_oldest_are_lost(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_bars, "MAX_WAITING", 3)
    failing(house)
    with capture_logs() as logs:
        for _ in range(6):
            house.trade(10.0)
            await house.clock.advance(60)
        await house.clock.advance(20)
        assert (house.bars.waiting, house.bars.counts.dropped) == (3, 3)
        house.kept.error = None
        await house.clock.advance(60)
    assert [bar.minute - MINUTE for bar in house.kept.bars] == [3, 4, 5]
    assert [line["event"] for line in logs].count("bars are lost: as many wait as may, and the oldest go first") == 1
    assert logs[-1]["lost"] == 3


async def test_a_database_that_cannot_be_opened_at_first_is_told_once(house: House) -> None:
    other = House()
    failing(other)
    with capture_logs() as logs:
        other.run()
        await settle()
        other.trade(10.0)
        await other.clock.advance(200)
    assert [line["failed"] for line in logs] == ["opening"]
    assert other.kept.opened == 1
    assert other.running is not None
    other.running.cancel()
    await asyncio.wait([other.running])


async def test_more_bars_than_a_transaction_takes_are_written_in_several(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_bars, "_AT_ONCE", 10)
    for number in range(25):
        house.trade(10.0, symbol=f"S{number:04}")
    await house.clock.advance(75)
    assert [len(batch) for batch in house.kept.batches] == [10, 10, 5]


# --- what is old ----------------------------------------------------------------------------------------------------


async def test_what_is_older_than_the_retention_goes_in_steps_once_an_hour(house: House) -> None:
    house.kept.old = 3
    house.trade(10.0)
    await house.clock.advance(75)
    assert house.kept.deleted_before == [MINUTE - 30 * DAY] * 4
    assert house.bars.counts.deleted == 300
    for _ in range(59):
        house.trade(10.0)
        await house.clock.advance(60)
    assert len(house.kept.deleted_before) == 4
    house.bars.retention_days = 1
    house.trade(10.0)
    await house.clock.advance(70)
    assert house.kept.deleted_before[4:] == [MINUTE + 60 - DAY]


async def test_a_clock_that_jumps_ahead_deletes_nothing(house: House) -> None:
    house.trade(10.0)
    await house.clock.advance(75)
    assert house.kept.deleted_before == [MINUTE - 30 * DAY]
    house.clock.stand_still(365 * 86_400)
    await house.clock.advance(200)
    assert house.kept.deleted_before == [MINUTE - 30 * DAY]


# --- who is recorded ------------------------------------------------------------------------------------------------


def scripted(name: str, *, is_free: bool) -> Provider:
    provider = ScriptedProvider(ManualClock(), name=name)
    provider.is_free = is_free
    return provider


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: [SimulatedProvider(interval_seconds=1.0, seed=1, clock=ManualClock())], None),
        (lambda: [scripted("replay", is_free=True)], None),
        (list, None),
        (lambda: [scripted("yahoo", is_free=False)], {"simulated", "replay"}),
        (lambda: [scripted("yahoo", is_free=False), scripted("mine", is_free=True)], {"simulated", "replay", "mine"}),
    ],
)
def test_sources_that_invent_or_read_what_is_free_are_not_recorded(
    make: Callable[[], Sequence[Provider]], expected: set[str] | None
) -> None:
    assert invented_by(make()) == expected
