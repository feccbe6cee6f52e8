"""REST under /api/v1 over a real connection: the protocol's answers, its limits, and errors as problem details."""

import asyncio
import contextlib
import html.parser
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from structlog.testing import capture_logs

from fakes import ScriptedProvider
from live_server import PASSWORD, LiveServer, live_server, until
from patient_http import patient_http
from stocktrack.clock import ManualClock
from stocktrack.errors import Reason, SessionEnd
from stocktrack.quotes import Dividend
from stocktrack.sessions.open_sessions import LOGIN_LOOK_SECONDS
from stocktrack.sessions.session import Session

API = "/api/v1"


@dataclass
class Scene:
    server: LiveServer
    market: ScriptedProvider
    clock: ManualClock
    http: httpx2.AsyncClient
    token: str

    async def ask(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """A request of ann."""
        options.setdefault("headers", {"Authorization": f"Bearer {self.token}"})
        return await self.http.request(method, API + path, **options)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    clock = ManualClock()
    market = ScriptedProvider(clock)
    market.prices["BTC/USD"] = 60_000.0
    settings = {"command_burst": 20, "max_line_bytes": 4_096}
    async with (
        live_server(tmp_path, market, users=("ann", "bob"), clock=clock, web=True, **settings) as server,
        patient_http(base_url=server.web_url) as http,
    ):
        answer = await http.post(f"{API}/login", json={"username": "ann", "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        yield Scene(server, market, clock, http, answer.json()["token"])


def problem(answer: httpx2.Response) -> tuple[int, str]:
    """Status and reason of an answer that must be a problem (RFC 9457)."""
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["status"] == answer.status_code
    assert set(told) >= {"type", "title", "detail", "reason", "retryable"}
    return answer.status_code, told["reason"]


async def test_a_login_gives_a_token_that_every_door_takes(scene: Scene) -> None:
    tcp = await scene.server.connect()
    assert (await tcp.ask({"type": "AUTH", "token": scene.token}))["username"] == "ann"
    assert (await scene.ask("GET", "/quotes?symbols=AAPL")).status_code == 200


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"username": "ann", "password": "wrong SeCrEt"}, (401, "bad_credentials")),
        ({"username": "nobody", "password": PASSWORD}, (401, "bad_credentials")),
        ({"username": "ann"}, (400, "invalid_command")),
        ({"username": "ann", "password": 7}, (400, "invalid_command")),
        ({"username": "ann", "password": PASSWORD, "days": 0}, (400, "invalid_command")),
        ({"username": "ann", "password": PASSWORD, "admin": True}, (400, "invalid_command")),
        ({"username": "ann", "password": PASSWORD, "scope": "all"}, (400, "invalid_command")),
    ],
)
async def test_a_login_that_cannot_be_is_a_problem_that_repeats_no_password(
    scene: Scene, body: dict[str, Any], expected: tuple[int, str]
) -> None:
    answer = await scene.http.post(f"{API}/login", json=body)
    assert problem(answer) == expected
    assert str(body.get("password", "-")) not in answer.text or body.get("password") == 7
    await until(lambda: [session.door for session in scene.server.app.sessions] == [])


async def test_a_body_that_is_no_json_and_one_that_is_too_large_are_refused(scene: Scene) -> None:
    headers = {"content-type": "application/json"}
    assert problem(await scene.http.post(f"{API}/login", content=b"{", headers=headers)) == (400, "invalid_command")
    large = await scene.http.post(f"{API}/login", content=b" " * 10_000, headers=headers)
    assert large.status_code == 413


