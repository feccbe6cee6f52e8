"""Quotes, news, dividends, bars and holdings as CSV: by the path or by `Accept`, and safe in spreadsheets."""

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import httpx2
import pytest

from fakes import ScriptedProvider
from live_server import live_server
from patient_http import patient_http
from stocktrack.clock import ManualClock
from stocktrack.quotes import Dividend, Headline
from stocktrack.web.csv_tables import DIVIDEND_COLUMNS, NEWS_COLUMNS, QUOTE_COLUMNS


@dataclass
class Scene:
    market: ScriptedProvider
    http: httpx2.AsyncClient

    async def rows(self, path: str, *, accept: str = "*/*") -> list[dict[str, str]]:
        """The rows of a table that must be one."""
        answer = await self.http.get(path, headers={"accept": accept})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert answer.headers["content-disposition"].startswith('attachment; filename="')
        assert "accept" in answer.headers["vary"].split(", ")
        assert answer.content.endswith(b"\n")
        rows = list(csv.DictReader(io.StringIO(answer.text), strict=True))
        assert all(None not in row and None not in row.values() for row in rows), "a row is longer or shorter"
        return rows


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    clock = ManualClock()
    market = ScriptedProvider(clock)
    async with live_server(tmp_path, market, clock=clock, web=True, user_upstream_burst=1_000) as server:
        token = (await server.app.accounts.make_token("ann", 1)).text
        headers = {"Authorization": f"Bearer {token}"}
        async with patient_http(base_url=f"{server.web_url}/api/v1", headers=headers) as http:
            yield Scene(market, http)


@pytest.mark.parametrize(("path", "accept"), [("/quotes.csv", "application/json"), ("/quotes", "text/csv")])
async def test_quotes_are_a_row_each_in_the_order_asked_and_say_what_is_missing(
    scene: Scene, path: str, accept: str
) -> None:
    scene.market.prices |= {"CL=F": -37.5, "TSLA": 1e-07, "^GSPC": 5_000.0, "=X": 2.0}
    rows = await scene.rows(f"{path}?symbols=tsla,NOPE&symbols=CL=F&symbols=^GSPC,=X", accept=accept)
    assert tuple(rows[0]) == QUOTE_COLUMNS
    assert [row["symbol"] for row in rows] == ["TSLA", "NOPE", "CL=F", "^GSPC", "'=X"]
    assert [row["price"] for row in rows] == ["0.0000001", "", "-37.5", "5000", "2"]
    assert [row["missing"] for row in rows] == ["", "unknown_symbol", "", "", ""]
    told = (await scene.http.get("/quotes?symbols=CL=F")).json()["quotes"][0]
    assert (int(rows[2]["seq"]), rows[2]["provider"], rows[2]["stale"]) == (told["seq"], told["provider"], "false")


async def test_json_stays_the_answer_where_nobody_asks_for_csv(scene: Scene) -> None:
    for path in ("/quotes?symbols=AAPL", "/news", "/history/AAPL", "/holdings"):
        for accept in ("*/*", "application/json", "text/csv;q=0.5, application/json", "text/html"):
            answer = await scene.http.get(path, headers={"accept": accept})
            assert answer.headers["content-type"] == "application/json"
            assert "accept" in answer.headers["vary"].split(", ")


async def test_headlines_are_hostile_text_and_no_cell_of_them_is_executed(scene: Scene) -> None:
    titles = [
        '=HYPERLINK("http://evil.example","x")',
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "a\nb",
        'say "no", please',
    ]
    scene.market.headlines = [
        Headline.model_construct(title=title, source="W;=1", link=None, published=1_712_331_000_000) for title in titles
    ]
    for path, accept in (("/news.csv", "*/*"), ("/news", "text/csv")):
        rows = await scene.rows(path, accept=accept)
        assert tuple(rows[0]) == NEWS_COLUMNS
        assert len(rows) == len(titles)
        assert not any(row["title"].lstrip()[0] in "=+-@" for row in rows)
        assert {row["published"] for row in rows} == {"1712331000000"}
        assert not any(char in cell for row in rows for cell in row.values() for char in "\t\r\n")
    assert rows[-1]["title"] == 'say "no", please'
    assert '"W;\'=1"' in (await scene.http.get("/news.csv")).text
    assert [row["title"] for row in await scene.rows("/news.csv?symbol=AAPL&limit=1")] == ["Apple 0"]


