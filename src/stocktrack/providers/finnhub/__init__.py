"""Finnhub as a source: US shares, coins and currencies, streamed and asked for."""
