"""REST under `/api/v1`: each operation is a command of the protocol, and each answer its reply as it is on the wire.

Errors are problem details (RFC 9457) with the protocol's `reason`. `/openapi.json` describes the operations and `/docs`
lists them, without a script and without another host.
"""

import functools
import html
import json
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from stocktrack import __version__
from stocktrack.errors import Code, StockTrackError
from stocktrack.messages import DividendsReply, GetReply, InfoReply, Missing, MyStocksReply, NewsReply, SearchReply
from stocktrack.web.rest_sessions import RefusedError, Reply, RestSession, RestSessions
from stocktrack.wire.lines import failure

# Where HTTP means something else by the number of the protocol.
_STATUS = {"shutdown": 503, "not_permitted": 403, "line_too_long": 413, "session_limit": 503, "storage_error": 503}


class Problem(BaseModel):
    """What went wrong (RFC 9457), with the protocol's reason and when to try again."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    reason: str
    retryable: bool
    retry_after_ms: int | None = None
    missing: tuple[Missing, ...] | None = None


class Login(BaseModel):
    """A user's name and password."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    username: str
    password: str = Field(repr=False)
    days: int | None = Field(default=None, description="how long the token counts; 30 unless given")


class NewToken(BaseModel):
    """A token for the Authorization header; it is told this once."""

    token: str = Field(repr=False)
    username: str
    expires_at: int = Field(description="epoch milliseconds")


class Symbols(BaseModel):
    """Symbols to save."""

    model_config = ConfigDict(extra="forbid")
    symbols: list[str]


class Stocks(BaseModel):
    """A saved list after a change, and what could not be added."""

    list: str
    symbols: tuple[str, ...]
    missing: tuple[Missing, ...] = ()


class _User:
    """Who asks, and the session that answers."""

    def __init__(self, name: str, session: RestSession, sessions: RestSessions) -> None:
        self._name = name
        self._sessions = sessions
        self.session = session

    async def saved(self, list_name: str | None) -> tuple[str, ...]:
        """A saved list without its quotes."""
        return await self._sessions.saved(self._name, list_name)


def _sessions(request: Request) -> RestSessions:
    sessions = request.app.state.sessions
    assert isinstance(sessions, RestSessions)  # noqa: S101 - `rest_app` puts it there
    return sessions


async def _asking(request: Request, sessions: Annotated[RestSessions, Depends(_sessions)]) -> _User:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise RefusedError(_NO_TOKEN)
    return _User(*await sessions.of_token(token.strip(), _address(request)), sessions)


Asking = Annotated[_User, Depends(_asking)]
ListName = Annotated[str | None, Query(alias="list", description="which saved list; main unless given")]
router = APIRouter(prefix="/api/v1", responses={"4XX": {"model": Problem}, "5XX": {"model": Problem}})


@router.post("/login", response_model=NewToken)
async def login(body: Login, request: Request, sessions: Annotated[RestSessions, Depends(_sessions)]) -> Any:
    """Get a token for a user's name and password."""
    session = sessions.open(_address(request), lambda: None)
    try:
        await session.ask("AUTH", username=body.username, password=body.password)
        made = await session.ask("TOKEN", days=body.days)
    finally:
        session.close()
    return _answer({name: made[name] for name in ("token", "username", "expires_at")})


@router.get("/quotes", response_model=GetReply)
async def quotes(symbols: Annotated[str, Query(description="AAPL,TSLA")], asking: Asking) -> Any:
    """The latest quotes, in the order asked; what could not be served stands in `missing`."""
    return _answer(await asking.session.ask("GET", symbols=_split(symbols)))


@router.get("/news", response_model=NewsReply)
async def news(asking: Asking, limit: int | None = None) -> Any:
    """The newest headlines."""
    return _answer(await asking.session.ask("NEWS", limit=limit))


