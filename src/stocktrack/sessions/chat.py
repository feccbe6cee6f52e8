"""What users say to each other: a word is encoded once, and several go in one write to each session that they are for.

Prices come first. Words are handed out in walks over all sessions that give way to everybody else, and rest three times
as long as they work, so that chat gets a part of the process and no more. The first word goes out at once; what is said
in the tenth of a second after it goes out together. Nothing is queued for a session: one that is behind goes without.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from stocktrack.clock import Clock
from stocktrack.errors import CommandError, Reason
from stocktrack.market.board import Board
from stocktrack.messages import Said
from stocktrack.sessions.bucket import Bucket
from stocktrack.sessions.budgets import Budgets
from stocktrack.sessions.contracts import REST_DOOR, Asker, Reached, SessionRules
from stocktrack.sessions.life import SessionState
from stocktrack.sessions.session import Session
from stocktrack.subscriptions import Subscription
from stocktrack.wire.lines import encode_line

# A person does not notice so short a delay, and 50 words a second need 10 writes a session instead of 50.
PAUSE_SECONDS: Final = 0.1
# After each hundred sessions it rests so many times as long as they took: chat has a quarter of the time at most.
REST_BY_WORK: Final = 3.0
# Of one walk, for one session: what is joined for it at once.
MAX_BATCH_BYTES: Final = 16_384
# What waits for the next walks; beyond that the server takes no word.
MAX_WAITING_BYTES: Final = 262_144
# With more unsent than this a session is behind: the words go on without it. The kernel holds more for a client, so
# that with our doors it is one for whom something waits in this process already.
BEHIND_BYTES: Final = 65_536
# What a user may say at once: so much, or all of a minute where that is less, or that of a second where that is more.
BURST: Final = 10


@dataclass(frozen=True, slots=True)
class _Word:
    """A SAID as its line, whom it is for, and the session that it may not come back to."""

    line: bytes
    symbol: str | None
    sender: Asker | None


@dataclass(slots=True)
class ChatCounts:
    """What became of the words since the start: those taken, and what sessions were handed or not."""

    said: int = 0
    delivered: int = 0
    left_out: int = 0  # because the session was behind
    refused: int = 0  # because of a limit


class ChatRoom:
    """Tells the sessions of this server what is said; satisfies `Chat`. `run` for as long as the server does.

    ``listeners()`` is how many sessions hear what is said to all; ``batches()`` goes through all sessions, giving way.
    """

    def __init__(
        self,
        rules: Callable[[], SessionRules],
        board: Board,
        clock: Clock,
        listeners: Callable[[], int],
        batches: Callable[[], AsyncGenerator[Sequence[Session], None]],
    ) -> None:
        self.counts = ChatCounts()
        self._rules = rules
        self._board = board
        self._clock = clock
        self._listeners = listeners
        self._batches = batches
        self._by_user = Budgets(clock)
        self._of_all = Bucket(rules().chat_messages_per_second, clock.monotonic())
        self._waiting: list[_Word] = []
        self._waiting_bytes = 0
        self._has_words = asyncio.Event()

    async def say(self, said: Said, by: Asker) -> Reached:
        """Have the word told soon; `CommandError` where the user, or all users together, have said too much."""
        self._pay(said.username, by)
        self._take(_Word(encode_line(said), said.symbol, by))
        return Reached(self._recipients(said.symbol, by))

    def repeat(self, said: Said) -> None:
        """Tell what was said at another server, whose user says less here for it; beyond the limits it is left out."""
        if not self._rules().chat:
            return
        per_minute = self._rules().chat_messages_per_minute
        self._by_user.deduct(said.username, 1, per_minute=per_minute, burst=burst_of(per_minute))
        if self._waiting_bytes >= MAX_WAITING_BYTES or self._seconds_until_room() > 0:
            self.counts.refused += 1
            return
        self._take(_Word(encode_line(said), said.symbol, None))

    async def run(self) -> None:
        """Tell the sessions what waits, until it is cancelled."""
        while True:
            await self._has_words.wait()
            began = self._clock.monotonic()
            await self._tell(self._next_words())
            if not self._waiting:
                self._has_words.clear()
            await self._clock.sleep(max(0.0, PAUSE_SECONDS - (self._clock.monotonic() - began)))

    # --- limits --------------------------------------------------------------------------------------------------

    def _pay(self, username: str, by: Asker) -> None:
        per_minute = self._rules().chat_messages_per_minute
        wait_seconds = self._by_user.pay(username, 1, per_minute=per_minute, burst=burst_of(per_minute))
        whose, limit = f"You say more than {per_minute:g} words a minute", "chat"
        if wait_seconds == 0:
            wait_seconds = PAUSE_SECONDS if self._waiting_bytes >= MAX_WAITING_BYTES else self._seconds_until_room()
            whose, limit = "More is said here than the server can tell everybody", "chat_of_all"
        if wait_seconds > 0:
            self.counts.refused += 1
            by.services.trail.refused(
                Reason.RATE_LIMITED, address=by.address, door=by.door, limit=limit, user=by.username
            )
            raise CommandError(
                Reason.RATE_LIMITED,
                f"{whose}; this one was not told.",
                retry_after_ms=max(1, round(wait_seconds * 1000)),
            )

    def _seconds_until_room(self) -> float:
        """Count a word among those of all users; where there are too many, the seconds to wait."""
        per_second = self._rules().chat_messages_per_second
        return self._of_all.take(1, per_second=per_second, burst=max(1.0, per_second), now=self._clock.monotonic())

    # --- telling -------------------------------------------------------------------------------------------------

    def _take(self, word: _Word) -> None:
        self.counts.said += 1
        self._waiting.append(word)
        self._waiting_bytes += len(word.line)
        self._has_words.set()

    def _recipients(self, symbol: str | None, by: Asker) -> int:
        if symbol is None:
            return max(0, self._listeners() - (by.door != REST_DOOR))
        entry = self._board.entry(symbol)
        watchers = () if entry is None else (watcher for basket in entry.baskets for watcher in basket.watchers)
        # Others may watch the board as well, who are no sessions.
        return sum(isinstance(watcher, Subscription) and watcher is not by.subscription for watcher in watchers)

    def _next_words(self) -> Sequence[_Word]:
        """The oldest words that are waiting, as many as may go to a session at once."""
        count = size = 0
        for word in self._waiting:
            if count and size + len(word.line) > MAX_BATCH_BYTES:
                break
            count += 1
            size += len(word.line)
        words, self._waiting = self._waiting[:count], self._waiting[count:]
        self._waiting_bytes -= size
        return words

    async def _tell(self, words: Sequence[_Word]) -> None:
        batch = _Batch(words)
        async with contextlib.aclosing(self._batches()) as batches:
            async for sessions in batches:
                began = self._clock.monotonic()
                for session in sessions:
                    # A client that is gone by a mistake of ours is found by the deadlines, which end it.
                    with contextlib.suppress(Exception):
                        self._hand_over(session, *batch.for_session(session))
                if (took := self._clock.monotonic() - began) > 0:
                    # Clients that share a process, or a link, get the prices between the words as well.
                    await self._clock.sleep(REST_BY_WORK * took)

    def _hand_over(self, session: Session, lines: bytes, count: int) -> None:
        if not count:
            return
        unsent = session.connection.unsent_bytes()
        if unsent and unsent + len(lines) > BEHIND_BYTES:
            self.counts.left_out += count
            return
        session.connection.send(lines)
        self.counts.delivered += count


class _Batch:
    """Words that go out together; what sessions of one kind get of them is joined once."""

    def __init__(self, words: Sequence[_Word]) -> None:
        self._words = words
        self._senders = {word.sender for word in words}
        self._has_rooms = any(word.symbol is not None for word in words)
        self._joined: dict[object, tuple[tuple[str, ...], bytes, int]] = {}

    def for_session(self, session: Session) -> tuple[bytes, int]:
        """The lines that a session is to be told, and how many they are."""
        is_user = session.state is SessionState.AUTHENTICATED
        if session.door == REST_DOOR or not (is_user or session.state is SessionState.GUEST):
            return b"", 0
        symbols = session.symbols if self._has_rooms else ()
        if session in self._senders:
            return _join(self._words, symbols, is_user=is_user, but=session)
        # Sessions that are pushed the same have the same tuple, which stays what it is while it is kept here.
        key = (id(symbols), is_user)
        joined = self._joined.get(key)
        if joined is None:
            joined = self._joined[key] = (symbols, *_join(self._words, symbols, is_user=is_user))
        return joined[1:]


def _join(
    words: Sequence[_Word], symbols: Sequence[str], *, is_user: bool, but: Session | None = None
) -> tuple[bytes, int]:
    pushed = frozenset(symbols)
    lines = [
        word.line
        for word in words
        if (is_user if word.symbol is None else word.symbol in pushed) and (but is None or word.sender is not but)
    ]
    return b"".join(lines), len(lines)


def burst_of(per_minute: float) -> int:
    """How many words a user may say at once, of so many a minute."""
    return round(max(1.0, min(per_minute, max(BURST, per_minute / 60))))
