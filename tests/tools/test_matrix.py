from pathlib import Path

import pytest

import matrix


def a_python(file: Path, said: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\necho '{said}'\n")
    file.chmod(0o700)
    return file


def test_a_shim_without_a_python_behind_it_is_passed_over_for_the_newest_that_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shims = a_python(tmp_path / "shims" / "python3.12", "pyenv: python3.12: command not found").parent
    monkeypatch.setenv("PATH", str(shims), prepend=":")
    a_python(tmp_path / "versions" / "3.12.9" / "bin" / "python3.12", "(3, 12)")
    newest = a_python(tmp_path / "versions" / "3.12.10" / "bin" / "python3.12", "(3, 12)")
    assert matrix.find(12, matrix.candidates(12, tmp_path)) == newest


def test_one_on_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path = a_python(tmp_path / "bin" / "python3.12", "(3, 12)")
    a_python(tmp_path / "versions" / "3.12.9" / "bin" / "python3.12", "(3, 12)")
    monkeypatch.setenv("PATH", str(on_path.parent), prepend=":")
    assert matrix.find(12, matrix.candidates(12, tmp_path)) == on_path


def test_what_is_called_so_and_is_another_version_does_not_count(tmp_path: Path) -> None:
    assert matrix.find(12, [tmp_path / "gone", a_python(tmp_path / "python3.12", "(3, 11)")]) is None


def test_each_missing_version_is_said_and_a_failure_fails_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pythons = {11: Path("/p/python3.11"), 13: Path("/p/python3.13")}
    monkeypatch.setattr(matrix, "find", lambda minor, places: pythons.get(minor))
    ran: list[tuple[int, Path, list[str]]] = []

    def run(minor: int, python: Path, tests: list[str]) -> bool:
        ran.append((minor, python, tests))
        return minor != 13

    monkeypatch.setattr(matrix, "run", run)
    assert matrix.main(["tests/test_cli.py"]) == 1
    assert ran == [(11, pythons[11], ["tests/test_cli.py"]), (13, pythons[13], ["tests/test_cli.py"])]
    said = capsys.readouterr().out
    assert "Python 3.11: passed in 0 s (/p/python3.11)" in said
    assert "Python 3.12: not found here\nPython 3.13: FAILED in 0 s" in said
    monkeypatch.setattr(matrix, "run", lambda *_: True)
    assert matrix.main([]) == 0
    pythons.clear()
    assert matrix.main([]) == 1
