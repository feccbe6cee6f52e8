"""What the commands of a session, of prices, and of what else the sources know answer.

An answer asks others, changes the session that asked, and returns the reply.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from stocktrack.accounts.identity import Identity
from stocktrack.errors import Code, CommandError, LoginError, Reason, StockTrackError
from stocktrack.messages import (
    MAIN_LIST,
    Auth,
    AuthReply,
    ChangePassword,
    ChangePasswordReply,
    Command,
    Dividends,
    DividendsReply,
    Get,
    GetReply,
    History,
    HistoryReply,
    Info,
    InfoReply,
    Logout,
    LogoutReply,
    MyStocks,
    MyStocksReply,
    News,
    NewsReply,
    Ping,
    PingReply,
    Revoke,
    RevokeReply,
    Search,
    SearchReply,
    Sources,
    SourcesReply,
    Subscribe,
    SubscribeReply,
    Token,
    TokenInfo,
    TokenReply,
    Tokens,
    TokensReply,
    Unsubscribe,
    UnsubscribeReply,
)
from stocktrack.quotes import Headline
from stocktrack.scopes import Scope
from stocktrack.sessions.answering import REPLY_HEAD_BYTES, AllMissingError, answers
from stocktrack.sessions.contracts import Asker
from stocktrack.sessions.life import SessionState
from stocktrack.sessions.pages import as_missing, behind, first_bars, first_page, most_bars
from stocktrack.system.acts import ALL_TOKENS, Act
from stocktrack.system.trail import Trail

# The words of the trail, which stay as they are.
_FAILED_LOGINS = {Reason.BAD_CREDENTIALS: "wrong", Reason.LOGIN_THROTTLED: "throttled"}

# --- who is there -------------------------------------------------------------------------------------------------


@answers(Auth)
async def auth(session: Asker, command: Auth) -> AuthReply:
    """Log in by one of the ways that HELLO lists."""
    try:
        identity = await _verified(session, command)
    except CommandError as error:
        tell_failure(session.services.trail, error, address=session.address, door=session.door)
        if error.reason is Reason.BAD_CREDENTIALS and session.count_wrong_login():
            raise CommandError(error.reason, f"{error.message} It was the third: the session ends.") from None
        raise
    symbols = await session.services.lists.saved(identity.name)
    user = await session.services.authenticator.user(identity.name)
    await session.log_in(identity)
    token = identity.token
    by = "token" if token is not None else "allowlist" if identity.is_listed else "password"
    _record(session, Act.LOGIN, by=by)
    return AuthReply(
        id=command.id,
        message=f"Welcome {identity.name}! Login successful.",
        username=identity.name,
        symbols=symbols,
        token_id=token.token_id if token is not None else None,
        scope=token.scope if token is not None else None,
        expires_at=token.expires_at_ms if token is not None else None,
        is_admin=True if user is not None and user.is_admin else None,
    )


def tell_failure(trail: Trail, error: CommandError, *, address: str, door: str) -> None:
    """Have the trail tell of a login that failed; not of a command that was none."""
    if error.reason in _FAILED_LOGINS:
        user = error.username if isinstance(error, LoginError) else None
        trail.login_failed(_FAILED_LOGINS[error.reason], address=address, door=door, user=user)


def _record(session: Asker, act: Act, **fields: Any) -> None:
    """Have the trail tell what the user of a session did."""
    session.services.trail.record(
        act, address=session.address, door=session.door, user=session.user, **fields, session=session.name
    )


async def _verified(session: Asker, command: Auth) -> Identity:
    authenticator = session.services.authenticator
    if command.token is not None:
        return await authenticator.verify_token(command.token, session.address)
    assert command.username is not None  # noqa: S101 - the model lets no AUTH through that has neither
    by_name = "allowlist" in session.auth
    if command.password is None and not by_name:
        raise CommandError(Reason.INVALID_COMMAND, "AUTH: the field 'password' is missing.")
    return await authenticator.verify(command.username, command.password, session.address, by_name=by_name)


@answers(Token)
async def token(session: Asker, command: Token) -> TokenReply:
    """Make a token to log in with."""
    if session.login.token is not None:
        # Else whoever finds a token could renew it for ever, or make one that may do more.
        raise CommandError(Reason.NOT_PERMITTED, "A session that a token opened gets no other: log in by password.")
    made = await session.services.authenticator.make_token(
        session.user, command.days, name=command.name, scope=command.scope, identity=session.login
    )
    # Not its name, which the user made up: the list of tokens has it.
    _record(session, Act.TOKEN_MADE, by=session.user, token_id=made.token_id, days=command.days, scope=made.scope.value)
    return TokenReply(
        id=command.id,
        username=session.user,
        token=made.text,
        expires_at=made.expires_at_ms,
        token_id=made.token_id,
        name=made.name,
        scope=made.scope,
    )


@answers(Tokens)
async def tokens(session: Asker, command: Tokens) -> TokensReply:
    """The user's tokens."""
    rows = await session.services.authenticator.tokens(session.user)
    listed = tuple(
        TokenInfo(
            token_id=row.token_id,
            name=row.name,
            scope=row.scope,
            created_at=row.created_at_ms,
            expires_at=row.expires_at_ms,
            last_used_at=row.last_used_at_ms,
        )
        for row in rows
    )
    return TokensReply(id=command.id, tokens=listed)


