"""The bars that the sources have told of: asked for once, as far as they are known for good, and shared by all who ask.

`shelves.py` says what is known and what is missing; here the sources are asked for that, within what they have.
"""

import bisect
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC
from functools import partial
from typing import Final

from stocktrack.bars import DAY_MS, BarInterval, Split, day_of, midnight_ms, start_of
from stocktrack.clock import Clock
from stocktrack.errors import CommandError, ProviderError, Reason, StockTrackError
from stocktrack.market.answer_cache import AnswerCache
from stocktrack.market.bills import Payer
from stocktrack.market.routes import Routes
from stocktrack.market.shelves import Key, Shelf, Shelves, Span, zone_of
from stocktrack.market.windows import Window
from stocktrack.providers.base import BarLimit, HistorySource, SourceBars
from stocktrack.quotes import MarketState

SPLITS_SECONDS: Final = 86_400.0
# How long bars are taken for current that may still change, so that who asks each minute is told what is new; in a
# closed market until it opens, or so long.
LIVE_SECONDS: Final = 50.0
LIVE_SECONDS_OF_MINUTES: Final = 20.0
CLOSED_SECONDS: Final = 3_600.0
# Sources correct what they said of the last minutes of a day for a while.
SETTLING_MS: Final = 900_000
# What was meant to end now is asked for a little later, where others were before it.
_ON_THE_WAY_MS: Final = 60_000
# A split or a dividend changes the bars before it, and only bars from its time on tell of it: those of a past that is
# asked for without the present are believed for so long.
COUNTED_MS: Final = DAY_MS
# So many requests a question may cause: where a source tells a week of minutes at a time and has them for ever, all
# there are would be six thousand.
MOST_REQUESTS: Final = 30
# Forgetting bars that a split has changed makes a second round.
_ROUNDS: Final = 3
OPEN_STATES: Final = frozenset({MarketState.PRE, MarketState.OPEN, MarketState.POST})
WORDS: Final = {
    BarInterval.ONE_MINUTE: "1-minute",
    BarInterval.TWO_MINUTES: "2-minute",
    BarInterval.FIVE_MINUTES: "5-minute",
    BarInterval.QUARTER: "15-minute",
    BarInterval.HALF_HOUR: "30-minute",
    BarInterval.HOUR: "1-hour",
    BarInterval.DAY: "daily",
    BarInterval.WEEK: "weekly",
    BarInterval.MONTH: "monthly",
}


