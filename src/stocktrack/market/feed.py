"""Asks the providers for what is watched, once for everybody, and keeps the board fresh or says that it is stale.

    demand   the first watcher of a symbol starts its polling, the last one's going stops it after a short grace
    batches  all symbols due are asked for in one call; a symbol in flight is never asked for a second time
    outage   the last quotes stay, marked stale; those who watch are told once when a source goes and once it is back
    oddness  a symbol that alone fails is marked and left in peace for a moment; the others never notice

The first provider that offers a thing serves it; when it fails, the next one that offers it is asked, until the
back-off of the first ends.
"""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import TypeVar

import structlog

from stocktrack.clock import Clock
from stocktrack.errors import CommandError, ProviderError, Reason, StockTrackError
from stocktrack.market.answer_cache import AnswerCache
from stocktrack.market.board import Board
from stocktrack.market.upstream import Upstream
from stocktrack.messages import BoardQuote
from stocktrack.providers.base import (
    Capability,
    CompanySource,
    DividendSource,
    NewsSource,
    Provider,
    QuoteAnswer,
    QuoteSource,
    SearchSource,
    StreamSource,
    capability_of,
)
from stocktrack.quotes import CompanyInfo, Dividend, Headline, Match, Quote

log = structlog.get_logger()

Result = TypeVar("Result")
Source = TypeVar("Source")

GRACE_SECONDS = 10.0  # how long a symbol is polled on after its last watcher went
UNKNOWN_SECONDS = 600.0  # how long a source's "no such symbol" is believed
UNWATCHED_SECONDS = 600.0  # how long a quote that nobody watches is kept
MAX_UNWATCHED = 5_000
MAX_REFUSED = 10_000
MAX_BATCH = 500  # symbols of one call; a provider cuts it to its own size
MAX_CALLS = 2  # calls for quotes at once; what is asked for meanwhile goes into the next
STALE_POLLS = 3
NEWS_SECONDS = 30.0
COMPANY_SECONDS = 3_600.0
DIVIDENDS_SECONDS = 600.0
SEARCH_SECONDS = 600.0


class Event(Enum):
    """What the sessions that watch a symbol are told."""

    OUTAGE = "outage"
    RESTORED = "restored"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """Something happened to `symbols`; for an outage `error` says what and when the source is asked again."""

    event: Event
    symbols: frozenset[str]
    error: ProviderError | None = None


@dataclass(frozen=True, slots=True)
class FoundQuotes:
    """What is known of the symbols asked for: each stands in `quotes` or in `missing`, with the reason why."""

    quotes: Mapping[str, BoardQuote]
    missing: Mapping[str, StockTrackError]