@pytest.mark.parametrize(
    ("content_type", "content", "status", "words"),
    [
        pytest.param("application/x-www-form-urlencoded", b"{}", 415, "Content-Type: application/json", id="curl -d"),
        pytest.param(None, b"{}", 415, "Content-Type: application/json", id="without a type"),
        pytest.param("text/xml", b"<a/>", 415, "Content-Type: application/json", id="another type"),
        pytest.param(None, b"", 400, "Content-Type: application/json", id="nothing"),
        pytest.param("application/json", b"{", 400, "no JSON", id="cut off"),
        pytest.param("application/json", b"\xff", 400, "no JSON", id="no UTF-8"),
        pytest.param("application/json", b"[" * 3_000, 400, "no JSON", id="deep"),
        pytest.param("application/json", b"{}", 400, "The field 'symbols' of the body is missing.", id="no field"),
        pytest.param(
            "application/json", b'{"symbols":[1]}', 400, "The field 'symbols.0' of the body: it ", id="a kind"
        ),
    ],
)
async def test_a_body_that_cannot_be_read_is_told_what_it_should_be(
    scene: Scene, content_type: str | None, content: bytes, status: int, words: str
) -> None:
    headers = {"Authorization": f"Bearer {scene.token}"} | (
        {} if content_type is None else {"Content-Type": content_type}
    )
    answer = await scene.http.put(f"{API}/stocks", content=content, headers=headers)
    assert problem(answer) == (status, "invalid_command")
    assert words in answer.json()["detail"]
    assert answer.headers.get("accept") == ("application/json" if status == 415 else None)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/quotes?symbol=AAPL", "There is no parameter 'symbol'; there are symbols."),
        ("/quotes.csv?symbols=AAPL&fields=price", "There is no parameter 'fields'"),
        ("/history/AAPL?intervall=5m", "There is no parameter 'intervall'; there are range, interval, start, "),
        ("/history/AAPL?range=1mo&range=5d", "The parameter 'range' stands twice in the address."),
        ("/sources?token=x", "There is no parameter 'token'; there are none."),
        ("/quotes", "The parameter 'symbols' is missing."),
        ("/search?limit=5", "The parameter 'query' is missing."),
        ("/news?limit=some", "The parameter 'limit' is 'some': it should be a valid integer"),
        ("/stocks?list=", "The parameter 'list' is '': it should have at least 1 character."),
        ("/quotes?" + "&".join(["symbols=AAPL"] * 1_100), "more than 1024 parameters"),
    ],
)
async def test_a_parameter_that_is_none_or_not_what_it_should_be_is_named(scene: Scene, path: str, words: str) -> None:
    for method in ("GET", "HEAD"):
        answer = await scene.ask(method, path)
        assert answer.status_code == 400
    assert words in (await scene.ask("GET", path)).json()["detail"]


async def test_what_programs_write_into_an_address_to_ask_past_a_cache_is_no_mistake(scene: Scene) -> None:
    assert (await scene.ask("GET", "/quotes?symbols=AAPL&_=1712331900000")).status_code == 200


@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic YTpi", "Bearer wrong", "Bearer é"])
async def test_without_a_right_token_there_is_a_401_that_says_how(scene: Scene, header: str | None) -> None:
    headers = {} if header is None else {b"Authorization": header.encode()}
    answer = await scene.http.get(f"{API}/stocks", headers=headers)
    assert answer.status_code == 401
    assert problem(answer)[1] in {"not_authenticated", "bad_credentials"}
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_revoked_token_counts_no_more_although_its_session_is_open(scene: Scene) -> None:
    assert (await scene.ask("GET", "/quotes?symbols=AAPL")).status_code == 200
    await scene.server.app.accounts.revoke_tokens("ann")
    assert (await scene.ask("GET", "/quotes?symbols=AAPL")).status_code == 401


async def test_tokens_are_listed_and_revoked_and_each_has_a_session_of_its_own_scope(scene: Scene) -> None:
    login = {"username": "ann", "password": PASSWORD, "name": "board", "scope": "read"}
    made = (await scene.http.post(f"{API}/login", json=login)).json()
    assert made["scope"] == "read"
    board = {"Authorization": f"Bearer {made['token']}"}
    listed = (await scene.ask("GET", "/tokens")).json()["tokens"]
    assert {(token["name"], token["scope"]) for token in listed} == {("REST login", "full"), ("board", "read")}
    assert (await scene.ask("GET", "/quotes?symbols=AAPL", headers=board)).status_code == 200
    assert problem(await scene.ask("PUT", "/stocks/AAPL", headers=board)) == (403, "not_permitted")
    for method, path in (("GET", "/tokens"), ("DELETE", "/tokens")):
        assert problem(await scene.ask(method, path, headers=board)) == (403, "not_permitted")
    assert (await scene.ask("PUT", "/stocks/AAPL")).status_code == 200
    assert (await scene.ask("DELETE", f"/tokens/{made['token_id']}")).json()["revoked"] == [made["token_id"]]
    assert problem(await scene.ask("GET", "/quotes?symbols=AAPL", headers=board)) == (401, "bad_credentials")
    assert problem(await scene.ask("DELETE", "/tokens/k0")) == (400, "invalid_command")
    assert len((await scene.ask("DELETE", "/tokens")).json()["revoked"]) == 1
    assert problem(await scene.ask("GET", "/tokens")) == (401, "bad_credentials")
    await scene.clock.advance(LOGIN_LOOK_SECONDS)  # the session that asked was spared till now
    await until(lambda: len(scene.server.app.sessions) == 0)


