"""One connection that follows channels, from its opening until it breaks, and proves all the while that it delivers.

A connection to Redis can be open, answer every PING, and deliver nothing: after a fail-over, or where somebody in
between forgot it. So what counts is delivery: when nothing was heard for a while a probe is published, the way prices
are, and has to come back.
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
        self._heard = asyncio.Event()
        self._may_publish = True
        self.heard_at = -math.inf  # monotonic; when anything came by the connection that is open now

    @property
    def is_open(self) -> bool:
        """Whether there is a connection that has delivered something."""
        return self.heard_at > -math.inf

    def look(self) -> None:
        """Note that something else is wanted now."""
        self._demand.set()

    async def run(self, opened: Callable[[], None] = lambda: None) -> NoReturn:
        """Connect and follow until it breaks: `EngineError` says how. ``opened()`` is called when it delivers."""
        connection: AbstractConnection = self._redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            with translated(self._place):
                await connection.connect()  # type: ignore[no-untyped-call] # redis-py types it nowhere
            self._asked = set()
            self._newly_confirmed = []
            self._heard.clear()
            work = {
                "reads": self._read(connection),
                "follows": self._follow(connection, opened),
                "probes": self._prove(connection),
            }
            tasks = [asyncio.create_task(run, name=f"redis subscriber {name}") for name, run in work.items()]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            finally:
                # Those that failed keep their failure.
                await end(*(task for task in tasks if not task.done()))
        finally:
            self.heard_at = -math.inf
            with contextlib.suppress(Exception):  # it is given up in any case
                await connection.disconnect(nowait=True)
        failures = [failure for task in tasks if not task.cancelled() and (failure := task.exception()) is not None]
        raise failures[0]

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
        self.heard_at = self._clock.monotonic()
        if not isinstance(answer, list) or len(answer) < 3:
            self._heard.set()  # the answer to a PING
            return
        kind, channel, payload = answer[0], answer[1].decode(errors="replace"), answer[2]
        if kind == b"message":
            if channel == self._probe:
                self._heard.set()
            else:
                self._take(channel, payload)
        elif kind == b"subscribe" and channel != self._probe:
            if not self._newly_confirmed:
                # After the burst, once for all of it.
                asyncio.get_running_loop().call_soon(self._tell_confirmed)
            self._newly_confirmed.append(channel)

    def _tell_confirmed(self) -> None:
        channels, self._newly_confirmed = self._newly_confirmed, []
        if channels:
            self._confirmed(channels)

    async def _follow(self, connection: "AbstractConnection", opened: Callable[[], None]) -> None:
        with translated(self._place):
            await connection.send_command("SUBSCRIBE", self._probe)
            await self._probe_once(connection)
            opened()
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
        for command, channels in (("UNSUBSCRIBE", gone), ("SUBSCRIBE", new)):
            for some in _chunks(sorted(channels)):
                await connection.send_command(command, *some)

    async def _prove(self, connection: "AbstractConnection") -> None:
        while True:
            await self._clock.sleep(PROBE_EVERY_SECONDS)
            if self.is_open and self._clock.monotonic() - self.heard_at >= PROBE_EVERY_SECONDS:
                with translated(self._place):
                    await self._probe_once(connection)

    async def _probe_once(self, connection: "AbstractConnection") -> None:
        """Have something come by the connection within a few seconds; `EngineError` where nothing does."""
        self._heard.clear()
        began = self._clock.monotonic()
        try:
            await within(self._clock, PROBE_PATIENCE_SECONDS, self._send_probe(connection))
            await within(self._clock, PROBE_PATIENCE_SECONDS - (self._clock.monotonic() - began), self._heard.wait())
        except TimeoutError:
            raise EngineError(
                f"{self._place} has delivered nothing for {PROBE_PATIENCE_SECONDS:g} s.", is_timeout=True
            ) from None

    async def _send_probe(self, connection: "AbstractConnection") -> None:
        if self._may_publish:
            try:
                with translated(self._place):
                    await self._redis.publish(self._probe, b"")
            except EngineError as error:
                if not error.is_refused:
                    raise
                self._may_publish = False  # a user that may only read: the connection itself is all that can be asked
        if not self._may_publish:
            await connection.send_command("PING")


def _chunks(channels: Sequence[str]) -> Iterable[Sequence[str]]:
    for start in range(0, len(channels), _CHANNELS_A_COMMAND):
        yield channels[start : start + _CHANNELS_A_COMMAND]
