"""The client library: an async connection to a StockTrack server that keeps itself alive.

    async with StockTrackClient(username="demo", password=password) as client:
        await client.subscribe(["AAPL", "MSFT"], interval=0)
        async for price in client.prices():
            print(price.symbol, price.price)

Calls may run side by side. What can go wrong is the tree of `client/errors.py`.
"""

import asyncio
import copy
import json
import random as random_numbers
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from stocktrack.client.errors import (
    BadRequest,
    ClientError,
    NotAuthorised,
    NotFound,
    NotStockTrack,
    TooManyRequests,
    Unavailable,
)
from stocktrack.client.prices import PriceBook, PriceStream
from stocktrack.client.server_connection import ServerConnection
from stocktrack.client.tls import client_context
from stocktrack.client.wire import Answer, Incoming
from stocktrack.clock import Clock, RealClock, backoff_seconds, ended
from stocktrack.errors import Code
from stocktrack.messages import (
    AnnounceReply,
    AnyCommand,
    AuthReply,
    Command,
    DividendsReply,
    GetReply,
    Hello,
    InfoReply,
    KickReply,
    LogoutReply,
    Missing,
    MyStocksReply,
    NewsReply,
    Notice,
    PingReply,
    Reply,
    SearchReply,
    SessionInfo,
    SessionsReply,
    SubscribeReply,
    TokenReply,
    UnsubscribeReply,
)
from stocktrack.system.addresses import DEFAULT_HOST, DEFAULT_PORT, address_text
from stocktrack.wire.lines import BadLine, decode_line, failure

# Half a second lets a restart begin; ten is short enough for a person who waits.
FIRST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 10.0
# A connection that breaks sooner counts as one more failure, or a server that crashes at once would be stormed.
STEADY_SECONDS = 1.0
_REAL_CLOCK = RealClock()

ReplyType = TypeVar("ReplyType", bound=Reply)


class State(StrEnum):
    """Where a client is in its life."""

    NEW = "new"
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class StateChange:
    """What a client tells its `on_state` callback.

    RECONNECTING comes before every try, with the `cause`, the number of the try, and the seconds until it. CONNECTED
    names in `missing` what of the subscriptions could not be restored. CLOSED has a `cause` unless it was wanted.
    """

    state: State
    cause: ClientError | None = None
    attempt: int = 0
    retry_seconds: float | None = None
    missing: tuple[Missing, ...] = ()


