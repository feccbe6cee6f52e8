"""What of the symbols that a source leads is due to be asked for: no I/O, for the task that polls the source.

What its stream does not carry is due every poll interval, or less often where its budget does not allow that; the
oldest first. What the stream carries is asked for when it was mute for a while, and now and then all the same, since
a tick tells little of the day. In a market that is closed neither has to be often.
"""

import math
from collections.abc import Callable, Iterable, Mapping

from stocktrack.clock import Clock
from stocktrack.market.board import Board
from stocktrack.market.leads import FILL_SECONDS, Leads
from stocktrack.market.upstream import Upstream
from stocktrack.providers.base import QuoteSource

# How often that is looked at: a symbol is filled in for within half a minute. Sooner while something waits for room.
TICK_SECONDS, SHORT_TICK_SECONDS = 5.0, 2.0
# The part of a source's room that what its stream leaves mute may have before all else.
_MUTE_SHARE = 0.5
# How often the figures of the day are asked for of a symbol that ticks: cheaply in batches, or else one by one.
DAY_SECONDS, DAY_ALONE_SECONDS = 60.0, 300.0
RESTING_SECONDS = 600.0
# A poll begins a moment after its time, and the next one may look a moment before its own: so much of an interval is
# no reason to leave a whole one out.
_EARLY = 0.1
_MOST_GIVEN = 20_000
_BATCH = 10  # from so many symbols a request on, asking is cheap


