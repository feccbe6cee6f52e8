"""What somebody holds and what it is worth, out of lots, prices and rates: arithmetic without I/O, exact to the end.

The prices and the costs of a symbol are in the currency of its price as the source writes it; GBp is pence. Floats come
in as their shortest text, so that 0.1 is a tenth, and everything in between is decimal. Money is rounded once, when it
is told, halves away from zero: what is in a currency of its own to that currency's least coin, and totals are sums of
exact amounts and not of rounded ones. What nobody could count is not told: no NaN, no infinity, nothing beyond 10^30.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_UP, Context, Decimal, localcontext
from enum import Enum
from typing import Final, Protocol

from stocktrack.messages import Amounts, BoardQuote, HoldingInfo, HoldingTotals, Price
from stocktrack.quotes import major_currency

# Sums and products of doubles are exact in so many digits: 10^24 beside 5e-324 times itself.
_EXACT: Final = Context(prec=2_000, rounding=ROUND_HALF_UP, Emax=MAX_EMAX, Emin=MIN_EMIN)
_DIVIDING: Final = Context(prec=60, rounding=ROUND_HALF_UP, Emax=MAX_EMAX, Emin=MIN_EMIN)
_TELLING: Final = Context(prec=12, rounding=ROUND_HALF_UP, Emax=MAX_EMAX, Emin=MIN_EMIN)
# What is more than this is no money: totals stay numbers whatever a source or a user says.
MOST_MONEY: Final = Decimal(10) ** 30
# A rate beyond these is none: the least coin of history is some 10^-12 of the greatest.
_LEAST_RATE, _MOST_RATE = Decimal(10) ** -12, Decimal(10) ** 12
_MOST_PERCENT: Final = Decimal(10) ** 12
_NOTHING: Final = Decimal(0)

# The decimals of currencies that have not two, by ISO 4217; of coins what their own networks count.
_MONEY_DIGITS: Final[Mapping[str, int]] = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV"), 0
    ),
    **dict.fromkeys(("XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("BTC", "ETH"), 8),
}
# How many of a part make the whole currency, where it is not a hundred: fils are thousandths of a dinar.
_PARTS_OF_A_WHOLE: Final[Mapping[str, int]] = {"KWF": 1_000}


class LotLike(Protocol):
    """What counts of a lot: a row of the database, and a `LotInfo`."""

    @property
    def symbol(self) -> str:
        """Of what."""
        ...

    @property
    def quantity(self) -> float:
        """How many pieces; below zero for a sale."""
        ...

    @property
    def unit_cost(self) -> float:
        """What one piece cost."""
        ...

    @property
    def fixed_cost(self) -> float:
        """The fees."""
        ...


@dataclass(frozen=True, slots=True)
class Position:
    """The lots of a symbol as one: its pieces and what they cost, fees included; a sale takes off both."""

    symbol: str
    quantity: Decimal
    cost: Decimal

    @property
    def unit_cost(self) -> Decimal | None:
        """The cost of a piece; None where no piece is left."""
        return _DIVIDING.divide(self.cost, self.quantity) if self.quantity else None


@dataclass(frozen=True, slots=True)
class Mark:
    """What is known of a symbol's price: `change` is since the previous close."""

    price: float
    currency: str | None = None
    previous_close: float | None = None
    change: float | None = None
    name: str | None = None
    is_stale: bool = False

    @classmethod
    def of(cls, quote: BoardQuote | Price) -> "Mark":
        """The mark that a quote or a push gives."""
        mark = cls(quote.price, quote.currency, change=quote.change, is_stale=quote.stale)
        if isinstance(quote, Price):
            return mark
        return replace(mark, previous_close=quote.previous_close, name=quote.name)

    @property
    def moved(self) -> Decimal | None:
        """The change of the price since the previous close; None where nobody knows."""
        if self.previous_close is not None:
            return _EXACT.subtract(exact(self.price), exact(self.previous_close))
        return None if self.change is None else exact(self.change)


@dataclass(frozen=True, slots=True)
class Rate:
    """What one of a currency is in another: `times` divided by `over`, so that an inverse one is exact as well."""

    times: Decimal
    over: Decimal = Decimal(1)
    is_stale: bool = False

    @property
    def value(self) -> Decimal:
        """The rate as one number."""
        return _DIVIDING.divide(self.times, self.over)

    def convert(self, amount: Decimal) -> Decimal:
        """So much money in the other currency."""
        converted = _EXACT.multiply(amount, self.times)
        return converted if self.over == 1 else _DIVIDING.divide(converted, self.over)

    def then(self, further: "Rate") -> "Rate":
        """The rate over another currency: by this one, and then by the further one."""
        return Rate(
            _EXACT.multiply(self.times, further.times),
            _EXACT.multiply(self.over, further.over),
            self.is_stale or further.is_stale,
        )

    def inverse(self) -> "Rate":
        """The same the other way round."""
        return Rate(self.over, self.times, self.is_stale)


SAME: Final = Rate(Decimal(1))


