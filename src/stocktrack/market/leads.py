"""Which source leads which symbol, and which of them its stream carries; no I/O.

The sources stand in the order of the setting. For each symbol the first one leads that serves it, is well and has room:
a place in its stream, or requests enough to keep the symbol fresh. Where none has room the one leads that gets the most
done, and where none is well the first, whose failure explains itself. The rule is applied anew whenever something
changes, to the symbols in the order in which somebody began to watch them: so a follower hands back by itself, and a
place that becomes free goes to who has waited longest for it.
"""

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from stocktrack.clock import Clock
from stocktrack.errors import Code
from stocktrack.market.upstream import Upstream
from stocktrack.providers.instruments import Instruments

# Sooner or later a source believes in a symbol again, or serves others than before: seen after so long at the latest.
LOOK_AGAIN_SECONDS = 10.0
# What a stream carries is asked for as well when it was mute for so long: room for these requests is kept.
FILL_SECONDS = 20.0


@dataclass(slots=True)
class _Part:
    """What one source leads."""

    streamed: dict[str, None] = field(default_factory=dict)
    polled: dict[str, None] = field(default_factory=dict)
    # Whether its stream would carry something if it were up.
    has_use_for_stream: bool = False


@dataclass(slots=True)
class _Room:
    """How many more symbols a source takes, and how it is."""

    upstream: Upstream
    in_stream: float
    is_well: bool
    is_streaming: bool
    has_stream_down: bool
    by_poll: float = 0


