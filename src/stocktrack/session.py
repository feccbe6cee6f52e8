"""One client's life: a state, a table of what is allowed in it, and the answer to each command; no sockets.

A door hands in lines and sends what comes back. A session speaks without being asked only through its connection:
HELLO, prices, heartbeats and notices.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, assert_never

import structlog

from stocktrack.board import Board
from stocktrack.clock import Clock
from stocktrack.connection import Connection
from stocktrack.errors import Code, CommandError, Reason, SessionEnd, StockTrackError
from stocktrack.feed import Event, Feed, FeedEvent
from stocktrack.messages import (
    MAX_REPLY_BYTES,
    AnyCommand,
    Auth,
    AuthReply,
    BadLine,
    Dividends,
    DividendsReply,
    Get,
    GetReply,
    Heartbeat,
    Hello,
    Info,
    InfoReply,
    Limits,
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
    Subscribe,
    SubscribeReply,
    Unsubscribe,
    UnsubscribeReply,
    decode_line,
    encode_line,
    failure,
)
from stocktrack.subscriptions import Subscription

log = structlog.get_logger()

MAX_BAD_LINES = 20
MAX_LOGIN_FAILURES = 3


class Accounts(Protocol):
    """What a session asks of the user accounts."""

    async def verify(self, name: str, password: str, address: str) -> None:
        """Return where the password is right; `CommandError` where not, `StorageError` where nobody can tell."""
        ...

    async def saved(self, name: str) -> tuple[str, ...]:
        """The saved list of a user, in the order it was saved."""
        ...

    async def save(self, name: str, symbols: Sequence[str], limit: int) -> None:
        """Add to the saved list, of at most `limit` symbols; it is on disk when this returns."""
        ...

    async def unsave(self, name: str, symbols: Sequence[str] | None) -> tuple[str, ...]:
        """Take symbols (None: all) out of the saved list; returns those that were in it."""
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


@dataclass(frozen=True, slots=True)
class Services:
    """What all sessions share. `admit(session, username)` counts a login, or refuses it with a `CommandError`."""

    rules: SessionRules
    accounts: Accounts
    feed: Feed
    board: Board
    clock: Clock
    admit: Callable[["Session", str], None]


class State(Enum):
    """Where a session is in its life."""

    GREETED = "greeted"
    AUTHENTICATED = "authenticated"
    ENDED = "ended"


_ALWAYS = frozenset({"PING", "LOGOUT"})
_FOR_USERS = frozenset({"GET", "SUBSCRIBE", "UNSUBSCRIBE", "MY_STOCKS", "NEWS", "INFO", "DIVIDENDS", "SEARCH"})

# What may be sent in which state; what is missing here is an error, and `_refusal` says which.
ALLOWED: Mapping[State, frozenset[str]] = {
    State.GREETED: _ALWAYS | {"AUTH"},
    State.AUTHENTICATED: _ALWAYS | _FOR_USERS,
    State.ENDED: frozenset(),
}


class Session:
    """One client. `receive` answers a line, `hello` greets; `end` is how anybody else ends it."""

    __slots__ = (
        "_bad_lines",
        "_connection",
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
                auth=("password",),
                limits=Limits(max_line_bytes=rules.max_line_bytes, max_symbols=rules.max_symbols),
                heartbeat_seconds=rules.heartbeat_seconds,
            )
        )

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
        try:
            self._take_token()
            reply, following = await self.handle(command)
        except StockTrackError as error:
            reply, following = failure(error, command, _missing_of(error)), b""
        except Exception:
            log.exception("a command failed unexpectedly", session=self.name, command=command.type)
            ours = CommandError(Reason.INTERNAL_ERROR, "The server failed to do this; its log says why.")
            reply, following = failure(ours, command), b""
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
        if command.type not in ALLOWED[self.state]:
            raise self._refusal(command)
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
                articles = await self._services.feed.news(command.limit)
                return NewsReply(id=command.id, articles=tuple(articles)), b""
            case Info():
                return InfoReply(id=command.id, company=await self._services.feed.company(command.symbol)), b""
            case Dividends():
                return await self._dividends(command), b""
            case Search():
                matches = await self._services.feed.search(command.query, command.limit)
                return SearchReply(id=command.id, matches=tuple(matches)), b""
            case Ping():
                return PingReply(id=command.id, timestamp=self._services.clock.now_ms()), b""
            case Logout():
                self._end_quietly("logged out")
                return LogoutReply(id=command.id, message=self._goodbye()), b""
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
            await accounts.verify(command.username, command.password, self.address)
        except CommandError as error:
            if error.reason is Reason.BAD_CREDENTIALS:
                self._login_failures += 1
                if self._login_failures >= MAX_LOGIN_FAILURES:
                    self._end_quietly("three wrong passwords")
                    raise CommandError(error.reason, f"{error.message} It was the third: the session ends.") from None
            raise
        symbols = await accounts.saved(command.username)
        if self.state is State.ENDED:
            raise CommandError(Reason.NOT_AUTHENTICATED, "The session ended during the login.")
        self._services.admit(self, command.username)
        self.username = command.username
        self._move(State.AUTHENTICATED, "logged in")
        message = f"Welcome {command.username}! Login successful."
        return AuthReply(id=command.id, message=message, username=command.username, symbols=symbols)

    async def _get(self, command: Get) -> GetReply:
        self._check_count(command.symbols)
        found = await self._services.feed.quotes(command.symbols)
        if not found.quotes:
            raise _AllMissing(found.missing)
        quotes = tuple(found.quotes[symbol] for symbol in command.symbols if symbol in found.quotes)
        return GetReply(id=command.id, quotes=quotes, missing=_as_missing(found.missing))

    async def _my_stocks(self, command: MyStocks) -> MyStocksReply:
        symbols = await self._services.accounts.saved(self._user())
        found = await self._services.feed.quotes(symbols)
        quotes = tuple(found.quotes[symbol] for symbol in symbols if symbol in found.quotes)
        return MyStocksReply(id=command.id, symbols=symbols, quotes=quotes, missing=_as_missing(found.missing))

    async def _dividends(self, command: Dividends) -> DividendsReply:
        dividends = await self._services.feed.dividends(command.symbol, command.limit)
        quote = self._services.board.quote(command.symbol)
        currency = quote.currency if quote is not None else None
        return DividendsReply(id=command.id, symbol=command.symbol, currency=currency, dividends=tuple(dividends))

    async def _subscribe(self, command: Subscribe) -> tuple[SubscribeReply, bytes]:
        accounts, user = self._services.accounts, self._user()
        symbols = await accounts.saved(user) if command.symbols is None else command.symbols
        self._check_count((*self.symbols, *symbols))
        errors = await self._services.feed.known(symbols)
        # A 404 is final: unknown, or no source for quotes. What only failed for now is subscribed and pending.
        refused = {symbol: error for symbol, error in errors.items() if error.code is Code.NOT_FOUND}
        wanted = [symbol for symbol in symbols if symbol not in refused]
        if symbols and not wanted:
            raise _AllMissing(refused)
        if command.save and command.symbols is not None:
            await accounts.save(user, wanted, self._services.rules.max_symbols)
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
        unsaved: tuple[str, ...] = ()
        if command.save:
            unsaved = await self._services.accounts.unsave(self._user(), command.symbols)
        named = self.symbols if command.symbols is None else command.symbols
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
