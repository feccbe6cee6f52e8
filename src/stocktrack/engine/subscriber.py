"""One connection that follows channels, from its opening until it breaks, and proves all the while that it delivers.

A connection to Redis can be open, answer every PING, and deliver nothing: after a fail-over, or where somebody in
between forgot it. So what counts is delivery: when nothing came for a while a probe is published, and has to come
back. It goes by a connection of its own, opened for it: an old one may lead to where nobody else is any more.
"""

import asyncio
import contextlib
import math
import secrets
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from stocktrack.clock import Clock, end, within
from stocktrack.engine.client import EngineError, translated
from stocktrack.engine.names import probe_name

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.connection import AbstractConnection

PROBE_EVERY_SECONDS = 2.0
PROBE_PATIENCE_SECONDS = 4.0
# A probe that took so much longer than its patience was not waited for: this process itself stood still.
_STOOD_STILL_SECONDS = 1.0
# Of a burst so many messages are read in a row before everything else has its turn: a millisecond or two.
_MESSAGES_A_TURN = 200
_CHANNELS_A_COMMAND = 500
_LOOK_SECONDS = 1.0


class Subscriber:
    """Follows what ``wanted()`` names; `run` is one connection's life, and may be called again after it.

    `take(channel, payload)` gets each message, in order. `confirmed(channels)` is told once Redis has said that it
    will send what is published from now on: only then what was published before can be read without a gap.
    """

    def __init__(
        self,
        redis: "Redis",
        place: str,
        clock: Clock,
        *,
        wanted: Callable[[], Collection[str]],
        take: Callable[[str, bytes], None],
        confirmed: Callable[[Sequence[str]], None] = lambda _channels: None,
    ) -> None:
        self._redis = redis
        self._place = place
        self._clock = clock
        self._wanted = wanted
        self._take = take
        self._confirmed = confirmed
        self._probe = probe_name(secrets.token_hex(6))
        self._demand = asyncio.Event()
        self._asked: set[str] = set()
        self._newly_confirmed: list[str] = []
        self._delivered = asyncio.Event()
        self._may_publish = True
        # The channels of which Redis sends what is published, from now on.
        self.following: set[str] = set()
        self.delivered_at = -math.inf  # monotonic; when a message came last by the connection that is open now

    def look(self) -> None:
        """Note that something else is wanted now."""
        self._demand.set()

    async def run(self) -> NoReturn:
        """Connect, see that it delivers, and follow until it breaks: `EngineError` says how."""
        connection = self._new_connection()
        tasks: list[asyncio.Task[None]] = []
        try:
            with translated(self._place):
                await connection.connect()  # type: ignore[no-untyped-call] # redis-py types it nowhere
            self._asked = set()
            self._newly_confirmed = []
            is_open = asyncio.Event()
            work = {
                "reads": self._read(connection),
                "follows": self._follow(connection, is_open),
                "probes": self._prove(connection, is_open),
            }
            tasks += [asyncio.create_task(run, name=f"redis subscriber {name}") for name, run in work.items()]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            try:
                # Those that failed keep their failure.
                await end(*(task for task in tasks if not task.done()))
            finally:  # also where whoever ends this grew impatient and said so twice
                self.delivered_at = -math.inf
                self.following.clear()
                with contextlib.suppress(Exception):  # it is given up in any case
                    await connection.disconnect(nowait=True)
        failures = [failure for task in tasks if not task.cancelled() and (failure := task.exception()) is not None]
        raise failures[0]

    def _new_connection(self) -> "AbstractConnection":
        return self._redis.connection_pool.make_connection()  # type: ignore[no-untyped-call, no-any-return]

    async def _read(self, connection: "AbstractConnection") -> None:
        count = 0
        with translated(self._place):
            while True:
                # With messages at hand it returns at once, without giving way.
                answer = await connection.read_response(timeout=math.inf, disconnect_on_error=False, push_request=True)
                self._hear(answer)
                count += 1
                if count % _MESSAGES_A_TURN == 0:
                    await asyncio.sleep(0)

    def _hear(self, answer: Any) -> None:
        if not isinstance(answer, list) or len(answer) < 3:
            if not self._may_publish:  # the answer to a PING, which is all that can be asked then
                self._note_delivery()
            return
        kind, channel, payload = answer[0], answer[1].decode(errors="replace"), answer[2]
        if kind == b"message":
            self._note_delivery()
            if channel != self._probe:
                self._take(channel, payload)
        elif kind == b"subscribe" and channel in self._asked:
            if not self._newly_confirmed:
                # After the burst, once for all of it.
                asyncio.get_running_loop().call_soon(self._tell_confirmed)
            self._newly_confirmed.append(channel)

    def _note_delivery(self) -> None:
        self.delivered_at = self._clock.monotonic()
        self._delivered.set()

    def _tell_confirmed(self) -> None:
        channels = [channel for channel in self._newly_confirmed if channel in self._asked]
        self._newly_confirmed = []
        if channels:
            self.following.update(channels)
            self._confirmed(channels)

    async def _follow(self, connection: "AbstractConnection", is_open: asyncio.Event) -> None:
        with translated(self._place):
            await connection.send_command("SUBSCRIBE", self._probe)
            await self._deliver_something(connection)
            is_open.set()
            while True:
                self._demand.clear()
                await self._meet_demand(connection)
                # Now and then without being told: what is wanted may change by time alone.
                with contextlib.suppress(TimeoutError):
                    await within(self._clock, _LOOK_SECONDS, self._demand.wait())

    async def _meet_demand(self, connection: "AbstractConnection") -> None:
        wanted = set(self._wanted())
        gone, new = self._asked - wanted, wanted - self._asked
        self._asked = wanted
        self.following -= gone
        for command, channels in (("UNSUBSCRIBE", gone), ("SUBSCRIBE", new)):
            for some in _chunks(sorted(channels)):
                await connection.send_command(command, *some)

    async def _prove(self, connection: "AbstractConnection", is_open: asyncio.Event) -> None:
        await is_open.wait()
        while True:
            await self._clock.sleep(PROBE_EVERY_SECONDS)
            if self._clock.monotonic() - self.delivered_at >= PROBE_EVERY_SECONDS:
                await self._deliver_something(connection)

    async def _deliver_something(self, connection: "AbstractConnection") -> None:
        """Have a message come by the connection within a few seconds; `EngineError` where none does."""
        while True:
            self._delivered.clear()
            began = self._clock.monotonic()
            try:
                await within(self._clock, PROBE_PATIENCE_SECONDS, self._probe_once(connection))
            except TimeoutError:
                if self._clock.monotonic() - began < PROBE_PATIENCE_SECONDS + _STOOD_STILL_SECONDS:
                    message = f"{self._place} has delivered nothing for {PROBE_PATIENCE_SECONDS:g} s."
                    raise EngineError(message, is_timeout=True) from None
            else:
                return

    async def _probe_once(self, connection: "AbstractConnection") -> None:
        if self._may_publish:
            try:
                await self._publish_probe()
            except EngineError as error:
                if not error.is_refused:
                    raise
                self._may_publish = False  # a user that may only read: the connection itself is all that can be asked
        if not self._may_publish:
            with translated(self._place):
                await connection.send_command("PING")
        await self._delivered.wait()

    async def _publish_probe(self) -> None:
        connection = self._new_connection()
        try:
            with translated(self._place):
                await connection.connect()  # type: ignore[no-untyped-call]
                await connection.send_command("PUBLISH", self._probe, b"")
                await connection.read_response()
        finally:
            with contextlib.suppress(Exception):  # it is given up in any case
                await connection.disconnect(nowait=True)


def _chunks(channels: Sequence[str]) -> Iterable[Sequence[str]]:
    for start in range(0, len(channels), _CHANNELS_A_COMMAND):
        yield channels[start : start + _CHANNELS_A_COMMAND]