async def test_tokens_of_one_scope_share_a_session_which_goes_on_when_another_is_revoked(scene: Scene) -> None:
    tokens = [await scene.server.app.accounts.make_token("ann", 30) for _ in range(3)]
    for token in tokens:
        headers = {"Authorization": f"Bearer {token.text}"}
        assert (await scene.ask("GET", "/quotes?symbols=AAPL", headers=headers)).status_code == 200
    [session] = scene.server.app.sessions
    await scene.server.app.accounts.revoke_token("ann", tokens[0].token_id)
    await scene.clock.advance(LOGIN_LOOK_SECONDS)
    assert (await scene.ask("GET", "/quotes?symbols=AAPL", headers=headers)).status_code == 200
    assert list(scene.server.app.sessions) == [session]


async def test_a_password_is_changed_and_every_token_ends(scene: Scene) -> None:
    wrong = {"password": "wrong SeCrEt", "new_password": "another one"}
    answer = await scene.ask("POST", "/password", json=wrong)
    assert problem(answer) == (401, "bad_credentials")
    assert "SeCrEt" not in answer.text
    right = {"password": PASSWORD, "new_password": "another one"}
    assert (await scene.ask("POST", "/password", json=right)).status_code == 200
    assert problem(await scene.ask("GET", "/stocks")) == (401, "bad_credentials")
    login = {"username": "ann", "password": "another one"}
    assert (await scene.http.post(f"{API}/login", json=login)).status_code == 200


async def test_who_logs_in_for_each_of_many_runs_is_never_locked_out_by_the_number_of_tokens(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("stocktrack.storage.store", "stocktrack.web.rest.account"):
        monkeypatch.setattr(f"{module}.MAX_TOKENS", 3)
    await scene.server.app.accounts.make_token("ann", 30, name="laptop")
    login = {"username": "ann", "password": PASSWORD}
    for _ in range(4):
        answer = await scene.http.post(f"{API}/login", json=login)
        assert answer.status_code == 200, answer.text
    headers = {"Authorization": f"Bearer {answer.json()['token']}"}
    listed = (await scene.ask("GET", "/tokens", headers=headers)).json()["tokens"]
    assert sorted(token["name"] for token in listed) == ["REST login", "REST login", "laptop"]


async def test_an_answer_is_the_reply_of_the_protocol(scene: Scene) -> None:
    tcp = await scene.server.log_in()
    for path, command in (
        ("/quotes?symbols=TSLA,AAPL,NOPE", {"type": "GET", "symbols": ["TSLA", "AAPL", "NOPE"]}),
        ("/news?limit=2", {"type": "NEWS", "limit": 2}),
        ("/news?symbol=aapl&limit=2", {"type": "NEWS", "symbol": "AAPL", "limit": 2}),
        ("/company/AAPL", {"type": "INFO", "symbol": "AAPL"}),
        ("/search?query=app", {"type": "SEARCH", "query": "app"}),
        ("/search?query=app&segment=nse_eq", {"type": "SEARCH", "query": "app", "segment": "NSE_EQ"}),
        ("/sources", {"type": "SOURCES"}),
        ("/stocks", {"type": "MY_STOCKS"}),
    ):
        answer = await scene.ask("GET", path)
        assert answer.status_code == 200, answer.text
        assert answer.json() == await tcp.ask(command)
        assert answer.headers["cache-control"] == "no-store"


async def test_dividends_take_a_limit(scene: Scene) -> None:
    scene.market.paid["AAPL"] = [Dividend(date=f"2024-0{month}-09", amount=0.24) for month in (5, 4, 3)]
    answer = await scene.ask("GET", "/dividends/AAPL?limit=2")
    assert [dividend["date"] for dividend in answer.json()["dividends"]] == ["2024-05-09", "2024-04-09"]


async def test_a_slash_in_a_symbol_is_percent_encoded(scene: Scene) -> None:
    assert (await scene.ask("GET", "/quotes?symbols=BTC%2FUSD")).json()["quotes"][0]["symbol"] == "BTC/USD"
    assert (await scene.ask("PUT", "/stocks/BTC%2FUSD")).json()["symbols"] == ["BTC/USD"]
    assert (await scene.ask("DELETE", "/stocks/BTC%2FUSD")).json()["symbols"] == []


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/quotes?symbols=NOPE", (404, "unknown_symbol")),
        ("/quotes?symbols=A%20B", (400, "invalid_command")),
        ("/quotes?symbols=", (400, "invalid_command")),
        ("/quotes", (400, "invalid_command")),
        ("/news?limit=0", (400, "invalid_command")),
        ("/news?limit=x", (400, "invalid_command")),
        ("/company/NOPE", (404, "unknown_symbol")),
        ("/dividends/AAPL", (404, "no_dividends")),
        ("/nothing", (404, "unknown_command")),
    ],
)
async def test_what_fails_is_a_problem_with_the_reason_of_the_protocol(
    scene: Scene, path: str, expected: tuple[int, str]
) -> None:
    assert problem(await scene.ask("GET", path)) == expected


