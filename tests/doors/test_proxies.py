"""The PROXY protocol: what a header tells, who is believed, and what a forwarded client is taken for."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from certificates import BareTlsClient, write_certificate
from fakes import ScriptedProvider
from live_server import PASSWORD, LiveServer, RawClient, live_server, until
from patience import PATIENCE_SECONDS
from stocktrack.clock import ManualClock
from stocktrack.doors import proxies
from stocktrack.doors.first_bytes import PROXY_V2
from stocktrack.doors.proxies import (
    MAX_V1_BYTES,
    MAX_V2_BYTES,
    BadHeaderError,
    ProxiedConnection,
    ProxyHeader,
    TrustedProxies,
    header_of,
)


def v1(text: str) -> bytes:
    return f"PROXY {text}\r\n".encode()


def v2(source: str, *, command: int = 0x21, extensions: bytes = b"") -> bytes:
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    address = socket.inet_pton(family, source)
    rest = address * 2 + struct.pack("!HH", 4711, 65_432) + extensions
    return PROXY_V2 + struct.pack("!BBH", command, 0x21 if ":" in source else 0x11, len(rest)) + rest


EXTENSIONS = struct.pack("!BH", 0x02, 14) + b"quotes.example" + struct.pack("!BH", 0x04, 1_000) + bytes(1_000)
UNIX = PROXY_V2 + struct.pack("!BBH", 0x21, 0x31, 216) + bytes(216)
UNSPECIFIED = PROXY_V2 + struct.pack("!BBH", 0x21, 0x00, 3) + b"abc"

HEADERS: list[tuple[bytes, str | None]] = [
    (v1("TCP4 192.0.2.7 192.0.2.1 4711 65432"), "192.0.2.7"),
    (v1("TCP6 2001:DB8:0::7 2001:db8::1 4711 65432"), "2001:db8::7"),
    (v1("TCP6 ::ffff:192.0.2.7 ::1 4711 65432"), "192.0.2.7"),
    (v1("UNKNOWN"), None),
    (v1("UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535"), None),
    (v2("192.0.2.7"), "192.0.2.7"),
    (v2("2001:db8::7"), "2001:db8::7"),
    (v2("192.0.2.7", extensions=EXTENSIONS), "192.0.2.7"),
    (v2("192.0.2.7", command=0x20), None),
    (PROXY_V2 + b"\x20\x00\x00\x00", None),
    (UNIX, None),
    (UNSPECIFIED, None),
]


@pytest.mark.parametrize(("header", "client"), HEADERS)
def test_a_header_tells_who_the_client_is_wherever_tcp_cuts_it(header: bytes, client: str | None) -> None:
    assert header_of(header + b'{"type":"PING"}\n') == ProxyHeader(client, len(header))
    assert {header_of(header[:length]) for length in range(len(header))} == {None}


@pytest.mark.parametrize(
    "heard",
    [
        b'{"type":"PING"}\n',
        b"\x16\x03\x01",
        b"PROXX",
        b"proxy TCP4 192.0.2.7 192.0.2.1 1 2\r\n",
        v1("TCP4 192.0.2.7 192.0.2.1 4711"),
        v1("TCP4 192.0.2.7 192.0.2.1 4711 65432 1"),
        v1("TCP4 192.0.2.777 192.0.2.1 4711 65432"),
        v1("TCP4 2001:db8::7 2001:db8::1 4711 65432"),
        v1("TCP6 192.0.2.7 192.0.2.1 4711 65432"),
        v1("TCP4 192.0.2.7 192.0.2.1 4711 99999"),
        v1("TCP4 192.0.2.7  192.0.2.1 4711 65432"),
        v1("UDP4 192.0.2.7 192.0.2.1 4711 65432"),
        b"PROXY UNKNOWN " + b"x" * MAX_V1_BYTES,
        PROXY_V2 + b"\x11\x11\x00\x0c" + bytes(12),
        PROXY_V2 + b"\x22\x11\x00\x0c" + bytes(12),
        PROXY_V2 + b"\x21\x11\x00\x0b" + bytes(11),
        PROXY_V2 + b"\x21\x21\x00\x0c" + bytes(12),
        PROXY_V2 + b"\x21\x11" + struct.pack("!H", MAX_V2_BYTES),
    ],
)
def test_what_is_no_header_is_refused_at_once(heard: bytes) -> None:
    with pytest.raises(BadHeaderError):
        header_of(heard)


def test_networks_are_trusted_in_every_spelling_and_nobody_else() -> None:
    trusted = TrustedProxies(("10.0.0.0/8", "127.0.0.1/32", "2001:db8::/32"))
    assert all(map(trusted.trust, ("10.1.2.3", "127.0.0.1", "::ffff:10.1.2.3", "2001:0DB8::7")))
    assert not any(map(trusted.trust, ("11.0.0.1", "127.0.0.2", "2001:db9::1", "unknown", "", "::1")))
    assert not TrustedProxies().trust("127.0.0.1")


# --- at a real port, whose proxy is on 127.0.0.1 ------------------------------------------------------------------


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[LiveServer]:
    clock = ManualClock()
    async with live_server(
        tmp_path,
        ScriptedProvider(clock),
        clock=clock,
        users=("ann", "root"),
        allowlist=("pupil",),
        trusted_proxies=("127.0.0.1",),
        max_sessions_per_address=2,
    ) as server:
        await server.app.accounts.set_admin("root", True)
        yield server


async def forwarded(server: LiveServer, header: bytes) -> RawClient:
    """A client whose proxy sends this header; it has read nothing."""
    client = await server.connect_unread()
    client.send(header)
    return client


@pytest.mark.parametrize("header", [v1("TCP4 192.0.2.7 192.0.2.1 4711 65432"), v2("192.0.2.7", extensions=EXTENSIONS)])
async def test_a_forwarded_client_is_known_by_its_own_address(server: LiveServer, header: bytes) -> None:
    ann = await forwarded(server, header)
    assert (await ann.receive())["auth"] == ["password", "token"]
    assert (await ann.ask({"type": "AUTH", "username": "ann", "password": PASSWORD}))["code"] == 200
    root = await forwarded(server, v1("TCP6 2001:db8::7 2001:db8::1 1 2"))
    await root.ask({"type": "AUTH", "username": "root", "password": PASSWORD})
    listed = (await root.ask({"type": "SESSIONS"}))["sessions"]
    assert {(each["username"], each["address"]) for each in listed} == {("ann", "192.0.2.7"), ("root", "2001:db8::7")}


async def test_limits_by_address_see_the_client_and_not_the_proxy(server: LiveServer) -> None:
    clients = [await forwarded(server, v1(f"TCP4 192.0.2.{number} 192.0.2.1 1 2")) for number in (1, 1, 2, 2, 3)]
    assert {(await client.receive())["type"] for client in clients} == {"HELLO"}
    one_too_many = await (await forwarded(server, v2("192.0.2.1"))).receive()
    assert one_too_many["reason"] == "session_limit"
    assert "192.0.2.1" in one_too_many["message"]


@pytest.mark.parametrize(
    "header",
    [
        v1("TCP4 192.0.2.7 192.0.2.1 4711 65432"),
        v1("TCP4 127.0.0.1 127.0.0.1 4711 65432"),
        v1("UNKNOWN"),
        v2("127.0.0.1"),
        v2("::1"),
        PROXY_V2 + b"\x20\x00\x00\x00",
        b"",
    ],
)
async def test_whoever_comes_through_a_proxy_needs_a_password(server: LiveServer, header: bytes) -> None:
    client = await forwarded(server, header)
    assert (await client.ask({"type": "AUTH", "username": "pupil"}))["code"] == 400
    told = await client.ask({"type": "AUTH", "username": "pupil", "password": "wrong SeCrEt"})
    assert (told["code"], told["reason"]) == (401, "bad_credentials")
    assert await server.app._store.user("pupil") is None


async def test_a_forced_allowlist_is_for_the_whole_network_and_so_for_the_clients_of_proxies(tmp_path: Path) -> None:
    lists: dict[str, Any] = {"allowlist": ("pupil",), "allowlist_force": True, "trusted_proxies": ("127.0.0.1",)}
    async with live_server(tmp_path, users=(), **lists) as server:
        client = await forwarded(server, v1("TCP4 192.0.2.7 192.0.2.1 4711 65432"))
        assert (await client.ask({"type": "AUTH", "username": "pupil"}))["code"] == 200


async def test_a_command_of_this_machine_needs_no_header_and_is_nobody_local(server: LiveServer) -> None:
    client = await server.connect()  # it says nothing before it was greeted
    assert (await client.ask({"type": "AUTH", "username": "ann", "password": PASSWORD}))["code"] == 200
    assert server.session_of(client).is_forwarded
    quick = await server.connect_unread()
    quick.send({"type": "PING", "id": 1})
    assert (await quick.reply())["id"] == 1


async def test_a_header_that_is_none_and_one_after_other_bytes_are_not_believed(server: LiveServer) -> None:
    for bad in (v1("TCP4 192.0.2.7 192.0.2.1 4711 99999"), PROXY_V2 + b"\x31\x11\x00\x00"):
        client = await forwarded(server, bad + b'{"type":"PING"}\n')
        assert await _ended(client)
    late = await forwarded(server, b'{"type":"PING","id":1}\n' + v1("TCP4 192.0.2.7 192.0.2.1 1 2"))
    assert [line["type"] for line in (await late.receive(), await late.receive(), await late.receive())] == [
        *("HELLO", "PING", "ERROR"),
    ]
    twice = await forwarded(server, v1("TCP4 192.0.2.7 192.0.2.1 1 2") + v1("TCP4 192.0.2.8 192.0.2.1 1 2"))
    assert "trusted_proxies" in (await twice.receive())["message"]


async def _ended(client: RawClient) -> bool:
    try:
        return await client._reader.read() == b""
    except ConnectionError:
        return True


async def test_health_checks_leave_nothing_behind(server: LiveServer) -> None:
    for check in (b"", v1("UNKNOWN"), PROXY_V2 + b"\x20\x00\x00\x00", b"PRO"):
        client = await forwarded(server, check)
        client.end_input()
        await _ended(client)
    await server.until_clients(0)
    await until(lambda: not server.app.server._arriving)
    assert len(server.app.sessions) == 0


async def test_a_header_byte_by_byte_with_the_first_command_behind_it_is_read(server: LiveServer) -> None:
    client = await server.connect_unread()
    for byte in v2("192.0.2.7") + b'{"type":"PING","id":1}\n':
        client.send(bytes((byte,)))
        await asyncio.sleep(0)
    assert (await client.receive())["type"] == "HELLO"
    assert (await client.receive())["id"] == 1


async def test_before_tls_the_header_comes_first(tmp_path: Path) -> None:
    clock = ManualClock()
    settings: dict[str, Any] = {"trusted_proxies": ("127.0.0.1",), **write_certificate(tmp_path)}
    async with live_server(tmp_path, ScriptedProvider(clock), clock=clock, **settings) as server:
        bare = await BareTlsClient.connect(server.port)
        bare.writer.write(v1("TCP4 192.0.2.7 192.0.2.1 4711 65432"))
        await bare.handshake()
        [session] = server.app.sessions
        assert session.address == "192.0.2.7"
        bare.writer.transport.abort()


async def test_a_proxy_that_is_not_trusted_is_told_so_and_not_believed(tmp_path: Path) -> None:
    async with live_server(tmp_path, trusted_proxies=("10.0.0.0/8",)) as server:
        client = await forwarded(server, v1("TCP4 10.0.0.1 10.0.0.2 4711 65432"))
        client.send({"type": "AUTH", "username": "ann", "password": PASSWORD})
        [told] = await client.rest()
        assert (told["type"], told["code"]) == ("ERROR", 400)
        assert "trusted_proxies" in told["message"]


async def test_a_server_that_stops_does_not_wait_for_headers(tmp_path: Path) -> None:
    async with live_server(tmp_path, trusted_proxies=("127.0.0.1",)) as server:
        client = await forwarded(server, b"PROXY TCP4 192")
        await until(lambda: server.app.server._arriving)
        await server.app.close()
        assert await _ended(client)


# --- beyond loopback a header is asked for ------------------------------------------------------------------------


async def _required(heard: bytes, *, has_end: bool = False) -> tuple[list[str], list[str | None]]:
    """What a proxy beyond loopback gets for these bytes: the complaints, and the clients that were taken."""
    refused: list[str] = []
    taken: list[str | None] = []
    gone = asyncio.Event()

    def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def take(client: str | None) -> None:
            taken.append(client)
            writer.transport.abort()

        above = writer.transport.get_protocol()
        assert isinstance(above, asyncio.Protocol)
        ProxiedConnection(
            writer.transport,  # type: ignore[arg-type] # it is a read transport as well
            above,
            is_optional=False,
            take=take,
            refuse=refused.append,
            gone=gone.set,
        )

    listening = await asyncio.start_server(connected, "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()[:2]
    client = await RawClient.connect(host, port)
    try:
        client.send(heard)
        if has_end:
            client.end_input()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await gone.wait()
            await _ended(client)
    finally:
        await client.close()
        listening.close()
    return refused, taken


async def test_a_proxy_beyond_loopback_has_to_send_a_header(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await _required(v2("192.0.2.7")) == ([], ["192.0.2.7"])
    assert await _required(b'{"type":"PING"}\n') == (["it does not begin with a PROXY header"], [])
    assert await _required(b"PROXY TCP4", has_end=True) == (["the input ended in it"], [])
    assert await _required(b"", has_end=True) == ([], [])
    monkeypatch.setattr(proxies, "HEADER_SECONDS", 0.0)
    assert await _required(b"") == (["it did not come in time"], [])
