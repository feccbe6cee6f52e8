"""What sessions ask of others, and what holds for all of them."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from stocktrack.accounts.identity import Identity
from stocktrack.alerts.desk import AlertDesk
from stocktrack.clock import Clock
from stocktrack.market.board import Board
from stocktrack.market.feed import Feed
from stocktrack.messages import (
    MAIN_LIST,
    MAX_REPLY_BYTES,
    REPLY_BYTES_OF_A_SYMBOL,
    ListChange,
    Said,
    SessionInfo,
    SinkInfo,
)
from stocktrack.metronome import Metronome
from stocktrack.scopes import Scope
from stocktrack.sessions.budgets import Budgets
from stocktrack.sessions.life import SessionState
from stocktrack.storage.lots import LotRow
from stocktrack.storage.store import TokenRow, UserRow
from stocktrack.subscriptions import Subscription
from stocktrack.system.trail import Trail

if TYPE_CHECKING:
    # The JWT library is for those who use tokens.
    from stocktrack.accounts.tokens import IssuedToken

REST_DOOR = "rest"  # whose sessions are only asked: nothing is pushed there


class Authenticator(Protocol):
    """Says who somebody is. `Accounts` is the real one."""

    async def verify(self, name: str, password: str | None, address: str, *, by_name: bool = True) -> Identity:
        """Who it is, where the password is right; `CommandError` where not, `StorageError` where nobody can tell.

        With `by_name` a name of the allowlist is enough.
        """
        ...

    async def verify_token(self, token: str, address: str) -> Identity:
        """Who it is whose token it is; errors as in `verify`."""
        ...

    def owner_of(self, token: str) -> str | None:
        """Whose name is in a text that is a token of this server, counted or not; None where it is none."""
        ...

    async def user(self, name: str) -> UserRow | None:
        """The user of this name at this moment: what an identity is held against. `StorageError` as in `verify`."""
        ...

    async def make_token(
        self,
        username: str,
        days: int,
        *,
        name: str | None = None,
        scope: Scope = Scope.FULL,
        identity: Identity | None = None,
    ) -> "IssuedToken":
        """A token for a user; `CommandError` where the user can have none, or where `identity` counts no longer."""
        ...

    async def tokens(self, username: str) -> Sequence[TokenRow]:
        """The tokens of a user that are valid, the oldest first."""
        ...

    async def revoke_token(self, username: str, token_id: str) -> None:
        """End one token of a user; `CommandError` where there is no such one."""
        ...

    async def revoke_tokens(self, username: str) -> frozenset[str]:
        """End all tokens of a user; their ids."""
        ...

    async def change_own_password(self, identity: Identity, password: str, new_password: str, address: str) -> Identity:
        """Change the password and end all tokens; who the session is then. Errors as in `verify`."""
        ...

    async def users_after(self, name: str | None, most: int) -> tuple[Sequence[UserRow], int]:
        """The users whose names come after this one (None: all), at most so many; and how many there are in all."""
        ...

    async def mute(self, username: str, minutes: int) -> int | None:
        """Let a user say nothing for so many minutes from now on; till when (epoch ms), None where they are 0.

        `CommandError` where there is no such user.
        """
        ...


class WatchLists(Protocol):
    """Keeps the users' lists of symbols. `Store` is the real one; every method may raise `StorageError`."""

    async def list_names(self, name: str) -> tuple[str, ...]:
        """The names of the user's saved lists in their order: the main list first, unless the user has ordered them."""
        ...

    async def list_counts(self, name: str) -> Mapping[str, int]:
        """The same names, each with the number of its symbols."""
        ...

    async def saved(self, name: str, list_name: str = MAIN_LIST) -> tuple[str, ...]:
        """A saved list of a user, in the order it was saved."""
        ...

    async def save(self, name: str, symbols: Sequence[str], limit: int, list_name: str = MAIN_LIST) -> None:
        """Add to a saved list, of at most `limit` symbols; it is on disk when this returns."""
        ...

    async def unsave(self, name: str, symbols: Sequence[str] | None, list_name: str = MAIN_LIST) -> tuple[str, ...]:
        """Take symbols (None: all) out of a saved list; returns those that were in it."""
        ...

    async def change_list(
        self,
        name: str,
        change: ListChange,
        symbols: Sequence[str],
        limit: int,
        list_name: str = MAIN_LIST,
        *,
        keep: bool = False,
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Change a saved list in one step, all of it or nothing; its symbols before and after.

        With `keep` it is there from now on also while it is empty, until it is removed.

        `CommandError` as in `save`, and where there is no such list to take anything out of.
        """
        ...

    async def rename_list(self, name: str, list_name: str, new_name: str) -> None:
        """Give a list another name; `CommandError` where there is no such list, or one that is called so already."""
        ...

    async def remove_list(self, name: str, list_name: str) -> tuple[str, ...]:
        """Take out a list, and return its symbols; `CommandError` where there is none, or it is the main one."""
        ...

    async def order_lists(self, name: str, list_names: Sequence[str]) -> Mapping[str, int]:
        """Put these first, in this order; `list_counts` as they are then. `CommandError` where one is not there."""
        ...

    async def forget(self, name: str, symbols: Sequence[str]) -> None:
        """Take symbols out of all saved lists of a user."""
        ...


class LotBook(Protocol):
    """Keeps the users' lots. `Lots` of the store is the real one; every method may raise `StorageError`."""

    async def of(self, name: str) -> Sequence[LotRow]:
        """The lots of a user, the oldest first."""
        ...

    async def add(self, name: str, lot: LotRow, *, limit: int) -> LotRow:
        """Add a lot of a user, of at most `limit`, and return it with its id; it is on disk when this returns."""
        ...

    async def remove(self, name: str, lot_id: int) -> LotRow | None:
        """Take out a lot of a user and return it; None where the user has no such one."""
        ...


@dataclass(frozen=True, slots=True)
class SessionPage:
    """Some of the open sessions, how many there are in all, and whether there are more of them after these.

    `partial` says, where this is not of all servers that know of each other, which of them is missing and why.
    """

    sessions: tuple[SessionInfo, ...]
    count: int
    more: bool
    partial: str | None = None


@dataclass(frozen=True, slots=True)
class Reached:
    """How many sessions an administrator's command reached; `partial` as in a `SessionPage`."""

    count: int
    partial: str | None = None


@dataclass(frozen=True, slots=True)
class HeldSessions:
    """How many sessions each of some users has, in the order in which they were named; `partial` as in a page."""

    counts: Sequence[int]
    partial: str | None = None


class Doer(Protocol):
    """Who does something, as the trail tells of it."""

    @property
    def address(self) -> str:
        """Where that client is."""
        ...

    @property
    def door(self) -> str:
        """By which door it came."""
        ...

    @property
    def username(self) -> str | None:
        """The name of the user who is logged in."""
        ...


class Seats(Protocol):
    """Counts the sessions of each user over all servers that know of each other."""

    async def take(self, username: str, most: int, *, is_rest: bool) -> Callable[[], None] | None:
        """Room for one more session of a user, of at most so many; None where there is none.

        It is held until what is returned is called: by then the session is counted, or will not be.
        """
        ...

    def changed(self, username: str) -> None:
        """A user has fewer sessions here than before."""
        ...


class Administration(Protocol):
    """What an administrator can do with the open sessions."""

    async def page(self, after: str | None, *, is_brief: bool = False) -> SessionPage:
        """The sessions opened after the one named `after`, as many as one reply can carry.

        Where it `is_brief`, without the names of their symbols.
        """
        ...

    async def count_of(self, usernames: Sequence[str]) -> HeldSessions:
        """How many sessions each of these users has now."""
        ...

    async def kick(self, name: str, by: "Asker") -> str | None:
        """End the session of this name and return its user; `CommandError` where there is none, or it is `by`'s own."""
        ...

    async def kick_user(self, username: str, by: "Asker") -> Reached:
        """End all sessions of a user but `by`; `CommandError` where there are none."""
        ...

    async def announce(self, text: str, by: "Asker") -> Reached:
        """Tell every session that is logged in."""
        ...


class Chat(Protocol):
    """Tells the sessions what a user says."""

    async def say(self, said: Said, by: "Asker") -> Reached:
        """Tell it soon to those whom it is for, but not to `by`; to how many sessions here it goes.

        `CommandError` where too much was said.
        """
        ...


class ListNews(Protocol):
    """Tells sessions of a user what other sessions of that user change in the saved lists."""

    def follow(self, session: "Asker", *, is_wanted: bool) -> None:
        """Tell the session from now on, until it has ended, or no longer."""
        ...

    def changed(self, username: str, list_names: Collection[str], by: "Asker | None") -> None:
        """Have it told soon that these lists are not what they were, but not to `by`, whose reply says it."""
        ...


@dataclass(frozen=True, slots=True)
class SessionRules:
    """What holds for every session of this run of the server; times in seconds."""

    server: str
    instance: str
    push_interval_seconds: float
    heartbeat_seconds: float
    max_line_bytes: int
    max_symbols: int
    commands_per_second: float
    command_burst: int
    bytes_per_second: float
    user_upstream_requests_per_minute: float = 60.0
    user_upstream_burst: int = 30
    max_lots_per_user: int = 1_000
    display_currency: str = "USD"  # of totals, where nobody says in which
    chat: bool = False
    chat_messages_per_minute: float = 60.0
    chat_messages_per_second: float = 100.0
    auth: tuple[str, ...] = ("password", "token")
    auth_if_forwarded: tuple[str, ...] = ("password", "token")  # for clients that a proxy forwards

    @property
    def max_reply_bytes(self) -> int:
        """How long a line from the server may be; whatever a command that changed something answers is shorter."""
        return max(MAX_REPLY_BYTES, self.max_symbols * REPLY_BYTES_OF_A_SYMBOL)


@dataclass(slots=True)
class Services:
    """What all sessions share. `rules` may be replaced while they live.

    `admit(session, username)` counts a login, or refuses it with a `CommandError`; `admit_guest(session)` counts a
    guest, or refuses it with a `SessionEnd`. `look_at(username, spared)` ends the user's sessions whose login counts no
    longer, but not the one that is spared: it is told in its reply.
    """

    rules: SessionRules
    authenticator: Authenticator
    lists: WatchLists
    lots: LotBook
    feed: Feed
    board: Board
    clock: Clock
    metronome: Metronome
    admit: Callable[["Asker", str], Awaitable[None]]
    look_at: Callable[[str, "Asker"], Awaitable[None]]
    administration: Administration
    chat: Chat
    list_news: ListNews
    budgets: Budgets
    admit_guest: Callable[["Asker"], None]
    trail: Trail
    alerts: AlertDesk
    sinks: Callable[[], Sequence[SinkInfo]] = tuple
    # Told the type of each command and the seconds that its answer took.
    observe: Callable[[str, float], None] = lambda _type, _seconds: None


class Asker(Protocol):
    """What the answer to a command may know of the session that asks, and do with it. `Session` is the real one."""

    services: Services
    name: str
    address: str
    door: str
    identity: Identity | None
    state: SessionState
    subscription: Subscription

    @property
    def username(self) -> str | None:
        """The name of the user who is logged in; None before that."""
        ...

    @property
    def login(self) -> Identity:
        """Who is logged in; the permissions let nobody else come this far."""
        ...

    @property
    def user(self) -> str:
        """The name of the user who is logged in; the permissions let nobody else come this far."""
        ...

    @property
    def auth(self) -> tuple[str, ...]:
        """The ways in which the client can log in."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether the session has not ended meanwhile."""
        ...

    async def check_login(self) -> None:
        """Return where the login still counts; else the session ends, and this is the `CommandError` that says so."""
        ...

    async def log_in(self, identity: Identity) -> None:
        """Make the session the user's; `CommandError` where it ended meanwhile, or where the user has too many."""
        ...

    def renew(self, identity: Identity) -> None:
        """Go on as this identity of the same user."""
        ...

    def count_wrong_login(self) -> bool:
        """Note that a login was wrong, and say whether it was one too many, which ends the session."""
        ...

    def log_out(self) -> None:
        """End the session at its own wish."""
        ...

    def pay(self, requests: int) -> float:
        """Take so many requests to the sources out of the user's budget; see `market.bills.Payer`."""
        ...

    def follow_with(self, prices: bytes) -> None:
        """Have these lines sent right after the reply."""
        ...
