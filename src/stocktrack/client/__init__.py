"""The client library: what a program imports to talk to a StockTrack server.

It needs nothing but pydantic and the standard library. `docs/clients.md` tells all of it with complete programs.
"""

from stocktrack.bars import Bar
from stocktrack.client.bars import Bars
from stocktrack.client.client import StockTrackClient
from stocktrack.client.errors import (
    BadRequest,
    ClientError,
    CommandFailed,
    NotAuthorised,
    NotFound,
    NothingListens,
    NotStockTrack,
    ServerError,
    ServerShutdown,
    TooManyRequests,
    Unavailable,
    UnknownSymbol,
)
from stocktrack.client.prices import PriceStream
from stocktrack.client.state import State, StateChange
from stocktrack.client.wire import Answer

__all__ = [
    "Answer",
    "BadRequest",
    "Bar",
    "Bars",
    "ClientError",
    "CommandFailed",
    "NotAuthorised",
    "NotFound",
    "NotStockTrack",
    "NothingListens",
    "PriceStream",
    "ServerError",
    "ServerShutdown",
    "State",
    "StateChange",
    "StockTrackClient",
    "TooManyRequests",
    "Unavailable",
    "UnknownSymbol",
]