class Archive:
    """The shelves, and who fills them.

    ``refuse_unknown(symbol, payer)`` raises where the sources of quotes do not have a symbol; ``charge(payer)`` has a
    request paid for, or raises.
    """

    def __init__(
        self,
        routes: Routes,
        clock: Clock,
        *,
        refuse_unknown: Callable[[str, Payer | None], Awaitable[object]],
        charge: Callable[[Payer | None], None],
    ) -> None:
        self._routes = routes
        self._clock = clock
        self._refuse_unknown = refuse_unknown
        self._charge = charge
        self._shelves = Shelves()
        # With the moment at which they were asked for.
        self._splits: AnswerCache[str, tuple[int, Sequence[Split]]] = AnswerCache(clock, seconds=SPLITS_SECONDS)

    async def close(self) -> None:
        """Cancel what is in flight."""
        await self._splits.close()

    def shelf(self, key: Key) -> Shelf:
        """What is known of `key`; what was used the longest time ago makes room."""
        shelf = self._shelves.at(key)
        self._shelves.tidy()
        return shelf

    def reach(self, key: Key, window: Window) -> tuple[Span | None, CommandError | None]:
        """The part of a window that some source has bars of, and the error where more of it was meant."""
        now, limits = self._clock.now_ms(), self._limits(key)
        if not limits:
            return None, CommandError(Reason.NOT_OFFERED, self._routes.not_offered(HistorySource, key.symbol))
        if not self._has_any(key.symbol):
            message = f"Past prices of {key.symbol} are not on the plan of this server's sources ({', '.join(limits)})."
            return None, CommandError(Reason.NOT_OFFERED, message)
        start, end = window.span
        # Some seconds may pass until the source is asked.
        later = now + _ON_THE_WAY_MS
        earliest = min((_earliest(limit, later) for limit in limits.values() if limit is not None), default=math.inf)
        if start >= earliest:
            return self._within_requests(key, window, limits, later)
        reach = (int(earliest), end) if earliest < end else None
        # A day of the exchange may begin some hours before that of UTC, at night.
        is_of_a_day = window.first_day is not None and midnight_ms(window.first_day, UTC) >= earliest
        if reach is not None and (window.takes_less or is_of_a_day):
            return reach, None
        return reach, self._range_limit(key, start, now, limits)

    def _within_requests(
        self, key: Key, window: Window, limits: Mapping[str, BarLimit | None], now: int
    ) -> tuple[Span | None, CommandError | None]:
        """The part of a window for which not too many requests are needed, and the error where more of it was meant."""
        start, end = window.span
        days = _days_a_request(limits, start, now)
        if days is None or end - start <= days * MOST_REQUESTS * DAY_MS:
            return window.span, None
        if window.takes_less:
            return (end - days * MOST_REQUESTS * DAY_MS, end), None
        what = f"That is more than {days * MOST_REQUESTS} days of {WORDS[key.interval]} bars"
        return None, CommandError(
            Reason.RANGE_LIMIT, f"{what}: ask for less at once with 'start' and 'end', or for a longer interval."
        )

    async def fill(self, key: Key, span: Span, payer: Payer | None) -> StockTrackError | None:
        """Know all bars of `span`; why that could not be where it could not.

        `CommandError` where there is no such symbol.
        """
        shelf = self.shelf(key)
        asked: set[Span] = set()  # of what may still change, nothing is kept for long: it is missing afterwards, too
        try:
            async with shelf.lock:
                now = self._clock.now_ms()
                follows_on = self._follows_on(shelf, span, now)
                for _ in range(_ROUNDS):
                    missing = [part for part in shelf.missing(span, self._clock.monotonic()) if part not in asked]
                    asked.update(missing)
                    if not missing:
                        break
                    left = shelf.failed_until - self._clock.monotonic()
                    if shelf.failure is not None and left > 0:
                        why = shelf.failure
                        return ProviderError(why.reason, why.message, retry_after_ms=round(left * 1000))
                    for part in missing:
                        await self._ask(shelf, key, part, payer)
                if asked and follows_on:
                    shelf.counted_until = now
        except ProviderError as error:
            # A bare copy: the traceback of the one raised would keep everything alive that stood in its frames.
            shelf.failure = ProviderError(error.reason, error.message)
            shelf.failed_until = self._clock.monotonic() + (error.retry_after_ms or 0) / 1000
            return error
        except CommandError as error:
            if error.reason not in {Reason.NOT_OFFERED, Reason.NO_HISTORY, Reason.RATE_LIMITED}:
                raise
            return error
        return None

    async def splits(self, symbol: str, payer: Payer | None) -> Sequence[Split]:
        """All splits of `symbol`; `StockTrackError` where nobody can say."""

        async def ask() -> tuple[int, Sequence[Split]]:
            now = self._clock.now_ms()
            found = await self._routes.first_answer_of(HistorySource, symbol, lambda source, name: source.splits(name))
            return now, found or ()

        _, splits = await self._splits.get(symbol, ask, lambda: self._charge(payer))
        return splits

    def _follows_on(self, shelf: Shelf, span: Span, now: int) -> bool:
        """Whether what is asked for tells of all splits and dividends since they were counted in; else age counts."""
        since = shelf.counted_until
        if since is None:
            return True
        parts = shelf.missing(span, self._clock.monotonic())
        if any(start <= since + _ON_THE_WAY_MS and end > now - _ON_THE_WAY_MS for start, end in parts):
            return True
        if now - since <= COUNTED_MS:
            return False
        shelf.unsettle()
        return True

    def _limits(self, key: Key) -> Mapping[str, BarLimit | None]:
        """How much each source has that may have the symbol, in the order in which they are asked."""
        serving = self._routes.serving(HistorySource, key.symbol)
        return {upstream.name: source.bar_limits.get(key.interval) for upstream, source in serving}

    def _has_any(self, symbol: str) -> bool:
        """Whether some source has bars of any length: one without a plan for them has none."""
        return any(source.bar_limits for _, source in self._routes.serving(HistorySource, symbol))

    def _range_limit(self, key: Key, start: int, now: int, limits: Mapping[str, BarLimit | None]) -> CommandError:
        """What no source has, in words, and what to ask instead."""
        having = [(name, limit) for name, limit in limits.items() if limit is not None]
        name, limit = having[0] if having else (next(iter(limits)), None)

        def goes_back(interval: BarInterval) -> bool:
            others = self._limits(key._replace(interval=interval)).values()
            return any(other is not None and _earliest(other, now) <= start for other in others)

        longer = [each for each in BarInterval if each.length_ms > key.interval.length_ms and goes_back(each)]
        hints = [f"ask for the interval {longer[0]}"] if longer else []
        what = f"{name.capitalize()} has no {WORDS[key.interval]} bars"
        if limit is not None and limit.days_back is not None:
            what += f" older than {limit.days_back} days"
            hints.append(f"for a start of {day_of(now - (limit.days_back - 1) * DAY_MS, UTC)} or later")
        return CommandError(Reason.RANGE_LIMIT, f"{what}: {', or '.join(hints)}." if hints else f"{what}.")

    async def _ask(self, shelf: Shelf, key: Key, span: Span, payer: Payer | None) -> None:
        now = self._clock.now_ms()
        if now - _ON_THE_WAY_MS <= span[1] <= now:
            span = (span[0], now + 1)
        days = _days_a_request(self._limits(key), span[0], now)
        step = span[1] - span[0] if days is None else days * DAY_MS
        # The newest first: where the source fails half way, that is what most want.
        for end in range(span[1], span[0], -step):
            start = max(span[0], end - step)
            self._charge(payer)
            told = await self._routes.first_answer_of(
                HistorySource, key.symbol, partial(self._ask_one, key, start, end)
            )
            if told is None:
                await self._refuse_unknown(key.symbol, payer)
                raise CommandError(Reason.NO_HISTORY, f"Nothing is known of past prices of {key.symbol}.")
            self._learn_of_events(key.symbol, told)
            shelf.put(
                (start, end),
                told,
                settled_until=_settled_until(told, key.interval, now),
                fresh_seconds=_fresh_seconds(told, key.interval, now) if end > now else 0.0,
                monotonic=self._clock.monotonic(),
            )

    def _learn_of_events(self, symbol: str, told: SourceBars) -> None:
        """Ask for the splits anew where bars tell that there may be one since they were asked for."""
        newest = max([*told.dividend_times, *(split.time for split in told.splits)], default=-math.inf)
        self._splits.forget(symbol, lambda known: known[0] < newest)

    async def _ask_one(self, key: Key, start: int, end: int, source: HistorySource, name: str) -> SourceBars | None:
        now, limit = self._clock.now_ms(), source.bar_limits.get(key.interval)
        if limit is None or _earliest(limit, now) > start:
            raise CommandError(Reason.NOT_OFFERED, f"There are no {WORDS[key.interval]} bars so far back.")
        # A source makes weeks and months of the days that it is asked for: one that ends later would lack some.
        is_cut = key.interval.length_ms > DAY_MS and end <= now
        until = end + key.interval.length_ms if is_cut else end
        told = await source.bars(name, key.interval, start, until, prepost=key.prepost)
        return None if told is None else _within(told, start, end)


