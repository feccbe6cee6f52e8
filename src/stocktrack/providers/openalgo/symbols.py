"""Which symbols OpenAlgo may have, and what it calls them; pure rules of their writing, without a call."""

from dataclasses import dataclass
from typing import Final

from stocktrack.quotes import normalise_symbol
from stocktrack.segments import Segment, split_symbol

# Currencies are traded in steps of a quarter of a paisa, everything else in paise.
_FOUR_DECIMALS: Final = frozenset({Segment.CDS, Segment.BCD})


@dataclass(frozen=True, slots=True)
class Listing:
    """A symbol in OpenAlgo's own writing: an exchange, and a name there. What the name means OpenAlgo knows."""

    exchange: Segment
    name: str

    @property
    def symbol(self) -> str:
        """The symbol as we write it."""
        return f"{self.exchange}:{self.name}"

    @property
    def market(self) -> str:
        """The exchange whose hours are those of its prices."""
        return self.exchange.removesuffix("_INDEX")

    @property
    def decimals(self) -> int:
        """How many its prices are quoted with."""
        return 4 if self.exchange in _FOUR_DECIMALS else 2

    @property
    def as_json(self) -> dict[str, str]:
        """The listing as OpenAlgo's messages have it."""
        return {"exchange": self.exchange.value, "symbol": self.name}


def listing_of(symbol: str) -> Listing | None:
    """What OpenAlgo calls `symbol`, as in `NSE:RELIANCE`; None where it has nothing of the kind."""
    segment, name = split_symbol(symbol)
    return None if segment is None else Listing(segment, name)


def listing_named(exchange: str, name: str) -> Listing | None:
    """The listing that OpenAlgo names in these words, in whatever case; None where nobody could ask for it here."""
    try:
        return listing_of(normalise_symbol(f"{exchange.strip()}:{name.strip()}"))
    except ValueError:
        return None
