"""Prices of any currency in one: by the prices of pairs, which come like all prices; no I/O.

An index has points and a pair of currencies is a rate: neither is money of anybody, and both stay as they are.
"""

import re
from collections.abc import Collection
from typing import Final

from stocktrack.holdings import SAME, Rate, money_digits, pair_rate, rate_to
from stocktrack.messages import Price
from stocktrack.quotes import major_currency, price_digits

BRIDGE: Final = "USD"
_INDEX: Final = re.compile(r"\^.+|[A-Z]+_INDEX:.+")
_PAIR: Final = re.compile(r".+=X|OANDA:.+")
# The first price of a pair comes with its subscription.
_PATIENCE_MS: Final = 3_000

Pair = tuple[str, str]


class Conversion:
    """What money of any currency is in `target`: `learn` which symbol is which pair, and `put` their prices."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.version = 0  # counts what changed of the rates
        self.beside: set[str] = set()  # the pairs that are pushed for the sake of rates alone
        self._pairs: dict[str, Pair] = {}  # what one of the first is in the second, by the symbol
        self._rates: dict[Pair, Rate] = {}
        self._wanted: dict[str, None] = {}  # whole currencies, in the order in which they were seen
        self._seen: set[str | None] = set()  # all of them as they were told
        self._asked_at_ms: dict[str, int] = {}
        self._without: set[str] = set()
        self._known: dict[str | None, float | None] = {}  # as `rate_of` found it, until a rate changes

    @property
    def wanted(self) -> tuple[str, ...]:
        """The whole currencies whose rate has not been looked for yet."""
        return tuple(each for each in self._wanted if each not in self._asked_at_ms)

    @property
    def symbols(self) -> Collection[str]:
        """The symbols of the pairs."""
        return self._pairs.keys()

    def want(self, currency: str | None) -> None:
        """Have the rate of a currency, perhaps a part of one, be looked for."""
        self._seen.add(currency)
        major = major_currency(currency)
        if major is not None and major != self.target:
            self._wanted.setdefault(major)

    def learn(self, symbol: str, pair: Pair) -> None:
        """Take the price of `symbol` for what one of the first currency is in the second from now on."""
        self._pairs[symbol] = pair

    def asked(self, currency: str, now_ms: int, *, is_there: bool) -> None:
        """The rate of a whole currency was looked for, and there is a way to it or not."""
        self._asked_at_ms[currency] = now_ms
        (self._without.discard if is_there else self._without.add)(currency)

    def forget_questions(self) -> None:
        """Have every rate be looked for."""
        self._asked_at_ms.clear()

    def ask_again(self) -> None:
        """Have all that has no rate be looked for once more."""
        for currency in self._without:
            self._asked_at_ms.pop(currency, None)

    def put(self, price: Price) -> bool:
        """Take the newest price of a symbol, and say whether it changed a rate."""
        pair = self._pairs.get(price.symbol)
        if pair is None:
            return False
        rate = pair_rate(price.price, is_stale=price.stale)
        # What is in another currency than its name says is something else of that name.
        if rate is None or price.currency not in {None, pair[1]} or self._rates.get(pair) == rate:
            return False
        self._rates[pair] = rate
        self._known.clear()
        self.version += 1
        return True

    def rate_of(self, symbol: str, currency: str | None) -> float | None:
        """What one of `currency`, perhaps pence, is in the target; None where it is not known or not to be used."""
        if not is_money(symbol):
            return None
        if currency not in self._known:
            rate = self._found(currency)
            self._known[currency] = None if rate is None or rate.is_stale else float(rate.value)
        return self._known[currency]

    @property
    def usable(self) -> frozenset[str | None]:
        """The currencies, as they were told, of which there is a rate."""
        return frozenset(each for each in self._seen if self.rate_of("", each) is not None)

    @property
    def is_complete(self) -> bool:
        """Whether there is a rate of every currency that was wanted."""
        return len(self.usable) == len(self._seen)

    def why_not(self, currency: str | None, now_ms: int) -> str:
        """Why money of a currency stays in it; empty where it does not, or where its rate is still to come."""
        major = major_currency(currency)
        if major is None:
            return "no currency"
        if (rate := self._found(currency)) is not None:
            return "stale rate" if rate.is_stale else ""
        asked_at_ms = self._asked_at_ms.get(major)
        is_awaited = asked_at_ms is None or (major not in self._without and now_ms - asked_at_ms < _PATIENCE_MS)
        return "" if is_awaited else "no rate"

    def digits_of(self, price: float, hint: int) -> int:
        """The decimals of a price in the target: those of its coins, or more where the price in its own has more."""
        least = money_digits(self.target)
        return price_digits(price, max(least, hint) if hint > 2 else least)

    def _found(self, currency: str | None) -> Rate | None:
        major = major_currency(currency)
        if major is None:
            return None
        whole = SAME if major == self.target else self._of_pair((major, self.target)) or self._over_bridge(major)
        return None if whole is None else rate_to(currency, self.target, {major: whole})

    def _over_bridge(self, major: str) -> Rate | None:
        there, onward = self._of_pair((major, BRIDGE)), self._of_pair((BRIDGE, self.target))
        return None if there is None or onward is None else there.then(onward)

    def _of_pair(self, pair: Pair) -> Rate | None:
        if (rate := self._rates.get(pair)) is not None:
            return rate
        inverse = self._rates.get((pair[1], pair[0]))
        return None if inverse is None else inverse.inverse()


def is_money(symbol: str) -> bool:
    """Whether the price of a symbol is what one pays for it."""
    return _INDEX.fullmatch(symbol) is None and _PAIR.fullmatch(symbol) is None


def unit_of(symbol: str, currency: str | None) -> str:
    """What a price that is not converted is in: the points of an index, or its own currency."""
    return "pts" if _INDEX.fullmatch(symbol) else currency or ""


def converted(value: float | None, rate: float) -> float | None:
    """An amount in the other currency, without the noise at the end of a product of doubles: it is only looked at."""
    return value if value is None or rate == 1.0 else float(f"{value * rate:.12g}")
