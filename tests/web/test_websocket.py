"""/ws: the protocol of TCP over a real WebSocket, on both event loops, and what bad clients get."""

import asyncio
import json
import logging
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog
from websockets.exceptions import InvalidStatus

from bystander import Bystander
from certificates import trusting, write_certificate
from fakes import ScriptedStream
from live_server import PASSWORD, LiveServer, live_server, until
from patience import PATIENCE_SECONDS
from stocktrack.app import App
from stocktrack.clock import ManualClock
from stocktrack.config import Settings
from stocktrack.errors import ConfigError
from stocktrack.web.websocket import MAX_FRAGMENTS, WebSocket
from web_clients import BINARY, CONTINUED, PING, PONG, TEXT, BareSocket, logged_in, socket_client

AUTH = {"type": "AUTH", "username": "ann", "password": PASSWORD}
LIMIT = 4_096


@dataclass
class Scene:
    server: LiveServer
    market: ScriptedStream
    clock: ManualClock


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    clock = ManualClock()
    market = ScriptedStream(clock)
    async with live_server(tmp_path, market, clock=clock, web=True, max_line_bytes=LIMIT) as server:
        yield Scene(server, market, clock)


# --- the protocol -------------------------------------------------------------------------------------------------


async def test_a_session_begins_with_the_same_hello_as_over_tcp(scene: Scene) -> None:
    tcp = await scene.server.connect_unread()
    async with socket_client(scene.server) as client:
        assert await client.line() == await tcp.receive()
        assert [session.door for session in scene.server.app.sessions] == ["tcp", "web"]


async def test_prices_come_byte_for_byte_as_over_tcp_and_one_push_is_one_message(scene: Scene) -> None:
    tcp = await scene.server.log_in()
    command = {"type": "SUBSCRIBE", "symbols": ["AAPL", "TSLA"], "interval": 0, "save": False}
    await tcp.ask(command)
    first = [await tcp.receive(), await tcp.receive()]
    async with logged_in(scene.server) as client:
        reply, *prices = [json.loads(line) for line in (await _message_after(client, command)).splitlines()]
        assert (reply["type"], reply["code"], reply["symbols"]) == ("SUBSCRIBE", 200, ["AAPL", "TSLA"])
        assert prices == first
        scene.market.deliver()
        pushed = (await client.message()).splitlines()
        assert [json.loads(line) for line in pushed] == [await tcp.receive(), await tcp.receive()]


async def _message_after(client, command) -> str:  # type: ignore[no-untyped-def] # a shorthand of this file
    await client.send(command)
    message: str = await client.message()
    return message


async def test_pipelined_commands_are_answered_in_their_order(scene: Scene) -> None:
    async with logged_in(scene.server) as client:
        await client.send(*({"type": "PING", "id": number} for number in range(50)))
        assert [(await client.line())["id"] for _ in range(50)] == list(range(50))


async def test_a_message_in_fragments_is_one_command_and_pings_are_answered_between_them(scene: Scene) -> None:
    bare = await BareSocket.open(scene.server)
    await bare.receive()
    bare.send(b'{"type":', is_final=False)
    bare.send(b"there?", opcode=PING)
    bare.send(b'"PING","id":7}', opcode=CONTINUED)
    assert await bare.receive() == (PONG, b"there?")
    opcode, payload = await bare.receive()
    assert (opcode, json.loads(payload)["id"]) == (TEXT, 7)
    bare.close()


async def test_commands_sent_before_the_goodbye_are_still_answered(scene: Scene) -> None:
    bare = await BareSocket.open(scene.server)
    bare.send(b'{"type":"PING","id":1}')
    bare.send(b'{"type":"PING","id":2}')
    bare.send(b"\x03\xe8", opcode=8)
    lines, code = await bare.ends()
    assert [line.get("id") for line in lines] == [None, 1, 2]
    assert code == 1000


async def test_a_logout_closes_with_a_normal_goodbye(scene: Scene) -> None:
    async with logged_in(scene.server) as client:
        await client.send({"type": "LOGOUT"})
        lines, code = await client.rest()
    assert [line["code"] for line in lines] == [2000]
    assert code == 1000
    await until(lambda: len(scene.server.app.sessions) == 0)


async def test_a_client_that_vanishes_leaves_no_session(scene: Scene) -> None:
    bare = await BareSocket.open(scene.server)
    assert len(scene.server.app.sessions) == 1
    bare.close()
    await until(lambda: len(scene.server.app.sessions) == 0)


