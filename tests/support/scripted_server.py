"""A small TCP server that speaks the protocol from a script: what the tests of the client library talk to.

A script is an async function that plays one session: it sends what it likes and takes the commands as they come.
`market` is the script of a well-behaved server with three stocks.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import date
from types import TracebackType
from typing import Self, TypeVar

from stocktrack.bars import Bar
from stocktrack.errors import CommandError, Reason
from stocktrack.messages import (
    Auth,
    AuthReply,
    BoardQuote,
    Command,
    Dividends,
    DividendsReply,
    Get,
    GetReply,
    Hello,
    History,
    HistoryReply,
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
    Ping,
    PingReply,
    Price,
    Reply,
    Search,
    SearchReply,
    ServerMessage,
    SourceBudget,
    SourceInfo,
    Sources,
    SourcesReply,
    SourceState,
    SourceStream,
    Subscribe,
    SubscribeReply,
    Unsubscribe,
    UnsubscribeReply,
)
from stocktrack.quotes import CompanyInfo, Dividend, Headline, MarketState, Match
from stocktrack.wire.lines import decode_line, encode_line, failure

NOW_MS = 1_712_331_900_000
STOCKS = {"AAPL": ("Apple Inc.", 189.45), "MSFT": ("Microsoft Corporation", 425.52), "TSLA": ("Tesla, Inc.", 171.05)}
SOURCES = (
    SourceInfo(
        provider="finnhub",
        capabilities=("quotes", "stream"),
        state=SourceState.OK,
        last_success_at=NOW_MS - 3_000,
        budget=SourceBudget(used=12, limit=60, seconds=60),
        stream=SourceStream(is_up=True, symbols=48, places=50),
        leads=48,
    ),
    SourceInfo(
        provider="yahoo",
        capabilities=("quotes",),
        state=SourceState.BLOCKED,
        retry_at=NOW_MS + 28_000,
        reason=Reason.PROVIDER_BLOCKED,
        message="yahoo refuses requests (429).",
        stream=SourceStream(is_up=False, symbols=0),
        leads=1_200,
    ),
)

# Of 3 to 5 April 2024, each from 09:30 in New York on; the last one still changes.
BARS = (
    Bar(time=1_712_151_000_000, open=168.79, high=170.68, low=168.58, close=169.65, volume=47_691_700),
    Bar(time=1_712_237_400_000, open=170.29, high=171.92, low=168.82, close=168.82, volume=53_704_400),
    Bar(time=1_712_323_800_000, open=169.59, high=170.39, low=168.95, close=169.58, volume=42_055_200, live=True),
)

CommandT = TypeVar("CommandT", bound=Command)


def a_hello(
    *,
    instance: str = "run-1",
    heartbeat_seconds: float = 30,
    max_line_bytes: int = 32_768,
    max_reply_bytes: int = 262_144,
) -> Hello:
    limits = Limits(max_line_bytes=max_line_bytes, max_reply_bytes=max_reply_bytes, max_symbols=500)
    return Hello(
        server="scripted/1", instance=instance, auth=("password",), limits=limits, heartbeat_seconds=heartbeat_seconds
    )


def a_price(
    symbol: str = "AAPL", *, seq: int = 1, price: float = 189.45, at: int = 0, timestamp: int | None = NOW_MS
) -> Price:
    """A price that left the market at `timestamp` and arrived `at` milliseconds after `NOW_MS`."""
    return Price(
        symbol=symbol,
        price=price,
        currency="USD",
        market_state=MarketState.OPEN,
        timestamp=timestamp,
        received_at=NOW_MS + at,
        provider="scripted",
        stale=False,
        seq=seq,
    )


def a_quote(symbol: str) -> BoardQuote:
    name, price = STOCKS[symbol]
    return BoardQuote(
        symbol=symbol,
        price=price,
        currency="USD",
        name=name,
        market_state=MarketState.OPEN,
        timestamp=NOW_MS,
        received_at=NOW_MS,
        provider="scripted",
        seq=1,
    )


def subscribed(command: Subscribe, interval: float = 5) -> SubscribeReply:
    """The reply to `command` as the first one of a session that pushes what it asks for."""
    symbols = command.symbols or ()
    return SubscribeReply(
        id=command.id,
        subscribed=symbols,
        already=(),
        pending=(),
        missing=(),
        symbols=symbols,
        interval=interval if command.interval is None else command.interval,
    )


class ClientGoneError(Exception):
    """The client closed the connection where the script waited for a command."""


class ScriptedSession:
    """One connection, as a script sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.received: list[Command] = []

    def send(self, *messages: ServerMessage | bytes) -> None:
        """Send messages, and bytes as they are, in one write."""
        self._writer.write(b"".join(item if isinstance(item, bytes) else encode_line(item) for item in messages))

    async def taken(self) -> None:
        """Give way, and return when the client has taken enough for more to be sent; `ConnectionError` when it went."""
        await asyncio.sleep(0)
        await self._writer.drain()

    async def command(self) -> Command:
        """The next command."""
        try:
            line = await self._reader.readuntil(b"\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            raise ClientGoneError from None
        self.received.append(decode_line(line))
        return self.received[-1]

    async def expect(self, command_type: type[CommandT]) -> CommandT:
        """The next command, which must be of `command_type`."""
        command = await self.command()
        assert isinstance(command, command_type), command
        return command

    async def greet(self, hello: Hello | None = None, saved: tuple[str, ...] = ()) -> None:
        """Say HELLO and let the user in."""
        self.send(hello or a_hello())
        auth = await self.expect(Auth)
        self.send(AuthReply(id=auth.id, message=f"Welcome {auth.username}!", username=auth.username, symbols=saved))

    async def until_gone(self) -> None:
        """Read and forget until the client closes."""
        with contextlib.suppress(ConnectionError):
            while await self._reader.read(65_536):
                pass

    def hang_up(self) -> None:
        """Close, after what was sent."""
        self._writer.close()

    def abort(self) -> None:
        """Close with a reset, as a killed server's machine does."""
        self._writer.transport.abort()


Script = Callable[[ScriptedSession], Awaitable[None]]


class ScriptedServer:
    """Plays the first script in the first session, the second in the second, …, and the last one in all others.

    It is used by `async with`, and leaving it ends all sessions. A script that fails ends the test, which might wait
    for its next line for ever, and leaving the server raises what the script raised.
    """

    def __init__(self, *scripts: Script, port: int = 0) -> None:
        self._scripts = scripts
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._errors: list[Exception] = []
        self._owner: asyncio.Task[object] | None = None
        self.port = port
        self.sessions: list[ScriptedSession] = []

    async def __aenter__(self) -> Self:
        self._owner = asyncio.current_task()
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        assert self._owner is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        if self._errors:
            self._owner.uncancel()
            raise self._errors[0]

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._play(reader, writer))
        self._tasks.add(task)

    async def _play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = ScriptedSession(reader, writer)
        script = self._scripts[min(len(self.sessions), len(self._scripts) - 1)]
        self.sessions.append(session)
        try:
            await script(session)
            await session.until_gone()
        except ClientGoneError:
            pass
        except Exception as error:
            self._errors.append(error)
            if self._owner is not None and len(self._errors) == 1:
                self._owner.cancel()
        finally:
            session.abort()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def market(session: ScriptedSession) -> None:
    """Answers every command; a subscription gets its first prices and no more."""
    await session.greet(saved=("TSLA",))
    pushed: dict[str, None] = {}
    while True:
        command = await session.command()
        reply = _answer(command, pushed)
        session.send(reply)
        if isinstance(reply, SubscribeReply):
            session.send(*(a_price(symbol, price=STOCKS[symbol][1]) for symbol in reply.subscribed))
        if isinstance(reply, LogoutReply):
            session.hang_up()
            return


