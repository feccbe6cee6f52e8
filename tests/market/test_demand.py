from collections.abc import AsyncIterator

import pytest

from fakes import POLL_SECONDS, House, a_house, a_watcher, soon
from market_house import on_board, quote, watch
from stocktrack.clock import settle
from stocktrack.market.demand import GRACE_SECONDS


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with a_house() as built:
        yield built


async def test_the_first_watcher_starts_the_polling_and_the_going_of_the_last_stops_it_after_the_grace(
    house: House,
) -> None:
    await house.clock.advance(60)
    assert house.provider.quote_requests == 0
    one_goes, other_goes = a_watcher(house.board, "AAPL"), a_watcher(house.board, "AAPL", "MSFT")
    await settle()
    assert house.provider.quote_requests == 1
    await house.clock.advance(POLL_SECONDS * 4)
    assert house.provider.quote_requests == 5
    one_goes()
    await house.clock.advance(POLL_SECONDS * 4)
    assert set(house.provider.batches[-1]) == {"AAPL", "MSFT"}
    other_goes()
    before = house.provider.quote_requests
    await house.clock.advance(GRACE_SECONDS)
    assert house.provider.quote_requests > before
    before = house.provider.quote_requests
    await house.clock.advance(600)
    assert house.provider.quote_requests == before
    a_watcher(house.board, "AAPL")
    await settle()
    assert house.provider.quote_requests == before + 1


async def test_a_watcher_who_comes_back_within_the_grace_finds_the_polling_as_it_was(house: House) -> None:
    goes = a_watcher(house.board, "AAPL")
    await house.clock.advance(POLL_SECONDS)
    goes()
    await house.clock.advance(POLL_SECONDS)
    a_watcher(house.board, "AAPL")
    await house.clock.advance(POLL_SECONDS * 10)
    assert house.provider.batches == [("AAPL",)] * 13


async def test_a_symbol_whose_last_watcher_goes_during_the_fetch_is_kept_and_polled_no_more(house: House) -> None:
    house.provider.script = "slow"
    goes = a_watcher(house.board, "AAPL")
    await settle()
    goes()
    await house.clock.advance(3)
    assert on_board(house).price == 100.0
    await house.clock.advance(GRACE_SECONDS + POLL_SECONDS)
    before = house.provider.quote_requests
    await house.clock.advance(60)
    assert house.provider.quote_requests == before


async def test_a_symbol_that_is_first_watched_during_a_fetch_is_polled_from_then_on(house: House) -> None:
    await watch(house, "AAPL")
    house.provider.script = "slow"
    await house.clock.advance(POLL_SECONDS + 1)
    a_watcher(house.board, "MSFT")
    await house.clock.advance(POLL_SECONDS * 2)
    assert on_board(house, "MSFT").price == 200.0
    assert set(house.provider.batches[-1]) == {"AAPL", "MSFT"}


async def test_a_slow_source_is_asked_at_every_poll_all_the_same(house: House) -> None:
    house.provider.script, house.provider.slow_seconds = "slow", 4.0
    a_watcher(house.board, "AAPL", "MSFT")
    await house.clock.advance(POLL_SECONDS * 6)
    assert house.provider.batches == [("AAPL", "MSFT")] * 7


async def test_a_symbol_that_a_get_has_just_renewed_is_left_out_of_one_poll(house: House) -> None:
    await watch(house, "AAPL")
    await house.clock.advance(POLL_SECONDS - 1)
    await quote(house, "MSFT")
    a_watcher(house.board, "MSFT")
    await house.clock.advance(1)
    await house.clock.advance(POLL_SECONDS)
    assert house.provider.batches[-2:] == [("AAPL",), ("AAPL", "MSFT")]


async def test_a_symbol_in_flight_is_not_asked_for_a_second_time_by_the_poll(house: House) -> None:
    house.provider.script = "slow"
    get = await soon(house.feed.quotes(["AAPL"]))
    a_watcher(house.board, "AAPL", "MSFT")
    await settle()
    assert house.provider.batches == [("AAPL",), ("MSFT",)]
    await house.clock.advance(3)
    assert get.result().quotes["AAPL"].price == 100.0
