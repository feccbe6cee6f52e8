"""The library's connection that keeps itself alive: restored after a loss, with its login and its subscriptions."""

import asyncio
import copy
import ssl
from collections.abc import Callable, Mapping

from stocktrack.client.errors import (
    BadRequest,
    ClientError,
    CommandFailed,
    NotAuthorised,
    NotFound,
    TooManyRequests,
    Unavailable,
)
from stocktrack.client.prices import PriceBook
from stocktrack.client.server_connection import ServerConnection
from stocktrack.client.state import State, StateChange
from stocktrack.client.wire import Answer, Incoming, command_of, expect
from stocktrack.clock import Clock, backoff_seconds, ended
from stocktrack.errors import Code, Reason
from stocktrack.messages import (
    AuthReply,
    Command,
    Hello,
    Missing,
    Notice,
    Price,
    Said,
    SubscribeReply,
    UnsubscribeReply,
)
from stocktrack.system.addresses import address_text

# Half a second lets a restart begin; ten is short enough for a person who waits.
FIRST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 10.0
# A connection that breaks sooner is one more failure in a row: a server that crashes at start must not be stormed.
STEADY_SECONDS = 1.0
# How soon symbols are asked for again that the server had no request left to check, where it does not say.
AGAIN_SECONDS = 1.0


