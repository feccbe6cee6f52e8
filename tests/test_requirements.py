from pathlib import Path

import pytest

from requirements import require, require_program


def test_what_is_there_lets_the_test_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    require(True, "nothing")
    assert require_program("sh") == Path(require_program("sh")).absolute()


def test_what_is_missing_skips_the_test_on_a_laptop_and_says_what_it_was(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="this test needs a browser"):
        require(False, "a browser")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pytest.skip.Exception, match="'sh' on PATH"):
        require_program("sh")


def test_what_is_missing_fails_the_test_under_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="this test needs a browser, which is missing"):
        require(False, "a browser")
