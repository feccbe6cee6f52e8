"""What an administrator does with the open sessions."""

import pytest

from fakes import (
    EXAMPLES,
    NOW_MS,
    USER,
    Client,
    House,
    code_and_reason,
)
from stocktrack.sessions import administration

FOR_ADMINS = {"SESSIONS", "KICK", "ANNOUNCE", "MUTE"}


# --- administrators ---


@pytest.fixture
async def admin(house: House) -> Client:
    house.accounts.admins.add("somebody")
    return await house.user("somebody")


async def test_sessions_lists_all_of_them_in_their_order(house: House, admin: Client) -> None:
    await house.clock.advance(2)
    ann = await house.user()
    await ann.command("SUBSCRIBE", symbols=["AAPL", "MSFT"])
    ann.connection.taken_bytes -= 70
    house.client(address="192.0.2.9")
    reply = await admin.command("SESSIONS")
    common = {"door": "memory"}
    assert (reply["count"], reply["more"]) == (3, False)
    assert reply["sessions"] == [
        {"session": "s1", "username": "somebody", "address": "192.0.2.1", "since": NOW_MS, "symbols": [], "behind": 0}
        | common,
        {"session": "s2", "username": USER, "address": "192.0.2.1", "since": NOW_MS + 2_000, "behind": 70}
        | {"symbols": ["AAPL", "MSFT"]}
        | common,
        {"session": "s3", "address": "192.0.2.9", "since": NOW_MS + 2_000, "symbols": [], "behind": 0} | common,
    ]


async def test_sessions_that_do_not_fit_on_a_line_follow_page_by_page(
    house: House, admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [house.client() for _ in range(9)]
    monkeypatch.setattr(administration, "PAGE_BYTES", 400)
    names: list[str] = []
    pages = 0
    reply = await admin.command("SESSIONS")
    while True:
        pages += 1
        names += [each["session"] for each in reply["sessions"]]
        if not reply["more"]:
            break
        reply = await admin.command("SESSIONS", after=names[-1])
    assert names == [f"s{number}" for number in range(1, 11)]
    assert pages > 2
    assert len(others) == reply["count"] - 1


@pytest.mark.parametrize("name", ["7", "s", "sx", "s٣", "s1 "])
async def test_what_can_be_no_sessions_name_is_a_400(admin: Client, name: str) -> None:
    assert code_and_reason(await admin.command("SESSIONS", after=name)) == (400, "invalid_command")


async def test_kick_ends_another_session_with_a_notice_and_says_whose_it_was(house: House, admin: Client) -> None:
    ann = await house.user()
    await ann.command("SUBSCRIBE", symbols=["AAPL"])
    ann.connection.messages()
    reply = await admin.command("KICK", session=ann.session.name)
    assert (reply["code"], reply["session"], reply["username"]) == (200, ann.session.name, USER)
    [notice] = ann.connection.messages()
    assert (notice["type"], notice["code"], notice["reason"]) == ("NOTICE", 401, "not_permitted")
    assert notice["message"] == "An administrator ended this session."
    assert ann.connection.is_ended
    assert admin.is_open()
    again = await admin.command("KICK", session=ann.session.name)
    assert code_and_reason(again) == (400, "invalid_command")


async def test_nobody_kicks_the_own_session(admin: Client) -> None:
    assert code_and_reason(await admin.command("KICK", session=admin.session.name)) == (400, "invalid_command")
    assert admin.is_open()


async def test_announce_tells_everybody_who_is_logged_in(house: House, admin: Client, stranger: Client) -> None:
    ann = await house.user()
    reply = await admin.command("ANNOUNCE", text="Lunch.")
    assert (reply["code"], reply["recipients"]) == (200, 2)
    for told in (ann, admin):
        [notice] = told.connection.of_type("NOTICE")
        assert (notice["code"], notice["reason"], notice["message"]) == (100, "announcement", "Lunch.")
    assert stranger.connection.of_type("NOTICE") == []


async def test_who_is_no_administrator_any_more_is_refused_at_the_next_command(house: House, admin: Client) -> None:
    assert (await admin.command("SESSIONS"))["code"] == 200
    house.accounts.admins.clear()
    for kind in sorted(FOR_ADMINS):
        assert code_and_reason(await admin.command(kind, **EXAMPLES[kind])) == (401, "not_permitted")
    house.accounts.is_broken = True
    assert code_and_reason(await admin.command("SESSIONS")) == (500, "storage_error")
