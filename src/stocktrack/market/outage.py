"""The outage of one source of quotes: told once when it begins and once when it ends, with a time for the next try.

It is told to those who watch what nobody else serves meanwhile.
"""

from collections.abc import Callable, Iterable

from stocktrack.clock import Clock
from stocktrack.errors import ProviderError
from stocktrack.market.board import Board
from stocktrack.market.events import Event, FeedEvent
from stocktrack.market.leads import FILL_SECONDS
from stocktrack.market.upstream import Upstream


class Outage:
    """Whether a source of quotes is down. `tell` is given an event when that shows, and one when it is over.

    Prices stay on the board meanwhile, marked stale with the reason and the time of the next try. One that something
    renewed within the last `fresh_seconds` is not marked. While the poll fails the source's stream may go on: what it
    carries, which `is_streamed` says, is neither marked nor told of, until it is mute for so long that the poll would
    fill in for it.
    """

    def __init__(
        self,
        upstream: Upstream,
        board: Board,
        clock: Clock,
        tell: Callable[[FeedEvent], None],
        *,
        fresh_seconds: float,
        is_streamed: Callable[[str], bool],
    ) -> None:
        self._upstream = upstream
        self._board = board
        self._clock = clock
        self._tell = tell
        self._fresh_seconds = fresh_seconds
        self._is_streamed = is_streamed
        self._error: ProviderError | None = None
        # Those whose watchers were told, as long as it is not over for them.
        self._told: set[str] = set()

    @property
    def wait_seconds(self) -> float:
        """How long the source is not asked for quotes; zero or less where it may be."""
        return self._upstream.rests_until - self._clock.monotonic()

    @property
    def is_on(self) -> bool:
        """Whether the source is down, as far as is known."""
        return self._error is not None

    def began(self, error: ProviderError) -> None:
        """Note that the source failed with `error`."""
        self._upstream.rests_until = self._clock.monotonic() + (error.retry_after_ms or 0) / 1000
        # A bare copy: the traceback of the one raised would keep everything alive that stood in its frames.
        self._error = ProviderError(error.reason, error.message, retry_after_ms=error.retry_after_ms)

    def show(self, failed: Iterable[str], led: Iterable[str]) -> None:
        """Mark what it leaves old, and tell those who watch it.

        `failed` was asked for and had from nobody; `led` is what the source leads all the same, for want of another.
        """
        if self._error is None:
            return
        watched = {symbol for symbol in led if self._board.is_watched(symbol)}
        old = self._not_carried([*failed, *self._not_fresh(watched)])
        self._board.mark_stale(old, self._error.reason, self._retry_at_ms())
        if news := self._not_carried(watched) - self._told:
            self._told |= news
            self._tell(FeedEvent(Event.OUTAGE, news, self._error))

    def answer(self, symbols: Iterable[str]) -> ProviderError | None:
        """What `symbols` are answered with, and marked stale for, without a call; None where the source is asked."""
        left = self.wait_seconds
        if self._error is None or left <= 0:
            return None
        self._board.mark_stale(self._not_carried(self._not_fresh(symbols)), self._error.reason, self._retry_at_ms())
        return ProviderError(self._error.reason, self._error.message, retry_after_ms=round(left * 1000))

    def ended(self) -> None:
        """Note that the source answers."""
        if self._error is None:
            return
        self._error = None
        self._upstream.rests_until = 0.0
        self.renewed(set(self._told))

    def renewed(self, symbols: Iterable[str]) -> None:
        """Note that there are new prices of `symbols`, whoever gave them."""
        if self._told and (back := self._told.intersection(symbols)):
            self._told -= back
            if watched := frozenset(symbol for symbol in back if self._board.is_watched(symbol)):
                self._tell(FeedEvent(Event.RESTORED, watched))

    def streamed(self, led: Iterable[str]) -> None:
        """Note that the stream of the source delivers: with all that the source leads renewed by it, all is well."""
        # The poll, which found the outage, has nothing to ask for any more. While it has, it is the judge: a stream of
        # some symbols says nothing of the others, but for those that never had a price.
        if self._error is not None and not self._not_fresh(filter(self._is_priced, led)):
            self.ended()

    def _is_priced(self, symbol: str) -> bool:
        return self._board.is_watched(symbol) and self._board.quote(symbol) is not None

    def _not_fresh(self, symbols: Iterable[str]) -> list[str]:
        return self._board.not_renewed(symbols, self._clock.monotonic() - self._fresh_seconds)

    def _not_carried(self, symbols: Iterable[str]) -> frozenset[str]:
        """Those of `symbols` that the source's stream has not renewed of late."""
        symbols = frozenset(symbols)
        carried = [symbol for symbol in symbols if self._is_streamed(symbol)] if self._upstream.is_streaming else []
        mute = self._board.not_renewed(carried, self._clock.monotonic() - FILL_SECONDS)
        return symbols.difference(carried).union(mute)

    def _retry_at_ms(self) -> int:
        return self._clock.now_ms() + round(self.wait_seconds * 1000)
