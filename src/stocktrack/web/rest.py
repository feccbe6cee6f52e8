"""REST under `/api/v1`: each operation is a command of the protocol, and each answer its reply as it is on the wire.

Errors are problem details (RFC 9457) with the protocol's `reason`. `/openapi.json` describes the operations and `/docs`
lists them, without a script and without another host.
"""

import functools
import html
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import date
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from starlette.exceptions import HTTPException

from stocktrack import __version__
from stocktrack.bars import Adjust, BarInterval, HistoryRange
from stocktrack.errors import CommandError, Reason, StockTrackError
from stocktrack.messages import (
    MAIN_LIST,
    MAX_TOKENS,
    ChangePasswordReply,
    DividendsReply,
    Failure,
    GetReply,
    HistoryReply,
    InfoReply,
    Missing,
    Moment,
    MyStocksReply,
    NewsReply,
    RevokeReply,
    SearchReply,
    SourcesReply,
    SubscribeReply,
    TokenReply,
    TokensReply,
)
from stocktrack.scopes import Scope
from stocktrack.web import rest_own  # noqa: F401 - its operations are put into the router
from stocktrack.web.accept import preferred
from stocktrack.web.asgi import IS_FORWARDED
from stocktrack.web.bar_bodies import CSV, CSV_HEADER, JSON, bars_answer
from stocktrack.web.rest_parts import Asking, Problem, address_of, json_answer, router, sessions_of
from stocktrack.web.rest_sessions import RefusedError, RestSession, RestSessions
from stocktrack.web.statuses import retry_after, status_of
from stocktrack.wire.lines import failure

LOGIN_NAME = "REST login"


class Login(BaseModel):
    """A user's name and password."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    username: str
    password: str = Field(repr=False)
    days: int | None = Field(default=None, description="how long the token counts; 30 unless given")
    name: str | None = Field(default=None, description="what the token is listed by; REST login unless given")
    scope: str | None = Field(default=None, description="read, for a token that changes nothing; full unless given")


class LoginAnswer(BaseModel):
    """A token for the Authorization header; it is told this once."""

    token: str = Field(repr=False)
    username: str
    expires_at: int = Field(description="epoch milliseconds")
    token_id: str
    scope: Scope


class NewPassword(BaseModel):
    """The password that counts now, and the one that is to count."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    password: str = Field(repr=False)
    new_password: str = Field(repr=False)


class StockList(BaseModel):
    """Symbols to save."""

    model_config = ConfigDict(extra="forbid")
    symbols: list[str]


class Stocks(BaseModel):
    """A saved list after a change, and what could not be added."""

    list: str
    symbols: tuple[str, ...]
    missing: tuple[Missing, ...] = ()


# A browser keeps it, for its user alone, and asks each time whether it is still right.
_HISTORY_HEADERS = {"cache-control": "private, no-cache", "vary": "accept"}
_NO_FILE_NAME = re.compile(r"[^A-Za-z0-9._-]+")
_EPOCH_MS = re.compile(r"[+-]?[0-9]{1,15}")


def _number_if_it_is_one(text: Any) -> Any:
    """A moment of a query as the protocol has it: a number of milliseconds is no text there."""
    return int(text) if isinstance(text, str) and _EPOCH_MS.fullmatch(text) else text


QueryMoment = Annotated[Moment | None, BeforeValidator(_number_if_it_is_one)]


ListName = Annotated[str | None, Query(alias="list", description="which saved list; main unless given")]


@router.post("/login", response_model=LoginAnswer)
async def login(body: Login, request: Request, sessions: Annotated[RestSessions, Depends(sessions_of)]) -> Any:
    """Get a token for a user's name and password."""
    session = sessions.open(address_of(request), lambda: None, is_forwarded=request.scope[IS_FORWARDED])
    try:
        await session.ask("AUTH", username=body.username, password=body.password)
        name = body.name or LOGIN_NAME
        await _make_room(session, name)
        made = await session.ask("TOKEN", days=body.days, name=name, scope=body.scope)
    finally:
        sessions.close_session(session)
    assert isinstance(made, TokenReply)  # noqa: S101 - as its row says
    return json_answer(
        LoginAnswer(
            token=made.token,
            username=made.username,
            expires_at=made.expires_at,
            token_id=made.token_id,
            scope=made.scope,
        )
    )


@router.get("/tokens", response_model=TokensReply)
async def list_tokens(asking: Asking) -> Any:
    """The user's tokens that are valid, the oldest first."""
    return json_answer(await asking.ask("TOKENS"))


@router.delete("/tokens", response_model=RevokeReply)
async def revoke_tokens(asking: Asking) -> Any:
    """End all tokens of the user, this one too."""
    return json_answer(await asking.ask("REVOKE"))


@router.delete("/tokens/{token_id}", response_model=RevokeReply)
async def revoke_token(token_id: str, asking: Asking) -> Any:
    """End one token of the user."""
    return json_answer(await asking.ask("REVOKE", token_id=token_id))


