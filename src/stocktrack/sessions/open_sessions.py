"""All open sessions: how many there may be, and the deadlines that end one.

One task looks at all of them at least once a second, instead of several timers in each: at 15,000 sessions that is a
few milliseconds a second, and it saves the timers' memory in every session.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass

import structlog

from stocktrack.clock import Clock
from stocktrack.errors import CommandError, Reason, SessionEnd, StockTrackError
from stocktrack.market.board import Board
from stocktrack.market.events import FeedEvent
from stocktrack.market.feed import Feed
from stocktrack.sessions.administration import SessionAdministration
from stocktrack.sessions.contracts import Asker, Authenticator, Services, SessionRules, WatchLists
from stocktrack.sessions.life import SessionState
from stocktrack.sessions.session import Session
from stocktrack.system.trail import Trail
from stocktrack.wire.connection import Connection

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How many sessions there may be (0: no limit, where that is said in the settings), and their deadlines."""

    max_sessions: int
    max_unauthenticated_sessions: int
    max_sessions_per_user: int
    max_sessions_per_address: int
    auth_timeout_seconds: float
    slow_client_timeout_seconds: float


class Sessions:
    """The open sessions; a door opens one for each client and closes it when the client is gone."""

    def __init__(
        self,
        rules: SessionRules,
        limits: SessionLimits,
        *,
        authenticator: Authenticator,
        lists: WatchLists,
        feed: Feed,
        board: Board,
        clock: Clock,
        trail: Trail | None = None,
    ) -> None:
        self.trail = trail or Trail(clock)
        self._limits = limits
        self._rules = rules
        self._clock = clock
        self._lists = lists
        self._open: dict[Session, None] = {}
        self._services = Services(
            rules,
            authenticator,
            lists,
            feed,
            board,
            clock,
            self._admit,
            SessionAdministration(self._open.keys(), clock, self.trail),
            self.trail,
        )
        self._numbers = itertools.count(1)
        self._unauthenticated = 0
        self._by_address: Counter[str] = Counter()
        self._by_user: Counter[str] = Counter()
        # Sessions with bytes that wait to be taken: how many they had taken when they last took any, and when that was.
        self._behind: dict[Session, tuple[int, float]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing: SessionEnd | None = None

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._open))

    @property
    def is_closing(self) -> bool:
        """Whether all sessions were ended and new ones are refused."""
        return self._closing is not None

    @property
    def is_full(self) -> bool:
        """Whether the server has no room for another session at this moment."""
        return len(self._open) >= self._limits.max_sessions

    def observe_commands(self, observe: Callable[[str, float], None]) -> None:
        """Have `observe` told the type of each command and the seconds that its answer took."""
        self._services.observe = observe

    def start(self) -> None:
        """Begin to watch the deadlines."""
        self._spawn(self._watch(), "session deadlines")

    def change(self, rules: SessionRules, limits: SessionLimits) -> None:
        """Go by other rules and limits from now on; no session that is open is closed for a lower limit."""
        self._rules = self._services.rules = rules
        self._limits = limits

    async def close(self) -> None:
        """End the tasks; the sessions were ended by `end_all` before."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def open(self, connection: Connection, *, address: str, door: str) -> Session:
        """A new session; `SessionEnd` where there are too many, or all were ended."""
        if self._closing is not None:
            # It was accepted in the moment in which the listening socket was closed.
            raise self._closing
        limits = self._limits
        for count, most, limit, whose in (
            (len(self._open), limits.max_sessions, "server", "this server"),
            (
                self._unauthenticated,
                limits.max_unauthenticated_sessions,
                "unauthenticated",
                "clients that have not logged in",
            ),
            (self._by_address[address], limits.max_sessions_per_address, "address", f"address {address}"),
        ):
            if most and count >= most:
                self.trail.refused(Reason.SESSION_LIMIT, address=address, door=door, limit=limit)
                raise SessionEnd(
                    Reason.SESSION_LIMIT, f"The limit of {most} sessions of {whose} is reached.", retry_after_ms=5000
                )
        session = Session(self._services, connection, name=f"s{next(self._numbers)}", address=address, door=door)
        self._open[session] = None
        self._unauthenticated += 1
        self._by_address[address] += 1
        return session

    def close_session(self, session: Session) -> None:
        """Forget a session whose client is gone."""
        if session not in self._open:
            return
        session.closed()
        del self._open[session]
        self._behind.pop(session, None)
        _count_down(self._by_address, session.address)
        if session.username is None:
            self._unauthenticated -= 1
        else:
            _count_down(self._by_user, session.username)

    def end_all(self, why: SessionEnd) -> None:
        """End every session with a NOTICE that says why, and refuse new ones."""
        self._closing = why
        for session in tuple(self._open):
            session.end(why)

    def tell(self, event: FeedEvent) -> None:
        """Hand an event of the feed to the sessions; what turned out to be unknown leaves all saved lists."""
        dropped: dict[str, set[str]] = {}
        for session in tuple(self._open):
            symbols = session.tell(event)
            if symbols and session.username is not None:
                dropped.setdefault(session.username, set()).update(symbols)
        for username, unknown in dropped.items():
            self._spawn(self._forget(username, sorted(unknown)), f"forget unknown symbols of {username}")

    def _admit(self, session: Asker, username: str) -> None:
        most = self._limits.max_sessions_per_user
        if most and self._by_user[username] >= most:
            self.trail.refused(
                Reason.SESSION_LIMIT, address=session.address, door=session.door, limit="user", user=username
            )
            raise CommandError(
                Reason.SESSION_LIMIT, f"{username} has {most} sessions already, the most allowed.", retry_after_ms=5000
            )
        if session in self._open:
            self._unauthenticated -= 1
            self._by_user[username] += 1

    async def _forget(self, username: str, symbols: Sequence[str]) -> None:
        try:
            await self._lists.forget(username, symbols)
        except StockTrackError as error:
            log.warning("unknown symbols stay in a saved list", user=username, symbols=symbols, why=str(error))

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of the sessions failed unexpectedly", task=task.get_name(), exc_info=error)

    async def _watch(self) -> None:
        while True:
            limits = self._limits
            shortest = min(
                limits.auth_timeout_seconds, limits.slow_client_timeout_seconds, self._rules.heartbeat_seconds
            )
            await self._clock.sleep(min(1.0, shortest / 4))
            self.check_deadlines()
            self.trail.settle()

    def check_deadlines(self) -> None:
        """End what is over its time, and send heartbeats where it was quiet."""
        now = self._clock.monotonic()
        for session in tuple(self._open):
            if not session.is_open:
                continue
            if session.state is SessionState.GREETED and now - session.opened_at >= self._limits.auth_timeout_seconds:
                seconds = self._limits.auth_timeout_seconds
                session.end(SessionEnd(Reason.AUTH_TIMEOUT, f"There was no successful AUTH within {seconds:g} s."))
            elif self._is_slow(session, now):
                self._end_slow(session)
            elif session not in self._behind and now - session.connection.last_sent_at >= self._rules.heartbeat_seconds:
                session.heartbeat()

    def _is_slow(self, session: Session, now: float) -> bool:
        unsent = session.connection.unsent_bytes()
        if unsent == 0:
            self._behind.pop(session, None)
            return False
        taken = session.connection.sent_bytes - unsent
        last_taken, since = self._behind.get(session, (-1, now))
        if taken > last_taken:
            self._behind[session] = (taken, now)
            return False
        return now - since >= self._limits.slow_client_timeout_seconds

    def _end_slow(self, session: Session) -> None:
        seconds = self._limits.slow_client_timeout_seconds
        why = SessionEnd(Reason.SLOW_CLIENT, f"The client took nothing for {seconds:g} s.")
        log.info("slow client closed", session=session.name, user=session.username, address=session.address)
        session.end(why)
        # It would have to read to see the notice; waiting for that would hold its buffers for ever.
        session.connection.abort()


def _count_down(counter: Counter[str], key: str) -> None:
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]
