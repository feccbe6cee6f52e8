"""A scripted market of several currencies, pence among them, whose prices stand still, and rates that a test sets."""

from fakes import ScriptedProvider
from stocktrack.clock import ManualClock
from stocktrack.quotes import Quote


class WorldMarket(ScriptedProvider):
    """A market of several currencies: `currencies` by symbol, dollars elsewhere; `closes` of the day before."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.prices |= {"VOD.L": 68.0, "SAP.DE": 200.0, "7203.T": 3_000.0, "BARE": 5.0, "HUGE": 1e308}
        self.currencies: dict[str, str | None] = {"VOD.L": "GBp", "SAP.DE": "EUR", "7203.T": "JPY", "BARE": None}
        self.closes: dict[str, float] = {}

    def quote(self, symbol: str) -> Quote:
        told = super().quote(symbol)
        currency = self.currencies.get(symbol, symbol[3:6] if symbol.endswith("=X") else "USD")
        return told.model_copy(update={"currency": currency, "previous_close": self.closes.get(symbol)})

    def pair(self, name: str, price: float) -> None:
        """Make a pair of currencies known, such as EURUSD."""
        self.prices[f"{name}=X"] = price

    def asked_pairs(self) -> list[str]:
        """Which pairs were asked for since this was called last."""
        pairs = [symbol for batch in self.batches for symbol in batch if "=X" in symbol or ":" in symbol]
        self.batches.clear()
        return pairs
