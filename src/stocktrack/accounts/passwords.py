"""Passwords: what a new one must be, how it is hashed, and the threads that do it.

A hash costs a tenth of a second and 64 MiB, and that is its point. So hashes are made in threads of their own, two at
once, and nowhere else.
"""

import contextlib
from typing import Protocol

import argon2
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from stocktrack.errors import CommandError, Reason
from stocktrack.system.blocking import BlockingPool

MAX_PASSWORD_CHARS = 1024  # as in AUTH
SHORT_PASSWORD_CHARS = 8  # NIST SP 800-63B asks for at least so many
HASHES_AT_ONCE = 2
HASHING_NICENESS = 5  # argon2 makes four threads of each, and they must not hold up the prices


class PasswordHasher(Protocol):
    """What is asked of a password hash; each call takes long and is made in a thread."""

    def hash(self, password: bytes) -> str:
        """A new salted hash."""
        ...

    def matches(self, password_hash: str, password: bytes) -> bool:
        """Whether it is the password of the hash; `ValueError` where the two cannot be compared."""
        ...

    def is_outdated(self, password_hash: str) -> bool:
        """Whether a hash made today would have other parameters."""
        ...


class Argon2Hasher:
    """Argon2id with the parameters that its library recommends now (RFC 9106, low memory)."""

    def __init__(self) -> None:
        self._argon2 = argon2.PasswordHasher()

    def hash(self, password: bytes) -> str:
        """A new salted hash."""
        return self._argon2.hash(password)

    def matches(self, password_hash: str, password: bytes) -> bool:
        """Whether it is the password of the hash; `ValueError` where the two cannot be compared."""
        try:
            return self._argon2.verify(password_hash, password)
        except VerifyMismatchError:
            return False
        except (InvalidHashError, VerificationError) as error:
            raise ValueError(str(error) or "what is stored is no argon2 hash") from None

    def is_outdated(self, password_hash: str) -> bool:
        """Whether a hash made today would have other parameters."""
        return self._argon2.check_needs_rehash(password_hash)


class HashingPool:
    """The threads in which `hasher` works, behind the rest of the process; used from one event loop."""

    def __init__(self, hasher: PasswordHasher) -> None:
        self._hasher = hasher
        self._pool = BlockingPool("password", HASHES_AT_ONCE, niceness=HASHING_NICENESS)

    async def hash(self, password: bytes) -> str:
        """A new salted hash."""
        return await self._pool.run(self._hasher.hash, password)

    async def matches(self, password_hash: str, password: bytes) -> bool:
        """Whether it is the password of the hash; `ValueError` where the two cannot be compared."""
        return await self._pool.run(self._hasher.matches, password_hash, password)

    def is_outdated(self, password_hash: str) -> bool:
        """Whether a hash made today would have other parameters."""
        return self._hasher.is_outdated(password_hash)

    def close(self) -> None:
        """Let the threads end; calls that come later are a `RuntimeError`."""
        self._pool.close()


def checked_password(password: str) -> bytes:
    """A new password as it is hashed; `CommandError`, which does not show it, where it cannot be one."""
    if not 1 <= len(password) <= MAX_PASSWORD_CHARS:
        raise CommandError(Reason.INVALID_COMMAND, f"A password is 1 to {MAX_PASSWORD_CHARS} characters long.")
    with contextlib.suppress(UnicodeEncodeError):
        return password.encode()
    # Raised out here, because the codec's error holds the password and would come along as the context of this one.
    raise CommandError(Reason.INVALID_COMMAND, "A password is Unicode text; the one given is not.")


def password_hint(password: str) -> str | None:
    """A sentence for whoever chose a weak password; it is a hint, not a rule."""
    if len(password) < SHORT_PASSWORD_CHARS:
        return f"This password is short; {SHORT_PASSWORD_CHARS} characters or more are harder to guess."
    return None