class Leads:
    """Who leads what. `arrange` applies the rule; whoever waits for another arrangement awaits `change`."""

    def __init__(
        self, upstreams: Sequence[Upstream], instruments: Instruments, clock: Clock, *, poll_interval_seconds: float
    ) -> None:
        self._upstreams = [up for up in upstreams if up.quote_source is not None or up.stream_source is not None]
        self._instruments = instruments
        self._clock = clock
        self._poll_interval_seconds = poll_interval_seconds
        self._parts: dict[Upstream, _Part] = {up: _Part() for up in self._upstreams}
        self._lead: dict[str, Upstream] = {}
        self._arranged: tuple[object, ...] = ()
        self._changed = asyncio.Event()

    # --- what a source serves ------------------------------------------------------------------------------------

    def name_at(self, upstream: Upstream, symbol: str) -> str | None:
        """What the source calls `symbol`; None where it does not serve it."""
        name = self._instruments.symbol_at(upstream.name, symbol)
        return name if name is not None and upstream.serves(name) else None

    def serving(self, symbol: str) -> Sequence[Upstream]:
        """The sources of prices that serve `symbol` and can be used as they are set up, in their order."""
        return [up for up in self._upstreams if up.is_usable and self.name_at(up, symbol) is not None]

    def candidates(self, symbol: str) -> Sequence[Upstream]:
        """Those of them that may be asked for `symbol` now: its lead first, then the others in their order."""
        able = [
            up
            for up in self._upstreams
            if up.quote_source is not None
            and up.is_well
            and self.name_at(up, symbol) is not None
            and up.refusals.get(symbol) is None
        ]
        lead = self._lead.get(symbol)
        return [lead, *(up for up in able if up is not lead)] if lead is not None and lead in able else able

    # --- who leads -----------------------------------------------------------------------------------------------

    def lead(self, symbol: str) -> Upstream | None:
        """Who leads `symbol`, where it is wanted."""
        return self._lead.get(symbol)

    def of(self, upstream: Upstream) -> Sequence[str]:
        """All that a source leads."""
        part = self._parts.get(upstream)
        return [*part.streamed, *part.polled] if part is not None else []

    def streaming(self) -> Sequence[Upstream]:
        """The sources whose stream carries something."""
        return [upstream for upstream, part in self._parts.items() if part.streamed]

    def streamed_by(self, upstream: Upstream) -> Mapping[str, None]:
        """What a source leads by its stream."""
        return self._parts[upstream].streamed

    def polled_by(self, upstream: Upstream) -> Mapping[str, None]:
        """What a source leads by being asked again and again."""
        return self._parts[upstream].polled

    def is_streamed(self, symbol: str) -> bool:
        """Whether `symbol` is led by a stream."""
        lead = self._lead.get(symbol)
        return lead is not None and symbol in self._parts[lead].streamed

    def has_use_for_stream(self, upstream: Upstream) -> bool:
        """Whether the stream of a source carries something, or would if it were up."""
        return self._parts[upstream].has_use_for_stream

    async def change(self) -> None:
        """Return when the arrangement is another one."""
        await self._changed.wait()

    def arrange(self, wanted: Callable[[], Iterable[str]], demand: int) -> None:
        """Apply the rule to what is ``wanted()``, where anything has changed; `demand` counts the changes of that."""
        turn = int(self._clock.monotonic() / LOOK_AGAIN_SECONDS)
        states = tuple((up.is_well, _stream_is_expected(up), _places(up), up.refusals.version) for up in self._parts)
        if self._arranged == (demand, turn, states):
            return
        self._arranged = (demand, turn, states)
        parts, lead = self._parts_of(list(wanted()))
        if parts != self._parts:
            self._parts, self._lead = parts, lead
            self._changed.set()
            self._changed = asyncio.Event()

    def _parts_of(self, wanted: Sequence[str]) -> tuple[dict[Upstream, _Part], dict[str, Upstream]]:
        parts = {up: _Part() for up in self._upstreams}
        rooms = [self._room(up, len(wanted)) for up in self._upstreams if up.is_usable]
        asked = [room.upstream for room in rooms if room.is_well and room.upstream.quote_source is not None]
        by_throughput = sorted(asked, key=_throughput, reverse=True)
        lead: dict[str, Upstream] = {}
        for symbol in wanted:
            serving = [room for room in rooms if self.name_at(room.upstream, symbol) is not None]
            refused = {room.upstream: room.upstream.refusals.get(symbol) for room in serving}
            willing = [room for room in serving if refused[room.upstream] is None]
            for room in serving:
                part, refusal = parts[room.upstream], refused[room.upstream]
                if refusal is not None and refusal.code is not Code.SERVER_ERROR:
                    continue  # it does not have the symbol, or does not give it
                part.has_use_for_stream |= room.in_stream > 0 or room.has_stream_down
                # A stream that is up leads, whatever becomes of what else is asked of its source.
                if room.in_stream > 0 and (room.is_streaming or (room.is_well and refusal is None)):
                    room.in_stream -= 1
                    part.streamed[symbol] = None
                elif room.by_poll > 0 and room.is_well and refusal is None:
                    room.by_poll -= 1
                    part.polled[symbol] = None
                else:
                    continue
                lead[symbol] = room.upstream
                break
            else:
                # Nobody has room: whoever gets most done takes it along, less often than it should be.
                able = {room.upstream for room in willing}
                chosen = next((up for up in by_throughput if up in able), None)
                if chosen is None and serving:
                    chosen = serving[0].upstream
                if chosen is not None:
                    lead[symbol] = chosen
                    parts[chosen].polled[symbol] = None
        return parts, lead

    def _room(self, upstream: Upstream, wanted: int) -> _Room:
        is_expected = _stream_is_expected(upstream)
        room = _Room(
            upstream,
            in_stream=min(_places(upstream), wanted) if is_expected else 0,
            is_well=upstream.is_well,
            is_streaming=upstream.is_streaming,
            has_stream_down=upstream.stream_source is not None and not is_expected,
        )
        source, seconds = upstream.quote_source, self._poll_interval_seconds
        if source is None:
            return room
        if upstream.ceiling is None:
            room.by_poll = math.inf
            return room
        fills = math.ceil(room.in_stream / source.symbols_a_request) * seconds / FILL_SECONDS
        requests = math.floor(max(0.0, upstream.ceiling.polls_in(seconds) - fills))
        room.by_poll = requests * source.symbols_a_request
        return room


def _stream_is_expected(upstream: Upstream) -> bool:
    """Whether the stream is up, or is about to be as far as is known."""
    if upstream.stream_source is None:
        return False
    return upstream.is_streaming or not upstream.has_failed_to_stream


def _places(upstream: Upstream) -> float:
    source = upstream.stream_source
    if source is None:
        return 0
    return math.inf if source.stream_places is None else source.stream_places


def _throughput(upstream: Upstream) -> float:
    """How many symbols a minute a source can be asked for."""
    if upstream.quote_source is None:
        return 0
    return (
        math.inf if upstream.ceiling is None else upstream.ceiling.per_minute * upstream.quote_source.symbols_a_request
    )
