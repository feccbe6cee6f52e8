"""The outage of the sources of quotes: told once when it begins and once when it ends, with a time for the next try."""

from collections.abc import Callable, Iterable

from stocktrack.clock import Clock
from stocktrack.errors import ProviderError
from stocktrack.market.board import Board
from stocktrack.market.events import Event, FeedEvent


class Outage:
    """Whether the sources of quotes are down. `tell` is given an event when that begins, and one when it is over.

    Prices stay on the board meanwhile, marked stale with the reason and the time of the next try. One that something
    renewed within the last `fresh_seconds` is not marked: a stream may go on while the poll fails.
    """

    def __init__(self, board: Board, clock: Clock, tell: Callable[[FeedEvent], None], *, fresh_seconds: float) -> None:
        self._board = board
        self._clock = clock
        self._tell = tell
        self._fresh_seconds = fresh_seconds
        self._error: ProviderError | None = None
        self._retry_at = 0.0  # monotonic seconds

    @property
    def wait_seconds(self) -> float:
        """How long the sources are not asked for quotes; zero or less where they may be."""
        return self._retry_at - self._clock.monotonic()

    @property
    def is_waiting(self) -> bool:
        """Whether the sources of quotes are down and not asked at this moment."""
        return self._error is not None and self.wait_seconds > 0

    def began(self, error: ProviderError, failed: Iterable[str]) -> None:
        """Note that all sources failed with `error`; `failed` was asked for, and nothing has renewed it meanwhile."""
        self._retry_at = self._clock.monotonic() + (error.retry_after_ms or 0) / 1000
        is_news = self._error is None
        self._error = error
        watched = self._board.watched()
        self._board.mark_stale({*failed, *self._not_fresh(watched)}, error.reason, self._retry_at_ms())
        if is_news:
            self._tell(FeedEvent(Event.OUTAGE, frozenset(watched), error))

    def answer(self, symbols: Iterable[str]) -> ProviderError | None:
        """What `symbols` are answered with, and marked stale for, without a call; None where the sources are asked."""
        left = self.wait_seconds
        if self._error is None or left <= 0:
            return None
        self._board.mark_stale(self._not_fresh(symbols), self._error.reason, self._retry_at_ms())
        return ProviderError(self._error.reason, self._error.message, retry_after_ms=round(left * 1000))

    def ended(self) -> None:
        """Note that a source answers."""
        if self._error is None:
            return
        self._error = None
        self._retry_at = 0.0
        self._tell(FeedEvent(Event.RESTORED, frozenset(self._board.watched())))

    def streamed(self) -> None:
        """Note that a stream delivers: with all that is watched renewed by it, the outage is over."""
        # The poll, which found the outage, has nothing to ask for any more. While it has, it is the judge: a stream of
        # some symbols says nothing of the others.
        if self._error is not None and not self._not_fresh(self._board.watched()):
            self.ended()

    def _not_fresh(self, symbols: Iterable[str]) -> list[str]:
        return self._board.not_renewed(symbols, self._clock.monotonic() - self._fresh_seconds)

    def _retry_at_ms(self) -> int:
        return self._clock.now_ms() + round(self.wait_seconds * 1000)
