"""A small Yahoo for tests: it knows the symbols it is given, hands out cookies and crumbs, counts, and fails on demand.

It runs in the test's own event loop; the provider's threads reach it through `yahoo_redirect`. The payloads are made
up, in the shapes that Yahoo's endpoints have.
"""

import itertools
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from endpoint_faults import EndpointFaults

Fields = dict[str, Any]

UNAUTHORIZED = {"finance": {"result": None, "error": {"code": "Unauthorized", "description": "Invalid Crumb"}}}
NEW_YORK = {"exchangeTimezoneName": "America/New_York", "gmtoffset": -14_400}


def row(symbol: str, price: Any = 101.5, **changes: Any) -> Fields:
    """One symbol of a v7 answer; a field changed to None is left out."""
    fields = {
        "symbol": symbol,
        "quoteType": "EQUITY",
        "shortName": f"{symbol} Corp.",
        "longName": f"{symbol} Corporation",
        "currency": "USD",
        "exchange": "NMS",
        "fullExchangeName": "NasdaqGS",
        "marketState": "REGULAR",
        "priceHint": 2,
        "exchangeDataDelayedBy": 0,
        "regularMarketPrice": price,
        "regularMarketTime": 1_712_331_900,
        "regularMarketChange": 1.5,
        "regularMarketChangePercent": 1.5,
        "regularMarketPreviousClose": 100.0,
        "regularMarketOpen": 100.25,
        "regularMarketDayHigh": 102.75,
        "regularMarketDayLow": 99.5,
        "regularMarketVolume": 123_456,
        "bid": 101.25,
        "ask": 101.75,
        "fiftyTwoWeekLow": 80.5,
        "fiftyTwoWeekHigh": 120.25,
        "marketCap": 9_000_000_000,
        "trailingPE": 25.375,
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


def chart(symbol: str, price: Any = 101.5, dividends: Fields | None = None, **meta: Any) -> Fields:
    """The one result of a chart answer."""
    head = {
        "symbol": symbol,
        "currency": "USD",
        "exchangeName": "NMS",
        "fullExchangeName": "NasdaqGS",
        "instrumentType": "EQUITY",
        "shortName": f"{symbol} Corp.",
        "regularMarketPrice": price,
        "regularMarketTime": 1_712_331_900,
        "regularMarketDayHigh": 102.75,
        "regularMarketDayLow": 99.5,
        "regularMarketVolume": 123_456,
        "chartPreviousClose": 100.0,
        "fiftyTwoWeekLow": 80.5,
        "fiftyTwoWeekHigh": 120.25,
        "priceHint": 2,
        "currentTradingPeriod": {
            "pre": {"start": 1_712_304_000, "end": 1_712_323_800},
            "regular": {"start": 1_712_323_800, "end": 1_712_347_200},
            "post": {"start": 1_712_347_200, "end": 1_712_361_600},
        },
        **NEW_YORK,
        **meta,
    }
    result: Fields = {
        "meta": {name: value for name, value in head.items() if value is not None},
        "timestamp": [1_712_323_800],
        "indicators": {"quote": [{"close": [price]}]},
    }
    if dividends is not None:
        result["events"] = {"dividends": dividends}
    return result


def article(title: str, published: Any = "2024-04-05T15:40:00Z", **changes: Any) -> Fields:
    """One entry of the news endpoint; a field changed to None is left out."""
    content = {
        "id": f"id of {title}",
        "contentType": "STORY",
        "title": title,
        "pubDate": published,
        "provider": {"displayName": "Reuters", "url": "https://www.reuters.com/"},
        "canonicalUrl": {"url": "https://news.example/story", "site": "finance"},
        "clickThroughUrl": {"url": "https://finance.yahoo.com/news/story"},
        **changes,
    }
    return {"id": f"id of {title}", "content": {name: value for name, value in content.items() if value is not None}}


def in_envelope(endpoint: str, result: Any, error: Any = None) -> Fields:
    """A result as Yahoo wraps it: `{"chart": {"result": …, "error": null}}`."""
    return {endpoint: {"result": result, "error": error}}


class YahooStub(EndpointFaults):
    """The stub: fill `rows`, `charts`, `summaries` and `matches`, then look at `asked`."""

    def __init__(self) -> None:
        super().__init__()
        self.url = ""
        self.rows: dict[str, Fields] = {}
        self.charts: dict[str, Fields] = {}
        self.summaries: dict[str, Fields] = {}
        self.matches: dict[str, list[Fields]] = {}
        self.news: dict[str, list[Fields]] = {}  # the entries on a symbol's page
        self.found_news: dict[str, list[Fields]] = {}  # the articles that a search finds
        # Symbols that a v7 request with them in it is answered with this status for.
        self.poison: dict[str, int] = {}
        self.asked: Counter[str] = Counter()
        self.quote_requests: list[list[str]] = []
        self.chart_requests: list[str] = []
        self.histories: dict[
            str, dict[str, Fields]
        ] = {}  # the charts of a symbol by interval, of which a part is asked
        self.history_requests: list[Fields] = []  # the queries, with their `symbol`
        self._cookies = itertools.count(1)
        self._crumb_age = 0

    def know(self, *symbols: str) -> None:
        """Have a row and a chart for each of `symbols`."""
        for symbol in symbols:
            self.rows[symbol] = row(symbol)
            self.charts[symbol] = chart(symbol)

    def let_crumbs_grow_old(self) -> None:
        """Refuse every crumb handed out so far."""
        self._crumb_age += 1

    @property
    def handshakes(self) -> int:
        """Requests for cookies, consent and crumbs."""
        return self.asked["cookie"] + self.asked["consent"] + self.asked["crumb"]

    async def _answer(self, endpoint: str, answer: Callable[[], web.Response]) -> web.StreamResponse:
        self.asked[endpoint] += 1
        return await self._fault_of(endpoint) or answer()

    def _crumb(self, request: web.BaseRequest) -> str:
        return f"crumb.{request.cookies.get('A3', 'none')}.{self._crumb_age}"

    def _if_crumbed(self, request: web.BaseRequest, answer: Callable[[], web.Response]) -> web.Response:
        if request.query.get("crumb") != self._crumb(request):
            return web.json_response(UNAUTHORIZED, status=401)
        return answer()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, which came here as to a proxy."""
        # Segments are split before they are decoded: a symbol may have a slash in it.
        last = unquote(request.raw_path.partition("?")[0].rpartition("/")[2])
        routes: dict[str, Callable[[], Awaitable[web.StreamResponse]]] = {
            "/v7/finance/quote": lambda: self._quote(request),
            "/v8/finance/chart": lambda: self._chart(request, last),
            "/v10/finance/quoteSummary": lambda: self._summary(request, last),
            "/v1/finance/search": lambda: self._search(request),
            "/xhr/ncp": lambda: self._news(request),
            "/v1/test/getcrumb": lambda: self._answer("crumb", lambda: web.Response(text=self._crumb(request))),
        }
        for path, answer in routes.items():
            if request.path.startswith(path):
                return await answer()
        if request.host == "fc.yahoo.com":
            return await self._answer("cookie", self._new_cookie)
        return await self._answer("consent", lambda: web.Response(text="<html>no form</html>"))

    def _new_cookie(self) -> web.Response:
        response = web.Response(status=404, text="<html>Not Found</html>")
        response.set_cookie("A3", f"v{next(self._cookies)}", domain=".yahoo.com", path="/", max_age=86_400)
        return response

    async def _quote(self, request: web.BaseRequest) -> web.StreamResponse:
        symbols = request.query["symbols"].split(",")
        self.quote_requests.append(symbols)
        poison = next((self.poison[symbol] for symbol in symbols if symbol in self.poison), None)
        if poison is not None:
            return await self._answer("quote", lambda: web.Response(status=poison, text="<html>bad</html>"))
        found = [self.rows[symbol] for symbol in symbols if symbol in self.rows]
        body = in_envelope("quoteResponse", found)
        return await self._answer("quote", lambda: self._if_crumbed(request, lambda: web.json_response(body)))

    async def _chart(self, request: web.BaseRequest, symbol: str) -> web.StreamResponse:
        self.chart_requests.append(symbol)
        if "period1" in request.query or request.query.get("interval") == "3mo":
            self.history_requests.append({"symbol": symbol, **request.query})
            return await self._answer("chart", lambda: self._history(symbol, request.query))
        return await self._answer("chart", lambda: _one("chart", self.charts.get(symbol)))

    def _history(self, symbol: str, query: Mapping[str, str]) -> web.Response:
        charts = self.histories.get(symbol, {})
        if (told := charts.get(query["interval"], charts.get("1d"))) is None:
            return _one("chart", None)
        times = told["timestamp"]
        since, until = int(query.get("period1", -(10**11))), int(query.get("period2", 10**11))
        # A newest row stands under the time of its trade, which is not where its bar begins.
        kept = [number for number, moment in enumerate(times) if since <= moment < until]
        if not kept and times and until <= min(times):
            description = f"Data doesn't exist for startDate = {since}, endDate = {until}"
            error = {"code": "Bad Request", "description": description}
            return web.json_response(in_envelope("chart", None, error), status=400)
        indicators = {
            kind: [{name: [column[number] for number in kept] for name, column in sets[0].items()}]
            for kind, sets in told["indicators"].items()
        }
        result: Fields = {**told, "timestamp": [times[number] for number in kept], "indicators": indicators}
        if not kept:
            del result["timestamp"]
        result["events"] = {
            name: {moment: event for moment, event in events.items() if since <= int(moment) < until}
            for name, events in told.get("events", {}).items()
            if name[:3] in query.get("events", "")
        }
        return _one("chart", result)

    async def _summary(self, request: web.BaseRequest, symbol: str) -> web.StreamResponse:
        summary = self.summaries.get(symbol)
        return await self._answer("summary", lambda: self._if_crumbed(request, lambda: _one("quoteSummary", summary)))

    async def _search(self, request: web.BaseRequest) -> web.StreamResponse:
        found = self.matches.get(request.query["q"], [])[: int(request.query["quotesCount"])]
        articles = self.found_news.get(request.query["q"], [])[: int(request.query["newsCount"])]
        body = {"count": len(found), "quotes": found, "news": articles}
        return await self._answer("search", lambda: web.json_response(body))

    async def _news(self, request: web.BaseRequest) -> web.StreamResponse:
        asked = (await request.json())["serviceConfig"]
        stream = [entry for symbol in asked["s"] for entry in self.news.get(symbol, [])][: asked["snippetCount"]]
        body = {"data": {"tickerStream": {"stream": stream}}, "status": "OK"}
        return await self._answer("news", lambda: self._if_crumbed(request, lambda: web.json_response(body)))


def _one(endpoint: str, result: Fields | None) -> web.Response:
    if result is None:
        error = {"code": "Not Found", "description": "No data found, symbol may be delisted"}
        return web.json_response(in_envelope(endpoint, None, error), status=404)
    return web.json_response(in_envelope(endpoint, [result]))


@asynccontextmanager
async def running_yahoo_stub(stub: YahooStub | None = None) -> AsyncIterator[YahooStub]:
    """A stub, `stub` where given, that listens on a free port of the loopback until the block ends."""
    stub = stub or YahooStub()
    # Not `web.Application`: its router would refuse the absolute addresses that a proxy is sent.
    runner = web.ServerRunner(web.Server(stub.handle), shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0]
    stub.url = f"http://{host}:{port}"
    try:
        yield stub
    finally:
        stub._closing.set()
        await runner.cleanup()
