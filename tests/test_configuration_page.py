"""The page of settings says what the code says."""

import re
from pathlib import Path

from stocktrack.config import Settings

PAGE = Path(__file__).parent.parent / "docs" / "configuration.md"
ROW = re.compile(r"^\| `(?P<name>\w+)` \| (?P<default>.*?) \| (?P<meaning>.*) \|$", re.MULTILINE)


def test_the_page_has_every_setting_with_its_meaning_in_the_order_of_the_code() -> None:
    rows = [(row["name"], row["meaning"]) for row in ROW.finditer(PAGE.read_text(encoding="utf-8"))]
    assert rows == [(name, field.description) for name, field in Settings.model_fields.items()]


def test_the_page_has_the_plain_defaults_of_the_code() -> None:
    rows = {row["name"]: row["default"] for row in ROW.finditer(PAGE.read_text(encoding="utf-8"))}
    plain = {name: field.default for name, field in Settings.model_fields.items() if type(field.default) in {int, str}}
    assert {name: rows[name] for name in plain} == {name: f"`{default}`" for name, default in plain.items()}
    numbers = {name: field.default for name, field in Settings.model_fields.items() if type(field.default) is float}
    assert {name: float(rows[name].strip("`")) for name in numbers} == numbers