async def test_a_source_that_fails_is_a_problem_that_says_when_to_try_again(scene: Scene) -> None:
    scene.market.script = "blocked"
    answer = await scene.ask("GET", "/quotes?symbols=AAPL")
    assert problem(answer) == (502, "provider_blocked")
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.json()["retryable"] is True


async def test_saved_stocks_are_added_replaced_and_removed_and_no_price_is_pushed_for_it(scene: Scene) -> None:
    scene.market.prices.update(MSFT=1.0, NVDA=2.0)
    assert (await scene.ask("PUT", "/stocks/aapl")).json() == {"list": "main", "symbols": ["AAPL"], "missing": []}
    replaced = await scene.ask("PUT", "/stocks", json={"symbols": ["tsla", "MSFT", "NOPE"]})
    assert replaced.json()["symbols"] == ["TSLA", "MSFT"]
    assert [missing["symbol"] for missing in replaced.json()["missing"]] == ["NOPE"]
    assert scene.server.app.board.watched() == []
    assert (await scene.ask("DELETE", "/stocks/TSLA")).json()["symbols"] == ["MSFT"]
    assert problem(await scene.ask("DELETE", "/stocks/TSLA")) == (404, "not_subscribed")
    assert (await scene.ask("PUT", "/stocks/NVDA?list=tech")).json() == {
        "list": "tech",
        "symbols": ["NVDA"],
        "missing": [],
    }
    assert (await scene.ask("DELETE", "/stocks")).json()["symbols"] == []
    assert (await scene.ask("GET", "/stocks?list=tech")).json()["symbols"] == ["NVDA"]
    assert (await scene.ask("PUT", "/stocks", json={"symbols": []})).json()["symbols"] == []
    tcp = await scene.server.log_in()
    assert (await tcp.ask({"type": "MY_STOCKS"}))["symbols"] == []


async def test_what_is_over_the_budget_of_a_user_is_a_429_with_the_time_to_wait(tmp_path: Path) -> None:
    clock = ManualClock()
    async with (
        live_server(tmp_path, ScriptedProvider(clock), clock=clock, web=True, user_upstream_burst=1) as server,
        patient_http(base_url=server.web_url) as http,
    ):
        login = await http.post(f"{API}/login", json={"username": "ann", "password": PASSWORD})
        headers = {"Authorization": f"Bearer {login.json()['token']}"}
        tcp = await server.log_in()
        assert (await tcp.ask({"type": "SEARCH", "query": "apple"}))["code"] == 200
        answer = await http.get(f"{API}/quotes?symbols=AAPL", headers=headers)
        assert problem(answer) == (429, "rate_limited")
        assert (answer.headers["retry-after"], answer.json()["missing"]) == (
            "1",
            [{"symbol": "AAPL", "code": 429, "reason": "rate_limited", "retry_after_ms": 1_000}],
        )
        assert problem(await http.get(f"{API}/company/AAPL", headers=headers)) == (429, "rate_limited")
        await clock.advance(1)
        assert (await http.get(f"{API}/quotes?symbols=AAPL", headers=headers)).status_code == 200


