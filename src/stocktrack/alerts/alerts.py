"""Keeps the alerts of a database judged while it is this process's turn, written, and told to the targets.

Of several servers one judges: whoever holds the lead of the feed, or each for itself where there is none; then of two
that judge the same alert the first one counts. What users change is seen by its revision, whichever server they are at.
"""

import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import structlog

from stocktrack.alert_targets.base import Target
from stocktrack.alerts.courier import Courier
from stocktrack.alerts.judge import Judge
from stocktrack.alerts.turn import Turn
from stocktrack.alerts.writer import Writer
from stocktrack.bars import Split
from stocktrack.clock import Bell, Clock
from stocktrack.errors import StorageError
from stocktrack.market.board import Board
from stocktrack.storage.alerts import Alerts, PriceBefore
from stocktrack.system.supervised import Supervisor

log = structlog.get_logger()

LOOK_SECONDS: Final = 0.5
# A user who was removed has taken all alerts along, which no revision tells.
_COUNT_SECONDS: Final = 60.0
_TIDY_SECONDS: Final = 3_600.0
# What was told is kept for so long.
_KEEP_TOLD_MS: Final = 7 * 86_400_000
# A clock that goes back by more than this was set back; by less it was only corrected.
_SET_BACK_MS: Final = 5_000


class JudgedAlerts:
    """The alerts that this process judges while it is its `turn`, or always. `start`, then `close`.

    ``opened()`` is the database, where it can be opened, which is not tried before ``is_made()``. `on_words` is called
    when words are written. ``may_name(username, name)`` says whether a target is for a user.
    """

    def __init__(
        self,
        board: Board,
        clock: Clock,
        opened: Callable[[], Awaitable[Alerts]],
        *,
        targets: Mapping[str, Target],
        may_name: Callable[[str, str], bool] = lambda _username, _name: True,
        ask_splits: Callable[[str], Awaitable[Sequence[Split]]],
        turn: Turn | None = None,
        is_made: Callable[[], bool] = lambda: True,
    ) -> None:
        self._board = board
        self._clock = clock
        self._opened = opened
        self._turn = turn
        self._is_made = is_made
        self.on_words: Callable[[], None] = lambda: None
        self.judge = Judge(board, clock, ask_splits=ask_splits, on_outcome=self._outcome)
        self.writer = Writer(self.judge, clock, opened, self._written)
        self.courier = Courier(targets, clock, opened, may_name=may_name)
        self._seen: int | None = None  # the highest revision that is judged by; None: the alerts are not loaded
        self._is_ours = False  # whether it is this process's turn, and the alerts were loaded
        self._changed = Bell(clock)
        self._is_failing = False
        self._counted_at = self._tidied_at = clock.monotonic()
        self._removable = 0
        self.waiting = 0  # words that no target has taken, when they were counted last
        self._wall_ms: int | None = None  # the wall clock when the monotonic one began, as it was at the last look

    def start(self, supervisor: Supervisor) -> None:
        """Begin; the tasks end with the supervisor's."""
        self._board.taps.append(self.judge)
        supervisor.run("alerts", self._run)
        supervisor.run("alerts, writing", self.writer.run)
        supervisor.run("alerts, telling", self._tell)

    async def close(self) -> None:
        """Write what there is, with the newest prices; its tasks have ended by now."""
        await self.judge.close()
        await self.writer.write()
        if not self._is_ours:
            return
        self._is_ours = False
        if self._turn is not None:
            with contextlib.suppress(StorageError):  # it ends by itself
                await self._turn.give_up(await self._opened())

    @property
    def is_judging(self) -> bool:
        """Whether it is this process's turn, and it knows what there is to judge."""
        return self._is_ours

    def changed(self) -> None:
        """A user of this server has changed an alert."""
        self._changed.ring()

    def _outcome(self) -> None:
        self.writer.hint()

    def _written(self) -> None:
        self.courier.hint()
        self.on_words()

    async def _run(self) -> None:
        while True:
            try:
                await self._look()
                self._is_failing = False
            except StorageError as error:
                if not self._is_failing:
                    self._is_failing = True
                    log.warning("what alerts there are cannot be seen; it is tried again", why=str(error))
            await self._changed.wait(LOOK_SECONDS)

    async def _tell(self) -> None:
        while True:
            if self.is_judging:
                await self.courier.run(lambda: self.is_judging)
            await self._clock.sleep(LOOK_SECONDS)

    async def _look(self) -> None:
        """Take what users have changed since the last look."""
        if self._seen is None and not self._is_made():
            return
        stored = await self._opened()
        if self._turn is not None and not await self._turn.is_ours(stored):
            self._is_ours = False
            await self._let_go()
            return
        if self._seen is None:
            await self._load(stored, 0, await stored.prices())
        elif await stored.revision() != self._seen:
            await self._load(stored, self._seen, {})
        self._is_ours = True
        await self._look_at_clock(stored)
        now = self._clock.monotonic()
        if now - self._counted_at >= _COUNT_SECONDS:
            self._counted_at = now
            self.waiting = await stored.count_waiting()
            if await stored.count() < len(self.judge):
                self.judge.keep(await stored.live())
        if now - self._tidied_at >= _TIDY_SECONDS:
            self._tidied_at = now
            await self._tidy(stored)

    async def _look_at_clock(self, stored: Alerts) -> None:
        """Where the clock was set back, leave nothing to wait for a time that had come already."""
        wall_ms = self._clock.now_ms() - round(self._clock.monotonic() * 1000)
        if self._wall_ms is not None and wall_ms < self._wall_ms - _SET_BACK_MS:
            log.warning("the clock was set back: alerts that wait go by the new time", by_ms=self._wall_ms - wall_ms)
            self.judge.clock_set_back()
            await stored.take_over(self._clock.now_ms())
        self._wall_ms = wall_ms

    async def _let_go(self) -> None:
        """Judge nothing any more, once all that came of it is written."""
        await self.writer.write()
        if not self.judge.fired and not self.judge.armed:  # else the database fails, and nothing is lost
            self.judge.clear()
            self._seen = None

    async def _load(self, stored: Alerts, seen: int, prices: Mapping[str, PriceBefore]) -> None:
        while alerts := await stored.changed(seen):
            self.judge.load(alerts, prices)
            seen = alerts[-1].revision
        self._seen = seen

    async def _tidy(self, stored: Alerts) -> None:
        before = self._clock.now_ms() - _KEEP_TOLD_MS
        forgotten = 1
        while forgotten:
            forgotten = await stored.forget(done_before_ms=before, removed_before=self._removable)
        self._removable = self._seen or 0
