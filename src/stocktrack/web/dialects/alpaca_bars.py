"""Bars for the clients of Alpaca's stream: asked for when a minute is over, once for all who want them.

They are those of HISTORY: each minute's when it is over, that minute's again where its source counts it otherwise
later, and the running day's. Who wants a symbol's bars pays for the request where one is made at all, out of a budget
that is as large as a user's other one and apart from it: neither takes the other's requests away.
"""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Final, NamedTuple, Protocol, TypeAlias

import structlog

from stocktrack.bars import DAY_MS, MINUTE_MS, Bar, BarInterval, day_of, midnight_ms
from stocktrack.clock import Clock, end
from stocktrack.errors import CommandError, Reason, StockTrackError
from stocktrack.market.bills import Payer
from stocktrack.market.board import Board
from stocktrack.market.history import OWN_PROVIDER, FoundBars
from stocktrack.market.shelves import zone_of
from stocktrack.messages import History as Question
from stocktrack.quotes import MarketState
from stocktrack.system.supervised import Supervisor
from stocktrack.web.dialects.alpaca_channels import EVERYTHING
from stocktrack.web.dialects.alpaca_messages import BarKind

log = structlog.get_logger()

TASK: Final = "bars of the minute"
# How long after a minute its bar is asked for: sources take some seconds to have the last trades of it. And once more
# where the source did not have it yet, or where somebody wants to know what has come late.
FIRST_LOOK_SECONDS, SECOND_LOOK_SECONDS = 5.0, 35.0
# So far back bars are looked for that come late: those of a delayed market come a quarter of an hour later.
_LATE_MINUTES: Final = 30
# So far back there is a day of trading: an empty answer has the sources asked for the reason.
_DAYS_BACK: Final = 10
# A market that has closed may still owe the bars of its last minutes.
_MINUTES_AFTER_CLOSE: Final = 2
_AT_ONCE: Final = 16
# When there is nothing new of a bar: the minutes of early and late hours count, the day is that of the regular ones.
_SHUT: Final[Mapping[BarInterval, frozenset[MarketState]]] = {
    BarInterval.ONE_MINUTE: frozenset({MarketState.CLOSED}),
    BarInterval.DAY: frozenset({MarketState.CLOSED, MarketState.PRE, MarketState.POST}),
}
_INTERVAL_OF: Final[Mapping[BarKind, BarInterval]] = {
    BarKind.MINUTE: BarInterval.ONE_MINUTE,
    BarKind.UPDATED: BarInterval.ONE_MINUTE,
    BarKind.DAY: BarInterval.DAY,
}


class ToldBar(NamedTuple):
    """A bar, as what it is told, and of which symbol."""

    kind: BarKind
    symbol: str
    bar: Bar


class Finds(Protocol):
    """Who has past bars: `market.history.History`."""

    async def find(self, question: Question, payer: Payer | None = None) -> FoundBars:
        """The bars, or a `StockTrackError`."""
        ...


class BarListener(Protocol):
    """A client that wants bars of some symbols."""

    def bar_symbols(self, kind: BarKind) -> Collection[str]:
        """Of which; the asterisk stands for whatever is watched."""
        ...

    @property
    def max_symbols(self) -> int:
        """How many the asterisk may stand for."""
        ...

    def pay(self, requests: int) -> float:
        """Take requests out of the client's budget of bars, as a `Payer` does."""
        ...

    def tell_bars(self, bars: Sequence[ToldBar]) -> None:
        """Tell the client of bars, in order."""
        ...

    def tell_no_bars(self, symbol: str, interval: BarInterval, why: StockTrackError) -> None:
        """Tell the client, once, that there are none."""
        ...


_Asked: TypeAlias = tuple[BarInterval, str]
_Wanted: TypeAlias = Mapping[BarKind, Mapping[str, Sequence[BarListener]]]


class _Payers:
    """All who want one symbol: the first that can pays."""

    def __init__(self, listeners: Sequence[BarListener]) -> None:
        self._listeners = listeners

    def pay(self, requests: int) -> float:
        """As a `Payer`."""
        wait_seconds = 0.0
        for listener in self._listeners:
            if (wait_seconds := listener.pay(requests)) == 0:
                break
        return wait_seconds


