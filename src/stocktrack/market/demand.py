"""Which symbols are wanted: what somebody watches, and for a short grace what somebody watched until a moment ago."""

from collections.abc import Collection

from stocktrack.clock import Clock

GRACE_SECONDS = 10.0  # how long a symbol is wanted after its last watcher went


class Demand:
    """The symbols to ask the sources for."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # What is watched, in the order in which somebody began to.
        self._watched: dict[str, None] = {}
        # Symbols that nobody watches any more, and the moment (monotonic) until which they are wanted all the same.
        self._lingering: dict[str, float] = {}
        self.version = 0  # counts the changes

    def changed(self, symbol: str, is_wanted: bool) -> None:
        """Note that the first watcher of `symbol` came, or that its last one went."""
        self.version += 1
        if is_wanted:
            self._lingering.pop(symbol, None)
            self._watched[symbol] = None
        else:
            self._watched.pop(symbol, None)
            self._lingering[symbol] = self._clock.monotonic() + GRACE_SECONDS

    def wanted(self) -> Collection[str]:
        """What is watched, or was until a moment ago."""
        now = self._clock.monotonic()
        self._lingering = {symbol: until for symbol, until in self._lingering.items() if until > now}
        return [*self._watched, *self._lingering]
