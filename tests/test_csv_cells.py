"""A cell is what a reader of CSV reads back, is a number where it is one, and nothing that a spreadsheet executes."""

import csv
from datetime import date
from typing import Any

import pytest

from stocktrack.csv_cells import csv_line, text_cell
from stocktrack.errors import Reason
from stocktrack.quotes import MarketState


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@A1", " =1", "\t=1", "\r=1", "\n-1", "\uff1d1", "'=1", "=", "-"])
def test_what_a_spreadsheet_would_execute_begins_with_an_apostrophe(text: str) -> None:
    [cell] = next(csv.reader([text_cell(text)], strict=True))
    assert cell.startswith("'")


@pytest.mark.parametrize("text", ["AAPL", "^GSPC", "Apple Inc.", "a, b", 'say "no"', "Nestlé", "a;b", " a ", "1-2", ""])
def test_any_other_text_is_read_back_as_it_was(text: str) -> None:
    assert next(csv.reader([f"{text_cell(text)},x"], strict=True)) == [text, "x"]


@pytest.mark.parametrize("text", ["a;=1", "a,=1", 'a"=1', "a\t=1"])
def test_what_might_end_a_cell_is_quoted_or_gone(text: str) -> None:
    assert text_cell(text).startswith('"') or "\t" not in text_cell(text)


@pytest.mark.parametrize("text", ["a;=1", "a; -1", 'a;"=1', "a;\t@A1", "a;;+1", "x;\uff1d1"])
def test_a_spreadsheet_that_parts_cells_by_semicolons_finds_no_formula_either(text: str) -> None:
    """By a comma the cell is one text; by a semicolon each of its parts begins with an apostrophe, or harmlessly."""
    line = csv_line((text, -1))
    assert next(csv.reader([line], strict=True))[1] == "-1"
    begins = [part.lstrip(' "')[:1] for part in line.split(";")[1:]]
    assert "'" in begins
    assert not {*"=+-@\uff1d"} & {*begins}


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        (-37.5, "-37.5"),
        (5.0, "5"),
        (1e-07, "0.0000001"),
        (1e22, "10000000000000000000000"),
        (-0.0, "-0"),
        (10, "10"),
        (True, "true"),
        (False, "false"),
        (date(2024, 2, 9), "2024-02-09"),
        (MarketState.OPEN, "open"),
        (Reason.NO_NEWS, "no_news"),
        ("-1", "'-1"),
    ],
)
def test_a_value_is_a_cell_of_its_kind(value: Any, cell: str) -> None:
    assert csv_line((value, "x")) == f"{cell},x"
