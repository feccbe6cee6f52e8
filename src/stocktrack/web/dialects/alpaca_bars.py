"""Minute bars for the clients of Alpaca's stream: asked for when a minute is over, once for all who want them.

They are those of HISTORY. Who wants a symbol's bars pays for the request where one is made at all, out of a budget
that is as large as a user's other one and apart from it: neither takes the other's requests away.
"""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, Protocol

import structlog

from stocktrack.bars import MINUTE_MS, Bar, BarInterval
from stocktrack.clock import Clock, end
from stocktrack.errors import CommandError, Reason, StockTrackError
from stocktrack.market.bills import Payer
from stocktrack.market.board import Board
from stocktrack.market.history import FoundBars
from stocktrack.messages import History as Question
from stocktrack.quotes import MarketState
from stocktrack.system.supervised import Supervisor
from stocktrack.web.dialects.alpaca_channels import EVERYTHING

log = structlog.get_logger()

TASK: Final = "minute bars"
# How long after a minute its bar is asked for: sources take some seconds to have the last trades of it. And once more
# where the source did not have it yet.
FIRST_LOOK_SECONDS, SECOND_LOOK_SECONDS = 5.0, 35.0
# So far back bars are looked for that come late: those of a delayed market come a quarter of an hour later.
_LATE_MINUTES: Final = 30
# A market that has closed may still owe the bars of its last minutes.
_MINUTES_AFTER_CLOSE: Final = 2
_AT_ONCE: Final = 16


class Finds(Protocol):
    """Who has past bars: `market.history.History`."""

    async def find(self, question: Question, payer: Payer | None = None) -> FoundBars:
        """The bars, or a `StockTrackError`."""
        ...


class BarListener(Protocol):
    """A client that wants bars of some symbols."""

    @property
    def bar_symbols(self) -> Collection[str]:
        """Which; the asterisk stands for whatever is watched."""
        ...

    @property
    def max_symbols(self) -> int:
        """How many the asterisk may stand for."""
        ...

    def pay(self, requests: int) -> float:
        """Take requests out of the client's budget of bars, as a `Payer` does."""
        ...

    def tell_bars(self, bars: Sequence[tuple[str, Bar]]) -> None:
        """Tell the client of bars, in order."""
        ...

    def tell_no_bars(self, symbol: str, why: StockTrackError) -> None:
        """Tell the client, once, that there are none."""
        ...


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


