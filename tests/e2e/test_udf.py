"""UDF and history over HTTP of a real server process on the simulated market, as a charting page and a script ask."""

import asyncio
import csv
import io
import time
from pathlib import Path

from bar_source import BarProvider
from browser import chromium
from foreign_page import foreign_page
from live_server import live_server
from patient_http import patient_http
from server_process import ServerProcess, run_stocktrack, server_process
from stocktrack.clock import ManualClock
from udf_client import UdfClient

DAY = 86_400
WEB = {"STOCKTRACK_WEB_PORT": "0"}


async def url_of(server: ServerProcess) -> str:
    """Where its web port is."""
    return str((await server.logged("ready"))["page"]).rstrip("/")


async def test_a_chart_reads_its_symbol_its_past_and_its_price(tmp_path: Path) -> None:
    async with server_process(tmp_path, **WEB) as server, patient_http() as http:
        client = UdfClient(http, f"{await url_of(server)}/udf")
        configuration = await client.ask("config")
        now = int(await client.ask("time"))
        assert abs(now - time.time()) < 60
        [match, *_] = await client.ask("search", limit=30, query="APPLE", type="stock", exchange="")
        symbol = await client.resolve(match["full_name"])
        assert (symbol["ticker"], symbol["session"], symbol["timezone"]) == ("AAPL", "24x7", "Etc/UTC")
        days, _ = await client.all_bars(symbol, "1D", now, 400 * DAY, 400)
        assert days[-1] == now // DAY * DAY
        assert days == list(range(days[0], days[-1] + 1, DAY))
        assert len(days) > 3_000
        minutes, _ = await client.all_bars(symbol, "1", now, 5 * DAY, 5_000)
        assert minutes == list(range(minutes[0], minutes[-1] + 1, 60))
        assert now - 30 * DAY <= minutes[0] < now - 29 * DAY
        assert set(configuration["supported_resolutions"]) == {"1", "2", "5", "15", "30", "60", "1D", "1W", "1M"}
        for resolution in configuration["supported_resolutions"]:
            told = await client.bars(symbol, resolution, now - 300 * DAY, now, 5)
            assert len(told["t"]) == 5, resolution
        pulse = await client.bars(symbol, "1", now - 600, int(time.time()), 2)
        quotes = await client.ask("quotes", symbols="NASDAQ:AAPL,NOPE")
        assert [each["s"] for each in quotes["d"]] == ["ok", "error"]
        assert abs(quotes["d"][0]["v"]["lp"] / pulse["c"][-1] - 1) < 0.05


async def test_a_month_of_minutes_comes_whole_also_to_a_client_of_few_commands(tmp_path: Path) -> None:
    await run_stocktrack(tmp_path, "users", "add", "ann", "--password-stdin", stdin=b"correct horse battery\n")
    token = (await run_stocktrack(tmp_path, "users", "token", "ann")).out.strip().splitlines()[-1]
    few = {"STOCKTRACK_COMMANDS_PER_SECOND": "40", "STOCKTRACK_COMMAND_BURST": "5"}
    async with server_process(tmp_path, **WEB, **few) as server:
        url = f"{await url_of(server)}/api/v1/history/AAPL?range=max&interval=1m"
        headers = {"Authorization": f"Bearer {token}"}
        async with patient_http(headers=headers) as http:
            answer, as_csv = [
                await http.get(url, headers={"Accept": accept}) for accept in ("application/json", "text/csv")
            ]
        assert (answer.status_code, as_csv.status_code) == (200, 200)
        times = [bar["time"] for bar in answer.json()["bars"]]
        assert 43_000 < len(times) <= 43_200 + 1
        assert times == list(range(times[0], times[-1] + 1, 60_000))
        rows = [int(row["time"]) for row in csv.DictReader(io.StringIO(as_csv.text))]
        assert rows == list(range(rows[0], rows[-1] + 1, 60_000))


async def test_no_line_of_the_log_has_a_token_of_the_address(tmp_path: Path) -> None:
    settings = {"STOCKTRACK_LIVE_PRICE_NEEDS_TOKEN": "always", "STOCKTRACK_LOG_LEVEL": "debug"}
    async with server_process(tmp_path, **WEB, **settings) as server, patient_http() as http:
        url = await url_of(server)
        paths = ["time", "history", "quotes", "nope", "symbols?a=1&symbol=AAPL"]
        answers = await asyncio.gather(
            *(http.get(f"{url}/udf/{path}{'&' if '?' in path else '?'}token=a-token-of-mine") for path in paths)
        )
        assert {answer.status_code for answer in answers} == {401, 404}
        await server.logged("login_failed")
        assert "a-token-of-mine" not in server.text + "".join(answer.text for answer in answers)


# Reads a datafeed as a page elsewhere does; the second argument are the headers, with which a browser asks first.
READ = """async ([address, headers]) => {
  try { return await (await fetch(address, {headers})).json(); } catch (error) { return String(error); }
}"""
# Has the browser ask, without a way to read the answer.
IMAGE = """(address) => new Promise((resolve) => {
  const image = new Image();
  image.onerror = image.onload = () => resolve("over");
  image.src = address;
})"""


async def test_in_a_browser_a_page_of_an_allowed_site_reads_it_and_no_other_does(tmp_path: Path) -> None:
    clock = ManualClock()
    market = BarProvider(clock)
    async with chromium() as browser, foreign_page() as address, foreign_page() as stranger:
        origins = (address.rstrip("/"),)
        async with live_server(tmp_path, market, clock=clock, web=True, allowed_origins=origins) as server:
            url = f"{server.web_url}/udf/quotes?symbols=AAPL"
            token = (await server.app.accounts.make_token("ann", 1)).text
            page = await browser.new_page()
            await page.goto(stranger)
            assert "Failed to fetch" in await page.evaluate(READ, [url, {}])
            assert "Failed to fetch" in await page.evaluate(READ, [url, {"Authorization": f"Bearer {token}"}])
            await page.evaluate(IMAGE, url)
            assert market.quote_requests == 0
            await page.goto(address)
            for headers in ({}, {"Authorization": f"Bearer {token}"}):
                assert (await page.evaluate(READ, [url, headers]))["d"][0]["v"]["lp"] == 100.0
            assert sorted(str(session.username) for session in server.app.sessions) == ["None", "ann"]
