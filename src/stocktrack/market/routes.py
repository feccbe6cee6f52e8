"""Which source is asked for what: the first in the setting's order that offers it and has not just failed at it.

Everybody asks here and nobody chooses a source by themselves, so whatever rule decides who leads a symbol and who fills
in for it stands in `Routes.quotes` and `Routes.stream`.
"""

import random
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import TypeVar

from stocktrack.clock import Clock
from stocktrack.errors import CommandError, ProviderError, Reason
from stocktrack.market.upstream import Upstream
from stocktrack.providers.base import Provider, QuoteAnswer, QuoteSource, StreamSource, capability_of

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
        rng: random.Random | None = None,
    ) -> None:
        rng = rng or random.Random()  # noqa: S311 - it spreads retries, it keeps no secret
        self.upstreams = tuple(
            Upstream(provider, clock, timeout_seconds=timeout_seconds, rng=rng) for provider in providers
        )

    async def start(self) -> None:
        """Warm up the providers."""
        for upstream in self.upstreams:
            await upstream.provider.start()

    async def close(self) -> None:
        """End the providers."""
        for upstream in self.upstreams:
            await upstream.provider.close()

    async def quotes(self, symbols: Sequence[str], priced: Callable[[], Collection[str]]) -> QuoteAnswer:
        """The quotes of `symbols`; `ProviderError` where every source failed.

        A source that has no price any more for all that `priced()` names has failed too, whatever it calls it.
        """
        return await self.first_answer(QuoteSource, partial(_ask_quotes, symbols, priced))

    def stream(self) -> tuple[Upstream, StreamSource] | None:
        """The source whose stream is run: the first source of prices, where it has one."""
        for upstream in self.upstreams:
            provider = upstream.provider
            if isinstance(provider, StreamSource):
                return upstream, provider
            if isinstance(provider, QuoteSource):
                return None
        return None

    async def first_answer(self, kind: type[Source], ask: Callable[[Source], Awaitable[Result]]) -> Result:
        """The answer of the first provider that is of this `kind` and does not fail.

        `ProviderError` of the first where all fail, `CommandError` where none is of this kind.
        """
        capability = capability_of(kind)
        offering = [(upstream, upstream.provider) for upstream in self.upstreams if isinstance(upstream.provider, kind)]
        # One that failed is not asked before its back-off ends, where another can serve meanwhile.
        ready = [(upstream, source) for upstream, source in offering if not upstream.is_backing_off(capability)]
        first_error: ProviderError | None = None
        for upstream, source in ready or offering:
            try:
                return await upstream.call(capability, partial(ask, source))
            except ProviderError as error:
                first_error = first_error or error
        if first_error is not None:
            raise first_error
        names = ", ".join(upstream.name for upstream in self.upstreams)
        raise CommandError(Reason.NOT_OFFERED, f"None of this server's sources ({names}) offers {capability}.")


async def _ask_quotes(
    symbols: Sequence[str], priced: Callable[[], Collection[str]], source: QuoteSource
) -> QuoteAnswer:
    answer = await source.quotes(symbols)
    expected = set(priced())
    if expected and answer.failed.keys() >= expected and not answer.quotes:
        raise next(iter(answer.failed.values()))
    return answer
