import asyncio
import copy
import gc
import logging
import os
import pickle
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from scripted_server import (
    NOW_MS,
    STOCKS,
    Script,
    ScriptedServer,
    ScriptedSession,
    a_hello,
    a_price,
    a_quote,
    market,
    subscribed,
)
from stocktrack.client import (
    BadRequest,
    ClientError,
    CommandFailed,
    NotAuthorised,
    NotFound,
    NotStockTrack,
    ServerError,
    ServerShutdown,
    State,
    StateChange,
    StockTrackClient,
    TooManyRequests,
    Unavailable,
    UnknownSymbol,
)
from stocktrack.clock import ManualClock, RealClock, settle
from stocktrack.errors import Code, CommandError, Reason
from stocktrack.messages import (
    Auth,
    Get,
    GetReply,
    Logout,
    LogoutReply,
    Missing,
    News,
    Notice,
    Ping,
    PingReply,
    Subscribe,
    Unsubscribe,
    UnsubscribeReply,
)
from stocktrack.wire.lines import encode_line, failure

CLIENTS_PAGE = Path(__file__).parents[2] / "docs" / "clients.md"
SHUTDOWN = Notice(
    code=Code.SERVER_SHUTDOWN, reason=Reason.SHUTDOWN, message="The server is shutting down.", retry_after_ms=None
)


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    """No test leaves a task, an open socket, or a complaint of the event loop."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    yield
    gc.collect()
    assert asyncio.all_tasks() - {asyncio.current_task()} == set()
    assert complaints == []


class Changes:
    """The state changes of a client, one after the other."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[StateChange] = asyncio.Queue()

    def __call__(self, change: StateChange) -> None:
        self._queue.put_nowait(change)

    async def next(self, state: State) -> StateChange:
        change = await self._queue.get()
        assert change.state is state, change
        return change


def a_client(server: ScriptedServer, **options: Any) -> StockTrackClient:
    return StockTrackClient("127.0.0.1", server.port, "demo", "correct horse", **{"random": lambda: 0.5, **options})


async def greet_only(session: ScriptedSession) -> None:
    await session.greet()


def one_free_port() -> Coroutine[Any, Any, int]:
    async def find() -> int:
        async with ScriptedServer(greet_only) as server:
            return server.port

    return find()


def refuse(reason: Reason, *, retry_after_ms: int | None = None) -> Callable[[ScriptedSession], Awaitable[None]]:
    """A script that lets nobody in."""

    async def script(session: ScriptedSession) -> None:
        session.send(a_hello())
        auth = await session.expect(Auth)
        session.send(failure(CommandError(reason, "You can't come in.", retry_after_ms=retry_after_ms), auth))

    return script


# --- calls --------------------------------------------------------------------------------------------------------


async def test_every_call_returns_the_model_of_its_reply() -> None:
    async with ScriptedServer(market) as server:
        async with a_client(server) as client:
            assert client.hello == a_hello()
            assert client.welcome is not None
            assert client.welcome.symbols == ("TSLA",)
            got = await client.get(["MSFT", "NOPE", "aapl"])
            assert got.quotes == (a_quote("MSFT"), a_quote("AAPL"))
            assert [missing.symbol for missing in got.missing] == ["NOPE"]
            assert (await client.my_stocks()).symbols == ("TSLA",)
            assert len((await client.news(limit=3)).articles) == 1
            assert len((await client.news(symbol="aapl")).articles) == 1
            assert (await client.info("AAPL")).company.name == "Apple Inc."
            assert [paid.amount for paid in (await client.dividends("AAPL", limit=1)).dividends] == [0.24]
            assert [match.symbol for match in (await client.search("tesla")).matches] == ["TSLA"]
            assert [source.provider for source in await client.sources()] == ["finnhub", "yahoo"]
            assert (await client.ping()).timestamp == NOW_MS
            assert (await client.subscribe("AAPL", interval=60)).symbols == ("AAPL",)
            assert list(client.subscribed) == ["AAPL"]
            assert (await client.unsubscribe()).removed == ("AAPL",)
            assert list(client.subscribed) == []
        sent = [
            command.model_dump(exclude={"id", "password"}, exclude_none=True) for command in server.sessions[0].received
        ]
        assert sent[0] == {"type": "AUTH", "username": "demo"}
        assert {"type": "NEWS", "limit": 3} in sent
        assert {"type": "NEWS", "symbol": "AAPL", "limit": 10} in sent
        assert {"type": "SUBSCRIBE", "symbols": ("AAPL",), "interval": 60.0, "save": True} in sent
        assert {"type": "UNSUBSCRIBE", "save": True} in sent


async def test_subscribe_without_symbols_asks_for_the_saved_ones_and_save_false_is_sent() -> None:
    async with ScriptedServer(market) as server:
        async with a_client(server) as client:
            assert (await client.subscribe(interval=60)).symbols == ("TSLA",)
            await client.unsubscribe(["TSLA"], save=False)
        _, subscribe, unsubscribe = server.sessions[0].received
        assert isinstance(subscribe, Subscribe)
        assert (subscribe.symbols, subscribe.save) == (None, True)
        assert isinstance(unsubscribe, Unsubscribe)
        assert (unsubscribe.symbols, unsubscribe.save) == (("TSLA",), False)


async def test_calls_run_side_by_side_and_pushes_between_their_replies_confuse_nobody() -> None:
    async def script(session: ScriptedSession) -> None:
        await session.greet()
        session.send(subscribed(await session.expect(Subscribe)))
        commands = [await session.expect(Get) for _ in STOCKS]
        # A server answers in order. The client holds to the ids all the same.
        for seq, command in enumerate(reversed(commands), start=1):
            reply = GetReply(id=command.id, quotes=tuple(map(a_quote, command.symbols)))
            session.send(a_price("AAPL", seq=seq), reply)

    async with ScriptedServer(script) as server, a_client(server) as client:
        await client.subscribe("AAPL")
        prices = client.prices()
        replies = await asyncio.gather(*(client.get(symbol) for symbol in STOCKS))
        assert [reply.quotes[0].symbol for reply in replies] == list(STOCKS)
        assert (await anext(prices)).seq == len(STOCKS)


