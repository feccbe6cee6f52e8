"""Tokens: what a client logs in with instead of a password, and the secret that this server signs them with.

A token is a JSON Web Token (RFC 7519), signed with HS256 and read by no other algorithm, whatever its header asks for.
It carries the user's name, when that user was added, and the user's token epoch: a token is valid as long as all three
are those of the row in the database. So removing the user ends the tokens, and so does raising the epoch. It also has
the id by which it stands in the table of tokens, and ends when it is taken out of there; tokens that were made before
there was such a table have no id, and are valid all the same.
"""

import contextlib
import hashlib
import os
import secrets
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import jwt

from stocktrack.clock import Clock
from stocktrack.errors import ConfigError
from stocktrack.scopes import Scope
from stocktrack.storage.store import TokenRow
from stocktrack.system.files import write_private_file

ISSUER = "stocktrack"
DAY_SECONDS = 86_400
MIN_SECRET_BYTES = 32  # as long as the hash: RFC 7518, section 3.2
_MAX_SECRET_BYTES = 4_096
_ALGORITHM = "HS256"
_OPTIONS: Any = {
    "require": ["iss", "sub", "iat", "exp", "since", "epoch"],
    # The clock is this program's, so that a test can move it.
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
}


class Claims(NamedTuple):
    """Whose token it is, the first three of which have to be those of the user's row; and which, until when, for what.

    An old one has no id, and may do everything.
    """

    name: str
    created_at_ms: int
    epoch: int
    expires_at_ms: int
    token_id: str | None = None
    scope: Scope = Scope.FULL


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new token, and what is told with it; the text stays out of every repr, and so out of logs."""

    text: str = field(repr=False)
    expires_at_ms: int
    token_id: str
    name: str | None = None
    scope: Scope = Scope.FULL


class TokenSigner:
    """Makes and reads tokens with one secret; whether the user still exists is for the caller to see."""

    def __init__(self, secret: bytes, clock: Clock) -> None:
        # A key of the right length, however long the secret in the file is.
        self._key = hashlib.sha256(secret).digest()
        self._clock = clock

    def expiry_ms(self, days: int) -> int:
        """Until when a token is valid that is made now for so many days: a whole second, as it stands in the token."""
        return (self._clock.now_ms() // 1000 + days * DAY_SECONDS) * 1000

    def make(self, name: str, created_at_ms: int, epoch: int, token: TokenRow) -> IssuedToken:
        """A token of a user, as it stands in the table; it expires at a whole second, such as `expiry_ms` tells."""
        payload = {
            "iss": ISSUER,
            "sub": name,
            "iat": token.created_at_ms // 1000,
            "exp": token.expires_at_ms // 1000,
            "since": created_at_ms,
            "epoch": epoch,
            "jti": token.token_id,
            "scope": token.scope,
        }
        text = jwt.encode(payload, self._key, algorithm=_ALGORITHM)
        return IssuedToken(text, token.expires_at_ms, token.token_id, token.name, token.scope)

    def read(self, text: str) -> Claims | None:
        """The claims of a token that this server signed and that has not expired; None for anything else."""
        try:
            payload = jwt.decode(text, self._key, algorithms=[_ALGORITHM], issuer=ISSUER, options=_OPTIONS)
            name, since, epoch, expires = (payload[claim] for claim in ("sub", "since", "epoch", "exp"))
            scope = Scope(payload["scope"] if "jti" in payload else Scope.FULL)
        except (jwt.PyJWTError, KeyError, ValueError, RecursionError):  # the last two for what only looks like one
            return None
        token_id = payload.get("jti")  # a text, by the library's own rule
        is_whole = isinstance(since, int) and isinstance(epoch, int) and isinstance(expires, int)
        if not is_whole or self._clock.now_ms() >= expires * 1000:
            return None
        return Claims(name, since, epoch, expires * 1000, token_id, scope)


def open_signer(path: Path, clock: Clock, *, is_loopback: bool, warn: Callable[[str], object]) -> TokenSigner:
    """The signer by the secret in the file `path`, which is made at first use in a folder that exists.

    `ConfigError` where the secret cannot be read, or is weak while the server listens on a network; a weak one on
    loopback is told to `warn`, and one that others can read is taken away from them there.
    """
    try:
        if not path.exists():
            # Where another process makes one at this moment, that one counts.
            secret_text = secrets.token_hex(MIN_SECRET_BYTES) + "\n"
            write_private_file(path, f"The secret of the tokens, {path},", secret_text, replaces=False)
        secret, mode = _read_secret(path)
    except OSError as error:
        raise ConfigError(f"The secret of the tokens, {path}, cannot be used: {error.strerror}.") from None
    weakness = _weakness(path, secret, mode)
    if weakness is not None:
        if not is_loopback or not secret:
            raise ConfigError(weakness)
        warn(weakness)
        if stat.S_IMODE(mode) & 0o077:
            with contextlib.suppress(OSError):
                path.chmod(0o600)
    return TokenSigner(secret, clock)


def _read_secret(path: Path) -> tuple[bytes, int]:
    """The secret and the mode of its file; the open file is asked, since a name can mean another one a moment later."""
    with path.open("rb") as file:
        return file.read(_MAX_SECRET_BYTES).strip(), os.fstat(file.fileno()).st_mode


def _weakness(path: Path, secret: bytes, mode: int) -> str | None:
    """What is wrong with the secret and how to mend it, as a sentence."""
    if len(secret) < MIN_SECRET_BYTES:
        return (
            f"The secret of the tokens, {path}, has {len(secret)} bytes; at least {MIN_SECRET_BYTES} are needed. "
            "Remove the file and a good one is made; tokens made so far end with it."
        )
    if stat.S_IMODE(mode) & 0o077:
        return (
            f"The secret of the tokens, {path}, can be read by others. Change that with: chmod 600 {path}; and where "
            "others had a chance to read it, remove the file instead: a new one is made, and old tokens end."
        )
    return None
