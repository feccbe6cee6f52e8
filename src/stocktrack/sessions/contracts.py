"""What sessions ask of others, and what holds for all of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from stocktrack.accounts.tokens import IssuedToken
from stocktrack.clock import Clock
from stocktrack.market.board import Board
from stocktrack.market.feed import Feed
from stocktrack.messages import MAIN_LIST, SessionInfo
from stocktrack.sessions.life import SessionState
from stocktrack.subscriptions import Subscription
from stocktrack.system.trail import Trail


class Authenticator(Protocol):
    """Says who somebody is. `Accounts` is the real one."""

    async def verify(self, name: str, password: str | None, address: str) -> None:
        """Return where the password is right; `CommandError` where not, `StorageError` where nobody can tell."""
        ...

    async def verify_token(self, token: str, address: str) -> str:
        """Whose token it is; errors as in `verify`."""
        ...

    async def make_token(self, name: str, days: int) -> IssuedToken:
        """A token for a user; `CommandError` where the user can have none."""
        ...

    async def is_admin(self, name: str) -> bool:
        """Whether the user is an administrator at this moment."""
        ...


class WatchLists(Protocol):
    """Keeps the users' lists of symbols. `Store` is the real one; every method may raise `StorageError`."""

    async def list_names(self, name: str) -> tuple[str, ...]:
        """The names of the user's saved lists, the main list first."""
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

    async def forget(self, name: str, symbols: Sequence[str]) -> None:
        """Take symbols out of all saved lists of a user."""
        ...


@dataclass(frozen=True, slots=True)
class SessionPage:
    """Some of the open sessions, how many there are in all, and whether there are more of them after these."""

    sessions: tuple[SessionInfo, ...]
    count: int
    more: bool


class Administration(Protocol):
    """What an administrator can do with the open sessions."""

    def page(self, after: str | None) -> SessionPage:
        """The sessions opened after the one named `after`, as many as one reply can carry."""
        ...

    def kick(self, name: str, by: "Asker") -> str | None:
        """End the session of this name and return its user; `CommandError` where there is none, or it is `by`'s own."""
        ...

    async def announce(self, text: str, by: "Asker") -> int:
        """Tell every session that is logged in; returns how many those were."""
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
    auth: tuple[str, ...] = ("password", "token")


@dataclass(slots=True)
class Services:
    """What all sessions share. `rules` may be replaced while they live.

    `admit(session, username)` counts a login, or refuses it with a `CommandError`.
    """

    rules: SessionRules
    authenticator: Authenticator
    lists: WatchLists
    feed: Feed
    board: Board
    clock: Clock
    admit: Callable[["Asker", str], None]
    administration: Administration
    trail: Trail
    # Told the type of each command and the seconds that its answer took.
    observe: Callable[[str, float], None] = lambda _type, _seconds: None


class Asker(Protocol):
    """What the answer to a command may know of the session that asks, and do with it. `Session` is the real one."""

    services: Services
    name: str
    address: str
    door: str
    username: str | None
    state: SessionState
    has_token: bool
    subscription: Subscription

    @property
    def user(self) -> str:
        """The name of the user who is logged in; the permissions let nobody else come this far."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether the session has not ended meanwhile."""
        ...

    def log_in(self, username: str, *, by_token: bool) -> None:
        """Make the session the user's; `CommandError` where it ended meanwhile, or where the user has too many."""
        ...

    def count_wrong_login(self) -> bool:
        """Note that a login was wrong, and say whether it was one too many, which ends the session."""
        ...

    def log_out(self) -> None:
        """End the session at its own wish."""
        ...

    def follow_with(self, prices: bytes) -> None:
        """Have these lines sent right after the reply."""
        ...
