"""One client's life: a state, a table of what is allowed in it, and the answer to each command; no sockets.

A door hands in lines and sends what comes back. A session speaks without being asked only through its connection:
HELLO, prices, heartbeats and notices.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, assert_never

import structlog

from stocktrack.clock import Clock
from stocktrack.errors import Code, CommandError, Reason, SessionEnd, StockTrackError
from stocktrack.market.board import Board
from stocktrack.market.events import Event, FeedEvent
from stocktrack.market.feed import Feed
from stocktrack.messages import (
    MAIN_LIST,
    MAX_REPLY_BYTES,
    Announce,
    AnnounceReply,
    AnyCommand,
    Auth,
    AuthReply,
    Dividends,
    DividendsReply,
    Get,
    GetReply,
    Heartbeat,
    Hello,
    Info,
    InfoReply,
    Kick,
    KickReply,
    Limits,
    ListSessions,
    Logout,
    LogoutReply,
    Missing,
    MyStocks,
    MyStocksReply,
    News,
    NewsReply,
    Notice,
    Ping,
    PingReply,
    Reply,
    Search,
    SearchReply,
    SessionInfo,
    SessionsReply,
    Subscribe,
    SubscribeReply,
    Token,
    TokenReply,
    Unsubscribe,
    UnsubscribeReply,
)
from stocktrack.subscriptions import Subscription
from stocktrack.wire.connection import Connection
from stocktrack.wire.lines import BadLine, decode_line, encode_line, failure

log = structlog.get_logger()

MAX_BAD_LINES = 20
MAX_LOGIN_FAILURES = 3


class NewToken(Protocol):
    """A token just made."""

    @property
    def text(self) -> str:
        """What AUTH takes."""
        ...

    @property
    def expires_at_ms(self) -> int:
        """Until when, epoch milliseconds."""
        ...


class Accounts(Protocol):
    """What a session asks of the user accounts."""

    async def verify(self, name: str, password: str | None, address: str) -> None:
        """Return where the password is right; `CommandError` where not, `StorageError` where nobody can tell."""
        ...

    async def verify_token(self, token: str, address: str) -> str:
        """Whose token it is; errors as in `verify`."""
        ...

    async def make_token(self, name: str, days: int) -> NewToken:
        """A token for a user; `CommandError` where the user can have none."""
        ...

    async def is_admin(self, name: str) -> bool:
        """Whether the user is an administrator at this moment."""
        ...

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


class Desk(Protocol):
    """What an administrator can do with the open sessions."""

    def page(self, after: str | None) -> SessionPage:
        """The sessions opened after the one named `after`, as many as one reply can carry."""
        ...

    def kick(self, name: str, by: "Session") -> "Session":
        """End the session of this name and return it; `CommandError` where there is none, or it is `by`'s own."""
        ...

    async def announce(self, text: str, by: "Session") -> int:
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
    accounts: Accounts
    feed: Feed
    board: Board
    clock: Clock
    admit: Callable[["Session", str], None]
    desk: Desk
    # Told the type of each command and the seconds that its answer took.
    observe: Callable[[str, float], None] = lambda _type, _seconds: None


class State(Enum):
    """Where a session is in its life."""

    GREETED = "greeted"
    GUEST = "guest"
    AUTHENTICATED = "authenticated"
    ENDED = "ended"


_ALWAYS = frozenset({"PING", "LOGOUT"})
_FOR_USERS = frozenset({"GET", "SUBSCRIBE", "UNSUBSCRIBE", "MY_STOCKS", "NEWS", "INFO", "DIVIDENDS", "SEARCH", "TOKEN"})
# Whether this user is an administrator is seen when the command comes: the state does not know it.
_FOR_ADMINS = frozenset({"SESSIONS", "KICK", "ANNOUNCE"})

# What may be sent in which state; what is missing here is an error, and `_refusal` says which.
ALLOWED: Mapping[State, frozenset[str]] = {
    State.GREETED: _ALWAYS | {"AUTH"},
    State.GUEST: _ALWAYS | {"AUTH", "GET", "SUBSCRIBE", "UNSUBSCRIBE"},
    State.AUTHENTICATED: _ALWAYS | _FOR_USERS | _FOR_ADMINS,
    State.ENDED: frozenset(),
}


