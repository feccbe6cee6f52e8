"""HOLDINGS, ADD_LOT and REMOVE_LOT, asked as a client asks: with rates found, missing and stale, and in pages."""

import dataclasses
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fakes import NOW_MS, POLL_SECONDS, RULES, Client, House, a_house, code_and_reason, missing
from stocktrack.errors import CommandError, Reason
from stocktrack.messages import MAX_REPLY_BYTES, HoldingsReply, join_pages, next_page
from stocktrack.storage.lots import LotRow
from world_market import WorldMarket


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with a_house(lambda clock: (WorldMarket(clock),)) as built:
        yield built


@pytest.fixture
def world(house: House) -> WorldMarket:
    assert isinstance(house.provider, WorldMarket)
    return house.provider


async def add(client: Client, symbol: str, quantity: float = 1.0, unit_cost: float = 1.0, **fields: Any) -> str:
    reply = await client.command("ADD_LOT", symbol=symbol, quantity=quantity, unit_cost=unit_cost, **fields)
    assert reply["code"] == 200, reply
    return str(reply["lot"])


# --- lots -----------------------------------------------------------------------------------------------------------


async def test_a_lot_is_kept_told_and_taken_out_again(house: House, user: Client) -> None:
    reply = await user.command("ADD_LOT", id=1, symbol="aapl", quantity=10, unit_cost=146, fixed_cost=1)
    assert reply == {
        "type": "ADD_LOT",
        "id": 1,
        "code": 200,
        "status": "OK",
        "lot": "l1",
        "symbol": "AAPL",
        "quantity": 10.0,
        "unit_cost": 146.0,
        "fixed_cost": 1.0,
        "group": "main",
    }
    [row] = house.lots.lots[user.session.user]
    assert row == LotRow(1, "AAPL", 10.0, 146.0, 1.0, "main", NOW_MS)
    held = await user.command("HOLDINGS")
    assert [each["lot"] for each in held["lots"]] == ["l1"]
    assert await user.command("REMOVE_LOT", id=2, lot="l1") == {
        "type": "REMOVE_LOT",
        "id": 2,
        "code": 200,
        "status": "OK",
        "lot": "l1",
        "symbol": "AAPL",
    }
    assert code_and_reason(await user.command("REMOVE_LOT", lot="l1")) == (404, "unknown_lot")
    assert (await user.command("HOLDINGS"))["holdings"] == []


async def test_nobody_sees_or_removes_the_lots_of_another(house: House, user: Client) -> None:
    lot = await add(user, "AAPL")
    other = await house.user("somebody")
    assert (await other.command("HOLDINGS"))["lots"] == []
    assert code_and_reason(await other.command("REMOVE_LOT", lot=lot)) == (404, "unknown_lot")
    assert (await user.command("REMOVE_LOT", lot=lot))["code"] == 200


@pytest.mark.parametrize(
    "fields",
    [
        {"quantity": 0, "unit_cost": 1},
        {"quantity": 1, "unit_cost": -1},
        {"quantity": 1, "unit_cost": 1, "fixed_cost": -0.01},
        {"quantity": 1e13, "unit_cost": 1},
        {"quantity": "10", "unit_cost": 1},
        {"quantity": True, "unit_cost": 1},
        {"quantity": 1},
        {"quantity": 1, "unit_cost": 1, "group": ""},
        {"quantity": 1, "unit_cost": 1, "group": "x" * 65},
        {"quantity": 1, "unit_cost": 1, "fee": 1},
    ],
)
async def test_a_lot_of_nothing_or_of_nonsense_is_refused(house: House, user: Client, fields: dict[str, Any]) -> None:
    assert code_and_reason(await user.command("ADD_LOT", symbol="AAPL", **fields)) == (400, "invalid_command")
    assert house.lots.lots == {}


async def test_numbers_that_are_none_are_no_json(user: Client) -> None:
    for number in (b"NaN", b"Infinity", b"1e999"):
        line = b'{"type":"ADD_LOT","symbol":"AAPL","quantity":1,"unit_cost":' + number + b"}"
        assert code_and_reason(await user.line(line)) == (400, "malformed_json")


async def test_a_symbol_that_no_source_knows_is_refused(house: House, user: Client) -> None:
    reply = await user.command("ADD_LOT", symbol="NOPE", quantity=1, unit_cost=1)
    assert code_and_reason(reply) == (404, "unknown_symbol")
    assert house.lots.lots == {}


