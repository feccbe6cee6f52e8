"""The sessions behind REST: one a user and scope, opened by the first request, closed when none has come for a while.

So a request is a command like any other: the same validation, the same limits and the same answers; an administrator
sees the session and can end it.
"""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias
from weakref import WeakValueDictionary

from stocktrack.clock import Clock
from stocktrack.doors.turns import TURNS_AT_ONCE, turns
from stocktrack.errors import CommandError
from stocktrack.messages import COMMANDS, MAIN_LIST, Failure, Reply, join_pages, next_page
from stocktrack.scopes import Scope
from stocktrack.sessions.answers import tell_failure
from stocktrack.sessions.contracts import REST_DOOR, Authenticator, WatchLists
from stocktrack.sessions.open_sessions import Sessions
from stocktrack.sessions.session import Session
from stocktrack.system.trail import Trail
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
    """One user's session. Commands may run side by side; those that change the saved list hold `changing`."""

    def __init__(self, session: Session, lists: WatchLists, now: float) -> None:
        self.changing = asyncio.Lock()
        self.used_at = now  # monotonic seconds
        self._lists = lists
        self.session = session

    async def ask(self, command_type: str, /, **fields: Any) -> Reply:
        """The reply to a command; `RefusedError` where it failed, `BadLine` where it is none. None is left out.

        Quotes and bars that come in several pages are one reply: it stands on no line, and is as long as it is. Each
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

    async def saved(self, list_name: str | None) -> tuple[str, ...]:
        """A saved list of the user, without its quotes."""
        return await self._lists.saved(self.session.user, list_name or MAIN_LIST)

    @property
    def is_open(self) -> bool:
        """Whether it takes commands."""
        return self.session.is_open


class RestSessions:
    """The users' sessions. All tokens of a user with the same scope share one, which is whose token asked last."""

    def __init__(self, sessions: Sessions, authenticator: Authenticator, lists: WatchLists, clock: Clock) -> None:
        self._sessions = sessions
        self._authenticator = authenticator
        self._lists = lists
        self._clock = clock
        self._by_user: dict[Key, RestSession] = {}
        # Held while a session is looked up or opened; who waits for one keeps it alive.
        self._opening: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()
        self._sweep: asyncio.TimerHandle | None = None

    @property
    def trail(self) -> Trail:
        """Where failures are told."""
        return self._sessions.trail

    async def of_token(self, token: str, address: str, *, is_forwarded: bool) -> RestSession:
        """The session of the user whose token it is, read anew each time so that a revoked one is refused.

        `StockTrackError` or `RefusedError` where there is none to be had.
        """
        try:
            identity = await self._authenticator.verify_token(token, address)
        except CommandError as error:
            tell_failure(self.trail, error, address=address, door=_DOOR)
            raise
        key = (identity.user_id, identity.created_at_ms, identity.scope)
        opening = self._opening.setdefault(key, asyncio.Lock())
        async with opening:
            # Requests that come first and together would each open a session, and be refused for the limit of them.
            found = self._by_user.get(key)
            if found is None or not found.is_open:
                # Whatever has ended it: until it is closed, it counts as one that the user has.
                self._forget(key)
                found = await self._open_for(key, token, address, is_forwarded=is_forwarded)
        found.session.renew(identity)
        found.used_at = self._clock.monotonic()
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._close_idle)
        return found

    async def _open_for(self, key: Key, token: str, address: str, *, is_forwarded: bool) -> RestSession:
        found = self.open(address, lambda: self._ended(key, found), is_forwarded=is_forwarded)
        try:
            await found.ask("AUTH", token=token)
        except BaseException:
            self.close_session(found)
            raise
        self._by_user[key] = found
        return found

    def open(self, address: str, on_end: Callable[[], None], *, is_forwarded: bool) -> RestSession:
        """A session that has not logged in; `SessionEnd` where there are too many."""
        connection = _NoPushes(self._clock, on_end)
        session = self._sessions.open(connection, address=address, door=_DOOR, is_forwarded=is_forwarded)
        return RestSession(session, self._lists, self._clock.monotonic())

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
