from collections.abc import AsyncIterator

import pytest

from fakes import POLL_SECONDS, House, a_house, a_watcher, soon
from market_house import on_board, quote, told, watch, why_missing
from stocktrack.errors import Reason
from stocktrack.market import refusals
from stocktrack.market.events import Event


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with a_house() as built:
        yield built


# --- odd symbols ---


async def test_a_symbol_that_alone_fails_is_stale_and_the_others_go_on(house: House) -> None:
    await watch(house, "AAPL", "MSFT")
    house.provider.odd = {"AAPL"}
    house.provider.prices["MSFT"] = 201.0
    await house.clock.advance(POLL_SECONDS)
    assert (on_board(house, "AAPL").stale, on_board(house, "AAPL").stale_reason) == (True, Reason.PROVIDER_ERROR)
    assert (on_board(house, "MSFT").stale, on_board(house, "MSFT").price) == (False, 201.0)
    house.provider.odd = set()
    await house.clock.advance(POLL_SECONDS)
    assert not on_board(house, "AAPL").stale
    assert told(house) == []


async def test_symbols_that_are_left_out_of_an_answer_are_stale(house: House) -> None:
    await watch(house, "AAPL", "MSFT")
    house.provider.script = "partial"
    await house.clock.advance(POLL_SECONDS)
    assert {symbol: on_board(house, symbol).stale for symbol in ("AAPL", "MSFT")} == {"AAPL": False, "MSFT": True}
    assert told(house) == []


async def test_no_price_for_anything_that_had_one_is_an_outage(house: House) -> None:
    await watch(house, "AAPL", "MSFT")
    house.provider.odd = {"AAPL", "MSFT"}
    await house.clock.advance(POLL_SECONDS * 10)
    assert told(house) == [(Event.OUTAGE, {"AAPL", "MSFT"})]
    house.provider.odd = set()
    await house.clock.advance(60)
    assert told(house)[1:] == [(Event.RESTORED, {"AAPL", "MSFT"})]


async def test_a_get_of_an_odd_symbol_stops_nobody(house: House) -> None:
    await watch(house, "AAPL")
    house.provider.odd = {"S1"}
    assert await why_missing(house, "S1") is Reason.PROVIDER_ERROR
    assert (await quote(house, "MSFT")).price == 200.0
    assert told(house) == []


async def test_a_get_whose_whole_call_fails_is_no_outage_of_what_is_watched(house: House) -> None:
    await watch(house, "AAPL")
    house.provider.script = "fail"
    assert await why_missing(house, "S1") is Reason.PROVIDER_ERROR
    house.provider.script = "good"
    assert (await quote(house, "S2")).price == 10.0
    before = house.provider.quote_requests
    await house.clock.advance(POLL_SECONDS)
    assert house.provider.quote_requests == before + 1
    assert not on_board(house).stale
    assert told(house) == []


async def test_an_odd_symbol_is_not_asked_for_again_and_again_because_clients_do(house: House) -> None:
    house.provider.odd = {"S1"}
    for _ in range(100):
        assert await why_missing(house, "S1") is Reason.PROVIDER_ERROR
    assert house.provider.quote_requests == 1
    house.provider.odd = set()
    await house.clock.advance(POLL_SECONDS / 2)
    assert (await quote(house, "S1")).price == 10.0


async def test_an_odd_symbol_that_is_watched_is_tried_again_at_every_poll(house: House) -> None:
    house.provider.odd = {"S1"}
    a_watcher(house.board, "S1")
    await house.clock.advance(POLL_SECONDS * 4)
    assert house.provider.batches == [("S1",)] * 5


# --- unknown symbols ---


async def test_an_unknown_symbol_is_remembered_for_ten_minutes(house: House) -> None:
    assert await why_missing(house, "NOPE") is Reason.UNKNOWN_SYMBOL
    await house.clock.advance(599)
    assert await why_missing(house, "NOPE") is Reason.UNKNOWN_SYMBOL
    assert house.provider.quote_requests == 1
    house.provider.prices["NOPE"] = 5.0
    await house.clock.advance(1)
    assert (await quote(house, "NOPE")).price == 5.0


