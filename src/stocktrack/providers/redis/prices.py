"""What was published of each symbol, and which of two messages is the newer one; no I/O.

A feed's quotes are ordered by their `seq`. What others publish has none, so it gets one made of its own time: the same
on every server that hears it, and never falling. Where a symbol has both, the feed's go on counting, and the board
counts what others put between them.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass

import structlog

from stocktrack.clock import Clock
from stocktrack.messages import BoardQuote
from stocktrack.providers.published import Dropped, Unreadable, decode_published
from stocktrack.quotes import Quote

log = structlog.get_logger()

_TELL_AGAIN_SECONDS = 3_600.0
_WHY = {
    "json": "it is no JSON object",
    "price": "it has no price that is a number",
    "symbol": "it is of another symbol, or of none",
    "size": "it is too large",
    "older": "it is older than what was published before",
}


@dataclass(slots=True)
class _Held:
    """The newest message of a symbol, as it came and as it was read.

    `is_fed` where a feed published it; `fed_seq` is that of the last one that a feed did.
    """

    payload: bytes
    quote: Quote
    is_fed: bool
    fed_seq: int | None


class Prices:
    """The newest of each symbol. `dropped` counts what was no quote, by why; the log tells each why once an hour."""

    def __init__(self, name: str, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self._held: dict[str, _Held] = {}
        self.dropped = Dropped()
        self._told: dict[str, float] = {}

    def read(self, symbol: str, payload: bytes, *, has_feed: bool) -> Quote | None:
        """The quote in a message of `symbol`; None where it is none, or is older than what is held.

        What was there already comes back as it was, confirmed by this moment where it is of others. `has_feed` says
        whether a feed is there: then what others publish of its symbols is taken without a number.
        """
        held = self._held.get(symbol)
        if held is not None and held.payload == payload:
            if not held.is_fed:
                held.quote = held.quote.model_copy(update={"received_at": self._clock.now_ms()})
            return held.quote
        try:
            published = decode_published(payload, symbol=symbol, provider=self._name, now_ms=self._clock.now_ms())
            quote, fed_seq = published.quote, held.fed_seq if held is not None else None
            if published.instance is None:
                quote = self._counted(quote, held, is_fed=has_feed and fed_seq is not None)
            else:
                quote, fed_seq = _in_order(quote, fed_seq)
        except Unreadable as error:
            self._drop(symbol, error.why)
            return None
        self._held[symbol] = _Held(payload, quote, published.instance is not None, fed_seq)
        return quote

    def held(self, symbol: str) -> Quote | None:
        """The newest that was read of `symbol`."""
        held = self._held.get(symbol)
        return held.quote if held is not None else None

    def is_fed(self, symbol: str) -> bool:
        """Whether the newest of `symbol` is a feed's."""
        held = self._held.get(symbol)
        return held is not None and held.is_fed

    def keep(self, symbols: Collection[str]) -> None:
        """Forget all but these."""
        if len(self._held) > 2 * len(symbols) + 100:
            self._held = {symbol: held for symbol, held in self._held.items() if symbol in symbols}

    def _counted(self, quote: Quote, held: _Held | None, *, is_fed: bool) -> Quote:
        """What others published, with the number that it gets; `Unreadable` where it is older than what is held."""
        before = held.quote if held is not None else None
        if before is not None and before.timestamp is not None and (quote.timestamp or math.inf) < before.timestamp:
            raise Unreadable("older")
        if is_fed:
            return quote
        at = quote.received_at if quote.timestamp is None else min(quote.timestamp, quote.received_at)
        seq = max(at, before.seq + 1) if isinstance(before, BoardQuote) else at
        return BoardQuote.of(quote, seq=seq, stale_reason=None, retry_at=None)

    def _drop(self, symbol: str, why: str) -> None:
        self.dropped[why] += 1
        now = self._clock.monotonic()
        if self._told.get(why, 0.0) <= now:
            self._told[why] = now + _TELL_AGAIN_SECONDS
            log.warning("a message was dropped", provider=self._name, symbol=symbol, why=_WHY[why])


def _in_order(quote: Quote, fed_seq: int | None) -> tuple[Quote, int]:
    """A feed's quote and its number; `Unreadable` where one with a higher number was read before."""
    assert isinstance(quote, BoardQuote)  # noqa: S101 - what has an instance has a number
    if fed_seq is not None and quote.seq < fed_seq:
        raise Unreadable("older")
    return quote, quote.seq
