"""A symbol's walk at random: its price from tick to tick, and the figures of its day that follow from it."""

import math
import random
from array import array
from typing import Final, NamedTuple

from stocktrack.bars import DAY_MS, MINUTE_MS, Bar
from stocktrack.providers.simulated.instruments import INSTRUMENTS, Instrument
from stocktrack.quotes import MarketState, Quote, change_since

DAY_SECONDS: Final = 86_400
YEAR_SECONDS: Final = 365 * DAY_SECONDS
# Prices are pulled back to where they began with this time constant: a server that runs for a year stays plausible.
PULL_SECONDS: Final = 90 * DAY_SECONDS
MINUTES_A_DAY: Final = 1_440
# So many are needed to leave the stretch between two prices on both sides.
MINUTES_THAT_TURN: Final = 3
# Of how many minutes each symbol remembers how it went: a day, or two hours of one of ten thousand.
MINUTES_KEPT: Final = 1_440
MINUTES_KEPT_OF_SYNTHETIC: Final = 120


class DayFigures(NamedTuple):
    """A day of the past."""

    open: float
    high: float
    low: float
    close: float
    volume: int | None


def way_of(instrument: Instrument, opened: float, until: float, minutes: int) -> DayFigures:
    """The figures of so many minutes of a day in which the price went from one to another; no chance is in them."""
    deviation = instrument.volatility_percent / 100 / math.sqrt(365) / 4 * math.sqrt(minutes / MINUTES_A_DAY)
    if minutes < MINUTES_THAT_TURN:
        deviation = 0.0
    return DayFigures(
        open=opened,
        high=max(opened, until, round(max(opened, until) * math.exp(deviation), instrument.digits)),
        low=min(opened, until, round(min(opened, until) * math.exp(-deviation), instrument.digits)),
        close=until,
        volume=None if instrument.daily_volume is None else int(instrument.daily_volume * minutes / MINUTES_A_DAY),
    )


