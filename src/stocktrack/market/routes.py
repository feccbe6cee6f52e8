"""Asks the sources: each question goes to the source that leads, and on to the next where that has no answer.

Everybody asks here and nobody chooses a source by themselves. Who leads a symbol, and who may be asked for it at all,
says `leads.py`; what became of each source that was asked, whoever asks has to draw the consequences of.
"""

import asyncio
import contextlib
import math
import random
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any, TypeVar, cast

from stocktrack.clock import Clock, within
from stocktrack.errors import Code, CommandError, ProviderError, Reason, SourceUnusable, StockTrackError
from stocktrack.market.leads import Leads
from stocktrack.market.shapes import check_answer, check_quotes
from stocktrack.market.upstream import CeilingReached, Upstream
from stocktrack.messages import FeedInfo, SourceBudget, SourceInfo, SourceState, SourceStream
from stocktrack.providers.base import (
    Capability,
    Errand,
    Provider,
    QuoteAnswer,
    QuoteSource,
    RelayingSource,
    StreamSource,
    capabilities_of,
    capability_of,
)
from stocktrack.providers.instruments import Instruments
from stocktrack.quotes import Quote

Result = TypeVar("Result")
Source = TypeVar("Source")

# What is told of a symbol that several sources were asked for, by what they said: a failure may be over soon, and a
# symbol is unknown only where all of them say so.
_TELLING = (Code.SERVER_ERROR, Code.TOO_MANY_REQUESTS)

# How long a question waits for a source where another one could answer it: a client's own patience is ten seconds.
PATIENCE_SECONDS = 4.0
# How long whoever looks at the sources waits for a feed to tell of its own.
FEED_INFO_SECONDS = 2.0
# Of those that a source leads so many are named in detail: the reply stays a line.
SYMBOLS_TOLD = 200

Outcome = Mapping[str, Quote | StockTrackError]
# Has the requests for some symbols paid, so many symbols a request; the errors of those that nobody pays for.
Pay = Callable[[Sequence[str], int], Mapping[str, StockTrackError]]