async def test_request_returns_the_reply_with_its_line_exactly_as_it_was_on_the_wire() -> None:
    async def script(session: ScriptedSession) -> None:
        await session.greet()
        ping = await session.expect(Ping)
        session.send(b'{"timestamp": 5,  "type":"PING", "new":true, "code":200, "id": %s}\r\n' % str(ping.id).encode())

    async with ScriptedServer(script) as server, a_client(server) as client:
        answer = await client.request(Ping(id="mine"))
        assert answer.line == b'{"timestamp": 5,  "type":"PING", "new":true, "code":200, "id": 2}'
        assert answer.reply == PingReply(id=2, timestamp=5)


async def test_a_client_without_a_name_sends_no_auth() -> None:
    async def script(session: ScriptedSession) -> None:
        session.send(a_hello())
        ping = await session.expect(Ping)
        session.send(PingReply(id=ping.id, timestamp=NOW_MS))

    async with ScriptedServer(script) as server, StockTrackClient("127.0.0.1", server.port) as client:
        assert (await client.ping()).timestamp == NOW_MS
        assert client.welcome is None


def test_a_name_without_a_password_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="go together"):
        StockTrackClient(username="demo")


async def test_a_client_is_used_once() -> None:
    async with ScriptedServer(market) as server:
        client = a_client(server)
        with pytest.raises(Unavailable, match="not connected yet"):
            await client.ping()
        async with client:
            await client.ping()
        with pytest.raises(Unavailable, match="closed"):
            await client.ping()
        with pytest.raises(Unavailable, match="closed"):
            await client.wait_connected()
        with pytest.raises(RuntimeError, match="used once"):
            await client.__aenter__()


# --- errors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "error_type"),
    [
        (Reason.INVALID_COMMAND, BadRequest),
        (Reason.SYMBOL_LIMIT, BadRequest),
        (Reason.NOT_AUTHENTICATED, NotAuthorised),
        (Reason.UNKNOWN_SYMBOL, UnknownSymbol),
        (Reason.NO_NEWS, NotFound),
        (Reason.RATE_LIMITED, TooManyRequests),
        (Reason.PROVIDER_TIMEOUT, ServerError),
        (Reason.SHUTDOWN, ServerShutdown),
    ],
)
async def test_each_code_is_an_error_of_its_own_that_knows_all_the_server_said(
    reason: Reason, error_type: type[ClientError]
) -> None:
    lines = []

    async def script(session: ScriptedSession) -> None:
        await session.greet()
        command = await session.expect(News)
        refusal = failure(CommandError(reason, "It is \x1b[31mso.", retry_after_ms=1_500), command)
        lines.append(encode_line(refusal).rstrip())
        session.send(refusal)
        ping = await session.expect(Ping)
        session.send(PingReply(id=ping.id, timestamp=NOW_MS))

    async with ScriptedServer(script) as server, a_client(server) as client:
        with pytest.raises(ClientError) as caught:
            await client.news()
        error = caught.value
        assert type(error) is error_type
        assert str(error) == "It is [31mso."
        assert error.retry_after_ms == 1_500
        if isinstance(error, CommandFailed):
            assert (error.code, error.reason, error.retryable) == (reason.code, reason, reason.retryable)
            assert error.line == lines[0]
        for again in (copy.copy(error), pickle.loads(pickle.dumps(error))):  # noqa: S301 - our own bytes
            assert (type(again), str(again), again.__dict__) == (type(error), str(error), error.__dict__)
        await client.ping()  # the session lives on


async def test_unknown_symbols_are_named_by_the_error() -> None:
    async with ScriptedServer(market) as server, a_client(server) as client:
        with pytest.raises(UnknownSymbol, match="NOPE, NADA") as caught:
            await client.get(["NOPE", "NADA"])
        assert caught.value.missing == (
            Missing(symbol="NOPE", code=Code.NOT_FOUND, reason=Reason.UNKNOWN_SYMBOL),
            Missing(symbol="NADA", code=Code.NOT_FOUND, reason=Reason.UNKNOWN_SYMBOL),
        )


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda client: client.get(["AAPL", "no symbol"]), "'no symbol' is not a symbol"),
        (lambda client: client.get([]), "at least one"),
        (lambda client: client.subscribe([]), "at least one"),
        (lambda client: client.subscribe("AAPL", interval=-1), "0.1 to 3600 seconds"),
        (lambda client: client.subscribe("AAPL", interval=float("nan")), "NaN"),
        (lambda client: client.news(limit=0), "limit"),
        (lambda client: client.search("\ud800"), "surrogate"),
    ],
)
async def test_a_command_that_the_server_would_refuse_is_not_sent(
    call: Callable[[StockTrackClient], Awaitable[object]], complaint: str
) -> None:
    async with ScriptedServer(market) as server, a_client(server) as client:
        with pytest.raises(BadRequest, match=complaint) as caught:
            await call(client)
        assert caught.value.code is Code.BAD_REQUEST
        assert b'"code":400' in caught.value.line
        await client.ping()
        assert [command.type for command in server.sessions[0].received] == ["AUTH", "PING"]


async def test_a_command_longer_than_the_server_takes_is_not_sent_since_it_would_end_the_session() -> None:
    async def script(session: ScriptedSession) -> None:
        await session.greet(a_hello(max_line_bytes=1_024))
        ping = await session.expect(Ping)
        session.send(PingReply(id=ping.id, timestamp=NOW_MS))

    async with ScriptedServer(script) as server, a_client(server) as client:
        with pytest.raises(BadRequest, match="longer than the 1024 bytes") as caught:
            await client.get(f"S{number:04}" for number in range(200))
        assert caught.value.reason is Reason.LINE_TOO_LONG
        await client.ping()


async def test_no_server_is_unavailable_at_once_and_not_tried_again() -> None:
    port = await one_free_port()
    changes = Changes()
    clock = ManualClock()  # nothing that waits would ever go on
    with pytest.raises(Unavailable, match=f"Nothing listens at 127.0.0.1:{port}"):
        async with StockTrackClient("127.0.0.1", port, clock=clock, on_state=changes):
            pytest.fail("there is no server")
    assert isinstance((await changes.next(State.CLOSED)).cause, Unavailable)


