"""Redis as a source: what a feed of ours or any other program publishes there, and what the feed answers.

A price comes by the channel of its symbol, and the newest stands under the key of the same name. Of a symbol that
nobody publishes the feed is asked, where there is one: it has the market's sources, and the servers have it.

Of several Redis the first is the home, by which all goes but prices. While it is away the source is; while another one
is, the source says of that one's symbols what a feed would: that they are stale, and when that is over.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import structlog
from pydantic import TypeAdapter, ValidationError

from stocktrack.bars import BarInterval, Split
from stocktrack.clock import Clock, end, within
from stocktrack.engine.asking import NobodyAnswers
from stocktrack.engine.client import EngineError, open_redis, place_of
from stocktrack.engine.shards import Shard, shard_of
from stocktrack.engine.words import FeedWord
from stocktrack.errors import CommandError, NotYetGiven, ProviderError, Reason, SourceUnusable, StockTrackError
from stocktrack.messages import BoardQuote, FeedInfo
from stocktrack.providers.base import (
    QUESTION,
    BarLimit,
    Budget,
    Errand,
    QuoteAnswer,
    RelayNotice,
    Source,
    SourceBars,
    StreamSink,
    Wanted,
)
from stocktrack.providers.redis.link import FEED_SILENT_SECONDS, Link
from stocktrack.providers.redis.prices import Prices
from stocktrack.quotes import CompanyInfo, Dividend, Headline, Match, Quote, TradingDay

log = structlog.get_logger()

# A connection that breaks is back within this, or others have to serve meanwhile.
HEAL_SECONDS: Final = 1.5
LOOK_SECONDS: Final = 0.25
# How long an answer waits for Redis to say that it will send what is published from now on: a millisecond or two.
FOLLOW_SECONDS: Final = 0.5
# So many messages are read one by one; of more, the newest of each symbol. A symbol has at most so many unread ones.
_CALM: Final = 500
# To read a message takes a third of what it takes to hand it on.
_READING_SHARE: Final = 1 / 3
_MAX_UNREAD: Final = 20
# What the feed is asked may take it a call of its own sources.
_ASK_MARGIN_SECONDS: Final = 0.5
_NOT_FOUND = frozenset(
    {Reason.UNKNOWN_SYMBOL, Reason.NO_COMPANY_INFO, Reason.NO_DIVIDENDS, Reason.NO_NEWS, Reason.NO_HISTORY}
)
_BARS: Final = TypeAdapter(SourceBars)
BAR_LIMITS: Final = dict.fromkeys(BarInterval, BarLimit())


class RedisProvider(Source):
    """Prices out of Redis, for this server and any number of others.

    What the feed has to tell beside prices `on_instance` and `on_notice` are told, as `RelayingSource` says.
    """

    name = "redis"
    # It is the operator's own: the limits of the market's sources hold at the feed. What a user may cause there is
    # limited here all the same.
    budget = Budget(is_unlimited=True)
    symbols_a_request = 1_000
    stream_places: int | None = None

    def __init__(self, *urls: str, timeout_seconds: float, clock: Clock) -> None:
        self.on_instance: Callable[[str], None] = lambda _name: None
        self.on_notice: RelayNotice = lambda _kind, _symbols, _error: None
        self._place = place_of(urls[0])
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self.prices = Prices(self.name, clock)
        self.link = self._open(urls[0], Shard(0, len(urls)))
        # By the number of their shards.
        self.links = [
            self.link,
            *(self._open(url, Shard(number, len(urls)), self.link) for number, url in enumerate(urls[1:], 1)),
        ]
        self._running: list[asyncio.Task[None]] = []
        # The links that are away for longer than a moment, each with the symbols that clients were told of.
        self._away: dict[Link, frozenset[str]] = {}
        # What came by the connection since it was last published, and when that may be done again (the loop's time).
        self._came: dict[str, list[bytes]] = {}
        self._came_count = 0
        self._publish_not_before = 0.0
        self._sink: StreamSink | None = None
        self._followed: frozenset[str] = frozenset()  # what the stream is wanted for
        # What the stream broke for, and waits for.
        self._missing: Literal["redis", "feed"] | None = None

    def _open(self, url: str, shard: Shard, home: Link | None = None) -> Link:
        return Link(
            open_redis(url, timeout_seconds=min(self._timeout_seconds, 5.0)),
            place_of(url),
            self._clock,
            take=self._take,
            take_kept=self._take_kept,
            hear=self._hear,
            shard=shard,
            home=home,
        )

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many messages were no quotes, by why."""
        return self.prices.dropped

    def is_fed(self, symbol: str) -> bool:
        """Whether the newest of `symbol` is a feed's."""
        return self.prices.is_fed(symbol)

    @property
    def trouble(self) -> ProviderError | None:
        """What keeps it from delivering: Redis is away for longer than a moment, or the feed that all comes from is."""
        if (failure := self.link.lasting_failure(HEAL_SECONDS)) is not None:
            return _as_provider_error(failure)
        return self._silent() if self._missing == "feed" and not self.link.has_feed else None

    async def start(self) -> None:
        """Connect; a Redis that refuses this server is a `SourceUnusable`.

        Where it is not there yet the server starts all the same, and says so in its log and at each price.
        """
        if not self._running:
            self._running = [asyncio.create_task(link.run(), name=f"redis link {link.shard}") for link in self.links]
        try:
            await self.link.until_up(HEAL_SECONDS)
            if (instance := await self.link.instance()) is not None:
                self.on_instance(instance)
        except EngineError as error:
            if error.is_refused:
                raise SourceUnusable(error.message, retry_after_ms=5_000) from None
            log.warning("Redis is not there yet; it is tried again and again", why=error.message)
        if len(self.links) > 1:
            # What is not there by then the stream tells of.
            await asyncio.gather(*(link.until_up(HEAL_SECONDS) for link in self.links), return_exceptions=True)

    async def close(self) -> None:
        """End the connection."""
        await end(*self._running)
        for link in self.links:
            await link.close()

    # --- prices --------------------------------------------------------------------------------------------------

    async def stream(self, wanted: Wanted, sink: StreamSink) -> None:
        """Hand on what is published of what is wanted, until Redis is away for longer than a moment."""
        try:
            await self._until_streamable()
            for link in self.links:
                link.want(wanted)
            self._away.clear()
            self._check_feed(wanted())
            self._missing = None
            self._sink = sink
            sink.opened()
            known: frozenset[str] = frozenset()
            while True:
                await self._until_streamable()
                known = self._hand_over(frozenset(wanted()), known)
                self._check_shards(known)
                self._check_feed(known)
                with contextlib.suppress(TimeoutError):
                    await within(self._clock, LOOK_SECONDS, sink.demand_change())
        finally:
            self._sink = None

    async def _until_streamable(self) -> None:
        try:
            await self._until_up()
        except (ProviderError, SourceUnusable):
            self._missing = "redis"
            raise

    def _check_shards(self, wanted: frozenset[str]) -> None:
        """Say of the symbols of a Redis that is away that they are stale, and when it is back, once each."""
        for link in self.links[1:]:
            failure = link.lasting_failure(HEAL_SECONDS)
            if failure is None and link in self._away and link.is_up:
                log.info("the prices of one Redis come again", place=link.place)
                self.on_notice("restored", self._away.pop(link), None)
            elif failure is not None and link not in self._away:
                log.warning("the prices of one Redis are stale; it is tried again and again", why=failure.message)
                symbols = self._away[link] = frozenset(filter(link.shard.holds, wanted))
                error = _as_provider_error(failure)
                held = map(self.prices.held, symbols)
                if self._sink is not None:
                    # Each keeps its number, and so takes the place of nothing newer. What has none the polls find.
                    self._sink.publish(
                        [
                            BoardQuote.of(quote, seq=quote.seq, stale_reason=error.reason, retry_at=None)
                            for quote in held
                            if isinstance(quote, BoardQuote)
                        ]
                    )
                self.on_notice("outage", symbols, error)

    def _check_feed(self, wanted: Iterable[str]) -> None:
        """`ProviderError` where the feed is silent, and all that is held of what is wanted is the feed's."""
        held = [symbol for symbol in wanted if self.prices.held(symbol) is not None]
        if not self.link.has_feed and held and all(map(self.prices.is_fed, held)):
            self._missing = "feed"
            raise self._silent()

    async def recovered(self) -> None:
        """Return when it is worth trying again: Redis delivers, or the feed is heard that was silent."""
        match self._missing:
            case "redis":
                await self.link.until_delivering()
            case "feed":
                await self.link.until_feed()
            case None:
                await asyncio.Event().wait()

    async def quotes(self, symbols: Sequence[str], errand: Errand = QUESTION) -> QuoteAnswer:
        """What is published of `symbols`; of the others, what the feed says."""
        await self._until_up()
        answer = _Answer()
        found = await self._read(symbols, answer)
        unpublished = []
        away = frozenset(answer.failed)
        for symbol in symbols:
            if symbol in away:
                continue
            link = self._link_of(symbol)
            payload = found.get(symbol)
            quote = None
            if payload is not None:
                quote = self.prices.read(symbol, payload, has_feed=self.link.has_feed) or self.prices.held(symbol)
            elif link.is_following(symbol) and not self.prices.is_fed(symbol):
                # It was published and not kept. The connection proves that nothing came since.
                quote = self.prices.held(symbol)
            if quote is None or (self.prices.is_fed(symbol) and not link.is_following(symbol)):
                unpublished.append(symbol)  # what a feed wrote when it was wanted the last time may be old
            elif self.prices.is_fed(symbol) and not self.link.has_feed:
                answer.failed[symbol] = self._silent()
                answer.is_down = True
            else:
                answer.quotes[symbol] = quote
        self.prices.keep(self._followed | set(symbols))
        if unpublished:
            await self._ask_feed_for(unpublished, answer)
        if not errand.is_poll and (silent := [each for each in symbols if each in answer.failed and each not in away]):
            # It may be published the next moment, and subscribed to by then.
            await asyncio.gather(*(link.follow(silent, FOLLOW_SECONDS) for link in self.links))
        return answer.complete(symbols)

    def _link_of(self, symbol: str) -> Link:
        return self.links[shard_of(symbol, len(self.links))] if len(self.links) > 1 else self.link

    async def _read(self, symbols: Sequence[str], answer: "_Answer") -> Mapping[str, bytes]:
        """What stands at Redis of `symbols`; those of one that is away, where another is not, fail in `answer`."""
        if len(self.links) == 1:
            with _translated():
                return await self.link.read(symbols)
        asked: dict[Link, list[str]] = {}
        for symbol in symbols:
            asked.setdefault(self._link_of(symbol), []).append(symbol)
        found: dict[str, bytes] = {}
        results = await asyncio.gather(*map(_read_soon, asked, asked.values()), return_exceptions=True)
        for link, result in zip(asked, results, strict=True):
            if isinstance(result, EngineError):
                answer.failed |= dict.fromkeys(asked[link], _as_provider_error(result))
                answer.is_down |= link is self.link
            elif isinstance(result, BaseException):
                raise result
            else:
                found |= result
        return found

    async def _ask_feed_for(self, symbols: Sequence[str], answer: "_Answer") -> None:
        try:
            quotes, missing = await self._ask("quotes", symbols=list(symbols))
        except NobodyAnswers:
            if self.link.had_feed:
                answer.failed |= dict.fromkeys(symbols, self._silent())
                answer.is_down = True
            else:
                # Somebody may publish it the next moment, which is no failure of Redis.
                answer.failed |= {symbol: self._unpublished(symbol) for symbol in symbols}
            return
        except ProviderError as error:
            answer.failed |= dict.fromkeys(symbols, error)
            answer.is_down = True
            return
        given: dict[str, Quote] = {quote.symbol: quote for quote in quotes}
        for symbol in symbols:
            why = missing.get(symbol)
            if symbol in given:
                answer.quotes[symbol] = given[symbol]
            elif why is None:
                answer.failed[symbol] = ProviderError(Reason.PROVIDER_ERROR, f"The feed said nothing of {symbol}.")
            else:
                answer.refuse(symbol, why)

    def _hear(self, word: FeedWord) -> None:
        self.on_instance(word.instance)
        # What others publish is none of the feed's: whether it has the symbol, or its sources are well.
        theirs = frozenset(symbol for symbol in word.symbols if self._is_left_to_feed(symbol))
        if word.event is not None and theirs:
            self.on_notice(word.event, theirs, word.error)

    def _is_left_to_feed(self, symbol: str) -> bool:
        return self.prices.held(symbol) is None or self.prices.is_fed(symbol)

    def _silent(self) -> ProviderError:
        message = f"The feed at {self._place} has been silent for {FEED_SILENT_SECONDS:g} s."
        return ProviderError(Reason.PROVIDER_TIMEOUT, message)

    def _unpublished(self, symbol: str) -> ProviderError:
        message = f"Nobody has published {symbol} at {self._place}, and no feed answers there: stocktrack feed."
        return NotYetGiven(Reason.PROVIDER_ERROR, message)

    def _take(self, symbol: str, payload: bytes) -> None:
        if not self._came:
            # After the burst. Under load reading has its part of the time, and what is merged is not even decoded.
            loop = asyncio.get_running_loop()
            loop.call_later(max(0.0, self._publish_not_before - loop.time()), self._publish)
        self._came_count += 1
        came = self._came.setdefault(symbol, [])
        came.append(payload)
        if len(came) > _MAX_UNREAD:
            self.prices.newest_of(symbol, came, has_feed=self.link.has_feed)
            newest = self.prices.payload(symbol)
            came[:] = [newest] if newest is not None else []

    def _take_kept(self, symbol: str, payload: bytes) -> None:
        """What stood at Redis when the symbol began to be followed: whatever came by the connection is newer."""
        before = self._came.get(symbol, ())
        if payload not in before:
            after = [payload, *before]
            self._take(symbol, payload)
            self._came[symbol] = after

    def _hand_over(self, wanted: frozenset[str], known: frozenset[str]) -> frozenset[str]:
        """Publish what came of symbols before they were wanted, and have all that are followed."""
        if wanted == known:
            return known
        for link in self.links:
            link.look()
        self._followed = wanted
        # What is not followed, as it was not wanted for a while, may be old: it is read as soon as it is followed.
        new = [symbol for symbol in wanted - known if self._link_of(symbol).is_following(symbol)]
        held = [quote for symbol in new if (quote := self.prices.held(symbol)) is not None]
        if held and self._sink is not None:
            self._sink.publish(held)
        return wanted

    def _publish(self) -> None:
        began = time.process_time()
        came, self._came = self._came, {}
        is_burst, self._came_count = self._came_count > _CALM, 0
        has_feed = self.link.has_feed
        quotes: list[Quote] = []
        for symbol, payloads in came.items():
            if is_burst:
                read = [self.prices.newest_of(symbol, payloads, has_feed=has_feed)]
            else:
                read = [self.prices.read(symbol, each, has_feed=has_feed) for each in payloads]
            quotes += [quote for quote in read if quote is not None]
        if quotes and self._sink is not None:
            self._sink.publish(quotes)
        # By the processor's time: what others take of the machine is no reason to wait for longer.
        used = time.process_time() - began
        self._publish_not_before = asyncio.get_running_loop().time() + used * _READING_SHARE

    # --- what else a feed answers --------------------------------------------------------------------------------

    async def news(self) -> Sequence[Headline]:
        """The feed's headlines."""
        headlines: Sequence[Headline] = await self._ask_or("news", [])
        return headlines

    async def symbol_news(self, symbol: str) -> Sequence[Headline]:
        """The feed's headlines of a symbol."""
        headlines: Sequence[Headline] = await self._ask_or("symbol_news", [], symbol=symbol)
        return headlines

    async def company(self, symbol: str) -> CompanyInfo | None:
        """The company behind a symbol, as the feed knows it."""
        company: CompanyInfo | None = await self._ask_or("company", None, symbol=symbol)
        return company

    async def dividends(self, symbol: str) -> Sequence[Dividend] | None:
        """The dividends of a symbol, as the feed knows them."""
        paid: Sequence[Dividend] | None
        try:
            paid, _ = await self._ask("dividends", symbol=symbol)
        except CommandError as error:
            if error.reason is Reason.NO_DIVIDENDS:
                return []
            if error.reason is Reason.UNKNOWN_SYMBOL:
                return None
            raise
        return paid

    async def search(self, query: str, limit: int) -> Sequence[Match]:
        """What the feed finds."""
        matches: Sequence[Match] = await self._ask_or("search", [], query=query, limit=limit)
        return matches

    async def trading_day(self, symbol: str) -> TradingDay | None:
        """The hours of the market of a symbol, as the feed knows them."""
        day: TradingDay | None = await self._ask_or("day", None, symbol=symbol)
        return day

    @property
    def bar_limits(self) -> Mapping[BarInterval, BarLimit]:
        """Any: what the feed's sources do not have it says itself."""
        return BAR_LIMITS

    async def bars(
        self, symbol: str, interval: BarInterval, start: int, end: int, *, prepost: bool
    ) -> SourceBars | None:
        """The bars of a symbol as the feed has them, those too that it saw itself."""
        stretch = {"interval": interval.value, "start": start, "end": end, "prepost": prepost}
        told = await self._ask_or("bars", None, symbol=symbol, **stretch)
        try:
            return None if told is None else _BARS.validate_python(told)
        except ValidationError:
            message = f"The feed at {self._place} answered what are no bars."
            raise ProviderError(Reason.PROVIDER_ERROR, message) from None

    async def splits(self, symbol: str) -> Sequence[Split] | None:
        """The splits of a symbol, as the feed knows them."""
        splits: Sequence[Split] | None = await self._ask_or("splits", None, symbol=symbol)
        return splits

    async def feed_info(self) -> FeedInfo | None:
        """The feed that leads, as it says itself; None where others publish, and none does."""
        try:
            told, _ = await self._ask("sources")
        except CommandError as error:
            if error.reason is Reason.NOT_OFFERED:
                return None
            raise
        info: FeedInfo = told
        return info

    async def _ask_or(self, kind: str, none: Any, **fields: Any) -> Any:
        """The feed's answer; `none` where it says that there is nothing."""
        try:
            answer, _ = await self._ask(kind, **fields)
        except CommandError as error:
            if error.reason in _NOT_FOUND:
                return none
            raise
        return answer

    async def _ask(self, kind: str, **fields: Any) -> tuple[Any, Mapping[str, StockTrackError]]:
        try:
            return await self.link.asker.ask(
                kind,
                timeout_seconds=self._timeout_seconds - _ASK_MARGIN_SECONDS,
                expects_feed=lambda: self.link.had_feed and self.link.is_up and self.link.has_feed,
                **fields,
            )
        except NobodyAnswers as error:
            if kind == "quotes":
                raise
            if self.link.had_feed:
                raise ProviderError(Reason.PROVIDER_TIMEOUT, error.message) from None  # another one may take over
            raise CommandError(Reason.NOT_OFFERED, error.message) from None
        except EngineError as error:
            raise _as_provider_error(error) from None

    async def _until_up(self) -> None:
        try:
            await self.link.until_up(HEAL_SECONDS)
        except EngineError as error:
            if error.is_refused:
                raise SourceUnusable(error.message, retry_after_ms=5_000) from None
            raise _as_provider_error(error) from None


