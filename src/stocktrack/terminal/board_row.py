"""What a row of the live board knows of its symbol, the figures that are shown of it, and what a column is; no I/O."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from stocktrack.messages import BoardQuote, Price, shown_digits
from stocktrack.quotes import MarketState
from stocktrack.terminal.conversion import Conversion, converted, is_money, unit_of
from stocktrack.terminal.course import Course
from stocktrack.terminal.text import Extended, extended_of

# The newest prices of a symbol that are kept for its sparkline; a board is hardly wider.
TRAIL_LENGTH = 240
# A PRICE of these says nothing of the hours before.
_QUIET = frozenset({MarketState.CLOSED, MarketState.UNKNOWN})
_OF_THE_DAY = frozenset({MarketState.OPEN, MarketState.UNKNOWN})


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """What is shown of a price, in its own currency or in the one of the board."""

    price: Price
    digits: int
    extended: Extended | None
    day: tuple[float | None, float | None]  # the low and the high
    year: tuple[float | None, float | None]
    unit: str = ""  # what the price is in, where it is not in the currency of the board


@dataclass(slots=True)
class Row:
    """A symbol, its newest price, and the course of its prices; with a `conversion` its figures are in one currency."""

    symbol: str
    price: Price | None = None
    trail: deque[float] = field(default_factory=lambda: deque(maxlen=TRAIL_LENGTH))
    last_move: int = 0  # the sign of its last change, which outlives the change of the day
    course: Course | None = None  # of its day, once that is known; one without prices where nobody has it
    digits: int = 0  # the most decimals that it was shown with: numbers that change their length can't be compared
    trouble: str = ""  # why no price of it comes
    quote: BoardQuote | None = None  # what a push does not say: its name, its day and its year
    conversion: Conversion | None = None
    version: int = 0  # counts what changed of it
    _day: tuple[float | None, float | None] = (None, None)
    _extended: Price | None = None  # the push that told the price outside the hours; at night the last one
    _figures: Figures | None = None
    _figures_by: float | None = None
    _converted_digits: int = 0

    def put(self, price: Price) -> None:
        """Take the newest price."""
        if self.trail and price.price != self.trail[-1]:
            self.last_move = 1 if price.price > self.trail[-1] else -1
        if self.price is None or price.seq != self.price.seq:
            self.trail.append(price.price)
        if self.course is not None and self.course.prices:
            self.course.put(price)
        self.price, self.trouble = price, ""
        self.digits = max(self.digits, shown_digits(price))
        self._extended = _extended_after(price, self._extended)
        self._carry_day_on(price)
        self._renew()

    def put_quote(self, quote: BoardQuote) -> None:
        """Take what a push does not say."""
        self.quote, self._day = quote, (quote.low, quote.high)
        self.digits = max(self.digits, shown_digits(quote))
        if self.price is not None and self.price.seq > quote.seq:
            self._carry_day_on(self.price)
        self._renew()

    def put_course(self, course: Course) -> None:
        """Take the course of its day."""
        self.course = course
        if self.price is not None and course.prices:
            course.put(self.price)
        self.version += 1

    def refuse(self, trouble: str) -> None:
        """No price of it comes any more."""
        self.trouble, self.price, self.quote, self.course = trouble, None, None, None
        self.trail.clear()
        self.last_move, self._extended, self._day = 0, None, (None, None)
        self._renew()

    @property
    def name(self) -> str:
        """What the symbol is called; empty where that is not known yet."""
        return "" if self.quote is None else self.quote.name or ""

    @property
    def volume(self) -> int | None:
        """How much was traded on the day."""
        if self.price is not None and self.price.volume is not None:
            return self.price.volume
        return None if self.quote is None else self.quote.volume

    @property
    def figures(self) -> Figures | None:
        """What is shown of its price; None without one. The same object until it changes."""
        price = self.price
        if price is None:
            return None
        rate = None if self.conversion is None else self.conversion.rate_of(self.symbol, price.currency)
        if self._figures is None or rate != self._figures_by:
            self._figures_by = rate
            if self.conversion is None or rate is None:
                self._figures = self._own(price)
            else:
                self._figures = self._in(price, rate, self.conversion)
        return self._figures

    def _renew(self) -> None:
        self.version += 1
        self._figures = None

    def _carry_day_on(self, price: Price) -> None:
        low, high = self._day
        if low is not None and high is not None and price.market_state in _OF_THE_DAY:
            self._day = min(low, price.price), max(high, price.price)

    def _own(self, price: Price) -> Figures:
        unit = "" if self.conversion is None else unit_of(self.symbol, price.currency)
        extended = None if self._extended is None else extended_of(self._extended, self.digits)
        return Figures(price, self.digits, extended, self._day, self._year, unit)

    def _in(self, price: Price, rate: float, conversion: Conversion) -> Figures:
        if rate == 1.0:
            return Figures(price, self.digits, self._own(price).extended, self._day, self._year)
        target = conversion.target
        shown = _converted_price(price, rate, target)
        digits = conversion.digits_of(shown.price, shown_digits(price))
        self._converted_digits = digits = max(self._converted_digits, digits)
        extended = None
        if self._extended is not None:
            extended = extended_of(_converted_price(self._extended, rate, target), digits)
        low, high = (converted(value, rate) for value in self._day)
        year_low, year_high = (converted(value, rate) for value in self._year)
        return Figures(shown, digits, extended, (low, high), (year_low, year_high))

    @property
    def _year(self) -> tuple[float | None, float | None]:
        quote = self.quote
        return (None, None) if quote is None else (quote.fifty_two_week_low, quote.fifty_two_week_high)

    @property
    def is_left(self) -> bool:
        """Whether its money stays in its own currency although another one is wanted."""
        if self.conversion is None or self.price is None or not is_money(self.symbol):
            return False
        return self.conversion.rate_of(self.symbol, self.price.currency) is None


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, its width in cells, and of a row the text and the style class in so many cells.

    `order` is the one that a click on the heading asks for; empty where there is none.
    """

    heading: str
    width: int
    cell: Callable[[Row, int], tuple[str, str]]
    is_right: bool = True
    order: str = ""


def _converted_price(price: Price, rate: float, target: str) -> Price:
    return price.model_copy(
        update={
            "price": converted(price.price, rate),
            "change": converted(price.change, rate),
            "extended_price": converted(price.extended_price, rate),
            "extended_change": converted(price.extended_change, rate),
            "currency": target,
        }
    )


def _extended_after(price: Price, before: Price | None) -> Price | None:
    """What to show outside the hours after a push: at night, when pushes say nothing of it, the last one stands."""
    extended = extended_of(price)
    if extended is not None:
        return price
    if before is None or price.market_state not in _QUIET:
        return None
    at = before.extended_time
    return None if at is not None and price.timestamp is not None and at < price.timestamp else before
