"""Who a session is: the user whose login opened it, and whether that login still counts."""

import base64
import secrets
from dataclasses import dataclass
from enum import StrEnum

from stocktrack.scopes import Scope
from stocktrack.storage.store import UserRow

_ID_BYTES = 5


def new_token_id() -> str:
    """A name for a token that is short enough to type; it opens nothing, and nobody can count the tokens by it."""
    return f"k{base64.b32encode(secrets.token_bytes(_ID_BYTES)).decode().lower()}"


class LoginEnd(StrEnum):
    """Why a login counts no longer, as the trail tells it."""

    REMOVED = "removed"
    DISABLED = "disabled"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a word of the log, as the following are
    TOKEN_EXPIRED = "token_expired"  # noqa: S105
    TOKEN_REVOKED = "token_revoked"  # noqa: S105

    @property
    def sentence(self) -> str:
        """The same as the client is told it."""
        return _SENTENCES[self]


_SENTENCES = {
    LoginEnd.REMOVED: "The user was removed.",
    LoginEnd.DISABLED: "The user was disabled. Ask whoever runs the server.",
    LoginEnd.PASSWORD_CHANGED: "The password was changed or the login was revoked: log in again.",
    LoginEnd.TOKEN_EXPIRED: "The token of this session has expired: log in again.",
    LoginEnd.TOKEN_REVOKED: "The token of this session was revoked: log in again.",
}


@dataclass(frozen=True, slots=True)
class HeldToken:
    """The token that was logged in with; `token_id` is None for one that is older than the table of tokens."""

    token_id: str | None
    scope: Scope
    expires_at_ms: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Identity:
    """A user at the moment of a login; `token` is None where it was no token that opened the session.

    `is_listed` says that the name was enough, since it is on the allowlist and has no password.
    A name can be given to another person. So what counts is the row: its id, which no other user ever gets, and the
    number in it that rises with each change of the password, or with each revocation of all tokens.
    """

    user_id: int
    name: str
    created_at_ms: int
    password_epoch: int
    token: HeldToken | None = None
    is_listed: bool = False

    @classmethod
    def of(cls, user: UserRow, token: HeldToken | None = None, *, is_listed: bool = False) -> "Identity":
        """The identity of `user` as it is now."""
        return cls(user.id, user.name, user.created_at_ms, user.password_epoch, token, is_listed)

    @property
    def scope(self) -> Scope:
        """What the session may do."""
        return Scope.FULL if self.token is None else self.token.scope

    def why_ended(self, user: UserRow | None, now_ms: int) -> LoginEnd | None:
        """Why the login counts no longer; None where it does. `user` is its name's row now."""
        if user is None or (user.id, user.created_at_ms) != (self.user_id, self.created_at_ms):
            return LoginEnd.REMOVED
        if user.is_disabled:
            return LoginEnd.DISABLED
        token = self.token
        if token is None:
            if user.password_epoch != self.password_epoch:
                return LoginEnd.PASSWORD_CHANGED
        elif now_ms >= token.expires_at_ms:
            return LoginEnd.TOKEN_EXPIRED
        elif user.token_epoch != token.epoch or not (token.token_id is None or token.token_id in user.token_ids):
            return LoginEnd.TOKEN_REVOKED
        return None

    def counts(self, user: UserRow | None, now_ms: int) -> bool:
        """Whether the login still counts."""
        return self.why_ended(user, now_ms) is None