async def test_a_lot_is_kept_although_its_source_is_down(house: House, world: WorldMarket, user: Client) -> None:
    world.script = "fail"
    await add(user, "SAP.DE", 2, 150)
    reply = await user.command("HOLDINGS")
    assert missing(reply) == {"SAP.DE": (500, "provider_error")}
    assert reply["missing"][0]["message"] == "There is no price of SAP.DE (provider error): it is in no total."
    assert reply["holdings"] == [
        {"cost": 300.0, "symbol": "SAP.DE", "quantity": 2.0, "unit_cost": 150.0},
    ]
    assert reply["totals"] == {"cost": 0.0, "value": 0.0, "day_change": 0.0, "gain": 0.0}


async def test_a_symbol_that_the_user_has_no_request_left_to_check_is_not_kept_unless_it_is_held() -> None:
    rules = dataclasses.replace(RULES, user_upstream_burst=2, user_upstream_requests_per_minute=0.1)
    async with a_house(lambda clock: (WorldMarket(clock),), rules=rules) as house:
        user = await house.user()
        await add(user, "AAPL")
        house.board.forget(house.clock.monotonic() + 1e9, 0)
        for symbol in ("MSFT", "TSLA"):
            await user.command("GET", symbol=symbol)
        reply = await user.command("ADD_LOT", symbol="SAP.DE", quantity=1, unit_cost=1)
        assert code_and_reason(reply) == (429, "rate_limited")
        assert reply["retry_after_ms"] > 0
        await add(user, "AAPL")  # it was checked when it came first
        await add(user, "MSFT")  # its price is known


async def test_what_is_no_longer_traded_can_still_be_sold(house: House, world: WorldMarket, user: Client) -> None:
    await add(user, "AAPL", 10, 90)
    del world.prices["AAPL"]
    house.board.forget(house.clock.monotonic() + 1e9, 0)
    await add(user, "AAPL", -10, 0.01)
    [holding] = (await user.command("HOLDINGS"))["holdings"]
    assert (holding["quantity"], holding["cost"]) == (0.0, 899.9)
    other = await house.user("somebody")
    reply = await other.command("ADD_LOT", symbol="AAPL", quantity=1, unit_cost=1)
    assert code_and_reason(reply) == (404, "unknown_symbol")


async def test_there_are_so_many_lots_and_no_more() -> None:
    async with a_house(rules=dataclasses.replace(RULES, max_lots_per_user=2)) as house:
        user = await house.user()
        for _ in range(2):
            await add(user, "AAPL")
        reply = await user.command("ADD_LOT", symbol="AAPL", quantity=1, unit_cost=1)
        assert code_and_reason(reply) == (400, "symbol_limit")


async def test_a_database_that_fails_is_told_and_prices_go_on(house: House, user: Client) -> None:
    house.lots.is_broken = True
    for kind, fields in (
        ("HOLDINGS", {}),
        ("ADD_LOT", {"symbol": "AAPL", "quantity": 1, "unit_cost": 1}),
        ("REMOVE_LOT", {"lot": "l1"}),
    ):
        assert code_and_reason(await user.command(kind, **fields)) == (500, "storage_error")
    assert (await user.command("GET", symbol="AAPL"))["code"] == 200


# --- rates ----------------------------------------------------------------------------------------------------------


async def test_what_is_in_the_totals_own_currency_asks_for_no_rate(world: WorldMarket, user: Client) -> None:
    await add(user, "AAPL", 10, 90)
    world.closes["AAPL"] = 98.0
    world.batches.clear()
    reply = await user.command("HOLDINGS")
    assert world.asked_pairs() == []
    [holding] = reply["holdings"]
    assert (holding["rate"], holding["value"], holding["weight"]) == (1.0, 1000.0, 100.0)
    assert (reply["currency"], reply["totals"]["gain"]) == ("USD", 100.0)
    assert reply["missing"] == []


