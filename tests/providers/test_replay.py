import asyncio
import math
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest

from recorded import NOW_MS, a_price
from stocktrack.clock import ManualClock, settle
from stocktrack.config import Settings
from stocktrack.errors import ConfigError, ProviderError, Reason, SourceUnusable
from stocktrack.messages import BoardQuote, Price
from stocktrack.providers.registry import build_providers
from stocktrack.providers.replay import BEGIN_SECONDS, PAUSE_SECONDS, ReplayProvider
from stocktrack.quotes import Quote
from stocktrack.recording.names import Rotation
from stocktrack.recording.recording import Recording
from stocktrack.recording.rows import Hole, Row
from stocktrack.system.blocking import BlockingPool
from stocktrack.testing import Collected, ProviderContract, QuoteContract, StreamContract, Subject, UnusableContract
from stocktrack.wire.lines import encode_line

STEP_SECONDS = 0.1
Args = ParamSpec("Args")
Result = TypeVar("Result")
Make = Callable[..., ReplayProvider]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ticks.csv"


@pytest.fixture
async def make(path: Path, clock: ManualClock) -> AsyncIterator[Make]:
    made: list[ReplayProvider] = []

    def provider(*rows: Row, speed: float = 1.0, loops: bool = False) -> ReplayProvider:
        recording = Recording(path, Rotation(), lambda: NOW_MS)
        recording.write(rows)
        recording.close()
        replay = ReplayProvider(path, speed=speed, loops=loops, clock=clock)
        replay._pool = AtOnce("replay", 1)
        made.append(replay)
        return replay

    yield provider
    for each in made:
        await each.close()


def prices_of(quotes: list[Quote]) -> list[Price]:
    assert all(isinstance(quote, BoardQuote) for quote in quotes)
    return [Price.of(quote) for quote in quotes if isinstance(quote, BoardQuote)]


class AtOnce(BlockingPool):
    """A pool whose calls are made at once, so that time alone moves a replay on."""

    async def run(self, call: Callable[Args, Result], *args: Args.args, **kwargs: Args.kwargs) -> Result:
        return call(*args, **kwargs)


async def moved_on(clock: ManualClock, seconds: float) -> None:
    """Let the replay go on, in small steps."""
    for _ in range(max(1, round(seconds / STEP_SECONDS))):
        await clock.advance(min(seconds, STEP_SECONDS))
        await settle(100)


async def replayed(provider: ReplayProvider, clock: ManualClock, *symbols: str, seconds: float) -> list[Quote]:
    """What comes in so many seconds from the first row on."""
    await provider.start()
    sink = Collected()
    task = asyncio.create_task(provider.stream(lambda: symbols, sink))
    await settle()
    await moved_on(clock, BEGIN_SECONDS)
    await moved_on(clock, seconds)
    task.cancel()
    await asyncio.wait({task})
    return sink.quotes


class TestAReplayKeepsTheContract(ProviderContract, QuoteContract, StreamContract):
    @pytest.fixture
    async def subject(self, make: Make, clock: ManualClock) -> Subject:
        # A row keeps the source that it was recorded from; the contract's looks for the source itself.
        symbols = ("AAPL", "MSFT")
        provider = make(
            *(
                a_price(symbol, 100.0 + seq, seq=seq, received_at=NOW_MS + seq * 1000, provider="replay")
                for seq in range(1, 200)
                for symbol in symbols
            )
        )
        await provider.start()
        await provider.quotes(symbols)
        await moved_on(clock, BEGIN_SECONDS)
        return Subject(provider, known=symbols, next_prices=lambda: moved_on(clock, 1))


class TestAReplayOfNothing(UnusableContract):
    @pytest.fixture(params=["none", "no file", "no recording"])
    def subject(self, request: pytest.FixtureRequest, path: Path, clock: ManualClock) -> Subject:
        if request.param == "no recording":
            path.write_text("name,phone\n")
        where = None if request.param == "none" else path
        return Subject(
            ReplayProvider(where, speed=1.0, loops=False, clock=clock), known=("AAPL",), remedy="replay_file"
        )


async def test_prices_come_in_their_order_with_their_pauses_and_to_the_last_byte_as_they_were(
    make: Make, clock: ManualClock
) -> None:
    rows = [
        a_price("AAPL", 10.5, seq=5, change=None),
        a_price("MSFT", 1e-9, seq=9, received_at=NOW_MS + 500, price_hint=9, bid=None),
        a_price("AAPL", 10.75, seq=7, received_at=NOW_MS + 2_000, stale=True, stale_reason=Reason.PROVIDER_TIMEOUT),
        a_price("AAPL", 1.0e9, seq=8, received_at=NOW_MS + 2_000, currency=None, timestamp=None),
    ]
    provider = make(rows[0], rows[1], Hole(NOW_MS + 500, NOW_MS + 1_900, "Lost."), *rows[2:])

    assert prices_of(await replayed(provider, clock, "AAPL", "MSFT", seconds=0.4)) == rows[:1]
    sink = Collected()
    task = asyncio.create_task(provider.stream(lambda: ["AAPL", "MSFT"], sink))
    await moved_on(clock, 1.5)
    assert prices_of(sink.quotes) == rows[1:2]
    await moved_on(clock, 0.2)
    task.cancel()

    assert [encode_line(each) for each in prices_of(sink.quotes)] == [encode_line(row) for row in rows[1:]]


