"""Which of several Redis holds the prices of a symbol.

The hash is the CRC-32 of the symbol's UTF-8, as zlib, gzip and Ethernet define it (ISO 3309): every language has it,
and unlike Python's own `hash` it is the same in every process and version, so that feeds, servers and whoever else
publishes find the same place without asking anybody.
"""

import zlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `count` Redis, by its place in the list of their addresses, from zero; the first one is the home."""

    number: int = 0
    count: int = 1

    def holds(self, symbol: str) -> bool:
        """Whether the prices of `symbol` are there."""
        return self.count == 1 or shard_of(symbol, self.count) == self.number

    def __str__(self) -> str:
        return f"{self.number + 1}/{self.count}"


def shard_of(symbol: str, count: int) -> int:
    """The number, from zero, of the Redis that holds the prices of `symbol`, of so many."""
    return zlib.crc32(symbol.encode()) % count
