"""A small Finnhub for tests: REST and stream on one port, in the real shapes, with the faults it was seen with.

It runs in the test's own event loop, or as a process of its own whose prices move by themselves:

    python tests/support/finnhub_stub.py --port 8123 --key KEY

A server reaches it by `finnhub_rest_url = http://127.0.0.1:8123/api/v1` and `finnhub_ws_url = ws://127.0.0.1:8123`.
What it was asked stands under `/stub/calls`; `/stub/fail?endpoint=quote&status=403&times=5` makes it fail, `/stub/drop`
cuts the streams, `/stub/market?session=pre-market` moves the day on.
"""

import argparse
import asyncio
import json
import random
import re
import signal
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from endpoint_faults import EndpointFaults
from patience import PATIENCE_SECONDS

Fields = dict[str, Any]

UNKNOWN_QUOTE: Fields = {"c": 0, "d": None, "dp": None, "h": 0, "l": 0, "o": 0, "pc": 0, "t": 0}
NO_ACCESS: Fields = {"error": "You don't have access to this resource."}
TOO_MANY = {"type": "error", "msg": "Subscribing to too many symbols"}
# The 52nd is refused, though 50 are documented.
PLACES = 51


def quote_row(price: Any = 189.45, **changes: Any) -> Fields:
    """The answer of `/quote`."""
    row = {"c": price, "d": 1.2, "dp": 0.6375, "h": 190.5, "l": 187.0, "o": 188.0, "pc": 188.25, "t": 1_712_331_900}
    return {**row, **changes}


def profile(symbol: str, **changes: Any) -> Fields:
    """The answer of `/stock/profile2`."""
    fields = {
        "country": "US",
        "currency": "USD",
        "estimateCurrency": "USD",
        "exchange": "NASDAQ NMS - GLOBAL MARKET",
        "finnhubIndustry": "Technology",
        "ipo": "1980-12-12",
        "logo": "https://static2.finnhub.io/file/publicdatany/finnhubimage/stock_logo/X.png",
        "marketCapitalization": 2_950_000.5,
        "name": f"{symbol} Inc",
        "phone": "14089961010",
        "shareOutstanding": 15_441.88,
        "ticker": symbol,
        "weburl": "https://www.example.com/",
    }
    return {**fields, **changes}


def article(title: str, seconds: Any = 1_712_331_000, **changes: Any) -> Fields:
    """An entry of `/news` and `/company-news`."""
    fields = {
        "category": "top news",
        "datetime": seconds,
        "headline": title,
        "id": 7_000_000,
        "image": "",
        "related": "",
        "source": "CNBC",
        "summary": "",
        "url": "https://www.example.com/story",
    }
    return {**fields, **changes}


def trade(symbol: Any, price: Any, milliseconds: Any = 1_712_331_900_000, **changes: Any) -> Fields:
    """An entry of a trade message."""
    return {"c": ["1", "12"], "p": price, "s": symbol, "t": milliseconds, "v": 43, **changes}


