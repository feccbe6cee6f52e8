"""Answers of REST as tables of CSV: a heading, and a row for each thing. What is not known is an empty cell."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel

from stocktrack.csv_cells import csv_line
from stocktrack.messages import BoardQuote, DividendsReply, GetReply, Missing, NewsReply
from stocktrack.quotes import Dividend, Headline
from stocktrack.web.accept import preferred

JSON, CSV = "application/json", "text/csv"
CSV_ENDING: Final = ".csv"
# What a JSON answer says that could have been CSV, and the other way round.
VARY: Final = {"vary": "accept"}

_MISSING: Final = ("missing", "missing_message")
QUOTE_COLUMNS: Final = (*BoardQuote.model_fields, *_MISSING)
NEWS_COLUMNS: Final = tuple(Headline.model_fields)
DIVIDEND_COLUMNS: Final = ("symbol", *Dividend.model_fields)
_NO_FILE_NAME: Final = re.compile(r"[^A-Za-z0-9._-]+")


def wants_csv(request: Request) -> bool:
    """Whether an answer is to be CSV: its path ends in `.csv`, in small letters, or `Accept` prefers `text/csv`."""
    return has_ending(request) or preferred(request.headers.getlist("accept"), (JSON, CSV)) == CSV


def has_ending(request: Request) -> bool:
    """Whether the path says CSV, whatever `Accept` says. Symbols are told in capitals: one may well end in .CSV."""
    return str(request.scope["path"]).endswith(CSV_ENDING)


def file_headers(*names: str) -> dict[str, str]:
    """The headers of a table that a browser saves as a file: its name is made of these, without odd characters."""
    name = _NO_FILE_NAME.sub("_", "-".join(names)).strip("_.") or "table"
    return {**VARY, "content-disposition": f'attachment; filename="{name}{CSV_ENDING}"'}


def csv_answer(lines: Iterable[str], *names: str) -> Response:
    """The answer with these lines, the heading first."""
    headers = {"cache-control": "no-store", **file_headers(*names)}
    return Response("".join(f"{line}\n" for line in lines), headers=headers, media_type=CSV)


def quote_lines(symbols: Sequence[str], reply: GetReply) -> Iterator[str]:
    """A row a symbol, in the order asked: its quote, or `missing` says why there is none."""
    quotes = {quote.symbol: quote for quote in reply.quotes}
    missing = {each.symbol: each for each in reply.missing}
    yield ",".join(QUOTE_COLUMNS)
    for symbol in dict.fromkeys((*symbols, *quotes, *missing)):
        if symbol in quotes:
            yield csv_line((*_values(quotes[symbol], QUOTE_COLUMNS[: -len(_MISSING)]), None, None))
        elif symbol in missing:
            yield csv_line((symbol, *(None for _ in QUOTE_COLUMNS[1 : -len(_MISSING)]), *_why(missing[symbol])))


def news_lines(reply: NewsReply) -> Iterator[str]:
    """A row a headline, the newest first."""
    yield ",".join(NEWS_COLUMNS)
    for article in reply.articles:
        yield csv_line(_values(article, NEWS_COLUMNS))


def dividend_lines(reply: DividendsReply) -> Iterator[str]:
    """A row a payment, the newest first."""
    yield ",".join(DIVIDEND_COLUMNS)
    for paid in reply.dividends:
        yield csv_line((reply.symbol, *_values(paid, DIVIDEND_COLUMNS[1:])))


def _values(value: BaseModel, columns: Iterable[str]) -> Iterator[Any]:
    return (getattr(value, column) for column in columns)


def _why(missing: Missing) -> tuple[str, str | None]:
    return missing.reason, missing.message
