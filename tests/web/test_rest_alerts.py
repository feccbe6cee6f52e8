"""/api/v1/alerts over a real connection: made, listed, taken out, and targets tried, by the rules of the protocol."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from alert_outbox import ScriptedTarget, refuses
from fakes import ScriptedProvider
from live_server import LiveServer, live_server, until
from patient_http import patient_http
from stocktrack.clock import ManualClock
from stocktrack.scopes import Scope

ALERTS = "/api/v1/alerts"
ABOVE: dict[str, Any] = {"symbol": "AAPL", "when": "above", "value": 200}


@dataclass
class Scene:
    server: LiveServer
    market: ScriptedProvider
    clock: ManualClock
    http: httpx2.AsyncClient
    phone: ScriptedTarget

    async def made(self, **fields: Any) -> str:
        """The name of an alert that is made."""
        answer = await self.http.post(ALERTS, json=ABOVE | fields)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["alert"]["alert"])


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    clock, phone = ManualClock(), ScriptedTarget()
    market = ScriptedProvider(clock)
    async with live_server(tmp_path, market, users=("ann", "bob"), clock=clock, web=True) as server:
        server.app._targets["phone"] = phone
        token = (await server.app.accounts.make_token("ann", 1)).text
        headers = {"Authorization": f"Bearer {token}"}
        async with patient_http(base_url=server.web_url, headers=headers) as http:
            yield Scene(server, market, clock, http, phone)


def problem(answer: httpx2.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code
    return answer.status_code, answer.json()["reason"]


async def of(scene: Scene, username: str, scope: Scope = Scope.FULL) -> dict[str, str]:
    """The headers of somebody's token."""
    token = await scene.server.app.accounts.make_token(username, 1, scope=scope)
    return {"Authorization": f"Bearer {token.text}"}


async def test_an_alert_that_is_made_here_is_listed_at_every_door_and_taken_out(scene: Scene) -> None:
    body = {
        "symbol": "msft",
        "when": "percent_within",
        "value": -2.5,
        "minutes": 15,
        "repeat": "every",
        "cooldown_seconds": 600,
        "quiet_hours": "22:00-07:00",
        "timezone": "Europe/Berlin",
        "targets": ["phone"],
    }
    answer = await scene.http.post(ALERTS, json=body)
    assert answer.status_code == 200, answer.text
    made = answer.json()["alert"]
    assert {name: made[name] for name in body} == body | {"symbol": "MSFT"}
    listed = (await scene.http.get(ALERTS)).json()
    assert (listed["alerts"], listed["targets"]) == ([made], ["phone"])
    tcp = await scene.server.log_in("ann")
    assert (await tcp.ask({"type": "MY_ALERTS"}))["alerts"] == [made]
    taken_out = await scene.http.delete(f"{ALERTS}/{made['alert']}")
    assert (taken_out.status_code, taken_out.json()["symbol"]) == (200, "MSFT")
    assert (await tcp.ask({"type": "MY_ALERTS"}))["alerts"] == []
    assert problem(await scene.http.delete(f"{ALERTS}/{made['alert']}")) == (404, "unknown_alert")


async def test_alerts_are_listed_by_symbol_and_only_to_their_user(scene: Scene) -> None:
    names = [await scene.made(symbol=symbol) for symbol in ("AAPL", "MSFT", "AAPL")]
    listed = (await scene.http.get(ALERTS, params={"symbol": "aapl"})).json()["alerts"]
    assert [each["alert"] for each in listed] == [names[0], names[2]]
    bob = await of(scene, "bob")
    assert (await scene.http.get(ALERTS, headers=bob)).json()["alerts"] == []
    assert problem(await scene.http.delete(f"{ALERTS}/{names[0]}", headers=bob)) == (404, "unknown_alert")
    assert problem(await scene.http.get(ALERTS, params={"symbol": "A B"})) == (400, "invalid_command")


