"""OpenAlgo as a source: prices of India's exchanges, shares and derivatives, through the operator's own broker.

Prices come from its stream. By REST fifty symbols are asked for in one request; an OpenAlgo that cannot answer that, or
fails at it, is asked for one symbol after the other, as far as the time goes. It is another program on this machine or
beside it, so that its address is a setting.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final, TypeAlias

from pydantic import SecretStr

from stocktrack.clock import Clock, ended
from stocktrack.errors import CommandError, ProviderError, Reason, SourceUnusable, StockTrackError
from stocktrack.providers.base import QUESTION, Budget, Errand, QuoteAnswer, Source, StreamSink, Wanted
from stocktrack.providers.openalgo.addresses import rest_address, stream_address
from stocktrack.providers.openalgo.answers import (
    KEY,
    PROVIDER,
    Heard,
    Refused,
    nobody_logged_in,
    read_matches,
    read_quotes,
    read_row,
    read_single,
    read_timings,
)
from stocktrack.providers.openalgo.calendar import Calendar
from stocktrack.providers.openalgo.rest import REQUESTS_PER_SECOND, NoSuchQuestion, OpenAlgoRest
from stocktrack.providers.openalgo.stream import PLACES, OpenAlgoStream
from stocktrack.providers.openalgo.symbols import Listing, listing_of
from stocktrack.providers.streaming import Patience, run_stream
from stocktrack.quotes import Match, Quote, TradingDay

SYMBOLS_A_REQUEST: Final = 50
MAX_KNOWN: Final = 5_000
# A broker is logged in to when the first client comes, which takes its time.
_PATIENCE: Final = Patience(ready_seconds=60.0)
# Of a call's time, the share in which requests begin: what came until then is not lost.
_BEGIN_SHARE: Final = 0.7

# Of an outage this much is found out when symbols are asked for one by one.
_TRIES: Final = 2
_AT_A_TIME: Final = 3
_HOURS_PATIENCE_SECONDS: Final = 1.0
_TURN: Final = 7  # far from one, so that neighbours do not always wait together
_LEFT_OUT: Final = Refused("it was left out of the answer")
_NO_TIME: Final = Refused("there was no time left to ask for it")

# A row of REST, or why there is none.
_Outcome: TypeAlias = "Mapping[str, Any] | Refused | StockTrackError | _PutOff"


class OpenAlgoProvider(Source):
    """An OpenAlgo at `url`, its stream or its page; where `rest_url` is None, that follows from it."""

    name = PROVIDER
    budget = Budget(requests_per_second=REQUESTS_PER_SECOND)

    def __init__(
        self,
        *,
        url: str,
        rest_url: str | None,
        api_key: SecretStr | None,
        api_key_file: Path | None,
        timeout_seconds: float,
        clock: Clock,
    ) -> None:
        self._stream_url = stream_address(url)
        self._rest_url = rest_url or rest_address(url)
        self._given_key, self._key_file = api_key, api_key_file
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._rest: OpenAlgoRest | None = None
        self._open_stream: OpenAlgoStream | None = None
        self._has_multiquotes = True
        self._has_calendar = True
        self._calendar = Calendar(clock, self._ask_timings)
        self._turns = 0
        self._known: dict[str, Quote] = {}  # the last quotes by REST, the newest last

    @property
    def symbols_a_request(self) -> int:
        """Of how many symbols one request brings the prices: of one, where this OpenAlgo can do no better."""
        return SYMBOLS_A_REQUEST if self._has_multiquotes else 1

    @property
    def stream_places(self) -> int:
        """How many symbols its stream takes."""
        return PLACES if self._open_stream is None or self._open_stream.places is None else self._open_stream.places

    def serves(self, symbol: str) -> bool:
        """Whether it is written as a symbol of one of India's exchanges: `NSE:RELIANCE`."""
        return listing_of(symbol) is not None

    def check_settings(self) -> None:
        """`SourceUnusable` where there is no key."""
        self._find_key()

    async def start(self) -> None:
        """Find the key; OpenAlgo itself is asked nothing yet."""
        self._asker()

    async def close(self) -> None:
        """Let go of every connection."""
        if self._rest is not None:
            await self._rest.close()

    async def quotes(self, symbols: Sequence[str], errand: Errand = QUESTION) -> QuoteAnswer:
        """The newest quote of each symbol; `ProviderError` where OpenAlgo or its broker failed at all of them."""
        rest, size = self._asker(), self.symbols_a_request
        names = {symbol: listing_of(symbol) for symbol in symbols}
        asked_as = {listing: symbol for symbol, listing in names.items() if listing is not None}
        ends_at = self._clock.monotonic() + _BEGIN_SHARE * self._timeout_seconds
        call = _Call(rest, self._clock, errand, ends_at, asked_as)
        listings = list(asked_as)
        said: dict[Listing, _Outcome] = {}
        async with self._learning_hours(listings):
            if size > 1:
                batches = [listings[start : start + size] for start in range(0, len(listings), size)]
                for part in await asyncio.gather(*(self._ask_many(call, batch) for batch in batches)):
                    said.update(part)
            else:
                said.update(await call.ask_each(self._in_turn(listings), is_paid=True))
        try:
            answer = self._answer(names, said)
        except SourceUnusable:
            raise await self._why_refused(rest) from None
        self._remember(answer.quotes)
        return answer

    async def stream(self, wanted: Wanted, sink: StreamSink) -> None:
        """Prices as they come, over one connection."""
        stream = OpenAlgoStream(
            self._stream_url,
            self._find_key(),
            self._clock,
            known=self._known.get,
            state_of=self._calendar.state_of,
        )
        self._open_stream = stream
        try:
            await run_stream(stream, wanted, sink, clock=self._clock, patience=_PATIENCE)
        finally:
            self._open_stream = None

    async def search(self, query: str, limit: int) -> Sequence[Match]:
        """At most `limit` symbols that match, in OpenAlgo's order."""
        found = read_matches(await self._asker().ask("search", query=query), limit)
        if isinstance(found, Refused):
            raise ProviderError(
                Reason.PROVIDER_ERROR, f"OpenAlgo searched nothing: {found.text or 'it gave no reason'}."
            )
        return found

    async def trading_day(self, symbol: str) -> TradingDay | None:
        """The hours of the exchange of `symbol`; None where OpenAlgo has none of it, or no such symbol."""
        listing = listing_of(symbol)
        if listing is None or (symbol not in self._known and symbol in (await self.quotes([symbol])).unknown):
            return None
        return await self._calendar.day_of(listing)

    def _asker(self) -> OpenAlgoRest:
        if self._rest is None:
            key, seconds = self._find_key(), self._timeout_seconds
            self._rest = OpenAlgoRest(self._rest_url, key, timeout_seconds=seconds, clock=self._clock)
        return self._rest

    def _find_key(self) -> SecretStr:
        return KEY.find(self._given_key, self._key_file)

    @asynccontextmanager
    async def _learning_hours(self, listings: Sequence[Listing]) -> AsyncIterator[None]:
        """Ask for hours meanwhile, a few times a day; no quote waits for them for long."""
        hours = asyncio.create_task(self._calendar.learn(listings), name="hours of openalgo")
        try:
            yield
            await asyncio.wait({hours}, timeout=_HOURS_PATIENCE_SECONDS)
        finally:
            hours.cancel()
            await ended(hours)

    async def _ask_timings(self, day: date) -> Mapping[str, TradingDay]:
        """The hours of all exchanges on a day; none where this OpenAlgo has no calendar, which is asked for once."""
        rest = self._asker()
        if self._has_calendar:
            try:
                return read_timings(await rest.ask("market/timings", date=day.isoformat()), day)
            except NoSuchQuestion:
                self._has_calendar = False
        return {}

    async def _why_refused(self, rest: OpenAlgoRest) -> StockTrackError:
        """Whether it is the key, of which a search tells; if not, the broker is not logged in to."""
        try:
            await rest.ask("search", query="NIFTY")
        except (ProviderError, SourceUnusable) as error:
            return error
        return nobody_logged_in()

    async def _ask_many(self, call: "_Call", listings: Sequence[Listing]) -> Mapping[Listing, _Outcome]:
        """What OpenAlgo says of each, asked in one request, or else one by one."""
        try:
            said = read_quotes(await call.rest.ask("multiquotes", symbols=[listing.as_json for listing in listings]))
        except NoSuchQuestion:
            self._has_multiquotes = False
            return await call.ask_each(self._in_turn(listings), is_paid=False)
        except ProviderError as error:
            if error.reason is Reason.PROVIDER_ERROR and len(listings) > 1:
                # Perhaps its broker only fails at one of them; in an outage no more than two are tried.
                return await call.ask_each(self._in_turn(listings), is_paid=False)
            return dict.fromkeys(listings, error)
        except SourceUnusable as error:
            return dict.fromkeys(listings, error)
        if isinstance(said, Refused):
            # One of an exchange that it does not know has the question of all refused.
            return await call.ask_each(self._in_turn(listings), is_paid=False)
        call.answered.extend(said)
        return {listing: said.get(listing, _LEFT_OUT) for listing in listings}

    def _answer(self, names: Mapping[str, Listing | None], said: Mapping[Listing, _Outcome]) -> QuoteAnswer:
        """What was said of the symbols, each by its listing; what went wrong with all of them is raised."""
        quotes: dict[str, Quote] = {}
        unknown: set[str] = set()
        failed: dict[str, ProviderError] = {}
        put_off: dict[str, StockTrackError] = {}
        not_offered: dict[str, StockTrackError] = {}
        errors: list[StockTrackError] = []
        now_ms = self._clock.now_ms()
        for symbol, listing in names.items():
            if listing is None:
                unknown.add(symbol)
                continue
            match said[listing]:
                case Refused() as refused if refused.is_unknown:
                    unknown.add(symbol)
                case Refused() as refused if refused.is_other_exchange:
                    message = f"The OpenAlgo of this server has nothing of {listing.exchange}."
                    not_offered[symbol] = CommandError(Reason.NOT_OFFERED, message)
                case Refused(text):
                    message = f"OpenAlgo gave no usable price for {symbol}: {text or 'it gave no reason'}."
                    failed[symbol] = ProviderError(Reason.PROVIDER_ERROR, message)
                case _PutOff(why):
                    put_off[symbol] = why
                case ProviderError() as error:
                    failed[symbol] = error
                    errors.append(error)
                case StockTrackError() as error:
                    raise error
                case row:
                    quote = read_row(row, Heard(symbol, listing, now_ms, self._calendar.state_of(listing)))
                    if quote is None:
                        message = f"OpenAlgo gave no usable price for {symbol}."
                        failed[symbol] = ProviderError(Reason.PROVIDER_ERROR, message)
                    else:
                        quotes[symbol] = quote
        if errors and len(errors) == len(names):
            raise errors[0]
        return QuoteAnswer(quotes, frozenset(unknown), failed, put_off, not_offered)

    def _in_turn(self, listings: Sequence[Listing]) -> Sequence[Listing]:
        """The same, begun with another one each time: there may not be time for all of them."""
        self._turns += 1
        start = self._turns * _TURN % len(listings) if listings else 0
        return (*listings[start:], *listings[:start])

    def _remember(self, quotes: Mapping[str, Quote]) -> None:
        for symbol, quote in quotes.items():
            self._known.pop(symbol, None)
            self._known[symbol] = quote
        for symbol in list(self._known)[: max(0, len(self._known) - MAX_KNOWN)]:
            del self._known[symbol]


