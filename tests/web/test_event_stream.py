"""`GET /api/v1/stream` over a real socket, on both event loops: prices as events, who may, and how it ends."""

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from bystander import Bystander
from certificates import trusting, write_certificate
from event_clients import PATH, Event, EventClient, event_client, token_of
from fakes import ScriptedStream
from live_server import PASSWORD, LiveServer, live_server, until
from patience import PATIENCE_SECONDS
from patient_http import patient_http
from stocktrack.clock import ManualClock, settle
from stocktrack.errors import Reason, SessionEnd
from stocktrack.sessions.open_sessions import LOGIN_LOOK_SECONDS
from stocktrack.sessions.session import Session
from stocktrack.web.event_stream import MAX_IGNORED_BYTES, MOST_SPREAD_MS, RETRY_MS, EventStream

FOREIGN = "https://desk.example"


@dataclass
class Scene:
    server: LiveServer
    market: ScriptedStream
    clock: ManualClock
    token: str

    async def moves(self) -> None:
        """The market moves, once it is watched."""
        while not self.market.is_streaming():
            await settle()
        self.market.deliver()

    @property
    def session(self) -> Session:
        """The only session."""
        (session,) = self.server.app.sessions
        return session

    async def until_nobody_is_there(self) -> None:
        await until(lambda: len(self.server.app.sessions) == 0)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    clock = ManualClock()
    market = ScriptedStream(clock)
    options: dict[str, Any] = {"max_symbols": 3, "allowed_origins": (FOREIGN,), "max_sessions_per_user": 4}
    async with live_server(tmp_path, market, clock=clock, web=True, **options) as server:
        yield Scene(server, market, clock, await token_of(server))


# --- what a stream says -------------------------------------------------------------------------------------------


async def test_the_current_prices_come_at_once_and_then_each_change_as_an_event_of_its_own(scene: Scene) -> None:
    async with event_client(scene.server, "symbols=AAPL,tsla", token=scene.token) as client:
        assert client.status == 200
        assert client.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert client.headers["cache-control"] == "no-store, no-transform"
        assert client.headers["x-accel-buffering"] == "no"
        assert client.headers["connection"] == "close"
        assert "transfer-encoding" not in client.headers
        first = await client.events(2)
        await scene.moves()
        then = await client.events(2)
    assert RETRY_MS <= (client.retry_ms or 0) < RETRY_MS + MOST_SPREAD_MS
    assert [event.symbol for event in (*first, *then)] == ["AAPL", "TSLA", "AAPL", "TSLA"]
    assert all((event.name, event.data["type"]) == ("", "PRICE") for event in first)
    instance = scene.server.app._instance
    assert [event.id for event in then] == [f"{instance}:{event.data['seq']}:{event.symbol}" for event in then]
    assert [event.data["seq"] for event in then] == [event.data["seq"] + 1 for event in first]
    await scene.until_nobody_is_there()


async def test_a_price_is_byte_for_byte_the_one_of_tcp(scene: Scene) -> None:
    tcp = await scene.server.log_in()
    await tcp.ask({"type": "SUBSCRIBE", "symbol": "AAPL", "interval": 0, "save": False})
    price = await tcp.receive()
    async with event_client(scene.server, token=scene.token) as client:
        while (line := await client.reader.readline()) and not line.startswith(b"data: "):
            pass
    assert json.loads(line.removeprefix(b"data: ")) == price
    assert b": " not in line.removeprefix(b"data: ")


async def test_symbols_may_stand_in_several_parameters_and_twice(scene: Scene) -> None:
    query = "symbols=AAPL&symbols=TSLA,%20AAPL,&interval=0"
    async with event_client(scene.server, f"{query}&token={scene.token}") as client:
        assert [event.symbol for event in await client.events(2)] == ["AAPL", "TSLA"]
        assert scene.session.symbols == ("AAPL", "TSLA")
        assert (scene.session.door, scene.session.username) == ("web", "ann")


async def test_with_an_interval_all_symbols_come_each_time(scene: Scene) -> None:
    async with event_client(scene.server, "symbols=AAPL,TSLA&interval=5", token=scene.token) as client:
        first = await client.events(2)
        await scene.clock.advance(5)
        assert [event.id for event in await client.events(2)] == [event.id for event in first]