def _within(told: SourceBars, start: int, end: int) -> SourceBars:
    """What was told, without the bars that begin before `start`, or at `end` or later."""
    first, last = (bisect.bisect_left(told.bars, moment, key=lambda bar: bar.time) for moment in (start, end))
    if (first, last) == (0, len(told.bars)):
        return told
    return replace(
        told,
        bars=told.bars[first:last],
        factors=None if told.factors is None else told.factors[first:last],
    )


def _earliest(limit: BarLimit, now: int) -> float:
    """From when on there are bars."""
    return -math.inf if limit.days_back is None else now - limit.days_back * DAY_MS


def _days_a_request(limits: Mapping[str, BarLimit | None], start: int, now: int) -> int | None:
    """How many days are asked for at a time of the first source that goes back to `start`; None for any."""
    having = (limit for limit in limits.values() if limit is not None and _earliest(limit, now) <= start)
    first = next(having, None)
    return None if first is None else first.days_a_request


def _fresh_seconds(told: SourceBars, interval: BarInterval, now: int) -> float:
    """How long what may still change is taken for current."""
    if told.day is None or told.day.state_at(now) in OPEN_STATES or _is_behind(told):
        if interval.length_ms > BarInterval.TWO_MINUTES.length_ms:
            return LIVE_SECONDS
        # What was said of a running minute says nothing of the finished one.
        return min(LIVE_SECONDS_OF_MINUTES, (interval.length_ms - now % interval.length_ms) / 1000)
    begins_at = told.day.begins_at
    return min(CLOSED_SECONDS, (begins_at - now) / 1000) if begins_at > now else CLOSED_SECONDS


def _is_behind(told: SourceBars) -> bool:
    """Whether the hours that came with the bars are of a day before them."""
    return told.day is not None and bool(told.bars) and told.bars[-1].time >= told.day.ends_at + DAY_MS / 2


def _settled_until(told: SourceBars, interval: BarInterval, now: int) -> int:
    """Before when no bar changes any more: before today, or before now where today's trading is over."""
    zone = zone_of(told.zone)
    until = midnight_ms(day_of(now, zone), zone) - (SETTLING_MS if interval.is_intraday else 0)
    if told.day is not None and not _is_behind(told):
        is_over = now >= told.day.ends_at + SETTLING_MS
        if is_over or now < told.day.begins_at:
            until = now
    return until if interval.length_ms <= DAY_MS else min(until, start_of(now, interval, zone))
