"""What Finnhub's candles become, and a plan that has none: against a Finnhub on this machine."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from fakes import House, ScriptedQuotes, a_house
from finnhub_stub import FinnhubStub
from stocktrack.bars import DAY_MS, Bar, BarInterval, HistoryRange, Split
from stocktrack.clock import ManualClock
from stocktrack.errors import CommandError, ProviderError, Reason
from stocktrack.messages import History
from stocktrack.providers.base import BarLimit, SourceBars
from stocktrack.providers.finnhub.candles import path_of, query_of, read_candles, read_splits
from stocktrack.providers.finnhub.key_lock import MachineKeyLock
from stocktrack.providers.finnhub.provider import PLAN_SECONDS, FinnhubProvider
from stocktrack.quotes import MarketState

NOW_MS = 1_712_331_900_000  # Friday, 5 April 2024, 11:45 in New York
EVER = (0, 2**52)
NEW_YORK = ZoneInfo("America/New_York")
MINUTE, TWO, HOUR, DAY = (BarInterval(name) for name in ("1m", "2m", "1h", "1d"))
MONTH, YEAR = HistoryRange.MONTH, HistoryRange.YEAR


def moment(day: int, hour: int = 0, minute: int = 0, zone: Any = NEW_YORK) -> int:
    return round(datetime(2024, 4, day, hour, minute, tzinfo=zone).timestamp())


def candles(*times: int, **columns: Any) -> dict[str, Any]:
    prices = {name: [price] * len(times) for name, price in zip("ohlc", (188.0, 190.5, 187.0, 189.45), strict=True)}
    return {"s": "ok", "t": list(times), **prices, "v": [1000] * len(times), **columns}


def read(payload: Any, interval: BarInterval, symbol: str = "AAPL", *, prepost: bool = False) -> SourceBars:
    told = read_candles(payload, symbol, interval, *EVER, prepost=prepost)
    assert told is not None
    return told


def test_a_day_that_is_told_by_greenwich_is_that_day_in_new_york() -> None:
    told = read(candles(moment(4, zone=UTC), moment(5, zone=UTC)), DAY)

    assert [bar.time for bar in told.bars] == [moment(4) * 1000, moment(5) * 1000]
    assert told.bars[0] == Bar(moment(4) * 1000, 188.0, 190.5, 187.0, 189.45, 1000)
    assert (told.provider, told.zone, told.currency) == ("finnhub", "America/New_York", "USD")
    assert (told.are_as_traded, told.factors) == (False, None)


def test_what_lies_within_a_day_is_as_it_was_traded_and_marked_by_the_hours_of_new_york() -> None:
    payload = candles(*(moment(5, hour, minute) for hour, minute in ((9, 29), (9, 30), (15, 59), (16, 0))))

    every, regular = (read(payload, MINUTE, prepost=prepost) for prepost in (True, False))

    assert every.are_as_traded
    assert [bar.market_state for bar in every.bars] == [MarketState.PRE, None, None, MarketState.POST]
    assert [bar.time for bar in regular.bars] == [moment(5, 9, 30) * 1000, moment(5, 15, 59) * 1000]


def test_the_hour_in_which_the_market_opens_is_one_of_the_session() -> None:
    told = read(candles(moment(5, 8), moment(5, 9), moment(5, 15), moment(5, 16)), HOUR)

    assert [bar.time for bar in told.bars] == [moment(5, 9) * 1000, moment(5, 15) * 1000]


def test_two_minutes_are_gathered_of_single_ones() -> None:
    payload = candles(*(moment(5, 10, minute) for minute in (0, 1, 3)), v=[10, 20, 5], h=[190.5, 191.0, 190.5])

    told = read(payload, TWO)

    assert query_of(TWO, 0, 1000)["resolution"] == "1"
    assert [(bar.time, bar.volume, bar.high) for bar in told.bars] == [
        (moment(5, 10, 0) * 1000, 30, 191.0),
        (moment(5, 10, 2) * 1000, 5, 190.5),
    ]


def test_coins_and_currencies_have_paths_and_days_of_their_own() -> None:
    assert [path_of(symbol) for symbol in ("AAPL", "RELIANCE.NS", "BINANCE:BTCUSDT", "OANDA:EUR_USD")] == [
        *("/stock/candle", "/stock/candle", "/crypto/candle", "/forex/candle")
    ]
    told = read(candles(moment(5, zone=UTC)), DAY, "BINANCE:BTCUSDT")
    assert (told.zone, told.currency, told.bars[0].time) == ("UTC", None, moment(5, zone=UTC) * 1000)
    assert not read(candles(moment(5, 3)), MINUTE, "BINANCE:BTCUSDT").are_as_traded


def test_rows_come_in_order_and_once_and_those_that_cannot_be_are_left_out() -> None:
    times = [moment(5, 10, minute) for minute in (2, 0, 1, 0, 3, 4)]
    payload = candles(*times, c=[189.45, 189.45, 0, 189.5, None, float("nan")], v=[1.5, None, 1, -3, 1, 1])

    told = read(payload, MINUTE)

    assert [(bar.time, bar.close, bar.volume) for bar in told.bars] == [
        (times[1] * 1000, 189.5, None),
        (times[0] * 1000, 189.45, 1),
    ]


@pytest.mark.parametrize("wrong", [None, [], {}, {"s": "error"}, {"error": "no"}, "ok"])
def test_what_is_no_answer_is_a_failure(wrong: Any) -> None:
    with pytest.raises(ProviderError, match="holds no candles"):
        read_candles(wrong, "AAPL", DAY, *EVER, prepost=False)


def test_garbled_columns_are_no_bars_and_no_crash() -> None:
    assert list(read({"s": "ok", "t": "x", "o": 5}, DAY).bars) == []
    assert list(read(candles(moment(5, 10), o=[], h=None), MINUTE).bars) == []


def test_splits_are_at_the_midnight_of_their_day_in_order() -> None:
    rows = [
        {"symbol": "AAPL", "date": "2020-08-31", "fromFactor": 1, "toFactor": 4},
        {"symbol": "AAPL", "date": "2014-06-09", "fromFactor": 1, "toFactor": 7},
        {"symbol": "AAPL", "date": "2019-01-01", "fromFactor": 20, "toFactor": 1},
        {"symbol": "AAPL", "date": "soon", "fromFactor": 1, "toFactor": 7},
        {"symbol": "AAPL", "date": "2013-06-09", "fromFactor": 0, "toFactor": 7},
        {"symbol": "AAPL", "date": "2012-06-09", "fromFactor": 1, "toFactor": 1},
        7,
    ]

    def midnight(day: date) -> int:
        return round(datetime(day.year, day.month, day.day, tzinfo=NEW_YORK).timestamp() * 1000)

    assert read_splits(rows) == [
        Split(midnight(date(2014, 6, 9)), 7.0),
        Split(midnight(date(2019, 1, 1)), 0.05),
        Split(midnight(date(2020, 8, 31)), 4.0),
    ]
    with pytest.raises(ProviderError):
        read_splits({"error": "no"})


# --- the source ------------------------------------------------------------------------------------------------------


class FrozenClock(ManualClock):
    """One that stands still until it is moved, also while requests wait for their turn."""

    async def sleep(self, seconds: float) -> None:
        del seconds


@pytest.fixture
async def stub() -> AsyncIterator[FinnhubStub]:
    async with FinnhubStub("key").serving() as stub:
        stub.know("AAPL")
        yield stub


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(NOW_MS)


@pytest.fixture
async def finnhub(stub: FinnhubStub, tmp_path: Path, clock: FrozenClock) -> AsyncIterator[FinnhubProvider]:
    provider = FinnhubProvider(
        key=SecretStr("key"),
        key_file=None,
        rest_url=stub.rest_url,
        ws_url=stub.ws_url,
        timeout_seconds=10.0,
        clock=clock,
        lock_of=lambda key: MachineKeyLock(key, tmp_path),
    )
    await provider.start()
    yield provider
    await provider.close()


async def test_a_plan_without_candles_is_asked_once_an_hour(
    stub: FinnhubStub, finnhub: FinnhubProvider, clock: FrozenClock
) -> None:
    stub.candles = stub.splits = None

    for _ in range(3):
        with pytest.raises(CommandError, match="history of AAPL is not on this Finnhub plan") as caught:
            await finnhub.bars("AAPL", DAY, NOW_MS - DAY_MS, NOW_MS, prepost=False)
        assert caught.value.reason is Reason.NOT_OFFERED
        with pytest.raises(CommandError, match="list of splits of AAPL is not on this Finnhub plan"):
            await finnhub.splits("AAPL")
    assert (len(stub.asked("stock/candle")), len(stub.asked("stock/split"))) == (1, 1)
    assert finnhub.bar_limits == {}

    stub.candles = {}
    await clock.advance(PLAN_SECONDS + 1)
    assert len(finnhub.bar_limits) == len(BarInterval)
    told = await finnhub.bars("AAPL", DAY, NOW_MS - 3 * DAY_MS, NOW_MS, prepost=False)
    assert told is not None
    assert len(told.bars) == 3


async def test_shares_abroad_are_another_matter_than_those_of_the_us(
    stub: FinnhubStub, finnhub: FinnhubProvider
) -> None:
    with pytest.raises(CommandError):
        await finnhub.bars("RELIANCE.NS", DAY, NOW_MS - DAY_MS, NOW_MS, prepost=False)

    assert await finnhub.bars("AAPL", DAY, NOW_MS - DAY_MS, NOW_MS, prepost=False) is not None
    assert finnhub.bar_limits
    assert len(stub.asked("stock/candle")) == 2


async def test_a_stretch_without_a_trade_is_empty_and_a_symbol_that_there_is_not_is_none(
    stub: FinnhubStub, finnhub: FinnhubProvider
) -> None:
    stub.candles = {"AAPL": {"s": "no_data"}}

    assert await finnhub.bars("AAPL", DAY, NOW_MS - DAY_MS, NOW_MS, prepost=False) == SourceBars("finnhub", ())
    assert await finnhub.bars("NOSUCH", DAY, NOW_MS - DAY_MS, NOW_MS, prepost=False) is None
    assert await finnhub.splits("BINANCE:BTCUSDT") == []


class Past(ScriptedQuotes):
    """Another source, which has the past."""

    bar_limits = dict.fromkeys(BarInterval, BarLimit())

    async def bars(
        self, symbol: str, interval: BarInterval, start: int, end: int, *, prepost: bool
    ) -> SourceBars | None:
        days = range(-(-start // DAY_MS), -(-end // DAY_MS))
        return SourceBars(self.name, [Bar(day * DAY_MS, 1.0, 2.0, 0.5, 1.5, 10) for day in days], zone="UTC")

    async def splits(self, symbol: str) -> Sequence[Split] | None:
        return ()


@asynccontextmanager
async def a_house_with(finnhub: FinnhubProvider, *, has_another: bool) -> AsyncIterator[House]:
    async with a_house(
        lambda clock: (ScriptedQuotes(clock), finnhub, *([Past(clock, name="past")] if has_another else ()))
    ) as house:
        yield house


async def test_what_is_not_on_the_plan_the_next_source_tells(stub: FinnhubStub, finnhub: FinnhubProvider) -> None:
    stub.candles = None
    async with a_house_with(finnhub, has_another=True) as house:
        history = house.feed.questions.history
        answers = [await history.find(History(symbol="AAPL", range=within)) for within in (MONTH, YEAR)]

    assert [answer.provider for answer in answers] == ["past", "past"]
    assert len(answers[1].bars) > 360
    assert len(stub.asked("stock/candle")) == 1


async def test_without_another_source_it_is_not_offered_and_says_why(
    stub: FinnhubStub, finnhub: FinnhubProvider
) -> None:
    stub.candles = None
    async with a_house_with(finnhub, has_another=False) as house:
        refusals = []
        for _ in range(2):
            with pytest.raises(CommandError) as caught:
                await house.feed.questions.history.find(History(symbol="AAPL", range=MONTH))
            refusals.append(caught.value)

    assert {error.reason for error in refusals} == {Reason.NOT_OFFERED}
    assert refusals[0].message == "The history of AAPL is not on this Finnhub plan."
    assert refusals[1].message == "Past prices of AAPL are not on the plan of this server's sources (finnhub)."
    assert len(stub.asked("stock/candle")) == 1
