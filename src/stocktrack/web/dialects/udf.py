"""TradingView's UDF at `/udf`: prices for the Charting Library and for whatever else reads its datafeeds.

    /config  /time  /symbols?symbol=  /search?query=&type=&exchange=&limit=
    /history?symbol=&resolution=&from=&to=&countback=  /quotes?symbols=

Each answer is made of replies to commands of a session, as in REST. Who may is as for `/live-price`: a guest where the
settings let one in, else the owner of a token, in the Authorization header or as `?token=`, which is never logged.
Pages of other sites read it where `allowed_origins` says so. Whatever goes wrong is JSON: `{"s":"error","errmsg":…}`.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final, TypeAlias

import structlog

from stocktrack.bars import day_of
from stocktrack.doors.turns import turns
from stocktrack.errors import Code, CommandError, Reason, StockTrackError
from stocktrack.market.shelves import zone_of
from stocktrack.messages import (
    MAX_LIST_LIMIT,
    BoardQuote,
    Failure,
    GetReply,
    HistoryReply,
    InfoReply,
    SearchReply,
)
from stocktrack.quotes import CompanyInfo, normalise_symbol, shown
from stocktrack.system.trail import Trail
from stocktrack.web.asgi import IS_FORWARDED, Headers, Receive, Scope, Send, respond
from stocktrack.web.cors import Cors
from stocktrack.web.credentials import bearer_token, no_login
from stocktrack.web.dialects.udf_bars import UdfBars
from stocktrack.web.dialects.udf_terms import (
    CONFIGURATION,
    INTERVALS,
    SUPPORTED,
    Told,
    columns,
    is_of_exchange,
    match_told,
    quote_told,
    symbol_told,
    without_exchange,
)
from stocktrack.web.guest_sessions import GuestSessions
from stocktrack.web.queries import parameters_of, stands_twice, symbols_in, wrong
from stocktrack.web.rest.sessions import RefusedError, RestSession, RestSessions
from stocktrack.web.site import with_headers
from stocktrack.web.statuses import headers_of, status_of
from stocktrack.wire.lines import failure

log = structlog.get_logger()

PATH: Final = "/udf"
_MAX_PARAMETERS: Final = 64
_SEARCH_LIMIT: Final = 30
_MAX_SEARCH_CHARS: Final = 100
# Any year that a calendar has.
_MOST_SECONDS: Final = 10**11
# So many bars are sent in one piece.
_BARS_IN_ONE: Final = 1_000
_METHODS: Final = b"GET, HEAD, OPTIONS"
_WHY_FAILED: Final = "The server failed to do this; its log says why."
_NO_BARS: Final = frozenset({Reason.NOT_OFFERED, Reason.NO_HISTORY, Reason.RANGE_LIMIT})

Body: TypeAlias = bytes | Iterable[bytes]


class Parameters:
    """The parameters of one request; `CommandError` with a sentence where one is not what it has to be."""

    def __init__(self, query: bytes) -> None:
        self._fields: dict[str, list[str]] = {}
        for name, value in parameters_of(query, _MAX_PARAMETERS):
            self._fields.setdefault(name, []).append(value.strip())

    def text(self, name: str) -> str:
        """What is given; empty where nothing is."""
        texts = self._fields.get(name, [""])
        if len(texts) > 1:
            raise wrong(stands_twice(name))
        return texts[0]

    def symbols(self) -> list[str]:
        """The symbols that are given, `symbols=A&symbols=B` like `symbols=A,B`."""
        if not (symbols := symbols_in(self._fields.get("symbols", ()))):
            raise wrong("The parameter 'symbols' is missing.")
        return symbols

    def needed(self, name: str) -> str:
        """What has to be given."""
        if not (text := self.text(name)):
            raise wrong(f"The parameter {name!r} is missing.")
        return text

    def whole(self, name: str) -> int | None:
        """A whole number, from one with decimals too; None where it is not given."""
        if not (text := self.text(name)):
            return None
        try:
            number = int(float(text))
        except (ValueError, OverflowError):
            raise wrong(f"The parameter {name!r} is {shown(text)}, which is no number.") from None
        return max(-_MOST_SECONDS, min(number, _MOST_SECONDS))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered; a body in pieces is sent as it is made."""

    body: Body
    content_type: str = "application/json"
    status: HTTPStatus = HTTPStatus.OK
    headers: Mapping[str, str] | None = None