@pytest.mark.parametrize(("host", "port"), [("a" * 100 + ".example", 1), ("one..two", 1), ("127.0.0.1", 70_000)])
async def test_an_address_that_can_not_be_is_unavailable(host: str, port: int) -> None:
    with pytest.raises(Unavailable, match=re.escape(f"{host}:{port}")):
        async with StockTrackClient(host, port):
            pytest.fail("there is no such address")


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "web server"),
        (b"* OK IMAP4rev1\r\n", "instead of a HELLO"),
        (encode_line(a_hello()).replace(b'"protocol":1', b'"protocol":9'), "version 9"),
        (b"x" * 2_000_000, "1048576 bytes"),
    ],
)
async def test_another_kind_of_server_is_not_stocktrack(answer: bytes, complaint: str) -> None:
    async def script(session: ScriptedSession) -> None:
        session.send(answer)

    async with ScriptedServer(script) as server:
        with pytest.raises(NotStockTrack, match=complaint):
            async with a_client(server):
                pytest.fail("that is no StockTrack server")


async def test_a_server_that_says_nothing_is_not_stocktrack_after_the_timeout() -> None:
    connected = asyncio.Event()

    async def script(session: ScriptedSession) -> None:
        connected.set()
        await session.until_gone()

    clock = ManualClock()
    async with ScriptedServer(script) as server:
        connecting = asyncio.create_task(a_client(server, clock=clock, timeout_seconds=3).__aenter__())
        await connected.wait()
        await clock.advance(2.9)
        assert not connecting.done()
        await clock.advance(0.2)
        with pytest.raises(NotStockTrack, match="says nothing"):
            await connecting


async def test_a_connection_that_closes_without_a_word_is_unavailable() -> None:
    async def script(session: ScriptedSession) -> None:
        session.hang_up()

    async with ScriptedServer(script) as server:
        with pytest.raises(Unavailable, match="was closed by the server"):
            async with a_client(server):
                pytest.fail("there is no session")


async def test_a_full_server_is_too_many_requests_whether_it_says_so_before_the_hello_or_after() -> None:
    full = Notice(
        code=Code.TOO_MANY_REQUESTS, reason=Reason.SESSION_LIMIT, message="The server is full.", retry_after_ms=9
    )

    async def before(session: ScriptedSession) -> None:
        session.send(full)
        session.hang_up()

    async def after(session: ScriptedSession) -> None:
        session.send(a_hello(), full)
        session.hang_up()

    async with ScriptedServer(before, after) as server:
        for _ in range(2):
            with pytest.raises(TooManyRequests, match="full") as caught:
                async with a_client(server):
                    pytest.fail("there is no room")
            assert caught.value.retry_after_ms == 9


async def test_a_wrong_password_is_not_authorised_and_stands_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    async with ScriptedServer(refuse(Reason.BAD_CREDENTIALS)) as server:
        client = a_client(server)
        with caplog.at_level(logging.DEBUG), pytest.raises(NotAuthorised) as caught:
            await client.__aenter__()
        assert caught.value.reason is Reason.BAD_CREDENTIALS
        for text in (repr(client), str(caught.value), repr(caught.value), caplog.text):
            assert "horse" not in text


async def test_a_login_that_can_not_be_checked_is_the_servers_error() -> None:
    async with ScriptedServer(refuse(Reason.STORAGE_ERROR)) as server:
        with pytest.raises(ServerError):
            await a_client(server).__aenter__()


async def test_a_reply_that_never_comes_times_out_and_the_other_calls_go_on() -> None:
    async def script(session: ScriptedSession) -> None:
        await session.greet()
        news = await session.expect(News)
        ping = await session.expect(Ping)
        session.send(PingReply(id=ping.id, timestamp=NOW_MS))
        ping = await session.expect(Ping)
        session.send(failure(CommandError(Reason.NO_NEWS, "Too late."), news), PingReply(id=ping.id, timestamp=NOW_MS))

    clock = ManualClock()
    async with ScriptedServer(script) as server, a_client(server, clock=clock) as client:
        news = asyncio.create_task(client.news())
        await settle()
        await client.ping()  # so the NEWS has arrived
        await clock.advance(9.9)
        assert not news.done()
        await clock.advance(0.2)
        with pytest.raises(Unavailable, match="did not answer NEWS within 10 s"):
            await news
        await client.ping()  # the late reply comes before this one's
        assert client.state is State.CONNECTED


async def test_a_subscribe_that_was_given_up_counts_all_the_same_when_its_reply_comes() -> None:
    async def script(session: ScriptedSession) -> None:
        await session.greet()
        subscribe = await session.expect(Subscribe)
        ping = await session.expect(Ping)
        session.send(subscribed(subscribe), PingReply(id=ping.id, timestamp=NOW_MS), a_price())

    async with ScriptedServer(script) as server, a_client(server) as client:
        giving_up = asyncio.create_task(client.subscribe("AAPL"))
        await settle()
        giving_up.cancel()
        await client.ping()
        assert giving_up.cancelled()
        assert list(client.subscribed) == ["AAPL"]
        assert await anext(client.prices()) == a_price()


async def test_a_reply_that_can_not_be_read_fails_its_call_and_no_other(caplog: pytest.LogCaptureFixture) -> None:
    async def script(session: ScriptedSession) -> None:
        await session.greet()
        news, ping = await session.expect(News), await session.expect(Ping)
        session.send(b'{"type":"NEWS","code":200,"id":%s,"articles":7}\n' % str(news.id).encode())
        session.send(PingReply(id=ping.id, timestamp=NOW_MS))
        news = await session.expect(News)
        session.send(PingReply(id=news.id, timestamp=NOW_MS))

    async with ScriptedServer(script) as server, a_client(server) as client:
        news, ping = await asyncio.gather(client.news(), client.ping(), return_exceptions=True)
        assert isinstance(news, NotStockTrack)
        assert isinstance(ping, PingReply)
        with pytest.raises(NotStockTrack, match="answered with PING where NewsReply was due"):
            await client.news()
    assert len(caplog.records) == 1


# --- losing the connection, and coming back -----------------------------------------------------------------------


