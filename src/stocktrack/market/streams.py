"""Runs the streams of the sources: opens each while there is use for it, and opens it again when it breaks.

A stream leads what `leads.py` gives it, and says only what is traded: what it leaves mute the polls fill in for.
"""

import contextlib
from collections.abc import Callable, Collection, Sequence

from stocktrack.clock import Clock, within
from stocktrack.errors import ProviderError, Reason, SourceUnusable
from stocktrack.market.leads import Leads
from stocktrack.market.upstream import Upstream
from stocktrack.providers.base import StreamSource
from stocktrack.quotes import Quote


class Stream:
    """The stream of one source. `run` for as long as the server does; a `StreamSink` for the source.

    `put(upstream, quotes)` takes what comes; `arrange()` is called when it is up or down, so that others lead
    meanwhile; `may_trade(symbol)` says whether the market of a symbol may be open.
    """

    def __init__(
        self,
        upstream: Upstream,
        source: StreamSource,
        leads: Leads,
        clock: Clock,
        *,
        put: Callable[[Upstream, Sequence[Quote]], None],
        arrange: Callable[[], None],
        may_trade: Callable[[str], bool],
    ) -> None:
        self._upstream = upstream
        self._source = source
        self._leads = leads
        self._clock = clock
        self._put = put
        self._arrange = arrange
        self._may_trade = may_trade
        # Our symbols by what the source calls them, made of what it leads by its stream.
        self._named: dict[str, list[str]] = {}
        self._named_of: object = None

    async def run(self) -> None:
        """Keep the stream open while it has something to carry; later and later where it goes on breaking."""
        while True:
            while not self._leads.has_use_for_stream(self._upstream):
                await self._leads.change()
            try:
                await self._upstream.stream(self._run_once)
            except ProviderError as error:
                seconds = (error.retry_after_ms or 0) / 1000
            except SourceUnusable:
                seconds = self._upstream.unusable_seconds()
            self._arrange()
            with contextlib.suppress(TimeoutError):
                await within(self._clock, seconds, self._upstream.recovered())

    async def _run_once(self) -> None:
        await self._source.stream(self._wanted, self)
        raise ProviderError(Reason.PROVIDER_ERROR, f"The stream of {self._upstream.name} ended.")

    def _wanted(self) -> Collection[str]:
        streamed = self._leads.streamed_by(self._upstream)
        if streamed is not self._named_of:
            named: dict[str, list[str]] = {}
            for symbol in streamed:
                named.setdefault(self._leads.name_at(self._upstream, symbol) or symbol, []).append(symbol)
            self._named, self._named_of = named, streamed
        return self._named.keys()

    # --- what the source says to it ------------------------------------------------------------------------------

    def opened(self) -> None:
        """The stream is up: from now on it leads."""
        self._upstream.opened()
        self._arrange()

    def publish(self, quotes: Sequence[Quote]) -> None:
        """New quotes, under the source's names for them."""
        self._wanted()
        ours: list[Quote] = []
        for quote in quotes:
            ours.extend(
                quote if symbol == quote.symbol else quote.model_copy(update={"symbol": symbol})
                for symbol in self._named.get(quote.symbol, ())
            )
        if ours:
            self._upstream.streamed()
            self._put(self._upstream, ours)

    def is_trading(self) -> bool:
        """Whether the market of anything it leads may be open."""
        return any(self._may_trade(symbol) for symbol in self._leads.streamed_by(self._upstream))

    async def demand_change(self) -> None:
        """It leads others by its stream than before, as far as is known."""
        await self._leads.change()