async def test_all_rates_are_one_question_and_pence_are_right(world: WorldMarket, user: Client) -> None:
    for symbol, quantity in (("AAPL", 10), ("VOD.L", 1000), ("SAP.DE", 5), ("7203.T", 100)):
        await add(user, symbol, quantity, 1)
    for name, price in (("USDEUR", 0.9), ("GBPEUR", 1.2), ("JPYEUR", 0.006)):
        world.pair(name, price)
    world.batches.clear()
    reply = await user.command("HOLDINGS", currency="EUR")
    assert [batch for batch in world.batches if any("=X" in symbol for symbol in batch)] == [
        ("GBPEUR=X", "JPYEUR=X", "USDEUR=X")
    ]
    of = {each["symbol"]: each for each in reply["holdings"]}
    assert {symbol: each["converted"]["value"] for symbol, each in of.items()} == {
        "7203.T": 1800.0,  # 100 * 3,000 * 0.006
        "AAPL": 900.0,
        "SAP.DE": 1000.0,
        "VOD.L": 816.0,  # 1,000 * 68 pence = 680 pounds
    }
    assert (of["VOD.L"]["rate"], of["VOD.L"]["value"]) == (0.012, 68000.0)
    assert (reply["totals"]["value"], reply["missing"], reply["currency"]) == (4516.0, [], "EUR")


async def test_a_rate_is_looked_for_the_other_way_round_and_then_over_the_dollar(
    world: WorldMarket, user: Client
) -> None:
    await add(user, "SAP.DE", 1, 1)
    await add(user, "7203.T", 1, 1)
    world.pair("EURUSD", 1.25)
    world.pair("USDJPY", 150.0)
    assert (await user.command("HOLDINGS"))["totals"]["value"] == 270.0  # 250 + 20
    # 200 + 3,000 / 150 / 1.25
    assert (await user.command("HOLDINGS", currency="EUR"))["totals"]["value"] == 216.0
    reply = await user.command("HOLDINGS", currency="JPY")
    assert reply["totals"]["value"] == 40_500.0  # 3,000 + 200 * 1.25 * 150


async def test_where_the_way_over_the_dollar_fails_for_now_the_rate_is_not_called_unknown(
    world: WorldMarket, user: Client
) -> None:
    await add(user, "7203.T", 1, 1)
    world.pair("EURUSD", 1.25)
    world.pair("USDJPY", 1e13)
    assert missing(await user.command("HOLDINGS", currency="EUR")) == {"7203.T": (500, "provider_error")}


async def test_a_source_that_writes_pairs_in_its_own_way_is_asked_in_that(world: WorldMarket, user: Client) -> None:
    await add(user, "SAP.DE", 1, 1)
    world.prices["OANDA:EUR_USD"] = 1.5
    assert (await user.command("HOLDINGS"))["totals"]["value"] == 300.0


async def test_a_missing_rate_says_what_is_in_no_total(world: WorldMarket, user: Client) -> None:
    for symbol in ("AAPL", "VOD.L", "SAP.DE"):
        await add(user, symbol, 1, 1)
    world.pair("USDEUR", 0.5)
    reply = await user.command("HOLDINGS", currency="EUR")
    assert reply["missing"] == [
        {
            "symbol": "VOD.L",
            "code": 404,
            "reason": "unknown_symbol",
            "message": "There is no rate from GBP to EUR (unknown symbol): VOD.L is in no total.",
        }
    ]
    assert reply["totals"]["value"] == 250.0
    pence = next(each for each in reply["holdings"] if each["symbol"] == "VOD.L")
    assert (pence["value"], pence["currency"]) == (68.0, "GBp")
    assert not {"converted", "weight", "rate"} & pence.keys()
    # What no source knows is not asked for again and again.
    world.batches.clear()
    await user.command("HOLDINGS", currency="EUR")
    assert world.asked_pairs() == []


@pytest.mark.parametrize("price", [0.0, -1.0, 1e300])
async def test_a_price_that_can_be_no_rate_is_a_missing_one(world: WorldMarket, user: Client, price: float) -> None:
    await add(user, "SAP.DE")
    world.pair("EURUSD", price)
    assert missing(await user.command("HOLDINGS")) == {"SAP.DE": (500, "provider_error")}


async def test_a_pair_in_another_currency_than_it_says_is_no_rate(world: WorldMarket, user: Client) -> None:
    await add(user, "SAP.DE")
    world.pair("EURUSD", 1.1)
    world.currencies["EURUSD=X"] = "CAD"
    assert missing(await user.command("HOLDINGS")) == {"SAP.DE": (500, "provider_error")}


