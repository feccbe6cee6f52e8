"""Cells of CSV as every table of ours writes them: quoted by RFC 4180, and no spreadsheet takes one for a formula.

A text that a spreadsheet would execute has an apostrophe before it (`'=X`), and so has one that begins with an
apostrophe itself. Numbers are numbers, with a sign too, and never have an exponent. A row is always one line.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from enum import Enum
from typing import Any, Final

from stocktrack.quotes import plain

# https://owasp.org/www-community/attacks/CSV_Injection, with the wide forms that some spreadsheets take as well.
_FORMULA_BEGINS: Final = frozenset("=+-@\uff1d\uff0b\uff0d\uff20")
_PLAIN: Final = re.compile(r"[A-Za-z0-9.^:/&_][A-Za-z0-9.^:/&_ =-]*")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_HIDDEN_FORMULA: Final = re.compile(r"""(;["'\s]*)([=+\-@\uff1d\uff0b\uff0d\uff20])""")
# A comma ends a cell here, and a semicolon does where a spreadsheet is set to a language that has decimal commas.
_QUOTED: Final = frozenset(',;"')


def text_cell(text: str) -> str:
    """A text as a cell: quoted where CSV needs that, with an apostrophe before what looks like a formula."""
    if _PLAIN.fullmatch(text):
        return text
    # A line end within a cell would make two lines of one row, of which one could be lost.
    text = _UNPRINTABLE.sub(" ", text)
    begin = text.lstrip()
    if begin and (begin[0] in _FORMULA_BEGINS or begin[0] == "'"):
        text = f"'{text}"
    return '"' + text.replace('"', '""') + '"' if not _QUOTED.isdisjoint(text) or text != text.strip() else text


def free_text_cell(text: str) -> str:
    """As `text_cell`, of a text that anybody may have written, such as a headline, and that nobody reads back.

    Where decimals have a comma, a spreadsheet begins a cell after each semicolon as well, whatever is quoted.
    """
    return text_cell(_HIDDEN_FORMULA.sub(r"\1'\2", text) if ";" in text else text)


def number_cell(number: float) -> str:
    """A number with all its digits, as `plain` writes it, which takes three times as long."""
    text = repr(number)
    return plain(number) if "e" in text else text.removesuffix(".0")


def cell(value: Any) -> str:
    """A value as a cell: nothing for None, true or false, a number, a day as 2024-02-09, or a text."""
    write = _CELL_OF.get(type(value))
    if write is not None:
        return write(value)
    return free_text_cell(str(value.value if isinstance(value, Enum) else value))


_CELL_OF: Final[Mapping[type, Callable[[Any], str]]] = {
    type(None): lambda _: "",
    float: number_cell,
    int: str,
    bool: lambda value: "true" if value else "false",
    date: date.isoformat,
    str: free_text_cell,
}


def csv_line(values: Iterable[Any]) -> str:
    """Values as one row, without its line end."""
    return ",".join(map(cell, values))
