"""Hands all that happens on a board to the sinks, each in a task of its own, until it is closed."""

import asyncio
import contextlib
from collections.abc import Sequence

from stocktrack.clock import Clock, within
from stocktrack.market.board import Board
from stocktrack.messages import SinkInfo
from stocktrack.sinks.outlet import FLUSH_SECONDS, Outlet
from stocktrack.system.supervised import Supervisor


class Publisher:
    """The ways out of one board. `start`, then `close`, after the last change was put on the board."""

    def __init__(self, outlets: Sequence[Outlet], board: Board, clock: Clock) -> None:
        self.outlets = tuple(outlets)
        self.supervisor = Supervisor(clock)
        self._board = board
        self._clock = clock
        self._is_started = False

    def start(self) -> None:
        """Take what happens on the board from now on."""
        self._is_started = True
        for outlet in self.outlets:
            self._board.taps.append(outlet)
            self.supervisor.run(f"sink {outlet.name}", outlet.run)

    async def close(self, flush_seconds: float = FLUSH_SECONDS) -> None:
        """Let the sinks have what waits, as far as they take it so soon, and end them."""
        if not self._is_started:
            return
        self._is_started = False
        self._board.taps[:] = [tap for tap in self._board.taps if tap not in self.outlets]
        await asyncio.gather(*(self._flush(outlet, flush_seconds) for outlet in self.outlets))
        await self.supervisor.close()
        await asyncio.gather(*(outlet.close() for outlet in self.outlets))

    def infos(self) -> Sequence[SinkInfo]:
        """How each sink is, in the order of the setting."""
        return [outlet.info() for outlet in self.outlets]

    async def _flush(self, outlet: Outlet, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):  # what is left is told when the outlet closes
            await within(self._clock, seconds, outlet.flush())
