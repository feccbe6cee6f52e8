"""What the set-up does where a registry takes the connection and then stays silent: it says so, and soon."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import node_packages
import npm
import registries
import set_up
import vendor_page
from black_hole import black_hole
from requirements import require


@pytest.fixture
def silent_npm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    require(npm.npm_command() is not None, "npm")
    # What the machine has stored would be an answer.
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    with black_hole() as address:
        monkeypatch.setenv("npm_config_registry", address)
        yield address


@pytest.fixture
def silent_index(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    with black_hole() as address:
        monkeypatch.setenv("PIP_INDEX_URL", address)
        yield address


def test_all_that_is_waited_for_stays_within_a_minute() -> None:
    tries = int(registries.pip_environment()["PIP_RETRIES"]) + 1
    assert tries * int(registries.pip_environment()["PIP_TIMEOUT"]) <= 45
    assert registries.pip_environment()["PIP_DEFAULT_TIMEOUT"] == registries.pip_environment()["PIP_TIMEOUT"]
    assert set_up.FIRST_ANSWER_SECONDS <= 45
    given = dict(argument.split("=") for argument in registries.NPM_ARGUMENTS)
    assert (
        (int(given["--fetch-retries"]) + 1) * int(given["--fetch-timeout"]) <= registries.NPM_SECONDS * 1000 <= 45_000
    )


def test_the_pages_modules_are_left_out_with_one_sentence_where_npms_registry_is_silent(
    silent_npm: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(npm, "NPM_ARGUMENTS", ("--fetch-timeout=100", "--fetch-retries=0"))
    monkeypatch.setattr(vendor_page, "VENDOR", tmp_path / "vendor")
    monkeypatch.setattr(vendor_page, "_is_complete", lambda *_: False)
    assert vendor_page.main() == 0
    doing, why = capsys.readouterr().err.splitlines()
    assert doing == "Fetching the page's JavaScript modules ..."
    assert why.startswith("The page's JavaScript modules are left out, and the server will say so. npm failed")
    assert silent_npm in why
    assert not (tmp_path / "vendor").exists()


def test_an_npm_that_waits_all_the_same_is_ended(
    silent_npm: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(npm, "NPM_SECONDS", 0.5)
    (tmp_path / "package.json").write_bytes((node_packages.CLIENTS / "package.json").read_bytes())
    (tmp_path / node_packages.LOCK).write_bytes((node_packages.CLIENTS / node_packages.LOCK).read_bytes())
    with pytest.raises(npm.NpmError, match=r"npm was not done within 0.5 s: its registry may not answer"):
        npm.install_locked(tmp_path, npm.npm_command())


def test_without_npm_the_set_up_says_so_in_a_sentence_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(npm, "npm_command", lambda: None)
    monkeypatch.setattr(node_packages, "WHAT_FOR", {tmp_path / "one": "one thing", tmp_path / "other": "another"})
    assert node_packages.main() == 0
    doing, why = capsys.readouterr().err.splitlines()
    assert doing == "Fetching one thing (once) ..."
    assert why.startswith("What needs them is left out. There is no npm here.")


def test_packages_of_npm_are_left_out_with_one_sentence_and_then_count_as_missing(
    silent_npm: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(npm, "NPM_ARGUMENTS", ("--fetch-timeout=100", "--fetch-retries=0"))
    for name in ("package.json", node_packages.LOCK):
        (tmp_path / name).write_bytes((node_packages.CLIENTS / name).read_bytes())
    assert not node_packages.bring(tmp_path, "what is asked for here")
    doing, why = capsys.readouterr().err.splitlines()
    assert doing == "Fetching what is asked for here (once) ..."
    assert why.startswith("What needs them is left out. npm failed")
    assert not node_packages.are_there(tmp_path)


@pytest.mark.parametrize("prefix", ["npm ERR!", "npm error"])  # Debian 12's npm 9, and newer ones
def test_what_npm_says_is_wrong_becomes_one_line_without_the_place_of_its_log(prefix: str) -> None:
    said = [
        f"{prefix} code FETCH_ERROR",
        f"{prefix} network timeout at: http://127.0.0.1:7/htm",
        "",
        f"{prefix} A complete log of this run can be found in:",
        f"{prefix}     /home/ann/.npm/_logs/debug-0.log",
    ]
    assert npm.reason("\n".join(said)) == "code FETCH_ERROR network timeout at: http://127.0.0.1:7/htm"
    assert npm.reason("") == "it said nothing of why"


def test_packages_of_another_lock_do_not_count(tmp_path: Path) -> None:
    (tmp_path / node_packages.STAMP).parent.mkdir()
    for file in (node_packages.LOCK, node_packages.STAMP):
        (tmp_path / file).write_text("{}")
    assert node_packages.are_there(tmp_path)
    (tmp_path / node_packages.LOCK).write_text('{"lockfileVersion": 3}')
    assert not node_packages.are_there(tmp_path)


@pytest.mark.parametrize("folder", node_packages.WHAT_FOR)
def test_no_lock_names_a_registry(folder: Path) -> None:
    assert '"resolved"' not in (folder / node_packages.LOCK).read_text(encoding="utf-8")


def test_a_silent_package_index_is_given_up_within_the_time_for_its_first_answer(silent_index: str) -> None:
    with pytest.raises(set_up.CannotInstallError, match=r"could not be fetched .* no answer within 0\.5 s\)"):
        set_up.pip_install(Path(sys.executable), ["--dry-run", "stocktrack-no-such-package"], 0.5)


@pytest.mark.usefixtures("silent_index")
def test_an_index_that_falls_silent_later_is_said_in_the_same_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    impatient = {**registries.pip_environment(), "PIP_TIMEOUT": "0.1", "PIP_DEFAULT_TIMEOUT": "0.1", "PIP_RETRIES": "1"}
    monkeypatch.setattr(set_up, "pip_environment", lambda: impatient)
    with pytest.raises(set_up.CannotInstallError) as caught:
        set_up.pip_install(Path(sys.executable), ["--dry-run", "stocktrack-no-such-package"], None)
    assert str(caught.value) == (
        "The Python packages could not be fetched from the package index (it cannot be reached, or stays silent). "
        "Look at the network and at `pip config list`, then run make again."
    )


def test_what_pip_has_against_something_else_is_told_in_its_words(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    with pytest.raises(set_up.CannotInstallError, match=r"(?s)pip could not install StockTrack:.*no-such-folder"):
        set_up.pip_install(Path(sys.executable), ["--no-index", "--dry-run", str(tmp_path / "no-such-folder")], None)
