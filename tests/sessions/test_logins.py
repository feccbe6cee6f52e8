"""A session and the login that opened it: what it may do, how long it counts, and what its user does with tokens."""

import asyncio
import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from fakes import (
    EXAMPLES,
    LIMITS,
    PASSWORD,
    RULES,
    USER,
    Client,
    House,
    Message,
    ScriptedProvider,
    a_house,
    code_and_reason,
)
from stocktrack.clock import settle
from stocktrack.messages import COMMANDS, Who
from stocktrack.scopes import Scope
from stocktrack.sessions.open_sessions import LOGIN_LOOK_SECONDS
from stocktrack.storage.store import UserRow
from stocktrack.system.trail import FAILURES_TOLD

ENDED = (401, "not_authenticated")
OF_USERS = sorted(kind for kind, row in COMMANDS.items() if row.who in {Who.GUESTS, Who.USERS, Who.ADMINS})
FOR_READING = {
    *(
        "GET",
        "SUBSCRIBE",
        "UNSUBSCRIBE",
        "MY_STOCKS",
        "LISTS",
        "MY_ALERTS",
        "NEWS",
        "INFO",
        "DIVIDENDS",
        "HISTORY",
        "SEARCH",
        "SOURCES",
        "PING",
        "LOGOUT",
    ),
}


def change_password(house: House) -> None:
    house.accounts.password_epochs[USER] += 1


def remove(house: House) -> None:
    del house.accounts.passwords[USER]


def give_to_another(house: House) -> None:
    house.accounts.people[USER] += 1
    house.accounts.admins.add(USER)


def disable(house: House) -> None:
    house.accounts.disabled.add(USER)


async def by_token(house: House, scope: Scope = Scope.FULL, days: int = 1) -> Client:
    """A client of yosakorn that a token let in."""
    token = await house.accounts.make_token(USER, days, scope=scope)
    client = house.client()
    assert (await client.command("AUTH", token=token.text))["code"] == 200
    client.connection.messages()
    return client


def token_id(client: Client) -> str:
    token = client.session.login.token
    assert token is not None
    assert token.token_id is not None
    return token.token_id


def last_words(client: Client) -> list[tuple[int, str | None]]:
    return [code_and_reason(notice) for notice in client.connection.of_type("NOTICE")]


# --- the login is looked at with every command ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", OF_USERS)
@pytest.mark.parametrize("act", [change_password, remove, give_to_another, disable])
async def test_no_command_is_taken_from_a_login_that_has_ended_and_the_session_ends(
    house: House, user: Client, kind: str, act: Callable[[House], None]
) -> None:
    act(house)
    reply = await user.command(kind, id=1, **EXAMPLES[kind])
    assert (reply["type"], reply["id"], *code_and_reason(reply)) == (kind, 1, *ENDED)
    assert last_words(user) == [ENDED]
    assert not user.is_open()


@pytest.mark.parametrize("kind", ["PING", "LOGOUT"])
async def test_what_anybody_may_send_reads_no_user(house: House, user: Client, kind: str) -> None:
    house.accounts.reads.clear()
    assert (await user.command(kind))["status"] == "OK"
    assert house.accounts.reads == {}


async def test_a_command_reads_its_user_once(house: House, user: Client) -> None:
    house.accounts.admins.add(USER)
    for kind in ("GET", "SESSIONS"):
        house.accounts.reads.clear()
        assert (await user.command(kind, **EXAMPLES[kind]))["code"] == 200
        assert house.accounts.reads == {USER: 1}


async def test_a_login_that_ends_while_the_source_takes_its_time_saves_nothing(
    house: House, user: Client, provider: ScriptedProvider
) -> None:
    provider.script = "hang"
    asking = asyncio.create_task(user.command("SUBSCRIBE", symbols=["AAPL"]))
    await settle()
    give_to_another(house)
    provider.release()
    assert code_and_reason(await asking) == ENDED
    assert house.accounts.lists == {}


async def test_while_the_database_is_away_prices_go_on_and_everything_else_waits(house: House, user: Client) -> None:
    house.accounts.is_broken = True
    for kind, fields in (("GET", {"symbols": ["AAPL"]}), ("SUBSCRIBE", {"symbols": ["AAPL"], "save": False})):
        assert (await user.command(kind, **fields))["code"] == 200
    for kind in ("NEWS", "TOKEN", "SESSIONS"):
        assert code_and_reason(await user.command(kind, **EXAMPLES[kind])) == (500, "storage_error")


