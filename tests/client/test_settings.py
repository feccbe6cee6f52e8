from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stocktrack.client.settings import (
    ClientSettings,
    CredentialsMissingError,
    ask_for_credentials,
    load_client_settings,
)
from stocktrack.errors import ConfigError


def test_without_anything_it_is_this_machine_and_nobody() -> None:
    settings = load_client_settings(environment={})

    assert settings == ClientSettings("127.0.0.1", 65_432, is_default=True)
    assert settings.address == "127.0.0.1:65432"


def test_a_flag_is_stronger_than_the_environment() -> None:
    environment = {
        "STOCKTRACK_HOST": "there",
        "STOCKTRACK_PORT": "1000",
        "STOCKTRACK_USER": "bob",
        "STOCKTRACK_PASSWORD": "secret",
    }

    assert load_client_settings(environment=environment) == ClientSettings("there", 1000, "bob", "secret")
    settings = load_client_settings(host="::1", port=2000, username="ann", environment=environment)
    assert settings == ClientSettings("::1", 2000, "ann", "secret")
    assert settings.address == "[::1]:2000"


def in_env_file(folder: Path, name: str, value: str) -> dict[str, Any]:
    """What the loader is given where `.env` sets the setting; the others like it."""
    file = folder / ".env"
    file.write_text(f"STOCKTRACK_{name.upper()}={value}\n", encoding="utf-8")
    return {"env_file": file, "user_file": folder / "none.toml"}


def in_own_toml(folder: Path, name: str, value: str) -> dict[str, Any]:
    file = folder / "config.toml"
    file.write_text(f"{name} = {value if value.isdigit() else repr(value)}\n", encoding="utf-8")
    return {"env_file": folder / "none.env", "user_file": file}


@pytest.mark.parametrize("write", [in_env_file, in_own_toml])
def test_the_address_is_that_of_the_files_that_serve_reads(
    tmp_path: Path, write: Callable[[Path, str, str], dict[str, Any]]
) -> None:
    files = write(tmp_path, "port", "7000")
    there = {"STOCKTRACK_HOST": "there"}

    assert load_client_settings(environment={}, **files) == ClientSettings("127.0.0.1", 7000)
    assert load_client_settings(environment=there, **files) == ClientSettings("there", 7000)
    assert load_client_settings(environment={"STOCKTRACK_PORT": "1000"}, **files) == ClientSettings("127.0.0.1", 1000)
    assert load_client_settings(port=2000, environment={}, **files) == ClientSettings("127.0.0.1", 2000)
    assert load_client_settings(environment={}, **write(tmp_path, "host", "0.0.0.0")) == ClientSettings(  # noqa: S104
        "127.0.0.1", 65_432
    )


@pytest.mark.parametrize("write", [in_env_file, in_own_toml])
@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_a_port_that_is_none_is_named_with_its_file(
    tmp_path: Path, port: str, write: Callable[[Path, str, str], dict[str, Any]]
) -> None:
    files = write(tmp_path, "port", port)
    with pytest.raises(
        ConfigError, match=rf"port = '?{port}'? \(from {tmp_path}.*\): a port is a number from 1 to 65535"
    ):
        load_client_settings(environment={}, **files)


@pytest.mark.parametrize("value", ["true", "['a']", "1.5", "{ a = 1 }"])
def test_a_value_of_another_kind_is_an_error_too(tmp_path: Path, value: str) -> None:
    file = tmp_path / "config.toml"
    for name in ("host", "port"):
        file.write_text(f"{name} = {value}\n", encoding="utf-8")
        with pytest.raises(ConfigError, match=rf"^{name} = .* \(from {file}\): a {name} is "):
            load_client_settings(environment={}, env_file=tmp_path / "none", user_file=file)


@pytest.mark.parametrize(
    ("flags", "environment", "is_default"),
    [
        ({}, {}, True),
        ({}, {"STOCKTRACK_USER": "ann", "STOCKTRACK_PASSWORD": "secret"}, True),
        ({}, {"STOCKTRACK_HOST": "", "STOCKTRACK_PORT": ""}, True),
        ({"host": "127.0.0.1"}, {}, False),
        ({"port": 65_432}, {}, False),
        ({}, {"STOCKTRACK_HOST": "127.0.0.1"}, False),
        ({}, {"STOCKTRACK_PORT": "65432"}, False),
        ({"username": "ann"}, {}, False),
        ({"tls": True}, {}, False),
        ({"ca": "a.pem"}, {}, False),
    ],
)
def test_it_is_known_whether_anybody_named_a_server(
    tmp_path: Path, flags: dict[str, Any], environment: dict[str, str], is_default: bool
) -> None:
    none: dict[str, Any] = {"env_file": tmp_path / "none", "user_file": tmp_path / "none"}
    assert load_client_settings(**flags, environment=environment, **none).is_default is is_default


