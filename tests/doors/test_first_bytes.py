"""Other protocols at the TCP port: told by the first line, answered in their own terms, and nothing of them is run."""

import asyncio
import json
import ssl
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from certificates import write_certificate
from fakes import ScriptedProvider
from live_server import LiveServer, live_server
from patience import PATIENCE_SECONDS
from stocktrack.clock import ManualClock
from stocktrack.doors.first_bytes import MAX_FIRST_BYTES, PROXY_V2, Speech, speech_of

REQUEST = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\n\r\n"
TLS_HELLO = bytes.fromhex("16030100c4010000c00303")

FIRST_BYTES: list[tuple[bytes, Speech]] = [
    (REQUEST, Speech.HTTP),
    (b"GET /quotes HTTP/1.0\n", Speech.HTTP),
    (b"get / http/1.1\r\n", Speech.HTTP),
    (b"FOO-BAR /?a=%22 HTTP/1.1 \r\n", Speech.HTTP),
    (b"\r\n\n \r\nOPTIONS * HTTP/1.1\r\n", Speech.HTTP),
    (b"CONNECT quotes.example:443 HTTP/1.1\r\n", Speech.HTTP),
    (b"GET http://quotes.example/ HTTP/1.1\r\n", Speech.HTTP),
    (b"POST /" + b"a" * 40_000 + b" HTTP/1.1\r\n", Speech.HTTP),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Speech.HTTP2),
    (TLS_HELLO, Speech.TLS),
    (b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 65432\r\n", Speech.PROXY),
    (PROXY_V2 + b"\x21\x11\x00\x0c", Speech.PROXY),
    (b'{"type":"PING"}\n', Speech.LINES),
    (b'\r\n{"type":"PING","id":"GET / HTTP/1.1"}\r\n', Speech.LINES),
    (b"GET AAPL\n", Speech.LINES),
    (b"GET /\r\n", Speech.LINES),
    (b"AAPL HTTP/1.1 please\n", Speech.LINES),
    (b"\x16\x04 nothing\n", Speech.LINES),
    (b"x" * 40_000, Speech.LINES),
]


@pytest.mark.parametrize(("heard", "speech"), FIRST_BYTES)
def test_the_first_bytes_tell_what_is_spoken_wherever_tcp_cuts_them(heard: bytes, speech: Speech) -> None:
    assert speech_of(heard) is speech
    lengths = range(min(len(heard), MAX_FIRST_BYTES + 2))
    told = {speech_of(heard[:length]) for length in lengths}
    assert told <= {None, Speech.NOTHING, speech}
    assert speech_of(b"") is None


@pytest.mark.parametrize("heard", [b"", b"\x16", b"GET AAPL", b"PROX", PROXY_V2[:-1]])
def test_what_ends_before_it_can_be_told_is_taken_for_lines(heard: bytes) -> None:
    assert speech_of(heard) is None
    assert speech_of(heard, is_all=True) is Speech.LINES


def test_empty_lines_tell_nothing() -> None:
    assert {speech_of(empty) for empty in (b"\n", b" \r\n", b"\n" * 40_000, b"\r\n\n")} == {Speech.NOTHING}
    assert speech_of(b"\r\n", is_all=True) is Speech.NOTHING
    assert speech_of(b"\r\n") is None  # a PROXY header could begin so


def test_a_request_that_ends_without_a_line_break_is_one_all_the_same() -> None:
    assert speech_of(b"GET / HTTP/1.1", is_all=True) is Speech.HTTP


# --- at a real port -----------------------------------------------------------------------------------------------

# What a page would like to have run: nobody needs a password here.
COMMANDS = b"".join(
    json.dumps(command).encode() + b"\n"
    for command in (
        {"type": "AUTH", "username": "pupil"},
        {"type": "SUBSCRIBE", "symbols": ["TSLA"]},
        {"type": "UNSUBSCRIBE", "symbols": ["AAPL"]},
    )
)
WRONG_LOGINS = json.dumps({"type": "AUTH", "username": "ann", "password": "wrong SeCrEt"}).encode() + b"\n"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[LiveServer]:
    clock = ManualClock()
    async with live_server(
        tmp_path,
        ScriptedProvider(clock),
        clock=clock,
        web=True,
        allowlist=("pupil",),
        login_failures_per_minute=1,
        auth_timeout_seconds=3_600,
    ) as server:
        pupil = await server.connect()
        assert (await pupil.ask({"type": "AUTH", "username": "pupil"}))["code"] == 200
        assert (await pupil.ask({"type": "SUBSCRIBE", "symbols": ["AAPL"]}))["code"] == 200
        yield server


