"""One client's session: who may send what, the order of answers, bad lines, and its end."""

import asyncio
import dataclasses
import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from fakes import (
    EXAMPLES,
    NOW_MS,
    POLL_SECONDS,
    RULES,
    USER,
    Client,
    House,
    ScriptedProvider,
    a_house,
    a_quote,
    code_and_reason,
    read_lines,
    soon,
)
from stocktrack.clock import settle
from stocktrack.errors import CommandError, Reason, SessionEnd
from stocktrack.messages import COMMAND_TYPES
from stocktrack.sessions.contracts import SessionRules
from stocktrack.sessions.life import PERMISSIONS, SessionState
from stocktrack.sessions.session import MAX_BAD_LINES

FOR_ADMINS = {"SESSIONS", "USERS", "KICK", "ANNOUNCE", "MUTE"}


# --- the table ---


def test_there_is_an_example_of_every_command_and_a_row_for_every_state() -> None:
    assert set(EXAMPLES) == set(COMMAND_TYPES)
    assert set(PERMISSIONS) == set(SessionState)


# What names something that a user who has just come does not have.
NOT_THERE_YET = {
    "REMOVE_LOT": (404, "unknown_lot"),
    "UNALERT": (404, "unknown_alert"),
    "RENAME_LIST": (404, "unknown_list"),
    "REMOVE_LIST": (404, "unknown_list"),
    "TEST_ALERT": (400, "invalid_command"),
}


@pytest.mark.parametrize("kind", COMMAND_TYPES)
async def test_before_auth_only_auth_ping_and_logout_are_taken(stranger: Client, kind: str) -> None:
    reply = await stranger.command(kind, id=1, **EXAMPLES[kind])
    assert (reply["type"], reply["id"]) == (kind, 1)
    if kind in {"AUTH", "PING", "LOGOUT"}:
        assert reply["status"] == "OK"
    else:
        assert code_and_reason(reply) == (401, "not_authenticated")
        assert stranger.is_open()


@pytest.mark.parametrize("kind", COMMAND_TYPES)
async def test_after_auth_everything_but_a_second_auth_is_taken(
    user: Client, provider: ScriptedProvider, kind: str
) -> None:
    reply = await user.command(kind, id="x", **EXAMPLES[kind])
    assert (reply["type"], reply["id"]) == (kind, "x")
    if kind in FOR_ADMINS:
        assert code_and_reason(reply) == (401, "not_permitted")
        assert reply["message"] == f"{kind} is for administrators."
    elif kind == "AUTH":
        assert code_and_reason(reply) == (400, "already_authenticated")
        assert USER in reply["message"]
        assert user.is_open()
    elif kind in NOT_THERE_YET:
        assert code_and_reason(reply) == NOT_THERE_YET[kind]
    else:
        assert reply["status"] == "OK"


@pytest.mark.parametrize("kind", COMMAND_TYPES)
async def test_after_the_end_nothing_is_taken(user: Client, kind: str) -> None:
    await user.command("LOGOUT")
    reply = await user.command(kind, **EXAMPLES[kind])
    assert code_and_reason(reply) == (401, "not_authenticated")
    assert not user.is_open()


# --- greeting, ids, order ---


async def test_hello_says_who_the_server_is_and_what_its_limits_are(stranger: Client) -> None:
    [hello] = read_lines(stranger.session.hello())
    assert hello == {
        "type": "HELLO",
        "code": 100,
        "status": "CONTINUE",
        "protocol": 1,
        "server": "stocktrack/0.0.0",
        "instance": "cafe",
        "auth": ["password", "token"],
        "limits": {"max_line_bytes": 32_768, "max_reply_bytes": 262_144, "max_symbols": 10, "min_interval": 0.1},
        "heartbeat_seconds": 30.0,
        "features": ["chat"],
    }


@pytest.mark.parametrize("id_", [0, -7, 2**53 - 1, "", "a b", "ü"])
async def test_the_id_of_a_command_is_echoed_as_it_was(user: Client, id_: int | str) -> None:
    assert (await user.command("PING", id=id_))["id"] == id_
    assert (await user.command("GET", id=id_, symbols=["NOPE"]))["id"] == id_


async def test_a_command_without_an_id_is_answered_without_one(user: Client) -> None:
    assert "id" not in await user.command("PING")


async def test_pipelined_commands_are_answered_in_their_order_with_pushes_in_between(
    user: Client, house: House
) -> None:
    await user.command("SUBSCRIBE", symbols=["MSFT"], interval=1)
    user.connection.messages()
    house.provider.script = "slow"

    async def pipeline() -> None:
        await user.command("GET", id=1, symbols=["AAPL"])
        await user.command("PING", id=2)
        await user.command("GET", id=3, symbols=["NOPE"])

    pipelined = await soon(pipeline())
    await house.clock.advance(10)
    await pipelined
    sent = user.connection.messages()
    assert [message["id"] for message in sent if "id" in message] == [1, 2, 3]
    assert [message["type"] for message in sent[:3]] == ["PRICE", "PRICE", "GET"]


