"""What users say to each other: who hears it, what is cleaned, and what bounds it."""

import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fakes import NOW_MS, RULES, USER, Client, House, Message, a_house, a_watcher, code_and_reason, read_lines
from stocktrack.clock import settle
from stocktrack.messages import MAX_SAID_CHARS
from stocktrack.scopes import Scope
from stocktrack.sessions import chat
from stocktrack.sessions.chat import BEHIND_BYTES, MAX_BATCH_BYTES, MAX_WAITING_BYTES, PAUSE_SECONDS, burst_of

OTHER = "somebody"


@pytest.fixture
async def other(house: House) -> Client:
    return await house.user(OTHER)


async def heard(client: Client) -> list[Message]:
    """What the client was told of what was said, since this was asked last."""
    await settle()
    return client.connection.of_type("SAID")


async def words(client: Client) -> list[str]:
    return [said["text"] for said in await heard(client)]


async def say(client: Client, text: str = "Hello.", **fields: Any) -> Message:
    return await client.command("SAY", text=text, **fields)


# --- whom a word reaches ---


async def test_a_word_goes_to_all_that_are_logged_in_but_not_back_to_the_session_that_said_it(
    house: House, user: Client, other: Client, stranger: Client
) -> None:
    mine_too = await house.user()

    assert (await say(user))["recipients"] == 2

    told = {"type": "SAID", "code": 100, "status": "CONTINUE", "username": USER, "text": "Hello.", "timestamp": NOW_MS}
    assert await heard(other) == [told]
    assert await heard(mine_too) == [told]
    assert await heard(user) == []
    assert await heard(stranger) == []


async def test_what_is_said_of_a_symbol_goes_to_those_who_are_pushed_it(
    house: House, user: Client, other: Client
) -> None:
    third = await house.user(OTHER)
    await user.command("SUBSCRIBE", symbols=["AAPL"], save=False)
    await other.command("SUBSCRIBE", symbols=["MSFT", "AAPL"], save=False)
    await third.command("SUBSCRIBE", symbols=["MSFT"], save=False)
    a_watcher(house.board, "AAPL")  # who is no session

    reply = await say(user, "What a day!", symbol="aapl")

    assert reply["recipients"] == 1
    assert [(said["symbol"], said["text"]) for said in await heard(other)] == [("AAPL", "What a day!")]
    assert await heard(third) == []
    assert await heard(user) == []
    assert (await say(user, symbol="TSLA"))["recipients"] == 0


async def test_who_is_pushed_nothing_any_more_hears_nothing_of_it(user: Client, other: Client) -> None:
    await other.command("SUBSCRIBE", symbols=["AAPL"], save=False)
    await other.command("UNSUBSCRIBE", symbols=["AAPL"], save=False)

    assert (await say(user, symbol="AAPL"))["recipients"] == 0
    assert await heard(other) == []


async def test_a_guest_hears_what_is_said_of_a_symbol_and_nothing_else_and_says_nothing(
    house: House, user: Client
) -> None:
    guest = house.client()
    assert guest.session.welcome_guest() is None
    await guest.command("SUBSCRIBE", symbols=["AAPL"], save=False)

    assert (await say(user, "to all"))["recipients"] == 0
    assert (await say(user, "of it", symbol="AAPL"))["recipients"] == 1
    await house.clock.advance(PAUSE_SECONDS)

    assert await words(guest) == ["of it"]
    assert code_and_reason(await say(guest)) == (401, "not_authenticated")
    assert guest.is_open()


async def test_a_session_behind_rest_says_something_and_is_told_nothing(house: House, user: Client) -> None:
    behind_rest = house.client()
    behind_rest.session.door = "rest"
    await behind_rest.log_in()

    assert (await say(behind_rest))["recipients"] == 1
    assert await words(user) == ["Hello."]
    assert (await say(user))["recipients"] == 0
    await house.clock.advance(PAUSE_SECONDS)
    assert await heard(behind_rest) == []


async def test_a_token_for_reading_says_nothing(house: House, other: Client) -> None:
    reader = house.client()
    text = (await house.accounts.make_token(USER, 1, scope=Scope.READ)).text
    await reader.command("AUTH", token=text)
    assert code_and_reason(await say(reader)) == (401, "not_permitted")
    assert await heard(other) == []


async def test_who_was_kicked_hears_nothing_any_more(house: House, user: Client, other: Client) -> None:
    house.accounts.admins.add(USER)
    await user.command("KICK", session=other.session.name)
    other.connection.messages()

    await say(user)

    assert await heard(other) == []


