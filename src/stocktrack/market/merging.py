"""What a quote leaves out is kept from the one before it, as far as it still holds; pure."""

from typing import Any

from stocktrack.quotes import MarketState, Quote, change_since

# What belongs to the symbol, whoever tells it.
_OF_THE_SYMBOL = ("currency", "name", "exchange", "price_hint")
# What belongs to the day, or changes from day to day.
_OF_THE_DAY = (
    *("previous_close", "open", "high", "low", "fifty_two_week_low", "fifty_two_week_high"),
    *("market_cap", "market_cap_currency", "trailing_pe"),
)
# Two trades that are closer than this belong to one day of a market: the pause between the late trading of one day and
# the early one of the next is longer.
SAME_DAY_MS = 7 * 3_600_000


def named(quote: Quote, held: Quote | None) -> Quote:
    """`quote` with the name, the exchange and the like that another source has told before, by `held`."""
    if held is None or held.provider == quote.provider:
        return quote
    kept = _of_the_symbol(quote, held)
    return quote.model_copy(update=kept) if any(value is not None for value in kept.values()) else quote


def completed(tick: Quote, held: Quote | None) -> Quote:
    """`tick` with what it does not say of the symbol and the day, by `held`, the quote before it.

    A tick that says anything of the day is left as it is. The volume is not kept: it has grown since. Neither is the
    state of a market that was closed: something is traded in it.
    """
    if held is None or tick.previous_close is not None or tick.change is not None:
        return tick
    kept: dict[str, Any] = _of_the_symbol(tick, held)
    if tick.market_state is MarketState.UNKNOWN and held.market_state is not MarketState.CLOSED:
        kept["market_state"] = held.market_state
    if _is_same_day(tick, held) and held.currency in {tick.currency, kept.get("currency")}:
        kept |= {name: getattr(held, name) for name in _OF_THE_DAY if getattr(tick, name) is None}
        if kept.get("high") is not None:
            kept["high"] = max(kept["high"], tick.price)
        if kept.get("low") is not None:
            kept["low"] = min(kept["low"], tick.price)
        if held.previous_close is not None:
            kept["change"], kept["change_percent"] = change_since(held.previous_close, tick.price)
    return tick.model_copy(update=kept)


def _of_the_symbol(quote: Quote, held: Quote) -> dict[str, Any]:
    return {name: getattr(held, name) for name in _OF_THE_SYMBOL if getattr(quote, name) is None}


def _is_same_day(tick: Quote, held: Quote) -> bool:
    if tick.timestamp is None or held.timestamp is None:
        return False
    return abs(tick.timestamp - held.timestamp) < SAME_DAY_MS
