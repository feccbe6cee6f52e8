"""What cannot be true, told by a source that is polled and by one that streams."""

from collections.abc import AsyncIterator, Sequence

import pytest
from structlog.testing import capture_logs

from fakes import NOW_MS, POLL_SECONDS, House, ScriptedProvider, ScriptedStream, a_house
from market_house import on_board, quote, told, watch, why_missing
from stocktrack.clock import ManualClock
from stocktrack.errors import Reason
from stocktrack.providers.base import Provider

KEPT_OUT = "a price was kept out"


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with a_house() as built:
        yield built


async def test_a_tick_a_thousand_times_the_last_is_shown_to_nobody(house: House) -> None:
    await watch(house, "AAPL", "MSFT")
    with capture_logs() as logs:
        for price in (100_000.0, 101.0, 0.001, 102.0):
            house.provider.prices["AAPL"] = price
            await house.clock.advance(POLL_SECONDS)
            assert 100.0 <= on_board(house).price <= 102.0
            assert not on_board(house).stale

    assert on_board(house).price == 102.0
    assert on_board(house, "MSFT").price == 200.0
    assert [entry["price"] for entry in logs if entry["event"] == KEPT_OUT] == [100_000.0]
    assert told(house) == []


async def test_a_price_that_stays_is_shown_at_the_next_poll(house: House) -> None:
    await watch(house, "AAPL")
    house.provider.prices["AAPL"] = 1.0
    await house.clock.advance(POLL_SECONDS)
    assert on_board(house).price == 100.0
    await house.clock.advance(POLL_SECONDS)
    assert (on_board(house).price, on_board(house).stale) == (1.0, False)


async def test_a_stream_is_believed_after_four_seconds() -> None:
    async with a_house(lambda clock: (ScriptedStream(clock),)) as house:
        stream = house.provider
        assert isinstance(stream, ScriptedStream)
        await watch(house, "AAPL")
        stream.prices["AAPL"] = 1_000_000.0
        shown = []
        for _ in range(10):
            stream.deliver()
            shown.append(on_board(house).price)
            await house.clock.advance(0.5)

    assert shown[:8] == [100.0] * 8
    assert shown[8] > 1_000_000


async def test_a_share_without_a_price_is_missing_and_oil_below_zero_is_not(house: House) -> None:
    house.provider.prices |= {"AAPL": 0.0, "MSFT": -1.0, "CL=F": -37.63}

    assert await why_missing(house, "AAPL") is Reason.PROVIDER_ERROR
    assert await why_missing(house, "MSFT") is Reason.PROVIDER_ERROR
    assert (await quote(house, "CL=F")).price == -37.63


@pytest.mark.parametrize("market_time", [NOW_MS + 86_400_000, NOW_MS * 1000, 0, 1])
async def test_an_impossible_market_time_is_left_out_and_holds_up_no_price(house: House, market_time: int) -> None:
    house.provider.market_time = market_time
    await watch(house, "AAPL")
    assert on_board(house).timestamp is None
    house.provider.market_time, house.provider.prices["AAPL"] = NOW_MS, 101.0
    await house.clock.advance(POLL_SECONDS)

    assert (on_board(house).price, on_board(house).timestamp) == (101.0, NOW_MS)


async def test_the_price_of_another_source_with_a_time_before_all_others_does_not_follow_on_one_with_a_time() -> None:
    def two(clock: ManualClock) -> Sequence[Provider]:
        return ScriptedProvider(clock, name="first"), ScriptedProvider(clock, name="second")

    async with a_house(two) as house:
        first, second = (upstream.provider for upstream in house.feed.routes.upstreams)
        assert isinstance(first, ScriptedProvider)
        assert isinstance(second, ScriptedProvider)
        first.market_time, second.market_time = NOW_MS, 1_000
        second.prices["AAPL"] = 90.0
        await watch(house, "AAPL")
        first.script = "fail"
        await house.clock.advance(POLL_SECONDS * 4)
        assert (on_board(house).price, on_board(house).provider, on_board(house).stale) == (100.0, "first", True)
