"""What a session is told of the lists that others of its user change: only where it asked, once, and not of its own."""

from collections.abc import AsyncIterator

import pytest

from fakes import USER, Client, House, Message, a_house
from live_server import until
from stocktrack.sessions.list_news import PAUSE_SECONDS


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with a_house() as built:
        yield built


def told(client: Client) -> list[Message]:
    return [message for message in client.connection.messages() if message["type"] == "NOTICE"]


async def next_told(house: House, client: Client) -> list[Message]:
    """What is told next, up to the pause after it."""
    found: list[Message] = []

    def look() -> bool:
        found.extend(told(client))
        return bool(found)

    await until(look)
    await house.clock.advance(PAUSE_SECONDS)
    return found


async def lists_told(house: House, client: Client) -> list[list[str]]:
    """The lists of each NOTICE that is told next."""
    return [notice["lists"] for notice in await next_told(house, client)]


async def test_a_session_that_asked_is_told_what_another_one_changed(house: House) -> None:
    here, there = await house.user(), await house.user()
    assert (await here.command("LISTS", follow=True))["lists"] == [{"list": "main", "count": 0}]
    here.connection.messages()
    await there.command("SUBSCRIBE", symbols=["AAPL"])
    [notice] = await next_told(house, here)
    assert (notice["code"], notice["reason"], notice["lists"]) == (100, "lists_changed", ["main"])
    assert notice["message"] == "Another session of yours has changed your saved lists: 'main'."
    for command, fields, expected in (
        ("SET_LIST", {"symbols": ["TSLA"], "list": "tech"}, ["tech"]),
        ("UNSUBSCRIBE", {"symbols": ["AAPL"]}, ["main"]),
        ("RENAME_LIST", {"list": "tech", "name": "chips"}, ["tech", "chips"]),
        ("ORDER_LISTS", {"lists": ["chips", "main"]}, ["chips", "main"]),
        ("REMOVE_LIST", {"list": "chips"}, ["chips"]),
        ("SET_LIST", {"symbols": [], "list": "kept", "keep": True}, ["kept"]),
    ):
        assert (await there.command(command, **fields))["code"] == 200
        assert await lists_told(house, here) == [expected]


async def test_nobody_is_told_who_did_not_ask_or_is_somebody_else_or_did_it(house: House) -> None:
    asked, silent, other = await house.user(), await house.user(), await house.user("somebody")
    for client in (asked, other):
        await client.command("LISTS", follow=True)
    by_itself = await house.user()
    await by_itself.command("LISTS", follow=True)
    for client in (asked, silent, other, by_itself):
        client.connection.messages()
    await by_itself.command("SET_LIST", symbols=["AAPL"])
    assert await lists_told(house, asked) == [["main"]]
    assert [told(client) for client in (silent, other)] == [[], []]
    assert [message["type"] for message in by_itself.connection.messages()] == ["SET_LIST"]


async def test_what_changes_nothing_is_not_told(house: House) -> None:
    here, there = await house.user(), await house.user()
    await there.command("SET_LIST", symbols=["AAPL"])
    await here.command("LISTS", follow=True)
    here.connection.messages()
    for command, fields in (
        ("SUBSCRIBE", {"symbols": ["AAPL"]}),
        ("SUBSCRIBE", {"symbols": ["TSLA"], "save": False}),
        ("UNSUBSCRIBE", {"symbols": ["TSLA"]}),
        ("SET_LIST", {"symbols": ["AAPL"]}),
        ("SET_LIST", {"symbols": ["NOPE"], "change": "add"}),
        ("RENAME_LIST", {"list": "main", "name": "main"}),
        ("REMOVE_LIST", {"list": "nope"}),
    ):
        await there.command(command, **fields)
    await there.command("SET_LIST", symbols=["MSFT"], list="tech")
    assert await lists_told(house, here) == [["tech"]]


async def test_changes_that_follow_at_once_are_told_together(house: House) -> None:
    here, there = await house.user(), await house.user()
    await here.command("LISTS", follow=True)
    here.connection.messages()
    await there.command("SET_LIST", symbols=["AAPL"])
    await until(lambda: told(here))
    for number in range(20):
        await there.command("SET_LIST", symbols=["AAPL", "MSFT"][: 1 + number % 2])
    for name in ("a", "b", "c"):
        await there.command("SET_LIST", symbols=["TSLA"], list=name)
    assert told(here) == []
    await house.clock.advance(PAUSE_SECONDS)
    [notice] = await next_told(house, here)
    assert notice["lists"] == ["main", "a", "b", "c"]
    assert notice["message"] == "Another session of yours has changed your saved lists: 4 lists."


async def test_a_session_can_have_enough_of_it_and_one_that_ended_is_forgotten(house: House) -> None:
    here, gone, there = await house.user(), await house.user(), await house.user()
    for client in (here, gone):
        await client.command("LISTS", follow=True)
    assert house.sessions.list_followers == 2
    await here.command("LISTS", follow=False)
    house.sessions.close_session(gone.session)
    assert house.sessions.list_followers == 0
    here.connection.messages()
    await there.command("SET_LIST", symbols=["AAPL"])
    await house.clock.advance(PAUSE_SECONDS)
    assert told(here) == []


async def test_what_turns_out_to_be_unknown_is_told_to_sessions_that_are_not_pushed_it(house: House) -> None:
    here, there = await house.user(), await house.user()
    await here.command("LISTS", follow=True)
    house.provider.script = "fail"
    assert (await there.command("SUBSCRIBE", symbols=["NOPE"]))["pending"] == ["NOPE"]
    assert await lists_told(house, here) == [["main"]]
    house.provider.script = "good"
    await house.clock.advance(120)
    await until(lambda: house.accounts.lists[USER] == [])
    assert await lists_told(house, here) == [["main"]]
