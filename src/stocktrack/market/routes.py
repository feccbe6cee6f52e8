"""Which source is asked for what: the first in the setting's order that offers it and has not just failed at it.

Everybody asks here and nobody chooses a source by themselves, so whatever rule decides who leads a symbol and who fills
in for it stands in `Routes.quotes` and `Routes.stream`.
"""

import random
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from stocktrack.clock import Clock
from stocktrack.errors import CommandError, ProviderError, Reason, StockTrackError
from stocktrack.market.upstream import Upstream
from stocktrack.messages import SourceInfo, SourceState
from stocktrack.providers.base import (
    QUESTION,
    Capability,
    Errand,
    Provider,
    QuoteAnswer,
    QuoteSource,
    StreamSource,
    capabilities_of,
    capability_of,
)

Result = TypeVar("Result")
Source = TypeVar("Source")


class Routes:
    """The providers in the order of the setting, each with what is known of its health in `upstreams`."""

    def __init__(
        self,
        providers: Sequence[Provider],
        clock: Clock,
        *,
        timeout_seconds: float,
        requests_per_minute: int | None = None,
        rng: random.Random | None = None,
    ) -> None:
        rng = rng or random.Random()  # noqa: S311 - it spreads retries, it keeps no secret
        self.upstreams = tuple(
            Upstream(provider, clock, timeout_seconds=timeout_seconds, rng=rng, requests_per_minute=requests_per_minute)
            for provider in providers
        )

    async def start(self) -> None:
        """Warm up the providers."""
        for upstream in self.upstreams:
            await upstream.provider.start()

    async def close(self) -> None:
        """End the providers."""
        for upstream in self.upstreams:
            await upstream.provider.close()

    async def quotes(
        self, symbols: Sequence[str], priced: Callable[[], Collection[str]], errand: Errand = QUESTION
    ) -> QuoteAnswer:
        """The quotes of `symbols`; `ProviderError` where every source failed.

        A source that has no price any more for all that `priced()` names has failed too, whatever it calls it.
        """

        async def ask(upstream: Upstream, source: QuoteSource) -> QuoteAnswer:
            def refusal(symbol: str) -> StockTrackError | None:
                return upstream.look_up_refusal(lambda: errand.refusal(symbol))

            return await upstream.call(
                Capability.QUOTES,
                partial(_ask_quotes, symbols, priced, replace(errand, refusal=refusal), source),
                requests=-(-len(symbols) // source.symbols_a_request),
                is_poll=errand.is_poll,
            )

        return await self._first_of(QuoteSource, ask)

    def paid_symbols_a_request(self) -> int | None:
        """Of how many symbols a request for quotes brings the prices; None where none is made now, or it is free."""
        for upstream, source in self._offering(QuoteSource)[:1]:
            if _is_paid(upstream):
                return source.symbols_a_request
        return None

    def is_paid(self, kind: type[Source]) -> bool:
        """Whether an answer of the sources of this kind takes a request that somebody has to pay for."""
        return any(_is_paid(upstream) for upstream, _ in self._offering(kind)[:1])

    def pace(self, symbols: int, seconds: float) -> float:
        """How far apart polls of so many symbols have to be, at least `seconds`; keeps room for them."""
        for upstream, source in self._offering(QuoteSource)[:1]:
            if upstream.ceiling is not None:
                seconds = upstream.ceiling.pace(-(-symbols // source.symbols_a_request), seconds)
        return seconds

    def stream(self) -> tuple[Upstream, StreamSource] | None:
        """The source whose stream is run: the first source of prices, where it has one."""
        for upstream in self.upstreams:
            provider = upstream.provider
            if isinstance(provider, StreamSource):
                return upstream, provider
            if isinstance(provider, QuoteSource):
                return None
        return None

    def sources(self) -> Sequence[SourceInfo]:
        """How each source is, in the order of the setting."""
        return [
            SourceInfo(
                provider=upstream.name,
                capabilities=tuple(sorted(capabilities_of(upstream.provider))),
                state=SourceState.BLOCKED
                if upstream.is_blocked
                else SourceState.FAILING
                if upstream.failing
                else SourceState.OK,
            )
            for upstream in self.upstreams
        ]

    async def first_answer(
        self, kind: type[Source], ask: Callable[[Source], Awaitable[Result]], *, symbol: str | None = None
    ) -> Result:
        """The answer of the first provider of this `kind` that serves `symbol`, where one is given, and does not fail.

        `ProviderError` of the first where all fail, `CommandError` where there is none.
        """
        capability = capability_of(kind)
        return await self._first_of(
            kind, lambda upstream, source: upstream.call(capability, partial(ask, source)), symbol=symbol
        )

    async def _first_of(
        self, kind: type[Source], ask: Callable[[Upstream, Source], Awaitable[Result]], *, symbol: str | None = None
    ) -> Result:
        first_error: ProviderError | None = None
        for upstream, source in self._offering(kind, symbol):
            try:
                return await ask(upstream, source)
            except ProviderError as error:
                first_error = first_error or error
        if first_error is not None:
            raise first_error
        names = ", ".join(upstream.name for upstream in self.upstreams)
        raise CommandError(Reason.NOT_OFFERED, f"None of this server's sources ({names}) offers {capability_of(kind)}.")

    def _offering(self, kind: type[Source], symbol: str | None = None) -> Sequence[tuple[Upstream, Source]]:
        """The sources of this kind that serve `symbol`, where one is given, in the order in which they are asked."""
        offering = [
            (upstream, upstream.provider)
            for upstream in self.upstreams
            if isinstance(upstream.provider, kind) and (symbol is None or upstream.provider.serves(symbol))
        ]
        # One that failed is not asked before its back-off ends, where another can serve meanwhile.
        capability = capability_of(kind)
        return [each for each in offering if not each[0].is_backing_off(capability)] or offering


def _is_paid(upstream: Upstream) -> bool:
    return not (upstream.provider.is_free or upstream.is_blocked)


async def _ask_quotes(
    symbols: Sequence[str], priced: Callable[[], Collection[str]], errand: Errand, source: QuoteSource
) -> QuoteAnswer:
    answer = await source.quotes(symbols, errand)
    expected = set(priced())
    if expected and answer.failed.keys() >= expected and not answer.quotes:
        raise next(iter(answer.failed.values()))
    return answer
