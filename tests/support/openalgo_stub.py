"""A small OpenAlgo for tests: its stream and its REST, in the program's words or in those of its pages.

    async with openalgo() as stub:                     # stub.stream.url, stub.rest_url
        stub.know("NSE:RELIANCE", "NFO:NIFTY28MAR2420800CE")
        stub.dialect = Dialect.PAGES                   # how the stream tells prices
        await stub.tick("NSE:RELIANCE", ltp=1190.0)
        stub.fail("multiquotes", 500)                  # the next request; `hang` never answers it

The shapes are those of its `websocket_proxy/server.py`, its `restx_api/`, and its `docs/`; the figures are made up.
"""

import asyncio
import contextlib
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from enum import Enum
from typing import Any

from aiohttp import web
from websockets.exceptions import ConnectionClosed

from patience import PATIENCE_SECONDS
from stream_server import Message, StreamServer, VendorConnection, running

KEY = "0a1b2c3d4e5f" * 5 + "cafe"
EXCHANGES = ("NSE", "NFO", "CDS", "BSE", "BFO", "BCD", "MCX", "NCDEX", "NSE_INDEX", "BSE_INDEX", "MCX_INDEX")
INDIA = timezone(timedelta(hours=5, minutes=30))
# Minutes after midnight.
_SHARES, _CONTRACTS, _CURRENCIES, _COMMODITIES = (555, 930), (555, 940), (540, 1020), (540, 1435)
HOURS = {
    **dict.fromkeys(("NSE", "BSE"), _SHARES),
    **dict.fromkeys(("NFO", "BFO"), _CONTRACTS),
    **dict.fromkeys(("CDS", "BCD"), _CURRENCIES),
    **dict.fromkeys(("MCX", "NCO"), _COMMODITIES),
}
SPECIAL_HOURS = {"MCX": (1020, 1435)}
REFUSED_KEY = {"status": "error", "message": "Invalid openalgo apikey"}


class Dialect(Enum):
    """How the stream tells a price."""

    PROGRAM = "program"  # symbol and exchange beside the data, a number as mode, times in milliseconds
    PAGES = "pages"  # a topic, all of it within the data, times as texts
    SIMPLE = "simple"  # the other page: its type is the mode
    FLAT = "flat"  # nothing within, and the exchange before a colon