@router.post("/password", response_model=ChangePasswordReply)
async def change_password(body: NewPassword, asking: Asking) -> Any:
    """Change the user's password; all tokens end, this one too."""
    return json_answer(await asking.ask("PASSWORD", password=body.password, new_password=body.new_password))


@router.get("/quotes", response_model=GetReply)
async def quotes(symbols: Annotated[str, Query(description="AAPL,TSLA")], asking: Asking) -> Any:
    """The latest quotes, in the order asked; what could not be served stands in `missing`."""
    return json_answer(await asking.ask("GET", symbols=_split(symbols)))


@router.get("/news", response_model=NewsReply)
async def news(
    asking: Asking,
    symbol: Annotated[str | None, Query(description="headlines of this one; left out: of the market")] = None,
    limit: int | None = None,
) -> Any:
    """The newest headlines, of the market or of one symbol."""
    return json_answer(await asking.ask("NEWS", symbol=symbol, limit=limit))


@router.get("/company/{symbol:path}", response_model=InfoReply)
async def company(symbol: str, asking: Asking) -> Any:
    """The company behind a symbol; a `/` in a symbol is written %2F."""
    return json_answer(await asking.ask("INFO", symbol=symbol))


@router.get("/dividends/{symbol:path}", response_model=DividendsReply)
async def dividends(symbol: str, asking: Asking, limit: int | None = None) -> Any:
    """The dividends of a symbol, newest first."""
    return json_answer(await asking.ask("DIVIDENDS", symbol=symbol, limit=limit))


@router.head("/history/{symbol:path}", include_in_schema=False)
@router.get(
    "/history/{symbol:path}",
    response_model=HistoryReply,
    responses={
        200: {
            "description": "The bars, the oldest first; CSV where Accept prefers it.",
            "content": {CSV: {"schema": {"type": "string"}, "example": f"{CSV_HEADER}1704205800000,187.1,188.4,,…\n"}},
            "headers": {"ETag": {"description": "changes with the bars", "schema": {"type": "string"}}},
        },
        304: {"description": "The bars are those that If-None-Match names."},
    },
)
async def history(
    symbol: str,
    asking: Asking,
    request: Request,
    *,
    history_range: Annotated[
        HistoryRange | None, Query(alias="range", description="how far back from now; 1mo where no start is given")
    ] = None,
    interval: Annotated[
        BarInterval | None, Query(description="the length of a bar; left out: by the range, 1d with a start")
    ] = None,
    start: Annotated[
        QueryMoment, Query(description="of the first bar: epoch milliseconds, or a date at the exchange (2024-02-09)")
    ] = None,
    end: Annotated[
        QueryMoment, Query(description="no bar begins after it; a date is the whole day. Left out: now")
    ] = None,
    adjust: Annotated[Adjust, Query(description="what prices of the past are corrected for")] = Adjust.SPLITS,
    prepost: Annotated[bool, Query(description="with the bars before and after the regular hours")] = False,
) -> Any:
    """Past prices as bars, the oldest first; a `/` in a symbol is written %2F."""
    reply = await asking.ask(
        "HISTORY",
        symbol=symbol,
        range=history_range,
        interval=interval,
        start=_written(start),
        end=_written(end),
        adjust=adjust,
        prepost=prepost,
    )
    assert isinstance(reply, HistoryReply)  # noqa: S101 - as its row says
    media_type = preferred(request.headers.getlist("accept"), (JSON, CSV))
    headers = dict(_HISTORY_HEADERS)
    if media_type == CSV:
        name = _NO_FILE_NAME.sub("_", f"{reply.symbol}-{reply.interval}").strip("_.")
        headers["content-disposition"] = f'attachment; filename="{name}.csv"'
    return await bars_answer(
        reply,
        media_type,
        headers,
        if_none_match=request.headers.getlist("if-none-match"),
        is_head=request.method == "HEAD",
    )


@router.get("/search", response_model=SearchReply)
async def search(query: str, asking: Asking, limit: int | None = None, segment: str | None = None) -> Any:
    """Symbols that match a text, of one segment where it is given, such as NSE or FO."""
    return json_answer(await asking.ask("SEARCH", query=query, limit=limit, segment=segment))


@router.get("/sources", response_model=SourcesReply)
async def sources(asking: Asking) -> Any:
    """How the market's sources are, in the order in which they are asked."""
    return json_answer(await asking.ask("SOURCES"))


@router.get("/stocks", response_model=MyStocksReply)
async def stocks(asking: Asking, list_name: ListName = None) -> Any:
    """A saved list with its latest quotes."""
    return json_answer(await asking.ask("MY_STOCKS", list=list_name))


