"""All open sessions: how many there may be, and the deadlines that end one.

One task looks at all of them at least once a second, instead of several timers in each: at 15,000 sessions that is a
few milliseconds a second, and it saves the timers' memory in every session. Another looks every two seconds whether the
logins still count: a password may have been changed, a token revoked or a user removed in any other process. Whoever
goes through all of them gives way to the others again and again (`walk`), and what fails in one session ends that
session and nothing else.
"""

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from stocktrack.accounts.identity import Identity
from stocktrack.alerts.desk import AlertDesk
from stocktrack.clock import Clock
from stocktrack.errors import CommandError, Reason, SessionEnd, StockTrackError, StorageError
from stocktrack.market.board import Board
from stocktrack.market.events import FeedEvent
from stocktrack.market.feed import Feed
from stocktrack.messages import SinkInfo
from stocktrack.metronome import Metronome
from stocktrack.sessions.administration import SessionAdministration
from stocktrack.sessions.budgets import Budgets
from stocktrack.sessions.chat import ChatCounts, ChatRoom
from stocktrack.sessions.contracts import (
    REST_DOOR,
    Administration,
    Asker,
    Authenticator,
    Chat,
    ListNews,
    LotBook,
    Seats,
    Services,
    SessionRules,
    WatchLists,
)
from stocktrack.sessions.life import SessionState
from stocktrack.sessions.list_news import ListNewsroom
from stocktrack.sessions.names import session_name
from stocktrack.sessions.session import Session
from stocktrack.sessions.strangers import Place, Strangers, TooManyError
from stocktrack.storage.store import UserRow
from stocktrack.system.addresses import address_group
from stocktrack.system.supervised import Supervisor
from stocktrack.system.trail import Trail
from stocktrack.wire.connection import Connection

log = structlog.get_logger()