async def test_more_alerts_than_an_answer_has_room_for_come_in_pages(scene: Scene) -> None:
    names = [await scene.made() for _ in range(3)]
    answer = await scene.http.get(ALERTS, params={"after": names[0]})
    assert [each["alert"] for each in answer.json()["alerts"]] == names[1:]
    assert problem(await scene.http.get(ALERTS, params={"after": "7"})) == (400, "invalid_command")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (400, "invalid_command")),
        ({"symbol": "AAPL", "when": "above"}, (400, "invalid_command")),
        (ABOVE | {"when": "sideways"}, (400, "invalid_command")),
        (ABOVE | {"value": 0}, (400, "invalid_command")),
        (ABOVE | {"value": "200"}, (400, "invalid_command")),
        (ABOVE | {"value": True}, (400, "invalid_command")),
        (ABOVE | {"minutes": 0}, (400, "invalid_command")),
        (ABOVE | {"when": "percent_within", "minutes": 0}, (400, "invalid_command")),
        (ABOVE | {"timezone": "Mars/Olympus"}, (400, "invalid_command")),
        (ABOVE | {"targets": ["http://127.0.0.1/"]}, (400, "invalid_command")),
        (ABOVE | {"targets": ["mail"]}, (400, "invalid_command")),
        (ABOVE | {"url": "http://127.0.0.1/"}, (400, "invalid_command")),
        (ABOVE | {"symbol": "NOPE"}, (404, "unknown_symbol")),
    ],
)
async def test_what_cannot_be_is_a_problem_and_makes_no_alert(
    scene: Scene, body: dict[str, Any], expected: tuple[int, str]
) -> None:
    assert problem(await scene.http.post(ALERTS, json=body)) == expected
    assert (await scene.http.get(ALERTS)).json()["alerts"] == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"symbol":"AAPL","when":"above","value":NaN}'])
async def test_a_body_that_is_no_alert_is_a_problem(scene: Scene, content: bytes) -> None:
    answer = await scene.http.post(ALERTS, content=content, headers={"content-type": "application/json"})
    assert problem(answer) == (400, "invalid_command")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a99999999999999999999", (400, "invalid_command")),
        ("a999999999999999999", (404, "unknown_alert")),
        ("a2147483648", (404, "unknown_alert")),
        ("a1%0A", (400, "invalid_command")),
        ("1", (400, "invalid_command")),
    ],
)
async def test_a_name_of_no_alert_is_a_problem(scene: Scene, name: str, expected: tuple[int, str]) -> None:
    assert problem(await scene.http.delete(f"{ALERTS}/{name}")) == expected


async def test_a_target_is_tried_and_one_that_refuses_is_an_answer(scene: Scene) -> None:
    answer = await scene.http.post("/api/v1/alert_targets/phone/test")
    assert (answer.status_code, answer.json()["delivered"]) == (200, True)
    assert [message.username for message in scene.phone.taken] == ["ann"]
    scene.phone.error = refuses()
    answer = await scene.http.post("/api/v1/alert_targets/phone/test")
    assert (answer.status_code, answer.json()["delivered"]) == (200, False)
    assert answer.json()["message"] == "The target phone refuses."
    assert problem(await scene.http.post("/api/v1/alert_targets/nope/test")) == (400, "invalid_command")
    for _ in range(4):
        await scene.http.post("/api/v1/alert_targets/phone/test")
    answer = await scene.http.post("/api/v1/alert_targets/phone/test")
    assert problem(answer) == (429, "rate_limited")
    assert int(answer.headers["retry-after"]) in range(1, 61)


async def test_a_token_that_only_reads_lists_alerts_and_changes_none_and_without_one_there_are_none(
    scene: Scene,
) -> None:
    name = await scene.made()
    asked = (("POST", ALERTS), ("DELETE", f"{ALERTS}/{name}"), ("POST", "/api/v1/alert_targets/phone/test"))
    reader = await of(scene, "ann", Scope.READ)
    assert len((await scene.http.get(ALERTS, headers=reader)).json()["alerts"]) == 1
    for method, path in asked:
        body = ABOVE if path == ALERTS else None
        assert problem(await scene.http.request(method, path, headers=reader, json=body)) == (403, "not_permitted")
        nobody = await scene.http.request(method, path, headers={"Authorization": "Bearer no"}, json=body)
        assert nobody.status_code == 401
    assert scene.phone.tried == []
    assert len((await scene.http.get(ALERTS)).json()["alerts"]) == 1


async def test_an_alert_that_is_made_here_is_told_to_a_session_elsewhere_when_it_fires(scene: Scene) -> None:
    tcp = await scene.server.log_in("ann")
    name = await scene.made(value=150, targets=["phone"])
    scene.market.prices["AAPL"] = 151.0
    assert scene.server.app.alerts is not None
    for _ in range(60):
        await scene.clock.advance(0.5)
        await scene.server.app._store.alerts.revision()
    notice = await tcp.receive_until("NOTICE")
    assert (notice["reason"], notice["alert"], notice["symbols"]) == ("alert", name, ["AAPL"])
    assert notice["message"] == "AAPL 151.00 USD is above 150."
    await until(lambda: scene.phone.taken)
    assert json.loads(scene.phone.taken[0].body())["alert"] == name
    [listed] = (await scene.http.get(ALERTS)).json()["alerts"]
    assert (listed["state"], listed["fired_count"], listed["message"]) == ("fired", 1, notice["message"])
