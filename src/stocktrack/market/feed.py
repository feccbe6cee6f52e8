"""Keeps the quotes on the board fresh, once for everybody who wants them, or says that they are stale.

leads     which source leads which symbol (`leads.py`), and whom it is asked of beside (`routes.py`)
poll      what a source leads and nothing else renewed is asked for again and again (`polls.py`), a task a source
stream    a source that sends prices by itself (`streams.py`); the poll fills in for what its stream leaves mute
calls     all symbols due go into one call of a source, and one in flight is shared (`batching.py`); `upstream.py` says
how often it may be asked; the poll has calls of its own, which wait for nobody's questions
bills     what users ask for beside the poll they pay for out of their budgets (`bills.py`)
outage    the last quotes stay, marked stale, and those who watch are told (`outage.py`)
refusals  what a source does not give, or fails at alone, is not asked of it again for a while (`refusals.py`)
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from stocktrack.clock import Clock, end, within
from stocktrack.errors import Code, NotYetGiven, ProviderError, Reason, SourceUnusable, StockTrackError
from stocktrack.market.batching import Batches, answers, log_failure
from stocktrack.market.bills import Bills, Payer
from stocktrack.market.board import Board
from stocktrack.market.demand import Demand
from stocktrack.market.events import Event, FeedEvent
from stocktrack.market.leads import FILL_SECONDS
from stocktrack.market.merging import completed, named
from stocktrack.market.outage import Outage
from stocktrack.market.plausibility import Gate
from stocktrack.market.polls import RESTING_SECONDS, Poll
from stocktrack.market.questions import Questions
from stocktrack.market.routes import RoutedAnswer, Routes, together
from stocktrack.market.streams import Stream
from stocktrack.market.upstream import Upstream
from stocktrack.messages import BoardQuote
from stocktrack.providers.base import Errand, Provider, QuoteSource, Source
from stocktrack.providers.instruments import Instruments
from stocktrack.quotes import Quote
from stocktrack.system.supervised import Supervisor

UNKNOWN_SECONDS = 600.0  # how long a source's "no such symbol" is believed
NOT_OFFERED_SECONDS = 3_600.0  # how long its "not on your plan" is
UNWATCHED_SECONDS = 600.0  # how long a quote that nobody watches is kept
MAX_UNWATCHED = 5_000
STALE_POLLS = 3
# How often it is looked whether the hours of all exchanges are known whose symbols are streamed.
HOURS_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class FoundQuotes:
    """What is known of the symbols asked for: each stands in `quotes` or in `missing`, with the reason why."""

    quotes: Mapping[str, BoardQuote]
    missing: Mapping[str, StockTrackError]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the feed has for each source that it asks for quotes."""

    upstream: Upstream
    poll: Poll
    outage: Outage
    poll_calls: Batches
    user_calls: Batches


