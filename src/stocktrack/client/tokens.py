"""The tokens that `stocktrack login` stores for the client commands: one file a server, for its owner alone."""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from stocktrack.errors import ConfigError
from stocktrack.system.data_folder import find_data_folder
from stocktrack.system.files import read_private_file, write_private_file


@dataclass(frozen=True, slots=True)
class StoredToken:
    """A token, its user, and until when it is valid (epoch milliseconds)."""

    username: str
    token: str = field(repr=False)
    expires_at: int


def token_file(host: str, port: int, environment: Mapping[str, str] = os.environ) -> Path:
    """Where the token for a server is kept: in the data folder, like everything that StockTrack keeps."""
    return find_data_folder(environment) / "tokens" / f"{quote(host.lower(), safe=':')}-{port}.json"


def store_token(path: Path, token: StoredToken) -> None:
    """Store a token, whole or not at all; `ConfigError` where that fails."""
    content = {"username": token.username, "token": token.token, "expires_at": token.expires_at}
    try:
        path.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"The token cannot be stored in {path}: {error.strerror}.") from None
    write_private_file(path, f"The token file {path}", json.dumps(content), replaces=True)


def stored_token(path: Path) -> StoredToken | None:
    """The token in the file; None where there is no valid one. `ConfigError` where others can read the file."""
    if not path.exists():
        return None
    try:
        content = json.loads(read_private_file(path, f"The stored token {path}"))
        token = StoredToken(str(content["username"]), str(content["token"]), int(content["expires_at"]))
    except (ValueError, KeyError, TypeError):
        return None  # a damaged file is as good as none: `login` writes a new one
    return token if token.expires_at > time.time() * 1000 else None


def forget_token(path: Path) -> bool:
    """Remove the token, and say whether there was one."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ConfigError(f"The token in {path} cannot be removed: {error.strerror}.") from None
    return True
