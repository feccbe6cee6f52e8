import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest
from structlog.testing import capture_logs

from fakes import (
    NOW_MS,
    PASSWORD,
    POLL_SECONDS,
    RULES,
    USER,
    Client,
    House,
    ScriptedProvider,
    ScriptedQuotes,
    a_house,
    a_quote,
    read_lines,
    soon,
)
from stocktrack.clock import settle
from stocktrack.errors import Reason, SessionEnd
from stocktrack.messages import COMMAND_TYPES
from stocktrack.quotes import Dividend
from stocktrack.sessions import administration
from stocktrack.sessions import session as session_module
from stocktrack.sessions.life import PERMISSIONS, SessionState
from stocktrack.sessions.session import MAX_BAD_LINES
from stocktrack.wire.lines import decode_line

EXAMPLES: dict[str, dict[str, Any]] = {
    "AUTH": {"username": USER, "password": PASSWORD},
    "GET": {"symbols": ["AAPL"]},
    "SUBSCRIBE": {"symbols": ["AAPL"]},
    "UNSUBSCRIBE": {},
    "MY_STOCKS": {},
    "NEWS": {},
    "INFO": {"symbol": "AAPL"},
    "DIVIDENDS": {"symbol": "AAPL"},
    "SEARCH": {"query": "apple"},
    "PING": {},
    "LOGOUT": {},
    "TOKEN": {},
    "SESSIONS": {},
    "KICK": {"session": "s2"},
    "ANNOUNCE": {"text": "Hello."},
}
FOR_ADMINS = {"SESSIONS", "KICK", "ANNOUNCE"}


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with a_house() as built:
        yield built


@pytest.fixture
def provider(house: House) -> ScriptedProvider:
    assert isinstance(house.provider, ScriptedProvider)
    house.provider.paid["AAPL"] = [Dividend(date=date(2024, month, 9), amount=0.24) for month in range(9, 0, -1)]
    return house.provider


@pytest.fixture
def stranger(house: House) -> Client:
    """A client that has not logged in."""
    return house.client()


@pytest.fixture
async def user(house: House) -> Client:
    return await house.user()


def code_and_reason(reply: dict[str, Any]) -> tuple[int, str | None]:
    return reply["code"], reply.get("reason")


def missing(reply: dict[str, Any]) -> dict[str, tuple[int, str]]:
    return {each["symbol"]: (each["code"], each["reason"]) for each in reply["missing"]}


# --- the table ---


def test_there_is_an_example_of_every_command_and_a_row_for_every_state() -> None:
    assert set(EXAMPLES) == set(COMMAND_TYPES)
    assert set(PERMISSIONS) == set(SessionState)


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


# --- AUTH and LOGOUT ---


async def test_auth_welcomes_and_names_the_saved_list_and_pushes_nothing(house: House, stranger: Client) -> None:
    house.accounts.lists[USER] = ["TSLA", "AAPL"]
    reply = await stranger.command("AUTH", **EXAMPLES["AUTH"])
    assert (reply["code"], reply["username"], reply["symbols"]) == (200, USER, ["TSLA", "AAPL"])
    assert reply["message"] == f"Welcome {USER}! Login successful."
    assert (stranger.session.username, stranger.pushed()) == (USER, set())


async def test_the_third_wrong_password_ends_the_session(stranger: Client) -> None:
    for _ in range(2):
        reply = await stranger.command("AUTH", id=1, username=USER, password="wrong")
        assert code_and_reason(reply) == (401, "bad_credentials")
        assert stranger.is_open()
    reply = await stranger.command("AUTH", id=3, username=USER, password="wrong")
    assert (code_and_reason(reply), reply["id"]) == ((401, "bad_credentials"), 3)
    assert not stranger.is_open()


async def test_the_right_password_at_the_third_try_logs_in(stranger: Client) -> None:
    for _ in range(2):
        await stranger.command("AUTH", username=USER, password="wrong")
    assert (await stranger.command("AUTH", **EXAMPLES["AUTH"]))["code"] == 200


