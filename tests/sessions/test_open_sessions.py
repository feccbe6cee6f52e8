import asyncio
import dataclasses
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from structlog.testing import capture_logs

from fakes import LIMITS, PASSWORD, POLL_SECONDS, USER, Client, House, MemoryConnection, a_house, a_quote, soon
from stocktrack.clock import ManualClock, settle
from stocktrack.errors import Code, ProviderError, Reason, SessionEnd
from stocktrack.market.events import Event, FeedEvent
from stocktrack.sessions import strangers
from stocktrack.sessions.life import SessionState
from stocktrack.sessions.open_sessions import SESSIONS_IN_A_ROW
from stocktrack.sessions.session import MAX_KEPT_WAITING_SECONDS, Session

SHUTDOWN = SessionEnd(Reason.SHUTDOWN, "The server is stopping.", retry_after_ms=5_000)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with a_house() as built:
        yield built


def limited(**limits: Any) -> AbstractAsyncContextManager[House]:
    return a_house(limits=dataclasses.replace(LIMITS, **limits))


def refusal(house: House, *, address: str = "192.0.2.1") -> SessionEnd:
    with pytest.raises(SessionEnd) as caught:
        house.client(address=address)
    return caught.value


def close(house: House, client: Client) -> None:
    house.sessions.close_session(client.session)


# --- how many there may be ---


async def test_the_limit_of_the_server_refuses_with_a_429_and_a_closed_session_makes_room() -> None:
    async with limited(max_sessions=3) as house:
        clients = [house.client() for _ in range(3)]
        why = refusal(house)
        assert (why.code, why.reason, why.retry_after_ms) == (Code.TOO_MANY_REQUESTS, Reason.SESSION_LIMIT, 5_000)
        assert len(house.sessions) == 3
        close(house, clients[0])
        assert house.client().is_open()


async def test_the_limit_of_strangers_refuses_until_one_logs_in_or_goes() -> None:
    async with limited(max_unauthenticated_sessions=2) as house:
        first, second = house.client(), house.client()
        assert "logged in" in refusal(house).message
        await first.log_in()
        third = house.client()
        refusal(house)
        close(house, second)
        close(house, third)
        close(house, first)
        assert [house.client().is_open() for _ in range(2)] == [True, True]
        refusal(house)


async def test_the_limit_of_an_address_holds_for_that_address_only() -> None:
    async with limited(max_sessions_per_address=2) as house:
        clients = [house.client(address="192.0.2.1") for _ in range(2)]
        assert "192.0.2.1" in refusal(house, address="192.0.2.1").message
        assert house.client(address="192.0.2.2").is_open()
        close(house, clients[0])
        assert house.client(address="192.0.2.1").is_open()


@pytest.mark.parametrize(
    ("setting", "limit"),
    [
        ("max_sessions", "server"),
        ("max_unauthenticated_sessions", "unauthenticated"),
        ("max_unauthenticated_per_address", "unauthenticated_per_address"),
        ("max_sessions_per_address", "address"),
    ],
)
async def test_the_trail_tells_which_limit_refused_whom_once_a_minute(setting: str, limit: str) -> None:
    async with limited(**{setting: 1}) as house:
        house.client(address="192.0.2.1")
        with capture_logs() as logs:
            for _ in range(5):
                refusal(house, address="192.0.2.1")
            house.sessions.trail.close()
    first = {"event": "refused", "address": "192.0.2.1", "door": "memory", "why": "session_limit", "limit": limit}
    assert [{key: entry.get(key) for key in first} for entry in logs] == [first] * 2
    assert [entry.get("count") for entry in logs] == [None, 4]


async def test_the_trail_tells_of_who_waited_for_a_place_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strangers, "WAIT_SECONDS", 0.01)
    async with limited(max_unauthenticated_per_address=1) as house:
        house.client(address="192.0.2.1")
        with capture_logs() as logs, pytest.raises(SessionEnd, match="that have not logged in"):
            await house.sessions.place_for("192.0.2.1", door="tcp")
    told = [(entry["address"], entry["door"], entry["limit"]) for entry in logs if entry["event"] == "refused"]
    assert told == [("192.0.2.1", "tcp", "unauthenticated_per_address")]


