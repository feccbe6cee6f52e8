"""Whose request it is: Basic beside Bearer, and who may not use it; and the logout that ends a token."""

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from structlog.testing import capture_logs

from fakes import ScriptedProvider
from live_server import PASSWORD, LiveServer, live_server
from patient_http import patient_http
from stocktrack.clock import ManualClock
from stocktrack.scopes import Scope
from stocktrack.sessions.open_sessions import LOGIN_LOOK_SECONDS
from stocktrack.web.credentials import name_and_password

ALLOWED = "https://desk.example"
QUOTES = "/quotes?symbols=AAPL"


def basic(name: str, password: str, encoding: str = "utf-8") -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode(encoding)).decode()


@dataclass
class Scene:
    server: LiveServer
    clock: ManualClock
    http: httpx2.AsyncClient

    async def ask(self, authorization: str, path: str = QUOTES, method: str = "GET", **headers: str) -> httpx2.Response:
        sent = {"authorization": authorization, **{name.replace("_", "-"): text for name, text in headers.items()}}
        return await self.http.request(method, path, headers=sent)

    async def token(self, name: str = "ann", **options: Any) -> str:
        return (await self.server.app.accounts.make_token(name, 1, **options)).text


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    clock = ManualClock()
    settings: dict[str, Any] = {"allowed_origins": [ALLOWED], "login_failures_per_minute": 3}
    market = ScriptedProvider(clock)
    async with (
        live_server(tmp_path, market, users=("ann", "bob"), clock=clock, web=True, **settings) as server,
        patient_http(base_url=f"{server.web_url}/api/v1") as http,
    ):
        yield Scene(server, clock, http)


