"""The passwords that were right in the last minutes, so that each is hashed once and not at every login."""

import hashlib
import secrets
from collections import OrderedDict

from stocktrack.clock import Clock

REMEMBER_SECONDS = 600.0
MAX_REMEMBERED = 10_000


class RememberedPasswords:
    """Digests of right passwords under a key of this process; one that is used stays, others go after ten minutes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        # Until when each is remembered, the one to be forgotten first at the front.
        self._until: OrderedDict[bytes, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._until)

    def digest(self, name: str, password_hash: str, password: bytes) -> bytes:
        """What stands for this password with this hash of this name: another hash makes it another digest."""
        # Neither a name nor a hash can hold a NUL, so that no two logins make the same bytes.
        return hashlib.blake2b(
            b"\0".join((name.encode(), password_hash.encode(), password)), key=self._key, digest_size=32
        ).digest()

    def has(self, digest: bytes) -> bool:
        """Whether it is remembered; asking keeps it for another ten minutes."""
        is_remembered = self._until.get(digest, 0.0) > self._clock.monotonic()
        if is_remembered:
            self.add(digest)
        return is_remembered

    def add(self, digest: bytes) -> None:
        """Remember it from now on."""
        now = self._clock.monotonic()
        self._until[digest] = now + REMEMBER_SECONDS
        self._until.move_to_end(digest)
        while next(iter(self._until.values())) <= now or len(self._until) > MAX_REMEMBERED:
            self._until.popitem(last=False)