async def test_nothing_is_saved(scene: Scene) -> None:
    async with event_client(scene.server, token=scene.token) as client:
        await client.event()
    assert await scene.server.app._store.saved("ann") == ()


async def test_a_quiet_stream_has_comments_as_heartbeats(scene: Scene) -> None:
    async with event_client(scene.server, "symbols=AAPL&interval=3600", token=scene.token) as client:
        await client.event()
        await scene.clock.advance(31)
        event = await client.event()
    assert (event.comment, event.data) == ("heartbeat", {})


async def test_an_unknown_symbol_is_told_and_the_others_go_on(scene: Scene) -> None:
    async with event_client(scene.server, "symbols=NOPE,AAPL", token=scene.token) as client:
        notice, price = await client.events(2)
    assert (notice.name, notice.data["code"], notice.data["symbols"]) == ("notice", 404, ["NOPE"])
    assert notice.data["reason"] == "unknown_symbol"
    assert price.symbol == "AAPL"


async def test_a_symbol_whose_source_is_down_begins_later(scene: Scene) -> None:
    scene.market.script = "fail"
    async with event_client(scene.server, token=scene.token) as client:
        assert client.status == 200
        scene.market.script = "good"
        for _ in range(120):
            await scene.clock.advance(1)
            if scene.server.app.board.quote("AAPL") is not None:
                break
        event = await client.event()
        while event.name == "notice" or event.comment:
            event = await client.event()
    assert event.symbol == "AAPL"


async def test_an_outage_and_its_end_are_notices(scene: Scene) -> None:
    async with event_client(scene.server, token=scene.token) as client:
        await client.event()
        await scene.moves()
        await client.event()
        scene.market.script = "fail"
        scene.market.break_off()
        events: list[Event] = []
        while not any(event.name == "notice" for event in events):
            advancing = asyncio.create_task(scene.clock.advance(30))
            events.append(await client.event())
            await advancing
        scene.market.script = "good"
        reasons = [event.data["reason"] for event in events if event.name == "notice"]
        while "provider_restored" not in reasons:
            advancing = asyncio.create_task(scene.clock.advance(30))
            event = await client.event()
            await advancing
            reasons += [event.data["reason"]] if event.name == "notice" else []
    assert reasons == ["provider_error", "provider_restored"]


async def test_announcements_are_notices_and_what_others_say_is_not_heard(tmp_path: Path) -> None:
    clock = ManualClock()
    async with live_server(tmp_path, ScriptedStream(clock), clock=clock, web=True, chat=True) as server:
        token = await token_of(server)
        await server.app.accounts.set_admin("ann", True)
        ann = await server.log_in()
        async with event_client(server, token=token) as client:
            await client.event()
            assert (await ann.ask({"type": "SAY", "text": "What a day!"}))["code"] == 200
            assert (await ann.ask({"type": "ANNOUNCE", "text": "Noon."}))["code"] == 200
            event = await client.event()
    assert (event.name, event.data["reason"], event.data["message"]) == ("notice", "announcement", "Noon.")


# --- coming back --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["the header", "the parameter of a stand-in"])
async def test_who_comes_back_gets_the_current_prices_but_for_the_one_that_is_certainly_known(
    scene: Scene, by: str
) -> None:
    async with event_client(scene.server, "symbols=AAPL,TSLA", token=scene.token) as client:
        _, last = await client.events(2)
    headers = {"Last-Event-ID": last.id} if by == "the header" else {}
    query = "symbols=TSLA,AAPL" if headers else f"symbols=TSLA,AAPL&lastEventId={last.id}"
    async with event_client(scene.server, query, token=scene.token, headers=headers) as client:
        assert (await client.event()).symbol == "AAPL"
        await scene.moves()
        assert sorted(event.symbol for event in await client.events(2)) == ["AAPL", "TSLA"]


async def test_a_price_of_another_board_is_sent_again_because_its_seq_does_not_tell_whether_it_is_stale(
    scene: Scene,
) -> None:
    async with event_client(scene.server, "symbols=AAPL&interval=3600", token=scene.token) as client:
        await client.event()
        board = scene.server.app.board
        quote = board.quote("AAPL")
        assert quote is not None
        relayed = quote.model_copy(update={"seq": 70, "price": 1.0})
        board.put([relayed], scene.clock.monotonic())
        headers = {"Last-Event-ID": f"{scene.server.app._instance}:70:AAPL"}
        async with event_client(scene.server, "symbols=AAPL&interval=3600", token=scene.token, headers=headers) as back:
            assert (await back.event()).id == headers["Last-Event-ID"]


