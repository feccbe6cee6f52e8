"""GET /api/v1/history: the bars of the protocol as JSON and as CSV, whether they have changed, and what is refused."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi.responses import Response, StreamingResponse

from bar_source import BarProvider, opens_at
from fakes import NOW_MS
from live_server import LiveServer, live_server
from patient_http import patient_http
from stocktrack.bars import Bar
from stocktrack.clock import ManualClock
from stocktrack.messages import HistoryReply
from stocktrack.web.bar_bodies import bars_answer, csv_pieces, json_pieces

HISTORY = "/api/v1/history"


@dataclass
class Scene:
    server: LiveServer
    market: BarProvider
    clock: ManualClock
    http: httpx2.AsyncClient

    async def get(self, path: str, method: str = "GET", **headers: str) -> httpx2.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.request(method, HISTORY + path, headers=named)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    clock = ManualClock(NOW_MS)
    market = BarProvider(clock)
    market.prices |= {"BTC/USD": 60_000.0, "^GSPC": 5_000.0}
    settings: dict[str, Any] = {"user_upstream_burst": 1_000}
    async with live_server(tmp_path, market, clock=clock, web=True, **settings) as server:
        token = (await server.app.accounts.make_token("ann", 1)).text
        headers = {"Authorization": f"Bearer {token}"}
        async with patient_http(base_url=server.web_url, headers=headers) as http:
            yield Scene(server, market, clock, http)


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("", {}),
        ("?range=5d&interval=1d", {"range": "5d", "interval": "1d"}),
        ("?start=2024-03-18&end=2024-03-22", {"start": "2024-03-18", "end": "2024-03-22"}),
        (f"?start={NOW_MS - 86_400_000}&interval=5m", {"start": NOW_MS - 86_400_000, "interval": "5m"}),
        ("?range=1mo&adjust=none&prepost=true", {"range": "1mo", "adjust": "none", "prepost": True}),
    ],
)
async def test_the_answer_is_the_reply_of_the_wire(scene: Scene, query: str, fields: dict[str, Any]) -> None:
    tcp = await scene.server.log_in()
    answer = await scene.get(f"/AAPL{query}")
    assert answer.status_code == 200, answer.text
    assert answer.json() == await tcp.ask({"type": "HISTORY", "symbol": "AAPL", **fields})
    assert answer.json()["more"] is False


@pytest.mark.parametrize("accept", ["text/csv", "text/csv, */*;q=0.1"])
async def test_csv_has_the_same_bars_a_row_each(scene: Scene, accept: str) -> None:
    bars = (await scene.get("/AAPL?range=1mo")).json()["bars"]
    answer = await scene.get("/AAPL?range=1mo", accept=accept)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="AAPL-1d.csv"'
    assert answer.text.startswith("time,open,high,low,close,volume\n")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [{name: float(cell) for name, cell in row.items()} for row in rows] == [
        {name: bar[name] for name in ("time", "open", "high", "low", "close", "volume")} for bar in bars
    ]


async def test_a_volume_that_nobody_counts_is_an_empty_cell_and_a_file_name_has_no_odd_character(scene: Scene) -> None:
    scene.market.has_volume = False
    answer = await scene.get("/BTC%2FUSD?range=5d&interval=1d", accept="text/csv")
    assert all(line.endswith(",") for line in answer.text.splitlines()[1:])
    assert answer.headers["content-disposition"] == 'attachment; filename="BTC_USD-1d.csv"'
    answer = await scene.get("/%5EGSPC?range=5d&interval=1d", accept="text/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="GSPC-1d.csv"'


async def test_what_has_not_changed_is_not_sent_again_until_a_bar_changes(scene: Scene) -> None:
    first = await scene.get("/AAPL?range=5d&interval=1d")
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    assert first.headers["vary"] == "accept, accept-encoding, origin"
    for had in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        again = await scene.get("/AAPL?range=5d&interval=1d", if_none_match=had)
        assert (again.status_code, again.content) == (304, b"")
        assert (again.headers["etag"], again.headers["vary"]) == (tag, first.headers["vary"])
    as_csv = await scene.get("/AAPL?range=5d&interval=1d", accept="text/csv", if_none_match=tag)
    assert as_csv.status_code == 200
    assert as_csv.headers["etag"] != tag
    price_of = scene.market.price_of
    scene.market.price_of = lambda day: price_of(day) + (day == date(2024, 4, 5))  # type: ignore[method-assign]
    await scene.clock.advance(61)
    changed = await scene.get("/AAPL?range=5d&interval=1d", if_none_match=tag)
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


async def test_head_tells_the_length_and_the_tag_without_the_bars(scene: Scene) -> None:
    whole = await scene.get("/AAPL")
    head = await scene.get("/AAPL", "HEAD")
    assert (head.status_code, head.content) == (200, b"")
    for name in ("etag", "content-length", "content-type"):
        assert head.headers[name] == whole.headers[name]


@pytest.mark.parametrize(
    ("path", "status", "reason", "words"),
    [
        ("/NOPE", 404, "unknown_symbol", "NOPE"),
        ("/", 400, "invalid_command", "not a symbol"),
        ("/A%20B", 400, "invalid_command", "not a symbol"),
        ("/AAPL?range=1y&interval=1m", 400, "range_limit", "older than 30 days"),
        ("/AAPL?start=2024-03-30&end=2024-03-31", 404, "no_history", "2024-03-28"),
        ("/AAPL?start=2024-03-29&end=2024-03-29", 404, "no_history", "2024-03-28"),
        ("/AAPL?start=2024-04-02&end=2024-04-01", 400, "invalid_command", "after the 'end'"),
        ("/AAPL?start=2024-05-01", 400, "invalid_command", "in the future"),
        ("/AAPL?range=1mo&start=2024-04-01", 400, "invalid_command", "both"),
        ("/AAPL?end=2024-04-01", 400, "invalid_command", "without a 'start'"),
        ("/AAPL?range=2d", 400, "invalid_command", "The parameter 'range' is '2d': it should be '1d', '5d'"),
        ("/AAPL?interval=7m", 400, "invalid_command", "The parameter 'interval' is '7m': it should be"),
        ("/AAPL?adjust=some", 400, "invalid_command", "The parameter 'adjust' is 'some': it should be"),
        ("/AAPL?prepost=perhaps", 400, "invalid_command", "The parameter 'prepost' is 'perhaps': it should be"),
        (
            "/AAPL?start=yesterday",
            400,
            "invalid_command",
            "The parameter 'start' is 'yesterday': it must be epoch milliseconds or a date",
        ),
        ("/AAPL?start=2024-02-30", 400, "invalid_command", "The parameter 'start' is '2024-02-30'"),
        ("/AAPL?start=99999999999999999999", 400, "invalid_command", "The parameter 'start' is '9999"),
    ],
)
async def test_what_is_refused_is_a_problem_that_says_why_whatever_is_accepted(
    scene: Scene, path: str, status: int, reason: str, words: str
) -> None:
    for accept in ("application/json", "text/csv"):
        answer = await scene.get(path, accept=accept)
        told = answer.json()
        assert (answer.status_code, told["status"], told["reason"]) == (status, status, reason), told
        assert answer.headers["content-type"] == "application/problem+json"
        assert words in told["detail"]


async def test_it_needs_a_token_and_is_only_read(scene: Scene) -> None:
    answer = await scene.http.get(f"{HISTORY}/AAPL", headers={"Authorization": ""})
    assert (answer.status_code, answer.json()["reason"]) == (401, "not_authenticated")
    posted = await scene.get("/AAPL", "POST")
    assert (posted.status_code, posted.headers["content-type"]) == (405, "application/problem+json")
    assert "GET" in posted.headers["allow"]


async def test_pages_are_joined_and_wait_for_their_turn_instead_of_being_refused(tmp_path: Path) -> None:
    clock = ManualClock(NOW_MS)
    market = BarProvider(clock)
    market.listed_on = date(1990, 1, 2)
    settings: dict[str, Any] = {"command_burst": 2, "commands_per_second": 1.0}
    async with live_server(tmp_path, market, clock=clock, web=True, **settings) as server:
        token = (await server.app.accounts.make_token("ann", 1)).text
        headers = {"Authorization": f"Bearer {token}"}
        async with patient_http(base_url=server.web_url, headers=headers) as http:
            path = f"{HISTORY}/AAPL?range=max&interval=1d"
            asked = clock.monotonic()
            task = asyncio.create_task(http.get(path))
            while not task.done():
                await clock.advance(0.5)
            answer = task.result()
            assert answer.status_code == 200, answer.text
            times = [bar["time"] for bar in answer.json()["bars"]]
            assert times == [opens_at(day) for day in market.days(0, NOW_MS)]
            assert answer.json()["more"] is False
            assert clock.monotonic() - asked >= 1


# --- the body -----------------------------------------------------------------------------------------------------


def a_reply(count: int) -> HistoryReply:
    bars = tuple(Bar(number, 1.0 + number, 2.5, 0.1, 1e-07, number % 2 or None) for number in range(count))
    fields: dict[str, Any] = {"interval": "1m", "adjust": "splits", "timezone": "UTC", "provider": "scripted"}
    return HistoryReply(symbol="AAPL", bars=bars, **fields)


@pytest.mark.parametrize("count", [0, 1, 249, 250, 251, 20_000])
async def test_a_body_in_pieces_is_the_reply_and_a_long_one_is_made_while_it_is_sent(count: int) -> None:
    reply = a_reply(count)
    whole = b"".join(json_pieces(reply))
    assert whole == reply.__pydantic_serializer__.to_json(reply, exclude_none=True)
    assert len(b"".join(csv_pieces(reply)).splitlines()) == count + 1
    answer = await bars_answer(reply, "application/json", {}, if_none_match=(), is_head=False)
    assert answer.headers["content-length"] == str(len(whole))
    assert isinstance(answer, StreamingResponse) is (count == 20_000)
    assert await sent(answer) == whole


async def sent(answer: Response) -> bytes:
    """The body of an answer, streamed or not."""
    if not isinstance(answer, StreamingResponse):
        return bytes(answer.body)
    return b"".join([piece async for piece in answer.body_iterator if isinstance(piece, bytes)])


async def test_the_operation_is_described_with_its_words_and_both_media_types(scene: Scene) -> None:
    schema = (await scene.http.get("/openapi.json")).json()
    operation = schema["paths"][f"{HISTORY}/{{symbol}}"]
    assert set(operation) == {"get"}
    parameters = {each["name"]: each for each in operation["get"]["parameters"]}
    assert set(parameters) == {"symbol", "range", "interval", "start", "end", "adjust", "prepost"}
    text = json.dumps([parameters, schema["components"]])
    for word in ("ytd", "1wk", "splits"):
        assert f'"{word}"' in text
    assert set(operation["get"]["responses"]["200"]["content"]) == {"application/json", "text/csv"}
    assert {"304", "404", "502"} <= set(operation["get"]["responses"])
    assert f"{HISTORY}/{{symbol}}" in (await scene.http.get("/docs")).text