async def test_words_come_in_their_order_whether_said_to_all_or_of_a_symbol(
    house: House, user: Client, other: Client
) -> None:
    await other.command("SUBSCRIBE", symbols=["AAPL"], save=False)
    others = await house.user()
    for number in range(6):
        await say(user, str(number), **({"symbol": "AAPL"} if number % 2 else {}))
    await house.clock.advance(PAUSE_SECONDS)
    assert await words(other) == ["0", "1", "2", "3", "4", "5"]
    assert await words(others) == ["0", "2", "4"]


# --- what it says ---


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x07Hello\r\n there \u202e!", "[2JHello there !"),
        ("<b>x</b> & 'y'", "<b>x</b> & 'y'"),
        ("Grüße, 株 👋🏽", "Grüße, 株 👋🏽"),
        ("x" * MAX_SAID_CHARS, "x" * MAX_SAID_CHARS),
    ],
)
async def test_a_word_is_cleaned_of_what_could_do_harm(user: Client, other: Client, text: str, shown: str) -> None:
    assert (await say(user, text))["code"] == 200
    assert await words(other) == [shown]


@pytest.mark.parametrize("text", [" ", "\x1b\x00", "\u202e\u2066", "\r\n\t"])
async def test_a_word_that_says_nothing_that_can_be_shown_is_a_400(user: Client, other: Client, text: str) -> None:
    reply = await say(user, text)
    assert code_and_reason(reply) == (400, "invalid_command")
    assert "nothing that can be shown" in reply["message"]
    assert await heard(other) == []


async def test_a_word_over_its_length_is_a_400(user: Client) -> None:
    assert code_and_reason(await say(user, "x" * (MAX_SAID_CHARS + 1))) == (400, "invalid_command")
    assert code_and_reason(await say(user, "")) == (400, "invalid_command")


# --- whether it may be said ---


async def test_where_chat_is_off_a_word_is_a_404_and_hello_does_not_offer_it() -> None:
    async with a_house(rules=dataclasses.replace(RULES, chat=False)) as house:
        ann, bob = await house.user(), await house.user(OTHER)
        reply = await say(ann)
        assert code_and_reason(reply) == (404, "not_offered")
        assert "switched chat off" in reply["message"]
        assert await heard(bob) == []
        [hello] = read_lines(ann.session.hello())
        assert "features" not in hello

        house.sessions.change(RULES, house.sessions._limits)

        assert (await say(ann))["code"] == 200
        assert await words(bob) == ["Hello."]


@pytest.fixture
async def admin(house: House) -> Client:
    house.accounts.admins.add(OTHER)
    return await house.user(OTHER)


async def test_whom_an_administrator_muted_says_nothing_until_then_and_is_told_until_when(
    house: House, admin: Client, user: Client
) -> None:
    reply = await admin.command("MUTE", username=USER, minutes=2)
    assert (reply["username"], reply["muted_until"]) == (USER, NOW_MS + 120_000)

    refused = await say(user)
    assert code_and_reason(refused) == (401, "not_permitted")
    assert refused["message"] == "An administrator has muted you until 2024-04-05 15:47:00 UTC."
    assert code_and_reason(await say(await house.user())) == (401, "not_permitted")  # whichever session it is
    assert (await user.command("GET", symbols=["AAPL"]))["code"] == 200
    assert await heard(admin) == []

    await house.clock.advance(120)
    assert (await say(user))["code"] == 200
    assert await words(admin) == ["Hello."]


async def test_a_mute_of_no_minutes_lets_the_user_talk_again(admin: Client, user: Client) -> None:
    assert "muted_until" in await admin.command("MUTE", username=USER)
    lifted = await admin.command("MUTE", username=USER, minutes=0)
    assert (lifted["code"], "muted_until" in lifted) == (200, False)
    assert (await say(user))["code"] == 200


async def test_nobody_can_be_muted_who_is_not_there(admin: Client) -> None:
    reply = await admin.command("MUTE", username="nobody")
    assert code_and_reason(reply) == (400, "invalid_command")
    assert reply["message"] == "There is no user 'nobody'."


async def test_who_is_no_administrator_mutes_nobody(user: Client) -> None:
    reply = await user.command("MUTE", username=OTHER)
    assert code_and_reason(reply) == (401, "not_permitted")


# --- how much may be said ---


async def test_a_user_says_no_more_than_the_limit_over_all_sessions(house: House, user: Client, other: Client) -> None:
    mine_too = await house.user()
    for number in range(10):
        assert (await say(user if number % 2 else mine_too))["code"] == 200

    refused = await say(mine_too)

    assert code_and_reason(refused) == (429, "rate_limited")
    assert refused["retry_after_ms"] == 1_000
    assert "60 words a minute" in refused["message"]
    assert (await say(other))["code"] == 200  # another user's are counted apart
    await house.clock.advance(1)
    assert (await say(user))["code"] == 200
    assert code_and_reason(await say(user)) == (429, "rate_limited")