class MinuteBars:
    """Tells the listeners, which may come and go, of each minute bar once, as soon as it is finished."""

    def __init__(self, history: Finds, board: Board, clock: Clock, supervisor: Supervisor) -> None:
        self._history = history
        self._board = board
        self._clock = clock
        self._supervisor = supervisor
        self._listeners: dict[BarListener, None] = {}
        self._is_running = False
        self._told_until: dict[str, int] = {}  # the time of the newest bar of each symbol that was told, or passed over
        self._open_at: dict[str, int] = {}  # the last minute in which a symbol's market was not closed
        self._refused: set[str] = set()

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
            await self._sleep_until_second(FIRST_LOOK_SECONDS)
            late = await self._look(self._wanted())
            if late:
                await self._sleep_until_second(SECOND_LOOK_SECONDS)
                wanted = self._wanted()
                await self._look({symbol: wanted[symbol] for symbol in late if symbol in wanted})

    async def _sleep_until_second(self, second: float) -> None:
        seconds = second - self._clock.now_ms() % MINUTE_MS / 1000
        await self._clock.sleep(seconds if seconds > 0 else seconds + MINUTE_MS / 1000)

    def _wanted(self) -> Mapping[str, Sequence[BarListener]]:
        """Who wants the bars of each symbol."""
        wanted: dict[str, list[BarListener]] = {}
        watched: list[str] | None = None
        for listener in self._listeners:
            named = listener.bar_symbols
            symbols = [symbol for symbol in named if symbol != EVERYTHING]
            if EVERYTHING in named:
                watched = self._board.watched() if watched is None else watched
                symbols += [symbol for symbol in watched[: listener.max_symbols] if symbol not in named]
            for symbol in symbols:
                wanted.setdefault(symbol, []).append(listener)
        return wanted

    async def _look(self, wanted: Mapping[str, Sequence[BarListener]]) -> list[str]:
        """Ask for the bars of symbols and tell them as they come; returns those that still lack the last minute's."""
        minute = self._clock.now_ms() // MINUTE_MS * MINUTE_MS
        self._forget(wanted, minute)
        asked = [symbol for symbol in wanted if self._is_open(symbol, minute)]
        waiting: Iterator[str] = iter(asked)
        running: dict[asyncio.Task[Sequence[Bar]], str] = {}
        try:
            while True:
                while len(running) < _AT_ONCE and (symbol := next(waiting, None)) is not None:
                    running[asyncio.create_task(self._new_bars(symbol, minute, wanted[symbol]))] = symbol
                if not running:
                    break
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                self._tell({symbol: task.result() for task, symbol in running.items() if task in done}, wanted)
                running = {task: symbol for task, symbol in running.items() if task not in done}
        finally:
            await end(*running)
        return [symbol for symbol in asked if self._told_until.get(symbol, 0) < minute - MINUTE_MS]

    def _forget(self, wanted: Collection[str], minute: int) -> None:
        # Of what was told a moment ago it is known, even where the one who wanted it is gone for a moment.
        before = minute - 2 * MINUTE_MS
        self._told_until = {symbol: at for symbol, at in self._told_until.items() if symbol in wanted or at >= before}
        self._open_at = {symbol: at for symbol, at in self._open_at.items() if symbol in wanted}
        self._refused &= set(wanted)

    def _is_open(self, symbol: str, minute: int) -> bool:
        """Whether there may be new bars: whoever watches a closed market causes no request."""
        quote = self._board.quote(symbol)
        if quote is None or quote.market_state is not MarketState.CLOSED:
            self._open_at[symbol] = minute
        return minute - self._open_at.get(symbol, 0) <= _MINUTES_AFTER_CLOSE * MINUTE_MS

    async def _new_bars(self, symbol: str, minute: int, listeners: Sequence[BarListener]) -> Sequence[Bar]:
        """The finished bars of a symbol that were not told yet; none where they cannot be had."""
        start = minute - _LATE_MINUTES * MINUTE_MS
        question = Question(symbol=symbol, start=start, interval=BarInterval.ONE_MINUTE, prepost=True)
        try:
            found = await self._history.find(question, _Payers(listeners))
        except StockTrackError as error:
            if isinstance(error, CommandError) and error.reason is Reason.NOT_OFFERED and symbol not in self._refused:
                self._refused.add(symbol)
                for listener in listeners:
                    listener.tell_no_bars(symbol, error)
            log.debug("there are no minute bars", symbol=symbol, why=str(error))
            return ()
        except Exception:
            # A mistake of ours with one symbol is no reason for the others to have none.
            log.exception("minute bars failed unexpectedly", symbol=symbol)
            self._supervisor.note(TASK)
            return ()
        finished = [bar for bar in found.bars if bar.time + MINUTE_MS <= minute]
        if not finished:
            return ()
        newest = finished[-1].time
        # Of a symbol that is new here only the minute that is just over is news: else its last bar may be of yesterday.
        told_until = self._told_until.get(symbol, newest - (newest == minute - MINUTE_MS))
        self._told_until[symbol] = max(newest, told_until)
        return [bar for bar in finished if bar.time > told_until]

    def _tell(self, found: Mapping[str, Sequence[Bar]], wanted: Mapping[str, Sequence[BarListener]]) -> None:
        by_listener: dict[BarListener, list[tuple[str, Bar]]] = {}
        for symbol, bars in found.items():
            if bars:
                for listener in wanted[symbol]:
                    by_listener.setdefault(listener, []).extend((symbol, bar) for bar in bars)
        for listener, theirs in by_listener.items():
            if listener in self._listeners:
                listener.tell_bars(theirs)