async def test_dividends_are_a_row_each(scene: Scene) -> None:
    scene.market.paid["AAPL"] = [Dividend(date=date(2024, 2, 9), amount=0.24, currency="USD")]
    rows = await scene.rows("/dividends/aapl.csv")
    assert tuple(rows[0]) == DIVIDEND_COLUMNS
    assert rows == await scene.rows("/dividends/AAPL", accept="text/csv")
    assert rows == [{"symbol": "AAPL", "date": "2024-02-09", "amount": "0.24", "currency": "USD"}]
    answer = await scene.http.get("/dividends/AAPL.csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="AAPL-dividends.csv"'


async def test_a_symbol_may_have_dots_and_even_end_in_capitals_as_a_table_does_in_small_letters(scene: Scene) -> None:
    days = scene.market.past.days["AAPL"]
    scene.market.past.days |= {"RELIANCE.NS": days, "A.CSV": days, "BTC/USD": days}
    scene.market.prices |= {"RELIANCE.NS": 1.0, "A.CSV": 1.0, "BTC/USD": 1.0}
    for path in (
        "/history/RELIANCE.NS.csv",
        "/history/reliance.ns.csv",
        "/history/A.CSV.csv",
        "/history/BTC%2FUSD.csv",
    ):
        assert len(await scene.rows(f"{path}?start=2024-04-03")) == 3
    answer = await scene.http.get("/history/A.CSV?start=2024-04-03")
    assert (answer.headers["content-type"], answer.json()["symbol"]) == ("application/json", "A.CSV")
    nothing = await scene.http.get("/history/.csv")
    assert (nothing.status_code, nothing.json()["reason"]) == (400, "invalid_command")


async def test_what_fails_is_a_problem_also_where_csv_was_asked_for(scene: Scene) -> None:
    for path, status in (
        ("/quotes.csv?symbols=NOPE", 404),
        ("/quotes.csv", 400),
        ("/quotes.csv?symbols=,", 400),
        ("/dividends/NOPE.csv", 404),
        ("/news.csv?limit=0", 400),
        ("/history/AAPL.csv?range=never", 400),
    ):
        answer = await scene.http.get(path, headers={"accept": "text/csv"})
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


async def test_head_tells_what_get_would(scene: Scene) -> None:
    scene.market.paid["AAPL"] = [Dividend(date=date(2024, 2, 9), amount=0.24)]
    for path in (
        *("/quotes.csv?symbols=AAPL", "/quotes?symbols=AAPL", "/news.csv", "/news", "/history/AAPL.csv"),
        *("/dividends/AAPL.csv", "/dividends/AAPL", "/holdings.csv", "/holdings"),
    ):
        got, head = await scene.http.get(path), await scene.http.head(path)
        assert (head.status_code, head.content) == (200, b"")
        for name in ("content-type", "content-length", "vary"):
            assert head.headers[name] == got.headers[name], path


@pytest.mark.parametrize(
    "query", ["symbols=AAPL,TSLA", "symbols=AAPL&symbols=TSLA", "symbols=AAPL,&symbols=%20tsla&symbols=AAPL"]
)
async def test_symbols_may_be_named_together_or_each_by_itself(scene: Scene, query: str) -> None:
    answer = await scene.http.get(f"/quotes?{query}")
    assert [quote["symbol"] for quote in answer.json()["quotes"]] == ["AAPL", "TSLA"]
