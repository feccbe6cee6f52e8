"""Takes prices as they come and has them written by a thread: what the disk does never holds up what comes.

While nothing can be written the newest rows wait in memory, so many and no more. What came when there was no place left
is missing in the recording, and a row says from when to when and why.
"""

import asyncio
from collections.abc import Callable
from operator import itemgetter
from typing import Final

from stocktrack.clock import Clock, ended
from stocktrack.messages import Price
from stocktrack.recording.recording import NotWrittenError, Recording
from stocktrack.recording.rows import PRICE_COLUMNS, Hole, Row
from stocktrack.recording.summary import counted, duration_text
from stocktrack.system.blocking import BlockingPool

MAX_WAITING: Final = 50_000
# What comes within this time is written together.
BATCH_SECONDS: Final = 0.02
RETRY_SECONDS: Final = 1.0
SYNC_SECONDS: Final = 5.0
_but_received_at: Final = itemgetter(*(name for name in PRICE_COLUMNS if name != "received_at"))


class Recorder:
    """Records what `take` and `hole` are given: `begin` with the recording, then `run` until `end`.

    `tell` is called with sentences for a person. What is taken before `begin` waits. After `most` prices no more are
    taken, and `is_enough` is set.
    """

    def __init__(self, clock: Clock, tell: Callable[[str], object], most: int | None = None) -> None:
        self._clock = clock
        self._tell = tell
        self._pool = BlockingPool("recording", 1)
        self._recording: Recording | None = None
        self._waiting: list[Row] = []
        self._in_flight = 0
        self._stir = asyncio.Event()
        self._ending = asyncio.Event()
        self._notes: list[str] = []  # until there is a log to write them into
        self._seen: dict[str, tuple[str, Price]] = {}
        self._failed_at: int | None = None
        self._missing = 0
        self._missing_since = 0
        self._why = ""
        self._synced_at = clock.monotonic()
        self._is_synced = True
        self.missing_rows = 0
        self._most = most
        self._taken = 0
        self.is_enough = asyncio.Event()
        self.last: Price | None = None
        self.lag_ms = 0

    @property
    def rows(self) -> int:
        """The rows that were written."""
        return 0 if self._recording is None else self._recording.rows

    @property
    def size(self) -> int:
        """The bytes of the file that is written now."""
        return 0 if self._recording is None else self._recording.size

    @property
    def waiting(self) -> int:
        """The rows that wait to be written."""
        return len(self._waiting) + self._in_flight

    def take(self, price: Price, run: str = "") -> None:
        """Record a price, unless it is the last one of its symbol again; `run` is the server's run that counts it."""
        before_run, before = self._seen.get(price.symbol, ("", None))
        if before is not None and before.seq == price.seq and before_run == run and _is_same(before, price):
            return
        if self.is_enough.is_set():
            return
        self._seen[price.symbol] = run, price
        self._taken += 1
        if self._taken == self._most:
            self.is_enough.set()
        self.last = price
        self.lag_ms = max(0, self._clock.now_ms() - price.received_at)
        if self._missing or self.waiting >= MAX_WAITING:
            if not self._missing:
                self._missing_since = self._clock.now_ms()
            self._missing += 1
            return
        self._waiting.append(price)
        self._stir.set()

    def hole(self, since: int, reason: str) -> None:
        """Record that nothing came from `since` (epoch milliseconds) until now."""
        self._waiting.append(Hole(since, max(since, self._clock.now_ms()), reason))
        self._stir.set()

    def forget(self, symbols: list[str]) -> None:
        """Record the next price of `symbols` in any case: they are not wanted for a while."""
        for symbol in symbols:
            self._seen.pop(symbol, None)

    def note(self, text: str) -> None:
        """Write a line into the log beside the recording."""
        if self._recording is not None:
            self._recording.diary.note(text)
        else:
            self._notes.append(text)

    def begin(self, recording: Recording) -> None:
        """Write what was taken, and what comes, to `recording`, which is this recorder's to close from now on."""
        self._recording = recording
        for text in self._notes:
            recording.diary.note(text)
        self._stir.set()

    async def run(self) -> None:
        """Write what comes until `end`, and what waits then; where that cannot be written it is given up."""
        recording = self._recording
        assert recording is not None  # noqa: S101 - `begin` comes before
        while True:
            self._stir.clear()
            if self._waiting:
                if await self._write(recording):
                    await self._clock.sleep(0 if self._ending.is_set() else BATCH_SECONDS)
                elif self._ending.is_set():
                    break
                else:
                    await self._pause(RETRY_SECONDS)
            elif self._ending.is_set():
                break
            else:
                await self._stir.wait()
        await self._close(recording)

    def end(self) -> None:
        """Let `run` return once all is written."""
        self._ending.set()
        self._stir.set()

    async def sync(self) -> None:
        """Have what was written on the disk, now and then; it waits for nothing that hangs."""
        now = self._clock.monotonic()
        if self._recording is None or self._in_flight or self._is_synced or now - self._synced_at < SYNC_SECONDS:
            return
        self._synced_at, self._is_synced = now, True
        await self._pool.run(self._recording.sync)

    async def _write(self, recording: Recording) -> bool:
        rows, self._waiting = self._waiting, []
        self._in_flight = len(rows)
        try:
            await self._pool.run(recording.write, rows)
        except NotWrittenError as error:
            self._waiting = [*rows[error.written :], *self._waiting]
            self._say_failed(error)
            return False
        finally:
            self._in_flight = 0
        self._is_synced = False
        if self._missing:
            # Behind all rows that waited: they are older.
            self._waiting.append(Hole(self._missing_since, self._clock.now_ms(), self._missing_sentence()))
            self.missing_rows += self._missing
        self._say_mended(recording)
        self._missing = 0
        return True

    def _missing_sentence(self) -> str:
        why = self._why or "They came faster than they could be written."
        return f"{counted(self._missing, 'price')} missing. {why}"

    def _say_failed(self, error: NotWrittenError) -> None:
        if self._failed_at is None:
            self._failed_at = self._clock.now_ms()
            self._why = str(error)
            self._tell(f"{error} It is tried again; {MAX_WAITING:,} prices are kept until then, and no more.")
            self.note(f"not written: {error}")

    def _say_mended(self, recording: Recording) -> None:
        if self._failed_at is None:
            if self._missing:
                self._tell(self._missing_sentence())
                self.note(self._missing_sentence())
            return
        lasted = duration_text(self._clock.now_ms() - self._failed_at)
        lost = f"{counted(self._missing, 'price')} missing" if self._missing else "no price is missing"
        self._tell(f"{recording.path} is written again after {lasted}; {lost}.")
        self.note(f"written again after {lasted}; {lost}")
        self._failed_at, self._why = None, ""

    async def _pause(self, seconds: float) -> None:
        """Wait, but no longer than until the end is asked for."""
        naps = [asyncio.ensure_future(self._clock.sleep(seconds)), asyncio.ensure_future(self._ending.wait())]
        try:
            await asyncio.wait(naps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for nap in naps:
                nap.cancel()
            await ended(*naps)

    async def _close(self, recording: Recording) -> None:
        lost = len(self._waiting) + self._missing
        self.missing_rows += lost
        if lost:
            self._tell(f"{counted(lost, 'row')} could not be written. {self._why}")
        written = f"{counted(recording.rows, 'row')} written"
        recording.diary.note(f"ended: {written}, {self.missing_rows:,} missing")
        try:
            await self._pool.run(recording.close)
        finally:
            self._pool.close()


def _is_same(before: Price, price: Price) -> bool:
    """Whether nothing but `received_at` differs: a price may go stale and keep its `seq`, where a server relays it."""
    return bool(_but_received_at(before.__dict__) == _but_received_at(price.__dict__))
