"""The simulated market: a seeded random walk for each symbol, so that every command works without a network.

It is a stream that is open around the clock. Time is cut into ticks of `interval_seconds`; a symbol moves at most once
a tick, and always to another price. What a symbol's price is after n moves depends on the seed, the symbol and n alone,
whoever else is watched. Everything else (headlines, dividends) is invented too, and says so.
"""

import math
import random
import re
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from urllib.parse import quote as percent_encoded

from stocktrack.clock import Clock
from stocktrack.providers.base import QUESTION, Errand, QuoteAnswer, Source, StreamSink, Wanted
from stocktrack.quotes import CompanyInfo, Dividend, Headline, MarketState, Match, Quote, change_since

_DAY_SECONDS = 86_400
_DAY_MS = _DAY_SECONDS * 1000
_YEAR_SECONDS = 365 * _DAY_SECONDS
# Prices are pulled back to where they began with this time constant: a server that runs for a year stays plausible.
_PULL_SECONDS = 90 * _DAY_SECONDS
_HEADLINE_EVERY_MS = 600_000
_DIVIDENDS_KEPT = 12
_DIVIDEND_BASE_YEAR = 2024
_DIVIDEND_GROWTH = 1.04
_SYNTHETIC = re.compile(r"S\d{4}", re.ASCII)
_SYNTHETIC_QUERY = re.compile(r"(?:s|synthetic ?)(\d{0,4})", re.ASCII)
_SYNTHETIC_COUNT = 10_000