async def test_ping_tells_the_time(user: Client) -> None:
    assert (await user.command("PING"))["timestamp"] == NOW_MS


# --- limits ---


@pytest.mark.parametrize("kind", ["GET", "SUBSCRIBE"])
async def test_too_many_symbols_in_one_command_are_a_400(user: Client, kind: str) -> None:
    assert (await user.command(kind, symbols=[f"S{number}" for number in range(10)]))["code"] == 200
    reply = await user.command(kind, symbols=[f"S{number}" for number in range(11)])
    assert code_and_reason(reply) == (400, "symbol_limit")
    assert "10" in reply["message"]


async def test_too_many_symbols_of_one_session_are_a_400_and_change_nothing(user: Client, house: House) -> None:
    await user.command("SUBSCRIBE", symbols=[f"S{number}" for number in range(8)], save=False)
    reply = await user.command("SUBSCRIBE", symbols=["AAPL", "MSFT", "TSLA"])
    assert code_and_reason(reply) == (400, "symbol_limit")
    assert (len(user.pushed()), house.accounts.lists) == (8, {})
    assert (await user.command("SUBSCRIBE", symbols=["S0", "S1", "AAPL", "MSFT"]))["code"] == 200


async def test_too_many_saved_symbols_are_a_400_and_change_nothing(user: Client, house: House) -> None:
    house.accounts.lists[USER] = [f"S{number}" for number in range(9)]
    reply = await user.command("SUBSCRIBE", symbols=["AAPL", "MSFT"])
    assert code_and_reason(reply) == (400, "symbol_limit")
    assert (user.pushed(), len(house.accounts.lists[USER])) == (set(), 9)


async def test_a_reply_that_is_too_long_by_a_mistake_of_ours_is_a_500_and_logged(
    user: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SessionRules, "max_reply_bytes", 50)
    with capture_logs() as logs:
        reply = await user.command("INFO", id=2, symbol="AAPL")
    assert (code_and_reason(reply), reply["id"]) == ((500, "internal_error"), 2)
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["a reply is too long"]


async def test_more_commands_than_the_bucket_holds_wait_for_their_time() -> None:
    rules = dataclasses.replace(RULES, commands_per_second=2.0, command_burst=5)
    async with a_house(rules=rules) as house:
        session = house.client().session
        assert [session.seconds_until_turn(10) for _ in range(7)] == [0, 0, 0, 0, 0, 0.5, 1.0]
        await house.clock.advance(1.0)
        assert session.seconds_until_turn(10) == 0.5
        await house.clock.advance(20)
        assert [session.seconds_until_turn(10) for _ in range(6)] == [0, 0, 0, 0, 0, 0.5]


async def test_bytes_have_a_bucket_of_their_own_of_four_lines() -> None:
    rules = dataclasses.replace(RULES, bytes_per_second=32_768)
    async with a_house(rules=rules) as house:
        session = (await house.user()).session
        assert [session.seconds_until_turn(32_768) for _ in range(6)] == [0, 0, 0, 0, 1.0, 2.0]
        await house.clock.advance(60)
        assert [session.seconds_until_turn(32_768) for _ in range(5)] == [0, 0, 0, 0, 1.0]


async def test_a_stranger_has_shorter_lines_and_few_bytes_a_second() -> None:
    rules = dataclasses.replace(RULES, bytes_per_second=32_768)
    async with a_house(rules=rules) as house:
        client = house.client()
        assert client.session.max_line_bytes == 4_096
        assert [client.session.seconds_until_turn(4_096) for _ in range(6)] == [0, 0, 0, 0, 8.0, 16.0]
        await client.log_in()
        assert client.session.max_line_bytes == 32_768
        guest = house.client()
        guest.session.welcome_guest()
        assert guest.session.max_line_bytes == 32_768


async def test_a_door_that_cannot_slow_down_its_client_has_its_commands_refused() -> None:
    rules = dataclasses.replace(RULES, commands_per_second=2.0, command_burst=3)
    async with a_house(rules=rules) as house:
        session = house.client().session
        for _ in range(3):
            session.take_turn()
        with capture_logs() as logs:
            with pytest.raises(CommandError) as refused:
                session.take_turn()
            house.sessions.trail.close()
        assert [(entry["why"], entry["limit"]) for entry in logs] == [("rate_limited", "commands")]
        assert (refused.value.reason, refused.value.retry_after_ms) == (Reason.RATE_LIMITED, 500)
        await house.clock.advance(0.5)
        session.take_turn()
        assert session.is_open