@pytest.mark.parametrize(
    ("setting", "limit"), [("max_guests", "guests"), ("max_guests_per_address", "guests_per_address")]
)
async def test_the_trail_tells_of_guests_who_are_too_many(setting: str, limit: str) -> None:
    async with limited(**{setting: 1}) as house:
        with capture_logs() as logs:
            ends = [house.client(address="192.0.2.1").session.welcome_guest() for _ in range(2)]
    assert [end is None for end in ends] == [True, False]
    assert [entry["limit"] for entry in logs if entry["event"] == "refused"] == [limit]


async def test_the_limit_of_a_user_is_a_429_to_auth_and_the_session_may_try_again() -> None:
    async with limited(max_sessions_per_user=1) as house:
        first, second = await house.user(), house.client()
        reply = await second.command("AUTH", username=USER, password=PASSWORD)
        assert (reply["code"], reply["reason"], reply["retry_after_ms"]) == (429, "session_limit", 5_000)
        assert second.is_open()
        assert (await second.command("AUTH", username="somebody", password=PASSWORD))["code"] == 200
        third = house.client()
        close(house, first)
        assert (await third.command("AUTH", username=USER, password=PASSWORD))["code"] == 200


async def test_0_is_no_limit() -> None:
    async with limited(max_sessions_per_user=0, max_sessions_per_address=0) as house:
        for _ in range(50):
            await house.user()
        assert len(house.sessions) == 50


async def test_sessions_have_names_of_their_own(house: House) -> None:
    clients = [house.client() for _ in range(3)]
    close(house, clients[0])
    clients.append(house.client())
    assert len({client.session.name for client in clients}) == 4


@pytest.mark.parametrize("how", ["greeted", "logged in", "logged out", "ended", "refused", "half logged in"])
async def test_the_counts_are_right_after_a_session_closed_in_any_state(how: str) -> None:
    async with limited(
        max_sessions=1, max_unauthenticated_sessions=1, max_sessions_per_user=1, max_sessions_per_address=1
    ) as house:
        for _ in range(3):
            client = house.client()
            login: asyncio.Task[Any] | None = None
            match how:
                case "logged in":
                    await client.log_in()
                    await client.command("SUBSCRIBE", symbols=["AAPL"])
                case "logged out":
                    await client.log_in()
                    await client.command("LOGOUT")
                case "ended":
                    client.session.end(SHUTDOWN)
                case "refused":
                    for _ in range(3):
                        await client.command("AUTH", username=USER, password="wrong")
                case "half logged in":
                    house.accounts.may_go_on.clear()
                    login = await soon(client.command("AUTH", username=USER, password=PASSWORD))
            refusal(house)
            close(house, client)
            close(house, client)
            if login is not None:
                house.accounts.may_go_on.set()
                await login
            assert client.session.state is SessionState.ENDED
            assert (len(house.sessions), house.sessions._unauthenticated) == (0, 0)
            assert (house.sessions._by_user, house.sessions._by_address) == ({}, {})
            assert house.board.watched() == []


# --- the deadline of the login ---


async def test_a_session_without_a_login_ends_after_its_time_whatever_trickles_in(house: House) -> None:
    client = house.client()
    for _ in range(29):
        await house.clock.advance(1)
        assert (await client.command("PING"))["code"] == 200
    assert client.is_open()
    client.connection.messages()
    await house.clock.advance(1)
    assert not client.is_open()
    [notice] = client.connection.messages()
    assert (notice["type"], notice["code"], notice["reason"]) == ("NOTICE", 401, "auth_timeout")
    assert client.connection.is_ended


async def test_wrong_passwords_do_not_make_the_time_for_a_login_longer(house: House) -> None:
    client = house.client()
    await house.clock.advance(29)
    await client.command("AUTH", username=USER, password="wrong")
    await house.clock.advance(1)
    assert not client.is_open()


async def test_a_login_in_time_has_no_deadline_any_more(house: House) -> None:
    client = house.client()
    await house.clock.advance(29)
    await client.log_in()
    await house.clock.advance(3_600)
    assert client.is_open()


async def test_a_client_is_not_closed_for_the_time_that_the_server_takes_for_its_login(house: House) -> None:
    client = house.client()
    await house.clock.advance(29)
    house.accounts.may_go_on.clear()
    login = await soon(client.command("AUTH", username=USER, password=PASSWORD))
    await house.clock.advance(59)
    house.accounts.may_go_on.set()
    assert (await login)["code"] == 200
    assert client.session.username == USER