async def test_the_limit_of_commands_holds_for_a_user_over_all_requests_and_not_for_another(scene: Scene) -> None:
    for _ in range(19):
        assert (await scene.ask("GET", "/quotes?symbols=AAPL")).status_code == 200
    answer = await scene.ask("GET", "/quotes?symbols=AAPL")
    assert problem(answer) == (429, "rate_limited")
    assert answer.headers["retry-after"] == "1"
    login = await scene.http.post(f"{API}/login", json={"username": "bob", "password": PASSWORD})
    headers = {"Authorization": f"Bearer {login.json()['token']}"}
    assert (await scene.ask("GET", "/quotes?symbols=AAPL", headers=headers)).status_code == 200
    await scene.clock.advance(1)
    assert (await scene.ask("GET", "/quotes?symbols=AAPL")).status_code == 200


async def test_all_requests_of_a_user_are_one_session_that_an_administrator_can_end(scene: Scene) -> None:
    for _ in range(3):
        await scene.ask("GET", "/quotes?symbols=AAPL")
    [session] = scene.server.app.sessions
    assert (session.door, session.username, session.address) == ("rest", "ann", "127.0.0.1")
    await scene.server.app.accounts.set_admin("bob", True)
    bob = await scene.server.log_in("bob")
    assert (await bob.ask({"type": "KICK", "session": session.name}))["username"] == "ann"
    assert (await scene.ask("GET", "/quotes?symbols=AAPL")).status_code == 200
    assert session not in set(scene.server.app.sessions)


async def test_bad_requests_in_a_row_do_not_lock_a_user_out(scene: Scene) -> None:
    for _ in range(45):
        await scene.clock.advance(0.1)
        assert (await scene.ask("GET", "/quotes?symbols=A%20B")).status_code == 400
    assert (await scene.ask("GET", "/quotes?symbols=AAPL")).status_code == 200


@contextlib.asynccontextmanager
async def limited(folder: Path, *, max_sessions_per_user: int) -> AsyncIterator[Scene]:
    """A server where a user has few sessions."""
    clock = ManualClock()
    market = ScriptedProvider(clock)
    limits: dict[str, Any] = {"max_sessions_per_user": max_sessions_per_user, "command_burst": 1_000}
    async with (
        live_server(folder, market, clock=clock, web=True, **limits) as server,
        patient_http(base_url=server.web_url) as http,
    ):
        yield Scene(server, market, clock, http, (await server.app.accounts.make_token("ann", 1)).text)


QUOTES, BAD = "/quotes?symbols=AAPL", "/quotes?symbols=a%20b!"


async def test_bad_requests_one_after_another_and_together_with_several_tokens_leave_a_user_one_session(
    tmp_path: Path,
) -> None:
    async with limited(tmp_path, max_sessions_per_user=3) as scene:
        tokens = [scene.token, (await scene.server.app.accounts.make_token("ann", 2)).text]
        for number in range(60):
            headers = {"Authorization": f"Bearer {tokens[number % 2]}"}
            assert (await scene.ask("GET", BAD, headers=headers)).status_code == 400
        await asyncio.gather(
            *(scene.ask("GET", BAD, headers={"Authorization": f"Bearer {token}"}) for token in tokens * 30)
        )
        assert [session.door for session in scene.server.app.sessions] == ["rest"]
        # Two more are allowed, and both can be had.
        await scene.server.log_in()
        await scene.server.log_in()
        assert (await scene.ask("GET", QUOTES)).status_code == 200


