"""Keeps one sink supplied: opens it, writes what waits, and tries again later and later while it does not take it.

A sink never holds up the board: what changes only waits in the `Backlog`, and everything that takes time is done in a
task of its own. What is written is given back when that fails, so that the other side may get a change twice, but
misses none that was not merged.
"""

import asyncio
import math
import random
from collections.abc import Sequence

import structlog

from stocktrack.clock import Clock, backoff_seconds, within
from stocktrack.market.board import Entry
from stocktrack.messages import BoardQuote, SinkInfo, SinkState
from stocktrack.sinks.backlog import Backlog
from stocktrack.sinks.base import Sink, SinkError

log = structlog.get_logger()

# A sink that fails: 1 s doubling to a minute. After so long without a failure the next one is a first one.
RETRY_FIRST_SECONDS, RETRY_LONGEST_SECONDS = 1.0, 60.0
STEADY_SECONDS = 30.0
OPEN_SECONDS, WRITE_SECONDS = 10.0, 10.0
# Prices of one write, where so many wait: 8 ms of the event loop. A loop that is busy gives a sink few turns, and a
# machine that is far away answers late: with 200 a sink got 8,500 prices a second of a board that made 25,000.
MOST_AT_ONCE = 500
# At the end: what waits may be written for so long, and then the sink may take so long to close.
FLUSH_SECONDS, CLOSE_SECONDS = 0.3, 0.2


class Outlet:
    """One sink and what waits for it; a `Tap` of the board. `run` for as long as the program does, then `close`."""

    def __init__(
        self, sink: Sink, clock: Clock, *, takes_renewals: bool = False, rng: random.Random | None = None
    ) -> None:
        self.name = sink.name
        self.backlog = Backlog(keeps_renewals=takes_renewals)
        self.written = 0
        self.failures = 0
        self._sink = sink
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311 - it spreads retries, it keeps no secret
        self._state = SinkState.OPENING
        self._has_more = asyncio.Event()
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._failures_in_a_row = 0
        self._failed_at = -math.inf  # monotonic
        self._why = ""
        self._retry_at_ms: int | None = None
        self._last_success_at: int | None = None

    def take(self, changed: Sequence[Entry], renewed: Sequence[Entry]) -> None:
        """Have a batch of the board wait for the sink."""
        self.backlog.take(changed, renewed)
        self._has_more.set()

    @property
    def is_up(self) -> bool:
        """Whether the sink took what it was given last."""
        return self._state is SinkState.OK

    def info(self) -> SinkInfo:
        """How it is."""
        is_failing = self._state is SinkState.FAILING
        return SinkInfo(
            sink=self.name,
            state=self._state,
            waiting=len(self.backlog),
            written=self.written,
            merged=self.backlog.merged,
            dropped=self.backlog.dropped,
            failures=self.failures,
            last_success_at=self._last_success_at,
            retry_at=self._retry_at_ms if is_failing else None,
            reason=self._why if is_failing else None,
        )

    async def run(self) -> None:
        """Open the sink and keep writing, for ever; what goes wrong is tried again."""
        while True:
            try:
                try:
                    await within(self._clock, OPEN_SECONDS, self._sink.open())
                except TimeoutError:
                    raise SinkError(f"It did not open within {OPEN_SECONDS:g} s.") from None
                if not self.backlog:
                    self._is_well()  # else the first write says so: what opens may still refuse to be written to
                await self._keep_writing()
            except SinkError as error:
                seconds = self._has_failed(str(error))
            except Exception:
                self._has_failed("It failed unexpectedly; the server's log says why.")
                raise
            await self._clock.sleep(seconds)

    async def flush(self) -> None:
        """Return when nothing waits any more, or when the sink is down."""
        while self._state is not SinkState.FAILING and (self.backlog or not self._is_idle.is_set()):
            self._is_idle.clear()
            self._has_more.set()
            await self._is_idle.wait()

    async def close(self) -> None:
        """End the sink, after `run` was; `SinkError` of the sink is of no more use to anybody."""
        try:
            await within(self._clock, CLOSE_SECONDS, self._sink.close())
        except TimeoutError:
            log.warning("a sink took too long to close and was given up", sink=self.name)
        except SinkError as error:
            log.warning("a sink failed to close", sink=self.name, why=str(error))
        if waiting := len(self.backlog):
            log.warning("what waited for a sink is lost", sink=self.name, waiting=waiting)

    async def _keep_writing(self) -> None:
        while True:
            batch = self.backlog.next(MOST_AT_ONCE)
            if not batch:
                self._has_more.clear()
                self._is_idle.set()
                await self._has_more.wait()
                continue
            self._is_idle.clear()
            is_written = False
            try:
                # Not by `within`: its tasks take several turns of the loop, of which a busy one has few to give.
                async with asyncio.timeout(WRITE_SECONDS):
                    await self._sink.write(batch)
                is_written = True
            except TimeoutError:
                raise SinkError(f"It did not take {len(batch)} prices within {WRITE_SECONDS:g} s.") from None
            finally:
                if not is_written:
                    self.backlog.give_back(batch)
            self._has_written(batch)

    def _has_written(self, batch: Sequence[BoardQuote]) -> None:
        self.written += len(batch)
        self._last_success_at = self._clock.now_ms()
        self._is_well()

    def _is_well(self) -> None:
        if self._failures_in_a_row and self._clock.monotonic() - self._failed_at >= STEADY_SECONDS:
            self._failures_in_a_row = 0
        if self._state is SinkState.FAILING:
            log.info("sink is back", sink=self.name, waiting=len(self.backlog), merged=self.backlog.merged)
        elif self._state is SinkState.OPENING:
            log.info("publishing", sink=self.name)
        self._state = SinkState.OK

    def _has_failed(self, why: str) -> float:
        """Note it, and return the seconds until the next try."""
        self.failures += 1
        self._failures_in_a_row += 1
        self._failed_at = self._clock.monotonic()
        seconds = backoff_seconds(
            self._failures_in_a_row,
            first=RETRY_FIRST_SECONDS,
            longest=RETRY_LONGEST_SECONDS,
            jitter=self._rng.random(),
        )
        self._why = why
        self._retry_at_ms = self._clock.now_ms() + round(seconds * 1000)
        if self._state is not SinkState.FAILING:
            log.warning("sink is down", sink=self.name, why=why, tried_again_in_seconds=round(seconds, 1))
        self._state = SinkState.FAILING
        self._is_idle.set()
        return seconds
