"""How the page's JavaScript is linted: what the linter finds, and what is said where there is none."""

import json
import re
import subprocess
from pathlib import Path

import pytest

import lint_page
from requirements import require, require_program

ESLINT = lint_page.FOLDER / "node_modules" / "eslint" / "bin" / "eslint.js"


def test_the_lock_holds_what_is_asked_for_exactly_and_names_no_registry() -> None:
    asked = json.loads((lint_page.FOLDER / "package.json").read_text())["devDependencies"]
    lock = (lint_page.FOLDER / lint_page.LOCK).read_text()
    locked = json.loads(lock)["packages"]
    assert {name: locked[f"node_modules/{name}"]["version"] for name in asked} == asked
    assert '"resolved"' not in lock


@pytest.mark.parametrize(("ci", "code"), [("true", 1), ("", 0)])
def test_a_linter_that_is_missing_is_said_in_a_sentence_and_a_failure_only_under_ci(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, ci: str, code: int
) -> None:
    monkeypatch.setenv("CI", ci)
    assert lint_page.lint(tmp_path) == code
    assert re.fullmatch(r"The page's JavaScript is not linted: .+\.\n", capsys.readouterr().err)


def test_without_npm_the_set_up_says_so_in_a_sentence_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(lint_page, "npm_command", lambda: None)
    lint_page.install(tmp_path)
    assert capsys.readouterr().err == (
        "ESLint is not installed, since there is no npm here: install Node.js with npm.\n"
    )
    assert not lint_page.is_there(tmp_path)


def test_what_was_installed_from_another_lock_counts_as_missing(tmp_path: Path) -> None:
    (tmp_path / lint_page.LOCK).write_text("{}")
    (tmp_path / "node_modules").mkdir()
    (tmp_path / lint_page.STAMP).write_text("{}")
    assert lint_page.is_there(tmp_path)
    (tmp_path / lint_page.LOCK).write_text('{"packages": {}}')
    assert not lint_page.is_there(tmp_path)


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ("undeclared();", "no-undef"),
        ("const unused = 1;", "no-unused-vars"),
        ("export const same = (one, other) => one == other;", "eqeqeq"),
        ('import { price } from "./gone.js";\nprice();', "imports/no-unresolved"),
        ('import { gone } from "./format.js";\ngone();', "imports/named"),
        ('import { notify } from "./notices.js";\nnotify();', ""),
    ],
)
def test_the_linter_finds_what_is_wrong_and_nothing_else(source: str, rule: str) -> None:
    node = require_program("node")
    require(lint_page.is_there(), "ESLint (npm, then `make page-tools`)")
    found = subprocess.run(  # noqa: S603 - ESLint, on a line of ours
        [
            *(str(node), str(ESLINT), "--config", str(lint_page.FOLDER / "eslint.config.js"), "--format", "json"),
            *("--stdin", "--stdin-filename", f"{lint_page.SOURCES[0]}/line.js"),
        ],
        input=f"{source}\n",
        cwd=lint_page.ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    (file,) = json.loads(found.stdout)
    assert {message["ruleId"] for message in file["messages"]} == ({rule} if rule else set())
