import asyncio
from collections.abc import AsyncIterator

import pytest

from fakes import POLL_SECONDS, House, a_house, soon
from stocktrack.clock import settle
from stocktrack.market import batching


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with a_house() as built:
        yield built


async def test_a_hundred_gets_of_one_symbol_at_once_are_one_request(house: House) -> None:
    found = await asyncio.gather(*(house.feed.quotes(["AAPL"]) for _ in range(100)))
    assert {each.quotes["AAPL"].price for each in found} == {100.0}
    assert house.provider.batches == [("AAPL",)]


async def test_a_hundred_gets_of_one_symbol_while_a_slow_call_is_under_way_are_one_request(house: House) -> None:
    house.provider.script = "slow"
    first = await soon(house.feed.quotes(["AAPL"]))
    others = [await soon(house.feed.quotes(["AAPL"])) for _ in range(20)]
    await house.clock.advance(3)
    assert all(task.result().quotes["AAPL"].price == 100.0 for task in (first, *others))
    assert house.provider.quote_requests == 1


async def test_gets_of_different_symbols_at_once_go_into_one_request(house: House) -> None:
    await asyncio.gather(*(house.feed.quotes([symbol]) for symbol in ("AAPL", "MSFT", "TSLA")))
    assert house.provider.batches == [("AAPL", "MSFT", "TSLA")]


async def test_a_hundred_sessions_with_the_same_ten_symbols_cost_one_request_a_poll(house: House) -> None:
    symbols = [f"S{number}" for number in range(10)]
    for _ in range(100):
        user = await house.user()
        assert (await user.command("SUBSCRIBE", symbols=symbols, save=False))["code"] == 200
    before = house.provider.quote_requests
    await house.clock.advance(POLL_SECONDS * 6)
    assert house.provider.quote_requests == before + 6
    assert set(house.provider.batches[-1]) == set(symbols)


async def test_what_is_asked_for_while_enough_calls_are_under_way_goes_into_the_next_one(house: House) -> None:
    house.provider.script = "hang"
    waiting = [await soon(house.feed.quotes([f"S{number}"])) for number in range(6)]
    assert house.provider.batches == [("S0",), ("S1",)]
    house.provider.release()
    await settle()
    assert all(task.done() for task in waiting)
    assert house.provider.batches == [("S0",), ("S1",), ("S2", "S3", "S4", "S5")]


async def test_more_symbols_than_a_call_takes_are_asked_for_in_several(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "MAX_BATCH", 4)
    symbols = [f"S{number}" for number in range(10)]
    found = await house.feed.quotes(symbols)
    assert list(found.quotes) == symbols
    assert [len(batch) for batch in house.provider.batches] == [4, 4, 2]


async def test_one_who_goes_away_does_not_take_the_call_of_the_others_along(house: House) -> None:
    house.provider.script = "slow"
    first = await soon(house.feed.quotes(["AAPL"]))
    second = await soon(house.feed.quotes(["AAPL"]))
    first.cancel()
    await house.clock.advance(3)
    assert first.cancelled()
    assert second.result().quotes["AAPL"].price == 100.0
    assert house.provider.quote_requests == 1