@pytest.mark.parametrize("how", ["closed", "reset", "garbage", "too long", "said goodbye", "shut down"])
async def test_calls_that_wait_fail_when_the_connection_is_lost_and_are_not_sent_again(how: str) -> None:
    slow = Notice(code=Code.SERVER_ERROR, reason=Reason.SLOW_CLIENT, message="You take nothing.")

    async def script(session: ScriptedSession) -> None:
        await session.greet()
        await session.expect(Get)
        await session.expect(News)
        match how:
            case "closed":
                session.hang_up()
            case "reset":
                session.abort()
            case "garbage":
                session.send(b"\x00garbage\n")
            case "too long":
                session.send(b" " * 300_000)
            case "said goodbye":
                session.send(slow)
            case "shut down":
                session.send(SHUTDOWN)

    expected = {"shut down": ServerShutdown, "garbage": NotStockTrack, "too long": NotStockTrack}.get(how, Unavailable)
    clock, changes = ManualClock(), Changes()
    async with (
        ScriptedServer(script, greet_only) as server,
        a_client(server, clock=clock, on_state=changes) as client,
    ):
        await changes.next(State.CONNECTED)
        results = await asyncio.gather(client.get("AAPL"), client.news(), return_exceptions=True)
        assert [type(result) for result in results] == [expected, expected]
        assert results[0] is not results[1]  # each caller's traceback is its own
        change = await changes.next(State.RECONNECTING)
        assert isinstance(change.cause, expected)
        with pytest.raises(Unavailable, match="is being restored"):
            await client.ping()
        await clock.advance(0.5)
        await changes.next(State.CONNECTED)
        assert [command.type for command in server.sessions[1].received] == ["AUTH"]


async def test_a_server_that_is_silent_beyond_its_heartbeats_is_taken_for_gone() -> None:
    clock, changes = ManualClock(), Changes()
    async with (
        ScriptedServer(greet_only) as server,
        a_client(server, clock=clock, on_state=changes, timeout_seconds=10),
    ):
        await changes.next(State.CONNECTED)
        await clock.advance(2 * 30 + 9)
        await clock.advance(2)
        change = await changes.next(State.RECONNECTING)
        assert isinstance(change.cause, Unavailable)
        assert "silent for 70 s" in change.cause.message


async def test_heartbeats_keep_a_quiet_connection_alive() -> None:
    beat = asyncio.Event()

    async def script(session: ScriptedSession) -> None:
        await session.greet()
        await beat.wait()
        session.send(b'{"type":"HEARTBEAT","code":100,"timestamp":1}\n')
        for _ in range(2):
            ping = await session.expect(Ping)
            session.send(PingReply(id=ping.id, timestamp=NOW_MS))

    clock = ManualClock()
    async with ScriptedServer(script) as server, a_client(server, clock=clock) as client:
        await clock.advance(60)
        beat.set()
        await client.ping()
        await clock.advance(60)
        await client.ping()
        assert len(server.sessions) == 1


async def test_after_a_restart_the_subscriptions_are_restored_and_no_price_goes_back() -> None:
    async def before(session: ScriptedSession) -> None:
        await session.greet(a_hello(instance="run-1"))
        command = await session.expect(Subscribe)
        session.send(subscribed(command), a_price("AAPL", seq=40, at=10), a_price("MSFT", seq=7, at=10))
        session.send(SHUTDOWN)
        session.hang_up()

    async def after(session: ScriptedSession) -> None:
        await session.greet(a_hello(instance="run-2"))
        command = await session.expect(Subscribe)
        assert (command.symbols, command.interval, command.save) == (("AAPL", "MSFT"), 0.5, False)
        old, new = NOW_MS - 1, NOW_MS + 1
        session.send(subscribed(command), a_price("AAPL", seq=1, at=20, timestamp=old), a_price("MSFT", seq=1, at=20))
        session.send(a_price("AAPL", seq=2, at=30, timestamp=new))

    clock, changes = ManualClock(), Changes()
    async with ScriptedServer(before) as server:
        client = await a_client(server, clock=clock, on_state=changes).__aenter__()
        await client.subscribe(["AAPL", "MSFT"], interval=0.5)
        prices = client.prices()
        assert {(await anext(prices)).seq, (await anext(prices)).seq} == {40, 7}
        await changes.next(State.CONNECTED)
        assert isinstance((await changes.next(State.RECONNECTING)).cause, ServerShutdown)
    await clock.advance(0.5)
    second = await changes.next(State.RECONNECTING)
    assert (second.attempt, second.retry_seconds) == (2, 1.0)
    assert "Nothing listens" in str(second.cause)
    async with ScriptedServer(after, port=server.port):
        await clock.advance(1.0)
        await client.wait_connected()
        assert client.state is State.CONNECTED
        assert client.hello is not None
        assert client.hello.instance == "run-2"
        seen = [await anext(prices), await anext(prices)]
        assert [(price.symbol, price.seq) for price in seen] == [("MSFT", 1), ("AAPL", 2)]
        await client.close()


async def test_a_restart_of_a_moment_is_over_within_five_seconds_of_real_time() -> None:
    clock = RealClock()
    async with ScriptedServer(market) as server:
        client = await a_client(server).__aenter__()
        await client.subscribe("AAPL")
        prices = client.prices()
        last = await anext(prices)
    began = clock.monotonic()
    async with ScriptedServer(market, port=server.port):
        await client.wait_connected()
        price = await anext(prices)
        assert price.received_at >= last.received_at
        assert clock.monotonic() - began < 5
        await client.close()


async def test_what_can_not_be_restored_is_told() -> None:
    gone = Missing(symbol="AAPL", code=Code.NOT_FOUND, reason=Reason.UNKNOWN_SYMBOL)

    async def before(session: ScriptedSession) -> None:
        await session.greet()
        session.send(subscribed(await session.expect(Subscribe)))
        session.hang_up()

    async def partly(session: ScriptedSession) -> None:
        await session.greet()
        command = await session.expect(Subscribe)
        session.send(subscribed(command).model_copy(update={"symbols": ("MSFT",), "missing": (gone,)}))
        session.hang_up()

    async def not_at_all(session: ScriptedSession) -> None:
        await session.greet()
        command = await session.expect(Subscribe)
        assert command.symbols == ("MSFT",)
        session.send(failure(CommandError(Reason.UNKNOWN_SYMBOL, "Unknown."), command, (gone,)))

    clock, changes = ManualClock(), Changes()
    async with (
        ScriptedServer(before, partly, not_at_all) as server,
        a_client(server, clock=clock, on_state=changes) as client,
    ):
        await client.subscribe(["AAPL", "MSFT"])
        await changes.next(State.CONNECTED)
        for still_there in (("MSFT",), ()):
            change = await changes.next(State.RECONNECTING)
            await clock.advance(change.retry_seconds or 0)
            assert (await changes.next(State.CONNECTED)).missing == (gone,)
            assert client.subscribed == still_there