def _answer(command: Command, pushed: dict[str, None]) -> Reply:
    named = tuple(getattr(command, "symbols", None) or ())
    if isinstance(command, Info | Dividends | History):
        named = (command.symbol,)
    known = tuple(symbol for symbol in named if symbol in STOCKS)
    missing = tuple(
        Missing(symbol=symbol, code=Reason.UNKNOWN_SYMBOL.code, reason=Reason.UNKNOWN_SYMBOL)
        for symbol in named
        if symbol not in STOCKS
    )
    if named and not known:
        return failure(CommandError(Reason.UNKNOWN_SYMBOL, f"No source knows {', '.join(named)}."), command, missing)
    match command:
        case Auth():
            return failure(CommandError(Reason.ALREADY_AUTHENTICATED, "Logged in already."), command)
        case Get():
            return GetReply(id=command.id, quotes=tuple(map(a_quote, known)), missing=missing)
        case Subscribe():
            pushed.update(dict.fromkeys(known or ("TSLA",)))
            return SubscribeReply(
                id=command.id,
                subscribed=known or ("TSLA",),
                already=(),
                pending=(),
                missing=missing,
                symbols=tuple(pushed),
                interval=5 if command.interval is None else command.interval,
            )
        case Unsubscribe():
            removed = known or tuple(pushed)
            for symbol in removed:
                pushed.pop(symbol, None)
            return UnsubscribeReply(id=command.id, removed=removed, missing=missing, symbols=tuple(pushed))
        case MyStocks():
            return MyStocksReply(id=command.id, symbols=("TSLA",), quotes=(a_quote("TSLA"),))
        case News():
            story = Headline(title="Stocks rise as yields ease", source="The Wire", link="https://www.example.com/1")
            return NewsReply(id=command.id, articles=(story,))
        case Info():
            company = CompanyInfo(symbol=command.symbol, name=STOCKS[command.symbol][0], sector="Technology")
            return InfoReply(id=command.id, company=company)
        case Dividends():
            paid = tuple(
                Dividend(date=ex_date, amount=0.24, currency="USD")
                for ex_date in (date(2024, 2, 9), date(2023, 11, 10))
            )
            dividends = paid[: command.limit]
            return DividendsReply(id=command.id, symbol=command.symbol, currency="USD", dividends=dividends)
        case History():
            return HistoryReply(
                id=command.id,
                symbol=command.symbol,
                interval=command.asked_interval,
                adjust=command.adjust,
                timezone="America/New_York",
                currency="USD",
                provider="scripted",
                bars=BARS,
            )
        case Search(segment=None):
            found = [
                Match(symbol=symbol, name=name)
                for symbol, (name, _) in STOCKS.items()
                if command.query.lower() in name.lower()
            ]
            return SearchReply(id=command.id, matches=tuple(found[: command.limit]))
        case Search():
            option = Match(symbol="NFO:TSLA24APR200CE", segment="NFO", type="CE", expiry=date(2024, 4, 25), strike=200)
            return SearchReply(id=command.id, matches=(option,))
        case Sources():
            return SourcesReply(id=command.id, sources=SOURCES)
        case Ping():
            return PingReply(id=command.id, timestamp=NOW_MS)
        case Logout():
            return LogoutReply(id=command.id, message="Goodbye!")
        case _:
            return failure(CommandError(Reason.NOT_OFFERED, f"This market has no {command.type}."), command)
