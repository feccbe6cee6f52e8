"""The TCP door over real sockets: framing, the order of what is sent, time limits, slow clients, and the closing."""

import asyncio
import fcntl
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

import stocktrack.app
from bystander import Bystander
from fakes import ScriptedProvider, ScriptedStream
from live_server import PASSWORD, Line, LiveServer, RawClient, live_server, until
from patience import PATIENCE_SECONDS
from stocktrack.clock import ManualClock
from stocktrack.doors.line_stream import PIECE_BYTES
from stocktrack.errors import ConfigError
from stocktrack.providers.base import Capability
from stocktrack.server import TcpConnection

AUTH = {"type": "AUTH", "id": "a", "username": "ann", "password": PASSWORD}


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[list[EventDict]]:
    """No test leaves a task or a complaint: of the event loop, or an error in the log."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    with capture_logs() as logs:
        yield logs
    await asyncio.sleep(0)
    assert asyncio.all_tasks() - {asyncio.current_task()} == set()
    assert complaints == []
    assert [entry for entry in logs if entry["log_level"] in {"error", "critical"}] == []


@dataclass(frozen=True, slots=True)
class Scene:
    """A server on a scripted market that moves when it is told to, and everything else from a second source."""

    server: LiveServer
    clock: ManualClock
    market: ScriptedStream
    others: ScriptedProvider


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    clock = ManualClock()
    market, others = ScriptedStream(clock), ScriptedProvider(clock, name="others")
    async with live_server(tmp_path, market, others, clock=clock, slow_client_timeout_seconds=10) as server:
        yield Scene(server, clock, market, others)


def line(command: dict[str, Any]) -> bytes:
    return json.dumps(command).encode() + b"\n"


def pings(*ids: int) -> bytes:
    return b"".join(line({"type": "PING", "id": number}) for number in ids)


# --- framing ------------------------------------------------------------------------------------------------------


async def test_a_session_begins_with_a_hello_that_says_what_holds(scene: Scene) -> None:
    client = await scene.server.connect_unread()
    hello = await client.receive()
    assert (hello["type"], hello["code"], hello["protocol"]) == ("HELLO", 100, 1)
    assert "password" in hello["auth"]
    assert hello["limits"] == {
        "max_line_bytes": 32_768,
        "max_reply_bytes": 262_144,
        "max_symbols": 500,
        "min_interval": 0.1,
    }
    assert hello["heartbeat_seconds"] == 30


async def test_a_command_that_comes_byte_by_byte_is_one_command(scene: Scene) -> None:
    client = await scene.server.connect()
    connection = scene.server.session_of(client).connection
    assert isinstance(connection, TcpConnection)
    stream = connection._stream
    command = '{"type":"PING","id":"Zürich 🚀"}'.encode()
    for sent in range(1, len(command) + 1):
        # The next byte leaves when the server has taken in this one, so that TCP cannot join them.
        client.send(command[sent - 1 : sent])
        await until(lambda: stream.unread_bytes == sent)  # noqa: B023 - it is called before `sent` changes
    client.send(b"\n")
    assert (await client.receive())["id"] == "Zürich 🚀"


async def test_commands_that_come_in_one_segment_are_all_answered_in_their_order(scene: Scene) -> None:
    client = await scene.server.connect()
    client.send(pings(*range(150)))
    assert [(await client.receive())["id"] for _ in range(150)] == list(range(150))


async def test_a_segment_may_end_in_the_middle_of_a_command(scene: Scene) -> None:
    client = await scene.server.connect()
    both = pings(1, 2)
    for cut in range(1, len(both)):
        client.send(both[:cut])
        if cut >= len(both) / 2:
            assert (await client.receive())["id"] == 1
        client.send(both[cut:])
        if cut < len(both) / 2:
            assert (await client.receive())["id"] == 1
        assert (await client.receive())["id"] == 2


async def test_lines_that_end_as_on_windows_are_taken(scene: Scene) -> None:
    client = await scene.server.connect()
    client.send(b'{"type":"PING","id":1}\r\n{"type":"PING","id":2}\r\n')
    assert [(await client.receive())["id"] for _ in range(2)] == [1, 2]


async def test_empty_lines_are_skipped_and_are_no_bad_lines(scene: Scene) -> None:
    client = await scene.server.connect()
    client.send(b"\n\r\n  \n\t\r\n" * 25 + pings(1))
    assert (await client.receive())["id"] == 1


async def test_the_lines_before_the_end_of_the_input_are_answered_and_the_connection_closes(scene: Scene) -> None:
    client = await scene.server.connect()
    client.send(AUTH, {"type": "GET", "id": "g", "symbol": "AAPL"}, {"type": "NEWS", "id": "n"})
    client.end_input()
    assert [(answer["id"], answer["code"]) for answer in await client.rest()] == [("a", 200), ("g", 200), ("n", 200)]


async def test_an_unfinished_last_line_is_not_run_and_the_client_is_told(scene: Scene) -> None:
    client = await scene.server.log_in()
    client.send({"type": "PING", "id": 1}, b'{"type":"SUBSCRIBE","symbol":"AAPL"}')
    client.end_input()
    pong, answer = await client.rest()
    assert (pong["id"], pong["code"]) == (1, 200)
    assert (answer["type"], answer["code"], answer["reason"]) == ("ERROR", 400, "malformed_json")
    assert "not run" in answer["message"]
    again = await scene.server.log_in()
    assert (await again.ask({"type": "MY_STOCKS"}))["symbols"] == []


async def test_a_client_that_only_connects_and_goes_leaves_nothing(scene: Scene) -> None:
    client = await scene.server.connect_unread()
    await client.close()
    await scene.server.until_clients(0)
    assert len(scene.server.app.sessions) == 0


# --- the order of what is sent ------------------------------------------------------------------------------------


async def test_pipelined_commands_are_answered_in_their_order_also_when_the_first_takes_long(scene: Scene) -> None:
    client = await scene.server.log_in()
    scene.others.script = "hang"
    client.send({"type": "NEWS", "id": 1}, {"type": "GET", "id": 2, "symbol": "AAPL"}, {"type": "PING", "id": 3})
    await until(lambda: scene.others.requests[Capability.NEWS])
    scene.others.release()
    assert [(await client.receive())["id"] for _ in range(3)] == [1, 2, 3]


async def test_a_subscription_begins_with_the_current_prices_right_after_the_reply(scene: Scene) -> None:
    client = await scene.server.log_in()
    client.send({"type": "SUBSCRIBE", "symbols": ["MSFT", "AAPL"], "interval": 5}, {"type": "PING"})
    lines = [await client.receive() for _ in range(4)]
    assert [(each["type"], each.get("symbol")) for each in lines] == [
        ("SUBSCRIBE", None),
        ("PRICE", "MSFT"),
        ("PRICE", "AAPL"),
        ("PING", None),
    ]
    # What is subscribed later begins by itself; the others wait for their turn.
    client.send({"type": "SUBSCRIBE", "symbols": ["AAPL", "TSLA"]}, {"type": "PING"})
    lines = [await client.receive() for _ in range(3)]
    assert [(each["type"], each.get("symbol")) for each in lines] == [
        ("SUBSCRIBE", None),
        ("PRICE", "TSLA"),
        ("PING", None),
    ]
    assert (lines[0]["subscribed"], lines[0]["already"]) == (["TSLA"], ["AAPL"])


async def test_every_interval_all_prices_are_pushed_and_with_interval_zero_only_those_that_changed(
    scene: Scene,
) -> None:
    paced, eager = await scene.server.log_in(), await scene.server.log_in()
    for client, interval in ((paced, 2), (eager, 0)):
        await client.ask({"type": "SUBSCRIBE", "symbols": ["AAPL", "MSFT"], "interval": interval, "save": False})
        assert [(await client.receive())["symbol"] for _ in range(2)] == ["AAPL", "MSFT"]
    await scene.clock.advance(2)
    assert [((await paced.receive())["symbol"]) for _ in range(2)] == ["AAPL", "MSFT"]
    scene.market.prices["MSFT"] = 500
    scene.market._publish([scene.market.quote("MSFT")])  # type: ignore[misc] # the stream is open
    price = await eager.receive()
    assert (price["type"], price["symbol"], price["price"]) == ("PRICE", "MSFT", 500)
    pong = await eager.ask({"type": "PING"})
    assert pong["code"] == 200


async def test_no_price_follows_on_the_reply_to_unsubscribe(scene: Scene) -> None:
    client = await scene.server.log_in()
    await client.ask({"type": "SUBSCRIBE", "symbols": ["AAPL", "MSFT", "TSLA"], "interval": 0})
    for gone, left in ((["AAPL"], {"MSFT", "TSLA"}), (["MSFT"], {"TSLA"}), (None, set())):
        client.send({"type": "UNSUBSCRIBE"} if gone is None else {"type": "UNSUBSCRIBE", "symbols": gone})
        # The market moves in every turn of the loop until the reply is there, and then on.
        reading = asyncio.create_task(client.reply())
        while not reading.done():
            scene.market.deliver()
            await asyncio.sleep(0)
        assert (await reading)["symbols"] == sorted(left)
        scene.market.deliver()
        client.send({"type": "PING"})
        pushed = set()
        while (message := await client.receive())["type"] != "PING":
            assert message["type"] == "PRICE"
            pushed.add(message["symbol"])
        assert pushed == left


async def test_nothing_follows_on_the_reply_to_logout_and_later_commands_are_not_run(scene: Scene) -> None:
    client = await scene.server.log_in()
    await client.ask({"type": "SUBSCRIBE", "symbol": "AAPL", "interval": 0})
    client.send({"type": "LOGOUT", "id": 9}, {"type": "UNSUBSCRIBE"})
    goodbye = await client.reply()
    assert (goodbye["type"], goodbye["code"], goodbye["id"]) == ("LOGOUT", 2000, 9)
    scene.market.deliver()
    assert await client.rest() == []
    again = await scene.server.log_in()
    assert (await again.ask({"type": "MY_STOCKS"}))["symbols"] == ["AAPL"]


async def test_a_session_that_goes_takes_its_pushes_along_and_the_others_keep_theirs(scene: Scene) -> None:
    bystander = await Bystander.join(scene.server, scene.market)
    client = await scene.server.log_in()
    await client.ask({"type": "SUBSCRIBE", "symbols": ["AAPL", "MSFT"], "interval": 0})
    client.vanish()
    await scene.server.until_clients(1)
    assert scene.server.app.board.watched() == ["AAPL"]
    await bystander.sees_the_next_price()


# --- limits -------------------------------------------------------------------------------------------------------


async def test_the_deadline_for_auth_is_absolute_whatever_trickles_in(scene: Scene) -> None:
    client = await scene.server.connect()
    for _ in range(29):
        client.send(b'{"type":"PING"}\n{"type":')
        assert (await client.receive())["code"] in {200, 400}
        client.send(b"\n")
        assert (await client.receive())["code"] == 400
        client.send({"type": "PING"})
        assert (await client.receive())["code"] == 200
        await scene.clock.advance(1)
    client.send(b'{"type":')
    await scene.clock.advance(1.5)
    (notice,) = await client.rest()
    assert (notice["type"], notice["code"], notice["reason"]) == ("NOTICE", 401, "auth_timeout")


async def test_a_session_that_is_logged_in_has_no_deadline(scene: Scene) -> None:
    client = await scene.server.log_in()
    await scene.clock.advance(3600)
    client.send({"type": "PING"})
    assert (await client.receive_until("PING", "NOTICE"))["type"] == "PING"


async def test_a_quiet_session_gets_a_heartbeat_and_a_busy_one_none(scene: Scene) -> None:
    quiet = await scene.server.log_in()
    bystander = await Bystander.join(scene.server, scene.market)
    for _ in range(31):
        await scene.clock.advance(1)
        await bystander.sees_the_next_price()
    beat = await quiet.receive()
    assert (beat["type"], beat["code"], beat["status"]) == ("HEARTBEAT", 100, "CONTINUE")
    assert beat["timestamp"] == scene.clock.now_ms() - 1000


@pytest.mark.parametrize(
    ("setting", "whose"),
    [
        ("max_sessions", "this server"),
        ("max_unauthenticated_sessions", "sessions of clients that have not logged in"),
        ("max_unauthenticated_per_address", "clients of 127.0.0.1 that have not logged in"),
        ("max_sessions_per_address", "address 127.0.0.1"),
    ],
)
async def test_one_session_too_many_is_refused_with_a_notice_until_another_one_goes(
    tmp_path: Path, setting: str, whose: str
) -> None:
    clock = ManualClock()
    limit: dict[str, Any] = {"max_unauthenticated_per_address": 1_000, setting: 2}
    async with live_server(tmp_path, ScriptedStream(clock), clock=clock, **limit) as server:
        first, second = await server.connect(), await server.connect()
        third = await server.connect_unread()
        third.send(AUTH)  # the notice survives although what it sent is never read
        (notice,) = await third.rest()
        assert (notice["type"], notice["code"], notice["reason"]) == ("NOTICE", 429, "session_limit")
        assert notice["retry_after_ms"] > 0
        assert "2" in notice["message"]
        assert whose in notice["message"]
        await third.close()
        await second.close()
        await server.until_clients(1)
        fourth = await server.connect()
        assert (await fourth.ask({"type": "PING"}))["code"] == 200
        assert (await first.ask({"type": "PING"}))["code"] == 200


async def test_a_login_does_not_count_as_a_stranger_any_more(tmp_path: Path) -> None:
    clock = ManualClock()
    async with live_server(tmp_path, ScriptedStream(clock), clock=clock, max_unauthenticated_sessions=1) as server:
        for _ in range(3):
            await server.log_in()
        assert len(server.app.sessions) == 3


async def test_one_session_of_a_user_too_many_gets_a_429_and_may_log_in_later(tmp_path: Path) -> None:
    clock = ManualClock()
    async with live_server(tmp_path, ScriptedStream(clock), clock=clock, max_sessions_per_user=1) as server:
        first, second = await server.log_in(), await server.connect()
        refused = await second.ask(AUTH)
        assert (refused["type"], refused["code"], refused["reason"]) == ("AUTH", 429, "session_limit")
        await first.close()
        await server.until_clients(1)
        assert (await second.ask(AUTH))["code"] == 200


async def test_clients_that_were_refused_and_stay_hold_no_more_than_a_few_connections(tmp_path: Path) -> None:
    clock = ManualClock()
    async with live_server(tmp_path, ScriptedStream(clock), clock=clock, max_sessions=1) as server:
        ann = await server.log_in()
        refused = [await server.connect_unread() for _ in range(200)]
        for client in refused:
            assert (await client.receive())["reason"] == "session_limit"
        # The descriptors spared for what is no session are 128.
        assert len(server.app.server._clients) <= stocktrack.app.DESCRIPTOR_RESERVE / 2 + 1
        assert (await ann.ask({"type": "PING"}))["code"] == 200


async def test_clients_that_were_told_to_go_and_stay_still_count_as_sessions(tmp_path: Path) -> None:
    clock = ManualClock()
    async with live_server(tmp_path, ScriptedStream(clock), clock=clock, max_sessions=2) as server:
        for _ in range(2):
            lingering = await server.connect()
            lingering.send({"type": "LOGOUT"})
            assert (await lingering.receive())["code"] == 2000
        third = await server.connect_unread()
        assert (await third.receive())["reason"] == "session_limit"


async def test_the_kernel_is_asked_to_find_a_peer_that_vanished_within_35_seconds(scene: Scene) -> None:
    client = await scene.server.connect()
    connection = scene.server.session_of(client).connection
    assert isinstance(connection, TcpConnection)
    real = socket.socket(fileno=connection._transport.get_extra_info("socket").fileno())
    try:
        tcp = {
            name: real.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
            for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT", "TCP_NODELAY")
        }
        assert real.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    finally:
        real.detach()
    assert tcp["TCP_KEEPIDLE"] + tcp["TCP_KEEPINTVL"] * tcp["TCP_KEEPCNT"] <= 35
    assert 0 < tcp["TCP_USER_TIMEOUT"] <= 35_000
    assert tcp["TCP_NODELAY"] == 1


async def test_the_sockets_of_the_server_are_not_inherited_by_child_processes(scene: Scene) -> None:
    client = await scene.server.connect()
    connection = scene.server.session_of(client).connection
    assert isinstance(connection, TcpConnection)
    handle = connection._transport.get_extra_info("socket").fileno()
    assert fcntl.fcntl(handle, fcntl.F_GETFD) & fcntl.FD_CLOEXEC


# --- clients that do not read, and clients that do not stop -------------------------------------------------------


@pytest.mark.parametrize("interval", [0, 0.1])
async def test_a_client_that_never_reads_is_closed_its_memory_is_bounded_and_the_others_see_no_gap(
    tmp_path: Path, nothing_is_left: list[EventDict], interval: float
) -> None:
    clock = ManualClock()
    market = ScriptedStream(clock)
    symbols = [f"S{number:04}" for number in range(500)]
    market.prices.update(dict.fromkeys(symbols, 10.0))
    async with live_server(tmp_path, market, clock=clock, slow_client_timeout_seconds=10) as server:
        bystander = await Bystander.join(server, market)
        slow = await server.log_in(receive_buffer_bytes=4_096)
        slow.stop_reading()
        slow.send({"type": "SUBSCRIBE", "symbols": symbols, "interval": interval, "save": False})
        connection = server.session_of(slow).connection
        assert isinstance(connection, TcpConnection)
        await until(lambda: len(server.app.board.watched()) == 501)
        one_push = len(server.app.board.watch(tuple(symbols), _Nobody(), eager=False).lines())
        while not connection.unsent_bytes():
            await clock.advance(interval)
            await bystander.sees_the_next_price()
        pinned = connection.sent_bytes
        for _ in range(50):
            await clock.advance(interval)
            await bystander.sees_the_next_price()
        # It was handed one more push at most since it fell behind, not fifty.
        assert connection.sent_bytes - pinned <= one_push
        assert connection._transport.get_write_buffer_size() <= 65_536 + one_push
        for _ in range(4):
            await clock.advance(1)
            await bystander.sees_the_next_price()
        assert len(server.app.sessions) == 2
        await _until_slow_clients_are_closed(server, clock, bystander)
        assert len(server.app.sessions) == 1
        assert connection._transport.get_write_buffer_size() == 0
        told = [entry["event"] for entry in nothing_is_left if entry["log_level"] == "info"]
        assert told == ["login", "login", "slow client closed"]
        await bystander.sees_the_next_price()


async def _until_slow_clients_are_closed(server: LiveServer, clock: ManualClock, bystander: Bystander) -> None:
    # How many seconds of the manual clock that are is not certain: each byte that the kernel still hands to the client
    # in real time is a sign of life.
    others = [session for session in server.app.sessions if session is not server.session_of(bystander.client)]
    async with asyncio.timeout(PATIENCE_SECONDS):
        while any(session.is_open for session in others):
            await clock.advance(1)
            await bystander.sees_the_next_price()
    for session in others:
        assert isinstance(session.connection, TcpConnection)
        assert session.connection._transport.is_closing(), "it should not be waited for"
    await server.until_clients(1)


class _Nobody:
    def wake(self) -> None:
        """Watch, and do nothing about it."""


async def test_a_client_that_is_behind_and_reads_on_gets_the_newest_price_and_is_not_closed(tmp_path: Path) -> None:
    clock = ManualClock()
    market = ScriptedStream(clock)
    symbols = [f"S{number:04}" for number in range(500)]
    market.prices.update(dict.fromkeys(symbols, 10.0))
    async with live_server(tmp_path, market, clock=clock, slow_client_timeout_seconds=10) as server:
        slow = await server.log_in(receive_buffer_bytes=4_096)
        await slow.ask({"type": "SUBSCRIBE", "symbols": symbols, "interval": 0, "save": False})
        slow.stop_reading()
        connection = server.session_of(slow).connection
        while not connection.unsent_bytes():
            market.deliver()
            await clock.advance(0)
        for _ in range(20):
            market.deliver()
            await clock.advance(0)
        await clock.advance(9)
        slow.read_on()
        newest = market.prices["S0499"]
        last = await slow.receive()
        seen = {last["seq"]}
        while last.get("symbol") != "S0499" or last["price"] != newest:
            last = await slow.receive()
            assert last["type"] == "PRICE"
            seen.add(last["seq"])
        # Prices were merged: most of the twenty were never sent.
        assert max(seen) - len(seen) >= 15
        await clock.advance(9)
        assert (await slow.ask({"type": "PING"}))["code"] == 200


async def test_a_client_that_asks_and_never_reads_the_answers_is_read_no_further(scene: Scene) -> None:
    greedy = await scene.server.log_in(receive_buffer_bytes=4_096)
    greedy.stop_reading()
    connection = scene.server.session_of(greedy).connection
    assert isinstance(connection, TcpConnection)
    bystander = await Bystander.join(scene.server, scene.market)
    greedy.send(line({"type": "GET", "symbols": [f"S{number}" for number in range(20)]}) * 5_000)
    while not connection.unsent_bytes():
        await bystander.sees_the_next_price()
    for _ in range(20):
        await bystander.sees_the_next_price()
    assert connection._transport.get_write_buffer_size() <= 65_536 + 262_144
    await _until_slow_clients_are_closed(scene.server, scene.clock, bystander)


async def test_a_client_that_pipelines_without_end_starves_nobody(scene: Scene) -> None:
    bystander = await Bystander.join(scene.server, scene.market)
    flooder = await scene.server.log_in()
    connection = scene.server.session_of(flooder).connection
    assert isinstance(connection, TcpConnection)
    before = connection.sent_bytes
    flooder.send(pings(*range(2_000)))
    assert (await bystander.client.ask({"type": "PING"}))["code"] == 200
    # A few of the commands were answered before another client's one that came after all of them.
    assert connection.sent_bytes - before < 100 * 100
    # After the burst that is allowed the others wait for their time, most of them unread; all are answered in the end.
    answers = [await flooder.receive() for _ in range(199)]
    stream = connection._stream
    await until(lambda: stream.unread_bytes >= PIECE_BYTES)
    await bystander.sees_the_next_price()
    rest = asyncio.ensure_future(_answers(flooder, 1_801))
    while not rest.done():
        assert stream.unread_bytes < 2 * PIECE_BYTES
        await scene.clock.advance(0.5)
    answers += await rest
    assert [(answer["id"], answer["code"]) for answer in answers] == [(number, 200) for number in range(2_000)]
    assert (await bystander.client.ask({"type": "PING"}))["code"] == 200


async def _answers(client: RawClient, count: int) -> list[Line]:
    return [await client.receive() for _ in range(count)]


async def test_a_client_that_goes_while_its_command_is_open_leaves_the_answer_to_the_others(scene: Scene) -> None:
    scene.others.script = "hang"
    gone, stays = await scene.server.log_in(), await scene.server.log_in()
    gone.send({"type": "NEWS"})
    await until(lambda: scene.others.requests[Capability.NEWS])
    stays.send({"type": "NEWS"})
    gone.vanish()
    scene.others.release()
    assert (await stays.receive())["code"] == 200
    await scene.server.until_clients(1)
    assert scene.others.requests[Capability.NEWS] == 1


# --- the closing --------------------------------------------------------------------------------------------------


async def test_at_the_close_every_session_gets_its_501_and_an_open_command_gets_only_that(scene: Scene) -> None:
    scene.market.script = scene.others.script = "hang"
    idle, stranger, asking = await scene.server.log_in(), await scene.server.connect(), await scene.server.log_in()
    half = await scene.server.log_in()
    half.send(b'{"type":"PI')
    asking.send({"type": "GET", "id": 1, "symbol": "AAPL"}, {"type": "PING", "id": 2})
    await until(lambda: scene.market.batches)
    closing = asyncio.create_task(scene.server.app.close())
    for client in (idle, stranger, asking, half):
        (notice,) = await client.rest()
        assert (notice["type"], notice["code"], notice["status"]) == ("NOTICE", 501, "SERVER_SHUTDOWN")
        assert notice["reason"] == "shutdown"
        assert notice["retry_after_ms"] > 0
        await client.close()
    await closing
    with pytest.raises(ConnectionRefusedError):
        await scene.server.connect()


async def test_the_last_prices_reach_a_client_that_is_a_little_behind_before_its_501(scene: Scene) -> None:
    client = await scene.server.log_in()
    await client.ask({"type": "SUBSCRIBE", "symbols": ["AAPL"], "interval": 0})
    scene.market.deliver()
    client.send({"type": "PING", "id": 1})
    closing = asyncio.create_task(scene.server.app.close())
    *before, notice = await client.rest()
    assert notice["reason"] == "shutdown"
    assert {each["type"] for each in before} <= {"PRICE", "PING"}
    await client.close()
    await closing


async def test_a_client_that_does_not_read_does_not_hold_up_the_close(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The three seconds that clients get to take their last lines are real ones.
    monkeypatch.setattr(stocktrack.app, "FLUSH_SECONDS", 0.3)
    reading, silent = await scene.server.log_in(), await scene.server.log_in(receive_buffer_bytes=4_096)
    silent.stop_reading()
    silent.send(line({"type": "GET", "symbols": [f"S{number}" for number in range(20)]}) * 1_000)
    connection = scene.server.session_of(silent).connection
    await until(connection.unsent_bytes)
    loop = asyncio.get_running_loop()
    began = loop.time()
    closing = asyncio.create_task(scene.server.app.close())
    (notice,) = await reading.rest()
    assert notice["reason"] == "shutdown"
    await reading.close()
    await closing
    assert loop.time() - began < 2
    assert len(scene.server.app.sessions) == 0


async def test_a_second_close_does_nothing(scene: Scene) -> None:
    await scene.server.app.close()
    await scene.server.app.close()
    assert scene.server.app.server.addresses == []


# --- the start ----------------------------------------------------------------------------------------------------


async def test_a_port_that_is_taken_is_an_error_that_names_the_port_and_the_setting(tmp_path: Path) -> None:
    clock = ManualClock()
    async with live_server(tmp_path / "a", ScriptedStream(clock), clock=clock) as server:
        with pytest.raises(ConfigError, match=rf"Port {server.port} on 127\.0\.0\.1 is taken .*STOCKTRACK_PORT"):
            async with _on(tmp_path / "b", clock, port=server.port):
                pass
        assert (await (await server.log_in()).ask({"type": "PING"}))["code"] == 200


async def test_a_host_that_is_not_ours_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"host = '192\.0\.2\.1'"):
        async with _on(tmp_path, ManualClock(), host="192.0.2.1"):
            pass


async def test_the_server_listens_on_ipv6_where_it_is_told_to(tmp_path: Path) -> None:
    clock = ManualClock()
    async with _on(tmp_path, clock, host="::1") as server:
        client = await server.connect()
        assert server.session_of(client).address == "::1"


def _on(data_dir: Path, clock: ManualClock, **settings: Any) -> Any:
    return live_server(data_dir, ScriptedStream(clock), clock=clock, **settings)
