"""Who may log in: the users, their passwords and tokens, and who is an administrator.

A login is the slow command: hashing a password costs a tenth of a second and 64 MiB. So at most two are hashed at
once, a password just found right is remembered for some minutes, equal tries wait for the first of them, and wrong
ones are counted. The user's row is read at every login: what another process changed counts at once.
"""

import asyncio
import contextlib
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Collection, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from weakref import WeakValueDictionary

import argon2
import structlog
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from pydantic import TypeAdapter, ValidationError

from stocktrack.accounts.throttle import LoginThrottle
from stocktrack.clock import Clock
from stocktrack.errors import CommandError, Reason, StorageError
from stocktrack.messages import MAIN_LIST, MAX_TOKEN_DAYS, Username
from stocktrack.storage.store import Store, UserRow
from stocktrack.system.blocking import BlockingPool

if TYPE_CHECKING:
    # The JWT library is for those who use tokens.
    from stocktrack.accounts.tokens import IssuedToken, Tokens

log = structlog.get_logger()

Result = TypeVar("Result")

MAX_PASSWORD_CHARS = 1024  # as in AUTH
SHORT_PASSWORD_CHARS = 8  # NIST SP 800-63B asks for at least so many
HASHES_AT_ONCE = 2
HASHING_NICENESS = 5  # argon2 makes four threads of each, and they must not hold up the prices
MAX_WAITING_LOGINS = 128  # at two at once the last waits some six seconds
BUSY_RETRY_MS = 2_000
REMEMBER_SECONDS = 600.0
MAX_REMEMBERED = 10_000
# How long a throttled login waits for the look out of turn: long enough for some twenty hashes.
AHEAD_SECONDS = 3.0
NO_PASSWORD = "!"  # noqa: S105 - stands where a user's hash would, as in /etc/shadow; no password ever matches it
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
        tokens: "Tokens | None" = None,
        allowlist: Collection[str] = (),
        hasher: PasswordHasher | None = None,
        max_waiting_logins: int = MAX_WAITING_LOGINS,
    ) -> None:
        self._store = store
        self._clock = clock
        self.tokens = tokens
        self._allowlist = frozenset(allowlist)
        self._hasher: PasswordHasher = hasher or Argon2Hasher()
        self._pool = BlockingPool("password", HASHES_AT_ONCE, niceness=HASHING_NICENESS)
        self._slots = asyncio.Semaphore(HASHES_AT_ONCE)
        self._ahead = asyncio.Semaphore(1)
        self._waiting = 0
        self._max_waiting = max_waiting_logins
        self._throttle = LoginThrottle(clock, login_failures_per_minute)
        self._digest_key = secrets.token_bytes(32)
        # Until when each right password is remembered, the one to be forgotten first at the front.
        self._remembered: OrderedDict[bytes, float] = OrderedDict()
        self._turns: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()
        self._hashing: set[asyncio.Task[None]] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._decoy_hash: str | None = None

    async def start(self) -> None:
        """Get ready for logins: make the hash that is compared where there is no such user."""
        self._decoy_hash = await self._pool.run(self._hasher.hash, secrets.token_bytes(16))

    async def close(self) -> None:
        """End the hashing; the database stays open."""
        tasks = (*self._hashing, *self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._pool.close()

    async def verify(self, name: str, password: str | None, address: str) -> None:
        """Return where the password is right, or where the name is on the allowlist and has none.

        `CommandError` where it is wrong (the same, at the same cost, for a name that nobody has), and where there were
        too many wrong ones; `StorageError` where nobody can tell.
        """
        if self._decoy_hash is None:
            raise RuntimeError("Accounts.start was not awaited")
        user = await self._store.user(name)
        if name in self._allowlist and (user is None or user.password_hash == NO_PASSWORD):
            if user is None:
                await self._enrol(name)
            return
        has_password = user is not None and user.password_hash != NO_PASSWORD
        password_hash = user.password_hash if user is not None and has_password else self._decoy_hash
        secret = (password or "").encode("utf-8", "surrogatepass")
        digest = self._digest(name, password_hash, secret)
        if self._is_remembered(digest):
            return
        login = _Login(name, address, has_password, secret, password_hash, digest)
        is_crowded = self._waiting > 0 or self._throttle.blames_only_address(name, address)
        if is_crowded and self._throttle.may_go_ahead(name):
            await self._verify_in_crowd(login)
        else:
            await self._verify_in_turn(login)

    async def verify_token(self, token: str, address: str) -> str:
        """The name of the user whose token it is; `CommandError`, always the same, for every other text.

        It costs no password hash. A wrong one counts against the address alone: the name in it is anybody's claim.
        """
        claims = self.tokens.read(token) if self.tokens is not None else None
        user = await self._store.user(claims.name) if claims is not None else None
        if user is None or claims != (user.name, user.created_at_ms, user.token_epoch):
            self._throttle.count_address(address)
            raise CommandError(
                Reason.BAD_CREDENTIALS,
                "This token is wrong, has expired or was revoked. Log in with the password; "
                "`stocktrack login` stores a new token.",
            )
        return user.name

    async def make_token(self, name: str, days: int) -> "IssuedToken":
        """A token for a user, good for 1 to 365 days; `CommandError` where there is no such user, or no password."""
        if self.tokens is None:
            raise RuntimeError("these Accounts have no Tokens")
        if not 1 <= days <= MAX_TOKEN_DAYS:
            raise CommandError(Reason.INVALID_COMMAND, f"A token counts for 1 to {MAX_TOKEN_DAYS} days.")
        user = await self._store.user(_checked_name(name))
        if user is None:
            raise _no_user(name)
        if user.password_hash == NO_PASSWORD:
            # The token would count on when the allowlist is gone.
            raise CommandError(Reason.NOT_PERMITTED, f"{name!r} has no password, and so gets no token.")
        return self.tokens.make(user.name, user.created_at_ms, user.token_epoch, days=days)

    async def revoke_tokens(self, name: str) -> None:
        """End all tokens of a user, here and in every other process; sessions that are open stay."""
        if not await self._store.revoke_tokens(_checked_name(name)):
            raise _no_user(name)

    async def is_admin(self, name: str) -> bool:
        """Whether the user is an administrator at this moment."""
        user = await self._store.user(name)
        return user is not None and user.is_admin

    async def set_admin(self, name: str, is_admin: bool) -> None:
        """Make a user an administrator, or an ordinary user again; it counts at once."""
        if not await self._store.set_admin(_checked_name(name), is_admin):
            raise _no_user(name)

    async def add(self, name: str, password: str, *, is_admin: bool = False) -> None:
        """Add a user; `CommandError` where name or password cannot be, or the name is taken."""
        checked = _checked_name(name)
        password_hash = await self._pool.run(self._hasher.hash, _checked_password(password))
        await self._store.add_user(checked, password_hash, created_at_ms=self._clock.now_ms(), is_admin=is_admin)

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

    async def list_names(self, name: str) -> tuple[str, ...]:
        """The names of the user's saved lists, the main list first."""
        return await self._store.list_names(name)

    async def saved(self, name: str, list_name: str = MAIN_LIST) -> tuple[str, ...]:
        """A saved list of a user, in the order it was saved."""
        return await self._store.saved(name, list_name)

    async def save(self, name: str, symbols: Sequence[str], limit: int, list_name: str = MAIN_LIST) -> None:
        """Add to a saved list, of at most `limit` symbols; it is on disk when this returns."""
        await self._store.save(name, symbols, limit, list_name)

    async def unsave(self, name: str, symbols: Sequence[str] | None, list_name: str = MAIN_LIST) -> tuple[str, ...]:
        """Take symbols (None: all) out of a saved list; returns those that were in it."""
        return await self._store.unsave(name, symbols, list_name)

    async def forget(self, name: str, symbols: Sequence[str]) -> None:
        """Take symbols out of all saved lists of a user."""
        await self._store.forget(name, symbols)

    async def _verify_in_turn(self, login: _Login) -> None:
        self._throttle.check(login.name, login.address)
        async with AsyncExitStack() as turn:
            # Of equal tries one is hashed at a time: when the first was right, the others find it remembered.
            await turn.enter_async_context(self._turns.setdefault(login.digest, asyncio.Lock()))
            if self._is_remembered(login.digest):
                return
            await turn.enter_async_context(self._slot())
            self._throttle.check(login.name, login.address)  # others failed while this one waited
            # What is hashed is finished and counted even where the client goes: its going must not make it free.
            hashing = asyncio.create_task(self._hash(login, turn.pop_all()), name="password hash")
            self._hashing.add(hashing)
            hashing.add_done_callback(self._hashing.discard)
            await asyncio.shield(hashing)

    async def _verify_in_crowd(self, login: _Login) -> None:
        """As `_verify_in_turn`, with a look at the password out of turn, which can only ever let somebody in.

        Others wait already, or fail again and again from the same address: who comes with the right password shall not
        pay for them. A name is looked at once a minute, one at a time. The answer to everything else comes in its turn
        or, where the address is throttled, after a fixed time: it tells nothing of who is a user. And a name that
        nobody has costs no hash here, however many are tried.
        """
        self._throttle.went_ahead(login.name)
        ahead = self._keep(self._check_ahead(login), "password hash out of turn")
        in_turn = self._keep(self._verify_in_turn(login), "login in turn")
        over = self._keep(self._clock.sleep(AHEAD_SECONDS), "end of a throttled login")
        try:
            await asyncio.wait((ahead, in_turn), return_when=asyncio.FIRST_COMPLETED)
            if ahead.done() and ahead.result():
                return
            await asyncio.wait((in_turn,))
            try:
                in_turn.result()
            except CommandError as refusal:
                is_throttled = refusal.reason is Reason.LOGIN_THROTTLED
                if not (is_throttled and self._throttle.blames_only_address(login.name, login.address)):
                    raise
                await asyncio.wait((ahead, over), return_when=asyncio.FIRST_COMPLETED)
                if not (ahead.done() and ahead.result()):
                    await over
                    raise
        finally:
            in_turn.cancel()
            over.cancel()
            await asyncio.wait((in_turn, over))

    async def _check_ahead(self, login: _Login) -> bool:
        deadline = self._clock.monotonic() + AHEAD_SECONDS
        async with self._ahead:
            if not login.is_user or self._is_remembered(login.digest) or self._clock.monotonic() >= deadline:
                return self._is_remembered(login.digest)
            # No slot is waited for: the pool gives this the next thread that is free, and there is one such at a time.
            try:
                is_right = await self._compare(login)
            except StorageError:
                return False
        if is_right:
            self._throttle.clear(login.name)
        return is_right

    def _keep(self, work: Coroutine[Any, Any, Result], name: str) -> asyncio.Task[Result]:
        """A task of this object, whose end may interest nobody."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()

    async def _enrol(self, name: str) -> None:
        """Make a name of the allowlist a user, without a password."""
        try:
            await self._store.add_user(name, NO_PASSWORD, created_at_ms=self._clock.now_ms())
        except CommandError:
            log.debug("A name of the allowlist was added by somebody else at the same moment.", username=name)

    async def _hash(self, login: _Login, turn: AsyncExitStack) -> None:
        async with turn:
            if not await self._compare(login):
                self._throttle.count(login.name, login.address)
                raise CommandError(Reason.BAD_CREDENTIALS, "The name or the password is wrong.")

    async def _compare(self, login: _Login) -> bool:
        """Whether the password is right; then it is remembered, and its hash is kept up to date."""
        try:
            is_right = await self._pool.run(self._hasher.matches, login.password_hash, login.password)
        except ValueError as error:
            log.error("A stored password could not be compared.", username=login.name, error=str(error))  # noqa: TRY400 - a trace would tell no more
            raise StorageError("The password could not be compared. Tell the server's operator.") from None
        if not (is_right and login.is_user):
            return False
        self._remember(login.digest)
        if self._hasher.is_outdated(login.password_hash):
            await self._renew_hash(login)
        return True

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