def problem(answer: httpx2.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["reason"]


async def test_a_name_and_a_password_will_do_and_cost_one_hash(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = scene.server.app.accounts._pool
    compared, matches = [], pool.matches

    async def counted(password_hash: str, password: bytes) -> bool:
        compared.append(password_hash)
        return await matches(password_hash, password)

    monkeypatch.setattr(pool, "matches", counted)
    for scheme in ("Basic", "basic", "BASIC"):
        answer = await scene.ask(basic("ann", PASSWORD).replace("Basic", scheme))
        assert answer.status_code == 200
    assert len(compared) == 1
    [session] = scene.server.app.sessions
    assert (session.door, session.username) == ("rest", "ann")
    # It shares the user's session with whoever has a token.
    assert (await scene.ask(f"Bearer {await scene.token()}")).status_code == 200
    assert list(scene.server.app.sessions) == [session]


@pytest.mark.parametrize("password", ["pass:word:with:colons", "pässwörd ünd 密码", ":begins with one", "Zürich"])
async def test_a_password_may_hold_colons_and_letters_of_any_language(scene: Scene, password: str) -> None:
    await scene.server.app.accounts.change_password("ann", password)
    assert (await scene.ask(basic("ann", password))).status_code == 200
    assert httpx2.BasicAuth("ann", password)._auth_header == basic("ann", password)


async def test_old_programs_write_latin_1(scene: Scene) -> None:
    await scene.server.app.accounts.change_password("ann", "straße 12")
    assert (await scene.ask(basic("ann", "straße 12", "latin-1"))).status_code == 200


async def test_a_token_stands_for_the_password_of_its_own_user_alone(scene: Scene) -> None:
    reading = await scene.token(scope=Scope.READ)
    assert (await scene.ask(basic("ann", reading))).status_code == 200
    assert problem(await scene.ask(basic("ann", reading), "/stocks/AAPL", "PUT")) == (403, "not_permitted")
    assert problem(await scene.ask(basic("bob", reading))) == (401, "bad_credentials")
    await scene.server.app.accounts.revoke_tokens("ann")
    assert problem(await scene.ask(basic("ann", reading))) == (401, "bad_credentials")


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !!!", "Basic YW5u", "Basic Og==", "Basic OnB3", "Basic YW5uOg==", "Digest x", "Basic é"]
)
async def test_what_is_no_login_is_a_401_that_offers_bearer_alone(scene: Scene, header: str) -> None:
    answer = await scene.http.get(QUOTES, headers={b"authorization": header.encode()})
    assert problem(answer) == (401, "not_authenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_wrong_ones_are_counted_slowed_down_and_logged_and_no_browser_is_asked_for_a_password(
    scene: Scene,
) -> None:
    with capture_logs() as logs:
        for _ in range(3):
            answer = await scene.ask(basic("ann", "wrong SeCrEt"))
            assert problem(answer) == (401, "bad_credentials")
            assert answer.headers["www-authenticate"] == "Bearer"
    told = [line for line in logs if line["event"] == "login_failed"]
    assert [(line["door"], line["user"]) for line in told] == [("rest", "ann")] * 3
    assert "SeCrEt" not in str(logs)
    looked = scene.http.get(QUOTES, headers={"authorization": basic("nobody", "wrong")})
    answer, _ = await _with_time(scene, looked)
    assert problem(answer) == (429, "login_throttled")
    assert int(answer.headers["retry-after"]) > 0
    login = scene.http.post("/login", json={"username": "nobody", "password": "wrong"})
    answer, _ = await _with_time(scene, login)
    assert problem(answer) == (429, "login_throttled")


async def _with_time(scene: Scene, request: Any) -> Any:
    """The answer to a request that waits for the clock."""

    async def go_on() -> None:
        while not asked.done():
            await scene.clock.advance(1)
            await asyncio.sleep(0)

    asked = asyncio.ensure_future(request)
    return await asyncio.gather(asked, go_on())


async def test_a_page_of_another_site_may_not_use_a_password(scene: Scene) -> None:
    login, own = basic("ann", PASSWORD), scene.server.web_url
    for headers in (
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": own.replace("127.0.0.1", "localhost")},
        {"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors", "sec_fetch_dest": "image"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "Cross-Site"},
        {"referer": "https://evil.example/page"},
    ):
        assert problem(await scene.ask(login, **headers)) == (403, "not_permitted"), headers
        # Not even whether the password is right.
        assert problem(await scene.ask(basic("ann", "wrong"), **headers)) == (403, "not_permitted")
    for headers in (
        {"origin": own, "sec_fetch_site": "same-origin"},
        {"origin": ALLOWED, "sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "none"},
        {"sec_fetch_site": "same-origin", "referer": f"{own}/docs"},
    ):
        assert (await scene.ask(login, **headers)).status_code == 200, headers
    # A token is no password that a browser would send by itself.
    answer = await scene.ask(f"Bearer {await scene.token()}", sec_fetch_site="cross-site")
    assert answer.status_code == 200


def test_credentials_are_taken_apart_at_the_first_colon() -> None:
    assert name_and_password("Basic YTpiOmM=") == ("a", "b:c")
    assert name_and_password("Basic YTpiOmM") == ("a", "b:c")
    assert name_and_password("Basic YWJj") is None
    assert name_and_password("Basic %") is None


async def test_a_logout_ends_the_token_that_asked_and_its_sessions_at_every_door(scene: Scene) -> None:
    mine, other = await scene.token(), await scene.token()
    tcp = await scene.server.connect()
    assert (await tcp.ask({"type": "AUTH", "token": mine}))["code"] == 200
    assert (await scene.ask(f"Bearer {other}")).status_code == 200
    answer = await scene.ask(f"Bearer {mine}", "/logout", "POST")
    assert answer.status_code == 200
    assert len(answer.json()["revoked"]) == 1
    assert problem(await scene.ask(f"Bearer {mine}")) == (401, "bad_credentials")
    assert (await tcp.receive())["reason"] == "not_authenticated"
    assert (await scene.ask(f"Bearer {other}")).status_code == 200
    await scene.clock.advance(LOGIN_LOOK_SECONDS)
    assert (await scene.ask(f"Bearer {other}")).status_code == 200
    assert problem(await scene.ask(f"Bearer {mine}", "/logout", "POST")) == (401, "bad_credentials")


async def test_a_token_for_reading_may_end_itself_and_no_other(scene: Scene) -> None:
    reading, other = await scene.token(scope=Scope.READ), await scene.token()
    listed = (await scene.ask(f"Bearer {other}", "/tokens")).json()["tokens"]
    full = next(token["token_id"] for token in listed if token["scope"] == "full")
    for path in (f"/tokens/{full}", "/tokens"):
        assert problem(await scene.ask(f"Bearer {reading}", path, "DELETE")) == (403, "not_permitted")
    assert (await scene.ask(f"Bearer {reading}", "/logout", "POST")).status_code == 200
    assert problem(await scene.ask(f"Bearer {reading}")) == (401, "bad_credentials")
    assert (await scene.ask(f"Bearer {other}")).status_code == 200


async def test_with_a_password_there_is_no_token_to_end(scene: Scene) -> None:
    answer = await scene.ask(basic("ann", PASSWORD), "/logout", "POST")
    assert problem(answer) == (400, "invalid_command")
    assert "no token to end" in answer.json()["detail"]
