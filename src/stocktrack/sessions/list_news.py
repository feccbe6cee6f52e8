"""What changes in a user's saved lists, told to those other sessions of that user that have asked for it.

The first change is told at once; what follows within the next quarter of a second is told together, so that a program
that rewrites its lists all the time costs each session that follows a few short lines a second.
"""

import asyncio
from collections.abc import Callable, Collection
from typing import Final

from stocktrack.clock import Clock
from stocktrack.errors import Code, Reason
from stocktrack.messages import Notice
from stocktrack.quotes import shown
from stocktrack.sessions.contracts import Asker
from stocktrack.sessions.session import Session
from stocktrack.wire.lines import encode_line

PAUSE_SECONDS: Final = 0.25
# Of so many lists a NOTICE has the names in its sentence.
_MOST_NAMED: Final = 3


class ListNewsroom:
    """Tells the sessions of this server; satisfies `ListNews`. `run` for as long as the server does.

    ``failed(session, error)`` is told of a session that could not be told.
    """

    def __init__(self, clock: Clock, failed: Callable[[Session, BaseException], None]) -> None:
        self._clock = clock
        self._failed = failed
        self._followers: dict[str, dict[Session, None]] = {}  # by user
        # By user: which lists were changed, and by which session; None is one at another server, or nobody.
        self._waiting: dict[str, dict[tuple[str, Asker | None], None]] = {}
        self._has_news = asyncio.Event()

    @property
    def count(self) -> int:
        """How many sessions are told."""
        return sum(map(len, self._followers.values()))

    def follow(self, session: Asker, *, is_wanted: bool) -> None:
        """Tell the session from now on, or no longer."""
        if not isinstance(session, Session) or not session.is_open:
            return
        if is_wanted:
            self._followers.setdefault(session.user, {})[session] = None
        else:
            self.forget(session)

    def forget(self, session: Session) -> None:
        """Tell a session no longer; it may have ended, or never have asked."""
        followers = self._followers.get(session.username or "")
        if followers is not None and session in followers:
            del followers[session]
            if not followers:
                del self._followers[session.user]

    def changed(self, username: str, list_names: Collection[str], by: Asker | None) -> None:
        """Have it told soon that these lists are not what they were, but not to `by`."""
        if list_names and username in self._followers:
            self._waiting.setdefault(username, {}).update(((name, by), None) for name in list_names)
            self._has_news.set()

    async def run(self) -> None:
        """Tell what waits, until it is cancelled."""
        while True:
            await self._has_news.wait()
            self._has_news.clear()
            waiting, self._waiting = self._waiting, {}
            for username, changes in waiting.items():
                self._tell(tuple(self._followers.get(username, ())), tuple(changes))
                await asyncio.sleep(0)
            await self._clock.sleep(PAUSE_SECONDS)

    def _tell(self, followers: Collection[Session], changes: Collection[tuple[str, Asker | None]]) -> None:
        lines: dict[tuple[str, ...], bytes] = {}
        for session in followers:
            names = tuple(dict.fromkeys(name for name, by in changes if by is not session))
            if not names:
                continue
            if names not in lines:
                lines[names] = encode_line(_notice(names))
            try:
                session.notify(lines[names])
            except Exception as error:
                self._failed(session, error)


def _notice(names: tuple[str, ...]) -> Notice:
    named = ", ".join(map(shown, names)) if len(names) <= _MOST_NAMED else f"{len(names)} lists"
    return Notice(
        code=Code.CONTINUE,
        reason=Reason.LISTS_CHANGED,
        lists=names,
        message=f"Another session of yours has changed your saved lists: {named}.",
    )
