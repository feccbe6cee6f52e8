"""The simulated market: a seeded random walk for each symbol, so that every command works without a network.

It is a stream that is open around the clock. Time is cut into ticks of `interval_seconds`; a symbol moves at most once
a tick, and always to another price. What a symbol's price is after n moves depends on the seed, the symbol and n alone,
whoever else is watched. Everything else (headlines, dividends) is invented too, and says so.
"""

import asyncio
import random
import re
import zlib
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from urllib.parse import quote as percent_encoded

from stocktrack.bars import DAY_MS, MINUTE_MS, Bar, BarInterval, Split, gathered, joined, start_of
from stocktrack.clock import Clock
from stocktrack.providers.base import (
    QUESTION,
    BarLimit,
    Errand,
    QuoteAnswer,
    Source,
    SourceBars,
    StreamSink,
    Wanted,
)
from stocktrack.providers.simulated.instruments import (
    COMPANIES,
    INSTRUMENTS,
    SYNTHETIC_COUNT,
    Instrument,
    instrument_of,
    synthetic,
)
from stocktrack.providers.simulated.past import DAYS, Past, days_between
from stocktrack.providers.simulated.walk import Walk, way_of
from stocktrack.quotes import CompanyInfo, Dividend, Headline, Match, Quote

BAR_LIMITS = {
    interval: BarLimit(days_back=30 if interval is BarInterval.ONE_MINUTE else 60 if interval.is_intraday else None)
    for interval in BarInterval
}
_DAYS_A_TURN = 100
_HEADLINE_EVERY_MS = 600_000
_DIVIDENDS_KEPT = 12
_DIVIDEND_BASE_YEAR = 2024
_DIVIDEND_GROWTH = 1.04
_SYNTHETIC_QUERY = re.compile(r"(?:s|synthetic ?)(\d{0,4})", re.ASCII)

_HEADLINES = (
    "{name} opens a library for umbrellas found on the train",
    "Analysts who do not exist agree about {name}",
    "{name} names a coffee machine employee of the month",
    "Random numbers carry {name} up, down and sideways",
    "{name} measures its meetings and finds them long",
    "A quiet day at {name}, says a generator of headlines",
    "{name} moves its annual picnic indoors",
    "Invented survey: nine of ten dice trust {name}",
    "{name} paints the doors of its head office green",
    "Traders of a market that is not there watch {name}",
    "{name} teaches its lifts to say good morning",
    "Nothing happened at {name}, in great detail",
)