async def talk(server: LiveServer, *pieces: bytes, has_end: bool = True) -> bytes:
    """All that the server says to a client that sends these pieces one after the other."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        writer.transport.get_extra_info("socket").setsockopt(6, 1, 1)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if has_end:
            writer.write_eof()
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await reader.read()
    finally:
        writer.transport.abort()


async def check_nothing_was_run(server: LiveServer) -> None:
    assert await server.app._store.saved("pupil") == ("AAPL",)
    # Nobody was throttled: one wrong login would have been enough.
    ann = await server.log_in("ann")
    await ann.close()


@pytest.mark.parametrize(
    "first",
    [
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: 999\r\n\r\n",
        b"POST / HTTP/1.0\n\n",
        b"\r\n\r\nput /x http/1.1\r\n\r\n",
        b"GET /socket HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"POST /" + b"x" * 40_000 + b" HTTP/1.1\r\n\r\n",
    ],
    ids=["a fetch", "1.0 with bare line feeds", "lower case after empty lines", "an upgrade", "a long target"],
)
async def test_a_request_is_answered_as_http_and_no_line_of_its_body_is_run(server: LiveServer, first: bytes) -> None:
    answer = await talk(server, first + COMMANDS + WRONG_LOGINS * 5)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert f"content-length: {len(body)}".encode() in head
    assert f"at port {server.app.web.port}." in body.decode()
    await check_nothing_was_run(server)


async def test_a_request_in_single_bytes_is_answered_once_and_nothing_is_run(server: LiveServer) -> None:
    everything = REQUEST + COMMANDS
    answer = await talk(server, *(everything[place : place + 1] for place in range(len(everything))))
    assert answer.count(b"HTTP/1.1 400") == 1
    await check_nothing_was_run(server)


async def test_a_request_after_the_greeting_is_answered_and_nothing_is_run_even_much_later(server: LiveServer) -> None:
    client = await server.connect()
    client.send(b"\n", REQUEST)
    assert (await client._reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
    client.send(COMMANDS, WRONG_LOGINS * 5)
    assert b'"type"' not in await client._reader.read()
    await check_nothing_was_run(server)


async def test_http_2_is_told_to_go_away(server: LiveServer) -> None:
    answer = await talk(server, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9) + COMMANDS)
    length, kind = struct.unpack("!I", b"\0" + answer[:3])[0], answer[3]
    assert (length, kind) == (0, 4)  # SETTINGS
    goaway = answer[9:]
    assert (goaway[3], struct.unpack("!II", goaway[9:17])) == (7, (0, 0x0D))
    assert b"JSON lines" in goaway[17:]
    await check_nothing_was_run(server)


async def test_tls_at_a_plain_port_gets_an_alert_and_nothing_in_its_hello_is_run(server: LiveServer) -> None:
    assert await talk(server, TLS_HELLO + b"\n" + COMMANDS) == bytes.fromhex("15030100020246")
    assert await talk(server, TLS_HELLO[:1], TLS_HELLO[1:], COMMANDS) == bytes.fromhex("15030100020246")
    with pytest.raises(ssl.SSLError, match="ALERT"):
        await asyncio.open_connection(server.host, server.port, ssl=ssl.create_default_context())
    await check_nothing_was_run(server)


async def test_a_person_who_types_into_nc_gets_a_sentence_and_the_session_lives(server: LiveServer) -> None:
    client = await server.connect()
    for typed in (b"GET AAPL\n", b"GET /\r\n", b"hello HTTP/1.1?\n"):
        told = await client.ask(typed)
        assert (told["type"], told["code"], told["reason"]) == ("ERROR", 400, "malformed_json")
    assert (await client.ask({"type": "PING", "id": 1}))["id"] == 1
    assert (await client.ask(b"GET / HTTP/1.1\n"))["code"] == 400


async def test_a_proxy_header_from_nobody_in_particular_is_told_and_not_believed(server: LiveServer) -> None:
    for header in (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", PROXY_V2 + b"\x20\x00\x00\x00"):
        told = json.loads(await talk(server, header + COMMANDS))
        assert (told["type"], told["code"]) == ("ERROR", 400)
        assert "trusted_proxies" in told["message"]
    await check_nothing_was_run(server)


async def test_first_bytes_leave_no_session_and_no_task(server: LiveServer) -> None:
    before = len(server.app.sessions)
    for first in (REQUEST, TLS_HELLO, b"", b"GET / HT", b"\n"):
        await talk(server, first)
    await server.until_clients(before)
    assert len(server.app.sessions) == before


async def test_lines_that_come_with_the_connection_are_all_answered(server: LiveServer) -> None:
    lines = b'{"type":"PING","id":1}\n{"type":"PING","id":2}\n{"type":"LOGOUT","id":3}\n'
    told = [json.loads(line) for line in (await talk(server, lines[:5], lines[5:])).splitlines()]
    assert [line["type"] for line in told] == ["HELLO", "PING", "PING", "LOGOUT"]


# --- where TLS is spoken ------------------------------------------------------------------------------------------


async def test_plain_bytes_at_a_port_of_tls_are_answered_in_their_own_terms(tmp_path: Path) -> None:
    clock = ManualClock()
    certificate = write_certificate(tmp_path)
    async with live_server(tmp_path, ScriptedProvider(clock), clock=clock, **certificate) as server:
        for request in (REQUEST, b"OPTIONS / HTTP/1.1\r\n\r\n", b"get / http/1.0\n"):
            for pieces in ((request,), tuple(request[place : place + 1] for place in range(len(request)))):
                answer = await talk(server, *pieces, COMMANDS, has_end=False)
                assert answer.startswith(b"HTTP/1.1 400 ")
                assert b"TLS" in answer
        goaway = await talk(server, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", has_end=False)
        assert goaway[3] == 4
        told = json.loads(await talk(server, b'{"type":"PING"}\n', has_end=False))
        assert "--tls" in told["message"]
        assert json.loads(await talk(server, b"GET AAPL\n"))["code"] == 400


async def test_a_request_inside_tls_is_answered_as_http_too(tmp_path: Path) -> None:
    clock = ManualClock()
    certificate = write_certificate(tmp_path)
    async with live_server(
        tmp_path, ScriptedProvider(clock), clock=clock, allowlist=("pupil",), **certificate
    ) as server:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        reader, writer = await asyncio.open_connection(server.host, server.port, ssl=context)
        writer.write(REQUEST + COMMANDS)
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
        writer.transport.abort()
        assert await server.app._store.user("pupil") is None