class Poll:
    """The polls of one source. `is_resting(symbol)` says whether the market of a symbol is closed."""

    def __init__(
        self,
        upstream: Upstream,
        source: QuoteSource,
        leads: Leads,
        board: Board,
        clock: Clock,
        *,
        interval_seconds: float,
        is_resting: Callable[[str], bool],
    ) -> None:
        self._upstream = upstream
        self._size = source.symbols_a_request
        self._day_seconds = DAY_SECONDS if self._size >= _BATCH else DAY_ALONE_SECONDS
        if upstream.provider.is_free:
            self._day_seconds = math.inf  # what invents its prices invents all of each
        self._leads = leads
        self._board = board
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._is_resting = is_resting
        # When each was asked for last, and when that was answered, whatever came of it (monotonic).
        self._asked: dict[str, float] = {}
        self._answered: dict[str, float] = {}
        # When the source gave the day's figures of each last, whoever had asked for them.
        self._given: dict[str, float] = {}
        # How far apart the polls of what is not streamed are now, and how long what is streamed may be mute.
        self.apart_seconds = interval_seconds
        self._fill_seconds = FILL_SECONDS
        self._is_short_of_room = False

    def pace(self) -> None:
        """See how far apart polls have to be, and keep room for them."""
        polled, streamed = self._led()
        self._asked = _only(self._asked, polled, streamed)
        self._answered = _only(self._answered, polled, streamed)
        self._given = _only(self._given, polled, streamed)
        if (ceiling := self._upstream.ceiling) is None:
            return
        requests = math.ceil(len(polled) / self._size)
        # What may have to be filled in for, as if it were asked for at every poll.
        requests += math.ceil(math.ceil(len(streamed) / self._size) * self._interval_seconds / FILL_SECONDS)
        ceiling.pace(requests, self._interval_seconds)
        now, a_second = self._clock.monotonic(), ceiling.polls_in(1.0) * self._size  # symbols
        mute = sum(1 for symbol in streamed if self._quiet_seconds(symbol, now) >= FILL_SECONDS)
        for_mute = min(mute / FILL_SECONDS, a_second * (_MUTE_SHARE if polled else 1.0))
        self._fill_seconds = max(FILL_SECONDS, mute / for_mute) if mute else FILL_SECONDS
        needed_seconds = len(polled) / (a_second - for_mute) if polled else 0.0
        self.apart_seconds = max(self._interval_seconds, needed_seconds)

    def due(self, now: float) -> tuple[list[str], list[str]]:
        """What is to be asked for `now` (monotonic), and what is overdue and there is no room for.

        Where there is not room for all the oldest come first; what a stream leaves mute may have half of the room
        before anything else.
        """
        to_poll, in_stream = self._led()
        streamed = [symbol for symbol in in_stream if self._is_mute(symbol, now)]
        polled = [symbol for symbol in to_poll if self._is_due(symbol, now)]
        room = self._upstream.room_for_symbols(is_poll=True)
        self._is_short_of_room = room < len(streamed) + len(polled)
        if not self._is_short_of_room:
            return [*streamed, *polled], []
        streamed.sort(key=self._age_key)
        mute = [symbol for symbol in streamed if self._quiet_seconds(symbol, now) >= FILL_SECONDS]
        first = mute[: math.ceil(room * _MUTE_SHARE)]
        taken = frozenset(first)
        others = sorted((each for each in (*streamed, *polled) if each not in taken), key=self._age_key)
        in_order = [*first, *others]
        later = in_order[int(room) :]
        return in_order[: int(room)], [each for each in later if now - self._renewed_at(each) > self._patience(each)]

    def began(self, symbols: Iterable[str], at: float) -> None:
        """Note that `symbols` are being asked for, since they were due `at` that time.

        It is not the time of the request, which is a little later: by that one nothing would be due in time again.
        """
        self._asked |= dict.fromkeys(symbols, at)

    def ended(self, symbols: Iterable[str]) -> None:
        """Note that this is over, however it went."""
        self._answered |= dict.fromkeys(symbols, self._clock.monotonic())

    def put_off(self, symbols: Iterable[str]) -> None:
        """Note that there was no request left for `symbols`: they are as due as before."""
        for symbol in symbols:
            self._asked.pop(symbol, None)

    def gave(self, symbols: Iterable[str]) -> None:
        """Note that the source was asked for `symbols` and has answered."""
        self._given |= dict.fromkeys(symbols, self._clock.monotonic())
        # Also of what nobody watches, since somebody may be about to.
        while len(self._given) > _MOST_GIVEN:
            del self._given[next(iter(self._given))]

    def interval(self, symbol: str) -> float:
        """How often `symbol` is asked for now, in seconds."""
        if symbol in self._streamed():
            return RESTING_SECONDS if self._is_resting(symbol) else self._fill_seconds
        return self.apart_seconds

    def _patience(self, symbol: str) -> float:
        """How old a symbol may get before another source is asked for it, in seconds."""
        return FILL_SECONDS if symbol in self._streamed() else self.apart_seconds

    def tick_seconds(self) -> float:
        """When to look again, in seconds from now."""
        if self._is_short_of_room:
            return min(self._interval_seconds, SHORT_TICK_SECONDS)
        is_watchful = bool(self._streamed()) or self.apart_seconds > self._interval_seconds
        return min(self._interval_seconds, TICK_SECONDS) if is_watchful else self._interval_seconds

    def _led(self) -> tuple[Mapping[str, None], Mapping[str, None]]:
        """What the source leads by being asked, and what by its stream.

        A stream that is still opening brings nothing, and a host that lets nobody through takes a minute to say so.
        Where asking costs little, what the stream will carry is polled until then.
        """
        polled, streamed = self._leads.polled_by(self._upstream), self._streamed()
        return polled if streamed else {**self._leads.streamed_by(self._upstream), **polled}, streamed

    def _streamed(self) -> Mapping[str, None]:
        if self._upstream.is_streaming or self._size < _BATCH:
            return self._leads.streamed_by(self._upstream)
        return {}

    def _is_due(self, symbol: str, now: float) -> bool:
        """Whether something that is polled is due."""
        if now - self._asked.get(symbol, -math.inf) < self.apart_seconds - _EARLY * self._interval_seconds:
            return False
        # What was renewed after the last poll was renewed by a stream or a GET. The answer to the poll itself is no
        # reason to leave the next one out, however late it came.
        limit = max(self._answered.get(symbol, -math.inf), now - self._interval_seconds / 2)
        return self._renewed_at(symbol) <= limit

    def _is_mute(self, symbol: str, now: float) -> bool:
        """Whether something that is streamed is due."""
        quiet_seconds = self._quiet_seconds(symbol, now)
        if quiet_seconds < FILL_SECONDS:
            given = max(self._asked.get(symbol, -math.inf), self._given.get(symbol, -math.inf))
            if now - given < self._day_seconds:
                return False
        return quiet_seconds >= RESTING_SECONDS or not self._is_resting(symbol)

    def _quiet_seconds(self, symbol: str, now: float) -> float:
        """How long nothing was heard of something that is streamed, and it was not asked for either."""
        return now - self._age_key(symbol)

    def _renewed_at(self, symbol: str) -> float:
        entry = self._board.entry(symbol)
        return entry.refreshed_at if entry is not None else -math.inf

    def _age_key(self, symbol: str) -> float:
        return max(self._asked.get(symbol, -math.inf), self._renewed_at(symbol))


def _only(times: dict[str, float], *kept: Mapping[str, None]) -> dict[str, float]:
    """`times` without what is led no longer, where that has become much."""
    if len(times) <= 2 * sum(map(len, kept)) + 100:
        return times
    return {symbol: at for symbol, at in times.items() if any(symbol in each for each in kept)}