@answers(Revoke)
async def revoke(session: Asker, command: Revoke) -> RevokeReply:
    """End tokens of the user, and at once the sessions that they opened; the one that asks is ended a little later."""
    if command.token_id is not None:
        await session.services.authenticator.revoke_token(session.user, command.token_id)
        revoked = [command.token_id]
    else:
        revoked = sorted(await session.services.authenticator.revoke_tokens(session.user))
    _record(session, Act.TOKENS_REVOKED, by=session.user, token_id=command.token_id or ALL_TOKENS)
    await session.services.look_at(session.user, session)
    return RevokeReply(id=command.id, revoked=tuple(revoked))


@answers(ChangePassword)
async def change_password(session: Asker, command: ChangePassword) -> ChangePasswordReply:
    """Change the user's own password; the session goes on, and all others end."""
    try:
        identity = await session.services.authenticator.change_own_password(
            session.login, command.password, command.new_password, session.address
        )
    except CommandError as error:
        # A wrong old password is a guess, as at a login: the session may be another's by now.
        tell_failure(session.services.trail, error, address=session.address, door=session.door)
        raise
    session.renew(identity)
    _record(session, Act.PASSWORD_CHANGED, by=session.user)
    await session.services.look_at(session.user, session)
    message = "The password was changed; all other sessions and all tokens have ended."
    return ChangePasswordReply(id=command.id, message=message)


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
    check_count(session, command.symbols)
    symbols = behind(command.symbols, command.after)
    found = await session.services.feed.quotes(symbols, session)
    if symbols and not found.quotes:
        raise AllMissingError(found.missing)
    page = first_page(symbols, found, session.services.rules.max_reply_bytes - REPLY_HEAD_BYTES)
    return GetReply(id=command.id, quotes=page.quotes, missing=page.missing, more=page.more)


