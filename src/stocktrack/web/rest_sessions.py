"""The sessions behind REST: one a user, opened by the first request and closed when none has come for a while.

So a request is a command like any other: the same validation, the same limits and the same answers; an administrator
sees the session and can end it.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from stocktrack.clock import Clock
from stocktrack.errors import SessionEnd
from stocktrack.sessions.open_sessions import Sessions
from stocktrack.sessions.session import Accounts, Session
from stocktrack.wire.lines import failure

IDLE_SECONDS = 60.0

Reply = dict[str, Any]


class RefusedError(Exception):
    """A request that is answered by a failure of the protocol."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.get("message", ""))
        self.reply = reply


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

    def __init__(self, sessions: Sessions, clock: Clock, address: str, on_end: Callable[[], None]) -> None:
        self.changing = asyncio.Lock()
        self.used_at = clock.monotonic()
        self._session: Session = sessions.open(_NoPushes(clock, on_end), address=address, door="rest")
        self._sessions = sessions

    async def ask(self, command_type: str, **fields: Any) -> Reply:
        """The reply to a command; `RefusedError` where it failed. Fields that are None are left out."""
        given = {name: value for name, value in fields.items() if value is not None}
        lines = await self._session.receive(json.dumps({"type": command_type, **given}).encode())
        if not lines:
            raise RefusedError(_SESSION_ENDED)
        reply: Reply = json.loads(lines.partition(b"\n")[0])
        if "reason" in reply:
            raise RefusedError(reply)
        return reply

    @property
    def is_open(self) -> bool:
        """Whether it takes commands."""
        return self._session.is_open

    def close(self) -> None:
        """End it."""
        self._sessions.close_session(self._session)


class RestSessions:
    """The users' sessions, by name."""

    def __init__(self, sessions: Sessions, accounts: Accounts, clock: Clock) -> None:
        self._sessions = sessions
        self._accounts = accounts
        self._clock = clock
        self._by_user: dict[str, RestSession] = {}
        self._sweep: asyncio.TimerHandle | None = None

    async def of_token(self, token: str, address: str) -> tuple[str, RestSession]:
        """Whose token it is, read anew each time so that a revoked one counts no more, and the user's session.

        `StockTrackError` or `RefusedError` where there is none to be had.
        """
        username = await self._accounts.verify_token(token, address)
        found = self._by_user.get(username)
        if found is None or not found.is_open:
            found = self.open(address, lambda: self._forget(username))
            try:
                await found.ask("AUTH", token=token)
            except RefusedError:
                found.close()
                raise
            # Two first requests at one time: the second takes the session of the first.
            known = self._by_user.get(username)
            if known is not None and known.is_open:
                found.close()
                found = known
            self._by_user[username] = found
        found.used_at = self._clock.monotonic()
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._close_idle)
        return username, found

    def open(self, address: str, on_end: Callable[[], None]) -> RestSession:
        """A session that has not logged in; `RefusedError` where there are too many."""
        try:
            return RestSession(self._sessions, self._clock, address, on_end)
        except SessionEnd as why:
            raise RefusedError(failure(why).model_dump(mode="json", exclude_none=True)) from None

    async def saved(self, username: str, list_name: str | None) -> tuple[str, ...]:
        """A saved list without its quotes."""
        return await self._accounts.saved(username, *([list_name] if list_name else []))

    def close(self) -> None:
        """Close all of them."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for username in tuple(self._by_user):
            self._forget(username)

    def _forget(self, username: str) -> None:
        if (found := self._by_user.pop(username, None)) is not None:
            found.close()

    def _close_idle(self) -> None:
        self._sweep = None
        before = self._clock.monotonic() - IDLE_SECONDS
        for username in [name for name, session in self._by_user.items() if session.used_at <= before]:
            self._forget(username)
        if self._by_user:
            self._sweep = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._close_idle)


_SESSION_ENDED: Reply = {
    "type": "ERROR",
    "code": 401,
    "reason": "not_authenticated",
    "message": "The session ended while the request was under way; send it again.",
    "retryable": True,
}