class SimulatedProvider(Source):
    """A source of everything; `seed` makes it repeat itself, None makes it different each time."""

    name = "simulated"
    is_free = True
    symbols_a_request = 1_000
    stream_places = None

    def __init__(self, *, interval_seconds: float, seed: int | None, clock: Clock) -> None:
        self._interval_seconds = interval_seconds
        self._seed = random.SystemRandom().getrandbits(64) if seed is None else seed
        self._clock = clock
        self._started = clock.monotonic()
        self._streamed_tick: int | None = None
        self._walks: dict[str, Walk] = {}
        self._pasts: dict[str, Past] = {}

    async def start(self) -> None:
        """Nothing has to be warmed up."""

    async def close(self) -> None:
        """Nothing is held; who runs `stream` cancels it."""

    async def quotes(self, symbols: Sequence[str], errand: Errand = QUESTION) -> QuoteAnswer:
        """The current prices; asking moves a symbol at most once a tick, and not at all while the stream does."""
        tick = self._elapsed_ticks() if self._streamed_tick is None else self._streamed_tick
        quotes = self._quotes_at(tick, symbols)
        return QuoteAnswer(quotes=quotes, unknown=frozenset(symbols) - quotes.keys())

    async def stream(self, wanted: Wanted, sink: StreamSink) -> None:
        """Publish one batch a tick, with another price for every wanted symbol that the market knows."""
        tick = self._streamed_tick = self._elapsed_ticks()
        sink.opened()
        try:
            while True:
                # Each deadline is counted from the start, so that lateness never adds up; ticks that passed while
                # the program was held up are left out, because nobody is helped by a burst of old prices.
                tick = max(tick, self._elapsed_ticks()) + 1
                deadline = self._started + tick * self._interval_seconds
                await self._clock.sleep(deadline - self._clock.monotonic())
                self._streamed_tick = tick
                if quotes := self._quotes_at(tick, wanted()):
                    sink.publish(list(quotes.values()))
        finally:
            self._streamed_tick = None

    async def news(self) -> Sequence[Headline]:
        """A dozen headlines, one every ten minutes; all of them say that they are simulated."""
        newest = self._clock.now_ms() // _HEADLINE_EVERY_MS
        return [self._headline(number) for number in range(newest, newest - len(_HEADLINES), -1)]

    async def symbol_news(self, symbol: str) -> Sequence[Headline]:
        """A dozen headlines of `symbol`, one every ten minutes, as invented as those of the market."""
        instrument = instrument_of(symbol)
        if instrument is None:
            return []
        newest = self._clock.now_ms() // _HEADLINE_EVERY_MS
        page = percent_encoded(symbol, safe="")
        return [_told(number, instrument, f"{page}/{number}") for number in range(newest, newest - len(_HEADLINES), -1)]

    async def company(self, symbol: str) -> CompanyInfo | None:
        """What the table says of `symbol`."""
        instrument = instrument_of(symbol)
        if instrument is None:
            return None
        return CompanyInfo(
            symbol=instrument.symbol,
            name=instrument.name,
            sector=instrument.sector,
            industry=instrument.industry,
            website=instrument.website,
            exchange=instrument.exchange,
            currency=instrument.currency,
            summary=f"{instrument.name} as the simulated market plays it: its prices and dividends are invented.",
        )

    async def dividends(self, symbol: str) -> Sequence[Dividend] | None:
        """Three years of invented quarterly dividends, raised every January; empty for what pays none."""
        instrument = instrument_of(symbol)
        if instrument is None:
            return None
        if instrument.quarterly_dividend is None:
            return []
        today = datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC).date()
        return _dividends_until(today, symbol, instrument.quarterly_dividend, instrument.currency)

    @property
    def bar_limits(self) -> Mapping[BarInterval, BarLimit]:
        """Minutes of a month, longer bars of two, and ten years of days."""
        return BAR_LIMITS

    async def bars(
        self, symbol: str, interval: BarInterval, start: int, end: int, *, prepost: bool
    ) -> SourceBars | None:
        """Bars that end with the present price; the market is open day and night, so that there is no before or after.

        What the walk has done since it began is told as it was, as far back as it remembers the minutes.
        """
        instrument = instrument_of(symbol)
        if instrument is None:
            return None
        tick = self._elapsed_ticks() if self._streamed_tick is None else self._streamed_tick
        self._quotes_at(tick, [symbol])
        walk, now = self._walks[symbol], self._clock.now_ms()
        past = self._pasts.setdefault(symbol, Past(instrument, self._seed))
        first = max(start, (walk.began_at_ms // DAY_MS - DAYS) * DAY_MS)
        found: list[Bar] = []
        for day in days_between(start_of(first, interval, UTC), min(end, now + 1)):
            if interval is BarInterval.ONE_MINUTE:
                found += _minutes_of(walk, past, day, now)
            elif interval.is_intraday:
                # Day by day: the bars of a month at once would hold up all prices for a third of a second.
                found += gathered(_minutes_of(walk, past, day, now), interval, UTC)
            else:
                found.append(_day_of(walk, past, day, now))
            if interval.is_intraday or day % _DAYS_A_TURN == 0:
                await asyncio.sleep(0)  # a day of minutes takes some milliseconds
        if not interval.is_intraday:
            found = gathered(found, interval, UTC)
        bars = [bar for bar in found if start <= bar.time < end]
        return SourceBars(
            provider=self.name, bars=bars, zone="UTC", currency=instrument.currency, last_trade_at=walk.moved_at_ms
        )

    async def splits(self, symbol: str) -> Sequence[Split] | None:
        """None of its shares was ever split."""
        return None if instrument_of(symbol) is None else ()

    async def search(self, query: str, limit: int) -> Sequence[Match]:
        """The symbols that begin with `query`, then the names that do, then the names that hold it."""
        wanted = query.strip().casefold()
        ranked = [(_rank(instrument, wanted), instrument) for instrument in INSTRUMENTS.values()]
        ranked = sorted((pair for pair in ranked if pair[0] < _NO_MATCH), key=lambda pair: pair[0])
        found = [instrument for _, instrument in ranked[:limit]]
        found += _synthetic_matches(wanted, limit - len(found))
        return [Match(symbol=each.symbol, name=each.name, exchange=each.exchange) for each in found]

    def _elapsed_ticks(self) -> int:
        return int((self._clock.monotonic() - self._started) / self._interval_seconds)

    def _quotes_at(self, tick: int, symbols: Collection[str]) -> dict[str, Quote]:
        """The quotes of those of `symbols` that the market knows, each moved on if it has not moved in this tick."""
        now_ms = self._clock.now_ms()
        quotes = {}
        for symbol in symbols:
            walk = self._walks.get(symbol)
            if walk is None:
                instrument = instrument_of(symbol)
                if instrument is None:
                    continue
                walk = self._walks[symbol] = Walk(
                    instrument, seed=self._seed, interval_seconds=self._interval_seconds, tick=tick, now_ms=now_ms
                )
            elif walk.tick < tick:
                walk.tick = tick
                walk.step(now_ms)
            quotes[symbol] = walk.quote(now_ms, self.name)
        return quotes

    def _headline(self, number: int) -> Headline:
        company = random.Random(f"{self._seed}:headline:{number}").choice(COMPANIES)  # noqa: S311 - as above
        return _told(number, company, f"{number}")


def _minutes_of(walk: Walk, past: Past, day: int, now_ms: int) -> list[Bar]:
    """The minutes of a day, counted from the epoch: invented up to where the walk remembers them."""
    begins, first_day = day * DAY_MS, walk.began_at_ms // DAY_MS
    if day < first_day:
        return past.minutes(begins, past.day_before(first_day - day))
    has_volume = walk.instrument.daily_volume is not None
    kept = [bar for bar in walk.minutes.bars(has_volume=has_volume) if begins <= bar.time < begins + DAY_MS]
    if day == first_day and not walk.has_forgotten:
        morning = past.minutes(begins, walk.morning, count=walk.minutes_before) if walk.minutes_before else []
        return [*morning, *kept]
    # Nobody remembers how it went up to then, or nobody looked.
    known_from = kept[0].time if kept else min(begins + DAY_MS, now_ms // MINUTE_MS * MINUTE_MS)
    if (count := (known_from - begins) // MINUTE_MS) == 0:
        return kept
    before, figures = walk.day_figures(day - 1), walk.day_figures(day)
    opened = walk.first_price if before is None else before.close
    until = kept[0].open if kept else walk.price if figures is None else figures.close
    return [*past.minutes(begins, way_of(walk.instrument, opened, until, count), count=count), *kept]


def _day_of(walk: Walk, past: Past, day: int, now_ms: int) -> Bar:
    first_day = walk.began_at_ms // DAY_MS
    figures = past.day_before(first_day - day) if day < first_day else walk.day_figures(day)
    if figures is None:  # nobody looked on that day
        return joined(_minutes_of(walk, past, day, now_ms), time=day * DAY_MS)
    return Bar(day * DAY_MS, *figures)


def _told(number: int, of: Instrument, page: str) -> Headline:
    return Headline(
        title="Simulated: " + _HEADLINES[number % len(_HEADLINES)].format(name=of.name),
        source="Simulated News",
        link=f"https://example.com/simulated-news/{page}",
        published=number * _HEADLINE_EVERY_MS,
    )


def _dividends_until(today: date, symbol: str, amount: float, currency: str) -> list[Dividend]:
    """Newest first; each symbol has its own months and its own day of the month, the same in every run."""
    digest = zlib.crc32(symbol.encode())
    first_month, day = digest % 3, 1 + digest // 3 % 28
    quarter = (today.year * 12 + today.month - 1 - first_month) // 3
    months = [number * 3 + first_month for number in range(quarter, quarter - _DIVIDENDS_KEPT - 1, -1)]
    dates = [date(month // 12, month % 12 + 1, day) for month in months]
    return [
        Dividend(
            date=paid,
            amount=round(amount * _DIVIDEND_GROWTH ** (paid.year - _DIVIDEND_BASE_YEAR), 4),
            currency=currency,
        )
        for paid in dates
        if paid <= today
    ][:_DIVIDENDS_KEPT]


_NO_MATCH = 5


def _rank(instrument: Instrument, query: str) -> int:
    """How well `query` (folded) matches: 0 is best, `_NO_MATCH` is not at all."""
    symbol, name = instrument.symbol.casefold(), instrument.name.casefold()
    grades = (
        query in {symbol, symbol.removeprefix("^")},
        symbol.removeprefix("^").startswith(query.removeprefix("^")),
        name.startswith(query),
        f" {query}" in name,
        query in name,
    )
    return grades.index(True) if True in grades else _NO_MATCH


def _synthetic_matches(query: str, limit: int) -> list[Instrument]:
    """The first of S0000 to S9999 whose symbol or name begins with `query` (folded)."""
    typed = _SYNTHETIC_QUERY.fullmatch(query)
    if typed is None and not "synthetic".startswith(query):
        return []
    digits = typed[1] if typed else ""
    first = int(digits.ljust(4, "0"))
    numbers = range(first, first + SYNTHETIC_COUNT // 10 ** len(digits))
    return [synthetic(number) for number in numbers[: max(0, limit)]]
