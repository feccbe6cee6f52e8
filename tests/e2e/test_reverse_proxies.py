"""Behind the real nginx, Caddy and HAProxy, configured as docs/operations.md says: clients keep their own addresses."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from fakes import ScriptedProvider
from live_server import PASSWORD, LiveServer, RawClient, live_server, until
from patience import PATIENCE_SECONDS
from patient_http import patient_http
from reverse_proxies import NAME, Proxy, reverse_proxy
from stocktrack.clock import ManualClock

# Who comes from here is none of the proxy's neighbours, although this machine has all of 127.0.0.0/8.
CLIENT = "127.0.0.2"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[LiveServer]:
    clock = ManualClock()
    async with live_server(
        tmp_path,
        ScriptedProvider(clock),
        clock=clock,
        web=True,
        allowlist=("pupil",),
        public_names=(NAME,),
        trusted_proxies=("127.0.0.1",),
    ) as server:
        yield server


def web_port(server: LiveServer) -> int:
    port = server.app.web.port
    assert port is not None
    return port


def websocket(proxy: Proxy, path: str = "/ws", *, name: str = NAME, **options: Any) -> connect:
    """A WebSocket through the proxy, from another address than the proxy's."""
    url = f"wss://{name}:{proxy.web_port}{path}"
    return connect(
        url,
        ssl=proxy.tls,
        host="127.0.0.1",
        port=proxy.web_port,
        local_addr=(CLIENT, 0),
        server_hostname=NAME,
        **options,
    )


async def ask(socket: ClientConnection, **command: Any) -> dict[str, Any]:
    """The reply to a command."""
    await socket.send(json.dumps(command))
    while True:
        for line in str(await socket.recv()).splitlines():
            told: dict[str, Any] = json.loads(line)
            if told["type"] == command["type"]:
                return told


@pytest.mark.parametrize("program", ["nginx", "caddy", "haproxy"])
async def test_at_the_web_port_the_page_connects_and_the_client_is_known_by_its_own_address(
    server: LiveServer, tmp_path: Path, program: str
) -> None:
    port = server.port if program == "haproxy" else None
    lies = {"X-Forwarded-For": "198.51.100.1", "Forwarded": "for=198.51.100.2", "X-Real-IP": "198.51.100.3"}
    async with reverse_proxy(program, tmp_path, web_port=web_port(server), port=port) as proxy:
        for headers in ({}, lies):
            origin = f"https://{NAME}:{proxy.web_port}"
            async with websocket(proxy, origin=origin, additional_headers=headers) as socket:
                assert (await ask(socket, type="AUTH", username="ann", password=PASSWORD))["code"] == 200
                [session] = [session for session in server.app.sessions if session.username == "ann"]
                assert (session.address, session.is_forwarded) == (CLIENT, True)
            await until(lambda: not [session for session in server.app.sessions if session.username == "ann"])
        async with websocket(proxy) as socket:
            assert (await ask(socket, type="PING", id=1))["code"] == 200
            assert "password" in (await ask(socket, type="AUTH", username="pupil"))["message"]
        with pytest.raises(InvalidStatus, match="403"):
            async with websocket(proxy, origin="https://evil.example"):
                pass
        async with websocket(proxy, "/live-price") as live:
            await live.send('{"action":"subscribe","symbol":"AAPL"}')
            assert json.loads(await live.recv())["reason"] == "not_authenticated"
        transport = httpx2.AsyncHTTPTransport(verify=proxy.tls, local_address=CLIENT)
        async with patient_http(transport=transport) as http:
            address, by_name = f"https://127.0.0.1:{proxy.web_port}", {"sni_hostname": NAME}
            for path, status in (("/healthz", 200), ("/page/main.js", 200), ("/api/v1/stocks", 401)):
                answer = await http.get(address + path, headers={"Host": NAME}, extensions=by_name)
                assert answer.status_code == status, path
            body = {"username": "ann", "password": PASSWORD}
            login = await http.post(
                f"{address}/api/v1/login", json=body, headers={"Host": NAME, **lies}, extensions=by_name
            )
            bearer = {"Host": NAME, "Authorization": f"Bearer {login.json()['token']}"}
            assert (await http.get(f"{address}/api/v1/stocks", headers=bearer, extensions=by_name)).status_code == 200
            assert [session.address for session in server.app.sessions if session.door == "rest"] == [CLIENT]


async def _raw(proxy: Proxy, tls: ssl.SSLContext) -> RawClient:
    return RawClient(
        *await asyncio.open_connection(
            "127.0.0.1", proxy.lines_port, ssl=tls, server_hostname=NAME, local_addr=(CLIENT, 0), limit=1 << 20
        )
    )


async def test_at_the_tcp_port_haproxy_says_who_the_client_is_and_its_checks_are_no_sessions(
    server: LiveServer, tmp_path: Path
) -> None:
    async with reverse_proxy("haproxy", tmp_path, web_port=web_port(server), port=server.port) as proxy:
        ann = await _raw(proxy, proxy.tls)
        assert (await ann.receive())["auth"] == ["password", "token"]
        assert (await ann.ask({"type": "AUTH", "username": "ann", "password": PASSWORD}))["code"] == 200
        [session] = [session for session in server.app.sessions if session.username == "ann"]
        assert (session.address, session.door, session.is_forwarded) == (CLIENT, "tcp", True)
        liar = await _raw(proxy, proxy.tls)
        liar.send(b"PROXY TCP4 198.51.100.1 198.51.100.2 1 2\r\n")
        told = await liar.receive_until("ERROR")
        assert "trusted_proxies" in told["message"]
        browser = await _raw(proxy, proxy.tls)
        browser.send(b"GET / HTTP/1.1\r\n\r\n")
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert (await browser._reader.readline()).startswith(b"HTTP/1.1 400 ")
        for client in (ann, liar, browser):
            await client.close()
    await server.until_clients(0)


@pytest.mark.parametrize("program", ["nginx", "caddy", "haproxy"])
async def test_a_stream_of_events_comes_through_event_by_event(tmp_path: Path, program: str) -> None:
    clock = ManualClock()
    settings: dict[str, Any] = {"public_names": (NAME,), "trusted_proxies": ("127.0.0.1",)}
    async with (
        live_server(tmp_path, ScriptedProvider(clock), clock=clock, web=True, **settings) as server,
        reverse_proxy(program, tmp_path, web_port=web_port(server), port=server.port) as proxy,
    ):
        token = (await server.app.accounts.make_token("ann", 1)).text
        headers = {"Host": NAME, "Authorization": f"Bearer {token}", "Accept-Encoding": "gzip"}
        transport = httpx2.AsyncHTTPTransport(verify=proxy.tls, local_address=CLIENT)
        url = f"https://127.0.0.1:{proxy.web_port}/api/v1/stream?symbols=AAPL&interval=5"
        async with (
            patient_http(transport=transport) as http,
            http.stream("GET", url, headers=headers, extensions={"sni_hostname": NAME}) as answer,
        ):
            assert answer.status_code == 200
            symbols: list[str] = []
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    symbols.append(json.loads(line.removeprefix("data: "))["symbol"])
                    await clock.advance(5)  # no next one is sent before this one has come through
                if len(symbols) == 3:
                    break
            [session] = server.app.sessions
            assert (session.username, session.address, session.is_forwarded) == ("ann", CLIENT, True)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(server.app.sessions) > 0:
                await clock.advance(5)  # HAProxy finds out that its client left when it has something to send to it