def limited(*symbols: str) -> tuple[Missing, ...]:
    """What the server had no request left to check."""
    code, reason = Code.TOO_MANY_REQUESTS, Reason.RATE_LIMITED
    return tuple(Missing(symbol=symbol, code=code, reason=reason, retry_after_ms=3_000) for symbol in symbols)


@pytest.mark.parametrize("all_of_them", [False, True])
async def test_what_the_server_could_not_check_when_it_was_restored_is_subscribed_later(all_of_them: bool) -> None:
    asked: list[tuple[str, ...] | None] = []

    async def before(session: ScriptedSession) -> None:
        await session.greet()
        session.send(subscribed(await session.expect(Subscribe)))
        session.hang_up()

    async def short_of_requests(session: ScriptedSession) -> None:
        await session.greet()
        command = await session.expect(Subscribe)
        asked.append(command.symbols)
        if all_of_them:
            missing = limited("AAPL", "MSFT", "TSLA")
            session.send(failure(CommandError(Reason.RATE_LIMITED, "Later."), command, missing))
        else:
            kept = {"symbols": ("AAPL",), "missing": limited("MSFT", "TSLA")}
            session.send(subscribed(command).model_copy(update=kept))
        command = await session.expect(Subscribe)
        asked.append(command.symbols)
        assert command.save is False
        session.send(subscribed(command).model_copy(update={"symbols": ("AAPL", "MSFT"), "missing": limited("TSLA")}))
        command = await session.expect(Subscribe)
        asked.append(command.symbols)
        session.send(subscribed(command).model_copy(update={"symbols": ("AAPL", "MSFT", "TSLA")}))
        session.send(a_price("TSLA"))

    clock, changes = ManualClock(), Changes()
    async with (
        ScriptedServer(before, short_of_requests) as server,
        a_client(server, clock=clock, on_state=changes) as client,
    ):
        await client.subscribe(["AAPL", "MSFT", "TSLA"])
        await changes.next(State.CONNECTED)
        change = await changes.next(State.RECONNECTING)
        await clock.advance(change.retry_seconds or 0)
        assert (await changes.next(State.CONNECTED)).missing == ()
        prices = client.prices()
        for number in (2, 3):
            while len(asked) < number:
                await clock.advance(3)
        assert (await anext(prices)).symbol == "TSLA"
        assert set(client.subscribed) == {"AAPL", "MSFT", "TSLA"}
    first = ("AAPL", "MSFT", "TSLA") if all_of_them else ("MSFT", "TSLA")
    assert asked == [("AAPL", "MSFT", "TSLA"), first, ("TSLA",)]


async def test_what_is_to_be_subscribed_later_is_restored_by_the_next_connection() -> None:
    asked: list[tuple[str, ...] | None] = []

    async def before(session: ScriptedSession) -> None:
        await session.greet()
        session.send(subscribed(await session.expect(Subscribe)))
        session.hang_up()

    async def short_of_requests(session: ScriptedSession) -> None:
        await session.greet()
        command = await session.expect(Subscribe)
        session.send(subscribed(command).model_copy(update={"symbols": ("AAPL",), "missing": limited("MSFT")}))
        session.hang_up()

    async def after(session: ScriptedSession) -> None:
        await session.greet()
        command = await session.expect(Subscribe)
        asked.append(command.symbols)
        session.send(subscribed(command))

    clock, changes = ManualClock(), Changes()
    async with (
        ScriptedServer(before, short_of_requests, after) as server,
        a_client(server, clock=clock, on_state=changes) as client,
    ):
        await client.subscribe(["AAPL", "MSFT"])
        await changes.next(State.CONNECTED)
        for _ in range(2):
            change = await changes.next(State.RECONNECTING)
            await clock.advance(change.retry_seconds or 0)
            assert (await changes.next(State.CONNECTED)).missing == ()
        assert set(client.subscribed) == {"AAPL", "MSFT"}
    assert asked == [("AAPL", "MSFT")]


async def test_a_refusal_that_trying_again_cannot_help_ends_the_client_and_is_told() -> None:
    async def before(session: ScriptedSession) -> None:
        await session.greet()
        session.send(subscribed(await session.expect(Subscribe)))
        session.hang_up()

    async def with_a_lower_limit(session: ScriptedSession) -> None:
        await session.greet()
        command = await session.expect(Subscribe)
        session.send(failure(CommandError(Reason.SYMBOL_LIMIT, "These are 2 symbols; at most 1 is allowed."), command))

    clock, changes = ManualClock(), Changes()
    async with (
        ScriptedServer(before, with_a_lower_limit) as server,
        a_client(server, clock=clock, on_state=changes) as client,
    ):
        await client.subscribe(["AAPL", "MSFT"])
        await changes.next(State.CONNECTED)
        await clock.advance((await changes.next(State.RECONNECTING)).retry_seconds or 0)
        closed = await changes.next(State.CLOSED)
        assert isinstance(closed.cause, BadRequest)
        with pytest.raises(BadRequest, match="at most 1"):
            await client.wait_connected()


async def test_the_waits_between_the_tries_double_to_ten_seconds_and_are_jittered() -> None:
    clock, changes = ManualClock(), Changes()
    async with ScriptedServer(greet_only) as server:
        client = await a_client(server, clock=clock, on_state=changes, random=lambda: 1.0).__aenter__()
        await changes.next(State.CONNECTED)
    waits = []
    for attempt in range(1, 9):
        change = await changes.next(State.RECONNECTING)
        assert change.attempt == attempt
        assert change.retry_seconds is not None
        waits.append(change.retry_seconds)
        await clock.advance(change.retry_seconds)
    assert waits == pytest.approx([0.6, 1.2, 2.4, 4.8, 9.6, 12, 12, 12])
    await client.close()


