"""Finnhub as a source: quotes one by one, trades as they come, news, companies and bars, for one key.

REST tells the figures of the day, the stream the price, and `day.py` puts the two together. The key is read and claimed
at the start, and again at each call as long as that has failed: a key that another server uses is taken over once that
one has ended. Of itself this source asks for one thing, once a minute and only where the budget of the minute has room:
where the US market is in its day.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from stocktrack.bars import BarInterval, Split
from stocktrack.clock import Clock, ended
from stocktrack.errors import CommandError, ProviderError, Reason, StockTrackError
from stocktrack.providers.base import (
    QUESTION,
    BarLimit,
    Budget,
    Errand,
    QuoteAnswer,
    Source,
    SourceBars,
    StreamSink,
    Wanted,
)
from stocktrack.providers.finnhub.answers import (
    KEY,
    read_company,
    read_dividends,
    read_market_state,
    read_matches,
    read_news,
    read_quote,
)
from stocktrack.providers.finnhub.candles import BAR_LIMITS, path_of, query_of, read_candles, read_splits
from stocktrack.providers.finnhub.day import Days
from stocktrack.providers.finnhub.key_lock import KeyLock, MachineKeyLock
from stocktrack.providers.finnhub.rest import REQUESTS_PER_MINUTE, REQUESTS_PER_SECOND, FinnhubRest, NoSuchPath
from stocktrack.providers.finnhub.stream import PLACES, FinnhubStream
from stocktrack.providers.finnhub.symbols import at_finnhub, is_abroad, is_prefixed, is_us
from stocktrack.providers.streaming import run_stream
from stocktrack.quotes import CompanyInfo, Dividend, Headline, Match, Quote

REQUESTS_AT_ONCE = 4
NEWS_DAYS = 7
# One 403 for a share abroad, and the plan is taken for one of the US for so long; the same for the market's state.
PLAN_SECONDS = 3600.0
STATE_EVERY_SECONDS, STATE_LOOK_SECONDS, STATE_PATIENCE_SECONDS = 60.0, 3.0, 3.0
MAX_NAMES = 5_000
# What this source asks by itself leaves so many requests of a minute to what is asked of it.
OWN_ROOM = 50
_CLOSE_SECONDS = 0.5
_FIRST_DIVIDENDS = "1970-01-01"


class FinnhubProvider(Source):
    """Finnhub by its REST and its stream; `lock_of` makes the lock of a key, and is an argument for the tests."""

    name = "finnhub"
    budget = Budget(REQUESTS_PER_MINUTE, REQUESTS_PER_SECOND)
    symbols_a_request = 1

    def __init__(
        self,
        *,
        key: SecretStr | None,
        key_file: Path | None,
        rest_url: str,
        ws_url: str,
        timeout_seconds: float,
        clock: Clock,
        lock_of: Callable[[SecretStr], KeyLock] = MachineKeyLock,
    ) -> None:
        self._given_key = key
        self._key_file = key_file
        self._rest_url = rest_url
        self._ws_url = ws_url
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._lock_of = lock_of
        self._lock: KeyLock | None = None
        self._key = SecretStr("")
        self._rest: FinnhubRest | None = None
        self._stream: FinnhubStream | None = None
        self._days = Days(clock)
        # The name and the exchange of each share whose profile was asked for, none where there was nothing in it.
        self._names: OrderedDict[str, Mapping[str, str | None]] = OrderedDict()
        self._state_again_at = float("-inf")
        self._abroad_again_at = float("-inf")
        self._has_abroad = False
        # By path and kind of symbol until when the plan is taken for one without it.
        self._no_candles_until: dict[str, float] = {}
        self._has_candles = False
        self._starting = asyncio.Lock()
        self._is_closed = False

    @property
    def stream_places(self) -> int:
        """How many symbols the stream takes, as far as it has told; each connection begins with what is documented."""
        return PLACES if self._stream is None else self._stream.places

    def serves(self, symbol: str) -> bool:
        """Whether it may have `symbol`: US shares, coins and currencies after their market, and abroad by the plan."""
        if is_us(symbol) or is_prefixed(symbol):
            return True
        return is_abroad(symbol) and self._clock.monotonic() >= self._abroad_again_at

    def check_settings(self) -> None:
        """`SourceUnusable` where there is no key."""
        self._find_key()

    async def start(self) -> None:
        """Find the key and claim it; nothing is asked of Finnhub yet."""
        await self._client()

    async def close(self) -> None:
        """Break off what hangs, and leave the key to others."""
        self._is_closed = True
        if self._rest is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await self._rest.close()
        if self._lock is not None:
            await self._lock.release()

    async def quotes(self, symbols: Sequence[str], errand: Errand = QUESTION) -> QuoteAnswer:
        """The newest quote of each symbol, a few at a time; `ProviderError` where all failed, or one was a 429."""
        rest = await self._client()
        asked = tuple(dict.fromkeys(symbols))
        answers = _Answers()
        beside = (
            asyncio.create_task(self._ask_state(rest, asked, errand)),
            asyncio.create_task(self._ask_name(rest, asked, errand)),
        )
        workers = [asyncio.create_task(self._ask_quotes(rest, answers, waiting)) for waiting in _dealt(asked)]
        try:
            # Sockets live in real time, so this is no business of the `Clock`.
            await asyncio.wait((*beside, *workers), timeout=self._timeout_seconds)
        finally:
            for task in (*beside, *workers):
                task.cancel()
            await ended(*beside, *workers)
        for task in (*beside, *workers):
            if not task.cancelled():
                task.result()
        return answers.complete(asked, self._timeout_seconds, self._renewed)

    async def stream(self, wanted: Wanted, sink: StreamSink) -> None:
        """Trades of what is wanted, on the figures of the day, until cancelled or broken."""
        rest = await self._client()
        self._stream = protocol = FinnhubStream(self._ws_url, self._key, self._days, self._clock)
        tasks = (
            asyncio.create_task(run_stream(protocol, wanted, sink, clock=self._clock), name="finnhub stream"),
            asyncio.create_task(self._follow_state(rest, wanted), name="finnhub market state"),
        )
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await ended(*tasks)
        for task in done:
            task.result()

    async def news(self) -> Sequence[Headline]:
        """The headlines of the market, newest first."""
        return read_news(await self._ask("/news", "News", category="general"), self._clock.now_ms())

    async def symbol_news(self, symbol: str) -> Sequence[Headline]:
        """The headlines of a company of the last days, newest first."""
        today = self._today()
        span = {"from": (today - timedelta(days=NEWS_DAYS)).isoformat(), "to": today.isoformat()}
        payload = await self._ask("/company-news", f"News of {symbol}", symbol=at_finnhub(symbol), **span)
        return read_news(payload, self._clock.now_ms())

    async def company(self, symbol: str) -> CompanyInfo | None:
        """The company behind `symbol`; None where Finnhub has none, as of a fund."""
        payload = await self._ask("/stock/profile2", f"The company of {symbol}", symbol=at_finnhub(symbol))
        company = read_company(payload, symbol)
        self._keep_name(symbol, company)
        return company

    async def dividends(self, symbol: str) -> Sequence[Dividend] | None:
        """All dividends, newest first; None where Finnhub does not have the symbol."""
        span = {"from": _FIRST_DIVIDENDS, "to": self._today().isoformat()}
        what = f"The list of dividends of {symbol}"
        paid = read_dividends(await self._ask("/stock/dividend", what, symbol=at_finnhub(symbol), **span))
        if paid:
            return paid
        # An empty list is the answer of a share that never paid, and of one that is none.
        return [] if await self._has_quote(symbol) else None

    @property
    def bar_limits(self) -> Mapping[BarInterval, BarLimit]:
        """All bars, a month or a week a request; none while every kind that was asked for is not on the plan."""
        now = self._clock.monotonic()
        is_refused = any(until > now for until in self._no_candles_until.values())
        return {} if is_refused and not self._has_candles else BAR_LIMITS

    async def bars(
        self, symbol: str, interval: BarInterval, start: int, end: int, *, prepost: bool
    ) -> SourceBars | None:
        """The bars of `symbol`; `CommandError` (`not_offered`) where the plan has none."""
        what = f"The history of {symbol}"
        query = query_of(interval, start, end)
        payload = await self._ask_premium(path_of(symbol), what, symbol, **query)
        self._has_candles = True
        told = read_candles(payload, symbol, interval, start, end, prepost=prepost)
        if told is not None:
            return told
        # There is no trade in the stretch, or no such symbol.
        is_known = await self._has_quote(symbol)
        return SourceBars(provider=self.name, bars=()) if is_known else None

    async def splits(self, symbol: str) -> Sequence[Split] | None:
        """All splits of `symbol`; `CommandError` (`not_offered`) where the plan has none. Coins are not split."""
        if is_prefixed(symbol):
            return []
        span = {"from": _FIRST_DIVIDENDS, "to": self._today().isoformat()}
        return read_splits(await self._ask_premium("/stock/split", f"The list of splits of {symbol}", symbol, **span))

    async def _ask_premium(self, path: str, what: str, symbol: str, **params: str) -> Any:
        """Ask for what few plans have; what one has not is asked for again after an hour, and not each time."""
        kind = f"{path} abroad" if is_abroad(symbol) else path
        if self._clock.monotonic() < self._no_candles_until.get(kind, 0.0):
            raise _not_on_plan(what)
        try:
            return await self._ask(path, what, symbol=at_finnhub(symbol), **params)
        except CommandError:
            self._no_candles_until[kind] = self._clock.monotonic() + PLAN_SECONDS
            raise

    async def _has_quote(self, symbol: str) -> bool:
        payload = await self._ask("/quote", symbol, symbol=at_finnhub(symbol))
        return read_quote(payload, symbol, self._days.state(symbol), self._clock.now_ms()) is not None

    async def search(self, query: str, limit: int) -> Sequence[Match]:
        """At most `limit` symbols that match, the best first."""
        return read_matches(await self._ask("/search", "The search", q=query), limit)

    async def _client(self) -> FinnhubRest:
        """The client for the key; `SourceUnusable` where there is no key, or another server has it."""
        async with self._starting:
            if self._is_closed:
                raise ProviderError(Reason.PROVIDER_ERROR, "finnhub is not running.")
            if self._rest is None:
                key = self._find_key()
                lock = self._lock_of(key)
                await lock.take()
                self._lock, self._key = lock, key
                self._rest = FinnhubRest(self._rest_url, key, timeout_seconds=self._timeout_seconds, clock=self._clock)
            return self._rest

    def _find_key(self) -> SecretStr:
        return KEY.find(self._given_key, self._key_file)

    async def _ask(self, path: str, what: str, **params: str) -> Any:
        try:
            return await (await self._client()).get(path, **params)
        except CommandError:
            raise _not_on_plan(what) from None

    async def _ask_quotes(self, rest: FinnhubRest, answers: "_Answers", waiting: Iterable[str]) -> None:
        """Ask for one after another of `waiting`, which several share, until one finds that it is of no use."""
        for symbol in waiting:
            if answers.end is not None:
                return
            if rest.asked_lately() >= REQUESTS_PER_MINUTE:
                # The market counts, too, but not what this source asked for by itself.
                answers.put_off[symbol] = _full_minute()
                continue
            try:
                await self._ask_quote(rest, answers, symbol)
            except CommandError:
                answers.not_offered[symbol] = self._not_on_plan(symbol)
            except ProviderError as error:
                answers.failed[symbol] = error
                if error.reason is Reason.PROVIDER_BLOCKED:
                    answers.end_by(error)
            except StockTrackError as error:  # the key is refused
                answers.end_by(error)

    async def _ask_quote(self, rest: FinnhubRest, answers: "_Answers", symbol: str) -> None:
        payload = await rest.get("/quote", symbol=at_finnhub(symbol))
        quote = read_quote(payload, symbol, self._days.state(symbol), self._clock.now_ms())
        if quote is None:
            answers.unknown.add(symbol)
        else:
            answers.quotes[symbol] = quote
            self._has_abroad |= is_abroad(symbol)

    def _not_on_plan(self, symbol: str) -> CommandError:
        why = ""
        if is_abroad(symbol) and not self._has_abroad:
            self._abroad_again_at = self._clock.monotonic() + PLAN_SECONDS
            why = ": the free one has no exchanges outside the US"
        return CommandError(Reason.NOT_OFFERED, f"{symbol} is not on this Finnhub plan{why}.")

    async def _ask_state(self, rest: FinnhubRest, symbols: Iterable[str], errand: Errand | None) -> None:
        """Ask where the US market is in its day, at most once a minute and only while a US share is of interest."""
        share = next((symbol for symbol in symbols if is_us(symbol)), None)
        now = self._clock.monotonic()
        if share is None or now < self._state_again_at:
            return
        # A poll has the request counted in the budget; otherwise there has to be room enough for it.
        is_poll = errand is not None and errand.is_poll
        if errand is not None and is_poll and errand.refusal(share) is not None:
            return
        if not is_poll and rest.asked_lately() >= OWN_ROOM:
            return
        self._state_again_at = now + STATE_EVERY_SECONDS
        try:
            async with asyncio.timeout(STATE_PATIENCE_SECONDS):
                self._days.tell_market(read_market_state(await rest.get("/stock/market-status", exchange="US")))
        except TimeoutError:
            return
        except StockTrackError as error:
            # What matters of it is seen at the quotes. An address that is not there, or not on the plan, stays so.
            if error.reason is Reason.NOT_OFFERED or isinstance(error, NoSuchPath):
                self._state_again_at = now + PLAN_SECONDS

    async def _ask_name(self, rest: FinnhubRest, symbols: Iterable[str], errand: Errand) -> None:
        """Ask for the name behind one of the shares that are polled, where there is room for it beside the prices.

        A price has no name here, and a profile is a request of its own.
        """
        if not errand.is_poll:
            return
        symbol = next((each for each in symbols if is_us(each) and each not in self._names), None)
        if symbol is None or errand.refusal(symbol) is not None:
            return
        self._keep_name(symbol, None)  # whatever comes of it, it is not asked for again and again
        with contextlib.suppress(TimeoutError, StockTrackError):
            async with asyncio.timeout(STATE_PATIENCE_SECONDS):
                payload = await rest.get("/stock/profile2", symbol=at_finnhub(symbol))
                self._keep_name(symbol, read_company(payload, symbol))

    def _keep_name(self, symbol: str, company: CompanyInfo | None) -> None:
        known = {} if company is None else {"name": company.name, "exchange": company.exchange}
        self._names[symbol] = known
        self._names.move_to_end(symbol)
        while len(self._names) > MAX_NAMES:
            self._names.popitem(last=False)

    def _renewed(self, quote: Quote) -> Quote:
        """`quote` with the trades since, and with the name behind it where that is known."""
        return self._days.renew(quote.model_copy(update={**self._names.get(quote.symbol, {})}))

    async def _follow_state(self, rest: FinnhubRest, wanted: Wanted) -> None:
        """Know where the US market is in its day while the stream runs: nothing may be asked for by polls meanwhile."""
        while True:
            await self._ask_state(rest, wanted(), None)
            await self._clock.sleep(STATE_LOOK_SECONDS)

    def _today(self) -> date:
        return datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC).date()


class _Answers:
    """What Finnhub has said so far in one call."""

    def __init__(self) -> None:
        self.quotes: dict[str, Quote] = {}
        self.unknown: set[str] = set()
        self.failed: dict[str, ProviderError] = {}
        self.put_off: dict[str, StockTrackError] = {}
        self.not_offered: dict[str, StockTrackError] = {}
        self.end: StockTrackError | None = None  # why it is of no use to ask for more

    def end_by(self, error: StockTrackError) -> None:
        """Note that it is of no use to ask for more; of several reasons the first one counts."""
        self.end = self.end or error

    def complete(self, asked: Sequence[str], seconds: float, renew: Callable[[Quote], Quote]) -> QuoteAnswer:
        """The answer for every one of `asked`; raises what ended it, or where everything failed."""
        if self.end is not None:
            raise self.end
        late = ProviderError(Reason.PROVIDER_TIMEOUT, f"Finnhub did not answer within {seconds:g} seconds.")
        answered = {*self.quotes, *self.unknown, *self.failed, *self.put_off, *self.not_offered}
        self.failed.update((symbol, late) for symbol in asked if symbol not in answered)
        if self.failed and len(self.failed) == len(asked):
            raise next(iter(self.failed.values()))
        quotes: Mapping[str, Quote] = {symbol: renew(quote) for symbol, quote in self.quotes.items()}
        return QuoteAnswer(quotes, frozenset(self.unknown), self.failed, self.put_off, self.not_offered)


def _dealt(symbols: Sequence[str]) -> Sequence[Iterable[str]]:
    """The symbols for each of the workers: all take the next one from the same place."""
    waiting = iter(symbols)
    return [waiting] * min(REQUESTS_AT_ONCE, len(symbols))


def _not_on_plan(what: str) -> CommandError:
    return CommandError(Reason.NOT_OFFERED, f"{what} is not on this Finnhub plan.")


def _full_minute() -> ProviderError:
    message = f"This server has asked Finnhub {REQUESTS_PER_MINUTE} times within a minute, as often as it may."
    return ProviderError(Reason.PROVIDER_BLOCKED, message, retry_after_ms=5_000)
