"""What a market source must do, by capability.

A provider implements the protocols of what it offers, and nothing else: `capabilities_of` sees which. It translates
its library's exceptions into `ProviderError` and never lets another one out. It does not retry, cache or back off:
`market/` does that, once for all providers.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

from stocktrack.bars import Bar, BarInterval, Split
from stocktrack.errors import ProviderError, StockTrackError
from stocktrack.messages import FeedInfo
from stocktrack.quotes import CompanyInfo, Dividend, Headline, Match, Quote, TradingDay


@dataclass(frozen=True, slots=True)
class QuoteAnswer:
    """What a source said of the symbols it was asked: each stands in exactly one of the five.

    `unknown` holds only symbols that the source positively does not have. A symbol that could not be looked up
    stands in `failed`: an outage never turns a known symbol into an unknown one. What the errand refused a request for
    stands in `put_off`, with the reason; what the source has but does not give to this server, as for want of a paid
    plan, in `not_offered`, with a sentence that says why.
    """

    quotes: Mapping[str, Quote] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()
    failed: Mapping[str, ProviderError] = field(default_factory=dict)
    put_off: Mapping[str, StockTrackError] = field(default_factory=dict)
    not_offered: Mapping[str, StockTrackError] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Budget:
    """How often a source lets itself be asked, by its own terms; None where those say nothing.

    The market counts a call's requests as it begins; within a call of several the source keeps to the second by itself.
    One that `is_unlimited` is the operator's own: this server asks it as often as it likes. What users cause there is
    limited all the same, since others may have to be asked for it.
    """

    requests_per_minute: int | None = None
    requests_per_second: int | None = None
    is_unlimited: bool = field(default=False, repr=False)


@dataclass(frozen=True, slots=True)
class Errand:
    """On whose behalf quotes are asked for.

    The poll of what is watched (`is_poll`) waits for nobody's questions: a source with threads keeps some for it.
    `refusal(symbol)` is asked right before each request that is for one symbol alone; where it returns an error the
    request is not made.
    """

    is_poll: bool = False
    refusal: Callable[[str], StockTrackError | None] = lambda _symbol: None


@dataclass(frozen=True, slots=True)
class BarLimit:
    """Of which bars a source has how much: those of the last `days_back`, so many days a request; None for any."""

    days_back: int | None = None
    days_a_request: int | None = None


@dataclass(frozen=True, slots=True)
class SourceBars:
    """The bars that a source has of one symbol from one moment to another, in order, none twice.

    The prices are corrected for all splits up to now, unless `are_as_traded`. `factors` are those of each bar by which
    its prices are corrected for dividends as well; None where the source tells none. `splits` and `dividend_times` are
    those that happened in the stretch. `zone` is the IANA name of the exchange's time zone. `day` are the market's
    hours of today, or of its next or last day; None where it has none, being open day and night. `last_trade_at` is
    when the symbol was traded last, epoch milliseconds, also where that was long before the stretch.

    Where the source has no bars of such an interval of this symbol at all, as of a fund that is priced once a day,
    `has_none_so_short` says so.
    """

    provider: str
    bars: Sequence[Bar]
    zone: str | None = None
    currency: str | None = None
    factors: Sequence[float] | None = None
    splits: Sequence[Split] = ()
    dividend_times: Sequence[int] = ()
    day: TradingDay | None = None
    last_trade_at: int | None = None
    are_as_traded: bool = False
    has_none_so_short: bool = False


QUESTION = Errand()
Publish = Callable[[Sequence[Quote]], None]
Wanted = Callable[[], Collection[str]]


class StreamSink(Protocol):
    """Where a stream puts what it has to say; none of it blocks."""

    def opened(self) -> None:
        """Say that the stream is up: what is wanted was asked for, and silence now means that nothing is traded."""
        ...

    def publish(self, quotes: Sequence[Quote]) -> None:
        """Hand over new quotes."""
        ...

    def is_trading(self) -> bool:
        """Whether the market of anything that is wanted may be open: a silent stream is then a reason to worry."""
        ...

    async def demand_change(self) -> None:
        """Return when other symbols are wanted, for who can follow at once and need not look now and then."""
        ...


class Provider(Protocol):
    """A source. `start` warms it up (imports, connections) before the server says that it is ready."""

    @property
    def name(self) -> str:
        """As in the setting `providers` and in the `provider` of a quote."""
        ...

    @property
    def is_free(self) -> bool:
        """Whether it may be asked as often as anybody likes: it asks nobody else, since it invents or reads files."""
        ...

    @property
    def budget(self) -> Budget:
        """How often it may be asked; the server asks less often where its own settings say so."""
        ...

    def serves(self, symbol: str) -> bool:
        """Whether it may have `symbol`: a cheap rule of its writing, without a call."""
        ...

    async def start(self) -> None:
        """Get ready; `SourceUnusable` where its settings do not do, `ConfigError` where the server should not start.

        Its other methods raise `SourceUnusable` too, as long as that is so.
        """
        ...

    async def close(self) -> None:
        """Free everything within a second, also while calls hang."""
        ...


class Source:
    """What a source is unless it says otherwise: it serves any symbol, and nothing is known of a budget."""

    name = ""
    is_free = False
    # Whether its quotes were on a board before, of which the market takes them over as they stood there.
    is_recorded = False
    budget = Budget()

    def serves(self, symbol: str) -> bool:
        """Whether it may have `symbol`: any."""
        return bool(symbol)

    def check_settings(self) -> None:
        """`SourceUnusable` where its settings do not do, as far as that shows without asking anybody."""

    async def start(self) -> None:
        """Nothing has to be got ready."""

    async def close(self) -> None:
        """Nothing has to be freed."""


@runtime_checkable
class QuoteSource(Protocol):
    """Current prices of many symbols at once."""

    @property
    def symbols_a_request(self) -> int:
        """Of how many symbols one request brings the prices."""
        ...

    async def quotes(self, symbols: Sequence[str], errand: Errand = QUESTION) -> QuoteAnswer:
        """The answer for every one of `symbols`; `ProviderError` where all of it failed."""
        ...


@runtime_checkable
class StreamSource(Protocol):
    """Prices as they come."""

    @property
    def stream_places(self) -> int | None:
        """How many symbols its stream takes; None for any number. It may change while the stream runs."""
        ...

    async def stream(self, wanted: Wanted, sink: StreamSink) -> None:
        """Hand batches of quotes of the symbols that `wanted()` names to `sink`, until cancelled.

        `wanted()` is asked again and again, since it changes; `ProviderError` where the stream broke. The market opens
        it again, later and later, so it does not try again by itself.
        """
        ...


@runtime_checkable
class RecoveringSource(Protocol):
    """A source that knows by itself when it is well again: others are only tried again, later and later."""

    async def recovered(self) -> None:
        """Return when its stream, which broke, is worth opening again."""
        ...


@runtime_checkable
class WatchedSource(Protocol):
    """A source that knows by itself how it is, also while nobody asks it for anything."""

    @property
    def trouble(self) -> ProviderError | None:
        """What keeps it from delivering at this moment; None where nothing does."""
        ...


@runtime_checkable
class DroppingSource(Protocol):
    """A source to which anybody may write: what makes no sense it drops, and counts."""

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many messages were dropped so far, by why, each a word."""
        ...


