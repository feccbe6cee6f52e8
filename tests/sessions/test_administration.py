"""What an administrator does with the open sessions."""

import pytest

from fakes import (
    EXAMPLES,
    NOW_MS,
    PASSWORD,
    POLL_SECONDS,
    USER,
    Client,
    House,
    code_and_reason,
)
from stocktrack.scopes import Scope
from stocktrack.sessions import admin_answers, administration

FOR_ADMINS = {"SESSIONS", "USERS", "KICK", "ANNOUNCE", "MUTE"}


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
    common = {"door": "memory", "symbols": [], "behind": 0, "symbol_count": 0, "idle_seconds": 0}
    assert (reply["count"], reply["more"], reply["own"]) == (3, False, "s1")
    assert reply["sessions"] == [
        common | {"session": "s1", "username": "somebody", "address": "192.0.2.1", "since": NOW_MS},
        common
        | {"session": "s2", "username": USER, "address": "192.0.2.1", "since": NOW_MS + 2_000, "behind": 70}
        | {"symbols": ["AAPL", "MSFT"], "symbol_count": 2},
        common | {"session": "s3", "address": "192.0.2.9", "since": NOW_MS + 2_000},
    ]


async def test_sessions_in_brief_say_how_many_symbols_and_how_long_nothing_was_asked(
    house: House, admin: Client
) -> None:
    ann = await house.user()
    await ann.command("SUBSCRIBE", symbols=["AAPL", "MSFT"])
    await house.clock.advance(7)
    reply = await admin.command("SESSIONS", brief=True)
    told = [(each["symbols"], each["symbol_count"], each["idle_seconds"]) for each in reply["sessions"]]
    # Who asks has asked just now; prices that are pushed are no command.
    assert told == [([], 0, 0), ([], 2, 7)]


async def test_a_page_of_sessions_is_measured_in_bytes_and_fits_on_a_line_whatever_the_names(
    house: House, admin: Client
) -> None:
    name = chr(0x1F40E) * 64
    house.accounts.passwords[name] = PASSWORD
    for _ in range(900):
        await house.user(name)
    listed: list[str] = []
    reply = await admin.command("SESSIONS", brief=True)
    while True:
        assert reply["code"] == 200, reply
        listed += [each["session"] for each in reply["sessions"]]
        if not reply["more"]:
            break
        reply = await admin.command("SESSIONS", brief=True, after=listed[-1])
    assert len(listed) == len(set(listed)) == 901


async def test_users_lists_the_accounts_and_how_many_sessions_each_has(house: House, admin: Client) -> None:
    for _ in range(2):
        await house.user()
    house.accounts.muted_until_ms = {"somebody": house.clock.now_ms(), USER: house.clock.now_ms() + 1}
    reply = await admin.command("USERS")
    common = {"created_at": NOW_MS, "is_disabled": False, "saved_count": 0, "tokens": 0}
    assert (reply["count"], reply["more"]) == (2, False)
    assert reply["users"] == [
        common | {"username": "somebody", "is_admin": True, "sessions": 1},
        # A mute that is over is none.
        common | {"username": USER, "is_admin": False, "sessions": 2, "muted_until": house.clock.now_ms() + 1},
    ]


async def test_users_that_do_not_fit_on_a_line_follow_page_by_page(
    house: House, admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.accounts.passwords |= {f"u{number}": None for number in range(7)}
    monkeypatch.setattr(admin_answers, "USERS_A_PAGE", 4)
    names: list[str] = []
    reply = await admin.command("USERS")
    while True:
        names += [each["username"] for each in reply["users"]]
        assert reply["count"] == 9
        if not reply["more"]:
            break
        assert len(reply["users"]) == 4
        reply = await admin.command("USERS", after=names[-1])
    assert names == sorted(house.accounts.passwords)


async def test_the_longest_names_that_there_can_be_fit_on_a_line(house: House, admin: Client) -> None:
    # Four bytes each, and quotes, which JSON writes as two.
    names = {chr(0x1F400) * 60 + f"{number:04}" for number in range(300)} | {
        '"' * 60 + f"{number:04}" for number in range(300)
    }
    house.accounts.passwords |= dict.fromkeys(names)
    reply = await admin.command("USERS")
    assert (reply["code"], reply["more"], len(reply["users"])) == (200, True, admin_answers.USERS_A_PAGE)
    rest = await admin.command("USERS", after=reply["users"][-1]["username"])
    assert {each["username"] for each in (*reply["users"], *rest["users"])} == {*names, USER, "somebody"}


async def test_the_login_says_who_is_an_administrator(house: House) -> None:
    house.accounts.admins.add("somebody")
    told = [
        await house.client().command("AUTH", username=name, password=house.accounts.passwords[name])
        for name in ("somebody", USER)
    ]
    assert [each.get("is_admin") for each in told] == [True, None]


async def test_which_symbols_a_source_leads_is_for_administrators(house: House, admin: Client) -> None:
    ann = await house.user()
    await ann.command("SUBSCRIBE", symbols=["MSFT", "AAPL"])
    await house.clock.advance(POLL_SECONDS)
    [source] = (await admin.command("SOURCES", detail=True))["sources"]
    assert (source["leads"], source["streamed"], sorted(source["polled"])) == (2, [], ["AAPL", "MSFT"])
    for asked in ({}, {"detail": False}):
        [source] = (await admin.command("SOURCES", **asked))["sources"]
        assert not {"streamed", "polled"} & set(source)
    assert code_and_reason(await ann.command("SOURCES", detail=True)) == (401, "not_permitted")
    assert (await ann.command("SOURCES"))["code"] == 200


async def test_a_token_for_reading_does_nothing_of_an_administrators(house: House) -> None:
    house.accounts.admins.add("somebody")
    token = await house.accounts.make_token("somebody", 1, scope=Scope.READ)
    reader = house.client()
    told = await reader.command("AUTH", token=token.text)
    # The role is the user's, and the scope the session's.
    assert (told["is_admin"], told["scope"]) == (True, "read")
    for kind in sorted(FOR_ADMINS):
        assert code_and_reason(await reader.command(kind, **EXAMPLES[kind])) == (401, "not_permitted")
    assert code_and_reason(await reader.command("SOURCES", detail=True)) == (401, "not_permitted")


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