# --- bad lines ---


@pytest.mark.parametrize(
    ("line", "kind", "reason", "id_"),
    [
        (b"hello", "ERROR", "malformed_json", None),
        (b"\xff\xfe", "ERROR", "malformed_json", None),
        (b"[1]", "ERROR", "invalid_command", None),
        (b'{"id":7}', "ERROR", "invalid_command", 7),
        (b'{"type":"FETCH","id":"x"}', "ERROR", "unknown_command", "x"),
        (b'{"type":"PING","id":7,"colour":1}', "PING", "invalid_command", 7),
        (b'{"type":"GET","id":7,"symbols":["A B"]}', "GET", "invalid_command", 7),
        (b'{"type":"GET","id":7,"symbols":[""]}', "GET", "invalid_command", 7),
        (b'{"type":"GET","id":7,"symbol":"A","symbols":["B"]}', "GET", "invalid_command", 7),
        (b'{"type":"PING","type":"PING"}', "ERROR", "malformed_json", None),
    ],
)
async def test_a_bad_line_is_a_400_also_before_auth_and_the_session_lives(
    stranger: Client, line: bytes, kind: str, reason: str, id_: object
) -> None:
    reply = await stranger.line(line)
    assert (reply["type"], reply["code"], reply["reason"], reply.get("id")) == (kind, 400, reason, id_)
    assert stranger.is_open()


async def test_twenty_bad_lines_in_a_row_end_the_session_with_a_notice(user: Client, house: House) -> None:
    await user.command("SUBSCRIBE", symbols=["AAPL"])
    user.connection.messages()
    for _ in range(MAX_BAD_LINES - 1):
        await user.line(b"nonsense")
    assert user.is_open()
    answer = read_lines(await user.session.receive(b"nonsense"))
    assert [(message["type"], message["code"], message["reason"]) for message in answer] == [
        ("ERROR", 400, "malformed_json"),
        ("NOTICE", 400, "too_many_errors"),
    ]
    assert not user.is_open()
    assert house.board.watched() == []


async def test_a_good_line_in_between_starts_the_count_anew(stranger: Client) -> None:
    for _ in range(3):
        for _ in range(MAX_BAD_LINES - 1):
            await stranger.line(b"nonsense")
        # It is refused, but it is a command.
        assert (await stranger.command("GET", symbols=["AAPL"]))["code"] == 401
    assert stranger.is_open()


async def test_a_line_that_is_too_long_is_a_400_and_ends_the_session(user: Client, house: House) -> None:
    await user.command("SUBSCRIBE", symbols=["AAPL"])
    [reply] = read_lines(user.session.line_too_long())
    assert (reply["type"], reply["code"], reply["reason"]) == ("ERROR", 400, "line_too_long")
    assert not user.is_open()
    assert house.board.watched() == []


async def test_a_line_that_was_cut_off_is_answered_and_not_run(user: Client) -> None:
    [reply] = read_lines(user.session.line_cut_off())
    assert (reply["type"], reply["code"], reply["reason"]) == ("ERROR", 400, "malformed_json")


# --- trouble inside ---


async def test_a_storage_error_changes_nothing_and_prices_go_on(user: Client, house: House) -> None:
    await user.command("SUBSCRIBE", symbols=["AAPL"], interval=0)
    house.accounts.is_broken = True
    for kind, fields in (("SUBSCRIBE", {"symbols": ["MSFT"]}), ("UNSUBSCRIBE", {"symbols": ["AAPL"]})):
        reply = await user.command(kind, **fields)
        assert code_and_reason(reply) == (500, "storage_error")
        assert reply["retryable"] is True
    assert code_and_reason(await user.command("MY_STOCKS")) == (500, "storage_error")
    assert (user.pushed(), house.accounts.lists[USER]) == ({"AAPL"}, ["AAPL"])
    user.connection.messages()
    house.board.put([a_quote("AAPL", 101.0)], 1.0)
    await settle()
    assert [price["price"] for price in user.connection.of_type("PRICE")] == [101.0]
    reply = await user.command("SUBSCRIBE", symbols=["MSFT"], save=False)
    assert (reply["code"], reply["symbols"]) == (200, ["AAPL", "MSFT"])


async def test_a_mistake_of_ours_shows_no_detail_outside_and_a_trace_in_the_log(user: Client, house: House) -> None:
    house.accounts.lists = None  # type: ignore[assignment] # a mistake
    with capture_logs() as logs:
        reply = await user.command("MY_STOCKS", id=5)
    assert (code_and_reason(reply), reply["id"]) == ((500, "internal_error"), 5)
    assert reply["retryable"] is False
    assert "NoneType" not in json.dumps(reply)
    assert [(entry["session"], entry["command"], entry["exc_info"]) for entry in logs] == [
        (user.session.name, "MY_STOCKS", True)
    ]
    assert (await user.command("PING"))["code"] == 200


