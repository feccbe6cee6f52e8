"""What alerts have to say comes to all sessions of the user, to who was away on coming back, and to nobody else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from alert_outbox import FaultyAlerts
from fakes import NOW_MS, PASSWORD, USER, Client, House, Message, a_house
from stocktrack.alerting import AlertState, AlertWhen
from stocktrack.clock import end
from stocktrack.errors import StorageError
from stocktrack.sessions.alert_words import LOOK_SECONDS, STAYING_SECONDS, AlertWords
from stocktrack.sessions.contracts import REST_DOOR
from stocktrack.storage.alerts import SESSIONS, Fired, NewAlert, Outcome, Word
from stocktrack.storage.store import Store
from stores import add, opened

OTHER = "ann"
BODY = (
    '{"id":"%s","alert":"a1","symbol":"AAPL","when":"above","value":200.0,"price":201.0,"currency":"USD",'
    '"timestamp":1712331899000,"message":"AAPL 201.00 USD is above 200.","username":"yosakorn"}'
)


@dataclass
class Server:
    """One of the servers of a database: its sessions, and what tells them."""

    house: House
    stored: FaultyAlerts
    words: AlertWords

    async def look(self) -> None:
        await self.words.look()

    async def pass_time(self, seconds: float, *also: "Server") -> None:
        """Let time pass, with looks at the pace of the real ones; `also` at other servers."""
        for _ in range(round(seconds / LOOK_SECONDS)):
            for server in (self, *also):
                await server.house.clock.advance(LOOK_SECONDS)
                await server.look()


@asynccontextmanager
async def a_server(store: Store, *, others: bool = False) -> AsyncIterator[Server]:
    async with a_house() as house:
        house.accounts.passwords |= {USER: PASSWORD, OTHER: PASSWORD}
        stored = FaultyAlerts(store)
        yield Server(house, stored, AlertWords(stored, house.sessions, house.clock, others=others))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with opened(tmp_path / "stocktrack.db") as store:
        await add(store, USER, OTHER)
        yield store


@pytest.fixture
async def server(store: Store) -> AsyncIterator[Server]:
    async with a_server(store) as server:
        yield server


async def fire(server: Server, *names: str, username: str = USER, body: str = BODY, due_in_ms: int = 0) -> None:
    now_ms = server.house.clock.now_ms()
    alert = await server.stored.add(username, NewAlert("AAPL", AlertWhen.ABOVE, 200.0), limit=99, now_ms=now_ms)
    words = [Word(name, SESSIONS, body.replace("%s", name), now_ms + due_in_ms) for name in names]
    fired = Fired(alert.id, 0, 1, AlertState.FIRED, now_ms, "AAPL 201.00 USD is above 200.", words)
    assert await server.stored.write(Outcome([fired]), now_ms) == []


def heard(client: Client) -> list[str]:
    """The ids of what a client was told since this was asked last."""
    return [notice["delivery"] for notice in client.connection.of_type("NOTICE")]


async def waiting(server: Server) -> list[str]:
    """What is still to be told, whenever."""
    found = await server.stored.waiting_for((USER, OTHER), server.house.clock.now_ms() + 10**12)
    return [word.delivery_id for word in found]


async def test_all_sessions_of_the_user_are_told_at_once_and_nobody_else(server: Server) -> None:
    one, two, other = await server.house.user(), await server.house.user(), await server.house.user(OTHER)
    stranger = server.house.client()
    for client in (one, two, other, stranger):
        client.connection.messages()
    await fire(server, "d1")
    await server.look()
    [notice] = one.connection.of_type("NOTICE")
    expected: Message = {
        "type": "NOTICE",
        "code": 100,
        "reason": "alert",
        "symbols": ["AAPL"],
        "message": "AAPL 201.00 USD is above 200.",
        "alert": "a1",
        "delivery": "d1",
        "timestamp": 1_712_331_899_000,
    }
    assert {name: notice[name] for name in expected} == expected
    assert (heard(two), heard(other), heard(stranger)) == (["d1"], [], [])
    assert await waiting(server) == []
    await server.pass_time(20)
    assert (heard(one), heard(two)) == ([], [])
    assert server.words.told == 1


async def test_a_session_of_rest_hears_nothing_and_does_not_count_as_somebody(server: Server) -> None:
    rest = Client.__new__(Client)
    rest.connection = server.house.client().connection
    rest.session = server.house.sessions.open(rest.connection, address="192.0.2.1", door=REST_DOOR)
    await rest.log_in()
    await fire(server, "d1")
    await server.pass_time(20)
    assert heard(rest) == []
    assert await waiting(server) == ["d1"]
    user = await server.house.user()
    await server.pass_time(STAYING_SECONDS + 1)
    assert (heard(user), heard(rest)) == (["d1"], [])


@pytest.mark.parametrize("away_seconds", [3, 15, 4_000])
async def test_who_was_away_is_told_on_coming_back_and_staying(server: Server, away_seconds: int) -> None:
    await fire(server, "d1", "d2")
    await fire(server, "others", username=OTHER)
    await server.pass_time(min(away_seconds, 15))
    if away_seconds > 15:
        server.house.clock.stand_still(away_seconds)
        await server.look()
    user = await server.house.user()
    await server.look()
    assert heard(user) == []
    await server.pass_time(STAYING_SECONDS + LOOK_SECONDS)
    assert heard(user) == ["d1", "d2"]
    await server.pass_time(30)
    assert heard(user) == []
    assert await waiting(server) == ["others"]


async def test_a_session_that_is_over_in_a_moment_does_not_take_what_the_user_has_not_seen(server: Server) -> None:
    await fire(server, "d1")
    await server.pass_time(20)
    for _ in range(3):
        moment = await server.house.user()
        await server.pass_time(1)
        await moment.command("LOGOUT")
        server.house.sessions.close_session(moment.session)
        await server.pass_time(1)
        assert heard(moment) == []
    assert await waiting(server) == ["d1"]
    stays = await server.house.user()
    await server.pass_time(3)
    assert heard(stays) == ["d1"]


async def test_a_session_that_is_new_hears_what_fires_now(server: Server) -> None:
    user = await server.house.user()
    await fire(server, "d1")
    await server.look()
    assert heard(user) == ["d1"]


async def test_words_of_quiet_hours_are_told_at_their_end_whether_the_user_came_before_or_not(server: Server) -> None:
    before = await server.house.user()
    await fire(server, "d1", due_in_ms=60_000)
    await server.pass_time(30)
    late = await server.house.user()
    await server.pass_time(29.5)
    assert (heard(before), heard(late)) == ([], [])
    await server.pass_time(1)
    assert (heard(before), heard(late)) == (["d1"], ["d1"])


async def test_a_user_with_sessions_at_several_servers_is_told_at_each_and_once(store: Store) -> None:
    async with a_server(store, others=True) as one, a_server(store, others=True) as two:
        here, there = await one.house.user(), await two.house.user()
        await fire(one, "d1")
        await one.look()
        await two.pass_time(1, one)
        assert (heard(here), heard(there)) == (["d1"], ["d1"])
        await one.pass_time(20, two)
        assert (heard(here), heard(there)) == ([], [])
        assert await waiting(one) == []


async def test_a_server_without_the_user_leaves_a_word_of_quiet_hours_to_the_one_that_has_the_user(
    store: Store,
) -> None:
    async with a_server(store, others=True) as empty, a_server(store, others=True) as one:
        user = await one.house.user()
        await fire(one, "d1", due_in_ms=60_000)
        await empty.pass_time(60, one)
        await empty.pass_time(0.5)
        await empty.pass_time(1, one)
        assert heard(user) == ["d1"]


async def test_what_was_put_off_is_told_once_by_several_servers_too(store: Store) -> None:
    async with a_server(store, others=True) as one, a_server(store, others=True) as two:
        await fire(one, "d1")
        await one.pass_time(11, two)
        user = await one.house.user()
        await one.pass_time(60, two)
        assert heard(user) == ["d1"]
        assert await waiting(one) == []


async def test_a_session_whose_connection_fails_has_not_heard_it(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await server.house.user()

    def fails(data: bytes) -> None:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patched, capture_logs() as logs:
        patched.setattr(user.connection, "send", fails)
        await fire(server, "d1")
        await server.look()
        assert await waiting(server) == ["d1"]
    assert [entry["event"] for entry in logs] == ["telling an alert to a session failed unexpectedly"]
    await server.pass_time(1)
    assert heard(user) == ["d1"]


async def test_one_session_that_fails_keeps_it_from_no_other(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, well = await server.house.user(), await server.house.user()

    def fails(data: bytes) -> None:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patched:
        patched.setattr(broken.connection, "send", fails)
        await fire(server, "d1")
        await server.look()
    assert heard(well) == ["d1"]
    assert await waiting(server) == []


@pytest.mark.parametrize("body", ["", "{}", "[]", "null", '{"symbol":"AAPL","message":7,"alert":null,"timestamp":"x"}'])
async def test_what_cannot_be_read_is_told_as_such_and_keeps_nothing_else(server: Server, body: str) -> None:
    user = await server.house.user()
    await fire(server, "bad", body=body)
    await fire(server, "good")
    with capture_logs() as logs:
        await server.look()
    notices = user.connection.of_type("NOTICE")
    assert sorted(notice["delivery"] for notice in notices) == ["bad", "good"]
    assert "cannot be read" in next(notice["message"] for notice in notices if notice["delivery"] == "bad")
    assert [entry["event"] for entry in logs] == ["an alert in the database cannot be read"]
    assert await waiting(server) == []


async def test_what_nobody_came_for_in_a_week_is_not_told_any_more(server: Server) -> None:
    await fire(server, "d1")
    for _ in range(24 * 7 + 2):
        server.house.clock.stand_still(3_600)
        await server.look()
    assert await waiting(server) == []


async def test_a_database_that_fails_is_told_of_once_and_what_it_has_is_told_after(server: Server) -> None:
    user = await server.house.user()
    await fire(server, "d1")
    server.stored.faults.is_failing = True
    with capture_logs() as logs:
        running = asyncio.create_task(server.words.run())
        try:
            await server.stored.pass_time(server.house.clock, 5)
            assert heard(user) == []
            server.stored.faults.is_failing = False
            await server.stored.pass_time(server.house.clock, 2)
            assert heard(user) == ["d1"]
        finally:
            await end(running)
    assert [entry["event"] for entry in logs] == ["what alerts have to say cannot be read; it is tried again"]


async def test_a_settlement_that_fails_has_it_told_no_second_time(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await server.house.user()
    await fire(server, "d1")

    async def fails(*_: Any) -> None:
        raise StorageError("The database is away.")

    with monkeypatch.context() as patched:
        patched.setattr(server.stored, "settle", fails)
        for _ in range(3):
            with pytest.raises(StorageError):
                await server.look()
    assert heard(user) == ["d1"]
    await server.pass_time(2)
    assert heard(user) == []
    assert await waiting(server) == []


async def test_words_of_many_who_are_away_keep_nobody_waiting(server: Server) -> None:
    user = await server.house.user()
    await fire(server, *(f"away{number:05}" for number in range(2_500)), username=OTHER)
    await fire(server, "d1")
    await server.look()
    assert heard(user) == ["d1"]
    assert server.house.clock.now_ms() == NOW_MS


async def test_who_comes_back_to_more_than_is_read_at_once_is_told_all_of_it_and_so_is_who_comes_at_the_same_time(
    server: Server,
) -> None:
    """As after a restart of the server, when everybody comes back at once."""
    many = [f"a{number:05}" for number in range(2_500)]
    await fire(server, *many, username=OTHER)
    await fire(server, "mine")
    for _ in range(2):  # nobody comes: they are put off, for longer each time
        await server.pass_time(15)
    server.house.clock.stand_still(60)
    await server.look()
    user, other = await server.house.user(), await server.house.user(OTHER)
    await server.pass_time(STAYING_SECONDS + LOOK_SECONDS)
    assert (heard(user), heard(other)) == (["mine"], many)
    assert await waiting(server) == []
