"""Hands all that happens on a board to the sinks, each in a task of its own, until it is closed."""

import asyncio
import contextlib
from collections.abc import Sequence

from stocktrack.clock import Clock, within
from stocktrack.market.board import Entry
from stocktrack.messages import SinkInfo
from stocktrack.sinks.outlet import FLUSH_SECONDS, Outlet
from stocktrack.system.supervised import Supervisor


class Publisher:
    """The ways out of one board, whose `Tap` it is. `start`, then `close`, after the last change of the board."""

    def __init__(self, outlets: Sequence[Outlet], clock: Clock) -> None:
        self.outlets = tuple(outlets)
        self.supervisor = Supervisor(clock)
        self._clock = clock
        self._is_open = False

    def start(self) -> None:
        """Write what is taken from now on."""
        self._is_open = True
        for outlet in self.outlets:
            self.supervisor.run(f"sink {outlet.name}", outlet.run)

    def take(self, changed: Sequence[Entry], renewed: Sequence[Entry]) -> None:
        """Have a batch of the board wait for each sink."""
        if self._is_open:
            for outlet in self.outlets:
                outlet.take(changed, renewed)

    async def close(self, flush_seconds: float = FLUSH_SECONDS) -> None:
        """Let the sinks have what waits, as far as they take it so soon, and end them."""
        if not self._is_open:
            return
        self._is_open = False
        await asyncio.gather(*(self._flush(outlet, flush_seconds) for outlet in self.outlets))
        await self.supervisor.close()
        await asyncio.gather(*(outlet.close() for outlet in self.outlets))

    def infos(self) -> Sequence[SinkInfo]:
        """How each sink is, in the order of the setting."""
        return [outlet.info() for outlet in self.outlets]

    async def _flush(self, outlet: Outlet, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):  # what is left is told when the outlet closes
            await within(self._clock, seconds, outlet.flush())