# symbol | name | exchange | currency | first price, in the source's precision | volatility, % a year | volume, millions
# a day | dividend a quarter | sector | industry | web site. A dash is "none"; the levels are those of spring 2024.
_TABLE = """
AAPL        | Apple Inc.              | NASDAQ   | USD | 189.45   | 25 | 58    | 0.24  | Technology | Consumer Electronics | apple.com
MSFT        | Microsoft Corporation   | NASDAQ   | USD | 421.90   | 22 | 22    | 0.75  | Technology | Software - Infrastructure | microsoft.com
GOOG        | Alphabet Inc. Class C   | NASDAQ   | USD | 156.37   | 28 | 20    | 0.20  | Communication Services | Internet Content & Information | abc.xyz
GOOGL       | Alphabet Inc. Class A   | NASDAQ   | USD | 154.85   | 28 | 28    | 0.20  | Communication Services | Internet Content & Information | abc.xyz
AMZN        | Amazon.com, Inc.        | NASDAQ   | USD | 185.07   | 30 | 42    | -     | Consumer Cyclical | Internet Retail | amazon.com
NVDA        | NVIDIA Corporation      | NASDAQ   | USD | 121.44   | 48 | 280   | 0.01  | Technology | Semiconductors | nvidia.com
META        | Meta Platforms, Inc.    | NASDAQ   | USD | 511.90   | 36 | 15    | 0.50  | Communication Services | Internet Content & Information | meta.com
TSLA        | Tesla, Inc.             | NASDAQ   | USD | 171.11   | 52 | 95    | -     | Consumer Cyclical | Auto Manufacturers | tesla.com
NFLX        | Netflix, Inc.           | NASDAQ   | USD | 617.14   | 34 | 4     | -     | Communication Services | Entertainment | netflix.com
AMD         | Advanced Micro Devices  | NASDAQ   | USD | 170.42   | 46 | 62    | -     | Technology | Semiconductors | amd.com
INTC        | Intel Corporation       | NASDAQ   | USD | 39.73    | 36 | 45    | 0.125 | Technology | Semiconductors | intel.com
CSCO        | Cisco Systems, Inc.     | NASDAQ   | USD | 48.51    | 20 | 18    | 0.40  | Technology | Communication Equipment | cisco.com
ADBE        | Adobe Inc.              | NASDAQ   | USD | 485.12   | 32 | 3     | -     | Technology | Software - Application | adobe.com
ORCL        | Oracle Corporation      | NYSE     | USD | 124.33   | 28 | 8     | 0.40  | Technology | Software - Infrastructure | oracle.com
IBM         | IBM Corporation         | NYSE     | USD | 189.14   | 20 | 4     | 1.67  | Technology | IT Services | ibm.com
CRM         | Salesforce, Inc.        | NYSE     | USD | 301.38   | 32 | 5     | 0.40  | Technology | Software - Application | salesforce.com
JPM         | JPMorgan Chase & Co.    | NYSE     | USD | 197.45   | 21 | 9     | 1.15  | Financial Services | Banks - Diversified | jpmorganchase.com
BAC         | Bank of America Corp.   | NYSE     | USD | 37.09    | 25 | 38    | 0.24  | Financial Services | Banks - Diversified | bankofamerica.com
V           | Visa Inc.               | NYSE     | USD | 277.14   | 17 | 6     | 0.52  | Financial Services | Credit Services | visa.com
BRK-B       | Berkshire Hathaway Inc. | NYSE     | USD | 413.93   | 15 | 3     | -     | Financial Services | Insurance - Diversified | berkshirehathaway.com
JNJ         | Johnson & Johnson       | NYSE     | USD | 152.19   | 15 | 7     | 1.24  | Healthcare | Drug Manufacturers - General | jnj.com
PFE         | Pfizer Inc.             | NYSE     | USD | 26.57    | 25 | 38    | 0.42  | Healthcare | Drug Manufacturers - General | pfizer.com
PG          | Procter & Gamble Co.    | NYSE     | USD | 156.20   | 15 | 6     | 1.01  | Consumer Defensive | Household & Personal Products | pg.com
KO          | Coca-Cola Company       | NYSE     | USD | 59.26    | 14 | 13    | 0.485 | Consumer Defensive | Beverages - Non-Alcoholic | coca-colacompany.com
WMT         | Walmart Inc.            | NYSE     | USD | 59.87    | 18 | 17    | 0.207 | Consumer Defensive | Discount Stores | walmart.com
MCD         | McDonald's Corporation  | NYSE     | USD | 267.25   | 17 | 4     | 1.67  | Consumer Cyclical | Restaurants | mcdonalds.com
NKE         | NIKE, Inc.              | NYSE     | USD | 89.42    | 29 | 9     | 0.37  | Consumer Cyclical | Footwear & Accessories | nike.com
DIS         | Walt Disney Company     | NYSE     | USD | 118.39   | 27 | 10    | 0.225 | Communication Services | Entertainment | thewaltdisneycompany.com
XOM         | Exxon Mobil Corporation | NYSE     | USD | 121.37   | 24 | 17    | 0.95  | Energy | Oil & Gas Integrated | exxonmobil.com
BA          | Boeing Company          | NYSE     | USD | 183.83   | 32 | 7     | -     | Industrials | Aerospace & Defense | boeing.com
F           | Ford Motor Company      | NYSE     | USD | 13.37    | 34 | 48    | 0.15  | Consumer Cyclical | Auto Manufacturers | ford.com
T           | AT&T Inc.               | NYSE     | USD | 17.26    | 22 | 33    | 0.278 | Communication Services | Telecom Services | att.com
UBER        | Uber Technologies, Inc. | NYSE     | USD | 76.91    | 40 | 18    | -     | Technology | Software - Application | uber.com
SPY         | SPDR S&P 500 ETF Trust  | NYSEArca | USD | 518.43   | 13 | 70    | 1.60  | - | - | ssga.com
QQQ         | Invesco QQQ Trust       | NASDAQ   | USD | 440.47   | 18 | 44    | 0.57  | - | - | invesco.com
^GSPC       | S&P 500                 | SNP      | USD | 5204.34  | 13 | -     | -     | - | - | -
^IXIC       | NASDAQ Composite        | NASDAQ   | USD | 16248.52 | 18 | -     | -     | - | - | -
^DJI        | Dow Jones Industrial Average | DJI | USD | 38904.04 | 12 | -     | -     | - | - | -
^SOX        | PHLX Semiconductor      | NASDAQ   | USD | 4847.71  | 32 | -     | -     | - | - | -
^FTSE       | FTSE 100                | LSE      | GBP | 7911.16  | 12 | -     | -     | - | - | -
EURUSD=X    | EUR/USD                 | CCY      | USD | 1.08420  | 7  | -     | -     | - | - | -
GBPUSD=X    | GBP/USD                 | CCY      | USD | 1.26380  | 8  | -     | -     | - | - | -
USDJPY=X    | USD/JPY                 | CCY      | JPY | 151.620  | 9  | -     | -     | - | - | -
BTC-USD     | Bitcoin USD             | CCC      | USD | 67837.64 | 55 | 0.4   | -     | - | - | bitcoin.org
ETH-USD     | Ethereum USD            | CCC      | USD | 3318.88  | 65 | 4     | -     | - | - | ethereum.org
DOGE-USD    | Dogecoin USD            | CCC      | USD | 0.17852  | 90 | 7000  | -     | - | - | dogecoin.com
GC=F        | Gold                    | COMEX    | USD | 2345.4   | 14 | 0.2   | -     | - | - | -
CL=F        | Crude Oil               | NYMEX    | USD | 86.91    | 32 | 0.3   | -     | - | - | -
OCDO.L      | Ocado Group plc         | LSE      | GBp | 445.60   | 52 | 3     | -     | Consumer Defensive | Grocery Stores | ocadogroup.com
VOD.L       | Vodafone Group plc      | LSE      | GBp | 68.22    | 26 | 75    | 1.125 | Communication Services | Telecom Services | vodafone.com
SAP.DE      | SAP SE                  | XETRA    | EUR | 177.44   | 24 | 2     | 0.55  | Technology | Software - Application | sap.com
MC.PA       | LVMH SE                 | Paris    | EUR | 806.50   | 26 | 0.4   | 3.25  | Consumer Cyclical | Luxury Goods | lvmh.com
NESN.SW     | Nestlé S.A.             | SIX      | CHF | 94.86    | 15 | 4     | 0.75  | Consumer Defensive | Packaged Foods | nestle.com
7203.T      | Toyota Motor Corp.      | Tokyo    | JPY | 3652     | 28 | 28    | 18.75 | Consumer Cyclical | Auto Manufacturers | global.toyota
6758.T      | Sony Group Corporation  | Tokyo    | JPY | 12690    | 29 | 5     | 21.25 | Technology | Consumer Electronics | sony.com
0700.HK     | Tencent Holdings Ltd.   | HKSE     | HKD | 307.20   | 33 | 18    | 0.85  | Communication Services | Internet Content & Information | tencent.com
RELIANCE.NS | Reliance Industries Ltd | NSE      | INR | 2920.20  | 22 | 6     | 2.50  | Energy | Oil & Gas Refining & Marketing | ril.com
INFY.NS     | Infosys Limited         | NSE      | INR | 1478.85  | 24 | 6     | 9.50  | Technology | IT Services | infosys.com
SHOP.TO     | Shopify Inc.            | TSX      | CAD | 102.94   | 48 | 2     | -     | Technology | Software - Application | shopify.com
"""  # noqa: E501 - a table is read by its columns

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


