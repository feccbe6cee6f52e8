"""The users: who somebody is, who is an administrator, and what an operator does with users and their tokens.

A user's row is read at every login: what another process changed takes effect at once.
"""

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

import structlog
from pydantic import TypeAdapter, ValidationError

from stocktrack.accounts.line import MAX_WAITING_LOGINS
from stocktrack.accounts.logins import Logins
from stocktrack.accounts.passwords import Argon2Hasher, HashingPool, PasswordHasher, checked_password
from stocktrack.accounts.throttle import LoginThrottle
from stocktrack.clock import Clock
from stocktrack.errors import CommandError, LoginError, Reason
from stocktrack.messages import MAX_TOKEN_DAYS, Username
from stocktrack.storage.store import Store, UserRow

if TYPE_CHECKING:
    # The JWT library is for those who use tokens.
    from stocktrack.accounts.tokens import IssuedToken, TokenSigner

log = structlog.get_logger()

NO_PASSWORD = "!"  # noqa: S105 - stands where a user's hash would, as in /etc/shadow; no password ever matches it
_USERNAME: TypeAdapter[str] = TypeAdapter(Username)


class Accounts:
    """The users of `store`. `start`, then `verify`, then `close`; managing users needs no `start`.

    `open_signer` is called once: by `start`, or where a token is made without it.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        open_signer: "Callable[[], TokenSigner]",
        login_failures_per_minute: int,
        allowlist: Collection[str] = (),
        hasher: PasswordHasher | None = None,
        max_waiting_logins: int = MAX_WAITING_LOGINS,
    ) -> None:
        self._store = store
        self._clock = clock
        self._open_signer = open_signer
        self._signer: TokenSigner | None = None
        self._allowlist = frozenset(allowlist)
        self._throttle = LoginThrottle(clock, login_failures_per_minute)
        self._pool = HashingPool(hasher or Argon2Hasher())
        self._logins = Logins(self._pool, store, clock, self._throttle, max_waiting=max_waiting_logins)

    async def start(self) -> None:
        """Get ready for logins: open the signer of tokens, and make the hash that stands in for unknown users."""
        self._opened_signer()
        await self._logins.start()

    async def close(self) -> None:
        """End the hashing; the database stays open."""
        await self._logins.close()
        self._pool.close()

    async def verify(self, name: str, password: str | None, address: str) -> None:
        """Return where the password is right, or where the name is on the allowlist and has none.

        `CommandError` where it is wrong (the same, at the same cost, for a name that nobody has), and where there were
        too many wrong ones; `StorageError` where nobody can tell.
        """
        user = await self._store.user(name)
        has_password = user is not None and user.password_hash != NO_PASSWORD
        if name in self._allowlist and not has_password:
            if user is None:
                await self._enrol(name)
            return
        password_hash = user.password_hash if user is not None and has_password else None
        given = (password or "").encode("utf-8", "surrogatepass")
        try:
            await self._logins.verify(name, password_hash, given, address)
        except CommandError as error:
            raise LoginError(error, user.name if user is not None else None) from None

    async def verify_token(self, token: str, address: str) -> str:
        """The name of the user whose token it is; `CommandError`, always the same, for every other text.

        It costs no password hash. A wrong one counts against the address alone: the name in it is anybody's claim.
        """
        claims = self._opened_signer().read(token)
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
        if not 1 <= days <= MAX_TOKEN_DAYS:
            raise CommandError(Reason.INVALID_COMMAND, f"A token is valid for 1 to {MAX_TOKEN_DAYS} days.")
        user = await self._store.user(_checked_name(name))
        if user is None:
            raise _no_user(name)
        if user.password_hash == NO_PASSWORD:
            # The token would outlive the allowlist.
            raise CommandError(Reason.NOT_PERMITTED, f"{name!r} has no password, and so gets no token.")
        return self._opened_signer().make(user.name, user.created_at_ms, user.token_epoch, days=days)

    async def revoke_tokens(self, name: str) -> None:
        """End all tokens of a user, here and in every other process; sessions that are open stay."""
        if not await self._store.revoke_tokens(_checked_name(name)):
            raise _no_user(name)

    async def is_admin(self, name: str) -> bool:
        """Whether the user is an administrator at this moment."""
        user = await self._store.user(name)
        return user is not None and user.is_admin

    async def set_admin(self, name: str, is_admin: bool) -> None:
        """Make a user an administrator, or an ordinary user again; it takes effect at once."""
        if not await self._store.set_admin(_checked_name(name), is_admin):
            raise _no_user(name)

    async def add(self, name: str, password: str, *, is_admin: bool = False) -> None:
        """Add a user; `CommandError` where name or password cannot be, or the name is taken."""
        checked = _checked_name(name)
        password_hash = await self._pool.hash(checked_password(password))
        await self._store.add_user(checked, password_hash, created_at_ms=self._clock.now_ms(), is_admin=is_admin)

    async def list(self) -> Sequence[UserRow]:
        """All users by name."""
        return await self._store.users()

    async def change_password(self, name: str, password: str) -> None:
        """Change a user's password; it takes effect at the next login, here and in every other process."""
        checked = _checked_name(name)
        password_hash = await self._pool.hash(checked_password(password))
        if not await self._store.set_password_hash(checked, password_hash):
            raise _no_user(name)

    async def remove(self, name: str) -> None:
        """Remove a user with the saved stocks."""
        if not await self._store.remove_user(_checked_name(name)):
            raise _no_user(name)

    def _opened_signer(self) -> "TokenSigner":
        if self._signer is None:
            self._signer = self._open_signer()
        return self._signer

    async def _enrol(self, name: str) -> None:
        """Make a name of the allowlist a user, without a password."""
        try:
            await self._store.add_user(name, NO_PASSWORD, created_at_ms=self._clock.now_ms())
        except CommandError:
            log.debug("A name of the allowlist was added by somebody else at the same moment.", username=name)


def _checked_name(name: str) -> str:
    try:
        return _USERNAME.validate_python(name)
    except ValidationError:
        raise CommandError(
            Reason.INVALID_COMMAND, "A user's name is 1 to 64 printable characters, without spaces at its ends."
        ) from None


def _no_user(name: str) -> CommandError:
    return CommandError(Reason.INVALID_COMMAND, f"There is no user {name!r}.")
