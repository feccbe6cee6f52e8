"""Tells the sessions of a user what the user's alerts have to say, and what they said while none of them was there.

The words stand in the database, written by whoever judges the alerts, which may be another process. Each server tells
its own sessions; a word is done with once one of them was told, and all servers have had the time to tell theirs.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

import structlog

from stocktrack.clock import Bell, Clock
from stocktrack.errors import Code, Reason, StorageError
from stocktrack.messages import Notice
from stocktrack.sessions.contracts import REST_DOOR
from stocktrack.sessions.open_sessions import Sessions
from stocktrack.sessions.session import Session
from stocktrack.storage.alerts import Alerts, Claimed, Settled
from stocktrack.wire.lines import encode_line

log = structlog.get_logger()

LOOK_SECONDS: Final = 0.5
# What was said before a session was there is told to one that stays: a command that is over in a moment shows it to
# nobody.
STAYING_SECONDS: Final = 2.0
# For so long other servers may find a word that one has told.
_OTHERS_SECONDS: Final = 10.0
# How long nobody looks for the user of a word again, unless the user comes.
_AWAY_FIRST_SECONDS, _AWAY_LONGEST_SECONDS = 5.0, 3_600.0
# What a user did not come for in so long is not told any more; MY_ALERTS has it.
_GIVE_UP_MS: Final = 7 * 86_400_000


class AlertWords:
    """Tells for as long as `run` does; with `others` several servers may have sessions of one user."""

    def __init__(self, stored: Alerts, sessions: Sessions, clock: Clock, *, others: bool) -> None:
        self.told = 0
        self._stored = stored
        self._sessions = sessions
        self._clock = clock
        self._others = others
        self._due = Bell(clock)
        # When each word was told here first (monotonic), as long as it is not done with.
        self._told_at: dict[str, float] = {}
        self._known_users: frozenset[str] = frozenset()
        self._is_failing = False

    def hint(self) -> None:
        """There may be new words."""
        self._due.ring()

    async def run(self) -> None:
        """Look for words again and again."""
        while True:
            try:
                await self.look()
                self._is_failing = False
            except StorageError as error:
                if not self._is_failing:
                    self._is_failing = True
                    log.warning("what alerts have to say cannot be read; it is tried again", why=str(error))
            await self._due.wait(LOOK_SECONDS)

    async def look(self) -> None:
        """Tell what is due."""
        now_ms = self._clock.now_ms()
        due = {word.delivery_id: word for word in await self._stored.due_to_sessions(now_ms)}
        staying = await self._staying_users()
        came, self._known_users = staying - self._known_users, staying
        if came:
            due |= {word.delivery_id: word for word in await self._stored.waiting_for(sorted(came), now_ms)}
        if not due and not self._told_at:
            return
        heard = await self._tell([word for word in due.values() if word.delivery_id not in self._told_at])
        self._told_at |= dict.fromkeys(heard, self._clock.monotonic())
        self.told += len(heard)
        await self._settle(due.values(), now_ms)

    async def _staying_users(self) -> frozenset[str]:
        """The users of whom a session is here, and was here a moment ago."""
        since = self._clock.monotonic() - STAYING_SECONDS
        users = set()
        async for session in self._sessions.walk():
            if session.username is not None and session.door != REST_DOOR and session.opened_at <= since:
                users.add(session.username)
        return frozenset(users)

    async def _tell(self, words: Sequence[Claimed]) -> list[str]:
        """Hand words to the sessions of their users; the ids of those that somebody was there for."""
        by_user: dict[str, list[Claimed]] = {}
        for word in words:
            by_user.setdefault(word.username, []).append(word)
        heard: dict[str, None] = {}
        if not by_user or by_user.keys().isdisjoint(self._sessions.users()):
            return []
        lines = {word.delivery_id: _line_of(word) for word in words}
        now, now_ms = self._clock.monotonic(), self._clock.now_ms()
        async for session in self._sessions.walk():
            if session.username is None or session.door == REST_DOOR:
                continue
            stays = now - session.opened_at >= STAYING_SECONDS
            for word in by_user.get(session.username, ()):
                is_new = now_ms - word.created_at_ms < STAYING_SECONDS * 1000
                if (stays or is_new) and self._send(session, lines[word.delivery_id]):
                    heard[word.delivery_id] = None
        return [*heard]

    def _send(self, session: Session, line: bytes) -> bool:
        """Hand a session a line; whether it took it."""
        if not session.is_open:
            return False
        try:
            session.notify(line)
        except Exception:  # it is ended by whoever watches it
            log.exception("telling an alert to a session failed unexpectedly", session=session.name)
            return False
        return True

    async def _settle(self, words: Iterable[Claimed], now_ms: int) -> None:
        # By what was told here: a word that was put off before is not among those that are due.
        told_before = self._clock.monotonic() - _OTHERS_SECONDS
        done = [
            Settled(delivery_id, None)
            for delivery_id, told_at in self._told_at.items()
            if not self._others or told_at <= told_before
        ]
        away: list[tuple[str, int]] = []
        for word in words:
            if word.delivery_id in self._told_at:
                continue
            if now_ms - word.created_at_ms >= _GIVE_UP_MS:
                done.append(Settled(word.delivery_id, None, "Nobody came to be told."))
            elif now_ms - word.due_at_ms >= _OTHERS_SECONDS * 1000:
                seconds = min(_AWAY_FIRST_SECONDS * 2 ** min(word.attempts, 10), _AWAY_LONGEST_SECONDS)
                away.append((word.delivery_id, now_ms + round(seconds * 1000)))
        if away:
            await self._stored.put_off(away)
        if done:
            await self._stored.settle(done, now_ms)
            for each in done:
                self._told_at.pop(each.delivery_id, None)


def _line_of(word: Claimed) -> bytes:
    try:
        body: dict[str, Any] = json.loads(word.body)
        notice = Notice(
            code=Code.CONTINUE,
            reason=Reason.ALERT,
            symbols=(body["symbol"],),
            message=body["message"],
            alert=body["alert"],
            delivery=word.delivery_id,
            timestamp=body["timestamp"],
        )
    except (KeyError, TypeError, ValueError):
        log.warning("an alert in the database cannot be read", delivery=word.delivery_id)
        message = "An alert fired, and what it told cannot be read any more."
        notice = Notice(code=Code.CONTINUE, reason=Reason.ALERT, message=message, delivery=word.delivery_id)
    return encode_line(notice)