@dataclass(slots=True)
class RoutedAnswer:
    """What the sources said of the symbols that were asked for: a quote, or all the errors on the way.

    `given` has the sources that answered, each with the symbols that it had; `fallen` those of which a whole call
    failed, each with what it was asked.
    """

    quotes: dict[str, Quote] = field(default_factory=dict)
    given: dict[Upstream, list[str]] = field(default_factory=dict)
    errors: dict[str, list[tuple[Upstream, StockTrackError]]] = field(default_factory=dict)
    fallen: dict[Upstream, tuple[ProviderError, Sequence[str]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Walk:
    """One way through the sources: on whose errand, who was tried for each symbol, and what came of it so far."""

    errand: Errand
    pay: Pay
    priced: Collection[str]
    tried: Mapping[str, set[Upstream]]
    answer: RoutedAnswer


class _NotYet(ProviderError):  # noqa: N818 - named as what happened
    """A source takes its time, and another one is asked."""

    def __init__(self, name: str) -> None:
        super().__init__(Reason.PROVIDER_TIMEOUT, f"{name} has not answered within {PATIENCE_SECONDS:g} s.")


class Routes:
    """The providers in the order of the setting, each with what is known of its health in `upstreams`."""

    def __init__(
        self,
        providers: Sequence[Provider],
        clock: Clock,
        *,
        timeout_seconds: float,
        poll_interval_seconds: float = 5.0,
        requests_per_minute: int | None = None,
        instruments: Instruments | None = None,
        rng: random.Random | None = None,
    ) -> None:
        rng = rng or random.Random()  # noqa: S311 - it spreads retries, it keeps no secret
        self.upstreams = tuple(
            Upstream(provider, clock, timeout_seconds=timeout_seconds, rng=rng, requests_per_minute=requests_per_minute)
            for provider in providers
        )
        self.instruments = instruments or Instruments()
        self.leads = Leads(self.upstreams, self.instruments, clock, poll_interval_seconds=poll_interval_seconds)
        self._clock = clock
        # Calls that somebody asked for and nobody waits for any more.
        self._late: set[asyncio.Task[Outcome]] = set()

    async def start(self, *, waits: bool = True) -> None:
        """Warm up the providers; where nobody `waits` for them, each when it is asked first."""
        for upstream in self.upstreams:
            if waits:
                await upstream.start()
            else:
                upstream.start_later()

    async def close(self) -> None:
        """End the providers, and what is still asked of them."""
        late = list(self._late)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        # Together: one that takes its time, or fails, keeps none of the others from closing.
        await asyncio.gather(*(upstream.close() for upstream in self.upstreams), return_exceptions=True)

    # --- quotes --------------------------------------------------------------------------------------------------

    def plan(self, symbols: Iterable[str]) -> dict[Upstream, list[str]]:
        """Whom to ask for which of `symbols` now, so that each source has one call; leaves out what nobody serves.

        It is the first that has room for a question, and the lead where none has.
        """
        rooms = {up: up.room_for_symbols(is_poll=False) for up in self.upstreams}
        plan: dict[Upstream, list[str]] = {}
        for symbol in symbols:
            candidates = self.leads.candidates(symbol)
            upstream = next((up for up in candidates if rooms[up] > 0), None)
            if upstream is None:
                upstream = next(iter(candidates or self._failing(symbol)), None)
            if upstream is not None:
                rooms[upstream] -= 1
                plan.setdefault(upstream, []).append(symbol)
        return plan

    def may_ask_for(self, symbol: str) -> bool:
        """Whether any source that serves `symbol` may be asked for it, or will be once it is well."""
        return bool(self._failing(symbol))

    def followers(self, lead: Upstream, symbols: Iterable[str]) -> dict[Upstream, list[str]]:
        """Whom to ask for `symbols` beside their lead, as far as others have room."""
        rooms = {up: up.room_for_symbols(is_poll=True) for up in self.upstreams}
        followers: dict[Upstream, list[str]] = {}
        for symbol in symbols:
            candidates = (up for up in self.leads.candidates(symbol) if up is not lead and rooms[up] > 0)
            if (upstream := next(candidates, None)) is not None:
                rooms[upstream] -= 1
                followers.setdefault(upstream, []).append(symbol)
        return followers

    async def quotes(
        self, first: Upstream, symbols: Sequence[str], errand: Errand, *, pay: Pay, priced: Collection[str]
    ) -> RoutedAnswer:
        """Ask `first` for `symbols`, and the others that serve them for what it has no quote of.

        A source that has no price any more for all that it leads and that is `priced` has failed too, whatever it calls
        it.
        """
        answer = RoutedAnswer()
        walk = _Walk(errand, pay, priced, {symbol: {first} for symbol in symbols}, answer)
        groups: dict[Upstream, list[str]] = {first: list(symbols)}
        while groups:
            outcomes = await together([self._ask(up, group, walk) for up, group in groups.items()])
            following: dict[Upstream, list[str]] = {}
            for (upstream, group), outcome in zip(groups.items(), outcomes, strict=True):
                for symbol in group:
                    result = outcome[symbol]
                    if isinstance(result, Quote):
                        answer.quotes[symbol] = result
                        answer.given[upstream].append(symbol)
                        continue
                    answer.errors.setdefault(symbol, []).append((upstream, result))
                    if (follower := self._follower(symbol, walk)) is not None:
                        walk.tried[symbol].add(follower)
                        following.setdefault(follower, []).append(symbol)
            groups = following
        return answer

    def why_missing(self, symbol: str, errors: Iterable[tuple[Upstream, StockTrackError]] = ()) -> StockTrackError:
        """What is told of a symbol that no source gave, after what those said that were asked."""
        said = dict(errors)
        serving = self.leads.serving(symbol)
        for upstream in serving:
            if upstream not in said and (error := self._why_not_asked(upstream, symbol)) is not None:
                said[upstream] = error
        # That a source cannot be used says nothing of the symbol.
        said = {upstream: error for upstream, error in said.items() if not isinstance(error, SourceUnusable)}
        for code in _TELLING:
            for error in said.values():
                if error.code is code:
                    return error
        not_offered = [error for error in said.values() if error.reason is Reason.NOT_OFFERED]
        if not_offered:
            return not_offered[0]
        if said:
            return CommandError(Reason.UNKNOWN_SYMBOL, f"No source knows the symbol {symbol}.")
        if serving:
            return ProviderError(Reason.PROVIDER_ERROR, f"No source has given {symbol} yet.")
        return self._not_served(symbol)

    def _follower(self, symbol: str, walk: _Walk) -> Upstream | None:
        candidates = (up for up in self.leads.candidates(symbol) if up not in walk.tried[symbol])
        return next(candidates, None)

    def _failing(self, symbol: str) -> Sequence[Upstream]:
        """Those that would be asked for `symbol` if they were well."""
        serving = self.leads.serving(symbol)
        return [up for up in serving if up.quote_source is not None and up.refusals.get(symbol) is None]

    def _why_not_asked(self, upstream: Upstream, symbol: str) -> StockTrackError | None:
        if (refusal := upstream.refusals.get(symbol)) is not None:
            return refusal
        if upstream.is_well:
            return None
        seconds = max(upstream.rests_until - self._clock.monotonic(), upstream.back_off_seconds(Capability.QUOTES))
        why = upstream.status().error
        why = why or ProviderError(Reason.PROVIDER_ERROR, f"{upstream.name} does not answer.")
        return ProviderError(why.reason, why.message, retry_after_ms=math.ceil(seconds * 1000))

    def _not_served(self, symbol: str) -> StockTrackError:
        """Why nobody serves `symbol`, in words."""
        quoting = [up for up in self.upstreams if up.quote_source is not None or up.stream_source is not None]
        names = ", ".join(up.name for up in self.upstreams)
        if not quoting:
            return CommandError(Reason.NOT_OFFERED, f"None of this server's sources ({names}) offers quotes.")
        for upstream in quoting:
            why = upstream.unusable
            if why is not None and self.leads.name_at(upstream, symbol) is not None:
                if why.is_waiting:
                    return ProviderError(Reason.PROVIDER_BLOCKED, why.message, retry_after_ms=why.retry_after_ms)
                return CommandError(Reason.NOT_OFFERED, why.message)
        return CommandError(Reason.NOT_OFFERED, self.instruments.not_offered(symbol, names))

    async def _ask(self, upstream: Upstream, symbols: Sequence[str], walk: _Walk) -> Outcome:
        """Ask one source for as much of `symbols` as it has room for; an error for each of the others."""
        source, is_poll = cast("QuoteSource", upstream.quote_source), walk.errand.is_poll
        outcome: dict[str, Quote | StockTrackError] = {}
        try:
            if upstream.room_for_symbols(is_poll=is_poll) < 1 and not all(
                self._follower(each, walk) for each in symbols
            ):
                await upstream.turn(is_poll=is_poll)
            room = upstream.room_for_symbols(is_poll=is_poll)
            fitting = list(symbols) if room >= len(symbols) else list(symbols[: int(room)])
            if len(fitting) < len(symbols):
                outcome |= dict.fromkeys(symbols[len(fitting) :], upstream.ceiling_reached())
            if fitting and not (is_poll or upstream.provider.is_free or upstream.is_blocked):
                outcome |= walk.pay(fitting, source.symbols_a_request)
            if asked := [symbol for symbol in fitting if symbol not in outcome]:
                outcome |= await self._call_in_time(upstream, source, asked, walk)
                walk.answer.given.setdefault(upstream, [])
        except _NotYet as error:
            outcome |= {symbol: error for symbol in symbols if symbol not in outcome}
        except CeilingReached as error:
            outcome |= {symbol: error for symbol in symbols if symbol not in outcome}
        except ProviderError as error:
            rest = [symbol for symbol in symbols if symbol not in outcome]
            walk.answer.fallen[upstream] = (error, rest)
            outcome |= dict.fromkeys(rest, error)
        except (SourceUnusable, CommandError) as error:
            outcome |= {symbol: error for symbol in symbols if symbol not in outcome}
        return outcome

    async def _call_in_time(
        self, upstream: Upstream, source: QuoteSource, symbols: Sequence[str], walk: _Walk
    ) -> Outcome:
        """What `_call` returns; `_NotYet` where a question that others can answer has waited for long enough.

        The call goes on: whether the source answers in the end is noted, and nobody waits for it.
        """
        call = self._call(upstream, source, symbols, walk)
        if walk.errand.is_poll or not all(self._follower(each, walk) for each in symbols):
            return await call
        task = asyncio.create_task(call, name=f"ask {upstream.name}")
        try:
            await within(self._clock, PATIENCE_SECONDS, asyncio.wait((task,)))
        except TimeoutError:
            self._late.add(task)
            task.add_done_callback(self._came_late)
            raise _NotYet(upstream.name) from None
        except asyncio.CancelledError:
            task.cancel()
            raise
        return task.result()

    def _came_late(self, task: asyncio.Task[Outcome]) -> None:
        self._late.discard(task)
        if not task.cancelled():
            task.exception()  # the source's failure was noted where it was asked

    async def _call(self, upstream: Upstream, source: QuoteSource, symbols: Sequence[str], walk: _Walk) -> Outcome:
        named: dict[str, list[str]] = {}  # our symbols by what the source calls them
        for symbol in symbols:
            named.setdefault(self.leads.name_at(upstream, symbol) or symbol, []).append(symbol)

        def refusal(name: str) -> StockTrackError | None:
            return upstream.look_up_refusal(lambda: walk.errand.refusal(named.get(name, [name])[0]))

        led = [symbol for symbol in self.leads.of(upstream) if symbol in walk.priced]
        answer = await upstream.call(
            Capability.QUOTES,
            partial(
                _ask_quotes,
                tuple(named),
                {self.leads.name_at(upstream, symbol) for symbol in led},
                replace(walk.errand, refusal=refusal),
                source,
            ),
            requests=-(-len(named) // source.symbols_a_request),
            is_poll=walk.errand.is_poll,
        )
        outcome: dict[str, Quote | StockTrackError] = {}
        for name, ours in named.items():
            for symbol in ours:
                outcome[symbol] = _said_of(name, symbol, answer, upstream)
        return outcome

    # --- streams -------------------------------------------------------------------------------------------------

    def streams(self) -> Sequence[tuple[Upstream, StreamSource]]:
        """The sources that have a stream."""
        return [(up, up.stream_source) for up in self.upstreams if up.stream_source is not None]

    # --- other questions -----------------------------------------------------------------------------------------

    def is_paid(self, kind: type[Source]) -> bool:
        """Whether an answer of the sources of this kind takes a request that somebody has to pay for."""
        return any(not (up.provider.is_free or up.is_blocked) for up, _ in self._offering(kind)[:1])

    async def first_answer(
        self,
        kind: type[Source],
        ask: Callable[[Source], Awaitable[Result]],
        *,
        among: Callable[[str], bool] = lambda _name: True,
    ) -> Result:
        """The answer of the first provider that is of this `kind` and does not fail, ``among(name)`` those that may.

        `ProviderError` of the first where all fail, `CommandError` where none is of this kind.
        """
        capability = capability_of(kind)
        offering = self._offering(kind, lambda upstream: among(upstream.name))
        return await self._first_of(
            offering,
            lambda upstream, source: upstream.call(capability, partial(_ask_other, capability, partial(ask, source))),
            f"None of this server's sources ({self._names()}) offers {capability}.",
        )

    async def first_answer_of(
        self, kind: type[Source], symbol: str, ask: Callable[[Source, str], Awaitable[Result | None]]
    ) -> Result | None:
        """The first answer that is something: ``ask(source, name)`` asks a source for what it calls `symbol`.

        None where all that serve the symbol say that they have nothing; errors as in `first_answer`.
        """
        capability = capability_of(kind)
        offering, why_none = self.serving(kind, symbol), self.not_offered(kind, symbol)
        has_nothing = False

        async def ask_one(upstream: Upstream, source: Source) -> Result | None:
            nonlocal has_nothing
            name = self.leads.name_at(upstream, symbol) or symbol
            result = await upstream.call(capability, partial(_ask_other, capability, partial(ask, source, name)))
            if result is None:
                has_nothing = True
                raise CommandError(Reason.NOT_OFFERED, f"{upstream.name} has nothing on {symbol}.")
            return result

        try:
            return await self._first_of(offering, ask_one, why_none)
        except CommandError:
            if has_nothing:
                return None
            raise

    def serving(self, kind: type[Source], symbol: str) -> Sequence[tuple[Upstream, Source]]:
        """The sources of this `kind` that may have `symbol`, in the order in which they are asked."""
        return self._offering(kind, lambda upstream: self.leads.name_at(upstream, symbol) is not None)

    def not_offered(self, kind: type[Source], symbol: str) -> str:
        """Why no source of this `kind` has `symbol`, in words."""
        every = self._offering(kind)
        if every:
            return self.instruments.not_offered(symbol, ", ".join(upstream.name for upstream, _ in every))
        return f"None of this server's sources ({self._names()}) offers {capability_of(kind)}."

    async def _first_of(
        self,
        offering: Sequence[tuple[Upstream, Source]],
        ask: Callable[[Upstream, Source], Awaitable[Result]],
        why_none: str,
    ) -> Result:
        first_error: ProviderError | None = None
        first_why_not: StockTrackError | None = None
        for upstream, source in offering:
            try:
                return await ask(upstream, source)
            except ProviderError as error:
                first_error = first_error or error
            except (SourceUnusable, CommandError) as error:
                if error.reason is not Reason.NOT_OFFERED:
                    raise
                first_why_not = first_why_not or CommandError(error.reason, error.message)
        if first_error is not None:
            raise first_error
        if first_why_not is not None:
            raise first_why_not
        raise CommandError(Reason.NOT_OFFERED, why_none)

    def _names(self) -> str:
        return ", ".join(upstream.name for upstream in self.upstreams)

    def _offering(
        self, kind: type[Source], among: Callable[[Upstream], bool] = lambda _upstream: True
    ) -> Sequence[tuple[Upstream, Source]]:
        """The sources of this kind, of those that ``among(upstream)`` lets in, in the order in which they are asked."""
        offering = [
            (upstream, upstream.provider)
            for upstream in self.upstreams
            if isinstance(upstream.provider, kind) and among(upstream)
        ]
        offering = [each for each in offering if each[0].is_usable] or offering
        # One that failed is not asked before its back-off ends, where another can serve meanwhile.
        capability = capability_of(kind)
        return [each for each in offering if not each[0].is_backing_off(capability)] or offering

    # --- for the operator ----------------------------------------------------------------------------------------

    def sources(self, *, is_detailed: bool = False) -> Sequence[SourceInfo]:
        """How each source is, in the order of the setting; in detail with the symbols that it leads."""
        told = [self._source(upstream) for upstream in self.upstreams]
        return list(map(self._with_symbols, told, self.upstreams)) if is_detailed else told

    async def feed_info(self) -> FeedInfo | None:
        """What the feed of another process says of itself; None where there is none, or it does not say so in time."""
        for upstream in self.upstreams:
            if isinstance(upstream.provider, RelayingSource):
                with contextlib.suppress(StockTrackError, TimeoutError):  # how that source is says why
                    return await within(self._clock, FEED_INFO_SECONDS, upstream.provider.feed_info())
        return None

    def _with_symbols(self, told: SourceInfo, upstream: Upstream) -> SourceInfo:
        streamed = tuple(islice(self.leads.streamed_by(upstream), SYMBOLS_TOLD))
        polled = tuple(islice(self.leads.polled_by(upstream), SYMBOLS_TOLD))
        return told.model_copy(update={"streamed": streamed, "polled": polled})

    def _source(self, upstream: Upstream) -> SourceInfo:
        status = upstream.status()
        ceiling, source = upstream.ceiling, upstream.stream_source
        stream = None
        if source is not None:
            stream = SourceStream(
                is_up=upstream.is_streaming,
                symbols=len(self.leads.streamed_by(upstream)) if upstream.is_streaming else 0,
                places=source.stream_places,
            )
        retry_at = self._clock.now_ms() + math.ceil(status.retry_seconds * 1000) if status.retry_seconds else None
        return SourceInfo(
            provider=upstream.name,
            capabilities=tuple(sorted(capabilities_of(upstream.provider))),
            state=status.state,
            last_success_at=upstream.last_success_at,
            retry_at=retry_at if status.state not in {SourceState.OK, SourceState.UNUSED} else None,
            reason=status.error.reason if status.error is not None else None,
            message=status.error.message if status.error is not None else None,
            budget=SourceBudget(used=ceiling.used(), limit=ceiling.per_minute, seconds=60) if ceiling else None,
            stream=stream,
            leads=len(self.leads.of(upstream)),
        )


async def together(calls: Sequence[Coroutine[Any, Any, Result]]) -> Sequence[Result]:
    """What the calls return, made at once; one alone is simply waited for."""
    return [await calls[0]] if len(calls) == 1 else await asyncio.gather(*calls)


def _said_of(name: str, symbol: str, answer: QuoteAnswer, upstream: Upstream) -> Quote | StockTrackError:
    """What a source said of one symbol."""
    quote = answer.quotes.get(name)
    if quote is not None:
        return quote if name == symbol else quote.model_copy(update={"symbol": symbol})
    if name in answer.unknown:
        return CommandError(Reason.UNKNOWN_SYMBOL, f"No source knows the symbol {symbol}.")
    for errors in (answer.put_off, answer.not_offered, answer.failed):
        if (error := errors.get(name)) is not None:
            return error
    return ProviderError(Reason.PROVIDER_ERROR, f"{upstream.name} left {symbol} out of its answer.")


async def _ask_other(capability: Capability, ask: Callable[[], Awaitable[Result]]) -> Result:
    answer = await ask()
    check_answer(capability, answer)
    return answer


async def _ask_quotes(
    names: Sequence[str], expected: Collection[str | None], errand: Errand, source: QuoteSource
) -> QuoteAnswer:
    answer = check_quotes(await source.quotes(names, errand))
    if expected and answer.failed.keys() >= set(expected) and not answer.quotes:
        raise next(iter(answer.failed.values()))
    return answer