async def test_a_server_that_lets_in_and_breaks_at_once_is_not_stormed() -> None:
    async def script(session: ScriptedSession) -> None:
        await session.greet()
        session.hang_up()

    clock, changes = ManualClock(), Changes()
    waits = []
    async with ScriptedServer(script) as server, a_client(server, clock=clock, on_state=changes):
        for _ in range(4):
            await changes.next(State.CONNECTED)
            change = await changes.next(State.RECONNECTING)
            waits.append(change.retry_seconds)
            await clock.advance(change.retry_seconds or 0)
        await changes.next(State.CONNECTED)
    assert waits == [0.5, 1, 2, 4]


async def test_after_a_steady_connection_the_waits_begin_anew() -> None:
    steady = asyncio.Event()

    async def at_once(session: ScriptedSession) -> None:
        await session.greet()
        session.hang_up()

    async def later(session: ScriptedSession) -> None:
        await session.greet()
        await steady.wait()
        session.hang_up()

    clock, changes = ManualClock(), Changes()
    async with ScriptedServer(at_once, at_once, later) as server, a_client(server, clock=clock, on_state=changes):
        for wait in (0.5, 1):
            await changes.next(State.CONNECTED)
            assert (await changes.next(State.RECONNECTING)).retry_seconds == wait
            await clock.advance(wait)
        await changes.next(State.CONNECTED)
        await clock.advance(1)
        steady.set()
        assert (await changes.next(State.RECONNECTING)).retry_seconds == 0.5


async def test_a_full_server_may_ask_for_a_longer_wait_up_to_ten_seconds_and_a_stopping_one_may_not() -> None:
    clock, changes = ManualClock(), Changes()

    async def stops(session: ScriptedSession) -> None:
        await session.greet()
        session.send(SHUTDOWN.model_copy(update={"retry_after_ms": 5_000}))

    async with (
        ScriptedServer(
            stops,
            refuse(Reason.LOGIN_THROTTLED, retry_after_ms=5_000),
            refuse(Reason.LOGIN_THROTTLED, retry_after_ms=3_600_000),
            greet_only,
        ) as server,
        a_client(server, clock=clock, on_state=changes),
    ):
        await changes.next(State.CONNECTED)
        waits = []
        for _ in range(3):
            change = await changes.next(State.RECONNECTING)
            waits.append(change.retry_seconds)
            await clock.advance(change.retry_seconds or 0)
        assert waits == [0.5, 5.5, 11]
        await changes.next(State.CONNECTED)


async def test_a_password_that_is_wrong_at_the_reconnect_ends_the_client() -> None:
    async def stops(session: ScriptedSession) -> None:
        await session.greet()
        session.send(subscribed(await session.expect(Subscribe)))
        session.hang_up()

    clock, changes = ManualClock(), Changes()
    async with (
        ScriptedServer(stops, refuse(Reason.BAD_CREDENTIALS)) as server,
        a_client(server, clock=clock, on_state=changes) as client,
    ):
        prices = client.prices()
        await client.subscribe("AAPL")
        await changes.next(State.CONNECTED)
        await changes.next(State.RECONNECTING)
        reading = asyncio.create_task(anext(prices))
        waiting = asyncio.create_task(client.wait_connected())
        await clock.advance(0.5)
        assert isinstance((await changes.next(State.CLOSED)).cause, NotAuthorised)
        for end in (reading, waiting, client.ping()):
            with pytest.raises(NotAuthorised, match="can't come in"):
                await end


@pytest.mark.parametrize("reason", [Reason.STORAGE_ERROR, Reason.AUTH_TIMEOUT])
async def test_a_login_that_fails_for_the_moment_is_tried_again(reason: Reason) -> None:
    async def stops(session: ScriptedSession) -> None:
        await session.greet()
        session.hang_up()

    clock, changes = ManualClock(), Changes()
    async with (
        ScriptedServer(stops, refuse(reason), greet_only) as server,
        a_client(server, clock=clock, on_state=changes),
    ):
        await changes.next(State.CONNECTED)
        for wait in (0.5, 1):
            await changes.next(State.RECONNECTING)
            await clock.advance(wait)
        await changes.next(State.CONNECTED)


async def test_without_reconnect_a_lost_connection_ends_the_client_and_its_prices() -> None:
    async def script(session: ScriptedSession) -> None:
        await session.greet()
        session.send(subscribed(await session.expect(Subscribe)), a_price())
        session.hang_up()

    changes = Changes()
    async with (
        ScriptedServer(script) as server,
        a_client(server, reconnect=False, on_state=changes) as client,
    ):
        await client.subscribe("AAPL")
        prices = client.prices()
        assert await anext(prices) == a_price()
        with pytest.raises(Unavailable, match="was closed by the server"):
            await anext(prices)
        await changes.next(State.CONNECTED)
        assert isinstance((await changes.next(State.CLOSED)).cause, Unavailable)
        with pytest.raises(Unavailable, match="was closed by the server"):
            await client.get("AAPL")
        assert len(server.sessions) == 1


async def test_a_logout_ends_the_client_quietly() -> None:
    changes = Changes()
    async with ScriptedServer(market) as server, a_client(server, on_state=changes) as client:
        await client.subscribe("AAPL", interval=60)
        prices = client.prices()
        await anext(prices)
        assert (await client.logout()).code is Code.LOGGED_OUT
        assert [price async for price in prices] == []
        await changes.next(State.CONNECTED)
        assert (await changes.next(State.CLOSED)).cause is None
        with pytest.raises(Unavailable, match="closed"):
            await client.ping()


async def test_a_logout_that_was_given_up_ends_the_client_when_the_server_says_so() -> None:
    async def script(session: ScriptedSession) -> None:
        await session.greet()
        logout = await session.expect(Logout)
        await session.expect(Ping)
        session.send(LogoutReply(id=logout.id, message="Bye."))
        session.hang_up()

    changes = Changes()
    async with ScriptedServer(script) as server, a_client(server, on_state=changes) as client:
        giving_up = asyncio.create_task(client.logout())
        await settle()
        giving_up.cancel()
        with pytest.raises(Unavailable):
            await client.ping()
        await changes.next(State.CONNECTED)
        assert (await changes.next(State.CLOSED)).cause is None


# --- prices and notices -------------------------------------------------------------------------------------------


