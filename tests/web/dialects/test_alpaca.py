"""/v2/{feed}: Alpaca's stream, frame by frame in both encodings; alpaca-py itself is `tests/clients`' matter."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgpack
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bar_source import BarProvider, opens_at
from fakes import NOW_MS, ScriptedStream
from live_server import PASSWORD, LiveServer, live_server, until
from patience import PATIENCE_SECONDS
from stocktrack.clock import ManualClock, settle
from stocktrack.quotes import MarketState
from stocktrack.web.dialects import alpaca
from web_clients import BareSocket, websocket_url

PATH = "/v2/iex"
MARKET_MS = NOW_MS - 900_000
MARKET_TIME = "2024-04-05T15:30:00.000Z"
CONNECTED = [{"T": "success", "msg": "connected"}]
AUTHENTICATED = [{"T": "success", "msg": "authenticated"}]
AUTH = {"action": "auth", "key": "ann", "secret": PASSWORD}
MSGPACK = {"Content-Type": "application/msgpack"}


class AlpacaClient:
    """A client in one of the encodings."""

    def __init__(self, socket: ClientConnection, *, is_msgpack: bool) -> None:
        self.socket = socket
        self._is_msgpack = is_msgpack

    async def frame(self) -> Any:
        """The next frame; in both encodings a time is what JSON tells."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            frame = await self.socket.recv()
        assert isinstance(frame, bytes if self._is_msgpack else str)
        return msgpack.unpackb(frame, timestamp=3) if self._is_msgpack else json.loads(frame)

    async def send(self, *messages: Mapping[str, Any] | str | bytes) -> None:
        for message in messages:
            if isinstance(message, str | bytes):
                await self.socket.send(message)
            else:
                await self.socket.send(msgpack.packb(message) if self._is_msgpack else json.dumps(message))

    async def ask(self, message: Mapping[str, Any] | str | bytes) -> Any:
        """The one message of the next frame that is no price."""
        await self.send(message)
        while (frame := await self.frame())[0]["T"] in {"t", "q", "b"}:
            pass
        assert len(frame) == 1
        return frame[0]

    async def log_in(self, secret: str = PASSWORD) -> None:
        assert await self.frame() == CONNECTED
        await self.send({**AUTH, "secret": secret})
        assert await self.frame() == AUTHENTICATED

    async def closes(self) -> tuple[list[Any], int | None, str]:
        """What is said until the server closes, its code and its reason."""
        frames = []
        while True:
            try:
                frames.append(await self.frame())
            except ConnectionClosed as end:
                return frames, end.rcvd.code if end.rcvd else None, end.rcvd.reason if end.rcvd else ""


@dataclass
class Scene:
    server: LiveServer
    market: ScriptedStream
    clock: ManualClock

    @contextlib.asynccontextmanager
    async def client(
        self, path: str = PATH, *, is_msgpack: bool = False, **headers: str
    ) -> AsyncIterator[AlpacaClient]:
        given = {**(MSGPACK if is_msgpack else {}), **{name.replace("_", "-"): each for name, each in headers.items()}}
        async with connect(websocket_url(self.server, path), additional_headers=given) as socket:
            yield AlpacaClient(socket, is_msgpack=is_msgpack)

    @contextlib.asynccontextmanager
    async def logged_in(self, *, is_msgpack: bool = False) -> AsyncIterator[AlpacaClient]:
        async with self.client(is_msgpack=is_msgpack) as client:
            await client.log_in()
            yield client

    async def token(self, name: str = "ann") -> str:
        client = await self.server.log_in(name)
        token: str = (await client.ask({"type": "TOKEN"}))["token"]
        await client.close()
        return token

    async def until_asked(self) -> None:
        """Return when a login was refused and is held: the session's clock has somebody sleeping for it."""
        await until(lambda: all(session._wrong_logins for session in self.server.app.sessions))
        await settle()


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with a_scene(tmp_path) as scene:
        yield scene


@contextlib.asynccontextmanager
async def a_scene(tmp_path: Path, **settings: Any) -> AsyncIterator[Scene]:
    clock = ManualClock()
    market = ScriptedStream(clock)
    market.market_time = MARKET_MS
    async with live_server(tmp_path, market, clock=clock, web=True, users=("ann", "bob"), **settings) as server:
        yield Scene(server, market, clock)


