"""The sessions behind REST: one a user and scope, opened by the first request, closed when none has come for a while.

So a request is a command like any other: the same validation, the same limits and the same answers; an administrator
sees the session and can end it.
"""

import asyncio
from collections.abc import Callable, Collection
from typing import Any, TypeAlias
from weakref import WeakValueDictionary

from stocktrack.accounts.identity import Identity
from stocktrack.clock import Clock
from stocktrack.doors.turns import TURNS_AT_ONCE, turns
from stocktrack.errors import CommandError, Reason
from stocktrack.messages import COMMANDS, Failure, Reply, join_pages, next_page
from stocktrack.scopes import Scope
from stocktrack.sessions.contracts import REST_DOOR, Authenticator
from stocktrack.sessions.open_sessions import Sessions
from stocktrack.sessions.session import Session
from stocktrack.system.trail import Trail
from stocktrack.web.credentials import Credentials, Login
from stocktrack.wire.lines import command_of, failure

IDLE_SECONDS = 60.0
_DOOR = REST_DOOR

# A user's id and when that user was added, since a name can be given to another person; and the scope.
Key: TypeAlias = tuple[int, int, Scope]


class RefusedError(Exception):
    """A request whose command failed."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class _NoPushes:
    """The way out of a session that is only asked; what it would be told by itself, nobody hears."""

    sent_bytes = 0

    def __init__(self, clock: Clock, on_end: Callable[[], None]) -> None:
        self._clock = clock
        self._on_end = on_end

    @property
    def last_sent_at(self) -> float:
        """Now: such a session wants no heartbeat."""
        return self._clock.monotonic()

    def send(self, data: bytes) -> None:
        """Nobody listens."""

    async def drain(self) -> None:
        """Nothing waits."""

    def unsent_bytes(self) -> int:
        """Nothing waits."""
        return 0

    def end(self) -> None:
        """Called when the session was ended."""
        self._on_end()

    def abort(self) -> None:
        """Called when the session was ended."""
        self._on_end()


class RestSession:
    """One user's session, as a request with the login `identity` asks it. Commands may run side by side."""

    def __init__(self, session: Session, now: float, identity: Identity | None = None) -> None:
        self.used_at = now  # monotonic seconds
        self.session = session
        self.identity = identity

    async def ask(self, command_type: str, /, **fields: Any) -> Reply:
        """The reply to a command; `RefusedError` where it failed, `BadLine` where it is none. None is left out.

        What comes in several pages is one reply: it stands on no line, and is as long as it is. Each
        page counts as a command, and none is refused for that: it waits until it is its turn.
        """
        self.take_turn()
        return await self._whole(command_type, fields)

    def take_turn(self) -> None:
        """Count a request; `RefusedError` where there were too many."""
        try:
            self.session.take_turn()
        except CommandError as error:
            raise RefusedError(failure(error)) from None

    async def ask_on(self, command_type: str, /, **fields: Any) -> Reply:
        """As `ask`, for a request of several commands that has taken its turn: each waits for its own, as pages do."""
        await self._wait()
        return await self._whole(command_type, fields)

    async def _whole(self, command_type: str, fields: dict[str, Any]) -> Reply:
        whole = await self._ask(command_type, **fields)
        while (changes := next_page(whole)) is not None:
            await self._wait()
            whole = join_pages(whole, await self._ask(command_type, **{**fields, **changes}))
        return whole

    async def _wait(self) -> None:
        if (pause_seconds := self.session.seconds_until_turn(0)) > 0:
            await self.session.services.clock.sleep(pause_seconds)
        await turns().turn(cost=TURNS_AT_ONCE, is_more=True)

    async def _ask(self, command_type: str, /, **fields: Any) -> Reply:
        command = command_of(command_type, **fields)
        reply = await self.session.ask(command)
        self.session.take_following()  # a request is answered once: nobody reads prices here
        if isinstance(reply, Failure):
            raise RefusedError(reply)
        assert isinstance(reply, COMMANDS[command_type].reply)  # noqa: S101 - as its row says
        return reply

    async def end_token(self) -> Reply:
        """End the token that the request came with; the reply to REVOKE, errors as of `ask`."""
        token = None if self.identity is None else self.identity.token
        if self.identity is None or token is None or token.token_id is None:
            why = (
                "There is no token to end: the password was sent with the request."
                if token is None
                else "This token is from before tokens had an id: it ends with its days, or with all of the user's."
            )
            raise CommandError(Reason.INVALID_COMMAND, why)
        self.take_turn()
        # Another request may have become the session's login meanwhile, and this one ends its own token alone.
        self.session.renew(self.identity)
        return await self._ask("REVOKE", token_id=token.token_id)

    @property
    def is_open(self) -> bool:
        """Whether it takes commands."""
        return self.session.is_open