class LeftOut(Enum):
    """Why a holding is in no total."""

    NO_PRICE = "no price"
    NO_CURRENCY = "no currency"  # its source names none that we know
    NO_RATE = "no rate"
    TOO_MUCH = "too much"  # nobody could count it


@dataclass(frozen=True, slots=True)
class Portfolio:
    """All holdings by symbol, their totals, and which of them are in no total and why."""

    holdings: tuple[HoldingInfo, ...]
    totals: HoldingTotals
    left_out: Mapping[str, LeftOut]


@dataclass(slots=True)
class _Money:
    """Exact money of one currency; what is not known is None."""

    cost: Decimal
    value: Decimal | None = None
    day_change: Decimal | None = None

    @property
    def gain(self) -> Decimal | None:
        return None if self.value is None else _EXACT.subtract(self.value, self.cost)

    @property
    def is_countable(self) -> bool:
        amounts = (self.cost, self.value, self.day_change)
        return all(abs(amount) <= MOST_MONEY for amount in amounts if amount is not None)

    def converted(self, rate: Rate) -> "_Money":
        value, day_change = self.value, self.day_change
        return _Money(
            rate.convert(self.cost),
            None if value is None else rate.convert(value),
            None if day_change is None else rate.convert(day_change),
        )

    def told(self, digits: int) -> dict[str, float | None]:
        gain, value, day_change = self.gain, self.value, self.day_change
        return {
            "cost": _rounded(self.cost, digits),
            "value": None if value is None else _rounded(value, digits),
            "day_change": None if day_change is None else _rounded(day_change, digits),
            "gain": None if gain is None else _rounded(gain, digits),
        }


def exact(value: float) -> Decimal:
    """A float as the decimal number that it is written as."""
    return Decimal(repr(value))


def money_digits(currency: str | None) -> int:
    """The decimals that money of `currency` is told with: two, or as many as its least coin has."""
    return _MONEY_DIGITS.get(currency or "", 2)


def positions(lots: Iterable[LotLike]) -> dict[str, Position]:
    """The lots by symbol, in the symbols' order: a sale nets, and what nothing is left of stays as zero pieces."""
    found: dict[str, Position] = {}
    for lot in lots:
        quantity = exact(lot.quantity)
        cost = _EXACT.add(_EXACT.multiply(quantity, exact(lot.unit_cost)), exact(lot.fixed_cost))
        before = found.get(lot.symbol)
        if before is not None:
            quantity, cost = _EXACT.add(before.quantity, quantity), _EXACT.add(before.cost, cost)
        found[lot.symbol] = Position(lot.symbol, quantity, cost)
    return dict(sorted(found.items()))


def pair_rate(price: float, *, is_stale: bool = False) -> Rate | None:
    """The rate that the price of a pair of currencies is; None where it can be none."""
    times = exact(price)
    return Rate(times, is_stale=is_stale) if _LEAST_RATE <= times <= _MOST_RATE else None


def rate_to(currency: str | None, target: str, rates: Mapping[str, Rate]) -> Rate | None:
    """What one of `currency`, perhaps pence, is in `target`, by the `rates` of whole currencies; None without one."""
    major = major_currency(currency)
    if major is None or currency is None:
        return None
    rate = SAME if major == target else rates.get(major)
    if rate is None or major == currency:
        return rate
    return Rate(Decimal(1), Decimal(_PARTS_OF_A_WHOLE.get(currency, 100))).then(rate)


def portfolio(
    held: Mapping[str, Position], marks: Mapping[str, Mark], rates: Mapping[str, Rate], currency: str
) -> Portfolio:
    """What `held` is worth at the `marks`, and the totals in `currency` by the `rates` of other whole currencies.

    What has no price, no known currency or no rate is told as far as it is known, and is in no total and no weight. Of
    what is in the totals, something without a change of its day counts as unchanged.
    """
    reckoning = Reckoning(rates, currency)
    for symbol, position in held.items():
        reckoning.add(position, marks.get(symbol))
    return Portfolio(
        holdings=tuple(map(reckoning.holding, held)),
        totals=reckoning.totals(),
        left_out=reckoning.left_out,
    )


