"""Rates between currencies, asked for as what they are at the sources: the prices of pairs.

A pair is `EURUSD=X` as Yahoo and the simulated market write it, and `OANDA:EUR_USD` as Finnhub does; who does not serve
a writing is not asked for it. All pairs that are wanted are one question. Only what that leaves out is asked for the
other way round, then in the other writing, and at last over the dollar.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from stocktrack.errors import Code, ProviderError, Reason, StockTrackError
from stocktrack.holdings import Rate, pair_rate
from stocktrack.market.bills import Payer
from stocktrack.market.feed import Feed

_CURRENCY: Final = re.compile("[A-Z]{3}")
_WRITINGS: Final = ("{}{}=X", "OANDA:{}_{}")
_BRIDGE: Final = "USD"
# After these nobody asks on at once: the same source would be asked, or the same user would have to pay.
_WAIT: Final = frozenset({Reason.PROVIDER_BLOCKED, Reason.PROVIDER_TIMEOUT, Reason.RATE_LIMITED})

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class FoundRates:
    """What one of each currency is in the one asked for, or why that is not known."""

    rates: Mapping[str, Rate]
    errors: Mapping[str, StockTrackError]


async def find_rates(currencies: Iterable[str], target: str, feed: Feed, payer: Payer | None) -> FoundRates:
    """The rates of whole `currencies` in `target`, at the user's cost; of `target` itself nobody is asked."""
    wanted = sorted(set(currencies) - {target})
    pairs = [(currency, target) for currency in wanted if _CURRENCY.fullmatch(currency)]
    rates, errors = await _find_pairs(pairs, feed, payer)
    lost = [pair for pair in pairs if pair not in rates and errors[pair].reason not in _WAIT]
    bridged = [pair for pair in lost if _BRIDGE not in pair]
    if bridged:
        legs = {leg for currency, _ in bridged for leg in ((currency, _BRIDGE), (_BRIDGE, target))}
        over, of_legs = await _find_pairs(sorted(legs), feed, payer)
        for pair in bridged:
            there, onward = (pair[0], _BRIDGE), (_BRIDGE, target)
            first, second = over.get(there), over.get(onward)
            if first is not None and second is not None:
                rates[pair] = first.then(second)
                continue
            # A way that is only barred for now is no 404, however surely there is no such pair itself.
            for leg in (there, onward):
                if leg not in over:
                    errors[pair] = _worse(errors[pair], of_legs[leg])
    unnamed = ProviderError(Reason.NOT_OFFERED, "What is no code of three letters has no rate.")
    return FoundRates(
        rates={currency: rate for (currency, _), rate in rates.items()},
        errors={
            currency: errors.get((currency, target), unnamed) for currency in wanted if (currency, target) not in rates
        },
    )


async def _find_pairs(
    pairs: Collection[Pair], feed: Feed, payer: Payer | None
) -> tuple[dict[Pair, Rate], dict[Pair, StockTrackError]]:
    """The rates of `pairs`, and for those without one the error that says most."""
    rates: dict[Pair, Rate] = {}
    errors: dict[Pair, StockTrackError] = {}
    for writing in _WRITINGS:
        for is_inverse in (False, True):
            open_pairs = [
                pair for pair in pairs if pair not in rates and (pair not in errors or errors[pair].reason not in _WAIT)
            ]
            if not open_pairs:
                break
            symbol_of = {pair: writing.format(*(reversed(pair) if is_inverse else pair)) for pair in open_pairs}
            found = await feed.quotes([*symbol_of.values()], payer)
            for pair, symbol in symbol_of.items():
                quote = found.quotes.get(symbol)
                if quote is None:
                    errors[pair] = _worse(errors.get(pair), found.missing[symbol])
                    continue
                rate = pair_rate(quote.price, is_stale=quote.stale)
                # What is in another currency than its name says is something else of that name.
                if rate is None or quote.currency not in {None, pair[0] if is_inverse else pair[1]}:
                    why = ProviderError(Reason.PROVIDER_ERROR, f"{quote.provider} gave no usable rate as {symbol}.")
                    errors[pair] = _worse(errors.get(pair), why)
                else:
                    rates[pair] = rate.inverse() if is_inverse else rate
    return rates, errors


def _worse(before: StockTrackError | None, now: StockTrackError) -> StockTrackError:
    """Of the errors of one pair the one to tell: one that may pass says more than that there is no such pair."""
    if before is None or (before.code is Code.NOT_FOUND and now.code is not Code.NOT_FOUND):
        return now
    return before
