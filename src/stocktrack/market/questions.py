"""What is asked beside prices (news, companies, dividends, searches), from the sources or from a recent answer."""

import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from stocktrack.clock import Clock, within
from stocktrack.errors import CommandError, Reason, StockTrackError
from stocktrack.market.answer_cache import AnswerCache
from stocktrack.market.archive import Archive
from stocktrack.market.bills import Payer, charge
from stocktrack.market.history import History
from stocktrack.market.hours import Hours
from stocktrack.market.routes import Routes
from stocktrack.messages import MAX_LIST_LIMIT
from stocktrack.providers.base import (
    CompanySource,
    DividendSource,
    HistorySource,
    NewsSource,
    SearchSource,
    SymbolNewsSource,
)
from stocktrack.providers.symbol_names import has_names
from stocktrack.quotes import CompanyInfo, Dividend, Headline, Match
from stocktrack.segments import SEGMENT_WORDS, Wanted, split_symbol

# How long an answer is remembered.
NEWS_SECONDS = 30.0
SYMBOL_NEWS_SECONDS = 60.0
SEEN_SECONDS = 3_600.0
_MOST_SEEN = 1_000
COMPANY_SECONDS = 3_600.0
DIVIDENDS_SECONDS = 600.0
SEARCH_SECONDS = 600.0
# How long the answer on a company waits for the hours of its market; they come with the next one otherwise.
HOURS_PATIENCE_SECONDS = 1.0


