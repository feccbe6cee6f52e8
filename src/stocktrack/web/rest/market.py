"""REST of the market: quotes, news, companies, dividends, bars, symbols and sources.

Quotes, news, dividends and bars are CSV as well: where the path ends in `.csv`, or where `Accept` prefers `text/csv`.
"""

import re
from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any

from fastapi import Query, Request
from fastapi.responses import PlainTextResponse
from pydantic import BeforeValidator

from stocktrack.bars import Adjust, BarInterval, HistoryRange
from stocktrack.messages import (
    DividendsReply,
    GetReply,
    HistoryReply,
    InfoReply,
    Moment,
    NewsReply,
    SearchReply,
    SourcesReply,
)
from stocktrack.quotes import normalise_symbol
from stocktrack.web.bar_bodies import CSV_HEADER, bars_answer
from stocktrack.web.csv_tables import (
    CSV,
    CSV_ENDING,
    DIVIDEND_COLUMNS,
    JSON,
    NEWS_COLUMNS,
    QUOTE_COLUMNS,
    VARY,
    csv_answer,
    dividend_lines,
    file_headers,
    has_ending,
    news_lines,
    quote_lines,
    wants_csv,
)
from stocktrack.web.queries import symbols_in
from stocktrack.web.rest.parts import Asking, json_answer, router

# A browser keeps it, for its user alone, and asks each time whether it is still right.
_HISTORY_HEADERS = {"cache-control": "private, no-cache", **VARY}
_EPOCH_MS = re.compile(r"[+-]?[0-9]{1,15}")


def _number_if_it_is_one(text: Any) -> Any:
    """A moment of a query as the protocol has it: a number of milliseconds is no text there."""
    return int(text) if isinstance(text, str) and _EPOCH_MS.fullmatch(text) else text


QueryMoment = Annotated[Moment | None, BeforeValidator(_number_if_it_is_one)]


def _table(about: str, columns: Sequence[str]) -> dict[int | str, dict[str, Any]]:
    """What is said of an answer that may be CSV."""
    content = {CSV: {"schema": {"type": "string"}, "example": f"{','.join(columns)}\n"}}
    return {200: {"description": f"{about}; CSV where Accept prefers it.", "content": content}}


def _csv_alone(columns: Sequence[str]) -> dict[int | str, dict[str, Any]]:
    """What is said of an answer that is CSV in any case."""
    content = {CSV: {"schema": {"type": "string"}, "example": f"{','.join(columns)}\n"}}
    return {200: {"description": "The same as a table of CSV.", "content": content}}


@router.head("/quotes.csv", include_in_schema=False)
@router.head("/quotes", include_in_schema=False)
@router.get("/quotes.csv", response_class=PlainTextResponse, responses=_csv_alone(QUOTE_COLUMNS))
@router.get("/quotes", response_model=GetReply, responses=_table("The quotes", QUOTE_COLUMNS))
async def quotes(
    symbols: Annotated[
        list[str], Query(min_length=1, description="AAPL,TSLA, or symbols=AAPL&symbols=TSLA, as many as max_symbols")
    ],
    asking: Asking,
    request: Request,
) -> Any:
    """The latest quotes, in the order asked; what could not be served stands in `missing`."""
    wanted = symbols_in(symbols)
    reply = await asking.ask("GET", symbols=wanted)
    if wants_csv(request):
        assert isinstance(reply, GetReply)  # noqa: S101 - as its row says
        return csv_answer(quote_lines([normalise_symbol(symbol) for symbol in wanted], reply), "quotes")
    return json_answer(reply, headers=VARY)


@router.head("/news.csv", include_in_schema=False)
@router.head("/news", include_in_schema=False)
@router.get("/news.csv", response_class=PlainTextResponse, responses=_csv_alone(NEWS_COLUMNS))
@router.get("/news", response_model=NewsReply, responses=_table("The headlines", NEWS_COLUMNS))
async def news(
    asking: Asking,
    request: Request,
    symbol: Annotated[str | None, Query(description="headlines of this one; left out: of the market")] = None,
    limit: int | None = None,
) -> Any:
    """The newest headlines, of the market or of one symbol."""
    reply = await asking.ask("NEWS", symbol=symbol, limit=limit)
    if wants_csv(request):
        assert isinstance(reply, NewsReply)  # noqa: S101 - as its row says
        return csv_answer(news_lines(reply), *([] if reply.symbol is None else [reply.symbol]), "news")
    return json_answer(reply, headers=VARY)


@router.get("/company/{symbol:path}", response_model=InfoReply)
async def company(symbol: str, asking: Asking) -> Any:
    """The company behind a symbol; a `/` in a symbol is written %2F."""
    return json_answer(await asking.ask("INFO", symbol=symbol))


@router.head("/dividends/{symbol:path}", include_in_schema=False)
@router.get(
    "/dividends/{symbol:path}", response_model=DividendsReply, responses=_table("The dividends", DIVIDEND_COLUMNS)
)
async def dividends(symbol: str, asking: Asking, request: Request, limit: int | None = None) -> Any:
    """The dividends of a symbol, newest first; CSV where `.csv` follows the symbol."""
    reply = await asking.ask("DIVIDENDS", symbol=_named(symbol, request), limit=limit)
    if wants_csv(request):
        assert isinstance(reply, DividendsReply)  # noqa: S101 - as its row says
        return csv_answer(dividend_lines(reply), reply.symbol, "dividends")
    return json_answer(reply, headers=VARY)


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
    """Past prices as bars, the oldest first; CSV where `.csv` follows the symbol. A `/` in a symbol is written %2F."""
    reply = await asking.ask(
        "HISTORY",
        symbol=_named(symbol, request),
        range=history_range,
        interval=interval,
        start=_written(start),
        end=_written(end),
        adjust=adjust,
        prepost=prepost,
    )
    assert isinstance(reply, HistoryReply)  # noqa: S101 - as its row says
    media_type = CSV if wants_csv(request) else JSON
    headers = dict(_HISTORY_HEADERS)
    if media_type == CSV:
        headers |= file_headers(reply.symbol, reply.interval)
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


def _written(moment: int | date | None) -> int | str | None:
    """A moment as it stands on the wire."""
    return moment.isoformat() if isinstance(moment, date) else moment


def _named(symbol: str, request: Request) -> str:
    """The symbol that a path names, without the ending that says CSV."""
    return symbol.removesuffix(CSV_ENDING) if has_ending(request) else symbol
