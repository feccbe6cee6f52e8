"""The accounts over REST: for administrators alone, page by page."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx2
import pytest

from fakes import ScriptedProvider
from live_server import LiveServer, live_server
from patient_http import patient_http
from stocktrack.clock import ManualClock
from stocktrack.scopes import Scope
from stocktrack.sessions import admin_answers

Asking = Callable[..., Awaitable[httpx2.Response]]

USERS = ("ann", "bob", "cyd")


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[LiveServer]:
    clock = ManualClock()
    async with live_server(tmp_path, ScriptedProvider(clock), clock=clock, users=USERS, web=True) as server:
        await server.app.accounts.set_admin("ann", is_admin=True)
        yield server


@pytest.fixture
def asking(server: LiveServer) -> Asking:
    async def ask(name: str, path: str = "/users", *, scope: Scope = Scope.FULL) -> httpx2.Response:
        token = (await server.app.accounts.make_token(name, 1, scope=scope)).text
        headers = {"Authorization": f"Bearer {token}"}
        async with patient_http(base_url=f"{server.web_url}/api/v1", headers=headers) as http:
            return await http.get(path)

    return ask


async def test_an_administrator_gets_the_accounts_page_by_page(
    server: LiveServer, asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    await server.log_in("bob")
    monkeypatch.setattr(admin_answers, "USERS_A_PAGE", 2)
    first = await asking("ann")
    assert first.status_code == 200
    told = first.json()
    assert [(user["username"], user["is_admin"], user["sessions"]) for user in told["users"]] == [
        ("ann", True, 1),  # the one behind REST
        ("bob", False, 1),
    ]
    assert (told["count"], told["more"]) == (3, True)
    rest = await asking("ann", "/users?after=bob")
    assert ([user["username"] for user in rest.json()["users"]], rest.json()["more"]) == (["cyd"], False)


@pytest.mark.parametrize(("name", "scope"), [("bob", Scope.FULL), ("ann", Scope.READ)])
async def test_anybody_else_is_refused(asking: Asking, name: str, scope: Scope) -> None:
    answer = await asking(name, scope=scope)
    assert (answer.status_code, answer.json()["reason"]) == (403, "not_permitted")


@pytest.mark.parametrize("after", ["", "x" * 65, "%0A"])
async def test_what_can_be_no_name_is_a_400(asking: Asking, after: str) -> None:
    answer = await asking("ann", f"/users?after={after}")
    assert answer.status_code == 400