class Questions:
    """Asks the sources. `known(symbols, payer)` returns the errors of those of `symbols` that have no quote.

    Every question raises `ProviderError` where the sources fail, and `CommandError` where none of them offers it, or
    where its `payer` would have to pay a request and cannot; without a payer it is the server's own question.
    What is known of the markets' `hours` others use as well; `history` answers on bars.
    """

    def __init__(
        self,
        routes: Routes,
        clock: Clock,
        *,
        known: Callable[[Sequence[str], Payer | None], Awaitable[Mapping[str, StockTrackError]]],
    ) -> None:
        self.hours = Hours(routes, clock)
        archive = Archive(
            routes,
            clock,
            refuse_unknown=self._refuse_unknown,
            charge=lambda payer: self._charge(HistorySource, payer),
        )
        self.history = History(archive, routes.instruments, clock)
        self._routes = routes
        self._instruments = routes.instruments
        self._clock = clock
        self._known = known
        self._news: AnswerCache[str, Sequence[Headline]] = AnswerCache(clock, seconds=NEWS_SECONDS)
        self._symbol_news: AnswerCache[str, Sequence[Headline] | None] = AnswerCache(clock, seconds=SYMBOL_NEWS_SECONDS)
        # Symbols that there are, and until when that is taken for granted.
        self._seen: dict[str, float] = {}
        self._companies: AnswerCache[str, CompanyInfo | None] = AnswerCache(clock, seconds=COMPANY_SECONDS)
        self._dividends: AnswerCache[str, Sequence[Dividend] | None] = AnswerCache(clock, seconds=DIVIDENDS_SECONDS)
        self._searches: AnswerCache[tuple[str, int, str | None], Sequence[Match]] = AnswerCache(
            clock, seconds=SEARCH_SECONDS
        )

    async def close(self) -> None:
        """Cancel what is in flight."""
        for cache in (self._news, self._symbol_news, self._companies, self._dividends, self._searches):
            await cache.close()
        await self.hours.close()
        await self.history.close()

    async def news(self, limit: int, payer: Payer | None = None) -> Sequence[Headline]:
        """The newest headlines; `CommandError` where there are none."""
        headlines = await self._news.get(
            "news",
            lambda: self._routes.first_answer(NewsSource, lambda source: source.news()),
            lambda: self._charge(NewsSource, payer),
        )
        if not headlines:
            raise CommandError(Reason.NO_NEWS, "The news sources have no headlines at the moment.")
        return headlines[:limit]

    async def symbol_news(self, symbol: str, limit: int, payer: Payer | None = None) -> Sequence[Headline]:
        """The newest headlines of `symbol`; `CommandError` where there are none, or no such symbol."""
        if (refusal := self._instruments.refusal(symbol)) is not None:
            raise refusal
        # A source of headlines may take any text for a word to look for: whether there is such a symbol is for the
        # sources of quotes to say.
        if self._seen.get(symbol, 0.0) <= self._clock.monotonic() and await self._refuse_unknown(symbol, payer):
            self._note_seen(symbol)
        headlines = await self._symbol_news.get(
            symbol,
            lambda: self._routes.first_answer_of(SymbolNewsSource, symbol, _headlines_if_any),
            lambda: self._charge(SymbolNewsSource, payer),
        )
        if not headlines:
            raise CommandError(Reason.NO_NEWS, f"There are no headlines of {symbol} at the moment.")
        return headlines[:limit]

    async def company(self, symbol: str, payer: Payer | None = None) -> CompanyInfo:
        """The company behind `symbol`, with what is known of the symbol here and the hours of its market.

        `CommandError` where nothing is known of it anywhere.
        """
        told = None
        try:
            told = await self._companies.get(
                symbol,
                lambda: self._routes.first_answer_of(CompanySource, symbol, lambda source, name: source.company(name)),
                lambda: self._charge(CompanySource, payer),
            )
        except StockTrackError:
            if self._instruments.company(symbol, None) is None:
                raise
        company = self._instruments.company(symbol, told)
        if company is None:
            await self._refuse_unknown(symbol, payer)
            raise CommandError(Reason.NO_COMPANY_INFO, f"Nothing is known of a company behind {symbol}.")
        return await self._with_hours(company)

    async def dividends(self, symbol: str, limit: int, payer: Payer | None = None) -> Sequence[Dividend]:
        """The newest dividends of `symbol`; `CommandError` where there are none."""
        if (refusal := self._instruments.refusal(symbol)) is not None:
            raise refusal
        dividends = await self._dividends.get(
            symbol,
            lambda: self._routes.first_answer_of(DividendSource, symbol, lambda source, name: source.dividends(name)),
            lambda: self._charge(DividendSource, payer),
        )
        if not dividends:
            if dividends is None:
                await self._refuse_unknown(symbol, payer)
            raise CommandError(Reason.NO_DIVIDENDS, f"{symbol} has paid no dividend that the source knows of.")
        return dividends[:limit]

    async def search(
        self, query: str, limit: int, payer: Payer | None = None, *, segment: str | None = None
    ) -> Sequence[Match]:
        """At most `limit` symbols that match `query`: those of the instrument file, then those of the sources.

        With a word for a segment only those of it. No source is asked where the file has enough, and none that has
        nothing of the segment; without a file and such a source it is a `CommandError`.
        """
        query, wanted = _meant(query, segment)
        found = await self._instruments.search(query, limit, wanted)
        if len(found) >= limit or not self._is_searched(wanted):
            return found
        # Most of what a source finds may be of other segments.
        most = limit if wanted is None else MAX_LIST_LIMIT
        try:
            told = await self._searches.get(
                (query, most, None if wanted is None else wanted.segment),
                lambda: self._routes.first_answer(
                    SearchSource, lambda source: source.search(query, most), among=partial(_may_have, wanted)
                ),
                lambda: self._charge(SearchSource, payer),
            )
        except StockTrackError as error:
            if found or (self._instruments.has_file and error.reason is Reason.NOT_OFFERED):
                return found
            raise
        matches = {match.symbol: match for match in found}
        for match in map(self._instruments.describe, told):
            if wanted is None or wanted.takes(match.segment, match.type):
                matches.setdefault(match.symbol, match)
        return list(matches.values())[:limit]

    def _is_searched(self, wanted: Wanted | None) -> bool:
        """Whether a source may find what is `wanted`; `CommandError` where neither one may nor a file does."""
        if wanted is None:
            return True
        names = [up.name for up in self._routes.upstreams if isinstance(up.provider, SearchSource)]
        if any(_may_have(wanted, name) for name in names):
            return True
        if self._instruments.has_file:
            return False
        asked = ", ".join(up.name for up in self._routes.upstreams)
        raise CommandError(
            Reason.NOT_OFFERED,
            f"None of this server's sources ({asked}) finds symbols of {wanted.segment}, and it has no instrument "
            "file: its setting symbols_file names one.",
        )

    async def _with_hours(self, company: CompanyInfo) -> CompanyInfo:
        with contextlib.suppress(TimeoutError):
            await within(self._clock, HOURS_PATIENCE_SECONDS, self.hours.learn(company))
        day = self.hours.day_of(company)
        if day is None:
            return company
        return company.model_copy(update={"market_opens_at": day.opens_at, "market_closes_at": day.closes_at})

    def _charge(self, kind: type[object], payer: Payer | None) -> None:
        if self._routes.is_paid(kind):
            charge(payer)

    async def _refuse_unknown(self, symbol: str, payer: Payer | None) -> bool:
        """Raise `unknown_symbol` where the sources of quotes do not have `symbol`, or that nobody can look now.

        Else whether they do have it: an outage leaves that open.
        """
        error = (await self._known([symbol], payer)).get(symbol)
        if error is None:
            return True
        # A contract that has expired, or that no source has, says so.
        is_of_a_segment = split_symbol(symbol)[0] is not None
        if error.reason in {Reason.UNKNOWN_SYMBOL, Reason.RATE_LIMITED} or (
            is_of_a_segment and error.reason is Reason.NOT_OFFERED
        ):
            raise error
        return False

    def _note_seen(self, symbol: str) -> None:
        self._seen.pop(symbol, None)
        self._seen[symbol] = self._clock.monotonic() + SEEN_SECONDS
        while len(self._seen) > _MOST_SEEN:
            del self._seen[next(iter(self._seen))]


async def _headlines_if_any(source: SymbolNewsSource, symbol: str) -> Sequence[Headline] | None:
    """The headlines of a source; None where it has none, so that the next one is asked."""
    return await source.symbol_news(symbol) or None


def _may_have(wanted: Wanted | None, name: str) -> bool:
    """Whether the source of this name may find what is `wanted`."""
    return wanted is None or has_names(name, wanted.segment)


def _meant(query: str, segment: str | None) -> tuple[str, Wanted | None]:
    """What is looked for, and in which segment: `NSE:INFY` names one too."""
    wanted = SEGMENT_WORDS[segment] if segment is not None else None
    prefix, name = split_symbol(query.upper())
    if prefix is None or wanted not in {None, Wanted(prefix)}:
        return query, wanted
    return name.strip(), Wanted(prefix)