async def test_the_servers_time_for_a_login_is_limited_too(house: House) -> None:
    client = house.client()
    await house.clock.advance(10)
    house.accounts.may_go_on.clear()
    login = await soon(client.command("AUTH", username=USER, password=PASSWORD))
    await house.clock.advance(MAX_KEPT_WAITING_SECONDS + 19)
    assert client.is_open()
    await house.clock.advance(1)
    house.accounts.may_go_on.set()
    assert await login == {}
    assert client.connection.messages()[-1]["reason"] == "auth_timeout"
    assert client.session.username is None


async def test_wrong_logins_that_take_the_server_long_win_no_more_than_its_time(house: House) -> None:
    client = house.client()
    for _ in range(2):
        house.accounts.may_go_on.clear()
        login = await soon(client.command("AUTH", username=USER, password="wrong"))
        await house.clock.advance(40)
        house.accounts.may_go_on.set()
        assert (await login)["reason"] == "bad_credentials"
    await house.clock.advance(9)
    assert client.is_open()
    await house.clock.advance(1)
    assert not client.is_open()


async def test_short_deadlines_are_looked_at_often_enough() -> None:
    async with limited(auth_timeout_seconds=0.4) as house:
        client = house.client()
        await house.clock.advance(0.3)
        assert client.is_open()
        await house.clock.advance(0.2)
        assert not client.is_open()


# --- slow clients ---


async def test_a_client_that_takes_nothing_is_told_and_aborted_and_the_others_see_nothing(house: House) -> None:
    slow, quick = await house.user(), await house.user()
    for client in (slow, quick):
        await client.command("SUBSCRIBE", symbols=["AAPL"], interval=0)
        client.connection.messages()
    await settle()
    slow.connection.stop_reading()
    for second in range(12):
        house.board.put([a_quote("AAPL", 100.0 + second)], house.clock.monotonic())
        await house.clock.advance(1)
    notices = slow.connection.of_type("NOTICE")
    assert [(notice["code"], notice["reason"]) for notice in notices] == [(500, "slow_client")]
    assert slow.connection.is_aborted
    assert not slow.is_open()
    assert quick.is_open()
    assert len(quick.connection.of_type("PRICE")) >= 11
    # What it could have been sent meanwhile was merged: one push waited, and the notice.
    assert len(slow.connection.writes) <= 5


async def test_a_client_that_takes_a_little_again_and_again_is_not_slow(house: House) -> None:
    user = await house.user()
    await user.command("SUBSCRIBE", symbols=["AAPL"], interval=1)
    user.connection.stop_reading()
    await house.clock.advance(2)
    for _ in range(10):
        await house.clock.advance(9)
        user.connection.read_a_little(1)
    assert user.is_open()
    await house.clock.advance(11)
    assert not user.is_open()


async def test_a_client_that_catches_up_starts_anew(house: House) -> None:
    user = await house.user()
    await user.command("SUBSCRIBE", symbols=["AAPL"], interval=1)
    for _ in range(5):
        user.connection.stop_reading()
        await house.clock.advance(9)
        user.connection.read_again()
        await house.clock.advance(1)
    assert user.is_open()


async def test_a_client_that_was_sent_nothing_is_not_slow(house: House) -> None:
    user = await house.user()
    user.connection.stop_reading()
    await house.clock.advance(25)
    assert user.is_open()


async def test_a_stranger_that_takes_nothing_is_slow_before_its_login_is_late(house: House) -> None:
    client = house.client()
    client.connection.stop_reading()
    await client.command("PING")
    await house.clock.advance(12)
    assert [message["reason"] for message in client.connection.of_type("NOTICE")] == ["slow_client"]


async def test_a_closed_session_leaves_nothing_of_its_slowness(house: House) -> None:
    user = await house.user()
    user.connection.stop_reading()
    await user.command("PING")
    await house.clock.advance(2)
    assert len(house.sessions._behind) == 1
    close(house, user)
    assert len(house.sessions._behind) == 0


# --- heartbeats ---


