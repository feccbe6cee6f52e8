"""Which stretch of time a question for past prices means, and which of its bars are the answer.

`1d` and `5d` are days of the market: which they were the bars themselves say, so that no calendar is needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta, tzinfo
from typing import Final

from stocktrack.bars import DAY_MS, HistoryRange, day_of, midnight_ms
from stocktrack.errors import CommandError, Reason
from stocktrack.market.shelves import Kept, Span
from stocktrack.messages import History as Question

# In what a market's last days are looked for: the longest holidays, the Golden Weeks, take nine days or so.
_DAYS_FOR_ONE, _DAYS_FOR_FIVE, DAYS_FOR_MORE = 5, 9, 21
# The first day of which anybody has prices in bars is later: who asks from here on means all there are.
EVER: Final = midnight_ms(date(1900, 1, 1), UTC)
# Where a market is open for so long on end, its day is the last 24 hours.
_DAY_AND_NIGHT_MS: Final = 20 * 3_600_000
_PAUSE_MS: Final = 3_600_000
# The clocks of the exchanges are so far from UTC at most.
_MOST_ZONE_MS: Final = 14 * 3_600_000
_MONTHS: Final = {
    HistoryRange.MONTH: 1,
    HistoryRange.SIX_MONTHS: 6,
    HistoryRange.YEAR: 12,
    HistoryRange.FIVE_YEARS: 60,
}
_SESSIONS: Final = {HistoryRange.DAY: 1, HistoryRange.FIVE_DAYS: 5}


@dataclass(frozen=True, slots=True)
class Window:
    """Which bars are meant: those that begin in `span`; of these only the last `sessions` days, or these days.

    `is_open_ended` where less than all of it will do, as with `max`.
    """

    span: Span
    sessions: int | None = None
    first_day: date | None = None
    last_day: date | None = None
    is_open_ended: bool = False

    @property
    def takes_less(self) -> bool:
        """Whether bars from later on are an answer too."""
        return self.is_open_ended or self.sessions is not None


def window_of(question: Question, now: int) -> Window:
    """The stretch that is meant, by the clock at `now`; `CommandError` where it makes no sense."""
    asked = question.asked_range
    end = now + 1
    if asked is not None:
        if (sessions := _SESSIONS.get(asked)) is not None:
            days = _DAYS_FOR_ONE if sessions == 1 else _DAYS_FOR_FIVE
            back = max(days * DAY_MS, sessions * question.asked_interval.length_ms * 2)
            return Window((now - back, end), sessions=sessions)
        if asked is HistoryRange.ALL:
            return Window((EVER, end), is_open_ended=True)
        first = _first_day(asked, day_of(now, UTC))
        return Window((midnight_ms(first, UTC) - _MOST_ZONE_MS, end), first_day=first)
    assert question.start is not None  # noqa: S101 - without one there is a range
    start, first_day = _moment(question.start), _day(question.start)
    last_day = _day(question.end)
    if question.end is not None:
        until = _moment(question.end) + (DAY_MS + _MOST_ZONE_MS if last_day is not None else 1)
        end = min(end, until)
    if start - (_MOST_ZONE_MS if first_day is not None else 0) > now:
        raise CommandError(Reason.INVALID_COMMAND, f"HISTORY: the 'start' {question.start} lies in the future.")
    if _is_reversed(question):
        raise CommandError(
            Reason.INVALID_COMMAND, f"HISTORY: the 'start' {question.start} lies after the 'end' {question.end}."
        )
    if first_day is not None:
        start -= _MOST_ZONE_MS
    return Window((start, max(end, start + 1)), first_day=first_day, last_day=last_day)


def _is_reversed(question: Question) -> bool:
    """Whether the end lies before the start."""
    start, end = question.start, question.end
    if start is None or end is None:
        return False
    if isinstance(start, date) and isinstance(end, date):
        return end < start
    return _moment(end) + (DAY_MS if isinstance(end, date) else 0) < _moment(start)


def _first_day(asked: HistoryRange, today: date) -> date:
    if asked is HistoryRange.THIS_YEAR:
        return today.replace(month=1, day=1)
    months = today.year * 12 + today.month - 1 - _MONTHS[asked]
    year, month = divmod(months, 12)
    following = date(year + month // 11, (month + 1) % 12 + 1, 1)
    last = (following - timedelta(days=1)).day
    return date(year, month + 1, min(today.day, last))


def _day(moment: int | date | None) -> date | None:
    return moment if isinstance(moment, date) else None


def _moment(moment: int | date) -> int:
    return midnight_ms(moment, UTC) if isinstance(moment, date) else moment


def chosen(kept: Sequence[Kept], window: Window, zone: tzinfo) -> Sequence[Kept]:
    """Those of the bars in a window's stretch that it means, by the days of the exchange."""
    if not kept:
        return kept
    if window.sessions is not None:
        return _last_sessions(kept, window.sessions, zone)
    if window.first_day is not None:
        since = midnight_ms(window.first_day, zone)
        kept = [each for each in kept if each.bar.time >= since]
    if window.last_day is not None:
        until = midnight_ms(window.last_day + timedelta(days=1), zone)
        kept = [each for each in kept if each.bar.time < until]
    return kept


def _last_sessions(kept: Sequence[Kept], sessions: int, zone: tzinfo) -> Sequence[Kept]:
    """The bars of the last days that have some; where a market is open day and night, one day is 24 hours."""
    newest = kept[-1].bar.time
    since = midnight_ms(day_of(newest, zone), zone)
    for _ in range(sessions - 1):
        earlier = [each.bar.time for each in kept if each.bar.time < since]
        if not earlier:
            break
        since = midnight_ms(day_of(earlier[-1], zone), zone)
    if sessions == 1 and _goes_on_over(since, [each.bar.time for each in kept]):
        since = newest - DAY_MS + 1
    return [each for each in kept if each.bar.time >= since]


def _goes_on_over(midnight: int, times: Sequence[int]) -> bool:
    """Whether the day before had hardly a pause, or was traded into this one, as currencies are on a Sunday evening."""
    before = [time for time in times if midnight - DAY_MS <= time < midnight]
    if not before:
        return False
    first = next((time for time in times if time >= midnight), midnight + DAY_MS)
    is_traded_at_midnight = before[-1] >= midnight - _PAUSE_MS and first <= midnight + _PAUSE_MS
    return is_traded_at_midnight or before[-1] - before[0] >= _DAY_AND_NIGHT_MS
