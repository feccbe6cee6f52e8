"""What was published of each symbol, and which of two messages is the newer one; no I/O.

A feed's quotes are ordered by their `seq`, within the instance that they count in; those of another instance go on
above, so that a `seq` never falls. What others publish has none, so it gets one made of its own time: the same on
every server that hears it, and never falling. Where a symbol has both, the feed's go on counting, and the board counts
what others put between them.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import structlog

from stocktrack.clock import Clock
from stocktrack.messages import BoardQuote
from stocktrack.providers.published import Dropped, Unreadable, decode_published
from stocktrack.quotes import Quote

log = structlog.get_logger()

_TELL_AGAIN_SECONDS = 3_600.0
_MAX_UNWANTED = 1_000
# A clock that is faster than this is wrong: its time would have all that comes after it taken for older.
AHEAD_MS = 300_000
_WHY = {
    "json": "it is no JSON object",
    "price": "it has no price that can be one",
    "symbol": "it is of another symbol, or of none",
    "size": "it is too large",
    "older": "it is older than what was published before",
}


@dataclass(slots=True)
class _Held:
    """The newest message of a symbol, as it came and as it was read; `is_fed` where a feed published it.

    `instance` and `fed_seq` are those of the last one that a feed published, and `above` what is added to its `seq`.
    """

    payload: bytes
    quote: Quote
    is_fed: bool
    instance: str | None = None
    fed_seq: int = 0
    above: int = 0


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
        now_ms = self._clock.now_ms()
        try:
            published = decode_published(payload, symbol=symbol, provider=self._name, now_ms=now_ms)
            if published.instance is None:
                new = self._of_others(payload, _without_future(published.quote, now_ms), held, has_feed=has_feed)
            else:
                new = _of_feed(payload, published.quote, published.instance, held)
        except Unreadable as error:
            self._drop(symbol, error.why)
            return None
        self._held[symbol] = new
        return new.quote

    def held(self, symbol: str) -> Quote | None:
        """The newest that was read of `symbol`."""
        held = self._held.get(symbol)
        return held.quote if held is not None else None

    def is_fed(self, symbol: str) -> bool:
        """Whether the newest of `symbol` is a feed's."""
        held = self._held.get(symbol)
        return held is not None and held.is_fed

    def newest_of(self, symbol: str, payloads: Sequence[bytes], *, has_feed: bool) -> Quote | None:
        """The last of `payloads` that is a quote: what makes no sense takes the place of none."""
        newest = (self.read(symbol, each, has_feed=has_feed) for each in reversed(payloads))
        return next((quote for quote in newest if quote is not None), None)

    def payload(self, symbol: str) -> bytes | None:
        """What the newest of `symbol` was read from."""
        held = self._held.get(symbol)
        return held.payload if held is not None else None

    def keep(self, symbols: Collection[str]) -> None:
        """Forget all but these, where it has become much more."""
        if len(self._held) > 2 * len(symbols) + _MAX_UNWANTED:
            self._held = {symbol: held for symbol, held in self._held.items() if symbol in symbols}

    def _of_others(self, payload: bytes, quote: Quote, held: _Held | None, *, has_feed: bool) -> _Held:
        """What others published, with the number that it gets; `Unreadable` where it is older than what is held."""
        before = held.quote if held is not None else None
        if before is not None and before.timestamp is not None and (quote.timestamp or math.inf) < before.timestamp:
            raise Unreadable("older")
        new = replace(held, payload=payload, is_fed=False) if held is not None else _Held(payload, quote, is_fed=False)
        if has_feed and new.instance is not None:
            new.quote = quote
            return new
        at = quote.received_at if quote.timestamp is None else min(quote.timestamp, quote.received_at)
        seq = max(at, before.seq + 1) if isinstance(before, BoardQuote) else at
        new.quote = BoardQuote.of(quote, seq=seq, stale_reason=None, retry_at=None)
        return new

    def _drop(self, symbol: str, why: str) -> None:
        self.dropped[why] += 1
        now = self._clock.monotonic()
        if self._told.get(why, 0.0) <= now:
            self._told[why] = now + _TELL_AGAIN_SECONDS
            log.warning("a message was dropped", provider=self._name, symbol=symbol, why=_WHY[why])


def _of_feed(payload: bytes, quote: Quote, instance: str, held: _Held | None) -> _Held:
    """What a feed published; `Unreadable` where one with a higher number was read before."""
    assert isinstance(quote, BoardQuote)  # noqa: S101 - what has an instance has a number
    above = 0
    if held is not None and held.instance == instance:
        if quote.seq < held.fed_seq:
            raise Unreadable("older")
        above = held.above
    elif held is not None and isinstance(held.quote, BoardQuote):
        # Another feed, after a Redis that forgot everything. It counts by its clock, which may be behind.
        above = max(0, held.quote.seq + 1 - quote.seq)
    shown = quote if above == 0 else quote.model_copy(update={"seq": quote.seq + above})
    return _Held(payload, shown, is_fed=True, instance=instance, fed_seq=quote.seq, above=above)


def _without_future(quote: Quote, now_ms: int) -> Quote:
    """The quote without a market time that is yet to come."""
    if quote.timestamp is None or quote.timestamp <= now_ms + AHEAD_MS:
        return quote
    return quote.model_copy(update={"timestamp": None})