async def test_a_throttled_login_is_a_429_and_no_wrong_password(stranger: Client) -> None:
    for _ in range(5):
        reply = await stranger.command("AUTH", username=USER, password="throttled")
        assert code_and_reason(reply) == (429, "login_throttled")
        assert (reply["retryable"], reply["retry_after_ms"]) == (True, 60_000)
    assert stranger.is_open()


async def test_a_login_without_a_database_is_a_500_and_no_wrong_password(stranger: Client, house: House) -> None:
    house.accounts.is_broken = True
    for _ in range(5):
        assert code_and_reason(await stranger.command("AUTH", **EXAMPLES["AUTH"])) == (500, "storage_error")
    house.accounts.is_broken = False
    assert (await stranger.command("AUTH", **EXAMPLES["AUTH"]))["code"] == 200


async def test_a_password_stands_in_no_answer_and_no_log(house: House, stranger: Client) -> None:
    secret = "hunter2-hunter2"
    with capture_logs() as logs:
        await stranger.command("AUTH", username=USER, password=secret)
        await stranger.command("AUTH", username=[secret], password=secret)
        await stranger.line(b'{"type":"AUTH","username":"a","password":"' + secret.encode() + b'"')
        house.accounts.passwords = None  # type: ignore[assignment] # makes the next login fail unexpectedly
        await stranger.command("AUTH", username=USER, password=secret)
    assert logs
    assert secret not in repr(logs) + repr(stranger.connection.messages())


# --- tokens and the allowlist ---


async def test_a_token_logs_in_with_the_same_reply_as_a_password(house: House, stranger: Client) -> None:
    house.accounts.lists[USER] = ["TSLA"]
    reply = await stranger.command("AUTH", id=1, token=f"token of {USER}")
    by_password = await house.client().command("AUTH", id=1, **EXAMPLES["AUTH"])
    assert reply == by_password
    assert (reply["code"], reply["username"], reply["symbols"]) == (200, USER, ["TSLA"])


async def test_the_third_wrong_token_ends_the_session_and_wrong_passwords_count_with_it(stranger: Client) -> None:
    assert code_and_reason(await stranger.command("AUTH", token="x")) == (401, "bad_credentials")
    assert (await stranger.command("AUTH", username=USER, password="wrong"))["code"] == 401
    assert stranger.is_open()
    assert code_and_reason(await stranger.command("AUTH", token="y")) == (401, "bad_credentials")
    assert not stranger.is_open()


async def test_token_gives_what_logs_in_next_time_and_says_until_when(house: House, user: Client) -> None:
    reply = await user.command("TOKEN", id=1, days=7)
    assert (reply["code"], reply["username"], reply["expires_at"]) == (200, USER, NOW_MS + 7 * 86_400_000)
    assert (await house.client().command("AUTH", token=reply["token"]))["code"] == 200


async def test_a_session_that_a_token_opened_gets_no_other_token(house: House, stranger: Client) -> None:
    await stranger.command("AUTH", token=f"token of {USER}")
    assert code_and_reason(await stranger.command("TOKEN")) == (401, "not_permitted")


async def test_a_token_stands_in_no_log_and_no_repr(house: House, user: Client) -> None:
    with capture_logs() as logs:
        await user.command("TOKEN")
        await house.client().command("AUTH", token=f"token of {USER}")
        await house.client().command("AUTH", token="token of nobody")
        house.accounts.passwords = None  # type: ignore[assignment] # makes the next login fail unexpectedly
        await house.client().command("AUTH", token=f"token of {USER}")
    assert logs
    assert "token of" not in repr(logs)
    assert "secret" not in repr(decode_line(b'{"type":"AUTH","token":"secret"}'))


