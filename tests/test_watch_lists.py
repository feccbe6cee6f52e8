"""Named watch lists, from the command to the saved list: the protocol's `list` field."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fakes import POLL_SECONDS, USER, Client, House, ScriptedProvider, a_house
from live_server import PASSWORD, live_server
from stocktrack.client import NotFound, StockTrackClient
from stocktrack.clock import ManualClock
from stocktrack.errors import Reason
from stocktrack.messages import MAX_LISTS


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with a_house() as built:
        built.provider.prices |= {"NVDA": 400.0, "AMD": 500.0}
        yield built


@pytest.fixture
async def user(house: House) -> Client:
    return await house.user()


async def test_a_named_list_is_saved_beside_the_main_one_and_pushed_together_with_it(
    user: Client, house: House
) -> None:
    await user.command("SUBSCRIBE", symbols=["AAPL"])
    reply = await user.command("SUBSCRIBE", symbols=["NVDA", "AAPL"], list="tech")
    assert (reply["subscribed"], reply["already"], reply["symbols"]) == (["NVDA"], ["AAPL"], ["AAPL", "NVDA"])
    assert house.accounts.lists[USER] == ["AAPL"]
    reply = await user.command("MY_STOCKS", list="tech")
    assert (reply["list"], reply["lists"], reply["symbols"]) == ("tech", ["main", "tech"], ["NVDA", "AAPL"])
    assert [quote["symbol"] for quote in reply["quotes"]] == ["NVDA", "AAPL"]
    reply = await user.command("MY_STOCKS")
    assert (reply["list"], reply["lists"], reply["symbols"]) == ("main", ["main", "tech"], ["AAPL"])


async def test_a_list_that_does_not_exist_is_an_empty_one(user: Client) -> None:
    reply = await user.command("MY_STOCKS", list="nothing")
    assert (reply["code"], reply["list"], reply["lists"], reply["symbols"]) == (200, "nothing", ["main"], [])
    reply = await user.command("SUBSCRIBE", list="nothing")
    assert (reply["code"], reply["symbols"]) == (200, [])
    reply = await user.command("UNSUBSCRIBE", list="nothing")
    assert (reply["code"], reply["removed"]) == (200, [])


async def test_the_login_names_the_main_list_only(house: House) -> None:
    house.accounts.lists[USER] = ["TSLA"]
    house.accounts.other_lists["tech"] = {USER: ["NVDA"]}
    reply = await house.client().command("AUTH", username=USER, password="correct horse")
    assert reply["symbols"] == ["TSLA"]


async def test_subscribe_without_symbols_starts_the_list_it_names_and_no_other(user: Client, house: House) -> None:
    house.accounts.lists[USER] = ["TSLA"]
    house.accounts.other_lists["tech"] = {USER: ["NVDA", "AMD"]}
    assert (await user.command("SUBSCRIBE", list="tech"))["symbols"] == ["NVDA", "AMD"]
    assert (await user.command("SUBSCRIBE", list="main"))["symbols"] == ["NVDA", "AMD", "TSLA"]


async def test_unsubscribe_with_a_list_and_no_symbols_ends_that_list_and_its_pushes(user: Client, house: House) -> None:
    await user.command("SUBSCRIBE", symbols=["AAPL", "MSFT"])
    await user.command("SUBSCRIBE", symbols=["NVDA", "MSFT"], list="tech")
    reply = await user.command("UNSUBSCRIBE", list="tech")
    assert (reply["removed"], reply["missing"], reply["symbols"]) == (["NVDA", "MSFT"], [], ["AAPL"])
    assert house.accounts.lists[USER] == ["AAPL", "MSFT"]
    assert (await user.command("MY_STOCKS"))["lists"] == ["main"]


async def test_unsubscribe_from_a_list_leaves_the_symbol_in_the_others(user: Client, house: House) -> None:
    await user.command("SUBSCRIBE", symbols=["AAPL"])
    await user.command("SUBSCRIBE", symbols=["AAPL", "NVDA"], list="tech")
    reply = await user.command("UNSUBSCRIBE", symbols=["AAPL"], list="tech")
    assert (reply["removed"], reply["symbols"]) == (["AAPL"], ["NVDA"])
    assert house.accounts.lists[USER] == ["AAPL"]
    assert (await user.command("MY_STOCKS", list="tech"))["symbols"] == ["NVDA"]
    # It is pushed no longer and was never in this list.
    reply = await user.command("UNSUBSCRIBE", symbols=["AAPL"], list="cars")
    assert (reply["code"], reply["reason"]) == (404, "not_subscribed")


async def test_unsubscribe_without_anything_ends_all_pushes_and_the_main_list_only(user: Client, house: House) -> None:
    await user.command("SUBSCRIBE", symbols=["AAPL"])
    await user.command("SUBSCRIBE", symbols=["NVDA"], list="tech")
    reply = await user.command("UNSUBSCRIBE")
    assert (reply["removed"], reply["symbols"]) == (["AAPL", "NVDA"], [])
    assert house.accounts.lists[USER] == []
    assert (await user.command("MY_STOCKS", list="tech"))["symbols"] == ["NVDA"]


async def test_save_false_stops_a_list_and_keeps_it(user: Client) -> None:
    await user.command("SUBSCRIBE", symbols=["AAPL"])
    await user.command("SUBSCRIBE", symbols=["NVDA", "AMD"], list="tech")
    reply = await user.command("UNSUBSCRIBE", list="tech", save=False)
    assert (reply["removed"], reply["symbols"]) == (["NVDA", "AMD"], ["AAPL"])
    assert (await user.command("MY_STOCKS", list="tech"))["symbols"] == ["NVDA", "AMD"]


async def test_a_symbol_that_turns_out_to_be_unknown_leaves_all_lists(user: Client, house: House) -> None:
    house.provider.script = "fail"
    await user.command("SUBSCRIBE", symbols=["NOPE", "AAPL"])
    await user.command("SUBSCRIBE", symbols=["NOPE", "AAPL"], list="tech")
    house.provider.script = "good"
    await house.clock.advance(POLL_SECONDS * 2)
    assert house.accounts.lists[USER] == ["AAPL"]
    assert house.accounts.other_lists["tech"][USER] == ["AAPL"]


@pytest.mark.parametrize("name", ["", " tech", "a\nb", "x" * 65, "\u202eevil", None, 7, ["main"]])
@pytest.mark.parametrize("kind", ["SUBSCRIBE", "UNSUBSCRIBE", "MY_STOCKS"])
async def test_a_name_that_no_list_can_have_is_a_400_that_names_the_field(
    user: Client, kind: str, name: object
) -> None:
    reply = await user.command(kind, list=name)
    assert (reply["code"], reply["reason"]) == (400, "invalid_command")
    assert "'list'" in reply["message"]


async def test_lists_survive_a_restart_and_one_too_many_is_refused_over_a_real_socket(tmp_path: Path) -> None:
    clock = ManualClock()
    async with live_server(tmp_path, ScriptedProvider(clock), clock=clock) as server:
        ann = await server.log_in()
        for number in range(1, MAX_LISTS):
            reply = await ann.ask({"type": "SUBSCRIBE", "symbols": ["AAPL"], "list": f"list {number:02}"})
            assert reply["code"] == 200
        reply = await ann.ask({"type": "SUBSCRIBE", "symbols": ["AAPL"], "list": "one more"})
        assert (reply["code"], reply["reason"]) == (400, "symbol_limit")
        assert f"at most {MAX_LISTS} lists" in reply["message"]
    async with live_server(tmp_path, ScriptedProvider(clock), users=(), clock=clock) as server:
        ann = await server.log_in()
        reply = await ann.ask({"type": "MY_STOCKS", "list": "list 07"})
        assert reply["lists"] == ["main", *(f"list {number:02}" for number in range(1, MAX_LISTS))]
        assert reply["symbols"] == ["AAPL"]


async def test_the_client_library_names_lists_too(tmp_path: Path) -> None:
    clock = ManualClock()
    async with (
        live_server(tmp_path, ScriptedProvider(clock), clock=clock) as server,
        StockTrackClient(server.host, server.port, "ann", PASSWORD) as client,
    ):
        await client.subscribe(["AAPL", "MSFT"], list="tech")
        await client.subscribe("TSLA")
        reply = await client.my_stocks("tech")
        assert (reply.list, reply.lists, reply.symbols) == ("tech", ("main", "tech"), ("AAPL", "MSFT"))
        assert (await client.my_stocks()).symbols == ("TSLA",)
        assert (await client.unsubscribe(list="tech", save=False)).removed == ("AAPL", "MSFT")
        assert client.subscribed == ("TSLA",)
        assert (await client.subscribe(list="tech", interval=0)).subscribed == ("AAPL", "MSFT")
        assert (await client.unsubscribe("AAPL", list="tech")).removed == ("AAPL",)
        assert (await client.my_stocks(list="tech")).symbols == ("MSFT",)


async def test_the_client_library_changes_lists_in_one_step(tmp_path: Path) -> None:
    clock = ManualClock()
    async with (
        live_server(tmp_path, ScriptedProvider(clock), clock=clock) as server,
        StockTrackClient(server.host, server.port, "ann", PASSWORD) as client,
    ):
        assert (await client.set_list(["tsla", "AAPL"], list="tech")).symbols == ("TSLA", "AAPL")
        assert (await client.set_list("AAPL", list="tech", change="order")).symbols == ("AAPL", "TSLA")
        await client.rename_list("tech", "cars")
        assert [(info.list, info.count) for info in await client.lists()] == [("main", 0), ("cars", 2)]
        assert [info.list for info in (await client.order_lists(["cars"])).lists] == ["cars", "main"]
        assert (await client.remove_list("cars")).symbols == ("AAPL", "TSLA")
        with pytest.raises(NotFound) as caught:
            await client.remove_list("cars")
        assert caught.value.reason is Reason.UNKNOWN_LIST
        assert client.subscribed == ()
