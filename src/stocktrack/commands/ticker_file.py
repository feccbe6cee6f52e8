"""Reads the lots and the watch lists of `~/.ticker.yaml`, the configuration of the terminal program ticker.

What it documents is read: `lots` and `watchlist` at the top, and in each of the `groups`, where older files say
`holdings` for `lots`. https://github.com/achannarasappa/ticker
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from stocktrack.messages import MAIN_LIST
from stocktrack.quotes import normalise_symbol, shown

# Some thousands of lots; to parse so much takes a second or two.
MAX_FILE_BYTES: Final = 524_288
MAX_ENTRIES: Final = 10_000
MAX_GROUP_CHARS: Final = 64
MOST: Final = 1e12  # as in `messages.Amount`
_FLOAT = re.compile(r"[+-]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9]{1,2})?", re.ASCII)
# What ticker reads elsewhere than at Yahoo, by the end of a symbol.
_ELSEWHERE: Final = {
    ".X": "ticker's own short name of a coin",
    ".CB": "at Coinbase",
    ".CG": "at CoinGecko",
    ".CC": "at Coincap",
}


class BadFile(Exception):  # noqa: N818 - what it says is an error of the file's
    """A file that is not what it should be; the sentence names the line."""


class FileLot(NamedTuple):
    """A lot of the file, and on which line it begins."""

    group: str
    symbol: str
    quantity: float
    unit_cost: float
    fixed_cost: float
    line: int


@dataclass(slots=True)
class TickerFile:
    """What a file holds: the lots, the watch list of each group, and what of both is called otherwise here, with why.

    `cost_currency` is that of all unit costs where the file says that they are in none of the prices' own.
    """

    lots: list[FileLot] = field(default_factory=list)
    watched: dict[str, list[str]] = field(default_factory=dict)
    elsewhere: dict[str, str] = field(default_factory=dict)
    elsewhere_watched: dict[str, str] = field(default_factory=dict)
    cost_currency: str | None = None


def read_ticker_file(path: Path) -> TickerFile:
    """What is in the file; `BadFile` where it cannot be read, or where anything in it is wrong."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise BadFile(f"{path} cannot be read: {error.strerror or error}.") from None
    if len(data) > MAX_FILE_BYTES:
        raise BadFile(f"{path} is longer than {MAX_FILE_BYTES // 1024} KB, which no file of lots is.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadFile(f"{path} is no text in UTF-8.") from None
    try:
        # Nodes and no objects: nothing of the file is made into anything but text, and each has its line.
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = "" if mark is None else f" on line {mark.line + 1}"
        raise BadFile(f"{path} is no YAML{where}: {error.problem or error.context}.") from None
    except yaml.YAMLError as error:  # a character that may not be in it
        raise BadFile(f"{path} is no YAML: {str(error).splitlines()[0]}.") from None
    except RecursionError:
        raise BadFile(f"{path} is nested more deeply than any file of lots.") from None
    try:
        return _Reader().read(root)
    except BadFile as error:
        raise BadFile(f"{path}, {error}") from None


class _Reader:
    """Reads the nodes of one file, of which there may be many more by aliases than there are characters."""

    def __init__(self) -> None:
        self._file = TickerFile()
        self._entries = 0

    def read(self, root: Node | None) -> TickerFile:
        if root is None:
            return self._file
        top = self._fields(root, "the file")
        self._read_group(MAIN_LIST, top, "lots")
        for node in self._list(top.get("groups"), "groups"):
            group = self._fields(node, "a group")
            # Older files have `holdings`; ticker takes them where there are no lots.
            of_lots = "lots" if self._list(group.get("lots"), "lots") else "holdings"
            self._read_group(self._group_name(group.get("name")), group, of_lots)
        if self._text(top.get("currency-disable-unit-cost-conversion"), "a switch").lower() in {"true", "yes", "on"}:
            self._file.cost_currency = self._text(top.get("currency"), "currency").upper() or None
        return self._file

    def _read_group(self, name: str, group: dict[str, Node], of_lots: str) -> None:
        for node in self._list(group.get("watchlist"), "watchlist"):
            self._count(node)
            symbol = self._symbol(node, self._file.elsewhere_watched)
            if symbol is not None and symbol not in self._file.watched.setdefault(name, []):
                self._file.watched[name].append(symbol)
        for node in self._list(group.get(of_lots), of_lots):
            self._count(node)
            self._read_lot(name, node)

    def _read_lot(self, group: str, node: Node) -> None:
        fields = self._fields(node, "a lot")
        for name in ("symbol", "quantity"):
            if name not in fields:
                raise BadFile(f"line {_line(node)}: a lot has no {name}.")
        quantity = self._number(fields["quantity"], "quantity")
        unit_cost, fixed_cost = (
            self._number(fields[name], name) if name in fields else 0.0 for name in ("unit_cost", "fixed_cost")
        )
        if quantity == 0:
            raise BadFile(f"line {_line(fields['quantity'])}: the quantity of a lot must not be 0.")
        for name, cost in (("unit_cost", unit_cost), ("fixed_cost", fixed_cost)):
            if cost < 0:
                raise BadFile(f"line {_line(fields[name])}: {name} must not be below 0; a sale has a quantity below 0.")
        symbol = self._symbol(fields["symbol"], self._file.elsewhere)
        if symbol is not None:
            self._file.lots.append(FileLot(group, symbol, quantity, unit_cost, fixed_cost, _line(node)))

    def _symbol(self, node: Node, elsewhere: dict[str, str]) -> str | None:
        """The symbol, or None where it is called otherwise here, which is noted."""
        text = self._text(node, "a symbol")
        try:
            symbol = normalise_symbol(text)
        except ValueError as error:
            raise BadFile(f"line {_line(node)}: {error}.") from None
        begin, dot, end = symbol.rpartition(".")
        where = _ELSEWHERE.get(dot + end)
        if where is None:
            return symbol
        coin = begin if begin.endswith("-USD") else f"{begin}-USD"
        # Of Coinbase's futures Yahoo has nothing.
        hint = f"; here and at Yahoo it may be {coin}" if end in {"X", "CB"} and coin.count("-") == 1 else ""
        elsewhere[symbol] = f"{symbol} is {where}{hint}"
        return None

    def _group_name(self, node: Node | None) -> str:
        name = " ".join(self._text(node, "the name of a group").split())
        if not name or name == "default":  # as ticker calls what stands at the top
            return MAIN_LIST
        if len(name) > MAX_GROUP_CHARS or not name.isprintable():
            line = _line(node) if node is not None else 1
            raise BadFile(f"line {line}: a group's name must have at most {MAX_GROUP_CHARS} printable characters.")
        return name

    def _number(self, node: Node, name: str) -> float:
        text = self._text(node, name)
        if not _FLOAT.fullmatch(text) or abs(value := float(text.replace("_", ""))) > MOST:
            raise BadFile(f"line {_line(node)}: {name} must be a number of at most a trillion, and is {shown(text)}.")
        return value

    def _text(self, node: Node | None, what: str) -> str:
        """A scalar as it is written, so that the share `ON` is no switch; nothing where there is none."""
        if node is None:
            return ""
        if not isinstance(node, ScalarNode):
            raise BadFile(f"line {_line(node)}: {what} must be one word or number.")
        text = str(node.value)
        return "" if node.tag.endswith(":null") else text

    def _fields(self, node: Node, what: str) -> dict[str, Node]:
        if not isinstance(node, MappingNode):
            raise BadFile(f"line {_line(node)}: {what} must be fields with values, such as `symbol: AAPL`.")
        found: dict[str, Node] = {}
        for key, value in node.value:
            name = str(key.value) if isinstance(key, ScalarNode) else ""
            if name in found:
                raise BadFile(f"line {_line(key)}: {shown(name)} stands twice in {what}.")
            found[name] = value
        return found

    def _list(self, node: Node | None, name: str) -> list[Node]:
        if node is None or (isinstance(node, ScalarNode) and node.tag.endswith(":null")):
            return []
        if not isinstance(node, SequenceNode):
            raise BadFile(f"line {_line(node)}: {name} must be a list, each entry after a hyphen.")
        return list(node.value)

    def _count(self, node: Node) -> None:
        self._entries += 1
        if self._entries > MAX_ENTRIES:
            raise BadFile(f"line {_line(node)}: these are more than {MAX_ENTRIES} lots and symbols.")


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1
