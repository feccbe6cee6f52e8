"""Quotes on a board for tests of what takes them from there."""

from stocktrack.market.board import Board, Entry
from stocktrack.messages import BoardQuote
from stocktrack.quotes import Quote


def a_quote(symbol: str, price: float, *, received_at: int = 1_712_331_900_000) -> Quote:
    """A quote as a source gives it."""
    return Quote(symbol=symbol, price=price, received_at=received_at, provider="scripted", currency="USD")


def a_board_quote(symbol: str, seq: int) -> BoardQuote:
    """A quote as a board holds it, with the price that its `seq` is."""
    return BoardQuote(symbol=symbol, price=float(seq), received_at=1_712_331_900_000, provider="scripted", seq=seq)


def an_entry(symbol: str, seq: int) -> Entry:
    """What a board knows of a symbol after so many updates."""
    entry = Entry(symbol, 0)
    entry.hold(a_board_quote(symbol, seq))
    return entry


def put(board: Board, symbol: str, *prices: float) -> None:
    """Have a symbol change on a board, once for each price."""
    for price in prices:
        board.put([a_quote(symbol, price)], 0.0)