@router.get("/company/{symbol:path}", response_model=InfoReply)
async def company(symbol: str, asking: Asking) -> Any:
    """The company behind a symbol; a `/` in a symbol is written %2F."""
    return _answer(await asking.session.ask("INFO", symbol=symbol))


@router.get("/dividends/{symbol:path}", response_model=DividendsReply)
async def dividends(symbol: str, asking: Asking, limit: int | None = None) -> Any:
    """The dividends of a symbol, newest first."""
    return _answer(await asking.session.ask("DIVIDENDS", symbol=symbol, limit=limit))


@router.get("/search", response_model=SearchReply)
async def search(query: str, asking: Asking, limit: int | None = None) -> Any:
    """Symbols that match a text."""
    return _answer(await asking.session.ask("SEARCH", query=query, limit=limit))


@router.get("/stocks", response_model=MyStocksReply)
async def stocks(asking: Asking, list_name: ListName = None) -> Any:
    """A saved list with its latest quotes."""
    return _answer(await asking.session.ask("MY_STOCKS", list=list_name))


@router.put("/stocks", response_model=Stocks)
async def replace_stocks(body: Symbols, asking: Asking, list_name: ListName = None) -> Any:
    """Make a saved list hold these symbols and no others."""
    async with asking.session.changing:
        before = await asking.saved(list_name)
        missing = await _save(asking, body.symbols, list_name) if body.symbols else []
        wanted = {symbol.upper() for symbol in body.symbols}
        if gone := [symbol for symbol in before if symbol not in wanted]:
            await asking.session.ask("UNSUBSCRIBE", symbols=gone, list=list_name)
        return await _list(asking, list_name, missing)


@router.put("/stocks/{symbol:path}", response_model=Stocks)
async def add_stock(symbol: str, asking: Asking, list_name: ListName = None) -> Any:
    """Add a symbol to a saved list."""
    async with asking.session.changing:
        return await _list(asking, list_name, await _save(asking, [symbol], list_name))


@router.delete("/stocks", response_model=Stocks)
async def remove_stocks(asking: Asking, list_name: ListName = None) -> Any:
    """Empty a saved list."""
    async with asking.session.changing:
        if before := await asking.saved(list_name):
            await asking.session.ask("UNSUBSCRIBE", symbols=list(before), list=list_name)
        return await _list(asking, list_name, [])


@router.delete("/stocks/{symbol:path}", response_model=Stocks)
async def remove_stock(symbol: str, asking: Asking, list_name: ListName = None) -> Any:
    """Take a symbol out of a saved list."""
    async with asking.session.changing:
        await asking.session.ask("UNSUBSCRIBE", symbols=[symbol], list=list_name)
        return await _list(asking, list_name, [])


def rest_app(sessions: RestSessions) -> FastAPI:
    """The application of `/api/v1`, `/openapi.json` and `/docs`."""
    # FastAPI's own page of the operations loads its script from another host, and its description takes a tenth of a
    # second when it is first asked for, in which no price goes out: ours are made before that.
    app = FastAPI(openapi_url=None)
    app.state.sessions = sessions
    app.include_router(router)
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)

    schema, page = _description()

    @app.get("/openapi.json")
    async def openapi() -> Response:
        return Response(schema, media_type="application/json")

    @app.get("/docs")
    async def docs() -> HTMLResponse:
        return HTMLResponse(page)

    return app


@functools.cache
def _description() -> tuple[bytes, str]:
    """The OpenAPI description of the operations, and the page that lists them."""
    about = "Get a token from login and send it as `Authorization: Bearer TOKEN`."
    schema = get_openapi(title="StockTrack", version=__version__, description=about, routes=[*router.routes])
    return json.dumps(schema).encode(), _docs_page(schema)


async def _list(asking: _User, list_name: str | None, missing: list[Any]) -> JSONResponse:
    return _answer({"list": list_name or "main", "symbols": await asking.saved(list_name), "missing": missing})