@dataclass(frozen=True, slots=True)
class Instrument:
    """What the simulated market knows of a symbol."""

    symbol: str
    name: str
    exchange: str
    currency: str
    first_price: float
    digits: int
    volatility_percent: float
    daily_volume: float | None
    quarterly_dividend: float | None
    sector: str | None
    industry: str | None
    website: str | None

    @property
    def has_spread(self) -> bool:
        """Whether somebody bids and asks: an index cannot be traded."""
        return not self.symbol.startswith("^")


def _read(line: str) -> Instrument:
    cells = [cell.strip() for cell in line.split("|")]
    symbol, name, exchange, currency, price, volatility, volume, dividend, sector, industry, website = cells
    return Instrument(
        symbol=symbol,
        name=name,
        exchange=exchange,
        currency=currency,
        first_price=float(price),
        digits=len(price.partition(".")[2]),
        volatility_percent=float(volatility),
        daily_volume=None if volume == "-" else float(volume) * 1e6,
        quarterly_dividend=None if dividend == "-" else float(dividend),
        sector=None if sector == "-" else sector,
        industry=None if industry == "-" else industry,
        website=None if website == "-" else f"https://{website}",
    )


INSTRUMENTS: dict[str, Instrument] = {
    instrument.symbol: instrument for instrument in map(_read, _TABLE.strip().splitlines())
}
_COMPANIES = tuple(instrument for instrument in INSTRUMENTS.values() if instrument.sector)