async def test_without_an_allowlist_a_name_alone_is_a_400_and_no_wrong_login(stranger: Client) -> None:
    for _ in range(4):
        reply = await stranger.command("AUTH", username=USER)
        assert code_and_reason(reply) == (400, "invalid_command")
        assert reply["message"] == "AUTH: the field 'password' is missing."
    assert stranger.is_open()


async def test_with_an_allowlist_hello_says_so_and_a_name_alone_is_a_login() -> None:
    rules = dataclasses.replace(RULES, auth=("password", "token", "allowlist"))
    async with a_house(rules=rules) as house:
        house.accounts.passwords["pupil"] = None
        client = house.client()
        [hello] = read_lines(client.session.hello())
        assert hello["auth"] == ["password", "token", "allowlist"]
        assert (await client.command("AUTH", username="pupil"))["code"] == 200


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
    monkeypatch.setattr(administration, "_PAGE_BYTES", 400)
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


# --- LOGOUT ---


async def test_logout_says_goodbye_and_ends_the_session(user: Client, house: House) -> None:
    await user.command("SUBSCRIBE", symbols=["AAPL"])
    reply = await user.command("LOGOUT", id=9)
    assert (reply["code"], reply["status"], reply["id"]) == (2000, "OK", 9)
    assert USER in reply["message"]
    assert not user.is_open()
    assert house.board.watched() == []


async def test_logout_before_auth_says_goodbye_too(stranger: Client) -> None:
    assert (await stranger.command("LOGOUT"))["code"] == 2000
    assert not stranger.is_open()


# --- GET and MY_STOCKS ---


async def test_get_gives_quotes_in_the_order_asked_doubles_once_and_says_what_is_missing(user: Client) -> None:
    reply = await user.command("GET", symbols=["msft", "NOPE", "AAPL", "MSFT"])
    assert reply["code"] == 200
    assert [(quote["symbol"], quote["price"]) for quote in reply["quotes"]] == [("MSFT", 200.0), ("AAPL", 100.0)]
    assert missing(reply) == {"NOPE": (404, "unknown_symbol")}


async def test_a_quote_carries_what_is_known_and_leaves_out_the_rest(user: Client) -> None:
    [quote] = (await user.command("GET", symbol="AAPL"))["quotes"]
    assert quote == {
        "symbol": "AAPL",
        "price": 100.0,
        "currency": "USD",
        "market_state": "open",
        "received_at": NOW_MS,
        "provider": "scripted",
        "stale": False,
        "seq": 1,
    }


async def test_when_all_symbols_are_unknown_the_command_is_a_404(user: Client) -> None:
    reply = await user.command("GET", symbols=["NOPE", "NADA"])
    assert code_and_reason(reply) == (404, "unknown_symbol")
    assert reply["retryable"] is False
    assert missing(reply) == {"NOPE": (404, "unknown_symbol"), "NADA": (404, "unknown_symbol")}


async def test_when_all_symbols_fail_and_one_is_a_500_the_command_is_a_500(user: Client, house: House) -> None:
    await user.command("GET", symbols=["NOPE"])
    house.provider.script = "fail"
    reply = await user.command("GET", symbols=["NOPE", "AAPL"])
    assert code_and_reason(reply) == (500, "provider_error")
    assert (reply["retryable"], reply["retry_after_ms"]) == (True, 2_000)
    assert missing(reply) == {"NOPE": (404, "unknown_symbol"), "AAPL": (500, "provider_error")}


async def test_a_stale_quote_is_a_200(user: Client, house: House) -> None:
    await user.command("SUBSCRIBE", symbols=["AAPL"])
    house.provider.script = "blocked"
    await house.clock.advance(POLL_SECONDS)
    reply = await user.command("GET", symbols=["AAPL"])
    [quote] = reply["quotes"]
    assert (reply["code"], quote["stale"], quote["stale_reason"]) == (200, True, "provider_blocked")
    assert quote["retry_at"] == NOW_MS + 35_000