async def test_a_heartbeat_comes_after_silence_only(house: House) -> None:
    quiet, busy = await house.user(), await house.user()
    await busy.command("SUBSCRIBE", symbols=["AAPL"], interval=5)
    busy.connection.messages()
    await house.clock.advance(29)
    assert quiet.connection.messages() == []
    await house.clock.advance(1)
    assert [message["type"] for message in quiet.connection.messages()] == ["HEARTBEAT"]
    await house.clock.advance(60)
    assert [message["type"] for message in quiet.connection.messages()] == ["HEARTBEAT"] * 2
    assert {message["type"] for message in busy.connection.messages()} == {"PRICE"}


async def test_a_reply_puts_the_heartbeat_off(house: House) -> None:
    user = await house.user()
    await house.clock.advance(20)
    await user.command("PING")
    user.connection.messages()
    await house.clock.advance(29)
    assert user.connection.messages() == []
    await house.clock.advance(1)
    assert [message["type"] for message in user.connection.messages()] == ["HEARTBEAT"]


async def test_a_client_that_is_behind_gets_no_heartbeats_on_top() -> None:
    async with limited(slow_client_timeout_seconds=3_600) as house:
        user = await house.user()
        user.connection.stop_reading()
        await user.command("PING")
        await house.clock.advance(300)
        assert user.connection.of_type("HEARTBEAT") == []


async def test_a_session_that_ended_gets_nothing_any_more(house: House) -> None:
    user = await house.user()
    await user.command("LOGOUT")
    user.connection.messages()
    await house.clock.advance(300)
    assert user.connection.messages() == []


# --- the shutdown ---


async def test_a_shutdown_tells_everybody_whatever_they_are_doing(house: House) -> None:
    house.provider.script = "slow"
    stranger, idle, behind, busy = house.client(), await house.user(), await house.user(), await house.user()
    behind.connection.stop_reading()
    await behind.command("PING")
    open_command = await soon(busy.command("GET", symbols=["AAPL"]))
    clients = (stranger, idle, behind, busy)
    for client in clients:
        client.connection.messages()
    await house.sessions.end_all(SHUTDOWN)
    await house.clock.advance(10)
    assert await open_command == {}
    for client in clients:
        [notice] = client.connection.messages()
        assert (notice["type"], notice["code"], notice["status"]) == ("NOTICE", 501, "SERVER_SHUTDOWN")
        assert (notice["reason"], notice["retry_after_ms"]) == ("shutdown", 5_000)
        assert client.connection.is_ended


async def test_a_client_that_was_accepted_in_the_moment_of_the_shutdown_is_told_too(house: House) -> None:
    await house.sessions.end_all(SHUTDOWN)
    assert refusal(house) is SHUTDOWN
    assert len(house.sessions) == 0


async def test_a_thousand_sessions_are_told_and_nothing_is_left_when_they_closed(house: House) -> None:
    for _ in range(1_000):
        house.sessions.open(MemoryConnection(house.clock), address="192.0.2.1", door="memory")
    sessions = list(house.sessions)
    await house.sessions.end_all(SHUTDOWN)
    assert all(session.state is SessionState.ENDED for session in sessions)
    for session in sessions:
        house.sessions.close_session(session)
    assert (len(house.sessions), house.sessions._unauthenticated) == (0, 0)


async def test_close_ends_the_deadlines_and_leaves_no_task(house: House) -> None:
    client = house.client()
    await house.sessions.close()
    await house.clock.advance(3_600)
    assert client.is_open()
    assert [task.get_name() for task in asyncio.all_tasks() if "deadlines" in task.get_name()] == []


# --- what the feed tells ---


async def test_an_unknown_symbol_leaves_the_saved_list_of_a_user_once_however_many_sessions_had_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, tuple[str, ...]]] = []
    forget = house.accounts.forget

    async def counted(name: str, symbols: Any) -> None:
        asked.append((name, tuple(symbols)))
        await forget(name, symbols)

    monkeypatch.setattr(house.accounts, "forget", counted)
    house.provider.script = "fail"
    users = [await house.user() for _ in range(5)]
    other = await house.user("somebody")
    for user in users:
        await user.command("SUBSCRIBE", symbols=["NOPE", "NADA", "AAPL"])
    await other.command("SUBSCRIBE", symbols=["NADA"])
    house.provider.script = "good"
    await house.clock.advance(POLL_SECONDS * 2)
    assert sorted(asked) == [("somebody", ("NADA",)), (USER, ("NADA", "NOPE"))]
    assert [user.pushed() for user in (*users, other)] == [{"AAPL"}] * 5 + [set()]
    assert house.accounts.lists == {USER: ["AAPL"], "somebody": []}


