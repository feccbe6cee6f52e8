"""One session's set of symbols, and the one task that pushes it.

The publisher never waits for a session: the task asks the board for what changed since it last looked, hands it to the
connection in one write, and looks again only when the client has taken it. What changed several times meanwhile is
sent once, as it is then; `seq` shows the jump.
"""

import asyncio
import contextlib
from collections.abc import Iterable

from stocktrack.clock import Clock
from stocktrack.market.board import Basket, Board
from stocktrack.metronome import Metronome
from stocktrack.wire.connection import Connection


class Subscription:
    """What one session is pushed, how often, and the task that does it.

    The task exists while there are symbols; `close` ends it. `interval_seconds` 0 pushes what changed as it changes,
    anything else pushes all symbols each time, as they are then.
    """

    __slots__ = (
        *("_basket", "_beat", "_board", "_clock", "_connection", "_metronome", "_name", "_sent", "_task", "_updates"),
        "_waiter",
        "interval_seconds",
    )

    def __init__(
        self,
        board: Board,
        connection: Connection,
        clock: Clock,
        metronome: Metronome,
        *,
        interval_seconds: float,
        name: str,
    ) -> None:
        self._board = board
        self._connection = connection
        self._clock = clock
        self._metronome = metronome
        self._name = name
        self._basket: Basket | None = None
        self._sent = 0
        self._updates = 0
        self._task: asyncio.Task[None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._beat = 0  # of the metronome, that the task waits for
        self.interval_seconds = interval_seconds

    @property
    def symbols(self) -> tuple[str, ...]:
        """What is pushed, in the order it was asked for."""
        return self._basket.symbols if self._basket is not None else ()

    @property
    def failure(self) -> BaseException | None:
        """What ended the task that pushes, where that was a mistake of ours: no price will come any more."""
        if self._task is None or not self._task.done():
            return None
        return asyncio.CancelledError() if self._task.cancelled() else self._task.exception()

    def add(self, symbols: Iterable[str], interval_seconds: float | None = None) -> bytes:
        """Push `symbols` too, from now on with `interval_seconds` where given; returns the lines to begin with.

        Those are the current prices of what is new, and of what changed since the last push where that is due anyway.
        The caller sends them right after its reply.
        """
        before = self.symbols
        after = tuple(dict.fromkeys((*before, *symbols)))
        new = frozenset(after[len(before) :])
        is_new_pace = interval_seconds is not None and interval_seconds != self.interval_seconds
        if interval_seconds is not None:
            self.interval_seconds = interval_seconds
        if not new and not is_new_pace:
            return b""
        sent = self._sent if self.interval_seconds == 0 and before else self._board.revision
        self._rewatch(after, is_new_pace=is_new_pace)
        if self._basket is None:
            return b""
        self._sent = self._board.revision
        lines = [entry.line for entry in self._basket.entries if entry.symbol in new or entry.revision > sent]
        self._board.pushed_prices += len(lines)
        return b"".join(lines)

    def remove(self, symbols: Iterable[str]) -> tuple[str, ...]:
        """Stop pushing `symbols`; returns those that were pushed."""
        gone = frozenset(symbols)
        before = self.symbols
        after = tuple(symbol for symbol in before if symbol not in gone)
        if len(after) < len(before):
            self._rewatch(after, is_new_pace=False)
        return tuple(symbol for symbol in before if symbol in gone)

    def add_watched(self, most: int) -> bytes:
        """Push whatever others watch, at most so many symbols, as it changes; returns the lines to begin with.

        It is for a subscription that has no symbols of its own: they are no demand, and `symbols` does not list them.
        """
        self._take_basket(self._board.watch_watched(self, most=most), is_new_pace=False)
        self._sent = self._board.revision
        return self._basket.push() if self._basket is not None else b""

    def close(self) -> None:
        """Stop pushing."""
        if self._basket is not None:
            self._take_basket(None, is_new_pace=False)

    def wake(self) -> None:
        """Called by the board when a watched symbol changed, and by the metronome when a push is due."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _rewatch(self, symbols: tuple[str, ...], *, is_new_pace: bool) -> None:
        eager = self.interval_seconds == 0
        self._take_basket(self._board.watch(symbols, self, eager=eager) if symbols else None, is_new_pace=is_new_pace)

    def _take_basket(self, basket: Basket | None, *, is_new_pace: bool) -> None:
        # The new basket is watched before the old one is left, so that no symbol goes unwatched in between.
        old, self._basket = self._basket, basket
        if old is not None and old is not basket:
            self._board.unwatch(old, self)
        self._updates = basket.updates if basket is not None else 0
        if self._task is not None and (is_new_pace or basket is None):
            self._metronome.forget(self._beat, self)
            self._task.cancel()
            self._task = None
        if self._task is None and basket is not None:
            interval_seconds = self.interval_seconds
            # A client that went away ends the push quietly: the door's read loop notices it and closes the session.
            push = self._push_all(interval_seconds) if interval_seconds else self._push_changes()
            self._task = asyncio.create_task(push, name=f"{self._name} push")

    async def _push_changes(self) -> None:
        with contextlib.suppress(OSError):
            while self._basket is not None:
                if self._basket.revision <= self._sent:
                    self._waiter = asyncio.get_running_loop().create_future()
                    await self._waiter
                    continue
                lines = self._basket.push(self._sent)
                self._board.merged_pushes += max(0, self._basket.updates - self._updates - 1)
                self._updates = self._basket.updates
                self._sent = self._board.revision
                self._connection.send(lines)
                await self._connection.drain()

    async def _push_all(self, interval_seconds: float) -> None:
        metronome, future = self._metronome, asyncio.get_running_loop().create_future
        due = self._clock.monotonic() + interval_seconds
        with contextlib.suppress(OSError):
            while self._basket is not None:
                self._beat = metronome.wake_at(due, self)
                self._waiter = future()
                await self._waiter
                # Where the client took nothing for a while, or the whole server stood still, this is the one push for
                # all that were missed. The session keeps its moments: else all would be late together from then on.
                if (late := metronome.now - due) >= interval_seconds:
                    due += late // interval_seconds * interval_seconds
                self._sent = self._board.revision
                if lines := self._basket.push():
                    self._connection.send(lines)
                    await self._connection.drain()
                due += interval_seconds