class Minutes:
    """The last minutes of a walk as it really went, `most` of them: some bytes each, not objects."""

    __slots__ = ("_most", "_rows", "has_forgotten")
    _FIELDS = 6

    def __init__(self, most: int) -> None:
        self.has_forgotten = False
        self._most = most
        self._rows = array("d")  # minute, open, high, low, close, volume; and again

    def note(self, now_ms: int, before: float, price: float, traded: int) -> None:
        """Note that the price went from `before` to `price`."""
        rows, minute = self._rows, now_ms // MINUTE_MS
        if rows and rows[-6] == minute:
            if price > rows[-4]:
                rows[-4] = price
            elif price < rows[-3]:
                rows[-3] = price
            rows[-2] = price
            rows[-1] += traded
            return
        rows.extend((minute, before, max(before, price), min(before, price), price, traded))
        if len(rows) >= 2 * self._most * self._FIELDS:
            self.has_forgotten = True
            del rows[: len(rows) // 2 // self._FIELDS * self._FIELDS]

    def bars(self, *, has_volume: bool) -> list[Bar]:
        """The minutes as bars, in order."""
        rows = self._rows
        return [
            Bar(
                time=int(rows[at]) * MINUTE_MS,
                open=rows[at + 1],
                high=rows[at + 2],
                low=rows[at + 3],
                close=rows[at + 4],
                volume=int(rows[at + 5]) if has_volume else None,
            )
            for at in range(0, len(rows), self._FIELDS)
        ]


class Walk:
    """One symbol's day: its price, and the figures that follow from it."""

    __slots__ = (
        *("began_at_ms", "days", "first_price", "instrument", "minutes", "minutes_before", "morning", "tick"),
        *("_away", "_day", "_high", "_low", "_moved_at_ms", "_open", "_previous_close", "_price", "_pull"),
        *("_random", "_step_deviation", "_step_volume", "_tick_size", "_volume"),
    )

    def __init__(self, instrument: Instrument, *, seed: int, interval_seconds: float, tick: int, now_ms: int) -> None:
        self.instrument = instrument
        self.tick = tick
        self._moved_at_ms = now_ms
        self._random = random.Random(f"{seed}:{instrument.symbol}")  # noqa: S311 - a market that can be repeated
        yearly_deviation = instrument.volatility_percent / 100
        self._step_deviation = yearly_deviation * math.sqrt(interval_seconds / YEAR_SECONDS)
        self._step_volume = (instrument.daily_volume or 0) * interval_seconds / DAY_SECONDS
        self._pull = interval_seconds / PULL_SECONDS
        self._tick_size = 10.0**-instrument.digits
        self._previous_close = instrument.first_price
        # The logarithm of how far the value is from the first price; at first, what a night would have done to it.
        self._away = yearly_deviation / math.sqrt(365) * self._random.gauss()
        self._price = self.first_price = round(self._value(), instrument.digits)
        self.began_at_ms = now_ms
        self.minutes = Minutes(MINUTES_KEPT if instrument.symbol in INSTRUMENTS else MINUTES_KEPT_OF_SYNTHETIC)
        self.days: dict[int, tuple[float, float, float, float, int]] = {}  # those that are over, by their number
        self._open_day(now_ms // DAY_MS)
        # So much of the day is over, and has figures: those of a way from yesterday's close to here.
        self.minutes_before = now_ms % DAY_MS // MINUTE_MS
        self.morning = way_of(instrument, instrument.first_price, self._price, self.minutes_before)
        if self.minutes_before:
            self._open, self._high, self._low = self.morning.open, self.morning.high, self.morning.low
            self._volume = self.morning.volume or 0

    def _value(self) -> float:
        return self.instrument.first_price * math.exp(self._away)

    def _open_day(self, day: int) -> None:
        self._day = day
        self._open = self._high = self._low = self._price
        self._volume = 0

    def day_figures(self, day: int) -> DayFigures | None:
        """What is known of a day since the walk began, counted from the epoch: of today, and of those that are over."""
        if day == self._day:
            figures = (self._open, self._high, self._low, self._price, self._volume)
        elif day in self.days:
            figures = self.days[day]
        else:
            return None
        opened, high, low, close, volume = figures
        return DayFigures(opened, high, low, close, None if self.instrument.daily_volume is None else volume)

    @property
    def has_forgotten(self) -> bool:
        """Whether it does not remember all of its minutes."""
        return self.minutes.has_forgotten

    @property
    def price(self) -> float:
        """As it stands."""
        return self._price

    @property
    def moved_at_ms(self) -> int:
        """When it moved last."""
        return self._moved_at_ms

    def step(self, now_ms: int) -> None:
        """Move to another price."""
        self._away += self._step_deviation * self._random.gauss() - self._pull * self._away
        value, digits, last = self._value(), self.instrument.digits, self._price
        price = round(value, digits)
        if price == last:
            # The value has moved by less than a tick. The next trade is on its other side, as between bid and ask:
            # the price is always another one, never more than a tick from the value, and no more volatile in the end.
            price = round(last + math.copysign(self._tick_size, value - last), digits)
        self._moved_at_ms = now_ms
        traded = 1 + int(2 * self._step_volume * self._random.random())
        self._price = price
        before = last
        if (day := now_ms // DAY_MS) != self._day:
            self.days[self._day] = (self._open, self._high, self._low, last, self._volume)
            self._previous_close = last
            self._open_day(day)
            before = price  # a day opens with its first price
        self.minutes.note(now_ms, before, price, traded)
        self._high = max(self._high, price)
        self._low = min(self._low, price)
        self._volume += traded

    def quote(self, now_ms: int, provider: str) -> Quote:
        """The price as it stands."""
        instrument, price, close, digits = self.instrument, self._price, self._previous_close, self.instrument.digits
        change, change_percent = change_since(close, price, percent_digits=2)
        # Validated, though we could be trusted: pydantic's constructor is Rust and takes 3.6 µs, while
        # `model_construct` is a loop in Python over the fields and takes 4.8 (pydantic 2.14, Python 3.11).
        return Quote(
            symbol=instrument.symbol,
            price=price,
            currency=instrument.currency,
            change=change,
            change_percent=change_percent,
            previous_close=close,
            open=self._open,
            high=self._high,
            low=self._low,
            volume=None if instrument.daily_volume is None else self._volume,
            bid=round(price - self._tick_size, digits) if instrument.has_spread else None,
            ask=round(price + self._tick_size, digits) if instrument.has_spread else None,
            name=instrument.name,
            exchange=instrument.exchange,
            market_state=MarketState.OPEN,
            timestamp=self._moved_at_ms,
            received_at=now_ms,
            provider=provider,
            delay_seconds=0,
            price_hint=digits,
        )
