"""What pages of other sites may read: those that the setting names, and nothing by itself."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from fakes import ScriptedProvider
from live_server import PASSWORD, live_server
from patient_http import patient_http
from stocktrack.clock import ManualClock

API = "/api/v1"
PAGE = "https://charts.example"
OPEN = (f"{API}/quotes?symbols=AAPL", "/udf/time", "/openapi.json", f"{API}/nothing")


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    clock = ManualClock()
    market = ScriptedProvider(clock)
    async with (
        live_server(tmp_path, market, clock=clock, web=True, allowed_origins=[PAGE]) as server,
        patient_http(base_url=server.web_url) as http,
    ):
        login = await http.post(f"{API}/login", json={"username": "ann", "password": PASSWORD})
        http.headers["Authorization"] = f"Bearer {login.json()['token']}"
        yield http


@pytest.mark.parametrize("path", OPEN)
async def test_a_page_of_an_allowed_site_reads_answers_and_their_headers(http: httpx2.AsyncClient, path: str) -> None:
    answer = await http.get(path, headers={"Origin": PAGE})
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "origin" in answer.headers["vary"].split(", ")
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert {"etag", "retry-after", "ratelimit", "ratelimit-policy", "content-disposition", "link"} <= set(exposed)
    assert "access-control-allow-credentials" not in answer.headers


async def test_its_browser_is_told_beforehand_what_may_be_sent(http: httpx2.AsyncClient) -> None:
    asked = {
        "Origin": PAGE,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization,content-type",
        "Access-Control-Request-Private-Network": "true",
    }
    del http.headers["Authorization"]
    answer = await http.options(f"{API}/stocks", headers=asked)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "PUT" in answer.headers["access-control-allow-methods"].split(", ")
    assert {"authorization", "content-type"} <= set(answer.headers["access-control-allow-headers"].split(", "))
    assert int(answer.headers["access-control-max-age"]) > 0
    assert answer.headers["access-control-allow-private-network"] == "true"


async def test_a_page_of_an_allowed_site_changes_things_and_reads_what_goes_wrong(http: httpx2.AsyncClient) -> None:
    done = await http.put(f"{API}/stocks/AAPL", headers={"Origin": PAGE})
    assert (done.status_code, done.headers["access-control-allow-origin"]) == (200, PAGE)
    wrong = await http.get(f"{API}/quotes?symbols=NOPE", headers={"Origin": PAGE})
    assert (wrong.status_code, wrong.headers["access-control-allow-origin"]) == (404, PAGE)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", f"{PAGE}.evil.example", f"{PAGE}:8443"])
async def test_a_page_of_another_site_is_told_nothing_and_changes_nothing(
    http: httpx2.AsyncClient, origin: str
) -> None:
    headers = {"Origin": origin, "Access-Control-Request-Method": "PUT"}
    for method, path in (("GET", f"{API}/sources"), ("OPTIONS", f"{API}/stocks"), ("GET", "/openapi.json")):
        answer = await http.request(method, path, headers=headers)
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert "origin" in answer.headers["vary"].split(", ")
    refused = await http.put(f"{API}/stocks/AAPL", headers=headers)
    assert (refused.status_code, refused.json()["reason"]) == (403, "not_permitted")
    assert (await http.get(f"{API}/stocks")).json()["symbols"] == []


async def test_two_origins_are_none(http: httpx2.AsyncClient) -> None:
    answer = await http.get(f"{API}/sources", headers=[("Origin", PAGE), ("Origin", PAGE)])
    assert "access-control-allow-origin" not in answer.headers


async def test_the_page_of_this_server_needs_no_such_headers(http: httpx2.AsyncClient) -> None:
    own = str(http.base_url).rstrip("/")
    assert (await http.put(f"{API}/stocks/AAPL", headers={"Origin": own})).status_code == 200
    for path in ("/", "/page/main.js", "/healthz"):
        answer = await http.get(path, headers={"Origin": PAGE})
        assert "access-control-allow-origin" not in answer.headers


async def test_where_all_may_read_still_no_cookies_are_asked_for(tmp_path: Path) -> None:
    clock = ManualClock()
    async with (
        live_server(tmp_path, ScriptedProvider(clock), clock=clock, web=True, allowed_origins=["*"]) as server,
        patient_http(base_url=server.web_url) as http,
    ):
        answer = await http.get("/udf/time", headers={"Origin": "https://anybody.example"})
        assert answer.headers["access-control-allow-origin"] == "https://anybody.example"
        assert "access-control-allow-credentials" not in answer.headers


# --- refusals -----------------------------------------------------------------------------------------------------

LONG = {"X-Long": "x" * 70_000}
MANY = {f"X-{number}": "x" for number in range(200)}


@pytest.mark.parametrize(
    ("method", "path", "sent", "status"),
    [
        pytest.param("GET", f"{API}/nothing", {}, 404, id="nothing under REST"),
        pytest.param("GET", "/ap/v1/quotes", {}, 404, id="a wrong path"),
        pytest.param("DELETE", f"{API}/quotes", {}, 405, id="another method"),
        pytest.param("PUT", "/udf/time", {}, 405, id="another method of UDF"),
        pytest.param("GET", "/ws", {}, 426, id="a WebSocket"),
        pytest.param("GET", "/v2/iex", {}, 426, id="a WebSocket of a dialect"),
        pytest.param("GET", f"{API}/quotes?symbols=AAPL", {"headers": LONG}, 431, id="a long head"),
        pytest.param("GET", f"{API}/quotes?symbols=AAPL", {"headers": MANY}, 431, id="many headers"),
        pytest.param("GET", "/udf/time", {"headers": LONG}, 431, id="a long head of UDF"),
        pytest.param("FETCH", f"{API}/quotes", {}, 400, id="no method of HTTP"),
        pytest.param("POST", f"{API}/say", {"content": b" " * 100_000}, 413, id="a long body"),
        pytest.param("GET", f"{API}/quotes", {"headers": {"Host": "evil.example"}}, 421, id="a foreign name"),
    ],
)
async def test_a_page_of_an_allowed_site_reads_whatever_is_refused(
    http: httpx2.AsyncClient, method: str, path: str, sent: dict[str, Any], status: int
) -> None:
    headers = {**sent.get("headers", {}), "Origin": PAGE}
    answer = await http.request(method, path, **{**sent, "headers": headers})
    assert (answer.status_code, answer.headers.get("access-control-allow-origin")) == (status, PAGE)
    assert "origin" in answer.headers["vary"].split(", ")
    headers["Origin"] = "https://another.example"
    elsewhere = await http.request(method, path, **{**sent, "headers": headers})
    assert "access-control-allow-origin" not in elsewhere.headers


async def test_a_body_in_chunks_that_becomes_too_long_is_refused_so_that_the_page_can_read_it(
    http: httpx2.AsyncClient,
) -> None:
    async def much() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 8_192

    answer = await http.post(f"{API}/say", content=much(), headers={"Origin": PAGE})
    assert (answer.status_code, answer.headers.get("access-control-allow-origin")) == (413, PAGE)


@pytest.mark.parametrize("path", [f"{API}/nothing", "/nothing", f"{API}/quotes", "/udf/nothing", "/ws", "/v2/iex"])
async def test_what_a_path_refuses_its_browser_may_ask_for_to_read_the_refusal(
    http: httpx2.AsyncClient, path: str
) -> None:
    asked = {"Origin": PAGE, "Access-Control-Request-Method": "DELETE"}
    answer = await http.options(path, headers=asked)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, PAGE)
    assert "DELETE" in answer.headers["access-control-allow-methods"].split(", ")
    elsewhere = await http.options(path, headers={**asked, "Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in elsewhere.headers


@pytest.mark.parametrize("path", ["/", "/page/main.js", "/page/nothing", "/healthz", "/metrics"])
async def test_the_page_and_what_is_for_the_operator_no_other_site_reads(http: httpx2.AsyncClient, path: str) -> None:
    asked = {"Origin": PAGE, "Access-Control-Request-Method": "GET"}
    for answer in (await http.get(path, headers={"Origin": PAGE}), await http.options(path, headers=asked)):
        assert not [name for name in answer.headers if name.startswith("access-control-")]
