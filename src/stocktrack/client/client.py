"""The client library: an async connection to a StockTrack server that keeps itself alive.

    async with StockTrackClient(username="demo", password=password) as client:
        await client.subscribe(["AAPL", "MSFT"], interval=0)
        async for price in client.prices():
            print(price.symbol, price.price)

Calls may run side by side. What can go wrong is the tree of `client/errors.py`.
"""

import random as random_numbers
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from stocktrack.alerting import AlertWhen, Repeat
from stocktrack.bars import Adjust, BarInterval, HistoryRange
from stocktrack.client.bars import Bars, Moment, wire_moment
from stocktrack.client.errors import BadRequest
from stocktrack.client.prices import PriceStream
from stocktrack.client.reconnecting import ReconnectingConnection
from stocktrack.client.state import State, StateChange
from stocktrack.client.tls import client_context
from stocktrack.client.wire import Answer, command_of, expect
from stocktrack.clock import Clock, RealClock
from stocktrack.errors import Reason
from stocktrack.messages import (
    AddLotReply,
    AlertInfo,
    AlertReply,
    AlertTestReply,
    AnnounceReply,
    AuthReply,
    ChangePasswordReply,
    Command,
    DividendsReply,
    GetReply,
    Hello,
    HistoryReply,
    HoldingsReply,
    InfoReply,
    KickReply,
    ListChange,
    ListInfo,
    ListsReply,
    LogoutReply,
    MuteReply,
    MyAlertsReply,
    MyStocksReply,
    NewsReply,
    Notice,
    OrderListsReply,
    PingReply,
    Price,
    RemoveListReply,
    RemoveLotReply,
    RenameListReply,
    Reply,
    RevokeReply,
    Said,
    SayReply,
    SearchReply,
    SessionInfo,
    SessionsReply,
    SetListReply,
    SinkInfo,
    SourceInfo,
    SourcesReply,
    SubscribeReply,
    TokenInfo,
    TokenReply,
    TokensReply,
    UnalertReply,
    UnsubscribeReply,
    UserInfo,
    UsersReply,
    join_pages,
    next_page,
)
from stocktrack.scopes import Scope
from stocktrack.system.addresses import DEFAULT_HOST, DEFAULT_PORT
from stocktrack.wire.lines import BadLine, encode, failure

_REAL_CLOCK = RealClock()

ReplyType = TypeVar("ReplyType", bound=Reply)


