import re
from pathlib import Path

import pytest

from stocktrack.operations import demo
from stocktrack.web.assets import Assets
from stores import opened


def empty_page(folder: Path) -> Assets:
    """A page whose files never came."""
    return Assets(folder / "no-page")


async def test_where_the_page_is_not_there_the_demo_names_none_and_says_how_to_join_from_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "Assets", lambda: empty_page(tmp_path))
    assert await demo._demo(tmp_path, 0.1) == 0
    said = capfd.readouterr().err
    assert "http" not in said
    assert "browser" not in said
    join = r"^Join from a terminal:  stocktrack client --port \d+ --user demo   password: \S+$"
    assert re.search(join, said, re.MULTILINE)


async def test_the_demos_symbols_are_the_list_that_its_page_shows(tmp_path: Path) -> None:
    assert await demo._demo(tmp_path, 0.1) == 0
    async with opened(tmp_path / "stocktrack.db") as store:
        assert await store.saved(demo.USER) == demo.SYMBOLS


def test_where_the_page_is_there_the_demo_names_it_with_the_login_in_it() -> None:
    assert demo.how_to_join("http://127.0.0.1:8080/", 7000, "secret") == (
        "Join in a browser:  http://127.0.0.1:8080/#user=demo&password=secret\n"
        "or from a terminal:  stocktrack client --port 7000 --user demo   password: secret"
    )
