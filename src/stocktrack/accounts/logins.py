"""Which password is hashed, when, and what a login is told: what a crowd of wrong ones costs, and whom.

A password just found right is remembered for some minutes. Equal tries wait for the first of them: a thousand clients
that connect at once cost one hash, where the password is right. Wrong ones are hashed one by one and counted.

Who comes with the right password must not pay for the crowd, be that others who wait, others who failed again and again
from the same address, or others who failed elsewhere with the same name. So a login in a crowd gets, besides its turn,
a look at the password out of turn, as often as the throttle allows. This look can only ever let somebody in. Every
other answer comes in its turn, or, where that is refused, after a fixed time: so it does not tell who is a user.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import structlog

from stocktrack.accounts.line import MAX_WAITING_LOGINS, Answer, HashLine
from stocktrack.accounts.passwords import HASHES_AT_ONCE, HashingPool
from stocktrack.accounts.remembered import RememberedPasswords
from stocktrack.accounts.throttle import LoginThrottle
from stocktrack.clock import Clock, within
from stocktrack.errors import CommandError, Reason, StorageError
from stocktrack.storage.store import Store

log = structlog.get_logger()

# How long a throttled login waits for the look out of turn: long enough for some twenty hashes.
LOOK_SECONDS = 3.0

# Done when the password was found right.
Found: TypeAlias = asyncio.Future[None]


@dataclass(slots=True)
class Login:
    """One try to log in: `digest` stands for this password with this hash of this name."""

    name: str
    address: str
    is_user: bool
    password: bytes = field(repr=False)
    password_hash: str = field(repr=False)
    digest: bytes = field(repr=False)
    is_counted: bool = False  # for the address, by a look that said no


class Logins:
    """Compares passwords with those of the users. `start`, then `verify`, then `close`; the pool stays open."""

    def __init__(
        self,
        pool: HashingPool,
        store: Store,
        clock: Clock,
        throttle: LoginThrottle,
        *,
        max_waiting: int = MAX_WAITING_LOGINS,
    ) -> None:
        self._pool = pool
        self._store = store
        self._clock = clock
        self._throttle = throttle
        self._line = HashLine(HASHES_AT_ONCE, max_waiting=max_waiting)
        self._remembered = RememberedPasswords(clock)
        # What is waited for in the line, by the digest.
        self._answers: dict[bytes, Answer] = {}
        # Those of whom one is looked at out of turn, by the digest that all of them try.
        self._hopes: dict[bytes, set[Found]] = {}
        self._decoy_hash: str | None = None

    async def start(self) -> None:
        """Make the hash that is compared where there is no such user."""
        self._decoy_hash = await self._pool.hash(secrets.token_bytes(16))

    async def close(self) -> None:
        """Cancel the logins that wait."""
        await self._line.close()

    async def verify(self, name: str, password_hash: str | None, password: bytes, address: str) -> None:
        """Return where the password is that of the hash; None is the hash of a name that has none.

        `CommandError` where it is wrong, and where there were too many wrong ones; `StorageError` where the hash is
        broken.
        """
        if self._decoy_hash is None:
            raise RuntimeError("start was not awaited")
        compared = password_hash or self._decoy_hash
        digest = self._remembered.digest(name, compared, password)
        if not self._remembered.has(digest):
            await self._compare(Login(name, address, password_hash is not None, password, compared, digest))
        self._throttle.welcome(name, address)

    async def _compare(self, login: Login) -> None:
        over_at = self._clock.monotonic() + LOOK_SECONDS
        leave_look = self._look(login)
        is_hopeful = leave_look is not None or login.digest in self._hopes
        found: Found = asyncio.get_running_loop().create_future()
        if is_hopeful:
            self._hopes.setdefault(login.digest, set()).add(found)
        try:
            await self._in_turn(login)
        except CommandError as error:
            # A password that was wrong in its turn is wrong; one that was refused its turn may be right.
            if not is_hopeful or error.reason is Reason.BAD_CREDENTIALS:
                raise
            try:
                # A no is only told when the time is over: sooner it would tell that there is such a user.
                await within(self._clock, over_at - self._clock.monotonic(), found)
            except TimeoutError:
                raise error from None
        finally:
            if leave_look is not None:
                leave_look()
            if is_hopeful:
                self._give_up(login.digest, found)

    async def hash(self, password: bytes) -> str:
        """The hash of a new password, made in the line like every other; `CommandError` where too many wait."""
        made: list[str] = []

        async def turn() -> bool:
            made.append(await self._pool.hash(password))
            return True

        answer = self._line.join(turn)
        try:
            await asyncio.shield(answer)
        finally:
            self._line.leave(answer)
        return made[0]

    async def _in_turn(self, login: Login) -> None:
        while not self._remembered.has(login.digest):
            self._throttle.check(login.name, login.address)
            equal = self._answers.get(login.digest)
            if equal is not None:
                await asyncio.wait((equal,))
            elif await self._hashed(login) is False:
                raise CommandError(Reason.BAD_CREDENTIALS, "The name or the password is wrong.")

    async def _hashed(self, login: Login) -> bool | None:
        answer = self._line.join(partial(self._turn, login))
        self._answers[login.digest] = answer
        answer.add_done_callback(lambda _: self._answers.pop(login.digest))
        try:
            return await asyncio.shield(answer)
        finally:
            self._line.leave(answer)

    async def _turn(self, login: Login) -> bool | None:
        if self._throttle.wait_seconds(login.name, login.address) > 0:
            return None  # others failed while this one waited
        is_right = await self._is_right(login)
        if not is_right and login.is_counted:
            self._throttle.count_name(login.name, login.address)
        elif not is_right:
            self._throttle.count(login.name, login.address)
        return is_right

    def _look(self, login: Login) -> Callable[[], None] | None:
        """Have a login in a crowd looked at out of turn; returns what ends that, or None where it may have no look."""
        is_crowded = self._line.waiting > 0 or self._throttle.wait_seconds(login.name, login.address) > 0
        suspicion = self._throttle.suspicion(login.name, login.address)
        give_back = self._throttle.take_look(login.name, login.address) if is_crowded else None
        if give_back is None:
            return None
        look = self._line.join_first(partial(self._look_turn, login, give_back), suspicion)

        def leave() -> None:
            if self._line.leave(look):
                give_back()

        return leave

    async def _look_turn(self, login: Login, give_back: Callable[[], None]) -> bool:
        try:
            is_right = self._remembered.has(login.digest) or (
                # A name that nobody has costs no hash, however many are invented.
                login.is_user and await self._is_right(login)
            )
        except StorageError:
            return False  # it is said in its turn
        if is_right:
            give_back()
        else:
            login.is_counted = True
            self._throttle.count_address(login.address)
        return is_right

    def _give_up(self, digest: bytes, found: Found) -> None:
        hopes = self._hopes.get(digest)
        if hopes is not None:
            hopes.discard(found)
            if not hopes:
                del self._hopes[digest]

    async def _is_right(self, login: Login) -> bool:
        """Whether the password is right; then it is remembered, and its hash is kept up to date."""
        try:
            is_right = await self._pool.matches(login.password_hash, login.password)
        except ValueError as error:
            log.error("A stored password could not be compared.", username=login.name, error=str(error))  # noqa: TRY400 - a trace would tell no more
            what = "The password could not be compared. Tell the server's operator."
            raise StorageError(what, told=what) from None
        if not (is_right and login.is_user):
            return False
        self._remembered.add(login.digest)
        if self._pool.is_outdated(login.password_hash):
            await self._renew_hash(login)
        waiting = self._answers.get(login.digest)
        if waiting is not None and not waiting.done():
            waiting.set_result(True)  # a look that says yes lets everybody in who waits for this password
        for found in self._hopes.pop(login.digest, ()):
            if not found.done():
                found.set_result(None)
        return True

    async def _renew_hash(self, login: Login) -> None:
        password_hash = await self._pool.hash(login.password)
        try:
            is_renewed = await self._store.set_password_hash(login.name, password_hash, expected=login.password_hash)
        except StorageError as error:
            log.warning("A password's hash could not be renewed.", username=login.name, error=str(error))
            return
        if is_renewed:
            self._remembered.add(self._remembered.digest(login.name, password_hash, login.password))