async def test_a_snapshot_that_came_before_the_loop_began_is_not_missed() -> None:
    async with ScriptedServer(market) as server, a_client(server) as client:
        await client.subscribe(["AAPL", "MSFT"], interval=3_600)
        await client.get("AAPL")  # by now the prices are here
        symbols = []
        async for price in client.prices():
            symbols.append(price.symbol)
            if len(symbols) == 2:
                break
        assert symbols == ["AAPL", "MSFT"]


async def test_a_slow_reader_over_a_real_connection_gets_the_newest_and_a_quick_one_misses_nothing() -> None:
    proceed = asyncio.Event()

    async def script(session: ScriptedSession) -> None:
        await session.greet()
        session.send(subscribed(await session.expect(Subscribe)))
        for seq in range(1, 101):
            session.send(a_price(seq=seq))
            await proceed.wait()
            proceed.clear()
        ping = await session.expect(Ping)
        session.send(PingReply(id=ping.id, timestamp=NOW_MS))

    async with ScriptedServer(script) as server, a_client(server) as client:
        await client.subscribe("AAPL")
        slow, quick = client.prices(), client.prices()
        assert (await anext(slow)).seq == 1
        seen = []
        for _ in range(100):
            seen.append((await anext(quick)).seq)
            proceed.set()
        await client.ping()
        assert seen == list(range(1, 101))
        assert (await anext(slow)).seq == 100


async def test_after_the_reply_to_unsubscribe_no_price_of_the_symbol_comes() -> None:
    async def script(session: ScriptedSession) -> None:
        await session.greet()
        session.send(subscribed(await session.expect(Subscribe)), a_price("AAPL"), a_price("MSFT"))
        command = await session.expect(Unsubscribe)
        session.send(a_price("AAPL", seq=2))
        session.send(UnsubscribeReply(id=command.id, removed=("AAPL",), missing=(), symbols=("MSFT",)))

    async with ScriptedServer(script) as server, a_client(server) as client:
        prices = client.prices()
        await client.subscribe(["AAPL", "MSFT"])
        await client.unsubscribe("AAPL")
        assert await anext(prices) == a_price("MSFT")
        assert list(client.subscribed) == ["MSFT"]


async def test_notices_go_to_the_callback_and_an_unknown_symbol_in_one_is_subscribed_no_longer() -> None:
    unknown = Notice(code=Code.NOT_FOUND, reason=Reason.UNKNOWN_SYMBOL, symbols=("AAPL",), message="Unknown after all.")

    async def script(session: ScriptedSession) -> None:
        await session.greet()
        command = await session.expect(Subscribe)
        session.send(subscribed(command).model_copy(update={"symbols": ("MSFT",), "pending": ("AAPL",)}))
        ping = await session.expect(Ping)
        session.send(unknown, PingReply(id=ping.id, timestamp=NOW_MS))

    notices: list[Notice] = []
    async with ScriptedServer(script) as server, a_client(server, on_notice=notices.append) as client:
        await client.subscribe(["AAPL", "MSFT"])
        assert list(client.subscribed) == ["MSFT", "AAPL"]
        await client.ping()
        assert notices == [unknown]
        assert list(client.subscribed) == ["MSFT"]


async def test_a_callback_that_raises_is_reported_by_the_loop_and_breaks_nothing() -> None:
    def broken(change: StateChange) -> None:
        raise ZeroDivisionError(change.state)

    complaints: list[str] = []
    loop = asyncio.get_running_loop()
    handler = loop.get_exception_handler()
    async with ScriptedServer(market) as server:
        loop.set_exception_handler(lambda _, context: complaints.append(repr(context["exception"])))
        async with a_client(server, on_state=broken) as client:
            await client.ping()
        loop.set_exception_handler(handler)
    assert complaints == [
        "ZeroDivisionError(<State.CONNECTED: 'connected'>)",
        "ZeroDivisionError(<State.CLOSED: 'closed'>)",
    ]


# --- cancelling and memory ----------------------------------------------------------------------------------------


async def test_a_call_that_is_cancelled_leaves_the_others_alone() -> None:
    cancelled = asyncio.Event()

    async def script(session: ScriptedSession) -> None:
        await session.greet()
        news, ping = await session.expect(News), await session.expect(Ping)
        await cancelled.wait()
        session.send(failure(CommandError(Reason.NO_NEWS, "None."), news), PingReply(id=ping.id, timestamp=NOW_MS))

    async with ScriptedServer(script) as server, a_client(server) as client:
        news = asyncio.create_task(client.news())
        ping = asyncio.create_task(client.ping())
        await settle()
        news.cancel()
        cancelled.set()
        assert (await ping).timestamp == NOW_MS
        assert news.cancelled()


async def test_a_client_may_be_cancelled_after_any_number_of_steps() -> None:
    """Every await on the way in and out is hit by one of the rounds, and none leaves anything."""

    async def script(session: ScriptedSession) -> None:
        await session.greet()
        session.send(subscribed(await session.expect(Subscribe)), a_price())

    async def enter_and_leave(server: ScriptedServer) -> None:
        async with a_client(server) as client:
            await client.subscribe("AAPL", interval=60)
            await anext(client.prices())

    async with ScriptedServer(script) as server:
        steps = 0
        while True:
            task = asyncio.create_task(enter_and_leave(server))
            for _ in range(steps):
                await asyncio.sleep(0)
            if task.done():
                break
            task.cancel()
            await asyncio.wait((task,))
            assert task.cancelled()
            assert asyncio.all_tasks() - server._tasks == {asyncio.current_task()}
            steps += 1
        await task
    assert steps > 20


async def test_a_client_may_be_closed_by_another_task_after_any_number_of_steps() -> None:
    async def script(session: ScriptedSession) -> None:
        await session.greet()

    async with ScriptedServer(script) as server:
        is_in, steps = False, 0
        while not is_in:
            client = a_client(server)
            entering = asyncio.create_task(client.__aenter__())
            for _ in range(steps):
                await asyncio.sleep(0)
            is_in = entering.done()
            await client.close()
            results = await asyncio.gather(entering, return_exceptions=True)
            assert isinstance(results[0], StockTrackClient if is_in else Unavailable | RuntimeError)
            assert client.state is State.CLOSED
            assert asyncio.all_tasks() - server._tasks == {asyncio.current_task()}
            steps += 1
    assert steps > 10