def lists(told: Mapping[str, Any]) -> dict[str, list[str]]:
    """What of the answer is not empty."""
    assert told["T"] == "subscription", told
    assert [*told] == [
        *("T", "trades", "quotes", "bars", "updatedBars", "dailyBars", "statuses", "lulds", "corrections"),
        "cancelErrors",
    ]
    return {name: listed for name, listed in told.items() if listed and name != "T"}


# --- prices ---


@pytest.mark.parametrize("is_msgpack", [False, True], ids=["json", "msgpack"])
async def test_a_subscriber_gets_the_standing_price_and_then_each_new_one(scene: Scene, is_msgpack: bool) -> None:
    scene.market.quoted = {"volume": 1_000}
    time = msgpack.Timestamp(MARKET_MS // 1000).to_datetime() if is_msgpack else MARKET_TIME
    async with scene.logged_in(is_msgpack=is_msgpack) as client:
        told = await client.ask({"action": "subscribe", "trades": ["AAPL", "TSLA"], "quotes": ["AAPL"]})
        assert lists(told) == {"trades": ["AAPL", "TSLA"], "quotes": ["AAPL"]}
        assert await client.frame() == [
            {"T": "t", "S": "AAPL", "p": 100.0, "s": 0, "t": time},
            {"T": "t", "S": "TSLA", "p": 300.0, "s": 0, "t": time},
        ]
        for number in range(1, 11):
            scene.market.quoted = {"volume": 1_000 + 7 * number, "bid": 99.0 + number, "ask": 101.0}
            scene.market.deliver()
            assert await client.frame() == [
                {"T": "t", "S": "AAPL", "p": 100.0 + number, "s": 7, "t": time},
                {"T": "q", "S": "AAPL", "bp": 99.0 + number, "bs": 0, "ap": 101.0, "as": 0, "t": time},
                {"T": "t", "S": "TSLA", "p": 300.0 + number, "s": 7, "t": time},
            ]


async def test_a_channel_that_is_added_begins_with_what_stands_and_another_one_does_not(scene: Scene) -> None:
    scene.market.quoted = {"bid": 99.0, "ask": 101.0}
    async with scene.logged_in() as client:
        await client.ask({"action": "subscribe", "quotes": ["AAPL"]})
        assert [each["T"] for each in await client.frame()] == ["q"]
        await client.send({"action": "subscribe", "quotes": ["AAPL"]}, {"action": "subscribe", "trades": ["AAPL"]})
        assert lists((await client.frame())[0]) == {"quotes": ["AAPL"]}
        assert lists((await client.frame())[0]) == {"trades": ["AAPL"], "quotes": ["AAPL"]}
        assert [each["T"] for each in await client.frame()] == ["t"]


async def test_after_an_unsubscribe_there_is_nothing_more_of_that_channel(scene: Scene) -> None:
    scene.market.quoted = {"bid": 99.0, "ask": 101.0}
    async with scene.logged_in() as client:
        await client.ask({"action": "subscribe", "trades": ["AAPL", "TSLA"], "quotes": ["AAPL"], "bars": ["MSFT"]})
        told = await client.ask({"action": "unsubscribe", "trades": ["AAPL", "NVDA"], "bars": ["MSFT"], "lulds": ["A"]})
        assert lists(told) == {"trades": ["TSLA"], "quotes": ["AAPL"]}
        [session] = scene.server.app.sessions
        assert session.symbols == ("AAPL", "TSLA")
        scene.market.quoted = {"bid": 98.0, "ask": 101.0}
        scene.market.deliver()
        assert [(each["T"], each["S"]) for each in await client.frame()] == [("q", "AAPL"), ("t", "TSLA")]
        told = await client.ask({"action": "unsubscribe", "trades": ["TSLA"], "quotes": ["AAPL"]})
        assert lists(told) == {}
        assert scene.server.app.board.watched() == []
        told = await client.ask({"action": "subscribe", "trades": ["TSLA"]})
        assert [each["s"] for each in await client.frame()] == [0]


async def test_an_empty_list_asks_for_the_list(scene: Scene) -> None:
    async with scene.logged_in() as client:
        assert lists(await client.ask({"action": "subscribe", "trades": [], "lulds": []})) == {}


@pytest.mark.parametrize("is_msgpack", [False, True], ids=["json", "msgpack"])
async def test_a_message_in_fragments_is_one_message(scene: Scene, is_msgpack: bool) -> None:
    async with scene.logged_in(is_msgpack=is_msgpack) as client:
        subscribe = {"action": "subscribe", "trades": ["AAPL"]}
        whole = msgpack.packb(subscribe) if is_msgpack else json.dumps(subscribe)
        await client.socket.send([whole])  # as alpaca-py does: all of it, and an end without anything
        assert lists((await client.frame())[0]) == {"trades": ["AAPL"]}
        await client.frame()
        await client.socket.send([whole[:3], whole[3:9], whole[9:]])
        assert lists((await client.frame())[0]) == {"trades": ["AAPL"]}


async def test_a_client_of_json_may_send_bytes(scene: Scene) -> None:
    async with scene.logged_in() as client:
        await client.send(json.dumps({"action": "subscribe", "trades": ["AAPL"]}).encode())
        assert lists((await client.frame())[0]) == {"trades": ["AAPL"]}


async def test_what_is_watched_here_is_not_saved(scene: Scene) -> None:
    async with scene.logged_in() as client:
        await client.ask({"action": "subscribe", "trades": ["AAPL"]})
        ann = await scene.server.log_in()
        assert (await ann.ask({"type": "MY_STOCKS"}))["symbols"] == []


# --- the asterisk ---


async def test_the_asterisk_is_what_others_watch_and_makes_no_demand(scene: Scene) -> None:
    async with scene.logged_in() as client:
        assert lists(await client.ask({"action": "subscribe", "trades": ["*"]})) == {"trades": ["*"]}
        assert scene.server.app.board.watched() == []
        other = await scene.server.log_in("bob")
        await other.ask({"type": "SUBSCRIBE", "symbols": ["AAPL", "MSFT"], "save": False, "interval": 0})
        scene.market.deliver()
        told = {each["S"] for each in await client.frame()}
        assert told == {"AAPL", "MSFT"}
        await other.ask({"type": "UNSUBSCRIBE", "symbols": ["AAPL"], "save": False})
        assert scene.server.app.board.watched() == ["MSFT"]
        scene.market.deliver()
        assert [each["S"] for each in await client.frame()] == ["MSFT"]
        assert lists(await client.ask({"action": "unsubscribe", "trades": ["*"]})) == {}
        scene.market.deliver()
        assert (await client.ask({"action": "subscribe", "trades": []}))["T"] == "subscription"


async def test_the_asterisk_beside_a_symbol_tells_nothing_twice(scene: Scene) -> None:
    async with scene.logged_in() as client:
        await client.ask({"action": "subscribe", "trades": ["AAPL", "*"]})
        assert [(each["S"], each["p"]) for each in await client.frame()] == [("AAPL", 100.0)]
        for price in (101.0, 102.0):
            scene.market.deliver()
            assert [(each["S"], each["p"]) for each in await client.frame()] == [("AAPL", price)]
        await client.ask({"action": "unsubscribe", "trades": ["AAPL"]})
        assert scene.server.app.board.watched() == []


async def test_the_asterisk_stands_for_no_more_symbols_than_a_session_may_have(tmp_path: Path) -> None:
    async with a_scene(tmp_path, max_symbols=2) as scene, scene.logged_in() as client:
        for name, symbols in (("ann", ["AAPL", "MSFT"]), ("bob", ["TSLA"])):
            other = await scene.server.log_in(name)
            await other.ask({"type": "SUBSCRIBE", "symbols": symbols, "save": False, "interval": 0})
        await client.ask({"action": "subscribe", "trades": ["*"]})
        assert [each["S"] for each in await client.frame()] == ["AAPL", "MSFT"]


async def test_of_what_the_asterisk_told_over_time_only_so_much_is_remembered(tmp_path: Path) -> None:
    async with a_scene(tmp_path, max_symbols=1) as scene, scene.logged_in() as client:
        await client.ask({"action": "subscribe", "trades": ["*"]})
        [session] = scene.server.app.sessions
        other = await scene.server.log_in("bob")
        for number in range(10):
            await other.ask({"type": "SUBSCRIBE", "symbols": [f"S{number}"], "save": False, "interval": 0})
            scene.market.deliver()
            assert [each["S"] for each in await client.frame()] == [f"S{number}"]
            await other.ask({"type": "UNSUBSCRIBE", "symbols": [f"S{number}"], "save": False})
            assert isinstance(session.connection, alpaca.AlpacaConnection)
            assert len(session.connection.told) <= 4


async def test_what_follows_the_market_ends_with_the_client(scene: Scene) -> None:
    async with scene.logged_in() as client:
        await client.ask({"action": "subscribe", "quotes": ["*"], "bars": ["*"]})
        assert scene.server.app.board._watched_baskets
    await until(lambda: not scene.server.app.board._watched_baskets)
    await until(lambda: len(scene.server.app.sessions) == 0)
    assert not [task for task in asyncio.all_tasks() if task.get_name().endswith((" watched push", " login"))]


async def test_a_mistake_of_ours_in_following_ends_the_session(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    async with scene.logged_in() as client:
        await client.ask({"action": "subscribe", "trades": ["*"]})
        other = await scene.server.log_in("bob")
        await other.ask({"type": "SUBSCRIBE", "symbols": ["AAPL"], "save": False, "interval": 0})

        def fail(*_: object) -> None:
            raise KeyError("quoteResponse")

        monkeypatch.setattr(alpaca.AlpacaConnection, "send", fail)
        scene.market.deliver()
        await settle()
        monkeypatch.undo()
        await scene.clock.advance(2)
        frames, code, _ = await client.closes()
        assert (frames[-1][0]["code"], code) == (500, 1012)


# --- the login ---


@pytest.mark.parametrize("is_msgpack", [False, True], ids=["json", "msgpack"])
async def test_a_token_of_the_user_is_as_good_as_the_password(scene: Scene, is_msgpack: bool) -> None:
    token = await scene.token()
    async with scene.client(is_msgpack=is_msgpack) as client:
        await client.log_in(token)
        [session] = scene.server.app.sessions
        assert session.username == "ann"
        assert session.identity is not None
        assert session.identity.token is not None


async def test_the_headers_of_the_handshake_log_in_too(scene: Scene) -> None:
    async with scene.client(APCA_API_KEY_ID="ann", APCA_API_SECRET_KEY=PASSWORD) as client:
        assert await client.frame() == CONNECTED
        assert await client.frame() == AUTHENTICATED
        assert (await client.ask(AUTH))["code"] == 403
        assert lists(await client.ask({"action": "subscribe", "trades": ["AAPL"]})) == {"trades": ["AAPL"]}


@pytest.mark.parametrize(
    ("key", "secret"),
    [
        ("ann", "wrong"),
        ("nobody", PASSWORD),
        ("", ""),
        ("ann", ""),
        ("x" * 65, "wrong"),
        ("ann", "eyJ.eyJ.e"),
        ("ann", "x" * 2_000),
    ],
)
async def test_a_bad_login_is_answered_after_two_seconds_and_closed(scene: Scene, key: str, secret: str) -> None:
    async with scene.client() as client:
        assert await client.frame() == CONNECTED
        await client.send({"action": "auth", "key": key, "secret": secret})
        held = asyncio.create_task(client.closes())
        [session] = scene.server.app.sessions
        talk_of = session._companion
        assert isinstance(talk_of, alpaca.AlpacaTalk)
        await until(lambda: talk_of._deadline is None)
        await scene.clock.advance(1.9)
        assert not held.done()
        assert session.is_open
        await scene.clock.advance(0.2)
        frames, code, reason = await held
        assert [(error["T"], error["code"], error["msg"]) for [error] in frames] == [("error", 402, "auth failed")]
        assert code == 1011
        assert reason != ""
    await until(lambda: len(scene.server.app.sessions) == 0)
    assert len(scene.server.app.sessions.strangers) == 0


async def test_who_leaves_while_its_bad_login_is_held_leaves_nothing_behind(scene: Scene) -> None:
    for _ in range(5):
        async with scene.client(is_msgpack=True) as client:
            await client.frame()
            await client.send({**AUTH, "secret": "wrong"})
            await scene.until_asked()
    await scene.clock.advance(2)
    await until(lambda: len(scene.server.app.sessions) == 0)
    assert len(scene.server.app.sessions.strangers) == 0
    assert not [task for task in asyncio.all_tasks() if task.get_name().endswith(" login")]


async def test_a_token_of_another_user_is_a_wrong_login(scene: Scene) -> None:
    token = await scene.token("bob")
    async with scene.client() as client:
        await client.frame()
        await client.send({"action": "auth", "key": "ann", "secret": token})
        await scene.until_asked()
        await scene.clock.advance(2)
        frames, code, _ = await client.closes()
        assert (frames[0][0]["code"], code) == (402, 1011)


async def test_wrong_headers_are_a_wrong_login(scene: Scene) -> None:
    async with scene.client(APCA_API_KEY_ID="ann", APCA_API_SECRET_KEY="wrong") as client:
        assert await client.frame() == CONNECTED
        await scene.until_asked()
        await scene.clock.advance(2)
        frames, code, _ = await client.closes()
        assert (frames[0][0]["code"], code) == (402, 1011)


async def test_too_many_wrong_logins_are_throttled_and_say_so(tmp_path: Path) -> None:
    async with a_scene(tmp_path, login_failures_per_minute=2) as scene:
        for _ in range(2):
            async with scene.client() as client:
                await client.frame()
                await client.send({**AUTH, "secret": "wrong"})
                await scene.until_asked()
                await scene.clock.advance(2)
                await client.closes()
            await until(lambda: len(scene.server.app.sessions) == 0)
        async with scene.client() as client:
            await client.frame()
            await client.send({**AUTH, "secret": "wrong"})
            [session] = scene.server.app.sessions
            await until(lambda: session._companion._deadline is None)  # type: ignore[union-attr] # it is a talk
            await scene.clock.advance(2)
            [[error]], _, _ = await client.closes()
            assert (error["code"], error["msg"][:30]) == (402, "auth failed: Too many wrong lo")


async def test_who_does_not_log_in_is_told_so_after_ten_seconds(scene: Scene) -> None:
    async with scene.client() as client:
        assert await client.frame() == CONNECTED
        await scene.clock.advance(9.9)
        assert (await client.ask({"action": "subscribe", "trades": ["AAPL"]}))["code"] == 401
        await scene.clock.advance(0.2)
        frames, code, _ = await client.closes()
        assert [error["code"] for [error] in frames] == [404]
        assert code == 1012


async def test_who_has_logged_in_stays(scene: Scene) -> None:
    async with scene.logged_in() as client:
        await scene.clock.advance(60)
        assert lists(await client.ask({"action": "subscribe", "trades": ["AAPL"]})) == {"trades": ["AAPL"]}


async def test_a_second_login_is_refused_and_the_session_goes_on(scene: Scene) -> None:
    async with scene.logged_in() as client:
        assert (await client.ask(AUTH))["code"] == 403
        assert (await client.ask({**AUTH, "key": "bob"}))["code"] == 403
        assert lists(await client.ask({"action": "subscribe", "trades": ["AAPL"]})) == {"trades": ["AAPL"]}


async def test_a_revoked_token_ends_the_session(scene: Scene) -> None:
    token = await scene.token()
    async with scene.client() as client:
        await client.log_in(token)
        ann = await scene.server.log_in()
        await ann.ask({"type": "REVOKE"})
        frames, code, _ = await client.closes()
        assert (frames[0][0]["code"], code) == (401, 1012)


# --- what is refused ---


@pytest.mark.parametrize(
    "path", ["/v2", "/v2/", "/v2/a/b", "/v2/9", "/v2/a.b", "/v2/iex/", f"/v2/{'x' * 33}", "/v2/../ws", "/v2//iex"]
)
async def test_what_is_no_feed_is_a_404(scene: Scene, path: str) -> None:
    bare = await BareSocket.connect(scene.server)
    assert (await bare.handshake(path)).startswith(b"HTTP/1.1 404 ")
    bare.close()


@pytest.mark.parametrize("feed", ["iex", "sip", "delayed_sip", "test", "iex?source=here"])
async def test_every_feed_is_this_market(scene: Scene, feed: str) -> None:
    async with scene.client(f"/v2/{feed}") as client:
        await client.log_in()


async def test_without_msgpack_the_server_says_what_to_install(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alpaca, "is_msgpack_installed", lambda: False)
    with pytest.raises(InvalidStatus) as refused:
        async with scene.client(is_msgpack=True):
            pass
    assert refused.value.response.status_code == 501
    assert b"pip install '.[alpaca]'" in bytes(refused.value.response.body or b"")
    async with scene.client() as client:
        assert await client.frame() == CONNECTED


@pytest.mark.parametrize(
    "message",
    [
        *("{nope", "[]", "null", '{"action":"auth","action":"auth"}', '{"action":NaN}', "[" * 3_000, b"\xff"),
        *({}, {"action": "sell"}, {"action": 5}, {"action": ["auth"]}, {"action": "subscribe"}, {"action": "auth"}),
        *({**AUTH, "key": 1}, {**AUTH, "secret": None}, {"action": "subscribe", "trades": "AAPL"}),
        *({"action": "subscribe", "trades": [1]}, {"action": "subscribe", "trades": ["A B"]}),
    ],
    ids=lambda message: str(message)[:30],
)
async def test_what_is_wrong_is_invalid_syntax_and_nothing_closes(
    scene: Scene, message: Mapping[str, Any] | str | bytes
) -> None:
    async with scene.logged_in() as client:
        error = await client.ask(message)
        assert (error["T"], error["code"], error["msg"]) == ("error", 400, "invalid syntax")
        assert error["detail"].endswith(".")
        assert lists(await client.ask({"action": "subscribe", "trades": ["AAPL"]})) == {"trades": ["AAPL"]}


@pytest.mark.parametrize("message", [b"\xc1", msgpack.packb([]), b"\xdd\xff\xff\xff\xff", '{"action":"auth"}'])
async def test_what_is_wrong_in_msgpack_is_told_in_msgpack(scene: Scene, message: str | bytes) -> None:
    async with scene.logged_in(is_msgpack=True) as client:
        assert (await client.ask(message))["code"] == 400


async def test_twenty_bad_messages_in_a_row_close(scene: Scene) -> None:
    async with scene.logged_in() as client:
        await client.send(*["{nope"] * 20)
        frames, code, _ = await client.closes()
        assert ([error["code"] for [error] in frames], code) == ([400] * 21, 1011)


async def test_a_message_that_is_too_long_closes(scene: Scene) -> None:
    async with scene.logged_in() as client:
        await client.send("x" * 40_000)
        frames, code, _ = await client.closes()
        assert ([error["code"] for [error] in frames], code) == ([400], 1009)


@pytest.mark.parametrize("channel", ["statuses", "lulds", "corrections", "cancelErrors"])
async def test_a_channel_that_is_not_offered_is_refused_and_takes_no_other_along(scene: Scene, channel: str) -> None:
    async with scene.logged_in() as client:
        error = await client.ask({"action": "subscribe", channel: ["AAPL"]})
        assert (error["code"], error["msg"][:25]) == (409, "insufficient subscription")
        assert f"{channel} are not offered here, since no source tells them" in error["msg"]
        told = await client.ask({"action": "subscribe", channel: ["AAPL"], "trades": ["AAPL"]})
        assert lists(told) == {"trades": ["AAPL"]}
        assert (await client.frame())[0]["code"] == 409
        assert [each["T"] for each in await client.frame()] == ["t"]


@pytest.mark.parametrize("action", ["subscribe", "unsubscribe"])
async def test_a_channel_of_another_stream_is_an_invalid_action(scene: Scene, action: str) -> None:
    async with scene.logged_in() as client:
        await client.send({"action": action, "news": ["AAPL"], "trades": []})
        codes = [(await client.frame())[0].get("code") for _ in range(1 if action == "subscribe" else 2)]
        assert codes[-1] == 410


async def test_too_many_symbols_refuse_the_whole_request(tmp_path: Path) -> None:
    async with a_scene(tmp_path, max_symbols=3) as scene, scene.logged_in() as client:
        await client.ask({"action": "subscribe", "trades": ["AAPL", "*"], "quotes": ["AAPL"], "bars": ["*"]})
        error = await client.ask({"action": "subscribe", "trades": ["MSFT"], "quotes": ["TSLA"], "bars": ["S1"]})
        assert (error["code"], error["msg"].partition(":")[0]) == (405, "symbol limit exceeded")
        told = await client.ask({"action": "subscribe", "trades": []})
        assert lists(told) == {"trades": ["AAPL", "*"], "quotes": ["AAPL"], "bars": ["*"]}
        told = await client.ask({"action": "subscribe", "trades": ["MSFT", "TSLA"], "quotes": ["MSFT"]})
        assert lists(told)["trades"] == ["AAPL", "*", "MSFT", "TSLA"]


async def test_an_unknown_symbol_is_not_in_the_list_and_an_error_says_so(scene: Scene) -> None:
    async with scene.logged_in() as client:
        assert lists(await client.ask({"action": "subscribe", "trades": ["NOPE", "AAPL"]})) == {"trades": ["AAPL"]}
        [error] = await client.frame()
        assert (error["code"], error["msg"]) == (400, "invalid syntax: There is no price of NOPE.")
        assert [each["S"] for each in await client.frame()] == ["AAPL"]
        assert lists(await client.ask({"action": "subscribe", "bars": ["NOPE"]})) == {"trades": ["AAPL"]}
        assert (await client.frame())[0]["code"] == 400


async def test_a_symbol_whose_source_is_down_stays_and_leaves_with_an_error_once_it_is_unknown(scene: Scene) -> None:
    scene.market.script = "fail"
    async with scene.logged_in() as client:
        assert lists(await client.ask({"action": "subscribe", "trades": ["NOPE"], "quotes": ["AAPL"]})) == {
            "trades": ["NOPE"],
            "quotes": ["AAPL"],
        }
        scene.market.script = "good"
        for _ in range(30):
            await scene.clock.advance(5)
        frames = [await client.frame()]
        while frames[-1][0]["T"] != "subscription":
            frames.append(await client.frame())
        assert [each["code"] for [each] in frames[:-1] if each["T"] == "error"][-1] == 400
        assert lists(frames[-1][0]) == {"quotes": ["AAPL"]}


async def test_an_outage_is_an_error_of_ours_and_prices_stay(scene: Scene) -> None:
    async with scene.logged_in() as client:
        await client.ask({"action": "subscribe", "trades": ["AAPL"]})
        await client.frame()
        scene.market.script = "fail"
        scene.market.break_off()
        await until(lambda: not scene.market.is_streaming())
        await scene.clock.advance(30)
        [error] = await client.frame()
        assert (error["code"], error["msg"].partition(":")[0]) == (500, "internal error")


async def test_where_there_is_no_room_the_client_is_greeted_and_told_so(tmp_path: Path) -> None:
    async with a_scene(tmp_path, max_sessions=1) as scene, scene.logged_in(), scene.client() as second:
        frames, code, _ = await second.closes()
        assert (frames[0], frames[1][0]["code"], code) == (CONNECTED, 406, 1011)
        assert frames[1][0]["msg"].startswith("connection limit exceeded: ")


async def test_a_user_with_too_many_sessions_is_told_so_at_the_login(tmp_path: Path) -> None:
    async with a_scene(tmp_path, max_sessions_per_user=1) as scene, scene.logged_in(), scene.client() as second:
        await second.frame()
        await second.send(AUTH)
        sessions = scene.server.app.sessions
        await until(lambda: sum(session._companion._deadline is None for session in sessions) == 2)  # type: ignore[union-attr] # they are talks
        await scene.clock.advance(2)
        [[error]], code, _ = await second.closes()
        assert (error["code"], code) == (406, 1011)


async def test_a_client_that_takes_nothing_is_closed(scene: Scene) -> None:
    bare = await BareSocket.open(scene.server, PATH)
    bare.send(json.dumps(AUTH).encode())
    await bare.receive()
    await bare.receive()
    [session] = scene.server.app.sessions
    bare.reader._transport.pause_reading()  # type: ignore[attr-defined] # it is a read transport as well
    bare.send(json.dumps({"action": "subscribe", "trades": [f"S{number}" for number in range(20)]}).encode())
    await until(lambda: session.symbols)
    while session.connection.unsent_bytes() == 0:
        for _ in range(50):
            scene.market.deliver()
            await settle(2)
    await scene.clock.advance(15)
    await until(lambda: len(scene.server.app.sessions) == 0)
    bare.close()


async def test_a_quiet_client_is_pinged(scene: Scene) -> None:
    bare = await BareSocket.open(scene.server, PATH)
    bare.send(json.dumps(AUTH).encode())
    await bare.receive()
    await bare.receive()
    await scene.clock.advance(31)
    assert await bare.receive() == (9, b"")
    bare.close()


async def test_a_shutdown_is_told_and_closes_so_that_the_client_comes_back(scene: Scene) -> None:
    async with scene.logged_in() as client:
        await client.ask({"action": "subscribe", "trades": ["AAPL"], "bars": ["AAPL"]})
        await scene.server.app.close()
        frames, code, reason = await client.closes()
        assert (frames[-1][0]["code"], code) == (500, 1012)
        assert reason == "The server is stopping."


async def test_pages_of_another_site_are_refused(scene: Scene) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with scene.client(Origin="https://evil.example"):
            pass
    assert refused.value.response.status_code == 403


# --- bars ---


async def test_bars_come_after_the_minute_and_are_asked_for_once_for_all(tmp_path: Path) -> None:
    friday = date(2024, 4, 5)
    clock = ManualClock(opens_at(friday) + 270_000)
    market = BarProvider(clock)
    market.quoted |= {"market_state": MarketState.OPEN}
    async with live_server(tmp_path, market, clock=clock, web=True, record_bars=False) as server:
        scene = Scene(server, market, clock)  # type: ignore[arg-type] # no stream is needed
        async with scene.logged_in() as client, scene.logged_in(is_msgpack=True) as other:
            for each in (client, other):
                await each.ask({"action": "subscribe", "bars": ["AAPL", "MSFT"]})
            # The source's bars are of five minutes each: the one of 9:30 is over, that of 9:35 has not begun.
            await clock.advance(30)
            asked = len(market.bar_requests)
            await clock.advance(10)
            assert asked == 0
            assert {symbol for symbol, *_ in market.bar_requests} == {"AAPL", "MSFT"}
            assert len(market.bar_requests) == 2
            await clock.advance(65)
            [apple, microsoft] = await client.frame()
            price = market.price_of(friday)
            assert apple == {
                "T": "b",
                "S": "AAPL",
                "o": price,
                "h": price + 0.5,
                "l": price - 0.5,
                "c": price + 0.25,
                "v": 10,
                "t": "2024-04-05T13:35:00.000Z",
                "n": None,
                "vw": None,
            }
            assert [each["S"] for each in await other.frame()] == ["AAPL", "MSFT"]
            assert microsoft["S"] == "MSFT"


@pytest.mark.parametrize("is_msgpack", [False, True], ids=["json", "msgpack"])
async def test_the_running_day_and_a_minute_that_changes_late_are_told(tmp_path: Path, is_msgpack: bool) -> None:
    friday = date(2024, 4, 5)
    clock = ManualClock(opens_at(friday) + 270_000)
    market = BarProvider(clock)
    market.quoted |= {"market_state": MarketState.OPEN}
    async with live_server(tmp_path, market, clock=clock, web=True, record_bars=False) as server:
        scene = Scene(server, market, clock)  # type: ignore[arg-type] # no stream is needed
        async with scene.logged_in(is_msgpack=is_msgpack) as client:
            asked = {"updatedBars": ["AAPL"], "dailyBars": ["AAPL"]}
            assert lists(await client.ask({"action": "subscribe", **asked})) == asked
            await clock.advance(40)
            price = market.price_of(friday)
            unknown = {"n": None, "vw": None}
            day = {"o": price, "h": price + 2, "l": price - 2, "c": price + 1, "v": 1_000, **unknown}
            midnight = "2024-04-05T04:00:00.000Z"
            [told] = await client.frame()
            assert told == {"T": "d", "S": "AAPL", "t": _as_told(midnight, is_msgpack=is_msgpack), **day}
            market.has_volume = False  # as if nobody had counted
            await clock.advance(30)
            [told] = await client.frame()
            minute = {"o": price, "h": price + 0.5, "l": price - 0.5, "c": price + 0.25, "v": 0, **unknown}
            assert told == {
                "T": "u",
                "S": "AAPL",
                "t": _as_told("2024-04-05T13:30:00.000Z", is_msgpack=is_msgpack),
                **minute,
            }
            assert lists(await client.ask({"action": "unsubscribe", **asked})) == {}


def _as_told(moment: str, *, is_msgpack: bool) -> str | datetime:
    return datetime.fromisoformat(moment) if is_msgpack else moment