@pytest.mark.parametrize("last_id", ["ffffff:1:AAPL", "x" * 5_000, "é", "'; DROP TABLE", "0", ":::"])
async def test_an_id_of_another_run_or_none_at_all_brings_every_price(scene: Scene, last_id: str) -> None:
    async with event_client(scene.server, token=scene.token, headers={"Last-Event-ID": last_id}) as client:
        assert (await client.event()).symbol == "AAPL"


async def test_a_shutdown_is_a_notice_with_the_time_to_come_back_and_the_stream_ends(scene: Scene) -> None:
    async with event_client(scene.server, token=scene.token) as client:
        await client.event()
        closing = asyncio.create_task(scene.server.app.close())
        (end,) = await client.rest()
        client.close()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await closing
    assert (end.name, end.data["code"], end.data["reason"]) == ("notice", 501, "shutdown")
    assert 1_000 <= (client.retry_ms or 0) < 1_000 + MOST_SPREAD_MS


async def test_a_browser_that_comes_while_the_server_stops_is_let_come_back_and_a_program_gets_a_503(
    scene: Scene,
) -> None:
    why = SessionEnd(Reason.SHUTDOWN, "The server is stopping.", retry_after_ms=1_000)
    await scene.server.app.sessions.end_all(why)
    async with event_client(scene.server, token=scene.token, headers={"Accept": "text/event-stream"}) as client:
        assert client.status == 200
        (end,) = await client.rest()
    assert 1_000 <= (client.retry_ms or 0) < 1_000 + MOST_SPREAD_MS
    assert (end.name, end.data["reason"]) == ("notice", "shutdown")
    async with event_client(scene.server, token=scene.token, headers={"Accept": "*/*"}) as client:
        assert (client.status, client.headers["retry-after"]) == (503, "1")
        assert (await client.problem())["reason"] == "shutdown"


async def test_a_revoked_token_ends_the_stream_and_is_refused_when_the_browser_comes_back(scene: Scene) -> None:
    async with event_client(scene.server, token=scene.token) as client:
        await client.event()
        await scene.server.app.accounts.revoke_tokens("ann")
        await scene.clock.advance(LOGIN_LOOK_SECONDS + 0.1)
        (end,) = await client.rest()
    assert (end.data["code"], end.data["reason"]) == (401, "not_authenticated")
    async with event_client(scene.server, token=scene.token) as client:
        assert client.status == 401


async def test_a_browser_that_was_kicked_is_told_not_to_come_back(tmp_path: Path) -> None:
    clock = ManualClock()
    async with live_server(tmp_path, ScriptedStream(clock), clock=clock, web=True) as server:
        token = await token_of(server)
        await server.app.accounts.set_admin("ann", True)
        ann = await server.log_in()
        async with event_client(server, token=token) as client:
            await client.event()
            listed = (await ann.ask({"type": "SESSIONS"}))["sessions"]
            (name,) = [each["session"] for each in listed if each["door"] == "web"]
            assert (await ann.ask({"type": "KICK", "session": name}))["code"] == 200
            (end,) = await client.rest()
        assert end.data["reason"] == "not_permitted"
        for headers, query in (({"Last-Event-ID": end.id}, ""), ({}, f"&lastEventId={end.id}")):
            async with event_client(server, f"symbols=AAPL{query}", token=token, headers=headers) as client:
                assert client.status == 204
                assert "content-length" not in client.headers
                assert await client.reader.read() == b""


