"""What the market's tests ask of a house: its quotes, what is on its board, and what its sessions were told."""

from fakes import House, a_watcher
from stocktrack.clock import settle
from stocktrack.errors import Reason
from stocktrack.market.events import Event
from stocktrack.messages import BoardQuote


async def quote(house: House, symbol: str = "AAPL") -> BoardQuote:
    """What a GET of `symbol` is answered with."""
    return (await house.feed.quotes([symbol])).quotes[symbol]


async def why_missing(house: House, symbol: str) -> Reason:
    """The reason why a GET of `symbol` finds nothing."""
    found = await house.feed.quotes([symbol])
    assert found.quotes == {}
    return found.missing[symbol].reason


async def watch(house: House, *symbols: str) -> None:
    """Have quotes of `symbols`, and somebody who watches them for good."""
    await house.feed.known(symbols)
    a_watcher(house.board, *symbols)
    await settle()


def on_board(house: House, symbol: str = "AAPL") -> BoardQuote:
    """The quote that the board holds."""
    held = house.board.quote(symbol)
    assert held is not None
    return held


def told(house: House) -> list[tuple[Event, set[str]]]:
    """What the sessions were told, in order."""
    return [(event.event, set(event.symbols)) for event in house.events]
