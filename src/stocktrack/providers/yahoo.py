"""Yahoo Finance as a source: quotes of many symbols in one request, companies, dividends and search, via yfinance.

Prices come from the v7 quote endpoint, fifty symbols a request. A symbol that it leaves out is asked of the chart
endpoint, which alone decides that Yahoo does not have it; when Yahoo refuses the crumb that v7 needs, the chart gives
the prices too. A 429 ends a call at once and is never answered by another request.

How hung threads recover: a call's requests are given up by curl after nine tenths of `timeout_seconds`, and yfinance's
lock is only held during such requests, so a thread is free again at the latest one call after its own; a call that
waited in the queue past its deadline asks nothing. The polls of what is watched, the quotes that somebody asks for, and
the rare, slower questions have pools of their own, so that none waits behind another.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote as percent_encoded

from stocktrack.clock import Clock
from stocktrack.errors import ProviderError, Reason, StockTrackError
from stocktrack.providers.base import QUESTION, Errand, QuoteAnswer
from stocktrack.providers.yahoo_answers import (
    QUOTE_FIELDS,
    read_chart_quote,
    read_company,
    read_dividends,
    read_matches,
    read_quotes,
)
from stocktrack.providers.yahoo_session import CrumbRefused, YahooSession, open_session
from stocktrack.quotes import CompanyInfo, Dividend, Match, Quote
from stocktrack.system.blocking import BlockingPool

SYMBOLS_A_REQUEST = 50
# Charts cost one request a symbol: enough for what people watch, and no way to make this server flood Yahoo.
CHARTS_A_CALL = 50
_THREADS = 2
_CURL_SHARE = 0.9  # curl gives up a little before asyncio does, so that what came until then is not lost
_QUOTE_URL = "https://query1.finance.yahoo.com/v7/finance/quote"
_CHART_URL = "https://query2.finance.yahoo.com/v8/finance/chart/"
_SUMMARY_URL = "https://query2.finance.yahoo.com/v10/finance/quoteSummary/"
_SEARCH_URL = "https://query2.finance.yahoo.com/v1/finance/search"


class YahooProvider:
    """Yahoo Finance; `cache_dir` is for yfinance's own files."""

    name = "yahoo"
    is_free = False
    symbols_a_request = SYMBOLS_A_REQUEST

    def __init__(self, *, timeout_seconds: float, cache_dir: Path, clock: Clock) -> None:
        self._timeout_seconds = timeout_seconds
        self._cache_dir = cache_dir
        self._clock = clock
        self._quote_pool = BlockingPool("yahoo-quotes", _THREADS)
        self._poll_pool = BlockingPool("yahoo-polls", _THREADS)
        self._slow_pool = BlockingPool("yahoo-slow", _THREADS)
        self._session: YahooSession | None = None
        self._charts_asked = 0

    async def start(self) -> None:
        """Import yfinance, which takes half a second and more; nothing is asked of Yahoo yet."""
        self._session = await self._quote_pool.run(open_session, self._cache_dir, self._timeout_seconds)

    async def close(self) -> None:
        """Let go of the threads; one that hangs is not waited for."""
        self._quote_pool.close()
        self._poll_pool.close()
        self._slow_pool.close()

    async def quotes(self, symbols: Sequence[str], errand: Errand = QUESTION) -> QuoteAnswer:
        """The newest quote of each symbol; `ProviderError` where all requests failed, or any was blocked."""
        quotes: dict[str, Quote] = {}
        unknown: set[str] = set()
        garbled: dict[str, ProviderError] = {}
        failed: dict[str, ProviderError] = {}
        put_off: dict[str, StockTrackError] = {}
        for_chart: list[str] = []
        answered = False
        pool = self._poll_pool if errand.is_poll else self._quote_pool
        async with self._time_limit() as deadline:
            chunks = _chunks(tuple(dict.fromkeys(symbols)))
            for chunk in chunks:
                try:
                    payload = await self._get_quotes(pool, chunk, deadline)
                    rows = read_quotes(payload, chunk, self._clock.now_ms())
                except CrumbRefused:
                    # The other chunks would be refused as well: taking them here ends the loop.
                    for_chart.extend((*chunk, *itertools.chain.from_iterable(chunks)))
                except ProviderError as error:
                    _raise_if_blocked(error)
                    failed.update(dict.fromkeys(chunk, error))
                else:
                    answered = True
                    quotes.update(rows.quotes)
                    unknown.update(rows.unknown)
                    garbled.update(rows.garbled)
                    for_chart.extend(rows.left_out)
            for symbol, answer in (await self._ask_charts(pool, for_chart, deadline, errand)).items():
                match answer:
                    case Quote():
                        quotes[symbol] = answer
                    case None:
                        unknown.add(symbol)
                    case ProviderError():
                        failed[symbol] = answer
                    case _PutOff():
                        put_off[symbol] = answer.why
        # A chart that fails for one strange symbol is no outage of Yahoo, as long as v7 answers.
        if failed and not (answered or quotes or unknown):
            raise next(iter(failed.values()))
        return QuoteAnswer(quotes, frozenset(unknown), {**garbled, **failed}, put_off)

    async def company(self, symbol: str) -> CompanyInfo | None:
        """The company or fund behind `symbol`; None where Yahoo says that it has none."""
        params = {"modules": "assetProfile,price,summaryDetail,quoteType", "formatted": "false"}
        return read_company(await self._ask(_SUMMARY_URL + _in_path(symbol), params, crumbed=True), symbol)

    async def dividends(self, symbol: str) -> Sequence[Dividend] | None:
        """All dividends, newest first; None where Yahoo says that it does not have the symbol."""
        # The dividends are complete with every interval; a bar a month keeps the prices around them small.
        params = {"range": "max", "interval": "1mo", "events": "div"}
        return read_dividends(await self._ask(_CHART_URL + _in_path(symbol), params))

    async def search(self, query: str, limit: int) -> Sequence[Match]:
        """At most `limit` symbols that match, the best first."""
        params = {"q": query, "quotesCount": str(limit), "newsCount": "0", "listsCount": "0"}
        return read_matches(await self._ask(_SEARCH_URL, params), limit)

    async def _get_quotes(self, pool: BlockingPool, chunk: Sequence[str], deadline: float) -> Any:
        params = {"symbols": ",".join(chunk), "fields": ",".join(QUOTE_FIELDS), "formatted": "false"}
        return await pool.run(self._open.get_json, _QUOTE_URL, params, deadline, crumbed=True)

    async def _ask_charts(
        self, pool: BlockingPool, symbols: Sequence[str], deadline: float, errand: Errand
    ) -> Mapping[str, "Quote | ProviderError | _PutOff | None"]:
        """What the chart of each symbol says, two at a time; those over `CHARTS_A_CALL` get their turn later."""
        start = self._charts_asked % len(symbols) if symbols else 0
        in_turn = (*symbols[start:], *symbols[:start])
        later = ProviderError(Reason.PROVIDER_ERROR, "Yahoo is asked for this symbol alone, and others are before it.")
        answers: dict[str, Quote | ProviderError | _PutOff | None] = dict.fromkeys(in_turn, later)
        waiting = iter(in_turn)
        asked = 0
        blocked: list[ProviderError] = []

        async def ask_next() -> None:
            nonlocal asked
            while asked < CHARTS_A_CALL and not blocked and (symbol := next(waiting, None)) is not None:
                if (why_not := errand.refusal(symbol)) is not None:
                    answers[symbol] = _PutOff(why_not)
                    continue
                asked += 1
                self._charts_asked += 1
                try:
                    params = {"range": "1d", "interval": "1d"}
                    url = _CHART_URL + _in_path(symbol)
                    payload = await pool.run(self._open.get_json, url, params, deadline)
                    answers[symbol] = read_chart_quote(payload, symbol, self._clock.now_ms())
                except ProviderError as error:
                    answers[symbol] = error
                    if error.reason is Reason.PROVIDER_BLOCKED:
                        blocked.append(error)

        await asyncio.gather(*(ask_next() for _ in range(_THREADS)))
        if blocked:
            raise blocked[0]
        return answers

    async def _ask(self, url: str, params: Mapping[str, str], *, crumbed: bool = False) -> Any:
        async with self._time_limit() as deadline:
            return await self._slow_pool.run(self._open.get_json, url, params, deadline, crumbed=crumbed)

    @property
    def _open(self) -> YahooSession:
        if self._session is None:
            raise RuntimeError("YahooProvider.start() comes first")
        return self._session

    @asynccontextmanager
    async def _time_limit(self) -> AsyncIterator[float]:
        """Bound what is done inside to `timeout_seconds`; gives the moment for the threads to give up, a bit earlier.

        Sockets live in real time, so this is no business of the `Clock`.
        """
        try:
            async with asyncio.timeout(self._timeout_seconds):
                yield time.monotonic() + self._timeout_seconds * _CURL_SHARE
        except TimeoutError:
            message = f"Yahoo did not answer within {self._timeout_seconds:g} seconds."
            raise ProviderError(Reason.PROVIDER_TIMEOUT, message) from None


@dataclass(frozen=True, slots=True)
class _PutOff:
    """Why a symbol's chart was not asked for."""

    why: StockTrackError


def _chunks(symbols: Sequence[str]) -> Iterator[Sequence[str]]:
    return (symbols[start : start + SYMBOLS_A_REQUEST] for start in range(0, len(symbols), SYMBOLS_A_REQUEST))


def _in_path(symbol: str) -> str:
    return percent_encoded(symbol, safe="")


def _raise_if_blocked(error: ProviderError) -> None:
    if error.reason is Reason.PROVIDER_BLOCKED:
        raise error
