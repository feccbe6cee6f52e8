"""Finds the bars that UDF asks for: those of a stretch of time, or the last ones before a moment.

TradingView wants so many bars before `to`, and knows neither when the market was open nor how far its past goes back.
So they are asked for by HISTORY in longer and longer stretches, until they are enough or there are no more.
"""

import sys
from collections.abc import Awaitable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Protocol

from stocktrack.bars import BarInterval
from stocktrack.errors import Reason
from stocktrack.market.shelves import zone_of
from stocktrack.messages import HistoryReply, Reply
from stocktrack.web.dialects.udf_terms import TimedBar, timed
from stocktrack.web.rest.sessions import RefusedError

DAY_SECONDS: Final = 86_400
# More bars before a moment are not given: a screen shows a thousand.
MOST_COUNTED: Final = 10_000
# Nobody has bars of a day that is earlier.
FIRST_SECONDS: Final = int(datetime(1900, 1, 1, tzinfo=UTC).timestamp())
# The clocks of the exchanges are so far from UTC at most.
_MOST_ZONE_SECONDS: Final = 14 * 3_600
# Who asks up to now means the bar of today, also where today has begun there and not in UTC.
_NOW_SECONDS: Final = 60
# In what bars within a day are looked for where there are none: nothing pauses for longer, or there is no more of it.
_LONGEST_PAUSE_SECONDS: Final = 90 * DAY_SECONDS
# How exactly it is found out from when on a source has bars.
_EXACT_SECONDS: Final = 3_600
_GROWTH: Final = 3


class Ask(Protocol):
    """Asks a command, as `RestSession.ask_on` does."""

    def __call__(self, command_type: str, /, **fields: Any) -> Awaitable[Reply]:
        """The reply; `RefusedError` where the command failed."""
        ...


class UdfBars:
    """The bars of one symbol in one interval, asked for by ``ask``; times are seconds, `now` the present."""

    def __init__(self, ask: Ask, symbol: str, interval: BarInterval, now: float) -> None:
        self._ask = ask
        self._symbol = symbol
        self._interval = interval
        self._now = now

    async def between(self, start: int, end: int) -> Sequence[TimedBar]:
        """The bars from `start` on and before `end`, as far as the sources go back."""
        bars, _ = await self._reachable(start, end)
        return bars

    async def before(self, end: int, count: int, *, start: int | None = None) -> Sequence[TimedBar]:
        """The last `count` bars before `end`, fewer where there are no more; `start` is where they may begin."""
        count, end = min(count, MOST_COUNTED), min(end, int(self._now) + 1)
        length = self._interval.length_ms // 1000
        is_intraday = self._interval.is_intraday
        span = count * length * 3 // 2 + (2 if is_intraday else 7) * DAY_SECONDS
        if start is not None and 0 < end - start <= span * _GROWTH:
            span = end - start
        most = max(_LONGEST_PAUSE_SECONDS, count * length * 10) if is_intraday else end - FIRST_SECONDS
        found: Sequence[TimedBar] = ()
        known_from = end
        while True:
            bars, is_all = await self._reachable(end - span, known_from)
            found, known_from = [*bars, *found], end - span
            if len(found) >= count or is_all or span >= most:
                return found[-count:]
            span = min(span * _GROWTH, most)

    async def _reachable(self, start: int, end: int) -> tuple[Sequence[TimedBar], bool]:
        """The bars from `start` on, or from when on a source has any; and whether there are none before them."""
        start = max(start, FIRST_SECONDS)
        try:
            return await self._bars(start, end), start == FIRST_SECONDS
        except RefusedError as error:
            if error.failure.reason is not Reason.RANGE_LIMIT:
                raise
        # The error says it in a sentence, which is for people.
        too_early, good = start, end
        found: Sequence[TimedBar] = ()
        while good - too_early > max(_EXACT_SECONDS, self._interval.length_ms // 1000):
            middle = (good + too_early) // 2
            try:
                found, good = [*await self._bars(middle, good), *found], middle
            except RefusedError as error:
                if error.failure.reason is not Reason.RANGE_LIMIT:
                    raise
                too_early = middle
        return found, True

    async def _bars(self, start: int, end: int) -> Sequence[TimedBar]:
        fields = self._fields(start, end)
        if fields is None:
            return ()
        try:
            reply = await self._ask("HISTORY", symbol=self._symbol, interval=self._interval, **fields)
        except RefusedError as error:
            if error.failure.reason is Reason.NO_HISTORY:
                return ()
            raise
        assert isinstance(reply, HistoryReply)  # noqa: S101 - as its row says
        latest = end if end < self._now - _NOW_SECONDS else sys.maxsize
        return [
            each for each in timed(reply.bars, self._interval, zone_of(reply.timezone)) if start <= each[0] < latest
        ]

    def _fields(self, start: int, end: int) -> dict[str, Any] | None:
        """How HISTORY names the stretch; None where nothing can be in it. Days are those of the exchange."""
        if start >= end or start > self._now + _MOST_ZONE_SECONDS:
            return None
        is_up_to_now = end >= self._now - _NOW_SECONDS
        if self._interval.is_intraday:
            if start > self._now:
                return None
            return {"start": start * 1000, "end": None if is_up_to_now else end * 1000 - 1}
        first, last = _day(-(-start // DAY_SECONDS)), _day((end - 1) // DAY_SECONDS)
        if first > last or -(-start // DAY_SECONDS) * DAY_SECONDS > self._now + _MOST_ZONE_SECONDS:
            return None
        return {"start": first.isoformat(), "end": None if is_up_to_now else last.isoformat()}


def _day(number: int) -> date:
    """The day so many days after the first of 1970."""
    return date(1970, 1, 1) + timedelta(days=number)