@router.put("/stocks", response_model=Stocks)
async def replace_stocks(body: StockList, asking: Asking, list_name: ListName = None) -> Any:
    """Make a saved list hold these symbols and no others."""
    async with asking.changing:
        before = await asking.saved(list_name)
        missing = await _save(asking, body.symbols, list_name) if body.symbols else ()
        wanted = {symbol.upper() for symbol in body.symbols}
        if gone := [symbol for symbol in before if symbol not in wanted]:
            await asking.ask("UNSUBSCRIBE", symbols=gone, list=list_name)
        return await _stocks(asking, list_name, missing)


@router.put("/stocks/{symbol:path}", response_model=Stocks)
async def add_stock(symbol: str, asking: Asking, list_name: ListName = None) -> Any:
    """Add a symbol to a saved list."""
    async with asking.changing:
        return await _stocks(asking, list_name, await _save(asking, [symbol], list_name))


@router.delete("/stocks", response_model=Stocks)
async def remove_stocks(asking: Asking, list_name: ListName = None) -> Any:
    """Empty a saved list."""
    async with asking.changing:
        if before := await asking.saved(list_name):
            await asking.ask("UNSUBSCRIBE", symbols=list(before), list=list_name)
        return await _stocks(asking, list_name)


@router.delete("/stocks/{symbol:path}", response_model=Stocks)
async def remove_stock(symbol: str, asking: Asking, list_name: ListName = None) -> Any:
    """Take a symbol out of a saved list."""
    async with asking.changing:
        await asking.ask("UNSUBSCRIBE", symbols=[symbol], list=list_name)
        return await _stocks(asking, list_name)


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


async def _make_room(session: RestSession, name: str) -> None:
    """End the oldest token of this name where the user has as many as there may be.

    Whoever logs in for each of many runs, and never ends a token, is not locked out by that.
    """
    listed = await session.ask("TOKENS")
    assert isinstance(listed, TokensReply)  # noqa: S101 - as its row says
    if len(listed.tokens) >= MAX_TOKENS:
        oldest = next((token for token in listed.tokens if token.name == name), None)
        if oldest is not None:
            await session.ask("REVOKE", token_id=oldest.token_id)


async def _stocks(asking: RestSession, list_name: str | None, missing: tuple[Missing, ...] = ()) -> Response:
    return json_answer(Stocks(list=list_name or MAIN_LIST, symbols=await asking.saved(list_name), missing=missing))


async def _save(asking: RestSession, symbols: list[str], list_name: str | None) -> tuple[Missing, ...]:
    """Save symbols: SUBSCRIBE does that, and the pushes that come with it are stopped again."""
    reply = await asking.ask("SUBSCRIBE", symbols=symbols, list=list_name)
    assert isinstance(reply, SubscribeReply)  # noqa: S101 - as its row says
    if reply.symbols:
        await asking.ask("UNSUBSCRIBE", symbols=reply.symbols, save=False)
    return reply.missing


def _written(moment: int | date | None) -> int | str | None:
    """A moment as it stands on the wire."""
    return moment.isoformat() if isinstance(moment, date) else moment


def _split(symbols: str) -> list[str]:
    return [symbol.strip() for symbol in symbols.split(",") if symbol.strip()]


# --- errors -------------------------------------------------------------------------------------------------------


def _problem(failure: Failure, status: int | None = None, headers: Mapping[str, str] | None = None) -> Response:
    """The failure as a problem; its status is what HTTP means by its reason, unless it was HTTP itself that failed."""
    code = HTTPStatus(status) if status is not None else status_of(failure)
    headers = {**(headers or {}), **retry_after(failure)}
    if code is HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = "Bearer"
    problem = Problem(
        title=code.phrase,
        status=code.value,
        detail=failure.message,
        reason=failure.reason,
        retryable=failure.retryable,
        retry_after_ms=failure.retry_after_ms,
        missing=failure.missing,
    )
    return json_answer(problem, code.value, headers, "application/problem+json")


Handler = Callable[[Request, Exception], Awaitable[Response]]


async def _on_refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)  # noqa: S101 - it is registered for these alone
    return _problem(error.failure)


async def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, StockTrackError)  # noqa: S101 - it is registered for these alone
    sessions_of(request).trail.failed(error)
    return _problem(failure(error))


async def _on_invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - it is registered for these alone
    # What was sent is not repeated: it may be a password.
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    why = str(first["msg"]).removeprefix("Value error, ")  # of a rule of ours, as pydantic tells it
    return _problem(failure(CommandError(Reason.INVALID_COMMAND, f"{where}: {why}.")))


async def _on_crash(_: Request, error: Exception) -> Response:
    return _problem(failure(CommandError(Reason.INTERNAL_ERROR, "The server failed to do this; its log says why.")))


async def _on_http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for these alone
    why = CommandError(Reason.UNKNOWN_COMMAND, f"{error.detail}: /docs lists the operations there are.")
    return _problem(failure(why), error.status_code, error.headers)


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
