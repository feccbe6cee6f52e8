"""SET_LIST and the commands about lists themselves: what is checked, what stays as it was, and what pushes do."""

from collections.abc import AsyncIterator

import pytest

from fakes import USER, Client, House, a_house


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with a_house() as built:
        built.provider.prices |= {"NVDA": 400.0, "AMD": 500.0}
        yield built


@pytest.fixture
async def user(house: House) -> Client:
    return await house.user()


async def test_a_list_is_replaced_and_pushes_stay_as_they_are(user: Client, house: House) -> None:
    await user.command("SUBSCRIBE", symbols=["AAPL", "TSLA"])
    reply = await user.command("SET_LIST", id=7, symbols=["nvda", "TSLA", "nvda"])
    assert (reply["id"], reply["list"], reply["symbols"]) == (7, "main", ["NVDA", "TSLA"])
    assert (reply["pending"], reply["missing"]) == ([], [])
    assert house.accounts.lists[USER] == ["NVDA", "TSLA"]
    assert user.session.symbols == ("AAPL", "TSLA")


async def test_what_is_unknown_is_missing_and_where_all_of_it_is_nothing_is_changed(user: Client, house: House) -> None:
    await user.command("SET_LIST", symbols=["AAPL"])
    reply = await user.command("SET_LIST", symbols=["NOPE", "NADA"])
    assert (reply["code"], reply["reason"]) == (404, "unknown_symbol")
    assert [each["symbol"] for each in reply["missing"]] == ["NOPE", "NADA"]
    assert house.accounts.lists[USER] == ["AAPL"]
    reply = await user.command("SET_LIST", symbols=["NOPE", "AMD"], change="add")
    assert (reply["symbols"], [each["symbol"] for each in reply["missing"]]) == (["AAPL", "AMD"], ["NOPE"])


async def test_what_cannot_be_checked_is_saved_and_pending(user: Client, house: House) -> None:
    house.provider.script = "fail"
    reply = await user.command("SET_LIST", symbols=["AMD", "NVDA"])
    assert (reply["symbols"], reply["pending"], reply["missing"]) == (["AMD", "NVDA"], ["AMD", "NVDA"], [])


async def test_what_is_not_in_the_list_is_neither_taken_out_nor_put_in_order(user: Client) -> None:
    await user.command("SET_LIST", symbols=["AAPL", "AMD", "NVDA"])
    reply = await user.command("SET_LIST", symbols=["NVDA", "TSLA"], change="order")
    assert reply["symbols"] == ["NVDA", "AAPL", "AMD"]
    assert reply["missing"] == [{"symbol": "TSLA", "code": 404, "reason": "not_subscribed"}]
    for change in ("remove", "order"):
        reply = await user.command("SET_LIST", symbol="TSLA", change=change)
        assert (reply["code"], reply["reason"]) == (404, "not_subscribed")
    # What no source knows any more can be taken out all the same.
    assert (await user.command("SET_LIST", symbols=["AMD"], change="remove"))["symbols"] == ["NVDA", "AAPL"]


async def test_no_symbols_empty_a_list_and_are_nothing_else(user: Client) -> None:
    await user.command("SET_LIST", symbols=["AAPL"], list="tech")
    assert (await user.command("SET_LIST", symbols=[], list="tech"))["symbols"] == []
    assert [each["list"] for each in (await user.command("LISTS"))["lists"]] == ["main"]
    assert (await user.command("SET_LIST", symbols=[], list="tech"))["reason"] == "unknown_list"
    for change in ("add", "remove", "order"):
        reply = await user.command("SET_LIST", symbols=[], change=change)
        assert (reply["code"], reply["reason"]) == (400, "invalid_command")
        assert "'symbols'" in reply["message"]


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("SET_LIST", {}),
        ("SET_LIST", {"symbols": ["AAPL"], "change": "swap"}),
        ("SET_LIST", {"symbols": ["AAPL"], "symbol": "AAPL"}),
        ("SET_LIST", {"symbols": ["no symbol"]}),
        ("SET_LIST", {"symbols": ["AAPL"], "list": " x"}),
        ("RENAME_LIST", {"list": "tech"}),
        ("RENAME_LIST", {"list": "tech", "name": "x" * 65}),
        ("RENAME_LIST", {"list": "tech", "name": ""}),
        ("REMOVE_LIST", {}),
        ("REMOVE_LIST", {"list": "main"}),
        ("ORDER_LISTS", {"lists": []}),
        ("ORDER_LISTS", {"lists": ["main"] * 21}),
        ("ORDER_LISTS", {"lists": "main"}),
    ],
)
async def test_what_fits_no_list_is_a_400(user: Client, kind: str, fields: dict[str, object]) -> None:
    reply = await user.command(kind, **fields)
    assert (reply["code"], reply["reason"]) == (400, "invalid_command")


async def test_a_user_who_is_removed_while_the_source_answers_gets_no_list(user: Client, house: House) -> None:
    house.accounts.passwords.pop(USER)
    reply = await user.command("SET_LIST", symbols=["AAPL"])
    assert (reply["code"], reply["reason"]) == (401, "not_authenticated")
    assert USER not in house.accounts.lists
