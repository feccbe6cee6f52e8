"""Where the data folder is: the server's settings and the clients give one answer, whatever names it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from stocktrack.client.tokens import token_file
from stocktrack.config import load_settings
from stocktrack.errors import ConfigError
from stocktrack.system.data_folder import DataFolder, default_data_folder, find_data_folder
from stocktrack.system.setting_sources import user_config_file
from stocktrack.terminal.line_history import history_file


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty home, which is the current folder, and none of this machine's settings."""
    for variable in os.environ:
        if variable.upper().startswith(("STOCKTRACK_", "XDG_")):
            monkeypatch.delenv(variable)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def in_environment(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKTRACK_DATA_DIR", value)


def in_env_file(value: str, _: pytest.MonkeyPatch) -> None:
    write(Path(".env"), f"STOCKTRACK_DATA_DIR={value}\n")


def in_own_file(value: str, _: pytest.MonkeyPatch) -> None:
    write(user_config_file(), f'data_dir = "{value}"\n')


# The strongest first.
SOURCES = (in_environment, in_env_file, in_own_file)


def everybody() -> tuple[Path, ...]:
    """What the server, the tokens of the clients, and the prompt make of the sources that there are."""
    return (
        load_settings().settings.data_dir,
        find_data_folder(),
        token_file("there", 7).parent.parent,
        history_file().parent,
    )


@pytest.mark.parametrize("present", range(2 ** len(SOURCES)), ids=lambda bits: f"{bits:03b}")
def test_server_and_clients_take_the_strongest_of_the_sources_that_there_are(
    present: int, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    named = [source for index, source in enumerate(SOURCES) if present >> index & 1]
    for source in named:
        source(f"{home}/{source.__name__}", monkeypatch)

    expected = home / named[0].__name__ if named else default_data_folder()
    assert set(everybody()) == {expected}
    assert home in expected.parents


@pytest.mark.parametrize("value", ["kept", "./kept", "../kept", "~/kept", "a folder/with spaces"])
@pytest.mark.parametrize("source", SOURCES)
def test_server_and_clients_read_a_path_alike(
    source: Callable[[str, pytest.MonkeyPatch], None], value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source(value, monkeypatch)

    assert set(everybody()) == {Path(value)}


def test_the_variables_case_does_not_matter(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("stocktrack_data_dir", str(home / "kept"))

    assert set(everybody()) == {home / "kept"}


def complaints() -> set[str]:
    texts = set()
    for ask in (load_settings, find_data_folder, lambda: token_file("there", 7), history_file):
        with pytest.raises(ConfigError) as caught:
            ask()
        texts.add(str(caught.value))
    return texts


@pytest.mark.parametrize(
    ("source", "origin"), [(in_environment, "environment"), (in_env_file, ".env"), (in_own_file, None)]
)
def test_an_empty_name_is_no_folder_for_any_of_them(
    source: Callable[[str, pytest.MonkeyPatch], None], origin: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    source("", monkeypatch)

    assert complaints() == {f"data_dir = '' (from {origin or user_config_file()}): must be the path of a folder."}


def test_what_is_no_path_in_a_file_is_the_same_error_for_all_of_them() -> None:
    write(user_config_file(), "data_dir = 5")

    assert complaints() == {f"data_dir = 5 (from {user_config_file()}): must be the path of a folder."}


def test_a_file_that_cannot_be_read_is_the_same_error_for_all_of_them() -> None:
    write(user_config_file(), "data_dir = ")

    (text,) = complaints()
    assert text.startswith(f"{user_config_file()} is not TOML: ")


def test_a_weaker_source_is_not_looked_at(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    write(user_config_file(), "this is no TOML")
    monkeypatch.setenv("STOCKTRACK_DATA_DIR", str(home / "kept"))

    assert find_data_folder() == home / "kept"


# --- who else may read it -------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "folder"
    path.mkdir()
    path.chmod(0o755)
    return path


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("names", [(), ("stocktrack.db",), ("server.lock", "something else")])
@pytest.mark.parametrize("mode", [0o755, 0o750, 0o707, 0o710])
def test_a_folder_of_ours_that_others_may_use_is_taken_from_them_with_a_sentence(
    folder: Path, names: tuple[str, ...], mode: int
) -> None:
    for name in names:
        (folder / name).touch()
    folder.chmod(mode)
    told: list[str] = []
    for _ in range(2):
        DataFolder(folder, told.append).make()
    assert mode_of(folder) == 0o700
    assert len(told) == 1
    assert f"data_dir = '{folder}' can be used by others (mode {mode:04o})" in told[0]


def test_a_folder_for_others_that_holds_other_things_is_refused_and_left_as_it_is(folder: Path) -> None:
    (folder / "somebody's letters").touch()
    told: list[str] = []
    with pytest.raises(ConfigError, match=r"a folder of its own, such as STOCKTRACK_DATA_DIR=.*folder/stocktrack"):
        DataFolder(folder, told.append).lock()
    assert (mode_of(folder), told) == (0o755, [])
    assert [path.name for path in folder.iterdir()] == ["somebody's letters"]


def test_a_folder_in_which_only_a_private_server_was_is_one_of_ours(folder: Path) -> None:
    private = DataFolder(folder / "private", lambda _: None)
    private.lock()
    private.unlock()

    DataFolder(folder, lambda _: None).make()
    assert mode_of(folder) == 0o700


def test_a_folder_that_is_made_is_for_its_owner_alone_and_nothing_is_said(tmp_path: Path) -> None:
    told: list[str] = []
    DataFolder(tmp_path / "new" / "folder", told.append).make()
    assert (mode_of(tmp_path / "new" / "folder"), told) == (0o700, [])


def test_a_folder_that_is_shared_is_claimed_by_the_first_alone_and_then_by_the_next(tmp_path: Path) -> None:
    first, second, server = (DataFolder(tmp_path / "new", lambda _: None) for _ in range(3))
    assert first.share()
    assert not second.share()
    with pytest.raises(ConfigError, match=f"in use by another server, process {os.getpid()}"):
        server.lock()
    second.unlock()
    first.unlock()
    assert second.share()
    second.unlock()
    server.lock()
    server.unlock()
