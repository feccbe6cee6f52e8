"""Rows for the tests of recordings."""

from typing import Any, NoReturn

from stocktrack.messages import Price
from stocktrack.recording.reading import Unreadable

NOW_MS = 1_712_331_900_000


def a_price(symbol: str = "AAPL", price: float = 189.45, *, seq: int = 1, **fields: Any) -> Price:
    """A price as a server pushes it."""
    given: dict[str, Any] = {
        "currency": "USD",
        "market_state": "open",
        "timestamp": NOW_MS - 100,
        "received_at": NOW_MS,
        "provider": "scripted",
        "stale": False,
        **fields,
    }
    return Price(symbol=symbol, price=price, seq=seq, **given)


def no_bad_row(bad: Unreadable) -> NoReturn:
    """Takes what is no row, where there must be none."""
    raise AssertionError(str(bad))
