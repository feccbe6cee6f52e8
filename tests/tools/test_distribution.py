"""What the project is called where it is installed, and what its pages say about that."""

import importlib.metadata
import re
import tomllib
from pathlib import Path

import stocktrack
from stocktrack.errors import extra_hint

ROOT = Path(stocktrack.__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
KINDS = {".md", ".py", ".toml", ".txt", ".sh", ".js", ".html", ".yaml", ".yml", ""}
FOREIGN = {"vendor", "built", "node_modules", "__pycache__", ".git", ".venv", ".matrix", "build", "dist"}
# `stocktrack` on the package index is somebody else's project; ours, or a folder or a file, may follow.
STRANGER = re.compile(r"pip[\w.]*\s+(?:install|download)\b[^\n`]*?[\s'\"]stocktrack(?![\w./-])")


def own_files() -> list[Path]:
    folders = [ROOT / name for name in ("src", "docs", "tests", "tools", "bench", "examples")]
    found = [file for folder in folders for file in folder.rglob("*") if not FOREIGN & set(file.parts)]
    return [file for file in (*found, *ROOT.iterdir()) if file.is_file() and file.suffix in KINDS]


def test_nothing_tells_anybody_to_install_the_stranger_of_that_name() -> None:
    files = [file for file in own_files() if file != Path(__file__)]
    assert len(files) > 150
    found = {file.name: STRANGER.findall(file.read_text(encoding="utf-8")) for file in files}
    assert {name: hits for name, hits in found.items() if hits} == {}


def test_what_would_be_found() -> None:
    assert STRANGER.search("pip install 'stocktrack[postgres]'")
    assert STRANGER.search(".venv/bin/pip install --upgrade stocktrack")
    assert STRANGER.search('python -m pip download "stocktrack==1"')
    assert not STRANGER.search("pip install '.[postgres]' in the folder of StockTrack's source")
    assert not STRANGER.search("pip install stocktrack-server")
    assert not STRANGER.search("pip install dist/stocktrack_server-0.1.0-py3-none-any.whl")


def test_the_version_stands_in_one_place() -> None:
    assert PROJECT["name"] == "stocktrack-server"
    assert "version" not in PROJECT
    assert "version" in PROJECT["dynamic"]
    assert importlib.metadata.version(PROJECT["name"]) == stocktrack.__version__


def test_the_hint_for_an_extra_names_one_that_there_is() -> None:
    hints = {file: re.findall(r"extra_hint\(['\"](\w+)['\"]\)", file.read_text()) for file in ROOT.glob("src/**/*.py")}
    asked = {extra for extras in hints.values() for extra in extras}
    assert asked
    assert asked <= set(PROJECT["optional-dependencies"])
    assert extra_hint("postgres") == (
        "Install the extra: pip install '.[postgres]' in the folder of StockTrack's source"
    )
