from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest

from stocktrack.bars import DAY_MS, MINUTE_MS, Bar, BarInterval, gathered
from stocktrack.clock import ManualClock
from stocktrack.market.shelves import zone_of
from stocktrack.providers.simulated.provider import SimulatedProvider
from stocktrack.providers.simulated.walk import MINUTES_KEPT

UTC = zone_of(None)
MONTH_MS, YEAR_MS = 30 * DAY_MS, 365 * DAY_MS


def a_market(clock: ManualClock, *, seed: int = 7) -> SimulatedProvider:
    return SimulatedProvider(interval_seconds=1.0, seed=seed, clock=clock)


async def bars(
    market: SimulatedProvider, clock: ManualClock, interval: str, back_ms: int, symbol: str = "AAPL"
) -> list[Bar]:
    now = clock.now_ms()
    told = await market.bars(symbol, BarInterval(interval), now - back_ms, now + 1, prepost=False)
    assert told is not None
    return [*told.bars]


async def price(market: SimulatedProvider, symbol: str = "AAPL") -> float:
    return (await market.quotes([symbol])).quotes[symbol].price


async def run(market: SimulatedProvider, clock: ManualClock, seconds: int, symbol: str = "AAPL") -> list[float]:
    """Have a symbol move every second; its prices."""
    prices = []
    for _ in range(seconds):
        await clock.advance(1)
        prices.append(await price(market, symbol))
    return prices


@pytest.mark.parametrize("symbol", ["AAPL", "EURUSD=X", "DOGE-USD", "^GSPC", "7203.T", "S0042"])
async def test_the_same_seed_gives_the_same_past_and_another_seed_another_one(symbol: str) -> None:
    clock = ManualClock()
    first, again, other = (a_market(clock, seed=seed) for seed in (7, 7, 8))
    for interval, back_ms in (("1d", YEAR_MS), ("5m", 3 * DAY_MS)):
        told = await bars(first, clock, interval, back_ms, symbol)
        assert told == await bars(again, clock, interval, back_ms, symbol)
        assert told != await bars(other, clock, interval, back_ms, symbol)


async def test_it_is_the_same_past_however_the_market_has_moved_since() -> None:
    clock = ManualClock()
    still, moved = a_market(clock), a_market(clock)
    await price(moved)
    await run(moved, clock, 300)
    await price(still)
    assert (await bars(still, clock, "1d", YEAR_MS))[:-1] == (await bars(moved, clock, "1d", YEAR_MS))[:-1]


@pytest.mark.parametrize("interval", [*BarInterval])
async def test_it_ends_in_the_present_price(interval: BarInterval) -> None:
    clock = ManualClock()
    market = a_market(clock)
    await run(market, clock, 90)
    last = (await bars(market, clock, interval, MONTH_MS))[-1]
    assert last.close == await price(market)


async def test_yesterday_closed_where_the_quote_says_so() -> None:
    clock = ManualClock()
    market = a_market(clock)
    quote = (await market.quotes(["AAPL"])).quotes["AAPL"]
    assert (await bars(market, clock, "1d", MONTH_MS))[-2].close == quote.previous_close


@pytest.mark.parametrize("symbol", ["AAPL", "EURUSD=X", "DOGE-USD", "S0042"])
async def test_every_day_is_what_its_minutes_say(symbol: str) -> None:
    clock = ManualClock()
    market = a_market(clock)
    await run(market, clock, 150, symbol)
    days = await bars(market, clock, "1d", 4 * DAY_MS, symbol)
    minutes = await bars(market, clock, "1m", 5 * DAY_MS, symbol)
    by_day = {day.time: day for day in gathered(minutes, BarInterval.DAY, UTC)}
    assert [by_day[day.time] for day in days] == days


async def test_bars_follow_each_other_without_a_hole_and_each_opens_where_the_last_one_closed() -> None:
    clock = ManualClock()
    market = a_market(clock)
    await run(market, clock, 10)
    minutes = await bars(market, clock, "1m", 2 * DAY_MS)
    assert {after.time - before.time for before, after in pairwise(minutes)} == {MINUTE_MS}
    within_days = [(before, after) for before, after in pairwise(minutes) if after.time % DAY_MS]
    assert all(before.close == after.open for before, after in within_days)


async def test_what_happened_since_the_walk_began_is_told_as_it_was() -> None:
    clock = ManualClock()
    market = a_market(clock)
    await price(market)
    assert clock.now_ms() % MINUTE_MS == 0
    prices = await run(market, clock, 240)
    told = (await bars(market, clock, "1m", 5 * MINUTE_MS))[-5:]
    assert [bar.close for bar in told] == [prices[58], prices[118], prices[178], prices[238], prices[239]]
    assert max(bar.high for bar in told[1:]) == max(prices[58:])


async def test_a_market_that_ran_over_midnight_keeps_the_day_that_was() -> None:
    clock = ManualClock()
    market = a_market(clock)
    await price(market)
    await clock.advance(9 * 3_600)
    prices = [await price(market)]
    for _ in range(3):
        await clock.advance(86_400)
        prices.append(await price(market))
    days = await bars(market, clock, "1d", 3 * DAY_MS + 10)
    assert days[-1].close == prices[-1]
    assert [bar.time for bar in days] == sorted({bar.time for bar in days})
    minutes = await bars(market, clock, "1h", 2 * DAY_MS)
    assert minutes[-1].close == prices[-1]


async def test_the_minutes_that_are_kept_are_bounded_and_what_is_forgotten_is_still_a_past() -> None:
    clock = ManualClock()
    market = a_market(clock)
    for _ in range(3 * MINUTES_KEPT // 10):
        await clock.advance(600)
        await price(market)
    walk = market._walks["AAPL"]
    assert len(walk.minutes.bars(has_volume=True)) <= 2 * MINUTES_KEPT
    minutes = await bars(market, clock, "1m", 5 * DAY_MS)
    assert all(bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in minutes)


async def test_ten_years_are_plausible() -> None:
    clock = ManualClock()
    days = await bars(a_market(clock), clock, "1d", 20 * YEAR_MS)
    assert len(days) == 3_651
    assert 20 < min(bar.low for bar in days) < max(bar.high for bar in days) < 2_000
    assert all(abs(after.close / before.close - 1) < 0.15 for before, after in pairwise(days))


async def test_what_has_no_volume_has_none_in_the_past_and_what_is_unknown_has_no_past() -> None:
    clock = ManualClock()
    market = a_market(clock)
    assert {bar.volume for bar in await bars(market, clock, "1h", 3 * DAY_MS, "^GSPC")} == {None}
    assert await market.bars("NOPE", BarInterval.DAY, 0, 1, prepost=False) is None
    assert await market.splits("NOPE") is None
    assert await market.splits("AAPL") == ()


@pytest.mark.parametrize("interval", ["1m", "5m", "1h"])
async def test_a_month_is_made_day_by_day_so_that_prices_go_on_meanwhile(
    monkeypatch: pytest.MonkeyPatch, interval: str
) -> None:
    together: list[int] = []

    def counted(bars: Sequence[Bar], *how: Any) -> list[Bar]:
        together.append(len(bars))
        return gathered(bars, *how)

    monkeypatch.setattr("stocktrack.providers.simulated.provider.gathered", counted)
    clock = ManualClock()
    month = await bars(a_market(clock), clock, interval, MONTH_MS)
    assert len(month) > 29 * DAY_MS // BarInterval(interval).length_ms
    assert max(together, default=0) <= 1_440
