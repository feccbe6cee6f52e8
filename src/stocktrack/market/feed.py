"""Keeps the quotes on the board fresh, once for everybody who wants them, or says that they are stale.

poll      what is wanted (`demand.py`) and was not renewed otherwise is asked for every poll interval
stream    a source that sends prices by itself leads; the poll fills in for what its stream leaves out
calls     all symbols due go into one call, and one in flight is shared (`batching.py`); `routes.py` says which
source is asked, `upstream.py` how often; the poll has calls of its own, which wait for nobody's questions
bills     what users ask for beside the poll they pay for out of their budgets (`bills.py`)
outage    the last quotes stay, marked stale, and those who watch are told (`outage.py`)
refusals  a symbol that fails alone is marked and not asked for again for a moment (`refusals.py`); the others
never notice
"""

import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from stocktrack.clock import Clock
from stocktrack.errors import CommandError, ProviderError, Reason, StockTrackError
from stocktrack.market.batching import Batches, answers
from stocktrack.market.bills import Bills, Payer
from stocktrack.market.board import Board
from stocktrack.market.demand import Demand
from stocktrack.market.events import Event, FeedEvent
from stocktrack.market.outage import Outage
from stocktrack.market.questions import Questions
from stocktrack.market.refusals import Refusals
from stocktrack.market.routes import Routes
from stocktrack.market.upstream import CeilingReached, Upstream
from stocktrack.messages import BoardQuote
from stocktrack.providers.base import Errand, Provider, QuoteAnswer, StreamSource
from stocktrack.providers.instruments import Instruments
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
        requests_per_minute: int | None = None,
        rng: random.Random | None = None,
        instruments: Instruments | None = None,
    ) -> None:
        self.on_event: Callable[[FeedEvent], None] = lambda _: None
        self.routes = Routes(
            providers, clock, timeout_seconds=timeout_seconds, requests_per_minute=requests_per_minute, rng=rng
        )
        self.questions = Questions(self.routes, clock, known=self.known, instruments=instruments)
        self._board = board
        self._clock = clock
        self._poll_interval_seconds = poll_interval_seconds
        # A symbol that fails alone is due at the next poll again, and what was renewed since half a poll ago is fresh.
        self._half_poll_seconds = poll_interval_seconds / 2
        self._demand = Demand(board, clock)
        # How far apart polls are now: with more symbols than the source has patience for they are further apart.
        self._polls_apart_seconds = poll_interval_seconds
        self.supervisor = Supervisor(clock, rng)
        self._poll_calls = Batches(partial(self._fetch, is_poll=True), lambda: self.supervisor.note("feed poll"))
        # What one user asks for is no reason to call the server unwell, whatever comes of it.
        self._user_calls = Batches(partial(self._fetch, is_poll=False))
        self._bills = Bills()
        self._refusals = Refusals(clock)
        self._outage = Outage(board, clock, self._tell, fresh_seconds=self._half_poll_seconds)

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
        await self._poll_calls.close()
        await self._user_calls.close()
        await self.questions.close()
        await self.routes.close()

    def demand_changed(self, symbol: str, is_wanted: bool) -> None:
        """Note that the first watcher of `symbol` came, or that its last one went."""
        self._demand.changed(symbol, is_wanted)

    def _tell(self, event: FeedEvent) -> None:
        self.on_event(event)

    # --- what sessions ask ---------------------------------------------------------------------------------------

    async def quotes(self, symbols: Sequence[str], payer: Payer | None = None) -> FoundQuotes:
        """The newest quotes, from the board while they are fresh or kept fresh anyway, else from a source.

        A request that it takes is paid for by `payer`; what there is nothing left for is missing, `rate_limited`.
        """
        errors = await self._ask(symbols, payer)
        quotes, missing = {}, {}
        for symbol in symbols:
            quote = self._board.quote(symbol)
            error = errors.get(symbol)
            if quote is not None:
                quotes[symbol] = quote
            else:
                missing[symbol] = error or ProviderError(Reason.PROVIDER_ERROR, f"No source has given {symbol} yet.")
        return FoundQuotes(quotes, missing)

    async def known(self, symbols: Sequence[str], payer: Payer | None = None) -> Mapping[str, StockTrackError]:
        """Have a quote of each symbol, fresh where that is possible; why not, for those that have none at all."""
        errors = await self._ask(symbols, payer)
        return {symbol: error for symbol, error in errors.items() if self._board.quote(symbol) is None}

    def _is_served_by_board(self, symbol: str) -> bool:
        entry = self._board.entry(symbol)
        if entry is None or entry.quote is None:
            return False
        # A watched symbol is renewed by the poll or the stream; stale, it says so, and nobody waits for it.
        return bool(entry.baskets) or self._clock.monotonic() - entry.refreshed_at < self._poll_interval_seconds

    # --- asking the sources --------------------------------------------------------------------------------------

    async def _ask(self, symbols: Sequence[str], payer: Payer | None) -> Mapping[str, StockTrackError]:
        """Ask for what the board does not serve, for a user, and wait; the errors of those that failed."""
        errors, due = self._refused([symbol for symbol in symbols if not self._is_served_by_board(symbol)])
        polled = self._poll_calls.under_way(due)
        asked = [symbol for symbol in due if symbol not in polled]
        shared = self._user_calls.under_way(asked)
        if payer is not None:
            self._bills.open(asked, payer)
        errors |= await self._user_calls.ask(asked)
        errors |= await answers(polled)
        # Whoever asked first may have had nothing left when it came to the symbol alone; that is not this one's bill.
        again = [symbol for symbol in shared if symbol in errors and errors[symbol].reason is Reason.RATE_LIMITED]
        if again and payer is not None:
            self._bills.open(again, payer)
            errors = {symbol: error for symbol, error in errors.items() if symbol not in again}
            errors |= await self._user_calls.ask(again)
        return errors

    async def _renew(self, symbols: Sequence[str]) -> Mapping[str, StockTrackError]:
        """Ask for what the poll finds to be due, and wait; the errors of those that failed."""
        # What a user's call is about to bring is left to it, and not waited for: the poll waits for nobody.
        errors, due = self._refused([symbol for symbol in symbols if not self._user_calls.is_in_flight(symbol)])
        return {**errors, **await self._poll_calls.ask(due)}

    def _refused(self, symbols: Sequence[str]) -> tuple[dict[str, StockTrackError], list[str]]:
        """The errors of those of `symbols` that are not asked for at this moment, and the others."""
        errors = {symbol: error for symbol in symbols if (error := self._refusals.get(symbol)) is not None}
        return errors, [symbol for symbol in symbols if symbol not in errors]

    async def _fetch(self, symbols: Sequence[str], *, is_poll: bool) -> Mapping[str, StockTrackError]:
        """Ask a source for a batch and put the answer on the board; the errors of what it did not give."""
        try:
            unpaid = {} if is_poll else self._unpaid(symbols)
            paid = [symbol for symbol in symbols if symbol not in unpaid]
            self._mark_old(unpaid)
            return {**unpaid, **(await self._fetch_paid(paid, is_poll=is_poll) if paid else {})}
        finally:
            if not is_poll:
                self._bills.close(symbols)

    def _unpaid(self, symbols: Sequence[str]) -> Mapping[str, StockTrackError]:
        """Have the requests for `symbols` paid for, where any are made; the errors of those that nobody pays for."""
        symbols_a_request = self.routes.paid_symbols_a_request()
        if symbols_a_request is None or self._outage.is_waiting:
            return {}
        return self._bills.pay_batch(symbols, symbols_a_request)

    def _mark_old(self, symbols: Iterable[str]) -> None:
        """Say of quotes that could not be renewed now, for want of requests, that they are old, where they are."""
        limit = self._clock.monotonic() - STALE_POLLS * self._polls_apart_seconds
        self._board.mark_stale(self._board.not_renewed(symbols, limit), Reason.PROVIDER_BLOCKED)

    async def _fetch_paid(self, symbols: Sequence[str], *, is_poll: bool) -> Mapping[str, StockTrackError]:
        began = self._clock.monotonic()
        if (waiting := self._outage.answer(symbols)) is not None:
            return dict.fromkeys(symbols, waiting)
        refused: Counter[Payer] = Counter()
        errand = Errand(is_poll, lambda symbol: None if is_poll else self._bills.pay_look_up(symbol, refused))
        try:
            answer = await self.routes.quotes(symbols, self._priced, errand)
        except CeilingReached as error:
            # No source has failed: this server asks as often as it may.
            self._mark_old(symbols)
            return dict.fromkeys(symbols, error)
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
            elif symbol in answer.put_off:
                errors[symbol] = answer.put_off[symbol]
                self._mark_old([symbol])
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
            self._polls_apart_seconds = apart = self.routes.pace(len(wanted), self._poll_interval_seconds)
            if not wanted:
                await self._demand.rises()
                continue
            started = self._clock.monotonic()
            # What was renewed after the last poll was renewed by a stream or a GET. The answer to the poll itself is no
            # reason to leave the next one out, however late it came.
            limit = max(polled, started - self._half_poll_seconds)
            errors = await self._renew(self._board.not_renewed(wanted, limit))
            polled = self._clock.monotonic()
            self._tell_unknown(symbol for symbol, error in errors.items() if error.reason is Reason.UNKNOWN_SYMBOL)
            await self._clock.sleep(started + apart - self._clock.monotonic())
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

        async def run() -> None:
            await source.stream(self._demand.wanted, _Sink(publish))
            raise ProviderError(Reason.PROVIDER_ERROR, f"The stream of {upstream.name} ended.")

        def publish(quotes: Sequence[Quote]) -> None:
            upstream.streamed()
            self._board.put(quotes, self._clock.monotonic())
            self._outage.streamed()

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
            limit = now - STALE_POLLS * self._polls_apart_seconds
            late = [symbol for symbol in self._board.watched() if self._is_late(symbol, limit)]
            self._board.mark_stale(late, Reason.PROVIDER_TIMEOUT)
            self._board.forget(now - UNWATCHED_SECONDS, MAX_UNWATCHED)

    def _is_late(self, symbol: str, limit: float) -> bool:
        entry = self._board.entry(symbol)
        return entry is not None and entry.quote is not None and not entry.quote.stale and entry.refreshed_at < limit


class _Sink:
    """What a stream speaks to."""

    def __init__(self, publish: Callable[[Sequence[Quote]], None]) -> None:
        self.publish = publish

    def opened(self) -> None:
        """Nothing is done with it yet."""

    def is_trading(self) -> bool:
        """Any market may be open."""
        return True


def _unknown_symbol(symbol: str) -> CommandError:
    return CommandError(Reason.UNKNOWN_SYMBOL, f"No source knows the symbol {symbol}.")