async def test_my_stocks_gives_the_saved_list_with_its_quotes(user: Client, house: House) -> None:
    house.accounts.lists[USER] = ["MSFT", "NOPE", "AAPL"]
    reply = await user.command("MY_STOCKS")
    assert (reply["code"], reply["symbols"]) == (200, ["MSFT", "NOPE", "AAPL"])
    assert [quote["symbol"] for quote in reply["quotes"]] == ["MSFT", "AAPL"]
    assert missing(reply) == {"NOPE": (404, "unknown_symbol")}


async def test_my_stocks_of_an_empty_list_is_a_200(user: Client) -> None:
    reply = await user.command("MY_STOCKS")
    assert (reply["code"], reply["symbols"], reply["quotes"], reply["missing"]) == (200, [], [], [])


# --- NEWS, INFO, DIVIDENDS, SEARCH ---


async def test_news_gives_ten_headlines_unless_the_limit_says_otherwise(user: Client) -> None:
    assert len((await user.command("NEWS"))["articles"]) == 10
    assert [article["title"] for article in (await user.command("NEWS", limit=2))["articles"]] == [
        "Headline 0",
        "Headline 1",
    ]


async def test_news_info_and_dividends_say_404_where_there_is_nothing(
    house: House, user: Client, provider: ScriptedProvider
) -> None:
    provider.headlines = []
    provider.companies = {}
    assert code_and_reason(await user.command("NEWS")) == (404, "no_news")
    assert code_and_reason(await user.command("INFO", symbol="AAPL")) == (404, "no_company_info")
    assert code_and_reason(await user.command("DIVIDENDS", symbol="TSLA")) == (404, "no_dividends")
    assert code_and_reason(await user.command("INFO", symbol="NOPE")) == (404, "unknown_symbol")
    assert code_and_reason(await user.command("DIVIDENDS", symbol="NOPE")) == (404, "unknown_symbol")


async def test_info_gives_the_company(user: Client) -> None:
    assert (await user.command("INFO", symbol="aapl"))["company"] == {"symbol": "AAPL", "name": "Apple Inc."}


async def test_dividends_gives_five_newest_first_with_the_currency_of_the_quote(
    user: Client, provider: ScriptedProvider
) -> None:
    reply = await user.command("DIVIDENDS", symbol="AAPL")
    assert [paid["date"] for paid in reply["dividends"]] == [f"2024-0{month}-09" for month in (9, 8, 7, 6, 5)]
    assert "currency" not in reply
    await user.command("GET", symbol="AAPL")
    reply = await user.command("DIVIDENDS", symbol="AAPL", limit=1)
    assert (reply["currency"], reply["dividends"]) == ("USD", [{"date": "2024-09-09", "amount": 0.24}])


async def test_search_gives_matches_and_an_empty_list_is_a_200(user: Client) -> None:
    assert [match["symbol"] for match in (await user.command("SEARCH", query="Apple"))["matches"]] == ["AAPL"]
    reply = await user.command("SEARCH", query="zebra")
    assert (reply["code"], reply["matches"]) == (200, [])


@pytest.mark.parametrize("kind", ["NEWS", "INFO", "DIVIDENDS", "SEARCH"])
@pytest.mark.parametrize(("script", "reason"), [("fail", "provider_error"), ("blocked", "provider_blocked")])
async def test_a_failing_source_is_a_500_that_says_when_to_try_again(
    house: House, user: Client, kind: str, script: Any, reason: str
) -> None:
    house.provider.script = script
    reply = await user.command(kind, **EXAMPLES[kind])
    assert code_and_reason(reply) == (500, reason)
    assert reply["retryable"] is True
    assert reply["retry_after_ms"] >= 2_000


async def test_a_hanging_source_is_a_500_after_its_deadline(house: House, user: Client) -> None:
    house.provider.script = "hang"
    info = await soon(user.command("INFO", symbol="AAPL"))
    await house.clock.advance(11)
    assert code_and_reason(await info) == (500, "provider_timeout")