# --- who may, and what for ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "status", "reason", "names"),
    [
        ("", 400, "invalid_command", "'symbols' is missing"),
        ("symbols=", 400, "invalid_command", "'symbols' is missing"),
        ("symbols=,%20,", 400, "invalid_command", "'symbols' is missing"),
        ("symbols=A%20B", 400, "invalid_command", "'A B' is not a symbol"),
        ("symbols=AAPL&interval=soon", 400, "invalid_command", "'soon', which is no number"),
        ("symbols=AAPL&interval=nan", 400, "invalid_command", "'interval'"),
        ("symbols=AAPL&interval=-1", 400, "invalid_command", "0.1 to 3600"),
        ("symbols=AAPL&interval=5&interval=6", 400, "invalid_command", "'interval' stands twice"),
        ("symbol=AAPL", 400, "invalid_command", "no parameter 'symbol'"),
        ("symbols=A,B,C,D", 400, "symbol_limit", "3"),
        ("symbols=AAPL&" + "&".join(["symbols=AAPL"] * 1_100), 400, "invalid_command", "1024 parameters"),
        ("symbols=NOPE", 404, "unknown_symbol", "NOPE"),
    ],
)
async def test_what_cannot_be_streamed_is_a_problem_before_the_stream_begins(
    scene: Scene, query: str, status: int, reason: str, names: str
) -> None:
    async with event_client(scene.server, query, token=scene.token) as client:
        problem = await client.problem()
    assert (client.status, problem["reason"]) == (status, reason)
    assert names in problem["detail"]
    await scene.until_nobody_is_there()


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


async def test_a_name_and_a_password_will_do_and_so_will_the_users_own_token_in_its_place(scene: Scene) -> None:
    for password in (PASSWORD, scene.token):
        async with event_client(scene.server, headers=basic("ann", password)) as client:
            assert (client.status, (await client.event()).symbol) == (200, "AAPL")
            assert scene.session.username == "ann"
        await scene.until_nobody_is_there()
    async with event_client(scene.server, headers=basic("bob", scene.token)) as client:
        assert (client.status, client.headers["www-authenticate"]) == (401, "Bearer")


async def test_a_wrong_password_is_counted_and_logged_once_and_never_written(scene: Scene) -> None:
    with capture_logs() as logs:
        async with event_client(scene.server, headers=basic("ann", "wrong SeCrEt")) as client:
            assert (await client.problem())["reason"] == "bad_credentials"
    told = [line for line in logs if line["event"] == "login_failed"]
    assert [(line["door"], line["user"]) for line in told] == [("web", "ann")]
    assert "SeCrEt" not in str(logs)


@pytest.mark.parametrize(
    "told", [{"Sec-Fetch-Site": "cross-site"}, {"Referer": "https://evil.example/"}, {"Origin": "https://evil.example"}]
)
async def test_a_page_of_another_site_gets_no_stream_for_the_password_that_its_browser_remembers(
    scene: Scene, told: dict[str, str]
) -> None:
    async with event_client(scene.server, headers={**basic("ann", PASSWORD), **told}) as client:
        assert (client.status, (await client.problem())["reason"]) == (403, "not_permitted")


async def test_a_head_takes_the_logins_that_a_get_takes(scene: Scene) -> None:
    for query, headers, status in (
        (f"symbols=AAPL&token={scene.token}", {}, 200),
        ("symbols=AAPL", basic("ann", PASSWORD), 200),
        ("symbols=AAPL&token=wrong", {}, 401),
        ("symbols=AAPL", {}, 401),
    ):
        async with event_client(scene.server, query, headers=headers, method="HEAD") as client:
            assert client.status == status
            # What never ends has no length, not even 0.
            assert ("content-length" in client.headers) is (status != 200)


async def test_a_token_in_the_address_counts_before_a_password_that_is_meant_for_a_proxy(scene: Scene) -> None:
    query = f"symbols=AAPL&token={scene.token}"
    async with event_client(scene.server, query, headers=basic("proxy", "its password")) as client:
        assert (client.status, (await client.event()).symbol) == (200, "AAPL")


