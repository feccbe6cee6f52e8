"""A market for the panel: prices of all sizes, a company with a long name and a long summary, past prices, news."""

from typing import Any

from fakes import a_quote
from new_york_market import PastPrices
from stocktrack.clock import ManualClock
from stocktrack.quotes import CompanyInfo, Dividend, Headline, MarketState, Quote

LONG_NAME = "The Extraordinarily Long-Named International Holding and Trust Company of Northern Somewhere plc"
SUMMARY = "It designs, makes and sells things that people hold in their hands, and others that they do not. " * 12
LARGE, SMALL = 1_234_567.89, 0.00001234


def figures(price: float, hint: int) -> dict[str, Any]:
    """What the quotes of a symbol tell beside its price, which lies outside of its year and is after hours."""
    part = price / 100
    return {
        "change": -0.75 * part,
        "change_percent": -0.75,
        "previous_close": price + 0.75 * part,
        "open": price - part,
        "high": price - 2 * part,  # the newest price has left the day's range, and the year's
        "low": price - 3 * part,
        "bid": price - part / 10,
        "ask": price + part / 10,
        "volume": 58_123_456,
        "name": LONG_NAME,
        "exchange": "NasdaqGS",
        "market_state": MarketState.POST,
        "extended_price": price + part,
        "extended_change": part,
        "extended_change_percent": 1.0,
        "fifty_two_week_low": price / 2,
        "fifty_two_week_high": price - part,
        "market_cap": 3.98e12,
        "market_cap_currency": "USD",
        "trailing_pe": 40.925644,
        "price_hint": hint,
    }


class PanelMarket(PastPrices):
    """AAPL at 100.00, BTC-USD at 1,234,567.89 and PEPE-USD at 0.00001234."""

    def __init__(self, clock: ManualClock, *, name: str = "scripted") -> None:
        super().__init__(clock, name=name)
        self.prices |= {"BTC-USD": LARGE, "PEPE-USD": SMALL}
        self.told = {
            "AAPL": figures(100.0, 2),
            "BTC-USD": {**figures(LARGE, 2), "volume_currency": "USD"},
            "PEPE-USD": figures(SMALL, 8),
        }
        for symbol in self.told:
            self.companies[symbol] = CompanyInfo(
                symbol=symbol,
                name=LONG_NAME,
                sector="Consumer Cyclical and Everything Beside It",
                industry="Household & Personal Products of Several Kinds",
                employees=164_000,
                website="https://www.an-address-that-is-quite-long.example.com/investors",
                summary=SUMMARY.strip(),
                market_opens_at=clock.now_ms() - 7_200_000,
                market_closes_at=clock.now_ms() + 86_400_000,
            )
            self.paid[symbol] = [Dividend(date="2023-11-18", amount=0.24, currency="USD")]
        published = clock.now_ms() - 12 * 86_400_000
        self.symbol_headlines["AAPL"] = [
            Headline(title="Apple opens a shop", source="CNBC", link="https://example.com/a", published=published)
        ]

    def quote(self, symbol: str) -> Quote:
        """The price of `symbol` with its figures."""
        now = self._clock.now_ms()
        told = {"timestamp": now - 3_000, **self.told.get(symbol, {}), **self.quoted}
        return a_quote(symbol, self.prices[symbol], received_at=now, provider=self.name, **told)
