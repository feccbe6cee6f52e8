"""Keeps the quotes on the board fresh, once for everybody who wants them, or says that they are stale.

poll      what is wanted (`demand.py`) and was not renewed otherwise is asked for every poll interval
stream    a source that sends prices by itself leads; the poll fills in for what its stream leaves out
calls     all symbols due go into one call, and one in flight is shared (`batching.py`); `routes.py` says which
source is asked, `upstream.py` how often one that fails
outage    the last quotes stay, marked stale, and those who watch are told (`outage.py`)
refusals  a symbol that fails alone is marked and not asked for again for a moment (`refusals.py`); the others
never notice
"""

import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from stocktrack.clock import Clock
from stocktrack.errors import CommandError, ProviderError, Reason, StockTrackError
from stocktrack.market.batching import Batches
from stocktrack.market.board import Board
from stocktrack.market.demand import Demand
from stocktrack.market.events import Event, FeedEvent
from stocktrack.market.outage import Outage
from stocktrack.market.questions import Questions
from stocktrack.market.refusals import Refusals
from stocktrack.market.routes import Routes
from stocktrack.market.upstream import Upstream
from stocktrack.messages import BoardQuote
from stocktrack.providers.base import Capability, Provider, QuoteAnswer, StreamSource
from stocktrack.quotes import Quote
from stocktrack.system.supervised import Supervisor

UNKNOWN_SECONDS = 600.0  # how long a source's "no such symbol" is believed
UNWATCHED_SECONDS = 600.0  # how long a quote that nobody watches is kept
MAX_UNWATCHED = 5_000
STALE_POLLS = 3


@dataclass(frozen=True, slots=True)
class FoundQuotes:
    """What is known of the symbols asked for: each stands in `quotes` or in `missing`, with the reason why."""

    quotes: Mapping[str, BoardQuote]
    missing: Mapping[str, StockTrackError]