@answers(Subscribe)
async def subscribe(session: Asker, command: Subscribe) -> SubscribeReply:
    """Push prices from now on, and save the symbols."""
    lists, list_name = session.services.lists, command.list or MAIN_LIST
    if command.save or command.list is not None or command.symbols is None:
        _check_is_user(session, command)
    if command.save and command.symbols is not None:
        _check_may_change_lists(session, command)
    symbols = await lists.saved(session.user, list_name) if command.symbols is None else command.symbols
    check_count(session, (*session.subscription.symbols, *symbols))
    errors = await session.services.feed.known(symbols, session)
    # A 404 is final: unknown, or no source for quotes. What only failed for now is subscribed and pending.
    refused = {symbol: error for symbol, error in errors.items() if error.code is Code.NOT_FOUND}
    refused |= await unchecked(session, errors, list_name)
    wanted = [symbol for symbol in symbols if symbol not in refused]
    if symbols and not wanted:
        raise AllMissingError(refused)
    if command.save and command.symbols is not None:
        await session.check_login()  # the source may have taken its time
        held = frozenset(await lists.saved(session.user, list_name))
        await lists.save(session.user, wanted, session.services.rules.max_symbols, list_name)
        if not held.issuperset(wanted):
            session.services.list_news.changed(session.user, [list_name], session)
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
    if command.save:
        _check_may_change_lists(session, command)
    unsaved: tuple[str, ...] = ()
    if command.save:
        unsaved = await lists.unsave(session.user, command.symbols, list_name)
        if unsaved:
            session.services.list_news.changed(session.user, [list_name], session)
    if command.symbols is not None:
        named = command.symbols
    elif command.list is not None:
        named = unsaved if command.save else await lists.saved(session.user, list_name)
    else:
        named = session.subscription.symbols
    unpushed = session.subscription.remove(named)
    gone = frozenset((*unsaved, *unpushed))
    removed = tuple(symbol for symbol in dict.fromkeys((*named, *unsaved)) if symbol in gone)
    gone_from = "not on your list" if command.save else "not pushed"
    missing = {
        symbol: CommandError(Reason.NOT_SUBSCRIBED, f"{symbol} is {gone_from}.")
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
    rest = behind(symbols, command.after)
    found = await session.services.feed.quotes(rest, session)
    head_bytes = REPLY_HEAD_BYTES + len(json.dumps([list_name, list_names, symbols]))
    page = first_page(rest, found, session.services.rules.max_reply_bytes - head_bytes)
    return MyStocksReply(
        id=command.id,
        list=list_name,
        lists=list_names,
        symbols=symbols,
        quotes=page.quotes,
        missing=page.missing,
        more=page.more,
    )


# --- what else the sources know -----------------------------------------------------------------------------------


@answers(News)
async def news(session: Asker, command: News) -> NewsReply:
    """Headlines of the market or of one symbol, as many as one line can carry."""
    questions, symbol = session.services.feed.questions, command.symbol
    if symbol is None:
        headlines = await questions.news(command.limit, session)
    else:
        headlines = await questions.symbol_news(symbol, command.limit, session)
    articles: list[Headline] = []
    size = REPLY_HEAD_BYTES
    for article in headlines:
        size += len(article.model_dump_json(exclude_none=True).encode()) + 1
        if size > session.services.rules.max_reply_bytes:
            break
        articles.append(article)
    return NewsReply(id=command.id, symbol=symbol, articles=tuple(articles))


@answers(Info)
async def info(session: Asker, command: Info) -> InfoReply:
    """The company behind a symbol."""
    return InfoReply(id=command.id, company=await session.services.feed.questions.company(command.symbol, session))


@answers(Dividends)
async def dividends(session: Asker, command: Dividends) -> DividendsReply:
    """What a symbol has paid."""
    paid = await session.services.feed.questions.dividends(command.symbol, command.limit, session)
    # What the quote is in says nothing of it: a share in pence may pay dollars.
    currencies = {each.currency for each in paid}
    currency = currencies.pop() if len(currencies) == 1 else None
    return DividendsReply(id=command.id, symbol=command.symbol, currency=currency, dividends=tuple(paid))


@answers(History)
async def history(session: Asker, command: History) -> HistoryReply:
    """Past prices, as many bars as one line can carry."""
    room_bytes = session.services.rules.max_reply_bytes - REPLY_HEAD_BYTES
    # A page of a month of minutes is a twentieth of it: the rest is not corrected for splits each time.
    most = most_bars(room_bytes)
    found = await session.services.feed.questions.history.find(command, session, most=most)
    bars = first_bars(found.bars, room_bytes)
    return HistoryReply(
        id=command.id,
        symbol=found.symbol,
        interval=found.interval,
        adjust=found.adjust,
        timezone=found.timezone,
        currency=found.currency,
        provider=found.provider,
        bars=tuple(bars),
        more=found.has_more or len(bars) < len(found.bars),
        stale=True if found.stale_reason is not None else None,
        stale_reason=found.stale_reason,
    )


@answers(Search)
async def search(session: Asker, command: Search) -> SearchReply:
    """Symbols by name."""
    matches = await session.services.feed.questions.search(
        command.query, command.limit, session, segment=command.segment
    )
    return SearchReply(id=command.id, matches=tuple(matches))


@answers(Sources)
async def sources(session: Asker, command: Sources) -> SourcesReply:
    """How each source is, and each sink: their sentences hold no secret, so that they are for every user.

    Which symbols others watch is no user's business, but an administrator's.
    """
    if command.detail:
        await _check_is_admin(session, command)
    sinks, routes = tuple(session.services.sinks()), session.services.feed.routes
    feed = await routes.feed_info() if command.detail else None
    told = tuple(routes.sources(is_detailed=bool(command.detail)))
    return SourcesReply(id=command.id, sources=told, sinks=sinks or None, feed=feed)


# --- rules --------------------------------------------------------------------------------------------------------


def _check_is_user(session: Asker, command: Command) -> None:
    """A guest has no saved lists: `CommandError` where a command that guests may send needs one in this form."""
    if session.state is SessionState.GUEST:
        raise CommandError(Reason.NOT_AUTHENTICATED, f"{command.type} needs a login: send AUTH first.")


async def _check_is_admin(session: Asker, command: Command) -> None:
    """`CommandError` where a command that users may send is for administrators in this form."""
    identity = session.login
    if identity.scope is Scope.READ:
        why = f"{command.type} with this needs more than this session's token may do: it is for reading."
        raise CommandError(Reason.NOT_PERMITTED, why)
    user = await session.services.authenticator.user(identity.name)
    if user is None or not user.is_admin:
        raise CommandError(Reason.NOT_PERMITTED, f"{command.type} in detail is for administrators.")


def _check_may_change_lists(session: Asker, command: Command) -> None:
    """`CommandError` where the session's token is for reading alone."""
    if session.identity is not None and session.identity.scope is Scope.READ:
        raise CommandError(
            Reason.NOT_PERMITTED,
            f'{command.type} would change a saved list, and this session\'s token is for reading: send "save":false.',
        )


async def unchecked(
    session: Asker, errors: Mapping[str, StockTrackError], list_name: str
) -> Mapping[str, StockTrackError]:
    """What may not be subscribed or saved, because the user has no request left to have it checked.

    What is saved already was checked once: it is pushed as soon as the poll has it. A new one is not saved unchecked,
    and the poll does not do for nothing what its user has no budget for.
    """
    unchecked = {symbol: error for symbol, error in errors.items() if error.reason is Reason.RATE_LIMITED}
    if not unchecked or session.state is SessionState.GUEST:
        return unchecked
    saved = frozenset(await session.services.lists.saved(session.user, list_name))
    return {symbol: error for symbol, error in unchecked.items() if symbol not in saved}


def check_count(session: Asker, symbols: Sequence[str]) -> None:
    """`CommandError` where these are more symbols than a command may name, a session be pushed or a list hold."""
    most, count = session.services.rules.max_symbols, len(frozenset(symbols))
    if count > most:
        raise CommandError(Reason.SYMBOL_LIMIT, f"These are {count} symbols; at most {most} are allowed.")
