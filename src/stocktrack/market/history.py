"""Answers HISTORY: past prices from the sources, filled up with what this server saw, corrected as they are wanted.

`windows.py` says which stretch of time is meant, `archive.py` has the bars of the sources, and `adjusting.py` corrects
them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final, Protocol

from stocktrack.bars import DAY_MS, Adjust, Bar, BarInterval, Split, day_of, gathered, midnight_ms, next_start, start_of
from stocktrack.clock import Clock
from stocktrack.errors import Code, CommandError, Reason, StockTrackError
from stocktrack.market.adjusting import adjusted, factors_by_day
from stocktrack.market.archive import OPEN_STATES, WORDS, Archive
from stocktrack.market.bills import Payer
from stocktrack.market.shelves import Kept, Key, Shelf, Span
from stocktrack.market.windows import DAYS_FOR_MORE, EVER, Window, chosen, window_of
from stocktrack.messages import History as Question
from stocktrack.providers.base import SourceBars
from stocktrack.providers.instruments import Instruments

OWN_PROVIDER: Final = "recorded"
# Own bars that begin so long after what is asked for still are of it: a weekend and its holidays may lie between.
_LATE_MS: Final = 4 * DAY_MS


class OwnBars(Protocol):
    """What this server saw itself."""

    async def minutes(self, symbol: str, start: int, end: int) -> Sequence[Bar]:
        """The 1-minute bars of `symbol` as they were traded, from `start` on and before `end`, as far as it has them.

        Those outside of the regular hours say so by their `market_state`. `StorageError` where they cannot be read.
        """
        ...


class NoOwnBars:
    """A server that records nothing."""

    async def minutes(self, symbol: str, start: int, end: int) -> Sequence[Bar]:
        """None."""
        return ()


@dataclass(frozen=True, slots=True)
class FoundBars:
    """The bars of an answer, in order.

    `has_more` says that others follow, and `stale_reason` that the newest may be missing.
    """

    symbol: str
    interval: BarInterval
    adjust: Adjust
    timezone: str
    currency: str | None
    provider: str
    bars: Sequence[Bar]
    has_more: bool = False
    stale_reason: Reason | None = None


class History:
    """Answers HISTORY by `archive`, and by `own`, which may be set before it is asked."""

    def __init__(self, archive: Archive, instruments: Instruments, clock: Clock) -> None:
        self.own: OwnBars = NoOwnBars()
        self._archive = archive
        self._instruments = instruments
        self._clock = clock

    async def close(self) -> None:
        """Cancel what is in flight."""
        await self._archive.close()

    async def find(self, question: Question, payer: Payer | None = None, *, most: int | None = None) -> FoundBars:
        """The bars that `question` asks for, or the oldest `most` of them.

        `CommandError` where it cannot be answered: `range_limit` where no source goes back so far, `unknown_symbol`, or
        `no_history` where nothing was traded. `ProviderError` where the sources fail and nothing is known.
        """
        if (refusal := self._instruments.refusal(question.symbol)) is not None:
            raise refusal
        now = self._clock.now_ms()
        window = window_of(question, now)
        key = Key(question.symbol, question.asked_interval, question.prepost)
        shelf = self._archive.shelf(key)
        reach, refused = self._archive.reach(key, window)
        own: Sequence[Kept] = ()
        if refused is not None:
            own = await self._own_bars(key, window.span, shelf)
            if not _reaches_back(own, window, refused):
                raise refused
        failure = None if reach is None else await self._archive.fill(key, reach, payer)
        theirs = chosen(shelf.between(*window.span), window, shelf.zone)
        if refused is None and not shelf.has_none_so_short and (key.interval.is_intraday or failure is not None):
            # Of what the source has bars of, only the days that are meant.
            since = theirs[0].bar.time if theirs and failure is None else window.span[0]
            own = await self._own_bars(key, (since, window.span[1]), shelf)
        if failure is None and not own and not theirs:
            window = await self._anchored(window, question, key, shelf, payer)
        found = theirs
        if own or not theirs:
            found = chosen(_filled(shelf.between(*window.span), own, key.interval), window, shelf.zone)
        if not found:
            raise failure or await self._nothing(key, window, shelf, payer)
        has_more = most is not None and len(found) > most
        found = found[:most]
        bars, adjust = await self._adjusted(found, question, shelf, payer)
        provider = _main_provider(found)
        bars = _named(bars, found, provider)
        if not has_more and _is_live(bars[-1].time, shelf, key.interval, now):
            bars[-1] = replace(bars[-1], live=True)
        return FoundBars(
            symbol=key.symbol,
            interval=key.interval,
            adjust=adjust,
            timezone=shelf.zone_name or "UTC",
            currency=shelf.currency,
            provider=provider,
            bars=bars,
            has_more=has_more,
            # Where no source has any, none is missing.
            stale_reason=None if failure is None or failure.code is Code.NOT_FOUND else failure.reason,
        )

    async def told(self, key: Key, span: Span) -> SourceBars:
        """All bars of `key` in `span`, for another server, which corrects them and chooses among them by itself.

        They are those of the sources, and where those have none what this server saw, corrected for splits where these
        are known; each says whose it is where it is not that of most. Errors are those of `find`, but for
        `no_history`: a stretch without a bar is an empty list. Whoever asks from `EVER` on means all there are.
        """
        if (refusal := self._instruments.refusal(key.symbol)) is not None:
            raise refusal
        window = Window(span, is_open_ended=span[0] <= EVER)
        shelf = self._archive.shelf(key)
        reach, refused = self._archive.reach(key, window)
        own: Sequence[Kept] = ()
        if refused is not None or key.interval.is_intraday:
            own = await self._own_bars(key, span, shelf)
        if refused is not None and not _reaches_back(own, window, refused):
            raise refused
        failure = None if reach is None else await self._archive.fill(key, reach, None)
        if failure is not None and (failure.code is not Code.NOT_FOUND or not own):
            raise failure
        found = _filled(shelf.between(*span), own, key.interval)
        return await self._as_told(key, span, shelf, found)

    async def _as_told(self, key: Key, span: Span, shelf: Shelf, found: Sequence[Kept]) -> SourceBars:
        are_as_traded = bool(found) and all(each.is_as_traded for each in found)
        bars = [each.bar for each in found]
        if any(each.is_as_traded for each in found):
            try:
                splits = await self._archive.splits(key.symbol, None)
            except StockTrackError:
                if not are_as_traded:
                    raise
            else:
                are_as_traded = False
                bars = adjusted(found, Adjust.SPLITS, shelf.zone, splits=splits)
        provider = _main_provider(found)
        return SourceBars(
            provider=provider,
            bars=_named(bars, found, provider),
            zone=shelf.zone_name,
            currency=shelf.currency,
            factors=[each.factor for each in found],
            # Whether it was the one or the other, it changes what was told before.
            dividend_times=sorted(moment for moment in shelf.known_events if span[0] <= moment < span[1]),
            day=shelf.day,
            last_trade_at=shelf.last_trade_at,
            are_as_traded=are_as_traded,
            has_none_so_short=shelf.has_none_so_short,
        )

    async def splits(self, symbol: str) -> Sequence[Split]:
        """All splits of `symbol`; `StockTrackError` where nobody can say."""
        if (refusal := self._instruments.refusal(symbol)) is not None:
            raise refusal
        return await self._archive.splits(symbol, None)

    async def _own_bars(self, key: Key, span: Span, shelf: Shelf) -> Sequence[Kept]:
        start, end = span
        # A stretch may begin and end in the middle of a bar, which is made of all its minutes all the same.
        first = start_of(start, key.interval, shelf.zone)
        stop = next_start(start_of(end - 1, key.interval, shelf.zone), key.interval, shelf.zone)
        try:
            minutes = await self.own.minutes(key.symbol, first, stop)
        except StockTrackError:
            return ()  # the log has it where it happened
        if not (key.prepost and key.interval.is_intraday):
            minutes = [bar for bar in minutes if bar.market_state is None]
        bars = minutes if key.interval is BarInterval.ONE_MINUTE else gathered(minutes, key.interval, shelf.zone)
        return [Kept(bar, OWN_PROVIDER, 1.0, is_as_traded=True) for bar in bars if start <= bar.time < end]

    async def _anchored(
        self, window: Window, question: Question, key: Key, shelf: Shelf, payer: Payer | None
    ) -> Window:
        """A window of a range that has bars, where it has none up to now: it ends with the last trade there was."""
        now, last_trade_at = self._clock.now_ms(), shelf.last_trade_at
        if question.asked_range is None or shelf.has_none_so_short:
            return window
        if window.sessions is not None and (last_trade_at or now) >= now - DAYS_FOR_MORE * DAY_MS:
            other = replace(window, span=(now - DAYS_FOR_MORE * DAY_MS, window.span[1]))
        elif last_trade_at is not None and _is_before(last_trade_at, window, shelf):
            other = window_of(question, last_trade_at)
        else:
            return window
        reach, refused = self._archive.reach(key, other)
        if reach is None or refused is not None:
            return window
        await self._archive.fill(key, reach, payer)
        return other

    async def _nothing(self, key: Key, window: Window, shelf: Shelf, payer: Payer | None) -> CommandError:
        """Why there is no bar, in words."""
        symbol = key.symbol
        if shelf.has_none_so_short:
            why = f"There are no {WORDS[key.interval]} bars of {symbol}, which is priced once a day"
            return CommandError(Reason.RANGE_LIMIT, f"{why}: ask for the interval 1d.")
        start, end = window.span
        first, last = window.first_day or day_of(start, shelf.zone), window.last_day or day_of(end - 1, shelf.zone)
        when = f"on {first}" if first == last else f"from {first} to {last}"
        message = f"There are no bars of {symbol} {when}: nothing was traded, or nobody kept it."
        days = Key(symbol, BarInterval.DAY, prepost=False)
        until = start if window.first_day is None else midnight_ms(first, shelf.zone)
        before, _ = self._archive.reach(days, Window((start - DAYS_FOR_MORE * DAY_MS, until)))
        if before is not None:
            await self._archive.fill(days, before, payer)
            known = self._archive.shelf(days)
            if kept := [each for each in known.between(*before) if day_of(each.bar.time, known.zone) < first]:
                message += f" The last day before that has some is {day_of(kept[-1].bar.time, known.zone)}."
        return CommandError(Reason.NO_HISTORY, message)

    async def _adjusted(
        self, found: Sequence[Kept], question: Question, shelf: Shelf, payer: Payer | None
    ) -> tuple[list[Bar], Adjust]:
        """The bars as they are wanted, and what they are corrected for in the end."""
        adjust, symbol = question.adjust, question.symbol
        splits: Sequence[Split] = ()
        if any(each.is_as_traded is not (adjust is Adjust.NONE) for each in found):
            try:
                splits = await self._archive.splits(symbol, payer)
            except StockTrackError:
                if adjust is Adjust.NONE:
                    raise
                if all(each.is_as_traded for each in found):
                    adjust = Adjust.NONE
        factor_of = None
        if adjust is Adjust.ALL and question.asked_interval.is_intraday:
            factor_of = await self._day_factors(symbol, (found[0].bar.time, found[-1].bar.time + 1), payer)
        return adjusted(found, adjust, shelf.zone, splits=splits, factor_of=factor_of), adjust

    async def _day_factors(self, symbol: str, span: Span, payer: Payer | None) -> Callable[[date], float]:
        """The factors for dividends of the days of `span`; the error where they cannot be had."""
        days = Key(symbol, BarInterval.DAY, prepost=False)
        around = (span[0] - 7 * DAY_MS, span[1] + DAY_MS)
        if (failure := await self._archive.fill(days, around, payer)) is not None:
            raise failure
        shelf = self._archive.shelf(days)
        return factors_by_day(shelf.between(*around), shelf.zone)


def _is_before(moment: int, window: Window, shelf: Shelf) -> bool:
    """Whether a moment lies before all that a window means, by the days of the exchange."""
    if window.first_day is not None:
        return day_of(moment, shelf.zone) < window.first_day
    return moment < window.span[0]


def _main_provider(found: Sequence[Kept]) -> str:
    """Whose the newest bar is that this server did not see itself."""
    return next((each.provider for each in reversed(found) if each.provider != OWN_PROVIDER), OWN_PROVIDER)


def _named(bars: Sequence[Bar], found: Sequence[Kept], provider: str) -> list[Bar]:
    """The bars, each with the name of its source where that is another one than `provider`."""
    return [
        bar if kept.provider == provider else replace(bar, provider=kept.provider)
        for bar, kept in zip(bars, found, strict=True)
    ]


def _reaches_back(own: Sequence[Kept], window: Window, refused: CommandError) -> bool:
    """Whether what this server saw is an answer where the sources do not go back far enough, or there are none."""
    if not own:
        return False
    return refused.reason is Reason.NOT_OFFERED or own[0].bar.time <= window.span[0] + _LATE_MS


def _filled(kept: Sequence[Kept], own: Sequence[Kept], interval: BarInterval) -> Sequence[Kept]:
    """What the sources have, and what this server saw where they have nothing."""
    if not own:
        return kept
    times = [each.bar.time for each in kept]
    length = interval.length_ms
    found: list[Kept] = list(kept)
    place = 0
    for each in own:
        time = each.bar.time
        while place < len(times) and times[place] <= time - length:
            place += 1
        if place >= len(times) or times[place] >= time + length:
            found.append(each)
    return sorted(found, key=lambda each: each.bar.time)


def _is_live(time: int, shelf: Shelf, interval: BarInterval, now: int) -> bool:
    if next_start(time, interval, shelf.zone) <= now:
        return False
    if interval.length_ms > DAY_MS or shelf.day is None:
        return True
    if interval is BarInterval.DAY:
        # In the evening a source may tell tomorrow's hours already.
        return day_of(time, shelf.zone) == day_of(shelf.day.opens_at, shelf.zone) and now < shelf.day.closes_at
    return shelf.day.state_at(now) in OPEN_STATES