class BarWatch:
    """Tells listeners, which may come and go, of each minute's bar once, of what changes in it, and of the day's."""

    def __init__(self, history: Finds, board: Board, clock: Clock, supervisor: Supervisor) -> None:
        self._history = history
        self._board = board
        self._clock = clock
        self._supervisor = supervisor
        self._listeners: dict[BarListener, None] = {}
        self._is_running = False
        self._told_until: dict[
            str, int
        ] = {}  # the time of the newest minute of each symbol that was told, or passed over
        self._minutes: dict[str, dict[int, Bar]] = {}  # the last finished ones of each symbol, by their times
        self._days: dict[str, Bar] = {}  # what was told last of the running day
        self._open_at: dict[_Asked, int] = {}  # the last minute in which a symbol's market was not shut
        self._refused: set[_Asked] = set()

    def listen(self, listener: BarListener) -> None:
        """Have `listener` told from now on."""
        self._listeners[listener] = None
        if not self._is_running:
            self._is_running = True
            self._supervisor.run(TASK, self._run)

    def leave(self, listener: BarListener) -> None:
        """Undo `listen`, also where it never was."""
        self._listeners.pop(listener, None)

    async def _run(self) -> None:
        while True:
            await self._sleep_until_first_look()
            wanted = self._wanted()
            self._forget(wanted)
            asked = [*dict.fromkeys((_INTERVAL_OF[kind], symbol) for kind in BarKind for symbol in wanted[kind])]
            second_at = self._clock.now_ms() // MINUTE_MS * MINUTE_MS + round(SECOND_LOOK_SECONDS * 1000)
            late = await self._look(asked, wanted)
            if (left := second_at - self._clock.now_ms()) <= 0:
                continue  # the sources took so long that it is time for the next minute
            await self._clock.sleep(left / 1000)
            wanted = self._wanted()
            again = [*late, *((BarInterval.ONE_MINUTE, symbol) for symbol in wanted[BarKind.UPDATED])]
            await self._look([*dict.fromkeys(again)], wanted)

    async def _sleep_until_first_look(self) -> None:
        seconds = FIRST_LOOK_SECONDS - self._clock.now_ms() % MINUTE_MS / 1000
        await self._clock.sleep(seconds if seconds > 0 else seconds + MINUTE_MS / 1000)

    def _wanted(self) -> _Wanted:
        """Who wants which bars of each symbol."""
        wanted: dict[BarKind, dict[str, list[BarListener]]] = {kind: {} for kind in BarKind}
        watched: list[str] | None = None
        for listener in self._listeners:
            for kind in BarKind:
                named = listener.bar_symbols(kind)
                symbols = [symbol for symbol in named if symbol != EVERYTHING]
                if EVERYTHING in named:
                    watched = self._board.watched() if watched is None else watched
                    symbols += [symbol for symbol in watched[: listener.max_symbols] if symbol not in named]
                for symbol in symbols:
                    wanted[kind].setdefault(symbol, []).append(listener)
        return wanted

    async def _look(self, asked: Sequence[_Asked], wanted: _Wanted) -> list[_Asked]:
        """Ask for bars and tell them as they come; returns what still lacks the last minute's."""
        minute = self._clock.now_ms() // MINUTE_MS * MINUTE_MS
        asked = [each for each in asked if _listeners_of(each, wanted) and self._is_open(each, minute)]
        waiting: Iterator[_Asked] = iter(asked)
        running: list[asyncio.Task[Sequence[ToldBar]]] = []
        try:
            while True:
                while len(running) < _AT_ONCE and (each := next(waiting, None)) is not None:
                    running.append(asyncio.create_task(self._new_bars(each, minute, _listeners_of(each, wanted))))
                if not running:
                    break
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                self._tell([*chain.from_iterable(task.result() for task in running if task in done)], wanted)
                running = [task for task in running if task not in done]
        finally:
            await end(*running)
        return [
            (interval, symbol)
            for interval, symbol in asked
            if interval is BarInterval.ONE_MINUTE and self._told_until.get(symbol, 0) < minute - MINUTE_MS
        ]

    def _forget(self, wanted: _Wanted) -> None:
        """Forget what nobody wants any more."""
        # Of what was told a moment ago it is known, even where the one who wanted it is gone for a moment.
        before = self._clock.now_ms() // MINUTE_MS * MINUTE_MS - 2 * MINUTE_MS
        minutes = wanted[BarKind.MINUTE].keys() | wanted[BarKind.UPDATED].keys()
        days = wanted[BarKind.DAY].keys()
        self._told_until = {symbol: at for symbol, at in self._told_until.items() if symbol in minutes or at >= before}
        self._minutes = {symbol: bars for symbol, bars in self._minutes.items() if symbol in minutes}
        self._days = {symbol: bar for symbol, bar in self._days.items() if symbol in days}
        self._open_at = {each: at for each, at in self._open_at.items() if _listeners_of(each, wanted)}
        self._refused = {each for each in self._refused if _listeners_of(each, wanted)}

    def _is_open(self, asked: _Asked, minute: int) -> bool:
        """Whether there may be new bars: whoever watches a closed market causes no request."""
        interval, symbol = asked
        quote = self._board.quote(symbol)
        if quote is None or quote.market_state not in _SHUT[interval]:
            self._open_at[asked] = minute
        return minute - self._open_at.get(asked, 0) <= _MINUTES_AFTER_CLOSE * MINUTE_MS

    async def _new_bars(self, asked: _Asked, minute: int, listeners: Sequence[BarListener]) -> Sequence[ToldBar]:
        """What is new of the bars of a symbol; nothing where they cannot be had."""
        interval, symbol = asked
        is_day = interval is BarInterval.DAY
        start = minute - (_DAYS_BACK * DAY_MS if is_day else _LATE_MINUTES * MINUTE_MS)
        question = Question(symbol=symbol, start=start, interval=interval, prepost=not is_day)
        try:
            found = await self._history.find(question, _Payers(listeners))
        except StockTrackError as error:
            if isinstance(error, CommandError) and error.reason is Reason.NOT_OFFERED and asked not in self._refused:
                self._refused.add(asked)
                for listener in listeners:
                    listener.tell_no_bars(symbol, interval, error)
            log.debug("there are no bars", symbol=symbol, interval=interval, why=str(error))
            return ()
        except Exception:
            # A mistake of ours with one symbol is no reason for the others to have none.
            log.exception("bars failed unexpectedly", symbol=symbol)
            self._supervisor.note(TASK)
            return ()
        return self._new_day(found) if is_day else self._new_minutes(found, minute)

    def _new_minutes(self, found: FoundBars, minute: int) -> Sequence[ToldBar]:
        """The finished minutes that were not told yet, and those that were told otherwise."""
        symbol = found.symbol
        finished = [
            replace(bar, provider=bar.provider or found.provider)
            for bar in found.bars
            if bar.time + MINUTE_MS <= minute
        ]
        if not finished:
            return ()
        newest = finished[-1].time
        # Of a symbol that is new here only the minute that is just over is news: else its last bar may be of yesterday.
        told_until = self._told_until.get(symbol, newest - (newest == minute - MINUTE_MS))
        self._told_until[symbol] = max(newest, told_until)
        before = self._minutes.get(symbol)
        self._minutes[symbol] = {bar.time: bar for bar in finished}
        told = [ToldBar(BarKind.MINUTE, symbol, bar) for bar in finished if bar.time > told_until]
        if before is not None:
            late = [bar for bar in finished if bar.time <= told_until and _is_corrected(before.get(bar.time), bar)]
            told += [ToldBar(BarKind.UPDATED, symbol, bar) for bar in late]
        return told

    def _new_day(self, found: FoundBars) -> Sequence[ToldBar]:
        """The day's bar as long as it runs, each minute; and once it has closed, as far as that changed it."""
        zone, newest = zone_of(found.timezone), found.bars[-1]
        # Alpaca's day has the time of its midnight at the exchange.
        bar = replace(newest, time=midnight_ms(day_of(newest.time, zone), zone), live=None)
        before = self._days.get(found.symbol)
        if newest.live is None and (before is None or before.time != bar.time or before == bar):
            return ()
        self._days[found.symbol] = bar
        return (ToldBar(BarKind.DAY, found.symbol, bar),)

    def _tell(self, found: Sequence[ToldBar], wanted: _Wanted) -> None:
        by_listener: dict[BarListener, list[ToldBar]] = {}
        for told in found:
            for listener in wanted[told.kind].get(told.symbol, ()):
                by_listener.setdefault(listener, []).append(told)
        for listener, theirs in by_listener.items():
            if listener in self._listeners:
                listener.tell_bars(theirs)


def _listeners_of(asked: _Asked, wanted: _Wanted) -> Sequence[BarListener]:
    """Who wants what one request tells."""
    interval, symbol = asked
    return [
        *dict.fromkeys(
            listener for kind in BarKind if _INTERVAL_OF[kind] is interval for listener in wanted[kind].get(symbol, ())
        )
    ]


def _is_corrected(before: Bar | None, bar: Bar) -> bool:
    """Whether a source says otherwise by now than it said, or than this server saw by itself.

    What another source counts of a minute is no correction: they never count the same.
    """
    if before is None:
        return True
    return before.provider in {bar.provider, OWN_PROVIDER} and replace(before, provider=bar.provider) != bar
