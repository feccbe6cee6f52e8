"""How the page's third-party modules come into the tree, and what of it must not go wrong unnoticed."""

import json
import re
from pathlib import Path

import pytest

import npm
import vendor_page
from requirements import require
from vendor_page import CannotVendorError, importable


def test_bare_imports_become_paths_and_others_stay() -> None:
    source = 'import{h as r}from"preact";import\'htm\';export*from "@preact/signals-core";import x from"./x.js"'
    assert importable(source) == (
        'import{h as r}from"./preact.js";import\'./htm.js\';export*from "./signals-core.js";import x from"./x.js"'
    )


def test_an_import_that_nothing_provides_is_an_error() -> None:
    with pytest.raises(CannotVendorError, match="fancy-canvas"):
        importable('import{a}from"fancy-canvas";')


def test_no_source_map_is_asked_for() -> None:
    assert importable("let a;\n//# sourceMappingURL=preact.mjs.map\n") == "let a;\n\n"


def test_the_lock_holds_what_is_asked_for_exactly_and_names_no_registry() -> None:
    asked = json.loads((vendor_page.LOCKED / "package.json").read_text())["dependencies"]
    lock = (vendor_page.LOCKED / "package-lock.json").read_text()
    locked = json.loads(lock)["packages"]
    assert {name: locked[f"node_modules/{name}"]["version"] for name in asked} == asked
    assert {vendor_page.BUNDLER_PACKAGE, *(module.package for module in vendor_page.MODULES)} == set(asked)
    assert '"resolved"' not in lock


def test_without_npm_the_script_says_what_would_help_and_fails_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(vendor_page, "npm_command", lambda: None)
    with pytest.raises(CannotVendorError):
        vendor_page.vendor(tmp_path / "vendor")
    assert not (tmp_path / "vendor").exists()
    monkeypatch.setattr(vendor_page, "_is_complete", lambda *_: False)
    monkeypatch.setattr(npm, "has_wheel", lambda: False)
    assert vendor_page.main() == 0
    assert "Install Node.js with npm" in capsys.readouterr().err


def test_what_was_brought_is_complete_and_names_no_package() -> None:
    require((vendor_page.VENDOR / vendor_page.STAMP).is_file(), "the page's modules (npm, then `make page`)")
    for module in vendor_page.MODULES:
        source = (vendor_page.VENDOR / module.file).read_text()
        assert not re.search(r"""\b(?:from|import)\s*["'][@\w]""", source), module.file
    licences = {path.stem for path in (vendor_page.VENDOR / "licences").iterdir()}
    assert len(licences) == len({module.package for module in vendor_page.MODULES})
    assert vendor_page.vendor() is False