async def test_what_names_no_currency_and_what_is_too_much_is_in_no_total(world: WorldMarket, user: Client) -> None:
    for symbol in ("AAPL", "BARE", "HUGE"):
        await add(user, symbol, 10, 1)
    reply = await user.command("HOLDINGS")
    assert {each["symbol"]: each["message"] for each in reply["missing"]} == {
        "BARE": "scripted gives no currency for BARE, so that it is in no total.",
        "HUGE": "HUGE comes to more than can be counted: it is in no total.",
    }
    assert reply["totals"]["value"] == 1000.0
    bare = next(each for each in reply["holdings"] if each["symbol"] == "BARE")
    assert (bare["value"], bare["gain"], "currency" in bare) == (50.0, 40.0, False)


async def test_a_stale_price_and_a_stale_rate_are_used_and_marked(
    house: House, world: WorldMarket, user: Client
) -> None:
    await add(user, "SAP.DE", 1, 1)
    await add(user, "AAPL", 1, 1)
    world.pair("EURUSD", 1.25)
    before = await user.command("HOLDINGS")
    assert ["stale" in each for each in before["holdings"]] == [False, False]
    world.script = "fail"
    await house.clock.advance(POLL_SECONDS + 1)
    after = await user.command("HOLDINGS")
    assert [each.get("stale") for each in after["holdings"]] == [True, True]
    assert (after["totals"], after["missing"]) == (before["totals"], [])


async def test_the_rates_are_paid_for_by_the_user_and_what_is_over_says_when() -> None:
    rules = dataclasses.replace(RULES, user_upstream_burst=1, user_upstream_requests_per_minute=6.0)
    async with a_house(lambda clock: (WorldMarket(clock),), rules=rules) as house:
        user = await house.user()
        await add(user, "SAP.DE")  # one request, all that there are
        assert isinstance(house.provider, WorldMarket)
        house.provider.pair("EURUSD", 1.1)
        reply = await user.command("HOLDINGS")
        assert missing(reply) == {"SAP.DE": (429, "rate_limited")}
        assert reply["missing"][0]["retry_after_ms"] > 0
        await house.clock.advance(11)
        await user.command("GET", symbol="EURUSD=X")
        assert (await user.command("HOLDINGS"))["totals"]["value"] == 220.0


async def test_the_server_says_in_which_currency_where_the_command_does_not() -> None:
    async with a_house(
        lambda clock: (WorldMarket(clock),), rules=dataclasses.replace(RULES, display_currency="EUR")
    ) as house:
        user = await house.user()
        await add(user, "SAP.DE")
        assert (await user.command("HOLDINGS"))["currency"] == "EUR"
        assert isinstance(house.provider, WorldMarket)
        house.provider.pair("EURUSD", 1.1)
        assert (await user.command("HOLDINGS", currency="USD"))["currency"] == "USD"


@pytest.mark.parametrize("currency", ["GBX", "ZAC", "ILA", "eur", "EURO", "", "GBp", 5])
async def test_totals_are_in_a_whole_currency(user: Client, currency: object) -> None:
    assert code_and_reason(await user.command("HOLDINGS", currency=currency)) == (400, "invalid_command")


# --- groups ---------------------------------------------------------------------------------------------------------


async def test_a_group_is_summed_for_itself_and_all_are_named(user: Client) -> None:
    await add(user, "AAPL", 1, 50)
    await add(user, "AAPL", 2, 50, group="pension")
    await add(user, "MSFT", 1, 50, group="broker")
    whole = await user.command("HOLDINGS")
    assert whole["groups"] == ["main", "broker", "pension"]
    assert [(each["symbol"], each["quantity"]) for each in whole["holdings"]] == [("AAPL", 3.0), ("MSFT", 1.0)]
    part = await user.command("HOLDINGS", group="pension")
    assert [(each["symbol"], each["quantity"], each["weight"]) for each in part["holdings"]] == [("AAPL", 2.0, 100.0)]
    assert (part["totals"]["value"], part["groups"]) == (200.0, whole["groups"])
    assert [each["group"] for each in part["lots"]] == ["pension"]
    nothing = await user.command("HOLDINGS", group="nope")
    assert (nothing["code"], nothing["holdings"], nothing["totals"]["value"]) == (200, [], 0.0)


# --- pages ----------------------------------------------------------------------------------------------------------


async def pages_of(client: Client, **fields: Any) -> list[dict[str, Any]]:
    """All pages as they come on the line."""
    pages = [await client.command("HOLDINGS", **fields)]
    while (changes := next_page(HoldingsReply(**pages[-1]))) is not None:
        pages.append(await client.command("HOLDINGS", **fields, **changes))
    return pages


