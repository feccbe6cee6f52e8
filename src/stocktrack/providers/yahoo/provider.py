"""Yahoo Finance as a source, by yfinance: quotes of many symbols in one request, companies, hours, news and more.

Prices come from the v7 quote endpoint, fifty symbols a request. A symbol that it leaves out, or has no price of, is
asked of the chart endpoint, which alone decides that Yahoo does not have it; when Yahoo refuses the crumb that v7
needs, the chart gives the prices too. A request that fails is halved until the symbol is found that it fails at,
unless Yahoo seems to be out. A 429 ends a call at once and is never answered by another request.

How hung threads recover: a call's requests are given up by curl after nine tenths of `timeout_seconds`, and yfinance's
lock is only held during such requests, so a thread is free again at the latest one call after its own; a call that
waited in the queue past its deadline asks nothing. The polls of what is watched, the quotes that somebody asks for, and
the rare, slower questions have pools of their own, so that none waits behind another.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote as percent_encoded

import structlog

from stocktrack.bars import BarInterval, Split
from stocktrack.clock import Clock
from stocktrack.errors import CommandError, ProviderError, Reason, StockTrackError
from stocktrack.providers.base import QUESTION, BarLimit, Errand, QuoteAnswer, Source, SourceBars
from stocktrack.providers.yahoo.answers import (
    COMPANY_FIELDS,
    QUOTE_FIELDS,
    read_chart_quote,
    read_company,
    read_company_row,
    read_dividends,
    read_headlines,
    read_matches,
    read_quotes,
    read_trading_day,
)
from stocktrack.providers.yahoo.bars import (
    BAR_LIMITS,
    is_nothing_there,
    query_of,
    read_bars,
    read_splits,
    why_too_old,
)
from stocktrack.providers.yahoo.payload import NothingThere
from stocktrack.providers.yahoo.session import (
    CrumbRefused,
    NotConnected,
    RequestRefused,
    YahooSession,
    open_session,
)
from stocktrack.quotes import CompanyInfo, Dividend, Headline, Match, Quote, TradingDay
from stocktrack.system.blocking import BlockingPool

log = structlog.get_logger()

SYMBOLS_A_REQUEST = 50
# Charts cost one request a symbol: enough for what people watch, and no way to make this server flood Yahoo.
CHARTS_A_CALL = 50
# Halving a request of fifty down to one symbol takes at most twelve more; what several such symbols need beyond this is
# left for the next call, which knows those that were found.
MORE_REQUESTS_A_CALL = 16
HEADLINES_A_REQUEST = 50
# How long a symbol is kept out of the requests of the others: one that Yahoo calls a bad request, and one at which it
# failed otherwise, which may have been a passing trouble.
REFUSED_SECONDS, FAILED_SECONDS = 600.0, 60.0
_MAX_APART = 1_000
# After both halves of a request have failed, which is an outage, none is halved for so long, or until Yahoo answers.
OUTAGE_SECONDS = 60.0
_THREADS = 2
_CURL_SHARE = 0.9  # curl gives up a little before asyncio does, so that what came until then is not lost
_QUOTE_URL = "https://query1.finance.yahoo.com/v7/finance/quote"
_CHART_URL = "https://query2.finance.yahoo.com/v8/finance/chart/"
_SUMMARY_URL = "https://query2.finance.yahoo.com/v10/finance/quoteSummary/"
# What yfinance's `Ticker.news` asks. It sends no symbols along, so that what is on a symbol's page counts as its news.
_NEWS_URL, _LATEST_NEWS = "https://finance.yahoo.com/xhr/ncp", {"queryRef": "latestNews", "serviceKey": "ncp_fin"}
_CHART_OF_A_DAY = {"range": "1d", "interval": "1d"}
_SEARCH_URL = "https://query2.finance.yahoo.com/v1/finance/search"


@dataclass(frozen=True, slots=True)
class _Apart:
    """A symbol that is kept out of the requests of others, and why."""

    until: float
    is_refused: bool


@dataclass(slots=True)
class _Rows:
    """What the v7 endpoint has said so far in one call."""

    pool: BlockingPool
    quotes: dict[str, Quote] = field(default_factory=dict)
    for_chart: list[str] = field(default_factory=list)
    failed: dict[str, ProviderError] = field(default_factory=dict)
    # Those whose row has no price, or whose request is a bad one: unknown, where the chart has nothing either.
    priceless: set[str] = field(default_factory=set)
    has_answered: bool = False
    more_requests: int = MORE_REQUESTS_A_CALL


class YahooProvider(Source):
    """Yahoo Finance; `cache_dir` is for yfinance's own files."""

    name = "yahoo"
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
        # Symbols that v7 requests fail at, and until when they are left to the charts.
        self._apart: dict[str, _Apart] = {}
        self._out_until = 0.0

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
        pool = self._poll_pool if errand.is_poll else self._quote_pool
        async with self._time_limit() as deadline:
            rows = await self._ask_rows(pool, tuple(dict.fromkeys(symbols)), deadline)
            quotes, failed = rows.quotes, rows.failed
            unknown: set[str] = set()
            put_off: dict[str, StockTrackError] = {}
            for symbol, answer in (await self._ask_charts(pool, rows.for_chart, deadline, errand)).items():
                match answer:
                    case Quote():
                        quotes[symbol] = answer
                    case None:
                        unknown.add(symbol)
                    case NothingThere() | RequestRefused() if symbol in rows.priceless and rows.has_answered:
                        unknown.add(symbol)  # both ways answer, and neither has a price
                    case ProviderError():
                        failed[symbol] = answer
                    case _PutOff():
                        put_off[symbol] = answer.why
        # A chart that fails for one strange symbol is no outage of Yahoo, as long as v7 answers.
        if failed and not (rows.has_answered or quotes or unknown):
            raise next(iter(failed.values()))
        return QuoteAnswer(quotes, frozenset(unknown), failed, put_off)

    async def company(self, symbol: str) -> CompanyInfo | None:
        """The company or fund behind `symbol`; None where Yahoo says that it has none."""
        params = {"modules": "assetProfile,price,summaryDetail,quoteType", "formatted": "false"}
        company = read_company(await self._ask(_SUMMARY_URL + _in_path(symbol), params, crumbed=True), symbol)
        if company is not None:
            return company
        # Of some that it has no summary of, Yahoo tells the name and the market value beside the price.
        params = {"symbols": symbol, "fields": ",".join(COMPANY_FIELDS), "formatted": "false"}
        try:
            return read_company_row(await self._ask(_QUOTE_URL, params, crumbed=True), symbol)
        except ProviderError as error:
            if error.reason is Reason.PROVIDER_BLOCKED:
                raise
            return None

    async def dividends(self, symbol: str) -> Sequence[Dividend] | None:
        """All dividends, newest first; None where Yahoo says that it does not have the symbol."""
        # The dividends are complete with every interval; a bar a month keeps the prices around them small.
        params = {"range": "max", "interval": "1mo", "events": "div"}
        return read_dividends(await self._ask(_CHART_URL + _in_path(symbol), params))

    async def trading_day(self, symbol: str) -> TradingDay | None:
        """The hours of the market of `symbol`; None where Yahoo tells none, as of what is traded day and night."""
        return read_trading_day(await self._ask(_CHART_URL + _in_path(symbol), _CHART_OF_A_DAY))

    @property
    def bar_limits(self) -> Mapping[BarInterval, BarLimit]:
        """Minutes of a month, longer ones of two, hours of two years, and days since there is a price."""
        return BAR_LIMITS

    async def bars(
        self, symbol: str, interval: BarInterval, start: int, end: int, *, prepost: bool
    ) -> SourceBars | None:
        """The bars of `symbol`; None where Yahoo says that it does not have it.

        They are read in the thread that asks: ten thousand rows would hold up the loop.
        """
        async with self._time_limit() as deadline:
            return await self._slow_pool.run(
                self._bars, symbol, interval, start, end, prepost=prepost, deadline=deadline
            )

    def _bars(
        self, symbol: str, interval: BarInterval, start: int, end: int, *, prepost: bool, deadline: float
    ) -> SourceBars | None:
        query = query_of(interval, start, end, prepost=prepost)
        try:
            payload = self._open.get_json(_CHART_URL + _in_path(symbol), query, deadline)
        except RequestRefused as refused:
            if is_nothing_there(refused.payload):
                return SourceBars(provider=self.name, bars=())
            if (why := why_too_old(refused.payload)) is not None:
                message = f"Yahoo has no {interval} bars of {symbol} for that: {why.rstrip('.')}."
                raise CommandError(Reason.RANGE_LIMIT, message) from None
            raise
        return read_bars(payload, interval, start, end, prepost=prepost)

    async def splits(self, symbol: str) -> Sequence[Split] | None:
        """All splits, in order; None where Yahoo says that it does not have the symbol."""
        # They are complete with every interval, as the dividends are.
        params = {"range": "max", "interval": "3mo", "events": "split"}
        return read_splits(await self._ask(_CHART_URL + _in_path(symbol), params))

    async def symbol_news(self, symbol: str) -> Sequence[Headline]:
        """The headlines of `symbol`: those of its own page, or else those that a search finds with it."""
        stream = {"serviceConfig": {"snippetCount": HEADLINES_A_REQUEST, "s": [symbol]}}
        search = {"q": symbol, "quotesCount": "0", "newsCount": str(HEADLINES_A_REQUEST), "listsCount": "0"}
        failure: ProviderError | None = None
        async with self._time_limit() as deadline:
            try:
                payload = await self._slow_pool.run(self._open.post_json, _NEWS_URL, _LATEST_NEWS, stream, deadline)
                if headlines := read_headlines(payload, symbol, self._clock.now_ms()):
                    return headlines
            except ProviderError as error:
                if error.reason in {Reason.PROVIDER_BLOCKED, Reason.PROVIDER_TIMEOUT}:
                    raise
                failure = error
            try:
                payload = await self._slow_pool.run(self._open.get_json, _SEARCH_URL, search, deadline)
                return read_headlines(payload, symbol, self._clock.now_ms())
            except ProviderError as error:
                if failure is None and error.reason is not Reason.PROVIDER_BLOCKED:
                    return []  # its page has answered: there are none
                raise error if error.reason is Reason.PROVIDER_BLOCKED else failure or error from None

    async def search(self, query: str, limit: int) -> Sequence[Match]:
        """At most `limit` symbols that match, the best first."""
        params = {"q": query, "quotesCount": str(limit), "newsCount": "0", "listsCount": "0"}
        return read_matches(await self._ask(_SEARCH_URL, params), limit)

    async def _ask_rows(self, pool: BlockingPool, symbols: Sequence[str], deadline: float) -> _Rows:
        """The quotes of the v7 endpoint, and the symbols that are left for the charts."""
        now = self._clock.monotonic()
        self._apart = {symbol: apart for symbol, apart in self._apart.items() if apart.until > now}
        rows = _Rows(pool, for_chart=[symbol for symbol in symbols if symbol in self._apart])
        rows.priceless.update(symbol for symbol in rows.for_chart if self._apart[symbol].is_refused)
        together = [symbol for symbol in symbols if symbol not in self._apart]
        try:
            for start in range(0, len(together), SYMBOLS_A_REQUEST):
                chunk = together[start : start + SYMBOLS_A_REQUEST]
                if (error := await self._try_rows(rows, chunk, deadline)) is not None:
                    await self._halve(rows, chunk, error, deadline, is_fault_in_here=False)
        except CrumbRefused:
            # The other chunks would be refused as well.
            done = {*rows.quotes, *rows.for_chart, *rows.failed}
            rows.for_chart.extend(symbol for symbol in together if symbol not in done)
        return rows

    async def _halve(
        self, rows: _Rows, chunk: Sequence[str], error: ProviderError, deadline: float, *, is_fault_in_here: bool
    ) -> None:
        """Ask for the halves of a chunk that failed, and for theirs, until those that it fails at stand alone.

        `is_fault_in_here` says that the rest of what was asked together with `chunk` has been answered.
        """
        is_refused = isinstance(error, RequestRefused)
        is_out = isinstance(error, NotConnected) or error.reason is Reason.PROVIDER_TIMEOUT
        if len(chunk) == 1 and (is_refused or (is_fault_in_here and not is_out)):
            self._keep_apart(chunk[0], is_refused=is_refused)
            rows.for_chart.append(chunk[0])
            if is_refused:
                rows.priceless.add(chunk[0])
            return
        is_out |= not is_refused and self._out_until > self._clock.monotonic()
        if len(chunk) == 1 or is_out or rows.more_requests < 2:
            rows.failed.update(dict.fromkeys(chunk, error))
            return
        rows.more_requests -= 2
        middle = len(chunk) // 2
        halves = (chunk[:middle], chunk[middle:])
        errors = [await self._try_rows(rows, half, deadline) for half in halves]
        if not (is_refused or is_fault_in_here or None in errors):
            self._out_until = self._clock.monotonic() + OUTAGE_SECONDS
        for half, its_error in zip(halves, errors, strict=True):
            if its_error is not None:
                await self._halve(rows, half, its_error, deadline, is_fault_in_here=None in errors)

    async def _try_rows(self, rows: _Rows, chunk: Sequence[str], deadline: float) -> ProviderError | None:
        """Ask for a chunk; the error where that failed as a whole. Raises where Yahoo blocks, or refuses the crumb."""
        params = {"symbols": ",".join(chunk), "fields": ",".join(QUOTE_FIELDS), "formatted": "false"}
        try:
            payload = await rows.pool.run(self._open.get_json, _QUOTE_URL, params, deadline, crumbed=True)
            found = read_quotes(payload, chunk, self._clock.now_ms())
        except CrumbRefused:
            raise
        except ProviderError as error:
            if error.reason is Reason.PROVIDER_BLOCKED:
                raise
            return error
        rows.has_answered = True
        rows.quotes.update(found.quotes)
        rows.for_chart.extend((*found.left_out, *found.priceless))
        rows.priceless.update(found.priceless)
        self._out_until = 0.0
        return None

    def _keep_apart(self, symbol: str, *, is_refused: bool) -> None:
        if len(self._apart) >= _MAX_APART:
            del self._apart[next(iter(self._apart))]
        seconds = REFUSED_SECONDS if is_refused else FAILED_SECONDS
        self._apart[symbol] = _Apart(self._clock.monotonic() + seconds, is_refused)
        log.info("Yahoo fails at one symbol, which is asked for by itself for a while", symbol=symbol, seconds=seconds)

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
                    url = _CHART_URL + _in_path(symbol)
                    payload = await pool.run(self._open.get_json, url, _CHART_OF_A_DAY, deadline)
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


def _in_path(symbol: str) -> str:
    return percent_encoded(symbol, safe="")