async def test_what_no_source_offers_is_a_404() -> None:
    async with a_house(lambda clock: (ScriptedQuotes(clock),)) as house:
        user = await house.user()
        for kind in ("NEWS", "INFO", "DIVIDENDS", "SEARCH"):
            assert code_and_reason(await user.command(kind, **EXAMPLES[kind])) == (404, "not_offered")


# --- SUBSCRIBE ---


async def test_subscribe_answers_then_sends_the_first_prices_and_saves(user: Client, house: House) -> None:
    reply = await user.command("SUBSCRIBE", id=3, symbols=["AAPL", "MSFT"], interval=5)
    assert reply == {
        "type": "SUBSCRIBE",
        "id": 3,
        "code": 200,
        "status": "OK",
        "subscribed": ["AAPL", "MSFT"],
        "already": [],
        "pending": [],
        "missing": [],
        "symbols": ["AAPL", "MSFT"],
        "interval": 5.0,
    }
    sent = user.connection.messages()
    assert [(message["type"], message.get("symbol")) for message in sent] == [
        *[("SUBSCRIBE", None), ("PRICE", "AAPL")],
        ("PRICE", "MSFT"),
    ]
    assert len(user.connection.writes[-1].splitlines()) == 3
    assert house.accounts.lists[USER] == ["AAPL", "MSFT"]


async def test_a_price_is_flat_and_can_be_read_alone(user: Client, house: House) -> None:
    house.board.put([a_quote("AAPL", 189.45, change=1.2, change_percent=0.64, bid=189.4, ask=189.5, name="Apple")], 0.0)
    await user.command("SUBSCRIBE", symbols=["AAPL"])
    [price] = user.connection.of_type("PRICE")
    assert price == {
        "type": "PRICE",
        "code": 100,
        "status": "CONTINUE",
        "symbol": "AAPL",
        "price": 189.45,
        "currency": "USD",
        "change": 1.2,
        "change_percent": 0.64,
        "bid": 189.4,
        "ask": 189.5,
        "market_state": "open",
        "received_at": NOW_MS,
        "provider": "scripted",
        "stale": False,
        "seq": 1,
    }


async def test_subscribing_again_names_what_is_pushed_already(user: Client) -> None:
    await user.command("SUBSCRIBE", symbols=["AAPL"])
    user.connection.messages()
    reply = await user.command("SUBSCRIBE", symbols=["MSFT", "AAPL", "NOPE"])
    assert (reply["subscribed"], reply["already"], reply["symbols"]) == (["MSFT"], ["AAPL"], ["AAPL", "MSFT"])
    assert missing(reply) == {"NOPE": (404, "unknown_symbol")}
    assert [price["symbol"] for price in user.connection.of_type("PRICE")] == ["MSFT"]


async def test_the_interval_given_last_stands(user: Client) -> None:
    given: list[dict[str, Any]] = [{}, {"interval": 2}, {}, {"interval": None}, {"interval": 0}, {}]
    replies = [await user.command("SUBSCRIBE", symbols=["AAPL"], **interval) for interval in given]
    assert [reply["interval"] for reply in replies] == [5.0, 2.0, 2.0, 2.0, 0.0, 0.0]


@pytest.mark.parametrize("interval", [-1, 0.05, 3601, "5", True])
async def test_an_interval_out_of_range_is_a_400_and_changes_nothing(user: Client, interval: Any) -> None:
    reply = await user.command("SUBSCRIBE", symbols=["AAPL"], interval=interval)
    assert code_and_reason(reply) == (400, "invalid_command")
    assert "interval" in reply["message"]
    assert user.pushed() == set()