def instrument_of(symbol: str) -> Instrument | None:
    """The instrument behind `symbol`: one of the table, or a synthetic one for S0000 to S9999."""
    if _SYNTHETIC.fullmatch(symbol):
        return _synthetic(int(symbol[1:]))
    return INSTRUMENTS.get(symbol)


def _synthetic(number: int) -> Instrument:
    return Instrument(
        symbol=f"S{number:04}",
        name=f"Synthetic {number:04}",
        exchange="Simulated",
        currency="USD",
        # 37 shares no factor with either modulus: neighbours get prices and volatilities that look unrelated.
        first_price=10.0 + number * 37 % 490,
        digits=2,
        volatility_percent=15.0 + number * 37 % 40,
        daily_volume=1e6,
        quarterly_dividend=None,
        sector="Synthetic",
        industry=None,
        website=None,
    )


class _Walk:
    """One symbol's day: its price, and the figures that follow from it."""

    __slots__ = (
        *("instrument", "tick", "_away", "_day", "_high", "_low", "_moved_at_ms", "_open"),
        *("_previous_close", "_price", "_pull"),
        *("_random", "_step_deviation", "_step_volume", "_tick_size", "_volume"),
    )

    def __init__(self, instrument: Instrument, *, seed: int, interval_seconds: float, tick: int, now_ms: int) -> None:
        self.instrument = instrument
        self.tick = tick
        self._moved_at_ms = now_ms
        self._random = random.Random(f"{seed}:{instrument.symbol}")  # noqa: S311 - a market that can be repeated
        yearly_deviation = instrument.volatility_percent / 100
        self._step_deviation = yearly_deviation * math.sqrt(interval_seconds / _YEAR_SECONDS)
        self._step_volume = (instrument.daily_volume or 0) * interval_seconds / _DAY_SECONDS
        self._pull = interval_seconds / _PULL_SECONDS
        self._tick_size = 10.0**-instrument.digits
        self._previous_close = instrument.first_price
        # The logarithm of how far the value is from the first price; at first, what a night would have done to it.
        self._away = yearly_deviation / math.sqrt(365) * self._random.gauss()
        self._price = round(self._value(), instrument.digits)
        self._open_day(now_ms // _DAY_MS)

    def _value(self) -> float:
        return self.instrument.first_price * math.exp(self._away)

    def _open_day(self, day: int) -> None:
        self._day = day
        self._open = self._high = self._low = self._price
        self._volume = 0

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
        if (day := now_ms // _DAY_MS) != self._day:
            self._previous_close = last
            self._open_day(day)
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


class SimulatedProvider(Source):
    """A source of everything but history; `seed` makes it repeat itself, None makes it different each time."""

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
        self._walks: dict[str, _Walk] = {}

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
                walk = self._walks[symbol] = _Walk(
                    instrument, seed=self._seed, interval_seconds=self._interval_seconds, tick=tick, now_ms=now_ms
                )
            elif walk.tick < tick:
                walk.tick = tick
                walk.step(now_ms)
            quotes[symbol] = walk.quote(now_ms, self.name)
        return quotes

    def _headline(self, number: int) -> Headline:
        company = random.Random(f"{self._seed}:headline:{number}").choice(_COMPANIES)  # noqa: S311 - as above
        return _told(number, company, f"{number}")


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
    numbers = range(first, first + _SYNTHETIC_COUNT // 10 ** len(digits))
    return [_synthetic(number) for number in numbers[: max(0, limit)]]