class _Answer:
    """What is known so far of what was asked for."""

    def __init__(self) -> None:
        self.quotes: dict[str, Quote] = {}
        self.unknown: set[str] = set()
        self.failed: dict[str, ProviderError] = {}
        self.put_off: dict[str, StockTrackError] = {}
        self.not_offered: dict[str, StockTrackError] = {}
        self.is_down = False  # whether something failed that says more than of one symbol

    def refuse(self, symbol: str, error: StockTrackError) -> None:
        """Note why the feed does not have a symbol."""
        if error.reason is Reason.UNKNOWN_SYMBOL:
            self.unknown.add(symbol)
        elif isinstance(error, ProviderError):
            self.failed[symbol] = error
        elif error.reason is Reason.NOT_OFFERED:
            self.not_offered[symbol] = error
        else:
            self.put_off[symbol] = error

    def complete(self, symbols: Sequence[str]) -> QuoteAnswer:
        """The answer; `ProviderError` where all of it failed."""
        if self.is_down and len(self.failed) == len(symbols):
            raise next(iter(self.failed.values()))
        return QuoteAnswer(self.quotes, frozenset(self.unknown), self.failed, self.put_off, self.not_offered)


async def _read_soon(link: Link, symbols: Sequence[str]) -> Mapping[str, bytes]:
    """What stands at one of several Redis; at once an `EngineError` where it is known to be away."""
    if (failure := link.lasting_failure(HEAL_SECONDS)) is not None:
        raise failure
    await link.until_up(HEAL_SECONDS)
    return await link.read(symbols)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Have an `EngineError` come out as a `ProviderError`."""
    try:
        yield
    except EngineError as error:
        raise _as_provider_error(error) from None


def _as_provider_error(error: EngineError) -> ProviderError:
    reason = Reason.PROVIDER_TIMEOUT if error.is_timeout else Reason.PROVIDER_ERROR
    return ProviderError(reason, error.message)