async def test_an_unknown_symbol_stays_unknown_while_the_source_is_down(house: House) -> None:
    assert await why_missing(house, "NOPE") is Reason.UNKNOWN_SYMBOL
    house.provider.script = "fail"
    assert await why_missing(house, "MSFT") is Reason.PROVIDER_ERROR
    assert await why_missing(house, "NOPE") is Reason.UNKNOWN_SYMBOL


async def test_a_symbol_that_had_a_price_never_becomes_unknown(house: House) -> None:
    await watch(house, "AAPL", "MSFT")
    del house.provider.prices["AAPL"]
    await house.clock.advance(POLL_SECONDS * 3)
    assert on_board(house).price == 100.0
    assert (on_board(house).stale, on_board(house).stale_reason) == (True, Reason.PROVIDER_ERROR)
    assert (await house.feed.known(["AAPL"])) == {}
    assert told(house) == []


async def test_a_source_that_knows_nothing_any_more_takes_no_price_away(house: House) -> None:
    await watch(house, "AAPL", "MSFT")
    house.provider.script = "unknown"
    await house.clock.advance(POLL_SECONDS * 3)
    assert (on_board(house, "AAPL").price, on_board(house, "MSFT").price) == (100.0, 200.0)
    house.provider.script = "good"
    await house.clock.advance(POLL_SECONDS)
    assert not on_board(house).stale


async def test_a_symbol_that_cannot_be_checked_is_told_once_when_it_turns_out_unknown(house: House) -> None:
    user = await house.user()
    house.provider.script = "fail"
    reply = await user.command("SUBSCRIBE", symbols=["NOPE", "AAPL"])
    assert reply["pending"] == ["NOPE", "AAPL"]
    house.provider.script = "good"
    await house.clock.advance(POLL_SECONDS * 10)
    assert [entry for entry in told(house) if entry[0] is Event.UNKNOWN] == [(Event.UNKNOWN, {"NOPE"})]
    assert user.pushed() == {"AAPL"}
    assert on_board(house, "AAPL").price == 100.0


async def test_a_pending_symbol_that_another_client_finds_to_be_unknown_is_told_at_the_next_poll(
    house: House,
) -> None:
    user = await house.user()
    house.provider.script = "fail"
    await user.command("SUBSCRIBE", symbols=["NOPE"])
    house.provider.script = "good"
    await house.clock.advance(1.9)
    assert user.pushed() == {"NOPE"}
    await house.clock.advance(0.1)
    assert await why_missing(house, "NOPE") is Reason.UNKNOWN_SYMBOL
    await house.clock.advance(POLL_SECONDS)
    assert user.pushed() == set()
    assert house.provider.quote_requests == 2


async def test_a_symbol_that_turned_out_unknown_before_the_subscription_was_saved_is_told_too(house: House) -> None:
    user = await house.user()
    house.provider.script = "fail"
    house.accounts.may_save.clear()
    subscribe = await soon(user.command("SUBSCRIBE", symbols=["NOPE"]))
    house.provider.script = "good"
    await house.clock.advance(2)
    assert await why_missing(house, "NOPE") is Reason.UNKNOWN_SYMBOL
    house.accounts.may_save.set()
    assert (await subscribe)["pending"] == ["NOPE"]
    await house.clock.advance(POLL_SECONDS)
    assert user.pushed() == set()
    assert house.accounts.lists["yosakorn"] == []


async def test_only_so_many_refusals_are_remembered(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "MAX_REFUSED", 5)
    for number in range(20):
        assert await why_missing(house, f"NOPE{number}") is Reason.UNKNOWN_SYMBOL
    assert len(house.feed.routes.upstreams[0].refusals) == 5
    assert await why_missing(house, "NOPE19") is Reason.UNKNOWN_SYMBOL
    assert house.provider.quote_requests == 20