@pytest.mark.parametrize(("speed", "seconds"), [(10.0, 0.4), (math.inf, 0.0)])
async def test_a_speed_shortens_the_pauses_and_loses_nothing(
    make: Make, clock: ManualClock, speed: float, seconds: float
) -> None:
    rows = [a_price(price=100 + seq, seq=seq, received_at=NOW_MS + seq * 1000) for seq in range(1, 5)]

    assert prices_of(await replayed(make(*rows, speed=speed), clock, "AAPL", seconds=seconds)) == rows


async def test_who_comes_later_finds_the_price_of_that_moment(make: Make, clock: ManualClock) -> None:
    rows = [
        a_price(symbol, 100 + seq, seq=seq, received_at=NOW_MS + seq * 1000) for seq in (1, 2, 5) for symbol in "AB"
    ]
    provider = make(*rows, a_price("LATE", received_at=NOW_MS + 9_000))
    await provider.start()

    answer = await provider.quotes(["A", "LATE", "NOPE"])
    assert answer.unknown == {"NOPE"}
    assert {symbol: error.reason for symbol, error in answer.put_off.items()} == {
        "A": Reason.PROVIDER_BLOCKED,
        "LATE": Reason.PROVIDER_BLOCKED,
    }
    await moved_on(clock, BEGIN_SECONDS + 2)

    answer = await provider.quotes(["A", "B", "LATE"])
    assert {symbol: quote.price for symbol, quote in answer.quotes.items()} == {"A": 102.0, "B": 102.0}
    assert [*answer.put_off] == ["LATE"]


async def test_a_seq_that_falls_goes_on_above_and_a_row_that_stands_twice_comes_once(
    make: Make, clock: ManualClock
) -> None:
    rows = [(10.0, 41), (11.0, 42), (11.0, 42), (12.0, 1), (13.0, 2), (13.5, 2), (14.0, 0), (15.0, 0)]
    recorded = [a_price(price=price, seq=seq) for price, seq in rows]

    quotes = prices_of(await replayed(make(*recorded), clock, "AAPL", seconds=0))

    assert [(each.price, each.seq) for each in quotes] == [
        *((10, 41), (11, 42), (12, 43), (13, 44), (13.5, 44), (14, 45), (15, 46)),
    ]


async def test_a_file_that_somebody_wrote_by_hand_is_replayed_too(path: Path, make: Make, clock: ManualClock) -> None:
    provider = make()
    path.write_text(  # noqa: ASYNC240 - a file of a test
        f"timestamp,price,symbol,note\n{NOW_MS},1.5,aapl,mine\n{NOW_MS},1.5,no symbol!,\n{NOW_MS + 100},2,AAPL,\n"
    )

    quotes = prices_of(await replayed(provider, clock, "AAPL", seconds=0.2))

    assert [(each.symbol, each.price, each.seq, each.provider) for each in quotes] == [
        *(("AAPL", 1.5, 1, "recorded"), ("AAPL", 2.0, 2, "recorded")),
    ]


async def test_a_time_that_is_to_come_holds_up_nothing(make: Make, clock: ManualClock) -> None:
    rows = [a_price(seq=1), a_price(seq=2, received_at=NOW_MS * 10), a_price(seq=3, price=1.5)]

    assert prices_of(await replayed(make(*rows), clock, "AAPL", seconds=0)) == [rows[0], rows[2]]


async def test_a_loop_goes_on_above_and_tells_no_time_of_the_market_again(make: Make, clock: ManualClock) -> None:
    rows = [a_price(price=100 + seq, seq=seq, received_at=NOW_MS + seq * 1000) for seq in (1, 2)]

    first, second, third, fourth, *_ = prices_of(
        await replayed(make(*rows, loops=True), clock, "AAPL", seconds=1 + PAUSE_SECONDS + 1.5)
    )

    assert [first, second] == rows
    assert [(each.price, each.seq, each.timestamp) for each in (third, fourth)] == [(101, 3, None), (102, 4, None)]
    assert NOW_MS + 2_000 < third.received_at < fourth.received_at <= clock.now_ms()


async def test_a_file_that_vanishes_ends_the_replay_with_a_sentence(make: Make, path: Path, clock: ManualClock) -> None:
    provider = make(a_price())
    await provider.start()
    path.unlink()  # noqa: ASYNC240 - a file of a test
    await provider.quotes(["AAPL"])
    await moved_on(clock, BEGIN_SECONDS)

    with pytest.raises(ProviderError, match=r"replay has broken off: .*ticks.csv cannot be read"):
        await provider.quotes(["AAPL"])


@pytest.mark.parametrize("others", ["yahoo", "simulated"])
def test_recorded_prices_stand_beside_no_others(tmp_path: Path, clock: ManualClock, others: str) -> None:
    settings = Settings(providers=("replay", others), data_dir=tmp_path)

    with pytest.raises(ConfigError, match="prices beside those of"):
        build_providers(settings, clock)


def test_headlines_may_stand_beside_recorded_prices(tmp_path: Path, clock: ManualClock) -> None:
    settings = Settings(providers=("replay", "rss"), data_dir=tmp_path)

    assert [each.name for each in build_providers(settings, clock)] == ["replay", "rss"]


def test_the_settings_are_checked_without_a_server(clock: ManualClock) -> None:
    with pytest.raises(SourceUnusable, match="set replay_file"):
        ReplayProvider(None, speed=1.0, loops=False, clock=clock).check_settings()