def test_a_label_is_what_screens_call_a_server() -> None:
    assert ClientSettings("h", 1, "ann", "secret", label="private · Yahoo").who == "private · Yahoo"


@pytest.mark.parametrize(("bound", "called"), [("0.0.0.0", "127.0.0.1"), ("::", "::1")])  # noqa: S104 - not bound here
def test_what_serve_binds_to_all_networks_is_called_on_this_machine(bound: str, called: str) -> None:
    assert load_client_settings(environment={"STOCKTRACK_HOST": bound}).host == called


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1", "١٢", "1e3"])
def test_a_port_that_is_none_is_named(port: str) -> None:
    with pytest.raises(ConfigError, match=r"STOCKTRACK_PORT = .* 1 to 65535"):
        load_client_settings(environment={"STOCKTRACK_PORT": port})


def test_a_password_file_is_read_up_to_its_first_lines_end(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("pass word \nsecond\n")
    file.chmod(0o600)

    assert load_client_settings(environment={"STOCKTRACK_PASSWORD_FILE": str(file)}).password == "pass word "


def test_a_password_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("secret")
    file.chmod(0o640)

    with pytest.raises(ConfigError, match="chmod 600"):
        load_client_settings(environment={"STOCKTRACK_PASSWORD_FILE": str(file)})


@pytest.mark.parametrize(("content", "sentence"), [(b"", "is empty"), (b"\n", "is empty"), (b"\xff\n", "not UTF-8")])
def test_a_password_file_without_a_password_is_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    file = tmp_path / "password"
    file.write_bytes(content)
    file.chmod(0o600)

    with pytest.raises(ConfigError, match=sentence):
        load_client_settings(environment={"STOCKTRACK_PASSWORD_FILE": str(file)})


def test_a_password_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_client_settings(environment={"STOCKTRACK_PASSWORD_FILE": str(tmp_path / "none")})


def test_the_password_is_not_in_the_repr() -> None:
    assert "secret" not in repr(ClientSettings("h", 1, "ann", "secret"))


def test_what_is_complete_is_not_asked_for() -> None:
    settings = ClientSettings("h", 1, "ann", "secret")

    assert ask_for_credentials(settings) is settings


@pytest.mark.parametrize(("username", "missing"), [(None, "no user name"), ("ann", "no password")])
def test_without_a_terminal_what_is_missing_is_named(username: str | None, missing: str) -> None:
    with pytest.raises(CredentialsMissingError, match=missing):
        ask_for_credentials(ClientSettings("h", 1, username))


@pytest.mark.parametrize(
    ("flags", "environment", "tls", "ca"),
    [
        ({}, {}, False, None),
        ({"tls": True}, {}, True, None),
        ({}, {"STOCKTRACK_TLS": "true"}, True, None),
        ({}, {"STOCKTRACK_TLS": "1"}, True, None),
        ({}, {"STOCKTRACK_TLS": "Off"}, False, None),
        ({"ca": "a.pem"}, {}, True, "a.pem"),
        ({}, {"STOCKTRACK_CA": "a.pem"}, True, "a.pem"),
        ({"ca": "b.pem"}, {"STOCKTRACK_CA": "a.pem"}, True, "b.pem"),
        ({"tls": False}, {"STOCKTRACK_CA": "a.pem"}, False, None),
        ({"tls": False}, {"STOCKTRACK_TLS": "true"}, False, None),
        ({}, {"STOCKTRACK_CA": "a.pem", "STOCKTRACK_TLS": "false"}, False, None),
        ({"ca": "a.pem"}, {"STOCKTRACK_TLS": "false"}, True, "a.pem"),
        ({"tls": True}, {"STOCKTRACK_TLS": "false", "STOCKTRACK_CA": "a.pem"}, True, "a.pem"),
    ],
)
def test_tls_is_used_where_it_is_asked_for_or_a_file_to_trust_is_named(
    flags: dict[str, Any], environment: dict[str, str], tls: bool, ca: str | None
) -> None:
    settings = load_client_settings(**flags, environment=environment)
    assert (settings.tls, settings.ca) == (tls, ca)


def test_a_wrong_value_for_tls_is_an_error_that_names_the_variable() -> None:
    with pytest.raises(ConfigError, match="STOCKTRACK_TLS = 'maybe'"):
        load_client_settings(environment={"STOCKTRACK_TLS": "maybe"})
