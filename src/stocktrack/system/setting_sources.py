"""Where settings are written: the environment, `.env`, and TOML files. The server and the clients read them here.

A source is read when its turn comes, and the reader of a file is imported only where there is such a file: clients
have to start fast.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from stocktrack.errors import ConfigError
from stocktrack.system.addresses import DEFAULT_HOST, address_text

ENV_PREFIX = "STOCKTRACK_"
ENV_FILE = Path(".env")
ENVIRONMENT = "environment"  # how an error and `config show` call it
# Variables that users of a source have already, since its own libraries read them; each stands for a setting of ours.
_VARIABLES_OF_OTHERS = {"FINNHUB_API_KEY": "finnhub_api_key", "OPENALGO_API_KEY": "openalgo_api_key"}
# A name that says nothing of whose key it is. What it means is for `load_settings` to say, and only in `.env`.
_PLAIN_KEY = "API_KEY"


class ClientVariable(StrEnum):
    """The variables that only the clients read. The server knows their names, so that it does not warn of them."""

    USER = "STOCKTRACK_USER"
    PASSWORD = "STOCKTRACK_PASSWORD"  # noqa: S105 - a variable's name
    PASSWORD_FILE = "STOCKTRACK_PASSWORD_FILE"  # noqa: S105
    TOKEN_FILE = "STOCKTRACK_TOKEN_FILE"  # noqa: S105
    TLS = "STOCKTRACK_TLS"
    CA = "STOCKTRACK_CA"
    BELL = "STOCKTRACK_BELL"
    NOTIFY = "STOCKTRACK_NOTIFY"
    HOLDINGS = "STOCKTRACK_HOLDINGS"
    MOUSE = "STOCKTRACK_MOUSE"
    COLUMNS = "STOCKTRACK_COLUMNS"
    SORT = "STOCKTRACK_SORT"
    CURRENCY = "STOCKTRACK_CURRENCY"


@dataclass(frozen=True, slots=True)
class Source:
    """One place with settings: what an error calls it, and each value under the setting's name.

    `is_ours` where it holds nothing but settings, so that an unknown name is a mistake. `plain_key` is the variable
    `API_KEY` of a `.env`, and `redis_place` the address that `REDIS_HOST` and `REDIS_PORT` make, or empty.
    """

    origin: str
    values: Mapping[str, Any] = field(repr=False)  # keys and passwords are among them
    is_ours: bool = False
    plain_key: str = field(default="", repr=False)
    redis_place: str = ""


def user_config_file() -> Path:
    """Where the user's own TOML file is looked for, on every platform in its usual folder."""
    import platformdirs

    return platformdirs.user_config_path("stocktrack") / "config.toml"


def setting_sources(
    environment: Mapping[str, str] = os.environ,
    *,
    env_file: Path = ENV_FILE,
    config_file: Path | None = None,
    user_file: Path | None = None,
) -> Iterator[Source]:
    """The sources that there are, the strongest first; `ConfigError` names a file that cannot be read.

    `config_file` must exist. `user_file` is the user's own file where it is not `user_config_file()`.
    """
    yield Source(ENVIRONMENT, _of_variables(environment), redis_place=_redis_place(environment))
    if env_file.is_file():
        variables = _read_env(env_file)
        yield Source(
            str(env_file),
            _of_variables(variables),
            plain_key=variables.get(_PLAIN_KEY, "").strip(),
            redis_place=_redis_place(variables),
        )
    if config_file is not None:
        yield Source(str(config_file), _read_toml(config_file), is_ours=True)
    own_file = user_file or user_config_file()
    if own_file.is_file():
        yield Source(str(own_file), _read_toml(own_file), is_ours=True)


def _of_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """`{"port": "7000"}` of `STOCKTRACK_PORT=7000`, in either case; the variables of others are left out.

    Those of `_VARIABLES_OF_OTHERS` are taken where ours is not there or empty, as a compose file may leave it.
    """
    prefix = ENV_PREFIX.lower()
    lowered = ((variable.lower(), value) for variable, value in variables.items())
    values = {variable.removeprefix(prefix): value for variable, value in lowered if variable.startswith(prefix)}
    for variable, name in _VARIABLES_OF_OTHERS.items():
        if not values.get(name, "").strip():
            values.pop(name, None)
            if value := variables.get(variable, "").strip():
                values[name] = value
    return values


def _redis_place(variables: Mapping[str, str]) -> str:
    """The address that `REDIS_HOST` and `REDIS_PORT` make, each of which will do; empty without both."""
    host, port = (variables.get(name, "").strip() for name in ("REDIS_HOST", "REDIS_PORT"))
    if not (host or port):
        return ""
    # Kubernetes sets REDIS_PORT to tcp://10.0.0.7:6379 where a service is called redis.
    port = port.rpartition(":")[2] or "6379"
    return f"redis://{address_text(host or DEFAULT_HOST, 0).removesuffix(':0')}:{port}"


def _read_env(path: Path) -> dict[str, str]:
    from dotenv import dotenv_values

    try:
        values = dotenv_values(path, encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8: {error.reason} at byte {error.start}.") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
    return {variable: value for variable, value in values.items() if value is not None}


def _read_toml(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}.") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