class Reckoning:
    """Makes a `portfolio` holding by holding, for whoever has other things to do in between: `add` all, then ask."""

    def __init__(self, rates: Mapping[str, Rate], currency: str) -> None:
        self._rates = rates
        self._currency = currency
        self._standings: dict[str, _Standing] = {}
        self._total = _Money(_NOTHING, _NOTHING, _NOTHING)
        self._has_day = False  # whether the change of any holding's day is known

    def add(self, position: Position, mark: Mark | None) -> None:
        """Count a position at its price."""
        with localcontext(_EXACT):
            standing = _standing(position, mark, self._rates, self._currency)
            self._standings[position.symbol] = standing
            if (money := standing.converted) is not None:
                self._total.cost += money.cost
                self._total.value = _added(self._total.value, money.value)
                self._total.day_change = _added(self._total.day_change, money.day_change)
                self._has_day = self._has_day or money.day_change is not None

    @property
    def left_out(self) -> Mapping[str, LeftOut]:
        """Which of the holdings are in no total, and why."""
        return {symbol: each.why for symbol, each in self._standings.items() if each.why is not None}

    def totals(self) -> HoldingTotals:
        """The totals of all holdings that were added."""
        with localcontext(_EXACT):
            total = self._total
            has_counted = any(each.converted is not None for each in self._standings.values())
            if has_counted and not self._has_day:
                total = replace(total, day_change=None)
            return HoldingTotals(
                **total.told(money_digits(self._currency)),
                day_change_percent=_day_percent(total),
                gain_percent=_percent(total.gain, total.cost) if total.cost > 0 else None,
            )

    def holding(self, symbol: str) -> HoldingInfo:
        """A holding, with its weight in all that were added."""
        with localcontext(_EXACT):
            return _info(self._standings[symbol], self._currency, self._total)


@dataclass(frozen=True, slots=True)
class _Standing:
    """A position with what is known of it, exact: `converted` is in the totals, or `why` says why not."""

    position: Position
    mark: Mark | None
    own: _Money
    rate: Rate | None = None
    converted: _Money | None = None
    why: LeftOut | None = None


def _standing(position: Position, mark: Mark | None, rates: Mapping[str, Rate], currency: str) -> _Standing:
    own = _money_of(position, mark)
    if mark is None:
        return _Standing(position, mark, own, why=LeftOut.NO_PRICE)
    if not own.is_countable:
        return _Standing(position, mark, _Money(own.cost), why=LeftOut.TOO_MUCH)
    if major_currency(mark.currency) is None:
        return _Standing(position, mark, own, why=LeftOut.NO_CURRENCY)
    rate = rate_to(mark.currency, currency, rates)
    if rate is None:
        return _Standing(position, mark, own, why=LeftOut.NO_RATE)
    converted = own.converted(rate)
    if not converted.is_countable:
        return _Standing(position, mark, own, why=LeftOut.TOO_MUCH)
    return _Standing(position, mark, own, rate, converted)


def _money_of(position: Position, mark: Mark | None) -> _Money:
    money = _Money(position.cost)
    if mark is not None:
        money.value = position.quantity * exact(mark.price)
        moved = mark.moved
        money.day_change = None if moved is None else position.quantity * moved
    return money


def _added(total: Decimal | None, amount: Decimal | None) -> Decimal | None:
    return total if amount is None else (total or _NOTHING) + amount


def _info(standing: _Standing, currency: str, total: _Money) -> HoldingInfo:
    position, mark, own, rate = standing.position, standing.mark, standing.own, standing.rate
    own_currency = None if mark is None else mark.currency
    unit_cost = position.unit_cost
    # Of what was sold at a profit already, and of what is sold out, percent of the cost say nothing.
    has_percent = position.quantity and (position.quantity > 0) == (own.cost > 0)
    return HoldingInfo(
        **own.told(money_digits(own_currency)),
        symbol=position.symbol,
        name=None if mark is None else mark.name,
        quantity=float(position.quantity) + 0.0,
        unit_cost=None if unit_cost is None else _told(unit_cost),
        price=None if mark is None else mark.price,
        currency=own_currency,
        day_change_percent=_day_percent(own),
        gain_percent=_percent(own.gain, abs(own.cost)) if has_percent else None,
        weight=_weight(standing.converted, total),
        stale=True if (mark is not None and mark.is_stale) or (rate is not None and rate.is_stale) else None,
        rate=None if rate is None else _told(rate.value),
        converted=None if standing.converted is None else Amounts(**standing.converted.told(money_digits(currency))),
    )


def _weight(converted: _Money | None, total: _Money) -> float | None:
    if converted is None or total.value is None or total.value <= 0:
        return None
    return _percent(converted.value, total.value)


def _day_percent(money: _Money) -> float | None:
    """The day's change in percent of the value at the previous close; a fall of what was sold short is a rise."""
    if money.value is None or money.day_change is None:
        return None
    return _percent(money.day_change, abs(money.value - money.day_change))


def _percent(part: Decimal | None, whole: Decimal) -> float | None:
    """Percent to two decimals; None of nothing, and where it is beyond all sense."""
    if part is None or not whole:
        return None
    percent = _DIVIDING.divide(_EXACT.multiply(part, Decimal(100)), whole)
    return _rounded(percent, 2) if abs(percent) <= _MOST_PERCENT else None


def _rounded(value: Decimal, digits: int) -> float:
    """Rounded to so many decimals, halves away from zero; what rounds to nothing has no sign."""
    return float(value.quantize(Decimal(1).scaleb(-digits), context=_EXACT)) + 0.0


def _told(value: Decimal) -> float | None:
    """To twelve digits, which never show the noise of a division; None where nobody could count it."""
    return float(_TELLING.plus(value)) + 0.0 if abs(value) <= MOST_MONEY else None