class Session:
    """One client. `receive` answers a line, `hello` greets; `end` is how anybody else ends it."""

    __slots__ = (
        "_bad_lines",
        "_connection",
        "_has_token",
        "_is_dismissed",
        "_login_failures",
        "_services",
        "_subscription",
        "_tokens",
        "_tokens_at",
        "address",
        "door",
        "name",
        "opened_at",
        "state",
        "username",
    )

    def __init__(self, services: Services, connection: Connection, *, name: str, address: str, door: str) -> None:
        self._services = services
        self._connection = connection
        self.name = name
        self.address = address
        self.door = door
        self.opened_at = services.clock.monotonic()
        self.state = State.GREETED
        self.username: str | None = None
        self._bad_lines = 0
        self._has_token = False
        self._is_dismissed = False
        self._login_failures = 0
        self._tokens = float(services.rules.command_burst)
        self._tokens_at = self.opened_at
        self._subscription = Subscription(
            services.board,
            connection,
            services.clock,
            interval_seconds=services.rules.push_interval_seconds,
            name=name,
        )

    @property
    def connection(self) -> Connection:
        """The client's way out."""
        return self._connection

    @property
    def symbols(self) -> tuple[str, ...]:
        """What the session is pushed."""
        return self._subscription.symbols

    # --- what the door does with a session -----------------------------------------------------------------------

    def hello(self) -> bytes:
        """The line that a session begins with."""
        rules = self._services.rules
        return encode_line(
            Hello(
                server=rules.server,
                instance=rules.instance,
                auth=rules.auth,
                limits=Limits(max_line_bytes=rules.max_line_bytes, max_symbols=rules.max_symbols),
                heartbeat_seconds=rules.heartbeat_seconds,
            )
        )

    def welcome_guest(self) -> None:
        """Let the client have prices without a login; nothing can be saved for it. The door decides who is a guest."""
        self._move(State.GUEST, "a guest")

    async def receive(self, line: bytes) -> bytes:
        """The answer to a line, to be sent in one piece and before anything else is awaited.

        It is the reply, and after it what the command has begun: the first prices of a subscription. After it
        the door looks whether the session `is_open` still.
        """
        try:
            command = decode_line(line)
        except BadLine as error:
            return self._bad_line(error)
        self._bad_lines = 0
        began = self._services.clock.monotonic()
        try:
            self._take_token()
            reply, following = await self.handle(command)
        except StockTrackError as error:
            reply, following = failure(error, command, _missing_of(error)), b""
        except Exception:
            log.exception("a command failed unexpectedly", session=self.name, command=command.type)
            ours = CommandError(Reason.INTERNAL_ERROR, "The server failed to do this; its log says why.")
            reply, following = failure(ours, command), b""
        self._services.observe(command.type, self._services.clock.monotonic() - began)
        if self._is_dismissed:
            return b""  # it was ended while the command was open: nothing follows the farewell
        encoded = encode_line(reply)
        if len(encoded) > MAX_REPLY_BYTES:
            too_large = f"The reply would have {len(encoded)} bytes, over {MAX_REPLY_BYTES}; ask for fewer symbols."
            encoded = encode_line(failure(CommandError(Reason.SYMBOL_LIMIT, too_large), command))
        return encoded + following

    def line_too_long(self) -> bytes:
        """The answer to a line over the limit; the door closes, since the tail would run as another command."""
        self._end_quietly("line too long")
        limit = self._services.rules.max_line_bytes
        return encode_line(
            failure(CommandError(Reason.LINE_TOO_LONG, f"The line is longer than {limit} bytes; the session ends."))
        )

    def line_cut_off(self) -> bytes:
        """The answer to an input that ended in the middle of a line, which is not run."""
        return encode_line(
            failure(CommandError(Reason.MALFORMED_JSON, "The input ended in the middle of a line; it was not run."))
        )

    @property
    def is_open(self) -> bool:
        """Whether more lines are taken."""
        return self.state is not State.ENDED

    # --- what others do with a session ---------------------------------------------------------------------------

    def end(self, why: SessionEnd) -> None:
        """End the session from outside: a NOTICE that says why, then nothing more."""
        if self.state is State.ENDED:
            return
        self._end_quietly(why.reason)
        self._is_dismissed = True
        self._connection.send(farewell(why))
        self._connection.end()

    def closed(self) -> None:
        """The client is gone: stop everything that was done for it."""
        self._end_quietly("the connection closed")

    def heartbeat(self) -> None:
        """Show a quiet client that the server is there."""
        self._connection.send(encode_line(Heartbeat(timestamp=self._services.clock.now_ms())))

    def tell(self, event: FeedEvent) -> tuple[str, ...]:
        """Tell the client what happened to symbols that it is pushed; returns the symbols that were dropped."""
        symbols = tuple(symbol for symbol in self._subscription.symbols if symbol in event.symbols)
        if not symbols or self.state is State.ENDED:
            return ()
        match event.event:
            case Event.OUTAGE:
                error = event.error or CommandError(Reason.PROVIDER_ERROR, "The source failed.")
                message = f"{error.message} Prices stay as they were, marked stale."
                notice = Notice(
                    code=error.code,
                    reason=error.reason,
                    symbols=symbols,
                    message=message,
                    retry_after_ms=error.retry_after_ms,
                )
                dropped: tuple[str, ...] = ()
            case Event.RESTORED:
                message = "The source answers again."
                notice = Notice(code=Code.CONTINUE, reason=Reason.PROVIDER_RESTORED, symbols=symbols, message=message)
                dropped = ()
            case Event.UNKNOWN:
                message = "No source knows these symbols; they are pushed and saved no longer."
                notice = Notice(code=Code.NOT_FOUND, reason=Reason.UNKNOWN_SYMBOL, symbols=symbols, message=message)
                dropped = self._subscription.remove(symbols)
            case _:
                assert_never(event.event)
        self._connection.send(encode_line(notice))
        return dropped

    # --- the commands --------------------------------------------------------------------------------------------

    async def handle(self, command: AnyCommand) -> tuple[Reply, bytes]:
        """The reply to a command and the lines that follow it; `StockTrackError` where it fails."""
        if command.type not in ALLOWED[self.state] or (self.state is State.GUEST and _is_for_users(command)):
            raise self._refusal(command)
        if command.type in _FOR_ADMINS and not await self._services.accounts.is_admin(self._user()):
            raise CommandError(Reason.NOT_PERMITTED, f"{command.type} is for administrators.")
        match command:
            case Auth():
                return await self._auth(command), b""
            case Get():
                return await self._get(command), b""
            case Subscribe():
                return await self._subscribe(command)
            case Unsubscribe():
                return await self._unsubscribe(command), b""
            case MyStocks():
                return await self._my_stocks(command), b""
            case News():
                articles = await self._services.feed.questions.news(command.limit)
                return NewsReply(id=command.id, articles=tuple(articles)), b""
            case Info():
                return InfoReply(
                    id=command.id, company=await self._services.feed.questions.company(command.symbol)
                ), b""
            case Dividends():
                return await self._dividends(command), b""
            case Search():
                matches = await self._services.feed.questions.search(command.query, command.limit)
                return SearchReply(id=command.id, matches=tuple(matches)), b""
            case Ping():
                return PingReply(id=command.id, timestamp=self._services.clock.now_ms()), b""
            case Logout():
                self._end_quietly("logged out")
                return LogoutReply(id=command.id, message=self._goodbye()), b""
            case Token():
                return await self._token(command), b""
            case ListSessions():
                page = self._services.desk.page(command.after)
                return SessionsReply(id=command.id, sessions=page.sessions, count=page.count, more=page.more), b""
            case Kick():
                kicked = self._services.desk.kick(command.session, self)
                return KickReply(id=command.id, session=kicked.name, username=kicked.username), b""
            case Announce():
                return AnnounceReply(
                    id=command.id, recipients=await self._services.desk.announce(command.text, self)
                ), b""
            case _:
                assert_never(command)

    def _refusal(self, command: AnyCommand) -> CommandError:
        if self.state is State.ENDED:
            return CommandError(Reason.NOT_AUTHENTICATED, "The session has ended; connect again.")
        if command.type == "AUTH":
            return CommandError(
                Reason.ALREADY_AUTHENTICATED, f"This session is logged in as {self.username}; LOGOUT and connect again."
            )
        return CommandError(Reason.NOT_AUTHENTICATED, f"{command.type} needs a login: send AUTH first.")

    def _goodbye(self) -> str:
        return f"Goodbye {self.username}!" if self.username else "Goodbye!"

    async def _auth(self, command: Auth) -> AuthReply:
        accounts = self._services.accounts
        try:
            username = await self._verify(command)
        except CommandError as error:
            if error.reason is Reason.BAD_CREDENTIALS:
                self._login_failures += 1
                if self._login_failures >= MAX_LOGIN_FAILURES:
                    self._end_quietly("three wrong logins")
                    raise CommandError(error.reason, f"{error.message} It was the third: the session ends.") from None
            raise
        symbols = await accounts.saved(username)
        if self.state is State.ENDED:
            raise CommandError(Reason.NOT_AUTHENTICATED, "The session ended during the login.")
        self._services.admit(self, username)
        self.username = username
        self._has_token = command.token is not None
        self._move(State.AUTHENTICATED, "logged in")
        message = f"Welcome {username}! Login successful."
        return AuthReply(id=command.id, message=message, username=username, symbols=symbols)

    async def _verify(self, command: Auth) -> str:
        """Who logs in, by one of the two ways."""
        accounts = self._services.accounts
        if command.token is not None:
            return await accounts.verify_token(command.token, self.address)
        assert command.username is not None  # noqa: S101 - the model lets no AUTH through that has neither
        if command.password is None and "allowlist" not in self._services.rules.auth:
            raise CommandError(Reason.INVALID_COMMAND, "AUTH: the field 'password' is missing.")
        await accounts.verify(command.username, command.password, self.address)
        return command.username

    async def _token(self, command: Token) -> TokenReply:
        if self._has_token:
            # Else whoever finds a token could renew it for ever.
            raise CommandError(Reason.NOT_PERMITTED, "A session that a token opened gets no other: log in by password.")
        user = self._user()
        token = await self._services.accounts.make_token(user, command.days)
        return TokenReply(id=command.id, username=user, token=token.text, expires_at=token.expires_at_ms)

    async def _get(self, command: Get) -> GetReply:
        self._check_count(command.symbols)
        found = await self._services.feed.quotes(command.symbols)
        if not found.quotes:
            raise _AllMissing(found.missing)
        quotes = tuple(found.quotes[symbol] for symbol in command.symbols if symbol in found.quotes)
        return GetReply(id=command.id, quotes=quotes, missing=_as_missing(found.missing))

    async def _my_stocks(self, command: MyStocks) -> MyStocksReply:
        accounts, user, list_name = self._services.accounts, self._user(), command.list or MAIN_LIST
        symbols = await accounts.saved(user, list_name)
        list_names = await accounts.list_names(user)
        found = await self._services.feed.quotes(symbols)
        quotes = tuple(found.quotes[symbol] for symbol in symbols if symbol in found.quotes)
        return MyStocksReply(
            id=command.id,
            list=list_name,
            lists=list_names,
            symbols=symbols,
            quotes=quotes,
            missing=_as_missing(found.missing),
        )

    async def _dividends(self, command: Dividends) -> DividendsReply:
        dividends = await self._services.feed.questions.dividends(command.symbol, command.limit)
        quote = self._services.board.quote(command.symbol)
        currency = quote.currency if quote is not None else None
        return DividendsReply(id=command.id, symbol=command.symbol, currency=currency, dividends=tuple(dividends))

    async def _subscribe(self, command: Subscribe) -> tuple[SubscribeReply, bytes]:
        accounts, list_name = self._services.accounts, command.list or MAIN_LIST
        symbols = await accounts.saved(self._user(), list_name) if command.symbols is None else command.symbols
        self._check_count((*self.symbols, *symbols))
        errors = await self._services.feed.known(symbols)
        # A 404 is final: unknown, or no source for quotes. What only failed for now is subscribed and pending.
        refused = {symbol: error for symbol, error in errors.items() if error.code is Code.NOT_FOUND}
        wanted = [symbol for symbol in symbols if symbol not in refused]
        if symbols and not wanted:
            raise _AllMissing(refused)
        if command.save and command.symbols is not None:
            await accounts.save(self._user(), wanted, self._services.rules.max_symbols, list_name)
        pushed = frozenset(self.symbols)
        # From here on nothing is awaited: the door sends the reply and the first prices before any push can.
        following = self._subscription.add(wanted, command.interval) if self.is_open else b""
        reply = SubscribeReply(
            id=command.id,
            subscribed=tuple(symbol for symbol in wanted if symbol not in pushed),
            already=tuple(symbol for symbol in wanted if symbol in pushed),
            pending=tuple(symbol for symbol in wanted if symbol in errors),
            missing=_as_missing(refused),
            symbols=self.symbols,
            interval=self._subscription.interval_seconds,
        )
        return reply, following

    async def _unsubscribe(self, command: Unsubscribe) -> UnsubscribeReply:
        accounts, list_name = self._services.accounts, command.list or MAIN_LIST
        unsaved: tuple[str, ...] = ()
        if command.save:
            unsaved = await accounts.unsave(self._user(), command.symbols, list_name)
        if command.symbols is not None:
            named = command.symbols
        elif command.list is not None:
            named = unsaved if command.save else await accounts.saved(self._user(), list_name)
        else:
            named = self.symbols
        unpushed = self._subscription.remove(named)
        gone = frozenset((*unsaved, *unpushed))
        removed = tuple(symbol for symbol in dict.fromkeys((*named, *unsaved)) if symbol in gone)
        missing = {
            symbol: CommandError(Reason.NOT_SUBSCRIBED, f"{symbol} is neither pushed nor saved.")
            for symbol in command.symbols or ()
            if symbol not in gone
        }
        if missing and not removed:
            raise _AllMissing(missing)
        return UnsubscribeReply(id=command.id, removed=removed, missing=_as_missing(missing), symbols=self.symbols)

    # --- rules ---------------------------------------------------------------------------------------------------

    def _user(self) -> str:
        assert self.username is not None  # noqa: S101 - the table lets nobody in here before AUTH
        return self.username

    def _check_count(self, symbols: Sequence[str]) -> None:
        most, count = self._services.rules.max_symbols, len(frozenset(symbols))
        if count > most:
            raise CommandError(Reason.SYMBOL_LIMIT, f"These are {count} symbols; at most {most} are allowed.")

    def _take_token(self) -> None:
        """A bucket of `command_burst` tokens that fills with `commands_per_second`; a command costs one."""
        rules, now = self._services.rules, self._services.clock.monotonic()
        filled = self._tokens + (now - self._tokens_at) * rules.commands_per_second
        self._tokens, self._tokens_at = min(float(rules.command_burst), filled), now
        if self._tokens < 1:
            wait_ms = max(1, round((1 - self._tokens) / rules.commands_per_second * 1000))
            raise CommandError(
                Reason.RATE_LIMITED,
                f"More than {rules.commands_per_second:g} commands a second; this one was not run.",
                retry_after_ms=wait_ms,
            )
        self._tokens -= 1

    def _bad_line(self, error: BadLine) -> bytes:
        self._bad_lines += 1
        reply = encode_line(failure(error))
        if self._bad_lines < MAX_BAD_LINES:
            return reply
        why = SessionEnd(Reason.TOO_MANY_ERRORS, f"{MAX_BAD_LINES} bad lines in a row: the session ends.")
        self._end_quietly(why.reason)
        return reply + farewell(why)

    def _end_quietly(self, why: str) -> None:
        if self.state is not State.ENDED:
            self._subscription.close()
            self._move(State.ENDED, why)

    def _move(self, state: State, why: str) -> None:
        log.debug("session", session=self.name, user=self.username, state=state.value, why=str(why))
        self.state = state


