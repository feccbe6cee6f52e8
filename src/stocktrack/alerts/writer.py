"""Writes what the judge finds: what fired with its words, what is armed again, and by which prices alerts were judged.

Nobody is told anything before it is written. A price never gets onto the disk before what it fired, so that after a
kill at any moment the next price is held against one that all before it was written for.
"""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import Final

import structlog

from stocktrack.alerts.judge import Judge
from stocktrack.clock import Bell, Clock
from stocktrack.errors import StorageError
from stocktrack.storage.alerts import Alerts, Outcome

log = structlog.get_logger()

# Prices alone are written so often: after a crash the next price is held against one that is so old at most.
PRICES_SECONDS: Final = 5.0
_RETRY_SECONDS: Final = 1.0
_MOST_FIRED, _MOST_ARMED, _MOST_PRICES = 500, 1_000, 2_000


class Writer:
    """Writes for as long as `run` does. ``opened()`` is the database; `on_written` is called when words are in it."""

    def __init__(
        self, judge: Judge, clock: Clock, opened: Callable[[], Awaitable[Alerts]], on_written: Callable[[], None]
    ) -> None:
        self.failures = 0
        self._judge = judge
        self._clock = clock
        self._opened = opened
        self._on_written = on_written
        self._due = Bell(clock)
        self._writing = asyncio.Lock()
        self._is_failing = False

    def hint(self) -> None:
        """There is something that should be written soon."""
        self._due.ring()

    async def run(self) -> None:
        """Write what there is, soon where something fired; what cannot be written waits for the next time."""
        while True:
            seconds = _RETRY_SECONDS if self._is_failing else PRICES_SECONDS
            if not self._is_failing:
                await self._due.wait(seconds)
            else:
                await self._clock.sleep(seconds)
            await self.write()

    async def write(self) -> None:
        """Write what there is, with the prices of this moment; where the database fails it stays."""
        async with self._writing:  # of two who write the same, one would be refused and take the other's out
            judge = self._judge
            # Prices go on coming meanwhile: those are for the next time.
            prices = dict.fromkeys(judge.moved)
            while judge.fired or judge.armed or prices:
                try:
                    await self._write_some(await self._opened(), prices)
                except StorageError as error:
                    self.failures += 1
                    if not self._is_failing:
                        self._is_failing = True
                        log.warning("alerts cannot be written; none is told until they can", why=str(error))
                    return
                if self._is_failing:
                    self._is_failing = False
                    log.info("alerts are written again")

    async def _write_some(self, stored: Alerts, prices: dict[str, None]) -> None:
        judge = self._judge
        fired = judge.fired[:_MOST_FIRED]
        # What is armed again may have fired in this moment: not before that is written. Nor is a price.
        is_all = len(fired) == len(judge.fired)
        armed = dict(islice(judge.armed.items(), _MOST_ARMED if is_all else 0))
        is_all = is_all and len(armed) == len(judge.armed)
        symbols = [*islice(prices, _MOST_PRICES if is_all else 0)]
        outcome = Outcome(fired, [*armed], judge.prices_of(symbols))
        moved = {symbol: None for symbol in symbols if symbol in judge.moved}
        for symbol in moved:  # one that moves on meanwhile is among them again
            del judge.moved[symbol]
        try:
            refused = await stored.write(outcome, self._clock.now_ms())
        except BaseException:
            judge.moved = moved | judge.moved
            raise
        # Meanwhile more may have come, of the same symbols and alerts too; nobody else takes anything out.
        del judge.fired[: len(fired)]
        for alert_id, count in armed.items():
            if judge.armed.get(alert_id) == count:
                del judge.armed[alert_id]
        for symbol in symbols:
            del prices[symbol]
        for each in fired:
            judge.written(each.alert_id)
        for alert_id in refused:
            # Another one was faster, or the user has taken it out.
            judge.drop(alert_id)
            if (found := await stored.read(alert_id)) is not None:
                judge.load([found], {})
        if fired:
            self._on_written()
