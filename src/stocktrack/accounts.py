"""Who may log in: the users, their passwords, and how often a wrong one may be tried.

A login is the slow command: hashing a password costs a tenth of a second and 64 MiB. So at most two are hashed at
once, a password just found right is remembered for some minutes, equal tries wait for the first of them, and wrong
ones are counted. The user's row is read at every login: what another process changed counts at once.
"""

import asyncio
import contextlib
import hashlib
import math
import secrets
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Protocol
from weakref import WeakValueDictionary

import argon2
import structlog
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from pydantic import TypeAdapter, ValidationError

from stocktrack.blocking import BlockingPool
from stocktrack.clock import Clock
from stocktrack.errors import CommandError, Reason, StorageError
from stocktrack.messages import Username
from stocktrack.store import Store, UserRow

log = structlog.get_logger()

MAX_PASSWORD_CHARS = 1024  # as in AUTH
SHORT_PASSWORD_CHARS = 8  # NIST SP 800-63B asks for at least so many
HASHES_AT_ONCE = 2
MAX_WAITING_LOGINS = 128  # at two at once the last waits some six seconds
BUSY_RETRY_MS = 2_000
REMEMBER_SECONDS = 600.0
MAX_REMEMBERED = 10_000
FAILURE_WINDOW_SECONDS = 60.0
MAX_THROTTLED = 20_000  # names and addresses whose wrong logins are counted
_USERNAME: TypeAdapter[str] = TypeAdapter(Username)


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


class LoginThrottle:
    """Counts wrong logins by name and by address, and refuses more of them within a sliding minute."""

    def __init__(self, clock: Clock, failures_per_minute: int) -> None:
        self._clock = clock
        self._failures_per_minute = failures_per_minute
        # The last failures of each name and address; the one that failed longest ago stands first.
        self._failures: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()

    def check(self, name: str, address: str) -> None:
        """`CommandError` with the time to wait where `name` or `address` failed too often."""
        wait_seconds = max(self._wait_seconds(key) for key in _keys(name, address))
        if wait_seconds > 0:
            raise CommandError(
                Reason.LOGIN_THROTTLED,
                f"Too many wrong logins. Try again in {math.ceil(wait_seconds)} s.",
                retry_after_ms=math.ceil(wait_seconds * 1000),
            )

    def count(self, name: str, address: str) -> None:
        """A login with `name` from `address` was wrong."""
        now = self._clock.monotonic()
        for key in _keys(name, address):
            was_full = self._wait_seconds(key) > 0
            self._failures.setdefault(key, deque(maxlen=self._failures_per_minute)).append(now)
            self._failures.move_to_end(key)
            if not was_full and self._wait_seconds(key) > 0:
                # No name is logged: people type their password into the wrong field.
                log.warning("Too many wrong logins: new ones have to wait.", kind=key[0], address=address)
        while self._is_over(next(iter(self._failures.values()))) or len(self._failures) > MAX_THROTTLED:
            self._failures.popitem(last=False)

    def _wait_seconds(self, key: tuple[str, str]) -> float:
        times = self._failures.get(key)
        if times is None or len(times) < self._failures_per_minute:
            return 0.0
        return times[0] + FAILURE_WINDOW_SECONDS - self._clock.monotonic()

    def _is_over(self, times: deque[float]) -> bool:
        return times[-1] + FAILURE_WINDOW_SECONDS <= self._clock.monotonic()