class StockTrackClient:
    """A client of one server, used once, by `async with`.

    The first connection is tried once and raises at once. One that is lost later is restored with its subscriptions,
    unless `reconnect` is false; meanwhile calls raise `Unavailable`, also those that were waiting for their reply:
    nothing is sent twice. A `token` stands for `username` and `password`; without either the session stays without a
    login. An empty password is none, for a server that lets some names in without one. Every call raises `ClientError`s
    only, and takes at most `timeout_seconds`. The callbacks run in the event loop, one after the other.
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
        clock: Clock = _REAL_CLOCK,
        random: Callable[[], float] = random_numbers.random,
    ) -> None:
        if token is not None and password is not None:
            raise ValueError("a token stands for the password: give one of them")
        if token is None and (username is None) != (password is None):
            raise ValueError("username and password go together: give both or none")
        self._host = host
        self._port = port
        self._tls = client_context(tls, ca)
        self._login: dict[str, str | None] | None = None
        if token is not None:
            self._login = {"token": token}
        elif username is not None:
            self._login = {"username": username, "password": password or None}
        self._timeout_seconds = timeout_seconds
        self._reconnect = reconnect
        self._on_notice = on_notice
        self._on_state = on_state
        self._clock = clock
        self._random = random
        self._state = State.NEW
        self._cause: ClientError | None = None
        self._state_changed = asyncio.Event()
        self._connection: ServerConnection | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._failures = 0  # in a row, counting connections that broke soon
        self._book = PriceBook()
        self._interval: float | None = None
        self._hello: Hello | None = None
        self._welcome: AuthReply | None = None

    # --- life -----------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Connect and log in."""
        if self._state is not State.NEW:
            raise RuntimeError("a StockTrackClient is used once: make a new one")
        try:
            connection = await self._connect()
        except BaseException as error:
            self._end(error if isinstance(error, ClientError) else None)
            raise
        self._keeper = asyncio.create_task(self._keep(connection), name=f"stocktrack client of {self.address}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Leave the server at once; calls that wait raise `Unavailable`, and iterations over prices end."""
        self._end(None)
        if self._keeper is not None:
            self._keeper.cancel()
        try:
            if self._connection is not None:
                await self._connection.close(Unavailable("The client was closed."))
        finally:
            if self._keeper is not None:
                await ended(self._keeper)
        if self._keeper is not None and not self._keeper.cancelled():
            self._keeper.result()

    async def wait_connected(self) -> None:
        """Return as soon as the client is connected; raise what ended it where it will never be again."""
        while self._state is not State.CONNECTED:
            if self._state is State.CLOSED:
                raise self._absence()
            self._state_changed.clear()
            await self._state_changed.wait()

    @property
    def address(self) -> str:
        """The server's host and port, as error texts name it."""
        return address_text(self._host, self._port)

    @property
    def state(self) -> State:
        """Whether the client is connected now."""
        return self._state

    @property
    def hello(self) -> Hello | None:
        """The greeting of the present, or else of the last connection: server, instance, limits."""
        return self._hello

    @property
    def welcome(self) -> AuthReply | None:
        """The reply to the last login: its message and the user's saved list."""
        return self._welcome

    @property
    def subscribed(self) -> tuple[str, ...]:
        """The symbols whose prices come, or will come again after a reconnect."""
        return self._book.symbols

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

    async def news(self, limit: int = 10) -> NewsReply:
        """Headlines, newest first."""
        return await self._call(NewsReply, "NEWS", limit=limit)

    async def info(self, symbol: str) -> InfoReply:
        """The company behind `symbol`."""
        return await self._call(InfoReply, "INFO", symbol=symbol)

    async def dividends(self, symbol: str, limit: int = 5) -> DividendsReply:
        """The dividends of `symbol`, newest first."""
        return await self._call(DividendsReply, "DIVIDENDS", symbol=symbol, limit=limit)

    async def search(self, query: str, limit: int = 10) -> SearchReply:
        """Symbols that match `query`; none is a success."""
        return await self._call(SearchReply, "SEARCH", query=query, limit=limit)

    async def ping(self) -> PingReply:
        """The server's time."""
        return await self._call(PingReply, "PING")

    async def make_token(self, days: int = 30) -> TokenReply:
        """A token to log in with for so many days; only a login by password gets one."""
        return await self._call(TokenReply, "TOKEN", days=days)

    async def sessions(self) -> list[SessionInfo]:
        """All open sessions of the server, in the order in which they came; for administrators, as the next two."""
        reply = await self._call(SessionsReply, "SESSIONS")
        listed = list(reply.sessions)
        while reply.more and reply.sessions:
            reply = await self._call(SessionsReply, "SESSIONS", after=listed[-1].session)
            listed += reply.sessions
        return listed

    async def kick(self, session: str) -> KickReply:
        """End another session."""
        return await self._call(KickReply, "KICK", session=session)

    async def announce(self, text: str) -> AnnounceReply:
        """Tell every session that is logged in."""
        return await self._call(AnnounceReply, "ANNOUNCE", text=text)

    async def logout(self) -> LogoutReply:
        """End the session politely; the client is closed afterwards."""
        reply = await self._call(LogoutReply, "LOGOUT")
        await self.close()
        return reply

    async def request(self, command: Command) -> Answer:
        """The reply to any command, with the line it stood on. The command's `id` is the client's to choose."""
        if self._connection is None or self._state is not State.CONNECTED:
            raise self._absence()
        return await self._connection.ask(command, self._timeout_seconds)

    def prices(self) -> PriceStream:
        """An iteration over prices, to begin with the newest known ones; there may be several at a time."""
        return self._book.stream()

    async def _call(self, reply_type: type[ReplyType], command_type: str, **fields: Any) -> ReplyType:
        answer = await self.request(_command(command_type, **fields))
        return _expect(reply_type, answer, self.address)

    # --- behind the calls -----------------------------------------------------------------------------------------

    async def _connect(self) -> ServerConnection:
        """Connect, log in and restore the subscriptions."""
        deadline = self._clock.monotonic() + self._timeout_seconds
        connection = self._connection = ServerConnection(self.address, self._clock, self._book.put, self._take)

        def seconds_left() -> float:
            return deadline - self._clock.monotonic()

        try:
            await connection.open(self._host, self._port, seconds_left(), self._tls)
            self._hello = await connection.greeting(seconds_left())
            self._book.begin(self._hello.instance)
            if self._login is not None:
                auth = _command("AUTH", **self._login)
                self._welcome = _expect(AuthReply, await connection.ask(auth, seconds_left()), self.address)
            await self._restore(connection, seconds_left())
        except BaseException as error:
            await connection.close(Unavailable(f"No session with {self.address} came about: {error}"))
            raise
        return connection

    async def _restore(self, connection: ServerConnection, seconds: float) -> None:
        if not self._book.symbols:
            self._arrive(connection)
            return
        command = _command("SUBSCRIBE", symbols=list(self._book.symbols), interval=self._interval, save=False)
        try:
            # The client arrives with the reply, in `_take`: the prices that follow it shall not come before.
            _expect(SubscribeReply, await connection.ask(command, seconds), self.address)
        except NotFound as error:
            self._book.subscribe(())
            self._arrive(connection, error.missing)

    def _arrive(self, connection: ServerConnection, missing: tuple[Missing, ...] = ()) -> None:
        if self._state is State.CLOSED:
            raise self._absence()  # it was closed by somebody else in the very last moment
        connection.is_established = True
        self._change(StateChange(State.CONNECTED, missing=missing))

    async def _keep(self, connection: ServerConnection) -> None:
        """The client's one task: stay connected until it is logged out, closed, or must not come back."""
        cause: ClientError | None = None
        try:
            while True:
                began = self._clock.monotonic()
                cause = await connection.wait_lost(self._timeout_seconds)
                await connection.close(cause)
                if connection.is_logged_out:
                    cause = None
                    return
                if not self._reconnect or isinstance(cause, NotAuthorised):
                    return  # an administrator ended the session: coming back is for the person to decide
                if self._clock.monotonic() - began >= STEADY_SECONDS:
                    self._failures = 0
                connection = await self._come_back(cause)
        except ClientError as error:
            cause = error
        finally:
            self._end(cause)

    async def _come_back(self, cause: ClientError) -> ServerConnection:
        """A new connection, after as many tries as it takes; raises only what no further try can heal."""
        while True:
            self._failures += 1
            jitter = self._random()
            seconds = backoff_seconds(
                self._failures, first=FIRST_RETRY_SECONDS, longest=LONGEST_RETRY_SECONDS, jitter=jitter
            )
            if isinstance(cause, TooManyRequests) and cause.retry_after_ms is not None:
                # Whoever comes sooner is refused again. After a shutdown it is only a guess of the server's, and a
                # restart takes less.
                asked = min(cause.retry_after_ms / 1000, LONGEST_RETRY_SECONDS)
                seconds = max(seconds, asked * (1 + 0.2 * jitter))
            self._change(StateChange(State.RECONNECTING, cause, self._failures, seconds))
            await self._clock.sleep(seconds)
            try:
                return await self._connect()
            except ClientError as error:
                if isinstance(error, NotAuthorised) and not error.retryable:
                    raise
                cause = error

    def _take(self, message: Incoming) -> None:
        """Whatever a connection hears that is no price."""
        match message:
            case Answer(reply=SubscribeReply() as reply):
                # Also where the caller has given up waiting: the server pushes them now.
                self._book.subscribe((*reply.symbols, *reply.pending))
                self._interval = reply.interval
                if self._state is State.RECONNECTING and self._connection is not None:
                    self._arrive(self._connection, reply.missing)
            case Answer(reply=UnsubscribeReply() as reply):
                self._book.subscribe(reply.symbols)
            case Notice():
                if message.code is Code.NOT_FOUND and message.symbols:
                    self._book.subscribe([symbol for symbol in self._book.symbols if symbol not in message.symbols])
                if self._on_notice is not None:
                    asyncio.get_running_loop().call_soon(self._on_notice, message)
            case _:
                pass

    def _change(self, change: StateChange) -> None:
        self._state, self._cause = change.state, change.cause
        self._state_changed.set()
        if self._on_state is not None:
            # By the loop, so that an error in the callback is reported there and breaks nothing here.
            asyncio.get_running_loop().call_soon(self._on_state, change)

    def _end(self, cause: ClientError | None) -> None:
        if self._state is not State.CLOSED:
            self._change(StateChange(State.CLOSED, cause))
            self._book.end(cause)

    def _absence(self) -> ClientError:
        """Why there is no connection to ask."""
        if self._state is State.NEW:
            return Unavailable("The client is not connected yet: use it by `async with`.")
        if self._state is State.CLOSED:
            return Unavailable("The client is closed.") if self._cause is None else copy.copy(self._cause)
        return Unavailable(f"The connection to {self.address} is being restored. {self._cause}")


def _listed(symbols: str | Iterable[str] | None) -> list[str] | None:
    """One symbol or several as a list; a string is one symbol, never its letters."""
    if symbols is None:
        return None
    return [symbols] if isinstance(symbols, str) else list(symbols)


def _command(command_type: str, **fields: Any) -> AnyCommand:
    """The command, checked by the rules and with the sentences of the server; `BadRequest` where it would refuse."""
    given = {name: value for name, value in fields.items() if value is not None}
    try:
        return decode_line(json.dumps({"type": command_type, **given}).encode())
    except BadLine as error:
        raise BadRequest(failure(error)) from None


def _expect(reply_type: type[ReplyType], answer: Answer, address: str) -> ReplyType:
    if isinstance(answer.reply, reply_type):
        return answer.reply
    raise NotStockTrack(f"{address} answered with {answer.reply.type} where {reply_type.__name__} was due.")
