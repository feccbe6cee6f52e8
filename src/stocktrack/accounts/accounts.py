"""The users: who somebody is, who is an administrator, and what an operator does with users and their tokens.

A user's row is read at every login: what another process changed takes effect at once.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog
from pydantic import TypeAdapter, ValidationError

from stocktrack.accounts.identity import HeldToken, Identity, new_token_id
from stocktrack.accounts.line import MAX_WAITING_LOGINS
from stocktrack.accounts.logins import Logins
from stocktrack.accounts.passwords import Argon2Hasher, HashingPool, PasswordHasher, checked_password
from stocktrack.accounts.throttle import LoginThrottle
from stocktrack.clock import Clock
from stocktrack.errors import CommandError, LoginError, Reason, StorageError
from stocktrack.messages import MAX_TOKEN_DAYS, TokenName, Username
from stocktrack.quotes import shown
from stocktrack.scopes import Scope
from stocktrack.storage.store import Store, TokenRow, UserRow

if TYPE_CHECKING:
    # The JWT library is for those who use tokens.
    from stocktrack.accounts.tokens import IssuedToken, TokenSigner

log = structlog.get_logger()

NO_PASSWORD = "!"  # noqa: S105 - stands where a user's hash would, as in /etc/shadow; no password ever matches it
NOTE_SECONDS = 60.0  # so often it is written down which tokens were used
_USERNAME: TypeAdapter[str] = TypeAdapter(Username)
_TOKEN_NAME: TypeAdapter[str] = TypeAdapter(TokenName)


class Accounts:
    """The users of `store`. `start`, then `verify`, then `close`; managing users needs no `start`.

    `open_signer` is called once: by `start`, unless it need not, or where a token is made or read without it.
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
        opens_signer_at_start: bool = True,
    ) -> None:
        self._store = store
        self._clock = clock
        self._open_signer = open_signer
        self._signer: TokenSigner | None = None
        self._opens_signer_at_start = opens_signer_at_start
        self._allowlist = frozenset(allowlist)
        self.throttle = LoginThrottle(clock, login_failures_per_minute)
        self._pool = HashingPool(hasher or Argon2Hasher())
        self._logins = Logins(self._pool, store, clock, self.throttle, max_waiting=max_waiting_logins)
        self._used_at_ms: dict[str, int] = {}  # by the token's id, what is not written down yet
        self._noting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Get ready for logins: open the signer of tokens, and make the hash that stands in for unknown users."""
        if self._opens_signer_at_start:
            self._opened_signer()
        await self._logins.start()

    async def close(self) -> None:
        """End the hashing, and write down which tokens were used; the database stays open."""
        await self._logins.close()
        self._pool.close()
        if self._noting is not None:
            self._noting.cancel()
            await asyncio.gather(self._noting, return_exceptions=True)
            await self._note_uses()

    async def verify(self, name: str, password: str | None, address: str, *, by_name: bool = True) -> Identity:
        """Who it is, where the password is right; or, with `by_name`, where the name is on the allowlist and has none.

        `CommandError` where it is wrong (the same, at the same cost, for a name that nobody has and for one who was
        disabled), and where there were too many wrong ones; `StorageError` where nobody can tell.
        """
        user = await self._store.user(name)
        has_password = user is not None and user.password_hash != NO_PASSWORD
        is_listed = by_name and name in self._allowlist and not has_password
        if is_listed and not (user is not None and user.is_disabled):
            if user is None:
                await self._enrol(name)
                user = await self._store.user(name)
            if user is not None:
                return Identity.of(user, is_listed=True)
        may_log_in = user is not None and has_password and not user.is_disabled
        password_hash = user.password_hash if user is not None and may_log_in else None
        given = (password or "").encode("utf-8", "surrogatepass")
        try:
            await self._logins.verify(name, password_hash, given, address)
        except CommandError as error:
            raise LoginError(error, user.name if user is not None else None) from None
        assert user is not None  # noqa: S101 - no password is right for a name without a hash
        return Identity.of(user)

    async def verify_token(self, token: str, address: str) -> Identity:
        """Who it is whose token it is; `CommandError`, always the same, for every other text.

        It costs no password hash. A wrong one counts against the address alone: the name in it is anybody's claim.
        """
        now_ms = self._clock.now_ms()
        claims = self._opened_signer().read(token)
        user = await self._store.user(claims.name) if claims is not None else None
        whose = None
        if claims is not None and user is not None and claims.created_at_ms == user.created_at_ms:
            whose = user.name
            held = HeldToken(claims.token_id, claims.scope, claims.expires_at_ms, claims.epoch)
            identity = Identity.of(user, held)
            if identity.counts(user, now_ms):
                if claims.token_id is not None:
                    self._used(claims.token_id, now_ms)
                return identity
        self.throttle.count_address(address)
        error = CommandError(
            Reason.BAD_CREDENTIALS,
            "This token is wrong, has expired or was revoked. Log in with the password; "
            "`stocktrack login` stores a new token.",
        )
        raise LoginError(error, whose)

    def owner_of(self, token: str) -> str | None:
        """Whose name is in a text that this server signed as a token; None where it is none, or has expired."""
        claims = self._opened_signer().read(token)
        return None if claims is None else claims.name

    async def user(self, name: str) -> UserRow | None:
        """The row of a user at this moment."""
        return await self._store.user(name)

    async def make_token(
        self,
        username: str,
        days: int,
        *,
        name: str | None = None,
        scope: Scope = Scope.FULL,
        identity: Identity | None = None,
    ) -> "IssuedToken":
        """A token for a user, good for 1 to 365 days; with `identity` only as long as that counts.

        `CommandError` where there is no such user, no password, or too many tokens.
        """
        if not 1 <= days <= MAX_TOKEN_DAYS:
            raise CommandError(Reason.INVALID_COMMAND, f"A token is valid for 1 to {MAX_TOKEN_DAYS} days.")
        signer = self._opened_signer()
        label = None if name is None else _checked_token_name(name)
        now_ms, expires_at_ms = self._clock.now_ms(), signer.expiry_ms(days)
        token = TokenRow(new_token_id(), label, scope, now_ms, expires_at_ms)

        def may(user: UserRow) -> bool:
            if user.password_hash == NO_PASSWORD:
                # The token would outlive the allowlist.
                raise CommandError(Reason.NOT_PERMITTED, f"{username!r} has no password, and so gets no token.")
            return identity is None or identity.counts(user, now_ms)

        user = await self._store.add_token(_checked_name(username), token, may=may)
        if user is None:
            raise _no_user(username) if identity is None else _ended()
        return signer.make(user.name, user.created_at_ms, user.token_epoch, token)

    async def tokens(self, username: str) -> Sequence[TokenRow]:
        """The tokens of a user that are valid, the oldest first; `CommandError` where there is no such user."""
        if await self._store.user(_checked_name(username)) is None:
            raise _no_user(username)
        rows = await self._store.tokens(username, now_ms=self._clock.now_ms())
        used = self._used_at_ms
        return [replace(row, last_used_at_ms=used.get(row.token_id, row.last_used_at_ms)) for row in rows]

    async def revoke_token(self, username: str, token_id: str) -> None:
        """End one token of a user, and the sessions that it opened, here and in every other process."""
        if await self._store.user(_checked_name(username)) is None:
            raise _no_user(username)
        if not await self._store.revoke_token(username, token_id):
            raise CommandError(Reason.INVALID_COMMAND, f"{username!r} has no token {shown(token_id)}.")

    async def revoke_tokens(self, username: str, *, end_sessions: bool = False) -> frozenset[str]:
        """End all tokens of a user and the sessions that they opened, here and in every other process.

        With `end_sessions` the other sessions of the user end as well. Returns the ids of the tokens.
        """
        revoked = await self._store.revoke_tokens(_checked_name(username), end_sessions=end_sessions)
        if revoked is None:
            raise _no_user(username)
        return revoked

    async def set_admin(self, name: str, is_admin: bool) -> None:
        """Make a user an administrator, or an ordinary user again; it takes effect at once."""
        if not await self._store.set_admin(_checked_name(name), is_admin):
            raise _no_user(name)

    async def add(self, name: str, password: str, *, is_admin: bool = False) -> None:
        """Add a user; `CommandError` where name or password cannot be, or the name is taken."""
        checked = _checked_name(name)
        password_hash = await self._pool.hash(checked_password(password))
        await self._store.add_user(checked, password_hash, created_at_ms=self._clock.now_ms(), is_admin=is_admin)

    async def check_new(self, name: str) -> None:
        """Raise what `add` would say of the name, before anybody thinks of a password."""
        if await self.user(_checked_name(name)) is not None:
            raise CommandError(Reason.INVALID_COMMAND, f"There is a user {name!r} already.")

    async def check_there(self, name: str) -> None:
        """Raise what every other method says of a user who is not there."""
        if await self.user(name) is None:
            raise _no_user(name)

    async def list(self) -> Sequence[UserRow]:
        """All users by name."""
        return await self._store.users()

    async def users_after(self, name: str | None, most: int) -> tuple[Sequence[UserRow], int]:
        """The users whose names come after this one (None: all), at most so many; and how many there are in all."""
        return await self._store.users_after(name, most)

    async def change_password(self, name: str, password: str, *, keep_tokens: bool = False) -> None:
        """Change a user's password, here and in every other process: sessions that the old one opened end.

        So do the tokens, with their sessions, unless they are kept.
        """
        checked = _checked_name(name)
        password_hash = await self._pool.hash(checked_password(password))
        if await self._store.change_password(checked, password_hash, keep_tokens=keep_tokens) is None:
            raise _no_user(name)

    async def change_own_password(self, identity: Identity, password: str, new_password: str, address: str) -> Identity:
        """Change the password of whoever knows the old one, which all tokens and all other sessions end with.

        Returns who the session is from now on. `CommandError` where the old one is wrong, as in `verify`, and where
        the identity counts no longer.
        """
        new = checked_password(new_password)
        user = await self._store.user(identity.name)
        if not identity.counts(user, self._clock.now_ms()):
            raise _ended()
        if user is None or user.password_hash == NO_PASSWORD:
            raise CommandError(Reason.NOT_PERMITTED, f"{identity.name!r} logs in without a password, and has none.")
        await self.verify(identity.name, password, address)
        password_hash = await self._logins.hash(new)

        def may(user: UserRow) -> bool:
            return identity.counts(user, self._clock.now_ms())

        changed = await self._store.change_password(identity.name, password_hash, keep_tokens=False, may=may)
        if changed is None:
            raise _ended()
        return Identity.of(changed)

    async def set_disabled(self, name: str, is_disabled: bool) -> None:
        """Shut a user out, whose sessions end everywhere and who keeps everything; or let one in again."""
        if not await self._store.set_disabled(_checked_name(name), is_disabled):
            raise _no_user(name)

    async def mute(self, username: str, minutes: int) -> int | None:
        """Let a user say nothing for so many minutes from now on; till when (epoch ms), None where they are 0.

        `CommandError` where there is no such user.
        """
        until_ms = self._clock.now_ms() + minutes * 60_000 if minutes else None
        if not await self._store.set_muted(_checked_name(username), until_ms):
            raise _no_user(username)
        return until_ms

    async def remove(self, name: str) -> None:
        """Remove a user with the saved stocks and the tokens; the sessions end, here and in every other process."""
        if not await self._store.remove_user(_checked_name(name)):
            raise _no_user(name)

    def _used(self, token_id: str, now_ms: int) -> None:
        """Note a use, to be written down with those of a whole minute: a login with a token writes nothing itself."""
        self._used_at_ms[token_id] = now_ms
        if self._noting is None or self._noting.done():
            self._noting = asyncio.create_task(self._note_uses(NOTE_SECONDS), name="token uses")

    async def _note_uses(self, seconds: float = 0.0) -> None:
        await self._clock.sleep(seconds)
        used_at_ms, self._used_at_ms = self._used_at_ms, {}
        try:
            await self._store.note_tokens(used_at_ms, now_ms=self._clock.now_ms())
        except StorageError as error:
            self._used_at_ms = {**used_at_ms, **self._used_at_ms}
            log.warning("When tokens were used could not be written down.", why=str(error))

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


def _checked_token_name(name: str) -> str:
    try:
        return _TOKEN_NAME.validate_python(name)
    except ValidationError:
        raise CommandError(
            Reason.INVALID_COMMAND, "A token's name is 1 to 64 printable characters, without spaces at its ends."
        ) from None


def _ended() -> CommandError:
    return CommandError(Reason.NOT_AUTHENTICATED, "This login counts no longer: connect and log in again.")


def _no_user(name: str) -> CommandError:
    return CommandError(Reason.INVALID_COMMAND, f"There is no user {name!r}.")
