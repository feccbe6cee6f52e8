"""The page's own files: what its modules decide, as node sees it, and that each stylesheet is linked."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from requirements import require, require_program
from stocktrack.web.built_page import BUILT
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


# The rooms of the page, as prices go through them: a module imports from its own room and from those before it.
ROOMS = ("base", "figures", "session", "parts", "board", "alerts", "holdings", "chart", "panel", "admin", "frame")


def modules() -> list[Path]:
    """Our own modules, without those of npm."""
    return sorted(path for path in PAGE.rglob("*.js") if is_ours(path))


def is_ours(path: Path) -> bool:
    return not {VENDOR, PAGE / BUILT} & {*path.parents}


def imported(module: Path) -> list[Path]:
    """The modules that a browser fetches with `module`."""
    names = re.findall(r'^(?:import|export)\b[^;]*?"(\.\.?/[-a-z/]+\.js)";', module.read_text(), re.MULTILINE)
    return [(module.parent / name).resolve() for name in names]


def test_the_rooms_of_the_page_are_those_that_are_named_and_imports_run_one_way() -> None:
    own = modules()
    assert {path.parent.name for path in own} == {PAGE.name, *ROOMS}
    assert [path.name for path in own if path.parent == PAGE] == ["main.js"]
    assert [
        f"{path.relative_to(PAGE)} imports {other.relative_to(PAGE)}"
        for path in own
        if path.parent != PAGE
        for other in imported(path)
        if other.parent != VENDOR and ROOMS.index(other.parent.name) > ROOMS.index(path.parent.name)
    ] == []


def test_every_stylesheet_is_linked_once_or_brought_with_its_part_and_none_loads_another() -> None:
    linked = re.findall(r'<link rel="stylesheet" href="page/([^"]+)">', (PAGE / "index.html").read_text())
    later = {
        f"styles/{name}.css" for path in modules() for name in re.findall(r'\blook\("([a-z]+)"\)', path.read_text())
    }
    there = {str(path.relative_to(PAGE)): path.read_text() for path in PAGE.rglob("*.css") if is_ours(path)}
    assert sorted([*linked, *later, "styles/docs.css"]) == sorted(there)  # that one is of the page /docs
    # The browser would learn of it only when the first one is there.
    assert [name for name, text in there.items() if "@import" in text] == []


def test_what_only_some_people_open_is_no_part_of_the_first_view() -> None:
    first: set[Path] = set()
    found = [PAGE / "main.js"]
    while found:
        module = found.pop()
        if module not in first:
            first.add(module)
            found += imported(module)
    names = {str(path.relative_to(PAGE)) for path in first}
    assert {"session/session.js", "panel/panel.js", "frame/part.js"} <= names
    assert [name for name in sorted(names) if name.startswith(("alerts/", "holdings/", "admin/"))] == []
    assert not names & {"figures/exact.js", "session/besides.js"}