# --- and every few seconds ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", [change_password, remove, give_to_another, disable])
async def test_a_session_that_only_listens_ends_within_seconds_and_others_go_on(
    house: House, user: Client, act: Callable[[House], None]
) -> None:
    other = await house.user("somebody")
    await user.command("SUBSCRIBE", symbols=["AAPL"], interval=0)
    user.connection.messages()
    act(house)
    await house.clock.advance(LOGIN_LOOK_SECONDS)
    assert last_words(user) == [ENDED]
    assert user.connection.is_ended
    assert user.pushed() == set()
    assert other.is_open()


async def test_a_session_ends_with_its_token(house: House, user: Client) -> None:
    holder = await by_token(house)
    house.clock.stand_still(86_400 - 2 * LOGIN_LOOK_SECONDS)
    await house.clock.advance(LOGIN_LOOK_SECONDS)
    assert holder.is_open()
    await house.clock.advance(2 * LOGIN_LOOK_SECONDS)
    assert last_words(holder) == [ENDED]
    assert user.is_open()


async def test_a_look_reads_each_user_once_however_many_sessions_there_are(house: House) -> None:
    for name in (USER, USER, "somebody", USER):
        await house.user(name)
    await by_token(house)
    house.client()
    house.accounts.reads.clear()
    await house.sessions.check_logins()
    assert house.accounts.reads == {USER: 1, "somebody": 1}


async def test_a_look_over_many_sessions_gives_way_again_and_again(house: House) -> None:
    for _ in range(600):
        await house.user()
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    task = asyncio.create_task(others())
    await asyncio.sleep(0)
    turns = 0
    await house.sessions.check_logins()
    task.cancel()
    assert turns >= 4  # twice while they are gathered, and twice while they are held against their user


