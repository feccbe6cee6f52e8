"""The pages say of each setting what its field in the code says."""

import re
from pathlib import Path

import pytest

from stocktrack.config import Flag, Reload, Settings, settings_marked
from stocktrack.providers.instrument_file import COLUMNS, read_instruments
from stocktrack.system.setting_sources import ClientVariable

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "configuration.md").read_text(encoding="utf-8")
OPERATIONS = (DOCS / "operations.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(?P<name>\w+)` \| (?P<default>.*?) \| (?P<meaning>.*) \|$", re.MULTILINE)
# The words with which operations.md begins the list of each.
RELOADED = {Reload.AT_ONCE: "At once, also for open sessions", Reload.FOR_NEW_CLIENTS: "For clients to come"}


def test_the_page_has_every_setting_with_its_meaning_in_the_order_of_the_code() -> None:
    rows = [(row["name"], row["meaning"]) for row in ROW.finditer(PAGE)]
    assert rows == [(name, field.description) for name, field in Settings.model_fields.items()]


def test_the_page_has_the_plain_defaults_of_the_code() -> None:
    rows = {row["name"]: row["default"] for row in ROW.finditer(PAGE)}
    plain = {name: field.default for name, field in Settings.model_fields.items() if type(field.default) in {int, str}}
    assert {name: rows[name] for name in plain} == {name: f"`{default}`" for name, default in plain.items()}
    numbers = {name: field.default for name, field in Settings.model_fields.items() if type(field.default) is float}
    assert {name: float(rows[name].strip("`")) for name in numbers} == numbers


def test_the_page_names_every_setting_that_is_a_flag_of_serve() -> None:
    [line] = [line for line in PAGE.splitlines() if line.startswith("1. a flag of the command")]
    named = set(re.findall(r"`(?:stocktrack serve )?(--[a-z-]+|[a-z_]+)", line))
    missing = [name for name, flag in settings_marked(Flag).items() if not {name, flag.name} & named]
    assert missing == []


def test_the_page_names_every_variable_of_the_clients() -> None:
    part = PAGE.partition("## What the clients read")[2].partition("\n## ")[0]
    assert [variable for variable in ClientVariable if f"`{variable}`" not in part] == []


@pytest.mark.parametrize("when", Reload)
def test_the_page_of_operations_lists_what_a_reload_changes(when: Reload) -> None:
    [listed] = re.findall(rf"^- {RELOADED[when]}: (.*?)(?=^- |\Z)", OPERATIONS, re.MULTILINE | re.DOTALL)
    settings = {name for name, mark in settings_marked(Reload).items() if mark is when}
    assert set(re.findall(r"`(\w+)`", listed)) == settings


def test_the_instrument_file_of_the_page_is_one_and_every_column_is_named(tmp_path: Path) -> None:
    part = PAGE.partition("## The instrument file")[2].partition("\n## ")[0]
    [example] = re.findall(r"^```csv\n(.*?)^```$", part, re.DOTALL | re.MULTILINE)
    path = tmp_path / "symbols.csv"
    path.write_text(example, encoding="utf-8")
    file = read_instruments(path)
    assert (list(file.rows), file.skipped) == (["NFO:NIFTY24APR18000CE", "GOLD"], 0)
    assert [column for column in COLUMNS if f"`{column}`" not in part] == []