class Feed:
    """The market's prices for the sessions. `on_event` is called for each `FeedEvent`; `start` before use.

    `demand_changed` must be told what somebody begins and stops to watch on the board. What is asked beside prices is
    asked of `questions`. With `patience_seconds` nobody waits for the sources to start, and `known` waits no longer
    than that.
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
        instruments: Instruments | None = None,
        rng: random.Random | None = None,
        patience_seconds: float | None = None,
    ) -> None:
        self._patience_seconds = patience_seconds
        self._late: set[asyncio.Task[Mapping[str, StockTrackError]]] = set()
        self.on_event: Callable[[FeedEvent], None] = lambda _: None
        self.routes = Routes(
            providers,
            clock,
            timeout_seconds=timeout_seconds,
            poll_interval_seconds=poll_interval_seconds,
            requests_per_minute=requests_per_minute,
            instruments=instruments,
            rng=rng,
        )
        self.questions = Questions(self.routes, clock, known=self.known)
        self._leads = self.routes.leads
        self._board = board
        self._clock = clock
        self._poll_interval_seconds = poll_interval_seconds
        # A symbol that fails alone is due at the next poll again, and what was renewed since half a poll ago is fresh.
        self._half_poll_seconds = poll_interval_seconds / 2
        self._demand = Demand(clock)
        self._is_arranging = False
        self.supervisor = Supervisor(clock, rng)
        self._bills = Bills()
        self._gate = Gate(clock)
        self._asked = {
            upstream: self._build(upstream, upstream.quote_source)
            for upstream in self.routes.upstreams
            if upstream.quote_source is not None
        }
        self._streams = [
            Stream(
                upstream,
                source,
                self._leads,
                clock,
                put=self._put_streamed,
                arrange=self._arrange,
                may_trade=lambda symbol: not self._is_resting(symbol),
            )
            for upstream, source in self.routes.streams()
        ]

    def _build(self, upstream: Upstream, source: QuoteSource) -> _Asked:
        poll = Poll(
            upstream,
            source,
            self._leads,
            self._board,
            self._clock,
            interval_seconds=self._poll_interval_seconds,
            is_resting=self._is_resting,
        )
        return _Asked(
            upstream,
            poll,
            Outage(
                upstream,
                self._board,
                self._clock,
                self._tell,
                fresh_seconds=self._half_poll_seconds,
                is_streamed=lambda symbol: symbol in self._leads.streamed_by(upstream),
            ),
            Batches(
                partial(self._fetch, upstream, is_poll=True), lambda: self.supervisor.note(f"poll {upstream.name}")
            ),
            # What one user asks for is no reason to call the server unwell, whatever comes of it.
            Batches(partial(self._fetch, upstream, is_poll=False)),
        )

    async def start(self) -> None:
        """Warm up the providers and begin to poll."""
        await self.routes.start(waits=self._patience_seconds is None)
        for asked in self._asked.values():
            self.supervisor.run(f"poll {asked.upstream.name}", partial(self._poll, asked))
        self.supervisor.run("feed tidying", self._tidy_board)
        if self._streams:
            self.supervisor.run("market hours", self._learn_hours)
        for (upstream, _), stream in zip(self.routes.streams(), self._streams, strict=True):
            self.supervisor.run(f"stream {upstream.name}", stream.run)

    async def close(self) -> None:
        """End all tasks, then the providers."""
        await self.supervisor.close()
        await end(*self._late)
        for asked in self._asked.values():
            await asked.poll_calls.close()
            await asked.user_calls.close()
        await self.questions.close()
        await self.routes.close()

    def demand_changed(self, symbol: str, is_wanted: bool) -> None:
        """Note that the first watcher of `symbol` came, or that its last one went."""
        self._demand.changed(symbol, is_wanted)
        if not self._is_arranging:
            # Once for all that changes in one turn of the loop.
            self._is_arranging = True
            asyncio.get_running_loop().call_soon(self._arrange)

    def _arrange(self) -> None:
        self._is_arranging = False
        self._leads.arrange(self._demand.wanted, self._demand.version)

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
        errors = await self._ask_in_time(symbols, payer)
        return {symbol: error for symbol, error in errors.items() if self._board.quote(symbol) is None}

    async def _ask_in_time(self, symbols: Sequence[str], payer: Payer | None) -> Mapping[str, StockTrackError]:
        """As `_ask`; where there is no more patience, what nobody has told yet counts as not yet given."""
        if self._patience_seconds is None:
            return await self._ask(symbols, payer)
        # One that has to get ready first takes longer than that.
        is_ready = not any(up.has_to_start and not up.provider.is_free for up in self._asked)
        asking = asyncio.create_task(self._ask(symbols, payer), name=f"ask for {len(symbols)} quotes")
        try:
            await within(self._clock, self._patience_seconds if is_ready else 0.0, asyncio.wait((asking,)))
        except TimeoutError:
            self._late.add(asking)
            asking.add_done_callback(self._take_late)
            late = NotYetGiven(Reason.PROVIDER_TIMEOUT, "The source is still being asked.")
            return dict.fromkeys(symbols, late)
        except asyncio.CancelledError:
            asking.cancel()
            raise
        return asking.result()

    def _take_late(self, asking: asyncio.Task[Mapping[str, StockTrackError]]) -> None:
        """Tell what an answer that came too late says: the prices in it are on the board by now."""
        self._late.discard(asking)
        if not (log_failure(asking) or asking.cancelled()):
            errors = asking.result()
            self._tell_unknown(symbol for symbol, error in errors.items() if error.reason is Reason.UNKNOWN_SYMBOL)

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
        polled = _under_way((asked.poll_calls for asked in self._asked.values()), due)
        wanted = [symbol for symbol in due if symbol not in polled]
        shared = _under_way((asked.user_calls for asked in self._asked.values()), wanted)
        if payer is not None:
            self._bills.open(wanted, payer)
        errors |= await self._ask_for_user(wanted, shared)
        errors |= await answers(polled)
        # Whoever asked first may have had nothing left when it came to the symbol alone; that is not this one's bill.
        again = [symbol for symbol in shared if symbol in errors and errors[symbol].reason is Reason.RATE_LIMITED]
        if again and payer is not None:
            self._bills.open(again, payer)
            errors = {symbol: error for symbol, error in errors.items() if symbol not in again}
            errors |= await self._ask_for_user(again, {})
        return errors

    async def _ask_for_user(
        self, symbols: Sequence[str], shared: Mapping[str, asyncio.Future[StockTrackError | None]]
    ) -> Mapping[str, StockTrackError]:
        """Have `symbols` fetched in one call of each source, but for what is `shared` with others' calls."""
        errors: dict[str, StockTrackError] = {}
        plan = self.routes.plan(symbol for symbol in symbols if symbol not in shared)
        calls = [self._asked[upstream].user_calls.ask(group) for upstream, group in plan.items()]
        if shared:
            calls.append(answers(dict(shared)))
        for part in await together(calls):
            errors |= part
        return errors

    def _refused(self, symbols: Sequence[str]) -> tuple[dict[str, StockTrackError], list[str]]:
        """The errors of those of `symbols` that are asked of nobody at this moment, and the others."""
        errors: dict[str, StockTrackError] = {}
        due = []
        for symbol in symbols:
            error = self.routes.instruments.refusal(symbol)
            if error is None and not self.routes.may_ask_for(symbol):
                error = self.routes.why_missing(symbol)
            if error is None:
                due.append(symbol)
            else:
                errors[symbol] = error
        return errors, due

    async def _fetch(
        self, upstream: Upstream, symbols: Sequence[str], *, is_poll: bool
    ) -> Mapping[str, StockTrackError]:
        """Ask a source for a batch, and the others for what it has not; the errors of what nobody gave."""
        try:
            asked = self._asked[upstream]
            if not any(map(self._leads.candidates, symbols)) and (waiting := asked.outage.answer(symbols)) is not None:
                return dict.fromkeys(symbols, waiting)
            began = self._clock.monotonic()
            refused: Counter[Payer] = Counter()
            errand = Errand(is_poll, lambda symbol: None if is_poll else self._bills.pay_look_up(symbol, refused))
            answer = await self.routes.quotes(
                upstream, symbols, errand, pay=self._bills.pay_batch, priced=self._priced()
            )
            return self._take(symbols, answer, began)
        finally:
            if not is_poll:
                self._bills.close(symbols)

    def _priced(self) -> frozenset[str]:
        """What is watched and had a price: a failure of these is the source's, of others perhaps the symbol's own."""
        return frozenset(symbol for symbol in self._board.watched() if self._board.quote(symbol) is not None)

    def _take(self, symbols: Sequence[str], answer: RoutedAnswer, began: float) -> Mapping[str, StockTrackError]:
        """Put an answer on the board and draw the consequences; the errors of what it did not give."""
        believed = self._gate.sift([*answer.quotes.values()], self._board.quote)
        self._board.put([named(each, self._board.quote(each.symbol)) for each in believed], self._clock.monotonic())
        for upstream, given in answer.given.items():
            self._asked[upstream].poll.gave(given)
            self._asked[upstream].outage.ended()
            for symbol in given:
                upstream.refusals.discard(symbol)
        for asked in self._asked.values():
            asked.outage.renewed(answer.quotes)
        down = {
            upstream: error for upstream, (error, asked_for) in answer.fallen.items() if self._is_down(error, asked_for)
        }
        for upstream, said in _by_source(answer):
            for symbol, error in said:
                self._remember(upstream, symbol, error, is_down=upstream in down)
        for upstream, error in down.items():
            self._asked[upstream].outage.began(error)
        self._arrange()
        missing = [symbol for symbol in symbols if symbol not in answer.quotes]
        errors = {symbol: self.routes.why_missing(symbol, answer.errors.get(symbol, ())) for symbol in missing}
        fallen = {symbol for upstream in down for symbol in answer.fallen[upstream][1] if symbol in errors}
        self._mark_missing({symbol: error for symbol, error in errors.items() if symbol not in fallen}, began)
        for upstream in down:
            failed = [symbol for symbol in answer.fallen[upstream][1] if symbol in errors]
            self._asked[upstream].outage.show(self._board.not_renewed(failed, began), self._leads.of(upstream))
        return errors

    def _is_down(self, error: ProviderError, asked_for: Sequence[str]) -> bool:
        """Whether a call that failed says that its source is down.

        Perhaps it only fails at what one client asked for, which may not stop the prices of all. If it is down, the
        next poll of what is watched finds out.
        """
        priced = self._priced()
        return error.reason is Reason.PROVIDER_BLOCKED or not priced or not priced.isdisjoint(asked_for)

    def _remember(self, upstream: Upstream, symbol: str, error: StockTrackError, *, is_down: bool) -> None:
        """Have a source not asked again for a while for what it did not give."""
        held = self._board.quote(symbol)
        if is_down or isinstance(error, SourceUnusable | NotYetGiven) or _is_put_off(error):
            return  # this says nothing of the symbol, or nothing that holds for long
        if error.reason is Reason.UNKNOWN_SYMBOL and (held is None or held.provider != upstream.name):
            seconds = UNKNOWN_SECONDS
        elif error.reason is Reason.NOT_OFFERED:
            seconds = NOT_OFFERED_SECONDS
        else:
            if error.reason is Reason.UNKNOWN_SYMBOL:
                # It had a price here: it may be retired, or the source may be confused. The price stays, marked.
                error = ProviderError(Reason.PROVIDER_ERROR, f"{upstream.name} has no price of {symbol} any more.")
            seconds = self._half_poll_seconds
        upstream.refusals.add(symbol, error, seconds)

    def _mark_missing(self, errors: Mapping[str, StockTrackError], began: float) -> None:
        """Say of quotes that could not be renewed that they are stale; for want of requests only where they are old.

        What was renewed since the question `began` is not.
        """
        now = self._clock.monotonic()
        for symbol, error in errors.items():
            if _is_put_off(error):
                limit = now - STALE_POLLS * self._interval(symbol)
                self._board.mark_stale(self._board.not_renewed([symbol], limit), Reason.PROVIDER_BLOCKED)
            else:
                reason = error.reason if error.code is Code.SERVER_ERROR else Reason.PROVIDER_ERROR
                # What ticks is not old because the figures of its day cannot be had.
                limit = min(began, now - FILL_SECONDS) if self._leads.is_streamed(symbol) else began
                self._board.mark_stale(self._board.not_renewed([symbol], limit), reason)

    def _interval(self, symbol: str) -> float:
        """How often `symbol` is asked for now, in seconds."""
        lead = self._leads.lead(symbol)
        if lead is None:
            return self._poll_interval_seconds
        if lead in self._asked:
            return self._asked[lead].poll.interval(symbol)
        # It only streams.
        return RESTING_SECONDS if self._is_resting(symbol) else FILL_SECONDS

    def _is_resting(self, symbol: str) -> bool:
        """Whether the market of `symbol` is closed, as far as is known."""
        quote = self._board.quote(symbol)
        return quote is not None and self.questions.hours.is_resting(quote, self._clock.now_ms())

    # --- the tasks -----------------------------------------------------------------------------------------------

    async def _poll(self, asked: _Asked) -> None:
        """Ask a source for what it leads and nothing else has renewed, again and again."""
        poll = asked.poll
        while True:
            self._arrange()
            poll.pace()
            if not self._leads.of(asked.upstream):
                await self._leads.change()
                continue
            started = self._clock.monotonic()
            errors = await self._renew(asked, started, *poll.due(started))
            self._tell_unknown(symbol for symbol, error in errors.items() if error.reason is Reason.UNKNOWN_SYMBOL)
            await self._clock.sleep(started + poll.tick_seconds() - self._clock.monotonic())
            # In an outage the next try is later; in short naps, since a GET may find the source back before it.
            while (left := asked.outage.wait_seconds) > 0:
                await self._clock.sleep(min(left, self._poll_interval_seconds))

    async def _renew(
        self, asked: _Asked, started: float, symbols: Sequence[str], overdue: Sequence[str]
    ) -> Mapping[str, StockTrackError]:
        """Ask for what was due when it `started`, and others for what is overdue; the errors of those that failed."""
        # What a user's call is about to bring is left to it, and not waited for: the poll waits for nobody.
        in_flight = [each.user_calls for each in self._asked.values()]
        errors, due = self._refused(
            [symbol for symbol in symbols if not any(calls.is_in_flight(symbol) for calls in in_flight)]
        )
        asked.poll.began(due, started)
        calls = [asked.poll_calls.ask(due)]
        # What there is no request left for others may have.
        for upstream, group in self.routes.followers(asked.upstream, overdue).items():
            asked.poll.began(group, started)
            calls.append(self._asked[upstream].poll_calls.ask(group))
        for part in await together(calls):
            errors |= part
        asked.poll.ended(due)
        asked.poll.put_off(symbol for symbol in due if symbol in errors and _is_put_off(errors[symbol]))
        return errors

    def _tell_unknown(self, symbols: Iterable[str]) -> None:
        """Tell those who watch a symbol that could not be checked when they began, and does not exist."""
        gone = (symbol for symbol in symbols if self._board.is_watched(symbol) and self._board.quote(symbol) is None)
        if unknown := frozenset(gone):
            self._tell(FeedEvent(Event.UNKNOWN, unknown))

    def _put_streamed(self, upstream: Upstream, quotes: Sequence[Quote]) -> None:
        """Put what a stream brings on the board."""
        full = quotes
        if not (isinstance(upstream.provider, Source) and upstream.provider.is_recorded):
            believed = self._gate.sift(quotes, self._board.quote)
            full = [completed(quote, self._board.quote(quote.symbol)) for quote in believed]
        self._board.put(full, self._clock.monotonic(), is_stream=True)
        upstream.look_at_stream()
        for each in self._asked.values():
            if each.outage.is_on:
                each.outage.streamed(self._leads.of(each.upstream))

    async def _learn_hours(self) -> None:
        """Know when the markets are open of which a stream tells: silence means something then."""
        while True:
            await self._clock.sleep(HOURS_SECONDS)
            streamed = [
                self._board.quote(each) for up in self._leads.streaming() for each in self._leads.streamed_by(up)
            ]
            # A question a symbol would be many where no exchange is told; who tells none tells the state itself.
            for quote in {quote.exchange: quote for quote in streamed if quote is not None and quote.exchange}.values():
                await self.questions.hours.learn(quote)

    async def _tidy_board(self) -> None:
        """Mark what was not renewed for three polls, also while a call hangs; forget what nobody asks for."""
        while True:
            await self._clock.sleep(self._poll_interval_seconds)
            # Time alone may make a source one that can be tried again, and whoever leads nothing does not look at it.
            self._arrange()
            for upstream, _ in self.routes.streams():
                upstream.look_at_stream()
            now = self._clock.monotonic()
            late = [symbol for symbol in self._board.watched() if self._is_late(symbol, now)]
            self._board.mark_stale(late, Reason.PROVIDER_TIMEOUT)
            self._board.forget(now - UNWATCHED_SECONDS, MAX_UNWATCHED)

    def _is_late(self, symbol: str, now: float) -> bool:
        entry = self._board.entry(symbol)
        if entry is None or entry.quote is None or entry.quote.stale:
            return False
        # Nothing is late sooner than this; how often it is asked for takes a while to say.
        if entry.refreshed_at >= now - STALE_POLLS * min(self._poll_interval_seconds, FILL_SECONDS):
            return False
        return entry.refreshed_at < now - STALE_POLLS * self._interval(symbol)


def _under_way(calls: Iterable[Batches], symbols: Sequence[str]) -> dict[str, asyncio.Future[StockTrackError | None]]:
    """What is to be waited for of `symbols` that were asked for already, by whatever calls."""
    found: dict[str, asyncio.Future[StockTrackError | None]] = {}
    for each in calls:
        found |= each.under_way(symbols)
    return found


def _is_put_off(error: StockTrackError) -> bool:
    """Whether something was not asked for, for want of requests: the source's, this server's or a user's."""
    return error.reason in {Reason.PROVIDER_BLOCKED, Reason.RATE_LIMITED}


def _by_source(answer: RoutedAnswer) -> Iterable[tuple[Upstream, list[tuple[str, StockTrackError]]]]:
    """What each source said of what it did not give."""
    said: dict[Upstream, list[tuple[str, StockTrackError]]] = {}
    for symbol, errors in answer.errors.items():
        for upstream, error in errors:
            said.setdefault(upstream, []).append((symbol, error))
    return said.items()