@pytest.mark.parametrize(("per_minute", "at_once"), [(0.5, 1), (1, 1), (5, 5), (60, 10), (600, 10), (3_000, 50)])
def test_what_may_be_said_at_once_grows_with_the_limit(per_minute: float, at_once: int) -> None:
    assert burst_of(per_minute) == at_once


@pytest.fixture
async def a_loud_house() -> AsyncIterator[House]:
    rules = dataclasses.replace(RULES, chat_messages_per_minute=1e9, chat_messages_per_second=5.0, command_burst=10_000)
    async with a_house(rules=rules) as house:
        yield house


async def test_all_users_together_say_no_more_than_the_limit_of_the_server(a_loud_house: House) -> None:
    ann, bob = await a_loud_house.user(), await a_loud_house.user(OTHER)
    for number in range(5):
        assert (await say(ann if number % 2 else bob))["code"] == 200

    refused = await say(ann)

    assert code_and_reason(refused) == (429, "rate_limited")
    assert refused["retry_after_ms"] == 200
    assert "More is said here" in refused["message"]
    await a_loud_house.clock.advance(0.2)
    assert (await say(bob))["code"] == 200


async def test_what_waits_to_be_told_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "MAX_WAITING_BYTES", 2_000)
    rules = dataclasses.replace(RULES, chat_messages_per_minute=1e9, chat_messages_per_second=1e9)
    async with a_house(rules=rules) as house:
        ann, bob = await house.user(), await house.user(OTHER)
        assert (await say(ann, "first"))["code"] == 200
        await settle()  # it is told; the others wait for the next walk
        replies = [await say(ann, "x" * 400) for _ in range(6)]
        assert [reply["code"] for reply in replies] == [200, 200, 200, 200, 429, 429]
        await house.clock.advance(PAUSE_SECONDS)
        assert await words(bob) == ["first", *("x" * 400,) * 4]
        assert house.sessions.chat_counts.refused == 2


async def test_a_walk_takes_no_more_than_fits_into_a_write_and_the_rest_follows() -> None:
    rules = dataclasses.replace(RULES, chat_messages_per_minute=1e9, chat_messages_per_second=1e9)
    async with a_house(rules=rules) as house:
        ann, bob = await house.user(), await house.user(OTHER)
        for _ in range(40):
            assert (await say(ann, "株" * MAX_SAID_CHARS))["code"] == 200
        await settle()
        writes = [write for write in bob.connection.writes if b"SAID" in write]
        assert [len(write.splitlines()) for write in writes] == [10]
        for _ in range(3):
            await house.clock.advance(PAUSE_SECONDS)
        writes = [write for write in bob.connection.writes if b"SAID" in write]
        assert sum(len(write.splitlines()) for write in writes) == 40
        assert max(map(len, writes)) <= MAX_BATCH_BYTES < MAX_WAITING_BYTES


# --- how it is told ---


async def test_the_first_word_is_told_at_once_and_those_after_it_in_one_write(
    house: House, user: Client, other: Client
) -> None:
    await say(user, "one")
    assert await words(other) == ["one"]
    await say(user, "two")
    await say(user, "three")
    assert await words(other) == []
    other.connection.writes.clear()
    await house.clock.advance(PAUSE_SECONDS)
    assert len(other.connection.writes) == 1
    assert await words(other) == ["two", "three"]


async def test_a_word_is_encoded_once_for_all(house: House, user: Client, other: Client) -> None:
    more = [await house.user(OTHER) for _ in range(3)]
    await say(user)
    await settle()
    told = [write for client in (other, *more) for write in client.connection.writes if b"SAID" in write]
    assert len(told) == 4
    assert all(write is told[0] for write in told)


async def test_a_session_that_is_behind_goes_without_and_gets_the_next_word_when_it_has_caught_up(
    house: House, user: Client, other: Client
) -> None:
    slow = await house.user(OTHER)
    slow.connection.stop_reading()
    slow.connection.send(b" " * (BEHIND_BYTES - 10) + b"\n")

    await say(user, "lost")

    assert await words(other) == ["lost"]
    assert slow.connection.unsent_bytes() < BEHIND_BYTES
    assert (house.sessions.chat_counts.delivered, house.sessions.chat_counts.left_out) == (1, 1)
    slow.connection.read_again()
    slow.connection._unread.clear()
    await say(user, "found")
    await house.clock.advance(PAUSE_SECONDS)
    assert await words(slow) == ["found"]


async def test_a_client_that_cannot_be_written_to_keeps_the_word_from_nobody(
    house: House, user: Client, other: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = await house.user(OTHER)
    last = await house.user(OTHER)

    def fail(_: bytes) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(broken.connection, "send", fail)
    await say(user)
    assert await words(other) == ["Hello."]
    assert await words(last) == ["Hello."]