async def test_a_look_that_began_before_a_session_became_another_one_leaves_it_alone(
    house: House, user: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = await house.accounts.user(USER)
    answer: asyncio.Future[UserRow | None] = asyncio.get_running_loop().create_future()

    async def slow(_: str) -> UserRow | None:
        return await answer

    with monkeypatch.context() as reading:
        reading.setattr(house.accounts, "user", slow)
        looking = asyncio.create_task(house.sessions.check_logins())
        await settle()
    reply = await user.command("PASSWORD", password=PASSWORD, new_password="battery staple")
    assert reply["code"] == 200
    answer.set_result(row)
    await looking
    assert user.is_open()
    assert (await user.command("MY_STOCKS"))["code"] == 200


async def test_a_look_that_fails_is_told_once_ends_nobody_and_is_tried_again(house: House, user: Client) -> None:
    with capture_logs() as logs:
        house.accounts.is_broken = True
        change_password(house)
        await house.clock.advance(5 * LOGIN_LOOK_SECONDS)
        assert user.is_open()
        house.accounts.is_broken = False
        await house.clock.advance(LOGIN_LOOK_SECONDS)
    assert not user.is_open()
    assert [line["log_level"] for line in logs if "logins" in line["event"]] == ["warning"]


async def test_who_logged_in_by_a_row_from_before_the_change_is_ended_by_the_next_look(house: House) -> None:
    before = (await house.user()).session.login
    change_password(house)
    await house.clock.advance(LOGIN_LOOK_SECONDS)
    late = house.client()
    await late.session.log_in(before)
    await house.clock.advance(LOGIN_LOOK_SECONDS)
    assert not late.session.is_open


async def test_a_mistake_of_ours_in_a_look_ends_no_further_looks(
    house: House, user: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: str) -> None:
        raise KeyError("a mistake")

    with monkeypatch.context() as broken, capture_logs() as logs:
        broken.setattr(house.accounts, "user", fail)
        await house.clock.advance(LOGIN_LOOK_SECONDS)
    assert [line["log_level"] for line in logs if line.get("task") == "session logins"] == ["error"]
    change_password(house)
    await house.clock.advance(2 * LOGIN_LOOK_SECONDS)
    assert not user.is_open()


# --- what a token is for --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(set(COMMANDS) - {"AUTH"}))
async def test_a_token_for_reading_may_read_and_nothing_else(
    house: House, provider: ScriptedProvider, kind: str
) -> None:
    house.accounts.admins.add(USER)
    reader = await by_token(house, Scope.READ)
    fields: dict[str, Any] = {**EXAMPLES[kind], **({"save": False} if kind.endswith("SUBSCRIBE") else {})}
    reply = await reader.command(kind, **fields)
    if kind in FOR_READING:
        assert reply["status"] == "OK"
    else:
        assert code_and_reason(reply) == (401, "not_permitted")
        assert "for reading" in reply["message"]


async def test_a_token_for_reading_changes_no_list_and_begins_the_saved_one(house: House) -> None:
    house.accounts.lists[USER] = ["TSLA"]
    reader = await by_token(house, Scope.READ)
    for kind, fields in (
        ("SUBSCRIBE", {"symbols": ["AAPL"]}),
        ("SUBSCRIBE", {"symbols": ["AAPL"], "list": "tech"}),
        ("UNSUBSCRIBE", {"symbols": ["TSLA"]}),
        ("UNSUBSCRIBE", {"list": "main"}),
        ("UNSUBSCRIBE", {}),
    ):
        reply = await reader.command(kind, **fields)
        assert code_and_reason(reply) == (401, "not_permitted")
        assert '"save":false' in reply["message"]
    assert (await reader.command("SUBSCRIBE"))["subscribed"] == ["TSLA"]
    assert (await reader.command("UNSUBSCRIBE", symbols=["TSLA"], save=False))["removed"] == ["TSLA"]
    assert house.accounts.lists == {USER: ["TSLA"]}


async def test_a_full_token_may_what_its_user_may_but_make_tokens(house: House) -> None:
    holder = await by_token(house)
    assert (await holder.command("SUBSCRIBE", symbols=["AAPL"]))["code"] == 200
    for scope in ("read", "full"):
        assert code_and_reason(await holder.command("TOKEN", scope=scope)) == (401, "not_permitted")


# --- tokens of one's own --------------------------------------------------------------------------------------------


async def test_tokens_are_listed_and_revoking_one_ends_what_it_opened_at_once(house: House, user: Client) -> None:
    made = await user.command("TOKEN", name="board", scope="read", days=2)
    assert (made["name"], made["scope"]) == ("board", "read")
    [listed] = (await user.command("TOKENS"))["tokens"]
    assert listed == {
        "token_id": made["token_id"],
        "name": "board",
        "scope": "read",
        "created_at": house.clock.now_ms(),
        "expires_at": made["expires_at"],
    }
    board = house.client()
    await board.command("AUTH", token=made["token"])
    laptop = await by_token(house)
    board.connection.messages()
    reply = await user.command("REVOKE", token_id=made["token_id"])
    assert (reply["code"], reply["revoked"]) == (200, [made["token_id"]])
    assert last_words(board) == [ENDED]
    assert laptop.is_open()
    assert user.is_open()
    again = await user.command("REVOKE", token_id=made["token_id"])
    assert code_and_reason(again) == (400, "invalid_command")


async def test_revoking_all_tokens_ends_what_they_opened_and_no_login_by_password(house: House, user: Client) -> None:
    elsewhere = await house.user()
    holders = [await by_token(house), await by_token(house, Scope.READ)]
    reply = await user.command("REVOKE")
    assert len(reply["revoked"]) == 2
    assert [last_words(holder) for holder in holders] == [[ENDED], [ENDED]]
    assert elsewhere.is_open()
    assert (await user.command("MY_STOCKS"))["code"] == 200


async def test_a_session_that_revokes_its_own_token_gets_its_reply_and_then_ends(house: House) -> None:
    holder = await by_token(house)
    reply = await holder.command("REVOKE", token_id=token_id(holder))
    assert reply["code"] == 200
    assert code_and_reason(await holder.command("MY_STOCKS")) == ENDED
    assert not holder.is_open()


async def test_nobody_revokes_the_tokens_of_others(house: House, user: Client) -> None:
    made = await (await house.user("somebody")).command("TOKEN")
    assert code_and_reason(await user.command("REVOKE", token_id=made["token_id"])) == (400, "invalid_command")
    assert (await user.command("REVOKE"))["revoked"] == []
    assert (await house.client().command("AUTH", token=made["token"]))["code"] == 200


# --- one's own password ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_by_token", [False, True])
async def test_a_new_password_ends_all_other_sessions_and_tokens_at_once_and_this_session_goes_on(
    house: House, is_by_token: bool
) -> None:
    mine = await by_token(house) if is_by_token else await house.user()
    others = [await house.user(), await by_token(house)]
    reply = await mine.command("PASSWORD", password=PASSWORD, new_password="battery staple")
    assert reply["code"] == 200
    assert [last_words(other) for other in others] == [[ENDED], [ENDED]]
    await house.clock.advance(2 * LOGIN_LOOK_SECONDS)
    assert (await mine.command("TOKENS"))["tokens"] == []
    assert code_and_reason(await house.client().command("AUTH", **EXAMPLES["AUTH"])) == (401, "bad_credentials")
    again = await house.client().command("AUTH", username=USER, password="battery staple")
    assert again["code"] == 200


async def test_a_wrong_old_password_changes_nothing(house: House, user: Client) -> None:
    elsewhere = await house.user()
    for password, expected in (("wrong", (401, "bad_credentials")), ("throttled", (429, "login_throttled"))):
        reply = await user.command("PASSWORD", password=password, new_password="battery staple")
        assert code_and_reason(reply) == expected
    assert user.is_open()
    assert elsewhere.is_open()
    assert (await house.client().command("AUTH", **EXAMPLES["AUTH"]))["code"] == 200


async def test_no_password_stands_in_a_log_or_a_repr(user: Client) -> None:
    with capture_logs() as logs:
        reply = await user.command("PASSWORD", password=PASSWORD, new_password="SeCrEt")
        await user.command("PASSWORD", password="SeCrEt", new_password=7)
    assert reply["code"] == 200
    assert "SeCrEt" not in repr(logs) + repr(COMMANDS["PASSWORD"].command(password="SeCrEt", new_password="SeCrEt"))  # type: ignore[call-arg]


# --- KICK of a user -------------------------------------------------------------------------------------------------


@pytest.fixture
async def admin(house: House) -> Client:
    house.accounts.admins.add("somebody")
    return await house.user("somebody")


async def test_kick_ends_all_sessions_of_a_user(house: House, admin: Client, user: Client) -> None:
    others = [user, await by_token(house)]
    stranger = house.client()
    reply = await admin.command("KICK", username=USER)
    assert (reply["code"], reply["username"], reply["count"]) == (200, USER, 2)
    assert [last_words(other) for other in others] == [[(401, "not_permitted")], [(401, "not_permitted")]]
    assert stranger.is_open()
    assert code_and_reason(await admin.command("KICK", username=USER)) == (400, "invalid_command")


async def test_an_administrator_ends_the_own_other_sessions_and_keeps_this_one(house: House, admin: Client) -> None:
    elsewhere = await house.user("somebody")
    assert (await admin.command("KICK", username="somebody"))["count"] == 1
    assert not elsewhere.is_open()
    assert admin.is_open()
    assert code_and_reason(await admin.command("KICK", username="somebody")) == (400, "invalid_command")


@pytest.mark.parametrize(
    "fields", [{}, {"session": "s1", "username": USER}, {"session": None}, {"username": None}, {"username": ""}]
)
async def test_kick_names_either_a_session_or_a_user(admin: Client, fields: Message) -> None:
    assert code_and_reason(await admin.command("KICK", **fields)) == (400, "invalid_command")
    assert admin.is_open()


async def test_ended_sessions_make_room_for_the_users_next_ones() -> None:
    async with a_house(limits=dataclasses.replace(LIMITS, max_sessions_per_user=1)) as house:
        first = await house.user()
        change_password(house)
        await house.clock.advance(LOGIN_LOOK_SECONDS)
        house.sessions.close_session(first.session)
        await house.user()


# --- what the trail tells of it -------------------------------------------------------------------------------------


@contextmanager
def told(house: House, *without: str) -> Iterator[list[dict[str, Any]]]:
    """What the trail tells meanwhile, the counts of its minutes included; fields that all have are left out."""
    lines: list[dict[str, Any]] = []
    with capture_logs() as logs:
        yield lines
        house.sessions.trail.close()
    lines += [{name: value for name, value in line.items() if name not in without} for line in logs if "door" in line]


async def test_the_trail_tells_of_tokens_by_their_ids_and_never_the_names_that_their_users_gave(
    house: House, user: Client
) -> None:
    with told(house, "address", "door", "log_level", "session") as lines:
        made = await user.command("TOKEN", name="x address=203.0.113.9", days=2, scope="read")
        await user.command("REVOKE", token_id=made["token_id"])
        await user.command("REVOKE", token_id=made["token_id"])  # there is none any more
        await user.command("REVOKE")
    mine = {"user": USER, "by": USER}
    assert lines == [
        {"event": "token_made", **mine, "token_id": made["token_id"], "days": 2, "scope": "read"},
        {"event": "tokens_revoked", **mine, "token_id": made["token_id"]},
        {"event": "tokens_revoked", **mine, "token_id": "all"},
    ]


async def test_the_trail_tells_by_what_somebody_logged_in() -> None:
    rules = dataclasses.replace(RULES, auth=("password", "token", "allowlist"))
    async with a_house(rules=rules) as house:
        house.accounts.passwords["pupil"] = None
        token = (await house.accounts.make_token(USER, 1)).text
        with told(house, "address", "door", "log_level", "session") as lines:
            for fields in (
                {"username": USER, "password": PASSWORD},
                {"token": token},
                {"username": "pupil", "password": "what a client remembered"},
            ):
                await house.client().command("AUTH", **fields)
    told_of = [(line["event"], line["user"], line["by"]) for line in lines]
    assert told_of == [("login", USER, "password"), ("login", USER, "token"), ("login", "pupil", "allowlist")]


async def test_the_trail_tells_of_a_new_password_and_of_wrong_old_ones(house: House, user: Client) -> None:
    with told(house, "door", "session") as lines:
        for password in ("wrong", "throttled", PASSWORD):
            await user.command("PASSWORD", password=password, new_password="battery staple")
    here = {"address": user.session.address}
    assert lines == [
        {"event": "login_failed", "log_level": "warning", **here, "why": "wrong"},
        {"event": "login_failed", "log_level": "warning", **here, "why": "throttled"},
        {"event": "password_changed", "log_level": "info", **here, "user": USER, "by": USER},
    ]


@pytest.mark.parametrize(
    ("act", "why"),
    [(change_password, "password_changed"), (remove, "removed"), (give_to_another, "removed"), (disable, "disabled")],
)
@pytest.mark.parametrize("is_quiet", [True, False])
async def test_the_trail_tells_once_why_a_session_ended_with_its_login(
    house: House, user: Client, act: Callable[[House], None], why: str, is_quiet: bool
) -> None:
    with told(house, "address", "door") as lines:
        act(house)
        if not is_quiet:
            await user.command("MY_STOCKS")
        await house.clock.advance(2 * LOGIN_LOOK_SECONDS)
    expected = {"event": "session_ended", "log_level": "info", "why": why, "user": USER, "session": user.session.name}
    assert lines == [expected]


async def test_the_trail_tells_of_a_tokens_end_and_counts_what_is_too_much_for_the_log(house: House) -> None:
    holder = await by_token(house)
    others = [await house.user() for _ in range(FAILURES_TOLD + 20)]
    with told(house, "address", "door", "log_level", "session") as lines:
        await others[0].command("REVOKE", token_id=token_id(holder))
        disable(house)
        await house.sessions.check_logins()
    revoked, ended, *disabled = lines
    assert revoked["event"] == "tokens_revoked"
    assert ended == {"event": "session_ended", "why": "token_revoked", "user": USER}
    each = {"event": "session_ended", "why": "disabled"}
    assert disabled == [*[{**each, "user": USER}] * FAILURES_TOLD, {**each, "count": 20}]


async def test_the_trail_tells_of_all_sessions_of_a_user_that_an_administrator_ends_in_one_line(
    house: House, admin: Client, user: Client
) -> None:
    await by_token(house)
    with told(house, "address", "door", "log_level") as lines:
        await admin.command("KICK", username=USER)
        await admin.command("KICK", username=USER)  # there are none any more
    assert user.session.username == USER
    assert lines == [{"event": "session_kicked", "user": USER, "by": "somebody", "count": 2}]


async def test_the_trail_tells_of_questions_that_were_over_the_users_budget() -> None:
    rules = dataclasses.replace(RULES, user_upstream_requests_per_minute=1.0, user_upstream_burst=1)
    async with a_house(rules=rules) as house:
        user = await house.user()
        with told(house, "address", "door", "log_level") as lines:
            replies = [await user.command("GET", symbols=symbols) for symbols in (["AAPL"], ["AAPL", "TSLA"], ["AAPL"])]
            replies.append(await user.command("INFO", symbol="AAPL"))
    assert [reply["code"] for reply in replies] == [200, 200, 200, 429]
    refused = {"event": "refused", "why": "rate_limited", "limit": "upstream"}
    assert lines == [{**refused, "user": USER}, {**refused, "count": 1}]