def trades(*entries: Any) -> str:
    """A trade message."""
    return json.dumps({"data": list(entries), "type": "trade"})


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it came; `at` is the monotonic time, `authorised` whether it carried the key in its header."""

    endpoint: str
    symbol: str
    query: str
    at: float
    authorised: bool


@dataclass(eq=False, slots=True)
class Connection:
    """An open stream and what it is subscribed to."""

    socket: web.WebSocketResponse
    transport: asyncio.Transport | None
    symbols: dict[str, None] = field(default_factory=dict)
    sent: list[Fields] = field(default_factory=list)


class FinnhubStub(EndpointFaults):
    """The stub: fill `quotes`, `profiles` and the others, send trades, then look at `calls` and `connections`."""

    def __init__(self, key: str = "key") -> None:
        super().__init__()
        self.key = key
        self.port = 0
        self.places = PLACES
        self.quotes: dict[str, Any] = {}
        self.profiles: dict[str, Any] = {}
        self.dividends: dict[str, Any] | None = {}  # None: the plan has none
        self.candles: dict[str, Any] | None = {}  # by symbol the rows; None: the plan has none
        self.splits: dict[str, Any] | None = {}
        self.candles_until = 1_712_361_600
        self.news: Any = []
        self.company_news: dict[str, Any] = {}
        self.matches: dict[str, Any] = {}
        self.market: Fields = {
            "exchange": "US",
            "holiday": None,
            "isOpen": True,
            "session": "regular",
            "t": 1_712_331_900,
            "timezone": "America/New_York",
        }
        self.mute: set[str] = set()
        self.abroad_is_refused = True
        self.knows_any_share = False
        self.calls: list[Call] = []
        self.connections: list[Connection] = []
        self.messages: list[Fields] = []
        self.handshakes = 0
        self.handshake_status: int | None = None
        self._changed = asyncio.Event()

    @property
    def rest_url(self) -> str:
        """For `finnhub_rest_url`."""
        return f"http://127.0.0.1:{self.port}/api/v1"

    @property
    def ws_url(self) -> str:
        """For `finnhub_ws_url`."""
        return f"ws://127.0.0.1:{self.port}"

    def know(self, *symbols: str) -> None:
        """Have a quote and a company for each of `symbols`."""
        for symbol in symbols:
            self.quotes[symbol] = quote_row()
            self.profiles[symbol] = profile(symbol)

    def heal(self) -> None:
        """Forget all faults, also that of the handshake."""
        super().heal()
        self.handshake_status = None

    def asked(self, endpoint: str) -> list[str]:
        """The symbols that `endpoint` was asked for, in their order."""
        return [call.symbol for call in self.calls if call.endpoint == endpoint]

    def most_calls_within(self, seconds: float) -> int:
        """How many calls came at most within any stretch of so many seconds."""
        times = [call.at for call in self.calls]
        most = first = 0
        for last, at in enumerate(times):
            while times[first] <= at - seconds:
                first += 1
            most = max(most, last - first + 1)
        return most

    async def say(self, text: str | bytes) -> None:
        """Send a frame to every connection."""
        for connection in tuple(self.connections):
            if isinstance(text, str):
                await connection.socket.send_str(text)
            else:
                await connection.socket.send_bytes(text)

    async def trade(self, *entries: Fields) -> None:
        """Send each connection those of the trades that it is subscribed to, as one frame; mute symbols never."""
        for connection in tuple(self.connections):
            heard = [each for each in entries if each["s"] in connection.symbols and each["s"] not in self.mute]
            if heard:
                await connection.socket.send_str(trades(*heard))

    async def drop(self) -> None:
        """Cut every stream without a close frame, as Finnhub does every ten minutes."""
        for connection in tuple(self.connections):
            if (transport := connection.transport) is not None:
                transport.abort()

    async def subscribed(self, *symbols: str) -> None:
        """Return once a connection is subscribed to exactly `symbols`."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not any(set(connection.symbols) == set(symbols) for connection in self.connections):
                self._changed.clear()
                await self._changed.wait()

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator["FinnhubStub"]:
        """Listen on the loopback."""
        application = web.Application()
        application.router.add_get("/", self._stream)
        application.router.add_get("/api/v1/{endpoint:.+}", self._rest)
        application.router.add_get("/stub/{action}", self._control)
        runner = web.AppRunner(application, shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        self.port = runner.addresses[0][1]
        try:
            yield self
        finally:
            self._closing.set()
            for connection in tuple(self.connections):
                await connection.socket.close()
            await runner.cleanup()

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        endpoint = request.match_info["endpoint"]
        symbol = request.query.get("symbol", "")
        authorised = request.headers.get("X-Finnhub-Token") == self.key
        self.calls.append(Call(endpoint, symbol, request.query_string, time.monotonic(), authorised))
        if (fault := await self._fault_of(endpoint)) is not None:
            return fault
        if not authorised:
            return web.json_response({"error": "Invalid API key"}, status=401)
        if self.abroad_is_refused and re.fullmatch(r"[^:]+\.[A-Z]{2,3}", symbol):
            return web.json_response(NO_ACCESS, status=403)
        return self._answer(endpoint, symbol, request)

    def _answer(self, endpoint: str, symbol: str, request: web.Request) -> web.Response:
        is_share = self.knows_any_share and re.fullmatch(r"(?!NO)[A-Z0-9]{1,6}", symbol) is not None
        if is_share and symbol not in self.quotes:
            self.know(symbol)
        match endpoint:
            case "quote":
                return web.json_response(self.quotes.get(symbol, UNKNOWN_QUOTE))
            case "stock/profile2":
                return web.json_response(self.profiles.get(symbol, {}))
            case "stock/market-status":
                return web.json_response(self.market)
            case "stock/dividend":
                if self.dividends is None:
                    return web.json_response(NO_ACCESS, status=403)
                return web.json_response(self.dividends.get(symbol, []))
            case "stock/candle" | "crypto/candle" | "forex/candle":
                if self.candles is None:
                    return web.json_response(NO_ACCESS, status=403)
                return web.json_response(self._candles(symbol, request.query))
            case "stock/split":
                if self.splits is None:
                    return web.json_response(NO_ACCESS, status=403)
                return web.json_response(self.splits.get(symbol, []))
            case "news":
                return web.json_response(self.news)
            case "company-news":
                return web.json_response(self.company_news.get(symbol, []))
            case "search":
                found = self.matches.get(request.query.get("q", ""), [])
                return web.json_response({"count": len(found), "result": found})
        return web.json_response({"error": "not found"}, status=404)

    def _candles(self, symbol: str, query: Mapping[str, str]) -> Fields:
        """Candles of every minute, hour, day, week or month of what is known, the same each; or those that were set."""
        assert self.candles is not None
        if symbol in self.candles:
            fixed: Fields = self.candles[symbol]
            return fixed
        since, until, resolution = int(query["from"]), int(query["to"]), query["resolution"]
        step = 60 * int(resolution) if resolution.isdecimal() else 86_400 * {"D": 1, "W": 7, "M": 31}[resolution]
        until = min(until, self.candles_until)
        times = list(range(-(-since // step) * step, until, step)) if symbol in self.quotes else []
        if not times:
            return {"s": "no_data"}
        prices = {"o": 188.0, "h": 190.5, "l": 187.0, "c": 189.45, "v": 1000}
        return {"s": "ok", "t": times, **{name: [value] * len(times) for name, value in prices.items()}}

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        self.handshakes += 1
        if self.handshake_status is not None:
            return web.Response(status=self.handshake_status)
        if request.query.get("token") != self.key:
            return web.Response(status=401, text="Invalid API key")
        socket = web.WebSocketResponse(autoping=True, compress=False)
        await socket.prepare(request)
        connection = Connection(socket, request.transport)
        if self.connections:
            # One connection a key: a second one has been seen to end both.
            for other in (*self.connections, connection):
                await other.socket.close(code=1011)
            return socket
        self.connections.append(connection)
        self._changed.set()
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._take(connection, json.loads(message.data))
        finally:
            if connection in self.connections:
                self.connections.remove(connection)
            self._changed.set()
        return socket

    async def _take(self, connection: Connection, message: Fields) -> None:
        connection.sent.append(message)
        self.messages.append(message)
        symbol = message.get("symbol", "")
        if message.get("type") == "subscribe":
            if symbol not in connection.symbols and len(connection.symbols) >= self.places:
                await connection.socket.send_json(TOO_MANY)
            else:
                connection.symbols[symbol] = None
        elif message.get("type") == "unsubscribe":
            connection.symbols.pop(symbol, None)
        self._changed.set()

    async def _control(self, request: web.Request) -> web.StreamResponse:
        match request.match_info["action"]:
            case "calls":
                return web.json_response(
                    {
                        "calls": len(self.calls),
                        "most_within_60_seconds": self.most_calls_within(60),
                        "most_within_1_second": self.most_calls_within(1),
                        "streams": [sorted(connection.symbols) for connection in self.connections],
                        "handshakes": self.handshakes,
                    }
                )
            case "fail":
                query = request.query
                status, times = int(query.get("status", "500")), int(query.get("times", "1"))
                self.fail(query["endpoint"], status, query.get("body", "").encode(), times=times)
            case "market":
                self.market = {**self.market, "session": request.query.get("session") or None}
                self.market["isOpen"] = self.market["session"] == "regular"
            case "drop":
                await self.drop()
        return web.json_response({"done": True})

    async def move(self, seconds: float) -> None:
        """Trade what is subscribed to every so often, at prices that wander, until cancelled."""
        rng, count = random.Random(7), 0  # noqa: S311 - it makes prices
        while True:
            await asyncio.sleep(seconds)
            count += 1
            now = time.time()
            for symbol, row in self.quotes.items():
                price = round(row["c"] * (1 + rng.uniform(-0.001, 0.001)), 2)
                row |= {"c": price, "d": round(price - row["pc"], 4), "t": int(now)}
                row |= {"h": max(row["h"], price), "l": min(row["l"], price)}
                await self.trade(trade(symbol, price, int(now * 1000), v=rng.choice((0, 0.25, 100))))
            if count * seconds % 60 < seconds:
                await self.say('{"type":"ping"}')


async def _serve(arguments: argparse.Namespace) -> None:
    stub = FinnhubStub(arguments.key)
    stub.places = arguments.places
    stub.mute.update(filter(None, arguments.mute.split(",")))
    symbols: Sequence[str] = [symbol for symbol in arguments.symbols.split(",") if symbol]
    stub.know(*symbols)
    stub.knows_any_share = not symbols
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with stub.serving(arguments.port):
        print(f"finnhub_rest_url={stub.rest_url} finnhub_ws_url={stub.ws_url}", flush=True)  # noqa: T201 - for who started it
        moving = asyncio.create_task(stub.move(arguments.seconds))
        await ended.wait()
        moving.cancel()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A stand-in for Finnhub.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", default="key")
    parser.add_argument("--symbols", default="", help="with commas; none for any share but those that begin with NO")
    parser.add_argument("--places", type=int, default=PLACES, help="symbols that a stream takes")
    parser.add_argument("--mute", default="", help="symbols that the stream never sends")
    parser.add_argument("--seconds", type=float, default=1.0, help="time between trades")
    asyncio.run(_serve(parser.parse_args()))