async def test_leaving_while_calls_wait_fails_them_and_ends_the_iterations() -> None:
    async with ScriptedServer(greet_only) as server:
        async with a_client(server) as client:
            news = asyncio.create_task(client.news())
            reading = asyncio.create_task(anext(client.prices(), None))
            await settle()
        with pytest.raises(Unavailable, match="The client was closed"):
            await news
        assert await reading is None


@pytest.mark.parametrize("moment", ["waiting to try", "in the middle of the handshake"])
async def test_leaving_during_a_reconnect_leaves_nothing(moment: str) -> None:
    reached = asyncio.Event()

    async def breaks(session: ScriptedSession) -> None:
        await session.greet()
        session.hang_up()

    async def stalls(session: ScriptedSession) -> None:
        session.send(a_hello())
        await session.expect(Auth)
        reached.set()
        await session.until_gone()

    clock, changes = ManualClock(), Changes()
    async with ScriptedServer(breaks, stalls) as server:
        async with a_client(server, clock=clock, on_state=changes) as client:
            await changes.next(State.CONNECTED)
            await changes.next(State.RECONNECTING)
            if moment != "waiting to try":
                await clock.advance(0.5)
                await reached.wait()
        assert client.state is State.CLOSED
        assert asyncio.all_tasks() - server._tasks == {asyncio.current_task()}
        assert (await changes.next(State.CLOSED)).cause is None


async def test_commands_wait_for_a_server_that_does_not_read_and_time_out_instead_of_piling_up() -> None:
    async def script(session: ScriptedSession) -> None:
        await session.greet()
        await asyncio.Event().wait()  # until the server is left

    clock = ManualClock()
    command = Get(symbols=tuple(f"{number:032}" for number in range(500)))
    async with ScriptedServer(script) as server, a_client(server, clock=clock) as client:
        # In all this is far more than the buffers of two sockets hold.
        calls = [asyncio.create_task(client.request(command)) for _ in range(1_000)]
        await settle(200)
        assert client._connection._connection is not None
        assert client._connection._connection._transport is not None
        assert 0 < client._connection._connection._transport.get_write_buffer_size() < 200_000
        await clock.advance(10)
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(result) for result in results} == {Unavailable}


def test_the_library_runs_on_uvloop_too() -> None:
    uvloop = pytest.importorskip("uvloop", reason="uvloop does not run on this platform")

    async def breaks(session: ScriptedSession) -> None:
        await session.greet()
        session.send(subscribed(await session.expect(Subscribe)), a_price(seq=1))
        await session.expect(Ping)
        session.abort()

    async def goes_on(session: ScriptedSession) -> None:
        await session.greet()
        session.send(subscribed(await session.expect(Subscribe)), a_price(seq=2))

    async def live() -> None:
        clock, changes = ManualClock(), Changes()
        async with ScriptedServer(breaks, goes_on) as server:
            async with a_client(server, clock=clock, on_state=changes) as client:
                await client.subscribe("AAPL")
                prices = client.prices()
                assert (await anext(prices)).seq == 1
                with pytest.raises(Unavailable):
                    await client.ping()
                await changes.next(State.CONNECTED)
                await changes.next(State.RECONNECTING)
                await clock.advance(0.5)
                assert (await anext(prices)).seq == 2
            assert asyncio.all_tasks() - server._tasks == {asyncio.current_task()}

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(live())


# --- promises about the module ------------------------------------------------------------------------------------


def test_importing_the_library_imports_none_of_the_heavy_ones() -> None:
    heavy = {"pandas", "numpy", "yfinance", "sqlalchemy", "fastapi", "prompt_toolkit", "structlog", "dotenv"}
    program = "import sys, stocktrack.client; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603
    imported = set(done.stdout.split())
    assert "stocktrack.client" in imported
    assert imported & heavy == set()


# --- docs/clients.md ----------------------------------------------------------------------------------------------

PROGRAMS = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", CLIENTS_PAGE.read_text(encoding="utf-8"), re.DOTALL)


def scripts_for(program: str, printed: "asyncio.Queue[str]") -> tuple[Script, ...]:
    """The server that a program of the page meets. It goes on when the program has printed what it was sent."""

    async def ticks(session: ScriptedSession) -> None:
        await session.greet()
        command = await session.expect(Subscribe)
        session.send(subscribed(command))
        for seq in range(1, 4):
            for symbol in command.symbols or ():
                session.send(a_price(symbol, seq=seq, price=round(STOCKS[symbol][1] + seq / 10, 2)))
                await printed.get()

    async def stops(session: ScriptedSession) -> None:
        await session.greet()
        session.send(subscribed(await session.expect(Subscribe)), a_price(seq=41))
        while "AAPL" not in await printed.get():
            pass
        session.send(SHUTDOWN)

    async def comes_back(session: ScriptedSession) -> None:
        await session.greet(a_hello(instance="run-2"))
        session.send(subscribed(await session.expect(Subscribe)), a_price(seq=1, at=1, price=189.55))

    if "tell_state" in program:
        return stops, comes_back
    return (ticks,) if "client.prices()" in program else (market,)


@pytest.mark.parametrize(("program", "expected"), PROGRAMS, ids=range(len(PROGRAMS)))
async def test_the_programs_of_the_clients_page_print_what_the_page_says(program: str, expected: str) -> None:
    printed: asyncio.Queue[str] = asyncio.Queue()
    output = ""
    async with ScriptedServer(*scripts_for(program, printed)) as server:
        # Development mode and warnings as errors: an open socket or a task left behind would be told.
        running = await asyncio.create_subprocess_exec(
            *(sys.executable, "-u", "-X", "dev", "-W", "error", "-X", "utf8", "-c", program),
            env={**os.environ, "STOCKTRACK_PORT": str(server.port), "STOCKTRACK_PASSWORD": "correct horse"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert running.stdout is not None
        async for line in running.stdout:
            output += line.decode()
            printed.put_nowait(line.decode())
        _, complaints = await running.communicate()
    assert (output, complaints.decode(), running.returncode) == (expected, "", 0)


def test_all_programs_of_the_clients_page_are_run() -> None:
    assert len(PROGRAMS) == CLIENTS_PAGE.read_text(encoding="utf-8").count("```python") == 6
