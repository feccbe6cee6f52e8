"""What a symbol is and what each source calls it, where the symbol itself does not say so."""

from stocktrack.errors import StockTrackError


class Instruments:
    """What is known of symbols beside what the sources know of them."""

    def symbol_at(self, provider: str, symbol: str) -> str | None:
        """What the source of this name calls `symbol`; None where it is not to be asked for it."""
        del provider
        return symbol

    def refusal(self, symbol: str) -> StockTrackError | None:
        """Why no source is asked for `symbol`, as for a contract that has expired; None where they may be."""
        del symbol
        return None

    def not_offered(self, symbol: str, sources: str) -> str:
        """The sentence that says that none of `sources`, their names, serves `symbol`."""
        return f"None of this server's sources ({sources}) serves {symbol}."
