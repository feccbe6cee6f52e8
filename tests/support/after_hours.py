"""A market after its regular hours: a source whose quotes have what a test gives them."""

from typing import Any

from fakes import ScriptedProvider, a_quote
from stocktrack.clock import ManualClock
from stocktrack.quotes import CompanyInfo, MarketState, Quote

FIGURES: dict[str, Any] = {
    "change": 0.7,
    "change_percent": 0.260223,
    "previous_close": 269.0,
    "open": 268.1,
    "high": 271.0,
    "low": 267.5,
    "volume": 51_267_341,
    "bid": 270.7,
    "ask": 270.8,
    "name": "Apple Inc.",
    "exchange": "NasdaqGS",
    "market_state": MarketState.POST,
    "extended_price": 270.75,
    "extended_change": 1.05,
    "extended_change_percent": 0.389321,
    "fifty_two_week_low": 169.21,
    "fifty_two_week_high": 271.41,
    "market_cap": 3.98e12,
    "market_cap_currency": "USD",
    "trailing_pe": 40.925644,
    "price_hint": 2,
}
# What outside the regular hours is there and in them is not.
EXTENDED = tuple(name for name in FIGURES if name.startswith("extended"))


class AfterHours(ScriptedProvider):
    """AAPL closed at 269.70 and goes on at 270.75; `figures` has what the quotes of a symbol tell beside the price."""

    def __init__(self, clock: ManualClock, *, name: str = "scripted") -> None:
        super().__init__(clock, name=name)
        self.prices["AAPL"] = 269.7
        self.market_time = clock.now_ms() - 7_200_000
        self.figures: dict[str, dict[str, Any]] = {"AAPL": {**FIGURES, "extended_time": clock.now_ms() - 3_000}}
        self.companies["AAPL"] = CompanyInfo(
            symbol="AAPL",
            name="Apple Inc.",
            sector="Technology",
            market_opens_at=clock.now_ms() - 32_400_000,
            market_closes_at=clock.now_ms() - 7_200_000,
        )
        self.symbol_headlines = {}

    def quote(self, symbol: str) -> Quote:
        """The price of `symbol` with its figures."""
        return a_quote(
            symbol,
            self.prices[symbol],
            received_at=self._clock.now_ms(),
            provider=self.name,
            timestamp=self.market_time,
            **self.figures.get(symbol, {}),
        )

    def open_market(self, symbol: str, price: float) -> None:
        """Begin the next day of the market: a regular price, and none outside the hours."""
        self.prices[symbol], self.market_time = price, self._clock.now_ms()
        kept = {name: value for name, value in self.figures[symbol].items() if name not in (*EXTENDED, "extended_time")}
        self.figures[symbol] = {**kept, "market_state": MarketState.OPEN}