async def test_save_false_leaves_the_saved_list_alone(user: Client, house: House) -> None:
    house.accounts.lists[USER] = ["TSLA"]
    await user.command("SUBSCRIBE", symbols=["AAPL"], save=False)
    assert house.accounts.lists[USER] == ["TSLA"]
    reply = await user.command("UNSUBSCRIBE", save=False)
    assert (reply["removed"], house.accounts.lists[USER]) == (["AAPL"], ["TSLA"])


async def test_subscribe_without_symbols_starts_the_whole_saved_list(user: Client, house: House) -> None:
    house.accounts.lists[USER] = ["TSLA", "NOPE", "AAPL"]
    reply = await user.command("SUBSCRIBE", interval=0)
    assert (reply["code"], reply["subscribed"], reply["symbols"]) == (200, ["TSLA", "AAPL"], ["TSLA", "AAPL"])
    assert missing(reply) == {"NOPE": (404, "unknown_symbol")}
    assert house.accounts.lists[USER] == ["TSLA", "NOPE", "AAPL"]
    assert [price["symbol"] for price in user.connection.of_type("PRICE")] == ["TSLA", "AAPL"]


async def test_subscribe_without_symbols_and_with_nothing_saved_is_a_200(user: Client) -> None:
    reply = await user.command("SUBSCRIBE", interval=0)
    assert (reply["code"], reply["subscribed"], reply["symbols"], reply["interval"]) == (200, [], [], 0.0)


async def test_subscribing_only_to_unknown_symbols_is_a_404_and_changes_nothing(user: Client, house: House) -> None:
    reply = await user.command("SUBSCRIBE", symbols=["NOPE"], interval=0)
    assert code_and_reason(reply) == (404, "unknown_symbol")
    assert missing(reply) == {"NOPE": (404, "unknown_symbol")}
    assert (user.pushed(), house.accounts.lists) == (set(), {})


async def test_what_cannot_be_checked_is_subscribed_saved_and_pending(user: Client, house: House) -> None:
    house.provider.script = "fail"
    reply = await user.command("SUBSCRIBE", symbols=["AAPL"])
    assert (reply["code"], reply["subscribed"], reply["pending"]) == (200, ["AAPL"], ["AAPL"])
    assert house.accounts.lists[USER] == ["AAPL"]
    house.provider.script = "good"
    assert user.connection.of_type("PRICE") == []
    await house.clock.advance(POLL_SECONDS * 2)
    assert {price["symbol"] for price in user.connection.of_type("PRICE")} == {"AAPL"}


async def test_a_pending_symbol_that_does_not_exist_is_dropped_with_a_404_notice(user: Client, house: House) -> None:
    house.provider.script = "fail"
    await user.command("SUBSCRIBE", symbols=["NOPE", "AAPL"])
    user.connection.messages()
    house.provider.script = "good"
    await house.clock.advance(POLL_SECONDS * 2)
    [notice] = [each for each in user.connection.of_type("NOTICE") if each["code"] == 404]
    assert (notice["status"], notice["reason"], notice["symbols"]) == ("NOT_FOUND", "unknown_symbol", ["NOPE"])
    assert (user.pushed(), house.accounts.lists[USER]) == ({"AAPL"}, ["AAPL"])


# --- UNSUBSCRIBE ---


async def test_unsubscribe_takes_symbols_out_of_the_pushes_and_of_the_saved_list(user: Client, house: House) -> None:
    await user.command("SUBSCRIBE", symbols=["AAPL", "MSFT", "TSLA"], interval=0)
    reply = await user.command("UNSUBSCRIBE", id=4, symbols=["AAPL", "S1"])
    assert reply == {
        "type": "UNSUBSCRIBE",
        "id": 4,
        "code": 200,
        "status": "OK",
        "removed": ["AAPL"],
        "missing": [{"symbol": "S1", "code": 404, "reason": "not_subscribed"}],
        "symbols": ["MSFT", "TSLA"],
    }
    assert house.accounts.lists[USER] == ["MSFT", "TSLA"]


