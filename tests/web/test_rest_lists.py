"""Saved lists over REST: replaced in one step, put in order, renamed and removed; and what is not there."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from fakes import POLL_SECONDS, ScriptedProvider
from live_server import LiveServer, live_server
from patient_http import patient_http
from stocktrack.clock import ManualClock
from stocktrack.messages import MAX_LISTS
from stocktrack.scopes import Scope

FULL = [f"S{number}" for number in range(20)]


@dataclass
class Scene:
    server: LiveServer
    market: ScriptedProvider
    clock: ManualClock
    http: httpx2.AsyncClient

    async def put(self, symbols: list[str], list_name: str = "main", **changed: Any) -> Any:
        answer = await self.http.put("/stocks", params={"list": list_name}, json={"symbols": symbols, **changed})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def held(self, list_name: str = "main") -> list[str]:
        symbols: list[str] = (await self.http.get("/stocks", params={"list": list_name})).json()["symbols"]
        return symbols

    async def names(self) -> list[str]:
        return [each["list"] for each in (await self.http.get("/lists")).json()["lists"]]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    clock = ManualClock()
    market = ScriptedProvider(clock)
    market.prices |= dict.fromkeys((*FULL, *(f"T{symbol}" for symbol in FULL)), 1.0)
    settings: dict[str, Any] = {"user_upstream_burst": 1_000, "max_symbols": 20, "command_burst": 1_000}
    async with live_server(tmp_path, market, clock=clock, web=True, **settings) as server:
        token = (await server.app.accounts.make_token("ann", 1)).text
        headers = {"Authorization": f"Bearer {token}"}
        async with patient_http(base_url=f"{server.web_url}/api/v1", headers=headers) as http:
            yield Scene(server, market, clock, http)


def problem(answer: httpx2.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["reason"]


async def test_a_full_list_is_replaced_by_another_full_one_in_the_order_given(scene: Scene) -> None:
    await scene.put(FULL)
    other = [f"T{symbol}" for symbol in reversed(FULL)]
    assert await scene.put(other) == {"list": "main", "symbols": other, "missing": []}
    assert await scene.held() == other
    # The order alone is a change too, and a double counts once.
    assert (await scene.put([*FULL[3:0:-1], FULL[3]]))["symbols"] == ["S3", "S2", "S1"]
    assert scene.server.app.board.watched() == []


async def test_what_replaces_a_list_is_missing_or_pending_as_subscribe_says_it(scene: Scene) -> None:
    await scene.put(["S1"])
    refused = await scene.http.put("/stocks", json={"symbols": ["NOPE", "NADA"]})
    assert problem(refused) == (404, "unknown_symbol")
    assert [each["symbol"] for each in refused.json()["missing"]] == ["NOPE", "NADA"]
    assert await scene.held() == ["S1"]
    told = await scene.put(["NOPE", "S2"])
    assert (told["symbols"], [each["symbol"] for each in told["missing"]]) == (["S2"], ["NOPE"])
    await scene.clock.advance(POLL_SECONDS * 20)
    scene.market.script = "fail"
    told = await scene.put(["T1X", "S2"])
    assert (told["symbols"], told["pending"], told["missing"]) == (["T1X", "S2"], ["T1X"], [])


async def test_too_long_a_list_changes_nothing(scene: Scene) -> None:
    await scene.put(FULL)
    assert problem(await scene.http.put("/stocks", json={"symbols": [*FULL, "AAPL"]})) == (400, "symbol_limit")
    assert problem(await scene.http.put("/stocks/AAPL")) == (400, "symbol_limit")
    assert await scene.held() == FULL


async def test_a_list_that_is_not_there_is_a_404_and_main_always_is(scene: Scene) -> None:
    assert await scene.names() == ["main"]
    assert (await scene.http.get("/stocks")).json()["symbols"] == []
    assert (await scene.http.delete("/stocks")).status_code == 200
    nope = {"list": "nope"}
    for answer in (
        await scene.http.get("/stocks", params=nope),
        await scene.http.delete("/stocks", params=nope),
        await scene.http.delete("/stocks/AAPL", params=nope),
        await scene.http.patch("/stocks", json={"symbols": ["AAPL"]}, params=nope),
        await scene.http.put("/stocks", json={"symbols": []}, params=nope),
        await scene.http.delete("/lists/nope"),
        await scene.http.patch("/lists/nope", json={"name": "other"}),
        await scene.http.put("/lists", json={"lists": ["main", "nope"]}),
    ):
        assert problem(answer) == (404, "unknown_list")
        assert "nope" in answer.json()["detail"]


async def test_lists_are_named_counted_renamed_ordered_and_removed(scene: Scene) -> None:
    await scene.put(["S1", "S2"], "tech")
    await scene.put(["S3"], "a/b ü")
    assert (await scene.http.get("/lists")).json()["lists"] == [
        {"list": "main", "count": 0},
        {"list": "a/b ü", "count": 1},
        {"list": "tech", "count": 2},
    ]
    renamed = await scene.http.patch("/lists/a%2Fb%20%C3%BC", json={"name": "chips"})
    assert (renamed.json()["list"], renamed.json()["name"]) == ("a/b ü", "chips")
    ordered = await scene.http.put("/lists", json={"lists": ["tech", "main"]})
    assert [each["list"] for each in ordered.json()["lists"]] == ["tech", "main", "chips"] == await scene.names()
    assert (await scene.http.get("/stocks")).json()["lists"] == ["tech", "main", "chips"]
    assert (await scene.http.delete("/lists/tech")).json()["symbols"] == ["S1", "S2"]
    assert await scene.names() == ["main", "chips"]
    assert await scene.held("chips") == ["S3"]


@pytest.mark.parametrize(
    ("old", "new"), [("tech", "main"), ("tech", "cars"), ("main", "other"), ("tech", ""), ("tech", "x" * 65)]
)
async def test_a_name_that_cannot_be_is_a_400_and_nothing_is_lost(scene: Scene, old: str, new: str) -> None:
    await scene.put(["S1"], "tech")
    await scene.put(["S2"], "cars")
    assert problem(await scene.http.patch(f"/lists/{old}", json={"name": new})) == (400, "invalid_command")
    assert problem(await scene.http.delete("/lists/main")) == (400, "invalid_command")
    assert (await scene.names(), await scene.held("tech"), await scene.held("cars")) == (
        ["main", "cars", "tech"],
        ["S1"],
        ["S2"],
    )


@pytest.mark.parametrize("name", ["a\nb", " tech", "\u202eevil"])
async def test_a_name_that_nobody_can_see_is_refused(scene: Scene, name: str) -> None:
    await scene.put(["S1"], "tech")
    assert problem(await scene.http.patch("/lists/tech", json={"name": name})) == (400, "invalid_command")
    answer = await scene.http.put("/stocks", params={"list": name}, json={"symbols": ["S1"]})
    assert problem(answer) == (400, "invalid_command")


async def test_symbols_are_put_in_order_and_added_ones_keep_their_place(scene: Scene) -> None:
    await scene.put(["S1", "S2", "S3"])
    assert (await scene.http.patch("/stocks", json={"symbols": ["s3"]})).json()["symbols"] == ["S3", "S1", "S2"]
    assert (await scene.http.put("/stocks/S1")).json()["symbols"] == ["S3", "S1", "S2"]
    assert (await scene.http.put("/stocks/S4")).json()["symbols"] == ["S3", "S1", "S2", "S4"]
    told = (await scene.http.patch("/stocks", json={"symbols": ["S4", "S9"]})).json()
    assert (told["symbols"], told["missing"][0]["symbol"]) == (["S4", "S3", "S1", "S2"], "S9")
    assert problem(await scene.http.patch("/stocks", json={"symbols": []})) == (400, "invalid_command")


async def test_one_list_too_many_is_refused_and_two_clients_at_once_lose_nothing(scene: Scene) -> None:
    names = [f"list {number:02}" for number in range(MAX_LISTS + 5)]
    answers = await asyncio.gather(
        *(scene.http.put("/stocks", params={"list": name}, json={"symbols": ["S1"]}) for name in names)
    )
    assert sorted(answer.status_code for answer in answers) == [200] * (MAX_LISTS - 1) + [400] * 6
    await asyncio.gather(*(scene.http.put(f"/stocks/{symbol}") for symbol in FULL))
    assert sorted(await scene.held()) == sorted(FULL)
    both = await asyncio.gather(
        *(scene.http.patch("/lists/list%2003", json={"name": name}) for name in ("one", "other")),
        return_exceptions=False,
    )
    assert sorted(answer.status_code for answer in both) in ([200, 404], [400, 404])


async def test_a_token_for_reading_sees_lists_and_changes_none(scene: Scene) -> None:
    await scene.put(["S1"], "tech")
    token = (await scene.server.app.accounts.make_token("ann", 1, scope=Scope.READ)).text
    headers = {"Authorization": f"Bearer {token}"}
    assert (await scene.http.get("/lists", headers=headers)).status_code == 200
    for method, path, body in (
        ("PUT", "/stocks", {"symbols": ["S2"]}),
        ("PUT", "/lists", {"lists": ["tech"]}),
        ("PATCH", "/lists/tech", {"name": "x"}),
        ("DELETE", "/lists/tech", None),
    ):
        assert problem(await scene.http.request(method, path, headers=headers, json=body)) == (403, "not_permitted")