# What a feed elsewhere has to tell: "outage", "restored" or "unknown", the symbols, and for an outage the error.
RelayNotice = Callable[[str, frozenset[str], StockTrackError | None], None]


@runtime_checkable
class RelayingSource(Protocol):
    """A source whose quotes a feed in another process has counted: their `seq` counts in that feed's instance.

    Whoever builds the server sets both; they are called while the source runs.
    """

    on_instance: Callable[[str], None]
    on_notice: RelayNotice

    def is_fed(self, symbol: str) -> bool:
        """Whether the newest quote of `symbol` is such a feed's; others may publish at the same place."""
        ...

    async def feed_info(self) -> FeedInfo | None:
        """What that feed says of itself and its sources; None where none leads."""
        ...


@runtime_checkable
class NewsSource(Protocol):
    """Headlines of the market."""

    async def news(self) -> Sequence[Headline]:
        """All current headlines, without doubles, newest first; an empty list where there are none."""
        ...


@runtime_checkable
class SymbolNewsSource(Protocol):
    """Headlines of one symbol."""

    async def symbol_news(self, symbol: str) -> Sequence[Headline]:
        """The current headlines of `symbol`, without doubles, newest first; an empty list where there are none."""
        ...


@runtime_checkable
class HoursSource(Protocol):
    """When markets are open."""

    async def trading_day(self, symbol: str) -> TradingDay | None:
        """The hours of the market of `symbol` today, or on its next day; None where the source tells none."""
        ...