async def test_first_requests_that_come_together_share_the_one_session_that_is_allowed(tmp_path: Path) -> None:
    async with limited(tmp_path, max_sessions_per_user=1) as scene:
        answers = await asyncio.gather(*(scene.ask("GET", QUOTES) for _ in range(12)))
        assert {answer.status_code for answer in answers} == {200}
        assert len(scene.server.app.sessions) == 1


def _twenty_bad_lines(session: Session) -> None:
    while session.is_open:
        session.count_bad_line()


def _three_wrong_logins(session: Session) -> None:
    while not session.count_wrong_login():
        pass


ENDS: dict[str, Callable[[Session], object]] = {
    "somebody else": lambda session: session.end(SessionEnd(Reason.NOT_PERMITTED, "An administrator ended it.")),
    "too many errors": _twenty_bad_lines,
    "wrong logins": _three_wrong_logins,
    "itself": Session.log_out,
    "its connection": lambda session: session.connection.abort(),
}


@pytest.mark.parametrize("how", ENDS)
async def test_whatever_ends_a_session_the_next_requests_get_a_new_one_and_the_old_one_is_closed(
    tmp_path: Path, how: str
) -> None:
    async with limited(tmp_path, max_sessions_per_user=1) as scene:
        for _ in range(3):
            assert (await scene.ask("GET", QUOTES)).status_code == 200
            [session] = scene.server.app.sessions
            ENDS[how](session)
            answers = await asyncio.gather(*(scene.ask("GET", path) for path in (QUOTES, BAD, QUOTES)))
            assert [answer.status_code for answer in answers] == [200, 400, 200]
            [new] = scene.server.app.sessions
            assert new is not session


async def test_a_session_that_ends_late_takes_no_newer_one_with_it(tmp_path: Path) -> None:
    async with limited(tmp_path, max_sessions_per_user=1) as scene:
        await scene.ask("GET", QUOTES)
        [old] = scene.server.app.sessions
        old.log_out()
        await scene.ask("GET", QUOTES)
        [new] = scene.server.app.sessions
        old.connection.end()
        await scene.ask("GET", QUOTES)
        assert list(scene.server.app.sessions) == [new]


async def test_the_operations_are_described_and_listed_without_another_host(scene: Scene) -> None:
    schema = (await scene.http.get("/openapi.json")).json()
    paths = (
        {"/login", "/tokens", "/tokens/{token_id}", "/password", "/quotes", "/news", "/search", "/sources"}
        | {"/stream"}
        | {"/stocks", "/holdings", "/lots", "/lots/{lot}", "/say", "/alerts", "/alerts/{alert}"}
        | {"/alert_targets/{target}/test", "/logout", "/lists", "/lists/{name}", "/users"}
        | {f"/{what}.csv" for what in ("quotes", "news", "holdings")}
        | {f"/{what}/{{symbol}}" for what in ("company", "dividends", "history", "stocks")}
    )
    assert set(schema["paths"]) == {API + path for path in paths}
    page = await scene.http.get("/docs")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    tags = _tags(page.text)
    assert not {"script", "style", "iframe"} & {tag for tag, _ in tags}
    links = {value for _, attributes in tags for name, value in attributes if name in {"href", "src", "style"}}
    assert {link for link in links if not str(link).startswith("#")} == {
        *("/", "/openapi.json", "/asyncapi.json", "/docs.css", "/page/icon.svg", "/page/styles/base.css")
    }
    assert all(path in page.text for path in schema["paths"])


def _tags(page: str) -> list[tuple[str, list[tuple[str, str | None]]]]:
    found: list[tuple[str, list[tuple[str, str | None]]]] = []

    class Parser(html.parser.HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, attrs))

    Parser().feed(page)
    return found


async def test_a_mistake_of_ours_is_a_plain_500(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_token: str, _address: str) -> str:
        raise RuntimeError("a SeCrEt of the inside")

    monkeypatch.setattr(scene.server.app.accounts, "verify_token", fail)
    with capture_logs() as logs:
        answer = await scene.ask("GET", "/stocks")
    assert problem(answer) == (500, "internal_error")
    assert "SeCrEt" not in answer.text
    [logged] = logs
    assert (logged["log_level"], logged["exc_info"], logged["path"]) == ("error", True, "/api/v1/stocks")
