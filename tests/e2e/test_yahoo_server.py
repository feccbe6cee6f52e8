"""The whole server on the real yfinance and feedparser, against recorded answers of Yahoo and recorded feeds."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from live_server import LiveServer, RawClient, live_server
from patience import PATIENCE_SECONDS
from recorded_yahoo import RecordedYahoo, recorded_yahoo
from stocktrack.clock import ManualClock, settle
from stocktrack.providers.base import QUESTION, Errand, QuoteAnswer
from stocktrack.providers.rss.provider import RssProvider
from stocktrack.providers.yahoo.provider import YahooProvider
from yahoo_redirect import send_yahoo_to

SYMBOLS = ("AAPL", "OCDO.L", "BTC-USD", "QQQ", "GC=F", "^SOX")
UNKNOWN = "NOSUCH"
FEEDS = ("cnbc_world.xml", "heise_atom.xml", "nyt_business.xml", "latin1_encoding.xml", "malformed_wordpress.xml")
NO_FEEDS = ("bloomberg_sitemap_not_a_feed.xml", "there_is_no_such.xml")


class CountingYahoo(YahooProvider):
    """The real provider, which says how often it was asked for quotes, and when it is done with them all."""

    quote_requests = 0

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._under_way = 0
        self.is_idle = asyncio.Event()

    async def quotes(self, symbols: Sequence[str], errand: Errand = QUESTION) -> QuoteAnswer:
        """What Yahoo answers."""
        self.quote_requests += 1
        self._under_way += 1
        self.is_idle.clear()
        try:
            return await super().quotes(symbols, errand)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self.is_idle.set()


class House:
    """The server, its clock, and the Yahoo behind it."""

    def __init__(self, server: LiveServer, clock: ManualClock, yahoo: RecordedYahoo, provider: CountingYahoo) -> None:
        self.server = server
        self.clock = clock
        self.yahoo = yahoo
        self.provider = provider

    async def poll(self) -> None:
        """Let time pass until the feed has asked Yahoo once more, and has its answer.

        The call itself takes real time. Were the clock moved on meanwhile, the feed's own deadline would come before
        the answer does, on a machine that is busy.
        """
        before = self.provider.quote_requests
        while self.provider.quote_requests == before:
            await self.clock.advance(1)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.provider.is_idle.wait()
        await settle()


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    clock = ManualClock(time.time_ns() // 1_000_000)
    async with recorded_yahoo(rebase="off") as yahoo:
        send_yahoo_to(yahoo.url, monkeypatch)
        quotes = CountingYahoo(timeout_seconds=2, cache_dir=tmp_path / "cache", clock=clock)
        feeds = [f"{yahoo.url}/rss/{name}" for name in (*FEEDS, *NO_FEEDS)]
        news = RssProvider(feeds=feeds, headlines_per_feed=5, timeout_seconds=20, clock=clock)
        data = tmp_path / "data"
        async with live_server(data, quotes, news, clock=clock, poll_interval_seconds=5) as server:
            yield House(server, clock, yahoo, quotes)


async def subscribed(house: House, *symbols: str, interval: float = 0) -> RawClient:
    """A client that is pushed `symbols` and has read their first prices."""
    client = await house.server.log_in()
    reply = await client.ask({"type": "SUBSCRIBE", "symbols": symbols, "interval": interval, "save": False})
    assert reply["code"] == 200, reply
    for _ in symbols:
        await client.receive_until("PRICE")
    return client


def by_symbol(quotes: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {quote["symbol"]: quote for quote in quotes}


async def test_get_gives_what_is_on_record(house: House) -> None:
    client = await house.server.log_in()
    reply = await client.ask({"type": "GET", "symbols": [*SYMBOLS, UNKNOWN]})

    assert reply["missing"] == [{"symbol": UNKNOWN, "code": 404, "reason": "unknown_symbol"}]
    assert [quote["symbol"] for quote in reply["quotes"]] == list(SYMBOLS)
    for symbol, quote in by_symbol(reply["quotes"]).items():
        meta = house.yahoo.recorded("chart", symbol)["chart"]["result"][0]["meta"]
        assert (quote["price"], quote["currency"]) == (meta["regularMarketPrice"], meta["currency"])
        assert quote["provider"] == "yahoo"
        assert quote["stale"] is False
        row = house.yahoo.recorded("quote", symbol)
        if row is not None and symbol == "AAPL":
            assert quote["market_state"] == "closed"  # Yahoo says POSTPOST
    assert by_symbol(reply["quotes"])["OCDO.L"]["currency"] == "GBp"


async def test_companies_and_dividends_are_told_and_their_absence_says_why(house: House) -> None:
    client = await house.server.log_in()
    company = (await client.ask({"type": "INFO", "symbol": "AAPL"}))["company"]
    assert (company["name"], company["sector"]) == ("Apple Inc.", "Technology")
    assert company["market_closes_at"] - company["market_opens_at"] == 6.5 * 3_600_000
    assert (company["fifty_two_week_low"], company["trailing_pe"]) == (164.08, 38.91442)
    dividends = await client.ask({"type": "DIVIDENDS", "symbol": "AAPL"})
    assert [dividend["amount"] for dividend in dividends["dividends"]] == [0.26, 0.26]
    answers = {
        (kind, symbol): (await client.ask({"type": kind, "symbol": symbol}))["reason"]
        for kind, symbol in (("INFO", "^SOX"), ("INFO", UNKNOWN), ("DIVIDENDS", "OCDO.L"), ("DIVIDENDS", UNKNOWN))
    }
    assert answers == {
        ("INFO", "^SOX"): "no_company_info",
        ("INFO", UNKNOWN): "unknown_symbol",
        ("DIVIDENDS", "OCDO.L"): "no_dividends",
        ("DIVIDENDS", UNKNOWN): "unknown_symbol",
    }


async def test_news_come_from_the_feeds_that_work(house: House) -> None:
    client = await house.server.log_in()
    articles = (await client.ask({"type": "NEWS", "limit": 100}))["articles"]

    by_source: dict[str, int] = {}
    for article in articles:
        by_source[article["source"]] = by_source.get(article["source"], 0) + 1
    assert len(by_source) == len(FEEDS)
    assert max(by_source.values()) == 5
    published = [article.get("published", 0) for article in articles]
    assert published == sorted(published, reverse=True)
    assert len({article["title"] for article in articles}) == len(articles)


async def test_a_new_price_reaches_subscribers_at_the_next_poll(house: House) -> None:
    client = await subscribed(house, "AAPL", "QQQ")
    await house.yahoo.price("AAPL", 280.5, previous_close=270.0)
    await house.poll()

    pushed = await client.receive_until("PRICE")
    assert (pushed["symbol"], pushed["price"], pushed["change"]) == ("AAPL", 280.5, 10.5)
    assert pushed["change_percent"] == pytest.approx(3.8889, abs=1e-3)
    assert pushed["seq"] == 2


async def test_a_hundred_sessions_on_ten_symbols_cost_one_request_a_poll(house: House) -> None:
    ten = ("AAPL", "AMZN", "TSLA", "GOOG", "CRON", "QQQ", "OCDO.L", "BTC-USD", "GC=F", "^SOX")
    clients = [await subscribed(house, *ten) for _ in range(100)]
    await house.yahoo.stats(clear=True)
    for price in (300.5, 301.5, 302.5):
        await house.yahoo.price("AAPL", price)
        await house.poll()
        pushed = [(await client.receive_until("PRICE"))["price"] for client in clients]
        assert pushed == [price] * 100
    assert (await house.yahoo.stats())["by_endpoint"] == {"quote": 3}


async def test_three_times_429_leave_the_old_price_and_heal(house: House) -> None:
    client = await subscribed(house, "AAPL", "QQQ")
    old = (await client.ask({"type": "GET", "symbol": "AAPL"}))["quotes"][0]
    await house.yahoo.fault("quote", "429", times=3)
    await house.yahoo.stats(clear=True)

    await house.poll()
    notice = await client.receive_until("NOTICE")
    assert (notice["code"], notice["reason"]) == (500, "provider_blocked")
    assert sorted(notice["symbols"]) == ["AAPL", "QQQ"]
    assert 24_000 <= notice["retry_after_ms"] <= 36_000
    stale = (await client.ask({"type": "GET", "symbol": "AAPL"}))["quotes"][0]
    assert (stale["price"], stale["stale"], stale["stale_reason"]) == (old["price"], True, "provider_blocked")
    assert stale["retry_at"] > house.clock.now_ms()
    # Everything that would ask Yahoo is refused meanwhile, and says when to come back.
    refused = await client.ask({"type": "INFO", "symbol": "AAPL"})
    assert (refused["code"], refused["reason"], refused["retryable"]) == (500, "provider_blocked", True)
    assert refused["retry_after_ms"] > 0
    for _ in range(2):
        await house.poll()
        assert (await client.receive_until("PRICE"))["stale"] is True
    await house.poll()
    restored = await client.receive_until("NOTICE")
    assert (restored["code"], restored["reason"]) == (100, "provider_restored")
    fresh = (await client.ask({"type": "GET", "symbol": "AAPL"}))["quotes"][0]
    assert (fresh["price"], fresh["stale"]) == (old["price"], False)
    assert (await house.yahoo.stats())["by_endpoint"]["quote"] == 4


@pytest.mark.parametrize(
    ("mode", "reason"), [("hang", "provider_timeout"), ("500", "provider_error"), ("garbage", "provider_error")]
)
async def test_an_outage_leaves_the_old_price_and_heals(house: House, mode: str, reason: str) -> None:
    client = await subscribed(house, "AAPL", "QQQ")
    old = (await client.ask({"type": "GET", "symbol": "AAPL"}))["quotes"][0]
    await house.yahoo.fault("*", mode)

    await house.poll()
    notice = await client.receive_until("NOTICE")
    assert (notice["code"], notice["reason"]) == (500, reason)
    stale = (await client.ask({"type": "GET", "symbol": "AAPL"}))["quotes"][0]
    assert (stale["price"], stale["stale"], stale["stale_reason"]) == (old["price"], True, reason)

    await house.yahoo.heal()
    await house.poll()
    restored = await client.receive_until("NOTICE")
    assert (restored["code"], restored["reason"]) == (100, "provider_restored")
    fresh = (await client.ask({"type": "GET", "symbol": "AAPL"}))["quotes"][0]
    assert (fresh["price"], fresh["stale"]) == (old["price"], False)
