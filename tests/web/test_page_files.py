"""The page's own files: what its modules decide, as node sees it, and that each stylesheet is linked."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from requirements import require, require_program
from vendor_page import STAMP, VENDOR

PAGE = VENDOR.parent
UNIT_TESTS = Path(__file__).parent / "page"
NODE_SECONDS = 60
# How numbers and times look depends on both; neither may decide whether a test passes.
PLACE = {"LC_ALL": "en_GB.UTF-8", "TZ": "America/New_York"}


@pytest.mark.parametrize("name", sorted(path.name for path in UNIT_TESTS.glob("*.test.js")))
def test_the_modules_of_the_page_do_what_their_unit_tests_say(name: str) -> None:
    node = require_program("node")
    require((VENDOR / STAMP).is_file(), "the page's modules (npm, then `make page`)")
    done = subprocess.run(  # noqa: S603 - node, with our own tests
        [str(node), "--test", "--test-reporter=spec", str(UNIT_TESTS / name)],
        env={**os.environ, **PLACE, "FORCE_COLOR": "0"},
        capture_output=True,
        text=True,
        timeout=NODE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    passed = re.search(r"^\S pass (\d+)$", done.stdout, re.MULTILINE)
    assert passed, done.stdout
    # A file in which no test was found would pass as well: it counts as one.
    assert int(passed.group(1)) == len(re.findall(r"^test\(", (UNIT_TESTS / name).read_text(), re.MULTILINE))


def test_every_stylesheet_is_linked_once_or_brought_with_its_part_and_none_loads_another() -> None:
    linked = re.findall(r'<link rel="stylesheet" href="page/([^"]+)">', (PAGE / "index.html").read_text())
    modules = "\n".join(path.read_text() for path in PAGE.glob("*.js"))
    later = {f"styles/{name}.css" for name in re.findall(r'\blook\("([a-z]+)"\)', modules)}
    there = {
        str(path.relative_to(PAGE)): path.read_text() for path in PAGE.rglob("*.css") if VENDOR not in path.parents
    }
    assert sorted([*linked, *later]) == sorted(there)
    # The browser would learn of it only when the first one is there.
    assert [name for name, text in there.items() if "@import" in text] == []


def test_what_only_some_people_open_is_no_part_of_the_first_view() -> None:
    first: set[str] = set()
    found = ["main.js"]
    while found:
        name = found.pop()
        if name in first:
            continue
        first.add(name)
        text = (PAGE / name).read_text()
        found += re.findall(r'^(?:import|export)\b[^;]*?"\./([-a-z]+\.js)";', text, re.MULTILINE)
    assert {"session.js", "panel.js", "part.js"} <= first
    assert [
        name for name in sorted(first) if re.match(r"alert|holding|lot|fired|toasts|exact|besides|notification", name)
    ] == []