class StockTrackClient:
    """A client of one server, used once, by `async with`.

    The first connection is tried once and raises at once. One that is lost later is restored with its subscriptions,
    unless `reconnect` is false; meanwhile calls raise `Unavailable`, also those that were waiting for their reply:
    nothing is sent twice. A `token` stands for `username` and `password`; without either the session stays without a
    login. An empty password stands for none, for a server that lets some names in without one. Calls raise nothing
    but `ClientError`s, and take at most `timeout_seconds`. The callbacks run in the event loop, one after the other.
    `on_price` is called with every price that the server sends of what is subscribed, also where `prices()` would merge
    those that nobody has read yet; it must be quick. `on_said` is called with what other users say, where `has_chat` is
    true: a stranger's text.
    """

    def __init__(
        self,
        host: str = DEFAULT_HOST,
        port: int = DEFAULT_PORT,
        username: str | None = None,
        password: str | None = None,
        *,
        token: str | None = None,
        tls: bool | ssl.SSLContext = False,
        ca: str | Path | None = None,
        timeout_seconds: float = 10.0,
        reconnect: bool = True,
        on_notice: Callable[[Notice], object] | None = None,
        on_state: Callable[[StateChange], object] | None = None,
        on_price: Callable[[Price], object] | None = None,
        on_said: Callable[[Said], object] | None = None,
        clock: Clock = _REAL_CLOCK,
        random: Callable[[], float] = random_numbers.random,
    ) -> None:
        if token is not None and password is not None:
            raise ValueError("a token stands for the password: give one of them")
        if token is None and (username is None) != (password is None):
            raise ValueError("username and password go together: give both or none")
        login: dict[str, str | None] | None = None
        if token is not None:
            login = {"token": token}
        elif username is not None:
            login = {"username": username, "password": password or None}
        self._clock = clock
        self._connection = ReconnectingConnection(
            host,
            port,
            login,
            tls=client_context(tls, ca),
            timeout_seconds=timeout_seconds,
            reconnect=reconnect,
            on_notice=on_notice,
            on_state=on_state,
            on_price=on_price,
            on_said=on_said,
            clock=clock,
            random=random,
        )

    # --- life -----------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Connect and log in."""
        await self._connection.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Leave the server at once; calls that wait raise `Unavailable`, and iterations over prices end."""
        await self._connection.close()

    async def wait_connected(self) -> None:
        """Return as soon as the client is connected; raise what ended it where it will never be again."""
        await self._connection.wait_connected()

    @property
    def address(self) -> str:
        """The server's host and port, as error texts name it."""
        return self._connection.address

    @property
    def state(self) -> State:
        """Whether the client is connected now."""
        return self._connection.state

    @property
    def hello(self) -> Hello | None:
        """The greeting of the present connection, or else of the last one: server, instance, limits."""
        return self._connection.hello

    @property
    def welcome(self) -> AuthReply | None:
        """The reply to the last login: its message and the user's saved list."""
        return self._connection.welcome

    @property
    def has_chat(self) -> bool:
        """Whether the server said, when it greeted last, that users may talk to each other there."""
        return self.hello is not None and "chat" in (self.hello.features or ())

    @property
    def subscribed(self) -> tuple[str, ...]:
        """The symbols whose prices come, or will come again after a reconnect."""
        return self._connection.book.symbols

    # --- calls ----------------------------------------------------------------------------------------------------

    async def get(self, symbols: str | Iterable[str]) -> GetReply:
        """The latest quotes; what could not be served is in the reply's `missing`, and an error if it is all."""
        return await self._call(GetReply, "GET", symbols=_listed(symbols))

    async def subscribe(
        self,
        symbols: str | Iterable[str] | None = None,
        *,
        interval: float | None = None,
        save: bool = True,
        list: str | None = None,  # noqa: A002 - the wire's word
    ) -> SubscribeReply:
        """Begin pushes of `symbols`, or of a whole saved list; `interval` in seconds, 0 as prices change.

        The symbols are saved for the user as well, unless `save` is false: in the list `main`, or in `list`.
        """
        fields = {"symbols": _listed(symbols), "interval": interval, "save": save, "list": list}
        return await self._call(SubscribeReply, "SUBSCRIBE", **fields)

    async def unsubscribe(
        self,
        symbols: str | Iterable[str] | None = None,
        *,
        save: bool = True,
        list: str | None = None,  # noqa: A002 - the wire's word
    ) -> UnsubscribeReply:
        """End pushes of `symbols`, or of all of `list`, or of all.

        They leave the user's saved list as well, `main` or `list`, unless `save` is false.
        """
        return await self._call(UnsubscribeReply, "UNSUBSCRIBE", symbols=_listed(symbols), save=save, list=list)

    async def my_stocks(self, list: str | None = None) -> MyStocksReply:  # noqa: A002 - the wire's word
        """The user's saved list `main`, or the one named, with its latest quotes; and the names of all lists."""
        return await self._call(MyStocksReply, "MY_STOCKS", list=list)

    async def set_list(
        self,
        symbols: str | Iterable[str],
        *,
        list: str | None = None,  # noqa: A002 - the wire's word
        change: ListChange | str = ListChange.REPLACE,
        keep: bool | None = None,
    ) -> SetListReply:
        """Have the saved list `main`, or the one named, hold these symbols alone, in this order; pushes stay.

        With another `change` they are added, taken out, or put first in their order. All of it is done, or nothing.
        With `keep` the list is there from now on also while it is empty.
        """
        return await self._call(
            SetListReply, "SET_LIST", symbols=_listed(symbols), list=list, change=str(change), keep=keep
        )

    async def lists(self, *, follow: bool | None = None) -> "list[ListInfo]":
        """The user's saved lists in their order, each with the number of its symbols.

        With `follow` a notice `lists_changed` tells from now on, until the connection ends, what others change in them.
        """
        return [*(await self._call(ListsReply, "LISTS", follow=follow)).lists]

    async def rename_list(self, list: str, name: str) -> RenameListReply:  # noqa: A002 - the wire's word
        """Give a saved list another name; it keeps its symbols and its place."""
        return await self._call(RenameListReply, "RENAME_LIST", list=list, name=name)

    async def remove_list(self, list: str) -> RemoveListReply:  # noqa: A002 - the wire's word
        """Take out a saved list, whose symbols the reply names; pushes go on."""
        return await self._call(RemoveListReply, "REMOVE_LIST", list=list)

    async def order_lists(self, lists: Iterable[str]) -> OrderListsReply:
        """Put the user's saved lists into another order; those that are not named stand behind."""
        return await self._call(OrderListsReply, "ORDER_LISTS", lists=[*lists])

    async def news(self, limit: int = 10, symbol: str | None = None) -> NewsReply:
        """Headlines, newest first: of `symbol`, or of the whole market."""
        return await self._call(NewsReply, "NEWS", symbol=symbol, limit=limit)

    async def info(self, symbol: str) -> InfoReply:
        """The company behind `symbol`."""
        return await self._call(InfoReply, "INFO", symbol=symbol)

    async def dividends(self, symbol: str, limit: int = 5) -> DividendsReply:
        """The dividends of `symbol`, newest first."""
        return await self._call(DividendsReply, "DIVIDENDS", symbol=symbol, limit=limit)

    async def history(
        self,
        symbol: str,
        *,
        range: HistoryRange | str | None = None,  # noqa: A002 - the wire's word
        start: Moment | None = None,
        end: Moment | None = None,
        interval: BarInterval | str | None = None,
        adjust: Adjust | str = Adjust.SPLITS,
        prepost: bool = False,
    ) -> Bars:
        """The past prices of `symbol`: of a `range` such as `1y` back from now, 1mo unless given, or from `start` on.

        `start` and `end` are epoch milliseconds, an aware datetime, or a day at the exchange. `interval` is the length
        of a bar, by the range unless given; `prepost` adds the bars before and after the regular hours.
        """
        command = history_command(
            symbol, range=range, start=start, end=end, interval=interval, adjust=adjust, prepost=prepost
        )
        return Bars.of(expect(HistoryReply, await self.request(command), self.address))

    async def alert(
        self,
        symbol: str,
        when: AlertWhen | str,
        value: float,
        *,
        minutes: int | None = None,
        repeat: Repeat | str = Repeat.ONCE,
        cooldown_seconds: int | None = None,
        quiet_hours: str | None = None,
        timezone: str | None = None,
        targets: Iterable[str] = (),
        replaces: str | None = None,
    ) -> AlertInfo:
        """Make an alert, which is on the server's disk when this returns; it is told by a NOTICE, and to `targets`.

        `value` is a price, percent, or pieces traded on the day, as `when` says, and `minutes` how far back
        `percent_within` looks. `quiet_hours` (22:00-07:00) and once a day are those of the `timezone`. The alert
        that it `replaces` (a7) goes when this one is made; where it is refused that one stays.
        """
        reply = await self._call(
            AlertReply,
            "ALERT",
            symbol=symbol,
            when=str(when),
            value=value,
            minutes=minutes,
            repeat=str(repeat),
            cooldown_seconds=cooldown_seconds,
            quiet_hours=quiet_hours,
            timezone=timezone,
            targets=_listed(targets),
            replaces=replaces,
        )
        return reply.alert

    async def my_alerts(self, symbol: str | None = None) -> MyAlertsReply:
        """All of the user's alerts, or those of one symbol, and the targets that they may name."""
        return await self._call(MyAlertsReply, "MY_ALERTS", symbol=symbol)

    async def unalert(self, alert: str) -> UnalertReply:
        """Take an alert out, by its name such as a7."""
        return await self._call(UnalertReply, "UNALERT", alert=alert)

    async def test_alert(self, target: str) -> AlertTestReply:
        """Have a target told a test message, once; the reply says whether it took it, and else why not."""
        return await self._call(AlertTestReply, "TEST_ALERT", target=target)

    async def holdings(self, currency: str | None = None, *, group: str | None = None) -> HoldingsReply:
        """What the user holds and what it is worth, with totals in `currency`, or in the server's; of one group or all.

        What has no price or no rate is in the reply's `missing`, and in no total.
        """
        return await self._call(HoldingsReply, "HOLDINGS", currency=currency, group=group)

    async def add_lot(
        self, symbol: str, quantity: float, unit_cost: float, *, fixed_cost: float = 0.0, group: str | None = None
    ) -> AddLotReply:
        """Keep a lot, below zero for a sale; its cost and fees are in the currency of the price, pence for GBp."""
        fields = {"symbol": symbol, "quantity": quantity, "unit_cost": unit_cost, "fixed_cost": fixed_cost}
        return await self._call(AddLotReply, "ADD_LOT", **fields, group=group)

    async def remove_lot(self, lot: str) -> RemoveLotReply:
        """Take out a lot by its name, such as l3."""
        return await self._call(RemoveLotReply, "REMOVE_LOT", lot=lot)

    async def say(self, text: str, symbol: str | None = None) -> SayReply:
        """Say something to the sessions that are pushed `symbol`, or to all that are logged in, but for this one."""
        return await self._call(SayReply, "SAY", text=text, symbol=symbol)

    async def search(self, query: str, limit: int = 10, *, segment: str | None = None) -> SearchReply:
        """Symbols that match `query`, of one segment where it is given, such as NSE or FO; none is a success."""
        return await self._call(SearchReply, "SEARCH", query=query, limit=limit, segment=segment)

    async def sources(self, *, detail: bool = False) -> list[SourceInfo]:
        """How the server's sources are, in the order in which it asks them.

        With `detail`, which is for administrators, also which symbols each leads.
        """
        return [*(await self._call(SourcesReply, "SOURCES", detail=detail or None)).sources]

    async def sinks(self) -> list[SinkInfo]:
        """How the addresses are that the server publishes to; an empty list where there are none."""
        return [*((await self._call(SourcesReply, "SOURCES")).sinks or ())]

    async def ping(self) -> PingReply:
        """The server's time."""
        return await self._call(PingReply, "PING")

    async def make_token(self, days: int = 30, *, name: str | None = None, scope: Scope = Scope.FULL) -> TokenReply:
        """A token to log in with for so many days; only a login by password gets one.

        `name` is what it is listed by; with the scope `read` it is for prices, news and lists, and changes nothing.
        """
        return await self._call(TokenReply, "TOKEN", days=days, name=name, scope=scope.value)

    async def tokens(self) -> list[TokenInfo]:
        """The user's tokens that are valid, the oldest first."""
        return [*(await self._call(TokensReply, "TOKENS")).tokens]

    async def revoke(self, token_id: str | None = None) -> RevokeReply:
        """End one token of the user, or all of them, and the sessions that they opened."""
        return await self._call(RevokeReply, "REVOKE", token_id=token_id)

    async def change_password(self, password: str, new_password: str) -> ChangePasswordReply:
        """Change the user's password from `password`; all tokens and all other sessions of the user end.

        A client that reconnects later logs in with what it was given at first: make it anew with the new password.
        """
        return await self._call(ChangePasswordReply, "PASSWORD", password=password, new_password=new_password)

    async def sessions(self) -> list[SessionInfo]:
        """All open sessions of the server, and of those that it knows of; for administrators, as the next ones."""
        return [info async for page in self.session_pages() for info in page.sessions]

    async def session_pages(self) -> AsyncIterator[SessionsReply]:
        """The same as the server tells them: page by page, each with a `message` where a server is missing."""
        reply = await self._call(SessionsReply, "SESSIONS")
        yield reply
        while reply.more and reply.sessions:
            reply = await self._call(SessionsReply, "SESSIONS", after=reply.sessions[-1].session)
            yield reply

    async def users(self) -> list[UserInfo]:
        """All accounts of the server by name, each with its open sessions; for administrators."""
        return [info async for page in self.user_pages() for info in page.users]

    async def user_pages(self) -> AsyncIterator[UsersReply]:
        """The same as the server tells them, as in `session_pages`."""
        reply = await self._call(UsersReply, "USERS")
        yield reply
        while reply.more and reply.users:
            reply = await self._call(UsersReply, "USERS", after=reply.users[-1].username)
            yield reply

    async def kick(self, session: str | None = None, *, username: str | None = None) -> KickReply:
        """End another session, or all sessions of a user but this one."""
        return await self._call(KickReply, "KICK", session=session, username=username)

    async def announce(self, text: str) -> AnnounceReply:
        """Tell every session that is logged in."""
        return await self._call(AnnounceReply, "ANNOUNCE", text=text)

    async def mute(self, username: str, minutes: int = 60) -> MuteReply:
        """Let a user say nothing for so many minutes; 0 lets the user talk again."""
        return await self._call(MuteReply, "MUTE", username=username, minutes=minutes)

    async def logout(self) -> LogoutReply:
        """End the session politely; the client is closed afterwards."""
        reply = await self._call(LogoutReply, "LOGOUT")
        await self.close()
        return reply

    async def request(self, command: Command) -> Answer:
        """The reply to any command, with the line it stood on. The command's `id` is the client's to choose.

        What comes in several pages is one reply, as if one line could carry them.
        """
        answer = await self._connection.ask(command)
        if next_page(answer.reply) is None:
            return answer
        whole = answer.reply
        while (changes := next_page(whole)) is not None:
            page = await self._connection.ask(command.model_copy(update=changes))
            whole = join_pages(whole, page.reply)
        return Answer(whole, encode(whole))

    def prices(self, *, pause_seconds: float = 0.0) -> PriceStream:
        """An iteration over prices, to begin with the newest known ones; there may be several at a time.

        With `pause_seconds` it hands out rounds: the newest unread price of each symbol, then nothing for so long, in
        which prices are merged. That is for a reader that only shows them, and is spared those that nobody would see.
        """
        return self._connection.book.stream(pause_seconds=pause_seconds, clock=self._clock)

    async def _call(self, reply_type: type[ReplyType], command_type: str, **fields: Any) -> ReplyType:
        answer = await self.request(command_of(command_type, **fields))
        return expect(reply_type, answer, self.address)


def history_command(
    symbol: str, *, start: Moment | None = None, end: Moment | None = None, **fields: object
) -> Command:
    """The command of `StockTrackClient.history`; `BadRequest` where it would be refused."""
    moments = {}
    for name, moment in (("start", start), ("end", end)):
        try:
            moments[name] = wire_moment(moment)
        except ValueError as error:
            told = f"HISTORY: the field {name!r}: {error}."
            raise BadRequest(failure(BadLine(Reason.INVALID_COMMAND, told, command_type="HISTORY"))) from None
    return command_of("HISTORY", symbol=symbol, **moments, **fields)


def _listed(symbols: str | Iterable[str] | None) -> list[str] | None:
    """One symbol or several as a list; a string is one symbol, never its letters."""
    if symbols is None:
        return None
    return [symbols] if isinstance(symbols, str) else list(symbols)
