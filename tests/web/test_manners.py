"""How the web port behaves whatever is asked for: methods, HEAD, OPTIONS, what is nowhere, and what quotas leave."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.routing import Route

from fakes import ScriptedProvider
from live_server import PASSWORD, LiveServer, live_server
from patience import PATIENCE_SECONDS
from patient_http import patient_http
from stocktrack.clock import ManualClock
from stocktrack.errors import Reason
from stocktrack.sessions.bucket import Quota
from stocktrack.web.asgi import Message, Receive, Scope, Send
from stocktrack.web.rest.manners import Manners, quota_headers
from stocktrack.web.statuses import STATUS_OF

API = "/api/v1"
UPGRADE = {"upgrade": "websocket", "connection": "Upgrade"}


@dataclass
class Scene:
    server: LiveServer
    market: ScriptedProvider
    clock: ManualClock
    http: httpx2.AsyncClient


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    clock = ManualClock()
    market = ScriptedProvider(clock)
    limits: dict[str, Any] = {"command_burst": 20, "commands_per_second": 10.0, "user_upstream_burst": 5}
    async with (
        live_server(tmp_path, market, clock=clock, web=True, **limits) as server,
        patient_http(base_url=server.web_url) as http,
    ):
        login = await http.post(f"{API}/login", json={"username": "ann", "password": PASSWORD})
        http.headers["Authorization"] = f"Bearer {login.json()['token']}"
        yield Scene(server, market, clock, http)


# --- methods ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (f"{API}/quotes", "GET, HEAD, OPTIONS"),
        (f"{API}/login", "POST, OPTIONS"),
        (f"{API}/lots", "POST, OPTIONS"),
        (f"{API}/stocks/AAPL", "PUT, DELETE, OPTIONS"),
        (f"{API}/alerts", "GET, HEAD, POST, OPTIONS"),
        ("/openapi.json", "GET, HEAD, OPTIONS"),
        ("/docs", "GET, HEAD, OPTIONS"),
        ("/", "GET, HEAD, OPTIONS"),
        ("/page/main.js", "GET, HEAD, OPTIONS"),
        ("/healthz", "GET, HEAD, OPTIONS"),
        ("/ws", "GET, HEAD, OPTIONS"),
    ],
)
async def test_every_path_tells_its_methods_and_refuses_the_others(scene: Scene, path: str, allowed: str) -> None:
    told = await scene.http.options(path)
    assert (told.status_code, told.headers["allow"], told.content) == (204, allowed, b"")
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"} - set(allowed.split(", ")):
        refused = await scene.http.request(method, path)
        assert (refused.status_code, refused.headers["allow"]) == (405, allowed), method
        if path.startswith(API):
            assert refused.headers["content-type"] == "application/problem+json"
            assert refused.json()["reason"] == "unknown_command"


@pytest.mark.parametrize(
    "path",
    [
        *(
            f"{API}/{name}"
            for name in ("quotes?symbols=AAPL,TSLA", "stocks", "tokens", "sources", "quotes?symbols=NOPE")
        ),
        *("/openapi.json", "/docs", "/", "/healthz", f"{API}/nothing"),
    ],
)
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_head_is_get_without_its_body(scene: Scene, path: str, encoding: str) -> None:
    got = await scene.http.get(path, headers={"Accept-Encoding": encoding})
    head = await scene.http.head(path, headers={"Accept-Encoding": encoding})
    assert (head.status_code, head.content) == (got.status_code, b"")
    changing = {"date", "ratelimit"}
    assert {name: value for name, value in head.headers.items() if name not in changing} == {
        name: value for name, value in got.headers.items() if name not in changing
    }


async def test_what_goes_on_without_end_is_ended_by_head() -> None:
    sent: list[Message] = []
    written = 0

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal written
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        while written < 3:
            written += 1
            await send({"type": "http.response.body", "body": b": beat\n\n", "more_body": True})

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "path": f"{API}/stream", "method": "HEAD", "headers": []}
    route = Route(f"{API}/stream", lambda request: None, methods=["GET"])
    await Manners(stream, [route])(scope, receive, send)
    assert written == 3
    assert [message.get("more_body", False) for message in sent if message["type"] == "http.response.body"] == [False]


# --- what is nowhere ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (f"{API}/quotes/", f"it is {API}/quotes, without a slash"),
        (f"{API}/stocks/", f"it is {API}/stocks, without a slash"),
        (f"{API}/lists//", f"it is {API}/lists, without a slash"),
        (f"{API}/nothing", "/docs lists the operations"),
        ("/api/v2/quotes", "/docs lists the operations"),
        ("/api", "/docs lists the operations"),
    ],
)
async def test_what_is_nowhere_under_rest_is_a_problem_that_helps(scene: Scene, path: str, words: str) -> None:
    answer = await scene.http.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert words in answer.json()["detail"]


async def test_what_is_nowhere_else_is_a_sentence_or_a_problem_for_who_asks_for_json(scene: Scene) -> None:
    person = await scene.http.get("/nothing", headers={"Accept": "text/html,*/*;q=0.8"})
    assert (person.status_code, person.headers["content-type"]) == (404, "text/plain; charset=utf-8")
    program = await scene.http.get("/nothing", headers={"Accept": "application/json"})
    assert (program.status_code, program.headers["content-type"]) == (404, "application/problem+json")
    moved = await scene.http.get("/docs/")
    assert (moved.status_code, moved.headers["location"]) == (308, "/docs")


async def test_a_plain_request_of_any_websocket_is_told_to_upgrade(scene: Scene) -> None:
    web = scene.server.web._web
    assert web is not None
    paths = [path for path in web._websockets if path != "/socket.io"]  # that one may be polled
    assert {"/ws", "/live-price"} <= set(paths)
    for path in paths:
        for method in ("GET", "HEAD"):
            answer = await scene.http.request(method, path)
            assert answer.status_code == 426
            assert answer.headers["upgrade"] == "websocket"
            assert "Upgrade" in answer.headers["connection"]
        assert (await scene.http.get("/healthz")).status_code == 200  # the connection goes on


@pytest.mark.parametrize("path", [f"{API}/quotes?symbols=AAPL", "/page/main.js"])
@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        pytest.param("GET", {"Authorization": "Bearer " + "x" * 70_000}, 431, id="a head of 70,000 bytes"),
        pytest.param("GET", {f"X-{n}": "x" for n in range(200)}, 431, id="200 headers"),
        pytest.param("FETCH", {}, 400, id="a method that there is not"),
    ],
)
async def test_whatever_is_wrong_with_a_head_its_path_says_how_that_is_told(
    scene: Scene, path: str, method: str, headers: dict[str, str], status: int
) -> None:
    answer = await scene.http.request(method, path, headers=headers)
    kind = "application/problem+json" if path.startswith(API) else "text/plain; charset=utf-8"
    assert (answer.status_code, answer.headers["content-type"]) == (status, kind)


async def test_what_http_itself_refuses_under_rest_is_a_problem_too(scene: Scene) -> None:
    assert (await scene.http.get("/healthz")).status_code == 200  # what was asked for before does not matter
    large = await scene.http.post(f"{API}/say", content=b" " * 100_000)
    assert (large.status_code, large.json()["reason"]) == (413, "line_too_long")
    assert (await scene.http.get(f"{API}/sources")).status_code == 200
    large = await scene.http.post("/page/main.js", content=b" " * 100_000)
    assert (large.status_code, large.headers["content-type"]) == (413, "text/plain; charset=utf-8")
    elsewhere = await scene.http.get(f"{API}/quotes?symbols=AAPL", headers={"Host": "evil.example"})
    assert (elsewhere.status_code, elsewhere.headers["content-type"]) == (421, "application/problem+json")
    page = await scene.http.get("/", headers={"Host": "evil.example"})
    assert (page.status_code, page.headers["content-type"]) == (421, "text/plain; charset=utf-8")


# --- statuses -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (Reason.PROVIDER_ERROR, 502),
        (Reason.PROVIDER_BLOCKED, 502),
        (Reason.PROVIDER_TIMEOUT, 504),
        (Reason.STORAGE_ERROR, 503),
        (Reason.SESSION_LIMIT, 503),
        (Reason.SHUTDOWN, 503),
    ],
)
def test_a_failure_of_a_source_is_another_one_than_ours(reason: Reason, status: int) -> None:
    assert STATUS_OF[reason] == status


async def test_a_source_that_fails_is_a_bad_gateway_with_the_time_to_try_again(scene: Scene) -> None:
    scene.market.script = "fail"
    for path in (f"{API}/quotes?symbols=AAPL", f"{API}/news", f"{API}/company/AAPL"):
        answer = await scene.http.get(path)
        assert (answer.status_code, answer.json()["status"]) == (502, 502)
        assert int(answer.headers["retry-after"]) >= 1


# --- quotas -------------------------------------------------------------------------------------------------------


def test_the_headers_of_quotas_are_lists_of_named_items() -> None:
    quotas = (Quota("commands", 200, 4, 199, 1), Quota("sources", 30, 30, 30, 0))
    assert quota_headers(quotas) == [
        (b"ratelimit-policy", b'"commands";q=200;w=4, "sources";q=30;w=30'),
        (b"ratelimit", b'"commands";r=199;t=1, "sources";r=30;t=0'),
    ]


async def test_every_answer_to_a_user_tells_what_is_left(scene: Scene) -> None:
    first = await scene.http.get(f"{API}/quotes?symbols=AAPL")
    assert first.headers["ratelimit-policy"] == '"commands";q=20;w=2, "sources";q=5;w=5'
    assert first.headers["ratelimit"] == '"commands";r=18;t=1, "sources";r=4;t=1'
    for _ in range(18):
        await scene.http.get(f"{API}/sources")
    refused = await scene.http.get(f"{API}/sources")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert refused.headers["ratelimit"].startswith('"commands";r=0;t=2')
    await scene.clock.advance(1)
    assert (await scene.http.get(f"{API}/sources")).headers["ratelimit"].startswith('"commands";r=9;t=2')
    scene.http.headers["Authorization"] = "Bearer wrong"
    assert "ratelimit" not in (await scene.http.get(f"{API}/sources")).headers


async def test_answers_with_secrets_are_kept_and_compressed_by_nobody(scene: Scene) -> None:
    for path in ("tokens", "sources"):
        answer = await scene.http.get(f"{API}/{path}", headers={"Accept-Encoding": "gzip"})
        assert ("no-transform" in answer.headers["cache-control"]) is (path == "tokens")
    login = await scene.http.post(f"{API}/login", json={"username": "ann", "password": PASSWORD})
    assert login.headers["cache-control"] == "no-store, no-transform"
    assert "content-encoding" not in login.headers


async def test_a_method_that_nobody_knows_and_a_path_of_bytes_end_in_an_answer(scene: Scene) -> None:
    host, port = scene.server.web_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(b"PROPFIND /api/v1/quotes HTTP/1.1\r\nHost: " + host.encode() + b"\r\n\r\n")
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(re.search(rb"content-length: (\d+)", head).group(1))  # type: ignore[union-attr] # it has one
            assert head.startswith(b"HTTP/1.1 405 ")
            assert json.loads(await reader.readexactly(size))["status"] == 405
    finally:
        writer.close()
        await writer.wait_closed()
