"""The channels of Alpaca's stream: which of them there are here, what a client asks of them, and what it has.

Trades, quotes and bars are true here. The others are refused openly, each with a code: no source tells halts, limits
and corrections. Such a refusal never takes the rest of a request along: alpaca-py sends all of a script's channels in
one message.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from stocktrack.errors import Reason
from stocktrack.quotes import normalise_symbol, shown
from stocktrack.web.dialects.alpaca_messages import QUOTES, TRADES, BarKind
from stocktrack.wire.lines import BadLine

# In the order in which Alpaca lists them.
OFFERED: Final = ("trades", "quotes", *(kind.value for kind in BarKind))
NOT_OFFERED: Final = ("statuses", "lulds", "corrections", "cancelErrors")
EVERYTHING: Final = "*"
_BITS: Final = {"trades": TRADES, "quotes": QUOTES}


@dataclass(frozen=True, slots=True)
class Request:
    """What a message asks for: the symbols of each channel, and the channels that are none here."""

    wanted: Mapping[str, tuple[str, ...]]
    not_offered: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def symbols(self) -> tuple[str, ...]:
        """Those that are named, whatever the channel."""
        named = (symbol for symbols in self.wanted.values() for symbol in symbols)
        return tuple(dict.fromkeys(symbol for symbol in named if symbol != EVERYTHING))


def request_of(fields: Mapping[str, Any]) -> Request:
    """What a message subscribe or unsubscribe asks for; `BadLine` where that is nothing, or no list of symbols."""
    asked = {name: _symbols(name, value) for name, value in fields.items() if name != "action"}
    if not asked:
        example = '{"action":"subscribe","trades":["AAPL"],"quotes":["AAPL"]}'
        raise BadLine(Reason.INVALID_COMMAND, f"A message names channels and their symbols, such as {example}.")
    meant = {name: symbols for name, symbols in asked.items() if symbols}
    return Request(
        wanted={name: meant[name] for name in OFFERED if name in meant},
        not_offered=tuple(name for name in NOT_OFFERED if name in meant),
        unknown=tuple(name for name in asked if name not in OFFERED and name not in NOT_OFFERED),
    )


def _symbols(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise BadLine(Reason.INVALID_COMMAND, f"The channel {shown(name)} needs a list of symbols, such as AAPL.")
    try:
        return tuple(dict.fromkeys(each if each == EVERYTHING else normalise_symbol(each) for each in value))
    except ValueError as error:
        raise BadLine(Reason.INVALID_COMMAND, f"The channel {shown(name)}: {error}.") from None


@dataclass(frozen=True, slots=True)
class Wants:
    """What of each symbol's price a client wants, as bits; `of_all` of those that are not among `symbols`."""

    symbols: Mapping[str, int]
    of_all: int
    _key: tuple[frozenset[tuple[str, int]], int]

    @classmethod
    def of_bits(cls, bits: Mapping[str, int], of_all: int) -> "Wants":
        """Of the bits of some symbols, each besides those of all."""
        symbols = {symbol: wanted | of_all for symbol, wanted in bits.items()}
        return cls(symbols, of_all, (frozenset(symbols.items()), of_all))

    def of(self, symbol: str) -> int:
        """What is wanted of one symbol."""
        return self.symbols.get(symbol, self.of_all)

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Wants) and self._key == other._key


class Channels:
    """What one client has subscribed to; `wants` is what of prices that is."""

    def __init__(self) -> None:
        self._symbols: dict[str, dict[str, None]] = {name: {} for name in OFFERED}
        self.wants = Wants.of_bits({}, 0)

    def __contains__(self, symbol: str) -> bool:
        return any(symbol in symbols for symbols in self._symbols.values())

    @property
    def wants_all(self) -> bool:
        """Whether it wants the prices of whatever is watched."""
        return self.wants.of_all != 0

    @property
    def wants_bars(self) -> bool:
        """Whether it wants any bars."""
        return any(self.bars(kind) for kind in BarKind)

    def bars(self, kind: BarKind) -> Collection[str]:
        """The symbols whose bars the client wants; among them may be the asterisk for all."""
        return self._symbols[kind].keys()

    def add(self, wanted: Mapping[str, tuple[str, ...]], *, without: Collection[str]) -> None:
        """Add symbols to channels, but for those that cannot be had."""
        for name, symbols in wanted.items():
            self._symbols[name].update(dict.fromkeys(symbol for symbol in symbols if symbol not in without))
        self._reckon()

    def remove(self, wanted: Mapping[str, tuple[str, ...]]) -> None:
        """Take symbols out of channels; what is not in one is passed over."""
        for name, symbols in wanted.items():
            for symbol in symbols:
                self._symbols[name].pop(symbol, None)
        self._reckon()

    def drop(self, symbols: Collection[str]) -> None:
        """Take symbols out of all channels."""
        self.remove(dict.fromkeys(OFFERED, tuple(symbols)))

    def told(self) -> dict[str, Any]:
        """The message that lists all of it, as each answer does."""
        listed: dict[str, list[str]] = {name: [*symbols] for name, symbols in self._symbols.items()}
        return {"T": "subscription", **listed, **{name: [] for name in NOT_OFFERED}}

    def _reckon(self) -> None:
        bits = dict(self._bits())
        of_all = bits.pop(EVERYTHING, 0)
        self.wants = Wants.of_bits(bits, of_all)

    def _bits(self) -> Iterator[tuple[str, int]]:
        for symbol in dict.fromkeys(symbol for symbols in self._symbols.values() for symbol in symbols):
            yield symbol, sum(bit for name, bit in _BITS.items() if symbol in self._symbols[name])