def row(ltp: float = 1187.75, **changes: Any) -> dict[str, Any]:
    """The data of a quote by REST; a field changed to None is left out."""
    fields = {
        "open": 1172.0,
        "high": 1196.6,
        "low": 1163.3,
        "ltp": ltp,
        "ask": 1188.0,
        "bid": 1187.85,
        "prev_close": 1165.7,
        "volume": 14_414_545,
        "oi": 0,
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


class _Stream(StreamServer):
    """OpenAlgo's WebSocket proxy."""

    def __init__(self, stub: "OpenAlgoStub") -> None:
        super().__init__()
        self._stub = stub
        self.authenticated: set[VendorConnection] = set()
        self.subscribed: dict[VendorConnection, set[str]] = defaultdict(set)

    async def respond(self, connection: VendorConnection, message: Message) -> None:
        """Do what the client says, as the program does."""
        match message.get("action") or message.get("type"):
            case "authenticate" | "auth":
                await self._log_in(connection, message)
            case "subscribe" | "unsubscribe" as action:
                if connection not in self.authenticated:
                    await connection.send(_error("NOT_AUTHENTICATED", "You must authenticate first"))
                elif not message.get("symbols"):
                    await connection.send(_error("INVALID_PARAMETERS", "At least one symbol must be specified"))
                else:
                    await self._change(connection, action, message)
            case "pong":
                pass
            case action:
                await connection.send(_error("INVALID_ACTION", f"Invalid action: {action}"))

    async def _log_in(self, connection: VendorConnection, message: Message) -> None:
        if message.get("api_key") != self._stub.key:
            await connection.send(_error("AUTHENTICATION_ERROR", "Invalid API key"))
        elif not self._stub.is_logged_in:
            await connection.send(_error("BROKER_ERROR", "No broker configuration found for user"))
        elif self._stub.login_answer is not None:
            await connection.send(self._stub.login_answer)
        else:
            self.authenticated.add(connection)
            answer = {"type": "auth", "status": "success", "message": "Authentication successful", "broker": "stub"}
            await connection.send(answer)

    async def _change(self, connection: VendorConnection, action: str, message: Message) -> None:
        answers = []
        for each in message["symbols"]:
            symbol = f"{each['exchange']}:{each['symbol']}"
            if action == "unsubscribe":
                self.subscribed[connection].discard(symbol)
            elif symbol in self._stub.not_streamed or symbol not in self._stub.rows:
                text = self._stub.not_streamed.get(symbol, f"Could not find instrument token for {symbol}")
                answers.append({**each, "status": "error", "message": text, "broker": "stub"})
                continue
            else:
                self.subscribed[connection].add(symbol)
            answers.append({**each, "status": "success", "mode": message["mode"], "depth": 5, "broker": "stub"})
        is_whole = all(answer["status"] == "success" for answer in answers)
        await connection.send(
            {
                "type": action,
                "status": "success" if is_whole else "partial",
                "subscriptions" if action == "subscribe" else "successful": answers,
                "message": "Subscription processing complete",
                "broker": "stub",
            }
        )
        self._stub.demand_changed()


@dataclass(slots=True)
class _Fault:
    """What a question is answered instead of the truth; None hangs."""

    status: int | None
    body: bytes
    headers: Mapping[str, str]


@dataclass
class OpenAlgoStub:
    """The stub: fill `rows`, then look at `asked`, `requests`, and what the clients of `stream` sent."""

    key: str = KEY
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    dialect: Dialect = Dialect.PROGRAM
    exchanges: tuple[str, ...] = EXCHANGES
    has_multiquotes: bool = True
    has_calendar: bool = True
    is_logged_in: bool = True
    """Whether somebody is logged in to the broker."""
    holidays: set[str] = field(default_factory=set)
    """Dates on which only MCX is open, in the evening."""
    zone: timezone = INDIA
    """The zone of its machine, whose midnight it takes for India's."""
    login_answer: Message | None = None
    """Answered to the right key instead of a welcome."""
    not_streamed: dict[str, str] = field(default_factory=dict)
    """Symbols that its broker does not stream, and what it says of each."""
    odd: dict[str, str] = field(default_factory=dict)
    """Symbols at which its broker fails, and what it says of each."""
    asked: Counter[str] = field(default_factory=Counter)
    requests: list[tuple[str, Message]] = field(default_factory=list)
    rest_url: str = ""

    def __post_init__(self) -> None:
        self.stream = _Stream(self)
        self.hanging = asyncio.Event()
        self._faults: defaultdict[str, deque[_Fault]] = defaultdict(deque)
        self._closing = asyncio.Event()
        self._demand = asyncio.Event()

    def know(self, *symbols: str) -> None:
        """Have a price for each of `symbols`."""
        for place, symbol in enumerate(symbols):
            self.rows[symbol] = row(1187.75 + place)

    def fail(
        self,
        question: str,
        status: int = 500,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        times: int = 1,
    ) -> None:
        """Answer the next requests to `question` with this."""
        self._faults[question].extend([_Fault(status, body, headers or {})] * times)

    def hang(self, question: str, *, times: int = 1) -> None:
        """Take the next requests to `question` and never answer; the event `hanging` tells of the first."""
        self._faults[question].extend([_Fault(None, b"", {})] * times)

    def asked_for(self, question: str) -> list[Message]:
        """The bodies of the requests for `question`, in order."""
        return [body for asked, body in self.requests if asked == question]

    # --- the stream ---

    def demand_changed(self) -> None:
        """Wake those who wait for subscriptions."""
        self._demand.set()

    async def subscribed(self, *symbols: str) -> VendorConnection:
        """The connection that is subscribed to just these, also once it will be."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                for connection, its_symbols in self.stream.subscribed.items():
                    if its_symbols == set(symbols):
                        return connection
                self._demand.clear()
                await self._demand.wait()

    async def tick(self, symbol: str, **data: Any) -> None:
        """Tell a price of `symbol` to all who are subscribed to it."""
        message = told(self.dialect, symbol, data)
        for connection, symbols in self.stream.subscribed.items():
            if symbol in symbols:
                with contextlib.suppress(ConnectionClosed):
                    await connection.send(message)

    # --- REST ---

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        question = request.match_info["question"]
        body = await request.json()
        self.asked[question] += 1
        self.requests.append((question, body))
        if self._faults[question]:
            fault = self._faults[question].popleft()
            if fault.status is None:
                self.hanging.set()
                await self._closing.wait()
            return web.Response(status=fault.status or 500, body=fault.body, headers=fault.headers)
        if question == "market/timings" and self.has_calendar:
            return web.json_response({"status": "success", "data": self._timings(date.fromisoformat(body["date"]))})
        if body.get("apikey") != self.key or not (self.is_logged_in or question == "search"):
            return web.json_response(REFUSED_KEY, status=403)
        match question:
            case "quotes":
                return self._quote(body)
            case "multiquotes" if self.has_multiquotes:
                return self._quotes(body)
            case "search":
                return self._search(body)
            case _:
                answer = {"status": "error", "message": "Not found", "path": request.path}
                return web.json_response(answer, status=404)

    def _timings(self, day: date) -> list[dict[str, Any]]:
        midnight_ms = int(datetime.combine(day, time(), self.zone).timestamp() * 1000)
        hours = SPECIAL_HOURS if day.isoformat() in self.holidays else {} if day.weekday() > 4 else HOURS
        return [
            {
                "exchange": exchange,
                "start_time": midnight_ms + opens * 60_000,
                "end_time": midnight_ms + closes * 60_000,
            }
            for exchange, (opens, closes) in hours.items()
        ]

    def _quote(self, body: Message) -> web.Response:
        if body["exchange"] not in self.exchanges:
            message = {"exchange": [f"Must be one of: {', '.join(self.exchanges)}."]}
            return web.json_response({"status": "error", "message": message}, status=400)
        symbol = f"{body['exchange']}:{body['symbol']}"
        if symbol in self.odd:
            return web.json_response({"status": "error", "message": self.odd[symbol]}, status=500)
        if symbol not in self.rows:
            return web.json_response({"status": "error", "message": _not_found(body)}, status=400)
        return web.json_response({"status": "success", "data": self.rows[symbol]})

    def _quotes(self, body: Message) -> web.Response:
        asked = body["symbols"]
        bad = {
            str(place): {"exchange": [f"Must be one of: {', '.join(self.exchanges)}."]}
            for place, each in enumerate(asked)
            if each["exchange"] not in self.exchanges
        }
        if bad:
            return web.json_response({"status": "error", "message": {"symbols": bad}}, status=400)
        named = {f"{each['exchange']}:{each['symbol']}": each for each in asked}
        invalid = [{**each, "error": _not_found(each)} for symbol, each in named.items() if symbol not in self.rows]
        if len(invalid) == len(named):
            answer = {"status": "error", "message": invalid[0]["error"], "invalid_symbols": invalid}
            return web.json_response(answer, status=400)
        if odd := next((text for symbol, text in self.odd.items() if symbol in named), None):
            return web.json_response({"status": "error", "message": odd}, status=500)
        found = [{**each, "data": self.rows[symbol]} for symbol, each in named.items() if symbol in self.rows]
        return web.json_response({"status": "success", "results": [*invalid, *found]})

    def _search(self, body: Message) -> web.Response:
        found = [
            {
                "brexchange": symbol.partition(":")[0],
                "brsymbol": symbol.partition(":")[2],
                "exchange": symbol.partition(":")[0],
                "expiry": "",
                "freeze_qty": 1,
                "instrumenttype": "EQ",
                "lotsize": 1,
                "name": f"{symbol.partition(':')[2].title()} Limited",
                "strike": -0.01,
                "symbol": symbol.partition(":")[2],
                "tick_size": 0.1,
                "token": "2885",
            }
            for symbol in self.rows
            if body["query"].upper() in symbol
        ]
        message = f"Found {len(found)} matching symbols" if found else "No matching symbols found"
        return web.json_response({"status": "success", "message": message, "data": found})

    def release(self) -> None:
        """Let go of the requests that hang."""
        self._closing.set()


def told(dialect: Dialect, symbol: str, data: Message) -> Message:
    """A message of the stream that tells `data` of `symbol`."""
    exchange, _, name = symbol.partition(":")
    both = {"symbol": name, "exchange": exchange}
    match dialect:
        case Dialect.PROGRAM:
            return {
                "type": "market_data",
                **both,
                "mode": 2,
                "data": {**both, "mode": "quote", **data},
                "broker": "stub",
            }
        case Dialect.PAGES:
            return {"type": "market_data", "mode": "Quote", "topic": f"{name}.{exchange}", "data": data}
        case Dialect.SIMPLE:
            return {"type": "quote", "data": {**both, **data}}
        case Dialect.FLAT:
            return {"symbol": symbol.lower(), **data}


def _error(code: str, message: str) -> Message:
    return {"status": "error", "code": code, "message": message}


def _not_found(each: Message) -> str:
    return (
        f"Symbol '{each['symbol']}' not found for exchange '{each['exchange']}'. "
        "Please verify the symbol name and ensure master contracts are downloaded."
    )


@contextlib.asynccontextmanager
async def openalgo() -> AsyncIterator[OpenAlgoStub]:
    """An OpenAlgo on free ports of the loopback until the block ends."""
    stub = OpenAlgoStub()
    app = web.Application()
    app.router.add_post("/api/v1/{question:.+}", stub.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    stub.rest_url = f"http://{host}:{port}"
    try:
        async with running(stub.stream):
            yield stub
    finally:
        stub.release()
        await runner.cleanup()
