"""Holdings over REST: as on the wire, as CSV that no spreadsheet executes, and lots added and taken out."""

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from fakes import NOW_MS
from live_server import LiveServer, live_server
from patient_http import patient_http
from stocktrack.clock import ManualClock
from stocktrack.scopes import Scope
from stocktrack.storage.lots import LotRow
from world_market import WorldMarket


@dataclass
class Scene:
    server: LiveServer
    market: WorldMarket
    http: httpx2.AsyncClient

    async def add(self, symbol: str, quantity: float, unit_cost: float, **fields: Any) -> Any:
        body = {"symbol": symbol, "quantity": quantity, "unit_cost": unit_cost, **fields}
        answer = await self.http.post("/lots", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    clock = ManualClock(NOW_MS)
    market = WorldMarket(clock)
    async with live_server(tmp_path, market, clock=clock, web=True, user_upstream_burst=1_000) as server:
        token = (await server.app.accounts.make_token("ann", 1)).text
        headers = {"Authorization": f"Bearer {token}"}
        async with patient_http(base_url=f"{server.web_url}/api/v1", headers=headers) as http:
            yield Scene(server, market, http)


async def test_a_lot_is_added_is_in_the_holdings_of_the_wire_and_is_taken_out(scene: Scene) -> None:
    lot = await scene.add("aapl", -2, 120.5, fixed_cost=1, group="pension")
    assert (lot["lot"], lot["symbol"], lot["quantity"], lot["group"]) == ("l1", "AAPL", -2.0, "pension")
    await scene.add("SAP.DE", 1, 100)
    scene.market.pair("USDEUR", 0.8)
    tcp = await scene.server.log_in()
    answer = await scene.http.get("/holdings?currency=EUR&group=pension")
    assert answer.json() == await tcp.ask({"type": "HOLDINGS", "currency": "EUR", "group": "pension"})
    assert answer.json()["totals"]["value"] == -160.0
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["vary"] == "accept, accept-encoding, origin"
    assert (await scene.http.delete("/lots/l1")).json()["symbol"] == "AAPL"
    gone = await scene.http.delete("/lots/l1")
    assert (gone.status_code, gone.json()["reason"]) == (404, "unknown_lot")


@pytest.mark.parametrize(
    "body",
    [
        {"symbol": "AAPL", "quantity": 0, "unit_cost": 1},
        {"symbol": "AAPL", "quantity": "1", "unit_cost": 1},
        {"symbol": "AAPL", "quantity": 1},
        {"symbol": "AAPL", "quantity": 1, "unit_cost": 1, "fee": 1},
        {"symbol": "no symbol", "quantity": 1, "unit_cost": 1},
        {"symbol": "AAPL", "quantity": 1, "unit_cost": -1},
    ],
)
async def test_what_is_no_lot_is_a_400_and_nothing_is_kept(scene: Scene, body: dict[str, Any]) -> None:
    answer = await scene.http.post("/lots", json=body)
    assert (answer.status_code, answer.json()["reason"]) == (400, "invalid_command")
    assert (await scene.http.get("/holdings")).json()["lots"] == []


async def test_numbers_that_are_none_are_refused(scene: Scene) -> None:
    for number in ("NaN", "Infinity", "1e999"):
        content = f'{{"symbol":"AAPL","quantity":1,"unit_cost":{number}}}'
        headers = {"content-type": "application/json"}
        assert (await scene.http.post("/lots", content=content, headers=headers)).status_code == 400


async def test_csv_has_a_row_a_holding_that_no_spreadsheet_takes_for_a_formula(scene: Scene) -> None:
    scene.market.prices |= {"=EVIL": 2.0, "-1": 3.0, "^GSPC": 5.0}
    scene.market.quoted = {"name": "@SUM(A1), Inc."}
    for symbol in ("=EVIL", "-1", "^GSPC", "VOD.L"):
        await scene.add(symbol, 10, 1)
    answer = await scene.http.get("/holdings", headers={"accept": "text/csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="holdings.csv"'
    rows = {row["symbol"]: row for row in csv.DictReader(io.StringIO(answer.text))}
    assert list(rows) == ["'-1", "'=EVIL", "VOD.L", "^GSPC"]
    assert rows["'=EVIL"]["name"] == "'@SUM(A1), Inc."
    assert (rows["'=EVIL"]["total_value"], rows["'=EVIL"]["total_currency"]) == ("20", "USD")
    pence = rows["VOD.L"]
    assert (pence["value"], pence["currency"], pence["total_value"], pence["total_currency"]) == ("680", "GBp", "", "")
    assert "There is no rate from GBP to USD" in pence["missing"]


async def test_a_token_for_reading_sees_no_holdings_and_keeps_no_lot(scene: Scene) -> None:
    token = (await scene.server.app.accounts.make_token("ann", 1, scope=Scope.READ)).text
    headers = {"Authorization": f"Bearer {token}"}
    for answer in (
        await scene.http.get("/holdings", headers=headers),
        await scene.http.post("/lots", headers=headers, json={"symbol": "AAPL", "quantity": 1, "unit_cost": 1}),
        await scene.http.delete("/lots/l1", headers=headers),
    ):
        assert (answer.status_code, answer.json()["reason"]) == (403, "not_permitted")


async def test_many_pages_are_one_answer(scene: Scene) -> None:
    lots = scene.server.app._store.lots
    scene.market.prices |= {f"H{number:03}": 1.0 for number in range(300)}
    for number in range(900):
        row = LotRow(0, f"H{number % 300:03}", 1.0, 1.0, 0.0, "ü" * 64, NOW_MS)
        await lots.add("ann", row, limit=9_999)
    reply = (await scene.http.get("/holdings")).json()
    assert (len(reply["holdings"]), len(reply["lots"]), reply["totals"]["value"]) == (300, 900, 900.0)
    assert "more" not in reply
