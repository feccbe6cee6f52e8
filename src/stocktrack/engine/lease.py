"""A lease in Redis: at most one process holds it, and it ends by itself where its holder does.

Where the prices lie at several Redis, whoever holds the lease of the home takes one under it at each of the others, so
that the script that publishes there can see who leads. It is taken like any lease, only where it is free: a leader that
was frozen takes nothing back that the next one has. What it had sent before may still arrive at a Redis whose lease has
run out in between, and have it for 2.5 seconds; its own clock keeps it from publishing then.
"""

import contextlib
import json
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import structlog

from stocktrack.clock import Clock
from stocktrack.engine.client import EngineError, translated

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger()

# A second one takes over within this after its holder is killed, and what it needs to start.
LEASE_SECONDS = 2.5
RENEW_SECONDS = 0.5
_TRY_SECONDS = 0.25
# Each acts only where the lease is free or the caller's own: another may have taken it meanwhile.
_TAKE = """
local holder = redis.call('get', KEYS[1])
if holder == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) end
if not holder then redis.call('set', KEYS[1], ARGV[1], 'PX', ARGV[2]) return 2 end
return 0
"""
_NEWLY_TAKEN = 2
_RELEASE = "return redis.call('get', KEYS[1]) == ARGV[1] and redis.call('del', KEYS[1]) or 0"


class Lease:
    """The lease under one key. `take`, then `keep` for as long as it is needed, then `release`.

    One that is `under` another is held by the same holder at another Redis, and only while that one is: `follow` takes
    and keeps it.
    """

    def __init__(
        self, redis: "Redis", place: str, key: str, holder: str, clock: Clock, *, under: "Lease | None" = None
    ) -> None:
        self._redis = redis
        self._place = place
        self._key = key
        self._value = json.dumps({"holder": holder, "host": socket.gethostname(), "pid": os.getpid()})
        self._clock = clock
        self.under = under
        self._until = 0.0  # monotonic
        # Why Redis could not be asked for it the last time; empty where it answered.
        self.failure = ""

    @property
    def holder(self) -> str:
        """What stands at Redis while this process holds it."""
        return self._value

    @property
    def is_held(self) -> bool:
        """Whether it is this process's at this moment: counted from before Redis was asked, so that it ends in time.

        A process that was stopped for a while sees by its own clock that its lease is over.
        """
        is_ours = self._clock.monotonic() < self._until
        return is_ours and (self.under is None or self.under.is_held)

    async def take(self) -> None:
        """Return when the lease is this process's; the log tells who has it, and where Redis cannot be asked, once."""
        told = ""
        while True:
            asked_at = self._clock.monotonic()
            try:
                if await self._try():
                    self._until = asked_at + LEASE_SECONDS
                    return
                why = f"{await self._whose()} has it"
            except EngineError as error:
                why = error.message
            if why != told:
                told = why
                tell = log.warning if self.failure else log.info
                tell("waiting for the lease", key=self._key, why=why)
            await self._clock.sleep(_TRY_SECONDS)

    async def keep(self) -> None:
        """Renew it until another one has it, and return then.

        While Redis does not answer it is not held, and nobody else can take it either: it is tried on.
        """
        was_held = True
        while True:
            await self._clock.sleep(RENEW_SECONDS)
            asked_at = self._clock.monotonic()
            try:
                if not await self._try():
                    self._until = 0.0
                    return
            except EngineError as error:
                if was_held and not self.is_held:
                    was_held = False
                    log.warning("the lease cannot be renewed", key=self._key, why=error.message)
                continue
            self._until = asked_at + LEASE_SECONDS
            if not was_held:
                was_held = True
                log.info("the lease is held again", key=self._key)

    async def follow(self, on_taken: Callable[[], Awaitable[None]]) -> NoReturn:
        """Hold it whenever the one that it is under is held; the log tells once why it can't be.

        `on_taken()` is awaited when nobody had it before: this Redis is new to its holder, or has forgotten all.
        """
        assert self.under is not None  # noqa: S101 - whoever makes it knows which
        told = ""
        refused_at: float | None = None
        while True:
            why = ""
            asked_at = self._clock.monotonic()
            try:
                if self.under.is_held:
                    if result := await self._try():
                        self._until = asked_at + LEASE_SECONDS
                        refused_at = None
                        if result == _NEWLY_TAKEN:
                            await on_taken()
                    else:
                        self._until = 0.0
                        refused_at = asked_at if refused_at is None else refused_at
                        # That of a leader that was killed ends a little later here than at the home.
                        if asked_at - refused_at > LEASE_SECONDS:
                            why = f"{await self._whose()} leads there"
            except EngineError as error:
                why = error.message
            if why and not told:
                log.warning("a part of the prices cannot be published", place=self._place, why=why)
            elif told and not why and self.is_held:
                log.info("all prices can be published again", place=self._place)
            told = why or (told if not self.is_held else "")
            await self._clock.sleep(RENEW_SECONDS if self.is_held else _TRY_SECONDS)

    async def release(self) -> None:
        """Give it up at once, where it is this process's."""
        self._until = 0.0
        with contextlib.suppress(EngineError), translated(self._place):
            await self._ask(_RELEASE, self._value)

    async def _try(self) -> int:
        try:
            with translated(self._place):
                is_ours = await self._ask(_TAKE, self._value, str(round(LEASE_SECONDS * 1000)))
        except EngineError as error:
            self.failure = error.message
            raise
        self.failure = ""
        return is_ours

    async def _whose(self) -> str:
        with translated(self._place):
            value = await self._redis.get(self._key)
        try:
            fields: Mapping[str, Any] = json.loads(value or b"{}")
            return f"process {int(fields['pid'])} on {fields['host']}"
        except (ValueError, KeyError, TypeError):
            return "another process"

    async def _ask(self, script: str, *arguments: str) -> int:
        return int(await self._redis.eval(script, 1, self._key, *arguments))
