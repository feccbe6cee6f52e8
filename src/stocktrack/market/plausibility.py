"""What cannot be true is kept off the board: times that no clock shows, prices of nothing, jumps of a hundredfold.

Whatever the source, its quotes pass here once. A price is far off at `FAR` times the one on the board or more, or at
that part of it or less. It is kept out at first and taken when it stays: when nothing else is heard of the symbol for
`STAYS_SECONDS`, from any source, so that the next poll confirms it. A split of one to a hundred takes that long, too.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Final

import structlog

from stocktrack.clock import Clock
from stocktrack.providers.reading import FIRST_TIME_MS
from stocktrack.quotes import FAR, Quote, is_far_off, may_be_negative

log = structlog.get_logger()

# The root of it: what is within it of a price that is far off is nearer to that one than to the one on the board. A
# narrower limit would keep out an option that fell to its last two ticks, of which one is twice the other.
NEAR: Final = 10.0
STAYS_SECONDS: Final = 4.0  # less than the five between two polls
# A price on the board that was not renewed for so long, a long weekend, says nothing about a new one.
HELD_MS: Final = 4 * 86_400_000
AHEAD_MS: Final = 300_000
TELL_AGAIN_SECONDS: Final = 3_600.0
MAX_SUSPECTS: Final = 10_000
MAX_TOLD: Final = 1_000

_PRICES = ("previous_close", "open", "high", "low", "bid", "ask")
_EXTENDED = ("extended_price", "extended_change", "extended_change_percent", "extended_time")
_beside_the_price = itemgetter("timestamp", "extended_time", "extended_price", *_PRICES)


@dataclass(frozen=True, slots=True)
class _Suspect:
    """A price that is far off, and since when (monotonic) only such ones are heard."""

    price: float
    since: float


class Gate:
    """Looks at each quote before it goes on the board; what it remembers of far-off prices is bounded."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._suspects: dict[str, _Suspect] = {}
        self._told: dict[str, float] = {}  # what the log was told of, and until when that is enough

    def sift(self, quotes: Sequence[Quote], held: Callable[[str], Quote | None]) -> Sequence[Quote]:
        """Those of `quotes` whose price is to be believed, without what else in them is not.

        `held` has the quote of a symbol that is on the board. A quote with nothing wrong in it is returned itself.
        """
        now_ms = self._clock.now_ms()
        sifted = []
        for quote in quotes:
            before = held(quote.symbol)
            if self._is_believed(quote, "price", _comparable_price(quote, before, now_ms)):
                wrong = self._wrong_beside_the_price(quote, now_ms)
                if wrong and _is_from_before(quote, before):
                    continue
                sifted.append(quote.model_copy(update=dict.fromkeys(wrong)) if wrong else quote)
        return sifted

    def _wrong_beside_the_price(self, quote: Quote, now_ms: int) -> Sequence[str]:
        """The fields of `quote` that are to be left out."""
        timestamp, extended_time, extended_price, *prices = _beside_the_price(quote.__dict__)
        wrong: list[str] = []
        if timestamp is not None and not FIRST_TIME_MS <= timestamp <= now_ms + AHEAD_MS:
            self._tell(quote.provider, "a market time was left out", quote, timestamp=timestamp)
            wrong.append("timestamp")
        if extended_time is not None and not FIRST_TIME_MS <= extended_time <= now_ms + AHEAD_MS:
            self._tell(quote.provider, "a market time was left out", quote, extended_time=extended_time)
            wrong.append("extended_time")
        if extended_price is not None and not self._is_believed(quote, "extended_price", quote.price):
            wrong += _EXTENDED
        for price in prices:
            if price is not None and price <= 0:
                wrong += _prices_of_nothing(quote)
                break
        return wrong

    def _is_believed(self, quote: Quote, field: str, held_price: float | None) -> bool:
        """Whether the price in `field` is one, and is near `held_price` or here to stay; if not, the log says so."""
        price = quote.__dict__[field]
        # What is true of nearly every price is asked first.
        if 0 < price < math.inf and (held_price is None or held_price / FAR < price < held_price * FAR):
            if self._suspects:
                self._suspects.pop(_key(quote, field), None)
            return True
        if not math.isfinite(price) or (price <= 0 and not may_be_negative(quote.symbol)):
            is_believed = False
        else:
            is_believed = held_price is None or self._is_near_or_stays(quote, field, held_price)
        if not is_believed:
            self._tell(_key(quote, field), "a price was kept out", quote, **{field: price}, held_price=held_price)
        return is_believed

    def _is_near_or_stays(self, quote: Quote, field: str, held_price: float) -> bool:
        key, price, now = _key(quote, field), quote.__dict__[field], self._clock.monotonic()
        suspect = self._suspects.pop(key, None)
        if not is_far_off(price, held_price, quote.symbol):
            return True
        if suspect is None or is_far_off(price, suspect.price, quote.symbol, NEAR):
            suspect = _Suspect(price, now)
        if now - suspect.since >= STAYS_SECONDS:
            return True
        if len(self._suspects) >= MAX_SUSPECTS:
            del self._suspects[next(iter(self._suspects))]
        self._suspects[key] = suspect
        return False

    def _tell(self, key: str, event: str, quote: Quote, **details: object) -> None:
        """Log it, once an hour for each `key`, and `MAX_TOLD` lines an hour at most."""
        now = self._clock.monotonic()
        while self._told and self._told[oldest := next(iter(self._told))] <= now:
            del self._told[oldest]
        if key not in self._told and len(self._told) < MAX_TOLD:
            self._told[key] = now + TELL_AGAIN_SECONDS
            log.warning(event, symbol=quote.symbol, provider=quote.provider, **details)


def _comparable_price(quote: Quote, held: Quote | None, now_ms: int) -> float | None:
    """The price on the board that the price of `quote` is held against; None where there is none."""
    if held is None or now_ms - held.received_at > HELD_MS:
        return None
    if held.currency is not quote.currency and held.currency != quote.currency and held.currency and quote.currency:
        return None  # pence of one source and pounds of another are a hundredfold apart
    return held.price


def _is_from_before(quote: Quote, before: Quote | None) -> bool:
    """Whether the time of a quote is too old to be true: it may not follow on one that another source gave a time."""
    if before is None or before.provider == quote.provider or before.timestamp is None or quote.timestamp is None:
        return False
    return quote.timestamp < FIRST_TIME_MS


def _prices_of_nothing(quote: Quote) -> Sequence[str]:
    """The fields with prices at zero or below that cannot be there, and what was computed from them."""
    if may_be_negative(quote.symbol):
        return ()
    wrong = [name for name in _PRICES if (price := getattr(quote, name)) is not None and price <= 0]
    return [*wrong, "change", "change_percent"] if "previous_close" in wrong else wrong


def _key(quote: Quote, field: str) -> str:
    return quote.symbol if field == "price" else f"{quote.symbol} {field}"  # no symbol has a space in it