async def test_a_name_of_the_allowlist_is_no_login_of_a_stream(tmp_path: Path) -> None:
    clock = ManualClock()
    async with (
        live_server(tmp_path, ScriptedStream(clock), clock=clock, web=True, allowlist=("guest",)) as server,
        event_client(server, headers=basic("guest", "anything")) as client,
    ):
        assert (client.status, (await client.problem())["reason"]) == (401, "bad_credentials")


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer wrong", "Basic YW5uOng=", "Bearer é"])
async def test_without_a_right_token_there_is_a_401(scene: Scene, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    async with event_client(scene.server, headers=headers) as client:
        assert (await client.problem())["status"] == 401
        assert client.headers["www-authenticate"] == "Bearer"
    await scene.until_nobody_is_there()


async def test_a_token_in_the_address_is_never_logged(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as entries:
        for query in ("symbols=AAPL", "symbols=NOPE", "symbols", "sym=1"):
            async with event_client(scene.server, f"{query}&token={scene.token}") as client:
                assert client.status in {200, 400, 404}
        async with event_client(scene.server, f"symbols=AAPL&token={scene.token}x") as client:
            assert client.status == 401
    assert scene.token not in str(entries) + "".join(record.getMessage() for record in caplog.records)


async def test_one_session_too_many_of_a_user_or_of_the_server_is_a_503_also_for_a_browser(
    scene: Scene, tmp_path: Path
) -> None:
    headers = {"Accept": "text/event-stream"}
    for _ in range(4):
        await scene.server.log_in()
    async with event_client(scene.server, token=scene.token, headers=headers) as client:
        assert (client.status, (await client.problem())["reason"]) == (503, "session_limit")
        assert client.headers["retry-after"] == "5"
    clock = ManualClock()
    async with live_server(
        tmp_path / "full", ScriptedStream(clock), clock=clock, web=True, max_sessions=1, users=("ann",)
    ) as server:
        token = await token_of(server)
        await until(lambda: len(server.app.sessions) == 0)
        await server.connect()
        async with event_client(server, token=token, headers=headers) as client:
            assert (client.status, (await client.problem())["reason"]) == (503, "session_limit")


async def test_pages_of_other_sites_are_refused_and_those_of_allowed_ones_may_read(scene: Scene) -> None:
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        async with event_client(scene.server, token=scene.token, headers={"Origin": origin}) as client:
            assert (client.status, (await client.problem())["reason"]) == (403, "not_permitted")
            assert "access-control-allow-origin" not in client.headers
    for origin in (FOREIGN, scene.server.web_url):
        async with event_client(scene.server, token=scene.token, headers={"Origin": origin}) as client:
            assert client.status == 200
            assert client.headers["access-control-allow-origin"] == origin
            assert client.headers["vary"] == "origin"
    async with event_client(scene.server, headers={"Origin": FOREIGN}) as client:
        # The page may read why it was refused, too.
        assert (client.status, client.headers["access-control-allow-origin"]) == (401, FOREIGN)


async def test_a_head_is_told_how_it_would_be_answered_and_other_methods_are_not_there(scene: Scene) -> None:
    async with patient_http(base_url=scene.server.web_url) as http:
        assert (await http.post(PATH)).status_code == 405
        answer = await http.get("/openapi.json")
    operation = answer.json()["paths"][PATH]["get"]
    assert list(operation["responses"]["200"]["content"]) == ["text/event-stream"]
    names = {parameter["name"] for parameter in operation["parameters"]}
    assert names == {"symbols", "interval", "token", "lastEventId", "Last-Event-ID"}


async def test_a_request_for_another_host_is_misdirected(scene: Scene) -> None:
    async with event_client(scene.server, token=scene.token, headers={"Host": "evil.example"}) as client:
        assert client.status == 421


# --- clients that are not what they should be ---------------------------------------------------------------------


async def test_a_client_of_http_1_0_gets_the_same(scene: Scene) -> None:
    async with event_client(scene.server, token=scene.token, version="1.0") as client:
        assert (client.status, (await client.event()).symbol) == (200, "AAPL")


@pytest.mark.parametrize(
    "behind", [b"a body", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 20, b"\0" * 10_000], ids=["body", "requests", "zeros"]
)
async def test_what_comes_behind_the_request_is_not_looked_at(scene: Scene, behind: bytes) -> None:
    headers = {"Content-Length": str(len(behind))} if behind == b"a body" else {}
    async with event_client(scene.server, token=scene.token, behind=behind, headers=headers) as client:
        assert (await client.event()).symbol == "AAPL"
        client.writer.write(b"more")
        await scene.moves()
        assert (await client.event()).symbol == "AAPL"


async def test_a_client_that_sends_without_end_is_closed(scene: Scene) -> None:
    bystander = await Bystander.join(scene.server, scene.market)
    async with event_client(scene.server, token=scene.token) as client:
        await client.event()
        client.writer.write(b"x" * (MAX_IGNORED_BYTES + 1))
        await until(lambda: len(scene.server.app.sessions) == 1)
    await bystander.sees_the_next_price()


async def test_a_client_that_closes_its_side_gets_what_there_is_and_leaves_no_session(scene: Scene) -> None:
    async with event_client(scene.server, token=scene.token) as client:
        client.writer.write_eof()
        assert [event.symbol for event in await client.rest()] == ["AAPL"]
    await scene.until_nobody_is_there()


async def test_a_client_that_closes_its_side_with_the_request_is_still_answered(scene: Scene) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(scene.server.web_url.rpartition(":")[2]))
    request = f"GET {PATH}?symbols=AAPL&token={scene.token} HTTP/1.1\r\nHost: localhost\r\n\r\n"
    writer.write(request.encode())
    writer.write_eof()
    client = EventClient(reader, writer)
    await client.read_head()
    assert [event.symbol for event in await client.rest()] == ["AAPL"]
    client.close()
    await scene.until_nobody_is_there()


async def test_a_client_that_vanishes_leaves_no_session_and_no_symbol_is_watched(scene: Scene) -> None:
    async with event_client(scene.server, token=scene.token) as client:
        await client.event()
        assert scene.server.app.board.watched() == ["AAPL"]
    await scene.until_nobody_is_there()
    assert scene.server.app.board.watched() == []


async def test_a_stream_takes_no_slot_of_the_connections_that_are_no_sessions(scene: Scene) -> None:
    web = scene.server.web._servers[0][0]
    async with event_client(scene.server, token=scene.token) as client:
        await client.event()
        assert not web._connections


async def test_a_stream_may_follow_other_requests_on_a_connection(scene: Scene) -> None:
    async with event_client(scene.server, method="HEAD", version="1.1") as client:
        request = f"GET {PATH}?symbols=AAPL&token={scene.token} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        client.writer.write(request.encode())
        await client.read_head()
        assert (client.status, (await client.event()).symbol) == (200, "AAPL")


async def test_a_client_that_stops_reading_is_closed_its_memory_is_bounded_and_the_others_see_no_gap(
    tmp_path: Path,
) -> None:
    clock = ManualClock()
    market = ScriptedStream(clock)
    market.prices.update({f"S{number:03}": 10.0 for number in range(400)})
    async with live_server(tmp_path, market, clock=clock, web=True, max_symbols=1_000) as server:
        bystander = await Bystander.join(server, market)
        token = await token_of(server)
        symbols = ",".join(f"S{number:03}" for number in range(400))
        async with event_client(server, f"symbols={symbols}", token=token) as client:
            client.writer.transport.pause_reading()  # type: ignore[attr-defined] # it is a read transport as well
            connection = next(session.connection for session in server.app.sessions if session.door == "web")
            assert isinstance(connection, EventStream)
            while not connection.unsent_bytes():
                await bystander.sees_the_next_price()
            for _ in range(30):
                await bystander.sees_the_next_price()
            assert connection._transport.get_write_buffer_size() <= 65_536 + 400 * 400
            for _ in range(60):
                if len(server.app.sessions) == 1:
                    break
                await clock.advance(1)
                await bystander.sees_the_next_price()
            assert [session.door for session in server.app.sessions] == ["tcp"]


async def test_over_tls_it_is_the_same(tmp_path: Path) -> None:
    clock = ManualClock()
    market = ScriptedStream(clock)
    async with live_server(tmp_path, market, clock=clock, web=True, **write_certificate(tmp_path)) as server:
        token = await token_of(server)
        async with event_client(server, token=token, tls=trusting()) as client:
            assert (await client.event()).symbol == "AAPL"
            while not market.is_streaming():
                await settle()
            market.deliver()
            assert (await client.event()).symbol == "AAPL"
            async with event_client(server, token=token, tls=trusting()) as other:
                other.writer.close()  # as a browser does: a goodbye of TLS, and the end
                await until(lambda: len(server.app.sessions) == 1)
            closing = asyncio.create_task(server.app.close())
            (end,) = await client.rest()
            client.close()
            await closing
    assert end.data["code"] == 501


async def test_a_failing_answer_while_logging_in_is_told(scene: Scene) -> None:
    async with event_client(scene.server, f"symbols=AAPL&token={'x' * 3_000}") as client:
        assert (await client.problem())["status"] == 400
    assert PASSWORD not in str(client.headers)