def _keys(name: str, address: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("name", name), ("address", address)


@dataclass(frozen=True, slots=True)
class _Login:
    """One try to log in: `digest` stands for this password with this hash of this name."""

    name: str
    address: str
    is_user: bool
    password: bytes = field(repr=False)
    password_hash: str = field(repr=False)
    digest: bytes = field(repr=False)


class Accounts:
    """The users of `store`. `start`, then `verify`, then `close`; managing users needs no `start`."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        login_failures_per_minute: int,
        hasher: PasswordHasher | None = None,
        max_waiting_logins: int = MAX_WAITING_LOGINS,
    ) -> None:
        self._store = store
        self._clock = clock
        self._hasher: PasswordHasher = hasher or Argon2Hasher()
        self._pool = BlockingPool("password", HASHES_AT_ONCE)
        self._slots = asyncio.Semaphore(HASHES_AT_ONCE)
        self._waiting = 0
        self._max_waiting = max_waiting_logins
        self._throttle = LoginThrottle(clock, login_failures_per_minute)
        self._digest_key = secrets.token_bytes(32)
        # Until when each right password is remembered, the one to be forgotten first at the front.
        self._remembered: OrderedDict[bytes, float] = OrderedDict()
        self._turns: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()
        self._hashing: set[asyncio.Task[None]] = set()
        self._decoy_hash: str | None = None

    async def start(self) -> None:
        """Get ready for logins: make the hash that is compared where there is no such user."""
        self._decoy_hash = await self._pool.run(self._hasher.hash, secrets.token_bytes(16))

    async def close(self) -> None:
        """End the hashing; the database stays open."""
        for task in self._hashing:
            task.cancel()
        await asyncio.gather(*self._hashing, return_exceptions=True)
        self._pool.close()

    async def verify(self, name: str, password: str, address: str) -> None:
        """Return where the password is right.

        `CommandError` where it is wrong (the same, at the same cost, for a name that nobody has), and where there were
        too many wrong ones; `StorageError` where nobody can tell.
        """
        if self._decoy_hash is None:
            raise RuntimeError("Accounts.start was not awaited")
        user = await self._store.user(name)
        password_hash = self._decoy_hash if user is None else user.password_hash
        secret = password.encode("utf-8", "surrogatepass")
        digest = self._digest(name, password_hash, secret)
        if self._is_remembered(digest):
            return
        self._throttle.check(name, address)
        login = _Login(name, address, user is not None, secret, password_hash, digest)
        async with AsyncExitStack() as turn:
            # Of equal tries one is hashed at a time: when the first was right, the others find it remembered.
            await turn.enter_async_context(self._turns.setdefault(digest, asyncio.Lock()))
            if self._is_remembered(digest):
                return
            await turn.enter_async_context(self._slot())
            self._throttle.check(name, address)  # others failed while this one waited
            # What is hashed is finished and counted even where the client goes: its going must not make it free.
            hashing = asyncio.create_task(self._hash(login, turn.pop_all()), name="password hash")
            self._hashing.add(hashing)
            hashing.add_done_callback(self._hashing.discard)
            await asyncio.shield(hashing)

    async def add(self, name: str, password: str) -> None:
        """Add a user; `CommandError` where name or password cannot be, or the name is taken."""
        checked = _checked_name(name)
        password_hash = await self._pool.run(self._hasher.hash, _checked_password(password))
        await self._store.add_user(checked, password_hash, created_at_ms=self._clock.now_ms())

    async def list(self) -> Sequence[UserRow]:
        """All users by name."""
        return await self._store.users()

    async def change_password(self, name: str, password: str) -> None:
        """Change a user's password; it counts from the next login on, here and in every other process."""
        checked = _checked_name(name)
        password_hash = await self._pool.run(self._hasher.hash, _checked_password(password))
        if not await self._store.set_password_hash(checked, password_hash):
            raise _no_user(name)

    async def remove(self, name: str) -> None:
        """Remove a user with the saved stocks."""
        if not await self._store.remove_user(_checked_name(name)):
            raise _no_user(name)

    async def saved(self, name: str) -> tuple[str, ...]:
        """The saved list of a user, in the order it was saved."""
        return await self._store.saved(name)

    async def save(self, name: str, symbols: Sequence[str], limit: int) -> None:
        """Add to the saved list, of at most `limit` symbols; it is on disk when this returns."""
        await self._store.save(name, symbols, limit)

    async def unsave(self, name: str, symbols: Sequence[str] | None) -> tuple[str, ...]:
        """Take symbols (None: all) out of the saved list; returns those that were in it."""
        return await self._store.unsave(name, symbols)

    async def _hash(self, login: _Login, turn: AsyncExitStack) -> None:
        async with turn:
            try:
                is_right = await self._pool.run(self._hasher.matches, login.password_hash, login.password)
            except ValueError as error:
                log.error("A stored password could not be compared.", username=login.name, error=str(error))  # noqa: TRY400 - a trace would tell no more
                raise StorageError("The password could not be compared. Tell the server's operator.") from None
            if not (is_right and login.is_user):
                self._throttle.count(login.name, login.address)
                raise CommandError(Reason.BAD_CREDENTIALS, "The name or the password is wrong.")
            self._remember(login.digest)
            if self._hasher.is_outdated(login.password_hash):
                await self._renew_hash(login)

    async def _renew_hash(self, login: _Login) -> None:
        password_hash = await self._pool.run(self._hasher.hash, login.password)
        try:
            is_renewed = await self._store.set_password_hash(login.name, password_hash, expected=login.password_hash)
        except StorageError as error:
            log.warning("A password's hash could not be renewed.", username=login.name, error=error.message)
            return
        if is_renewed:
            self._remember(self._digest(login.name, password_hash, login.password))

    @contextlib.asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        if self._waiting >= self._max_waiting:
            raise CommandError(
                Reason.LOGIN_THROTTLED,
                "Too many logins are waiting. Try again in some seconds.",
                retry_after_ms=BUSY_RETRY_MS,
            )
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._slots.release()

    def _digest(self, name: str, password_hash: str, password: bytes) -> bytes:
        # Neither a name nor a hash can hold a NUL, so that no two logins make the same bytes.
        return hashlib.blake2b(
            b"\0".join((name.encode(), password_hash.encode(), password)), key=self._digest_key, digest_size=32
        ).digest()

    def _is_remembered(self, digest: bytes) -> bool:
        is_remembered = self._remembered.get(digest, 0.0) > self._clock.monotonic()
        if is_remembered:
            self._remember(digest)
        return is_remembered

    def _remember(self, digest: bytes) -> None:
        now = self._clock.monotonic()
        self._remembered[digest] = now + REMEMBER_SECONDS
        self._remembered.move_to_end(digest)
        while next(iter(self._remembered.values())) <= now or len(self._remembered) > MAX_REMEMBERED:
            self._remembered.popitem(last=False)


def password_hint(password: str) -> str | None:
    """A sentence for whoever chose a weak password; it is a hint, not a rule."""
    if len(password) < SHORT_PASSWORD_CHARS:
        return f"This password is short; {SHORT_PASSWORD_CHARS} characters or more are harder to guess."
    return None


def _checked_name(name: str) -> str:
    try:
        return _USERNAME.validate_python(name)
    except ValidationError:
        raise CommandError(
            Reason.INVALID_COMMAND, "A user's name is 1 to 64 printable characters, without spaces at its ends."
        ) from None


def _checked_password(password: str) -> bytes:
    if not 1 <= len(password) <= MAX_PASSWORD_CHARS:
        raise CommandError(Reason.INVALID_COMMAND, f"A password is 1 to {MAX_PASSWORD_CHARS} characters long.")
    with contextlib.suppress(UnicodeEncodeError):
        return password.encode()
    # Raised out here, because the codec's error holds the password and would come along as the context of this one.
    raise CommandError(Reason.INVALID_COMMAND, "A password is Unicode text; the one given is not.")


def _no_user(name: str) -> CommandError:
    return CommandError(Reason.INVALID_COMMAND, f"There is no user {name!r}.")
