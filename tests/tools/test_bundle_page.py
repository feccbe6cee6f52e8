"""How the page's modules become a few small files, and when the server gives those instead of the modules."""

import gzip
import re
import shutil
from pathlib import Path

import pytest

import bundle_page
from bundle_page import CannotBundleError, bundle
from requirements import require
from stocktrack.web.assets import Assets
from stocktrack.web.built_page import BUILT, is_current
from vendor_page import BUNDLER

# What a first visit transfers compressed, before its first price: the issue allows 100 kB.
MOST_FIRST_KB = 80


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A copy of the page, whose modules are not joined."""
    require(BUNDLER.is_file() and BUNDLER.stat().st_size > 0, "esbuild (npm, then `make page`)")
    return shutil.copytree(bundle_page.PAGE, tmp_path / "page", ignore=shutil.ignore_patterns(BUILT))


def served(page: Path) -> str:
    asset = Assets(page).get("index.html")
    assert asset is not None
    return asset.content.decode()


def test_the_page_asks_for_the_joined_files_which_are_all_there_and_kept_for_good(page: Path) -> None:
    assert bundle(page) is True
    names = re.findall(r'(?:src|href)="page/([^"]+)"', served(page))
    assert [name for name in names if not name.startswith(f"{BUILT}/")] == ["icon.svg"]
    assets = Assets(page)
    for name in names:
        asset = assets.get(name)
        assert asset is not None, name
        assert asset.is_immutable is name.startswith(f"{BUILT}/")
    index = assets.get("index.html")
    assert index is not None
    assert not index.is_immutable
    assert bundle(page) is False


def test_a_first_visit_is_small(page: Path) -> None:
    bundle(page)
    names = [name for name in re.findall(r'(?:src|href)="page/([^"]+)"', served(page)) if name.startswith(BUILT)]
    sizes = {name: len(gzip.compress((page / name).read_bytes(), 6)) for name in [*names, f"{BUILT}/index.html"]}
    assert sum(sizes.values()) < MOST_FIRST_KB * 1000, sizes
    assert not any("drawing" in name for name in names)


def test_what_only_some_people_open_comes_in_files_of_its_own(page: Path) -> None:
    bundle(page)
    names = {path.name.rpartition("-")[0] for path in (page / BUILT).glob("*.js")}
    assert {"main", "alerts", "holdings", "toasts", "drawing"} <= names


def test_a_module_that_was_changed_since_is_served_as_it_is_until_they_are_joined_again(page: Path) -> None:
    bundle(page)
    with (page / "session" / "state.js").open("a") as module:
        module.write("export const isNew = true;\n")
    assert not is_current(page)
    assert 'src="page/main.js"' in served(page)
    assert bundle(page) is True
    assert 'src="page/main.js"' not in served(page)


def test_a_module_that_cannot_be_joined_leaves_the_page_as_it_was_and_says_why(page: Path) -> None:
    (page / "session" / "state.js").write_text("export const = 1;\n")
    with pytest.raises(CannotBundleError, match=r"state\.js"):
        bundle(page)
    assert 'src="page/main.js"' in served(page)


def test_without_a_bundler_the_modules_are_served_and_nothing_fails(
    page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    bundle(page)
    (page / "index.html").write_text((page / "index.html").read_text() + "\n")
    monkeypatch.setattr(bundle_page, "BUNDLER", tmp_path / "none")
    monkeypatch.setattr(bundle_page, "PAGE", page)
    assert bundle_page.main() == 0
    assert capsys.readouterr().err == (
        "The page is served module by module. There is no esbuild for this machine, which joins its modules.\n"
    )
    assert not (page / BUILT).exists()
    assert 'src="page/main.js"' in served(page)