class Udf:
    """The application of `/udf`. ``needs_token(is_forwarded)`` says whether a client without a token is refused."""

    def __init__(
        self,
        rest: RestSessions,
        guests: GuestSessions,
        needs_token: Callable[[bool], bool],
        cors: Cors,
    ) -> None:
        self._rest = rest
        self._guests = guests
        self._needs_token = needs_token
        self._cors = cors
        self._answers: Mapping[str, Callable[[RestSession, Parameters], Awaitable[Answer]]] = {
            "/config": _config,
            "/time": _time,
            "/symbols": _symbols,
            "/search": _search,
            "/history": _history,
            "/quotes": _quotes,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Called for each request."""
        headers = _headers_of(scope)
        shared: Headers = [(b"cache-control", b"no-store")]
        if (why_not := self._stranger(scope, headers)) is not None:
            await _send(scope, with_headers(send, shared), _error(HTTPStatus.FORBIDDEN, why_not))
            return
        if scope["method"] == "OPTIONS":
            shared.append((b"allow", _METHODS))
            answer = Answer(b"", status=HTTPStatus.NO_CONTENT)
        elif scope["method"] not in {"GET", "HEAD"}:
            shared.append((b"allow", _METHODS))
            answer = _error(HTTPStatus.METHOD_NOT_ALLOWED, "UDF is read by GET.")
        else:
            answer = await self._answer(scope, headers)
        await _send(scope, with_headers(send, shared), answer)

    def _stranger(self, scope: Scope, headers: Mapping[bytes, str]) -> str | None:
        """Why a page of another site may not ask, even without reading the answer; None where it may."""
        if (origin := self._cors.foreign_origin(scope)) is not None:
            return f"Pages of {shown(origin)} may not read this; the setting allowed_origins says which may."
        if (
            b"origin" not in headers
            and headers.get(b"sec-fetch-site") in {"cross-site", "same-site"}
            and headers.get(b"sec-fetch-mode") != "navigate"
        ):
            # An image or a script of another site: its answer would be for nobody, and at the cost of a guest.
            return "A page of another site reads this by fetch alone."
        return None

    async def _answer(self, scope: Scope, headers: Mapping[bytes, str]) -> Answer:
        path = str(scope["path"]).removeprefix(PATH).rstrip("/")
        answer = self._answers.get(path)
        if answer is None:
            return _error(HTTPStatus.NOT_FOUND, f"There is no such path; there are {', '.join(self._answers)}.")
        try:
            parameters = Parameters(scope["query_string"])
            asking = await self._asking(scope, headers, parameters)
            asking.take_turn()
            return await answer(asking, parameters)
        except RefusedError as error:
            return _failed(error.failure)
        except StockTrackError as error:
            self._trail.failed(error)
            return _failed(failure(error))
        except Exception:
            # Without the query, which may hold a token.
            log.exception("answering a request failed unexpectedly", path=scope["path"])
            return _error(HTTPStatus.INTERNAL_SERVER_ERROR, _WHY_FAILED, Reason.INTERNAL_ERROR)

    @property
    def _trail(self) -> Trail:
        return self._rest.trail

    async def _asking(self, scope: Scope, headers: Mapping[bytes, str], parameters: Parameters) -> RestSession:
        token = bearer_token(headers.get(b"authorization", "")) or parameters.text("token")
        address = str((scope.get("client") or ("unknown",))[0])
        is_forwarded = scope[IS_FORWARDED]
        if token:
            return await self._rest.of_login({"token": token}, address, is_forwarded=is_forwarded)
        if self._needs_token(is_forwarded):
            raise no_login(" or ?token=")
        return self._guests.of_address(address, is_forwarded=is_forwarded)


# --- answers ------------------------------------------------------------------------------------------------------


async def _config(asking: RestSession, parameters: Parameters) -> Answer:
    return _json(CONFIGURATION)


async def _time(asking: RestSession, parameters: Parameters) -> Answer:
    return Answer(str(int(_now(asking))).encode(), "text/plain; charset=utf-8")


async def _symbols(asking: RestSession, parameters: Parameters) -> Answer:
    quote = await _quote_of(asking, parameters.needed("symbol"))
    past, company = await asyncio.gather(_past_of(asking, quote.symbol), _company_of(asking, quote.symbol))
    zone_name = past.timezone if past is not None else "UTC"
    zone = zone_of(zone_name)
    bars = past.bars if past is not None else ()
    days = {day_of(bar.time, zone).isoweekday() for bar in bars}
    return _json(symbol_told(quote, company, zone_name=zone_name, zone=zone, days=days, has_bars=past is not None))


async def _search(asking: RestSession, parameters: Parameters) -> Answer:
    limit = parameters.whole("limit")
    limit = _SEARCH_LIMIT if limit is None else limit
    if limit < 1:
        raise wrong("The parameter 'limit' is at least 1.")
    limit = min(limit, MAX_LIST_LIMIT)
    query, kind = parameters.text("query")[:_MAX_SEARCH_CHARS], parameters.text("type")
    exchange = parameters.text("exchange")
    if not query:
        return _json([])  # the dialogue has just been opened
    # What does not fit the filters takes no place.
    reply = await asking.ask_on("SEARCH", query=query, limit=MAX_LIST_LIMIT if kind or exchange else limit)
    assert isinstance(reply, SearchReply)  # noqa: S101 - as its row says
    found = [match_told(match) for match in reply.matches]
    fitting = [
        match
        for match in found
        if kind in {"", match["type"]} and exchange.lower() in {"", str(match["exchange"]).lower()}
    ]
    return _json(fitting[:limit])


async def _history(asking: RestSession, parameters: Parameters) -> Answer:
    name, resolution = parameters.needed("symbol"), parameters.needed("resolution")
    interval = INTERVALS.get(resolution)
    if interval is None:
        raise wrong(f"There is no resolution {shown(resolution)}; there are {', '.join(SUPPORTED)}.")
    start, end, count = parameters.whole("from"), parameters.whole("to"), parameters.whole("countback")
    if count is not None and count < 0:
        raise wrong("The parameter 'countback' is a number of bars: 0, for as many as there are, or more.")
    now = _now(asking)
    end = int(now) + 1 if end is None else end
    if not count:
        if start is None:
            raise wrong("The parameter 'from' is missing; 'countback' is enough, too.")
        if start > end:
            raise wrong(f"The parameter 'from', {start}, lies after 'to', {end}.")
    symbol = _symbol(name)
    if without_exchange(symbol) is not None:
        symbol = (await _quote_of(asking, name)).symbol
    bars = UdfBars(asking.ask_on, symbol, interval, now)
    if count:
        found = await bars.before(end, count, start=start)
    else:
        assert start is not None  # noqa: S101 - it was looked at above
        found = await bars.between(start, end)
        if not found and (earlier := await bars.before(start, 1)):
            return _json({"s": "no_data", "nextTime": earlier[-1][0]})
    if not found:
        return _json({"s": "no_data"})
    return Answer(columns(found) if len(found) > _BARS_IN_ONE else b"".join(columns(found)))


async def _quotes(asking: RestSession, parameters: Parameters) -> Answer:
    names = list(dict.fromkeys(parameters.symbols()))
    found = await _found(asking, names)
    return _json({"s": "ok", "d": [quote_told(name, found.get(name)) for name in names]})


# --- what they ask ------------------------------------------------------------------------------------------------


async def _quote_of(asking: RestSession, name: str) -> BoardQuote:
    """The quote of what a client calls `name`; an error where there is none."""
    symbol = _symbol(name)
    quote = (await _found(asking, [name])).get(name)
    if quote is None:
        raise CommandError(Reason.UNKNOWN_SYMBOL, f"No source knows the symbol {symbol}.")
    return quote


async def _found(asking: RestSession, names: Sequence[str]) -> dict[str, BoardQuote]:
    """The quotes of what a client calls by these names.

    NASDAQ:AAPL is a symbol of that name, or else the AAPL whose exchange is that one: another's would be another share.
    """
    most = asking.session.services.rules.max_symbols
    if len(names) > most:
        raise CommandError(Reason.SYMBOL_LIMIT, f"These are {len(names)} symbols; at most {most} are allowed.")
    symbols: dict[str, str] = {}
    for name in names:
        with contextlib.suppress(ValueError):
            symbols[name] = normalise_symbol(name)
    bare = {name: rest for name, symbol in symbols.items() if (rest := without_exchange(symbol)) is not None}
    wanted = list(dict.fromkeys((*symbols.values(), *bare.values())))
    quotes: dict[str, BoardQuote] = {}
    for start in range(0, len(wanted), most):
        try:
            reply = await asking.ask_on("GET", symbols=wanted[start : start + most])
        except RefusedError as error:
            if error.failure.code is not Code.NOT_FOUND:
                raise
            continue
        assert isinstance(reply, GetReply)  # noqa: S101 - as its row says
        quotes.update((quote.symbol, quote) for quote in reply.quotes)
    found = {name: quotes[symbol] for name, symbol in symbols.items() if symbol in quotes}
    for name, symbol in bare.items():
        quote = quotes.get(symbol)
        if name not in found and quote is not None and is_of_exchange(name, quote.exchange):
            found[name] = quote
    return found


async def _past_of(asking: RestSession, symbol: str) -> HistoryReply | None:
    """A month of days, which tell the exchange's zone and its days of the week; None where nobody has bars."""
    try:
        reply = await asking.ask_on("HISTORY", symbol=symbol, range="1mo", interval="1d")
    except RefusedError as error:
        if error.failure.reason in _NO_BARS:
            return None
        raise
    assert isinstance(reply, HistoryReply)  # noqa: S101 - as its row says
    return reply


async def _company_of(asking: RestSession, symbol: str) -> CompanyInfo | None:
    """What is known of the company and the hours of its market; a chart is better without them than not at all."""
    try:
        reply = await asking.ask_on("INFO", symbol=symbol)
    except RefusedError:
        return None
    assert isinstance(reply, InfoReply)  # noqa: S101 - as its row says
    return reply.company


def _symbol(name: str) -> str:
    try:
        return normalise_symbol(name)
    except ValueError as error:
        raise wrong(f"{error}.") from None


def _now(asking: RestSession) -> float:
    return asking.session.services.clock.now_ms() / 1000


# --- what is sent -------------------------------------------------------------------------------------------------


def _json(told: Told | Sequence[Told]) -> Answer:
    return Answer(json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode())


def _error(status: HTTPStatus, message: str, reason: str | None = None) -> Answer:
    told = {"s": "error", "errmsg": message, **({} if reason is None else {"reason": reason})}
    return replace(_json(told), status=status)


def _failed(why: Failure) -> Answer:
    return replace(_error(status_of(why), why.message, why.reason), headers=headers_of(why))


async def _send(scope: Scope, send: Send, answer: Answer) -> None:
    headers: Headers = [(name.encode(), value.encode()) for name, value in (answer.headers or {}).items()]
    if isinstance(answer.body, bytes):
        content_type = None if answer.status is HTTPStatus.NO_CONTENT else answer.content_type
        await respond(send, answer.status, answer.body, headers, content_type=content_type)
        return
    headers.append((b"content-type", answer.content_type.encode()))
    await send({"type": "http.response.start", "status": answer.status.value, "headers": headers})
    if scope["method"] != "HEAD":
        for piece in answer.body:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await turns().turn(is_more=True)
    await send({"type": "http.response.body", "body": b""})


def _headers_of(scope: Scope) -> Mapping[bytes, str]:
    """The headers of a request; one that comes twice has both values, as if they were a list."""
    found: dict[bytes, str] = {}
    for name, value in scope["headers"]:
        text = value.decode("latin-1")
        found[name] = f"{found[name]}, {text}" if name in found else text
    return found
