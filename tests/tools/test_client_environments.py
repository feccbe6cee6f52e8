"""The real clients' environments: made once from their pins, made anew where broken, and named where not."""

import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import client_environments
import registries
from black_hole import black_hole
from client_environments import is_there, main, make_all, names, python_of
from requirements import require

PINNED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[0-9][0-9A-Za-z.+!]*")


def wheel(folder: Path, name: str, version: str) -> None:
    """A package of one module that holds its version."""
    about = f"{name}-{version}.dist-info"
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}.py", f"version = {version!r}\n")
        file.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        file.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{about}/RECORD", "")


@pytest.fixture
def pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the pins, empty; pip finds the packages `tiny` 1.0 and 2.0 and no others."""
    folder = tmp_path / "pins"
    folder.mkdir()
    for version in ("1.0", "2.0"):
        wheel(tmp_path / "wheels", "tiny", version)
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL", "PIP_CONSTRAINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setattr(client_environments, "PINS", folder)
    monkeypatch.setattr(client_environments, "HOME", tmp_path / ".clients")
    return folder


def version_in(name: str) -> str:
    code = "import tiny; print(tiny.version)"
    done = subprocess.run([str(python_of(name)), "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - ours
    return done.stdout.strip()


def test_a_client_is_installed_in_its_pinned_version_and_a_second_run_does_nothing(
    pins: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pins / "one.txt").write_text("# Why it is there.\ntiny==1.0\n")
    assert not is_there("one")
    assert (main(), names(), version_in("one")) == (0, ["one"], "1.0")
    assert capsys.readouterr().err == "Installing the client one into .clients/one (once) ...\n"
    made_at = python_of("one").lstat().st_mtime_ns
    assert (main(), capsys.readouterr().err) == (0, "")
    assert python_of("one").lstat().st_mtime_ns == made_at


@pytest.mark.parametrize("broken", ["half", "file", "interpreter"])
def test_what_is_broken_is_made_anew(pins: Path, broken: str) -> None:
    (pins / "one.txt").write_text("tiny==1.0\n")
    folder = client_environments.HOME / "one"
    match broken:
        case "half":  # as a set-up leaves it that was ended in the middle
            (folder / "bin").mkdir(parents=True)
            (folder / "bin" / "python").write_text("no program")
        case "file":
            client_environments.HOME.mkdir()
            folder.write_text("no folder")
        case _:  # the interpreter that it was made with was taken off the machine
            assert main() == 0
            python_of("one").unlink()
    assert not is_there("one")
    assert (main(), version_in("one")) == (0, "1.0")


def test_another_python_makes_it_anew_and_none_is_asked_whether_it_is_there(pins: Path) -> None:
    (pins / "one.txt").write_text("tiny==1.0\n")
    assert main() == 0
    library = client_environments.HOME / "one" / "lib"
    [ours] = library.iterdir()
    ours.rename(library / "python3.1")
    assert is_there("one")
    assert (main(), version_in("one")) == (0, "1.0")


def test_other_pins_make_it_anew(pins: Path) -> None:
    (pins / "one.txt").write_text("tiny==1.0\n")
    assert main() == 0
    (pins / "one.txt").write_text("tiny==2.0\n")
    assert not is_there("one")
    assert (main(), version_in("one")) == (0, "2.0")


def test_what_cannot_be_had_is_named_and_keeps_no_other_away(pins: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (pins / "a.txt").write_text("tiny==3.0\n")
    (pins / "b.txt").write_text("tiny==1.0\n")
    assert main() == 1
    assert (is_there("a"), version_in("b")) == (False, "1.0")
    [said] = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("Installing")]
    assert said.startswith("The client a could not be had, and the tests with it will say so. pip failed: ERROR: ")
    assert "tiny==3.0" in said


def test_only_those_that_are_asked_for_are_made_and_an_unknown_one_is_told(
    pins: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two"):
        (pins / f"{name}.txt").write_text("tiny==1.0\n")
    assert (main("two"), is_there("one"), is_there("two")) == (0, False, True)
    capsys.readouterr()
    assert main("three") == 2
    assert capsys.readouterr().err == "There are no pins of three; there are of one, two.\n"


@pytest.fixture
def silent_index(pins: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    for name in ("one", "two"):
        (pins / f"{name}.txt").write_text("tiny==1.0\n")
    with black_hole() as address:
        monkeypatch.setenv("PIP_INDEX_URL", address)
        yield pins


@pytest.mark.usefixtures("silent_index")
def test_an_index_that_stays_silent_is_asked_for_the_first_one_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    impatient = {**registries.pip_environment(), "PIP_TIMEOUT": "0.1", "PIP_DEFAULT_TIMEOUT": "0.1", "PIP_RETRIES": "1"}
    monkeypatch.setattr(client_environments, "pip_environment", lambda: impatient)
    asked: list[str] = []
    really_make = client_environments.make

    def make(name: str, until: float) -> None:
        asked.append(name)
        really_make(name, until)

    monkeypatch.setattr(client_environments, "make", make)
    missing = make_all(["one", "two"])
    assert missing == dict.fromkeys(["one", "two"], "The package index cannot be reached, or stays silent.")
    assert asked == ["one"]


@pytest.mark.usefixtures("silent_index")
def test_all_together_take_no_longer_than_they_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_environments, "SECONDS", 1.0)
    missing = make_all(["one", "two"])
    assert set(missing) == {"one", "two"}
    assert all(why.endswith(" was not done in time: all together may take 1 s.") for why in missing.values())


# --- the pins themselves ---


@pytest.mark.parametrize("name", names())
def test_the_pins_are_exact_versions_under_a_sentence_that_says_what_for(name: str) -> None:
    first, *rest = (client_environments.PINS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    assert re.fullmatch(r"# [A-Z].*\.", first)
    assert rest
    assert [line for line in rest if not line.startswith("#") and not PINNED.fullmatch(line)] == []


@pytest.mark.parametrize("name", names())
def test_the_pins_of_a_client_leave_nothing_out_that_it_needs(name: str) -> None:
    require(is_there(name), f"the client {name} (`make clients`)")
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python_of(name)), "check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert done.returncode == 0, done.stdout


def test_the_time_for_all_of_them_is_under_three_minutes() -> None:
    assert client_environments.SECONDS < 180
