"""`/api/v1/stream` as people read it: a browser's EventSource in its three lines, curl, and httpx2 line by line."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page

from event_clients import PATH
from foreign_page import foreign_page
from live_server import PASSWORD, LiveServer, live_server, until
from patience import PATIENCE_SECONDS
from patient_http import patient_http
from requirements import require_program
from reverse_proxies import free_port
from server_process import run_stocktrack, server_process
from stocktrack.clock import RealClock
from stocktrack.providers.simulated.provider import SimulatedProvider

pytestmark = pytest.mark.asyncio(loop_scope="module")

# What docs/web.md shows, and what a test has to know besides.
LISTEN = """(address) => {
  window.prices = []; window.notices = []; window.opened = 0;
  window.stream = new EventSource(address);
  stream.onmessage = ({data, lastEventId}) => prices.push({...JSON.parse(data), id: lastEventId});
  stream.addEventListener("notice", ({data}) => notices.push(JSON.parse(data)));
  stream.onopen = () => opened++;
}"""


@dataclass
class Market:
    server: LiveServer
    token: str

    @property
    def address(self) -> str:
        """A stream of two symbols."""
        return f"{self.server.web_url}{PATH}?symbols=AAPL,TSLA&token={self.token}"


@asynccontextmanager
async def market(folder: Path, *, allowed_origins: tuple[str, ...] = ()) -> AsyncIterator[Market]:
    """The simulated market, ten prices a second."""
    simulated = SimulatedProvider(interval_seconds=0.1, seed=1, clock=RealClock())
    async with live_server(folder, simulated, web=True, allowed_origins=allowed_origins) as server:
        yield Market(server, (await server.app.accounts.make_token("ann", 1)).text)


async def ten_of_each(page: Page) -> None:
    """Return when the page has been told ten prices of two symbols."""
    for symbol in ("AAPL", "TSLA"):
        await page.wait_for_function(
            "(symbol) => prices.filter((price) => price.symbol === symbol).length >= 10",
            arg=symbol,
            timeout=PATIENCE_SECONDS * 1000,
        )


async def until_closed(page: Page) -> None:
    """Return when the EventSource has given up for ever."""
    await page.wait_for_function("() => stream.readyState === EventSource.CLOSED", timeout=PATIENCE_SECONDS * 1000)


async def test_an_event_source_sees_ten_prices_of_two_symbols_and_leaves_nothing_behind(
    browser: Browser, tmp_path: Path
) -> None:
    async with market(tmp_path) as house:
        page = await browser.new_page()
        await page.goto(house.server.web_url)
        await page.evaluate(LISTEN, house.address)
        await ten_of_each(page)
        seqs = await page.evaluate("prices.filter((price) => price.symbol === 'AAPL').map((price) => price.seq)")
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
        assert await page.evaluate("prices.every((price) => price.id.endsWith(`:${price.seq}:${price.symbol}`))")
        await page.evaluate("stream.close()")
        await until(lambda: not any(session.username == "ann" for session in house.server.app.sessions))
        await page.close()


async def test_with_a_bad_key_an_event_source_is_refused_once_and_never_asks_again(
    browser: Browser, tmp_path: Path
) -> None:
    async with market(tmp_path) as house:
        page = await browser.new_page()
        await page.goto(house.server.web_url)
        await page.evaluate(LISTEN, house.address + "x")
        await until_closed(page)
        assert await page.evaluate("[opened, prices.length]") == [0, 0]
        await page.close()


async def test_who_was_kicked_does_not_come_back(browser: Browser, tmp_path: Path) -> None:
    async with market(tmp_path) as house:
        await house.server.app.accounts.set_admin("ann", True)
        page = await browser.new_page()
        await page.goto(house.server.web_url)
        await page.evaluate(LISTEN, house.address)
        await ten_of_each(page)
        ann = await house.server.log_in()
        listed = (await ann.ask({"type": "SESSIONS"}))["sessions"]
        (name,) = [each["session"] for each in listed if each["symbols"]]
        assert (await ann.ask({"type": "KICK", "session": name}))["code"] == 200
        await until_closed(page)
        assert await page.evaluate("notices.map((notice) => notice.reason)") == ["not_permitted"]
        assert await page.evaluate("opened") == 1
        await page.close()


async def test_a_page_of_an_allowed_site_listens_and_no_other_does(browser: Browser, tmp_path: Path) -> None:
    async with (
        foreign_page() as friend,
        foreign_page() as stranger,
        market(tmp_path, allowed_origins=(friend.rstrip("/"),)) as house,
    ):
        page = await browser.new_page()
        await page.goto(stranger)
        await page.evaluate(LISTEN, house.address)
        await until_closed(page)
        assert await page.evaluate("opened") == 0
        await page.goto(friend)
        await page.evaluate(LISTEN, house.address)
        await ten_of_each(page)
        await page.close()


async def test_an_event_source_comes_back_by_itself_after_a_restart(browser: Browser, tmp_path: Path) -> None:
    added = await run_stocktrack(tmp_path, "users", "add", "ann", "--password-stdin", stdin=f"{PASSWORD}\n".encode())
    assert added.code == 0, added.err
    token = (await run_stocktrack(tmp_path, "users", "token", "ann")).out.strip()
    port = free_port()
    settings = {"STOCKTRACK_WEB_PORT": str(port), "STOCKTRACK_SIMULATED_INTERVAL_SECONDS": "0.1"}
    page = await browser.new_page()
    async with server_process(tmp_path, **settings) as first:
        await page.goto(f"http://127.0.0.1:{port}/healthz")
        await page.evaluate(LISTEN, f"http://127.0.0.1:{port}{PATH}?symbols=AAPL,TSLA&token={token}")
        await ten_of_each(page)
        first.signal(signal.SIGTERM)
        assert await first.exit_code() == 0
    assert await page.evaluate("notices.map((notice) => notice.code)") == [501]
    before = await page.evaluate("prices.splice(0).at(-1).id.split(':')[0]")
    async with server_process(tmp_path, **settings):
        await ten_of_each(page)
        assert await page.evaluate("opened") == 2
        assert await page.evaluate("prices.at(-1).id.split(':')[0]") != before
        await page.close()


async def test_curl_prints_events_as_they_come(tmp_path: Path) -> None:
    require_program("curl")
    async with market(tmp_path) as house:
        process = await asyncio.create_subprocess_exec(
            *("curl", "--silent", "--no-buffer", "--include", house.address),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                assert await process.stdout.readline() == b"HTTP/1.1 200 OK\r\n"
                await process.stdout.readuntil(b"\r\n\r\n")
                symbols = set()
                for _ in range(20):
                    _, data, _ = [await process.stdout.readline() for _ in range(3)]
                    if data.startswith(b"data: "):
                        symbols.add(json.loads(data.removeprefix(b"data: "))["symbol"])
                    else:
                        await process.stdout.readline()  # `retry` has one line less
        finally:
            process.kill()
            await process.wait()
    assert symbols == {"AAPL", "TSLA"}


async def test_httpx_reads_it_line_by_line(tmp_path: Path) -> None:
    async with market(tmp_path) as house, patient_http(base_url=house.server.web_url) as http:
        headers = {"Authorization": f"Bearer {house.token}"}
        prices: list[str] = []
        async with http.stream("GET", f"{PATH}?symbols=AAPL&symbols=TSLA", headers=headers) as answer:
            assert answer.status_code == 200
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    prices.append(json.loads(line.removeprefix("data: "))["symbol"])
                if len(prices) == 20:
                    break
    assert prices.count("AAPL") == prices.count("TSLA") == 10