async def test_after_the_reply_to_unsubscribe_no_price_of_the_symbol_follows(user: Client, house: House) -> None:
    await user.command("SUBSCRIBE", symbols=["AAPL", "MSFT"], interval=0)
    await settle()
    house.board.put([a_quote("AAPL", 101.0), a_quote("MSFT", 201.0)], 1.0)
    house.accounts.may_go_on.clear()
    unsubscribe = await soon(user.command("UNSUBSCRIBE", symbols=["AAPL"]))
    house.board.put([a_quote("AAPL", 102.0), a_quote("MSFT", 202.0)], 2.0)
    house.accounts.may_go_on.set()
    await unsubscribe
    house.board.put([a_quote("AAPL", 103.0), a_quote("MSFT", 203.0)], 3.0)
    await settle()
    sent = user.connection.messages()
    after = sent[[message["type"] for message in sent].index("UNSUBSCRIBE") + 1 :]
    assert {message["symbol"] for message in after} == {"MSFT"}


async def test_unsubscribe_without_symbols_takes_all_pushed_and_all_saved(user: Client, house: House) -> None:
    house.accounts.lists[USER] = ["TSLA"]
    await user.command("SUBSCRIBE", symbols=["AAPL"], save=False)
    reply = await user.command("UNSUBSCRIBE")
    assert (set(reply["removed"]), reply["missing"], reply["symbols"]) == ({"AAPL", "TSLA"}, [], [])
    assert (user.pushed(), house.accounts.lists[USER]) == (set(), [])


async def test_unsubscribe_without_symbols_and_with_nothing_to_take_out_is_a_200(user: Client) -> None:
    reply = await user.command("UNSUBSCRIBE")
    assert (reply["code"], reply["removed"], reply["missing"]) == (200, [], [])


async def test_unsubscribe_takes_out_what_is_saved_but_not_pushed(user: Client, house: House) -> None:
    house.accounts.lists[USER] = ["TSLA", "AAPL"]
    reply = await user.command("UNSUBSCRIBE", symbols=["TSLA"])
    assert (reply["removed"], house.accounts.lists[USER]) == (["TSLA"], ["AAPL"])


async def test_unsubscribing_only_what_is_neither_pushed_nor_saved_is_a_404(user: Client) -> None:
    reply = await user.command("UNSUBSCRIBE", symbols=["AAPL", "MSFT"])
    assert code_and_reason(reply) == (404, "not_subscribed")
    assert set(missing(reply)) == {"AAPL", "MSFT"}


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


async def test_a_reply_that_would_be_too_large_is_a_400(user: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    symbols = [f"S{number}" for number in range(10)]
    assert (await user.command("GET", id=1, symbols=symbols))["code"] == 200
    monkeypatch.setattr(session_module, "MAX_REPLY_BYTES", 1_000)
    reply = await user.command("GET", id=2, symbols=symbols)
    assert (code_and_reason(reply), reply["id"]) == ((400, "symbol_limit"), 2)
    assert (await user.command("GET", id=3, symbols=symbols[:1]))["code"] == 200


async def test_more_commands_than_the_bucket_holds_are_a_429_until_it_fills() -> None:
    rules = dataclasses.replace(RULES, commands_per_second=2.0, command_burst=5)
    async with a_house(rules=rules) as house:
        client = house.client()
        assert [(await client.command("PING"))["code"] for _ in range(7)] == [200] * 5 + [429] * 2
        reply = await client.command("PING", id=1)
        assert (reply["type"], reply["id"], reply["reason"]) == ("PING", 1, "rate_limited")
        assert (reply["retryable"], reply["retry_after_ms"]) == (True, 500)
        await house.clock.advance(0.5)
        assert [(await client.command("PING"))["code"] for _ in range(2)] == [200, 429]
        await house.clock.advance(20)
        assert [(await client.command("PING"))["code"] for _ in range(6)] == [200] * 5 + [429]
        assert client.is_open()


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
