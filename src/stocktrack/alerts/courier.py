"""Tells the targets: takes words out of the database, hands them over, and tries again what was not taken.

Each target has its own worker, so that one that is slow or dead delays nobody but itself. A word is told at least once:
what was handed over and not settled, because the process was killed, is handed over again, with the same id.
"""

import asyncio
import json
import math
import random
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

import structlog

from stocktrack.alert_targets.base import AlertMessage, Target, TargetError
from stocktrack.clock import Bell, Clock, backoff_seconds, end
from stocktrack.errors import StorageError
from stocktrack.storage.alerts import Alerts, Claimed, Settled

log = structlog.get_logger()

LOOK_SECONDS: Final = 1.0
# The log hears of a target that fails now and then no more often than this.
TOLD_AGAIN_SECONDS: Final = 60.0
RETRY_FIRST_SECONDS, RETRY_LONGEST_SECONDS = 1.0, 300.0
# What nobody took for so long is given up: the alert still says what it told.
GIVE_UP_SECONDS: Final = 3 * 86_400.0
# For so long a word is left to whoever has taken it up; no target has more time than that.
_LEASE_MS: Final = 120_000
_WRONG: Final = "What was to be told cannot be read any more."


class Courier:
    """Hands words to `targets`. ``opened()`` is the database; supervise `run` for as long as this process judges.

    ``may_name(username, name)`` says whether a target is for a user: an alert may be older than what the settings say.
    """

    def __init__(
        self,
        targets: Mapping[str, Target],
        clock: Clock,
        opened: Callable[[], Awaitable[Alerts]],
        *,
        may_name: Callable[[str, str], bool] = lambda _username, _name: True,
    ) -> None:
        self.delivered = 0
        self.failures = 0
        self._targets = targets
        self._clock = clock
        self._opened = opened
        self._may_name = may_name
        self._refused: set[tuple[str, str]] = set()  # users and targets of which the log was told that they part
        self._due = Bell(clock)
        self._failing: set[str] = set()  # as the log has it
        self._told_at: dict[str, float] = {}  # when the log heard of a target's failing last, monotonic
        self._workers: dict[str, asyncio.Task[None]] = {}
        self._news: dict[str, asyncio.Event] = {}  # of each worker: there may be words that it has not taken up
        # What came of words, until it is written.
        self._unwritten: dict[str, Settled] = {}
        self._rng = random.Random()  # noqa: S311 - it spreads retries, it keeps no secret
        self._is_failing = False

    def hint(self) -> None:
        """There may be new words."""
        self._due.ring()

    async def run(self, is_our_turn: Callable[[], bool]) -> None:
        """See to which targets words are due, and have a worker for each until none is; while it is our turn."""
        try:
            await self._begin()
            while is_our_turn():
                try:
                    await self._look()
                    self._is_failing = False
                except StorageError as error:
                    self._database_failed(error)
                await self._due.wait(LOOK_SECONDS)
        finally:
            await end(*self._workers.values())

    async def _begin(self) -> None:
        while True:
            try:
                await (await self._opened()).take_over(self._clock.now_ms())
            except StorageError as error:
                self._database_failed(error)
                await self._clock.sleep(LOOK_SECONDS)
            else:
                return

    async def _look(self) -> None:
        stored = await self._opened()
        await self._write(stored)
        for name in await stored.due_targets(self._clock.now_ms()):
            if name in self._workers:
                self._news[name].set()
                continue
            target = self._targets.get(name) or _UndefinedTarget(name)
            self._news[name] = asyncio.Event()
            worker = asyncio.create_task(self._work(target, stored), name=f"alerts to {name}")
            self._workers[name] = worker
            worker.add_done_callback(partial(self._ended, name))

    def _ended(self, name: str, worker: asyncio.Task[None]) -> None:
        self._workers.pop(name, None)
        self._news.pop(name, None)
        if not worker.cancelled() and (error := worker.exception()) is not None:
            if isinstance(error, StorageError):
                self._database_failed(error)
            else:
                log.error("telling a target failed unexpectedly", target=name, exc_info=error)

    def _database_failed(self, error: StorageError) -> None:
        if not self._is_failing:
            self._is_failing = True
            log.warning("alerts cannot be read to be told; it is tried again", why=str(error))

    async def _work(self, target: Target, stored: Alerts) -> None:
        """Hand over what is due to a target, so many at once, until nothing is."""
        news = self._news[target.name]
        under_way: set[asyncio.Task[None]] = set()
        try:
            while True:
                news.clear()
                if room := target.at_once - len(under_way):
                    now_ms = self._clock.now_ms()
                    claimed = await stored.claim(target.name, now_ms=now_ms, until_ms=now_ms + _LEASE_MS, most=room)
                    under_way |= {
                        asyncio.create_task(self._hand_over(target, word, stored), name=f"alert {word.delivery_id}")
                        for word in claimed
                    }
                if not under_way:
                    return
                under_way = await self._until_one_ends(under_way, news)
        finally:
            await end(*under_way)

    async def _until_one_ends(self, under_way: set[asyncio.Task[None]], news: asyncio.Event) -> set[asyncio.Task[None]]:
        """Those that are left once one has ended, or there may be words to hand over beside them."""
        hears = asyncio.create_task(news.wait())
        try:
            await asyncio.wait((*under_way, hears), return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(hears)
        for task in under_way:
            if task.done():
                task.result()
        return {task for task in under_way if not task.done()}

    async def _hand_over(self, target: Target, word: Claimed, stored: Alerts) -> None:
        message = _message_of(word)
        if message is None:
            settled = Settled(word.delivery_id, None, _WRONG)
        elif not self._may_name(word.username, target.name):
            settled = self._refuse(target.name, word)
        else:
            try:
                await target.send(message)
                settled = Settled(word.delivery_id, None)
                self._took(target.name)
            except TargetError as error:
                settled = self._again(target.name, word, error)
            except Exception:  # what else may be under way to the target goes on
                log.exception("telling a target failed unexpectedly", target=target.name, delivery=word.delivery_id)
                settled = self._again(target.name, word, TargetError(f"The target {target.name} failed unexpectedly."))
        self._unwritten[settled.delivery_id] = settled
        try:
            await self._write(stored)
        except StorageError as error:
            self._database_failed(error)

    async def _write(self, stored: Alerts) -> None:
        """Write what came of words; where the database fails it stays, so that who took a word is not told again."""
        if settled := tuple(self._unwritten.values()):
            await stored.settle(settled, self._clock.now_ms())
            for each in settled:
                if self._unwritten.get(each.delivery_id) is each:
                    del self._unwritten[each.delivery_id]

    def _refuse(self, name: str, word: Claimed) -> Settled:
        if (word.username, name) not in self._refused:
            self._refused.add((word.username, name))
            log.warning("alerts name a target that is no longer for their user; it is not told", target=name)
        return Settled(word.delivery_id, None, f"The target {name} is not for {word.username} any more.")

    def _took(self, name: str) -> None:
        self.delivered += 1
        if name in self._failing:
            self._failing.discard(name)
            log.info("the target takes alerts again", target=name)

    def _again(self, name: str, word: Claimed, error: TargetError) -> Settled:
        self.failures += 1
        now_ms = self._clock.now_ms()
        now = self._clock.monotonic()
        if name not in self._failing and now - self._told_at.get(name, -math.inf) >= TOLD_AGAIN_SECONDS:
            self._failing.add(name)
            self._told_at[name] = now
            log.warning("a target does not take alerts; they wait and are tried again", target=name, why=error.message)
        if now_ms - word.created_at_ms >= GIVE_UP_SECONDS * 1000:
            log.error("an alert was given up", target=name, delivery=word.delivery_id, why=error.message)
            return Settled(word.delivery_id, None, error.message)
        seconds = error.retry_after_seconds or backoff_seconds(
            word.attempts + 1,
            first=RETRY_FIRST_SECONDS,
            longest=RETRY_LONGEST_SECONDS,
            jitter=self._rng.random(),
        )
        return Settled(word.delivery_id, now_ms + round(seconds * 1000), error.message)


class _UndefinedTarget:
    """A target that the settings do not define any more, so that its words wait, and are given up as others are."""

    kind = "none"
    at_once = 100

    def __init__(self, name: str) -> None:
        self.name = name

    async def send(self, message: AlertMessage) -> None:
        """`TargetError`, always."""
        raise TargetError(f"The settings do not define the target {self.name}.")

    async def close(self) -> None:
        """There is nothing to break off."""


def _message_of(word: Claimed) -> AlertMessage | None:
    """The message of a word; None where what is in the database is none."""
    try:
        return AlertMessage(**json.loads(word.body))
    except (TypeError, ValueError):
        return None