class RestSessions:
    """The users' sessions. All tokens of a user with the same scope share one, which is whose token asked last."""

    def __init__(
        self,
        sessions: Sessions,
        authenticator: Authenticator,
        clock: Clock,
        *,
        allowed_origins: Collection[str] = (),
        public_names: Collection[str] = (),
    ) -> None:
        self._sessions = sessions
        self._clock = clock
        self.credentials = Credentials(
            authenticator, sessions.trail, allowed_origins=allowed_origins, public_names=public_names
        )
        self._by_user: dict[Key, RestSession] = {}
        # Held while a session is looked up or opened; who waits for one keeps it alive.
        self._opening: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()
        self._sweep: asyncio.TimerHandle | None = None

    @property
    def trail(self) -> Trail:
        """Where failures are told."""
        return self._sessions.trail

    async def of_login(self, login: Login, address: str, *, is_forwarded: bool) -> RestSession:
        """The session of the user whose login it is, read anew each time so that a revoked token is refused.

        `StockTrackError` or `RefusedError` where there is none to be had.
        """
        identity = await self.credentials.verify(login, address=address, door=_DOOR)
        key = (identity.user_id, identity.created_at_ms, identity.scope)
        opening = self._opening.setdefault(key, asyncio.Lock())
        async with opening:
            # Requests that come first and together would each open a session, and be refused for the limit of them.
            found = self._by_user.get(key)
            if found is None or not found.is_open:
                # Whatever has ended it: until it is closed, it counts as one that the user has.
                self._forget(key)
                found = await self._open_for(key, login, address, is_forwarded=is_forwarded)
        found.session.renew(identity)
        found.used_at = self._clock.monotonic()
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._close_idle)
        return RestSession(found.session, found.used_at, identity)

    async def _open_for(self, key: Key, login: Login, address: str, *, is_forwarded: bool) -> RestSession:
        found = self.open(address, lambda: self._ended(key, found), is_forwarded=is_forwarded)
        try:
            await found.ask("AUTH", **login)
        except BaseException:
            self.close_session(found)
            raise
        self._by_user[key] = found
        return found

    def open(self, address: str, on_end: Callable[[], None], *, is_forwarded: bool) -> RestSession:
        """A session that has not logged in; `SessionEnd` where there are too many."""
        connection = _NoPushes(self._clock, on_end)
        session = self._sessions.open(connection, address=address, door=_DOOR, is_forwarded=is_forwarded)
        return RestSession(session, self._clock.monotonic())

    def close_session(self, session: RestSession) -> None:
        """End one that `open` made."""
        self._sessions.close_session(session.session)

    def close(self) -> None:
        """Close all of them."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for key in tuple(self._by_user):
            self._forget(key)

    def _ended(self, key: Key, session: RestSession) -> None:
        """Somebody has ended a session; by now the user may have another one."""
        self.close_session(session)
        if self._by_user.get(key) is session:
            del self._by_user[key]

    def _forget(self, key: Key) -> None:
        if (found := self._by_user.pop(key, None)) is not None:
            self.close_session(found)

    def _close_idle(self) -> None:
        self._sweep = None
        before = self._clock.monotonic() - IDLE_SECONDS
        for key in [key for key, session in self._by_user.items() if session.used_at <= before]:
            self._forget(key)
        if self._by_user:
            self._sweep = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._close_idle)