async def test_compression_is_never_agreed_to(scene: Scene) -> None:
    bare = await BareSocket.connect(scene.server)
    head = await bare.handshake(Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"extensions" not in head.lower()
    bare.close()


# --- deadlines, limits and the end --------------------------------------------------------------------------------


async def test_the_deadline_to_log_in_holds(scene: Scene) -> None:
    async with socket_client(scene.server) as client:
        await client.line()
        await scene.clock.advance(31)
        lines, code = await client.rest()
    assert [line["reason"] for line in lines] == ["auth_timeout"]
    assert code == 1001


async def test_one_session_too_many_is_told_so_and_closed(tmp_path: Path) -> None:
    clock = ManualClock()
    async with live_server(tmp_path, ScriptedStream(clock), clock=clock, web=True, max_sessions=1) as server:
        await server.connect()
        async with socket_client(server) as client:
            lines, code = await client.rest()
    assert [line["reason"] for line in lines] == ["session_limit"]
    assert code == 1013


async def test_a_shutdown_tells_every_websocket_and_every_tcp_client(scene: Scene) -> None:
    tcp = await scene.server.log_in()
    async with logged_in(scene.server) as client, logged_in(scene.server) as other:
        closing = asyncio.create_task(scene.server.app.close())
        for lines, code in (await client.rest(), await other.rest()):
            assert [(line["code"], line["reason"]) for line in lines] == [(501, "shutdown")]
            assert code == 1001
        assert [line["code"] for line in await tcp.rest()] == [501]
        await tcp.close()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await closing


async def test_a_client_that_stops_reading_is_closed_its_memory_is_bounded_and_the_others_see_no_gap(
    scene: Scene,
) -> None:
    scene.market.prices.update({f"S{number:03}": 10.0 for number in range(400)})
    bystander = await Bystander.join(scene.server, scene.market)
    bare = await BareSocket.open(scene.server)
    bare.send(json.dumps(AUTH).encode())
    symbols = [f"S{number:03}" for number in range(400)]
    command = {"type": "SUBSCRIBE", "symbols": symbols, "interval": 0, "save": False}
    bare.send(json.dumps(command).encode())
    await until(lambda: len(scene.server.app.board.watched()) == 401)
    bare.writer.transport.pause_reading()  # type: ignore[attr-defined] # it is a read transport as well
    connection = next(session.connection for session in scene.server.app.sessions if session.door == "web")
    assert isinstance(connection, WebSocket)
    while not connection.unsent_bytes():
        await bystander.sees_the_next_price()
    for _ in range(30):
        await bystander.sees_the_next_price()
    # What the transport holds before it says stop, and one more push.
    assert connection._transport.get_write_buffer_size() <= 65_536 + 400 * 400
    for _ in range(60):
        if len(scene.server.app.sessions) == 1:
            break
        await scene.clock.advance(1)
        await bystander.sees_the_next_price()
    assert [session.door for session in scene.server.app.sessions] == ["tcp"]
    bare.close()


async def test_a_port_that_is_taken_is_an_error_that_names_the_flag(scene: Scene, tmp_path: Path) -> None:
    port = int(scene.server.web_url.rpartition(":")[2])
    app = App(Settings(data_dir=tmp_path / "other", port=0, web_port=port), providers=[ScriptedStream(ManualClock())])
    with pytest.raises(ConfigError, match=rf"Port {port} on 127\.0\.0\.1 .*--web-port or STOCKTRACK_WEB_PORT"):
        await app.start()


# --- hostile input ------------------------------------------------------------------------------------------------


async def test_an_oversized_message_is_told_after_what_came_before_it_and_the_session_ends(scene: Scene) -> None:
    bystander = await Bystander.join(scene.server, scene.market)
    bare = await BareSocket.open(scene.server)
    bare.send(b'{"type":"PING","id":1}')
    bare.send(b" " * (LIMIT + 1))
    bare.send(b'{"type":"PING","id":2}')
    lines, code = await bare.ends()
    assert [line.get("id", line.get("reason")) for line in lines] == [None, 1, "line_too_long"]
    assert code == 1009
    await bystander.sees_the_next_price()


async def test_a_message_of_the_longest_length_is_answered(scene: Scene) -> None:
    async with socket_client(scene.server) as client:
        assert (await client.ask('{"type":"PING"}'.ljust(LIMIT)))["code"] == 200


async def test_fragments_that_grow_too_long_together_end_the_session(scene: Scene) -> None:
    bare = await BareSocket.open(scene.server)
    bare.send(b" " * LIMIT, is_final=False)
    bare.send(b" ", opcode=CONTINUED, is_final=False)
    lines, code = await bare.ends()
    assert (lines[-1]["reason"], code) == ("line_too_long", 1009)


async def test_a_flood_of_empty_fragments_ends_the_session_and_the_others_see_nothing(scene: Scene) -> None:
    bystander = await Bystander.join(scene.server, scene.market)
    bare = await BareSocket.open(scene.server)
    bare.send(b"", is_final=False)
    for _ in range(50 * MAX_FRAGMENTS):
        bare.send(b"", opcode=CONTINUED, is_final=False)
    await bystander.sees_the_next_price()
    lines, code = await bare.ends()
    assert (lines[-1]["reason"], code) == ("line_too_long", 1009)
    await bystander.sees_the_next_price()


async def test_a_flood_of_pings_from_a_client_that_does_not_read_pins_little_memory(scene: Scene) -> None:
    bystander = await Bystander.join(scene.server, scene.market)
    bare = await BareSocket.open(scene.server)
    bare.writer.transport.pause_reading()  # type: ignore[attr-defined] # it is a read transport as well
    connection = next(session.connection for session in scene.server.app.sessions if session.door == "web")
    assert isinstance(connection, WebSocket)
    flood = bytes((0x89, 0x80 | 100)) + bytes(104)
    while not connection._transport.get_write_buffer_size() or bare.writer.transport.get_write_buffer_size() < 1 << 20:
        bare.writer.write(flood * 1_000)
        await bystander.sees_the_next_price()
    for _ in range(50):
        await bystander.sees_the_next_price()
    assert connection._transport.get_write_buffer_size() < 1 << 18
    assert len(connection._unparsed) < 1 << 20
    bare.close()


async def test_a_compressed_message_is_refused_unread(scene: Scene) -> None:
    bomb = zlib.compressobj(wbits=-15)
    payload = bomb.compress(bytes(10_000_000)) + bomb.flush(zlib.Z_SYNC_FLUSH)
    bare = await BareSocket.open(scene.server, Sec_WebSocket_Extensions="permessage-deflate")
    await bare.receive()
    bare.send(payload[:LIMIT], reserved=0x40)
    lines, code = await bare.ends()
    assert (lines, code) == ([], 1002)


async def test_a_binary_message_is_told_to_be_wrong(scene: Scene) -> None:
    bare = await BareSocket.open(scene.server)
    bare.send(b'{"type":"PING"}', opcode=BINARY)
    lines, code = await bare.ends()
    assert (lines[-1]["code"], lines[-1]["reason"], code) == (400, "malformed_json", 1003)


async def test_what_is_said_in_the_words_of_live_price_is_told_where_that_is_spoken(scene: Scene) -> None:
    async with socket_client(scene.server) as client:
        told = await client.ask({"action": "subscribe", "symbol": "AAPL"})
        assert (told["code"], "/live-price" in told["message"]) == (400, True)


async def test_text_that_is_not_utf_8_is_a_400_and_the_session_lives(scene: Scene) -> None:
    bare = await BareSocket.open(scene.server)
    await bare.receive()
    bare.send(b'{"type":"\xff"}')
    assert json.loads((await bare.receive())[1])["reason"] == "malformed_json"
    bare.send(b'{"type":"PING","id":1}')
    assert json.loads((await bare.receive())[1])["id"] == 1
    bare.close()


async def test_twenty_bad_messages_end_the_session(scene: Scene) -> None:
    async with socket_client(scene.server) as client:
        await client.line()
        await client.send(*(["{"] * 20))
        lines, _ = await client.rest()
    assert [line["reason"] for line in lines] == ["malformed_json"] * 20 + ["too_many_errors"]


@pytest.mark.parametrize("path", ["/ws", "/live-price"])
async def test_a_page_of_another_site_is_refused(scene: Scene, path: str) -> None:
    for origin in ("https://evil.example", "null", "http://127.0.0.1.evil.example", "http://127.0.0.1:1"):
        with pytest.raises(InvalidStatus, match="403"):
            async with socket_client(scene.server, path, origin=origin):
                pass
    assert len(scene.server.app.sessions) == 0


async def test_a_page_of_this_host_and_a_program_without_an_origin_are_let_in(scene: Scene) -> None:
    for origin in (scene.server.web_url, None):
        async with socket_client(scene.server, origin=origin) as client:
            assert (await client.line())["type"] == "HELLO"


async def test_a_missing_origin_with_cookies_is_refused(scene: Scene) -> None:
    bare = await BareSocket.connect(scene.server)
    assert (await bare.handshake(Cookie="session=1")).startswith(b"HTTP/1.1 403 ")
    bare.close()


async def test_a_page_of_a_site_that_the_settings_allow_is_let_in(tmp_path: Path) -> None:
    clock = ManualClock()
    allowed = ("https://desk.example",)
    async with live_server(tmp_path, ScriptedStream(clock), clock=clock, web=True, allowed_origins=allowed) as server:
        async with socket_client(server, origin="https://desk.example") as client:
            assert (await client.line())["type"] == "HELLO"
        with pytest.raises(InvalidStatus, match="403"):
            async with socket_client(server, origin="https://desk.example.evil"):
                pass


@pytest.mark.parametrize("path", ["/", "/v1beta3/crypto/us?token=secret"])
async def test_a_path_without_a_websocket_refuses_one_and_says_where_they_are(scene: Scene, path: str) -> None:
    with pytest.raises(InvalidStatus, match="404") as refused:
        async with socket_client(scene.server, path):
            pass
    told = bytes(refused.value.response.body or b"").decode()
    assert told.startswith(f"There is no WebSocket at '{path.partition('?')[0]}'; there are /ws, /live-price, ")
    assert "secret" not in told


async def test_ten_slow_handshakes_are_closed_and_an_honest_client_is_served_meanwhile(scene: Scene) -> None:
    web = scene.server.web._servers[0][0]
    web.request_timeout_seconds = 0.3
    slow = [await BareSocket.connect(scene.server) for _ in range(10)]
    for number, bare in enumerate(slow):
        # Some say nothing, some begin, and some trickle: none of that buys time.
        bare.writer.write(b"GET /ws HTTP/1.1\r\nHost: localhost\r\nX-Slow: "[: 5 * number])
    async with logged_in(scene.server) as client:
        assert (await client.ask({"type": "PING"}))["code"] == 200
        for bare in slow:
            async with asyncio.timeout(PATIENCE_SECONDS):
                assert await bare.reader.read() == b""
            bare.close()
        assert (await client.ask({"type": "PING"}))["code"] == 200
    await until(lambda: not web._connections)


async def test_a_head_without_end_is_refused(scene: Scene) -> None:
    bare = await BareSocket.connect(scene.server)
    bare.writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-Long: " + b"y" * 100_000)
    answer = await bare.reader.read()
    assert answer.startswith(b"HTTP/1.1 431 ")
    bare.close()


async def test_a_token_in_the_query_logs_in_and_is_never_logged(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    tcp = await scene.server.log_in()
    token = (await tcp.ask({"type": "TOKEN"}))["token"]
    with structlog.testing.capture_logs() as entries:
        async with socket_client(scene.server, f"/ws?token={token}") as client:
            assert (await client.line())["type"] == "HELLO"
            reply = await client.line()
            assert (reply["type"], reply["code"], reply["username"]) == ("AUTH", 200, "ann")
        async with socket_client(scene.server, f"/live-price?token={token}") as client:
            assert (await client.object())["username"] == "ann"
        bare = await BareSocket.connect(scene.server)
        await bare.handshake(f"/nowhere?token={token}")
        bare.close()
        bare = await BareSocket.connect(scene.server)
        bare.writer.write(f"GET /api/v1/quotes?token={token} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert (await bare.reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 401")
        bare.close()
        bare = await BareSocket.connect(scene.server)
        bare.writer.write(f"GET /?token={token} nonsense\r\n\r\n".encode())
        await bare.reader.read()
        bare.close()
    logged = str(entries) + "".join(
        record.getMessage() for record in caplog.records if not record.name.startswith("websockets.client")
    )
    assert token not in logged


# --- TLS ----------------------------------------------------------------------------------------------------------


async def test_with_a_certificate_the_web_port_speaks_tls_and_prices_come(tmp_path: Path) -> None:
    clock = ManualClock()
    market = ScriptedStream(clock)
    certificate = write_certificate(tmp_path)
    async with live_server(tmp_path, market, clock=clock, web=True, **certificate) as server:
        assert server.web_url.startswith("https://")
        async with logged_in(server, ssl=trusting()) as client:
            command = {"type": "SUBSCRIBE", "symbol": "AAPL", "interval": 0, "save": False}
            assert (await client.ask(command))["code"] == 200
            assert (await client.line())["symbol"] == "AAPL"
            market.deliver()
            assert (await client.line())["symbol"] == "AAPL"
            await client.send(" " * 100_000)
            lines, code = await client.rest()
        assert (lines[-1]["reason"], code) == ("line_too_long", 1009)
        await until(lambda: len(server.app.sessions) == 0)


async def test_plain_http_at_a_port_of_tls_is_told_what_to_do(tmp_path: Path) -> None:
    clock = ManualClock()
    certificate = write_certificate(tmp_path)
    async with live_server(tmp_path, ScriptedStream(clock), clock=clock, web=True, **certificate) as server:
        bare = await BareSocket.connect(server)
        bare.writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with asyncio.timeout(PATIENCE_SECONDS):
            answer = await bare.reader.read()
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"use https" in answer
        bare.close()
