import time
from pathlib import Path

import pytest

from stocktrack.client.settings import ClientSettings, ask_for_credentials, ask_for_password, load_client_settings
from stocktrack.client.tokens import StoredToken, forget_token, store_token, stored_token, token_file
from stocktrack.errors import ConfigError


def in_an_hour() -> int:
    return round((time.time() + 3_600) * 1000)


def file_of(folder: Path, host: str = "127.0.0.1", port: int = 65_432) -> Path:
    return token_file(host, port, {"STOCKTRACK_DATA_DIR": str(folder)})


def test_a_token_is_stored_for_its_owner_alone_and_found_again(tmp_path: Path) -> None:
    path = file_of(tmp_path / "data")
    token = StoredToken("ann", "abc", in_an_hour())
    store_token(path, token)
    store_token(path, token)
    assert stored_token(path) == token
    assert [each.stat().st_mode & 0o777 for each in (path, path.parent, path.parent.parent)] == [0o600, 0o700, 0o700]
    assert list(path.parent.iterdir()) == [path]
    assert "abc" not in repr(token)


def test_each_server_has_its_own_token_whatever_its_name(tmp_path: Path) -> None:
    servers = (("a", 1), ("a", 2), ("::1", 1), ("../../etc", 1), ("b/c", 1))
    paths = {file_of(tmp_path, host, port) for host, port in servers}
    assert len(paths) == len(servers)
    assert {path.parent for path in paths} == {tmp_path / "tokens"}
    assert file_of(tmp_path, "A", 1) == file_of(tmp_path, "a", 1)


def test_no_token_an_expired_one_and_a_broken_file_are_none(tmp_path: Path) -> None:
    path = file_of(tmp_path)
    assert stored_token(path) is None
    store_token(path, StoredToken("ann", "abc", round(time.time() * 1000) - 1))
    assert stored_token(path) is None
    for content in ("", "{}", "[]", "null", '{"username":1,"token":2,"expires_at":"x"}'):
        path.write_text(content)
        assert stored_token(path) is None


def test_a_token_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = file_of(tmp_path)
    store_token(path, StoredToken("ann", "abc", in_an_hour()))
    path.chmod(0o644)
    with pytest.raises(ConfigError, match=r"can be read by others.*chmod 600"):
        stored_token(path)


def test_a_token_is_forgotten_once(tmp_path: Path) -> None:
    path = file_of(tmp_path)
    store_token(path, StoredToken("ann", "abc", in_an_hour()))
    assert (forget_token(path), forget_token(path)) == (True, False)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be stored"):
        store_token(file_of(tmp_path / "file"), StoredToken("ann", "abc", in_an_hour()))


# --- what the commands make of it ---


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClientSettings:
    """Settings of a server for which ann has a token."""
    monkeypatch.setenv("STOCKTRACK_DATA_DIR", str(tmp_path))
    store_token(token_file("there", 7), StoredToken("ann", "abc", in_an_hour()))
    return ClientSettings("there", 7)


def test_a_stored_token_is_used_where_no_password_is_given(stored: ClientSettings) -> None:
    settings = ask_for_credentials(stored)
    assert (settings.username, settings.password, settings.token) == ("ann", None, "abc")
    assert settings.who == "ann@there:7"
    assert "abc" not in repr(settings)


def test_a_password_is_stronger_than_a_stored_token(stored: ClientSettings) -> None:
    settings = ask_for_credentials(ClientSettings("there", 7, "ann", "secret"))
    assert (settings.password, settings.token) == ("secret", None)


def test_a_password_that_is_wanted_leaves_no_token_beside_it() -> None:
    settings = ask_for_password(ClientSettings("there", 7, "ann", "secret", "abc"))
    assert (settings.username, settings.password, settings.token) == ("ann", "secret", None)
    assert settings.client().address == "there:7"


def test_a_token_file_of_the_environment_needs_no_name(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("xyz\n")
    file.chmod(0o600)
    environment = {"STOCKTRACK_TOKEN_FILE": str(file)}
    settings = load_client_settings(environment=environment)
    assert (settings.token, ask_for_credentials(settings), settings.who) == ("xyz", settings, settings.address)
    with_password = load_client_settings(environment=environment | {"STOCKTRACK_PASSWORD": "secret"})
    assert (with_password.token, with_password.password) == (None, "secret")
    file.chmod(0o640)
    with pytest.raises(ConfigError, match=r"STOCKTRACK_TOKEN_FILE = .* can be read by others"):
        load_client_settings(environment=environment)
