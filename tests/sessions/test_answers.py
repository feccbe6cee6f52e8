"""What each command answers, asked as a client asks."""

import dataclasses
from datetime import date
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
    ScriptedQuotes,
    a_house,
    a_quote,
    code_and_reason,
    missing,
    read_lines,
    soon,
)
from stocktrack.clock import settle
from stocktrack.quotes import Dividend, Headline
from stocktrack.scopes import Scope
from stocktrack.wire.lines import decode_line

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


async def test_a_token_logs_in_with_the_reply_to_a_password_and_what_it_is_itself(
    house: House, stranger: Client
) -> None:
    house.accounts.lists[USER] = ["TSLA"]
    token = await house.accounts.make_token(USER, 1, scope=Scope.READ)
    reply = await stranger.command("AUTH", id=1, token=token.text)
    by_password = await house.client().command("AUTH", id=1, **EXAMPLES["AUTH"])
    told = {"token_id": token.token_id, "scope": "read", "expires_at": token.expires_at_ms}
    assert reply == by_password | told
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
    token = await house.accounts.make_token(USER, 1)
    assert (await stranger.command("AUTH", token=token.text))["code"] == 200
    assert code_and_reason(await stranger.command("TOKEN")) == (401, "not_permitted")


async def test_a_token_stands_in_no_log_and_no_repr(house: House, user: Client) -> None:
    with capture_logs() as logs:
        token = (await user.command("TOKEN"))["token"]
        await house.client().command("AUTH", token=token)
        await house.client().command("AUTH", token="token of nobody")
        house.accounts.passwords = None  # type: ignore[assignment] # makes the next login fail unexpectedly
        await house.client().command("AUTH", token=token)
    assert logs
    assert token not in repr(logs)
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


async def test_news_of_a_symbol_name_it(user: Client) -> None:
    reply = await user.command("NEWS", symbol="aapl", limit=2)
    assert (reply["symbol"], [each["title"] for each in reply["articles"]]) == ("AAPL", ["Apple 0", "Apple 1"])
    assert "symbol" not in await user.command("NEWS")
    for symbol, reason in (("MSFT", "no_news"), ("NOPE", "unknown_symbol")):
        refused = await user.command("NEWS", symbol=symbol)
        assert code_and_reason(refused) == (404, reason)
        assert symbol in refused["message"]


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


async def test_dividends_gives_five_newest_first_and_no_currency_that_the_source_did_not_tell(
    user: Client, provider: ScriptedProvider
) -> None:
    reply = await user.command("DIVIDENDS", symbol="AAPL")
    assert [paid["date"] for paid in reply["dividends"]] == [f"2024-0{month}-09" for month in (9, 8, 7, 6, 5)]
    await user.command("GET", symbol="AAPL")
    reply = await user.command("DIVIDENDS", symbol="AAPL", limit=1)
    assert "currency" not in reply
    assert reply["dividends"] == [{"date": "2024-09-09", "amount": 0.24}]


async def test_news_tells_as_many_headlines_as_a_line_can_carry(user: Client, provider: ScriptedProvider) -> None:
    link = "https://example.com/" + "a" * 1_980
    provider.headlines = [Headline(title="\U0001f4c8" * 300, source="\U0001f4c8" * 80, link=link) for _ in range(100)]
    reply = await user.command("NEWS", limit=100)
    assert reply["code"] == 200
    assert 60 < len(reply["articles"]) < 100


async def test_each_dividend_carries_its_own_currency_and_the_reply_the_one_that_all_have(
    user: Client, provider: ScriptedProvider
) -> None:
    provider.paid["TSLA"] = [
        Dividend(date=date(2024, 9, 9), amount=0.358, currency="USD"),
        Dividend(date=date(2024, 6, 9), amount=0.351, currency="USD"),
        Dividend(date=date(2024, 3, 9), amount=27.1, currency="GBp"),
    ]
    two = await user.command("DIVIDENDS", symbol="TSLA", limit=2)
    three = await user.command("DIVIDENDS", symbol="TSLA", limit=3)
    assert (two["currency"], "currency" in three) == ("USD", False)
    assert [(paid["amount"], paid["currency"]) for paid in three["dividends"]] == [
        (0.358, "USD"),
        (0.351, "USD"),
        (27.1, "GBp"),
    ]


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
