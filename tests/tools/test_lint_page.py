"""How the page's JavaScript is linted: what the linter finds, and what is said where there is none."""

import json
import re
import subprocess
from pathlib import Path

import pytest

import lint_page
import node_packages
from requirements import require, require_program

ESLINT = node_packages.LINTER / "node_modules" / "eslint" / "bin" / "eslint.js"


def test_the_lock_holds_what_is_asked_for_exactly_and_names_no_registry() -> None:
    asked = json.loads((node_packages.LINTER / "package.json").read_text())["devDependencies"]
    lock = (node_packages.LINTER / node_packages.LOCK).read_text()
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


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ("undeclared();", "no-undef"),
        ("const unused = 1;", "no-unused-vars"),
        ("export const same = (one, other) => one == other;", "eqeqeq"),
        ('import { price } from "./gone.js";\nprice();', "imports/no-unresolved"),
        ('import { gone } from "./figures/format.js";\ngone();', "imports/named"),
        ('import { notify } from "./session/notices.js";\nnotify();', ""),
    ],
)
def test_the_linter_finds_what_is_wrong_and_nothing_else(source: str, rule: str) -> None:
    node = require_program("node")
    require(node_packages.are_there(node_packages.LINTER), "ESLint (npm, then `make node-packages`)")
    found = subprocess.run(  # noqa: S603 - ESLint, on a line of ours
        [
            *(str(node), str(ESLINT), "--config", str(node_packages.LINTER / "eslint.config.js"), "--format", "json"),
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