@runtime_checkable
class CompanySource(Protocol):
    """What is known of companies."""

    async def company(self, symbol: str) -> CompanyInfo | None:
        """The company behind `symbol`; None where the source positively has none."""
        ...


@runtime_checkable
class DividendSource(Protocol):
    """Dividends paid."""

    async def dividends(self, symbol: str) -> Sequence[Dividend] | None:
        """All dividends, newest first, empty where none was ever paid; None where the symbol is unknown."""
        ...


@runtime_checkable
class HistorySource(Protocol):
    """Bars of the past."""

    @property
    def bar_limits(self) -> Mapping[BarInterval, BarLimit]:
        """The intervals that it has bars of, and how much of each."""
        ...

    async def bars(
        self, symbol: str, interval: BarInterval, start: int, end: int, *, prepost: bool
    ) -> SourceBars | None:
        """The bars of `symbol` that begin from `start` on and before `end`, epoch milliseconds; None where unknown.

        It is one request, of no more than `bar_limits` allow. With `prepost` those before and after the regular hours
        come too, marked with their `market_state`. The bar that still changes comes with the others, once.
        """
        ...

    async def splits(self, symbol: str) -> Sequence[Split] | None:
        """All splits of `symbol` that there ever were, in order; None where it is unknown."""
        ...


@runtime_checkable
class SearchSource(Protocol):
    """Symbols by name."""

    async def search(self, query: str, limit: int) -> Sequence[Match]:
        """At most `limit` symbols that match, the best first."""
        ...


class Capability(StrEnum):
    """What a source can offer."""

    QUOTES = "quotes"
    STREAM = "stream"
    NEWS = "news"
    SYMBOL_NEWS = "symbol_news"
    COMPANY = "company"
    DIVIDENDS = "dividends"
    SEARCH = "search"
    HOURS = "hours"
    HISTORY = "history"


_PROTOCOLS: dict[Capability, type] = {
    Capability.QUOTES: QuoteSource,
    Capability.STREAM: StreamSource,
    Capability.NEWS: NewsSource,
    Capability.SYMBOL_NEWS: SymbolNewsSource,
    Capability.COMPANY: CompanySource,
    Capability.DIVIDENDS: DividendSource,
    Capability.SEARCH: SearchSource,
    Capability.HOURS: HoursSource,
    Capability.HISTORY: HistorySource,
}
# The members that a source of each capability has.
CAPABILITIES: Mapping[Capability, tuple[str, ...]] = {
    capability: tuple(member for member in vars(protocol) if not member.startswith("_"))
    for capability, protocol in _PROTOCOLS.items()
}


def capabilities_of(provider: Provider) -> frozenset[Capability]:
    """What `provider` offers: the capabilities whose protocol it implements."""
    return frozenset(capability for capability, protocol in _PROTOCOLS.items() if isinstance(provider, protocol))


def capability_of(kind: type) -> Capability:
    """The capability whose protocol is `kind`."""
    return next(capability for capability, protocol in _PROTOCOLS.items() if protocol is kind)