async def test_an_unknown_symbol_that_cannot_be_taken_out_of_the_saved_list_is_logged(house: House) -> None:
    house.provider.script = "fail"
    user = await house.user()
    await user.command("SUBSCRIBE", symbols=["NOPE"])
    house.provider.script = "good"
    house.accounts.is_broken = True
    with capture_logs() as logs:
        await house.clock.advance(POLL_SECONDS * 2)
    assert "unknown symbols stay in a saved list" in [entry["event"] for entry in logs]
    assert (user.pushed(), user.is_open()) == (set(), True)


async def test_a_mistake_of_ours_in_a_task_is_logged(house: House) -> None:
    house.provider.script = "fail"
    user = await house.user()
    await user.command("SUBSCRIBE", symbols=["NOPE"])
    house.provider.script = "good"
    house.accounts.lists = None  # type: ignore[assignment] # a mistake
    with capture_logs() as logs:
        await house.clock.advance(POLL_SECONDS * 2)
    assert "a task of the sessions failed unexpectedly" in [entry["event"] for entry in logs]


# --- what fails in one session ---


class BrokenConnection(MemoryConnection):
    """A client whose connection has a mistake in it."""

    def __init__(self, clock: ManualClock, broken: str) -> None:
        super().__init__(clock)
        self.broken = broken

    def send(self, data: bytes) -> None:
        if self.broken == "send":
            raise KeyError("send")
        super().send(data)

    def unsent_bytes(self) -> int:
        if self.broken == "unsent_bytes":
            raise KeyError("unsent_bytes")
        return super().unsent_bytes()


@pytest.mark.parametrize("broken", ["send", "unsent_bytes"])
async def test_a_mistake_in_one_connection_ends_that_session_and_the_others_keep_their_deadlines(
    house: House, broken: str
) -> None:
    users = [await house.user() for _ in range(3)]
    connection = BrokenConnection(house.clock, "nothing")
    bad = house.sessions.open(connection, address="192.0.2.9", door="memory")
    after, stranger = await house.user(), house.client()
    connection.broken = broken
    with capture_logs() as logs:
        await house.clock.advance(60)
    assert [line["session"] for line in logs if line["log_level"] == "error"] == [bad.name]
    assert not bad.is_open
    assert connection.is_aborted or connection.is_ended
    assert [message["reason"] for message in stranger.connection.of_type("NOTICE")] == ["auth_timeout"]
    for user in (*users, after):
        assert [message["type"] for message in user.connection.messages()] == ["HEARTBEAT"] * 2
    assert house.sessions.supervisor.failures == Counter({"session": 1})
    assert house.sessions.supervisor.failing == ()


@pytest.mark.parametrize("what", ["tell", "end_all", "announce"])
async def test_a_mistake_in_one_connection_keeps_no_news_from_the_others(house: House, what: str) -> None:
    house.accounts.admins.add(USER)
    connection = BrokenConnection(house.clock, "nothing")
    bad = Client.__new__(Client)
    bad.connection = connection
    bad.session = house.sessions.open(connection, address="192.0.2.9", door="memory")
    await bad.log_in()
    other = await house.user()
    for client in (bad, other):
        await client.command("SUBSCRIBE", symbols=["AAPL"], interval=3_600)
        client.connection.messages()
    connection.broken = "send"
    match what:
        case "tell":
            house.provider.script = "fail"
            await house.clock.advance(POLL_SECONDS)
        case "end_all":
            await house.sessions.end_all(SHUTDOWN)
        case _:
            assert (await other.command("ANNOUNCE", text="Hello."))["recipients"] == 1
    told = {"tell": "provider_error", "end_all": "shutdown", "announce": "announcement"}
    assert [message["reason"] for message in other.connection.of_type("NOTICE")] == [told[what]]