def _is_for_users(command: AnyCommand) -> bool:
    """Whether a command that guests may send needs a saved list in this form."""
    return isinstance(command, Subscribe | Unsubscribe) and (
        command.save or command.list is not None or (isinstance(command, Subscribe) and command.symbols is None)
    )


class _AllMissing(CommandError):  # noqa: N818 - it says what is so, like the reason it carries
    """Every symbol of a command failed: 500 where any of them is one, else 404."""

    def __init__(self, missing: Mapping[str, StockTrackError]) -> None:
        worst = max(missing.values(), key=lambda error: (error.code, error.retry_after_ms or 0))
        super().__init__(worst.reason, worst.message, retry_after_ms=worst.retry_after_ms)
        self.missing = missing


def _as_missing(errors: Mapping[str, StockTrackError]) -> tuple[Missing, ...]:
    return tuple(Missing(symbol=symbol, code=error.code, reason=error.reason) for symbol, error in errors.items())


def _missing_of(error: StockTrackError) -> tuple[Missing, ...] | None:
    return _as_missing(error.missing) if isinstance(error, _AllMissing) else None


def farewell(why: SessionEnd) -> bytes:
    """The NOTICE that ends a session, or refuses one."""
    return encode_line(Notice(code=why.code, reason=why.reason, message=why.message, retry_after_ms=why.retry_after_ms))