def keep(house: House, user: Client, *lots: tuple[str, str]) -> None:
    """Put lots of these symbols and groups where the database has them."""
    rows = [LotRow(number, symbol, 1.0, 2.0, 0.0, group, NOW_MS) for number, (symbol, group) in enumerate(lots, 1)]
    house.lots.lots[user.session.user] = rows


async def test_what_does_not_fit_on_one_line_comes_in_pages_each_with_all_totals(
    house: House, world: WorldMarket, user: Client
) -> None:
    symbols = [f"H{number:03}" for number in range(400)]
    world.prices |= dict.fromkeys(symbols[:-40], 3.0)
    group = "ü" * 64
    keep(house, user, *((symbol, group) for symbol in symbols * 2))
    first = await user.command("HOLDINGS", id="x" * 128)
    assert first["more"] is True
    pages = await pages_of(user)
    assert len(pages) > 1
    assert {json.dumps(page["totals"]) for page in pages} == {json.dumps(first["totals"])}
    assert first["totals"]["value"] == 360 * 2 * 3.0
    lines = [json.dumps(page, ensure_ascii=False, separators=(",", ":")).encode() for page in pages]
    assert all(len(line) < MAX_REPLY_BYTES for line in lines)
    whole = HoldingsReply(**pages[0])
    for page in pages[1:]:
        joined = join_pages(whole, HoldingsReply(**page))
        assert isinstance(joined, HoldingsReply)
        whole = joined
    assert [each.symbol for each in whole.holdings] == symbols
    assert [each.symbol for each in whole.missing] == symbols[-40:]
    assert len({each.lot for each in whole.lots}) == 800
    assert whole.more is None


async def test_the_lots_of_one_symbol_alone_may_take_several_lines(house: House, user: Client) -> None:
    keep(house, user, *(("AAPL", "g" * 64) for _ in range(3_000)), ("MSFT", "main"))
    pages = await pages_of(user)
    assert len(pages) > 2
    assert [each["symbol"] for page in pages for each in page["holdings"]] == ["AAPL", "MSFT"]
    assert [each["lot"] for page in pages for each in page["lots"]] == [f"l{number}" for number in range(1, 3_002)]


async def test_a_page_goes_on_where_the_last_lot_was_although_it_is_gone(house: House, user: Client) -> None:
    keep(house, user, *(("AAPL", "main") for _ in range(3)), ("MSFT", "main"))
    del house.lots.lots[user.session.user][1]
    reply = await user.command("HOLDINGS", after="AAPL", after_lot="l2")
    assert [each["lot"] for each in reply["lots"]] == ["l3", "l4"]
    assert [each["symbol"] for each in reply["holdings"]] == ["MSFT"]
    reply = await user.command("HOLDINGS", after="AAPL")
    assert [each["lot"] for each in reply["lots"]] == ["l4"]
    assert code_and_reason(await user.command("HOLDINGS", after_lot="l2")) == (400, "invalid_command")


async def test_a_number_out_of_its_range_is_told_what_it_may_be(user: Client) -> None:
    reply = await user.command("ADD_LOT", symbol="AAPL", quantity=1e13, unit_cost=1)
    told = "ADD_LOT: the field 'quantity' must be a number from -1000000000000 to 1000000000000."
    assert reply["message"] == told
    reply = await user.command("ADD_LOT", symbol="AAPL", quantity=1, unit_cost=-1)
    assert reply["message"] == "ADD_LOT: the field 'unit_cost' must be a number from 0 to 1000000000000."
    reply = await user.command("REMOVE_LOT", lot="7")
    assert reply["message"] == "REMOVE_LOT: the field 'lot' must look like l3, as HOLDINGS lists it."
    reply = await user.command("HOLDINGS", currency="euro")
    assert reply["message"] == "HOLDINGS: the field 'currency' must look like EUR, a code of three capital letters."
    reply = await user.command("ALERT", symbol="AAPL", when="percent_within", value=1, minutes=0)
    assert reply["message"] == "ALERT: the field 'minutes' must be a whole number from 1 to 1440."


async def test_a_login_that_ended_while_the_source_took_its_time_keeps_no_lot(
    house: House, user: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ended() -> None:
        raise CommandError(Reason.NOT_AUTHENTICATED, "The login counts no longer.")

    monkeypatch.setattr(type(user.session), "check_login", lambda _: ended())
    reply = await user.command("ADD_LOT", symbol="AAPL", quantity=1, unit_cost=1)
    assert code_and_reason(reply) == (401, "not_authenticated")
    assert house.lots.lots == {}