class Feed:
    """The market's prices for the sessions. `on_event` is called for each `FeedEvent`; `start` before use.

    `demand_changed` must be told what somebody begins and stops to watch on the board. What is asked beside prices is
    asked of `questions`.
    """

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
        self.routes = Routes(providers, clock, timeout_seconds=timeout_seconds, rng=rng)
        self.questions = Questions(self.routes, clock, known=self.known)
        self._board = board
        self._clock = clock
        self._poll_interval_seconds = poll_interval_seconds
        # A symbol that fails alone is due at the next poll again, and what was renewed since half a poll ago is fresh.
        self._half_poll_seconds = poll_interval_seconds / 2
        self._demand = Demand(board, clock)
        self._batches = Batches(self._fetch)
        self._refusals = Refusals(clock)
        self._outage = Outage(board, clock, self._tell, fresh_seconds=self._half_poll_seconds)
        self.supervisor = Supervisor(clock, rng)

    async def start(self) -> None:
        """Warm up the providers and begin to poll."""
        await self.routes.start()
        self.supervisor.run("feed poll", self._poll)
        self.supervisor.run("feed tidying", self._tidy_board)
        if (streaming := self.routes.stream()) is not None:
            self.supervisor.run("feed stream", partial(self._stream, *streaming))

    async def close(self) -> None:
        """End all tasks, then the providers."""
        await self.supervisor.close()
        await self._batches.close()
        await self.questions.close()
        await self.routes.close()

    def demand_changed(self, symbol: str, is_wanted: bool) -> None:
        """Note that the first watcher of `symbol` came, or that its last one went."""
        self._demand.changed(symbol, is_wanted)

    def _tell(self, event: FeedEvent) -> None:
        self.on_event(event)

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

    def _is_served_by_board(self, symbol: str) -> bool:
        entry = self._board.entry(symbol)
        if entry is None or entry.quote is None:
            return False
        # A watched symbol is renewed by the poll or the stream; stale, it says so, and nobody waits for it.
        return bool(entry.baskets) or self._clock.monotonic() - entry.refreshed_at < self._poll_interval_seconds

    # --- asking the sources --------------------------------------------------------------------------------------

    async def _refresh(self, symbols: Sequence[str]) -> Mapping[str, StockTrackError]:
        """Ask for `symbols`, except for those refused at this moment, and wait; the errors of those that failed."""
        refused = {symbol: error for symbol in symbols if (error := self._refusals.get(symbol)) is not None}
        return {**refused, **await self._batches.ask([symbol for symbol in symbols if symbol not in refused])}

    async def _fetch(self, symbols: Sequence[str]) -> Mapping[str, StockTrackError]:
        """Ask a source for a batch and put the answer on the board; the errors of what it did not give."""
        began = self._clock.monotonic()
        if (waiting := self._outage.answer(symbols)) is not None:
            return dict.fromkeys(symbols, waiting)
        try:
            answer = await self.routes.quotes(symbols, self._priced)
        except ProviderError as error:
            priced = self._priced()
            if error.reason is Reason.PROVIDER_BLOCKED or not priced or not priced.isdisjoint(symbols):
                self._outage.began(error, self._board.not_renewed(symbols, began))
                return dict.fromkeys(symbols, error)
            # Perhaps the source only fails at what one client asked for, which may not stop the prices of all. If it
            # is down, the next poll of what is watched finds out.
            return {symbol: self._refuse(symbol, error, self._half_poll_seconds) for symbol in symbols}
        except CommandError as error:
            return dict.fromkeys(symbols, error)
        self._outage.ended()
        return self._take(symbols, answer)

    def _priced(self) -> frozenset[str]:
        """What is watched and had a price: a failure of these is the source's, of others perhaps the symbol's own."""
        return frozenset(symbol for symbol in self._board.watched() if self._board.quote(symbol) is not None)

    def _take(self, symbols: Sequence[str], answer: QuoteAnswer) -> Mapping[str, StockTrackError]:
        """Put an answer on the board; the errors of what it did not give."""
        self._board.put(answer.quotes.values(), self._clock.monotonic())
        errors: dict[str, StockTrackError] = {}
        for symbol in symbols:
            if symbol in answer.quotes:
                self._refusals.discard(symbol)
            elif symbol in answer.unknown and self._board.quote(symbol) is None:
                errors[symbol] = self._refuse(symbol, _unknown_symbol(symbol), UNKNOWN_SECONDS)
            else:
                if symbol in answer.unknown:
                    # It had a price here: it may be retired, or the source may be confused. The price stays, marked.
                    what = f"The source has no price of {symbol} any more."
                else:
                    what = f"The source left {symbol} out of its answer."
                error = answer.failed.get(symbol) or ProviderError(Reason.PROVIDER_ERROR, what)
                errors[symbol] = self._refuse(symbol, error, self._half_poll_seconds)
        return errors

    def _refuse(self, symbol: str, error: StockTrackError, seconds: float) -> StockTrackError:
        """Mark `symbol` as stale and answer it with `error` for a while, however often clients ask for it."""
        refusal = self._refusals.add(symbol, error, seconds)
        self._board.mark_stale([symbol], error.reason)
        return refusal

    # --- the tasks -----------------------------------------------------------------------------------------------

    async def _poll(self) -> None:
        """Ask for everything wanted that nothing else has renewed, every poll interval."""
        polled = -math.inf
        while True:
            wanted = self._demand.wanted()
            if not wanted:
                await self._demand.rises()
                continue
            started = self._clock.monotonic()
            # What was renewed after the last poll was renewed by a stream or a GET. The answer to the poll itself is no
            # reason to leave the next one out, however late it came.
            limit = max(polled, started - self._half_poll_seconds)
            errors = await self._refresh(self._board.not_renewed(wanted, limit))
            polled = self._clock.monotonic()
            self._tell_unknown(symbol for symbol, error in errors.items() if error.reason is Reason.UNKNOWN_SYMBOL)
            await self._clock.sleep(started + self._poll_interval_seconds - self._clock.monotonic())
            # In an outage the next try is later; in short naps, since a GET may find the source back before it.
            while (left := self._outage.wait_seconds) > 0:
                await self._clock.sleep(min(left, self._poll_interval_seconds))

    def _tell_unknown(self, symbols: Iterable[str]) -> None:
        """Tell those who watch a symbol that could not be checked when they began, and does not exist."""
        gone = (symbol for symbol in symbols if self._board.is_watched(symbol) and self._board.quote(symbol) is None)
        if unknown := frozenset(gone):
            self._tell(FeedEvent(Event.UNKNOWN, unknown))

    async def _stream(self, upstream: Upstream, source: StreamSource) -> None:
        """Run the provider's stream, again and again; the poll fills in for it while it is down."""

        def publish(quotes: Sequence[Quote]) -> None:
            upstream.succeeded(Capability.STREAM)
            self._board.put(quotes, self._clock.monotonic())
            self._outage.streamed()

        async def run() -> None:
            await source.stream(self._demand.wanted, publish)
            raise ProviderError(Reason.PROVIDER_ERROR, f"The stream of {upstream.name} ended.")

        while True:
            try:
                await upstream.stream(run)
            except ProviderError as error:
                await self._clock.sleep((error.retry_after_ms or 0) / 1000)

    async def _tidy_board(self) -> None:
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


def _unknown_symbol(symbol: str) -> CommandError:
    return CommandError(Reason.UNKNOWN_SYMBOL, f"No source knows the symbol {symbol}.")