class Feed:
    """The one that talks to the providers. `on_event` is called for each `FeedEvent`; `start` before use."""

    def __init__(
        self,
        providers: Sequence[Provider],
        board: Board,
        clock: Clock,
        *,
        poll_interval_seconds: float,
        timeout_seconds: float,
        rng: random.Random | None = None,
    ) -> None:
        self.on_event: Callable[[FeedEvent], None] = lambda _: None
        self._board = board
        self._clock = clock
        self._poll_interval_seconds = poll_interval_seconds
        rng = rng or random.Random()  # noqa: S311 - it spreads retries, it keeps no secret
        self.upstreams = tuple(
            Upstream(provider, clock, timeout_seconds=timeout_seconds, rng=rng) for provider in providers
        )
        self._news: AnswerCache[str, Sequence[Headline]] = AnswerCache(clock, seconds=NEWS_SECONDS)
        self._companies: AnswerCache[str, CompanyInfo | None] = AnswerCache(clock, seconds=COMPANY_SECONDS)
        self._dividends: AnswerCache[str, Sequence[Dividend] | None] = AnswerCache(clock, seconds=DIVIDENDS_SECONDS)
        self._searches: AnswerCache[tuple[str, int], Sequence[Match]] = AnswerCache(clock, seconds=SEARCH_SECONDS)
        # Symbols asked for but not yet in a call, and the answer that those who asked wait for.
        self._asked: dict[str, asyncio.Future[StockTrackError | None]] = {}
        self._in_flight: dict[str, asyncio.Future[StockTrackError | None]] = {}
        self._calls: set[asyncio.Task[None]] = set()
        # Symbols that are not asked for again until a moment (monotonic), and why.
        self._refused: dict[str, tuple[float, StockTrackError]] = {}
        self._lingering: dict[str, float] = {}
        self._demand = asyncio.Event()
        self._outage: ProviderError | None = None
        self._retry_at = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._is_closed = False
        board.on_demand = self._on_demand

    async def start(self) -> None:
        """Warm up the providers and begin to poll."""
        for upstream in self.upstreams:
            await upstream.provider.start()
        self._spawn(self._poll(), "feed poll")
        self._spawn(self._keep_house(), "feed housekeeping")
        first = next((up for up in self.upstreams if isinstance(up.provider, QuoteSource | StreamSource)), None)
        if first is not None and isinstance(first.provider, StreamSource):
            self._spawn(self._stream(first, first.provider), "feed stream")

    async def close(self) -> None:
        """End all tasks, then the providers."""
        self._is_closed = True
        tasks = [*self._tasks, *self._calls]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # A task that was cancelled before it began has told nobody.
        _let_go(self._asked)
        _let_go(self._in_flight)
        for cache in (self._news, self._companies, self._dividends, self._searches):
            await cache.close()
        for upstream in self.upstreams:
            await upstream.provider.close()

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(_log_failure)
        self._tasks.append(task)

    # --- what sessions ask ---------------------------------------------------------------------------------------

    async def quotes(self, symbols: Sequence[str]) -> FoundQuotes:
        """The newest quotes, from the board while they are fresh or kept fresh anyway, else from a source."""
        errors = await self._refresh([symbol for symbol in symbols if not self._is_served_by_board(symbol)])
        quotes, missing = {}, {}
        for symbol in symbols:
            quote = self._board.quote(symbol)
            error = errors.get(symbol)
            if quote is not None:
                quotes[symbol] = quote
            else:
                missing[symbol] = error or ProviderError(Reason.PROVIDER_ERROR, f"No source has given {symbol} yet.")
        return FoundQuotes(quotes, missing)

    async def known(self, symbols: Sequence[str]) -> Mapping[str, StockTrackError]:
        """Have a quote of each symbol, fresh where that is possible; why not, for those that have none at all."""
        errors = await self._refresh([symbol for symbol in symbols if not self._is_served_by_board(symbol)])
        return {symbol: error for symbol, error in errors.items() if self._board.quote(symbol) is None}

    async def news(self, limit: int) -> Sequence[Headline]:
        """The newest headlines; `CommandError` where there are none."""
        headlines = await self._news.get("news", lambda: self._first_answer(NewsSource, lambda source: source.news()))
        if not headlines:
            raise CommandError(Reason.NO_NEWS, "The news sources have no headlines at the moment.")
        return headlines[:limit]

    async def company(self, symbol: str) -> CompanyInfo:
        """The company behind `symbol`; `CommandError` where there is none."""
        company = await self._companies.get(
            symbol, lambda: self._first_answer(CompanySource, lambda source: source.company(symbol))
        )
        if company is None:
            await self._refuse_unknown(symbol)
            raise CommandError(Reason.NO_COMPANY_INFO, f"Nothing is known of a company behind {symbol}.")
        return company

    async def dividends(self, symbol: str, limit: int) -> Sequence[Dividend]:
        """The newest dividends of `symbol`; `CommandError` where there are none."""
        dividends = await self._dividends.get(
            symbol, lambda: self._first_answer(DividendSource, lambda source: source.dividends(symbol))
        )
        if not dividends:
            if dividends is None:
                await self._refuse_unknown(symbol)
            raise CommandError(Reason.NO_DIVIDENDS, f"{symbol} has paid no dividend that the source knows of.")
        return dividends[:limit]

    async def search(self, query: str, limit: int) -> Sequence[Match]:
        """At most `limit` symbols that match `query`."""
        return await self._searches.get(
            (query, limit), lambda: self._first_answer(SearchSource, lambda source: source.search(query, limit))
        )

    # --- asking the sources --------------------------------------------------------------------------------------

    async def _first_answer(self, kind: type[Source], ask: Callable[[Source], Awaitable[Result]]) -> Result:
        """The answer of the first provider that is of this `kind` and does not fail."""
        capability = capability_of(kind)
        offering = [(upstream, upstream.provider) for upstream in self.upstreams if isinstance(upstream.provider, kind)]
        # One that failed is left in peace until its back-off ends, where another can serve meanwhile.
        awake = [(upstream, source) for upstream, source in offering if not upstream.is_resting(capability)]
        first_error: ProviderError | None = None
        for upstream, source in awake or offering:
            try:
                return await upstream.call(capability, partial(ask, source))
            except ProviderError as error:
                first_error = first_error or error
        if first_error is not None:
            raise first_error
        names = ", ".join(upstream.name for upstream in self.upstreams)
        raise CommandError(Reason.NOT_OFFERED, f"None of this server's sources ({names}) offers {capability}.")

    async def _refuse_unknown(self, symbol: str) -> None:
        """`CommandError` where the quote sources know nothing of `symbol` either."""
        error = (await self.known([symbol])).get(symbol)
        if error is not None and error.reason is Reason.UNKNOWN_SYMBOL:
            raise error

    def _is_served_by_board(self, symbol: str) -> bool:
        entry = self._board.entry(symbol)
        if entry is None or entry.quote is None:
            return False
        # A watched symbol is renewed by the poll or the stream; stale, it says so, and nobody waits for it.
        return bool(entry.baskets) or self._clock.monotonic() - entry.refreshed_at < self._poll_interval_seconds

    async def _refresh(self, symbols: Sequence[str]) -> Mapping[str, StockTrackError]:
        """Ask for `symbols` and wait; the errors of those that failed."""
        errors: dict[str, StockTrackError] = {}
        waiting: dict[str, asyncio.Future[StockTrackError | None]] = {}
        now = self._clock.monotonic()
        for symbol in symbols:
            until, refusal = self._refused.get(symbol, (now, None))
            if refusal is not None and until > now:
                errors[symbol] = refusal
            else:
                waiting[symbol] = self._ask(symbol)
        for symbol, future in waiting.items():
            # The call belongs to all who wait for it: one who goes away does not take it along.
            error = await asyncio.shield(future)
            if error is not None:
                errors[symbol] = error
        return errors

    def _ask(self, symbol: str) -> asyncio.Future[StockTrackError | None]:
        """The future of the call that asks for `symbol`: the one under way, or the next."""
        under_way = self._in_flight.get(symbol) or self._asked.get(symbol)
        if under_way is not None:
            return under_way
        loop = asyncio.get_running_loop()
        if not self._asked:
            # The call starts in the loop's next turn: what is asked for until then goes along.
            loop.call_soon(self._call)
        future = self._asked[symbol] = loop.create_future()
        return future

    def _call(self) -> None:
        """Start a call for what was asked, unless enough are under way; the one that ends starts the next."""
        if self._is_closed:
            _let_go(self._asked)
        while self._asked and len(self._calls) < MAX_CALLS:
            batch = {symbol: self._asked.pop(symbol) for symbol in list(self._asked)[:MAX_BATCH]}
            self._in_flight.update(batch)
            task = asyncio.create_task(self._fetch(batch), name=f"fetch {len(batch)} quotes")
            self._calls.add(task)
            task.add_done_callback(self._call_done)

    def _call_done(self, task: asyncio.Task[None]) -> None:
        self._calls.discard(task)
        _log_failure(task)
        if not task.cancelled():
            self._call()

    async def _fetch(self, batch: Mapping[str, asyncio.Future[StockTrackError | None]]) -> None:
        """Ask for a batch, put the answer on the board, and tell those who wait."""
        errors: Mapping[str, StockTrackError] = {}
        try:
            errors = await self._fetch_symbols(list(batch))
        finally:
            for symbol, future in batch.items():
                del self._in_flight[symbol]
                if not future.done():
                    future.set_result(errors.get(symbol))

    async def _fetch_symbols(self, symbols: Sequence[str]) -> Mapping[str, StockTrackError]:
        began = self._clock.monotonic()
        left = self._retry_at - began
        if self._outage is not None and left > 0:
            error = self._outage
            waiting = ProviderError(error.reason, error.message, retry_after_ms=round(left * 1000))
            self._board.mark_stale(self._gone_cold(symbols), error.reason, self._retry_at_ms())
            return dict.fromkeys(symbols, waiting)
        try:
            answer = await self._first_answer(QuoteSource, partial(self._ask_quotes, symbols))
        except ProviderError as error:
            priced = self._priced()
            if error.reason is Reason.PROVIDER_BLOCKED or not priced or not priced.isdisjoint(symbols):
                self._went_away(error, self._not_renewed(symbols, began))
                return dict.fromkeys(symbols, error)
            # The source may only be odd about what one client asked for, which may not stop the prices of all. If it
            # is down, the next poll of what is watched finds out.
            return {symbol: self._refuse(symbol, error, self._poll_interval_seconds / 2) for symbol in symbols}
        except CommandError as error:
            return dict.fromkeys(symbols, error)
        self._came_back()
        return self._take(symbols, answer)

    async def _ask_quotes(self, symbols: Sequence[str], source: QuoteSource) -> QuoteAnswer:
        answer = await source.quotes(symbols)
        priced = self._priced()
        if priced and answer.failed.keys() >= priced and not answer.quotes:
            # No price any more for anything that is watched is an outage too, whatever the source calls it.
            raise next(iter(answer.failed.values()))
        return answer

    def _priced(self) -> frozenset[str]:
        """What is watched and had a price: a failure of these is the source's, of others perhaps the symbol's own."""
        return frozenset(symbol for symbol in self._board.watched() if self._board.quote(symbol) is not None)

    def _take(self, symbols: Sequence[str], answer: QuoteAnswer) -> Mapping[str, StockTrackError]:
        """Put an answer on the board; the errors of what it did not give."""
        self._board.put(answer.quotes.values(), self._clock.monotonic())
        errors: dict[str, StockTrackError] = {}
        for symbol in symbols:
            if symbol in answer.quotes:
                self._refused.pop(symbol, None)
            elif symbol in answer.unknown and self._board.quote(symbol) is None:
                errors[symbol] = self._refuse(symbol, _unknown_symbol(symbol), UNKNOWN_SECONDS)
            else:
                if symbol in answer.unknown:
                    # It had a price here: it may be retired, or the source may be confused. The price stays, marked.
                    what = f"The source has no price of {symbol} any more."
                else:
                    what = f"The source left {symbol} out of its answer."
                error = answer.failed.get(symbol) or ProviderError(Reason.PROVIDER_ERROR, what)
                errors[symbol] = self._refuse(symbol, error, self._poll_interval_seconds / 2)
        return errors

    def _refuse(self, symbol: str, error: StockTrackError, seconds: float) -> StockTrackError:
        """Mark `symbol` as stale and answer it with `error` for a while, however often clients ask for it."""
        if len(self._refused) >= MAX_REFUSED:
            del self._refused[next(iter(self._refused))]
        # A bare copy: the traceback of the one raised would keep everything alive that stood in its frames.
        refusal = StockTrackError(error.reason, error.message, retry_after_ms=error.retry_after_ms)
        self._refused[symbol] = (self._clock.monotonic() + seconds, refusal)
        self._board.mark_stale([symbol], error.reason)
        return refusal

    def _went_away(self, error: ProviderError, failed: Iterable[str]) -> None:
        self._retry_at = self._clock.monotonic() + (error.retry_after_ms or 0) / 1000
        is_news = self._outage is None
        self._outage = error
        watched = self._board.watched()
        self._board.mark_stale({*failed, *self._gone_cold(watched)}, error.reason, self._retry_at_ms())
        if is_news:
            self.on_event(FeedEvent(Event.OUTAGE, frozenset(watched), error))

    def _came_back(self) -> None:
        if self._outage is None:
            return
        self._outage = None
        self._retry_at = 0.0
        self.on_event(FeedEvent(Event.RESTORED, frozenset(self._board.watched())))

    def _gone_cold(self, symbols: Iterable[str]) -> list[str]:
        """Those of `symbols` whose quote is not kept fresh by a stream meanwhile."""
        return self._not_renewed(symbols, self._clock.monotonic() - self._poll_interval_seconds / 2)

    def _not_renewed(self, symbols: Iterable[str], since: float) -> list[str]:
        """Those of `symbols` that nothing has renewed after monotonic time `since`."""
        entries = ((symbol, self._board.entry(symbol)) for symbol in symbols)
        return [symbol for symbol, entry in entries if entry is None or entry.refreshed_at <= since]

    def _retry_at_ms(self) -> int:
        return self._clock.now_ms() + round((self._retry_at - self._clock.monotonic()) * 1000)

    # --- demand and the unknown ----------------------------------------------------------------------------------

    def _on_demand(self, symbol: str, is_wanted: bool) -> None:
        if is_wanted:
            self._lingering.pop(symbol, None)
            self._demand.set()
        else:
            self._lingering[symbol] = self._clock.monotonic() + GRACE_SECONDS

    def _wanted(self) -> Collection[str]:
        """What is watched, or was until a moment ago."""
        now = self._clock.monotonic()
        self._lingering = {symbol: until for symbol, until in self._lingering.items() if until > now}
        return [*self._board.watched(), *self._lingering]

    # --- the tasks -----------------------------------------------------------------------------------------------

    async def _poll(self) -> None:
        """Ask for everything wanted that nothing else has renewed, every poll interval."""
        polled = -math.inf
        while True:
            wanted = self._wanted()
            if not wanted:
                self._demand.clear()
                await self._demand.wait()
                continue
            started = self._clock.monotonic()
            # What was renewed after the last poll was renewed by a stream or a GET. The answer to the poll itself is no
            # reason to leave the next one out, however late it came.
            limit = max(polled, started - self._poll_interval_seconds / 2)
            errors = await self._refresh(self._not_renewed(wanted, limit))
            polled = self._clock.monotonic()
            self._tell_unknown(symbol for symbol, error in errors.items() if error.reason is Reason.UNKNOWN_SYMBOL)
            await self._clock.sleep(started + self._poll_interval_seconds - self._clock.monotonic())
            # In an outage the next try is later; in short naps, since a GET may find the source back before it.
            while (left := self._retry_at - self._clock.monotonic()) > 0:
                await self._clock.sleep(min(left, self._poll_interval_seconds))

    def _tell_unknown(self, symbols: Iterable[str]) -> None:
        """Tell those who watch a symbol that could not be checked when they began, and does not exist."""
        gone = (symbol for symbol in symbols if self._board.is_watched(symbol) and self._board.quote(symbol) is None)
        if unknown := frozenset(gone):
            self.on_event(FeedEvent(Event.UNKNOWN, unknown))

    async def _stream(self, upstream: Upstream, source: StreamSource) -> None:
        """Run the provider's stream, again and again; the poll fills in for it while it is down."""

        def publish(quotes: Sequence[Quote]) -> None:
            upstream.succeeded(Capability.STREAM)
            self._board.put(quotes, self._clock.monotonic())
            if self._outage is not None and not self._gone_cold(self._board.watched()):
                # The poll, which found the outage, has nothing to ask for any more. While it has, it is the judge:
                # a stream of some symbols says nothing of the others.
                self._came_back()

        async def run() -> None:
            await source.stream(self._wanted, publish)
            raise ProviderError(Reason.PROVIDER_ERROR, f"The stream of {upstream.name} ended.")

        while True:
            try:
                await upstream.stream(run)
            except ProviderError as error:
                await self._clock.sleep((error.retry_after_ms or 0) / 1000)

    async def _keep_house(self) -> None:
        """Mark what was not renewed for three polls, also while a call hangs; forget what nobody asks for."""
        while True:
            await self._clock.sleep(self._poll_interval_seconds)
            now = self._clock.monotonic()
            limit = now - STALE_POLLS * self._poll_interval_seconds
            late = [symbol for symbol in self._board.watched() if self._is_late(symbol, limit)]
            self._board.mark_stale(late, Reason.PROVIDER_TIMEOUT)
            self._board.forget(now - UNWATCHED_SECONDS, MAX_UNWATCHED)

    def _is_late(self, symbol: str, limit: float) -> bool:
        entry = self._board.entry(symbol)
        return entry is not None and entry.quote is not None and not entry.quote.stale and entry.refreshed_at < limit


def _let_go(asked: dict[str, asyncio.Future[StockTrackError | None]]) -> None:
    """Have nobody wait for a call that will not be made."""
    for future in asked.values():
        if not future.done():
            future.set_result(None)
    asked.clear()


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a task of the feed failed unexpectedly", task=task.get_name(), exc_info=error)


def _unknown_symbol(symbol: str) -> CommandError:
    return CommandError(Reason.UNKNOWN_SYMBOL, f"No source knows the symbol {symbol}.")
