"""What an administrator does with the open sessions: list them, end one, tell all of them something."""

import contextlib
from collections.abc import AsyncGenerator, Callable, Collection, Sequence

from stocktrack.clock import Clock
from stocktrack.errors import Code, CommandError, Reason, SessionEnd
from stocktrack.messages import MAX_REPLY_BYTES, Notice, SessionInfo
from stocktrack.sessions.contracts import Asker, Doer, HeldSessions, Reached, SessionPage
from stocktrack.sessions.life import SessionState
from stocktrack.sessions.names import read_session_name
from stocktrack.sessions.session import Session
from stocktrack.system.acts import Act
from stocktrack.system.trail import Trail
from stocktrack.wire.lines import encode_line

# A page leaves room on its line for what stands around the sessions.
PAGE_BYTES = MAX_REPLY_BYTES - 1_024
_MAX_SYMBOLS_LISTED = 500
_KICKED = SessionEnd(Reason.NOT_PERMITTED, "An administrator ended this session.")


class SessionAdministration:
    """Looks after the sessions that `open_sessions` holds at any moment, in the order in which they came.

    ``walk()`` goes through those that are open, and gives way to others; ``count_of(username)`` is how many a user
    has. What is done, the trail tells.
    """

    def __init__(
        self,
        open_sessions: Collection[Session],
        clock: Clock,
        walk: Callable[[], AsyncGenerator[Session, None]],
        trail: Trail,
        count_of: Callable[[str], int],
    ) -> None:
        self._open = open_sessions
        self._clock = clock
        self._walk = walk
        self._trail = trail
        self._count_of = count_of

    @property
    def count(self) -> int:
        """How many sessions are open."""
        return len(self._open)

    async def count_of(self, usernames: Sequence[str]) -> HeldSessions:
        """How many sessions each of these users has now."""
        return HeldSessions([self._count_of(username) for username in usernames])

    async def page(self, after: str | None, *, is_brief: bool = False) -> SessionPage:
        """The sessions opened after the one named `after`, as many as one reply can carry."""
        first = 0 if after is None else read_session_name(after)[0] + 1
        return await self.page_from(first, PAGE_BYTES, is_brief=is_brief)

    async def page_from(self, first: int, room_bytes: int, *, is_brief: bool = False) -> SessionPage:
        """The sessions from number `first` on, as many as fit into so many bytes."""
        listed: list[SessionInfo] = []
        size = 0
        async with contextlib.aclosing(self._walk()) as walk:
            async for session in walk:
                if read_session_name(session.name)[0] < first:
                    continue
                info = self._info(session, is_brief=is_brief)
                size += bytes_of(info)
                if size > room_bytes:
                    return SessionPage(tuple(listed), len(self._open), more=True)
                listed.append(info)
        return SessionPage(tuple(listed), len(self._open), more=False)

    async def kick(self, name: str, by: Asker) -> str | None:
        """End the session of this name and return its user; `CommandError` where there is none, or it is `by`'s own."""
        return self.end_one(name, by)

    def end_one(self, name: str, by: Doer) -> str | None:
        """The same for whoever it was, here or at another server."""
        for session in self._open:
            if session.name == name and session.is_open:
                break
        else:
            raise no_such_session(name)
        if session is by:
            raise CommandError(Reason.INVALID_COMMAND, "This is your own session; LOGOUT ends it.")
        self._trail.record(
            Act.SESSION_KICKED,
            address=by.address,
            door=by.door,
            user=session.username,
            by=by.username,
            session=session.name,
            session_address=session.address,
        )
        session.end(_KICKED)
        return session.username

    def tell_kicked(self, name: str, by: Doer, *, username: str | None, server: str) -> None:
        """Have the trail tell of a session of another server that was ended."""
        self._trail.record(
            Act.SESSION_KICKED,
            address=by.address,
            door=by.door,
            user=username,
            by=by.username,
            session=name,
            server=server,
        )

    async def kick_user(self, username: str, by: Asker) -> Reached:
        """End all sessions of a user but `by`; `CommandError` where there are none."""
        ended = await self.end_all_of(username, by)
        if not ended:
            raise none_of_user(username)
        return Reached(ended)

    async def end_all_of(self, username: str, by: Doer) -> int:
        """End all sessions of a user but `by`, who may be here or at another server; how many those were."""
        ended = 0
        async for session in self._walk():
            if session.username == username and session is not by:
                session.end(_KICKED)
                ended += 1
        if ended:
            self._trail.record(
                Act.SESSION_KICKED, address=by.address, door=by.door, user=username, by=by.username, count=ended
            )
        return ended

    async def announce(self, text: str, by: Asker) -> Reached:
        """Tell every session that is logged in."""
        return Reached(await self.tell_all(text, by))

    async def tell_all(self, text: str, by: Doer) -> int:
        """Tell every session that is logged in, whoever it was, here or at another server; how many those were."""
        line = encode_line(Notice(code=Code.CONTINUE, reason=Reason.ANNOUNCEMENT, message=text))
        told = 0
        async for session in self._walk():
            if session.state is SessionState.AUTHENTICATED:
                # A client that is gone by a mistake of ours is found by the deadlines, which end it.
                with contextlib.suppress(Exception):
                    session.connection.send(line)
                    told += 1
        self._trail.record(Act.ANNOUNCED, address=by.address, door=by.door, by=by.username, recipients=told, text=text)
        return told

    def _info(self, session: Session, *, is_brief: bool) -> SessionInfo:
        now, symbols = self._clock.monotonic(), session.symbols
        age_seconds = now - session.opened_at
        return SessionInfo(
            session=session.name,
            username=session.username,
            address=session.address,
            door=session.door,
            since=self._clock.now_ms() - round(age_seconds * 1000),
            symbols=() if is_brief else symbols[:_MAX_SYMBOLS_LISTED],
            behind=session.connection.unsent_bytes(),
            symbol_count=len(symbols),
            idle_seconds=int(now - session.asked_at),
        )


def bytes_of(info: SessionInfo) -> int:
    """How many bytes a session takes in a list on the line, with the comma behind it."""
    return len(info.model_dump_json(exclude_none=True).encode()) + 1


def no_such_session(name: str, also: str = "") -> CommandError:
    """The error where no session has this name; `also` is one more sentence."""
    there = f"There is no session {name!r}; see `stocktrack sessions`.{also}"
    return CommandError(Reason.INVALID_COMMAND, there)


def none_of_user(username: str, also: str = "") -> CommandError:
    """The error where a user has no session that could be ended; `also` is one more sentence."""
    return CommandError(Reason.INVALID_COMMAND, f"{username!r} has no session here that could be ended.{also}")
