"""Symbols that are not asked for again for a while, and the error that answers for each of them meanwhile."""

from stocktrack.clock import Clock
from stocktrack.errors import StockTrackError

MAX_REFUSED = 10_000


class Refusals:
    """The symbols refused, `MAX_REFUSED` at most: however often clients ask for one, its source is asked once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._refused: dict[str, tuple[float, StockTrackError]] = {}
        self.version = 0  # counts the changes

    def __len__(self) -> int:
        return len(self._refused)

    def get(self, symbol: str) -> StockTrackError | None:
        """Why `symbol` is refused at this moment; None where it may be asked for."""
        until, error = self._refused.get(symbol, (0.0, None))
        return error if until > self._clock.monotonic() else None

    def add(self, symbol: str, error: StockTrackError, seconds: float) -> StockTrackError:
        """Refuse `symbol` for `seconds`, with an error that says what `error` does."""
        if len(self._refused) >= MAX_REFUSED:
            del self._refused[next(iter(self._refused))]
        # A bare copy: the traceback of the one raised would keep everything alive that stood in its frames.
        refusal = StockTrackError(error.reason, error.message, retry_after_ms=error.retry_after_ms)
        self._refused[symbol] = (self._clock.monotonic() + seconds, refusal)
        self.version += 1
        return refusal

    def discard(self, symbol: str) -> None:
        """Let `symbol` be asked for again."""
        if self._refused.pop(symbol, None) is not None:
            self.version += 1
