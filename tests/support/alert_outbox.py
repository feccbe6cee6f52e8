"""A database of alerts that fails and hangs when told to, targets that take what they are told to, and time between."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection

from stocktrack.alert_targets.base import AlertMessage, TargetError
from stocktrack.clock import ManualClock, settle
from stocktrack.errors import StorageError
from stocktrack.storage.alerts import Alerts, Outcome
from stocktrack.storage.database import Database
from stocktrack.storage.store import Store

Result = TypeVar("Result")


class _Faulty:
    """A database that fails while `is_failing`; a change first waits until it `may_go`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.is_failing = False
        self.may_go = asyncio.Event()
        self.may_go.set()
        self.waiting = 0

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        self._fail()
        return await self._database.read(work)

    async def write(self, work: Callable[[Connection], Result], *, of: str = "") -> Result:
        self.waiting += 1
        try:
            await self.may_go.wait()
        finally:
            self.waiting -= 1
        self._fail()
        return await self._database.write(work, of=of)

    def _fail(self) -> None:
        if self.is_failing:
            raise StorageError("The database is away.")


class FaultyAlerts(Alerts):
    """The alerts of a store; `outcomes` has what was written of prices, in order."""

    def __init__(self, store: Store) -> None:
        self.faults = _Faulty(store._database)
        super().__init__(self.faults)  # type: ignore[arg-type] # it is all that they ask of a database
        self.outcomes: list[Outcome] = []
        self.on_write: Callable[[], object] = lambda: None

    def count_fired(self) -> int:
        """How many firings were written, those among them that were refused."""
        return sum(len(outcome.fired) for outcome in self.outcomes)

    async def write(self, outcome: Outcome, now_ms: int) -> Sequence[int]:
        self.on_write()
        refused = await super().write(outcome, now_ms)
        self.outcomes.append(outcome)
        return refused

    async def opened(self) -> Alerts:
        """Itself, as it is handed to who opens a database late."""
        return self

    async def calm(self) -> None:
        """Let everybody run who waits for this database, for as long as one thing follows from another."""
        for _ in range(8):
            await settle()
            await self._plain().read(lambda _: None)
            await self._plain().write(lambda _: None)
        await settle()

    async def pass_time(self, clock: ManualClock, seconds: float, *, step: float = 0.5) -> None:
        """Let time pass, in steps, each of which is over when nobody works any more."""
        await self.calm()
        for _ in range(round(seconds / step)):
            await clock.advance(step)
            await self.calm()

    def _plain(self) -> Database:
        return self.faults._database


class ScriptedTarget:
    """A target that takes messages, or does what its `script` says with each in turn; satisfies `Target`.

    In the script None takes the message, an error is raised, and an event is waited for first.
    """

    kind = "scripted"

    def __init__(self, name: str = "phone", *script: Exception | asyncio.Event | None, at_once: int = 2) -> None:
        self.name = name
        self.at_once = at_once
        self.script = [*script]
        self.error: Exception | None = None  # once the script has ended
        self.tried: list[AlertMessage] = []
        self.taken: list[AlertMessage] = []
        self.under_way = 0
        self.most_under_way = 0

    async def send(self, message: AlertMessage) -> None:
        self.tried.append(message)
        self.under_way += 1
        self.most_under_way = max(self.under_way, self.most_under_way)
        try:
            what: Any = self.script.pop(0) if self.script else self.error
            if isinstance(what, asyncio.Event):
                await what.wait()
            elif what is not None:
                raise what
            self.taken.append(message)
        finally:
            self.under_way -= 1

    async def close(self) -> None:
        """There is nothing to close."""

    def told(self) -> list[str]:
        """The ids of what was taken, in order."""
        return [message.id for message in self.taken]


def refuses(name: str = "phone", **asked: Any) -> TargetError:
    """The error of a target that takes nothing now."""
    return TargetError(f"The target {name} refuses.", **asked)
