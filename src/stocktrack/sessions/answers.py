"""What each command answers. An answer asks others, changes the session that asked, and returns the reply.

A new command gets its function here, with `@answers(Model)` above it. It raises a `StockTrackError` where it fails.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from stocktrack.errors import Code, CommandError, LoginError, Reason, StockTrackError
from stocktrack.messages import (
    MAIN_LIST,
    Announce,
    AnnounceReply,
    Auth,
    AuthReply,
    Command,
    Dividends,
    DividendsReply,
    Get,
    GetReply,
    Info,
    InfoReply,
    Kick,
    KickReply,
    ListSessions,
    Logout,
    LogoutReply,
    Missing,
    MyStocks,
    MyStocksReply,
    News,
    NewsReply,
    Ping,
    PingReply,
    Reply,
    Search,
    SearchReply,
    SessionsReply,
    Subscribe,
    SubscribeReply,
    Token,
    TokenReply,
    Unsubscribe,
    UnsubscribeReply,
)
from stocktrack.sessions.contracts import Asker
from stocktrack.sessions.life import SessionState
from stocktrack.system.acts import Act
from stocktrack.system.trail import Trail

Asked = TypeVar("Asked", bound=Command)
Answered = TypeVar("Answered", bound=Reply)

# The words of the trail, which stay as they are.
_FAILED_LOGINS = {Reason.BAD_CREDENTIALS: "wrong", Reason.LOGIN_THROTTLED: "throttled"}

ANSWERS: dict[type[Command], Callable[[Asker, Any], Awaitable[Reply]]] = {}


def answers(
    command: type[Asked],
) -> Callable[[Callable[[Asker, Asked], Awaitable[Answered]]], Callable[[Asker, Asked], Awaitable[Answered]]]:
    """Make the function below it the answer to `command`."""

    def register(
        answer: Callable[[Asker, Asked], Awaitable[Answered]],
    ) -> Callable[[Asker, Asked], Awaitable[Answered]]:
        ANSWERS[command] = answer
        return answer

    return register


class AllMissingError(CommandError):
    """Every symbol of a command failed: 500 where any of them is one, else 404."""

    def __init__(self, missing: Mapping[str, StockTrackError]) -> None:
        worst = max(missing.values(), key=lambda error: (error.code, error.retry_after_ms or 0))
        super().__init__(worst.reason, worst.message, retry_after_ms=worst.retry_after_ms)
        self.missing = as_missing(missing)


def as_missing(errors: Mapping[str, StockTrackError]) -> tuple[Missing, ...]:
    """The errors of some symbols as they are told in a reply."""
    return tuple(Missing(symbol=symbol, code=error.code, reason=error.reason) for symbol, error in errors.items())


# --- who is there -------------------------------------------------------------------------------------------------


@answers(Auth)
async def auth(session: Asker, command: Auth) -> AuthReply:
    """Log in by one of the ways that HELLO lists."""
    try:
        username = await _verified(session, command)
    except CommandError as error:
        tell_failure(session.services.trail, error, address=session.address, door=session.door)
        if error.reason is Reason.BAD_CREDENTIALS and session.count_wrong_login():
            raise CommandError(error.reason, f"{error.message} It was the third: the session ends.") from None
        raise
    symbols = await session.services.lists.saved(username)
    session.log_in(username, by_token=command.token is not None)
    by = "token" if command.token is not None else "allowlist" if command.password is None else "password"
    session.services.trail.record(
        Act.LOGIN, address=session.address, door=session.door, user=username, by=by, session=session.name
    )
    message = f"Welcome {username}! Login successful."
    return AuthReply(id=command.id, message=message, username=username, symbols=symbols)


def tell_failure(trail: Trail, error: CommandError, *, address: str, door: str) -> None:
    """Have the trail tell of a login that failed; not of a command that was none."""
    if error.reason in _FAILED_LOGINS:
        user = error.username if isinstance(error, LoginError) else None
        trail.login_failed(_FAILED_LOGINS[error.reason], address=address, door=door, user=user)


async def _verified(session: Asker, command: Auth) -> str:
    authenticator = session.services.authenticator
    if command.token is not None:
        return await authenticator.verify_token(command.token, session.address)
    assert command.username is not None  # noqa: S101 - the model lets no AUTH through that has neither
    if command.password is None and "allowlist" not in session.services.rules.auth:
        raise CommandError(Reason.INVALID_COMMAND, "AUTH: the field 'password' is missing.")
    await authenticator.verify(command.username, command.password, session.address)
    return command.username


@answers(Token)
async def token(session: Asker, command: Token) -> TokenReply:
    """Make a token to log in with."""
    if session.has_token:
        # Else whoever finds a token could renew it for ever.
        raise CommandError(Reason.NOT_PERMITTED, "A session that a token opened gets no other: log in by password.")
    made = await session.services.authenticator.make_token(session.user, command.days)
    session.services.trail.record(
        Act.TOKEN_MADE,
        address=session.address,
        door=session.door,
        user=session.user,
        by=session.user,
        days=command.days,
        session=session.name,
    )
    return TokenReply(id=command.id, username=session.user, token=made.text, expires_at=made.expires_at_ms)


@answers(Ping)
async def ping(session: Asker, command: Ping) -> PingReply:
    """Tell the time."""
    return PingReply(id=command.id, timestamp=session.services.clock.now_ms())


@answers(Logout)
async def logout(session: Asker, command: Logout) -> LogoutReply:
    """Say goodbye."""
    session.log_out()
    goodbye = f"Goodbye {session.username}!" if session.username else "Goodbye!"
    return LogoutReply(id=command.id, message=goodbye)


# --- prices -------------------------------------------------------------------------------------------------------


@answers(Get)
async def get(session: Asker, command: Get) -> GetReply:
    """The newest quotes."""
    _check_count(session, command.symbols)
    found = await session.services.feed.quotes(command.symbols)
    if not found.quotes:
        raise AllMissingError(found.missing)
    quotes = tuple(found.quotes[symbol] for symbol in command.symbols if symbol in found.quotes)
    return GetReply(id=command.id, quotes=quotes, missing=as_missing(found.missing))


@answers(Subscribe)
async def subscribe(session: Asker, command: Subscribe) -> SubscribeReply:
    """Push prices from now on, and save the symbols."""
    lists, list_name = session.services.lists, command.list or MAIN_LIST
    if command.save or command.list is not None or command.symbols is None:
        _check_is_user(session, command)
    symbols = await lists.saved(session.user, list_name) if command.symbols is None else command.symbols
    _check_count(session, (*session.subscription.symbols, *symbols))
    errors = await session.services.feed.known(symbols)
    # A 404 is final: unknown, or no source for quotes. What only failed for now is subscribed and pending.
    refused = {symbol: error for symbol, error in errors.items() if error.code is Code.NOT_FOUND}
    wanted = [symbol for symbol in symbols if symbol not in refused]
    if symbols and not wanted:
        raise AllMissingError(refused)
    if command.save and command.symbols is not None:
        await lists.save(session.user, wanted, session.services.rules.max_symbols, list_name)
    pushed = frozenset(session.subscription.symbols)
    if session.is_open:
        # From here on nothing is awaited: the reply and the first prices are sent before any push can be.
        session.follow_with(session.subscription.add(wanted, command.interval))
    return SubscribeReply(
        id=command.id,
        subscribed=tuple(symbol for symbol in wanted if symbol not in pushed),
        already=tuple(symbol for symbol in wanted if symbol in pushed),
        pending=tuple(symbol for symbol in wanted if symbol in errors),
        missing=as_missing(refused),
        symbols=session.subscription.symbols,
        interval=session.subscription.interval_seconds,
    )


@answers(Unsubscribe)
async def unsubscribe(session: Asker, command: Unsubscribe) -> UnsubscribeReply:
    """End pushes, and take the symbols out of the saved list."""
    lists, list_name = session.services.lists, command.list or MAIN_LIST
    if command.save or command.list is not None:
        _check_is_user(session, command)
    unsaved: tuple[str, ...] = ()
    if command.save:
        unsaved = await lists.unsave(session.user, command.symbols, list_name)
    if command.symbols is not None:
        named = command.symbols
    elif command.list is not None:
        named = unsaved if command.save else await lists.saved(session.user, list_name)
    else:
        named = session.subscription.symbols
    unpushed = session.subscription.remove(named)
    gone = frozenset((*unsaved, *unpushed))
    removed = tuple(symbol for symbol in dict.fromkeys((*named, *unsaved)) if symbol in gone)
    missing = {
        symbol: CommandError(Reason.NOT_SUBSCRIBED, f"{symbol} is neither pushed nor saved.")
        for symbol in command.symbols or ()
        if symbol not in gone
    }
    if missing and not removed:
        raise AllMissingError(missing)
    return UnsubscribeReply(
        id=command.id, removed=removed, missing=as_missing(missing), symbols=session.subscription.symbols
    )


@answers(MyStocks)
async def my_stocks(session: Asker, command: MyStocks) -> MyStocksReply:
    """A saved list with its newest quotes."""
    lists, list_name = session.services.lists, command.list or MAIN_LIST
    symbols = await lists.saved(session.user, list_name)
    list_names = await lists.list_names(session.user)
    found = await session.services.feed.quotes(symbols)
    return MyStocksReply(
        id=command.id,
        list=list_name,
        lists=list_names,
        symbols=symbols,
        quotes=tuple(found.quotes[symbol] for symbol in symbols if symbol in found.quotes),
        missing=as_missing(found.missing),
    )


# --- what else the sources know -----------------------------------------------------------------------------------


@answers(News)
async def news(session: Asker, command: News) -> NewsReply:
    """Headlines."""
    return NewsReply(id=command.id, articles=tuple(await session.services.feed.questions.news(command.limit)))


@answers(Info)
async def info(session: Asker, command: Info) -> InfoReply:
    """The company behind a symbol."""
    return InfoReply(id=command.id, company=await session.services.feed.questions.company(command.symbol))


@answers(Dividends)
async def dividends(session: Asker, command: Dividends) -> DividendsReply:
    """What a symbol has paid."""
    paid = await session.services.feed.questions.dividends(command.symbol, command.limit)
    quote = session.services.board.quote(command.symbol)
    currency = quote.currency if quote is not None else None
    return DividendsReply(id=command.id, symbol=command.symbol, currency=currency, dividends=tuple(paid))


@answers(Search)
async def search(session: Asker, command: Search) -> SearchReply:
    """Symbols by name."""
    return SearchReply(
        id=command.id, matches=tuple(await session.services.feed.questions.search(command.query, command.limit))
    )


# --- for administrators -------------------------------------------------------------------------------------------


@answers(ListSessions)
async def sessions(session: Asker, command: ListSessions) -> SessionsReply:
    """Who is connected."""
    page = session.services.administration.page(command.after)
    return SessionsReply(id=command.id, sessions=page.sessions, count=page.count, more=page.more)


@answers(Kick)
async def kick(session: Asker, command: Kick) -> KickReply:
    """End a session."""
    username = session.services.administration.kick(command.session, session)
    return KickReply(id=command.id, session=command.session, username=username)


@answers(Announce)
async def announce(session: Asker, command: Announce) -> AnnounceReply:
    """Tell everybody something."""
    told = await session.services.administration.announce(command.text, session)
    return AnnounceReply(id=command.id, recipients=told)


# --- rules --------------------------------------------------------------------------------------------------------


def _check_is_user(session: Asker, command: Command) -> None:
    """A guest has no saved lists: `CommandError` where a command that guests may send needs one in this form."""
    if session.state is SessionState.GUEST:
        raise CommandError(Reason.NOT_AUTHENTICATED, f"{command.type} needs a login: send AUTH first.")


def _check_count(session: Asker, symbols: Sequence[str]) -> None:
    most, count = session.services.rules.max_symbols, len(frozenset(symbols))
    if count > most:
        raise CommandError(Reason.SYMBOL_LIMIT, f"These are {count} symbols; at most {most} are allowed.")