@dataclass(frozen=True, slots=True)
class _Call:
    """One call of the market: until when (monotonic) requests begin, and the symbol that each listing is asked as."""

    rest: OpenAlgoRest
    clock: Clock
    errand: Errand
    ends_at: float
    asked_as: Mapping[Listing, str]
    # What was answered so far, by whatever request, and how those for one symbol failed.
    answered: list[Listing] = field(default_factory=list)
    failures: list[StockTrackError] = field(default_factory=list)
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_A_TIME))

    async def ask_each(self, listings: Sequence[Listing], *, is_paid: bool) -> Mapping[Listing, _Outcome]:
        """What OpenAlgo says of each, asked one by one, a few at a time.

        Where `is_paid`, the market knows that each is a request. After a refusal of the source, or where the first ones
        fail, no more is asked.
        """
        said: dict[Listing, _Outcome] = {}
        waiting = iter(listings)

        async def ask_next() -> None:
            while True:
                async with self.slots:
                    if self._is_over() or self.clock.monotonic() >= self.ends_at:
                        return
                    if (listing := next(waiting, None)) is None:
                        return
                    if not is_paid and (why_not := self.errand.refusal(self.asked_as[listing])) is not None:
                        said[listing] = _PutOff(why_not)
                        continue
                    said[listing] = await self._ask(listing)

        await asyncio.gather(*(ask_next() for _ in range(_AT_A_TIME)))
        rest = self.failures[0] if self._is_over() else _NO_TIME
        return {listing: said.get(listing, rest) for listing in listings}

    async def _ask(self, listing: Listing) -> _Outcome:
        try:
            said = read_single(await self.rest.ask("quotes", **listing.as_json))
        except (ProviderError, SourceUnusable) as error:
            self.failures.append(error)
            return error
        self.answered.append(listing)
        return said

    def _is_over(self) -> bool:
        """Whether it is of no use to ask for more, of whatever batch."""
        is_refused = any(error.reason is not Reason.PROVIDER_ERROR for error in self.failures)
        return is_refused or (len(self.failures) >= _TRIES and not self.answered)


@dataclass(frozen=True, slots=True)
class _PutOff:
    """A request that the errand refused, and why."""

    why: StockTrackError