async def test_an_outage_and_its_end_are_told_once_each_to_those_who_watch(user: Client, house: House) -> None:
    other = await house.user()
    await user.command("SUBSCRIBE", symbols=["MSFT", "AAPL"])
    user.connection.messages()
    house.provider.script = "blocked"
    await house.clock.advance(POLL_SECONDS * 6)
    [notice] = user.connection.of_type("NOTICE")
    assert (notice["code"], notice["status"], notice["reason"]) == (500, "SERVER_ERROR", "provider_blocked")
    assert (notice["symbols"], notice["retry_after_ms"]) == (["MSFT", "AAPL"], 30_000)
    house.provider.script = "good"
    await house.clock.advance(60)
    [notice] = user.connection.of_type("NOTICE")
    assert (notice["code"], notice["status"], notice["reason"]) == (100, "CONTINUE", "provider_restored")
    assert notice["symbols"] == ["MSFT", "AAPL"]
    assert other.connection.of_type("NOTICE") == []


# --- the end from outside ---


SHUTDOWN = SessionEnd(Reason.SHUTDOWN, "The server is stopping.", retry_after_ms=5_000)


async def test_end_sends_a_notice_and_then_nothing_more(user: Client, house: House) -> None:
    await user.command("SUBSCRIBE", symbols=["AAPL"], interval=0)
    user.connection.messages()
    user.session.end(SHUTDOWN)
    user.session.end(SHUTDOWN)
    house.board.put([a_quote("AAPL", 101.0)], 1.0)
    await house.clock.advance(120)
    [notice] = user.connection.messages()
    assert (notice["type"], notice["code"], notice["status"]) == ("NOTICE", 501, "SERVER_SHUTDOWN")
    assert (notice["reason"], notice["retry_after_ms"]) == ("shutdown", 5_000)
    assert user.connection.is_ended
    assert not user.is_open()
    assert house.board.watched() == []


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("GET", {"symbols": ["AAPL"]}),
        ("SUBSCRIBE", {"symbols": ["AAPL"]}),
        ("INFO", {"symbol": "AAPL"}),
        ("MY_STOCKS", {}),
        ("UNSUBSCRIBE", {}),
    ],
)
async def test_a_command_that_is_open_at_the_end_gets_only_the_notice(
    user: Client, house: House, kind: str, fields: dict[str, Any]
) -> None:
    house.provider.script = "slow"
    house.accounts.may_go_on.clear()
    command = await soon(user.command(kind, **fields))
    assert not command.done()
    user.session.end(SHUTDOWN)
    house.accounts.may_go_on.set()
    await house.clock.advance(5)
    assert await command == {}
    assert [message["type"] for message in user.connection.messages()] == ["NOTICE"]
    assert user.pushed() == set()
    await house.clock.advance(POLL_SECONDS * 10)
    assert house.board.watched() == []


async def test_a_login_that_is_open_at_the_end_logs_nobody_in(stranger: Client, house: House) -> None:
    house.accounts.may_go_on.clear()
    login = await soon(stranger.command("AUTH", **EXAMPLES["AUTH"]))
    stranger.session.end(SHUTDOWN)
    house.accounts.may_go_on.set()
    assert await login == {}
    assert stranger.session.username is None


@pytest.mark.parametrize("kind", ["GET", "SUBSCRIBE", "INFO"])
async def test_a_client_that_vanishes_in_the_middle_of_a_command_leaves_nothing_behind(
    user: Client, house: House, kind: str
) -> None:
    house.provider.script = "slow"
    command = await soon(user.command(kind, **EXAMPLES[kind]))
    command.cancel()
    await settle()
    house.sessions.close_session(user.session)
    await house.clock.advance(60)
    assert command.cancelled()
    assert (house.board.watched(), len(house.sessions)) == ([], 0)
    assert [task.get_name() for task in asyncio.all_tasks() if task.get_name().endswith("push")] == []


async def test_a_subscription_that_is_answered_after_the_connection_closed_is_none(user: Client, house: House) -> None:
    house.accounts.may_go_on.clear()
    command = await soon(user.command("SUBSCRIBE", symbols=["AAPL"]))
    house.sessions.close_session(user.session)
    house.accounts.may_go_on.set()
    await command
    assert user.pushed() == set()
    assert house.board.watched() == []


async def test_a_heartbeat_tells_the_time(user: Client) -> None:
    user.session.heartbeat()
    assert user.connection.messages() == [{"type": "HEARTBEAT", "code": 100, "status": "CONTINUE", "timestamp": NOW_MS}]