async def _save(asking: _User, symbols: list[str], list_name: str | None) -> list[Any]:
    """Save symbols: SUBSCRIBE does that, and the pushes that come with it are stopped again."""
    reply = await asking.session.ask("SUBSCRIBE", symbols=symbols, list=list_name)
    if reply["symbols"]:
        await asking.session.ask("UNSUBSCRIBE", symbols=reply["symbols"], save=False)
    missing: list[Any] = reply["missing"]
    return missing


def _split(symbols: str) -> list[str]:
    return [symbol.strip() for symbol in symbols.split(",") if symbol.strip()]


def _address(request: Request) -> str:
    return request.client.host if request.client is not None else "unknown"


def _answer(reply: Reply) -> JSONResponse:
    return JSONResponse(reply, headers={"cache-control": "no-store"})


# --- errors -------------------------------------------------------------------------------------------------------

_NO_TOKEN: Reply = {
    "code": 401,
    "reason": "not_authenticated",
    "message": "This needs a token: get one from /api/v1/login and send it as Authorization: Bearer TOKEN.",
    "retryable": False,
}


def _problem(reply: Reply) -> JSONResponse:
    status = HTTPStatus(_STATUS.get(reply["reason"], 503 if reply["code"] == Code.SERVER_SHUTDOWN else reply["code"]))
    names = ("reason", "retryable", "retry_after_ms", "missing")
    content = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": reply["message"]}
    content |= {name: reply[name] for name in names if name in reply}
    headers = {"cache-control": "no-store"}
    if "retry_after_ms" in reply:
        headers["retry-after"] = str(-(-reply["retry_after_ms"] // 1000))
    if status is HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = "Bearer"
    return JSONResponse(content, status.value, headers=headers, media_type="application/problem+json")


Handler = Callable[[Request, Exception], Awaitable[JSONResponse]]


async def _on_refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RefusedError)  # noqa: S101 - it is registered for these alone
    return _problem(error.reply)


async def _on_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StockTrackError)  # noqa: S101 - it is registered for these alone
    return _problem(failure(error).model_dump(mode="json", exclude_none=True))


async def _on_invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - it is registered for these alone
    # What was sent is not repeated: it may be a password.
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    message = f"{where}: {first['msg']}."
    return _problem({"code": 400, "reason": "invalid_command", "message": message, "retryable": False})


async def _on_crash(_: Request, error: Exception) -> JSONResponse:
    message = "The server failed to do this; its log says why."
    return _problem({"code": 500, "reason": "internal_error", "message": message, "retryable": False})


async def _on_http_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for these alone
    message = f"{error.detail}: /docs lists the operations there are."
    reply = {"code": error.status_code, "reason": "unknown_command", "message": message, "retryable": False}
    return _problem(reply)


_HANDLERS: dict[type[Exception], Handler] = {
    RefusedError: _on_refused,
    StockTrackError: _on_error,
    RequestValidationError: _on_invalid,
    HTTPException: _on_http_error,
    Exception: _on_crash,
}

# --- the page of the operations -----------------------------------------------------------------------------------


def _docs_page(schema: dict[str, Any]) -> str:
    rows = []
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            parameters = ", ".join(parameter["name"] for parameter in operation.get("parameters", ()))
            body = "yes" if "requestBody" in operation else ""
            cells = (f"{method.upper()} {path}", operation.get("description", ""), parameters, body)
            rows.append("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>")
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>StockTrack REST</title>'
        '<meta name="viewport" content="width=device-width"><h1>StockTrack REST</h1>'
        f"<p>{html.escape(schema['info']['description'])}</p>"
        '<p><a href="/openapi.json">openapi.json</a> has all of it. WebSockets: <code>/ws</code>, '
        "<code>/live-price</code>.</p>"
        "<table><thead><tr><th>operation<th>what it does<th>parameters<th>JSON body</thead><tbody>"
        + "".join(rows)
        + "</tbody></table></html>"
    )
