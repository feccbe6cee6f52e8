"""StockTrack: a self-hosted, real-time stock quote server."""

__version__ = "0.1.0"
