"""Which names the web port answers to, whose pages may use it, and who is at home: over real connections."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from fakes import ScriptedProvider
from live_server import PASSWORD, LiveServer, live_server
from patience import PATIENCE_SECONDS
from patient_http import patient_http
from stocktrack.clock import ManualClock
from stocktrack.web.origins import is_of_another_site, misdirected
from web_clients import BareSocket, socket_client

NAMES = ("quotes.example", "stocks.example")


def status(*hosts: str, target: bytes = b"/") -> int | None:
    """The status that a request with these Host headers is refused with."""
    headers = [(b"accept", b"*/*"), *((b"host", host.encode("latin-1")) for host in hosts)]
    refused = misdirected(headers, target, NAMES)
    return None if refused is None else refused[0].value


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "localhost:8080", "LocalHost.", "127.0.0.1", "127.0.0.1:8080", "192.0.2.1:443"),
        *("[::1]", "[::1]:8080", "[2001:db8::7]", "quotes.example", "QUOTES.Example.:9443", "stocks.example:80"),
    ],
)
def test_addresses_localhost_and_public_names_pass(host: str) -> None:
    assert status(host) is None


@pytest.mark.parametrize(
    "host",
    [
        *(
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "quotes.example.org",
        ),
        *("xquotes.example", "127.0.0.1.nip.io", "2130706433", "x"),
    ],
)
def test_any_other_name_is_misdirected_and_the_setting_is_named(host: str) -> None:
    assert status(host) == 421
    refused = misdirected([(b"host", host.encode())], b"/", NAMES)
    assert refused is not None
    assert "public_names" in refused[1]


@pytest.mark.parametrize(
    "host", ["", " ", ":8080", "::1", "[::1", "a b", "quotes.example/x", "localhost:x", "\xe9.example"]
)
def test_a_host_that_is_none_is_a_bad_request(host: str) -> None:
    assert status(host) == 400


def test_no_host_and_two_hosts_are_bad_requests() -> None:
    assert status() == 400
    assert status("localhost", "localhost") == 400
    assert status("localhost", "evil.example") == 400


def test_a_target_that_names_a_host_itself_is_looked_at_too() -> None:
    assert status("localhost", target=b"http://localhost:8080/page?next=http://evil.example/") is None
    assert status("localhost", target=b"http://evil.example/") == 421
    assert status("evil.example", target=b"http://localhost/") == 421
    assert status("localhost", target=b"/?next=http://evil.example/") is None


@pytest.mark.parametrize(
    ("origin", "host", "is_foreign"),
    [
        ("http://127.0.0.1:8080", "127.0.0.1:8080", False),
        ("http://127.0.0.1:3000", "127.0.0.1:8080", True),
        ("http://127.0.0.1", "127.0.0.1:8080", True),
        ("http://localhost:8080", "127.0.0.1:8080", True),
        ("https://localhost", "localhost:443", False),
        ("http://[::1]:8080", "[::1]:8080", False),
        ("https://quotes.example", "quotes.example", False),
        ("https://quotes.example:8443", "quotes.example", False),
        ("https://QUOTES.example", "quotes.example:8080", False),
        ("https://quotes.example", "127.0.0.1:8080", False),
        ("https://evil.example", "quotes.example", True),
        ("https://quotes.example.evil.example", "quotes.example", True),
        ("https://allowed.example", "quotes.example", False),
        ("https://allowed.example:1", "quotes.example", True),
        ("null", "127.0.0.1:8080", True),
        ("", "127.0.0.1:8080", True),
        ("file://quotes.example", "quotes.example", True),
    ],
)
def test_the_port_of_an_origin_counts_except_under_a_public_name(origin: str, host: str, is_foreign: bool) -> None:
    assert is_of_another_site(origin, host, ("https://allowed.example",), NAMES) is is_foreign


# --- over real connections ----------------------------------------------------------------------------------------


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[LiveServer]:
    clock = ManualClock()
    async with live_server(
        tmp_path,
        ScriptedProvider(clock),
        clock=clock,
        users=("ann", "root"),
        web=True,
        public_names=("Quotes.Example.",),
        trusted_proxies=("127.0.0.1",),
        login_failures_per_minute=1,
        max_sessions_per_address=4,
    ) as server:
        await server.app.accounts.set_admin("root", True)
        yield server


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[LiveServer]:
    """A server that trusts no proxy, and lets guests and a pupil in."""
    clock = ManualClock()
    async with live_server(tmp_path, ScriptedProvider(clock), clock=clock, web=True, allowlist=("pupil",)) as server:
        yield server


PATHS = ("/", "/page/main.js", "/api/v1/quotes?symbols=AAPL", "/docs", "/openapi.json", "/nothing", "/socket.io/?EIO=4")


async def test_every_path_but_the_operators_is_refused_under_a_foreign_name(server: LiveServer) -> None:
    async with patient_http(base_url=server.web_url) as http:
        for path in PATHS:
            answer = await http.get(path, headers={"Host": "evil.example:8080"})
            assert answer.status_code == 421, path
            assert "public_names" in answer.text
            named = await http.get(path, headers={"Host": "QUOTES.example"})
            assert named.status_code not in {400, 421}, path
        for path in ("/healthz", "/readyz", "/metrics", "/metrics?x=1"):
            assert (await http.get(path, headers={"Host": "evil.example"})).status_code == 200


@pytest.mark.parametrize("path", ["/ws", "/live-price", "/socket.io/?EIO=4&transport=websocket", "/nothing"])
async def test_a_websocket_under_a_foreign_name_is_refused_also_with_an_origin_that_matches(
    server: LiveServer, path: str
) -> None:
    for origin in ({"Origin": "http://evil.example"}, {}):
        bare = await BareSocket.connect(server)
        assert (await bare.handshake(path, Host="evil.example", **origin)).startswith(b"HTTP/1.1 421 ")
        bare.close()


async def test_without_a_host_only_the_operators_paths_are_answered(server: LiveServer) -> None:
    for target, host, expected in (
        ("/", "", b"400"),
        ("/", "Host: localhost\r\nHost: localhost\r\n", b"400"),
        ("/", "Host: local host\r\n", b"400"),
        ("/healthz", "", b"200"),
        ("/healthz", "Host: local host\r\n", b"200"),
    ):
        bare = await BareSocket.connect(server)
        bare.writer.write(f"GET {target} HTTP/1.1\r\n{host}\r\n".encode())
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert (await bare.reader.readline()).split()[1] == expected, (target, host)
        bare.close()


async def test_behind_a_proxy_the_page_of_a_public_name_may_connect_whatever_its_port(server: LiveServer) -> None:
    for host, origin in (
        ("quotes.example", "https://quotes.example"),
        ("quotes.example", "https://quotes.example:8443"),
        ("quotes.example:8080", "https://quotes.example"),
    ):
        bare = await BareSocket.open(server, Host=host, Origin=origin)
        bare.close()
    refused = await BareSocket.connect(server)
    assert (await refused.handshake(Host="quotes.example", Origin="https://evil.example")).startswith(b"HTTP/1.1 403 ")
    refused.close()


async def test_a_page_of_another_site_can_try_no_login_over_http(home: LiveServer) -> None:
    body = json.dumps({"username": "ann", "password": PASSWORD}).encode()
    async with patient_http(base_url=home.web_url) as http:
        for headers in ({"Content-Type": "text/plain"}, {"Content-Type": "application/json"}, {}):
            for origin in ("http://evil.example", "null", "http://127.0.0.1:1"):
                answer = await http.post("/api/v1/login", content=body, headers={**headers, "Origin": origin})
                assert answer.status_code == 403
        json_type = {"Content-Type": "application/json"}
        for headers in (json_type, {**json_type, "Origin": home.web_url}):
            assert (await http.post("/api/v1/login", content=body, headers=headers)).status_code == 200


# --- who the client is --------------------------------------------------------------------------------------------

FORWARDED = [{"X-Forwarded-For": "203.0.113.9, 192.0.2.7"}, {"Forwarded": 'for=203.0.113.9, for="192.0.2.7:4711"'}]


@pytest.mark.parametrize("headers", FORWARDED)
async def test_sessions_are_listed_with_the_address_of_the_client(server: LiveServer, headers: dict[str, str]) -> None:
    token = (await server.app.accounts.make_token("ann", 1)).text
    bearer = {"Authorization": f"Bearer {token}"}
    async with (
        patient_http(base_url=server.web_url) as http,
        socket_client(server, additional_headers=headers) as socket,
        socket_client(server, "/live-price", additional_headers=headers),
    ):
        assert (await http.get("/api/v1/stocks", headers={**bearer, **headers})).status_code == 200
        await socket.ask({"type": "AUTH", "username": "root", "password": PASSWORD})
        listed = (await socket.ask({"type": "SESSIONS"}))["sessions"]
        assert {each["door"] for each in listed} == {"rest", "web"}
        assert {each["address"] for each in listed} == {"192.0.2.7"}


async def test_limits_by_address_see_the_client(server: LiveServer) -> None:
    async def open_as(client: str, path: str = "/ws") -> BareSocket:
        return await BareSocket.open(server, path, X_Forwarded_For=client)

    sockets = [await open_as("192.0.2.7") for _ in range(4)] + [await open_as("192.0.2.8")]
    refused = await open_as("192.0.2.7")
    lines, code = await refused.ends()
    assert (lines[0]["reason"], code) == ("session_limit", 1013)
    for socket in sockets:
        assert json.loads((await socket.receive())[1])["type"] == "HELLO"
        socket.close()


async def test_wrong_logins_throttle_the_client_and_not_the_proxy(server: LiveServer) -> None:
    async with patient_http(base_url=server.web_url) as http:

        async def log_in(name: str, client: str) -> int:
            body = {"username": name, "password": PASSWORD if name == "ann" else "wrong SeCrEt"}
            answer = await http.post("/api/v1/login", json=body, headers={"X-Forwarded-For": client})
            return answer.status_code

        assert await log_in("nobody", "192.0.2.7") == 401
        throttle = server.app.accounts.throttle
        assert throttle.wait_seconds("somebody else", "192.0.2.7") > 0
        assert throttle.wait_seconds("somebody else", "127.0.0.1") == 0
        assert await log_in("ann", "192.0.2.8") == 200


SIGNS = [{"X-Forwarded-For": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1"}, {"Via": "1.1 proxy"}, {"X-Real-IP": "::1"}]


@pytest.mark.parametrize("headers", SIGNS)
async def test_a_client_that_a_proxy_forwards_is_no_guest_and_not_on_the_allowlist(
    home: LiveServer, headers: dict[str, str]
) -> None:
    async with connect(f"{home.web_url}/live-price".replace("http", "ws"), additional_headers=headers) as socket:
        await socket.send('{"action":"subscribe","symbol":"AAPL"}')
        assert json.loads(await socket.recv())["reason"] == "not_authenticated"
    async with socket_client(home, additional_headers=headers) as ws:
        assert (await ws.line())["auth"] == ["password", "token"]
        assert (await ws.ask({"type": "AUTH", "username": "pupil"}))["code"] == 400
        told = await ws.ask({"type": "AUTH", "username": "pupil", "password": "wrong SeCrEt"})
        assert told["reason"] == "bad_credentials"


async def test_whoever_is_at_home_is_still_a_guest_and_on_the_allowlist(home: LiveServer) -> None:
    async with socket_client(home, "/live-price") as live:
        await live.send({"action": "subscribe", "symbol": "AAPL"})
        assert (await live.object())["symbol"] == "AAPL"
    async with socket_client(home) as ws:
        assert (await ws.ask({"type": "AUTH", "username": "pupil"}))["code"] == 200


async def test_the_proxy_itself_is_nobody_local_either(server: LiveServer) -> None:
    async with socket_client(server, "/live-price") as live:
        await live.send({"action": "subscribe", "symbol": "AAPL"})
        assert (await live.object())["reason"] == "not_authenticated"