LOGIN_LOOK_SECONDS = 2.0
# A walk gives way after so many sessions: telling one something costs some 20 µs.
SESSIONS_IN_A_ROW = 100


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How many sessions there may be (0: no limit, where that is said in the settings), and their deadlines."""

    max_sessions: int
    max_unauthenticated_sessions: int
    max_sessions_per_user: int
    max_sessions_per_address: int
    auth_timeout_seconds: float
    slow_client_timeout_seconds: float
    max_unauthenticated_per_address: int = 0
    max_guests: int = 0
    max_guests_per_address: int = 0
    guest_idle_seconds: float = 60.0

    @property
    def strangers(self) -> tuple[int, int]:
        """How many there may be that have not logged in, and how many of them from one address."""
        most = self.max_unauthenticated_sessions
        return most, min(most, self.max_unauthenticated_per_address or most)


class OneServer:
    """What sessions have of other servers where there are none: satisfies `Surroundings`."""

    server: str | None = None
    seats: Seats | None = None

    def administration(self, local: SessionAdministration) -> Administration:
        """The sessions here are all there are."""
        return local

    def chat(self, local: ChatRoom) -> Chat:
        """What is said here is said everywhere."""
        return local

    def list_news(self, local: ListNewsroom) -> ListNews:
        """Whoever changes a list does so here."""
        return local


class Surroundings(Protocol):
    """Other servers whose sessions count together with those here. `cluster.Cluster` is the real one."""

    @property
    def server(self) -> str | None:
        """The name of this server among them, which stands in the names of its sessions."""
        ...

    @property
    def seats(self) -> Seats | None:
        """Counts the sessions of each user over all of them."""
        ...

    def administration(self, local: SessionAdministration) -> Administration:
        """What an administrator does with the sessions of all of them."""
        ...

    def chat(self, local: ChatRoom) -> Chat:
        """Tells the sessions of all of them what a user says."""
        ...

    def list_news(self, local: ListNewsroom) -> ListNews:
        """Tells the sessions of all of them what a user changes in the saved lists."""
        ...


class Sessions:
    """The open sessions; a door opens one for each client and closes it when the client is gone."""

    def __init__(
        self,
        rules: SessionRules,
        limits: SessionLimits,
        *,
        authenticator: Authenticator,
        lists: WatchLists,
        lots: LotBook,
        feed: Feed,
        board: Board,
        clock: Clock,
        alerts: AlertDesk,
        trail: Trail | None = None,
        sinks: Callable[[], Sequence[SinkInfo]] = tuple,
        around: Surroundings | None = None,
    ) -> None:
        self.trail = trail or Trail(clock)
        around = around or OneServer()
        self._server, self._seats = around.server, around.seats
        self._limits = limits
        self._rules = rules
        self._clock = clock
        self._lists = lists
        self._open: dict[Session, None] = {}
        # The tasks that run for ever; its counts have those of the sessions that were ended by a mistake of ours, too.
        self.budgets = Budgets(clock)
        self.supervisor = Supervisor(clock)
        self.supervisor.failures.update({"session": 0, "metronome": 0})
        self._chat = ChatRoom(lambda: self._rules, board, clock, self._count_listeners, self._batches)
        self._list_news = ListNewsroom(clock, self._end_failed)
        self._services = Services(
            rules,
            authenticator,
            lists,
            lots,
            feed,
            board,
            clock,
            Metronome(clock, lambda: self.supervisor.note("metronome")),
            self._admit,
            self.look_at,
            around.administration(
                SessionAdministration(
                    self._open.keys(), clock, self.walk, self.trail, lambda username: self._by_user[username]
                )
            ),
            around.chat(self._chat),
            around.list_news(self._list_news),
            self.budgets,
            self._admit_guest,
            self.trail,
            alerts,
            sinks,
        )
        self._numbers = itertools.count(1)
        self.strangers = Strangers(lambda: self._limits.strangers)
        self._places: dict[Session, Place] = {}  # of those sessions that are strangers'
        self._guests: dict[Session, float] = {}  # when each was last seen to watch anything
        self._guests_by_address: Counter[str] = Counter()
        self._by_address: Counter[str] = Counter()
        self._by_user: Counter[str] = Counter()
        self._rest_by_user: Counter[str] = Counter()  # those of them that are behind REST
        self._by_door: Counter[str] = Counter()
        # Sessions with bytes that wait to be taken: how many they had taken when they last took any, and when that was.
        self._behind: dict[Session, tuple[int, float]] = {}
        self._seen: dict[str, UserRow | None] = {}  # the users' rows as they were at the last look at the logins
        self._logged_in: set[Asker] = set()  # since then
        self._tasks: set[asyncio.Task[None]] = set()
        self._events: asyncio.Queue[FeedEvent] = asyncio.Queue()
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
        return self._held >= self._limits.max_sessions

    @property
    def most_strangers_of_address(self) -> int:
        """How many that have not logged in there may be from one address."""
        return self._limits.strangers[1]

    @property
    def _unauthenticated(self) -> int:
        """Sessions that are strangers'."""
        return len(self._places)

    @property
    def _held(self) -> int:
        """Sessions, and strangers that are none yet: each of them may be an open file."""
        return len(self._open) + len(self.strangers) - self._unauthenticated + self.strangers.waiting

    @property
    def by_door(self) -> Mapping[str, int]:
        """How many sessions are open behind each door."""
        return self._by_door

    @property
    def chat_counts(self) -> ChatCounts:
        """What became of the words that users said."""
        return self._chat.counts

    @property
    def list_followers(self) -> int:
        """How many sessions are told what others change in the saved lists."""
        return self._list_news.count

    async def walk(self) -> AsyncGenerator[Session, None]:
        """The sessions that are open now, giving way to others every `SESSIONS_IN_A_ROW`.

        One that ends meanwhile is left out, and one that is opened meanwhile is not among them.
        """
        async for batch in self._batches():
            for session in batch:
                if session.is_open:
                    yield session

    async def _batches(self) -> AsyncGenerator[Sequence[Session], None]:
        """The sessions that there are now, so many at a time as are looked at in a row; some may have ended."""
        sessions = tuple(self._open)
        for start in range(0, len(sessions), SESSIONS_IN_A_ROW):
            yield sessions[start : start + SESSIONS_IN_A_ROW]
            if start + SESSIONS_IN_A_ROW <= len(sessions):
                await asyncio.sleep(0)

    @property
    def most_of_user(self) -> int:
        """How many sessions a user may have; 0 for no limit."""
        return self._limits.max_sessions_per_user

    def users(self) -> Collection[str]:
        """Those who are logged in."""
        return self._by_user.keys()

    def held_by(self, username: str) -> tuple[int, int]:
        """How many sessions a user has here, and how many of them are behind REST."""
        return self._by_user[username], self._rest_by_user[username]

    def _count_listeners(self) -> int:
        """The sessions that hear what is said to all."""
        return self._by_user.total() - self._rest_by_user.total()

    def deduct(self, whose: str, requests: int) -> None:
        """Take what somebody paid at another server out of the budget here as well."""
        rules = self._rules
        self.budgets.deduct(
            whose,
            requests,
            per_minute=rules.user_upstream_requests_per_minute,
            burst=rules.user_upstream_burst,
        )

    def observe_commands(self, observe: Callable[[str, float], None]) -> None:
        """Have `observe` told the type of each command and the seconds that its answer took."""
        self._services.observe = observe

    def start(self) -> None:
        """Begin to watch the deadlines and whether the logins still count, and to tell what the feed has to say."""
        self.supervisor.run("session deadlines", self._watch)
        self.supervisor.run("session logins", self._watch_logins)
        self.supervisor.run("session notices", self._tell_events)
        self.supervisor.run("chat", self._chat.run)
        self.supervisor.run("list news", self._list_news.run)

    def change(self, rules: SessionRules, limits: SessionLimits) -> None:
        """Go by other rules and limits from now on; no session that is open is closed for a lower limit."""
        self._rules = self._services.rules = rules
        self._limits = limits

    async def close(self) -> None:
        """End the tasks; the sessions were ended by `end_all` before."""
        self._services.metronome.close()
        await self.supervisor.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def place_for(self, address: str, *, door: str) -> Place:
        """A place among the strangers, as soon as there is one; `SessionEnd` as in `Strangers.wait`."""
        try:
            return await self.strangers.wait(address)
        except SessionEnd as why:
            self._tell_refused(why, address=address, door=door)
            raise

    def open(
        self,
        connection: Connection,
        *,
        address: str,
        door: str,
        is_forwarded: bool = False,
        place: Place | None = None,
    ) -> Session:
        """A new session; `SessionEnd` where there are too many, or all were ended.

        One that a proxy forwarded is nobody on this machine, wherever the proxy is. `place` is the client's among the
        strangers, where the door has one for it already.
        """
        try:
            self._check_room(address, own=0 if place is None else 1)
            place = place or self.strangers.enter(address)
        except SessionEnd as why:
            if place is not None:
                place.leave()
            self._tell_refused(why, address=address, door=door)
            raise
        session = Session(
            self._services,
            connection,
            name=session_name(next(self._numbers), self._server),
            address=address,
            door=door,
            is_forwarded=is_forwarded,
        )
        self._open[session] = None
        self._by_door[door] += 1
        self._places[session] = place
        self._by_address[address_group(address)] += 1
        return session

    def _check_room(self, address: str, *, own: int) -> None:
        """`SessionEnd` where there is no room for a session; `own` of those that are held are what it will be."""
        if self._closing is not None:
            # It was accepted in the moment in which the listening socket was closed.
            raise self._closing
        key = address_group(address)
        for count, most, limit, whose in (
            (self._held - own, self._limits.max_sessions, "server", "this server"),
            (self._by_address[key], self._limits.max_sessions_per_address, "address", f"address {key}"),
        ):
            if most and count >= most:
                raise TooManyError(limit, f"The limit of {most} sessions of {whose} is reached.")

    def _tell_refused(self, why: SessionEnd, *, address: str, door: str) -> None:
        if isinstance(why, TooManyError):
            self.trail.refused(why.reason, address=address, door=door, limit=why.limit)

    def close_session(self, session: Session) -> None:
        """Forget a session whose client is gone."""
        if session not in self._open:
            return
        session.closed()
        del self._open[session]
        self._behind.pop(session, None)
        self._logged_in.discard(session)
        self._list_news.forget(session)
        self._by_door[session.door] -= 1
        _count_down(self._by_address, address_group(session.address))
        if not self._leave_strangers(session):
            assert session.username is not None  # noqa: S101 - who is neither stranger nor guest has logged in
            _count_down(self._by_user, session.username)
            if session.door == REST_DOOR:
                _count_down(self._rest_by_user, session.username)
            if self._seats is not None:
                self._seats.changed(session.username)

    def _leave_strangers(self, session: Session) -> bool:
        """Count a session no more among the strangers, or the guests; False where it is neither."""
        if (place := self._places.pop(session, None)) is not None:
            place.leave()
            return True
        if self._guests.pop(session, None) is not None:
            _count_down(self._guests_by_address, address_group(session.address))
            return True
        return False

    async def end_all(self, why: SessionEnd) -> None:
        """End every session with a NOTICE that says why, and refuse new ones, also while that goes on."""
        self._closing = why
        self.strangers.end(why)
        async for session in self.walk():
            try:
                session.end(why)
            except Exception as error:
                self._end_failed(session, error)

    def tell(self, event: FeedEvent) -> None:
        """Have the sessions told of an event of the feed, soon and in order."""
        self._events.put_nowait(event)

    async def _tell_events(self) -> None:
        while True:
            await self._tell_all(await self._events.get())

    async def _tell_all(self, event: FeedEvent) -> None:
        """Hand an event to the sessions; what turned out to be unknown leaves all saved lists."""
        dropped: dict[str, set[str]] = {}
        async for session in self.walk():
            try:
                symbols = session.tell(event)
            except Exception as error:
                self._end_failed(session, error)
                continue
            if symbols and session.username is not None:
                dropped.setdefault(session.username, set()).update(symbols)
        for username, unknown in dropped.items():
            self._spawn(self._forget(username, sorted(unknown)), f"forget unknown symbols of {username}")

    async def _admit(self, session: Asker, username: str) -> None:
        most = self._limits.max_sessions_per_user
        if not most or self._seats is None:
            self._admit_here(session, username, most)
            return
        self._check_user(session, username, most)  # what is too many here is too many: nobody else is asked
        leave = await self._seats.take(username, most, is_rest=session.door == REST_DOOR)
        if leave is None:
            raise self._too_many_of_user(session, username, most)
        try:
            self._admit_here(session, username, most)
        finally:
            leave()

    def _admit_here(self, session: Asker, username: str, most: int) -> None:
        if not session.is_open:
            raise CommandError(Reason.NOT_AUTHENTICATED, "The session ended during the login.")
        self._check_user(session, username, most)
        if isinstance(session, Session) and self._leave_strangers(session):
            self._by_user[username] += 1
            if session.door == REST_DOOR:
                self._rest_by_user[username] += 1
            self._logged_in.add(session)

    def _check_user(self, session: Asker, username: str, most: int) -> None:
        if most and self._by_user[username] >= most:
            raise self._too_many_of_user(session, username, most)

    def _too_many_of_user(self, session: Asker, username: str, most: int) -> CommandError:
        self.trail.refused(
            Reason.SESSION_LIMIT, address=session.address, door=session.door, limit="user", user=username
        )
        return CommandError(
            Reason.SESSION_LIMIT, f"{username} has {most} sessions already, the most allowed.", retry_after_ms=5000
        )

    def _admit_guest(self, session: Asker) -> None:
        key = address_group(session.address)
        for count, most, limit, whose in (
            (len(self._guests), self._limits.max_guests, "guests", "are here"),
            (
                self._guests_by_address[key],
                self._limits.max_guests_per_address,
                "guests_per_address",
                f"are here from {key}",
            ),
        ):
            if most and count >= most:
                why = TooManyError(limit, f"{most} guests {whose}, the most allowed; log in, or try again later.")
                self._tell_refused(why, address=session.address, door=session.door)
                raise why
        if isinstance(session, Session) and self._leave_strangers(session):
            self._guests[session] = self._clock.monotonic()
            self._guests_by_address[key] += 1

    async def _forget(self, username: str, symbols: Sequence[str]) -> None:
        try:
            await self._lists.forget(username, symbols)
            # Which of them held any is not worth a question of its own.
            self._services.list_news.changed(username, await self._lists.list_names(username), None)
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
                limits.auth_timeout_seconds,
                limits.slow_client_timeout_seconds,
                limits.guest_idle_seconds,
                self._rules.heartbeat_seconds,
            )
            await self._clock.sleep(min(1.0, shortest / 4))
            await self.check_deadlines()
            self.trail.settle()

    async def _watch_logins(self) -> None:
        was_told = False
        while True:
            await self._clock.sleep(LOGIN_LOOK_SECONDS)
            try:
                await self.check_logins()
                was_told = False
            except StorageError as error:
                if not was_told:
                    log.warning("whether the logins still count cannot be seen", why=str(error))
                was_told = True

    async def check_logins(self) -> None:
        """End the sessions whose login counts no longer; each user is read once. `StorageError` as in `Store`."""
        rows: dict[str, UserRow | None] = {}
        for place, username in enumerate(tuple(self._by_user), start=1):
            rows[username] = await self._services.authenticator.user(username)
            if place % SESSIONS_IN_A_ROW == 0:
                await asyncio.sleep(0)
        # Where a row is what it was at the last look, only a token's time can have ended a login, but for the new ones:
        # they may have read the row before it was changed.
        seen, new = self._seen, frozenset(self._logged_in)
        changed = {username for username, row in rows.items() if username not in seen or seen[username] != row}
        now_ms = self._clock.now_ms()
        ended: dict[str, list[tuple[Session, Identity]]] = {}
        async for batch in self._batches():
            for session in batch:
                identity = session.identity
                if identity is None:
                    continue
                if identity.token is None and identity.name not in changed and session not in new:
                    continue
                if identity.name in rows and not identity.counts(rows[identity.name], now_ms) and session.is_open:
                    ended.setdefault(identity.name, []).append((session, identity))
        for username, logins in ended.items():
            # By a row that is read now: who logged in, or changed the password, after the rows were read is right.
            await self._end_outdated(username, logins)
        self._seen = rows
        self._logged_in -= new

    async def look_at(self, username: str, spared: Asker) -> None:
        """End the sessions of one user whose login counts no longer, but not the one that is spared."""
        logins = (await self._by_login()).get(username, [])
        await self._end_outdated(username, [login for login in logins if login[0] is not spared])

    async def _by_login(self) -> dict[str, list[tuple[Session, Identity]]]:
        """The sessions that are logged in and who they are now, by the names of their users."""
        by_user: dict[str, list[tuple[Session, Identity]]] = {}
        async for session in self.walk():
            if (identity := session.identity) is not None:
                by_user.setdefault(identity.name, []).append((session, identity))
        return by_user

    async def _end_outdated(self, username: str, logins: Sequence[tuple[Session, Identity]]) -> None:
        user = await self._services.authenticator.user(username)
        now_ms = self._clock.now_ms()
        for place, (session, identity) in enumerate(logins, start=1):
            # Who has become another one meanwhile may be so by what this row does not know yet.
            if session.identity is identity and (why := identity.why_ended(user, now_ms)) is not None:
                try:
                    session.end_with_login(why)
                except Exception as error:
                    self._end_failed(session, error)
            if place % SESSIONS_IN_A_ROW == 0:
                await asyncio.sleep(0)

    async def check_deadlines(self) -> None:
        """End what is over its time or pushes no more by a mistake of ours; send heartbeats where it was quiet."""
        async for batch in self._batches():
            now = self._clock.monotonic()
            for session in batch:
                try:
                    if session.is_open:
                        self._check(session, now)
                except Exception as error:
                    self._end_failed(session, error)

    def _check(self, session: Session, now: float) -> None:
        if session.state is SessionState.GREETED and session.login_seconds(now) >= self._limits.auth_timeout_seconds:
            seconds = self._limits.auth_timeout_seconds
            session.end(SessionEnd(Reason.AUTH_TIMEOUT, f"There was no successful AUTH within {seconds:g} s."))
        elif (failure := session.failure) is not None:
            self._end_failed(session, failure)
        elif self._is_slow(session, now):
            self._end_slow(session)
        elif session.state is SessionState.GUEST and self._is_idle(session, now):
            seconds = self._limits.guest_idle_seconds
            session.end(SessionEnd(Reason.AUTH_TIMEOUT, f"A guest that watches nothing may stay for {seconds:g} s."))
        elif session not in self._behind and now - session.connection.last_sent_at >= self._rules.heartbeat_seconds:
            session.heartbeat()

    def _end_failed(self, session: Session, error: BaseException) -> None:
        """End a session that looks alive and is not, so that its client comes back to one that is."""
        self.supervisor.failures["session"] += 1
        log.error(
            "a session failed unexpectedly and is ended",
            session=session.name,
            user=session.username,
            door=session.door,
            address=session.address,
            exc_info=error,
        )
        why = SessionEnd(Reason.INTERNAL_ERROR, "The server failed in this session; its log says why. Connect again.")
        is_told = session.is_open  # else it failed at being told something else
        try:
            session.end(why)
        except Exception:
            is_told = False
        if not is_told:
            # It can be told nothing, and nobody watches its deadlines any more.
            with contextlib.suppress(Exception):
                session.connection.abort()

    def note_use(self, guest: Session) -> None:
        """A guest who asks and watches nothing is not idle either."""
        if guest in self._guests:
            self._guests[guest] = self._clock.monotonic()

    def _is_idle(self, guest: Session, now: float) -> bool:
        if guest.symbols or guest.is_asking:
            self._guests[guest] = now
        return now - self._guests[guest] >= self._limits.guest_idle_seconds

    def _is_slow(self, session: Session, now: float) -> bool:
        unsent = session.connection.unsent_bytes()
        if unsent == 0:
            if self._behind:
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
