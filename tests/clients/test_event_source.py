"""A browser's EventSource at a real server: ten prices of each of two symbols, fewer of them, and a wrong key."""

from pathlib import Path

from browser import chromium
from client_market import client_market
from counting_relay import counting_relay
from event_source import LISTEN, ten_of_each
from patience import PATIENCE_SECONDS


async def test_it_sees_ten_prices_of_each_of_two_and_then_only_those_of_one(home: Path, token: str) -> None:
    async with chromium() as browser, client_market(home, token) as market:
        page = await browser.new_page()
        await page.goto(f"{market.page}/healthz")
        await page.evaluate(LISTEN, f"{market.page}/api/v1/stream?symbols=AAPL,TSLA&token={token}")
        await ten_of_each(page)
        # It has no word for unsubscribing: a page closes it and opens another one.
        await page.evaluate("stream.close()")
        await page.evaluate(LISTEN, f"{market.page}/api/v1/stream?symbols=AAPL&token={token}")
        await page.wait_for_function("() => prices.length >= 10", timeout=PATIENCE_SECONDS * 1000)
        assert await page.evaluate("[...new Set(prices)]") == ["AAPL"]


async def test_with_a_wrong_token_it_is_closed_and_has_asked_once(home: Path, token: str) -> None:
    async with chromium() as browser, client_market(home, token) as market, counting_relay(market.port) as relay:
        page = await browser.new_page()
        await page.goto(f"http://127.0.0.1:{relay.port}/healthz")
        before = len(relay.came_at)
        await page.evaluate(LISTEN, f"http://127.0.0.1:{relay.port}/api/v1/stream?symbols=AAPL&token=none")
        await page.wait_for_function("() => stream.readyState === EventSource.CLOSED", timeout=PATIENCE_SECONDS * 1000)
        assert await page.evaluate("[opened, failed, prices.length]") == [0, 1, 0]
        # It may go over the connection that brought the page.
        assert len(relay.came_at) - before <= 1
        answer = await page.evaluate("fetch('/api/v1/stream?symbols=AAPL&token=none').then((answer) => answer.text())")
        assert "This token is wrong" in answer
