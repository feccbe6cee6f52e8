"""Rows as lines of CSV that no spreadsheet executes, and back: what is read is what was written.

A text that a spreadsheet would take for a formula has an apostrophe before it (`'=X`), and so has one that begins with
an apostrophe itself; reading takes one off. Numbers are numbers, with a sign too. A row is one line whatever it holds.
"""

import csv
import re
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, Final

from stocktrack.csv_cells import text_cell
from stocktrack.errors import Reason
from stocktrack.messages import Price
from stocktrack.quotes import MarketState, shown
from stocktrack.recording.rows import COLUMNS, GAP, HOLE_COLUMNS, KINDS, PRICE_COLUMNS, BadRow, Row, row_of

HEADER: Final = f"{','.join(COLUMNS)}\n".encode()
_SHORTENED: Final = re.compile(r"-?[0-9.,]+[eE]\+?[0-9]+")
_price_values = itemgetter(*PRICE_COLUMNS)
_NO_HOLE: Final = "," * len(HOLE_COLUMNS) + "\n"


def encode(row: Row) -> bytes:
    """The line of a row, with its line end."""
    if isinstance(row, Price):
        cells = [_CELL_OF[type(value)](value) for value in _price_values(row.__dict__)]
        return (",".join(cells) + _NO_HOLE).encode()
    cells = [str(row.until), *("" for _ in PRICE_COLUMNS[1:]), GAP, str(row.since), text_cell(row.reason)]
    return f"{','.join(cells)}\n".encode()


_CELL_OF: Final[dict[type, Callable[[Any], str]]] = {
    type(None): lambda _: "",
    float: repr,
    int: str,
    bool: lambda value: "true" if value else "false",
    str: text_cell,
    MarketState: lambda value: value.value,
    Reason: lambda value: value.value,
}


def cells_of(line: str) -> list[str]:
    """The cells of one line; `BadRow` where its quotes do not match."""
    try:
        return next(csv.reader((line,), strict=True), [])
    except csv.Error as error:
        raise BadRow(f"the line is no CSV ({error})") from None


class Reader:
    """Reads the lines under one first row, whose columns may stand in any order and may have others beside them."""

    def __init__(self, header: str) -> None:
        names = [name.strip() for name in cells_of(header.lstrip("\ufeff").rstrip("\r\n"))]
        if "symbol" not in names or "price" not in names or not {"received_at", "timestamp"} & set(names):
            semicolons = " Its cells seem to be parted by semicolons; save it with commas." if ";" in header else ""
            raise BadRow(
                f"the first row must name the columns, received_at, symbol and price among them, and is "
                f"{shown(header.strip())}.{semicolons}"
            )
        if doubles := {name for name in names if names.count(name) > 1 and name in KINDS}:
            raise BadRow(f"the first row names {min(doubles)} twice")
        self._width = len(names)
        self._columns = [(at, name, _VALUE_OF[KINDS[name]]) for at, name in enumerate(names) if name in KINDS]

    def read(self, line: str) -> Row:
        """The row on a line; `BadRow` where it is none."""
        line = line.rstrip("\r\n")
        cells: Sequence[str] = line.split(",") if '"' not in line else cells_of(line)
        if len(cells) != self._width:
            raise BadRow(f"there are {len(cells)} cells where the first row names {self._width} columns")
        return row_of({name: value_of(name, cells[at]) for at, name, value_of in self._columns if cells[at]})


def _text(_name: str, cell: str) -> str:
    return cell.removeprefix("'")


def _whole(name: str, cell: str) -> int:
    try:
        return int(cell)
    except ValueError:
        pass
    if _SHORTENED.fullmatch(cell):
        raise BadRow(f"{name} = {shown(cell)}: a spreadsheet has shortened it to the digits that it showed")
    try:
        value = float(cell)  # as programs write a column of whole numbers with empty cells among them
    except ValueError:
        raise BadRow(f"{name} = {shown(cell)} is no whole number") from None
    if not value.is_integer():
        raise BadRow(f"{name} = {shown(cell)} is no whole number")
    return int(value)


def _number(name: str, cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        raise BadRow(f"{name} = {shown(cell)} is no number") from None


def _truth(name: str, cell: str) -> bool:
    if cell.lower() not in {"true", "false"}:
        raise BadRow(f"{name} = {shown(cell)} is neither true nor false")
    return cell.lower() == "true"


_VALUE_OF: Final[dict[type, Callable[[str, str], Any]]] = {str: _text, int: _whole, float: _number, bool: _truth}