class ReconnectingConnection:
    """A connection to one server, used once: `open`, then `ask` as often as wanted, then `close`.

    The first connection is tried once. One that is lost later is restored unless `reconnect` is false; meanwhile
    nothing can be asked. `login` holds the fields of the AUTH, None for a session without one. The callbacks run in
    the event loop, one after the other.
    """

    def __init__(
        self,
        host: str,
        port: int,
        login: Mapping[str, str | None] | None,
        *,
        tls: ssl.SSLContext | None,
        timeout_seconds: float,
        reconnect: bool,
        on_notice: Callable[[Notice], object] | None,
        on_state: Callable[[StateChange], object] | None,
        on_price: Callable[[Price], object] | None = None,
        on_said: Callable[[Said], object] | None = None,
        clock: Clock,
        random: Callable[[], float],
    ) -> None:
        self._host = host
        self._port = port
        self._login = login
        self._tls = tls
        self._timeout_seconds = timeout_seconds
        self._reconnect = reconnect
        self._on_notice = on_notice
        self._on_state = on_state
        self._on_said = on_said
        self._clock = clock
        self._random = random
        self._cause: ClientError | None = None
        self._state_changed = asyncio.Event()
        self._connection: ServerConnection | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._failures = 0  # in a row, connections that broke soon among them
        self._interval: float | None = None
        # Subscriptions that the server had no request left to check when they were restored, and who asks again.
        self._put_off: tuple[str, ...] = ()
        self._again_seconds = AGAIN_SECONDS
        self._asking_again: asyncio.Task[None] | None = None
        self.address = address_text(host, port)
        self.state = State.NEW
        self.hello: Hello | None = None
        self.welcome: AuthReply | None = None
        self.book = PriceBook(on_price)

    async def open(self) -> None:
        """Connect and log in; raise at once where that fails."""
        if self.state is not State.NEW:
            raise RuntimeError("a StockTrackClient is used once: make a new one")
        try:
            connection = await self._connect()
        except BaseException as error:
            self._end(error if isinstance(error, ClientError) else None)
            raise
        self._keeper = asyncio.create_task(self._keep(connection), name=f"stocktrack client of {self.address}")

    async def close(self) -> None:
        """Leave the server at once; what waits for a reply gets `Unavailable`, and iterations over prices end."""
        self._end(None)
        if self._keeper is not None:
            self._keeper.cancel()
        try:
            if self._connection is not None:
                await self._connection.close(Unavailable("The client was closed."))
        finally:
            await ended(*(task for task in (self._keeper, self._asking_again) if task is not None))
        if self._keeper is not None and not self._keeper.cancelled():
            self._keeper.result()

    async def wait_connected(self) -> None:
        """Return as soon as the client is connected; raise what ended it where it will never be again."""
        while self.state is not State.CONNECTED:
            if self.state is State.CLOSED:
                raise self._absence()
            self._state_changed.clear()
            await self._state_changed.wait()

    async def ask(self, command: Command) -> Answer:
        """The reply to a command; the errors are those of `client/errors.py`."""
        if self._connection is None or self.state is not State.CONNECTED:
            raise self._absence()
        return await self._connection.ask(command, self._timeout_seconds)

    async def _connect(self) -> ServerConnection:
        """Connect, log in and restore the subscriptions."""
        deadline = self._clock.monotonic() + self._timeout_seconds
        connection = self._connection = ServerConnection(self.address, self._clock, self.book.put, self._take)

        def seconds_left() -> float:
            return deadline - self._clock.monotonic()

        try:
            await connection.open(self._host, self._port, seconds_left(), self._tls)
            self.hello = await connection.greeting(seconds_left())
            self.book.begin(self.hello.instance)
            if self._login is not None:
                auth = command_of("AUTH", **self._login)
                self.welcome = expect(AuthReply, await connection.ask(auth, seconds_left()), self.address)
            await self._restore(connection, seconds_left())
        except BaseException as error:
            await connection.close(Unavailable(f"No session with {self.address} could be opened: {error}"))
            raise
        return connection

    async def _restore(self, connection: ServerConnection, seconds: float) -> None:
        symbols = [*self.book.symbols, *self._put_off]
        if not symbols:
            self._arrive(connection)
            return
        command = command_of("SUBSCRIBE", symbols=symbols, interval=self._interval, save=False)
        try:
            # The client is connected as soon as `_take` sees the reply: the prices behind it must find it connected.
            expect(SubscribeReply, await connection.ask(command, seconds), self.address)
        except (NotFound, TooManyRequests) as error:
            if not error.missing:
                raise
            self.book.subscribe(())
            self._arrive(connection, error.missing)

    def _arrive(self, connection: ServerConnection, missing: tuple[Missing, ...] = ()) -> None:
        if self.state is State.CLOSED:
            raise self._absence()  # somebody closed it just before
        connection.is_established = True
        missing = self._put_off_some(missing)
        self._change(StateChange(State.CONNECTED, missing=missing, subscribed=self.book.symbols))
        if self._put_off:
            work = self._ask_again(connection)
            self._asking_again = asyncio.create_task(work, name=f"restore the rest at {self.address}")

    def _put_off_some(self, missing: tuple[Missing, ...]) -> tuple[Missing, ...]:
        """Remember what only has to be asked for again later; returns what is really missing."""
        put_off = [each for each in missing if each.reason is Reason.RATE_LIMITED]
        self._put_off = tuple(each.symbol for each in put_off)
        # The last of them: one more try for all is better than one for each.
        self._again_seconds = max((each.retry_after_ms or 0 for each in put_off), default=0) / 1000 or AGAIN_SECONDS
        return tuple(each for each in missing if each.reason is not Reason.RATE_LIMITED)

    async def _ask_again(self, connection: ServerConnection) -> None:
        """Subscribe the rest, as soon as the server says; a connection that is lost meanwhile is restored with it."""
        while self._put_off:
            await self._clock.sleep(min(self._again_seconds, LONGEST_RETRY_SECONDS))
            if connection is not self._connection or self.state is not State.CONNECTED:
                return
            command = command_of("SUBSCRIBE", symbols=list(self._put_off), save=False)
            try:
                answer = await connection.ask(command, self._timeout_seconds)
                missing = expect(SubscribeReply, answer, self.address).missing
            except CommandFailed as error:
                if not error.missing:
                    self._again_seconds = (error.retry_after_ms or 0) / 1000 or LONGEST_RETRY_SECONDS
                    continue
                missing = error.missing
            except ClientError:
                return
            if gone := self._put_off_some(missing):
                self._change(StateChange(State.CONNECTED, missing=gone, subscribed=self.book.symbols))

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
        """A new connection, after as many tries as it takes; raises only an error that trying again cannot help."""
        while True:
            self._failures += 1
            jitter = self._random()
            seconds = backoff_seconds(
                self._failures, first=FIRST_RETRY_SECONDS, longest=LONGEST_RETRY_SECONDS, jitter=jitter
            )
            if isinstance(cause, TooManyRequests) and cause.retry_after_ms is not None:
                # A try before that would be refused again. After a shutdown the time is only the server's guess, and a
                # restart takes less.
                asked = min(cause.retry_after_ms / 1000, LONGEST_RETRY_SECONDS)
                seconds = max(seconds, asked * (1 + 0.2 * jitter))
            self._change(StateChange(State.RECONNECTING, cause, self._failures, seconds))
            await self._clock.sleep(seconds)
            try:
                return await self._connect()
            except ClientError as error:
                if isinstance(error, NotAuthorised | BadRequest) and not error.retryable:
                    raise
                cause = error

    def _take(self, message: Incoming) -> None:
        """Handle a message that is not a price."""
        match message:
            case Answer(reply=SubscribeReply() as reply):
                # Also where the caller has given up waiting: the server pushes them now.
                self.book.subscribe((*reply.symbols, *reply.pending))
                self._interval = reply.interval
                if self.state is State.RECONNECTING and self._connection is not None:
                    self._arrive(self._connection, reply.missing)
            case Answer(reply=UnsubscribeReply() as reply):
                self.book.subscribe(reply.symbols)
            case Notice():
                if message.code is Code.NOT_FOUND and message.symbols:
                    self.book.subscribe([symbol for symbol in self.book.symbols if symbol not in message.symbols])
                if self._on_notice is not None:
                    asyncio.get_running_loop().call_soon(self._on_notice, message)
            case Said() if self._on_said is not None:
                asyncio.get_running_loop().call_soon(self._on_said, message)
            case _:
                pass

    def _change(self, change: StateChange) -> None:
        self.state, self._cause = change.state, change.cause
        self._state_changed.set()
        if self._on_state is not None:
            # By the loop, so that an error in the callback is reported there and breaks nothing here.
            asyncio.get_running_loop().call_soon(self._on_state, change)

    def _end(self, cause: ClientError | None) -> None:
        if self._asking_again is not None:
            self._asking_again.cancel()
        if self.state is not State.CLOSED:
            self._change(StateChange(State.CLOSED, cause))
            self.book.end(cause)

    def _absence(self) -> ClientError:
        """The error that says why there is no connection."""
        if self.state is State.NEW:
            return Unavailable("The client is not connected yet: use it with `async with`.")
        if self.state is State.CLOSED:
            return Unavailable("The client is closed.") if self._cause is None else copy.copy(self._cause)
        return Unavailable(f"The connection to {self.address} is being restored. {self._cause}")