@pytest.mark.parametrize("interval", [0, 1])
async def test_a_push_that_fails_by_a_mistake_of_ours_ends_the_session_with_a_word(
    house: House, interval: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, other = await house.user(), await house.user()
    for client in (user, other):
        await client.command("SUBSCRIBE", symbols=["AAPL"], interval=interval)
        client.connection.messages()
    await settle()
    broken = True

    async def drain() -> None:
        if broken:
            raise KeyError("drain")

    monkeypatch.setattr(user.connection, "drain", drain)
    house.provider.prices["AAPL"] = 111.0
    with capture_logs() as logs:
        await house.clock.advance(POLL_SECONDS)
        broken = False
        await house.clock.advance(POLL_SECONDS)
    [notice] = user.connection.of_type("NOTICE")
    assert (notice["code"], notice["reason"]) == (500, "internal_error")
    assert (user.is_open(), other.is_open()) == (False, True)
    assert house.sessions.supervisor.failures == Counter({"session": 1})
    [line] = [line for line in logs if line["log_level"] == "error"]
    assert isinstance(line["exc_info"], KeyError)


async def test_a_task_that_fails_is_started_again_and_deadlines_are_met(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def raises() -> None:
        raise KeyError("a mistake")

    stranger = house.client()
    with monkeypatch.context() as broken:
        broken.setattr(house.sessions, "check_deadlines", raises)
        await house.clock.advance(20)
        assert house.sessions.supervisor.failing == ("session deadlines",)
    await house.clock.advance(40)  # it waits for 16 s before its fifth start, give or take a fifth
    assert not stranger.is_open()


# --- walks give way ---


def many(house: House, count: int) -> list[Session]:
    clock = house.clock
    return [house.sessions.open(MemoryConnection(clock), address="192.0.2.1", door="memory") for _ in range(count)]


async def test_a_walk_gives_way_and_leaves_out_what_ended_and_what_came_meanwhile(house: House) -> None:
    sessions = many(house, 3 * SESSIONS_IN_A_ROW)
    turns = 0
    came: list[Session] = []

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            if turns == 1:
                house.sessions.close_session(sessions[-1])
                sessions[-2].end(SHUTDOWN)
                came.extend(many(house, 1))
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    seen = [session async for session in house.sessions.walk()]
    task.cancel()
    assert turns >= 3
    assert seen == sessions[:-2]
    assert came[0].is_open


@pytest.mark.parametrize("what", ["end_all", "deadlines", "tell", "announce", "page"])
async def test_what_goes_through_all_sessions_gives_way_to_others(house: House, what: str) -> None:
    house.accounts.admins.add(USER)
    user = await house.user()
    many(house, 5 * SESSIONS_IN_A_ROW)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    match what:
        case "end_all":
            await house.sessions.end_all(SHUTDOWN)
        case "deadlines":
            await house.sessions.check_deadlines()
        case "tell":
            await house.sessions._tell_all(FeedEvent(Event.RESTORED, frozenset({"AAPL"})))
        case "announce":
            await user.command("ANNOUNCE", text="Hello.")
        case _:
            await user.command("SESSIONS")
    task.cancel()
    assert turns >= 5


async def test_who_comes_while_all_are_ended_is_refused_and_who_was_there_is_told(house: House) -> None:
    sessions = many(house, 3 * SESSIONS_IN_A_ROW)
    ending = asyncio.create_task(house.sessions.end_all(SHUTDOWN))
    await asyncio.sleep(0)
    assert [sessions[0].is_open, sessions[-1].is_open] == [False, True]
    assert refusal(house) is SHUTDOWN
    await ending
    assert not any(session.is_open for session in sessions)


async def test_events_are_told_in_their_order(house: House) -> None:
    user = await house.user()
    await user.command("SUBSCRIBE", symbols=["AAPL"], interval=3_600)
    user.connection.messages()
    many(house, 2 * SESSIONS_IN_A_ROW)
    error = ProviderError(Reason.PROVIDER_ERROR, "The source is out of order.")
    house.sessions.tell(FeedEvent(Event.OUTAGE, frozenset({"AAPL"}), error))
    house.sessions.tell(FeedEvent(Event.RESTORED, frozenset({"AAPL"})))
    await settle()
    assert [notice["reason"] for notice in user.connection.of_type("NOTICE")] == ["provider_error", "provider_restored"]
